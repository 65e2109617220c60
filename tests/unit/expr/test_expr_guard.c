/* Forms that evaluate a part of their arguments. */
#include "tests/unit/expr/expr_rig.h"

/* What is not reached does not fail. */
static void test_guards(void **state)
{
    static const struct rig_row rows[] = {
        {"CASE WHEN 1 > 0 OR 1 / 0 > 0 THEN 1 END", "INT", "1"},
        {"CASE WHEN 1 < 0 AND 1 / 0 > 0 THEN 1 ELSE 2 END", "INT", "2"},
        {"IF(TRUE, 1, 1 / 0)", "INT", "1"},
        {"COALESCE(1, 1 / 0)", "INT", "1"},
        {"CASE WHEN FALSE THEN 1 / 0 END", "INT", "NULL"},
        {"IF(FALSE, 1, 1 / 0)", "INT", "!/ by zero"},
        {"NULLIF(1, 1)", "INT", "NULL"},
        {"NULLIF(2, 1)", "INT", "2"},
        {"IFNULL(CAST(NULL AS INT), 5)", "INT", "5"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* The common type of what it may be. */
static void test_types(void **state)
{
    static const struct rig_row rows[] = {
        {"CASE WHEN TRUE THEN 1 ELSE 2.5 END", "DECIMAL(11, 1)", "1.0"},
        {"CASE WHEN FALSE THEN 'a' ELSE 'bcd' END", "VARCHAR(3)", "bcd"},
        {"CASE WHEN TRUE THEN 1 ELSE 'a' END", NULL, "cast one of them"},
        {"CASE 2 WHEN 1 THEN TRUE END", "BOOLEAN", "NULL"},
        {"COALESCE(CAST(NULL AS INT), CAST(3 AS BIGINT), 1.5)", "DECIMAL(20, 1)", "3.0"},
        {"IF(TRUE, ARRAY[1], ARRAY[2, 3])", "ARRAY<INT>", "[1]"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "CASE WHEN b THEN i WHEN i > 5 THEN 2 ELSE y END",
        "CASE WHEN b THEN s END",
        "CASE i WHEN 1 THEN 1.5 WHEN 5 THEN m ELSE 0 END",
        "IF(b, d, f)",
        "IF(i <> 0, 100 / i, -1)",
        "COALESCE(i, y, 7)",
        "COALESCE(s, c, s)",
        "COALESCE(n, m)",
        "NULLIF(i, 5)",
        "IFNULL(s, c)",
        "b AND i > 0",
        "b OR i > 0 OR s IS NULL",
        "b AND i <> 0 AND 10 / i > 1",
        "CASE WHEN b THEN r ELSE r END",
        "CASE WHEN b THEN a END",
        "COALESCE(a, ARRAY[1, 2])",
        "CASE WHEN b THEN t ELSE CAST(dt AS TIMESTAMP(3)) END",
        "IF(b, x, x)",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
