/* Scripts: statement by statement, each answered when what it depends on is durable.
 *
 * What the catalogue's statements do to the session is done at once; a table or view that is not temporary is also a
 * record. An INSERT or a statement set becomes a job with a script of its own, which holds all that it needs: dropping
 * a table later does not touch it. */
#include "compute/job/job_controller.h"

#include "compute/sql/sql_parse.h"
#include "compute/vec/vec_time.h"

#include <stdio.h>

#define SCRIPT_BLOCK_BYTES ((size_t)(64 * KIB))
#define SCRIPT_BYTES_MAX   ((size_t)(128 * MIB))
#define SHOW_LINE_BYTES    1024
#define OBJECTS_MAX        10000
#define JOBS_MAX           1000
#define EXPLAIN_BYTES      ((size_t)(256 * KIB))

struct job_script {
    struct list_node            link;
    struct job_controller      *controller;
    struct job_call            *call;
    struct job_session         *session;
    struct arena                arena; /* of the parsed script */
    struct arena                work;  /* of one statement */
    const struct sql_statement *statement;
    size_t                      index;
    struct io_op                post;
    struct job_waiter           waiter;
    struct job                 *query, *waits_for;
    struct meta_change          change;
    struct job_producer_name   *names;
    struct timer                progress;
    struct view                 job_script, job_name;
    struct view                 savepoint; /* to go on from; empty: none */
    char                        job_id[JOB_ID_TEXT_BYTES];
    bool                        waits_end; /* 'table.dml-sync' */
    bool                        away;      /* a callback will come */
    const char                 *ending;    /* static text: it ends when nothing is out any more */
    char                        message[JOB_MESSAGE_BYTES];
};

static void script_step(struct job_script *script);

/* --- the end of a script, and of a statement ---------------------------------------------------------------------- */

static void script_done(struct job_script *script, int error, const char *message)
{
    struct job_controller *controller = script->controller;

    timer_disarm(job__timers(controller), &script->progress);
    script->call->work = NULL;
    script->call->on_cancel = NULL;
    job__answer_done(script->call, script->index, error, message);
    if (script->session != NULL) {
        job__session_release(controller, script->session);
    }
    list_remove(&script->link);
    arena_deinit(&script->arena);
    arena_deinit(&script->work);
    mem_free(MEM_JOB, script);
    job__controller_post(controller);
}

static void script_posted(struct io_op *op)
{
    struct job_script *script = CONTAINER_OF(op, struct job_script, post);

    script->away = false;
    if (script->ending != NULL) {
        script_done(script, ERR_CLOSED, script->ending);
    } else if (script->call->canceled) {
        script_done(script, ERR_CANCELED, "canceled");
    } else if (script->message[0] != '\0') {
        script_done(script, ERR_INVALID, script->message);
    } else {
        script_step(script);
    }
}

/* What was asked for is back, or nothing was asked. */
static void script_go_on(struct job_script *script)
{
    script->away = true;
    io_post(job__io(script->controller->jobs), &script->post, script_posted);
}

static void statement_done(struct job_script *script, bool is_table, struct view text, const char *job_id)
{
    timer_disarm(job__timers(script->controller), &script->progress);
    job__answer_statement(script->call, script->index, is_table, text.len == 0 && !is_table ? view_text("OK") : text,
                          job_id);
    script->index++;
    script->statement = script->statement->next;
    script_go_on(script);
}

static void statement_failed(struct job_script *script, const char *message)
{
    if (message != script->message) {
        (void)snprintf(script->message, sizeof(script->message), "%s", message);
    }
    script_go_on(script);
}

static void script_canceled(struct job_call *call)
{
    struct job_script *script = call->work;

    if (script->waits_for != NULL) { /* the job goes on; only nobody waits for its end any more */
        list_remove(&script->waiter.link);
        script->waits_for = NULL;
        script_go_on(script);
    }
}

/* --- the catalogue ------------------------------------------------------------------------------------------------ */

static struct view last_name(const struct sql_name *name)
{
    while (name->next != NULL) {
        name = name->next;
    }
    return name->text;
}

static void object_written(void *context, int16_t error)
{
    struct job_script *script = context;

    if (error != 0) {
        statement_failed(script, "the log of jobs cannot be written");
    } else {
        statement_done(script, false, (struct view){0}, NULL);
    }
}

