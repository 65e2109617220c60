/* test_store_journal.c: the running journal in the simulated world: laps, full ring, failures, odd volumes. */
#include "tests/unit/store/store_journal_rig.h"

#include "core/base/slog.h"

static void test_append_and_reopen(void **state)
{
    struct sim_options         options;
    struct store_journal_stats stats;

    (void)state;
    rig_options(&options, 1);
    rig_start(&options);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    assert_int_equal(rig_append(0, 1, 10), ERR_AGAIN); /* before reset */
    assert_int_equal(rig_journal_reset(), ERR_OK);
    assert_int_equal(store_journal_capacity(rig.journal), RING_BYTES);

    for (int i = 0; i < 40; i++) {
        assert_int_equal(rig_append(i % LOGS, 2, 20), ERR_OK);
        assert_int_equal(rig.items[i].state, ITEM_APPENDED); /* never inside the call */
    }
    rig_run_until(rig_all_answered);
    store_journal_stats(rig.journal, &stats);
    assert_int_equal(stats.entries, 40);
    assert_int_equal(stats.writes, 1); /* what arrives together leaves together */
    assert_int_equal(rig_append(0, 1, store_journal_entry_bytes_max(rig.journal)), ERR_LIMIT);

    rig_crash(1, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 40);
    rig_expect_recovered();
    /* Not reset: it is all there again the next time. */
    rig_crash(2, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 40);
    assert_int_equal(rig_journal_reset(), ERR_OK);
    rig.generation_first = rig.item_count;
    rig_crash(3, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    rig_end();
}

static void test_clean_close(void **state)
{
    struct sim_options options;
    uint64_t           reads;

    (void)state;
    rig_options(&options, 2);
    rig_start(&options);
    rig_journal_start(RING_BYTES);
    rig_work(50, 3000);
    rig_run_until(rig_all_answered);
    rig_release_items(rig.item_count);
    assert_int_equal(rig_journal_close(), ERR_OK);
    store_journal_destroy(rig.journal);
    reads = sim_operation_count(rig.sim, 0);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    assert_true(sim_operation_count(rig.sim, 0) - reads <= 4); /* stat, open, two headers: not the ring */
    assert_int_equal(rig_journal_reset(), ERR_OK);

    /* Closed with appends that are not drained: they are written first, and come back. */
    rig.generation_first = rig.item_count;
    assert_int_equal(rig_append(1, 1, 500), ERR_OK);
    assert_int_equal(rig_journal_close(), ERR_OK);
    assert_int_equal(rig.items[rig.item_count - 1].state, ITEM_ACKED);
    store_journal_destroy(rig.journal);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 1);
    assert_int_equal(rig_journal_close(), ERR_OK);
    rig_end();
}

/* With everything released and nothing under way the header says so: a start has nothing to replay, and rot has nothing
 * to hit. */
static void test_idle_is_recorded(void **state)
{
    struct sim_options options;

    (void)state;
    rig_options(&options, 14);
    rig_start(&options);
    rig_journal_start(RING_BYTES);
    sim_run_for(rig.sim, 2 * NS_PER_S);
    assert_true(io_run(rig.io, io_now_ns(rig.io) + 1) >= 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rig_append(i, 1, 3000), ERR_OK);
        rig_run_until(rig_all_answered);
    }
    rig_release_items(rig.item_count);
    rig_run_until(rig_is_idle);
    rig_crash(1, SIM_CRASH_DROP);
    assert_true(sim_disk_flip(rig.sim, 0, RING_PATH, HEADERS + 4 * BLOCK + 300, 1));
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    rig_end();
}

