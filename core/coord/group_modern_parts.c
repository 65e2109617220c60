/* group_modern_parts.c: sets of partitions and their owners. */
#include "core/coord/group_modern_parts.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/hash.h"

#define OWNER_SLOTS_MIN 16u

int modern_part_compare(const struct modern_part *a, const struct modern_part *b)
{
    int order = memcmp(a->topic_id.bytes, b->topic_id.bytes, sizeof(a->topic_id.bytes));

    if (order != 0) {
        return order;
    }
    return (a->partition > b->partition) - (a->partition < b->partition);
}

static int compare_for_sort(const void *a, const void *b)
{
    return modern_part_compare(a, b);
}

void modern_parts_deinit(struct modern_parts *parts)
{
    mem_free(MEM_COORD, parts->items);
    *parts = (struct modern_parts){0};
}

void modern_parts_clear(struct modern_parts *parts)
{
    parts->count = 0;
}

static void reserve(struct modern_parts *parts, uint32_t count)
{
    if (count <= parts->capacity) {
        return;
    }
    parts->capacity = MAX(count, parts->capacity == 0 ? 4 : parts->capacity * 2);
    parts->items = mem_realloc(MEM_COORD, parts->items, parts->capacity * sizeof(parts->items[0]));
}

void modern_parts_push(struct modern_parts *parts, struct uuid topic_id, int32_t partition, int32_t epoch)
{
    reserve(parts, parts->count + 1);
    parts->items[parts->count++] = (struct modern_part){.topic_id = topic_id, .partition = partition, .epoch = epoch};
}

void modern_parts_sort(struct modern_parts *parts)
{
    uint32_t kept = 0;

    if (parts->count == 0) {
        return;
    }
    qsort(parts->items, parts->count, sizeof(parts->items[0]), compare_for_sort);
    for (uint32_t i = 1; i < parts->count; i++) {
        if (modern_part_compare(&parts->items[kept], &parts->items[i]) != 0) {
            parts->items[++kept] = parts->items[i];
        }
    }
    parts->count = kept + 1;
}

void modern_parts_move(struct modern_parts *parts, struct modern_parts *from)
{
    struct modern_parts taken = *from;

    *from = (struct modern_parts){0};
    modern_parts_deinit(parts);
    *parts = taken;
}

void modern_parts_copy(struct modern_parts *parts, const struct modern_parts *from)
{
    parts->count = 0;
    reserve(parts, from->count);
    if (from->count != 0) {
        memcpy(parts->items, from->items, from->count * sizeof(from->items[0]));
    }
    parts->count = from->count;
}

const struct modern_part *modern_parts_find(const struct modern_parts *parts, struct uuid topic_id, int32_t partition)
{
    struct modern_part wanted = {.topic_id = topic_id, .partition = partition};

    if (parts->count == 0) {
        return NULL;
    }
    return bsearch(&wanted, parts->items, parts->count, sizeof(wanted), compare_for_sort);
}

bool modern_parts_equal(const struct modern_parts *a, const struct modern_parts *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (modern_part_compare(&a->items[i], &b->items[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool modern_parts_equal_epochs(const struct modern_parts *a, const struct modern_parts *b)
{
    if (!modern_parts_equal(a, b)) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->items[i].epoch != b->items[i].epoch) {
            return false;
        }
    }
    return true;
}

bool modern_parts_subset(const struct modern_parts *a, const struct modern_parts *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (modern_parts_find(b, a->items[i].topic_id, a->items[i].partition) == NULL) {
            return false;
        }
    }
    return true;
}

bool modern_parts_overlap(const struct modern_parts *a, const struct modern_parts *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (modern_parts_find(b, a->items[i].topic_id, a->items[i].partition) != NULL) {
            return true;
        }
    }
    return false;
}

/* Pushes a's entries whose presence in b is `wanted`. */
static void merge(const struct modern_parts *a, const struct modern_parts *b, bool wanted, struct modern_parts *out)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < a->count; i++) {
        const struct modern_part *item = &a->items[i];

        while (at < b->count && modern_part_compare(&b->items[at], item) < 0) {
            at++;
        }
        bool present = at < b->count && modern_part_compare(&b->items[at], item) == 0;
        if (present == wanted) {
            modern_parts_push(out, item->topic_id, item->partition, item->epoch);
        }
    }
}

void modern_parts_intersect(const struct modern_parts *a, const struct modern_parts *b, struct modern_parts *out)
{
    merge(a, b, true, out);
}

