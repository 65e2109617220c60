#include "core/base/timer.h"

#include "core/base/check.h"

void timer_heap_init(struct timer_heap *heap)
{
    *heap = (struct timer_heap){0};
}

void timer_heap_deinit(struct timer_heap *heap)
{
    CHECK(heap->count == 0);
    mem_free(MEM_BASE, heap->items);
    *heap = (struct timer_heap){0};
}

static bool timer_before(const struct timer *a, const struct timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->sequence_ < b->sequence_;
}

static void timer_place(struct timer_heap *heap, size_t index, struct timer *timer)
{
    heap->items[index - 1] = timer;
    timer->index_ = index;
}

static void timer_sift_up(struct timer_heap *heap, size_t index)
{
    struct timer *timer = heap->items[index - 1];

    while (index > 1 && timer_before(timer, heap->items[index / 2 - 1])) {
        timer_place(heap, index, heap->items[index / 2 - 1]);
        index /= 2;
    }
    timer_place(heap, index, timer);
}

static void timer_sift_down(struct timer_heap *heap, size_t index)
{
    struct timer *timer = heap->items[index - 1];

    for (;;) {
        size_t child = index * 2;

        if (child > heap->count) {
            break;
        }
        if (child < heap->count && timer_before(heap->items[child], heap->items[child - 1])) {
            child++;
        }
        if (!timer_before(heap->items[child - 1], timer)) {
            break;
        }
        timer_place(heap, index, heap->items[child - 1]);
        index = child;
    }
    timer_place(heap, index, timer);
}

void timer_disarm(struct timer_heap *heap, struct timer *timer)
{
    size_t        index = timer->index_;
    struct timer *last;

    if (index == 0) {
        return;
    }
    CHECK(index <= heap->count && heap->items[index - 1] == timer);
    last = heap->items[heap->count - 1];
    heap->count--;
    timer->index_ = 0;
    if (last != timer) {
        timer_place(heap, index, last);
        timer_sift_down(heap, index);
        timer_sift_up(heap, last->index_);
    }
}

void timer_arm(struct timer_heap *heap, struct timer *timer, int64_t deadline_ns, timer_fn *fire)
{
    CHECK(fire != NULL);
    timer_disarm(heap, timer);
    if (heap->count == heap->capacity) {
        heap->capacity = MAX(heap->capacity * 2, (size_t)64);
        heap->items = mem_realloc(MEM_BASE, heap->items, heap->capacity * sizeof(struct timer *));
    }
    timer->deadline_ns = heap->running_ ? MAX(deadline_ns, heap->running_ns_) : deadline_ns;
    timer->sequence_ = heap->sequence++;
    timer->fire = fire;
    heap->count++;
    timer_place(heap, heap->count, timer);
    timer_sift_up(heap, heap->count);
}

int64_t timer_heap_next_ns(const struct timer_heap *heap)
{
    return heap->count == 0 ? INT64_MAX : heap->items[0]->deadline_ns;
}

size_t timer_heap_run(struct timer_heap *heap, int64_t now_ns)
{
    uint64_t sequence_end = heap->sequence;
    size_t   fired = 0;

    CHECK(!heap->running_);
    heap->running_ = true;
    heap->running_ns_ = now_ns;
    while (heap->count > 0) {
        struct timer *timer = heap->items[0];

        if (timer->deadline_ns > now_ns || timer->sequence_ >= sequence_end) {
            break;
        }
        timer_disarm(heap, timer);
        fired++;
        timer->fire(timer);
    }
    heap->running_ = false;
    return fired;
}
