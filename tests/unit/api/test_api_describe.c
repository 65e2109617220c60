/* What is described or refused without changing anything: the quorum, log directories, pages of topics, ends of leader
 * epochs; and elections, moves and access rules, which a host of single replicas without an authorizer answers as Kafka
 * does. Asked on two shards of a whole broker. */
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

/* The shard that leads the partition. */
static uint32_t leader(const char *topic, int32_t partition)
{
    struct kp_metadata_request_topics  name;
    struct kp_metadata_request         request;
    const struct kp_metadata_response *response;

    kp_metadata_request_init(&request);
    kp_metadata_request_topics_init(&name);
    name.name = view_text(topic);
    request.topics = &name;
    request.topics_count = 1;
    response = rig_ask(clients[0], KP_METADATA_KEY, 9, &request);
    for (int32_t i = 0; i < response->topics[0].partitions_count; i++) {
        if (response->topics[0].partitions[i].partition_index == partition) {
            return (uint32_t)response->topics[0].partitions[i].leader_id;
        }
    }
    fail_msg("%s has no partition %d", topic, partition);
    return 0;
}

/* --- quorum ------------------------------------------------------------------------------------------------------- */

static void test_describe_quorum(void **state)
{
    struct kp_describe_quorum_request_topics_partitions partition = {.partition_index = 0};
    struct kp_describe_quorum_request_topics            topic = {
                   .topic_name = view_text("__cluster_metadata"), .partitions = &partition, .partitions_count = 1};
    struct kp_describe_quorum_request                           request = {.topics = &topic, .topics_count = 1};
    const struct kp_describe_quorum_response                   *response;
    const struct kp_describe_quorum_response_topics_partitions *quorum;
    int64_t                                                     before;

    (void)state;
    response = rig_ask(clients[0], KP_DESCRIBE_QUORUM_KEY, 2, &request);
    before = response->topics[0].partitions[0].high_watermark;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    for (uint32_t i = 0; i < SHARDS; i++) {
        response = rig_ask(clients[i], KP_DESCRIBE_QUORUM_KEY, 2, &request);
        assert_int_equal(response->error_code, 0);
        quorum = &response->topics[0].partitions[0];
        assert_int_equal(quorum->error_code, 0);
        assert_int_equal(quorum->leader_id, 0);
        assert_int_equal(quorum->high_watermark, before + 2); /* a topic and a partition */
        assert_int_equal(quorum->current_voters_count, 1);
        assert_int_equal(quorum->current_voters[0].replica_id, 0);
        assert_int_equal(quorum->current_voters[0].log_end_offset, quorum->high_watermark);
        assert_false(uuid_is_zero(quorum->current_voters[0].replica_directory_id));
        assert_int_equal(quorum->observers_count, SHARDS - 1);
        assert_int_equal(quorum->observers[0].replica_id, 1);
        assert_int_equal(response->nodes_count, 1);
        assert_int_equal(response->nodes[0].listeners[0].port, RIG_PORT);
    }
    topic.topic_name = view_text("t");
    response = rig_ask(clients[0], KP_DESCRIBE_QUORUM_KEY, 0, &request);
    assert_int_equal(response->topics[0].partitions[0].error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    topic.topic_name = view_text("__cluster_metadata");
    partition.partition_index = 1;
    response = rig_ask(clients[0], KP_DESCRIBE_QUORUM_KEY, 1, &request);
    assert_int_equal(response->topics[0].partitions[0].error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    request.topics_count = 0;
    response = rig_ask(clients[0], KP_DESCRIBE_QUORUM_KEY, 2, &request);
    assert_int_equal(response->topics_count, 0);
}

/* --- log directories ---------------------------------------------------------------------------------------------- */

static const struct kp_describe_log_dirs_response_results *log_dirs(uint32_t shard, const char *topic,
                                                                    const int32_t *partitions, int32_t count)
{
    struct kp_describe_log_dirs_request_topics asked = {
        .topic = view_text(topic == NULL ? "" : topic), .partitions = partitions, .partitions_count = count};
    struct kp_describe_log_dirs_request         request = {.topics = &asked, .topics_count = topic == NULL ? -1 : 1};
    const struct kp_describe_log_dirs_response *response =
        rig_ask(clients[shard], KP_DESCRIBE_LOG_DIRS_KEY, 5, &request);

    assert_non_null(response);
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->results_count, 1);
    assert_int_equal(response->results[0].error_code, 0);
    assert_true(response->results[0].total_bytes > 0 && response->results[0].usable_bytes > 0);
    assert_true(response->results[0].usable_bytes <= response->results[0].total_bytes);
    return &response->results[0];
}

static void test_describe_log_dirs(void **state)
{
    static const int32_t                                partitions[] = {0, 1, 1, 9};
    const struct kp_describe_log_dirs_response_results *result;
    int32_t                                             found = 0;
    uint32_t                                            shard;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 4, NULL), 0);
    assert_int_equal(rig_create_topic(clients[0], "u", 4, NULL), 0);
    shard = leader("t", 1);
    assert_int_equal(
        rig_produce(clients[shard], "t", 1, rig_batch(&clients[shard]->scratch, "value", 10, -1, -1, -1), NULL), 0);
    for (uint32_t i = 0; i < SHARDS; i++) { /* each shows its own: together they show all */
        result = log_dirs(i, NULL, NULL, 0);
        assert_int_equal(result->topics_count, 2);
        found += result->topics[0].partitions_count + result->topics[1].partitions_count;
    }
    assert_int_equal(found, 8);
    result = log_dirs(shard, "t", partitions, COUNT_OF(partitions)); /* one of them twice, one not there */
    assert_int_equal(result->topics_count, 1);
    for (int32_t i = 0; i < result->topics[0].partitions_count; i++) {
        bool is_full = result->topics[0].partitions[i].partition_index == 1;

        assert_int_equal(result->topics[0].partitions[i].partition_size > 0, is_full);
        assert_false(result->topics[0].partitions[i].is_future_key);
        assert_int_equal(result->topics[0].partitions[i].offset_lag, 0);
    }
    assert_in_range(result->topics[0].partitions_count, 1, 2);
    assert_int_equal(log_dirs(shard, "none", partitions, 1)->topics_count, 0);
    assert_int_equal(log_dirs(shard, "t", partitions, 0)->topics_count, 0);
}

