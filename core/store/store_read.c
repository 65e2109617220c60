/* store_read.c: reading a log, from memory or from its segments.
 *
 * Hot: frames in memory, references taken, done at once. Cold: index -> one direct read of a window -> frames walked
 * and verified (header, prefixes, every batch's CRC: nothing is served that was not checked since it left the disk). A
 * cold read never goes on into memory; the next one does. */
#include "core/store/store_internal.h"

struct cold_read {
    struct store_job   job;
    struct store_read *read;
    uint64_t           position; /* of the frame looked at next */
    uint64_t           window_at;
    size_t             window_bytes;
    size_t             window_len; /* what came */
    int64_t            limit;      /* what begins here may not have been written yet when the read began */
};

static void cold_run(struct store_task *task);
static bool remainder_read(struct store_log *log, struct store_read *read);

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
        return true;
    }
    while (more && store__batch_next(&rest, &batch)) {
        if (rec_batch_last_offset(&batch) < read->next_offset) {
            run = view_of(rest.base, 0);
            continue;
        }
        if (batch.base_offset >= read->end_offset || (read->bytes + run.len + batch.bytes.len > read->bytes_max &&
                                                      !(read->at_least_one && read->bytes + run.len == 0))) {
            more = false;
            break;
        }
        if (read->slice_count == STORE_SLICES_MAX) {
            more = false;
            break;
        }
        run.len += batch.bytes.len;
        read->first_offset = read->first_offset < 0 ? batch.base_offset : read->first_offset;
        read->next_offset = rec_batch_last_offset(&batch) + 1;
    }
    if (run.len > 0) {
        (void)read_add(read, buf, run);
    }
    return more && read->bytes < read->bytes_max;
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

bool store_log_read(struct store_log *log, struct store_read *read)
{
    struct cold_read *cold;

    read->result = ERR_OK;
    read->bytes = 0;
    read->slice_count = 0;
    read->hold_count_ = 0;
    read->first_offset = -1;
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
    if (log->frame_count > 0 && read->offset >= log->frames[0]->header.first_offset) {
        read_hot(log, read);
        return true;
    }
    if (remainder_read(log, read)) {
        return true;
    }
    cold = mem_alloc(MEM_STORE, sizeof(*cold));
    store__job_init(&cold->job, log->store, log, NULL, cold_run);
    cold->read = read;
    log->reads++;
    store__job_start(&cold->job);
    return false;
}

/* --- cold -------------------------------------------------------------------------------------------------------- */

static struct store_segment *segment_of(const struct store_log *log, int64_t offset)
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

static void cold_end(struct cold_read *cold, int result)
{
    struct store_read *read = cold->read;
    struct store_log  *log = cold->job.log;

    read->result = read->bytes > 0 ? ERR_OK : result;
    log->store->stats.read_cold_bytes += read->bytes;
    log->reads--;
    store__job_end(&cold->job);
    read->done(read);
}

/* A frame of which a read took a part only: the next read most likely wants the rest, and need neither read nor check
 * it again. */
static void remainder_keep(struct cold_read *cold, struct view payload, const struct store_frame_header *header)
{
    struct store           *store = cold->job.store;
    struct store_log       *log = cold->job.log;
    struct store_remainder *remainder;

    store__remainder_drop(log);
    if (store->remainder_count >= STORE_REMAINDERS_MAX) {
        store__remainder_drop(LIST_ENTRY(list_first(&store->remainders), struct store_remainder, link)->log);
    }
    remainder = mem_alloc(MEM_STORE, sizeof(*remainder));
    remainder->log = log;
    remainder->buf = buf_ref(cold->job.buf);
    remainder->payload = payload;
    remainder->first_offset = header->first_offset;
    remainder->last_offset = header->last_offset;
    log->remainder = remainder;
    list_push_back(&store->remainders, &remainder->link);
    store->remainder_count++;
}

void store__remainder_drop(struct store_log *log)
{
    struct store_remainder *remainder = log->remainder;

    if (remainder != NULL) {
        log->remainder = NULL;
        log->store->remainder_count--;
        list_remove(&remainder->link);
        buf_unref(remainder->buf);
        mem_free(MEM_STORE, remainder);
    }
}

/* True: it held what was wanted. */
static bool remainder_read(struct store_log *log, struct store_read *read)
{
    struct store_remainder *remainder = log->remainder;

    if (remainder == NULL || read->offset < remainder->first_offset || read->offset > remainder->last_offset) {
        return false;
    }
    MAYBE(read_collect(read, remainder->buf, remainder->payload, remainder->first_offset, remainder->last_offset));
    log->store->stats.read_hot_bytes += read->bytes;
    if (read->next_offset > remainder->last_offset) {
        store__remainder_drop(log);
    }
    return true;
}

/* Looks at what the window holds from cold->position on. ERR_AGAIN: read there. ERR_OK: the read is served.
 * ERR_CORRUPT. */
