/* The disk model: what is visible, what survives a power cut, and what each kind of durability covers. */
#include "tests/unit/sim/sim_rig.h"

#define BLOCK 4096

static uint8_t ones[4 * BLOCK] RIG_ALIGNED;
static uint8_t twos[4 * BLOCK] RIG_ALIGNED;
static uint8_t into[4 * BLOCK] RIG_ALIGNED;

static void open_default(struct rig *rig, uint64_t seed)
{
    struct sim_options options;

    memset(ones, 1, sizeof(ones));
    memset(twos, 2, sizeof(twos));
    sim_options_default(&options, seed);
    rig_open(rig, &options);
}

static int open_rw(struct rig *rig, const char *path)
{
    int handle = rig_file(rig, path, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_DIRECT);

    assert_true(handle >= 0);
    return handle;
}

static void test_read_what_was_written(void **state)
{
    struct rig rig;
    int        handle;

    MAYBE(state);
    open_default(&rig, 1);
    handle = rig_file(&rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE);
    assert_int_equal(rig_write(&rig, handle, "hello", 5, 4094, 0), 5);
    assert_int_equal(rig_read(&rig, handle, into, 10, 4090), 9);
    assert_memory_equal(into, "\0\0\0\0hello", 9);
    assert_int_equal(rig_read(&rig, handle, into, 10, 4099), 0);
    rig_end(&rig, handle);
    rig_close(&rig);
}

static void test_synced_survives_everything(void **state)
{
    MAYBE(state);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig rig;
        int        handle;

        open_default(&rig, seed);
        rig_durable_file(&rig, "a", 1, 2 * BLOCK);
        handle = open_rw(&rig, "a");
        assert_int_equal(rig_write(&rig, handle, twos, BLOCK, 2 * BLOCK, 0), BLOCK);
        rig_crash(&rig, seed, (enum sim_crash_style)(seed % SIM_CRASH_STYLE_COUNT));
        assert_true(rig_all(&rig, "a", 0, 2 * BLOCK, 1));
        rig_close(&rig);
    }
}

static void test_unsynced_may_vanish_or_stay(void **state)
{
    bool seen_kept = false;
    bool seen_gone = false;
    bool seen_torn = false;

    MAYBE(state);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        int        handle;
        bool       first;
        bool       last;

        open_default(&rig, seed);
        rig_durable_file(&rig, "a", 1, BLOCK);
        handle = open_rw(&rig, "a");
        assert_int_equal(rig_write(&rig, handle, twos, BLOCK, 0, 0), BLOCK);
        assert_true(rig_all(&rig, "a", 0, BLOCK, 2));
        rig_crash(&rig, seed, SIM_CRASH_MIX);
        first = rig_peek(&rig, "a", 0) == 2;
        last = rig_peek(&rig, "a", BLOCK - 1) == 2;
        seen_kept |= first && last;
        seen_gone |= rig_all(&rig, "a", 0, BLOCK, 1);
        seen_torn |= first != last;
        rig_close(&rig);
    }
    assert_true(seen_kept && seen_gone && seen_torn);
}

static void test_drop_and_keep_are_exact(void **state)
{
    struct rig rig;
    int        handle;

    MAYBE(state);
    open_default(&rig, 3);
    rig_durable_file(&rig, "a", 1, BLOCK);
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_write(&rig, handle, twos, BLOCK, 0, 0), BLOCK);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 1));
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_write(&rig, handle, twos, BLOCK, 0, 0), BLOCK);
    rig_crash(&rig, 1, SIM_CRASH_KEEP);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 2));
    rig_close(&rig);
}

/* IO_WRITE_DURABLE with FUA: its own range, not the write before it; the size it needs comes with it. */
static void test_durable_write_covers_itself(void **state)
{
    struct rig     rig;
    struct io_stat stat;
    int            handle;

    MAYBE(state);
    open_default(&rig, 4);
    rig_durable_file(&rig, "a", 1, BLOCK);
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_write(&rig, handle, twos, BLOCK, 0, 0), BLOCK);
    assert_int_equal(rig_write(&rig, handle, twos, BLOCK, BLOCK, IO_WRITE_DURABLE), BLOCK);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_stat(&rig, "a", &stat), 0);
    assert_int_equal(stat.size_bytes, 2 * BLOCK);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 1));
    assert_true(rig_all(&rig, "a", BLOCK, BLOCK, 2));
    rig_close(&rig);
}

/* Without FUA the device's cache is flushed with it: earlier direct writes into space that was written before are
 * covered, too. */
