/* Files, directories, posts, time. */
#include "tests/support/io_conformance_internal.h"

#include <stdio.h>

#define MANY_OPS 3000

static void file_done(struct io_file_op *op UNUSED)
{
}

static void test_open_errors(void **state)
{
    struct rig      *rig = *state;
    struct probe     op = {0};
    struct io_handle file;

    io_open(rig->io, &op.op, rig_path(rig, "missing"), IO_OPEN_READ, probe_done);
    assert_int_equal(op.calls, 0); /* never inside the submitting call */
    assert_int_equal(probe_wait(rig, &op), ERR_NOT_FOUND);
    assert_int_equal(op.calls, 1);
    file = rig_open(rig, "a", IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE);
    rig_close(rig, file);
    io_open(rig->io, &op.op, rig_path(rig, "a"), IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE, probe_done);
    assert_int_equal(probe_wait(rig, &op), ERR_EXISTS);
    io_open(rig->io, &op.op, rig_path(rig, "missing/a"), IO_OPEN_WRITE | IO_OPEN_CREATE, probe_done);
    assert_int_equal(probe_wait(rig, &op), ERR_NOT_FOUND);
}

static void test_write_read(void **state)
{
    struct rig      *rig = *state;
    uint8_t          bytes[10000];
    uint8_t          back[12000];
    struct probe     op = {0};
    struct io_handle file = rig_open(rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE);

    pattern_fill(bytes, sizeof(bytes), 1);
    assert_int_equal(rig_write_all(rig, file, bytes, sizeof(bytes), 0), 0);
    assert_int_equal(rig_read_full(rig, file, back, sizeof(back), 0), (int)sizeof(bytes)); /* short at the end */
    assert_true(pattern_check(back, sizeof(bytes), 1));
    io_read(rig->io, &op.op, file, span_of(back, sizeof(back)), sizeof(bytes), probe_done);
    assert_int_equal(probe_wait(rig, &op), 0); /* the end */
    assert_int_equal(rig_write_all(rig, file, "xyz", 3, 5000), 0);
    assert_int_equal(rig_read_full(rig, file, back, 5, 4999), 5);
    assert_int_equal(back[0], bytes[4999]);
    assert_memory_equal(back + 1, "xyz", 3);
    assert_int_equal(back[4], bytes[5003]);
    rig_close(rig, file);
    file = rig_open(rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_TRUNCATE);
    assert_int_equal(rig_read_full(rig, file, back, sizeof(back), 0), 0);
    rig_close(rig, file);
}

