/* State as bytes: rows and accumulators there and back, and damage that is noticed or harmless. */
#include "tests/unit/exec/holder_support.h"

#include "compute/exec/exec_aggregate.h"
#include "compute/exec/exec_state.h"
#include "tests/unit/vec/vec_support.h"

#define ROWS    60
#define COLUMNS 5
#define STATES  3

struct sample {
    struct arena       arena;
    struct vec_type    types[COLUMNS];
    struct vec         columns[COLUMNS];
    struct exec_layout layout;
    uint8_t           *loaded;
};

static void sample_make(struct sample *sample, uint64_t seed)
{
    struct vec_type   types[SAMPLE_TYPES_MAX];
    size_t            type_count = sample_types(types);
    const struct vec *list[COLUMNS];
    struct vec_chunk  chunk = holder_rows(ROWS, NULL, 0);
    struct prng       prng;

    prng_init(&prng, seed);
    arena_init(&sample->arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    for (uint32_t c = 0; c < COLUMNS; c++) {
        sample->types[c] = types[prng_below(&prng, type_count)];
        sample->columns[c] = random_vec(&sample->arena, &prng, sample->types[c], ROWS);
        list[c] = &sample->columns[c];
    }
    sample->layout = exec_layout_make(&sample->arena, sample->types, COLUMNS);
    sample->loaded = arena_alloc_array(&sample->arena, ROWS, sample->layout.row_bytes);
    exec_rows_load(&sample->layout, list, &chunk, &sample->arena, sample->loaded);
}

static void rows_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sample      sample;
        struct exec_bytes  bytes = {0};
        struct vec_chunk   chunk = holder_rows(ROWS, NULL, 0);
        struct exec_reader in;
        const void        *rows[ROWS];
        uint64_t           expected[ROWS];

        sample_make(&sample, seed);
        for (uint32_t i = 0; i < ROWS; i++) {
            exec_row_put(&bytes, &sample.layout, sample.loaded + (size_t)i * sample.layout.row_bytes);
        }
        in = exec_reader_of(view_of(bytes.base, bytes.len));
        for (uint32_t i = 0; i < ROWS; i++) {
            const void *row = exec_row_take(&in, &sample.layout, &sample.arena);

            assert_non_null(row);
            assert_true(exec_row_same(&sample.layout, row, sample.loaded + (size_t)i * sample.layout.row_bytes));
            rows[i] = row;
        }
        assert_true(exec_reader_is_done(&in));
        for (uint32_t c = 0; c < COLUMNS; c++) {
            vec_hash(&sample.columns[c], &chunk, expected, c > 0);
        }
        for (uint32_t i = 0; i < ROWS; i++) {
            assert_int_equal(exec_row_hash(&sample.layout, rows[i], &sample.arena), expected[i]);
        }
        exec_bytes_free(&bytes);
        arena_deinit(&sample.arena);
    }
}

/* Bytes in memory of their own, so that reading past them is found. */
static uint8_t *exact_copy(const uint8_t *base, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);

    assert_non_null(copy);
    memcpy(copy, base, len);
    return copy;
}

static void damaged_rows_are_refused_or_can_be_read(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 7);
    for (uint64_t seed = 200; seed < 260; seed++) {
        struct sample     sample;
        struct exec_bytes bytes = {0};
        const void       *row;

        sample_make(&sample, seed);
        exec_row_put(&bytes, &sample.layout, sample.loaded);
        for (size_t len = 0; len < bytes.len; len++) {
            uint8_t           *copy = exact_copy(bytes.base, len);
            struct exec_reader in = exec_reader_of(view_of(copy, len));

            assert_null(exec_row_take(&in, &sample.layout, &sample.arena));
            assert_true(in.is_bad);
            free(copy);
        }
        for (int i = 0; i < 100; i++) {
            uint8_t           *copy = exact_copy(bytes.base, bytes.len);
            struct exec_reader in = exec_reader_of(view_of(copy, bytes.len));
            struct vec         out[COLUMNS];

            copy[prng_below(&prng, bytes.len)] ^= (uint8_t)(1U << prng_below(&prng, 8));
            row = exec_row_take(&in, &sample.layout, &sample.arena);
            if (row != NULL) {
                exec_rows_read(&sample.layout, &row, 1, 0, COLUMNS, &sample.arena, out);
                assert_true(exec_row_bytes(&sample.layout, row) >= sample.layout.row_bytes);
            }
            free(copy);
        }
        exec_bytes_free(&bytes);
        arena_deinit(&sample.arena);
    }
}

/* --- accumulators ----------------------------------------------------------------------------------------------------
 */

struct bench {
    struct rig                   rig;
    struct exec_heap            *heap;
    struct exec_aggregates      *aggregates;
    struct exec_aggregate_store *store;
    uint32_t                     count;
    void                        *states[STATES];
};

/* Every aggregate there is over the type, with and without FILTER. Values of DISTINCT are not a state's bytes. */
static uint32_t list_aggregates(struct vec_type type, struct exec_aggregate *list)
{
    uint32_t count = 0;

    for (enum exec_aggregate_kind kind = 0; kind < EXEC_AGGREGATE_KIND_COUNT; kind++) {
        for (uint32_t variant = 0; variant < 2; variant++) {
            bool is_count = kind == EXEC_COUNT || kind == EXEC_COUNT_ROWS;

            if (!exec_aggregate_supported(kind, type)) {
                continue;
            }
            list[count] = (struct exec_aggregate){
                .kind = kind,
                .argument = kind == EXEC_COUNT_ROWS ? EXEC_NO_COLUMN : 0,
                .filter = variant == 1 ? 1 : EXEC_NO_COLUMN,
                .type = is_count ? vec_type_of(VEC_BIGINT) : type,
            };
            if (kind == EXEC_SUM && type.kind == VEC_DECIMAL) {
                list[count].type = vec_type_decimal(38, type.scale);
            } else if (kind == EXEC_AVG && type.kind == VEC_DECIMAL) {
                list[count].type = vec_type_decimal(38, MAX(6, type.scale));
            }
            count++;
        }
    }
    return count;
}

