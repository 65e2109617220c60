/* Timers: a heap with four children per node: half the depth of a binary one, and siblings share a cache line or two.
 */
#include "compute/exec/exec_timers.h"

#include "core/base/check.h"

#define ARITY          4
#define CAPACITY_FIRST 64

void exec_timers_init(struct exec_timers *timers, struct exec_heap *heap)
{
    *timers = (struct exec_timers){.heap = heap};
}

static bool is_before(const struct exec_timer *a, const struct exec_timer *b)
{
    return a->time != b->time ? a->time < b->time : a->sequence < b->sequence;
}

static void sift_up(struct exec_timers *timers, size_t at)
{
    struct exec_timer timer = timers->items[at];

    while (at > 0) {
        size_t parent = (at - 1) / ARITY;

        if (!is_before(&timer, &timers->items[parent])) {
            break;
        }
        timers->items[at] = timers->items[parent];
        at = parent;
    }
    timers->items[at] = timer;
}

static void sift_down(struct exec_timers *timers, size_t at)
{
    struct exec_timer timer = timers->items[at];

    for (;;) {
        size_t first = at * ARITY + 1;
        size_t best = first;

        if (first >= timers->count) {
            break;
        }
        for (size_t child = first + 1; child < MIN(first + ARITY, timers->count); child++) {
            if (is_before(&timers->items[child], &timers->items[best])) {
                best = child;
            }
        }
        if (!is_before(&timers->items[best], &timer)) {
            break;
        }
        timers->items[at] = timers->items[best];
        at = best;
    }
    timers->items[at] = timer;
}

static bool grow(struct exec_timers *timers)
{
    size_t             capacity = MAX(CAPACITY_FIRST, timers->capacity * 2);
    struct exec_timer *items = exec_heap_take(timers->heap, capacity * sizeof(*items));

    if (items == NULL) {
        return false;
    }
    if (timers->count > 0) {
        memcpy(items, timers->items, timers->count * sizeof(*items));
        exec_heap_give(timers->heap, timers->items, timers->capacity * sizeof(*items));
    }
    timers->items = items;
    timers->capacity = capacity;
    return true;
}

bool exec_timers_restore(struct exec_timers *timers, int64_t time, uint64_t sequence, void *owner)
{
    if (timers->count == timers->capacity && !grow(timers)) {
        return false;
    }
    timers->items[timers->count] = (struct exec_timer){.time = time, .sequence = sequence, .owner = owner};
    timers->count++;
    timers->next_sequence = MAX(timers->next_sequence, sequence + 1);
    sift_up(timers, timers->count - 1);
    return true;
}

bool exec_timers_add(struct exec_timers *timers, int64_t time, void *owner)
{
    return exec_timers_restore(timers, time, timers->next_sequence, owner);
}

void exec_timers_postpone_first(struct exec_timers *timers, int64_t time)
{
    CHECK(timers->count > 0 && time >= timers->items[0].time);
    timers->items[0].time = time;
    sift_down(timers, 0);
}

void exec_timers_drop_first(struct exec_timers *timers)
{
    CHECK(timers->count > 0);
    timers->count--;
    if (timers->count > 0) {
        timers->items[0] = timers->items[timers->count];
        sift_down(timers, 0);
    }
}
