/* store.c: one shard's store from creation to the first log, its jobs, its clock work and its memory.
 *
 * Opening: make the directory -> clean-stop checkpoint? -> make it void durably (nothing may be appended while it
 * stands) -> journal. After an unclean stop what the journal holds is kept in memory (store->held_list) until the logs
 * it belongs to are opened and have taken it into their segments; until then appends go straight to the segments, and
 * only then the ring starts again, empty. */
#include "core/store/store_recycle.h"

#include <stdio.h>

static void store_open_run(struct store_task *task);
static void store_tick(struct timer *timer);
static void store_memory_due(struct timer *timer);
static void store_retry_due(struct timer *timer);
static void store_reset_done(void *context, int result);
static void job_free(struct store_job *job);

/* --- life --------------------------------------------------------------------------------------------------------- */

struct store *store_create(struct io_shard *shard, const struct store_options *options)
{
    struct store *store = mem_alloc(MEM_STORE, sizeof(*store));

    CHECK(options->directory != NULL);
    store->shard = shard;
    store->io = shard->io;
    store->options = *options;
    store->directory = mem_copy_text(MEM_STORE, view_text(options->directory));
    store->options.directory = store->directory;
    store->block_bytes = MAX(options->volume.block_bytes, (uint32_t)BUF_BYTES_MIN);
    store->direct_bytes = options->direct_bytes == 0 ? STORE_DIRECT_BYTES_DEFAULT : options->direct_bytes;
    CHECK(is_power_of_two(store->block_bytes));
    map_init(&store->known, MEM_STORE);
    list_init(&store->held_list);
    map_init(&store->held, MEM_STORE);
    list_init(&store->logs);
    list_init(&store->jobs);
    list_init(&store->slot_waits);
    list_init(&store->names_wanted);
    list_init(&store->names_flushing);
    list_init(&store->dirty);
    list_init(&store->claims);
    list_init(&store->cached);
    list_init(&store->aheads);
    list_init(&store->frames_free);
    list_init(&store->open_files);
    list_init(&store->memory_waits);
    list_init(&store->openings);
    list_init(&store->doomed);
    store->retention_check_ms = STORE_RETENTION_CHECK_MS;
    store__recycle_create(store);
    store->journal = store_journal_create(shard, store->directory, &store->options.volume, options->journal_bytes);
    return store;
}

void store_open(struct store *store, store_done_fn *done, void *context)
{
    struct store_job *job = store__job_new(store, NULL, NULL, store_open_run);

    CHECK(!store->opened);
    job->done = done;
    job->context = context;
    store__job_start(job);
}

/* Also after a power cut in the simulator, with logs open and operations that will never complete. */
void store_destroy(struct store *store)
{
    if (store == NULL) {
        return;
    }
    timer_disarm(store->shard->timers, &store->tick);
    timer_disarm(store->shard->timers, &store->memory_timer);
    timer_disarm(store->shard->timers, &store->retry_timer);
    timer_disarm(store->shard->timers, &store->retention_timer);
    timer_disarm(store->shard->timers, &store->compact_timer);
    store_journal_destroy(store->journal);
    LIST_EACH(&store->jobs, node) {
        struct store_job *job = LIST_ENTRY(node, struct store_job, all_link);

        if (job->abandon != NULL) {
            job->abandon(job);
        }
        job_free(job);
    }
    LIST_EACH(&store->logs, node) {
        store__log_free(LIST_ENTRY(node, struct store_log, link));
    }
    LIST_EACH(&store->held_list, node) {
        store__held_free(LIST_ENTRY(node, struct store_held, link));
    }
    map_deinit(&store->held);
    MAP_EACH(&store->known, entry) {
        store__known_free(entry->value);
    }
    map_deinit(&store->known);
    store__doom_forget(store);
    store__recycle_destroy(store);
    store__cache_trim(store, 0);
    LIST_EACH(&store->frames_free, node) {
        mem_free(MEM_STORE, LIST_ENTRY(node, struct store_frame, cache_link));
    }
    mem_free(MEM_STORE, store->directory);
    mem_free(MEM_STORE, store);
}

