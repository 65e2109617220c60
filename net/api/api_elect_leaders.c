/* ElectLeaders: every partition has one replica, which leads. So there is never anything to elect, and the answer says
 * so for each partition that exists. */
#include "net/api/api_internal.h"

#include <stdio.h>

#define ELECTION_UNCLEAN 1 /* 0: preferred */

static void elect_one(struct api_call *call, const struct meta_topic *topic, struct view name,
                      struct kp_elect_leaders_response_replica_election_results_partition_result *out)
{
    char message[META_TOPIC_NAME_BYTES_MAX + 64];

    if (topic != NULL && out->partition_id >= 0 && out->partition_id < topic->partition_count) {
        out->error_code = KP_ERR_ELECTION_NOT_NEEDED;
        out->error_message = view_text(kp_error_text(out->error_code));
        return;
    }
    out->error_code = KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (topic == NULL) {
        (void)snprintf(message, sizeof(message), "No such topic as %.*s",
                       (int)MIN(name.len, (size_t)META_TOPIC_NAME_BYTES_MAX), (const char *)name.base);
    } else {
        (void)snprintf(message, sizeof(message), "No such partition as %.*s-%d", (int)topic->name.len,
                       (const char *)topic->name.base, out->partition_id);
    }
    out->error_message = api__text(call, message);
}

static bool elect_answer(struct api_call *call, struct kp_elect_leaders_response *response)
{
    const struct kp_elect_leaders_request *request = call->request;
    int32_t                                count = MAX(request->topic_partitions_count, 0); /* null: what needs one */

    response->replica_election_results = api_alloc(call, (size_t)count, sizeof(*response->replica_election_results));
    for (int32_t i = 0; response->replica_election_results != NULL && i < count; i++) {
        const struct kp_elect_leaders_request_topic_partitions    *asked = &request->topic_partitions[i];
        const struct meta_topic                                   *topic = meta_topic(call->shard->meta, asked->topic);
        struct kp_elect_leaders_response_replica_election_results *out =
            &response->replica_election_results[response->replica_election_results_count++];

        *out = (struct kp_elect_leaders_response_replica_election_results){.topic = asked->topic};
        out->partition_result = api_alloc(call, (size_t)asked->partitions_count, sizeof(*out->partition_result));
        if (out->partition_result == NULL) {
            return false;
        }
        for (int32_t k = 0; k < asked->partitions_count; k++) {
            struct kp_elect_leaders_response_replica_election_results_partition_result *one =
                &out->partition_result[out->partition_result_count++];

            one->partition_id = asked->partitions[k];
            elect_one(call, topic, asked->topic, one);
        }
    }
    return response->replica_election_results != NULL;
}

void api_elect_leaders(struct api_call *call)
{
    const struct kp_elect_leaders_request *request = call->request;
    struct kp_elect_leaders_response      *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    if (request->election_type < 0 || request->election_type > ELECTION_UNCLEAN) {
        response->error_code = KP_ERR_INVALID_REQUEST;
    } else if (!elect_answer(call, response)) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
