/* State in the job log: a run goes on where the newest commit left it, whatever else was written. */
#include "tests/unit/job/worker_rig.h"

#include <stdio.h>

#define JOB_LOG "__millrace_job_1"
#define COUNTS                                                                                            \
    "CREATE TABLE s (a STRING, b BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', " \
    "'scan.startup.mode' = 'earliest-offset');"                                                           \
    "CREATE TABLE o (a STRING PRIMARY KEY NOT ENFORCED, n BIGINT) WITH ('connector' = 'upsert-kafka', "   \
    "'topic' = 'o', 'key.format' = 'json', 'value.format' = 'json');"                                     \
    "INSERT INTO o SELECT a, COUNT(*) FROM s GROUP BY a;"

static int setup(void **state UNUSED)
{
    wr_create(2, 2);
    assert_int_equal(rig_create_topic(0, "t", 2), 0);
    wr_plan(COUNTS);
    return 0;
}

static int teardown(void **state UNUSED)
{
    wr_destroy();
    return 0;
}

static void put(const char *key, int count)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"a\":\"%s\",\"b\":1}", key);
    for (int i = 0; i < count; i++) {
        (void)wr_value("t", i % 2, text);
    }
}

static void begin(void)
{
    if (!wr_start()) {
        fail_msg("%s", wr.failure);
    }
}

static void settle_and_commit(void)
{
    wr_settle();
    if (!wr_epoch()) {
        fail_msg("%s", wr.failure);
    }
}

static void counts_go_on(void **state UNUSED)
{
    begin();
    put("x", 5);
    put("y", 2);
    settle_and_commit();
    assert_int_equal(wr_fold("x"), 5);
    wr_stop();
    put("x", 1);
    begin();
    settle_and_commit();
    assert_int_equal(wr_fold("x"), 6);
    assert_int_equal(wr_fold("y"), 2);
    wr_stop();
    begin(); /* an epoch in which nothing happened, from two ranges */
    settle_and_commit();
    put("y", 1);
    settle_and_commit();
    assert_int_equal(wr_fold("x"), 6);
    assert_int_equal(wr_fold("y"), 3);
}

/* Saved, durable and never committed: it stands in the log, between two ranges. */
static void what_was_not_committed_does_not_count(void **state UNUSED)
{
    begin();
    put("x", 3);
    settle_and_commit();
    put("x", 2);
    wr_settle();
    assert_true(wr_reach());
    wr_stop();
    begin();
    settle_and_commit();
    assert_int_equal(wr_fold("x"), 5);
    put("x", 1);
    settle_and_commit();
    wr_stop();
    begin();
    put("x", 1);
    settle_and_commit();
    assert_int_equal(wr_fold("x"), 7);
}

static void a_snapshot_cuts_the_log(void **state UNUSED)
{
    bool cut = false;

    wr.snapshot_bytes = 400;
    begin();
    for (int i = 0; i < 20; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "k%d", i % 5);
        put(key, 2);
        settle_and_commit();
    }
    wr_settle();
    for (int i = 0; i < 2; i++) {
        cut = cut || part_log_start(rig_part(JOB_LOG, i)) > 0;
    }
    assert_true(cut);
    assert_true(wr.from.state_count < 40);
    wr_stop();
    put("k0", 1);
    begin();
    settle_and_commit();
    assert_int_equal(wr_fold("k0"), 9);
    assert_int_equal(wr_fold("k4"), 8);
}

#define MANY 1700

static void put_many(void)
{
    static struct wr_record records[MANY];
    static char             texts[MANY][40];

    for (int i = 0; i < MANY; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "{\"a\":\"m%d\",\"b\":1}", i);
        records[i] = (struct wr_record){.value = texts[i], .timestamp_ms = 1};
    }
    (void)wr_append("t", 0, records, MANY, NULL);
}

/* More than a save takes at a time; stopped in the middle of one, too. */
static void many_keys_are_saved_in_pieces(void **state UNUSED)
{
    begin();
    for (int i = 0; i < 3; i++) {
        put_many();
        wr_settle();
        wr_ask_barrier();
        wr_pass(i * 100 * NS_PER_US);
        wr_stop();
        begin();
        settle_and_commit();
        wr_stop();
        begin();
    }
    put_many();
    settle_and_commit();
    assert_int_equal(wr_fold("m0"), 4);
    assert_int_equal(wr_fold("m1699"), 4);
}

static struct job_state_range *some_range(void)
{
    assert_true(wr.from.state_count > 0);
    return &wr.from.states[0];
}

static void a_log_that_is_too_short_stops_the_job(void **state UNUSED)
{
    begin();
    put("x", 4);
    settle_and_commit();
    wr_stop();
    some_range()->end += 5;
    assert_false(wr_start());
    assert_non_null(strstr(wr.failure, "the commit names records"));
}

static void a_record_that_is_none_of_ours_stops_the_job(void **state UNUSED)
{
    struct job_state_range *range;

    begin();
    put("x", 4);
    settle_and_commit();
    wr_stop();
    range = some_range();
    (void)wr_append(JOB_LOG, (int32_t)range->worker, &(struct wr_record){.key = "key", .value = "value"}, 1, NULL);
    range->end = part_log_end(rig_part(JOB_LOG, (int32_t)range->worker));
    assert_false(wr_start());
    assert_non_null(strstr(wr.failure, "no record of this release's form"));
}

static void damaged_state_stops_the_job(void **state UNUSED)
{
    struct job_state_range *range;

    begin();
    put("x", 4);
    settle_and_commit();
    wr_stop();
    range = some_range();
    (void)wr_append(JOB_LOG, (int32_t)range->worker,
                    &(struct wr_record){.key = "\001\377\377\001\001\001\001\001\001\001", .value = "value"}, 1, NULL);
    range->end = part_log_end(rig_part(JOB_LOG, (int32_t)range->worker));
    assert_false(wr_start());
    assert_non_null(strstr(wr.failure, "job log, partition"));
}

static void a_lost_log_stops_the_job(void **state UNUSED)
{
    begin();
    put("x", 4);
    settle_and_commit();
    assert_int_equal(rig_delete_topic(0, JOB_LOG), 0);
    put("x", 1);
    wr_settle();
    assert_false(wr_reach());
    assert_non_null(strstr(wr.failure, "of the job log is gone"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(counts_go_on),
        TEST(what_was_not_committed_does_not_count),
        TEST(a_snapshot_cuts_the_log),
        TEST(many_keys_are_saved_in_pieces),
        TEST(a_log_that_is_too_short_stops_the_job),
        TEST(a_record_that_is_none_of_ours_stops_the_job),
        TEST(damaged_state_stops_the_job),
        TEST(a_lost_log_stops_the_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
