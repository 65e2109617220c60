/* WriteTxnMarkers: ends a transaction in partitions of this shard, whatever its coordinator knows. An operator's tool
 * sends it to close a transaction nobody coordinates any more (core/coord/txn_show.c). */
#include "net/api/api_internal.h"

void api_write_txn_markers(struct api_call *call)
{
    struct kp_write_txn_markers_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_write_txn_markers_response_init(response);
    }
    api__coord_ask(call, response, coord_write_txn_markers);
}
