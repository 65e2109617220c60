/* One prep and one complete function per kind of operation.
 *
 * Kinds with stages keep the stage in the op (uring__stage) and start again from complete or step; the op stays in
 * flight meanwhile. */
#define _GNU_SOURCE 1

#include "io/uring/uring_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define URING_FILE_MODE        0640
#define URING_DIRECTORY_MODE   0750
#define URING_STAT_BLOCK_BYTES 512 /* unit of stx_blocks */
#define URING_SEND_FILE_STEP   ((uint64_t)MIB)

/* A span list is handed to the kernel as it is. */
STATIC_CHECK(sizeof(struct view) == sizeof(struct iovec));
STATIC_CHECK(offsetof(struct view, base) == offsetof(struct iovec, iov_base));
STATIC_CHECK(offsetof(struct view, len) == offsetof(struct iovec, iov_len));
STATIC_CHECK(sizeof(struct msghdr) <= sizeof(uint64_t) * 7);
STATIC_CHECK(sizeof(struct sockaddr_in6) <= sizeof(uint64_t) * 4);

/* The result a user sees. An interrupted worker is how the kernel reports a canceled call. */
int32_t uring__result(const struct io_op *op, int32_t result)
{
    if (result >= 0) {
        return result;
    }
    if (result == -EINTR && op->cancel_requested) {
        return ERR_CANCELED;
    }
    return err_from_errno(-result);
}

static int uring_fd(struct uring *uring, struct io_handle handle)
{
    return uring__handle(uring, handle)->fd;
}

static void uring_complete_plain(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    uring__finish(uring, op, uring__result(op, result));
}

static void uring_post_begin(struct uring *uring, struct io_op *op)
{
    if ((op->flags & IO_POST_IDLE) == 0) {
        uring__finish_later(uring, op, 0);
        return;
    }
    if (list_empty(&uring->idle)) {
        uring->idle_from_ns = uring__clock_ns(CLOCK_MONOTONIC);
    }
    op->result = 0;
    uring__set_place(op, URING_FINISHED);
    list_push_back(&uring->idle, &op->link);
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static void uring_open_prep(struct uring *uring UNUSED, struct io_op *op, struct io_uring_sqe *sqe)
{
    const uint32_t both = IO_OPEN_READ | IO_OPEN_WRITE;
    int            flags = O_CLOEXEC;

    flags |= (op->flags & both) == both ? O_RDWR : (op->flags & IO_OPEN_WRITE) != 0 ? O_WRONLY : O_RDONLY;
    flags |= (op->flags & IO_OPEN_CREATE) != 0 ? O_CREAT : 0;
    flags |= (op->flags & IO_OPEN_EXCLUSIVE) != 0 ? O_EXCL : 0;
    flags |= (op->flags & IO_OPEN_DIRECT) != 0 ? O_DIRECT : 0;
    flags |= (op->flags & IO_OPEN_DIRECTORY) != 0 ? O_DIRECTORY : 0;
    flags |= (op->flags & IO_OPEN_TRUNCATE) != 0 ? O_TRUNC : 0;
    io_uring_prep_openat(sqe, AT_FDCWD, op->name.path, flags, URING_FILE_MODE);
}

static void uring_open_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    if (result >= 0) {
        result = uring__handle_add(uring, result, false, (op->flags & IO_OPEN_DIRECTORY) != 0);
        uring__finish(uring, op, result);
        return;
    }
    uring__finish(uring, op, uring__result(op, result));
}

static void uring_read_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    int fd = uring_fd(uring, op->handle);
    int index = uring__fixed_index(uring, op->span.base, op->span.len);

    if (index >= 0) {
        io_uring_prep_read_fixed(sqe, fd, op->span.base, (unsigned)op->span.len, op->offset, index);
    } else {
        io_uring_prep_read(sqe, fd, op->span.base, (unsigned)op->span.len, op->offset);
    }
}

enum uring_write_stage {
    WRITE_ONCE,
    WRITE_PLAIN, /* durable by a second step */
    WRITE_SYNC,  /* that step; token_[0] holds the bytes written */
    /* token_[1]: when it began */
};

static void uring_write_begin(struct uring *uring, struct io_op *op)
{
    const struct uring_handle *handle = uring__handle(uring, op->handle);

    if ((op->flags & IO_WRITE_DURABLE) != 0 && (handle->dsync_refused || !uring__has(uring, URING_DSYNC))) {
        uring__set_stage(op, WRITE_PLAIN);
    }
    op->token_[1] = (uint64_t)uring->now_ns;
    uring__start(uring, op);
}

