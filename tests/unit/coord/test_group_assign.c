/* What holds for every assignor, and the range assignor: complete, co-partitioned. The uniform one is in
 * test_group_assign_uniform.c. */
#include "tests/unit/coord/assign_world.h"

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
        cmocka_unit_test(test_range_copartitioned),
        cmocka_unit_test(test_range_static_members_first),
        cmocka_unit_test(test_nobody_and_nothing),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
