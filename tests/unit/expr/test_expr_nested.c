/* Rows and arrays. */
#include "tests/unit/expr/expr_rig.h"

/* Elements count from 1; beyond the end they are NULL. */
static void test_arrays(void **state)
{
    static const struct rig_row rows[] = {
        {"ARRAY[1, 2.5]", "ARRAY<DECIMAL(11, 1)>", "[1.0, 2.5]"},
        {"ARRAY[1, NULL]", "ARRAY<INT>", "[1, NULL]"},
        {"ARRAY[1, 2][2]", "INT", "2"},
        {"ARRAY[CAST(NULL AS INT), 2][1]", "INT", "NULL"},
        {"ARRAY[CAST(NULL AS INT), 2][3]", "INT", "NULL"},
        {"ARRAY[1][0]", NULL, "numbered from 1"},
        {"CARDINALITY(ARRAY[1, 2, 3])", "INT", "3"},
        {"ELEMENT(ARRAY[5])", "INT", "5"},
        {"ELEMENT(ARRAY[1, 2])", "INT", "!Array has more than one element"},
        {"ARRAY_CONTAINS(ARRAY['a', 'b'], 'b')", "BOOLEAN", "TRUE"},
        {"ARRAY_CONTAINS(ARRAY[1, CAST(NULL AS INT)], CAST(NULL AS INT))", "BOOLEAN", "TRUE"},
        {"ARRAY[1, 'a']", NULL, "cast one of them"},
        {"CARDINALITY('a')", NULL, "wants an ARRAY"},
        {"ARRAY['a', 'text of more than twelve bytes'][2]", "VARCHAR(30)", "text of more than twelve bytes"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Fields have names of their own making. */
static void test_rows(void **state)
{
    static const struct rig_row rows[] = {
        {"ROW(1, 'a')", "ROW<`EXPR$0` INT, `EXPR$1` CHAR(1)>", "(1, a)"},
        {"ROW(1, ROW(2, CAST(NULL AS INT)))", "ROW<`EXPR$0` INT, `EXPR$1` ROW<`EXPR$0` INT, `EXPR$1` INT>>",
         "(1, (2, NULL))"},
        {"ROW(1, 2) IS NULL", "BOOLEAN", "FALSE"},
        {"CAST(ROW(1, 'a', ARRAY[1.50, CAST(NULL AS INT)]) AS STRING)", "STRING", "(1, a, [1.50, NULL])"},
        {"CAST(ARRAY[TRUE] AS STRING)", "STRING", "[TRUE]"},
        {"CAST(ARRAY[1] AS CHAR(3))", NULL, "cannot be cast"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "CAST(r AS STRING)",
        "CAST(a AS STRING)",
        "ARRAY[i, y, 3]",
        "ARRAY[s, c]",
        "ARRAY[i, y][2]",
        "a[1]",
        "a[i]",
        "CARDINALITY(a)",
        "ARRAY_CONTAINS(a, i)",
        "ROW(i, s)",
        "ROW(r, a)",
        "r.p",
        "r.q",
        "ROW(i, s, d)",
        "ARRAY[m, n]",
        "ARRAY[t]",
        "ELEMENT(ARRAY[i])",
        "ARRAY[d, f][1]",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
