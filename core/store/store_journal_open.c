/* store_journal_open.c: reads the ring back: header, scan of every block, decision, replay.
 *
 * Reading goes over the whole ring in windows larger than a frame. The first pass finds frames and whether they are
 * whole; the decision (store_journal_decide) is pure; the second pass replays. Nothing is written before reset, so that
 * a crash in between changes nothing. Blocks that cannot be read count as damaged, one by one. */
#include "core/base/slog.h"
#include "core/store/store_journal_internal.h"

#include <stdlib.h>

STATIC_CHECK(JOURNAL_WINDOW_BYTES >= 2 * STORE_JOURNAL_FRAME_BYTES_MAX);

static void load_start(struct store_journal *journal);
static void load_reopen(struct io_op *op);
static void scan_next(struct store_journal *journal);
static void replay_next(struct store_journal *journal);

/* --- the end of opening ---------------------------------------------------------------------------------- */

void store__journal_open_end(struct store_journal *journal, int result)
{
    struct journal_scan *scan = &journal->scan;

    buf_unref(scan->buf);
    mem_free(MEM_STORE, scan->frames);
    scan->buf = NULL;
    scan->frames = NULL;
    journal->state = result == ERR_OK || result == ERR_CORRUPT ? JOURNAL_RECOVERED : JOURNAL_OFFLINE;
    store__journal_finish(journal, result);
}

static void open_fail_closed(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    journal->file = IO_HANDLE_NONE;
    store__journal_open_end(journal, journal->scan.failure);
}

void store__journal_open_fail(struct store_journal *journal, const char *what, int error)
{
    slog_error("store", "journal %s: %s failed: %s", journal->path, what, err_text(error));
    journal->scan.failure = error;
    if (io_handle_valid(journal->file)) {
        io_close(journal->shard->io, &journal->op, journal->file, open_fail_closed);
        return;
    }
    store__journal_open_end(journal, error);
}

static void open_stat_done(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    if (op->result < 0 && op->result != ERR_NOT_FOUND) {
        store__journal_open_fail(journal, "stat", op->result);
        return;
    }
    journal->header_buf = buf_acquire(journal->shard->bufs, store__journal_header_bytes(journal));
    journal->scan.buf = buf_acquire(journal->shard->bufs, JOURNAL_WINDOW_BYTES);
    if (journal->header_buf == NULL || journal->scan.buf == NULL) {
        store__journal_open_fail(journal, "memory for opening", ERR_NO_MEMORY);
        return;
    }
    if (op->result == ERR_NOT_FOUND) {
        store__journal_make(journal);
    } else {
        load_start(journal);
    }
}

void store_journal_open(struct store_journal *journal, const struct store_journal_hooks *hooks, store_done_fn *done,
                        void *context)
{
    CHECK(journal->state == JOURNAL_CREATED && hooks->replay != NULL);
    journal->state = JOURNAL_OPENING;
    journal->hooks = *hooks;
    journal->done = done;
    journal->done_context = context;
    io_stat(journal->shard->io, &journal->op, journal->path, &journal->scan.stat, open_stat_done);
}

/* --- header ---------------------------------------------------------------------------------------------- */

/* The newest valid copy; false: none is. */
static bool choose_header(struct store_journal *journal, struct view bytes)
{
    bool found = false;

    for (uint64_t copy = 0; copy < STORE_JOURNAL_HEADER_COPIES; copy++) {
        struct store_journal_header header;
        uint64_t                    at = copy * JOURNAL_HEADER_SPACING;

        if (at < bytes.len &&
            store_journal_header_decode(view_of(bytes.base + at, bytes.len - at), &header) == ERR_OK &&
            (!found || header.update > journal->header.update)) {
            journal->header = header;
            found = true;
        }
    }
    return found;
}

/* Both headers are gone, and with them the salt of every frame: the ring can only be started anew, under another
 * identity. */
static void load_without_header(struct store_journal *journal)
{
    struct store_journal_damage damage = {.file_offset = 0, .bytes = journal->scan.stat.size_bytes};
    uint64_t                    size = journal->scan.stat.size_bytes;

    slog_error(
        "store",
        "journal %s: neither copy of its header can be read; appends that were acknowledged from it and not yet in "
        "their segments are lost",
        journal->path);
    if (size >= JOURNAL_RING_OFFSET + STORE_JOURNAL_BYTES_MIN) {
        journal->wanted_bytes = align_down(size - JOURNAL_RING_OFFSET, JOURNAL_HEADER_SPACING);
    }
    journal->header =
        (struct store_journal_header){.ring_bytes = journal->wanted_bytes, .block_bytes = journal->volume.block_bytes};
    io_random(journal->shard->io, span_of(journal->header.identity.bytes, sizeof(journal->header.identity.bytes)));
    journal->stats.damaged_ranges++;
    if (journal->hooks.damage != NULL) {
        journal->hooks.damage(journal->hooks.context, &damage);
    }
    store__journal_open_end(journal, ERR_CORRUPT);
}

