/* The frequent requests of broker_rig.h. */
#include "tests/support/broker_rig.h"

#define CREATE_TOPICS_VERSION 5
#define DELETE_TOPICS_VERSION 4
#define PRODUCE_VERSION       9
#define FETCH_VERSION         12
#define RIG_CONFIGS_MAX       16

int16_t rig_create_topic(struct rig_client *client, const char *name, int32_t partitions, const char *const *configs)
{
    struct kp_create_topics_request_topics_configs pairs[RIG_CONFIGS_MAX];
    struct kp_create_topics_request_topics         topic;
    struct kp_create_topics_request                request;
    const struct kp_create_topics_response        *response;

    kp_create_topics_request_init(&request);
    kp_create_topics_request_topics_init(&topic);
    topic.name = view_text(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    topic.configs = pairs;
    for (; configs != NULL && configs[topic.configs_count] != NULL; topic.configs_count++) {
        const char *text = configs[topic.configs_count];
        const char *equals = strchr(text, '=');

        CHECK(equals != NULL && topic.configs_count < RIG_CONFIGS_MAX);
        pairs[topic.configs_count].name = view_of(text, (size_t)(equals - text));
        pairs[topic.configs_count].value = view_text(equals + 1);
    }
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    response = rig_ask(client, KP_CREATE_TOPICS_KEY, CREATE_TOPICS_VERSION, &request);
    return response == NULL ? -1 : response->topics[0].error_code;
}

int16_t rig_delete_topic(struct rig_client *client, const char *name)
{
    struct view                             names = view_text(name);
    struct kp_delete_topics_request         request;
    const struct kp_delete_topics_response *response;

    kp_delete_topics_request_init(&request);
    request.topic_names = &names;
    request.topic_names_count = 1;
    request.timeout_ms = 30000;
    response = rig_ask(client, KP_DELETE_TOPICS_KEY, DELETE_TOPICS_VERSION, &request);
    return response == NULL ? -1 : response->responses[0].error_code;
}

struct view rig_batch(struct arena *arena, const char *value, int32_t count, int64_t producer_id, int16_t epoch,
                      int32_t sequence)
{
    struct rec_builder builder;
    struct view        batch = {0};

    rec_builder_init(&builder, arena);
    builder.producer_id = producer_id;
    builder.producer_epoch = producer_id < 0 ? -1 : epoch;
    builder.base_sequence = producer_id < 0 ? -1 : sequence;
    for (int32_t i = 0; i < count; i++) {
        rec_builder_add(&builder, INT64_C(1700000000000) + i, (struct view){0}, view_text(value), NULL, 0);
    }
    CHECK(rec_builder_finish(&builder, REC_NONE, 0, &batch) == ERR_OK);
    return batch;
}

struct kp_produce_request *rig_produce_request(struct arena *arena, const char *topic, int32_t partition, int16_t acks,
                                               struct view records)
{
    struct kp_produce_request                           *request = arena_alloc(arena, sizeof(*request));
    struct kp_produce_request_topic_data                *data = arena_alloc(arena, sizeof(*data));
    struct kp_produce_request_topic_data_partition_data *part = arena_alloc(arena, sizeof(*part));

    kp_produce_request_init(request);
    request->transactional_id = (struct view){0};
    kp_produce_request_topic_data_init(data);
    kp_produce_request_topic_data_partition_data_init(part);
    part->index = partition;
    part->records = records;
    data->name = view_text(topic);
    data->partition_data = part;
    data->partition_data_count = 1;
    request->acks = acks;
    request->timeout_ms = 30000;
    request->topic_data = data;
    request->topic_data_count = 1;
    return request;
}

int16_t rig_produce(struct rig_client *client, const char *topic, int32_t partition, struct view records,
                    int64_t *out_offset)
{
    const struct kp_produce_response *response = rig_ask(
        client, KP_PRODUCE_KEY, PRODUCE_VERSION, rig_produce_request(&client->scratch, topic, partition, -1, records));

    if (response == NULL) {
        return -1;
    }
    if (out_offset != NULL) {
        *out_offset = response->responses[0].partition_responses[0].base_offset;
    }
    return response->responses[0].partition_responses[0].error_code;
}

struct kp_fetch_request *rig_fetch_request(struct arena *arena, const char *topic, int32_t partition, int64_t offset,
                                           int32_t max_wait_ms, int32_t min_bytes, int32_t max_bytes)
{
    struct kp_fetch_request                   *request = arena_alloc(arena, sizeof(*request));
    struct kp_fetch_request_topics            *asked = arena_alloc(arena, sizeof(*asked));
    struct kp_fetch_request_topics_partitions *part = arena_alloc(arena, sizeof(*part));

    kp_fetch_request_init(request);
    kp_fetch_request_topics_init(asked);
    kp_fetch_request_topics_partitions_init(part);
    part->partition = partition;
    part->fetch_offset = offset;
    part->partition_max_bytes = max_bytes;
    asked->topic = view_text(topic);
    asked->partitions = part;
    asked->partitions_count = 1;
    request->max_wait_ms = max_wait_ms;
    request->min_bytes = min_bytes;
    request->max_bytes = max_bytes;
    request->session_epoch = -1;
    request->topics = asked;
    request->topics_count = 1;
    return request;
}
