/* Operations on files that take several steps. Each is a small state machine: `step_` names what is in flight;
 * io_file_step() runs when it has completed. The io_op inside is idle between steps, and the whole is idle before the
 * user's callback runs.
 *
 * Errors: the first one decides the result; a handle opened on the way is closed before the callback. */
#include "io/io_file.h"

#include <stdio.h>

#define IO_FILE_SUFFIX ".tmp"

enum io_file_step {
    STEP_IDLE,
    STEP_WRITE,    /* write_all */
    STEP_READ,     /* read_full */
    STEP_PUT_OPEN, /* replace: scratch file */
    STEP_PUT_WRITE,
    STEP_PUT_SYNC,
    STEP_PUT_CLOSE,
    STEP_PUT_RENAME,
    STEP_GET_STAT, /* load */
    STEP_GET_OPEN,
    STEP_GET_READ,
    STEP_GET_CLOSE,
    STEP_DIR_OPEN, /* sync_directory, and the end of the others */
    STEP_DIR_SYNC,
    STEP_DIR_CLOSE,
    STEP_MAKE_MKDIR, /* make_directories */
    STEP_MAKE_STAT,
    STEP_MAKE_OPEN,
    STEP_MAKE_SYNC,
    STEP_MAKE_CLOSE,
};

static void io_file_step(struct io_op *inner);

static void io_file_begin(struct io *io, struct io_file_op *op, enum io_file_step step, io_file_done_fn *done)
{
    CHECK(done != NULL && op->step_ == STEP_IDLE && io_op_idle(&op->op));
    op->io = io;
    op->result = 0;
    op->done = done;
    op->handle_ = IO_HANDLE_NONE;
    op->offset_ = 0;
    op->finished_ = 0;
    op->flags_ = 0;
    op->step_ = (int32_t)step;
    op->error_ = 0;
    op->bufs_ = NULL;
    op->buf_ = NULL;
    op->path_ = NULL;
    op->scratch_path_ = NULL;
}

static void io_file_finish(struct io_file_op *op, int32_t result)
{
    op->step_ = STEP_IDLE;
    op->result = result;
    mem_free(MEM_IO, op->scratch_path_);
    op->scratch_path_ = NULL;
    if (result < 0) {
        buf_unref(op->buf_);
        op->buf_ = NULL;
    }
    op->done(op);
}

/* A failure before anything could be submitted: still reported from the loop. */
static void io_file_finish_posted(struct io_op *inner)
{
    struct io_file_op *op = CONTAINER_OF(inner, struct io_file_op, op);

    io_file_finish(op, op->error_);
}

static void io_file_fail_later(struct io_file_op *op, int32_t error)
{
    op->error_ = error;
    io_post(op->io, &op->op, io_file_finish_posted);
}

/* Closes what is open, then goes on with the step's close branch. */
static void io_file_close(struct io_file_op *op, enum io_file_step step)
{
    op->step_ = (int32_t)step;
    io_close(op->io, &op->op, op->handle_, io_file_step);
}

/* The directory part of a path, in memory of the op. */
static char *io_file_parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return mem_copy_text(MEM_IO, view_text("."));
    }
    if (slash == path) {
        return mem_copy_text(MEM_IO, view_text("/"));
    }
    return mem_copy_text(MEM_IO, view_of(path, (size_t)(slash - path)));
}

/* --- write all, read full ------------------------------------------------------------------------------------------
 */

static void io_file_write_next(struct io_file_op *op)
{
    struct view rest = view_of(op->view_.base + op->finished_, op->view_.len - (size_t)op->finished_);

    io_write(op->io, &op->op, op->handle_, rest, op->offset_ + op->finished_, op->flags_, io_file_step);
}

void io_file_write_all(struct io *io, struct io_file_op *op, struct io_handle file, struct view bytes, uint64_t offset,
                       uint32_t flags, io_file_done_fn *done)
{
    CHECK(bytes.base != NULL && bytes.len > 0);
    io_file_begin(io, op, STEP_WRITE, done);
    op->handle_ = file;
    op->view_ = bytes;
    op->offset_ = offset;
    op->flags_ = flags;
    io_file_write_next(op);
}

/* Takes the result of one write; true when everything is written or it failed (error_ is set). */
static bool io_file_write_done(struct io_file_op *op, int32_t result)
{
    if (result <= 0) {
        op->error_ = result < 0 ? result : ERR_IO; /* a device that takes nothing and says nothing */
        return true;
    }
    op->finished_ += (uint64_t)result;
    CHECK(op->finished_ <= op->view_.len);
    if (op->finished_ == op->view_.len) {
        return true;
    }
    io_file_write_next(op);
    return false;
}

