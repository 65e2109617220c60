/* One shard's share of a run: its life, and mail with the controller. See job_internal.h for the order of things. */
#include "compute/job/job_worker.h"

#include <stdio.h>

/* --- reports --------------------------------------------------------------------------------------------------------
 */

static void report_deliver(struct io_mail *mail, struct io_shard *to UNUSED)
{
    struct job_report *report = CONTAINER_OF(mail, struct job_report, mail);
    struct job_worker *worker = report->worker;

    job__controller_report(worker->run, worker->index, report->kind, report->epoch, report->share,
                           report->kind == JOB_REPORT_FAILED ? worker->message : NULL);
}

void job__worker_report(struct job_worker *worker, enum job_report_kind kind, int64_t epoch, struct job_share *share)
{
    struct job_report *report = &worker->reports[kind];

    report->worker = worker;
    report->kind = kind;
    report->epoch = epoch;
    report->share = share;
    io_shard_send(worker->jobs->options.shard, worker->run->controller->options.shard->index, &report->mail,
                  report_deliver);
}

void job__worker_fail(struct job_worker *worker, const char *message)
{
    if (worker->failed || worker->state == WORKER_STOPPING) {
        return;
    }
    worker->failed = true;
    worker->state = WORKER_FAILED;
    (void)snprintf(worker->message, sizeof(worker->message), "%s", message);
    exec_job_fail(worker->run->exec, worker->message);
    job__worker_report(worker, JOB_REPORT_FAILED, worker->run->epoch, NULL);
}

void job__share_free(struct job_share *share)
{
    if (share != NULL) {
        mem_free(MEM_JOB, share->sources);
        mem_free(MEM_JOB, share->states);
        mem_free(MEM_JOB, share->sinks);
        mem_free(MEM_JOB, share);
    }
}

/* --- making and freeing ---------------------------------------------------------------------------------------------
 */

static bool wants_time(const struct exec_plan *plan)
{
    if (plan->uses_processing_time) {
        return true;
    }
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct exec_node *node = plan->nodes[i];

        if ((node->kind == EXEC_WATERMARK && node->watermark.idle_timeout_ms > 0) ||
            (node->kind == EXEC_GROUP && node->group.state_ttl_ms > 0) ||
            (node->kind == EXEC_JOIN && node->join.state_ttl_ms > 0) ||
            (node->kind == EXEC_RANK && node->rank.state_ttl_ms > 0)) {
            return true;
        }
    }
    return false;
}

static void workers_make(struct job_run *run)
{
    for (uint32_t i = 0; i < run->worker_count; i++) {
        struct job_worker *worker = mem_alloc(MEM_JOB, sizeof(*worker));

        worker->run = run;
        worker->index = i;
        worker->exec = exec_job_worker(run->exec, i);
        worker->wakes = mem_alloc(MEM_JOB, run->worker_count * sizeof(*worker->wakes));
        worker->wants_time = wants_time(&run->plan->exec);
        run->workers[i] = worker;
    }
    for (uint32_t i = 0; i < run->worker_count; i++) {
        for (uint32_t j = 0; j < run->worker_count; j++) {
            run->workers[i]->wakes[j] = (struct job_wake){.from = run->workers[i], .to = run->workers[j]};
        }
    }
}

void job__workers_free(struct job_run *run)
{
    for (uint32_t i = 0; i < run->worker_count; i++) {
        struct job_worker *worker = run->workers[i];

        if (worker != NULL) {
            CHECK(worker->state == WORKER_NEW || worker->state == WORKER_GONE);
            mem_free(MEM_JOB, worker->wakes);
            mem_free(MEM_JOB, worker);
            run->workers[i] = NULL;
        }
    }
}

/* --- starting -------------------------------------------------------------------------------------------------------
 */

static void worker_ready(void *context)
{
    struct job_worker *worker = context;

    if (worker->state == WORKER_STOPPING) {
        job__worker_drain(worker);
    } else {
        job__worker_wake(worker);
    }
}

/* Everything that was kept is there: the rows go on. */
static void worker_run(struct job_worker *worker)
{
    exec_worker_opened(worker->exec);
    if (exec_job_failure(worker->run->exec) != NULL || !job__sources_end_old(worker->sources)) {
        const struct exec_failure *failure = exec_job_failure(worker->run->exec);

        job__worker_fail(worker, failure == NULL ? "the job cannot begin" : failure->message);
        return;
    }
    job__sinks_begin(worker->sinks, worker->run->epoch + 1);
    worker->state = WORKER_RUNNING;
    worker->flushed_ns = worker->sent_ns = io_now_ns(job__io(worker->jobs));
    job__worker_report(worker, JOB_REPORT_STARTED, worker->run->epoch, NULL);
    job__worker_wake(worker);
}

static void worker_loaded(void *context, bool good)
{
    struct job_worker *worker = context;

    if (worker->state == WORKER_STOPPING) {
        job__worker_drain(worker);
    } else if (!good) {
        job__worker_fail(worker, job__state_failure(worker->keeper));
    } else {
        worker_run(worker);
    }
}

