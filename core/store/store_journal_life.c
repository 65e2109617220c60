/* store_journal_life.c: the journal's object and file from first to last: create, header, reset, close. */
#include "core/base/slog.h"
#include "core/store/store_journal_internal.h"

static char *join_path(const char *directory, const char *name, const char *suffix)
{
    size_t directory_len = strlen(directory);
    size_t name_len = strlen(name);
    size_t suffix_len = strlen(suffix);
    char  *path = mem_alloc(MEM_STORE, directory_len + 1 + name_len + suffix_len + 1);

    memcpy(path, directory, directory_len);
    path[directory_len] = '/';
    memcpy(path + directory_len + 1, name, name_len);
    memcpy(path + directory_len + 1 + name_len, suffix, suffix_len);
    return path;
}

struct store_journal *store_journal_create(struct io_shard *shard, const char *directory,
                                           const struct io_volume *volume, uint64_t bytes)
{
    struct store_journal *journal = mem_alloc(MEM_STORE, sizeof(*journal));

    CHECK(is_power_of_two(volume->block_bytes));
    CHECK(IMPLIES(volume->direct_align_bytes != 0, is_power_of_two(volume->direct_align_bytes)));
    journal->shard = shard;
    journal->directory = mem_copy_text(MEM_STORE, view_text(directory));
    journal->path = join_path(directory, STORE_JOURNAL_FILE_NAME, "");
    journal->temporary_path = join_path(directory, STORE_JOURNAL_FILE_NAME, ".tmp");
    journal->volume = *volume;
    /* A frame is padded to a block; with blocks above the spacing of the header's copies torn neighbours are what the
     * checks are for. */
    journal->volume.block_bytes = (uint32_t)MAX(512, MIN(volume->block_bytes, JOURNAL_HEADER_SPACING));
    journal->direct = volume->direct_align_bytes != 0 && volume->direct_align_bytes <= journal->volume.block_bytes;
    journal->wanted_bytes = align_up(MAX(bytes == 0 ? STORE_JOURNAL_BYTES_DEFAULT : bytes, STORE_JOURNAL_BYTES_MIN),
                                     JOURNAL_HEADER_SPACING);
    journal->file = IO_HANDLE_NONE;
    list_init(&journal->writes);
    return journal;
}

void store_journal_destroy(struct store_journal *journal)
{
    if (journal == NULL) {
        return;
    }
    LIST_EACH(&journal->writes, node) {
        store__journal_write_free(LIST_ENTRY(node, struct journal_write, link));
    }
    buf_unref(journal->header_buf);
    buf_unref(journal->scan.buf);
    mem_free(MEM_STORE, journal->scan.frames);
    mem_free(MEM_STORE, journal->directory);
    mem_free(MEM_STORE, journal->path);
    mem_free(MEM_STORE, journal->temporary_path);
    mem_free(MEM_STORE, journal);
}

void store__journal_finish(struct store_journal *journal, int result)
{
    store_done_fn *done = journal->done;

    journal->done = NULL;
    if (done != NULL) {
        done(journal->done_context, result);
    }
}

/* --- header ----------------------------------------------------------------------------------------------- */

static void header_write_next(struct store_journal *journal);

static void header_write_done(struct io_file_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, header_op);
    store_done_fn        *done = journal->header_done;
    int                   result = op->result < 0 ? op->result : ERR_OK;

    if (result == ERR_OK && ++journal->header_copy < STORE_JOURNAL_HEADER_COPIES) {
        header_write_next(journal);
        return;
    }
    journal->header_busy = false;
    journal->stats.header_writes++;
    if (result == ERR_OK) {
        journal->header = journal->header_next;
    } else {
        store__journal_fail(journal, "header write", journal->header_copy * JOURNAL_HEADER_SPACING, result);
    }
    done(journal->header_context, result);
}

static void header_write_next(struct store_journal *journal)
{
    io_file_write_all(journal->shard->io, &journal->header_op, journal->file,
                      view_of(journal->header_buf->data, store__journal_header_bytes(journal)),
                      journal->header_copy * JOURNAL_HEADER_SPACING, IO_WRITE_DURABLE, header_write_done);
}

