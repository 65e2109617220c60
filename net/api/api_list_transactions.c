/* ListTransactions: the transactional ids this shard coordinates (core/coord/txn_show.c). */
#include "net/api/api_internal.h"

void api_list_transactions(struct api_call *call)
{
    struct kp_list_transactions_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_list_transactions_response_init(response);
    }
    api__coord_ask(call, response, coord_list_transactions);
}
