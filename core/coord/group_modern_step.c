/* group_modern_step.c: one member's event, step by step: its subscription, the group's epoch, the target, the member's
 * own move. Shared by heartbeats and by joins of classic members. */
#include "core/base/check.h"
#include "core/coord/group_modern.h"

/* --- the member --------------------------------------------------------------------------------------------------- */

void modern__step_begin(struct modern_step *step, struct modern_group *group)
{
    *step = (struct modern_step){.group = group, .epoch = group->epoch};
    group->host->ops->settings(group->host, group->id, &step->settings);
    group->topics_decided = group->topics_version;
}

void modern__step_end(struct modern_step *step)
{
    modern_parts_deinit(&step->next.assigned);
    modern_parts_deinit(&step->next.revoking);
    modern_parts_deinit(&step->next.target);
}

void modern__step_member(struct modern_step *step, const struct modern_member *from, struct view id)
{
    struct modern_member *next = &step->next;

    *next = (struct modern_member){.group = step->group, .rebalance_timeout_ms = -1};
    if (from != NULL) {
        *next = *from;
        next->timer = (struct timer){0};
        next->assigned = next->revoking = next->target = (struct modern_parts){0};
        modern_parts_copy(&next->assigned, &from->assigned);
        modern_parts_copy(&next->revoking, &from->revoking);
        modern_parts_copy(&next->target, &from->target);
        step->without[step->roster.without_count++] = from;
        if (view_equal(from->id, id)) {
            step->old = from;
        } else {
            step->replaced = from;
            next->epoch = MODERN_EPOCH_JOIN;
            next->previous_epoch = MODERN_EPOCH_JOIN;
        }
    }
    next->id = id;
    step->roster.without = step->without;
    step->roster.with = next;
}

static bool classic_equal(const struct modern_classic *a, const struct modern_classic *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    if (a->session_timeout_ms != b->session_timeout_ms || a->protocol_count != b->protocol_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->protocol_count; i++) {
        if (!view_equal(a->protocols[i].name, b->protocols[i].name) ||
            !view_equal(a->protocols[i].metadata, b->protocols[i].metadata)) {
            return false;
        }
    }
    return true;
}

static bool text_equal(struct view a, struct view b)
{
    return (a.base == NULL) == (b.base == NULL) && view_equal(a, b);
}

/* Compares with what the log has: the member itself, or the one it replaces. */
static void compare_metadata(struct modern_step *step)
{
    const struct modern_member *before = step->old != NULL ? step->old : step->replaced;
    const struct modern_member *next = &step->next;

    if (before == NULL) {
        step->changed = true;
        step->resubscribed = true; /* one more to divide by, whatever it reads */
        return;
    }
    step->resubscribed = !modern__names_equal(before->topics, before->topic_count, next->topics, next->topic_count) ||
                         modern__has_regex(before) != modern__has_regex(next) ||
                         (modern__has_regex(next) && !view_equal(before->regex, next->regex));
    step->changed =
        step->replaced != NULL || step->resubscribed || !before->described ||
        !text_equal(before->instance_id, next->instance_id) || !text_equal(before->rack_id, next->rack_id) ||
        !text_equal(before->client_id, next->client_id) || !text_equal(before->client_host, next->client_host) ||
        !text_equal(before->regex, next->regex) || !text_equal(before->assignor, next->assignor) ||
        before->rebalance_timeout_ms != next->rebalance_timeout_ms || !classic_equal(before->classic, next->classic);
}

/* A group begins with epoch 1, which its first member raises: as in Kafka, whose users see these numbers. */
static int32_t next_epoch(const struct modern_group *group)
{
    return MAX(group->epoch, 1) + 1;
}

/* --- subscription and group epoch --------------------------------------------------------------------------------- */

bool modern__step_subscription(struct modern_step *step)
{
    struct modern_group *group = step->group;
    struct modern_host  *host = group->host;
    int64_t              version = host->ops->topics_version(host);

    compare_metadata(step);
    if (step->replaced != NULL) {
        modern__emit_member_gone(group, step->replaced->id);
    }
    if (step->changed) {
        modern__emit_member(group, &step->next);
    }
    if (step->replaced != NULL) {
        modern__emit_target(group, step->next.id, &step->next.target);
        modern__emit_current(group, &step->next);
    }
    if (!step->resubscribed && version == group->topics_version) {
        return true;
    }
    if (!modern__subscription(group, &step->roster, true, &step->subscription)) {
        return false;
    }
    step->subscription_known = true;
    group->topics_decided = version;
    if (step->resubscribed || step->subscription.hash != group->metadata_hash) {
        step->epoch = next_epoch(group);
        modern__emit_group(group, step->epoch, step->subscription.hash);
        if (group->has_partition_metadata) {
            modern__emit_partition_metadata_gone(group);
        }
    }
    return true;
}

bool modern__emit_departure(struct modern_group *group, const struct modern_member *const *leavers,
                            uint32_t leaver_count)
{
    struct modern_roster       roster = {.without = leavers, .without_count = leaver_count};
    struct modern_subscription subscription;

    group->topics_decided = group->topics_version;
    for (uint32_t i = 0; i < leaver_count; i++) {
        modern__emit_member_gone(group, leavers[i]->id);
    }
    if (!modern__subscription(group, &roster, true, &subscription)) {
        return false;
    }
    modern__emit_group(group, next_epoch(group), subscription.hash);
    if (group->has_partition_metadata) {
        modern__emit_partition_metadata_gone(group);
    }
    return true;
}

