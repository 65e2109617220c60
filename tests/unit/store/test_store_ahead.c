/* test_store_ahead.c: what is read before a reader asks for it: in time, not twice, within bounds, and given back. */
#include "tests/unit/store/store_rig.h"

#include "core/store/store_ahead.h"

#define AHEAD_LOG_BATCHES 400
#define AHEAD_PAYLOAD     ((size_t)(60 * KIB))

struct ahead_reader {
    struct store_read read;
    struct rig_log   *log;
    int64_t           offset;
    bool              done;
    uint32_t          later; /* answers that did not come at once */
};

static void reader_done(struct store_read *read)
{
    CONTAINER_OF(read, struct ahead_reader, read)->done = true;
}

/* Begins the reader's next read. */
static void reader_ask(struct ahead_reader *reader, size_t bytes_max)
{
    reader->read = (struct store_read){.offset = reader->offset,
                                       .end_offset = INT64_MAX,
                                       .bytes_max = bytes_max,
                                       .at_least_one = true,
                                       .done = reader_done};
    reader->done = store_log_read(reader->log->log, &reader->read);
    reader->later += !reader->done;
}

static void reader_take(struct ahead_reader *reader)
{
    if (!reader->done) {
        rig_until(rig_flag, &reader->done);
    }
    assert_int_equal(reader->read.result, ERR_OK);
    assert_true(reader->read.next_offset > reader->offset);
    reader->offset = reader->read.next_offset;
    store_read_release(&reader->read);
}

/* All on the disk, nothing in memory. */
static void cold_log(struct rig_log *log, uint64_t seed, uint64_t segment_bytes)
{
    rig_create(seed);
    rig.options.cache_bytes = 0;
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(log, "cold");
    log->policy.segment_bytes = segment_bytes != 0 ? segment_bytes : log->policy.segment_bytes;
    assert_int_equal(rig_log_open(log), ERR_OK);
    for (int i = 0; i < AHEAD_LOG_BATCHES; i++) {
        while (rig_append(log, 10, AHEAD_PAYLOAD) != ERR_OK) {
            rig_run_for(NS_PER_MS);
        }
    }
    rig_settle(log);
    rig_run_for(10 * NS_PER_S);
}

static void cold_end(struct rig_log *log)
{
    rig_stop_clean();
    rig_log_free(log);
    rig_destroy();
}

/* One behind the other: after the first few each read finds its data in memory, and nothing is read twice. */
static void test_sequential_reader_finds_it_there(void **state)
{
    struct rig_log      log;
    struct ahead_reader reader = {.log = &log};
    struct store_stats  stats;
    uint32_t            reads = 0;

    (void)state;
    cold_log(&log, 7, 0);
    while (reader.offset < AHEAD_LOG_BATCHES * 10) {
        reader_ask(&reader, 512 * KIB);
        reader_take(&reader);
        rig_run_for(20 * NS_PER_MS); /* what the reader does with it */
        reads++;
    }
    store_stats(rig.store, &stats);
    assert_in_range(reads, 40, 80);
    assert_in_range(reader.later, 1, 4);
    assert_in_range(stats.read_disk_bytes, AHEAD_LOG_BATCHES * AHEAD_PAYLOAD,
                    AHEAD_LOG_BATCHES * AHEAD_PAYLOAD / 100 * 115);
    (void)rig_verify(&log, 0, AHEAD_LOG_BATCHES * 10, 512 * KIB);
    (void)rig_verify(&log, 0, AHEAD_LOG_BATCHES * 10, 8 * MIB);
    (void)rig_verify(&log, 0, AHEAD_LOG_BATCHES * 10, 1);
    cold_end(&log);
}

/* Also where one segment ends and the next begins. */
static void test_reader_crosses_segments(void **state)
{
    struct rig_log log;

    (void)state;
    cold_log(&log, 8, 3 * MIB);
    assert_true(log.log->segment_count > 5);
    (void)rig_verify(&log, 0, AHEAD_LOG_BATCHES * 10, 1 * MIB);
    (void)rig_verify(&log, 0, AHEAD_LOG_BATCHES * 10, 100 * KIB);
    cold_end(&log);
}

