/* group_modern_reconcile.c: one member's move towards its target.
 *
 *   state        waits for                                  then
 *   STABLE       a newer target                             gives up what is not in it, takes what is free
 *   UNREVOKED    the member no longer naming what it lost    as above
 *   UNRELEASED   others giving up what it is to have         takes it
 *
 * A member's epoch rises to the target's when it has nothing left to give up, not before: an epoch stands for what may
 * be committed. */
#include "core/base/check.h"
#include "core/coord/group_modern.h"

struct move {
    struct modern_parts target; /* what it still subscribes to */
    struct modern_parts keep;
    struct modern_parts lose;
    struct modern_parts gain;
    bool                waits; /* somebody else still has something of the target */
};

/* Nothing said about what it has means that it has everything. */
static bool still_has(const struct modern_parts *owned, const struct modern_parts *lost)
{
    return owned == NULL || modern_parts_overlap(owned, lost);
}

static void set_epoch(struct modern_member *next, int32_t epoch)
{
    next->previous_epoch = next->epoch;
    next->epoch = epoch;
}

static bool reads(const struct modern_step *step, const struct modern_part *item)
{
    return modern__reads(step->group, step->subscription_known ? &step->subscription : NULL, &step->next,
                         item->topic_id);
}

static void plan(const struct modern_step *step, struct move *move)
{
    const struct modern_member *next = &step->next;
    struct modern_parts         missing = {0};

    for (uint32_t i = 0; i < next->target.count; i++) {
        const struct modern_part *item = &next->target.items[i];

        /* The target may be older than the subscription. */
        if (reads(step, item)) {
            modern_parts_push(&move->target, item->topic_id, item->partition, item->epoch);
        }
    }
    modern_parts_intersect(&next->assigned, &move->target, &move->keep);
    modern_parts_subtract(&next->assigned, &move->target, &move->lose);
    modern_parts_subtract(&move->target, &move->keep, &missing);
    for (uint32_t i = 0; i < missing.count; i++) {
        const struct modern_part   *item = &missing.items[i];
        const struct modern_member *owner = modern_owners_get(&step->group->owners, item->topic_id, item->partition);

        if (owner == NULL || owner == step->old || owner == step->replaced) {
            modern_parts_push(&move->gain, item->topic_id, item->partition, step->target_epoch);
        } else {
            move->waits = true;
        }
    }
    modern_parts_deinit(&missing);
}

static void advance(struct modern_step *step, const struct modern_parts *owned)
{
    struct modern_member *next = &step->next;
    struct move           move = {0};

    plan(step, &move);
    if (move.lose.count != 0 && still_has(owned, &move.lose)) {
        set_epoch(next, next->epoch);
        next->state = MODERN_UNREVOKED;
        modern_parts_move(&next->assigned, &move.keep);
        modern_parts_move(&next->revoking, &move.lose);
    } else {
        set_epoch(next, step->target_epoch);
        next->state = move.waits ? MODERN_UNRELEASED : MODERN_STABLE;
        for (uint32_t i = 0; i < move.gain.count; i++) {
            modern_parts_push(&move.keep, move.gain.items[i].topic_id, move.gain.items[i].partition,
                              move.gain.items[i].epoch);
        }
        modern_parts_sort(&move.keep);
        modern_parts_move(&next->assigned, &move.keep);
        modern_parts_clear(&next->revoking);
    }
    modern_parts_deinit(&move.target);
    modern_parts_deinit(&move.keep);
    modern_parts_deinit(&move.lose);
    modern_parts_deinit(&move.gain);
}

/* A new subscription takes effect at once for what it leaves out, even while the target waits to be computed. */
static void drop_unsubscribed(struct modern_step *step, const struct modern_parts *owned)
{
    struct modern_member *next = &step->next;
    struct modern_parts   keep = {0}, lose = {0};

    modern_parts_copy(&lose, &next->revoking);
    for (uint32_t i = 0; i < next->assigned.count; i++) {
        const struct modern_part *item = &next->assigned.items[i];

        modern_parts_push(reads(step, item) ? &keep : &lose, item->topic_id, item->partition, item->epoch);
    }
    modern_parts_sort(&lose);
    if (lose.count != next->revoking.count) {
        set_epoch(next, next->epoch);
        modern_parts_move(&next->assigned, &keep);
        if (still_has(owned, &lose)) {
            next->state = MODERN_UNREVOKED;
            modern_parts_move(&next->revoking, &lose);
        }
    }
    modern_parts_deinit(&keep);
    modern_parts_deinit(&lose);
}

void modern__reconcile(struct modern_step *step, const struct modern_parts *owned)
{
    switch (step->next.state) {
    case MODERN_STABLE:
        if (step->next.epoch != step->target_epoch) {
            advance(step, owned);
        } else if (step->resubscribed) {
            drop_unsubscribed(step, owned);
        }
        break;
    case MODERN_UNREVOKED:
        if (!still_has(owned, &step->next.revoking)) {
            advance(step, owned);
        } else if (step->resubscribed) {
            drop_unsubscribed(step, owned);
        }
        break;
    case MODERN_UNRELEASED:
    case MODERN_UNKNOWN:
        advance(step, owned);
        break;
    default:
        CHECK(false);
    }
}
