/* test_store_start.c: where a log begins, once that was answered: over rolls, power cuts and recoveries that are cut
 * themselves. And what a file says of those before it. */
#include "tests/unit/store/store_rig.h"

#include "core/base/slog.h"

static uint64_t reports;

static void count_reports(enum slog_level level, const char *room, const char *text)
{
    (void)room;
    (void)text;
    reports += level >= SLOG_WARN;
}

static void begin(uint64_t seed, struct rig_log *log, const char *topic, bool durable)
{
    rig_create(seed);
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(log, topic);
    log->policy.durable_on_append = durable;
    log->policy.flush_messages = INT64_MAX;
    log->policy.flush_ms = INT64_MAX;
    log->policy.segment_bytes = 256 * KIB;
    assert_int_equal(rig_log_open(log), ERR_OK);
    reports = 0;
}

static void end(struct rig_log *log)
{
    rig_stop_clean();
    rig_log_free(log);
    rig_destroy();
}

static void append_some(struct rig_log *log, int count, size_t payload_bytes)
{
    for (int i = 0; i < count && !sim_is_down(rig.sim, 0); i++) {
        while (rig_append(log, 10, payload_bytes) != ERR_OK) {
            rig_run_for(NS_PER_MS);
        }
    }
}

static void trim(const struct rig_log *log, int64_t offset)
{
    rig.done = false;
    store_log_trim(log->log, offset, rig_done, NULL);
    rig_wait_done();
}

/* Starts and opens the log while the power may go off at the change that was armed; then without. */
static void recover(struct rig_log *log)
{
    if (rig_start() != ERR_OK || sim_is_down(rig.sim, 0) || rig_log_open(log) != ERR_OK || sim_is_down(rig.sim, 0)) {
        rig_abandon();
        assert_int_equal(rig_start(), ERR_OK);
        assert_int_equal(rig_log_open(log), ERR_OK);
    }
    sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_DROP);
}

/* A weaker policy, and the start was recorded above everything that was flushed. All files are removed by the recovery
 * then; what is there afterwards must still tell where the log begins. */
static void test_a_start_above_what_was_flushed_survives_a_cut_recovery(void **state)
{
    (void)state;
    for (uint64_t change = 1; change < 25; change++) {
        struct rig_log log;

        begin(100 + change, &log, "weak", false);
        append_some(&log, 5, 1000);
        rig_settle(&log);
        trim(&log, 43);
        assert_int_equal(rig.result, ERR_OK);
        rig_crash(change, SIM_CRASH_DROP);
        sim_cut_at(rig.sim, 0, change, SIM_CUT_AFTER, change, SIM_CRASH_DROP);
        recover(&log);
        assert_int_equal(store_log_start_offset(log.log), 43);
        assert_int_equal(store_log_end_offset(log.log), 43);
        rig_kill(change);
        reports = 0; /* of the recovery that was cut */
        assert_int_equal(rig_start(), ERR_OK);
        assert_int_equal(rig_log_open(&log), ERR_OK);
        assert_int_equal(store_log_start_offset(log.log), 43);
        assert_int_equal(reports, 0);
        end(&log);
    }
}

/* The log rolls, its segments are sealed and those below the start removed, while the start moves. */
static void test_a_start_that_moves_while_the_log_rolls(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 60; round++) {
        struct rig_log log;
        int64_t        offset;

        begin(200 + round, &log, "rolls", round % 2 == 0);
        log.policy.file_delete_delay_ms = 0;
        append_some(&log, 4, 60 * KIB);
        rig_settle(&log);
        offset = store_log_durable_offset(log.log) - (int64_t)(round % 3);
        append_some(&log, 1 + (int)(round % 4), 90 * KIB); /* rolls */
        rig_run_for((int64_t)(round / 4) * 70 * NS_PER_US);
        trim(&log, offset);
        assert_int_equal(rig.result, ERR_OK);
        rig_run_for((int64_t)(round % 5) * NS_PER_MS);
        if (round % 2 == 0) {
            rig_crash(round, (enum sim_crash_style)(round / 2 % SIM_CRASH_STYLE_COUNT));
        } else {
            rig_kill(round);
        }
        assert_int_equal(rig_start(), ERR_OK);
        assert_int_equal(rig_log_open(&log), ERR_OK);
        assert_int_equal(store_log_start_offset(log.log), offset);
        assert_int_equal(rig.store->stats.damaged_ranges, 0);
        end(&log);
    }
}

/* Two files are being made when the power goes off: whichever header has arrived, nothing was acknowledged, nothing is
 * missing. */
static void test_files_made_at_the_same_time(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 40; round++) {
        struct rig_log log;
        uint64_t       change = 1 + round % 40;

        begin(300 + round, &log, "young", round % 2 == 0);
        sim_cut_at(rig.sim, 0, change, SIM_CUT_AFTER, round, SIM_CRASH_DROP);
        append_some(&log, 6, 100 * KIB); /* three files at once */
        for (int i = 0; i < 30 && !sim_is_down(rig.sim, 0); i++) {
            rig_run_for(NS_PER_MS);
        }
        if (!sim_is_down(rig.sim, 0)) {
            sim_crash(rig.sim, 0, change, SIM_CRASH_DROP);
        }
        rig_abandon();
        reports = 0;
        assert_int_equal(rig_start(), ERR_OK);
        assert_int_equal(rig_log_open(&log), ERR_OK);
        assert_int_equal(store_log_start_offset(log.log), 0);
        assert_int_equal(rig.store->stats.damaged_ranges, 0);
        assert_int_equal(reports, 0);
        end(&log);
    }
}

