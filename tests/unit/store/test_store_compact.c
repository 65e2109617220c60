/* test_store_compact.c: what is left of a log after compaction, held against a model. */
#include "tests/unit/store/compact_rig.h"

static struct keyed_log keyed;

static void begin(uint64_t seed)
{
    rig_create(seed);
    assert_int_equal(rig_start(), ERR_OK);
    keyed_init(&keyed, "keyed", seed);
}

static void end(void)
{
    rig_stop_clean();
    keyed_free(&keyed);
    rig_destroy();
}

/* Everything is read, whatever was cached before. */
static void again(void)
{
    rig_stop_clean();
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(keyed_open(&keyed), ERR_OK);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        begin(seed);
        keyed.keys = (uint32_t)(2 + prng_below(&keyed.prng, KEYED_KEYS_MAX - 2));
        if (seed % 3 == 0) {
            keyed.settings.map_bytes_max = 100 * KIB; /* several passes */
        }
        assert_int_equal(keyed_open(&keyed), ERR_OK);
        for (int round = 0; round < 4; round++) {
            keyed_load(&keyed, 150);
            keyed_settle(&keyed);
            rig_run_for(NS_PER_S);
            keyed_verify(&keyed);
            keyed_compact(&keyed);
            keyed_verify(&keyed);
            keyed_verify_clean(&keyed);
            if (round == 2) {
                again();
                keyed_verify(&keyed);
                keyed_verify_clean(&keyed);
            }
        }
        rig_kill(seed);
        assert_int_equal(rig_start(), ERR_OK);
        assert_int_equal(keyed_open(&keyed), ERR_OK);
        assert_int_equal(store_log_end_offset(keyed.log), keyed.end);
        keyed_verify(&keyed);
        keyed_verify_clean(&keyed);
        end();
    }
}

/* --- rules, one by one -------------------------------------------------------------------------------------------- */

static void begin_open(uint64_t seed)
{
    begin(seed);
    keyed.policy.segment_bytes = 8 * KIB;
    assert_int_equal(keyed_open(&keyed), ERR_OK);
}

static void put(int producer, bool txn, int32_t key, int32_t value)
{
    keyed_append(&keyed, producer, txn, 1, &key, &value);
}

/* Enough under keys of their own that everything before it is in sealed segments. */
static void fill(void)
{
    int32_t keys[30], values[30];

    for (int32_t batch = 0; batch < 24; batch++) {
        for (int32_t i = 0; i < 30; i++) {
            keys[i] = 300 + i;
            values[i] = 1000 * batch + 39 + 40 * i;
        }
        keyed.codec = REC_NONE;
        keyed_append(&keyed, -1, false, 30, keys, values);
        if (batch % 4 == 3) {
            keyed_settle(&keyed);
        }
    }
    rig_run_for(NS_PER_S);
}

static void test_tombstones_stay_for_their_time(void **state)
{
    (void)state;
    begin_open(1);
    keyed.policy.delete_retention_ms = 60000;
    store_log_set_policy(keyed.log, &keyed.policy);
    put(-1, false, 1, 100);
    put(-1, false, 2, 200);
    put(-1, false, 1, KEYED_TOMBSTONE);
    fill();
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_tombstones, 1); /* and the record it deletes is gone */
    fill();
    rig_run_for(50 * NS_PER_S);
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_tombstones, 1);
    fill();
    rig_run_for(20 * NS_PER_S);
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_tombstones, 0);
    assert_int_equal(store_log_start_offset(keyed.log), 0);
    end();
}

/* Records of aborted transactions go at once; markers when nothing of their transaction is left, and then their time
 * has passed. */
static void test_transactions(void **state)
{
    (void)state;
    begin_open(2);
    keyed.policy.delete_retention_ms = 10000;
    store_log_set_policy(keyed.log, &keyed.policy);
    put(-1, false, 1, 100);
    put(5, true, 1, 101); /* would be the newest, but for the abort */
    put(6, true, 2, 200);
    keyed_marker(&keyed, 5, false);
    keyed_marker(&keyed, 6, true);
    put(5, true, 3, 300); /* so that no producer needs what it wrote before */
    put(6, true, 4, 400);
    keyed_marker(&keyed, 5, true);
    keyed_marker(&keyed, 6, true);
    fill();
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_aborted, 0);
    assert_int_equal(keyed.seen_markers, 4);
    assert_int_equal(keyed.forgotten, 0);
    put(-1, false, 2, 201); /* nothing of 6's first one is left after this */
    fill();
    keyed_compact(&keyed); /* the abort marker and the commit marker get their horizon */
    fill();
    rig_run_for(11 * NS_PER_S);
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    assert_int_equal(keyed.forgotten, 1); /* the index was told before its marker went */
    fill();
    rig_run_for(11 * NS_PER_S);
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_markers, 2); /* of what is still there */
    end();
}

