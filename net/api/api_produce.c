/* Produce: hands each partition's batch to the partition and answers when all are done (acks 1 and all: durable; acks
 * 0: nothing is answered, and an error closes the connection so that the client asks for metadata again). Decides
 * nothing about records: core/part does. */
#include "net/api/api_internal.h"

#define PRODUCE_RECORD_ERRORS_MAX 1000
#define PRODUCE_BLAME_BYTES_MAX   ((size_t)(1 * MIB)) /* inflated; beyond, only the first record is named */

struct produce_item {
    struct part_append                                        append;
    struct produce_state                                     *state;
    struct kp_produce_response_responses_partition_responses *answer;
};

struct produce_state {
    struct api_call            *call;
    struct kp_produce_response *response;
    uint32_t                    waiting;
    bool                        any_error;
};

static void produce_finish(struct produce_state *state)
{
    const struct kp_produce_request *request = state->call->request;

    if (request->acks != 0) {
        api_reply(state->call, state->response);
    } else if (state->any_error) {
        api_close(state->call, "a batch sent with acks=0 was refused");
    } else {
        api_reply_nothing(state->call);
    }
}

static void produce_refuse(struct produce_state                                     *state,
                           struct kp_produce_response_responses_partition_responses *answer, int16_t error)
{
    answer->error_code = error;
    answer->base_offset = -1;
    state->any_error = true;
}

static void produce_record_error_add(struct kp_produce_response_responses_partition_responses *answer, int32_t index)
{
    answer->record_errors[answer->record_errors_count].batch_index = index;
    answer->record_errors[answer->record_errors_count].batch_index_error_message = answer->error_message;
    answer->record_errors_count++;
}

/* Which records of a refused batch are to blame: clients fail those, and the others as innocent. The check stops at the
 * first; where that one lacks a key, the others without one are looked up, if that is not much work. */
static void produce_record_errors(struct api_call *call, const struct part_append *append,
                                  struct kp_produce_response_responses_partition_responses *answer)
{
    struct rec_batch  batch;
    struct rec_iter   iter;
    struct rec_record record;
    struct view       records;

    answer->record_errors = api_alloc(call, PRODUCE_RECORD_ERRORS_MAX, sizeof(*answer->record_errors));
    if (answer->record_errors == NULL) {
        return;
    }
    produce_record_error_add(answer, append->bad_record_index);
    if (append->error != KP_ERR_INVALID_RECORD || rec_batch_parse(append->records, &batch) != ERR_OK ||
        rec_inflate(&batch, PRODUCE_BLAME_BYTES_MAX, call->arena, &records) != ERR_OK) {
        return;
    }
    rec_iter_init(&iter, &batch, records);
    while (answer->record_errors_count < PRODUCE_RECORD_ERRORS_MAX && rec_iter_next(&iter, &record) > 0) {
        int32_t index = iter.index - 1;

        if (index == append->bad_record_index && record.key.base != NULL) {
            break; /* to blame for something else */
        }
        if (index > append->bad_record_index && record.key.base == NULL) {
            produce_record_error_add(answer, index);
        }
    }
}

static void produce_append_done(struct part_append *append)
{
    struct produce_item                                      *item = CONTAINER_OF(append, struct produce_item, append);
    struct produce_state                                     *state = item->state;
    struct kp_produce_response_responses_partition_responses *answer = item->answer;

    answer->error_code = append->error;
    answer->base_offset = append->error == 0 ? append->base_offset : -1;
    answer->log_append_time_ms = append->error == 0 ? append->append_time_ms : -1;
    answer->log_start_offset = append->log_start_offset;
    if (append->error != 0) {
        state->any_error = true;
        answer->error_message = api__text(state->call, append->error_message);
        if (append->bad_record_index >= 0) {
            produce_record_errors(state->call, append, answer);
        }
    }
    CHECK(state->waiting > 0);
    if (--state->waiting == 0) {
        produce_finish(state);
    }
}

/* NOT_LEADER_OR_FOLLOWER tells where the leader is (KIP-951). */
static void produce_redirect(struct produce_state *state, const struct meta_topic *topic, int32_t partition,
                             struct kp_produce_response_responses_partition_responses *answer)
{
    if (answer->error_code == KP_ERR_NOT_LEADER_OR_FOLLOWER && topic != NULL) {
        const struct meta_image                   *image = meta_image(state->call->shard->meta);
        const struct meta_broker                  *leader = api__leader(state->call, topic, partition);
        const struct meta_endpoint                *endpoint;
        struct kp_produce_response_node_endpoints *nodes;

        answer->current_leader.leader_id = topic->partitions[partition].leader;
        answer->current_leader.leader_epoch = topic->partitions[partition].leader_epoch;
        for (int32_t i = 0; leader != NULL && i < state->response->node_endpoints_count; i++) {
            leader = state->response->node_endpoints[i].node_id == leader->node_id ? NULL : leader;
        }
        endpoint = leader == NULL ? NULL : api__endpoint(state->call, leader);
        if (endpoint == NULL) {
            return;
        }
        if (state->response->node_endpoints == NULL) {
            state->response->node_endpoints = api_alloc(state->call, image->broker_count, sizeof(*nodes));
        }
        nodes = state->response->node_endpoints;
        if (nodes != NULL) {
            nodes[state->response->node_endpoints_count++] = (struct kp_produce_response_node_endpoints){
                .node_id = leader->node_id, .host = endpoint->host, .port = endpoint->port, .rack = leader->rack};
        }
    }
}