const char *store_directory(const struct store *store)
{
    return store->directory;
}

void store_stats(const struct store *store, struct store_stats *out_stats)
{
    struct store_journal_stats journal;

    *out_stats = store->stats;
    store_journal_stats(store->journal, &journal);
    out_stats->journal_writes = journal.writes;
    out_stats->journal_bytes = journal.write_bytes;
    out_stats->cache_bytes = store->cache_bytes;
    out_stats->spare_bytes = store__recycle_held_bytes(store);
    out_stats->memory_bytes = buf_pool_used_bytes(store->shard->bufs);
    LIST_EACH(&store->logs, node) {
        struct store_log *log = LIST_ENTRY(node, struct store_log, link);

        out_stats->log_count++;
        out_stats->segment_count += log->segment_count;
        out_stats->offline_logs += log->offline;
    }
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static void store_open_replay(void *context, const struct store_journal_record *record)
{
    struct store      *store = context;
    struct store_held *held;

    if (store->was_clean) {
        return; /* everything was moved to the segments before the checkpoint was written */
    }
    held = store__held_get(store, record->topic_id, record->partition);
    held->durable_end = MAX(held->durable_end, record->last_offset + 1);
    store__held_add(held, record->first_offset, record->last_offset, record->bytes);
}

static void store_open_damage(void *context, const struct store_journal_damage *damage)
{
    struct store *store = context;

    store->stats.damaged_ranges++;
    if (damage->entry_known) {
        struct store_held *held = store__held_get(store, damage->topic_id, damage->partition);

        held->durable_end = MAX(held->durable_end, damage->last_offset + 1);
    }
}

static void store_open_space(void *context)
{
    struct store *store = context;

    store__memory_freed(store);
}

static void store_open_journal_done(void *context, int result)
{
    struct store_job *job = context;

    job->task.result = result;
    store__task_resume(&job->task);
}

static bool store_open_list(void *context, const char *name, bool is_directory)
{
    struct store       *store = context;
    struct store_known *known;

    if (!is_directory) {
        return true;
    }
    if (strcmp(name, STORE_RECYCLE_NAME) == 0) {
        store__recycle_adopt(store);
        return true;
    }
    if (name[0] == STORE_DOOMED_MARK) {
        store__doom_directory(store, name, 0);
        return true;
    }
    if (map_get(&store->known, view_text(name)) == NULL) {
        known = mem_alloc(MEM_STORE, sizeof(*known));
        known->name = mem_copy_text(MEM_STORE, view_text(name));
        (void)map_put(&store->known, view_text(name), known);
    }
    return true;
}

static void store_open_finish(struct store_job *job, int result)
{
    struct store  *store = job->store;
    store_done_fn *done = job->done;
    void          *context = job->context;

    store->opened = result == ERR_OK || result == ERR_CORRUPT;
    if (store->opened) {
        timer_arm(store->shard->timers, &store->retention_timer,
                  io_now_ns(store->io) + store->retention_check_ms * NS_PER_MS, store__retention_due);
    }
    store__job_end(job);
    done(context, result);
}

static void store_open_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);
    struct store     *store = job->store;

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_file_make_directories(store->io, &task->file, store->directory, store__task_file_done));
    if (task->result < 0) {
        store_open_finish(job, task->result);
        return;
    }
    job->path = store__path(store->directory, STORE_CHECKPOINT_NAME);
    TASK_AWAIT(task, io_file_load(store->io, &task->file, store->shard->bufs, job->path, STORE_CHECKPOINT_BYTES_MAX,
                                  store__task_file_done));
    if (task->result >= 0) {
        job->buf = io_file_take(&task->file);
        store->was_clean = store__checkpoint_load(store, view_of(job->buf->data, (size_t)task->result)) == ERR_OK;
        buf_unref(job->buf);
        job->buf = NULL;
    }
    /* Replaced, not removed, and at every start: if an earlier attempt could not be made durable, this one is another.
     */
    store__checkpoint_void(job);
    TASK_AWAIT(
        task, io_file_replace(store->io, &task->file, job->path, view_of(job->bytes, job->len), store__task_file_done));
    if (task->result < 0) {
        store_open_finish(job, task->result);
        return;
    }
    task->result = io_list(store->io, store->directory, store_open_list, store);
    if (task->result < 0) {
        store_open_finish(job, task->result);
        return;
    }
    TASK_AWAIT(task, store_journal_open(store->journal,
                                        &(struct store_journal_hooks){.context = store,
                                                                      .replay = store_open_replay,
                                                                      .damage = store_open_damage,
                                                                      .space = store_open_space},
                                        store_open_journal_done, job));
    job->error = task->result;
    if ((job->error == ERR_OK || job->error == ERR_CORRUPT) && list_empty(&store->held_list) &&
        !store_journal_unreadable(store->journal)) {
        TASK_AWAIT(task, store_journal_reset(store->journal, store_open_journal_done, job));
        store->journal_ready = task->result == ERR_OK;
        if (task->result < 0) {
            job->error = task->result;
        }
    }
    store_open_finish(job, job->error);
    TASK_END;
}

