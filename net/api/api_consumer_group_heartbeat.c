/* ConsumerGroupHeartbeat: a member of the consumer protocol (core/coord/group_modern_serve.c). */
#include "net/api/api_internal.h"

void api_consumer_group_heartbeat(struct api_call *call)
{
    struct kp_consumer_group_heartbeat_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_consumer_group_heartbeat_response_init(response);
        if (!api__settings(call->shard)->consumer_protocol) { /* switched off: clients fall back or give up */
            response->error_code = KP_ERR_UNSUPPORTED_VERSION;
            api_reply(call, response);
            return;
        }
    }
    api__coord_ask(call, response, coord_consumer_group_heartbeat);
}
