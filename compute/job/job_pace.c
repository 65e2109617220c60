/* Turns of workers, and the lanes of their reads and writes. See job_pace.h. */
#include "compute/job/job_pace.h"

static void rest_over(struct timer *timer);

void job__pace_init(struct job_pace *pace, struct io_shard *shard, const struct part_table *parts)
{
    *pace = (struct job_pace){.shard = shard, .parts = parts, .urgent_ns = INT64_MIN};
    list_init(&pace->workers);
    for (int i = 0; i < PACE_LANES; i++) {
        list_init(&pace->queues[i].waiting);
    }
}

void job__pace_deinit(struct job_pace *pace)
{
    CHECK(list_empty(&pace->workers) && io_op_idle(&pace->turn));
    for (int i = 0; i < PACE_LANES; i++) {
        CHECK(list_empty(&pace->queues[i].waiting) && pace->queues[i].count == 0);
    }
    if (pace->shard != NULL) {
        timer_disarm(pace->shard->timers, &pace->rest);
    }
}

/* --- turns ----------------------------------------------------------------------------------------------------------
 */

static struct job_pace_worker *worker_next(const struct job_pace *pace)
{
    struct job_pace_worker *next = NULL;

    LIST_EACH(&pace->workers, node) {
        struct job_pace_worker *worker = LIST_ENTRY(node, struct job_pace_worker, link);

        if (next == NULL || worker->used_ns < next->used_ns) {
            next = worker;
        }
    }
    return next;
}

static void pace_turn(struct io_op *op)
{
    struct job_pace        *pace = CONTAINER_OF(op, struct job_pace, turn);
    struct job_pace_worker *worker = worker_next(pace);

    list_remove(&worker->link);
    pace->least_ns = MAX(pace->least_ns, worker->used_ns);
    if (!list_empty(&pace->workers)) { /* before the turn: it may end the worker, and all of its run */
        io_post_idle(pace->shard->io, &pace->turn, pace_turn);
    }
    worker->turn(worker);
}

void job__pace_wake(struct job_pace *pace, struct job_pace_worker *worker)
{
    CHECK(!list_linked(&worker->link));
    list_init(&worker->link);
    worker->used_ns = MAX(worker->used_ns, pace->least_ns - PACE_CATCH_UP_NS);
    list_push_back(&pace->workers, &worker->link);
    if (io_op_idle(&pace->turn)) {
        io_post_idle(pace->shard->io, &pace->turn, pace_turn);
    }
}

void job__pace_used(struct job_pace *pace UNUSED, struct job_pace_worker *worker, int64_t used_ns)
{
    worker->used_ns += used_ns;
}

/* --- clients --------------------------------------------------------------------------------------------------------
 */

bool job__pace_urgent(struct job_pace *pace)
{
    struct part_urgent urgent = part_table_urgent(pace->parts);
    int64_t            now_ns = io_now_ns(pace->shard->io);

    if (urgent.count != pace->urgent_count || urgent.under_way > 0) {
        pace->urgent_count = urgent.count;
        pace->urgent_ns = now_ns;
    }
    return pace->urgent_ns != INT64_MIN && now_ns - pace->urgent_ns < PACE_URGENT_NS;
}

/* --- lanes ----------------------------------------------------------------------------------------------------------
 */

/* May the next one of the lane begin now? */
static bool lane_takes(struct job_pace *pace, enum job_pace_lane lane)
{
    struct job_pace_queue *queue = &pace->queues[lane];
    int64_t                now_ns = io_now_ns(pace->shard->io); /* stands still for a turn of the loop */

    if (!job__pace_urgent(pace)) {
        return true;
    }
    if (queue->count > 0) {
        return lane == PACE_WRITES && queue->group_ns == now_ns && queue->group_bytes < PACE_GROUP_BYTES;
    }
    if (lane == PACE_WRITES && now_ns < pace->rest_until_ns) {
        timer_arm(pace->shard->timers, &pace->rest, pace->rest_until_ns, rest_over);
        return false;
    }
    queue->group_bytes = 0;
    return true;
}

static void io_go(struct job_pace *pace, struct job_pace_queue *queue, struct job_pace_io *io)
{
    if (queue->count == 0) {
        queue->group_ns = io_now_ns(pace->shard->io);
    }
    queue->count++;
    queue->group_bytes += io->bytes;
    io->under_way = true;
    io->go(io);
}

/* As much as may go together. go() may end what it begins at once, and come back here: the loop goes on with it. */
static void lane_pump(struct job_pace *pace, enum job_pace_lane lane)
{
    struct job_pace_queue *queue = &pace->queues[lane];

    if (queue->pumping) {
        return;
    }
    queue->pumping = true;
    while (!list_empty(&queue->waiting) && lane_takes(pace, lane)) {
        io_go(pace, queue, LIST_ENTRY(list_pop_front(&queue->waiting), struct job_pace_io, link));
    }
    queue->pumping = false;
}

static void rest_over(struct timer *timer)
{
    lane_pump(CONTAINER_OF(timer, struct job_pace, rest), PACE_WRITES);
}

void job__pace_enter(struct job_pace *pace, enum job_pace_lane lane, struct job_pace_io *io)
{
    struct job_pace_queue *queue = &pace->queues[lane];

    list_init(&io->link);
    io->under_way = false;
    list_push_back(&queue->waiting, &io->link);
    lane_pump(pace, lane);
}

void job__pace_leave(struct job_pace *pace, enum job_pace_lane lane, struct job_pace_io *io)
{
    struct job_pace_queue *queue = &pace->queues[lane];
    int64_t                now_ns = io_now_ns(pace->shard->io);

    CHECK(io->under_way && queue->count > 0);
    io->under_way = false;
    queue->count--;
    if (lane == PACE_WRITES && queue->count == 0) {
        pace->rest_until_ns = now_ns + MIN(now_ns - queue->group_ns, PACE_REST_MAX_NS);
    }
    lane_pump(pace, lane);
}

bool job__pace_forget(struct job_pace_io *io)
{
    if (io->under_way || !list_linked(&io->link)) {
        return false;
    }
    list_remove(&io->link);
    return true;
}
