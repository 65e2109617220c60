/* InitProducerId: a producer id, for a transactional id the one it has, with a new epoch (core/coord/txn_call.c). */
#include "net/api/api_internal.h"

void api_init_producer_id(struct api_call *call)
{
    struct kp_init_producer_id_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_init_producer_id_response_init(response);
    }
    api__coord_ask(call, response, coord_init_producer_id);
}
