/* worker_rig.c: see worker_rig.h. */
#include "tests/unit/job/worker_rig.h"

#include "compute/format/format_text.h"
#include "compute/sql/sql_parse.h"

#include <stdio.h>
#include <stdlib.h>

struct worker_rig wr;

#define WR_SETTLE_NS (300 * NS_PER_MS)

/* --- the controller -------------------------------------------------------------------------------------------------
 */

void job__controller_report(struct job_run *run, uint32_t worker, enum job_report_kind kind, int64_t epoch,
                            struct job_share *share, const char *message)
{
    assert_ptr_equal(run, &wr.run);
    switch (kind) {
    case JOB_REPORT_STARTED:
        wr.started++;
        break;
    case JOB_REPORT_ENDED:
        wr.ended++;
        break;
    case JOB_REPORT_REACHED:
        assert_int_equal(share->worker, worker);
        assert_int_equal(share->epoch, epoch);
        assert_null(wr.shares[worker]);
        wr.shares[worker] = share;
        wr.reached++;
        break;
    case JOB_REPORT_MARKED:
        wr.marked++;
        break;
    case JOB_REPORT_FAILED:
        if (wr.failure[0] == '\0') {
            (void)snprintf(wr.failure, sizeof(wr.failure), "%s", message);
        }
        break;
    case JOB_REPORT_GONE:
        wr.gone++;
        break;
    }
}

/* --- sinks ----------------------------------------------------------------------------------------------------------
 */

struct wr_wait {
    struct io_op op;
    void (*done)(void *context, bool good);
    void (*ended)(void *context);
    void *context;
};

struct job_sinks {
    struct io *io;
    uint32_t   worker;
    int64_t    epoch;
    void (*ready)(void *context);
    void          *context;
    struct wr_wait await, mark, end;
    bool           awaiting, ended;
};

struct job_sinks *job__sinks_create(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                    void (*ready)(void *context), void *context)
{
    struct job_sinks *sinks = mem_alloc(MEM_TEST, sizeof(*sinks));

    assert_ptr_equal(run, &wr.run);
    sinks->io = job__io(jobs);
    sinks->worker = worker;
    sinks->epoch = -1;
    sinks->ready = ready;
    sinks->context = context;
    wr.sinks[worker] = sinks;
    return sinks;
}

void job__sinks_destroy(struct job_sinks *sinks)
{
    assert_true(sinks->ended);
    wr.sinks[sinks->worker] = NULL;
    mem_free(MEM_TEST, sinks);
}

static void row_add(struct job_sinks *sinks, uint32_t sink, const struct vec_chunk *chunk, size_t row)
{
    struct format_text text = {0};
    char               head[32];

    (void)snprintf(head, sizeof(head), "%u %s", sink, format_change_name(vec_chunk_change(chunk, row)));
    format_text_put_string(&text, head);
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        format_text_put_string(&text, i == 0 ? " " : ", ");
        format_text_put_value(&text, &chunk->columns[i], row, FORMAT_STYLE_PRINT);
    }
    if (wr.row_count == wr.row_capacity) {
        wr.row_capacity = MAX((size_t)64, wr.row_capacity * 2);
        wr.rows = mem_realloc(MEM_TEST, wr.rows, wr.row_capacity * sizeof(*wr.rows));
    }
    wr.rows[wr.row_count++] = (struct wr_row){
        .epoch = sinks->epoch, .worker = sinks->worker, .text = mem_copy_text(MEM_TEST, view_of(text.base, text.len))};
    format_text_deinit(&text);
}

bool job__sinks_write(struct job_sinks *sinks, uint32_t sink, const struct vec_chunk *chunk, char *message,
                      size_t message_capacity)
{
    assert_true(sinks->epoch >= 0);
    if (wr.write_failure != NULL) {
        (void)snprintf(message, message_capacity, "%s", wr.write_failure);
        return false;
    }
    for (size_t i = 0; i < chunk->selected_count; i++) {
        row_add(sinks, sink, chunk, vec_chunk_row(chunk, i));
    }
    return true;
}

void wr_room(void)
{
    wr.full = false;
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        wr.sinks[i]->ready(wr.sinks[i]->context);
    }
}

void job__sinks_counts(const struct job_sinks *sinks UNUSED, uint64_t *out_rows, uint64_t *out_bytes)
{
    *out_rows = wr.row_count;
    *out_bytes = 0;
}

bool job__sinks_full(struct job_sinks *sinks UNUSED)
{
    return wr.full;
}

