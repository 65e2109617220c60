/* OffsetFetch: one group before version 8, several since. What is read may still be on its way to the disk: the answer
 * waits for it. */
#include "core/coord/group.h"

#define FETCH_GROUPS_VERSION 8
#define FETCH_IDS_VERSION    10

/* One partition's answer, whatever the version. */
struct fetched {
    int64_t     offset;
    int32_t     leader_epoch;
    struct view metadata;
    int16_t     error;
};

static struct fetched fetch_nothing(int16_t error)
{
    return (struct fetched){.offset = -1, .leader_epoch = -1, .metadata = view_text(""), .error = error};
}

static struct fetched fetch_one(struct coord_call *call, const struct group *group, struct view topic,
                                int32_t partition)
{
    const struct kp_offset_fetch_request *request = call->request;
    const struct offset_entry            *entry;
    struct fetched                        found;

    if (group == NULL) {
        return fetch_nothing(KP_ERR_NONE);
    }
    if (request->require_stable && group__offset_is_pending(group, topic, partition)) {
        return fetch_nothing(KP_ERR_UNSTABLE_OFFSET_COMMIT);
    }
    entry = group__offset_find(group, topic, partition);
    if (entry == NULL) {
        return fetch_nothing(KP_ERR_NONE);
    }
    found = (struct fetched){.offset = entry->offset, .leader_epoch = entry->leader_epoch};
    found.metadata = coord__text(call, entry->metadata);
    return found.metadata.base == NULL ? fetch_nothing(KP_ERR_COORDINATOR_NOT_AVAILABLE) : found;
}

/* --- several groups ---------------------------------------------------------------------------------------------- */

static bool fetch_topic(struct coord_call *call, const struct group *group, struct view name, struct uuid id,
                        const int32_t *partitions, int32_t count, int16_t error,
                        struct kp_offset_fetch_response_groups_topics *out)
{
    out->name = name;
    out->topic_id = id;
    out->partitions = coord__alloc(call, (size_t)count, sizeof(*out->partitions));
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct fetched found = error != 0 ? fetch_nothing(error) : fetch_one(call, group, name, partitions[i]);

        out->partitions[i] =
            (struct kp_offset_fetch_response_groups_topics_partitions){.partition_index = partitions[i],
                                                                       .committed_offset = found.offset,
                                                                       .committed_leader_epoch = found.leader_epoch,
                                                                       .metadata = found.metadata,
                                                                       .error_code = found.error};
    }
    return true;
}

static bool fetch_asked(struct coord *coord, struct coord_call *call, const struct group *group,
                        const struct kp_offset_fetch_request_groups *from, struct kp_offset_fetch_response_groups *out)
{
    for (int32_t i = 0; i < from->topics_count; i++) {
        const struct kp_offset_fetch_request_groups_topics *topic = &from->topics[i];
        struct view                                         name = topic->name;
        int16_t                                             error = KP_ERR_NONE;

        if (call->version >= FETCH_IDS_VERSION) {
            const struct meta_topic *known = meta_topic_by_id(coord->meta, topic->topic_id);

            name = known == NULL ? view_text("") : coord__text(call, known->name);
            error = known == NULL ? KP_ERR_UNKNOWN_TOPIC_ID : KP_ERR_NONE;
        }
        if (name.base == NULL || !fetch_topic(call, group, name, topic->topic_id, topic->partition_indexes,
                                              topic->partition_indexes_count, error, &out->topics[i])) {
            return false;
        }
        out->topics_count = i + 1;
    }
    return true;
}

static bool fetch_known_topic(struct coord *coord, struct coord_call *call, const struct group *group,
                              const struct offset_topic *topic, struct kp_offset_fetch_response_groups_topics *out)
{
    const struct meta_topic *known = meta_topic(coord->meta, topic->name);
    struct view              name = coord__text(call, topic->name);
    int32_t                 *partitions = coord__alloc(call, topic->count, sizeof(*partitions));

    if (name.base == NULL || partitions == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < topic->count; i++) {
        partitions[i] = topic->entries[i].partition;
    }
    return fetch_topic(call, group, name, known == NULL ? (struct uuid){{0}} : known->id, partitions,
                       (int32_t)topic->count, KP_ERR_NONE, out);
}

static bool fetch_all(struct coord *coord, struct coord_call *call, const struct group *group,
                      struct kp_offset_fetch_response_groups *out)
{
    MAP_EACH(&group->offsets, entry) {
        const struct offset_topic *topic = entry->value;

        if (call->version >= FETCH_IDS_VERSION && meta_topic(coord->meta, topic->name) == NULL) {
            continue;
        }
        if (!fetch_known_topic(coord, call, group, topic, &out->topics[out->topics_count])) {
            return false;
        }
        out->topics_count++;
    }
    return true;
}

