/* store_replay.c: the state of the partition above, when its log comes back after an unclean stop: the newest snapshot
 * that belongs to what was kept, then every batch behind it. */
#include "core/store/store_opening.h"

static void snapshot_run(struct store_task *task);
static void replay_run(struct store_task *task);

void store__replay_start(struct store_opening *opening)
{
    buf_unref(opening->buf); /* reads take their own */
    opening->buf = NULL;
    opening->replay_from = opening->log->start_offset;
    opening->outer->line = 0;
    opening->outer->run = snapshot_run;
    store__task_resume(opening->outer);
}

/* --- snapshot ----------------------------------------------------------------------------------------------------- */

/* How far a snapshot beside the segment may tell and be believed. What was durable is there, in this segment or in one
 * that the journal's batches have just been copied to. An early one may tell beyond its segment of batches that a stop
 * has cut away; others stand there now. */
static int64_t snapshot_limit(const struct store_log *log, const struct store_segment *segment, bool early)
{
    return early ? MIN(segment->end_offset, log->durable_end) : log->durable_end;
}

/* True: taken. */
static bool snapshot_try(struct store_opening *opening, const struct store_segment *segment, struct view file)
{
    struct store_log     *log = opening->log;
    struct store_snapshot found;

    if (store__snapshot_check(file, segment->header.segment_id, &found) != ERR_OK ||
        found.offset < segment->header.base_offset || found.offset > snapshot_limit(log, segment, found.early) ||
        log->hooks.snapshot_read(log->hooks.context, found.bytes, found.offset) != ERR_OK) {
        return false;
    }
    opening->replay_floor = found.offset;
    opening->replay_from = MAX(found.offset, log->start_offset); /* below that its segments are gone */
    return true;
}

static void snapshot_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_log     *log = job->log;
    struct store_opening *opening = log->opening;
    struct store_segment *segment;
    bool                  taken = false;

    TASK_BEGIN(task);
    for (opening->at = log->segment_count; log->hooks.snapshot_read != NULL && opening->at > 0; opening->at--) {
        mem_free(MEM_STORE, job->path);
        job->path = store__segment_path(log, log->segments[opening->at - 1]->header.number, ".snp");
        TASK_AWAIT(task, io_file_load(store->io, &task->file, store->shard->bufs, job->path, STORE_CHECKPOINT_BYTES_MAX,
                                      store__task_file_done));
        if (task->result < 0) {
            continue;
        }
        segment = log->segments[opening->at - 1];
        opening->source = io_file_take(&task->file);
        taken = snapshot_try(opening, segment, view_of(opening->source->data, (size_t)task->result));
        buf_unref(opening->source);
        opening->source = NULL;
        if (taken) {
            segment->snapshot_offset = opening->replay_floor;
            break;
        }
    }
    task->line = 0;
    task->run = replay_run;
    store__task_resume(task);
    return;
    TASK_END;
}

/* --- replay ------------------------------------------------------------------------------------------------------- */

static void replay_batches(struct store_opening *opening)
{
    struct store_read *read = &opening->read;

    for (uint32_t i = 0; i < read->slice_count; i++) {
        struct view      rest = read->slices[i];
        struct rec_batch batch;

        while (store__batch_next(&rest, &batch)) {
            if (batch.base_offset >= opening->replay_floor) { /* the start may lie inside a batch */
                opening->log->hooks.replay_batch(opening->log->hooks.context, &batch);
            }
        }
    }
    opening->replay_from = read->next_offset;
    opening->replayed_bytes += read->bytes;
}

static void replay_read_done(struct store_read *read)
{
    store__task_resume(CONTAINER_OF(read, struct store_opening, read)->outer);
}

static void replay_resume(struct timer *timer)
{
    store__task_resume(CONTAINER_OF(timer, struct store_log, reopen_timer)->opening->outer);
}

/* No descriptor or no memory for the next read: it is asked for again. */
static bool replay_short_of_means(const struct store_opening *opening)
{
    int result = opening->read.result;

    return opening->read.bytes == 0 && !opening->store->closing && !opening->log->closing &&
           (result == ERR_DESCRIPTORS || result == ERR_NO_MEMORY || result == ERR_AGAIN);
}

static void replay_pause(struct store_opening *opening)
{
    timer_arm(opening->store->shard->timers, &opening->log->reopen_timer,
              io_now_ns(opening->store->io) + STORE_RETRY_NS, replay_resume);
}

static void replay_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store_log     *log = job->log;
    struct store_opening *opening = log->opening;

    TASK_BEGIN(task);
    while (log->hooks.replay_batch != NULL && opening->replay_from < log->durable_end) {
        opening->read = (struct store_read){.offset = opening->replay_from,
                                            .end_offset = log->durable_end,
                                            .bytes_max = STORE_WINDOW_BYTES,
                                            .at_least_one = true,
                                            .done = replay_read_done};
        if (!store_log_read(log, &opening->read)) {
            TASK_AWAIT(task, (void)0);
        }
        if (replay_short_of_means(opening)) {
            store_read_release(&opening->read);
            TASK_AWAIT(task, replay_pause(opening));
            continue;
        }
        replay_batches(opening);
        job->error = opening->read.bytes > 0 ? ERR_OK : opening->read.result;
        store_read_release(&opening->read);
        if (opening->read.next_offset <= opening->read.offset) {
            break;
        }
    }
    job->error = job->error == ERR_OK && log->damaged ? ERR_CORRUPT : job->error;
    store__opening_end(opening, job->error);
    return;
    TASK_END;
}
