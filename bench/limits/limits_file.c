/* limits_file.c: the file that is written. A fresh one has its blocks (fallocate) and its size, but nothing has ever
 * been written there: the file system marks each part as written with the first write. A recycled one has been. */
#define _GNU_SOURCE 1
#include "bench/limits/limits_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void file_fill(struct limits_file *file)
{
    uint8_t *noise = limits_noise(LIMITS_WRITE_BYTES);

    for (size_t at = 0; at < file->bytes; at += LIMITS_WRITE_BYTES) {
        if (pwrite(file->fd, noise, LIMITS_WRITE_BYTES, (off_t)at) != (ssize_t)LIMITS_WRITE_BYTES) {
            limits_die("cannot write %s: %s", file->path, strerror(errno));
        }
    }
    if (fsync(file->fd) != 0) {
        limits_die("cannot sync %s: %s", file->path, strerror(errno));
    }
}

void limits_file_open(struct limits_file *file, const struct limits_options *options, bool recycled)
{
    file->recycled = recycled;
    file->bytes = (size_t)align_up(options->file_bytes, LIMITS_WRITE_BYTES);
    file->at = 0;
    (void)snprintf(file->path, sizeof(file->path), "%s/limits-XXXXXX", options->folder);
    file->fd = mkostemp(file->path, O_DIRECT | O_CLOEXEC);
    if (file->fd < 0) {
        limits_die("cannot make a file for direct I/O in %s: %s", options->folder, strerror(errno));
    }
    (void)unlink(file->path); /* it is gone with us */
    if (fallocate(file->fd, 0, 0, (off_t)file->bytes) != 0 || fsync(file->fd) != 0) {
        limits_die("no %zu bytes in %s: %s", file->bytes, options->folder, strerror(errno));
    }
    if (recycled) {
        file_fill(file);
    }
}

void limits_file_close(struct limits_file *file)
{
    (void)close(file->fd);
}

bool limits_file_take(struct limits_file *file, size_t bytes, uint64_t *out_offset)
{
    if (file->at + bytes > file->bytes) {
        if (!file->recycled) {
            return false;
        }
        file->at = 0;
    }
    *out_offset = file->at;
    file->at += bytes;
    return true;
}

void limits_file_check(struct limits_file *file, const uint8_t *bytes, size_t len, uint64_t offset)
{
    uint8_t *there = aligned_alloc(LIMITS_BLOCK_BYTES, len);

    if (there == NULL || pread(file->fd, there, len, (off_t)offset) != (ssize_t)len) {
        limits_die("cannot read back: %s", strerror(errno));
    }
    if (memcmp(there, bytes, len) != 0) {
        limits_die("what was written at %llu is not what stands there", (unsigned long long)offset);
    }
    free(there);
}
