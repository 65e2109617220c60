/* Consumer groups (KIP-848) where there are none: the doors of group.h, closed. */
#include "core/coord/group.h"

void group_modern__replay(struct groups *groups, int16_t type, struct kp_reader *key, const struct coord_record *record)
{
    MAYBE(groups != NULL && type > 0 && key != NULL && record != NULL);
}

void group_modern__loaded(struct group *group)
{
    MAYBE(group != NULL);
}

void group_modern__free(struct group *group, int16_t error)
{
    MAYBE(group != NULL && error != 0);
}

bool group_modern__is_empty(const struct group *group)
{
    return group->modern == NULL;
}

void group_modern__add_tombstones(struct group *group)
{
    MAYBE(group != NULL);
}

const char *group_modern__state_name(const struct group *group)
{
    MAYBE(group != NULL);
    return "Empty";
}

bool group_modern__subscribed(const struct group *group, struct view topic)
{
    MAYBE(group != NULL && topic.len > 0);
    return false;
}

int16_t group_modern__check_commit(struct group *group, struct view member_id, struct view instance_id, int32_t epoch,
                                   bool transactional, int16_t version)
{
    MAYBE(group != NULL && member_id.len > 0 && instance_id.len > 0 && epoch > 0 && transactional && version > 0);
    return KP_ERR_UNKNOWN_MEMBER_ID;
}

int16_t group_modern__check_fetch(struct group *group, struct view member_id, int32_t epoch)
{
    MAYBE(group != NULL && member_id.len > 0 && epoch > 0);
    return KP_ERR_UNKNOWN_MEMBER_ID;
}

void group_modern__classic_join(struct group *group, struct coord_call *call)
{
    MAYBE(group != NULL);
    coord__fail(call, KP_ERR_INCONSISTENT_GROUP_PROTOCOL);
}

void group_modern__classic_sync(struct group *group, struct coord_call *call)
{
    MAYBE(group != NULL);
    coord__fail(call, KP_ERR_UNKNOWN_MEMBER_ID);
}

void group_modern__classic_heartbeat(struct group *group, struct coord_call *call)
{
    MAYBE(group != NULL);
    coord__fail(call, KP_ERR_UNKNOWN_MEMBER_ID);
}

void group_modern__classic_leave(struct group *group, struct coord_call *call)
{
    MAYBE(group != NULL);
    coord__fail(call, KP_ERR_UNKNOWN_MEMBER_ID);
}

void group_modern__fill_error(struct coord_call *call, int16_t error)
{
    if (call->api_key == KP_CONSUMER_GROUP_HEARTBEAT_KEY) {
        ((struct kp_consumer_group_heartbeat_response *)call->response)->error_code = error;
    }
}
