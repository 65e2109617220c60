/* Consumer groups through a whole simulated broker: KIP-848 members on the wire, restarts, commits, administration, and
 * groups that change their protocol with members of both kinds in them. */
#include "tests/unit/coord/modern_member.h"

#include <stdio.h>

static const char *const settings[] = {"offsets.topic.num.partitions=4", "group.initial.rebalance.delay.ms=0",
                                       "group.consumer.assignment.interval.ms=0", NULL};

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

static int start_without_migration(void **state)
{
    static const char *const closed[] = {"offsets.topic.num.partitions=4", "group.initial.rebalance.delay.ms=0",
                                         "group.consumer.migration.policy=disabled", NULL};

    MAYBE(state == NULL);
    group_rig_start(1, closed);
    return 0;
}

static int end(void **state)
{
    MAYBE(state == NULL);
    group_rig_end();
    return 0;
}

static void members_share_and_survive_a_restart(void **state)
{
    struct member a = {.id = "a"}, b = {.id = "b", .regex = "ord.*"};

    MAYBE(state == NULL);
    follow(&a);
    assert_int_equal(a.told, 0xff);
    assert_string_equal(look(), "Stable/1");
    follow(&b);
    assert_int_equal(b.told, 0);
    assert_string_equal(look(), "Reconciling/2");
    follow(&a);
    follow(&a);
    follow(&b);
    assert_int_equal(a.owned | b.owned, 0xff);
    assert_int_equal(a.owned & b.owned, 0);
    assert_string_equal(look(), "Stable/2");
    for (int i = 0; i < 2; i++) {
        group_rig_again(i == 1);
        assert_string_equal(look(), "Stable/2");
        int32_t epoch = a.epoch;
        follow(&a);
        follow(&b);
        assert_int_equal(a.epoch, epoch);
        assert_int_equal(a.owned & b.owned, 0);
        assert_int_equal(a.owned | b.owned, 0xff);
    }
    assert_int_equal(depart(&a), 0);
    assert_int_equal(depart(&a), KP_ERR_UNKNOWN_MEMBER_ID);
    follow(&b);
    assert_int_equal(b.owned, 0xff);
    rig_run(&rig.broker, 46 * NS_PER_S);
    assert_string_equal(look(), "Empty/0");
    beat(&b);
    assert_int_equal(b.error, KP_ERR_UNKNOWN_MEMBER_ID);
    assert_true(b.with_message);
}

