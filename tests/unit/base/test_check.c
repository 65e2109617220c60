#include "tests/support/crash.h"
#include "tests/support/unit.h"

#include "core/base/check.h"

#include <stdio.h>

static void reporter(void)
{
    (void)fprintf(stderr, "reported\n");
}

static void reporter_that_fails(void)
{
    (void)fprintf(stderr, "reported\n");
    CHECK(false);
}

static void fail_a_check(void *argument)
{
    check_set_reporter((void (*)(void))argument);
    CHECK(1 + 1 == 3);
}

static void test_a_false_check_names_itself(void **state)
{
    char text[512];

    (void)state;
    assert_true(crash_aborts(fail_a_check, NULL, text, sizeof(text)));
    assert_non_null(strstr(text, "test_check.c"));
    assert_non_null(strstr(text, "1 + 1 == 3"));
}

static void test_the_reporter_is_called_once(void **state)
{
    char        text[512];
    const char *first;

    (void)state;
    assert_true(crash_aborts(fail_a_check, (void *)reporter, text, sizeof(text)));
    assert_non_null(strstr(text, "reported"));
    assert_true(crash_aborts(fail_a_check, (void *)reporter_that_fails, text, sizeof(text)));
    first = strstr(text, "reported");
    assert_non_null(first);
    assert_null(strstr(first + 1, "reported"));
}

static int evaluations;

static bool evaluate(bool result)
{
    evaluations++;
    return result;
}

static void test_true_checks_go_on(void **state)
{
    (void)state;
    evaluations = 0;
    CHECK(evaluate(true));
    assert_int_equal(evaluations, 1);
    MAYBE(evaluate(false));
    assert_int_equal(evaluations, 2);
#ifdef MILLRACE_DEBUG
    DCHECK(evaluate(true));
    assert_int_equal(evaluations, 3);
#else
    DCHECK(evaluate(false)); /* costs nothing: the condition is not evaluated */
    assert_int_equal(evaluations, 2);
#endif
    assert_true(IMPLIES(false, false));
    assert_true(IMPLIES(true, true));
    assert_false(IMPLIES(true, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_false_check_names_itself),
        cmocka_unit_test(test_the_reporter_is_called_once),
        cmocka_unit_test(test_true_checks_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
