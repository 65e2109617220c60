/* store_read.c: reading a log, from memory or from its segments.
 *
 * Hot: frames in memory, references taken, done at once. Cold: index -> direct reads of windows, ahead of who reads one
 * behind the other (store_ahead.h) -> frames walked and verified (header, prefixes, every batch's CRC: nothing is
 * served that was not checked since it left the disk). What stands in a window already is served at once, too. A cold
 * read never goes on into memory; the next one does. Batches that compaction left empty are no answer while others
 * follow: librdkafka takes answers without records for a limit that is too small, and gives up after some. */
#include "core/store/store_ahead.h"

struct cold_read {
    struct store_job    job;
    struct store_read  *read;
    struct store_ahead *ahead;
    bool                waited;
};

static void cold_run(struct store_task *task);
static bool read_ready(struct store_ahead *ahead, struct store_read *read);

/* --- collecting -------------------------------------------------------------------------------------------------- */

static bool read_add(struct store_read *read, struct buf *buf, struct view bytes)
{
    if (read->slice_count == STORE_SLICES_MAX) {
        return false;
    }
    read->slices[read->slice_count++] = bytes;
    read->bytes += bytes.len;
    if (read->hold_count_ == 0 || read->holds_[read->hold_count_ - 1] != buf) {
        read->holds_[read->hold_count_++] = buf_ref(buf);
    }
    return true;
}

static bool read_has_answer(const struct store_read *read, size_t more_bytes)
{
    return read->pass_empty ? read->has_records : read->bytes + more_bytes > 0;
}

/* Puts the batches of one verified payload that the read wants into it; `buf` is referenced. False: the read has
 * enough. */
static bool read_collect(struct store_read *read, struct buf *buf, struct view payload, int64_t first, int64_t last)
{
    struct view      rest = payload;
    struct view      run = view_of(payload.base, 0);
    struct rec_batch batch;
    bool             more = true;

    if (first >= read->end_offset) {
        return false;
    }
    if (first >= read->next_offset && last < read->end_offset && read->bytes + payload.len <= read->bytes_max) {
        if (!read_add(read, buf, payload)) {
            return false;
        }
        read->first_offset = read->first_offset < 0 ? first : read->first_offset;
        read->next_offset = last + 1;
        while (!read->has_records && store__batch_next(&rest, &batch)) {
            read->has_records = batch.record_count > 0;
        }
        return true;
    }
    while (more && store__batch_next(&rest, &batch)) {
        if (rec_batch_last_offset(&batch) < read->next_offset) {
            run = view_of(rest.base, 0);
            continue;
        }
        if (batch.base_offset >= read->end_offset || (read->bytes + run.len + batch.bytes.len > read->bytes_max &&
                                                      !(read->at_least_one && !read_has_answer(read, run.len)))) {
            more = false;
            break;
        }
        if (read->slice_count == STORE_SLICES_MAX) {
            more = false;
            break;
        }
        run.len += batch.bytes.len;
        read->has_records |= batch.record_count > 0;
        read->first_offset = read->first_offset < 0 ? batch.base_offset : read->first_offset;
        read->next_offset = rec_batch_last_offset(&batch) + 1;
    }
    if (run.len > 0) {
        (void)read_add(read, buf, run);
    }
    return more && (read->bytes < read->bytes_max || !read_has_answer(read, 0));
}

/* What was found is no answer while more follows: a later part of the log is. */
static void read_pass_empty(struct store_read *read)
{
    if (!read_has_answer(read, 0)) {
        store_read_release(read);
        read->first_offset = -1;
    }
}

void store_read_release(struct store_read *read)
{
    for (uint32_t i = 0; i < read->hold_count_; i++) {
        buf_unref(read->holds_[i]);
    }
    read->hold_count_ = 0;
    read->slice_count = 0;
    read->bytes = 0;
}

/* --- hot --------------------------------------------------------------------------------------------------------- */