/* --- what the journal held --------------------------------------------------------------------------------------- */

#define HELD_KEY_BYTES 20

static struct view held_key(struct uuid topic_id, int32_t partition, uint8_t key[HELD_KEY_BYTES])
{
    memcpy(key, topic_id.bytes, sizeof(topic_id.bytes));
    memcpy(key + sizeof(topic_id.bytes), &partition, sizeof(partition));
    return view_of(key, HELD_KEY_BYTES);
}

struct store_held *store__held_find(struct store *store, struct uuid topic_id, int32_t partition)
{
    uint8_t key[HELD_KEY_BYTES];

    return map_get(&store->held, held_key(topic_id, partition, key));
}

struct store_held *store__held_get(struct store *store, struct uuid topic_id, int32_t partition)
{
    struct store_held *held = store__held_find(store, topic_id, partition);
    uint8_t            key[HELD_KEY_BYTES];

    if (held == NULL) {
        held = mem_alloc(MEM_STORE, sizeof(*held));
        held->store = store;
        held->topic_id = topic_id;
        held->partition = partition;
        held->first_lsn = STORE_NO_LSN;
        list_init(&held->entries);
        list_push_back(&store->held_list, &held->link);
        (void)map_put(&store->held, held_key(topic_id, partition, key), held);
    }
    return held;
}

void store__held_add(struct store_held *held, int64_t first, int64_t last, struct view bytes)
{
    struct store_held_entry *entry = mem_alloc(MEM_STORE, sizeof(*entry) + bytes.len);

    entry->first_offset = first;
    entry->last_offset = last;
    entry->len = bytes.len;
    memcpy(entry->bytes, bytes.base, bytes.len);
    list_init(&entry->link);
    list_push_back(&held->entries, &entry->link);
}

void store__held_free(struct store_held *held)
{
    uint8_t key[HELD_KEY_BYTES];

    if (held == NULL) {
        return;
    }
    (void)map_remove(&held->store->held, held_key(held->topic_id, held->partition, key));
    LIST_EACH(&held->entries, node) {
        mem_free(MEM_STORE, LIST_ENTRY(node, struct store_held_entry, link));
    }
    list_remove(&held->link);
    mem_free(MEM_STORE, held);
}

void store__held_check(struct store *store)
{
    if (!store->opened || store->closing) {
        return;
    }
    if (store->journal_ready) {
        store__journal_release(store);
        return;
    }
    if (list_empty(&store->held_list) && !store->journal_resetting && store_journal_online(store->journal) &&
        !store_journal_unreadable(store->journal)) { /* else it stays as it is, and appends go to the segments */
        store->journal_resetting = true;
        store_journal_reset(store->journal, store_reset_done, store);
    }
}

