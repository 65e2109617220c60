/* store_write.c: from closed frames to acknowledged appends.
 *
 * store__log_pump() looks at the log's frames in order and starts whatever the first unwritten one lacks: its segment
 * made, its header active, the file open, space allocated, and at last the write. Everything that completes calls it
 * again.
 *
 * An append is acknowledged when all bytes up to its last one are durable (or accepted): frames may complete in any
 * order, the durable end moves over the run of completed ones only. After a failed write nothing of this log is ever
 * acknowledged again (D6). */
#include "core/store/store_internal.h"

static void log_advance(struct store_log *log);
static void frame_written(struct io_file_op *op);
static void flush_due(struct timer *timer);

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* True when the write can be submitted now; else what is missing has been started, or waits for another. */
static bool frame_ready(struct store_frame *frame)
{
    struct store_segment *segment = frame->segment;
    uint64_t              end = frame->header.position + frame->header.frame_bytes;

    if (!store__segment_ready(segment)) {
        store__segment_want_ready(segment);
        return false;
    }
    if (!io_handle_valid(segment->handle)) {
        store__segment_want_open(segment);
        return false;
    }
    if (segment->allocated_bytes < end) {
        store__segment_want_room(segment, end);
        return false;
    }
    return true;
}

static void frame_submit(struct store_frame *frame)
{
    struct store_log *log = frame->log;
    struct store     *store = log->store;
    uint32_t          flags = frame->header.mode == FRAME_DURABLE || frame->at_once ? IO_WRITE_DURABLE : 0;

    frame->state = FRAME_WRITING;
    log->in_flight++;
    store__segment_use(frame->segment);
    io_file_write_all(store->io, &frame->write, frame->segment->handle,
                      view_of(frame->buf->data, frame->header.frame_bytes), frame->header.position, flags,
                      frame_written);
    if (frame->header.mode == FRAME_DRAIN) {
        store->stats.drain_writes++;
        store->stats.drain_bytes += frame->header.frame_bytes;
    } else {
        store->stats.direct_writes++;
        store->stats.direct_bytes += frame->header.frame_bytes;
    }
}

/* Space is fetched ahead of need, so that a write seldom waits for it. */
static void segment_look_ahead(struct store_log *log, struct store_segment *segment)
{
    uint64_t data_start = store__segment_data_start(log->store->block_bytes);
    uint64_t used = segment->end_position - data_start;

    if (segment->allocated_bytes != UINT64_MAX && used > STORE_ALLOCATE_BYTES_MIN / 2 &&
        segment->allocated_bytes < data_start + log->policy.segment_bytes) {
        uint64_t left = segment->allocated_bytes - MIN(segment->end_position, segment->allocated_bytes);

        if (left < MIN(segment->allocated_bytes / 2, STORE_ALLOCATE_BYTES_MAX / 2)) {
            store__segment_want_room(segment, segment->allocated_bytes + 1);
        }
    }
    if (log->next_segment == NULL && !segment->rolled && used > log->policy.segment_bytes / 2) {
        log->next_segment = store__segment_new(log, log->next_number++);
        store__segment_want_ready(log->next_segment);
    }
}

void store__log_pump(struct store_log *log)
{
    if (log->offline || log->pumping) {
        return;
    }
    log->pumping = true; /* what it starts may fail at once and come back here */
    for (uint32_t i = log->frame_live; i < log->frame_count && !log->offline; i++) {
        struct store_frame *frame = log->frames[i];

        if (frame->state != FRAME_QUEUED) {
            continue;
        }
        if (log->in_flight >= STORE_FRAMES_IN_FLIGHT || !frame_ready(frame)) {
            break;
        }
        frame_submit(frame);
        segment_look_ahead(log, frame->segment);
    }
    log->pumping = false;
    store__log_kick(log);
}

static void frame_written(struct io_file_op *op)
{
    struct store_frame   *frame = CONTAINER_OF(op, struct store_frame, write);
    struct store_log     *log = frame->log;
    struct store_segment *segment = frame->segment;

    log->in_flight--;
    if (frame->header.mode != FRAME_DRAIN) {
        log->outstanding--;
    }
    frame->state = FRAME_WRITTEN;
    if (op->result < 0) {
        store__log_offline(log, op->result, "a write failed");
    } else if (!log->offline) {
        if (frame->header.mode == FRAME_DURABLE || frame->at_once) {
            store__frame_stored(frame);
        } else {
            list_push_back(&segment->unsynced, &frame->sync_link);
            segment->unsynced_bytes += frame->header.frame_bytes;
            store__tick_arm(log->store);
        }
        log_advance(log);
        store__frames_settle(log); /* the frame may be gone after this */
        store__journal_release(log->store);
        store__drain_more(log->store);
        if (segment->unsynced_bytes >= STORE_SYNC_BYTES && log->policy.durable_on_append) {
            store__segment_want_sync(segment);
        }
    }
    store__segment_drop(segment);
    store__memory_freed(log->store);
    if (!log->offline) {
        store__log_dirty(log);
    }
    store__log_pump(log);
    store__log_kick(log);
}

/* --- acknowledging ----------------------------------------------------------------------------------------------- */

void store__frame_stored(struct store_frame *frame)
{
    struct store_log *log = frame->log;

    CHECK(frame->state == FRAME_WRITTEN);
    frame->state = FRAME_STORED;
    list_remove(&frame->claim_link);
    list_remove(&frame->sync_link);
    CHECK(frame->segment->unstored > 0);
    frame->segment->unstored--;
    if (frame->header.mode == FRAME_ACCEPT) {
        log->unflushed_frames--;
    }
    if (frame->draining) {
        frame->draining = false;
        log->store->drains--;
    }
}