static void test_without_fua_the_cache_is_flushed(void **state)
{
    struct sim_options options;
    struct rig         rig;
    int                handle;

    MAYBE(state);
    sim_options_default(&options, 5);
    options.fua = false;
    rig_open(&rig, &options);
    memset(twos, 2, sizeof(twos));
    rig_durable_file(&rig, "a", 1, 2 * BLOCK);
    rig_durable_file(&rig, "b", 1, BLOCK);
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_write(&rig, handle, twos, BLOCK, 0, 0), BLOCK);
    assert_int_equal(rig_write(&rig, open_rw(&rig, "b"), twos, BLOCK, BLOCK, 0),
                     BLOCK); /* grows b: metadata is missing */
    assert_int_equal(rig_write(&rig, handle, twos, BLOCK, BLOCK, IO_WRITE_DURABLE), BLOCK);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_true(rig_all(&rig, "a", 0, 2 * BLOCK, 2));
    assert_int_equal(rig_peek(&rig, "b", BLOCK), -1);
    rig_close(&rig);
}

/* An earlier unsynced write must not come back over a later durable one, whole or in part. */
static void test_older_write_never_on_top(void **state)
{
    MAYBE(state);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        int        handle;

        open_default(&rig, seed);
        rig_durable_file(&rig, "a", 7, 3 * BLOCK);
        handle = open_rw(&rig, "a");
        assert_int_equal(rig_write(&rig, handle, ones, 2 * BLOCK, 0, 0), 2 * BLOCK);
        assert_int_equal(rig_write(&rig, handle, twos, 2 * BLOCK, BLOCK, IO_WRITE_DURABLE), 2 * BLOCK);
        if (seed % 2 == 0) {
            assert_int_equal(rig_sync(&rig, handle), 0);
            assert_true(rig_all(&rig, "a", 0, BLOCK, 1));
        }
        rig_crash(&rig, seed, SIM_CRASH_MIX);
        assert_true(rig_all(&rig, "a", BLOCK, 2 * BLOCK, 2));
        rig_close(&rig);
    }
}

/* A garbled physical block takes the untouched sectors in it along: 512-byte writes beside durable data are not safe.
 */
static void test_garble_hits_the_physical_block(void **state)
{
    struct rig rig;
    int        handle;

    MAYBE(state);
    open_default(&rig, 6);
    rig_durable_file(&rig, "a", 1, 2 * BLOCK);
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_write(&rig, handle, twos, 512, 512, 0), 512);
    rig_crash(&rig, 1, SIM_CRASH_GARBLE);
    assert_false(rig_all(&rig, "a", 0, 512, 1));
    assert_true(rig_all(&rig, "a", BLOCK, BLOCK, 1));
    rig_close(&rig);
}

static void test_size_and_space_are_metadata(void **state)
{
    struct rig     rig;
    struct io_stat stat;
    int            handle;

    MAYBE(state);
    open_default(&rig, 7);
    rig_durable_file(&rig, "a", 1, BLOCK);
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_allocate(&rig, handle, 0, 8 * BLOCK, 0), 0);
    assert_int_equal(rig_stat(&rig, "a", &stat), 0);
    assert_int_equal(stat.size_bytes, 8 * BLOCK);
    assert_int_equal(stat.allocated_bytes, 8 * BLOCK);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_stat(&rig, "a", &stat), 0);
    assert_int_equal(stat.size_bytes, BLOCK);
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_allocate(&rig, handle, 0, 8 * BLOCK, 0), 0);
    assert_int_equal(rig_sync(&rig, handle), 0);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_stat(&rig, "a", &stat), 0);
    assert_int_equal(stat.size_bytes, 8 * BLOCK);
    assert_true(rig_all(&rig, "a", BLOCK, 7 * BLOCK, 0));
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_allocate(&rig, handle, 0, BLOCK, IO_ALLOCATE_PUNCH), 0);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 0));
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 1));
    rig_close(&rig);
}

/* After a failed sync the data is readable, and no later sync brings it to the disk. */
static void test_failed_sync_is_final(void **state)
{
    struct rig rig;
    int        handle;

    MAYBE(state);
    open_default(&rig, 8);
    rig_durable_file(&rig, "a", 1, BLOCK);
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_write(&rig, handle, twos, BLOCK, 0, 0), BLOCK);
    sim_fail_nth(rig.sim, 0, 1, SIM_FAIL_SYNC, ERR_IO, false);
    assert_int_equal(rig_sync(&rig, handle), ERR_IO);
    assert_int_equal(rig_sync(&rig, handle), 0);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 2));
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 1));
    rig_close(&rig);
}

static void count_done(struct io_op *op)
{
    MAYBE(op->result);
}

/* A sync covers what was complete when it was submitted, not what was in flight. */
static void test_sync_does_not_cover_in_flight(void **state)
{
    struct sim_options options;
    struct rig         rig;
    struct io_op       write = {0};
    struct io_op       sync = {0};
    int                handle;

    MAYBE(state);
    sim_options_default(&options, 9);
    options.write_latency = (struct sim_range){100 * NS_PER_US, 100 * NS_PER_US};
    options.sync_latency = (struct sim_range){NS_PER_MS, NS_PER_MS};
    rig_open(&rig, &options);
    memset(twos, 2, sizeof(twos));
    rig_durable_file(&rig, "a", 1, BLOCK);
    handle = open_rw(&rig, "a");
    io_write(rig.io, &write, (struct io_handle){handle}, view_of(twos, BLOCK), 0, 0, count_done);
    io_sync(rig.io, &sync, (struct io_handle){handle}, count_done);
    io_wait(rig.io, &sync);
    assert_int_equal(write.result, BLOCK);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 2));
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 1));
    rig_close(&rig);
}

