/* What snprintf promises, over several calls: never a byte too many, and a length as if there were room. */
#include "core/base/print.h"

#include <string.h>

#include "tests/support/unit.h"

static void test_a_text_grows(void **state)
{
    char         text[32];
    struct print print = {.text = text, .capacity = sizeof(text)};

    (void)state;
    print_put(&print, "%d records, ", 3);
    print_view(&print, view_of("wheel and mill", 5));
    print_view(&print, (struct view){0});
    assert_string_equal(text, "3 records, wheel");
    assert_int_equal(print.len, strlen(text));
}

static void test_what_has_no_room_is_counted(void **state)
{
    char         text[8];
    struct print print = {.text = text, .capacity = 6};

    (void)state;
    memset(text, 'x', sizeof(text));
    print_put(&print, "abcd");
    print_put(&print, "efgh");
    print_put(&print, "ij");
    assert_int_equal(print.len, 10);
    assert_memory_equal(text, "abcde\0xx", sizeof(text));
}

static void test_a_text_without_room_only_counts(void **state)
{
    struct print print = {0};

    (void)state;
    print_put(&print, "%s", "whatever");
    print_view(&print, view_text("more"));
    assert_int_equal(print.len, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_grows),
        cmocka_unit_test(test_what_has_no_room_is_counted),
        cmocka_unit_test(test_a_text_without_room_only_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
