/* A worker's turns in its shard's loop.
 *
 * A turn is a few units of work: a step of the engine, a chunk from a source, a piece of a flush or of the state. It
 * comes when nothing else waits for the loop (job_pace.h), and ends when its slice is over, or, between two units, when
 * something does; what a chunk may cost is learned from the ones before, so that others wait for about TURN_UNIT_NS.
 * With nothing to do the worker sleeps until a partition has more, a worker has sent something, the sinks have room, or
 * a clock says so. */
#include "compute/job/job_worker.h"

#define TURN_NS        (300 * NS_PER_US)
#define TURN_UNIT_NS   (100 * NS_PER_US) /* others wait for so much */
#define TURN_UNITS_MAX 64                /* where the clock stands still */
#define USED_MAX_NS    (10 * TURN_NS)    /* of one turn: more is another process's */
#define REST_MAX_NS    NS_PER_S
#define TURN_ROWS_MIN  128               /* fewer waste what vectors are for */
#define TURN_TICK_NS   (100 * NS_PER_MS) /* time goes on without rows */
#define TURN_LINGER_NS (20 * NS_PER_MS)  /* rows wait so long for a fuller batch */

enum unit { UNIT_BUSY, UNIT_IDLE, UNIT_BLOCKED, UNIT_FULL, UNIT_FAILED };

static void worker_turn(struct job_pace_worker *pace);

/* --- mail among workers ---------------------------------------------------------------------------------------------
 */

static void wake_send(struct job_wake *wake);

static void wake_back(struct io_mail *mail, struct io_shard *to UNUSED)
{
    struct job_wake   *wake = CONTAINER_OF(mail, struct job_wake, mail);
    struct job_worker *worker = wake->from;

    wake->away = false;
    worker->wakes_away--;
    if (worker->state == WORKER_STOPPING) {
        job__worker_drain(worker);
    } else if (wake->again) {
        wake->again = false;
        wake_send(wake);
    }
}

static void wake_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct job_wake *wake = CONTAINER_OF(mail, struct job_wake, mail);

    job__worker_wake(wake->to);
    io_shard_send(to, wake->from->index, mail, wake_back);
}

static void wake_send(struct job_wake *wake)
{
    if (wake->away) {
        wake->again = true;
        return;
    }
    wake->away = true;
    wake->from->wakes_away++;
    io_shard_send(wake->from->jobs->options.shard, wake->to->index, &wake->mail, wake_deliver);
}

/* The others look at their rings once more after they have said that they sleep; here the rings come first, then the
 * look at who sleeps. So one of the two sees the other: `asleep` is only exchanged, never just read or written, and of
 * two exchanges the later one sees what came before the earlier. */
void job__worker_wake_others(struct job_worker *worker)
{
    uint64_t sent;

    if (worker->run->worker_count == 1) {
        return;
    }
    sent = exec_worker_take_sent(worker->exec);
    for (uint32_t i = 0; i < worker->run->worker_count; i++) {
        uint32_t asleep = i == worker->index ? WORKER_AWAKE
                                             : __atomic_fetch_or(&worker->run->workers[i]->asleep, 0, __ATOMIC_SEQ_CST);

        if (asleep == WORKER_BLOCKED || (asleep == WORKER_ASLEEP && (sent >> i & 1) != 0)) {
            wake_send(&worker->wakes[i]);
        }
    }
}

void job__worker_wake(struct job_worker *worker)
{
    if (worker->state != WORKER_RUNNING || worker->posted || worker->is_resting) {
        return;
    }
    worker->posted = true;
    worker->pace.turn = worker_turn;
    job__pace_wake(&worker->jobs->pace, &worker->pace);
}

/* --- clocks ---------------------------------------------------------------------------------------------------------
 */

