#include "core/base/bytes.h"

#include "core/base/check.h"

STATIC_CHECK(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

size_t uvarint32_read(const uint8_t *from, size_t remaining, uint32_t *out_value)
{
    uint32_t value = 0;

    for (size_t i = 0; i < VARINT32_BYTES_MAX && i < remaining; i++) {
        if (i == VARINT32_BYTES_MAX - 1 && from[i] > 0x0f) {
            return 0;
        }
        value |= (uint32_t)(from[i] & 0x7f) << (7 * i);
        if ((from[i] & 0x80) == 0) {
            *out_value = value;
            return i + 1;
        }
    }
    return 0;
}

size_t uvarint64_read(const uint8_t *from, size_t remaining, uint64_t *out_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < VARINT64_BYTES_MAX && i < remaining; i++) {
        if (i == VARINT64_BYTES_MAX - 1 && from[i] > 0x01) {
            return 0;
        }
        value |= (uint64_t)(from[i] & 0x7f) << (7 * i);
        if ((from[i] & 0x80) == 0) {
            *out_value = value;
            return i + 1;
        }
    }
    return 0;
}

size_t uvarint64_write(uint8_t *to, uint64_t value)
{
    size_t used = 0;

    while (value >= 0x80) {
        to[used++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[used++] = (uint8_t)value;
    return used;
}

size_t uvarint32_write(uint8_t *to, uint32_t value)
{
    return uvarint64_write(to, value);
}

size_t uvarint64_bytes(uint64_t value)
{
    size_t used = 1;

    while (value >= 0x80) {
        value >>= 7;
        used++;
    }
    return used;
}

size_t uvarint32_bytes(uint32_t value)
{
    return uvarint64_bytes(value);
}
