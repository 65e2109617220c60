/* group_modern.h: consumer groups of KIP-848: the coordinator computes assignments, members follow.
 *
 * A group has an *epoch*, raised whenever a member comes, goes or changes its subscription, or the topics it reads
 * change. From each epoch the assignor makes a *target* for every member. Each member moves on its own from its current
 * assignment to its target: it gives up what is no longer its own (UNREVOKED until it says so), is given what is free,
 * and waits for the rest (UNRELEASED). A partition has one owner at any time: who has it, or still has to give it back.
 *
 * Deciding and applying are apart (D8). modern_heartbeat() and its like read the group and change nothing: they leave
 * records in host->batch and an answer in the response. The caller writes the records and applies the very same bytes
 * with modern_replay(), as a restart would; so what a log holds is always what the group is. A decision that does not
 * fit a batch is simply dropped. One event at a time: decide, apply, modern_settle(), then the next.
 *
 *     modern_batch_reset(&host->batch);
 *     error = modern_heartbeat(group, ..., &touched);        nothing has changed so far
 *     write host->batch.items; modern_replay(group, ...) each; modern_settle(group, touched);
 *
 * Members of the classic protocol live in such groups while a group migrates (group_modern_classic.c).
 *
 * Ownership: a group owns its members; member pointers live until the next replay. Threading: one shard. Timers: one
 * per member, armed by modern_settle() and modern_loaded(); they end in ops->expired(), whose answer is
 * modern_expire(). Limits: members by settings, regular expressions by GROUP_REGEX_BYTES_MAX, partitions said by
 * MODERN_OWNED_MAX, everything else by the request's size. Sources: KIP-848, KIP-1071's notes on epochs, KIP-1101
 * (metadata hash), KIP-1251 (assignment epochs), KIP-1263 (assignment interval); behaviour as Apache Kafka 4.3's. */
#ifndef MILLRACE_GROUP_MODERN_H
#define MILLRACE_GROUP_MODERN_H

#include "core/base/map.h"
#include "core/base/timer.h"
#include "core/coord/group_assign.h"
#include "core/coord/group_regex.h"
#include "core/proto/kp_entries.h"
#include "core/proto/kp_messages.h"

#define MODERN_EPOCH_JOIN         0
#define MODERN_EPOCH_LEAVE        (-1)
#define MODERN_EPOCH_LEAVE_STATIC (-2)
#define MODERN_REASON_BYTES       200
#define MODERN_OWNED_MAX          1000000 /* partitions a member may say it has: more than a broker can have */

/* --- surroundings ------------------------------------------------------------------------------------------------ */

struct modern_settings {
    int32_t          session_timeout_ms;
    int32_t          heartbeat_interval_ms;
    int32_t          assignment_interval_ms; /* shortest time between two targets */
    int32_t          size_max;
    int32_t          classic_size_max; /* of the classic group it may become */
    bool             upgrade;          /* group.consumer.migration.policy */
    bool             downgrade;
    uint32_t         assignors; /* bit per enum assign_kind */
    enum assign_kind assignor;  /* the first one: the default */
};

struct modern_topic {
    struct view name;
    struct uuid id;
    int32_t     partition_count;
};

struct modern_record {
    struct view key;
    struct view value; /* base NULL: tombstone */
};

/* The records of one decision; bytes and array stand in the arena. */
struct modern_batch {
    struct arena          arena;
    struct modern_record *items;
    uint32_t              count;
    uint32_t              capacity;
    bool                  overflow; /* it did not fit: the decision is void */
};

void modern_batch_reset(struct modern_batch *batch);

struct modern_host;
struct modern_member;
struct modern_group;

/* Topic views live until the shard returns to its loop. */
struct modern_host_ops {
    int64_t (*now_ns)(struct modern_host *host);
    int64_t (*wall_ms)(struct modern_host *host);
    uint64_t (*random)(struct modern_host *host);
    void (*settings)(struct modern_host *host, struct view group_id, struct modern_settings *out_settings);
    /* Another number whenever topics may have changed. */
    int64_t (*topics_version)(struct modern_host *host);
    bool (*topic_by_name)(struct modern_host *host, struct view name, struct modern_topic *out_topic);
    bool (*topic_by_id)(struct modern_host *host, struct uuid id, struct modern_topic *out_topic);
    bool (*topic_next)(struct modern_host *host, size_t *position, struct modern_topic *out_topic);
    /* A deadline of the member is over; from the timer heap. */
    void (*expired)(struct modern_host *host, struct modern_member *member);
};

