/* part_internal.h: what the files of core/part share. Private to the room.
 *
 * Life of an append: queue (in the order of the calls; only its head is worked on) -> committed to the log (owned by
 * the store until it is durable) or finished (its answer waits for the next turn of the loop). Duplicates of batches in
 * flight wait in `duplicates`.
 *
 * A part's memory lives as long as somebody may still call back into it: `holds` counts the table, posted turns and
 * everything given to the store. Once `gone_error` is set nothing new begins. */
#ifndef MILLRACE_PART_INTERNAL_H
#define MILLRACE_PART_INTERNAL_H

#include "core/base/bytes.h"
#include "core/part/part.h"

#define PART_CHECK_SLICE_BYTES ((size_t)(256 * KIB)) /* inflated bytes per turn: well below 1 ms for every codec */
/* The same for recompression, which costs several times as much: one window of core/record. */
#define PART_RECOMPRESS_SLICE_BYTES (PART_CHECK_SLICE_BYTES / 4)
#define PART_MARKS_MAX              64 /* even: thinning keeps every second one */
#define PART_EXPIRY_CHECK_MS        (60 * MS_PER_S)
#define PART_EXPIRY_GRACE_MS \
    (10 * 60 * MS_PER_S) /* nobody expires sooner than this after a start, whatever the wall clock says */
#define PART_TOPIC_BYTES_MAX 249

#define PART_PRODUCER_KEY_BYTES 8

/* A producer id as the key of a map; `key` is the caller's, and has to live as long as the view. */
static inline struct view part__producer_key(uint8_t key[PART_PRODUCER_KEY_BYTES], int64_t producer_id)
{
    store_le64(key, (uint64_t)producer_id);
    return view_of(key, PART_PRODUCER_KEY_BYTES);
}

/* One remembered batch of a producer. */
struct part_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t first_offset;
    int64_t last_offset;
    int64_t timestamp_ms;
};

/* A transaction with data in this part: open, or closed by a marker that is not durable yet. Both hold back the last
 * stable offset. */
struct part_txn {
    struct list_node open_link;  /* part->txns, by first offset; free list when unused */
    struct list_node close_link; /* part->closing, by marker offset */
    int64_t          producer_id;
    int64_t          first_offset;
    int64_t          marker_offset; /* -1: open */
};

/* What a producer's state was when everything of it was durable for the last time. */
struct part_producer_mark {
    int64_t last_timestamp_ms;
    int32_t last_sequence;
    int32_t coordinator_epoch;
    int16_t epoch; /* -1: unknown then */
};

struct part_producer {
    struct list_node          link; /* part->producers_idle, idle for longest first */
    int64_t                   producer_id;
    int64_t                   last_timestamp_ms;
    int64_t                   last_offset; /* of its newest batch or marker; -1 none */
    int64_t                   seen_ns;     /* io_now_ns at its newest append */
    int32_t                   coordinator_epoch;
    int16_t                   epoch;
    uint8_t                   batch_first; /* ring of batch_count from here */
    uint8_t                   batch_count;
    struct part_txn          *txn; /* open, speculative */
    struct part_producer_mark durable;
    struct part_batch         batches[PART_PRODUCER_BATCHES];
};

/* That a producer's transaction may open here: asked of its coordinator (VerificationGuard of Kafka). Goes with its
 * first batch and with any marker of the producer, so that what was known before a marker opens nothing after it. */
struct part_verification {
    struct list_node    link; /* part->verifications_idle, oldest first */
    int64_t             producer_id;
    int64_t             made_ns;
    uint64_t            guard;           /* never used twice */
    struct part_ticket *asking;          /* NULL: nobody */
    int32_t             lowest_sequence; /* of the batches that wanted in: those above have to come later */
    int16_t             epoch;
    bool                verified; /* for this epoch */
    bool                adds;
};

struct part_epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};

/* Bytes appended since open when the log's end was `offset`: what part_available_bytes() reads. */
struct part_mark {
    int64_t  offset;
    uint64_t bytes;
};

