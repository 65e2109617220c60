/* DescribeConfigs: every setting of a topic, a broker or a group with its value, type, source and synonyms, and the
 * levels of loggers. Broker settings are those of the broker that is asked (admin clients send them to it), or, with an
 * empty name, the dynamic defaults of the cluster. */
#include "net/api/api_internal.h"

#define SYNONYMS_MAX 8

/* What is described. */
struct describe_target {
    enum meta_config_kind         kind;
    uint32_t                      shard; /* of a broker */
    const struct meta_topic      *topic;
    struct view                   group;
    const struct meta_config_set *own; /* overrides of a topic or a group; NULL: none */
};

static bool describe_wanted(const struct kp_describe_configs_request_resources *asked, const char *name)
{
    bool any = asked->configuration_keys_count <= 0;

    for (int32_t i = 0; !any && i < asked->configuration_keys_count; i++) {
        any = view_equal(asked->configuration_keys[i], view_text(name));
    }
    return any;
}

static bool describe_synonyms(struct api_call *call, const struct describe_target *target,
                              const struct meta_config_key                        *key,
                              struct kp_describe_configs_response_results_configs *out)
{
    struct meta_config_value values[SYNONYMS_MAX];
    size_t count = meta_config_synonyms(call->shard->meta, target->own, target->shard, key, values, SYNONYMS_MAX);

    out->synonyms = api_alloc(call, count, sizeof(*out->synonyms));
    if (out->synonyms == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        out->synonyms[i] =
            (struct kp_describe_configs_response_results_configs_synonyms){.name = view_text(values[i].key->name),
                                                                           .value = api__text(call, values[i].text),
                                                                           .source = (int8_t)values[i].source};
    }
    out->synonyms_count = (int32_t)count;
    return true;
}

static struct meta_config_value describe_value(struct api_call *call, const struct describe_target *target,
                                               const struct meta_config_key *key)
{
    switch (target->kind) {
    case META_KIND_TOPIC:
        return meta_topic_config(call->shard->meta, target->topic, key);
    case META_KIND_GROUP:
        return meta_group_config(call->shard->meta, target->group, key);
    case META_KIND_BROKER:
        break;
    }
    return meta_broker_config(call->shard->meta, target->shard, key);
}

static bool describe_one(struct api_call *call, const struct describe_target *target, const struct meta_config_key *key,
                         struct kp_describe_configs_response_results *result)
{
    const struct kp_describe_configs_request            *request = call->request;
    struct kp_describe_configs_response_results_configs *out = &result->configs[result->configs_count++];
    struct meta_config_value                             value = describe_value(call, target, key);

    kp_describe_configs_response_results_configs_init(out);
    out->name = view_text(key->name);
    out->is_sensitive = key->type == META_TYPE_PASSWORD;
    out->value = out->is_sensitive ? (struct view){0} : api__text(call, value.text);
    out->read_only = key->kind == META_KIND_BROKER && key->update == META_READ_ONLY;
    out->config_source = (int8_t)value.source;
    out->config_type = (int8_t)key->type;
    if (request->include_documentation) {
        out->documentation = view_text(key->documentation);
    }
    return !request->include_synonyms || describe_synonyms(call, target, key, out);
}

/* --- what is asked for ------------------------------------------------------------------------------------------- */

static int16_t describe_find_node(struct api_call *call, struct view name, uint32_t *out_shard)
{
    const struct meta_broker *broker = meta_broker_named(call->shard->meta, name);

    if (broker == NULL) {
        return KP_ERR_INVALID_REQUEST;
    }
    *out_shard = broker->shard;
    return KP_ERR_NONE;
}

