/* test_store_compact_crash.c: compaction that is stopped: at every change of the disk, also while the log comes back
 * from that; by every failing operation; by a full disk and by damage. What a reader finds is held against the model
 * each time. */
#include "tests/unit/store/compact_rig.h"

#include "core/base/slog.h"

#include <stdio.h>

static struct keyed_log keyed;

/* A log with several segments and everything in it that compaction knows. */
static void begin(uint64_t seed)
{
    rig_create(seed);
    rig.options.journal_bytes = 256 * KIB;
    assert_int_equal(rig_start(), ERR_OK);
    keyed_init(&keyed, "keyed", seed);
    keyed.keys = 30;
    keyed.policy.segment_bytes = 8 * KIB;
    keyed.policy.delete_retention_ms = (int64_t)(seed % 3) * 1000;
    assert_int_equal(keyed_open(&keyed), ERR_OK);
    keyed_load(&keyed, 150);
    keyed_settle(&keyed);
    rig_run_for(NS_PER_S);
}

static void end(void)
{
    rig_stop_clean();
    keyed_free(&keyed);
    rig_destroy();
}

/* The second pass takes what the first has made, and removes tombstones and markers whose time has come. */
static void load_more(void)
{
    keyed_load(&keyed, 100);
    keyed_settle(&keyed);
    rig_run_for(4 * NS_PER_S);
}

static void open_again(void)
{
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(keyed_open(&keyed), ERR_OK);
    assert_int_equal(rig.store->stats.damaged_ranges, 0);
    keyed_cut(&keyed);
    keyed_verify(&keyed);
}

/* True: the power went off. */
static bool compact_until(uint64_t change, uint64_t run)
{
    bool cut;

    sim_cut_at(rig.sim, 0, change, (enum sim_cut_when)(run % SIM_CUT_WHEN_COUNT), run,
               (enum sim_crash_style)(run / SIM_CUT_WHEN_COUNT % SIM_CRASH_STYLE_COUNT));
    keyed_compact(&keyed);
    if (!sim_is_down(rig.sim, 0)) {
        rig_run_for(3 * NS_PER_S); /* old files go */
    }
    cut = sim_is_down(rig.sim, 0);
    if (cut) {
        rig_abandon();
    } else {
        sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
    }
    return cut;
}

static void check_to_the_end(void)
{
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    keyed_verify_clean(&keyed);
    load_more();
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    keyed_verify_clean(&keyed);
}

/* Every change of the first pass (even rounds) or of the second. */
static void test_cut_at_every_change(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 2; round++) {
        uint64_t change = 0;
        bool     cut = true;

        while (cut) {
            uint64_t first = round == 0 ? 0 : change % SIM_CUT_WHEN_COUNT;
            uint64_t runs = round == 0 ? SIM_CUT_WHEN_COUNT : 1;

            change++;
            for (uint64_t run = first; run < first + runs; run++) {
                uint64_t style = (change + run) % SIM_CRASH_STYLE_COUNT;

                begin(40 + round + change % 5);
                if (round == 1) {
                    keyed_compact(&keyed);
                    load_more();
                }
                cut = compact_until(change, run + style * SIM_CUT_WHEN_COUNT);
                if (cut) {
                    open_again();
                }
                check_to_the_end();
                end();
            }
        }
        assert_in_range(change, 10, 500);
    }
}

/* And once more while it comes back. */
static void test_cut_twice(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 40; run++) {
        begin(70 + run % 7);
        if (run % 2 == 0) {
            keyed_compact(&keyed);
            load_more();
        }
        if (compact_until(1 + run % 30, run)) {
            sim_cut_at(rig.sim, 0, 1 + run / 3 % 12, (enum sim_cut_when)(run % SIM_CUT_WHEN_COUNT), run,
                       (enum sim_crash_style)(run / 5 % SIM_CRASH_STYLE_COUNT));
            if (rig_start() == ERR_OK && !sim_is_down(rig.sim, 0)) {
                MAYBE(keyed_open(&keyed) == ERR_OK);
            }
            rig_run_for(NS_PER_S / 10);
            sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
            if (sim_is_down(rig.sim, 0)) {
                rig_abandon();
            } else {
                rig_kill(run);
            }
            open_again();
        }
        check_to_the_end();
        end();
    }
}

static void reopen_when_offline(void)
{
    if (keyed.offline) {
        rig.done = false;
        store_log_close(keyed.log, rig_done, NULL);
        rig_wait_done();
        assert_int_equal(keyed_open(&keyed), ERR_OK);
    }
}

/* Any operation fails once, or from then on until the log is given up; nothing is lost, and later it works. */
static void test_every_operation_fails(void **state)
{
    static const int errors[] = {ERR_IO, ERR_NO_SPACE, ERR_DESCRIPTORS, ERR_NO_MEMORY};

    (void)state;
    slog_set_level(SLOG_ERROR + 1);
    for (uint64_t nth = 1; nth <= 36; nth++) {
        begin(10 + nth % 4);
        sim_fail_nth(rig.sim, 0, nth, SIM_FAIL_ANY, errors[nth % COUNT_OF(errors)], nth % 5 == 0);
        store_set_compaction(rig.store, &keyed.settings);
        rig_run_for(5 * NS_PER_S);
        sim_fail_nth(rig.sim, 0, 0, SIM_FAIL_ANY, ERR_IO, false);
        reopen_when_offline();
        rig_run_for(11 * 60 * NS_PER_S); /* one that failed is left alone for a while */
        keyed_verify(&keyed);
        check_to_the_end();
        end();
    }
    slog_set_level(SLOG_INFO);
}

static void test_full_disk(void **state)
{
    (void)state;
    slog_set_level(SLOG_ERROR + 1);
    for (uint64_t round = 0; round < 12; round++) {
        begin(90 + round);
        sim_set_capacity(rig.sim, 0, sim_used_bytes(rig.sim, 0) + round * 4096);
        store_set_compaction(rig.store, &keyed.settings);
        rig_run_for(5 * NS_PER_S);
        assert_false(keyed.offline);
        keyed_verify(&keyed);
        sim_set_capacity(rig.sim, 0, 64 * GIB);
        rig_run_for(5 * NS_PER_S);
        check_to_the_end();
        end();
    }
    slog_set_level(SLOG_INFO);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

static void flip_in(const struct store_segment *segment, uint64_t position)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%08u.seg", keyed.log->path, segment->header.number);
    assert_true(sim_disk_flip(rig.sim, 0, path, position, 0x40));
}

/* What cannot be read is not replaced by what is left without it. */
static void test_damage_stops_a_pass(void **state)
{
    uint32_t count;

    (void)state;
    slog_set_level(SLOG_ERROR + 1);
    begin(5);
    rig_stop_clean();
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(keyed_open(&keyed), ERR_OK);
    count = keyed.log->segment_count;
    assert_true(count >= 4);
    flip_in(keyed.log->segments[1], 3 * 4096 + 300);
    store_set_compaction(rig.store, &keyed.settings);
    rig_run_for(60 * NS_PER_S);
    assert_null(rig.store->compaction);
    assert_int_equal(keyed.log->segment_count, count); /* all are there */
    assert_true(keyed.log->compact_not_before_ns > io_now_ns(rig.io));
    assert_int_equal(store__compact_dirty(keyed.log), 0);
    flip_in(keyed.log->segments[1], 3 * 4096 + 300);
    rig_run_for(11 * 60 * NS_PER_S);
    check_to_the_end();
    end();
    slog_set_level(SLOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_every_change),   cmocka_unit_test(test_cut_twice),
        cmocka_unit_test(test_every_operation_fails), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_damage_stops_a_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
