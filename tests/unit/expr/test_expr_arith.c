/* Arithmetic: overflow, division, the types of DECIMAL, intervals. */
#include "tests/unit/expr/expr_rig.h"

/* Integers wrap around; division is towards zero and fails on zero; MOD has the type of its divisor. */
static void test_integers(void **state)
{
    static const struct rig_row rows[] = {
        {"2147483647 + 1", "INT", "-2147483648"},
        {"CAST(127 AS TINYINT) + CAST(1 AS TINYINT)", "TINYINT", "-128"},
        {"-CAST(-128 AS TINYINT)", "TINYINT", "-128"},
        {"CAST(-32768 AS SMALLINT) - CAST(1 AS SMALLINT)", "SMALLINT", "32767"},
        {"9223372036854775807 * 2", "BIGINT", "-2"},
        {"CAST(-9223372036854775807 AS BIGINT) - 1", "BIGINT", "-9223372036854775808"},
        {"-7 / 2", "INT", "-3"},
        {"7 / -2", "INT", "-3"},
        {"1 / 0", "INT", "!/ by zero"},
        {"MOD(7, 0)", "INT", "!/ by zero"},
        {"-7 % 2", "INT", "-1"},
        {"7 % CAST(4 AS TINYINT)", "TINYINT", "3"},
        {"CAST(NULL AS INT) / 0", "INT", "NULL"},
        {"ABS(CAST(-2147483648 AS INT))", "INT", "-2147483648"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Types grow until 38 digits; what does not fit is NULL; quotients have six places at least. */
static void test_decimals(void **state)
{
    static const struct rig_row rows[] = {
        {"1.5 + 2", "DECIMAL(12, 1)", "3.5"},
        {"0.908 * CAST(100 AS BIGINT)", "DECIMAL(24, 3)", "90.800"},
        {"1.0 / 3", "DECIMAL(13, 12)", "0.333333333333"},
        {"CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0)) + 1", "DECIMAL(38, 0)", "NULL"},
        {"2.5 / 0", "DECIMAL(13, 12)", "!Division by zero"},
        {"-7.5 % 2", "DECIMAL(2, 1)", "-1.5"},
        {"CAST(7 AS DECIMAL(5, 0)) % 4", "INT", "3"},
        {"CAST(-5.5 AS DECIMAL(3, 1)) * CAST(2 AS DECIMAL(3, 1))", "DECIMAL(7, 2)", "-11.00"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* FLOAT beside DOUBLE takes the left one's type; division by zero is infinite; there is no remainder. */
static void test_floats(void **state)
{
    static const struct rig_row rows[] = {
        {"1e0 / 0", "DOUBLE", "Infinity"},
        {"0e0 / 0", "DOUBLE", "NaN"},
        {"CAST(1.5 AS FLOAT) + CAST(1 AS DOUBLE)", "FLOAT", "2.5"},
        {"CAST(1 AS DOUBLE) + CAST(1.5 AS FLOAT)", "DOUBLE", "2.5"},
        {"1e0 % 2", NULL, "does not go with"},
        {"1.5e0 + 1.5", "DOUBLE", "3.0"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Months keep to the end of shorter months; a DATE loses parts of days; a TIME goes round. */
static void test_intervals(void **state)
{
    static const struct rig_row rows[] = {
        {"DATE '2024-01-31' + INTERVAL '1' MONTH", "DATE", "2024-02-29"},
        {"TIMESTAMP '2024-03-31 10:00:00' - INTERVAL '1' MONTH", "TIMESTAMP(0)", "2024-02-29 10:00:00"},
        {"INTERVAL '1' DAY + TIMESTAMP '2023-12-31 23:00:00.5'", "TIMESTAMP(1)", "2024-01-01 23:00:00.5"},
        {"DATE '2024-01-01' - INTERVAL '23' HOUR", "DATE", "2024-01-01"},
        {"TIME '23:30:00' + INTERVAL '1' HOUR", "TIME(0)", "00:30:00"},
        {"INTERVAL '2' DAY * 3", "INTERVAL SECOND(3)", "518400000"},
        {"INTERVAL '1' MONTH + INTERVAL '1' YEAR", "INTERVAL MONTH", "13"},
        {"INTERVAL '1' MONTH + INTERVAL '1' DAY", NULL, "does not go with"},
        {"INTERVAL '1' WEEK", NULL, "write it in days"},
        {"TIMESTAMPADD(QUARTER, 1, DATE '2024-11-30')", "DATE", "2025-02-28"},
        {"TIMESTAMPADD(SECOND, -1, DATE '2024-01-01')", "TIMESTAMP(6)", "2023-12-31 23:59:59"},
        {"TIMESTAMPDIFF(MONTH, DATE '2024-01-31', DATE '2024-02-29')", "INT", "1"},
        {"TIMESTAMPDIFF(DAY, TIMESTAMP '2024-01-02 00:00:00', TIMESTAMP '2024-01-01 00:00:01')", "INT", "0"},
        {"TIMESTAMPDIFF(HOUR, TIME '10:00:00', TIME '11:00:00')", NULL, "does not go with"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "y + y",
        "h - y",
        "i * i",
        "l + i",
        "f * f",
        "d - f",
        "m + i",
        "m * m",
        "n + m",
        "n - i",
        "m / 4",
        "i / 7",
        "MOD(l, 5)",
        "m % 3",
        "-i",
        "-m",
        "-n",
        "+d",
        "ABS(l)",
        "ABS(n)",
        "ABS(d)",
        "y * y",
        "h * h",
        "i + 1",
        "1 - i",
        "d * 2e0",
        "t + INTERVAL '90' SECOND",
        "u - INTERVAL '1' DAY",
        "t + INTERVAL '1' MONTH",
        "u + INTERVAL '-5' MONTH",
        "dt + INTERVAL '3' DAY",
        "dt - INTERVAL '13' MONTH",
        "tm + INTERVAL '5' HOUR",
        "z - INTERVAL '1' DAY",
        "TIMESTAMPADD(MONTH, i, t)",
        "TIMESTAMPADD(DAY, y, dt)",
        "TIMESTAMPADD(MINUTE, l, tm)",
        "TIMESTAMPDIFF(MONTH, dt, t)",
        "TIMESTAMPDIFF(SECOND, t, u)",
        "TIMESTAMPDIFF(WEEK, dt, TIMESTAMP '2024-01-01 00:00:00')",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),  cmocka_unit_test(test_decimals), cmocka_unit_test(test_floats),
        cmocka_unit_test(test_intervals), cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
