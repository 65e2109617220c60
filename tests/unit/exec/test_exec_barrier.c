/* Barriers: what a sink gets in an epoch is what was pushed in it, on all workers, whatever the plan and the timing
 * (exec_emit.c). */
#include "tests/unit/exec/epoch_support.h"

#define PARTITIONS 4
#define ROWS       3000
#define EPOCH      1 /* column: in which epoch its worker pushed the row */

static struct rig_row input[PARTITIONS][ROWS];

struct stamped {
    struct graph  graph;
    struct epochs epochs;
    uint64_t      rows;
    int64_t       saved[EXEC_WORKERS_MAX]; /* groups: rows counted until the end of an epoch */
};

static void stamp(struct epochs *epochs, struct graph_input *of, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        input[of->partition][of->pushed + i].cells[EPOCH] = epochs->epoch[of->worker];
    }
}

static bool write_stamped(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                          size_t message_capacity)
{
    struct stamped *stamped = context;

    (void)sink;
    (void)message;
    (void)message_capacity;
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        int64_t epoch = rig_cell(&chunk->columns[EPOCH], vec_chunk_row(chunk, i));

        assert_int_equal(epoch, stamped->epochs.epoch[worker]);
        stamped->rows++;
    }
    return true;
}

static void start(struct stamped *stamped, const struct exec_node *scan, uint64_t seed, struct exec_options options)
{
    struct prng prng;

    prng_init(&prng, seed);
    for (int64_t p = 0; p < PARTITIONS; p++) {
        for (int64_t i = 0; i < ROWS; i++) {
            input[p][i] = (struct rig_row){.cells = {(int64_t)prng_below(&prng, 50), 0, p}};
        }
    }
    epochs_init(&stamped->epochs, &stamped->graph, seed, &options);
    stamped->epochs.before_push = stamp;
    graph_start(&stamped->graph, options);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        graph_input(&stamped->graph, scan, p, input[p], ROWS);
    }
    graph_opened(&stamped->graph);
}

static struct exec_options options_of(uint64_t seed, uint32_t workers, struct stamped *stamped)
{
    return (struct exec_options){
        .worker_count = workers,
        .ring_slots = 1 + (uint32_t)seed % 4,
        .verify_seed = seed % 3 == 0 ? seed : 0,
        .sink = {.write = write_stamped, .context = stamped},
    };
}

static struct exec_node *make_scan(struct graph *graph)
{
    graph_init(graph);
    return graph_scan(graph, (struct vec_field[]){RIG_NUMBER, RIG_NUMBER, RIG_NUMBER}, 3);
}

/* Through two exchanges one after the other, and a third that meets both in a union. */
static void epochs_do_not_mix(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct stamped   *stamped = test_calloc(1, sizeof(*stamped));
        struct exec_node *scan = make_scan(&stamped->graph);
        struct exec_node *first = graph_exchange(&stamped->graph, EXEC_HASH, 0, scan);
        struct exec_node *second = graph_exchange(&stamped->graph, EXEC_ROUND_ROBIN, 0, first);
        struct exec_node *both =
            graph_add(&stamped->graph, (struct exec_node){.kind = EXEC_UNION}, second,
                      graph_exchange(&stamped->graph, seed % 2 == 0 ? EXEC_SINGLE : EXEC_BROADCAST, 0, scan));
        uint32_t workers = 1 + (uint32_t)(seed % 5);

        graph_sink(&stamped->graph, seed % 3 == 0 ? graph_exchange(&stamped->graph, EXEC_HASH, 2, both) : both);
        start(stamped, scan, seed, options_of(seed, workers, stamped));
        assert_true(epochs_run(&stamped->epochs));
        assert_int_equal(stamped->rows, (uint64_t)PARTITIONS * ROWS * (1 + (seed % 2 == 0 ? 1 : workers)));
        for (uint32_t i = 0; i < PARTITIONS && i < workers; i++) {
            assert_true(stamped->epochs.epoch[i] > 3);
        }
        graph_free(&stamped->graph);
        test_free(stamped);
    }
}

