/* store_rebuild.c: making the decision of a recovery durable.
 *
 *   1. what stands in place is flushed: it may have been read from a volatile cache
 *   2. a new segment is made whose base is where that run ends; if a tail has to be copied behind it (from the journal,
 * or from behind a torn frame), the segment is marked RECOVERING and filled and flushed first
 *   3. its header becomes ACTIVE, durably. This is the cut: a segment ends where a later one begins, so what stood
 * behind it is dead
 *   4. only then the old segments are sealed, and those that hold nothing any more are removed
 * A stop before 3 leaves everything as it was, a stop after 3 nothing to decide. */
#include "core/store/store_opening.h"

static void rebuild_run(struct store_task *task);

void store__rebuild_start(struct store_opening *opening)
{
    memset(&opening->task, 0, sizeof(opening->task));
    opening->task.run = rebuild_run;
    store__task_resume(&opening->task);
}

/* --- the new segment ---------------------------------------------------------------------------------------------- */

static void rebuild_target(struct store_opening *opening)
{
    struct store_segment *target = store__segment_new(opening->log, opening->number_max + 1);

    target->header.state = opening->result.copy_count > 0 ? STORE_SEGMENT_RECOVERING : STORE_SEGMENT_ACTIVE;
    target->header.base_offset = opening->result.in_place_end;
    target->header.log_start_offset = opening->start_offset;
    target->header.created_ms = io_wall_ms(opening->store->io);
    target->end_offset = target->header.base_offset;
    opening->number_max++;
    opening->target = target;
}

/* The copies of a segment that holds data: one at a time. */
static void rebuild_header(struct store_opening *opening)
{
    struct store_segment *target = opening->target;
    uint32_t              block = target->header.block_bytes;

    target->header.sequence++;
    memset(opening->buf->data, 0, block);
    store__segment_header_encode(&target->header, opening->buf->data);
    io_file_write_all(opening->store->io, &opening->task.file, opening->handle, view_of(opening->buf->data, block),
                      (target->header.sequence % STORE_SEGMENT_HEADER_COPIES) * block, IO_WRITE_DURABLE,
                      store__task_file_done);
}

/* --- copying ----------------------------------------------------------------------------------------------------- */

static bool copy_fits(const struct store_opening *opening)
{
    const struct store_piece *piece = &opening->pieces[opening->copies[opening->copied].piece];

    return opening->used == STORE_FRAME_HEADER_BYTES || opening->used + piece->payload_bytes <= STORE_FRAME_OPEN_BYTES;
}

static void copy_begin(struct store_opening *opening)
{
    struct store_segment *target = opening->target;

    opening->header = (struct store_frame_header){
        .segment_id = target->header.segment_id,
        .generation = target->header.generation,
        .sequence = target->next_sequence,
        .position = target->end_position,
        .first_offset = target->end_offset,
        .last_offset = target->end_offset - 1,
        .max_timestamp_ms = -1,
    };
    store__frame_begin(&opening->header);
    opening->used = STORE_FRAME_HEADER_BYTES;
}

/* Room for the piece behind what the buffer holds. False: no memory. */
static bool copy_room(struct store_opening *opening, size_t bytes)
{
    size_t      need = (size_t)align_up(opening->used + bytes, opening->store->block_bytes);
    struct buf *buf;

    if (need <= opening->buf->capacity_bytes) {
        return true;
    }
    buf = store__buf(opening->store, MAX(need, STORE_FRAME_OPEN_BYTES));
    if (buf == NULL) {
        return false;
    }
    memcpy(buf->data, opening->buf->data, opening->used);
    buf_unref(opening->buf);
    opening->buf = buf;
    return true;
}

/* The start lies inside the first batch that is kept. Nothing stands before it, so the segment begins with that batch.
 */
static void copy_begin_at(struct store_opening *opening, int64_t base_offset)
{
    struct store_segment *target = opening->target;

    target->header.base_offset = base_offset;
    target->end_offset = base_offset;
    opening->header.first_offset = base_offset;
    opening->header.last_offset = base_offset - 1;
    store_index_destroy(target->index);
    target->index =
        store_index_create(base_offset, opening->store->block_bytes, opening->log->policy.index_interval_bytes);
}

