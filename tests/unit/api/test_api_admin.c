/* The handlers that show and change metadata, asked on two shards of a whole broker. */
#include "tests/support/unit.h"

#include "tests/support/broker_rig.h"

#include <stdio.h>

#define SHARDS 2

static struct broker_rig  rig;
static struct rig_client *clients[SHARDS];

static int set_up(void **state)
{
    (void)state;
    rig_create(&rig, 1, NULL, SHARDS, 2, NULL);
    assert_int_equal(rig_start(&rig), ERR_OK);
    for (uint32_t i = 0; i < SHARDS; i++) {
        clients[i] = rig_connect(&rig, i);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_destroy(&rig);
    return 0;
}

/* --- metadata ----------------------------------------------------------------------------------------------------- */

/* name NULL: all topics; "": none. */
static const struct kp_metadata_response *metadata(uint32_t shard, int16_t version, const char *name, bool create)
{
    struct kp_metadata_request         request;
    struct kp_metadata_request_topics  topic;
    const struct kp_metadata_response *response;

    kp_metadata_request_init(&request);
    kp_metadata_request_topics_init(&topic);
    request.topics = &topic;
    request.topics_count = name == NULL ? -1 : name[0] != '\0';
    request.allow_auto_topic_creation = create;
    topic.name = view_text(name == NULL ? "" : name);
    response = rig_ask(clients[shard], KP_METADATA_KEY, version, &request);
    assert_non_null(response);
    return response;
}

static void test_metadata_shows_every_shard(void **state)
{
    const struct kp_metadata_response *response;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "a", 4, NULL), 0);
    for (uint32_t i = 0; i < SHARDS; i++) {
        response = metadata(i, 9, NULL, false);
        assert_int_equal(response->brokers_count, SHARDS);
        for (uint32_t k = 0; k < SHARDS; k++) {
            assert_int_equal(response->brokers[k].node_id, k);
            assert_int_equal(response->brokers[k].port, RIG_PORT + k);
            assert_true(view_equal(response->brokers[k].host, view_text("10.0.0.1")));
        }
        assert_int_equal(response->controller_id, 0);
        assert_int_equal(response->topics_count, 1);
        assert_int_equal(response->topics[0].partitions_count, 4);
        for (int32_t p = 0; p < 4; p++) {
            assert_int_equal(response->topics[0].partitions[p].partition_index, p);
            assert_in_range(response->topics[0].partitions[p].leader_id, 0, SHARDS - 1);
            assert_int_equal(response->topics[0].partitions[p].isr_nodes_count, 1);
        }
        assert_int_equal(metadata(i, 9, "", false)->topics_count, 0);
        assert_int_equal(metadata(i, 0, "", false)->topics_count, 1); /* version 0 has no way to ask for none */
    }
}

