/* Open transactions of jobs end by their newest commit record: told by hand, and by crashes at random points between
 * row, flush, commit record and markers, over topics with the strong and with a weaker flush policy. */
#include "tests/unit/job/sink_rig.h"

#include "core/base/prng.h"

#include <stdio.h>
#include <stdlib.h>

#define OPTIONS                                                                              \
    "'connector' = 'kafka', 'format' = 'json', 'sink.delivery-guarantee' = 'exactly-once', " \
    "'sink.transactional-id-prefix' = 'x'"
#define SCRIPT                                                                                               \
    "CREATE TABLE src (k STRING, v BIGINT) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json');" \
    "CREATE TABLE snk1 (k STRING, v BIGINT) WITH ('topic' = 'one', " OPTIONS ");"                            \
    "CREATE TABLE snk2 (k STRING, v BIGINT) WITH ('topic' = 'two', " OPTIONS ");"                            \
    "EXECUTE STATEMENT SET BEGIN INSERT INTO snk1 SELECT k, v FROM src; INSERT INTO snk2 SELECT k, v FROM src; END;"
#define PARTITIONS  3
#define TOPICS      2
#define RANGES_MAX  (SINK_RIG_SHARDS * TOPICS * PARTITIONS)
#define ROWS_MAX    20000
#define PATIENCE_NS (20 * NS_PER_S)

static struct sink_rig rig;

static const char *const topics[TOPICS] = {"one", "two"};

static int tear_down(void **state)
{
    (void)state;
    sink_rig_destroy(&rig);
    return 0;
}

static void set_up(uint64_t seed)
{
    sink_rig_create(&rig, seed, SCRIPT, NULL);
    sink_rig_start(&rig);
    sink_rig_topic(&rig, "one", PARTITIONS, NULL);
    sink_rig_topic(&rig, "two", PARTITIONS, "flush.messages=1000000"); /* a power cut takes what is not flushed */
}

/* The commit record of an epoch that all workers have reached. */
struct record {
    struct job_sink_range ranges[RANGES_MAX];
    size_t                count;
};

static void record_take(struct record *record)
{
    record->count = 0;
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        const struct job_share *share = &rig.workers[w].share;

        assert_true(record->count + share->sink_count <= RANGES_MAX);
        for (size_t i = 0; i < share->sink_count; i++) {
            record->ranges[record->count++] = share->sinks[i];
        }
    }
}

static size_t count_rows(const char *topic, bool committed)
{
    size_t count = 0;

    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct sink_reading reading = sink_rig_read(&rig, topic, p, committed);

        count += reading.count;
        assert_true(!committed || reading.last_stable_offset == reading.high_watermark);
        sink_rig_read_free(&reading);
    }
    return count;
}

static void write_all(int64_t v)
{
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        assert_true(sink_rig_row(&rig, w, 0, "a", v, VEC_INSERT));
        assert_true(sink_rig_row(&rig, w, 1, "a", v, VEC_INSERT));
    }
}

/* A sink's first epoch, a row of each worker into each topic; `record` names it. */
static void first_epoch(uint64_t seed, struct record *out_record)
{
    set_up(seed);
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    write_all(1);
    assert_true(sink_rig_await(&rig, 0));
    record_take(out_record);
}

/* --- by hand ------------------------------------------------------------------------------------------------------ */

static void the_record_decides(void **state)
{
    static struct record record;

    (void)state;
    first_epoch(1, &record);
    assert_int_equal(record.count, 4);
    sink_rig_begin(&rig, 1);
    write_all(2);
    assert_true(sink_rig_await(&rig, 1)); /* reached, but no record names it */
    sink_rig_end(&rig, false);
    rig_kill(&rig.broker, 5);
    sink_rig_start(&rig);
    assert_int_equal(count_rows("one", false), 4);
    assert_int_equal(sink_rig_resolve(&rig, record.ranges, record.count), 0);
    assert_false(rig.lost);
    assert_int_equal(count_rows("one", true), 2);
    assert_int_equal(count_rows("two", true), 2);
    assert_int_equal(count_rows("one", false), 4);
    /* Again: nothing is open. */
    assert_int_equal(sink_rig_resolve(&rig, NULL, 0), 0);
    assert_int_equal(count_rows("one", true), 2);
}

