/* DescribeClientQuotas: the quotas whose entity matches a filter. They are kept and shown; nothing is throttled yet. */
#include "net/api/api_internal.h"

#include <stdio.h>

enum quota_match { QUOTA_MATCH_EXACT = 0, QUOTA_MATCH_DEFAULT = 1, QUOTA_MATCH_ANY = 2 };

/* What an entity must have, by type. */
struct quota_filter {
    bool        wanted[META_QUOTA_TYPE_COUNT];
    bool        any_name[META_QUOTA_TYPE_COUNT];
    struct view names[META_QUOTA_TYPE_COUNT]; /* base NULL: the default */
};

/* 0, or the error with its sentence. */
static int16_t quota_filter_add(struct quota_filter                                       *filter,
                                const struct kp_describe_client_quotas_request_components *asked,
                                const char                                               **out_message)
{
    enum meta_quota_type type = META_QUOTA_USER;

    if (asked->entity_type.len == 0) {
        *out_message = "Invalid empty entity type.";
        return KP_ERR_INVALID_REQUEST;
    }
    if (!meta_quota_type_find(asked->entity_type, &type)) {
        *out_message = "Unsupported entity type.";
        return KP_ERR_UNSUPPORTED_VERSION;
    }
    if (filter->wanted[type]) {
        *out_message = "An entity type cannot appear more than once in the filter.";
        return KP_ERR_INVALID_REQUEST;
    }
    if (asked->match_type < QUOTA_MATCH_EXACT || asked->match_type > QUOTA_MATCH_ANY) {
        *out_message = "Unknown match type.";
        return KP_ERR_INVALID_REQUEST;
    }
    if ((asked->match_type == QUOTA_MATCH_EXACT) != (asked->match.base != NULL)) {
        *out_message =
            asked->match_type == QUOTA_MATCH_EXACT ? "An exact match needs a name." : "Only an exact match has a name.";
        return KP_ERR_INVALID_REQUEST;
    }
    filter->wanted[type] = true;
    filter->any_name[type] = asked->match_type == QUOTA_MATCH_ANY;
    filter->names[type] = asked->match;
    return KP_ERR_NONE;
}

static int16_t quota_filter_read(const struct kp_describe_client_quotas_request *request, struct quota_filter *out,
                                 const char **out_message)
{
    int16_t error = KP_ERR_NONE;

    *out = (struct quota_filter){0};
    for (int32_t i = 0; error == KP_ERR_NONE && i < request->components_count; i++) {
        error = quota_filter_add(out, &request->components[i], out_message);
    }
    if (error == KP_ERR_NONE && out->wanted[META_QUOTA_IP] &&
        (out->wanted[META_QUOTA_USER] || out->wanted[META_QUOTA_CLIENT_ID])) {
        *out_message = "Invalid entity filter component combination. IP filter component should not be used with user "
                       "or clientId filter component.";
        error = KP_ERR_INVALID_REQUEST;
    }
    return error;
}

static bool quota_matches(const struct quota_filter *filter, const struct meta_quota_entity *entity, bool strict)
{
    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        if (!filter->wanted[i]) {
            if (strict && entity->has[i]) {
                return false;
            }
            continue;
        }
        if (!entity->has[i]) {
            return false;
        }
        if (!filter->any_name[i] &&
            ((filter->names[i].base == NULL) != (entity->names[i].base == NULL) ||
             (filter->names[i].base != NULL && !view_equal(filter->names[i], entity->names[i])))) {
            return false;
        }
    }
    return true;
}

/* False: no memory. */
static bool quota_show(struct api_call *call, const struct meta_quota *quota,
                       struct kp_describe_client_quotas_response_entries *out)
{
    *out = (struct kp_describe_client_quotas_response_entries){0};
    out->entity = api_alloc(call, META_QUOTA_TYPE_COUNT, sizeof(*out->entity));
    out->values = api_alloc(call, META_QUOTA_KEYS_MAX, sizeof(*out->values));
    if (out->entity == NULL || out->values == NULL) {
        return false;
    }
    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        if (quota->entity.has[i]) {
            out->entity[out->entity_count++] = (struct kp_describe_client_quotas_response_entries_entity){
                .entity_type = view_text(meta_quota_type_name((enum meta_quota_type)i)),
                .entity_name = quota->entity.names[i]};
        }
    }
    for (size_t i = 0; meta_quota_key(i) != NULL; i++) {
        if (quota->set[i]) {
            out->values[out->values_count++] = (struct kp_describe_client_quotas_response_entries_values){
                .key = view_text(meta_quota_key(i)), .value = quota->values[i]};
        }
    }
    return true;
}

void api_describe_client_quotas(struct api_call *call)
{
    const struct kp_describe_client_quotas_request *request = call->request;
    const struct map                               *quotas = &meta_image(call->shard->meta)->quotas;
    struct kp_describe_client_quotas_response      *response = api_alloc(call, 1, sizeof(*response));
    struct quota_filter                             filter;
    const char                                     *message = NULL;
    bool                                            good = true;

    if (response == NULL ||
        (response->entries = api_alloc(call, map_count(quotas), sizeof(*response->entries))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    response->error_code = quota_filter_read(request, &filter, &message);
    if (response->error_code != 0) {
        response->error_message = view_text(message);
        response->entries_count = -1;
        api_reply(call, response);
        return;
    }
    MAP_EACH(quotas, entry) {
        const struct meta_quota *quota = entry->value;

        if (good && quota_matches(&filter, &quota->entity, request->strict)) {
            good = quota_show(call, quota, &response->entries[response->entries_count++]);
        }
    }
    if (!good) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, response);
}
