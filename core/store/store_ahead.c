/* store_ahead.c: readers of what is on the disk, their windows, and who is forgotten when. See store_ahead.h. */
#include "core/store/store_ahead.h"

#define AHEAD_REGION_SHARE 3 /* of the memory that is registered with the kernel: a third may be read ahead */

/* A read of its own: it goes on when the reader is forgotten, and frees its buffer then. */
struct store_window_job {
    struct store_job     job;
    struct store_window *window; /* NULL: forgotten */
};

static void window_run(struct store_task *task);
static void ahead_idle(struct timer *timer);

/* --- windows ----------------------------------------------------------------------------------------------------- */

static void window_free(struct store_window *window)
{
    struct store *store = window->ahead->log->store;

    list_remove(&window->link);
    store->ahead_bytes -= window->asked;
    if (window->job != NULL) {
        window->job->window = NULL;
    }
    buf_unref(window->buf);
    mem_free(MEM_STORE, window);
}

static void windows_free(struct store_ahead *ahead)
{
    LIST_EACH(&ahead->windows, node) {
        window_free(LIST_ENTRY(node, struct store_window, link));
    }
    ahead->verified = 0;
}

static void window_abandon(struct store_job *job)
{
    struct store_window *window = CONTAINER_OF(job, struct store_window_job, job)->window;

    if (window != NULL) {
        window->job = NULL;
    }
}

/* False: no memory. */
static bool window_start(struct store_ahead *ahead, struct store_segment *segment, uint64_t from, uint64_t to,
                         bool whole)
{
    struct store            *store = ahead->log->store;
    struct buf              *buf = store__buf_for_read(store, (size_t)(to - from));
    struct store_window     *window;
    struct store_window_job *job;

    if (buf == NULL) {
        return false;
    }
    window = mem_alloc(MEM_STORE, sizeof(*window));
    job = mem_alloc(MEM_STORE, sizeof(*job));
    store__job_init(&job->job, store, ahead->log, segment, window_run);
    job->job.abandon = window_abandon;
    job->job.buf = buf;
    job->window = window;
    window->ahead = ahead;
    window->job = job;
    window->position = from;
    window->asked = (size_t)(to - from);
    window->whole = whole;
    job->job.offset = (int64_t)from;
    job->job.len = window->asked;
    list_init(&window->link);
    list_push_back(&ahead->windows, &window->link);
    store->ahead_bytes += window->asked;
    store__job_start(&job->job);
    return true;
}

static void window_run(struct store_task *task)
{
    struct store_job        *job = CONTAINER_OF(task, struct store_job, task);
    struct store_window_job *mine = CONTAINER_OF(job, struct store_window_job, job);
    struct store_window     *window;
    struct store_task       *waiter = NULL;

    TASK_BEGIN(task);
    if (!store__job_hold(job)) {
        TASK_AWAIT(task, (void)0);
    }
    if (task->result >= 0 && mine->window != NULL) {
        job->store->stats.read_disk_bytes += job->len;
        TASK_AWAIT(task,
                   io_file_read_full(job->store->io, &task->file, job->segment->handle,
                                     span_of(job->buf->data, job->len), (uint64_t)job->offset, store__task_file_done));
    }
    window = mine->window;
    if (window != NULL) {
        window->job = NULL;
        window->result = MIN(task->result, 0);
        window->len = (size_t)MAX(task->result, 0);
        window->buf = job->buf;
        job->buf = NULL;
        if (list_first(&window->ahead->windows) == &window->link) {
            waiter = window->ahead->waiter;
            window->ahead->waiter = NULL;
        }
    }
    store__job_end(job);
    if (waiter != NULL) {
        store__task_resume(waiter);
    }
    return;
    TASK_END;
}

uint64_t store__ahead_written(const struct store_log *log, const struct store_segment *segment)
{
    for (uint32_t i = 0; i < log->frame_count; i++) {
        if (log->frames[i]->segment == segment) {
            return MIN(log->frames[i]->header.position, segment->end_position);
        }
        if (log->frames[i]->segment != NULL) { /* a later one's */
            break;
        }
    }
    return segment->end_position;
}

