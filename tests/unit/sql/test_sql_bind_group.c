/* GROUP BY and HAVING. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case keys_cases[] = {
    {"SELECT b + 1, COUNT(*) FROM t GROUP BY b + 1",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I,UB,UA], upsertKey=[EXPR$0]\n"
     "+- GroupAggregate(groupBy=[$f0], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[$f0], state=[a row per key]\n"
     "   +- Exchange(distribution=[hash($f0)]), changelogMode=[I]\n"
     "      +- Calc(select=[(b + 1) AS $f0]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[b]), changelogMode=[I]\n"},
    {"SELECT r.x, SUM(a) FROM t GROUP BY (r.x, s) HAVING SUM(a) > 1 AND s = 'k'",
     "Sink(table=[the result], fields=[x, EXPR$1]), changelogMode=[I,UB,UA,D]\n"
     "+- Calc(select=[$f0 AS x, $agg0 AS EXPR$1], where=[(($agg0 > 1) AND (s = 'k'))]), "
     "changelogMode=[I,UB,UA,D]\n"
     "   +- GroupAggregate(groupBy=[$f0, s], aggregates=[SUM(a) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[$f0, s], state=[a row per key]\n"
     "      +- Exchange(distribution=[hash($f0, s)]), changelogMode=[I]\n"
     "         +- Calc(select=[r.x AS $f0, s, a]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, s, r(x)]), changelogMode=[I]\n"},
    {"SELECT b + 1 + COUNT(*) FROM t GROUP BY b",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I,UB,UA]\n"
     "+- Calc(select=[(CAST((b + 1) AS BIGINT) + $agg0) AS EXPR$0]), changelogMode=[I,UB,UA]\n"
     "   +- GroupAggregate(groupBy=[b], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[b], state=[a row per key]\n"
     "      +- Exchange(distribution=[hash(b)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[b]), changelogMode=[I]\n"},
    {"SELECT COUNT(*) FROM t GROUP BY ()",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I,UB,UA], upsertKey=[]\n"
     "+- GroupAggregate(groupBy=[], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[], state=[a row per key]\n"
     "   +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "      +- Calc(select=[]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT * FROM (SELECT a, b FROM t) GROUP BY a, b",
     "Sink(table=[the result], fields=[a, b]), changelogMode=[I]\n"
     "+- GroupAggregate(groupBy=[a, b], aggregates=[]), changelogMode=[I], state=[a row per key]\n"
     "   +- Exchange(distribution=[hash(a, b)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"},
};

static void test_keys(void **state UNUSED)
{
    sql_rig_check(keys_cases, COUNT_OF(keys_cases));
}

static const struct sql_case windows_cases[] = {
    {"SELECT a, TUMBLE_START(ts, INTERVAL '1' HOUR) AS w, TUMBLE_ROWTIME(ts, INTERVAL '1' HOUR) AS z, "
     "COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), a",
     "Sink(table=[the result], fields=[a, w, z, EXPR$3]), changelogMode=[I]\n"
     "+- Calc(select=[a, window_start AS w, window_time AS z, $agg0 AS EXPR$3]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[a], window=[TUMBLE(ts, size 1 h)], aggregates=[COUNT(*) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, ts]), changelogMode=[I]\n"},
    {"SELECT HOP_END(pt, INTERVAL '5' SECOND, INTERVAL '10' SECOND), COUNT(*) FROM t GROUP BY HOP(pt, "
     "INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I]\n"
     "+- Calc(select=[window_end AS EXPR$0, $agg0 AS EXPR$1]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[HOP(processing time, size 10 s, slide 5 s)], "
     "aggregates=[COUNT(*) AS $agg0]), changelogMode=[I], state=[a row per key of windows that are "
     "open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_windows(void **state UNUSED)
{
    sql_rig_check(windows_cases, COUNT_OF(windows_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT s, COUNT(*) FROM t GROUP BY a",
     "PLAN: line 1, column 8: 's' is neither in GROUP BY nor inside of an aggregate\n"
     "    SELECT s, COUNT(*) FROM t GROUP BY a\n"
     "           ^\n"},
    {"SELECT * FROM t GROUP BY a", "PLAN: line 1, column 1: 'b' is neither in GROUP BY nor inside of an aggregate\n"
                                   "    SELECT * FROM t GROUP BY a\n"
                                   "    ^^^^^^\n"},
    {"SELECT a FROM t HAVING a > 1", "PLAN: line 1, column 8: 'a' is neither in GROUP BY nor inside of an aggregate\n"
                                     "    SELECT a FROM t HAVING a > 1\n"
                                     "           ^\n"},
    {"SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), HOP(ts, INTERVAL '1' HOUR, "
     "INTERVAL '2' HOUR)",
     "PLAN: line 1, column 64: GROUP BY has one window\n"
     "    SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), HOP(ts, INTERVAL '1' HOUR, "
     "INTERVAL '2' HOUR)\n"
     "                                                                   "
     "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT TUMBLE_END(ts, INTERVAL '2' HOUR) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
     "PLAN: line 1, column 8: TUMBLE_END wants the same TUMBLE(..) in GROUP BY\n"
     "    SELECT TUMBLE_END(ts, INTERVAL '2' HOUR) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)\n"
     "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT COUNT(*) FROM t GROUP BY TUMBLE(a, INTERVAL '1' HOUR)",
     "PLAN: line 1, column 40: a window wants a time attribute: a column with WATERMARK, or "
     "PROCTIME()\n"
     "    SELECT COUNT(*) FROM t GROUP BY TUMBLE(a, INTERVAL '1' HOUR)\n"
     "                                           ^\n"},
    {"SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts)", "SYNTAX: line 1, column 33: write TUMBLE(time, size)\n"
                                                   "    SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts)\n"
                                                   "                                    ^^^^^^^^^^\n"},
    {"SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR, INTERVAL '1' MINUTE)",
     "UNSUPPORTED: line 1, column 33: Flink has offsets of windows in GROUP BY, Millrace not yet: "
     "FROM TUMBLE(TABLE t, DESCRIPTOR(ts), size, offset) has them\n"
     "    SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR, INTERVAL '1' MINUTE)\n"
     "                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT TUMBLE_PROCTIME(ts, INTERVAL '1' HOUR) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
     "PLAN: line 1, column 8: the window goes over event time\n"
     "    SELECT TUMBLE_PROCTIME(ts, INTERVAL '1' HOUR) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' "
     "HOUR)\n"
     "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT COUNT(*) FROM t GROUP BY n", "UNSUPPORTED: line 1, column 33: Flink has arrays as keys, Millrace not yet\n"
                                          "    SELECT COUNT(*) FROM t GROUP BY n\n"
                                          "                                    ^\n"},
    {"SELECT a AS k, COUNT(*) FROM t GROUP BY k", "NAME: line 1, column 41: there is no column 'k'; did you mean 'a'?\n"
                                                  "    SELECT a AS k, COUNT(*) FROM t GROUP BY k\n"
                                                  "                                            ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
