/* Savepoints: what a job was and where it stood when it was stopped with one.
 *
 * Only a job that stops leaves one: its log is not written any more, so its state stays readable for as long as the log
 * is there. A job that goes on from a savepoint claims it (Flink: CLAIM): the log is its own from then on, and nobody
 * else can start from there, because snapshots of the one would cut off what the other needs. */
#include "compute/job/job_controller.h"

#include <stdio.h>

static struct view own(struct view text)
{
    return view_of(mem_copy_text(MEM_JOB, text), text.len);
}

static void disown(struct view text)
{
    mem_free(MEM_JOB, (void *)(uintptr_t)text.base);
}

struct job_savepoint *job__savepoint_find(const struct job_controller *controller, struct view name)
{
    return map_get(&controller->savepoints, name);
}

static void savepoint_free(struct job_savepoint *savepoint)
{
    if (savepoint != NULL) {
        disown(savepoint->name);
        disown(savepoint->definition);
        disown(savepoint->commit);
        mem_free(MEM_JOB, savepoint);
    }
}

void job__savepoint_put(struct job_controller *controller, const struct job_record *record)
{
    struct job_savepoint *savepoint = mem_alloc(MEM_JOB, sizeof(*savepoint));

    savepoint->name = own(record->key);
    savepoint->definition = own(record->savepoint.definition);
    savepoint->commit = own(record->savepoint.commit);
    savepoint->created_ms = record->savepoint.created_ms;
    (void)snprintf(savepoint->job_id, sizeof(savepoint->job_id), "%.*s", (int)record->savepoint.id.len,
                   (const char *)record->savepoint.id.base);
    savepoint_free(map_put(&controller->savepoints, savepoint->name, savepoint));
}

void job__savepoint_remove(struct job_controller *controller, struct view name)
{
    savepoint_free(map_remove(&controller->savepoints, name));
}

void job__savepoints_clear(struct job_controller *controller)
{
    MAP_EACH(&controller->savepoints, entry) {
        struct job_savepoint *savepoint = entry->value;

        (void)map_remove(&controller->savepoints, view_of(entry->key, entry->key_len));
        savepoint_free(savepoint);
    }
}

/* --- leaving one -------------------------------------------------------------------------------------------------- */

void job__savepoint_leave(struct job *job)
{
    struct job_controller *controller = job->controller;
    struct job_record      record = {.kind = JOB_RECORD_SAVEPOINT, .key = view_text(job->savepoint)};
    struct job_record      definition = {
             .kind = JOB_RECORD_DEFINITION, .key = view_text(job->id), .definition = job->definition};
    struct job_record commit = {.kind = JOB_RECORD_COMMIT, .key = view_text(job->id), .commit = job->commit};
    struct arena      arena;
    struct view       ignored;

    arena_init(&arena, MEM_JOB, 64 * KIB, JOB_SCRATCH_BYTES_MAX);
    record.savepoint.id = view_text(job->id);
    record.savepoint.created_ms = job__wall_ms(controller);
    if (job__record_write(&arena, &definition, &ignored, &record.savepoint.definition) &&
        job__record_write(&arena, &commit, &ignored, &record.savepoint.commit) &&
        job__controller_add(controller, &record)) {
        job__savepoint_put(controller, &record);
    } else {
        job__set_failure(job, "the savepoint is too long to be kept");
    }
    arena_deinit(&arena);
    mem_free(MEM_JOB, job->savepoint);
    job->savepoint = NULL;
}

static bool tombstone(struct job_controller *controller, struct view name)
{
    struct job_record record = {.kind = JOB_RECORD_SAVEPOINT, .tombstone = true, .key = name};

    return job__controller_add(controller, &record);
}

void job__savepoints_drop(struct job *job)
{
    MAP_EACH(&job->controller->savepoints, entry) {
        struct job_savepoint *savepoint = entry->value;

        if (strcmp(savepoint->job_id, job->id) == 0) {
            (void)!tombstone(job->controller, savepoint->name);
            (void)map_remove(&job->controller->savepoints, view_of(entry->key, entry->key_len));
            savepoint_free(savepoint);
        }
    }
}

struct disposal {
    struct job_controller *controller;
    struct job_waiter     *waiter;
};

static void disposal_written(void *context, int16_t error)
{
    struct disposal       *disposal = context;
    struct job_controller *controller = disposal->controller;

    disposal->waiter->done(disposal->waiter, NULL, error == 0 ? NULL : "the log of jobs cannot be written");
    mem_free(MEM_JOB, disposal);
    controller->writes_out--;
    job__controller_post(controller);
}

void job__savepoint_dispose(struct job_controller *controller, struct view name, struct job_waiter *waiter)
{
    const struct job_savepoint *savepoint = job__savepoint_find(controller, name);
    struct disposal            *disposal;

    if (savepoint == NULL) {
        waiter->done(waiter, NULL, "there is no savepoint of that name, or a job has gone on from it");
        return;
    }
    disposal = mem_alloc(MEM_JOB, sizeof(*disposal));
    *disposal = (struct disposal){controller, waiter};
    (void)!tombstone(controller, savepoint->name); /* it always fits */
    job__savepoint_remove(controller, name);
    controller->writes_out++;
    job__controller_commit(controller, disposal_written, disposal);
}