static void test_truncate(void **state)
{
    struct rig     rig;
    struct io_stat stat;
    int            handle;

    MAYBE(state);
    open_default(&rig, 10);
    rig_durable_file(&rig, "a", 1, 2 * BLOCK);
    handle = rig_file(&rig, "a", IO_OPEN_WRITE | IO_OPEN_TRUNCATE);
    assert_int_equal(rig_write(&rig, handle, "x", 1, 0, 0), 1);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_true(rig_all(&rig, "a", 0, 2 * BLOCK, 1));
    handle = rig_file(&rig, "a", IO_OPEN_WRITE | IO_OPEN_TRUNCATE);
    assert_int_equal(rig_write(&rig, handle, "x", 1, 0, IO_WRITE_DURABLE), 1);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_stat(&rig, "a", &stat), 0);
    assert_int_equal(stat.size_bytes, 1);
    rig_close(&rig);
}

static void test_capacity(void **state)
{
    struct sim_options options;
    struct rig         rig;
    int                handle;

    MAYBE(state);
    sim_options_default(&options, 11);
    options.capacity_bytes = 4 * BLOCK;
    rig_open(&rig, &options);
    handle = rig_file(&rig, "a", IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT);
    assert_int_equal(rig_write(&rig, handle, ones, 3 * BLOCK, 0, 0), 3 * BLOCK);
    assert_int_equal(rig_allocate(&rig, handle, 0, 5 * BLOCK, 0), ERR_NO_SPACE);
    assert_int_equal(rig_write(&rig, handle, ones, 2 * BLOCK, 3 * BLOCK, 0), BLOCK);
    assert_int_equal(rig_write(&rig, handle, ones, BLOCK, 4 * BLOCK, 0), ERR_NO_SPACE);
    assert_int_equal(rig_write(&rig, handle, twos, BLOCK, 0, 0), BLOCK); /* in place: no new space */
    sim_set_capacity(rig.sim, 0, 8 * BLOCK);
    assert_int_equal(rig_write(&rig, handle, ones, BLOCK, 4 * BLOCK, 0), BLOCK);
    assert_int_equal(sim_used_bytes(rig.sim, 0), 5 * BLOCK);
    assert_int_equal(rig_unlink(&rig, "a"), 0);
    assert_int_equal(sim_used_bytes(rig.sim, 0), 5 * BLOCK); /* still open */
    rig_end(&rig, handle);
    assert_int_equal(sim_used_bytes(rig.sim, 0), 0);
    rig_close(&rig);
}

static void test_damage_from_outside(void **state)
{
    struct rig rig;
    int        handle;

    MAYBE(state);
    open_default(&rig, 12);
    rig_durable_file(&rig, "a", 1, BLOCK);
    assert_true(sim_disk_flip(rig.sim, 0, "a", 17, 0x80));
    assert_false(sim_disk_flip(rig.sim, 0, "a", BLOCK, 0x80));
    assert_int_equal(rig_peek(&rig, "a", 17), 0x81);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_peek(&rig, "a", 17), 0x81);
    assert_true(sim_disk_unreadable(rig.sim, 0, "a", 512, 512));
    handle = open_rw(&rig, "a");
    assert_int_equal(rig_read(&rig, handle, into, 512, 0), 512);
    assert_int_equal(rig_read(&rig, handle, into, BLOCK, 0), ERR_IO);
    assert_int_equal(rig_write(&rig, handle, twos, 512, 512, 0), 512);
    assert_int_equal(rig_read(&rig, handle, into, BLOCK, 0), BLOCK);
    assert_true(sim_disk_resize(rig.sim, 0, "a", 100));
    assert_int_equal(rig_peek(&rig, "a", 100), -1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_what_was_written),
        cmocka_unit_test(test_synced_survives_everything),
        cmocka_unit_test(test_unsynced_may_vanish_or_stay),
        cmocka_unit_test(test_drop_and_keep_are_exact),
        cmocka_unit_test(test_durable_write_covers_itself),
        cmocka_unit_test(test_without_fua_the_cache_is_flushed),
        cmocka_unit_test(test_older_write_never_on_top),
        cmocka_unit_test(test_garble_hits_the_physical_block),
        cmocka_unit_test(test_size_and_space_are_metadata),
        cmocka_unit_test(test_failed_sync_is_final),
        cmocka_unit_test(test_sync_does_not_cover_in_flight),
        cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_damage_from_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
