/* Feeds: two tables over one topic are decoded once when their formats and fields are equal, and give the same rows as
 * when they are not. Tests job_feed.c, job_feed_decode.c, job_feed_read.c and job_feed_shape.c. */
#include "core/base/prng.h"
#include "tests/unit/job/worker_rig.h"

#include <stdio.h>

#define FIELDS  "a STRING, b BIGINT, r ROW<x BIGINT, y STRING, l ARRAY<ROW<p BIGINT, q STRING>>>"
#define EARLY   "'scan.startup.mode' = 'earliest-offset'"
#define LATEST  ", 'scan.bounded.mode' = 'latest-offset'"
#define JSON    EARLY ", 'format' = 'json'"
#define BOUNDED JSON LATEST
/* Means the same for these records, and is another format. */
#define OTHER ", 'json.timestamp-format.standard' = 'ISO-8601'"

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

/* Records of the run, those of them that were decoded for somebody else. */
static uint64_t count_records(bool only_shared)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < rig.shard_count; i++) {
        const struct job_sources *sources = wr.workers[i]->sources;

        count += sources == NULL ? 0 : only_shared ? sources->records_shared : sources->records_in;
    }
    return count;
}

static uint64_t shared(void)
{
    return count_records(true);
}

static void put_many(int from, int to, enum rec_codec codec)
{
    static struct wr_record records[512];
    static char             texts[512][160];

    for (int i = from; i < to; i++) {
        (void)snprintf(texts[i - from], sizeof(texts[0]),
                       "{\"a\":\"text number %d\",\"b\":%d,\"r\":{\"x\":%d,\"y\":\"y%d\","
                       "\"l\":[{\"p\":%d,\"q\":\"a\"},{\"p\":7,\"q\":\"another one\"}]}}",
                       i, i, i * 2, i, i * 3);
        records[i - from] = (struct wr_record){.value = texts[i - from], .timestamp_ms = i};
    }
    (void)wr_append("t", 0, records, (size_t)(to - from), &(struct wr_batch){.codec = codec, .producer_id = -1});
}

/* Tables s and s2 with options of their own, and what o and o2 get of them. */
static void plan_two(const char *fields, const char *options, const char *options2, const char *inserts)
{
    char script[4096];

    (void)snprintf(script, sizeof(script),
                   "CREATE TABLE s (%s) WITH ('connector' = 'kafka', 'topic' = 't', %s);"
                   "CREATE TABLE s2 (%s) WITH ('connector' = 'kafka', 'topic' = 't', %s);%s",
                   fields, options, fields, options2, inserts);
    wr_plan(script);
}

#define COUNTS                                                                               \
    "CREATE TABLE o (n BIGINT, s BIGINT) WITH ('connector' = 'blackhole');"                  \
    "CREATE TABLE o2 (n BIGINT, s BIGINT, t STRING) WITH ('connector' = 'blackhole');"       \
    "EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT COUNT(*), SUM(b) FROM s WHERE b >= 0;" \
    "INSERT INTO o2 SELECT COUNT(*), SUM(r.x), MAX(a) FROM s2; END;"

static void one_decode_for_two(void **state UNUSED)
{
    for (int i = 0; i < 10; i++) {
        put_many(i * 300, (i + 1) * 300, i % 2 == 0 ? REC_NONE : REC_LZ4);
    }
    plan_two(FIELDS, BOUNDED, BOUNDED, COUNTS);
    wr.flush_interval_ms = 1000000;
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I 3000, 4498500\n1 +I 3000, 8997000, text number 999\n");
    assert_int_equal(shared(), 3000);
    assert_int_equal(count_records(false), 6000);
    wr_stop();
    assert_null(wr.jobs[0].feeds);
    assert_null(wr.jobs[1].feeds);
}

static void other_formats_are_decoded_by_themselves(void **state UNUSED)
{
    put_many(0, 300, REC_NONE);
    plan_two(FIELDS, BOUNDED, BOUNDED OTHER, COUNTS);
    wr.flush_interval_ms = 1000000;
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I 300, 44850\n1 +I 300, 89700, text number 99\n");
    assert_int_equal(shared(), 0);
}