/* Filled to the brim it refuses, says when there is space, and goes on; many laps. */
static void test_full_ring(void **state)
{
    struct sim_options options;
    uint32_t           refusals = 0;

    (void)state;
    rig_options(&options, 3);
    rig_start(&options);
    rig_journal_start(RING_BYTES);
    for (int lap = 0; lap < 30; lap++) {
        int result;

        while ((result = rig_append(lap % LOGS, 1, 100 + prng_below(&rig.prng, 9000))) == ERR_OK) {
            rig_run_until(rig_all_answered);
        }
        assert_int_equal(result, ERR_NO_SPACE);
        refusals++;
        assert_true(store_journal_pressure_percent(rig.journal) > 70);
        assert_int_equal(rig_append(0, 1, 9000), ERR_NO_SPACE); /* nothing is free before it is released */
        assert_int_equal(rig.spaces, refusals - 1);
        rig_release_items(lap % 2 == 0 ? rig.item_count : rig.item_count - 3);
        rig_run_until(rig_is_idle);
        assert_int_equal(rig.spaces, refusals);
        if (lap % 5 == 4) {
            rig_crash((uint64_t)lap, SIM_CRASH_DROP);
            assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
            rig_expect_recovered();
            assert_int_equal(rig_journal_reset(), ERR_OK);
            rig.generation_first = rig.item_count;
        }
    }
    rig_end();
}

static void test_write_failure(void **state)
{
    struct sim_options options;

    (void)state;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        rig_options(&options, nth);
        rig_start(&options);
        rig_journal_start(RING_BYTES);
        sim_fail_nth(rig.sim, 0, nth, SIM_FAIL_WRITE, ERR_IO, nth % 2 == 0);
        for (int i = 0; i < 20 && store_journal_online(rig.journal); i++) {
            rig_work(20, 5000);
        }
        rig_run_until(rig_all_answered);
        assert_false(store_journal_online(rig.journal));
        assert_int_equal(rig_append(0, 1, 10), ERR_OFFLINE);
        /* After the first failure nothing is acknowledged any more. */
        bool failed = false;
        for (size_t i = 0; i < rig.item_count; i++) {
            failed = failed || rig.items[i].state == ITEM_FAILED;
            assert_int_equal(rig.items[i].state, failed ? ITEM_FAILED : ITEM_ACKED);
        }
        sim_fail_nth(rig.sim, 0, 0, 0, ERR_IO, false);
        assert_int_equal(rig_journal_close(), ERR_OFFLINE);
        store_journal_destroy(rig.journal);
        assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
        rig_expect_recovered();
        rig_end();
    }
}

static void test_no_space_to_create(void **state)
{
    struct sim_options options;

    (void)state;
    rig_options(&options, 4);
    rig_start(&options);
    sim_set_capacity(rig.sim, 0, sim_used_bytes(rig.sim, 0) + 100 * 1024);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_NO_SPACE);
    assert_int_equal(rig_journal_close(), ERR_OFFLINE);
    store_journal_destroy(rig.journal);
    assert_true(sim_used_bytes(rig.sim, 0) < 100 * 1024); /* nothing half-made stays */
    sim_set_capacity(rig.sim, 0, 64 * MIB);
    rig_journal_start(RING_BYTES);
    assert_int_equal(rig_append(0, 1, 10), ERR_OK);
    rig_run_until(rig_all_answered);
    assert_int_equal(rig.items[0].state, ITEM_ACKED);
    rig_end();
}

/* Every operation of opening and resetting fails once: an error, never a crash, and the next try works. */
static void test_open_failures(void **state)
{
    struct sim_options options;
    bool               again = true;

    (void)state;
    for (uint64_t nth = 1; again; nth++) {
        rig_options(&options, nth);
        rig_start(&options);
        sim_fail_nth(rig.sim, 0, nth, SIM_FAIL_ANY, ERR_IO, false);
        int result = rig_journal_open(RING_BYTES);
        if (result == ERR_OK) {
            result = rig_journal_reset();
        }
        again = sim_fail_seen(rig.sim, 0) >= nth;
        sim_fail_nth(rig.sim, 0, 0, 0, ERR_IO, false);
        if (result == ERR_OK) {
            assert_int_equal(rig_append(0, 1, 10), ERR_OK);
            rig_run_until(rig_all_answered);
        }
        int closed = rig_journal_close();
        MAYBE(closed == ERR_OK);
        store_journal_destroy(rig.journal);
        assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
        assert_int_equal(rig.replays, rig.item_count);
        assert_int_equal(rig_journal_close(), ERR_OK);
        rig_end();
    }
}