static void object_write(struct job_script *script, const struct job_record *record, struct view statement)
{
    struct job_controller *controller = script->controller;

    if (!job__controller_add(controller, record)) {
        statement_failed(script, "the statement is too long to be kept");
        return;
    }
    if (record->tombstone) {
        job__object_remove(controller, record->key);
    } else {
        job__object_put(controller, record->key, record->object.statement, record->object.position);
    }
    job__ddl_add(controller, script->session, statement);
    script->away = true;
    job__controller_commit(controller, object_written, script);
}

static void statement_created(struct job_script *script, struct view text)
{
    const struct sql_statement *statement = script->statement;
    bool                        is_table = statement->kind == SQL_STATEMENT_CREATE_TABLE;
    struct view       name = last_name(is_table ? statement->create_table->name : statement->create_view->name);
    struct job_record record = {.kind = JOB_RECORD_OBJECT, .key = name};

    if (statement->temporary || job__object_find(script->controller, name) != NULL) {
        statement_done(script, false, (struct view){0}, NULL);
        return;
    }
    if (map_count(&script->controller->objects) >= OBJECTS_MAX) {
        statement_failed(script, "the catalogue is full: 10,000 tables and views");
        return;
    }
    record.object.position = script->controller->object_position + 1;
    record.object.statement = view_of(text.base + statement->place.offset, statement->place.len);
    object_write(script, &record, record.object.statement);
}

