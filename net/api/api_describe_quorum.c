/* DescribeQuorum: who votes for the metadata log. Here it is the controller shard alone; the other shards follow its
 * log as observers do. Every image has applied all there is, so whoever is asked can answer. */
#include "net/api/api_internal.h"

#define QUORUM_TOPIC "__cluster_metadata"
#define QUORUM_EPOCH 1 /* of a voter that has never had a rival */

static struct kp_describe_quorum_response_replica_state quorum_replica(const struct api_call    *call,
                                                                       const struct meta_broker *broker)
{
    int64_t now_ms = io_wall_ms(call->shard->shard->io);

    return (struct kp_describe_quorum_response_replica_state){.replica_id = broker->node_id,
                                                              .replica_directory_id = broker->directory_id,
                                                              .log_end_offset =
                                                                  meta_image(call->shard->meta)->last_offset + 1,
                                                              .last_fetch_timestamp = now_ms,
                                                              .last_caught_up_timestamp = now_ms};
}

/* False: no memory. */
static bool quorum_fill(struct api_call *call, struct kp_describe_quorum_response_topics_partitions *out)
{
    const struct meta_image *image = meta_image(call->shard->meta);

    out->current_voters = api_alloc(call, 1, sizeof(*out->current_voters));
    out->observers = api_alloc(call, image->broker_count, sizeof(*out->observers));
    if (out->current_voters == NULL || out->observers == NULL) {
        return false;
    }
    out->leader_id = image->brokers[0].node_id;
    out->leader_epoch = QUORUM_EPOCH;
    out->high_watermark = image->last_offset + 1;
    out->current_voters[out->current_voters_count++] = quorum_replica(call, &image->brokers[0]);
    for (uint32_t i = 1; i < image->broker_count; i++) {
        out->observers[out->observers_count++] = quorum_replica(call, &image->brokers[i]);
    }
    return true;
}

/* Where the voter is reached: on the listener the client came through, since it has none for controllers. */
static bool quorum_nodes(struct api_call *call, struct kp_describe_quorum_response *response)
{
    const struct meta_broker   *voter = &meta_image(call->shard->meta)->brokers[0];
    const struct meta_endpoint *endpoint = api__endpoint(call, voter);

    response->nodes = api_alloc(call, 1, sizeof(*response->nodes));
    if (response->nodes == NULL) {
        return false;
    }
    response->nodes_count = 1;
    response->nodes[0] = (struct kp_describe_quorum_response_nodes){.node_id = voter->node_id};
    if (endpoint != NULL) {
        response->nodes[0].listeners = api_alloc(call, 1, sizeof(*response->nodes[0].listeners));
        if (response->nodes[0].listeners == NULL) {
            return false;
        }
        response->nodes[0].listeners_count = 1;
        response->nodes[0].listeners[0] = (struct kp_describe_quorum_response_nodes_listeners){
            .name = endpoint->listener, .host = endpoint->host, .port = endpoint->port};
    }
    return true;
}

/* Kafka answers one question: about partition 0 of the metadata topic, and nothing else. */
static bool quorum_is_asked(const struct kp_describe_quorum_request *request)
{
    return request->topics_count == 1 && view_equal(request->topics[0].topic_name, view_text(QUORUM_TOPIC)) &&
           request->topics[0].partitions_count == 1 && request->topics[0].partitions[0].partition_index == 0;
}

static bool quorum_answer(struct api_call *call, struct kp_describe_quorum_response *response)
{
    const struct kp_describe_quorum_request *request = call->request;
    bool                                     known = quorum_is_asked(request);

    response->topics = api_alloc(call, (size_t)request->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; response->topics != NULL && i < request->topics_count; i++) {
        const struct kp_describe_quorum_request_topics *asked = &request->topics[i];
        struct kp_describe_quorum_response_topics      *topic = &response->topics[response->topics_count++];

        *topic = (struct kp_describe_quorum_response_topics){.topic_name = asked->topic_name};
        topic->partitions = api_alloc(call, (size_t)asked->partitions_count, sizeof(*topic->partitions));
        if (topic->partitions == NULL) {
            return false;
        }
        for (int32_t k = 0; k < asked->partitions_count; k++) {
            struct kp_describe_quorum_response_topics_partitions *out = &topic->partitions[topic->partitions_count++];

            out->partition_index = asked->partitions[k].partition_index;
            out->error_code = known ? 0 : KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
            if (known && !quorum_fill(call, out)) {
                return false;
            }
        }
    }
    return response->topics != NULL && (!known || quorum_nodes(call, response));
}

void api_describe_quorum(struct api_call *call)
{
    struct kp_describe_quorum_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL || !quorum_answer(call, response)) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