struct modern_host {
    const struct modern_host_ops *ops;
    struct timer_heap            *timers;
    struct modern_batch           batch;
    struct arena                  replay_arena; /* of one modern_replay() */
};

void modern_host_init(struct modern_host *host, const struct modern_host_ops *ops, struct timer_heap *timers);
void modern_host_deinit(struct modern_host *host);

/* --- state ------------------------------------------------------------------------------------------------------- */

/* As written into ConsumerGroupCurrentMemberAssignment records. */
enum modern_member_state {
    MODERN_STABLE = 0,
    MODERN_UNREVOKED = 1,
    MODERN_UNRELEASED = 2,
    MODERN_UNKNOWN = 127, /* of a later release: the member is fenced */
};

struct modern_protocol {
    struct view name;
    struct view metadata;
};

/* What a member of the classic protocol adds. */
struct modern_classic {
    int32_t                 session_timeout_ms;
    struct modern_protocol *protocols; /* in the member's order of preference */
    uint32_t                protocol_count;
};

enum modern_deadline {
    MODERN_SESSION,   /* no heartbeat */
    MODERN_REBALANCE, /* has not given up what it must */
    MODERN_JOIN,      /* classic: told to rejoin and has not */
    MODERN_SYNC,      /* classic: has joined and not synced */
    MODERN_DEADLINE_COUNT,
};

struct modern_member {
    struct modern_group   *group;
    struct view            id;
    struct view            instance_id; /* base NULL: dynamic */
    struct view            rack_id;     /* base NULL: none */
    struct view            client_id;
    struct view            client_host;
    struct view            regex;    /* base NULL or empty: none */
    struct view            assignor; /* base NULL: no preference */
    struct view           *topics;   /* sorted, without duplicates */
    uint32_t               topic_count;
    int32_t                rebalance_timeout_ms;
    int32_t                epoch;
    int32_t                previous_epoch;
    uint8_t                state;         /* enum modern_member_state */
    bool                   described;     /* its metadata record has been seen */
    bool                   revoke_starts; /* UNREVOKED since the last modern_settle() */
    struct modern_classic *classic;       /* NULL: consumer protocol */
    struct modern_parts    assigned;
    struct modern_parts    revoking;
    struct modern_parts    target;
    int64_t                deadline_ns[MODERN_DEADLINE_COUNT]; /* 0: none */
    struct timer           timer;
};

struct modern_regex {
    struct group_regex *compiled; /* NULL: not yet needed */
    struct view        *topics;   /* sorted */
    uint32_t            topic_count;
    uint32_t            subscribers;
    bool                resolved; /* its record has been seen */
};

struct modern_group {
    struct modern_host  *host;
    struct view          id;
    struct map           members;   /* id -> struct modern_member, in order of arrival */
    struct map           instances; /* instance id -> struct modern_member */
    struct map           topics;    /* name -> uint32_t: how many members name it */
    struct map           regexes;   /* text -> struct modern_regex */
    struct modern_owners owners;
    uint32_t             classic_count;
    int32_t              epoch;
    int64_t              metadata_hash;
    int32_t              target_epoch;
    int64_t              target_ms;              /* wall clock; 0: none yet */
    int64_t              topics_version;         /* that metadata_hash has been compared with; INT64_MIN: none */
    int64_t              topics_decided;         /* the same, of the decision that modern_settle() will confirm */
    bool                 persisted;              /* its group record exists */
    bool                 has_partition_metadata; /* the record that the hash replaced */
};

/* --- life -------------------------------------------------------------------------------------------------------- */

struct modern_group *modern_group_create(struct modern_host *host, struct view id);
void                 modern_group_destroy(struct modern_group *group);
/* Neither members nor a record: the group does not exist any more, or not yet. */
bool modern_group_void(const struct modern_group *group);
/* "Empty", "Assigning", "Reconciling", "Stable". */
const char           *modern_group_state(const struct modern_group *group);
bool                  modern_group_empty(const struct modern_group *group);
bool                  modern_group_subscribed(const struct modern_group *group, struct view topic);
struct modern_member *modern_member_find(const struct modern_group *group, struct view id);

/* --- records ----------------------------------------------------------------------------------------------------- */

/* True when the key is one of this file's kinds; then its group. */
bool modern_key_group(struct view key, struct view *out_group_id);
/* Applies one record; value.base NULL is a tombstone. ERR_OK, ERR_CORRUPT (it cannot be read), ERR_UNSUPPORTED: nothing
 * has changed then. */
