/* ConsumerGroupDescribe: groups of the consumer protocol (core/coord/group_modern_describe.c). */
#include "net/api/api_internal.h"

/* The protocol is switched off: each group is answered with that. */
static void group_describe_refuse(struct api_call *call, struct kp_consumer_group_describe_response *response)
{
    const struct kp_consumer_group_describe_request *request = call->request;

    response->groups = api_alloc(call, (size_t)request->group_ids_count, sizeof(*response->groups));
    if (response->groups == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < request->group_ids_count; i++) {
        struct kp_consumer_group_describe_response_groups *out = &response->groups[response->groups_count++];

        kp_consumer_group_describe_response_groups_init(out);
        out->group_id = request->group_ids[i];
        out->error_code = KP_ERR_UNSUPPORTED_VERSION;
    }
    api_reply(call, response);
}

void api_consumer_group_describe(struct api_call *call)
{
    struct kp_consumer_group_describe_response *response = api_alloc(call, 1, sizeof(*response));

    if (response != NULL) {
        kp_consumer_group_describe_response_init(response);
        if (!api__settings(call->shard)->consumer_protocol) {
            group_describe_refuse(call, response);
            return;
        }
    }
    api__coord_ask(call, response, coord_consumer_group_describe);
}
