/* DescribeUserScramCredentials: nobody has credentials here, so all users are none, and a named one is not found. */
#include "net/api/api_internal.h"

static bool scram_describe(struct api_call *call, struct kp_describe_user_scram_credentials_response *response)
{
    const struct kp_describe_user_scram_credentials_request *request = call->request;
    int32_t                                                  count = MAX(request->users_count, 0);
    struct map                                               seen;

    response->results = api_alloc(call, (size_t)count, sizeof(*response->results));
    if (response->results == NULL) {
        return false;
    }
    map_init(&seen, MEM_API);
    for (int32_t i = 0; i < count; i++) {
        struct kp_describe_user_scram_credentials_response_results *twice = map_get(&seen, request->users[i].name);

        if (twice != NULL) {
            twice->error_code = KP_ERR_DUPLICATE_RESOURCE;
            twice->error_message =
                view_text("Cannot describe SCRAM credentials for the same user twice in a single request.");
            continue;
        }
        twice = &response->results[response->results_count++];
        kp_describe_user_scram_credentials_response_results_init(twice);
        twice->user = request->users[i].name;
        twice->error_code = KP_ERR_RESOURCE_NOT_FOUND;
        twice->error_message = view_text("Attempt to describe a user credential that does not exist.");
        (void)map_put(&seen, request->users[i].name, twice);
    }
    map_deinit(&seen);
    return true;
}

void api_describe_user_scram_credentials(struct api_call *call)
{
    struct kp_describe_user_scram_credentials_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL || !scram_describe(call, response)) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
