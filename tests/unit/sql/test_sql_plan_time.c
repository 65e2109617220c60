/* Watermarks that nobody needs go. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case kept_cases[] = {
    {"SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I]\n"
     "+- Calc(select=[$agg0 AS EXPR$0]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[TUMBLE(ts, size 1 h)], aggregates=[COUNT(*) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[ts]), changelogMode=[I]\n"},
    {"SELECT COUNT(*) FROM t GROUP BY TUMBLE(pt, INTERVAL '1' HOUR)",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I]\n"
     "+- Calc(select=[$agg0 AS EXPR$0]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[TUMBLE(processing time, size 1 h)], "
     "aggregates=[COUNT(*) AS $agg0]), changelogMode=[I], state=[a row per key of windows that are "
     "open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT ts FROM t", "Sink(table=[the result], fields=[ts]), changelogMode=[I]\n"
                         "+- TableSourceScan(table=[t], fields=[ts]), changelogMode=[I]\n"},
    {"EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT a, s FROM t; INSERT INTO p SELECT 1, COUNT(*) "
     "FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR); END",
     "Sink(table=[o], fields=[a, s]), changelogMode=[I]\n"
     "+- Calc(select=[a, s]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, s, ts]) #0, changelogMode=[I]\n"
     "Sink(table=[p], fields=[a, n]), changelogMode=[I]\n"
     "+- Calc(select=[1 AS a, $agg0 AS n]), changelogMode=[I]\n"
     "   +- WindowAggregate(groupBy=[], window=[TUMBLE(ts, size 1 h)], aggregates=[COUNT(*) AS "
     "$agg0]), changelogMode=[I], state=[a row per key of windows that are open]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "            +- Calc(select=[ts]), changelogMode=[I]\n"
     "               +- Reused(#0)\n"},
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
