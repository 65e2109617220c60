/* bytes.h: big- and little-endian loads and stores, and Kafka's variable-length integers.
 *
 * Varints as in the Kafka protocol (KIP-482 for unsigned; records use zigzag): base 128, low group first. Readers take
 * what remains and return the bytes consumed, or 0 when the input is short or longer than the type allows. */
#ifndef MILLRACE_BYTES_H
#define MILLRACE_BYTES_H

#include "core/base/base.h"

#define VARINT32_BYTES_MAX 5
#define VARINT64_BYTES_MAX 10

static inline uint16_t load_be16(const void *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t load_be32(const void *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t load_be64(const void *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return __builtin_bswap64(value);
}

static inline void store_be16(void *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof(value));
}

static inline void store_be32(void *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof(value));
}

static inline void store_be64(void *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof(value));
}

/* Our own disk formats are little-endian; this tree runs on little-endian machines only (checked at build). */
static inline uint16_t load_le16(const void *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint32_t load_le32(const void *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint64_t load_le64(const void *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline void store_le16(void *to, uint16_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void store_le32(void *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void store_le64(void *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline uint32_t zigzag32(int32_t value)
{
    return ((uint32_t)value << 1) ^ (uint32_t)(value >> 31);
}

static inline int32_t unzigzag32(uint32_t value)
{
    return (int32_t)(value >> 1) ^ -(int32_t)(value & 1);
}

static inline uint64_t zigzag64(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t unzigzag64(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Bytes consumed (1..5), or 0. */
size_t uvarint32_read(const uint8_t *from, size_t remaining, uint32_t *out_value);
/* Bytes consumed (1..10), or 0. */
size_t uvarint64_read(const uint8_t *from, size_t remaining, uint64_t *out_value);
/* `to` has room for VARINT32_BYTES_MAX / VARINT64_BYTES_MAX; returns bytes written. */
size_t uvarint32_write(uint8_t *to, uint32_t value);
size_t uvarint64_write(uint8_t *to, uint64_t value);
/* Encoded sizes. */
size_t uvarint32_bytes(uint32_t value);
size_t uvarint64_bytes(uint64_t value);

static inline size_t varint32_read(const uint8_t *from, size_t remaining, int32_t *out_value)
{
    uint32_t raw = 0;
    size_t   used = uvarint32_read(from, remaining, &raw);

    if (used != 0) {
        *out_value = unzigzag32(raw);
    }
    return used;
}

static inline size_t varint64_read(const uint8_t *from, size_t remaining, int64_t *out_value)
{
    uint64_t raw = 0;
    size_t   used = uvarint64_read(from, remaining, &raw);

    if (used != 0) {
        *out_value = unzigzag64(raw);
    }
    return used;
}

#endif
