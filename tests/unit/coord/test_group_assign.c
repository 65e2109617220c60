/* The assignors: complete, even, sticky, co-partitioned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

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
};

static struct world world;

static void world_init(uint32_t topic_count, uint32_t member_count, const int32_t *partitions)
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

static void subscribe(uint32_t m, uint32_t topic)
{
    world.places[m][world.members[m].topic_count++] = topic;
}

static void subscribe_all(void)
{
    for (uint32_t m = 0; m < world.spec.member_count; m++) {
        for (uint32_t t = 0; t < world.spec.topic_count; t++) {
            subscribe(m, t);
        }
    }
}

static void world_deinit(void)
{
    for (uint32_t m = 0; m < MEMBERS_MAX; m++) {
        modern_parts_deinit(&world.current[m]);
        modern_parts_deinit(&world.members[m].target);
    }
}

/* What came out becomes what is; returns how many partitions stayed where they were. */
static uint32_t adopt(void)
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

/* Every partition of a topic with subscribers has one member, who subscribes to it. */
static void check_complete(void)
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

/* No partition could move to a subscriber who would then have fewer than its owner has now. */
static void check_even(void)
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

static void test_names(void **state)
{
    enum assign_kind kind = ASSIGN_RANGE;

    (void)state;
    assert_true(assign_find(view_text("uniform"), &kind));
    assert_int_equal(kind, ASSIGN_UNIFORM);
    assert_true(assign_find(view_text("range"), &kind));
    assert_int_equal(kind, ASSIGN_RANGE);
    assert_false(assign_find(view_text("roundrobin"), &kind));
    assert_string_equal(assign_name(ASSIGN_UNIFORM), "uniform");
}

static void test_uniform_even_and_sticky(void **state)
{
    int32_t partitions[] = {7, 4, 1};

    (void)state;
    world_init(3, 3, partitions);
    subscribe_all();
    assign_run(ASSIGN_UNIFORM, &world.spec);
    check_complete();
    for (uint32_t m = 0; m < 3; m++) {
        assert_int_equal(world.members[m].target.count, 4);
    }
    (void)adopt();

    /* The same again: nothing moves. */
    assign_run(ASSIGN_UNIFORM, &world.spec);
    assert_int_equal(adopt(), 12);

    /* One more member: it takes three, the others keep three each. */
    (void)snprintf(world.ids[3], sizeof(world.ids[3]), "m03");
    world.members[3] =
        (struct assign_member){.id = view_text(world.ids[3]), .topics = world.places[3], .current = &world.current[3]};
    world.spec.member_count = 4;
    for (uint32_t t = 0; t < 3; t++) {
        subscribe(3, t);
    }
    assign_run(ASSIGN_UNIFORM, &world.spec);
    check_complete();
    assert_int_equal(world.members[3].target.count, 3);
    assert_int_equal(adopt(), 9);
    world_deinit();
}

static void test_uniform_more_members_than_partitions(void **state)
{
    int32_t partitions[] = {2};

    (void)state;
    world_init(1, 5, partitions);
    subscribe_all();
    assign_run(ASSIGN_UNIFORM, &world.spec);
    check_complete();
    check_even();
    (void)adopt();
    assign_run(ASSIGN_UNIFORM, &world.spec);
    assert_int_equal(adopt(), 2);
    world_deinit();
}

static void test_range_copartitioned(void **state)
{
    int32_t partitions[] = {5, 5};

    (void)state;
    world_init(2, 2, partitions);
    subscribe_all();
    assign_run(ASSIGN_RANGE, &world.spec);
    check_complete();
    for (int32_t p = 0; p < 5; p++) {
        for (uint32_t m = 0; m < 2; m++) {
            assert_int_equal(modern_parts_find(&world.members[m].target, world.topics[0].id, p) != NULL,
                             modern_parts_find(&world.members[m].target, world.topics[1].id, p) != NULL);
        }
    }
    assert_int_equal(world.members[0].target.count, 6);
    assert_non_null(modern_parts_find(&world.members[0].target, world.topics[0].id, 2));
    assert_non_null(modern_parts_find(&world.members[1].target, world.topics[0].id, 3));
    world_deinit();
}

/* Static members come first, in the order of their instances, whatever their member ids are now. */
static void test_range_static_members_first(void **state)
{
    int32_t partitions[] = {4};

    (void)state;
    world_init(1, 3, partitions);
    subscribe_all();
    world.members[2].instance_id = view_text("a");
    world.members[1].instance_id = view_text("b");
    assign_run(ASSIGN_RANGE, &world.spec);
    check_complete();
    assert_int_equal(world.members[2].target.count, 2);
    assert_int_equal(world.members[2].target.items[0].partition, 0);
    assert_int_equal(world.members[1].target.items[0].partition, 2);
    assert_int_equal(world.members[0].target.items[0].partition, 3);
    world_deinit();
}

