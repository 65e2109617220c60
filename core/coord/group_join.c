/* JoinGroup: into the group, or into its next generation. */
#include "core/coord/group_classic.h"

#define JOIN_SKIP_VERSION      9 /* knows skip_assignment (KIP-814) */
#define JOIN_REQUIRES_ID       4 /* a new member gets its id first and comes again with it (KIP-394) */
#define JOIN_REBALANCE_VERSION 1 /* has a rebalance timeout of its own */
/* What a member may say about itself: several times what the group's record could hold of it. */
#define JOIN_PROTOCOL_BYTES_MAX ((size_t)(4 * MIB))

static int32_t join_rebalance_ms(const struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;

    return call->version >= JOIN_REBALANCE_VERSION ? request->rebalance_timeout_ms : request->session_timeout_ms;
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static void join_fail(struct coord_call *call, int16_t error, struct view member_id)
{
    struct kp_join_group_response *response = call->response;

    coord__fail(call, error);
    response->member_id = member_id;
}

static bool join_list_members(const struct group *group, struct coord_call *call)
{
    struct kp_join_group_response         *response = call->response;
    struct kp_join_group_response_members *out = coord__alloc(call, group->member_count, sizeof(*out));
    int32_t                                count = 0;

    if (out == NULL) {
        return false;
    }
    LIST_EACH(&group->members, node) {
        const struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        if (member->pending) {
            continue;
        }
        out[count].member_id = coord__text(call, member->id);
        out[count].group_instance_id = coord__text(call, member->instance_id);
        out[count].metadata = coord__text(call, group__member_metadata(member, group->protocol));
        if (out[count].member_id.base == NULL || out[count].metadata.base == NULL) {
            return false;
        }
        count++;
    }
    response->members = out;
    response->members_count = count;
    return true;
}

void group__answer_join(struct group_member *member, struct coord_call *call, bool skip_assignment)
{
    const struct group            *group = member->group;
    struct kp_join_group_response *response = call->response;

    call->waits_for_ = NULL;
    call->cancel_ = NULL;
    response->error_code = KP_ERR_NONE;
    response->generation_id = group->generation;
    response->protocol_type = coord__text(call, group->protocol_type);
    response->protocol_name = coord__text(call, group->protocol);
    response->leader = coord__text(call, group->leader->id);
    response->skip_assignment = skip_assignment;
    response->member_id = coord__text(call, member->id);
    if (response->member_id.base == NULL || response->leader.base == NULL ||
        (group->leader == member && !join_list_members(group, call))) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    coord__commit(group->groups->slot, call);
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

/* The client has gone; the member stays until its session is over. */
static void join_cancel(struct coord_call *call)
{
    struct group_member *member = call->waits_for_;

    CHECK(member->join_call == call);
    member->join_call = NULL;
    coord__fail(call, KP_ERR_REBALANCE_IN_PROGRESS);
}

static void join_park(struct group_member *member, struct coord_call *call)
{
    struct coord_call *earlier = member->join_call;

    if (!member->joined) {
        member->joined = true;
        member->group->joined_count++;
    }
    member->join_call = call;
    call->waits_for_ = member;
    call->cancel_ = join_cancel;
    if (earlier != NULL) { /* of a connection that its client has given up */
        coord__fail(earlier, KP_ERR_REBALANCE_IN_PROGRESS);
    }
}

static void join_update(struct group_member *member, struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;

    group__member_set_protocols(member, (const struct group_protocol *)request->protocols,
                                (uint32_t)request->protocols_count);
    member->rebalance_timeout_ms = join_rebalance_ms(call);
    member->session_timeout_ms = request->session_timeout_ms;
}

/* --- new members ------------------------------------------------------------------------------------------------- */

static void join_add(struct group *group, struct coord_call *call, struct view member_id)
{
    const struct kp_join_group_request *request = call->request;
    struct group_member                *member;

    if (group->member_count == 0) {
        group__set_protocol_type(group, request->protocol_type);
    }
    member = group__member_add(group, member_id, request->group_instance_id, call->client_id, call->client_host);
    join_update(member, call);
    if (group->state == GROUP_PREPARING && group->initial) {
        group->new_member_added = true;
    }
    join_park(member, call);
    group__member_alive(member, GROUP_NEW_JOIN_MS);
    group__rebalance_or_complete(group, "a new member");
}

/* An id for a client that has none yet: it comes again with it, so that a lost answer leaves no dead member behind. */
static void join_give_id(struct group *group, struct coord_call *call, struct view member_id)
{
    const struct kp_join_group_request *request = call->request;
    struct group_member                *member;
    struct kp_join_group_response      *response = call->response;

    if (group->pending_count >= GROUP_PENDING_MAX) {
        join_fail(call, KP_ERR_GROUP_MAX_SIZE_REACHED, view_text(""));
        return;
    }
    member = group__member_add_pending(group, member_id);
    member->session_timeout_ms = request->session_timeout_ms;
    group__member_alive(member, 0);
    group__fill_error(call, KP_ERR_MEMBER_ID_REQUIRED);
    response->member_id = member_id;
    coord__commit(group->groups->slot, call);
}

static void join_replace_static(struct group_member *member, struct coord_call *call, struct view member_id)
{
    const struct kp_join_group_request *request = call->request;
    struct group                       *group = member->group;
    struct kp_join_group_response      *response = call->response;
    struct view                         old_leader = coord__text(call, group->leader->id);
    bool                                leads = group->leader == member;

    group__member_end_calls(member, KP_ERR_FENCED_INSTANCE_ID);
    group__member_rename(member, member_id);
    join_update(member, call);
    group__member_alive(member, 0);
    if (group->state == GROUP_PREPARING) {
        join_park(member, call);
        group__maybe_complete_join(group);
        return;
    }
    if (group->state != GROUP_STABLE || !view_equal(group->protocol, group__protocol_choose(group))) {
        join_park(member, call);
        group__prepare_rebalance(group, "a static member came back");
        return;
    }
    group__add_record(group, true);
    coord_log_commit(group__log(group), NULL);
    if (call->version >= JOIN_SKIP_VERSION) {
        group__answer_join(member, call, leads);
    } else { /* the former leader's id stands there, so that the client does not assign */
        response->generation_id = group->generation;
        response->protocol_type = coord__text(call, group->protocol_type);
        response->protocol_name = coord__text(call, group->protocol);
        response->leader = old_leader;
        response->member_id = coord__text(call, member->id);
        coord__commit(group->groups->slot, call);
    }
    MAYBE(request->reason.base == NULL);
}

static void join_new(struct group *group, struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;
    bool                                is_static = request->group_instance_id.base != NULL;
    struct group_member                *existing = group__member_find_static(group, request->group_instance_id);
    struct view                         member_id =
        group__make_member_id(group->groups->coord, call, is_static ? request->group_instance_id : call->client_id);

    if (member_id.base == NULL) {
        join_fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE, view_text(""));
    } else if (existing != NULL) {
        join_replace_static(existing, call, member_id);
    } else if (!is_static && call->version >= JOIN_REQUIRES_ID) {
        join_give_id(group, call, member_id);
    } else {
        join_add(group, call, member_id);
    }
}

/* --- known members ----------------------------------------------------------------------------------------------- */

static void join_again(struct group_member *member, struct coord_call *call, const char *reason)
{
    join_update(member, call);
    join_park(member, call);
    group__rebalance_or_complete(member->group, reason);
}

static void join_known(struct group *group, struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;
    struct group_member                *member = group__member_find(group, request->member_id);
    int16_t error = group__member_check(group, request->member_id, request->group_instance_id);
    bool    same;

    if (error != 0) {
        join_fail(call, error, request->member_id);
        return;
    }
    same = group__member_matches(member, (const struct group_protocol *)request->protocols,
                                 (uint32_t)request->protocols_count);
    if (group->state == GROUP_PREPARING) {
        join_again(member, call, "a member joins again");
    } else if (group->state == GROUP_COMPLETING && same) {
        group__answer_join(member, call, false); /* its first answer was lost */
    } else if (group->state == GROUP_STABLE && same && group->leader != member) {
        group__answer_join(member, call, false);
    } else if (group->state == GROUP_EMPTY) {
        join_fail(call, KP_ERR_UNKNOWN_MEMBER_ID, request->member_id);
    } else {
        join_again(member, call, same ? "the leader joins again" : "a member's metadata changed");
    }
}

static bool join_accepted(const struct group *group, struct view member_id)
{
    const struct group_member *member = group__member_find(group, member_id);
    uint32_t                   size_max = (uint32_t)coord__settings(group->groups->coord)->group_max_size;

    switch (group->state) {
    case GROUP_PREPARING:
        return (member != NULL && member->joined) || group->joined_count < size_max;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        return member != NULL || group->member_count < size_max;
    default:
        return true;
    }
}

static void join_refuse(struct group *group, struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;
    struct group_member                *member = map_get(&group->by_member_id, request->member_id);

    if (member != NULL) {
        group__classic_lost(member, KP_ERR_GROUP_MAX_SIZE_REACHED, "the group is too large");
    }
    join_fail(call, KP_ERR_GROUP_MAX_SIZE_REACHED, view_text(""));
}

static void join_classic(struct group *group, struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;
    struct group_member                *pending = group__member_find_pending(group, request->member_id);
    bool                                is_new = request->member_id.len == 0;

    if (!join_accepted(group, request->member_id)) {
        join_refuse(group, call);
    } else if (!group__protocols_fit(group, request->protocol_type, (const struct group_protocol *)request->protocols,
                                     (uint32_t)request->protocols_count)) {
        join_fail(call, KP_ERR_INCONSISTENT_GROUP_PROTOCOL, request->member_id);
    } else if (is_new) {
        join_new(group, call);
    } else if (pending != NULL && request->group_instance_id.base == NULL) {
        group__member_remove(pending, KP_ERR_UNKNOWN_MEMBER_ID);
        join_add(group, call, request->member_id);
    } else {
        join_known(group, call);
    }
    DCHECK((group__verify(group), true));
}

/* --- the request ------------------------------------------------------------------------------------------------- */

STATIC_CHECK(sizeof(struct group_protocol) == sizeof(struct kp_join_group_request_protocols) &&
             offsetof(struct group_protocol, metadata) == offsetof(struct kp_join_group_request_protocols, metadata));

static bool join_protocols_fit(const struct kp_join_group_request *request)
{
    size_t bytes = 0;

    for (int32_t i = 0; i < request->protocols_count; i++) {
        bytes += sizeof(struct group_protocol) + request->protocols[i].name.len + request->protocols[i].metadata.len;
    }
    return bytes <= JOIN_PROTOCOL_BYTES_MAX;
}

void coord_join_group(struct coord *coord, struct coord_call *call)
{
    const struct kp_join_group_request *request = call->request;
    const struct coord_settings        *settings = coord__settings(coord);
    struct groups                      *groups;
    struct group                       *group;

    call->coord_ = coord;
    if (group__check_id(request->group_id, false) != 0) {
        join_fail(call, KP_ERR_INVALID_GROUP_ID, request->member_id);
        return;
    }
    if (request->session_timeout_ms < settings->group_min_session_ms ||
        request->session_timeout_ms > settings->group_max_session_ms) {
        join_fail(call, KP_ERR_INVALID_SESSION_TIMEOUT, request->member_id);
        return;
    }
    if (!join_protocols_fit(request)) { /* Kafka takes it in and fails when the group's record is written */
        join_fail(call, KP_ERR_UNKNOWN_SERVER_ERROR, request->member_id);
        return;
    }
    if (!group__route(coord, call, request->group_id, &groups, &group)) {
        return;
    }
    if (group != NULL && group->type == GROUP_CONSUMER && !group_modern__is_empty(group)) {
        group_modern__classic_join(group, call);
        return;
    }
    if (group != NULL && group->type == GROUP_CONSUMER) { /* nobody is left: it starts anew as a classic group */
        group_modern__add_tombstones(group);
        group_modern__free(group, KP_ERR_UNKNOWN_MEMBER_ID);
        group->type = GROUP_CLASSIC;
        group__add_record(group, false);
        coord_log_commit(group__log(group), NULL);
    }
    if (group == NULL && request->member_id.len > 0) {
        join_fail(call, KP_ERR_UNKNOWN_MEMBER_ID, request->member_id);
        return;
    }
    if (group == NULL) {
        group = group__create(groups, request->group_id);
        group__add_record(group, false);
        coord_log_commit(group__log(group), NULL);
    }
    join_classic(group, call);
}