static void bench_start(struct bench *bench, struct vec_type type)
{
    struct exec_aggregate   list[2 * EXEC_AGGREGATE_KIND_COUNT];
    static struct vec_field columns[2];

    memset(bench, 0, sizeof(*bench));
    columns[0] = rig_field("a", type);
    columns[1] = rig_field("f", vec_type_of(VEC_BOOLEAN));
    bench->heap = exec_heap_create(holder_start(&bench->rig, 0));
    bench->count = list_aggregates(type, list);
    bench->aggregates = exec_aggregates_make(&bench->rig.arena, list, bench->count, columns);
    bench->store = exec_aggregate_store_create(bench->aggregates, bench->heap);
    for (uint32_t i = 0; i < STATES; i++) {
        bench->states[i] = exec_heap_take(bench->heap, exec_aggregates_bytes(bench->aggregates));
        memset(bench->states[i], 0, exec_aggregates_bytes(bench->aggregates));
    }
}

static void bench_stop(struct bench *bench)
{
    for (uint32_t i = 0; i < STATES; i++) {
        exec_aggregates_drop(bench->store, bench->states[i]);
    }
    exec_heap_destroy(bench->heap);
    assert_int_equal(exec_job_memory_bytes(bench->rig.job), 0);
    rig_stop(&bench->rig);
}

static void bench_update(struct bench *bench, struct vec *columns, uint64_t seed)
{
    struct vec_chunk chunk = holder_rows(ROWS, NULL, 0);
    struct prng      prng;
    void            *states[ROWS];

    prng_init(&prng, seed);
    for (uint32_t i = 0; i < ROWS; i++) {
        states[i] = bench->states[prng_below(&prng, STATES)];
    }
    chunk.column_count = 2;
    chunk.columns = columns;
    assert_true(exec_aggregates_update(bench->store, &chunk, states));
}

static void assert_same_results(struct bench *a, struct bench *b)
{
    struct vec of_a[2 * EXEC_AGGREGATE_KIND_COUNT];
    struct vec of_b[2 * EXEC_AGGREGATE_KIND_COUNT];

    exec_aggregates_results(a->aggregates, (const void *const *)a->states, STATES, &a->rig.arena, of_a);
    exec_aggregates_results(b->aggregates, (const void *const *)b->states, STATES, &b->rig.arena, of_b);
    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t s = 0; s < STATES; s++) {
            assert_int_equal(vec_compare(&of_a[i], s, &of_b[i], s), 0);
        }
    }
}

/* Damage gives a refusal or a state that can be read and dropped. */
static void damage_states(struct bench *bench, const struct exec_bytes *bytes, struct prng *prng)
{
    struct vec out[2 * EXEC_AGGREGATE_KIND_COUNT];

    for (int i = 0; i < 40; i++) {
        size_t             len = i < 20 ? prng_below(prng, bytes->len) : bytes->len;
        uint8_t           *copy = exact_copy(bytes->base, len);
        struct exec_reader in = exec_reader_of(view_of(copy, len));
        bool               good;

        if (i >= 20) {
            copy[prng_below(prng, len)] ^= (uint8_t)(1U << prng_below(prng, 8));
        }
        good = exec_aggregates_take(bench->store, &in, bench->states[0]);
        assert_true(i >= 20 || !good);
        if (good && i % 2 == 0) {
            exec_aggregates_results(bench->aggregates, (const void *const *)bench->states, 1, &bench->rig.arena, out);
        }
        exec_aggregates_drop(bench->store, bench->states[0]);
        free(copy);
    }
}

static void accumulators_come_back(void **state)
{
    struct vec_type types[SAMPLE_TYPES_MAX];
    size_t          type_count = sample_types(types);
    struct prng     prng;

    (void)state;
    prng_init(&prng, 11);
    for (size_t t = 0; t < type_count; t++) {
        struct bench       before, after, damaged;
        struct exec_bytes  bytes = {0};
        struct vec         columns[2];
        struct exec_reader in;

        bench_start(&before, types[t]);
        bench_start(&after, types[t]);
        bench_start(&damaged, types[t]);
        columns[0] = random_vec(&before.rig.arena, &prng, types[t], ROWS);
        columns[1] = random_vec(&before.rig.arena, &prng, vec_type_of(VEC_BOOLEAN), ROWS);
        bench_update(&before, columns, t);
        for (uint32_t i = 0; i < STATES; i++) {
            exec_aggregates_put(before.store, before.states[i], &bytes);
        }
        in = exec_reader_of(view_of(bytes.base, bytes.len));
        for (uint32_t i = 0; i < STATES; i++) {
            assert_true(exec_aggregates_take(after.store, &in, after.states[i]));
        }
        assert_true(exec_reader_is_done(&in));
        assert_same_results(&before, &after);
        /* Half of the values were seen before the bytes were made. */
        bench_update(&before, columns, t + 100);
        bench_update(&after, columns, t + 100);
        assert_same_results(&before, &after);
        bytes.len = 0;
        exec_aggregates_put(before.store, before.states[0], &bytes);
        damage_states(&damaged, &bytes, &prng);
        exec_bytes_free(&bytes);
        bench_stop(&damaged);
        bench_stop(&after);
        bench_stop(&before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(damaged_rows_are_refused_or_can_be_read),
        cmocka_unit_test(accumulators_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
