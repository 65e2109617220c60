/* SELECT, VALUES, UNION, LIMIT. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case names_cases[] = {
    {"SELECT a, a + 1, r.x, (r).y, s AS k FROM t",
     "Sink(table=[the result], fields=[a, EXPR$1, x, y, k]), changelogMode=[I]\n"
     "+- Calc(select=[a, (a + 1) AS EXPR$1, r.x AS x, r.y AS y, s AS k]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, s, r(x, y)]), changelogMode=[I]\n"},
    {"SELECT *, a AS again FROM v",
     "Sink(table=[the result], fields=[a, s, ts, x, again]), changelogMode=[I]\n"
     "+- Calc(select=[a, s, ts, r.x AS x, a AS again], where=[(b = 1)]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b, s, r(x), ts], needed=[(b = 1)]), "
     "changelogMode=[I]\n"},
    {"SELECT 1 AS k WHERE 1 = 2", "Sink(table=[the result], fields=[k]), changelogMode=[I]\n"
                                  "+- Calc(select=[1 AS k], where=[FALSE]), changelogMode=[I]\n"
                                  "   +- Values(tuples=[()]), changelogMode=[I]\n"},
};

static void test_names(void **state UNUSED)
{
    sql_rig_check(names_cases, COUNT_OF(names_cases));
}

static const struct sql_case sets_cases[] = {
    {"SELECT a FROM t UNION ALL SELECT b FROM t",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Union(fields=[a]), changelogMode=[I]\n"
     "   +- Calc(select=[a]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a, b]) #0, changelogMode=[I]\n"
     "   +- Calc(select=[CAST(b AS BIGINT) AS b]), changelogMode=[I]\n"
     "      +- Reused(#0)\n"},
    {"SELECT s FROM t UNION SELECT 'x' FROM v",
     "Sink(table=[the result], fields=[s]), changelogMode=[I]\n"
     "+- GroupAggregate(groupBy=[s], aggregates=[]), changelogMode=[I], state=[a row per key]\n"
     "   +- Exchange(distribution=[hash(s)]), changelogMode=[I]\n"
     "      +- Union(fields=[s]), changelogMode=[I]\n"
     "         +- Calc(select=[s]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[b, s]) #0, changelogMode=[I]\n"
     "         +- Calc(select=['x' AS EXPR$0], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
    {"VALUES (1, 'a'), (2.5, CAST(NULL AS STRING))",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I]\n"
     "+- Values(tuples=[(1.0, 'a'), (2.5, NULL)]), changelogMode=[I]\n"},
    {"SELECT DISTINCT a, s FROM t",
     "Sink(table=[the result], fields=[a, s]), changelogMode=[I]\n"
     "+- GroupAggregate(groupBy=[a, s], aggregates=[]), changelogMode=[I], state=[a row per key]\n"
     "   +- Exchange(distribution=[hash(a, s)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a, s]), changelogMode=[I]\n"},
    {"SELECT a FROM t LIMIT 3", "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
                                "+- Limit(rows=[3]), changelogMode=[I]\n"
                                "   +- Exchange(distribution=[single]), changelogMode=[I]\n"
                                "      +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_sets(void **state UNUSED)
{
    sql_rig_check(sets_cases, COUNT_OF(sets_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT a, s FROM t UNION ALL SELECT a FROM t", "TYPE: line 1, column 30: UNION joins 2 columns with 1\n"
                                                     "    SELECT a, s FROM t UNION ALL SELECT a FROM t\n"
                                                     "                                 ^^^^^^^^^^^^^^^\n"},
    {"SELECT a FROM t UNION ALL SELECT s FROM t",
     "TYPE: line 1, column 27: column 1 of UNION is BIGINT on the left and STRING on the right; cast "
     "one of them\n"
     "    SELECT a FROM t UNION ALL SELECT s FROM t\n"
     "                              ^^^^^^^^^^^^^^^\n"},
    {"VALUES (1, 2), (3)", "TYPE: line 1, column 16: this row has 1 values, the first 2\n"
                           "    VALUES (1, 2), (3)\n"
                           "                   ^^^\n"},
    {"VALUES (1), (DATE '2020-01-01')",
     "TYPE: line 1, column 1: the values of column 1 have no type in common; cast them\n"
     "    VALUES (1), (DATE '2020-01-01')\n"
     "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT a FROM t ORDER BY a",
     "UNSUPPORTED: line 1, column 26: Flink has ORDER BY, Millrace not yet: a stream has no end to "
     "sort; ROW_NUMBER() OVER (ORDER BY ..) with WHERE number <= n gives the first n\n"
     "    SELECT a FROM t ORDER BY a\n"
     "                             ^\n"},
    {"SELECT a FROM t LIMIT 'x'", "TYPE: line 1, column 23: LIMIT wants a number of rows\n"
                                  "    SELECT a FROM t LIMIT 'x'\n"
                                  "                          ^^^\n"},
    {"SELECT *", "SYNTAX: line 1, column 8: * wants a FROM\n"
                 "    SELECT *\n"
                 "           ^\n"},
    {"SELECT x.* FROM t", "NAME: line 1, column 8: there is no table 'x' in FROM\n"
                          "    SELECT x.* FROM t\n"
                          "           ^^^\n"},
    {"SELECT a FROM t LIMIT -1", "TYPE: line 1, column 23: LIMIT wants a number of rows\n"
                                 "    SELECT a FROM t LIMIT -1\n"
                                 "                          ^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
