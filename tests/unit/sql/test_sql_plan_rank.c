/* Ranks get bounds. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case bounds_cases[] = {
    {"SELECT k, a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS k FROM t) WHERE k BETWEEN 2 AND 5",
     "Sink(table=[the result], fields=[k, a]), changelogMode=[I,UB,UA], upsertKey=[k]\n"
     "+- Calc(select=[$row_number AS k, a]), changelogMode=[I,UB,UA], upsertKey=[k]\n"
     "   +- Rank(partitionBy=[], orderBy=[b ASC], rows=[2..5], with the number), "
     "changelogMode=[I,UB,UA], upsertKey=[$row_number], state=[5 rows per key]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"},
    {"SELECT k, a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS k FROM t) WHERE k = 3",
     "Sink(table=[the result], fields=[k, a]), changelogMode=[I,UB,UA,D], upsertKey=[]\n"
     "+- Calc(select=[3 AS k, a]), changelogMode=[I,UB,UA,D], upsertKey=[]\n"
     "   +- Rank(partitionBy=[], orderBy=[b ASC], rows=[3..3]), changelogMode=[I,UB,UA,D], "
     "upsertKey=[], state=[3 rows per key]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"},
    {"SELECT a FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY a ORDER BY ts DESC) AS k FROM t) WHERE "
     "k = 1",
     "Sink(table=[the result], fields=[a]), changelogMode=[I,UB,UA], upsertKey=[a]\n"
     "+- Calc(select=[a]), changelogMode=[I,UB,UA], upsertKey=[a]\n"
     "   +- Deduplicate(partitionBy=[a], orderBy=[ts DESC], rows=[1..1]), changelogMode=[I,UB,UA], "
     "upsertKey=[a], state=[1 row per key]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, ts]), changelogMode=[I]\n"},
    {"SELECT a FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY a ORDER BY pt) AS k FROM t) WHERE k = 1",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Deduplicate(partitionBy=[a], orderBy=[arrival ASC], rows=[1..1]), changelogMode=[I], "
     "state=[1 row per key]\n"
     "   +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT a FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) AS k FROM t) WHERE 3 > k "
     "AND k <= 10 AND a = 7",
     "Sink(table=[the result], fields=[a]), changelogMode=[I,UB,UA,D]\n"
     "+- Calc(select=[a], where=[(a = 7)]), changelogMode=[I,UB,UA,D]\n"
     "   +- Rank(partitionBy=[a], orderBy=[b ASC], rows=[1..2]), changelogMode=[I,UB,UA,D], state=[2 "
     "rows per key]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"},
};

static void test_bounds(void **state UNUSED)
{
    sql_rig_check(bounds_cases, COUNT_OF(bounds_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS k FROM t) WHERE k > 2",
     "UNSUPPORTED: line 1, column 26: Flink has ROW_NUMBER() without an upper bound, Millrace not "
     "yet: say in a query around it which numbers are wanted: WHERE number <= 10\n"
     "    SELECT a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS k FROM t) WHERE k > 2\n"
     "                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS k FROM t) WHERE k <= 2 AND k > 5",
     "PLAN: line 1, column 26: no row has such a number: numbers begin with 1\n"
     "    SELECT a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS k FROM t) WHERE k <= 2 AND k > "
     "5\n"
     "                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS k FROM t) WHERE k < a",
     "UNSUPPORTED: line 1, column 26: Flink has ROW_NUMBER() without an upper bound, Millrace not "
     "yet: say in a query around it which numbers are wanted: WHERE number <= 10\n"
     "    SELECT a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS k FROM t) WHERE k < a\n"
     "                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
