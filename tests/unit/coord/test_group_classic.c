/* The classic protocol through a whole broker: who is told what in which state. */
#include "tests/unit/coord/group_rig.h"

#include <stdio.h>

static const char *const settings[] = {"offsets.topic.num.partitions=4", "group.initial.rebalance.delay.ms=200",
                                       "group.max.size=3", NULL};

static int start_one(void **state)
{
    MAYBE(state == NULL);
    group_rig_start(1, settings);
    return 0;
}

static int start_three(void **state)
{
    MAYBE(state == NULL);
    group_rig_start(3, settings);
    return 0;
}

static int end(void **state)
{
    MAYBE(state == NULL);
    group_rig_end();
    return 0;
}

/* A group of one member, stable. */
static void stable_group(struct joined *member)
{
    const char *ids[1];

    join_new(member, &(struct joining){0});
    ids[0] = member->member_id;
    assert_int_equal(sync_group(member, ids, 1, "all of it").error, 0);
}

static void a_member_joins_syncs_and_leaves(void **state)
{
    struct joined member;
    struct synced synced;
    const char   *ids[1];

    MAYBE(state == NULL);
    join(&member, &(struct joining){0});
    assert_int_equal(member.error, KP_ERR_MEMBER_ID_REQUIRED);
    assert_int_equal(member.generation, -1);
    assert_true(strlen(member.member_id) > 36);
    assert_string_equal(describe(GROUP), "Empty/0");
    join_new(&member, &(struct joining){0});
    assert_int_equal(member.generation, 1);
    assert_string_equal(member.leader, member.member_id);
    assert_string_equal(member.protocol, "range");
    assert_int_equal(member.member_count, 1);
    assert_string_equal(describe(GROUP), "CompletingRebalance/1");
    assert_int_equal(heartbeat(member.member_id, NULL, 1), 0);
    ids[0] = member.member_id;
    synced = sync_group(&member, ids, 1, "all of it");
    assert_int_equal(synced.error, 0);
    assert_string_equal(synced.assignment, "all of it");
    assert_string_equal(describe(GROUP), "Stable/1");
    synced = sync_group(&member, NULL, 0, "");
    assert_string_equal(synced.assignment, "all of it");
    assert_int_equal(leave(member.member_id, NULL), 0);
    assert_string_equal(describe(GROUP), "Empty/0");
    assert_int_equal(leave(member.member_id, NULL), KP_ERR_UNKNOWN_MEMBER_ID);
}

