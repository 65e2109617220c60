/* test_store_recycle.c: files that left a log become segments of another: when, how many, what a cut leaves of one, and
 * when not. Cuts between any two steps are simrun's (reuse, reboot, refail, relives). */
#include "tests/unit/store/store_rig.h"

#include "core/store/store_recycle.h"

#define SEGMENT_BYTES ((uint64_t)(200 * KIB))
#define BATCH_BYTES   ((size_t)(90 * KIB)) /* two a segment */
#define LONG_MS       ((int64_t)20000)

static void begin(uint64_t seed, struct rig_log *log, const char *topic, uint64_t recycle_bytes)
{
    rig_create(seed);
    rig.options.recycle_bytes = recycle_bytes;
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(log, topic);
    log->policy.segment_bytes = SEGMENT_BYTES;
    log->policy.file_delete_delay_ms = 10;
}

static void end(struct rig_log *log)
{
    rig_stop_clean();
    rig_log_free(log);
    rig_destroy();
}

static void append_many(struct rig_log *log, int count)
{
    for (int i = 0; i < count; i++) {
        int result = rig_append(log, 10, BATCH_BYTES);

        if (result == ERR_AGAIN) {
            rig_run_for(5 * NS_PER_MS);
            i--;
        } else {
            assert_int_equal(result, ERR_OK);
        }
    }
    rig_settle(log);
    rig_run_for(100 * NS_PER_MS);
}

static void trim(struct rig_log *log, int64_t offset)
{
    rig.done = false;
    store_log_trim(log->log, offset, rig_done, NULL);
    rig_wait_done();
    assert_int_equal(rig.result, ERR_OK);
    rig_run_for(100 * NS_PER_MS);
}

static struct store_stats stats(void)
{
    struct store_stats now;

    store_stats(rig.store, &now);
    return now;
}

struct file_count {
    const char *part;
    size_t      count;
    uint64_t    bytes;
};

static void count_file(void *context, const char *path, uint64_t size_bytes)
{
    struct file_count *count = context;

    if (strstr(path, count->part) != NULL) {
        count->count++;
        count->bytes += size_bytes;
    }
}

static size_t files_with(const char *part)
{
    struct file_count count = {.part = part};

    sim_disk_each(rig.sim, 0, count_file, &count);
    return count.count;
}

/* --- in and out --------------------------------------------------------------------------------------------------- */

static void test_files_come_back_and_hold_what_is_new(void **state)
{
    struct rig_log log;
    uint64_t       used;

    (void)state;
    begin(1, &log, "round", 2 * MIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 8);
    trim(&log, 60); /* three segments of two batches are below */
    assert_int_equal(stats().spare_bytes, 3 * (2 * align_up(BATCH_BYTES + 200, 4096) + 3 * 4096));
    assert_int_equal(files_with(STORE_RECYCLE_NAME), 3);
    used = sim_used_bytes(rig.sim, 0);
    append_many(&log, 6);
    assert_int_equal(stats().recycled_files, 3);
    assert_true(sim_used_bytes(rig.sim, 0) <=
                used + 128 * KIB); /* no more space than the new segment's that was begun */
    (void)rig_verify(&log, 60, 140, 64 * KIB);
    for (int round = 0; round < 10; round++) { /* the same files over and over */
        trim(&log, store_log_end_offset(log.log) - 20);
        append_many(&log, 4);
    }
    assert_true(stats().recycled_files >= 20);
    (void)rig_verify(&log, store_log_start_offset(log.log), store_log_end_offset(log.log), 64 * KIB);
    rig_crash(5, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(store_log_end_offset(log.log), 540);
    (void)rig_verify(&log, store_log_start_offset(log.log), 540, 64 * KIB);
    end(&log);
}

static void test_the_next_start_takes_them_in(void **state)
{
    struct rig_log log;
    uint64_t       spare;

    (void)state;
    begin(2, &log, "kept", 2 * MIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 8);
    trim(&log, 60);
    spare = stats().spare_bytes;
    assert_true(spare > 0);
    rig_crash(3, SIM_CRASH_MIX);
    assert_int_equal(rig_start(), ERR_OK);
    rig_run_for(NS_PER_S);
    assert_int_equal(stats().spare_bytes, spare);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 6);
    assert_true(stats().recycled_files > 0);
    (void)rig_verify(&log, 60, 140, 64 * KIB);
    rig_stop_clean();
    rig.options.recycle_bytes = 0; /* switched off: they go */
    assert_int_equal(rig_start(), ERR_OK);
    rig_run_for(NS_PER_S);
    assert_int_equal(files_with(STORE_RECYCLE_NAME), 0);
    assert_int_equal(stats().spare_bytes, 0);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 60, 140, 64 * KIB);
    end(&log);
}