static void read_hot(struct store_log *log, struct store_read *read)
{
    for (uint32_t i = store__frames_find(log, read->offset); i < log->frame_count; i++) {
        struct store_frame *frame = log->frames[i];
        struct view         payload =
            view_of(frame->buf->data + STORE_FRAME_HEADER_BYTES, frame->used - STORE_FRAME_HEADER_BYTES);

        if (payload.len == 0 ||
            !read_collect(read, frame->buf, payload, frame->header.first_offset, frame->header.last_offset)) {
            break;
        }
    }
    log->store->stats.read_hot_bytes += read->bytes;
}

static bool in_memory(const struct store_log *log, int64_t offset)
{
    return log->frame_count > 0 && offset >= log->frames[0]->header.first_offset;
}

bool store_log_read(struct store_log *log, struct store_read *read)
{
    struct store_ahead *ahead;
    struct cold_read   *cold;

    read->result = ERR_OK;
    read->bytes = 0;
    read->slice_count = 0;
    read->hold_count_ = 0;
    read->first_offset = -1;
    read->has_records = false;
    read->next_offset = read->offset;
    read->end_offset = MIN(read->end_offset, log->durable_end);
    if (log->damaged && read->offset >= log->damage_from && read->offset < log->end_offset) {
        read->result = ERR_CORRUPT; /* nobody is to wait there for something new */
        return true;
    }
    if (read->offset < log->start_offset || read->offset > log->durable_end) {
        read->result = ERR_OUT_OF_RANGE;
        return true;
    }
    if (read->offset >= read->end_offset) {
        return true;
    }
    if (in_memory(log, read->offset)) {
        read_hot(log, read);
        return true;
    }
    ahead = store__ahead_find(log, read->offset);
    ahead = ahead == NULL ? store__ahead_new(log, read->offset) : ahead;
    store__ahead_begin(ahead, read->bytes_max);
    if (read_ready(ahead, read)) {
        return true;
    }
    cold = mem_alloc(MEM_STORE, sizeof(*cold));
    store__job_init(&cold->job, log->store, log, NULL, cold_run);
    cold->read = read;
    cold->ahead = ahead;
    log->reads++;
    store__job_start(&cold->job);
    return false;
}

bool store_log_at_hand(const struct store_log *log, int64_t offset)
{
    const struct store_ahead *ahead;

    if (in_memory(log, offset)) {
        return true;
    }
    ahead = store__ahead_find(log, offset);
    return ahead != NULL && !list_empty(&ahead->windows) &&
           LIST_ENTRY(list_first(&ahead->windows), struct store_window, link)->job == NULL;
}

/* --- cold -------------------------------------------------------------------------------------------------------- */

