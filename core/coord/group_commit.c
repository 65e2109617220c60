/* OffsetCommit, TxnOffsetCommit, OffsetDelete. */
#include "core/coord/group.h"

#define COMMIT_UNKNOWN_GROUP_VERSION 9 /* from it on an unknown group is GROUP_ID_NOT_FOUND */
#define COMMIT_IDS_VERSION           10

/* Java counts a text in UTF-16 units. */
static size_t commit_text_units(struct view text)
{
    size_t units = 0;

    for (size_t i = 0; i < text.len; i++) {
        units += (text.base[i] & 0xc0) != 0x80;
        units += text.base[i] >= 0xf0;
    }
    return units;
}

static bool commit_metadata_fits(const struct groups *groups, struct view metadata)
{
    size_t units_max = (size_t)MAX(coord__settings(groups->coord)->offset_metadata_bytes_max, 0);

    return metadata.len <= units_max || commit_text_units(metadata) <= units_max;
}

static bool commit_place_exists(const struct meta_topic *topic, int32_t partition)
{
    return topic != NULL && partition >= 0 && partition < topic->partition_count;
}

/* False: no memory for the whole frame of the answer. */
static bool commit_framed(const struct coord_call *call)
{
    const struct kp_offset_commit_request  *request = call->request;
    const struct kp_offset_commit_response *response = call->response;
    bool                                    framed = response->topics_count == request->topics_count;

    for (int32_t i = 0; framed && i < request->topics_count; i++) {
        framed = response->topics[i].partitions_count == request->topics[i].partitions_count;
    }
    return framed;
}

static bool txn_commit_framed(const struct coord_call *call)
{
    const struct kp_txn_offset_commit_request  *request = call->request;
    const struct kp_txn_offset_commit_response *response = call->response;
    bool                                        framed = response->topics_count == request->topics_count;

    for (int32_t i = 0; framed && i < request->topics_count; i++) {
        framed = response->topics[i].partitions_count == request->topics[i].partitions_count;
    }
    return framed;
}

/* --- OffsetCommit ------------------------------------------------------------------------------------------------ */

/* Answers what cannot be committed at all; true when something is left. base NULL: a topic that is not known. */
static bool commit_resolve(struct coord *coord, struct coord_call *call, struct view *out_names)
{
    const struct kp_offset_commit_request *request = call->request;
    struct kp_offset_commit_response      *response = call->response;
    bool                                   some = false;

    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kp_offset_commit_request_topics *from = &request->topics[i];
        const struct meta_topic                      *topic = call->version >= COMMIT_IDS_VERSION
                                                                  ? meta_topic_by_id(coord->meta, from->topic_id)
                                                                  : meta_topic(coord->meta, from->name);
        int16_t                                       error =
            call->version >= COMMIT_IDS_VERSION ? KP_ERR_UNKNOWN_TOPIC_ID : KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;

        out_names[i] = topic == NULL ? (struct view){0} : topic->name;
        for (int32_t k = 0; k < from->partitions_count; k++) {
            if (!commit_place_exists(topic, from->partitions[k].partition_index)) {
                response->topics[i].partitions[k].error_code =
                    topic == NULL ? error : (int16_t)KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
            } else {
                some = true;
            }
        }
    }
    return some;
}

static int16_t commit_check(struct groups *groups, struct group **group, struct coord_call *call)
{
    const struct kp_offset_commit_request *request = call->request;

    if (*group == NULL) {
        if (request->generation_id_or_member_epoch >= 0) {
            return call->version >= COMMIT_UNKNOWN_GROUP_VERSION ? KP_ERR_GROUP_ID_NOT_FOUND
                                                                 : KP_ERR_ILLEGAL_GENERATION;
        }
        *group = group__create(groups, request->group_id);
        return KP_ERR_NONE;
    }
    if ((*group)->type == GROUP_CONSUMER) {
        return group_modern__check_commit(*group, request, call->version);
    }
    return group__classic_check_commit(*group, request->member_id, request->group_instance_id,
                                       request->generation_id_or_member_epoch, false);
}

static struct offset_entry commit_entry(const struct group *group, const struct coord_call *call,
                                        const struct kp_offset_commit_request_topics_partitions *from)
{
    const struct kp_offset_commit_request *request = call->request;
    int64_t                                now_ms = io_wall_ms(group->groups->coord->shard->io);

    return (struct offset_entry){
        .partition = from->partition_index,
        .leader_epoch = from->committed_leader_epoch,
        .offset = from->committed_offset,
        .commit_ms = now_ms,
        .expire_ms = request->retention_time_ms >= 0 ? now_ms + request->retention_time_ms : -1,
        .order = group->groups->order,
        .metadata = from->committed_metadata.base == NULL ? view_text("") : from->committed_metadata,
    };
}

