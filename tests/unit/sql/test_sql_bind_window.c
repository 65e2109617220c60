/* Windows over tables. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case bound_cases[] = {
    {"SELECT window_start, window_end, window_time, a FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
     "INTERVAL '1' HOUR, INTERVAL '10' MINUTE))",
     "Sink(table=[the result], fields=[window_start, window_end, window_time, a]), changelogMode=[I]\n"
     "+- Calc(select=[window_start, window_end, window_time, a]), changelogMode=[I]\n"
     "   +- WindowTableFunction(window=[TUMBLE(ts, size 1 h, offset 10 min)]), changelogMode=[I]\n"
     "      +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, ts]), changelogMode=[I]\n"},
    {"SELECT a, window_end FROM TABLE(CUMULATE(TABLE v, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL "
     "'1' DAY))",
     "Sink(table=[the result], fields=[a, window_end]), changelogMode=[I]\n"
     "+- Calc(select=[a, window_end]), changelogMode=[I]\n"
     "   +- WindowTableFunction(window=[CUMULATE(ts, size 1 d, step 1 h)]), changelogMode=[I]\n"
     "      +- Calc(select=[a, ts], where=[(b = 1)]), changelogMode=[I]\n"
     "         +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b, ts], needed=[(b = 1)], always=[b, ts]), "
     "changelogMode=[I]\n"},
    {"SELECT COUNT(*), window_start FROM HOP(TABLE t, DESCRIPTOR(pt), INTERVAL '1' SECOND, INTERVAL "
     "'2' SECOND) GROUP BY window_start, window_end",
     "Sink(table=[the result], fields=[EXPR$0, window_start]), changelogMode=[I]\n"
     "+- Calc(select=[$agg0 AS EXPR$0, window_start]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[HOP(processing time, size 2 s, slide 1 s)], "
     "aggregates=[COUNT(*) AS $agg0]), changelogMode=[I], state=[a row per key of windows that are "
     "open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_bound(void **state UNUSED)
{
    sql_rig_check(bound_cases, COUNT_OF(bound_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(a), INTERVAL '1' HOUR))",
     "PLAN: line 1, column 48: TUMBLE wants a time attribute: 'a' is an ordinary BIGINT here; declare "
     "WATERMARK FOR it, or use PROCTIME()\n"
     "    SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(a), INTERVAL '1' HOUR))\n"
     "                                                   ^\n"},
    {"SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(zz), INTERVAL '1' HOUR))",
     "NAME: line 1, column 48: there is no column 'zz'\n"
     "    SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(zz), INTERVAL '1' HOUR))\n"
     "                                                   ^^\n"},
    {"SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), 10))",
     "TYPE: line 1, column 53: a window is sized by an interval of days to seconds, as INTERVAL '10' "
     "SECOND\n"
     "    SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), 10))\n"
     "                                                        ^^\n"},
    {"SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0' HOUR))",
     "PLAN: line 1, column 53: a window's size is above 0\n"
     "    SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0' HOUR))\n"
     "                                                        ^^^^^^^^^^^^^^^^^\n"},
    {"SELECT 1 FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '3' SECOND, INTERVAL '10' SECOND))",
     "PLAN: line 1, column 21: the size of HOP is a multiple of its slide, but 10000 ms is none of "
     "3000 ms\n"
     "    SELECT 1 FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '3' SECOND, INTERVAL '10' "
     "SECOND))\n"
     "                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"
     "\n"},
    {"SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MONTH))",
     "TYPE: line 1, column 53: a window is sized by an interval of days to seconds, as INTERVAL '10' "
     "SECOND\n"
     "    SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MONTH))\n"
     "                                                        ^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT window_time FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) AS x GROUP BY "
     "TUMBLE(ts, INTERVAL '1' DAY)",
     "PLAN: line 1, column 104: a window wants a time attribute: a column with WATERMARK, or "
     "PROCTIME()\n"
     "    SELECT window_time FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) AS x "
     "GROUP BY TUMBLE(ts, INTERVAL '1' DAY)\n"
     "                                                                                                "
     "           ^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
