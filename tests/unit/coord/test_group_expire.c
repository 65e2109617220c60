/* When committed offsets expire: from which moment time is counted, to the second, and what is never taken. */
#include "tests/unit/coord/group_rig.h"

#include <stdio.h>

#define MANY 600 /* groups: more than one turn looks at */
#define WIDE 300 /* partitions: more than one event takes */

static const char *const settings[] = {"offsets.topic.num.partitions=4",     "transaction.state.log.num.partitions=2",
                                       "group.initial.rebalance.delay.ms=0", "offsets.retention.minutes=10",
                                       "connections.max.idle.ms=86400000",   "offsets.retention.check.interval.ms=500",
                                       "transaction.max.timeout.ms=3600000", NULL};

static const char *const rare_settings[] = {"offsets.topic.num.partitions=4", "offsets.retention.minutes=10",
                                            "connections.max.idle.ms=86400000",
                                            "offsets.retention.check.interval.ms=600000", NULL};

static int start(void **state)
{
    MAYBE(state == NULL);
    group_rig_start(1, settings);
    return 0;
}

static int start_rare(void **state)
{
    MAYBE(state == NULL);
    group_rig_start(1, rare_settings);
    return 0;
}

static int end(void **state)
{
    MAYBE(state == NULL);
    group_rig_end();
    return 0;
}

static void run_s(int64_t seconds)
{
    rig_run(&rig.broker, seconds * NS_PER_S);
}

/* Time goes by for a group that lives. */
static void live_s(const struct joined *member, int64_t seconds)
{
    for (; seconds > 0; seconds -= 20) {
        run_s(MIN(seconds, 20));
        assert_int_equal(heartbeat(member->member_id, NULL, member->generation), 0);
    }
}

static void stable_member(struct joined *member, const struct joining *joining)
{
    const char *ids[1];

    join_new(member, joining);
    ids[0] = member->member_id;
    assert_int_equal(sync_group(member, ids, 1, "x").error, 0);
}

static void a_simple_groups_offset_lives_as_long_as_it_should(void **state)
{
    MAYBE(state == NULL);
    assert_int_equal(commit(&(struct committing){.offset = 10}), 0);
    run_s(300);
    assert_int_equal(commit(&(struct committing){.partition = 1, .offset = 11}), 0);
    run_s(298);
    assert_int_equal(fetch_offset(GROUP, 0, false), 10);
    run_s(4);
    assert_int_equal(fetch_offset(GROUP, 0, false), -1);
    assert_int_equal(fetch_offset(GROUP, 1, false), 11); /* each from its own commit */
    run_s(296);
    assert_int_equal(fetch_offset(GROUP, 1, false), 11);
    run_s(4);
    assert_int_equal(fetch_offset(GROUP, 1, false), -1);
    assert_string_equal(list_groups(NULL), ""); /* nothing is left of it */
    group_rig_again(true);
    assert_string_equal(list_groups(NULL), "");
}

static void a_new_commit_counts_anew(void **state)
{
    MAYBE(state == NULL);
    for (int64_t i = 0; i < 4; i++) {
        assert_int_equal(commit(&(struct committing){.offset = i}), 0);
        run_s(590);
        assert_int_equal(fetch_offset(GROUP, 0, false), i);
    }
}

static void a_client_says_how_long_itself(void **state)
{
    MAYBE(state == NULL);
    assert_int_equal(commit(&(struct committing){.offset = 1, .version = 4, .retention_ms = 60000}), 0);
    assert_int_equal(commit(&(struct committing){.partition = 1, .offset = 2, .version = 4, .retention_ms = 1200000}),
                     0);
    run_s(58);
    assert_int_equal(fetch_offset(GROUP, 0, false), 1);
    group_rig_again(false); /* it stands in the log */
    run_s(4);
    assert_int_equal(fetch_offset(GROUP, 0, false), -1);
    run_s(1120);
    assert_int_equal(fetch_offset(GROUP, 1, false), 2); /* also when it is longer than the broker's */
    run_s(30);
    assert_int_equal(fetch_offset(GROUP, 1, false), -1);
}

static void what_a_group_reads_stays(void **state)
{
    struct joined member;

    MAYBE(state == NULL);
    assert_int_equal(rig_create_topic(rig.clients[0], "invoices", 1, NULL), 0);
    stable_member(&member, &(struct joining){.subscribes = TOPIC, .session_ms = 60000});
    assert_int_equal(commit_offset(GROUP, member.member_id, 1, 0, 5, NULL), 0);
    assert_int_equal(
        commit(&(struct committing){.member_id = member.member_id, .generation = 1, .topic = "invoices", .offset = 6}),
        0);
    live_s(&member, 590);
    assert_int_equal(fetch_offset_of(GROUP, "invoices", 0, false), 6);
    live_s(&member, 20);
    assert_int_equal(fetch_offset_of(GROUP, "invoices", 0, false), -1); /* it does not read this one */
    live_s(&member, 600);
    assert_int_equal(fetch_offset(GROUP, 0, false), 5);
    assert_int_equal(leave(member.member_id, NULL), 0);
    run_s(595);
    assert_int_equal(fetch_offset(GROUP, 0, false), 5); /* counted from when the last member left */
    group_rig_again(true);
    assert_int_equal(fetch_offset(GROUP, 0, false), 5); /* and a restart does not change since when */
    run_s(8);
    assert_int_equal(fetch_offset(GROUP, 0, false), -1);
}