static void uring_write_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    int fd = uring_fd(uring, op->handle);
    int index = uring__fixed_index(uring, op->view.base, op->view.len);

    if (uring__stage(op) == WRITE_SYNC) {
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        return;
    }
    if (index >= 0) {
        io_uring_prep_write_fixed(sqe, fd, op->view.base, (unsigned)op->view.len, op->offset, index);
    } else {
        io_uring_prep_write(sqe, fd, op->view.base, (unsigned)op->view.len, op->offset);
    }
    if ((op->flags & IO_WRITE_DURABLE) != 0 && uring__stage(op) == WRITE_ONCE) {
        sqe->rw_flags = RWF_DSYNC;
    }
}

static void uring_write_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    switch ((enum uring_write_stage)uring__stage(op)) {
    case WRITE_ONCE:
        if ((op->flags & IO_WRITE_DURABLE) != 0 && result == -EOPNOTSUPP) {
            uring__handle(uring, op->handle)->dsync_refused = true;
            uring__set_stage(op, WRITE_PLAIN);
            uring__start(uring, op);
            return;
        }
        break;
    case WRITE_PLAIN:
        if (result > 0) {
            op->token_[0] = (uint64_t)result;
            uring__set_stage(op, WRITE_SYNC);
            uring__start(uring, op);
            return;
        }
        break;
    case WRITE_SYNC:
        result = result < 0 ? result : (int32_t)op->token_[0];
        break;
    }
    if ((op->flags & IO_WRITE_DURABLE) != 0) {
        uring__durable_write_took(uring, uring->now_ns - (int64_t)op->token_[1]);
    }
    uring__finish(uring, op, uring__result(op, result));
}

static void uring_sync_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    const struct uring_handle *handle = uring__handle(uring, op->handle);

    io_uring_prep_fsync(sqe, handle->fd, handle->is_directory ? 0 : IORING_FSYNC_DATASYNC);
}

static void uring_allocate_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    int mode = (op->flags & IO_ALLOCATE_PUNCH) != 0 ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : 0;

    io_uring_prep_fallocate(sqe, uring_fd(uring, op->handle), mode, (off_t)op->offset, (off_t)op->length);
}

static void uring_rename_prep(struct uring *uring UNUSED, struct io_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_renameat(sqe, AT_FDCWD, op->name.path, AT_FDCWD, op->name.to, 0);
}

static void uring_unlink_prep(struct uring *uring UNUSED, struct io_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_unlinkat(sqe, AT_FDCWD, op->name.path, (op->flags & IO_OPEN_DIRECTORY) != 0 ? AT_REMOVEDIR : 0);
}

static void uring_mkdir_prep(struct uring *uring UNUSED, struct io_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_mkdirat(sqe, AT_FDCWD, op->name.path, URING_DIRECTORY_MODE);
}

static struct statx *uring_stat_result(const struct io_op *op)
{
    return (struct statx *)(uintptr_t)op->token_[0];
}

static void uring_stat_begin(struct uring *uring, struct io_op *op)
{
    struct statx *found = mem_try_alloc(MEM_IO, sizeof(*found));

    if (found == NULL) {
        uring__finish_later(uring, op, ERR_NO_MEMORY);
        return;
    }
    op->token_[0] = (uint64_t)(uintptr_t)found;
    uring__start(uring, op);
}

static void uring_stat_prep(struct uring *uring UNUSED, struct io_op *op, struct io_uring_sqe *sqe)
{
    const unsigned mask = STATX_TYPE | STATX_SIZE | STATX_BLOCKS | STATX_MTIME;

    io_uring_prep_statx(sqe, AT_FDCWD, op->name.path, AT_STATX_SYNC_AS_STAT, mask, uring_stat_result(op));
}

static void uring_stat_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    struct statx *found = uring_stat_result(op);

    if (result >= 0) {
        *op->out_stat = (struct io_stat){
            .size_bytes = found->stx_size,
            .allocated_bytes = found->stx_blocks * URING_STAT_BLOCK_BYTES,
            .modified_ms = found->stx_mtime.tv_sec * MS_PER_S + found->stx_mtime.tv_nsec / NS_PER_MS,
            .is_directory = S_ISDIR(found->stx_mode),
        };
        result = 0;
    }
    mem_free(MEM_IO, found);
    uring__finish(uring, op, uring__result(op, result));
}

/* --- network ---------------------------------------------------------------------------------------------------- */

static void uring_accept_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    int fd = uring_fd(uring, op->handle);

    if (uring__has(uring, URING_ACCEPT_MULTISHOT)) {
        io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    } else {
        io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
}

