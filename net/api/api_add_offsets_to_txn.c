/* AddOffsetsToTxn: a group whose positions the open transaction commits (core/coord/txn_call.c). */
#include "net/api/api_internal.h"

void api_add_offsets_to_txn(struct api_call *call)
{
    struct kp_add_offsets_to_txn_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_add_offsets_to_txn_response_init(response);
    }
    api__coord_ask(call, response, coord_add_offsets_to_txn);
}