struct part_table {
    struct io_shard   *shard;
    struct store      *store;
    struct map         by_name;      /* topic bytes, partition (4 bytes) */
    struct map         by_id;        /* topic id, partition (4 bytes) */
    struct map         reserved;     /* producer id (8 bytes) -> the table itself */
    struct list_node   free_appends; /* struct part_detached */
    uint64_t           guards;       /* handed out last */
    struct part_urgent urgent;
    struct timer       expiry;
    size_t             part_count; /* alive, also those no longer found */
    bool               closing, close_posted;
    part_done_fn      *close_done;
    void              *close_context;
    struct io_op       close_post;
};

/* A committed append nobody waits for (acks=0): outlives the caller's struct part_append. */
struct part_detached {
    struct list_node    link;
    struct part        *part;
    struct store_append store;
};

struct part {
    struct part_table   *table;
    struct store_log    *log;
    struct uuid          topic_id;
    char                *topic;
    size_t               topic_len;
    int32_t              partition;
    int32_t              leader_epoch;
    bool                 internal;
    bool                 opened; /* the log's open has come back */
    bool                 readable;
    bool                 online;
    bool                 deleted;
    int16_t              gone_error; /* what waiting calls get once the part is going away; 0 while it stays */
    struct part_settings settings;
    uint32_t             flushing; /* appends that want stable storage: the log has the strong policy meanwhile */
    uint32_t             holds;
    part_done_fn        *open_done;
    void                *open_context;
    part_done_fn        *gone_done;
    void                *gone_context;
    /* turn: answers that wait for the loop */
    struct io_op turn;
    bool         turn_posted;
    bool         wake_readers;
    /* append */
    struct list_node         queue, finished, duplicates;
    struct part_producer    *head_producer; /* of the queue's head, found by its check */
    struct store_memory_wait memory_wait;
    bool                     memory_waiting;
    struct part_mark         marks[PART_MARKS_MAX];
    uint32_t                 mark_count;
    uint64_t                 appended_bytes;
    /* read */
    struct list_node         waiters;
    struct list_node         keeps;         /* struct part_keep */
    struct list_node         reads_waiting; /* for memory */
    struct store_memory_wait read_memory_wait;
    bool                     read_memory_waiting;
    /* producers */
    struct map       producers; /* producer id -> struct part_producer */
    struct list_node producers_idle;
    struct list_node txns, closing, free_txns;
    int64_t          state_offset; /* producers and epochs hold every batch below it */
    /* transactions */
    struct map           verifications; /* producer id -> struct part_verification */
    struct list_node     verifications_idle;
    struct part_aborted *aborted; /* by last offset; those in use: [aborted_first, aborted_end) */
    size_t               aborted_first, aborted_end, aborted_capacity;
    /* epochs */
    struct part_epoch_entry *epochs;
    size_t                   epoch_count, epoch_capacity;
};

/* part.c */
void    part__hold(struct part *part);
void    part__release(struct part *part); /* may free */
void    part__close(struct part *part);
void    part__post(struct part *part); /* part_turn runs on the next turn of the loop */
int64_t part__now_ns(const struct part *part);
/* The log's flush policy: the settings', or the strong one while somebody waits for stable storage. */
struct store_policy part__policy(const struct part *part);
void                part__flushing_begin(struct part *part);
void                part__flushing_end(struct part *part);

/* part_append.c */
void part__append_run(struct part *part);
void part__append_finish(struct part_append *append, int16_t error, const char *message);
void part__append_answer(struct part *part);                                       /* calls done for what is finished */
void part__append_fail_all(struct part *part, int16_t error, const char *message); /* queue and duplicates */
void part__append_durable(struct part *part, int64_t durable_end); /* duplicates whose original has become durable */

/* part_read.c */
void part__read_fail_waiting(struct part *part, int16_t error);
void part__marks_reset(struct part *part);
void part__mark(struct part *part, size_t bytes); /* after a commit */

/* part_wait.c */
void part__wake(struct part *part);
void part__waiters_drop(struct part *part);

