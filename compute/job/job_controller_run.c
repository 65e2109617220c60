/* A run's beginning and end: what has to be there before workers start, and what follows when they are gone.
 *
 *   job__start -> open transactions end -> new incarnation recorded -> planned -> log of state -> topics of sinks ->
 *   workers start -> job__epochs_begin
 *
 * Each step asks something of others and goes on when it comes back; a stop meanwhile is seen there. */
#include "compute/job/job_controller.h"

#include "compute/sql/sql_parse.h"
#include "core/base/slog.h"

#include <stdio.h>

#define PLAN_BLOCK_BYTES   ((size_t)(64 * KIB))
#define PLAN_BYTES_MAX     ((size_t)(256 * MIB))
#define BACKOFF_RESET_NS   (600 * NS_PER_S)
#define QUERY_FLUSH_MS     100
#define PRODUCER_EPOCH_MAX 32000
#define RUN_PIECE_ROWS     256 /* keys of a window that fire at once: some 0.1 ms */

/* --- plans -------------------------------------------------------------------------------------------------------- */

static bool plan_failed(struct job_plan *planned, const struct sql_error *error, struct view script, char *message,
                        size_t message_capacity)
{
    (void)sql_error_format(error, script, message, message_capacity);
    job__plan_free(planned);
    return false;
}

bool job__plan(struct view script, struct job_plan *out, char *message, size_t message_capacity)
{
    const struct sql_statement *statement;
    struct sql_error            error = {0};

    *out = (struct job_plan){.catalog = sql_catalog_create()};
    arena_init(&out->arena, MEM_COMPUTE, PLAN_BLOCK_BYTES, PLAN_BYTES_MAX);
    statement = sql_parse(script, &out->arena, &error);
    if (error.kind != SQL_OK) {
        return plan_failed(out, &error, script, message, message_capacity);
    }
    for (; statement != NULL; statement = statement->next) {
        struct sql_answer answer = {0};

        if (!sql_execute(out->catalog, statement, script, &out->arena, &answer, &error)) {
            return plan_failed(out, &error, script, message, message_capacity);
        }
        if (answer.outcome == SQL_RUN) {
            out->plan = answer.plan;
            return true;
        }
    }
    (void)snprintf(message, message_capacity, "the job's script runs nothing");
    job__plan_free(out);
    return false;
}

void job__plan_free(struct job_plan *planned)
{
    if (planned->plan != NULL) {
        sql_plan_release(planned->plan);
    }
    sql_catalog_destroy(planned->catalog);
    arena_deinit(&planned->arena);
    *planned = (struct job_plan){0};
}

