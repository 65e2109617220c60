/* store_log.c: a log's life: opening, settings, closing, deletion.
 *
 *   opening -> open -> closing -> gone
 *                   -> deleting -> gone
 *                   -> offline (a failed write) -> closing -> gone -> opened again, from the disk
 *
 * A log is freed only from a turn of the loop of its own (log_finish_run), so that every callback below it may go on
 * using it. */
#include "core/store/store_opening.h"

#include <stdio.h>

static void log_open_run(struct store_task *task);
static void log_finish_run(struct store_task *task);

/* --- opening ----------------------------------------------------------------------------------------------------- */

static char *log_name(struct view topic, int32_t partition)
{
    size_t size = topic.len + 16;
    char  *name = mem_alloc(MEM_STORE, size);

    (void)snprintf(name, size, "%.*s-%" PRId32, (int)topic.len, (const char *)topic.base, partition);
    return name;
}

struct store_log *store_log_open(struct store *store, const struct store_log_options *options, store_done_fn *done,
                                 void *context)
{
    struct store_log *log = mem_alloc(MEM_STORE, sizeof(*log));
    struct store_job *job;

    CHECK(store->opened && !store->closing && options->topic.len > 0 && options->partition >= 0);
    log->store = store;
    log->name = log_name(options->topic, options->partition);
    log->path = store__path(store->directory, log->name);
    log->topic_id = options->topic_id;
    log->partition = options->partition;
    log->hooks = options->hooks;
    log->next_number = 1;
    list_init(&log->dirty_link);
    list_init(&log->appends);
    list_init(&log->jobs);
    list_push_back(&store->logs, &log->link);
    store_log_set_policy(log, &options->policy);
    job = store__job_new(store, log, NULL, log_open_run);
    job->done = done;
    job->context = context;
    job->error = options->create ? ERR_OK : ERR_NOT_FOUND;
    store__job_start(job);
    return log;
}

/* From what the clean stop left. False: the directory must be read. */
static bool log_restore(struct store_job *job, struct store_known *known)
{
    struct store_log *log = job->log;
    struct view       snapshot;
    int               result = store__known_restore(log, known, &snapshot);

    if (result == ERR_OK && log->hooks.snapshot_read != NULL && snapshot.len > 0 &&
        log->hooks.snapshot_read(log->hooks.context, snapshot, log->end_offset) < 0) {
        result = ERR_CORRUPT; /* then from its batches */
    }
    if (result != ERR_OK) {
        for (uint32_t i = 0; i < log->segment_count; i++) {
            store__segment_free(log->segments[i]);
        }
        log->segment_count = 0;
        log->start_offset = log->end_offset = log->durable_end = 0;
        log->next_number = 1;
        log->directory_exists = false;
    }
    return result == ERR_OK;
}

static void log_open_run(struct store_task *task)
{
    struct store_job   *job = CONTAINER_OF(task, struct store_job, task);
    struct store       *store = job->store;
    struct store_log   *log = job->log;
    struct store_known *known = map_get(&store->known, view_text(log->name));
    struct store_held  *held = store__held_find(store, log->topic_id, log->partition);

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(store->io, &task->op, store__task_op_done));
    if (held != NULL && held->in_doubt) {
        store__log_opened(job, ERR_OFFLINE);
        return;
    }
    if (known == NULL && held == NULL) { /* new: no disk is touched before the first append */
        log->opened = job->error == ERR_OK;
    } else if (known != NULL && known->state != NULL && held == NULL && log_restore(job, known)) {
        log->opened = true;
        job->error = ERR_OK;
    } else {
        store__opening_start(log, job);
        return;
    }
    store__known_forget(store, log->name);
    store__log_opened(job, job->error);
    return;
    TASK_END;
}

/* The end of every way to open. */
void store__log_opened(struct store_job *job, int result)
{
    store_done_fn *done = job->done;
    void          *context = job->context;
    struct store  *store = job->store;

    job->log->opened = true;
    job->log->offline |= result < 0 && result != ERR_CORRUPT;
    job->log->pending_from = job->log->end_offset;
    store__job_end(job);
    store__held_check(store);
    done(context, result);
}

void store_log_set_policy(struct store_log *log, const struct store_policy *policy)
{
    log->policy = *policy;
    if (policy->flush_messages == 1) { /* every append is flushed: that is the strong policy */
        log->policy.durable_on_append = true;
    }
    log->policy.segment_bytes = MAX(log->policy.segment_bytes, (uint64_t)log->store->block_bytes);
    if (policy->compact_enabled) {
        store__compact_arm(log->store);
    }
    if (log->policy.durable_on_append) {
        timer_disarm(log->store->shard->timers, &log->flush_timer);
        if (log->unflushed_frames > 0) {
            store__log_want_flush(log);
        }
    }
}