static void worker_found(void *context, bool good)
{
    struct job_worker *worker = context;

    if (worker->state == WORKER_STOPPING) {
        job__worker_drain(worker);
    } else if (!good) {
        job__worker_fail(worker, job__sources_failure(worker->sources));
    } else {
        job__sources_open(worker->sources);
        if (worker->keeper != NULL) {
            job__state_load(worker->keeper, worker_loaded);
        } else {
            worker_run(worker);
        }
    }
}

static void start_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct job_worker *worker = CONTAINER_OF(mail, struct job_worker, start_mail);
    struct job_run    *run = worker->run;

    worker->jobs = run->controller->options.by_shard[to->index];
    worker->state = WORKER_STARTING;
    worker->sources = job__sources_create(worker->jobs, run, worker->index, worker_ready, worker);
    worker->sinks = job__sinks_create(worker->jobs, run, worker->index, worker_ready, worker);
    if (run->keeps_state) {
        worker->keeper = job__state_create(worker->jobs, run, worker->index, worker_ready, worker);
    }
    job__sources_start(worker->sources, worker_found);
}

void job__worker_start(struct job_run *run, uint32_t shard)
{
    if (run->workers[shard] == NULL) {
        workers_make(run);
    }
    io_shard_send(run->controller->options.shard, shard, &run->workers[shard]->start_mail, start_deliver);
}

/* --- the barrier ----------------------------------------------------------------------------------------------------
 */

static void barrier_deliver(struct io_mail *mail, struct io_shard *to UNUSED)
{
    struct job_worker *worker = CONTAINER_OF(mail, struct job_worker, barrier_mail);

    if (worker->state == WORKER_RUNNING) {
        worker->barrier_asked = true;
        job__worker_wake(worker);
    }
}

void job__worker_barrier(struct job_run *run, uint32_t shard, int64_t epoch)
{
    struct job_worker *worker = run->workers[shard];

    worker->barrier_epoch = epoch;
    io_shard_send(run->controller->options.shard, shard, &worker->barrier_mail, barrier_deliver);
}

/* One of the parts that make an epoch durable: output, state, or what was read. */
static void share_part(struct job_worker *worker, bool good)
{
    struct job_share *share = worker->share;

    worker->share_bad = worker->share_bad || !good;
    if (--worker->missing > 0) {
        return;
    }
    worker->share = NULL;
    if (worker->share_bad || worker->state != WORKER_RUNNING) {
        job__share_free(share);
        return;
    }
    job__worker_report(worker, JOB_REPORT_REACHED, share->epoch, share);
}

static void share_output(void *context, bool good)
{
    struct job_worker *worker = context;

    if (!good) {
        job__worker_fail(worker, job__sinks_failure(worker->sinks) == NULL ? "output could not be made durable"
                                                                           : job__sinks_failure(worker->sinks));
    }
    share_part(worker, good);
}

static void share_input(void *context, bool good)
{
    struct job_worker *worker = context;

    if (!good && worker->state == WORKER_RUNNING) {
        job__worker_fail(worker, "the source's records cannot be made durable: its partition is offline, or too slow");
    }
    share_part(worker, good);
}

static void share_state(void *context, bool good)
{
    struct job_worker *worker = context;

    if (!good) {
        job__worker_fail(worker, job__state_failure(worker->keeper));
    }
    job__figure_set(&worker->figures.state_bytes, job__state_bytes(worker->keeper));
    share_part(worker, good);
}

/* Everything of the epoch has gone through this worker, and nothing of the next: what follows belongs to the next. */
void job__worker_passed(void *context, uint32_t index, int64_t epoch)
{
    struct job_run    *run = context;
    struct job_worker *worker = run->workers[index];
    struct job_share  *share = mem_alloc(MEM_JOB, sizeof(*share));

    CHECK(worker->in_barrier && worker->share == NULL);
    worker->in_barrier = false;
    worker->share = share;
    worker->share_bad = false;
    worker->missing = worker->keeper == NULL ? 1 : 2;
    share->worker = index;
    share->epoch = epoch;
    share->finished = worker->finished;
    job__sources_positions(worker->sources, share);
    worker->missing += job__sources_flush(worker->sources, share_input, worker) ? 1 : 0;
    job__figure_set(&worker->figures.pending_records, job__sources_pending(worker->sources));
    worker->flushed_ns = worker->sent_ns = io_now_ns(job__io(worker->jobs));
    worker->has_pushed = worker->has_written = false;
    job__sinks_flush(worker->sinks);
    job__sinks_await(worker->sinks, epoch, share, share_output, worker);
    job__sinks_begin(worker->sinks, epoch + 1);
    if (worker->keeper != NULL) {
        job__state_save(worker->keeper, share, share_state);
        worker->saving = true;
    }
}