static void strangers_are_refused(void **state)
{
    static char   endless[5 << 20];
    struct joined member, other;

    MAYBE(state == NULL);
    assert_int_equal(heartbeat("nobody", NULL, 1), KP_ERR_UNKNOWN_MEMBER_ID);
    stable_group(&member);
    assert_int_equal(heartbeat("nobody", NULL, 1), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(heartbeat(member.member_id, NULL, 2), KP_ERR_ILLEGAL_GENERATION);
    assert_int_equal(heartbeat(member.member_id, "no such instance", 1), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit_offset(GROUP, "nobody", 1, 0, 5, NULL), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit_offset(GROUP, member.member_id, 9, 0, 5, NULL), KP_ERR_ILLEGAL_GENERATION);
    assert_int_equal(commit_offset(GROUP, "", -1, 0, 5, NULL), KP_ERR_UNKNOWN_MEMBER_ID);
    join(&other, &(struct joining){.member_id = "nobody"});
    assert_int_equal(other.error, KP_ERR_UNKNOWN_MEMBER_ID);
    join(&other, &(struct joining){.type = "connect"});
    assert_int_equal(other.error, KP_ERR_INCONSISTENT_GROUP_PROTOCOL);
    join(&other, &(struct joining){.protocol = "sticky"});
    assert_int_equal(other.error, KP_ERR_INCONSISTENT_GROUP_PROTOCOL);
    join(&other, &(struct joining){.session_ms = 5});
    assert_int_equal(other.error, KP_ERR_INVALID_SESSION_TIMEOUT);
    join(&other, &(struct joining){.session_ms = 1800001});
    assert_int_equal(other.error, KP_ERR_INVALID_SESSION_TIMEOUT);
    memset(endless, 'x', sizeof(endless) - 1);
    join(&other, &(struct joining){.metadata = endless});
    assert_int_equal(other.error, KP_ERR_UNKNOWN_SERVER_ERROR);
    join(&other, &(struct joining){.group = ""});
    assert_int_equal(other.error, KP_ERR_INVALID_GROUP_ID);
    join(&other, &(struct joining){.group = "no such group", .member_id = "nobody"});
    assert_int_equal(other.error, KP_ERR_UNKNOWN_MEMBER_ID);
    assert_string_equal(describe(GROUP), "Stable/1");
}

static void everybody_rejoins_when_one_comes(void **state)
{
    struct joined      first, second, again;
    struct rig_client *waits, *returns;
    struct synced      synced;
    const char        *ids[2];
    char               id[128];

    MAYBE(state == NULL);
    stable_group(&first);
    join(&second, &(struct joining){0});
    (void)snprintf(id, sizeof(id), "%s", second.member_id);
    waits = join_start(&second, &(struct joining){.member_id = id});
    rig_run(&rig.broker, NS_PER_S);
    assert_false(join_is_done(&second));
    assert_int_equal(heartbeat(first.member_id, NULL, 1), KP_ERR_REBALANCE_IN_PROGRESS);
    assert_int_equal(sync_group(&first, NULL, 0, "").error, KP_ERR_REBALANCE_IN_PROGRESS);
    assert_int_equal(commit_offset(GROUP, first.member_id, 1, 0, 7, NULL), 0); /* before it gives them up */
    returns = join_start(&again, &(struct joining){.member_id = first.member_id});
    assert_true(join_wait(&again) && join_wait(&second));
    assert_int_equal(again.generation, 2);
    assert_int_equal(second.generation, 2);
    assert_string_equal(second.leader, first.member_id);
    assert_int_equal(again.member_count, 2);
    assert_int_equal(second.member_count, 0);
    assert_int_equal(commit_offset(GROUP, first.member_id, 2, 0, 8, NULL), KP_ERR_REBALANCE_IN_PROGRESS);
    ids[0] = first.member_id;
    ids[1] = second.member_id;
    assert_int_equal(sync_group(&again, ids, 2, "a half").error, 0);
    synced = sync_group(&second, NULL, 0, "");
    assert_int_equal(synced.error, 0);
    assert_string_equal(synced.assignment, "a half");
    assert_string_equal(describe(GROUP), "Stable/2");
    join_end(waits, &second);
    join_end(returns, &again);
    assert_int_equal(fetch_offset(GROUP, 0, false), 7);
}

static void a_silent_member_is_dropped(void **state)
{
    struct joined member;

    MAYBE(state == NULL);
    stable_group(&member);
    for (int i = 0; i < 4; i++) {
        rig_run(&rig.broker, 8 * NS_PER_S);
        assert_int_equal(heartbeat(member.member_id, NULL, 1), 0);
    }
    rig_run(&rig.broker, 11 * NS_PER_S);
    assert_string_equal(describe(GROUP), "Empty/0");
    assert_int_equal(heartbeat(member.member_id, NULL, 1), KP_ERR_UNKNOWN_MEMBER_ID);
}

static void one_that_does_not_rejoin_is_left_behind(void **state)
{
    struct joined      first, second;
    struct rig_client *waits;
    char               id[128];

    MAYBE(state == NULL);
    stable_group(&first);
    join(&second, &(struct joining){0});
    (void)snprintf(id, sizeof(id), "%s", second.member_id);
    waits = join_start(&second, &(struct joining){.member_id = id});
    for (int i = 0; i < 5; i++) { /* heartbeats alone do not keep it in */
        rig_run(&rig.broker, 7 * NS_PER_S);
        MAYBE(heartbeat(first.member_id, NULL, 1) == 0);
    }
    assert_true(join_wait(&second));
    assert_int_equal(second.error, 0);
    assert_string_equal(second.leader, second.member_id);
    assert_int_equal(second.generation, 2);
    assert_int_equal(heartbeat(first.member_id, NULL, 1), KP_ERR_UNKNOWN_MEMBER_ID);
    join_end(waits, &second);
}

static void one_that_does_not_sync_is_dropped(void **state)
{
    struct joined member;

    MAYBE(state == NULL);
    join_new(&member, &(struct joining){.session_ms = 60000, .rebalance_ms = 5000});
    rig_run(&rig.broker, 6 * NS_PER_S);
    assert_string_equal(describe(GROUP), "Empty/0");
    assert_int_equal(sync_group(&member, NULL, 0, "").error, KP_ERR_UNKNOWN_MEMBER_ID);
}

static void the_group_is_limited(void **state)
{
    struct joined      joined[4];
    struct rig_client *clients[4];
    char               ids[4][128];
    int                refused = 0;

    MAYBE(state == NULL);
    for (int i = 0; i < 4; i++) {
        join(&joined[i], &(struct joining){0});
        (void)snprintf(ids[i], sizeof(ids[i]), "%s", joined[i].member_id);
    }
    for (int i = 0; i < 4; i++) {
        clients[i] = join_start(&joined[i], &(struct joining){.member_id = ids[i]});
    }
    for (int i = 0; i < 4; i++) {
        assert_true(join_wait(&joined[i]));
        refused += joined[i].error == KP_ERR_GROUP_MAX_SIZE_REACHED;
        assert_true(joined[i].error == 0 || joined[i].error == KP_ERR_GROUP_MAX_SIZE_REACHED);
    }
    assert_int_equal(refused, 1);
    assert_string_equal(describe(GROUP), "CompletingRebalance/3");
    for (int i = 0; i < 4; i++) {
        join_end(clients[i], &joined[i]);
    }
}

static void what_most_like_is_chosen(void **state)
{
    struct joined      one, two, three;
    struct rig_client *clients[3];

    MAYBE(state == NULL); /* version 3: no id is asked for */
    clients[0] = join_start(&one, &(struct joining){.version = 3, .protocol = "range", .protocol2 = "sticky"});
    clients[1] = join_start(&two, &(struct joining){.version = 3, .protocol = "sticky", .protocol2 = "range"});
    clients[2] = join_start(&three, &(struct joining){.version = 3, .protocol = "sticky", .protocol2 = "range"});
    assert_true(join_wait(&one) && join_wait(&two) && join_wait(&three));
    assert_string_equal(one.protocol, "sticky");
    assert_int_equal(one.member_count + two.member_count + three.member_count, 3);
    join_end(clients[0], &one);
    join_end(clients[1], &two);
    join_end(clients[2], &three);
}

static void a_static_member_comes_back(void **state)
{
    struct joined member, back;
    const char   *ids[1];
    char          old_id[128];

    MAYBE(state == NULL);
    join(&member, &(struct joining){.instance_id = "box-1"});
    assert_int_equal(member.error, 0); /* at once, without an id of its own */
    assert_memory_equal(member.member_id, "box-1-", 6);
    ids[0] = member.member_id;
    assert_int_equal(sync_group(&member, ids, 1, "mine").error, 0);
    (void)snprintf(old_id, sizeof(old_id), "%s", member.member_id);
    join(&back, &(struct joining){.instance_id = "box-1"});
    assert_int_equal(back.error, 0);
    assert_int_equal(back.generation, 1); /* no rebalance */
    assert_true(back.skip_assignment);
    assert_string_equal(back.leader, back.member_id);
    assert_string_not_equal(back.member_id, old_id);
    assert_string_equal(sync_group(&back, NULL, 0, "").assignment, "mine");
    assert_int_equal(heartbeat(old_id, "box-1", 1), KP_ERR_FENCED_INSTANCE_ID);
    assert_int_equal(heartbeat(back.member_id, "box-1", 1), 0);
    join(&back, &(struct joining){.instance_id = "box-1", .version = 8});
    assert_false(back.skip_assignment);
    assert_string_not_equal(back.leader, back.member_id); /* it must not assign */
    assert_int_equal(leave("", "box-2"), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(leave(old_id, "box-1"), KP_ERR_FENCED_INSTANCE_ID);
    assert_int_equal(leave("", "box-1"), 0);
    assert_string_equal(describe(GROUP), "Empty/0");
}

static void a_follower_that_joins_again_changes_nothing(void **state)
{
    struct joined      first, second, again;
    struct rig_client *clients[2];
    const char        *ids[2];

    MAYBE(state == NULL);
    clients[0] = join_start(&first, &(struct joining){.version = 3});
    clients[1] = join_start(&second, &(struct joining){.version = 3});
    assert_true(join_wait(&first) && join_wait(&second));
    ids[0] = first.member_id;
    ids[1] = second.member_id;
    if (strcmp(first.leader, second.member_id) == 0) {
        struct joined swap = first;

        first = second;
        second = swap;
    }
    assert_int_equal(sync_group(&first, ids, 2, "x").error, 0);
    join(&again, &(struct joining){.member_id = second.member_id});
    assert_int_equal(again.generation, 1);
    assert_string_equal(describe(GROUP), "Stable/2");
    join_end(clients[0], &first);
    join_end(clients[1], &second);
}

static void a_generation_is_never_given_twice(void **state)
{
    struct joined member, later;
    const char   *ids[1];

    MAYBE(state == NULL);
    join_new(&member, &(struct joining){0});
    assert_int_equal(member.generation, 1);
    group_rig_again(true); /* told of it, nothing assigned */
    assert_string_equal(describe(GROUP), "Empty/0");
    join_new(&later, &(struct joining){0});
    assert_int_equal(later.generation, 2);
    ids[0] = later.member_id;
    assert_int_equal(sync_group(&later, ids, 1, "kept").error, 0);
    assert_int_equal(commit_offset(GROUP, later.member_id, 2, 3, 42, "note"), 0);
    group_rig_again(false);
    assert_string_equal(describe(GROUP), "Stable/1");
    assert_int_equal(heartbeat(later.member_id, NULL, 2), 0);
    assert_string_equal(sync_group(&later, NULL, 0, "").assignment, "kept");
    assert_int_equal(fetch_offset(GROUP, 3, true), 42);
    rig_run(&rig.broker, 11 * NS_PER_S); /* its session goes on after the restart */
    assert_string_equal(describe(GROUP), "Empty/0");
    assert_int_equal(fetch_offset(GROUP, 3, false), 42);
}

static void a_client_that_goes_while_it_waits_harms_nobody(void **state)
{
    struct joined      first, second;
    struct rig_client *gone;
    char               id[128];

    MAYBE(state == NULL);
    stable_group(&first);
    join(&second, &(struct joining){0});
    (void)snprintf(id, sizeof(id), "%s", second.member_id);
    gone = join_start(&second, &(struct joining){.member_id = id});
    rig_run(&rig.broker, NS_PER_S);
    rig_client_break(gone);
    assert_false(join_wait(&second));
    join_end(gone, &second);
    (void)snprintf(id, sizeof(id), "%s", first.member_id);
    join(&first, &(struct joining){.member_id = id});
    assert_int_equal(first.error, 0);
    assert_int_equal(first.member_count, 2); /* Kafka keeps it, too, until its session ends */
    assert_string_equal(describe(GROUP), "CompletingRebalance/2");
}

#define ROW(name, setup) cmocka_unit_test_setup_teardown(name, setup, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_member_joins_syncs_and_leaves, start_one),
        ROW(strangers_are_refused, start_three),
        ROW(everybody_rejoins_when_one_comes, start_one),
        ROW(a_silent_member_is_dropped, start_one),
        ROW(one_that_does_not_rejoin_is_left_behind, start_one),
        ROW(one_that_does_not_sync_is_dropped, start_one),
        ROW(the_group_is_limited, start_one),
        ROW(what_most_like_is_chosen, start_one),
        ROW(a_static_member_comes_back, start_three),
        ROW(a_follower_that_joins_again_changes_nothing, start_one),
        ROW(a_generation_is_never_given_twice, start_three),
        ROW(a_client_that_goes_while_it_waits_harms_nobody, start_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