/* The group's error. */
static int16_t fetch_group(struct coord *coord, struct coord_call *call,
                           const struct kp_offset_fetch_request_groups *from,
                           struct kp_offset_fetch_response_groups      *out)
{
    int16_t            error = group__check_id(from->group_id, true);
    struct coord_slot *slot = error != 0 ? NULL : coord__slot(coord, COORD_GROUPS, from->group_id, &error);
    struct group      *group;
    size_t             count;

    if (slot == NULL) {
        return error;
    }
    group = group__find(CONTAINER_OF(slot->machine, struct groups, machine), from->group_id);
    if (group != NULL && group->type == GROUP_CONSUMER) {
        error = group_modern__check_fetch(group, from->member_id, from->member_epoch);
        if (error != 0) {
            return error;
        }
    }
    count = from->topics_count >= 0 ? (size_t)from->topics_count : group == NULL ? 0 : map_count(&group->offsets);
    out->topics = coord__alloc(call, count, sizeof(*out->topics));
    if (out->topics == NULL || (from->topics_count >= 0 ? !fetch_asked(coord, call, group, from, out)
                                                        : group != NULL && !fetch_all(coord, call, group, out))) {
        return KP_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    return KP_ERR_NONE;
}

static void fetch_groups(struct coord *coord, struct coord_call *call)
{
    const struct kp_offset_fetch_request *request = call->request;
    struct kp_offset_fetch_response      *response = call->response;
    struct view                          *ids = coord__alloc(call, (size_t)request->groups_count, sizeof(*ids));
    int32_t                               found = 0;

    response->groups = coord__alloc(call, (size_t)request->groups_count, sizeof(*response->groups));
    if (response->groups == NULL || ids == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    response->groups_count = request->groups_count;
    for (int32_t i = 0; i < request->groups_count; i++) {
        struct kp_offset_fetch_response_groups *out = &response->groups[i];

        kp_offset_fetch_response_groups_init(out);
        out->group_id = request->groups[i].group_id;
        out->error_code = fetch_group(coord, call, &request->groups[i], out);
        if (out->error_code != 0) {
            out->topics_count = 0;
        } else {
            ids[found++] = out->group_id;
        }
    }
    group__commit_all(coord, call, ids, found);
}

/* --- one group --------------------------------------------------------------------------------------------------- */

static bool fetch_old_topic(struct coord_call *call, const struct group *group, struct view name,
                            const int32_t *partitions, const struct offset_topic *all, int32_t count,
                            struct kp_offset_fetch_response_topics *out)
{
    out->name = name;
    out->partitions = coord__alloc(call, (size_t)count, sizeof(*out->partitions));
    if (out->partitions == NULL || name.base == NULL) {
        return false;
    }
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        int32_t        partition = all != NULL ? all->entries[i].partition : partitions[i];
        struct fetched found = fetch_one(call, group, name, partition);

        out->partitions[i] =
            (struct kp_offset_fetch_response_topics_partitions){.partition_index = partition,
                                                                .committed_offset = found.offset,
                                                                .committed_leader_epoch = found.leader_epoch,
                                                                .metadata = found.metadata,
                                                                .error_code = found.error};
    }
    return true;
}

static bool fetch_old(struct coord_call *call, const struct group *group)
{
    const struct kp_offset_fetch_request *request = call->request;
    struct kp_offset_fetch_response      *response = call->response;
    bool                                  all = request->topics_count < 0;
    size_t count = !all ? (size_t)request->topics_count : group == NULL ? 0 : map_count(&group->offsets);

    response->topics = coord__alloc(call, count, sizeof(*response->topics));
    if (response->topics == NULL) {
        return false;
    }
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kp_offset_fetch_request_topics *topic = &request->topics[i];

        if (!fetch_old_topic(call, group, topic->name, topic->partition_indexes, NULL, topic->partition_indexes_count,
                             &response->topics[response->topics_count++])) {
            return false;
        }
    }
    if (all && group != NULL) {
        MAP_EACH(&group->offsets, entry) {
            const struct offset_topic *topic = entry->value;

            if (!fetch_old_topic(call, group, coord__text(call, topic->name), NULL, topic, (int32_t)topic->count,
                                 &response->topics[response->topics_count++])) {
                return false;
            }
        }
    }
    return true;
}

void coord_offset_fetch(struct coord *coord, struct coord_call *call)
{
    const struct kp_offset_fetch_request *request = call->request;
    struct groups                        *groups;
    struct group                         *group;
    int16_t                               error = KP_ERR_NONE;

    call->coord_ = coord;
    if (call->version >= FETCH_GROUPS_VERSION) {
        fetch_groups(coord, call);
        return;
    }
    if (!group__enter(coord, call, request->group_id, true, &groups, &group)) {
        return;
    }
    if (group != NULL && group->type == GROUP_CONSUMER) {
        error = group_modern__check_fetch(group, (struct view){0}, -1);
    }
    if (error == 0 && !fetch_old(call, group)) {
        error = KP_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    if (error != 0) {
        kp_offset_fetch_response_init(call->response);
        coord__fail(call, error);
        return;
    }
    coord__commit(groups->slot, call);
}
