/* SET and RESET. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case set_cases[] = {
    {"SET 'table.exec.state.ttl' = '36 h'; SET 'pipeline.name' = 'x'; RESET 'pipeline.name'; SELECT "
     "a, COUNT(*) FROM t GROUP BY a",
     "Sink(table=[the result], fields=[a, EXPR$1]), changelogMode=[I,UB,UA], upsertKey=[a]\n"
     "+- GroupAggregate(groupBy=[a], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[a], state=[a row per key for 36 h]\n"
     "   +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SET 'table.exec.state.ttl' = '1 h'; RESET; SELECT DISTINCT a FROM t",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- GroupAggregate(groupBy=[a], aggregates=[]), changelogMode=[I], state=[a row per key]\n"
     "   +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SET 'execution.runtime-mode' = 'STREAMING'", ""},
};

static void test_set(void **state UNUSED)
{
    sql_rig_check(set_cases, COUNT_OF(set_cases));
}

static const struct sql_case refused_cases[] = {
    {"SET 'table.exec.state.tll' = '1 h'",
     "NAME: line 1, column 5: there is no setting 'table.exec.state.tll'; did you mean "
     "'table.exec.state.ttl'?\n"
     "    SET 'table.exec.state.tll' = '1 h'\n"
     "        ^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SET 'table.exec.state.ttl' = 'soon'",
     "TYPE: line 1, column 5: 'table.exec.state.ttl' wants a duration such as '10 s', '5 min' or '1 "
     "h'\n"
     "    SET 'table.exec.state.ttl' = 'soon'\n"
     "        ^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SET 'table.dml-sync' = 'maybe'", "TYPE: line 1, column 5: 'table.dml-sync' wants 'true' or 'false'\n"
                                       "    SET 'table.dml-sync' = 'maybe'\n"
                                       "        ^^^^^^^^^^^^^^^^\n"},
    {"SET 'parallelism.default' = 'two'", "TYPE: line 1, column 5: 'parallelism.default' wants a whole number\n"
                                          "    SET 'parallelism.default' = 'two'\n"
                                          "        ^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SET 'execution.runtime-mode' = 'batch'",
     "UNSUPPORTED: line 1, column 5: Flink has other values of 'execution.runtime-mode', Millrace not "
     "yet: streaming is there\n"
     "    SET 'execution.runtime-mode' = 'batch'\n"
     "        ^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SET 'table.local-time-zone' = 'Europe/Berlin'",
     "UNSUPPORTED: line 1, column 5: Flink has other values of 'table.local-time-zone', Millrace not "
     "yet: UTC is there\n"
     "    SET 'table.local-time-zone' = 'Europe/Berlin'\n"
     "        ^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"RESET 'foo'", "NAME: line 1, column 7: there is no setting 'foo'\n"
                    "    RESET 'foo'\n"
                    "          ^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
