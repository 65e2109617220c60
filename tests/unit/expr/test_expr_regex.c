/* Patterns. */
#include "tests/unit/expr/expr_rig.h"

/* Nothing found is NULL; the new text is taken as it is; an empty pattern is found nowhere. */
static void test_values(void **state)
{
    static const struct rig_row rows[] = {
        {"REGEXP('abc', 'b')", "BOOLEAN", "TRUE"},
        {"REGEXP('abc', '')", "BOOLEAN", "FALSE"},
        {"REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "STRING", "bar"},
        {"REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 5)", "STRING", "NULL"},
        {"REGEXP_EXTRACT('a', '(b)?a', 1)", "STRING", "NULL"},
        {"REGEXP_EXTRACT('x', 'y')", "STRING", "NULL"},
        {"REGEXP_REPLACE('foobar', 'oo|ar', '$1')", "STRING", "f$1b$1"},
        {"REGEXP_REPLACE('日本', '', '-')", "STRING", "-日-本-"},
        {"REGEXP_REPLACE('aaa', 'a*', 'x')", "STRING", "xx"},
        {"REGEXP('a', '(')", NULL, "the pattern is wrong"},
        {"REGEXP_EXTRACT('a', CAST(NULL AS STRING))", NULL, "as a text in quotes"},
        {"'abc' SIMILAR TO '(a|b)%'", "BOOLEAN", "TRUE"},
        {"'abc' SIMILAR TO 'a_'", "BOOLEAN", "FALSE"},
        {"'a' SIMILAR TO '\\d'", NULL, "not supported"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* No pattern can hold a core. */
static void test_limits(void **state)
{
    static const struct rig_row rows[] = {
        {"REGEXP(REPEAT('a', 40) || 'b', '(a+)+c')", "BOOLEAN", "FALSE"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "REGEXP(s, '[a-z]+')",
        "REGEXP_EXTRACT(s, '([0-9]+)', 1)",
        "REGEXP_EXTRACT(s, '(&|^)y=([^&]*)', 2)",
        "REGEXP_REPLACE(s, '[aeiouä]', '#')",
        "REGEXP_REPLACE(s, '', c)",
        "s SIMILAR TO '%(l|x)%'",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