static void statement_dropped(struct job_script *script, struct view text)
{
    const struct sql_statement *statement = script->statement;
    struct job_record record = {.kind = JOB_RECORD_OBJECT, .tombstone = true, .key = last_name(statement->name)};

    if (statement->temporary || job__object_find(script->controller, record.key) == NULL) {
        statement_done(script, false, (struct view){0}, NULL);
    } else {
        object_write(script, &record, view_of(text.base + statement->place.offset, statement->place.len));
    }
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

static void job_ended(struct job_waiter *waiter, struct job *job, const char *failure)
{
    struct job_script *script = CONTAINER_OF(waiter, struct job_script, waiter);

    (void)job;
    script->waits_for = NULL;
    if (failure != NULL) {
        statement_failed(script, failure);
    } else {
        statement_done(script, false, view_text(script->job_id), script->job_id);
    }
}

static void job_progress(struct timer *timer)
{
    struct job_script *script = CONTAINER_OF(timer, struct job_script, progress);
    struct job_facts   facts;

    if (script->waits_for != NULL) {
        job__facts(script->waits_for, &facts);
        job__answer_progress(script->call, facts.records_in, facts.watermark_us);
        timer_arm(job__timers(script->controller), timer, job__now_ns(script->controller) + JOB_PROGRESS_NS,
                  job_progress);
    }
}

static void job_written(void *context, int16_t error)
{
    struct job_script *script = context;
    struct job        *job = job__find(script->controller, view_text(script->job_id));

    if (error != 0 || job == NULL) {
        statement_failed(script, "the log of jobs cannot be written");
        return;
    }
    if (!script->controller->closing) {
        job__start(job, true);
    }
    if (!script->waits_end) {
        statement_done(script, false, view_text(script->job_id), script->job_id);
        return;
    }
    script->away = true;
    script->waits_for = job;
    script->waiter = (struct job_waiter){.any_end = true, .done = job_ended};
    list_init(&script->waiter.link);
    list_push_back(&job->waiters, &script->waiter.link);
    timer_arm(job__timers(script->controller), &script->progress, job__now_ns(script->controller) + JOB_PROGRESS_NS,
              job_progress);
}

/* Into the log's event, all or nothing. */
static bool job_make(struct job_script *script, struct job_record *record)
{
    struct job_controller *controller = script->controller;
    struct job            *job = job__new(controller, record->key);

    job__set_definition(job, &record->definition);
    if (script->savepoint.len == 0 || job__savepoint_claim(job, script->savepoint)) {
        record->definition = job->definition;
        if (job__controller_add(controller, record)) {
            return true;
        }
    }
    coord_log_drop(controller->log);
    job__free(job);
    return false;
}

static void job_told(void *context)
{
    struct job_script      *script = context;
    struct job_controller  *controller = script->controller;
    const struct meta_host *host = meta_host(controller->jobs->options.meta);
    struct sql_place        place = script->statement->place;
    int64_t                 now_ms = job__wall_ms(controller);
    struct job_record       record = {
              .kind = JOB_RECORD_DEFINITION,
              .key = view_text(script->job_id),
              .definition = {.name = script->job_name,
                             .script = script->job_script,
                             .statement = view_of(script->call->request->text.base + place.offset, place.len),
                             .wanted = JOB_WANTED_RUNNING,
                             .status = JOB_RUNNING,
                             .worker_count = host->shard_count,
                             .first_producer_id = script->names[0].producer_id,
                             .created_ms = now_ms,
                             .start_ms = now_ms,
                             .end_ms = -1,
                             .failure_ms = -1,
                             .from_savepoint = script->savepoint,
                             .log_id = view_text(script->job_id)}};

    mem_free(MEM_JOB, script->names);
    script->names = NULL;
    if (script->ending != NULL) {
        script_go_on(script);
    } else if (!job_make(script, &record)) {
        statement_failed(script, "the statement and what it needs are too long to be kept, or its savepoint is gone");
    } else {
        job__write_added(job__find(controller, record.key), job_written, script);
    }
}

/* A block of producer ids for each job: two of them for each worker are used. */
static void job_ids(struct meta_change *change)
{
    struct job_script      *script = CONTAINER_OF(change, struct job_script, change);
    struct job_controller  *controller = script->controller;
    const struct meta_host *host = meta_host(controller->jobs->options.meta);
    size_t                  count = (size_t)host->shard_count * JOB_PRODUCERS;

    if (change->error != 0) {
        statement_failed(script, "no producer ids to be had");
        return;
    }
    script->names = mem_alloc(MEM_JOB, count * sizeof(*script->names));
    for (size_t i = 0; i < count; i++) {
        script->names[i] = (struct job_producer_name){.producer_id = change->producer_ids.first_id + (int64_t)i,
                                                      .worker = (uint32_t)(i / JOB_PRODUCERS),
                                                      .parity = (uint32_t)(i % JOB_PRODUCERS)};
        memcpy(script->names[i].job_id, script->job_id, sizeof(script->job_id));
    }
    job__producers_tell(controller->jobs, script->names, count, true, job_told, script);
}

/* 'pipeline.name', else as Flink names it. */
static struct view job_name(struct job_script *script, const struct sql_plan *plan)
{
    struct view name = sql_catalog_setting(job__session_catalog(script->session), "pipeline.name");

    return name.len > 0 ? arena_copy(&script->work, name) : job__default_name(plan, &script->work);
}

static bool setting_is_true(const struct job_script *script, const char *key)
{
    struct view value = sql_catalog_setting(job__session_catalog(script->session), key);

    return value.len == 4 && (value.base[0] | 0x20) == 't';
}

static void job_submit_plan(struct job_script *script, const struct sql_plan *plan)
{
    uint8_t random[(JOB_ID_TEXT_BYTES - 1) / 2];

    script->savepoint = sql_catalog_setting(job__session_catalog(script->session), "execution.state-recovery.path");
    if (script->savepoint.len == 0) {
        script->savepoint = sql_catalog_setting(job__session_catalog(script->session), "execution.savepoint.path");
    }
    script->savepoint = arena_copy(&script->work, script->savepoint);
    if (script->savepoint.len > 0 &&
        !job__savepoint_check(script->controller, script->savepoint, plan, script->message, sizeof(script->message))) {
        return;
    }
    if (map_count(&script->controller->by_id) >= JOBS_MAX) {
        (void)snprintf(script->message, sizeof(script->message), "there are 1,000 jobs: delete some that have ended");
        return;
    }
    script->job_name = job_name(script, plan);
    script->waits_end = setting_is_true(script, "table.dml-sync");
    io_random(job__io(script->controller->jobs), span_of(random, sizeof(random)));
    for (size_t i = 0; i < sizeof(random); i++) {
        (void)snprintf(script->job_id + 2 * i, 3, "%02x", random[i]);
    }
    script->change = (struct meta_change){.kind = META_ALLOCATE_PRODUCER_IDS, .count = 1, .done = job_ids};
    script->away = true;
    meta_submit(script->controller->jobs->options.meta, &script->change);
}

static void query_over(struct job *job, const char *failure)
{
    struct job_script *script = job->query_context;

    script->query = NULL;
    script->call->work = script;
    script->call->on_cancel = script_canceled;
    if (failure != NULL) {
        statement_failed(script, failure);
    } else {
        statement_done(script, false, (struct view){0}, NULL);
    }
}

static void statement_run(struct job_script *script, struct sql_answer *answer, struct view text)
{
    struct view own = view_of(text.base + script->statement->place.offset, script->statement->place.len);
    bool        is_query = answer->is_query;

    script->job_script = sql_catalog_script(job__session_catalog(script->session), own, &script->work);
    if (script->job_script.base == NULL) {
        (void)snprintf(script->message, sizeof(script->message), "the statement and what it needs are too long");
    } else if (is_query && script->call->request->rows == NULL) {
        (void)snprintf(script->message, sizeof(script->message), "nobody is there to take the rows of a SELECT");
    } else if (job__plan_check(answer->plan, is_query, script->message, sizeof(script->message)) && !is_query) {
        job_submit_plan(script, answer->plan);
    }
    sql_plan_release(answer->plan);
    if (script->message[0] != '\0') {
        statement_failed(script, script->message);
    } else if (is_query) {
        script->away = true;
        job__query_begin(script->controller, script->call, script->job_script, query_over, script);
    }
}

/* --- SHOW JOBS, STOP JOB ------------------------------------------------------------------------------------------ */

static void statement_show_jobs(struct job_script *script)
{
    struct job_controller *controller = script->controller;
    size_t                 capacity = (map_count(&controller->by_id) + 1) * SHOW_LINE_BYTES, len;
    char                  *text = mem_alloc(MEM_JOB, capacity), time[VEC_TIME_TEXT_BYTES];

    len = (size_t)snprintf(text, capacity, "job id\tjob name\tstatus\tstart time\n");
    LIST_EACH(&controller->list, node) {
        const struct job *job = LIST_ENTRY(node, struct job, link);

        (void)vec_timestamp_format(vec_civil_of_timestamp(job->definition.start_ms, 1000), 'T', 3, time);
        len += (size_t)snprintf(text + len, capacity - len, "%s\t%.*s\t%s\t%s\n", job->id,
                                (int)MIN(job->definition.name.len, (size_t)512),
                                (const char *)job->definition.name.base, job_status_name(job->status), time);
    }
    statement_done(script, true, view_of(text, len), NULL);
    mem_free(MEM_JOB, text);
}

static void show_jobs_ready(void *context, int16_t error)
{
    struct job_script *script = context;

    if (error != 0) {
        statement_failed(script, "the log of jobs cannot be read at the moment");
    } else {
        statement_show_jobs(script);
    }
}

static void job_stopped(struct job_waiter *waiter, struct job *job, const char *failure)
{
    struct job_script *script = CONTAINER_OF(waiter, struct job_script, waiter);
    char               text[128];

    (void)job;
    if (failure != NULL) {
        statement_failed(script, failure);
    } else if (script->savepoint.len > 0) { /* as Flink shows it */
        (void)snprintf(text, sizeof(text), "savepoint path\n%.*s\n", (int)script->savepoint.len,
                       (const char *)script->savepoint.base);
        statement_done(script, true, view_text(text), NULL);
    } else {
        statement_done(script, false, (struct view){0}, NULL);
    }
}

static void statement_stop_job(struct job_script *script)
{
    const struct sql_statement *statement = script->statement;
    char                        name[64] = "";

    if (statement->with_drain) {
        statement_failed(script, "Flink has STOP JOB .. WITH DRAIN, Millrace not yet: WITH SAVEPOINT is there");
        return;
    }
    if (statement->with_savepoint) {
        (void)snprintf(name, sizeof(name), "savepoint-%.*s-%016" PRIx64, (int)MIN(statement->key.len, 6),
                       (const char *)statement->key.base, io_random_u64(job__io(script->controller->jobs)));
    }
    script->savepoint = arena_copy(&script->work, view_text(name));
    script->away = true;
    script->waiter = (struct job_waiter){.done = job_stopped};
    list_init(&script->waiter.link);
    job__verb(script->controller, JOB_REQUEST_STOP, statement->key, script->savepoint, &script->waiter);
}

static void statement_explain_job(struct job_script *script)
{
    const struct job *job = job__find(script->controller, script->statement->key);
    char             *text;

    if (job == NULL || job->run == NULL || job->run->exec == NULL) {
        statement_failed(script, job == NULL ? "there is no such job" : "the job does not run at the moment");
        return;
    }
    text = mem_alloc(MEM_JOB, EXPLAIN_BYTES);
    (void)job__explain(job, text, EXPLAIN_BYTES);
    statement_done(script, false, view_text(text), NULL);
    mem_free(MEM_JOB, text);
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static void statement_answered(struct job_script *script, struct sql_answer *answer, struct view text)
{
    switch (answer->outcome) {
    case SQL_TABLE:
        statement_done(script, true, answer->text, NULL);
        break;
    case SQL_RUN:
        statement_run(script, answer, text);
        break;
    case SQL_SHOW_JOBS:
        script->away = true;
        job__controller_commit(script->controller, show_jobs_ready, script);
        break;
    case SQL_STOP_JOB:
        statement_stop_job(script);
        break;
    case SQL_EXPLAIN_JOB:
        statement_explain_job(script);
        break;
    case SQL_DONE:
        if (script->statement->kind == SQL_STATEMENT_CREATE_TABLE ||
            script->statement->kind == SQL_STATEMENT_CREATE_VIEW) {
            statement_created(script, text);
        } else if (script->statement->kind == SQL_STATEMENT_DROP_TABLE ||
                   script->statement->kind == SQL_STATEMENT_DROP_VIEW) {
            statement_dropped(script, text);
        } else {
            statement_done(script, false, answer->text, NULL);
        }
        break;
    }
}

/* The same CREATE again changes nothing: a file that declares its tables and inserts may be run again and again. */
static bool statement_is_known(const struct job_script *script)
{
    const struct sql_statement *statement = script->statement;
    struct view                 text = script->call->request->text;
    const struct sql_name      *name = statement->kind == SQL_STATEMENT_CREATE_TABLE  ? statement->create_table->name
                                       : statement->kind == SQL_STATEMENT_CREATE_VIEW ? statement->create_view->name
                                                                                      : NULL;
    const struct job_object    *object;

    if (name == NULL || statement->temporary) {
        return false;
    }
    object = job__object_find(script->controller, last_name(name));
    return object != NULL &&
           job__same_statement(object->statement, view_of(text.base + statement->place.offset, statement->place.len));
}

static void script_step(struct job_script *script)
{
    struct view       text = script->call->request->text;
    struct sql_answer answer = {0};
    struct sql_error  error = {0};

    if (script->statement == NULL) {
        script_done(script, ERR_OK, NULL);
        return;
    }
    if (statement_is_known(script)) {
        statement_done(script, false, (struct view){0}, NULL);
        return;
    }
    arena_reset(&script->work);
    if (!sql_execute(job__session_catalog(script->session), script->statement, text, &script->work, &answer, &error)) {
        (void)sql_error_format(&error, text, script->message, sizeof(script->message));
        statement_failed(script, script->message);
        return;
    }
    statement_answered(script, &answer, text);
}

void job__script_begin(struct job_controller *controller, struct job_call *call)
{
    struct job_script *script = mem_alloc(MEM_JOB, sizeof(*script));
    struct sql_error   error = {0};

    script->controller = controller;
    script->call = call;
    call->work = script;
    call->on_cancel = script_canceled;
    arena_init(&script->arena, MEM_JOB, SCRIPT_BLOCK_BYTES, SCRIPT_BYTES_MAX);
    arena_init(&script->work, MEM_JOB, SCRIPT_BLOCK_BYTES, SCRIPT_BYTES_MAX);
    list_init(&script->link);
    list_push_back(&controller->scripts, &script->link);
    script->session = job__session_take(controller, call->request->session);
    script->statement = sql_parse(call->request->text, &script->arena, &error);
    if (script->session == NULL) {
        statement_failed(script, "the session is busy, or there are too many");
    } else if (error.kind != SQL_OK) {
        (void)sql_error_format(&error, call->request->text, script->message, sizeof(script->message));
        statement_failed(script, script->message);
    } else {
        script_go_on(script);
    }
}

void job__scripts_end(struct job_controller *controller, const char *message)
{
    LIST_EACH(&controller->scripts, node) {
        struct job_script *script = LIST_ENTRY(node, struct job_script, link);

        script->ending = message;
        if (script->waits_for != NULL) {
            list_remove(&script->waiter.link);
            script->waits_for = NULL;
            script_go_on(script);
        }
    }
    LIST_EACH(&controller->queries, node) {
        job__stop(LIST_ENTRY(node, struct job, link), JOB_AFTER_FORGET);
    }
}
