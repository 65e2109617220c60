/* What groups look like from outside: ListGroups, DescribeGroups, and their end: DeleteGroups. */
#include "core/coord/group.h"

#define SHOW_ERROR_VERSION 6 /* DescribeGroups says GROUP_ID_NOT_FOUND instead of a group that is dead */
/* Without an authorizer every operation on a group is allowed: Read, Delete, Describe, DescribeConfigs, AlterConfigs
 * (AclEntry.supportedOperations). */
#define SHOW_OPERATIONS_NOT_ASKED INT32_MIN

static const char *const show_states[GROUP_STATE_COUNT] = {
    [GROUP_EMPTY] = "Empty",   [GROUP_PREPARING] = "PreparingRebalance",
    [GROUP_STABLE] = "Stable", [GROUP_COMPLETING] = "CompletingRebalance",
    [GROUP_DEAD] = "Dead",
};

static const char *show_state(const struct group *group)
{
    return group->type == GROUP_CONSUMER ? group_modern__state_name(group) : show_states[group->state];
}

/* --- ListGroups -------------------------------------------------------------------------------------------------- */

static bool show_same_word(struct view asked, const char *word)
{
    size_t len = strlen(word);

    if (asked.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        uint8_t a = asked.base[i];
        uint8_t b = (uint8_t)word[i];

        a = a >= 'A' && a <= 'Z' ? (uint8_t)(a + 32) : a;
        b = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
        if (a != b) {
            return false;
        }
    }
    return true;
}

static bool show_listed(const struct view *filter, int32_t count, const char *word)
{
    for (int32_t i = 0; i < count; i++) {
        if (show_same_word(filter[i], word)) {
            return true;
        }
    }
    return count <= 0;
}

static const char *list_type(const struct group *group)
{
    return group->type == GROUP_CONSUMER ? "consumer" : "classic";
}

/* Copies: the groups may be gone when the answer leaves. */
static bool list_fill(struct coord_call *call, const struct group *group, struct kp_list_groups_response_groups *out)
{
    out->group_id = coord__text(call, group->id);
    out->protocol_type = group->type == GROUP_CONSUMER       ? view_text("consumer")
                         : group->protocol_type.base == NULL ? view_text("")
                                                             : coord__text(call, group->protocol_type);
    out->group_state = view_text(show_state(group));
    out->group_type = view_text(list_type(group));
    return out->group_id.base != NULL && out->protocol_type.base != NULL;
}

static bool list_slot(struct coord_call *call, const struct groups *groups)
{
    const struct kp_list_groups_request *request = call->request;
    struct kp_list_groups_response      *response = call->response;

    MAP_EACH(&groups->by_id, entry) {
        const struct group *group = entry->value;

        if (show_listed(request->states_filter, request->states_filter_count, show_state(group)) &&
            show_listed(request->types_filter, request->types_filter_count, list_type(group)) &&
            !list_fill(call, group, &response->groups[response->groups_count++])) {
            return false;
        }
    }
    return true;
}

