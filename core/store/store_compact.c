/* store_compact.c: the course of a pass (see store_compact.h), and when the next one begins.
 *
 * Order for each group, because each step relies on the one before:
 *   1. the new file's name durable, then its header (COMPACTING): a valid header says that the name is durable
 *   2. frames, plainly; flush
 *   3. in turn with the log's other changes (log->jobs): aborted transactions forgotten whose markers go, a snapshot of
 *      the partition's state beside a segment that stays
 *   4. the header says SEALED, durably: now the new segment counts and the old ones do not
 *   5. in memory the same; the old files go after file.delete.delay.ms, with their last reader
 * A stop before 4 leaves a file that nobody believes, after 4 some that nobody believes any more. */
#include "core/store/store_compact.h"

#include <stdlib.h>

static void index_run(struct store_task *task);
static void copy_run(struct store_task *task);

/* --- begin and end ------------------------------------------------------------------------------------------------ */

static void compaction_release(struct store_compaction *compaction)
{
    timer_disarm(compaction->job.store->shard->timers, &compaction->pause);
    store__compact_map_deinit(&compaction->map);
    if (compaction->rules_begun) {
        store__compact_rules_end(&compaction->rules);
    }
    arena_deinit(&compaction->arena);
    buf_unref(compaction->out);
    mem_free(MEM_STORE, compaction->aborted);
    mem_free(MEM_STORE, compaction->source_ids);
    mem_free(MEM_STORE, compaction->forgotten);
    mem_free(MEM_STORE, compaction->index_path);
    mem_free(MEM_STORE, compaction->index_bytes);
}

static void compaction_abandon(struct store_job *job)
{
    struct store_compaction *compaction = CONTAINER_OF(job, struct store_compaction, job);

    store_read_release(&compaction->read);
    store__segment_free(compaction->target);
    compaction_release(compaction);
}

static int compare_aborted(const void *a, const void *b)
{
    const struct store_aborted *left = a;
    const struct store_aborted *right = b;

    return (left->first_offset > right->first_offset) - (left->first_offset < right->first_offset);
}

static void compaction_aborted(struct store_compaction *compaction)
{
    const struct store_log *log = compaction->job.log;
    struct store_aborted    aborted;
    size_t                  position = 0;

    while (log->hooks.aborted_next != NULL && log->hooks.aborted_next(log->hooks.context, compaction->range.start,
                                                                      compaction->range.limit, &position, &aborted)) {
        if (compaction->aborted_count == compaction->aborted_capacity) {
            compaction->aborted_capacity = MAX(compaction->aborted_capacity * 2, (size_t)16);
            compaction->aborted = mem_realloc(MEM_STORE, compaction->aborted,
                                              compaction->aborted_capacity * sizeof(struct store_aborted));
        }
        compaction->aborted[compaction->aborted_count++] = aborted;
    }
    if (compaction->aborted_count > 0) {
        qsort(compaction->aborted, compaction->aborted_count, sizeof(struct store_aborted), compare_aborted);
    }
}

static void compaction_rules(struct store_compaction *compaction)
{
    const struct store_log *log = compaction->job.log;

    if (compaction->rules_begun) {
        store__compact_rules_end(&compaction->rules);
    }
    compaction->rules = (struct store_compact_rules){
        .map = &compaction->map,
        .map_end = compaction->map_end,
        .now_ms = io_wall_ms(log->store->io),
        .delete_retention_ms = log->policy.delete_retention_ms,
        .aborted = compaction->aborted,
        .aborted_count = compaction->aborted_count,
        .producer_needs = log->hooks.compact_producer_needs,
        .producer_context = log->hooks.context,
    };
    store__compact_rules_begin(&compaction->rules);
    compaction->rules_begun = true;
}