struct store_segment *store__segment_of(const struct store_log *log, int64_t offset)
{
    uint32_t low = 0;
    uint32_t high = log->segment_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (log->segments[middle]->header.base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return log->segment_count == 0 ? NULL : log->segments[low];
}

/* Reports a damaged range, once. */
static void report_damage(struct store_segment *segment, uint64_t position, const char *what)
{
    if (segment->damage_position == position) {
        return; /* every reader that comes by would repeat it */
    }
    segment->damage_position = position;
    segment->store->stats.damaged_ranges++;
    slog_error("store",
               "%s/%08" PRIu32 ".seg: damaged at byte %" PRIu64 " (%s); offsets %" PRId64 " to %" PRId64
               " of this file are not served from there on",
               segment->log != NULL ? segment->log->path : "(removed log)", segment->header.number, position, what,
               segment->header.base_offset, segment->end_offset - 1);
}

/* A window that holds the frame at ahead->position, as far as it came. ERR_AGAIN: it is not there. */
static int walk_window(struct store_ahead *ahead, struct store_segment *segment, struct store_window **out_window)
{
    struct store_window *window = store__ahead_window(ahead);
    int                  result;

    *out_window = window;
    if (window == NULL || window->job != NULL) {
        return ERR_AGAIN;
    }
    result = window->result;
    if (result < 0) {
        report_damage(segment, window->position, err_text(result));
        store__ahead_again(ahead, 0);
    }
    return result;
}

/* A frame that the window does not hold whole: once more from its beginning, unless the file ends there. */
static int walk_cut(struct store_ahead *ahead, struct store_segment *segment, const struct store_window *window,
                    size_t bytes)
{
    uint64_t end = ahead->position + MAX(bytes, STORE_FRAME_HEADER_BYTES);
    bool     short_file = window->len < window->asked || end > store__ahead_written(ahead->log, segment);

    store__ahead_again(ahead, bytes);
    if (short_file) {
        report_damage(segment, ahead->position, "the file ends too early");
        return ERR_CORRUPT;
    }
    return ERR_AGAIN;
}

/* The frame at ahead->position, of which the window holds `bytes` from there on. ERR_OK: *out_header is it, checked,
 * unless it lies before what is wanted. */
static int walk_frame(struct store_ahead *ahead, struct store_segment *segment, const struct store_window *window,
                      struct view bytes, int64_t wanted, struct store_frame_header *out_header)
{
    if (bytes.len < STORE_FRAME_HEADER_BYTES) {
        return walk_cut(ahead, segment, window, 0);
    }
    if (store__frame_decode(bytes, segment->header.segment_id, ahead->position, segment->header.block_bytes,
                            out_header) != ERR_OK) {
        report_damage(segment, ahead->position, "no frame where one was written");
        return ERR_CORRUPT;
    }
    if (out_header->last_offset < wanted) {
        return ERR_OK;
    }
    if (STORE_FRAME_HEADER_BYTES + out_header->payload_bytes > bytes.len) {
        return walk_cut(ahead, segment, window, out_header->frame_bytes);
    }
    if (ahead->position >= ahead->verified) {
        if (store__frame_verify(out_header,
                                view_of(bytes.base + STORE_FRAME_HEADER_BYTES, out_header->payload_bytes)) != ERR_OK) {
            report_damage(segment, ahead->position, "a frame's content does not match its checks");
            return ERR_CORRUPT;
        }
        ahead->verified = ahead->position + out_header->frame_bytes;
    }
    return ERR_OK;
}

/* Serves what the windows hold from ahead->position on. ERR_AGAIN: it needs a window that is not there. ERR_OK: the
 * read is served. ERR_OUT_OF_RANGE: the segment has no more. ERR_CORRUPT, or what the disk says. */
static int cold_walk(struct store_ahead *ahead, struct store_segment *segment, struct store_read *read)
{
    uint64_t end = store__ahead_written(ahead->log, segment);

    while (ahead->position < end) {
        struct store_frame_header header;
        struct store_window      *window;
        struct view               bytes;
        int                       result = walk_window(ahead, segment, &window);
        bool                      more;

        if (result == ERR_OK) {
            size_t at = (size_t)(ahead->position - window->position);

            bytes = view_of(window->buf->data + MIN(at, window->len), window->len - MIN(at, window->len));
            result = walk_frame(ahead, segment, window, bytes, read->next_offset, &header);
        }
        if (result == ERR_AGAIN) {
            read_pass_empty(read);
        }
        if (result != ERR_OK) {
            return read->bytes > 0 ? ERR_OK : result;
        }
        if (header.last_offset < read->next_offset) {
            ahead->position += header.frame_bytes;
            continue;
        }
        more = read_collect(read, window->buf, view_of(bytes.base + STORE_FRAME_HEADER_BYTES, header.payload_bytes),
                            header.first_offset, header.last_offset);
        if (read->next_offset > header.last_offset) { /* else the next read finds it here, checked */
            ahead->position += header.frame_bytes;
        }
        if (!more || read->next_offset <= header.last_offset) {
            return ERR_OK;
        }
    }
    if (read->next_offset < read->end_offset && !in_memory(ahead->log, read->next_offset)) {
        read_pass_empty(read);
    }
    return read->bytes > 0 ? ERR_OK : ERR_OUT_OF_RANGE;
}

/* What has been read ahead already. True: the read is over. */
static bool read_ready(struct store_ahead *ahead, struct store_read *read)
{
    struct store_log     *log = ahead->log;
    struct store_segment *segment = store__segment_of(log, read->offset);

    if (segment == NULL || segment->header.segment_id != ahead->segment_id ||
        cold_walk(ahead, segment, read) != ERR_OK || read->bytes == 0) {
        return false;
    }
    log->store->stats.read_cold_bytes += read->bytes;
    store__ahead_end(ahead, read->next_offset, false);
    return true;
}

static void cold_end(struct cold_read *cold, int result)
{
    struct store_read *read = cold->read;
    struct store_log  *log = cold->job.log;

    read->result = read->bytes > 0 ? ERR_OK : result;
    log->store->stats.read_cold_bytes += read->bytes;
    log->store->stats.read_waits += cold->waited;
    store__ahead_end(cold->ahead, read->next_offset, cold->waited);
    log->reads--;
    store__job_end(&cold->job);
    read->done(read);
}

/* In a window, or with the next one. ERR_AGAIN: a window is under way. */
static int cold_look(struct cold_read *cold, struct store_segment *segment)
{
    struct store_read *read = cold->read;
    int                result = cold_walk(cold->ahead, segment, read);

    if (result == ERR_AGAIN && !store__ahead_demand(cold->ahead, segment)) {
        return ERR_NO_MEMORY;
    }
    if (result == ERR_OUT_OF_RANGE && read->next_offset < segment->end_offset) {
        report_damage(segment, cold->ahead->position, "frames are missing");
        return ERR_CORRUPT;
    }
    return result;
}

static void cold_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct cold_read     *cold = CONTAINER_OF(job, struct cold_read, job);
    struct store_ahead   *ahead = cold->ahead;
    struct store_read    *read = cold->read;
    struct store_segment *segment;
    uint64_t              position;
    int                   result;

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(job->store->io, &task->op, store__task_op_done)); /* not inside the caller */
    for (;;) {
        segment = store__segment_of(job->log, read->next_offset);
        if (segment == NULL || segment->header.base_offset > read->next_offset) { /* retention took it meanwhile */
            cold_end(cold, ERR_OUT_OF_RANGE);
            return;
        }
        if (segment->header.segment_id != ahead->segment_id) {
            job->segment = segment;
            if (!store__job_hold(job)) {
                TASK_AWAIT(task, (void)0);
                if (task->result < 0) {
                    cold_end(cold, task->result);
                    return;
                }
            }
            if (job->segment->index == NULL) {
                TASK_AWAIT(task, store__index_want(job->segment, task)); /* without one: from the first frame on */
            }
            segment = job->segment;
            if (segment->index == NULL || !store_index_find_offset(segment->index, read->next_offset, &position)) {
                position = store__segment_data_start(segment->header.block_bytes);
            }
            store__ahead_seek(ahead, segment, position);
            store__job_drop(job); /* one that retention took meanwhile is gone after this */
            segment = store__segment_of(job->log, read->next_offset);
            if (segment == NULL || segment->header.segment_id != ahead->segment_id) {
                continue;
            }
        }
        result = cold_look(cold, segment);
        if (result == ERR_AGAIN) {
            cold->waited = true;
            TASK_AWAIT(task, ahead->waiter = task);
            continue;
        }
        if (result == ERR_OUT_OF_RANGE && read->next_offset < read->end_offset &&
            store__segment_of(job->log, read->next_offset) != segment) {
            continue;
        }
        cold_end(cold, result == ERR_NO_MEMORY ? ERR_AGAIN : result);
        return;
    }
    TASK_END;
}
