/* store_append.c: reserve, commit, and what becomes of commits at the end of a turn.
 *
 * Commits gather in the log's open frame. Once per turn of the loop every log with commits decides (log_flush):
 *   something of this log is under way   -> wait: what comes meanwhile leaves together (group commit), unless the frame
 * is full direct_bytes or more pending, or the journal cannot take it -> close the frame, write it durably to its
 * segment otherwise                            -> journal; the frame stays open and goes to its segment later
 * (store_drain.c) So a log has either one journal entry or up to STORE_FRAMES_IN_FLIGHT direct frames under way, and
 * when a journal entry is submitted everything before it is durable: recovery relies on that. */
#include "core/store/store_internal.h"

static void log_flush(struct store_log *log);
static bool frame_fits(const struct store_log *log, size_t bytes)
{
    const struct store_frame *frame = log->open;

    if (frame->used + bytes <= frame->buf->capacity_bytes) {
        return true;
    }
    return frame->used <= STORE_FRAME_GROW_BYTES && frame->used + bytes <= STORE_FRAME_OPEN_BYTES;
}

static uint64_t segment_limit(const struct store_log *log)
{
    return store__segment_data_start(log->store->block_bytes) + log->policy.segment_bytes;
}

static struct store_segment *segment_active(const struct store_log *log)
{
    return log->segment_count == 0 ? NULL : log->segments[log->segment_count - 1];
}

/* Does a frame of `bytes` go into another segment? An empty segment takes everything. */
static bool segment_full(const struct store_log *log, const struct store_segment *segment, size_t bytes)
{
    uint64_t frame_bytes = align_up(bytes + STORE_FRAME_HEADER_BYTES, log->store->block_bytes);

    if (segment->rolled) {
        return true;
    }
    return segment->next_sequence > 0 && segment->end_position + frame_bytes > segment_limit(log);
}

static bool segment_old(const struct store_log *log, const struct store_segment *segment)
{
    return segment->next_sequence > 0 && segment->header.created_ms > 0 && log->policy.segment_ms > 0 &&
           io_wall_ms(log->store->io) - segment->header.created_ms >= log->policy.segment_ms;
}

static int frame_open(struct store_log *log, size_t bytes)
{
    struct store         *store = log->store;
    struct store_segment *segment = segment_active(log);
    size_t                need = STORE_FRAME_HEADER_BYTES + bytes;
    size_t                capacity = (size_t)align_up(MAX(need, log->frame_bytes_hint), store->block_bytes);
    struct store_frame   *frame;
    struct buf           *buf = store__buf(store, capacity);

    if (buf == NULL && capacity > need) {
        buf = store__buf(store, (size_t)align_up(need, store->block_bytes));
    }
    if (buf == NULL) {
        return ERR_AGAIN;
    }
    if (segment == NULL || segment_full(log, segment, bytes) || segment_old(log, segment)) {
        store__log_roll(log);
        segment = segment_active(log);
    }
    frame = store__frame_new(log);
    frame->segment = segment;
    frame->buf = buf;
    frame->state = FRAME_OPEN;
    frame->used = STORE_FRAME_HEADER_BYTES;
    frame->header = (struct store_frame_header){
        .segment_id = segment->header.segment_id,
        .generation = segment->header.generation,
        .sequence = segment->next_sequence++,
        .position = segment->end_position,
        .first_offset = log->end_offset,
        .last_offset = log->end_offset - 1,
        .max_timestamp_ms = -1,
    };
    store__frame_begin(&frame->header);
    segment->unstored++;
    log->open = frame;
    store__frames_push(log, frame);
    return ERR_OK;
}

/* A larger buffer; readers keep the old one through their references. */
static int frame_grow(struct store_log *log, size_t bytes)
{
    struct store_frame *frame = log->open;
    struct buf         *buf = store__buf(log->store, MAX(frame->used + bytes, frame->buf->capacity_bytes * 2));

    if (buf == NULL) {
        buf = store__buf(log->store, frame->used + bytes);
    }
    if (buf == NULL) {
        return ERR_AGAIN;
    }
    memcpy(buf->data, frame->buf->data, frame->used);
    buf_unref(frame->buf);
    frame->buf = buf;
    return ERR_OK;
}

/* The open frame never was given anything: forget it. */
static void frame_forget(struct store_log *log)
{
    struct store_frame *frame = log->open;

    frame->segment->unstored--;
    frame->segment->next_sequence--;
    log->open = NULL;
    log->frame_count--;
    store__frame_free(frame);
}

static void frame_close_pending(struct store_log *log)
{
    if (log->policy.durable_on_append) {
        store__frame_close(log, log->pending_from == log->end_offset && log->durable_end == log->end_offset
                                    ? FRAME_DRAIN
                                    : FRAME_DURABLE);
    } else {
        store__frame_close(log, FRAME_ACCEPT);
    }
    log->frame_bytes_hint = MIN(MAX(log->frame_bytes_hint * 2, BUF_BYTES_MIN), STORE_FRAME_OPEN_BYTES);
}

