/* cli_sql_run.c: one plan over its workers: threads, partitions, clocks, progress, failure.
 *
 * A worker takes whole partitions. Among several it reads from the one of which the smallest part has been read, so
 * that inputs that cover the same time advance together and joins keep little. */
#include "core/base/check.h"
#include "tools/cli/cli_out.h"
#include "tools/cli/cli_sql.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define RUN_IDLE_NS   50000
#define RUN_TICK_MS   100
#define RUN_STEPS_MAX 1000 /* of other workers' chunks between two of our own */
#define RUN_FLUSH_MS  1000 /* changes that somebody watches do not wait longer */

struct run;

struct run_worker {
    struct run            *run;
    uint32_t               index;
    struct exec_worker    *exec;
    struct sql_partition **partitions; /* those that are not through */
    size_t                 count;
    uint64_t               rows, rows_since_flush;
    int64_t                flushed_ms;
    atomic_uint_fast64_t   records;
    pthread_t              thread;
    bool                   is_thread;
    struct sql_partition  *pushing; /* NULL: none */
    enum cli_exit          code;
};

struct run {
    struct sql_session    *session;
    const struct sql_plan *plan;
    struct exec_job       *job;
    struct sql_sinks      *sinks;
    struct sql_partition **partitions;
    size_t                 partition_count;
    struct run_worker     *workers;
    bool                   watched; /* changes are shown as they happen */
    atomic_bool            stop;    /* asked by the user, nobody reads the output any more, or all is said */
    atomic_uint            open;    /* workers that run */
    struct cli_progress    progress;
    int64_t                began_ms;
};

/* --- time -------------------------------------------------------------------------------------------------------- */

static int64_t run_now_ms(const struct run_worker *worker)
{
    const struct sql_clock *clock = &worker->run->session->clock;

    if (!clock->injected) {
        return cli_now_ms();
    }
    return clock->now_ms + (clock->rate == 0 ? 0 : (int64_t)(worker->rows * 1000 / (uint64_t)clock->rate));
}

/* Rows that may be pushed together: an injected clock stands still within a chunk. */
static size_t run_record_max(const struct run_worker *worker)
{
    const struct sql_session *session = worker->run->session;
    size_t                    max = session->rows_max;

    if (session->flush_rows > 0) {
        max = MIN(max, session->flush_rows - worker->rows_since_flush);
    }
    if (session->clock.injected && session->clock.rate > 0) {
        uint64_t rate = (uint64_t)session->clock.rate, tick = worker->rows * 1000 / rate + 1;

        max = MIN(max, div_ceil_u64(tick * rate, 1000) - worker->rows);
    }
    return max;
}

/* --- one worker -------------------------------------------------------------------------------------------------- */

static void run_fail(struct run_worker *worker, const char *message)
{
    worker->code = CLI_FAILED;
    exec_job_fail(worker->run->job, message);
}

static bool run_flush_if_due(struct run_worker *worker)
{
    const struct run *run = worker->run;
    bool              due = run->session->flush_rows > 0 ? worker->rows_since_flush >= run->session->flush_rows
                                                         : run->watched && worker->rows_since_flush > 0;

    if (!due && run->watched && worker->rows_since_flush > 0) {
        due = cli_clock_ms() - worker->flushed_ms >= RUN_FLUSH_MS;
    }
    if (!due) {
        return true;
    }
    worker->rows_since_flush = 0;
    worker->flushed_ms = cli_clock_ms();
    return exec_worker_flush(worker->exec);
}

/* The partition of which the smallest part has been read. */
static size_t run_choose(const struct run_worker *worker)
{
    size_t chosen = 0;
    double lowest = 2;

    for (size_t i = 0; i < worker->count && worker->count > 1; i++) {
        uint64_t size = sql_partition_size(worker->partitions[i]);
        double   part = size == 0 ? 1 : (double)sql_partition_bytes(worker->partitions[i]) / (double)size;

        if (part < lowest) {
            lowest = part;
            chosen = i;
        }
    }
    return chosen;
}

static bool run_end_partition(struct run_worker *worker, size_t at)
{
    struct sql_partition *partition = worker->partitions[at];

    memmove(&worker->partitions[at], &worker->partitions[at + 1],
            (worker->count - at - 1) * sizeof(*worker->partitions));
    worker->count--;
    return exec_worker_end(worker->exec, sql_partition_scan(partition), sql_partition_number(partition));
}

