/* part.h: partitions: what Kafka's semantics add to a log. One shard owns a partition; everything here runs on its
 * core.
 *
 * A part wraps one store_log and adds offsets' meaning (log start, high watermark = durable end, last stable offset),
 * checking and stamping of produced batches, idempotent producers (KIP-98, KIP-360), leader epochs (KIP-101), and
 * waiting readers. Errors are Kafka's codes (core/proto/kp_error.h), because every outcome here is one that Kafka has a
 * name for.
 *
 * Speculative and durable state (D6): a batch changes the producer's speculative state when it is committed to the log
 * and the durable state when the log's durable end passes it. A duplicate of a batch that is still in flight waits for
 * the same durable end. A log that goes offline takes its part offline: waiting appends fail with KAFKA_STORAGE_ERROR,
 * reads of what is still known good go on, and the part is opened again by the operator's restart (or part_retry).
 *
 * Transactions (KIP-98, KIP-890): a producer's transaction is open here from its first batch to its marker. The first
 * batch of a client is let in only with a guard that says that the coordinator was asked after the newest marker
 * (part_txn_admit); so a batch that comes late cannot open a transaction that nobody would ever end. Aborted
 * transactions are remembered until the log's start has passed them, because readers of committed data need them.
 *
 * Threading: one shard. No callback of this room runs inside the call that armed it: they come from the loop. Memory: a
 * part and its producers come from mem_*; an append allocates only for a producer it has not seen before, a
 * transaction's start and end, and recompression.
 *
 * Nothing below is shown to a reader before it is durable. */
#ifndef MILLRACE_PART_H
#define MILLRACE_PART_H

#include "core/base/map.h"
#include "core/proto/kp_error.h"
#include "core/record/rec.h"
#include "core/store/store.h"

#define PART_PRODUCER_BATCHES 5      /* batches remembered per producer (ProducerStateEntry.java) */
#define PART_PRODUCERS_MAX    100000 /* per part; beyond it the producer idle for longest is forgotten */
#define PART_MARKER_BYTES     96     /* holds a batch with one transaction marker */

struct part;
struct part_table;

/* A topic's settings as far as a partition needs them; built from the metadata image's configuration (core/meta). */
struct part_settings {
    struct store_policy policy;
    uint32_t            batch_bytes_max;         /* max.message.bytes */
    bool                log_append_time;         /* message.timestamp.type */
    bool                keys_required;           /* cleanup.policy has compact */
    int64_t             timestamp_before_max_ms; /* message.timestamp.before.max.ms */
    int64_t             timestamp_after_max_ms;
    int                 codec;              /* compression.type: enum rec_codec, or -1 = "producer" (keep) */
    int                 codec_level;        /* compression.<codec>.level, 0 = default */
    int64_t             producer_expiry_ms; /* producer.id.expiration.ms */
};

struct part_options {
    struct uuid          topic_id;
    struct view          topic;
    int32_t              partition;
    int32_t              leader_epoch;
    bool                 internal; /* clients may not produce to it */
    struct part_settings settings;
};

/* --- the shard's partitions -------------------------------------------------------------------------------------- */

struct part_table *part_table_create(struct io_shard *shard, struct store *store);
void               part_table_destroy(struct part_table *table); /* all parts closed */
size_t             part_table_count(const struct part_table *table);
/* Appends that somebody waits for: how many are under way, and how many have been since the start. For work that leaves
 * the disk to them. */
struct part_urgent {
    uint64_t under_way, count;
};
struct part_urgent part_table_urgent(const struct part_table *table);
/* NULL when this shard does not own it. A partition that is still opening is found (part_ready() false). */
struct part *part_find(struct part_table *table, struct view topic, int32_t partition);
struct part *part_find_id(struct part_table *table, struct uuid topic_id, int32_t partition);
/* The next one at or after *position, in order of opening; NULL at the end. */
struct part *part_table_next(struct part_table *table, size_t *position);

/* Opens or creates. done with a Kafka error: 0, or KAFKA_STORAGE_ERROR (the part exists, offline). Many may be opening
 * at once. */
