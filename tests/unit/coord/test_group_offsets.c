/* Committed offsets through a whole broker: who may commit, what is read, what expires, what goes with its topic. */
#include "tests/unit/coord/group_rig.h"

#define SIMPLE "loner"

static const char *const settings[] = {
    "offsets.topic.num.partitions=4",     "transaction.state.log.num.partitions=2",
    "group.initial.rebalance.delay.ms=0", "offset.metadata.max.bytes=8",
    "offsets.retention.minutes=10",       "offsets.retention.check.interval.ms=30000",
    "connections.max.idle.ms=86400000",   NULL};

static int start(void **state)
{
    MAYBE(state == NULL);
    group_rig_start(2, settings);
    return 0;
}

static int end(void **state)
{
    MAYBE(state == NULL);
    group_rig_end();
    return 0;
}

static const struct kp_offset_fetch_response *fetch_all(const char *group, int16_t version)
{
    struct kp_offset_fetch_request        request;
    struct kp_offset_fetch_request_groups asked;

    kp_offset_fetch_request_init(&request);
    kp_offset_fetch_request_groups_init(&asked);
    asked.group_id = view_text(group);
    asked.topics_count = -1;
    request.group_id = view_text(group);
    request.topics_count = -1;
    request.groups = &asked;
    request.groups_count = 1;
    return rig_ask(group_rig_coordinator(group), KP_OFFSET_FETCH_KEY, version, &request);
}

static void a_simple_consumer_commits(void **state)
{
    const struct kp_offset_fetch_response *all;

    MAYBE(state == NULL);
    assert_int_equal(fetch_offset(SIMPLE, 0, false), -1);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 10, NULL), 0);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 7, 70, "note"), 0);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 9, NULL), 0); /* back is allowed */
    assert_int_equal(fetch_offset(SIMPLE, 0, true), 9);
    assert_int_equal(fetch_offset(SIMPLE, 1, true), -1);
    assert_string_equal(list_groups(NULL), "loner=Empty/classic ");
    assert_string_equal(list_groups("stable"), "");
    assert_string_equal(list_groups("empty"), "loner=Empty/classic ");
    all = fetch_all(SIMPLE, 9);
    assert_int_equal(all->groups[0].topics_count, 1);
    assert_int_equal(all->groups[0].topics[0].partitions_count, 2);
    assert_int_equal(all->groups[0].topics[0].partitions[1].committed_offset, 70);
    assert_int_equal(all->groups[0].topics[0].partitions[1].metadata.len, 4);
    all = fetch_all(SIMPLE, 5);
    assert_int_equal(all->topics_count, 1);
    assert_int_equal(all->topics[0].partitions_count, 2);
    all = fetch_all("nobody", 7);
    assert_int_equal(all->topics_count, 0);
    assert_int_equal(all->error_code, 0);
    group_rig_again(true);
    assert_int_equal(fetch_offset(SIMPLE, 0, true), 9);
    assert_int_equal(fetch_offset(SIMPLE, 7, true), 70);
}