/* The end of one is not the other's, nor is what is wrong behind it. */
static void each_has_its_own_end(void **state UNUSED)
{
    put_many(0, 6, REC_NONE);
    (void)wr_value("t", 0, "{\"b\":tru}");
    plan_two(
        FIELDS,
        JSON ", 'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:0,offset:4'",
        JSON ", 'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:0,offset:6'",
        "CREATE TABLE o (b BIGINT) WITH ('connector' = 'blackhole');"
        "CREATE TABLE o2 (b BIGINT) WITH ('connector' = 'blackhole');"
        "EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT b FROM s; INSERT INTO o2 SELECT b FROM s2; END;");
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I 0\n0 +I 1\n0 +I 2\n0 +I 3\n1 +I 0\n1 +I 1\n1 +I 2\n1 +I 3\n"
                                        "1 +I 4\n1 +I 5\n");
}

static void a_poisoned_record_fails_as_alone(void **state UNUSED)
{
    put_many(0, 6, REC_NONE);
    (void)wr_value("t", 0, "{\"b\":tru}");
    plan_two(FIELDS, BOUNDED, BOUNDED, COUNTS);
    (void)wr_start();
    wr_until_failure();
    assert_non_null(strstr(wr.failure, "topic t, partition 0, offset 6: "));
    wr_stop();
    assert_null(wr.jobs[0].feeds);
}

/* A turn has time for 128 rows of a chunk that has many more: JSON arrays of ten rows each. */
static void long_chunks_are_cut(void **state UNUSED)
{
    static struct wr_record records[400];
    static char             texts[400][400];

    for (int i = 0; i < 400; i++) {
        int len = 0;

        for (int j = 0; j < 10; j++) {
            len += snprintf(texts[i] + len, sizeof(texts[i]) - (size_t)len, "%c{\"a\":\"text of row %d\",\"b\":%d}",
                            j == 0 ? '[' : ',', i, j);
        }
        (void)snprintf(texts[i] + len, sizeof(texts[i]) - (size_t)len, "]");
        records[i] = (struct wr_record){.value = texts[i], .timestamp_ms = i};
    }
    (void)wr_append("t", 0, records, 400, NULL);
    (void)wr_append("t", 0, records, 400, NULL);
    plan_two("a STRING, b BIGINT", BOUNDED, BOUNDED,
             "CREATE TABLE o (a STRING, n BIGINT, s BIGINT) WITH ('connector' = 'blackhole');"
             "CREATE TABLE o2 (n BIGINT, s BIGINT, d BIGINT) WITH ('connector' = 'blackhole');"
             "EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT MAX(a), COUNT(*), SUM(b) FROM s;"
             "INSERT INTO o2 SELECT COUNT(*), SUM(b), COUNT(DISTINCT a) FROM s2; END;");
    wr.flush_interval_ms = 1000000;
    wr.full = true;
    assert_true(wr_start());
    wr.workers[0]->row_ns = wr.workers[1]->row_ns = INT64_C(1) << 40;
    wr_room();
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I text of row 99, 8000, 36000\n1 +I 8000, 36000, 400\n");
    assert_int_equal(shared(), 800);
}

