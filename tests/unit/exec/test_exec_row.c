/* Rows at rest: what goes in comes out, and equal rows are equal. */
#include "tests/unit/exec/holder_support.h"

#include "compute/exec/exec_row.h"
#include "tests/unit/vec/vec_support.h"

#define ROWS    300
#define COLUMNS 5

struct sample {
    struct arena      arena;
    struct vec_type   types[COLUMNS];
    struct vec        columns[COLUMNS];
    const struct vec *list[COLUMNS];
    struct vec_chunk  chunk;
    uint16_t          selection[ROWS];
};

/* Columns of random types in random shapes. */
static void sample_make(struct sample *sample, uint64_t seed)
{
    struct vec_type types[SAMPLE_TYPES_MAX];
    size_t          type_count = sample_types(types);
    struct prng     prng;

    prng_init(&prng, seed);
    arena_init(&sample->arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    for (uint32_t c = 0; c < COLUMNS; c++) {
        sample->types[c] = types[prng_below(&prng, type_count)];
        sample->columns[c] = random_vec(&sample->arena, &prng, sample->types[c], ROWS);
        sample->columns[c] = vec_verify_reshape(&sample->arena, &sample->columns[c], ROWS, prng_next(&prng));
        sample->list[c] = &sample->columns[c];
    }
    sample->chunk = holder_rows(ROWS, prng_chance(&prng, 1, 2) ? sample->selection : NULL,
                                holder_select(sample->selection, ROWS, 1 + (uint32_t)prng_below(&prng, 3)));
}

static bool columns_equal(const struct sample *sample, size_t a, size_t b)
{
    for (uint32_t c = 0; c < COLUMNS; c++) {
        if (vec_compare(&sample->columns[c], a, &sample->columns[c], b) != 0) {
            return false;
        }
    }
    return true;
}

static void what_goes_in_comes_out(void **state)
{
    struct rig        rig;
    struct exec_heap *heap = exec_heap_create(holder_start(&rig, 0));

    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct sample      sample;
        struct arena       arena;
        struct exec_layout layout;
        uint8_t           *loaded;
        void              *rows[ROWS];
        struct vec         out[COLUMNS];

        sample_make(&sample, seed);
        arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
        layout = exec_layout_make(&arena, sample.types, COLUMNS);
        assert_int_equal(layout.row_bytes % 16, 0);
        loaded = arena_alloc_array(&sample.arena, ROWS, layout.row_bytes);
        memset(loaded, 0xaa, (size_t)ROWS * layout.row_bytes);
        exec_rows_load(&layout, sample.list, &sample.chunk, &sample.arena, loaded);
        for (uint32_t i = 0; i < sample.chunk.selected_count; i++) {
            rows[i] = exec_row_new(&layout, heap, loaded + (size_t)i * layout.row_bytes);
            assert_non_null(rows[i]);
            assert_true(exec_row_same(&layout, rows[i], loaded + (size_t)i * layout.row_bytes));
        }
        exec_rows_read(&layout, (const void *const *)rows, sample.chunk.selected_count, 0, COLUMNS, &arena, out);
        for (uint32_t i = 0; i < sample.chunk.selected_count; i++) {
            size_t row = vec_chunk_row(&sample.chunk, i);

            for (uint32_t c = 0; c < COLUMNS; c++) {
                assert_int_equal(vec_compare(&out[c], i, &sample.columns[c], row), 0);
                assert_int_equal(exec_row_is_null(&layout, rows[i], c), vec_is_null(&sample.columns[c], row));
            }
        }
        /* Two columns in the middle, alone. */
        exec_rows_read(&layout, (const void *const *)rows, sample.chunk.selected_count, 2, 2, &arena, out);
        assert_int_equal(vec_compare(&out[0], 0, &sample.columns[2], vec_chunk_row(&sample.chunk, 0)), 0);
        for (uint32_t i = 0; i < sample.chunk.selected_count; i++) {
            exec_row_free(&layout, heap, rows[i]);
        }
        arena_deinit(&arena);
        arena_deinit(&sample.arena);
    }
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

static void rows_are_the_same_when_their_values_are(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1040; seed++) {
        struct sample      sample;
        struct exec_layout layout;
        uint8_t           *loaded;

        sample_make(&sample, seed);
        layout = exec_layout_make(&sample.arena, sample.types, COLUMNS);
        loaded = arena_alloc_array(&sample.arena, ROWS, layout.row_bytes);
        exec_rows_load(&layout, sample.list, &sample.chunk, &sample.arena, loaded);
        for (uint32_t i = 0; i < sample.chunk.selected_count; i++) {
            for (uint32_t j = 0; j < sample.chunk.selected_count; j += 7) {
                assert_int_equal(
                    exec_row_same(&layout, loaded + (size_t)i * layout.row_bytes,
                                  loaded + (size_t)j * layout.row_bytes),
                    columns_equal(&sample, vec_chunk_row(&sample.chunk, i), vec_chunk_row(&sample.chunk, j)));
            }
        }
        arena_deinit(&sample.arena);
    }
}

