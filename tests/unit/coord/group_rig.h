/* group_rig.h: short words for what tests do with groups of the classic protocol, over a whole simulated broker. */
#ifndef MILLRACE_TESTS_GROUP_RIG_H
#define MILLRACE_TESTS_GROUP_RIG_H

#include "tests/support/unit.h"

#include "tests/support/broker_rig.h"

#define GROUP "readers"
#define TOPIC "orders"

struct group_rig {
    struct broker_rig  broker;
    struct rig_client *clients[RIG_SHARDS_MAX];
    struct rig_client *at; /* the coordinator of GROUP */
    struct arena       arena;
};

extern struct group_rig rig;

/* What a member says when it joins; zero means as usual. */
struct joining {
    const char *member_id;   /* NULL: none */
    const char *instance_id; /* NULL: dynamic */
    const char *protocol;    /* NULL: "range" */
    const char *protocol2;   /* a second one */
    const char *metadata;    /* NULL: "m" */
    const char *subscribes;  /* a topic: metadata as consumers have it */
    const char *type;        /* NULL: "consumer" */
    int32_t     session_ms;  /* 0: 10,000 */
    int32_t     rebalance_ms;
    int16_t     version; /* 0: 9 */
    const char *group;
};

/* What came back; texts live until the rig is reset. */
struct joined {
    struct rig_call call;
    int16_t         error;
    int32_t         generation;
    char            member_id[128];
    char            leader[128];
    char            protocol[32];
    bool            skip_assignment;
    int32_t         member_count;
};

void group_rig_start(uint32_t shards, const char *const *settings);
void group_rig_end(void);
/* kill -9 or power cut, then a new start and new connections. */
void               group_rig_again(bool power);
void               group_rig_connect(void);
struct rig_client *group_rig_coordinator(const char *group);

/* A JoinGroup that is sent; its own connection, because it may wait. */
struct rig_client *join_start(struct joined *joined, const struct joining *joining);
bool               join_wait(struct joined *joined); /* and fills the fields */
bool               join_is_done(struct joined *joined);
void               join_end(struct rig_client *client, struct joined *joined);
/* One that is answered at once or after the group's delay. */
void join(struct joined *joined, const struct joining *joining);
/* A member that is in: joins with an empty id, again with the one it gets. */
void join_new(struct joined *joined, const struct joining *joining);

struct synced {
    int16_t error;
    char    assignment[64];
};
/* Assigns "a-<member id>"'s first bytes to everybody when it leads: plan is written to all `members`. */
struct synced sync_group(const struct joined *joined, const char *const *members, int32_t member_count,
                         const char *plan);
int16_t       heartbeat(const char *member_id, const char *instance_id, int32_t generation);
int16_t       leave(const char *member_id, const char *instance_id);

/* An offset commit; zero means as usual. */
struct committing {
    const char *group;       /* NULL: GROUP */
    const char *member_id;   /* NULL: none */
    const char *instance_id; /* NULL: dynamic */
    int32_t     generation;  /* 0: -1 */
    const char *topic;       /* NULL: TOPIC */
    int32_t     partition;
    int64_t     offset;
    const char *metadata;
    int16_t     version;      /* 0: 9 */
    int64_t     retention_ms; /* versions 2 to 4; 0: the broker's */
};
int16_t commit(const struct committing *committing);
int16_t commit_offset(const char *group, const char *member_id, int32_t generation, int32_t partition, int64_t offset,
                      const char *metadata);
/* -1: none; -100 - error: an error. */
int64_t fetch_offset(const char *group, int32_t partition, bool stable);
int64_t fetch_offset_of(const char *group, const char *topic_name, int32_t partition, bool stable);
/* The state's name, with the number of members behind it: "Stable/2". */
const char *describe(const char *group);
int16_t     delete_group(const char *group);
/* "id=state/type ..." of all shards; state_filter NULL: all. */
const char *list_groups(const char *state_filter);

/* One transaction at a time: begun (ending the one before), with the group's offsets in it, ended. */
void    txn_begin(const char *id);
void    txn_add_group(const char *id, const char *group);
int16_t txn_commit(const char *id, const struct committing *committing);
int16_t txn_commit_offset(const char *id, const char *group, int32_t partition, int64_t offset);
void    txn_end(const char *id, bool commit);

#endif