static void compaction_start(struct store_log *log, const struct store_compact_range *range)
{
    struct store            *store = log->store;
    struct store_compaction *compaction = mem_alloc(MEM_STORE, sizeof(*compaction));
    uint64_t                 key_low = io_random_u64(store->io);
    uint64_t                 key_high = io_random_u64(store->io);

    store__job_init(&compaction->job, store, log, NULL, index_run);
    compaction->job.abandon = compaction_abandon;
    compaction->range = *range;
    compaction->map_end = range->limit;
    compaction->at = range->dirty;
    compaction->began_ns = compaction->work_ns = io_now_ns(store->io);
    arena_init(&compaction->arena, MEM_STORE, 256 * KIB, STORE_COMPACT_ARENA_MAX);
    store__compact_map_init(&compaction->map, store->compact.map_bytes_max, store->compact.load_percent, key_low,
                            key_high);
    compaction_aborted(compaction);
    compaction_rules(compaction);
    store->compaction = compaction;
    store__job_start(&compaction->job);
}

static void compaction_report(const struct store_compaction *compaction)
{
    const struct store *store = compaction->job.store;
    double              seconds = (double)(io_now_ns(store->io) - compaction->began_ns) / (double)NS_PER_S;

    slog_info("store",
              "%s: compacted below offset %" PRId64 " (new since %" PRId64 "): %" PRIu64 " KiB to %" PRIu64
              " KiB, %" PRIu64 " records to %" PRIu64 ", %" PRIu64 " keys in %" PRIu64
              " KiB, in %.3f s, longest turn %" PRId64 " us",
              compaction->job.log->path, compaction->map_end, compaction->range.dirty, compaction->read_bytes / KIB,
              compaction->written_bytes / KIB, compaction->records_before, compaction->records_after,
              compaction->map.count, compaction->map.bytes / KIB, seconds, compaction->turn_max_ns / NS_PER_US);
}

/* Aborted transactions whose markers are not in the log any more: a stop between the exchange of a segment and the next
 * snapshot leaves such. Readers would wait for their markers. */
static void compaction_forget(struct store_compaction *compaction)
{
    const struct store_hooks *hooks = &compaction->job.log->hooks;

    for (size_t i = 0; i < compaction->aborted_count && hooks->aborted_forget != NULL; i++) {
        const struct store_aborted *aborted = &compaction->aborted[i];

        if (!aborted->seen_ && aborted->last_offset >= compaction->range.start &&
            aborted->last_offset < compaction->at) {
            hooks->aborted_forget(hooks->context, aborted->last_offset, aborted->last_offset + 1);
        }
    }
}

/* What is left undone begins again with the next look. */
void store__compact_end(struct store_compaction *compaction, int result)
{
    struct store     *store = compaction->job.store;
    struct store_log *log = compaction->job.log;

    if (result == ERR_OK && store__compact_dirty(log) <= compaction->range.dirty) {
        result = ERR_CANCELED; /* the log changed under it; never at once again, or it might go on for ever */
    }
    if (result == ERR_OK) {
        compaction_forget(compaction);
        compaction_report(compaction);
    } else if (result != ERR_CANCELED) {
        slog_warn("store", "%s: cannot be compacted (%s); tried again later", log->path, err_text(result));
        log->compact_not_before_ns =
            io_now_ns(store->io) + (result == ERR_CORRUPT || result == ERR_LIMIT ? STORE_COMPACT_FAILED_NS : 0);
    }
    store->compaction = NULL;
    compaction_release(compaction);
    store__job_end(&compaction->job);
    if (!store->closing && store->compact.enabled) { /* a success is followed by the next at once */
        timer_arm(store->shard->timers, &store->compact_timer,
                  io_now_ns(store->io) + (result == ERR_OK ? 0 : store->compact.backoff_ms * NS_PER_MS),
                  store__compact_due);
    }
}

bool store__compact_stopped(const struct store_compaction *compaction)
{
    const struct store_log *log = compaction->job.log;

    return !store_log_online(log) || !log->policy.compact_enabled || !log->store->compact.enabled ||
           log->store->closing;
}

/* --- pace --------------------------------------------------------------------------------------------------------- */

static void pause_due(struct timer *timer);

static void compaction_sleep(struct store_compaction *compaction, int64_t until_ns)
{
    timer_arm(compaction->job.store->shard->timers, &compaction->pause, until_ns, pause_due);
}

/* When the rate allows what was moved so far. */
static int64_t throttle_ns(const struct store_compaction *compaction)
{
    uint64_t rate = compaction->job.store->compact.bytes_per_s_max;

    if (rate == UINT64_MAX) {
        return 0;
    }
    return compaction->began_ns + (int64_t)((double)compaction->moved_bytes / (double)rate * (double)NS_PER_S);
}