/* Its segments, sealed ones, go the same way. */
static void test_a_deleted_topic(void **state)
{
    struct rig_log log;

    (void)state;
    begin(3, &log, "gone", 2 * MIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 7);
    rig.done = false;
    store_log_delete(log.log, rig_done, NULL);
    rig_wait_done();
    rig_run_for(NS_PER_S);
    assert_int_equal(files_with(STORE_RECYCLE_NAME), 3);
    assert_int_equal(files_with(".seg"), 0);
    assert_int_equal(files_with("gone"), 0);
    end(&log);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static void test_no_more_than_the_setting(void **state)
{
    struct rig_log log;

    (void)state;
    begin(4, &log, "many", 500 * KIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 20);
    trim(&log, 180);
    assert_int_equal(files_with(STORE_RECYCLE_NAME), 2);
    assert_in_range(stats().spare_bytes, 300 * KIB, 500 * KIB);
    end(&log);
}

/* A log that never filled a segment would tie up a large file. */
static void test_who_gets_one(void **state)
{
    struct rig_log log, fresh;

    (void)state;
    begin(5, &log, "giver", 2 * MIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 8);
    trim(&log, 60);
    rig_log_init(&fresh, "small");
    fresh.policy.segment_bytes = 100 * KIB; /* smaller than the files */
    assert_int_equal(rig_log_open(&fresh), ERR_OK);
    append_many(&fresh, 4);
    assert_int_equal(stats().recycled_files, 0);
    fresh.policy.segment_bytes = SEGMENT_BYTES;
    store_log_set_policy(fresh.log, &fresh.policy);
    append_many(&fresh, 6);
    assert_true(stats().recycled_files > 0);
    (void)rig_verify(&fresh, 0, 100, 64 * KIB);
    rig_log_free(&fresh);
    end(&log);
}

static void test_the_disk_gets_low(void **state)
{
    struct rig_log log;
    uint64_t       used;

    (void)state;
    begin(6, &log, "low", 4 * MIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 20);
    trim(&log, 180);
    assert_true(stats().spare_bytes > 1 * MIB);
    used = sim_used_bytes(rig.sim, 0);
    sim_set_capacity(rig.sim, 0, used + 64 * KIB); /* by somebody else; this store is idle */
    rig_run_for(3 * NS_PER_S);
    assert_int_equal(stats().spare_bytes, 0);
    assert_int_equal(files_with(STORE_RECYCLE_NAME), 0);
    assert_true(sim_used_bytes(rig.sim, 0) + 1 * MIB < used);
    append_many(&log, 6); /* what they held is there for the log */
    assert_int_equal(log.acked, log.append_count);
    (void)rig_verify(&log, 180, 260, 64 * KIB);
    end(&log);
}

/* An allocation meets the end of the disk before anybody looked: the spare files go, and nobody is refused. */
static void test_out_of_space_with_spare_files(void **state)
{
    struct rig_log log;

    (void)state;
    begin(7, &log, "full", 4 * MIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 20);
    trim(&log, 180);
    log.policy.segment_bytes = 2 * MIB; /* must be made larger than what there is */
    store_log_set_policy(log.log, &log.policy);
    sim_set_capacity(rig.sim, 0, sim_used_bytes(rig.sim, 0) + 8 * KIB);
    append_many(&log, 6);
    assert_int_equal(log.acked, log.append_count);
    (void)rig_verify(&log, 180, 260, 64 * KIB);
    end(&log);
}

/* --- who still needs it ------------------------------------------------------------------------------------------- */

static void hold_ready(struct store_hold *hold, int result)
{
    (void)hold;
    assert_int_equal(result, ERR_OK);
    rig.done = true;
}

static void test_not_while_somebody_reads(void **state)
{
    struct store_hold     hold = {.ready = hold_ready};
    struct store_segment *segment;
    struct rig_log        log;

    (void)state;
    begin(8, &log, "read", 2 * MIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 8);
    segment = log.log->segments[0];
    rig.done = false;
    if (!store__segment_hold(segment, &hold)) {
        rig_wait_done();
    }
    trim(&log, 60);
    assert_int_equal(files_with(STORE_RECYCLE_NAME), 2); /* the other two */
    assert_int_equal(files_with("00000001.seg"), 0);
    store__segment_drop(segment);
    end(&log);
}

/* Segments of the old log that were about to be removed have the names of the new log's. */
static void again_under_the_same_name(uint64_t recycle_bytes)
{
    struct rig_log log;

    begin(9, &log, "again", recycle_bytes);
    log.policy.file_delete_delay_ms = LONG_MS;
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 8);
    trim(&log, 60);
    rig.done = false;
    store_log_delete(log.log, rig_done, NULL);
    rig_wait_done();
    log.id_salt = 1;
    log.append_count = log.acked = 0;
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 5);
    rig_run_for(2 * LONG_MS * NS_PER_MS);
    rig_crash(4, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    assert_int_equal(store_log_start_offset(log.log), 0);
    (void)rig_verify(&log, 0, 50, 64 * KIB);
    end(&log);
}