static bool run_push(struct run_worker *worker, struct sql_partition *partition, const struct vec_chunk *chunk,
                     size_t record_count)
{
    bool good = exec_worker_time(worker->exec, run_now_ms(worker));

    worker->rows += record_count;
    worker->rows_since_flush += record_count;
    atomic_fetch_add_explicit(&worker->records, record_count, memory_order_relaxed);
    worker->pushing = partition;
    good = good && (chunk->selected_count == 0 || exec_worker_push(worker->exec, sql_partition_scan(partition),
                                                                   sql_partition_number(partition), chunk));
    if (good) {
        worker->pushing = NULL;
    }
    return good && run_flush_if_due(worker);
}

/* Reads from one partition once. False: the job has failed. */
static bool run_read(struct run_worker *worker)
{
    size_t                at = run_choose(worker);
    struct sql_partition *partition = worker->partitions[at];
    struct vec_chunk      chunk;
    size_t                record_count = 0;
    char                  message[SQL_SAY_BYTES];

    switch (sql_partition_pull(partition, run_record_max(worker), &chunk, &record_count, message)) {
    case SQL_PULLED_ROWS:
        return run_push(worker, partition, &chunk, record_count);
    case SQL_PULLED_NONE:
        sql_sinks_show(worker->run->sinks, worker->index);
        if (!worker->run->session->clock.injected && !exec_worker_time(worker->exec, run_now_ms(worker))) {
            return false;
        }
        return run_flush_if_due(worker);
    case SQL_PULLED_END:
        return run_end_partition(worker, at);
    default:
        run_fail(worker, message);
        return false;
    }
}

static void run_show_progress(struct run *run);

static bool run_is_asked_to_stop(struct run_worker *worker)
{
    struct run *run = worker->run;

    if (cli_stop_asked != 0 || sql_sinks_are_closed(run->sinks) || sql_sinks_are_full(run->sinks)) {
        atomic_store(&run->stop, true);
    }
    return atomic_load_explicit(&run->stop, memory_order_relaxed);
}

static void run_pause(void)
{
    struct timespec pause = {.tv_nsec = RUN_IDLE_NS};

    (void)nanosleep(&pause, NULL);
}

static void run_loop(struct run_worker *worker)
{
    enum exec_progress progress = EXEC_BUSY;

    while (!run_is_asked_to_stop(worker)) {
        if (worker->count > 0 && progress != EXEC_BLOCKED && !run_read(worker)) {
            return;
        }
        progress = EXEC_BUSY;
        for (int i = 0; i < RUN_STEPS_MAX && progress == EXEC_BUSY; i++) {
            progress = exec_worker_step(worker->exec);
        }
        if (progress == EXEC_FINISHED || progress == EXEC_FAILED) {
            return;
        }
        if (progress == EXEC_BLOCKED || (progress == EXEC_IDLE && worker->count == 0)) {
            run_pause();
        }
        if (!worker->is_thread && cli_progress_due(&worker->run->progress)) {
            run_show_progress(worker->run);
        }
    }
}

static void *run_thread(void *context)
{
    struct run_worker *worker = context;

    run_loop(worker);
    atomic_fetch_sub(&worker->run->open, 1);
    return NULL;
}

/* --- progress ---------------------------------------------------------------------------------------------------- */

static uint64_t run_records(const struct run *run)
{
    uint64_t records = 0;

    for (uint32_t i = 0; i < run->session->worker_count; i++) {
        records += atomic_load_explicit(&run->workers[i].records, memory_order_relaxed);
    }
    return records;
}

static uint64_t run_bytes(const struct run *run, uint64_t *out_size)
{
    uint64_t bytes = 0;

    *out_size = 0;
    for (size_t i = 0; i < run->partition_count; i++) {
        bytes += sql_partition_bytes(run->partitions[i]);
        *out_size += sql_partition_size(run->partitions[i]);
    }
    return bytes;
}