int store_log_reserve(struct store_log *log, size_t bytes, struct span *out_place)
{
    struct store *store = log->store;
    int           result;

    CHECK(log->reserved_bytes == 0 && bytes > 0 && log->opened);
    if (log->offline || log->closing || log->deleting || log->damaged) {
        return ERR_OFFLINE;
    }
    if (bytes > log->policy.segment_bytes || bytes > STORE_FRAME_BYTES_MAX / 2) {
        return ERR_LIMIT;
    }
    if (!log->policy.use_reserve && store__space_low(store)) {
        return ERR_NO_SPACE;
    }
    if (log->outstanding >= STORE_FRAMES_OUTSTANDING) {
        return ERR_AGAIN;
    }
    if (log->open != NULL &&
        (!frame_fits(log, bytes) ||
         segment_full(log, log->open->segment, log->open->used - STORE_FRAME_HEADER_BYTES + bytes))) {
        if (log->open->header.last_offset < log->open->header.first_offset) {
            frame_forget(log);
        } else {
            frame_close_pending(log);
            store__log_pump(log);
            if (log->offline) {
                return ERR_OFFLINE;
            }
        }
    }
    result = log->open == NULL ? frame_open(log, bytes) : ERR_OK;
    if (result == ERR_OK && log->open->used + bytes > log->open->buf->capacity_bytes) {
        result = frame_grow(log, bytes);
    }
    if (result != ERR_OK) {
        return result;
    }
    log->reserved_bytes = bytes;
    *out_place = span_of(log->open->buf->data + log->open->used, bytes);
    return ERR_OK;
}

void store_log_cancel(struct store_log *log)
{
    CHECK(log->reserved_bytes > 0);
    log->reserved_bytes = 0;
    if (log->open->header.last_offset < log->open->header.first_offset) {
        frame_forget(log);
    }
}

void store_log_commit(struct store_log *log, struct store_append *append, size_t bytes)
{
    struct store_frame *frame = log->open;

    CHECK(bytes > 0 && bytes <= log->reserved_bytes && append->done != NULL);
    CHECK(append->first_offset == log->end_offset && append->last_offset >= append->first_offset);
    CHECK(store__frame_add(&frame->header, view_of(frame->buf->data + frame->used, bytes)) == ERR_OK);
    log->reserved_bytes = 0;
    frame->used += bytes;
    frame->header.last_offset = append->last_offset;
    frame->header.max_timestamp_ms = MAX(frame->header.max_timestamp_ms, append->max_timestamp_ms);
    frame->segment->end_offset = append->last_offset + 1;
    frame->segment->max_timestamp_ms = MAX(frame->segment->max_timestamp_ms, append->max_timestamp_ms);
    log->unflushed_messages += (uint64_t)(append->last_offset - append->first_offset + 1);
    log->end_offset = append->last_offset + 1;
    log->store->stats.appended_bytes += bytes;
    append->result = ERR_OK;
    list_init(&append->link_);
    list_push_back(&log->appends, &append->link_);
    store__log_dirty(log);
}

/* --- closing a frame --------------------------------------------------------------------------------------------- */

void store__frame_close(struct store_log *log, enum store_frame_mode mode)
{
    struct store_frame   *frame = log->open;
    struct store_segment *segment = frame->segment;
    size_t                frame_bytes = (size_t)align_up(frame->used, log->store->block_bytes);

    CHECK(log->reserved_bytes == 0 && frame->used > STORE_FRAME_HEADER_BYTES);
    CHECK(IMPLIES(mode == FRAME_DRAIN, frame->header.last_offset < log->durable_end));
    CHECK(frame->header.position == segment->end_position && frame_bytes <= frame->buf->capacity_bytes);
    frame->header.mode = mode;
    frame->state = FRAME_QUEUED;
    frame->header.payload_bytes = (uint32_t)(frame->used - STORE_FRAME_HEADER_BYTES);
    frame->header.frame_bytes = (uint32_t)frame_bytes;
    frame->header.durable_end = store__log_flushed_end(log);
    store__frame_encode(&frame->header, frame->buf->data);
    memset(frame->buf->data + frame->used, 0, frame_bytes - frame->used);
    segment->end_position += frame_bytes;
    log->open = NULL;
    log->pending_from = log->end_offset;
    log->outstanding += mode != FRAME_DRAIN;
    log->unflushed_frames += mode == FRAME_ACCEPT;
    if (segment->index != NULL) {
        store_index_add(segment->index, frame->header.first_offset, frame->header.position, frame->header.frame_bytes,
                        frame->header.max_timestamp_ms);
    }
}

/* --- rolling ----------------------------------------------------------------------------------------------------- */