/* Adds the records; the answer shows which were taken. */
static void commit_add(struct group *group, struct coord_call *call, const struct view *names)
{
    const struct kp_offset_commit_request *request = call->request;
    struct kp_offset_commit_response      *response = call->response;

    for (int32_t i = 0; i < request->topics_count; i++) {
        for (int32_t k = 0; names[i].base != NULL && k < request->topics[i].partitions_count; k++) {
            const struct kp_offset_commit_request_topics_partitions *from = &request->topics[i].partitions[k];
            struct offset_entry                                      entry;

            if (response->topics[i].partitions[k].error_code != 0) {
                continue;
            }
            if (!commit_metadata_fits(group->groups, from->committed_metadata)) {
                response->topics[i].partitions[k].error_code = KP_ERR_OFFSET_METADATA_TOO_LARGE;
                continue;
            }
            entry = commit_entry(group, call, from);
            group__offset_add_record(group, names[i], &entry);
        }
    }
}

static void commit_apply(struct group *group, struct coord_call *call, const struct view *names)
{
    const struct kp_offset_commit_request  *request = call->request;
    const struct kp_offset_commit_response *response = call->response;

    group->groups->order++;
    for (int32_t i = 0; i < request->topics_count; i++) {
        for (int32_t k = 0; names[i].base != NULL && k < request->topics[i].partitions_count; k++) {
            struct offset_entry entry = commit_entry(group, call, &request->topics[i].partitions[k]);

            if (response->topics[i].partitions[k].error_code == KP_ERR_NONE) {
                group__offset_put(group, names[i], &entry);
            }
        }
    }
}

void coord_offset_commit(struct coord *coord, struct coord_call *call)
{
    const struct kp_offset_commit_request *request = call->request;
    struct view                           *names;
    struct groups                         *groups;
    struct group                          *group;
    int16_t                                error;

    if (!group__enter(coord, call, request->group_id, true, &groups, &group)) {
        return;
    }
    names = coord__alloc(call, (size_t)request->topics_count, sizeof(*names));
    group__fill_error(call, KP_ERR_NONE); /* the frame of the answer */
    if (names == NULL || !commit_framed(call)) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    if (!commit_resolve(coord, call, names)) {
        coord__finish(call);
        return;
    }
    error = commit_check(groups, &group, call);
    if (error != 0) {
        coord__fail(call, error);
        return;
    }
    commit_add(group, call, names);
    if (!coord_log_fits(groups->slot->log)) {
        coord_log_drop(groups->slot->log);
        coord__fail(call, KP_ERR_INVALID_COMMIT_OFFSET_SIZE);
        return;
    }
    commit_apply(group, call, names);
    coord__commit(groups->slot, call);
}

/* --- TxnOffsetCommit --------------------------------------------------------------------------------------------- */

static int16_t txn_commit_check(struct groups *groups, struct group **group, struct coord_call *call)
{
    const struct kp_txn_offset_commit_request *request = call->request;
    int16_t                                    error;

    if (*group == NULL) {
        if (request->generation_id >= 0) {
            return KP_ERR_ILLEGAL_GENERATION;
        }
        *group = group__create(groups, request->group_id);
        return KP_ERR_NONE;
    }
    if ((*group)->type == GROUP_CONSUMER) {
        error = group_modern__check_txn_commit(*group, request, call->version);
        return error == KP_ERR_STALE_MEMBER_EPOCH ? (int16_t)KP_ERR_ILLEGAL_GENERATION : error;
    }
    return group__classic_check_commit(*group, request->member_id, request->group_instance_id, request->generation_id,
                                       true);
}

static struct offset_entry txn_commit_entry(const struct group                                          *group,
                                            const struct kp_txn_offset_commit_request_topics_partitions *from)
{
    return (struct offset_entry){
        .partition = from->partition_index,
        .leader_epoch = from->committed_leader_epoch,
        .offset = from->committed_offset,
        .commit_ms = io_wall_ms(group->groups->coord->shard->io),
        .expire_ms = -1,
        .order = group->groups->order,
        .metadata = from->committed_metadata.base == NULL ? view_text("") : from->committed_metadata,
    };
}

/* Once to write (apply false), once to keep. */
static void txn_commit_each(struct group *group, struct coord_call *call, bool apply)
{
    const struct kp_txn_offset_commit_request *request = call->request;
    struct kp_txn_offset_commit_response      *response = call->response;

    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kp_txn_offset_commit_request_topics *topic = &request->topics[i];
        const struct meta_topic                          *known = meta_topic(group->groups->coord->meta, topic->name);

        for (int32_t k = 0; k < topic->partitions_count; k++) {
            struct offset_entry entry = txn_commit_entry(group, &topic->partitions[k]);
            int16_t             error = KP_ERR_NONE;

            if (!commit_place_exists(known, entry.partition)) {
                error = KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
            } else if (!commit_metadata_fits(group->groups, entry.metadata)) {
                error = KP_ERR_OFFSET_METADATA_TOO_LARGE;
            }

            response->topics[i].partitions[k].error_code = error;
            if (error == 0 && apply) {
                group__offset_put_pending(group, request->producer_id, topic->name, &entry);
            } else if (error == 0) {
                group__offset_add_record(group, topic->name, &entry);
            }
        }
    }
}