/* --- a commit -------------------------------------------------------------------------------------------------------
 */

static void committed_marked(void *context, bool good)
{
    struct job_worker *worker = context;
    struct view        grown;
    char               message[JOB_MESSAGE_BYTES];

    if (worker->state != WORKER_RUNNING) {
        return;
    }
    if (!good) {
        job__worker_fail(worker, job__sinks_failure(worker->sinks) == NULL ? "a transaction could not be ended"
                                                                           : job__sinks_failure(worker->sinks));
        return;
    }
    job__worker_report(worker, JOB_REPORT_MARKED, worker->committed_epoch, NULL);
    grown = job__sources_grown(worker->sources);
    if (grown.base != NULL) {
        (void)snprintf(message, sizeof(message),
                       "topic '%.*s' has new partitions: the job begins again behind its newest commit, with them",
                       (int)grown.len, (const char *)grown.base);
        job__worker_fail(worker, message);
    }
}

static void committed_deliver(struct io_mail *mail, struct io_shard *to UNUSED)
{
    struct job_worker *worker = CONTAINER_OF(mail, struct job_worker, committed_mail);

    if (worker->state != WORKER_RUNNING && worker->state != WORKER_FAILED) {
        return;
    }
    if (worker->keeper != NULL) {
        job__state_committed(worker->keeper);
    }
    job__sources_committed(worker->sources);
    job__sinks_mark(worker->sinks, worker->committed_epoch, true, committed_marked, worker);
}

void job__worker_committed(struct job_run *run, uint32_t shard, int64_t epoch)
{
    struct job_worker *worker = run->workers[shard];

    worker->committed_epoch = epoch;
    io_shard_send(run->controller->options.shard, shard, &worker->committed_mail, committed_deliver);
}

/* --- the end --------------------------------------------------------------------------------------------------------
 */

static void sinks_ended(void *context)
{
    struct job_worker *worker = context;

    CHECK(worker->missing == 0);
    job__sinks_destroy(worker->sinks);
    job__sources_destroy(worker->sources);
    job__state_destroy(worker->keeper);
    worker->sinks = NULL;
    worker->sources = NULL;
    worker->keeper = NULL;
    worker->state = WORKER_GONE;
    job__worker_report(worker, JOB_REPORT_GONE, worker->run->epoch, NULL);
}

void job__worker_drain(struct job_worker *worker)
{
    if (worker->state != WORKER_STOPPING || worker->ending_sinks || worker->posted || worker->wakes_away > 0 ||
        !job__sources_idle(worker->sources) || (worker->keeper != NULL && !job__state_idle(worker->keeper))) {
        return;
    }
    worker->ending_sinks = true;
    job__sinks_end(worker->sinks, worker->stop_aborts, sinks_ended, worker);
}

static void stop_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct job_worker *worker = CONTAINER_OF(mail, struct job_worker, stop_mail);

    worker->state = WORKER_STOPPING;
    timer_disarm(to->timers, &worker->timer);
    job__sources_stop(worker->sources);
    if (worker->keeper != NULL) {
        job__state_stop(worker->keeper);
    }
    job__worker_drain(worker);
}

void job__worker_stop(struct job_run *run, uint32_t shard, bool abort)
{
    struct job_worker *worker = run->workers[shard];

    worker->stop_aborts = abort;
    io_shard_send(run->controller->options.shard, shard, &worker->stop_mail, stop_deliver);
}

/* --- figures --------------------------------------------------------------------------------------------------------
 */

void job__worker_figures(const struct job_run *run, uint32_t shard, struct job_worker_figures *out_figures)
{
    const struct job_worker_figures *from = run->workers[shard] == NULL ? NULL : &run->workers[shard]->figures;

    *out_figures = (struct job_worker_figures){0};
    if (from != NULL) {
        out_figures->records_in = __atomic_load_n(&from->records_in, __ATOMIC_RELAXED);
        out_figures->bytes_in = __atomic_load_n(&from->bytes_in, __ATOMIC_RELAXED);
        out_figures->records_shared = __atomic_load_n(&from->records_shared, __ATOMIC_RELAXED);
        out_figures->rows_out = __atomic_load_n(&from->rows_out, __ATOMIC_RELAXED);
        out_figures->bytes_out = __atomic_load_n(&from->bytes_out, __ATOMIC_RELAXED);
        out_figures->cpu_ns = __atomic_load_n(&from->cpu_ns, __ATOMIC_RELAXED);
        out_figures->pending_records = __atomic_load_n(&from->pending_records, __ATOMIC_RELAXED);
        out_figures->state_bytes = __atomic_load_n(&from->state_bytes, __ATOMIC_RELAXED);
    }
}

struct job_times_sum job__worker_times(const struct job_run *run, int64_t now_ns)
{
    struct job_times_sum sum = {0};

    for (uint32_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i] != NULL) {
            job__times_add(&run->workers[i]->times, now_ns, &sum);
        }
    }
    return sum;
}
