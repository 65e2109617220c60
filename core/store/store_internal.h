/* store_internal.h: what the files of core/store share. Private to the room.
 *
 * Objects and who owns them:
 *   store        one shard's logs; owns everything below.
 *   store_log    one partition. Owns its segments and frames.
 *   store_segment one file. `users` counts operations and reads on its handle; a doomed segment goes with its last
 * user. store_frame  one frame in memory: OPEN (takes commits) -> QUEUED (closed, waits for its segment) -> WRITING ->
 * WRITTEN (completed, not yet flushed) -> STORED (durable in its segment) -> evicted. Position and segment are fixed
 * when it is opened, because frames of a log are written one behind the other; so a segment ends exactly where the next
 * one's first frame begins. store_job    a task on behalf of a log. Jobs that change names and headers run one at a
 * time per log, in order (log->jobs); jobs that only open, allocate or sync a file run beside them.
 *
 * Where the bytes of a log are, in offset order:
 *   [start .. cached frames)   on disk only
 *   log->frames[0 .. live)     STORED, kept as cache
 *   log->frames[live ..]       not yet STORED; the last may be OPEN. What of them is acknowledged under the default
 * policy but not STORED is in the journal, and the frame stands in store->claims with the lsn of its first such byte.
 */
#ifndef MILLRACE_STORE_INTERNAL_H
#define MILLRACE_STORE_INTERNAL_H

#include "core/base/map.h"
#include "core/base/slog.h"
#include "core/store/store.h"
#include "core/store/store_frame.h"
#include "core/store/store_index.h"
#include "core/store/store_journal.h"
#include "core/store/store_segment.h"
#include "core/store/store_task.h"

#define STORE_OPEN_FILES_MAX 128 /* per shard; making one holds its directory open, too */
#define STORE_FRAME_GROW_BYTES \
    ((size_t)(64 * KIB)) /* an open frame above this is closed rather than copied to a larger one */
#define STORE_FRAME_OPEN_BYTES       ((size_t)(512 * KIB)) /* largest buffer that is taken ahead of need */
#define STORE_FRAMES_IN_FLIGHT       4  /* writes per log: enough to keep a device queue, few enough to gather */
#define STORE_FRAMES_OUTSTANDING     32 /* closed, unfinished frames per log before reserve says ERR_AGAIN */
#define STORE_INDEX_FILE_ENTRIES_MIN 64 /* below, walking the frames is as quick as reading a file */
#define STORE_ALLOCATE_BYTES_MIN     ((uint64_t)(128 * KIB))
#define STORE_ALLOCATE_BYTES_MAX     ((uint64_t)(64 * MIB))
#define STORE_SYNC_BYTES \
    ((uint64_t)(1 * MIB)) /* drained bytes of a segment that are flushed without waiting for more */
#define STORE_DRAIN_AGE_NS        (3 * NS_PER_S) /* an idle open frame leaves memory and journal after this */
#define STORE_DRAINS_MAX          64             /* idle frames moved at a time: enough to keep the disk busy */
#define STORE_DRAIN_PRESSURE      50             /* percent of the journal in use from which the oldest are drained */
#define STORE_TICK_NS             NS_PER_S
#define STORE_RETRY_NS            (500 * NS_PER_MS) /* after a refused allocation */
#define STORE_MEMORY_RETRY_NS     (5 * NS_PER_MS)
#define STORE_SPACE_CHECK_NS      NS_PER_S
#define STORE_RECOVERIES_MAX      32                  /* logs read back at the same time */
#define STORE_WINDOW_BYTES        ((size_t)(1 * MIB)) /* one cold read */
#define STORE_AHEADS_MAX          64                  /* readers of the disk that are remembered */
#define STORE_AHEAD_DEPTH_MAX     8                   /* windows that a reader has ahead of it */
#define STORE_AHEAD_IDLE_NS       NS_PER_S
#define STORE_READ_SHARE_QUARTERS 3                     /* of the core's memory may be in use when a read takes more */
#define STORE_SCAN_BYTES          ((size_t)(256 * KIB)) /* one read of recovery: a small log in one go */
#define STORE_WINDOW_BYTES_MIN    ((size_t)(64 * KIB))
#define STORE_RETENTION_CHECK_MS  300000
#define STORE_NO_LSN              UINT64_MAX

enum store_frame_state { FRAME_OPEN, FRAME_QUEUED, FRAME_WRITING, FRAME_WRITTEN, FRAME_STORED };

