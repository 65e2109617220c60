/* store_compact.h: one pass of compaction over one log; private to core/store.
 *
 *   pick (store_compact_pick.c)  which log, from which offset on it is dirty, up to where it may be cleaned
 *   index                        the newest offset of each key in [dirty, limit), as far as memory goes: to map_end
 *   per group of segments        what stays of them is written to a file of its own, flushed, and takes their place
 *                                by one durable header write (store_compact_copy.c, store_compact_swap())
 *
 * The pass reads like any reader, so it sees what was verified, and runs in slices of STORE_COMPACT_SLICE_BYTES between
 * which the loop goes on. Stopped anywhere, it leaves nothing but a file that the next opening removes; groups that
 * were finished stay. The first dirty offset is not kept anywhere but in the headers of the segments. */
#ifndef MILLRACE_STORE_COMPACT_H
#define MILLRACE_STORE_COMPACT_H

#include "core/store/store_compact_rules.h"
#include "core/store/store_internal.h"

#define STORE_COMPACT_SLICE_BYTES ((size_t)(32 * KIB)) /* inflated records looked at in one go: about 0.1 ms */
/* One read and one frame of the new segment: an append's write that comes behind it waits for so much. */
#define STORE_COMPACT_READ_MAX     ((uint32_t)(128 * KIB))
#define STORE_COMPACT_FRAME_MIN    ((size_t)(128 * KIB))
#define STORE_COMPACT_PAUSE_MAX_NS (100 * NS_PER_MS) /* so that a stop is seen */
#define STORE_COMPACT_REST_MAX_NS  (10 * NS_PER_MS)
/* Time for others to one part for the pass, while appends arrive; else one to one. */
#define STORE_COMPACT_REST_SHARES 3
#define STORE_COMPACT_INFLATE_MAX ((size_t)(64 * MIB)) /* batches that hold more are kept as they are */
#define STORE_COMPACT_ARENA_MAX   ((size_t)(256 * MIB))
#define STORE_COMPACT_BUFFER_MIN  ((uint32_t)(64 * KIB))
#define STORE_COMPACT_FAILED_NS   (600 * NS_PER_S) /* a log that cannot be compacted is left alone for so long */

/* What of a log may be compacted now. */
struct store_compact_range {
    int64_t  start;       /* of the log */
    int64_t  dirty;       /* first offset that no map has held yet */
    int64_t  limit;       /* base of the first segment that must stay as it is */
    uint64_t clean_bytes; /* of segments below dirty */
    uint64_t dirty_bytes; /* of those up to limit */
    bool     overdue;     /* max.compaction.lag.ms */
};

enum store_copy_step {
    COPY_MORE,  /* the slice is over */
    COPY_FLUSH, /* the frame has to be written before the batch that is next fits */
    COPY_END,   /* everything that was read is copied */
};

struct store_compaction {
    struct store_job           job; /* first; beside the log's other jobs */
    struct timer               pause;
    struct store_read          read;
    struct store_compact_range range;
    struct store_compact_map   map;
    struct store_compact_rules rules;
    struct store_aborted      *aborted;
    size_t                     aborted_count, aborted_capacity;
    bool                       rules_begun;
    struct arena               arena; /* of one batch */
    int64_t                    map_end;
    int64_t                    at; /* next offset to be read */
    /* where in what was read */
    uint32_t          slice;
    struct view       rest;
    struct rec_batch  batch;
    struct rec_filter filter;
    bool              in_batch;
    struct view       ready; /* waits for room in the frame */
    uint8_t           empty[REC_HEADER_BYTES];
    /* the group: segments [first .. ] by identity, and the one that takes their place */
    uint64_t                 *source_ids;
    uint32_t                  source_count, source_capacity;
    int64_t                   group_base, group_end;
    struct store_segment     *target;
    struct buf               *out;
    size_t                    used;
    struct store_frame_header header;
    int64_t                  *forgotten; /* offsets of markers of aborted transactions that go */
    size_t                    forgotten_count, forgotten_capacity;
    char                     *index_path;
    uint8_t                  *index_bytes;
    size_t                    index_len;
    uint32_t                  tries;
    /* pace and figures */
    int64_t  began_ns, slice_ns;
    int64_t  work_ns;        /* when the last rest ended */
    uint64_t journal_writes; /* by then */
    int64_t  turn_max_ns;    /* the longest turn of the loop with a slice in it */
    uint64_t moved_bytes;
    uint64_t read_bytes, written_bytes, records_before, records_after;
    bool     full; /* of the map */
    bool     resting;
};

/* store_compact_pick.c */
/* Below it everything was held against the keys that follow, up to it. */
int64_t store__compact_dirty(const struct store_log *log);
/* False: nothing of the log may be compacted. */
MUST_USE bool store__compact_range(const struct store_log *log, int64_t now_ms, struct store_compact_range *out_range);
/* The log that is dirtiest of those that are due, or NULL. */
struct store_log *store__compact_pick(struct store *store, struct store_compact_range *out_range);
/* The next segments from `from` on that together become one: into compaction->source_ids. False: none. */
MUST_USE bool store__compact_group(struct store_compaction *compaction, int64_t from);
/* Where they are in log->segments; segment_count when they are not there one behind the other any more. */
uint32_t store__compact_place(const struct store_compaction *compaction);

/* store_compact_copy.c */
enum store_copy_step store__compact_copy(struct store_compaction *compaction, int *out_error);
int                  store__compact_index(struct store_compaction *compaction);
void                 store__compact_walk(struct store_compaction *compaction); /* begins with what was read */
/* False: no memory now. */
MUST_USE bool store__compact_frame_begin(struct store_compaction *compaction);
void          store__compact_frame_close(struct store_compaction *compaction);
void          store__compact_target(struct store_compaction *compaction);
/* The target stands for its sources from now on. */
void store__compact_swap(struct store_compaction *compaction, uint32_t place);

/* store_compact.c */
bool store__compact_stopped(const struct store_compaction *compaction);
void store__compact_next(struct store_compaction *compaction, store_task_fn *run);
void store__compact_group_run(struct store_task *task); /* the next group, or the end */
void store__compact_fail(struct store_compaction *compaction, int result);
void store__compact_end(struct store_compaction *compaction, int result);
/* store_compact_swap.c */
void store__compact_finish(struct store_task *task);
void store__compact_discard(struct store_task *task); /* job.error says why */
void store__compact_due(struct timer *timer);

#endif