static void keys_and_places(void **state UNUSED)
{
    const struct wr_record records[] = {{.key = "{\"k\":\"one\"}", .value = "{\"b\":1}", .timestamp_ms = 1},
                                        {.key = NULL, .value = "{\"b\":2}", .timestamp_ms = 2},
                                        {.key = "{\"k\":\"three\"}", .value = "{\"b\":3}", .timestamp_ms = 3},
                                        {.key = "{\"k\":\"four\"}", .value = NULL, .timestamp_ms = 4},
                                        {.key = "{\"k\":\"five\"}", .value = "[{\"b\":5},{\"b\":6}]"}};
#define KEYED    \
    EARLY LATEST \
        ", 'value.format' = 'json', 'key.format' = 'json', 'key.fields' = 'k', 'value.fields-include' = 'EXCEPT_KEY'"

    (void)wr_append("t", 0, records, COUNT_OF(records), NULL);
    plan_two("b BIGINT, k STRING, f BIGINT METADATA FROM 'offset' VIRTUAL", KEYED, KEYED,
             "CREATE TABLE o (k STRING, f BIGINT) WITH ('connector' = 'blackhole');"
             "CREATE TABLE o2 (b BIGINT, k STRING) WITH ('connector' = 'blackhole');"
             "EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT k, f FROM s; INSERT INTO o2 SELECT b, k FROM s2; END;");
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_string_equal(wr_committed(), "0 +I five, 4\n0 +I five, 4\n0 +I one, 0\n0 +I three, 2\n"
                                        "1 +I 1, one\n1 +I 3, three\n1 +I 5, five\n1 +I 6, five\n");
    assert_int_equal(shared(), 5);
}

/* One begins in the middle: it meets the other at the end of the partition, if not before. */
static void they_meet_at_the_end(void **state UNUSED)
{
    put_many(0, 500, REC_NONE);
    plan_two(FIELDS, JSON,
             "'format' = 'json', 'scan.startup.mode' = 'specific-offsets', "
             "'scan.startup.specific-offsets' = 'partition:0,offset:333'",
             "CREATE TABLE o (n BIGINT, s BIGINT) WITH ('connector' = 'blackhole');"
             "CREATE TABLE o2 (n BIGINT, s BIGINT) WITH ('connector' = 'blackhole');"
             "EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT COUNT(*), SUM(b) FROM s;"
             "INSERT INTO o2 SELECT COUNT(*), SUM(b) FROM s2; END;");
    assert_true(wr_start());
    wr_settle();
    put_many(500, 600, REC_ZSTD);
    wr_settle();
    assert_true(shared() >= 100);
    assert_true(wr_epoch());
    assert_non_null(strstr(wr_committed(), "1 +U 267, 124422\n"));
}

/* More than is ever kept, at once. */
static void a_backlog_is_worked_off_together(void **state UNUSED)
{
    for (int i = 0; i < 180; i++) {
        put_many(0, 500, REC_NONE);
    }
    plan_two(FIELDS, BOUNDED, BOUNDED, COUNTS);
    wr.flush_interval_ms = 1000000;
    assert_true(wr_start());
    assert_true(wr_finish());
    assert_non_null(strstr(wr_committed(), " 90000, 22455000\n"));
    assert_non_null(strstr(wr_committed(), " 90000, 44910000, text number 99\n"));
    assert_true(shared() > 45000);
}

/* --- at random ------------------------------------------------------------------------------------------------------
 */

struct world {
    struct prng prng;
    int         next;
    int         sequence, open; /* of the transactional producer; records of its transaction */
};

static void put_random(struct world *world)
{
    static struct wr_record records[300];
    static char             texts[300][256];
    const enum rec_codec    codecs[] = {REC_NONE, REC_NONE, REC_LZ4, REC_ZSTD, REC_SNAPPY};
    size_t                  count = 1 + (size_t)prng_below(&world->prng, prng_below(&world->prng, 4) == 0 ? 300 : 8);
    bool                    transactional = prng_below(&world->prng, 3) == 0;

    for (size_t i = 0; i < count; i++, world->next++) {
        int n = world->next;

        (void)snprintf(texts[i], sizeof(texts[i]),
                       n % 11 == 0   ? "[{\"a\":\"long text in an array %d\",\"b\":%d},{\"b\":1}]"
                       : n % 13 == 0 ? "{\"b\":null,\"r\":{\"y\":\"why \\u00e4 %d\",\"x\":%d}}"
                                     : "{\"a\":\"%d\",\"b\":%d,\"r\":{\"l\":[{\"q\":\"q\"},null],\"x\":5}}",
                       n, n);
        records[i] = (struct wr_record){.value = n % 17 == 0 ? NULL : texts[i], .timestamp_ms = n};
    }
    (void)wr_append("t", 0, records, count,
                    &(struct wr_batch){.codec = codecs[prng_below(&world->prng, COUNT_OF(codecs))],
                                       .producer_id = transactional ? 700 : -1,
                                       .sequence = world->sequence,
                                       .transactional = transactional});
    if (transactional) {
        world->sequence += (int)count;
        world->open += (int)count;
    }
}