struct store_frame {
    struct list_node          claim_link; /* store->claims, by first_lsn */
    struct list_node          sync_link;  /* segment->unsynced or ->syncing while WRITTEN */
    struct list_node          cache_link; /* store->cached once it is only a cache; store->frames_free when unused */
    struct store_log         *log;
    struct store_segment     *segment; /* NULL once retention took it */
    struct buf               *buf;
    struct store_frame_header header; /* running totals while OPEN */
    enum store_frame_state    state;
    size_t                    used;       /* header and batches, in bytes */
    size_t                    journalled; /* of those; 0: nothing yet */
    bool              at_once;  /* drained by a durable write of its own: nothing else of its segment is to come */
    bool              draining; /* counted in store->drains */
    uint64_t          first_lsn;
    int64_t           claimed_ns; /* when it was first journalled */
    struct io_file_op write;
};

struct store_hold {
    struct list_node link;
    void (*ready)(struct store_hold *hold, int result);
};

struct store_segment {
    struct list_node            lru_link; /* store->open_files: open and without users */
    struct list_node            holds;    /* readers that wait for the handle */
    struct list_node            unsynced; /* frames WRITTEN since the last sync was submitted */
    struct list_node            syncing;
    struct store               *store;
    struct store_log           *log; /* NULL once doomed */
    struct store_segment_header header;
    uint64_t                    end_position; /* where the next frame goes */
    int64_t                     end_offset;
    int64_t                     max_timestamp_ms;
    uint64_t                    next_sequence;
    uint64_t                    allocated_bytes;
    uint64_t                    unsynced_bytes;
    uint64_t                    damage_position; /* reported last; 0: none */
    int64_t                     snapshot_offset; /* of the snapshot beside it, -1: none is known to be there */
    struct store_index         *index;           /* NULL: not in memory */
    struct io_handle            handle;
    uint32_t                    users;
    uint32_t                    unstored; /* frames of it that are not STORED */
    char                       *doomed_path;
    struct store_doomed        *doomed; /* whose file must not be used again while this is there */
    struct store_spare         *spare;  /* the file to make it from, until it is made; NULL: a new one */
    bool                        spare_asked;
    bool                        exists; /* the file, its header and its name are durable */
    bool                        making, opening, allocating, sync_in_flight, sync_wanted, sealing, rolled;
};

/* A task with everything a typical job needs. */
struct store_job {
    struct store_task task;
    struct list_node  link;                 /* log->jobs while serial */
    struct list_node  wait_link;            /* store->slot_waits or names_wanted */
    struct list_node  all_link;             /* store->jobs */
    void (*abandon)(struct store_job *job); /* frees what it holds beyond this struct; may be NULL */
    struct store         *store;
    struct store_log     *log; /* NULL: of the store */
    struct store_segment *segment;
    struct buf           *buf;
    char                 *path;
    uint8_t              *bytes;
    size_t                len;
    struct io_handle      handle;
    int64_t               offset;
    int                   error;
    struct store_hold     hold;
    bool                  serial;
    bool                  slot;    /* of an open file, not yet the handle's */
    bool                  holding; /* counted in segment->users */
    store_done_fn        *done;
    void                 *context;
};

/* A log that is not open: how it was closed, so that opening it needs no disk. `state` NULL: the directory must be
 * read. */
struct store_known {
    char    *name;
    uint8_t *state; /* store_checkpoint.c */
    size_t   state_len;
};

/* Journalled batches of a log that are not in its segments, between recovery of the journal (or an offline log's end)
 * and the opening of the log. */
struct store_held_entry {
    struct list_node link;
    int64_t          first_offset, last_offset;
    size_t           len;
    uint8_t          bytes[];
};

struct store_held {
    struct list_node link; /* store->held_list */
    struct store    *store;
    struct list_node entries;
    struct uuid      topic_id;
    int32_t          partition;
    uint64_t         first_lsn;   /* keeps the ring from reusing them */
    int64_t          durable_end; /* acknowledged up to here, whether the bytes could be read or not */
    bool             in_doubt;    /* and perhaps more: only reading the ring, at the next start, can tell */
    bool             claimed;     /* an opening works with it: it goes when that ends */
};

struct store_opening;
struct store_compaction;
struct store_doomed;
struct store_spare;
struct store_recycle;

