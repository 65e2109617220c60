/* What a consumer group refuses, who may commit to it, and what its log may do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/proto/kp_error.h"
#include "tests/unit/coord/modern_fixture.h"

/* --- the request's own mistakes ----------------------------------------------------------------------------------- */

static struct kp_consumer_group_heartbeat_request good_join(void)
{
    static const struct view                   names[] = {{(const uint8_t *)"t", 1}};
    struct kp_consumer_group_heartbeat_request request;

    kp_consumer_group_heartbeat_request_init(&request);
    request.group_id = view_text("g");
    request.member_id = view_text("m");
    request.rebalance_timeout_ms = 1000;
    request.subscribed_topic_names = names;
    request.subscribed_topic_names_count = 1;
    request.topic_partitions_count = 0;
    return request;
}

static void refused(struct kp_consumer_group_heartbeat_request request, int16_t version)
{
    assert_int_equal(fixture_check(&fx, &request, version), KP_ERR_INVALID_REQUEST);
    assert_true(strlen(fx.reason) > 10);
}

static void test_malformed_requests(void **state)
{
    struct kp_consumer_group_heartbeat_request_topic_partitions owned = {.partitions_count = 0};
    struct kp_consumer_group_heartbeat_request                  request = good_join();

    (void)state;
    assert_int_equal(fixture_check(&fx, &request, 1), KP_ERR_NONE);
    request.member_id = view_text("");
    assert_int_equal(fixture_check(&fx, &request, 0), KP_ERR_NONE); /* version 0: made here */
    refused(request, 1);
    request.member_epoch = 3;
    refused(request, 0);
    request = good_join();
    request.group_id = view_text(" ");
    refused(request, 1);
    request = good_join();
    request.instance_id = view_text("");
    refused(request, 1);
    request = good_join();
    request.rack_id = view_text("  ");
    refused(request, 1);
    request = good_join();
    request.rebalance_timeout_ms = -1;
    refused(request, 1);
    request = good_join();
    request.topic_partitions = &owned;
    request.topic_partitions_count = 1;
    refused(request, 1);
    owned.partitions_count = MODERN_OWNED_MAX + 1; /* counted, not read */
    request.member_epoch = 1;
    refused(request, 1);
    request.member_epoch = 0;
    request.topic_partitions_count = -1;
    refused(request, 1);
    request = good_join();
    request.subscribed_topic_names_count = -1;
    refused(request, 1);
    request.subscribed_topic_regex = view_text("x");
    assert_int_equal(fixture_check(&fx, &request, 1), KP_ERR_NONE);
    request.subscribed_topic_regex = view_text("(?=x)");
    assert_int_equal(fixture_check(&fx, &request, 1), KP_ERR_INVALID_REGULAR_EXPRESSION);
    request = good_join();
    request.member_epoch = MODERN_EPOCH_LEAVE_STATIC;
    refused(request, 1);
    request.instance_id = view_text("i");
    assert_int_equal(fixture_check(&fx, &request, 1), KP_ERR_NONE);
    request.member_epoch = -3;
    refused(request, 1);
}