static void test_durable_write_and_sync(void **state)
{
    struct rig       *rig = *state;
    uint8_t           bytes[8192];
    uint8_t           back[8192];
    struct probe      op = {0};
    struct io_file_op whole = {0};
    struct io_handle  file = rig_open(rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE);

    pattern_fill(bytes, sizeof(bytes), 2);
    io_file_write_all(rig->io, &whole, file, view_of(bytes, sizeof(bytes)), 4096, IO_WRITE_DURABLE, file_done);
    assert_int_equal(io_file_wait(rig->io, &whole), 0);
    io_sync(rig->io, &op.op, file, probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    assert_int_equal(rig_read_full(rig, file, back, sizeof(back), 4096), (int)sizeof(back));
    assert_true(pattern_check(back, sizeof(back), 2));
    rig_close(rig, file);
    io_file_sync_directory(rig->io, &whole, rig->directory, file_done);
    assert_int_equal(io_file_wait(rig->io, &whole), 0);
    io_file_sync_directory(rig->io, &whole, rig_path(rig, "missing"), file_done);
    assert_int_equal(io_file_wait(rig->io, &whole), ERR_NOT_FOUND);
}

static void test_names(void **state)
{
    struct rig    *rig = *state;
    struct probe   op = {0};
    struct io_stat found = {0};

    rig_create(rig, "a", "one", 3);
    rig_create(rig, "b", "three", 5);
    io_rename(rig->io, &op.op, rig_path(rig, "a"), rig_path(rig, "b"), probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    io_stat(rig->io, &op.op, rig_path(rig, "b"), &found, probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    assert_int_equal(found.size_bytes, 3);
    assert_false(found.is_directory);
    io_stat(rig->io, &op.op, rig_path(rig, "a"), &found, probe_done);
    assert_int_equal(probe_wait(rig, &op), ERR_NOT_FOUND);
    io_mkdir(rig->io, &op.op, rig_path(rig, "d"), probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    io_mkdir(rig->io, &op.op, rig_path(rig, "d"), probe_done);
    assert_int_equal(probe_wait(rig, &op), ERR_EXISTS);
    io_stat(rig->io, &op.op, rig_path(rig, "d"), &found, probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    assert_true(found.is_directory);
    rig_create(rig, "d/inside", "x", 1);
    io_unlink(rig->io, &op.op, rig_path(rig, "d"), true, probe_done);
    assert_int_equal(probe_wait(rig, &op), ERR_NOT_EMPTY);
    io_unlink(rig->io, &op.op, rig_path(rig, "d/inside"), false, probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    io_unlink(rig->io, &op.op, rig_path(rig, "d"), true, probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    io_unlink(rig->io, &op.op, rig_path(rig, "d"), true, probe_done);
    assert_int_equal(probe_wait(rig, &op), ERR_NOT_FOUND);
}

struct seen_names {
    uint32_t files;
    uint32_t directories;
    uint32_t unknown;
    uint32_t stop_after;
};

static bool count_name(void *context, const char *name, bool is_directory)
{
    struct seen_names *seen = context;

    if (strcmp(name, "f1") == 0 || strcmp(name, "f2") == 0) {
        seen->files += is_directory ? 0 : 1;
    } else if (strcmp(name, "d") == 0) {
        seen->directories += is_directory ? 1 : 0;
    } else {
        seen->unknown++;
    }
    return seen->stop_after == 0 || --seen->stop_after > 0;
}

static void test_list(void **state)
{
    struct rig       *rig = *state;
    struct probe      op = {0};
    struct seen_names seen = {0};

    rig_create(rig, "f1", "", 0);
    rig_create(rig, "f2", "", 0);
    io_mkdir(rig->io, &op.op, rig_path(rig, "d"), probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    rig_create(rig, "d/f1", "", 0);
    assert_int_equal(io_list(rig->io, rig->directory, count_name, &seen), 0);
    assert_int_equal(seen.files, 2);
    assert_int_equal(seen.directories, 1);
    assert_int_equal(seen.unknown, 0);
    seen = (struct seen_names){.stop_after = 1};
    assert_int_equal(io_list(rig->io, rig->directory, count_name, &seen), 0);
    assert_int_equal(seen.files + seen.directories, 1);
    assert_int_equal(io_list(rig->io, rig_path(rig, "missing"), count_name, &seen), ERR_NOT_FOUND);
}

static void test_allocate_and_punch(void **state)
{
    struct rig      *rig = *state;
    uint8_t          bytes[4096];
    struct probe     op = {0};
    struct io_stat   found = {0};
    struct io_handle file = rig_open(rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE);

    io_allocate(rig->io, &op.op, file, 0, MIB, IO_ALLOCATE_EXTEND, probe_done);
    if (probe_wait(rig, &op) == ERR_UNSUPPORTED) {
        rig_close(rig, file);
        skip();
    }
    assert_int_equal(op.result, 0);
    io_stat(rig->io, &op.op, rig_path(rig, "a"), &found, probe_done);
    assert_int_equal(probe_wait(rig, &op), 0);
    assert_int_equal(found.size_bytes, MIB);
    assert_true(found.allocated_bytes >= MIB);
    assert_int_equal(rig_read_full(rig, file, bytes, sizeof(bytes), MIB / 2), (int)sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(bytes[i], 0);
    }
    pattern_fill(bytes, sizeof(bytes), 3);
    assert_int_equal(rig_write_all(rig, file, bytes, sizeof(bytes), 8192), 0);
    assert_int_equal(rig_write_all(rig, file, bytes, sizeof(bytes), 8192 + 4096), 0);
    io_allocate(rig->io, &op.op, file, 8192, 4096, IO_ALLOCATE_PUNCH, probe_done);
    if (probe_wait(rig, &op) != ERR_UNSUPPORTED) {
        assert_int_equal(op.result, 0);
        assert_int_equal(rig_read_full(rig, file, bytes, sizeof(bytes), 8192), (int)sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++) {
            assert_int_equal(bytes[i], 0);
        }
        assert_int_equal(rig_read_full(rig, file, bytes, sizeof(bytes), 8192 + 4096), (int)sizeof(bytes));
        assert_true(pattern_check(bytes, sizeof(bytes), 3));
        io_stat(rig->io, &op.op, rig_path(rig, "a"), &found, probe_done);
        assert_int_equal(probe_wait(rig, &op), 0);
        assert_int_equal(found.size_bytes, MIB);
    }
    rig_close(rig, file);
}

static void test_volume_and_direct(void **state)
{
    struct rig       *rig = *state;
    struct io_volume  volume = {0};
    struct io_file_op whole = {0};
    uint64_t          free_bytes = 0;
    uint64_t          total_bytes = 0;
    struct io_handle  file;
    uint8_t          *memory;

    assert_int_equal(io_volume_probe(rig->io, rig->directory, &volume), 0);
    assert_true(is_power_of_two(volume.block_bytes) && volume.block_bytes >= volume.direct_align_bytes);
    assert_true(volume.total_bytes >= volume.free_bytes && volume.total_bytes > 0);
    assert_true(volume.durable_writes);
    assert_int_equal(io_volume_free(rig->io, rig->directory, &free_bytes, &total_bytes), 0);
    assert_int_equal(total_bytes, volume.total_bytes);
    assert_true(free_bytes <= total_bytes);
    assert_int_equal(io_volume_probe(rig->io, rig_path(rig, "missing"), &volume), ERR_NOT_FOUND);
    if (volume.direct_align_bytes == 0) {
        skip();
    }
    memory = mem_alloc_aligned(MEM_TEST, 65536, 65536);
    file = rig_open(rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT);
    pattern_fill(memory, 32768, 4);
    io_file_write_all(rig->io, &whole, file, view_of(memory, 32768), volume.direct_align_bytes, IO_WRITE_DURABLE,
                      file_done);
    assert_int_equal(io_file_wait(rig->io, &whole), 0);
    assert_int_equal(rig_read_full(rig, file, memory + 32768, 32768, volume.direct_align_bytes), 32768);
    assert_true(pattern_check(memory + 32768, 32768, 4));
    rig_close(rig, file);
    mem_free(MEM_TEST, memory);
}

static void test_registered_region(void **state)
{
    struct rig       *rig = *state;
    struct io_file_op whole = {0};
    struct buf_pool  *pool = buf_pool_create(BUF_BYTES_MAX, BUF_BYTES_MAX);
    struct buf       *from = buf_acquire(pool, 32768);
    struct buf       *to = buf_acquire(pool, 32768);
    int               registered = io_register_region(rig->io, buf_pool_region(pool));
    struct io_handle  file = rig_open(rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE);

    assert_true(registered <= 0); /* either way the memory works */
    pattern_fill(from->data, 32768, 5);
    io_file_write_all(rig->io, &whole, file, view_of(from->data, 32768), 0, IO_WRITE_DURABLE, file_done);
    assert_int_equal(io_file_wait(rig->io, &whole), 0);
    assert_int_equal(rig_read_full(rig, file, to->data, 32768, 0), 32768);
    assert_true(pattern_check(to->data, 32768, 5));
    rig_close(rig, file);
    buf_unref(from);
    buf_unref(to);
    rig_teardown(state); /* the region must outlive the back end */
    buf_pool_destroy(pool);
    assert_int_equal(rig_setup(state), 0);
}

static void test_many_at_once(void **state)
{
    struct rig      *rig = *state;
    struct probe    *ops = mem_alloc(MEM_TEST, MANY_OPS * sizeof(*ops));
    uint8_t         *bytes = mem_alloc(MEM_TEST, MANY_OPS * 8);
    uint64_t         calls = 0;
    struct io_handle file = rig_open(rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE);

    pattern_fill(bytes, MANY_OPS * 8, 6);
    for (uint64_t i = 0; i < MANY_OPS; i++) {
        ops[i].inside_calls = &calls;
        io_write(rig->io, &ops[i].op, file, view_of(bytes + i * 8, 8), i * 8, 0, probe_done);
    }
    assert_int_equal(calls, 0);
    rig_run_until(rig, &calls, MANY_OPS);
    for (uint64_t i = 0; i < MANY_OPS; i++) {
        assert_int_equal(ops[i].calls, 1);
        assert_true(ops[i].result > 0 && ops[i].result <= 8);
        if (ops[i].result < 8) {
            assert_int_equal(rig_write_all(rig, file, bytes + i * 8, 8, i * 8), 0);
        }
    }
    memset(bytes, 0, MANY_OPS * 8);
    assert_int_equal(rig_read_full(rig, file, bytes, MANY_OPS * 8, 0), MANY_OPS * 8);
    assert_true(pattern_check(bytes, MANY_OPS * 8, 6));
    rig_close(rig, file);
    mem_free(MEM_TEST, bytes);
    mem_free(MEM_TEST, ops);
}

/* --- whole files ------------------------------------------------------------------------------------------------- */

static void check_content(struct rig *rig, const char *name, const char *wanted)
{
    struct buf_pool  *pool = buf_pool_create(1, BUF_BYTES_MAX);
    struct io_file_op op = {0};
    struct buf       *content;

    io_file_load(rig->io, &op, pool, rig_path(rig, name), 1000, file_done);
    assert_int_equal(io_file_wait(rig->io, &op), (int)strlen(wanted));
    content = io_file_take(&op);
    assert_memory_equal(content->data, wanted, strlen(wanted));
    buf_unref(content);
    buf_pool_destroy(pool);
}

static void test_replace_and_load(void **state)
{
    struct rig       *rig = *state;
    struct io_file_op op = {0};
    struct buf_pool  *pool = buf_pool_create(1, BUF_BYTES_MAX);
    struct seen_names seen = {0};

    io_file_replace(rig->io, &op, rig_path(rig, "f1"), view_text("first"), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), 0);
    check_content(rig, "f1", "first");
    io_file_replace(rig->io, &op, rig_path(rig, "f1"), view_text("second, longer"), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), 0);
    check_content(rig, "f1", "second, longer");
    io_file_replace(rig->io, &op, rig_path(rig, "f1"), view_of("", 0), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), 0);
    check_content(rig, "f1", "");
    assert_int_equal(io_list(rig->io, rig->directory, count_name, &seen), 0);
    assert_int_equal(seen.files, 1);
    assert_int_equal(seen.unknown, 0); /* nothing left beside it */
    io_file_replace(rig->io, &op, rig_path(rig, "missing/f1"), view_text("x"), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), ERR_NOT_FOUND);
    io_file_replace(rig->io, &op, rig_path(rig, "f1"), view_text("eleven char"), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), 0);
    io_file_load(rig->io, &op, pool, rig_path(rig, "f1"), 10, file_done);
    assert_int_equal(io_file_wait(rig->io, &op), ERR_LIMIT);
    io_file_load(rig->io, &op, pool, rig_path(rig, "missing"), 10, file_done);
    assert_int_equal(io_file_wait(rig->io, &op), ERR_NOT_FOUND);
    io_file_load(rig->io, &op, pool, rig->directory, 1000000, file_done);
    assert_int_equal(io_file_wait(rig->io, &op), ERR_INVALID);
    buf_pool_destroy(pool);
}

static void test_make_directories(void **state)
{
    struct rig       *rig = *state;
    struct io_file_op op = {0};

    io_file_make_directories(rig->io, &op, rig_path(rig, "x/y//z/"), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), 0);
    rig_create(rig, "x/y/z/file", "1", 1);
    io_file_make_directories(rig->io, &op, rig_path(rig, "x/y/z"), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), 0);
    io_file_make_directories(rig->io, &op, rig_path(rig, "x/y/z/file/below"), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), ERR_EXISTS); /* a file is in the way */
    io_file_make_directories(rig->io, &op, rig_path(rig, "x/y/z/file"), file_done);
    assert_int_equal(io_file_wait(rig->io, &op), ERR_EXISTS);
}