static int64_t rest_ns(struct store_compaction *compaction, int64_t now_ns)
{
    struct store_journal_stats stats;
    int64_t                    work_ns = now_ns - compaction->work_ns;

    store_journal_stats(compaction->job.store->journal, &stats);
    if (stats.writes != compaction->journal_writes) {
        compaction->journal_writes = stats.writes;
        work_ns *= STORE_COMPACT_REST_SHARES;
    }
    return MIN(work_ns, STORE_COMPACT_REST_MAX_NS);
}

/* The turn of the slice is over; the clock of the loop has moved only now. */
static void pause_due(struct timer *timer)
{
    struct store_compaction *compaction = CONTAINER_OF(timer, struct store_compaction, pause);
    int64_t                  now_ns = io_now_ns(compaction->job.store->io);

    if (compaction->resting) {
        compaction->resting = false;
        compaction->turn_max_ns = MAX(compaction->turn_max_ns, now_ns - compaction->slice_ns);
        compaction_sleep(compaction, now_ns + rest_ns(compaction, now_ns));
    } else if (throttle_ns(compaction) > now_ns && !store__compact_stopped(compaction)) {
        compaction_sleep(compaction, MIN(throttle_ns(compaction), now_ns + STORE_COMPACT_PAUSE_MAX_NS));
    } else {
        compaction->work_ns = now_ns;
        store__task_resume(&compaction->job.task);
    }
}

/* Between two slices the others have their turn: for as long as loop and disk were busy with the pass, and for
 * STORE_COMPACT_REST_SHARES times as long while appends arrive; longer when the rate is limited. */
static void compaction_rest(struct store_compaction *compaction)
{
    compaction->resting = true;
    compaction_sleep(compaction, io_now_ns(compaction->job.store->io));
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void read_done(struct store_read *read)
{
    store__task_resume(&CONTAINER_OF(read, struct store_compaction, read)->job.task);
}

/* True: done at once. */
static bool compaction_read(struct store_compaction *compaction, int64_t end)
{
    uint32_t bytes = compaction->job.store->compact.buffer_bytes;

    compaction->read.offset = MAX(compaction->at, compaction->job.log->start_offset);
    compaction->read.end_offset = end;
    compaction->read.bytes_max = MIN(MAX(bytes, STORE_COMPACT_BUFFER_MIN), STORE_COMPACT_READ_MAX);
    compaction->read.at_least_one = true;
    compaction->read.done = read_done;
    return store_log_read(compaction->job.log, &compaction->read);
}

/* ERR_AGAIN: no memory, once more later. */
static int compaction_read_result(struct store_compaction *compaction)
{
    struct store_read *read = &compaction->read;

    if (store__compact_stopped(compaction)) {
        return ERR_CANCELED;
    }
    if (read->result == ERR_OUT_OF_RANGE) {
        return ERR_CANCELED; /* the start has passed */
    }
    if (read->result == ERR_OK && read->bytes == 0) {
        return ERR_CORRUPT;
    }
    compaction->at = read->result == ERR_OK ? read->next_offset : compaction->at;
    compaction->moved_bytes += read->bytes;
    store__compact_walk(compaction);
    return read->result;
}

/* --- index -------------------------------------------------------------------------------------------------------- */

void store__compact_next(struct store_compaction *compaction, store_task_fn *run)
{
    compaction->job.task.line = 0;
    compaction->job.task.run = run;
    store__task_resume(&compaction->job.task);
}

static void index_run(struct store_task *task)
{
    struct store_compaction *compaction = CONTAINER_OF(task, struct store_compaction, job.task);

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(compaction->job.store->io, &task->op, store__task_op_done));
    while (compaction->at < compaction->range.limit && !compaction->full) {
        if (!compaction_read(compaction, compaction->range.limit)) {
            TASK_AWAIT(task, (void)0);
        }
        task->result = compaction_read_result(compaction);
        if (task->result == ERR_OK) {
            do {
                compaction->slice_ns = io_now_ns(compaction->job.store->io);
                task->result = store__compact_index(compaction);
                TASK_AWAIT(task, compaction_rest(compaction));
            } while (task->result == ERR_AGAIN && !store__compact_stopped(compaction));
        } else if (task->result == ERR_AGAIN) {
            TASK_AWAIT(task,
                       compaction_sleep(compaction, io_now_ns(compaction->job.store->io) + STORE_MEMORY_RETRY_NS));
            task->result = ERR_OK;
        }
        store_read_release(&compaction->read);
        if (task->result != ERR_OK || store__compact_stopped(compaction)) {
            store__compact_end(compaction,
                               task->result == ERR_AGAIN || task->result == ERR_OK ? ERR_CANCELED : task->result);
            return;
        }
    }
    if (compaction->map_end <= compaction->range.dirty) {
        store__compact_end(compaction, ERR_LIMIT); /* not one key fits */
        return;
    }
    compaction_rules(compaction); /* once more from the start */
    compaction->at = compaction->range.start;
    store__compact_next(compaction, store__compact_group_run);
    return;
    TASK_END;
}

