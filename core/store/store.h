/* store.h: logs of record batches on stable storage, for the partitions of one shard.
 *
 * A store_log is one partition's ordered run of batches in segments of frames (docs/formats/segment.md); a store holds
 * the logs of one shard together with their common journal, hot cache and flush work (docs/formats/journal.md). D5 and
 * D6 of docs/ARCHITECTURE.md say why.
 *
 * Appending is two steps, so that the one copy of the data can be fused with its checksum: store_log_reserve() hands
 * out the place in the log's open frame, the caller copies batches there and stamps them, store_log_commit() makes them
 * part of the log (or store_log_cancel() forgets them). A commit has three ends, in this order for every log:
 *   speculative end  the next offset to hand out: moves at commit.
 *   durable end      everything below is on stable storage (under the default policy), or was accepted under the
 * topic's weaker policy: moves when a journal or segment write completes; append->done is called then, in offset order.
 *   Only what is below the durable end may be shown to anyone (high watermark = durable end).
 * Small appends of all logs that are there together leave as one durable write into the shard's journal; a log with
 * STORE_DIRECT_BYTES or more pending writes its segment directly. From the journal, frames move to their segments
 * later, in large plain writes; journal space is freed only after those are flushed.
 *
 * A failed or torn durable write takes the log offline: every waiting append fails with ERR_OFFLINE, nothing is retried
 * as if nothing had happened, and the log must be closed and opened again (which reads it back from the disk).
 * ERR_NO_SPACE is refused at reserve, before anything was promised.
 *
 * Threading: one shard. Callbacks run from the shard's loop, never inside the submitting call. Memory: frames in the
 * making, in flight and cached come from the core's buf_pool; over budget store_log_reserve() gives ERR_AGAIN and
 * store_wait_for_memory() says when to try again. */
#ifndef MILLRACE_STORE_H
#define MILLRACE_STORE_H

#include "core/base/timer.h"
#include "core/record/rec.h"
#include "io/io_shard.h"

#define STORE_DIRECT_BYTES_DEFAULT ((uint32_t)(64 * KIB))
#define STORE_SLICES_MAX           256 /* per read: pieces between frame headers and padding */

struct store;
struct store_log;

/* --- one shard's store -------------------------------------------------------------------------------------------- */

struct store_options {
    const char      *directory;      /* <log.dir>/shard-<n>; created when missing */
    struct io_volume volume;         /* as probed by the broker for log.dirs */
    uint64_t         journal_bytes;  /* size of the pre-written ring; default 64 MiB; 0: default */
    uint64_t         cache_bytes;    /* hot frames kept in memory beyond those in flight */
    uint32_t         direct_bytes;   /* threshold, 0: default */
    uint64_t         free_bytes_min; /* below this much free space appends are refused with ERR_NO_SPACE */
    uint64_t         recycle_bytes;  /* files that logs have done with, kept for new segments; 0: none */
    uint32_t         offline_reads;  /* reserved, 0 */
};

struct store_stats {
    uint64_t log_count, segment_count;
    uint64_t journal_writes, journal_bytes, direct_writes, direct_bytes, drain_writes, drain_bytes, syncs;
    uint64_t appended_bytes, read_hot_bytes, read_cold_bytes;
    uint64_t read_disk_bytes, read_waits;    /* asked of the disk; reads that had to wait for it */
    uint64_t spare_bytes;                    /* on disk, in files that belong to no log and wait for a segment */
    uint64_t recycled_files, recycled_bytes; /* segments made of such files */
    uint64_t cache_bytes, memory_bytes;
    uint64_t offline_logs, damaged_ranges;
    bool     space_low;
};

typedef void store_done_fn(void *context, int result);

/* Opens the shard's directory: takes the clean-stop checkpoint if there is one, else reads the journal ring. Logs
 * opened afterwards get what the journal holds for them. done: ERR_OK, or ERR_CORRUPT when the journal is damaged below
 * its durable end (reported; logs named in damage go offline on open, the rest serves). Owned by the shard; `options`
 * is copied. */