void coord_list_groups(struct coord *coord, struct coord_call *call)
{
    struct kp_list_groups_response *response = call->response;
    struct coord_slot              *slot;
    int32_t                         position = 0;
    size_t                          total = 0;

    call->coord_ = coord;
    while ((slot = coord__slot_next(coord, COORD_GROUPS, &position)) != NULL) {
        total += map_count(&CONTAINER_OF(slot->machine, struct groups, machine)->by_id);
    }
    response->groups = coord__alloc(call, total, sizeof(*response->groups));
    if (response->groups == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    position = 0;
    while ((slot = coord__slot_next(coord, COORD_GROUPS, &position)) != NULL) {
        if (coord_log_state(slot->log) == COORD_LOG_ACTIVE &&
            !list_slot(call, CONTAINER_OF(slot->machine, struct groups, machine))) {
            response->groups_count = 0;
            coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
            return;
        }
    }
    if (coord__loading(coord, COORD_GROUPS)) { /* a part of them would look like all of them */
        response->groups_count = 0;
        response->error_code = KP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    }
    coord__finish(call);
}

/* --- DescribeGroups ---------------------------------------------------------------------------------------------- */

static bool describe_member(struct coord_call *call, const struct group_member *member,
                            struct kp_describe_groups_response_groups_members *out)
{
    const struct group *group = member->group;
    bool                stable = group->state == GROUP_STABLE;

    out->member_id = coord__text(call, member->id);
    out->group_instance_id = coord__text(call, member->instance_id);
    out->client_id = member->client_id.base == NULL ? view_text("") : coord__text(call, member->client_id);
    out->client_host = member->client_host.base == NULL ? view_text("") : coord__text(call, member->client_host);
    out->member_metadata = stable ? coord__text(call, group__member_metadata(member, group->protocol)) : view_text("");
    out->member_assignment =
        stable && member->assignment.base != NULL ? coord__text(call, member->assignment) : view_text("");
    return out->member_id.base != NULL && out->client_id.base != NULL && out->client_host.base != NULL &&
           out->member_metadata.base != NULL && out->member_assignment.base != NULL;
}

static bool describe_group(struct coord_call *call, const struct group *group,
                           struct kp_describe_groups_response_groups *out)
{
    out->group_state = view_text(show_state(group));
    out->protocol_type = group->protocol_type.base == NULL ? view_text("") : coord__text(call, group->protocol_type);
    out->protocol_data = group->state == GROUP_STABLE ? coord__text(call, group->protocol) : view_text("");
    out->members = coord__alloc(call, group->member_count, sizeof(*out->members));
    if (out->members == NULL || out->protocol_type.base == NULL || out->protocol_data.base == NULL) {
        return false;
    }
    LIST_EACH(&group->members, node) {
        const struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        if (!member->pending && !describe_member(call, member, &out->members[out->members_count++])) {
            return false;
        }
    }
    return true;
}

static void describe_unknown(struct coord_call *call, struct kp_describe_groups_response_groups *out, const char *why)
{
    out->group_state = view_text(show_states[GROUP_DEAD]);
    if (call->version >= SHOW_ERROR_VERSION) {
        out->error_code = KP_ERR_GROUP_ID_NOT_FOUND;
        out->error_message = view_text(why);
    }
}

static void describe_one(struct coord *coord, struct coord_call *call, struct kp_describe_groups_response_groups *out)
{
    int16_t             error = group__check_id(out->group_id, true);
    struct coord_slot  *slot = error != 0 ? NULL : coord__slot(coord, COORD_GROUPS, out->group_id, &error);
    const struct group *group;

    if (slot == NULL) {
        out->error_code = error;
        return;
    }
    group = group__find(CONTAINER_OF(slot->machine, struct groups, machine), out->group_id);
    if (group == NULL) {
        describe_unknown(call, out, "There is no such group.");
    } else if (group->type == GROUP_CONSUMER) {
        describe_unknown(call, out, "The group is not a classic group.");
    } else if (!describe_group(call, group, out)) {
        out->members_count = 0;
        out->error_code = KP_ERR_COORDINATOR_NOT_AVAILABLE;
    }
}

void coord_describe_groups(struct coord *coord, struct coord_call *call)
{
    const struct kp_describe_groups_request *request = call->request;
    struct kp_describe_groups_response      *response = call->response;

    call->coord_ = coord;
    response->groups = coord__alloc(call, (size_t)request->groups_count, sizeof(*response->groups));
    if (response->groups == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    response->groups_count = request->groups_count;
    for (int32_t i = 0; i < request->groups_count; i++) {
        struct kp_describe_groups_response_groups *out = &response->groups[i];

        kp_describe_groups_response_groups_init(out);
        out->group_id = request->groups[i];
        describe_one(coord, call, out);
        out->authorized_operations = request->include_authorized_operations && out->error_code == 0
                                         ? GROUP_OPERATIONS
                                         : SHOW_OPERATIONS_NOT_ASKED;
    }
    group__commit_all(coord, call, request->groups, request->groups_count);
}

/* --- DeleteGroups ------------------------------------------------------------------------------------------------ */

static int16_t delete_group(struct coord *coord, struct view group_id)
{
    int16_t            error = group__check_id(group_id, true);
    struct coord_slot *slot = error != 0 ? NULL : coord__slot(coord, COORD_GROUPS, group_id, &error);
    struct group      *group;

    if (slot == NULL) {
        return error;
    }
    group = group__find(CONTAINER_OF(slot->machine, struct groups, machine), group_id);
    if (group == NULL) {
        return KP_ERR_GROUP_ID_NOT_FOUND;
    }
    if (!group__is_empty(group)) {
        return KP_ERR_NON_EMPTY_GROUP;
    }
    group__add_tombstones(group);
    if (!coord_log_fits(slot->log)) {
        coord_log_drop(slot->log);
        return KP_ERR_UNKNOWN_SERVER_ERROR;
    }
    coord_log_commit(slot->log, NULL);
    group__destroy(group);
    return KP_ERR_NONE;
}

void coord_delete_groups(struct coord *coord, struct coord_call *call)
{
    const struct kp_delete_groups_request *request = call->request;
    struct kp_delete_groups_response      *response = call->response;

    call->coord_ = coord;
    response->results = coord__alloc(call, (size_t)request->groups_names_count, sizeof(*response->results));
    if (response->results == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    response->results_count = request->groups_names_count;
    for (int32_t i = 0; i < request->groups_names_count; i++) {
        response->results[i].group_id = request->groups_names[i];
        response->results[i].error_code = delete_group(coord, request->groups_names[i]);
    }
    group__commit_all(coord, call, request->groups_names, request->groups_names_count);
}