/* --- figures ----------------------------------------------------------------------------------------------------- */

int64_t store_log_start_offset(const struct store_log *log)
{
    return log->start_offset;
}

int64_t store_log_end_offset(const struct store_log *log)
{
    return log->end_offset;
}

int64_t store_log_durable_offset(const struct store_log *log)
{
    return log->durable_end;
}

int64_t store_log_flushed_offset(const struct store_log *log)
{
    return store__log_flushed_end(log);
}

void store_log_flush(struct store_log *log)
{
    if (!log->offline && log->unflushed_frames > 0) {
        store__log_want_flush(log);
    }
}

uint64_t store_log_size_bytes(const struct store_log *log)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < log->segment_count; i++) {
        bytes += log->segments[i]->end_position;
    }
    return bytes + (log->open != NULL ? log->open->used : 0);
}

bool store_log_online(const struct store_log *log)
{
    return log->opened && !log->offline && !log->damaged && !log->deleting && !log->closing;
}

/* --- closing ----------------------------------------------------------------------------------------------------- */

void store_log_close(struct store_log *log, store_done_fn *done, void *context)
{
    CHECK(!log->closing && log->reserved_bytes == 0);
    log->closing = true;
    log->close_done = done;
    log->close_context = context;
    timer_disarm(log->store->shard->timers, &log->flush_timer);
    store__log_dirty(log);
    store__log_kick(log);
}

void store_log_delete(struct store_log *log, store_done_fn *done, void *context)
{
    struct list_node failed;

    log->deleting = true;
    list_init(&failed);
    list_splice_back(&failed, &log->appends);
    while (!list_empty(&failed)) {
        struct store_append *append = LIST_ENTRY(list_pop_front(&failed), struct store_append, link_);

        append->result = ERR_OFFLINE;
        append->done(append);
    }
    store_log_close(log, done, context);
}

/* Everything the log has reached stable storage in its segments. Starts what is missing. */
static bool log_settled(struct store_log *log)
{
    if (!list_empty(&log->appends) || log->journal_in_flight) {
        return false;
    }
    if (log->open != NULL) {
        if (log->durable_end < log->end_offset) {
            return false; /* under way */
        }
        log->open->at_once = true;
        store__frame_close(log, log->policy.durable_on_append ? FRAME_DRAIN : FRAME_ACCEPT);
        store__log_pump(log);
    }
    if (log->frame_live < log->frame_count) {
        store__log_want_flush(log);
        return false;
    }
    return true;
}

static bool log_idle(const struct store_log *log)
{
    return log->in_flight == 0 && !log->journal_in_flight && list_empty(&log->jobs) && log->side_jobs == 0 &&
           log->reads == 0;
}

static void log_close_handles(struct store_log *log)
{
    for (uint32_t i = 0; i < log->segment_count; i++) {
        if (io_handle_valid(log->segments[i]->handle) && log->segments[i]->users == 0) {
            store__segment_close_handle(log->segments[i]);
        }
    }
    if (log->next_segment != NULL && io_handle_valid(log->next_segment->handle) && log->next_segment->users == 0) {
        store__segment_close_handle(log->next_segment);
    }
}

/* Closing while frames wait for space that is not there. What is acknowledged stays in the journal, for the next start.
 */
static bool log_stuck(const struct store_log *log)
{
    if (!log->store->stats.space_low || log->offline || log->in_flight > 0 || log->side_jobs > 0) {
        return false;
    }
    for (uint32_t i = log->frame_live; i < log->frame_count; i++) {
        if (log->frames[i]->state == FRAME_QUEUED) {
            return true;
        }
    }
    return false;
}

void store__log_kick(struct store_log *log)
{
    if (log->kicking) {
        return;
    }
    log->kicking = true;
    if (log->closing && log_stuck(log)) {
        store__log_offline(log, ERR_NO_SPACE, "closed with a full disk");
    }
    if (!list_empty(&log->jobs)) {
        struct store_job *job = LIST_ENTRY(list_first(&log->jobs), struct store_job, link);

        if (job->task.waiting) {
            store__task_resume(&job->task);
        }
    }
    if (log->closing && log->opened && !log->finishing &&
        (log->offline || log->damaged || log->deleting || log_settled(log)) && log_idle(log)) {
        log_close_handles(log);
        if (log_idle(log)) {
            log->finishing = true;
            store__job_start(store__job_new(log->store, log, NULL, log_finish_run));
        }
    }
    log->kicking = false;
}

