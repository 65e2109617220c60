/* One job: its records, its verbs, what is known of it. See job_controller.h. */
#include "compute/job/job_controller.h"

#include <stdio.h>

/* --- texts -----------------------------------------------------------------------------------------------------------
 */

static struct view own(struct view text)
{
    return view_of(mem_copy_text(MEM_JOB, text), text.len);
}

static void disown(struct view text)
{
    mem_free(MEM_JOB, (void *)(uintptr_t)text.base);
}

static void definition_free(struct job_definition *definition)
{
    disown(definition->name);
    disown(definition->script);
    disown(definition->statement);
    disown(definition->failure);
    disown(definition->from_savepoint);
    disown(definition->log_id);
}

void job__set_definition(struct job *job, const struct job_definition *from)
{
    struct job_definition definition = *from;

    definition.name = own(from->name);
    definition.script = own(from->script);
    definition.statement = own(from->statement);
    definition.failure = own(from->failure);
    definition.from_savepoint = own(from->from_savepoint);
    definition.log_id = own(from->log_id);
    definition_free(&job->definition);
    job->definition = definition;
    job->status = definition.status;
}

void job__set_failure(struct job *job, const char *message)
{
    disown(job->definition.failure);
    job->definition.failure = own(view_text(message));
    job->definition.failure_ms = job__wall_ms(job->controller);
}

void job__commit_free(struct job_commit *commit)
{
    mem_free(MEM_JOB, commit->share.sources);
    mem_free(MEM_JOB, commit->share.states);
    mem_free(MEM_JOB, commit->share.sinks);
    *commit = (struct job_commit){0};
}

void job__set_commit(struct job *job, const struct job_commit *commit)
{
    struct job_share *copy = job__share_copy(&commit->share);

    job__commit_free(&job->commit);
    job->commit = *commit;
    job->commit.share = *copy;
    mem_free(MEM_JOB, copy); /* the arrays are the commit's */
    job->has_commit = true;
}

/* --- life ------------------------------------------------------------------------------------------------------------
 */

struct job *job__find(const struct job_controller *controller, struct view id)
{
    return map_get(&controller->by_id, id);
}

struct job *job__new(struct job_controller *controller, struct view id)
{
    struct job *job = mem_alloc(MEM_JOB, sizeof(*job));

    CHECK(id.len < sizeof(job->id));
    job->controller = controller;
    memcpy(job->id, id.base, id.len);
    job->status = JOB_CREATED;
    job->definition.end_ms = -1;
    job->definition.failure_ms = -1;
    list_init(&job->waiters);
    list_init(&job->link);
    list_push_back(&controller->list, &job->link);
    (void)map_put(&controller->by_id, view_text(job->id), job);
    return job;
}

void job__free(struct job *job)
{
    struct job_controller *controller = job->controller;

    CHECK(job->run == NULL && job->away == 0);
    job__tell_waiters(job, true, "the job is gone");
    timer_disarm(job__timers(controller), &job->timer);
    if (map_get(&controller->by_id, view_text(job->id)) == job) {
        (void)map_remove(&controller->by_id, view_text(job->id));
    }
    list_remove(&job->link);
    definition_free(&job->definition);
    job__commit_free(&job->commit);
    mem_free(MEM_JOB, job->savepoint);
    mem_free(MEM_JOB, job);
}

bool job__ended(const struct job *job)
{
    return job->definition.status == JOB_FINISHED || job->definition.status == JOB_FAILED ||
           job->definition.status == JOB_CANCELED;
}

size_t job__producer_names(const struct job *job, struct job_producer_name *out_names)
{
    size_t count = 0;

    for (uint32_t worker = 0; worker < job->definition.worker_count; worker++) {
        for (uint32_t parity = 0; parity < JOB_PRODUCERS; parity++) {
            struct job_producer_name *name = &out_names[count];

            *name = (struct job_producer_name){
                .producer_id = job->definition.first_producer_id + (int64_t)count, .worker = worker, .parity = parity};
            memcpy(name->job_id, job->id, sizeof(name->job_id));
            count++;
        }
    }
    return count;
}

