/* AlterConfigs (replaces all overrides of a resource) and IncrementalAlterConfigs (sets, deletes, appends, subtracts):
 * one change, one code path. */
#include "net/api/api_internal.h"

#include <stdio.h>

#define ALTER_DONE_HERE INT16_MIN /* in place of an error: nothing is left for the controller */

struct alter_state {
    struct meta_change change;
    struct api_call   *call;
};

static void alter_result(const struct meta_change *change, int32_t at, int16_t *out_error, struct view *out_message)
{
    const struct meta_alter_config *altered = &change->alter_configs[at];

    if (altered->error == ALTER_DONE_HERE) {
        return;
    }
    *out_error = change->error != 0 ? change->error : altered->error;
    if (*out_error != 0) {
        *out_message = altered->message[0] != '\0' ? view_text(altered->message) : view_text(kp_error_text(*out_error));
    }
}

static void alter_configs_done(struct meta_change *change)
{
    struct api_call                  *call = CONTAINER_OF(change, struct alter_state, change)->call;
    struct kp_alter_configs_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->responses = api_alloc(call, (size_t)change->count, sizeof(*response->responses))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < change->count; i++) {
        struct kp_alter_configs_response_responses *out = &response->responses[response->responses_count++];

        out->resource_type = change->alter_configs[i].resource_type;
        out->resource_name = change->alter_configs[i].resource_name;
        alter_result(change, i, &out->error_code, &out->error_message);
    }
    api_reply(call, response);
}

static void incremental_alter_configs_done(struct meta_change *change)
{
    struct api_call                              *call = CONTAINER_OF(change, struct alter_state, change)->call;
    struct kp_incremental_alter_configs_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->responses = api_alloc(call, (size_t)change->count, sizeof(*response->responses))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < change->count; i++) {
        struct kp_incremental_alter_configs_response_responses *out = &response->responses[response->responses_count++];

        out->resource_type = change->alter_configs[i].resource_type;
        out->resource_name = change->alter_configs[i].resource_name;
        alter_result(change, i, &out->error_code, &out->error_message);
    }
    api_reply(call, response);
}

static struct alter_state *alter_prepare(struct api_call *call, int32_t count, bool validate_only,
                                         void (*done)(struct meta_change *change))
{
    struct alter_state *state = api_alloc(call, 1, sizeof(*state));

    if (state == NULL ||
        (state->change.alter_configs = api_alloc(call, (size_t)count, sizeof(struct meta_alter_config))) == NULL) {
        return NULL;
    }
    state->call = call;
    state->change.kind = META_ALTER_CONFIGS;
    state->change.validate_only = validate_only;
    state->change.done = done;
    state->change.count = count;
    return state;
}

/* Every node of the host is this process. */
static int16_t alter_loggers(struct api_call *call, struct meta_alter_config *alter, bool validate_only)
{
    int16_t error;

    if (meta_broker_named(call->shard->meta, alter->resource_name) == NULL) {
        (void)snprintf(alter->message, sizeof(alter->message), "Unexpected broker id %.*s",
                       (int)MIN(alter->resource_name.len, (size_t)40), (const char *)alter->resource_name.base);
        return KP_ERR_INVALID_REQUEST;
    }
    error =
        api__loggers_alter(alter->entries, alter->entry_count, validate_only, alter->message, sizeof(alter->message));
    return error == KP_ERR_NONE ? ALTER_DONE_HERE : error;
}

/* What the controller has nothing to say about: loggers are this process's, client metrics are not kept, other types do
 * not exist. The entry's error is set then, and the change skips it; a done logger has ALTER_DONE_HERE for its error.
 */
static void alter_here(struct api_call *call, struct meta_alter_config *alter, bool incremental, bool validate_only)
{
    if (alter->error != 0) {
        return;
    }
    switch (alter->resource_type) {
    case API_RESOURCE_TOPIC:
    case API_RESOURCE_BROKER:
    case API_RESOURCE_GROUP:
        return;
    case API_RESOURCE_METRICS:
        alter->error = KP_ERR_INVALID_REQUEST;
        (void)snprintf(alter->message, sizeof(alter->message),
                       "Client metrics are not collected here, so subscriptions are not kept.");
        return;
    case API_RESOURCE_LOGGER:
        if (incremental) {
            alter->error = alter_loggers(call, alter, validate_only);
            return;
        }
        break;
    default:
        break;
    }
    alter->error = KP_ERR_INVALID_REQUEST;
    (void)snprintf(alter->message, sizeof(alter->message), "Unknown resource type %d", alter->resource_type);
}

void api_alter_configs(struct api_call *call)
{
    const struct kp_alter_configs_request *request = call->request;
    struct alter_state                    *state =
        alter_prepare(call, request->resources_count, request->validate_only, alter_configs_done);

    for (int32_t i = 0; state != NULL && i < request->resources_count; i++) {
        const struct kp_alter_configs_request_resources *asked = &request->resources[i];
        struct meta_alter_entry *entries = api_alloc(call, (size_t)asked->configs_count, sizeof(*entries));

        if (entries == NULL) {
            state = NULL;
            break;
        }
        for (int32_t k = 0; k < asked->configs_count; k++) {
            entries[k] = (struct meta_alter_entry){
                .name = asked->configs[k].name, .value = asked->configs[k].value, .op = META_CONFIG_SET};
        }
        state->change.alter_configs[i] = (struct meta_alter_config){.resource_type = asked->resource_type,
                                                                    .resource_name = asked->resource_name,
                                                                    .replace_all = true,
                                                                    .entries = entries,
                                                                    .entry_count = asked->configs_count};
        alter_here(call, &state->change.alter_configs[i], false, request->validate_only);
    }
    if (state == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    meta_submit(call->shard->meta, &state->change);
}

void api_incremental_alter_configs(struct api_call *call)
{
    const struct kp_incremental_alter_configs_request *request = call->request;
    struct alter_state                                *state =
        alter_prepare(call, request->resources_count, request->validate_only, incremental_alter_configs_done);

    for (int32_t i = 0; state != NULL && i < request->resources_count; i++) {
        const struct kp_incremental_alter_configs_request_resources *asked = &request->resources[i];
        struct meta_alter_config                                    *out = &state->change.alter_configs[i];
        struct meta_alter_entry *entries = api_alloc(call, (size_t)asked->configs_count, sizeof(*entries));

        if (entries == NULL) {
            state = NULL;
            break;
        }
        *out = (struct meta_alter_config){.resource_type = asked->resource_type,
                                          .resource_name = asked->resource_name,
                                          .entries = entries,
                                          .entry_count = asked->configs_count};
        for (int32_t k = 0; k < asked->configs_count; k++) {
            int8_t op = asked->configs[k].config_operation;

            if (op < META_CONFIG_SET || op > META_CONFIG_SUBTRACT) {
                out->error = KP_ERR_INVALID_REQUEST;
                op = META_CONFIG_SET;
            }
            entries[k] = (struct meta_alter_entry){
                .name = asked->configs[k].name, .value = asked->configs[k].value, .op = (enum meta_config_op)op};
        }
        alter_here(call, out, true, request->validate_only);
    }
    if (state == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    meta_submit(call->shard->meta, &state->change);
}
