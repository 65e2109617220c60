/* The table against a map of bytes: found, made, removed, in order, while it grows and splits. */
#include "tests/unit/exec/holder_support.h"

#include "compute/exec/exec_row.h"
#include "core/base/map.h"

#define BATCH 700

struct model {
    struct rig         rig;
    struct exec_heap  *heap;
    struct exec_layout layout;
    struct exec_table *table;
    struct map         map; /* of the cells of a key, to a counter */
    struct arena       arena;
    struct prng        prng;
    uint64_t           next_number;
};

struct entry_number {
    uint64_t number, count;
};

static void model_start(struct model *model, bool with_text, uint64_t seed)
{
    struct vec_type types[2] = {vec_type_of(VEC_BIGINT), vec_type_of(VEC_VARCHAR)};

    memset(model, 0, sizeof(*model));
    prng_init(&model->prng, seed);
    model->heap = exec_heap_create(holder_start(&model->rig, 0));
    model->layout = exec_layout_make(&model->rig.arena, types, with_text ? 2 : 1);
    model->table = exec_table_create(model->heap, &model->layout, sizeof(struct entry_number));
    assert_non_null(model->table);
    map_init(&model->map, MEM_TEST);
    arena_init(&model->arena, MEM_TEST, 256 * KIB, SIZE_MAX);
}

static void model_stop(struct model *model)
{
    size_t at = 0;

    for (struct map_entry *entry; (entry = map_next(&model->map, &at)) != NULL;) {
        mem_free(MEM_TEST, entry->value);
    }
    map_deinit(&model->map);
    arena_deinit(&model->arena);
    assert_int_equal(rig_state_rows(&model->rig), exec_table_count(model->table));
    exec_heap_destroy(model->heap);
    assert_int_equal(rig_state_rows(&model->rig), 0);
    rig_stop(&model->rig);
}

/* Random keys below `range` (and null), looked up together. */
static void model_batch(struct model *model, uint64_t range, bool insert)
{
    struct vec        columns[2];
    const struct vec *keys[2] = {&columns[0], &columns[1]};
    int64_t           cells[BATCH][2];
    uint16_t          selection[BATCH];
    uint64_t          hashes[BATCH];
    void             *entries[BATCH];
    bool              is_new[BATCH];
    struct vec_chunk  chunk = holder_rows(BATCH, prng_chance(&model->prng, 1, 2) ? selection : NULL,
                                          holder_select(selection, BATCH, 1 + (uint32_t)prng_below(&model->prng, 3)));

    arena_reset(&model->arena);
    for (uint32_t c = 0; c < model->layout.column_count; c++) {
        columns[c] = vec_make(&model->arena, c == 0 ? vec_type_of(VEC_BIGINT) : vec_type_of(VEC_VARCHAR));
        for (uint32_t i = 0; i < BATCH; i++) {
            cells[i][c] = prng_chance(&model->prng, 1, 50) ? RIG_NULL : (int64_t)prng_below(&model->prng, range);
            rig_set_cell(&model->arena, &columns[c], i, cells[i][c]);
        }
        columns[c] = vec_verify_reshape(&model->arena, &columns[c], BATCH, prng_next(&model->prng));
        vec_hash(&columns[c], &chunk, hashes, c > 0);
    }
    assert_true(exec_table_find(model->table, keys, &chunk, hashes, insert, entries, is_new));
    for (uint32_t i = 0; i < chunk.selected_count; i++) {
        struct view key = view_of(cells[vec_chunk_row(&chunk, i)], model->layout.column_count * sizeof(int64_t));
        struct entry_number *expected = map_get(&model->map, key);
        struct entry_number *number = entries[i] == NULL ? NULL : exec_table_payload(model->table, entries[i]);

        if (expected == NULL && !insert) {
            assert_null(entries[i]);
            continue;
        }
        assert_non_null(number);
        assert_int_equal((uintptr_t)number % 16, 0);
        assert_int_equal(is_new[i], expected == NULL);
        if (expected == NULL) {
            assert_int_equal(number->number, 0);
            number->number = ++model->next_number;
            expected = mem_alloc(MEM_TEST, sizeof(*expected));
            expected->number = number->number;
            (void)map_put(&model->map, key, expected);
        }
        assert_int_equal(number->number, expected->number);
        assert_int_equal(number->count++, expected->count++);
    }
    assert_int_equal(exec_table_count(model->table), map_count(&model->map));
}

