/* assign_world.h: members, topics and subscriptions for the assignors, and what must hold of every assignment. */
#ifndef MILLRACE_TESTS_ASSIGN_WORLD_H
#define MILLRACE_TESTS_ASSIGN_WORLD_H

#include "tests/support/unit.h"

#include "core/base/prng.h"
#include "core/coord/group_assign.h"

#define TOPICS_MAX  12u
#define MEMBERS_MAX 24u

struct world {
    struct assign_topic  topics[TOPICS_MAX];
    struct assign_member members[MEMBERS_MAX];
    struct modern_parts  current[MEMBERS_MAX];
    uint32_t             places[MEMBERS_MAX][TOPICS_MAX];
    char                 ids[MEMBERS_MAX][16];
    struct assign_spec   spec;
    uint32_t             joined; /* names of those that came later */
};

extern struct world world;

void world_init(uint32_t topic_count, uint32_t member_count, const int32_t *partitions);
void world_deinit(void);
/* One more member, without subscriptions; its place. */
uint32_t world_join(void);
/* The member goes, with what it had; the last one takes its place. */
void world_leave(uint32_t m);
void subscribe(uint32_t m, uint32_t topic);
void subscribe_all(void);
/* What came out becomes what is; returns how many partitions stayed where they were. */
uint32_t adopt(void);
/* Every partition of a topic with subscribers has one member, who subscribes to it. */
void check_complete(void);
/* No partition could move to a subscriber who would then have fewer than its owner has now. */
void check_even(void);

#endif
