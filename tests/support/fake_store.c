/* A store in memory. Every callback that the interface promises "from the loop" goes through a job list behind
 * io_post(). */
#include "tests/support/fake_store.h"

struct store_log {
    struct store            *store;
    struct fake_disk        *disk;
    struct store_log_options options;
    struct list_node         link;
    struct list_node         pending; /* committed, not durable */
    struct store_keep        keep;
    int64_t                  end_offset;
    int64_t                  durable_offset;
    bool                     online;
    uint8_t                 *reserved;
    size_t                   reserved_len;
};

typedef void job_fn(struct store_log *log, void *subject);

struct job {
    struct list_node  link;
    job_fn           *run;
    struct store_log *log;
    void             *subject;
    store_done_fn    *done;
    void             *context;
    int               result;
};

static struct list_node fake_logs = {&fake_logs, &fake_logs};

static void fake_jobs_run(struct io_op *op)
{
    struct store     *store = CONTAINER_OF(op, struct store, post);
    struct list_node  round;
    struct list_node *node;

    store->posted = false;
    list_init(&round);
    list_splice_back(&round, &store->jobs);
    while ((node = list_pop_front(&round)) != NULL) {
        struct job job = *LIST_ENTRY(node, struct job, link);

        mem_free(MEM_TEST, LIST_ENTRY(node, struct job, link));
        if (job.run != NULL) {
            job.run(job.log, job.subject);
        }
        if (job.done != NULL) {
            job.done(job.context, job.result);
        }
    }
}

static void fake_job(struct store *store, struct job wanted)
{
    struct job *job = mem_alloc(MEM_TEST, sizeof(*job));

    *job = wanted;
    list_init(&job->link);
    list_push_back(&store->jobs, &job->link);
    if (!store->posted) {
        store->posted = true;
        io_post(&store->io->io, &store->post, fake_jobs_run);
    }
}

/* --- the test's side --------------------------------------------------------------------------------------------- */

void fake_store_init(struct store *store, struct fake_io *io)
{
    *store = (struct store){.io = io};
    list_init(&store->disks);
    list_init(&store->memory_waiters);
    list_init(&store->jobs);
}

static void disk_cut(struct fake_disk *disk, int64_t end_offset)
{
    while (disk->batch_count > 0 && disk->batches[disk->batch_count - 1].last_offset >= end_offset) {
        mem_free(MEM_TEST, disk->batches[--disk->batch_count].bytes);
    }
}

void fake_store_deinit(struct store *store)
{
    struct list_node *node;

    CHECK(store->log_count == 0 && store->reads_out == 0 && list_empty(&store->jobs));
    CHECK(list_empty(&store->memory_waiters));
    while ((node = list_pop_front(&store->disks)) != NULL) {
        struct fake_disk *disk = LIST_ENTRY(node, struct fake_disk, link);

        disk_cut(disk, 0);
        mem_free(MEM_STORE, disk->snapshot);
        mem_free(MEM_TEST, disk->topic);
        mem_free(MEM_TEST, disk);
    }
}

struct store_log *fake_store_log(struct store *store, const char *topic, int32_t partition)
{
    LIST_EACH(&fake_logs, node) {
        struct store_log *log = LIST_ENTRY(node, struct store_log, link);

        if (log->store == store && strcmp(log->disk->topic, topic) == 0 && log->disk->partition == partition) {
            return log;
        }
    }
    return NULL;
}

struct fake_disk *fake_store_disk(struct store_log *log)
{
    return log->disk;
}

void fake_store_durable(struct store_log *log, int64_t offset)
{
    struct list_node *node;

    CHECK(offset >= log->durable_offset && offset <= log->end_offset && log->online);
    log->durable_offset = offset;
    while ((node = list_first(&log->pending)) != NULL) {
        struct store_append *append = LIST_ENTRY(node, struct store_append, link_);

        if (append->last_offset >= offset) {
            break;
        }
        list_remove(node);
        append->result = ERR_OK;
        append->done(append);
    }
    log->options.hooks.durable(log->options.hooks.context, offset);
}

static void fake_fail_pending(struct store_log *log)
{
    struct list_node *node;

    while ((node = list_pop_front(&log->pending)) != NULL) {
        struct store_append *append = LIST_ENTRY(node, struct store_append, link_);

        append->result = ERR_OFFLINE;
        append->done(append);
    }
}

