/* The ring and its loop.
 *
 * Invariants. 1. An op in flight is in exactly one place (enum uring_place). 2. sqes_in_flight counts submission
 * entries whose last completion entry has not been reaped. 3. Order of submission is order of calls: while `queued` is
 * not empty, nothing new goes into the submission queue before it. A cancel therefore never overtakes its target, nor
 * hits a later use of the same op. */
#define _GNU_SOURCE 1

#include "io/uring/uring_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define URING_QUIESCE_PAUSE_NS (20 * NS_PER_MS)
#define URING_SIGSET_BYTES     8 /* the kernel's sigset_t */
/* Under load, so soon after falling asleep one completion alone does not wake us: several then come for the price of
 * one wake-up. Who has slept longer wakes at the first. "So soon" is a small part of what a durable write takes here,
 * so that answers are hardly later for it; load is several completions a sleep, which a client that waits for each of
 * its answers does not cause. */
#define URING_MIN_WAIT_COUNT   16
#define URING_MIN_WAIT_NS_MIN  (20 * NS_PER_US)
#define URING_MIN_WAIT_NS_MAX  (100 * NS_PER_US)
#define URING_MIN_WAIT_PART    8 /* of a durable write's time */
#define URING_LOAD_COMPLETIONS 4 /* a sleep */
#define URING_AVERAGE_OVER     8
#define URING_ATTENTION        (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW) /* the kernel wants to be entered */

static const char *const uring_feature_names[] = {
    "single_issuer",    "defer_taskrun", "coop_taskrun", "ring_fd",  "buffer_ring", "recv_multishot",
    "accept_multishot", "fixed_buffers", "dsync",        "sendfile", "dio_statx",   "min_wait",
};

