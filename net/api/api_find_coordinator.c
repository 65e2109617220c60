/* FindCoordinator: there are no coordinators on this broker, and it says so in the retriable way. Advertised because
 * librdkafka 2.0 enables lz4 by it (rdkafka_feature.c). */
#include "net/api/api_internal.h"

void api_find_coordinator(struct api_call *call)
{
    const struct kp_find_coordinator_request *request = call->request;
    struct kp_find_coordinator_response      *response = api_alloc(call, 1, sizeof(*response));
    int32_t                                   count = MAX(request->coordinator_keys_count, 0);

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    kp_find_coordinator_response_init(response);
    response->error_code = KP_ERR_COORDINATOR_NOT_AVAILABLE;
    response->error_message = api__text(call, kp_error_text(KP_ERR_COORDINATOR_NOT_AVAILABLE));
    response->node_id = -1;
    response->port = -1;
    response->coordinators = api_alloc(call, (size_t)count, sizeof(*response->coordinators));
    if (response->coordinators == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        kp_find_coordinator_response_coordinators_init(&response->coordinators[i]);
        response->coordinators[i].key = request->coordinator_keys[i];
        response->coordinators[i].node_id = -1;
        response->coordinators[i].port = -1;
        response->coordinators[i].host = view_text("");
        response->coordinators[i].error_code = KP_ERR_COORDINATOR_NOT_AVAILABLE;
        response->coordinators[i].error_message = response->error_message;
    }
    response->coordinators_count = count;
    api_reply(call, response);
}
