/* store_file.c: segment files: making, activating, opening, allocating, flushing, sealing.
 *
 * Order on the way to the first acknowledgement that depends on a segment: directory made and its name durable -> file
 * made, its name durable -> header durable -> (made ahead: ACTIVE header durable) -> frames. So an ACTIVE header always
 * stands before the frames it covers, and a PREPARED file never holds one. A spare file (store_recycle.c) is renamed
 * instead of made: the same from there on, and before its header it says FREE.
 */
#include "core/store/store_recycle.h"

static void segment_make_run(struct store_task *task);
static void segment_activate_run(struct store_task *task);
static void segment_room_run(struct store_task *task);
static void segment_sync_run(struct store_task *task);
static void segment_seal_run(struct store_task *task);

/* --- objects ----------------------------------------------------------------------------------------------------- */

struct store_segment *store__segment_new(struct store_log *log, uint32_t number)
{
    struct store         *store = log->store;
    struct store_segment *segment = mem_alloc(MEM_STORE, sizeof(*segment));

    list_init(&segment->lru_link);
    list_init(&segment->holds);
    list_init(&segment->unsynced);
    list_init(&segment->syncing);
    segment->store = store;
    segment->log = log;
    segment->handle = IO_HANDLE_NONE;
    segment->header = (struct store_segment_header){
        .segment_id = io_random_u64(store->io),
        .topic_id = log->topic_id,
        .partition = log->partition,
        .number = number,
        .generation = 1,
        .block_bytes = store->block_bytes,
        .state = STORE_SEGMENT_PREPARED,
    };
    segment->end_position = store__segment_data_start(store->block_bytes);
    segment->max_timestamp_ms = -1;
    segment->snapshot_offset = -1;
    return segment;
}

void store__segment_free(struct store_segment *segment)
{
    if (segment == NULL) {
        return;
    }
    list_remove(&segment->lru_link);
    store_index_destroy(segment->index);
    store__doom_unused(segment->doomed);
    store__spare_free(segment->spare);
    mem_free(MEM_STORE, segment->doomed_path);
    mem_free(MEM_STORE, segment);
}

uint32_t store__open_flags(const struct store *store)
{
    uint32_t direct = store->options.volume.direct_align_bytes != 0 ? IO_OPEN_DIRECT : 0;

    return IO_OPEN_READ | IO_OPEN_WRITE | direct;
}

/* --- header ------------------------------------------------------------------------------------------------------ */

/* The copy that is overwritten is the older one, so that a torn write leaves the state before. */
void store__segment_header_submit(struct store_job *job, struct store_segment *segment)
{
    uint32_t block_bytes = segment->header.block_bytes;
    uint64_t position;

    segment->header.sequence++;
    position = (segment->header.sequence % STORE_SEGMENT_HEADER_COPIES) * block_bytes;
    memset(job->buf->data, 0, block_bytes);
    store__segment_header_encode(&segment->header, job->buf->data);
    io_file_write_all(job->store->io, &job->task.file, segment->handle, view_of(job->buf->data, block_bytes), position,
                      IO_WRITE_DURABLE, store__task_file_done);
}

/* All copies in one write, into a file that holds nothing yet: torn, it leaves a file with no valid header and no data.
 * A spare file holds other logs' data. There the copy in front stays as it is, FREE, until these are durable: it is the
 * one that is written next. */
void store__segment_header_first(struct store_task *task, struct store_segment *segment, struct io_handle file,
                                 uint8_t *memory)
{
    size_t   block_bytes = segment->header.block_bytes;
    uint64_t before = segment->spare == NULL ? 0 : segment->spare->sequence;
    uint64_t copies = segment->spare == NULL ? STORE_SEGMENT_HEADER_COPIES : STORE_SEGMENT_HEADER_COPIES - 1;
    uint64_t position = (STORE_SEGMENT_HEADER_COPIES - copies) * block_bytes;

    memset(memory, 0, STORE_SEGMENT_HEADER_COPIES * block_bytes);
    segment->header.sequence = before + copies;
    for (uint64_t sequence = before + 1; sequence <= before + copies; sequence++) {
        struct store_segment_header header = segment->header;

        header.sequence = sequence;
        store__segment_header_encode(&header, memory + sequence % STORE_SEGMENT_HEADER_COPIES * block_bytes);
    }
    io_file_write_all(segment->store->io, &task->file, file, view_of(memory + position, copies * block_bytes), position,
                      IO_WRITE_DURABLE, store__task_file_done);
}

