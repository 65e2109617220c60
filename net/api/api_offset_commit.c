/* OffsetCommit: positions of a group (core/coord/group_commit.c). */
#include "net/api/api_internal.h"

void api_offset_commit(struct api_call *call)
{
    struct kp_offset_commit_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_offset_commit_response_init(response);
    }
    api__coord_ask(call, response, coord_offset_commit);
}
