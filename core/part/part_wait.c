/* Waiting readers: a long poll embeds one waiter per partition and is called when the readable end moves.
 *
 * A round of calls moves every waiter from a local list back to the part's before calling it, so that a waiter may
 * remove itself or any other, and those added meanwhile wait for the next round. */
#include "core/part/part_internal.h"

void part_wait(struct part *part, struct part_waiter *waiter)
{
    CHECK(waiter->ready != NULL);
    waiter->part = part;
    list_init(&waiter->link);
    list_push_back(&part->waiters, &waiter->link);
    if (part->gone_error != 0) {
        part__post(part);
    }
}

void part_unwait(struct part_waiter *waiter)
{
    if (waiter->part != NULL) {
        list_remove(&waiter->link);
        waiter->part = NULL;
    }
}

void part__wake(struct part *part)
{
    struct list_node  round;
    struct list_node *node;

    part->wake_readers = false;
    if (list_empty(&part->waiters)) {
        return;
    }
    part__hold(part);
    list_init(&round);
    list_splice_back(&round, &part->waiters);
    while ((node = list_pop_front(&round)) != NULL) {
        struct part_waiter *waiter = LIST_ENTRY(node, struct part_waiter, link);

        list_push_back(&part->waiters, node);
        waiter->ready(waiter);
    }
    part__release(part);
}

void part__waiters_drop(struct part *part)
{
    struct list_node *node;

    while ((node = list_pop_front(&part->waiters)) != NULL) {
        struct part_waiter *waiter = LIST_ENTRY(node, struct part_waiter, link);

        waiter->part = NULL;
        waiter->ready(waiter);
    }
}
