/* Watermarks against a model that takes rows one by one. */
#include "tests/unit/exec/graph_support.h"

#define ROWS       400
#define PARTITIONS 3
#define US         INT64_C(1000)

/* What an operator above would see: the watermark in force when a row came. */
struct seen {
    int64_t row, watermark_us;
};

struct probe {
    struct seen items[PARTITIONS * ROWS];
    size_t      count;
    uint32_t    chunks;
};

static struct probe *probe;

/* The sink is asked for its watermark when rows come: it is told before them. */
static bool note(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                 size_t message_capacity)
{
    struct graph     *graph = context;
    struct exec_stats stats;

    (void)worker;
    (void)sink;
    (void)message;
    (void)message_capacity;
    exec_job_stats(graph->job, graph->plan.node_count - 1, &stats);
    probe->chunks++;
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        probe->items[probe->count++] =
            (struct seen){rig_cell(&chunk->columns[0], vec_chunk_row(chunk, i)), stats.watermark_us};
    }
    return true;
}

/* n, ts; watermark ts - delay. */
static struct exec_node *make(struct graph *graph, int64_t delay_ms, int64_t idle_timeout_ms)
{
    struct exec_node *scan = graph_scan(graph, (struct vec_field[]){RIG_NUMBER, RIG_TIME}, 2);
    struct expr      *expr =
        graph_call(graph, "-", graph_column(graph, scan, 1), expr_int(&graph->maker, VEC_INTERVAL_DAY, delay_ms));
    struct exec_node *watermark =
        graph_add(graph,
                  (struct exec_node){.kind = EXEC_WATERMARK,
                                     .watermark = {.time_column = 1, .expr = expr, .idle_timeout_ms = idle_timeout_ms}},
                  scan, NULL);

    graph_sink(graph, graph_add(graph, (struct exec_node){.kind = EXEC_UNION}, watermark, NULL));
    return scan;
}

static void start(struct graph *graph, struct exec_options options)
{
    options.sink = (struct exec_sink_ops){.write = note, .context = graph};
    memset(probe, 0, sizeof(*probe));
    graph_start(graph, options);
}

struct model {
    int64_t highest_us[PARTITIONS];
    bool    open[PARTITIONS];
    int64_t combined_us;
};

static void model_combine(struct model *model)
{
    int64_t lowest = INT64_MAX;

    for (int i = 0; i < PARTITIONS; i++) {
        lowest = model->open[i] ? MIN(lowest, model->highest_us[i]) : lowest;
    }
    model->combined_us = lowest == INT64_MAX ? model->combined_us : MAX(model->combined_us, lowest);
}

/* A row that is behind the watermark before it must be seen behind that very watermark; one that is ahead may be seen
 * under an older one, but never under a later one. */
static void check_row(const struct seen *seen, const struct rig_row *row, const struct model *model)
{
    int64_t time_us = row->cells[1];

    assert_int_equal(seen->row, row->cells[0]);
    assert_true(seen->watermark_us <= model->combined_us);
    if (time_us != RIG_NULL && time_us <= model->combined_us) {
        assert_int_equal(seen->watermark_us, model->combined_us);
    }
}

static void rows_behind_come_after_their_watermark(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        static struct rig_row rows[PARTITIONS][ROWS];
        struct graph          graph;
        struct exec_node     *scan;
        struct prng           prng;
        struct model          model = {.combined_us = EXEC_WATERMARK_NONE};
        int64_t               delay_ms;
        uint64_t              disorder;
        size_t                at = 0;

        prng_init(&prng, seed);
        delay_ms = (int64_t)prng_below(&prng, 20);
        disorder = 1 + prng_below(&prng, 40);
        for (int p = 0; p < PARTITIONS; p++) {
            for (int64_t i = 0; i < ROWS; i++) {
                int64_t time_us = (i * 3 - 500 + (int64_t)prng_below(&prng, disorder)) * US;

                rows[p][i].cells[0] = p * ROWS + i;
                rows[p][i].cells[1] = prng_chance(&prng, 1, 30) ? RIG_NULL : time_us;
            }
        }
        graph_init(&graph);
        scan = make(&graph, delay_ms, 0);
        start(&graph, (struct exec_options){.rows_max = seed % 3 == 0 ? 7 : 0, .verify_seed = seed % 2});
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            graph_input(&graph, scan, p, rows[p], ROWS);
            model.open[p] = true;
            model.highest_us[p] = EXEC_WATERMARK_NONE;
        }
        graph_opened(&graph);
        for (int open = PARTITIONS; open > 0;) {
            uint32_t            p = (uint32_t)prng_below(&prng, PARTITIONS);
            struct graph_input *input = &graph.inputs[p];
            uint32_t            from = input->pushed;
            struct exec_stats   stats;

            if (input->ended) {
                continue;
            }
            assert_true(graph_push(&graph, input, 1 + (uint32_t)prng_below(&prng, 90)));
            for (uint32_t i = from; i < input->pushed; i++) {
                check_row(&probe->items[at++], &rows[p][i], &model);
                if (rows[p][i].cells[1] != RIG_NULL) {
                    model.highest_us[p] = MAX(model.highest_us[p], rows[p][i].cells[1] - delay_ms * US);
                }
                model_combine(&model);
            }
            if (input->pushed == ROWS) {
                input->ended = true;
                assert_true(exec_worker_end(exec_job_worker(graph.job, 0), scan->id, p));
                model.open[p] = false;
                open--;
                model_combine(&model);
            }
            exec_job_stats(graph.job, graph.plan.node_count - 1, &stats);
            assert_int_equal(stats.watermark_us, open == 0 ? EXEC_WATERMARK_END : model.combined_us);
        }
        assert_int_equal(probe->count, PARTITIONS * ROWS);
        graph_free(&graph);
    }
}

