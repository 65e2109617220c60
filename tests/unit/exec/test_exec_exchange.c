/* Exchange: who gets which rows, order, full rings, watermarks of several senders, threads. */
#include "tests/unit/exec/graph_support.h"

#include <pthread.h>
#include <sched.h>

#define PARTITIONS 4
#define ROWS       2000

static struct rig_row input[PARTITIONS][ROWS];

static void make_rows(uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed);
    for (int64_t p = 0; p < PARTITIONS; p++) {
        for (int64_t i = 0; i < ROWS; i++) {
            int64_t key = prng_chance(&prng, 1, 10) ? RIG_NULL : (int64_t)prng_below(&prng, 100);

            input[p][i] = (struct rig_row){.cells = {key, p, i * 1000, key}};
        }
    }
}

/* key, partition, time (the row's number), a text of the key */
static struct exec_node *make(struct graph *graph, enum exec_distribution distribution, bool with_watermark)
{
    struct exec_node *scan = graph_scan(graph, (struct vec_field[]){RIG_NUMBER, RIG_NUMBER, RIG_TIME, RIG_TEXT}, 4);
    struct exec_node *below = scan;

    if (with_watermark) {
        below = graph_add(graph,
                          (struct exec_node){.kind = EXEC_WATERMARK,
                                             .watermark = {.time_column = 2, .expr = graph_column(graph, scan, 2)}},
                          scan, NULL);
    }
    graph_sink(graph, graph_exchange(graph, distribution, 0, below));
    return scan;
}

static void run(struct graph *graph, enum exec_distribution distribution, uint64_t seed, struct exec_options options,
                uint32_t partitions)
{
    struct exec_node *scan;

    make_rows(seed);
    graph_init(graph);
    scan = make(graph, distribution, false);
    graph_start(graph, options);
    for (uint32_t p = 0; p < partitions; p++) {
        graph_input(graph, scan, p, input[p], ROWS);
    }
    assert_true(graph_run(graph, seed, 200));
    assert_int_equal(exec_job_memory_bytes(graph->job), 0); /* nothing is held any more */
}

/* Rows of a partition come in its order; each once. */
static size_t check_order(const struct graph *graph, uint32_t worker)
{
    int64_t last[PARTITIONS] = {-1, -1, -1, -1};

    for (size_t i = 0; i < graph->out[worker].count; i++) {
        const struct rig_row *row = &graph->out[worker].items[i];
        int64_t               number = row->cells[2] / 1000;

        assert_true(number > last[row->cells[1]]);
        last[row->cells[1]] = number;
        assert_memory_equal(row->cells, input[row->cells[1]][number].cells, 4 * sizeof(int64_t));
    }
    return graph->out[worker].count;
}

static void a_key_has_one_worker_and_keeps_its_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct graph graph;
        uint32_t     workers = 2 + (uint32_t)seed % 3;
        size_t       count = 0;
        int          worker_of[101];

        run(&graph, EXEC_HASH, seed,
            (struct exec_options){.worker_count = workers,
                                  .ring_slots = 1 + (uint32_t)seed % 4,
                                  .rows_max = seed % 2 == 0 ? 0 : 11,
                                  .verify_seed = seed % 3 == 0 ? seed : 0},
            PARTITIONS);
        memset(worker_of, 0xff, sizeof(worker_of));
        for (uint32_t w = 0; w < workers; w++) {
            size_t before = count;

            count += check_order(&graph, w);
            assert_true(count > before);
            for (size_t i = 0; i < graph.out[w].count; i++) {
                int64_t key = graph.out[w].items[i].cells[0] == RIG_NULL ? 100 : graph.out[w].items[i].cells[0];

                assert_true(worker_of[key] == -1 || worker_of[key] == (int)w);
                worker_of[key] = (int)w;
            }
        }
        assert_int_equal(count, PARTITIONS * ROWS);
        graph_free(&graph);
    }
}

static void other_ways_to_deal(void **state)
{
    struct graph graph;

    (void)state;
    run(&graph, EXEC_SINGLE, 1, (struct exec_options){.worker_count = 3}, PARTITIONS);
    assert_int_equal(check_order(&graph, 0), PARTITIONS * ROWS);
    graph_free(&graph);
    run(&graph, EXEC_BROADCAST, 2, (struct exec_options){.worker_count = 3, .ring_slots = 2}, PARTITIONS);
    for (uint32_t w = 0; w < 3; w++) {
        assert_int_equal(check_order(&graph, w), PARTITIONS * ROWS);
    }
    graph_free(&graph);
    run(&graph, EXEC_FORWARD, 3, (struct exec_options){.worker_count = 4}, PARTITIONS);
    for (uint32_t w = 0; w < 4; w++) {
        assert_int_equal(check_order(&graph, w), ROWS);
    }
    graph_free(&graph);
    run(&graph, EXEC_ROUND_ROBIN, 4, (struct exec_options){.worker_count = 4}, 1);
    for (uint32_t w = 0; w < 4; w++) {
        assert_in_range(graph.out[w].count, ROWS / 8, ROWS / 2);
    }
    graph_free(&graph);
}

