/* store_journal_internal.h: the journal's state, shared by store_journal.c (running) and store_journal_open.c
 * (starting). */
#ifndef MILLRACE_STORE_JOURNAL_INTERNAL_H
#define MILLRACE_STORE_JOURNAL_INTERNAL_H

#include "core/store/store_journal_format.h"
#include "io/io_file.h"

#define JOURNAL_HEADER_SPACING ((uint64_t)(64 * KIB)) /* the copies share no block, whatever the volume */
#define JOURNAL_RING_OFFSET    (STORE_JOURNAL_HEADER_COPIES * JOURNAL_HEADER_SPACING)

#define JOURNAL_WINDOW_BYTES ((size_t)(2 * MIB)) /* read at a time while opening: holds any frame */

enum journal_state {
    JOURNAL_CREATED,
    JOURNAL_OPENING,
    JOURNAL_RECOVERED, /* read back; waits for reset */
    JOURNAL_RUNNING,
    JOURNAL_OFFLINE,
    JOURNAL_CLOSED,
};

enum journal_write_state {
    WRITE_GATHERING, /* the last one, still takes entries */
    WRITE_CLOSED,    /* full or at the end of a lap, waits for a place in flight */
    WRITE_IN_FLIGHT,
    WRITE_DONE, /* durable, waits for those before it */
};

/* One frame on its way to the disk. */
struct journal_write {
    struct list_node         link; /* in journal->writes, LSN order */
    struct io_file_op        op;
    struct store_journal    *journal;
    struct buf              *buf;
    uint64_t                 lsn;
    uint64_t                 previous_end;
    uint64_t                 needed_from; /* as written into the frame */
    size_t                   used_bytes;
    size_t                   limit_bytes; /* it ends there: the end of the lap or the largest frame */
    uint32_t                 entry_count;
    enum journal_write_state state;
    struct list_node         entries;
};

/* Reading back: what lives only while opening. */
struct journal_scan {
    bool                        unreadable; /* a read failed: what stands there may be read at another time */
    struct io_stat              stat;
    struct buf                 *buf;
    uint64_t                    window_at; /* position in the ring of the window in buf */
    size_t                      window_bytes;
    bool                        careful; /* a read failed: block by block until past it */
    uint64_t                    careful_until;
    size_t                      whole_frame_bytes; /* careful: the window is to hold exactly this frame; 0: a block */
    struct store_journal_frame *frames;
    size_t                      frame_count, frame_capacity;
    size_t                      replay_at;
    struct store_journal_plan   plan;
    uint64_t                    zeroed_bytes; /* creating */
    bool                        damaged;
    int                         failure;
};

struct store_journal {
    struct io_shard   *shard;
    char              *directory;
    char              *path;
    char              *temporary_path;
    struct io_volume   volume;
    uint64_t           wanted_bytes; /* ring bytes for a new file */
    bool               direct;
    enum journal_state state;
    struct io_handle   file;
    struct io_op       op; /* open, close, rename, posts of the start and stop sequence */
    struct io_file_op  file_op;

    struct store_journal_header header; /* as last written or read */
    struct buf                 *header_buf;
    struct io_file_op           header_op;
    uint32_t                    header_copy;
    bool                        header_busy;
    store_done_fn              *header_done;
    void                       *header_context;
    struct store_journal_header header_next; /* being written */

    struct store_journal_hooks hooks;
    store_done_fn             *done; /* of open, reset or close, whichever runs */
    void                      *done_context;
    struct journal_scan        scan;

    size_t           frame_bytes_max;
    size_t           first_buf_bytes; /* what recent frames needed */
    uint64_t         next_lsn;        /* end of the last closed frame */
    uint64_t         released_lsn;
    uint64_t         recorded_lsn; /* the largest released_lsn that is durably written down: space below is free */
    uint64_t         durable_end;
    struct list_node writes;
    uint32_t         in_flight;
    int64_t          recorded_ns; /* when the header was last written for that */
    bool             space_refused;
    struct io_op     post_op; /* submit on the next turn */
    bool             closing;

    struct store_journal_stats stats;
};

/* --- store_journal_life.c */

/* Writes `header` (update is set here) into both copies, one after the other, durably. One at a time. */
void store__journal_write_header(struct store_journal *journal, const struct store_journal_header *header,
                                 store_done_fn *done, void *context);
/* Bytes written per copy: whole blocks. */
static inline size_t store__journal_header_bytes(const struct store_journal *journal)
{
    return MAX(journal->volume.block_bytes, BUF_BYTES_MIN);
}
/* The journal is of no use any more: every waiting entry gets ERR_OFFLINE. */
void store__journal_fail(struct store_journal *journal, const char *what, uint64_t file_offset, int error);
/* Calls the pending done of open, reset or close. */
void store__journal_finish(struct store_journal *journal, int result);
/* Goes on with closing once nothing is under way. */
void store__journal_close_if_quiet(struct store_journal *journal);

/* --- store_journal.c */

void store__journal_write_free(struct journal_write *write);
/* Everything that the callbacks of this turn append leaves in one write. */
void store__journal_submit_soon(struct store_journal *journal);

/* --- store_journal_open.c, store_journal_make.c */

/* Frees what only opening needs and calls its done. */
void store__journal_open_end(struct store_journal *journal, int result);
/* Says so to the operator, closes the file, ends opening. */
void     store__journal_open_fail(struct store_journal *journal, const char *what, int error);
uint32_t store__journal_open_flags(const struct store_journal *journal);
/* There is no file: makes one, then ends opening. */
void store__journal_make(struct store_journal *journal);

#endif
