/* store_scan.c: reading a log's directory: which segments there are and which frames the unsealed ones hold.
 *
 * A sealed segment is one piece and is not read. An unsealed one is looked at block by block to its end, since a valid
 * frame may stand behind a torn one. What is read here is only collected; store_recover.c decides. */
#include "core/store/store_opening.h"

#include <stdio.h>
#include <stdlib.h>

static void scan_run(struct store_task *task);

void store__scan_start(struct store_opening *opening)
{
    memset(&opening->task, 0, sizeof(opening->task));
    opening->task.run = scan_run;
    store__task_resume(&opening->task);
}

void store__opening_piece(struct store_opening *opening, const struct store_piece *piece)
{
    if (opening->piece_count == opening->piece_capacity) {
        opening->piece_capacity = MAX(opening->piece_capacity * 2, (size_t)64);
        opening->pieces = mem_realloc(MEM_STORE, opening->pieces, opening->piece_capacity * sizeof(struct store_piece));
    }
    opening->pieces[opening->piece_count++] = *piece;
}

/* --- the directory ----------------------------------------------------------------------------------------------- */

static bool scan_name(void *context, const char *name, bool is_directory)
{
    struct store_opening *opening = context;
    char                 *end;
    unsigned long         number;

    if (is_directory || strlen(name) != 12 || strcmp(name + 8, ".seg") != 0) {
        return true;
    }
    number = strtoul(name, &end, 10);
    if (end != name + 8 || number == 0) {
        return true;
    }
    if (opening->number_count == opening->number_capacity) {
        opening->number_capacity = MAX(opening->number_capacity * 2, 16U);
        opening->numbers =
            mem_realloc(MEM_STORE, opening->numbers, opening->number_capacity * sizeof(opening->numbers[0]));
    }
    opening->numbers[opening->number_count++] = (uint32_t)number;
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static void scan_sort(struct store_opening *opening)
{
    if (opening->number_count > 0) {
        qsort(opening->numbers, opening->number_count, sizeof(opening->numbers[0]), compare_numbers);
        opening->number_max = opening->numbers[opening->number_count - 1];
    }
    opening->segments = mem_alloc(MEM_STORE, (opening->number_count + 1) * sizeof(struct store_segment *));
}

/* --- headers ----------------------------------------------------------------------------------------------------- */

static bool all_zero(struct view bytes)
{
    return bytes.len == 0 || (bytes.base[0] == 0 && memcmp(bytes.base, bytes.base + 1, bytes.len - 1) == 0);
}

static void scan_remember(struct store_opening *opening, uint32_t number, const struct store_segment_header *header)
{
    struct store_segment *segment = store__segment_new(opening->log, number);

    segment->header = *header;
    /* The next write goes over the oldest copy. The one that was read may be in doubt; the one before it is not
     * touched. */
    segment->exists = true;
    opening->segments[opening->segment_count++] = segment;
    if (header->state == STORE_SEGMENT_SEALED) {
        segment->rolled = true;
        segment->end_position = header->end_position;
        segment->end_offset = header->end_offset;
        segment->max_timestamp_ms = header->max_timestamp_ms;
        segment->next_sequence = header->frame_count;
    } else {
        segment->end_offset = header->base_offset;
    }
}

static void scan_sealed(struct store_opening *opening, const struct store_segment *segment, uint32_t ordinal)
{
    if (segment->header.end_offset > segment->header.base_offset) {
        store__opening_piece(opening, &(struct store_piece){.kind = PIECE_SEALED,
                                                            .intact = true,
                                                            .segment = ordinal,
                                                            .first_offset = segment->header.base_offset,
                                                            .last_offset = segment->header.end_offset - 1,
                                                            .durable_end = segment->header.end_offset,
                                                            .max_timestamp_ms = segment->header.max_timestamp_ms});
    }
}

/* What the copies say about a file, and so what is to be done with the rest of it. */
static enum scan_mode scan_header(struct store_opening *opening, uint32_t number)
{
    struct store_segment_header header;
    uint32_t                    block = opening->store->block_bytes;

    if (store__segment_header_choose(view_of(opening->buf->data, opening->window_len), block, &header, NULL) !=
        ERR_OK) {
        return SCAN_ZEROS; /* while it was made, or damaged: data would tell */
    }
    if (header.state == STORE_SEGMENT_FREE) {
        opening->free_id = header.segment_id;
        return SCAN_FREE;
    }
    if (!uuid_equal(header.topic_id, opening->log->topic_id) || header.partition != opening->log->partition) {
        opening->stale = true;
        return SCAN_NOTHING;
    }
    if (header.number != number || header.block_bytes != block) {
        opening->damaged = true;
        slog_error("store",
                   "%s: the header says segment %" PRIu32 " with blocks of %" PRIu32 " bytes, expected %" PRIu32,
                   opening->path, header.number, header.block_bytes, block);
        return SCAN_NOTHING;
    }
    if (header.state == STORE_SEGMENT_COMPACTING) {
        store__opening_dead(opening, number);
        return SCAN_NOTHING; /* what it was made from is still there */
    }
    scan_remember(opening, number, &header);
    if (header.state == STORE_SEGMENT_SEALED) {
        scan_sealed(opening, opening->segments[opening->segment_count - 1], opening->segment_count - 1);
        return SCAN_NOTHING;
    }
    if (header.state == STORE_SEGMENT_RECOVERING) {
        return SCAN_NOTHING; /* a copy that was not finished: what it was made from is still there */
    }
    opening->unsealed_count++;
    return SCAN_FRAMES;
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

/* Walks the window from opening->position on; stops where more must be read. `end`: the file ends with the window. */
static void scan_window(struct store_opening *opening, uint64_t window_at, bool end)
{
    uint32_t                    ordinal = opening->segment_count - 1;
    const struct store_segment *segment = opening->segments[ordinal];
    uint32_t                    block = segment->header.block_bytes;
    size_t                      asked = opening->window_bytes;

    opening->window_bytes = STORE_SCAN_BYTES;
    while (opening->position + STORE_FRAME_HEADER_BYTES <= window_at + opening->window_len) {
        size_t                    at = (size_t)(opening->position - window_at);
        struct view               rest = view_of(opening->buf->data + at, opening->window_len - at);
        struct store_frame_header header;
        struct store_piece        piece;
        struct view               payload;

        if (store__frame_decode(rest, segment->header.segment_id, opening->position, block, &header) != ERR_OK) {
            opening->position += block;
            continue;
        }
        if (header.frame_bytes > rest.len && !end && (at > 0 || asked < header.frame_bytes)) {
            opening->window_bytes = MAX(opening->window_bytes, (size_t)header.frame_bytes);
            return; /* again, with this frame, whole, at the head of the window */
        }
        payload = view_of(rest.base + STORE_FRAME_HEADER_BYTES,
                          MIN(rest.len - STORE_FRAME_HEADER_BYTES, (size_t)header.payload_bytes));
        piece = (struct store_piece){.kind = PIECE_FRAME,
                                     .intact = store__frame_verify(&header, payload) == ERR_OK,
                                     .segment = ordinal,
                                     .mode = header.mode,
                                     .frame_bytes = header.frame_bytes,
                                     .payload_bytes = header.payload_bytes,
                                     .position = opening->position,
                                     .first_offset = header.first_offset,
                                     .last_offset = header.last_offset,
                                     .durable_end = header.durable_end,
                                     .max_timestamp_ms = header.max_timestamp_ms};
        store__opening_piece(opening, &piece);
        opening->position += piece.intact ? header.frame_bytes : block;
    }
    opening->position = MAX(opening->position, align_up(window_at + opening->window_len, block));
}

/* A file without a valid header: was there anything in it? */
static void scan_zeros(struct store_opening *opening, uint64_t window_at)
{
    size_t at = (size_t)(opening->position - window_at);

    if (at < opening->window_len && !all_zero(view_of(opening->buf->data + at, opening->window_len - at))) {
        opening->damaged = true;
        opening->mode = SCAN_NOTHING;
        slog_error("store", "%s: all copies of the header are damaged; what it holds is not served", opening->path);
    }
    opening->position = MAX(opening->position, window_at + opening->window_len);
}

/* Old blocks of other logs stand in such a file. A frame of the life that it was taken for would say that its headers
 * were written, and lost. */
static void scan_free(struct store_opening *opening, uint64_t window_at)
{
    uint32_t block = opening->store->block_bytes;

    for (; opening->position + STORE_FRAME_HEADER_BYTES <= window_at + opening->window_len;
         opening->position += block) {
        size_t                    at = (size_t)(opening->position - window_at);
        struct view               rest = view_of(opening->buf->data + at, opening->window_len - at);
        struct store_frame_header header;

        if (store__frame_decode(rest, opening->free_id, opening->position, block, &header) == ERR_OK) {
            opening->damaged = true;
            opening->mode = SCAN_NOTHING;
            slog_error("store", "%s: the headers are damaged; what it holds is not served", opening->path);
            return;
        }
    }
    opening->position = MAX(opening->position, window_at + opening->window_len);
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static void scan_end(struct store_opening *opening, int result)
{
    mem_free(MEM_STORE, opening->path);
    opening->path = NULL;
    opening->outer->result = result;
    store__task_resume(opening->outer);
}

static void file_end(struct store_opening *opening, int result)
{
    opening->task.result = MIN(result, 0);
    store__task_resume(&opening->task);
}

/* What a window of the file gave. True: there is more to be read. */
static bool file_window(struct store_opening *opening, uint64_t window_at, size_t asked)
{
    bool end = opening->window_len < asked;

    if (window_at == 0) {
        opening->position = store__segment_data_start(opening->store->block_bytes);
        opening->mode = scan_header(opening, opening->numbers[opening->at]);
    }
    if (opening->mode == SCAN_FRAMES) {
        scan_window(opening, window_at, end);
        opening->segments[opening->segment_count - 1]->allocated_bytes =
            align_down(window_at + opening->window_len, opening->store->block_bytes);
    } else if (opening->mode == SCAN_ZEROS) {
        scan_zeros(opening, window_at);
    } else if (opening->mode == SCAN_FREE) {
        scan_free(opening, window_at);
    }
    return !end && opening->mode != SCAN_NOTHING;
}

/* One segment file: its header, and its frames unless it is sealed. */
static void file_run(struct store_task *task)
{
    struct store_opening *opening = CONTAINER_OF(task, struct store_opening, copy);
    struct store         *store = opening->store;

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_open(store->io, &task->op, opening->path, store__open_flags(store), store__task_op_done));
    if (task->result < 0) { /* one that had left the log goes while it is read back in place */
        file_end(opening, task->result == ERR_NOT_FOUND ? ERR_OK : task->result);
        return;
    }
    opening->handle = (struct io_handle){task->result};
    opening->window_at = 0;
    opening->window_bytes = STORE_SCAN_BYTES;
    do {
        opening->window_asked = (size_t)align_up(opening->window_bytes, store->block_bytes);
        if (opening->window_asked > opening->buf->capacity_bytes) {
            buf_unref(opening->buf);
            opening->buf = store__buf(store, opening->window_asked);
        }
        task->result = ERR_NO_MEMORY;
        if (opening->buf != NULL) {
            TASK_AWAIT(task, io_file_read_full(store->io, &task->file, opening->handle,
                                               span_of(opening->buf->data, opening->window_asked), opening->window_at,
                                               store__task_file_done));
        }
        opening->job->error = MIN(task->result, 0);
        if (task->result < 0) {
            break;
        }
        opening->window_len = (size_t)task->result;
        opening->more = file_window(opening, opening->window_at, opening->window_asked);
        opening->window_at = opening->position;
    } while (opening->more);
    TASK_AWAIT(task, io_close(store->io, &task->op, opening->handle, store__task_op_done));
    if (opening->job->error == ERR_OK && (opening->mode == SCAN_ZEROS || opening->mode == SCAN_FREE)) {
        TASK_AWAIT(task, io_unlink(store->io, &task->op, opening->path, false, store__task_op_done));
    }
    file_end(opening, opening->job->error);
    return;
    TASK_END;
}

static void file_start(struct store_opening *opening)
{
    memset(&opening->copy, 0, sizeof(opening->copy));
    opening->copy.run = file_run;
    mem_free(MEM_STORE, opening->path);
    opening->path = store__segment_path(opening->log, opening->numbers[opening->at], ".seg");
    store__task_resume(&opening->copy);
}

static void scan_run(struct store_task *task)
{
    struct store_opening *opening = CONTAINER_OF(task, struct store_opening, task);

    TASK_BEGIN(task);
    task->result = io_list(opening->store->io, opening->log->path, scan_name, opening);
    if (task->result < 0 && task->result != ERR_NOT_FOUND) { /* then only the journal knows the log so far */
        scan_end(opening, task->result);
        return;
    }
    scan_sort(opening);
    for (opening->at = 0; opening->at < opening->number_count && !opening->stale; opening->at++) {
        TASK_AWAIT(task, file_start(opening));
        if (task->result < 0) {
            scan_end(opening, task->result);
            return;
        }
    }
    store__opening_places(opening);
    scan_end(opening, ERR_OK);
    return;
    TASK_END;
}