static int cold_walk(struct cold_read *cold)
{
    struct store_segment     *segment = cold->job.segment;
    struct store_read        *read = cold->read;
    struct store_frame_header header;

    while (cold->position < segment->end_position && read->next_offset < cold->limit) {
        size_t      at = (size_t)(cold->position - cold->window_at);
        struct view rest;

        if (cold->position < cold->window_at || at + STORE_FRAME_HEADER_BYTES > cold->window_len) {
            return read->bytes > 0 ? ERR_OK : ERR_AGAIN;
        }
        rest = view_of(cold->job.buf->data + at, cold->window_len - at);
        if (store__frame_decode(rest, segment->header.segment_id, cold->position, segment->header.block_bytes,
                                &header) != ERR_OK) {
            report_damage(segment, cold->position, "no frame where one was written");
            return ERR_CORRUPT;
        }
        if (header.last_offset < read->next_offset) {
            cold->position += header.frame_bytes;
            continue;
        }
        if (STORE_FRAME_HEADER_BYTES + header.payload_bytes > rest.len) {
            cold->window_bytes = MAX(cold->window_bytes, (size_t)header.frame_bytes);
            return read->bytes > 0 ? ERR_OK : ERR_AGAIN;
        }
        rest = view_of(rest.base + STORE_FRAME_HEADER_BYTES, header.payload_bytes);
        if (store__frame_verify(&header, rest) != ERR_OK) {
            report_damage(segment, cold->position, "a frame's content does not match its checks");
            return ERR_CORRUPT;
        }
        cold->position += header.frame_bytes;
        if (!read_collect(read, cold->job.buf, rest, header.first_offset, header.last_offset)) {
            if (read->next_offset <= header.last_offset) {
                remainder_keep(cold, rest, &header);
            }
            return ERR_OK;
        }
    }
    return read->bytes > 0 ? ERR_OK : ERR_OUT_OF_RANGE;
}

static int cold_window(struct cold_read *cold)
{
    struct store_segment   *segment = cold->job.segment;
    const struct store_log *log = cold->job.log;
    uint64_t                left = segment->end_position - cold->position;
    size_t                  bytes = (size_t)MIN((uint64_t)cold->window_bytes, left);

    buf_unref(cold->job.buf);
    cold->job.buf = store__buf_for_read(cold->job.store, bytes);
    cold->window_at = cold->position;
    if (cold->job.buf == NULL) {
        return ERR_NO_MEMORY;
    }
    cold->window_len = bytes;
    cold->limit = log->frame_count > 0 ? MIN(log->frames[0]->header.first_offset, log->durable_end) : log->durable_end;
    cold->limit = MIN(cold->limit, cold->read->end_offset);
    return ERR_OK;
}

/* What a read brought, bytes or ERR_. A file that ends before its frames do is damaged. */
static int cold_look(struct cold_read *cold, int len)
{
    bool short_file;
    int  result;

    if (len < 0) {
        report_damage(cold->job.segment, cold->window_at, err_text(len));
        return len;
    }
    short_file = (size_t)len < cold->window_len;
    cold->window_len = (size_t)len;
    result = cold_walk(cold);
    if (result == ERR_AGAIN && short_file) {
        report_damage(cold->job.segment, cold->position, "the file ends too early");
        return ERR_CORRUPT;
    }
    return result;
}

static void cold_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct cold_read     *cold = CONTAINER_OF(job, struct cold_read, job);
    struct store_read    *read = cold->read;
    struct store_segment *segment = job->segment;
    int                   result;

    TASK_BEGIN(task);
    cold->window_bytes = (size_t)align_up(MIN(MAX(read->bytes_max, STORE_WINDOW_BYTES_MIN), STORE_WINDOW_BYTES),
                                          job->store->block_bytes);
    TASK_AWAIT(task, io_post(job->store->io, &task->op, store__task_op_done)); /* not inside the caller */
    for (;;) {
        segment = job->segment = segment_of(job->log, read->next_offset);
        if (segment == NULL) {
            cold_end(cold, ERR_OUT_OF_RANGE);
            return;
        }
        if (!store__job_hold(job)) {
            TASK_AWAIT(task, (void)0);
            if (task->result < 0) {
                cold_end(cold, task->result);
                return;
            }
        }
        if (segment->index == NULL) {
            TASK_AWAIT(task, store__index_want(segment, task)); /* without one: from the first frame on */
        }
        if (segment->index == NULL || !store_index_find_offset(segment->index, read->next_offset, &cold->position)) {
            cold->position = store__segment_data_start(segment->header.block_bytes);
        }
        do {
            result = cold->position < segment->end_position ? cold_window(cold) : ERR_OUT_OF_RANGE;
            if (result == ERR_OK) {
                TASK_AWAIT(task, io_file_read_full(job->store->io, &task->file, segment->handle,
                                                   span_of(job->buf->data, cold->window_len), cold->window_at,
                                                   store__task_file_done));
                result = cold_look(cold, task->result);
            }
        } while (result == ERR_AGAIN);
        if (result == ERR_OUT_OF_RANGE && read->next_offset < segment->end_offset && segment->log != NULL) {
            report_damage(segment, cold->position, "frames are missing");
            result = ERR_CORRUPT;
        }
        store__job_drop(job); /* a segment that retention took meanwhile is gone after this */
        if (result == ERR_OUT_OF_RANGE && read->next_offset < read->end_offset &&
            segment_of(job->log, read->next_offset) != segment) {
            continue;
        }
        cold_end(cold, result == ERR_NO_MEMORY ? ERR_AGAIN : result);
        return;
    }
    TASK_END;
}
