/* The rows of a table. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case tables_cases[] = {
    {"CREATE TABLE m (a INT, e AS a + 1, off BIGINT METADATA FROM 'offset' VIRTUAL, w TIMESTAMP(3) "
     "METADATA FROM 'timestamp', WATERMARK FOR w AS w - INTERVAL '1' MINUTE) WITH ('connector' = "
     "'kafka', 'topic' = 'm', 'format' = 'json', 'scan.watermark.idle-timeout' = '5 s'); SELECT e, "
     "off, w FROM m; SELECT COUNT(e), TUMBLE_END(w, INTERVAL '1' DAY) FROM m WHERE off = 7 AND a = 3 "
     "GROUP BY TUMBLE(w, INTERVAL '1' DAY)",
     "Sink(table=[the result], fields=[e, off, w]), changelogMode=[I]\n"
     "+- Calc(select=[(a + 1) AS e, off, CAST(w AS TIMESTAMP(3)) AS w]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[m], fields=[a, off, w]), changelogMode=[I]\n"
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I]\n"
     "+- Calc(select=[$agg0 AS EXPR$0, window_end AS EXPR$1]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[TUMBLE(w, size 1 d)], aggregates=[COUNT(e) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[e, w], where=[((off = 7) AND (a = 3))]), changelogMode=[I]\n"
     "            +- WatermarkAssigner(rowtime=[w], watermark=[(w - 60000:INTERVAL SECOND(3))], "
     "idleAfter=[5 s]), changelogMode=[I]\n"
     "               +- Calc(select=[a, (a + 1) AS e, off, CAST(w AS TIMESTAMP(3)) AS w]), "
     "changelogMode=[I]\n"
     "                  +- TableSourceScan(table=[m], fields=[a, off, w], needed=[(a = 3)], "
     "always=[a, w]), changelogMode=[I]\n"},
    {"CREATE TABLE m (a INT, t1 TIMESTAMP_LTZ(3), WATERMARK FOR t1 AS t1) WITH ('connector' = "
     "'kafka', 'topic' = 'm', 'format' = 'json'); SELECT window_time FROM TABLE(TUMBLE(TABLE m, "
     "DESCRIPTOR(t1), INTERVAL '1' DAY))",
     "Sink(table=[the result], fields=[window_time]), changelogMode=[I]\n"
     "+- Calc(select=[window_time]), changelogMode=[I]\n"
     "   +- WindowTableFunction(window=[TUMBLE(t1, size 1 d)]), changelogMode=[I]\n"
     "      +- WatermarkAssigner(rowtime=[t1], watermark=[t1]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[m], fields=[t1]), changelogMode=[I]\n"},
};

static void test_tables(void **state UNUSED)
{
    sql_rig_check(tables_cases, COUNT_OF(tables_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT * FROM u", "UNSUPPORTED: line 1, column 15: Flink has 'upsert-kafka' tables as sources, Millrace not yet: "
                        "read the topic with connector 'kafka'\n"
                        "    SELECT * FROM u\n"
                        "                  ^\n"},
    {"SELECT * FROM p", "PLAN: line 1, column 15: 'p' can be written to, not read: its connector is a sink\n"
                        "    SELECT * FROM p\n"
                        "                  ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