/* --- making ------------------------------------------------------------------------------------------------------ */

bool store__segment_ready(const struct store_segment *segment)
{
    return segment->exists && !segment->making && segment->header.state != STORE_SEGMENT_PREPARED;
}

/* The one before it is there, durably, or it is the first: only then may its header say that it takes frames. Else a
 * stop in between would leave the second file of a log and not the first, as if that had been lost. */
static bool segment_next_in_turn(const struct store_segment *segment)
{
    const struct store_log *log = segment->log;

    for (uint32_t i = log->segment_count; i > 1; i--) {
        if (log->segments[i - 1] == segment) {
            return store__segment_ready(log->segments[i - 2]);
        }
    }
    return true;
}

/* Before the first frame is begun, which carries the id. */
static void segment_ask_spare(struct store_segment *segment)
{
    if (segment->exists || segment->making || segment->spare_asked) {
        return;
    }
    segment->spare_asked = true;
    segment->spare = store__recycle_take(segment);
    if (segment->spare != NULL) {
        segment->header.segment_id = segment->spare->segment_id;
    }
}

void store__segment_want_ready(struct store_segment *segment)
{
    segment_ask_spare(segment);
    if (segment->making || store__segment_ready(segment) || segment->log->directory_making ||
        (segment->exists && !segment_next_in_turn(segment))) {
        return; /* the end of what goes on comes here again */
    }
    /* Not one of the serial jobs: the seal of this segment may stand in that queue and wait for frames that wait for
     * this. */
    segment->making = true;
    segment->log->directory_making = !segment->log->directory_exists;
    store__job_start(store__job_new(segment->store, segment->log, segment,
                                    segment->exists ? segment_activate_run : segment_make_run));
}

/* One that was made ahead is not needed yet: without it, the next one is made when it is. */
static void segment_forget_ahead(struct store_job *job)
{
    struct store_segment *segment = job->segment;

    job->log->next_segment = NULL;
    job->segment = NULL;
    store__segment_free(segment);
}

static void segment_made(struct store_job *job, const char *what)
{
    struct store_segment *segment = job->segment;
    struct store_log     *log = job->log;
    int                   result = job->task.result;

    segment->making = false;
    log->directory_making = false;
    store__job_drop(job);
    if (job->slot) {
        store__slot_give(job->store);
    }
    if (result < 0 && !segment->exists && io_handle_valid(segment->handle)) {
        store__segment_close_handle(segment); /* the next attempt begins anew */
    }
    if (result < 0 && segment == log->next_segment) {
        segment_forget_ahead(job);
    } else if (result == ERR_NO_SPACE || result == ERR_DESCRIPTORS || result == ERR_NO_MEMORY) {
        job->store->stats.space_low |= result == ERR_NO_SPACE && !store__recycle_empty(job->store);
        store__retry_later(
            job->store); /* nothing was promised on it yet: frames wait, the journal still acknowledges */
    } else if (result < 0) {
        store__log_offline(log, result, what);
    }
    if (result >= 0) { /* else it would try again at once */
        for (uint32_t i = 0; i < log->segment_count && !log->offline; i++) {
            store__segment_want_ready(log->segments[i]); /* those that waited for their turn */
        }
        store__log_pump(log);
    }
    store__job_end(job);
}

static uint64_t segment_chunk(const struct store_segment *segment, uint64_t end_position)
{
    const struct store_log *log = segment->log;
    uint64_t                limit = align_up(log->policy.segment_bytes, segment->header.block_bytes);
    uint64_t chunk = MIN(MAX(segment->allocated_bytes, STORE_ALLOCATE_BYTES_MIN), STORE_ALLOCATE_BYTES_MAX);
    uint64_t target = segment->allocated_bytes + chunk;

    if (log->policy.preallocate || target > limit) {
        target = limit;
    }
    return MAX(target, align_up(end_position, segment->header.block_bytes)) - segment->allocated_bytes;
}

