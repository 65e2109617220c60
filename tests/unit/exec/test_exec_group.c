/* Keyed aggregation against a model that keeps all rows; changelogs; time to live; DISTINCT (exec_distinct.c). */
#include "tests/unit/exec/graph_support.h"

#define PARTITIONS 3
#define ROWS       900
#define AGGREGATES 10

static struct rig_row input[PARTITIONS][ROWS];

static struct vec_field big(void)
{
    return rig_field("a", vec_type_of(VEC_BIGINT));
}

/* k, t, v, v % 3 = 0 */
static struct exec_node *make_input(struct graph *graph, struct exec_node **out_scan)
{
    struct exec_node *scan = graph_scan(graph, (struct vec_field[]){RIG_NUMBER, RIG_TEXT, RIG_NUMBER}, 3);
    struct expr      *v = graph_column(graph, scan, 2);

    *out_scan = scan;
    return graph_calc(graph, NULL,
                      (struct expr *[]){graph_column(graph, scan, 0), graph_column(graph, scan, 1), v,
                                        graph_call(graph, "=", graph_call(graph, "MOD", v, graph_number(graph, 3)),
                                                   graph_number(graph, 0))},
                      4, scan);
}

static const struct exec_aggregate aggregates[AGGREGATES] = {
    {.kind = EXEC_COUNT_ROWS, .argument = EXEC_NO_COLUMN, .filter = EXEC_NO_COLUMN},
    {.kind = EXEC_COUNT, .argument = 2, .filter = EXEC_NO_COLUMN},
    {.kind = EXEC_SUM, .argument = 2, .filter = EXEC_NO_COLUMN},
    {.kind = EXEC_AVG, .argument = 2, .filter = 3},
    {.kind = EXEC_MIN, .argument = 2, .filter = EXEC_NO_COLUMN},
    {.kind = EXEC_MAX, .argument = 1, .filter = EXEC_NO_COLUMN},
    {.kind = EXEC_COUNT, .distinct = true, .argument = 2, .filter = EXEC_NO_COLUMN},
    {.kind = EXEC_COUNT, .distinct = true, .argument = 2, .filter = 3},
    {.kind = EXEC_SUM, .distinct = true, .argument = 2, .filter = 3},
    {.kind = EXEC_COUNT, .distinct = true, .argument = 1, .filter = 3},
};

static struct exec_node *make_group(struct graph *graph, struct exec_node *below, uint32_t key_count,
                                    const struct exec_aggregate *list, uint32_t count, bool wants_before)
{
    struct vec_field      *fields = arena_alloc_array(&graph->arena, key_count + count, sizeof(*fields));
    struct exec_aggregate *copy = arena_alloc_array(&graph->arena, count, sizeof(*copy));
    uint32_t              *keys = arena_alloc_array(&graph->arena, key_count, sizeof(*keys));

    for (uint32_t i = 0; i < key_count; i++) {
        keys[i] = i;
        fields[i] = below->columns[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_text = list[i].kind != EXEC_COUNT && list[i].argument == 1;

        copy[i] = list[i];
        copy[i].type = vec_type_of(is_text ? VEC_VARCHAR : VEC_BIGINT);
        fields[key_count + i] = is_text ? rig_field("a", vec_type_of(VEC_VARCHAR)) : big();
    }
    return graph_add(graph,
                     (struct exec_node){
                         .kind = EXEC_GROUP,
                         .column_count = key_count + count,
                         .columns = fields,
                         .wants_before = wants_before,
                         .group = {.key_count = key_count, .keys = keys, .aggregate_count = count, .aggregates = copy}},
                     below, NULL);
}

/* --- the model -------------------------------------------------------------------------------------------------------
 */

struct distinct {
    int64_t items[PARTITIONS * ROWS];
    size_t  count;
};

/* True when it is new. */
static bool distinct_add(struct distinct *set, int64_t value)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i] == value) {
            return false;
        }
    }
    set->items[set->count++] = value;
    return true;
}

static bool text_is_greater(int64_t a, int64_t b)
{
    char text_a[64], text_b[64];

    rig_text(a, text_a);
    rig_text(b, text_b);
    return strcmp(text_a, text_b) > 0;
}

static void add_to(int64_t *cell, int64_t value)
{
    *cell = *cell == RIG_NULL ? value : *cell + value;
}

