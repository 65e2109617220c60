/* store_recycle.c: spare files: taken in one at a time, given out, removed. store_recycle.h has the order of things. */
#include "core/store/store_recycle.h"

#include <stdio.h>

static void recycle_run(struct store_task *task);
static void admit_run(struct store_task *task);
static void admit_move_run(struct store_task *task);
static void adopt_run(struct store_task *task);
static void recycle_check(struct timer *timer);

struct store_recycle {
    struct store       *store;
    char               *directory;
    struct list_node    spares;  /* struct store_spare, oldest first */
    struct list_node    leaving; /* to be removed */
    struct list_node    offered; /* jobs, by wait_link */
    uint64_t            bytes;   /* of the spares, and of the one that is being taken in */
    uint64_t            leaving_bytes;
    uint32_t            count;
    struct timer        timer;
    bool                running;
    bool                directory_exists;
    struct store_job   *guest; /* whose file is being taken in */
    struct store_spare *spare; /* on its way in or out */
    struct io_handle    handle;
    int                 result; /* of taking in */
};

/* --- life --------------------------------------------------------------------------------------------------------- */

void store__recycle_create(struct store *store)
{
    struct store_recycle *recycle = mem_alloc(MEM_STORE, sizeof(*recycle));

    recycle->store = store;
    recycle->directory = store__path(store->directory, STORE_RECYCLE_NAME);
    list_init(&recycle->spares);
    list_init(&recycle->leaving);
    list_init(&recycle->offered);
    store->recycle = recycle;
}

void store__spare_free(struct store_spare *spare)
{
    if (spare != NULL) {
        list_remove(&spare->link);
        mem_free(MEM_STORE, spare->path);
        mem_free(MEM_STORE, spare);
    }
}

void store__recycle_destroy(struct store *store)
{
    struct store_recycle *recycle = store->recycle;

    timer_disarm(store->shard->timers, &recycle->timer);
    LIST_EACH(&recycle->spares, node) {
        store__spare_free(LIST_ENTRY(node, struct store_spare, link));
    }
    LIST_EACH(&recycle->leaving, node) {
        store__spare_free(LIST_ENTRY(node, struct store_spare, link));
    }
    store__spare_free(recycle->spare);
    mem_free(MEM_STORE, recycle->directory);
    mem_free(MEM_STORE, recycle);
}

/* --- space -------------------------------------------------------------------------------------------------------- */

uint64_t store__recycle_held_bytes(const struct store *store)
{
    return store->recycle->bytes + store->recycle->leaving_bytes;
}

bool store__recycle_fits(const struct store *store, uint64_t free_bytes, uint64_t total_bytes)
{
    uint64_t margin = MIN(total_bytes / STORE_RECYCLE_DISK_PART, STORE_RECYCLE_MARGIN);

    return total_bytes == 0 || free_bytes >= store->options.free_bytes_min + margin;
}

static void recycle_start(struct store_recycle *recycle)
{
    if (!recycle->running) {
        recycle->running = true;
        store__job_start(store__job_new(recycle->store, NULL, NULL, recycle_run));
    }
}

static void recycle_let_go(struct store_recycle *recycle, struct store_spare *spare)
{
    list_remove(&spare->link);
    list_push_back(&recycle->leaving, &spare->link);
    recycle->bytes -= spare->bytes;
    recycle->leaving_bytes += spare->bytes;
    recycle->count--;
}

bool store__recycle_empty(struct store *store)
{
    struct store_recycle *recycle = store->recycle;

    while (!list_empty(&recycle->spares)) {
        recycle_let_go(recycle, LIST_ENTRY(list_first(&recycle->spares), struct store_spare, link));
    }
    if (!list_empty(&recycle->leaving)) {
        recycle_start(recycle);
    }
    return store__recycle_held_bytes(store) > 0;
}

