/* Sources: which records of which partitions become which rows, and from where a run goes on. */
#include "tests/unit/job/worker_rig.h"

#include <stdio.h>

#define TABLES                                                                                            \
    "CREATE TABLE s (a STRING, b BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', " \
    "'scan.startup.mode' = 'earliest-offset'%s);"                                                         \
    "CREATE TABLE o (a STRING, b BIGINT) WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');" \
    "INSERT INTO o SELECT a, b FROM s;"

static int setup(void **state UNUSED)
{
    wr_create(2, 1);
    assert_int_equal(rig_create_topic(0, "t", 1), 0);
    return 0;
}

static int teardown(void **state UNUSED)
{
    wr_destroy();
    return 0;
}

/* The copying job with more options for its source. */
static void plan_copy(const char *options)
{
    char script[2048];

    (void)snprintf(script, sizeof(script), TABLES, options);
    wr_plan(script);
}

/* A job that takes the numbers alone, between where the options say. */
static void plan_numbers(const char *options)
{
    char script[2048];

    (void)snprintf(script, sizeof(script),
                   "CREATE TABLE s (b BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', %s);"
                   "CREATE TABLE o (b BIGINT) WITH ('connector' = 'blackhole');"
                   "INSERT INTO o SELECT b FROM s;",
                   options);
    wr_plan(script);
}

/* {"a":"x<i>","b":<i>} as a batch each. */
static void put(const char *topic, int32_t partition, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "{\"a\":\"x%d\",\"b\":%d}", i, i);
        (void)wr_value(topic, partition, text);
    }
}

static void copies_what_is_there_and_what_comes(void **state UNUSED)
{
    put("t", 0, 0, 3);
    plan_copy("");
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    assert_string_equal(wr_committed(), "0 +I x0, 0\n0 +I x1, 1\n0 +I x2, 2\n");
    put("t", 0, 3, 5);
    wr_settle();
    assert_true(wr_epoch());
    assert_string_equal(wr_committed(), "0 +I x0, 0\n0 +I x1, 1\n0 +I x2, 2\n0 +I x3, 3\n0 +I x4, 4\n");
    assert_int_equal(wr.from.source_count, 1);
    assert_int_equal(wr.from.sources[0].next_offset, 5);
}

static void goes_on_behind_the_commit(void **state UNUSED)
{
    put("t", 0, 0, 3);
    plan_copy("");
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    put("t", 0, 3, 5);
    wr_settle();
    assert_int_equal(wr_row_count(), 5);
    wr_stop(); /* the last two are not committed */
    assert_int_equal(wr_row_count(), 3);
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    assert_string_equal(wr_committed(), "0 +I x0, 0\n0 +I x1, 1\n0 +I x2, 2\n0 +I x3, 3\n0 +I x4, 4\n");
}

static void begins_at_the_end(void **state UNUSED)
{
    put("t", 0, 0, 3);
    plan_numbers("'scan.startup.mode' = 'latest-offset'");
    assert_true(wr_start());
    put("t", 0, 3, 4);
    wr_settle();
    assert_true(wr_epoch());
    assert_string_equal(wr_committed(), "0 +I 3\n");
}

static void begins_and_ends_at_offsets(void **state UNUSED)
{
    put("t", 0, 0, 9);
    plan_numbers("'scan.startup.mode' = 'specific-offsets', "
                 "'scan.startup.specific-offsets' = 'partition:0,offset:4', "
                 "'scan.bounded.mode' = 'specific-offsets', "
                 "'scan.bounded.specific-offsets' = 'partition:0,offset:6'");
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I 4\n0 +I 5\n");
    assert_int_equal(wr.ended, 2); /* both workers: one has nothing */
    assert_true(wr.from.sources[0].ended);
}

static void begins_and_ends_at_timestamps(void **state UNUSED)
{
    for (int i = 0; i < 6; i++) {
        char             text[32];
        struct wr_record record = {.value = text, .timestamp_ms = 1000 + i * 100};

        (void)snprintf(text, sizeof(text), "{\"b\":%d}", i);
        (void)wr_append("t", 0, &record, 1, NULL);
    }
    plan_numbers("'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '1150', "
                 "'scan.bounded.mode' = 'timestamp', 'scan.bounded.timestamp-millis' = '1400'");
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I 2\n0 +I 3\n");
}

