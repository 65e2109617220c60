/* Produce: hands each partition's batch to the partition and answers when all are done (acks 1 and all: durable; acks
 * 0: nothing is answered, and an error closes the connection so that the client asks for metadata again). Decides
 * nothing about records: core/part does.
 *
 * A transactional batch is let in by the partition first: where the producer's transaction is not open yet, its
 * coordinator is asked (KIP-890), while the request's other partitions go on. From Produce 12 on asking adds the
 * partition to the transaction.
 *
 *   transactional:  admitted -> (asks | waits -> admitted) -> appended or refused
 *
 * While a batch asks or waits the loop runs: its partition is looked up again afterwards. */
#include "net/api/api_internal.h"

#define PRODUCE_RECORD_ERRORS_MAX 1000
#define PRODUCE_BLAME_BYTES_MAX   ((size_t)(1 * MIB)) /* inflated; beyond, only the first record is named */
#define PRODUCE_ATTRIBUTES_AT     22                  /* the byte with the flags */
#define PRODUCE_ABORTABLE_SINCE   11                  /* TRANSACTION_ABORTABLE is known */
#define PRODUCE_ADDS_SINCE        12

/* A transactional batch on its way in. */
struct produce_txn {
    struct part_ticket   ticket;
    struct coord_verify  verify;
    struct produce_item *item;
};

struct produce_item {
    struct part_append                                         append;
    struct produce_state                                      *state;
    const struct kp_produce_request_topic_data                *topic;
    const struct kp_produce_request_topic_data_partition_data *data;
    struct kp_produce_response_responses_partition_responses  *answer;
    struct produce_txn                                        *txn; /* NULL: not transactional */
};

