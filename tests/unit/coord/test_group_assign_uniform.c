/* The uniform assignor: even, and no partition moves that need not. */
#include "tests/unit/coord/assign_world.h"

#include <stdlib.h>

#define RUNS   200
#define ROUNDS 8

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
    assert_int_equal(world_join(), 3);
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

/* --- members come and go ----------------------------------------------------------------------------------------- */

static int by_load_down(const void *a, const void *b)
{
    return (int)(*(const uint32_t *)b) - (int)(*(const uint32_t *)a);
}

/* The most that can stay when all have the same subscription: the larger shares go to those who have most. */
static uint32_t most_that_can_stay(uint32_t total)
{
    uint32_t loads[MEMBERS_MAX];
    uint32_t count = world.spec.member_count;
    uint32_t stay = 0;

    for (uint32_t m = 0; m < count; m++) {
        loads[m] = world.current[m].count;
    }
    qsort(loads, count, sizeof(loads[0]), by_load_down);
    for (uint32_t m = 0; m < count; m++) {
        stay += MIN(loads[m], total / count + (m < total % count));
    }
    return stay;
}

static void subscribe_as_others(uint32_t m)
{
    for (uint32_t t = 0; t < world.spec.topic_count; t++) {
        subscribe(m, t);
    }
}

/* Some leave, some come, some topics grow. */
static void change_members(struct prng *prng)
{
    for (uint64_t leave = prng_below(prng, 3); leave > 0 && world.spec.member_count > 1; leave--) {
        world_leave((uint32_t)prng_below(prng, world.spec.member_count));
    }
    for (uint64_t come = prng_below(prng, 4); come > 0 && world.spec.member_count < MEMBERS_MAX; come--) {
        subscribe_as_others(world_join());
    }
    if (prng_chance(prng, 1, 3)) {
        world.topics[prng_below(prng, world.spec.topic_count)].partition_count += (int32_t)prng_below(prng, 4);
    }
}

static void test_no_more_moves_than_needed(void **state)
{
    struct prng prng;

    (void)state;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        int32_t  partitions[TOPICS_MAX];
        uint32_t topic_count;

        prng_init(&prng, seed);
        topic_count = 1 + (uint32_t)prng_below(&prng, TOPICS_MAX);
        for (uint32_t t = 0; t < topic_count; t++) {
            partitions[t] = (int32_t)prng_below(&prng, 20);
        }
        world_init(topic_count, 1 + (uint32_t)prng_below(&prng, MEMBERS_MAX), partitions);
        subscribe_all();
        assign_run(ASSIGN_UNIFORM, &world.spec);
        (void)adopt();
        for (int round = 0; round < ROUNDS; round++) {
            uint32_t total = 0;
            uint32_t stay;

            change_members(&prng);
            for (uint32_t t = 0; t < topic_count; t++) {
                total += (uint32_t)world.topics[t].partition_count;
            }
            stay = most_that_can_stay(total);
            assign_run(ASSIGN_UNIFORM, &world.spec);
            check_complete();
            check_even();
            assert_int_equal(adopt(), stay);
        }
        world_deinit();
    }
}

/* The order in which members are listed is no reason for anything to move. */
static void test_the_order_of_members_does_not_matter(void **state)
{
    int32_t  partitions[] = {9, 5};
    uint32_t all = 0;

    (void)state;
    world_init(2, 5, partitions);
    subscribe_all();
    assign_run(ASSIGN_UNIFORM, &world.spec);
    (void)adopt();
    for (uint32_t m = 0; m < 2; m++) { /* 0 and 4, 1 and 3 change places */
        struct assign_member swap = world.members[m];
        world.members[m] = world.members[4 - m];
        world.members[4 - m] = swap;
    }
    assign_run(ASSIGN_UNIFORM, &world.spec);
    check_complete();
    for (uint32_t m = 0; m < 5; m++) {
        all += modern_parts_equal(&world.members[m].target, world.members[m].current) ? 1 : 0;
    }
    assert_int_equal(all, 5);
    world_deinit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform_even_and_sticky),   cmocka_unit_test(test_uniform_more_members_than_partitions),
        cmocka_unit_test(test_uneven_subscriptions),      cmocka_unit_test(test_stale_memory),
        cmocka_unit_test(test_no_more_moves_than_needed), cmocka_unit_test(test_the_order_of_members_does_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
