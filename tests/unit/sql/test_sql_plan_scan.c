/* One scan per table. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case fields_cases[] = {
    {"SELECT r.x FROM t", "Sink(table=[the result], fields=[x]), changelogMode=[I]\n"
                          "+- Calc(select=[r.x AS x]), changelogMode=[I]\n"
                          "   +- TableSourceScan(table=[t], fields=[r(x)]), changelogMode=[I]\n"},
    {"SELECT r FROM t", "Sink(table=[the result], fields=[r]), changelogMode=[I]\n"
                        "+- TableSourceScan(table=[t], fields=[r(x, y)]), changelogMode=[I]\n"},
    {"SELECT r.x, r FROM t", "Sink(table=[the result], fields=[x, r]), changelogMode=[I]\n"
                             "+- Calc(select=[r.x AS x, r]), changelogMode=[I]\n"
                             "   +- TableSourceScan(table=[t], fields=[r(x, y)]), changelogMode=[I]\n"},
    {"SELECT COUNT(*) FROM t",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I,UB,UA], upsertKey=[]\n"
     "+- GroupAggregate(groupBy=[], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[], state=[a row per key]\n"
     "   +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "      +- Calc(select=[]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_fields(void **state UNUSED)
{
    sql_rig_check(fields_cases, COUNT_OF(fields_cases));
}

static const struct sql_case needed_cases[] = {
    {"SELECT a FROM t WHERE b = 2 AND s <> 'x' AND f > 1 AND 3 = b",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a], where=[((b = 2) AND (s <> 'x') AND (f > 1.0) AND (3 = b))]), "
     "changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b, s, f], needed=[((b = 2) AND (s <> 'x') AND (b = "
     "3))]), changelogMode=[I]\n"},
    {"SELECT a FROM t WHERE b IN (1, 2)",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a], where=[((b = 1) OR (b = 2))]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b], needed=[((b = 1) OR (b = 2))]), "
     "changelogMode=[I]\n"},
    {"SELECT a FROM t WHERE b = 1 UNION ALL SELECT a FROM t WHERE b = 2 UNION ALL SELECT a FROM t "
     "WHERE b = 2",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Union(fields=[a]), changelogMode=[I]\n"
     "   +- Union(fields=[a]), changelogMode=[I]\n"
     "      +- Calc(select=[a], where=[(b = 1)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, b], needed=[((b = 2) OR (b = 1))]) #0, "
     "changelogMode=[I]\n"
     "      +- Calc(select=[a], where=[(b = 2)]) #2, changelogMode=[I]\n"
     "         +- Reused(#0)\n"
     "   +- Reused(#2)\n"},
    {"SELECT a FROM t WHERE b = 1 UNION ALL SELECT a FROM t WHERE s = 'x'",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Union(fields=[a]), changelogMode=[I]\n"
     "   +- Calc(select=[a], where=[(b = 1)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a, b, s]) #0, changelogMode=[I]\n"
     "   +- Calc(select=[a], where=[(s = 'x')]), changelogMode=[I]\n"
     "      +- Reused(#0)\n"},
    {"SELECT COUNT(*), MAX(x) FROM v GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I]\n"
     "+- Calc(select=[$agg0 AS EXPR$0, $agg1 AS EXPR$1]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[TUMBLE(ts, size 1 h)], aggregates=[COUNT(*) AS $agg0, "
     "MAX(x) AS $agg1]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[r.x AS x, ts], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "               +- TableSourceScan(table=[t], fields=[b, r(x), ts], needed=[(b = 1)], always=[b, "
     "ts]), changelogMode=[I]\n"},
    {"SELECT COUNT(*), MAX(r.x) FROM t WHERE b = 7 GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I]\n"
     "+- Calc(select=[$agg0 AS EXPR$0, $agg1 AS EXPR$1]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[TUMBLE(ts, size 1 h)], aggregates=[COUNT(*) AS $agg0, "
     "MAX($f0) AS $agg1]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[r.x AS $f0, ts], where=[(b = 7)]), changelogMode=[I]\n"
     "            +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "               +- TableSourceScan(table=[t], fields=[b, r(x), ts], needed=[(b = 7)], always=[b, "
     "ts]), changelogMode=[I]\n"},
};

static void test_needed(void **state UNUSED)
{
    sql_rig_check(needed_cases, COUNT_OF(needed_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