static bool tell_time(struct job_worker *worker)
{
    int64_t now_ms = io_wall_ms(job__io(worker->jobs));

    if (now_ms <= worker->told_ms) { /* the wall clock may jump: time does not go back */
        return true;
    }
    worker->told_ms = now_ms;
    return exec_worker_time(worker->exec, now_ms);
}

static int64_t flush_due_ns(const struct job_worker *worker)
{
    return worker->has_pushed ? worker->flushed_ns + worker->run->flush_interval_ms * NS_PER_MS : INT64_MAX;
}

static int64_t send_due_ns(const struct job_worker *worker)
{
    return worker->has_written ? worker->sent_ns + TURN_LINGER_NS : INT64_MAX;
}

/* What clocks ask for, between two barriers. False: failed. */
static bool do_due(struct job_worker *worker)
{
    int64_t now_ns = io_now_ns(job__io(worker->jobs));

    if (now_ns >= flush_due_ns(worker)) {
        worker->has_pushed = false;
        worker->flushed_ns = now_ns;
        worker->flushing = true;
    }
    if (now_ns >= send_due_ns(worker)) {
        worker->has_written = false;
        worker->sent_ns = now_ns;
        job__sinks_flush(worker->sinks);
    }
    return !worker->wants_time || tell_time(worker);
}

static void timer_fired(struct timer *timer)
{
    struct job_worker *worker = CONTAINER_OF(timer, struct job_worker, timer);

    worker->is_resting = false;
    job__worker_wake(worker);
}

/* Asleep: when a clock has to wake it. */
static void arm_timer(struct job_worker *worker)
{
    struct io_shard *shard = worker->jobs->options.shard;
    int64_t          due_ns = MIN(flush_due_ns(worker), send_due_ns(worker));

    if (worker->wants_time) {
        due_ns = MIN(due_ns, io_now_ns(shard->io) + TURN_TICK_NS);
    }
    if (due_ns == INT64_MAX) {
        timer_disarm(shard->timers, &worker->timer);
    } else {
        timer_arm(shard->timers, &worker->timer, due_ns, timer_fired);
    }
}

/* --- units of work --------------------------------------------------------------------------------------------------
 */

static enum unit unit_failed(struct job_worker *worker, const char *message)
{
    const struct exec_failure *failure = exec_job_failure(worker->run->exec);

    if (message == NULL) {
        message = failure == NULL ? "the job has failed" : failure->message;
    }
    job__worker_fail(worker, message);
    return UNIT_FAILED;
}

static size_t rows_wanted(const struct job_worker *worker)
{
    return worker->row_ns == 0 ? VEC_ROWS_MAX
                               : (size_t)MIN(MAX(TURN_UNIT_NS / worker->row_ns, TURN_ROWS_MIN), VEC_ROWS_MAX);
}

static void learn_cost(struct job_worker *worker, uint64_t rows, int64_t took_ns)
{
    if (rows >= TURN_ROWS_MIN && took_ns > 0) {
        int64_t row_ns = took_ns / (int64_t)rows + 1;

        worker->row_ns = worker->row_ns == 0 ? row_ns : (worker->row_ns * 7 + row_ns) / 8;
    }
}

static enum unit pull(struct job_worker *worker)
{
    struct io *io = job__io(worker->jobs);
    uint64_t   before = worker->sources->records_in;
    int64_t    began_ns = io_clock_ns(io);

    if (!tell_time(worker)) {
        return unit_failed(worker, NULL);
    }
    switch (job__sources_pull(worker->sources, rows_wanted(worker))) {
    case JOB_PULLED_ROWS:
        worker->has_pushed = true;
        learn_cost(worker, worker->sources->records_in - before, io_clock_ns(io) - began_ns);
        return UNIT_BUSY;
    case JOB_PULLED_FAILED:
        return unit_failed(worker, job__sources_failure(worker->sources));
    default:
        return UNIT_IDLE;
    }
}

