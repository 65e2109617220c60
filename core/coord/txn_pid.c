/* Producer ids: blocks from the controller (KIP-730), one at a time for each shard; calls that find it used up wait for
 * the next and are begun again with it. */
#include "core/coord/txn_machine.h"

int64_t txn__fresh_producer_id(const struct coord *coord)
{
    const struct txn_shard *shard = coord->txns;

    return shard->next_producer_id < shard->end_producer_id ? shard->next_producer_id : TXN_ID_NONE;
}

void txn__took_producer_id(struct coord *coord, const struct txn_values *values)
{
    struct txn_shard *shard = coord->txns;

    if (shard->next_producer_id < shard->end_producer_id &&
        (values->producer_id == shard->next_producer_id || values->next_producer_id == shard->next_producer_id)) {
        shard->next_producer_id++;
    }
}

static void pid_begin_again(struct coord *coord, struct coord_call *call)
{
    if (call->api_key == KP_END_TXN_KEY) {
        coord_end_txn(coord, call);
    } else {
        coord_init_producer_id(coord, call);
    }
}

static void pid_block_done(struct meta_change *change)
{
    struct txn_shard *shard = CONTAINER_OF(change, struct txn_shard, change);
    struct list_node  round;
    struct list_node *node;

    shard->asking = false;
    if (change->error == 0) {
        shard->next_producer_id = change->producer_ids.first_id;
        shard->end_producer_id = shard->next_producer_id + change->producer_ids.id_count;
    }
    list_init(&round);
    list_splice_back(&round, &shard->waiting);
    while ((node = list_pop_front(&round)) != NULL) {
        struct coord_call *call = LIST_ENTRY(node, struct coord_call, link_);

        if (change->error == 0) {
            pid_begin_again(shard->coord, call); /* may wait for the next block */
        } else {
            coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        }
    }
    txn__shard_back(shard);
}

void txn__await_producer_id(struct coord *coord, struct coord_call *call)
{
    struct txn_shard *shard = coord->txns;

    if (call != NULL) {
        list_init(&call->link_);
        list_push_back(&shard->waiting, &call->link_);
    }
    if (shard->asking) {
        return;
    }
    shard->asking = true;
    shard->away++;
    memset(&shard->change, 0, sizeof(shard->change));
    shard->change.kind = META_ALLOCATE_PRODUCER_IDS;
    shard->change.count = 1;
    shard->change.done = pid_block_done;
    meta_submit(coord->meta, &shard->change);
}
