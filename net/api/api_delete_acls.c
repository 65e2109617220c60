/* DeleteAcls: there is no authorizer; each filter is refused, as Kafka does. */
#include "net/api/api_internal.h"

void api_delete_acls(struct api_call *call)
{
    const struct kp_delete_acls_request *request = call->request;
    struct kp_delete_acls_response      *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL || (response->filter_results = api_alloc(call, (size_t)request->filters_count,
                                                                  sizeof(*response->filter_results))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < request->filters_count; i++) {
        response->filter_results[response->filter_results_count++] = (struct kp_delete_acls_response_filter_results){
            .error_code = KP_ERR_SECURITY_DISABLED, .error_message = view_text("No Authorizer is configured.")};
    }
    api_reply(call, response);
}
