/* state_support.h: graphs that crash: state is saved at barriers, the job dies at a random moment, another one is
 * loaded from what all workers had saved, and goes on; for tests.
 *
 * The rig plays the driver: of each epoch it notes, per worker, how far inputs, outputs and records had come. What
 * comes behind the newest epoch that all workers have saved is forgotten with the job. */
#ifndef MILLRACE_STATE_SUPPORT_H
#define MILLRACE_STATE_SUPPORT_H

#include "tests/unit/exec/epoch_support.h"

#define STATE_EPOCHS_MAX 512
#define STATE_INPUTS_MAX 16

struct state_record {
    uint32_t node, table;
    size_t   key_len, value_len;
    bool     is_gone;
    uint8_t *bytes; /* key, value */
};

struct state_mark {
    size_t   records_begin, records_end; /* to be loaded: a snapshot begins anew */
    size_t   out_count;
    uint32_t pushed[STATE_INPUTS_MAX];
    int64_t  now_ms;
};

struct state_log {
    struct state_record *items;
    size_t               count, capacity;
    size_t               snapshot; /* its first record */
};

struct state_rig {
    struct graph      graph;
    struct epochs     epochs;
    struct state_log  logs[EXEC_WORKERS_MAX];
    struct state_mark marks[STATE_EPOCHS_MAX][8]; /* by epoch, worker */
    int64_t           committed;                  /* -1: none */
    uint32_t          snapshot_chance;            /* a snapshot in so many saves; 0: increments only */
    size_t            pieces_max;                 /* the most records in one piece */
    uint32_t          save_count, load_count;     /* records, of the whole run */
    int64_t           now_ms[8];                  /* clocks of workers; go on when clock_step_ms is set */
    int64_t           clock_step_ms;
};

static inline bool state_write(void *context, uint32_t node, uint32_t table, struct view key, struct view value)
{
    struct state_log   *log = context;
    struct state_record record = {.node = node,
                                  .table = table,
                                  .key_len = key.len,
                                  .value_len = value.len,
                                  .is_gone = value.base == NULL,
                                  .bytes = test_malloc(key.len + value.len + 1)};

    assert_non_null(key.base);
    memcpy(record.bytes, key.base, key.len);
    memcpy(record.bytes + key.len, value.base == NULL ? key.base : value.base, value.len);
    if (log->count == log->capacity) {
        log->capacity = MAX((size_t)256, 2 * log->capacity);
        log->items = mem_realloc(MEM_TEST, log->items, log->capacity * sizeof(*log->items));
    }
    log->items[log->count++] = record;
    return true;
}

static inline void state_cut(struct state_log *log, size_t count)
{
    while (log->count > count) {
        test_free(log->items[--log->count].bytes);
    }
}

/* In one piece, or in several, with others at work in between. */
static inline void state_save_all(struct state_rig *rig, uint32_t worker, bool all, const struct exec_saver *saver)
{
    struct prng       *prng = &rig->epochs.prng;
    enum exec_progress progress = EXEC_BUSY;
    size_t             before = rig->logs[worker].count;

    if (prng_chance(prng, 1, 3)) {
        assert_true(exec_worker_save(exec_job_worker(rig->graph.job, worker), all, saver));
        return;
    }
    while (progress == EXEC_BUSY) {
        uint64_t records_max = 1 + prng_below(prng, 50);

        progress = exec_worker_save_some(exec_job_worker(rig->graph.job, worker), all, saver, records_max);
        rig->pieces_max = MAX(rig->pieces_max, rig->logs[worker].count - before);
        before = rig->logs[worker].count;
        if (progress == EXEC_BUSY) {
            assert_int_equal(exec_worker_step(exec_job_worker(rig->graph.job, worker)), EXEC_IDLE);
            (void)exec_worker_step(
                exec_job_worker(rig->graph.job, (uint32_t)prng_below(prng, rig->graph.options.worker_count)));
        }
    }
    assert_int_equal(progress, EXEC_IDLE);
}

/* At the barrier of a worker. */
static inline void state_saved(struct epochs *epochs, uint32_t worker, int64_t epoch)
{
    struct state_rig  *rig = CONTAINER_OF(epochs, struct state_rig, epochs);
    struct state_log  *log = &rig->logs[worker];
    struct exec_saver  saver = {.write = state_write, .context = log};
    struct state_mark *mark = &rig->marks[epoch][worker];
    bool               all = rig->snapshot_chance > 0 && prng_chance(&epochs->prng, 1, rig->snapshot_chance);
    size_t             before = log->count;

    assert_true(epoch < STATE_EPOCHS_MAX);
    if (all || !rig->graph.options.keeps_changes) {
        all = true;
        log->snapshot = log->count;
    }
    state_save_all(rig, worker, all, &saver);
    rig->save_count += (uint32_t)(log->count - before);
    *mark = (struct state_mark){.records_begin = log->snapshot,
                                .records_end = log->count,
                                .out_count = rig->graph.out[worker].count,
                                .now_ms = rig->now_ms[worker]};
    for (uint32_t i = 0; i < rig->graph.input_count; i++) {
        mark->pushed[i] = rig->graph.inputs[i].pushed;
    }
}

