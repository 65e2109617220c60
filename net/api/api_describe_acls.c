/* DescribeAcls: there is no authorizer, and Kafka says so in these words. */
#include "net/api/api_internal.h"

void api_describe_acls(struct api_call *call)
{
    struct kp_describe_acls_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    response->error_code = KP_ERR_SECURITY_DISABLED;
    response->error_message = view_text("No Authorizer is configured on the broker");
    api_reply(call, response);
}
