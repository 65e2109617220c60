/* Handles: the table between the ids users see and descriptors, and the two-step close of a socket.
 *
 * An id is (generation << 20 | index): closing bumps the generation, so that an id used after close fails a CHECK
 * instead of reaching whatever connection got the descriptor next. A socket that still has operations in flight is shut
 * down and what is in flight on it canceled; the descriptor is closed when the last of them has called back. */
#define _GNU_SOURCE 1

#include "io/uring/uring_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define URING_INDEX_BITS      20
#define URING_INDEX_MASK      ((UINT32_C(1) << URING_INDEX_BITS) - 1)
#define URING_GENERATION_MASK ((UINT32_C(1) << (31 - URING_INDEX_BITS)) - 1)

enum uring_close_stage {
    CLOSE_DIRECT,  /* nothing in flight: close */
    CLOSE_CANCEL,  /* cancel what is in flight */
    CLOSE_WAITING, /* until ops_in_flight is 0 */
};

static void uring_handles_grow(struct uring *uring)
{
    uint32_t old_count = uring->handle_count;
    uint32_t count = MAX(old_count * 2, 64U);

    uring->handles = mem_realloc(MEM_IO, uring->handles, count * sizeof(*uring->handles));
    for (uint32_t i = old_count; i < count; i++) {
        uring->handles[i] = (struct uring_handle){.fd = -1, .next_free = i + 1 < count ? i + 1 : UINT32_MAX};
    }
    uring->handle_free = old_count;
    uring->handle_count = count;
}

/* The id, or ERR_; on failure the descriptor is closed. */
int uring__handle_add(struct uring *uring, int fd, bool is_socket, bool is_directory)
{
    struct uring_handle *handle;
    uint32_t             index;

    if (uring->handle_free == UINT32_MAX) {
        if (uring->handle_count > URING_INDEX_MASK / 2) {
            (void)close(fd);
            return ERR_DESCRIPTORS;
        }
        uring_handles_grow(uring);
    }
    index = uring->handle_free;
    handle = &uring->handles[index];
    uring->handle_free = handle->next_free;
    *handle = (struct uring_handle){
        .fd = fd, .generation = handle->generation, .is_socket = is_socket, .is_directory = is_directory};
    return (int)((handle->generation & URING_GENERATION_MASK) << URING_INDEX_BITS | index);
}

struct uring_handle *uring__handle_try(struct uring *uring, struct io_handle handle)
{
    uint32_t index = (uint32_t)handle.id & URING_INDEX_MASK;
    uint32_t generation = (uint32_t)handle.id >> URING_INDEX_BITS;

    if (handle.id < 0 || index >= uring->handle_count || uring->handles[index].fd < 0 ||
        (uring->handles[index].generation & URING_GENERATION_MASK) != generation) {
        return NULL;
    }
    return &uring->handles[index];
}

struct uring_handle *uring__handle(struct uring *uring, struct io_handle handle)
{
    struct uring_handle *found = uring__handle_try(uring, handle);

    CHECK(found != NULL);
    return found;
}

void uring__handle_remove(struct uring *uring, struct io_handle handle)
{
    struct uring_handle *found = uring__handle(uring, handle);

    found->fd = -1;
    found->generation++;
    found->next_free = uring->handle_free;
    uring->handle_free = (uint32_t)handle.id & URING_INDEX_MASK;
}

void uring__handle_op_leaves(struct uring *uring, struct io_handle handle)
{
    struct uring_handle *found;

    if (!io_handle_valid(handle)) {
        return;
    }
    found = uring__handle(uring, handle); /* cannot be stale: a close waits for this op */
    CHECK(found->ops_in_flight > 0);
    found->ops_in_flight--;
}

void uring__handle_op_left(struct uring *uring, struct io_handle handle)
{
    struct uring_handle *found = uring__handle_try(uring, handle);
    struct io_op        *closer = found != NULL ? found->closer : NULL;

    if (closer != NULL && found->ops_in_flight == 0 && uring__stage(closer) == CLOSE_WAITING) {
        uring__set_stage(closer, CLOSE_DIRECT);
        uring__start(uring, closer);
    }
}

void uring__close_begin(struct uring *uring, struct io_op *op)
{
    struct uring_handle *handle = uring__handle(uring, op->handle);

    CHECK(!handle->closing);
    CHECK(IMPLIES(!handle->is_socket, handle->ops_in_flight == 0));
    handle->closing = true;
    if (handle->ops_in_flight > 0) {
        handle->closer = op;
        (void)shutdown(handle->fd, SHUT_RDWR);
        uring__set_stage(op, CLOSE_CANCEL);
    }
    uring__start(uring, op);
}

void uring__close_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    const struct uring_handle *handle = uring__handle(uring, op->handle);

    if (uring__stage(op) == CLOSE_CANCEL) {
        io_uring_prep_cancel_fd(sqe, handle->fd, IORING_ASYNC_CANCEL_ALL);
        return;
    }
    CHECK(handle->ops_in_flight == 0);
    io_uring_prep_close(sqe, handle->fd);
    if (!handle->is_socket) {
        /* The last reference to an unlinked file frees its blocks, which may take long: not on the loop's thread. */
        sqe->flags |= IOSQE_ASYNC;
    }
}

void uring__close_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    struct uring_handle *handle = uring__handle(uring, op->handle);

    if (uring__stage(op) == CLOSE_CANCEL) {
        if (handle->ops_in_flight > 0) {
            uring__set_stage(op, CLOSE_WAITING);
            return;
        }
        uring__set_stage(op, CLOSE_DIRECT);
        uring__start(uring, op);
        return;
    }
    uring__handle_remove(uring, op->handle);
    uring__finish(uring, op, uring__result(op, result));
}

int uring__socket_options(int fd)
{
    int one = 1;

    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}
