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
#define RECORD_IDLE_NS  NS_PER_S /* two more flushes a second at most */
/* While a write is under way, less than this waits and leaves with what comes meanwhile: what a write costs hardly
 * depends on its size, and a device flushes for one at a time. */
#define SECOND_BYTES_MIN ((size_t)(256 * KIB))

static void record_release(struct store_journal *journal);

void store__journal_write_free(struct journal_write *write)
{
    list_remove(&write->link);
    buf_unref(write->buf);
    mem_free(MEM_STORE, write);
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

bool store_journal_unreadable(const struct store_journal *journal)
{
    return journal->scan.unreadable;
}

bool store_journal_online(const struct store_journal *journal)
{
    return journal->state == JOURNAL_RECOVERED || journal->state == JOURNAL_RUNNING;
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
    size_t                first_bytes;

    if (!has_space(journal, lsn, bytes)) {
        return ERR_NO_SPACE;
    }
    first_bytes = MAX(MAX(journal->first_buf_bytes, FIRST_BUF_BYTES), align_up(bytes, journal->header.block_bytes));
    buf = buf_acquire(journal->shard->bufs, first_bytes);
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
    /* The next frame will be about as large as the largest of late: growing copies it. */
    journal->first_buf_bytes = MAX(MAX(FIRST_BUF_BYTES, frame_bytes), journal->first_buf_bytes / 8 * 7);
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
        store__journal_submit_soon(journal);
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
    store__journal_submit_soon(journal);
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
            if (journal->in_flight > 0 && write->used_bytes < SECOND_BYTES_MIN) {
                break;
            }
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
    store__journal_close_if_quiet(journal);
}

/* Everything that the callbacks of this turn append leaves in one write. */
void store__journal_submit_soon(struct store_journal *journal)
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
        store__journal_write_free(write);
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
        store__journal_write_free(write);
        store__journal_close_if_quiet(journal);
        return;
    }
    if (op->result < 0) {
        uint64_t offset = JOURNAL_RING_OFFSET + write->lsn % journal->header.ring_bytes;

        write->state = WRITE_DONE;
        store__journal_fail(journal, "write", offset, op->result);
        store__journal_close_if_quiet(journal);
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
            store__journal_submit_soon(journal);
        }
    }
    store__journal_close_if_quiet(journal);
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
            store__journal_write_free(write);
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
    store__journal_close_if_quiet(journal);
}

/* Must the ring's header say what was released? When the ring is more than half full and no frame is about to leave
 * that would say so in passing: a full ring could never move again. And now and then when nothing is left in need: a
 * start then replays nothing, and rot in the newest frames, which none calls durable yet, no longer matters. */
static bool record_wanted(const struct store_journal *journal)
{
    uint64_t                free_from = MIN(journal->recorded_lsn, journal->durable_end);
    const struct list_node *last = list_last(&journal->writes);

    if (journal->state != JOURNAL_RUNNING || journal->header_busy || journal->released_lsn <= journal->recorded_lsn) {
        return false;
    }
    if (last == NULL && journal->released_lsn == journal->next_lsn &&
        io_now_ns(journal->shard->io) - journal->recorded_ns >= RECORD_IDLE_NS) {
        return true;
    }
    return journal->next_lsn - free_from > journal->header.ring_bytes / 2 &&
           (last == NULL || LIST_ENTRY(last, struct journal_write, link)->state >= WRITE_IN_FLIGHT);
}

/* Released space counts once it is written down: by the next frame, or by the header. */
static void record_release(struct store_journal *journal)
{
    struct store_journal_header header = journal->header;

    if (record_wanted(journal)) {
        header.needed_from = journal->released_lsn;
        header.durable_end = journal->durable_end;
        journal->recorded_ns = io_now_ns(journal->shard->io);
        store__journal_write_header(journal, &header, record_release_done, journal);
    }
}
