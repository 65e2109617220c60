/* group.h: the groups of one partition of `__consumer_offsets`. Private to core/coord.
 *
 * group.c         the table of groups, loading, calls of all kinds in and out, records, deletion
 * group_classic.c the classic protocol: join, sync, heartbeat, leave, timers
 * group_member.c  members of classic groups and how they agree on a protocol
 * group_offset.c  committed offsets, of transactions too; their expiry
 * group_show.c    what lists and descriptions show
 * group_modern*.c the consumer protocol (KIP-848)
 *
 * A group has committed offsets whatever its type. One of type GROUP_CLASSIC without members is also what "simple"
 * consumers get, who only commit. Group and members come from mem_* (MEM_COORD); a heartbeat allocates nothing.
 *
 *      EMPTY <---------------------------------+
 *        | first member joins                  | all have left
 *        v                                     |
 *      PREPARING ---- all have joined, or time is up ---> COMPLETING ---- leader's assignment ---> STABLE
 *        ^                                                    | join, leave, failure                 |
 *        +----------------------------------------------------+--------------------------------------+
 *
 * A generation that members have been told of is never given again: when the join phase is over, the new generation is
 * written without members before anyone hears of it, and with them when the leader has assigned. A coordinator that
 * dies between the two comes back with an empty group of that generation, and its members join anew. */
#ifndef MILLRACE_GROUP_H
#define MILLRACE_GROUP_H

#include "core/coord/coord_internal.h"

#define GROUP_PENDING_MAX     10000 /* members that were told to join with an id and have not come yet, per group */
#define GROUP_NEW_JOIN_MS     (5 * 60 * MS_PER_S) /* a new member's first JoinGroup may wait that long (Kafka's) */
#define GROUP_MEMBER_ID_BYTES 512                 /* room for a member id that is made here */
#define GROUP_OPERATIONS      0x0d48 /* what everybody may do to a group, as bits of Kafka's AclOperation */

enum group_type { GROUP_CLASSIC, GROUP_CONSUMER };
enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD, GROUP_STATE_COUNT };

struct group;
struct group_modern;      /* group_modern_serve.h */
struct group_modern_host; /* the same */

struct groups {
    struct coord_machine      machine;
    struct group_modern_host *modern_host; /* of all groups of type GROUP_CONSUMER; NULL before the first */
    struct coord_slot        *slot;
    struct coord             *coord;
    struct map                by_id;   /* struct group */
    struct map                pending; /* producer id, 8 bytes -> struct offset_producer: open transactions' offsets */
    struct list_node          walk;    /* struct group.walk_link: looked at for expiry longest ago first */
    size_t                    expiry_left; /* groups that this round of expiry has not looked at; 0: none is running */
    struct timer              expiry;
    struct arena              arena;   /* of one record's decoding */
    uint64_t                  damaged; /* records of the last load that do not decode: left out */
    int64_t                   order;   /* of the next change, above every offset replayed: newer beats older */
};

struct group_protocol {
    struct view name, metadata;
};

struct group_member {
    struct list_node       link; /* group->members, in order of arrival */
    struct group          *group;
    struct view            id, instance_id; /* instance_id.base NULL: dynamic */
    struct view            client_id, client_host;
    uint8_t               *texts;     /* what the views above point into */
    struct group_protocol *protocols; /* one allocation with all their bytes; as the client listed them */
    uint32_t               protocol_count;
    int32_t                rebalance_timeout_ms, session_timeout_ms;
    struct view            assignment; /* one allocation; base NULL: none */
    struct timer           session;
    int64_t                deadline_ns; /* the timer may be armed for an earlier time: then it is armed again */
    struct coord_call     *join_call;
    struct coord_call     *sync_call;
    bool                   pending; /* has an id and nothing else; not counted in member_count */
    bool                   joined;  /* has asked to join the coming generation, whether or not its client still waits */
    bool                   is_new;  /* has not been told of a generation yet */
    bool                   synced;  /* has asked for its assignment in this generation */
};

struct group {
    struct list_node     walk_link;
    struct groups       *groups;
    struct view          id;
    enum group_type      type;
    struct group_modern *modern; /* GROUP_CONSUMER only */
    /* classic */
    enum group_state     state, previous_state;
    int32_t              generation;
    struct view          protocol_type; /* base NULL: none, a simple group */
    struct view          protocol;      /* of this generation; base NULL: none */
    struct group_member *leader;
    struct list_node     members; /* pending ones, too */
    struct map           by_member_id;
    struct map           by_instance_id;
    uint32_t             member_count, pending_count, joined_count;
    bool                 recorded; /* has a record of its own in the log, not only offsets */
    int64_t              state_ms; /* wall clock: since when in this state; -1 unknown */
    struct timer         join_timer, sync_timer;
    int32_t              initial_delay_ms, initial_left_ms; /* of the first rebalance */
    bool                 initial, new_member_added;
    /* all types */
    struct map       offsets;         /* topic -> struct offset_topic */
    struct list_node pending_offsets; /* struct offset_pending.by_group */
    uint8_t          id_bytes_[];
};

