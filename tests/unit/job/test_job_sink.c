/* Sinks of jobs on a whole broker of two shards: what stands in the topics, under which producer, in which partition;
 * epochs, back-pressure, and what fails by which name (job_sink_batch.c, job_sink_mark.c,
 * job_sink_prepare.c, job_sink_table.c). */
#include "tests/unit/job/sink_rig.h"

#include <stdio.h>

static struct sink_rig rig;

static int tear_down(void **state)
{
    (void)state;
    sink_rig_destroy(&rig);
    return 0;
}

static void set_up(const char *script)
{
    sink_rig_create(&rig, 1, script, NULL);
    sink_rig_start(&rig);
}

static void write_row(uint32_t worker, const char *k, int64_t v, enum vec_change change)
{
    if (!sink_rig_row(&rig, worker, 0, k, v, change)) {
        fail_msg("%s", rig.message);
    }
}

static void expect_records(const char *topic, int32_t partition, bool committed, const char *const *expected)
{
    struct sink_reading reading = sink_rig_read(&rig, topic, partition, committed);
    size_t              count = 0;

    for (; expected[count] != NULL; count++) {
        char text[2 * SINK_RIG_TEXT];

        assert_true(count < reading.count);
        (void)snprintf(text, sizeof(text), "%s %s", reading.records[count].key, reading.records[count].value);
        assert_string_equal(text, expected[count]);
    }
    assert_int_equal(reading.count, count);
    sink_rig_read_free(&reading);
}

#define EXPECT(topic, partition, committed, ...) \
    expect_records(topic, partition, committed, (const char *const[]){__VA_ARGS__, NULL})

/* --- exactly once ------------------------------------------------------------------------------------------------- */

static void committed_epochs_are_seen(void **state)
{
    const struct job_share *share = &rig.workers[0].share;
    struct sink_reading     reading;

    (void)state;
    set_up(SINK_RIG_APPEND(", " SINK_RIG_EXACTLY));
    sink_rig_topic(&rig, "out", 1, NULL);
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    write_row(0, "a", 1, VEC_INSERT);
    write_row(0, NULL, 2, VEC_INSERT);
    assert_true(sink_rig_await(&rig, 0));
    EXPECT("out", 0, false, "null {\"k\":\"a\",\"v\":1}", "null {\"k\":null,\"v\":2}");
    expect_records("out", 0, true, (const char *const[]){NULL});
    assert_int_equal(share->sink_count, 1);
    assert_int_equal(share->sinks[0].producer_id, SINK_RIG_FIRST_PID);
    assert_int_equal(share->sinks[0].producer_epoch, 0);
    assert_int_equal(share->sinks[0].first_offset, 0);
    assert_int_equal(share->sinks[0].last_offset, 1);
    assert_int_equal(rig.workers[1].share.sink_count, 0); /* wrote nothing */
    /* The next epoch is written before the markers of the one before, under another id. */
    sink_rig_begin(&rig, 1);
    write_row(0, "b", 3, VEC_INSERT);
    assert_true(sink_rig_mark(&rig, 0, true));
    EXPECT("out", 0, true, "null {\"k\":\"a\",\"v\":1}", "null {\"k\":null,\"v\":2}");
    assert_true(sink_rig_await(&rig, 1));
    assert_int_equal(share->sinks[0].producer_id, SINK_RIG_FIRST_PID + 1);
    assert_true(sink_rig_mark(&rig, 1, true));
    /* Sequence numbers go on, and an epoch without rows leaves nothing. */
    sink_rig_begin(&rig, 2);
    write_row(0, "c", 4, VEC_INSERT);
    assert_true(sink_rig_await(&rig, 2));
    assert_true(sink_rig_mark(&rig, 2, true));
    sink_rig_begin(&rig, 3);
    assert_true(sink_rig_await(&rig, 3));
    assert_int_equal(share->sink_count, 0);
    assert_true(sink_rig_mark(&rig, 3, true));
    reading = sink_rig_read(&rig, "out", 0, true);
    assert_int_equal(reading.count, 4);
    assert_int_equal(reading.records[3].sequence, 2);
    assert_int_equal(reading.records[2].sequence, 0);
    assert_int_equal(reading.high_watermark, 7); /* 4 rows, 3 markers */
    assert_int_equal(reading.last_stable_offset, 7);
    assert_int_equal(reading.records[0].codec, REC_NONE);
    sink_rig_read_free(&reading);
    sink_rig_end(&rig, true);
}

