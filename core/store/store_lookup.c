/* store_lookup.c: getting a segment's index into memory, and finding offsets by time.
 *
 * Indexes only shorten the way, so whatever is wrong with an index file costs a walk over the frame headers and nothing
 * else. */
#include "core/store/store_internal.h"

struct index_job {
    struct store_job    job;
    struct store_task  *waiter;
    struct store_index *index;
    uint64_t            position;
    size_t              read_bytes;
};

#define INDEX_WALK_BYTES ((size_t)(16 * KIB)) /* one read of the walk: a header and, mostly, the next one, too */

static void index_run(struct store_task *task);

/* --- index ------------------------------------------------------------------------------------------------------- */

static void index_abandon(struct store_job *job)
{
    store_index_destroy(CONTAINER_OF(job, struct index_job, job)->index);
}

void store__index_want(struct store_segment *segment, struct store_task *task)
{
    struct index_job *job = mem_alloc(MEM_STORE, sizeof(*job));

    store__job_init(&job->job, segment->store, segment->log, segment, index_run);
    job->job.abandon = index_abandon;
    job->waiter = task;
    store__segment_use(segment); /* the waiter holds it; so it is open */
    job->job.holding = true;
    store__job_start(&job->job);
}

static void index_end(struct index_job *job, int result)
{
    struct store_segment *segment = job->job.segment;
    struct store_task    *waiter = job->waiter;

    if (result == ERR_OK && segment->index == NULL && segment->log != NULL) {
        segment->index = job->index;
        job->index = NULL;
    }
    store_index_destroy(job->index);
    store__job_end(&job->job);
    waiter->result = result;
    store__task_resume(waiter);
}

/* Frames closed while the walk went on are in memory still; without a gap, or the running maximum of the times would
 * lie. */
static bool index_catch_up(struct index_job *job)
{
    struct store_segment *segment = job->job.segment;
    struct store_log     *log = segment->log;

    for (uint32_t i = 0; log != NULL && i < log->frame_count; i++) {
        const struct store_frame *frame = log->frames[i];

        if (frame->segment == segment && frame->state != FRAME_OPEN && frame->header.position == job->position) {
            store_index_add(job->index, frame->header.first_offset, frame->header.position, frame->header.frame_bytes,
                            frame->header.max_timestamp_ms);
            job->position += frame->header.frame_bytes;
        }
    }
    return job->position >= segment->end_position;
}

static int index_walk(struct index_job *job)
{
    struct store_segment     *segment = job->job.segment;
    size_t                    at = 0;
    struct store_frame_header header;

    while (at + STORE_FRAME_HEADER_BYTES <= job->read_bytes && job->position < segment->end_position) {
        struct view rest = view_of(job->job.buf->data + at, job->read_bytes - at);

        if (store__frame_decode(rest, segment->header.segment_id, job->position, segment->header.block_bytes,
                                &header) != ERR_OK) {
            return at > 0 ? ERR_OK : ERR_CORRUPT; /* behind others: perhaps not written yet, and so still in memory */
        }
        store_index_add(job->index, header.first_offset, header.position, header.frame_bytes, header.max_timestamp_ms);
        job->position += header.frame_bytes;
        at += header.frame_bytes;
    }
    return ERR_OK;
}

