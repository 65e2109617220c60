/* io_file.h: whole-file and finish-the-rest operations on top of io.h. The only place that loops over short counts of
 * files.
 *
 * Each operation struct belongs to the caller and is idle again before its callback runs. Nothing here blocks. */
#ifndef MILLRACE_IO_FILE_H
#define MILLRACE_IO_FILE_H

#include "core/base/buf.h"
#include "io/io.h"

struct io_file_op;
typedef void io_file_done_fn(struct io_file_op *op);

struct io_file_op {
    struct io_op     op;
    struct io       *io;
    int32_t          result; /* 0 or ERR_; for io_file_read_exact: bytes read, less than asked only at end of file */
    io_file_done_fn *done;
    /* private */
    struct io_handle handle_;
    struct span      span_;
    struct view      view_;
    uint64_t         offset_;
    uint64_t         finished_;
    uint32_t         flags_;
    int32_t          step_;
    int32_t          error_;
    bool             existed_;
    struct buf_pool *bufs_;
    struct buf      *buf_;
    const char      *path_;
    char            *scratch_path_;
    struct io_stat   stat_;
};

/* Writes all of it (flags as io_write). A failure may leave any part written. */
void io_file_write_all(struct io *io, struct io_file_op *op, struct io_handle file, struct view bytes, uint64_t offset,
                       uint32_t flags, io_file_done_fn *done);
/* Reads until the span is full or the file ends. */
void io_file_read_full(struct io *io, struct io_file_op *op, struct io_handle file, struct span into, uint64_t offset,
                       io_file_done_fn *done);
/* Replaces the file at `path` durably: writes `path.tmp`, syncs it, renames, syncs the directory. After a crash the
 * file holds the old or the new content, whole. `path` and `content` stay valid until the callback. Buffered I/O. */
void io_file_replace(struct io *io, struct io_file_op *op, const char *path, struct view content,
                     io_file_done_fn *done);
/* Reads a small file whole into a fresh buffer of `bufs`; ERR_LIMIT above bytes_max. On success result = length and
 * op->buf_ is handed to the caller by io_file_take(). Buffered I/O. */
void io_file_load(struct io *io, struct io_file_op *op, struct buf_pool *bufs, const char *path, uint64_t bytes_max,
                  io_file_done_fn *done);
/* The loaded content: one reference, now the caller's. */
struct buf *io_file_take(struct io_file_op *op);
/* Makes names created, renamed or removed in directory `path` durable. */
void io_file_sync_directory(struct io *io, struct io_file_op *op, const char *path, io_file_done_fn *done);
/* mkdir -p for the last component and its parents; existing directories are fine, anything else of that name is
 * ERR_EXISTS. The name of each, new or not, is made durable (an earlier run may have been killed before it did so). */
void io_file_make_directories(struct io *io, struct io_file_op *op, const char *path, io_file_done_fn *done);

/* Start-up and shutdown: run the loop until the operation is done; the result. */
int io_file_wait(struct io *io, struct io_file_op *op);

#endif