/* --- going on from one -------------------------------------------------------------------------------------------- */

static bool refuse(char *message, size_t message_capacity, struct view name, const char *why, const char *what)
{
    (void)snprintf(message, message_capacity, "savepoint '%.*s': %s%s", (int)MIN(name.len, 100),
                   (const char *)name.base, why, what);
    return false;
}

/* Positions and state are by number of source and node, so the plans have to be alike; sinks may be others. */
static bool plans_fit(const struct sql_plan *from, const struct sql_plan *to, struct view name, char *message,
                      size_t message_capacity)
{
    if (from->exec.source_count != to->exec.source_count) {
        return refuse(message, message_capacity, name, "the statement reads another number of tables", "");
    }
    for (uint32_t i = 0; i < from->exec.source_count; i++) {
        struct view topic = sql_table_option(from->sources[i].table, "topic");

        if (!view_equal(topic, sql_table_option(to->sources[i].table, "topic"))) {
            return refuse(message, message_capacity, name, "the statement reads another topic in the place of ",
                          (const char *)topic.base);
        }
    }
    if (!exec_plan_has_state(&from->exec) && !exec_plan_has_state(&to->exec)) {
        return true;
    }
    for (uint32_t i = 0; i < MAX(from->exec.node_count, to->exec.node_count); i++) {
        if (i >= from->exec.node_count || i >= to->exec.node_count) {
            return refuse(message, message_capacity, name, "the plan has another number of operators", "");
        }
        if (from->exec.nodes[i]->kind != to->exec.nodes[i]->kind ||
            (to->exec.nodes[i]->kind != EXEC_SINK &&
             exec_node_fingerprint(from->exec.nodes[i]) != exec_node_fingerprint(to->exec.nodes[i]))) {
            return refuse(message, message_capacity, name, "its state does not fit: another operator in the place of ",
                          exec_node_kind_name(from->exec.nodes[i]->kind));
        }
    }
    return true;
}

bool job__savepoint_check(struct job_controller *controller, struct view name, const struct sql_plan *plan,
                          char *message, size_t message_capacity)
{
    const struct job_savepoint *savepoint = job__savepoint_find(controller, name);
    struct job_definition       definition;
    struct job_plan             planned;
    struct arena                arena;
    bool                        good;

    if (savepoint == NULL) {
        return refuse(message, message_capacity, name, "there is none of that name, or a job has gone on from it", "");
    }
    arena_init(&arena, MEM_JOB, 64 * KIB, JOB_SCRATCH_BYTES_MAX);
    good = job__record_definition(&arena, savepoint->definition, &definition) &&
           definition.worker_count == meta_host(controller->jobs->options.meta)->shard_count;
    if (!good) {
        (void)refuse(message, message_capacity, name, "it is damaged, or was made for another number of shards", "");
    } else if (job__plan(definition.script, &planned, message, message_capacity)) {
        good = plans_fit(planned.plan, plan, name, message, message_capacity);
        job__plan_free(&planned);
    } else {
        good = false;
    }
    arena_deinit(&arena);
    return good;
}

bool job__savepoint_claim(struct job *job, struct view name)
{
    struct job_controller      *controller = job->controller;
    const struct job_savepoint *savepoint = job__savepoint_find(controller, name);
    struct job                 *from;
    struct job_definition       definition;
    struct job_record           record = {.kind = JOB_RECORD_COMMIT, .key = view_text(job->id)};
    struct arena                arena;
    bool                        good;

    if (savepoint == NULL) {
        return false;
    }
    arena_init(&arena, MEM_JOB, 64 * KIB, JOB_SCRATCH_BYTES_MAX);
    good = job__record_commit(&arena, savepoint->commit, &record.commit);
    record.commit.share.sink_count = 0; /* the other job's producers, and all marked */
    record.commit.finished = record.commit.share.finished = false;
    good = good && job__controller_add(controller, &record) && tombstone(controller, savepoint->name);
    if (good && job__record_definition(&arena, savepoint->definition, &definition)) {
        struct job_definition own_definition = job->definition;

        own_definition.log_id = definition.log_id;
        job__set_definition(job, &own_definition);
    }
    from = job__find(controller, view_text(savepoint->job_id));
    if (good && from != NULL) { /* its log is not its own any more */
        definition = from->definition;
        definition.log_id = (struct view){0};
        job__set_definition(from, &definition);
        record = (struct job_record){
            .kind = JOB_RECORD_DEFINITION, .key = view_text(from->id), .definition = from->definition};
        good = job__controller_add(controller, &record);
    }
    if (good) {
        good = job__record_commit(&arena, savepoint->commit, &record.commit);
        record.commit.share.sink_count = 0;
        record.commit.finished = record.commit.share.finished = false;
        job__set_commit(job, &record.commit);
        job__savepoint_remove(controller, name);
    }
    arena_deinit(&arena);
    return good;
}