void store__log_add_segment(struct store_log *log, struct store_segment *segment)
{
    if (log->segment_count == log->segment_capacity) {
        log->segment_capacity = MAX(log->segment_capacity * 2, 1U);
        log->segments = mem_realloc(MEM_STORE, log->segments, log->segment_capacity * sizeof(struct store_segment *));
    }
    log->segments[log->segment_count++] = segment;
}

/* No frame is open. The new segment begins at the log's speculative end. */
void store__log_roll(struct store_log *log)
{
    struct store_segment *old = segment_active(log);
    struct store_segment *segment = log->next_segment;

    CHECK(log->open == NULL);
    log->next_segment = NULL;
    if (segment == NULL) {
        segment = store__segment_new(log, log->next_number++);
    }
    segment->header.base_offset = log->end_offset;
    segment->end_offset = log->end_offset;
    segment->index = store_index_create(log->end_offset, log->store->block_bytes, log->policy.index_interval_bytes);
    store__log_add_segment(log, segment);
    store__segment_want_ready(segment);
    if (old != NULL) {
        old->rolled = true;
        store__snapshot_take(log);
        store__segment_seal(old);
    }
}

/* --- the end of a turn ------------------------------------------------------------------------------------------- */

void store__log_dirty(struct store_log *log)
{
    struct store *store = log->store;

    if (log->pending_from == log->end_offset && !log->closing) {
        return;
    }
    if (!list_linked(&log->dirty_link)) {
        list_push_back(&store->dirty, &log->dirty_link);
    }
    if (io_op_idle(&store->turn)) {
        io_post(store->io, &store->turn, store__turn);
    }
}

void store__turn(struct io_op *op)
{
    struct store    *store = CONTAINER_OF(op, struct store, turn);
    struct list_node dirty;

    list_init(&dirty);
    list_splice_back(&dirty, &store->dirty);
    while (!list_empty(&dirty)) {
        struct store_log *log = LIST_ENTRY(list_pop_front(&dirty), struct store_log, dirty_link);

        log_flush(log);
        store__log_kick(log);
    }
    if (store->journal_ready) {
        store_journal_submit(store->journal);
    }
}

static bool log_journal(struct store_log *log)
{
    struct store               *store = log->store;
    struct store_frame         *frame = log->open;
    struct store_journal_entry *entry = &log->journal_entry;
    size_t                      from = MAX(frame->journalled, (size_t)STORE_FRAME_HEADER_BYTES);

    if (!store->journal_ready || log->outstanding > 0 || frame->header.first_offset > log->pending_from) {
        return false;
    }
    *entry = (struct store_journal_entry){
        .topic_id = log->topic_id,
        .partition = log->partition,
        .first_offset = log->pending_from,
        .last_offset = log->end_offset - 1,
        .bytes = view_of(frame->buf->data + from, frame->used - from),
        .done = store__journal_done,
    };
    if (store_journal_append(store->journal, entry) != ERR_OK) {
        return false;
    }
    if (frame->first_lsn == STORE_NO_LSN) {
        frame->first_lsn = entry->lsn;
        frame->claimed_ns = io_now_ns(store->io);
        list_push_back(&store->claims, &frame->claim_link);
        store__tick_arm(store);
    }
    frame->journalled = frame->used;
    log->pending_from = log->end_offset;
    log->journal_in_flight = true;
    return true;
}

static void log_flush_strong(struct store_log *log)
{
    struct store *store = log->store;
    size_t        pending = log->open->used - MAX(log->open->journalled, (size_t)STORE_FRAME_HEADER_BYTES);
    bool          full = log->open->used >= STORE_FRAME_OPEN_BYTES / 2;

    if (log->journal_in_flight) {
        return;
    }
    if (log->unflushed_frames > 0) { /* accepted under a weaker policy that was in force before */
        store__log_want_flush(log);
        return;
    }
    if (log->outstanding > 0) {
        if (full && log->outstanding < STORE_FRAMES_IN_FLIGHT) {
            frame_close_pending(log);
            store__log_pump(log);
        }
        return;
    }
    if (pending < store->direct_bytes && log_journal(log)) {
        return;
    }
    log->frame_bytes_hint =
        MAX(log->frame_bytes_hint / 2, log->open->used > STORE_FRAME_OPEN_BYTES ? 0 : log->open->used);
    store__frame_close(log, FRAME_DURABLE);
    store__log_pump(log);
}

static void log_flush_weak(struct store_log *log)
{
    bool full = log->open->used >= STORE_FRAME_OPEN_BYTES / 2;

    if (log->journal_in_flight || (log->outstanding > 0 && (!full || log->outstanding >= STORE_FRAMES_IN_FLIGHT))) {
        return;
    }
    store__frame_close(log, FRAME_ACCEPT);
    store__log_pump(log);
}

static void log_flush(struct store_log *log)
{
    if (log->offline || log->reserved_bytes > 0) {
        return;
    }
    if (log->open != NULL && log->pending_from < log->end_offset) {
        if (log->policy.durable_on_append) {
            log_flush_strong(log);
        } else {
            log_flush_weak(log);
        }
    }
}
