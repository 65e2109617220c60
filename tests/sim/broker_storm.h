/* broker_storm.h: a whole broker under load in the simulated world, cut and started again, compared with a model.
 *
 * Lanes produce idempotently into the partitions of one topic, several batches in flight, and never give up: what was
 * not answered is sent again after a reconnect. Readers follow the partitions with long polls. An admin creates and
 * deletes other topics and changes a setting. The model knows of every offset which record is there, from answers to
 * lanes and from what readers saw; both are promises that must hold over every power cut. */
#ifndef MILLRACE_TESTS_SIM_BROKER_STORM_H
#define MILLRACE_TESTS_SIM_BROKER_STORM_H

#include "tests/sim/storm_life.h"

#define STORM_PARTITIONS 6
#define STORM_LANES      8
#define STORM_FLIGHT     5 /* what an idempotent producer may have under way */
#define STORM_TEMPS      4
#define STORM_TOPIC      "river"

struct broker_storm;

struct storm_record {
    int32_t lane; /* -1: not known */
    int32_t sequence;
};

struct storm_partition {
    struct storm_record *records; /* by offset */
    size_t               count;   /* promised: up to the largest offset that was answered or seen */
    size_t               capacity;
    uint32_t             shard; /* of the leader */
};

struct storm_slot {
    struct rig_call call;
    int32_t         sequence; /* of the first record */
    int32_t         count;    /* 0: free */
    bool            sent;
};

struct storm_lane {
    struct broker_storm *storm;
    int32_t              index;
    int32_t              partition;
    struct rig_client   *client;
    int64_t              producer_id; /* -1: to be asked for */
    int16_t              producer_epoch;
    int32_t              next_sequence; /* of the next new batch */
    struct storm_slot    slots[STORM_FLIGHT];
    uint32_t             first; /* oldest slot */
    uint32_t             used;
};

struct storm_reader {
    struct rig_client *client;
    struct rig_call    call;
    bool               asked;
    int32_t            partition;
    int64_t            offset;
};

enum storm_fate { FATE_ABSENT, FATE_PRESENT, FATE_UNKNOWN };

struct broker_storm {
    struct storm_life      life;
    bool                   sabotage; /* the disk loses what was promised: this must be found */
    bool                   topic_made;
    bool                   draining; /* lanes finish what they have and start nothing new */
    struct storm_partition partitions[STORM_PARTITIONS];
    struct storm_lane      lanes[STORM_LANES];
    struct storm_reader    readers[STORM_PARTITIONS];
    struct rig_client     *admin;
    uint32_t               admin_shard;
    enum storm_fate        temps[STORM_TEMPS];
    int64_t                setting_known; /* acknowledged max.message.bytes of the topic; 0: none */
    int64_t                setting_maybe; /* asked for, never answered; 0: none */
    uint64_t               acked_batches, seen_records, admin_changes, resets;
};

/* One seed, whole. The trace hash; storm->life.voice.failure says what went wrong. sabotage: acknowledged records are
 * taken off the disk while the broker is away. */
uint64_t broker_storm_run(struct broker_storm *storm, uint64_t seed, bool verbose, bool sabotage);

/* --- broker_storm_load.c: the actors, looked at once per step ------------------------------------------------------
 */

void storm_lane_poll(struct storm_lane *lane);
void storm_reader_poll(struct broker_storm *storm, struct storm_reader *reader);
/* Everybody hangs up: nothing is in flight afterwards. */
void storm_hang_up(struct broker_storm *storm);
/* Records of one fetch answer, from *offset on, against the model; *offset moves behind them. in_order (may be NULL):
 * next sequence expected of each lane. */
void storm_take(struct broker_storm *storm, int32_t partition, struct view records, int64_t *offset, int32_t *in_order);

/* --- broker_storm_admin.c ------------------------------------------------------------------------------------------
 */

/* One random change and its check on every shard. */
void storm_admin_step(struct broker_storm *storm);
/* Makes the topic, if it is not there, and learns its leaders. */
void storm_admin_prepare(struct broker_storm *storm);
/* After a start: what was acknowledged is there, on every shard. */
void storm_admin_verify(struct broker_storm *storm);

#endif