/* --- loop and time ----------------------------------------------------------------------------------------------- */

struct chain {
    struct io_op op;
    struct rig  *rig;
    uint64_t     left;
    uint64_t     calls;
};

static void chain_done(struct io_op *op)
{
    struct chain *chain = CONTAINER_OF(op, struct chain, op);

    assert_true(io_op_idle(op)); /* so it may be used again here */
    chain->calls++;
    if (--chain->left > 0) {
        uint64_t before = chain->calls;

        io_post(chain->rig->io, op, chain_done);
        assert_int_equal(chain->calls, before);
    }
}

static void test_post(void **state)
{
    struct rig  *rig = *state;
    struct chain chain = {.rig = rig, .left = 100};
    int          turns = 0;

    io_post(rig->io, &chain.op, chain_done);
    assert_int_equal(chain.calls, 0);
    while (chain.left > 0) {
        assert_true(io_run(rig->io, INT64_MAX) <= 1); /* posted inside a callback: next turn */
        turns++;
    }
    assert_true(turns >= 100);
    assert_int_equal(chain.calls, 100);
}

static void idle_done(struct io_op *op)
{
    struct chain *chain = CONTAINER_OF(op, struct chain, op);

    chain->calls++;
    if (--chain->left > 0) {
        io_post_idle(chain->rig->io, op, idle_done);
    }
}