bool job__plan_check(const struct sql_plan *plan, bool is_query, char *message, size_t message_capacity)
{
    for (uint32_t i = 0; i < plan->exec.source_count; i++) {
        if (!job__source_check(&plan->sources[i], message, message_capacity)) {
            return false;
        }
    }
    return is_query || (job__sinks_check(plan, message, message_capacity) &&
                        exec_plan_can_save(&plan->exec, message, message_capacity));
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* What was asked for has come back. False: the run is not wanted any more, and is over. */
static bool run_goes_on(struct job *job)
{
    CHECK(job->away > 0);
    job->away--;
    if (job->after != JOB_AFTER_NOTHING) {
        job__gone(job);
        return false;
    }
    return true;
}

static void run_record(struct job *job);
static void run_plan(struct job *job);
static void run_workers(struct job *job);

static void run_resolved(void *context, int16_t error)
{
    struct job *job = context;
    char        message[JOB_MESSAGE_BYTES];

    mem_free(MEM_JOB, (void *)(uintptr_t)job->verdict.producers);
    if (!run_goes_on(job)) {
        return;
    }
    if (error != 0) {
        (void)snprintf(message, sizeof(message),
                       "what its last run had open could not be ended (%s): the disk is full, or a partition of its "
                       "sinks is offline",
                       kp_error_name(error));
        job__fail(job, message, false);
        return;
    }
    if (job->verdict.lost) {
        job__fail(job, "output that it has committed is lost: a sink's partition is shorter than its record says",
                  true);
        return;
    }
    run_record(job);
}

void job__start(struct job *job, bool fresh)
{
    CHECK(job->run == NULL && job->away == 0);
    job->step = JOB_STEP_PREPARE;
    job->after = JOB_AFTER_NOTHING;
    job->last_epoch = false;
    job->last_after = JOB_AFTER_NOTHING;
    job->stop_wanted = false;
    job->status = JOB_INITIALIZING;
    if (fresh) {
        run_plan(job);
        return;
    }
    job__verdict(job, &job->verdict);
    job->away++;
    job__resolve(job->controller->jobs, &job->verdict, 1, run_resolved, job);
}

static void run_recorded(void *context, int16_t error)
{
    struct job *job = context;

    /* The write has given the job back already. With an error all is about to be forgotten. */
    if (job->after != JOB_AFTER_NOTHING) {
        job__gone(job);
    } else if (error == 0) {
        run_plan(job);
    }
}

static void run_told(void *context)
{
    struct job *job = context;

    mem_free(MEM_JOB, job->names);
    job->names = NULL;
    if (run_goes_on(job)) {
        job__write(job, run_recorded, job);
    }
}

static void run_new_ids(struct meta_change *change)
{
    struct job *job = CONTAINER_OF(change, struct job, change);

    if (!run_goes_on(job)) {
        return;
    }
    if (change->error != 0) {
        job__fail(job, "no producer ids to be had", false);
        return;
    }
    job->definition.first_producer_id = change->producer_ids.first_id;
    job->definition.producer_epoch = 0;
    job->names = mem_alloc(MEM_JOB, job->definition.worker_count * JOB_PRODUCERS * sizeof(*job->names));
    job->away++;
    job__producers_tell(job->controller->jobs, job->names, job__producer_names(job, job->names), true, run_told, job);
}

/* This incarnation, and the producer epoch that fences the one before, stand in the log before they are used. */
static void run_record(struct job *job)
{
    job->definition.incarnation++;
    job->definition.status = JOB_RUNNING;
    job->definition.producer_epoch++;
    if (job->definition.producer_epoch >= PRODUCER_EPOCH_MAX) {
        job->away++;
        job->change = (struct meta_change){.kind = META_ALLOCATE_PRODUCER_IDS, .count = 1, .done = run_new_ids};
        meta_submit(job->controller->jobs->options.meta, &job->change);
    } else {
        job__write(job, run_recorded, job);
    }
}

static void run_prepared(void *context, bool good, const char *message)
{
    struct job *job = context;

    if (!run_goes_on(job)) {
        return;
    }
    if (!good) {
        job__fail(job, message, false);
    } else {
        run_workers(job);
    }
}

static void run_sinks(struct job *job)
{
    if (job->is_query) {
        run_workers(job);
        return;
    }
    job->away++;
    job__sinks_prepare(job->controller->jobs, job->planned.plan, run_prepared, job);
}

static void run_log_made(struct meta_change *change)
{
    struct job *job = CONTAINER_OF(change, struct job, change);
    int16_t     error = change->error != 0 ? change->error : job->create.error;
    char        message[JOB_MESSAGE_BYTES];

    mem_free(MEM_JOB, job->assignment);
    job->assignment = NULL;
    if (!run_goes_on(job)) {
        return;
    }
    if (error != 0 && error != KP_ERR_TOPIC_ALREADY_EXISTS) {
        (void)snprintf(message, sizeof(message), "the topic of its state, %s, cannot be made: %s %s", job->log_topic,
                       kp_error_name(error), job->create.message);
        job__fail(job, message, false);
    } else {
        run_sinks(job);
    }
}

/* Partition i on shard i, kept until the job is deleted. */
static void run_log_make(struct job *job)
{
    struct meta *meta = job->controller->jobs->options.meta;
    uint32_t     count = job->definition.worker_count;

    job->assignment = mem_alloc(MEM_JOB, count * sizeof(*job->assignment));
    for (uint32_t i = 0; i < count; i++) {
        job->assignment[i] = meta_host(meta)->first_node_id + (int32_t)i;
    }
    job->configs[0] = (struct meta_config_entry){view_text("cleanup.policy"), view_text("delete")};
    job->configs[1] = (struct meta_config_entry){view_text("retention.ms"), view_text("-1")};
    job->configs[2] = (struct meta_config_entry){view_text("retention.bytes"), view_text("-1")};
    job->create = (struct meta_create_topic){.name = view_text(job->log_topic),
                                             .partition_count = (int32_t)count,
                                             .replication_factor = 1,
                                             .assignment = job->assignment,
                                             .configs = job->configs,
                                             .config_count = (int32_t)COUNT_OF(job->configs)};
    job->change = (struct meta_change){
        .kind = META_CREATE_TOPICS, .count = 1, .create_topics = &job->create, .done = run_log_made};
    job->away++;
    meta_submit(meta, &job->change);
}

static void run_plan(struct job *job)
{
    struct meta *meta = job->controller->jobs->options.meta;
    uint32_t     shard_count = meta_host(meta)->shard_count;
    char         message[JOB_MESSAGE_BYTES];
    bool         good;

    if (job->definition.worker_count != shard_count) {
        (void)snprintf(
            message, sizeof(message),
            "it was made for %u shards, there are %u: start the broker with as many as it was made for, or submit "
            "the script again, which begins without its state",
            job->definition.worker_count, shard_count);
        job__fail(job, message, true);
        return;
    }
    good = job__plan(job->definition.script, &job->planned, message, sizeof(message));
    if (!good || !job__plan_check(job->planned.plan, job->is_query, message, sizeof(message))) {
        job__fail(job, message, true);
        return;
    }
    (void)snprintf(job->log_topic, sizeof(job->log_topic), "%s%.*s", JOB_LOG_TOPIC_PREFIX,
                   (int)job->definition.log_id.len, (const char *)job->definition.log_id.base);
    if (job->is_query || !exec_plan_has_state(&job->planned.plan->exec) ||
        meta_topic(meta, view_text(job->log_topic)) != NULL) {
        run_sinks(job);
    } else if (job->has_commit && job->commit.share.state_count > 0) {
        job__fail(job, "the topic of its state has been deleted", true);
    } else {
        run_log_make(job);
    }
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

static void run_times(struct job *job, struct job_run *run)
{
    const struct meta        *meta = job->controller->jobs->options.meta;
    const struct sql_catalog *catalog = job->planned.catalog;
    struct view               batches = sql_catalog_setting(catalog, "table.exec.mini-batch.enabled");
    int64_t                   default_ms = meta_broker_int(meta, "millrace.job.epoch.interval.ms");
    int64_t interval_ms = sql_catalog_duration_ms(catalog, "execution.checkpointing.interval", default_ms);

    job->epoch_interval_ns = MAX(interval_ms, 1) * NS_PER_MS;
    run->flush_interval_ms = job->is_query ? QUERY_FLUSH_MS : MAX(interval_ms, 1);
    if (batches.len == 4 && (batches.base[0] | 0x20) == 't') {
        run->flush_interval_ms = MAX(sql_catalog_duration_ms(catalog, "table.exec.mini-batch.allow-latency", 1), 1);
    }
    run->cpu_percent = (uint32_t)meta_broker_int(meta, "millrace.job.cpu.percent");
}

static struct job_run *run_new(struct job *job)
{
    struct job_run          *run = mem_alloc(MEM_JOB, sizeof(*run));
    const struct meta_topic *log = meta_topic(job->controller->jobs->options.meta, view_text(job->log_topic));

    memcpy(run->id, job->id, sizeof(run->id));
    run->incarnation = job->definition.incarnation;
    run->plan = job->planned.plan;
    run->worker_count = job->definition.worker_count;
    job__verdict(job, &job->verdict);
    run->producers = (struct job_producer(*)[JOB_PRODUCERS])(uintptr_t)job->verdict.producers;
    run->keeps_state = !job->is_query && exec_plan_has_state(&run->plan->exec);
    run->log_topic_id = log == NULL ? (struct uuid){0} : log->id;
    run->from = job->has_commit ? job__share_copy(&job->commit.share) : NULL;
    run->epoch = job->has_commit ? job->commit.epoch : -1;
    run->controller = job->controller->jobs;
    run->workers = mem_alloc(MEM_JOB, run->worker_count * sizeof(struct job_worker *));
    run->query = job->query_call == NULL ? NULL : job->query_call->request;
    run->job = job;
    run_times(job, run);
    return run;
}

static void run_free(struct job *job)
{
    struct job_run *run = job->run;

    if (run != NULL) {
        if (job->workers_started) {
            job__workers_free(run);
        }
        exec_job_destroy(run->exec);
        job__share_free((struct job_share *)(uintptr_t)run->from);
        mem_free(MEM_JOB, run->producers);
        mem_free(MEM_JOB, run->workers);
        mem_free(MEM_JOB, run);
    }
    if (job->planned.catalog != NULL) {
        job__plan_free(&job->planned);
    }
    for (uint32_t i = 0; job->shares != NULL && i < job->definition.worker_count; i++) {
        job__share_free(job->shares[i]);
    }
    mem_free(MEM_JOB, job->shares);
    job->shares = NULL;
    job->run = NULL;
    job->workers_started = false;
}

static void run_workers(struct job *job)
{
    struct job_shard *jobs = job->controller->jobs;
    struct job_run   *run = run_new(job);
    uint64_t          memory = (uint64_t)meta_broker_int(jobs->options.meta, "millrace.job.memory.bytes");

    job->run = run;
    run->exec = exec_job_create(&run->plan->exec,
                                &(struct exec_options){.worker_count = run->worker_count,
                                                       .memory_bytes_max = MIN(memory, jobs->options.memory_bytes_max),
                                                       .sink = {job__worker_write, run},
                                                       .barrier = job__worker_passed,
                                                       .barrier_context = run,
                                                       .piece_rows = RUN_PIECE_ROWS,
                                                       .keeps_changes = run->keeps_state});
    if (run->exec == NULL) {
        job__fail(job, "no memory to run it", false);
        return;
    }
    job->shares = mem_alloc(MEM_JOB, run->worker_count * sizeof(struct job_share *));
    job->step = JOB_STEP_START;
    job->missing = run->worker_count;
    job->ended = 0;
    job->started_ns = job__now_ns(job->controller);
    job->workers_started = true;
    job->times = (struct job_times){0};
    if (job->definition.start_ms <= 0) {
        job->definition.start_ms = job__wall_ms(job->controller);
    }
    for (uint32_t i = 0; i < run->worker_count; i++) {
        job__worker_start(run, i);
    }
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void stop_workers(struct job *job)
{
    timer_disarm(job__timers(job->controller), &job->timer);
    job->step = JOB_STEP_STOP;
    job->missing = job->run->worker_count;
    for (uint32_t i = 0; i < job->run->worker_count; i++) {
        job__worker_stop(job->run, i, !job->stray);
    }
}

void job__stop(struct job *job, enum job_after after)
{
    job->after = MAX(job->after, after);
    switch (job->step) {
    case JOB_STEP_NONE:
    case JOB_STEP_WAIT:
        job__gone(job);
        break;
    case JOB_STEP_PREPARE:
        if (job->away == 0) {
            job__gone(job);
        }
        break;
    case JOB_STEP_COMMIT:
        job->stop_wanted = true;
        break;
    case JOB_STEP_STOP:
        break;
    default:
        stop_workers(job);
        break;
    }
}

void job__fail(struct job *job, const char *message, bool for_good)
{
    if (job->after != JOB_AFTER_NOTHING) { /* it ends anyway */
        return;
    }
    slog_warn("job", "job %s (%.*s) failed: %s", job->id, (int)MIN(job->definition.name.len, 100),
              (const char *)job->definition.name.base, message);
    job__set_failure(job, message);
    job->last_epoch = false;
    mem_free(MEM_JOB, job->savepoint);
    job->savepoint = NULL;
    job->status = JOB_FAILING;
    job__tell_waiters(job, false, message);
    job__stop(job, for_good || job->is_query ? JOB_AFTER_FAIL : JOB_AFTER_RESTART);
}

static void end_written(void *context, int16_t error)
{
    struct job *job = context;
    const char *failure = NULL;

    if (error != 0) {
        return; /* all is about to be forgotten */
    }
    if (job->definition.status == JOB_FAILED) {
        failure = (const char *)job->definition.failure.base;
    } else if (job->definition.status == JOB_CANCELED) {
        failure = "the job was canceled";
    } else if (job->definition.status == JOB_SUSPENDED) {
        failure = "the job was paused";
    }
    LIST_EACH(&job->waiters, node) { /* those that wished it have what they wished */
        struct job_waiter *waiter = LIST_ENTRY(node, struct job_waiter, link);

        if (!waiter->any_end) {
            list_remove(&waiter->link);
            waiter->done(waiter, job, NULL);
        }
    }
    job__tell_waiters(job, true, failure);
    job__controller_post(job->controller);
}

static void end_as(struct job *job, enum job_status status, enum job_wanted wanted)
{
    job->status = status;
    job->definition.status = status;
    job->definition.wanted = wanted;
    if (wanted == JOB_WANTED_ENDED) {
        job->definition.end_ms = job__wall_ms(job->controller);
    }
    if (job->savepoint != NULL && job->has_commit) {
        job__savepoint_leave(job);
    }
    slog_info("job", "job %s (%.*s): %s", job->id, (int)MIN(job->definition.name.len, 100),
              (const char *)job->definition.name.base, job_status_name(status));
    job__write(job, end_written, job);
}

static void restart_due(struct timer *timer)
{
    struct job *job = CONTAINER_OF(timer, struct job, timer);

    job->step = JOB_STEP_NONE;
    job__controller_post(job->controller);
}

static void restart_later(struct job *job)
{
    struct job_controller *controller = job->controller;
    const struct meta     *meta = controller->jobs->options.meta;
    int64_t                now_ns = job__now_ns(controller);
    int64_t                min_ms = meta_broker_int(meta, "millrace.job.restart.min.ms");
    int64_t                max_ms = meta_broker_int(meta, "millrace.job.restart.max.ms");

    job->backoff_ms = job->backoff_ms == 0 || now_ns - job->started_ns > BACKOFF_RESET_NS
                          ? min_ms
                          : MIN(job->backoff_ms * 2, MAX(min_ms, max_ms));
    job->definition.restarts++;
    job->status = JOB_RESTARTING;
    job->step = JOB_STEP_WAIT;
    job__write(job, NULL, NULL);
    timer_arm(job__timers(controller), &job->timer, now_ns + job->backoff_ms * NS_PER_MS, restart_due);
}

void job__gone(struct job *job)
{
    enum job_after         after = job->after;
    struct job_controller *controller = job->controller;

    timer_disarm(job__timers(controller), &job->timer);
    run_free(job);
    job->step = JOB_STEP_NONE;
    job->after = JOB_AFTER_NOTHING;
    job->last_epoch = false;
    if (job->is_query) {
        job__query_end(job, after);
        job__controller_post(controller);
        return;
    }
    switch (after) {
    case JOB_AFTER_FINISH:
    case JOB_AFTER_STOP:
        end_as(job, JOB_FINISHED, JOB_WANTED_ENDED);
        break;
    case JOB_AFTER_CANCEL:
        end_as(job, JOB_CANCELED, JOB_WANTED_ENDED);
        break;
    case JOB_AFTER_FAIL:
        end_as(job, JOB_FAILED, JOB_WANTED_ENDED);
        break;
    case JOB_AFTER_PAUSE:
        end_as(job, JOB_SUSPENDED, JOB_WANTED_PAUSED);
        break;
    case JOB_AFTER_RESTART:
        restart_later(job);
        break;
    case JOB_AFTER_FORGET:
    case JOB_AFTER_NOTHING:
        job__back(job);
        return;
    }
    job__controller_post(controller);
}

void job__back(struct job *job)
{
    struct job_controller *controller = job->controller;

    if (job->stray && job->step == JOB_STEP_NONE && job->away == 0) {
        job__free(job);
    }
    job__controller_post(controller);
}
