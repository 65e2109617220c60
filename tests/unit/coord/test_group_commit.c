/* Who may commit an offset, what each refusal is called, and what of a request is taken when a part of it is refused.
 */
#include "tests/unit/coord/group_rig.h"

#define ENTRIES_TOO_MANY 16000 /* records of one commit that no batch of the partition takes */

static const char *const settings[] = {"offsets.topic.num.partitions=4",     "transaction.state.log.num.partitions=2",
                                       "group.initial.rebalance.delay.ms=0", "offset.metadata.max.bytes=8",
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

static void stable_member(struct joined *member, const struct joining *joining)
{
    const char *ids[1];

    join_new(member, joining);
    ids[0] = member->member_id;
    assert_int_equal(sync_group(member, ids, 1, "x").error, 0);
}

static void a_group_that_does_not_exist(void **state)
{
    MAYBE(state == NULL);
    assert_int_equal(commit(&(struct committing){.generation = 1}), KP_ERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(commit(&(struct committing){.generation = 1, .version = 8}), KP_ERR_ILLEGAL_GENERATION);
    assert_string_equal(list_groups(NULL), ""); /* and it was not made */
    assert_int_equal(commit(&(struct committing){.offset = 3}), 0);
    assert_string_equal(list_groups(NULL), "readers=Empty/classic ");
    assert_int_equal(commit(&(struct committing){.group = "", .offset = 4}), 0); /* old clients' */
    assert_int_equal(fetch_offset("", 0, false), 4);
}

static void a_members_commit(void **state)
{
    struct joined member;

    MAYBE(state == NULL);
    stable_member(&member, &(struct joining){.subscribes = TOPIC});
    assert_int_equal(commit_offset(GROUP, member.member_id, 1, 0, 5, NULL), 0);
    assert_int_equal(commit_offset(GROUP, "stranger", 1, 0, 6, NULL), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit_offset(GROUP, member.member_id, 2, 0, 6, NULL), KP_ERR_ILLEGAL_GENERATION);
    assert_int_equal(commit_offset(GROUP, member.member_id, -1, 0, 6, NULL), KP_ERR_ILLEGAL_GENERATION);
    assert_int_equal(commit_offset(GROUP, "", -1, 0, 6, NULL), KP_ERR_UNKNOWN_MEMBER_ID); /* nobody commits beside it */
    assert_int_equal(fetch_offset(GROUP, 0, false), 5);
    assert_int_equal(leave(member.member_id, NULL), 0);
    assert_int_equal(commit_offset(GROUP, member.member_id, 1, 0, 6, NULL), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit_offset(GROUP, "", -1, 0, 7, NULL), 0); /* an empty one is everybody's */
    assert_int_equal(fetch_offset(GROUP, 0, false), 7);
}

static void a_static_members_commit(void **state)
{
    struct joined member, back;

    MAYBE(state == NULL);
    stable_member(&member, &(struct joining){.instance_id = "box"});
    assert_int_equal(commit(&(struct committing){.member_id = member.member_id, .instance_id = "box", .generation = 1}),
                     0);
    assert_int_equal(
        commit(&(struct committing){.member_id = member.member_id, .instance_id = "other", .generation = 1}),
        KP_ERR_UNKNOWN_MEMBER_ID);
    join(&back, &(struct joining){.instance_id = "box"});
    assert_int_equal(back.error, 0);
    assert_int_equal(commit(&(struct committing){.member_id = member.member_id, .instance_id = "box", .generation = 1}),
                     KP_ERR_FENCED_INSTANCE_ID);
    assert_int_equal(commit(&(struct committing){.member_id = back.member_id, .instance_id = "box", .generation = 1}),
                     0);
}

/* While its generation has no assignment yet, nobody knows whose the partition is. */
static void before_the_assignment(void **state)
{
    struct joined member;
    const char   *ids[1];

    MAYBE(state == NULL);
    join_new(&member, &(struct joining){0});
    assert_int_equal(commit_offset(GROUP, member.member_id, 1, 0, 5, NULL), KP_ERR_REBALANCE_IN_PROGRESS);
    ids[0] = member.member_id;
    assert_int_equal(sync_group(&member, ids, 1, "x").error, 0);
    assert_int_equal(commit_offset(GROUP, member.member_id, 1, 0, 5, NULL), 0);
}

static void a_commit_is_a_sign_of_life(void **state)
{
    struct joined member;

    MAYBE(state == NULL);
    stable_member(&member, &(struct joining){0}); /* its session is ten seconds */
    for (int64_t i = 0; i < 5; i++) {
        rig_run(&rig.broker, 8 * NS_PER_S);
        assert_int_equal(commit_offset(GROUP, member.member_id, 1, 0, i, NULL), 0);
    }
    assert_string_equal(describe(GROUP), "Stable/1");
    rig_run(&rig.broker, 11 * NS_PER_S);
    assert_string_equal(describe(GROUP), "Empty/0");
}

/* The limit counts as Java does, in UTF-16 units. */
static void metadata_is_counted_as_java_counts(void **state)
{
    MAYBE(state == NULL);
    assert_int_equal(commit(&(struct committing){.metadata = "12345678"}), 0);
    assert_int_equal(commit(&(struct committing){.metadata = "123456789"}), KP_ERR_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(commit(&(struct committing){.metadata = "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                                                             "\xc3\xa9"}),
                     0); /* eight letters of two bytes */
    assert_int_equal(commit(&(struct committing){.metadata = "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                                                             "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac+"}),
                     KP_ERR_OFFSET_METADATA_TOO_LARGE); /* eight of three, and one more */
    assert_int_equal(commit(&(struct committing){.metadata = "\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4"
                                                             "\xf0\x9f\x90\xb4"}),
                     0); /* four of four bytes: two units each */
    assert_int_equal(commit(&(struct committing){.metadata = "\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4"
                                                             "\xf0\x9f\x90\xb4+"}),
                     KP_ERR_OFFSET_METADATA_TOO_LARGE);
}

static struct kp_offset_commit_request_topics_partitions many[ENTRIES_TOO_MANY];

static int16_t commit_many(int32_t count)
{
    struct kp_offset_commit_request         request;
    struct kp_offset_commit_request_topics  topic;
    const struct kp_offset_commit_response *response;

    kp_offset_commit_request_init(&request);
    kp_offset_commit_request_topics_init(&topic);
    request.group_id = view_text(GROUP);
    request.generation_id_or_member_epoch = -1;
    topic.name = view_text(TOPIC);
    topic.partitions = many;
    topic.partitions_count = count;
    request.topics = &topic;
    request.topics_count = 1;
    for (int32_t i = 0; i < count; i++) {
        kp_offset_commit_request_topics_partitions_init(&many[i]);
        many[i].partition_index = i % 8;
        many[i].committed_offset = i;
    }
    response = rig_ask(rig.at, KP_OFFSET_COMMIT_KEY, 8, &request);
    assert_non_null(response);
    assert_int_equal(response->topics[0].partitions_count, count);
    for (int32_t i = 1; i < count; i++) { /* together or not at all */
        assert_int_equal(response->topics[0].partitions[i].error_code, response->topics[0].partitions[0].error_code);
    }
    return response->topics[0].partitions[0].error_code;
}

static void a_commit_is_one_batch_or_nothing(void **state)
{
    MAYBE(state == NULL);
    assert_int_equal(commit_many(20), 0);
    assert_int_equal(fetch_offset(GROUP, 3, false), 19); /* the last one of those that name a partition */
    assert_int_equal(fetch_offset(GROUP, 4, false), 12);
    assert_int_equal(commit_many(ENTRIES_TOO_MANY), KP_ERR_INVALID_COMMIT_OFFSET_SIZE);
    assert_int_equal(fetch_offset(GROUP, 3, false), 19);
    group_rig_again(true);
    assert_int_equal(fetch_offset(GROUP, 3, false), 19);
    assert_int_equal(fetch_offset(GROUP, 4, false), 12);
}

static void a_transactions_commit(void **state)
{
    struct joined member;

    MAYBE(state == NULL);
    txn_begin("mover");
    txn_add_group("mover", GROUP);
    assert_int_equal(txn_commit("mover", &(struct committing){.generation = 1}), KP_ERR_ILLEGAL_GENERATION);
    stable_member(&member, &(struct joining){.subscribes = TOPIC, .session_ms = 60000});
    assert_int_equal(txn_commit("mover", &(struct committing){.member_id = "stranger", .generation = 1}),
                     KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(txn_commit("mover", &(struct committing){.member_id = member.member_id, .generation = 7}),
                     KP_ERR_ILLEGAL_GENERATION);
    assert_int_equal(txn_commit("mover", &(struct committing){.partition = 8}), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(txn_commit("mover", &(struct committing){.topic = "nothing"}), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(txn_commit("mover", &(struct committing){.metadata = "123456789"}),
                     KP_ERR_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(
        txn_commit("mover", &(struct committing){.member_id = member.member_id, .generation = 1, .offset = 40}), 0);
    /* Producers that know no group state commit beside its members. */
    assert_int_equal(txn_commit("mover", &(struct committing){.partition = 1, .offset = 41}), 0);
    assert_int_equal(fetch_offset(GROUP, 0, false), -1);
    txn_end("mover", true);
    rig_run(&rig.broker, NS_PER_S);
    assert_int_equal(fetch_offset(GROUP, 0, true), 40);
    assert_int_equal(fetch_offset(GROUP, 1, true), 41);
}

static int16_t delete_offset(const char *topic_name)
{
    struct kp_offset_delete_request                   request;
    struct kp_offset_delete_request_topics            topic;
    struct kp_offset_delete_request_topics_partitions place = {.partition_index = 0};
    const struct kp_offset_delete_response           *response;

    kp_offset_delete_request_init(&request);
    kp_offset_delete_request_topics_init(&topic);
    request.group_id = view_text(GROUP);
    topic.name = view_text(topic_name);
    topic.partitions = &place;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(rig.at, KP_OFFSET_DELETE_KEY, 0, &request);
    assert_int_equal(response->error_code, 0);
    return response->topics[0].partitions[0].error_code;
}

/* What a living group reads is not deleted; what it does not read any more is. */
static void offsets_of_what_is_read_are_not_deleted(void **state)
{
    struct joined member;

    MAYBE(state == NULL);
    assert_int_equal(rig_create_topic(rig.clients[0], "invoices", 1, NULL), 0);
    assert_int_equal(commit(&(struct committing){.offset = 1}), 0);
    assert_int_equal(commit(&(struct committing){.topic = "invoices", .offset = 2}), 0);
    stable_member(&member, &(struct joining){.subscribes = TOPIC});
    assert_int_equal(delete_offset(TOPIC), KP_ERR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(delete_offset("invoices"), 0);
    assert_int_equal(fetch_offset(GROUP, 0, false), 1);
    assert_int_equal(fetch_offset_of(GROUP, "invoices", 0, false), -1);
    assert_int_equal(leave(member.member_id, NULL), 0);
    assert_int_equal(delete_offset(TOPIC), 0);
    assert_int_equal(fetch_offset(GROUP, 0, false), -1);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_group_that_does_not_exist),
        ROW(a_members_commit),
        ROW(a_static_members_commit),
        ROW(before_the_assignment),
        ROW(a_commit_is_a_sign_of_life),
        ROW(metadata_is_counted_as_java_counts),
        ROW(a_commit_is_one_batch_or_nothing),
        ROW(a_transactions_commit),
        ROW(offsets_of_what_is_read_are_not_deleted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
