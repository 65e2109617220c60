/* Sinks of jobs on a whole broker of two shards: what stands in the topics, under which producer, in which partition;
 * epochs, back-pressure, and what fails by which name. */
#include "tests/unit/job/sink_rig.h"

#include "core/base/hash.h"

#include <stdio.h>

#define SOURCE \
    "CREATE TABLE src (k STRING, v BIGINT) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json');\n"
#define EXACTLY "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'x'"
#define APPEND(options)                                                                                      \
    SOURCE "CREATE TABLE snk (k STRING, v BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', 'format' = " \
           "'json'" options ");\nINSERT INTO snk SELECT k, v FROM src;"
#define UPSERT(options)                                                                                     \
    SOURCE "CREATE TABLE snk (k STRING, v BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = "       \
           "'upsert-kafka', 'topic' = 'out', 'key.format' = 'json', 'value.format' = 'json'" options ");\n" \
           "INSERT INTO snk SELECT k, v FROM src;"

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
    set_up(APPEND(", " EXACTLY));
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
    set_up(APPEND(", " EXACTLY));
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
    set_up(SOURCE "CREATE TABLE snk (k STRING, v BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', 'format' = "
                  "'json', " EXACTLY ");\n"
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

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void upserts_go_by_key(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "d"};

    (void)state;
    set_up(UPSERT(", 'properties.compression.type' = 'lz4'"));
    sink_rig_topic(&rig, "out", 3, "cleanup.policy=compact");
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        write_row((uint32_t)i % 2, keys[i], (int64_t)i, VEC_INSERT);
        write_row((uint32_t)i % 2, keys[i], (int64_t)i, VEC_UPDATE_BEFORE);
        write_row((uint32_t)i % 2, keys[i], (int64_t)i + 10, VEC_UPDATE_AFTER);
        write_row((uint32_t)i % 2, keys[i], (int64_t)i + 10, VEC_DELETE);
    }
    assert_true(sink_rig_await(&rig, 0));
    assert_int_equal(rig.workers[0].share.sink_count, 0); /* at least once: plain records */
    assert_true(sink_rig_mark(&rig, 0, true));
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char                key[32];
        struct sink_reading reading;
        size_t              found = 0;

        (void)snprintf(key, sizeof(key), "{\"k\":\"%s\"}", keys[i]);
        reading = sink_rig_read(&rig, "out", (int32_t)((hash_murmur2(view_text(key)) & INT32_MAX) % 3), true);
        for (size_t r = 0; r < reading.count; r++) {
            static const char *const values[] = {"{\"k\":\"%s\",\"v\":%d}", "{\"k\":\"%s\",\"v\":1%d}", "null"};
            char                     value[64];

            if (strcmp(reading.records[r].key, key) != 0) {
                continue;
            }
            assert_true(found < COUNT_OF(values));
            if (found == 2) {
                (void)snprintf(value, sizeof(value), "null");
            } else {
                (void)snprintf(value, sizeof(value), "{\"k\":\"%s\",\"v\":%s%d}", keys[i], found == 0 ? "" : "1",
                               (int)i);
            }
            assert_string_equal(reading.records[r].value, value);
            assert_int_equal(reading.records[r].codec, REC_LZ4);
            assert_int_equal(reading.records[r].producer_id, -1);
            found++;
        }
        assert_int_equal(found, 3);
        sink_rig_read_free(&reading);
    }
    sink_rig_end(&rig, true);
}

