/* txn_storm.h: transactions over the shards of a whole broker in the simulated world, cut between any two writes.
 *
 * Tellers make transfers: one transaction each, some records in several partitions and (every other one) a committed
 * position of a group. The model knows of each transfer whether its commit was answered; a reader of committed records
 * must then see all of it or nothing of it, and in the end no transaction may hold a reader back. */
#ifndef MILLRACE_TESTS_SIM_TXN_STORM_H
#define MILLRACE_TESTS_SIM_TXN_STORM_H

#include "tests/sim/storm_life.h"

#define TXN_PARTITIONS 6
#define TXN_TELLERS    4
#define TXN_LEGS_MAX   4
#define TXN_TRANSFERS  2000 /* per teller and run */
#define TXN_TOPIC      "transfers"

enum txn_outcome { OUTCOME_NONE, OUTCOME_ABORTED, OUTCOME_UNKNOWN, OUTCOME_COMMITTED };

struct txn_transfer {
    enum txn_outcome outcome;
    uint32_t         legs;
    uint32_t         seen; /* bits of legs; of the reader that runs now */
};

struct txn_storm;

struct txn_teller {
    struct txn_storm   *storm;
    int32_t             index;
    char                id[24];
    bool                newer; /* speaks transactions v2 */
    bool                grouped;
    bool                begun; /* has what InitProducerId gave; false: begins anew */
    int64_t             producer_id;
    int16_t             producer_epoch;
    int32_t             sequences[TXN_PARTITIONS];
    int32_t             count;          /* transfers begun */
    int64_t             position;       /* largest position whose commit was answered */
    int64_t             position_maybe; /* largest that was sent with a commit whose answer is not known */
    struct txn_transfer transfers[TXN_TRANSFERS];
};

struct txn_storm {
    struct storm_life  life;
    bool               prepared;
    bool               blind;                   /* readers know nothing of aborted transactions: this must be found */
    uint32_t           leaders[TXN_PARTITIONS]; /* shard */
    struct rig_client *clients[RIG_SHARDS_MAX];
    struct txn_teller  tellers[TXN_TELLERS];
    uint64_t           committed, aborted, unknown, refused;
};

uint64_t txn_storm_run(struct txn_storm *storm, uint64_t seed, bool verbose, bool blind);

/* A connection to the shard, or NULL; it is kept. */
struct rig_client *txn_storm_client(struct txn_storm *storm, uint32_t shard);
void               txn_storm_hang_up(struct txn_storm *storm);
/* The shard that coordinates the id (key type 0 group, 1 transaction); -1: not known now. */
int txn_storm_coordinator(struct txn_storm *storm, int8_t key_type, const char *id);

/* txn_storm_teller.c */
void txn_teller_transfer(struct txn_teller *teller); /* one whole transfer, or what of it can be done */

/* txn_storm_check.c: waits until nothing holds readers back, then reads everything. */
void txn_storm_check(struct txn_storm *storm);

#endif