/* Changelogs come out, a chunk at a time. */
static enum unit flush(struct job_worker *worker)
{
    switch (exec_worker_flush_some(worker->exec)) {
    case EXEC_BUSY:
        return UNIT_BUSY;
    case EXEC_FAILED:
        return unit_failed(worker, NULL);
    default:
        worker->flushing = false;
        return UNIT_BUSY;
    }
}

static enum unit begin_barrier(struct job_worker *worker)
{
    worker->barrier_asked = false;
    worker->flushing = false; /* it flushes by itself */
    worker->in_barrier = true;
    return exec_worker_barrier(worker->exec, worker->barrier_epoch) ? UNIT_BUSY : unit_failed(worker, NULL);
}

static enum unit pull_or_flush(struct job_worker *worker)
{
    return worker->flushing ? flush(worker) : pull(worker);
}

static enum unit finish(struct job_worker *worker)
{
    if (!worker->finished) {
        worker->finished = true;
        job__worker_report(worker, JOB_REPORT_ENDED, worker->run->epoch, NULL);
    }
    return UNIT_IDLE;
}

/* Of the state at the barrier, piece by piece. A failure comes with the end of the save. */
static enum unit save(struct job_worker *worker)
{
    enum job_state_more more = job__state_save_more(worker->keeper);

    worker->saving = more != JOB_STATE_ALL;
    return more == JOB_STATE_FULL ? UNIT_FULL : UNIT_BUSY;
}

static enum unit do_unit(struct job_worker *worker)
{
    enum exec_progress progress;

    if (job__sinks_failure(worker->sinks) != NULL) {
        return unit_failed(worker, job__sinks_failure(worker->sinks));
    }
    if (worker->saving) {
        return save(worker);
    }
    if (job__sinks_full(worker->sinks)) {
        return UNIT_FULL;
    }
    if (worker->barrier_asked) {
        return begin_barrier(worker);
    }
    progress = exec_worker_step(worker->exec);
    if (worker->saving) { /* the barrier has gone through: nothing may move before the state is taken */
        return progress == EXEC_FAILED ? unit_failed(worker, NULL) : UNIT_BUSY;
    }
    switch (progress) {
    case EXEC_BUSY:
        return UNIT_BUSY;
    case EXEC_BLOCKED:
        return UNIT_BLOCKED;
    case EXEC_FINISHED:
        return finish(worker);
    case EXEC_IDLE:
        if (worker->in_barrier || worker->barrier_asked) {
            return UNIT_IDLE;
        }
        return do_due(worker) ? pull_or_flush(worker) : unit_failed(worker, NULL);
    default:
        return unit_failed(worker, NULL);
    }
}

/* --- turns ----------------------------------------------------------------------------------------------------------
 */

/* Says that it sleeps, and looks once more: what others sent before they could see that. False: there is something. */
static bool fall_asleep(struct job_worker *worker, enum unit unit)
{
    enum exec_progress progress;

    arm_timer(worker);
    if (unit == UNIT_FULL || worker->run->worker_count == 1) {
        return true; /* the sinks call */
    }
    (void)__atomic_exchange_n(&worker->asleep, unit == UNIT_BLOCKED ? WORKER_BLOCKED : WORKER_ASLEEP, __ATOMIC_SEQ_CST);
    progress = exec_worker_step(worker->exec);
    if (progress == EXEC_FAILED) {
        (void)unit_failed(worker, NULL);
        return true;
    }
    if (worker->saving || progress == EXEC_BUSY || (unit == UNIT_BLOCKED && progress != EXEC_BLOCKED)) {
        return false;
    }
    if (progress == EXEC_FINISHED) {
        (void)finish(worker);
    }
    return true;
}

/* A job that may have p percent of a core sleeps between its turns for what they took times (100 - p) / p. Not for
 * long: the clock runs on while others have the core, and a turn that takes so much time had little of it. */