static void strangers_are_refused(void **state)
{
    struct member a = {.id = "a", .epoch = 3};

    MAYBE(state == NULL);
    beat(&a);
    assert_int_equal(a.error, KP_ERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(depart(&a), KP_ERR_GROUP_ID_NOT_FOUND);
    assert_string_equal(look(), "-69");
    a.epoch = 0;
    a.id = "";
    beat(&a);
    assert_int_equal(a.error, KP_ERR_INVALID_REQUEST);
    assert_true(a.with_message);
    a.id = "a";
    a.regex = "(";
    beat(&a);
    assert_int_equal(a.error, KP_ERR_INVALID_REGULAR_EXPRESSION);
    assert_string_equal(look(), "-69"); /* a refused member leaves no group behind */
    assert_string_equal(describe(GROUP), "Dead/0");
    a.regex = NULL;
    follow(&a);
    a.epoch = 9;
    beat(&a);
    assert_int_equal(a.error, KP_ERR_FENCED_MEMBER_EPOCH);
    assert_true(a.with_message);
}

static void commits_are_fenced_by_epoch(void **state)
{
    struct member a = {.id = "a"}, b = {.id = "b"};

    MAYBE(state == NULL);
    follow(&a);
    assert_int_equal(commit_offset(GROUP, "a", a.epoch, 1, 10, NULL), 0);
    assert_int_equal(commit_offset(GROUP, "a", a.epoch + 1, 1, 11, NULL), KP_ERR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit_offset(GROUP, "b", 1, 1, 11, NULL), KP_ERR_UNKNOWN_MEMBER_ID);
    follow(&b);
    follow(&a);
    follow(&a);
    follow(&b);
    int32_t kept = (a.owned & 1u) != 0 ? 0 : 1, given = 0;
    while ((a.owned & (1u << kept)) == 0) {
        kept++;
    }
    while ((b.owned & (1u << given)) == 0) {
        given++;
    }
    assert_int_equal(commit_offset(GROUP, "a", a.epoch - 1, kept, 12, NULL), 0);
    assert_int_equal(commit_offset(GROUP, "a", a.epoch - 1, given, 12, NULL), KP_ERR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit_offset(GROUP, "", -1, kept, 12, NULL), KP_ERR_UNKNOWN_MEMBER_ID);
    group_rig_again(true);
    assert_int_equal(fetch_offset(GROUP, kept, false), 12);
}

static void groups_are_deleted_when_empty(void **state)
{
    struct member a = {.id = "a"};

    MAYBE(state == NULL);
    follow(&a);
    assert_int_equal(commit_offset(GROUP, "a", a.epoch, 1, 10, NULL), 0);
    assert_int_equal(delete_group(GROUP), KP_ERR_NON_EMPTY_GROUP);
    assert_int_equal(depart(&a), 0);
    assert_int_equal(delete_group(GROUP), 0);
    assert_string_equal(look(), "-69");
    assert_int_equal(fetch_offset(GROUP, 1, false), -1);
    group_rig_again(false);
    assert_string_equal(look(), "-69");
    assert_int_equal(fetch_offset(GROUP, 1, false), -1);
    a.epoch = 0;
    follow(&a);
    assert_int_equal(a.epoch, 2);
}

/* --- members of the classic protocol ------------------------------------------------------------------------------ */

struct old {
    char     id[128];
    int32_t  generation;
    uint32_t owned;
    int16_t  error;
};

/* Version 1 of the subscription: topics, user data, owned partitions. */
static struct view subscription(uint32_t owned)
{
    static uint8_t   bytes[256];
    struct kp_writer writer;
    int32_t          list[32];
    int32_t          count = bits_to_list(owned, list);

    kp_writer_init_span(&writer, span_of(bytes, sizeof(bytes)));
    kp_write_int16(&writer, 1);
    kp_write_count(&writer, false, false, 1);
    kp_write_string(&writer, false, false, view_text(TOPIC));
    kp_write_bytes(&writer, false, true, (struct view){0});
    kp_write_count(&writer, false, false, count == 0 ? 0 : 1);
    if (count != 0) {
        kp_write_string(&writer, false, false, view_text(TOPIC));
        kp_write_int32_array(&writer, false, false, list, count);
    }
    assert_int_equal(writer.error, ERR_OK);
    return view_of(bytes, writer.bytes_total);
}

static uint32_t read_assignment(struct view bytes)
{
    struct kp_reader reader;
    uint32_t         bits = 0;

    if (bytes.len == 0) {
        return 0;
    }
    kp_reader_init(&reader, bytes, NULL);
    assert_int_equal(kp_read_int16(&reader), 1);
    for (int32_t t = kp_read_count(&reader, false, false, 6); t > 0; t--) {
        (void)kp_read_string(&reader, false, false);
        for (int32_t i = kp_read_count(&reader, false, false, 4); i > 0; i--) {
            bits |= 1u << kp_read_int32(&reader);
        }
    }
    (void)kp_read_bytes(&reader, false, true);
    assert_int_equal(reader.error, ERR_OK);
    return bits;
}

static struct view assignment(uint32_t partitions)
{
    static uint8_t   bytes[256];
    struct kp_writer writer;
    int32_t          list[32];
    int32_t          count = bits_to_list(partitions, list);

    kp_writer_init_span(&writer, span_of(bytes, sizeof(bytes)));
    kp_write_int16(&writer, 1);
    kp_write_count(&writer, false, false, 1);
    kp_write_string(&writer, false, false, view_text(TOPIC));
    kp_write_int32_array(&writer, false, false, list, count);
    kp_write_bytes(&writer, false, true, (struct view){0});
    assert_int_equal(writer.error, ERR_OK);
    return view_of(bytes, writer.bytes_total);
}

static void old_join_once(struct old *old)
{
    struct view                            metadata = subscription(old->owned);
    struct kp_join_group_request_protocols protocol = {.name = view_text("cooperative-sticky"), .metadata = metadata};
    struct kp_join_group_request           request;
    const struct kp_join_group_response   *response;

    kp_join_group_request_init(&request);
    request.group_id = view_text(GROUP);
    request.session_timeout_ms = 10000;
    request.rebalance_timeout_ms = 30000;
    request.member_id = view_text(old->id);
    request.protocol_type = view_text("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    response = rig_ask(rig.at, KP_JOIN_GROUP_KEY, 9, &request);
    assert_non_null(response);
    old->error = response->error_code;
    old->generation = response->generation_id;
    (void)snprintf(old->id, sizeof(old->id), "%.*s", (int)response->member_id.len,
                   (const char *)response->member_id.base);
}

static void old_join(struct old *old)
{
    old_join_once(old);
    if (old->error == KP_ERR_MEMBER_ID_REQUIRED) {
        old_join_once(old);
    }
    assert_int_equal(old->error, 0);
}

/* leads: assigns all to itself. */
static void old_sync(struct old *old, bool leads)
{
    struct kp_sync_group_request_assignments plan = {.member_id = view_text(old->id), .assignment = assignment(0xff)};
    struct kp_sync_group_request             request;
    const struct kp_sync_group_response     *response;

    kp_sync_group_request_init(&request);
    request.group_id = view_text(GROUP);
    request.member_id = view_text(old->id);
    request.generation_id = old->generation;
    request.protocol_type = view_text("consumer");
    request.protocol_name = view_text("cooperative-sticky");
    request.assignments = &plan;
    request.assignments_count = leads ? 1 : 0;
    response = rig_ask(rig.at, KP_SYNC_GROUP_KEY, 5, &request);
    assert_non_null(response);
    old->error = response->error_code;
    if (old->error == 0) {
        old->owned = read_assignment(response->assignment);
    }
}

/* Until a heartbeat says that all is well. */
static void old_follow(struct old *old)
{
    for (int i = 0; i < 6 && heartbeat(old->id, NULL, old->generation) == KP_ERR_REBALANCE_IN_PROGRESS; i++) {
        old_join(old);
        old_sync(old, false);
        assert_true(old->error == 0 || old->error == KP_ERR_REBALANCE_IN_PROGRESS);
    }
}

static void a_classic_group_goes_over_and_back(void **state)
{
    struct old    old = {.id = ""};
    struct member a = {.id = "a"};

    MAYBE(state == NULL);
    old_join(&old);
    old_sync(&old, true);
    assert_int_equal(old.owned, 0xff);
    assert_string_equal(describe(GROUP), "Stable/1");
    assert_int_equal(commit_offset(GROUP, old.id, old.generation, 3, 33, NULL), 0);

    follow(&a);
    assert_int_equal(a.told, 0); /* the other one has them */
    assert_string_equal(look(), "Reconciling/2");
    assert_int_equal(fetch_offset(GROUP, 3, false), 33);
    assert_int_equal(commit_offset(GROUP, old.id, old.generation, 3, 34, NULL), 0);
    assert_int_equal(heartbeat(old.id, NULL, old.generation), KP_ERR_REBALANCE_IN_PROGRESS);
    old_follow(&old);
    follow(&a);
    assert_int_equal(old.owned & a.owned, 0);
    assert_int_equal(old.owned | a.owned, 0xff);
    assert_string_equal(look(), "Stable/2");
    assert_int_equal(heartbeat(old.id, NULL, old.generation), 0);
    assert_int_equal(heartbeat(old.id, NULL, old.generation - 1), KP_ERR_ILLEGAL_GENERATION);
    assert_int_equal(heartbeat("nobody", NULL, 1), KP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(heartbeat("a", NULL, a.epoch), KP_ERR_UNKNOWN_MEMBER_ID);
    group_rig_again(true);
    assert_string_equal(look(), "Stable/2");
    assert_int_equal(heartbeat(old.id, NULL, old.generation), 0);

    assert_int_equal(depart(&a), 0); /* the last one of the consumer protocol */
    assert_string_equal(look(), "-69");
    assert_int_equal(heartbeat(old.id, NULL, old.generation), KP_ERR_REBALANCE_IN_PROGRESS);
    old_join(&old);
    old_sync(&old, true);
    assert_int_equal(old.owned, 0xff);
    assert_string_equal(describe(GROUP), "Stable/1");
    assert_int_equal(fetch_offset(GROUP, 3, false), 34);
    group_rig_again(false);
    assert_string_equal(describe(GROUP), "Stable/1");
    assert_int_equal(heartbeat(old.id, NULL, old.generation), 0);
}

static void a_classic_member_joins_a_consumer_group(void **state)
{
    struct old    old = {.id = ""};
    struct member a = {.id = "a"};
    struct joined other;

    MAYBE(state == NULL);
    follow(&a);
    join(&other, &(struct joining){.type = "connect"});
    assert_int_equal(other.error, KP_ERR_INCONSISTENT_GROUP_PROTOCOL);
    join(&other, &(struct joining){.member_id = "x", .metadata = "?"});
    assert_int_equal(other.error, KP_ERR_INCONSISTENT_GROUP_PROTOCOL);
    old_join(&old);
    old_sync(&old, false);
    assert_int_equal(old.error, 0);
    assert_int_equal(old.owned, 0);
    follow(&a);
    follow(&a);
    old_follow(&old);
    assert_int_equal(old.owned | a.owned, 0xff);
    assert_int_equal(old.owned & a.owned, 0);
    assert_int_equal(leave(old.id, NULL), 0);
    assert_int_equal(leave(old.id, NULL), KP_ERR_UNKNOWN_MEMBER_ID);
    follow(&a);
    assert_int_equal(a.owned, 0xff);

    /* One that never asks for its assignment goes when its time is over. */
    (void)snprintf(old.id, sizeof(old.id), "%s", "");
    old.owned = 0;
    old_join(&old);
    for (int i = 0; i < 4; i++) {
        rig_run(&rig.broker, 9 * NS_PER_S);
        follow(&a);
        MAYBE(heartbeat(old.id, NULL, old.generation));
    }
    assert_int_equal(heartbeat(old.id, NULL, old.generation), KP_ERR_UNKNOWN_MEMBER_ID);
}

static void an_empty_group_takes_either_protocol(void **state)
{
    struct old    old = {.id = ""};
    struct member a = {.id = "a"};

    MAYBE(state == NULL);
    old_join(&old);
    old_sync(&old, true);
    assert_int_equal(leave(old.id, NULL), 0);
    follow(&a);
    assert_int_equal(a.owned, 0xff);
    assert_int_equal(depart(&a), 0);
    (void)snprintf(old.id, sizeof(old.id), "%s", "");
    old_join(&old);
    old_sync(&old, true);
    assert_string_equal(describe(GROUP), "Stable/1");
    assert_int_equal(leave(old.id, NULL), 0);
    a.epoch = 0;
    follow(&a);
    group_rig_again(true);
    assert_string_equal(look(), "Stable/1");
    follow(&a);
}

static void no_migration_where_it_is_disabled(void **state)
{
    struct old    old = {.id = ""};
    struct member a = {.id = "a"};

    MAYBE(state == NULL);
    old_join(&old);
    old_sync(&old, true);
    beat(&a);
    assert_int_equal(a.error, KP_ERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(heartbeat(old.id, NULL, old.generation), 0);
    assert_string_equal(describe(GROUP), "Stable/1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_share_and_survive_a_restart, start_three, end),
        cmocka_unit_test_setup_teardown(strangers_are_refused, start_one, end),
        cmocka_unit_test_setup_teardown(commits_are_fenced_by_epoch, start_one, end),
        cmocka_unit_test_setup_teardown(groups_are_deleted_when_empty, start_three, end),
        cmocka_unit_test_setup_teardown(a_classic_group_goes_over_and_back, start_one, end),
        cmocka_unit_test_setup_teardown(a_classic_member_joins_a_consumer_group, start_three, end),
        cmocka_unit_test_setup_teardown(an_empty_group_takes_either_protocol, start_one, end),
        cmocka_unit_test_setup_teardown(no_migration_where_it_is_disabled, start_without_migration, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