/* The end is decided once: what comes later is not read, also not by a later run. */
static void a_bounded_scan_keeps_its_end(void **state UNUSED)
{
    put("t", 0, 0, 3);
    plan_copy(", 'scan.bounded.mode' = 'latest-offset'");
    wr.full = true; /* nothing is read yet */
    assert_true(wr_start());
    put("t", 0, 3, 5);
    wr_room();
    assert_true(wr_epoch());
    wr_stop();
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I x0, 0\n0 +I x1, 1\n0 +I x2, 2\n");
    wr_stop();
    assert_true(wr_start()); /* all is through */
    assert_true(wr_finish());
    assert_int_equal(wr_row_count(), 3);
}

static void many_partitions_and_topics(void **state UNUSED)
{
    assert_int_equal(rig_create_topic(0, "u", 4), 0);
    put("t", 0, 0, 2);
    for (int i = 0; i < 4; i++) {
        put("u", i, 10 * (i + 1), 10 * (i + 1) + 1);
    }
    wr_plan("CREATE TABLE s (a STRING, b BIGINT, p INT METADATA FROM 'partition' VIRTUAL, "
            "t STRING METADATA FROM 'topic' VIRTUAL) WITH ('connector' = 'kafka', 'topic' = 't;u', 'format' = 'json', "
            "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');"
            "CREATE TABLE o (b BIGINT, p INT, t STRING) WITH ('connector' = 'blackhole');"
            "INSERT INTO o SELECT b, p, t FROM s;");
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(),
                        "0 +I 0, 0, t\n0 +I 1, 0, t\n0 +I 10, 0, u\n0 +I 20, 1, u\n0 +I 30, 2, u\n0 +I 40, 3, u\n");
}

/* From the disk, a few at a time, one after the other. */
static void cold_partitions_take_turns(void **state UNUSED)
{
    static struct wr_record records[600];
    static char             texts[600][200];
    char                    wanted[64];

    assert_int_equal(rig_create_topic(0, "u", 40), 0);
    for (int i = 0; i < 600; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "{\"a\":\"%0150d\",\"b\":%d}", i, i);
        records[i] = (struct wr_record){.value = texts[i], .timestamp_ms = i};
    }
    for (int32_t i = 0; i < 40; i++) {
        (void)wr_append("u", i, records, COUNT_OF(records), NULL);
        (void)wr_append("u", i, records, COUNT_OF(records), NULL);
    }
    wr_plan("CREATE TABLE s (a STRING, b BIGINT) WITH ('connector' = 'kafka', 'topic' = 'u', 'format' = 'json', "
            "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');"
            "CREATE TABLE o (n BIGINT, s BIGINT) WITH ('connector' = 'blackhole');"
            "INSERT INTO o SELECT COUNT(*), SUM(b) FROM s;");
    wr_restart();
    wr.flush_interval_ms = 1000000;
    assert_true(wr_start());
    assert_true(wr_finish());
    (void)snprintf(wanted, sizeof(wanted), " %d, %d\n", 40 * 1200, 40 * 2 * (599 * 600 / 2));
    assert_non_null(strstr(wr_committed(), wanted)); /* the last of the changes */
}

static void metadata_of_records(void **state UNUSED)
{
    const struct wr_record records[] = {{.value = "{\"b\":7}", .timestamp_ms = 1500},
                                        {.value = NULL, .timestamp_ms = 1600},
                                        {.value = "{\"b\":8}", .timestamp_ms = 1700}};

    (void)wr_append("t", 0, records, COUNT_OF(records), &(struct wr_batch){.codec = REC_ZSTD, .producer_id = -1});
    wr_plan("CREATE TABLE s (b BIGINT, o BIGINT METADATA FROM 'offset' VIRTUAL, ts TIMESTAMP(3) METADATA FROM "
            "'timestamp', k STRING METADATA FROM 'timestamp-type' VIRTUAL, e INT METADATA FROM 'leader-epoch' VIRTUAL) "
            "WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', "
            "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');"
            "CREATE TABLE o (b BIGINT, o BIGINT, ts TIMESTAMP(3), k STRING, e INT) WITH ('connector' = 'blackhole');"
            "INSERT INTO o SELECT * FROM s;");
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I 7, 0, 1970-01-01T00:00:01.500, CreateTime, 0\n"
                                        "0 +I 8, 2, 1970-01-01T00:00:01.700, CreateTime, 0\n");
}

