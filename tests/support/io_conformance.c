/* The suite's frame: the rig each test works in, and helpers. */
#include "tests/support/io_conformance_internal.h"

#include <stdio.h>

#define PATH_SLOTS        8
#define PATIENCE_TURNS    20000
#define PATIENCE_SLEEP_NS (20 * NS_PER_MS)

static const struct io_conformance *conformance_target;
static uint32_t                     conformance_directory_count;

static void make_done(struct io_file_op *op UNUSED)
{
}

int rig_setup(void **state)
{
    struct rig       *rig = mem_alloc(MEM_TEST, sizeof(*rig));
    struct io_file_op op = {0};

    *state = NULL;
    rig->io = conformance_target->make();
    if (rig->io == NULL) {
        mem_free(MEM_TEST, rig);
        return -1;
    }
    (void)snprintf(rig->directory, sizeof(rig->directory), "%s/c%u", conformance_target->directory,
                   conformance_directory_count++);
    io_file_make_directories(rig->io, &op, rig->directory, make_done);
    *state = rig;
    return io_file_wait(rig->io, &op);
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;

    if (rig == NULL) {
        return -1; /* the set-up failed */
    }
    assert_int_equal(rig->io->in_flight, 0);
    assert_int_equal(rig->io->submitted_count, rig->io->completed_count);
    if (conformance_target->finish != NULL) {
        conformance_target->finish(rig->io);
    } else {
        io_destroy(rig->io);
    }
    mem_free(MEM_TEST, rig);
    return 0;
}

void probe_done(struct io_op *op)
{
    struct probe *probe = CONTAINER_OF(op, struct probe, op);

    assert_int_equal(op->more, !io_op_idle(op));
    probe->calls++;
    probe->result = op->result;
    probe->received += op->result > 0 ? (uint64_t)op->result : 0;
    if (probe->inside_calls != NULL) {
        (*probe->inside_calls)++;
    }
}

int32_t probe_wait(struct rig *rig, struct probe *probe)
{
    io_wait(rig->io, &probe->op);
    return probe->result;
}

const char *rig_path(struct rig *rig, const char *name)
{
    static char     slots[PATH_SLOTS][PATH_BYTES + 64];
    static uint32_t next;
    char           *slot = slots[next++ % PATH_SLOTS];

    (void)snprintf(slot, sizeof(slots[0]), "%s/%s", rig->directory, name);
    return slot;
}

struct io_handle rig_open(struct rig *rig, const char *name, uint32_t flags)
{
    struct probe open = {0};

    io_open(rig->io, &open.op, rig_path(rig, name), flags, probe_done);
    assert_true(probe_wait(rig, &open) >= 0);
    return (struct io_handle){open.result};
}

void rig_close(struct rig *rig, struct io_handle handle)
{
    struct probe close = {0};

    io_close(rig->io, &close.op, handle, probe_done);
    assert_int_equal(probe_wait(rig, &close), 0);
}

int32_t rig_write_all(struct rig *rig, struct io_handle file, const void *bytes, size_t len, uint64_t offset)
{
    struct io_file_op op = {0};

    io_file_write_all(rig->io, &op, file, view_of(bytes, len), offset, 0, make_done);
    return io_file_wait(rig->io, &op);
}

int32_t rig_read_full(struct rig *rig, struct io_handle file, void *into, size_t len, uint64_t offset)
{
    struct io_file_op op = {0};

    io_file_read_full(rig->io, &op, file, span_of(into, len), offset, make_done);
    return io_file_wait(rig->io, &op);
}

void rig_create(struct rig *rig, const char *name, const void *bytes, size_t len)
{
    struct io_handle file = rig_open(rig, name, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE);

    if (len > 0) {
        assert_int_equal(rig_write_all(rig, file, bytes, len, 0), 0);
    }
    rig_close(rig, file);
}

void rig_run_until(struct rig *rig, const uint64_t *counter, uint64_t wanted)
{
    uint64_t seen = *counter;
    uint32_t patience = PATIENCE_TURNS;

    while (*counter < wanted) {
        assert_true(io_run(rig->io, io_now_ns(rig->io) + PATIENCE_SLEEP_NS) >= 0);
        patience = *counter == seen ? patience - 1 : PATIENCE_TURNS;
        seen = *counter;
        assert_true(patience > 0);
    }
}

static uint8_t pattern_at(uint64_t position, uint64_t seed)
{
    uint64_t mixed = (position + seed * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);

    return (uint8_t)(mixed >> 40);
}

void pattern_fill(void *base, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)base)[i] = pattern_at(i, seed);
    }
}

bool pattern_check(const void *base, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        if (((const uint8_t *)base)[i] != pattern_at(i, seed)) {
            return false;
        }
    }
    return true;
}

int io_conformance_run(const struct io_conformance *target)
{
    int failed;

    conformance_target = target;
    print_message("conformance of %s\n", target->name);
    failed = _cmocka_run_group_tests("files", io_conformance_file_tests, io_conformance_file_count, NULL, NULL);
    failed += _cmocka_run_group_tests("network", io_conformance_net_tests, io_conformance_net_count, NULL, NULL);
    return failed;
}