const char *job__sinks_failure(const struct job_sinks *sinks UNUSED)
{
    return wr.sink_failure;
}

void job__sinks_begin(struct job_sinks *sinks, int64_t epoch)
{
    assert_true(epoch > sinks->epoch);
    sinks->epoch = epoch;
}

void job__sinks_flush(struct job_sinks *sinks)
{
    assert_false(sinks->ended);
}

static void sinks_posted(struct io_op *op)
{
    struct wr_wait *wait = CONTAINER_OF(op, struct wr_wait, op);

    wait->done(wait->context, wr.sink_failure == NULL);
}

static void sinks_wait(struct job_sinks *sinks, struct wr_wait *wait, void (*done)(void *context, bool good),
                       void *context)
{
    wait->done = done;
    wait->context = context;
    io_post(sinks->io, &wait->op, sinks_posted);
}

void job__sinks_await(struct job_sinks *sinks, int64_t epoch, struct job_share *share,
                      void (*done)(void *context, bool good), void *context)
{
    assert_int_equal(epoch, sinks->epoch);
    assert_int_equal(share->epoch, epoch);
    sinks_wait(sinks, &sinks->await, done, context);
}

void job__sinks_mark(struct job_sinks *sinks, int64_t epoch, bool commit, void (*done)(void *context, bool good),
                     void *context)
{
    for (size_t i = 0; commit && i < wr.row_count; i++) {
        if (wr.rows[i].worker == sinks->worker && wr.rows[i].epoch == epoch) {
            wr.rows[i].committed = true;
        }
    }
    sinks_wait(sinks, &sinks->mark, done, context);
}

static void sinks_end_posted(struct io_op *op)
{
    struct wr_wait   *wait = CONTAINER_OF(op, struct wr_wait, op);
    struct job_sinks *sinks = CONTAINER_OF(wait, struct job_sinks, end);

    sinks->ended = true;
    wait->ended(wait->context);
}

/* What is not committed goes. */
void job__sinks_end(struct job_sinks *sinks, bool abort UNUSED, void (*done)(void *context), void *context)
{
    size_t kept = 0;

    for (size_t i = 0; i < wr.row_count; i++) {
        if (wr.rows[i].committed || wr.rows[i].worker != sinks->worker) {
            wr.rows[kept++] = wr.rows[i];
        } else {
            mem_free(MEM_TEST, wr.rows[i].text);
        }
    }
    wr.row_count = kept;
    sinks->end.ended = done;
    sinks->end.context = context;
    io_post(sinks->io, &sinks->end.op, sinks_end_posted);
}

/* --- life -----------------------------------------------------------------------------------------------------------
 */

static void jobs_make(void)
{
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        wr.jobs[i].options = (struct job_shard_options){.shard = rig.shards[i].shard,
                                                        .meta = rig.shards[i].meta,
                                                        .parts = rig.shards[i].parts,
                                                        .by_shard = wr.by_shard};
        wr.by_shard[i] = &wr.jobs[i];
        job__pace_init(&wr.jobs[i].pace, rig.shards[i].shard, rig.shards[i].parts);
    }
}

void wr_restart(void)
{
    assert_false(wr.running);
    rig_stop();
    assert_int_equal(rig_start(), ERR_OK);
    jobs_make();
}

void wr_create(uint32_t shard_count, uint64_t seed)
{
    int32_t                  leaders[RIG_SHARDS_MAX];
    struct meta_create_topic log = {.name = view_text("__millrace_job_1"),
                                    .partition_count = (int32_t)shard_count,
                                    .replication_factor = 1,
                                    .assignment = leaders};

    rig_create(shard_count, seed);
    assert_int_equal(rig_start(), ERR_OK);
    wr = (struct worker_rig){.cpu_percent = 100, .flush_interval_ms = 0, .memory_bytes_max = 256 * MIB};
    for (uint32_t i = 0; i < shard_count; i++) {
        leaders[i] = RIG_NODE + (int32_t)i;
    }
    jobs_make();
    assert_int_equal(rig_create_entry(0, &log), 0);
    wr.run.log_topic_id = rig_topic(0, "__millrace_job_1")->id;
    wr.catalog = sql_catalog_create();
    arena_init(&wr.arena, MEM_TEST, 64 * KIB, SIZE_MAX);
}

static void plan_free(void)
{
    if (wr.plan != NULL) {
        sql_plan_release(wr.plan);
        wr.plan = NULL;
    }
}

