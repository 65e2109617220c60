/* Metadata: the brokers of this cluster (one per shard) and who leads what. Topics are created on demand here, when
 * both the client and auto.create.topics.enable say so; the answer then waits until every shard knows the topic (D2).
 */
#include "net/api/api_internal.h"

struct metadata_state {
    struct meta_change change;
    struct api_call   *call;
};

static bool metadata_brokers(struct api_call *call, struct kp_metadata_response *response)
{
    const struct meta_image *image = meta_image(call->shard->meta);

    response->brokers = api_alloc(call, image->broker_count, sizeof(*response->brokers));
    if (response->brokers == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < image->broker_count; i++) {
        const struct meta_endpoint *endpoint = api__endpoint(call, &image->brokers[i]);

        if (endpoint != NULL) {
            response->brokers[response->brokers_count++] =
                (struct kp_metadata_response_brokers){.node_id = image->brokers[i].node_id,
                                                      .host = endpoint->host,
                                                      .port = endpoint->port,
                                                      .rack = image->brokers[i].rack};
        }
    }
    return true;
}

static bool metadata_topic(struct api_call *call, const struct meta_topic *topic,
                           struct kp_metadata_response_topics *out)
{
    const struct kp_metadata_request *request = call->request;

    kp_metadata_response_topics_init(out);
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    out->topic_authorized_operations =
        request->include_topic_authorized_operations ? API_TOPIC_OPERATIONS : API_OPERATIONS_NOT_ASKED;
    out->partitions = api_alloc(call, (size_t)topic->partition_count, sizeof(*out->partitions));
    if (out->partitions == NULL) {
        return false;
    }
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct kp_metadata_response_topics_partitions *partition = &out->partitions[i];
        const int32_t                                 *leader = &topic->partitions[i].leader;

        kp_metadata_response_topics_partitions_init(partition);
        partition->partition_index = i;
        partition->leader_id = *leader;
        partition->leader_epoch = topic->partitions[i].leader_epoch;
        partition->replica_nodes = leader;
        partition->replica_nodes_count = 1;
        partition->isr_nodes = leader;
        partition->isr_nodes_count = 1;
    }
    out->partitions_count = topic->partition_count;
    return true;
}

static void metadata_missing(struct api_call *call, struct view name, struct uuid id, int16_t error,
                             struct kp_metadata_response_topics *out)
{
    kp_metadata_response_topics_init(out);
    out->name = name;
    if (name.base == NULL && call->version < 12) {
        out->name = view_text("");
    }
    out->topic_id = id;
    out->error_code = error;
    out->topic_authorized_operations = API_OPERATIONS_NOT_ASKED;
}

/* Java's admin client asks by id with an empty name instead of none: what names a topic is an id that is not zero. */
static bool metadata_by_id(const struct kp_metadata_request_topics *asked)
{
    return asked->name.base == NULL || !uuid_is_zero(asked->topic_id);
}

static bool metadata_all(const struct api_call *call)
{
    const struct kp_metadata_request *request = call->request;

    return request->topics_count < 0 || (call->version == 0 && request->topics_count == 0);
}

static bool metadata_topics(struct api_call *call, struct kp_metadata_response *response)
{
    const struct kp_metadata_request *request = call->request;
    const struct meta_image          *image = meta_image(call->shard->meta);
    size_t count = metadata_all(call) ? map_count(&image->topics_by_name) : (size_t)request->topics_count;

    response->topics = api_alloc(call, count, sizeof(*response->topics));
    if (response->topics == NULL) {
        return false;
    }
    if (metadata_all(call)) {
        MAP_EACH(&image->topics_by_name, entry) {
            if (!metadata_topic(call, entry->value, &response->topics[response->topics_count++])) {
                return false;
            }
        }
        return true;
    }
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kp_metadata_request_topics *asked = &request->topics[i];
        bool                                     by_id = metadata_by_id(asked);
        const struct meta_topic                 *topic =
            by_id ? meta_topic_by_id(call->shard->meta, asked->topic_id) : meta_topic(call->shard->meta, asked->name);
        struct kp_metadata_response_topics *out = &response->topics[response->topics_count++];

        if (topic != NULL) {
            if (!metadata_topic(call, topic, out)) {
                return false;
            }
        } else if (by_id) {
            metadata_missing(call, (struct view){0}, asked->topic_id, KP_ERR_UNKNOWN_TOPIC_ID, out);
        } else {
            metadata_missing(call, asked->name, asked->topic_id,
                             meta_topic_name_valid(asked->name) ? KP_ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                                : KP_ERR_INVALID_TOPIC_EXCEPTION,
                             out);
        }
    }
    return true;
}

static void metadata_answer(struct api_call *call)
{
    const struct kp_metadata_request *request = call->request;
    const struct meta_image          *image = meta_image(call->shard->meta);
    struct kp_metadata_response      *response = api_alloc(call, 1, sizeof(*response));
    char                              cluster_id[UUID_TEXT_BYTES];

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    kp_metadata_response_init(response);
    uuid_format(meta_host(call->shard->meta)->cluster_id, cluster_id);
    response->cluster_id = api__text(call, cluster_id);
    response->controller_id = image->brokers[0].node_id;
    response->cluster_authorized_operations =
        request->include_cluster_authorized_operations ? API_CLUSTER_OPERATIONS : API_OPERATIONS_NOT_ASKED;
    if (!metadata_brokers(call, response) || !metadata_topics(call, response)) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}

static void metadata_created(struct meta_change *change)
{
    metadata_answer(CONTAINER_OF(change, struct metadata_state, change)->call);
}

/* Topics to create on demand: how many were put into `out` (NULL: only counted). */
static int32_t metadata_wanted(struct api_call *call, struct meta_create_topic *out)
{
    const struct kp_metadata_request *request = call->request;
    int32_t                           count = 0;

    for (int32_t i = 0; i < request->topics_count; i++) {
        struct view name = request->topics[i].name;

        if (!metadata_by_id(&request->topics[i]) && meta_topic_name_valid(name) &&
            meta_topic(call->shard->meta, name) == NULL) {
            if (out != NULL) {
                out[count].name = name;
                out[count].partition_count = -1;
                out[count].replication_factor = -1;
            }
            count++;
        }
    }
    return count;
}

void api_metadata(struct api_call *call)
{
    const struct kp_metadata_request *request = call->request;
    struct metadata_state            *state;
    int32_t                           wanted;

    if (metadata_all(call) || !request->allow_auto_topic_creation ||
        !meta_broker_bool(call->shard->meta, "auto.create.topics.enable") ||
        (wanted = metadata_wanted(call, NULL)) == 0) {
        metadata_answer(call);
        return;
    }
    state = api_alloc(call, 1, sizeof(*state));
    if (state == NULL ||
        (state->change.create_topics = api_alloc(call, (size_t)wanted, sizeof(struct meta_create_topic))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    state->call = call;
    state->change.kind = META_CREATE_TOPICS;
    state->change.count = metadata_wanted(call, state->change.create_topics);
    state->change.done = metadata_created;
    meta_submit(call->shard->meta, &state->change);
}
