/* group_modern_migrate.c: a group changes its protocol while its members go on: to the consumer protocol when the first
 * member of that joins, back when the last one leaves (KIP-848, "Online Migration"). */
#include "core/base/slog.h"
#include "core/coord/group_modern_serve.h"

/* --- to the consumer protocol ------------------------------------------------------------------------------------- */

/* A classic member as the consumer group will know it; texts belong to the classic member, the sets to the caller. */
struct convert {
    struct modern_group  *state;
    struct group         *group;
    struct modern_owners  owners; /* an assignment made by a client may give a partition twice: the first one has it */
    struct modern_member *members;
    uint32_t              count;
};

static bool convert_protocols(struct arena *arena, const struct group_member *from, struct modern_member *to)
{
    to->classic = arena_alloc(arena, sizeof(*to->classic));
    if (to->classic == NULL) {
        return false;
    }
    to->classic->session_timeout_ms = from->session_timeout_ms;
    to->classic->protocol_count = from->protocol_count;
    to->classic->protocols = arena_alloc_array(arena, from->protocol_count, sizeof(to->classic->protocols[0]));
    for (uint32_t i = 0; to->classic->protocols != NULL && i < from->protocol_count; i++) {
        to->classic->protocols[i] =
            (struct modern_protocol){.name = from->protocols[i].name, .metadata = from->protocols[i].metadata};
    }
    return to->classic->protocols != NULL;
}

static void convert_assignment(struct convert *convert, const struct modern_parts *parts, struct modern_member *to)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        const struct modern_part *item = &parts->items[i];

        if (modern_owners_get(&convert->owners, item->topic_id, item->partition) == NULL) {
            modern_parts_push(&to->assigned, item->topic_id, item->partition, to->epoch);
        }
    }
    modern_owners_claim(&convert->owners, &to->assigned, to);
}

static bool convert_member(struct convert *convert, const struct group_member *from)
{
    struct modern_host              *host = convert->state->host;
    struct arena                    *arena = &host->batch.arena;
    struct modern_member            *to = &convert->members[convert->count++];
    struct modern_subscription_bytes subscription;
    struct modern_parts              parts = {0};
    bool                             done;

    if (!modern_subscription_read(host, group__member_metadata(from, convert->group->protocol), arena, &subscription)) {
        return false;
    }
    *to = (struct modern_member){.group = convert->state,
                                 .id = from->id,
                                 .instance_id = from->instance_id,
                                 .rack_id = subscription.rack_id,
                                 .client_id = from->client_id,
                                 .client_host = from->client_host,
                                 .rebalance_timeout_ms = from->rebalance_timeout_ms,
                                 .epoch = convert->group->generation,
                                 .previous_epoch = convert->group->generation,
                                 .state = MODERN_STABLE};
    to->topics = modern__names_sorted(arena, subscription.topics, (uint32_t)subscription.topic_count, &to->topic_count);
    done = to->topics != NULL && convert_protocols(arena, from, to) &&
           modern_assignment_read(host, from->assignment, arena, &parts);
    if (done) {
        convert_assignment(convert, &parts, to);
    }
    modern_parts_deinit(&parts);
    modern_parts_deinit(&subscription.owned);
    return done;
}

static bool convert_all(struct convert *convert)
{
    const struct group *group = convert->group;

    convert->members =
        arena_alloc_array(&convert->state->host->batch.arena, group->member_count, sizeof(convert->members[0]));
    if (convert->members == NULL) {
        return false;
    }
    LIST_EACH(&group->members, node) {
        const struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        if (!member->pending && !convert_member(convert, member)) {
            return false;
        }
    }
    return true;
}

static void convert_emit(const struct convert *convert)
{
    struct modern_group *state = convert->state;

    for (uint32_t i = 0; i < convert->count; i++) {
        modern__emit_member(state, &convert->members[i]);
    }
    modern__emit_group(state, convert->group->generation, 0);
    for (uint32_t i = 0; i < convert->count; i++) {
        modern__emit_target(state, convert->members[i].id, &convert->members[i].assigned);
    }
    modern__emit_target_epoch(state, convert->group->generation, 0);
    for (uint32_t i = 0; i < convert->count; i++) {
        modern__emit_current(state, &convert->members[i]);
    }
}

static void write_classic_key(struct kp_writer *writer, const void *in)
{
    kp_group_metadata_key_write(writer, in);
}

/* The change's records: into the log's event, and into the state. */
static bool convert_write(const struct convert *convert)
{
    struct kp_group_metadata_key key = {.group = convert->group->id};
    struct modern_batch         *batch = &convert->state->host->batch;

    coord__add(convert->group->groups->slot, write_classic_key, &key, NULL, NULL);
    for (uint32_t i = 0; i < batch->count; i++) {
        coord_log_add(group__log(convert->group), batch->items[i].key, batch->items[i].value);
        if (modern_replay(convert->state, batch->items[i].key, batch->items[i].value) != ERR_OK) {
            return false;
        }
    }
    return !batch->overflow;
}

static bool may_upgrade(const struct group *group, const struct modern_settings *settings)
{
    return settings->upgrade && group->protocol_type.base != NULL &&
           view_equal(group->protocol_type, view_text("consumer")) && group->protocol.base != NULL &&
           group->member_count > 0 && (int64_t)group->member_count <= settings->size_max;
}