struct store *store_create(struct io_shard *shard, const struct store_options *options);
void          store_open(struct store *store, store_done_fn *done, void *context);
/* Every log that exists has been opened: what else an unclean stop left in the journal belongs to deleted topics and is
 * dropped. Until this was called after an unclean stop, the journal may have to stay as it is, and small appends go to
 * their segments one by one. */
void store_logs_opened(struct store *store);
/* Clean stop: completes what is in flight, drains the journal, writes indexes, producer snapshots and the checkpoint;
 * then the store can be destroyed. All logs are closed by it. */
void store_close(struct store *store, store_done_fn *done, void *context);
void store_destroy(struct store *store);
void store_stats(const struct store *store, struct store_stats *out_stats);
/* Where the logs' directories are: for what a room keeps beside one of them. */
const char *store_directory(const struct store *store);
/* Calls back once memory has been released since the last ERR_AGAIN. Several waiters allowed; the node is the caller's.
 */
struct store_memory_wait {
    struct list_node link;
    void (*ready)(struct store_memory_wait *wait);
};
void store_wait_for_memory(struct store *store, struct store_memory_wait *wait);
void store_cancel_wait(struct store *store, struct store_memory_wait *wait);

/* --- one log ------------------------------------------------------------------------------------------------------ */

/* Flush policy: how much may be accepted beyond what is durable (D6). Both 0/INT64_MAX-free: default is durable before
 * acknowledged. */
struct store_policy {
    bool     durable_on_append; /* default true. false: acknowledged once written, flushed by the two limits below */
    uint64_t flush_messages;    /* flush.messages: records accepted since the last flush; 1 = every append (then
                                   durable_on_append) */
    int64_t  flush_ms;          /* flush.ms */
    uint64_t segment_bytes;     /* segment.bytes */
    int64_t  segment_ms;        /* segment.ms */
    uint32_t index_interval_bytes;
    int64_t  retention_ms;    /* -1: none */
    int64_t  retention_bytes; /* -1: none */
    int64_t  file_delete_delay_ms;
    bool     delete_enabled;        /* cleanup.policy has delete */
    bool     compact_enabled;       /* cleanup.policy has compact */
    double   min_cleanable_ratio;   /* min.cleanable.dirty.ratio */
    int64_t  min_compaction_lag_ms; /* min.compaction.lag.ms */
    int64_t  max_compaction_lag_ms; /* max.compaction.lag.ms; segment_ms is not longer than this */
    int64_t  delete_retention_ms;   /* delete.retention.ms */
    bool     preallocate;
    bool     use_reserve; /* appends go on below free_bytes_min: for what it takes to free space again (metadata) */
};

struct store_aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* of its marker */
    bool    seen_;       /* the store's */
};

/* What the partition above keeps in step with the log. All called on the shard's core. */
struct store_hooks {
    void *context;
    /* Every batch above the newest snapshot, in order, while opening after an unclean stop (and after a clean one
     * nothing). */
    void (*replay_batch)(void *context, const struct rec_batch *header);
    /* Writes the state that belongs to the current speculative end (producer states, leader epochs) into a buffer from
     * mem_alloc(MEM_STORE): owned by the store. Called when a segment is rolled and at clean stop. */
    void (*snapshot_write)(void *context, uint8_t **out_bytes, size_t *out_len);
    /* The newest valid snapshot found, before any replay_batch; not called when there is none. ERR_ = ignore it and
     * replay from the log start. */
    int (*snapshot_read)(void *context, struct view bytes, int64_t offset);
    /* The durable end moved (once per completion, not per append). */
    void (*durable)(void *context, int64_t durable_end);
    /* The start moved: retention, DeleteRecords. */
    void (*start_moved)(void *context, int64_t start_offset);
    /* The log went offline: `reason` is for the operator's line, which the store has already written. */
    void (*offline)(void *context, int reason);
    /* For compaction; all may be NULL. Offsets from here on are not decided yet (last stable offset). */
    int64_t (*compact_limit)(void *context);
    /* The sequence or epoch that a live producer's next batch is checked against stands in this batch only. */
    bool (*compact_producer_needs)(void *context, const struct rec_batch *batch);
    /* Aborted transactions with something in [from, to), one by one in any order: *position begins at 0. */
    bool (*aborted_next)(void *context, int64_t from, int64_t to, size_t *position, struct store_aborted *out_aborted);
    /* The markers of aborted transactions in [from, to) are about to go; all their batches have gone before. A snapshot
     * is taken afterwards. */
    void (*aborted_forget)(void *context, int64_t from, int64_t to);
};

