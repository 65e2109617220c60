/* AlterClientQuotas: sets and removes quotas in the metadata. They are kept and shown; nothing is throttled yet. */
#include "net/api/api_internal.h"

#include <stdio.h>

struct alter_quotas_state {
    struct meta_change change;
    struct api_call   *call;
};

static void alter_quotas_done(struct meta_change *change)
{
    struct api_call                             *call = CONTAINER_OF(change, struct alter_quotas_state, change)->call;
    const struct kp_alter_client_quotas_request *request = call->request;
    struct kp_alter_client_quotas_response      *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->entries = api_alloc(call, (size_t)change->count, sizeof(*response->entries))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < change->count; i++) {
        const struct kp_alter_client_quotas_request_entries *asked = &request->entries[i];
        const struct meta_alter_quota                       *altered = &change->alter_quotas[i];
        struct kp_alter_client_quotas_response_entries      *out = &response->entries[response->entries_count++];

        *out = (struct kp_alter_client_quotas_response_entries){0};
        out->error_code = change->error != 0 ? change->error : altered->error;
        if (out->error_code != 0) {
            out->error_message =
                altered->message[0] != '\0' ? view_text(altered->message) : view_text(kp_error_text(out->error_code));
        }
        out->entity = api_alloc(call, (size_t)asked->entity_count, sizeof(*out->entity));
        if (out->entity == NULL) {
            api_close(call, "no memory for the answer");
            return;
        }
        for (int32_t k = 0; k < asked->entity_count; k++) {
            out->entity[out->entity_count++] = (struct kp_alter_client_quotas_response_entries_entity){
                .entity_type = asked->entity[k].entity_type, .entity_name = asked->entity[k].entity_name};
        }
    }
    api_reply(call, response);
}

static void alter_quotas_entity(const struct kp_alter_client_quotas_request_entries *asked,
                                struct meta_alter_quota                             *out)
{
    for (int32_t i = 0; i < asked->entity_count; i++) {
        enum meta_quota_type type = META_QUOTA_USER;
        struct view          name = asked->entity[i].entity_type;

        if (!meta_quota_type_find(name, &type)) {
            out->error = KP_ERR_INVALID_REQUEST;
            (void)snprintf(out->message, sizeof(out->message), "Unhandled client quota entity type: %.*s",
                           (int)MIN(name.len, (size_t)40), (const char *)name.base);
            return;
        }
        if (out->entity.has[type]) {
            out->error = KP_ERR_INVALID_REQUEST;
            (void)snprintf(out->message, sizeof(out->message), "Invalid client quota entity, duplicate entity entry %s",
                           meta_quota_type_name(type));
            return;
        }
        out->entity.has[type] = true;
        out->entity.names[type] = asked->entity[i].entity_name;
    }
}

/* False: no memory. */
static bool alter_quotas_take(struct api_call *call, const struct kp_alter_client_quotas_request_entries *asked,
                              struct meta_alter_quota *out)
{
    struct meta_quota_op *ops = api_alloc(call, (size_t)asked->ops_count, sizeof(*ops));

    if (ops == NULL) {
        return false;
    }
    for (int32_t i = 0; i < asked->ops_count; i++) {
        ops[i] = (struct meta_quota_op){
            .key = asked->ops[i].key, .value = asked->ops[i].value, .remove = asked->ops[i].remove};
    }
    *out = (struct meta_alter_quota){.ops = ops, .op_count = asked->ops_count};
    alter_quotas_entity(asked, out);
    return true;
}

void api_alter_client_quotas(struct api_call *call)
{
    const struct kp_alter_client_quotas_request *request = call->request;
    struct alter_quotas_state                   *state = api_alloc(call, 1, sizeof(*state));

    if (state == NULL || (state->change.alter_quotas = api_alloc(call, (size_t)request->entries_count,
                                                                 sizeof(struct meta_alter_quota))) == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    state->call = call;
    state->change.kind = META_ALTER_QUOTAS;
    state->change.validate_only = request->validate_only;
    state->change.done = alter_quotas_done;
    state->change.count = request->entries_count;
    for (int32_t i = 0; i < request->entries_count; i++) {
        if (!alter_quotas_take(call, &request->entries[i], &state->change.alter_quotas[i])) {
            api_close(call, "no memory for the request");
            return;
        }
    }
    meta_submit(call->shard->meta, &state->change);
}