struct produce_state {
    struct api_call            *call;
    struct kp_produce_response *response;
    struct produce_item        *items;
    size_t                      item_count;
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

static void produce_item_over(struct produce_state *state)
{
    CHECK(state->waiting > 0);
    if (--state->waiting == 0) {
        produce_finish(state);
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
    produce_item_over(state);
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

/* NULL: the item has its error, and says where the leader is. */
static struct part *produce_part(struct produce_item *item)
{
    struct api_call *call = item->state->call;
    bool             by_id = call->version >= 13;
    int16_t          error = 0;
    struct part     *part =
        api__part(call, by_id ? (struct view){0} : item->topic->name, item->topic->topic_id, item->data->index, &error);

    if (part == NULL) {
        produce_refuse(item->state, item->answer, error);
        produce_redirect(item->state,
                         by_id ? meta_topic_by_id(call->shard->meta, item->topic->topic_id)
                               : meta_topic(call->shard->meta, item->topic->name),
                         item->data->index, item->answer);
    }
    return part;
}

/* --- transactions ------------------------------------------------------------------------------------------------ */

/* By the flag alone, whatever else the bytes are. */
static bool produce_is_transactional(struct view records)
{
    return records.base != NULL && records.len >= REC_HEADER_BYTES &&
           (records.base[PRODUCE_ATTRIBUTES_AT] & REC_ATTR_TRANSACTIONAL) != 0;
}

static bool produce_same_producer(const struct rec_batch *one, const struct rec_batch *other)
{
    return one->producer_id == other->producer_id && one->producer_epoch == other->producer_epoch;
}

/* What refuses the request as a whole: transactional batches without the right to send them, which needs a
 * transactional id, or of more than one producer. */
static int16_t produce_transactional_refusal(const struct kp_produce_request *request)
{
    struct rec_batch first = {0};
    struct rec_batch batch;
    const char      *reason;
    bool             any = false;

    for (int32_t i = 0; i < request->topic_data_count; i++) {
        for (int32_t k = 0; k < request->topic_data[i].partition_data_count; k++) {
            struct view records = request->topic_data[i].partition_data[k].records;

            if (!produce_is_transactional(records)) {
                continue;
            }
            if (request->transactional_id.base == NULL) {
                return KP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
            }
            if (rec_produced_parse(records, &batch, &reason) != REC_OK || batch.producer_id < 0) {
                continue; /* the partition refuses it */
            }
            if (any && !produce_same_producer(&first, &batch)) {
                return KP_ERR_INVALID_PRODUCER_ID_MAPPING;
            }
            first = batch;
            any = true;
        }
    }
    return KP_ERR_NONE;
}

/* A coordinator's error as producers know it. Those that are over soon become one that every client tries again on,
 * without asking for metadata. */
static void produce_not_verified(struct produce_item *item, int16_t error)
{
    const char *message = NULL;
    int16_t     version = item->state->call->version;

    switch (error) {
    case KP_ERR_TRANSACTION_ABORTABLE:
        error = version >= PRODUCE_ABORTABLE_SINCE ? error : (int16_t)KP_ERR_INVALID_TXN_STATE;
        break;
    case KP_ERR_PRODUCER_FENCED:
        error = KP_ERR_INVALID_PRODUCER_EPOCH;
        break;
    case KP_ERR_CONCURRENT_TRANSACTIONS:
        error = version >= PRODUCE_ADDS_SINCE ? error : (int16_t)KP_ERR_NOT_ENOUGH_REPLICAS;
        break;
    case KP_ERR_NETWORK_EXCEPTION:
    case KP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case KP_ERR_COORDINATOR_NOT_AVAILABLE:
    case KP_ERR_NOT_COORDINATOR:
        error = KP_ERR_NOT_ENOUGH_REPLICAS;
        break;
    default:
        break;
    }
    if (error == KP_ERR_NOT_ENOUGH_REPLICAS) {
        message = "the transaction's coordinator could not say whether the partition has been added";
    } else if (error == KP_ERR_INVALID_TXN_STATE) {
        message = "the partition was not added to the transaction";
    }
    produce_refuse(item->state, item->answer, error);
    item->answer->error_message = api__text(item->state->call, message);
    produce_item_over(item->state);
}

/* What the coordinator said is passed on to the partition, and the batch, and those behind it, go their way. */
static void produce_settle(struct produce_item *item, int16_t error)
{
    struct part     *part = produce_part(item);
    struct list_node followers;

    list_init(&followers);
    part_txn_answer(part, &item->txn->ticket, error, &followers);
    if (part == NULL) {
        produce_item_over(item->state);
    } else if (error != KP_ERR_NONE) {
        produce_not_verified(item, error);
    } else {
        item->append.guard = item->txn->ticket.guard;
        part_append(part, &item->append);
    }
    part_txn_wake(&followers, error); /* the item may be gone */
}

static void produce_ask(struct produce_item *item)
{
    struct api_shard *shard = item->state->call->shard;

    if (shard->coord == NULL) {
        produce_settle(item, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    coord_verify_append(shard->coord, &item->txn->verify);
}

static void produce_verified(struct coord_verify *verify)
{
    produce_settle(CONTAINER_OF(verify, struct produce_txn, verify)->item, verify->error);
}

static void produce_admit(struct produce_item *item, struct part *part)
{
    struct produce_txn *txn = item->txn;

    switch (part_txn_admit(part, &txn->ticket)) {
    case PART_ADMIT_GO:
        item->append.guard = txn->ticket.guard;
        part_append(part, &item->append);
        break;
    case PART_ADMIT_ASK:
        produce_ask(item);
        break;
    case PART_ADMIT_WAIT:
        break;
    case PART_ADMIT_REFUSED:
    default:
        produce_not_verified(item, KP_ERR_INVALID_PRODUCER_EPOCH);
        break;
    }
}

/* The batch it waited for has gone its way. */
static void produce_ready(struct part_ticket *ticket, int16_t error)
{
    struct produce_item *item = CONTAINER_OF(ticket, struct produce_txn, ticket)->item;
    struct part         *part;

    if (error != KP_ERR_NONE) {
        produce_not_verified(item, error);
    } else if ((part = produce_part(item)) == NULL) {
        produce_item_over(item->state);
    } else {
        produce_admit(item, part);
    }
}

static void produce_transactional(struct produce_item *item, struct part *part)
{
    const struct kp_produce_request *request = item->state->call->request;
    struct api_call                 *call = item->state->call;
    struct produce_txn              *txn;
    struct rec_batch                 batch;
    const char                      *reason;

    if (rec_produced_parse(item->append.records, &batch, &reason) != REC_OK || batch.producer_id < 0) {
        part_append(part, &item->append); /* refuses it and says why */
        return;
    }
    txn = api_alloc(call, 1, sizeof(*txn));
    if (txn == NULL) {
        produce_not_verified(item, KP_ERR_NOT_ENOUGH_REPLICAS);
        return;
    }
    item->txn = txn;
    txn->item = item;
    txn->ticket = (struct part_ticket){.producer_id = batch.producer_id,
                                       .producer_epoch = batch.producer_epoch,
                                       .base_sequence = batch.base_sequence,
                                       .adds = call->version >= PRODUCE_ADDS_SINCE,
                                       .ready = produce_ready};
    txn->verify = (struct coord_verify){.transactional_id = request->transactional_id,
                                        .producer_id = batch.producer_id,
                                        .producer_epoch = batch.producer_epoch,
                                        .add = call->version >= PRODUCE_ADDS_SINCE,
                                        .topic = arena_copy(call->arena, part_topic(part)),
                                        .partition = item->data->index,
                                        .done = produce_verified};
    if (txn->verify.topic.base == NULL) {
        produce_not_verified(item, KP_ERR_NOT_ENOUGH_REPLICAS);
        return;
    }
    produce_admit(item, part);
}

/* --- the request ------------------------------------------------------------------------------------------------- */

static void produce_partition(struct produce_item *item)
{
    struct api_call *call = item->state->call;
    struct part     *part = produce_part(item);

    if (part == NULL) {
        return;
    }
    if (item->data->records.base == NULL || item->data->records.len == 0) {
        produce_refuse(item->state, item->answer, KP_ERR_INVALID_RECORD);
        return;
    }
    item->append.records = item->data->records;
    item->append.zstd_allowed = call->version >= 7;
    item->append.wait_durable = ((const struct kp_produce_request *)call->request)->acks != 0;
    item->append.done = produce_append_done;
    item->state->waiting++;
    if (produce_is_transactional(item->append.records)) {
        produce_transactional(item, part);
    } else {
        part_append(part, &item->append);
    }
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
            items[total].state = state;
            items[total].topic = topic;
            items[total].data = &topic->partition_data[k];
            items[total++].answer = &answer->partition_responses[k];
        }
    }
    state->items = items;
    state->item_count = total;
    return items;
}

/* As a rule all records are in the log when the handler comes back: the memory they came in is free for the next. */
static void produce_let_go(struct produce_state *state)
{
    for (size_t i = 0; i < state->item_count; i++) {
        if (!part_append_taken(&state->items[i].append)) {
            return;
        }
    }
    for (int32_t i = 0; i < state->response->responses_count; i++) {
        struct view *name = &state->response->responses[i].name;
        struct view  copy = arena_copy(state->call->arena, *name);

        if (name->len > 0 && copy.base == NULL) {
            return;
        }
        *name = name->len > 0 ? copy : *name;
    }
    api_let_go(state->call);
}

void api_produce(struct api_call *call)
{
    const struct kp_produce_request *request = call->request;
    struct produce_state            *state = api_alloc(call, 1, sizeof(*state));
    struct produce_item             *item;
    int16_t                          error = produce_transactional_refusal(request);

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
    if (error == KP_ERR_NONE && (request->acks < -1 || request->acks > 1)) {
        error = KP_ERR_INVALID_REQUIRED_ACKS;
    }
    for (int32_t i = 0; i < request->topic_data_count; i++) {
        for (int32_t k = 0; k < request->topic_data[i].partition_data_count; k++, item++) {
            if (error != KP_ERR_NONE) {
                produce_refuse(state, item->answer, error);
            } else {
                produce_partition(item);
            }
        }
    }
    produce_let_go(state);
    if (--state->waiting == 0) {
        produce_finish(state);
    }
}