/* A stop in the wrong moment left an aborted transaction without its marker: the next pass notices, and takes nothing
 * of what the producer wrote later for it. */
static void test_aborted_without_marker(void **state)
{
    (void)state;
    begin_open(9);
    put(4, true, 1, 100);
    keyed_marker(&keyed, 4, true);
    put(4, true, 2, 200);
    keyed_marker(&keyed, 4, false);
    put(-1, false, 3, 300);
    put(4, true, 4, 400);
    keyed_marker(&keyed, 4, true);
    fill();
    keyed.aborted[keyed.aborted_count++] =
        (struct store_aborted){.producer_id = keyed.producers[4].id, .first_offset = 4, .last_offset = 4};
    keyed_compact(&keyed);
    assert_int_equal(keyed.forgotten, 1);
    assert_int_equal(keyed.aborted_count, 1);
    assert_int_equal(keyed.aborted[0].last_offset, 3);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_aborted, 0);
    end();
}

/* What is open holds everything behind its first batch. */
static void test_an_open_transaction_stops_it(void **state)
{
    (void)state;
    begin_open(3);
    put(7, true, 9, 900);
    fill();
    store_set_compaction(rig.store, &keyed.settings);
    rig_run_for(20 * NS_PER_S);
    assert_int_equal(store__compact_dirty(keyed.log), 0);
    keyed_marker(&keyed, 7, false);
    keyed_settle(&keyed);
    keyed_compact(&keyed);
    assert_true(store__compact_dirty(keyed.log) > 100);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_aborted, 0);
    end();
}

static void test_when_it_is_due(void **state)
{
    (void)state;
    begin_open(4);
    keyed.policy.min_compaction_lag_ms = 30000;
    store_log_set_policy(keyed.log, &keyed.policy);
    fill();
    store_set_compaction(rig.store, &keyed.settings);
    rig_run_for(20 * NS_PER_S);
    assert_int_equal(store__compact_dirty(keyed.log), 0); /* too young */
    rig_run_for(12 * NS_PER_S);
    assert_true(store__compact_dirty(keyed.log) > 0);
    keyed.policy.min_compaction_lag_ms = 0;
    keyed.policy.min_cleanable_ratio = 0.999;
    store_log_set_policy(keyed.log, &keyed.policy);
    {
        int64_t before = store__compact_dirty(keyed.log);

        fill();
        rig_run_for(20 * NS_PER_S);
        assert_int_equal(store__compact_dirty(keyed.log), before); /* not dirty enough */
        keyed.policy.max_compaction_lag_ms = 30000;
        store_log_set_policy(keyed.log, &keyed.policy);
        rig_run_for(15 * NS_PER_S);
        assert_true(store__compact_dirty(keyed.log) > before); /* too old to stay as it is */
    }
    keyed_verify(&keyed);
    end();
}

/* Nobody writes any more: the segment is rolled by time, and its last batch stays, empty if it must. */
static void test_idle_log(void **state)
{
    int32_t key = 1;
    int32_t value = KEYED_TOMBSTONE;

    (void)state;
    begin(5);
    keyed.policy.segment_ms = 5000;
    keyed.policy.delete_retention_ms = 0;
    assert_int_equal(keyed_open(&keyed), ERR_OK);
    for (int i = 0; i < 10; i++) {
        put(-1, false, 1, i);
    }
    keyed_append(&keyed, -1, false, 1, &key, &value);
    keyed_settle(&keyed);
    store_set_compaction(rig.store, &keyed.settings);
    rig_run_for(30 * NS_PER_S);
    assert_int_equal(store__compact_dirty(keyed.log), 11);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_records, 1); /* the tombstone; nothing dirty comes that would take it away */
    again();
    keyed_verify(&keyed);
    put(-1, false, 2, 5);
    keyed_settle(&keyed);
    store_set_compaction(rig.store, &keyed.settings);
    rig_run_for(30 * NS_PER_S);
    keyed_verify(&keyed);
    assert_int_equal(keyed.seen_records, 1); /* now it is gone */
    end();
}