void fake_store_offline(struct store_log *log)
{
    log->online = false;
    log->options.hooks.offline(log->options.hooks.context, ERR_IO);
    fake_fail_pending(log);
}

void fake_store_memory_back(struct store *store)
{
    struct list_node  round;
    struct list_node *node;

    store->memory_low = false;
    list_init(&round);
    list_splice_back(&round, &store->memory_waiters);
    while ((node = list_pop_front(&round)) != NULL) {
        struct store_memory_wait *wait = LIST_ENTRY(node, struct store_memory_wait, link);

        wait->ready(wait);
    }
}

void fake_store_snapshot(struct store_log *log)
{
    mem_free(MEM_STORE, log->disk->snapshot);
    log->options.hooks.snapshot_write(log->options.hooks.context, &log->disk->snapshot, &log->disk->snapshot_len);
    log->disk->snapshot_offset = log->end_offset;
}

void fake_store_crash_next(struct store_log *log)
{
    log->disk->unclean = true;
}

/* --- store.h: memory ------------------------------------------------------------------------------------------------
 */

void store_wait_for_memory(struct store *store, struct store_memory_wait *wait)
{
    list_push_back(&store->memory_waiters, &wait->link);
}

void store_cancel_wait(struct store *store, struct store_memory_wait *wait)
{
    MAYBE(store->memory_low);
    list_remove(&wait->link);
}

/* --- store.h: life ---------------------------------------------------------------------------------------------------
 */

static struct fake_disk *disk_find(struct store *store, const struct store_log_options *options)
{
    struct fake_disk *disk;

    LIST_EACH(&store->disks, node) {
        disk = LIST_ENTRY(node, struct fake_disk, link);
        if (view_equal(view_text(disk->topic), options->topic) && disk->partition == options->partition) {
            return disk;
        }
    }
    disk = mem_alloc(MEM_TEST, sizeof(*disk));
    disk->topic = mem_copy_text(MEM_TEST, options->topic);
    disk->partition = options->partition;
    list_init(&disk->link);
    list_push_back(&store->disks, &disk->link);
    return disk;
}

static void fake_open_run(struct store_log *log, void *subject)
{
    const struct store_hooks *hooks = &log->options.hooks;
    struct fake_disk         *disk = log->disk;
    int64_t                   replay_from = 0;

    MAYBE(subject == NULL);
    if (disk->snapshot != NULL && hooks->snapshot_read(hooks->context, view_of(disk->snapshot, disk->snapshot_len),
                                                       disk->snapshot_offset) == ERR_OK) {
        replay_from = disk->snapshot_offset;
    }
    for (size_t i = 0; i < disk->batch_count; i++) {
        struct rec_batch batch;

        if (disk->batches[i].base_offset >= replay_from) {
            CHECK(rec_batch_parse(view_of(disk->batches[i].bytes, disk->batches[i].len), &batch) == ERR_OK);
            hooks->replay_batch(hooks->context, &batch);
        }
    }
}

struct store_log *store_log_open(struct store *store, const struct store_log_options *options, store_done_fn *done,
                                 void *context)
{
    struct store_log *log = mem_alloc(MEM_TEST, sizeof(*log));

    log->store = store;
    log->options = *options;
    log->disk = disk_find(store, options);
    list_init(&log->link);
    list_init(&log->pending);
    list_push_back(&fake_logs, &log->link);
    store->log_count++;
    log->end_offset = log->disk->start_offset;
    if (log->disk->batch_count > 0) {
        log->end_offset = log->disk->batches[log->disk->batch_count - 1].last_offset + 1;
    }
    log->durable_offset = log->end_offset;
    log->online = store->open_result == ERR_OK;
    fake_job(
        store,
        (struct job){.run = fake_open_run, .log = log, .done = done, .context = context, .result = store->open_result});
    return log;
}