/* The directory's name, shared with all logs that are being made at the moment. */
static bool make_directory_failed(struct store_job *job)
{
    if (job->task.result >= 0) {
        job->log->directory_exists = true;
        job->log->directory_making = false;
    }
    return job->task.result < 0;
}

/* What the allocation gave. False: that was an error. */
static bool make_allocated(struct store_job *job)
{
    if (job->task.result == ERR_UNSUPPORTED) {
        job->segment->allocated_bytes = UINT64_MAX; /* grows with its writes */
        return true;
    }
    if (job->task.result >= 0) {
        job->segment->allocated_bytes += job->len;
    }
    return job->task.result >= 0;
}

/* Never back: a trim that is under way may have been written into it already. */
static void segment_know_start(struct store_segment *segment)
{
    segment->header.log_start_offset = MAX(segment->header.log_start_offset, segment->log->start_offset);
}

/* Needed by now: one write less. */
static void make_activate(struct store_job *job)
{
    struct store_segment *segment = job->segment;

    segment->header.state = segment == job->log->next_segment || !segment_next_in_turn(segment) ? STORE_SEGMENT_PREPARED
                                                                                                : STORE_SEGMENT_ACTIVE;
    segment->header.created_ms = io_wall_ms(job->store->io);
    segment_know_start(segment);
}

static void make_opened(struct store_job *job)
{
    job->segment->handle = (struct io_handle){job->task.result};
    job->store->open_count++;
    job->slot = false; /* the handle's from here on */
    (void)store__job_hold(job);
}

static void make_spare_used(struct store_segment *segment)
{
    store__spare_free(segment->spare);
    segment->spare = NULL;
}

/* A spare file that somebody took away, or that could not be renamed, is not needed. */
static void make_renamed(struct store_job *job)
{
    if (job->task.result < 0) {
        make_spare_used(job->segment);
    }
}

static uint32_t make_flags(const struct store_segment *segment)
{
    return store__open_flags(segment->store) | (segment->spare == NULL ? IO_OPEN_CREATE | IO_OPEN_TRUNCATE : 0);
}

static void segment_make_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_segment *segment = job->segment;

    TASK_BEGIN(task);
    if (!store__slot_take(store, job)) {
        TASK_AWAIT(task, (void)0);
    }
    if (!job->log->directory_exists) {
        TASK_AWAIT(task, io_mkdir(store->io, &task->op, job->log->path, store__task_op_done));
        if (task->result >= 0 || task->result == ERR_EXISTS) {
            TASK_AWAIT(task, store__names_sync(store, job));
        }
        if (make_directory_failed(job)) {
            goto made;
        }
    }
    job->buf = store__buf(store, STORE_SEGMENT_HEADER_COPIES * (size_t)segment->header.block_bytes);
    if (job->buf == NULL) {
        task->result = ERR_NO_MEMORY;
        goto made;
    }
    job->path = store__segment_path(job->log, segment->header.number, ".seg");
    if (segment->spare != NULL) {
        TASK_AWAIT(task, io_rename(store->io, &task->op, segment->spare->path, job->path, store__task_op_done));
        make_renamed(job);
    }
    TASK_AWAIT(task, io_open(store->io, &task->op, job->path, make_flags(segment), store__task_op_done));
    if (task->result < 0) {
        goto made;
    }
    make_opened(job);
    segment->allocated_bytes = segment->spare == NULL ? 0 : segment->spare->bytes;
    if (segment->spare == NULL) {
        job->len = (size_t)segment_chunk(segment, segment->end_position);
        TASK_AWAIT(task, io_allocate(store->io, &task->op, segment->handle, 0, job->len, IO_ALLOCATE_EXTEND,
                                     store__task_op_done));
        if (!make_allocated(job)) {
            goto made;
        }
    }
    /* The name first: a valid header says that it is durable. */
    TASK_AWAIT(task, io_file_sync_directory(store->io, &task->file, job->log->path, store__task_file_done));
    if (task->result < 0) {
        goto made;
    }
    make_activate(job);
    TASK_AWAIT(task, store__segment_header_first(task, segment, segment->handle, job->buf->data));
    segment->exists = task->result >= 0;
