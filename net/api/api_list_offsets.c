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
    bool                             no_memory;
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

static void list_offsets_finish(struct list_offsets_state *state)
{
    if (state->no_memory) {
        api_close(state->call, "no memory for the answer");
    } else {
        api_reply(state->call, state->response);
    }
}

static void list_offsets_done(struct part_offset_lookup *lookup)
{
    struct list_offsets_item *item = CONTAINER_OF(lookup, struct list_offsets_item, lookup);

    list_offsets_fill(item);
    if (--item->state->waiting == 0) {
        list_offsets_finish(item->state);
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

/* How often each partition of the topic is asked for (2: more than once), because Kafka refuses those asked for twice.
 * NULL: no memory. *out_count: 0 for a topic that is not known, whose partitions are refused anyway. */
static uint8_t *list_offsets_asked(struct api_call *call, const struct kp_list_offsets_request_topics *topic,
                                   int32_t *out_count)
{
    const struct meta_topic *known = meta_topic(call->shard->meta, topic->name);
    uint8_t                 *asked;

    *out_count = known == NULL ? 0 : known->partition_count;
    asked = api_alloc(call, (size_t)*out_count, sizeof(*asked));
    for (int32_t i = 0; asked != NULL && i < topic->partitions_count; i++) {
        int32_t index = topic->partitions[i].partition_index;

        if (index >= 0 && index < *out_count) {
            asked[index] = (uint8_t)MIN(asked[index] + 1, 2);
        }
    }
    return asked;
}

static void list_offsets_partition(struct list_offsets_state *state, const struct kp_list_offsets_request_topics *topic,
                                   int32_t at, bool twice, struct list_offsets_item *item)
{
    const struct kp_list_offsets_request                   *request = state->call->request;
    const struct kp_list_offsets_request_topics_partitions *asked = &topic->partitions[at];
    int16_t                                                 error = 0;
    struct part                                            *part;

    if (twice) {
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

static void list_offsets_topic(struct list_offsets_state *state, const struct kp_list_offsets_request_topics *topic,
                               struct kp_list_offsets_response_topics *answer)
{
    size_t                    count = (size_t)topic->partitions_count;
    struct list_offsets_item *items = api_alloc(state->call, count, sizeof(*items));
    int32_t                   known = 0;
    uint8_t                  *asked = list_offsets_asked(state->call, topic, &known);

    answer->name = topic->name;
    answer->partitions = api_alloc(state->call, count, sizeof(*answer->partitions));
    if (items == NULL || asked == NULL || answer->partitions == NULL) {
        state->no_memory = true;
        return;
    }
    for (int32_t k = 0; k < topic->partitions_count; k++) {
        int32_t index = topic->partitions[k].partition_index;

        kp_list_offsets_response_topics_partitions_init(&answer->partitions[k]);
        answer->partitions[k].partition_index = index;
        answer->partitions[k].timestamp = -1;
        answer->partitions[k].offset = -1;
        answer->partitions_count++;
        items[k].answer = &answer->partitions[k];
        list_offsets_partition(state, topic, k, index >= 0 && index < known && asked[index] > 1, &items[k]);
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
    state->no_memory = response->topics == NULL;
    for (int32_t i = 0; !state->no_memory && i < request->topics_count; i++) {
        list_offsets_topic(state, &request->topics[i], &response->topics[response->topics_count++]);
    }
    if (--state->waiting == 0) {
        list_offsets_finish(state);
    }
}
