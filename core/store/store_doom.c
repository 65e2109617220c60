/* store_doom.c: files and directories on their way out.
 *
 * A deleted topic's directory is renamed to ~<random> before the deletion is answered, so that the name is free
 * (store_log.c); a segment that retention took keeps its name, since its number is never used again. Both are removed
 * after file.delete.delay.ms, or at the next start. What still can be of use then becomes a spare file instead
 * (store_recycle.c), unless somebody reads it. */
#include "core/store/store_recycle.h"

#include <stdio.h>

/* store_job must be the first member: jobs are freed through it. */
struct store_doomed {
    struct list_node      link;
    struct timer          timer;
    struct store         *store;
    char                 *path;      /* of the directory or segment */
    char                 *directory; /* a segment's, to be synced; NULL for a directory */
    struct store_segment *segment;   /* while it has users */
    bool                  running;
};

struct doomed_name {
    struct list_node link;
    char             name[];
};

struct doom_job {
    struct store_job     job;
    struct store_doomed *doomed;
    struct list_node     names;
};

static void doom_due(struct timer *timer);
static void doom_remove_run(struct store_task *task);

static struct store_doomed *doom_add(struct store *store, char *path, char *directory, int64_t delay_ms)
{
    struct store_doomed *doomed = mem_alloc(MEM_STORE, sizeof(*doomed));

    doomed->store = store;
    doomed->path = path;
    doomed->directory = directory;
    list_push_back(&store->doomed, &doomed->link);
    delay_ms = MIN(MAX(delay_ms, 0), INT64_MAX / (4 * NS_PER_MS));
    timer_arm(store->shard->timers, &doomed->timer, io_now_ns(store->io) + delay_ms * NS_PER_MS, doom_due);
    return doomed;
}

void store__doom_unused(struct store_doomed *doomed)
{
    if (doomed != NULL) {
        doomed->segment = NULL;
    }
}

static void doom_free(struct store_doomed *doomed)
{
    if (doomed->segment != NULL) {
        doomed->segment->doomed = NULL;
    }
    timer_disarm(doomed->store->shard->timers, &doomed->timer);
    list_remove(&doomed->link);
    mem_free(MEM_STORE, doomed->path);
    mem_free(MEM_STORE, doomed->directory);
    mem_free(MEM_STORE, doomed);
}

void store__doom_forget(struct store *store)
{
    LIST_EACH(&store->doomed, node) {
        doom_free(LIST_ENTRY(node, struct store_doomed, link));
    }
}

/* At a clean stop nothing is left to wait for. */
void store__doom_run(struct store *store)
{
    LIST_EACH(&store->doomed, node) {
        struct store_doomed *doomed = LIST_ENTRY(node, struct store_doomed, link);

        if (!doomed->running) {
            timer_disarm(store->shard->timers, &doomed->timer);
            doom_due(&doomed->timer);
        }
    }
}

/* A log's directory is about to be renamed, and its name may come back with other files of the same names in it: its
 * segments go with it. True: some are being removed at the moment. */
bool store__doom_leave(struct store *store, const char *directory)
{
    bool busy = false;

    LIST_EACH(&store->doomed, node) {
        struct store_doomed *doomed = LIST_ENTRY(node, struct store_doomed, link);

        if (doomed->directory == NULL || strcmp(doomed->directory, directory) != 0) {
            continue;
        }
        if (doomed->running) {
            busy = true;
        } else {
            doom_free(doomed);
        }
    }
    return busy;
}

/* --- directories ------------------------------------------------------------------------------------------------- */

/* A name that no log has, for a directory about to be removed. */
char *store__doomed_path(struct store *store)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%c%016" PRIx64, STORE_DOOMED_MARK, io_random_u64(store->io));
    return store__path(store->directory, name);
}

void store__doom_path(struct store *store, char *path, int64_t delay_ms)
{
    MAYBE(doom_add(store, path, NULL, delay_ms) != NULL);
}

void store__doom_directory(struct store *store, const char *name, int64_t delay_ms)
{
    CHECK(name[0] == STORE_DOOMED_MARK);
    MAYBE(doom_add(store, store__path(store->directory, name), NULL, delay_ms) != NULL);
}

/* --- segments ---------------------------------------------------------------------------------------------------- */