/* Where a window of about `bytes` ends: *out_whole: between two frames. */
static uint64_t window_end(const struct store_ahead *ahead, const struct store_segment *segment, uint64_t from,
                           size_t bytes, bool *out_whole)
{
    uint64_t end = store__ahead_written(ahead->log, segment);
    uint64_t found;

    *out_whole = true;
    if (end <= from + bytes) {
        return end;
    }
    if (segment->index != NULL && store_index_find_position(segment->index, from, from + bytes, &found) &&
        found - from <= BUF_BYTES_MAX) {
        return MIN(found, end);
    }
    *out_whole = false;
    return from + bytes;
}

struct store_window *store__ahead_window(struct store_ahead *ahead)
{
    struct list_node *node;

    while ((node = list_first(&ahead->windows)) != NULL) {
        struct store_window *window = LIST_ENTRY(node, struct store_window, link);

        if (ahead->position < window->position) { /* a frame that goes on from one window to the next: another try */
            windows_free(ahead);
            break;
        }
        if (ahead->position < window->position + window->asked) {
            return window;
        }
        window_free(window);
    }
    return NULL;
}

bool store__ahead_demand(struct store_ahead *ahead, struct store_segment *segment)
{
    bool     whole;
    uint64_t end;

    if (store__ahead_window(ahead) != NULL) {
        return true;
    }
    end = window_end(ahead, segment, ahead->position, ahead->window_bytes, &whole);
    CHECK(end > ahead->position);
    return window_start(ahead, segment, ahead->position, end, whole);
}

/* --- ahead ------------------------------------------------------------------------------------------------------- */

/* More windows behind those there are. */
static void ahead_more(struct store_ahead *ahead)
{
    struct store_log     *log = ahead->log;
    struct store         *store = log->store;
    struct store_segment *segment = store__segment_of(log, ahead->offset);
    uint64_t              from = ahead->position;
    uint32_t              count = 0;
    bool                  whole = true;
    uint64_t              end;

    if (segment == NULL || segment->header.segment_id != ahead->segment_id) {
        return;
    }
    LIST_EACH(&ahead->windows, node) {
        const struct store_window *window = LIST_ENTRY(node, struct store_window, link);

        from = window->position + window->asked;
        count += window->position >= ahead->position; /* one that is begun does not count */
        whole = window->whole;
    }
    end = store__ahead_written(log, segment);
    while (count < ahead->depth && from < end && whole &&
           store->ahead_bytes + STORE_WINDOW_BYTES <= store->ahead_bytes_max) {
        uint64_t to = window_end(ahead, segment, from, STORE_WINDOW_BYTES, &whole);

        if (!whole || !window_start(ahead, segment, from, to, true)) { /* half a frame would be read twice */
            return;
        }
        from = to;
        count++;
    }
}

void store__ahead_begin(struct store_ahead *ahead, size_t bytes_max)
{
    ahead->busy = true;
    ahead->window_bytes = (size_t)align_up(MIN(MAX(bytes_max, STORE_WINDOW_BYTES_MIN), STORE_WINDOW_BYTES),
                                           ahead->log->store->block_bytes);
}

void store__ahead_end(struct store_ahead *ahead, int64_t offset, bool waited)
{
    struct store_log *log = ahead->log;
    struct store     *store = log->store;
    bool              goes_on = ahead->reads > 0 && offset > ahead->offset;

    ahead->busy = false;
    ahead->reads++;
    ahead->offset = offset;
    ahead->used_ns = io_now_ns(store->io);
    list_remove(&ahead->link);
    list_push_back(&store->aheads, &ahead->link);
    MAYBE(store__ahead_window(ahead)); /* what is used up goes */
    LIST_EACH(&store->aheads, node) {  /* too much in all: what was left of a window longest ago goes */
        struct store_ahead *oldest = LIST_ENTRY(node, struct store_ahead, link);

        if (store->ahead_bytes <= store->ahead_bytes_max || oldest == ahead) {
            break;
        }
        if (!oldest->busy) {
            store__ahead_free(oldest);
        }
    }
    if (goes_on) {
        if (waited || ahead->depth == 0) {
            ahead->depth = MIN(MAX(ahead->depth * 2, 2U), (uint32_t)STORE_AHEAD_DEPTH_MAX);
        }
        ahead_more(ahead);
    }
    if (offset >= (log->frame_count > 0 ? log->frames[0]->header.first_offset : log->durable_end)) {
        store__ahead_free(ahead); /* it goes on in memory */
    }
}

