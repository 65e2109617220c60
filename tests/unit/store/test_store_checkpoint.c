/* test_store_checkpoint.c: what a clean stop leaves, and what a start makes of it, whole or not. The rig's logs are the
 * oracle: whatever became of the checkpoint, every acknowledged batch is there, and the partition above knows them. */
#include "tests/unit/store/store_rig.h"

#include "core/base/slog.h"

#define CHECKPOINT "data/shard-0/checkpoint"

static uint64_t warnings;

static void count_warnings(enum slog_level level, const char *room, const char *text)
{
    (void)room;
    (void)text;
    warnings += level >= SLOG_WARN;
}

static void append_some(struct rig_log *log, int count, size_t payload_bytes)
{
    for (int i = 0; i < count; i++) {
        while (rig_append(log, 10, payload_bytes) != ERR_OK) {
            rig_run_for(NS_PER_MS);
        }
    }
    rig_settle(log);
}

/* Three logs: one in several segments and trimmed, one small, one that never had a batch; stopped cleanly. */
static struct rig_log logs[3];

static void stop_cleanly(uint64_t seed)
{
    static const char *const names[] = {"large", "small", "empty"};

    rig_create(seed);
    assert_int_equal(rig_start(), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(logs); i++) {
        rig_log_init(&logs[i], names[i]);
        logs[i].policy.segment_bytes = 256 * KIB;
        assert_int_equal(rig_log_open(&logs[i]), ERR_OK);
    }
    append_some(&logs[0], 12, 60 * KIB);
    append_some(&logs[1], 3, 700);
    store_log_trim(logs[0].log, 45, rig_done, NULL);
    rig_wait_done();
    assert_int_equal(rig.result, ERR_OK);
    rig_stop_clean();
    warnings = 0;
}

static void open_and_compare(void)
{
    for (size_t i = 0; i < COUNT_OF(logs); i++) {
        assert_int_equal(rig_log_open(&logs[i]), ERR_OK);
    }
    assert_int_equal(store_log_start_offset(logs[0].log), 45);
    (void)rig_verify(&logs[0], 45, 120, 1 * MIB);
    (void)rig_verify(&logs[1], 0, 30, 1 * MIB);
    assert_int_equal(logs[0].state_end, 120);
    assert_int_equal(logs[1].state_end, 30);
    assert_int_equal(store_log_end_offset(logs[2].log), 0);
    for (size_t i = 0; i < COUNT_OF(logs); i++) { /* and they take batches again */
        append_some(&logs[i], 1, 100);
    }
}

static void end(void)
{
    rig_stop_clean();
    for (size_t i = 0; i < COUNT_OF(logs); i++) {
        rig_log_free(&logs[i]);
    }
    rig_destroy();
}

static void test_a_clean_start_reads_no_log(void **state)
{
    (void)state;
    stop_cleanly(1);
    assert_int_equal(rig_start(), ERR_OK);
    assert_true(rig.store->was_clean);
    open_and_compare();
    assert_int_equal(logs[0].snapshots_read, 1);
    assert_int_equal(logs[0].replayed, 0);
    assert_int_equal(rig.store->openings_done, 0);
    assert_int_equal(warnings, 0);
    end();
}

