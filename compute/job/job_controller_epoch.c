/* Epochs: barrier -> all have reached it -> commit record -> markers -> the next; and what workers report.
 *
 * The record is the decision: before it is durable a failure aborts the epoch, afterwards nothing but markers is left
 * to do, and a run that cannot do that leaves it to job__resolve() before the next. */
#include "compute/job/job_controller.h"

#include "core/base/slog.h"

static void epoch_due(struct timer *timer);

static int64_t epoch_under_way(const struct job *job)
{
    return job->has_commit ? job->commit.epoch + 1 : 0;
}

/* --- barrier ------------------------------------------------------------------------------------------------------ */

static void epoch_begin_end(struct job *job)
{
    CHECK(job->step == JOB_STEP_RUN);
    timer_disarm(job__timers(job->controller), &job->timer);
    job->step = JOB_STEP_BARRIER;
    job->barrier_ns = job__now_ns(job->controller);
    job->missing = job->run->worker_count;
    for (uint32_t i = 0; i < job->run->worker_count; i++) {
        job__worker_barrier(job->run, i, epoch_under_way(job));
    }
}

static void epoch_due(struct timer *timer)
{
    struct job *job = CONTAINER_OF(timer, struct job, timer);

    if (job->is_query) {
        job__query_progress(job);
        timer_arm(job__timers(job->controller), &job->timer, job__now_ns(job->controller) + JOB_PROGRESS_NS, epoch_due);
    } else {
        epoch_begin_end(job);
    }
}

/* Between two epochs. */
static void epoch_next(struct job *job)
{
    int64_t due_ns =
        job->is_query ? job__now_ns(job->controller) + JOB_PROGRESS_NS : job->barrier_ns + job->epoch_interval_ns;

    job->step = JOB_STEP_RUN;
    job__times_take(job);
    if (job->last_epoch || job->ended == job->run->worker_count) {
        epoch_begin_end(job);
    } else {
        timer_arm(job__timers(job->controller), &job->timer, due_ns, epoch_due);
    }
}

void job__epochs_begin(struct job *job)
{
    job->status = job->last_epoch ? job->status : JOB_RUNNING;
    job->barrier_ns = job__now_ns(job->controller);
    if (job->is_query) {
        job__query_started(job);
        if (job__query_limit(job->run->plan) == 0) {
            job__stop(job, JOB_AFTER_FINISH);
            return;
        }
    }
    epoch_next(job);
}

void job__last_epoch(struct job *job, enum job_after after)
{
    if (job->after != JOB_AFTER_NOTHING) { /* it ends already */
        return;
    }
    job->last_epoch = true;
    job->last_after = MAX(job->last_after, after);
    if (job->step == JOB_STEP_RUN) {
        epoch_begin_end(job);
    } else if (job->step == JOB_STEP_WAIT || job->step == JOB_STEP_NONE) {
        job__stop(job, after);
    }
}

/* --- the record --------------------------------------------------------------------------------------------------- */

/* Ranges of the job log that count: what did before, unless the share is a snapshot, and the share's. */
static void add_states(struct job_share *all, const struct job_share *share, const struct job_share *before)
{
    for (size_t i = 0; before != NULL && !share->is_snapshot && i < before->state_count; i++) {
        if (before->states[i].worker == share->worker) {
            all->states[all->state_count++] = before->states[i];
        }
    }
    for (size_t i = 0; i < share->state_count; i++) {
        struct job_state_range *last = all->state_count == 0 ? NULL : &all->states[all->state_count - 1];

        if (last != NULL && last->worker == share->states[i].worker && last->end == share->states[i].first) {
            last->end = share->states[i].end;
        } else {
            all->states[all->state_count++] = share->states[i];
        }
    }
}

static void make_commit(struct job *job)
{
    const struct job_share *before = job->has_commit ? &job->commit.share : NULL;
    struct job_share       *all = &job->next.share;
    size_t                  sources = 0, states = before == NULL ? 0 : before->state_count, sinks = 0;
    uint32_t                count = job->run->worker_count, finished = 0;
    int64_t                 now_ns = job__now_ns(job->controller);

    for (uint32_t i = 0; i < count; i++) {
        sources += job->shares[i]->source_count;
        states += job->shares[i]->state_count;
        sinks += job->shares[i]->sink_count;
        finished += job->shares[i]->finished;
    }
    job->next = (struct job_commit){.epoch = epoch_under_way(job),
                                    .incarnation = job->run->incarnation,
                                    .commit_ms = job__wall_ms(job->controller),
                                    .duration_ms = (now_ns - job->barrier_ns) / NS_PER_MS,
                                    .finished = finished == count};
    *all = (struct job_share){.epoch = job->next.epoch,
                              .finished = job->next.finished,
                              .sources = mem_alloc(MEM_JOB, sources * sizeof(*all->sources)),
                              .states = mem_alloc(MEM_JOB, states * sizeof(*all->states)),
                              .sinks = mem_alloc(MEM_JOB, sinks * sizeof(*all->sinks))};
    for (uint32_t i = 0; i < count; i++) {
        const struct job_share *share = job->shares[i];

        for (size_t n = 0; n < share->source_count; n++) {
            all->sources[all->source_count++] = share->sources[n];
        }
        for (size_t n = 0; n < share->sink_count; n++) {
            all->sinks[all->sink_count++] = share->sinks[n];
        }
        add_states(all, share, before);
    }
}