/* --- a group ------------------------------------------------------------------------------------------------------ */

static void group_opened(struct store_compaction *compaction)
{
    struct store_job *job = &compaction->job;

    compaction->target->handle = (struct io_handle){job->task.result};
    job->store->open_count++;
    job->slot = false;
    job->segment = compaction->target;
    CHECK(store__job_hold(job));
}

/* Takes the file back, if there is one; then the pass is over. */
void store__compact_fail(struct store_compaction *compaction, int result)
{
    struct store_job *job = &compaction->job;

    store_read_release(&compaction->read);
    job->error = result;
    if (job->slot) {
        job->slot = false;
        store__slot_give(job->store);
    }
    store__compact_next(compaction, store__compact_discard);
}

void store__compact_group_run(struct store_task *task)
{
    struct store_compaction *compaction = CONTAINER_OF(task, struct store_compaction, job.task);
    struct store_job        *job = &compaction->job;
    struct store            *store = job->store;

    TASK_BEGIN(task);
    if (store__compact_stopped(compaction) || !store__compact_group(compaction, compaction->at)) {
        store__compact_end(compaction, store__compact_stopped(compaction) ? ERR_CANCELED : ERR_OK);
        return;
    }
    store__compact_target(compaction);
    compaction->rules.segment_end = compaction->group_end;
    compaction->forgotten_count = 0;
    mem_free(MEM_STORE, job->path);
    job->path = store__segment_path(job->log, compaction->target->header.number, ".seg");
    if (!store__slot_take(store, job)) {
        TASK_AWAIT(task, (void)0);
    }
    TASK_AWAIT(task, io_open(store->io, &task->op, job->path,
                             store__open_flags(store) | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, store__task_op_done));
    if (task->result < 0) {
        store__compact_fail(compaction, task->result);
        return;
    }
    group_opened(compaction);
    TASK_AWAIT(task, io_file_sync_directory(store->io, &task->file, job->log->path, store__task_file_done));
    if (task->result >= 0 && !store__compact_frame_begin(compaction)) {
        task->result = ERR_NO_MEMORY;
    }
    if (task->result >= 0) {
        TASK_AWAIT(task, store__segment_header_first(task, compaction->target, compaction->target->handle,
                                                     compaction->out->data));
    }
    if (task->result < 0) {
        store__compact_fail(compaction, task->result);
        return;
    }
    compaction->target->exists = true;
    compaction->at = compaction->group_base;
    store__compact_next(compaction, copy_run);
    return;
    TASK_END;
}

/* --- copying ------------------------------------------------------------------------------------------------------ */

static bool frame_empty(const struct store_compaction *compaction)
{
    return compaction->used == STORE_FRAME_HEADER_BYTES;
}

static void frame_write(struct store_compaction *compaction)
{
    store__compact_frame_close(compaction);
    io_file_write_all(compaction->job.store->io, &compaction->job.task.file, compaction->target->handle,
                      view_of(compaction->out->data, compaction->header.frame_bytes), compaction->header.position, 0,
                      store__task_file_done);
}

/* One slice. The frame is to be written when it says COPY_FLUSH. */
static enum store_copy_step copy_slice(struct store_compaction *compaction)
{
    enum store_copy_step step;
    int                  error = ERR_OK;