/* The receiver does not step: what the sender sends is kept, and the sender says so. */
static void a_full_ring_blocks_nobody(void **state)
{
    struct graph        graph;
    struct exec_node   *scan;
    struct exec_worker *sender, *receiver;

    (void)state;
    make_rows(9);
    graph_init(&graph);
    scan = make(&graph, EXEC_BROADCAST, false);
    graph_start(&graph, (struct exec_options){.worker_count = 2, .ring_slots = 3});
    graph_input(&graph, scan, 0, input[0], ROWS);
    graph_opened(&graph);
    sender = exec_job_worker(graph.job, 0);
    receiver = exec_job_worker(graph.job, 1);
    for (int i = 0; i < 20; i++) {
        assert_true(graph_push(&graph, &graph.inputs[0], 10));
    }
    assert_int_equal(graph.out[0].count, 200);
    assert_int_equal(exec_worker_step(sender), EXEC_BLOCKED);
    assert_true(exec_job_memory_bytes(graph.job) > 0);
    while (exec_worker_step(receiver) == EXEC_BUSY) {
    }
    assert_int_equal(graph.out[1].count, 30);
    while (graph.out[1].count < 200) {
        (void)exec_worker_step(sender);
        (void)exec_worker_step(receiver);
    }
    assert_int_equal(check_order(&graph, 1), 200);
    assert_int_equal(exec_worker_step(sender), EXEC_IDLE);
    assert_int_equal(exec_job_memory_bytes(graph.job), 0);
    graph_free(&graph);
}

static void what_is_held_counts_against_the_budget(void **state)
{
    struct graph      graph;
    struct exec_node *scan;
    bool              good = true;

    (void)state;
    make_rows(9);
    graph_init(&graph);
    scan = make(&graph, EXEC_BROADCAST, false);
    graph_start(&graph, (struct exec_options){.worker_count = 2, .ring_slots = 1, .memory_bytes_max = 256 * KIB});
    graph_input(&graph, scan, 0, input[0], ROWS);
    graph_opened(&graph);
    for (int i = 0; i < ROWS / 10 && good; i++) {
        good = graph_push(&graph, &graph.inputs[0], 10);
    }
    assert_false(good);
    assert_non_null(strstr(exec_job_failure(graph.job)->message, "Exchange"));
    graph_free(&graph);
}

static int64_t watermark_of(const struct graph *graph, uint32_t worker)
{
    return exec_job_worker(graph->job, worker)->ops[graph->plan.node_count - 1]->watermark_us;
}

/* Behind an exchange the watermark is the lowest of all senders, whatever order they spoke in. */
static void watermarks_are_the_lowest_of_the_senders(void **state)
{
    struct graph      graph;
    struct exec_node *scan;

    (void)state;
    make_rows(5);
    graph_init(&graph);
    scan = make(&graph, EXEC_HASH, true);
    graph_start(&graph, (struct exec_options){.worker_count = 3});
    graph_input(&graph, scan, 0, input[0], ROWS);
    graph_input(&graph, scan, 1, input[1], ROWS);
    graph_opened(&graph);
    for (int round = 0; round < 2; round++) { /* worker 2 has no partition: it ends, and holds nobody back */
        for (uint32_t w = 0; w < 3; w++) {
            while (exec_worker_step(exec_job_worker(graph.job, w)) == EXEC_BUSY) {
            }
        }
    }
    assert_true(graph_push(&graph, &graph.inputs[0], 100));
    for (uint32_t w = 0; w < 3; w++) {
        while (exec_worker_step(exec_job_worker(graph.job, w)) == EXEC_BUSY) {
        }
        assert_int_equal(watermark_of(&graph, w), EXEC_WATERMARK_NONE);
    }
    assert_true(graph_push(&graph, &graph.inputs[1], 51));
    for (uint32_t w = 0; w < 3; w++) {
        while (exec_worker_step(exec_job_worker(graph.job, w)) == EXEC_BUSY) {
        }
        assert_int_equal(watermark_of(&graph, w), 50 * 1000);
    }
    assert_true(exec_worker_end(exec_job_worker(graph.job, 1), scan->id, 1));
    for (uint32_t w = 0; w < 3; w++) {
        while (exec_worker_step(exec_job_worker(graph.job, w)) == EXEC_BUSY) {
        }
        assert_int_equal(watermark_of(&graph, w), 99 * 1000);
    }
    graph_free(&graph);
}

