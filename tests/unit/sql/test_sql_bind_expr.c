/* Operators and forms. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case bound_cases[] = {
    {"SELECT b + 1, a * d, f / 2, b % 3, -b, +b, NOT b > 1, s IS NULL, s NOT LIKE 'a%', b IN (1, 2), "
     "CASE b WHEN 1 THEN 'x' END, CAST(s AS INT), n[1] FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4, EXPR$5, EXPR$6, "
     "EXPR$7, EXPR$8, EXPR$9, EXPR$10, EXPR$11, EXPR$12]), changelogMode=[I]\n"
     "+- Calc(select=[(b + 1) AS EXPR$0, (CAST(a AS DECIMAL(19, 0)) * d) AS EXPR$1, (f / 2.0) AS "
     "EXPR$2, (CAST(b AS BIGINT) % 3) AS EXPR$3, NEGATE(b) AS EXPR$4, PLUS(b) AS EXPR$5, NOT((b > 1)) "
     "AS EXPR$6, (s IS NULL) AS EXPR$7, NOT(LIKE(s, 'a%')) AS EXPR$8, ((b = 1) OR (b = 2)) AS EXPR$9, "
     "CASE WHEN (b = 1) THEN 'x' ELSE NULL END AS EXPR$10, CAST(s AS INT) AS EXPR$11, ITEM(n, 1) AS "
     "EXPR$12]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b, s, d, f, n]), changelogMode=[I]\n"},
};

static void test_bound(void **state UNUSED)
{
    sql_rig_check(bound_cases, COUNT_OF(bound_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT s + 1 FROM t", "TYPE: line 1, column 8: + does not go with STRING and INT\n"
                            "    SELECT s + 1 FROM t\n"
                            "           ^^^^^\n"},
    {"SELECT b AND TRUE FROM t", "TYPE: line 1, column 8: AND wants BOOLEAN conditions, not INT\n"
                                 "    SELECT b AND TRUE FROM t\n"
                                 "           ^^^^^^^^^^\n"},
    {"SELECT r = 1 FROM t",
     "TYPE: line 1, column 8: a ROW<`x` INT, `y` STRING> and a INT cannot be compared; cast one of "
     "them\n"
     "    SELECT r = 1 FROM t\n"
     "           ^^^^^\n"},
    {"SELECT a FROM t WHERE b", "TYPE: line 1, column 23: WHERE wants a BOOLEAN, not INT NOT NULL\n"
                                "    SELECT a FROM t WHERE b\n"
                                "                          ^\n"},
    {"SELECT * + 1 FROM t", "SYNTAX: line 1, column 10: expected ';' or the end of the script, but found +\n"
                            "    SELECT * + 1 FROM t\n"
                            "             ^\n"},
    {"SELECT CASE WHEN b THEN 1 END FROM t", "TYPE: line 1, column 8: CASE wants BOOLEAN conditions, not INT\n"
                                             "    SELECT CASE WHEN b THEN 1 END FROM t\n"
                                             "           ^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT CASE WHEN TRUE THEN 1 ELSE ARRAY[1] END",
     "TYPE: line 1, column 8: CASE gives INT in one place and ARRAY<INT NOT NULL> in another; cast "
     "one of them\n"
     "    SELECT CASE WHEN TRUE THEN 1 ELSE ARRAY[1] END\n"
     "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT CAST(r AS INT) FROM t", "TYPE: line 1, column 8: a ROW<`x` INT, `y` STRING> cannot be cast to INT\n"
                                     "    SELECT CAST(r AS INT) FROM t\n"
                                     "           ^^^^^^^^^^^^^^\n"},
    {"SELECT b IS UNKNOWN FROM t", "TYPE: line 1, column 8: IS UNKNOWN wants a BOOLEAN\n"
                                   "    SELECT b IS UNKNOWN FROM t\n"
                                   "           ^^^^^^^^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

static const struct sql_case nulls_cases[] = {
    {"SELECT NULL = 1, COALESCE(NULL, 1), NULL IS NULL, b IN (1, NULL), CASE WHEN b = 1 THEN NULL "
     "ELSE 1 END FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4]), changelogMode=[I]\n"
     "+- Calc(select=[NULL AS EXPR$0, COALESCE(NULL, 1) AS EXPR$1, TRUE AS EXPR$2, ((b = 1) OR (b = "
     "NULL)) AS EXPR$3, CASE WHEN (b = 1) THEN NULL ELSE 1 END AS EXPR$4]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[b]), changelogMode=[I]\n"},
    {"SELECT NULL", "TYPE: line 1, column 8: NULL alone has no type here: write CAST(NULL AS type)\n"
                    "    SELECT NULL\n"
                    "           ^^^^\n"},
    {"SELECT NULL + 1", "TYPE: line 1, column 8: NULL alone has no type here: write CAST(NULL AS type)\n"
                        "    SELECT NULL + 1\n"
                        "           ^^^^\n"},
    {"SELECT LOWER(NULL)", "TYPE: line 1, column 14: NULL alone has no type here: write CAST(NULL AS type)\n"
                           "    SELECT LOWER(NULL)\n"
                           "                 ^^^^\n"},
    {"SELECT COUNT(NULL) FROM t", "TYPE: line 1, column 14: NULL alone has no type here: write CAST(NULL AS type)\n"
                                  "    SELECT COUNT(NULL) FROM t\n"
                                  "                 ^^^^\n"},
    {"VALUES (1), (NULL)", "TYPE: line 1, column 13: NULL alone has no type here: write CAST(NULL AS type)\n"
                           "    VALUES (1), (NULL)\n"
                           "                ^^^^^^\n"},
    {"SELECT TRUE AND NULL", "TYPE: line 1, column 17: NULL alone has no type here: write CAST(NULL AS type)\n"
                             "    SELECT TRUE AND NULL\n"
                             "                    ^^^^\n"},
    {"SELECT CASE WHEN TRUE THEN NULL END", "TYPE: line 1, column 8: one THEN or ELSE of a CASE is not NULL\n"
                                            "    SELECT CASE WHEN TRUE THEN NULL END\n"
                                            "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT a FROM t GROUP BY a, NULL",
     "TYPE: line 1, column 29: NULL alone has no type here: write CAST(NULL AS type)\n"
     "    SELECT a FROM t GROUP BY a, NULL\n"
     "                                ^^^^\n"},
    {"SELECT NOT NULL", "TYPE: line 1, column 12: NULL alone has no type here: write CAST(NULL AS type)\n"
                        "    SELECT NOT NULL\n"
                        "               ^^^^\n"},
    {"SELECT 'a' LIKE NULL", "TYPE: line 1, column 17: NULL alone has no type here: write CAST(NULL AS type)\n"
                             "    SELECT 'a' LIKE NULL\n"
                             "                    ^^^^\n"},
};

static void test_nulls(void **state UNUSED)
{
    sql_rig_check(nulls_cases, COUNT_OF(nulls_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nulls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
