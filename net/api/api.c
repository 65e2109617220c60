#include "core/base/slog.h"
#include "net/api/api_fetch_session.h"
#include "net/api/api_internal.h"

#include <stdio.h>

static void api_answer(struct api_call *call, int outcome, const void *response)
{
    list_remove(&call->link);
    call->canceled = NULL;
    call->finish(call, outcome, response);
}

void api_reply(struct api_call *call, const void *response)
{
    CHECK(response != NULL);
    api_answer(call, API_REPLY, response);
}

void api_reply_nothing(struct api_call *call)
{
    api_answer(call, API_REPLY_NOTHING, NULL);
}

void api_close(struct api_call *call, const char *why)
{
    slog_info("api", "%s: closing the connection: %s", call->api->name, why);
    api_answer(call, API_CLOSE, NULL);
}

void api_let_go(struct api_call *call)
{
    if (call->let_go != NULL) {
        call->let_go(call);
    }
}

void *api_alloc(struct api_call *call, size_t count, size_t element_bytes)
{
    return arena_alloc_array(call->arena, count, element_bytes);
}

const struct api_shard *api__settings(struct api_shard *shard)
{
    int64_t at = meta_image(shard->meta)->last_offset;

    if (shard->settings_at != at) {
        shard->settings_at = at;
        shard->fetch_bytes_max = meta_broker_int(shard->meta, "fetch.max.bytes");
        shard->consumer_protocol =
            meta_feature_level(shard->meta, META_FEATURE_GROUP_VERSION) >= 1 &&
            meta_config_list_has(meta_broker_text(shard->meta, "group.coordinator.rebalance.protocols"),
                                 view_text("consumer"));
    }
    return shard;
}

void api_shard_init(struct api_shard *shard)
{
    list_init(&shard->waiting);
    shard->settings_at = INT64_MIN;
    shard->sessions = api__sessions_create();
}

void api_shard_deinit(struct api_shard *shard)
{
    CHECK(list_empty(&shard->waiting));
    api__sessions_destroy(shard->sessions);
    shard->sessions = NULL;
}

void api_shard_stop(struct api_shard *shard)
{
    struct list_node *node;

    shard->stopping = true;
    while ((node = list_pop_front(&shard->waiting)) != NULL) { /* answering one may end others */
        struct api_call *call = LIST_ENTRY(node, struct api_call, link);

        if (call->canceled != NULL) {
            call->canceled(call);
        }
    }
}

const struct meta_endpoint *api__endpoint(const struct api_call *call, const struct meta_broker *broker)
{
    for (uint32_t i = 0; i < broker->endpoint_count; i++) {
        if (view_equal(broker->endpoints[i].listener, call->listener)) {
            return &broker->endpoints[i];
        }
    }
    return NULL;
}

struct part *api__part(struct api_call *call, struct view topic, struct uuid topic_id, int32_t partition,
                       int16_t *out_error)
{
    const struct meta_topic *known =
        topic.base == NULL ? meta_topic_by_id(call->shard->meta, topic_id) : meta_topic(call->shard->meta, topic);
    struct part *part = NULL;

    *out_error = 0;
    if (known == NULL) {
        *out_error = topic.base == NULL ? KP_ERR_UNKNOWN_TOPIC_ID : KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    } else if (partition < 0 || partition >= known->partition_count) {
        *out_error = KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    } else if (known->partitions[partition].leader != meta_node_id(call->shard->meta)) {
        *out_error = KP_ERR_NOT_LEADER_OR_FOLLOWER;
    } else {
        part = part_find_id(call->shard->parts, known->id, partition);
        if (part == NULL || !part_ready(part)) {
            *out_error = KP_ERR_LEADER_NOT_AVAILABLE;
            part = NULL;
        }
    }
    return part;
}

const struct meta_broker *api__leader(const struct api_call *call, const struct meta_topic *topic, int32_t partition)
{
    const struct meta_image *image = meta_image(call->shard->meta);
    int32_t                  leader = topic->partitions[partition].leader;

    for (uint32_t i = 0; i < image->broker_count; i++) {
        if (image->brokers[i].node_id == leader) {
            return &image->brokers[i];
        }
    }
    return NULL;
}

struct view api__number(struct api_call *call, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    return api__text(call, text);
}

struct view api__text(struct api_call *call, const char *text)
{
    return text == NULL ? (struct view){0} : arena_copy(call->arena, view_text(text));
}