/* The lowest watermark of the plan's event times, as text; "" when there is none yet. */
static const char *run_watermark(const struct run *run, char out_text[CLI_VALUE_BYTES])
{
    int64_t lowest = EXEC_WATERMARK_END;

    out_text[0] = '\0';
    for (uint32_t i = 0; i < run->plan->exec.node_count; i++) {
        struct exec_stats stats;

        if (run->plan->exec.nodes[i]->kind == EXEC_WATERMARK) {
            exec_job_stats(run->job, i, &stats);
            lowest = MIN(lowest, stats.watermark_us);
        }
    }
    if (lowest != EXEC_WATERMARK_END && lowest != EXEC_WATERMARK_NONE) {
        cli_format_time(lowest / 1000, out_text);
    }
    return out_text;
}

static void run_show_progress(struct run *run)
{
    uint64_t size = 0, bytes = run_bytes(run, &size), records = run_records(run);
    int64_t  ms = MAX(cli_clock_ms() - run->began_ms, 1);
    char     size_text[CLI_VALUE_BYTES], rate_text[CLI_VALUE_BYTES], time_text[CLI_VALUE_BYTES], part[16] = "";

    cli_format_bytes((int64_t)bytes, size_text);
    cli_format_bytes((int64_t)(bytes * 1000 / (uint64_t)ms), rate_text);
    if (size > 0) {
        (void)snprintf(part, sizeof(part), " (%d%%)", (int)(bytes * 100 / size));
    }
    (void)run_watermark(run, time_text);
    cli_progress_show(&run->progress, "%llu rows, %s%s, %llu rows/s, %s/s%s%s", (unsigned long long)records, size_text,
                      part, (unsigned long long)(records * 1000 / (uint64_t)ms), rate_text,
                      time_text[0] == '\0' ? "" : ", watermark ", time_text);
}

/* --- all workers ------------------------------------------------------------------------------------------------- */

static void run_give_partitions(struct run *run)
{
    uint32_t count = run->session->worker_count;

    for (uint32_t i = 0; i < count; i++) {
        struct run_worker *worker = &run->workers[i];

        *worker = (struct run_worker){.run = run, .index = i, .exec = exec_job_worker(run->job, i)};
        worker->partitions = cli_alloc_array(run->session->cli, run->partition_count + 1, sizeof(*worker->partitions));
        worker->flushed_ms = run->began_ms;
    }
    for (size_t i = 0; i < run->partition_count; i++) {
        struct run_worker *worker = &run->workers[i % count];

        worker->partitions[worker->count++] = run->partitions[i];
        exec_worker_open(worker->exec, sql_partition_scan(run->partitions[i]),
                         sql_partition_number(run->partitions[i]));
    }
    for (uint32_t i = 0; i < count; i++) {
        exec_worker_opened(run->workers[i].exec);
    }
}

static void run_threads(struct run *run)
{
    uint32_t count = run->session->worker_count;

    atomic_store(&run->open, count);
    for (uint32_t i = 0; i < count; i++) {
        run->workers[i].is_thread = true;
        if (pthread_create(&run->workers[i].thread, NULL, run_thread, &run->workers[i]) != 0) {
            cli_die(run->session->cli, CLI_FAILED, "no thread can be started for worker %u of %u", i + 1, count);
        }
    }
    while (atomic_load(&run->open) > 0) {
        cli_sleep_ms(run->progress.on ? RUN_TICK_MS : 1);
        if (cli_progress_due(&run->progress)) {
            run_show_progress(run);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)pthread_join(run->workers[i].thread, NULL);
    }
}

static double run_cpu_seconds(void)
{
    struct timespec used = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / (double)NS_PER_S;
}

/* Which record it was where that is known, else the records that were being worked on. */
static void run_say_records(const struct run *run, const struct exec_failure *failure)
{
    char where[SQL_SAY_BYTES];

    for (size_t i = 0; failure->has_row && i < run->partition_count; i++) {
        const struct sql_partition *partition = run->partitions[i];

        if (sql_partition_scan(partition) == failure->scan && sql_partition_number(partition) == failure->partition) {
            sql_partition_where(partition, failure->row, where, sizeof(where));
            cli_say(run->session->cli, "  %s", where);
        }
    }
    for (uint32_t i = 0; !failure->has_row && i < run->session->worker_count; i++) {
        if (run->workers[i].pushing != NULL) {
            sql_partition_where(run->workers[i].pushing, SIZE_MAX, where, sizeof(where));
            cli_say(run->session->cli, "  while working on %s", where);
        }
    }
}

