/* txn.h: transactional ids as this room sees them. Private to core/coord.
 *
 * txn_state.c decides: an event and what is known of an id go in, what is to be written, what is to be answered and
 * whether a fresh producer id is wanted come out; no clock, no log, no memory. txn_partitions.c is the set of
 * partitions of a transaction, txn_record.c its form in `__transaction_state`. All rules are Kafka's
 * (TransactionMetadata, TransactionCoordinator; KIP-98, KIP-360, KIP-890). */
#ifndef MILLRACE_TXN_H
#define MILLRACE_TXN_H

#include "core/base/check.h"
#include "core/base/map.h"
#include "core/proto/kp_error.h"

#define TXN_ID_NONE      INT64_C(-1)
#define TXN_EPOCH_NONE   INT16_C(-1)
#define TXN_EPOCH_LAST   (INT16_MAX - 1) /* the highest a client gets: the one above is for fencing it */
#define TXN_VERSION_BUMP 2               /* from this transaction.version on each transaction has an epoch of its own */

/* As in the log (TransactionLogValue.TransactionStatus). Kafka's 6 (Dead) and 7 (PrepareEpochFence) are never written:
 * an id that expires is removed by a tombstone, a fence goes straight to PREPARE_ABORT. */
enum txn_state {
    TXN_EMPTY = 0,           /* has a producer, no transaction since it came */
    TXN_ONGOING = 1,         /* partitions have been added */
    TXN_PREPARE_COMMIT = 2,  /* decided; markers are being written */
    TXN_PREPARE_ABORT = 3,   /* likewise */
    TXN_COMPLETE_COMMIT = 4, /* every partition has its marker */
    TXN_COMPLETE_ABORT = 5,  /* likewise */
    TXN_STATE_COUNT,
};

/* All that is known of a transactional id but its partitions. */
struct txn_values {
    enum txn_state state;
    int32_t        timeout_ms;
    int64_t        producer_id;
    int64_t        previous_producer_id; /* before the newest move; -1 none */
    int64_t        next_producer_id;     /* replaces producer_id when the transaction is complete; -1 none */
    int16_t        producer_epoch;
    int16_t        last_epoch;     /* what the producer had before its newest bump, for its retries; -1 unknown */
    int16_t        client_version; /* transaction.version its producer spoke at the newest move: 0, 1, 2 */
    int64_t        start_ms;       /* wall clock, of the transaction; -1 none */
    int64_t        update_ms;      /* wall clock, of the newest move */
};

struct txn_decision {
    int16_t           error;  /* for the client, when nothing is written or, with `fence`, once it is durable */
    bool              append; /* `values` is the new state: write it */
    bool              fence;  /* an open transaction is aborted; the client is told to come again */
    bool              needs_producer_id; /* nothing is decided: ask again with a fresh producer id */
    struct txn_values values;
    int64_t           reply_producer_id; /* -1 none */
    int16_t           reply_epoch;
};

const char *txn__state_name(enum txn_state state); /* "PrepareCommit", as DescribeTransactions shows it */
bool        txn__state_prepares(enum txn_state state);

/* fresh_producer_id -1: none at hand; the decision says when it wants one. All times are wall clock. */
struct txn_init {
    int32_t timeout_ms;
    int64_t producer_id; /* what the client believes (KIP-360), -1 none */
    int16_t producer_epoch;
    int64_t fresh_producer_id;
    int16_t server_version; /* transaction.version in force */
    int64_t now_ms;
};
/* now NULL: the id is not known. */
void txn__decide_init(const struct txn_values *now, const struct txn_init *event, struct txn_decision *out_decision);

struct txn_add {
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t client_version;
    bool    contained; /* all the partitions belong to the transaction already */
    int64_t now_ms;
};
/* The caller adds the partitions when it is told to append. */
void txn__decide_add(const struct txn_values *now, const struct txn_add *event, struct txn_decision *out_decision);
/* Only asks (KIP-890): 0 or the coordinator's error. */
int16_t txn__decide_verify(const struct txn_values *now, const struct txn_add *event);

struct txn_end {
    int64_t producer_id;
    int16_t producer_epoch;
    bool    commit;
    int16_t client_version; /* 2: EndTxn 5 and later */
    int64_t fresh_producer_id;
    int64_t now_ms;
};
void txn__decide_end(const struct txn_values *now, const struct txn_end *event, struct txn_decision *out_decision);

/* Aborts an open transaction for the coordinator's own reasons: out of time, or a new producer came. */
void txn__decide_fence(const struct txn_values *now, int16_t server_version, int64_t fresh_producer_id, int64_t now_ms,
                       struct txn_decision *out_decision);
/* Every partition has its marker. */
void txn__decide_complete(const struct txn_values *now, int64_t now_ms, struct txn_decision *out_decision);

bool txn__timed_out(const struct txn_values *now, int64_t now_ms);
bool txn__expired(const struct txn_values *now, int64_t now_ms, int64_t expiration_ms);

/* What holds for each move, whoever decides it; false is a bug of ours. before NULL: a new id. */
bool txn__move_allowed(const struct txn_values *before, const struct txn_values *after);

/* --- partitions -------------------------------------------------------------------------------------------------- */

struct txn_topic {
    char    *name;
    uint32_t name_len;
    int32_t *partitions; /* ascending */
    uint32_t partition_count, partition_capacity;
};

/* A set; zeroed is empty. */
struct txn_partitions {
    struct txn_topic *topics; /* by name, bytewise */
    uint32_t          topic_count, topic_capacity;
    uint32_t          total;      /* partitions */
    size_t            name_bytes; /* of all topics: with counts, the size of its record */
};

bool txn__partitions_have(const struct txn_partitions *set, struct view topic, int32_t partition);
void txn__partitions_add(struct txn_partitions *set, struct view topic, int32_t partition);
void txn__partitions_remove(struct txn_partitions *set, struct view topic, int32_t partition);
void txn__partitions_clear(struct txn_partitions *set); /* frees */

/* --- records ----------------------------------------------------------------------------------------------------- */

/* A record that would not fit into one batch is refused before anything is decided. */
#define TXN_RECORD_BYTES_MAX (256 * 1024)
/* An upper bound for the record of a transaction with these partitions and this id. */
size_t txn__record_bytes(const struct txn_partitions *set, size_t id_bytes);

/* Key and value in `arena`; base NULL over budget. A TXN_EMPTY value names no partitions. */
struct arena;
struct view txn__record_key(struct arena *arena, struct view transactional_id);
struct view txn__record_value(struct arena *arena, const struct txn_values *values, const struct txn_partitions *set);

enum txn_record_kind { TXN_RECORD_VALUE, TXN_RECORD_TOMBSTONE, TXN_RECORD_OTHER, TXN_RECORD_DAMAGED };
/* Views point into key. set: empty before; filled when it is a value. value.base NULL: a tombstone. OTHER: of a version
 * that is not known here. */
enum txn_record_kind txn__record_read(struct arena *arena, struct view key, struct view value, struct view *out_id,
                                      struct txn_values *out_values, struct txn_partitions *out_set);

#endif