static void input_in_order_is_not_cut(void **state)
{
    static struct rig_row rows[ROWS];
    struct graph          graph;
    struct exec_node     *scan;

    (void)state;
    for (int64_t i = 0; i < ROWS; i++) {
        rows[i] = (struct rig_row){.cells = {i, i / 2 * US}};
    }
    graph_init(&graph);
    scan = make(&graph, 2, 0);
    start(&graph, (struct exec_options){0});
    graph_input(&graph, scan, 0, rows, ROWS);
    graph_opened(&graph);
    assert_true(graph_push(&graph, &graph.inputs[0], ROWS));
    assert_int_equal(probe->chunks, 1);
    graph_free(&graph);
}

static int64_t watermark_now(const struct graph *graph)
{
    struct exec_stats stats;

    exec_job_stats(graph->job, graph->plan.node_count - 1, &stats);
    return stats.watermark_us;
}

static void a_silent_partition_holds_back_until_it_is_idle(void **state)
{
    struct rig_row      rows[3] = {{.cells = {0, 1000 * US}}, {.cells = {1, 2000 * US}}, {.cells = {2, 500 * US}}};
    struct graph        graph;
    struct exec_node   *scan;
    struct exec_worker *worker;

    (void)state;
    graph_init(&graph);
    scan = make(&graph, 0, 100);
    start(&graph, (struct exec_options){0});
    worker = exec_job_worker(graph.job, 0);
    assert_true(exec_worker_time(worker, 10000));
    graph_input(&graph, scan, 0, rows, 2);
    graph_input(&graph, scan, 1, rows + 2, 1);
    graph_opened(&graph);
    assert_true(graph_push(&graph, &graph.inputs[0], 1));
    assert_int_equal(watermark_now(&graph), EXEC_WATERMARK_NONE);
    assert_true(exec_worker_time(worker, 10050));
    assert_true(graph_push(&graph, &graph.inputs[0], 1));
    assert_true(exec_worker_time(worker, 10099));
    assert_int_equal(watermark_now(&graph), EXEC_WATERMARK_NONE);
    assert_true(exec_worker_time(worker, 10100));
    assert_int_equal(watermark_now(&graph), 2000 * US);
    /* It wakes up behind: the watermark does not go back. */
    assert_true(graph_push(&graph, &graph.inputs[1], 1));
    assert_int_equal(watermark_now(&graph), 2000 * US);
    assert_int_equal(probe->items[2].watermark_us, 2000 * US);
    graph_free(&graph);
}

/* Finer than a ms is cut off, below zero, too. */
static void watermarks_are_whole_milliseconds(void **state)
{
    struct rig_row    rows[2] = {{.cells = {0, -1500}}, {.cells = {1, 2999}}};
    struct graph      graph;
    struct exec_node *scan;

    (void)state;
    graph_init(&graph);
    scan = make(&graph, 0, 0);
    start(&graph, (struct exec_options){0});
    graph_input(&graph, scan, 0, rows, 2);
    graph_opened(&graph);
    assert_true(graph_push(&graph, &graph.inputs[0], 1));
    assert_int_equal(watermark_now(&graph), -2 * US);
    assert_true(graph_push(&graph, &graph.inputs[0], 1));
    assert_int_equal(watermark_now(&graph), 2 * US);
    graph_free(&graph);
}

static int setup(void **state)
{
    (void)state;
    probe = mem_alloc(MEM_TEST, sizeof(*probe));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_free(MEM_TEST, probe);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_behind_come_after_their_watermark),
        cmocka_unit_test(input_in_order_is_not_cut),
        cmocka_unit_test(a_silent_partition_holds_back_until_it_is_idle),
        cmocka_unit_test(watermarks_are_whole_milliseconds),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
