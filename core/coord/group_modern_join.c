/* group_modern_join.c: members of the classic protocol in a consumer group, while it migrates: JoinGroup, SyncGroup,
 * Heartbeat, LeaveGroup. A member's generation is its epoch; there is no leader, the coordinator assigns. */
#include "core/base/slog.h"
#include "core/coord/group_modern_serve.h"

#define JOIN_REQUIRES_ID 4 /* a new dynamic member is given its id first and comes again (KIP-394) */

static bool same(struct view a, struct view b)
{
    return a.base != NULL && b.base != NULL && view_equal(a, b);
}

/* By instance, under the id it says (any, when it may say none); or by id. */
static int16_t find_member(const struct modern_group *state, struct view id, struct view instance_id, bool id_optional,
                           const struct modern_member **out_member)
{
    *out_member = instance_id.base == NULL ? modern_member_find(state, id) : map_get(&state->instances, instance_id);
    if (*out_member == NULL) {
        return KP_ERR_UNKNOWN_MEMBER_ID;
    }
    if (instance_id.base != NULL && !(id_optional && id.len == 0) && !view_equal((*out_member)->id, id)) {
        return KP_ERR_FENCED_INSTANCE_ID;
    }
    return KP_ERR_NONE;
}

static int16_t find_classic(const struct modern_group *state, struct view id, struct view instance_id,
                            int32_t generation, const struct modern_member **out_member)
{
    int16_t error = find_member(state, id, instance_id, false, out_member);

    if (error != KP_ERR_NONE) {
        return error;
    }
    if ((*out_member)->classic == NULL) {
        return KP_ERR_UNKNOWN_MEMBER_ID;
    }
    return (*out_member)->epoch == generation ? KP_ERR_NONE : KP_ERR_ILLEGAL_GENERATION;
}

static void await_join(struct modern_member *member)
{
    if (member->deadline_ns[MODERN_JOIN] == 0) {
        modern__deadline_set(member, MODERN_JOIN, member->rebalance_timeout_ms);
    }
}

/* --- JoinGroup ---------------------------------------------------------------------------------------------------- */

static void join_fail(struct coord_call *call, int16_t error, struct view member_id)
{
    struct kp_join_group_response *response = call->response;

    coord__fail(call, error);
    response->member_id = member_id;
}

/* One of them must be known to all members of the classic protocol. */
static bool protocols_fit(const struct modern_group *state, const struct kp_join_group_request *request)
{
    if (!same(request->protocol_type, view_text("consumer")) || request->protocols_count <= 0) {
        return false;
    }
    for (int32_t i = 0; i < request->protocols_count; i++) {
        uint32_t known = 0;

        MAP_EACH(&state->members, entry) {
            const struct modern_member *member = entry->value;

            for (uint32_t k = 0; member->classic != NULL && k < member->classic->protocol_count; k++) {
                if (view_equal(member->classic->protocols[k].name, request->protocols[i].name)) {
                    known++;
                    break;
                }
            }
        }
        if (known == state->classic_count) {
            return true;
        }
    }
    return false;
}

/* What the request says becomes the step's member. False: out of memory. */
static bool take_request(struct modern_step *step, struct coord_call *call,
                         const struct modern_subscription_bytes *subscription)
{
    const struct kp_join_group_request *request = call->request;
    struct modern_member               *next = &step->next;
    struct arena                       *arena = &step->group->host->batch.arena;

    next->classic = arena_alloc(arena, sizeof(*next->classic));
    if (next->classic == NULL) {
        return false;
    }
    next->classic->session_timeout_ms = request->session_timeout_ms;
    next->classic->protocol_count = (uint32_t)request->protocols_count;
    next->classic->protocols =
        arena_alloc_array(arena, next->classic->protocol_count, sizeof(next->classic->protocols[0]));
    next->topics =
        modern__names_sorted(arena, subscription->topics, (uint32_t)subscription->topic_count, &next->topic_count);
    if (next->classic->protocols == NULL || next->topics == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < next->classic->protocol_count; i++) {
        next->classic->protocols[i] =
            (struct modern_protocol){.name = request->protocols[i].name, .metadata = request->protocols[i].metadata};
    }
    if (request->group_instance_id.base != NULL) {
        next->instance_id = request->group_instance_id;
    }
    next->regex = (struct view){0};
    next->rack_id = subscription->rack_id;
    next->rebalance_timeout_ms =
        request->rebalance_timeout_ms < 0 ? request->session_timeout_ms : request->rebalance_timeout_ms;
    next->client_id = call->client_id.base == NULL ? view_text("") : call->client_id;
    next->client_host = call->client_host;
    return true;
}

