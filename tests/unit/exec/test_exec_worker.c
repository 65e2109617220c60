/* Workers: a plan from scan to sink, its end, its failures, its figures (exec.c, exec_scan.c, exec_sink.c). */
#include "tests/unit/exec/graph_support.h"

#define ROWS 1000

static struct rig_row rows[ROWS];

static void make_rows(void)
{
    for (int64_t i = 0; i < ROWS; i++) {
        rows[i] = (struct rig_row){.cells = {i, i % 7 == 0 ? RIG_NULL : i % 50}};
    }
}

static struct exec_node *scan_pairs(struct graph *graph)
{
    return graph_scan(graph, (struct vec_field[]){RIG_NUMBER, RIG_TEXT}, 2);
}

/* n, n * 10 where n % 3 = 0 */
static void make_filter(struct graph *graph)
{
    struct exec_node *scan = scan_pairs(graph);
    struct expr      *n = graph_column(graph, scan, 0);
    struct expr      *condition =
        graph_call(graph, "=", graph_call(graph, "MOD", n, graph_number(graph, 3)), graph_number(graph, 0));
    struct exec_node *calc = graph_calc(
        graph, condition,
        (struct expr *[]){n, graph_column(graph, scan, 1), graph_call(graph, "*", n, graph_number(graph, 10))}, 3,
        scan);

    graph_sink(graph, calc);
}

static void rows_pass_in_order(void **state)
{
    static const uint32_t rows_max[] = {1, 2, 100, 0};

    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct graph      graph;
        struct exec_stats stats;
        size_t            at = 0;

        graph_init(&graph);
        make_filter(&graph);
        graph_start(&graph, (struct exec_options){.rows_max = rows_max[seed % 4], .verify_seed = seed / 4 * 77});
        graph_input(&graph, graph.nodes[0], 0, rows, ROWS);
        assert_true(graph_run(&graph, seed, 300));
        for (int64_t i = 0; i < ROWS; i += 3) {
            const struct rig_row *row = &graph.out[0].items[at++];

            assert_int_equal(row->cells[0], i);
            assert_int_equal(row->cells[1], rows[i].cells[1]);
            assert_int_equal(row->cells[2], i * 10);
        }
        assert_int_equal(graph.out[0].count, at);
        exec_job_stats(graph.job, 0, &stats);
        assert_int_equal(stats.rows_in, ROWS);
        exec_job_stats(graph.job, 1, &stats);
        assert_int_equal(stats.rows_in, ROWS);
        assert_int_equal(stats.rows_out, at);
        assert_int_equal(stats.watermark_us, EXEC_WATERMARK_END);
        exec_job_stats(graph.job, 2, &stats);
        assert_int_equal(stats.rows_in, at);
        assert_int_equal(exec_job_memory_bytes(graph.job), 0);
        graph_free(&graph);
    }
}

static void a_job_without_input_finishes(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 3; workers++) {
        struct graph graph;

        graph_init(&graph);
        make_filter(&graph);
        graph_start(&graph, (struct exec_options){.worker_count = workers});
        assert_int_equal(exec_worker_step(exec_job_worker(graph.job, 0)), EXEC_IDLE);
        assert_true(graph_run(&graph, 1, 1));
        assert_int_equal(graph.out[0].count, 0);
        graph_free(&graph);
    }
}

/* One node with two users: both get everything. */
static void a_node_may_have_several_users(void **state)
{
    struct graph      graph;
    struct exec_node *scan;

    (void)state;
    graph_init(&graph);
    scan = scan_pairs(&graph);
    graph_sink(&graph, graph_add(&graph, (struct exec_node){.kind = EXEC_UNION}, scan, scan));
    graph_sink(&graph, scan);
    graph_start(&graph, (struct exec_options){0});
    graph_input(&graph, scan, 3, rows, ROWS);
    assert_true(graph_run(&graph, 5, 200));
    assert_int_equal(graph.out[0].count, 3 * ROWS);
    graph_free(&graph);
}

