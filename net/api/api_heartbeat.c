/* Heartbeat: keeps a member in its group (core/coord/group_sync.c). */
#include "net/api/api_internal.h"

void api_heartbeat(struct api_call *call)
{
    struct kp_heartbeat_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_heartbeat_response_init(response);
    }
    api__coord_ask(call, response, coord_heartbeat);
}