static void test_a_topic_made_again_keeps_its_segments(void **state)
{
    (void)state;
    again_under_the_same_name(0);
    again_under_the_same_name(2 * MIB);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

/* Both copies of the header that a log has written are lost; the third still says FREE. */
static void lose_headers(const struct rig_log *log, uint32_t number)
{
    char *path = store__segment_path(log->log, number, ".seg");

    for (uint64_t copy = 1; copy < STORE_SEGMENT_HEADER_COPIES; copy++) {
        assert_true(sim_disk_flip(rig.sim, 0, path, copy * 4096 + 30, 0x40));
    }
    mem_free(MEM_STORE, path);
}

/* The log's newest segment, made of a spare file, with its header as it was first written. */
static uint32_t newest_recycled(struct rig_log *log, uint64_t seed)
{
    begin(seed, log, "lost", 2 * MIB);
    assert_int_equal(rig_log_open(log), ERR_OK);
    append_many(log, 8);
    trim(log, 60);
    append_many(log, 2); /* one made ahead, PREPARED */
    assert_non_null(log->log->next_segment);
    assert_int_equal(stats().recycled_files, 1);
    return log->log->next_segment->header.number;
}

static void test_a_file_that_holds_nothing_yet_is_no_loss(void **state)
{
    struct rig_log log;
    uint32_t       number;

    (void)state;
    number = newest_recycled(&log, 10);
    lose_headers(&log, number);
    rig_kill(1);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 60, 100, 64 * KIB);
    assert_int_equal(stats().damaged_ranges, 0);
    end(&log);
}

static void test_lost_headers_are_noticed(void **state)
{
    struct rig_log log;
    uint32_t       number;

    (void)state;
    number = newest_recycled(&log, 11);
    append_many(&log, 1);
    assert_int_equal(log.log->segments[log.log->segment_count - 1]->header.number, number);
    /* Activating it went over the third copy: put it back as a disk that rots in three places would not. */
    {
        struct store_segment_header header = {.sequence = 3,
                                              .segment_id =
                                                  log.log->segments[log.log->segment_count - 1]->header.segment_id,
                                              .block_bytes = 4096,
                                              .state = STORE_SEGMENT_FREE,
                                              .end_position = 64 * KIB};
        uint8_t                     bytes[STORE_SEGMENT_HEADER_BYTES];
        char                       *path = store__segment_path(log.log, number, ".seg");

        store__segment_header_encode(&header, bytes);
        assert_true(sim_disk_poke(rig.sim, 0, path, 0, view_of(bytes, sizeof(bytes))));
        mem_free(MEM_STORE, path);
    }
    lose_headers(&log, number);
    rig_kill(1);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_log_open(&log), ERR_CORRUPT);
    assert_true(stats().damaged_ranges > 0);
    end(&log);
}

/* What stands in the directory and is nothing of ours is removed. */
static void test_strange_files_go(void **state)
{
    struct rig_log log;

    (void)state;
    begin(12, &log, "strange", 2 * MIB);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_many(&log, 8);
    trim(&log, 60);
    rig_stop_clean();
    {
        struct file_count count = {.part = STORE_RECYCLE_NAME};

        sim_disk_each(rig.sim, 0, count_file, &count);
        assert_int_equal(count.count, 3);
    }
    rig.options.recycle_bytes = 400 * KIB; /* room for two */
    assert_int_equal(rig_start(), ERR_OK);
    rig_run_for(NS_PER_S);
    assert_int_equal(files_with(STORE_RECYCLE_NAME), 2);
    assert_int_equal(rig_log_open(&log), ERR_OK);
    (void)rig_verify(&log, 60, 80, 64 * KIB);
    end(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_come_back_and_hold_what_is_new),
        cmocka_unit_test(test_the_next_start_takes_them_in),
        cmocka_unit_test(test_a_deleted_topic),
        cmocka_unit_test(test_no_more_than_the_setting),
        cmocka_unit_test(test_who_gets_one),
        cmocka_unit_test(test_the_disk_gets_low),
        cmocka_unit_test(test_out_of_space_with_spare_files),
        cmocka_unit_test(test_not_while_somebody_reads),
        cmocka_unit_test(test_a_topic_made_again_keeps_its_segments),
        cmocka_unit_test(test_a_file_that_holds_nothing_yet_is_no_loss),
        cmocka_unit_test(test_lost_headers_are_noticed),
        cmocka_unit_test(test_strange_files_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