struct store_log_options {
    struct uuid         topic_id;
    struct view         topic; /* for messages and the directory's name */
    int32_t             partition;
    struct store_policy policy;
    struct store_hooks  hooks;
    bool                create; /* the metadata image says it exists: true also when the directory is missing */
};

/* Opens or creates <directory>/<topic>-<partition>/ (checked against topic_id). done: ERR_OK; ERR_CORRUPT (damage below
 * the durable end: reported with file and offset, the log serves what is intact below the hole and refuses appends);
 * other ERR_: offline. */
struct store_log *store_log_open(struct store *store, const struct store_log_options *options, store_done_fn *done,
                                 void *context);
/* Waits for what is in flight; keeps the files. done may be NULL. The pointer is dead afterwards. */
void store_log_close(struct store_log *log, store_done_fn *done, void *context);
/* Topic deletion: appends fail from now on, files are renamed away now and removed after file.delete.delay.ms. */
void store_log_delete(struct store_log *log, store_done_fn *done, void *context);
void store_log_set_policy(struct store_log *log, const struct store_policy *policy);

int64_t store_log_start_offset(const struct store_log *log);
int64_t store_log_end_offset(const struct store_log *log);     /* speculative */
int64_t store_log_durable_offset(const struct store_log *log); /* high watermark on one host */
/* Below it everything is on stable storage, whatever the policy is. */
int64_t store_log_flushed_offset(const struct store_log *log);
/* Under a weaker policy: what was accepted goes to stable storage soon, without waiting for the policy's limits. */
void     store_log_flush(struct store_log *log);
uint64_t store_log_size_bytes(const struct store_log *log); /* on disk, frames included */
bool     store_log_online(const struct store_log *log);

/* --- appending --------------------------------------------------------------------------------------------------- */

/* One commit: one or more batches, contiguous offsets. Caller-owned until done. */
struct store_append {
    struct list_node link_;
    int64_t          first_offset; /* the caller's, must equal store_log_end_offset() at commit */
    int64_t          last_offset;
    int64_t          max_timestamp_ms;
    int32_t          leader_epoch;
    int32_t result; /* ERR_OK: durable (or accepted under a weaker policy); ERR_OFFLINE: state of the bytes unknown */
    void (*done)(struct store_append *append);
};

/* Room for `bytes` of batches in the open frame, contiguous; valid until commit or cancel, which must come before
 * anything else is done with this log and before returning to the loop. ERR_AGAIN: no memory now; ERR_NO_SPACE;
 * ERR_OFFLINE; ERR_LIMIT: larger than a segment. */
MUST_USE int store_log_reserve(struct store_log *log, size_t bytes, struct span *out_place);
/* `bytes` <= reserved: the batches, whole, stamped with their offsets. */
void store_log_commit(struct store_log *log, struct store_append *append, size_t bytes);
void store_log_cancel(struct store_log *log);

/* --- reading ----------------------------------------------------------------------------------------------------- */