/* Another shard, or another program, may fill the disk while this one appends nothing. */
static void recycle_check(struct timer *timer)
{
    struct store_recycle *recycle = CONTAINER_OF(timer, struct store_recycle, timer);
    struct store         *store = recycle->store;
    uint64_t              free_bytes, total_bytes;

    if (store->closing || list_empty(&recycle->spares)) {
        return;
    }
    if (io_volume_free(store->io, store->directory, &free_bytes, &total_bytes) == ERR_OK &&
        !store__recycle_fits(store, free_bytes, total_bytes)) {
        slog_info("store", "%s: %" PRIu64 " MiB of spare files are removed, the disk gets low", store->directory,
                  recycle->bytes / MIB);
        (void)store__recycle_empty(store);
        return;
    }
    timer_arm(store->shard->timers, timer, io_now_ns(store->io) + STORE_RECYCLE_CHECK_NS, recycle_check);
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

/* A log that has not filled a segment yet must not tie up a large file: twice what its last segments hold, at most. */
static uint64_t take_bytes_max(const struct store_segment *segment)
{
    const struct store_log *log = segment->log;
    uint64_t                limit = store__segment_data_start(segment->header.block_bytes) +
                     align_up(log->policy.segment_bytes, segment->header.block_bytes);
    uint64_t held = 0;
    uint32_t seen = 0;

    for (uint32_t i = log->segment_count; i-- > 0 && seen < 2;) {
        if (log->segments[i] != segment) {
            held = MAX(held, log->segments[i]->end_position);
            seen++;
        }
    }
    return log->policy.preallocate ? limit : MIN(limit, 2 * held);
}

struct store_spare *store__recycle_take(const struct store_segment *segment)
{
    struct store_recycle *recycle = segment->store->recycle;
    struct store_spare   *best = NULL;
    uint64_t              bytes_max;

    if (list_empty(&recycle->spares) || segment->store->closing) {
        return NULL;
    }
    bytes_max = take_bytes_max(segment);
    LIST_EACH(&recycle->spares, node) {
        struct store_spare *spare = LIST_ENTRY(node, struct store_spare, link);

        if (spare->bytes <= bytes_max && (best == NULL || spare->bytes > best->bytes)) {
            best = spare;
        }
    }
    if (best != NULL) {
        list_remove(&best->link);
        recycle->bytes -= best->bytes;
        recycle->count--;
        segment->store->stats.recycled_files++;
        segment->store->stats.recycled_bytes += best->bytes;
    }
    return best;
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

void store__recycle_offer(struct store *store, struct store_job *job)
{
    list_push_back(&store->recycle->offered, &job->wait_link);
    recycle_start(store->recycle);
}

static bool adopt_list(void *context, const char *name, bool is_directory)
{
    struct store_recycle *recycle = context;
    struct store_job     *job;

    if (!is_directory) {
        job = store__job_new(recycle->store, NULL, NULL, adopt_run);
        job->path = store__path(recycle->directory, name);
        store__job_start(job);
    }
    return true;
}

void store__recycle_adopt(struct store *store)
{
    struct store_recycle *recycle = store->recycle;

    if (store->options.recycle_bytes == 0) {
        store__doom_directory(store, STORE_RECYCLE_NAME, 0);
        return;
    }
    recycle->directory_exists = true;
    MAYBE(io_list(store->io, recycle->directory, adopt_list, recycle) < 0); /* then they stay where they are */
}

static void adopt_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);

    TASK_BEGIN(task);
    TASK_AWAIT(task, store__recycle_offer(job->store, job));
    store__job_end(job);
    return;
    TASK_END;
}

/* Smaller ones make room for a larger one. */
static bool admit_room(struct store_recycle *recycle, uint64_t bytes)
{
    uint64_t bytes_max = recycle->store->options.recycle_bytes;

    while (bytes <= bytes_max && (recycle->bytes + bytes > bytes_max || recycle->count >= STORE_RECYCLE_FILES_MAX)) {
        struct store_spare *least = NULL;

        LIST_EACH(&recycle->spares, node) {
            struct store_spare *spare = LIST_ENTRY(node, struct store_spare, link);

            least = least == NULL || spare->bytes < least->bytes ? spare : least;
        }
        if (least == NULL || least->bytes >= bytes) {
            return false;
        }
        recycle_let_go(recycle, least);
    }
    return bytes <= bytes_max;
}

