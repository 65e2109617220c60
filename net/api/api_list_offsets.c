/* ListOffsets: offsets by timestamp or by sentinel, one lookup per partition, answered when all are done. */
#include "net/api/api_internal.h"

struct list_offsets_item {
    struct part_offset_lookup                          lookup;
    struct list_offsets_state                         *state;
    struct kp_list_offsets_response_topics_partitions *answer;
};

struct list_offsets_state {
    struct api_call                 *call;
    struct kp_list_offsets_response *response;
    uint32_t                         waiting;
};

static void list_offsets_fill(struct list_offsets_item *item)
{
    item->answer->error_code = item->lookup.error;
    if (item->lookup.error == 0) {
        item->answer->offset = item->lookup.offset;
        item->answer->timestamp = item->lookup.out_timestamp_ms;
        item->answer->leader_epoch = item->lookup.leader_epoch;
    }
}

static void list_offsets_done(struct part_offset_lookup *lookup)
{
    struct list_offsets_item *item = CONTAINER_OF(lookup, struct list_offsets_item, lookup);

    list_offsets_fill(item);
    if (--item->state->waiting == 0) {
        api_reply(item->state->call, item->state->response);
    }
}

/* A sentinel that came with a later version than the request's. */
static bool list_offsets_sentinel_known(int16_t version, int64_t timestamp)
{
    static const struct {
        int64_t sentinel;
        int16_t since;
    } sentinels[] = {{-1, 0}, {-2, 0}, {-3, 7}, {-4, 8}, {-5, 9}, {-6, 11}};

    for (size_t i = 0; i < COUNT_OF(sentinels); i++) {
        if (sentinels[i].sentinel == timestamp) {
            return version >= sentinels[i].since;
        }
    }
    return timestamp >= 0;
}

static bool list_offsets_duplicate(const struct kp_list_offsets_request_topics *topic, int32_t at)
{
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        if (i != at && topic->partitions[i].partition_index == topic->partitions[at].partition_index) {
            return true;
        }
    }
    return false;
}

static void list_offsets_partition(struct list_offsets_state *state, const struct kp_list_offsets_request_topics *topic,
                                   int32_t at, struct list_offsets_item *item)
{
    const struct kp_list_offsets_request                   *request = state->call->request;
    const struct kp_list_offsets_request_topics_partitions *asked = &topic->partitions[at];
    int16_t                                                 error = 0;
    struct part                                            *part;

    if (list_offsets_duplicate(topic, at)) {
        item->answer->error_code = KP_ERR_INVALID_REQUEST;
        return;
    }
    if (!list_offsets_sentinel_known(state->call->version, asked->timestamp)) {
        item->answer->error_code = KP_ERR_UNSUPPORTED_VERSION;
        return;
    }
    part = api__part(state->call, topic->name, (struct uuid){{0}}, asked->partition_index, &error);
    if (part != NULL) {
        error = part_check_epoch(part, asked->current_leader_epoch);
    }
    if (error != 0) {
        item->answer->error_code = error;
        return;
    }
    item->state = state;
    item->lookup.timestamp_ms = asked->timestamp;
    item->lookup.committed = request->isolation_level == 1;
    item->lookup.done = list_offsets_done;
    state->waiting++;
    if (part_find_offset(part, &item->lookup)) {
        state->waiting--;
        list_offsets_fill(item);
    }
}

void api_list_offsets(struct api_call *call)
{
    const struct kp_list_offsets_request *request = call->request;
    struct list_offsets_state            *state = api_alloc(call, 1, sizeof(*state));
    struct kp_list_offsets_response      *response = api_alloc(call, 1, sizeof(*response));

    if (state == NULL || response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    kp_list_offsets_response_init(response);
    response->topics = api_alloc(call, (size_t)request->topics_count, sizeof(*response->topics));
    *state = (struct list_offsets_state){.call = call, .response = response, .waiting = 1};
    for (int32_t i = 0; response->topics != NULL && i < request->topics_count; i++) {
        const struct kp_list_offsets_request_topics *topic = &request->topics[i];
        struct kp_list_offsets_response_topics      *answer = &response->topics[response->topics_count++];
        struct list_offsets_item *items = api_alloc(call, (size_t)topic->partitions_count, sizeof(*items));

        answer->name = topic->name;
        answer->partitions = api_alloc(call, (size_t)topic->partitions_count, sizeof(*answer->partitions));
        for (int32_t k = 0; items != NULL && answer->partitions != NULL && k < topic->partitions_count; k++) {
            kp_list_offsets_response_topics_partitions_init(&answer->partitions[k]);
            answer->partitions[k].partition_index = topic->partitions[k].partition_index;
            answer->partitions[k].timestamp = -1;
            answer->partitions[k].offset = -1;
            answer->partitions_count++;
            items[k].answer = &answer->partitions[k];
            list_offsets_partition(state, topic, k, &items[k]);
        }
    }
    if (--state->waiting == 0) {
        api_reply(call, response);
    }
}