/* A read from the disk comes to frames whose writes are on their way: they are not there, and that is no damage. */
static void test_a_cold_read_beside_writes(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 30; round++) {
        struct rig_log log;

        begin(400 + round, &log, "beside", round % 2 == 0);
        rig.store->options.cache_bytes = 0;
        append_some(&log, 10, 3000);
        rig_settle(&log);
        rig_run_for(10 * NS_PER_S); /* what was written is on the disk only */
        append_some(&log, 1 + (int)(round % 5), 70 * KIB);
        rig_run_for((int64_t)round * 20 * NS_PER_US);
        (void)rig_verify(&log, (int64_t)(round % 90), store_log_durable_offset(log.log), 64 * KIB);
        rig_settle(&log);
        (void)rig_verify(&log, 0, store_log_durable_offset(log.log), 1 * MIB);
        assert_int_equal(rig.store->stats.damaged_ranges, 0);
        assert_int_equal(reports, 0);
        end(&log);
    }
}

/* The machine has no descriptor, or no memory, for any one of the opening's operations: it is tried again. What the
 * partition above has heard (the rig checks the order) it hears once. */
static void test_an_opening_that_is_short_of_means(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 30; nth++) {
        struct rig_log log;

        begin(500 + nth, &log, "means", true);
        append_some(&log, 8, 60 * KIB);
        append_some(&log, 8, 600);
        rig_settle(&log);
        rig_crash(nth, SIM_CRASH_DROP);
        assert_int_equal(rig_start(), ERR_OK);
        sim_fail_nth(rig.sim, 0, nth, SIM_FAIL_NAME, ERR_DESCRIPTORS, false);
        assert_int_equal(rig_log_open(&log), ERR_OK);
        sim_fail_nth(rig.sim, 0, 0, SIM_FAIL_NAME, ERR_DESCRIPTORS, false);
        assert_int_equal(log.state_end, 160);
        (void)rig_verify(&log, 0, 160, 1 * MIB);
        append_some(&log, 1, 100);
        rig_settle(&log);
        end(&log);
    }
}

/* Where the bytes of an append stand in a file; SIZE_MAX: nowhere. */
static size_t find_in(const char *path, const struct rig_append *append)
{
    static uint8_t content[2 * MIB];
    size_t         wanted = rig_batch_bytes(append->payload_bytes);
    uint8_t       *batch = mem_alloc(MEM_TEST, wanted);
    size_t         len = sim_disk_peek(rig.sim, 0, path, 0, span_of(content, sizeof(content)));
    size_t         at = 0;

    rig_batch_make(batch, append);
    while (at + wanted <= len && memcmp(content + at, batch, wanted) != 0) {
        at++;
    }
    mem_free(MEM_TEST, batch);
    return at + wanted <= len ? at : SIZE_MAX;
}

/* One batch that stands only in the journal has rotted: those before it are served, it and those behind it are not,
 * nothing is appended, and nothing is changed: the next start says the same. */
static void test_damage_in_the_journal_spares_what_lies_before_it(void **state)
{
    struct rig_log log, other;
    size_t         at;

    (void)state;
    begin(600, &log, "rotten", true);
    rig_log_init(&other, "healthy");
    assert_int_equal(rig_log_open(&other), ERR_OK);
    append_some(&log, 1, 100 * KIB); /* in its segment */
    rig_settle(&log);
    for (int i = 0; i < 6; i++) {
        append_some(&log, 1, 700);
        append_some(&other, 1, 700);
        rig_settle(&log);
        rig_settle(&other);
    }
    rig_crash(1, SIM_CRASH_KEEP);
    at = find_in("data/shard-0/journal.ring", &log.appends[4]);
    assert_true(at != SIZE_MAX);
    assert_true(sim_disk_flip(rig.sim, 0, "data/shard-0/journal.ring", at + 200, 1));
    for (int start = 0; start < 2; start++) {
        assert_int_equal(rig_start(), ERR_CORRUPT);
        assert_int_equal(rig_log_open(&log), ERR_CORRUPT);
        assert_int_equal(rig_log_open(&other), ERR_OK);
        assert_int_equal(store_log_durable_offset(log.log), 40);
        assert_int_equal(log.state_end, 40); /* and the partition above knows of them */
        (void)rig_verify(&log, 0, 40, 1 * MIB);
        (void)rig_verify(&log, 5, 40, 100);
        assert_int_equal(rig_read_result(&log, 40), ERR_CORRUPT);
        assert_int_equal(rig_read_result(&log, 69), ERR_CORRUPT);
        assert_false(store_log_online(log.log));
        (void)rig_verify(&other, 0, 60, 1 * MIB);
        assert_true(rig.store->stats.damaged_ranges > 0);
        if (start == 0) {
            rig_log_close(&log); /* opened again while the store runs: the same */
            assert_int_equal(rig_log_open(&log), ERR_CORRUPT);
            (void)rig_verify(&log, 0, 40, 1 * MIB);
            rig_crash(2, SIM_CRASH_DROP);
        }
    }
    rig_log_free(&other);
    end(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_above_what_was_flushed_survives_a_cut_recovery),
        cmocka_unit_test(test_a_start_that_moves_while_the_log_rolls),
        cmocka_unit_test(test_files_made_at_the_same_time),
        cmocka_unit_test(test_a_cold_read_beside_writes),
        cmocka_unit_test(test_an_opening_that_is_short_of_means),
        cmocka_unit_test(test_damage_in_the_journal_spares_what_lies_before_it),
    };

    slog_set_sink(count_reports);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