static bool disk_has_room(const struct store *store)
{
    uint64_t free_bytes, total_bytes;

    return !store->stats.space_low &&
           io_volume_free(store->io, store->directory, &free_bytes, &total_bytes) == ERR_OK &&
           store__recycle_fits(store, free_bytes, total_bytes);
}

/* From the head of the file. NULL: it is not one that can be used again. */
static struct store_spare *admit_decide(struct store_recycle *recycle, struct view head)
{
    struct store               *store = recycle->store;
    struct store_spare         *spare;
    struct store_segment_header header;
    char                        name[32];

    if (store__segment_header_choose(head, store->block_bytes, &header, NULL) != ERR_OK ||
        header.block_bytes != store->block_bytes ||
        (header.state != STORE_SEGMENT_SEALED && header.state != STORE_SEGMENT_FREE) ||
        header.end_position < STORE_RECYCLE_FILE_BYTES || header.sequence > UINT64_MAX / 2 || !disk_has_room(store) ||
        !admit_room(recycle, header.end_position)) {
        return NULL;
    }
    spare = mem_alloc(MEM_STORE, sizeof(*spare));
    list_init(&spare->link);
    spare->bytes = header.end_position;
    spare->segment_id = io_random_u64(store->io);
    spare->sequence = (header.sequence / STORE_SEGMENT_HEADER_COPIES + 1) * STORE_SEGMENT_HEADER_COPIES;
    (void)snprintf(name, sizeof(name), "%016" PRIx64, spare->segment_id);
    spare->path = store__path(recycle->directory, name);
    recycle->bytes += spare->bytes;
    recycle->count++;
    return spare;
}

/* All copies, so that nothing of its old identity is left. */
static void admit_encode(const struct store_recycle *recycle, uint8_t *memory)
{
    size_t                      block_bytes = recycle->store->block_bytes;
    struct store_segment_header header = {
        .sequence = recycle->spare->sequence,
        .segment_id = recycle->spare->segment_id,
        .block_bytes = (uint32_t)block_bytes,
        .state = STORE_SEGMENT_FREE,
        .end_position = recycle->spare->bytes,
    };

    memset(memory, 0, STORE_SEGMENT_HEADER_COPIES * block_bytes);
    for (size_t copy = 0; copy < STORE_SEGMENT_HEADER_COPIES; copy++) {
        store__segment_header_encode(&header, memory + copy * block_bytes);
    }
}

static void admit_end(struct store_job *job)
{
    struct store_recycle *recycle = job->store->recycle;
    struct store_job     *guest = recycle->guest;
    struct store_spare   *spare = recycle->spare;

    recycle->guest = NULL;
    recycle->spare = NULL;
    buf_unref(job->buf);
    job->buf = NULL;
    if (spare != NULL && recycle->result >= 0) {
        list_push_back(&recycle->spares, &spare->link);
        if (!timer_armed(&recycle->timer) && !recycle->store->closing) {
            timer_arm(recycle->store->shard->timers, &recycle->timer,
                      io_now_ns(recycle->store->io) + STORE_RECYCLE_CHECK_NS, recycle_check);
        }
    } else if (spare != NULL) {
        recycle->bytes -= spare->bytes;
        recycle->count--;
        store__spare_free(spare);
    }
    job->task.line = 0;
    job->task.run = recycle_run;
    guest->task.result = ERR_OK;
    store__task_resume(&guest->task);
    store__task_resume(&job->task);
}