static void txn_commit_done(struct coord_write *write, int16_t error)
{
    struct coord_call *call = CONTAINER_OF(write, struct coord_call, write_);

    if (error != 0) {
        coord__fail(call, error);
    } else {
        coord__finish(call);
    }
}

void coord_txn_offset_commit(struct coord *coord, struct coord_call *call)
{
    const struct kp_txn_offset_commit_request *request = call->request;
    struct groups                             *groups;
    struct group                              *group;
    int16_t                                    error;

    if (!group__enter(coord, call, request->group_id, false, &groups, &group)) {
        return;
    }
    error = txn_commit_check(groups, &group, call);
    if (error != 0) {
        coord__fail(call, error);
        return;
    }
    group__fill_error(call, KP_ERR_NONE);
    if (!txn_commit_framed(call)) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    txn_commit_each(group, call, false);
    if (!coord_log_fits(groups->slot->log)) {
        coord_log_drop(groups->slot->log);
        coord__fail(call, KP_ERR_INVALID_COMMIT_OFFSET_SIZE);
        return;
    }
    groups->order++;
    txn_commit_each(group, call, true);
    call->write_.done = txn_commit_done;
    coord_log_commit_txn(groups->slot->log, request->producer_id, request->producer_epoch, &call->write_);
}

/* --- OffsetDelete ------------------------------------------------------------------------------------------------ */

static int16_t delete_check(const struct group *group)
{
    if (group == NULL) {
        return KP_ERR_GROUP_ID_NOT_FOUND;
    }
    if (group->type == GROUP_CLASSIC && group->state != GROUP_EMPTY &&
        !view_equal(group->protocol_type, view_text("consumer"))) {
        return KP_ERR_NON_EMPTY_GROUP;
    }
    return KP_ERR_NONE;
}

static bool delete_subscribed(const struct group *group, struct view topic)
{
    bool known = false;

    if (group->type == GROUP_CONSUMER) {
        return group_modern__subscribed(group, topic);
    }
    return group->member_count > 0 && (group__classic_subscribed(group, topic, &known) || !known);
}

static bool delete_topic(struct group *group, struct coord_call *call, int32_t index)
{
    const struct kp_offset_delete_request        *request = call->request;
    struct kp_offset_delete_response             *response = call->response;
    const struct kp_offset_delete_request_topics *from = &request->topics[index];
    struct kp_offset_delete_response_topics      *to = &response->topics[index];
    const struct meta_topic                      *known = meta_topic(group->groups->coord->meta, from->name);
    int16_t                                       subscribed =
        known != NULL && delete_subscribed(group, from->name) ? KP_ERR_GROUP_SUBSCRIBED_TO_TOPIC : KP_ERR_NONE;

    to->name = from->name;
    to->partitions = coord__alloc(call, (size_t)from->partitions_count, sizeof(*to->partitions));
    if (to->partitions == NULL) {
        return false;
    }
    to->partitions_count = from->partitions_count;
    for (int32_t k = 0; k < from->partitions_count; k++) {
        int32_t partition = from->partitions[k].partition_index;

        int16_t error = commit_place_exists(known, partition) ? subscribed : KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;

        to->partitions[k].partition_index = partition;
        to->partitions[k].error_code = error;
        if (error == 0 && (group__offset_find(group, from->name, partition) != NULL ||
                           group__offset_is_pending(group, from->name, partition))) {
            group__offset_add_tombstone(group, from->name, partition);
            group__offset_remove(group, from->name, partition);
        }
    }
    coord_log_commit(group__log(group), NULL);
    return true;
}

void coord_offset_delete(struct coord *coord, struct coord_call *call)
{
    const struct kp_offset_delete_request *request = call->request;
    struct kp_offset_delete_response      *response = call->response;
    struct groups                         *groups;
    struct group                          *group;
    int16_t                                error;

    if (!group__enter(coord, call, request->group_id, true, &groups, &group)) {
        return;
    }
    error = delete_check(group);
    response->topics = error != 0 ? NULL : coord__alloc(call, (size_t)request->topics_count, sizeof(*response->topics));
    if (response->topics == NULL) {
        coord__fail(call, error != 0 ? error : (int16_t)KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (!delete_topic(group, call, i)) {
            coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
            return;
        }
    }
    coord__commit(groups->slot, call);
}