/* Appends the batches of `payload` from from_offset on. */
static int copy_add(struct store_opening *opening, struct view payload, int64_t from_offset)
{
    struct view      rest = payload;
    struct rec_batch batch;

    while (store__batch_next(&rest, &batch)) {
        if (rec_batch_last_offset(&batch) < from_offset) {
            continue;
        }
        if (opening->result.keep_segments == 0 && opening->copied == 0 && opening->used == STORE_FRAME_HEADER_BYTES &&
            batch.base_offset < from_offset) {
            copy_begin_at(opening, batch.base_offset);
        }
        if (batch.base_offset != opening->header.last_offset + 1 || !rec_batch_crc_ok(&batch)) {
            return ERR_CORRUPT;
        }
        memcpy(opening->buf->data + opening->used, batch.bytes.base, batch.bytes.len);
        opening->used += batch.bytes.len;
        opening->header.last_offset = rec_batch_last_offset(&batch);
        opening->header.max_timestamp_ms = MAX(opening->header.max_timestamp_ms, batch.max_timestamp_ms);
        if (store__frame_add(&opening->header, batch.bytes) != ERR_OK) {
            return ERR_CORRUPT;
        }
    }
    return rest.len == 0 ? ERR_OK : ERR_CORRUPT;
}

/* The frame is full or the last: encoded, accounted for, ready to be written. */
static void copy_close(struct store_opening *opening)
{
    struct store_segment      *target = opening->target;
    struct store_frame_header *header = &opening->header;
    size_t                     frame_bytes = (size_t)align_up(opening->used, opening->store->block_bytes);

    header->payload_bytes = (uint32_t)(opening->used - STORE_FRAME_HEADER_BYTES);
    header->frame_bytes = (uint32_t)frame_bytes;
    header->durable_end = header->first_offset;
    header->mode = FRAME_SETTLED;
    memset(opening->buf->data + opening->used, 0, frame_bytes - opening->used);
    store__frame_encode(header, opening->buf->data);
    store_index_add(target->index, header->first_offset, header->position, header->frame_bytes,
                    header->max_timestamp_ms);
    target->end_position += frame_bytes;
    target->end_offset = header->last_offset + 1;
    target->max_timestamp_ms = MAX(target->max_timestamp_ms, header->max_timestamp_ms);
    target->next_sequence++;
}

