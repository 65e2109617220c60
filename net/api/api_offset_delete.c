/* OffsetDelete: a group forgets positions in topics it does not read (core/coord/group_commit.c). */
#include "net/api/api_internal.h"

void api_offset_delete(struct api_call *call)
{
    struct kp_offset_delete_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_offset_delete_response_init(response);
    }
    api__coord_ask(call, response, coord_offset_delete);
}
