#include "tests/unit/coord/assign_world.h"

#include <stdio.h>

struct world world;

void world_init(uint32_t topic_count, uint32_t member_count, const int32_t *partitions)
{
    world = (struct world){0};
    for (uint32_t t = 0; t < topic_count; t++) {
        world.topics[t].id.bytes[0] = (uint8_t)(t + 1);
        world.topics[t].partition_count = partitions[t];
    }
    for (uint32_t m = 0; m < member_count; m++) {
        (void)snprintf(world.ids[m], sizeof(world.ids[m]), "m%02u", m);
        world.members[m] = (struct assign_member){
            .id = view_text(world.ids[m]), .topics = world.places[m], .current = &world.current[m]};
    }
    world.spec = (struct assign_spec){
        .topics = world.topics, .topic_count = topic_count, .members = world.members, .member_count = member_count};
}

void subscribe(uint32_t m, uint32_t topic)
{
    world.places[m][world.members[m].topic_count++] = topic;
}

void subscribe_all(void)
{
    for (uint32_t m = 0; m < world.spec.member_count; m++) {
        for (uint32_t t = 0; t < world.spec.topic_count; t++) {
            subscribe(m, t);
        }
    }
}

uint32_t world_join(void)
{
    uint32_t m = world.spec.member_count++;

    (void)snprintf(world.ids[m], sizeof(world.ids[m]), "n%04u", ++world.joined);
    world.members[m] =
        (struct assign_member){.id = view_text(world.ids[m]), .topics = world.places[m], .current = &world.current[m]};
    return m;
}

void world_leave(uint32_t m)
{
    uint32_t last = --world.spec.member_count;

    modern_parts_deinit(&world.current[m]);
    if (m != last) {
        modern_parts_move(&world.current[m], &world.current[last]);
        memcpy(world.ids[m], world.ids[last], sizeof(world.ids[m]));
        memcpy(world.places[m], world.places[last], sizeof(world.places[m]));
        world.members[m].topic_count = world.members[last].topic_count;
        world.members[m].id = view_text(world.ids[m]);
    }
    world.members[last].topic_count = 0;
}

void world_deinit(void)
{
    for (uint32_t m = 0; m < MEMBERS_MAX; m++) {
        modern_parts_deinit(&world.current[m]);
        modern_parts_deinit(&world.members[m].target);
    }
}

uint32_t adopt(void)
{
    uint32_t stayed = 0;

    for (uint32_t m = 0; m < world.spec.member_count; m++) {
        struct modern_parts both = {0};

        modern_parts_intersect(&world.members[m].target, &world.current[m], &both);
        stayed += both.count;
        modern_parts_deinit(&both);
        modern_parts_move(&world.current[m], &world.members[m].target);
    }
    return stayed;
}

static bool subscribes(uint32_t m, uint32_t topic)
{
    for (uint32_t i = 0; i < world.members[m].topic_count; i++) {
        if (world.members[m].topics[i] == topic) {
            return true;
        }
    }
    return false;
}

void check_complete(void)
{
    uint32_t assigned = 0;

    for (uint32_t m = 0; m < world.spec.member_count; m++) {
        const struct modern_parts *target = &world.members[m].target;

        assigned += target->count;
        for (uint32_t i = 0; i < target->count; i++) {
            uint32_t topic = assign__topic_at(&world.spec, target->items[i].topic_id);

            assert_true(subscribes(m, topic));
            assert_in_range(target->items[i].partition, 0, world.topics[topic].partition_count - 1);
            assert_true(i == 0 || modern_part_compare(&target->items[i - 1], &target->items[i]) < 0);
            for (uint32_t other = 0; other < m; other++) {
                assert_null(modern_parts_find(&world.members[other].target, target->items[i].topic_id,
                                              target->items[i].partition));
            }
        }
    }
    uint32_t wanted = 0;
    for (uint32_t t = 0; t < world.spec.topic_count; t++) {
        bool anyone = false;

        for (uint32_t m = 0; m < world.spec.member_count; m++) {
            anyone = anyone || subscribes(m, t);
        }
        wanted += anyone ? (uint32_t)world.topics[t].partition_count : 0;
    }
    assert_int_equal(assigned, wanted);
}

void check_even(void)
{
    for (uint32_t m = 0; m < world.spec.member_count; m++) {
        const struct modern_parts *target = &world.members[m].target;

        for (uint32_t i = 0; i < target->count; i++) {
            uint32_t topic = assign__topic_at(&world.spec, target->items[i].topic_id);

            for (uint32_t other = 0; other < world.spec.member_count; other++) {
                if (other != m && subscribes(other, topic)) {
                    assert_true(target->count <= world.members[other].target.count + 1);
                }
            }
        }
    }
}
