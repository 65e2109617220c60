/* DescribeProducers: what partitions know of the producers that write to them. Only durable state is shown. */
#include "net/api/api_internal.h"

static bool producers_of(struct api_call *call, const struct part *part,
                         struct kp_describe_producers_response_topics_partitions *out)
{
    struct kp_describe_producers_response_topics_partitions_active_producers *one;
    struct part_producer_info                                                 info;
    size_t                                                                    position = 0;
    size_t                                                                    count = 0;

    while (part_producer_next(part, &position, &info)) {
        count++;
    }
    out->active_producers = api_alloc(call, count, sizeof(*out->active_producers));
    if (out->active_producers == NULL) {
        return false;
    }
    position = 0;
    while (part_producer_next(part, &position, &info)) {
        one = &out->active_producers[out->active_producers_count++];
        kp_describe_producers_response_topics_partitions_active_producers_init(one);
        one->producer_id = info.producer_id;
        one->producer_epoch = info.producer_epoch;
        one->last_sequence = info.last_sequence;
        one->last_timestamp = info.last_timestamp_ms;
        one->coordinator_epoch = info.coordinator_epoch;
        one->current_txn_start_offset = info.txn_first_offset;
    }
    return true;
}

static bool producers_topic(struct api_call *call, const struct kp_describe_producers_request_topics *asked,
                            struct kp_describe_producers_response_topics *out)
{
    size_t count = (size_t)asked->partition_indexes_count;

    out->name = asked->name;
    out->partitions = api_alloc(call, count, sizeof(*out->partitions));
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = asked->partition_indexes_count;
    for (size_t i = 0; i < count; i++) {
        int16_t      error = KP_ERR_INVALID_TOPIC_EXCEPTION;
        struct part *part = NULL;

        kp_describe_producers_response_topics_partitions_init(&out->partitions[i]);
        out->partitions[i].partition_index = asked->partition_indexes[i];
        if (meta_topic_name_valid(asked->name)) {
            part = api__part(call, asked->name, (struct uuid){{0}}, asked->partition_indexes[i], &error);
        }
        out->partitions[i].error_code = error;
        if (part != NULL && !producers_of(call, part, &out->partitions[i])) {
            return false;
        }
    }
    return true;
}

void api_describe_producers(struct api_call *call)
{
    const struct kp_describe_producers_request *request = call->request;
    struct kp_describe_producers_response      *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->topics = api_alloc(call, (size_t)request->topics_count, sizeof(*response->topics))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (!producers_topic(call, &request->topics[i], &response->topics[response->topics_count++])) {
            api_close(call, "no memory for the answer");
            return;
        }
    }
    api_reply(call, response);
}
