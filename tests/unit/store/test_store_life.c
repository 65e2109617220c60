/* test_store_life.c: what happens to a log over time: rolls, retention, DeleteRecords, deletion, times, weaker
 * policies, a full disk, a failing one, and many logs at once. */
#include "tests/unit/store/store_rig.h"

#include "core/base/slog.h"

#include <stdio.h>

static void begin(uint64_t seed, struct rig_log *log, const char *topic)
{
    rig_create(seed);
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(log, topic);
}

static void end(struct rig_log *log)
{
    rig_stop_clean();
    rig_log_free(log);
    rig_destroy();
}

static void append_many(struct rig_log *log, int count, int32_t records, size_t payload_bytes)
{
    for (int i = 0; i < count; i++) {
        int result = rig_append(log, records, payload_bytes);

        if (result == ERR_AGAIN) {
            rig_run_for(5 * NS_PER_MS);
            i--;
        } else {
            assert_int_equal(result, ERR_OK);
        }
    }
    rig_settle(log);
}

struct file_count {
    const char *suffix;
    size_t      count;
};

static void count_file(void *context, const char *path, uint64_t size_bytes)
{
    struct file_count *count = context;
    size_t             len = strlen(path);

    (void)size_bytes;
    if (len > strlen(count->suffix) && strcmp(path + len - strlen(count->suffix), count->suffix) == 0) {
        count->count++;
    }
}

static size_t files_with(const char *suffix)
{
    struct file_count count = {.suffix = suffix};

    sim_disk_each(rig.sim, 0, count_file, &count);
    return count.count;
}

static bool done_flag(void *context)
{
    return *(bool *)context;
}

static void test_roll_by_size_and_time(void **state)
{
    struct rig_log log;

    (void)state;
    begin(11, &log, "roll");
    log.policy.segment_bytes = 300 * KIB;
    log.policy.segment_ms = 60000;
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 10, 10, 100 * KIB);
    assert_in_range(log.log->segment_count, 4, 10);
    assert_true(log.snapshots_written >= 3);
    for (uint32_t i = 0; i + 1 < log.log->segment_count; i++) { /* one ends where the next begins, within its size */
        assert_int_equal(log.log->segments[i]->end_offset, log.log->segments[i + 1]->header.base_offset);
        assert_true(log.log->segments[i]->end_position <= 300 * KIB + 3 * 4096);
    }
    rig_run_for(NS_PER_S);
    for (uint32_t i = 0; i + 1 < log.log->segment_count; i++) {
        assert_int_equal(log.log->segments[i]->header.state, STORE_SEGMENT_SEALED);
    }
    {
        uint32_t before = log.log->segment_count;

        rig_run_for(61 * NS_PER_S);
        append_many(&log, 1, 1, 10);
        assert_int_equal(log.log->segment_count, before + 1);
    }
    assert_int_equal(store_log_reserve(log.log, 301 * KIB, &(struct span){0}), ERR_LIMIT);
    (void)rig_verify(&log, 0, 101, 64 * KIB);
    rig_kill(5);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 0, 101, 500 * KIB);
    assert_int_equal(log.state_end, 101);
    assert_int_equal(log.snapshots_read, 1);
    assert_true(log.replayed < 11); /* not from the beginning */
    end(&log);
}

static void test_retention_by_size(void **state)
{
    struct rig_log log;

    (void)state;
    begin(12, &log, "sized");
    log.policy.segment_bytes = 200 * KIB;
    log.policy.retention_bytes = (int64_t)(500 * KIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 20, 10, 90 * KIB);
    rig_run_for(NS_PER_S);
    store_set_retention_check_ms(rig.store, 1000);
    rig_run_for(5 * NS_PER_S);
    assert_true(store_log_start_offset(log.log) > 0);
    assert_int_equal(log.hook_start, store_log_start_offset(log.log));
    assert_in_range(store_log_size_bytes(log.log), 500 * KIB, 800 * KIB);
    /* The files are gone, too; one may be made ahead. */
    assert_int_equal(files_with(".seg"), log.log->segment_count + (log.log->next_segment != NULL));
    assert_int_equal(rig_read_result(&log, store_log_start_offset(log.log) - 1), ERR_OUT_OF_RANGE);
    (void)rig_verify(&log, store_log_start_offset(log.log), 200, 100 * KIB);
    {
        int64_t start = store_log_start_offset(log.log);

        rig_crash(1, SIM_CRASH_DROP);
        assert_int_equal(rig_start(), ERR_OK);
        assert_int_equal(rig_log_open(&log), ERR_OK);
        assert_int_equal(store_log_start_offset(log.log), start);
        assert_int_equal(log.state_end, 200);
    }
    end(&log);
}