/* After the records are applied: deadlines, the answer, perhaps the way back to the classic protocol. */
static void join_answer(struct group *group, struct coord_call *call, struct view member_id)
{
    const struct kp_join_group_request *request = call->request;
    struct kp_join_group_response      *response = call->response;
    struct modern_group                *state = group->modern->state;
    struct modern_member               *member = modern_member_find(state, member_id);

    modern_settle(state, member_id);
    modern__deadline_clear(member, MODERN_JOIN);
    modern__deadline_set(member, MODERN_SYNC, member->rebalance_timeout_ms);
    response->error_code = KP_ERR_NONE;
    response->member_id = coord__text(call, member->id);
    response->generation_id = member->epoch;
    response->protocol_type = view_text("consumer");
    response->protocol_name = request->protocols[0].name;
    response->leader = view_text("");
    /* A static member that came back with the classic protocol may have been the last one of the consumer protocol. */
    if (group_modern__can_downgrade(group, NULL, 0) && !group_modern__downgrade(group, NULL, 0)) {
        slog_warn("coord", "group %.*s: its records as a classic group do not fit a batch", (int)group->id.len,
                  (const char *)group->id.base);
    }
    coord__commit(group->groups->slot, call);
}

static int16_t join_decide(struct group *group, struct coord_call *call, const struct modern_member *from,
                           struct view member_id, const struct modern_subscription_bytes *subscription)
{
    struct modern_step step;
    int16_t            error = KP_ERR_NONE;

    modern__step_begin(&step, group->modern->state);
    modern__step_member(&step, from, member_id);
    if (!take_request(&step, call, subscription) || !modern__step_subscription(&step) || !modern__step_target(&step)) {
        error = KP_ERR_UNKNOWN_SERVER_ERROR;
    } else {
        modern__step_reconcile(&step, &subscription->owned);
    }
    modern__step_end(&step);
    if (error == KP_ERR_NONE && !group_modern__write(group)) {
        error = KP_ERR_UNKNOWN_SERVER_ERROR;
    }
    return error;
}

static void join_as(struct group *group, struct coord_call *call, const struct modern_member *from,
                    struct view member_id)
{
    const struct kp_join_group_request *request = call->request;
    struct modern_group                *state = group->modern->state;
    struct modern_subscription_bytes    subscription;
    int16_t                             error;

    modern_batch_reset(&state->host->batch);
    if (!modern_subscription_read(state->host, request->protocols[0].metadata, &state->host->batch.arena,
                                  &subscription)) {
        join_fail(call, KP_ERR_INCONSISTENT_GROUP_PROTOCOL, request->member_id);
        return;
    }
    error = join_decide(group, call, from, member_id, &subscription);
    modern_parts_deinit(&subscription.owned);
    if (error != KP_ERR_NONE) {
        join_fail(call, error, request->member_id);
        return;
    }
    group_modern__apply(group);
    join_answer(group, call, member_id);
}

