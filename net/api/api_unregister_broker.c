/* UnregisterBroker: the nodes of this host are its shards, which are there as long as the host is. */
#include "net/api/api_internal.h"

#include <stdio.h>

void api_unregister_broker(struct api_call *call)
{
    const struct kp_unregister_broker_request *request = call->request;
    const struct meta_image                   *image = meta_image(call->shard->meta);
    struct kp_unregister_broker_response      *response = api_alloc(call, 1, sizeof(*response));
    int64_t                                    shard = (int64_t)request->broker_id - image->brokers[0].node_id;
    char                                       message[160];

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    if (shard < 0 || shard >= image->broker_count) {
        response->error_code = KP_ERR_BROKER_ID_NOT_REGISTERED;
        (void)snprintf(message, sizeof(message), "Broker ID %d is not currently registered", request->broker_id);
    } else {
        response->error_code = KP_ERR_INVALID_REQUEST;
        (void)snprintf(message, sizeof(message),
                       "Broker %d is a shard of this host and is running; the number of shards is fixed when the data "
                       "directory is formatted.",
                       request->broker_id);
    }
    response->error_message = api__text(call, message);
    api_reply(call, response);
}
