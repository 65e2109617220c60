/* store_compact_copy.c: the work between two turns of the loop: keys into the map, what stays into frames, and the new
 * segment in the place of the old ones.
 *
 * A batch that cannot be taken apart (it inflates to more than STORE_COMPACT_INFLATE_MAX, or its records are not well
 * formed although its CRC is right) stays as it is, and its keys are not in the map: nothing is lost by that, only
 * kept.
 *
 * Frames of the new segment leave out what is gone: each begins, in its header, where the one before ended, so that
 * every offset of the segment belongs to a frame; its batches keep their own offsets. */
#include "core/store/store_compact.h"

/* --- what was read ------------------------------------------------------------------------------------------------ */

void store__compact_walk(struct store_compaction *compaction)
{
    compaction->slice = 0;
    compaction->rest = view_of(NULL, 0);
    compaction->in_batch = false;
    compaction->ready = view_of(NULL, 0);
}

static bool walk_next(struct store_compaction *compaction)
{
    while (compaction->rest.len == 0) {
        if (compaction->slice == compaction->read.slice_count) {
            return false;
        }
        compaction->rest = compaction->read.slices[compaction->slice++];
    }
    return store__batch_next(&compaction->rest, &compaction->batch);
}

static int batch_open(struct store_compaction *compaction)
{
    int result;

    arena_reset(&compaction->arena);
    result = rec_filter_begin(&compaction->filter, &compaction->batch, STORE_COMPACT_INFLATE_MAX, &compaction->arena);
    compaction->in_batch = result == ERR_OK;
    return result == ERR_NO_MEMORY ? ERR_NO_MEMORY : ERR_OK;
}

/* --- the map ------------------------------------------------------------------------------------------------------ */

/* A rec_keep_fn: only the walk is wanted. False from the record on that found no room. */
static bool index_record(void *context, const struct rec_record *record)
{
    struct store_compaction *compaction = context;

    if (!compaction->full && record->key.base != NULL && record->offset >= compaction->range.dirty &&
        store__compact_map_put(&compaction->map, record->key, record->offset) != ERR_OK) {
        compaction->full = true;
        compaction->map_end = record->offset;
    }
    return false;
}