/* For someone without an id: a member of its own, or a static member's place. */
static void join_new(struct group *group, struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;
    struct modern_group                *state = group->modern->state;
    bool                                is_static = request->group_instance_id.base != NULL;
    struct view                         member_id =
        group__make_member_id(group->groups->coord, call, is_static ? request->group_instance_id : call->client_id);

    if (member_id.base == NULL) {
        join_fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE, view_text(""));
    } else if (!is_static && call->version >= JOIN_REQUIRES_ID) {
        struct kp_join_group_response *response = call->response;

        group__fill_error(call, KP_ERR_MEMBER_ID_REQUIRED);
        response->member_id = member_id;
        coord__commit(group->groups->slot, call);
    } else {
        join_as(group, call, is_static ? map_get(&state->instances, request->group_instance_id) : NULL, member_id);
    }
}

void group_modern__classic_join(struct group *group, struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;
    struct modern_group                *state = group->modern->state;
    const struct modern_member         *member = modern_member_find(state, request->member_id);
    struct modern_settings              settings;
    int16_t                             error;

    state->host->ops->settings(state->host, state->id, &settings);
    if (map_count(&state->members) >= (size_t)settings.size_max && member == NULL) {
        join_fail(call, KP_ERR_GROUP_MAX_SIZE_REACHED, request->member_id);
    } else if (!protocols_fit(state, request)) {
        join_fail(call, KP_ERR_INCONSISTENT_GROUP_PROTOCOL, request->member_id);
    } else if (request->member_id.len == 0) {
        join_new(group, call);
    } else if (request->group_instance_id.base == NULL) {
        join_as(group, call, member, request->member_id); /* known, or with the id it was given a moment ago */
    } else {
        error = find_member(state, request->member_id, request->group_instance_id, false, &member);
        if (error != KP_ERR_NONE) {
            join_fail(call, error, request->member_id);
        } else {
            join_as(group, call, member, request->member_id);
        }
    }
}

/* --- SyncGroup and Heartbeat -------------------------------------------------------------------------------------- */

static int16_t sync_check(const struct modern_group *state, const struct kp_sync_group_request *request,
                          const struct modern_member **out_member)
{
    int16_t error =
        find_classic(state, request->member_id, request->group_instance_id, request->generation_id, out_member);

    if (error != KP_ERR_NONE) {
        return error;
    }
    if ((request->protocol_type.base != NULL && !same(request->protocol_type, view_text("consumer"))) ||
        (request->protocol_name.base != NULL &&
         !same(request->protocol_name, (*out_member)->classic->protocols[0].name))) {
        return KP_ERR_INCONSISTENT_GROUP_PROTOCOL;
    }
    /* Who still has to give something up is told of it by this very assignment. */
    if (state->target_epoch > (*out_member)->epoch && (*out_member)->state != MODERN_UNREVOKED) {
        return KP_ERR_REBALANCE_IN_PROGRESS;
    }
    return KP_ERR_NONE;
}

