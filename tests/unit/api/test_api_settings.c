/* Settings of every kind of resource, features and client quotas, as administrators see and change them, on two shards
 * of a whole broker. Error codes are those a Kafka 4.3 gives. */
#include "tests/support/unit.h"

#include "core/base/slog.h"
#include "tests/support/broker_rig.h"

#define SHARDS 2

enum { TOPIC = 2, BROKER = 4, LOGGER = 8, METRICS = 16, GROUP = 32 };
enum { SET = 0, DELETE = 1, APPEND = 2, SUBTRACT = 3 };

static struct broker_rig  rig;
static struct rig_client *clients[SHARDS];

static void connect_all(void)
{
    for (uint32_t i = 0; i < SHARDS; i++) {
        clients[i] = rig_connect(&rig, i);
        assert_non_null(clients[i]);
    }
}

static int set_up(void **state)
{
    (void)state;
    rig_create(&rig, 1, NULL, SHARDS, 2, NULL);
    assert_int_equal(rig_start(&rig), ERR_OK);
    connect_all();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_destroy(&rig);
    return 0;
}

static void restart(void)
{
    for (uint32_t i = 0; i < SHARDS; i++) {
        rig_client_free(clients[i]);
    }
    assert_int_equal(rig_stop(&rig), ERR_OK);
    assert_int_equal(rig_start(&rig), ERR_OK);
    connect_all();
}

/* --- configs ------------------------------------------------------------------------------------------------------ */

static const struct kp_describe_configs_response_results *describe(uint32_t shard, int8_t type, const char *name)
{
    struct kp_describe_configs_request           *request = arena_alloc(&clients[shard]->scratch, sizeof(*request));
    struct kp_describe_configs_request_resources *asked = arena_alloc(&clients[shard]->scratch, sizeof(*asked));
    const struct kp_describe_configs_response    *response;

    kp_describe_configs_request_init(request);
    kp_describe_configs_request_resources_init(asked);
    asked->resource_type = type;
    asked->resource_name = view_text(name);
    asked->configuration_keys_count = -1;
    request->resources = asked;
    request->resources_count = 1;
    request->include_synonyms = true;
    response = rig_ask(clients[shard], KP_DESCRIBE_CONFIGS_KEY, 4, request);
    assert_non_null(response);
    assert_int_equal(response->results_count, 1);
    return &response->results[0];
}

/* NULL: not shown. */
static const struct kp_describe_configs_response_results_configs *config(uint32_t shard, int8_t type,
                                                                         const char *resource, const char *name)
{
    const struct kp_describe_configs_response_results *result = describe(shard, type, resource);

    assert_int_equal(result->error_code, 0);
    for (int32_t i = 0; i < result->configs_count; i++) {
        if (view_equal(result->configs[i].name, view_text(name))) {
            return &result->configs[i];
        }
    }
    return NULL;
}

static void assert_config(int8_t type, const char *resource, const char *name, const char *value, int8_t source)
{
    for (uint32_t i = 0; i < SHARDS; i++) {
        const struct kp_describe_configs_response_results_configs *found = config(i, type, resource, name);

        assert_non_null(found);
        assert_true(view_equal(found->value, view_text(value)));
        assert_int_equal(found->config_source, source);
    }
}

static int16_t incremental(int8_t type, const char *resource, const char *name, const char *value, int8_t op)
{
    struct kp_incremental_alter_configs_request_resources_configs entry;
    struct kp_incremental_alter_configs_request_resources         asked;
    struct kp_incremental_alter_configs_request                   request;
    const struct kp_incremental_alter_configs_response           *response;

    kp_incremental_alter_configs_request_init(&request);
    kp_incremental_alter_configs_request_resources_init(&asked);
    kp_incremental_alter_configs_request_resources_configs_init(&entry);
    entry.name = view_text(name);
    entry.value = value == NULL ? (struct view){0} : view_text(value);
    entry.config_operation = op;
    asked.resource_type = type;
    asked.resource_name = view_text(resource);
    asked.configs = &entry;
    asked.configs_count = 1;
    request.resources = &asked;
    request.resources_count = 1;
    response = rig_ask(clients[1], KP_INCREMENTAL_ALTER_CONFIGS_KEY, 1, &request);
    assert_non_null(response);
    assert_int_equal(response->responses_count, 1);
    assert_int_equal(response->responses[0].resource_type, type);
    assert_int_equal(response->responses[0].error_code != 0, response->responses[0].error_message.base != NULL);
    return response->responses[0].error_code;
}