void modern_fence(struct modern_group *group, const struct modern_member *member)
{
    if (!modern__emit_departure(group, &member, 1)) {
        group->host->batch.overflow = true;
    }
}

/* --- target ------------------------------------------------------------------------------------------------------- */

static bool away(const struct modern_step *step, const struct modern_member *member)
{
    return member == step->old || member == step->replaced;
}

/* What most members ask for; the first in the table when it is even. */
static enum assign_kind preferred_assignor(const struct modern_step *step)
{
    uint32_t         votes[ASSIGN_KIND_COUNT] = {0};
    enum assign_kind kind, best = step->settings.assignor;
    uint32_t         most = 0;

    MAP_EACH(&step->group->members, entry) {
        const struct modern_member *member = entry->value;

        if (!away(step, member) && member->assignor.base != NULL && assign_find(member->assignor, &kind)) {
            votes[kind]++;
        }
    }
    if (step->next.assignor.base != NULL && assign_find(step->next.assignor, &kind)) {
        votes[kind]++;
    }
    for (int i = 0; i < ASSIGN_KIND_COUNT; i++) {
        if (votes[i] > most && (step->settings.assignors & (1u << i)) != 0) {
            most = votes[i];
            best = (enum assign_kind)i;
        }
    }
    return best;
}

/* Members mostly subscribe to the same: the previous one's places serve again. */
static bool spec_member(struct modern_step *step, struct assign_spec *spec, const struct modern_member *member,
                        const struct modern_member *previous)
{
    struct assign_member *out = &spec->members[spec->member_count];

    *out = (struct assign_member){.id = member->id, .instance_id = member->instance_id, .current = &member->target};
    if (previous != NULL && text_equal(previous->regex, member->regex) &&
        modern__names_equal(previous->topics, previous->topic_count, member->topics, member->topic_count)) {
        out->topics = out[-1].topics;
        out->topic_count = out[-1].topic_count;
    } else {
        out->topics = modern__places(step->group, &step->subscription, member, &out->topic_count);
    }
    spec->member_count++;
    return out->topics != NULL;
}

static bool build_spec(struct modern_step *step, struct assign_spec *spec)
{
    const struct modern_member *previous = NULL;
    size_t                      most = map_count(&step->group->members) + 1;

    *spec = (struct assign_spec){.topics = step->subscription.by_id, .topic_count = step->subscription.topic_count};
    spec->members = arena_alloc_array(&step->group->host->batch.arena, most, sizeof(spec->members[0]));
    if (spec->members == NULL) {
        return false;
    }
    MAP_EACH(&step->group->members, entry) {
        const struct modern_member *member = away(step, entry->value) ? &step->next : entry->value;

        if (!spec_member(step, spec, member, previous)) {
            return false;
        }
        previous = member;
    }
    if (step->old == NULL && step->replaced == NULL) {
        return spec_member(step, spec, &step->next, previous);
    }
    return true;
}

/* Changes that come close together share a target. A group of one need not wait for others. */
static bool target_due(const struct modern_step *step)
{
    const struct modern_group *group = step->group;
    int64_t                    waited_ms = group->host->ops->wall_ms(group->host) - group->target_ms;

    return step->epoch > group->target_epoch && (group->target_ms == 0 || map_count(&group->members) == 0 ||
                                                 waited_ms < 0 || waited_ms >= step->settings.assignment_interval_ms);
}

bool modern__step_target(struct modern_step *step)
{
    struct modern_group *group = step->group;
    struct assign_spec   spec;

    step->target_epoch = group->target_epoch;
    if (!target_due(step)) {
        return true;
    }
    if (!step->subscription_known && !modern__subscription(group, &step->roster, false, &step->subscription)) {
        return false;
    }
    if (!build_spec(step, &spec)) {
        return false;
    }
    assign_run(preferred_assignor(step), &spec);
    for (uint32_t i = 0; i < spec.member_count; i++) {
        struct assign_member *member = &spec.members[i];

        if (!modern_parts_equal(member->current, &member->target)) {
            modern__emit_target(group, member->id, &member->target);
        }
        if (view_equal(member->id, step->next.id)) {
            modern_parts_move(&step->next.target, &member->target);
        }
        modern_parts_deinit(&member->target);
    }
    step->target_epoch = step->epoch;
    modern__emit_target_epoch(group, step->epoch, group->host->ops->wall_ms(group->host));
    return true;
}

/* --- the member's move -------------------------------------------------------------------------------------------- */

void modern__step_reconcile(struct modern_step *step, const struct modern_parts *owned)
{
    struct modern_member       *next = &step->next;
    const struct modern_member *before = step->old != NULL ? step->old : step->replaced;
    struct modern_member        unmoved = {0};

    if (!step->resubscribed && modern__reconciled(next, step->target_epoch)) {
        return;
    }
    modern__reconcile(step, owned);
    if (before == NULL) {
        before = &unmoved;
    }
    if (step->replaced != NULL || before->epoch != next->epoch || before->previous_epoch != next->previous_epoch ||
        before->state != next->state || !modern_parts_equal_epochs(&before->assigned, &next->assigned) ||
        !modern_parts_equal_epochs(&before->revoking, &next->revoking)) {
        modern__emit_current(step->group, next);
    }
}
