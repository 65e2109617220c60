/* FindCoordinator: which shard has a group or a transactional id: the one that leads its partition of the internal
 * topic, which is made when somebody asks for the first time. */
#include "net/api/api_internal.h"

#include <stdio.h>

enum find_key_type { FIND_GROUP = 0, FIND_TRANSACTION = 1 };

struct find_state {
    struct api_call         *call;
    struct meta_change       change;
    struct meta_create_topic create;
    struct meta_config_entry configs[3];
    char                     segment_bytes[24];
};

static const char *find_topic(int8_t key_type)
{
    return key_type == FIND_GROUP ? COORD_OFFSETS_TOPIC : COORD_TXN_TOPIC;
}

/* --- the answer -------------------------------------------------------------------------------------------------- */

static void find_fail(struct api_call *call, struct kp_find_coordinator_response_coordinators *out, int16_t error)
{
    out->node_id = -1;
    out->host = view_text("");
    out->port = -1;
    out->error_code = error;
    out->error_message = api__text(call, kp_error_text(error));
}

static void find_one(struct api_call *call, int8_t key_type, int16_t error,
                     struct kp_find_coordinator_response_coordinators *out)
{
    const struct meta_topic *topic = error == 0 ? meta_topic(call->shard->meta, view_text(find_topic(key_type))) : NULL;
    const struct meta_broker   *broker;
    const struct meta_endpoint *endpoint = NULL;

    if (topic == NULL) {
        find_fail(call, out, error != 0 ? error : (int16_t)KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    broker = api__leader(call, topic, coord_partition_of(out->key, topic->partition_count));
    endpoint = broker == NULL ? NULL : api__endpoint(call, broker);
    if (endpoint == NULL) {
        find_fail(call, out, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    out->node_id = broker->node_id;
    out->host = endpoint->host;
    out->port = endpoint->port;
    out->error_code = KP_ERR_NONE;
}

static void find_answer(struct api_call *call, int16_t error)
{
    const struct kp_find_coordinator_request         *request = call->request;
    struct kp_find_coordinator_response              *response = api_alloc(call, 1, sizeof(*response));
    bool                                              batched = call->version >= 4;
    int32_t                                           count = batched ? MAX(request->coordinator_keys_count, 0) : 1;
    struct kp_find_coordinator_response_coordinators *found = api_alloc(call, (size_t)count, sizeof(*found));

    if (response == NULL || found == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    kp_find_coordinator_response_init(response);
    for (int32_t i = 0; i < count; i++) {
        kp_find_coordinator_response_coordinators_init(&found[i]);
        found[i].key = batched ? request->coordinator_keys[i] : request->key;
        find_one(call, request->key_type, error, &found[i]);
    }
    if (batched) {
        response->coordinators = found;
        response->coordinators_count = count;
    } else {
        response->error_code = found->error_code;
        response->error_message = found->error_message;
        response->node_id = found->node_id;
        response->host = found->host;
        response->port = found->port;
    }
    api_reply(call, response);
}

/* --- the topic --------------------------------------------------------------------------------------------------- */

static void find_created(struct meta_change *change)
{
    struct find_state *state = CONTAINER_OF(change, struct find_state, change);
    bool made = change->error == 0 && (state->create.error == 0 || state->create.error == KP_ERR_TOPIC_ALREADY_EXISTS);

    find_answer(state->call, made ? KP_ERR_NONE : KP_ERR_COORDINATOR_NOT_AVAILABLE);
}

/* As Kafka makes them: compacted, in segments of their own size. */
static void find_create(struct api_call *call, int8_t key_type)
{
    struct find_state *state = api_alloc(call, 1, sizeof(*state));
    bool               groups = key_type == FIND_GROUP;

    if (state == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    (void)snprintf(state->segment_bytes, sizeof(state->segment_bytes), "%" PRId64,
                   meta_broker_int(call->shard->meta,
                                   groups ? "offsets.topic.segment.bytes" : "transaction.state.log.segment.bytes"));
    state->configs[0] = (struct meta_config_entry){view_text("cleanup.policy"), view_text("compact")};
    state->configs[1] =
        (struct meta_config_entry){view_text("compression.type"), view_text(groups ? "producer" : "uncompressed")};
    state->configs[2] = (struct meta_config_entry){view_text("segment.bytes"), view_text(state->segment_bytes)};
    state->call = call;
    state->create.name = view_text(find_topic(key_type));
    state->create.partition_count = (int32_t)meta_broker_int(
        call->shard->meta, groups ? "offsets.topic.num.partitions" : "transaction.state.log.num.partitions");
    state->create.replication_factor = 1;
    state->create.configs = state->configs;
    state->create.config_count = (int32_t)COUNT_OF(state->configs);
    state->change.kind = META_CREATE_TOPICS;
    state->change.count = 1;
    state->change.create_topics = &state->create;
    state->change.done = find_created;
    meta_submit(call->shard->meta, &state->change);
}

void api_find_coordinator(struct api_call *call)
{
    const struct kp_find_coordinator_request *request = call->request;

    if (request->key_type != FIND_GROUP && request->key_type != FIND_TRANSACTION) {
        find_answer(call, KP_ERR_INVALID_REQUEST); /* share groups, and what is unknown */
    } else if (meta_topic(call->shard->meta, view_text(find_topic(request->key_type))) == NULL) {
        find_create(call, request->key_type);
    } else {
        find_answer(call, KP_ERR_NONE);
    }
}
