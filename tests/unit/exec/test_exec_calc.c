/* CALC over changelogs: what a condition makes of updates. */
#include "tests/unit/exec/graph_support.h"

#define KEYS    12
#define CHANGES 600

/* A changelog pushed straight out of the scan: kinds of change beside the cells. */
struct log {
    struct rig_row rows[2 * CHANGES];
    uint32_t       count;
};

static void log_add(struct log *log, enum vec_change change, int64_t key, int64_t value)
{
    log->rows[log->count++] = (struct rig_row){.change = change, .cells = {key, value}};
}

/* Random inserts, updates (as pairs) and deletes of keys. */
static void make_log(struct log *log, struct prng *prng)
{
    int64_t values[KEYS];
    bool    there[KEYS] = {0};

    log->count = 0;
    for (int i = 0; i < CHANGES; i++) {
        uint64_t key = prng_below(prng, KEYS);
        int64_t  value = (int64_t)prng_below(prng, 20);

        if (!there[key]) {
            log_add(log, VEC_INSERT, (int64_t)key, value);
        } else if (prng_chance(prng, 1, 5)) {
            log_add(log, VEC_DELETE, (int64_t)key, values[key]);
        } else {
            log_add(log, VEC_UPDATE_BEFORE, (int64_t)key, values[key]);
            log_add(log, VEC_UPDATE_AFTER, (int64_t)key, value);
        }
        there[key] = log->rows[log->count - 1].change != VEC_DELETE;
        values[key] = value;
    }
}

/* Pairs stay in one chunk, as operators emit them. */
static void push_log(struct graph *graph, const struct log *log, uint32_t chunk_rows)
{
    for (uint32_t begin = 0, count; begin < log->count; begin += count) {
        struct arena     arena;
        struct vec       columns[2];
        uint8_t          changes[VEC_ROWS_MAX];
        struct vec_chunk chunk = {.column_count = 2, .columns = columns, .changes = changes};

        count = MIN(chunk_rows, log->count - begin);
        count += log->rows[begin + count - 1].change == VEC_UPDATE_BEFORE;
        arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
        for (uint32_t c = 0; c < 2; c++) {
            columns[c] = vec_make(&arena, vec_type_of(VEC_BIGINT));
            for (uint32_t i = 0; i < count; i++) {
                rig_set_cell(&arena, &columns[c], i, log->rows[begin + i].cells[c]);
                changes[i] = (uint8_t)log->rows[begin + i].change;
            }
        }
        chunk.row_count = chunk.selected_count = count;
        assert_true(exec_worker_push(exec_job_worker(graph->job, 0), 0, 0, &chunk));
        arena_deinit(&arena);
    }
}

/* key, value + 1 where value < 10 */
static void make(struct graph *graph, struct exec_options options)
{
    struct exec_node *scan;
    struct expr      *value;

    graph_init(graph);
    scan = graph_scan(graph, (struct vec_field[]){RIG_NUMBER, RIG_NUMBER}, 2);
    value = graph_column(graph, scan, 1);
    graph_sink(graph, graph_calc(graph, graph_call(graph, "<", value, graph_number(graph, 10)),
                                 (struct expr *[]){graph_column(graph, scan, 0),
                                                   graph_call(graph, "+", value, graph_number(graph, 1))},
                                 2, scan));
    graph_start(graph, options);
    graph_input(graph, scan, 0, NULL, 0);
}

static void a_filtered_changelog_is_one_of_the_filtered_table(void **state)
{
    static struct log log;
    struct prng       prng;

    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct graph    graph;
        struct rig_rows table, expected = {0}, passed = {0};

        prng_init(&prng, seed);
        make_log(&log, &prng);
        make(&graph,
             (struct exec_options){.verify_seed = seed % 2 == 0 ? seed : 0, .rows_max = (uint32_t)(seed % 4 * 3)});
        push_log(&graph, &log, 1 + (uint32_t)prng_below(&prng, 200));
        graph_table(&graph, &table); /* which fails when something is taken back that is not there */
        for (uint32_t i = 0; i < log.count; i++) {
            rows_fold(&expected, &log.rows[i]);
        }
        for (size_t i = 0; i < expected.count; i++) {
            if (expected.items[i].cells[1] < 10) {
                expected.items[i].cells[1]++;
                rows_add(&passed, &expected.items[i]);
            }
        }
        rows_assert_same(&table, &passed);
        rows_free(&table);
        rows_free(&expected);
        rows_free(&passed);
        graph_free(&graph);
    }
}

static void half_an_update_becomes_an_insert_or_a_delete(void **state)
{
    static struct log log;
    struct graph      graph;
    struct rig_row   *out;

    (void)state;
    log.count = 0;
    log_add(&log, VEC_INSERT, 1, 5);
    log_add(&log, VEC_UPDATE_BEFORE, 1, 5);
    log_add(&log, VEC_UPDATE_AFTER, 1, 6); /* both pass */
    log_add(&log, VEC_UPDATE_BEFORE, 1, 6);
    log_add(&log, VEC_UPDATE_AFTER, 1, 10); /* only the old one */
    log_add(&log, VEC_UPDATE_BEFORE, 1, 10);
    log_add(&log, VEC_UPDATE_AFTER, 1, 11); /* none */
    log_add(&log, VEC_UPDATE_BEFORE, 1, 11);
    log_add(&log, VEC_UPDATE_AFTER, 1, RIG_NULL); /* unknown is not true */
    log_add(&log, VEC_UPDATE_BEFORE, 1, RIG_NULL);
    log_add(&log, VEC_UPDATE_AFTER, 1, 9); /* only the new one */
    make(&graph, (struct exec_options){0});
    push_log(&graph, &log, 100);
    out = graph.out[0].items;
    assert_int_equal(graph.out[0].count, 5);
    assert_int_equal(out[0].change, VEC_INSERT);
    assert_int_equal(out[1].change, VEC_UPDATE_BEFORE);
    assert_int_equal(out[2].change, VEC_UPDATE_AFTER);
    assert_int_equal(out[3].change, VEC_DELETE);
    assert_int_equal(out[3].cells[1], 7);
    assert_int_equal(out[4].change, VEC_INSERT);
    assert_int_equal(out[4].cells[1], 10);
    graph_free(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filtered_changelog_is_one_of_the_filtered_table),
        cmocka_unit_test(half_an_update_becomes_an_insert_or_a_delete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