/* All aggregates over the rows of a key; key_count 0: over all rows. */
static void model_group(struct rig_rows *table, int64_t key, uint32_t key_count)
{
    static struct distinct all, passed, texts;
    struct rig_row         out = {0};
    int64_t               *cell = out.cells + key_count;
    int64_t                avg_sum = 0, avg_count = 0;

    all.count = passed.count = texts.count = 0;
    out.cells[0] = key;
    memcpy(cell, (int64_t[]){0, 0, RIG_NULL, RIG_NULL, RIG_NULL, RIG_NULL, 0, 0, RIG_NULL, 0},
           AGGREGATES * sizeof(int64_t));
    for (int i = 0; i < PARTITIONS * ROWS; i++) {
        const struct rig_row *row = &input[i / ROWS][i % ROWS];
        int64_t               t = row->cells[1], v = row->cells[2];
        bool                  passes = v != RIG_NULL && v % 3 == 0;

        if (key_count > 0 && row->cells[0] != key) {
            continue;
        }
        cell[0]++;
        if (t != RIG_NULL) {
            cell[5] = cell[5] == RIG_NULL || text_is_greater(t, cell[5]) ? t : cell[5];
            cell[9] += passes && distinct_add(&texts, t);
        }
        if (v == RIG_NULL) {
            continue;
        }
        cell[1]++;
        add_to(&cell[2], v);
        avg_sum += passes ? v : 0;
        avg_count += passes;
        cell[4] = cell[4] == RIG_NULL ? v : MIN(cell[4], v);
        cell[6] += distinct_add(&all, v);
        if (passes && distinct_add(&passed, v)) {
            cell[7]++;
            add_to(&cell[8], v);
        }
    }
    cell[3] = avg_count == 0 ? RIG_NULL : avg_sum / avg_count;
    rows_add(table, &out);
}

static void make_rows(struct prng *prng, uint64_t key_range, uint64_t value_range)
{
    for (int p = 0; p < PARTITIONS; p++) {
        for (int i = 0; i < ROWS; i++) {
            for (int c = 0; c < 3; c++) {
                uint64_t range = c == 0 ? key_range : value_range;
                int64_t  value = (int64_t)prng_below(prng, range) - (c == 2 ? (int64_t)range / 2 : 0);

                input[p][i].cells[c] = prng_chance(prng, 1, 12) ? RIG_NULL : value;
            }
        }
    }
}

static void model_table(struct rig_rows *table, uint32_t key_count)
{
    static struct distinct keys;

    keys.count = 0;
    for (int i = 0; i < PARTITIONS * ROWS; i++) {
        int64_t key = key_count == 0 ? 0 : input[i / ROWS][i % ROWS].cells[0];

        if (distinct_add(&keys, key)) {
            model_group(table, key, key_count);
        }
    }
}

/* --- tests -----------------------------------------------------------------------------------------------------------
 */

static void start_inputs(struct graph *graph, const struct exec_node *scan, struct exec_options options)
{
    graph_start(graph, options);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        graph_input(graph, scan, p, input[p], ROWS);
    }
}

static void check_final_table(uint64_t seed, uint32_t key_count)
{
    static const uint32_t workers[] = {1, 2, 4};
    static const uint32_t rows_max[] = {1, 2, 37, 0};
    struct graph          graph;
    struct exec_node     *scan, *below;
    struct rig_rows       expected = {0}, table;
    struct prng           prng;
    bool                  wants_before;

    prng_init(&prng, seed);
    make_rows(&prng, UINT64_C(1) << prng_below(&prng, 10), 1 + prng_below(&prng, 300));
    graph_init(&graph);
    below = make_input(&graph, &scan);
    below = graph_exchange(&graph, key_count == 0 ? EXEC_SINGLE : EXEC_HASH, 0, below);
    wants_before = prng_chance(&prng, 1, 2);
    graph_sink(&graph, make_group(&graph, below, key_count, aggregates, AGGREGATES, wants_before));
    start_inputs(&graph, scan,
                 (struct exec_options){
                     .worker_count = workers[prng_below(&prng, 3)],
                     .rows_max = rows_max[prng_below(&prng, 4)],
                     .ring_slots = 1 + (uint32_t)prng_below(&prng, 8),
                     .verify_seed = prng_chance(&prng, 1, 2) ? seed : 0,
                 });
    assert_true(graph_run(&graph, seed, 1 + (uint32_t)prng_below(&prng, 300)));
    model_table(&expected, key_count);
    if (wants_before) {
        graph_table(&graph, &table);
        rows_assert_same(&table, &expected);
        rows_free(&table);
    } else { /* the last row of a key is its row */
        size_t found = 0;

        for (uint32_t w = 0; w < EXEC_WORKERS_MAX; w++) {
            for (size_t i = 0; i < graph.out[w].count; i++) {
                const struct rig_row *row = &graph.out[w].items[i];

                assert_true(row->change == VEC_INSERT || row->change == VEC_UPDATE_AFTER);
                for (size_t e = 0; e < expected.count; e++) {
                    found +=
                        row->change == VEC_INSERT && (key_count == 0 || row->cells[0] == expected.items[e].cells[0]);
                }
            }
        }
        assert_int_equal(found, expected.count); /* inserted once each */
        for (size_t e = 0; e < expected.count; e++) {
            const struct rig_row *last = NULL;

            for (uint32_t w = 0; w < EXEC_WORKERS_MAX; w++) {
                for (size_t i = 0; i < graph.out[w].count; i++) {
                    if (key_count == 0 || graph.out[w].items[i].cells[0] == expected.items[e].cells[0]) {
                        last = &graph.out[w].items[i];
                    }
                }
            }
            assert_memory_equal(last->cells, expected.items[e].cells, sizeof(last->cells));
        }
    }
    rows_free(&expected);
    graph_free(&graph);
}