static void keys_and_times_are_the_tables(void **state)
{
    struct sink_reading reading;
    struct arena        arena;
    struct vec          columns[3];
    struct vec_chunk    chunk = {.row_count = 1, .selected_count = 1, .column_count = 3, .columns = columns};

    (void)state;
    set_up("CREATE TABLE src (k STRING, v BIGINT, t TIMESTAMP_LTZ(3) METADATA FROM 'timestamp') WITH ('connector' = "
           "'kafka', 'topic' = 'in', 'format' = 'json');\n"
           "CREATE TABLE snk (vv BIGINT, kk STRING, t TIMESTAMP_LTZ(3) METADATA FROM 'timestamp') WITH "
           "('connector' = 'kafka', 'topic' = 'out', 'key.format' = 'csv', 'key.fields' = 'kk;vv', "
           "'value.format' = 'json', 'value.fields-include' = 'ALL');\n"
           "INSERT INTO snk SELECT v, k, t FROM src;");
    sink_rig_topic(&rig, "out", 1, NULL);
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    arena_init(&arena, MEM_TEST, 64 * KIB, MIB);
    columns[0] = vec_make_rows(&arena, vec_type_of(VEC_BIGINT), 1);
    columns[1] = vec_make_rows(&arena, vec_type_of(VEC_VARCHAR), 1);
    columns[2] = vec_make_rows(&arena, vec_type_timestamp(VEC_TIMESTAMP_LTZ, 3), 1);
    ((int64_t *)columns[0].data)[0] = 7;
    ((struct vec_string *)columns[1].data)[0] = vec_string_of("a,b", 3);
    ((int64_t *)columns[2].data)[0] = INT64_C(1700000000123999);
    assert_true(job__sinks_write(rig.workers[0].sinks, 0, &chunk, rig.message, sizeof(rig.message)));
    assert_true(sink_rig_await(&rig, 0));
    reading = sink_rig_read(&rig, "out", 0, true);
    assert_int_equal(reading.count, 1);
    assert_string_equal(reading.records[0].key, "\"a,b\",7");
    assert_string_equal(reading.records[0].value, "{\"vv\":7,\"kk\":\"a,b\"}");
    assert_int_equal(reading.records[0].timestamp_ms, INT64_C(1700000000123));
    sink_rig_read_free(&reading);
    ((int64_t *)columns[2].data)[0] = -1;
    assert_false(job__sinks_write(rig.workers[0].sinks, 0, &chunk, rig.message, sizeof(rig.message)));
    assert_string_equal(rig.message, "topic 'out': a record's timestamp may not be before 1970");
    arena_deinit(&arena);
    sink_rig_end(&rig, true);
}