static void keys_of_records(void **state UNUSED)
{
    const struct wr_record records[] = {{.key = "{\"k\":\"one\"}", .value = "{\"b\":1}"},
                                        {.key = NULL, .value = "{\"b\":2}"},
                                        {.key = "{\"k\":\"three\"}", .value = "{\"b\":3}"},
                                        {.key = "{\"k\":\"four\"}", .value = NULL},
                                        {.key = "{\"k\":\"five\"}", .value = "[{\"b\":5},{\"b\":6}]"}};

    (void)wr_append("t", 0, records, COUNT_OF(records), NULL);
    wr_plan("CREATE TABLE s (b BIGINT, k STRING) WITH ('connector' = 'kafka', 'topic' = 't', 'value.format' = 'json', "
            "'key.format' = 'json', 'key.fields' = 'k', 'value.fields-include' = 'EXCEPT_KEY', "
            "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');"
            "CREATE TABLE o (k STRING, b BIGINT) WITH ('connector' = 'blackhole');"
            "INSERT INTO o SELECT k, b FROM s;");
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I five, 5\n0 +I five, 6\n0 +I one, 1\n0 +I three, 3\n");
}

/* More than a vector, in batches of every codec, and of more records than a pull takes. */
static void long_and_compressed_batches(void **state UNUSED)
{
    static struct wr_record records[5000];
    static char             texts[5000][24];
    const enum rec_codec    codecs[] = {REC_NONE, REC_GZIP, REC_SNAPPY, REC_LZ4, REC_ZSTD};
    int64_t                 sum = 0;
    char                    wanted[64];

    for (int i = 0; i < 5000; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "{\"b\":%d}", i);
        records[i] = (struct wr_record){.value = texts[i], .timestamp_ms = i};
        sum += i;
    }
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        (void)wr_append("t", 0, records, 5000, &(struct wr_batch){.codec = codecs[i], .producer_id = -1});
        (void)wr_append("t", 0, records, 3, &(struct wr_batch){.codec = codecs[i], .producer_id = -1});
    }
    wr_plan("CREATE TABLE s (b BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', "
            "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');"
            "CREATE TABLE o (n BIGINT, s BIGINT) WITH ('connector' = 'blackhole');"
            "INSERT INTO o SELECT COUNT(*), SUM(b) FROM s;");
    wr.flush_interval_ms = 1000000;
    assert_true(wr_start());
    assert_true(wr_finish());
    (void)snprintf(wanted, sizeof(wanted), "0 +I %d, %" PRId64 "\n", 5 * 5003, 5 * (sum + 3));
    assert_non_null(strstr(wr_committed(), "25015"));
    assert_string_equal(wr_committed(), wanted);
}

static void put_transaction(int64_t producer_id, int sequence, int value)
{
    char             text[32];
    struct wr_record record = {.value = text, .timestamp_ms = 1000};

    (void)snprintf(text, sizeof(text), "{\"a\":\"t\",\"b\":%d}", value);
    (void)wr_append("t", 0, &record, 1,
                    &(struct wr_batch){.producer_id = producer_id, .sequence = sequence, .transactional = true});
}