static void io_file_read_next(struct io_file_op *op)
{
    struct span rest = span_of(op->span_.base + op->finished_, op->span_.len - (size_t)op->finished_);

    io_read(op->io, &op->op, op->handle_, rest, op->offset_ + op->finished_, io_file_step);
}

void io_file_read_full(struct io *io, struct io_file_op *op, struct io_handle file, struct span into, uint64_t offset,
                       io_file_done_fn *done)
{
    CHECK(into.base != NULL && into.len > 0 && into.len <= INT32_MAX);
    io_file_begin(io, op, STEP_READ, done);
    op->handle_ = file;
    op->span_ = into;
    op->offset_ = offset;
    io_file_read_next(op);
}

/* As io_file_write_done; a result of 0 is the end of the file. */
static bool io_file_read_done(struct io_file_op *op, int32_t result)
{
    if (result < 0) {
        op->error_ = result;
        return true;
    }
    op->finished_ += (uint64_t)result;
    CHECK(op->finished_ <= op->span_.len);
    if (result == 0 || op->finished_ == op->span_.len) {
        return true;
    }
    io_file_read_next(op);
    return false;
}

/* --- replace -------------------------------------------------------------------------------------------------------
 */

void io_file_replace(struct io *io, struct io_file_op *op, const char *path, struct view content, io_file_done_fn *done)
{
    size_t length = strnlen(path, IO_PATH_BYTES_MAX);
    size_t bytes = length + sizeof(IO_FILE_SUFFIX);

    CHECK(content.base != NULL || content.len == 0);
    io_file_begin(io, op, STEP_PUT_OPEN, done);
    op->path_ = path;
    op->view_ = content;
    if (length == 0 || bytes > IO_PATH_BYTES_MAX) {
        io_file_fail_later(op, ERR_INVALID);
        return;
    }
    op->scratch_path_ = mem_alloc(MEM_IO, bytes);
    (void)snprintf(op->scratch_path_, bytes, "%s%s", path, IO_FILE_SUFFIX);
    io_open(io, &op->op, op->scratch_path_, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, io_file_step);
}

static void io_file_replace_sync(struct io_file_op *op)
{
    op->step_ = STEP_PUT_SYNC;
    io_sync(op->io, &op->op, op->handle_, io_file_step);
}

static void io_file_replace_step(struct io_file_op *op, int32_t result)
{
    switch ((enum io_file_step)op->step_) {
    case STEP_PUT_OPEN:
        if (result < 0) {
            io_file_finish(op, result);
            return;
        }
        op->handle_ = (struct io_handle){result};
        if (op->view_.len == 0) {
            io_file_replace_sync(op);
            return;
        }
        op->step_ = STEP_PUT_WRITE;
        io_file_write_next(op);
        return;
    case STEP_PUT_WRITE:
        if (!io_file_write_done(op, result)) {
            return;
        }
        if (op->error_ != 0) {
            io_file_close(op, STEP_PUT_CLOSE);
            return;
        }
        io_file_replace_sync(op);
        return;
    case STEP_PUT_SYNC:
        op->error_ = result;
        io_file_close(op, STEP_PUT_CLOSE);
        return;
    case STEP_PUT_CLOSE:
        if (op->error_ == 0 && result < 0) {
            op->error_ = result;
        }
        if (op->error_ != 0) {
            io_file_finish(op, op->error_); /* the scratch file stays; the next replace truncates it */
            return;
        }
        op->step_ = STEP_PUT_RENAME;
        io_rename(op->io, &op->op, op->scratch_path_, op->path_, io_file_step);
        return;
    default:
        CHECK(op->step_ == STEP_PUT_RENAME);
        if (result < 0) {
            io_file_finish(op, result);
            return;
        }
        mem_free(MEM_IO, op->scratch_path_);
        op->scratch_path_ = io_file_parent(op->path_);
        op->step_ = STEP_DIR_OPEN;
        io_open(op->io, &op->op, op->scratch_path_, IO_OPEN_READ | IO_OPEN_DIRECTORY, io_file_step);
        return;
    }
}

/* --- load ----------------------------------------------------------------------------------------------------------
 */

void io_file_load(struct io *io, struct io_file_op *op, struct buf_pool *bufs, const char *path, uint64_t bytes_max,
                  io_file_done_fn *done)
{
    CHECK(bufs != NULL && bytes_max <= INT32_MAX);
    io_file_begin(io, op, STEP_GET_STAT, done);
    op->bufs_ = bufs;
    op->path_ = path;
    op->offset_ = bytes_max;
    io_stat(io, &op->op, path, &op->stat_, io_file_step);
}

