/* ListGroups: the groups of this shard (core/coord/group_show.c). */
#include "net/api/api_internal.h"

void api_list_groups(struct api_call *call)
{
    struct kp_list_groups_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_list_groups_response_init(response);
    }
    api__coord_ask(call, response, coord_list_groups);
}