made:
    if (segment->spare != NULL && job->path != NULL) { /* renamed; after a failure what is tried next is a new file */
        job->error = MIN(task->result, 0);
        if (job->error < 0) {
            TASK_AWAIT(task, io_unlink(store->io, &task->op, job->path, false, store__task_op_done));
        }
        make_spare_used(segment);
        task->result = job->error;
    }
    segment_made(job, "cannot make a segment");
    return;
    TASK_END;
}

static void segment_activate_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_segment *segment = job->segment;

    TASK_BEGIN(task);
    job->buf = store__buf(store, segment->header.block_bytes);
    if (job->buf == NULL) {
        task->result = ERR_NO_MEMORY;
        goto made;
    }
    if (!store__job_hold(job)) {
        TASK_AWAIT(task, (void)0);
        if (task->result < 0) {
            goto made;
        }
    }
    segment->header.state = STORE_SEGMENT_ACTIVE;
    segment->header.created_ms = io_wall_ms(store->io);
    segment_know_start(segment);
    TASK_AWAIT(task, store__segment_header_submit(job, segment));
    if (task->result < 0) {
        segment->header.state = STORE_SEGMENT_PREPARED;
    }
made:
    segment_made(job, "cannot activate a segment");
    return;
    TASK_END;
}

/* --- space ------------------------------------------------------------------------------------------------------- */

void store__segment_want_room(struct store_segment *segment, uint64_t end_position)
{
    struct store_job *job;

    if (segment->allocating || segment->allocated_bytes >= end_position || !io_handle_valid(segment->handle)) {
        return;
    }
    segment->allocating = true;
    job = store__job_new(segment->store, segment->log, segment, segment_room_run);
    job->len = (size_t)segment_chunk(segment, end_position);
    store__segment_use(segment);
    store__job_start(job);
}

static void segment_room_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store_segment *segment = job->segment;
    struct store_log     *log = job->log;

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_allocate(job->store->io, &task->op, segment->handle, segment->allocated_bytes, job->len,
                                 IO_ALLOCATE_EXTEND, store__task_op_done));
    segment->allocating = false;
    store__segment_drop(segment);
    if (task->result == ERR_UNSUPPORTED) {
        segment->allocated_bytes = UINT64_MAX;
    } else if (task->result == ERR_NO_SPACE) {
        job->store->stats.space_low |= !store__recycle_empty(job->store);
        store__retry_later(job->store);
    } else if (task->result < 0) {
        store__log_offline(log, task->result, "cannot allocate space for a segment");
    } else {
        segment->allocated_bytes += job->len;
    }
    if (task->result != ERR_NO_SPACE) {
        store__log_pump(log);
    }
    store__job_end(job);
    return;
    TASK_END;
}

/* --- flushing ---------------------------------------------------------------------------------------------------- */

/* A flush that failed is final: the kernel may have forgotten what it was to write, and the next one would say "done"
 * of it. Whatever goes on with an offline log, none is asked for again. */
void store__segment_want_sync(struct store_segment *segment)
{
    if (segment->log != NULL && segment->log->offline) {
        return;
    }
    if (segment->sync_in_flight) {
        segment->sync_wanted = !list_empty(&segment->unsynced);
        return;
    }
    if (list_empty(&segment->unsynced)) {
        return;
    }
    segment->sync_in_flight = true;
    segment->sync_wanted = false;
    store__job_start(store__job_new(segment->store, segment->log, segment, segment_sync_run));
}

static void segment_sync_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store_segment *segment = job->segment;
    struct store_log     *log = job->log;

    TASK_BEGIN(task);
    if (!store__job_hold(job)) {
        TASK_AWAIT(task, (void)0);
        if (task->result < 0) {
            segment->sync_in_flight = false;
            store__retry_later(job->store);
            store__job_end(job);
            return;
        }
    }
    if (log->offline) {
        segment->sync_in_flight = false;
        store__job_end(job);
        return;
    }
    list_splice_back(&segment->syncing, &segment->unsynced); /* what completed before the flush was submitted */
    segment->unsynced_bytes = 0;
    TASK_AWAIT(task, io_sync(job->store->io, &task->op, segment->handle, store__task_op_done));
    job->store->stats.syncs++;
    segment->sync_in_flight = false;
    if (task->result < 0) {
        store__log_offline(log, task->result, "cannot flush a segment");
    }
    while (task->result >= 0 && !list_empty(&segment->syncing)) {
        store__frame_stored(LIST_ENTRY(list_first(&segment->syncing), struct store_frame, sync_link));
    }
    if (task->result >= 0) {
        store__frames_settle(log);
        store__journal_release(job->store);
        if (segment->sync_wanted) {
            store__segment_want_sync(segment);
        }
        store__log_dirty(log);
    }
    store__job_end(job);
    return;
    TASK_END;
}