/* Somebody reads at offset 60: what lies above stays, up to the limits. */
static void test_what_is_not_read_stays_longer(void **state)
{
    struct store_keep keep = {.offset = 60, .bytes_max = (int64_t)(800 * KIB)};
    struct rig_log    log;

    (void)state;
    begin(12, &log, "kept");
    log.policy.segment_bytes = 200 * KIB;
    log.policy.retention_bytes = (int64_t)(500 * KIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    store_log_keep(log.log, &keep);
    append_many(&log, 20, 10, 90 * KIB);
    rig_run_for(NS_PER_S);
    store_set_retention_check_ms(rig.store, 1000);
    rig_run_for(5 * NS_PER_S);
    assert_in_range(store_log_start_offset(log.log), 1, 60);
    append_many(&log, 10, 10, 90 * KIB); /* too much */
    rig_run_for(5 * NS_PER_S);
    assert_true(store_log_start_offset(log.log) > 60);
    assert_in_range(store_log_size_bytes(log.log), 1000 * KIB, 1600 * KIB);
    keep.offset = INT64_MAX;
    store_log_keep(log.log, &keep);
    rig_run_for(5 * NS_PER_S);
    assert_in_range(store_log_size_bytes(log.log), 500 * KIB, 800 * KIB);
    end(&log);
}

static void test_retention_by_time(void **state)
{
    struct rig_log log;

    (void)state;
    begin(13, &log, "timed");
    log.policy.segment_bytes = 200 * KIB;
    log.policy.retention_ms = 5000; /* the batches say 1970 */
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 10, 10, 90 * KIB);
    rig_run_for(5 * NS_PER_S); /* what is open has left for its segment */
    store_set_retention_check_ms(rig.store, 1000);
    rig_run_for(10 * NS_PER_S);
    assert_int_equal(store_log_start_offset(log.log), 100); /* also the active one was rolled and went */
    assert_int_equal(store_log_end_offset(log.log), 100);
    append_many(&log, 1, 5, 100);
    (void)rig_verify(&log, 100, 105, 1000);
    end(&log);
}

static void test_trim_is_durable(void **state)
{
    struct rig_log log;

    (void)state;
    begin(14, &log, "trim");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 10, 10, 1000);
    store_log_trim(log.log, 37, rig_done, NULL);
    rig_wait_done();
    assert_int_equal(rig.result, ERR_OK);
    assert_int_equal(store_log_start_offset(log.log), 37);
    assert_int_equal(log.hook_start, 37);
    store_log_trim(log.log, 20, rig_done, NULL); /* it never goes back */
    rig_wait_done();
    assert_int_equal(rig.result, ERR_OK);
    assert_int_equal(store_log_start_offset(log.log), 37);
    assert_int_equal(rig_read_result(&log, 36), ERR_OUT_OF_RANGE);
    rig_crash(2, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(store_log_start_offset(log.log), 37);
    assert_int_equal(rig_read_result(&log, 36), ERR_OUT_OF_RANGE);
    (void)rig_verify(&log, 37, 100, 3000); /* the batch that holds 37, whole */
    store_log_trim(log.log, 100, rig_done, NULL);
    rig_wait_done();
    rig_stop_clean();
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(store_log_start_offset(log.log), 100);
    assert_int_equal(store_log_end_offset(log.log), 100);
    end(&log);
}

