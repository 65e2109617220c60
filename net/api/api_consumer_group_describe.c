/* ConsumerGroupDescribe: groups of the consumer protocol (core/coord/group_modern_describe.c). */
#include "net/api/api_internal.h"

void api_consumer_group_describe(struct api_call *call)
{
    struct kp_consumer_group_describe_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_consumer_group_describe_response_init(response);
    }
    api__coord_ask(call, response, coord_consumer_group_describe);
}
