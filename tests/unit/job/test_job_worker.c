/* Workers: whatever stands between, each commit holds exactly the output of the input below its offsets. */
#include "tests/unit/job/worker_rig.h"

#include "core/base/prng.h"

#include <stdio.h>

#define KEYS         7
#define PARTITIONS   3
#define PUT_MAX      4000
#define RANDOM_STEPS 60
#define SOURCE                                                                                            \
    "CREATE TABLE s (a STRING, b BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', " \
    "'scan.startup.mode' = 'earliest-offset'%s);"
#define UPSERT                                                                                          \
    "CREATE TABLE o (a STRING PRIMARY KEY NOT ENFORCED, n BIGINT) WITH ('connector' = 'upsert-kafka', " \
    "'topic' = 'o', 'key.format' = 'json', 'value.format' = 'json');"

/* What was put: key by partition and offset. */
static struct {
    uint8_t key[PUT_MAX];
    size_t  count;
} put_into[PARTITIONS];

static void create(uint32_t shards, uint64_t seed)
{
    wr_create(shards, seed);
    assert_int_equal(rig_create_topic(0, "t", PARTITIONS), 0);
    memset(put_into, 0, sizeof(put_into));
}

static void plan(const char *format, const char *options)
{
    char script[2048];

    (void)snprintf(script, sizeof(script), format, options);
    wr_plan(script);
}

static void put_keys(struct prng *prng, int32_t partition, size_t count)
{
    static struct wr_record records[64];
    static char             texts[64][48];

    assert_in_range(count, 1, COUNT_OF(records));
    assert_true(put_into[partition].count + count <= PUT_MAX);
    for (size_t i = 0; i < count; i++) {
        uint8_t key = (uint8_t)prng_below(prng, KEYS);

        put_into[partition].key[put_into[partition].count++] = key;
        (void)snprintf(texts[i], sizeof(texts[i]), "{\"a\":\"k%d\",\"b\":1}", key);
        records[i] = (struct wr_record){.value = texts[i], .timestamp_ms = 1};
    }
    (void)wr_append("t", partition, records, count, NULL);
}

/* The counts in force are those of the input below the committed offsets. */
static void assert_exact(void)
{
    int64_t counts[KEYS] = {0};

    for (size_t i = 0; i < wr.from.source_count; i++) {
        const struct job_source_position *position = &wr.from.sources[i];

        for (int64_t at = 0; at < position->next_offset; at++) {
            counts[put_into[position->partition].key[at]]++;
        }
    }
    for (int i = 0; i < KEYS; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(wr_fold(key), counts[i] == 0 ? INT64_MIN : counts[i]);
    }
}

static void random_step(struct prng *prng)
{
    switch (prng_below(prng, 6)) {
    case 0:
    case 1:
        put_keys(prng, (int32_t)prng_below(prng, PARTITIONS), 1 + prng_below(prng, 40));
        break;
    case 2:
        wr_pass((int64_t)prng_below(prng, 50) * NS_PER_MS);
        break;
    case 3: /* saved, not committed; or stopped in the middle of it */
        if (prng_below(prng, 2) == 0) {
            assert_true(wr_reach());
        }
        wr_stop();
        assert_true(wr_start());
        break;
    default:
        assert_true(wr_epoch());
        assert_exact();
        break;
    }
}

static void random_runs(uint32_t shards, uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed);
    create(shards, seed);
    plan(SOURCE UPSERT "INSERT INTO o SELECT a, COUNT(*) FROM s GROUP BY a;", "");
    wr.snapshot_bytes = 2000;
    wr.flush_interval_ms = (int64_t)prng_below(&prng, 3) * 5;
    assert_true(wr_start());
    for (int i = 0; i < RANDOM_STEPS; i++) {
        random_step(&prng);
    }
    wr_settle();
    assert_true(wr_epoch());
    assert_exact();
    for (int i = 0; i < PARTITIONS; i++) {
        assert_int_equal(part_high_watermark(rig_part("t", i)), put_into[i].count);
    }
    for (size_t i = 0; i < wr.from.source_count; i++) {
        assert_int_equal(wr.from.sources[i].next_offset, put_into[wr.from.sources[i].partition].count);
    }
    wr_destroy();
}

static void every_commit_is_exact_on_one_shard(void **state UNUSED)
{
    random_runs(1, 11);
    random_runs(1, 12);
}

static void every_commit_is_exact_on_two_shards(void **state UNUSED)
{
    random_runs(2, 21);
    random_runs(2, 22);
}

static void every_commit_is_exact_on_four_shards(void **state UNUSED)
{
    random_runs(4, 41);
    random_runs(4, 42);
}

/* --- the sinks' pace, and their failures ----------------------------------------------------------------------------
 */

static void full_sinks_hold_everything(void **state UNUSED)
{
    struct prng prng;

    prng_init(&prng, 1);
    create(2, 1);
    plan(SOURCE "CREATE TABLE o (a STRING) WITH ('connector' = 'blackhole'); INSERT INTO o SELECT a FROM s;", "");
    wr.full = true;
    put_keys(&prng, 0, 20);
    assert_true(wr_start());
    wr_settle();
    assert_int_equal(wr_row_count(), 0);
    wr_room();
    wr_settle();
    assert_int_equal(wr_row_count(), 20);
    wr_destroy();
}