static void test_delete(void **state)
{
    struct rig_log log;

    (void)state;
    begin(15, &log, "gone");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 3, 10, 1000);
    append_many(&log, 3, 10, 100 * KIB);
    store_log_delete(log.log, rig_done, NULL);
    rig_wait_done();
    rig_run_for(3 * NS_PER_S);
    assert_int_equal(files_with(".seg"), 0);
    log.append_count = log.acked = 0;
    assert_int_equal(rig_log_open(&log), ERR_OK); /* the name is free */
    assert_int_equal(store_log_end_offset(log.log), 0);
    append_many(&log, 1, 1, 10);
    rig_crash(3, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 0, 1, 100);
    end(&log);
}

static void lookup_done(struct store_time_lookup *lookup)
{
    (void)lookup;
    rig.done = true;
}

static int64_t offset_at_time(struct rig_log *log, int64_t timestamp_ms)
{
    struct store_time_lookup lookup = {.timestamp_ms = timestamp_ms, .end_offset = INT64_MAX, .done = lookup_done};

    rig.done = false;
    store_log_find_time(log->log, &lookup);
    rig_wait_done();
    assert_int_equal(lookup.result, ERR_OK);
    return lookup.out_offset;
}

static int64_t offset_of_max_time(struct rig_log *log)
{
    struct store_time_lookup lookup = {.done = lookup_done};

    rig.done = false;
    store_log_find_max_time(log->log, &lookup);
    rig_wait_done();
    assert_int_equal(lookup.result, ERR_OK);
    return lookup.out_offset;
}

/* The rig's batches have no readable records, so they say "log append time": one time for the batch. */
static void check_times(struct rig_log *log)
{
    assert_int_equal(offset_at_time(log, 0), 0);
    assert_int_equal(offset_at_time(log, 1000), 0);
    assert_int_equal(offset_at_time(log, 1001), 10);
    assert_int_equal(offset_at_time(log, 1250), 250);
    assert_int_equal(offset_at_time(log, 1251), 260);
    assert_int_equal(offset_at_time(log, 1390), 390);
    assert_int_equal(offset_at_time(log, 1391), -1);
    assert_int_equal(offset_of_max_time(log), 390);
}

