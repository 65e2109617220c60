/* exec_timers.h: what is due when: a heap of (time, owner), in the order of time, then of adding.
 *
 * There is no removal: an owner that moved or died is noticed when its timer is taken, and added again or forgotten.
 * That way a session that grows with every row costs one timer, not one per row. */
#ifndef MILLRACE_EXEC_TIMERS_H
#define MILLRACE_EXEC_TIMERS_H

#include "compute/exec/exec_row.h"

struct exec_timer {
    int64_t  time;
    uint64_t sequence; /* of the first adding */
    void    *owner;
};

struct exec_timers {
    struct exec_heap  *heap;
    struct exec_timer *items; /* four children each */
    size_t             count, capacity;
    uint64_t           next_sequence;
};

void exec_timers_init(struct exec_timers *timers, struct exec_heap *heap);
/* False: the heap is spent. */
MUST_USE bool exec_timers_add(struct exec_timers *timers, int64_t time, void *owner);
/* One that was saved, in its old place among those of the same time; what is added later stands behind it. */
MUST_USE bool exec_timers_restore(struct exec_timers *timers, int64_t time, uint64_t sequence, void *owner);
/* The first timer at a later time, its sequence kept. */
void exec_timers_postpone_first(struct exec_timers *timers, int64_t time);
/* NULL when there is none. */
static inline const struct exec_timer *exec_timers_first(const struct exec_timers *timers)
{
    return timers->count == 0 ? NULL : timers->items;
}
void exec_timers_drop_first(struct exec_timers *timers);

#endif