static void load_header_next(struct store_journal *journal);

static void load_headers_read(struct store_journal *journal)
{
    if (!choose_header(journal, view_of(journal->scan.buf->data, JOURNAL_RING_OFFSET))) {
        load_without_header(journal);
        return;
    }
    if (journal->header.mark == STORE_JOURNAL_CLEAN) {
        store__journal_open_end(journal, ERR_OK);
        return;
    }
    if (journal->direct && journal->header.block_bytes < journal->volume.direct_align_bytes) {
        /* Written on a volume with smaller blocks and moved here. */
        journal->direct = false;
        io_close(journal->shard->io, &journal->op, journal->file, load_reopen);
        return;
    }
    scan_next(journal);
}

/* Each copy by itself: one that cannot be read must not hide the other. */
static void load_header_done(struct io_file_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, file_op);

    if (op->result < 0) {
        journal->scan.unreadable = true;
        slog_error("store", "journal %s: copy %" PRIu32 " of its header cannot be read: %s", journal->path,
                   journal->header_copy, err_text(op->result));
    }
    if (++journal->header_copy < STORE_JOURNAL_HEADER_COPIES) {
        load_header_next(journal);
        return;
    }
    load_headers_read(journal);
}

static void load_header_next(struct store_journal *journal)
{
    uint64_t at = journal->header_copy * JOURNAL_HEADER_SPACING;

    io_file_read_full(journal->shard->io, &journal->file_op, journal->file,
                      span_of(journal->scan.buf->data + at, store__journal_header_bytes(journal)), at,
                      load_header_done);
}

static void load_opened(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    if (op->result < 0) {
        store__journal_open_fail(journal, "open", op->result);
        return;
    }
    journal->file = (struct io_handle){op->result};
    memset(journal->scan.buf->data, 0, JOURNAL_RING_OFFSET);
    journal->header_copy = 0;
    load_header_next(journal);
}

static void load_start(struct store_journal *journal)
{
    io_open(journal->shard->io, &journal->op, journal->path, store__journal_open_flags(journal), load_opened);
}

static void load_reopen(struct io_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, op);

    journal->file = IO_HANDLE_NONE;
    load_start(journal);
}

/* --- windows --------------------------------------------------------------------------------------------- */

/* Reads the window at scan->window_at; what lies behind the end of the file reads as zeros. */
static void window_read(struct store_journal *journal, size_t bytes, io_file_done_fn *done)
{
    struct journal_scan *scan = &journal->scan;

    scan->window_bytes = bytes;
    memset(scan->buf->data, 0, bytes);
    io_file_read_full(journal->shard->io, &journal->file_op, journal->file, span_of(scan->buf->data, bytes),
                      JOURNAL_RING_OFFSET + scan->window_at, done);
}

/* --- first pass: which frames are there ------------------------------------------------------------------ */

static bool scan_add(struct journal_scan *scan, const struct store_journal_frame *frame)
{
    if (scan->frame_count == scan->frame_capacity) {
        size_t                      capacity = MAX(256, scan->frame_capacity * 2);
        struct store_journal_frame *larger = mem_try_alloc(MEM_STORE, capacity * sizeof(*larger));

        if (larger == NULL) {
            return false;
        }
        if (scan->frame_count != 0) {
            memcpy(larger, scan->frames, scan->frame_count * sizeof(*larger));
        }
        mem_free(MEM_STORE, scan->frames);
        scan->frames = larger;
        scan->frame_capacity = capacity;
    }
    scan->frames[scan->frame_count++] = *frame;
    return true;
}

/* Looks at every block of the window that does not lie inside a whole frame. A frame that reaches out of the window is
 * left for the next one, which begins with it. False: no memory. */
static bool scan_window(struct store_journal *journal)
{
    struct journal_scan *scan = &journal->scan;
    uint64_t             end = scan->window_at + scan->window_bytes;
    uint64_t             at = scan->window_at;

    while (at < end) {
        struct store_journal_frame frame;
        struct view                rest = view_of(scan->buf->data + (at - scan->window_at), end - at);

        if (!store_journal_frame_decode(&journal->header, rest, at, &frame)) {
            at += journal->header.block_bytes;
            continue;
        }
        if (frame.frame_bytes > rest.len && (at > scan->window_at || scan->whole_frame_bytes == 0)) {
            scan->whole_frame_bytes = scan->careful ? frame.frame_bytes : 0;
            break;
        }
        frame.whole = frame.frame_bytes <= rest.len && store_journal_frame_whole(&journal->header, &frame, rest);
        if (!scan_add(scan, &frame)) {
            return false;
        }
        /* Behind the head of a frame that is not whole an older or newer one may stand. */
        at += frame.whole ? frame.frame_bytes : journal->header.block_bytes;
        scan->whole_frame_bytes = 0;
    }
    scan->window_at = at;
    return true;
}

