/* Conditions go down. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case through_cases[] = {
    {"SELECT k FROM (SELECT a + 1 AS k, s FROM t WHERE b = 1) WHERE k > 2 AND s = 'x'",
     "Sink(table=[the result], fields=[k]), changelogMode=[I]\n"
     "+- Calc(select=[(a + 1) AS k], where=[((b = 1) AND ((a + 1) > 2) AND (s = 'x'))]), "
     "changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b, s], needed=[((b = 1) AND (s = 'x'))]), "
     "changelogMode=[I]\n"},
    {"SELECT x.a FROM t AS x, v AS y WHERE x.a = y.a AND x.s = 'p' AND y.s = 'q' AND x.b > y.x",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[a = a], where=[(b > x)], select=[a, b, a, x]), "
     "changelogMode=[I], state=[the rows of both sides]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, b], where=[(s = 'p')]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b, s, r(x)]) #0, changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, r.x AS x], where=[((b = 1) AND (s = 'q'))]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
    {"SELECT a FROM (SELECT a FROM t UNION ALL SELECT b FROM t) WHERE a > 1",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Union(fields=[a]), changelogMode=[I]\n"
     "   +- Calc(select=[a], where=[(a > 1)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a, b]) #0, changelogMode=[I]\n"
     "   +- Calc(select=[CAST(b AS BIGINT) AS b], where=[(CAST(b AS BIGINT) > 1)]), "
     "changelogMode=[I]\n"
     "      +- Reused(#0)\n"},
};

static void test_through(void **state UNUSED)
{
    sql_rig_check(through_cases, COUNT_OF(through_cases));
}

static const struct sql_case stops_cases[] = {
    {"SELECT a FROM (SELECT a, COUNT(*) AS n FROM t GROUP BY a) WHERE n > 1",
     "Sink(table=[the result], fields=[a]), changelogMode=[I,UB,UA,D], upsertKey=[a]\n"
     "+- Calc(select=[a], where=[($agg0 > 1)]), changelogMode=[I,UB,UA,D], upsertKey=[a]\n"
     "   +- GroupAggregate(groupBy=[a], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[a], state=[a row per key]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT a, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) WHERE a > 1",
     "Sink(table=[the result], fields=[a, window_end]), changelogMode=[I]\n"
     "+- Calc(select=[a, window_end], where=[(a > 1)]), changelogMode=[I]\n"
     "   +- WindowTableFunction(window=[TUMBLE(ts, size 1 h)]), changelogMode=[I]\n"
     "      +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, ts]), changelogMode=[I]\n"},
    {"SELECT a FROM (SELECT a FROM t LIMIT 5) WHERE a > 1",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a], where=[(a > 1)]), changelogMode=[I]\n"
     "   +- Limit(rows=[5]), changelogMode=[I]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_stops(void **state UNUSED)
{
    sql_rig_check(stops_cases, COUNT_OF(stops_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_through),
        cmocka_unit_test(test_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