typedef void part_done_fn(void *context, int16_t error);
struct part *part_open(struct part_table *table, const struct part_options *options, part_done_fn *done, void *context);
/* Topic deletion. Waiting appends and reads fail with UNKNOWN_TOPIC_OR_PARTITION; the pointer is dead at once. */
void part_delete(struct part *part, part_done_fn *done, void *context);
/* Opens an offline part again: closes its log and reads it back from the disk. Only for a part that is ready and not
 * online. */
void part_retry(struct part *part, part_done_fn *done, void *context);
/* All of them, cleanly (broker stop); the store is closed by the caller afterwards. Waiting appends and reads fail with
 * NOT_LEADER_OR_FOLLOWER, which sends clients to look for the leader again. */
void part_table_close(struct part_table *table, part_done_fn *done, void *context);
void part_set_settings(struct part *part, const struct part_settings *settings);
void part_set_leader_epoch(struct part *part, int32_t leader_epoch);

/* --- what is known ----------------------------------------------------------------------------------------------- */

bool        part_ready(const struct part *part);
bool        part_online(const struct part *part);
struct uuid part_topic_id(const struct part *part);
struct view part_topic(const struct part *part);
int32_t     part_index(const struct part *part);
int32_t     part_leader_epoch(const struct part *part);
int64_t     part_log_start(const struct part *part);
int64_t     part_high_watermark(const struct part *part);
int64_t     part_last_stable_offset(const struct part *part);
/* Below it everything is on stable storage, also under a topic's weaker flush policy; part_flush() moves it on, soon.
 */
int64_t                     part_flushed_offset(const struct part *part);
void                        part_flush(struct part *part);
int64_t                     part_log_end(const struct part *part); /* speculative */
uint64_t                    part_size_bytes(const struct part *part);
const struct part_settings *part_settings_of(const struct part *part);
/* Kafka's check of a request's current_leader_epoch: 0, FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH; -1 is no check. */
int16_t part_check_epoch(const struct part *part, int32_t current_leader_epoch);

/* --- append ------------------------------------------------------------------------------------------------------ */

/* Caller-owned until done. Appends to one part are done in the order of the calls, also when one of them has to be
 * checked or recompressed in slices, or has to wait for memory. */
struct part_append {
    /* in */
    struct view records;      /* exactly one batch; valid until done or part_append_taken() */
    bool        zstd_allowed; /* Produce 7 and later */
    bool        internal;     /* a coordinator's or job's own write: control batches and internal topics allowed */
    bool        flush;        /* done only when it is on stable storage, also under a topic's weaker flush policy */
    bool        background;   /* nobody waits for it: not counted by part_table_urgent() */
    bool        wait_durable; /* false (acks=0): done as soon as it is committed or refused; still written durably */
    uint64_t    guard;        /* of the ticket a transactional batch was let in with; 0: none. A coordinator's own
                                 batches (internal) are held to theirs when they name one */
    int16_t marker_version;   /* of a marker: what coordinator and producer speak (part_marker) */
    bool    foreign;          /* of a marker: not by the owner of a reserved producer id */
    void (*done)(struct part_append *append);
    /* out */
    int16_t     error; /* Kafka's code; 0 also for a duplicate, which then shows the first append's offset and time */
    const char *error_message;    /* static text or NULL */
    int32_t     bad_record_index; /* -1: the batch as a whole */
    int64_t     base_offset;      /* -1 on error */
    int64_t     last_offset;
    int64_t     append_time_ms; /* -1 unless LogAppendTime */
    int64_t     log_start_offset;
    /* private */
    struct list_node      link_;
    struct part          *part_;
    struct store_append   store_;
    struct rec_check      check_;
    struct rec_recompress recompress_;
    uint32_t              state_;
    struct arena         *arena_; /* holds the recompressed batch */
    struct rec_batch      batch_; /* what will be written */
    int64_t               wait_offset_;
};

/* done is never called inside this function. */
void part_append(struct part *part, struct part_append *append);
/* The records are in the log's memory, and those of the caller are not looked at any more. Not if it was refused. */
bool part_append_taken(const struct part_append *append);

/* --- transactions ------------------------------------------------------------------------------------------------ */

