/* Aggregations take over windows. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case fused_cases[] = {
    {"SELECT a, window_end, SUM(b) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) "
     "WHERE s = 'x' GROUP BY a, window_start, window_end",
     "Sink(table=[the result], fields=[a, window_end, EXPR$2]), changelogMode=[I]\n"
     "+- Calc(select=[a, window_end, $agg0 AS EXPR$2]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[a], window=[TUMBLE(ts, size 1 h)], aggregates=[SUM(b) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, b, ts], where=[(s = 'x')]), changelogMode=[I]\n"
     "            +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "               +- TableSourceScan(table=[t], fields=[a, b, s, ts], needed=[(s = 'x')], "
     "always=[s, ts]), changelogMode=[I]\n"},
    {"SELECT s, window_start, COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY s, DESCRIPTOR(ts), "
     "INTERVAL '1' MINUTE)) GROUP BY s, window_start, window_end",
     "Sink(table=[the result], fields=[s, window_start, EXPR$2]), changelogMode=[I]\n"
     "+- Calc(select=[s, window_start, $agg0 AS EXPR$2]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[s], window=[SESSION(ts, gap 1 min)], aggregates=[COUNT(*) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[hash(s)]), changelogMode=[I]\n"
     "         +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[s, ts]), changelogMode=[I]\n"},
};

static void test_fused(void **state UNUSED)
{
    sql_rig_check(fused_cases, COUNT_OF(fused_cases));
}

static const struct sql_case kept_cases[] = {
    {"SELECT window_end, SUM(b) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) WHERE "
     "window_start > TIMESTAMP '2020-01-01 00:00:00' GROUP BY window_start, window_end",
     "Sink(table=[the result], fields=[window_end, EXPR$1]), changelogMode=[I]\n"
     "+- Calc(select=[window_end, $agg0 AS EXPR$1]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[window_start, window_end], aggregates=[SUM(b) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[b, window_start, window_end], where=[(window_start > TIMESTAMP "
     "'2020-01-01 00:00:00')]), changelogMode=[I]\n"
     "            +- WindowTableFunction(window=[TUMBLE(ts, size 1 h)]), changelogMode=[I]\n"
     "               +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "                  +- TableSourceScan(table=[t], fields=[b, ts]), changelogMode=[I]\n"},
    {"SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) "
     "GROUP BY window_start",
     "Sink(table=[the result], fields=[window_start, EXPR$1]), changelogMode=[I,UB,UA], "
     "upsertKey=[window_start]\n"
     "+- GroupAggregate(groupBy=[window_start], aggregates=[COUNT(*) AS $agg0]), "
     "changelogMode=[I,UB,UA], upsertKey=[window_start], state=[a row per key]\n"
     "   +- Exchange(distribution=[hash(window_start)]), changelogMode=[I]\n"
     "      +- Calc(select=[window_start]), changelogMode=[I]\n"
     "         +- WindowTableFunction(window=[TUMBLE(ts, size 1 h)]), changelogMode=[I]\n"
     "            +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "               +- TableSourceScan(table=[t], fields=[ts]), changelogMode=[I]\n"},
    {"SELECT window_end, MAX(n) FROM (SELECT a, window_start, window_end, COUNT(*) AS n FROM "
     "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY a, window_start, window_end) "
     "GROUP BY window_start, window_end",
     "Sink(table=[the result], fields=[window_end, EXPR$1]), changelogMode=[I]\n"
     "+- Calc(select=[window_end, $agg0 AS EXPR$1]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[window_start, window_end], aggregates=[MAX(n) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[$agg0 AS n, window_start, window_end]), changelogMode=[I]\n"
     "            +- WindowAggregate(groupBy=[a], window=[TUMBLE(ts, size 1 h)], aggregates=[COUNT(*) "
     "AS $agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "               +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "                  +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL "
     "SECOND(3))]), changelogMode=[I]\n"
     "                     +- TableSourceScan(table=[t], fields=[a, ts]), changelogMode=[I]\n"},
};

static void test_kept(void **state UNUSED)
{
    sql_rig_check(kept_cases, COUNT_OF(kept_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT window_start FROM TABLE(SESSION(TABLE t PARTITION BY s, DESCRIPTOR(ts), INTERVAL '1' "
     "MINUTE))",
     "UNSUPPORTED: line 1, column 32: Flink has session windows without aggregation, Millrace not "
     "yet: GROUP BY its keys, window_start and window_end\n"
     "    SELECT window_start FROM TABLE(SESSION(TABLE t PARTITION BY s, DESCRIPTOR(ts), INTERVAL '1' "
     "MINUTE))\n"
     "                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"
     "^^^^^^^\n"},
    {"SELECT a, COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY s, DESCRIPTOR(ts), INTERVAL '1' "
     "MINUTE)) GROUP BY a, window_start, window_end",
     "UNSUPPORTED: line 1, column 1: Flink has session windows grouped by other keys than those of "
     "PARTITION BY, Millrace not yet: GROUP BY the same keys, window_start and window_end\n"
     "    SELECT a, COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY s, DESCRIPTOR(ts), INTERVAL '1' "
     "MINUTE)) GROUP BY a, window_start, window_end\n"
     "    ^^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