static void uring_accept_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags)
{
    bool kernel_has_more = (flags & IORING_CQE_F_MORE) != 0;
    int  id;

    if (result < 0) {
        uring__finish(uring, op, uring__handle(uring, op->handle)->closing ? ERR_CLOSED : uring__result(op, result));
        return;
    }
    (void)uring__socket_options(result); /* a connection reset meanwhile shows at the first receive */
    id = uring__handle_add(uring, result, true, false);
    uring__callback_more(uring, op, id);
    if (!kernel_has_more) {
        uring__restart(uring, op);
    }
}

static void uring_connect_begin(struct uring *uring, struct io_op *op)
{
    struct sockaddr_in6 storage = {0};
    struct io_address   address = op->address;
    uint32_t            length = uring__sockaddr(&address, &storage);
    int                 fd = socket(storage.sin6_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

    if (fd < 0) {
        uring__finish_later(uring, op, err_from_errno(errno));
        return;
    }
    (void)uring__socket_options(fd);
    memcpy(op->token_, &storage, sizeof(storage));
    op->token_[4] = (uint64_t)(uint32_t)fd;
    op->token_[5] = length;
    uring__start(uring, op);
}

static void uring_connect_prep(struct uring *uring UNUSED, struct io_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_connect(sqe, (int)op->token_[4], (const struct sockaddr *)(const void *)op->token_,
                          (socklen_t)op->token_[5]);
}

static void uring_connect_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    int fd = (int)op->token_[4];

    if (result < 0) {
        (void)close(fd);
        uring__finish(uring, op, uring__result(op, result));
        return;
    }
    uring__finish(uring, op, uring__handle_add(uring, fd, true, false));
}

static void uring_recv_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_recv(sqe, uring_fd(uring, op->handle), op->span.base, op->span.len,
                       (op->flags & IO_RECV_ALL) != 0 ? MSG_WAITALL : 0);
}

static void uring_recv_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    if (result == 0 && uring__handle(uring, op->handle)->closing) {
        uring__finish(uring, op, ERR_CLOSED);
        return;
    }
    uring__finish(uring, op, uring__result(op, result));
}

static void uring_send_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    int           fd = uring_fd(uring, op->handle);
    int           flags = MSG_NOSIGNAL | ((op->flags & IO_SEND_MORE) != 0 ? MSG_MORE : 0);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)op->send.parts, .msg_iovlen = op->send.count};

    if (op->send.count == 1) {
        io_uring_prep_send(sqe, fd, op->send.parts[0].base, MIN(op->send.parts[0].len, (size_t)IO_TRANSFER_BYTES_MAX),
                           flags);
        return;
    }
    memcpy(op->token_, &message, sizeof(message));
    io_uring_prep_sendmsg(sqe, fd, (const struct msghdr *)(const void *)op->token_, (unsigned)flags);
}

/* shutdown(2) never waits, so it needs no trip through the ring; 6.1 would give it to a worker thread. */
static void uring_shutdown_begin(struct uring *uring, struct io_op *op)
{
    int result = shutdown(uring_fd(uring, op->handle), SHUT_RDWR);

    uring__finish_later(uring, op, result == 0 || errno == ENOTCONN ? 0 : err_from_errno(errno));
}

/* --- file to socket --------------------------------------------------------------------------------------------- */

/* Non-blocking sendfile from the loop; when the socket is full, poll until it is writable. */
static void uring_send_file_begin(struct uring *uring, struct io_op *op)
{
    uring__post(uring, op);
}

/* Where sendfile(2) does not work for this file: through a small buffer. Bytes sent, or -1 with errno. */
static ssize_t uring_copy_to_socket(struct uring *uring, int socket_fd, int file_fd, uint64_t offset, uint64_t length)
{
    size_t  want = (size_t)MIN(length, (uint64_t)URING_SCRATCH_BYTES);
    ssize_t got;

    got = pread(file_fd, uring->scratch, want, (off_t)offset);
    if (got <= 0) {
        return got;
    }
    return send(socket_fd, uring->scratch, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void uring_send_file_step(struct uring *uring, struct io_op *op)
{
    struct uring_handle *socket_handle = uring__handle(uring, op->handle);
    struct uring_handle *file_handle = uring__handle(uring, op->send_file.file);
    uint64_t             length = MIN(op->length, URING_SEND_FILE_STEP);
    off_t                offset = (off_t)op->offset;
    ssize_t              sent = -1;

    if (op->cancel_requested || socket_handle->closing) {
        uring__finish(uring, op, op->cancel_requested ? ERR_CANCELED : ERR_CLOSED);
        return;
    }
    if (uring__has(uring, URING_SENDFILE) && !file_handle->sendfile_refused) {
        sent = sendfile(socket_handle->fd, file_handle->fd, &offset, (size_t)length);
        file_handle->sendfile_refused = sent < 0 && (errno == EINVAL || errno == ENOSYS);
    } else {
        file_handle->sendfile_refused = true;
    }
    if (file_handle->sendfile_refused) {
        sent = uring_copy_to_socket(uring, socket_handle->fd, file_handle->fd, op->offset, length);
    }
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        uring__start(uring, op);
        return;
    }
    uring__finish(uring, op, sent < 0 ? err_from_errno(errno) : (int32_t)sent);
}

static void uring_send_file_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_poll_add(sqe, uring_fd(uring, op->handle), POLLOUT);
}

