/* store_compact_swap.c: the end of a group: the new segment is complete and flushed, and takes the place of those it
 * was made from, or is given up. store_compact.c has the order of things. */
#include "core/store/store_compact.h"

static void swap_run(struct store_task *task);

/* --- taking their place ------------------------------------------------------------------------------------------- */

static void target_seal(struct store_segment *target)
{
    target->header.state = STORE_SEGMENT_SEALED;
    target->header.end_position = target->end_position;
    target->header.end_offset = target->end_offset;
    target->header.max_timestamp_ms = target->max_timestamp_ms;
    target->header.frame_count = target->next_sequence;
}

static bool target_index(struct store_compaction *compaction)
{
    struct store_segment       *target = compaction->target;
    struct store_index_identity identity = store__index_identity(target);

    if (target->index == NULL || store_index_entry_count(target->index) < STORE_INDEX_FILE_ENTRIES_MIN) {
        return false;
    }
    mem_free(MEM_STORE, compaction->index_path);
    mem_free(MEM_STORE, compaction->index_bytes);
    compaction->index_len = store_index_encoded_bytes(target->index);
    compaction->index_bytes = mem_alloc(MEM_STORE, compaction->index_len);
    store_index_encode(target->index, &identity, compaction->index_bytes);
    compaction->index_path = store__segment_path(compaction->job.log, target->header.number, ".idx");
    return true;
}

void store__compact_finish(struct store_task *task)
{
    struct store_compaction *compaction = CONTAINER_OF(task, struct store_compaction, job.task);
    struct store_job        *job = &compaction->job;
    struct store_log        *log = job->log;
    struct store_job        *swap;
    uint32_t                 place = store__compact_place(compaction);

    TASK_BEGIN(task);
    if (target_index(compaction)) {
        TASK_AWAIT(task, io_file_replace(job->store->io, &task->file, compaction->index_path,
                                         view_of(compaction->index_bytes, compaction->index_len),
                                         store__task_file_done)); /* a failure costs a rebuild, no more */
        place = store__compact_place(compaction);
    }
    if (place == log->segment_count || store__compact_stopped(compaction)) {
        store__compact_fail(compaction, ERR_CANCELED); /* the start has passed them */
        return;
    }
    for (size_t i = 0; i < compaction->forgotten_count && log->hooks.aborted_forget != NULL; i++) {
        log->hooks.aborted_forget(log->hooks.context, compaction->forgotten[i], compaction->forgotten[i] + 1);
    }
    if (compaction->forgotten_count > 0 || !store__snapshot_covers(log, place + compaction->source_count)) {
        store__snapshot_take(log);
    }
    swap = store__job_new(job->store, log, NULL, swap_run);
    swap->context = compaction;
    TASK_AWAIT(task, store__job_start_serial(swap));
    if (task->result < 0) {
        store__compact_fail(compaction, task->result);
        return;
    }
    store__job_drop(job);
    job->segment = NULL;
    compaction->at = compaction->group_end;
    store__compact_next(compaction, store__compact_group_run);
    return;
    TASK_END;
}

static void swap_end(struct store_job *job, int result)
{
    struct store_compaction *compaction = job->context;

    job->log->swapping = false;
    store__job_end(job);
    compaction->job.task.result = result;
    store__task_resume(&compaction->job.task);
}

static void swap_run(struct store_task *task)
{
    struct store_job        *job = CONTAINER_OF(task, struct store_job, task);
    struct store_compaction *compaction = job->context;
    struct store_log        *log = job->log;
    uint32_t                 place = store__compact_place(compaction);

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(job->store->io, &task->op, store__task_op_done));
    job->buf = store__buf(job->store, job->store->block_bytes);
    place = store__compact_place(compaction);
    if (job->buf == NULL || store__compact_stopped(compaction) || place == log->segment_count ||
        !store__snapshot_covers(log, place + compaction->source_count)) {
        swap_end(job, ERR_CANCELED);
        return;
    }
    for (uint32_t i = 0; i < compaction->source_count; i++) { /* what only they know of where the log begins */
        compaction->target->header.log_start_offset =
            MAX(compaction->target->header.log_start_offset, log->segments[place + i]->header.log_start_offset);
    }
    target_seal(compaction->target);
    log->swapping = true; /* nothing leaves the log meanwhile */
    TASK_AWAIT(task, store__segment_header_submit(job, compaction->target));
    if (task->result < 0) {
        /* It may stand there or not: only reading back can tell. */
        store__log_offline(log, task->result, "cannot put a compacted segment into place");
        swap_end(job, ERR_OFFLINE);
        return;
    }
    store__compact_swap(compaction, store__compact_place(compaction));
    swap_end(job, ERR_OK);
    return;
    TASK_END;
}

/* --- giving up ---------------------------------------------------------------------------------------------------- */

static void target_close(struct store_compaction *compaction)
{
    store__job_drop(&compaction->job);
    if (io_handle_valid(compaction->target->handle)) {
        store__segment_close_handle(compaction->target);
    }
}

void store__compact_discard(struct store_task *task)
{
    struct store_compaction *compaction = CONTAINER_OF(task, struct store_compaction, job.task);
    struct store_job        *job = &compaction->job;

    TASK_BEGIN(task);
    target_close(compaction);
    job->segment = NULL;
    /* Not when its header may say that it counts: then the next opening decides. */
    if (!job->log->offline) {
        TASK_AWAIT(task, io_unlink(job->store->io, &task->op, job->path, false, store__task_op_done));
        if (compaction->index_path != NULL) {
            TASK_AWAIT(task, io_unlink(job->store->io, &task->op, compaction->index_path, false, store__task_op_done));
        }
    }
    store__segment_free(compaction->target);
    compaction->target = NULL;
    store__compact_end(compaction, job->error);
    return;
    TASK_END;
}
