/* A consumer group's life, event by event: joining, moving partitions, leaving, being fenced; every error a member can
 * get. Each test ends by replaying all that was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/proto/kp_error.h"
#include "tests/unit/coord/modern_fixture.h"

static void test_first_member_gets_everything(void **state)
{
    struct fixture_member a = fixture_member("a", "t");

    (void)state;
    fixture_topic(&fx, "t", 3);
    assert_true(modern_group_void(fx.group));
    assert_string_equal(modern_group_state(fx.group), "Empty");
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(a.epoch, 2);
    assert_int_equal(a.told.count, 3);
    assert_string_equal(modern_group_state(fx.group), "Stable");
    assert_true(modern_group_subscribed(fx.group, view_text("t")));
    assert_false(modern_group_subscribed(fx.group, view_text("u")));

    /* A heartbeat that says nothing new writes nothing. */
    fixture_comply(&a);
    ok(fixture_ping(&fx, &a));
    assert_int_equal(fx.host.batch.count, 0);
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(fx.host.batch.count, 0);
    fixture_member_deinit(&a);
}

static void test_second_member_waits_for_revocation(void **state)
{
    struct fixture_member a = fixture_member("a", "t");
    struct fixture_member b = fixture_member("b", "t");

    (void)state;
    fixture_topic(&fx, "t", 4);
    ok(fixture_heartbeat(&fx, &a, true));
    fixture_comply(&a);
    ok(fixture_heartbeat(&fx, &b, true));
    assert_int_equal(b.epoch, 3);
    assert_int_equal(b.told.count, 0); /* a has everything yet */
    assert_string_equal(modern_group_state(fx.group), "Reconciling");

    ok(fixture_heartbeat(&fx, &a, false));
    assert_int_equal(a.epoch, 2); /* until it has given up two */
    assert_int_equal(a.told.count, 2);
    ok(fixture_heartbeat(&fx, &b, false));
    assert_int_equal(b.told.count, 0);
    ok(fixture_heartbeat(&fx, &a, false)); /* says that it still has four */
    assert_int_equal(a.epoch, 2);
    ok(fixture_ping(&fx, &a)); /* says nothing about it */
    assert_int_equal(a.epoch, 2);

    fixture_comply(&a);
    ok(fixture_heartbeat(&fx, &a, false));
    assert_int_equal(a.epoch, 3);
    ok(fixture_heartbeat(&fx, &b, false));
    assert_int_equal(b.told.count, 2);
    assert_string_equal(modern_group_state(fx.group), "Stable");
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

static void test_leave_frees(void **state)
{
    struct fixture_member  a = fixture_member("a", "t");
    struct fixture_member  b = fixture_member("b", "t");
    struct fixture_member *both[] = {&a, &b};

    (void)state;
    fixture_topic(&fx, "t", 4);
    ok(fixture_heartbeat(&fx, &a, true));
    ok(fixture_heartbeat(&fx, &b, true));
    settle(both, 2);
    ok(fixture_leave(&fx, &a, MODERN_EPOCH_LEAVE));
    assert_string_equal(modern_group_state(fx.group), "Assigning");
    assert_int_equal(fixture_leave(&fx, &a, MODERN_EPOCH_LEAVE), KP_ERR_UNKNOWN_MEMBER_ID);
    ok(fixture_heartbeat(&fx, &b, false));
    assert_int_equal(b.told.count, 4);
    ok(fixture_leave(&fx, &b, MODERN_EPOCH_LEAVE));
    assert_string_equal(modern_group_state(fx.group), "Empty");
    assert_false(modern_group_void(fx.group)); /* its epoch must not come again */
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(a.epoch, fx.group->epoch);
    assert_true(a.epoch > 3);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

static void test_epochs_are_checked(void **state)
{
    struct fixture_member a = fixture_member("a", "t");
    struct fixture_member b = fixture_member("b", "t");

    (void)state;
    fixture_topic(&fx, "t", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    fixture_comply(&a);
    b.epoch = 1;
    assert_int_equal(fixture_heartbeat(&fx, &b, false), KP_ERR_UNKNOWN_MEMBER_ID);
    b.epoch = 0;
    ok(fixture_heartbeat(&fx, &b, true));
    a.epoch = 3;
    assert_int_equal(fixture_heartbeat(&fx, &a, false), KP_ERR_FENCED_MEMBER_EPOCH);
    a.epoch = 2;
    ok(fixture_heartbeat(&fx, &a, false));
    fixture_comply(&a);
    ok(fixture_heartbeat(&fx, &a, false));
    assert_int_equal(a.epoch, 3);

    /* The answer was lost: the epoch before is fine, with what was given or less. */
    a.epoch = 2;
    ok(fixture_heartbeat(&fx, &a, false));
    assert_int_equal(a.epoch, 3);
    a.epoch = 2;
    assert_int_equal(fixture_ping(&fx, &a), KP_ERR_FENCED_MEMBER_EPOCH);
    modern_parts_push(&a.owned, fx.topics[0].id, 77, 0);
    assert_int_equal(fixture_heartbeat(&fx, &a, false), KP_ERR_FENCED_MEMBER_EPOCH);

    /* Rejoining is always possible. */
    a.epoch = 0;
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(a.told.count, 1);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

static void test_session_expires(void **state)
{
    struct fixture_member a = fixture_member("a", "t");
    struct fixture_member b = fixture_member("b", "t");

    (void)state;
    fixture_topic(&fx, "t", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    fixture_advance_ms(&fx, 30000);
    ok(fixture_heartbeat(&fx, &b, true));
    fixture_advance_ms(&fx, 14999);
    assert_int_equal(fx.fenced, 0);
    fixture_advance_ms(&fx, 1);
    assert_int_equal(fx.fenced, 1);
    assert_null(modern_member_find(fx.group, view_text("a")));
    ok(fixture_heartbeat(&fx, &b, false));
    assert_int_equal(b.told.count, 2);
    fixture_advance_ms(&fx, 44999);
    assert_int_equal(fx.fenced, 1);
    fixture_advance_ms(&fx, 1);
    assert_int_equal(fx.fenced, 2);
    assert_string_equal(modern_group_state(fx.group), "Empty");
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

/* It beats, but does not let go. */
static void test_rebalance_timeout(void **state)
{
    struct fixture_member a = fixture_member("a", "t");
    struct fixture_member b = fixture_member("b", "t");

    (void)state;
    fixture_topic(&fx, "t", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    fixture_comply(&a);
    ok(fixture_heartbeat(&fx, &b, true));
    for (int i = 0; i < 60; i++) {
        ok(fixture_heartbeat(&fx, &a, false));
        ok(fixture_heartbeat(&fx, &b, false));
        assert_int_equal(fx.fenced, 0);
        fixture_advance_ms(&fx, 1000);
    }
    assert_int_equal(fx.fenced, 1);
    assert_int_equal(fixture_heartbeat(&fx, &a, false), KP_ERR_UNKNOWN_MEMBER_ID);
    ok(fixture_heartbeat(&fx, &b, false));
    assert_int_equal(b.told.count, 2);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

static void test_static_member_comes_back(void **state)
{
    struct fixture_member  a = fixture_member("a1", "t");
    struct fixture_member  again = fixture_member("a2", "t");
    struct fixture_member  b = fixture_member("b", "t");
    struct fixture_member *both[] = {&a, &b};

    (void)state;
    (void)snprintf(a.instance, sizeof(a.instance), "i");
    (void)snprintf(again.instance, sizeof(again.instance), "i");
    fixture_topic(&fx, "t", 4);
    ok(fixture_heartbeat(&fx, &a, true));
    ok(fixture_heartbeat(&fx, &b, true));
    settle(both, 2);
    assert_int_equal(fixture_heartbeat(&fx, &again, true), KP_ERR_UNRELEASED_INSTANCE_ID);

    int32_t epoch = fx.group->epoch;
    ok(fixture_leave(&fx, &a, MODERN_EPOCH_LEAVE_STATIC));
    assert_int_equal(fx.group->epoch, epoch); /* nobody else moves */
    ok(fixture_heartbeat(&fx, &b, false));
    assert_int_equal(b.told.count, 2);
    ok(fixture_heartbeat(&fx, &again, true));
    assert_int_equal(again.epoch, epoch);
    assert_true(modern_parts_equal(&again.told, &a.owned));
    assert_null(modern_member_find(fx.group, view_text("a1")));
    assert_int_equal(fx.group->epoch, epoch);

    a.epoch = epoch;
    assert_int_equal(fixture_heartbeat(&fx, &a, false), KP_ERR_FENCED_INSTANCE_ID);
    assert_int_equal(fixture_leave(&fx, &a, MODERN_EPOCH_LEAVE), KP_ERR_FENCED_INSTANCE_ID);
    (void)snprintf(a.instance, sizeof(a.instance), "other");
    assert_int_equal(fixture_heartbeat(&fx, &a, false), KP_ERR_UNKNOWN_MEMBER_ID);

    ok(fixture_leave(&fx, &again, MODERN_EPOCH_LEAVE));
    ok(fixture_heartbeat(&fx, &b, false));
    assert_int_equal(b.told.count, 4);
    fixture_member_deinit(&a);
    fixture_member_deinit(&again);
    fixture_member_deinit(&b);
}

/* Away for longer than its session. */
static void test_static_member_stays_away(void **state)
{
    struct fixture_member a = fixture_member("a", "t");

    (void)state;
    (void)snprintf(a.instance, sizeof(a.instance), "i");
    fixture_topic(&fx, "t", 1);
    ok(fixture_heartbeat(&fx, &a, true));
    fixture_advance_ms(&fx, 20000);
    ok(fixture_leave(&fx, &a, MODERN_EPOCH_LEAVE_STATIC));
    fixture_advance_ms(&fx, 24999);
    assert_int_equal(fx.fenced, 0);
    fixture_advance_ms(&fx, 1);
    assert_int_equal(fx.fenced, 1);
    assert_true(modern_group_empty(fx.group));
    fixture_member_deinit(&a);
}

static void test_topics_change(void **state)
{
    struct fixture_member  a = fixture_member("a", "t");
    struct fixture_member  b = fixture_member("b", "t");
    struct fixture_member *both[] = {&a, &b};

    (void)state;
    a.names[a.name_count++] = "later";
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(a.told.count, 0);
    fixture_topic(&fx, "unrelated", 9);
    int32_t epoch = a.epoch;
    ok(fixture_ping(&fx, &a));
    assert_int_equal(a.epoch, epoch);
    fixture_topic(&fx, "t", 2);
    ok(fixture_heartbeat(&fx, &a, false));
    assert_int_equal(a.epoch, epoch + 1);
    assert_int_equal(a.told.count, 2);
    ok(fixture_heartbeat(&fx, &b, true));
    settle(both, 2);
    fixture_topic(&fx, "t", 6);
    settle(both, 2);
    assert_int_equal(a.owned.count, 3);
    assert_int_equal(b.owned.count, 3);
    fixture_topic(&fx, "later", 1);
    settle(both, 2);
    assert_int_equal(a.owned.count + b.owned.count, 7);
    fixture_topic_delete(&fx, "t");
    settle(both, 2);
    assert_int_equal(a.owned.count, 1);
    assert_int_equal(b.owned.count, 0);
    fixture_topic(&fx, "t", 2); /* another one of that name */
    settle(both, 2);
    assert_int_equal(a.owned.count + b.owned.count, 3);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

static void test_regex(void **state)
{
    struct fixture_member  a = fixture_member("a", NULL);
    struct fixture_member  b = fixture_member("b", "x-1");
    struct fixture_member *both[] = {&a, &b};

    (void)state;
    a.regex = "x-.*";
    fixture_topic(&fx, "x-1", 2);
    fixture_topic(&fx, "y-1", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(a.told.count, 2);
    assert_true(modern_group_subscribed(fx.group, view_text("x-1")));
    assert_false(modern_group_subscribed(fx.group, view_text("y-1")));
    fixture_comply(&a);
    fixture_topic(&fx, "x-2", 3);
    ok(fixture_heartbeat(&fx, &a, false));
    assert_int_equal(a.told.count, 5);
    ok(fixture_heartbeat(&fx, &b, true));
    settle(both, 2);
    assert_int_equal(a.owned.count, 3);
    assert_int_equal(b.owned.count, 2);

    a.regex = "y-.*";
    ok(fixture_heartbeat(&fx, &a, true));
    settle(both, 2);
    assert_int_equal(a.owned.count, 2);
    assert_true(uuid_equal(a.owned.items[0].topic_id, fx.topics[1].id));
    assert_null(map_get(&fx.group->regexes, view_text("x-.*")));
    fixture_topic_delete(&fx, "y-1");
    settle(both, 2);
    assert_int_equal(a.owned.count, 0);

    a.regex = "("; /* refused, and nothing has changed */
    assert_int_equal(fixture_heartbeat(&fx, &a, true), KP_ERR_INVALID_REGULAR_EXPRESSION);
    a.regex = "";
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(map_count(&fx.group->regexes), 0);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

static void test_subscription_changes(void **state)
{
    struct fixture_member a = fixture_member("a", "t");

    (void)state;
    fx.settings.assignment_interval_ms = 10000;
    fixture_topic(&fx, "t", 2);
    fixture_topic(&fx, "u", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    fixture_comply(&a);
    a.names[0] = "u";
    ok(fixture_heartbeat(&fx, &a, true)); /* too early for a new target, but what it left goes at once */
    assert_int_equal(a.epoch, 2);
    assert_int_equal(a.told.count, 0);
    fixture_comply(&a);
    ok(fixture_heartbeat(&fx, &a, false));
    assert_int_equal(a.told.count, 0);
    fixture_advance_ms(&fx, 10000);
    ok(fixture_heartbeat(&fx, &a, false));
    assert_int_equal(a.epoch, 3);
    assert_int_equal(a.told.count, 2);
    assert_true(uuid_equal(a.told.items[0].topic_id, fx.topics[1].id));
    fixture_member_deinit(&a);
}

/* Members that come close together share a target. */
static void test_assignment_interval(void **state)
{
    struct fixture_member members[6];

    (void)state;
    fx.settings.assignment_interval_ms = 1000;
    fixture_topic(&fx, "t", 6);
    for (int i = 0; i < 6; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "m%d", i);
        members[i] = fixture_member(id, "t");
        ok(fixture_heartbeat(&fx, &members[i], true));
        assert_int_equal(fx.group->target_epoch, 2);
        fixture_advance_ms(&fx, 100);
    }
    assert_int_equal(fx.group->epoch, 7);
    assert_string_equal(modern_group_state(fx.group), "Assigning");
    fixture_advance_ms(&fx, 400);
    ok(fixture_heartbeat(&fx, &members[3], false));
    assert_int_equal(fx.group->target_epoch, 7);
    fixture_comply(&members[0]);
    ok(fixture_heartbeat(&fx, &members[0], false));
    assert_int_equal(members[0].told.count, 1);
    for (int i = 0; i < 6; i++) {
        fixture_member_deinit(&members[i]);
    }
}

static void test_assignors(void **state)
{
    struct fixture_member  a = fixture_member("a", "t");
    struct fixture_member  b = fixture_member("b", "t");
    struct fixture_member *both[] = {&a, &b};

    (void)state;
    a.names[a.name_count++] = "u";
    b.names[b.name_count++] = "u";
    a.assignor = b.assignor = "range";
    fixture_topic(&fx, "t", 3);
    fixture_topic(&fx, "u", 3);
    ok(fixture_heartbeat(&fx, &a, true));
    ok(fixture_heartbeat(&fx, &b, true));
    settle(both, 2);
    assert_int_equal(a.owned.count, 4); /* uniform would give three each */
    fx.settings.assignors = 1u << ASSIGN_UNIFORM;
    assert_int_equal(fixture_heartbeat(&fx, &a, true), KP_ERR_UNSUPPORTED_ASSIGNOR);
    assert_non_null(strstr(fx.reason, "uniform"));
    a.assignor = "sticky";
    assert_int_equal(fixture_heartbeat(&fx, &a, true), KP_ERR_UNSUPPORTED_ASSIGNOR);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

static void test_group_size(void **state)
{
    struct fixture_member a = fixture_member("a", "t");
    struct fixture_member b = fixture_member("b", "t");

    (void)state;
    fx.settings.size_max = 1;
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(fixture_heartbeat(&fx, &b, true), KP_ERR_GROUP_MAX_SIZE_REACHED);
    ok(fixture_ping(&fx, &a));
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_member_gets_everything, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_second_member_waits_for_revocation, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_leave_frees, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_epochs_are_checked, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_session_expires, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_rebalance_timeout, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_static_member_comes_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_static_member_stays_away, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_topics_change, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_regex, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_subscription_changes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_assignment_interval, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_assignors, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_group_size, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
