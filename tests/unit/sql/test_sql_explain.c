/* EXPLAIN. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case statement_cases[] = {
    {"EXPLAIN SELECT a FROM t", "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
                                "+- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"EXPLAIN PLAN FOR INSERT INTO o SELECT a, s FROM t",
     "Sink(table=[o], fields=[a, s]), changelogMode=[I]\n"
     "+- TableSourceScan(table=[t], fields=[a, s]), changelogMode=[I]\n"},
    {"EXPLAIN CHANGELOG_MODE SELECT COUNT(*) FROM t",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I,UB,UA], upsertKey=[]\n"
     "+- GroupAggregate(groupBy=[], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[], state=[a row per key]\n"
     "   +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "      +- Calc(select=[]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"EXPLAIN ESTIMATED_COST SELECT a, window_start FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), "
     "INTERVAL '10' MINUTE, INTERVAL '1' HOUR, INTERVAL '30' SECOND))",
     "Sink(table=[the result], fields=[a, window_start]), changelogMode=[I]\n"
     "+- Calc(select=[a, window_start]), changelogMode=[I]\n"
     "   +- WindowTableFunction(window=[CUMULATE(ts, size 1 h, step 10 min, offset 30 s)]), "
     "changelogMode=[I]\n"
     "      +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 4000:INTERVAL SECOND(3))]), "
     "changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, ts]), changelogMode=[I]\n"},
};

static void test_statement(void **state UNUSED)
{
    sql_rig_check(statement_cases, COUNT_OF(statement_cases));
}

static const struct sql_case refused_cases[] = {
    {"EXPLAIN JSON_EXECUTION_PLAN SELECT a FROM t",
     "UNSUPPORTED: line 1, column 1: Flink has EXPLAIN JSON_EXECUTION_PLAN and PLAN_ADVICE, Millrace "
     "not yet: EXPLAIN is there\n"
     "    EXPLAIN JSON_EXECUTION_PLAN SELECT a FROM t\n"
     "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"EXPLAIN STATEMENT SET BEGIN INSERT INTO o SELECT a, s FROM t; END",
     "UNSUPPORTED: line 1, column 19: EXPLAIN STATEMENT SET is not supported; explain each INSERT\n"
     "    EXPLAIN STATEMENT SET BEGIN INSERT INTO o SELECT a, s FROM t; END\n"
     "                      ^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statement),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