static void what_cannot_be_committed_is_said_by_partition(void **state)
{
    struct kp_offset_commit_request                   request;
    struct kp_offset_commit_request_topics            topics[2];
    struct kp_offset_commit_request_topics_partitions place;
    const struct kp_offset_commit_response           *response;

    MAYBE(state == NULL);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 1, "12345678"), 0);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 2, "123456789"), KP_ERR_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(fetch_offset(SIMPLE, 0, false), 1);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 8, 2, NULL), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(commit_offset(SIMPLE, "", -1, -1, 2, NULL), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    kp_offset_commit_request_init(&request);
    kp_offset_commit_request_topics_partitions_init(&place);
    place.committed_offset = 3;
    for (int i = 0; i < 2; i++) {
        kp_offset_commit_request_topics_init(&topics[i]);
        topics[i].name = view_text(i == 0 ? "no-such-topic" : TOPIC);
        topics[i].partitions = &place;
        topics[i].partitions_count = 1;
    }
    request.group_id = view_text(SIMPLE);
    request.generation_id_or_member_epoch = -1;
    request.topics = topics;
    request.topics_count = 2;
    response = rig_ask(group_rig_coordinator(SIMPLE), KP_OFFSET_COMMIT_KEY, 8, &request);
    assert_int_equal(response->topics[0].partitions[0].error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(response->topics[1].partitions[0].error_code, 0);
    assert_int_equal(fetch_offset(SIMPLE, 0, false), 3);
    /* generations of groups that are not there */
    assert_int_equal(commit_offset("nobody", "x", 3, 0, 1, NULL), KP_ERR_GROUP_ID_NOT_FOUND);
}

static void by_topic_id(void **state)
{
    struct kp_metadata_request                        metadata;
    struct kp_metadata_request_topics                 asked;
    const struct kp_metadata_response                *known;
    struct kp_offset_commit_request                   request;
    struct kp_offset_commit_request_topics            topics[2];
    struct kp_offset_commit_request_topics_partitions place;
    const struct kp_offset_commit_response           *response;
    const struct kp_offset_fetch_response            *all;

    MAYBE(state == NULL);
    kp_metadata_request_init(&metadata);
    kp_metadata_request_topics_init(&asked);
    asked.name = view_text(TOPIC);
    metadata.topics = &asked;
    metadata.topics_count = 1;
    known = rig_ask(rig.clients[0], KP_METADATA_KEY, 12, &metadata);
    kp_offset_commit_request_init(&request);
    kp_offset_commit_request_topics_partitions_init(&place);
    place.committed_offset = 33;
    kp_offset_commit_request_topics_init(&topics[0]);
    topics[0].topic_id = known->topics[0].topic_id;
    topics[0].partitions = &place;
    topics[0].partitions_count = 1;
    topics[1] = topics[0];
    topics[1].topic_id.bytes[3] ^= 1;
    request.group_id = view_text(SIMPLE);
    request.generation_id_or_member_epoch = -1;
    request.topics = topics;
    request.topics_count = 2;
    response = rig_ask(group_rig_coordinator(SIMPLE), KP_OFFSET_COMMIT_KEY, 10, &request);
    assert_int_equal(response->topics[0].partitions[0].error_code, 0);
    assert_int_equal(response->topics[1].partitions[0].error_code, KP_ERR_UNKNOWN_TOPIC_ID);
    all = fetch_all(SIMPLE, 10);
    assert_int_equal(all->groups[0].topics_count, 1);
    assert_memory_equal(all->groups[0].topics[0].topic_id.bytes, topics[0].topic_id.bytes, 16);
    assert_int_equal(all->groups[0].topics[0].partitions[0].committed_offset, 33);
}

static void old_offsets_expire(void **state)
{
    struct joined member;
    const char   *ids[1];

    MAYBE(state == NULL);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 10, NULL), 0);
    join_new(&member, &(struct joining){.session_ms = 60000});
    ids[0] = member.member_id;
    assert_int_equal(sync_group(&member, ids, 1, "x").error, 0);
    assert_int_equal(commit_offset(GROUP, member.member_id, 1, 0, 20, NULL), 0);
    for (int i = 0; i < 20; i++) {
        rig_run(&rig.broker, 30 * NS_PER_S);
        assert_int_equal(heartbeat(member.member_id, NULL, 1), 0);
        if (i == 9) {
            assert_int_equal(commit_offset(SIMPLE, "", -1, 1, 11, NULL), 0);
        }
    }
    rig_run(&rig.broker, 40 * NS_PER_S);
    assert_int_equal(heartbeat(member.member_id, NULL, 1), 0);
    assert_int_equal(fetch_offset(SIMPLE, 0, false), -1);
    assert_int_equal(fetch_offset(SIMPLE, 1, false), 11);
    assert_int_equal(fetch_offset(GROUP, 0, false), 20); /* its metadata cannot be read: taken as subscribed */
    assert_int_equal(leave(member.member_id, NULL), 0);
    rig_run(&rig.broker, 9 * 60 * NS_PER_S);
    assert_int_equal(fetch_offset(GROUP, 0, false), 20); /* counted from when the group became empty */
    rig_run(&rig.broker, 2 * 60 * NS_PER_S);
    assert_int_equal(fetch_offset(GROUP, 0, false), -1);
    rig_run(&rig.broker, 60 * NS_PER_S);
    assert_string_equal(list_groups(NULL), ""); /* both groups have nothing left */
    group_rig_again(false);
    assert_string_equal(list_groups(NULL), "");
}

static int16_t delete_offset(const char *group, const char *topic_name, int32_t partition)
{
    struct kp_offset_delete_request                   request;
    struct kp_offset_delete_request_topics            topic;
    struct kp_offset_delete_request_topics_partitions place = {.partition_index = partition};
    const struct kp_offset_delete_response           *response;

    kp_offset_delete_request_init(&request);
    kp_offset_delete_request_topics_init(&topic);
    request.group_id = view_text(group);
    topic.name = view_text(topic_name);
    topic.partitions = &place;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(group_rig_coordinator(group), KP_OFFSET_DELETE_KEY, 0, &request);
    return response->error_code != 0 ? response->error_code : response->topics[0].partitions[0].error_code;
}