/* The ids of an epoch are those of the epoch after the next: the offsets tell which of them is open. */
static void offsets_tell_epochs_apart(void **state)
{
    static struct record record;

    (void)state;
    first_epoch(2, &record);
    assert_true(sink_rig_mark(&rig, 0, true));
    sink_rig_begin(&rig, 1);
    sink_rig_begin(&rig, 2);
    write_all(2);
    assert_true(sink_rig_await(&rig, 2));
    sink_rig_end(&rig, false);
    assert_int_equal(sink_rig_resolve(&rig, record.ranges, record.count), 0);
    assert_int_equal(count_rows("one", true), 2);
    assert_int_equal(count_rows("one", false), 4);
}

static void a_log_that_is_too_short_is_told(void **state)
{
    static struct record record;

    (void)state;
    first_epoch(3, &record);
    sink_rig_end(&rig, false);
    record.ranges[0].last_offset += 5;
    assert_int_equal(sink_rig_resolve(&rig, record.ranges, record.count), 0);
    assert_true(rig.lost);
    assert_int_equal(count_rows("one", true), 2); /* what is left has been promised */
}

static void deleted_topics_need_nothing(void **state)
{
    static struct record record;

    (void)state;
    first_epoch(4, &record);
    sink_rig_end(&rig, false);
    assert_int_equal(rig_delete_topic(rig.client, "one"), 0);
    assert_int_equal(sink_rig_resolve(&rig, record.ranges, record.count), 0);
    assert_int_equal(count_rows("two", true), 2);
}

/* --- at random ---------------------------------------------------------------------------------------------------- */

enum { ROW_UNKNOWN, ROW_WRITTEN, ROW_COMMITTED };

struct storm {
    struct prng   prng;
    struct record record;         /* the newest that is durable */
    uint8_t       rows[ROWS_MAX]; /* by value */
    int64_t       next_row;
    int64_t       epoch;         /* the newest that is committed */
    int64_t       first_rows[2]; /* of the two newest epochs, by parity */
    int           steps_left;    /* to the crash */
};

static uint64_t below(struct storm *storm, uint64_t bound)
{
    return prng_below(&storm->prng, bound);
}

/* True: now it crashes. */
static bool storm_step(struct storm *storm)
{
    if (below(storm, 2) == 0) {
        rig_run(&rig.broker, (int64_t)below(storm, 3 * NS_PER_MS));
    }
    return --storm->steps_left <= 0;
}

static bool storm_rows(struct storm *storm)
{
    size_t count = below(storm, 12);

    for (size_t i = 0; i < count; i++) {
        int64_t v = storm->next_row++;

        assert_true(v < ROWS_MAX);
        storm->rows[v] = ROW_WRITTEN;
        assert_true(sink_rig_row(&rig, (uint32_t)below(storm, SINK_RIG_SHARDS), (uint32_t)below(storm, TOPICS), "k", v,
                                 VEC_INSERT));
        if (below(storm, 4) == 0) {
            job__sinks_flush(rig.workers[below(storm, SINK_RIG_SHARDS)].sinks);
        }
        if (storm_step(storm)) {
            return true;
        }
    }
    return false;
}

static bool storm_wait(struct storm *storm, bool (*over)(struct sink_rig *of))
{
    for (int i = 0; !over(&rig); i++) {
        assert_true(i < 100000);
        rig_run(&rig.broker, (int64_t)below(storm, 200 * NS_PER_US));
        if (below(storm, 8) == 0 && storm_step(storm)) {
            return true;
        }
    }
    return false;
}