    compaction->slice_ns = io_now_ns(compaction->job.store->io);
    step = store__compact_copy(compaction, &error);
    compaction->job.task.result = error;
    if (store__compact_stopped(compaction)) {
        compaction->job.task.result = ERR_CANCELED;
    }
    return step;
}

static void copy_run(struct store_task *task)
{
    struct store_compaction *compaction = CONTAINER_OF(task, struct store_compaction, job.task);
    enum store_copy_step     step;

    TASK_BEGIN(task);
    while (compaction->at < compaction->group_end) {
        if (!compaction_read(compaction, compaction->group_end)) {
            TASK_AWAIT(task, (void)0);
        }
        task->result = compaction_read_result(compaction);
        if (task->result == ERR_AGAIN) {
            store_read_release(&compaction->read);
            TASK_AWAIT(task,
                       compaction_sleep(compaction, io_now_ns(compaction->job.store->io) + STORE_MEMORY_RETRY_NS));
            continue;
        }
        compaction->read_bytes += compaction->read.bytes;
        while (task->result == ERR_OK) {
            step = copy_slice(compaction);
            if (task->result != ERR_OK || step == COPY_END) {
                break;
            }
            if (step == COPY_FLUSH) {
                if (!frame_empty(compaction)) {
                    TASK_AWAIT(task, frame_write(compaction));
                }
                task->result = MIN(task->result, 0);
                while (task->result == ERR_OK && !store__compact_frame_begin(compaction)) {
                    TASK_AWAIT(task, compaction_sleep(compaction,
                                                      io_now_ns(compaction->job.store->io) + STORE_MEMORY_RETRY_NS));
                    task->result = store__compact_stopped(compaction) ? ERR_CANCELED : ERR_OK;
                }
            } else {
                TASK_AWAIT(task, compaction_rest(compaction));
            }
        }
        if (task->result != ERR_OK) {
            store__compact_fail(compaction, task->result);
            return;
        }
        store_read_release(&compaction->read);
        TASK_AWAIT(task, compaction_rest(compaction));
    }
    if (compaction->header.last_offset + 1 != compaction->group_end) {
        store__compact_fail(compaction, ERR_CORRUPT); /* the last batch of a segment always stays */
        return;
    }
    TASK_AWAIT(task, frame_write(compaction));
    if (task->result >= 0) {
        TASK_AWAIT(task,
                   io_sync(compaction->job.store->io, &task->op, compaction->target->handle, store__task_op_done));
    }
    if (task->result < 0) {
        store__compact_fail(compaction, task->result);
        return;
    }
    store__compact_next(compaction, store__compact_finish);
    return;
    TASK_END;
}

/* --- when --------------------------------------------------------------------------------------------------------- */

void store__compact_arm(struct store *store)
{
    if (store->compact.enabled && !store->closing && store->compaction == NULL && !timer_armed(&store->compact_timer)) {
        timer_arm(store->shard->timers, &store->compact_timer,
                  io_now_ns(store->io) + store->compact.backoff_ms * NS_PER_MS, store__compact_due);
    }
}

void store__compact_due(struct timer *timer)
{
    struct store              *store = CONTAINER_OF(timer, struct store, compact_timer);
    struct store_compact_range range;
    struct store_log          *log;

    if (store->closing || store->compaction != NULL || !store->compact.enabled) {
        return;
    }
    log = store__compact_pick(store, &range);
    if (log != NULL) {
        compaction_start(log, &range);
        return;
    }
    LIST_EACH(&store->logs, node) {
        if (LIST_ENTRY(node, struct store_log, link)->policy.compact_enabled) {
            store__compact_arm(store);
            return;
        }
    }
}

void store_set_compaction(struct store *store, const struct store_compact_settings *settings)
{
    store->compact = *settings;
    store->compact.load_percent = MIN(MAX(settings->load_percent, 10U), 95U);
    store->compact.backoff_ms = MIN(MAX(settings->backoff_ms, 1), INT64_C(365) * 86400000);
    timer_disarm(store->shard->timers, &store->compact_timer);
    store__compact_arm(store);
}
