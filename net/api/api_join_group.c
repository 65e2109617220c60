/* JoinGroup: into a group of the classic protocol (core/coord/group_join.c). */
#include "net/api/api_internal.h"

void api_join_group(struct api_call *call)
{
    struct kp_join_group_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_join_group_response_init(response);
    }
    api__coord_ask(call, response, coord_join_group);
}
