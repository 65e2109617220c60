/* What the file system under a directory can do, proved by doing it on a scratch file that has no name. */
#define _GNU_SOURCE 1

#include "io/uring/uring_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define URING_STATX_DIOALIGN  0x2000U /* since Linux 6.1 */
#define URING_PROBE_BYTES     ((size_t)(64 * KIB))
#define URING_ALIGN_BYTES_MIN 512U
#define URING_ALIGN_BYTES_MAX ((uint32_t)(64 * KIB))

static const struct {
    uint32_t    magic;
    bool        volatile_memory;
    const char *name;
} uring_file_systems[] = {
    {0xef53, false, "ext4"},     {0x58465342, false, "xfs"},      {0x9123683e, false, "btrfs"},
    {0x01021994, true, "tmpfs"}, {0x858458f6, true, "ramfs"},     {0x794c7630, false, "overlayfs"},
    {0x6969, false, "nfs"},      {0x2fc12fc1, false, "zfs"},      {0xf2f52010, false, "f2fs"},
    {0x65735546, false, "fuse"}, {0xca451a4e, false, "bcachefs"}, {0x01021997, false, "9p"},
    {0xff534d42, false, "cifs"}, {0xfe534d42, false, "smb2"},     {0x2011bab0, false, "exfat"},
};

int uring__volume_free(struct io *io UNUSED, const char *path, uint64_t *out_free_bytes, uint64_t *out_total_bytes)
{
    struct statfs found = {0};

    if (statfs(path, &found) != 0) {
        return err_from_errno(errno);
    }
    *out_free_bytes = (uint64_t)found.f_bavail * (uint64_t)found.f_bsize;
    *out_total_bytes = (uint64_t)found.f_blocks * (uint64_t)found.f_bsize;
    return 0;
}

/* Physical block size of the device, from sysfs; 0 when it is not a block device. Partitions have their queue one level
 * up. */
static uint32_t uring_physical_block_bytes(const char *path)
{
    struct stat found;
    uint32_t    bytes = 0;

    if (stat(path, &found) != 0) {
        return 0;
    }
    for (int level = 0; level < 2 && bytes == 0; level++) {
        char    name[96];
        char    text[16] = "";
        int     fd;
        ssize_t got;

        (void)snprintf(name, sizeof(name), "/sys/dev/block/%u:%u%s/queue/physical_block_size", major(found.st_dev),
                       minor(found.st_dev), level == 0 ? "" : "/..");
        fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        got = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
        for (ssize_t at = 0; at < got && text[at] >= '0' && text[at] <= '9'; at++) {
            bytes = bytes * 10 + (uint32_t)(text[at] - '0');
        }
    }
    return is_power_of_two(bytes) && bytes <= URING_ALIGN_BYTES_MAX ? bytes : 0;
}

/* A file in `path` that vanishes with its descriptor. -1 with errno. */
static int uring_scratch_open(const char *path, int extra_flags)
{
    char name[IO_PATH_BYTES_MAX + 32];
    int  fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC | extra_flags, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) {
        return fd;
    }
    (void)snprintf(name, sizeof(name), "%s/.probe-%ld", path, (long)getpid());
    fd = open(name, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC | extra_flags, 0600);
    if (fd >= 0) {
        (void)unlink(name);
    }
    return fd;
}

/* Writes `bytes` at `offset` with `flags` and reads them back; true when it worked and compares. */
static bool uring_round_trip(int fd, uint8_t *memory, size_t bytes, uint64_t offset, int flags)
{
    struct iovec out = {.iov_base = memory, .iov_len = bytes};
    uint8_t      seed = (uint8_t)(bytes / URING_ALIGN_BYTES_MIN * 37 + 1);

    for (size_t i = 0; i < bytes; i++) {
        memory[i] = (uint8_t)(seed + i * 31);
    }
    if (pwritev2(fd, &out, 1, (off_t)offset, flags) != (ssize_t)bytes) {
        return false;
    }
    memset(memory, 0, bytes);
    if (pread(fd, memory, bytes, (off_t)offset) != (ssize_t)bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (memory[i] != (uint8_t)(seed + i * 31)) {
            return false;
        }
    }
    return true;
}

