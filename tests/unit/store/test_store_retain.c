/* test_store_retain.c: the partition's snapshots beside segments, when the power goes. Retention itself is in
 * test_store_life.c. */
#include "tests/unit/store/store_rig.h"

#define SEEDS 20

static void append_some(struct rig_log *log, int count, size_t payload_bytes)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(rig_append(log, 10, payload_bytes), ERR_OK);
        rig_run_for((int64_t)(10 * NS_PER_US)); /* a frame of its own */
    }
}

/* The only snapshot that covers what retention took is about to be replaced by a newer one. Its writes and those of the
 * batches it tells of are all under way, in any order: the power goes as soon as the file may be there. */
static void overtake(uint64_t seed, bool weak)
{
    struct sim_options options;
    struct rig_log     log;
    int64_t            covered;

    sim_options_default(&options, seed);
    options.write_latency = (struct sim_range){NS_PER_MS / 10, 20 * NS_PER_MS};
    options.sync_latency = options.write_latency;
    options.name_latency = (struct sim_range){0, NS_PER_MS};
    rig_create_with(&options);
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(&log, "overtaken");
    log.policy.segment_bytes = 1 * MIB;
    log.policy.durable_on_append = !weak;
    log.policy.flush_ms = INT64_MAX;
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_some(&log, 5, 300 * KIB); /* rolls */
    rig_settle(&log);
    rig_run_for(NS_PER_S);
    store__snapshot_take(log.log);
    rig_run_for(NS_PER_S);
    covered = log.log->segments[log.log->segment_count - 1]->snapshot_offset;
    assert_int_equal(covered, 50);
    store_log_trim(log.log, 45, rig_done, NULL);
    rig_wait_done();
    assert_int_equal(log.log->segment_count, 1);
    rig_run_for(3 * NS_PER_S); /* their files are gone: nothing else tells what the first batches were */

    append_some(&log, 3, 90 * KIB);
    store__snapshot_take(log.log);
    for (int64_t now = covered; now == covered; now = log.log->segments[log.log->segment_count - 1]->snapshot_offset) {
        rig_run_for((int64_t)(50 * NS_PER_US));
    }
    assert_int_equal(log.log->segments[log.log->segment_count - 1]->snapshot_offset, 80);
    rig_crash(seed, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    log.snapshots_read = 0;
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(log.snapshots_read, 1);
    assert_int_equal(store_log_end_offset(log.log), 80);
    assert_int_equal(log.state_end, 80);
    rig_stop_clean();
    rig_log_free(&log);
    rig_destroy();
}

static void test_a_snapshot_does_not_overtake_what_it_tells_of(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        overtake(seed, false);
        overtake(seed, true);
    }
}

/* A full disk: the batches cannot be written, so neither the snapshot nor the seal of a segment waits for them, and the
 * job behind them, which may make room, has its turn. */
static int trim_on_a_full_disk(struct rig_log *log, uint64_t segment_bytes)
{
    rig_create(7);
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(log, "stuck");
    log->policy.segment_bytes = segment_bytes;
    assert_int_equal(rig_log_open(log), ERR_OK);
    append_some(log, 5, 300 * KIB);
    rig_settle(log);
    rig_run_for(NS_PER_S);
    sim_set_capacity(rig.sim, 0, sim_used_bytes(rig.sim, 0));
    for (int i = 0; i < 60 && rig_append(log, 10, 300 * KIB) == ERR_OK; i++) { /* beyond what is allocated */
        rig_run_for((int64_t)(10 * NS_PER_US));
    }
    store__snapshot_take(log->log);
    rig_run_for(2 * NS_PER_S);
    assert_true(store_log_durable_offset(log->log) < store_log_end_offset(log->log));
    store_log_trim(log->log, 45, rig_done, NULL);
    rig_wait_done();
    return rig.result;
}

static void end(struct rig_log *log)
{
    sim_set_capacity(rig.sim, 0, 64 * GIB);
    rig_settle(log);
    store_set_retention_check_ms(rig.store, 1000);
    rig_run_for(5 * NS_PER_S);
    for (uint32_t i = 0; i + 1 < log->log->segment_count; i++) { /* what was left undone is made up for */
        assert_int_equal(log->log->segments[i]->header.state, STORE_SEGMENT_SEALED);
    }
    (void)rig_verify(log, 45, store_log_end_offset(log->log), 400 * KIB);
    rig_stop_clean();
    rig_log_free(log);
    rig_destroy();
}

static void test_a_snapshot_does_not_stand_in_the_way_of_deleting(void **state)
{
    struct rig_log log;

    (void)state;
    assert_int_equal(trim_on_a_full_disk(&log, 1 * GIB), ERR_OK);
    assert_int_equal(store_log_start_offset(log.log), 45);
    end(&log);
}

/* The start would have to be written into a segment that cannot be made: that is said, at once. */
static void test_nor_does_the_seal_of_a_segment(void **state)
{
    struct rig_log log;

    (void)state;
    assert_int_equal(trim_on_a_full_disk(&log, 1 * MIB), ERR_NO_SPACE);
    assert_int_equal(store_log_start_offset(log.log), 0);
    end(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_snapshot_does_not_overtake_what_it_tells_of),
        cmocka_unit_test(test_a_snapshot_does_not_stand_in_the_way_of_deleting),
        cmocka_unit_test(test_nor_does_the_seal_of_a_segment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