void store__doom_segment(struct store_segment *segment, int64_t delay_ms)
{
    struct store_log *log = segment->log;

    if (segment->exists) {
        segment->doomed = doom_add(log->store, store__segment_path(log, segment->header.number, ".seg"),
                                   mem_copy_text(MEM_STORE, view_text(log->path)), delay_ms);
        segment->doomed->segment = segment;
    }
    segment->doomed_path = store__segment_path(log, segment->header.number, ".seg");
    for (uint32_t i = 0; i < log->frame_count; i++) { /* cached frames outlive their file */
        log->frames[i]->segment = log->frames[i]->segment == segment ? NULL : log->frames[i]->segment;
    }
    segment->log = NULL;
    if (segment->users == 0 && !segment->opening) {
        if (io_handle_valid(segment->handle)) {
            store__segment_close_handle(segment); /* frees it */
        } else {
            store__segment_free(segment);
        }
    }
}

/* --- removal ----------------------------------------------------------------------------------------------------- */

static bool doom_list(void *context, const char *name, bool is_directory)
{
    struct doom_job    *doom = context;
    struct doomed_name *entry = mem_alloc(MEM_STORE, sizeof(*entry) + strlen(name) + 1);

    (void)is_directory;
    memcpy(entry->name, name, strlen(name) + 1);
    list_init(&entry->link);
    list_push_back(&doom->names, &entry->link);
    return true;
}

static void doom_abandon(struct store_job *job)
{
    struct doom_job *doom = CONTAINER_OF(job, struct doom_job, job);

    while (!list_empty(&doom->names)) {
        mem_free(MEM_STORE, LIST_ENTRY(list_pop_front(&doom->names), struct doomed_name, link));
    }
}

static void doom_due(struct timer *timer)
{
    struct store_doomed *doomed = CONTAINER_OF(timer, struct store_doomed, timer);
    struct doom_job     *doom = mem_alloc(MEM_STORE, sizeof(*doom));

    doomed->running = true;
    doom->doomed = doomed;
    store__job_init(&doom->job, doomed->store, NULL, NULL, doom_remove_run);
    doom->job.abandon = doom_abandon;
    list_init(&doom->names);
    if (doomed->directory == NULL) {
        MAYBE(io_list(doomed->store->io, doomed->path, doom_list, doom) < 0); /* then it is not removed this time */
    }
    store__job_start(&doom->job);
}

/* The index and snapshot beside a segment: <number>.seg -> <number>.idx */
static void doom_suffix(char *path, const char *suffix)
{
    memcpy(path + strlen(path) - 4, suffix, 4);
}

/* job->path is a segment's file that nobody uses. */
static bool doom_recycles(const struct store_job *job)
{
    const struct doom_job *doom = CONTAINER_OF(job, struct doom_job, job);
    size_t                 len = strlen(job->path);

    return job->store->options.recycle_bytes > 0 && doom->doomed->segment == NULL && len > 4 &&
           strcmp(job->path + len - 4, ".seg") == 0;
}

static void doom_remove_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);
    struct doom_job  *doom = CONTAINER_OF(job, struct doom_job, job);
    struct store     *store = job->store;

    TASK_BEGIN(task);
    while (!list_empty(&doom->names)) {
        struct doomed_name *entry = LIST_ENTRY(list_pop_front(&doom->names), struct doomed_name, link);

        mem_free(MEM_STORE, job->path);
        job->path = store__path(doom->doomed->path, entry->name);
        mem_free(MEM_STORE, entry);
        if (doom_recycles(job)) {
            TASK_AWAIT(task, store__recycle_offer(store, job));
        } else {
            TASK_AWAIT(task, io_unlink(store->io, &task->op, job->path, false, store__task_op_done));
        }
    }
    mem_free(MEM_STORE, job->path);
    job->path = mem_copy_text(MEM_STORE, view_text(doom->doomed->path));
    if (doom_recycles(job)) {
        TASK_AWAIT(task, store__recycle_offer(store, job));
    } else {
        TASK_AWAIT(task,
                   io_unlink(store->io, &task->op, job->path, doom->doomed->directory == NULL, store__task_op_done));
    }
    if (doom->doomed->directory != NULL) {
        doom_suffix(doom->doomed->path, ".idx");
        TASK_AWAIT(task, io_unlink(store->io, &task->op, doom->doomed->path, false, store__task_op_done));
        doom_suffix(doom->doomed->path, ".snp");
        TASK_AWAIT(task, io_unlink(store->io, &task->op, doom->doomed->path, false, store__task_op_done));
    }
    doom_free(doom->doomed);
    store__job_end(job);
    return;
    TASK_END;
}