/* ERR_AGAIN: the slice is over. ERR_OK: everything read is in the map, or the map is full. */
int store__compact_index(struct store_compaction *compaction)
{
    size_t done = 0;

    while (done < STORE_COMPACT_SLICE_BYTES) {
        const uint8_t *begin;

        if (compaction->full) {
            return ERR_OK;
        }
        if (!compaction->in_batch) {
            int result;

            if (!walk_next(compaction)) {
                return ERR_OK;
            }
            done += REC_HEADER_BYTES;
            if (!store__compact_rules_indexed(&compaction->rules, &compaction->batch)) {
                continue;
            }
            result = batch_open(compaction);
            if (result != ERR_OK) {
                return result;
            }
            if (!compaction->in_batch) {
                continue;
            }
            done += compaction->batch.bytes.len;
        }
        begin = compaction->filter.iter.rest.base;
        compaction->in_batch = rec_filter_step(&compaction->filter, STORE_COMPACT_SLICE_BYTES, index_record,
                                               compaction) == ERR_AGAIN; /* what is malformed is not indexed */
        done += (size_t)(compaction->filter.iter.rest.base - begin);
    }
    return ERR_AGAIN;
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

bool store__compact_frame_begin(struct store_compaction *compaction)
{
    struct store         *store = compaction->job.store;
    struct store_segment *target = compaction->target;
    size_t                need = (size_t)align_up(STORE_FRAME_HEADER_BYTES + compaction->ready.len, store->block_bytes);

    need = MAX(need, STORE_COMPACT_FRAME_MIN);
    if (compaction->out == NULL || compaction->out->capacity_bytes < need) {
        buf_unref(compaction->out);
        compaction->out = store__buf(store, need);
    }
    if (compaction->out == NULL) {
        return false;
    }
    compaction->header = (struct store_frame_header){
        .segment_id = target->header.segment_id,
        .generation = target->header.generation,
        .sequence = target->next_sequence,
        .position = target->end_position,
        .first_offset = target->end_offset,
        .last_offset = target->end_offset - 1,
        .max_timestamp_ms = -1,
        .mode = FRAME_COMPACTED,
    };
    store__frame_begin(&compaction->header);
    compaction->used = STORE_FRAME_HEADER_BYTES;
    return true;
}

void store__compact_frame_close(struct store_compaction *compaction)
{
    struct store_segment      *target = compaction->target;
    struct store_frame_header *header = &compaction->header;
    size_t                     frame_bytes = (size_t)align_up(compaction->used, compaction->job.store->block_bytes);

    header->payload_bytes = (uint32_t)(compaction->used - STORE_FRAME_HEADER_BYTES);
    header->frame_bytes = (uint32_t)frame_bytes;
    header->durable_end = header->first_offset;
    memset(compaction->out->data + compaction->used, 0, frame_bytes - compaction->used);
    store__frame_encode(header, compaction->out->data);
    store_index_add(target->index, header->first_offset, header->position, header->frame_bytes,
                    header->max_timestamp_ms);
    target->end_position += frame_bytes;
    target->end_offset = header->last_offset + 1;
    target->max_timestamp_ms = MAX(target->max_timestamp_ms, header->max_timestamp_ms);
    target->next_sequence++;
    compaction->written_bytes += frame_bytes;
    compaction->moved_bytes += frame_bytes;
}

/* True: the batch that is ready stands in the frame. */
static bool frame_put(struct store_compaction *compaction)
{
    struct store_frame_header *header = &compaction->header;
    struct rec_batch           batch;
    struct view                rest = compaction->ready;

    if (compaction->used + compaction->ready.len > compaction->out->capacity_bytes) {
        return false;
    }
    memcpy(compaction->out->data + compaction->used, compaction->ready.base, compaction->ready.len);
    compaction->used += compaction->ready.len;
    CHECK(store__frame_add(header, compaction->ready) == ERR_OK && store__batch_next(&rest, &batch));
    header->last_offset = rec_batch_last_offset(&batch);
    if (batch.record_count > 0) { /* an empty batch's time is nobody's */
        header->max_timestamp_ms = MAX(header->max_timestamp_ms, batch.max_timestamp_ms);
    }
    compaction->records_after += (uint64_t)batch.record_count;
    compaction->ready = view_of(NULL, 0);
    return true;
}

/* --- what stays --------------------------------------------------------------------------------------------------- */

static void copy_empty(struct store_compaction *compaction)
{
    rec_empty_batch(&compaction->batch, compaction->empty);
    compaction->ready = view_of(compaction->empty, sizeof(compaction->empty));
}

static void copy_forget(struct store_compaction *compaction)
{
    if (compaction->forgotten_count == compaction->forgotten_capacity) {
        compaction->forgotten_capacity = MAX(compaction->forgotten_capacity * 2, (size_t)16);
        compaction->forgotten =
            mem_realloc(MEM_STORE, compaction->forgotten, compaction->forgotten_capacity * sizeof(int64_t));
    }
    compaction->forgotten[compaction->forgotten_count++] = compaction->batch.base_offset;
}

/* The next batch: what becomes of it as a whole. */
static int copy_batch(struct store_compaction *compaction)
{
    bool                    marker_gone;
    enum store_compact_fate fate;
    int                     result;

    fate = store__compact_rules_batch(&compaction->rules, &compaction->batch, &marker_gone);
    compaction->records_before += (uint64_t)compaction->batch.record_count;
    if (marker_gone) {
        copy_forget(compaction);
    }
    if (fate == COMPACT_EMPTY) {
        copy_empty(compaction);
    }
    if (fate != COMPACT_LOOK) {
        return ERR_OK;
    }
    result = batch_open(compaction);
    if (result == ERR_OK && !compaction->in_batch) {
        compaction->ready = compaction->batch.bytes;
    }
    return result;
}

/* All its records were asked about. */
static int copy_batch_end(struct store_compaction *compaction, int result)
{
    bool    wanted;
    int64_t horizon_ms = store__compact_rules_horizon(&compaction->rules, &wanted);

    compaction->in_batch = false;
    if (result == ERR_OK) {
        result = rec_filter_end(&compaction->filter, horizon_ms, wanted, &compaction->ready);
    }
    if (result == ERR_NO_MEMORY) {
        return result;
    }
    if (result != ERR_OK) {
        compaction->ready = compaction->batch.bytes;
    } else if (compaction->ready.len == 0 && store__compact_rules_retain_empty(&compaction->rules)) {
        copy_empty(compaction);
    }
    return ERR_OK;
}

enum store_copy_step store__compact_copy(struct store_compaction *compaction, int *out_error)
{
    size_t done = 0;
    int    result = ERR_OK;

    while (result == ERR_OK && done < STORE_COMPACT_SLICE_BYTES) {
        if (compaction->ready.len > 0 && !frame_put(compaction)) {
            return COPY_FLUSH;
        }
        if (compaction->in_batch) {
            const uint8_t *begin = compaction->filter.iter.rest.base;
            int            step = rec_filter_step(&compaction->filter, STORE_COMPACT_SLICE_BYTES, store__compact_keep,
                                                  &compaction->rules);

            done += (size_t)(compaction->filter.iter.rest.base - begin);
            result = step == ERR_AGAIN ? ERR_OK : copy_batch_end(compaction, step);
        } else if (walk_next(compaction)) {
            done += compaction->batch.bytes.len;
            result = copy_batch(compaction);
        } else {
            return COPY_END;
        }
    }
    *out_error = result;
    return COPY_MORE;
}

/* --- the new segment ---------------------------------------------------------------------------------------------- */

void store__compact_target(struct store_compaction *compaction)
{
    struct store_log     *log = compaction->job.log;
    uint32_t              place = store__compact_place(compaction);
    struct store_segment *target = store__segment_new(log, log->next_number++);

    CHECK(place < log->segment_count);
    target->header.state = STORE_SEGMENT_COMPACTING;
    target->header.base_offset = target->end_offset = compaction->group_base;
    target->header.clean_end = compaction->map_end;
    target->header.created_ms = INT64_MAX;
    for (uint32_t i = 0; i < compaction->source_count; i++) {
        const struct store_segment_header *source = &log->segments[place + i]->header;

        target->header.replaces_first = i == 0 ? store__segment_place(source) : target->header.replaces_first;
        target->header.replaces_last = store__segment_place_last(source);
        target->header.created_ms = MIN(target->header.created_ms, source->created_ms);
    }
    target->rolled = true;
    target->index =
        store_index_create(compaction->group_base, target->header.block_bytes, log->policy.index_interval_bytes);
    compaction->target = target;
}

void store__compact_swap(struct store_compaction *compaction, uint32_t place)
{
    struct store_log *log = compaction->job.log;
    int64_t           delay_ms = log->store->stats.space_low ? 0 : log->policy.file_delete_delay_ms;
    uint32_t          behind = place + compaction->source_count;

    store__cache_forget_below(log, compaction->group_end); /* from now on they would show what is gone */
    store__ahead_stale(log);
    for (uint32_t i = place; i < behind; i++) {
        store__doom_segment(log->segments[i], delay_ms);
    }
    log->segments[place] = compaction->target;
    memmove(log->segments + place + 1, log->segments + behind,
            (log->segment_count - behind) * sizeof(struct store_segment *));
    log->segment_count -= compaction->source_count - 1;
    compaction->target = NULL;
}