/* AlterConfigs: what is not named goes. name NULL: nothing is named. */
static int16_t replace(int8_t type, const char *resource, const char *name, const char *value, bool validate_only)
{
    struct kp_alter_configs_request_resources_configs entry;
    struct kp_alter_configs_request_resources         asked;
    struct kp_alter_configs_request                   request;
    const struct kp_alter_configs_response           *response;

    kp_alter_configs_request_init(&request);
    kp_alter_configs_request_resources_init(&asked);
    kp_alter_configs_request_resources_configs_init(&entry);
    entry.name = view_text(name == NULL ? "" : name);
    entry.value = value == NULL ? (struct view){0} : view_text(value);
    asked.resource_type = type;
    asked.resource_name = view_text(resource);
    asked.configs = &entry;
    asked.configs_count = name != NULL;
    request.resources = &asked;
    request.resources_count = 1;
    request.validate_only = validate_only;
    response = rig_ask(clients[0], KP_ALTER_CONFIGS_KEY, 2, &request);
    assert_non_null(response);
    assert_true(view_equal(response->responses[0].resource_name, view_text(resource)));
    return response->responses[0].error_code;
}

static void test_alter_configs_replaces(void **state)
{
    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    assert_int_equal(incremental(TOPIC, "t", "retention.ms", "5", SET), 0);
    assert_config(TOPIC, "t", "retention.ms", "5", META_SOURCE_TOPIC);
    assert_int_equal(replace(TOPIC, "t", "segment.ms", "7", true), 0); /* only asked */
    assert_config(TOPIC, "t", "retention.ms", "5", META_SOURCE_TOPIC);
    assert_int_equal(replace(TOPIC, "t", "segment.ms", "7", false), 0);
    assert_config(TOPIC, "t", "segment.ms", "7", META_SOURCE_TOPIC);
    assert_config(TOPIC, "t", "retention.ms", "604800000", META_SOURCE_DEFAULT);
    assert_int_equal(replace(TOPIC, "t", NULL, NULL, false), 0);
    assert_config(TOPIC, "t", "segment.ms", "604800000", META_SOURCE_DEFAULT);
}

