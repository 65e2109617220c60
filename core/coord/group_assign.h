/* group_assign.h: server-side assignors: who of a group reads which partition.
 *
 * Pure: a specification in, targets out. Every partition that someone subscribes to gets exactly one member, who is
 * subscribed to its topic; nobody gets anything else.
 *
 * uniform: loads differ by one at most when all members have the same subscription; otherwise no single move of a
 * partition from one member to another would make the loads more even. Sticky: a partition moves only for that.
 *
 * range: per topic, in member order, each subscriber gets a run of neighbouring partitions, the first ones one more
 * when it does not divide evenly. So topics with as many partitions and the same subscribers are co-partitioned.
 * Members with an instance id come first, in its order, then the others by member id: a static member that comes back
 * under another member id gets what it had.
 *
 * Memory: scratch of some words per partition and subscription, freed before the return; targets belong to the caller.
 * Source of the rules: KIP-848, "Server Side Assignor"; names as group.consumer.assignors takes them. */
#ifndef MILLRACE_GROUP_ASSIGN_H
#define MILLRACE_GROUP_ASSIGN_H

#include "core/coord/group_modern_parts.h"

enum assign_kind { ASSIGN_UNIFORM, ASSIGN_RANGE, ASSIGN_KIND_COUNT };

/* A topic that exists. */
struct assign_topic {
    struct uuid id;
    int32_t     partition_count;
};

struct assign_member {
    struct view                id;
    struct view                instance_id; /* base NULL: none */
    const uint32_t            *topics;      /* ascending places in assign_spec.topics, without duplicates */
    uint32_t                   topic_count;
    const struct modern_parts *current; /* what it is to have so far; may name topics that are gone */
    struct modern_parts        target;  /* out; empty when called */
};

struct assign_spec {
    const struct assign_topic *topics; /* ascending by id, without duplicates */
    uint32_t                   topic_count;
    struct assign_member      *members;
    uint32_t                   member_count;
};

const char *assign_name(enum assign_kind kind);
/* False: no assignor has this name. */
MUST_USE bool assign_find(struct view name, enum assign_kind *out_kind);
void          assign_run(enum assign_kind kind, struct assign_spec *spec);

/* --- private to group_assign*.c ---------------------------------------------------------------------------------- */

void assign__uniform(struct assign_spec *spec);
void assign__range(struct assign_spec *spec);
/* The place of a topic in spec->topics, or UINT32_MAX. */
uint32_t assign__topic_at(const struct assign_spec *spec, struct uuid id);

#endif
