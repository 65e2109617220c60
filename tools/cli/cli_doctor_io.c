/* cli_doctor_io.c: io_uring, the disk and the port, tried as the broker uses them. */
#include "io/uring/uring.h"
#include "tools/cli/cli_doctor.h"
#include "tools/cli/cli_out.h"

#include <errno.h>
#include <stdlib.h>

#define SCRATCH_NAME        "millrace-doctor.tmp"
#define SCRATCH_BYTES       ((uint64_t)(1 * MIB))
#define SCRATCH_WRITES      64
#define SCRATCH_ALIGN_BYTES ((size_t)(64 * KIB))
#define DISK_US_GOOD        2000
#define DISK_FREE_GOOD      ((uint64_t)(10 * GIB))
#define PORT                9092

static const struct {
    uint32_t    feature;
    const char *name, *since;
} uring_parts[] = {
    {URING_SINGLE_ISSUER, "single_issuer", "6.0"},
    {URING_DEFER_TASKRUN, "defer_taskrun", "6.1"},
    {URING_COOP_TASKRUN, "coop_taskrun", "5.19"},
    {URING_RING_FD, "ring_fd", "5.18"},
    {URING_BUFFER_RING, "buffer_ring", "5.19"},
    {URING_RECV_MULTISHOT, "recv_multishot", "6.0"},
    {URING_ACCEPT_MULTISHOT, "accept_multishot", "5.19"},
    {URING_FIXED_BUFFERS, "fixed_buffers", "5.1"},
    {URING_DSYNC, "dsync", "4.7"},
    {URING_SENDFILE, "sendfile", "2.6"},
    {URING_DIO_STATX, "dio_statx", "6.1"},
    {URING_MIN_WAIT, "min_wait", "6.12"},
};

/* Deferred task work is better than cooperative; the ring has one of the two. */
static uint32_t uring_has(const struct io *io)
{
    uint32_t features = uring_features(io);

    return (features & URING_DEFER_TASKRUN) != 0 ? features | URING_COOP_TASKRUN : features;
}

struct io *doctor_uring(struct doctor *doctor)
{
    const char          *disable = getenv("MILLRACE_URING_DISABLE");
    struct uring_options options = {.disable_features = disable == NULL ? 0 : (uint32_t)strtoul(disable, NULL, 0)};
    struct uring_failure why = {0};
    struct io           *io = NULL;
    bool                 complete = true;

    if (uring_create(&options, &io, &why) < 0) {
        doctor_find(doctor, "io_uring", DOCTOR_BROKEN, "docs/ADMINISTRATION.md", "%s", why.text);
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(uring_parts); i++) {
        if ((uring_has(io) & uring_parts[i].feature) == 0) {
            complete = false;
            doctor_find(doctor, "io_uring", DOCTOR_SLOWER,
                        disable == NULL ? "a newer kernel; if it is newer, a sandbox takes it away"
                                        : "unset MILLRACE_URING_DISABLE",
                        "without %s (Linux %s and later): more system calls for the same", uring_parts[i].name,
                        uring_parts[i].since);
        }
    }
    if (complete) {
        doctor_find(doctor, "io_uring", DOCTOR_GOOD, NULL, "with all features that the broker knows");
    }
    return io;
}

static void step_done(struct io_op *op UNUSED)
{
}

