#include "tests/support/unit.h"

#include "core/base/arena.h"

static void test_zeroed_aligned_and_apart(void **state)
{
    struct arena arena;
    uint8_t     *before = NULL;

    (void)state;
    arena_init(&arena, MEM_TEST, 1024, 64 * KIB);
    for (size_t size = 0; size < 100; size++) {
        uint8_t *bytes = arena_alloc(&arena, size);

        assert_non_null(bytes);
        assert_ptr_not_equal(bytes, before);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(bytes[i], 0);
        }
        memset(bytes, 0xff, size);
        before = bytes;
    }
    arena_deinit(&arena);
    assert_int_equal(mem_used_bytes(MEM_TEST), 0);
}

static void test_reset_zeroes_and_keeps_one_block(void **state)
{
    struct arena arena;
    uint8_t     *first;
    uint64_t     used_bytes;

    (void)state;
    arena_init(&arena, MEM_TEST, 4096, 1 * MIB);
    for (int i = 0; i < 100; i++) {
        uint8_t *bytes = arena_alloc(&arena, 1000);

        assert_non_null(bytes);
        memset(bytes, 0xaa, 1000);
    }
    arena_reset(&arena);
    used_bytes = mem_used_bytes(MEM_TEST);
    assert_true(used_bytes >= 4096 && used_bytes < 2 * 4096 + 1024);
    first = arena_alloc(&arena, 4000);
    for (size_t i = 0; i < 4000; i++) {
        assert_int_equal(first[i], 0);
    }
    assert_int_equal(mem_used_bytes(MEM_TEST), used_bytes); /* a warm arena does not reach the allocator */
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 1), first);
    arena_deinit(&arena);
}

static void test_a_large_block_is_not_kept(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MEM_TEST, 256, 1 * MIB);
    assert_non_null(arena_alloc(&arena, 500 * KIB));
    assert_true(mem_used_bytes(MEM_TEST) >= 500 * KIB);
    arena_reset(&arena);
    assert_int_equal(mem_used_bytes(MEM_TEST), 0);
    arena_deinit(&arena);
}

static void test_budget(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MEM_TEST, 1024, 4096);
    assert_null(arena_alloc(&arena, 4097));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    for (int i = 0; i < 4; i++) {
        assert_non_null(arena_alloc(&arena, 1024));
    }
    assert_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 1024));
    arena_deinit(&arena);
}

static void test_arrays_check_their_product(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MEM_TEST, 1024, 1 * MIB);
    assert_null(arena_alloc_array(&arena, SIZE_MAX / 2, 4));
    assert_null(arena_alloc_array(&arena, (SIZE_MAX >> 4) + 2, 16));
    assert_non_null(arena_alloc_array(&arena, 0, 16));
    assert_non_null(arena_alloc_array(&arena, 100, 0));
    assert_non_null(arena_alloc_array(&arena, 1000, 16));
    arena_deinit(&arena);
}

static void test_copy(void **state)
{
    struct arena arena;
    struct view  copy;

    (void)state;
    arena_init(&arena, MEM_TEST, 1024, 4096);
    copy = arena_copy(&arena, view_text("topic-1"));
    assert_int_equal(copy.len, 7);
    assert_string_equal((const char *)copy.base, "topic-1");
    copy = arena_copy(&arena, view_of(NULL, 0));
    assert_int_equal(copy.len, 0);
    assert_non_null(copy.base);
    copy = arena_copy(&arena, view_of("x", SIZE_MAX));
    assert_null(copy.base);
    arena_deinit(&arena);
}

static void test_allocation_failure_is_null(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MEM_TEST, 1024, 4096);
    mem_fail_after(1);
    assert_null(arena_alloc(&arena, 10));
    assert_non_null(arena_alloc(&arena, 10)); /* fails once */
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed_aligned_and_apart),   cmocka_unit_test(test_reset_zeroes_and_keeps_one_block),
        cmocka_unit_test(test_a_large_block_is_not_kept),  cmocka_unit_test(test_budget),
        cmocka_unit_test(test_arrays_check_their_product), cmocka_unit_test(test_copy),
        cmocka_unit_test(test_allocation_failure_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
