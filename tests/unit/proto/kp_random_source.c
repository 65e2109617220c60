#include "tests/unit/proto/kp_random_source.h"

#include "core/base/check.h"

#define KP_RANDOM_ARRAY_MAX       3
#define KP_RANDOM_STRING_MAX      20
#define KP_RANDOM_LONG_STRING_MAX 300
#define KP_RANDOM_RECORDS_MAX     2000
#define KP_RANDOM_PARTS_MAX       4

void kp_random_init(struct kp_random *random, uint64_t seed)
{
    prng_init(&random->prng, seed);
    arena_init(&random->arena, MEM_TEST, 64 * KIB, 256 * MIB);
}

void kp_random_deinit(struct kp_random *random)
{
    arena_deinit(&random->arena);
}

bool kp_random_keeps_default(struct kp_random *random)
{
    return prng_chance(&random->prng, 1, 6);
}

void *kp_random_alloc(struct kp_random *random, int32_t count, size_t element_bytes)
{
    void *memory;

    if (count <= 0) {
        return NULL;
    }
    memory = arena_alloc_array(&random->arena, (size_t)count, element_bytes);
    CHECK(memory != NULL);
    return memory;
}

bool kp_random_bool(struct kp_random *random)
{
    return prng_chance(&random->prng, 1, 2);
}

/* Small values, the ends of the type and anything. */
int64_t kp_random_int64(struct kp_random *random)
{
    switch (prng_below(&random->prng, 6)) {
    case 0:
        return -1;
    case 1:
        return INT64_MAX;
    case 2:
        return INT64_MIN;
    case 3:
        return (int64_t)prng_below(&random->prng, 200);
    default:
        return (int64_t)prng_next(&random->prng);
    }
}

/* The top bits, so that the ends of int64 become the ends of the smaller type. */
int32_t kp_random_int32(struct kp_random *random)
{
    return (int32_t)(kp_random_int64(random) >> 32);
}

int16_t kp_random_int16(struct kp_random *random)
{
    return (int16_t)(kp_random_int64(random) >> 48);
}

int8_t kp_random_int8(struct kp_random *random)
{
    return (int8_t)(kp_random_int64(random) >> 56);
}

uint16_t kp_random_uint16(struct kp_random *random)
{
    return (uint16_t)kp_random_int16(random);
}

uint32_t kp_random_uint32(struct kp_random *random)
{
    return (uint32_t)kp_random_int32(random);
}

double kp_random_float64(struct kp_random *random)
{
    return (double)kp_random_int32(random) / 8.0;
}

struct uuid kp_random_uuid(struct kp_random *random)
{
    struct uuid id;

    prng_fill(&random->prng, span_of(id.bytes, sizeof(id.bytes)));
    return id;
}

static struct view kp_random_view(struct kp_random *random, size_t bytes_max)
{
    size_t   len = (size_t)prng_below(&random->prng, bytes_max + 1);
    uint8_t *bytes = kp_random_alloc(random, (int32_t)len + 1, 1);

    prng_fill(&random->prng, span_of(bytes, len));
    return view_of(bytes, len);
}

struct view kp_random_bytes(struct kp_random *random, bool nullable)
{
    bool long_one = prng_chance(&random->prng, 1, 30);

    if (nullable && prng_chance(&random->prng, 1, 4)) {
        return (struct view){0};
    }
    return kp_random_view(random, long_one ? KP_RANDOM_LONG_STRING_MAX : KP_RANDOM_STRING_MAX);
}

struct view kp_random_string(struct kp_random *random, bool nullable)
{
    return kp_random_bytes(random, nullable);
}

int32_t kp_random_count(struct kp_random *random, bool nullable)
{
    if (nullable && prng_chance(&random->prng, 1, 4)) {
        return -1;
    }
    return (int32_t)prng_below(&random->prng, KP_RANDOM_ARRAY_MAX + 1);
}

void kp_random_records(struct kp_random *random, bool nullable, struct view *out_records, const struct view **out_parts,
                       int32_t *out_parts_count)
{
    int32_t      count;
    struct view *parts;

    if (nullable && prng_chance(&random->prng, 1, 4)) {
        *out_records = (struct view){0};
        return;
    }
    if (prng_chance(&random->prng, 1, 2)) {
        *out_records = kp_random_view(random, KP_RANDOM_RECORDS_MAX);
        return;
    }
    count = 1 + (int32_t)prng_below(&random->prng, KP_RANDOM_PARTS_MAX);
    parts = kp_random_alloc(random, count, sizeof(*parts));
    for (int32_t i = 0; i < count; i++) {
        parts[i] = kp_random_view(random, KP_RANDOM_RECORDS_MAX);
    }
    *out_parts = parts;
    *out_parts_count = count;
}

bool kp_random_view_equal(struct view a, struct view b)
{
    return (a.base == NULL) == (b.base == NULL) && view_equal(a, b);
}

static size_t kp_random_parts_bytes(const struct view *parts, int32_t count)
{
    size_t total = 0;

    for (int32_t i = 0; i < count; i++) {
        total += parts[i].len;
    }
    return total;
}

bool kp_random_records_equal(struct view a, const struct view *a_parts, int32_t a_parts_count, struct view b,
                             const struct view *b_parts, int32_t b_parts_count)
{
    size_t at = 0;

    if (a_parts_count <= 0 && b_parts_count <= 0) {
        return kp_random_view_equal(a, b);
    }
    if (a_parts_count <= 0) {
        return kp_random_records_equal(b, b_parts, b_parts_count, a, NULL, 0);
    }
    /* A decoded message has no parts, so at most one side is split. */
    if (b_parts_count > 0 || b.base == NULL || b.len != kp_random_parts_bytes(a_parts, a_parts_count)) {
        return false;
    }
    for (int32_t i = 0; i < a_parts_count; i++) {
        if (!view_equal(a_parts[i], view_of(b.base + at, a_parts[i].len))) {
            return false;
        }
        at += a_parts[i].len;
    }
    return true;
}