struct store_read {
    /* in */
    int64_t offset;       /* start <= offset <= end_offset */
    int64_t end_offset;   /* exclusive bound, <= durable offset: no batch with base offset >= this is returned */
    size_t  bytes_max;    /* whole batches until this is passed ... */
    bool    at_least_one; /* ... but the first one also when it is larger */
    bool    pass_empty;   /* batches that compaction emptied are no answer as long as others follow */
    void (*done)(struct store_read *read);
    /* out */
    int32_t result;       /* ERR_OK, ERR_OUT_OF_RANGE, ERR_CORRUPT (damage: reported), ERR_IO, ERR_AGAIN (memory) */
    size_t  bytes;        /* sum of slices */
    int64_t first_offset; /* base offset of the first batch (may be below `offset`) */
    int64_t next_offset;  /* where a following read goes on; == offset when nothing was there */
    bool    has_records;  /* false: only batches that compaction emptied; with pass_empty at the end, or where memory
                             follows */
    uint32_t slice_count;
    struct view
        slices[STORE_SLICES_MAX]; /* batches back to back; each CRC was checked since it last came from the disk */
    struct buf      *holds_[STORE_SLICES_MAX];
    uint32_t         hold_count_;
    struct io_op     op_;
    void            *state_;
    struct list_node link_;
};

/* true: done at once from memory, `done` is not called. false: `done` comes later. Many reads may be in flight. */
MUST_USE bool store_log_read(struct store_log *log, struct store_read *read);
/* What a read at `offset` begins with is in memory: it would not wait for the disk. */
bool store_log_at_hand(const struct store_log *log, int64_t offset);
/* Gives the memory back; after the slices were sent. A read that failed needs it, too. */
void store_read_release(struct store_read *read);

/* First offset whose record timestamp is >= timestamp_ms, below end_offset; exact (walks the batch). */
struct store_time_lookup {
    int64_t timestamp_ms;
    int64_t end_offset;
    int64_t out_offset; /* -1: none */
    int64_t out_timestamp_ms;
    int32_t out_leader_epoch;
    int32_t result;
    void (*done)(struct store_time_lookup *lookup);
    struct store_read read_;
    void             *state_;
};
void store_log_find_time(struct store_log *log, struct store_time_lookup *lookup);
/* Largest batch timestamp below the durable end, and the offset of the record that has it; done from the time index.
 * out_offset -1: empty log. */
void store_log_find_max_time(struct store_log *log, struct store_time_lookup *lookup);

/* DeleteRecords, retention: the start moves to `offset` (<= durable), durably before done; whole segments below it are
 * removed later. */
void store_log_trim(struct store_log *log, int64_t offset, store_done_fn *done, void *context);
/* What somebody has not read yet, from `offset` on, is kept for longer than the policy says: until it is ms_max older
 * or the log is bytes_max larger than that. Not durable; zeroed: nothing is held. */
struct store_keep {
    int64_t offset;
    int64_t bytes_max, ms_max; /* >= 0 */
};
void store_log_keep(struct store_log *log, const struct store_keep *keep);
/* --- compaction -------------------------------------------------------------------------------------------------- */

/* log.cleaner.*: one log of the store at a time is compacted, in slices (docs/COMPACTION.md). Settings may change at
 * any time; they hold from the next pass or slice on. */
struct store_compact_settings {
    bool     enabled;         /* log.cleaner.enable */
    uint64_t map_bytes_max;   /* this store's share of log.cleaner.dedupe.buffer.size */
    uint32_t load_percent;    /* log.cleaner.io.buffer.load.factor */
    uint32_t buffer_bytes;    /* log.cleaner.io.buffer.size: the largest read */
    uint64_t bytes_per_s_max; /* log.cleaner.io.max.bytes.per.second: read and written; UINT64_MAX: no limit */
    int64_t  backoff_ms;      /* log.cleaner.backoff.ms: between looks for something to do */
};
void store_set_compaction(struct store *store, const struct store_compact_settings *settings);

/* Applies retention and time-based rolls now; the store also does so by itself every log.retention.check.interval.ms.
 */
void store_set_retention_check_ms(struct store *store, int64_t interval_ms);

#endif