void store__ahead_seek(struct store_ahead *ahead, const struct store_segment *segment, uint64_t position)
{
    windows_free(ahead);
    ahead->segment_id = segment->header.segment_id;
    ahead->position = position;
}

void store__ahead_again(struct store_ahead *ahead, size_t bytes)
{
    windows_free(ahead);
    ahead->window_bytes = MAX(ahead->window_bytes, bytes);
}

/* --- readers ----------------------------------------------------------------------------------------------------- */

struct store_ahead *store__ahead_find(const struct store_log *log, int64_t offset)
{
    LIST_EACH(&log->store->aheads, node) {
        struct store_ahead *ahead = LIST_ENTRY(node, struct store_ahead, link);

        if (ahead->log == log && ahead->offset == offset && !ahead->busy) {
            return ahead;
        }
    }
    return NULL;
}

/* The one that was used longest ago, if nothing works with it. False: there is none. */
bool store__ahead_drop_oldest(struct store *store)
{
    LIST_EACH(&store->aheads, node) {
        struct store_ahead *ahead = LIST_ENTRY(node, struct store_ahead, link);

        if (!ahead->busy) {
            store__ahead_free(ahead);
            return true;
        }
    }
    return false;
}

struct store_ahead *store__ahead_new(struct store_log *log, int64_t offset)
{
    struct store       *store = log->store;
    struct store_ahead *ahead = mem_alloc(MEM_STORE, sizeof(*ahead));

    if (store->ahead_bytes_max == 0) {
        store->ahead_bytes_max = buf_pool_region(store->shard->bufs).len / AHEAD_REGION_SHARE;
    }
    if (store->ahead_count >= STORE_AHEADS_MAX) {
        MAYBE(store__ahead_drop_oldest(store));
    }
    ahead->log = log;
    ahead->offset = offset;
    list_init(&ahead->windows);
    list_init(&ahead->link);
    list_push_back(&store->aheads, &ahead->link);
    store->ahead_count++;
    if (!timer_armed(&store->ahead_timer)) {
        timer_arm(store->shard->timers, &store->ahead_timer, io_now_ns(store->io) + STORE_AHEAD_IDLE_NS, ahead_idle);
    }
    return ahead;
}

void store__ahead_free(struct store_ahead *ahead)
{
    struct store *store = ahead->log->store;

    windows_free(ahead);
    list_remove(&ahead->link);
    store->ahead_count--;
    mem_free(MEM_STORE, ahead);
    if (store->ahead_count == 0) {
        timer_disarm(store->shard->timers, &store->ahead_timer);
    }
}

void store__ahead_forget(struct store_log *log)
{
    LIST_EACH(&log->store->aheads, node) {
        struct store_ahead *ahead = LIST_ENTRY(node, struct store_ahead, link);

        if (ahead->log == log) {
            store__ahead_free(ahead);
        }
    }
}

void store__ahead_stale(struct store_log *log)
{
    LIST_EACH(&log->store->aheads, node) {
        struct store_ahead *ahead = LIST_ENTRY(node, struct store_ahead, link);

        if (ahead->log == log && ahead->busy) {
            ahead->segment_id = 0; /* its read looks for its place again, which forgets the windows */
        } else if (ahead->log == log) {
            store__ahead_free(ahead);
        }
    }
}

static void ahead_idle(struct timer *timer)
{
    struct store *store = CONTAINER_OF(timer, struct store, ahead_timer);
    int64_t       now_ns = io_now_ns(store->io);

    LIST_EACH(&store->aheads, node) {
        struct store_ahead *ahead = LIST_ENTRY(node, struct store_ahead, link);

        if (!ahead->busy && now_ns - ahead->used_ns >= STORE_AHEAD_IDLE_NS) {
            store__ahead_free(ahead);
        }
    }
    if (store->ahead_count > 0) {
        timer_arm(store->shard->timers, timer, now_ns + STORE_AHEAD_IDLE_NS, ahead_idle);
    }
}