static inline struct coord_log *group__log(const struct group *group)
{
    return group->groups->slot->log;
}

/* --- table (group.c) --------------------------------------------------------------------------------------------- */

struct group *group__find(struct groups *groups, struct view id);
/* An empty classic group. */
struct group *group__create(struct groups *groups, struct view id);
/* Frees it, with all that waits answered UNKNOWN_MEMBER_ID. No record. */
void group__destroy(struct group *group);
/* No members of either protocol. */
bool group__is_empty(const struct group *group);
/* Adds the tombstones of the group and of its offsets to the log's event; the caller commits and destroys. */
void group__add_tombstones(struct group *group);
/* Adds the record of a classic group as it stands. with_members false: of the generation only. */
void group__add_record(struct group *group, bool with_members);
/* The machine that has the group id, its group (NULL: none), or false after the call was failed. */
bool group__route(struct coord *coord, struct coord_call *call, struct view group_id, struct groups **out_groups,
                  struct group **out_group);
/* How the requests of one group begin: the call is the coordinator's, its id is one, and group__route(). */
bool group__enter(struct coord *coord, struct coord_call *call, struct view group_id, bool empty_allowed,
                  struct groups **out_groups, struct group **out_group);
/* 0; or why an id is none. empty_allowed: for what old clients commit and fetch. */
int16_t group__check_id(struct view group_id, bool empty_allowed);
/* client_id or instance_id, '-' and a random UUID, in the call's arena. */
struct view group__make_member_id(struct coord *coord, struct coord_call *call, struct view prefix);
/* Ends the call when everything is durable in each partition that one of these groups lives in. */
void group__commit_all(struct coord *coord, struct coord_call *call, const struct view *group_ids, int32_t count);

/* --- classic (group_classic.c, group_member.c) ------------------------------------------------------------------- */

/* Copies everything. Counted at once; the first becomes leader. instance_id.base NULL: dynamic. */
struct group_member *group__member_add(struct group *group, struct view id, struct view instance_id,
                                       struct view client_id, struct view client_host);
/* One that has been told its id and has not come with it yet. */
struct group_member *group__member_add_pending(struct group *group, struct view id);
/* Answers what waits for the member. */
void group__member_end_calls(struct group_member *member, int16_t error);
/* Answers what waits with `error`, drops it from all counts. A leader's place goes to the next. */
void group__member_remove(struct group_member *member, int16_t error);
/* NULL: unknown; pending ones are not found. */
struct group_member *group__member_find(const struct group *group, struct view member_id);
struct group_member *group__member_find_pending(const struct group *group, struct view member_id);
struct group_member *group__member_find_static(const struct group *group, struct view instance_id);
void group__member_set_protocols(struct group_member *member, const struct group_protocol *protocols, uint32_t count);
void group__member_set_assignment(struct group_member *member, struct view assignment);
bool group__member_matches(const struct group_member *member, const struct group_protocol *protocols, uint32_t count);
/* What it says for the protocol; empty when it does not know it. */
struct view group__member_metadata(const struct group_member *member, struct view protocol);
void        group__member_rename(struct group_member *member, struct view id);
/* The member's session starts again; timeout_ms 0: its session timeout. */
void group__member_alive(struct group_member *member, int64_t timeout_ms);
/* 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
int16_t group__member_check(const struct group *group, struct view member_id, struct view instance_id);
bool group__protocols_fit(const struct group *group, struct view protocol_type, const struct group_protocol *protocols,
                          uint32_t count);
/* What most members like best among what all know; base NULL without members. */
struct view group__protocol_choose(const struct group *group);
void        group__set_protocol(struct group *group, struct view protocol);
void        group__set_protocol_type(struct group *group, struct view protocol_type);
int32_t     group__rebalance_timeout_ms(const struct group *group);
/* True when the subscriptions can be read and name the topic; *out_known false: they cannot be read. */
bool group__classic_subscribed(const struct group *group, struct view topic, bool *out_known);

/* A move to another state: allowed ones only (checked). */
void group__move(struct group *group, enum group_state state);
/* Invariants of a classic group (checked). */
void group__verify(const struct group *group);
/* All rejoin: from EMPTY, COMPLETING or STABLE. Commits what it adds. */
void group__prepare_rebalance(struct group *group, const char *reason);
/* Timers of a group that was read from the log. */
void group__classic_loaded(struct group *group);
/* Members, timers and waiting calls go (these get `error`); the group stays, empty. */
void group__classic_clear(struct group *group, int16_t error);
/* 0 or the error of an offset commit. A member that commits is alive. */
int16_t group__classic_check_commit(struct group *group, struct view member_id, struct view instance_id,
                                    int32_t generation, bool transactional);