static void produce_partition(struct produce_state *state, const struct kp_produce_request_topic_data *topic,
                              const struct kp_produce_request_topic_data_partition_data *data,
                              struct produce_item                                       *item)
{
    struct api_call *call = state->call;
    bool             by_id = call->version >= 13;
    int16_t          error = 0;
    struct part *part = api__part(call, by_id ? (struct view){0} : topic->name, topic->topic_id, data->index, &error);

    if (part == NULL) {
        produce_refuse(state, item->answer, error);
        produce_redirect(state,
                         by_id ? meta_topic_by_id(call->shard->meta, topic->topic_id)
                               : meta_topic(call->shard->meta, topic->name),
                         data->index, item->answer);
        return;
    }
    if (data->records.base == NULL || data->records.len == 0) {
        produce_refuse(state, item->answer, KP_ERR_INVALID_RECORD);
        return;
    }
    item->state = state;
    item->append.records = data->records;
    item->append.zstd_allowed = call->version >= 7;
    item->append.wait_durable = ((const struct kp_produce_request *)call->request)->acks != 0;
    item->append.done = produce_append_done;
    state->waiting++;
    part_append(part, &item->append);
}

/* The answer's skeleton, and one item per partition. NULL: no memory. */
static struct produce_item *produce_prepare(struct produce_state *state)
{
    const struct kp_produce_request *request = state->call->request;
    struct kp_produce_response      *response = state->response;
    struct produce_item             *items;
    size_t                           total = 0;

    kp_produce_response_init(response);
    response->responses = api_alloc(state->call, (size_t)request->topic_data_count, sizeof(*response->responses));
    for (int32_t i = 0; i < request->topic_data_count; i++) {
        total += (size_t)request->topic_data[i].partition_data_count;
    }
    items = api_alloc(state->call, total, sizeof(*items));
    if (response->responses == NULL || items == NULL) {
        return NULL;
    }
    response->responses_count = request->topic_data_count;
    total = 0;
    for (int32_t i = 0; i < request->topic_data_count; i++) {
        const struct kp_produce_request_topic_data *topic = &request->topic_data[i];
        struct kp_produce_response_responses       *answer = &response->responses[i];

        answer->name = topic->name;
        answer->topic_id = topic->topic_id;
        answer->partition_responses =
            api_alloc(state->call, (size_t)topic->partition_data_count, sizeof(*answer->partition_responses));
        if (answer->partition_responses == NULL) {
            return NULL;
        }
        answer->partition_responses_count = topic->partition_data_count;
        for (int32_t k = 0; k < topic->partition_data_count; k++) {
            kp_produce_response_responses_partition_responses_init(&answer->partition_responses[k]);
            answer->partition_responses[k].index = topic->partition_data[k].index;
            answer->partition_responses[k].base_offset = -1;
            items[total++].answer = &answer->partition_responses[k];
        }
    }
    return items;
}

void api_produce(struct api_call *call)
{
    const struct kp_produce_request *request = call->request;
    struct produce_state            *state = api_alloc(call, 1, sizeof(*state));
    struct produce_item             *item;
    bool                             acks_valid = request->acks >= -1 && request->acks <= 1;

    if (state == NULL || (state->response = api_alloc(call, 1, sizeof(*state->response))) == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    state->call = call;
    state->waiting = 1; /* this function's own */
    item = produce_prepare(state);
    if (item == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    for (int32_t i = 0; i < request->topic_data_count; i++) {
        const struct kp_produce_request_topic_data *topic = &request->topic_data[i];

        for (int32_t k = 0; k < topic->partition_data_count; k++, item++) {
            if (!acks_valid) {
                produce_refuse(state, item->answer, KP_ERR_INVALID_REQUIRED_ACKS);
            } else if (request->transactional_id.base != NULL) {
                produce_refuse(state, item->answer, KP_ERR_INVALID_TXN_STATE); /* no transaction can be open here */
            } else {
                produce_partition(state, topic, &topic->partition_data[k], item);
            }
        }
    }
    if (--state->waiting == 0) {
        produce_finish(state);
    }
}