void group_modern__classic_sync(struct group *group, struct coord_call *call)
{
    const struct kp_sync_group_request *request = call->request;
    struct kp_sync_group_response      *response = call->response;
    struct modern_group                *state = group->modern->state;
    const struct modern_member         *found = NULL;
    int16_t                             error = sync_check(state, request, &found);
    struct modern_member               *member = found == NULL ? NULL : modern_member_find(state, found->id);

    if (error == KP_ERR_REBALANCE_IN_PROGRESS) {
        await_join(member);
    }
    if (error != KP_ERR_NONE) {
        coord__fail(call, error);
        return;
    }
    modern_batch_reset(&state->host->batch);
    response->assignment =
        modern_assignment_write(state->host, &member->assigned, member->classic->protocols[0].metadata, call->arena);
    if (response->assignment.base == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    response->error_code = KP_ERR_NONE;
    response->protocol_type = request->protocol_type;
    response->protocol_name = request->protocol_name;
    modern__deadline_clear(member, MODERN_SYNC);
    modern__deadline_set(member, MODERN_SESSION, member->classic->session_timeout_ms);
    coord__commit(group->groups->slot, call);
}

/* Somebody has what it is to have. */
static bool waits_for_others(const struct modern_group *state, const struct modern_member *member)
{
    for (uint32_t i = 0; i < member->target.count; i++) {
        const struct modern_part   *item = &member->target.items[i];
        const struct modern_member *owner = modern_owners_get(&state->owners, item->topic_id, item->partition);

        if (owner != NULL && owner != member) {
            return true;
        }
    }
    return false;
}

void group_modern__classic_heartbeat(struct group *group, struct coord_call *call)
{
    const struct kp_heartbeat_request *request = call->request;
    struct kp_heartbeat_response      *response = call->response;
    struct modern_group               *state = group->modern->state;
    const struct modern_member        *found = NULL;
    int16_t error = find_classic(state, request->member_id, request->group_instance_id, request->generation_id, &found);

    if (error != KP_ERR_NONE) {
        coord__fail(call, error);
        return;
    }
    struct modern_member *member = modern_member_find(state, found->id);
    modern__deadline_set(member, MODERN_SESSION, member->classic->session_timeout_ms);
    response->error_code = KP_ERR_NONE;
    if (member->epoch < state->epoch || member->state == MODERN_UNREVOKED ||
        (member->state == MODERN_UNRELEASED && !waits_for_others(state, member))) {
        response->error_code = KP_ERR_REBALANCE_IN_PROGRESS;
        await_join(member);
    }
    coord__commit(group->groups->slot, call);
}

/* --- LeaveGroup --------------------------------------------------------------------------------------------------- */

/* Each identity once; a second time it is unknown, as if the first had been done already. */
static int16_t leave_one(const struct modern_group *state, const struct kp_leave_group_request_members *identity,
                         const struct modern_member **leavers, uint32_t *count)
{
    const struct modern_member *member = NULL;
    int16_t error = find_member(state, identity->member_id, identity->group_instance_id, true, &member);

    if (error != KP_ERR_NONE) {
        return error;
    }
    for (uint32_t i = 0; i < *count; i++) {
        if (leavers[i] == member) {
            return KP_ERR_UNKNOWN_MEMBER_ID;
        }
    }
    leavers[(*count)++] = member; /* of either protocol: administrators remove members this way */
    return KP_ERR_NONE;
}

static void leave_single(struct group *group, struct coord_call *call, const struct modern_member **leavers,
                         uint32_t *count)
{
    const struct kp_leave_group_request  *request = call->request;
    struct kp_leave_group_response       *response = call->response;
    struct kp_leave_group_request_members identity = {.member_id = request->member_id};

    response->error_code = leave_one(group->modern->state, &identity, leavers, count);
}

void group_modern__classic_leave(struct group *group, struct coord_call *call)
{
    const struct kp_leave_group_request *request = call->request;
    struct kp_leave_group_response      *response = call->response;
    size_t                               listed = (size_t)MAX(request->members_count, 0);
    const struct modern_member         **leavers = coord__alloc(call, listed + 1, sizeof(leavers[0]));
    uint32_t                             count = 0;

    response->members = coord__alloc(call, listed, sizeof(response->members[0]));
    if (leavers == NULL || response->members == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    response->error_code = KP_ERR_NONE;
    if (call->version < 3) {
        leave_single(group, call, leavers, &count);
    }
    for (int32_t i = 0; call->version >= 3 && i < (int32_t)listed; i++) {
        struct kp_leave_group_response_members *out = &response->members[response->members_count++];

        out->member_id = request->members[i].member_id;
        out->group_instance_id = request->members[i].group_instance_id;
        out->error_code = leave_one(group->modern->state, &request->members[i], leavers, &count);
    }
    if (count != 0 && !group_modern__remove(group, leavers, count, "it leaves")) {
        coord__fail(call, KP_ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    coord__commit(group->groups->slot, call);
}
