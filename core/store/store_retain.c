/* store_retain.c: the log's start: DeleteRecords, retention by size and time, and the partition's snapshots beside
 * segments.
 *
 * The start moves in this order: durably into the header of the active segment -> in memory -> whole segments below it
 * leave the log -> their files are removed after file.delete.delay.ms. So what is gone does not come back, and a read
 * that has begun ends. */
#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/store/store_internal.h"

static void snapshot_save(struct store_log *log, struct store_segment *segment, int64_t offset, uint8_t *bytes,
                          size_t len);
static void trim_run(struct store_task *task);
static void snapshot_run(struct store_task *task);

/* --- moving the start -------------------------------------------------------------------------------------------- */

static void trim_start(struct store_log *log, int64_t offset, store_done_fn *done, void *context)
{
    struct store_job *job = store__job_new(log->store, log, NULL, trim_run);

    job->offset = offset;
    job->done = done;
    job->context = context;
    if (log->segment_count > 0) {
        store__segment_want_ready(log->segments[log->segment_count - 1]); /* the record goes into its header */
    }
    store__job_start_serial(job);
}

void store_log_trim(struct store_log *log, int64_t offset, store_done_fn *done, void *context)
{
    CHECK(offset <= log->durable_end);
    trim_start(log, offset, done, context);
}

/* A snapshot tells of nothing that a power cut can still take away (snapshot_run), so one that is known will be found
 * whatever happens. */
bool store__snapshot_covers(const struct store_log *log, uint32_t from)
{
    for (uint32_t i = from; i < log->segment_count; i++) {
        if (log->segments[i]->snapshot_offset >= 0) {
            return true;
        }
    }
    return log->hooks.snapshot_write == NULL;
}

void store__snapshot_take(struct store_log *log)
{
    uint8_t *bytes = NULL;
    size_t   len = 0;

    if (log->hooks.snapshot_write == NULL || log->segment_count == 0 || log->end_offset == 0) {
        return;
    }
    log->hooks.snapshot_write(log->hooks.context, &bytes, &len);
    if (bytes != NULL) {
        snapshot_save(log, log->segments[log->segment_count - 1], log->end_offset, bytes, len);
    }
}

/* Segments wholly below the start, in order, as far as they are finished. */
static void drop_segments(struct store_log *log)
{
    uint32_t count = 0;

    if (log->swapping) {
        return; /* they go when the retention is looked at next */
    }
    while (count + 1 < log->segment_count && log->segments[count + 1]->header.base_offset <= log->start_offset &&
           log->segments[count]->header.state == STORE_SEGMENT_SEALED && !log->segments[count]->sealing &&
           log->segments[count]->unstored == 0) {
        count++;
    }
    if (count > 0 && !store__snapshot_covers(log, count)) {
        store__snapshot_take(log); /* and they go when the retention is looked at next */
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        store__doom_segment(log->segments[i], log->policy.file_delete_delay_ms);
    }
    if (count > 0) {
        log->segment_count -= count;
        memmove(log->segments, log->segments + count, log->segment_count * sizeof(struct store_segment *));
    }
}

static void trim_end(struct store_job *job, int result)
{
    struct store_log *log = job->log;
    store_done_fn    *done = job->done;
    void             *context = job->context;
    bool              moved = result == ERR_OK && job->offset > log->start_offset;

    if (moved) {
        log->start_offset = job->offset;
        drop_segments(log);
        if (log->hooks.start_moved != NULL) {
            log->hooks.start_moved(log->hooks.context, log->start_offset);
        }
    }
    store__job_end(job);
    if (done != NULL) {
        done(context, result);
    }
}

/* The log rolled meanwhile, and the new segment's header has the old start or is being written with it. The one that
 * was written may be the first to go, so the new one has to tell, too. One that is made later knows by itself. */
static bool trim_again(const struct store_job *job)
{
    const struct store_log     *log = job->log;
    const struct store_segment *last = log->segments[log->segment_count - 1];

    return !log->offline && last != job->segment && (last->exists || last->making) &&
           last->header.log_start_offset < job->offset;
}

static void trim_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);
    struct store_log *log = job->log;

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(job->store->io, &task->op, store__task_op_done));
    if (job->offset <= log->start_offset) {
        trim_end(job, ERR_OK);
        return;
    }
    TASK_UNTIL(task, log->offline || !log->segments[log->segment_count - 1]->making);
    job->segment = log->segments[log->segment_count - 1];
    if (log->offline || log->damaged || !job->segment->exists) {
        trim_end(job, log->offline || log->damaged ? ERR_OFFLINE : ERR_NO_SPACE);
        return;
    }
    for (;;) {
        store__job_drop(job);
        job->segment = log->segments[log->segment_count - 1];
        buf_unref(job->buf);
        job->buf = store__buf(job->store, job->segment->header.block_bytes);
        if (job->buf == NULL) {
            trim_end(job, ERR_AGAIN);
            return;
        }
        if (!store__job_hold(job)) {
            TASK_AWAIT(task, (void)0);
            if (task->result < 0) {
                trim_end(job, task->result);
                return;
            }
        }
        job->segment->header.log_start_offset = job->offset;
        TASK_AWAIT(task, store__segment_header_submit(job, job->segment));
        if (task->result < 0) {
            store__log_offline(log, task->result, "cannot record the start offset");
        }
        if (task->result < 0 || !trim_again(job)) {
            break;
        }
        TASK_UNTIL(task, log->offline || !log->segments[log->segment_count - 1]->making);
        if (!trim_again(job)) {
            break;
        }
    }
    trim_end(job, log->offline ? ERR_OFFLINE : ERR_OK);
    return;
    TASK_END;
}