static void final_tables_are_the_models(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        check_final_table(seed, 1);
    }
}

static void without_keys_there_is_one_row(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 112; seed++) {
        check_final_table(seed, 0);
    }
}

/* One worker, pushed and flushed by hand. */
struct bench {
    struct graph      graph;
    struct rig_row    rows[64];
    struct exec_node *scan;
};

static void bench_start(struct bench *bench, const struct exec_aggregate *list, uint32_t count, bool wants_before,
                        int64_t ttl_ms)
{
    struct exec_node *below;

    memset(bench, 0, sizeof(*bench));
    graph_init(&bench->graph);
    below = make_input(&bench->graph, &bench->scan);
    make_group(&bench->graph, below, 1, list, count, wants_before)->group.state_ttl_ms = ttl_ms;
    graph_sink(&bench->graph, bench->graph.nodes[2]);
    graph_start(&bench->graph, (struct exec_options){0});
    graph_input(&bench->graph, bench->scan, 0, bench->rows, 64);
    graph_opened(&bench->graph);
}

static void bench_push(struct bench *bench, int64_t k, int64_t v)
{
    bench->rows[bench->graph.inputs[0].pushed] = (struct rig_row){.cells = {k, RIG_NULL, v}};
    assert_true(graph_push(&bench->graph, &bench->graph.inputs[0], 1));
}

static void bench_flush(struct bench *bench)
{
    assert_true(exec_worker_flush(exec_job_worker(bench->graph.job, 0)));
}

/* Takes the next emitted row. */
static void bench_expect(struct bench *bench, size_t *at, enum vec_change change, int64_t k, int64_t result)
{
    const struct rig_row *row = &bench->graph.out[0].items[*at];

    assert_true(*at < bench->graph.out[0].count);
    assert_int_equal(row->change, change);
    assert_int_equal(row->cells[0], k);
    assert_int_equal(row->cells[1], result);
    (*at)++;
}

static void an_update_takes_back_what_was_said(void **state)
{
    static struct bench         bench;
    const struct exec_aggregate max = {.kind = EXEC_MAX, .argument = 2, .filter = EXEC_NO_COLUMN};
    size_t                      at = 0;

    (void)state;
    bench_start(&bench, &max, 1, true, 0);
    bench_push(&bench, 1, 10);
    bench_push(&bench, 2, 20);
    bench_push(&bench, 1, 30);
    assert_int_equal(bench.graph.out[0].count, 0); /* nothing before the flush */
    bench_flush(&bench);
    bench_expect(&bench, &at, VEC_INSERT, 1, 30);
    bench_expect(&bench, &at, VEC_INSERT, 2, 20);
    bench_push(&bench, 2, 5); /* changes nothing */
    bench_push(&bench, 1, 40);
    bench_push(&bench, 1, 50);
    bench_flush(&bench);
    bench_expect(&bench, &at, VEC_UPDATE_BEFORE, 1, 30);
    bench_expect(&bench, &at, VEC_UPDATE_AFTER, 1, 50);
    bench_flush(&bench);
    assert_int_equal(bench.graph.out[0].count, at);
    graph_free(&bench.graph);
}

static void nobody_is_told_of_no_change(void **state)
{
    static struct bench         bench;
    const struct exec_aggregate max = {.kind = EXEC_MAX, .argument = 2, .filter = EXEC_NO_COLUMN};
    size_t                      at = 0;

    (void)state;
    bench_start(&bench, &max, 1, false, 0);
    bench_push(&bench, 1, 10);
    bench_flush(&bench);
    bench_push(&bench, 1, 9);
    bench_flush(&bench);
    bench_push(&bench, 1, 11);
    bench_flush(&bench);
    bench_expect(&bench, &at, VEC_INSERT, 1, 10);
    bench_expect(&bench, &at, VEC_UPDATE_AFTER, 1, 11);
    assert_int_equal(bench.graph.out[0].count, at);
    graph_free(&bench.graph);
}