static int16_t move_dir(uint32_t shard, struct view path, const char *topic, int32_t partition)
{
    struct kp_alter_replica_log_dirs_request_dirs_topics asked = {
        .name = view_text(topic), .partitions = &partition, .partitions_count = 1};
    struct kp_alter_replica_log_dirs_request_dirs    dir = {.path = path, .topics = &asked, .topics_count = 1};
    struct kp_alter_replica_log_dirs_request         request = {.dirs = &dir, .dirs_count = 1};
    const struct kp_alter_replica_log_dirs_response *response =
        rig_ask(clients[shard], KP_ALTER_REPLICA_LOG_DIRS_KEY, 2, &request);

    assert_int_equal(response->results_count, 1);
    assert_int_equal(response->results[0].partitions[0].partition_index, partition);
    return response->results[0].partitions[0].error_code;
}

static void test_alter_replica_log_dirs(void **state)
{
    struct view path;
    uint32_t    shard;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    shard = leader("t", 0);
    path = arena_copy(&clients[shard]->scratch, log_dirs(shard, NULL, NULL, 0)->log_dir);
    assert_int_equal(move_dir(shard, path, "t", 0), 0); /* it is there */
    assert_int_equal(move_dir(1 - shard, path, "t", 0), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(move_dir(shard, path, "t", 1), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(move_dir(shard, path, "none", 0), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(move_dir(shard, view_text("/nowhere"), "t", 0), KP_ERR_LOG_DIR_NOT_FOUND);
}

/* --- topics, page by page ----------------------------------------------------------------------------------------- */

static const struct kp_describe_topic_partitions_response *page(
    int32_t limit, const struct kp_describe_topic_partitions_response_next_cursor *from)
{
    struct kp_describe_topic_partitions_request_cursor cursor;
    struct kp_describe_topic_partitions_request        request;

    kp_describe_topic_partitions_request_init(&request);
    request.response_partition_limit = limit;
    if (from != NULL) {
        cursor.topic_name = from->topic_name;
        cursor.partition_index = from->partition_index;
        request.cursor = &cursor;
    }
    return rig_ask(clients[1], KP_DESCRIBE_TOPIC_PARTITIONS_KEY, 0, &request);
}

/* Every partition once, in order, whatever the size of a page. */
static void test_pages_of_topics(void **state)
{
    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "b", 3, NULL), 0);
    assert_int_equal(rig_create_topic(clients[0], "a", 2, NULL), 0);
    assert_int_equal(rig_create_topic(clients[0], "c", 1, NULL), 0);
    for (int32_t limit = 1; limit <= 7; limit++) {
        const struct kp_describe_topic_partitions_response *response = page(limit, NULL);
        char                                                text[64] = "";

        while (true) {
            int32_t partitions = 0;

            for (int32_t i = 0; i < response->topics_count; i++) {
                for (int32_t k = 0; k < response->topics[i].partitions_count; k++) {
                    size_t len = strlen(text);

                    (void)snprintf(text + len, sizeof(text) - len, "%c%d", response->topics[i].name.base[0],
                                   response->topics[i].partitions[k].partition_index);
                    assert_int_equal(response->topics[i].partitions[k].isr_nodes_count, 1);
                    partitions++;
                }
            }
            assert_in_range(partitions, 1, limit);
            if (response->next_cursor == NULL) {
                break;
            }
            response = page(limit, response->next_cursor);
        }
        assert_string_equal(text, "a0a1b0b1b2c0");
    }
}

static void test_named_topics(void **state)
{
    struct kp_describe_topic_partitions_request_topics  names[] = {{.name = view_text("t")},
                                                                   {.name = view_text("none")},
                                                                   {.name = view_text("bad name!")},
                                                                   {.name = view_text("t")}};
    struct kp_describe_topic_partitions_request         request;
    const struct kp_describe_topic_partitions_response *response;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    kp_describe_topic_partitions_request_init(&request);
    request.topics = names;
    request.topics_count = 4;
    response = rig_ask(clients[0], KP_DESCRIBE_TOPIC_PARTITIONS_KEY, 0, &request);
    assert_int_equal(response->topics_count, 3); /* in order of their names, each once */
    assert_int_equal(response->topics[0].error_code, KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(response->topics[1].error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(response->topics[2].error_code, 0);
    assert_false(uuid_is_zero(response->topics[2].topic_id));
    assert_int_equal(response->topics[2].partitions_count, 1);
}

/* --- leader epochs ------------------------------------------------------------------------------------------------ */

static int16_t epoch_end(uint32_t shard, const char *topic, int32_t current, int32_t epoch, int64_t *out_end)
{
    struct kp_offset_for_leader_epoch_request_topics_partitions partition = {
        .partition = 0, .current_leader_epoch = current, .leader_epoch = epoch};
    struct kp_offset_for_leader_epoch_request_topics asked = {
        .topic = view_text(topic), .partitions = &partition, .partitions_count = 1};
    struct kp_offset_for_leader_epoch_request         request = {.replica_id = -1, .topics = &asked, .topics_count = 1};
    const struct kp_offset_for_leader_epoch_response *response =
        rig_ask(clients[shard], KP_OFFSET_FOR_LEADER_EPOCH_KEY, 4, &request);

    *out_end = response->topics[0].partitions[0].end_offset;
    return response->topics[0].partitions[0].error_code;
}

static void test_offset_for_leader_epoch(void **state)
{
    int64_t  end = 0;
    uint32_t shard;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    shard = leader("t", 0);
    assert_int_equal(
        rig_produce(clients[shard], "t", 0, rig_batch(&clients[shard]->scratch, "value", 10, -1, -1, -1), NULL), 0);
    assert_int_equal(epoch_end(shard, "t", 0, 0, &end), 0);
    assert_int_equal(end, 10);
    assert_int_equal(epoch_end(shard, "t", -1, 0, &end), 0); /* the client does not know its epoch */
    assert_int_equal(end, 10);
    assert_int_equal(epoch_end(shard, "t", 0, 5, &end), 0); /* from the future: nobody knows */
    assert_int_equal(end, -1);
    assert_int_equal(epoch_end(shard, "t", 1, 0, &end), KP_ERR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(end, -1);
    assert_int_equal(epoch_end(1 - shard, "t", 0, 0, &end), KP_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(epoch_end(shard, "none", 0, 0, &end), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

/* --- elections and moves ------------------------------------------------------------------------------------------ */

static int16_t elect(const char *topic, int32_t partition, int8_t type, int16_t error)
{
    struct kp_elect_leaders_request_topic_partitions asked = {
        .topic = view_text(topic), .partitions = &partition, .partitions_count = 1};
    struct kp_elect_leaders_request request = {
        .election_type = type, .topic_partitions = &asked, .topic_partitions_count = 1};
    const struct kp_elect_leaders_response *response = rig_ask(clients[1], KP_ELECT_LEADERS_KEY, 2, &request);

    assert_int_equal(response->error_code, error);
    return error != 0 ? 0 : response->replica_election_results[0].partition_result[0].error_code;
}

static void test_elect_leaders(void **state)
{
    struct kp_elect_leaders_request         request = {.topic_partitions_count = -1};
    const struct kp_elect_leaders_response *response;

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    assert_int_equal(elect("t", 0, 0, 0), KP_ERR_ELECTION_NOT_NEEDED);
    assert_int_equal(elect("t", 0, 1, 0), KP_ERR_ELECTION_NOT_NEEDED);
    assert_int_equal(elect("t", 1, 0, 0), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(elect("none", 0, 0, 0), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(elect("t", 0, 7, KP_ERR_INVALID_REQUEST), 0);
    response = rig_ask(clients[1], KP_ELECT_LEADERS_KEY, 2, &request); /* all that need one: none */
    assert_int_equal(response->replica_election_results_count, 0);
}

static int16_t reassign(const char *topic, int32_t partition, const int32_t *replicas, int32_t count)
{
    struct kp_alter_partition_reassignments_request_topics_partitions one = {
        .partition_index = partition, .replicas = replicas, .replicas_count = count};
    struct kp_alter_partition_reassignments_request_topics asked = {
        .name = view_text(topic), .partitions = &one, .partitions_count = 1};
    struct kp_alter_partition_reassignments_request         request = {.topics = &asked, .topics_count = 1};
    const struct kp_alter_partition_reassignments_response *response =
        rig_ask(clients[1], KP_ALTER_PARTITION_REASSIGNMENTS_KEY, 1, &request);
    int16_t error = response->responses[0].partitions[0].error_code;

    assert_int_equal(response->error_code, 0);
    assert_int_equal(error != 0, response->responses[0].partitions[0].error_message.base != NULL);
    return error;
}

static void test_reassignments(void **state)
{
    struct kp_list_partition_reassignments_request         list = {.topics_count = -1};
    const struct kp_list_partition_reassignments_response *response;
    int32_t                                                here, there, nobody = 77, both[2], twice[2];

    (void)state;
    assert_int_equal(rig_create_topic(clients[0], "t", 1, NULL), 0);
    here = (int32_t)leader("t", 0);
    there = 1 - here;
    both[0] = here;
    both[1] = there;
    twice[0] = twice[1] = here;
    assert_int_equal(reassign("t", 0, &here, 1), 0);
    assert_int_equal(reassign("t", 0, &there, 1), KP_ERR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(reassign("t", 0, both, 2), KP_ERR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(reassign("t", 0, twice, 2), KP_ERR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(reassign("t", 0, &nobody, 1), KP_ERR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(reassign("t", 0, &here, 0), KP_ERR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(reassign("t", 0, NULL, -1), KP_ERR_NO_REASSIGNMENT_IN_PROGRESS);
    assert_int_equal(reassign("t", 1, &here, 1), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(reassign("none", 0, NULL, -1), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    response = rig_ask(clients[0], KP_LIST_PARTITION_REASSIGNMENTS_KEY, 0, &list);
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->topics_count, 0);
}

static void test_unregister_broker(void **state)
{
    struct kp_unregister_broker_request         request = {.broker_id = 77};
    const struct kp_unregister_broker_response *response;

    (void)state;
    response = rig_ask(clients[1], KP_UNREGISTER_BROKER_KEY, 0, &request);
    assert_int_equal(response->error_code, KP_ERR_BROKER_ID_NOT_REGISTERED);
    request.broker_id = 1;
    response = rig_ask(clients[1], KP_UNREGISTER_BROKER_KEY, 0, &request);
    assert_int_equal(response->error_code, KP_ERR_INVALID_REQUEST);
}

/* --- security ----------------------------------------------------------------------------------------------------- */

static void test_acls_are_refused(void **state)
{
    struct kp_describe_acls_request         describe;
    struct kp_create_acls_request_creations rules[2];
    struct kp_create_acls_request           create = {.creations = rules, .creations_count = 2};
    struct kp_delete_acls_request_filters   filters[2];
    struct kp_delete_acls_request delete = {.filters = filters, .filters_count = 2};
    const struct kp_describe_acls_response *described;
    const struct kp_create_acls_response   *created;
    const struct kp_delete_acls_response   *deleted;

    (void)state;
    kp_describe_acls_request_init(&describe);
    for (size_t i = 0; i < 2; i++) {
        kp_create_acls_request_creations_init(&rules[i]);
        kp_delete_acls_request_filters_init(&filters[i]);
    }
    described = rig_ask(clients[1], KP_DESCRIBE_ACLS_KEY, 3, &describe);
    assert_int_equal(described->error_code, KP_ERR_SECURITY_DISABLED);
    created = rig_ask(clients[1], KP_CREATE_ACLS_KEY, 3, &create);
    assert_int_equal(created->results_count, 2);
    assert_int_equal(created->results[1].error_code, KP_ERR_SECURITY_DISABLED);
    deleted = rig_ask(clients[1], KP_DELETE_ACLS_KEY, 3, &delete);
    assert_int_equal(deleted->filter_results_count, 2);
    assert_int_equal(deleted->filter_results[1].error_code, KP_ERR_SECURITY_DISABLED);
}

static void test_scram_users(void **state)
{
    struct kp_describe_user_scram_credentials_request_users users[] = {
        {view_text("a")}, {view_text("b")}, {view_text("b")}};
    struct kp_describe_user_scram_credentials_request         request = {.users = users, .users_count = 3};
    const struct kp_describe_user_scram_credentials_response *described;
    struct kp_alter_user_scram_credentials_request_deletions  deletion = {.name = view_text("a"), .mechanism = 1};
    struct kp_alter_user_scram_credentials_request_upsertions upsertion;
    struct kp_alter_user_scram_credentials_request            alter = {
                   .deletions = &deletion, .deletions_count = 1, .upsertions = &upsertion, .upsertions_count = 1};
    const struct kp_alter_user_scram_credentials_response *altered;

    (void)state;
    described = rig_ask(clients[0], KP_DESCRIBE_USER_SCRAM_CREDENTIALS_KEY, 0, &request);
    assert_int_equal(described->error_code, 0);
    assert_int_equal(described->results_count, 2);
    assert_int_equal(described->results[0].error_code, KP_ERR_RESOURCE_NOT_FOUND);
    assert_int_equal(described->results[1].error_code, KP_ERR_DUPLICATE_RESOURCE);
    request.users_count = -1; /* everyone who has credentials: nobody */
    described = rig_ask(clients[0], KP_DESCRIBE_USER_SCRAM_CREDENTIALS_KEY, 0, &request);
    assert_int_equal(described->error_code, 0);
    assert_int_equal(described->results_count, 0);

    kp_alter_user_scram_credentials_request_upsertions_init(&upsertion);
    upsertion.name = view_text("c");
    altered = rig_ask(clients[0], KP_ALTER_USER_SCRAM_CREDENTIALS_KEY, 0, &alter);
    assert_int_equal(altered->results_count, 2);
    assert_int_equal(altered->results[0].error_code, KP_ERR_RESOURCE_NOT_FOUND);
    assert_int_equal(altered->results[1].error_code, KP_ERR_SECURITY_DISABLED);
    upsertion.name = view_text("a");
    altered = rig_ask(clients[0], KP_ALTER_USER_SCRAM_CREDENTIALS_KEY, 0, &alter);
    assert_int_equal(altered->results_count, 1);
    assert_int_equal(altered->results[0].error_code, KP_ERR_DUPLICATE_RESOURCE);
}

#define DESCRIBE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESCRIBE_TEST(test_describe_quorum),
        DESCRIBE_TEST(test_describe_log_dirs),
        DESCRIBE_TEST(test_alter_replica_log_dirs),
        DESCRIBE_TEST(test_pages_of_topics),
        DESCRIBE_TEST(test_named_topics),
        DESCRIBE_TEST(test_offset_for_leader_epoch),
        DESCRIBE_TEST(test_elect_leaders),
        DESCRIBE_TEST(test_reassignments),
        DESCRIBE_TEST(test_unregister_broker),
        DESCRIBE_TEST(test_acls_are_refused),
        DESCRIBE_TEST(test_scram_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