/* The message, where the record stands, and the place in the script. */
static void run_say_failure(const struct run *run, struct view script, const char *script_name)
{
    const struct exec_failure *failure = exec_job_failure(run->job);
    struct sql_error           error = {.kind = SQL_ERROR_PLAN};

    cli_say(run->session->cli, "%s", failure->message);
    run_say_records(run, failure);
    if (failure->node < run->plan->exec.node_count) {
        const struct exec_node *node = run->plan->exec.nodes[failure->node];

        error.place = (struct sql_place){.offset = node->place.offset, .len = node->place.len};
        if (node->place.len == 0 || node->place.offset + node->place.len > script.len) {
            return; /* from a view that another script has made */
        }
        (void)snprintf(error.message, sizeof(error.message), "in this %s", exec_node_kind_name(node->kind));
        sql_say_error(run->session->cli, script_name, script, &error);
    }
}

static enum cli_exit run_result(struct run *run, const struct sql_done *done, struct view script,
                                const char *script_name)
{
    if (exec_job_failure(run->job) != NULL) {
        run_say_failure(run, script, script_name);
        return CLI_FAILED;
    }
    if (cli_stop_asked != 0) {
        cli_say(run->session->cli, "stopped after %llu rows: results are partial", (unsigned long long)done->records);
        return CLI_PARTIAL;
    }
    return CLI_DONE;
}

static struct exec_job *run_make_job(struct run *run)
{
    const struct sql_session *session = run->session;

    return exec_job_create(&run->plan->exec, &(struct exec_options){
                                                 .worker_count = session->worker_count,
                                                 .memory_bytes_max = session->memory_bytes_max,
                                                 .rows_max = MIN(session->rows_max, (uint32_t)VEC_ROWS_MAX),
                                                 .sink = {.write = sql_sinks_write, .context = run->sinks},
                                                 .verify_seed = session->verify_seed,
                                             });
}

static enum cli_exit run_all(struct run *run, struct view script, const char *script_name)
{
    struct sql_done done = {.cpu_seconds = run_cpu_seconds()};
    uint64_t        size = 0;
    enum cli_exit   code;

    run->began_ms = cli_clock_ms();
    run->watched = sql_sinks_are_live(run->sinks);
    cli_progress_init(&run->progress, !run->session->quiet);
    run->progress.on = run->progress.on || run->session->progress;
    run_give_partitions(run);
    if (run->session->worker_count == 1) {
        run_loop(run->workers);
    } else {
        run_threads(run);
    }
    cli_progress_end(&run->progress);
    if (exec_job_failure(run->job) == NULL) {
        sql_sinks_finish(run->sinks);
    }
    done.records = run_records(run);
    done.bytes = run_bytes(run, &size);
    done.elapsed_ms = cli_clock_ms() - run->began_ms;
    done.cpu_seconds = run_cpu_seconds() - done.cpu_seconds;
    done.stopped = cli_stop_asked != 0 || sql_sinks_are_closed(run->sinks);
    code = run_result(run, &done, script, script_name);
    if (run->session->stats) {
        sql_stats_print(run->session, run->plan, run->job, run->sinks, &done);
    }
    return code;
}

enum cli_exit sql_run(struct sql_session *session, const struct sql_plan *plan, struct view script,
                      const char *script_name)
{
    struct run    run = {.session = session, .plan = plan};
    char          message[SQL_SAY_BYTES];
    enum cli_exit code = CLI_USAGE;

    run.workers = cli_alloc_array(session->cli, session->worker_count, sizeof(*run.workers));
    run.sinks = sql_sinks_create(session, plan, message);
    if (run.sinks != NULL) {
        run.partitions = sql_partitions_open(session, plan, &run.partition_count, message, &code);
    }
    if (run.sinks == NULL || run.partitions == NULL) {
        cli_say(session->cli, "%s", message);
    } else {
        run.job = run_make_job(&run);
        if (run.job == NULL) {
            cli_die(session->cli, CLI_FAILED, "out of memory");
        }
        code = run_all(&run, script, script_name);
    }
    exec_job_destroy(run.job);
    sql_partitions_close(run.partitions, run.partition_count);
    sql_sinks_destroy(run.sinks);
    return code;
}