/* --- retention --------------------------------------------------------------------------------------------------- */

/* The active segment has become too old to take more, or holds nothing but what is too old to keep. */
static bool roll_due(const struct store_log *log, const struct store_segment *segment, int64_t now_ms)
{
    if (segment->next_sequence == 0 || log->open != NULL || log->reserved_bytes > 0 || segment->rolled) {
        return false;
    }
    if (log->policy.segment_ms > 0 && segment->header.created_ms > 0 &&
        now_ms - segment->header.created_ms >= log->policy.segment_ms) {
        return true;
    }
    return log->policy.delete_enabled && log->policy.retention_ms >= 0 && segment->max_timestamp_ms >= 0 &&
           now_ms - segment->max_timestamp_ms > log->policy.retention_ms;
}

void store__retain_roll(struct store_log *log)
{
    if (log->segment_count > 0 && roll_due(log, log->segments[log->segment_count - 1], io_wall_ms(log->store->io))) {
        store__log_roll(log);
    }
}

/* How old a segment counts; -1: its records say nothing. One from which compaction took everything must not keep those
 * behind it. */
static int64_t segment_time_ms(const struct store_segment *segment)
{
    return segment->max_timestamp_ms < 0 && store__segment_compacted(&segment->header) ? segment->header.created_ms
                                                                                       : segment->max_timestamp_ms;
}

/* Those that were not finished when it was their turn, because the disk was full. */
static void retain_seal(struct store_log *log)
{
    for (uint32_t i = 0; i + 1 < log->segment_count; i++) {
        struct store_segment *segment = log->segments[i];

        if (segment->rolled && segment->header.state == STORE_SEGMENT_ACTIVE && segment->unstored == 0 &&
            !segment->sealing) {
            store__segment_seal(segment);
        }
    }
}

void store_log_keep(struct store_log *log, const struct store_keep *keep)
{
    CHECK(keep->bytes_max >= 0 && keep->ms_max >= 0);
    log->keep = *keep;
}

/* The policy's limit, and what keeping adds to it. */
static int64_t kept_limit(int64_t limit, int64_t more)
{
    return limit > INT64_MAX - more ? INT64_MAX : limit + more;
}

/* Segment `at`, which is not the last, may go: by the policy, or, where somebody has not read it, past that. */
static bool retain_over(const struct store_log *log, uint32_t at, int64_t now_ms, uint64_t total)
{
    const struct store_segment *segment = log->segments[at];
    bool                        kept = log->segments[at + 1]->header.base_offset > log->keep.offset;
    int64_t                     time_ms = segment_time_ms(segment);
    int64_t                     ms_max = kept_limit(log->policy.retention_ms, kept ? log->keep.ms_max : 0);
    int64_t                     bytes_max = kept_limit(log->policy.retention_bytes, kept ? log->keep.bytes_max : 0);

    return (log->policy.retention_ms >= 0 && time_ms >= 0 && now_ms - time_ms > ms_max) ||
           (log->policy.retention_bytes >= 0 && total - segment->end_position >= (uint64_t)bytes_max);
}

static void retain_log(struct store_log *log)
{
    int64_t  now_ms = io_wall_ms(log->store->io);
    int64_t  start = log->start_offset;
    uint64_t total = store_log_size_bytes(log);

    if (!store_log_online(log) || log->segment_count == 0) {
        return;
    }
    if (roll_due(log, log->segments[log->segment_count - 1], now_ms)) {
        store__log_roll(log);
    }
    retain_seal(log);
    for (uint32_t i = 0; i + 1 < log->segment_count && log->policy.delete_enabled; i++) {
        const struct store_segment *segment = log->segments[i];

        if (segment->header.state != STORE_SEGMENT_SEALED || !retain_over(log, i, now_ms, total)) {
            break;
        }
        total -= segment->end_position;
        start = log->segments[i + 1]->header.base_offset;
    }
    if (start > log->start_offset) {
        trim_start(log, start, NULL, NULL);
    } else {
        drop_segments(log); /* what could not go when the start moved */
    }
}

