/* store_open.c: the order in which a log comes back after an unclean stop.
 *
 *   scan the directory (store_scan.c) -> decide (store_recover.c) -> make it durable (store_rebuild.c), unless nothing
 * has to be changed -> newest snapshot of the partition above, replay of the batches behind it (store_replay.c) -> open
 *
 * Where damage lies below what was durable nothing on the disk is changed: the log serves what is intact below and
 * takes no appends. At most STORE_RECOVERIES_MAX logs are read at a time; the others wait in store->openings. */
#include "core/store/store_opening.h"

static void opening_run(struct store_task *task);
static void purge_run(struct store_task *task);

void store__opening_start(struct store_log *log, struct store_job *job)
{
    struct store_opening *opening = mem_alloc(MEM_STORE, sizeof(*opening));

    opening->job = job;
    opening->log = log;
    opening->store = log->store;
    opening->outer = &job->task;
    opening->handle = opening->source_handle = IO_HANDLE_NONE;
    list_init(&opening->link);
    log->opening = opening;
    job->task.line = 0;
    job->task.run = opening_run;
    job->error = ERR_OK;
    store__task_resume(&job->task);
}

/* --- the decision ------------------------------------------------------------------------------------------------ */

/* A file made ahead holds nothing; but if frames are found in it, then it was its newer header that was lost. */
static void opening_fix_prepared(struct store_opening *opening)
{
    for (uint32_t i = 0; i < opening->segment_count; i++) {
        struct store_segment_header *header = &opening->segments[i]->header;

        if (header->state != STORE_SEGMENT_PREPARED) {
            continue;
        }
        header->base_offset = INT64_MAX;
        for (size_t k = 0; k < opening->piece_count; k++) {
            if (opening->pieces[k].segment == i && opening->pieces[k].kind == PIECE_FRAME) {
                header->base_offset = opening->pieces[k].first_offset;
                break;
            }
        }
    }
}

static int64_t held_lowest(const struct store_opening *opening)
{
    int64_t lowest = INT64_MAX;

    if (opening->held != NULL) {
        LIST_EACH(&opening->held->entries, node) {
            lowest = MIN(lowest, LIST_ENTRY(node, struct store_held_entry, link)->first_offset);
        }
    }
    return lowest;
}

static void opening_start_offset(struct store_opening *opening)
{
    int64_t lowest = INT64_MAX;

    for (uint32_t i = 0; i < opening->segment_count; i++) {
        const struct store_segment_header *header = &opening->segments[i]->header;

        /* A trim may have gone into the header of a file made ahead. */
        opening->recorded_start = MAX(opening->recorded_start, header->log_start_offset);
        if (header->state == STORE_SEGMENT_ACTIVE || header->state == STORE_SEGMENT_SEALED) {
            lowest = MIN(lowest, header->base_offset);
        }
    }
    opening->start_offset = opening->recorded_start;
    if (lowest != INT64_MAX) { /* the first segment may not have come into being yet: its frames are in the journal */
        lowest = MIN(lowest, held_lowest(opening));
    }
    if (lowest != INT64_MAX && lowest > opening->start_offset) {
        slog_error("store",
                   "%s: the segments of offsets %" PRId64 " to %" PRId64 " are missing; the log now begins at %" PRId64,
                   opening->log->path, opening->start_offset, lowest - 1, lowest);
        opening->store->stats.damaged_ranges++;
        opening->start_offset = lowest;
    }
}

static void opening_add_held(struct store_opening *opening)
{
    if (opening->held == NULL) {
        return;
    }
    LIST_EACH(&opening->held->entries, node) {
        const struct store_held_entry *entry = LIST_ENTRY(node, struct store_held_entry, link);

        store__opening_piece(opening, &(struct store_piece){.kind = PIECE_JOURNAL,
                                                            .intact = true,
                                                            .payload_bytes = (uint32_t)entry->len,
                                                            .first_offset = entry->first_offset,
                                                            .last_offset = entry->last_offset,
                                                            .durable_end = entry->last_offset + 1,
                                                            .entry = entry});
    }
}