/* One file. job->path is where it is; open and read here, renamed and written below. */
static void admit_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_recycle *recycle = store->recycle;

    TASK_BEGIN(task);
    recycle->result = ERR_UNSUPPORTED;
    if (!store__slot_take(store, job)) {
        TASK_AWAIT(task, (void)0);
    }
    TASK_AWAIT(task, io_open(store->io, &task->op, job->path, store__open_flags(store), store__task_op_done));
    recycle->handle = (struct io_handle){task->result};
    job->buf = store__buf(store, STORE_SEGMENT_HEADER_COPIES * (size_t)store->block_bytes);
    if (io_handle_valid(recycle->handle) && job->buf != NULL) {
        TASK_AWAIT(task,
                   io_file_read_full(store->io, &task->file, recycle->handle,
                                     span_of(job->buf->data, STORE_SEGMENT_HEADER_COPIES * (size_t)store->block_bytes),
                                     0, store__task_file_done));
        recycle->spare = task->result < 0 ? NULL : admit_decide(recycle, view_of(job->buf->data, (size_t)task->result));
    }
    task->line = 0;
    task->run = admit_move_run;
    store__task_resume(task);
    return;
    TASK_END;
}

static void admit_move_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_recycle *recycle = store->recycle;

    TASK_BEGIN(task);
    if (recycle->spare != NULL && !recycle->directory_exists) {
        TASK_AWAIT(task, io_mkdir(store->io, &task->op, recycle->directory, store__task_op_done));
        TASK_AWAIT(task, store__names_sync(store, job));
        recycle->directory_exists = true;
    }
    if (recycle->spare != NULL) {
        TASK_AWAIT(task, io_rename(store->io, &task->op, job->path, recycle->spare->path, store__task_op_done));
        recycle->result = task->result;
        recycle->directory_exists = task->result >= 0; /* or somebody removed it */
    }
    if (recycle->result >= 0) {
        mem_free(MEM_STORE, job->path);
        job->path = mem_copy_text(MEM_STORE, view_text(recycle->spare->path));
        TASK_AWAIT(task, io_file_sync_directory(store->io, &task->file, recycle->directory, store__task_file_done));
        recycle->result = task->result;
    }
    if (recycle->result >= 0) {
        admit_encode(recycle, job->buf->data);
        TASK_AWAIT(task,
                   io_file_write_all(store->io, &task->file, recycle->handle,
                                     view_of(job->buf->data, STORE_SEGMENT_HEADER_COPIES * (size_t)store->block_bytes),
                                     0, IO_WRITE_DURABLE, store__task_file_done));
        recycle->result = task->result;
    }
    if (io_handle_valid(recycle->handle)) {
        TASK_AWAIT(task, io_close(store->io, &task->op, recycle->handle, store__task_op_done));
    }
    store__slot_give(store);
    job->slot = false;
    if (recycle->result < 0) {
        TASK_AWAIT(task, io_unlink(store->io, &task->op, job->path, false, store__task_op_done));
    }
    admit_end(job);
    return;
    TASK_END;
}

static void recycle_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store_recycle *recycle = job->store->recycle;

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(job->store->io, &task->op, store__task_op_done)); /* nobody is resumed by his own call */
    while (!list_empty(&recycle->leaving)) {
        recycle->spare = LIST_ENTRY(list_pop_front(&recycle->leaving), struct store_spare, link);
        TASK_AWAIT(task, io_unlink(job->store->io, &task->op, recycle->spare->path, false, store__task_op_done));
        recycle->leaving_bytes -= recycle->spare->bytes;
        store__spare_free(recycle->spare);
        recycle->spare = NULL;
    }
    if (list_empty(&recycle->offered)) {
        recycle->running = false;
        store__job_end(job);
        return;
    }
    recycle->guest = LIST_ENTRY(list_pop_front(&recycle->offered), struct store_job, wait_link);
    mem_free(MEM_STORE, job->path);
    job->path = mem_copy_text(MEM_STORE, view_text(recycle->guest->path));
    task->line = 0;
    task->run = admit_run;
    store__task_resume(task);
    return;
    TASK_END;
}
