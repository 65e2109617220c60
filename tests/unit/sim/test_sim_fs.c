/* Names: what a directory shows, what survives a power cut, and that a rename is whole or nothing. */
#include "tests/unit/sim/sim_rig.h"

static void open_default(struct rig *rig, uint64_t seed)
{
    struct sim_options options;

    sim_options_default(&options, seed);
    rig_open(rig, &options);
}

static int create_file(struct rig *rig, const char *path, const char *text)
{
    int handle = rig_file(rig, path, IO_OPEN_WRITE | IO_OPEN_CREATE);

    assert_true(handle >= 0);
    assert_int_equal(rig_write(rig, handle, text, strlen(text), 0, IO_WRITE_DURABLE), (int)strlen(text));
    rig_end(rig, handle);
    return 0;
}

static void test_open_flags(void **state)
{
    struct rig rig;

    MAYBE(state);
    open_default(&rig, 1);
    assert_int_equal(rig_file(&rig, "a", IO_OPEN_READ), ERR_NOT_FOUND);
    create_file(&rig, "a", "x");
    assert_int_equal(rig_file(&rig, "a", IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE), ERR_EXISTS);
    assert_int_equal(rig_file(&rig, "a", IO_OPEN_READ | IO_OPEN_DIRECTORY), ERR_NOT_FOUND);
    assert_int_equal(rig_file(&rig, "no/a", IO_OPEN_WRITE | IO_OPEN_CREATE), ERR_NOT_FOUND);
    assert_int_equal(rig_mkdir(&rig, "d"), 0);
    assert_int_equal(rig_mkdir(&rig, "./d/"), ERR_EXISTS);
    create_file(&rig, "/d//./b", "x");
    assert_int_equal(rig_peek(&rig, "d/b", 0), 'x');
    assert_int_equal(rig_unlink(&rig, "d/none"), ERR_NOT_FOUND);
    rig_close(&rig);
}

/* A name that was not synced may be there or not, the synced one always. */
static void test_create_needs_directory_sync(void **state)
{
    int seen = 0;

    MAYBE(state);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct rig rig;

        open_default(&rig, seed);
        create_file(&rig, "kept", "k");
        assert_int_equal(rig_sync_directory(&rig, "/"), 0);
        create_file(&rig, "loose", "l");
        rig_crash(&rig, seed, SIM_CRASH_MIX);
        assert_int_equal(rig_peek(&rig, "kept", 0), 'k');
        seen |= rig_peek(&rig, "loose", 0) == 'l' ? 1 : 2;
        rig_close(&rig);
    }
    assert_int_equal(seen, 3);
}

static void test_rename_is_atomic(void **state)
{
    int seen = 0;

    MAYBE(state);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig rig;
        int        byte;

        open_default(&rig, seed);
        create_file(&rig, "a", "o");
        assert_int_equal(rig_sync_directory(&rig, "/"), 0);
        create_file(&rig, "a.tmp", "n");
        assert_int_equal(rig_rename(&rig, "a.tmp", "a"), 0);
        assert_int_equal(rig_peek(&rig, "a", 0), 'n');
        assert_int_equal(rig_peek(&rig, "a.tmp", 0), -1);
        rig_crash(&rig, seed, SIM_CRASH_MIX);
        byte = rig_peek(&rig, "a", 0);
        assert_true(byte == 'o' || byte == 'n');
        if (byte == 'n') {
            assert_int_equal(rig_peek(&rig, "a.tmp", 0), -1);
        }
        seen |= byte == 'n' ? 1 : 2;
        rig_close(&rig);
    }
    assert_int_equal(seen, 3);
}

/* Two changes of one directory survive independently, in any combination. */
static void test_changes_are_independent(void **state)
{
    int seen = 0;

    MAYBE(state);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        bool       removed;
        bool       created;

        open_default(&rig, seed);
        create_file(&rig, "old", "o");
        assert_int_equal(rig_sync_directory(&rig, "/"), 0);
        assert_int_equal(rig_unlink(&rig, "old"), 0);
        create_file(&rig, "new", "n");
        rig_crash(&rig, seed, SIM_CRASH_MIX);
        removed = rig_peek(&rig, "old", 0) != 'o';
        created = rig_peek(&rig, "new", 0) == 'n';
        seen |= 1 << ((removed ? 2 : 0) + (created ? 1 : 0));
        rig_close(&rig);
    }
    assert_int_equal(seen, 15);
}