void job__verdict(const struct job *job, struct job_verdict *out_verdict)
{
    uint32_t count = job->definition.worker_count;
    struct job_producer(*producers)[JOB_PRODUCERS] = mem_alloc(MEM_JOB, count * sizeof(*producers));

    for (uint32_t worker = 0; worker < count; worker++) {
        for (uint32_t parity = 0; parity < JOB_PRODUCERS; parity++) {
            producers[worker][parity] = (struct job_producer){.producer_id = job->definition.first_producer_id +
                                                                             (int64_t)worker * JOB_PRODUCERS + parity,
                                                              .producer_epoch = job->definition.producer_epoch};
        }
    }
    *out_verdict = (struct job_verdict){.job_id = view_text(job->id),
                                        .producers = (const struct job_producer(*)[JOB_PRODUCERS])producers,
                                        .worker_count = count,
                                        .committed = job->commit.share.sinks,
                                        .committed_count = job->commit.share.sink_count};
}

struct job_write {
    struct job *job;
    void (*done)(void *context, int16_t error);
    void *context;
};

static void write_done(void *context, int16_t error)
{
    struct job_write *write = context;

    write->job->away--;
    if (write->done != NULL) {
        write->done(write->context, error);
    }
    mem_free(MEM_JOB, write);
}

void job__write_added(struct job *job, void (*done)(void *context, int16_t error), void *context)
{
    struct job_write *write = mem_alloc(MEM_JOB, sizeof(*write));

    *write = (struct job_write){job, done, context};
    job->away++;
    job__controller_commit(job->controller, write_done, write);
}

void job__write(struct job *job, void (*done)(void *context, int16_t error), void *context)
{
    struct job_record record = {
        .kind = JOB_RECORD_DEFINITION, .key = view_text(job->id), .definition = job->definition};

    CHECK(!job->stray && !job->is_query);
    /* Its texts fitted when it was made; the failure that may have come since is short. */
    (void)!job__controller_add(job->controller, &record);
    job__write_added(job, done, context);
}

/* --- those who wait ----------------------------------------------------------------------------------------------- */

void job__tell_waiters(struct job *job, bool ended, const char *failure)
{
    struct list_node  round;
    struct list_node *node;

    list_init(&round);
    LIST_EACH(&job->waiters, each) {
        if (ended || !LIST_ENTRY(each, struct job_waiter, link)->any_end) {
            list_remove(each);
            list_push_back(&round, each);
        }
    }
    while ((node = list_pop_front(&round)) != NULL) {
        struct job_waiter *waiter = LIST_ENTRY(node, struct job_waiter, link);

        waiter->done(waiter, job, failure);
    }
}

/* --- verbs -----------------------------------------------------------------------------------------------------------
 */

static void refuse(struct job_waiter *waiter, struct job *job, const char *format)
{
    char message[JOB_MESSAGE_BYTES];

    (void)snprintf(message, sizeof(message), "%s: the job is %s", format, job_status_name(job->status));
    waiter->done(waiter, job, message);
}

struct written {
    struct job        *job;
    struct job_waiter *waiter;
};

static void written_done(void *context, int16_t error)
{
    struct written *written = context;

    written->waiter->done(written->waiter, written->job, error == 0 ? NULL : "the log of jobs cannot be written");
    mem_free(MEM_JOB, written);
}

/* The answer comes when the definition as it is now is durable. */
static void answer_written(struct job *job, struct job_waiter *waiter)
{
    struct written *written = mem_alloc(MEM_JOB, sizeof(*written));

    *written = (struct written){job, waiter};
    job__write(job, written_done, written);
}

/* What an INSERT that waits for its end is told. */
static const char *end_text(enum job_status status)
{
    return status == JOB_CANCELED ? "the job was canceled" : status == JOB_SUSPENDED ? "the job was paused" : NULL;
}

/* No worker is there: the wish is the whole of it. */
static void end_at_rest(struct job *job, struct job_waiter *waiter, enum job_wanted wanted, enum job_status status)
{
    timer_disarm(job__timers(job->controller), &job->timer);
    job->step = JOB_STEP_NONE;
    job->definition.wanted = wanted;
    job->definition.status = status;
    job->status = status;
    if (wanted == JOB_WANTED_ENDED) {
        job->definition.end_ms = job__wall_ms(job->controller);
    }
    if (job->savepoint != NULL) {
        job__savepoint_leave(job);
    }
    job__tell_waiters(job, true, end_text(status));
    answer_written(job, waiter);
}