/* Whose subscriptions the broker cannot read, its offsets it does not judge. */
static void groups_of_other_kinds_keep_theirs(void **state)
{
    struct joined worker;

    MAYBE(state == NULL);
    stable_member(&worker, &(struct joining){.type = "connect", .session_ms = 60000});
    assert_int_equal(commit_offset(GROUP, worker.member_id, 1, 0, 5, NULL), 0);
    live_s(&worker, 1300);
    assert_int_equal(fetch_offset(GROUP, 0, false), 5);
    assert_string_equal(describe(GROUP), "Stable/1");
}

static void an_open_transaction_holds_its_offset(void **state)
{
    MAYBE(state == NULL);
    assert_int_equal(commit(&(struct committing){.offset = 1, .version = 4, .retention_ms = 20000}), 0);
    assert_int_equal(commit(&(struct committing){.partition = 1, .offset = 2, .version = 4, .retention_ms = 20000}), 0);
    txn_begin("mover");
    txn_add_group("mover", GROUP);
    assert_int_equal(txn_commit_offset("mover", GROUP, 0, 7), 0);
    run_s(30);
    assert_int_equal(fetch_offset(GROUP, 0, false), 1); /* what happens to it is not decided */
    assert_int_equal(fetch_offset(GROUP, 1, false), -1);
    txn_end("mover", true);
    run_s(2);
    assert_int_equal(fetch_offset(GROUP, 0, false), 7);
    run_s(560);
    assert_int_equal(fetch_offset(GROUP, 0, false), 7); /* counted from when it was sent, not from the end */
    run_s(15);
    assert_int_equal(fetch_offset(GROUP, 0, false), -1);
}

static void commit_wide(void)
{
    static struct kp_offset_commit_request_topics_partitions places[WIDE];
    struct kp_offset_commit_request                          request;
    struct kp_offset_commit_request_topics                   topic;
    const struct kp_offset_commit_response                  *response;

    kp_offset_commit_request_init(&request);
    kp_offset_commit_request_topics_init(&topic);
    request.group_id = view_text(GROUP);
    request.generation_id_or_member_epoch = -1;
    topic.name = view_text("wide");
    for (int32_t i = 0; i < WIDE; i++) {
        kp_offset_commit_request_topics_partitions_init(&places[i]);
        places[i].partition_index = i;
        places[i].committed_offset = i;
    }
    topic.partitions = places;
    topic.partitions_count = WIDE;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(rig.at, KP_OFFSET_COMMIT_KEY, 8, &request);
    assert_int_equal(response->topics[0].partitions[WIDE - 1].error_code, 0);
}

/* More than one turn takes: the round goes on, and does not wait for the next check. */
static void a_round_takes_all_that_is_due(void **state)
{
    char name[32];

    MAYBE(state == NULL);
    assert_int_equal(rig_create_topic(rig.clients[0], "wide", WIDE, NULL), 0);
    assert_int_equal(fetch_offset(GROUP, 0, false), -1);
    run_s(5); /* the checks are counted from the first request */
    commit_wide();
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "group-%d", i);
        assert_int_equal(commit(&(struct committing){.group = name, .offset = 1}), 0);
    }
    run_s(900); /* one check has been: too early for any */
    assert_int_equal(fetch_offset_of(GROUP, "wide", WIDE - 1, false), WIDE - 1);
    assert_int_equal(fetch_offset("group-599", 0, false), 1);
    assert_int_equal(commit(&(struct committing){.group = "late", .offset = 1}), 0);
    run_s(310); /* one more */
    assert_int_equal(fetch_offset_of(GROUP, "wide", WIDE - 1, false), -1);
    assert_string_equal(list_groups(NULL), "late=Empty/classic ");
    group_rig_again(true);
    assert_string_equal(list_groups(NULL), "late=Empty/classic ");
}

#define ROW(name, setup) cmocka_unit_test_setup_teardown(name, setup, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_simple_groups_offset_lives_as_long_as_it_should, start),
        ROW(a_new_commit_counts_anew, start),
        ROW(a_client_says_how_long_itself, start),
        ROW(what_a_group_reads_stays, start),
        ROW(groups_of_other_kinds_keep_theirs, start),
        ROW(an_open_transaction_holds_its_offset, start),
        ROW(a_round_takes_all_that_is_due, start_rare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