/* The graph is made; inputs are in graph.inputs with scan, partition, rows and count. */
static inline void state_init(struct state_rig *rig, uint64_t seed, struct exec_options options)
{
    options.worker_count = MAX(options.worker_count, 1);
    options.keeps_changes = true;
    options.sink = (struct exec_sink_ops){.write = graph_write, .context = &rig->graph};
    epochs_init(&rig->epochs, &rig->graph, seed, &options);
    rig->epochs.saved = state_saved;
    rig->graph.options = options;
    rig->committed = -1;
    assert_true(rig->graph.input_count <= STATE_INPUTS_MAX && options.worker_count <= 8);
}

static inline void state_input(struct state_rig *rig, const struct exec_node *scan, uint32_t partition,
                               const struct rig_row *rows, uint32_t count)
{
    rig->graph.inputs[rig->graph.input_count++] =
        (struct graph_input){.scan = scan->id, .partition = partition, .rows = rows, .count = count};
}

static inline void state_free(struct state_rig *rig)
{
    for (uint32_t w = 0; w < EXEC_WORKERS_MAX; w++) {
        state_cut(&rig->logs[w], 0);
        mem_free(MEM_TEST, rig->logs[w].items);
    }
    graph_free(&rig->graph);
}

static inline struct view state_view(const uint8_t *base, size_t len)
{
    return len == 0 ? view_text("") : view_of(base, len);
}

/* Loads one record; texts are gone from the record's memory when it returns. */
static inline bool state_load_record(struct exec_worker *worker, const struct state_record *record)
{
    uint8_t    *copy = test_malloc(record->key_len + record->value_len + 1);
    struct view value = {0};
    bool        good;

    memcpy(copy, record->bytes, record->key_len + record->value_len);
    if (!record->is_gone) {
        value = state_view(copy + record->key_len, record->value_len);
    }
    good = exec_worker_load(worker, record->node, record->table, state_view(copy, record->key_len), value);
    test_free(copy);
    return good;
}

/* A job that goes on behind the committed epoch. False: it failed. */
static inline bool state_start(struct state_rig *rig)
{
    struct graph *graph = &rig->graph;
    bool          good = true;

    graph->job = exec_job_create(&graph->plan, &graph->options);
    assert_non_null(graph->job);
    for (uint32_t w = 0; w < graph->options.worker_count; w++) {
        struct state_mark  none = {0};
        struct state_mark *mark = rig->committed < 0 ? &none : &rig->marks[rig->committed][w];

        rig->epochs.epoch[w] = rig->committed + 1;
        rig->epochs.waits[w] = rig->epochs.is_blocked[w] = false;
        graph->out[w].count = mark->out_count;
        rig->now_ms[w] = mark->now_ms;
        state_cut(&rig->logs[w], mark->records_end);
        rig->logs[w].snapshot = mark->records_begin;
        for (size_t i = mark->records_begin; i < mark->records_end && good; i++) {
            good = state_load_record(exec_job_worker(graph->job, w), &rig->logs[w].items[i]);
            rig->load_count++;
        }
        for (uint32_t i = w; i < graph->input_count; i += graph->options.worker_count) {
            struct graph_input *input = &graph->inputs[i];

            input->worker = w;
            input->pushed = mark->pushed[i];
            input->ended = false;
            exec_worker_open(exec_job_worker(graph->job, w), input->scan, input->partition);
        }
    }
    if (good) {
        graph_opened(graph);
    }
    return good && exec_job_failure(graph->job) == NULL;
}

/* The job dies: what every worker has saved counts. */
static inline void state_crash(struct state_rig *rig)
{
    int64_t least = INT64_MAX;

    for (uint32_t w = 0; w < rig->graph.options.worker_count; w++) {
        least = MIN(least, rig->epochs.epoch[w] - 1);
    }
    rig->committed = least;
    exec_job_destroy(rig->graph.job);
    rig->graph.job = NULL;
}

/* Some turns. True: all workers have finished. */
static inline bool state_turns(struct state_rig *rig, uint64_t turns)
{
    struct graph *graph = &rig->graph;

    for (uint64_t i = 0; i < turns; i++) {
        uint32_t           index = (uint32_t)prng_below(&rig->epochs.prng, graph->options.worker_count);
        enum exec_progress progress;
        bool               done = true;

        if (rig->clock_step_ms > 0 && !rig->epochs.waits[index]) {
            rig->now_ms[index] += (int64_t)prng_below(&rig->epochs.prng, (uint64_t)rig->clock_step_ms);
            assert_true(exec_worker_time(exec_job_worker(graph->job, index), rig->now_ms[index]));
        }
        if (!epochs_turn(&rig->epochs, index, &progress)) {
            fail_msg("%s", exec_job_failure(graph->job)->message);
        }
        for (uint32_t w = 0; w < graph->options.worker_count && done; w++) {
            done = !rig->epochs.waits[w] && exec_worker_step(exec_job_worker(graph->job, w)) == EXEC_FINISHED;
        }
        if (done) {
            return true;
        }
    }
    return false;
}

/* From the beginning to the end, with so many crashes on the way. */
static inline void state_run(struct state_rig *rig, uint32_t crashes, uint64_t turns_max)
{
    assert_true(state_start(rig));
    while (crashes-- > 0) {
        if (state_turns(rig, 1 + prng_below(&rig->epochs.prng, turns_max))) {
            break;
        }
        state_crash(rig);
        if (!state_start(rig)) {
            fail_msg("%s", exec_job_failure(rig->graph.job)->message);
        }
    }
    assert_true(state_turns(rig, 10000000));
}

#endif