static bool at_rest(const struct job *job)
{
    return (job->step == JOB_STEP_NONE || job->step == JOB_STEP_WAIT) && job->away == 0;
}

static void verb_end(struct job *job, struct view savepoint, struct job_waiter *waiter, enum job_after after)
{
    bool pauses = after == JOB_AFTER_PAUSE;

    if (job__ended(job)) {
        refuse(waiter, job, "it cannot be stopped");
        return;
    }
    if (savepoint.len > 0 && at_rest(job) && !job->has_commit) {
        refuse(waiter, job, "nothing is committed yet that a savepoint could keep");
        return;
    }
    if (savepoint.len > 0 && job->savepoint == NULL) {
        job->savepoint = mem_copy_text(MEM_JOB, savepoint);
    }
    if (at_rest(job)) {
        end_at_rest(job, waiter, pauses ? JOB_WANTED_PAUSED : JOB_WANTED_ENDED,
                    pauses                      ? JOB_SUSPENDED
                    : after == JOB_AFTER_CANCEL ? JOB_CANCELED
                                                : JOB_FINISHED);
    } else {
        list_push_back(&job->waiters, &waiter->link);
        if (after == JOB_AFTER_CANCEL) {
            job->status = JOB_CANCELLING;
            job__stop(job, after);
        } else {
            job__last_epoch(job, after);
        }
    }
}

static void verb_resume(struct job *job, struct job_waiter *waiter)
{
    if (job->definition.status != JOB_SUSPENDED || !at_rest(job)) {
        refuse(waiter, job, "it is not paused");
        return;
    }
    job->definition.wanted = JOB_WANTED_RUNNING;
    job->definition.status = JOB_RUNNING;
    job->status = JOB_INITIALIZING;
    answer_written(job, waiter);
    job__controller_post(job->controller);
}

struct deletion {
    struct job_controller    *controller;
    struct job               *job; /* until its records are gone */
    struct job_waiter        *waiter;
    struct job_producer_name *names;
    size_t                    name_count;
    struct meta_change        change;
    struct meta_delete_topic  remove;
    char                      topic[sizeof(JOB_LOG_TOPIC_PREFIX) + JOB_ID_TEXT_BYTES];
};

static void deletion_over(struct deletion *deletion, const char *failure)
{
    struct job_controller *controller = deletion->controller;

    deletion->waiter->done(deletion->waiter, NULL, failure);
    mem_free(MEM_JOB, deletion->names);
    mem_free(MEM_JOB, deletion);
    controller->writes_out--;
    job__controller_post(controller);
}

static void deletion_told(void *context)
{
    deletion_over(context, NULL);
}

static void deletion_topic_gone(struct meta_change *change)
{
    struct deletion *deletion = CONTAINER_OF(change, struct deletion, change);

    job__producers_tell(deletion->controller->jobs, deletion->names, deletion->name_count, false, deletion_told,
                        deletion);
}

static void deletion_written(void *context, int16_t error)
{
    struct deletion *deletion = context;
    struct meta     *meta = deletion->controller->jobs->options.meta;

    if (error != 0) {
        deletion_over(deletion, "the log of jobs cannot be written");
        return;
    }
    if (deletion->topic[0] == '\0') {
        deletion_topic_gone(&deletion->change);
        return;
    }
    deletion->remove.name = view_text(deletion->topic);
    deletion->change = (struct meta_change){
        .kind = META_DELETE_TOPICS, .count = 1, .delete_topics = &deletion->remove, .done = deletion_topic_gone};
    meta_submit(meta, &deletion->change);
}

