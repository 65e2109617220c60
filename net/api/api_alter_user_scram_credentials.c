/* AlterUserScramCredentials: passwords are not kept while nobody logs in with them: an upsertion is refused with
 * SECURITY_DISABLED, a deletion finds nothing. */
#include "net/api/api_internal.h"

/* One result per user; a user that is named twice is refused for that, as in Kafka. */
static void scram_alter(struct map *seen, struct kp_alter_user_scram_credentials_response *response, struct view user,
                        int16_t error, const char *message)
{
    struct kp_alter_user_scram_credentials_response_results *result = map_get(seen, user);

    if (result != NULL) {
        result->error_code = KP_ERR_DUPLICATE_RESOURCE;
        result->error_message = view_text("A user credential cannot be altered twice in the same request");
        return;
    }
    result = &response->results[response->results_count++];
    *result = (struct kp_alter_user_scram_credentials_response_results){
        .user = user, .error_code = error, .error_message = view_text(message)};
    (void)map_put(seen, user, result);
}

void api_alter_user_scram_credentials(struct api_call *call)
{
    const struct kp_alter_user_scram_credentials_request *request = call->request;
    struct kp_alter_user_scram_credentials_response      *response = api_alloc(call, 1, sizeof(*response));
    size_t     count = (size_t)request->deletions_count + (size_t)request->upsertions_count;
    struct map seen;

    if (response == NULL || (response->results = api_alloc(call, count, sizeof(*response->results))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    map_init(&seen, MEM_API);
    for (int32_t i = 0; i < request->deletions_count; i++) {
        scram_alter(&seen, response, request->deletions[i].name, KP_ERR_RESOURCE_NOT_FOUND,
                    "Attempt to delete a user credential that does not exist");
    }
    for (int32_t i = 0; i < request->upsertions_count; i++) {
        scram_alter(&seen, response, request->upsertions[i].name, KP_ERR_SECURITY_DISABLED,
                    "SASL is not served here, so no credentials are kept.");
    }
    map_deinit(&seen);
    api_reply(call, response);
}