struct buf *io_file_take(struct io_file_op *op)
{
    struct buf *buf = op->buf_;

    CHECK(op->step_ == STEP_IDLE && buf != NULL);
    op->buf_ = NULL;
    return buf;
}

static void io_file_load_opened(struct io_file_op *op, int32_t result)
{
    if (result < 0) {
        io_file_finish(op, result);
        return;
    }
    op->handle_ = (struct io_handle){result};
    op->offset_ = 0;
    if (op->span_.len == 0) {
        io_file_close(op, STEP_GET_CLOSE);
        return;
    }
    op->step_ = STEP_GET_READ;
    io_file_read_next(op);
}

static void io_file_load_step(struct io_file_op *op, int32_t result)
{
    switch ((enum io_file_step)op->step_) {
    case STEP_GET_STAT:
        if (result < 0 || op->stat_.is_directory) {
            io_file_finish(op, result < 0 ? result : ERR_INVALID);
            return;
        }
        if (op->stat_.size_bytes > op->offset_) {
            io_file_finish(op, ERR_LIMIT);
            return;
        }
        op->buf_ = buf_acquire(op->bufs_, MAX((size_t)op->stat_.size_bytes, (size_t)1));
        if (op->buf_ == NULL) {
            io_file_finish(op, ERR_NO_MEMORY);
            return;
        }
        op->span_ = span_of(op->buf_->data, (size_t)op->stat_.size_bytes);
        op->step_ = STEP_GET_OPEN;
        io_open(op->io, &op->op, op->path_, IO_OPEN_READ, io_file_step);
        return;
    case STEP_GET_OPEN:
        io_file_load_opened(op, result);
        return;
    case STEP_GET_READ:
        if (io_file_read_done(op, result)) {
            io_file_close(op, STEP_GET_CLOSE);
        }
        return;
    default:
        CHECK(op->step_ == STEP_GET_CLOSE);
        io_file_finish(op, op->error_ != 0 ? op->error_ : result < 0 ? result : (int32_t)op->finished_);
        return;
    }
}

/* --- directories ---------------------------------------------------------------------------------------------------
 */

void io_file_sync_directory(struct io *io, struct io_file_op *op, const char *path, io_file_done_fn *done)
{
    io_file_begin(io, op, STEP_DIR_OPEN, done);
    op->path_ = path;
    io_open(io, &op->op, path, IO_OPEN_READ | IO_OPEN_DIRECTORY, io_file_step);
}

static void io_file_directory_step(struct io_file_op *op, int32_t result)
{
    switch ((enum io_file_step)op->step_) {
    case STEP_DIR_OPEN:
        if (result < 0) {
            io_file_finish(op, result);
            return;
        }
        op->handle_ = (struct io_handle){result};
        op->step_ = STEP_DIR_SYNC;
        io_sync(op->io, &op->op, op->handle_, io_file_step);
        return;
    case STEP_DIR_SYNC:
        op->error_ = result;
        io_file_close(op, STEP_DIR_CLOSE);
        return;
    default:
        CHECK(op->step_ == STEP_DIR_CLOSE);
        io_file_finish(op, op->error_ != 0 ? op->error_ : MIN(result, 0));
        return;
    }
}

/* The path up to its `finished_`-th byte is being made: scratch_path_ holds the whole, cut there by a NUL. Moves to the
 * next component; false at the end. */
static bool io_file_next_component(struct io_file_op *op)
{
    size_t length = (size_t)op->offset_;
    size_t at = (size_t)op->finished_;

    if (at > 0 && at < length) {
        op->scratch_path_[at] = '/';
    }
    while (at < length && op->scratch_path_[at] == '/') {
        at++;
    }
    if (at >= length) {
        return false;
    }
    while (at < length && op->scratch_path_[at] != '/') {
        at++;
    }
    op->scratch_path_[at] = '\0';
    op->finished_ = at;
    op->step_ = STEP_MAKE_MKDIR;
    io_mkdir(op->io, &op->op, op->scratch_path_, io_file_step);
    return true;
}

void io_file_make_directories(struct io *io, struct io_file_op *op, const char *path, io_file_done_fn *done)
{
    size_t length = strnlen(path, IO_PATH_BYTES_MAX);

    io_file_begin(io, op, STEP_MAKE_MKDIR, done);
    op->path_ = path;
    if (length == 0 || length >= IO_PATH_BYTES_MAX) {
        io_file_fail_later(op, ERR_INVALID);
        return;
    }
    op->scratch_path_ = mem_copy_text(MEM_IO, view_of(path, length));
    op->offset_ = length;
    if (!io_file_next_component(op)) {
        io_file_fail_later(op, 0); /* "/" */
    }
}