/* Its producers are about to be forgotten: nothing of theirs may be open any more. */
static void deletion_resolved(void *context, int16_t error)
{
    struct deletion       *deletion = context;
    struct job            *job = deletion->job;
    struct job_controller *controller = deletion->controller;
    struct job_record      definition = {.kind = JOB_RECORD_DEFINITION, .tombstone = true, .key = view_text(job->id)};
    struct job_record      commit = {.kind = JOB_RECORD_COMMIT, .tombstone = true, .key = view_text(job->id)};

    mem_free(MEM_JOB, (void *)(uintptr_t)job->verdict.producers);
    job->away--;
    if (error != 0 || job->stray || controller->closing) {
        deletion_over(deletion, error != 0
                                    ? "a transaction of the job cannot be ended: a partition of its sinks is offline"
                                    : "the log of jobs cannot be written");
        job__back(job);
        return;
    }
    job__savepoints_drop(job);
    (void)!job__controller_add(controller, &definition); /* tombstones always fit */
    (void)!job__controller_add(controller, &commit);
    job__free(job);
    job__controller_commit(controller, deletion_written, deletion);
}

static void verb_delete(struct job *job, struct job_waiter *waiter)
{
    struct job_controller *controller = job->controller;
    struct deletion       *deletion;

    if (!job__ended(job) || !at_rest(job)) {
        refuse(waiter, job, "only a job that has ended can be deleted");
        return;
    }
    deletion = mem_alloc(MEM_JOB, sizeof(*deletion));
    deletion->controller = controller;
    deletion->job = job;
    deletion->waiter = waiter;
    deletion->names = mem_alloc(MEM_JOB, job->definition.worker_count * JOB_PRODUCERS * sizeof(*deletion->names));
    deletion->name_count = job__producer_names(job, deletion->names);
    if (job->definition.log_id.len > 0) { /* else another job has gone on with it */
        (void)snprintf(deletion->topic, sizeof(deletion->topic), "%s%.*s", JOB_LOG_TOPIC_PREFIX,
                       (int)job->definition.log_id.len, (const char *)job->definition.log_id.base);
    }
    controller->writes_out++;
    job->away++;
    job__verdict(job, &job->verdict);
    job__resolve(controller->jobs, &job->verdict, 1, deletion_resolved, deletion);
}

void job__verb(struct job_controller *controller, enum job_request_kind kind, struct view id, struct view savepoint,
               struct job_waiter *waiter)
{
    struct job *job = job__find(controller, id);

    if (kind == JOB_REQUEST_DISPOSE) {
        job__savepoint_dispose(controller, id, waiter);
    } else if (job == NULL) {
        waiter->done(waiter, NULL, "there is no such job");
    } else if (kind == JOB_REQUEST_SAVEPOINT) {
        waiter->done(waiter, job,
                     "a job that goes on leaves no savepoint, its log is written on: stop it with one, and start it "
                     "again from there");
    } else if (savepoint.len > 0 && job__savepoint_find(controller, savepoint) != NULL) {
        waiter->done(waiter, job, "there is a savepoint of that name already");
    } else if (kind == JOB_REQUEST_RESUME) {
        verb_resume(job, waiter);
    } else if (kind == JOB_REQUEST_DELETE) {
        verb_delete(job, waiter);
    } else {
        verb_end(job, kind == JOB_REQUEST_STOP ? savepoint : (struct view){0}, waiter,
                 kind == JOB_REQUEST_PAUSE  ? JOB_AFTER_PAUSE
                 : kind == JOB_REQUEST_STOP ? JOB_AFTER_STOP
                                            : JOB_AFTER_CANCEL);
    }
}

/* --- what is shown ------------------------------------------------------------------------------------------------ */

struct view job__default_name(const struct sql_plan *plan, struct arena *arena)
{
    char   text[1024];
    size_t len = 0;

    for (uint32_t i = 0; i < plan->exec.sink_count && len + 300 < sizeof(text); i++) {
        struct view table = plan->sinks[i].table->name;

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%sdefault_catalog.default_database.%.*s",
                                i == 0 ? "insert-into_" : ",", (int)MIN(table.len, 200), (const char *)table.base);
    }
    return arena_copy(arena, view_of(text, len));
}

void job__times_take(struct job *job)
{
    int64_t              now_ns = io_clock_ns(job__io(job->controller->jobs));
    struct job_times_sum sum = job__worker_times(job->run, now_ns);

    job__times_sample(&job->times, &sum, now_ns);
}

