/* limits_disk.c: writes or reads of one size, one after the other in the file, `depth` of them in flight. */
#define _GNU_SOURCE 1
#include "bench/limits/limits_probe.h"

#include <sys/mman.h>
#include <sys/uio.h>

struct disk_write {
    int64_t  since_ns;
    uint64_t offset;
    bool     busy;
};

struct disk {
    struct limits_ring  ring;
    struct limits_file *file;
    uint8_t            *memory; /* `depth` times `bytes` */
    size_t              bytes;
    bool                durable, reads;
    uint64_t            count; /* of writes, the first eight bytes of each */
    struct disk_write   writes[LIMITS_DEPTH_MAX];
};

/* False when a fresh file is used up. */
static bool disk_start(struct disk *disk, int index)
{
    struct disk_write   *write = &disk->writes[index];
    struct io_uring_sqe *sqe;
    uint8_t             *memory = disk->memory + (size_t)index * disk->bytes;
    uint64_t             data;

    if (!limits_file_take(disk->file, disk->bytes, &write->offset)) {
        return false;
    }
    disk->count++;
    sqe = limits_ring_sqe(&disk->ring, LIMITS_WRITE, index);
    data = sqe->user_data;
    if (disk->reads) {
        io_uring_prep_read_fixed(sqe, disk->file->fd, memory, (unsigned)disk->bytes, write->offset, 0);
    } else {
        memcpy(memory, &disk->count, sizeof(disk->count));
        io_uring_prep_write_fixed(sqe, disk->file->fd, memory, (unsigned)disk->bytes, write->offset, 0);
        sqe->rw_flags = disk->durable ? RWF_DSYNC : 0;
    }
    io_uring_sqe_set_data64(sqe, data);
    write->since_ns = limits_now_ns();
    write->busy = true;
    return true;
}

static void disk_reap(struct disk *disk, struct limits_result *result, bool measuring)
{
    struct io_uring_cqe *cqe;
    unsigned             head, count = 0;

    io_uring_for_each_cqe(&disk->ring.ring, head, cqe)
    {
        struct disk_write *write = &disk->writes[limits_index_of(cqe)];

        if (cqe->res != (int)disk->bytes) {
            limits_die("a %s ended with %d", disk->reads ? "read" : "write", cqe->res);
        }
        write->busy = false;
        if (measuring) {
            cli_histogram_add(&result->latency, limits_now_ns() - write->since_ns);
            result->requests++;
        }
        count++;
    }
    io_uring_cq_advance(&disk->ring.ring, count);
}

static int disk_busy(const struct disk *disk, int depth)
{
    int busy = 0;

    for (int i = 0; i < depth; i++) {
        busy += disk->writes[i].busy;
    }
    return busy;
}

void limits_disk(const struct limits_options *options, size_t bytes, int depth, struct limits_file *file,
                 struct limits_result *out_result)
{
    struct disk  disk = {.file = file, .bytes = bytes, .durable = options->durable, .reads = options->reads};
    int64_t      begin_ns = limits_now_ns() + (int64_t)(options->warm_s * 1e9);
    int64_t      end_ns = INT64_MAX;
    bool         measuring = false, more = true;
    struct iovec memory;

    limits_ring_open(&disk.ring);
    disk.memory = limits_noise(bytes * (size_t)depth);
    memory = (struct iovec){disk.memory, bytes * (size_t)depth};
    if (io_uring_register_buffers(&disk.ring.ring, &memory, 1) != 0) {
        limits_die("%zu bytes cannot be registered: see ulimit -l", memory.iov_len);
    }
    while (more || disk_busy(&disk, depth) > 0) {
        int64_t now_ns = limits_now_ns();

        if (!measuring && now_ns >= begin_ns) {
            measuring = true;
            end_ns = now_ns + (int64_t)(options->seconds * 1e9);
            limits_moment(&out_result->begin, 0);
        }
        for (int i = 0; i < depth && more; i++) {
            more = disk.writes[i].busy || (now_ns < end_ns && disk_start(&disk, i));
        }
        if (disk_busy(&disk, depth) > 0) {
            limits_ring_wait(&disk.ring);
            disk_reap(&disk, out_result, measuring);
        }
    }
    if (!measuring || out_result->requests == 0) {
        limits_die("the file was full before the warm-up was over: larger --file-size or shorter --warm");
    }
    limits_moment(&out_result->end, 0);
    out_result->writes = out_result->requests;
    out_result->device_bytes = out_result->requests * bytes;
    for (int i = 0; i < depth; i++) {
        limits_file_check(file, disk.memory + (size_t)i * bytes, bytes, disk.writes[i].offset);
    }
    (void)munmap(disk.memory, bytes * (size_t)depth);
    limits_ring_close(&disk.ring);
}