int64_t store__log_flushed_end(const struct store_log *log)
{
    for (uint32_t i = log->frame_live; log->unflushed_frames > 0 && i < log->frame_count; i++) {
        const struct store_frame *frame = log->frames[i];

        if (frame->header.mode == FRAME_ACCEPT && frame->state != FRAME_STORED && frame->state != FRAME_OPEN) {
            return MIN(log->durable_end, frame->header.first_offset);
        }
    }
    return log->durable_end;
}

static bool frame_done(const struct store_log *log, const struct store_frame *frame)
{
    if (frame->header.mode == FRAME_DRAIN) {
        return true; /* acknowledged from the journal */
    }
    return frame->state == FRAME_STORED || (frame->state == FRAME_WRITTEN && !log->policy.durable_on_append);
}

static void log_acknowledge(struct store_log *log, int64_t durable_end)
{
    struct list_node ready;

    if (durable_end <= log->durable_end) {
        return;
    }
    log->durable_end = durable_end;
    list_init(&ready);
    while (!list_empty(&log->appends)) {
        struct store_append *append = LIST_ENTRY(list_first(&log->appends), struct store_append, link_);

        if (append->last_offset >= durable_end) {
            break;
        }
        list_remove(&append->link_);
        list_push_back(&ready, &append->link_);
    }
    while (!list_empty(&ready)) {
        struct store_append *append = LIST_ENTRY(list_pop_front(&ready), struct store_append, link_);

        append->done(append);
    }
    if (log->hooks.durable != NULL) {
        log->hooks.durable(log->hooks.context, durable_end);
    }
}

static void log_advance(struct store_log *log)
{
    int64_t durable_end = log->durable_end;

    if (log->offline) {
        return;
    }
    for (uint32_t i = log->frame_live; i < log->frame_count; i++) {
        const struct store_frame *frame = log->frames[i];

        if (frame->state == FRAME_OPEN || !frame_done(log, frame)) {
            break;
        }
        durable_end = MAX(durable_end, frame->header.last_offset + 1);
    }
    log_acknowledge(log, durable_end);
    if (!log->policy.durable_on_append && log->unflushed_frames > 0) {
        if (log->policy.flush_messages > 0 && log->unflushed_messages >= log->policy.flush_messages) {
            store__log_want_flush(log);
        } else if (!timer_armed(&log->flush_timer) && log->policy.flush_ms > 0 &&
                   log->policy.flush_ms < INT64_MAX / NS_PER_MS) {
            timer_arm(log->store->shard->timers, &log->flush_timer,
                      io_now_ns(log->store->io) + log->policy.flush_ms * NS_PER_MS, flush_due);
        }
    }
}

static void flush_due(struct timer *timer)
{
    store__log_want_flush(CONTAINER_OF(timer, struct store_log, flush_timer));
}

/* Flushes what has completed; what completes meanwhile waits for the next one. */
void store__log_want_flush(struct store_log *log)
{
    log->unflushed_messages = 0;
    for (uint32_t i = 0; i < log->segment_count && !log->offline; i++) {
        store__segment_want_sync(log->segments[i]);
    }
}

/* --- the journal ------------------------------------------------------------------------------------------------- */

void store__journal_done(struct store_journal_entry *entry, int result)
{
    struct store_log *log = CONTAINER_OF(entry, struct store_log, journal_entry);

    log->journal_in_flight = false;
    if (result == ERR_OK) {
        log->journal_end = entry->last_offset + 1;
    } else {
        log->journal_failed = true;
    }
    if (result < 0) {
        store__log_offline(log, result, "a write to the journal failed");
    } else if (!log->offline) {
        log_acknowledge(log, entry->last_offset + 1);
        store__log_dirty(log);
    }
    store__drain_more(log->store);
    store__log_kick(log);
}

/* The ring may reuse what lies before the oldest byte that is in no segment yet. */
void store__journal_release(struct store *store)
{
    uint64_t lsn;

    if (!store->journal_ready || !store_journal_online(store->journal)) {
        return;
    }
    lsn = store_journal_head(store->journal);
    if (!list_empty(&store->claims)) {
        lsn = LIST_ENTRY(list_first(&store->claims), struct store_frame, claim_link)->first_lsn;
    }
    LIST_EACH(&store->held_list, node) {
        lsn = MIN(lsn, LIST_ENTRY(node, struct store_held, link)->first_lsn);
    }
    if (lsn > store_journal_tail(store->journal)) {
        store_journal_release(store->journal, lsn);
    }
}

/* --- failure ----------------------------------------------------------------------------------------------------- */

void store__log_offline(struct store_log *log, int reason, const char *what)
{
    struct list_node failed;

    if (log->offline) {
        return;
    }
    log->offline = true;
    slog_error("store",
               "%s: offline: %s (%s); its appends since offset %" PRId64
               " are in doubt; reading it back from the disk is the way on",
               log->path, what, err_text(reason), log->durable_end);
    list_init(&failed);
    list_splice_back(&failed, &log->appends);
    while (!list_empty(&failed)) {
        struct store_append *append = LIST_ENTRY(list_pop_front(&failed), struct store_append, link_);

        append->result = ERR_OFFLINE;
        append->done(append);
    }
    if (log->hooks.offline != NULL) {
        log->hooks.offline(log->hooks.context, reason);
    }
}
