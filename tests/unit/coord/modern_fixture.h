/* modern_fixture.h: one consumer group with a cluster made up around it: topics, time, and a log of all that was
 * written.
 *
 * Every event goes the way it goes in the broker: decided, written, applied from what was written. */
#ifndef MILLRACE_MODERN_FIXTURE_H
#define MILLRACE_MODERN_FIXTURE_H

#include "core/coord/group_modern.h"

#define FIXTURE_TOPICS_MAX 64
#define FIXTURE_NAMES_MAX  16

struct fixture_topic {
    char        name[32];
    struct uuid id;
    int32_t     partition_count;
    bool        gone;
};

struct fixture_record {
    uint8_t *key, *value;
    size_t   key_len, value_len; /* value NULL: tombstone */
    uint64_t event;
};

struct fixture {
    struct modern_host     host;
    struct timer_heap      timers;
    struct modern_group   *group;
    struct modern_settings settings;
    struct fixture_topic   topics[FIXTURE_TOPICS_MAX];
    size_t                 topic_count;
    int64_t                topics_version;
    int64_t                now_ns;
    uint64_t               random;
    struct fixture_record *log;
    size_t                 log_count, log_capacity;
    uint64_t               events;
    struct arena           arena; /* of answers; reset with each heartbeat */
    char                   reason[MODERN_REASON_BYTES];
    uint32_t               fenced; /* by deadlines */
};

/* A client that does what it is told. */
struct fixture_member {
    char                id[32];
    char                instance[32]; /* "": dynamic */
    const char         *names[FIXTURE_NAMES_MAX];
    int32_t             name_count;
    const char         *regex;
    const char         *assignor;
    int32_t             epoch;
    struct modern_parts owned;
    struct modern_parts told; /* the newest assignment */
};

void fixture_init(struct fixture *fixture);
void fixture_deinit(struct fixture *fixture);
void fixture_topic(struct fixture *fixture, const char *name,
                   int32_t partition_count); /* made, changed or made again */
void fixture_topic_delete(struct fixture *fixture, const char *name);
void fixture_advance_ms(struct fixture *fixture, int64_t ms); /* fires what is due on the way */
/* Writes and applies what was decided. */
void fixture_apply(struct fixture *fixture);

struct fixture_member fixture_member(const char *id, const char *first_topic);
void                  fixture_member_deinit(struct fixture_member *member);
/* Joins with everything, or says what it has. Takes the answer: epoch and told. */
int16_t fixture_heartbeat(struct fixture *fixture, struct fixture_member *member, bool full);
/* One heartbeat without anything optional. */
int16_t fixture_ping(struct fixture *fixture, struct fixture_member *member);
/* Gives up what it was told to, takes the rest. */
void    fixture_comply(struct fixture_member *member);
int16_t fixture_leave(struct fixture *fixture, struct fixture_member *member, int32_t epoch);
/* The request's checks alone. */
int16_t fixture_check(struct fixture *fixture, const struct kp_consumer_group_heartbeat_request *request,
                      int16_t version);

/* Nobody has what another has, owners agree with members, counts agree with subscriptions. */
void fixture_verify(const struct fixture *fixture);
/* A group made by replaying the log up to `count` records equals what the live one was then; only the end is compared
 * (count == log_count), before it only the invariants hold. */
void fixture_verify_replay(struct fixture *fixture);
void fixture_groups_equal(const struct modern_group *a, const struct modern_group *b);

/* The one group of a test that has one. The teardown verifies it and replays all that was written. */
extern struct fixture fx;
int                   fixture_setup(void **state);
int                   fixture_teardown(void **state);
void                  ok(int16_t error);
/* Beats and obeys until nothing changes any more. */
void settle(struct fixture_member *const *members, size_t count);

#endif