/* Without a key, the records of a batch stay together; worker i of "fixed" has partition i. */
static void partitions_are_chosen(void **state)
{
    static const bool fixed[] = {false, true};

    (void)state;
    for (size_t f = 0; f < COUNT_OF(fixed); f++) {
        size_t counts[2] = {0};

        if (f > 0) {
            sink_rig_destroy(&rig);
        }
        set_up(fixed[f] ? APPEND(", 'sink.partitioner' = 'fixed'") : APPEND(", 'sink.partitioner' = 'round-robin'"));
        sink_rig_topic(&rig, "out", 2, NULL);
        sink_rig_open(&rig);
        sink_rig_begin(&rig, 0);
        for (int i = 0; i < 10; i++) {
            write_row(0, "a", i, VEC_INSERT);
            if (i % 5 == 4) {
                job__sinks_flush(rig.workers[0].sinks);
            }
        }
        assert_true(sink_rig_await(&rig, 0));
        for (int32_t p = 0; p < 2; p++) {
            struct sink_reading reading = sink_rig_read(&rig, "out", p, true);

            counts[p] = reading.count;
            sink_rig_read_free(&reading);
        }
        assert_int_equal(counts[0], fixed[f] ? 10 : 5);
        assert_int_equal(counts[1], fixed[f] ? 0 : 5);
        sink_rig_end(&rig, true);
    }
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
    set_up(APPEND(""));
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
    set_up(APPEND(", " EXACTLY));
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
    set_up(APPEND(", " EXACTLY));
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
    set_up(APPEND(", " EXACTLY));
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

/* --- operators ---------------------------------------------------------------------------------------------------- */

static const char *state_of(uint32_t shard, const char *id, int64_t producer_id)
{
    struct kp_list_transactions_request         request;
    const struct kp_list_transactions_response *response;
    static char                                 state[32];

    kp_list_transactions_request_init(&request);
    request.duration_filter = -1;
    response = rig_ask(rig.clients[shard], KP_LIST_TRANSACTIONS_KEY, 1, &request);
    assert_non_null(response);
    assert_int_equal(response->error_code, 0);
    for (int32_t i = 0; i < response->transaction_states_count; i++) {
        if (view_equal(response->transaction_states[i].transactional_id, view_text(id))) {
            assert_int_equal(response->transaction_states[i].producer_id, producer_id);
            (void)snprintf(state, sizeof(state), "%.*s", (int)response->transaction_states[i].transaction_state.len,
                           (const char *)response->transaction_states[i].transaction_state.base);
            return state;
        }
    }
    return "none";
}

static const struct kp_describe_transactions_response_transaction_states *describe(uint32_t shard, const char *id)
{
    struct view                                     ids[] = {view_text(id)};
    struct kp_describe_transactions_request         request;
    const struct kp_describe_transactions_response *response;

    kp_describe_transactions_request_init(&request);
    request.transactional_ids = ids;
    request.transactional_ids_count = 1;
    response = rig_ask(rig.clients[shard], KP_DESCRIBE_TRANSACTIONS_KEY, 0, &request);
    assert_non_null(response);
    assert_int_equal(response->transaction_states_count, 1);
    return &response->transaction_states[0];
}

static int16_t abort_as_a_tool(int64_t producer_id)
{
    int32_t                                            partitions[] = {0};
    struct kp_write_txn_markers_request                request;
    struct kp_write_txn_markers_request_markers        marker;
    struct kp_write_txn_markers_request_markers_topics topic;
    const struct kp_write_txn_markers_response        *response;
    struct meta                                       *meta = sink_rig_jobs(&rig, 0)->options.meta;
    int32_t shard = meta_topic(meta, view_text("out"))->partitions[0].leader - meta_host(meta)->first_node_id;

    kp_write_txn_markers_request_init(&request);
    kp_write_txn_markers_request_markers_init(&marker);
    kp_write_txn_markers_request_markers_topics_init(&topic);
    topic.name = view_text("out");
    topic.partition_indexes = partitions;
    topic.partition_indexes_count = 1;
    marker.producer_id = producer_id;
    marker.topics = &topic;
    marker.topics_count = 1;
    request.markers = &marker;
    request.markers_count = 1;
    response = rig_ask(rig.clients[shard], KP_WRITE_TXN_MARKERS_KEY, 1, &request);
    assert_non_null(response);
    return response->markers[0].topics[0].partitions[0].error_code;
}

static void told(void *context)
{
    *(bool *)context = true;
}

static bool is_true(void *context)
{
    return *(bool *)context;
}

static void operators_see_transactions(void **state)
{
    static const char id[] = "millrace-job-0123456789abcdef0123456789abcdef-1-0";
    const struct kp_describe_transactions_response_transaction_states *shown;
    struct job_producer_name names[] = {{.producer_id = SINK_RIG_FIRST_PID + 2, .worker = 1}};
    bool                     over = false;

    (void)state;
    set_up(APPEND(", " EXACTLY));
    sink_rig_topic(&rig, "out", 1, NULL);
    assert_string_equal(state_of(1, id, 0), "none");
    for (uint32_t i = 0; i < SINK_RIG_SHARDS; i++) {
        shown = describe(i, id);
        assert_int_equal(shown->error_code, KP_ERR_TRANSACTIONAL_ID_NOT_FOUND);
    }
    job__producers_tell(sink_rig_jobs(&rig, 0), names, 1, true, told, &over);
    assert_true(rig_until(&rig.broker, is_true, &over, NS_PER_S));
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    assert_string_equal(state_of(1, id, SINK_RIG_FIRST_PID + 2), "Empty");
    assert_string_equal(state_of(0, id, 0), "none"); /* the worker is on shard 1 */
    write_row(1, "a", 1, VEC_INSERT);
    assert_true(sink_rig_await(&rig, 0));
    assert_string_equal(state_of(1, id, SINK_RIG_FIRST_PID + 2), "Ongoing");
    for (uint32_t i = 0; i < SINK_RIG_SHARDS; i++) { /* whoever coordinates an id of that text */
        shown = describe(i, id);
        assert_int_equal(shown->error_code, 0);
        assert_true(view_equal(shown->transaction_state, view_text("Ongoing")));
        assert_int_equal(shown->producer_id, SINK_RIG_FIRST_PID + 2);
        assert_int_equal(shown->producer_epoch, 0);
        assert_true(shown->transaction_start_time_ms > 0);
        assert_int_equal(shown->topics_count, 1);
        assert_true(view_equal(shown->topics[0].topic, view_text("out")));
        assert_int_equal(shown->topics[0].partitions_count, 1);
        assert_int_equal(shown->topics[0].partitions[0], 0);
    }
    /* Nobody else ends it. */
    assert_int_equal(abort_as_a_tool(SINK_RIG_FIRST_PID + 2), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_true(sink_rig_mark(&rig, 0, true));
    EXPECT("out", 0, true, "null {\"k\":\"a\",\"v\":1}");
    assert_string_equal(state_of(1, id, SINK_RIG_FIRST_PID + 2), "Empty");
    sink_rig_end(&rig, true);
    assert_string_equal(state_of(1, id, 0), "none");
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static void options_are_refused_by_name(void **state)
{
    static const struct {
        const char *script, *message;
    } cases[] = {
        {APPEND(", 'sink.delivery-guarantee' = 'exactly-once'"),
         "table snk: 'sink.transactional-id-prefix' must be given when the delivery guarantee is exactly-once"},
        {APPEND(", 'properties.compression.type' = 'zip'"),
         "table snk: 'properties.compression.type' is one of none, gzip, snappy, lz4, zstd"},
        {APPEND(", 'properties.partitioner.class' = 'a.B'"),
         "table snk: 'properties.partitioner.class' names a Java class, which Millrace cannot run"},
        {APPEND(", 'sink.partitioner' = 'round-robin', 'key.format' = 'json', 'key.fields' = 'k'"),
         "table snk: 'sink.partitioner' = 'round-robin' only works when 'key.fields' is not given"},
        {UPSERT(", 'sink.buffer-flush.max-rows' = '5'"),
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
    sink_rig_create(&rig, 1, APPEND(""), (const char *const[]){"num.partitions=3", NULL});
    sink_rig_start(&rig);
    assert_true(prepare());
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        assert_int_equal(meta_topic(sink_rig_jobs(&rig, w)->options.meta, view_text("out"))->partition_count, 3);
    }
    assert_true(prepare()); /* it is there */
    sink_rig_destroy(&rig);
    sink_rig_create(&rig, 1, APPEND(""), (const char *const[]){"auto.create.topics.enable=false", NULL});
    sink_rig_start(&rig);
    assert_false(prepare());
    assert_string_equal(rig.message, "topic 'out' does not exist, and auto.create.topics.enable is false");
}

int main(void)
{
#define SINK_TEST(function) cmocka_unit_test_teardown(function, tear_down)
    const struct CMUnitTest tests[] = {
        SINK_TEST(committed_epochs_are_seen),        SINK_TEST(aborted_epochs_are_not),
        SINK_TEST(sinks_share_their_topic),          SINK_TEST(upserts_go_by_key),
        SINK_TEST(keys_and_times_are_the_tables),    SINK_TEST(partitions_are_chosen),
        SINK_TEST(workers_pause_while_much_is_away), SINK_TEST(what_does_not_fit_fails_by_name),
        SINK_TEST(a_deleted_topic_fails_the_job),    SINK_TEST(new_partitions_are_used),
        SINK_TEST(operators_see_transactions),       SINK_TEST(options_are_refused_by_name),
        SINK_TEST(missing_topics_are_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