int64_t uring__clock_ns(int clock)
{
    struct timespec time = {0};

    CHECK(clock_gettime(clock, &time) == 0);
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* --- submitting --------------------------------------------------------------------------------------------------- */

static bool uring_try_prep(struct uring *uring, struct io_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    if (sqe == NULL) {
        return false;
    }
    uring__kinds[op->kind].prep(uring, op, sqe);
    io_uring_sqe_set_data(sqe, op);
    uring__set_place(op, URING_KERNEL);
    uring->sqes_in_flight++;
    return true;
}

void uring__start(struct uring *uring, struct io_op *op)
{
    if (list_empty(&uring->queued) && uring_try_prep(uring, op)) {
        return;
    }
    uring__set_place(op, URING_QUEUED);
    list_push_back(&uring->queued, &op->link);
}

void uring__post(struct uring *uring, struct io_op *op)
{
    uring__set_place(op, URING_POSTED);
    list_push_back(&uring->posted, &op->link);
}

void uring__finish_later(struct uring *uring, struct io_op *op, int32_t result)
{
    op->result = result;
    uring__set_place(op, URING_FINISHED);
    list_push_back(&uring->posted, &op->link);
}

static void uring_submit(struct io *io, struct io_op *op)
{
    struct uring            *uring = uring__of(io);
    const struct uring_kind *kind = &uring__kinds[op->kind];

    memset(op->token_, 0, sizeof(op->token_));
    if (op->kind == IO_SEND_FILE) {
        uring__handle(uring, op->send_file.file)->ops_in_flight++;
    }
    if (io_handle_valid(op->handle) && op->kind != IO_CLOSE) {
        struct uring_handle *handle = uring__handle(uring, op->handle);

        handle->ops_in_flight++;
        if (handle->closing) {
            uring__finish_later(uring, op, ERR_CLOSED);
            return;
        }
    }
    if (kind->begin != NULL) {
        kind->begin(uring, op);
    } else {
        uring__start(uring, op);
    }
}

void uring__finish(struct uring *uring, struct io_op *op, int32_t result)
{
    struct io_handle handle = op->kind == IO_CLOSE ? IO_HANDLE_NONE : op->handle;
    struct io_handle file = op->kind == IO_SEND_FILE ? op->send_file.file : IO_HANDLE_NONE;

    uring->callbacks++;
    uring__handle_op_leaves(uring, handle);
    uring__handle_op_leaves(uring, file);
    io__callback(&uring->io, op, result, false);
    uring__handle_op_left(uring, handle);
    uring__handle_op_left(uring, file);
}

void uring__callback_more(struct uring *uring, struct io_op *op, int32_t result)
{
    uring->callbacks++;
    io__callback(&uring->io, op, result, true);
}

void uring__restart(struct uring *uring, struct io_op *op)
{
    if (op->cancel_requested) {
        uring__finish(uring, op, ERR_CANCELED);
    } else if (uring__handle(uring, op->handle)->closing) {
        uring__finish(uring, op, ERR_CLOSED);
    } else {
        uring__start(uring, op);
    }
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static int uring_enable(struct uring *uring)
{
    /* By number: the wrapper is declared by liburing 2.3 but missing from its shared library. */
    int result = io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

    if (result < 0) {
        return err_from_errno(-result);
    }
    uring->enabled = true;
    if (uring__has(uring, URING_RING_FD)) {
        uring->ring_fd_registered = io_uring_register_ring_fd(&uring->ring) == 1;
        if (!uring->ring_fd_registered) {
            uring->features &= ~(uint32_t)URING_RING_FD;
        }
    }
    return 0;
}

static void uring_arm_wake(struct uring *uring)
{
    struct io_uring_sqe *sqe;

    if (uring->wake_armed) {
        return;
    }
    sqe = io_uring_get_sqe(&uring->ring);
    if (sqe == NULL) {
        return;
    }
    io_uring_prep_read(sqe, uring->event_fd, &uring->wake_value, sizeof(uring->wake_value), 0);
    io_uring_sqe_set_data64(sqe, URING_TAG_WAKE);
    uring->sqes_in_flight++;
    uring->wake_armed = true;
}

static void uring_wake(struct io *io)
{
    struct uring *uring = uring__of(io);
    uint64_t      one = 1;

    if (__atomic_exchange_n(&uring->wake_pending, 1, __ATOMIC_SEQ_CST) == 0) {
        CHECK(write(uring->event_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    }
}

/* Publishes prepared entries to the kernel's view of the queue; returns how many it has not consumed. */
static uint32_t uring_flush_sq(struct uring *uring)
{
    struct io_uring_sq *sq = &uring->ring.sq;
    uint32_t            tail = *sq->ktail;

    while (sq->sqe_head != sq->sqe_tail) {
        sq->array[tail & sq->ring_mask] = sq->sqe_head & sq->ring_mask;
        sq->sqe_head++;
        tail++;
    }
    __atomic_store_n(sq->ktail, tail, __ATOMIC_RELEASE);
    return tail - __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE);
}

static uint32_t uring_kernel_flags(const struct uring *uring)
{
    return __atomic_load_n(uring->ring.sq.kflags, __ATOMIC_ACQUIRE);
}

static uint32_t uring_cq_ready(const struct uring *uring)
{
    return __atomic_load_n(uring->ring.cq.ktail, __ATOMIC_ACQUIRE) - *uring->ring.cq.khead;
}

static int64_t uring_average(int64_t average, int64_t value)
{
    return average + (value - average) / URING_AVERAGE_OVER;
}

/* Before a sleep: for how long it takes more than one completion to end it; 0: the first does. */
static int64_t uring_min_wait_ns(struct uring *uring)
{
    uint64_t completions = MIN(uring->reaped - uring->reaped_before_sleep, URING_MIN_WAIT_COUNT);

    uring->reaped_before_sleep = uring->reaped;
    uring->milli_completions_a_sleep = uring_average(uring->milli_completions_a_sleep, (int64_t)completions * 1000);
    if (!uring__has(uring, URING_MIN_WAIT) || uring->milli_completions_a_sleep < URING_LOAD_COMPLETIONS * 1000) {
        return 0;
    }
    return MIN(MAX(uring->durable_write_ns / URING_MIN_WAIT_PART, URING_MIN_WAIT_NS_MIN), URING_MIN_WAIT_NS_MAX);
}

void uring__durable_write_took(struct uring *uring, int64_t took_ns)
{
    uring->durable_write_ns = uring_average(uring->durable_write_ns, took_ns);
}

/* 0, or a negative errno that ends the ring. */
static int uring_enter(struct uring *uring, uint32_t submit_count, bool wait, int64_t deadline_ns)
{
    struct __kernel_timespec      timeout = {0};
    struct io_uring_getevents_arg argument = {.sigmask_sz = URING_SIGSET_BYTES};
    unsigned                      flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    int64_t                       left_ns = INT64_MAX;
    unsigned                      wait_count = wait ? 1 : 0;
    int                           result;

    if (wait && deadline_ns != INT64_MAX) {
        left_ns = MAX(deadline_ns - uring->now_ns, 0);
        timeout.tv_sec = left_ns / NS_PER_S;
        timeout.tv_nsec = left_ns % NS_PER_S;
        argument.ts = (uint64_t)(uintptr_t)&timeout;
    }
    if (wait) {
        int64_t min_wait_ns = uring_min_wait_ns(uring);

        if (min_wait_ns > 0 && left_ns > 2 * min_wait_ns) {
            argument.pad = (uint32_t)(min_wait_ns / NS_PER_US); /* min_wait_usec since Linux 6.12 */
            wait_count = URING_MIN_WAIT_COUNT;
        }
    }
    if (uring->ring_fd_registered) {
        flags |= IORING_ENTER_REGISTERED_RING;
    }
    result = io_uring_enter2((unsigned)uring->ring.enter_ring_fd, submit_count, wait_count, flags,
                             (sigset_t *)(void *)&argument, sizeof(argument));
    /* EAGAIN and EBUSY: short of memory or of completion room; what is there is reaped first, the rest submitted next
     * time. */
    if (result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY) {
        return 0;
    }
    return result;
}

static void uring_drain_queued(struct uring *uring)
{
    while (!list_empty(&uring->queued)) {
        struct io_op *op = LIST_ENTRY(list_first(&uring->queued), struct io_op, link);

        list_remove(&op->link);
        if (!uring_try_prep(uring, op)) {
            list_push_front(&uring->queued, &op->link);
            return;
        }
    }
}

/* Submits what is prepared and, if `may_wait` and nothing is ready, sleeps. */
static int uring_submit_and_wait(struct uring *uring, bool may_wait, int64_t deadline_ns)
{
    uint32_t submit_count;
    bool     wait;
    int      result;

    uring_drain_queued(uring);
    uring_arm_wake(uring);
    submit_count = uring_flush_sq(uring);
    while (!list_empty(&uring->queued)) {
        result = uring_enter(uring, submit_count, false, 0);
        if (result < 0 || uring_flush_sq(uring) == submit_count) {
            return result;
        }
        uring_drain_queued(uring);
        submit_count = uring_flush_sq(uring);
        may_wait = may_wait && uring_cq_ready(uring) == 0;
    }
    wait = may_wait && uring_cq_ready(uring) == 0 && deadline_ns > uring->now_ns;
    if (!wait && submit_count == 0 && (uring_kernel_flags(uring) & URING_ATTENTION) == 0) {
        return 0;
    }
    result = uring_enter(uring, submit_count, wait, deadline_ns);
    if (wait) {
        uring->now_ns = uring__clock_ns(CLOCK_MONOTONIC);
    }
    return result;
}

static void uring_complete(struct uring *uring, const struct io_uring_cqe *cqe)
{
    struct io_op *op;

    uring->reaped++;
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        CHECK(uring->sqes_in_flight > 0);
        uring->sqes_in_flight--;
    }
    if (cqe->user_data == URING_TAG_WAKE) {
        uring->wake_armed = false;
        __atomic_store_n(&uring->wake_pending, 0, __ATOMIC_SEQ_CST);
        return;
    }
    if (cqe->user_data == URING_TAG_NONE) {
        return;
    }
    op = (struct io_op *)(uintptr_t)cqe->user_data;
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        uring__set_place(op, URING_RUNNING);
    }
    uring__kinds[op->kind].complete(uring, op, cqe->res, cqe->flags);
}

/* Only what is there on entry: callbacks that cause completions at once do not keep the loop here for ever. */
static void uring_reap(struct uring *uring)
{
    struct io_uring_cq *cq = &uring->ring.cq;
    uint32_t            budget = uring_cq_ready(uring);

    while (budget-- > 0 && uring_cq_ready(uring) > 0) {
        uint32_t            head = *cq->khead;
        struct io_uring_cqe cqe = {
            .user_data = cq->cqes[head & cq->ring_mask].user_data,
            .res = cq->cqes[head & cq->ring_mask].res,
            .flags = cq->cqes[head & cq->ring_mask].flags,
        };

        __atomic_store_n(cq->khead, head + 1, __ATOMIC_RELEASE);
        uring_complete(uring, &cqe);
    }
}

static void uring_run_posted(struct uring *uring)
{
    struct list_node *last = list_last(&uring->posted);
    bool              more = last != NULL;

    while (more && !list_empty(&uring->posted)) {
        struct list_node *node = list_pop_front(&uring->posted);
        struct io_op     *op = LIST_ENTRY(node, struct io_op, link);
        enum uring_place  place = uring__place(op);

        more = node != last;
        uring__set_place(op, URING_RUNNING);
        if (place == URING_FINISHED) {
            uring__finish(uring, op, op->result);
        } else {
            CHECK(place == URING_POSTED);
            uring__kinds[op->kind].step(uring, op);
        }
    }
}

static bool uring_waiting(struct io *io)
{
    const struct uring *uring = uring__of(io);

    return !list_empty(&uring->posted) || !list_empty(&uring->queued) ||
           uring->ring.sq.sqe_head != uring->ring.sq.sqe_tail || uring_cq_ready(uring) > 0 ||
           (uring_kernel_flags(uring) & URING_ATTENTION) != 0;
}

/* One slice of what has time: the rest of the turn may bring something for the others. */
static void uring_run_idle(struct uring *uring)
{
    struct io_op *op;

    if (list_empty(&uring->idle) ||
        (uring_waiting(&uring->io) && uring->now_ns - uring->idle_from_ns < IO_IDLE_WAIT_NS)) {
        return;
    }
    op = LIST_ENTRY(list_pop_front(&uring->idle), struct io_op, link);
    uring__set_place(op, URING_RUNNING);
    uring__finish(uring, op, op->result);
    uring->idle_from_ns = uring__clock_ns(CLOCK_MONOTONIC);
}

static int uring_run(struct io *io, int64_t deadline_ns)
{
    struct uring *uring = uring__of(io);
    uint64_t      callbacks_before = uring->callbacks;
    bool          may_wait;
    int           result;

    if (!uring->enabled) {
        result = uring_enable(uring);
        if (result < 0) {
            return result;
        }
    }
    uring->now_ns = uring__clock_ns(CLOCK_MONOTONIC);
    uring_run_posted(uring);
    uring_run_idle(uring);
    may_wait = uring->callbacks == callbacks_before && list_empty(&uring->posted) && list_empty(&uring->idle);
    result = uring_submit_and_wait(uring, may_wait, deadline_ns);
    if (result < 0) {
        return err_from_errno(-result);
    }
    uring_reap(uring);
    return (int)MIN(uring->callbacks - callbacks_before, (uint64_t)INT32_MAX);
}

static int64_t uring_now_ns(struct io *io)
{
    return uring__of(io)->now_ns;
}

static int64_t uring_clock_ns(struct io *io UNUSED)
{
    return uring__clock_ns(CLOCK_MONOTONIC);
}

static int64_t uring_wall_ms(struct io *io UNUSED)
{
    return uring__clock_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static void uring_random(struct io *io UNUSED, struct span out_bytes)
{
    size_t done = 0;

    while (done < out_bytes.len) {
        ssize_t got = getrandom(out_bytes.base + done, out_bytes.len - done, 0);

        CHECK(got > 0 || errno == EINTR);
        done += got > 0 ? (size_t)got : 0;
    }
}

/* Features that lower ones replace are not missed. */
static uint32_t uring_features_missing(const struct uring *uring)
{
    uint32_t missing = URING_FEATURES_ALL & ~uring->features;

    return uring__has(uring, URING_DEFER_TASKRUN) ? missing & ~(uint32_t)URING_COOP_TASKRUN : missing;
}

static void uring_append_features(struct span out_text, const char *title, uint32_t features)
{
    char  *text = (char *)out_text.base;
    size_t used = strnlen(text, out_text.len - 1);

    if (features == 0) {
        return;
    }
    (void)snprintf(text + used, out_text.len - used, "%s", title);
    for (size_t i = 0; i < COUNT_OF(uring_feature_names); i++) {
        if ((features & (1U << i)) != 0) {
            used = strnlen(text, out_text.len - 1);
            (void)snprintf(text + used, out_text.len - used, " %s", uring_feature_names[i]);
        }
    }
}

static void uring_describe(struct io *io, struct span out_text)
{
    const struct uring *uring = uring__of(io);

    (void)snprintf((char *)out_text.base, out_text.len, "io_uring on Linux %s, %u entries", uring->kernel_release,
                   uring->ring.sq.ring_entries);
    uring_append_features(out_text, "; in use:", uring->features);
    uring_append_features(out_text, "; without:", uring_features_missing(uring));
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* What was prepared but not submitted, and what waits in our lists, is dropped. */
static void uring_drop_unsubmitted(struct uring *uring)
{
    struct io_uring_sq *sq = &uring->ring.sq;
    struct list_node   *lists[] = {&uring->queued, &uring->posted, &uring->idle};

    while (sq->sqe_tail != sq->sqe_head) {
        uint64_t user_data = sq->sqes[--sq->sqe_tail & sq->ring_mask].user_data;

        uring->sqes_in_flight--;
        if (user_data > URING_TAG_NONE) {
            uring__abandon((const struct io_op *)(uintptr_t)user_data, -ECANCELED);
        }
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        while (!list_empty(lists[i])) {
            struct io_op *op = LIST_ENTRY(list_pop_front(lists[i]), struct io_op, link);

            if (uring__place(op) != URING_FINISHED) {
                uring__abandon(op, -ECANCELED);
            }
        }
    }
}

static void uring_reap_abandoned(struct uring *uring)
{
    while (uring_cq_ready(uring) > 0) {
        uint32_t                   head = *uring->ring.cq.khead;
        const struct io_uring_cqe *cqe = &uring->ring.cq.cqes[head & uring->ring.cq.ring_mask];

        if (cqe->user_data > URING_TAG_NONE) {
            uring__abandon((const struct io_op *)(uintptr_t)cqe->user_data, cqe->res);
        }
        uring->sqes_in_flight -= (cqe->flags & IORING_CQE_F_MORE) == 0 ? 1 : 0;
        __atomic_store_n(uring->ring.cq.khead, head + 1, __ATOMIC_RELEASE);
    }
}

/* Ends everything in flight without callbacks, so that the kernel writes into nobody's memory afterwards. */
static void uring_quiesce(struct uring *uring)
{
    uring_drop_unsubmitted(uring);
    for (uint32_t round = 0; uring->enabled && uring->sqes_in_flight > 0; round++) {
        struct io_uring_sqe *sqe = round % 16 == 0 ? io_uring_get_sqe(&uring->ring) : NULL;

        if (sqe != NULL) {
            io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
            io_uring_sqe_set_data64(sqe, URING_TAG_NONE);
            uring->sqes_in_flight++;
        }
        uring->now_ns = 0;
        if (uring_enter(uring, uring_flush_sq(uring), true, URING_QUIESCE_PAUSE_NS) < 0) {
            break; /* another thread owned the ring: its end has canceled what was in flight */
        }
        uring_reap_abandoned(uring);
    }
    uring_reap_abandoned(uring);
}

void uring__destroy(struct io *io)
{
    struct uring *uring = uring__of(io);

    uring_quiesce(uring);
    uring__buffers_deinit(uring);
    io_uring_queue_exit(&uring->ring);
    for (uint32_t i = 0; i < uring->handle_count; i++) {
        if (uring->handles[i].fd >= 0) {
            (void)close(uring->handles[i].fd);
        }
    }
    for (uint32_t i = 0; i < uring->lock_count; i++) {
        (void)close(uring->lock_fds[i]);
    }
    (void)close(uring->event_fd);
    mem_free(MEM_IO, uring->lock_fds);
    mem_free(MEM_IO, uring->handles);
    mem_free(MEM_IO, uring);
}

const struct io_backend uring__backend = {
    .name = "io_uring",
    .submit = uring_submit,
    .run = uring_run,
    .now_ns = uring_now_ns,
    .clock_ns = uring_clock_ns,
    .wall_ms = uring_wall_ms,
    .random = uring_random,
    .wake = uring_wake,
    .listen = uring__listen,
    .local_address = uring__local_address,
    .peer_address = uring__peer_address,
    .list = uring__list,
    .volume_probe = uring__volume_probe,
    .volume_free = uring__volume_free,
    .lock = uring__lock,
    .register_region = uring__register_region,
    .recv_give = uring__recv_give,
    .describe = uring_describe,
    .destroy = uring__destroy,
    .waiting = uring_waiting,
};

uint32_t uring_features(const struct io *io)
{
    CHECK(io->backend == &uring__backend);
    return CONTAINER_OF(io, const struct uring, io)->features;
}