static void test_metadata_of_one_topic(void **state)
{
    struct kp_metadata_request         request;
    struct kp_metadata_request_topics  topic;
    const struct kp_metadata_response *response;
    struct uuid                        id;

    (void)state;
    assert_int_equal(metadata(0, 9, "none", false)->topics[0].error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(metadata(0, 9, "bad name!", true)->topics[0].error_code, KP_ERR_INVALID_TOPIC_EXCEPTION);
    response = metadata(1, 12, "fresh", true); /* created on demand, there at once on every shard */
    assert_int_equal(response->topics[0].error_code, 0);
    assert_int_equal(response->topics[0].partitions_count, 1);
    id = response->topics[0].topic_id;
    assert_false(uuid_is_zero(id));
    assert_int_equal(metadata(0, 12, "fresh", false)->topics[0].error_code, 0);
    kp_metadata_request_init(&request);
    kp_metadata_request_topics_init(&topic);
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = (struct view){0};
    topic.topic_id = id;
    response = rig_ask(clients[0], KP_METADATA_KEY, 12, &request);
    assert_true(view_equal(response->topics[0].name, view_text("fresh")));
    topic.topic_id.bytes[0] ^= 0xff;
    response = rig_ask(clients[0], KP_METADATA_KEY, 12, &request);
    assert_int_equal(response->topics[0].error_code, KP_ERR_UNKNOWN_TOPIC_ID);
}

static void test_auto_creation_can_be_switched_off(void **state)
{
    static const char *const settings[] = {"auto.create.topics.enable=false", NULL};

    (void)state;
    rig_destroy(&rig);
    rig_create(&rig, 1, NULL, 1, 1, settings);
    assert_int_equal(rig_start(&rig), ERR_OK);
    clients[0] = rig_connect(&rig, 0);
    assert_int_equal(metadata(0, 9, "fresh", true)->topics[0].error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

/* --- topics ------------------------------------------------------------------------------------------------------- */

static void test_create_topics_refusals(void **state)
{
    static const char *const                good[] = {"retention.ms=1000", "cleanup.policy=compact", NULL};
    static const char *const                unknown[] = {"retention.msx=1000", NULL};
    static const char *const                bad[] = {"retention.ms=soon", NULL};
    struct kp_create_topics_request_topics  topics[3];
    struct kp_create_topics_request         request;
    const struct kp_create_topics_response *response;

    (void)state;
    assert_int_equal(rig_create_topic(clients[1], "good", 2, good), 0);
    assert_int_equal(rig_create_topic(clients[0], "good", 2, good), KP_ERR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(rig_create_topic(clients[0], "x", 1, unknown), KP_ERR_INVALID_CONFIG);
    assert_int_equal(rig_create_topic(clients[0], "x", 1, bad), KP_ERR_INVALID_CONFIG);
    assert_int_equal(rig_create_topic(clients[0], "bad/name", 1, NULL), KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(rig_create_topic(clients[0], "", 1, NULL), KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(rig_create_topic(clients[0], "x", 0, NULL), KP_ERR_INVALID_PARTITIONS);
    kp_create_topics_request_init(&request);
    for (size_t i = 0; i < 3; i++) {
        kp_create_topics_request_topics_init(&topics[i]);
        topics[i].name = view_text(i == 1 ? "only-once" : "twice");
        topics[i].num_partitions = 1;
        topics[i].replication_factor = 1;
    }
    topics[1].replication_factor = 3; /* one host: no second replica */
    request.topics = topics;
    request.topics_count = 3;
    request.timeout_ms = 1000;
    response = rig_ask(clients[0], KP_CREATE_TOPICS_KEY, 5, &request);
    assert_int_equal(response->topics[0].error_code, KP_ERR_INVALID_REQUEST);
    assert_int_equal(response->topics[1].error_code, KP_ERR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(response->topics[2].error_code, KP_ERR_INVALID_REQUEST);
    request.topics = &topics[1]; /* only looked at, not made */
    request.topics_count = 1;
    request.validate_only = true;
    topics[1].replication_factor = 1;
    response = rig_ask(clients[0], KP_CREATE_TOPICS_KEY, 5, &request);
    assert_int_equal(response->topics[0].error_code, 0);
    assert_int_equal(metadata(0, 9, NULL, false)->topics_count, 1);
}

static void test_delete_topics(void **state)
{
    struct kp_delete_topics_request         request;
    struct kp_delete_topics_request_topics  topic;
    const struct kp_delete_topics_response *response;
    const struct kp_metadata_response      *shown;

    (void)state;
    assert_int_equal(rig_delete_topic(clients[0], "none"), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(rig_create_topic(clients[0], "a", 3, NULL), 0);
    shown = metadata(0, 12, "a", false);
    kp_delete_topics_request_init(&request);
    kp_delete_topics_request_topics_init(&topic);
    topic.name = (struct view){0};
    topic.topic_id = shown->topics[0].topic_id;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(clients[1], KP_DELETE_TOPICS_KEY, 6, &request);
    assert_int_equal(response->responses[0].error_code, 0);
    assert_true(view_equal(response->responses[0].name, view_text("a")));
    for (uint32_t i = 0; i < SHARDS; i++) {
        assert_int_equal(metadata(i, 9, NULL, false)->topics_count, 0);
    }
    response = rig_ask(clients[0], KP_DELETE_TOPICS_KEY, 6, &request);
    assert_int_equal(response->responses[0].error_code, KP_ERR_UNKNOWN_TOPIC_ID);
    topic.name = view_text("a"); /* name and id */
    response = rig_ask(clients[0], KP_DELETE_TOPICS_KEY, 6, &request);
    assert_int_equal(response->responses[0].error_code, KP_ERR_INVALID_REQUEST);
}

static int16_t add_partitions(const char *name, int32_t total)
{
    struct kp_create_partitions_request         request;
    struct kp_create_partitions_request_topics  topic;
    const struct kp_create_partitions_response *response;

    kp_create_partitions_request_init(&request);
    kp_create_partitions_request_topics_init(&topic);
    topic.name = view_text(name);
    topic.count = total;
    topic.assignments_count = -1;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(clients[0], KP_CREATE_PARTITIONS_KEY, 1, &request);
    assert_non_null(response);
    return response->results[0].error_code;
}

static void test_create_partitions(void **state)
{
    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "a", 2, NULL), 0);
    assert_int_equal(add_partitions("none", 3), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(add_partitions("a", 2), KP_ERR_INVALID_PARTITIONS);
    assert_int_equal(add_partitions("a", 1), KP_ERR_INVALID_PARTITIONS);
    assert_int_equal(add_partitions("a", 5), 0);
    for (uint32_t i = 0; i < SHARDS; i++) {
        assert_int_equal(metadata(i, 9, "a", false)->topics[0].partitions_count, 5);
    }
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static int16_t delete_records(const char *name, int64_t offset, int64_t *out_low)
{
    struct kp_delete_records_request                   request;
    struct kp_delete_records_request_topics            topic;
    struct kp_delete_records_request_topics_partitions partition;
    const struct kp_delete_records_response           *response;

    kp_delete_records_request_init(&request);
    kp_delete_records_request_topics_init(&topic);
    kp_delete_records_request_topics_partitions_init(&partition);
    topic.name = view_text(name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    partition.offset = offset;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 1000;
    for (uint32_t i = 0; i < SHARDS; i++) { /* the leader answers, the other one refuses */
        response = rig_ask(clients[i], KP_DELETE_RECORDS_KEY, 1, &request);
        assert_non_null(response);
        if (response->topics[0].partitions[0].error_code != KP_ERR_NOT_LEADER_OR_FOLLOWER) {
            *out_low = response->topics[0].partitions[0].low_watermark;
            return response->topics[0].partitions[0].error_code;
        }
    }
    fail_msg("nobody leads it");
    return 0;
}

static void test_delete_records(void **state)
{
    int64_t low = 0;
    int16_t error = KP_ERR_NOT_LEADER_OR_FOLLOWER;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "a", 1, NULL), 0);
    for (uint32_t i = 0; i < SHARDS && error != 0; i++) {
        error = rig_produce(clients[i], "a", 0, rig_batch(&clients[i]->scratch, "v", 10, -1, -1, -1), NULL);
    }
    assert_int_equal(error, 0);
    assert_int_equal(delete_records("none", 1, &low), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_records("a", 11, &low), KP_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(delete_records("a", 4, &low), 0);
    assert_int_equal(low, 4);
    assert_int_equal(delete_records("a", 2, &low), 0); /* behind the start already */
    assert_int_equal(low, 4);
    assert_int_equal(delete_records("a", -1, &low), 0);
    assert_int_equal(low, 10);
}

/* --- who is there ------------------------------------------------------------------------------------------------- */

static void test_api_versions(void **state)
{
    struct kp_api_versions_request         request;
    const struct kp_api_versions_response *response;
    bool                                   produce = false;

    (void)state;
    kp_api_versions_request_init(&request);
    response = rig_ask(clients[0], KP_API_VERSIONS_KEY, 0, &request);
    assert_int_equal(response->error_code, 0);
    for (int32_t i = 0; i < response->api_keys_count; i++) {
        const struct kp_api *api = kp_api_find(response->api_keys[i].api_key);

        assert_non_null(api);
        assert_true(response->api_keys[i].max_version == api->advertised_max);
        produce = produce || (api->key == KP_PRODUCE_KEY && response->api_keys[i].min_version == 0);
    }
    assert_true(produce); /* advertised from 0: old clients look for it (KIP-896 kept it so) */
    request.client_software_name = view_text("kcat");
    request.client_software_version = view_text("1.7.0");
    response = rig_ask(clients[0], KP_API_VERSIONS_KEY, 3, &request);
    assert_int_equal(response->error_code, 0);
    assert_true(response->api_keys_count > 10);
    request.client_software_name = view_text("-kcat");
    response = rig_ask(clients[0], KP_API_VERSIONS_KEY, 3, &request);
    assert_int_equal(response->error_code, KP_ERR_INVALID_REQUEST);
}

static void test_describe_cluster(void **state)
{
    struct kp_describe_cluster_request         request;
    const struct kp_describe_cluster_response *response;

    (void)state;
    kp_describe_cluster_request_init(&request);
    response = rig_ask(clients[1], KP_DESCRIBE_CLUSTER_KEY, 0, &request);
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->brokers_count, SHARDS);
    assert_int_equal(response->cluster_id.len, 22);
    request.endpoint_type = 2; /* controllers */
    response = rig_ask(clients[1], KP_DESCRIBE_CLUSTER_KEY, 1, &request);
    assert_int_equal(response->error_code, KP_ERR_MISMATCHED_ENDPOINT_TYPE);
}

/* Asked for the first time, the internal topic is made; whoever is asked then names the same shard. */
static void test_coordinators_are_found(void **state)
{
    struct view                                keys[] = {view_text("group"), view_text("other")};
    struct kp_find_coordinator_request         request;
    const struct kp_find_coordinator_response *response;
    int32_t                                    node;

    (void)state;
    kp_find_coordinator_request_init(&request);
    request.key = keys[0];
    response = rig_ask(clients[0], KP_FIND_COORDINATOR_KEY, 0, &request);
    assert_int_equal(response->error_code, 0);
    assert_in_range(response->node_id, 0, SHARDS - 1);
    node = response->node_id;
    assert_int_equal(response->port, RIG_PORT + node);
    request.coordinator_keys = keys;
    request.coordinator_keys_count = 2;
    response = rig_ask(clients[1], KP_FIND_COORDINATOR_KEY, 6, &request);
    assert_int_equal(response->coordinators_count, 2);
    assert_true(view_equal(response->coordinators[0].key, keys[0]));
    assert_int_equal(response->coordinators[0].error_code, 0);
    assert_int_equal(response->coordinators[0].node_id, node);
    assert_int_equal(response->coordinators[1].error_code, 0);
    request.key_type = 1; /* transactional ids have a topic of their own */
    response = rig_ask(clients[1], KP_FIND_COORDINATOR_KEY, 6, &request);
    assert_int_equal(response->coordinators[0].error_code, 0);
    assert_int_equal(metadata(0, 9, NULL, false)->topics_count, 2);
    assert_true(metadata(0, 9, "__consumer_offsets", false)->topics[0].is_internal);
}

/* Ids are given once, whichever shard is asked, and never again after a restart. */
static void test_producer_ids(void **state)
{
    struct kp_init_producer_id_request         request;
    const struct kp_init_producer_id_response *response;
    int64_t                                    seen[8];
    size_t                                     count = 0;

    (void)state;
    kp_init_producer_id_request_init(&request);
    request.transactional_id = (struct view){0};
    for (uint32_t start = 0; start < 2; start++) {
        for (uint32_t i = 0; i < 4; i++) {
            response = rig_ask(clients[i % SHARDS], KP_INIT_PRODUCER_ID_KEY, 4, &request);
            assert_int_equal(response->error_code, 0);
            assert_int_equal(response->producer_epoch, 0);
            for (size_t k = 0; k < count; k++) {
                assert_true(seen[k] != response->producer_id);
            }
            seen[count++] = response->producer_id;
        }
        for (uint32_t i = 0; i < SHARDS; i++) {
            rig_client_free(clients[i]);
        }
        rig_cut(&rig, 1, SIM_CRASH_DROP);
        assert_int_equal(rig_start(&rig), ERR_OK);
        for (uint32_t i = 0; i < SHARDS; i++) {
            clients[i] = rig_connect(&rig, i);
        }
    }
    request.transactional_id = view_text("tx");
    response = rig_ask(clients[0], KP_INIT_PRODUCER_ID_KEY, 4, &request);
    assert_int_equal(response->error_code, KP_ERR_INVALID_TRANSACTION_TIMEOUT); /* of 0 ms */
    request.transaction_timeout_ms = 60000;
    response = rig_ask(clients[0], KP_INIT_PRODUCER_ID_KEY, 4, &request); /* nobody has looked for a coordinator yet */
    assert_int_equal(response->error_code, KP_ERR_COORDINATOR_NOT_AVAILABLE);
}

#define ADMIN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ADMIN_TEST(test_metadata_shows_every_shard),
        ADMIN_TEST(test_metadata_of_one_topic),
        ADMIN_TEST(test_auto_creation_can_be_switched_off),
        ADMIN_TEST(test_create_topics_refusals),
        ADMIN_TEST(test_delete_topics),
        ADMIN_TEST(test_create_partitions),
        ADMIN_TEST(test_delete_records),
        ADMIN_TEST(test_api_versions),
        ADMIN_TEST(test_describe_cluster),
        ADMIN_TEST(test_coordinators_are_found),
        ADMIN_TEST(test_producer_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
