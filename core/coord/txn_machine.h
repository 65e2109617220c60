/* txn_machine.h: transactional ids with everything around their decisions: the machine of a partition of
 * `__transaction_state`, markers under way, producer ids, timeouts. Private to core/coord.
 *
 * An id's state is in force when it has been decided (speculative); whoever is told of it waits for its record. A
 * decision to end a transaction makes a *fan*: its record is awaited, then every partition of the transaction gets its
 * marker from the shard that leads it, through *couriers* (mails with room for TXN_COURIER_ITEMS markers), then the
 * completion is written. A fan outlives its machine when its markers are on their way at that moment. */
#ifndef MILLRACE_TXN_MACHINE_H
#define MILLRACE_TXN_MACHINE_H

#include "core/coord/coord_internal.h"
#include "core/coord/txn.h"

#define TXN_COURIER_ITEMS 32
#define TXN_COURIERS_MAX  4 /* per pair of shards; what finds none waits in the queue of its shard */
#define TXN_RETRY_NS      (100 * NS_PER_MS)
#define TXN_ID_BYTES_MAX  INT16_MAX

struct txn_fan;

struct txn {
    struct txn_machine   *machine;
    struct txn_values     values;
    struct txn_partitions partitions;
    struct list_node      ongoing_link; /* machine->ongoing while TXN_ONGOING */
    struct txn_fan       *fan;          /* while it prepares */
    size_t                id_len;
    uint8_t               id[];
};

struct txn_machine {
    struct coord_machine machine;
    struct coord_slot   *slot;
    struct map           ids; /* -> struct txn */
    struct list_node     ongoing;
    uint64_t             damaged; /* records left out by the load */
};

/* One marker that is not written yet. Owned by its fan. */
struct txn_marker {
    struct list_node link; /* a shard's queue, or the list of those that are tried again later */
    struct txn_fan  *fan;
    struct view      topic; /* in the fan */
    int32_t          partition;
    bool             done;
};

struct txn_fan {
    struct coord_write write; /* of the PREPARE_ record */
    struct coord      *coord;
    struct txn        *txn; /* NULL: the machine has forgotten it */
    struct arena       arena;
    struct txn_marker *markers;
    uint32_t           count;
    uint32_t           left;   /* not done */
    uint32_t           away;   /* in couriers */
    bool               writes; /* `write` is out */
    int64_t            producer_id;
    int16_t            producer_epoch;
    int16_t            version;
    int32_t            coordinator_epoch;
    bool               commit;
};

/* One marker into a partition of this shard. */
struct txn_mark {
    struct view topic;
    int32_t     partition;
    int64_t     producer_id;
    int16_t     producer_epoch;
    int16_t     version;
    int32_t     coordinator_epoch;
    bool        commit;
    int16_t     error;
    void (*done)(struct txn_mark *mark);
    /* private */
    struct io_op       post;
    struct part_marker part;
    struct coord_write write;
};

struct txn_courier_item {
    struct txn_mark     mark;
    struct txn_courier *courier;
    struct txn_marker  *sent; /* the sender's; the receiver does not look at it */
};

/* Goes to a shard with markers and comes back with what became of them. */
struct txn_courier {
    struct io_mail          mail;
    struct list_node        link; /* idle */
    struct coord           *from;
    uint32_t                to_shard;
    uint32_t                count;
    uint32_t                left; /* the receiver's: not answered */
    struct txn_courier_item items[TXN_COURIER_ITEMS];
};

/* What goes to one other shard (or to ourselves). */
struct txn_road {
    struct list_node queue; /* struct txn_marker.link */
    struct list_node idle;  /* struct txn_courier.link */
    uint32_t         couriers, away;
};

/* Transactions of one shard. */
struct txn_shard {
    struct coord    *coord;
    struct txn_road *roads; /* by shard */
    struct list_node again; /* struct txn_marker.link: refused, tried again soon */
    struct timer     again_timer;
    struct list_node parked; /* struct coord_verify.link_: find the transaction before theirs not complete */
    uint32_t         parked_count;
    struct timer     parked_timer;
    uint32_t         away; /* couriers, questions (coord_verify) and wishes for producer ids that have not come back */
    struct arena     scratch; /* for one record */
    struct timer     scan_timer;
    int64_t          expiry_ns; /* of the next look for expired ids */
    int64_t          next_producer_id, end_producer_id;
    bool             asking;
    struct list_node waiting; /* struct coord_call.link_: for producer ids */
    struct meta_change change;
};

/* txn_shard.c: life, and what happens by the clock. */
struct txn_shard *txn__shard_create(struct coord *coord);
void              txn__shard_open(struct txn_shard *shard);
/* Nothing new begins; over when txn__shard_idle(). coord__post() is called whenever that may have changed. */
void txn__shard_close(struct txn_shard *shard);
bool txn__shard_idle(const struct txn_shard *shard);
void txn__shard_destroy(struct txn_shard *shard);
/* Something that was away is back. */
void txn__shard_back(struct txn_shard *shard);

static inline struct txn_machine *txn__machine_of(const struct coord_slot *slot)
{
    return CONTAINER_OF(slot->machine, struct txn_machine, machine);
}

static inline struct view txn__id(const struct txn *txn)
{
    return view_of(txn->id, txn->id_len);
}

/* txn.c */
struct txn *txn__find(const struct txn_machine *machine, struct view id);
void        txn__remove(struct txn *txn);
/* Makes `values` the state of the id (made when txn is NULL) and adds its record to the log; the partitions are changed
 * before, txn__settle() follows. NULL: the record is larger than a batch may be (when it must fit), nothing happened.
 */
MUST_USE struct txn *txn__move(struct txn_machine *machine, struct txn *txn, struct view id,
                               const struct txn_values *values, bool must_fit);
/* Commits what txn__move() added; a PREPARE_ state sets its markers going when it is durable. */
void    txn__settle(struct txn *txn);
void    txn__expire(struct txn *txn); /* and forgets it */
int32_t txn__coordinator_epoch(const struct txn_machine *machine);
int64_t txn__now_ms(const struct coord *coord);
int16_t txn__server_version(const struct coord *coord); /* transaction.version in force */

/* The shard that leads the partition; false: none does. */
bool txn__leader(const struct coord *coord, const struct meta_topic *topic, int32_t partition, uint32_t *out_shard);

/* txn_marker.c */
void txn__fan_out(struct txn *txn, bool durable); /* durable: the record stands in the log already */
void txn__fan_forget(struct txn *txn);
void txn__roads_open(struct txn_shard *shard);
void txn__roads_close(struct txn_shard *shard); /* nothing is away */
void txn__again_stop(struct txn_shard *shard);
/* done on a later turn. */
void txn__mark(struct coord *coord, struct txn_mark *mark);

/* txn_show.c */
void txn__show_fill_error(struct coord_call *call, int16_t error);

/* txn_verify.c */
void txn__completed(struct txn *txn); /* who waits for it asks again */
void txn__parked_timeout(struct timer *timer);
void txn__parked_close(struct txn_shard *shard);

/* txn_pid.c */
int64_t txn__fresh_producer_id(const struct coord *coord); /* not taken yet; TXN_ID_NONE: none at hand */
void    txn__took_producer_id(struct coord *coord, const struct txn_values *values); /* when they use it */
/* The call is begun again when there are ids, or fails. NULL: only asks. */
void txn__await_producer_id(struct coord *coord, struct coord_call *call);

#endif