/* --- offsets (group_offset*.c) ----------------------------------------------------------------------------------- */

struct offset_entry {
    int32_t     partition;
    int32_t     leader_epoch;
    int64_t     offset;
    int64_t     commit_ms;
    int64_t     expire_ms; /* -1: by the broker's retention */
    int64_t     order;
    struct view metadata; /* own allocation when not empty */
};

struct offset_topic {
    struct view          name;
    struct offset_entry *entries; /* by partition */
    uint32_t             count, capacity;
    uint8_t              name_bytes_[];
};

/* An offset that an open transaction has committed. */
struct offset_pending {
    struct list_node        by_producer, by_group;
    struct offset_producer *producer;
    struct group           *group;
    uint64_t                hash; /* of topic and partition */
    struct offset_entry     entry;
    struct view             topic;
    uint8_t                 topic_bytes_[];
};

struct offset_producer {
    int64_t          producer_id;
    struct list_node pending; /* struct offset_pending.by_producer, in the order of the log */
};

struct offset_entry *group__offset_find(const struct group *group, struct view topic, int32_t partition);
/* Copies name and metadata; an entry that is newer (order) stays. */
void group__offset_put(struct group *group, struct view topic, const struct offset_entry *entry);
/* What open transactions hold for it goes, too. */
void group__offset_remove(struct group *group, struct view topic, int32_t partition);
void group__offset_put_pending(struct group *group, int64_t producer_id, struct view topic,
                               const struct offset_entry *entry);
/* Some open transaction has an offset for it. */
bool group__offset_is_pending(const struct group *group, struct view topic, int32_t partition);
/* Frees all of them; no record. */
void group__offsets_clear(struct group *group);
/* Adds the record to the log's event. */
void group__offset_add_record(struct group *group, struct view topic, const struct offset_entry *entry);
void group__offset_add_tombstone(struct group *group, struct view topic, int32_t partition);
/* Adds tombstones for all of the group's offsets. */
void group__offset_add_tombstones(struct group *group);
/* Replay of one entry; value NULL: tombstone. */
void group__offset_replay(struct groups *groups, const struct kp_offset_commit_key *key,
                          const struct kp_offset_commit_value *value, const struct coord_record *record);
void group__offset_marker(struct groups *groups, int64_t producer_id, bool commit);
void group__offset_producers_clear(struct groups *groups);
/* What is too old goes, and then groups that have nothing left. Commits what it adds. False: the round is not over;
 * call it again on a later turn. */
bool group__offset_expire(struct groups *groups, int64_t now_ms);
void group__offset_topic_removed(struct group *group, struct view topic);
/* Offsets of topics that do not exist any more. */
void group__offset_check_topics(struct groups *groups);

/* --- the consumer protocol (group_modern*.c) --------------------------------------------------------------------- */

/* One record of the consumer protocol's types; value.base NULL: tombstone. The group is found or made by the callee. */
void group_modern__replay(struct groups *groups, int16_t type, struct kp_reader *key,
                          const struct coord_record *record);
/* Everything is replayed: timers. */
void group_modern__loaded(struct group *group);
/* Frees group->modern, answering what waits with `error`; type stays. NULL is allowed. */
void group_modern__free(struct group *group, int16_t error);
/* With the machine. */
void group_modern__host_free(struct groups *groups);
bool group_modern__is_empty(const struct group *group);
/* Tombstones of all its records, to the log's event. */
void group_modern__add_tombstones(struct group *group);
/* "Stable", "Assigning", "Reconciling", "Empty". */
const char *group_modern__state_name(const struct group *group);
bool        group_modern__subscribed(const struct group *group, struct view topic);
/* Offset commits: 0, UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION, UNSUPPORTED_VERSION. An epoch that is
 * over still counts when all the partitions have been the member's since (KIP-1251). */
int16_t group_modern__check_commit(struct group *group, const struct kp_offset_commit_request *request,
                                   int16_t version);
int16_t group_modern__check_txn_commit(struct group *group, const struct kp_txn_offset_commit_request *request,
                                       int16_t version);
int16_t group_modern__check_fetch(struct group *group, struct view member_id, int32_t epoch);
/* Classic requests to a group of type GROUP_CONSUMER that has members: the call is theirs to end. */
void group_modern__classic_join(struct group *group, struct coord_call *call);
void group_modern__classic_sync(struct group *group, struct coord_call *call);
void group_modern__classic_heartbeat(struct group *group, struct coord_call *call);
void group_modern__classic_leave(struct group *group, struct coord_call *call);

#endif