/* Two of them, beside each other: each has its turns, and the loop does not sleep before the last. */
static void test_post_idle(void **state)
{
    struct rig  *rig = *state;
    struct chain chains[2] = {{.rig = rig, .left = 50}, {.rig = rig, .left = 50}};

    io_post_idle(rig->io, &chains[0].op, idle_done);
    io_post_idle(rig->io, &chains[1].op, idle_done);
    assert_int_equal(chains[0].calls, 0);
    while (chains[0].left > 0 || chains[1].left > 0) {
        assert_true(io_run(rig->io, INT64_MAX) >= 0);
    }
    assert_int_equal(chains[0].calls + chains[1].calls, 100);
}

static void test_deadline(void **state)
{
    struct rig *rig = *state;
    int64_t     start_ns;
    int64_t     deadline_ns;

    assert_int_equal(io_run(rig->io, 0), 0); /* polls, and refreshes the clock */
    start_ns = io_now_ns(rig->io);
    assert_true(start_ns > 0);
    deadline_ns = start_ns + 30 * NS_PER_MS;
    while (io_now_ns(rig->io) < deadline_ns) {
        assert_int_equal(io_run(rig->io, deadline_ns), 0);
    }
    assert_true(io_now_ns(rig->io) < start_ns + 5 * NS_PER_S);
    assert_true(io_wall_ms(rig->io) > 0);
}

