/* DescribeGroups: groups of the classic protocol with their members (core/coord/group_show.c). */
#include "net/api/api_internal.h"

void api_describe_groups(struct api_call *call)
{
    struct kp_describe_groups_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_describe_groups_response_init(response);
    }
    api__coord_ask(call, response, coord_describe_groups);
}
