/* Rounding and signs. */
#include "tests/unit/expr/expr_rig.h"

/* Half away from zero, of the decimal text of floats; a DECIMAL's type follows the digits. */
static void test_values(void **state)
{
    static const struct rig_row rows[] = {
        {"ROUND(2.5)", "DECIMAL(2, 0)", "3"},
        {"ROUND(-2.5)", "DECIMAL(2, 0)", "-3"},
        {"ROUND(2.675e0, 2)", "DOUBLE", "2.68"},
        {"ROUND(1234.5678, -2)", "DECIMAL(5, 0)", "1200"},
        {"ROUND(9.99, 1)", "DECIMAL(3, 1)", "10.0"},
        {"ROUND(127, -1)", "INT", "130"},
        {"ROUND(CAST(127 AS TINYINT), -1)", "TINYINT", "-126"},
        {"ROUND(999.95e0, 1)", "DOUBLE", "1000.0"},
        {"ROUND(0.04e0, 1)", "DOUBLE", "0.0"},
        {"ROUND(1e300, 2)", "DOUBLE", "1.0E300"},
        {"ROUND(CAST('NaN' AS DOUBLE))", "DOUBLE", "!cannot be rounded"},
        {"TRUNCATE(-2.99)", "DECIMAL(2, 0)", "-2"},
        {"TRUNCATE(12345, -2)", "INT", "12300"},
        {"TRUNCATE(CAST(1 AS TINYINT))", NULL, "does not go with"},
        {"FLOOR(-1.5)", "DECIMAL(2, 0)", "-2"},
        {"CEIL(1.2)", "DECIMAL(2, 0)", "2"},
        {"FLOOR(-0.5e0)", "DOUBLE", "-1.0"},
        {"SIGN(-2.5)", "DECIMAL(2, 1)", "-1.0"},
        {"SIGN(0)", "INT", "0"},
        {"FLOOR('a')", NULL, "does not go with"},
        {"FLOOR(CAST(9223372036854775807 AS BIGINT))", "BIGINT", "9223372036854775807"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "ROUND(m)",    "ROUND(m, 1)",    "ROUND(n, -2)", "ROUND(d, 1)", "ROUND(f)",       "ROUND(l, -3)",
        "ROUND(i, y)", "TRUNCATE(m, 1)", "TRUNCATE(d)",  "FLOOR(m)",    "CEIL(n)",        "FLOOR(d)",
        "CEIL(f)",     "SIGN(m)",        "SIGN(i)",      "SIGN(d)",     "FLOOR(i)",       "GREATEST(i, y, 3)",
        "LEAST(m, i)", "GREATEST(s, c)", "SQRT(ABS(d))", "POWER(i, 2)", "LN(ABS(d) + 1)", "HEX(i)",
        "HEX(s)",      "BIN(y)",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