static void fake_close_run(struct store_log *log, void *subject)
{
    struct fake_disk *disk = log->disk;

    MAYBE(subject == NULL);
    fake_fail_pending(log);
    mem_free(MEM_TEST, log->reserved);
    if (disk->unclean || !log->online) {
        disk_cut(disk, log->durable_offset);
        /* It is of a history that no longer is: offsets beyond the cut will get other batches. */
        if (disk->snapshot_offset > log->durable_offset && !log->store->trusts_snapshots) {
            mem_free(MEM_STORE, disk->snapshot);
            disk->snapshot = NULL;
        }
    } else {
        fake_store_snapshot(log);
    }
    disk->unclean = false;
    list_remove(&log->link);
    log->store->log_count--;
    mem_free(MEM_TEST, log);
}

void store_log_close(struct store_log *log, store_done_fn *done, void *context)
{
    fake_job(log->store, (struct job){.run = fake_close_run, .log = log, .done = done, .context = context});
}

static void fake_delete_run(struct store_log *log, void *subject)
{
    struct fake_disk *disk = log->disk;

    fake_close_run(log, subject);
    disk_cut(disk, 0);
    mem_free(MEM_STORE, disk->snapshot);
    disk->snapshot = NULL;
    disk->start_offset = 0;
}

void store_log_delete(struct store_log *log, store_done_fn *done, void *context)
{
    log->online = false;
    fake_job(log->store, (struct job){.run = fake_delete_run, .log = log, .done = done, .context = context});
}

void store_log_set_policy(struct store_log *log, const struct store_policy *policy)
{
    log->options.policy = *policy;
}

const struct store_policy *fake_store_policy(const struct store_log *log)
{
    return &log->options.policy;
}

int64_t store_log_start_offset(const struct store_log *log)
{
    return log->disk->start_offset;
}

int64_t store_log_end_offset(const struct store_log *log)
{
    return log->end_offset;
}

int64_t store_log_durable_offset(const struct store_log *log)
{
    return log->durable_offset;
}

int64_t store_log_flushed_offset(const struct store_log *log)
{
    return log->durable_offset;
}

void store_log_flush(struct store_log *log)
{
    (void)log;
}

uint64_t store_log_size_bytes(const struct store_log *log)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < log->disk->batch_count; i++) {
        bytes += log->disk->batches[i].len;
    }
    return bytes;
}

bool store_log_online(const struct store_log *log)
{
    return log->online;
}

/* --- store.h: appending ----------------------------------------------------------------------------------------------
 */

int store_log_reserve(struct store_log *log, size_t bytes, struct span *out_place)
{
    struct store *store = log->store;

    CHECK(log->reserved == NULL);
    if (!log->online) {
        return ERR_OFFLINE;
    }
    if (store->reserve_max != 0 && bytes > store->reserve_max) {
        return ERR_LIMIT;
    }
    if (store->space_low || store->memory_low) {
        return store->space_low ? ERR_NO_SPACE : ERR_AGAIN;
    }
    log->reserved = mem_alloc(MEM_TEST, bytes);
    log->reserved_len = bytes;
    *out_place = span_of(log->reserved, bytes);
    return ERR_OK;
}

void store_log_commit(struct store_log *log, struct store_append *append, size_t bytes)
{
    struct fake_disk *disk = log->disk;

    CHECK(log->reserved != NULL && bytes <= log->reserved_len && append->first_offset == log->end_offset);
    CHECK(append->last_offset >= append->first_offset && disk->batch_count < FAKE_BATCHES_MAX);
    disk->batches[disk->batch_count++] = (struct fake_batch){
        .base_offset = append->first_offset, .last_offset = append->last_offset, .bytes = log->reserved, .len = bytes};
    log->reserved = NULL;
    log->end_offset = append->last_offset + 1;
    list_push_back(&log->pending, &append->link_);
}

void store_log_cancel(struct store_log *log)
{
    CHECK(log->reserved != NULL);
    mem_free(MEM_TEST, log->reserved);
    log->reserved = NULL;
}

/* --- store.h: reading -------------------------------------------------------------------------------------------- */

static void fake_slice(struct store *store, struct store_read *read, const struct fake_batch *batch)
{
    size_t piece = store->slice_bytes == 0 ? batch->len : store->slice_bytes;

    for (size_t at = 0; at < batch->len && read->slice_count < STORE_SLICES_MAX; at += piece) {
        read->slices[read->slice_count++] = view_of(batch->bytes + at, MIN(piece, batch->len - at));
    }
}