static void facts_of_time(const struct job *job, struct job_facts *facts)
{
    struct job_times_sum sum = job->times.sum;

    facts->idle_ms = sum.idle_ns / (uint64_t)NS_PER_MS;
    facts->held_ms = sum.held_ns / (uint64_t)NS_PER_MS;
    facts->busy_ms = (sum.span_ns - MIN(sum.idle_ns + sum.held_ns, sum.span_ns)) / (uint64_t)NS_PER_MS;
    facts->busy_per_s_ms = job->times.busy_ms;
    facts->idle_per_s_ms = job->times.idle_ms;
    facts->held_per_s_ms = job->times.held_ms;
}

static void facts_of_run(const struct job *job, struct job_facts *facts)
{
    const struct exec_plan *plan = &job->run->plan->exec;

    for (uint32_t i = 0; i < plan->node_count; i++) {
        struct exec_stats stats;

        exec_job_stats(job->run->exec, i, &stats);
        facts->late_records += stats.late_rows;
        facts->state_rows += stats.state_rows;
        facts->state_bytes += stats.state_bytes;
        if (plan->nodes[i]->kind == EXEC_SINK) {
            facts->watermark_us =
                facts->watermark_us == INT64_MIN ? stats.watermark_us : MIN(facts->watermark_us, stats.watermark_us);
        }
    }
    for (uint32_t i = 0; job->workers_started && i < job->run->worker_count; i++) {
        struct job_worker_figures figures;

        job__worker_figures(job->run, i, &figures);
        facts->records_in += figures.records_in;
        facts->bytes_in += figures.bytes_in;
        facts->records_shared += figures.records_shared;
        facts->records_out += figures.rows_out;
        facts->bytes_out += figures.bytes_out;
        facts->cpu_ns += figures.cpu_ns;
        facts->pending_records += figures.pending_records;
    }
}

void job__facts(struct job *job, struct job_facts *out_facts)
{
    *out_facts = (struct job_facts){.name = job->definition.name,
                                    .status = job->status,
                                    .statement = job->definition.statement,
                                    .failure = job->definition.failure,
                                    .start_ms = job->definition.start_ms,
                                    .end_ms = job->definition.end_ms,
                                    .epoch = job->has_commit ? job->commit.epoch : -1,
                                    .last_commit_ms = job->has_commit ? job->commit.commit_ms : -1,
                                    .last_commit_duration_ms = job->has_commit ? job->commit.duration_ms : -1,
                                    .restarts = job->definition.restarts,
                                    .watermark_us = INT64_MIN};
    memcpy(out_facts->id, job->id, sizeof(out_facts->id));
    if (job->run != NULL && job->run->exec != NULL) {
        facts_of_run(job, out_facts);
    }
    if (job->run != NULL && job->workers_started) {
        job__times_take(job);
        facts_of_time(job, out_facts);
    }
}

static void explain_figures(void *context, const struct exec_node *node, char *out_text, size_t capacity)
{
    const struct job *job = context;
    struct exec_stats stats;
    size_t            len;

    exec_job_stats(job->run->exec, node->id, &stats);
    len = (size_t)snprintf(out_text, capacity, ", rowsIn=%" PRIu64 ", rowsOut=%" PRIu64, stats.rows_in, stats.rows_out);
    if (stats.state_rows > 0) {
        len += (size_t)snprintf(out_text + len, capacity - len, ", stateRows=%" PRIu64 ", stateBytes=%" PRIu64,
                                stats.state_rows, stats.state_bytes);
    }
    if (stats.late_rows > 0) {
        len += (size_t)snprintf(out_text + len, capacity - len, ", lateRows=%" PRIu64, stats.late_rows);
    }
    if (stats.watermark_us != EXEC_WATERMARK_NONE && stats.watermark_us != EXEC_WATERMARK_END) {
        (void)snprintf(out_text + len, capacity - len, ", watermark=%" PRId64, stats.watermark_us / 1000);
    }
}

size_t job__explain(const struct job *job, char *out_text, size_t capacity)
{
    return sql_explain_run(job->run->plan, explain_figures, (void *)(uintptr_t)job, out_text, capacity);
}
