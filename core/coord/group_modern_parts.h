/* group_modern_parts.h: sets of partitions, and who owns a partition in one group.
 *
 * A set is an array sorted by (topic id, partition) without duplicates; all operations on two sets are merges. The
 * epoch of an entry says in which member epoch the partition was given to its member (KIP-1251: an offset commit of an
 * older epoch is taken for partitions that were the member's by then); it takes no part in comparisons.
 *
 * Memory: one allocation per set, tag MEM_COORD. Pure; private to the room. */
#ifndef MILLRACE_GROUP_MODERN_PARTS_H
#define MILLRACE_GROUP_MODERN_PARTS_H

#include "core/base/mem.h"

struct modern_part {
    struct uuid topic_id;
    int32_t     partition;
    int32_t     epoch;
};

struct modern_parts {
    struct modern_part *items;
    uint32_t            count;
    uint32_t            capacity;
};

int  modern_part_compare(const struct modern_part *a, const struct modern_part *b);
void modern_parts_deinit(struct modern_parts *parts);
void modern_parts_clear(struct modern_parts *parts);
/* At the end, in any order; modern_parts_sort() makes it a set again. */
void modern_parts_push(struct modern_parts *parts, struct uuid topic_id, int32_t partition, int32_t epoch);
/* Sorts and drops duplicates, which may come from outside. */
void modern_parts_sort(struct modern_parts *parts);
/* Gives `parts` the entries of `from`, which is empty afterwards. */
void modern_parts_move(struct modern_parts *parts, struct modern_parts *from);
void modern_parts_copy(struct modern_parts *parts, const struct modern_parts *from);
/* NULL: not in the set. */
const struct modern_part *modern_parts_find(const struct modern_parts *parts, struct uuid topic_id, int32_t partition);
bool                      modern_parts_equal(const struct modern_parts *a, const struct modern_parts *b);
bool                      modern_parts_equal_epochs(const struct modern_parts *a, const struct modern_parts *b);
/* Every entry of a is in b. */
bool modern_parts_subset(const struct modern_parts *a, const struct modern_parts *b);
/* Some entry of a is in b. */
bool modern_parts_overlap(const struct modern_parts *a, const struct modern_parts *b);
/* Pushes to `out` what is in a and in b, with a's epochs; or what is in a and not in b. */
void modern_parts_intersect(const struct modern_parts *a, const struct modern_parts *b, struct modern_parts *out);
void modern_parts_subtract(const struct modern_parts *a, const struct modern_parts *b, struct modern_parts *out);

/* Runs of equal topic id: *position moves on; false at the end. */
struct modern_run {
    struct uuid               topic_id;
    const struct modern_part *items;
    uint32_t                  count;
};
bool     modern_parts_next_run(const struct modern_parts *parts, uint32_t *position, struct modern_run *out_run);
uint32_t modern_parts_runs(const struct modern_parts *parts);

/* --- owners ------------------------------------------------------------------------------------------------------ */

struct modern_member;

struct modern_owner {
    struct uuid           topic_id;
    int32_t               partition;
    struct modern_member *member; /* NULL: slot never used */
};

/* Partition to member, of all that members are assigned or have not yet given back. Open addressing, linear probing. */
struct modern_owners {
    struct modern_owner *slots;
    uint32_t             slot_count; /* a power of two, or 0 */
    uint32_t             count;
};

void                  modern_owners_deinit(struct modern_owners *owners);
struct modern_member *modern_owners_get(const struct modern_owners *owners, struct uuid topic_id, int32_t partition);
/* The last one that claims it has it: replay of a compacted log may show an owner before the other's release. */
void modern_owners_claim(struct modern_owners *owners, const struct modern_parts *parts, struct modern_member *member);
/* Only what `member` still has. */
void modern_owners_release(struct modern_owners *owners, const struct modern_parts *parts,
                           const struct modern_member *member);

#endif