static void store_reset_done(void *context, int result)
{
    struct store *store = context;

    store->journal_resetting = false;
    store->journal_ready = result == ERR_OK;
    LIST_EACH(&store->logs, node) {
        store__log_kick(LIST_ENTRY(node, struct store_log, link));
    }
    store__close_kick(store);
}

void store_logs_opened(struct store *store)
{
    if (store->logs_opened) {
        return;
    }
    store->logs_opened = true;
    if (store->openings_done > 0) {
        slog_info("store",
                  "%s: %" PRIu64 " logs read back after an unclean stop, %" PRIu64 " with batches from the journal",
                  store->directory, store->openings_done, store->openings_from_journal);
    }
    LIST_EACH(&store->held_list, node) {
        struct store_held *held = LIST_ENTRY(node, struct store_held, link);

        if (held->first_lsn == STORE_NO_LSN &&
            !held->claimed) { /* of an earlier run, and no log wants it: its topic was deleted */
            store__held_free(held);
        }
    }
    store__held_check(store);
}

/* --- jobs -------------------------------------------------------------------------------------------------------- */

struct store_job *store__job_new(struct store *store, struct store_log *log, struct store_segment *segment,
                                 store_task_fn *run)
{
    struct store_job *job = mem_alloc(MEM_STORE, sizeof(*job));

    store__job_init(job, store, log, segment, run);
    return job;
}

void store__job_init(struct store_job *job, struct store *store, struct store_log *log, struct store_segment *segment,
                     store_task_fn *run)
{
    job->store = store;
    job->log = log;
    job->segment = segment;
    job->handle = IO_HANDLE_NONE;
    job->task.run = run;
    list_init(&job->link);
    list_init(&job->wait_link);
    list_push_back(&store->jobs, &job->all_link);
}

static void job_free(struct store_job *job)
{
    buf_unref(job->buf);
    mem_free(MEM_STORE, job->path);
    mem_free(MEM_STORE, job->bytes);
    list_remove(&job->link);
    list_remove(&job->wait_link);
    list_remove(&job->all_link);
    mem_free(MEM_STORE, job);
}

void store__job_start(struct store_job *job)
{
    job->store->side_jobs++;
    if (job->log != NULL) {
        job->log->side_jobs++;
    }
    store__task_resume(&job->task);
}

void store__job_start_serial(struct store_job *job)
{
    bool first = list_empty(&job->log->jobs);

    job->serial = true;
    list_push_back(&job->log->jobs, &job->link);
    if (first) {
        store__task_resume(&job->task);
    }
}

void store__job_end(struct store_job *job)
{
    struct store     *store = job->store;
    struct store_log *log = job->log;
    bool              serial = job->serial;

    store__job_drop(job);
    job_free(job);
    if (!serial) {
        store->side_jobs--;
        if (log != NULL) {
            log->side_jobs--;
        }
    } else if (!list_empty(&log->jobs)) {
        store__task_resume(&LIST_ENTRY(list_first(&log->jobs), struct store_job, link)->task);
        return; /* that one ends and kicks, too */
    }
    if (log != NULL) {
        store__log_kick(log);
    } else {
        store__close_kick(store);
    }
}

char *store__path(const char *directory, const char *name)
{
    size_t len = strlen(directory) + strlen(name) + 2;
    char  *path = mem_alloc(MEM_STORE, len);

    CHECK(snprintf(path, len, "%s/%s", directory, name) == (int)len - 1);
    return path;
}

char *store__segment_path(const struct store_log *log, uint32_t number, const char *suffix)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%08" PRIu32 "%s", number, suffix);
    return store__path(log->path, name);
}