/* It is void, durably, before anything is appended: a power cut at once must not leave yesterday's word. */
static void test_a_start_makes_it_void(void **state)
{
    (void)state;
    stop_cleanly(2);
    assert_int_equal(rig_start(), ERR_OK);
    rig_crash(7, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_false(rig.store->was_clean);
    open_and_compare();
    assert_true(rig.store->openings_done > 0);
    end();
}

static void forget(void)
{
    for (size_t i = 0; i < COUNT_OF(logs); i++) {
        rig_log_free(&logs[i]);
    }
    rig_destroy();
}

/* The length of the checkpoint that stop_cleanly() of this seed leaves. */
static size_t measure(uint64_t seed)
{
    static uint8_t content[64 * KIB];
    size_t         len;

    stop_cleanly(seed);
    len = sim_disk_peek(rig.sim, 0, CHECKPOINT, 0, span_of(content, sizeof(content)));
    assert_in_range(len, 200, sizeof(content) - 1);
    forget();
    return len;
}

/* One bit anywhere: never believed, never a batch less, and the operator hears of it. */
static void test_a_flipped_bit_reads_the_logs_instead(void **state)
{
    size_t len = measure(3);

    (void)state;
    for (size_t at = 0; at < len; at += at < 32 ? 5 : len / 9) {
        stop_cleanly(3);
        assert_true(sim_disk_flip(rig.sim, 0, CHECKPOINT, at, (uint8_t)(1u << (at % 8))));
        assert_int_equal(rig_start(), ERR_OK);
        assert_false(rig.store->was_clean);
        assert_true(warnings > 0);
        open_and_compare();
        end();
    }
}

static void test_a_short_or_missing_one_reads_the_logs_instead(void **state)
{
    size_t len = measure(4);

    (void)state;
    for (int round = 0; round < 6; round++) {
        size_t left = (size_t)round * len / 5;

        stop_cleanly(4);
        if (round == 5) {
            assert_true(sim_disk_remove(rig.sim, 0, CHECKPOINT));
        } else {
            assert_true(sim_disk_resize(rig.sim, 0, CHECKPOINT, left));
        }
        assert_int_equal(rig_start(), ERR_OK);
        assert_false(rig.store->was_clean);
        open_and_compare();
        end();
    }
}

/* The entry is whole and of a topic that is gone: what is new has nothing of the old one. */
static void test_of_another_topic_of_the_same_name(void **state)
{
    (void)state;
    stop_cleanly(5);
    logs[1].id_salt = 1;
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&logs[1]), ERR_OK);
    assert_int_equal(store_log_end_offset(logs[1].log), 0);
    logs[1].append_count = logs[1].acked = 0;
    append_some(&logs[1], 2, 300);
    (void)rig_verify(&logs[1], 0, 20, 1 * MIB);
    rig_stop_clean();
    forget();
}

/* The power goes off at any change of a clean stop and of the start behind it. */
static void test_cut_while_it_is_written_and_made_void(void **state)
{
    (void)state;
    for (uint64_t change = 1; change < 26; change++) {
        stop_cleanly(6);
        assert_int_equal(rig_start(), ERR_OK);
        for (size_t i = 0; i < COUNT_OF(logs); i++) {
            assert_int_equal(rig_log_open(&logs[i]), ERR_OK);
        }
        append_some(&logs[1], 1, 500);
        sim_cut_at(rig.sim, 0, change, (enum sim_cut_when)(change % SIM_CUT_WHEN_COUNT), change, SIM_CRASH_MIX);
        rig.done = false;
        store_close(rig.store, rig_done, NULL);
        rig_wait_done();
        if (sim_is_down(rig.sim, 0)) {
            rig_abandon();
        } else { /* the stop was over: the cut meets the next start */
            rig_bury();
            if (rig_start() != ERR_OK || sim_is_down(rig.sim, 0)) {
                rig_abandon();
            } else {
                rig_crash(change, SIM_CRASH_MIX);
            }
        }
        sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_DROP);
        assert_int_equal(rig_start(), ERR_OK);
        for (size_t i = 0; i < COUNT_OF(logs); i++) {
            assert_int_equal(rig_log_open(&logs[i]), ERR_OK);
        }
        (void)rig_verify(&logs[0], 45, 120, 1 * MIB);
        (void)rig_verify(&logs[1], 0, 40, 1 * MIB);
        assert_int_equal(logs[1].state_end, 40);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_start_reads_no_log),
        cmocka_unit_test(test_a_start_makes_it_void),
        cmocka_unit_test(test_a_flipped_bit_reads_the_logs_instead),
        cmocka_unit_test(test_a_short_or_missing_one_reads_the_logs_instead),
        cmocka_unit_test(test_of_another_topic_of_the_same_name),
        cmocka_unit_test(test_cut_while_it_is_written_and_made_void),
    };

    slog_set_sink(count_warnings);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
