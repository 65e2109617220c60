/* test_store_journal_crash.c: the journal's ring read back after rot, and after a power cut at every operation of runs
 * that lap it. */
#include "tests/unit/store/store_journal_rig.h"

#include "core/base/slog.h"

/* --- damage ---------------------------------------------------------------------------------------------- */

static void test_header_rot(void **state)
{
    struct sim_options options;

    (void)state;
    for (int which = 0; which < 3; which++) {
        rig_options(&options, 5);
        rig_start(&options);
        rig_journal_start(RING_BYTES);
        rig_work(80, 4000); /* more than a lap: releases went through the header */
        rig_run_until(rig_all_answered);
        rig_crash(5, SIM_CRASH_DROP);
        if (which != 1) {
            assert_true(sim_disk_flip(rig.sim, 0, RING_PATH, 40, 1));
        }
        if (which != 0) {
            assert_true(sim_disk_flip(rig.sim, 0, RING_PATH, HEADERS / 2 + 60, 0x80));
        }
        if (which < 2) {
            assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
            rig_expect_recovered();
        } else {
            assert_int_equal(rig_journal_open(RING_BYTES), ERR_CORRUPT);
            assert_int_equal(rig.damages, 1);
            assert_int_equal(rig.replays, 0);
        }
        assert_int_equal(rig_journal_reset(), ERR_OK);
        rig.generation_first = rig.item_count;
        rig_work(80, 4000);
        rig_run_until(rig_all_answered);
        rig_crash(6, SIM_CRASH_DROP);
        assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
        rig_expect_recovered();
        rig_end();
    }
}

/* How much of what was acknowledged and needed is missing. */
static size_t missing_items(uint64_t below_lsn)
{
    size_t missing = 0;

    for (size_t i = rig.generation_first; i < rig.item_count; i++) {
        const struct journal_item *item = &rig.items[i];

        missing +=
            item->state == ITEM_ACKED && !item->drained && !item->replayed && item->entry.lsn < below_lsn ? 1 : 0;
    }
    return missing;
}

/* Where the last `frames` frames begin. */
static uint64_t newest_lsn(int frames)
{
    uint64_t lsn = UINT64_MAX;

    for (size_t i = rig.item_count; i > rig.generation_first && frames > 0; i--) {
        frames -= rig.items[i - 1].entry.lsn < lsn ? 1 : 0;
        lsn = rig.items[i - 1].entry.lsn;
    }
    return lsn;
}

/* Rot or an unreadable sector anywhere: either nothing needed is missing, or it is reported, or it is in the newest
 * writes, whose acknowledgement nothing on the disk knows: they cannot be told from torn ones. */
static void test_ring_rot(void **state)
{
    struct sim_options options;
    size_t             reported = 0;
    size_t             known = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        struct prng prng;
        uint64_t    newest;

        prng_init(&prng, seed);
        rig_options(&options, seed);
        rig_start(&options);
        rig_journal_start(RING_BYTES);
        rig_work(60, seed % 3 == 0 ? 200 : 5000);
        rig_run_until(rig_all_answered);
        newest = newest_lsn(STORE_JOURNAL_IN_FLIGHT_MAX);
        rig_crash(seed, SIM_CRASH_DROP);
        uint64_t at = HEADERS + prng_below(&prng, RING_BYTES);
        if (seed % 2 == 0) {
            assert_true(sim_disk_flip(rig.sim, 0, RING_PATH, at, (uint8_t)(1 << (seed % 8))));
        } else {
            assert_true(sim_disk_unreadable(rig.sim, 0, RING_PATH, align_down(at, 512), 512));
        }
        int result = rig_journal_open(RING_BYTES);
        assert_true(result == ERR_OK || result == ERR_CORRUPT);
        assert_int_equal(result == ERR_CORRUPT, rig.damages > 0);
        if (result == ERR_OK) {
            assert_int_equal(missing_items(newest), 0);
        } else {
            reported++;
            known += rig.entry_damages > 0 ? 1 : 0;
            /* Perhaps only what had been released, and that was not yet on the disk. */
            assert_true(rig.replays < rig.item_count);
        }
        assert_int_equal(rig_journal_reset(), ERR_OK);
        assert_int_equal(rig_journal_close(), ERR_OK);
        rig_end();
    }
    assert_true(reported > 10);
    assert_true(known > 3);
}

static void test_truncated_file(void **state)
{
    struct sim_options options;

    (void)state;
    rig_options(&options, 8);
    rig_start(&options);
    rig_journal_start(RING_BYTES);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(rig_append(i % LOGS, 1, 3500), ERR_OK);
        rig_run_until(rig_all_answered);
    }
    rig_crash(1, SIM_CRASH_DROP);
    assert_true(sim_disk_resize(rig.sim, 0, RING_PATH, HEADERS + 10 * BLOCK));
    /* Nothing behind the cut says that there was more: it looks like a torn tail, and what is there is served. */
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 10);
    assert_int_equal(rig_journal_reset(), ERR_OK);
    rig.generation_first = rig.item_count;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(rig_append(i % LOGS, 1, 3500), ERR_OK);
        rig_run_until(rig_all_answered);
    }
    rig_crash(2, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 20);
    rig_end();
}

/* --- power cuts ------------------------------------------------------------------------------------------ */