/* --- time, memory, space ----------------------------------------------------------------------------------------- */

/* The tick runs only while something waits for it: an idle store costs no CPU. */
void store__tick_arm(struct store *store)
{
    if (!timer_armed(&store->tick) && !store->closing) {
        timer_arm(store->shard->timers, &store->tick, io_now_ns(store->io) + STORE_TICK_NS, store_tick);
    }
}

static void store_tick(struct timer *timer)
{
    struct store *store = CONTAINER_OF(timer, struct store, tick);

    store__drain_tick(store);
}

void store__retry_later(struct store *store)
{
    if (!timer_armed(&store->retry_timer)) {
        timer_arm(store->shard->timers, &store->retry_timer, io_now_ns(store->io) + STORE_RETRY_NS, store_retry_due);
    }
}

static void store_retry_due(struct timer *timer)
{
    struct store *store = CONTAINER_OF(timer, struct store, retry_timer);

    LIST_EACH(&store->logs, node) {
        struct store_log *log = LIST_ENTRY(node, struct store_log, link);

        if (log->frame_count > log->frame_live || log->closing || !list_empty(&log->appends)) {
            store__log_dirty(log);
            store__log_pump(log); /* what was refused is asked for again */
            store__log_kick(log);
        }
    }
}

void store_wait_for_memory(struct store *store, struct store_memory_wait *wait)
{
    list_push_back(&store->memory_waits, &wait->link);
    if (!timer_armed(&store->memory_timer)) {
        timer_arm(store->shard->timers, &store->memory_timer, io_now_ns(store->io) + STORE_MEMORY_RETRY_NS,
                  store_memory_due);
    }
}

void store_cancel_wait(struct store *store, struct store_memory_wait *wait)
{
    (void)store;
    list_remove(&wait->link);
}

void store__memory_freed(struct store *store)
{
    if (!list_empty(&store->memory_waits)) {
        timer_arm(store->shard->timers, &store->memory_timer, io_now_ns(store->io), store_memory_due);
    }
}

/* The pool is shared with connections and other shards, which do not tell: so waiters also try again by time. */
static void store_memory_due(struct timer *timer)
{
    struct store    *store = CONTAINER_OF(timer, struct store, memory_timer);
    struct list_node ready;

    list_init(&ready);
    list_splice_back(&ready, &store->memory_waits);
    while (!list_empty(&ready)) { /* a callback may cancel another that stands in this list */
        struct store_memory_wait *wait = LIST_ENTRY(list_pop_front(&ready), struct store_memory_wait, link);

        wait->ready(wait);
    }
}

bool store__space_low(struct store *store)
{
    int64_t  now = io_now_ns(store->io);
    uint64_t free_bytes, total_bytes;
    bool     low;

    if (store->space_checked_ns != 0 && now - store->space_checked_ns < STORE_SPACE_CHECK_NS) {
        return store->stats.space_low;
    }
    store->space_checked_ns = MAX(now, 1);
    if (io_volume_free(store->io, store->directory, &free_bytes, &total_bytes) < 0) {
        return store->stats.space_low;
    }
    if (!store__recycle_fits(store, free_bytes, total_bytes)) {
        (void)store__recycle_empty(store);
        free_bytes += store__recycle_held_bytes(store); /* in a moment */
    }
    /* A total of 0: the file system does not count (ramfs). */
    low = total_bytes > 0 && free_bytes < store->options.free_bytes_min;
    if (low && !store->stats.space_low) {
        slog_error("store",
                   "%s: %" PRIu64 " MiB free, below the reserve of %" PRIu64
                   " MiB: produce is refused until there is space again",
                   store->directory, free_bytes / MIB, store->options.free_bytes_min / MIB);
    } else if (!low && store->stats.space_low) {
        slog_info("store", "%s: %" PRIu64 " MiB free again: produce is accepted", store->directory, free_bytes / MIB);
    }
    store->stats.space_low = low;
    return low;
}