static void opening_decide(struct store_opening *opening)
{
    struct store_recover_segment *bases =
        mem_alloc(MEM_STORE, (opening->segment_count + 1) * sizeof(struct store_recover_segment));
    struct store_recover_input input = {.segments = bases, .segment_count = opening->segment_count};

    opening_fix_prepared(opening);
    opening_start_offset(opening);
    opening_add_held(opening);
    for (uint32_t i = 0; i < opening->segment_count; i++) {
        bool counts = opening->segments[i]->header.state != STORE_SEGMENT_RECOVERING;

        bases[i].base_offset = counts ? opening->segments[i]->header.base_offset : INT64_MAX;
    }
    opening->copies = mem_alloc(MEM_STORE, (opening->piece_count + 1) * sizeof(struct store_copy));
    input.data_start = store__segment_data_start(opening->store->block_bytes);
    input.start_offset = opening->start_offset;
    input.pieces = opening->pieces;
    input.piece_count = opening->piece_count;
    input.durable_end = opening->held == NULL ? 0 : opening->held->durable_end;
    store__recover_decide(&input, &opening->result, opening->copies);
    mem_free(MEM_STORE, bases);
    if (opening->damaged) {
        opening->result.verdict = VERDICT_DAMAGED; /* what a lost header covered may have been durable */
    }
}

/* --- taking it over ---------------------------------------------------------------------------------------------- */

static void opening_segment_end(struct store_opening *opening, struct store_segment *segment, uint32_t ordinal)
{
    if (segment->header.state == STORE_SEGMENT_SEALED) {
        segment->end_offset = MIN(segment->end_offset, opening->result.in_place_end);
        return;
    }
    segment->rolled = true;
    segment->header.state = STORE_SEGMENT_ACTIVE;
    segment->index = store_index_create(segment->header.base_offset, segment->header.block_bytes,
                                        opening->log->policy.index_interval_bytes);
    for (size_t i = 0; i < opening->piece_count; i++) {
        const struct store_piece *piece = &opening->pieces[i];

        if (piece->kind != PIECE_FRAME || piece->segment != ordinal || !piece->in_place) {
            continue;
        }
        store_index_add(segment->index, piece->first_offset, piece->position, piece->frame_bytes,
                        piece->max_timestamp_ms);
        segment->end_position = piece->position + piece->frame_bytes;
        segment->end_offset = piece->last_offset + 1;
        segment->max_timestamp_ms = MAX(segment->max_timestamp_ms, piece->max_timestamp_ms);
        segment->next_sequence++;
    }
}

/* A later segment begins where this one does or before: it was cut away as a whole, and may stand empty still. */
static bool opening_segment_cut(const struct store_opening *opening, uint32_t ordinal)
{
    for (uint32_t i = ordinal + 1; i < opening->segment_count; i++) {
        if (opening->segments[i]->header.base_offset <= opening->segments[ordinal]->header.base_offset) {
            return true;
        }
    }
    return false;
}

static bool opening_segment_kept(const struct store_opening *opening, uint32_t ordinal)
{
    const struct store_segment *segment = opening->segments[ordinal];

    if (segment->header.state == STORE_SEGMENT_RECOVERING || opening_segment_cut(opening, ordinal)) {
        return false;
    }
    if (opening->target == NULL && segment->header.state == STORE_SEGMENT_ACTIVE &&
        segment->header.base_offset == opening->result.in_place_end) {
        return true; /* empty, and no other says where the log begins */
    }
    return ordinal >= opening->result.keep_from && ordinal < opening->result.keep_segments &&
           segment->header.base_offset < opening->result.in_place_end;
}

/* One entry's batches from `from` on, as a frame that stays in memory. False: not that. */
static bool opening_hold_entry(struct store_opening *opening, const struct store_held_entry *entry, int64_t from)
{
    struct store_log   *log = opening->log;
    struct view         rest = view_of(entry->bytes, entry->len);
    struct view         wanted = rest;
    struct store_frame *frame;
    struct rec_batch    batch;

    while (store__batch_next(&rest, &batch) && rec_batch_last_offset(&batch) < from) {
        wanted = rest;
    }
    if (wanted.len == 0 || batch.base_offset != from) {
        return false;
    }
    frame = store__frame_new(log);
    frame->buf = store__buf(opening->store, STORE_FRAME_HEADER_BYTES + wanted.len);
    if (frame->buf == NULL) {
        store__frame_free(frame);
        return false;
    }
    memcpy(frame->buf->data + STORE_FRAME_HEADER_BYTES, wanted.base, wanted.len);
    frame->header = (struct store_frame_header){.first_offset = from, .last_offset = entry->last_offset};
    frame->used = STORE_FRAME_HEADER_BYTES + wanted.len;
    frame->state = FRAME_WRITTEN; /* of no segment: never stored, so it stays until the log is closed */
    store__frames_push(log, frame);
    return true;
}

