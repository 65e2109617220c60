/* timer.h: deadlines of one core, in a binary heap ordered by (deadline, arming order). No clock: the loop passes the
 * time in.
 *
 * A struct timer is embedded in whatever waits; zeroed = not armed. Callbacks run from timer_heap_run only, one at a
 * time, disarmed before they are called, so they may arm themselves again. */
#ifndef MILLRACE_TIMER_H
#define MILLRACE_TIMER_H

#include "core/base/mem.h"

struct timer;
typedef void timer_fn(struct timer *timer);

struct timer {
    int64_t   deadline_ns;
    uint64_t  sequence_;
    size_t    index_; /* 1-based place in the heap; 0 = not armed */
    timer_fn *fire;
};

struct timer_heap {
    struct timer **items;
    size_t         count;
    size_t         capacity;
    uint64_t       sequence;
    bool           running_;    /* inside timer_heap_run */
    int64_t        running_ns_; /* its now_ns */
};

void timer_heap_init(struct timer_heap *heap);
/* No timer may be armed (checked). */
void timer_heap_deinit(struct timer_heap *heap);
/* Arms, or moves an armed timer. deadline_ns on io_now_ns()'s clock; armed from a callback it counts as now at the
 * earliest, so that a timer which is always due cannot keep others from firing. */
void timer_arm(struct timer_heap *heap, struct timer *timer, int64_t deadline_ns, timer_fn *fire);
/* Disarming a timer that is not armed is harmless. */
void timer_disarm(struct timer_heap *heap, struct timer *timer);

static inline bool timer_armed(const struct timer *timer)
{
    return timer->index_ != 0;
}
/* INT64_MAX when nothing is armed. */
int64_t timer_heap_next_ns(const struct timer_heap *heap);
/* Fires what is due at now_ns (not what the callbacks arm meanwhile for a time <= now_ns); returns how many. */
size_t timer_heap_run(struct timer_heap *heap, int64_t now_ns);

#endif