static void test_unlinked_comes_back_with_its_space(void **state)
{
    struct rig rig;
    uint64_t   used;

    MAYBE(state);
    open_default(&rig, 2);
    rig_durable_file(&rig, "a", 1, 8192);
    used = sim_used_bytes(rig.sim, 0);
    assert_int_equal(rig_unlink(&rig, "a"), 0);
    assert_int_equal(sim_used_bytes(rig.sim, 0), 0);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_peek(&rig, "a", 8191), 1);
    assert_int_equal(sim_used_bytes(rig.sim, 0), used);
    assert_int_equal(rig_unlink(&rig, "a"), 0);
    assert_int_equal(rig_sync_directory(&rig, "/"), 0);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_peek(&rig, "a", 0), -1);
    rig_close(&rig);
}

static void test_directory_lost_with_its_content(void **state)
{
    struct rig rig;

    MAYBE(state);
    open_default(&rig, 3);
    assert_int_equal(rig_mkdir(&rig, "d"), 0);
    create_file(&rig, "d/a", "x");
    assert_int_equal(rig_sync_directory(&rig, "d"), 0);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_peek(&rig, "d/a", 0), -1);
    assert_int_equal(rig_mkdir(&rig, "d"), 0);
    create_file(&rig, "d/a", "x");
    assert_int_equal(rig_sync_directory(&rig, "d"), 0);
    assert_int_equal(rig_sync_directory(&rig, "/"), 0);
    rig_crash(&rig, 1, SIM_CRASH_DROP);
    assert_int_equal(rig_peek(&rig, "d/a", 0), 'x');
    rig_close(&rig);
}

static void test_rename_between_directories(void **state)
{
    struct rig rig;

    MAYBE(state);
    open_default(&rig, 4);
    assert_int_equal(rig_mkdir(&rig, "d"), 0);
    assert_int_equal(rig_sync_directory(&rig, "/"), 0);
    create_file(&rig, "a", "x");
    assert_int_equal(rig_rename(&rig, "a", "d/b"), 0);
    assert_int_equal(rig_sync_directory(&rig, "d"), 0);
    assert_int_equal(rig_sync_directory(&rig, "/"), 0);
    rig_crash(&rig, 1, SIM_CRASH_KEEP);
    assert_int_equal(rig_peek(&rig, "a", 0), -1);
    assert_int_equal(rig_peek(&rig, "d/b", 0), 'x');
    assert_int_equal(rig_rename(&rig, "d/none", "d/c"), ERR_NOT_FOUND);
    assert_int_equal(rig_rename(&rig, "d/b", "d"), ERR_INVALID);
    rig_close(&rig);
}

static bool collect(void *context, const char *name, bool is_directory)
{
    char *text = context;

    strcat(text, name);
    strcat(text, is_directory ? "/ " : " ");
    return true;
}

static void test_list(void **state)
{
    struct rig rig;
    char       text[64] = "";

    MAYBE(state);
    open_default(&rig, 5);
    assert_int_equal(rig_mkdir(&rig, "d"), 0);
    assert_int_equal(rig_mkdir(&rig, "d/e"), 0);
    create_file(&rig, "d/a", "x");
    assert_int_equal(io_list(rig.io, "d", collect, text), 0);
    assert_int_equal(strlen(text), 5);
    assert_non_null(strstr(text, "e/ "));
    assert_non_null(strstr(text, "a "));
    assert_int_equal(io_list(rig.io, "none", collect, text), ERR_NOT_FOUND);
    rig_close(&rig);
}

static void test_lock_ends_with_the_process(void **state)
{
    struct rig rig;
    struct io *other;

    MAYBE(state);
    open_default(&rig, 6);
    other = sim_io(rig.sim, 0, 1);
    assert_int_equal(io_lock(rig.io, "lock"), 0);
    assert_int_equal(io_lock(other, "lock"), ERR_BUSY);
    io_destroy(other);
    sim_kill(rig.sim, 0, 1);
    rig_reboot(&rig);
    assert_int_equal(io_lock(rig.io, "lock"), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_flags),
        cmocka_unit_test(test_create_needs_directory_sync),
        cmocka_unit_test(test_rename_is_atomic),
        cmocka_unit_test(test_changes_are_independent),
        cmocka_unit_test(test_unlinked_comes_back_with_its_space),
        cmocka_unit_test(test_directory_lost_with_its_content),
        cmocka_unit_test(test_rename_between_directories),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_lock_ends_with_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
