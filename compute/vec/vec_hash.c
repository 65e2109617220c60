/* Hashing and ordering of values. Equal values hash equally in every form and, for numbers, only within one type: keys
 * are compared with keys of the same type. */
#include "compute/vec/vec.h"

#include "core/base/check.h"
#include "core/base/hash.h"

#define NULL_HASH UINT64_C(0x9e3779b97f4a7c15)

static uint64_t hash_mix(uint64_t before, uint64_t hash)
{
    return hash_u64(before ^ (hash + UINT64_C(0x9e3779b97f4a7c15)));
}

/* Java's Double.doubleToLongBits: all NaN are one, -0.0 and 0.0 are two. */
static uint64_t double_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return value != value ? UINT64_C(0x7ff8000000000000) : bits;
}

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* The hash of a value of a plain layout. Inlined where the layout is known, so that no loop carries the switch. */
static ALWAYS_INLINE uint64_t hash_at(enum vec_layout layout, const void *data, size_t at)
{
    switch (layout) {
    case VEC_LAYOUT_BOOL:
        return hash_u64(((const uint8_t *)data)[at]);
    case VEC_LAYOUT_INT8:
        return hash_u64((uint64_t)((const int8_t *)data)[at]);
    case VEC_LAYOUT_INT16:
        return hash_u64((uint64_t)((const int16_t *)data)[at]);
    case VEC_LAYOUT_INT32:
        return hash_u64((uint64_t)((const int32_t *)data)[at]);
    case VEC_LAYOUT_INT64:
        return hash_u64((uint64_t)((const int64_t *)data)[at]);
    case VEC_LAYOUT_INT128: {
        vec_int128 value = ((const vec_int128 *)data)[at];

        return hash_mix((uint64_t)value, (uint64_t)(value >> 64));
    }
    case VEC_LAYOUT_FLOAT:
        return hash_u64(double_bits((double)((const float *)data)[at]));
    case VEC_LAYOUT_DOUBLE:
        return hash_u64(double_bits(((const double *)data)[at]));
    case VEC_LAYOUT_STRING:
        return hash_bytes(vec_string_view((const struct vec_string *)data + at));
    case VEC_LAYOUT_NONE:
    case VEC_LAYOUT_LIST:
    case VEC_LAYOUT_COUNT:
        break;
    }
    CHECK(false);
    return 0;
}

/* One value of any type, by recursion. */
static uint64_t hash_value(const struct vec *vec, size_t row)
{
    struct vec_access access = vec_access_of(vec);
    size_t            at = vec_access_at(&access, row);
    enum vec_layout   layout = vec_type_layout(vec->type);
    uint64_t          hash = 0;

    if (vec_access_null(&access, row) || vec->type.kind == VEC_NULL) {
        return NULL_HASH;
    }
    if (layout == VEC_LAYOUT_NONE) {
        for (uint32_t i = 0; i < vec->type.child_count; i++) {
            hash = hash_mix(hash, hash_value(&vec->children[i], at));
        }
        return hash;
    }
    if (layout == VEC_LAYOUT_LIST) {
        const struct vec_list *list = (const struct vec_list *)access.data + at;

        for (uint32_t i = 0; i < list->len; i++) {
            hash = hash_mix(hash, hash_value(&vec->children[0], list->offset + i));
        }
        return hash_mix(hash, list->len);
    }
    return hash_at(layout, access.data, at);
}

static ALWAYS_INLINE void hash_rows(enum vec_layout layout, const struct vec *vec, const struct vec_chunk *chunk,
                                    uint64_t *hashes, bool combine)
{
    struct vec_access access = vec_access_of(vec);

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t   row = vec_chunk_row(chunk, i);
        size_t   at = vec_access_at(&access, row);
        bool     null = access.validity != NULL && !vec_bit_get(access.validity, at);
        uint64_t hash = null ? NULL_HASH : hash_at(layout, access.data, at);

        hashes[row] = combine ? hash_mix(hashes[row], hash) : hash;
    }
}

#define HASH_CASE(layout)                               \
    case layout:                                        \
        hash_rows(layout, vec, chunk, hashes, combine); \
        return