static void end_random(struct world *world)
{
    if (world->open > 0) {
        wr_marker("t", 0, 700, 0, prng_below(&world->prng, 2) == 0);
        world->open = 0;
    }
}

/* Rows of one run over a topic that the seed fills, with stops in between; NULL-terminated copy. */
static char *random_rows(uint64_t seed, const char *options, const char *options2, uint64_t *out_shared)
{
    struct world world = {.next = 1};
    char        *rows;

    prng_init(&world.prng, seed);
    wr_create(1 + (uint32_t)prng_below(&world.prng, 2), seed);
    assert_int_equal(rig_create_topic(0, "t", 1), 0);
    plan_two(FIELDS ", f BIGINT METADATA FROM 'offset' VIRTUAL", options, options2,
             "CREATE TABLE o (f BIGINT, a STRING, x BIGINT) WITH ('connector' = 'blackhole');"
             "CREATE TABLE o2 (b BIGINT, y STRING, l BIGINT, f BIGINT) WITH ('connector' = 'blackhole');"
             "EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT f, a, r.x FROM s WHERE b > 3 OR b IS NULL;"
             "INSERT INTO o2 SELECT b, r.y, CARDINALITY(r.l), f FROM s2; END;");
    *out_shared = 0;
    for (int round = 0; round < 12; round++) {
        assert_true(wr_start());
        for (int step = (int)prng_below(&world.prng, 6); step >= 0; step--) {
            put_random(&world);
            if (prng_below(&world.prng, 3) == 0) {
                end_random(&world);
            }
            if (prng_below(&world.prng, 2) == 0) {
                wr_pass((int64_t)prng_below(&world.prng, 400 * NS_PER_MS));
            }
            if (prng_below(&world.prng, 3) == 0) {
                assert_true(wr_epoch());
            }
        }
        *out_shared += shared();
        wr_stop();
    }
    end_random(&world);
    assert_true(wr_start());
    wr_settle();
    assert_true(wr_epoch());
    *out_shared += shared();
    rows = mem_copy_text(MEM_TEST, view_text(wr_committed()));
    wr_destroy();
    return rows;
}

static void same_rows_as_alone(void **state UNUSED)
{
    const char *isolations[] = {"", ", 'properties.isolation.level' = 'read_committed'"};

    for (uint64_t seed = 1; seed <= 10; seed++) {
        char     options[200], alone[200];
        uint64_t shared_count, none;
        char    *with, *without;

        (void)snprintf(options, sizeof(options), "%s%s", JSON, isolations[seed % 2]);
        (void)snprintf(alone, sizeof(alone), "%s%s%s", JSON, isolations[seed % 2], OTHER);
        with = random_rows(seed, options, options, &shared_count);
        without = random_rows(seed, options, alone, &none);
        assert_string_equal(with, without);
        assert_true(strlen(with) > 1000);
        assert_true(shared_count > 100);
        assert_int_equal(none, 0);
        mem_free(MEM_TEST, with);
        mem_free(MEM_TEST, without);
    }
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(one_decode_for_two),       WORLD_TEST(other_formats_are_decoded_by_themselves),
        WORLD_TEST(each_has_its_own_end),     WORLD_TEST(a_poisoned_record_fails_as_alone),
        WORLD_TEST(long_chunks_are_cut),      WORLD_TEST(keys_and_places),
        WORLD_TEST(they_meet_at_the_end),     WORLD_TEST(a_backlog_is_worked_off_together),
        cmocka_unit_test(same_rows_as_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
