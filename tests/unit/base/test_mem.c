#include "tests/support/crash.h"
#include "tests/support/unit.h"

#include "core/base/mem.h"

static void assert_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(bytes[i], 0);
    }
}

static void test_zeroed_and_counted(void **state)
{
    uint64_t before = mem_used_bytes(MEM_TEST);
    uint8_t *small = mem_alloc(MEM_TEST, 100);
    uint8_t *large = mem_try_alloc(MEM_TEST, 100000);
    void    *nothing = mem_alloc(MEM_TEST, 0);

    (void)state;
    assert_non_null(large);
    assert_non_null(nothing);
    assert_zero(small, 100);
    assert_zero(large, 100000);
    assert_true(mem_used_bytes(MEM_TEST) >= before + 100100);
    assert_int_equal(mem_used_bytes(MEM_COMPUTE), 0);
    mem_free(MEM_TEST, small);
    mem_free(MEM_TEST, large);
    mem_free(MEM_TEST, nothing);
    mem_free(MEM_TEST, NULL);
    assert_int_equal(mem_used_bytes(MEM_TEST), before);
}

static void test_alignment(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 4) {
        uint8_t *bytes = mem_alloc_aligned(MEM_TEST, 10000, alignment);

        assert_int_equal((uintptr_t)bytes % alignment, 0);
        assert_zero(bytes, 10000);
        mem_free(MEM_TEST, bytes);
    }
    assert_int_equal(mem_used_bytes(MEM_TEST), 0);
}

static void test_realloc_keeps_what_was_there(void **state)
{
    uint8_t *bytes = mem_realloc(MEM_TEST, NULL, 10);

    (void)state;
    memcpy(bytes, "0123456789", 10);
    bytes = mem_realloc(MEM_TEST, bytes, 100000);
    assert_memory_equal(bytes, "0123456789", 10);
    assert_true(mem_used_bytes(MEM_TEST) >= 100000);
    bytes = mem_realloc(MEM_TEST, bytes, 5);
    assert_memory_equal(bytes, "01234", 5);
    mem_free(MEM_TEST, bytes);
    assert_int_equal(mem_used_bytes(MEM_TEST), 0);
}

static void test_text(void **state)
{
    char *text = mem_copy_text(MEM_TEST, view_of("abcdef", 3));
    char *empty = mem_copy_text(MEM_TEST, view_of(NULL, 0));

    (void)state;
    assert_string_equal(text, "abc");
    assert_string_equal(empty, "");
    mem_free(MEM_TEST, text);
    mem_free(MEM_TEST, empty);
}

static void test_planned_failure(void **state)
{
    void *bytes;

    (void)state;
    mem_fail_after(2);
    bytes = mem_try_alloc(MEM_TEST, 1);
    assert_non_null(bytes);
    assert_null(mem_try_alloc(MEM_TEST, 1));
    mem_free(MEM_TEST, bytes);
    bytes = mem_try_alloc(MEM_TEST, 1);
    assert_non_null(bytes);
    mem_free(MEM_TEST, bytes);
    mem_fail_after(1);
    mem_fail_after(0);
    bytes = mem_try_alloc(MEM_TEST, 1);
    assert_non_null(bytes);
    mem_free(MEM_TEST, bytes);
}

static void allocate_for_nobody(void *argument)
{
    (void)argument;
    mem_free(MEM_TEST, mem_alloc((enum mem_tag)MEM_TAG_COUNT, 1));
}

static void test_tags(void **state)
{
    (void)state;
    for (int tag = 0; tag < MEM_TAG_COUNT; tag++) {
        assert_non_null(mem_tag_name((enum mem_tag)tag));
        assert_string_not_equal(mem_tag_name((enum mem_tag)tag), "?");
    }
    assert_string_equal(mem_tag_name(MEM_TAG_COUNT), "?");
    assert_true(crash_aborts(allocate_for_nobody, NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed_and_counted),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_realloc_keeps_what_was_there),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_planned_failure),
        cmocka_unit_test(test_tags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
