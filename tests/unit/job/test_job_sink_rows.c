/* What rows become: keys, values, times, partitions; lines of print; what blackhole counts. */
#include "tests/unit/job/sink_rig.h"

#include "core/base/hash.h"
#include "core/base/slog.h"

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

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void upserts_go_by_key(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "d"};

    (void)state;
    set_up(SINK_RIG_UPSERT(", 'properties.compression.type' = 'lz4'"));
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
        set_up(fixed[f] ? SINK_RIG_APPEND(", 'sink.partitioner' = 'fixed'")
                        : SINK_RIG_APPEND(", 'sink.partitioner' = 'round-robin'"));
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

/* --- without a topic ---------------------------------------------------------------------------------------------- */

static char   lines[1024];
static size_t line_count;

static void keep_line(enum slog_level level, const char *room, const char *text)
{
    MAYBE(level == SLOG_INFO);
    if (strcmp(room, "print") == 0) {
        (void)snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "%s\n", text);
        line_count++;
    }
}

static void print_writes_lines_of_the_log(void **state)
{
    uint64_t rows, bytes;

    (void)state;
    set_up(SINK_RIG_SOURCE "CREATE TABLE snk (k STRING, v BIGINT) WITH ('connector' = 'print', 'print-identifier' = "
                           "'out');\nINSERT INTO snk SELECT k, v FROM src;");
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    lines[0] = '\0';
    line_count = 0;
    slog_set_sink(keep_line);
    write_row(1, "a", 1, VEC_INSERT);
    write_row(1, NULL, 2, VEC_DELETE);
    slog_set_sink(NULL);
    assert_string_equal(lines, "out:2> +I[a, 1]\nout:2> -D[null, 2]\n");
    assert_true(sink_rig_await(&rig, 0));
    job__sinks_counts(rig.workers[1].sinks, &rows, &bytes);
    assert_int_equal(rows, 2);
    assert_int_equal(bytes, 0);
    assert_true(sink_rig_mark(&rig, 0, true));
    sink_rig_end(&rig, true);
}

static void blackhole_counts(void **state)
{
    uint64_t rows, bytes;

    (void)state;
    set_up(SINK_RIG_SOURCE "CREATE TABLE snk (k STRING, v BIGINT) WITH ('connector' = 'blackhole');\n"
                           "INSERT INTO snk SELECT k, v FROM src;");
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    for (int i = 0; i < 3; i++) {
        write_row(0, "a", i, VEC_INSERT);
    }
    job__sinks_counts(rig.workers[0].sinks, &rows, &bytes);
    assert_int_equal(rows, 3);
    assert_false(job__sinks_full(rig.workers[0].sinks));
    assert_true(sink_rig_await(&rig, 0));
    sink_rig_end(&rig, false);
}

int main(void)
{
#define ROWS_TEST(function) cmocka_unit_test_teardown(function, tear_down)
    const struct CMUnitTest tests[] = {
        ROWS_TEST(upserts_go_by_key),     ROWS_TEST(keys_and_times_are_the_tables),
        ROWS_TEST(partitions_are_chosen), ROWS_TEST(print_writes_lines_of_the_log),
        ROWS_TEST(blackhole_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