static void a_failing_expression_names_the_row(void **state)
{
    struct graph               graph;
    struct exec_node          *scan;
    struct expr               *n;
    const struct exec_failure *failure;

    (void)state;
    graph_init(&graph);
    scan = scan_pairs(&graph);
    n = graph_column(&graph, scan, 0);
    graph_sink(&graph, graph_calc(&graph, graph_call(&graph, ">", n, graph_number(&graph, 2)),
                                  (struct expr *[]){graph_call(&graph, "/", graph_number(&graph, 1),
                                                               graph_call(&graph, "-", n, graph_number(&graph, 7)))},
                                  1, scan));
    graph_start(&graph, (struct exec_options){0});
    graph_input(&graph, scan, 4, rows, ROWS);
    graph_opened(&graph);
    assert_true(graph_push(&graph, &graph.inputs[0], 5));
    assert_null(exec_job_failure(graph.job));
    assert_false(graph_push(&graph, &graph.inputs[0], 5));
    failure = exec_job_failure(graph.job);
    assert_int_equal(failure->node, 1);
    assert_true(failure->has_row);
    assert_int_equal(failure->scan, 0);
    assert_int_equal(failure->partition, 4);
    assert_int_equal(failure->row, 2); /* of the second chunk */
    assert_non_null(strstr(failure->message, "Calc"));
    assert_non_null(strstr(failure->message, "/"));
    assert_int_equal(exec_worker_step(exec_job_worker(graph.job, 0)), EXEC_FAILED);
    assert_false(exec_worker_flush(exec_job_worker(graph.job, 0)));
    assert_false(exec_worker_time(exec_job_worker(graph.job, 0), 1));
    assert_false(graph_push(&graph, &graph.inputs[0], 5));
    graph_free(&graph);
}

static bool refuse(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                   size_t message_capacity)
{
    (void)context;
    (void)worker;
    (void)sink;
    (void)chunk;
    (void)snprintf(message, message_capacity, "the disk is full");
    return false;
}

static void a_failing_sink_ends_the_job(void **state)
{
    struct graph graph;

    (void)state;
    graph_init(&graph);
    make_filter(&graph);
    graph_start(&graph, (struct exec_options){.worker_count = 2, .sink = {.write = refuse}});
    graph_input(&graph, graph.nodes[0], 0, rows, ROWS);
    assert_false(graph_run(&graph, 1, 100));
    assert_string_equal(exec_job_failure(graph.job)->message, "Sink: the disk is full");
    assert_int_equal(exec_job_failure(graph.job)->node, 2);
    exec_job_fail(graph.job, "later");
    assert_string_equal(exec_job_failure(graph.job)->message, "Sink: the disk is full"); /* the first stays */
    graph_free(&graph);
}

static void the_driver_may_fail_the_job(void **state)
{
    struct graph graph;

    (void)state;
    graph_init(&graph);
    make_filter(&graph);
    graph_start(&graph, (struct exec_options){0});
    graph_input(&graph, graph.nodes[0], 0, rows, ROWS);
    exec_job_fail(graph.job, "no such file");
    assert_false(graph_push(&graph, &graph.inputs[0], 1));
    assert_int_equal(exec_job_failure(graph.job)->node, EXEC_NO_COLUMN);
    assert_string_equal(exec_job_failure(graph.job)->message, "no such file");
    graph_free(&graph);
}

static int setup(void **state)
{
    (void)state;
    make_rows();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_pass_in_order),
        cmocka_unit_test(a_job_without_input_finishes),
        cmocka_unit_test(a_node_may_have_several_users),
        cmocka_unit_test(a_failing_expression_names_the_row),
        cmocka_unit_test(a_failing_sink_ends_the_job),
        cmocka_unit_test(the_driver_may_fail_the_job),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
