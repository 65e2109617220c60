/* DescribeConfigs: every setting of a topic or a broker with its value, type, source and synonyms. Broker settings are
 * those of the broker that is asked (admin clients send them to it), or, with an empty name, the dynamic defaults of
 * the cluster. */
#include "net/api/api_internal.h"

#define RESOURCE_TOPIC  2
#define RESOURCE_BROKER 4

#define SYNONYMS_MAX 8

static bool describe_wanted(const struct kp_describe_configs_request_resources *asked,
                            const struct meta_config_key                       *key)
{
    bool any = asked->configuration_keys_count <= 0;

    for (int32_t i = 0; !any && i < asked->configuration_keys_count; i++) {
        any = view_equal(asked->configuration_keys[i], view_text(key->name));
    }
    return any;
}

static bool describe_synonyms(struct api_call *call, const struct meta_topic *topic, uint32_t shard,
                              const struct meta_config_key                        *key,
                              struct kp_describe_configs_response_results_configs *out)
{
    struct meta_config_value values[SYNONYMS_MAX];
    size_t                   count = meta_config_synonyms(call->shard->meta, topic, shard, key, values, SYNONYMS_MAX);

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

static bool describe_one(struct api_call *call, const struct meta_topic *topic, uint32_t shard,
                         const struct meta_config_key *key, struct kp_describe_configs_response_results *result)
{
    const struct kp_describe_configs_request            *request = call->request;
    struct kp_describe_configs_response_results_configs *out = &result->configs[result->configs_count++];
    struct meta_config_value value = topic != NULL ? meta_topic_config(call->shard->meta, topic, key)
                                                   : meta_broker_config(call->shard->meta, shard, key);

    kp_describe_configs_response_results_configs_init(out);
    out->name = view_text(key->name);
    out->is_sensitive = key->type == META_TYPE_PASSWORD;
    out->value = out->is_sensitive ? (struct view){0} : api__text(call, value.text);
    out->read_only = !key->is_topic && key->update == META_READ_ONLY;
    out->config_source = (int8_t)value.source;
    out->config_type = (int8_t)key->type;
    if (request->include_documentation) {
        out->documentation = view_text(key->documentation);
    }
    return !request->include_synonyms || describe_synonyms(call, topic, shard, key, out);
}

static int16_t describe_find(struct api_call *call, const struct kp_describe_configs_request_resources *asked,
                             const struct meta_topic **out_topic, uint32_t *out_shard)
{
    const struct meta_image *image = meta_image(call->shard->meta);
    int64_t                  node = 0;

    *out_shard = call->shard->shard->index;
    if (asked->resource_type == RESOURCE_TOPIC) {
        *out_topic = meta_topic(call->shard->meta, asked->resource_name);
        if (*out_topic == NULL) {
            return meta_topic_name_valid(asked->resource_name) ? KP_ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                               : KP_ERR_INVALID_TOPIC_EXCEPTION;
        }
        return 0;
    }
    if (asked->resource_type != RESOURCE_BROKER || asked->resource_name.len > 9) {
        return KP_ERR_INVALID_REQUEST;
    }
    if (asked->resource_name.len == 0) {
        return 0;
    }
    for (size_t i = 0; i < asked->resource_name.len; i++) {
        uint8_t c = asked->resource_name.base[i];

        if (c < '0' || c > '9') {
            return KP_ERR_INVALID_REQUEST;
        }
        node = node * 10 + (c - '0');
    }
    for (uint32_t i = 0; i < image->broker_count; i++) {
        if (image->brokers[i].node_id == node) {
            *out_shard = image->brokers[i].shard;
            return 0;
        }
    }
    return KP_ERR_INVALID_REQUEST;
}

/* An empty broker name asks for the cluster's dynamic defaults only. */
static bool describe_shown(struct api_call *call, const struct kp_describe_configs_request_resources *asked,
                           const struct meta_config_key *key)
{
    if (asked->resource_type == RESOURCE_TOPIC) {
        return key->is_topic && key->effect != META_EFFECT_IGNORED;
    }
    return !key->is_topic && key->effect != META_EFFECT_IGNORED &&
           (asked->resource_name.len > 0 ||
            meta_config_set_get(&meta_image(call->shard->meta)->broker_default_configs, view_text(key->name)) != NULL);
}

static bool describe_resource(struct api_call *call, const struct kp_describe_configs_request_resources *asked,
                              struct kp_describe_configs_response_results *result)
{
    const struct meta_topic *topic = NULL;
    uint32_t                 shard = 0;

    kp_describe_configs_response_results_init(result);
    result->resource_type = asked->resource_type;
    result->resource_name = asked->resource_name;
    result->error_code = describe_find(call, asked, &topic, &shard);
    if (result->error_code != 0) {
        result->error_message = view_text(kp_error_text(result->error_code));
        return true;
    }
    result->configs = api_alloc(call, meta_config_count(), sizeof(*result->configs));
    if (result->configs == NULL) {
        return false;
    }
    for (size_t i = 0; i < meta_config_count(); i++) {
        const struct meta_config_key *key = meta_config_at(i);

        if (describe_shown(call, asked, key) && describe_wanted(asked, key) &&
            !describe_one(call, topic, shard, key, result)) {
            return false;
        }
    }
    return true;
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