static void from_free(void)
{
    mem_free(MEM_JOB, wr.from.sources);
    mem_free(MEM_JOB, wr.from.states);
    wr.from = (struct job_share){0};
    wr.has_from = false;
}

void wr_destroy(void)
{
    if (wr.running) {
        wr_stop();
    }
    plan_free();
    from_free();
    sql_catalog_destroy(wr.catalog);
    arena_deinit(&wr.arena);
    for (size_t i = 0; i < wr.row_count; i++) {
        mem_free(MEM_TEST, wr.rows[i].text);
    }
    mem_free(MEM_TEST, wr.rows);
    rig_stop();
    rig_destroy();
    wr = (struct worker_rig){0};
}

void wr_plan(const char *script)
{
    struct sql_error      error = {0};
    struct view           text = arena_copy(&wr.arena, view_text(script));
    struct sql_statement *statement = sql_parse(text, &wr.arena, &error);
    struct sql_answer     answer = {0};

    plan_free();
    if (statement == NULL) {
        fail_msg("%s", error.message);
    }
    for (; statement != NULL; statement = statement->next) {
        if (!sql_execute(wr.catalog, statement, text, &wr.arena, &answer, &error)) {
            fail_msg("%s", error.message);
        }
    }
    assert_int_equal(answer.outcome, SQL_RUN);
    wr.plan = answer.plan;
}

/* --- a run ----------------------------------------------------------------------------------------------------------
 */

static bool has_started(void *context UNUSED)
{
    return wr.failure[0] != '\0' || wr.started == rig.shard_count;
}

static bool has_reached(void *context UNUSED)
{
    return wr.failure[0] != '\0' || wr.reached == rig.shard_count;
}

static bool has_marked(void *context UNUSED)
{
    return wr.failure[0] != '\0' || wr.marked == rig.shard_count;
}

static bool has_gone(void *context UNUSED)
{
    return wr.gone == rig.shard_count;
}

static bool has_failed(void *context UNUSED)
{
    return wr.failure[0] != '\0';
}

void wr_start_only(void)
{
    struct job_run *run = &wr.run;

    assert_false(wr.running);
    run->plan = wr.plan;
    run->exec =
        exec_job_create(&wr.plan->exec, &(struct exec_options){.worker_count = rig.shard_count,
                                                               .memory_bytes_max = wr.memory_bytes_max,
                                                               .sink = {.write = job__worker_write, .context = run},
                                                               .barrier = job__worker_passed,
                                                               .barrier_context = run,
                                                               .piece_rows = 4,
                                                               .keeps_changes = true});
    assert_non_null(run->exec);
    run->incarnation++;
    run->worker_count = rig.shard_count;
    run->keeps_state = exec_plan_has_state(&wr.plan->exec);
    run->from = wr.has_from ? &wr.from : NULL;
    run->epoch = wr.has_from ? wr.from.epoch : -1;
    run->flush_interval_ms = wr.flush_interval_ms;
    run->cpu_percent = wr.cpu_percent;
    run->snapshot_bytes = wr.snapshot_bytes;
    run->controller = &wr.jobs[0];
    run->workers = wr.workers;
    wr.started = wr.ended = wr.reached = wr.marked = wr.gone = 0;
    wr.finished = false;
    wr.failure[0] = '\0';
    wr.running = true;
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        job__worker_start(run, i);
    }
}

bool wr_start(void)
{
    wr_start_only();
    rig_until(has_started, NULL);
    return wr.failure[0] == '\0';
}

static bool never(void *context UNUSED)
{
    return false;
}

void wr_pass(int64_t duration_ns)
{
    assert_false(sim_run_until(rig.sim, never, NULL, duration_ns));
}

void wr_stop(void)
{
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        job__worker_stop(&wr.run, i, true);
    }
    rig_until(has_gone, NULL);
    job__workers_free(&wr.run);
    exec_job_destroy(wr.run.exec);
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        assert_null(wr.sinks[i]);
        job__share_free(wr.shares[i]);
        wr.shares[i] = NULL;
    }
    wr.running = false;
}

void wr_ask_barrier(void)
{
    wr.reached = 0;
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        job__worker_barrier(&wr.run, i, wr.run.epoch + 1);
    }
}

bool wr_reach(void)
{
    wr_ask_barrier();
    rig_until(has_reached, NULL);
    return wr.failure[0] == '\0';
}

