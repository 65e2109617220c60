/* The controller: its log, its life, and who deals with a request. See job_controller.h. */
#include "compute/job/job_controller.h"

#include "core/base/slog.h"

#include <stdio.h>

#define RETRY_NS            (200 * NS_PER_MS)
#define HOLD_NS_MAX         (5 * NS_PER_S)
#define SCRATCH_BLOCK_BYTES ((size_t)(16 * KIB))

static void controller_replay(struct coord_machine *machine, const struct coord_record *record);
static void controller_marker(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit);
static void controller_loaded(struct coord_machine *machine);
static void controller_unload(struct coord_machine *machine, int16_t error);

/* --- life ----------------------------------------------------------------------------------------------------------
 */

struct job_controller *job__controller_create(struct job_shard *jobs)
{
    struct job_controller *controller = mem_alloc(MEM_JOB, sizeof(*controller));

    controller->jobs = jobs;
    controller->machine = (struct coord_machine){.replay = controller_replay,
                                                 .marker = controller_marker,
                                                 .loaded = controller_loaded,
                                                 .unload = controller_unload};
    list_init(&controller->calls);
    list_init(&controller->list);
    list_init(&controller->strays);
    list_init(&controller->queries);
    list_init(&controller->object_list);
    list_init(&controller->ddl);
    list_init(&controller->sessions);
    list_init(&controller->scripts);
    map_init(&controller->by_id, MEM_JOB);
    map_init(&controller->objects, MEM_JOB);
    map_init(&controller->savepoints, MEM_JOB);
    arena_init(&controller->scratch, MEM_JOB, SCRATCH_BLOCK_BYTES, JOB_SCRATCH_BYTES_MAX);
    return controller;
}