void store__journal_write_header(struct store_journal *journal, const struct store_journal_header *header,
                                 store_done_fn *done, void *context)
{
    CHECK(!journal->header_busy && journal->header_buf != NULL);
    journal->header_busy = true;
    journal->header_next = *header;
    journal->header_next.update = journal->header.update + 1;
    journal->header_copy = 0;
    journal->header_done = done;
    journal->header_context = context;
    memset(journal->header_buf->data, 0, store__journal_header_bytes(journal));
    store_journal_header_encode(&journal->header_next, journal->header_buf->data);
    header_write_next(journal);
}

/* --- reset and close ------------------------------------------------------------------------------------- */

static void reset_done(void *context, int result)
{
    struct store_journal *journal = context;

    if (result == ERR_OK) {
        journal->state = JOURNAL_RUNNING;
        journal->next_lsn = 0;
        journal->released_lsn = 0;
        journal->recorded_lsn = 0;
        journal->durable_end = 0;
        journal->frame_bytes_max = (size_t)align_down(
            MIN(STORE_JOURNAL_FRAME_BYTES_MAX, journal->header.ring_bytes / 8), journal->header.block_bytes);
    }
    store__journal_finish(journal, result);
}

void store_journal_reset(struct store_journal *journal, store_done_fn *done, void *context)
{
    struct store_journal_header header = journal->header;

    CHECK(journal->state == JOURNAL_RECOVERED || journal->state == JOURNAL_RUNNING);
    CHECK(list_empty(&journal->writes) && journal->done == NULL && !journal->header_busy);
    journal->done = done;
    journal->done_context = context;
    /* An empty ring may change its block: the volume may be another one than it was written on. */
    header.block_bytes = journal->volume.block_bytes;
    header.ring_bytes = align_down(header.ring_bytes, header.block_bytes);
    header.generation++;
    header.needed_from = 0;
    header.durable_end = 0;
    header.mark = STORE_JOURNAL_ACTIVE;
    store__journal_write_header(journal, &header, reset_done, journal);
}

static void close_end(struct store_journal *journal, int result)
{
    if (journal->state == JOURNAL_OFFLINE) {
        result = ERR_OFFLINE;
    }
    buf_unref(journal->header_buf);
    journal->header_buf = NULL;
    journal->state = JOURNAL_CLOSED;
    store__journal_finish(journal, result);
}

static void close_done(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    journal->file = IO_HANDLE_NONE;
    close_end(journal, op->result < 0 ? op->result : ERR_OK);
}

static void close_marked(void *context, int result)
{
    struct store_journal *journal = context;

    MAYBE(result == ERR_OK); /* without the mark the next start reads the ring and finds nothing to do */
    io_close(journal->shard->io, &journal->op, journal->file, close_done);
}

static void close_posted(struct io_op *op)
{
    close_end(CONTAINER_OF(op, struct store_journal, op), ERR_OK);
}

/* Goes on with closing once nothing is under way. */
void store__journal_close_if_quiet(struct store_journal *journal)
{
    struct store_journal_header header = journal->header;

    if (!journal->closing || !list_empty(&journal->writes) || journal->header_busy || !io_op_idle(&journal->post_op) ||
        !io_op_idle(&journal->op)) {
        return;
    }
    journal->closing = false;
    if (!io_handle_valid(journal->file)) {
        io_post(journal->shard->io, &journal->op, close_posted);
        return;
    }
    if (journal->state != JOURNAL_RUNNING || journal->released_lsn != journal->next_lsn) {
        close_marked(journal, ERR_OK);
        return;
    }
    header.needed_from = journal->released_lsn;
    header.durable_end = journal->durable_end;
    header.mark = STORE_JOURNAL_CLEAN;
    store__journal_write_header(journal, &header, close_marked, journal);
}

void store_journal_close(struct store_journal *journal, store_done_fn *done, void *context)
{
    CHECK(journal->state != JOURNAL_OPENING && journal->done == NULL && !journal->closing);
    journal->done = done;
    journal->done_context = context;
    journal->closing = true;
    store__journal_submit_soon(journal);
    store__journal_close_if_quiet(journal);
}