/* What a changelog holds back comes out before the epoch ends: at the callback the counts are those of its rows. */
static void count_saved(struct epochs *epochs, uint32_t worker, int64_t epoch)
{
    struct stamped *stamped = CONTAINER_OF(epochs, struct stamped, epochs);
    struct rig_rows table = {0};
    uint64_t        count = 0;

    (void)epoch;
    stamped->saved[worker] = 0;
    for (uint32_t i = 0; i < epochs->graph->input_count; i++) {
        count += epochs->graph->inputs[i].pushed;
    }
    graph_table(epochs->graph, &table);
    for (size_t i = 0; i < table.count; i++) {
        stamped->saved[worker] += table.items[i].cells[1];
    }
    assert_int_equal(stamped->saved[worker], count); /* one worker: nothing is on its way */
    rows_free(&table);
}

static struct exec_node *add_counts(struct graph *graph, uint32_t key, struct exec_node *below)
{
    static const struct exec_aggregate counts[] = {
        {EXEC_COUNT_ROWS, false, EXEC_NO_COLUMN, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}}};
    uint32_t *keys = arena_alloc(&graph->arena, sizeof(*keys));

    *keys = key;
    return graph_add(
        graph,
        (struct exec_node){.kind = EXEC_GROUP,
                           .column_count = 2,
                           .columns = graph_columns(graph, (struct vec_field[]){RIG_NUMBER, RIG_NUMBER}, 2),
                           .wants_before = true,
                           .group = {.key_count = 1, .keys = keys, .aggregate_count = 1, .aggregates = counts}},
        below, NULL);
}

static void changelogs_are_flushed(void **state)
{
    struct stamped     *stamped = test_calloc(1, sizeof(*stamped));
    struct exec_node   *scan = make_scan(&stamped->graph);
    struct exec_options options = {.worker_count = 1};

    (void)state;
    graph_sink(&stamped->graph, add_counts(&stamped->graph, 0, scan));
    start(stamped, scan, 7, options);
    stamped->epochs.saved = count_saved;
    assert_true(epochs_run(&stamped->epochs));
    assert_true(stamped->epochs.epoch[0] > 3);
    assert_int_equal(stamped->saved[0] > 0, true);
    graph_free(&stamped->graph);
    test_free(stamped);
}

/* Many groups changed: no call is long, and the barrier comes behind the last of them. */
static void long_flushes_come_in_pieces(void **state)
{
    struct stamped     *stamped = test_calloc(1, sizeof(*stamped));
    struct graph       *graph = &stamped->graph;
    struct exec_node   *scan = make_scan(graph);
    struct exec_options options = {.worker_count = 1, .rows_max = 16};
    struct exec_worker *worker;
    size_t              before;
    uint32_t            steps = 0;

    (void)state;
    graph_sink(graph, add_counts(graph, 2, scan));
    start(stamped, scan, 3, options);
    for (uint32_t i = 0; i < ROWS; i++) {
        input[0][i].cells[2] = i;
    }
    worker = exec_job_worker(graph->job, 0);
    assert_true(graph_push(graph, &graph->inputs[0], 2000));
    for (enum exec_progress progress = EXEC_BUSY; progress == EXEC_BUSY; steps++) {
        before = graph->out[0].count;
        progress = exec_worker_flush_some(worker);
        assert_true(progress != EXEC_FAILED && graph->out[0].count - before <= 16);
    }
    assert_true(steps >= 2000 / 16);
    assert_int_equal(graph->out[0].count, 2000);
    assert_true(graph_push(graph, &graph->inputs[0], 1000));
    stamped->epochs.waits[0] = true;
    assert_true(exec_worker_barrier(worker, 0));
    for (steps = 0; stamped->epochs.waits[0]; steps++) {
        before = graph->out[0].count;
        assert_int_equal(exec_worker_step(worker), EXEC_BUSY);
        assert_true(graph->out[0].count - before <= 16);
    }
    assert_true(steps >= 1000 / 16);
    assert_int_equal(graph->out[0].count, 3000);
    graph_free(graph);
    test_free(stamped);
}