/* An idle sender counts no more, until it speaks again from where the others are. */
static void idle_senders_hold_nobody_back(void **state)
{
    struct graph        graph;
    struct exec_node   *scan;
    struct exec_worker *workers[2];

    (void)state;
    make_rows(5);
    graph_init(&graph);
    scan = make(&graph, EXEC_HASH, true);
    graph.nodes[1]->watermark.idle_timeout_ms = 10;
    graph_start(&graph, (struct exec_options){.worker_count = 2});
    graph_input(&graph, scan, 0, input[0], ROWS);
    graph_input(&graph, scan, 1, input[1], ROWS);
    graph_opened(&graph);
    for (uint32_t w = 0; w < 2; w++) {
        workers[w] = exec_job_worker(graph.job, w);
        assert_true(exec_worker_time(workers[w], 1000));
    }
    assert_true(graph_push(&graph, &graph.inputs[0], 100));
    assert_true(exec_worker_time(workers[1], 1010));
    for (int i = 0; i < 8; i++) {
        (void)exec_worker_step(workers[i % 2]);
    }
    assert_int_equal(watermark_of(&graph, 0), 99 * 1000);
    assert_int_equal(watermark_of(&graph, 1), 99 * 1000);
    assert_true(graph_push(&graph, &graph.inputs[1], 10)); /* behind: does not count yet */
    assert_true(graph_push(&graph, &graph.inputs[0], 10));
    for (int i = 0; i < 8; i++) {
        (void)exec_worker_step(workers[i % 2]);
    }
    assert_int_equal(watermark_of(&graph, 0), 109 * 1000);
    assert_int_equal(watermark_of(&graph, 1), 109 * 1000);
    assert_true(graph_push(&graph, &graph.inputs[1], 140)); /* ahead: counts again */
    for (int i = 0; i < 8; i++) {
        (void)exec_worker_step(workers[i % 2]);
    }
    assert_true(graph_push(&graph, &graph.inputs[0], 100));
    for (int i = 0; i < 16; i++) {
        (void)exec_worker_step(workers[i % 2]);
    }
    assert_int_equal(watermark_of(&graph, 0), 149 * 1000);
    assert_int_equal(watermark_of(&graph, 1), 149 * 1000);
    graph_free(&graph);
}

/* --- threads ---------------------------------------------------------------------------------------------------------
 */

struct runner {
    struct graph *graph;
    uint32_t      index;
    bool          good;
};

static void *run_worker(void *context)
{
    struct runner      *runner = context;
    struct graph_input *partition = &runner->graph->inputs[runner->index];
    struct exec_worker *worker = exec_job_worker(runner->graph->job, runner->index);
    enum exec_progress  progress = EXEC_IDLE;

    runner->good = true;
    while (progress != EXEC_FINISHED && runner->good) {
        if (!partition->ended && progress != EXEC_BLOCKED) {
            runner->good = graph_push(runner->graph, partition, 37);
            if (partition->pushed == partition->count) {
                partition->ended = true;
                runner->good = runner->good && exec_worker_end(worker, partition->scan, partition->partition);
            }
        }
        progress = exec_worker_step(worker);
        runner->good = runner->good && progress != EXEC_FAILED;
        if (progress == EXEC_IDLE || progress == EXEC_BLOCKED) {
            (void)sched_yield();
        }
    }
    return NULL;
}

/* As graph_write(), without what all workers share. */
static bool note(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                 size_t message_capacity)
{
    struct graph *graph = context;

    (void)sink;
    (void)message;
    (void)message_capacity;
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        struct rig_row out = {.change = VEC_INSERT};

        for (uint32_t c = 0; c < chunk->column_count; c++) {
            out.cells[c] = rig_cell(&chunk->columns[c], vec_chunk_row(chunk, i));
        }
        rows_add(&graph->out[worker], &out);
    }
    return true;
}

static void workers_on_threads(void **state)
{
    (void)state;
    for (uint32_t slots = 1; slots <= 4; slots += 3) {
        struct graph      graph;
        struct runner     runners[PARTITIONS];
        pthread_t         threads[PARTITIONS];
        struct exec_node *scan;
        size_t            count = 0;

        make_rows(slots);
        graph_init(&graph);
        scan = make(&graph, EXEC_HASH, true);
        graph_start(&graph, (struct exec_options){.worker_count = PARTITIONS,
                                                  .ring_slots = slots,
                                                  .sink = {.write = note, .context = &graph}});
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            graph_input(&graph, scan, p, input[p], ROWS);
        }
        graph_opened(&graph);
        for (uint32_t w = 0; w < PARTITIONS; w++) {
            runners[w] = (struct runner){.graph = &graph, .index = w};
            assert_int_equal(pthread_create(&threads[w], NULL, run_worker, &runners[w]), 0);
        }
        for (uint32_t w = 0; w < PARTITIONS; w++) {
            assert_int_equal(pthread_join(threads[w], NULL), 0);
            assert_true(runners[w].good);
        }
        for (uint32_t w = 0; w < PARTITIONS; w++) {
            count += check_order(&graph, w);
        }
        assert_int_equal(count, PARTITIONS * ROWS);
        graph_free(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_one_worker_and_keeps_its_order),
        cmocka_unit_test(other_ways_to_deal),
        cmocka_unit_test(a_full_ring_blocks_nobody),
        cmocka_unit_test(what_is_held_counts_against_the_budget),
        cmocka_unit_test(watermarks_are_the_lowest_of_the_senders),
        cmocka_unit_test(idle_senders_hold_nobody_back),
        cmocka_unit_test(workers_on_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
