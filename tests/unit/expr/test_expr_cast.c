/* Casts between numbers, times and bytes. */
#include "tests/unit/expr/expr_rig.h"

/* As Java narrows: integers wrap, floats saturate, DECIMALs that do not fit are NULL. */
static void test_numbers(void **state)
{
    static const struct rig_row rows[] = {
        {"CAST(300 AS TINYINT)", "TINYINT", "44"},
        {"CAST(3e9 AS INT)", "INT", "2147483647"},
        {"CAST(-1.9e0 AS INT)", "INT", "-1"},
        {"CAST(CAST('NaN' AS DOUBLE) AS INT)", "INT", "0"},
        {"CAST(1e10 AS TINYINT)", "TINYINT", "-1"},
        {"CAST(1000 AS DECIMAL(3, 0))", "DECIMAL(3, 0)", "NULL"},
        {"CAST(2.345 AS DECIMAL(3, 2))", "DECIMAL(3, 2)", "2.35"},
        {"CAST(-2.5 AS INT)", "INT", "-2"},
        {"CAST(0.1e0 AS DECIMAL(3, 2))", "DECIMAL(3, 2)", "0.10"},
        {"CAST(CAST('Infinity' AS DOUBLE) AS DECIMAL(3, 2))", "DECIMAL(3, 2)", "!Infinity cannot be cast to DECIMAL"},
        {"TRY_CAST(CAST('NaN' AS DOUBLE) AS DECIMAL(3, 2))", "DECIMAL(3, 2)", "NULL"},
        {"CAST(5 AS BOOLEAN)", "BOOLEAN", "TRUE"},
        {"CAST(TRUE AS DOUBLE)", "DOUBLE", "1.0"},
        {"CAST(TRUE AS DECIMAL(3, 1))", "DECIMAL(3, 1)", "1.0"},
        {"CAST(1 AS DATE)", NULL, "cannot be cast"},
        {"CAST(0.01 AS BOOLEAN)", "BOOLEAN", "TRUE"},
        {"CAST(0e0 AS BOOLEAN)", "BOOLEAN", "FALSE"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Fractions are cut; days before 1970 of a TIMESTAMP are taken towards 1970, of a TIMESTAMP_LTZ they are not. */
static void test_times(void **state)
{
    static const struct rig_row rows[] = {
        {"CAST(TIMESTAMP '2024-01-01 10:20:30.123456' AS TIMESTAMP(3))", "TIMESTAMP(3)", "2024-01-01 10:20:30.123"},
        {"CAST(TIMESTAMP '1969-12-31 23:59:59.5' AS TIMESTAMP(0))", "TIMESTAMP(0)", "1970-01-01 00:00:00"},
        {"CAST(TIMESTAMP '1969-12-31 23:59:59.5' AS DATE)", "DATE", "1970-01-01"},
        {"CAST(CAST(TIMESTAMP '1969-12-31 23:59:59.5' AS TIMESTAMP_LTZ(3)) AS DATE)", "DATE", "1969-12-31"},
        {"CAST(TIMESTAMP '2024-01-01 10:20:30.9' AS TIME)", "TIME(0)", "10:20:30"},
        {"CAST(DATE '2024-02-29' AS TIMESTAMP(9))", "TIMESTAMP(9)", "2024-02-29 00:00:00"},
        {"CAST(TIME '10:00:00' AS DATE)", NULL, "cannot be cast"},
        {"CAST(TIME '10:00:00' AS TIMESTAMP(3))", "TIMESTAMP(3)", "1970-01-01 10:00:00"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* BINARY is filled up with zeros; what is no UTF-8 becomes U+FFFD. */
static void test_bytes(void **state)
{
    static const struct rig_row rows[] = {
        {"CAST('ab' AS BINARY(3))", "BINARY(3)", "x'616200'"},
        {"CAST('äb' AS VARBINARY(2))", "VARBINARY(2)", "x'c3a4'"},
        {"CAST(X'61ff' AS STRING)", "STRING", "a�"},
        {"CAST(X'6162' AS BYTES)", "BYTES", "x'6162'"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "CAST(i AS TINYINT)",
        "CAST(h AS BIGINT)",
        "CAST(y AS DOUBLE)",
        "CAST(d AS INT)",
        "CAST(f AS BIGINT)",
        "CAST(f AS DOUBLE)",
        "CAST(d AS FLOAT)",
        "CAST(i AS DECIMAL(12, 3))",
        "CAST(m AS DECIMAL(4, 1))",
        "CAST(n AS DECIMAL(10, 1))",
        "CAST(m AS INT)",
        "CAST(n AS BIGINT)",
        "CAST(n AS DOUBLE)",
        "CAST(m AS FLOAT)",
        "CAST(d AS DECIMAL(10, 4))",
        "CAST(f AS DECIMAL(20, 2))",
        "CAST(i AS BOOLEAN)",
        "CAST(b AS INT)",
        "CAST(d AS BOOLEAN)",
        "CAST(n AS BOOLEAN)",
        "CAST(tm AS TIMESTAMP(9))",
        "CAST(b AS DECIMAL(5, 2))",
        "CAST(t AS DATE)",
        "CAST(t AS TIME)",
        "CAST(u AS TIMESTAMP(0))",
        "CAST(t AS TIMESTAMP(9))",
        "CAST(dt AS TIMESTAMP(3))",
        "CAST(z AS TIMESTAMP(3))",
        "CAST(t AS TIMESTAMP_LTZ(6))",
        "CAST(z AS DATE)",
        "CAST(u AS TIME)",
        "CAST(s AS BYTES)",
        "CAST(x AS STRING)",
        "CAST(x AS BINARY(6))",
        "CAST(s AS VARBINARY(3))",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
