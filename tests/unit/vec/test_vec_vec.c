#include <stdio.h>

#include "tests/unit/vec/vec_support.h"

static void same_values(const struct vec *a, const struct vec *b, size_t row_count)
{
    for (size_t row = 0; row < row_count; row++) {
        assert_int_equal(vec_is_null(a, row), vec_is_null(b, row));
        assert_int_equal(vec_compare(a, row, b, row), 0);
    }
}

/* Whatever the shape: flattened, picked in order and copied, the values are the same. */
static void test_shapes(void **state)
{
    struct vec_type types[SAMPLE_TYPES_MAX];
    size_t          type_count = sample_types(types);
    struct prng     prng;

    (void)state;
    prng_init(&prng, 7);
    for (int round = 0; round < 10; round++) {
        for (size_t t = 0; t < type_count; t++) {
            size_t       rows = 1 + prng_below(&prng, 40);
            struct arena arena;
            struct vec   source;
            struct vec   shaped;
            struct vec   flat;
            uint16_t     identity[VEC_ROWS_MAX];
            struct vec   picked;

            arena_init(&arena, MEM_TEST, 256 * KIB, 64 * MIB);
            source = random_vec(&arena, &prng, types[t], rows);
            shaped = vec_verify_reshape(&arena, &source, rows, prng_next(&prng));
            same_values(&source, &shaped, rows);
            flat = vec_flatten(&arena, &shaped, rows);
            assert_int_equal(flat.form, VEC_FLAT);
            same_values(&source, &flat, rows);
            for (size_t i = 0; i < rows; i++) {
                identity[i] = (uint16_t)i;
            }
            picked = vec_pick(&arena, &shaped, identity, rows);
            same_values(&source, &picked, rows);
            flat = vec_flatten(&arena, &picked, rows);
            same_values(&source, &flat, rows);
            arena_deinit(&arena);
        }
    }
}

static void test_constant_repeats_one_row(void **state)
{
    struct vec_type types[SAMPLE_TYPES_MAX];
    size_t          type_count = sample_types(types);
    struct prng     prng;

    (void)state;
    prng_init(&prng, 9);
    for (size_t t = 0; t < type_count; t++) {
        struct arena arena;
        struct vec   source;

        arena_init(&arena, MEM_TEST, 256 * KIB, 64 * MIB);
        source = random_vec(&arena, &prng, types[t], 20);
        for (size_t row = 0; row < 20; row++) {
            struct vec constant = vec_make_constant(&arena, &source, row);
            struct vec flat = vec_flatten(&arena, &constant, 5);

            for (size_t i = 0; i < 5; i++) {
                assert_int_equal(vec_is_null(&constant, i), vec_is_null(&source, row));
                assert_int_equal(vec_compare(&constant, i, &source, row), 0);
                assert_int_equal(vec_compare(&flat, i, &source, row), 0);
            }
        }
        arena_deinit(&arena);
    }
}

/* A copied chunk owns its rows: the source's memory may go. */
static void test_chunk_copy_selects_and_owns(void **state)
{
    struct arena     source_arena;
    struct arena     arena;
    struct prng      prng;
    struct vec       columns[2];
    struct vec_chunk chunk = {.row_count = 50, .column_count = 2, .columns = columns};
    struct vec_chunk copy;
    uint16_t         selection[] = {3, 9, 48};
    uint8_t          changes[50] = {[9] = VEC_DELETE};
    char             before[3][64];
    int64_t          numbers[3];

    (void)state;
    prng_init(&prng, 11);
    arena_init(&source_arena, MEM_TEST, 64 * KIB, 64 * MIB);
    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    columns[0] = vec_make(&source_arena, vec_type_of(VEC_BIGINT));
    columns[1] = vec_make(&source_arena, vec_type_of(VEC_VARCHAR));
    for (int i = 0; i < 50; i++) {
        char *text = arena_alloc(&source_arena, 64);
        int   len = snprintf(text, 64, "text number %d of this column", i);

        ((int64_t *)columns[0].data)[i] = i * 1000;
        ((struct vec_string *)columns[1].data)[i] = vec_string_of(text, (uint32_t)len);
    }
    chunk.selection = selection;
    chunk.selected_count = 3;
    chunk.changes = changes;
    for (int i = 0; i < 3; i++) {
        snprintf(before[i], sizeof(before[i]), "text number %d of this column", selection[i]);
        numbers[i] = selection[i] * 1000;
    }
    copy = vec_chunk_copy(&arena, &chunk);
    arena_deinit(&source_arena);
    assert_int_equal(copy.row_count, 3);
    assert_int_equal(copy.selected_count, 3);
    assert_null(copy.selection);
    for (size_t i = 0; i < 3; i++) {
        struct view text = vec_string_view((const struct vec_string *)copy.columns[1].data + i);

        assert_int_equal(((const int64_t *)copy.columns[0].data)[i], numbers[i]);
        assert_true(view_equal(text, view_text(before[i])));
    }
    assert_int_equal(vec_chunk_change(&copy, 0), VEC_INSERT);
    assert_int_equal(vec_chunk_change(&copy, 1), VEC_DELETE);
    arena_deinit(&arena);
}

/* Elements of all arrays of a vector may be more than VEC_ROWS_MAX. */
static void test_long_arrays(void **state)
{
    static const struct vec_field element = {.type = {.kind = VEC_BIGINT, .nullable = true}};
    struct vec_type               type = {.kind = VEC_ARRAY, .nullable = true, .child_count = 1, .children = &element};
    struct arena                  arena;
    struct vec                    source;
    struct vec                    target;
    int64_t                      *values;

    (void)state;
    arena_init(&arena, MEM_TEST, 256 * KIB, 64 * MIB);
    source = vec_make(&arena, type);
    values = arena_alloc_array(&arena, 10000, sizeof(*values));
    for (int i = 0; i < 10000; i++) {
        values[i] = i;
    }
    source.children[0] = (struct vec){.type = element.type, .form = VEC_FLAT, .data = values, .capacity = 10000};
    source.child_rows = 10000;
    ((struct vec_list *)source.data)[0] = (struct vec_list){.offset = 0, .len = 4000};
    ((struct vec_list *)source.data)[1] = (struct vec_list){.offset = 4000, .len = 6000};
    target = vec_make(&arena, type);
    vec_copy_value(&arena, &target, 0, &source, 1);
    vec_copy_value(&arena, &target, 1, &source, 0);
    assert_int_equal(target.child_rows, 10000);
    assert_int_equal(vec_compare(&target, 0, &source, 1), 0);
    assert_int_equal(vec_compare(&target, 1, &source, 0), 0);
    assert_true(vec_compare(&target, 0, &source, 0) > 0);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_constant_repeats_one_row),
        cmocka_unit_test(test_chunk_copy_selects_and_owns),
        cmocka_unit_test(test_long_arrays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
