#include "tests/unit/sim/sim_rig.h"

static void rig_done(struct io_op *op)
{
    MAYBE(op->result);
}

void rig_open(struct rig *rig, const struct sim_options *options)
{
    *rig = (struct rig){.sim = sim_create(options)};
    rig->io = sim_io(rig->sim, 0, 0);
}

void rig_close(struct rig *rig)
{
    io_destroy(rig->io);
    sim_destroy(rig->sim);
}

void rig_reboot(struct rig *rig)
{
    assert_true(sim_is_down(rig->sim, 0));
    io_destroy(rig->io);
    rig->io = sim_io(rig->sim, 0, 0);
    assert_false(sim_is_down(rig->sim, 0));
}

void rig_crash(struct rig *rig, uint64_t seed, enum sim_crash_style style)
{
    sim_crash(rig->sim, 0, seed, style);
    rig_reboot(rig);
}

int rig_file(struct rig *rig, const char *path, uint32_t flags)
{
    struct io_op op = {0};

    io_open(rig->io, &op, path, flags, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

void rig_end(struct rig *rig, int handle)
{
    struct io_op op = {0};

    io_close(rig->io, &op, (struct io_handle){handle}, rig_done);
    io_wait(rig->io, &op);
    assert_int_equal(op.result, 0);
}

int rig_write(struct rig *rig, int handle, const void *bytes, size_t len, uint64_t offset, uint32_t flags)
{
    struct io_op op = {0};

    io_write(rig->io, &op, (struct io_handle){handle}, view_of(bytes, len), offset, flags, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

int rig_read(struct rig *rig, int handle, void *into, size_t len, uint64_t offset)
{
    struct io_op op = {0};

    io_read(rig->io, &op, (struct io_handle){handle}, span_of(into, len), offset, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

int rig_sync(struct rig *rig, int handle)
{
    struct io_op op = {0};

    io_sync(rig->io, &op, (struct io_handle){handle}, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

int rig_sync_directory(struct rig *rig, const char *path)
{
    int handle = rig_file(rig, path, IO_OPEN_READ | IO_OPEN_DIRECTORY);
    int result;

    assert_true(handle >= 0);
    result = rig_sync(rig, handle);
    rig_end(rig, handle);
    return result;
}

int rig_allocate(struct rig *rig, int handle, uint64_t offset, uint64_t length, uint32_t flags)
{
    struct io_op op = {0};

    io_allocate(rig->io, &op, (struct io_handle){handle}, offset, length, flags, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

int rig_rename(struct rig *rig, const char *from, const char *to)
{
    struct io_op op = {0};

    io_rename(rig->io, &op, from, to, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

int rig_unlink(struct rig *rig, const char *path)
{
    struct io_op op = {0};

    io_unlink(rig->io, &op, path, false, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

int rig_mkdir(struct rig *rig, const char *path)
{
    struct io_op op = {0};

    io_mkdir(rig->io, &op, path, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

int rig_stat(struct rig *rig, const char *path, struct io_stat *out_stat)
{
    struct io_op op = {0};

    io_stat(rig->io, &op, path, out_stat, rig_done);
    io_wait(rig->io, &op);
    return op.result;
}

void rig_durable_file(struct rig *rig, const char *path, uint8_t fill, size_t len)
{
    uint8_t *bytes = mem_alloc(MEM_TEST, len);
    int      handle = rig_file(rig, path, IO_OPEN_WRITE | IO_OPEN_CREATE);

    memset(bytes, fill, len);
    assert_true(handle >= 0);
    assert_int_equal(rig_write(rig, handle, bytes, len, 0, 0), (int)len);
    assert_int_equal(rig_sync(rig, handle), 0);
    rig_end(rig, handle);
    assert_int_equal(rig_sync_directory(rig, "/"), 0);
    mem_free(MEM_TEST, bytes);
}

int rig_peek(struct rig *rig, const char *path, uint64_t offset)
{
    uint8_t byte;

    return sim_disk_peek(rig->sim, 0, path, offset, span_of(&byte, 1)) == 1 ? byte : -1;
}

bool rig_all(struct rig *rig, const char *path, uint64_t offset, size_t len, uint8_t fill)
{
    for (size_t i = 0; i < len; i++) {
        if (rig_peek(rig, path, offset + i) != fill) {
            return false;
        }
    }
    return true;
}