/* One run: create, work over several laps, close cleanly. It may be cut anywhere. */
static void run_life(void)
{
    if (rig_journal_open(RING_BYTES) != ERR_OK || rig_journal_reset() != ERR_OK) {
        return;
    }
    rig.generation_first = rig.item_count;
    rig_work(90, 4000);
    if (sim_is_down(rig.sim, 0)) {
        return;
    }
    rig_run_until(rig_all_answered);
    int closed = sim_is_down(rig.sim, 0) ? ERR_CLOSED : rig_journal_close();
    MAYBE(closed == ERR_OK);
}

static void recover_after_cut(uint64_t seed)
{
    rig_reboot();
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK); /* a power cut is never damage */
    rig_expect_recovered();
    /* Crash during recovery changes nothing. */
    if (seed % 3 == 0) {
        rig_crash(seed + 7, SIM_CRASH_MIX);
        assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
        rig_expect_recovered();
    }
    /* Cut within reset: all of the old generation or nothing; nothing of it once new appends are acknowledged. */
    if (seed % 2 == 0) {
        sim_cut_at(rig.sim, 0, 1 + seed % 4, (enum sim_cut_when)(seed % SIM_CUT_WHEN_COUNT), seed, SIM_CRASH_MIX);
        int result = rig_journal_reset();
        sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
        if (result != ERR_OK) {
            rig_reboot();
            assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
            assert_true(rig.replays == 0 || missing_items(UINT64_MAX) == 0);
            assert_int_equal(rig_journal_reset(), ERR_OK);
        }
    } else {
        assert_int_equal(rig_journal_reset(), ERR_OK);
    }
    rig.generation_first = rig.item_count;
    rig_work(12, 4000);
    rig_crash(seed + 1, SIM_CRASH_MIX);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    rig_expect_recovered();
}

static void cut_everywhere(bool fua, uint64_t seed_first, uint64_t stride)
{
    bool again = true;

    for (uint64_t n = seed_first; again; n += stride) {
        struct sim_options options;

        rig_options(&options, n % 5);
        options.fua = fua;
        rig_start(&options);
        sim_cut_at(rig.sim, 0, n, (enum sim_cut_when)(n % SIM_CUT_WHEN_COUNT), n,
                   (enum sim_crash_style)((n / 3) % SIM_CRASH_STYLE_COUNT));
        run_life();
        again = sim_is_down(rig.sim, 0);
        if (again) {
            recover_after_cut(n);
        }
        rig_end();
    }
}

static void test_cut_at_every_change(void **state)
{
    (void)state;
    cut_everywhere(true, 1, 1);
    cut_everywhere(false, 1, 1);
}

/* The ring is full, some of it is released and at once written over: recovery must never look for what was overwritten.
 */
static void test_cut_while_space_is_reused(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 40 * SIM_CUT_WHEN_COUNT * SIM_CRASH_STYLE_COUNT; run++) {
        uint64_t                   n = 1 + run / (SIM_CUT_WHEN_COUNT * SIM_CRASH_STYLE_COUNT) / 2;
        const enum sim_cut_when    when = (enum sim_cut_when)(run % SIM_CUT_WHEN_COUNT);
        const enum sim_crash_style style = (enum sim_crash_style)(run / SIM_CUT_WHEN_COUNT % SIM_CRASH_STYLE_COUNT);
        struct sim_options         options;

        rig_options(&options, run);
        rig_start(&options);
        rig_journal_start(RING_BYTES);
        for (int lap = 0; lap < 3; lap++) {
            while (rig_append((int)prng_below(&rig.prng, LOGS), 1, prng_below(&rig.prng, 9000)) == ERR_OK) {
                if (prng_chance(&rig.prng, 1, 2)) {
                    rig_run_until(rig_all_answered);
                }
            }
            rig_run_until(rig_all_answered);
            if (lap == 0) {
                sim_cut_at(rig.sim, 0, n, when, run, style);
            }
            if (sim_is_down(rig.sim, 0)) {
                break;
            }
            rig_release_items(rig.item_count - prng_below(&rig.prng, 6));
        }
        if (sim_is_down(rig.sim, 0)) {
            recover_after_cut(run);
        }
        rig_end();
    }
}

static void test_swarm(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 220; seed++) {
        struct sim_options options;
        struct prng        prng;

        prng_init(&prng, seed);
        sim_options_swarm(&options, seed, false);
        rig_start(&options);
        sim_cut_at(rig.sim, 0, 1 + prng_below(&prng, 160), (enum sim_cut_when)prng_below(&prng, SIM_CUT_WHEN_COUNT),
                   seed, (enum sim_crash_style)prng_below(&prng, SIM_CRASH_STYLE_COUNT));
        run_life();
        if (sim_is_down(rig.sim, 0)) {
            recover_after_cut(seed);
        }
        rig_end();
    }
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
        cmocka_unit_test(test_header_rot),
        cmocka_unit_test(test_ring_rot),
        cmocka_unit_test(test_truncated_file),
        cmocka_unit_test(test_cut_at_every_change),
        cmocka_unit_test(test_cut_while_space_is_reused),
        cmocka_unit_test(test_swarm),
    };

    slog_set_sink(quiet);
    return cmocka_run_group_tests(tests, NULL, teardown);
}