static int16_t describe_find(struct api_call *call, const struct kp_describe_configs_request_resources *asked,
                             struct describe_target *out)
{
    *out = (struct describe_target){.shard = call->shard->shard->index};
    switch (asked->resource_type) {
    case API_RESOURCE_TOPIC:
        out->kind = META_KIND_TOPIC;
        out->topic = meta_topic(call->shard->meta, asked->resource_name);
        if (out->topic == NULL) {
            return meta_topic_name_valid(asked->resource_name) ? KP_ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                               : KP_ERR_INVALID_TOPIC_EXCEPTION;
        }
        out->own = &out->topic->configs;
        return KP_ERR_NONE;
    case API_RESOURCE_GROUP:
        out->kind = META_KIND_GROUP;
        out->group = asked->resource_name;
        out->own = meta_group_configs(call->shard->meta, out->group);
        return out->group.len == 0 ? KP_ERR_INVALID_REQUEST : KP_ERR_NONE;
    case API_RESOURCE_METRICS: /* none are kept, so no subscription has settings */
        return asked->resource_name.len == 0 ? KP_ERR_INVALID_REQUEST : KP_ERR_NONE;
    case API_RESOURCE_LOGGER:
        return describe_find_node(call, asked->resource_name, &out->shard);
    case API_RESOURCE_BROKER:
        return asked->resource_name.len == 0 ? KP_ERR_NONE
                                             : describe_find_node(call, asked->resource_name, &out->shard);
    default:
        return KP_ERR_INVALID_REQUEST;
    }
}

/* --- one resource ------------------------------------------------------------------------------------------------ */

/* An empty broker name asks for the cluster's dynamic defaults only. */
static bool describe_shown(struct api_call *call, const struct kp_describe_configs_request_resources *asked,
                           const struct describe_target *target, const struct meta_config_key *key)
{
    if (key->kind != target->kind || key->effect == META_EFFECT_IGNORED || !describe_wanted(asked, key->name)) {
        return false;
    }
    return key->kind != META_KIND_BROKER || asked->resource_name.len > 0 ||
           meta_config_set_get(&meta_image(call->shard->meta)->broker_default_configs, view_text(key->name)) != NULL;
}

static bool describe_settings(struct api_call *call, const struct kp_describe_configs_request_resources *asked,
                              const struct describe_target *target, struct kp_describe_configs_response_results *result)
{
    result->configs = api_alloc(call, meta_config_count(), sizeof(*result->configs));
    if (result->configs == NULL) {
        return false;
    }
    for (size_t i = 0; i < meta_config_count(); i++) {
        const struct meta_config_key *key = meta_config_at(i);

        if (describe_shown(call, asked, target, key) && !describe_one(call, target, key, result)) {
            return false;
        }
    }
    return true;
}

static bool describe_loggers(struct api_call *call, const struct kp_describe_configs_request_resources *asked,
                             struct kp_describe_configs_response_results *result)
{
    size_t count = 0;

    while (api__logger_at(count) != NULL) {
        count++;
    }
    result->configs = api_alloc(call, count, sizeof(*result->configs));
    for (size_t i = 0; result->configs != NULL && i < count; i++) {
        if (describe_wanted(asked, api__logger_at(i))) {
            struct kp_describe_configs_response_results_configs *out = &result->configs[result->configs_count++];

            kp_describe_configs_response_results_configs_init(out);
            out->name = view_text(api__logger_at(i));
            out->value = view_text(api__logger_level(api__logger_at(i)));
            out->config_source = META_SOURCE_LOGGER;
        }
    }
    return result->configs != NULL;
}

static bool describe_resource(struct api_call *call, const struct kp_describe_configs_request_resources *asked,
                              struct kp_describe_configs_response_results *result)
{
    struct describe_target target;

    kp_describe_configs_response_results_init(result);
    result->resource_type = asked->resource_type;
    result->resource_name = asked->resource_name;
    result->error_code = describe_find(call, asked, &target);
    if (result->error_code != 0) {
        result->error_message = view_text(kp_error_text(result->error_code));
        return true;
    }
    switch (asked->resource_type) {
    case API_RESOURCE_METRICS:
        return true;
    case API_RESOURCE_LOGGER:
        return describe_loggers(call, asked, result);
    default:
        return describe_settings(call, asked, &target, result);
    }
}

void api_describe_configs(struct api_call *call)
{
    const struct kp_describe_configs_request *request = call->request;
    struct kp_describe_configs_response      *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->results = api_alloc(call, (size_t)request->resources_count, sizeof(*response->results))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < request->resources_count; i++) {
        if (!describe_resource(call, &request->resources[i], &response->results[response->results_count++])) {
            api_close(call, "no memory for the answer");
            return;
        }
    }
    api_reply(call, response);
}
