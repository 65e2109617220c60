/* ListConfigResources: what has settings: topics, brokers with their loggers, and groups that have some of their own.
 * Client metrics are not kept. */
#include "net/api/api_internal.h"

struct list_resources {
    struct kp_list_config_resources_response *response;
    bool                                      wanted[INT8_MAX + 1];
};

static const int8_t list_types[] = {API_RESOURCE_TOPIC, API_RESOURCE_BROKER, API_RESOURCE_LOGGER, API_RESOURCE_METRICS,
                                    API_RESOURCE_GROUP};

/* False: a type that is not known. */
static bool list_want(const struct api_call *call, struct list_resources *list)
{
    const struct kp_list_config_resources_request *request = call->request;

    if (call->version == 0) { /* asked for client metrics only */
        list->wanted[API_RESOURCE_METRICS] = true;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(list_types); i++) {
        list->wanted[list_types[i]] = request->resource_types_count == 0;
    }
    for (int32_t i = 0; i < request->resource_types_count; i++) {
        int8_t type = request->resource_types[i];

        if (memchr(list_types, type, sizeof(list_types)) == NULL) {
            return false;
        }
        list->wanted[type] = true;
    }
    return true;
}

static void list_add(struct list_resources *list, int8_t type, struct view name)
{
    list->response->config_resources[list->response->config_resources_count++] =
        (struct kp_list_config_resources_response_config_resources){.resource_name = name, .resource_type = type};
}

static bool list_nodes(struct api_call *call, struct list_resources *list, int8_t type)
{
    const struct meta_image *image = meta_image(call->shard->meta);

    for (uint32_t i = 0; list->wanted[type] && i < image->broker_count; i++) {
        struct view name = api__number(call, image->brokers[i].node_id);

        if (name.base == NULL) {
            return false;
        }
        list_add(list, type, name);
    }
    return true;
}

static bool list_fill(struct api_call *call, struct list_resources *list)
{
    const struct meta_image *image = meta_image(call->shard->meta);

    if (list->wanted[API_RESOURCE_GROUP]) {
        MAP_EACH(&image->group_configs, entry) {
            list_add(list, API_RESOURCE_GROUP, view_of(entry->key, entry->key_len));
        }
    }
    if (!list_nodes(call, list, API_RESOURCE_LOGGER) || !list_nodes(call, list, API_RESOURCE_BROKER)) {
        return false;
    }
    if (list->wanted[API_RESOURCE_TOPIC]) {
        MAP_EACH(&image->topics_by_name, entry) {
            list_add(list, API_RESOURCE_TOPIC, view_of(entry->key, entry->key_len));
        }
    }
    return true;
}

void api_list_config_resources(struct api_call *call)
{
    const struct meta_image *image = meta_image(call->shard->meta);
    size_t                   most =
        map_count(&image->topics_by_name) + map_count(&image->group_configs) + 2 * (size_t)image->broker_count;
    struct list_resources list = {.response = api_alloc(call, 1, sizeof(*list.response))};

    if (list.response == NULL ||
        (list.response->config_resources = api_alloc(call, most, sizeof(*list.response->config_resources))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    if (!list_want(call, &list)) {
        list.response->error_code = KP_ERR_UNSUPPORTED_VERSION;
    } else if (!list_fill(call, &list)) {
        api_close(call, "no memory for the answer");
        return;
    }
    api_reply(call, list.response);
}
