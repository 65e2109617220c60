/* coord.h: the coordinators of one shard: consumer groups and transactions.
 *
 * A group belongs to the shard that leads its partition of `__consumer_offsets`, a transactional id to the shard that
 * leads its partition of `__transaction_state` (partition = coord_partition_of(id, partition count)). All state is
 * rebuilt by replaying those partitions, whose records are Kafka's own (core/proto/schema/coord), so that Kafka's tools
 * and monitors read them.
 *
 * Decisions are pure (D8): a state machine takes an event and returns records to append, replies and timers. What ties
 * them to a log is coord_log.h. No reply leaves and no read shows state before the records it depends on are durable.
 *
 * Requests come as decoded messages and are answered by filling the response message; handlers in net/api only carry
 * them. Every function below answers through call->done, never inside the function, exactly once, on the same shard:
 * with COORDINATOR_LOAD_IN_PROGRESS while the partition is being read, NOT_COORDINATOR when another shard has it,
 * COORDINATOR_NOT_AVAILABLE when it is offline or its topic does not exist.
 *
 * Threading: a struct coord belongs to one shard; shards talk by mail (coord_mail.c). */
#ifndef MILLRACE_COORD_H
#define MILLRACE_COORD_H

#include "core/coord/coord_log.h"
#include "core/meta/meta.h"
#include "core/proto/kp_messages.h"

#define COORD_OFFSETS_TOPIC "__consumer_offsets"
#define COORD_TXN_TOPIC     "__transaction_state"

struct coord;

/* One request on its way through a coordinator. Owned by the caller until done; request, texts, arena and response
 * live as long. */
struct coord_call {
    /* in */
    const void   *request;  /* struct kp_<api>_request */
    void         *response; /* struct kp_<api>_response, initialised by the caller; filled when done runs */
    int16_t       api_key;
    int16_t       version;
    struct view   client_id;
    struct view   client_host; /* "/127.0.0.1", as Kafka shows it */
    struct arena *arena;       /* for what the response points to */
    void (*done)(struct coord_call *call);
    /* The client has gone: may be set by the caller while it waits (then coord_cancel() says so to the coordinator). */
    bool canceled;
    /* private */
    struct list_node link_;
    struct coord    *coord_;
    void            *waits_for_;              /* whose answer this is, while it waits for others */
    void (*cancel_)(struct coord_call *call); /* what ends the wait early; NULL: nothing does */
    struct coord_write write_;
};

/* parts: the shard's. by_shard: room for one pointer per shard of the host, shared by all shards' coordinators; filled
 * by each coord_create() before any core runs, only read afterwards (as meta_host.shards). */
struct coord *coord_create(struct io_shard *shard, struct meta *meta, struct part_table *parts,
                           struct coord **by_shard);
void          coord_destroy(struct coord *coord);
/* After meta_open: starts reading every internal partition this shard leads; requests are answered meanwhile
 * (COORDINATOR_LOAD_IN_PROGRESS). Partitions that appear later are read when they are first asked for. */
void coord_open(struct coord *coord);
/* Clean stop: answers everything that waits with NOT_COORDINATOR, appends what is decided, then done(0). Before
 * part_table_close. */
void coord_close(struct coord *coord, void (*done)(void *context, int result), void *context);
/* The client of a waiting call has gone: what waits only for it (a long JoinGroup) is answered soon. */
void coord_cancel(struct coord_call *call);

/* abs(String.hashCode(id)) % count, as Kafka's Utils.abs(groupId.hashCode()); the id is UTF-8, the hash is over UTF-16
 * units. */
int32_t coord_partition_of(struct view id, int32_t partition_count);

/* --- groups: by key of request->group_id ------------------------------------------------------------------------- */