static int compare_frames(const void *left, const void *right)
{
    const struct store_journal_frame *a = left;
    const struct store_journal_frame *b = right;

    return (a->lsn > b->lsn) - (a->lsn < b->lsn);
}

static void report_gap(struct store_journal *journal, uint64_t lsn, uint64_t bytes)
{
    struct store_journal_damage damage = {
        .lsn = lsn,
        .file_offset = JOURNAL_RING_OFFSET + lsn % journal->header.ring_bytes,
        .bytes = bytes,
    };

    slog_error(
        "store",
        "journal %s: %" PRIu64 " bytes at offset %" PRIu64
        " are damaged below the durable end: acknowledged appends of unknown logs are lost unless their segments "
        "hold them",
        journal->path, bytes, damage.file_offset);
    journal->scan.damaged = true;
    journal->stats.damaged_ranges++;
    if (journal->hooks.damage != NULL) {
        journal->hooks.damage(journal->hooks.context, &damage);
    }
}

static void scan_decide(struct store_journal *journal)
{
    struct journal_scan *scan = &journal->scan;

    if (scan->frame_count > 1) {
        qsort(scan->frames, scan->frame_count, sizeof(*scan->frames), compare_frames);
    }
    store_journal_decide(&journal->header, scan->frames, scan->frame_count, &scan->plan);
    journal->stats.frames_cut = scan->plan.cut_count;
    if (scan->plan.replay_count + scan->plan.damaged_count + scan->plan.cut_count > 0) {
        slog_info("store",
                  "journal %s: replaying %" PRIu32 " writes, %" PRIu32 " unacknowledged ones at the torn tail are cut",
                  journal->path, scan->plan.replay_count + scan->plan.damaged_count, scan->plan.cut_count);
    }
    scan->careful = false;
    scan->replay_at = 0;
    replay_next(journal);
}

static void scan_read_done(struct io_file_op *op)
{
    struct store_journal *journal = CONTAINER_OF(op, struct store_journal, file_op);
    struct journal_scan  *scan = &journal->scan;

    if (op->result < 0) {
        if (!scan->careful) {
            scan->careful = true;
            scan->careful_until = scan->window_at + scan->window_bytes;
            scan_next(journal);
            return;
        }
        if (scan->whole_frame_bytes != 0 && scan->window_bytes > journal->header.block_bytes) {
            /* The frame's head could be read, all of it cannot: look at its first block alone, as not whole. */
            window_read(journal, journal->header.block_bytes, scan_read_done);
            return;
        }
        scan->unreadable = true;
        slog_error("store", "journal %s: the block at offset %" PRIu64 " cannot be read: %s", journal->path,
                   JOURNAL_RING_OFFSET + scan->window_at, err_text(op->result));
        scan->window_at += journal->header.block_bytes;
        scan->whole_frame_bytes = 0;
        scan_next(journal);
        return;
    }
    if (!scan_window(journal)) {
        store__journal_open_fail(journal, "memory for reading back", ERR_NO_MEMORY);
        return;
    }
    scan_next(journal);
}

static void scan_next(struct store_journal *journal)
{
    struct journal_scan *scan = &journal->scan;
    uint64_t             rest = journal->header.ring_bytes - scan->window_at;

    if (rest == 0) {
        scan_decide(journal);
        return;
    }
    if (scan->careful && scan->window_at >= scan->careful_until && scan->whole_frame_bytes == 0) {
        scan->careful = false;
    }
    if (scan->careful) {
        size_t bytes = scan->whole_frame_bytes != 0 ? scan->whole_frame_bytes : journal->header.block_bytes;

        window_read(journal, MIN(bytes, rest), scan_read_done);
        return;
    }
    window_read(journal, MIN(JOURNAL_WINDOW_BYTES, rest), scan_read_done);
}

/* --- second pass: replay --------------------------------------------------------------------------------- */

