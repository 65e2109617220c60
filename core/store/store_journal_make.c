/* store_journal_make.c: makes the ring file.
 *
 * It is written under another name with real zeros, so that later writes change no extent and no size, and is renamed
 * when it is durable: a file under its own name always had two valid headers once, and none now is damage. */
#include "core/base/slog.h"
#include "core/store/store_journal_internal.h"

#define ZERO_BYTES ((size_t)(1 * MIB))

STATIC_CHECK(ZERO_BYTES <= JOURNAL_WINDOW_BYTES);

uint32_t store__journal_open_flags(const struct store_journal *journal)
{
    return (uint32_t)IO_OPEN_READ | IO_OPEN_WRITE | (journal->direct ? (uint32_t)IO_OPEN_DIRECT : 0);
}

/* --- creating -------------------------------------------------------------------------------------------- */

static void create_zero_next(struct store_journal *journal);

/* A half-made file is of no use and may be what fills the disk. */
static void create_failed_removed(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    store__journal_open_end(journal, journal->scan.failure);
}

static void create_failed_closed(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    journal->file = IO_HANDLE_NONE;
    io_unlink(journal->shard->io, &journal->op, journal->temporary_path, false, create_failed_removed);
}

static void create_fail(struct store_journal *journal, const char *what, int error)
{
    slog_error("store", "journal %s: creating it failed (%s): %s", journal->path, what, err_text(error));
    journal->scan.failure = error;
    if (!io_handle_valid(journal->file)) {
        store__journal_open_end(journal, error);
        return;
    }
    io_close(journal->shard->io, &journal->op, journal->file, create_failed_closed);
}

static void create_directory_synced(struct io_file_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, file_op);

    if (op->result < 0) {
        store__journal_open_fail(journal, "sync of the directory", op->result);
        return;
    }
    store__journal_open_end(journal, ERR_OK);
}

static void create_renamed(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    if (op->result < 0) {
        create_fail(journal, "rename", op->result);
        return;
    }
    io_file_sync_directory(journal->shard->io, &journal->file_op, journal->directory, create_directory_synced);
}

static void create_synced(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    if (op->result < 0) {
        create_fail(journal, "sync", op->result);
        return;
    }
    io_rename(journal->shard->io, &journal->op, journal->temporary_path, journal->path, create_renamed);
}

static void create_header_written(void *context, int result)
{
    struct store_journal *journal = context;

    if (result != ERR_OK) {
        create_fail(journal, "header write", result);
        return;
    }
    io_sync(journal->shard->io, &journal->op, journal->file, create_synced);
}

static void create_zeroed(struct store_journal *journal)
{
    struct store_journal_header header = {
        .generation = 1,
        .ring_bytes = journal->wanted_bytes,
        .block_bytes = journal->volume.block_bytes,
        .mark = STORE_JOURNAL_CLEAN, /* empty: nothing to read back before the first reset */
    };

    io_random(journal->shard->io, span_of(header.identity.bytes, sizeof(header.identity.bytes)));
    store__journal_write_header(journal, &header, create_header_written, journal);
}

static void create_zero_done(struct io_file_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, file_op);

    if (op->result < 0) {
        create_fail(journal, "writing zeros", op->result);
        return;
    }
    journal->scan.zeroed_bytes +=
        MIN(ZERO_BYTES, JOURNAL_RING_OFFSET + journal->wanted_bytes - journal->scan.zeroed_bytes);
    create_zero_next(journal);
}

/* Real zeros: an extent that was only reserved would have to be converted, by a metadata commit, under the first
 * durable write to it. */
static void create_zero_next(struct store_journal *journal)
{
    uint64_t rest = JOURNAL_RING_OFFSET + journal->wanted_bytes - journal->scan.zeroed_bytes;

    if (rest == 0) {
        create_zeroed(journal);
        return;
    }
    io_file_write_all(journal->shard->io, &journal->file_op, journal->file,
                      view_of(journal->scan.buf->data, MIN(ZERO_BYTES, rest)), journal->scan.zeroed_bytes, 0,
                      create_zero_done);
}

static void create_allocated(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    /* One extent where the file system can; where it cannot, the zeros alone do. */
    if (op->result < 0 && op->result != ERR_UNSUPPORTED) {
        create_fail(journal, "reserving space", op->result);
        return;
    }
    memset(journal->scan.buf->data, 0, ZERO_BYTES);
    create_zero_next(journal);
}

static void create_opened(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    if (op->result < 0) {
        create_fail(journal, "open", op->result);
        return;
    }
    journal->file = (struct io_handle){op->result};
    io_allocate(journal->shard->io, &journal->op, journal->file, 0, JOURNAL_RING_OFFSET + journal->wanted_bytes,
                IO_ALLOCATE_EXTEND, create_allocated);
}

void store__journal_make(struct store_journal *journal)
{
    io_open(journal->shard->io, &journal->op, journal->temporary_path,
            store__journal_open_flags(journal) | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, create_opened);
}