static void index_run(struct store_task *task)
{
    struct store_job           *base = CONTAINER_OF(task, struct store_job, task);
    struct index_job           *job = CONTAINER_OF(base, struct index_job, job);
    struct store               *store = base->store;
    struct store_segment       *segment = base->segment;
    struct store_index_identity identity = store__index_identity(segment);

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(store->io, &task->op, store__task_op_done));
    if (segment->header.state == STORE_SEGMENT_SEALED && segment->log != NULL) {
        base->path = store__segment_path(segment->log, segment->header.number, ".idx");
        TASK_AWAIT(task, io_file_load(store->io, &task->file, store->shard->bufs, base->path, 16 * MIB,
                                      store__task_file_done));
        if (task->result >= 0) {
            base->buf = io_file_take(&task->file);
            if (store_index_decode(view_of(base->buf->data, (size_t)task->result), &identity, &job->index) == ERR_OK) {
                index_end(job, ERR_OK);
                return;
            }
            buf_unref(base->buf);
            base->buf = NULL;
        }
    }
    job->index = store_index_create(segment->header.base_offset, segment->header.block_bytes,
                                    segment->log == NULL ? 0 : segment->log->policy.index_interval_bytes);
    base->buf = store__buf(store, MAX(INDEX_WALK_BYTES, (size_t)segment->header.block_bytes));
    if (base->buf == NULL || job->index == NULL) {
        index_end(job, ERR_NO_MEMORY);
        return;
    }
    job->position = store__segment_data_start(segment->header.block_bytes);
    while (!index_catch_up(job)) {
        job->read_bytes = (size_t)MIN((uint64_t)MAX(INDEX_WALK_BYTES, (size_t)segment->header.block_bytes),
                                      segment->end_position - job->position);
        TASK_AWAIT(task,
                   io_file_read_full(store->io, &task->file, segment->handle, span_of(base->buf->data, job->read_bytes),
                                     job->position, store__task_file_done));
        job->read_bytes = task->result > 0 ? (size_t)task->result : 0;
        if (job->read_bytes < STORE_FRAME_HEADER_BYTES || index_walk(job) != ERR_OK) {
            index_end(job, ERR_CORRUPT);
            return;
        }
    }
    index_end(job, ERR_OK);
    return;
    TASK_END;
}

/* --- by time ---------------------------------------------------------------------------------- */

struct time_job {
    struct store_job          job;
    struct store_time_lookup *lookup;
    uint32_t                  at; /* segment looked at */
    int64_t                   offset;
    bool                      maximum; /* the record with the largest time, not the first at or above one */
    bool                      pending;
};

static void time_run(struct store_task *task);

static void time_start(struct store_log *log, struct store_time_lookup *lookup, bool maximum)
{
    struct time_job *job = mem_alloc(MEM_STORE, sizeof(*job));

    lookup->out_offset = -1;
    lookup->out_timestamp_ms = -1;
    lookup->out_leader_epoch = -1;
    lookup->result = ERR_OK;
    store__job_init(&job->job, log->store, log, NULL, time_run);
    job->lookup = lookup;
    job->maximum = maximum;
    log->reads++;
    store__job_start(&job->job);
}

void store_log_find_time(struct store_log *log, struct store_time_lookup *lookup)
{
    time_start(log, lookup, false);
}

void store_log_find_max_time(struct store_log *log, struct store_time_lookup *lookup)
{
    lookup->end_offset = log->durable_end;
    lookup->timestamp_ms = -1;
    for (uint32_t i = 0; i < log->segment_count; i++) {
        lookup->timestamp_ms = MAX(lookup->timestamp_ms, log->segments[i]->max_timestamp_ms);
    }
    time_start(log, lookup, true);
}

static void time_end(struct time_job *job, int result)
{
    struct store_time_lookup *lookup = job->lookup;

    lookup->result = result;
    job->job.log->reads--;
    store__job_end(&job->job);
    lookup->done(lookup);
}

/* The first record of the batch with a time >= wanted (or the batch's largest). */
static int time_in_batch(struct time_job *job, const struct rec_batch *batch)
{
    struct store_time_lookup *lookup = job->lookup;
    struct arena              arena;
    struct rec_iter           iter;
    struct rec_record         record;
    struct view records = view_of(batch->bytes.base + REC_HEADER_BYTES, batch->bytes.len - REC_HEADER_BYTES);
    int         result = ERR_OK;
    int64_t     wanted = lookup->timestamp_ms;

    if ((batch->attributes & REC_ATTR_LOG_APPEND_TIME) != 0) { /* one time for all */
        lookup->out_offset = MAX(batch->base_offset, job->job.log->start_offset);
        lookup->out_timestamp_ms = batch->max_timestamp_ms;
        lookup->out_leader_epoch = batch->leader_epoch;
        return ERR_OK;
    }
    arena_init(&arena, MEM_STORE, 64 * KIB, SIZE_MAX);
    if (batch->codec != REC_NONE) {
        result = rec_inflate(batch, MAX((size_t)(64 * MIB), batch->bytes.len * 64), &arena, &records);
    }
    if (result == ERR_OK) {
        rec_iter_init(&iter, batch, records);
        while ((result = rec_iter_next(&iter, &record)) == 1) {
            if (record.timestamp_ms >= wanted && record.offset >= job->job.log->start_offset) {
                lookup->out_offset = record.offset;
                lookup->out_timestamp_ms = record.timestamp_ms;
                lookup->out_leader_epoch = batch->leader_epoch;
                break;
            }
        }
    }
    arena_deinit(&arena);
    return result < 0 ? result : ERR_OK;
}