/* part_producer.c */
enum part_producer_verdict { PART_PRODUCER_NEXT, PART_PRODUCER_DUPLICATE, PART_PRODUCER_REFUSED };
struct part_producer_answer {
    struct part_producer *producer; /* NULL: not seen before */
    struct part_batch     original; /* of a duplicate */
    int16_t               error;
    const char           *message;
};
enum part_producer_verdict part__producer_check(const struct part *part, const struct part_append *append,
                                                struct part_producer_answer *out_answer);
/* The batch stands in the log at base_offset. `producer` NULL: looked up or made. */
void part__producer_commit(struct part *part, struct part_producer *producer, const struct rec_batch *batch,
                           int64_t base_offset);
void part__producers_durable(struct part *part, int64_t durable_end);
void part__producers_rollback(struct part *part, int64_t durable_end);
void part__producers_expire(struct part *part, int64_t now_ns);
void part__producers_init(struct part *part);
void part__producers_clear(struct part *part);
struct part_producer    *part__producer_find(const struct part *part, int64_t producer_id);
struct part_producer    *part__producer_add(struct part *part, int64_t producer_id); /* NULL: no memory */
void                     part__producer_remember(struct part_producer *producer, const struct part_batch *batch);
const struct part_batch *part__producer_batch(const struct part_producer *producer, uint32_t index); /* 0 = oldest */
int32_t                  part__producer_last_sequence(const struct part_producer *producer);         /* -1 none */

/* part_txn.c */
void    part__txn_begin(struct part *part, struct part_producer *producer, int64_t first_offset);
void    part__txn_close(struct part *part, struct part_producer *producer, int64_t marker_offset, bool commit);
void    part__txns_durable(struct part *part, int64_t durable_end);
void    part__txns_clear(struct part *part);
int64_t part__txn_first_unstable(const struct part *part); /* INT64_MAX: none */
/* Of the producer's transaction that is open with nothing beyond durable_end counted; -1: none. */
int64_t part__txn_durable_first(const struct part *part, const struct part_producer *producer, int64_t durable_end);

/* part_aborted.c */
void part__aborted_add(struct part *part, const struct part_aborted *aborted);
void part__aborted_trim_start(struct part *part, int64_t start_offset);
void part__aborted_trim_end(struct part *part, int64_t end_offset);
void part__aborted_clear(struct part *part);
/* Forgets those whose markers are not among the batches that a read from `from` has given. False: no memory. */
bool part__aborted_prune(struct part *part, const struct store_read *read, int64_t from, struct arena *arena);
/* For a read of [from, to): false: no memory. */
bool part__aborted_list(const struct part *part, int64_t from, int64_t to, struct arena *arena,
                        struct part_aborted **out_aborted, int32_t *out_count);

/* part_verify.c */
struct part_verification *part__verification_find(const struct part *part, int64_t producer_id);
void part__verification_over(struct part *part, const struct rec_batch *batch, int16_t marker_version);
void part__verifications_expire(struct part *part, int64_t before_ns);
void part__verifications_init(struct part *part);
void part__verifications_clear(struct part *part);

/* part_epoch.c */
void    part__epoch_assign(struct part *part, int32_t epoch, int64_t start_offset);
void    part__epoch_trim_start(struct part *part, int64_t start_offset);
void    part__epoch_trim_end(struct part *part, int64_t end_offset);
int32_t part__epoch_of(const struct part *part, int64_t offset); /* -1 unknown */
void    part__epochs_clear(struct part *part);

/* part_snapshot.c: hooks of the store; context is the part */
void part__snapshot_write(void *context, uint8_t **out_bytes, size_t *out_len);
int  part__snapshot_read(void *context, struct view bytes, int64_t offset);
void part__replay_batch(void *context, const struct rec_batch *header);

/* part_compact.c: hooks of the store; context is the part */
int64_t part__compact_limit(void *context);
bool    part__compact_producer_needs(void *context, const struct rec_batch *batch);
bool    part__compact_aborted_next(void *context, int64_t from, int64_t to, size_t *position,
                                   struct store_aborted *out_aborted);
void    part__compact_aborted_forget(void *context, int64_t from, int64_t to);

/* part_table.c */
void part__table_add(struct part *part);
void part__table_remove(struct part *part);
void part__table_part_freed(struct part_table *table); /* may end part_table_close */

#endif
