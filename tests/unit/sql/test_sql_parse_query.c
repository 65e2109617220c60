/* Queries. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case refused_cases[] = {
    {"SELECT a FROM t INTERSECT SELECT a FROM v",
     "UNSUPPORTED: line 1, column 17: INTERSECT and EXCEPT are not supported; write a join\n"
     "    SELECT a FROM t INTERSECT SELECT a FROM v\n"
     "                    ^^^^^^^^^\n"},
    {"SELECT a FROM t GROUP BY ROLLUP (a)",
     "UNSUPPORTED: line 1, column 26: GROUPING SETS, CUBE and ROLLUP are not supported; write one "
     "INSERT per grouping\n"
     "    SELECT a FROM t GROUP BY ROLLUP (a)\n"
     "                             ^^^^^^\n"},
    {"SELECT a FROM t WINDOW w AS (ORDER BY a)", "UNSUPPORTED: line 1, column 17: WINDOW clauses are not supported\n"
                                                 "    SELECT a FROM t WINDOW w AS (ORDER BY a)\n"
                                                 "                    ^^^^^^\n"},
    {"SELECT a FROM t LIMIT 1 OFFSET 2",
     "UNSUPPORTED: line 1, column 25: OFFSET and FETCH are not supported; LIMIT is\n"
     "    SELECT a FROM t LIMIT 1 OFFSET 2\n"
     "                            ^^^^^^\n"},
    {"WITH RECURSIVE w AS (SELECT 1) SELECT * FROM w",
     "UNSUPPORTED: line 1, column 6: WITH RECURSIVE is not supported\n"
     "    WITH RECURSIVE w AS (SELECT 1) SELECT * FROM w\n"
     "         ^^^^^^^^^\n"},
    {"SELECT /*+ X */ a FROM t", "UNSUPPORTED: line 1, column 8: hints behind SELECT are not supported\n"
                                 "    SELECT /*+ X */ a FROM t\n"
                                 "           ^^^\n"},
    {"SELECT FROM t", "SYNTAX: line 1, column 8: expected an expression, but found the reserved word FROM (as a name "
                      "it needs backticks)\n"
                      "    SELECT FROM t\n"
                      "           ^^^^\n"},
    {"SELECT a FROM t WHERE", "SYNTAX: line 1, column 22: expected an expression, but the script ends\n"
                              "    SELECT a FROM t WHERE\n"
                              "                         ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

static const struct sql_case taken_cases[] = {
    {"WITH w AS (SELECT a FROM t), x AS (SELECT a FROM w) SELECT * FROM x",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"(SELECT a FROM t) UNION ALL (VALUES (1))", "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
                                                 "+- Union(fields=[a]), changelogMode=[I]\n"
                                                 "   +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"
                                                 "   +- Values(tuples=[(1)]), changelogMode=[I]\n"},
};

static void test_taken(void **state UNUSED)
{
    sql_rig_check(taken_cases, COUNT_OF(taken_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