/* What the kernel says; 0 when it says nothing. */
static uint32_t uring_stated_align(const struct uring *uring, int fd)
{
    struct statx found = {0};
    uint32_t     align;

    if (!uring__has(uring, URING_DIO_STATX) || statx(fd, "", AT_EMPTY_PATH, URING_STATX_DIOALIGN, &found) != 0 ||
        (found.stx_mask & URING_STATX_DIOALIGN) == 0) {
        return 0;
    }
    align = MAX(found.stx_dio_mem_align, found.stx_dio_offset_align);
    return is_power_of_two(align) && align <= URING_ALIGN_BYTES_MAX ? MAX(align, URING_ALIGN_BYTES_MIN) : 0;
}

/* The smallest alignment with which direct I/O was done and read back; 0 = none. Memory, offset and length are each as
 * little aligned as the candidate allows, so that a too small candidate fails. */
static uint32_t uring_proved_align(const struct uring *uring, const char *path, uint8_t *memory)
{
    int      fd = uring_scratch_open(path, O_DIRECT);
    uint32_t proved = 0;

    if (fd < 0) {
        return 0;
    }
    for (uint32_t align = MAX(uring_stated_align(uring, fd), URING_ALIGN_BYTES_MIN); align <= URING_ALIGN_BYTES_MAX / 4;
         align *= 2) {
        if (uring_round_trip(fd, memory + align, align, align, 0)) {
            proved = align;
            break;
        }
    }
    (void)close(fd);
    return proved;
}

/* A durable write in the form the store will use. */
static bool uring_durable_works(const struct uring *uring, const char *path, uint8_t *memory, uint32_t align)
{
    int  fd = uring_scratch_open(path, align != 0 ? O_DIRECT : 0);
    bool works;

    if (fd < 0) {
        return false;
    }
    works = uring__has(uring, URING_DSYNC) && uring_round_trip(fd, memory, 16 * KIB, 0, RWF_DSYNC);
    works = works || (uring_round_trip(fd, memory, 16 * KIB, 0, 0) && fdatasync(fd) == 0);
    (void)close(fd);
    return works;
}

int uring__volume_probe(struct io *io, const char *path, struct io_volume *out_volume)
{
    struct uring    *uring = uring__of(io);
    struct statfs    found = {0};
    struct io_volume volume = {0};
    uint8_t         *memory;
    uint32_t         block_bytes;
    int              scratch;

    if (statfs(path, &found) != 0) {
        return err_from_errno(errno);
    }
    scratch = uring_scratch_open(path, 0);
    if (scratch < 0) {
        return err_from_errno(
            errno); /* read-only, full of inodes, forbidden: better known now than at the first append */
    }
    (void)close(scratch);
    volume.free_bytes = (uint64_t)found.f_bavail * (uint64_t)found.f_bsize;
    volume.total_bytes = (uint64_t)found.f_blocks * (uint64_t)found.f_bsize;
    (void)snprintf(volume.type_name, sizeof(volume.type_name), "0x%x", (unsigned)found.f_type);
    for (size_t i = 0; i < COUNT_OF(uring_file_systems); i++) {
        if ((uint32_t)found.f_type == uring_file_systems[i].magic) {
            (void)snprintf(volume.type_name, sizeof(volume.type_name), "%s", uring_file_systems[i].name);
            volume.volatile_memory_fs = uring_file_systems[i].volatile_memory;
        }
    }
    memory = mem_alloc_aligned(MEM_IO, URING_PROBE_BYTES, URING_PROBE_BYTES);
    volume.direct_align_bytes = uring_proved_align(uring, path, memory);
    volume.durable_writes = uring_durable_works(uring, path, memory, volume.direct_align_bytes);
    mem_free(MEM_IO, memory);
    block_bytes = (uint32_t)MIN((uint64_t)found.f_bsize, (uint64_t)URING_ALIGN_BYTES_MAX);
    block_bytes = is_power_of_two(block_bytes) ? block_bytes : 4096;
    volume.block_bytes =
        MAX(MAX(block_bytes, uring_physical_block_bytes(path)), MAX(volume.direct_align_bytes, URING_ALIGN_BYTES_MIN));
    *out_volume = volume;
    return 0;
}
