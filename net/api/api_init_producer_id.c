/* InitProducerId without a transactional id: a fresh producer id, epoch 0 (KIP-98). Ids come in blocks from the
 * controller (KIP-730), one block per shard at a time; requests that find the block used up wait for the next. */
#include "net/api/api_internal.h"

struct api_producer_ids {
    int64_t            next_id;
    int64_t            end_id;
    bool               asking;
    struct list_node   waiting; /* struct api_call.link */
    struct meta_change change;
};

struct api_producer_ids *api__producer_ids_create(void)
{
    struct api_producer_ids *ids = mem_alloc(MEM_API, sizeof(*ids));

    list_init(&ids->waiting);
    return ids;
}

void api__producer_ids_destroy(struct api_producer_ids *ids)
{
    CHECK(!ids->asking);
    mem_free(MEM_API, ids);
}

static void init_answer(struct api_call *call, int16_t error, int64_t producer_id)
{
    struct kp_init_producer_id_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    kp_init_producer_id_response_init(response);
    response->error_code = error;
    response->producer_id = error == 0 ? producer_id : -1;
    response->producer_epoch = error == 0 ? 0 : -1;
    api_reply(call, response);
}

static void init_ask(struct api_shard *shard);

static void init_block_done(struct meta_change *change)
{
    struct api_producer_ids *ids = CONTAINER_OF(change, struct api_producer_ids, change);
    struct api_shard        *shard = NULL;

    ids->asking = false;
    if (change->error == 0) {
        ids->next_id = change->producer_ids.first_id;
        ids->end_id = ids->next_id + change->producer_ids.id_count;
    }
    while (!list_empty(&ids->waiting) && (change->error != 0 || ids->next_id < ids->end_id)) {
        struct api_call *call = LIST_ENTRY(list_pop_front(&ids->waiting), struct api_call, link);

        shard = call->shard;
        init_answer(call, change->error == 0 ? 0 : KP_ERR_COORDINATOR_NOT_AVAILABLE,
                    change->error == 0 ? ids->next_id++ : -1);
    }
    if (!list_empty(&ids->waiting)) {
        shard = LIST_ENTRY(list_first(&ids->waiting), struct api_call, link)->shard;
        init_ask(shard);
    }
}

static void init_ask(struct api_shard *shard)
{
    struct api_producer_ids *ids = shard->producer_ids;

    if (ids->asking) {
        return;
    }
    ids->asking = true;
    memset(&ids->change, 0, sizeof(ids->change));
    ids->change.kind = META_ALLOCATE_PRODUCER_IDS;
    ids->change.count = 1;
    ids->change.done = init_block_done;
    meta_submit(shard->meta, &ids->change);
}

void api_init_producer_id(struct api_call *call)
{
    const struct kp_init_producer_id_request *request = call->request;
    struct api_producer_ids                  *ids = call->shard->producer_ids;

    if (request->transactional_id.base !=
        NULL) { /* there is no transaction coordinator here; FindCoordinator says so, too */
        init_answer(call,
                    request->transactional_id.len == 0 ? KP_ERR_INVALID_REQUEST : KP_ERR_COORDINATOR_NOT_AVAILABLE, -1);
    } else if (ids->next_id < ids->end_id) {
        init_answer(call, 0, ids->next_id++);
    } else {
        list_push_back(&ids->waiting, &call->link);
        init_ask(call->shard);
    }
}
