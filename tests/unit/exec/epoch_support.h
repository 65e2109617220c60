/* epoch_support.h: graphs run epoch by epoch: barriers at random moments, each worker on its own, for tests. */
#ifndef MILLRACE_EPOCH_SUPPORT_H
#define MILLRACE_EPOCH_SUPPORT_H

#include "tests/unit/exec/graph_support.h"

struct epochs {
    struct graph *graph;
    struct prng   prng;
    uint32_t      push_max;
    uint32_t      chance;                  /* a barrier in so many turns of a worker */
    int64_t       epoch[EXEC_WORKERS_MAX]; /* that the worker is in */
    bool          waits[EXEC_WORKERS_MAX]; /* for the callback */
    bool          is_blocked[EXEC_WORKERS_MAX];
    int64_t       stop_at; /* begin no barrier behind that of this epoch, push nothing behind it */
    void (*before_push)(struct epochs *epochs, struct graph_input *input, uint32_t count); /* or NULL */
    void (*saved)(struct epochs *epochs, uint32_t worker, int64_t epoch);                  /* or NULL */
};

static inline void epochs_barrier(void *context, uint32_t worker, int64_t epoch)
{
    struct epochs *epochs = context;

    assert_true(epochs->waits[worker]);
    assert_int_equal(epochs->epoch[worker], epoch);
    epochs->waits[worker] = false;
    if (epochs->saved != NULL) {
        epochs->saved(epochs, worker, epoch);
    }
    epochs->epoch[worker]++;
}

/* Options for exec_job_create() with the callback in them; the graph must have been made. */
static inline void epochs_init(struct epochs *epochs, struct graph *graph, uint64_t seed, struct exec_options *options)
{
    memset(epochs, 0, sizeof(*epochs));
    epochs->graph = graph;
    epochs->push_max = 100;
    epochs->chance = 10;
    epochs->stop_at = INT64_MAX;
    prng_init(&epochs->prng, seed);
    options->barrier = epochs_barrier;
    options->barrier_context = epochs;
}

static inline bool epochs_push(struct epochs *epochs, struct graph_input *input)
{
    struct graph *graph = epochs->graph;
    uint32_t      count = 1 + (uint32_t)prng_below(&epochs->prng, epochs->push_max);

    count = MIN(count, input->count - input->pushed);
    if (epochs->before_push != NULL) {
        epochs->before_push(epochs, input, count);
    }
    if (!graph_push(graph, input, count)) {
        return false;
    }
    if (input->pushed < input->count) {
        return true;
    }
    input->ended = true;
    return exec_worker_end(exec_job_worker(graph->job, input->worker), input->scan, input->partition);
}

/* A worker that has finished would go on beginning epochs while others work. */
static inline bool epochs_is_ahead(const struct epochs *epochs, uint32_t index)
{
    for (uint32_t i = 0; i < epochs->graph->options.worker_count; i++) {
        if (epochs->epoch[index] > epochs->epoch[i] + 2) {
            return true;
        }
    }
    return false;
}

/* One turn of one worker. False: the job failed. */
static inline bool epochs_turn(struct epochs *epochs, uint32_t index, enum exec_progress *out_progress)
{
    struct graph       *graph = epochs->graph;
    struct exec_worker *worker = exec_job_worker(graph->job, index);
    bool                may_go_on = epochs->epoch[index] <= epochs->stop_at && !epochs->waits[index];

    for (uint32_t i = 0; i < graph->input_count && may_go_on && !epochs->is_blocked[index]; i++) {
        struct graph_input *input = &graph->inputs[i];

        if (input->worker == index && !input->ended && prng_chance(&epochs->prng, 1, 2) &&
            !epochs_push(epochs, input)) {
            return false;
        }
    }
    if (may_go_on && prng_chance(&epochs->prng, 1, 10) && !exec_worker_flush(worker)) {
        return false;
    }
    if (may_go_on && prng_chance(&epochs->prng, 1, 4) && exec_worker_flush_some(worker) == EXEC_FAILED) {
        return false;
    }
    if (may_go_on && !epochs_is_ahead(epochs, index) && prng_chance(&epochs->prng, 1, epochs->chance)) {
        epochs->waits[index] = true;
        if (!exec_worker_barrier(worker, epochs->epoch[index])) {
            return false;
        }
    }
    *out_progress = exec_worker_step(worker);
    epochs->is_blocked[index] = *out_progress == EXEC_BLOCKED;
    return *out_progress != EXEC_FAILED;
}

/* Turns at random until all workers have finished, or are behind the last epoch. */
static inline bool epochs_run(struct epochs *epochs)
{
    struct graph *graph = epochs->graph;
    bool          done = false;

    for (uint32_t rounds = 0; !done; rounds++) {
        uint32_t           index = (uint32_t)prng_below(&epochs->prng, graph->options.worker_count);
        enum exec_progress progress;

        assert_true(rounds < 4000000);
        if (!epochs_turn(epochs, index, &progress)) {
            return false;
        }
        done = true;
        for (uint32_t i = 0; i < graph->options.worker_count && done; i++) {
            done = !epochs->waits[i] && (epochs->epoch[i] > epochs->stop_at ||
                                         exec_worker_step(exec_job_worker(graph->job, i)) == EXEC_FINISHED);
        }
    }
    return true;
}

#endif