static bool rest(struct job_worker *worker, int64_t took_ns)
{
    uint32_t percent = worker->run->cpu_percent;
    int64_t  rest_ns = percent == 0 || percent >= 100 ? 0 : took_ns * (100 - (int64_t)percent) / (int64_t)percent;

    if (rest_ns <= 0) {
        return false;
    }
    worker->is_resting = true;
    timer_arm(worker->jobs->options.shard->timers, &worker->timer,
              io_clock_ns(job__io(worker->jobs)) + MIN(rest_ns, REST_MAX_NS), timer_fired);
    return true;
}

static void note_figures(struct job_worker *worker, int64_t took_ns)
{
    uint64_t rows, bytes;

    job__figure_set(&worker->figures.records_in, worker->sources->records_in);
    job__figure_set(&worker->figures.bytes_in, worker->sources->bytes_in);
    job__figure_set(&worker->figures.records_shared, worker->sources->records_shared);
    job__figure_set(&worker->figures.cpu_ns, worker->figures.cpu_ns + (uint64_t)took_ns);
    job__sinks_counts(worker->sinks, &rows, &bytes);
    job__figure_set(&worker->figures.bytes_out, bytes);
}

static enum job_wait wait_of(enum unit unit)
{
    return unit == UNIT_IDLE                           ? JOB_WAIT_IDLE
           : unit == UNIT_FULL || unit == UNIT_BLOCKED ? JOB_WAIT_HELD
                                                       : JOB_WAIT_NONE;
}

/* Units until the slice is over, or others wait for the loop. */
static enum unit do_units(struct job_worker *worker, int64_t *out_took_ns)
{
    struct io *io = job__io(worker->jobs);
    int64_t    began_ns = io_clock_ns(io);
    enum unit  unit = UNIT_BUSY;

    *out_took_ns = 0;
    for (int i = 0; i < TURN_UNITS_MAX && unit == UNIT_BUSY && *out_took_ns < TURN_NS; i++) {
        if (i > 0 && io_shard_waiting(worker->jobs->options.shard)) {
            break;
        }
        unit = do_unit(worker);
        *out_took_ns = io_clock_ns(io) - began_ns;
    }
    return unit;
}

static void worker_turn(struct job_pace_worker *pace)
{
    struct job_worker *worker = CONTAINER_OF(pace, struct job_worker, pace);
    enum unit          unit;
    int64_t            took_ns;

    worker->posted = false;
    if (worker->state != WORKER_RUNNING) {
        job__worker_drain(worker);
        return;
    }
    (void)__atomic_exchange_n(&worker->asleep, WORKER_AWAKE, __ATOMIC_SEQ_CST);
    job__times_wait(&worker->times, JOB_WAIT_NONE, io_clock_ns(job__io(worker->jobs)));
    unit = do_units(worker, &took_ns);
    job__pace_used(&worker->jobs->pace, pace, MIN(took_ns, USED_MAX_NS));
    note_figures(worker, took_ns);
    if (unit != UNIT_BUSY && unit != UNIT_FAILED && !fall_asleep(worker, unit)) {
        unit = UNIT_BUSY;
    }
    job__times_wait(&worker->times, wait_of(unit), io_clock_ns(job__io(worker->jobs)));
    job__worker_wake_others(worker);
    if (unit == UNIT_BUSY && worker->state == WORKER_RUNNING && !rest(worker, took_ns)) {
        job__worker_wake(worker);
    }
}

bool job__worker_write(void *context, uint32_t index, uint32_t sink, const struct vec_chunk *chunk, char *message,
                       size_t message_capacity)
{
    struct job_run    *run = context;
    struct job_worker *worker = run->workers[index];

    if (!worker->has_written) {
        worker->has_written = true;
        worker->sent_ns = io_now_ns(job__io(worker->jobs));
    }
    job__figure_set(&worker->figures.rows_out, worker->figures.rows_out + chunk->selected_count);
    return job__sinks_write(worker->sinks, sink, chunk, message, message_capacity);
}