static void offsets_and_groups_are_deleted(void **state)
{
    struct joined member;
    const char   *ids[1];

    MAYBE(state == NULL);
    assert_int_equal(delete_offset("nobody", TOPIC, 0), KP_ERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 10, NULL), 0);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 1, 11, NULL), 0);
    assert_int_equal(delete_offset(SIMPLE, "no-such-topic", 0), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_offset(SIMPLE, TOPIC, 8), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_offset(SIMPLE, TOPIC, 0), 0);
    assert_int_equal(fetch_offset(SIMPLE, 0, false), -1);
    assert_int_equal(fetch_offset(SIMPLE, 1, false), 11);
    assert_int_equal(delete_group("nobody"), KP_ERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(delete_group(SIMPLE), 0);
    assert_int_equal(fetch_offset(SIMPLE, 1, false), -1);
    join_new(&member, &(struct joining){.metadata = "\0\1", .type = "connect"});
    ids[0] = member.member_id;
    assert_int_equal(sync_group(&member, ids, 1, "x").error, 0);
    assert_int_equal(delete_group(GROUP), KP_ERR_NON_EMPTY_GROUP);
    assert_int_equal(delete_offset(GROUP, TOPIC, 0), KP_ERR_NON_EMPTY_GROUP);
    assert_int_equal(leave(member.member_id, NULL), 0);
    assert_int_equal(delete_group(GROUP), 0);
    group_rig_again(true);
    assert_string_equal(list_groups(NULL), "");
    assert_int_equal(fetch_offset(SIMPLE, 0, false), -1);
}

static void a_topics_offsets_go_with_it(void **state)
{
    MAYBE(state == NULL);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 10, NULL), 0);
    assert_int_equal(rig_delete_topic(rig.clients[0], TOPIC), 0);
    assert_int_equal(rig_create_topic(rig.clients[0], TOPIC, 8, NULL), 0);
    assert_int_equal(fetch_offset(SIMPLE, 0, false), -1);
    group_rig_again(true);
    assert_int_equal(fetch_offset(SIMPLE, 0, false), -1);
}

static void offsets_of_a_transaction_wait_for_its_end(void **state)
{
    MAYBE(state == NULL);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 10, NULL), 0);
    txn_begin("mover");
    assert_int_not_equal(txn_commit_offset("mover", SIMPLE, 0, 20), 0); /* not part of the transaction */
    txn_add_group("mover", SIMPLE);
    assert_int_equal(txn_commit_offset("mover", SIMPLE, 0, 20), 0);
    assert_int_equal(fetch_offset(SIMPLE, 0, false), 10);
    assert_int_equal(fetch_offset(SIMPLE, 0, true), -100 - KP_ERR_UNSTABLE_OFFSET_COMMIT);
    assert_int_equal(fetch_offset(SIMPLE, 1, true), -1);
    txn_end("mover", true);
    rig_run(&rig.broker, NS_PER_S);
    assert_int_equal(fetch_offset(SIMPLE, 0, true), 20);
    txn_begin("mover");
    txn_add_group("mover", SIMPLE);
    assert_int_equal(txn_commit_offset("mover", SIMPLE, 0, 30), 0);
    group_rig_again(true);
    assert_int_equal(fetch_offset(SIMPLE, 0, true), -100 - KP_ERR_UNSTABLE_OFFSET_COMMIT);
    txn_begin("mover"); /* ends the one before, without its offsets */
    rig_run(&rig.broker, NS_PER_S);
    assert_int_equal(fetch_offset(SIMPLE, 0, true), 20);
    txn_add_group("mover", SIMPLE);
    assert_int_equal(txn_commit_offset("mover", SIMPLE, 0, 40), 0);
    assert_int_equal(commit_offset(SIMPLE, "", -1, 0, 50, NULL), 0); /* later than the transaction's */
    txn_end("mover", true);
    rig_run(&rig.broker, NS_PER_S);
    assert_int_equal(fetch_offset(SIMPLE, 0, true), 50);
    group_rig_again(true);
    assert_int_equal(fetch_offset(SIMPLE, 0, true), 50);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_simple_consumer_commits),
        ROW(what_cannot_be_committed_is_said_by_partition),
        ROW(by_topic_id),
        ROW(old_offsets_expire),
        ROW(offsets_and_groups_are_deleted),
        ROW(a_topics_offsets_go_with_it),
        ROW(offsets_of_a_transaction_wait_for_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