static void test_nobody_and_nothing(void **state)
{
    int32_t none[] = {0, 3};

    (void)state;
    for (int kind = 0; kind < ASSIGN_KIND_COUNT; kind++) {
        world_init(2, 0, none);
        assign_run((enum assign_kind)kind, &world.spec);
        world_init(2, 2, none);
        assign_run((enum assign_kind)kind, &world.spec); /* members without subscriptions */
        assert_int_equal(world.members[0].target.count, 0);
        subscribe(0, 0);
        subscribe(1, 0);
        assign_run((enum assign_kind)kind, &world.spec); /* a topic without partitions */
        assert_int_equal(world.members[1].target.count, 0);
        world_init(0, 2, none);
        assign_run((enum assign_kind)kind, &world.spec);
        assert_int_equal(world.members[1].target.count, 0);
        world_deinit();
    }
}

/* A chain: the only reader of t0 must not keep anything that others can read. */
static void test_uneven_subscriptions(void **state)
{
    int32_t partitions[] = {4, 2, 2};

    (void)state;
    world_init(3, 3, partitions);
    subscribe(0, 0);
    subscribe(0, 1);
    subscribe(1, 1);
    subscribe(1, 2);
    subscribe(2, 2);
    assign_run(ASSIGN_UNIFORM, &world.spec);
    check_complete();
    check_even();
    assert_int_equal(world.members[0].target.count, 4);
    assert_int_equal(world.members[1].target.count, 2);
    assert_int_equal(world.members[2].target.count, 2);
    world_deinit();
}

/* What is remembered may be wrong in every way: topics that are gone, partitions that are, and two who have one. */
static void test_stale_memory(void **state)
{
    int32_t     partitions[] = {3, 3};
    struct uuid gone = {{200}};

    (void)state;
    world_init(2, 2, partitions);
    subscribe_all();
    for (uint32_t m = 0; m < 2; m++) {
        modern_parts_push(&world.current[m], world.topics[0].id, 1, 0);
        modern_parts_push(&world.current[m], world.topics[0].id, 7, 0);
        modern_parts_push(&world.current[m], world.topics[0].id, -1, 0);
        modern_parts_push(&world.current[m], gone, 0, 0);
        modern_parts_sort(&world.current[m]);
    }
    assign_run(ASSIGN_UNIFORM, &world.spec);
    check_complete();
    check_even();
    assert_non_null(modern_parts_find(&world.members[0].target, world.topics[0].id, 1));
    world_deinit();
}

/* Random worlds that change: members come, go and subscribe otherwise, partitions are added. */
static void test_random(void **state)
{
    struct prng prng;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        int32_t  partitions[TOPICS_MAX];
        bool     same = seed % 3 == 0;
        uint32_t topic_count, member_count;

        prng_init(&prng, seed);
        topic_count = 1 + (uint32_t)prng_below(&prng, TOPICS_MAX);
        member_count = 1 + (uint32_t)prng_below(&prng, MEMBERS_MAX);
        for (uint32_t t = 0; t < topic_count; t++) {
            partitions[t] = (int32_t)prng_below(&prng, 20);
        }
        world_init(topic_count, member_count, partitions);
        for (int round = 0; round < 4; round++) {
            for (uint32_t m = 0; m < member_count; m++) {
                world.members[m].topic_count = 0;
                for (uint32_t t = 0; t < topic_count; t++) {
                    if (same || prng_chance(&prng, 1, 2)) {
                        subscribe(m, t);
                    }
                }
            }
            enum assign_kind kind = prng_chance(&prng, 1, 3) ? ASSIGN_RANGE : ASSIGN_UNIFORM;
            assign_run(kind, &world.spec);
            check_complete();
            if (kind == ASSIGN_UNIFORM) {
                uint32_t all = 0;

                check_even();
                for (uint32_t m = 0; m < member_count; m++) {
                    all += world.members[m].target.count;
                }
                (void)adopt();
                assign_run(kind, &world.spec);
                assert_int_equal(adopt(), all); /* nothing to gain: nothing moves */
            } else {
                (void)adopt();
            }
            for (uint32_t t = 0; t < topic_count; t++) {
                world.topics[t].partition_count += (int32_t)prng_below(&prng, 3);
            }
        }
        world_deinit();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_uniform_even_and_sticky),
        cmocka_unit_test(test_uniform_more_members_than_partitions),
        cmocka_unit_test(test_range_copartitioned),
        cmocka_unit_test(test_range_static_members_first),
        cmocka_unit_test(test_nobody_and_nothing),
        cmocka_unit_test(test_uneven_subscriptions),
        cmocka_unit_test(test_stale_memory),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