/* A damaged log: what the journal holds whole below the damage cannot be moved to a segment, since nothing may be
 * changed, but it can be read. At most as much as the ring is large. */
static void opening_hold_copies(struct store_opening *opening)
{
    struct store_log *log = opening->log;

    for (size_t i = 0; i < opening->result.copy_count; i++) {
        const struct store_copy  *copy = &opening->copies[i];
        const struct store_piece *piece = &opening->pieces[copy->piece];

        if (piece->kind != PIECE_JOURNAL || copy->from_offset != opening->result.in_place_end ||
            !opening_hold_entry(opening, piece->entry, copy->from_offset)) {
            break;
        }
        opening->result.in_place_end = piece->last_offset + 1;
    }
    log->durable_end = log->end_offset = log->pending_from = MAX(opening->result.in_place_end, opening->start_offset);
}

/* The segments of the run become the log's; the others have nothing to say any more (unless nothing may be touched). */
static void opening_take_over(struct store_opening *opening)
{
    struct store_log *log = opening->log;
    bool              damaged = opening->result.verdict == VERDICT_DAMAGED;

    for (uint32_t i = 0; i < opening->segment_count; i++) {
        struct store_segment *segment = opening->segments[i];

        if (opening_segment_kept(opening, i)) {
            opening_segment_end(opening, segment, i);
            store__log_add_segment(log, segment);
        } else {
            store__segment_free(segment);
        }
    }
    opening->segment_count = 0;
    if (opening->target != NULL) {
        store__log_add_segment(log, opening->target);
        opening->target = NULL;
    }
    log->next_number = opening->number_max + 1;
    log->directory_exists = opening->number_max > 0;
    /* What was trimmed logically but is still there belongs to the replay: its producers' last sequences may stand in
     * it. */
    log->start_offset = MIN(opening->result.first_offset, opening->start_offset);
    log->durable_end = MAX(damaged ? opening->result.in_place_end : opening->result.end_offset, opening->start_offset);
    log->end_offset = log->pending_from = log->durable_end;
    if (damaged) {
        opening_hold_copies(opening);
    }
}

static void opening_report(struct store_opening *opening)
{
    struct store_log                  *log = opening->log;
    const struct store_recover_result *result = &opening->result;

    if (result->verdict == VERDICT_DAMAGED) {
        const char *where = log->path;
        uint64_t    position = 0;

        for (size_t i = 0; i < opening->piece_count; i++) {
            if (opening->pieces[i].in_place) {
                position = opening->pieces[i].position + opening->pieces[i].frame_bytes;
            }
        }
        log->damaged = true;
        log->damage_from = result->in_place_end;
        opening->store->stats.damaged_ranges++;
        slog_error("store",
                   "%s: damaged from offset %" PRId64 " (segment %" PRIu32 ", byte %" PRIu64
                   "), although everything below %" PRId64
                   " was durable; what lies below is served, appends are refused, nothing was changed",
                   where, result->in_place_end, opening->number_max, position, result->durable_end);
        log->end_offset = MAX(log->durable_end, result->durable_end);
    } else if (result->copy_count > 0) {
        opening->store->openings_from_journal++;
        slog_debug("store", "%s: offsets %" PRId64 " to %" PRId64 " came back from the journal", log->path,
                   result->in_place_end, result->end_offset - 1);
    }
}

/* What stays tells where the log begins: what is removed must not be the only one to know. */
static bool opening_start_kept(const struct store_opening *opening)
{
    int64_t kept = 0;

    for (uint32_t i = 0; i < opening->segment_count; i++) {
        if (opening_segment_kept(opening, i)) {
            kept = MAX(kept, opening->segments[i]->header.log_start_offset);
        }
    }
    return kept >= opening->recorded_start;
}

/* Everything stands where it should and is known to be flushed, nothing stands behind it: nothing has to be written.
 * The next append begins another segment, whose base is the cut. */
static bool opening_at_rest(const struct store_opening *opening)
{
    for (size_t i = 0; i < opening->piece_count; i++) {
        if (opening->pieces[i].in_place && opening->pieces[i].mode == FRAME_ACCEPT) {
            return false; /* it may have been read from a cache */
        }
    }
    return opening->result.verdict == VERDICT_CLEAN && opening->result.copy_count == 0 && opening_start_kept(opening);
}