static void committed_data_only(void **state UNUSED)
{
    put("t", 0, 0, 1);
    put_transaction(500, 0, 100);
    put_transaction(501, 0, 200);
    put("t", 0, 1, 2);
    wr_marker("t", 0, 500, 0, false);
    put_transaction(500, 1, 101);
    wr_marker("t", 0, 501, 0, true);
    wr_marker("t", 0, 500, 0, true);
    put_transaction(501, 1, 201); /* stays open: what follows waits */
    put("t", 0, 2, 3);
    plan_copy(", 'properties.isolation.level' = 'read_committed'");
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    assert_string_equal(wr_committed(), "0 +I t, 101\n0 +I t, 200\n0 +I x0, 0\n0 +I x1, 1\n");
    wr_marker("t", 0, 501, 0, false);
    wr_settle();
    assert_true(wr_epoch());
    assert_string_equal(wr_committed(), "0 +I t, 101\n0 +I t, 200\n0 +I x0, 0\n0 +I x1, 1\n0 +I x2, 2\n");
}

static void uncommitted_data_too(void **state UNUSED)
{
    put_transaction(500, 0, 100);
    wr_marker("t", 0, 500, 0, false);
    put("t", 0, 0, 1);
    plan_copy("");
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    assert_string_equal(wr_committed(), "0 +I t, 100\n0 +I x0, 0\n");
    assert_int_equal(wr.from.sources[0].next_offset, 3);
}

static void a_poisoned_record_is_named(void **state UNUSED)
{
    put("t", 0, 0, 2);
    (void)wr_value("t", 0, "{\"a\":\"x\",\"b\":tru}");
    plan_copy("");
    (void)wr_start();
    wr_until_failure();
    assert_non_null(strstr(wr.failure, "topic t, partition 0, offset 2: "));
}

static void a_deleted_topic_is_named(void **state UNUSED)
{
    put("t", 0, 0, 2);
    plan_copy("");
    assert_true(wr_start());
    wr_settle();
    assert_int_equal(rig_delete_topic(0, "t"), 0);
    wr_until_failure();
    assert_string_equal(wr.failure, "topic t, partition 0, offset 2: the topic has been deleted");
    wr_stop();
    assert_false(wr_start());
    assert_string_equal(wr.failure, "topic 't' of table 's' does not exist");
}

static void a_topic_made_anew_is_another(void **state UNUSED)
{
    put("t", 0, 0, 2);
    plan_copy("");
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    wr_stop();
    assert_int_equal(rig_delete_topic(0, "t"), 0);
    assert_int_equal(rig_create_topic(0, "t", 1), 0);
    assert_false(wr_start());
    assert_string_equal(wr.failure, "topic 't' of table 's' was deleted and made anew since the last commit");
}

struct trim {
    bool done;
};

static void trimmed(void *context, int16_t error)
{
    assert_int_equal(error, 0);
    ((struct trim *)context)->done = true;
}

static bool is_trimmed(void *context)
{
    return ((struct trim *)context)->done;
}

static void what_retention_took_is_named(void **state UNUSED)
{
    struct trim trim = {0};

    put("t", 0, 0, 2);
    plan_copy("");
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    wr_stop();
    put("t", 0, 2, 6);
    part_delete_records(rig_part("t", 0), 4, trimmed, &trim);
    rig_until(is_trimmed, &trim);
    assert_false(wr_start());
    assert_string_equal(
        wr.failure, "topic t, partition 0, offset 2: the offset is gone: retention has removed what was not read yet");
}

/* Retention leaves what is not committed, and takes it afterwards. */
static void what_is_not_committed_is_kept(void **state UNUSED)
{
    static char              texts[100][11000];
    struct wr_record         record;
    struct meta_alter_entry  entries[] = {{.name = view_text("segment.bytes"), .value = view_text("1048576")},
                                          {.name = view_text("retention.ms"), .value = view_text("-1")},
                                          {.name = view_text("retention.bytes"), .value = view_text("1")}};
    struct meta_alter_config alter = {
        .resource_type = 2, .resource_name = view_text("t"), .entries = entries, .entry_count = COUNT_OF(entries)};

    assert_int_equal(rig_alter(0, &alter), 0);
    plan_copy("");
    wr.full = true; /* nothing is read */
    assert_true(wr_start());
    for (int i = 0; i < 400; i++) {
        (void)snprintf(texts[i % 100], sizeof(texts[0]), "{\"a\":\"%010000d\",\"b\":%d}", i, i);
        record = (struct wr_record){.value = texts[i % 100], .timestamp_ms = 1};
        (void)wr_append("t", 0, &record, 1, NULL);
    }
    for (uint32_t i = 0; i < rig.shard_count; i++) {
        store_set_retention_check_ms(rig.shards[i].store, 100);
    }
    wr_pass(5 * NS_PER_S);
    assert_int_equal(part_log_start(rig_part("t", 0)), 0);
    wr_room();
    wr_settle();
    assert_int_equal(wr_row_count(), 400);
    wr_pass(5 * NS_PER_S);
    assert_int_equal(part_log_start(rig_part("t", 0)), 0);
    assert_true(wr_epoch());
    wr_pass(5 * NS_PER_S);
    assert_true(part_log_start(rig_part("t", 0)) > 0);
}

