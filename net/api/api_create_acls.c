/* CreateAcls: there is no authorizer; each rule is refused, as Kafka does. */
#include "net/api/api_internal.h"

void api_create_acls(struct api_call *call)
{
    const struct kp_create_acls_request *request = call->request;
    struct kp_create_acls_response      *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->results = api_alloc(call, (size_t)request->creations_count, sizeof(*response->results))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < request->creations_count; i++) {
        response->results[response->results_count++] = (struct kp_create_acls_response_results){
            .error_code = KP_ERR_SECURITY_DISABLED, .error_message = view_text("No Authorizer is configured.")};
    }
    api_reply(call, response);
}
