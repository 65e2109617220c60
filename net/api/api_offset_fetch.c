/* OffsetFetch: where a group stands (core/coord/group_fetch.c). */
#include "net/api/api_internal.h"

void api_offset_fetch(struct api_call *call)
{
    struct kp_offset_fetch_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_offset_fetch_response_init(response);
    }
    api__coord_ask(call, response, coord_offset_fetch);
}
