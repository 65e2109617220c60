/* test_store_log.c: a log from the first append over every path to the disk, back from memory and from the disk, over
 * clean and unclean stops. */
#include "tests/unit/store/store_rig.h"

static void test_small_appends_share_journal_writes(void **state)
{
    struct rig_log     logs[3];
    struct store_stats stats;

    (void)state;
    rig_create(1);
    assert_int_equal(rig_start(), ERR_OK);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"alpha", "beta", "gamma"};

        rig_log_init(&logs[i], names[i]);
        assert_int_equal(rig_log_open(&logs[i]), ERR_OK);
    }
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 10; k++) {
            assert_int_equal(rig_append(&logs[i], 1 + k, 100), ERR_OK);
        }
        assert_int_equal(store_log_durable_offset(logs[i].log), 0);
        assert_int_equal(store_log_end_offset(logs[i].log), 55);
    }
    for (int i = 0; i < 3; i++) {
        rig_settle(&logs[i]);
        assert_int_equal(store_log_durable_offset(logs[i].log), 55);
        assert_int_equal(logs[i].hook_durable, 55);
        (void)rig_verify(&logs[i], 0, 55, 1000);
    }
    store_stats(rig.store, &stats);
    assert_int_equal(stats.journal_writes, 1); /* thirty appends of three logs left together */
    assert_int_equal(stats.direct_writes, 0);
    rig_run_for(6 * NS_PER_S); /* idle: everything moves to the segments */
    store_stats(rig.store, &stats);
    assert_int_equal(stats.drain_writes, 3);
    assert_true(store_journal_tail(rig.store->journal) == store_journal_head(rig.store->journal));
    for (int i = 0; i < 3; i++) {
        (void)rig_verify(&logs[i], 0, 55, 100000);
        assert_int_equal(rig_append(&logs[i], 1, 10), ERR_OK);
    }
    rig_stop_clean();
    assert_int_equal(rig_start(), ERR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_log_open(&logs[i]), ERR_OK);
        assert_int_equal(logs[i].replayed, 0);
        assert_int_equal(logs[i].state_end, 56);
        assert_int_equal(store_log_end_offset(logs[i].log), 56);
        (void)rig_verify(&logs[i], 0, 56, 700);
    }
    rig_stop_clean();
    for (int i = 0; i < 3; i++) {
        rig_log_free(&logs[i]);
    }
    rig_destroy();
}

static void test_large_appends_go_direct(void **state)
{
    struct rig_log     log;
    struct store_stats stats;

    (void)state;
    rig_create(2);
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(&log, "large");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    for (int i = 0; i < 40; i++) {
        int result = rig_append(&log, 100, 128 * KIB);

        if (result == ERR_AGAIN) {
            rig_run_for(10 * NS_PER_MS);
            i--;
        } else {
            assert_int_equal(result, ERR_OK);
        }
    }
    rig_settle(&log);
    store_stats(rig.store, &stats);
    assert_int_equal(stats.journal_writes, 0);
    assert_true(stats.direct_writes > 0);
    (void)rig_verify(&log, 0, 4000, 300 * KIB);
    store__cache_trim(rig.store, 0); /* now from the disk */
    (void)rig_verify(&log, 0, 4000, 300 * KIB);
    (void)rig_verify(&log, 150, 4000, 1);
    rig_stop_clean();
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 0, 4000, 3000 * KIB);
    rig_stop_clean();
    rig_log_free(&log);
    rig_destroy();
}

/* Random sizes over both paths, a cut, and everything acknowledged is there; again and again on the same disk. */
static void test_model_over_crashes(void **state)
{
    struct rig_log log;
    struct prng    prng;

    (void)state;
    rig_create(3);
    prng_init(&prng, 3);
    rig_log_init(&log, "model");
    log.policy.segment_bytes = 2 * MIB;
    for (int round = 0; round < 12; round++) {
        assert_int_equal(rig_start(), ERR_OK);
        assert_int_equal(rig_log_open(&log), ERR_OK);
        store_logs_opened(rig.store);
        assert_true(store_log_end_offset(log.log) >=
                    (log.acked == 0 ? 0 : log.appends[log.acked - 1].append.last_offset + 1));
        while (log.append_count > 0 &&
               log.appends[log.append_count - 1].append.first_offset >= store_log_end_offset(log.log)) {
            log.append_count--;
        }
        log.acked = log.append_count; /* what came back beyond is durable now */
        (void)rig_verify(&log, 0, store_log_end_offset(log.log), 200 * KIB);
        assert_int_equal(log.state_end, store_log_end_offset(log.log));
        for (int i = 0; i < 300; i++) {
            size_t bytes = prng_chance(&prng, 1, 10) ? prng_below(&prng, 200 * KIB) : prng_below(&prng, 2000);

            if (rig_append(&log, 1 + (int32_t)prng_below(&prng, 5), bytes) == ERR_AGAIN || prng_chance(&prng, 1, 8)) {
                rig_run_for((int64_t)prng_below(&prng, 2 * NS_PER_MS));
            }
        }
        if (round % 3 == 0) {
            rig_settle(&log);
            rig_stop_clean();
        } else {
            rig_crash(prng_next(&prng), (enum sim_crash_style)(round % SIM_CRASH_STYLE_COUNT));
        }
    }
    rig_log_free(&log);
    rig_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_appends_share_journal_writes),
        cmocka_unit_test(test_large_appends_go_direct),
        cmocka_unit_test(test_model_over_crashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
