/* limits_ring.c: one ring for one thread, completions in batches when it asks for them, one multishot receive for each
 * connection into a ring of buffers. */
#define _GNU_SOURCE 1
#include "bench/limits/limits_probe.h"

#include <errno.h>
#include <sys/mman.h>

#define RING_ENTRIES 1024

void limits_ring_open(struct limits_ring *ring)
{
    struct io_uring_params  parameters = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
                                          .cq_entries = 4 * RING_ENTRIES};
    struct io_uring_buf_reg registration = {.ring_entries = LIMITS_RECV_COUNT};
    int                     result = io_uring_queue_init_params(RING_ENTRIES, &ring->ring, &parameters);

    if (result != 0) {
        limits_die("no io_uring: %s", strerror(-result));
    }
    (void)io_uring_register_ring_fd(&ring->ring);
    ring->buffers = limits_memory(LIMITS_RECV_COUNT * sizeof(struct io_uring_buf));
    registration.ring_addr = (uint64_t)(uintptr_t)ring->buffers;
    result = io_uring_register_buf_ring(&ring->ring, &registration, 0);
    if (result != 0) {
        limits_die("no ring of buffers: %s", strerror(-result));
    }
    io_uring_buf_ring_init(ring->buffers);
    ring->recv_memory = limits_memory(LIMITS_RECV_COUNT * LIMITS_RECV_BYTES);
    for (int i = 0; i < LIMITS_RECV_COUNT; i++) {
        limits_ring_give(ring, i);
    }
}

void limits_ring_close(struct limits_ring *ring)
{
    io_uring_queue_exit(&ring->ring);
    (void)munmap(ring->buffers, LIMITS_RECV_COUNT * sizeof(struct io_uring_buf));
    (void)munmap(ring->recv_memory, LIMITS_RECV_COUNT * LIMITS_RECV_BYTES);
}

struct io_uring_sqe *limits_ring_sqe(struct limits_ring *ring, enum limits_tag tag, int index)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);

    if (sqe == NULL) {
        (void)io_uring_submit(&ring->ring);
        sqe = io_uring_get_sqe(&ring->ring);
    }
    if (sqe == NULL) {
        limits_die("the ring takes nothing");
    }
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data64(sqe, (uint64_t)tag << 32 | (uint32_t)index);
    return sqe;
}

void limits_ring_recv(struct limits_ring *ring, int socket, int index)
{
    struct io_uring_sqe *sqe = limits_ring_sqe(ring, LIMITS_RECV, index);
    uint64_t             data = sqe->user_data;

    io_uring_prep_recv(sqe, socket, NULL, 0, 0);
    sqe->ioprio |= IORING_RECV_MULTISHOT;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, data);
}

void limits_ring_give(struct limits_ring *ring, int buffer)
{
    io_uring_buf_ring_add(ring->buffers, ring->recv_memory + (size_t)buffer * LIMITS_RECV_BYTES, LIMITS_RECV_BYTES,
                          (unsigned short)buffer, io_uring_buf_ring_mask(LIMITS_RECV_COUNT), 0);
    io_uring_buf_ring_advance(ring->buffers, 1);
}

void limits_ring_wait(struct limits_ring *ring)
{
    struct __kernel_timespec limit = {.tv_sec = 5};
    struct io_uring_cqe     *cqe = NULL;
    int                      result = io_uring_submit_and_wait_timeout(&ring->ring, &cqe, 1, &limit, NULL);

    if (result < 0 && result != -EINTR) {
        limits_die(result == -ETIME ? "nothing happened for 5 s" : "the ring fails: %s", strerror(-result));
    }
}