struct store_log {
    struct list_node           link;       /* store->logs */
    struct list_node           dirty_link; /* store->dirty: has commits to submit */
    struct store              *store;
    char                      *name; /* <topic>-<partition> */
    char                      *path;
    struct uuid                topic_id;
    int32_t                    partition;
    struct store_policy        policy;
    struct store_keep          keep;
    struct store_hooks         hooks;
    struct store_segment     **segments; /* ascending; the last one takes frames */
    uint32_t                   segment_count, segment_capacity;
    struct store_segment      *next_segment; /* made ahead */
    uint32_t                   next_number;
    struct store_frame       **frames; /* in offset order; see above */
    uint32_t                   frame_count, frame_capacity, frame_live;
    struct store_frame        *open; /* == frames[frame_count - 1], or NULL */
    size_t                     frame_bytes_hint;
    size_t                     reserved_bytes; /* between reserve and commit */
    int64_t                    start_offset, end_offset, durable_end;
    int64_t                    journal_end;  /* durable in the journal, acknowledged or not */
    int64_t                    pending_from; /* first offset neither journalled nor in a closed frame */
    struct list_node           appends;      /* struct store_append, waiting */
    struct store_journal_entry journal_entry;
    struct list_node           jobs;
    uint32_t                   side_jobs;
    uint32_t                   reads;
    uint32_t                   in_flight;        /* frames WRITING */
    uint32_t                   outstanding;      /* frames QUEUED or WRITING that acknowledge appends */
    uint32_t                   unflushed_frames; /* FRAME_ACCEPT and not STORED */
    uint64_t                   unflushed_messages;
    struct timer               flush_timer;
    struct timer               reopen_timer; /* an opening that found no descriptor or memory */
    struct store_job          *reopen_job;
    bool                       directory_exists, directory_making;
    bool                       journal_in_flight;
    bool                       journal_failed; /* an entry of it may or may not stand in the ring */
    bool                       deleting, closing, offline, damaged, opened, pumping, kicking, finishing;
    int64_t                    damage_from; /* damaged: offsets from here on are not served */
    store_done_fn             *close_done;
    void                      *close_context;
    int64_t                    compact_not_before_ns;
    bool                       swapping; /* segments are being replaced: none may leave */
    struct store_opening      *opening;  /* while it is read back */
};

struct store {
    struct io_shard      *shard;
    struct io            *io;
    struct store_options  options;
    char                 *directory;
    uint32_t              block_bytes;
    uint32_t              direct_bytes;
    struct store_journal *journal;
    bool                  journal_ready; /* reset: takes appends */
    bool                  journal_resetting, logs_opened, closing, was_clean, opened;
    struct map            known;     /* directory name -> struct store_known */
    struct list_node      held_list; /* struct store_held */
    struct map            held;      /* by topic id and partition */
    struct list_node      logs;
    struct list_node      jobs; /* all that have begun or wait, for store_destroy() after a power cut */
    struct list_node      dirty;
    struct io_op          turn;
    struct list_node      claims; /* frames by first_lsn */
    uint32_t              drains; /* idle frames on their way to their segments */
    struct list_node      cached; /* frames, oldest first */
    struct list_node      frames_free;
    uint64_t              cache_bytes;
    struct list_node      aheads; /* readers of the disk, the one used last at the end (store_ahead.h) */
    uint32_t              ahead_count;
    uint64_t              ahead_bytes, ahead_bytes_max; /* read, or being read, and not used up */
    struct timer          ahead_timer;
    struct list_node      open_files; /* segments: open, no users; least recently used first */
    uint32_t              open_count;
    uint32_t              slots_used;                   /* open, being opened or being closed */
    struct list_node      slot_waits;                   /* jobs */
    struct list_node      names_wanted, names_flushing; /* jobs */
    bool                  names_busy;
    struct list_node      memory_waits;
    struct timer          tick, memory_timer, retry_timer, retention_timer;
    int64_t               retention_check_ms;
    int64_t               space_checked_ns;
    struct list_node      openings; /* logs waiting to be read back */
    uint32_t              openings_running;
    uint64_t              openings_done; /* since the store was opened */
    uint64_t              openings_from_journal;
    int64_t               openings_said_ns; /* when the operator was told last; 0: before the first */
    struct list_node      doomed;           /* files to remove later (store_doom.c) */
    uint32_t              doomed_running;
    struct store_recycle *recycle; /* spare files (store_recycle.c) */
    uint32_t              side_jobs;
    store_done_fn        *open_done, *close_done;
    void                 *open_context, *close_context;
    struct store_stats    stats;

    struct store_compact_settings compact;
    struct timer                  compact_timer; /* the next look for something to compact */
    struct store_compaction      *compaction;    /* under way */
};

/* --- jobs and paths (store.c) ------------------------------------------------------------------------------------- */

/* Begins at the next chance: serial jobs of a log one behind the other, others now. */
struct store_job *store__job_new(struct store *store, struct store_log *log, struct store_segment *segment,
                                 store_task_fn *run);