MUST_USE int modern_replay(struct modern_group *group, struct view key, struct view value);
/* After a load: drops members whose metadata is missing, arms timers, as if everybody had just been heard of. */
void modern_loaded(struct modern_group *group);
/* Removes the group: tombstones of all it has. */
void modern_emit_tombstones(struct modern_group *group);

/* --- events ------------------------------------------------------------------------------------------------------ */

struct modern_client {
    struct view id;
    struct view host;
    int16_t     version; /* of the request */
};

/* Whether the request can be decided at all: INVALID_REQUEST, UNSUPPORTED_ASSIGNOR, INVALID_REGULAR_EXPRESSION. */
MUST_USE int16_t modern_heartbeat_check(const struct kp_consumer_group_heartbeat_request *request, int16_t version,
                                        const struct modern_settings *settings, char out_reason[MODERN_REASON_BYTES]);
/* A checked request; epochs that leave go to modern_leave(). Fills the response (its memory: arena), whose member id is
 * the one to settle. Errors: UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, UNRELEASED_INSTANCE_ID, FENCED_INSTANCE_ID,
 * GROUP_MAX_SIZE_REACHED, UNKNOWN_SERVER_ERROR (out of memory). */
MUST_USE int16_t modern_heartbeat(struct modern_group *group, const struct kp_consumer_group_heartbeat_request *request,
                                  const struct modern_client *client, struct arena *arena,
                                  struct kp_consumer_group_heartbeat_response *response,
                                  char                                         out_reason[MODERN_REASON_BYTES]);
/* UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. out_fenced: whom modern_fence() is to remove; NULL when it stays, as a static
 * member that is away. The member is not settled afterwards: its session runs on. */
MUST_USE int16_t modern_leave(struct modern_group *group, const struct kp_consumer_group_heartbeat_request *request,
                              struct kp_consumer_group_heartbeat_response *response,
                              const struct modern_member **out_fenced, char out_reason[MODERN_REASON_BYTES]);
/* After the records of a heartbeat or join have been applied: deadlines of the member. Unknown ids are fine. */
void modern_settle(struct modern_group *group, struct view member_id);
/* A clause that says why the member is to go (then modern_fence() or the like), or NULL: nothing is due yet. */
const char *modern_expire(struct modern_member *member);
/* The member is removed: records. */
void modern_fence(struct modern_group *group, const struct modern_member *member);

/* OffsetCommit and TxnOffsetCommit of (member, epoch): 0, UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION,
 * UNSUPPORTED_VERSION. *out_by_partition: each partition is to be asked for by modern_commit_partition_check(). */
MUST_USE int16_t modern_commit_check(const struct modern_group *group, struct view member_id, struct view instance_id,
                                     int32_t epoch, bool transactional, int16_t version, bool *out_by_partition);
MUST_USE int16_t modern_commit_partition_check(const struct modern_group *group, struct view member_id, int32_t epoch,
                                               struct view topic, struct uuid topic_id, int32_t partition);
/* OffsetFetch of (member, epoch); member_id.base NULL with epoch below 0 is anyone. */
MUST_USE int16_t modern_fetch_check(const struct modern_group *group, struct view member_id, int32_t epoch);

/* ConsumerGroupDescribe's entry; false: out of memory. */
MUST_USE bool modern_describe(const struct modern_group *group, struct arena *arena,
                              struct kp_consumer_group_describe_response_groups *out_group);

/* --- private to group_modern*.c ---------------------------------------------------------------------------------- */

/* Members as they will be: all of the group but those `without`, and `with`. */
struct modern_roster {
    const struct modern_member *const *without;
    uint32_t                           without_count;
    const struct modern_member        *with; /* NULL: nobody */
};

/* What a regular expression matches now. */
struct modern_regex_result {
    struct view  text;
    struct view *topics; /* sorted */
    uint32_t     topic_count;
};

/* What a roster subscribes to, of what exists. Memory: the batch's arena. */
struct modern_subscription {
    struct modern_regex_result *regexes;
    uint32_t                    regex_count;
    struct modern_topic        *topics; /* by name */
    uint32_t                    topic_count;
    uint32_t                   *places; /* beside topics: place in by_id */
    struct assign_topic        *by_id;
    int64_t                     hash;
};