static void from_sources(const struct job_share *share)
{
    for (size_t i = 0; i < share->source_count; i++) {
        size_t at = 0;

        while (at < wr.from.source_count && (wr.from.sources[at].source != share->sources[i].source ||
                                             wr.from.sources[at].partition != share->sources[i].partition ||
                                             !uuid_equal(wr.from.sources[at].topic_id, share->sources[i].topic_id))) {
            at++;
        }
        if (at == wr.from.source_count) {
            wr.from.sources = mem_realloc(MEM_JOB, wr.from.sources, (at + 1) * sizeof(*wr.from.sources));
            wr.from.source_count++;
        }
        wr.from.sources[at] = share->sources[i];
    }
}

static void from_states(const struct job_share *share)
{
    size_t kept = 0;

    for (size_t i = 0; share->is_snapshot && i < wr.from.state_count; i++) {
        if (wr.from.states[i].worker != share->worker) {
            wr.from.states[kept++] = wr.from.states[i];
        }
    }
    wr.from.state_count = share->is_snapshot ? kept : wr.from.state_count;
    for (size_t i = 0; i < share->state_count; i++) {
        assert_true(share->states[i].first >= 0 && share->states[i].first < share->states[i].end);
        wr.from.states = mem_realloc(MEM_JOB, wr.from.states, (wr.from.state_count + 1) * sizeof(*wr.from.states));
        wr.from.states[wr.from.state_count++] = share->states[i];
    }
}

void wr_commit(void)
{
    wr.marked = 0;
    wr.run.epoch++;
    wr.finished = true;
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        assert_int_equal(wr.shares[i]->epoch, wr.run.epoch);
        from_sources(wr.shares[i]);
        from_states(wr.shares[i]);
        wr.finished = wr.finished && wr.shares[i]->finished;
        job__share_free(wr.shares[i]);
        wr.shares[i] = NULL;
    }
    wr.from.epoch = wr.run.epoch;
    wr.has_from = true;
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        job__worker_committed(&wr.run, i, wr.run.epoch);
    }
    rig_until(has_marked, NULL);
}

bool wr_epoch(void)
{
    if (!wr_reach()) {
        return false;
    }
    wr_commit();
    return wr.failure[0] == '\0';
}

void wr_settle(void)
{
    size_t before;

    do {
        before = wr.row_count;
    } while (!sim_run_until(rig.sim, has_failed, NULL, WR_SETTLE_NS) && wr.row_count != before);
}

bool wr_finish(void)
{
    for (int i = 0; i < 1000 && !wr.finished; i++) {
        if (!wr_epoch()) {
            return false;
        }
    }
    assert_true(wr.finished);
    return true;
}

void wr_until_failure(void)
{
    rig_until(has_failed, NULL);
}

/* --- rows -----------------------------------------------------------------------------------------------------------
 */

static int order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *wr_committed(void)
{
    char             **texts = mem_alloc(MEM_TEST, (wr.row_count + 1) * sizeof(*texts));
    struct format_text all = {0};
    size_t             count = 0;
    const char        *result;

    for (size_t i = 0; i < wr.row_count; i++) {
        if (wr.rows[i].committed) {
            texts[count++] = wr.rows[i].text;
        }
    }
    qsort(texts, count, sizeof(*texts), order);
    for (size_t i = 0; i < count; i++) {
        format_text_put_string(&all, texts[i]);
        format_text_put_string(&all, "\n");
    }
    result = (const char *)arena_copy(&wr.arena, view_of(all.base == NULL ? "" : all.base, all.len)).base;
    mem_free(MEM_TEST, texts);
    format_text_deinit(&all);
    return result;
}

int64_t wr_fold(const char *key)
{
    size_t  len = strlen(key);
    int64_t value = INT64_MIN;

    for (size_t i = 0; i < wr.row_count; i++) {
        const char *text = wr.rows[i].text;

        if (!wr.rows[i].committed || strncmp(text, "0 ", 2) != 0 || strncmp(text + 5, key, len) != 0 ||
            strncmp(text + 5 + len, ", ", 2) != 0) {
            continue;
        }
        if (strncmp(text + 2, "+I", 2) == 0 || strncmp(text + 2, "+U", 2) == 0) {
            value = strtoll(text + 5 + len + 2, NULL, 10);
        } else if (strncmp(text + 2, "-D", 2) == 0) {
            value = INT64_MIN;
        }
    }
    return value;
}

size_t wr_row_count(void)
{
    return wr.row_count;
}