static void fake_read_fill(struct store_log *log, struct store_read *read)
{
    read->result = log->store->memory_low ? ERR_AGAIN : ERR_OK;
    read->bytes = 0;
    read->slice_count = 0;
    read->next_offset = read->offset;
    read->first_offset = -1;
    read->state_ = log->store;
    log->store->reads_out++;
    for (size_t i = 0; read->result == ERR_OK && i < log->disk->batch_count; i++) {
        const struct fake_batch *batch = &log->disk->batches[i];
        bool                     first = read->slice_count == 0;

        if (batch->last_offset < read->offset) {
            continue;
        }
        if (batch->base_offset >= read->end_offset ||
            (read->bytes + batch->len > read->bytes_max && !(first && read->at_least_one))) {
            break;
        }
        read->first_offset = first ? batch->base_offset : read->first_offset;
        fake_slice(log->store, read, batch);
        read->bytes += batch->len;
        read->next_offset = batch->last_offset + 1;
    }
}

static void fake_read_run(struct store_log *log, void *subject)
{
    struct store_read *read = subject;

    fake_read_fill(log, read);
    read->done(read);
}

bool store_log_read(struct store_log *log, struct store_read *read)
{
    CHECK(read->offset >= log->disk->start_offset && read->offset <= read->end_offset);
    CHECK(read->end_offset <= log->durable_offset);
    if (log->store->reads_later) {
        fake_job(log->store, (struct job){.run = fake_read_run, .log = log, .subject = read});
        return false;
    }
    fake_read_fill(log, read);
    return true;
}

bool store_log_at_hand(const struct store_log *log, int64_t offset)
{
    return offset >= log->disk->start_offset && !log->store->reads_later;
}

void store_read_release(struct store_read *read)
{
    struct store *store = read->state_;

    if (store != NULL) {
        CHECK(store->reads_out > 0);
        store->reads_out--;
        read->state_ = NULL;
    }
}

static void fake_find(struct store_log *log, struct store_time_lookup *lookup, bool max)
{
    lookup->result = ERR_OK;
    lookup->out_offset = -1;
    for (size_t i = 0; i < log->disk->batch_count; i++) {
        const struct fake_batch *stored = &log->disk->batches[i];
        struct rec_batch         batch;
        struct rec_iter          iter;
        struct rec_record        record;

        CHECK(rec_batch_parse(view_of(stored->bytes, stored->len), &batch) == ERR_OK && batch.codec == REC_NONE);
        rec_iter_init(&iter, &batch, view_of(stored->bytes + REC_HEADER_BYTES, stored->len - REC_HEADER_BYTES));
        while (rec_iter_next(&iter, &record) == 1) {
            bool better = max ? lookup->out_offset < 0 || record.timestamp_ms > lookup->out_timestamp_ms
                              : lookup->out_offset < 0 && record.timestamp_ms >= lookup->timestamp_ms;

            if (better && record.offset < (max ? log->durable_offset : lookup->end_offset)) {
                lookup->out_offset = record.offset;
                lookup->out_timestamp_ms = record.timestamp_ms;
                lookup->out_leader_epoch = batch.leader_epoch;
            }
        }
    }
    lookup->done(lookup);
}

static void fake_find_time_run(struct store_log *log, void *subject)
{
    fake_find(log, subject, false);
}

static void fake_find_max_run(struct store_log *log, void *subject)
{
    fake_find(log, subject, true);
}

void store_log_find_time(struct store_log *log, struct store_time_lookup *lookup)
{
    fake_job(log->store, (struct job){.run = fake_find_time_run, .log = log, .subject = lookup});
}

void store_log_find_max_time(struct store_log *log, struct store_time_lookup *lookup)
{
    fake_job(log->store, (struct job){.run = fake_find_max_run, .log = log, .subject = lookup});
}

static void fake_trim_run(struct store_log *log, void *subject)
{
    MAYBE(subject == NULL);
    log->options.hooks.start_moved(log->options.hooks.context, log->disk->start_offset);
}

void store_log_keep(struct store_log *log, const struct store_keep *keep)
{
    log->keep = *keep;
}

void store_log_trim(struct store_log *log, int64_t offset, store_done_fn *done, void *context)
{
    CHECK(offset <= log->durable_offset);
    log->disk->start_offset = MAX(log->disk->start_offset, offset);
    fake_job(log->store, (struct job){.run = fake_trim_run, .log = log, .done = done, .context = context});
}
