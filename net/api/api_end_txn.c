/* EndTxn: commits or aborts; answered when the decision is durable, the markers follow (core/coord/txn_call.c). */
#include "net/api/api_internal.h"

void api_end_txn(struct api_call *call)
{
    struct kp_end_txn_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_end_txn_response_init(response);
    }
    api__coord_ask(call, response, coord_end_txn);
}