void coord_join_group(struct coord *coord, struct coord_call *call);
void coord_sync_group(struct coord *coord, struct coord_call *call);
void coord_heartbeat(struct coord *coord, struct coord_call *call);
void coord_leave_group(struct coord *coord, struct coord_call *call);
void coord_consumer_group_heartbeat(struct coord *coord, struct coord_call *call);
void coord_offset_commit(struct coord *coord, struct coord_call *call);
void coord_offset_fetch(struct coord *coord, struct coord_call *call);
void coord_offset_delete(struct coord *coord, struct coord_call *call);
void coord_txn_offset_commit(struct coord *coord, struct coord_call *call);
/* Several groups in one request; each is answered for itself. */
void coord_describe_groups(struct coord *coord, struct coord_call *call);
void coord_consumer_group_describe(struct coord *coord, struct coord_call *call);
void coord_delete_groups(struct coord *coord, struct coord_call *call);
/* What this shard has (scope own). */
void coord_list_groups(struct coord *coord, struct coord_call *call);

/* --- transactions: by request->transactional_id ------------------------------------------------------------------ */

void coord_init_producer_id(struct coord *coord, struct coord_call *call); /* also without a transactional id */
void coord_add_partitions_to_txn(struct coord *coord, struct coord_call *call);
void coord_add_offsets_to_txn(struct coord *coord, struct coord_call *call);
void coord_end_txn(struct coord *coord, struct coord_call *call);
void coord_describe_transactions(struct coord *coord, struct coord_call *call);
void coord_list_transactions(struct coord *coord, struct coord_call *call);
/* Markers from outside (the abort tool) and from a coordinator's mail: written to this shard's partitions. */
void coord_write_txn_markers(struct coord *coord, struct coord_call *call);

/* --- transactions of writers inside the broker (jobs) ------------------------------------------------------------- */

/* They end their transactions themselves and have no record here, but operators look for them here: an open one holds
 * readers back like any other. Texts and arrays live during the call that shows them. */
struct coord_insider_partition {
    struct view topic;
    int32_t     partition;
};

struct coord_insider {
    struct view                           id; /* the transactional id */
    int64_t                               producer_id;
    int16_t                               producer_epoch;
    bool                                  open;     /* it has written since its newest markers */
    bool                                  decided;  /* markers are being written */
    bool                                  commits;  /* when decided */
    int64_t                               start_ms; /* wall clock; -1: not open */
    size_t                                partition_count;
    const struct coord_insider_partition *partitions;
};

struct coord_insider_ask {
    struct view id; /* until done */
    /* Once, on the shard that asked, from the loop; NULL: there is no such id now. */
    void (*done)(struct coord_insider_ask *ask, const struct coord_insider *insider);
};

/* What a coordinator asks: whether an id is kept for them (clients are refused it:
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED), which ids have their writer on this shard, without `partitions`, and how one
 * of any shard stands (false: none of theirs, and nothing follows). */
struct coord_insiders {
    bool (*owns)(void *context, struct view id);
    void (*list)(void *context, void (*show)(void *to, const struct coord_insider *insider), void *to);
    bool (*describe)(void *context, struct coord_insider_ask *ask);
    void *context;
};
/* Before coord_open(); the texts behind it outlive the coordinator's last request. */
void coord_set_insiders(struct coord *coord, const struct coord_insiders *insiders);

/* --- the produce path --------------------------------------------------------------------------------------------- */

/* Before a transactional batch of a producer without an open transaction on this partition is appended (KIP-890): asks
 * the coordinator of the id, on its shard, whether the partition belongs to the producer's transaction; with add (the
 * producer speaks transactions v2, Produce 12+) it is added. done on this shard with 0, or what the coordinator says:
 * PRODUCER_FENCED, INVALID_PRODUCER_ID_MAPPING, TRANSACTION_ABORTABLE (does not belong to it), CONCURRENT_TRANSACTIONS
 * (the one before is not complete, also after a tenth of a second), or that it is not there: COORDINATOR_..,
 * NOT_COORDINATOR. */
struct coord_verify {
    struct view transactional_id; /* until done */
    int64_t     producer_id;
    int16_t     producer_epoch;
    bool        add;
    struct view topic;
    int32_t     partition;
    void (*done)(struct coord_verify *verify);
    int16_t error;
    /* private */
    struct io_mail     mail_;
    struct list_node   link_;
    struct coord      *coord_, *at_; /* who asked, who answers */
    uint32_t           from_shard_;
    int64_t            deadline_ns_;
    struct coord_write write_;
};
void coord_verify_append(struct coord *coord, struct coord_verify *verify);

#endif
