/* SyncGroup: a member's share of the generation (core/coord/group_sync.c). */
#include "net/api/api_internal.h"

void api_sync_group(struct api_call *call)
{
    struct kp_sync_group_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_sync_group_response_init(response);
    }
    api__coord_ask(call, response, coord_sync_group);
}
