/* Precedence. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case levels_cases[] = {
    {"SELECT 1 + b * 2 - 3, a = b AND NOT s LIKE 'x' OR f > 1, -b + 1, s || s || 'x', a = b IS NULL, "
     "NOT a = 1 OR b = 2 FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4, EXPR$5]), "
     "changelogMode=[I]\n"
     "+- Calc(select=[((1 + (b * 2)) - 3) AS EXPR$0, (((a = CAST(b AS BIGINT)) AND NOT(LIKE(s, 'x'))) "
     "OR (f > 1.0)) AS EXPR$1, (NEGATE(b) + 1) AS EXPR$2, ((s || s) || 'x') AS EXPR$3, ((a = CAST(b "
     "AS BIGINT)) IS NULL) AS EXPR$4, (NOT((a = 1)) OR (b = 2)) AS EXPR$5]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b, s, f]), changelogMode=[I]\n"},
    {"SELECT b BETWEEN 1 AND 2 AND s IS NOT NULL, b NOT IN (1, 2), s IS DISTINCT FROM 'x', (a = b) IS "
     "UNKNOWN FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3]), changelogMode=[I]\n"
     "+- Calc(select=[(((b >= 1) AND (b <= 2)) AND (s IS NOT NULL)) AS EXPR$0, NOT(((b = 1) OR (b = "
     "2))) AS EXPR$1, IS DISTINCT FROM(s, 'x') AS EXPR$2, ((a = CAST(b AS BIGINT)) IS NULL) AS "
     "EXPR$3]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b, s]), changelogMode=[I]\n"},
};

static void test_levels(void **state UNUSED)
{
    sql_rig_check(levels_cases, COUNT_OF(levels_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT b IN (SELECT 1) FROM t",
     "UNSUPPORTED: line 1, column 10: IN over a query is not supported; write a join over its "
     "distinct rows\n"
     "    SELECT b IN (SELECT 1) FROM t\n"
     "             ^^\n"},
    {"SELECT b BETWEEN SYMMETRIC 2 AND 1 FROM t",
     "UNSUPPORTED: line 1, column 10: BETWEEN SYMMETRIC is not supported; write both orders with OR\n"
     "    SELECT b BETWEEN SYMMETRIC 2 AND 1 FROM t\n"
     "             ^^^^^^^\n"},
    {"SELECT b IS FOO FROM t",
     "SYNTAX: line 1, column 13: expected NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM, but found FOO\n"
     "    SELECT b IS FOO FROM t\n"
     "                ^^^\n"},
    {"SELECT b + FROM t",
     "SYNTAX: line 1, column 12: expected an expression, but found the reserved word FROM (as a name "
     "it needs backticks)\n"
     "    SELECT b + FROM t\n"
     "               ^^^^\n"},
    {"SELECT (b FROM t",
     "SYNTAX: line 1, column 11: expected ')', but found the reserved word FROM (as a name it needs "
     "backticks)\n"
     "    SELECT (b FROM t\n"
     "              ^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