/* Old segments are finished in the background, in order. */
static void opening_seal(struct store_log *log)
{
    for (uint32_t i = 0; i + 1 < log->segment_count; i++) {
        if (log->segments[i]->header.state == STORE_SEGMENT_ACTIVE) {
            store__segment_seal(log->segments[i]);
        }
    }
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

void store__opening_free(struct store_opening *opening)
{
    for (uint32_t i = 0; i < opening->segment_count; i++) {
        store__segment_free(opening->segments[i]);
    }
    store__segment_free(opening->target);
    buf_unref(opening->buf);
    buf_unref(opening->source);
    list_remove(&opening->link);
    mem_free(MEM_STORE, opening->path);
    mem_free(MEM_STORE, opening->numbers);
    mem_free(MEM_STORE, opening->dead);
    mem_free(MEM_STORE, opening->segments);
    mem_free(MEM_STORE, opening->pieces);
    mem_free(MEM_STORE, opening->copies);
    mem_free(MEM_STORE, opening);
}

static void opening_progress(struct store *store)
{
    int64_t now = io_now_ns(store->io);

    store->openings_done++;
    if (now - store->openings_said_ns >= NS_PER_S) {
        store->openings_said_ns = now;
        slog_info("store", "%s: reading back after an unclean stop: %" PRIu64 " logs done, %zu to go", store->directory,
                  store->openings_done, map_count(&store->known));
    }
}

static void opening_again(struct timer *timer)
{
    struct store_log *log = CONTAINER_OF(timer, struct store_log, reopen_timer);

    store__opening_start(log, log->reopen_job);
}

/* The machine's trouble, not the disk's: the same again a little later, from the directory on; a new segment that was
 * begun is one of those that will be read and removed. Not once the log has its segments: then the
 * partition above has heard of batches, and the replay goes on where it was (store_replay.c). */
static bool opening_repeat(struct store_opening *opening, int result)
{
    struct store_log *log = opening->log;

    if ((result != ERR_DESCRIPTORS && result != ERR_NO_MEMORY) || log->segment_count > 0 || opening->store->closing ||
        log->closing) {
        return false;
    }
    mem_free(MEM_STORE, opening->job->path);
    opening->job->path = NULL;
    log->reopen_job = opening->job;
    timer_arm(opening->store->shard->timers, &log->reopen_timer, io_now_ns(opening->store->io) + STORE_RETRY_NS,
              opening_again);
    return true;
}

static void opening_next(struct store *store)
{
    store->openings_running--;
    if (!list_empty(&store->openings)) {
        struct store_opening *next = LIST_ENTRY(list_pop_front(&store->openings), struct store_opening, link);

        store->openings_running++;
        store__task_resume(next->outer);
    }
}

void store__opening_end(struct store_opening *opening, int result)
{
    struct store     *store = opening->store;
    struct store_log *log = opening->log;
    struct store_job *job = opening->job;

    if (opening_repeat(opening, result)) {
        if (opening->held != NULL) {
            opening->held->claimed = false;
        }
        log->opening = NULL;
        store__opening_free(opening);
        opening_next(store);
        return;
    }
    log->start_offset = opening->start_offset;
    if (opening->held != NULL) {
        opening->held->claimed = false;
        if (result == ERR_OK) {
            store__held_free(opening->held); /* its bytes are in the segments, durably */
        }
    }
    if (result < 0 && result != ERR_CORRUPT) {
        slog_error("store", "%s: cannot be opened (%s)", log->path, err_text(result));
    } else {
        store__known_forget(store, log->name);
    }
    if (result == ERR_OK) {
        opening_seal(log);
        if (opening->replayed_bytes >= STORE_WINDOW_BYTES) {
            store__snapshot_take(log); /* so that the next time is shorter */
        }
    }
    log->opening = NULL;
    store__opening_free(opening);
    opening_progress(store);
    opening_next(store);
    store__log_opened(job, result);
}

/* The segment's own file last: while it is there, the others are known to belong to nothing. */
static void opening_segment_path(struct store_opening *opening, uint32_t number)
{
    static const char *const suffixes[] = {".idx", ".snp", ".seg"};

    mem_free(MEM_STORE, opening->path);
    opening->path = store__segment_path(opening->log, number, suffixes[opening->suffix]);
}

/* The number of the opening->at-th file that may have to go; 0: it stays. */
static uint32_t opening_purgeable(const struct store_opening *opening)
{
    if (opening->at >= opening->segment_count) {
        return opening->dead[opening->at - opening->segment_count];
    }
    return opening_segment_kept(opening, opening->at) ? 0 : opening->segments[opening->at]->header.number;
}

static void opening_forget_stale(struct store_opening *opening)
{
    for (uint32_t i = 0; i < opening->segment_count; i++) {
        store__segment_free(opening->segments[i]);
    }
    opening->segment_count = 0;
    opening->piece_count = 0;
    opening->number_max = 0;
    opening->dead_count = 0;
    opening->unsealed_count = 0;
    opening->damaged = false;
    slog_warn("store", "%s belongs to a topic that was deleted: removed", opening->log->path);
}

static void opening_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_log     *log = job->log;
    struct store_opening *opening = log->opening;

    TASK_BEGIN(task);
    if (store->openings_running >= STORE_RECOVERIES_MAX) {
        list_push_back(&store->openings, &opening->link);
        TASK_AWAIT(task, (void)0);
    } else {
        store->openings_said_ns = store->openings_done == 0 ? io_now_ns(store->io) : store->openings_said_ns;
        store->openings_running++;
    }
    opening->held = store__held_find(store, log->topic_id, log->partition);
    if (opening->held != NULL) {
        opening->held->claimed = true;
    }
    opening->buf = store__buf(store, STORE_SCAN_BYTES);
    if (opening->buf == NULL) {
        store__opening_end(opening, ERR_NO_MEMORY);
        return;
    }
    TASK_AWAIT(task, store__scan_start(opening));
    if (task->result < 0) {
        store__opening_end(opening, task->result);
        return;
    }
    if (opening->stale) {
        opening_forget_stale(opening);
        job->path = store__doomed_path(store);
        TASK_AWAIT(task, io_rename(store->io, &task->op, log->path, job->path, store__task_op_done));
        if (task->result >= 0) {
            TASK_AWAIT(task, io_file_sync_directory(store->io, &task->file, store->directory, store__task_file_done));
            store__doom_path(store, job->path, 0);
            job->path = NULL;
        }
        if (task->result < 0) {
            store__opening_end(opening, task->result);
            return;
        }
    }
    opening_decide(opening);
    if (opening->result.verdict != VERDICT_DAMAGED && !opening_at_rest(opening)) {
        if (opening->number_max == 0) {
            TASK_AWAIT(task, io_mkdir(store->io, &task->op, log->path, store__task_op_done));
            if (task->result >= 0 || task->result == ERR_EXISTS) {
                TASK_AWAIT(task, store__names_sync(store, job));
            }
            if (task->result < 0) {
                store__opening_end(opening, task->result);
                return;
            }
        }
        TASK_AWAIT(task, store__rebuild_start(opening));
        if (task->result < 0) {
            store__opening_end(opening, task->result);
            return;
        }
    }
    task->line = 0;
    task->run = purge_run;
    store__task_resume(task);
    return;
    TASK_END;
}