/* Epoch after epoch until the crash; the rows of e + 1 begin before e is durable. */
static void storm_incarnation(struct storm *storm)
{
    int64_t epoch = storm->epoch + 1;

    storm->first_rows[epoch % 2] = storm->next_row;
    sink_rig_begin(&rig, epoch);
    while (!storm_rows(storm)) {
        int64_t end = storm->next_row;

        sink_rig_await_begin(&rig, epoch);
        storm->first_rows[(epoch + 1) % 2] = end;
        sink_rig_begin(&rig, epoch + 1);
        if (storm_rows(storm) || storm_wait(storm, sink_rig_awaited) || storm_step(storm)) {
            return;
        }
        record_take(&storm->record); /* durable from here on */
        for (int64_t v = storm->first_rows[epoch % 2]; v < end; v++) {
            storm->rows[v] = ROW_COMMITTED;
        }
        storm->epoch = epoch;
        if (storm_step(storm)) {
            return;
        }
        sink_rig_mark_begin(&rig, epoch, true);
        if (storm_rows(storm) || storm_wait(storm, sink_rig_marked)) {
            return;
        }
        epoch++;
    }
}

static void storm_end_begin(void)
{
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        sink_rig_end_begin(&rig, w, false);
    }
}

static void storm_crash(struct storm *storm)
{
    static const enum sim_crash_style styles[] = {SIM_CRASH_MIX, SIM_CRASH_DROP, SIM_CRASH_KEEP, SIM_CRASH_GARBLE};

    storm_end_begin(); /* what comes back from a broker that is no more has to have an end */
    if (below(storm, 3) == 0) {
        rig_kill(&rig.broker, below(storm, 1000000));
    } else {
        rig_cut(&rig.broker, below(storm, 1000000), styles[below(storm, COUNT_OF(styles))]);
    }
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        assert_null(rig.workers[w].sinks);
    }
    sink_rig_start(&rig);
    assert_int_equal(sink_rig_resolve(&rig, storm->record.ranges, storm->record.count), 0);
}

static void storm_check(struct storm *storm)
{
    uint8_t *seen = mem_alloc(MEM_TEST, ROWS_MAX);

    for (size_t t = 0; t < TOPICS; t++) {
        for (int32_t p = 0; p < PARTITIONS; p++) {
            struct sink_reading reading = sink_rig_read(&rig, topics[t], p, true);

            assert_int_equal(reading.last_stable_offset, reading.high_watermark);
            for (size_t i = 0; i < reading.count; i++) {
                long v;

                assert_int_equal(sscanf(reading.records[i].value, "{\"k\":\"k\",\"v\":%ld}", &v), 1);
                assert_true(v >= 0 && v < storm->next_row);
                if (storm->rows[v] != ROW_COMMITTED || seen[v] != 0) {
                    fail_msg("row %ld in %s-%d is %s", v, topics[t], p, seen[v] != 0 ? "there twice" : "uncommitted");
                }
                seen[v] = 1;
            }
            sink_rig_read_free(&reading);
        }
    }
    for (int64_t v = 0; v < storm->next_row; v++) {
        if (storm->rows[v] == ROW_COMMITTED && seen[v] == 0) {
            fail_msg("row %ld was committed and is not there", (long)v);
        }
    }
    mem_free(MEM_TEST, seen);
}

static void crashes_keep_what_is_committed(void **state)
{
    const char   *asked = getenv("SINK_SEEDS");
    uint64_t      seeds = asked == NULL ? 6 : strtoull(asked, NULL, 10);
    struct storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));
    int64_t       committed = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        if (seed > 1) {
            sink_rig_destroy(&rig);
        }
        memset(storm, 0, sizeof(*storm));
        prng_init(&storm->prng, seed);
        storm->epoch = -1;
        set_up(seed);
        for (int crash = 0; crash < 4; crash++) {
            storm->steps_left = (int)below(storm, 150);
            sink_rig_open(&rig);
            storm_incarnation(storm);
            storm_crash(storm);
            storm_check(storm);
        }
        committed += storm->epoch + 1;
    }
    assert_true(committed > 4 * (int64_t)seeds);
    mem_free(MEM_TEST, storm);
}

int main(void)
{
#define RESOLVE_TEST(function) cmocka_unit_test_teardown(function, tear_down)
    const struct CMUnitTest tests[] = {
        RESOLVE_TEST(the_record_decides),
        RESOLVE_TEST(offsets_tell_epochs_apart),
        RESOLVE_TEST(a_log_that_is_too_short_is_told),
        RESOLVE_TEST(deleted_topics_need_nothing),
        RESOLVE_TEST(crashes_keep_what_is_committed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