void store__retention_due(struct timer *timer)
{
    struct store *store = CONTAINER_OF(timer, struct store, retention_timer);

    timer_arm(store->shard->timers, &store->retention_timer,
              io_now_ns(store->io) + store->retention_check_ms * NS_PER_MS, store__retention_due);
    LIST_EACH(&store->logs, node) {
        retain_log(LIST_ENTRY(node, struct store_log, link));
    }
}

void store_set_retention_check_ms(struct store *store, int64_t interval_ms)
{
    store->retention_check_ms = MIN(MAX(interval_ms, 1), INT64_C(365) * 86400000);
    if (timer_armed(&store->retention_timer)) {
        timer_arm(store->shard->timers, &store->retention_timer,
                  io_now_ns(store->io) + store->retention_check_ms * NS_PER_MS, store__retention_due);
    }
}

/* --- snapshots --------------------------------------------------------------------------------------------------- */

#define SNAPSHOT_MAGIC         0x50414e534c4c494dULL /* "MILLSNAP" */
#define SNAPSHOT_VERSION_EARLY 1                     /* might be written before what it tells of was durable */
#define SNAPSHOT_VERSION       2

/* magic, crc over the rest, version; then segment id, offset, length, bytes */
/* Keeps the state of the partition above beside `segment`, whose base it belongs to. Takes `bytes`. */
static void snapshot_save(struct store_log *log, struct store_segment *segment, int64_t offset, uint8_t *bytes,
                          size_t len)
{
    struct store_job *job = store__job_new(log->store, log, segment, snapshot_run);

    job->offset = offset;
    job->len = STORE_SNAPSHOT_HEAD_BYTES + len;
    job->bytes = mem_alloc(MEM_STORE, job->len);
    store_le64(job->bytes, SNAPSHOT_MAGIC);
    store_le32(job->bytes + 12, SNAPSHOT_VERSION);
    store_le64(job->bytes + 16, segment->header.segment_id);
    store_le64(job->bytes + 24, (uint64_t)offset);
    store_le64(job->bytes + 32, (uint64_t)len);
    if (len > 0) {
        memcpy(job->bytes + STORE_SNAPSHOT_HEAD_BYTES, bytes, len);
    }
    store_le32(job->bytes + 8, crc32c_update(0, job->bytes + 12, job->len - 12));
    mem_free(MEM_STORE, bytes);
    job->path = store__segment_path(log, segment->header.number, ".snp");
    store__job_start_serial(job);
}

int store__snapshot_check(struct view file, uint64_t segment_id, struct store_snapshot *out_snapshot)
{
    uint32_t version;

    if (file.len < STORE_SNAPSHOT_HEAD_BYTES || load_le64(file.base) != SNAPSHOT_MAGIC ||
        load_le64(file.base + 32) != file.len - STORE_SNAPSHOT_HEAD_BYTES || load_le64(file.base + 16) != segment_id ||
        load_le32(file.base + 8) != crc32c_update(0, file.base + 12, file.len - 12)) {
        return ERR_CORRUPT;
    }
    version = load_le32(file.base + 12);
    if (version != SNAPSHOT_VERSION && version != SNAPSHOT_VERSION_EARLY) {
        return ERR_CORRUPT;
    }
    *out_snapshot = (struct store_snapshot){
        .offset = (int64_t)load_le64(file.base + 24),
        .early = version == SNAPSHOT_VERSION_EARLY,
        .bytes = view_of(file.base + STORE_SNAPSHOT_HEAD_BYTES, file.len - STORE_SNAPSHOT_HEAD_BYTES)};
    return ERR_OK;
}

static bool snapshot_safe(const struct store_job *job)
{
    return store__log_flushed_end(job->log) >= job->offset;
}

/* Nobody is to wait for a snapshot any more, or what it tells of may not get to the disk for a long time: the log's
 * next job may be the one that makes room. */
static bool snapshot_hopeless(const struct store_job *job)
{
    return job->log->offline || job->log->deleting || job->store->stats.space_low;
}

/* The file may take the place of one that stands there, and segments may have gone that only that one covers. So it is
 * written when what it tells of is on stable storage: beyond the log's end after a power cut it would be refused, and
 * the state of the partition would be lost with the one it replaced. */
static void snapshot_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);

    TASK_BEGIN(task);
    TASK_UNTIL(task, job->log->durable_end >= job->offset || snapshot_hopeless(job));
    if (!snapshot_safe(job)) {
        store__log_want_flush(job->log); /* under a weak policy nobody may ask for a long time */
        TASK_UNTIL(task, snapshot_safe(job) || snapshot_hopeless(job));
    }
    if (job->log->directory_exists && !job->log->offline && !job->log->deleting && snapshot_safe(job)) {
        TASK_AWAIT(task, io_file_replace(job->store->io, &task->file, job->path, view_of(job->bytes, job->len),
                                         store__task_file_done)); /* a failure costs a longer replay, no more */
        if (task->result >= 0) {
            job->segment->snapshot_offset = job->offset;
        }
    }
    store__job_end(job);
    return;
    TASK_END;
}
