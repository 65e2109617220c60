/* LeaveGroup: out of a group (core/coord/group_sync.c). */
#include "net/api/api_internal.h"

void api_leave_group(struct api_call *call)
{
    struct kp_leave_group_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_leave_group_response_init(response);
    }
    api__coord_ask(call, response, coord_leave_group);
}
