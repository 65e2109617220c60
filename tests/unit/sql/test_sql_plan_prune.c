/* Columns that nobody reads go. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case pruned_cases[] = {
    {"SELECT a FROM (SELECT a, b, s, COUNT(*) AS n, MAX(f) AS m FROM t GROUP BY a, b, s)",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- GroupAggregate(groupBy=[a, b, s], aggregates=[]), changelogMode=[I], state=[a row per "
     "key]\n"
     "      +- Exchange(distribution=[hash(a, b, s)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, b, s]), changelogMode=[I]\n"},
    {"SELECT n FROM (SELECT a, COUNT(*) AS n, MAX(f) AS m FROM t GROUP BY a)",
     "Sink(table=[the result], fields=[n]), changelogMode=[I,UB,UA]\n"
     "+- Calc(select=[$agg0 AS n]), changelogMode=[I,UB,UA]\n"
     "   +- GroupAggregate(groupBy=[a], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[a], state=[a row per key]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT m FROM (SELECT COUNT(*) AS n, MAX(f) AS m FROM t)",
     "Sink(table=[the result], fields=[m]), changelogMode=[I,UB,UA], upsertKey=[]\n"
     "+- GroupAggregate(groupBy=[], aggregates=[MAX(f) AS $agg1]), changelogMode=[I,UB,UA], "
     "upsertKey=[], state=[a row per key]\n"
     "   +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[f]), changelogMode=[I]\n"},
    {"SELECT COUNT(*) FROM (SELECT SUM(a) AS x FROM t)",
     "PLAN: line 1, column 1: Flink has GroupAggregate over rows that are updated or deleted, "
     "Millrace not yet: its input comes from GroupAggregate, which is no append-only stream\n"
     "    SELECT COUNT(*) FROM (SELECT SUM(a) AS x FROM t)\n"
     "    ^^^^^^\n"},
    {"SELECT k FROM (SELECT s AS k, d FROM t UNION ALL SELECT s, d FROM t)",
     "Sink(table=[the result], fields=[k]), changelogMode=[I]\n"
     "+- Union(fields=[k]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[s]) #0, changelogMode=[I]\n"
     "   +- Reused(#0)\n"},
    {"SELECT q FROM t CROSS JOIN UNNEST(l) AS e (p, q)",
     "Sink(table=[the result], fields=[q]), changelogMode=[I]\n"
     "+- Calc(select=[q]), changelogMode=[I]\n"
     "   +- Unnest(array=[l]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[l]), changelogMode=[I]\n"},
    {"SELECT k FROM (VALUES (1, 'a'), (2, 'b')) AS w (k, m)",
     "Sink(table=[the result], fields=[k]), changelogMode=[I]\n"
     "+- Values(tuples=[(1), (2)]), changelogMode=[I]\n"},
    {"SELECT y.x FROM t AS x JOIN v AS y ON x.a = y.a",
     "Sink(table=[the result], fields=[x]), changelogMode=[I]\n"
     "+- Calc(select=[x]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[a = a], select=[a, a, x]), changelogMode=[I], state=[the "
     "rows of both sides]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b, r(x)]) #0, changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, r.x AS x], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
    {"SELECT a FROM (SELECT a, b, ROW_NUMBER() OVER (PARTITION BY s ORDER BY f) AS k FROM t) WHERE k "
     "<= 3",
     "Sink(table=[the result], fields=[a]), changelogMode=[I,UB,UA,D]\n"
     "+- Calc(select=[a]), changelogMode=[I,UB,UA,D]\n"
     "   +- Rank(partitionBy=[s], orderBy=[f ASC], rows=[1..3]), changelogMode=[I,UB,UA,D], state=[3 "
     "rows per key]\n"
     "      +- Exchange(distribution=[hash(s)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, s, f]), changelogMode=[I]\n"},
};

static void test_pruned(void **state UNUSED)
{
    sql_rig_check(pruned_cases, COUNT_OF(pruned_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pruned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