static void aborted_epochs_are_not(void **state)
{
    struct sink_reading reading;

    (void)state;
    set_up(SINK_RIG_APPEND(", " SINK_RIG_EXACTLY));
    sink_rig_topic(&rig, "out", 1, NULL);
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    write_row(0, "a", 1, VEC_INSERT);
    assert_true(sink_rig_await(&rig, 0));
    assert_true(sink_rig_mark(&rig, 0, false));
    sink_rig_begin(&rig, 1);
    write_row(0, "b", 2, VEC_INSERT);
    assert_true(sink_rig_await(&rig, 1));
    sink_rig_begin(&rig, 2);
    sink_rig_mark_begin(&rig, 1, true);
    write_row(0, "c", 3, VEC_INSERT);
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        job__sinks_flush(rig.workers[w].sinks);
    }
    write_row(0, "d", 4, VEC_INSERT); /* not sent */
    sink_rig_end(&rig, true);         /* the commit of 1 is under way and comes to its end */
    reading = sink_rig_read(&rig, "out", 0, false);
    assert_int_equal(reading.count, 3);
    assert_int_equal(reading.last_stable_offset, reading.high_watermark);
    sink_rig_read_free(&reading);
    EXPECT("out", 0, true, "null {\"k\":\"b\",\"v\":2}");
}

/* Two sinks of one worker in one topic: one transaction, one range, one marker. */
static void sinks_share_their_topic(void **state)
{
    struct sink_reading reading;

    (void)state;
    set_up(SINK_RIG_SOURCE
           "CREATE TABLE snk (k STRING, v BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', 'format' = "
           "'json', " SINK_RIG_EXACTLY ");\n"
           "EXECUTE STATEMENT SET BEGIN INSERT INTO snk SELECT k, v FROM src; INSERT INTO snk SELECT k, v + 1 "
           "FROM src; END;");
    assert_int_equal(rig.plan->exec.sink_count, 2);
    sink_rig_topic(&rig, "out", 1, NULL);
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    assert_true(sink_rig_row(&rig, 0, 0, "a", 1, VEC_INSERT));
    assert_true(sink_rig_row(&rig, 0, 1, "a", 2, VEC_INSERT));
    assert_true(sink_rig_await(&rig, 0));
    assert_int_equal(rig.workers[0].share.sink_count, 1);
    assert_int_equal(rig.workers[0].share.sinks[0].last_offset, 1);
    assert_true(sink_rig_mark(&rig, 0, true));
    reading = sink_rig_read(&rig, "out", 0, true);
    assert_int_equal(reading.count, 2);
    assert_int_equal(reading.records[0].sequence, 0);
    assert_int_equal(reading.records[1].sequence, 1);
    assert_int_equal(reading.high_watermark, 3);
    sink_rig_read_free(&reading);
    sink_rig_end(&rig, true);
}

/* --- much, and too much ------------------------------------------------------------------------------------------- */

static void workers_pause_while_much_is_away(void **state)
{
    char    text[1024];
    int64_t written = 0;
    bool    paused = false;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    set_up(SINK_RIG_APPEND(""));
    sink_rig_topic(&rig, "out", 1, "max.message.bytes=100000");
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    for (int i = 0; i < 20000 && !paused; i++) {
        write_row(0, text, i, VEC_INSERT);
        written++;
        paused = job__sinks_full(rig.workers[0].sinks);
    }
    assert_true(paused);
    assert_in_range(written, 7000, 9000);
    assert_int_equal(rig.workers[0].ready, 0);
    rig_run(&rig.broker, 5 * NS_PER_S);
    assert_int_equal(rig.workers[0].ready, 1);
    assert_false(job__sinks_full(rig.workers[0].sinks));
    assert_true(sink_rig_await(&rig, 0));
    sink_rig_end(&rig, true);
}