/* The end of a producer's transaction in this partition, written by its coordinator. Caller-owned until done. A marker
 * is appended whether or not the transaction has data here, as in Kafka, and also when it comes again. */
struct part_marker {
    /* in */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    int16_t version; /* transaction.version: from 2 on the epoch must be above that of an open transaction (KIP-890) */
    bool    commit;
    bool    flush;      /* as of part_append */
    bool    background; /* as of part_append */
    bool    by_owner;   /* of a reserved producer id: others get INVALID_PRODUCER_EPOCH */
    void (*done)(struct part_marker *marker);
    void *user;
    /* out */
    int16_t error;  /* 0: durable; INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED: do not come again;
                       KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION: ask again, elsewhere */
    int64_t offset; /* -1 on error */
    /* private */
    struct part_append append_;
    uint8_t            bytes_[PART_MARKER_BYTES];
};
/* done is never called inside this function. */
void part_append_marker(struct part *part, struct part_marker *marker);

/* Before a client's transactional batch is appended. Caller-owned; while it asks or waits it must stay. */
struct part_ticket {
    /* in */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    bool    adds; /* Produce 12 and later: asking adds the partition to the transaction */
    /* After PART_ADMIT_WAIT, from the loop. 0: admit again; else the error of the one that was asked for. */
    void (*ready)(struct part_ticket *ticket, int16_t error);
    /* out */
    uint64_t guard; /* for part_append.guard */
    /* private */
    struct list_node link_, followers_;
    bool             shares_; /* the error of the one it waits for */
};

enum part_admission {
    PART_ADMIT_GO,      /* append it now, with the guard */
    PART_ADMIT_ASK,     /* ask the coordinator, then part_txn_answer() */
    PART_ADMIT_WAIT,    /* somebody asks for the same producer: ready() follows, in the order of the calls */
    PART_ADMIT_REFUSED, /* INVALID_PRODUCER_EPOCH */
};

MUST_USE enum part_admission part_txn_admit(struct part *part, struct part_ticket *ticket);
/* What the coordinator said (0, or an error of Kafka's). part NULL when it has gone meanwhile. Those that wait behind
 * this ticket are moved to out_followers (initialised by the caller): append or answer the ticket's own batch, then let
 * them go with part_txn_wake(). */
void part_txn_answer(struct part *part, struct part_ticket *ticket, int16_t error, struct list_node *out_followers);
void part_txn_wake(struct list_node *followers, int16_t error);

/* A transaction that was aborted, in the order of their markers. */
struct part_aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;   /* of its marker */
    int64_t stable_offset; /* transactions with later markers begin at or above this */
};
/* Those with something in [from, to), one by one: *position begins at 0. Also such whose marker is not durable yet. */
bool part_aborted_next(const struct part *part, int64_t from, int64_t to, size_t *position,
                       struct part_aborted *out_aborted);
/* Compaction has removed all data of the aborted transactions whose markers lie in [from, to) and is about to remove
 * the markers: they must be forgotten first, also by the snapshot a restart would read. A reader that knew an aborted
 * transaction but never met its marker would skip the producer's next one. */
void part_aborted_forget(struct part *part, int64_t from, int64_t to);

/* --- reserved producer ids --------------------------------------------------------------------------------------- */

/* Producer ids of writers inside the broker (jobs), which end their transactions themselves: on this shard's parts
 * batches of clients and markers of others are refused with INVALID_PRODUCER_EPOCH, which the tools for hanging
 * transactions understand as final. Reserving twice, or releasing what is not reserved, is harmless. */
void part_table_reserve(struct part_table *table, int64_t producer_id);
void part_table_release(struct part_table *table, int64_t producer_id);
bool part_table_reserved(const struct part_table *table, int64_t producer_id);

/* --- read -------------------------------------------------------------------------------------------------------- */