/* For a struct that begins with a store_job: `job` is zeroed memory. */
void store__job_init(struct store_job *job, struct store *store, struct store_log *log, struct store_segment *segment,
                     store_task_fn *run);
void store__job_start(struct store_job *job);
void store__job_start_serial(struct store_job *job);
/* The job's last call: frees it, begins the next serial one, goes on with the log. */
void store__job_end(struct store_job *job);
/* Memory from mem_alloc(MEM_STORE). */
char *store__path(const char *directory, const char *name);
char *store__segment_path(const struct store_log *log, uint32_t number, const char *suffix);
void  store__tick_arm(struct store *store);
void  store__memory_freed(struct store *store);
bool  store__space_low(struct store *store);
void  store__retry_later(struct store *store);

/* --- segments and files (store_file.c) ---------------------------------------------------------------------------- */

struct store_segment *store__segment_new(struct store_log *log, uint32_t number);
void                  store__log_add_segment(struct store_log *log, struct store_segment *segment);
void                  store__segment_free(struct store_segment *segment);
/* True: the handle is valid and counted. False: hold->ready comes later. */
bool store__segment_hold(struct store_segment *segment, struct store_hold *hold);
void store__segment_use(struct store_segment *segment);
void store__segment_drop(struct store_segment *segment);
/* Starts opening the file unless it is open or being opened; the log is pumped afterwards. */
void store__segment_want_open(struct store_segment *segment);
/* Starts making the file (and the log's directory), or activating the one made ahead. */
void store__segment_want_ready(struct store_segment *segment);
bool store__segment_ready(const struct store_segment *segment);
void store__segment_want_room(struct store_segment *segment, uint64_t end_position);
void store__segment_want_sync(struct store_segment *segment);
/* In a job: counts it on job->segment's handle, opening the file first if need be. True: done, task->result is ERR_OK.
 * False: the task is resumed with the result. store__job_end() gives it back. */
bool store__job_hold(struct store_job *job);
void store__job_drop(struct store_job *job);
/* In a job: fills job->buf with the header and submits it durably to the older copy. */
void store__segment_header_submit(struct store_job *job, struct store_segment *segment);
/* The same for a new file, in memory for as many blocks as there are copies, which stays until the task is resumed: all
 * copies, or two, if segment->spare says that it is not new. */
void store__segment_header_first(struct store_task *task, struct store_segment *segment, struct io_handle file,
                                 uint8_t *memory);
bool store__slot_take(struct store *store, struct store_job *job);
void store__slot_give(struct store *store);
void store__names_sync(struct store *store, struct store_job *job);
void store__segment_seal(struct store_segment *segment);
struct store_index_identity store__index_identity(const struct store_segment *segment);
uint32_t                    store__open_flags(const struct store *store);
/* Closes idle handles, e.g. before a directory is renamed; counts stay right. */
void store__segment_close_handle(struct store_segment *segment);
/* --- frames (store_cache.c, store_append.c, store_write.c) -------------------------------------------------------- */

struct store_frame *store__frame_new(struct store_log *log);
void                store__frame_free(struct store_frame *frame);
/* The frame that holds `offset`, or the first one behind it; index, or frame_count. */
uint32_t store__frames_find(const struct store_log *log, int64_t offset);
void     store__frames_push(struct store_log *log, struct store_frame *frame);
/* Frames at the front that became STORED turn into cache. */
void store__frames_settle(struct store_log *log);
void store__cache_trim(struct store *store, uint64_t bytes_max);
void store__cache_forget(struct store_log *log);
/* Cached frames that end below. */
void store__cache_forget_below(struct store_log *log, int64_t offset);
/* Takes a buffer; gives cache back for it when it must. NULL: over budget. */
struct buf *store__buf(struct store *store, size_t bytes);
/* The same for what goes to readers, who may keep it for long: they leave some for appends. */
struct buf *store__buf_for_read(struct store *store, size_t bytes);

void store__log_roll(struct store_log *log);
void store__log_dirty(struct store_log *log);
void store__frame_close(struct store_log *log, enum store_frame_mode mode);
void store__turn(struct io_op *op);

void store__log_pump(struct store_log *log);
void store__log_offline(struct store_log *log, int reason, const char *what);
void store__frame_stored(struct store_frame *frame);
void store__journal_release(struct store *store);
void store__journal_done(struct store_journal_entry *entry, int result);
/* Everything below is on stable storage. */
int64_t store__log_flushed_end(const struct store_log *log);
void    store__log_want_flush(struct store_log *log);
/* --- the rest ---------------------------------------------------------------------------------------------------- */

