/* Memory the kernel fills by itself (the ring of receive buffers) and memory registered for fixed reads and writes.
 *
 * A receive buffer belongs to the kernel but for the time of one callback. Three ways to receive, best first: one
 * multishot submission; one submission per message that still lets the kernel pick the buffer; poll, then a plain
 * receive into the scratch buffer. In all three an idle connection holds no memory. */
#define _GNU_SOURCE 1

#include "io/uring/uring_internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum uring_recv_stage {
    RECV_MULTISHOT,
    RECV_SINGLE, /* kernel picks the buffer; we submit again after each */
    RECV_POLLED,
};

static void uring_buffer_give(struct uring *uring, uint32_t index)
{
    uint8_t *base = uring->recv_buffers + (size_t)index * uring->recv_buffer_bytes;

    io_uring_buf_ring_add(uring->buffer_ring, base, uring->recv_buffer_bytes, (unsigned short)index,
                          io_uring_buf_ring_mask(uring->recv_buffer_count), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

static bool uring_buffer_ring_create(struct uring *uring)
{
    struct io_uring_buf_reg registration = {.ring_entries = uring->recv_buffer_count, .bgid = URING_BUFFER_GROUP};
    size_t                  page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (size_t)align_up(uring->recv_buffer_count * sizeof(struct io_uring_buf), page_bytes);
    void  *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        return false;
    }
    registration.ring_addr = (uint64_t)(uintptr_t)memory;
    if (io_uring_register_buf_ring(&uring->ring, &registration, 0) != 0) {
        (void)munmap(memory, bytes);
        return false;
    }
    uring->buffer_ring = memory;
    uring->buffer_ring_bytes = bytes;
    io_uring_buf_ring_init(uring->buffer_ring);
    return true;
}

void uring__buffers_init(struct uring *uring)
{
    uring->scratch = mem_alloc(MEM_IO, MAX(URING_SCRATCH_BYTES, (size_t)uring->recv_buffer_bytes));
    if (uring__has(uring, URING_BUFFER_RING) && !uring_buffer_ring_create(uring)) {
        uring->features &= ~(uint32_t)URING_BUFFER_RING;
    }
    if (!uring__has(uring, URING_BUFFER_RING)) {
        uring->features &= ~(uint32_t)URING_RECV_MULTISHOT;
        return;
    }
    uring->recv_buffers = mem_alloc_aligned(MEM_IO, (size_t)uring->recv_buffer_count * uring->recv_buffer_bytes, 4096);
    for (uint32_t i = 0; i < uring->recv_buffer_count; i++) {
        uring_buffer_give(uring, i);
    }
}

/* Before the ring goes: nothing may be in flight any more. */
void uring__buffers_deinit(struct uring *uring)
{
    if (uring->buffer_ring != NULL) {
        (void)io_uring_unregister_buf_ring(&uring->ring, URING_BUFFER_GROUP);
        (void)munmap(uring->buffer_ring, uring->buffer_ring_bytes);
    }
    mem_free(MEM_IO, uring->recv_buffers);
    mem_free(MEM_IO, uring->scratch);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static enum uring_recv_stage uring_recv_stage_best(const struct uring *uring)
{
    if (!uring__has(uring, URING_BUFFER_RING)) {
        return RECV_POLLED;
    }
    return uring__has(uring, URING_RECV_MULTISHOT) ? RECV_MULTISHOT : RECV_SINGLE;
}

void uring__recv_multi_begin(struct uring *uring, struct io_op *op)
{
    uring__set_stage(op, uring_recv_stage_best(uring));
    uring__start(uring, op);
}

void uring__recv_multi_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    int fd = uring__handle(uring, op->handle)->fd;

    switch ((enum uring_recv_stage)uring__stage(op)) {
    case RECV_MULTISHOT:
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
        break;
    case RECV_SINGLE:
        io_uring_prep_recv(sqe, fd, NULL, uring->recv_buffer_bytes, 0);
        break;
    case RECV_POLLED:
        io_uring_prep_poll_add(sqe, fd, POLLIN);
        return;
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
}

static void uring_recv_end(struct uring *uring, struct io_op *op, int32_t result)
{
    op->received = (struct span){0};
    if (result == 0 && uring__handle(uring, op->handle)->closing) {
        result = -ECONNABORTED;
    }
    uring__finish(uring, op, uring__result(op, result));
}

void uring__recv_give(struct io *io, struct span received)
{
    struct uring *uring = uring__of(io);
    size_t        at = (size_t)(received.base - uring->recv_buffers);

    CHECK(uring->recv_buffers_kept > 0 && at % uring->recv_buffer_bytes == 0);
    uring->recv_buffers_kept--;
    uring_buffer_give(uring, (uint32_t)(at / uring->recv_buffer_bytes));
}

static void uring_recv_polled(struct uring *uring, struct io_op *op, int32_t result)
{
    int     fd = uring__handle(uring, op->handle)->fd;
    ssize_t got;

    if (result < 0) {
        uring_recv_end(uring, op, result);
        return;
    }
    got = recv(fd, uring->scratch, uring->recv_buffer_bytes, MSG_DONTWAIT);
    if (got > 0) {
        op->received = span_of(uring->scratch, (size_t)got);
        uring__callback_more(uring, op, (int32_t)got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        uring_recv_end(uring, op, got == 0 ? 0 : -errno);
        return;
    }
    op->received = (struct span){0};
    uring__restart(uring, op);
}

void uring__recv_multi_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags)
{
    enum uring_recv_stage stage = (enum uring_recv_stage)uring__stage(op);
    bool                  has_buffer = (flags & IORING_CQE_F_BUFFER) != 0;
    uint32_t              index = flags >> IORING_CQE_BUFFER_SHIFT;

    if (stage == RECV_POLLED) {
        uring_recv_polled(uring, op, result);
        return;
    }
    CHECK(IMPLIES(has_buffer, index < uring->recv_buffer_count));
    if (result > 0) {
        CHECK(has_buffer && (uint32_t)result <= uring->recv_buffer_bytes);
        op->received = span_of(uring->recv_buffers + (size_t)index * uring->recv_buffer_bytes, (size_t)result);
        op->received_keepable = uring->recv_buffers_kept < uring->recv_buffer_count / 2;
        uring->io.received_kept = false;
        if ((flags & IORING_CQE_F_MORE) != 0) {
            uring__callback_more(uring, op, result);
        } else if (stage == RECV_SINGLE) {
            uring__callback_more(uring, op, result);
            uring__restart(uring, op);
        } else {
            uring__finish(uring, op, result);
        }
        if (uring->io.received_kept) {
            uring->recv_buffers_kept++;
        } else {
            uring_buffer_give(uring, index);
        }
        return;
    }
    if (has_buffer) {
        uring_buffer_give(uring, index);
    }
    if (result == -EINVAL && stage == RECV_MULTISHOT) {
        /* The probe was too optimistic: from here on without. */
        uring->features &= ~(uint32_t)URING_RECV_MULTISHOT;
        uring__set_stage(op, RECV_SINGLE);
        uring__restart(uring, op);
        return;
    }
    uring_recv_end(uring, op, result);
}

/* --- registered memory -------------------------------------------------------------------------------------------- */

int uring__register_region(struct io *io, struct span region)
{
    struct uring *uring = uring__of(io);
    struct iovec  pieces[URING_FIXED_MAX];
    size_t        count = div_ceil_u64(region.len, URING_FIXED_BYTES_MAX);
    int           result;

    if (!uring__has(uring, URING_FIXED_BUFFERS)) {
        return ERR_UNSUPPORTED;
    }
    if (uring->fixed.base != NULL || count > URING_FIXED_MAX) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = i * URING_FIXED_BYTES_MAX;

        pieces[i] =
            (struct iovec){.iov_base = region.base + at, .iov_len = MIN(region.len - at, URING_FIXED_BYTES_MAX)};
    }
    result = io_uring_register_buffers(&uring->ring, pieces, (unsigned)count);
    if (result < 0) {
        uring->features &= ~(uint32_t)URING_FIXED_BUFFERS;
        return err_from_errno(-result);
    }
    uring->fixed = region;
    return 0;
}

int uring__fixed_index(const struct uring *uring, const uint8_t *base, size_t len)
{
    uintptr_t start = (uintptr_t)base - (uintptr_t)uring->fixed.base;

    if (uring->fixed.base == NULL || (uintptr_t)base < (uintptr_t)uring->fixed.base || start >= uring->fixed.len ||
        len > uring->fixed.len - start) {
        return -1;
    }
    if (start / URING_FIXED_BYTES_MAX != (start + len - 1) / URING_FIXED_BYTES_MAX) {
        return -1;
    }
    return (int)(start / URING_FIXED_BYTES_MAX);
}