static void a_sink_that_failed_fails_the_job(void **state UNUSED)
{
    create(2, 1);
    plan(SOURCE "CREATE TABLE o (a STRING) WITH ('connector' = 'blackhole'); INSERT INTO o SELECT a FROM s;", "");
    assert_true(wr_start());
    wr_settle();
    wr.sink_failure = "topic o is full";
    wr_room();
    wr_until_failure();
    assert_string_equal(wr.failure, "topic o is full");
    wr_destroy();
}

static void a_row_that_cannot_be_written_names_its_record(void **state UNUSED)
{
    struct prng prng;

    prng_init(&prng, 1);
    create(1, 1);
    plan(SOURCE "CREATE TABLE o (a STRING) WITH ('connector' = 'blackhole'); INSERT INTO o SELECT a FROM s;", "");
    wr.write_failure = "no such value";
    put_keys(&prng, 0, 1);
    (void)wr_start();
    wr_until_failure();
    assert_non_null(strstr(wr.failure, "no such value"));
    wr_destroy();
}

static void a_budget_that_is_spent_fails_the_job(void **state UNUSED)
{
    char             text[256], filler[200];
    struct wr_record record = {.value = text};

    create(1, 1);
    plan(SOURCE UPSERT "INSERT INTO o SELECT a, COUNT(*) FROM s GROUP BY a;", "");
    wr.memory_bytes_max = MIB;
    memset(filler, 'x', sizeof(filler));
    for (int i = 0; i < 6000; i++) {
        (void)snprintf(text, sizeof(text), "{\"a\":\"%d%.*s\"}", i, 180, filler);
        (void)wr_append("t", 0, &record, 1, NULL);
    }
    (void)wr_start();
    wr_until_failure();
    assert_non_null(strstr(wr.failure, "GroupAggregate: the state of the job outgrew its budget"));
    wr_destroy();
}

/* --- clocks ---------------------------------------------------------------------------------------------------------
 */

static void changes_come_out_at_the_interval(void **state UNUSED)
{
    struct prng prng;

    prng_init(&prng, 3);
    create(2, 3);
    plan(SOURCE UPSERT "INSERT INTO o SELECT a, COUNT(*) FROM s GROUP BY a;", "");
    wr.flush_interval_ms = 20000;
    assert_true(wr_start());
    put_keys(&prng, 0, 10);
    wr_settle();
    assert_int_equal(wr_row_count(), 0);
    wr_pass(21 * NS_PER_S);
    assert_true(wr_row_count() > 0);
    wr_destroy();
}

static void windows_of_processing_time_close_without_rows(void **state UNUSED)
{
    struct prng prng;

    prng_init(&prng, 4);
    create(2, 4);
    wr_plan("CREATE TABLE s (a STRING, p AS PROCTIME()) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', "
            "'scan.startup.mode' = 'earliest-offset');"
            "CREATE TABLE o (a STRING, n BIGINT) WITH ('connector' = 'blackhole');"
            "INSERT INTO o SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(p), INTERVAL '2' SECOND)) "
            "GROUP BY a, window_start, window_end;");
    put_keys(&prng, 1, 10);
    assert_true(wr_start());
    wr_pass(5 * NS_PER_S);
    assert_true(wr_row_count() > 0);
    wr_destroy();
}

/* --- life -----------------------------------------------------------------------------------------------------------
 */

static void a_run_can_be_stopped_at_any_time(void **state UNUSED)
{
    struct prng prng;

    prng_init(&prng, 5);
    create(4, 5);
    plan(SOURCE UPSERT "INSERT INTO o SELECT a, COUNT(*) FROM s GROUP BY a;", "");
    for (int i = 0; i < 30; i++) {
        put_keys(&prng, i % PARTITIONS, 20);
        wr_start_only();
        wr_pass((int64_t)prng_below(&prng, 40) * 20 * NS_PER_US);
        wr_stop();
        if (i % 10 == 9) {
            assert_true(wr_start());
            wr_settle();
            assert_true(wr_epoch());
            assert_exact();
            wr_stop();
        }
    }
    wr_destroy();
}

static void figures_count(void **state UNUSED)
{
    struct prng               prng;
    struct job_worker_figures figures, sum = {0};

    prng_init(&prng, 6);
    create(2, 6);
    plan(SOURCE "CREATE TABLE o (a STRING) WITH ('connector' = 'blackhole'); INSERT INTO o SELECT a FROM s;", "");
    put_keys(&prng, 0, 20);
    put_keys(&prng, 1, 20);
    assert_true(wr_start());
    wr_settle();
    for (uint32_t i = 0; i < 2; i++) {
        job__worker_figures(&wr.run, i, &figures);
        sum.records_in += figures.records_in;
        sum.rows_out += figures.rows_out;
        sum.bytes_in += figures.bytes_in;
    }
    assert_int_equal(sum.records_in, 40);
    assert_int_equal(sum.rows_out, 40);
    assert_int_equal(sum.bytes_in, 40 * strlen("{\"a\":\"k0\",\"b\":1}"));
    wr_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_commit_is_exact_on_one_shard),
        cmocka_unit_test(every_commit_is_exact_on_two_shards),
        cmocka_unit_test(every_commit_is_exact_on_four_shards),
        cmocka_unit_test(full_sinks_hold_everything),
        cmocka_unit_test(a_sink_that_failed_fails_the_job),
        cmocka_unit_test(a_row_that_cannot_be_written_names_its_record),
        cmocka_unit_test(a_budget_that_is_spent_fails_the_job),
        cmocka_unit_test(changes_come_out_at_the_interval),
        cmocka_unit_test(windows_of_processing_time_close_without_rows),
        cmocka_unit_test(a_run_can_be_stopped_at_any_time),
        cmocka_unit_test(figures_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