void store__drain_tick(struct store *store);
void store__drain_more(struct store *store);
/* Goes on with a close or a deletion when what it waited for is over. */
void store__log_kick(struct store_log *log);
void store__log_free(struct store_log *log);
/* What the journal holds for a log, or NULL. It stays in the list, and the ring is not reused, until it is freed. */
struct store_held *store__held_find(struct store *store, struct uuid topic_id, int32_t partition);
/* The same, made when missing. */
struct store_held *store__held_get(struct store *store, struct uuid topic_id, int32_t partition);
void               store__held_free(struct store_held *held);
void               store__held_add(struct store_held *held, int64_t first, int64_t last, struct view bytes);
/* The state as it is now, beside the active segment: written as soon as all it tells of is on stable storage. */
void store__snapshot_take(struct store_log *log);
/* What the segments before the `from`-th tell of the partition's state stands in a snapshot of a later one. */
bool store__snapshot_covers(const struct store_log *log, uint32_t from);
void store__held_check(struct store *store); /* resets the journal when nothing is held any more */

/* Clean stop and what is known of closed logs (store_checkpoint.c). */
#define STORE_CHECKPOINT_NAME      "checkpoint"
#define STORE_CHECKPOINT_BYTES_MAX ((uint64_t)(1 * GIB))
void store__checkpoint_void(struct store_job *job);
int  store__checkpoint_load(struct store *store, struct view content);
void store__known_free(struct store_known *known);
/* Remembers a log that was closed in good order; `snapshot` is what the partition above wants back. */
void store__known_put(struct store_log *log, struct view snapshot);
void store__known_unread(struct store *store, const char *name);
void store__known_forget(struct store *store, const char *name);
/* Fills a log from what is known; *out_snapshot lies inside known->state. ERR_CORRUPT: read the directory instead. */
MUST_USE int store__known_restore(struct store_log *log, const struct store_known *known, struct view *out_snapshot);
void         store__close_kick(struct store *store);

/* Files and directories on their way out (store_doom.c). '~' cannot stand in a topic's name. */
#define STORE_DOOMED_MARK '~'
char *store__doomed_path(struct store *store);
/* A directory renamed to such a path; takes `path`. The other: one of an earlier run, by name. */
void store__doom_path(struct store *store, char *path, int64_t delay_ms);
void store__doom_directory(struct store *store, const char *name, int64_t delay_ms);
/* Takes a segment that left its log: closed with its last user, removed after the delay. */
void store__doom_segment(struct store_segment *segment, int64_t delay_ms);
bool store__doom_leave(struct store *store, const char *directory);
/* The last user of a doomed segment is gone. */
void store__doom_unused(struct store_doomed *doomed);
void store__doom_forget(struct store *store);
void store__doom_run(struct store *store);

/* Retention and snapshots (store_retain.c). */
#define STORE_SNAPSHOT_HEAD_BYTES ((size_t)40)
struct store_snapshot {
    int64_t     offset; /* all below it is in the state */
    bool        early;  /* of a version that did not wait until that was durable */
    struct view bytes;  /* inside the file's */
};
MUST_USE int store__snapshot_check(struct view file, uint64_t segment_id, struct store_snapshot *out_snapshot);
void         store__retention_due(struct timer *timer);
/* Rolls when the active segment is too old to take more. */
void store__retain_roll(struct store_log *log);
/* Looks for something to compact some time from now on (store_compact.c). */
void store__compact_arm(struct store *store);

/* Ends an opening: the job's done is called, and the job is over. */
void store__log_opened(struct store_job *job, int result);

/* Reading (store_read.c, store_lookup.c). */
/* In a job whose job->segment has no index: loads or rebuilds it. The job is resumed when it is there, or could not be
 * had (result < 0). */
void store__index_want(struct store_segment *segment, struct store_task *task);
/* The segment in which a batch with that offset would stand; NULL: there is none. */
struct store_segment *store__segment_of(const struct store_log *log, int64_t offset);
/* What was read for readers of a log goes with it. */
void store__ahead_forget(struct store_log *log);
/* Segments were replaced: reads that are under way look for their place again, others begin anew. */
void store__ahead_stale(struct store_log *log);
/* Forgets the reader that was used longest ago, with its memory. False: all are at work. */
bool store__ahead_drop_oldest(struct store *store);

/* Reading a log back after an unclean stop (store_open.c). */
void store__opening_start(struct store_log *log, struct store_job *job);

#endif