static bool same_sources(const struct job_share *a, const struct job_share *b)
{
    bool same = a->source_count == b->source_count;

    for (size_t i = 0; same && i < a->source_count; i++) {
        const struct job_source_position *x = &a->sources[i], *y = &b->sources[i];

        same = x->source == y->source && uuid_equal(x->topic_id, y->topic_id) && x->partition == y->partition &&
               x->next_offset == y->next_offset && x->stop_offset == y->stop_offset && x->ended == y->ended;
    }
    return same;
}

static bool same_states(const struct job_share *a, const struct job_share *b)
{
    bool same = a->state_count == b->state_count;

    for (size_t i = 0; same && i < a->state_count; i++) {
        same = a->states[i].worker == b->states[i].worker && a->states[i].first == b->states[i].first &&
               a->states[i].end == b->states[i].end;
    }
    return same;
}

/* An epoch in which nothing happened needs no record: the one before says the same, and what it names is marked. */
static bool nothing_happened(const struct job *job)
{
    const struct job_share *now = &job->next.share, *before = &job->commit.share;

    return job->has_commit && now->sink_count == 0 && job->next.finished == job->commit.finished &&
           same_sources(now, before) && same_states(now, before);
}

static void epoch_committed(struct job *job)
{
    int64_t epoch = job->next.epoch;

    job__commit_free(&job->commit);
    job->commit = job->next;
    job->next = (struct job_commit){0};
    job->has_commit = true;
    job->step = JOB_STEP_MARK;
    job->missing = job->run->worker_count;
    for (uint32_t i = 0; i < job->run->worker_count; i++) {
        job__worker_committed(job->run, i, epoch);
    }
}

static void record_written(void *context, int16_t error)
{
    struct job *job = context;

    job->away--;
    if (error != 0) { /* its fate is unknown: the log is about to be read again */
        job__commit_free(&job->next);
        job->step = JOB_STEP_BARRIER;
        return;
    }
    job->offsets_new = true;
    epoch_committed(job);
    if (job->stop_wanted) {
        job__stop(job, job->after);
    }
}

static void write_commit(struct job *job)
{
    struct job_record record = {.kind = JOB_RECORD_COMMIT, .key = view_text(job->id)};

    make_commit(job);
    if (nothing_happened(job)) {
        epoch_committed(job);
        return;
    }
    record.commit = job->next;
    if (!job__controller_add(job->controller, &record)) {
        job__commit_free(&job->next);
        job__fail(job, "its commit record does not fit into a batch of the log: too many partitions", true);
        return;
    }
    job->step = JOB_STEP_COMMIT;
    job->away++;
    job__controller_commit(job->controller, record_written, job);
}

static void drop_shares(struct job *job)
{
    for (uint32_t i = 0; i < job->run->worker_count; i++) {
        job__share_free(job->shares[i]);
        job->shares[i] = NULL;
    }
}

/* --- reports ------------------------------------------------------------------------------------------------------ */

static void reached(struct job *job, uint32_t worker, int64_t epoch, struct job_share *share)
{
    if (job->step != JOB_STEP_BARRIER || epoch != epoch_under_way(job) || job->shares[worker] != NULL) {
        job__share_free(share); /* the run is being stopped */
        return;
    }
    job->shares[worker] = share;
    if (--job->missing > 0) {
        return;
    }
    if (job->is_query) { /* everything is with the client */
        drop_shares(job);
        job__stop(job, JOB_AFTER_FINISH);
        return;
    }
    write_commit(job);
    drop_shares(job);
}

static void marked(struct job *job)
{
    if (job->step != JOB_STEP_MARK || --job->missing > 0) {
        return;
    }
    if (job->offsets_new) { /* never ahead of what readers of committed records find */
        job->offsets_new = false;
        job__offsets_commit(job);
    }
    if (job->commit.finished) {
        job__stop(job, JOB_AFTER_FINISH);
    } else if (job->last_epoch) {
        job__stop(job, job->last_after);
    } else {
        epoch_next(job);
    }
}

static void worker_gone(struct job *job)
{
    if (job->step == JOB_STEP_STOP && --job->missing == 0) {
        job__gone(job);
    }
}

void job__controller_report(struct job_run *run, uint32_t worker, enum job_report_kind kind, int64_t epoch,
                            struct job_share *share, const char *message)
{
    struct job *job = run->job;

    CHECK(job->run == run && worker < run->worker_count);
    switch (kind) {
    case JOB_REPORT_STARTED:
        if (job->step == JOB_STEP_START && --job->missing == 0) {
            job__epochs_begin(job);
        }
        break;
    case JOB_REPORT_ENDED:
        job->ended++;
        if (job->ended == run->worker_count && job->step == JOB_STEP_RUN) {
            epoch_begin_end(job);
        }
        break;
    case JOB_REPORT_REACHED:
        reached(job, worker, epoch, share);
        break;
    case JOB_REPORT_MARKED:
        marked(job);
        break;
    case JOB_REPORT_FAILED:
        job__fail(job, message, false);
        break;
    case JOB_REPORT_GONE:
        worker_gone(job);
        break;
    }
}