static void test_wake(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(io_run(rig->io, 0), 0);
    for (int round = 0; round < 5; round++) {
        io_wake(rig->io);
        io_wake(rig->io);
        assert_int_equal(io_run(rig->io, INT64_MAX), 0); /* returns although nothing else happens */
    }
}

static void test_random(void **state)
{
    struct rig *rig = *state;
    uint8_t     bytes[64] = {0};
    uint32_t    zeros = 0;

    io_random(rig->io, span_of(bytes, sizeof(bytes)));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        zeros += bytes[i] == 0 ? 1 : 0;
    }
    assert_true(zeros < 16);
    assert_true(io_random_u64(rig->io) != io_random_u64(rig->io));
}

static void test_cancel_post(void **state)
{
    struct rig  *rig = *state;
    struct probe target = {0};
    struct probe cancel = {0};

    io_post(rig->io, &target.op, probe_done);
    io_cancel(rig->io, &cancel.op, &target.op, probe_done);
    (void)probe_wait(rig, &cancel);
    (void)probe_wait(rig, &target);
    assert_true(target.result == ERR_CANCELED || target.result == 0);
    io_cancel(rig->io, &cancel.op, &target.op, probe_done);
    assert_int_equal(probe_wait(rig, &cancel), ERR_NOT_FOUND);
    assert_int_equal(target.calls, 1);
}

static void test_describe(void **state)
{
    struct rig *rig = *state;
    char        text[600] = "";

    io_describe(rig->io, span_of(text, sizeof(text)));
    assert_true(strlen(text) > 3 && strlen(text) < sizeof(text));
    assert_null(strchr(text, '\n'));
    io_describe(rig->io, span_of(text, 8));
    assert_true(strlen(text) < 8);
}

static void test_lock(void **state)
{
    struct rig *rig = *state;
    char        path[PATH_BYTES + 64];

    (void)snprintf(path, sizeof(path), "%s", rig_path(rig, "lock"));
    assert_int_equal(io_lock(rig->io, path), 0);
    assert_int_equal(io_lock(rig->io, path), ERR_BUSY);
    assert_int_equal(io_lock(rig->io, rig_path(rig, "missing/lock")), ERR_NOT_FOUND);
}

#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

const struct CMUnitTest io_conformance_file_tests[] = {
    RIG_TEST(test_open_errors),
    RIG_TEST(test_write_read),
    RIG_TEST(test_durable_write_and_sync),
    RIG_TEST(test_names),
    RIG_TEST(test_list),
    RIG_TEST(test_allocate_and_punch),
    RIG_TEST(test_volume_and_direct),
    RIG_TEST(test_registered_region),
    RIG_TEST(test_many_at_once),
    RIG_TEST(test_replace_and_load),
    RIG_TEST(test_make_directories),
    RIG_TEST(test_post),
    RIG_TEST(test_post_idle),
    RIG_TEST(test_deadline),
    RIG_TEST(test_wake),
    RIG_TEST(test_random),
    RIG_TEST(test_cancel_post),
    RIG_TEST(test_describe),
    RIG_TEST(test_lock),
};
const size_t io_conformance_file_count = COUNT_OF(io_conformance_file_tests);