/* All entries in order of insertion, which their numbers show. Removes one in `step`. */
static void model_walk(struct model *model, uint64_t remove_one_in)
{
    uint64_t last = 0;
    uint64_t count = 0;
    void    *entry = exec_table_next(model->table, NULL);

    while (entry != NULL) {
        struct entry_number *number = exec_table_payload(model->table, entry);
        void                *next = exec_table_next(model->table, entry);

        assert_true(number->number > last);
        last = number->number;
        count++;
        if (remove_one_in > 0 && prng_below(&model->prng, remove_one_in) == 0) {
            const void *row = entry;
            struct vec  out[2];
            int64_t     cells[2];
            struct view key = view_of(cells, model->layout.column_count * sizeof(int64_t));

            arena_reset(&model->arena);
            exec_rows_read(&model->layout, &row, 1, 0, model->layout.column_count, &model->arena, out);
            for (uint32_t c = 0; c < model->layout.column_count; c++) {
                cells[c] = rig_cell(&out[c], 0);
            }
            mem_free(MEM_TEST, map_remove(&model->map, key));
            exec_table_remove(model->table, entry);
            count--;
        }
        entry = next;
    }
    assert_int_equal(count, map_count(&model->map));
}

static void it_agrees_with_a_map(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct model model;

        model_start(&model, seed % 2 == 0, seed);
        for (int round = 0; round < 60; round++) {
            uint64_t range = UINT64_C(1) << prng_below(&model.prng, 14);

            model_batch(&model, range, prng_chance(&model.prng, 3, 4));
            if (round % 10 == 9) {
                model_walk(&model, round % 20 == 9 ? 3 : 0);
            }
        }
        model_stop(&model);
    }
}

/* Far beyond one segment; then nearly everything goes, and comes again through slots that were used before. */
static void it_grows_and_is_emptied(void **state)
{
    struct model model;

    (void)state;
    model_start(&model, false, 99);
    for (int round = 0; round < 120; round++) {
        model_batch(&model, UINT64_C(1) << 40, true);
    }
    assert_true(exec_table_count(model.table) > 40000);
    model_walk(&model, 1);
    assert_int_equal(exec_table_count(model.table), 0);
    for (int round = 0; round < 40; round++) {
        model_batch(&model, 500, true);
        model_walk(&model, 2);
    }
    exec_table_destroy(model.table);
    assert_int_equal(rig_state_rows(&model.rig), 0);
    model.table = exec_table_create(model.heap, &model.layout, sizeof(struct entry_number));
    model_stop(&model);
}

static void keys_without_columns_are_one(void **state)
{
    struct rig         rig;
    struct exec_heap  *heap = exec_heap_create(holder_start(&rig, 0));
    struct exec_layout layout = exec_layout_make(&rig.arena, NULL, 0);
    struct exec_table *table = exec_table_create(heap, &layout, 0);
    struct vec_chunk   chunk = holder_rows(3, NULL, 0);
    uint64_t           hashes[3] = {0};
    void              *entries[3];
    bool               is_new[3];

    (void)state;
    assert_true(exec_table_find(table, NULL, &chunk, hashes, true, entries, is_new));
    assert_true(is_new[0] && !is_new[1] && !is_new[2]);
    assert_ptr_equal(entries[0], entries[2]);
    assert_int_equal(exec_table_hash(entries[0]), 0);
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

/* Keys whose hashes share all that segments and slots go by. */
static void hashes_may_collide(void **state)
{
    struct rig         rig;
    struct exec_heap  *heap = exec_heap_create(holder_start(&rig, 0));
    struct vec_type    type = vec_type_of(VEC_BIGINT);
    struct exec_layout layout = exec_layout_make(&rig.arena, &type, 1);
    struct exec_table *table = exec_table_create(heap, &layout, 0);
    struct vec         keys = vec_make(&rig.arena, type);
    const struct vec  *list = &keys;
    struct vec_chunk   chunk = holder_rows(2000, NULL, 0);
    static uint64_t    hashes[2000];
    static void       *first[2000], *again[2000];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int64_t i = 0; i < 2000; i++) {
            ((int64_t *)keys.data)[i] = i + 2000 * round;
            hashes[i] = UINT64_C(0x1234567890abcdef);
        }
        assert_true(exec_table_find(table, &list, &chunk, hashes, true, first, NULL));
        assert_true(exec_table_find(table, &list, &chunk, hashes, false, again, NULL));
        assert_memory_equal(first, again, sizeof(first));
    }
    assert_int_equal(exec_table_count(table), 6000);
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