static void all_nan_are_one_and_zeros_are_two(void **state)
{
    struct arena       arena;
    struct vec_type    types[2] = {vec_type_of(VEC_DOUBLE), vec_type_of(VEC_FLOAT)};
    struct vec         columns[2];
    const struct vec  *list[2] = {&columns[0], &columns[1]};
    struct vec_chunk   chunk = holder_rows(4, NULL, 0);
    struct exec_layout layout;
    uint8_t           *loaded;
    double             doubles[4] = {__builtin_nan(""), -__builtin_nan("12"), 0.0, -0.0};

    (void)state;
    arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    layout = exec_layout_make(&arena, types, 2);
    for (int c = 0; c < 2; c++) {
        columns[c] = vec_make(&arena, types[c]);
    }
    for (int i = 0; i < 4; i++) {
        ((double *)columns[0].data)[i] = doubles[i];
        ((float *)columns[1].data)[i] = (float)doubles[i];
    }
    loaded = arena_alloc_array(&arena, 4, layout.row_bytes);
    exec_rows_load(&layout, list, &chunk, &arena, loaded);
    assert_true(exec_row_same(&layout, loaded, loaded + layout.row_bytes));
    assert_false(exec_row_same(&layout, loaded + 2 * layout.row_bytes, loaded + 3 * layout.row_bytes));
    assert_int_equal(*(const double *)exec_row_slot(&layout, loaded + 2 * layout.row_bytes, 0), 0);
    arena_deinit(&arena);
}

static void a_spent_budget_leaves_the_row_as_it_was(void **state)
{
    static char        text[300 * KIB];
    struct rig         rig;
    struct exec_heap  *heap = exec_heap_create(holder_start(&rig, 512 * KIB));
    struct vec_type    types[2] = {vec_type_of(VEC_VARCHAR), vec_type_of(VEC_VARCHAR)};
    struct exec_layout layout = exec_layout_make(&rig.arena, types, 2);
    struct vec_string  row[4] = {vec_string_of(text, sizeof(text)), vec_string_of(text, sizeof(text))};

    (void)state;
    assert_int_equal(layout.row_bytes, 48);
    assert_int_equal(exec_row_bytes(&layout, row), 48 + 2 * sizeof(text));
    assert_false(exec_row_keep(&layout, heap, row));
    assert_ptr_equal(row[0].ref.base, text);
    assert_ptr_equal(row[1].ref.base, text);
    assert_in_range(exec_job_memory_bytes(rig.job), 1, 32 * KIB); /* the first text was given back */
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(rows_are_the_same_when_their_values_are),
        cmocka_unit_test(all_nan_are_one_and_zeros_are_two),
        cmocka_unit_test(a_spent_budget_leaves_the_row_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