static void test_small_segments_become_one(void **state)
{
    uint32_t before;

    (void)state;
    begin_open(6);
    for (int i = 0; i < 4; i++) {
        fill();
    }
    before = keyed.log->segment_count;
    assert_true(before > 8);
    keyed_compact(&keyed);
    keyed.policy.segment_bytes = 64 * KIB;
    store_log_set_policy(keyed.log, &keyed.policy);
    keyed_append(&keyed, -1, false, 12, NULL, NULL);
    keyed.policy.segment_ms = 1000;
    store_log_set_policy(keyed.log, &keyed.policy);
    keyed_settle(&keyed);
    rig_run_for(5 * NS_PER_S);
    store__retain_roll(keyed.log);
    rig_run_for(NS_PER_S);
    keyed_compact(&keyed); /* what is left of them now fits into one */
    assert_in_range(keyed.log->segment_count, 2, 4);
    keyed_verify(&keyed);
    for (uint32_t i = 0; i + 1 < keyed.log->segment_count; i++) {
        assert_int_equal(keyed.log->segments[i]->end_offset, keyed.log->segments[i + 1]->header.base_offset);
    }
    end();
}

/* A pass goes on while others read, write, and the log's start moves. */
static void test_others_meanwhile(void **state)
{
    int rounds = 0;

    (void)state;
    for (uint64_t seed = 20; seed < 24; seed++) {
        begin_open(seed);
        keyed.keys = 300;
        keyed.settings.bytes_per_s_max = 100000;
        keyed.settings.backoff_ms = 20;
        keyed_load(&keyed, 400);
        keyed_settle(&keyed);
        rig_run_for(NS_PER_S);
        store_set_compaction(rig.store, &keyed.settings);
        for (int i = 0; i < 40; i++) {
            rig_run_for(10 * NS_PER_MS);
            rounds += rig.store->compaction != NULL;
            keyed_verify(&keyed);
            if (i % 3 == 0) {
                keyed_load(&keyed, 3);
                keyed_settle(&keyed);
            }
            if (i == 20 && seed % 2 == 0) {
                rig.done = false;
                store_log_trim(keyed.log, store_log_durable_offset(keyed.log) / 3, rig_done, NULL);
                rig_wait_done();
            }
        }
        keyed.settings.bytes_per_s_max = UINT64_MAX;
        keyed_compact(&keyed);
        keyed_verify(&keyed);
        keyed_verify_clean(&keyed);
        end();
    }
    assert_true(rounds > 20);
}

/* A throttled pass takes its time, and ends soon when the log closes or is deleted. */
static void test_throttle_and_stop(void **state)
{
    int64_t begin_ns;

    (void)state;
    begin_open(7);
    for (int i = 0; i < 3; i++) {
        fill();
    }
    keyed.settings.bytes_per_s_max = 50000;
    store_set_compaction(rig.store, &keyed.settings);
    rig_run_for(3 * NS_PER_S);
    assert_non_null(rig.store->compaction);
    assert_true(rig.store->compaction->moved_bytes < 300000);
    begin_ns = sim_now_ns(rig.sim);
    again();
    assert_true(sim_now_ns(rig.sim) - begin_ns < NS_PER_S);
    keyed_verify(&keyed);
    store_set_compaction(rig.store, &keyed.settings);
    rig_run_for(2 * NS_PER_S);
    assert_non_null(rig.store->compaction);
    rig.done = false;
    store_log_delete(keyed.log, rig_done, NULL);
    rig_wait_done();
    assert_null(rig.store->compaction);
    end();
}

static void test_compact_and_delete(void **state)
{
    (void)state;
    begin_open(8);
    keyed.policy.delete_enabled = true;
    keyed.policy.retention_ms = 100000;
    store_log_set_policy(keyed.log, &keyed.policy);
    store_set_retention_check_ms(rig.store, 1000);
    fill();
    keyed_compact(&keyed);
    assert_int_equal(store_log_start_offset(keyed.log), 0); /* compaction alone never moves it */
    rig_run_for(60 * NS_PER_S);
    fill();
    keyed_compact(&keyed);
    rig_run_for(60 * NS_PER_S);
    keyed_verify(&keyed);
    rig_run_for(60 * NS_PER_S);
    assert_true(store_log_start_offset(keyed.log) > 0);
    keyed_verify(&keyed);
    again();
    keyed_verify(&keyed);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_tombstones_stay_for_their_time),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_aborted_without_marker),
        cmocka_unit_test(test_an_open_transaction_stops_it),
        cmocka_unit_test(test_when_it_is_due),
        cmocka_unit_test(test_idle_log),
        cmocka_unit_test(test_small_segments_become_one),
        cmocka_unit_test(test_others_meanwhile),
        cmocka_unit_test(test_throttle_and_stop),
        cmocka_unit_test(test_compact_and_delete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