/* --- sealing ----------------------------------------------------------------------------------------------------- */

/* Index and sealed header, once every frame of it is durable. Serial: segments are sealed in order. */
void store__segment_seal(struct store_segment *segment)
{
    CHECK(!segment->sealing);
    segment->sealing = true;
    store__job_start_serial(store__job_new(segment->store, segment->log, segment, segment_seal_run));
}

static void segment_seal_index(struct store_job *job, struct store_segment *segment)
{
    struct store_index_identity identity = store__index_identity(segment);

    job->len = store_index_encoded_bytes(segment->index);
    job->bytes = mem_alloc(MEM_STORE, job->len);
    store_index_encode(segment->index, &identity, job->bytes);
    job->path = store__segment_path(job->log, segment->header.number, ".idx");
}

struct store_index_identity store__index_identity(const struct store_segment *segment)
{
    return (struct store_index_identity){.segment_id = segment->header.segment_id,
                                         .generation = segment->header.generation,
                                         .block_bytes = segment->header.block_bytes,
                                         .base_offset = segment->header.base_offset,
                                         .end_position = segment->end_position,
                                         .end_offset = segment->end_offset};
}

/* Segments are sealed in order: an earlier one may have been passed over. */
static bool segment_seal_turn(const struct store_log *log, const struct store_segment *segment)
{
    for (uint32_t i = 0; i < log->segment_count && log->segments[i] != segment; i++) {
        if (log->segments[i]->header.state != STORE_SEGMENT_SEALED) {
            return false;
        }
    }
    return true;
}

static void segment_seal_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_segment *segment = job->segment;

    TASK_BEGIN(task);
    store__segment_want_sync(segment);
    TASK_UNTIL(task, segment->unstored == 0 || job->log->offline || store->stats.space_low);
    if (segment->unstored > 0 || job->log->offline || !segment->exists || !segment_seal_turn(job->log, segment)) {
        goto done; /* without space the log's next job may be the one that makes room; retention asks again */
    }
    if (segment->index != NULL && store_index_entry_count(segment->index) >= STORE_INDEX_FILE_ENTRIES_MIN) {
        segment_seal_index(job, segment);
        TASK_AWAIT(task, io_file_replace(store->io, &task->file, job->path, view_of(job->bytes, job->len),
                                         store__task_file_done)); /* a failure costs a rebuild, no more */
    }
    job->buf = store__buf(store, segment->header.block_bytes);
    if (job->buf == NULL) {
        goto done; /* stays unsealed: read back at the next unclean start */
    }
    if (!store__job_hold(job)) {
        TASK_AWAIT(task, (void)0);
        if (task->result < 0) {
            goto done;
        }
    }
    if (segment->allocated_bytes != UINT64_MAX && segment->allocated_bytes > segment->end_position) {
        TASK_AWAIT(task, io_allocate(store->io, &task->op, segment->handle, segment->end_position,
                                     segment->allocated_bytes - segment->end_position, IO_ALLOCATE_PUNCH,
                                     store__task_op_done)); /* best effort */
    }
    segment->header.state = STORE_SEGMENT_SEALED;
    segment->header.end_position = segment->end_position;
    segment->header.end_offset = segment->end_offset;
    segment->header.max_timestamp_ms = segment->max_timestamp_ms;
    segment->header.frame_count = segment->next_sequence;
    TASK_AWAIT(task, store__segment_header_submit(job, segment));
    if (task->result < 0) {
        segment->header.state = STORE_SEGMENT_ACTIVE;
        store__log_offline(job->log, task->result, "cannot seal a segment");
    }
done:
    segment->sealing = false;
    store__job_end(job);
    return;
    TASK_END;
}
