/* store_handle.c: open segment files, at most STORE_OPEN_FILES_MAX of them.
 *
 * A file needs a slot from before it is opened until its close has completed. Whoever finds none waits in
 * store->slot_waits; then a file that is open without users is closed, and its slot goes to the first who waits. A
 * segment's file is open while it has users; without users it stands in store->open_files, least recently used first.
 */
#include "core/store/store_internal.h"

static void names_run(struct store_task *task);

/* --- slots ------------------------------------------------------------------------------------------------------- */

/* True: the job has a slot. False: it is resumed when it has. */
bool store__slot_take(struct store *store, struct store_job *job)
{
    job->slot = true;
    if (store->slots_used < STORE_OPEN_FILES_MAX && list_empty(&store->slot_waits)) {
        store->slots_used++;
        return true;
    }
    list_push_back(&store->slot_waits, &job->wait_link);
    if (!list_empty(&store->open_files)) {
        store__segment_close_handle(LIST_ENTRY(list_first(&store->open_files), struct store_segment, lru_link));
    }
    return false;
}

void store__slot_give(struct store *store)
{
    struct list_node *node = list_pop_front(&store->slot_waits);

    if (node == NULL) {
        CHECK(store->slots_used > 0);
        store->slots_used--;
        return;
    }
    store__task_resume(&LIST_ENTRY(node, struct store_job, wait_link)->task); /* the slot passes on */
}

/* --- users -------------------------------------------------------------------------------------------------------- */

void store__segment_use(struct store_segment *segment)
{
    CHECK(io_handle_valid(segment->handle));
    segment->users++;
    list_remove(&segment->lru_link);
}

void store__segment_drop(struct store_segment *segment)
{
    CHECK(segment->users > 0);
    if (--segment->users > 0) {
        return;
    }
    list_push_back(&segment->store->open_files, &segment->lru_link);
    if (segment->log == NULL || !list_empty(&segment->store->slot_waits)) {
        store__segment_close_handle(segment);
    }
}

static void handle_close_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_close(job->store->io, &task->op, job->handle, store__task_op_done));
    store__slot_give(job->store);
    store__job_end(job);
    return;
    TASK_END;
}

/* The handle leaves the segment at once; a doomed segment goes with it. */
void store__segment_close_handle(struct store_segment *segment)
{
    struct store_job *job = store__job_new(segment->store, segment->log, NULL, handle_close_run);

    CHECK(segment->users == 0 && io_handle_valid(segment->handle));
    job->handle = segment->handle;
    segment->handle = IO_HANDLE_NONE;
    list_remove(&segment->lru_link);
    segment->store->open_count--;
    store__job_start(job);
    if (segment->log == NULL) {
        store__segment_free(segment);
    }
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void segment_opened(struct store_segment *segment, int result)
{
    struct list_node holds;

    segment->opening = false;
    list_init(&holds);
    list_splice_back(&holds, &segment->holds);
    if (result == ERR_OK) {
        segment->users++; /* ours, so that it stays open while the callbacks run */
    }
    LIST_EACH(&holds, node) {
        struct store_hold *hold = LIST_ENTRY(node, struct store_hold, link);

        list_remove(&hold->link);
        if (result == ERR_OK) {
            segment->users++;
        }
        hold->ready(hold, result);
    }
    if (segment->log != NULL) {
        if (result == ERR_DESCRIPTORS || result == ERR_NO_MEMORY) {
            store__retry_later(segment->store); /* the machine's trouble, not the disk's: frames wait */
        } else if (result != ERR_OK && segment->unstored > 0) {
            store__log_offline(segment->log, result, "cannot open a segment");
        }
    }
    if (result == ERR_OK) {
        if (segment->log != NULL) {
            store__log_pump(segment->log);
        }
        store__segment_drop(segment);
    }
}

static void handle_open_run(struct store_task *task)
{
    struct store_job     *job = CONTAINER_OF(task, struct store_job, task);
    struct store         *store = job->store;
    struct store_segment *segment = job->segment;

    TASK_BEGIN(task);
    if (!store__slot_take(store, job)) {
        TASK_AWAIT(task, (void)0);
    }
    TASK_AWAIT(task, io_open(store->io, &task->op, job->path, store__open_flags(store), store__task_op_done));
    if (task->result >= 0) {
        segment->handle = (struct io_handle){task->result};
        store->open_count++;
        task->result = ERR_OK;
    } else {
        store__slot_give(store);
    }
    segment_opened(segment, task->result);
    store__job_end(job);
    return;
    TASK_END;
}

void store__segment_want_open(struct store_segment *segment)
{
    struct store_job *job;

    if (segment->opening || io_handle_valid(segment->handle)) {
        return;
    }
    segment->opening = true;
    job = store__job_new(segment->store, segment->log, segment, handle_open_run);
    job->path = segment->log != NULL ? store__segment_path(segment->log, segment->header.number, ".seg")
                                     : mem_copy_text(MEM_STORE, view_text(segment->doomed_path));
    store__job_start(job);
}

bool store__segment_hold(struct store_segment *segment, struct store_hold *hold)
{
    if (io_handle_valid(segment->handle)) {
        store__segment_use(segment);
        return true;
    }
    list_init(&hold->link);
    list_push_back(&segment->holds, &hold->link);
    store__segment_want_open(segment);
    return false;
}

/* --- in jobs ------------------------------------------------------------------------------------------------------ */

static void job_hold_ready(struct store_hold *hold, int result)
{
    struct store_job *job = CONTAINER_OF(hold, struct store_job, hold);

    job->holding = result == ERR_OK;
    job->task.result = result;
    store__task_resume(&job->task);
}

bool store__job_hold(struct store_job *job)
{
    CHECK(!job->holding);
    job->hold.ready = job_hold_ready;
    if (!store__segment_hold(job->segment, &job->hold)) {
        return false;
    }
    job->holding = true;
    job->task.result = ERR_OK;
    return true;
}

void store__job_drop(struct store_job *job)
{
    if (job->holding) {
        job->holding = false;
        store__segment_drop(job->segment);
    }
}

/* --- names in the store's directory ------------------------------------------------------------------------------- */

/* One flush of the directory covers everybody who made a name before it was submitted. The job is resumed with the
 * result. */
void store__names_sync(struct store *store, struct store_job *job)
{
    list_push_back(&store->names_wanted, &job->wait_link);
    if (list_empty(&store->names_flushing) && !store->names_busy) {
        store->names_busy = true;
        store__job_start(store__job_new(store, NULL, NULL, names_run));
    }
}

static void names_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);
    struct store     *store = job->store;

    TASK_BEGIN(task);
    TASK_AWAIT(task, io_post(store->io, &task->op, store__task_op_done)); /* more may come in this turn */
    while (!list_empty(&store->names_wanted)) {
        list_splice_back(&store->names_flushing, &store->names_wanted);
        TASK_AWAIT(task, io_file_sync_directory(store->io, &task->file, store->directory, store__task_file_done));
        while (!list_empty(&store->names_flushing)) {
            struct store_job *waiting = LIST_ENTRY(list_pop_front(&store->names_flushing), struct store_job, wait_link);

            waiting->task.result = task->result;
            store__task_resume(&waiting->task);
        }
    }
    store->names_busy = false;
    store__job_end(job);
    return;
    TASK_END;
}