void vec_hash(const struct vec *vec, const struct vec_chunk *chunk, uint64_t *hashes, bool combine)
{
    switch (vec_type_layout(vec->type)) {
        HASH_CASE(VEC_LAYOUT_BOOL);
        HASH_CASE(VEC_LAYOUT_INT8);
        HASH_CASE(VEC_LAYOUT_INT16);
        HASH_CASE(VEC_LAYOUT_INT32);
        HASH_CASE(VEC_LAYOUT_INT64);
        HASH_CASE(VEC_LAYOUT_INT128);
        HASH_CASE(VEC_LAYOUT_FLOAT);
        HASH_CASE(VEC_LAYOUT_DOUBLE);
        HASH_CASE(VEC_LAYOUT_STRING);
    case VEC_LAYOUT_NONE:
    case VEC_LAYOUT_LIST:
    case VEC_LAYOUT_COUNT:
        break;
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t   row = vec_chunk_row(chunk, i);
        uint64_t hash = hash_value(vec, row);

        hashes[row] = combine ? hash_mix(hashes[row], hash) : hash;
    }
}

/* --- order ---------------------------------------------------------------------------------------------------------
 */

static int compare_double(double a, double b)
{
    uint64_t a_bits = double_bits(a);
    uint64_t b_bits = double_bits(b);

    if (a < b) {
        return -1;
    }
    if (a > b) {
        return 1;
    }
    /* Equal, zeros of two signs, or a NaN, which is higher than all: the bits as signed numbers say it. */
    return ((int64_t)a_bits > (int64_t)b_bits) - ((int64_t)a_bits < (int64_t)b_bits);
}

#define COMPARE(type_)                                      \
    do {                                                    \
        type_ left = ((const type_ *)a_access.data)[a_at];  \
        type_ right = ((const type_ *)b_access.data)[b_at]; \
        return (left > right) - (left < right);             \
    } while (0)

static int compare_lists(const struct vec *a, struct vec_list a_list, const struct vec *b, struct vec_list b_list)
{
    for (uint32_t i = 0; i < MIN(a_list.len, b_list.len); i++) {
        int order = vec_compare(&a->children[0], a_list.offset + i, &b->children[0], b_list.offset + i);

        if (order != 0) {
            return order;
        }
    }
    return (a_list.len > b_list.len) - (a_list.len < b_list.len);
}

int vec_compare(const struct vec *a, size_t a_row, const struct vec *b, size_t b_row)
{
    struct vec_access a_access = vec_access_of(a);
    struct vec_access b_access = vec_access_of(b);
    size_t            a_at = vec_access_at(&a_access, a_row);
    size_t            b_at = vec_access_at(&b_access, b_row);
    bool              a_null = vec_access_null(&a_access, a_row);
    bool              b_null = vec_access_null(&b_access, b_row);

    if (a_null || b_null) {
        return (int)b_null - (int)a_null;
    }
    switch (vec_type_layout(a->type)) {
    case VEC_LAYOUT_BOOL:
        COMPARE(uint8_t);
    case VEC_LAYOUT_INT8:
        COMPARE(int8_t);
    case VEC_LAYOUT_INT16:
        COMPARE(int16_t);
    case VEC_LAYOUT_INT32:
        COMPARE(int32_t);
    case VEC_LAYOUT_INT64:
        COMPARE(int64_t);
    case VEC_LAYOUT_INT128:
        COMPARE(vec_int128);
    case VEC_LAYOUT_FLOAT:
        return compare_double((double)((const float *)a_access.data)[a_at],
                              (double)((const float *)b_access.data)[b_at]);
    case VEC_LAYOUT_DOUBLE:
        return compare_double(((const double *)a_access.data)[a_at], ((const double *)b_access.data)[b_at]);
    case VEC_LAYOUT_STRING:
        return vec_string_compare((const struct vec_string *)a_access.data + a_at,
                                  (const struct vec_string *)b_access.data + b_at);
    case VEC_LAYOUT_LIST:
        return compare_lists(a, ((const struct vec_list *)a_access.data)[a_at], b,
                             ((const struct vec_list *)b_access.data)[b_at]);
    case VEC_LAYOUT_NONE:
    case VEC_LAYOUT_COUNT:
        break;
    }
    for (uint32_t i = 0; i < a->type.child_count; i++) {
        int order = vec_compare(&a->children[i], a_at, &b->children[i], b_at);

        if (order != 0) {
            return order;
        }
    }
    return 0;
}
