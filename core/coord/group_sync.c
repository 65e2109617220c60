/* SyncGroup, Heartbeat and LeaveGroup of the classic protocol. */
#include "core/coord/group_classic.h"

/* --- SyncGroup --------------------------------------------------------------------------------------------------- */

static void sync_cancel(struct coord_call *call)
{
    struct group_member *member = call->waits_for_;

    CHECK(member->sync_call == call);
    member->sync_call = NULL;
    group__member_alive(member, 0);
    coord__fail(call, KP_ERR_REBALANCE_IN_PROGRESS);
}

static void sync_answer(struct group_member *member, struct coord_call *call)
{
    struct kp_sync_group_response *response = call->response;
    const struct group            *group = member->group;

    call->waits_for_ = NULL;
    call->cancel_ = NULL;
    response->error_code = KP_ERR_NONE;
    response->protocol_type = coord__text(call, group->protocol_type);
    response->protocol_name = coord__text(call, group->protocol);
    response->assignment = coord__text(call, member->assignment);
    if (member->assignment.base == NULL) {
        response->assignment = view_text("");
    } else if (response->assignment.base == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    coord__commit(group->groups->slot, call);
}

static void sync_park(struct group_member *member, struct coord_call *call)
{
    struct coord_call *earlier = member->sync_call;

    member->sync_call = call;
    call->waits_for_ = member;
    call->cancel_ = sync_cancel;
    if (earlier != NULL) {
        coord__fail(earlier, KP_ERR_REBALANCE_IN_PROGRESS);
    }
}

/* The leader has decided: written first, then told to everybody who waits. */
static void sync_assign(struct group *group, const struct kp_sync_group_request *request)
{
    LIST_EACH(&group->members, node) {
        group__member_set_assignment(LIST_ENTRY(node, struct group_member, link), (struct view){0});
    }
    for (int32_t i = 0; i < request->assignments_count; i++) {
        struct group_member *member = group__member_find(group, request->assignments[i].member_id);

        if (member != NULL) {
            group__member_set_assignment(member, request->assignments[i].assignment);
        }
    }
    group__move(group, GROUP_STABLE);
    group__add_record(group, true);
    if (!coord_log_fits(group__log(group))) {
        coord_log_drop(group__log(group));
        group->state = GROUP_COMPLETING; /* the move did not happen */
        group__end_syncs(group, KP_ERR_UNKNOWN_SERVER_ERROR);
        group__prepare_rebalance(group, "the group's record would be too large");
        return;
    }
    coord_log_commit(group__log(group), NULL);
    LIST_EACH(&group->members, node) {
        struct group_member *member = LIST_ENTRY(node, struct group_member, link);
        struct coord_call   *call = member->sync_call;

        if (call != NULL) {
            member->sync_call = NULL;
            group__member_alive(member, 0);
            sync_answer(member, call);
        }
    }
}

static bool sync_disagrees(struct view asked, struct view have)
{
    return asked.base != NULL && have.base != NULL && !view_equal(asked, have);
}

static int16_t sync_check(const struct group *group, const struct kp_sync_group_request *request)
{
    int16_t error = group__member_check(group, request->member_id, request->group_instance_id);

    if (error != 0) {
        return error;
    }
    if (request->generation_id != group->generation) {
        return KP_ERR_ILLEGAL_GENERATION;
    }
    if (sync_disagrees(request->protocol_type, group->protocol_type) ||
        sync_disagrees(request->protocol_name, group->protocol)) {
        return KP_ERR_INCONSISTENT_GROUP_PROTOCOL;
    }
    return group->state == GROUP_PREPARING ? KP_ERR_REBALANCE_IN_PROGRESS : KP_ERR_NONE;
}

void coord_sync_group(struct coord *coord, struct coord_call *call)
{
    const struct kp_sync_group_request *request = call->request;
    struct groups                      *groups;
    struct group                       *group;
    struct group_member                *member;
    int16_t                             error;

    if (!group__enter(coord, call, request->group_id, false, &groups, &group)) {
        return;
    }
    if (group == NULL || group__is_empty(group)) {
        coord__fail(call, KP_ERR_UNKNOWN_MEMBER_ID);
        return;
    }
    if (group->type == GROUP_CONSUMER) {
        group_modern__classic_sync(group, call);
        return;
    }
    error = sync_check(group, request);
    if (error != 0) {
        coord__fail(call, error);
        return;
    }
    member = group__member_find(group, request->member_id);
    if (group->state == GROUP_STABLE) {
        group__sync_seen(member);
        sync_answer(member, call);
        return;
    }
    sync_park(member, call);
    group__sync_seen(member);
    if (group->leader == member) {
        sync_assign(group, request);
    }
    DCHECK((group__verify(group), true));
}

/* --- Heartbeat --------------------------------------------------------------------------------------------------- */

static int16_t heartbeat_classic(struct group *group, const struct kp_heartbeat_request *request)
{
    int16_t error = group__member_check(group, request->member_id, request->group_instance_id);

    if (error != 0) {
        return error;
    }
    if (request->generation_id != group->generation) {
        return KP_ERR_ILLEGAL_GENERATION;
    }
    group__member_alive(group__member_find(group, request->member_id), 0);
    return group->state == GROUP_PREPARING ? KP_ERR_REBALANCE_IN_PROGRESS : KP_ERR_NONE;
}

void coord_heartbeat(struct coord *coord, struct coord_call *call)
{
    const struct kp_heartbeat_request *request = call->request;
    struct kp_heartbeat_response      *response = call->response;
    struct groups                     *groups;
    struct group                      *group;

    if (!group__enter(coord, call, request->group_id, false, &groups, &group)) {
        return;
    }
    if (group != NULL && group->type == GROUP_CONSUMER) {
        group_modern__classic_heartbeat(group, call);
        return;
    }
    response->error_code = group == NULL ? (int16_t)KP_ERR_UNKNOWN_MEMBER_ID : heartbeat_classic(group, request);
    coord__finish(call);
}

/* --- LeaveGroup -------------------------------------------------------------------------------------------------- */

static int16_t leave_one(struct group *group, struct view member_id, struct view instance_id)
{
    struct group_member *pending = group__member_find_pending(group, member_id);
    struct group_member *owner = group__member_find_static(group, instance_id);
    int16_t              error;

    if (member_id.len == 0) { /* an administrator removes a static member by its instance id */
        if (owner == NULL) {
            return KP_ERR_UNKNOWN_MEMBER_ID;
        }
        group__member_remove(owner, KP_ERR_UNKNOWN_MEMBER_ID);
        return KP_ERR_NONE;
    }
    if (pending != NULL) {
        group__member_remove(pending, KP_ERR_UNKNOWN_MEMBER_ID);
        return KP_ERR_NONE;
    }
    error = group__member_check(group, member_id, instance_id);
    if (error == 0) {
        group__member_remove(group__member_find(group, member_id), KP_ERR_UNKNOWN_MEMBER_ID);
    }
    return error;
}

/* Before version 3 one member leaves, and its error stands at the top. */
static int32_t leave_count(const struct coord_call *call)
{
    const struct kp_leave_group_request *request = call->request;

    return call->version < 3 ? 1 : request->members_count;
}

static bool leave_each(struct group *group, struct coord_call *call)
{
    const struct kp_leave_group_request *request = call->request;
    struct kp_leave_group_response      *response = call->response;
    bool                                 left = false;

    for (int32_t i = 0; i < leave_count(call); i++) {
        struct view member_id = call->version < 3 ? request->member_id : request->members[i].member_id;
        struct view instance_id = call->version < 3 ? (struct view){0} : request->members[i].group_instance_id;
        int16_t error = group == NULL ? (int16_t)KP_ERR_UNKNOWN_MEMBER_ID : leave_one(group, member_id, instance_id);

        left = left || error == 0;
        if (call->version < 3) {
            response->error_code = error;
        } else {
            response->members[i].member_id = member_id;
            response->members[i].group_instance_id = instance_id;
            response->members[i].error_code = error;
        }
    }
    return left;
}

void coord_leave_group(struct coord *coord, struct coord_call *call)
{
    const struct kp_leave_group_request *request = call->request;
    struct kp_leave_group_response      *response = call->response;
    struct groups                       *groups;
    struct group                        *group;

    if (!group__enter(coord, call, request->group_id, false, &groups, &group)) {
        return;
    }
    if (group != NULL && group->type == GROUP_CONSUMER) {
        group_modern__classic_leave(group, call);
        return;
    }
    if (call->version >= 3) {
        response->members = coord__alloc(call, (size_t)request->members_count, sizeof(*response->members));
        if (response->members == NULL) {
            coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
            return;
        }
        response->members_count = request->members_count;
    }
    if (leave_each(group, call)) {
        if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING) {
            group__prepare_rebalance(group, "members left");
        } else if (group->state == GROUP_PREPARING && group->member_count == 0) {
            group__complete_join(group); /* nobody is left to wait for */
        } else {
            group__maybe_complete_join(group);
        }
        DCHECK((group__verify(group), true));
    }
    coord__commit(groups->slot, call);
}