static const struct store_piece *copy_piece(const struct store_opening *opening)
{
    return &opening->pieces[opening->copies[opening->copied].piece];
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static void rebuild_end(struct store_opening *opening, int result)
{
    buf_unref(opening->source);
    opening->source = NULL;
    mem_free(MEM_STORE, opening->path);
    opening->path = NULL;
    if (io_handle_valid(opening->handle)) { /* thousands of logs may come back one after the other: none stays open */
        opening->target->handle = opening->handle;
        opening->handle = IO_HANDLE_NONE;
        opening->store->open_count++;
        opening->store->slots_used++;
        store__segment_close_handle(opening->target);
    }
    opening->outer->result = result;
    store__task_resume(opening->outer);
}

static int copy_source(struct store_opening *opening)
{
    const struct store_piece      *piece = copy_piece(opening);
    const struct store_held_entry *entry = piece->entry;
    int64_t                        from = opening->copies[opening->copied].from_offset;
    struct view                    payload;

    if (piece->kind == PIECE_SEALED) {
        return ERR_CORRUPT; /* it cannot be in another place than its own */
    }
    if (!copy_room(opening, piece->payload_bytes)) {
        return ERR_NO_MEMORY;
    }
    payload = piece->kind == PIECE_JOURNAL
                  ? view_of(entry->bytes, entry->len)
                  : view_of(opening->source->data + STORE_FRAME_HEADER_BYTES, piece->payload_bytes);
    return copy_add(opening, payload, from);
}

static void copy_end(struct store_opening *opening, int result)
{
    opening->task.result = MIN(result, 0);
    store__task_resume(&opening->task);
}

/* All pieces into the target, whose file is opening->handle, and flushed. */
static void copy_run(struct store_task *task)
{
    struct store_opening     *opening = CONTAINER_OF(task, struct store_opening, copy);
    struct store             *store = opening->store;
    const struct store_piece *piece;

    TASK_BEGIN(task);
    copy_begin(opening);
    for (opening->copied = 0; opening->copied < opening->result.copy_count; opening->copied++) {
        if (!copy_fits(opening)) {
            copy_close(opening);
            TASK_AWAIT(task, io_file_write_all(store->io, &task->file, opening->handle,
                                               view_of(opening->buf->data, opening->header.frame_bytes),
                                               opening->header.position, 0, store__task_file_done));
            if (task->result < 0) {
                copy_end(opening, task->result);
                return;
            }
            copy_begin(opening);
        }
        piece = copy_piece(opening);
        if (piece->kind == PIECE_FRAME) {
            mem_free(MEM_STORE, opening->path);
            opening->path = store__segment_path(opening->log, opening->segments[piece->segment]->header.number, ".seg");
            TASK_AWAIT(task,
                       io_open(store->io, &task->op, opening->path, store__open_flags(store), store__task_op_done));
            if (task->result < 0) {
                copy_end(opening, task->result);
                return;
            }
            opening->source_handle = (struct io_handle){task->result};
            buf_unref(opening->source);
            opening->source = store__buf(store, copy_piece(opening)->frame_bytes);
            if (opening->source == NULL) {
                copy_end(opening, ERR_NO_MEMORY);
                return;
            }
            TASK_AWAIT(task, io_file_read_full(store->io, &task->file, opening->source_handle,
                                               span_of(opening->source->data, copy_piece(opening)->frame_bytes),
                                               copy_piece(opening)->position, store__task_file_done));
            /* A file may end within the padding of its last frame: that write was cut short behind what counts. */
            opening->job->error =
                task->result < (int)(STORE_FRAME_HEADER_BYTES + copy_piece(opening)->payload_bytes) ? ERR_IO : ERR_OK;
            TASK_AWAIT(task, io_close(store->io, &task->op, opening->source_handle, store__task_op_done));
            if (opening->job->error < 0) {
                copy_end(opening, opening->job->error);
                return;
            }
        }
        task->result = copy_source(opening);
        if (task->result < 0) {
            copy_end(opening, task->result);
            return;
        }
    }
    copy_close(opening);
    TASK_AWAIT(task, io_file_write_all(store->io, &task->file, opening->handle,
                                       view_of(opening->buf->data, opening->header.frame_bytes),
                                       opening->header.position, 0, store__task_file_done));
    if (task->result >= 0) {
        TASK_AWAIT(task, io_sync(store->io, &task->op, opening->handle, store__task_op_done));
    }
    copy_end(opening, task->result);
    return;
    TASK_END;
}

static void copy_start(struct store_opening *opening)
{
    memset(&opening->copy, 0, sizeof(opening->copy));
    opening->copy.run = copy_run;
    store__task_resume(&opening->copy);
}

/* 1.: everything in place that is not sealed. */
static bool flush_wanted(const struct store_opening *opening, uint32_t at)
{
    return opening->segments[at]->header.state == STORE_SEGMENT_ACTIVE ||
           opening->segments[at]->header.state == STORE_SEGMENT_PREPARED;
}

static void rebuild_run(struct store_task *task)
{
    struct store_opening *opening = CONTAINER_OF(task, struct store_opening, task);
    struct store         *store = opening->store;

    TASK_BEGIN(task);
    opening->handle = IO_HANDLE_NONE;
    for (opening->at = opening->result.keep_from; opening->at < opening->result.keep_segments; opening->at++) {
        if (!flush_wanted(opening, opening->at)) {
            continue;
        }
        mem_free(MEM_STORE, opening->path);
        opening->path = store__segment_path(opening->log, opening->segments[opening->at]->header.number, ".seg");
        TASK_AWAIT(task, io_open(store->io, &task->op, opening->path, store__open_flags(store), store__task_op_done));
        if (task->result < 0) {
            rebuild_end(opening, task->result);
            return;
        }
        opening->source_handle = (struct io_handle){task->result};
        TASK_AWAIT(task, io_sync(store->io, &task->op, opening->source_handle, store__task_op_done));
        opening->job->error = MIN(task->result, 0);
        TASK_AWAIT(task, io_close(store->io, &task->op, opening->source_handle, store__task_op_done));
        if (opening->job->error < 0) {
            rebuild_end(opening, opening->job->error);
            return;
        }
    }
    rebuild_target(opening);
    mem_free(MEM_STORE, opening->path);
    opening->path = store__segment_path(opening->log, opening->target->header.number, ".seg");
    TASK_AWAIT(task, io_open(store->io, &task->op, opening->path, store__open_flags(store) | IO_OPEN_CREATE,
                             store__task_op_done));
    if (task->result < 0) {
        rebuild_end(opening, task->result);
        return;
    }
    opening->handle = (struct io_handle){task->result};
    opening->target->index = store_index_create(opening->target->header.base_offset, store->block_bytes,
                                                opening->log->policy.index_interval_bytes);
    /* The name first: a valid header says that it is durable. */
    TASK_AWAIT(task, io_file_sync_directory(store->io, &task->file, opening->log->path, store__task_file_done));
    if (task->result >= 0) {
        TASK_AWAIT(task, store__segment_header_first(task, opening->target, opening->handle, opening->buf->data));
    }
    if (task->result >= 0 && opening->result.copy_count > 0) {
        TASK_AWAIT(task, copy_start(opening));
        opening->target->header.state = STORE_SEGMENT_ACTIVE;
        for (opening->at = 0; task->result >= 0 && opening->at < STORE_SEGMENT_HEADER_COPIES; opening->at++) {
            TASK_AWAIT(task, rebuild_header(opening));
        }
    }
    opening->target->exists = task->result >= 0;
    rebuild_end(opening, MIN(task->result, 0));
    return;
    TASK_END;
}
