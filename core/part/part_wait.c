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

/* --- keeping ---------------------------------------------------------------------------------------------------------
 */

static void keeps_tell(struct part *part)
{
    struct store_keep all = {.offset = INT64_MAX};

    LIST_EACH(&part->keeps, node) {
        const struct part_keep *keep = LIST_ENTRY(node, struct part_keep, link);

        all.offset = MIN(all.offset, keep->offset);
        all.bytes_max = MAX(all.bytes_max, keep->bytes_max);
        all.ms_max = MAX(all.ms_max, keep->ms_max);
    }
    if (part->log != NULL) {
        store_log_keep(part->log, &all);
    }
}

void part_keep(struct part *part, struct part_keep *keep, int64_t offset)
{
    if (keep->part == NULL) {
        keep->part = part;
        list_init(&keep->link);
        list_push_back(&part->keeps, &keep->link);
    }
    CHECK(keep->part == part);
    keep->offset = offset;
    keeps_tell(part);
}

void part_unkeep(struct part_keep *keep)
{
    struct part *part = keep->part;

    if (part != NULL) {
        list_remove(&keep->link);
        keep->part = NULL;
        keeps_tell(part);
    }
}

/* --- the part goes -------------------------------------------------------------------------------------------------
 */

void part__waiters_drop(struct part *part)
{
    struct list_node *node;

    while ((node = list_pop_front(&part->keeps)) != NULL) {
        LIST_ENTRY(node, struct part_keep, link)->part = NULL;
    }

    while ((node = list_pop_front(&part->waiters)) != NULL) {
        struct part_waiter *waiter = LIST_ENTRY(node, struct part_waiter, link);

        waiter->part = NULL;
        waiter->ready(waiter);
    }
}
