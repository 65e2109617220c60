/* Which join it is. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case regular_cases[] = {
    {"SELECT x.a FROM t AS x JOIN v AS y ON x.a = y.a AND x.b < y.x",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[a = a], where=[(b < x)], select=[a, b, a, x]), "
     "changelogMode=[I], state=[the rows of both sides]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, b]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b, r(x)]) #0, changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, r.x AS x], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
    {"SELECT x.a FROM t AS x JOIN v AS y ON x.a + 1 = y.a AND x.b = y.a",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[$key0 = a, $key1 = a], select=[a, $key0, $key1, a]), "
     "changelogMode=[I], state=[the rows of both sides]\n"
     "      +- Exchange(distribution=[hash($key0, $key1)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, (a + 1) AS $key0, CAST(b AS BIGINT) AS $key1]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b]) #0, changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a, a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
    {"SELECT x.a FROM t AS x CROSS JOIN v AS y",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Join(joinType=[InnerJoin], on=[], select=[a]), changelogMode=[I], state=[the rows of both "
     "sides]\n"
     "   +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "      +- Calc(select=[a]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, b]) #0, changelogMode=[I]\n"
     "   +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "      +- Calc(select=[], where=[(b = 1)]), changelogMode=[I]\n"
     "         +- Reused(#0)\n"},
};

static void test_regular(void **state UNUSED)
{
    sql_rig_check(regular_cases, COUNT_OF(regular_cases));
}

static const struct sql_case interval_cases[] = {
    {"SELECT x.a FROM t AS x JOIN v AS y ON x.a = y.a AND y.ts >= x.ts - INTERVAL '5' SECOND AND y.ts "
     "< x.ts + INTERVAL '10' SECOND",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- IntervalJoin(joinType=[InnerJoin], time=[ts between ts + -5 s and + 9999 ms], on=[a = a], "
     "where=[((ts >= (ts - 5000:INTERVAL SECOND(3))) AND (ts < (ts + 10000:INTERVAL SECOND(3))))], "
     "select=[a, b, ts, a, ts]), changelogMode=[I], state=[the rows of both sides until their "
     "interval is over]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]) #1, "
     "changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b, ts]), changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, ts], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#1)\n"},
    {"SELECT x.a FROM t AS x, v AS y WHERE x.a = y.a AND x.ts = y.ts",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- IntervalJoin(joinType=[InnerJoin], time=[ts between ts + 0 ms and + 0 ms], on=[a = a, ts "
     "= ts], select=[a, b, ts, a, ts]), changelogMode=[I], state=[the rows of both sides until their "
     "interval is over]\n"
     "      +- Exchange(distribution=[hash(a, ts)]), changelogMode=[I]\n"
     "         +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]) #1, "
     "changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b, ts]), changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a, ts)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, ts], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#1)\n"},
    {"SELECT x.a FROM t AS x, v AS y WHERE x.a = y.a AND x.ts > y.ts",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[a = a], where=[(ts > ts)], select=[a, ts, a, ts]), "
     "changelogMode=[I], state=[the rows of both sides]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, ts]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b, ts]) #0, changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, ts], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
};

static void test_interval(void **state UNUSED)
{
    sql_rig_check(interval_cases, COUNT_OF(interval_cases));
}

static const struct sql_case window_cases[] = {
    {"SELECT l.a FROM (SELECT a, window_start, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
     "INTERVAL '1' HOUR))) AS l JOIN (SELECT a, window_start, window_end FROM TABLE(TUMBLE(TABLE v, "
     "DESCRIPTOR(ts), INTERVAL '1' HOUR))) AS r ON l.a = r.a AND l.window_start = r.window_start AND "
     "l.window_end = r.window_end",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- WindowJoin(joinType=[InnerJoin], window=[window_start, window_end], on=[a = a, "
     "window_start = window_start, window_end = window_end], select=[a, window_start, window_end, a, "
     "window_start, window_end]), changelogMode=[I], state=[the rows of windows that are open]\n"
     "      +- Exchange(distribution=[hash(a, window_start, window_end)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, window_start, window_end]), changelogMode=[I]\n"
     "            +- WindowTableFunction(window=[TUMBLE(ts, size 1 h)]), changelogMode=[I]\n"
     "               +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]) "
     "#1, changelogMode=[I]\n"
     "                  +- TableSourceScan(table=[t], fields=[a, b, ts]), changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a, window_start, window_end)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, window_start, window_end]), changelogMode=[I]\n"
     "            +- WindowTableFunction(window=[TUMBLE(ts, size 1 h)]), changelogMode=[I]\n"
     "               +- Calc(select=[a, ts], where=[(b = 1)]), changelogMode=[I]\n"
     "                  +- Reused(#1)\n"},
    {"SELECT l.a FROM (SELECT a, window_start, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
     "INTERVAL '1' HOUR))) AS l JOIN (SELECT a, window_start, window_end FROM TABLE(TUMBLE(TABLE v, "
     "DESCRIPTOR(ts), INTERVAL '2' HOUR))) AS r ON l.a = r.a AND l.window_start = r.window_start AND "
     "l.window_end = r.window_end",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[a = a, window_start = window_start, window_end = "
     "window_end], select=[a, window_start, window_end, a, window_start, window_end]), "
     "changelogMode=[I], state=[the rows of both sides]\n"
     "      +- Exchange(distribution=[hash(a, window_start, window_end)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, window_start, window_end]), changelogMode=[I]\n"
     "            +- WindowTableFunction(window=[TUMBLE(ts, size 1 h)]), changelogMode=[I]\n"
     "               +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]) "
     "#1, changelogMode=[I]\n"
     "                  +- TableSourceScan(table=[t], fields=[a, b, ts]), changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a, window_start, window_end)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, window_start, window_end]), changelogMode=[I]\n"
     "            +- WindowTableFunction(window=[TUMBLE(ts, size 2 h)]), changelogMode=[I]\n"
     "               +- Calc(select=[a, ts], where=[(b = 1)]), changelogMode=[I]\n"
     "                  +- Reused(#1)\n"},
};

static void test_window(void **state UNUSED)
{
    sql_rig_check(window_cases, COUNT_OF(window_cases));
}

static const struct sql_case lost_cases[] = {
    {"SELECT COUNT(*) FROM (SELECT x.ts FROM t AS x JOIN v AS y ON x.a = y.a) GROUP BY TUMBLE(ts, "
     "INTERVAL '1' HOUR)",
     "PLAN: line 1, column 1: the window's time is no time attribute any more: a regular join does "
     "not keep it; bound the join's times (an interval join does), or window before the join\n"
     "    SELECT COUNT(*) FROM (SELECT x.ts FROM t AS x JOIN v AS y ON x.a = y.a) GROUP BY TUMBLE(ts, "
     "INTERVAL '1' HOUR)\n"
     "    ^^^^^^\n"},
    {"SELECT COUNT(*) FROM (SELECT x.ts FROM t AS x JOIN v AS y ON x.a = y.a AND x.ts = y.ts) GROUP "
     "BY TUMBLE(ts, INTERVAL '1' HOUR)",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I]\n"
     "+- Calc(select=[$agg0 AS EXPR$0]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[TUMBLE(ts, size 1 h)], aggregates=[COUNT(*) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[ts]), changelogMode=[I]\n"
     "            +- IntervalJoin(joinType=[InnerJoin], time=[ts between ts + 0 ms and + 0 ms], on=[a "
     "= a, ts = ts], select=[a, b, ts, a, ts]), changelogMode=[I], state=[the rows of both sides "
     "until their interval is over]\n"
     "               +- Exchange(distribution=[hash(a, ts)]), changelogMode=[I]\n"
     "                  +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL "
     "SECOND(3))]) #1, changelogMode=[I]\n"
     "                     +- TableSourceScan(table=[t], fields=[a, b, ts]), changelogMode=[I]\n"
     "               +- Exchange(distribution=[hash(a, ts)]), changelogMode=[I]\n"
     "                  +- Calc(select=[a, ts], where=[(b = 1)]), changelogMode=[I]\n"
     "                     +- Reused(#1)\n"},
};

static void test_lost(void **state UNUSED)
{
    sql_rig_check(lost_cases, COUNT_OF(lost_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regular),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
