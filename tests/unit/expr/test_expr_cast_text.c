/* Casts from and to texts. */
#include "tests/unit/expr/expr_rig.h"

/* What cannot be read fails the job, and is NULL under TRY_CAST. */
static void test_reading(void **state)
{
    static const struct rig_row rows[] = {
        {"CAST('12' AS INT)", "INT", "12"},
        {"CAST(' 12 ' AS INT)", "INT", "12"},
        {"CAST('1.9' AS INT)", "INT", "1"},
        {"CAST('x' AS INT)", "INT", "!'x' cannot be cast to INT"},
        {"TRY_CAST('x' AS INT)", "INT", "NULL"},
        {"TRY_CAST('2147483648' AS INT)", "INT", "NULL"},
        {"CAST('-1e2' AS DOUBLE)", "DOUBLE", "-100.0"},
        {"CAST('1d' AS DOUBLE)", "DOUBLE", "1.0"},
        {"CAST('NaN' AS FLOAT)", "FLOAT", "NaN"},
        {"CAST('yes' AS BOOLEAN)", "BOOLEAN", "TRUE"},
        {"TRY_CAST('on' AS BOOLEAN)", "BOOLEAN", "NULL"},
        {"TRY_CAST(' 1 ' AS BOOLEAN)", "BOOLEAN", "NULL"},
        {"CAST('.' AS INT)", "INT", "0"},
        {"CAST('.' AS DECIMAL(5, 2))", "DECIMAL(5, 2)", "0.00"},
        {"CAST('1.005' AS DECIMAL(5, 2))", "DECIMAL(5, 2)", "1.01"},
        {"CAST('1x' AS DECIMAL(5, 2))", "DECIMAL(5, 2)", "1.00"},
        {"CAST('99999' AS DECIMAL(5, 2))", "DECIMAL(5, 2)", "!cannot be cast"},
        {"TRY_CAST('abc' AS DECIMAL(20, 2))", "DECIMAL(20, 2)", "NULL"},
        {"CAST('2024-1-2' AS DATE)", "DATE", "2024-01-02"},
        {"CAST('2024-01-02 10:00:00' AS DATE)", "DATE", "2024-01-02"},
        {"TRY_CAST('2024-02-30' AS DATE)", "DATE", "NULL"},
        {"CAST('2024-02-30 00:00:00' AS TIMESTAMP(3))", "TIMESTAMP(3)", "2024-02-29 00:00:00"},
        {"TRY_CAST('2024-01-02T00:00:00' AS TIMESTAMP(3))", "TIMESTAMP(3)", "NULL"},
        {"CAST('2024-01-02 24:00:00' AS TIMESTAMP(3))", "TIMESTAMP(3)", "2024-01-03 00:00:00"},
        {"CAST('10:20' AS TIME)", "TIME(0)", "10:20:00"},
        {"TRY_CAST('24:00:00' AS TIME)", "TIME(0)", "NULL"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Java's texts; CHAR(n) is filled up, both are cut. */
static void test_writing(void **state)
{
    static const struct rig_row rows[] = {
        {"CAST(1e7 AS STRING)", "STRING", "1.0E7"},
        {"CAST(0.00012e0 AS STRING)", "STRING", "1.2E-4"},
        {"CAST(1.50 AS STRING)", "STRING", "1.50"},
        {"CAST(TRUE AS STRING)", "STRING", "TRUE"},
        {"CAST('ab' AS CHAR(4)) || '|'", "CHAR(5)", "ab  |"},
        {"CAST('äöü' AS VARCHAR(2))", "VARCHAR(2)", "äö"},
        {"CAST(12345 AS CHAR(3))", "CHAR(3)", "123"},
        {"CAST(TIMESTAMP '2024-01-01 00:00:00.5' AS STRING)", "STRING", "2024-01-01 00:00:00.5"},
        {"CAST(CAST(TIMESTAMP '2024-01-01 00:00:00' AS TIMESTAMP(3)) AS STRING)", "STRING", "2024-01-01 00:00:00.000"},
        {"CAST(INTERVAL '-1 02:03:04.5' DAY TO SECOND AS STRING)", "STRING", "-1 02:03:04.500"},
        {"CAST(INTERVAL '-14' MONTH AS STRING)", "STRING", "-1-02"},
        {"CAST(-0.50 AS STRING)", "STRING", "-0.50"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "TRY_CAST(s AS INT)",
        "TRY_CAST(s AS DOUBLE)",
        "TRY_CAST(s AS FLOAT)",
        "TRY_CAST(s AS DECIMAL(10, 2))",
        "TRY_CAST(s AS DECIMAL(38, 5))",
        "TRY_CAST(s AS BOOLEAN)",
        "TRY_CAST(s AS DATE)",
        "TRY_CAST(s AS TIMESTAMP(3))",
        "TRY_CAST(s AS TIME)",
        "TRY_CAST(s AS TIMESTAMP_LTZ(3))",
        "CAST(i AS STRING)",
        "CAST(d AS STRING)",
        "CAST(f AS STRING)",
        "CAST(m AS STRING)",
        "CAST(n AS VARCHAR(5))",
        "CAST(b AS STRING)",
        "CAST(t AS STRING)",
        "CAST(u AS STRING)",
        "CAST(z AS STRING)",
        "CAST(dt AS STRING)",
        "CAST(tm AS STRING)",
        "CAST(s AS CHAR(20))",
        "CAST(s AS VARCHAR(3))",
        "CAST(y AS CHAR(5))",
        "CAST(c AS STRING)",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
