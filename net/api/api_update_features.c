/* UpdateFeatures: finalized levels go up or down; one refusal refuses the whole request, as in Kafka. */
#include "net/api/api_internal.h"

#include <stdio.h>

#define FEATURE_MESSAGE_BYTES 360

struct update_features_state {
    struct meta_change change;
    struct api_call   *call;
};

static const struct meta_update_feature *update_features_refused(const struct meta_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        if (change->update_features[i].error != 0) {
            return &change->update_features[i];
        }
    }
    return NULL;
}

static void update_features_done(struct meta_change *change)
{
    struct api_call                         *call = CONTAINER_OF(change, struct update_features_state, change)->call;
    const struct kp_update_features_request *request = call->request;
    const struct meta_update_feature        *refused = update_features_refused(change);
    struct kp_update_features_response      *response = api_alloc(call, 1, sizeof(*response));
    char                                     message[FEATURE_MESSAGE_BYTES];

    if (response == NULL || (response->results = api_alloc(call, (size_t)request->feature_updates_count,
                                                           sizeof(*response->results))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    if (change->error != 0) {
        response->error_code = change->error;
        response->error_message = view_text(kp_error_text(change->error));
    } else if (refused != NULL) {
        (void)snprintf(message, sizeof(message),
                       "The update failed for all features since the following feature had an error: %s",
                       refused->message);
        response->error_code = refused->error;
        response->error_message = api__text(call, message);
    }
    for (int32_t i = 0; response->error_code == 0 && i < request->feature_updates_count; i++) {
        struct kp_update_features_response_results *out = &response->results[response->results_count++];

        *out = (struct kp_update_features_response_results){.feature = request->feature_updates[i].feature};
    }
    api_reply(call, response);
}

void api_update_features(struct api_call *call)
{
    const struct kp_update_features_request *request = call->request;
    struct update_features_state            *state = api_alloc(call, 1, sizeof(*state));
    struct meta_change                      *change;

    if (state == NULL || (state->change.update_features = api_alloc(call, (size_t)request->feature_updates_count,
                                                                    sizeof(struct meta_update_feature))) == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    state->call = call;
    change = &state->change;
    change->kind = META_UPDATE_FEATURES;
    change->validate_only = request->validate_only;
    change->done = update_features_done;
    change->count = request->feature_updates_count;
    for (int32_t i = 0; i < change->count; i++) {
        const struct kp_update_features_request_feature_updates *asked = &request->feature_updates[i];
        bool                                                     down = call->version == 0 && asked->allow_downgrade;

        change->update_features[i] =
            (struct meta_update_feature){.name = asked->feature,
                                         .level = asked->max_version_level,
                                         .upgrade_type = down ? META_FEATURE_SAFE_DOWNGRADE : asked->upgrade_type};
    }
    meta_submit(call->shard->meta, change);
}
