/* ApiVersions: what is spoken here. Answered before anything else is known about a client, so it never fails. A version
 * above ours is answered in the form of version 0 with UNSUPPORTED_VERSION and the same list (KIP-511). */
#include "net/api/api_internal.h"

static bool api_software_char(uint8_t c, bool inside)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (inside && (c == '-' || c == '.'));
}

/* Kafka's rule: [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool api_software_valid(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!api_software_char(text.base[i], i > 0 && i + 1 < text.len)) {
            return false;
        }
    }
    return text.len > 0;
}

/* What this release supports and what the cluster has finalized. Clients of versions below 4 cannot read a feature
 * whose lowest level is 0, so it is left out for them, as Kafka does. False: no memory. */
static bool api_features(struct api_call *call, struct kp_api_versions_response *response)
{
    response->supported_features = api_alloc(call, META_FEATURE_COUNT, sizeof(*response->supported_features));
    response->finalized_features = api_alloc(call, META_FEATURE_COUNT, sizeof(*response->finalized_features));
    if (response->supported_features == NULL || response->finalized_features == NULL) {
        return false;
    }
    for (int i = 0; i < META_FEATURE_COUNT; i++) {
        const struct meta_feature_info *info = meta_feature_info((enum meta_feature)i);
        int16_t                         level = meta_feature_level(call->shard->meta, (enum meta_feature)i);

        if (call->version >= 4 || info->min > 0) {
            response->supported_features[response->supported_features_count++] =
                (struct kp_api_versions_response_supported_features){
                    .name = view_text(info->name), .min_version = info->min, .max_version = info->max};
        }
        if (level > 0) {
            response->finalized_features[response->finalized_features_count++] =
                (struct kp_api_versions_response_finalized_features){
                    .name = view_text(info->name), .max_version_level = level, .min_version_level = level};
        }
    }
    response->finalized_features_epoch = meta_image(call->shard->meta)->last_offset;
    return true;
}

void api_api_versions(struct api_call *call)
{
    const struct kp_api_versions_request *request = call->request;
    struct kp_api_versions_response      *response = api_alloc(call, 1, sizeof(*response));
    int32_t                               count = 0;

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    kp_api_versions_response_init(response);
    response->api_keys = api_alloc(call, KP_API_KEY_COUNT, sizeof(*response->api_keys));
    if (response->api_keys == NULL || !api_features(call, response)) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int16_t key = 0; key < KP_API_KEY_COUNT; key++) {
        const struct kp_api *api = kp_api_find(key);

        if (api != NULL) {
            kp_api_versions_response_api_keys_init(&response->api_keys[count]);
            response->api_keys[count].api_key = key;
            response->api_keys[count].min_version = api->advertised_min;
            response->api_keys[count].max_version = api->advertised_max;
            count++;
        }
    }
    response->api_keys_count = count;
    if (call->version_unsupported) {
        response->error_code = KP_ERR_UNSUPPORTED_VERSION;
    } else if (call->version >= 3 && (!api_software_valid(request->client_software_name) ||
                                      !api_software_valid(request->client_software_version))) {
        response->error_code = KP_ERR_INVALID_REQUEST;
        response->api_keys_count = 0;
    }
    api_reply(call, response);
}