/* Without direct I/O, and on a device without FUA, the same holds. */
static void test_buffered_volume(void **state)
{
    struct sim_options options;

    (void)state;
    rig_options(&options, 11);
    options.direct_align_bytes = 0;
    options.fua = false;
    rig_start(&options);
    rig_journal_start(RING_BYTES);
    rig_work(200, 4000);
    rig_run_until(rig_all_answered);
    rig_crash(1, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    rig_expect_recovered();
    rig_end();
}

/* Written with 512-byte blocks, then moved to a device that wants 4 KiB: read buffered, started anew in 4 KiB blocks.
 */
static void test_moved_to_larger_blocks(void **state)
{
    struct sim_options options;

    (void)state;
    rig_options(&options, 12);
    rig_start(&options);
    rig.volume.block_bytes = 512;
    rig_journal_start(RING_BYTES);
    rig_work(100, 700);
    rig_run_until(rig_all_answered);
    rig_crash(1, SIM_CRASH_DROP);
    rig.volume.block_bytes = BLOCK;
    rig.volume.direct_align_bytes = BLOCK;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
        rig_expect_recovered();
        assert_int_equal(rig_journal_reset(), ERR_OK);
        rig.generation_first = rig.item_count;
        rig_work(100, 700);
        rig_run_until(rig_all_answered);
        rig_crash(2, SIM_CRASH_DROP);
    }
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    rig_expect_recovered();
    rig_end();
}

/* Over the memory budget an append is refused, and what was accepted stays right. */
static void test_out_of_memory(void **state)
{
    struct sim_options options;
    struct buf        *hoard[64];
    size_t             hoarded = 0;
    int                result;

    (void)state;
    rig_options(&options, 13);
    rig_start(&options);
    rig_journal_start(RING_BYTES);
    assert_int_equal(rig_append(0, 1, 100), ERR_OK);
    while (hoarded < COUNT_OF(hoard) && (hoard[hoarded] = buf_acquire(rig.bufs, BUF_BYTES_MAX)) != NULL) {
        hoarded++;
    }
    while ((result = rig_append(1, 1, 9000)) == ERR_OK) {
    }
    assert_true(result == ERR_AGAIN || result == ERR_NO_SPACE);
    rig_run_until(rig_all_answered);
    while (hoarded > 0) {
        buf_unref(hoard[--hoarded]);
    }
    assert_int_equal(rig.items[rig.item_count - 1].state, ITEM_ACKED);
    rig_release_items(rig.item_count);
    rig_run_until(rig_is_idle);
    assert_int_equal(rig_append(1, 1, 9000), ERR_OK);
    rig_run_until(rig_all_answered);
    rig_crash(1, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    rig_expect_recovered();
    rig_end();
}

static void quiet(enum slog_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    (void)text;
}

static int teardown(void **state)
{
    (void)state;
    buf_pool_destroy(rig.bufs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_reopen),      cmocka_unit_test(test_clean_close),
        cmocka_unit_test(test_idle_is_recorded),       cmocka_unit_test(test_full_ring),
        cmocka_unit_test(test_write_failure),          cmocka_unit_test(test_no_space_to_create),
        cmocka_unit_test(test_open_failures),          cmocka_unit_test(test_buffered_volume),
        cmocka_unit_test(test_moved_to_larger_blocks), cmocka_unit_test(test_out_of_memory),
    };

    slog_set_sink(quiet);
    return cmocka_run_group_tests(tests, NULL, teardown);
}
