/* coord_log.h: one partition of an internal topic under a coordinator: replayed at start, then append-then-apply.
 *
 * Life: loading -> active -> (failed -> loading ...) -> closed. Loading reads the partition from its log start to its
 * end, in slices, and gives every record to the machine in order; the machine is active from then on.
 *
 * Writing: an event's records are added with coord_log_add() and closed with coord_log_commit(): they stand in one
 * batch or not at all. The machine applies them to its own state at once (speculative); `done` runs when they are
 * durable, in order of commits. Commits of one turn of the loop share a batch, and while one batch is on its way the
 * next one gathers, up to COORD_BATCH_BYTES_MAX. A commit without records waits for everything before it: so a read
 * that must not show what is not durable is a commit, too.
 *
 * A failed append: everything that waits ends with its error, the machine forgets all it knows (unload) and the
 * partition is read again; nothing speculative survives.
 *
 * Transactional records (TxnOffsetCommit) go in batches of their own under the producer's id; their marker comes
 * through coord_log_marker(), and replay gives both in the order of the log.
 *
 * Threading: one shard. done and all machine callbacks come from the loop, never from inside these functions, with one
 * exception: a partition that is empty when it is opened is active at once (loaded() runs inside coord_log_open()), so
 * that the first client of a new topic need not come again. Replay inside commit never happens: the caller applies.
 *
 * A partition that is deleted closes its log by itself: unload(NOT_COORDINATOR), state COORD_LOG_CLOSED; it is still
 * ended with coord_log_close(). A marker that the partition refuses (a newer epoch has written) ends its own write with
 * that error and changes nothing else. */
#ifndef MILLRACE_COORD_LOG_H
#define MILLRACE_COORD_LOG_H

#include "core/part/part.h"

#define COORD_BATCH_BYTES_MAX (512 * 1024) /* below the default max.message.bytes */

struct coord_log;

/* One record as replay shows it. Views live during the call. */
struct coord_record {
    struct view key;
    struct view value; /* base NULL: tombstone */
    int64_t     offset;
    int64_t     timestamp_ms;
    int64_t     producer_id; /* -1: not transactional */
    int16_t     producer_epoch;
};

/* What replays and is told: the groups or the transactions of one partition. */
struct coord_machine {
    void (*replay)(struct coord_machine *machine, const struct coord_record *record);
    /* A transaction marker, after its records. */
    void (*marker)(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit);
    /* Everything has been replayed. The machine arms its timers now. */
    void (*loaded)(struct coord_machine *machine);
    /* The log failed or is closed: forget everything, disarm all timers; waiting calls get `error`. */
    void (*unload)(struct coord_machine *machine, int16_t error);
};

/* Embedded in what waits for durability. */
struct coord_write {
    void (*done)(struct coord_write *write, int16_t error); /* 0, or what the client is told: COORDINATOR_NOT_AVAILABLE,
                                                                NOT_COORDINATOR, MESSAGE_TOO_LARGE, ... */
    struct list_node link_;
    uint64_t         sequence_;
};

enum coord_log_state { COORD_LOG_LOADING, COORD_LOG_ACTIVE, COORD_LOG_FAILED, COORD_LOG_CLOSED };

struct coord_log *coord_log_open(struct io_shard *shard, struct part *part, struct coord_machine *machine);
/* Ends it; waiting writes that are on their way are awaited, then done. */
void                 coord_log_close(struct coord_log *log, void (*done)(void *context), void *context);
enum coord_log_state coord_log_state(const struct coord_log *log);
/* What a client is told while it is not active: 0 when active. */
int16_t coord_log_error(const struct coord_log *log);

/* Copies. value.base NULL: tombstone. While the log is not active, what is added is dropped by the commit, and the
 * write ends with coord_log_error(). */
void coord_log_add(struct coord_log *log, struct view key, struct view value);
/* Whether what was added since the last commit goes into one batch of this partition; if not, coord_log_drop() and tell
 * the client: a machine asks before it applies anything whose size a client decides. */
MUST_USE bool coord_log_fits(const struct coord_log *log);
/* Forgets what was added since the last commit. */
void coord_log_drop(struct coord_log *log);
/* Everything added since the last commit is one atomic write. write may be NULL (nobody waits). */
void coord_log_commit(struct coord_log *log, struct coord_write *write);
/* The same for a transaction's records: added records until the commit go in a batch of this producer. A sequence
 * number is not needed: the coordinator is the only writer. */
void coord_log_commit_txn(struct coord_log *log, int64_t producer_id, int16_t producer_epoch,
                          struct coord_write *write);
/* The marker of a transaction that wrote here; the machine's marker() runs when it is durable, before write->done. */
void coord_log_marker(struct coord_log *log, int64_t producer_id, int16_t producer_epoch, bool commit,
                      int32_t coordinator_epoch, int16_t transaction_version, struct coord_write *write);

/* Seconds and records of the last load, for the log line and the figures. */
struct coord_log_figures {
    uint64_t records, bytes, load_ns;
};
struct coord_log_figures coord_log_figures(const struct coord_log *log);

#endif