static void test_member_id_made_here(void **state)
{
    struct fixture_member a = fixture_member("", "t");
    struct fixture_member b = fixture_member("", "t");

    (void)state;
    /* Past the check of version 1, as version 0 would come. */
    for (int i = 0; i < 2; i++) {
        struct kp_consumer_group_heartbeat_request  request = good_join();
        struct kp_consumer_group_heartbeat_response response;
        struct modern_client client = {.id = view_text("c"), .host = view_text("/h"), .version = 0};

        request.member_id = view_text("");
        arena_reset(&fx.arena);
        kp_consumer_group_heartbeat_response_init(&response);
        modern_batch_reset(&fx.host.batch);
        ok(modern_heartbeat(fx.group, &request, &client, &fx.arena, &response, fx.reason));
        fixture_apply(&fx);
        modern_settle(fx.group, response.member_id);
        assert_int_equal(response.member_id.len, 22);
    }
    assert_int_equal(map_count(&fx.group->members), 2);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

/* --- commits and fetches ------------------------------------------------------------------------------------------ */

static int16_t commit(const struct fixture_member *member, int32_t epoch, int32_t partition)
{
    bool    by_partition = true;
    int16_t error =
        modern_commit_check(fx.group, view_text(member->id), (struct view){0}, epoch, false, 9, &by_partition);

    if (error == KP_ERR_NONE && by_partition) {
        error = modern_commit_partition_check(fx.group, view_text(member->id), epoch, view_text("t"),
                                              (struct uuid){{0}}, partition);
    }
    return error;
}

static void test_commits(void **state)
{
    struct fixture_member  a = fixture_member("a", "t");
    struct fixture_member  b = fixture_member("b", "t");
    struct fixture_member *both[] = {&a, &b};
    bool                   by_partition;

    (void)state;
    assert_int_equal(commit(&a, -1, 0), KP_ERR_NONE); /* nobody there: anyone */
    fixture_topic(&fx, "t", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    assert_int_equal(commit(&a, -1, 0), KP_ERR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(&b, 1, 0), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&a, 2, 0), KP_ERR_NONE);
    assert_int_equal(commit(&a, 3, 0), KP_ERR_STALE_MEMBER_EPOCH);
    ok(fixture_heartbeat(&fx, &b, true));
    settle(both, 2);
    assert_int_equal(a.epoch, 3);
    /* An older epoch still counts for what was its own since then, and for nothing else. */
    int32_t kept = a.owned.items[0].partition;
    assert_int_equal(commit(&a, 2, kept), KP_ERR_NONE);
    assert_int_equal(commit(&a, 1, kept), KP_ERR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(&a, 2, 1 - kept), KP_ERR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(&b, 2, 1 - kept), KP_ERR_STALE_MEMBER_EPOCH);
    assert_int_equal(modern_commit_check(fx.group, view_text("a"), (struct view){0}, 3, false, 8, &by_partition),
                     KP_ERR_UNSUPPORTED_VERSION);
    assert_int_equal(modern_commit_check(fx.group, view_text("a"), (struct view){0}, 3, true, 3, &by_partition),
                     KP_ERR_NONE);
    assert_int_equal(modern_commit_check(fx.group, view_text(""), (struct view){0}, -1, true, 3, &by_partition),
                     KP_ERR_NONE);

    assert_int_equal(modern_fetch_check(fx.group, (struct view){0}, -1), KP_ERR_NONE);
    assert_int_equal(modern_fetch_check(fx.group, view_text("x"), 1), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(modern_fetch_check(fx.group, view_text("a"), 2), KP_ERR_STALE_MEMBER_EPOCH);
    assert_int_equal(modern_fetch_check(fx.group, view_text("a"), 3), KP_ERR_NONE);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

static void test_tombstones_end_a_group(void **state)
{
    struct fixture_member a = fixture_member("a", "t");
    struct fixture_member b = fixture_member("b", NULL);

    (void)state;
    b.regex = "t.*";
    fixture_topic(&fx, "t", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    ok(fixture_heartbeat(&fx, &b, true));
    modern_batch_reset(&fx.host.batch);
    modern_emit_tombstones(fx.group);
    fixture_apply(&fx);
    assert_true(modern_group_void(fx.group));
    assert_int_equal(map_count(&fx.group->regexes), 0);
    assert_int_equal(fx.group->owners.count, 0);
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

static void test_damaged_records(void **state)
{
    struct fixture_member a = fixture_member("a", "t");

    (void)state;
    fixture_topic(&fx, "t", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    for (size_t i = 0; i < fx.log_count; i++) {
        const struct fixture_record *record = &fx.log[i];
        struct view                  group_id;

        assert_true(modern_key_group(view_of(record->key, record->key_len), &group_id));
        assert_true(view_equal(group_id, view_text("g")));
        for (size_t len = 0; len < record->key_len; len++) {
            assert_false(modern_key_group(view_of(record->key, len), &group_id));
        }
        for (size_t len = 0; len < record->value_len; len++) {
            assert_int_not_equal(
                modern_replay(fx.group, view_of(record->key, record->key_len), view_of(record->value, len)), ERR_OK);
        }
    }
    fixture_member_deinit(&a);
}

/* A restart: sessions begin again, and who had to give something up has its time again. */
static void test_loaded(void **state)
{
    struct fixture_member a = fixture_member("a", "t");
    struct fixture_member b = fixture_member("b", "t");

    (void)state;
    fixture_topic(&fx, "t", 2);
    ok(fixture_heartbeat(&fx, &a, true));
    fixture_comply(&a);
    ok(fixture_heartbeat(&fx, &b, true));
    ok(fixture_heartbeat(&fx, &a, false));
    struct modern_group *loaded = modern_group_create(&fx.host, view_text("g"));
    for (size_t i = 0; i < fx.log_count; i++) {
        struct view value = {0};

        if (fx.log[i].value != NULL) {
            value = view_of(fx.log[i].value, fx.log[i].value_len);
        }
        assert_int_equal(modern_replay(loaded, view_of(fx.log[i].key, fx.log[i].key_len), value), ERR_OK);
    }
    modern_group_destroy(fx.group);
    fx.group = loaded;
    fixture_advance_ms(&fx, 40000);
    modern_loaded(fx.group);
    fixture_advance_ms(&fx, 44000);
    ok(fixture_ping(&fx, &a));
    ok(fixture_ping(&fx, &b));
    assert_int_equal(fx.fenced, 0);
    fixture_advance_ms(&fx, 16000);
    assert_int_equal(fx.fenced, 1); /* a: it did not let go */
    assert_null(modern_member_find(fx.group, view_text("a")));
    fixture_member_deinit(&a);
    fixture_member_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_malformed_requests, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_member_id_made_here, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_commits, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_tombstones_end_a_group, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_records, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_loaded, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