static int compare_times(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

/* Durable writes of one block each, one after the other, into space that was written: as the journal does it. */
static int time_writes(struct io *io, struct io_handle file, struct view block, int64_t out_ns[SCRATCH_WRITES])
{
    struct io_op op = {0};

    for (uint64_t at = 0; at < SCRATCH_BYTES; at += block.len) {
        io_write(io, &op, file, block, at, 0, step_done);
        io_wait(io, &op);
        if (op.result != (int32_t)block.len) {
            return op.result < 0 ? op.result : ERR_NO_SPACE;
        }
    }
    for (uint64_t i = 0; i < SCRATCH_WRITES; i++) {
        int64_t begin_ns = io_clock_ns(io);

        io_write(io, &op, file, block, i * block.len % SCRATCH_BYTES, IO_WRITE_DURABLE, step_done);
        io_wait(io, &op);
        if (op.result != (int32_t)block.len) {
            return op.result < 0 ? op.result : ERR_NO_SPACE;
        }
        out_ns[i] = io_clock_ns(io) - begin_ns;
    }
    qsort(out_ns, SCRATCH_WRITES, sizeof(*out_ns), compare_times);
    return ERR_OK;
}

static int time_disk(struct doctor *doctor, struct io *io, const struct io_volume *volume,
                     int64_t out_ns[SCRATCH_WRITES])
{
    static _Alignas(SCRATCH_ALIGN_BYTES) uint8_t block[SCRATCH_ALIGN_BYTES];
    struct io_op                                 op = {0};
    struct io_handle                             file;
    int                                          result;
    uint32_t                                     flags = IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE;
    const char                                  *path = cli_format(doctor->cli, "%s/" SCRATCH_NAME, doctor->directory);

    io_open(io, &op, path, flags | (volume->direct_align_bytes > 0 ? (uint32_t)IO_OPEN_DIRECT : 0), step_done);
    io_wait(io, &op);
    if (op.result < 0) {
        return op.result;
    }
    file = (struct io_handle){op.result};
    result = time_writes(io, file, view_of(block, MIN((size_t)volume->block_bytes, sizeof(block))), out_ns);
    io_close(io, &op, file, step_done);
    io_wait(io, &op);
    io_unlink(io, &op, path, false, step_done);
    io_wait(io, &op);
    return result;
}

static void find_disk_speed(struct doctor *doctor, struct io *io, const struct io_volume *volume)
{
    int64_t ns[SCRATCH_WRITES];
    int     result = time_disk(doctor, io, volume, ns);
    int64_t middle_us = result < 0 ? 0 : ns[SCRATCH_WRITES / 2] / NS_PER_US;

    if (result < 0) {
        doctor_find(doctor, "disk", DOCTOR_BROKEN, "a directory that this user may write to, with space left",
                    "%s: cannot be written: %s", doctor->directory, err_text(result));
        return;
    }
    doctor_find(doctor, "disk", middle_us <= DISK_US_GOOD ? DOCTOR_GOOD : DOCTOR_SLOWER,
                middle_us <= DISK_US_GOOD ? NULL : "a disk with a write cache that outlives power, or NVMe",
                "a durable write takes %" PRId64 " us (slowest of %d: %" PRId64 " us): no acknowledgement is faster",
                middle_us, SCRATCH_WRITES, ns[SCRATCH_WRITES - 1] / NS_PER_US);
}

bool doctor_storage(struct doctor *doctor, struct io *io)
{
    struct io_volume volume = {0};
    uint32_t         broken = doctor->counts[DOCTOR_BROKEN];
    char             room[CLI_VALUE_BYTES];
    int              result = io_volume_probe(io, doctor->directory, &volume);

    if (result < 0) {
        doctor_find(doctor, "storage", DOCTOR_BROKEN, "a directory that is there and that this user may write to",
                    "%s: %s", doctor->directory, err_text(result));
        return false;
    }
    if (volume.volatile_memory_fs) {
        doctor_find(doctor, "storage", DOCTOR_SLOWER, "a directory on a disk (log.dirs)",
                    "%s is %s: NOT DURABLE, a power cut takes everything", doctor->directory, volume.type_name);
    } else if (volume.direct_align_bytes == 0) {
        doctor_find(doctor, "storage", DOCTOR_SLOWER, "ext4 or xfs on a block device",
                    "%s is %s, without direct I/O: data passes the page cache", doctor->directory, volume.type_name);
    } else {
        doctor_find(doctor, "storage", DOCTOR_GOOD, NULL, "%s is %s: direct writes, %u-byte blocks%s",
                    doctor->directory, volume.type_name, volume.block_bytes,
                    volume.durable_writes ? ", durable by themselves" : ", a flush behind each");
    }
    cli_format_bytes((int64_t)volume.free_bytes, room);
    doctor_find(doctor, "space", volume.free_bytes >= DISK_FREE_GOOD ? DOCTOR_GOOD : DOCTOR_LIMITED,
                volume.free_bytes >= DISK_FREE_GOOD ? NULL : "a larger disk, or retention.bytes per topic", "%s free",
                room);
    find_disk_speed(doctor, io, &volume);
    return doctor->counts[DOCTOR_BROKEN] == broken;
}

void doctor_port(struct doctor *doctor, struct io *io)
{
    struct io_address address;
    struct io_handle  listener;
    int               result = ERR_INVALID;

    if (io_address_parse(view_text("127.0.0.1"), PORT, &address)) {
        result = io_listen(io, &address, 1, &listener);
    }
    if (result < 0) {
        doctor_find(doctor, "port", DOCTOR_LIMITED,
                    "nothing, if a broker runs; else millrace start --set listeners=PLAINTEXT://127.0.0.1:19092",
                    "127.0.0.1:%d cannot be had: %s", PORT, err_text(result));
    } else {
        doctor_find(doctor, "port", DOCTOR_GOOD, NULL, "127.0.0.1:%d is free", PORT);
    }
}