static void what_does_not_fit_fails_by_name(void **state)
{
    char text[3000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    set_up(SINK_RIG_APPEND(", " SINK_RIG_EXACTLY));
    sink_rig_topic(&rig, "out", 1, "max.message.bytes=2000");
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    write_row(0, "a", 1, VEC_INSERT);
    job__sinks_flush(rig.workers[0].sinks);
    assert_false(sink_rig_row(&rig, 0, 0, text, 1, VEC_INSERT));
    assert_non_null(strstr(rig.message, "topic 'out': a record makes a batch of 30"));
    assert_non_null(strstr(rig.message, "max.message.bytes (2000)"));
    assert_string_equal(job__sinks_failure(rig.workers[0].sinks), rig.message);
    rig_run(&rig.broker, NS_PER_S);
    assert_int_equal(rig.workers[0].ready, 1);
    assert_false(sink_rig_await(&rig, 0));
    sink_rig_end(&rig, true);
    expect_records("out", 0, true, (const char *const[]){NULL});
}

static void a_deleted_topic_fails_the_job(void **state)
{
    (void)state;
    set_up(SINK_RIG_APPEND(", " SINK_RIG_EXACTLY));
    sink_rig_topic(&rig, "out", 2, NULL);
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    write_row(0, "a", 1, VEC_INSERT);
    assert_true(sink_rig_await(&rig, 0));
    assert_int_equal(rig_delete_topic(rig.client, "out"), 0);
    assert_false(sink_rig_row(&rig, 0, 0, "a", 2, VEC_INSERT));
    assert_string_equal(rig.message, "topic 'out' was deleted while the job wrote to it");
    sink_rig_end(&rig, true);
    /* And when there is none to begin with. */
    sink_rig_open(&rig);
    assert_string_equal(job__sinks_failure(rig.workers[1].sinks), "topic 'out' does not exist");
    sink_rig_end(&rig, true);
}

static void new_partitions_are_used(void **state)
{
    struct kp_create_partitions_request        request;
    struct kp_create_partitions_request_topics topic;
    size_t                                     count = 0;

    (void)state;
    set_up(SINK_RIG_APPEND(", " SINK_RIG_EXACTLY));
    sink_rig_topic(&rig, "out", 1, NULL);
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    write_row(0, "a", 1, VEC_INSERT);
    kp_create_partitions_request_init(&request);
    kp_create_partitions_request_topics_init(&topic);
    topic.name = view_text("out");
    topic.count = 4;
    topic.assignments_count = -1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    assert_non_null(rig_ask(rig.client, KP_CREATE_PARTITIONS_KEY, 2, &request));
    for (int i = 0; i < 40; i++) {
        write_row(0, "a", i, VEC_INSERT);
        job__sinks_flush(rig.workers[0].sinks);
    }
    assert_true(sink_rig_await(&rig, 0));
    assert_int_equal(rig.workers[0].share.sink_count, 4);
    assert_true(sink_rig_mark(&rig, 0, true));
    for (int32_t p = 0; p < 4; p++) {
        struct sink_reading reading = sink_rig_read(&rig, "out", p, true);

        assert_in_range(reading.count, 9, 12);
        count += reading.count;
        sink_rig_read_free(&reading);
    }
    assert_int_equal(count, 41);
    sink_rig_end(&rig, true);
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static void options_are_refused_by_name(void **state)
{
    static const struct {
        const char *script, *message;
    } cases[] = {
        {SINK_RIG_APPEND(", 'sink.delivery-guarantee' = 'exactly-once'"),
         "table snk: 'sink.transactional-id-prefix' must be given when the delivery guarantee is exactly-once"},
        {SINK_RIG_APPEND(", 'properties.compression.type' = 'zip'"),
         "table snk: 'properties.compression.type' is one of none, gzip, snappy, lz4, zstd"},
        {SINK_RIG_APPEND(", 'properties.partitioner.class' = 'a.B'"),
         "table snk: 'properties.partitioner.class' names a Java class, which Millrace cannot run"},
        {SINK_RIG_APPEND(", 'sink.partitioner' = 'round-robin', 'key.format' = 'json', 'key.fields' = 'k'"),
         "table snk: 'sink.partitioner' = 'round-robin' only works when 'key.fields' is not given"},
        {SINK_RIG_UPSERT(", 'sink.buffer-flush.max-rows' = '5'"),
         "table snk: 'sink.buffer-flush.max-rows' and 'sink.buffer-flush.interval' must be greater than zero together"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (i > 0) {
            sink_rig_destroy(&rig);
        }
        sink_rig_create(&rig, 1, cases[i].script, NULL);
        assert_false(job__sinks_check(rig.plan, rig.message, sizeof(rig.message)));
        assert_string_equal(rig.message, cases[i].message);
    }
}

static void prepared(void *context, bool good, const char *message)
{
    MAYBE(context == NULL);
    rig.prepared++;
    rig.prepare_good = good;
    (void)snprintf(rig.message, sizeof(rig.message), "%s", message);
}

static bool is_prepared(void *context)
{
    return ((struct sink_rig *)context)->prepared > 0;
}

static bool prepare(void)
{
    rig.prepared = 0;
    job__sinks_prepare(sink_rig_jobs(&rig, 1), rig.plan, prepared, NULL);
    assert_int_equal(rig.prepared, 0);
    assert_true(rig_until(&rig.broker, is_prepared, &rig, 10 * NS_PER_S));
    return rig.prepare_good;
}

static void missing_topics_are_made(void **state)
{
    (void)state;
    sink_rig_create(&rig, 1, SINK_RIG_APPEND(""), (const char *const[]){"num.partitions=3", NULL});
    sink_rig_start(&rig);
    assert_true(prepare());
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        assert_int_equal(meta_topic(sink_rig_jobs(&rig, w)->options.meta, view_text("out"))->partition_count, 3);
    }
    assert_true(prepare()); /* it is there */
    sink_rig_destroy(&rig);
    sink_rig_create(&rig, 1, SINK_RIG_APPEND(""), (const char *const[]){"auto.create.topics.enable=false", NULL});
    sink_rig_start(&rig);
    assert_false(prepare());
    assert_string_equal(rig.message, "topic 'out' does not exist, and auto.create.topics.enable is false");
}

int main(void)
{
#define SINK_TEST(function) cmocka_unit_test_teardown(function, tear_down)
    const struct CMUnitTest tests[] = {
        SINK_TEST(committed_epochs_are_seen),       SINK_TEST(aborted_epochs_are_not),
        SINK_TEST(sinks_share_their_topic),         SINK_TEST(workers_pause_while_much_is_away),
        SINK_TEST(what_does_not_fit_fails_by_name), SINK_TEST(a_deleted_topic_fails_the_job),
        SINK_TEST(new_partitions_are_used),         SINK_TEST(options_are_refused_by_name),
        SINK_TEST(missing_topics_are_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
