/* Comparison, NOT, IS, IN. */
#include "tests/unit/expr/expr_rig.h"

/* Values of one kind; DECIMALs by value; texts byte by byte without padding. */
static void test_values(void **state)
{
    static const struct rig_row rows[] = {
        {"1 = 1.0", "BOOLEAN", "TRUE"},
        {"1.10 < 1.1", "BOOLEAN", "FALSE"},
        {"'a' < 'B'", "BOOLEAN", "FALSE"},
        {"CAST('ab' AS CHAR(5)) = 'ab'", "BOOLEAN", "FALSE"},
        {"DATE '2024-01-01' = TIMESTAMP '2024-01-01 00:00:00'", NULL, "cannot be compared"},
        {"1 = 'a'", NULL, "cannot be compared"},
        {"1 < '1.5'", "BOOLEAN", "FALSE"},
        {"TIMESTAMP '2024-01-01 00:00:00' = '2024-01-01 00:00:00.5'", "BOOLEAN", "TRUE"},
        {"'2024-01-01' < DATE '2024-01-02'", "BOOLEAN", "TRUE"},
        {"TIME '10:00:00' > 'x'", "BOOLEAN", "!cannot be cast"},
        {"CAST(NULL AS INT) = 1", "BOOLEAN", "NULL"},
        {"CAST(0.1 AS FLOAT) = 0.1e0", "BOOLEAN", "FALSE"},
        {"TRUE > FALSE", "BOOLEAN", "TRUE"},
        {"INTERVAL '1' DAY < INTERVAL '25' HOUR", "BOOLEAN", "TRUE"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Three values. */
static void test_truth(void **state)
{
    static const struct rig_row rows[] = {
        {"CAST(NULL AS BOOLEAN) IS NOT TRUE", "BOOLEAN", "TRUE"},
        {"CAST(NULL AS BOOLEAN) IS FALSE", "BOOLEAN", "FALSE"},
        {"CAST(NULL AS BOOLEAN) IS UNKNOWN", "BOOLEAN", "TRUE"},
        {"NOT CAST(NULL AS BOOLEAN)", "BOOLEAN", "NULL"},
        {"CAST(NULL AS INT) IS NOT DISTINCT FROM CAST(NULL AS INT)", "BOOLEAN", "TRUE"},
        {"1 IS DISTINCT FROM CAST(NULL AS INT)", "BOOLEAN", "TRUE"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* IN with and without a set; a NULL in the list makes what is not found NULL. */
static void test_in(void **state)
{
    static const struct rig_row rows[] = {
        {"3 IN (1, 2)", "BOOLEAN", "FALSE"},
        {"3 IN (1, CAST(NULL AS INT))", "BOOLEAN", "NULL"},
        {"1 IN (1, CAST(NULL AS INT))", "BOOLEAN", "TRUE"},
        {"3 NOT IN (1, 2, 3, 4, 5, 6, 7, 8, 9)", "BOOLEAN", "FALSE"},
        {"10 IN (1, 2, 3, 4, 5, 6, 7, 8, 9)", "BOOLEAN", "FALSE"},
        {"'h' IN ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')", "BOOLEAN", "TRUE"},
        {"CAST(NULL AS INT) IN (1, 2, 3, 4, 5, 6, 7, 8, 9)", "BOOLEAN", "NULL"},
        {"2 BETWEEN 1 AND 3", "BOOLEAN", "TRUE"},
        {"2 NOT BETWEEN 1 AND 3", "BOOLEAN", "FALSE"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "b = (i > 0)",
        "y < h",
        "i <= l",
        "l <> 5",
        "f >= d",
        "m = i",
        "n > m",
        "m < 3.5",
        "s = 'a'",
        "s < c",
        "s >= s",
        "dt > DATE '1990-01-01'",
        "tm < TIME '12:00:00'",
        "t = u",
        "t < z",
        "NOT b",
        "b IS TRUE",
        "b IS NOT FALSE",
        "s IS NULL",
        "r IS NOT NULL",
        "i IS DISTINCT FROM y",
        "x = x",
        "i IN (1, 5, 7)",
        "i IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)",
        "i NOT IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)",
        "s IN ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'Hello World, of more than twelve', '17')",
        "l BETWEEN -5 AND i",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_truth),
        cmocka_unit_test(test_in),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