/* On a worker that has finished, and on one that never had a partition, with others still running. */
static void finished_workers_answer_at_once(void **state)
{
    struct stamped     *stamped = test_calloc(1, sizeof(*stamped));
    struct exec_node   *scan = make_scan(&stamped->graph);
    struct exec_worker *worker;
    uint64_t            sent;

    (void)state;
    graph_sink(&stamped->graph, graph_exchange(&stamped->graph, EXEC_SINGLE, 0, scan));
    start(stamped, scan, 5, options_of(5, 6, stamped));
    worker = exec_job_worker(stamped->graph.job, 5);
    sent = exec_worker_take_sent(worker);
    assert_int_equal(sent, 1 | 2 | 4 | 8 | 16); /* its end */
    assert_int_equal(exec_worker_take_sent(worker), 0);
    assert_true(epochs_run(&stamped->epochs));
    assert_int_equal(stamped->rows, PARTITIONS * ROWS);
    for (uint32_t i = 0; i < 6; i++) {
        stamped->epochs.waits[i] = true;
        stamped->epochs.epoch[i] = 5000;
        assert_true(exec_worker_barrier(exec_job_worker(stamped->graph.job, i), 5000));
        assert_false(stamped->epochs.waits[i]);
        assert_int_equal(exec_worker_step(exec_job_worker(stamped->graph.job, i)), EXEC_FINISHED);
    }
    graph_free(&stamped->graph);
    test_free(stamped);
}

/* Worker 1 is through with its epoch only when worker 0 has sent its barrier; until then it reads no row behind 0's. */
static void rows_wait_behind_a_barrier(void **state)
{
    struct stamped     *stamped = test_calloc(1, sizeof(*stamped));
    struct exec_node   *scan = make_scan(&stamped->graph);
    struct epochs      *epochs = &stamped->epochs;
    struct exec_worker *workers[2];

    (void)state;
    graph_sink(&stamped->graph, graph_exchange(&stamped->graph, EXEC_BROADCAST, 0, scan));
    start(stamped, scan, 10, options_of(10, 2, stamped));
    for (uint32_t i = 0; i < 2; i++) {
        workers[i] = exec_job_worker(stamped->graph.job, i);
    }
    assert_true(graph_push(&stamped->graph, &stamped->graph.inputs[0], 1));
    epochs->waits[0] = true;
    assert_true(exec_worker_barrier(workers[0], 0));
    assert_int_equal(stamped->rows, 1);
    while (exec_worker_step(workers[1]) == EXEC_BUSY) {
    }
    assert_int_equal(stamped->rows, 2);
    assert_true(epochs->waits[0]);
    assert_true(graph_push(&stamped->graph, &stamped->graph.inputs[1], 1)); /* still epoch 0 on worker 1 */
    epochs->waits[1] = true;
    assert_true(exec_worker_barrier(workers[1], 0));
    assert_false(epochs->waits[1]);
    assert_true(epochs->waits[0]);
    stamp(epochs, &stamped->graph.inputs[1], 1);
    assert_true(graph_push(&stamped->graph, &stamped->graph.inputs[1], 1)); /* epoch 1, and worker 0 is in 0 */
    assert_int_equal(stamped->rows, 4);
    while (epochs->waits[0]) {
        assert_int_equal(exec_worker_step(workers[0]), EXEC_BUSY);
    }
    assert_int_equal(stamped->rows, 5);
    while (exec_worker_step(workers[0]) == EXEC_BUSY) {
    }
    assert_int_equal(stamped->rows, 6);
    graph_free(&stamped->graph);
    test_free(stamped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_do_not_mix),           cmocka_unit_test(changelogs_are_flushed),
        cmocka_unit_test(long_flushes_come_in_pieces), cmocka_unit_test(finished_workers_answer_at_once),
        cmocka_unit_test(rows_wait_behind_a_barrier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
