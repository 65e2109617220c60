/* store_journal.c: the running journal: gathers entries into frames, writes them durably, takes space back.
 *
 * Invariants
 *  1. journal->writes is in LSN order: done, in flight, closed, then at most one gathering (the last).
 *  2. A frame is placed only where recorded_lsn and durable_end say that nothing needed lies; both are below every
 * frame that can still be read back as needed, whichever of the newest frames is torn.
 *  3. durable_end moves over whole frames, in order; entries are answered when it passes them.
 *  4. A frame's buffer is not touched between submission and completion. */
#include "core/store/store_journal.h"

#include "core/base/slog.h"
#include "core/store/store_journal_internal.h"

#define FIRST_BUF_BYTES ((size_t)(16 * KIB))

static void submit_on_next_turn(struct store_journal *journal);
static void record_release(struct store_journal *journal);
static void close_if_quiet(struct store_journal *journal);

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
    journal->first_buf_bytes = FIRST_BUF_BYTES;
    list_init(&journal->writes);
    return journal;
}

static void write_free(struct journal_write *write)
{
    list_remove(&write->link);
    buf_unref(write->buf);
    mem_free(MEM_STORE, write);
}

void store_journal_destroy(struct store_journal *journal)
{
    if (journal == NULL) {
        return;
    }
    LIST_EACH(&journal->writes, node) {
        write_free(LIST_ENTRY(node, struct journal_write, link));
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

/* --- positions ------------------------------------------------------------------------------------------- */

static struct journal_write *gathering(const struct store_journal *journal)
{
    struct list_node     *node = list_last(&journal->writes);
    struct journal_write *write = node == NULL ? NULL : LIST_ENTRY(node, struct journal_write, link);

    return write != NULL && write->state == WRITE_GATHERING ? write : NULL;
}

/* A gathering frame may still take entries, and they get its lsn. */
uint64_t store_journal_head(const struct store_journal *journal)
{
    const struct journal_write *write = gathering(journal);

    return write != NULL ? write->lsn : journal->next_lsn;
}

uint64_t store_journal_tail(const struct store_journal *journal)
{
    return journal->released_lsn;
}

uint64_t store_journal_durable(const struct store_journal *journal)
{
    return journal->durable_end;
}

uint64_t store_journal_capacity(const struct store_journal *journal)
{
    return journal->header.ring_bytes;
}

uint32_t store_journal_pressure_percent(const struct store_journal *journal)
{
    const struct journal_write *write = gathering(journal);
    uint64_t                    end = write != NULL ? write->lsn + write->used_bytes : journal->next_lsn;

    if (journal->state != JOURNAL_RUNNING) {
        return 0;
    }
    return (uint32_t)((end - journal->released_lsn) * 100 / journal->header.ring_bytes);
}

bool store_journal_online(const struct store_journal *journal)
{
    return journal->state == JOURNAL_RUNNING;
}

size_t store_journal_entry_bytes_max(const struct store_journal *journal)
{
    size_t overhead =
        align_up(STORE_JOURNAL_FRAME_HEADER_BYTES + STORE_JOURNAL_ENTRY_HEADER_BYTES, STORE_JOURNAL_ENTRY_ALIGN);

    return journal->frame_bytes_max <= overhead ? 0 : journal->frame_bytes_max - overhead;
}

void store_journal_stats(const struct store_journal *journal, struct store_journal_stats *out_stats)
{
    *out_stats = journal->stats;
}

/* --- appending ------------------------------------------------------------------------------------------- */

/* May a frame of the next `bytes` stand at lsn? */
static bool has_space(const struct store_journal *journal, uint64_t lsn, size_t bytes)
{
    uint64_t free_from = MIN(journal->recorded_lsn, journal->durable_end);

    return lsn + align_up(bytes, journal->header.block_bytes) <= free_from + journal->header.ring_bytes;
}

/* Where the next frame starts if it must hold `bytes`: a frame does not wrap. */
static uint64_t next_start(const struct store_journal *journal, size_t bytes)
{
    uint64_t ring_bytes = journal->header.ring_bytes;
    uint64_t lap_left = ring_bytes - journal->next_lsn % ring_bytes;

    return align_up(bytes, journal->header.block_bytes) <= lap_left ? journal->next_lsn : journal->next_lsn + lap_left;
}

static int gather_begin(struct store_journal *journal, size_t bytes, struct journal_write **out_write)
{
    uint64_t              lsn = next_start(journal, bytes);
    uint64_t              lap_left = journal->header.ring_bytes - lsn % journal->header.ring_bytes;
    struct journal_write *write;
    struct buf           *buf;

    if (!has_space(journal, lsn, bytes)) {
        return ERR_NO_SPACE;
    }
    buf =
        buf_acquire(journal->shard->bufs, MAX(journal->first_buf_bytes, align_up(bytes, journal->header.block_bytes)));
    if (buf == NULL) {
        return ERR_AGAIN;
    }
    write = mem_try_alloc(MEM_STORE, sizeof(*write));
    if (write == NULL) {
        buf_unref(buf);
        return ERR_AGAIN;
    }
    write->journal = journal;
    write->buf = buf;
    write->lsn = lsn;
    write->previous_end = journal->next_lsn;
    write->used_bytes = STORE_JOURNAL_FRAME_HEADER_BYTES;
    write->limit_bytes = MIN(journal->frame_bytes_max, lap_left);
    write->state = WRITE_GATHERING;
    list_init(&write->entries);
    list_push_back(&journal->writes, &write->link);
    *out_write = write;
    return ERR_OK;
}

/* Room for `bytes` more in the gathering frame's buffer, by moving to a larger one. */
static bool gather_grow(struct store_journal *journal, struct journal_write *write, size_t bytes)
{
    size_t      wanted = align_up(write->used_bytes + bytes, journal->header.block_bytes);
    struct buf *larger;

    if (wanted <= write->buf->capacity_bytes) {
        return true;
    }
    larger =
        buf_acquire(journal->shard->bufs, MIN(MAX(wanted, 2 * write->buf->capacity_bytes), journal->frame_bytes_max));
    if (larger == NULL) {
        return false;
    }
    memcpy(larger->data, write->buf->data, write->used_bytes);
    buf_unref(write->buf);
    write->buf = larger;
    return true;
}

/* No further entries: the frame's length is known. */
static void gather_close(struct store_journal *journal, struct journal_write *write)
{
    size_t frame_bytes = align_up(write->used_bytes, journal->header.block_bytes);

    CHECK(write->state == WRITE_GATHERING && write->entry_count > 0);
    CHECK(frame_bytes <= write->buf->capacity_bytes && frame_bytes <= write->limit_bytes);
    memset(write->buf->data + write->used_bytes, 0, frame_bytes - write->used_bytes);
    write->state = WRITE_CLOSED;
    journal->next_lsn = write->lsn + frame_bytes;
    /* The next frame will be about as large: half-way to it, so that one small frame between large ones costs nothing.
     */
    journal->first_buf_bytes = MAX(FIRST_BUF_BYTES, (journal->first_buf_bytes + frame_bytes) / 2);
}

/* The frame that takes `need` more bytes: the gathering one, or a new one behind it. */
static int gather_place(struct store_journal *journal, size_t need, struct journal_write **out_write)
{
    struct journal_write *write = gathering(journal);
    int                   result;

    if (write != NULL && write->used_bytes + need <= write->limit_bytes) {
        if (!has_space(journal, write->lsn, write->used_bytes + need)) {
            return ERR_NO_SPACE;
        }
        if (!gather_grow(journal, write, need)) {
            return ERR_AGAIN;
        }
        *out_write = write;
        return ERR_OK;
    }
    if (write != NULL) {
        gather_close(journal, write);
    }
    result = gather_begin(journal, STORE_JOURNAL_FRAME_HEADER_BYTES + need, out_write);
    if (result != ERR_OK) {
        submit_on_next_turn(journal);
    }
    return result;
}

int store_journal_append(struct store_journal *journal, struct store_journal_entry *entry)
{
    size_t                need = store_journal_entry_bytes(entry->bytes.len);
    struct journal_write *write = NULL;
    int                   result;

    CHECK(entry->first_offset >= 0 && entry->last_offset >= entry->first_offset && entry->done != NULL);
    if (journal->state != JOURNAL_RUNNING || journal->closing) {
        return journal->state == JOURNAL_OFFLINE || journal->state == JOURNAL_CLOSED ? ERR_OFFLINE : ERR_AGAIN;
    }
    if (entry->bytes.len > store_journal_entry_bytes_max(journal)) {
        return ERR_LIMIT;
    }
    result = gather_place(journal, need, &write);
    if (result == ERR_NO_SPACE) {
        journal->space_refused = true;
        record_release(journal);
    }
    if (result != ERR_OK) {
        return result;
    }
    /* The partition has parsed them: anything but whole batches is a bug of ours. */
    CHECK(store_journal_entry_encode(&journal->header, write->lsn, write->buf->data, write->used_bytes, entry));
    write->used_bytes += need;
    write->entry_count++;
    entry->lsn = write->lsn;
    list_init(&entry->link);
    list_push_back(&write->entries, &entry->link);
    submit_on_next_turn(journal);
    return ERR_OK;
}

/* --- writing --------------------------------------------------------------------------------------------- */

static void write_done(struct io_file_op *op);

static void write_start(struct store_journal *journal, struct journal_write *write)
{
    struct store_journal_frame frame = {
        .lsn = write->lsn,
        .previous_end = write->previous_end,
        .durable_end = journal->durable_end,
        .needed_from = journal->released_lsn,
        .frame_bytes = (uint32_t)align_up(write->used_bytes, journal->header.block_bytes),
        .payload_bytes = (uint32_t)write->used_bytes,
        .entry_count = write->entry_count,
    };

    CHECK(write->state == WRITE_CLOSED);
    store_journal_frame_encode(&journal->header, &frame, write->buf->data);
    write->needed_from = frame.needed_from;
    write->state = WRITE_IN_FLIGHT;
    journal->in_flight++;
    io_file_write_all(journal->shard->io, &write->op, journal->file, view_of(write->buf->data, frame.frame_bytes),
                      JOURNAL_RING_OFFSET + write->lsn % journal->header.ring_bytes, IO_WRITE_DURABLE, write_done);
}

void store_journal_submit(struct store_journal *journal)
{
    uint32_t under_way = 0;

    if (journal->state != JOURNAL_RUNNING) {
        return;
    }
    /* What has completed ahead of an earlier one counts: a frame says what was durable when it left, and rot in frames
     * that none says to be durable cannot be told from a torn tail. This keeps them few. */
    LIST_EACH(&journal->writes, node) {
        struct journal_write *write = LIST_ENTRY(node, struct journal_write, link);

        if (under_way >= STORE_JOURNAL_IN_FLIGHT_MAX) {
            break;
        }
        if (write->state == WRITE_GATHERING) {
            gather_close(journal, write);
        }
        if (write->state == WRITE_CLOSED) {
            write_start(journal, write);
        }
        under_way++;
    }
}

static void submit_posted(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, post_op);

    store_journal_submit(journal);
    close_if_quiet(journal);
}

/* Everything that the callbacks of this turn append leaves in one write. */
static void submit_on_next_turn(struct store_journal *journal)
{
    if (io_op_idle(&journal->post_op) && journal->in_flight < STORE_JOURNAL_IN_FLIGHT_MAX) {
        io_post(journal->shard->io, &journal->post_op, submit_posted);
    }
}

/* Moves over what is durable at the head of the queue; the entries go to `out_entries`. */
static void advance(struct store_journal *journal, struct list_node *out_entries)
{
    LIST_EACH(&journal->writes, node) {
        struct journal_write *write = LIST_ENTRY(node, struct journal_write, link);

        if (write->state != WRITE_DONE) {
            break;
        }
        journal->durable_end = write->lsn + align_up(write->used_bytes, journal->header.block_bytes);
        journal->recorded_lsn = MAX(journal->recorded_lsn, write->needed_from);
        journal->stats.writes++;
        journal->stats.write_bytes += align_up(write->used_bytes, journal->header.block_bytes);
        journal->stats.entries += write->entry_count;
        list_splice_back(out_entries, &write->entries);
        write_free(write);
    }
}

static void answer(struct list_node *entries, int result)
{
    struct list_node *node;

    while ((node = list_pop_front(entries)) != NULL) {
        struct store_journal_entry *entry = LIST_ENTRY(node, struct store_journal_entry, link);

        entry->done(entry, result);
    }
}

static void tell_space(struct store_journal *journal)
{
    if (journal->space_refused && journal->state == JOURNAL_RUNNING) {
        journal->space_refused = false;
        if (journal->hooks.space != NULL) {
            journal->hooks.space(journal->hooks.context);
        }
    }
}

static void write_done(struct io_file_op *op)
{
    struct journal_write *write = CONTAINER_OF(op, struct journal_write, op);
    struct store_journal *journal = write->journal;
    struct list_node      entries;
    uint64_t              free_before = MIN(journal->recorded_lsn, journal->durable_end);

    list_init(&entries);
    CHECK(write->state == WRITE_IN_FLIGHT && journal->in_flight > 0);
    journal->in_flight--;
    if (journal->state == JOURNAL_OFFLINE) {
        write_free(write);
        close_if_quiet(journal);
        return;
    }
    if (op->result < 0) {
        uint64_t offset = JOURNAL_RING_OFFSET + write->lsn % journal->header.ring_bytes;

        write->state = WRITE_DONE;
        store__journal_fail(journal, "write", offset, op->result);
        close_if_quiet(journal);
        return;
    }
    write->state = WRITE_DONE;
    advance(journal, &entries);
    answer(&entries, ERR_OK);
    if (journal->state == JOURNAL_RUNNING) {
        if (MIN(journal->recorded_lsn, journal->durable_end) > free_before) {
            tell_space(journal);
        }
        record_release(journal);
        if (!list_empty(&journal->writes)) {
            submit_on_next_turn(journal);
        }
    }
    close_if_quiet(journal);
}

void store__journal_fail(struct store_journal *journal, const char *what, uint64_t file_offset, int error)
{
    struct list_node entries;

    if (journal->state == JOURNAL_OFFLINE) {
        return;
    }
    slog_error("store",
               "journal %s: %s at offset %" PRIu64 " failed: %s; the shard's small appends are refused until restart",
               journal->path, what, file_offset, err_text(error));
    journal->state = JOURNAL_OFFLINE;
    list_init(&entries);
    LIST_EACH(&journal->writes, node) {
        struct journal_write *write = LIST_ENTRY(node, struct journal_write, link);

        list_splice_back(&entries, &write->entries);
        if (write->state != WRITE_IN_FLIGHT) {
            write_free(write);
        }
    }
    answer(&entries, ERR_OFFLINE);
}

/* --- giving space back ----------------------------------------------------------------------------------- */

void store_journal_release(struct store_journal *journal, uint64_t lsn)
{
    CHECK(lsn <= store_journal_head(journal) && lsn % journal->header.block_bytes == 0);
    if (journal->state != JOURNAL_RUNNING || lsn <= journal->released_lsn) {
        return;
    }
    journal->released_lsn = lsn;
    record_release(journal);
}

static void record_release_done(void *context, int result)
{
    struct store_journal *journal = context;

    if (result == ERR_OK && journal->state == JOURNAL_RUNNING) {
        journal->recorded_lsn = MAX(journal->recorded_lsn, journal->header.needed_from);
        tell_space(journal);
    }
    close_if_quiet(journal);
}

/* Released space counts once it is written down. The next frame does that in passing; when the ring is more than half
 * full and no frame is about to leave, the ring's header does it, or a full ring could never move again. */
static void record_release(struct store_journal *journal)
{
    struct store_journal_header header = journal->header;
    uint64_t                    free_from = MIN(journal->recorded_lsn, journal->durable_end);
    struct list_node           *last = list_last(&journal->writes);

    if (journal->state != JOURNAL_RUNNING || journal->header_busy || journal->released_lsn <= journal->recorded_lsn ||
        journal->next_lsn - free_from <= journal->header.ring_bytes / 2) {
        return;
    }
    if (last != NULL && LIST_ENTRY(last, struct journal_write, link)->state < WRITE_IN_FLIGHT) {
        return;
    }
    header.needed_from = journal->released_lsn;
    header.durable_end = journal->durable_end;
    store__journal_write_header(journal, &header, record_release_done, journal);
}

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
static void close_if_quiet(struct store_journal *journal)
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
    submit_on_next_turn(journal);
    close_if_quiet(journal);
}