/* What was cut away is removed before anything is appended, durably: once the segment that cuts it is gone, nothing
 * else would. */
static void purge_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_log     *log = job->log;
    struct store_opening *opening = log->opening;

    TASK_BEGIN(task);
    /* What was cut away is removed before anything is appended, durably: once the segment that cuts it is gone, nothing
     * else would. */
    for (opening->at = 0;
         opening->result.verdict != VERDICT_DAMAGED && opening->at < opening->segment_count + opening->dead_count;
         opening->at++) {
        if (opening_purgeable(opening) == 0) {
            continue;
        }
        for (opening->suffix = 0; opening->suffix < 3; opening->suffix++) {
            opening_segment_path(opening, opening_purgeable(opening));
            TASK_AWAIT(task, io_unlink(store->io, &task->op, opening->path, false, store__task_op_done));
            job->error = task->result < 0 && task->result != ERR_NOT_FOUND ? task->result : job->error;
        }
        opening->purged = true;
    }
    if (opening->purged && job->error == ERR_OK) {
        TASK_AWAIT(task, io_file_sync_directory(store->io, &task->file, log->path, store__task_file_done));
        job->error = MIN(task->result, 0);
    }
    if (job->error < 0) {
        store__opening_end(opening, job->error);
        return;
    }
    opening_take_over(opening);
    opening_report(opening);
    store__replay_start(opening);
    return;
    TASK_END;
}
