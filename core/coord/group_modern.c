/* group_modern.c: a group's state and its bookkeeping: members, counts of subscriptions, owners, deadlines. */
#include "core/coord/group_modern.h"

#include <stdlib.h>

#include "core/base/check.h"

#define BATCH_BLOCK_BYTES ((size_t)(16 * KIB))
#define BATCH_BYTES_MAX   ((size_t)(64 * MIB))

/* --- batches ------------------------------------------------------------------------------------------------------ */

void modern_host_init(struct modern_host *host, const struct modern_host_ops *ops, struct timer_heap *timers)
{
    *host = (struct modern_host){.ops = ops, .timers = timers};
    arena_init(&host->batch.arena, MEM_COORD, BATCH_BLOCK_BYTES, BATCH_BYTES_MAX);
    arena_init(&host->replay_arena, MEM_COORD, BATCH_BLOCK_BYTES, BATCH_BYTES_MAX);
}

void modern_host_deinit(struct modern_host *host)
{
    arena_deinit(&host->batch.arena);
    arena_deinit(&host->replay_arena);
}

void modern_batch_reset(struct modern_batch *batch)
{
    arena_reset(&batch->arena);
    batch->items = NULL;
    batch->count = 0;
    batch->capacity = 0;
    batch->overflow = false;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

void modern__text_set(struct view *text, struct view value)
{
    const void *old = text->base;

    *text = value.base == NULL ? (struct view){0} : view_of(mem_copy_text(MEM_COORD, value), value.len);
    mem_free(MEM_COORD, (void *)(uintptr_t)old);
}

static int compare_names(const void *a, const void *b)
{
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

struct view *modern__names_sorted(struct arena *arena, const struct view *names, uint32_t count, uint32_t *out_count)
{
    struct view *sorted = arena_alloc_array(arena, count, sizeof(sorted[0]));
    uint32_t     kept = 0;

    *out_count = 0;
    if (sorted == NULL || count == 0) {
        return sorted;
    }
    memcpy(sorted, names, count * sizeof(names[0]));
    qsort(sorted, count, sizeof(sorted[0]), compare_names);
    for (uint32_t i = 1; i < count; i++) {
        if (!view_equal(sorted[kept], sorted[i])) {
            sorted[++kept] = sorted[i];
        }
    }
    *out_count = kept + 1;
    return sorted;
}

bool modern__names_equal(const struct view *a, uint32_t a_count, const struct view *b, uint32_t b_count)
{
    if (a_count != b_count) {
        return false;
    }
    for (uint32_t i = 0; i < a_count; i++) {
        if (!view_equal(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

void modern__classic_free(struct modern_classic *classic)
{
    if (classic == NULL) {
        return;
    }
    for (uint32_t i = 0; i < classic->protocol_count; i++) {
        modern__text_set(&classic->protocols[i].name, (struct view){0});
        modern__text_set(&classic->protocols[i].metadata, (struct view){0});
    }
    mem_free(MEM_COORD, classic->protocols);
    mem_free(MEM_COORD, classic);
}

/* --- subscriptions ------------------------------------------------------------------------------------------------ */

bool modern__has_regex(const struct modern_member *member)
{
    return member->regex.base != NULL && member->regex.len != 0;
}

static void count_up(struct map *map, struct view name)
{
    uint32_t *count = map_get(map, name);

    if (count == NULL) {
        count = mem_alloc(MEM_COORD, sizeof(*count));
        (void)map_put(map, name, count);
    }
    (*count)++;
}

static void count_down(struct map *map, struct view name)
{
    uint32_t *count = map_get(map, name);

    CHECK(count != NULL && *count > 0);
    if (--*count == 0) {
        mem_free(MEM_COORD, map_remove(map, name));
    }
}

static void regex_free(struct modern_regex *regex)
{
    group_regex_destroy(regex->compiled);
    for (uint32_t i = 0; i < regex->topic_count; i++) {
        modern__text_set(&regex->topics[i], (struct view){0});
    }
    mem_free(MEM_COORD, regex->topics);
    mem_free(MEM_COORD, regex);
}

void modern__unsubscribe(struct modern_group *group, const struct modern_member *member)
{
    for (uint32_t i = 0; i < member->topic_count; i++) {
        count_down(&group->topics, member->topics[i]);
    }
    if (modern__has_regex(member)) {
        struct modern_regex *regex = map_get(&group->regexes, member->regex);

        CHECK(regex != NULL && regex->subscribers > 0);
        if (--regex->subscribers == 0 && !regex->resolved) {
            regex_free(map_remove(&group->regexes, member->regex));
        }
    }
    if (member->classic != NULL) {
        group->classic_count--;
    }
    if (member->instance_id.base != NULL && map_get(&group->instances, member->instance_id) == member) {
        (void)map_remove(&group->instances, member->instance_id);
    }
}

void modern__subscribe(struct modern_group *group, struct modern_member *member)
{
    for (uint32_t i = 0; i < member->topic_count; i++) {
        count_up(&group->topics, member->topics[i]);
    }
    if (modern__has_regex(member)) {
        struct modern_regex *regex = map_get(&group->regexes, member->regex);

        if (regex == NULL) {
            regex = mem_alloc(MEM_COORD, sizeof(*regex));
            (void)map_put(&group->regexes, member->regex, regex);
        }
        regex->subscribers++;
    }
    if (member->classic != NULL) {
        group->classic_count++;
    }
    if (member->instance_id.base != NULL) {
        (void)map_put(&group->instances, member->instance_id, member);
    }
}

bool modern_group_subscribed(const struct modern_group *group, struct view topic)
{
    if (map_get(&group->topics, topic) != NULL) {
        return true;
    }
    MAP_EACH(&group->regexes, entry) {
        const struct modern_regex *regex = entry->value;

        if (regex->subscribers != 0 && regex->topic_count != 0 &&
            bsearch(&topic, regex->topics, regex->topic_count, sizeof(topic), compare_names) != NULL) {
            return true;
        }
    }
    return false;
}

/* --- members ------------------------------------------------------------------------------------------------------ */

struct modern_member *modern_member_find(const struct modern_group *group, struct view id)
{
    return map_get(&group->members, id);
}

struct modern_member *modern__member_get(struct modern_group *group, struct view id)
{
    struct modern_member *member = map_get(&group->members, id);

    if (member == NULL) {
        member = mem_alloc(MEM_COORD, sizeof(*member));
        member->group = group;
        member->rebalance_timeout_ms = -1;
        modern__text_set(&member->id, id);
        (void)map_put(&group->members, id, member);
    }
    return member;
}

static void member_free(struct modern_member *member)
{
    struct view none = {0};

    timer_disarm(member->group->host->timers, &member->timer);
    modern__text_set(&member->id, none);
    modern__text_set(&member->instance_id, none);
    modern__text_set(&member->rack_id, none);
    modern__text_set(&member->client_id, none);
    modern__text_set(&member->client_host, none);
    modern__text_set(&member->regex, none);
    modern__text_set(&member->assignor, none);
    for (uint32_t i = 0; i < member->topic_count; i++) {
        modern__text_set(&member->topics[i], none);
    }
    mem_free(MEM_COORD, member->topics);
    modern__classic_free(member->classic);
    modern_parts_deinit(&member->assigned);
    modern_parts_deinit(&member->revoking);
    modern_parts_deinit(&member->target);
    mem_free(MEM_COORD, member);
}

void modern__member_remove(struct modern_group *group, struct modern_member *member)
{
    modern__unsubscribe(group, member);
    modern_owners_release(&group->owners, &member->assigned, member);
    modern_owners_release(&group->owners, &member->revoking, member);
    (void)map_remove(&group->members, member->id);
    member_free(member);
}

/* --- deadlines ---------------------------------------------------------------------------------------------------- */

static void fire(struct timer *timer)
{
    struct modern_member *member = CONTAINER_OF(timer, struct modern_member, timer);

    member->group->host->ops->expired(member->group->host, member);
}

/* The timer stands at the first deadline or before it: a heartbeat only moves the deadline, and the timer finds out. */
void modern__deadline_set(struct modern_member *member, enum modern_deadline which, int64_t delay_ms)
{
    struct modern_host *host = member->group->host;
    int64_t             deadline_ns = host->ops->now_ns(host) + MAX(delay_ms, 0) * NS_PER_MS;

    member->deadline_ns[which] = MAX(deadline_ns, 1);
    if (!timer_armed(&member->timer) || member->timer.deadline_ns > deadline_ns) {
        timer_arm(host->timers, &member->timer, deadline_ns, fire);
    }
}

void modern__deadline_clear(struct modern_member *member, enum modern_deadline which)
{
    member->deadline_ns[which] = 0;
}

const char *modern_expire(struct modern_member *member)
{
    static const char *const reasons[MODERN_DEADLINE_COUNT] = {
        [MODERN_SESSION] = "its session expired",
        [MODERN_REBALANCE] = "it did not give up its partitions in time",
        [MODERN_JOIN] = "it did not rejoin in time",
        [MODERN_SYNC] = "it did not sync in time",
    };
    struct modern_host *host = member->group->host;
    int64_t             now_ns = host->ops->now_ns(host);
    int64_t             next_ns = INT64_MAX;

    for (int i = 0; i < MODERN_DEADLINE_COUNT; i++) {
        if (member->deadline_ns[i] == 0) {
            continue;
        }
        if (member->deadline_ns[i] <= now_ns) {
            return reasons[i];
        }
        next_ns = MIN(next_ns, member->deadline_ns[i]);
    }
    if (next_ns != INT64_MAX) {
        timer_arm(host->timers, &member->timer, next_ns, fire);
    }
    return NULL;
}

static void settle(struct modern_member *member)
{
    struct modern_settings settings;

    member->group->host->ops->settings(member->group->host, member->group->id, &settings);
    modern__deadline_set(member, MODERN_SESSION,
                         member->classic != NULL ? member->classic->session_timeout_ms : settings.session_timeout_ms);
    if (member->state != MODERN_UNREVOKED || member->classic != NULL) {
        modern__deadline_clear(member, MODERN_REBALANCE);
    } else if (member->revoke_starts) {
        modern__deadline_set(member, MODERN_REBALANCE, member->rebalance_timeout_ms);
    }
    member->revoke_starts = false;
}

void modern_settle(struct modern_group *group, struct view member_id)
{
    struct modern_member *member = modern_member_find(group, member_id);

    group->topics_version = group->topics_decided;
    if (member != NULL) {
        settle(member);
    }
}

void modern_loaded(struct modern_group *group)
{
    MAP_EACH(&group->members, entry) {
        struct modern_member *member = entry->value;

        if (!member->described) {
            modern__member_remove(group, member);
        } else {
            settle(member);
        }
    }
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct modern_group *modern_group_create(struct modern_host *host, struct view id)
{
    struct modern_group *group = mem_alloc(MEM_COORD, sizeof(*group));

    group->host = host;
    group->topics_version = INT64_MIN;
    group->topics_decided = INT64_MIN;
    modern__text_set(&group->id, id);
    map_init(&group->members, MEM_COORD);
    map_init(&group->instances, MEM_COORD);
    map_init(&group->topics, MEM_COORD);
    map_init(&group->regexes, MEM_COORD);
    return group;
}

void modern_group_destroy(struct modern_group *group)
{
    if (group == NULL) {
        return;
    }
    MAP_EACH(&group->members, member) {
        modern__member_remove(group, member->value);
    }
    MAP_EACH(&group->regexes, regex) {
        regex_free(regex->value);
    }
    MAP_EACH(&group->topics, topic) {
        mem_free(MEM_COORD, topic->value);
    }
    map_deinit(&group->members);
    map_deinit(&group->instances);
    map_deinit(&group->topics);
    map_deinit(&group->regexes);
    modern_owners_deinit(&group->owners);
    modern__text_set(&group->id, (struct view){0});
    mem_free(MEM_COORD, group);
}

bool modern_group_void(const struct modern_group *group)
{
    return !group->persisted && map_count(&group->members) == 0;
}

bool modern_group_empty(const struct modern_group *group)
{
    return map_count(&group->members) == 0;
}

bool modern__reconciled(const struct modern_member *member, int32_t target_epoch)
{
    return member->state == MODERN_STABLE && member->epoch == target_epoch;
}

const char *modern_group_state(const struct modern_group *group)
{
    if (map_count(&group->members) == 0) {
        return "Empty";
    }
    if (group->epoch > group->target_epoch) {
        return "Assigning";
    }
    MAP_EACH(&group->members, entry) {
        if (!modern__reconciled(entry->value, group->target_epoch)) {
            return "Reconciling";
        }
    }
    return "Stable";
}
