/* group_storm.h: members of groups that join, commit, fall silent and leave, while the broker's power goes off and on.
 *
 * What must hold over everything:
 *   1. A generation belongs to one set of members: whoever is told of it is told the same leader, and it is never
 *      smaller than one that somebody had been told of before.
 *   2. Whoever syncs gets what the leader of that generation has assigned.
 *   3. A committed offset that was acknowledged or read is never older than that afterwards, and never one that nobody
 *      sent. */
#ifndef MILLRACE_TESTS_SIM_GROUP_STORM_H
#define MILLRACE_TESTS_SIM_GROUP_STORM_H

#include "core/base/prng.h"
#include "tests/sim/storm_life.h"

#define GROUP_STORM_GROUPS      3 /* the last one has no members, only commits */
#define GROUP_STORM_ACTORS      8
#define GROUP_STORM_GENERATIONS 4096

struct group_storm;

/* What is promised about one group. */
struct storm_group {
    char     name[24];
    uint32_t shard;
    int32_t  newest; /* largest generation somebody was told of */
    char     leaders[GROUP_STORM_GENERATIONS][64];
};

enum actor_op { ACTOR_NONE, ACTOR_JOIN, ACTOR_SYNC, ACTOR_BEAT, ACTOR_COMMIT, ACTOR_FETCH, ACTOR_LEAVE };

struct storm_actor {
    struct group_storm *storm;
    int32_t             index; /* also the partition it commits */
    struct storm_group *group;
    bool                alone; /* only commits */
    struct rig_client  *client;
    struct rig_call     call;
    enum actor_op       op;
    char                member_id[64];
    int32_t             generation; /* -1: not in */
    bool                synced;
    int64_t             silent_until_ns;
    int64_t             sent, known; /* offsets: largest sent; largest acknowledged or read */
    int32_t             target;      /* of a fetch: whose offset */
    int64_t             known_before;
    int32_t             newest_before;
};

struct group_storm {
    struct storm_life  life;
    struct storm_group groups[GROUP_STORM_GROUPS];
    struct storm_actor actors[GROUP_STORM_ACTORS];
    uint64_t           generations, commits, fetches;
};

/* One seed, whole; storm->life.voice.failure says what went wrong. Returns the trace hash. */
uint64_t group_storm_run(struct group_storm *storm, uint64_t seed, bool verbose);
/* Looks at an actor's answer and lets it ask for the next thing. */
void group_storm_poll(struct storm_actor *actor);

#endif