static void test_times(void **state)
{
    struct rig_log log;

    (void)state;
    begin(16, &log, "times");
    log.policy.segment_bytes = 200 * KIB;
    log.append_time = true;
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(offset_at_time(&log, 5), -1);
    assert_int_equal(offset_of_max_time(&log), -1);
    append_many(&log, 40, 10, 20 * KIB);
    check_times(&log);
    store__cache_trim(rig.store, 0);
    check_times(&log);
    rig_stop_clean();
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    check_times(&log); /* indexes are read or rebuilt */
    rig_crash(4, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    check_times(&log);
    end(&log);
}

static void test_weak_policy(void **state)
{
    struct rig_log     log;
    struct store_stats stats;

    (void)state;
    begin(17, &log, "weak");
    log.policy.durable_on_append = false;
    log.policy.flush_messages = 1000;
    log.policy.flush_ms = 5000;
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 5, 10, 1000);
    store_stats(rig.store, &stats);
    assert_int_equal(stats.journal_writes, 0);
    assert_int_equal(stats.syncs, 0);
    rig_run_for(6 * NS_PER_S); /* flush.ms */
    store_stats(rig.store, &stats);
    assert_true(stats.syncs > 0);
    append_many(&log, 5, 10, 1000); /* not flushed yet */
    rig_kill(9);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(store_log_end_offset(log.log), 100); /* kill -9 loses nothing */
    (void)rig_verify(&log, 0, 100, 10000);
    append_many(&log, 3, 10, 1000);
    rig_crash(9, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(store_log_end_offset(log.log), 100); /* a power cut, what was not flushed; and that is no damage */
    log.append_count = log.acked = 10;
    log.policy.durable_on_append = true; /* now strong: nothing is acknowledged before the rest is flushed */
    append_many(&log, 1, 10, 1000);
    store_log_set_policy(log.log, &log.policy);
    append_many(&log, 1, 10, 1000);
    rig_crash(10, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(store_log_end_offset(log.log), 120);
    (void)rig_verify(&log, 0, 120, 10000);
    end(&log);
}

static void test_full_disk(void **state)
{
    struct rig_log log;
    int            result = ERR_OK;

    (void)state;
    begin(18, &log, "full");
    rig_stop_clean();
    rig.options.free_bytes_min = 2 * MIB;
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 3, 10, 1000);
    sim_set_capacity(rig.sim, 0, sim_used_bytes(rig.sim, 0) + 6 * MIB);
    for (int i = 0; i < 200 && result != ERR_NO_SPACE; i++) {
        result = rig_append(&log, 10, 100 * KIB);
        rig_run_for(100 * NS_PER_MS);
    }
    assert_int_equal(result, ERR_NO_SPACE);
    rig_settle(&log);
    assert_true(store_log_online(log.log));
    (void)rig_verify(&log, 0, store_log_end_offset(log.log), 100 * KIB); /* reading goes on */
    store_log_trim(log.log, 10, rig_done, NULL);                         /* and so does deleting */
    rig_wait_done();
    assert_int_equal(rig.result, ERR_OK);
    sim_set_capacity(rig.sim, 0, 64 * GIB);
    rig_run_for(2 * NS_PER_S);
    append_many(&log, 2, 10, 1000); /* by itself */
    end(&log);
}

static void test_failed_write_takes_the_log_offline(void **state)
{
    struct rig_log log;
    struct rig_log other;
    size_t         acked;

    (void)state;
    begin(19, &log, "sick");
    rig_log_init(&other, "well");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(rig_log_open(&other), ERR_OK);
    append_many(&log, 5, 10, 1000);
    append_many(&other, 5, 10, 1000);
    append_many(&log, 1, 10, 200 * KIB);
    acked = log.acked;
    sim_fail_nth(rig.sim, 0, 1, SIM_FAIL_WRITE, ERR_IO, false);
    assert_int_equal(rig_append(&log, 10, 200 * KIB), ERR_OK);
    rig_settle(&log);
    assert_int_equal(log.offline_reason, ERR_IO);
    assert_int_equal(log.acked, acked);
    assert_int_equal(log.appends[log.append_count - 1].append.result, ERR_OFFLINE);
    assert_false(store_log_online(log.log));
    assert_int_equal(rig_append(&log, 1, 10), ERR_OFFLINE);
    append_many(&other, 5, 10, 1000); /* the others go on */
    rig_log_close(&log);
    assert_int_equal(rig_log_open(&log), ERR_OK); /* read back from the disk */
    assert_true(store_log_end_offset(log.log) >= 60);
    (void)rig_verify(&log, 0, 60, 10000);
    log.append_count = log.acked = (size_t)(store_log_end_offset(log.log) / 10);
    append_many(&log, 3, 10, 1000);
    rig_crash(6, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 0, (int64_t)log.append_count * 10, 10000);
    rig_log_free(&other);
    end(&log);
}

#define MANY 400

static void test_many_logs_few_files(void **state)
{
    static struct rig_log logs[MANY];
    static char           names[MANY][32];

    (void)state;
    rig_create(20);
    assert_int_equal(rig_start(), ERR_OK);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%c-many-%d", 'a' + i % 26, i);
        rig_log_init_small(&logs[i], names[i], 8);
        assert_int_equal(rig_log_open(&logs[i]), ERR_OK);
        assert_int_equal(rig_append(&logs[i], 1, 100), ERR_OK);
    }
    for (int step = 0; step < 2000 && !list_empty(&rig.store->claims); step++) {
        rig_run_for(10 * NS_PER_MS);
        assert_true(rig.store->slots_used <= STORE_OPEN_FILES_MAX);
    }
    assert_true(list_empty(&rig.store->claims)); /* all in their segments */
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(logs[i].acked, 1);
        assert_null(logs[i].log->open); /* and no buffer is held */
        (void)rig_verify(&logs[i], 0, 1, 100);
    }
    rig_kill(8);
    assert_int_equal(rig_start(), ERR_OK);
    for (int i = 0; i < MANY; i++) {
        uint64_t changes = sim_change_count(rig.sim, 0);

        assert_int_equal(rig_log_open(&logs[i]), ERR_OK);
        assert_int_equal(sim_change_count(rig.sim, 0), changes); /* nothing to write: it stood as it should */
        (void)rig_verify(&logs[i], 0, 1, 100);
    }
    rig_stop_clean();
    for (int i = 0; i < MANY; i++) {
        rig_log_free(&logs[i]);
    }
    rig_destroy();
}