struct part_read {
    /* in */
    int64_t offset;
    size_t  bytes_max;
    bool    at_least_one;
    bool    pass_empty; /* as in store_read: for consumers */
    bool    committed;  /* read_committed: bounded by the last stable offset */
    /* For `aborted` when `committed`; NULL: not wanted. Over budget the read fails with KAFKA_STORAGE_ERROR. */
    struct arena *arena;
    void (*done)(struct part_read *read);
    void *user; /* the caller's */
    /* out */
    int16_t error; /* 0, OFFSET_OUT_OF_RANGE, KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE */
    int64_t high_watermark, last_stable_offset, log_start_offset;
    /* Aborted transactions with something between `offset` and the end of what was read, by first offset. */
    struct part_aborted *aborted;
    int32_t              aborted_count;
    struct store_read    store; /* its slices are the records; release with part_read_release() */
    struct part         *part_;
    struct list_node     link_;
};

/* true: done at once, `done` is not called. false: it comes later. When there is no memory for it, a read with
 * at_least_one waits for some; one without gives no bytes and no error, so that a fetch that already holds slices never
 * waits for other fetches to let go of theirs. Set at_least_one therefore only while the fetch holds none. */
MUST_USE bool part_read(struct part *part, struct part_read *read);
void          part_read_release(struct part_read *read);
/* What a read there begins with is in memory: it would not wait for the disk. */
bool part_at_hand(const struct part *part, int64_t offset);
/* Bytes a reader at `offset` could get now, without reading: for min_bytes. Close for what was appended since the part
 * was opened; older offsets are counted at the log's average density. 0 exactly when a read would give nothing. */
uint64_t part_available_bytes(struct part *part, int64_t offset, bool committed);

/* A long poll's place in a part: `ready` is called (from the loop) when the readable end moves, the part goes away or
 * goes offline. Stays armed until removed; the caller embeds one per partition it waits on. */
struct part_waiter {
    struct list_node link;
    void (*ready)(struct part_waiter *waiter);
    struct part *part; /* NULL after the part has gone */
};
void part_wait(struct part *part, struct part_waiter *waiter);
void part_unwait(struct part_waiter *waiter);

/* --- keeping off retention ---------------------------------------------------------------------------------------- */

/* What a job has not read yet is kept for longer than the topic says, up to these limits past it (store_keep). Stays
 * until removed; the caller embeds one for each partition. Several of one part: the lowest offset, the largest
 * limits. */
struct part_keep {
    struct list_node link;
    struct part     *part; /* NULL after the part has gone */
    int64_t          offset, bytes_max, ms_max;
};
/* Begins, or moves to another offset. */
void part_keep(struct part *part, struct part_keep *keep, int64_t offset);
void part_unkeep(struct part_keep *keep);

/* --- offsets ----------------------------------------------------------------------------------------------------- */

/* ListOffsets by timestamp (>= 0) or by KIP's sentinels -1 latest, -2 earliest, -3 max timestamp, -4 earliest local, -5
 * latest tiered. */
struct part_offset_lookup {
    int64_t timestamp_ms;
    bool    committed;
    void (*done)(struct part_offset_lookup *lookup);
    int16_t                  error;
    int64_t                  offset;           /* -1: none */
    int64_t                  out_timestamp_ms; /* -1: none */
    int32_t                  leader_epoch;     /* -1: none */
    struct store_time_lookup store_;
    struct part             *part_;
};
/* true: done at once. */
MUST_USE bool part_find_offset(struct part *part, struct part_offset_lookup *lookup);
/* OffsetForLeaderEpoch: the largest epoch <= asked and its end offset; -1/-1 when unknown. */
void part_epoch_end(const struct part *part, int32_t epoch, int32_t *out_epoch, int64_t *out_end_offset);
/* DeleteRecords: offset -1 = high watermark. done gets 0 or OFFSET_OUT_OF_RANGE; the new start is part_log_start(). */
void part_delete_records(struct part *part, int64_t offset, part_done_fn *done, void *context);

/* --- producers (for DescribeProducers and tests) ----------------------------------------------------------------- */

struct part_producer_info {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence;
    int64_t last_timestamp_ms;
    int32_t coordinator_epoch; /* of its newest marker; -1: none */
    int64_t txn_first_offset;  /* of its open transaction; -1: none */
};
bool part_producer_next(const struct part *part, size_t *position, struct part_producer_info *out_info);
/* False: the part does not know it. */
bool part_producer_find(const struct part *part, int64_t producer_id, struct part_producer_info *out_info);

#endif