void job__controller_destroy(struct job_controller *controller)
{
    if (controller == NULL) {
        return;
    }
    CHECK(list_empty(&controller->calls) && list_empty(&controller->scripts) && list_empty(&controller->strays));
    CHECK(controller->log == NULL && controller->writes_out == 0);
    timer_disarm(job__timers(controller), &controller->retry);
    job__sessions_end(controller, true);
    job__objects_clear(controller);
    map_deinit(&controller->by_id);
    map_deinit(&controller->objects);
    job__savepoints_clear(controller);
    map_deinit(&controller->savepoints);
    arena_deinit(&controller->scratch);
    mem_free(MEM_JOB, controller);
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

bool job__controller_add(struct job_controller *controller, const struct job_record *record)
{
    struct view key, value;
    bool        good;

    if (controller->log == NULL) {
        return true; /* what follows fails at its commit */
    }
    good = job__record_write(&controller->scratch, record, &key, &value);
    if (good) {
        coord_log_add(controller->log, key, value);
    }
    arena_reset(&controller->scratch);
    if (good && !coord_log_fits(controller->log)) {
        coord_log_drop(controller->log);
        good = false;
    }
    return good;
}

struct commit_write {
    struct coord_write     write;
    struct job_controller *controller;
    void (*done)(void *context, int16_t error);
    void *context;
};

static void commit_done(struct coord_write *write, int16_t error)
{
    struct commit_write   *commit = CONTAINER_OF(write, struct commit_write, write);
    struct job_controller *controller = commit->controller;

    controller->hold_ns = error == 0 ? 0 : controller->hold_ns;
    if (commit->done != NULL) {
        commit->done(commit->context, error);
    }
    mem_free(MEM_JOB, commit);
    controller->writes_out--;
    job__controller_post(controller);
}

void job__controller_commit(struct job_controller *controller, void (*done)(void *context, int16_t error),
                            void                  *context)
{
    struct commit_write *commit = mem_alloc(MEM_JOB, sizeof(*commit));

    CHECK(controller->log != NULL);
    *commit =
        (struct commit_write){.write.done = commit_done, .controller = controller, .done = done, .context = context};
    controller->writes_out++;
    coord_log_commit(controller->log, &commit->write);
}

/* --- the log ---------------------------------------------------------------------------------------------------------
 */

static void replay_definition(struct job_controller *controller, const struct job_record *record)
{
    struct job *job = job__find(controller, record->key);

    if (record->tombstone) {
        if (job != NULL) {
            job__free(job);
        }
        return;
    }
    if (job == NULL) {
        job = job__new(controller, record->key);
    }
    job__set_definition(job, &record->definition);
}

static void replay_commit(struct job_controller *controller, const struct job_record *record)
{
    struct job *job = job__find(controller, record->key);

    if (record->tombstone) {
        return; /* stands beside the definition's */
    }
    if (job == NULL) { /* compaction has left the newer definition further on */
        job = job__new(controller, record->key);
    }
    job__set_commit(job, &record->commit);
}

static void controller_replay(struct coord_machine *machine, const struct coord_record *from)
{
    struct job_controller *controller = CONTAINER_OF(machine, struct job_controller, machine);
    struct job_record      record;

    job__record_read(&controller->scratch, from->key, from->value, &record);
    switch (record.kind) {
    case JOB_RECORD_OBJECT:
        if (record.tombstone) {
            job__object_remove(controller, record.key);
        } else {
            job__object_put(controller, record.key, record.object.statement, record.object.position);
        }
        break;
    case JOB_RECORD_DEFINITION:
        replay_definition(controller, &record);
        break;
    case JOB_RECORD_COMMIT:
        replay_commit(controller, &record);
        break;
    case JOB_RECORD_DAMAGED:
        controller->damaged++;
        break;
    case JOB_RECORD_SAVEPOINT:
        if (record.tombstone) {
            job__savepoint_remove(controller, record.key);
        } else {
            job__savepoint_put(controller, &record);
        }
        break;
    case JOB_RECORD_OTHER:
        break;
    }
    arena_reset(&controller->scratch);
}

static void controller_marker(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit)
{
    (void)machine; /* nobody writes transactions into this topic */
    (void)producer_id;
    (void)producer_epoch;
    (void)commit;
}

static void controller_loaded(struct coord_machine *machine)
{
    struct job_controller *controller = CONTAINER_OF(machine, struct job_controller, machine);

    if (controller->damaged > 0) {
        slog_error("job", "%s: %" PRIu64 " records cannot be understood and are left out", JOB_TOPIC,
                   controller->damaged);
    }
    LIST_EACH(&controller->list, node) {
        struct job *job = LIST_ENTRY(node, struct job, link);

        if (job->definition.script.base == NULL) { /* a commit whose definition is gone */
            job__free(job);
        }
    }
    controller->resolved = false;
    job__controller_post(controller);
}

/* The log failed, or is closed: all is forgotten, runs end without a verdict. */
static void controller_unload(struct coord_machine *machine, int16_t error)
{
    struct job_controller *controller = CONTAINER_OF(machine, struct job_controller, machine);

    (void)error;
    if (!controller->closing) {
        controller->hold_ns = controller->hold_ns == 0 ? RETRY_NS : MIN(2 * controller->hold_ns, HOLD_NS_MAX);
        controller->held_until_ns = job__now_ns(controller) + controller->hold_ns;
    }
    job__scripts_end(controller, controller->closing ? "the broker is stopping"
                                                     : "the log of jobs cannot be written: it is read again");
    LIST_EACH(&controller->list, node) {
        struct job *job = LIST_ENTRY(node, struct job, link);

        (void)map_remove(&controller->by_id, view_text(job->id));
        list_remove(&job->link);
        list_push_back(&controller->strays, &job->link);
        job->stray = true;
        job__stop(job, JOB_AFTER_FORGET);
    }
    job__sessions_end(controller, true);
    job__objects_clear(controller);
    job__savepoints_clear(controller);
    controller->damaged = 0;
    controller->resolved = false;
    if (controller->resolve_done != NULL) {
        void (*done)(void *context, int result) = controller->resolve_done;

        slog_error("job", "%s cannot be read: transactions of jobs stay open until it can", JOB_TOPIC);
        controller->resolve_done = NULL;
        done(controller->resolve_context, ERR_OK);
    }
}

static void controller_log_closed(void *context)
{
    struct job_controller *controller = context;

    controller->log = NULL;
    controller->making = false;
    job__controller_post(controller);
}

static void controller_retry(struct timer *timer)
{
    job__controller_post(CONTAINER_OF(timer, struct job_controller, retry));
}

static void controller_later(struct job_controller *controller)
{
    if (!timer_armed(&controller->retry)) {
        timer_arm(job__timers(controller), &controller->retry, job__now_ns(controller) + RETRY_NS, controller_retry);
    }
}

/* The log of the topic there is, opened when need be. False: not now. */
static bool controller_log_ready(struct job_controller *controller)
{
    const struct meta_topic *topic = meta_topic(controller->jobs->options.meta, view_text(JOB_TOPIC));
    struct part             *part;

    if (controller->log != NULL && coord_log_state(controller->log) == COORD_LOG_CLOSED) {
        if (!controller->making) { /* the flag keeps it from being closed twice */
            controller->making = true;
            coord_log_close(controller->log, controller_log_closed, controller);
        }
        return false;
    }
    if (controller->log == NULL && topic != NULL) {
        part = part_find_id(controller->jobs->options.parts, topic->id, 0);
        if (part == NULL || !part_ready(part)) {
            controller_later(controller);
            return false;
        }
        controller->topic_id = topic->id;
        controller->log = coord_log_open(controller->jobs->options.shard, part, &controller->machine);
    }
    if (controller->log == NULL || coord_log_state(controller->log) != COORD_LOG_ACTIVE) {
        if (controller->log != NULL) {
            controller_later(controller);
        }
        return false;
    }
    return true;
}

/* --- the topic -------------------------------------------------------------------------------------------------------
 */

static void topic_made(struct meta_change *change)
{
    struct job_controller *controller = CONTAINER_OF(change, struct job_controller, topic_change);
    int16_t                error = change->error != 0 ? change->error : controller->topic_create.error;
    char                   message[JOB_MESSAGE_BYTES];

    controller->making = false;
    if (error != 0 && error != KP_ERR_TOPIC_ALREADY_EXISTS) {
        (void)snprintf(message, sizeof(message), "%s cannot be made: %s %s", JOB_TOPIC, kp_error_name(error),
                       controller->topic_create.message);
        slog_warn("job", "%s", message);
        LIST_EACH(&controller->calls, node) {
            struct job_call *call = LIST_ENTRY(node, struct job_call, link);

            list_remove(&call->link);
            job__answer_done(call, 0, ERR_IO, message);
        }
    }
    job__controller_post(controller);
}

static void topic_make(struct job_controller *controller)
{
    if (controller->making) {
        return;
    }
    controller->making = true;
    controller->topic_leader = meta_node_id(controller->jobs->options.meta);
    controller->topic_configs[0] = (struct meta_config_entry){view_text("cleanup.policy"), view_text("compact")};
    controller->topic_configs[1] = (struct meta_config_entry){view_text("segment.bytes"), view_text("16777216")};
    controller->topic_configs[2] = (struct meta_config_entry){view_text("compression.type"), view_text("producer")};
    controller->topic_create = (struct meta_create_topic){.name = view_text(JOB_TOPIC),
                                                          .partition_count = 1,
                                                          .replication_factor = 1,
                                                          .assignment = &controller->topic_leader,
                                                          .configs = controller->topic_configs,
                                                          .config_count = (int32_t)COUNT_OF(controller->topic_configs)};
    controller->topic_change = (struct meta_change){
        .kind = META_CREATE_TOPICS, .count = 1, .create_topics = &controller->topic_create, .done = topic_made};
    meta_submit(controller->jobs->options.meta, &controller->topic_change);
}

/* --- what is open since before ---------------------------------------------------------------------------------------
 */

static void resolve_over(struct job_controller *controller, int16_t error)
{
    void (*done)(void *context, int result) = controller->resolve_done;

    for (size_t i = 0; i < controller->verdict_count; i++) {
        mem_free(MEM_JOB, (void *)(uintptr_t)controller->verdicts[i].producers);
    }
    mem_free(MEM_JOB, controller->verdicts);
    controller->verdicts = NULL;
    controller->verdict_count = 0;
    controller->resolving = false;
    if (error != 0) {
        slog_error("job", "open transactions of jobs could not be ended (%s): each job's are before it runs again",
                   kp_error_name(error));
    }
    controller->resolved = true; /* jobs whose partitions are well need not wait for the others */
    controller->resolve_done = NULL;
    if (done != NULL) {
        done(controller->resolve_context, ERR_OK);
    }
    job__controller_post(controller);
}

static void resolve_done(void *context, int16_t error)
{
    resolve_over(context, error);
}

struct telling {
    struct job_controller    *controller;
    struct job_producer_name *names;
};

static void resolve_told(void *context)
{
    struct telling        *telling = context;
    struct job_controller *controller = telling->controller;

    mem_free(MEM_JOB, telling->names);
    mem_free(MEM_JOB, telling);
    job__resolve(controller->jobs, controller->verdicts, controller->verdict_count, resolve_done, controller);
}

/* All jobs' at once: the names to every shard, then the verdicts. */
static void resolve_begin(struct job_controller *controller)
{
    struct telling *telling = mem_alloc(MEM_JOB, sizeof(*telling));
    size_t          names = 0, count = map_count(&controller->by_id);

    controller->resolving = true;
    LIST_EACH(&controller->list, node) {
        names += (size_t)LIST_ENTRY(node, struct job, link)->definition.worker_count * JOB_PRODUCERS;
    }
    controller->verdicts = mem_alloc(MEM_JOB, (count + 1) * sizeof(*controller->verdicts));
    controller->verdict_count = 0;
    telling->controller = controller;
    telling->names = mem_alloc(MEM_JOB, (names + 1) * sizeof(*telling->names));
    names = 0;
    LIST_EACH(&controller->list, node) {
        struct job *job = LIST_ENTRY(node, struct job, link);

        names += job__producer_names(job, telling->names + names);
        job__verdict(job, &controller->verdicts[controller->verdict_count++]);
    }
    job__producers_tell(controller->jobs, telling->names, names, true, resolve_told, telling);
}

void job__controller_resolve(struct job_controller *controller, void (*done)(void *context, int result), void *context)
{
    controller->resolve_done = done;
    controller->resolve_context = context;
    job__controller_post(controller);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void controller_calls(struct job_controller *controller, bool ready)
{
    bool exists = controller->log != NULL || meta_topic(controller->jobs->options.meta, view_text(JOB_TOPIC)) != NULL;

    LIST_EACH(&controller->calls, node) {
        struct job_call *call = LIST_ENTRY(node, struct job_call, link);

        if (controller->closing || call->canceled) {
            list_remove(&call->link);
            job__answer_done(call, 0, ERR_CLOSED, controller->closing ? "the broker is stopping" : "canceled");
        } else if (ready) {
            list_remove(&call->link);
            job__call_begin(controller, call);
        } else if (!exists && call->request->kind != JOB_REQUEST_SCRIPT) {
            list_remove(&call->link);
            job__call_begin_empty(call);
        } else if (!exists) {
            topic_make(controller);
        }
    }
}

static void call_canceled(struct job_call *call)
{
    job__controller_post(call->work);
}

void job__controller_take(struct job_shard *jobs, struct job_call *call)
{
    if (!jobs->open) {
        job__answer_done(call, 0, ERR_CLOSED, "the broker does not serve");
        return;
    }
    if (jobs->controller == NULL) {
        jobs->controller = job__controller_create(jobs);
        jobs->controller->opened = true;
    }
    call->work = jobs->controller;
    call->on_cancel = call_canceled;
    list_push_back(&jobs->controller->calls, &call->link);
    job__controller_post(jobs->controller);
}

/* --- turns -----------------------------------------------------------------------------------------------------------
 */

/* Each start writes. While the log takes nothing (a full disk) every start would have it read again. */
static bool controller_holds(struct job_controller *controller)
{
    if (controller->hold_ns == 0 || job__now_ns(controller) >= controller->held_until_ns) {
        return false;
    }
    controller_later(controller);
    return true;
}

static void job_hold(struct job *job)
{
    job__set_failure(job, JOB_TOPIC " takes no records: the disk is full, or its partition is offline; the job goes on "
                                    "from its last commit when that has changed");
    job->status = JOB_RESTARTING;
}

/* What runs is wanted, and is not there yet. */
static void controller_run_jobs(struct job_controller *controller)
{
    bool holds = controller_holds(controller);

    LIST_EACH(&controller->list, node) {
        struct job *job = LIST_ENTRY(node, struct job, link);

        if (job->step != JOB_STEP_NONE || job->away > 0 || job->definition.wanted != JOB_WANTED_RUNNING ||
            job__ended(job)) {
            continue;
        }
        if (holds) {
            job_hold(job);
        } else {
            job__start(job, false);
        }
    }
}

static void controller_try_close(struct job_controller *controller)
{
    void (*closed)(void *context, int result) = controller->closed;

    LIST_EACH(&controller->list, node) {
        struct job *job = LIST_ENTRY(node, struct job, link);

        if (job->step != JOB_STEP_NONE || job->away > 0) {
            return;
        }
    }
    if (closed == NULL || !list_empty(&controller->strays) || !list_empty(&controller->queries) ||
        !list_empty(&controller->scripts) || controller->resolving || controller->making ||
        controller->writes_out > 0) {
        return;
    }
    if (controller->log != NULL) {
        controller->making = true; /* it closes once */
        coord_log_close(controller->log, controller_log_closed, controller);
        return;
    }
    LIST_EACH(&controller->list, node) {
        job__free(LIST_ENTRY(node, struct job, link));
    }
    controller->closed = NULL;
    timer_disarm(job__timers(controller), &controller->retry);
    closed(controller->closed_context, ERR_OK);
}

static void controller_posted(struct io_op *op)
{
    struct job_controller *controller = CONTAINER_OF(op, struct job_controller, post);
    bool                   ready = !controller->closing && controller_log_ready(controller);

    if (ready && !controller->resolved) {
        if (!controller->resolving && list_empty(&controller->strays)) {
            resolve_begin(controller);
        }
        ready = false;
    } else if (!ready && controller->resolve_done != NULL && controller->log != NULL &&
               coord_log_state(controller->log) == COORD_LOG_FAILED) {
        resolve_over(controller, KP_ERR_COORDINATOR_NOT_AVAILABLE); /* the start does not wait for what is broken */
    }
    if (controller->opened) {
        controller_calls(controller, ready);
        if (ready) {
            controller_run_jobs(controller);
        }
    }
    if (controller->closing) {
        controller_try_close(controller);
    }
}

void job__controller_post(struct job_controller *controller)
{
    if (io_op_idle(&controller->post)) {
        io_post(job__io(controller->jobs), &controller->post, controller_posted);
    }
}

void job__controller_open(struct job_controller *controller)
{
    controller->opened = true;
    job__controller_post(controller);
}

void job__controller_close(struct job_controller *controller, void (*done)(void *context, int result), void *context)
{
    controller->closing = true;
    controller->closed = done;
    controller->closed_context = context;
    job__scripts_end(controller, "the broker is stopping");
    LIST_EACH(&controller->list, node) {
        job__stop(LIST_ENTRY(node, struct job, link), JOB_AFTER_FORGET);
    }
    job__controller_post(controller);
}
