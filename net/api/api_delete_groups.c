/* DeleteGroups: groups without members go, with their positions (core/coord/group_show.c). */
#include "net/api/api_internal.h"

void api_delete_groups(struct api_call *call)
{
    struct kp_delete_groups_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_delete_groups_response_init(response);
    }
    api__coord_ask(call, response, coord_delete_groups);
}
