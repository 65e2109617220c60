/* group_assign.c: the assignors by name, and `range`. */
#include "core/coord/group_assign.h"

#include <stdlib.h>

#include "core/base/check.h"

static const char *const names[ASSIGN_KIND_COUNT] = {[ASSIGN_UNIFORM] = "uniform", [ASSIGN_RANGE] = "range"};

const char *assign_name(enum assign_kind kind)
{
    CHECK(kind < ASSIGN_KIND_COUNT);
    return names[kind];
}

bool assign_find(struct view name, enum assign_kind *out_kind)
{
    for (int i = 0; i < ASSIGN_KIND_COUNT; i++) {
        if (view_equal(name, view_text(names[i]))) {
            *out_kind = (enum assign_kind)i;
            return true;
        }
    }
    return false;
}

uint32_t assign__topic_at(const struct assign_spec *spec, struct uuid id)
{
    uint32_t low = 0;
    uint32_t high = spec->topic_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int      order = memcmp(spec->topics[middle].id.bytes, id.bytes, sizeof(id.bytes));

        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return UINT32_MAX;
}

void assign_run(enum assign_kind kind, struct assign_spec *spec)
{
    if (spec->member_count == 0) {
        return;
    }
    if (kind == ASSIGN_RANGE) {
        assign__range(spec);
    } else {
        assign__uniform(spec);
    }
}

static int compare_members(const void *a, const void *b)
{
    const struct assign_member *left = *(const struct assign_member *const *)a;
    const struct assign_member *right = *(const struct assign_member *const *)b;
    bool                        left_static = left->instance_id.base != NULL;
    bool                        right_static = right->instance_id.base != NULL;

    if (left_static != right_static) {
        return left_static ? -1 : 1;
    }
    if (left_static) {
        int order = view_compare(left->instance_id, right->instance_id);

        if (order != 0) {
            return order;
        }
    }
    return view_compare(left->id, right->id);
}

struct range_topic {
    int32_t subscribers;
    int32_t extra;
    int32_t next;
};

void assign__range(struct assign_spec *spec)
{
    struct assign_member **order = mem_alloc(MEM_COORD, spec->member_count * sizeof(order[0]));
    struct range_topic    *topics = mem_alloc(MEM_COORD, spec->topic_count * sizeof(topics[0]));

    for (uint32_t m = 0; m < spec->member_count; m++) {
        order[m] = &spec->members[m];
        for (uint32_t i = 0; i < spec->members[m].topic_count; i++) {
            topics[spec->members[m].topics[i]].subscribers++;
        }
    }
    for (uint32_t t = 0; t < spec->topic_count; t++) {
        topics[t].extra = topics[t].subscribers == 0 ? 0 : spec->topics[t].partition_count % topics[t].subscribers;
    }
    qsort(order, spec->member_count, sizeof(order[0]), compare_members);
    for (uint32_t m = 0; m < spec->member_count; m++) {
        for (uint32_t i = 0; i < order[m]->topic_count; i++) {
            uint32_t            at = order[m]->topics[i];
            struct range_topic *topic = &topics[at];
            int32_t             take = spec->topics[at].partition_count / topic->subscribers;

            if (topic->extra > 0) {
                topic->extra--;
                take++;
            }
            for (; take > 0; take--) {
                modern_parts_push(&order[m]->target, spec->topics[at].id, topic->next++, 0);
            }
        }
    }
    mem_free(MEM_COORD, topics);
    mem_free(MEM_COORD, order);
}