struct modern_group *group_modern__upgrade(struct group *group)
{
    struct modern_host    *host = group_modern__host(group->groups);
    struct convert         convert = {.group = group};
    struct modern_settings settings;
    bool                   done;

    host->ops->settings(host, group->id, &settings);
    if (!may_upgrade(group, &settings)) {
        return NULL;
    }
    modern_batch_reset(&host->batch);
    convert.state = modern_group_create(host, group->id);
    done = convert_all(&convert);
    if (done) {
        convert_emit(&convert);
        done = convert_write(&convert);
    }
    for (uint32_t i = 0; i < convert.count; i++) {
        modern_parts_deinit(&convert.members[i].assigned);
    }
    modern_owners_deinit(&convert.owners);
    if (!done) {
        coord_log_drop(group__log(group));
        modern_group_destroy(convert.state);
        return NULL;
    }
    slog_info("coord", "group %.*s: %" PRIu32 " members of the classic protocol go over to the consumer protocol",
              (int)group->id.len, (const char *)group->id.base, group->member_count);
    return convert.state;
}

/* --- and back ----------------------------------------------------------------------------------------------------- */

static bool leaves(const struct modern_member *member, const struct modern_member *const *leavers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (leavers[i] == member) {
            return true;
        }
    }
    return false;
}

bool group_modern__can_downgrade(const struct group *group, const struct modern_member *const *leavers, uint32_t count)
{
    const struct modern_group *state = group->modern->state;
    size_t                     left = map_count(&state->members) - count;
    size_t                     classic = state->classic_count;
    struct modern_settings     settings;

    for (uint32_t i = 0; i < count; i++) {
        classic -= leavers[i]->classic != NULL ? 1 : 0;
    }
    /* As long as a member of the consumer protocol is there, or nobody at all, nothing changes. */
    if (left == 0 || classic != left) {
        return false;
    }
    state->host->ops->settings(state->host, state->id, &settings);
    return settings.downgrade && left <= (size_t)settings.classic_size_max;
}

static bool back_member(struct group *group, struct modern_group *state, const struct modern_member *from)
{
    struct arena          *arena = &state->host->batch.arena;
    struct group_protocol *protocols = arena_alloc_array(arena, from->classic->protocol_count, sizeof(protocols[0]));
    struct view            assignment;

    if (protocols == NULL || from->classic->protocol_count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < from->classic->protocol_count; i++) {
        protocols[i] = (struct group_protocol){.name = from->classic->protocols[i].name,
                                               .metadata = from->classic->protocols[i].metadata};
    }
    assignment = modern_assignment_write(state->host, &from->assigned, protocols[0].metadata, arena);
    if (assignment.base == NULL) {
        return false;
    }
    struct group_member *to = group__member_add(group, from->id, from->instance_id, from->client_id, from->client_host);
    to->session_timeout_ms = from->classic->session_timeout_ms;
    to->rebalance_timeout_ms = from->rebalance_timeout_ms;
    to->is_new = false;
    group__member_set_protocols(to, protocols, from->classic->protocol_count);
    group__member_set_assignment(to, assignment);
    return true;
}

/* Makes the classic half of the group; the other half is still there. */
static bool back_build(struct group *group, struct modern_group *state, const struct modern_member *const *leavers,
                       uint32_t count)
{
    group__classic_clear(group, KP_ERR_UNKNOWN_MEMBER_ID);
    group->generation = MAX(state->epoch, state->target_epoch);
    group__set_protocol_type(group, view_text("consumer"));
    MAP_EACH(&state->members, entry) {
        if (!leaves(entry->value, leavers, count) && !back_member(group, state, entry->value)) {
            return false;
        }
    }
    group__set_protocol(group, group__protocol_choose(group));
    group->state = GROUP_STABLE;
    group->previous_state = GROUP_STABLE;
    group->state_ms = state->host->ops->wall_ms(state->host);
    return true;
}

bool group_modern__downgrade(struct group *group, const struct modern_member *const *leavers, uint32_t count)
{
    struct modern_group *state = group->modern->state;
    struct modern_batch *batch = &state->host->batch;
    bool                 recorded = group->recorded;

    modern_batch_reset(batch);
    modern_emit_tombstones(state);
    for (uint32_t i = 0; i < batch->count; i++) {
        coord_log_add(group__log(group), batch->items[i].key, batch->items[i].value);
    }
    bool done = !batch->overflow && back_build(group, state, leavers, count);
    if (done) {
        group__add_record(group, true);
        done = coord_log_fits(group__log(group));
    }
    if (!done) {
        coord_log_drop(group__log(group));
        group__classic_clear(group, KP_ERR_UNKNOWN_MEMBER_ID);
        group->recorded = recorded;
        return false;
    }
    slog_info("coord", "group %.*s: %" PRIu32 " members of the classic protocol are left, it goes back to that",
              (int)group->id.len, (const char *)group->id.base, group->member_count);
    group_modern__free(group, KP_ERR_UNKNOWN_MEMBER_ID);
    group->type = GROUP_CLASSIC;
    coord_log_commit(group__log(group), NULL);
    group__classic_loaded(group);
    group__prepare_rebalance(group, "the group goes back to the classic protocol");
    return true;
}