/* What changed is remembered, once and in order; what went is, too, until somebody has written it. */
static void changes_are_remembered(void **state)
{
    struct rig         rig = {0};
    struct exec_heap  *heap = exec_heap_create(holder_start(&rig, 0));
    struct vec_type    type = vec_type_of(VEC_BIGINT);
    struct exec_layout layout = exec_layout_make(&rig.arena, &type, 1);
    struct exec_table *table = exec_table_create(heap, &layout, 16);
    int64_t            numbers[] = {1, 2, 3, 4};
    struct vec         keys = {.type = type, .form = VEC_FLAT, .data = numbers};
    const struct vec  *list = &keys;
    struct vec_chunk   chunk = holder_rows(4, NULL, 0);
    uint64_t           hashes[] = {11, 22, 33, 44};
    void              *entries[4], *again[4];

    (void)state;
    assert_true(exec_table_find(table, &list, &chunk, hashes, true, entries, NULL));
    exec_table_touch(table, entries[0]);
    assert_null(exec_table_first_changed(table)); /* nobody asked for it */
    exec_table_track(table);
    exec_table_touch(table, entries[2]);
    exec_table_touch(table, entries[0]);
    exec_table_touch(table, entries[2]);
    exec_table_touch(table, entries[3]);
    exec_table_remove(table, entries[0]);
    exec_table_remove(table, entries[1]);
    assert_int_equal(exec_table_count(table), 2);

    /* A key that comes again is another entry. */
    assert_true(exec_table_find(table, &list, &chunk, hashes, true, again, NULL));
    assert_ptr_not_equal(again[0], entries[0]);
    assert_ptr_equal(again[2], entries[2]);
    exec_table_touch(table, again[0]);

    assert_ptr_equal(exec_table_first_removed(table), entries[0]);
    assert_true(exec_table_pop_removed(table));
    assert_ptr_equal(exec_table_first_removed(table), entries[1]);
    assert_int_equal(*(const int64_t *)exec_row_slot(&layout, entries[1], 0), 2);
    assert_true(exec_table_pop_removed(table));
    assert_null(exec_table_first_removed(table));
    assert_false(exec_table_pop_removed(table));
    for (size_t i = 0; i < 3; i++) {
        void *const expected[] = {entries[2], entries[3], again[0]};

        assert_ptr_equal(exec_table_first_changed(table), expected[i]);
        assert_true(exec_table_pop_changed(table));
    }
    assert_null(exec_table_first_changed(table));
    exec_table_touch(table, again[1]);
    assert_ptr_equal(exec_table_first_changed(table), again[1]);
    exec_table_touch(table, again[0]);
    exec_table_remove(table, again[0]);
    exec_table_saved(table);
    assert_null(exec_table_first_removed(table));
    assert_null(exec_table_first_changed(table));
    exec_table_touch(table, again[1]);
    exec_table_remove(table, again[1]);
    exec_table_destroy(table);
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_map),         cmocka_unit_test(it_grows_and_is_emptied),
        cmocka_unit_test(keys_without_columns_are_one), cmocka_unit_test(hashes_may_collide),
        cmocka_unit_test(changes_are_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