/* No direct I/O: the same promises through the page cache. */
static void test_buffered_volume(void **state)
{
    struct sim_options options;
    struct rig_log     log;

    (void)state;
    sim_options_default(&options, 21);
    options.direct_align_bytes = 0;
    rig_create_with(&options);
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(&log, "buffered");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 5, 10, 1000);
    append_many(&log, 5, 10, 100 * KIB);
    append_many(&log, 5, 10, 1000);
    rig_crash(7, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(store_log_end_offset(log.log), 150);
    (void)rig_verify(&log, 0, 150, 64 * KIB);
    end(&log);
}

struct waiter {
    struct store_memory_wait wait;
    bool                     called;
};

static void memory_ready(struct store_memory_wait *wait)
{
    CONTAINER_OF(wait, struct waiter, wait)->called = true;
}

static void test_memory_runs_out(void **state)
{
    struct rig_log log;
    struct waiter  waiter = {.wait = {.ready = memory_ready}};
    struct buf    *taken[1024];
    size_t         count = 0;

    (void)state;
    begin(22, &log, "memory");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 2, 10, 100 * KIB);
    while (count < COUNT_OF(taken) && (taken[count] = buf_acquire(rig.shard->bufs, 256 * KIB)) != NULL) {
        count++;
    }
    while (rig.store->cache_bytes > 0 || count == 0) { /* what was cached is given back first */
        store__cache_trim(rig.store, 0);
    }
    while (count < COUNT_OF(taken) && (taken[count] = buf_acquire(rig.shard->bufs, 4 * KIB)) != NULL) {
        count++;
    }
    assert_int_equal(rig_append(&log, 10, 100 * KIB), ERR_AGAIN);
    store_wait_for_memory(rig.store, &waiter.wait);
    while (count > 0) {
        buf_unref(taken[--count]);
    }
    rig_until(done_flag, &waiter.called);
    append_many(&log, 1, 10, 100 * KIB);
    (void)rig_verify(&log, 0, 30, 64 * KIB);
    end(&log);
}

/* A reader of small pieces far behind: what one read checked, the next one need not read again. */
static void test_small_cold_reads(void **state)
{
    struct rig_log log;
    uint64_t       reads;

    (void)state;
    begin(23, &log, "behind");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    for (int i = 0; i < 64; i++) { /* together: few large frames */
        assert_int_equal(rig_append(&log, 1, 4000), ERR_OK);
    }
    rig_settle(&log);
    rig_stop_clean();
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 0, 1, 1); /* the index is there now */
    reads = sim_operation_count(rig.sim, 0);
    assert_int_equal(rig_verify(&log, 1, 60, 4100), 59);
    assert_true(sim_operation_count(rig.sim, 0) - reads <= 4);
    (void)rig_verify(&log, 0, 64, 4100);
    end(&log);
}

/* A stop while the disk is full: it ends, and what was acknowledged comes back. */
static void test_clean_stop_on_a_full_disk(void **state)
{
    struct rig_log log;

    (void)state;
    begin(24, &log, "stuck");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    sim_set_capacity(rig.sim, 0, sim_used_bytes(rig.sim, 0));
    append_many(&log, 5, 10, 1000); /* the journal has its space already */
    rig_run_for(5 * NS_PER_S);
    rig_stop_clean();
    sim_set_capacity(rig.sim, 0, 64 * GIB);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 0, 50, 1000);
    end(&log);
}

static void quiet(enum slog_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    (void)text;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roll_by_size_and_time),
        cmocka_unit_test(test_retention_by_size),
        cmocka_unit_test(test_what_is_not_read_stays_longer),
        cmocka_unit_test(test_retention_by_time),
        cmocka_unit_test(test_trim_is_durable),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_weak_policy),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_failed_write_takes_the_log_offline),
        cmocka_unit_test(test_many_logs_few_files),
        cmocka_unit_test(test_buffered_volume),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_small_cold_reads),
        cmocka_unit_test(test_clean_stop_on_a_full_disk),
    };

    slog_set_sink(quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
