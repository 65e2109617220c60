/* TxnOffsetCommit: positions of a group that count when the transaction commits.
 *
 * Before anything is stored, the transaction's coordinator is asked whether the group's partition of
 * `__consumer_offsets` belongs to the open transaction (KIP-890); with version 5 asking adds it. Else positions that
 * come late would hang in the group for ever. The group's own checks follow (core/coord/group_offset.c). */
#include "net/api/api_internal.h"

struct txn_offsets {
    struct coord_verify verify;
    struct api_call    *call;
};

/* The same error for every partition. NULL: no memory. */
static struct kp_txn_offset_commit_response *offsets_response(struct api_call *call, int16_t error)
{
    const struct kp_txn_offset_commit_request *request = call->request;
    struct kp_txn_offset_commit_response      *response = api_alloc(call, 1, sizeof(*response));
    size_t                                     count = (size_t)MAX(request->topics_count, 0);

    if (response == NULL) {
        return NULL;
    }
    kp_txn_offset_commit_response_init(response);
    if (error == 0) {
        return response;
    }
    response->topics = api_alloc(call, MAX(count, 1), sizeof(*response->topics));
    response->topics_count = (int32_t)count;
    for (size_t i = 0; response->topics != NULL && i < count; i++) {
        struct kp_txn_offset_commit_response_topics *topic = &response->topics[i];
        size_t                                       partitions = (size_t)MAX(request->topics[i].partitions_count, 0);

        topic->name = request->topics[i].name;
        topic->partitions = api_alloc(call, MAX(partitions, 1), sizeof(*topic->partitions));
        topic->partitions_count = (int32_t)partitions;
        if (topic->partitions == NULL) {
            return NULL;
        }
        for (size_t j = 0; j < partitions; j++) {
            topic->partitions[j].partition_index = request->topics[i].partitions[j].partition_index;
            topic->partitions[j].error_code = error;
        }
    }
    return response->topics == NULL ? NULL : response;
}

static void offsets_refuse(struct api_call *call, int16_t error)
{
    struct kp_txn_offset_commit_response *response = offsets_response(call, error);

    if (response == NULL) {
        api_close(call, "no memory for the answer");
    } else {
        api_reply(call, response);
    }
}

/* As a group coordinator's client knows them. */
static int16_t offsets_error(int16_t error, int16_t version)
{
    switch (error) {
    case KP_ERR_NOT_COORDINATOR: /* of the transaction: it is not the client's to look for */
        return KP_ERR_COORDINATOR_NOT_AVAILABLE;
    case KP_ERR_PRODUCER_FENCED:
        return KP_ERR_INVALID_PRODUCER_EPOCH;
    case KP_ERR_CONCURRENT_TRANSACTIONS: /* clients try again on both; the older ones know this one only */
        return version >= 5 ? error : KP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    case KP_ERR_TRANSACTION_ABORTABLE:
        return version >= 4 ? error : KP_ERR_INVALID_TXN_STATE;
    default:
        return error;
    }
}

static void offsets_verified(struct coord_verify *verify)
{
    struct txn_offsets *offsets = CONTAINER_OF(verify, struct txn_offsets, verify);
    struct api_call    *call = offsets->call;

    list_remove(&call->link);
    if (verify->error != 0) {
        offsets_refuse(call, offsets_error(verify->error, call->version));
    } else {
        api__coord_ask(call, offsets_response(call, 0), coord_txn_offset_commit);
    }
}

void api_txn_offset_commit(struct api_call *call)
{
    const struct kp_txn_offset_commit_request *request = call->request;
    const struct meta_topic                   *topic = meta_topic(call->shard->meta, view_text(COORD_OFFSETS_TOPIC));
    struct txn_offsets                        *offsets = api_alloc(call, 1, sizeof(*offsets));

    if (offsets == NULL || topic == NULL || request->transactional_id.len == 0) {
        offsets_refuse(call,
                       request->transactional_id.len == 0 ? KP_ERR_INVALID_REQUEST : KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    offsets->call = call;
    offsets->verify = (struct coord_verify){.transactional_id = request->transactional_id,
                                            .producer_id = request->producer_id,
                                            .producer_epoch = request->producer_epoch,
                                            .add = call->version >= 5,
                                            .topic = view_text(COORD_OFFSETS_TOPIC), /* lives on, on every shard */
                                            .partition = coord_partition_of(request->group_id, topic->partition_count),
                                            .done = offsets_verified};
    list_push_back(&call->shard->waiting, &call->link);
    coord_verify_append(call->shard->coord, &offsets->verify);
}