static void uring_send_file_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    if (result < 0) {
        uring__finish(uring, op, uring__result(op, result));
        return;
    }
    uring_send_file_step(uring, op);
}

void uring__abandon(const struct io_op *op, int32_t result)
{
    switch (op->kind) {
    case IO_OPEN:
    case IO_ACCEPT:
        if (result >= 0) {
            (void)close(result);
        }
        break;
    case IO_CONNECT:
        (void)close((int)op->token_[4]);
        break;
    case IO_STAT:
        mem_free(MEM_IO, uring_stat_result(op));
        break;
    default:
        break;
    }
}

/* --- cancel ----------------------------------------------------------------------------------------------------- */

static void uring_cancel_begin(struct uring *uring, struct io_op *op)
{
    struct io_op *target = op->target;

    if (io_op_idle(target)) {
        uring__finish_later(uring, op, ERR_NOT_FOUND);
        return;
    }
    target->cancel_requested = true;
    switch (uring__place(target)) {
    case URING_KERNEL:
        uring__start(uring, op);
        return;
    case URING_QUEUED:
    case URING_POSTED:
        list_remove(&target->link);
        uring__abandon(target, -ECANCELED);
        uring__finish_later(uring, target, ERR_CANCELED);
        break;
    case URING_RUNNING:
    case URING_FINISHED:
        break;
    }
    uring__finish_later(uring, op, 0);
}

static void uring_cancel_prep(struct uring *uring UNUSED, struct io_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_cancel(sqe, op->target, 0);
}

static void uring_cancel_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags UNUSED)
{
    result = result == -ENOENT ? ERR_NOT_FOUND : result == -EALREADY ? 0 : uring__result(op, result);
    uring__finish(uring, op, MIN(result, 0));
}

/* clang-format off */
const struct uring_kind uring__kinds[IO_KIND_COUNT] = {
    [IO_POST]       = {uring_post_begin, NULL, NULL, NULL},
    [IO_OPEN]       = {NULL, uring_open_prep, uring_open_complete, NULL},
    [IO_CLOSE]      = {uring__close_begin, uring__close_prep, uring__close_complete, NULL},
    [IO_READ]       = {NULL, uring_read_prep, uring_complete_plain, NULL},
    [IO_WRITE]      = {uring_write_begin, uring_write_prep, uring_write_complete, NULL},
    [IO_SYNC]       = {NULL, uring_sync_prep, uring_complete_plain, NULL},
    [IO_ALLOCATE]   = {NULL, uring_allocate_prep, uring_complete_plain, NULL},
    [IO_RENAME]     = {NULL, uring_rename_prep, uring_complete_plain, NULL},
    [IO_UNLINK]     = {NULL, uring_unlink_prep, uring_complete_plain, NULL},
    [IO_MKDIR]      = {NULL, uring_mkdir_prep, uring_complete_plain, NULL},
    [IO_STAT]       = {uring_stat_begin, uring_stat_prep, uring_stat_complete, NULL},
    [IO_ACCEPT]     = {NULL, uring_accept_prep, uring_accept_complete, NULL},
    [IO_CONNECT]    = {uring_connect_begin, uring_connect_prep, uring_connect_complete, NULL},
    [IO_RECV]       = {NULL, uring_recv_prep, uring_recv_complete, NULL},
    [IO_RECV_MULTI] = {uring__recv_multi_begin, uring__recv_multi_prep, uring__recv_multi_complete, NULL},
    [IO_SEND]       = {NULL, uring_send_prep, uring_complete_plain, NULL},
    [IO_SEND_FILE]  = {uring_send_file_begin, uring_send_file_prep, uring_send_file_complete, uring_send_file_step},
    [IO_SHUTDOWN]   = {uring_shutdown_begin, NULL, NULL, NULL},
    [IO_CANCEL]     = {uring_cancel_begin, uring_cancel_prep, uring_cancel_complete, NULL},
};
/* clang-format on */