/* One decision under way. */
struct modern_step {
    struct modern_group        *group;
    struct modern_settings      settings;
    const struct modern_member *without[2]; /* the member as it is, and the static member whose place it takes */
    struct modern_roster        roster;
    const struct modern_member *old;      /* NULL: it joins */
    const struct modern_member *replaced; /* NULL: nobody's place */
    struct modern_member        next;     /* texts belong to others; the three sets are its own */
    bool                        changed;  /* next's metadata differs from old's */
    bool                        resubscribed;
    int32_t                     epoch;        /* of the group, after this step */
    int32_t                     target_epoch; /* that next reconciles to */
    bool                        subscription_known;
    struct modern_subscription  subscription;
};

struct modern_member *modern__member_get(struct modern_group *group, struct view id); /* created when missing */
void                  modern__member_remove(struct modern_group *group, struct modern_member *member);
/* Takes the member's subscription out of, or into, the group's counts. */
void modern__unsubscribe(struct modern_group *group, const struct modern_member *member);
void modern__subscribe(struct modern_group *group, struct modern_member *member);
bool modern__has_regex(const struct modern_member *member);
void modern__text_set(struct view *text, struct view value);
void modern__classic_free(struct modern_classic *classic);
/* Sorted and without duplicates, in the arena; NULL when out of memory. */
struct view *modern__names_sorted(struct arena *arena, const struct view *names, uint32_t count, uint32_t *out_count);
bool         modern__names_equal(const struct view *a, uint32_t a_count, const struct view *b, uint32_t b_count);

void modern__emit_group(struct modern_group *group, int32_t epoch, int64_t hash);
void modern__emit_member(struct modern_group *group, const struct modern_member *member);
void modern__emit_current(struct modern_group *group, const struct modern_member *member);
void modern__emit_target(struct modern_group *group, struct view member_id, const struct modern_parts *target);
void modern__emit_target_epoch(struct modern_group *group, int32_t epoch, int64_t timestamp_ms);
void modern__emit_regex(struct modern_group *group, const struct modern_regex_result *result, int64_t version);
void modern__emit_regex_gone(struct modern_group *group, struct view text);
void modern__emit_partition_metadata_gone(struct modern_group *group);
void modern__emit_member_gone(struct modern_group *group, struct view member_id);

/* --- group_modern_topics.c: what a roster reads */

/* False: out of memory. Records of regular expressions that match something else than before are added, when `emit`. */
MUST_USE bool modern__subscription(struct modern_group *group, const struct modern_roster *roster, bool emit,
                                   struct modern_subscription *out_subscription);
/* Ascending places in by_id; NULL when out of memory. */
uint32_t *modern__places(struct modern_group *group, const struct modern_subscription *subscription,
                         const struct modern_member *member, uint32_t *out_count);
/* Whether the member reads this topic, by name or expression. subscription NULL: as the group knows it. */
bool modern__reads(const struct modern_group *group, const struct modern_subscription *subscription,
                   const struct modern_member *member, struct uuid topic_id);
/* Of the roster's subscribers to a regular expression. */
uint32_t modern__regex_subscribers(const struct modern_group *group, const struct modern_roster *roster,
                                   struct view text);

/* --- group_modern_step.c: the steps of a heartbeat or a classic join, in order; false: out of memory */

void modern__step_begin(struct modern_step *step, struct modern_group *group);
void modern__step_end(struct modern_step *step);
/* next becomes a copy of `from` under `id`, to be changed by the caller. from NULL: a new member. With another id than
 * from's, it takes from's place, whose records go. */
void modern__step_member(struct modern_step *step, const struct modern_member *from, struct view id);
/* After the caller's changes: the member's record, and the group's when its epoch rises. */
MUST_USE bool modern__step_subscription(struct modern_step *step);
MUST_USE bool modern__step_target(struct modern_step *step);
/* owned NULL: not said. */
void modern__step_reconcile(struct modern_step *step, const struct modern_parts *owned);
/* What the going of members changes in the group's records. False: out of memory. */
MUST_USE bool modern__emit_departure(struct modern_group *group, const struct modern_member *const *leavers,
                                     uint32_t leaver_count);

/* step->next's move towards its target, pure. owned NULL: not said. */
void modern__reconcile(struct modern_step *step, const struct modern_parts *owned);
bool modern__reconciled(const struct modern_member *member, int32_t target_epoch);
void modern__deadline_set(struct modern_member *member, enum modern_deadline which, int64_t delay_ms);
void modern__deadline_clear(struct modern_member *member, enum modern_deadline which);

#endif