/* Who reads here and there has nothing read ahead; who stops gives it back; a clean stop does not wait for anybody. */
static void test_reader_goes_elsewhere(void **state)
{
    struct rig_log      log;
    struct ahead_reader reader = {.log = &log};
    struct store_stats  stats;
    size_t              used;

    (void)state;
    cold_log(&log, 9, 0);
    used = buf_pool_used_bytes(rig.shard->bufs);
    for (int64_t i = 0; i < 20; i++) {
        reader.offset = i * 1370 % (AHEAD_LOG_BATCHES * 10);
        reader_ask(&reader, 64 * KIB);
        reader_take(&reader);
    }
    store_stats(rig.store, &stats);
    assert_in_range(stats.read_disk_bytes, 1,
                    20 * 640 * KIB); /* a frame is read whole: its checks are over all of it */
    LIST_EACH(&rig.store->aheads, node) {
        assert_int_equal(LIST_ENTRY(node, struct store_ahead, link)->depth, 0);
    }
    reader.offset = 0;
    for (int i = 0; i < 6; i++) {
        reader_ask(&reader, 512 * KIB);
        reader_take(&reader);
    }
    assert_true(rig.store->ahead_bytes > MIB);
    rig_run_for(3 * NS_PER_S);
    assert_int_equal(rig.store->ahead_bytes, 0);
    assert_int_equal(rig.store->ahead_count, 0);
    assert_int_equal(buf_pool_used_bytes(rig.shard->bufs), used);
    assert_false(timer_armed(&rig.store->ahead_timer));
    reader.offset = 0;
    for (int i = 0; i < 3; i++) {
        reader_ask(&reader, 512 * KIB);
        reader_take(&reader);
    }
    cold_end(&log); /* with reads under way */
}

/* All readers together stay within their share, and get on. */
static void test_many_readers_share(void **state)
{
    struct rig_log      log;
    struct ahead_reader readers[100] = {0};
    uint64_t            most = 0;

    (void)state;
    cold_log(&log, 10, 0);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i].log = &log;
        readers[i].offset = (int64_t)(i % 40) * 50;
    }
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < COUNT_OF(readers); i++) {
            reader_ask(&readers[i], 128 * KIB);
            if (i % 8 == 7) { /* some at the same time, also at the same place */
                for (size_t j = i - 7; j <= i; j++) {
                    reader_take(&readers[j]);
                }
            }
            most = MAX(most, rig.store->ahead_bytes);
        }
        for (size_t j = COUNT_OF(readers) / 8 * 8; j < COUNT_OF(readers); j++) {
            reader_take(&readers[j]);
        }
        assert_true(rig.store->ahead_count <= STORE_AHEADS_MAX + 8);
    }
    assert_true(most <= rig.store->ahead_bytes_max + 8 * STORE_WINDOW_BYTES);
    cold_end(&log);
}

/* Retention takes what was read ahead for somebody; a log is deleted while reads are under way. */
static void test_log_goes_below_a_reader(void **state)
{
    struct rig_log      log;
    struct ahead_reader reader = {.log = &log};

    (void)state;
    cold_log(&log, 11, 3 * MIB);
    for (int i = 0; i < 3; i++) {
        reader_ask(&reader, 256 * KIB);
        reader_take(&reader);
    }
    rig.done = false;
    store_log_trim(log.log, 2000, rig_done, NULL);
    rig_wait_done();
    assert_int_equal(rig.result, ERR_OK);
    reader_ask(&reader, 256 * KIB);
    assert_true(reader.done);
    assert_int_equal(reader.read.result, ERR_OUT_OF_RANGE);
    (void)rig_verify(&log, 2000, AHEAD_LOG_BATCHES * 10, 256 * KIB);
    reader.offset = 2000;
    for (int i = 0; i < 3; i++) {
        reader_ask(&reader, 256 * KIB);
        reader_take(&reader);
    }
    assert_true(rig.store->ahead_bytes > 0);
    rig.done = false;
    store_log_delete(log.log, rig_done, NULL);
    rig_wait_done();
    assert_int_equal(rig.store->ahead_count, 0);
    log.log = NULL;
    cold_end(&log);
}

/* The power goes while windows are under way: nothing is left. */
static void test_power_goes(void **state)
{
    struct rig_log      log;
    struct ahead_reader reader = {.log = &log};

    (void)state;
    cold_log(&log, 12, 0);
    for (int i = 0; i < 3; i++) {
        reader_ask(&reader, 512 * KIB);
        reader_take(&reader);
    }
    reader_ask(&reader, 512 * KIB);
    if (reader.done) {
        reader_take(&reader);
    }
    rig_crash(3, SIM_CRASH_DROP);
    rig_log_free(&log);
    rig_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequential_reader_finds_it_there),
        cmocka_unit_test(test_reader_crosses_segments),
        cmocka_unit_test(test_reader_goes_elsewhere),
        cmocka_unit_test(test_many_readers_share),
        cmocka_unit_test(test_log_goes_below_a_reader),
        cmocka_unit_test(test_power_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
