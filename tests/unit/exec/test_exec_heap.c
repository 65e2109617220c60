/* Heaps: sizes, reuse, budget. */
#include "tests/unit/exec/holder_support.h"

#include "compute/exec/exec_row.h"

#define ITEMS 600

struct item {
    uint8_t *base;
    size_t   bytes;
    uint8_t  mark;
};

static size_t random_size(struct prng *prng)
{
    switch (prng_below(prng, 4)) {
    case 0:
        return prng_below(prng, 64);
    case 1:
        return prng_below(prng, 2000);
    case 2:
        return prng_below(prng, 70000);
    default:
        return (UINT64_C(1) << prng_below(prng, 18)) + prng_below(prng, 3) - (prng_chance(prng, 1, 2) ? 1 : 0);
    }
}

static void check_item(const struct item *item)
{
    for (size_t i = 0; i < item->bytes; i++) {
        assert_int_equal(item->base[i], item->mark);
    }
}

/* Nothing that is out overlaps anything else that is out, at any size, over many rounds of giving and taking. */
static void items_do_not_overlap(void **state)
{
    struct rig        rig;
    struct exec_heap *heap = exec_heap_create(holder_start(&rig, 0));
    struct item       items[ITEMS] = {0};
    struct prng       prng;

    (void)state;
    prng_init(&prng, 7);
    for (int round = 0; round < 6000; round++) {
        struct item *item = &items[prng_below(&prng, ITEMS)];

        if (item->base != NULL) {
            check_item(item);
            exec_heap_give(heap, item->base, item->bytes);
            item->base = NULL;
            continue;
        }
        item->bytes = random_size(&prng);
        item->mark = (uint8_t)prng_next(&prng);
        item->base = exec_heap_take(heap, item->bytes);
        assert_non_null(item->base);
        assert_int_equal((uintptr_t)item->base % 16, 0);
        memset(item->base, item->mark, item->bytes);
    }
    for (int i = 0; i < ITEMS; i++) {
        if (items[i].base != NULL) {
            check_item(&items[i]);
        }
    }
    assert_int_equal(exec_heap_bytes(heap), exec_job_memory_bytes(rig.job));
    exec_heap_destroy(heap);
    assert_int_equal(exec_job_memory_bytes(rig.job), 0);
    rig_stop(&rig);
}

static void what_is_given_back_is_used_again(void **state)
{
    struct rig        rig;
    struct exec_heap *heap = exec_heap_create(holder_start(&rig, 0));
    size_t            bytes;

    (void)state;
    for (int i = 0; i < 100; i++) {
        exec_heap_give(heap, exec_heap_take(heap, 1000), 1000);
    }
    bytes = exec_heap_bytes(heap);
    for (int i = 0; i < 100000; i++) {
        exec_heap_give(heap, exec_heap_take(heap, 1000), 1000);
        exec_heap_give(heap, exec_heap_take(heap, 100000), 100000);
    }
    assert_int_equal(exec_heap_bytes(heap), bytes);
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

static void the_budget_holds(void **state)
{
    struct rig        rig;
    struct exec_heap *heap = exec_heap_create(holder_start(&rig, 256 * KIB));
    size_t            taken = 0;

    (void)state;
    while (exec_heap_take(heap, 100) != NULL) {
        taken += 100;
    }
    assert_in_range(taken, 64 * KIB, 256 * KIB);
    assert_in_range(exec_job_memory_bytes(rig.job), 1, 256 * KIB);
    assert_non_null(strstr(rig_failure(&rig), "outgrew its budget"));
    assert_non_null(strstr(rig_failure(&rig), "Limit"));
    assert_null(exec_heap_take(heap, 1 << 20));
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

static void the_machine_may_have_no_more(void **state)
{
    struct rig        rig;
    struct exec_heap *heap = exec_heap_create(holder_start(&rig, 0));
    uint64_t          before = exec_job_memory_bytes(rig.job);

    (void)state;
    mem_fail_after(1);
    assert_null(exec_heap_take(heap, 100000));
    mem_fail_after(0);
    assert_non_null(strstr(rig_failure(&rig), "no memory left"));
    assert_int_equal(exec_job_memory_bytes(rig.job), before);
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_do_not_overlap),
        cmocka_unit_test(what_is_given_back_is_used_again),
        cmocka_unit_test(the_budget_holds),
        cmocka_unit_test(the_machine_may_have_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
