/* How each API of this room shows an error that concerns the whole request. */
#include "core/coord/group.h"

static void fill_commit(struct coord_call *call, int16_t error)
{
    const struct kp_offset_commit_request *request = call->request;
    struct kp_offset_commit_response      *response = call->response;

    response->topics = coord__alloc(call, (size_t)request->topics_count, sizeof(*response->topics));
    response->topics_count = response->topics == NULL ? 0 : request->topics_count;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kp_offset_commit_request_topics *from = &request->topics[i];
        struct kp_offset_commit_response_topics      *to = &response->topics[i];

        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partitions = coord__alloc(call, (size_t)from->partitions_count, sizeof(*to->partitions));
        to->partitions_count = to->partitions == NULL ? 0 : from->partitions_count;
        for (int32_t k = 0; k < to->partitions_count; k++) {
            to->partitions[k].partition_index = from->partitions[k].partition_index;
            to->partitions[k].error_code = error;
        }
    }
}

static void fill_txn_commit(struct coord_call *call, int16_t error)
{
    const struct kp_txn_offset_commit_request *request = call->request;
    struct kp_txn_offset_commit_response      *response = call->response;

    response->topics = coord__alloc(call, (size_t)request->topics_count, sizeof(*response->topics));
    response->topics_count = response->topics == NULL ? 0 : request->topics_count;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kp_txn_offset_commit_request_topics *from = &request->topics[i];
        struct kp_txn_offset_commit_response_topics      *to = &response->topics[i];

        to->name = from->name;
        to->partitions = coord__alloc(call, (size_t)from->partitions_count, sizeof(*to->partitions));
        to->partitions_count = to->partitions == NULL ? 0 : from->partitions_count;
        for (int32_t k = 0; k < to->partitions_count; k++) {
            to->partitions[k].partition_index = from->partitions[k].partition_index;
            to->partitions[k].error_code = error;
        }
    }
}

/* Before version 2 each partition carries the error. */
static void fill_fetch_old(struct coord_call *call, int16_t error)
{
    const struct kp_offset_fetch_request *request = call->request;
    struct kp_offset_fetch_response      *response = call->response;
    int32_t                               count = MAX(request->topics_count, 0);

    response->topics = coord__alloc(call, (size_t)count, sizeof(*response->topics));
    response->topics_count = response->topics == NULL ? 0 : count;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kp_offset_fetch_request_topics *from = &request->topics[i];
        struct kp_offset_fetch_response_topics      *to = &response->topics[i];

        to->name = from->name;
        to->partitions = coord__alloc(call, (size_t)from->partition_indexes_count, sizeof(*to->partitions));
        to->partitions_count = to->partitions == NULL ? 0 : from->partition_indexes_count;
        for (int32_t k = 0; k < to->partitions_count; k++) {
            to->partitions[k] =
                (struct kp_offset_fetch_response_topics_partitions){.partition_index = from->partition_indexes[k],
                                                                    .committed_offset = -1,
                                                                    .committed_leader_epoch = -1,
                                                                    .metadata = view_text(""),
                                                                    .error_code = error};
        }
    }
}

static void fill_fetch(struct coord_call *call, int16_t error)
{
    const struct kp_offset_fetch_request *request = call->request;
    struct kp_offset_fetch_response      *response = call->response;

    response->error_code = error;
    if (call->version < 2) {
        fill_fetch_old(call, error);
    }
    if (call->version < 8) {
        return;
    }
    response->groups = coord__alloc(call, (size_t)request->groups_count, sizeof(*response->groups));
    response->groups_count = response->groups == NULL ? 0 : request->groups_count;
    for (int32_t i = 0; i < response->groups_count; i++) {
        response->groups[i].group_id = request->groups[i].group_id;
        response->groups[i].topics = NULL;
        response->groups[i].topics_count = 0;
        response->groups[i].error_code = error;
    }
}

static void fill_describe(struct coord_call *call, int16_t error)
{
    const struct kp_describe_groups_request *request = call->request;
    struct kp_describe_groups_response      *response = call->response;

    response->groups = coord__alloc(call, (size_t)request->groups_count, sizeof(*response->groups));
    response->groups_count = response->groups == NULL ? 0 : request->groups_count;
    for (int32_t i = 0; i < response->groups_count; i++) {
        kp_describe_groups_response_groups_init(&response->groups[i]);
        response->groups[i].group_id = request->groups[i];
        response->groups[i].error_code = error;
    }
}

static void fill_delete(struct coord_call *call, int16_t error)
{
    const struct kp_delete_groups_request *request = call->request;
    struct kp_delete_groups_response      *response = call->response;

    response->results = coord__alloc(call, (size_t)request->groups_names_count, sizeof(*response->results));
    response->results_count = response->results == NULL ? 0 : request->groups_names_count;
    for (int32_t i = 0; i < response->results_count; i++) {
        response->results[i].group_id = request->groups_names[i];
        response->results[i].error_code = error;
    }
}

static void fill_join(struct coord_call *call, int16_t error)
{
    struct kp_join_group_response *response = call->response;

    kp_join_group_response_init(response);
    response->error_code = error;
    response->generation_id = -1;
    response->protocol_name = (struct view){0}; /* null where the version knows null, else empty */
    response->leader = view_text("");
    response->member_id = view_text("");
}

static void fill_sync(struct coord_call *call, int16_t error)
{
    struct kp_sync_group_response *response = call->response;

    kp_sync_group_response_init(response);
    response->error_code = error;
    response->assignment = view_text("");
}

void group__fill_error(struct coord_call *call, int16_t error)
{
    switch (call->api_key) {
    case KP_JOIN_GROUP_KEY:
        fill_join(call, error);
        break;
    case KP_SYNC_GROUP_KEY:
        fill_sync(call, error);
        break;
    case KP_HEARTBEAT_KEY:
        /* A group that is being read knows nothing yet; its members are not to lose their places for that (Kafka's). */
        ((struct kp_heartbeat_response *)call->response)->error_code =
            error == KP_ERR_COORDINATOR_LOAD_IN_PROGRESS ? (int16_t)KP_ERR_NONE : error;
        break;
    case KP_LEAVE_GROUP_KEY:
        kp_leave_group_response_init(call->response);
        ((struct kp_leave_group_response *)call->response)->error_code = error;
        break;
    case KP_OFFSET_COMMIT_KEY:
        fill_commit(call, error);
        break;
    case KP_TXN_OFFSET_COMMIT_KEY:
        fill_txn_commit(call, error);
        break;
    case KP_OFFSET_FETCH_KEY:
        fill_fetch(call, error);
        break;
    case KP_OFFSET_DELETE_KEY:
        kp_offset_delete_response_init(call->response);
        ((struct kp_offset_delete_response *)call->response)->error_code = error;
        break;
    case KP_DESCRIBE_GROUPS_KEY:
        fill_describe(call, error);
        break;
    case KP_DELETE_GROUPS_KEY:
        fill_delete(call, error);
        break;
    case KP_LIST_GROUPS_KEY:
        ((struct kp_list_groups_response *)call->response)->error_code = error;
        break;
    default:
        CHECK(false);
    }
}
