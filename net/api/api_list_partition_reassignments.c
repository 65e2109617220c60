/* ListPartitionReassignments: none is ever under way. */
#include "net/api/api_internal.h"

void api_list_partition_reassignments(struct api_call *call)
{
    struct kp_list_partition_reassignments_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
