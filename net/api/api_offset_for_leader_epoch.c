/* OffsetForLeaderEpoch: where an epoch ends (KIP-101, KIP-320). */
#include "net/api/api_internal.h"

static void leader_epoch_one(struct api_call *call, struct view topic,
                             const struct kp_offset_for_leader_epoch_request_topics_partitions *asked,
                             struct kp_offset_for_leader_epoch_response_topics_partitions      *out)
{
    int16_t      error = 0;
    struct part *part = api__part(call, topic, (struct uuid){{0}}, asked->partition, &error);

    kp_offset_for_leader_epoch_response_topics_partitions_init(out);
    out->partition = asked->partition;
    out->leader_epoch = -1;
    out->end_offset = -1;
    if (part != NULL) {
        error = part_check_epoch(part, asked->current_leader_epoch);
    }
    out->error_code = error;
    if (error == 0) {
        part_epoch_end(part, asked->leader_epoch, &out->leader_epoch, &out->end_offset);
    }
}

void api_offset_for_leader_epoch(struct api_call *call)
{
    const struct kp_offset_for_leader_epoch_request *request = call->request;
    struct kp_offset_for_leader_epoch_response      *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->topics = api_alloc(call, (size_t)request->topics_count, sizeof(*response->topics))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kp_offset_for_leader_epoch_request_topics *topic = &request->topics[i];
        struct kp_offset_for_leader_epoch_response_topics      *out = &response->topics[response->topics_count++];

        out->topic = topic->topic;
        out->partitions = api_alloc(call, (size_t)topic->partitions_count, sizeof(*out->partitions));
        if (out->partitions == NULL) {
            api_close(call, "no memory for the answer");
            return;
        }
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            leader_epoch_one(call, topic->topic, &topic->partitions[k], &out->partitions[out->partitions_count++]);
        }
    }
    api_reply(call, response);
}
