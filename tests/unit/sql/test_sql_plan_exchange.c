/* Exchanges. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case kept_cases[] = {
    {"INSERT INTO u SELECT a, SUM(n) FROM (SELECT a, b AS n FROM t) GROUP BY a",
     "Sink(table=[u], fields=[a, n], primaryKey=[a]), changelogMode=[I,UA], upsertKey=[a]\n"
     "+- Calc(select=[a, CAST($agg0 AS BIGINT) AS n]), changelogMode=[I,UA], upsertKey=[a]\n"
     "   +- GroupAggregate(groupBy=[a], aggregates=[SUM(b) AS $agg0]), changelogMode=[I,UA], "
     "upsertKey=[a], state=[a row per key]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"},
    {"INSERT INTO u SELECT a, n FROM (SELECT a, a AS n, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b "
     "DESC) AS k FROM t) WHERE k = 1",
     "Sink(table=[u], fields=[a, n], primaryKey=[a]), changelogMode=[I,UA], upsertKey=[a]\n"
     "+- Calc(select=[a, a AS n]), changelogMode=[I,UA], upsertKey=[a]\n"
     "   +- Rank(partitionBy=[a], orderBy=[b DESC], rows=[1..1]), changelogMode=[I,UA], "
     "upsertKey=[a], state=[1 row per key]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"},
    {"SELECT COUNT(*) FROM t",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I,UB,UA], upsertKey=[]\n"
     "+- GroupAggregate(groupBy=[], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[], state=[a row per key]\n"
     "   +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "      +- Calc(select=[]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT DISTINCT a, s FROM t UNION ALL SELECT a, s FROM t",
     "Sink(table=[the result], fields=[a, s]), changelogMode=[I]\n"
     "+- Union(fields=[a, s]), changelogMode=[I]\n"
     "   +- GroupAggregate(groupBy=[a, s], aggregates=[]), changelogMode=[I], state=[a row per key]\n"
     "      +- Exchange(distribution=[hash(a, s)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, s]) #0, changelogMode=[I]\n"
     "   +- Reused(#0)\n"},
    {"SELECT COUNT(*) FROM (SELECT DISTINCT a, s FROM t) GROUP BY a",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I,UB,UA]\n"
     "+- Calc(select=[$agg0 AS EXPR$0]), changelogMode=[I,UB,UA]\n"
     "   +- GroupAggregate(groupBy=[a], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[a], state=[a row per key]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a]), changelogMode=[I]\n"
     "            +- GroupAggregate(groupBy=[a, s], aggregates=[]), changelogMode=[I], state=[a row "
     "per key]\n"
     "               +- Exchange(distribution=[hash(a, s)]), changelogMode=[I]\n"
     "                  +- TableSourceScan(table=[t], fields=[a, s]), changelogMode=[I]\n"},
    {"SELECT COUNT(*) FROM (SELECT DISTINCT a FROM t) GROUP BY a",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I,UB,UA]\n"
     "+- Calc(select=[$agg0 AS EXPR$0]), changelogMode=[I,UB,UA]\n"
     "   +- GroupAggregate(groupBy=[a], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[a], state=[a row per key]\n"
     "      +- GroupAggregate(groupBy=[a], aggregates=[]), changelogMode=[I], state=[a row per key]\n"
     "         +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"INSERT INTO u SELECT a, 1 FROM t", "Sink(table=[u], fields=[a, n], primaryKey=[a]), changelogMode=[I]\n"
                                         "+- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
                                         "   +- Calc(select=[a, 1 AS n]), changelogMode=[I]\n"
                                         "      +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_kept(void **state UNUSED)
{
    sql_rig_check(kept_cases, COUNT_OF(kept_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