static void test_alter_configs_refusals(void **state)
{
    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    assert_int_equal(replace(TOPIC, "none", "segment.ms", "7", false), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(replace(TOPIC, "t", "segment.ms", "soon", false), KP_ERR_INVALID_CONFIG);
    assert_int_equal(replace(TOPIC, "t", "no.such", "7", false), KP_ERR_INVALID_CONFIG);
    assert_int_equal(replace(TOPIC, "t", "segment.ms", NULL, false), KP_ERR_INVALID_REQUEST);
    assert_int_equal(replace(BROKER, "0", "log.dirs", "/x", false), KP_ERR_INVALID_REQUEST);
    assert_int_equal(replace(BROKER, "9", "log.retention.ms", "5", false), KP_ERR_INVALID_REQUEST);
    assert_int_equal(replace(LOGGER, "0", "meta", "DEBUG", false), KP_ERR_INVALID_REQUEST);
    assert_int_equal(replace(3, "x", "a", "b", false), KP_ERR_INVALID_REQUEST);
    assert_int_equal(incremental(TOPIC, "t", "segment.ms", "7", 9), KP_ERR_INVALID_REQUEST);
    assert_int_equal(incremental(TOPIC, "t", "segment.ms", NULL, SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(incremental(METRICS, "m", "interval.ms", "7", SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(incremental(77, "m", "interval.ms", "7", SET), KP_ERR_INVALID_REQUEST);
}

/* In force at once, everywhere it should be, and after a restart. */
static void test_broker_settings(void **state)
{
    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 2, NULL), 0);
    assert_int_equal(incremental(BROKER, "", "log.retention.ms", "1000", SET), 0);
    assert_config(BROKER, "0", "log.retention.ms", "1000", META_SOURCE_DYNAMIC_DEFAULT);
    assert_config(BROKER, "", "log.retention.ms", "1000", META_SOURCE_DYNAMIC_DEFAULT);
    assert_config(TOPIC, "t", "retention.ms", "1000", META_SOURCE_DYNAMIC_DEFAULT);
    assert_int_equal(incremental(BROKER, "1", "log.retention.ms", "2000", SET), 0);
    assert_config(BROKER, "1", "log.retention.ms", "2000", META_SOURCE_DYNAMIC_BROKER);
    assert_config(BROKER, "0", "log.retention.ms", "1000", META_SOURCE_DYNAMIC_DEFAULT);
    restart();
    assert_config(BROKER, "1", "log.retention.ms", "2000", META_SOURCE_DYNAMIC_BROKER);
    assert_config(BROKER, "0", "log.retention.ms", "1000", META_SOURCE_DYNAMIC_DEFAULT);
    assert_int_equal(incremental(BROKER, "1", "log.retention.ms", NULL, DELETE), 0);
    assert_int_equal(incremental(BROKER, "", "log.retention.ms", NULL, DELETE), 0);
    assert_null(config(0, BROKER, "", "log.retention.ms"));
    assert_true(config(0, BROKER, "0", "num.partitions")->read_only);
    assert_false(config(0, BROKER, "0", "log.retention.ms")->read_only);
    assert_int_equal(describe(0, BROKER, "x")->error_code, KP_ERR_INVALID_REQUEST);
    assert_int_equal(describe(0, BROKER, "9")->error_code, KP_ERR_INVALID_REQUEST);
    assert_int_equal(describe(0, 77, "9")->error_code, KP_ERR_INVALID_REQUEST);
}

/* What the leader of t-0 says to a batch of about 1,000 bytes. */
static int16_t produce(uint32_t *out_leader)
{
    int16_t error = KP_ERR_NOT_LEADER_OR_FOLLOWER;

    for (uint32_t i = 0; i < SHARDS && error == KP_ERR_NOT_LEADER_OR_FOLLOWER; i++) {
        *out_leader = i;
        error = rig_produce(clients[i], "t", 0, rig_batch(&clients[i]->scratch, "a value", 60, -1, -1, -1), NULL);
    }
    return error;
}

/* A default of topics reaches partitions that are open, those of one broker only when it is that broker's. */
static void test_defaults_reach_open_partitions(void **state)
{
    uint32_t leader = 0;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    assert_int_equal(produce(&leader), 0);
    assert_int_equal(incremental(BROKER, "", "message.max.bytes", "500", SET), 0);
    assert_int_equal(produce(&leader), KP_ERR_MESSAGE_TOO_LARGE);
    restart();
    assert_int_equal(produce(&leader), KP_ERR_MESSAGE_TOO_LARGE);
    assert_int_equal(incremental(BROKER, leader == 0 ? "1" : "0", "message.max.bytes", "100000", SET), 0);
    assert_int_equal(produce(&leader), KP_ERR_MESSAGE_TOO_LARGE); /* the other one's */
    assert_int_equal(incremental(BROKER, leader == 0 ? "0" : "1", "message.max.bytes", "100000", SET), 0);
    assert_int_equal(produce(&leader), 0);
    assert_int_equal(incremental(TOPIC, "t", "max.message.bytes", "500", SET),
                     0); /* the topic's own is the strongest */
    assert_int_equal(produce(&leader), KP_ERR_MESSAGE_TOO_LARGE);
}

static bool refused(void *context)
{
    return ((struct rig_client *)context)->closed;
}

/* The next connection above the limit is closed at once; the same after a restart. */
static void test_connections_are_limited_at_run_time(void **state)
{
    struct rig_client *more;

    (void)state;
    assert_int_equal(incremental(BROKER, "", "max.connections", "1", SET), 0);
    for (int start = 0; start < 2; start++) {
        more = rig_client_open(&rig, 0);
        assert_true(rig_until(&rig, refused, more, NS_PER_S));
        rig_client_free(more);
        assert_int_equal(describe(0, BROKER, "0")->error_code, 0); /* those that were there stay */
        restart();
    }
    assert_int_equal(incremental(BROKER, "", "max.connections", NULL, DELETE), 0);
    more = rig_connect(&rig, 0);
    assert_non_null(more);
    rig_client_free(more);
}

static void test_group_settings(void **state)
{
    (void)state;
    assert_config(GROUP, "g", "consumer.session.timeout.ms", "45000", META_SOURCE_DEFAULT);
    assert_int_equal(incremental(GROUP, "g", "consumer.session.timeout.ms", "50000", SET), 0);
    assert_config(GROUP, "g", "consumer.session.timeout.ms", "50000", META_SOURCE_GROUP);
    assert_int_equal(config(0, GROUP, "g", "consumer.session.timeout.ms")->synonyms_count, 2);
    assert_config(GROUP, "h", "consumer.session.timeout.ms", "45000", META_SOURCE_DEFAULT);
    assert_int_equal(incremental(GROUP, "g", "consumer.session.timeout.ms", "1", SET), KP_ERR_INVALID_CONFIG);
    assert_int_equal(incremental(GROUP, "", "consumer.session.timeout.ms", "50000", SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(describe(0, GROUP, "")->error_code, KP_ERR_INVALID_REQUEST);
    assert_int_equal(replace(GROUP, "g", "consumer.heartbeat.interval.ms", "6000", false), 0);
    assert_config(GROUP, "g", "consumer.session.timeout.ms", "45000", META_SOURCE_DEFAULT);
    restart();
    assert_config(GROUP, "g", "consumer.heartbeat.interval.ms", "6000", META_SOURCE_GROUP);
}

static void test_loggers(void **state)
{
    (void)state;
    assert_config(LOGGER, "0", "meta", "INFO", META_SOURCE_LOGGER);
    assert_int_equal(incremental(LOGGER, "1", "meta", "ERROR", SET), 0);
    assert_config(LOGGER, "0", "meta", "ERROR", META_SOURCE_LOGGER); /* one process */
    assert_config(LOGGER, "0", "store", "INFO", META_SOURCE_LOGGER);
    assert_int_equal(slog_level_of("meta"), SLOG_ERROR);
    assert_int_equal(incremental(LOGGER, "1", "root", "WARN", SET), 0);
    assert_config(LOGGER, "0", "store", "WARN", META_SOURCE_LOGGER);
    assert_int_equal(incremental(LOGGER, "1", "root", "INFO", SET), 0);
    assert_int_equal(incremental(LOGGER, "1", "meta", NULL, DELETE), 0);
    assert_config(LOGGER, "0", "meta", "INFO", META_SOURCE_LOGGER);

    assert_int_equal(incremental(LOGGER, "1", "meta", "LOUD", SET), KP_ERR_INVALID_CONFIG);
    assert_int_equal(incremental(LOGGER, "1", "no.such", "INFO", SET), KP_ERR_INVALID_CONFIG);
    assert_int_equal(incremental(LOGGER, "1", "root", NULL, DELETE), KP_ERR_INVALID_REQUEST);
    assert_int_equal(incremental(LOGGER, "1", "meta", "INFO", APPEND), KP_ERR_INVALID_REQUEST);
    assert_int_equal(incremental(LOGGER, "1", "meta", NULL, SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(incremental(LOGGER, "9", "meta", "INFO", SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(incremental(LOGGER, "", "meta", "INFO", SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(describe(0, LOGGER, "9")->error_code, KP_ERR_INVALID_REQUEST);
    assert_int_equal(describe(0, METRICS, "m")->configs_count, 0);
    assert_int_equal(describe(0, METRICS, "")->error_code, KP_ERR_INVALID_REQUEST);
}

static int32_t listed(int16_t version, const int8_t *types, int32_t types_count, int16_t error)
{
    struct kp_list_config_resources_request         request;
    const struct kp_list_config_resources_response *response;

    kp_list_config_resources_request_init(&request);
    request.resource_types = types;
    request.resource_types_count = types_count;
    response = rig_ask(clients[1], KP_LIST_CONFIG_RESOURCES_KEY, version, &request);
    assert_non_null(response);
    assert_int_equal(response->error_code, error);
    return response->config_resources_count;
}

static void test_list_config_resources(void **state)
{
    static const int8_t topic[] = {TOPIC}, groups[] = {GROUP, METRICS}, bad[] = {TOPIC, 3}, negative[] = {-1};

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    assert_int_equal(rig_create_topic(clients[0], "u", 1, NULL), 0);
    assert_int_equal(listed(1, NULL, 0, 0), 2 + 2 * SHARDS); /* topics, brokers, their loggers */
    assert_int_equal(listed(1, topic, 1, 0), 2);
    assert_int_equal(listed(1, groups, 2, 0), 0);
    assert_int_equal(incremental(GROUP, "g", "consumer.session.timeout.ms", "50000", SET), 0);
    assert_int_equal(listed(1, groups, 2, 0), 1);
    assert_int_equal(listed(0, NULL, 0, 0), 0); /* client metrics only */
    assert_int_equal(listed(1, bad, 2, KP_ERR_UNSUPPORTED_VERSION), 0);
    assert_int_equal(listed(1, negative, 1, KP_ERR_UNSUPPORTED_VERSION), 0);
}

/* --- features ----------------------------------------------------------------------------------------------------- */

static int16_t update_feature(int16_t version, const char *name, int16_t level, int8_t type, bool down)
{
    struct kp_update_features_request_feature_updates update;
    struct kp_update_features_request                 request;
    const struct kp_update_features_response         *response;

    kp_update_features_request_init(&request);
    kp_update_features_request_feature_updates_init(&update);
    update.feature = view_text(name);
    update.max_version_level = level;
    update.upgrade_type = type;
    update.allow_downgrade = down;
    request.feature_updates = &update;
    request.feature_updates_count = 1;
    response = rig_ask(clients[1], KP_UPDATE_FEATURES_KEY, version, &request);
    assert_non_null(response);
    assert_int_equal(response->results_count, version < 2 && response->error_code == 0);
    assert_int_equal(response->error_code != 0, response->error_message.base != NULL);
    return response->error_code;
}

static int16_t finalized(uint32_t shard, const char *name)
{
    struct kp_api_versions_request         request;
    const struct kp_api_versions_response *response;

    kp_api_versions_request_init(&request);
    request.client_software_name = view_text("test");
    request.client_software_version = view_text("1");
    response = rig_ask(clients[shard], KP_API_VERSIONS_KEY, 4, &request);
    assert_true(response->finalized_features_epoch > 0);
    assert_int_equal(response->supported_features_count, META_FEATURE_COUNT);
    for (int32_t i = 0; i < response->finalized_features_count; i++) {
        if (view_equal(response->finalized_features[i].name, view_text(name))) {
            return response->finalized_features[i].max_version_level;
        }
    }
    return 0;
}

static void test_features(void **state)
{
    struct kp_api_versions_request         request;
    const struct kp_api_versions_response *response;

    (void)state;
    assert_int_equal(finalized(0, "metadata.version"), 30);
    assert_int_equal(finalized(1, "group.version"), 1);
    assert_int_equal(update_feature(2, "group.version", 0, META_FEATURE_UPGRADE, false), KP_ERR_INVALID_UPDATE_VERSION);
    assert_int_equal(update_feature(2, "no.such", 1, META_FEATURE_UPGRADE, false), KP_ERR_INVALID_UPDATE_VERSION);
    assert_int_equal(update_feature(0, "group.version", 0, META_FEATURE_UPGRADE, true), 0); /* the old way down */
    assert_int_equal(finalized(0, "group.version"), 0);
    assert_int_equal(update_feature(2, "transaction.version", 2, META_FEATURE_UPGRADE, false), 0);
    restart();
    assert_int_equal(finalized(1, "group.version"), 0);
    assert_int_equal(finalized(1, "transaction.version"), 2);
    assert_int_equal(update_feature(1, "group.version", 1, META_FEATURE_UPGRADE, false), 0);
    /* Clients below version 4 do not survive a lowest level of 0: only metadata.version is left for them. */
    kp_api_versions_request_init(&request);
    request.client_software_name = view_text("test");
    request.client_software_version = view_text("1");
    response = rig_ask(clients[0], KP_API_VERSIONS_KEY, 3, &request);
    assert_int_equal(response->supported_features_count, 1);
    assert_true(view_equal(response->supported_features[0].name, view_text("metadata.version")));
}

static int16_t join_consumer_group(void)
{
    static const struct view                           topic = {.base = (const uint8_t *)"t", .len = 1};
    struct kp_consumer_group_heartbeat_request         request;
    const struct kp_consumer_group_heartbeat_response *response;
    struct kp_find_coordinator_request                 find;
    const struct kp_find_coordinator_response         *found;

    kp_find_coordinator_request_init(&find);
    find.key = view_text("g");
    found = rig_ask(clients[0], KP_FIND_COORDINATOR_KEY, 3, &find);
    assert_int_equal(found->error_code, 0);
    kp_consumer_group_heartbeat_request_init(&request);
    request.group_id = view_text("g");
    request.member_id = view_text("m");
    request.rebalance_timeout_ms = 60000;
    request.subscribed_topic_names = &topic;
    request.subscribed_topic_names_count = 1;
    request.topic_partitions = NULL;
    request.topic_partitions_count = 0;
    do { /* the partition is being read at first */
        response = rig_ask(clients[found->node_id], KP_CONSUMER_GROUP_HEARTBEAT_KEY, 1, &request);
        assert_non_null(response);
    } while (response->error_code == KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    return response->error_code;
}

/* group.version is what KIP-848 hangs on, as in Kafka. */
static void test_consumer_protocol_can_be_switched_off(void **state)
{
    static const struct view                          group = {.base = (const uint8_t *)"g", .len = 1};
    struct kp_consumer_group_describe_request         request = {.group_ids = &group, .group_ids_count = 1};
    const struct kp_consumer_group_describe_response *response;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    assert_int_equal(update_feature(2, "group.version", 0, META_FEATURE_SAFE_DOWNGRADE, false), 0);
    assert_int_equal(join_consumer_group(), KP_ERR_UNSUPPORTED_VERSION);
    response = rig_ask(clients[0], KP_CONSUMER_GROUP_DESCRIBE_KEY, 0, &request);
    assert_int_equal(response->groups[0].error_code, KP_ERR_UNSUPPORTED_VERSION);
    assert_true(view_equal(response->groups[0].group_id, group));
    assert_int_equal(update_feature(2, "group.version", 1, META_FEATURE_UPGRADE, false), 0);
    assert_int_equal(join_consumer_group(), 0);
}

/* --- quotas ------------------------------------------------------------------------------------------------------- */

static int16_t quota(const char *type, const char *name, const char *key, double value, bool remove)
{
    struct kp_alter_client_quotas_request_entries_entity entity = {
        .entity_type = view_text(type), .entity_name = name == NULL ? (struct view){0} : view_text(name)};
    struct kp_alter_client_quotas_request_entries_ops op = {.key = view_text(key), .value = value, .remove = remove};
    struct kp_alter_client_quotas_request_entries     entry = {
            .entity = &entity, .entity_count = 1, .ops = &op, .ops_count = 1};
    struct kp_alter_client_quotas_request         request = {.entries = &entry, .entries_count = 1};
    const struct kp_alter_client_quotas_response *response =
        rig_ask(clients[1], KP_ALTER_CLIENT_QUOTAS_KEY, 1, &request);

    assert_non_null(response);
    assert_true(view_equal(response->entries[0].entity[0].entity_type, view_text(type)));
    assert_int_equal(response->entries[0].error_code != 0, response->entries[0].error_message.base != NULL);
    return response->entries[0].error_code;
}

/* How many entities match; -1: refused. match: 0 exact, 1 default, 2 any; type NULL: no filter. */
static int32_t quotas(const char *type, int8_t match, const char *name, bool strict, int16_t error)
{
    struct kp_describe_client_quotas_request_components component = {.entity_type = view_text(type == NULL ? "" : type),
                                                                     .match_type = match,
                                                                     .match = name == NULL ? (struct view){0}
                                                                                           : view_text(name)};
    struct kp_describe_client_quotas_request            request = {
                   .components = &component, .components_count = type != NULL, .strict = strict};
    const struct kp_describe_client_quotas_response *response =
        rig_ask(clients[0], KP_DESCRIBE_CLIENT_QUOTAS_KEY, 1, &request);

    assert_non_null(response);
    assert_int_equal(response->error_code, error);
    return response->entries_count;
}

static void test_client_quotas(void **state)
{
    (void)state;
    assert_int_equal(quotas(NULL, 0, NULL, false, 0), 0);
    assert_int_equal(quota("user", "u", "producer_byte_rate", 1000, false), 0);
    assert_int_equal(quota("user", NULL, "producer_byte_rate", 5, false), 0);
    assert_int_equal(quota("client-id", "c", "consumer_byte_rate", 5, false), 0);
    assert_int_equal(quota("user", "u", "no.such", 5, false), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota("thing", "u", "producer_byte_rate", 5, false), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quotas(NULL, 0, NULL, false, 0), 3);
    assert_int_equal(quotas(NULL, 0, NULL, true, 0), 0);
    assert_int_equal(quotas("user", 2, NULL, false, 0), 2);
    assert_int_equal(quotas("user", 1, NULL, false, 0), 1);
    assert_int_equal(quotas("user", 0, "u", true, 0), 1);
    assert_int_equal(quotas("user", 0, "v", true, 0), 0);
    assert_int_equal(quotas("thing", 1, NULL, false, KP_ERR_UNSUPPORTED_VERSION), -1);
    assert_int_equal(quotas("", 1, NULL, false, KP_ERR_INVALID_REQUEST), -1);
    assert_int_equal(quotas("user", 0, NULL, false, KP_ERR_INVALID_REQUEST), -1);
    assert_int_equal(quotas("user", 1, "u", false, KP_ERR_INVALID_REQUEST), -1);
    assert_int_equal(quotas("user", 3, NULL, false, KP_ERR_INVALID_REQUEST), -1);
    restart();
    assert_int_equal(quotas(NULL, 0, NULL, false, 0), 3);
    assert_int_equal(quota("user", "u", "producer_byte_rate", 0, true), 0);
    assert_int_equal(quotas("user", 0, "u", false, 0), 0);
}

#define SETTINGS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SETTINGS_TEST(test_alter_configs_replaces),
        SETTINGS_TEST(test_alter_configs_refusals),
        SETTINGS_TEST(test_broker_settings),
        SETTINGS_TEST(test_defaults_reach_open_partitions),
        SETTINGS_TEST(test_connections_are_limited_at_run_time),
        SETTINGS_TEST(test_group_settings),
        SETTINGS_TEST(test_loggers),
        SETTINGS_TEST(test_list_config_resources),
        SETTINGS_TEST(test_features),
        SETTINGS_TEST(test_consumer_protocol_can_be_switched_off),
        SETTINGS_TEST(test_client_quotas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