static void groups_are_forgotten_after_their_time(void **state)
{
    static struct bench         bench;
    const struct exec_aggregate sum = {.kind = EXEC_SUM, .argument = 2, .filter = EXEC_NO_COLUMN};
    struct exec_worker         *worker;
    struct exec_stats           stats;
    size_t                      at = 0;

    (void)state;
    bench_start(&bench, &sum, 1, true, 100);
    worker = exec_job_worker(bench.graph.job, 0);
    assert_true(exec_worker_time(worker, 1000));
    bench_push(&bench, 1, 10);
    bench_push(&bench, 2, 20);
    bench_flush(&bench);
    bench_expect(&bench, &at, VEC_INSERT, 1, 10);
    bench_expect(&bench, &at, VEC_INSERT, 2, 20);
    assert_true(exec_worker_time(worker, 1099));
    bench_push(&bench, 1, 0); /* no change, told all the same */
    bench_flush(&bench);
    bench_expect(&bench, &at, VEC_UPDATE_BEFORE, 1, 10);
    bench_expect(&bench, &at, VEC_UPDATE_AFTER, 1, 10);
    assert_true(exec_worker_time(worker, 1100)); /* 2 is over, 1 is not */
    exec_job_stats(bench.graph.job, 2, &stats);
    assert_int_equal(stats.state_rows, 1);
    bench_push(&bench, 2, 5);
    bench_push(&bench, 1, 5);
    bench_flush(&bench);
    bench_expect(&bench, &at, VEC_INSERT, 2, 5);
    bench_expect(&bench, &at, VEC_UPDATE_BEFORE, 1, 10);
    bench_expect(&bench, &at, VEC_UPDATE_AFTER, 1, 15);
    assert_int_equal(bench.graph.out[0].count, at);
    graph_free(&bench.graph);
}

static void distinct_passes_the_first_at_once(void **state)
{
    static struct bench bench;

    (void)state;
    bench_start(&bench, NULL, 0, false, 0);
    bench_push(&bench, 1, 10);
    bench_push(&bench, 2, 10);
    bench_push(&bench, 1, 11);
    bench_push(&bench, RIG_NULL, 11);
    bench_push(&bench, RIG_NULL, 12);
    assert_int_equal(bench.graph.out[0].count, 3);
    assert_int_equal(bench.graph.out[0].items[0].cells[0], 1);
    assert_int_equal(bench.graph.out[0].items[1].cells[0], 2);
    assert_int_equal(bench.graph.out[0].items[2].cells[0], RIG_NULL);
    graph_free(&bench.graph);
}

static void a_budget_that_is_spent_ends_the_job(void **state)
{
    static struct rig_row rows[20000];
    struct graph          graph;
    struct exec_node     *scan, *below;

    (void)state;
    for (int64_t i = 0; i < 20000; i++) {
        rows[i] = (struct rig_row){.cells = {i, 1, i}};
    }
    for (uint32_t workers = 1; workers <= 2; workers++) {
        graph_init(&graph);
        below = graph_exchange(&graph, EXEC_HASH, 0, make_input(&graph, &scan));
        graph_sink(&graph, make_group(&graph, below, 1, aggregates, AGGREGATES, true));
        graph_start(&graph, (struct exec_options){.worker_count = workers, .memory_bytes_max = MIB});
        graph_input(&graph, scan, 0, rows, 20000);
        assert_false(graph_run(&graph, 1, 500));
        assert_int_equal(exec_job_failure(graph.job)->node, 3);
        assert_non_null(strstr(exec_job_failure(graph.job)->message, "GroupAggregate"));
        assert_non_null(strstr(exec_job_failure(graph.job)->message, "budget of 1 MiB"));
        assert_true(exec_job_memory_bytes(graph.job) <= MIB);
        graph_free(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(final_tables_are_the_models),           cmocka_unit_test(without_keys_there_is_one_row),
        cmocka_unit_test(an_update_takes_back_what_was_said),    cmocka_unit_test(nobody_is_told_of_no_change),
        cmocka_unit_test(groups_are_forgotten_after_their_time), cmocka_unit_test(distinct_passes_the_first_at_once),
        cmocka_unit_test(a_budget_that_is_spent_ends_the_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