/* Opens the directory that holds the component just made. Inside a longer path the text is cut at the slash while that
 * is in flight; flags_ is where (0 = nowhere). */
static void io_file_open_parent(struct io_file_op *op)
{
    char       *slash = strrchr(op->scratch_path_, '/');
    const char *parent = slash == NULL ? "." : "/";

    op->flags_ = 0;
    if (slash != NULL && slash != op->scratch_path_) {
        op->flags_ = (uint32_t)(slash - op->scratch_path_);
        *slash = '\0';
        parent = op->scratch_path_;
    }
    op->step_ = STEP_MAKE_OPEN;
    io_open(op->io, &op->op, parent, IO_OPEN_READ | IO_OPEN_DIRECTORY, io_file_step);
}

static void io_file_make_next(struct io_file_op *op)
{
    if (!io_file_next_component(op)) {
        io_file_finish(op, 0);
    }
}

static void io_file_make_step(struct io_file_op *op, int32_t result)
{
    switch ((enum io_file_step)op->step_) {
    case STEP_MAKE_MKDIR:
        op->existed_ = result == ERR_EXISTS;
        if (op->existed_) {
            op->step_ = STEP_MAKE_STAT;
            io_stat(op->io, &op->op, op->scratch_path_, &op->stat_, io_file_step);
        } else if (result < 0) {
            io_file_finish(op, result);
        } else {
            io_file_open_parent(op);
        }
        return;
    case STEP_MAKE_STAT:
        if (result < 0 || !op->stat_.is_directory) {
            io_file_finish(op, result < 0 ? result : ERR_EXISTS);
        } else {
            io_file_open_parent(op);
        }
        return;
    case STEP_MAKE_OPEN:
        if (op->flags_ != 0) {
            op->scratch_path_[op->flags_] = '/';
        }
        if (result < 0 && op->existed_) {
            io_file_make_next(op); /* a parent that we may pass but not read is not ours to sync */
            return;
        }
        if (result < 0) {
            io_file_finish(op, result);
            return;
        }
        op->handle_ = (struct io_handle){result};
        op->step_ = STEP_MAKE_SYNC;
        io_sync(op->io, &op->op, op->handle_, io_file_step);
        return;
    case STEP_MAKE_SYNC:
        op->error_ = result;
        io_file_close(op, STEP_MAKE_CLOSE);
        return;
    default:
        CHECK(op->step_ == STEP_MAKE_CLOSE);
        if (op->error_ != 0 || result < 0) {
            io_file_finish(op, op->error_ != 0 ? op->error_ : result);
            return;
        }
        io_file_make_next(op);
        return;
    }
}

/* --- steps -----------------------------------------------------------------------------------------------------------
 */

static void io_file_step(struct io_op *inner)
{
    struct io_file_op *op = CONTAINER_OF(inner, struct io_file_op, op);
    int32_t            result = inner->result;

    switch ((enum io_file_step)op->step_) {
    case STEP_IDLE:
        CHECK(false);
        return;
    case STEP_WRITE:
        if (io_file_write_done(op, result)) {
            io_file_finish(op, op->error_);
        }
        return;
    case STEP_READ:
        if (io_file_read_done(op, result)) {
            io_file_finish(op, op->error_ != 0 ? op->error_ : (int32_t)op->finished_);
        }
        return;
    case STEP_PUT_OPEN:
    case STEP_PUT_WRITE:
    case STEP_PUT_SYNC:
    case STEP_PUT_CLOSE:
    case STEP_PUT_RENAME:
        io_file_replace_step(op, result);
        return;
    case STEP_GET_STAT:
    case STEP_GET_OPEN:
    case STEP_GET_READ:
    case STEP_GET_CLOSE:
        io_file_load_step(op, result);
        return;
    case STEP_DIR_OPEN:
    case STEP_DIR_SYNC:
    case STEP_DIR_CLOSE:
        io_file_directory_step(op, result);
        return;
    case STEP_MAKE_MKDIR:
    case STEP_MAKE_STAT:
    case STEP_MAKE_OPEN:
    case STEP_MAKE_SYNC:
    case STEP_MAKE_CLOSE:
        io_file_make_step(op, result);
        return;
    }
}

int io_file_wait(struct io *io, struct io_file_op *op)
{
    while (op->step_ != STEP_IDLE) {
        CHECK(io_run(io, INT64_MAX) >= 0);
    }
    return op->result;
}
