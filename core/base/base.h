/* base.h: the vocabulary every room shares: attributes, small arithmetic, memory views.
 *
 * Nothing here allocates, fails or keeps state. Every other header of the tree may include this one. */
#ifndef MILLRACE_BASE_H
#define MILLRACE_BASE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE            __attribute__((warn_unused_result))
#define UNUSED              __attribute__((unused))
#define NORETURN            __attribute__((noreturn))
#define PRINTF_LIKE(f, a)   __attribute__((format(printf, f, a)))
#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* The object of `type` whose field `member` stands at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* A read-only run of bytes. It owns nothing: whoever hands it out says how long it lives.
 * base == NULL means "null" where the protocol knows null; an empty view has a non-NULL base. */
struct view {
    const uint8_t *base;
    size_t         len;
};

/* A writable run of bytes. It owns nothing. */
struct span {
    uint8_t *base;
    size_t   len;
};

static inline struct view view_of(const void *base, size_t len)
{
    return (struct view){.base = (const uint8_t *)base, .len = len};
}

/* The view of a NUL-terminated text, without its NUL. */
static inline struct view view_text(const char *text)
{
    return view_of(text, strlen(text));
}

static inline bool view_equal(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.base, b.base, a.len) == 0);
}

/* Bytewise order, shorter first on a common prefix: <0, 0, >0. */
static inline int view_compare(struct view a, struct view b)
{
    size_t common = MIN(a.len, b.len);
    int    order = common == 0 ? 0 : memcmp(a.base, b.base, common);

    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static inline struct span span_of(void *base, size_t len)
{
    return (struct span){.base = (uint8_t *)base, .len = len};
}

static inline struct view view_span(struct span span)
{
    return view_of(span.base, span.len);
}

static inline uint64_t div_ceil_u64(uint64_t value, uint64_t divisor)
{
    return value / divisor + (value % divisor != 0);
}

static inline bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* `value` rounded up to a multiple of `alignment`, a power of two. */
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)
#define MS_PER_S  INT64_C(1000)
#define KIB       ((uint64_t)1024)
#define MIB       (KIB * 1024)
#define GIB       (MIB * 1024)

/* A 16-byte id in network order (topic id, directory id, cluster id, incarnation id). All zero = unset. */
struct uuid {
    uint8_t bytes[16];
};

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static inline bool uuid_is_zero(struct uuid id)
{
    return uuid_equal(id, (struct uuid){{0}});
}

/* URL-safe base64 without padding, as Kafka prints ids: 22 characters and a NUL. */
#define UUID_TEXT_BYTES 23
void uuid_format(struct uuid id, char out_text[UUID_TEXT_BYTES]);
/* False when `text` is not 22 characters of that alphabet; *out_id is then untouched. */
MUST_USE bool uuid_parse(struct view text, struct uuid *out_id);

#endif