/* What an offline log had durable in the journal goes on living there until the log has been read back. */
static void log_rescue(struct store_log *log)
{
    struct store_held *held = NULL;
    int64_t            end = MAX(log->durable_end, log->journal_end);

    if (log->journal_failed) {
        held = store__held_get(log->store, log->topic_id, log->partition);
        held->in_doubt = true;
        held->first_lsn = MIN(held->first_lsn, log->journal_entry.lsn);
    }
    for (uint32_t i = log->frame_live; i < log->frame_count; i++) {
        struct store_frame *frame = log->frames[i];
        size_t              len = (size_t)(frame->journalled - STORE_FRAME_HEADER_BYTES);
        struct view         rest = view_of(frame->buf->data + STORE_FRAME_HEADER_BYTES, len);
        struct rec_batch    batch;
        int64_t             last = -1;

        if (frame->first_lsn == STORE_NO_LSN || frame->state == FRAME_STORED) {
            continue;
        }
        while (store__batch_next(&rest, &batch) && rec_batch_last_offset(&batch) < end) {
            last = rec_batch_last_offset(&batch);
            len = (size_t)(rest.base - frame->buf->data) - STORE_FRAME_HEADER_BYTES;
        }
        if (last < 0) {
            continue;
        }
        held = held == NULL ? store__held_get(log->store, log->topic_id, log->partition) : held;
        held->first_lsn = MIN(held->first_lsn, frame->first_lsn);
        store__held_add(held, frame->header.first_offset, last,
                        view_of(frame->buf->data + STORE_FRAME_HEADER_BYTES, len));
        held->durable_end = MAX(held->durable_end, last + 1);
    }
}

static void log_snapshot_known(struct store_log *log)
{
    uint8_t *bytes = NULL;
    size_t   len = 0;

    if (log->segment_count == 0 && log->start_offset == 0) {
        return; /* nothing on the disk */
    }
    if (log->hooks.snapshot_write != NULL) {
        log->hooks.snapshot_write(log->hooks.context, &bytes, &len);
    }
    store__known_put(log, view_of(bytes == NULL ? (const uint8_t *)"" : bytes, len));
    mem_free(MEM_STORE, bytes);
}

static void log_finish_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);
    struct store     *store = job->store;
    struct store_log *log = job->log;
    store_done_fn    *done;
    void             *context;

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(store->io, &task->op, store__task_op_done));
    if (log->deleting) {
        /* waited for: a new log of this name must not be made inside the directory that is on its way out. One that did
         * not open is known, too. */
        if (log->directory_exists || map_get(&store->known, view_text(log->name)) != NULL) {
            while (store__doom_leave(store, log->path)) {
                TASK_AWAIT(task, io_post(store->io, &task->op, store__task_op_done));
            }
            job->path = store__doomed_path(store);
            TASK_AWAIT(task, io_rename(store->io, &task->op, log->path, job->path, store__task_op_done));
            if (task->result < 0) {
                slog_warn("store", "%s: cannot rename a deleted log away (%s)", log->path, err_text(task->result));
            } else {
                TASK_AWAIT(task,
                           io_file_sync_directory(store->io, &task->file, store->directory, store__task_file_done));
                store__doom_path(store, job->path, log->policy.file_delete_delay_ms);
                job->path = NULL;
                store__known_forget(store, log->name);
            }
        }
    } else if (log->offline || log->damaged) {
        log_rescue(log);
        store__known_unread(store, log->name);
    } else {
        log_snapshot_known(log);
    }
    done = log->close_done;
    context = log->close_context;
    job->log = NULL;
    store__log_free(log);
    store__journal_release(store);
    if (done != NULL) {
        done(context, ERR_OK);
    }
    store__job_end(job);
    return;
    TASK_END;
}

/* Frees without asking the disk: also what a simulated power cut left. */
void store__log_free(struct store_log *log)
{
    timer_disarm(log->store->shard->timers, &log->flush_timer);
    timer_disarm(log->store->shard->timers, &log->reopen_timer);
    list_remove(&log->link);
    list_remove(&log->dirty_link);
    store__ahead_forget(log);
    store__cache_forget(log);
    if (log->opening != NULL) {
        store__opening_free(log->opening);
    }
    for (uint32_t i = 0; i < log->segment_count; i++) {
        store__segment_free(log->segments[i]);
    }
    store__segment_free(log->next_segment);
    mem_free(MEM_STORE, log->segments);
    mem_free(MEM_STORE, log->name);
    mem_free(MEM_STORE, log->path);
    mem_free(MEM_STORE, log);
}
