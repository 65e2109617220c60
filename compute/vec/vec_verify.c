/* Verification: the same values in another shape. What a kernel makes of both must be equal; tests run every kernel and
 * operator over reshaped inputs, so that no shape goes untested because the decoder does not happen to make it. */
#include "compute/vec/vec.h"

#include "core/base/check.h"
#include "core/base/prng.h"

static bool all_rows_equal(const struct vec *vec, size_t row_count)
{
    for (size_t row = 1; row < row_count; row++) {
        if (vec_is_null(vec, row) != vec_is_null(vec, 0) || vec_compare(vec, 0, vec, row) != 0) {
            return false;
        }
    }
    return row_count > 0;
}

/* Values in shuffled places behind indices, with an unused place in front. */
static struct vec to_dictionary(struct arena *arena, const struct vec *source, size_t row_count, struct prng *prng)
{
    struct vec target = vec_make(arena, source->type);
    uint16_t  *indices = arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(*indices));
    uint16_t   places[VEC_ROWS_MAX];

    CHECK(indices != NULL);
    for (size_t i = 0; i < row_count; i++) {
        places[i] = (uint16_t)i;
    }
    for (size_t i = row_count; i > 1; i--) {
        size_t   other = prng_below(prng, i);
        uint16_t place = places[i - 1];

        places[i - 1] = places[other];
        places[other] = place;
    }
    for (size_t row = 0; row < row_count; row++) {
        vec_copy_value(arena, &target, places[row], source, row);
        indices[row] = places[row];
    }
    target.form = VEC_DICTIONARY;
    target.indices = indices;
    return target;
}

/* What stands behind a null must not matter. */
static void spoil_nulls(struct vec *flat, size_t row_count, struct prng *prng)
{
    size_t bytes = vec_layout_bytes(vec_type_layout(flat->type));

    if (flat->validity == NULL || vec_type_layout(flat->type) >= VEC_LAYOUT_STRING || bytes == 0) {
        return;
    }
    for (size_t row = 0; row < row_count; row++) {
        if (!vec_bit_get(flat->validity, row)) {
            uint8_t *value = (uint8_t *)flat->data + row * bytes;

            if (flat->type.kind == VEC_BOOLEAN) {
                *value = (uint8_t)prng_below(prng, 2);
            } else {
                prng_fill(prng, span_of(value, bytes));
            }
        }
    }
}

struct vec vec_verify_reshape(struct arena *arena, const struct vec *source, size_t row_count, uint64_t seed)
{
    struct prng prng;
    struct vec  target;

    CHECK(row_count <= VEC_ROWS_MAX);
    prng_init(&prng, seed);
    if (prng_chance(&prng, 1, 2) && all_rows_equal(source, row_count)) {
        return vec_make_constant(arena, source, 0);
    }
    if (prng_chance(&prng, 1, 2)) {
        return to_dictionary(arena, source, row_count, &prng);
    }
    target = vec_make(arena, source->type);
    for (size_t row = 0; row < row_count; row++) {
        vec_copy_value(arena, &target, row, source, row);
    }
    if (prng_chance(&prng, 1, 2)) {
        (void)vec_need_validity(&target, arena);
    }
    spoil_nulls(&target, row_count, &prng);
    return target;
}