void modern_parts_subtract(const struct modern_parts *a, const struct modern_parts *b, struct modern_parts *out)
{
    merge(a, b, false, out);
}

bool modern_parts_next_run(const struct modern_parts *parts, uint32_t *position, struct modern_run *out_run)
{
    uint32_t start = *position;
    uint32_t end = start;

    if (start >= parts->count) {
        return false;
    }
    while (end < parts->count && uuid_equal(parts->items[end].topic_id, parts->items[start].topic_id)) {
        end++;
    }
    *out_run = (struct modern_run){
        .topic_id = parts->items[start].topic_id, .items = &parts->items[start], .count = end - start};
    *position = end;
    return true;
}

uint32_t modern_parts_runs(const struct modern_parts *parts)
{
    struct modern_run run;
    uint32_t          position = 0;
    uint32_t          count = 0;

    while (modern_parts_next_run(parts, &position, &run)) {
        count++;
    }
    return count;
}

/* --- owners ------------------------------------------------------------------------------------------------------ */

void modern_owners_deinit(struct modern_owners *owners)
{
    mem_free(MEM_COORD, owners->slots);
    *owners = (struct modern_owners){0};
}

static uint32_t home_slot(const struct modern_owners *owners, struct uuid topic_id, int32_t partition)
{
    uint64_t hash = hash_bytes(view_of(topic_id.bytes, sizeof(topic_id.bytes)));

    return (uint32_t)hash_u64(hash ^ (uint64_t)(uint32_t)partition) & (owners->slot_count - 1);
}

/* The slot that holds the partition, or the free one where it would stand. */
static uint32_t probe(const struct modern_owners *owners, struct uuid topic_id, int32_t partition)
{
    uint32_t at = home_slot(owners, topic_id, partition);

    while (owners->slots[at].member != NULL &&
           !(owners->slots[at].partition == partition && uuid_equal(owners->slots[at].topic_id, topic_id))) {
        at = (at + 1) & (owners->slot_count - 1);
    }
    return at;
}

struct modern_member *modern_owners_get(const struct modern_owners *owners, struct uuid topic_id, int32_t partition)
{
    if (owners->count == 0) {
        return NULL;
    }
    return owners->slots[probe(owners, topic_id, partition)].member;
}

static void grow(struct modern_owners *owners)
{
    struct modern_owners old = *owners;

    owners->slot_count = old.slot_count == 0 ? OWNER_SLOTS_MIN : old.slot_count * 2;
    owners->slots = mem_alloc(MEM_COORD, owners->slot_count * sizeof(owners->slots[0]));
    for (uint32_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].member != NULL) {
            owners->slots[probe(owners, old.slots[i].topic_id, old.slots[i].partition)] = old.slots[i];
        }
    }
    mem_free(MEM_COORD, old.slots);
}

void modern_owners_claim(struct modern_owners *owners, const struct modern_parts *parts, struct modern_member *member)
{
    CHECK(member != NULL);
    for (uint32_t i = 0; i < parts->count; i++) {
        const struct modern_part *item = &parts->items[i];

        if ((owners->count + 1) * 4 > owners->slot_count * 3) {
            grow(owners);
        }
        uint32_t at = probe(owners, item->topic_id, item->partition);
        if (owners->slots[at].member == NULL) {
            owners->count++;
        }
        owners->slots[at] =
            (struct modern_owner){.topic_id = item->topic_id, .partition = item->partition, .member = member};
    }
}

/* Backward shift: what stands behind the hole and would have liked its place moves up. */
static void remove_slot(struct modern_owners *owners, uint32_t hole)
{
    uint32_t mask = owners->slot_count - 1;
    uint32_t at = hole;

    for (;;) {
        at = (at + 1) & mask;
        if (owners->slots[at].member == NULL) {
            break;
        }
        uint32_t home = home_slot(owners, owners->slots[at].topic_id, owners->slots[at].partition);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            owners->slots[hole] = owners->slots[at];
            hole = at;
        }
    }
    owners->slots[hole] = (struct modern_owner){0};
    owners->count--;
}

void modern_owners_release(struct modern_owners *owners, const struct modern_parts *parts,
                           const struct modern_member *member)
{
    for (uint32_t i = 0; i < parts->count && owners->count != 0; i++) {
        uint32_t at = probe(owners, parts->items[i].topic_id, parts->items[i].partition);

        if (owners->slots[at].member == member) {
            remove_slot(owners, at);
        }
    }
}