static void new_partitions_are_read_from_their_beginning(void **state UNUSED)
{
    struct meta_add_partitions more = {.name = view_text("t"), .total_count = 3};

    put("t", 0, 0, 1);
    plan_copy("");
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    assert_int_equal(rig_add_partitions(0, &more), 0);
    put("t", 1, 10, 11);
    put("t", 2, 20, 21);
    while (wr_epoch() && wr.failure[0] == '\0') {
        wr_settle();
    }
    assert_non_null(strstr(wr.failure, "topic 't' has new partitions"));
    wr_stop();
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    assert_string_equal(wr_committed(), "0 +I x0, 0\n0 +I x10, 10\n0 +I x20, 20\n");
}

static void assert_refused(const char *options, const char *wanted)
{
    char script[2048], message[JOB_MESSAGE_BYTES] = "";

    (void)snprintf(
        script, sizeof(script),
        "CREATE TEMPORARY TABLE r (b BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'%s);"
        "CREATE TABLE IF NOT EXISTS h (b BIGINT) WITH ('connector' = 'blackhole');"
        "INSERT INTO h SELECT b FROM r;",
        options);
    wr_plan(script);
    assert_int_equal(job__source_check(&wr.plan->sources[0], message, sizeof(message)), wanted == NULL);
    if (wanted != NULL) {
        assert_non_null(strstr(message, wanted));
    }
    wr_plan("DROP TEMPORARY TABLE r; INSERT INTO h VALUES (1);");
}

static void options_are_checked_at_submit(void **state UNUSED)
{
    assert_refused("", "'properties.group.id' is required");
    assert_refused(", 'properties.group.id' = 'g'", NULL);
    assert_refused(", 'scan.startup.mode' = 'earliest-offset'", NULL);
    assert_refused(", 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'group-offsets'",
                   "'properties.group.id' is required");
    assert_refused(", 'scan.startup.mode' = 'timestamp'", "needs its 'timestamp-millis'");
    assert_refused(", 'scan.startup.mode' = 'specific-offsets'", "has to be of the form");
    assert_refused(", 'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = 'partition:0'",
                   "has to be of the form");
    assert_refused(", 'scan.startup.mode' = 'earliest-offset', 'properties.isolation.level' = 'snapshot'",
                   "'properties.isolation.level' cannot be 'snapshot'");
    assert_refused(", 'properties.group.id' = 'g', 'properties.auto.offset.reset' = 'middle'",
                   "'properties.auto.offset.reset' cannot be 'middle'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(copies_what_is_there_and_what_comes),
        TEST(goes_on_behind_the_commit),
        TEST(begins_at_the_end),
        TEST(begins_and_ends_at_offsets),
        TEST(begins_and_ends_at_timestamps),
        TEST(a_bounded_scan_keeps_its_end),
        TEST(many_partitions_and_topics),
        TEST(cold_partitions_take_turns),
        TEST(metadata_of_records),
        TEST(keys_of_records),
        TEST(long_and_compressed_batches),
        TEST(committed_data_only),
        TEST(uncommitted_data_too),
        TEST(a_poisoned_record_is_named),
        TEST(a_deleted_topic_is_named),
        TEST(a_topic_made_anew_is_another),
        TEST(what_retention_took_is_named),
        TEST(what_is_not_committed_is_kept),
        TEST(new_partitions_are_read_from_their_beginning),
        TEST(options_are_checked_at_submit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
