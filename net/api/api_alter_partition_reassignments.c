/* AlterPartitionReassignments: a partition stays where it was made, since all nodes are shards of one host. Asking for
 * the node it is on succeeds with nothing to do, as in Kafka; anything else is refused with the reason. */
#include "net/api/api_internal.h"

#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_BYTES 240

static int16_t reassign_refuse(struct api_call *call, int16_t error, struct view *out_message, const char *format, ...)
    PRINTF_LIKE(4, 5);

static int16_t reassign_refuse(struct api_call *call, int16_t error, struct view *out_message, const char *format, ...)
{
    char    message[MESSAGE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    *out_message = api__text(call, message);
    return error;
}

static bool reassign_node_known(const struct api_call *call, int32_t node_id)
{
    const struct meta_image *image = meta_image(call->shard->meta);

    return node_id >= image->brokers[0].node_id && node_id - image->brokers[0].node_id < (int32_t)image->broker_count;
}

/* The replicas as a list: no node twice, none that does not exist. */
static int16_t reassign_check_list(struct api_call *call, const int32_t *replicas, int32_t count,
                                   struct view *out_message)
{
    if (count == 0) {
        return reassign_refuse(call, KP_ERR_INVALID_REPLICA_ASSIGNMENT, out_message,
                               "The manual partition assignment includes an empty replica list.");
    }
    for (int32_t i = 0; i < count; i++) {
        if (!reassign_node_known(call, replicas[i])) {
            return reassign_refuse(
                call, KP_ERR_INVALID_REPLICA_ASSIGNMENT, out_message,
                "The manual partition assignment includes broker %d, but no such broker is registered.", replicas[i]);
        }
        for (int32_t k = 0; k < i; k++) { /* at most the host's nodes come this far */
            if (replicas[k] == replicas[i]) {
                return reassign_refuse(call, KP_ERR_INVALID_REPLICA_ASSIGNMENT, out_message,
                                       "The manual partition assignment includes the broker %d more than once.",
                                       replicas[i]);
            }
        }
    }
    return KP_ERR_NONE;
}

static int16_t reassign_one(struct api_call *call, struct view name,
                            const struct kp_alter_partition_reassignments_request_topics_partitions *asked,
                            struct view                                                             *out_message)
{
    const struct meta_topic *topic = meta_topic(call->shard->meta, name);
    int32_t                  shown = (int32_t)MIN(name.len, (size_t)100);
    int16_t                  error;

    if (topic == NULL) {
        return reassign_refuse(call, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION, out_message,
                               "Unable to find a topic named %.*s.", shown, (const char *)name.base);
    }
    if (asked->partition_index < 0 || asked->partition_index >= topic->partition_count) {
        return reassign_refuse(call, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION, out_message,
                               "Unable to find partition %.*s:%d.", shown, (const char *)name.base,
                               asked->partition_index);
    }
    if (asked->replicas_count < 0) {
        *out_message = view_text(kp_error_text(KP_ERR_NO_REASSIGNMENT_IN_PROGRESS));
        return KP_ERR_NO_REASSIGNMENT_IN_PROGRESS;
    }
    error = reassign_check_list(call, asked->replicas, asked->replicas_count, out_message);
    if (error != KP_ERR_NONE) {
        return error;
    }
    if (asked->replicas_count > 1) {
        return reassign_refuse(call, KP_ERR_INVALID_REPLICATION_FACTOR, out_message,
                               "All brokers are shards of one host, where a second replica would protect nothing: "
                               "the replication factor is 1.");
    }
    if (asked->replicas[0] != topic->partitions[asked->partition_index].leader) {
        return reassign_refuse(call, KP_ERR_INVALID_REPLICA_ASSIGNMENT, out_message,
                               "Broker %d is a shard of the same host as broker %d; partitions are not moved between "
                               "shards.",
                               asked->replicas[0], topic->partitions[asked->partition_index].leader);
    }
    return KP_ERR_NONE;
}

static bool reassign_answer(struct api_call *call, struct kp_alter_partition_reassignments_response *response)
{
    const struct kp_alter_partition_reassignments_request *request = call->request;

    response->responses = api_alloc(call, (size_t)request->topics_count, sizeof(*response->responses));
    for (int32_t i = 0; response->responses != NULL && i < request->topics_count; i++) {
        const struct kp_alter_partition_reassignments_request_topics *asked = &request->topics[i];
        struct kp_alter_partition_reassignments_response_responses   *out =
            &response->responses[response->responses_count++];

        *out = (struct kp_alter_partition_reassignments_response_responses){.name = asked->name};
        out->partitions = api_alloc(call, (size_t)asked->partitions_count, sizeof(*out->partitions));
        if (out->partitions == NULL) {
            return false;
        }
        for (int32_t k = 0; k < asked->partitions_count; k++) {
            struct kp_alter_partition_reassignments_response_responses_partitions *one =
                &out->partitions[out->partitions_count++];

            one->partition_index = asked->partitions[k].partition_index;
            one->error_code = reassign_one(call, asked->name, &asked->partitions[k], &one->error_message);
        }
    }
    return response->responses != NULL;
}

void api_alter_partition_reassignments(struct api_call *call)
{
    const struct kp_alter_partition_reassignments_request *request = call->request;
    struct kp_alter_partition_reassignments_response      *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        response->allow_replication_factor_change = request->allow_replication_factor_change;
    }
    if (response == NULL || !reassign_answer(call, response)) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
