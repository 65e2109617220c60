/* ARRAY values as bytes: there and back, nested, with nulls. */
#include "tests/unit/exec/holder_support.h"

#include "compute/exec/exec_list.h"
#include "tests/unit/vec/vec_support.h"

#define ROWS 200

static void check_round_trip(struct vec_type element_type, uint64_t seed)
{
    struct arena     arena;
    struct prng      prng;
    struct vec_field element = {.name = view_text("element"), .type = element_type};
    struct vec_type  type = {.kind = VEC_ARRAY, .nullable = false, .child_count = 1, .children = &element};
    struct vec       source, back;

    prng_init(&prng, seed);
    arena_init(&arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    source = random_vec(&arena, &prng, type, ROWS);
    back = vec_make(&arena, type);
    for (size_t row = 0; row < ROWS; row++) {
        struct vec_string encoded = exec_list_encode(&arena, &source, row);

        assert_true(exec_list_check(type, vec_string_view(&encoded)));
        exec_list_decode(&arena, &back, row, &encoded);
    }
    for (size_t row = 0; row < ROWS; row++) {
        assert_int_equal(vec_compare(&source, row, &back, row), 0);
    }
    for (size_t row = 1; row < ROWS; row++) { /* equal arrays have equal bytes, others do not */
        struct vec_string a = exec_list_encode(&arena, &source, row - 1);
        struct vec_string b = exec_list_encode(&arena, &back, row);

        assert_int_equal(vec_string_equal(&a, &b), vec_compare(&source, row - 1, &source, row) == 0);
    }
    arena_deinit(&arena);
}

static void every_element_type(void **state)
{
    struct vec_type types[SAMPLE_TYPES_MAX];
    size_t          count = sample_types(types);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        check_round_trip(types[i], i + 1);
    }
}

static void arrays_of_rows_of_arrays(void **state)
{
    struct vec_field number = {.name = view_text("element"), .type = vec_type_of(VEC_INT)};
    struct vec_field fields[2] = {
        {.name = view_text("t"), .type = vec_type_of(VEC_VARCHAR)},
        {.name = view_text("l"), .type = {.kind = VEC_ARRAY, .nullable = true, .child_count = 1, .children = &number}},
    };

    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        check_round_trip((struct vec_type){.kind = VEC_ROW, .nullable = true, .child_count = 2, .children = fields},
                         seed);
    }
}

/* Cut or changed bytes are refused, or are those of another array. */
static void damage_is_noticed(void **state)
{
    struct vec_field number = {.name = view_text("element"), .type = vec_type_of(VEC_BOOLEAN)};
    struct vec_field fields[2] = {
        {.name = view_text("t"), .type = vec_type_of(VEC_VARCHAR)},
        {.name = view_text("l"), .type = {.kind = VEC_ARRAY, .nullable = true, .child_count = 1, .children = &number}},
    };
    struct vec_type  row = {.kind = VEC_ROW, .nullable = true, .child_count = 2, .children = fields};
    struct vec_field element = {.name = view_text("element"), .type = row};
    struct vec_type  type = {.kind = VEC_ARRAY, .nullable = false, .child_count = 1, .children = &element};
    struct arena     arena;
    struct prng      prng;
    struct vec       source, back;

    (void)state;
    prng_init(&prng, 3);
    arena_init(&arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    source = random_vec(&arena, &prng, type, ROWS);
    back = vec_make(&arena, type);
    for (size_t at = 0; at < ROWS; at++) {
        struct vec_string encoded = exec_list_encode(&arena, &source, at);
        struct view       good = vec_string_view(&encoded);

        for (size_t len = 0; len <= good.len; len++) {
            uint8_t          *copy = malloc(good.len + 1); /* exact, so that reading past it is found */
            struct vec_string damaged;

            memcpy(copy, good.base, len);
            assert_int_equal(exec_list_check(type, view_of(copy, len)), len == good.len);
            memcpy(copy, good.base, good.len);
            copy[MIN(len, good.len - 1)] ^= (uint8_t)(1U << prng_below(&prng, 8));
            damaged = vec_string_of((const char *)copy, (uint32_t)good.len);
            if (exec_list_check(type, vec_string_view(&damaged))) {
                exec_list_decode(&arena, &back, at, &damaged);
            }
            free(copy);
        }
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_type),
        cmocka_unit_test(arrays_of_rows_of_arrays),
        cmocka_unit_test(damage_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