/* Goes through what one read gave. True: found, or failed (job->error). */
static bool time_scan(struct time_job *job)
{
    struct store_read *read = &job->lookup->read_;

    job->offset = read->next_offset;
    for (uint32_t i = 0; i < read->slice_count; i++) {
        struct view      rest = read->slices[i];
        struct rec_batch batch;

        while (store__batch_next(&rest, &batch)) {
            if (batch.max_timestamp_ms < job->lookup->timestamp_ms) {
                continue;
            }
            job->job.error = time_in_batch(job, &batch);
            if (job->job.error != ERR_OK || job->lookup->out_offset >= 0) {
                return true;
            }
        }
    }
    return false;
}

static void time_read_done(struct store_read *read)
{
    struct store_time_lookup *lookup = CONTAINER_OF(read, struct store_time_lookup, read_);
    struct time_job          *job = lookup->state_;

    store__task_resume(&job->job.task);
}

/* The index of job->at's segment, if need be, and where in it to begin. */
static void time_begin_at(struct time_job *job, const struct store_segment *segment)
{
    uint64_t position;

    if (segment->index == NULL ||
        !store_index_find_time(segment->index, job->lookup->timestamp_ms, &job->offset, &position)) {
        job->offset = segment->header.base_offset;
    }
    job->offset = MAX(job->offset, job->job.log->start_offset);
}

static void time_run(struct store_task *task)
{
    struct store_job         *base = CONTAINER_OF(task, struct store_job, task);
    struct time_job          *job = CONTAINER_OF(base, struct time_job, job);
    struct store_log         *log = base->log;
    struct store_time_lookup *lookup = job->lookup;

    TASK_BEGIN(task);
    lookup->state_ = job;
    TASK_AWAIT(task, io_post(base->store->io, &task->op, store__task_op_done));
    lookup->end_offset = MIN(lookup->end_offset, log->durable_end);
    while (job->at < log->segment_count && (log->segments[job->at]->max_timestamp_ms < lookup->timestamp_ms ||
                                            log->segments[job->at]->end_offset <= log->start_offset)) {
        job->at++; /* nothing so late in it */
    }
    if (job->at == log->segment_count || lookup->end_offset <= log->start_offset) {
        time_end(job, ERR_OK);
        return;
    }
    base->segment = log->segments[job->at];
    time_begin_at(job, base->segment);
    if (base->segment->index == NULL && base->segment->exists) {
        if (!store__job_hold(base)) {
            TASK_AWAIT(task, (void)0);
        }
        if (task->result >= 0) {
            TASK_AWAIT(task, store__index_want(base->segment, task));
            time_begin_at(job, base->segment);
            store__job_drop(base); /* one that has left the log goes with this */
        }
    }
    while (job->offset < lookup->end_offset) {
        lookup->read_.offset = job->offset;
        lookup->read_.end_offset = lookup->end_offset;
        lookup->read_.bytes_max = STORE_WINDOW_BYTES;
        lookup->read_.at_least_one = true;
        lookup->read_.done = time_read_done;
        if (!store_log_read(log, &lookup->read_)) {
            TASK_AWAIT(task, (void)0);
        }
        base->error = lookup->read_.result;
        if (base->error != ERR_OK || lookup->read_.bytes == 0 || time_scan(job)) {
            store_read_release(&lookup->read_);
            break;
        }
        store_read_release(&lookup->read_);
    }
    time_end(job, base->error);
    return;
    TASK_END;
}