static void report_entry(struct store_journal *journal, const struct store_journal_frame *frame, size_t place,
                         const struct store_journal_record *record)
{
    struct store_journal_damage damage = {
        .lsn = frame->lsn,
        .file_offset = JOURNAL_RING_OFFSET + frame->lsn % journal->header.ring_bytes + place,
        .bytes = record != NULL ? record->bytes.len : frame->payload_bytes - place,
        .entry_known = record != NULL,
    };

    if (record != NULL) {
        char topic[UUID_TEXT_BYTES];

        damage.topic_id = record->topic_id;
        damage.partition = record->partition;
        damage.first_offset = record->first_offset;
        damage.last_offset = record->last_offset;
        uuid_format(record->topic_id, topic);
        slog_error("store",
                   "journal %s: the acknowledged batches at offset %" PRIu64 " of topic id %s, partition %" PRId32
                   ", offsets %" PRId64 " to %" PRId64 ", are damaged",
                   journal->path, damage.file_offset, topic, record->partition, record->first_offset,
                   record->last_offset);
    } else {
        slog_error("store",
                   "journal %s: %" PRIu64 " acknowledged bytes at offset %" PRIu64
                   " are damaged, of which logs cannot be told",
                   journal->path, damage.bytes, damage.file_offset);
    }
    journal->scan.damaged = true;
    journal->stats.damaged_ranges++;
    if (journal->hooks.damage != NULL) {
        journal->hooks.damage(journal->hooks.context, &damage);
    }
}

/* Hands out what is intact in the frame and reports the rest. `bytes` may be short when part of it cannot be read. */
static void replay_frame(struct store_journal *journal, const struct store_journal_frame *frame, struct view bytes)
{
    struct store_journal_record record;
    size_t                      place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    size_t                      start = place;
    bool                        intact = false;
    int                         result = ERR_CORRUPT;

    while (bytes.len >= frame->frame_bytes &&
           (result = store_journal_entry_decode(&journal->header, frame, bytes, &place, &record, &intact)) == 1) {
        if (intact) {
            journal->hooks.replay(journal->hooks.context, &record);
        } else {
            report_entry(journal, frame, start, &record);
        }
        start = place;
    }
    if (result != 0) {
        report_entry(journal, frame, start, NULL);
    }
    journal->stats.frames_replayed++;
}

/* Skips what is not needed, reporting the holes on the way; the frame to replay next, or NULL at the end. */
static const struct store_journal_frame *replay_frame_next(struct store_journal *journal)
{
    struct journal_scan *scan = &journal->scan;

    for (; scan->replay_at < scan->frame_count; scan->replay_at++) {
        const struct store_journal_frame *frame = &scan->frames[scan->replay_at];

        if (frame->verdict == STORE_JOURNAL_REPLAY || frame->verdict == STORE_JOURNAL_DAMAGED) {
            return frame;
        }
    }
    return NULL;
}

static void replay_window(struct store_journal *journal, size_t valid_bytes)
{
    struct journal_scan              *scan = &journal->scan;
    const struct store_journal_frame *frame;

    while ((frame = replay_frame_next(journal)) != NULL) {
        uint64_t position = frame->lsn % journal->header.ring_bytes;

        if (position < scan->window_at || position + frame->frame_bytes > scan->window_at + scan->window_bytes) {
            break;
        }
        if (frame->gap_bytes > 0) {
            report_gap(journal, frame->lsn - frame->gap_bytes, frame->gap_bytes);
        }
        replay_frame(journal, frame,
                     view_of(scan->buf->data + (position - scan->window_at),
                             valid_bytes == 0 ? 0 : scan->window_at + scan->window_bytes - position));
        scan->replay_at++;
    }
    replay_next(journal);
}

static void replay_read_done(struct io_file_op *op)
{
    struct store_journal             *journal = CONTAINER_OF(op, struct store_journal, file_op);
    const struct store_journal_frame *frame = replay_frame_next(journal);

    if (op->result < 0 && journal->scan.window_bytes > frame->frame_bytes) {
        /* Something behind this frame may be what cannot be read. */
        window_read(journal, frame->frame_bytes, replay_read_done);
        return;
    }
    journal->scan.unreadable |= op->result < 0;
    replay_window(journal, op->result < 0 ? 0 : journal->scan.window_bytes);
}

static void replay_next(struct store_journal *journal)
{
    struct journal_scan              *scan = &journal->scan;
    const struct store_journal_frame *frame = replay_frame_next(journal);

    if (frame == NULL) {
        if (scan->plan.tail_gap_bytes > 0) {
            report_gap(journal, scan->plan.end, scan->plan.tail_gap_bytes);
        }
        store__journal_open_end(journal, scan->damaged ? ERR_CORRUPT : ERR_OK);
        return;
    }
    scan->window_at = frame->lsn % journal->header.ring_bytes;
    window_read(journal, MIN(JOURNAL_WINDOW_BYTES, journal->header.ring_bytes - scan->window_at), replay_read_done);
}
