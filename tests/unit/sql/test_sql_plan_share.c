/* Equal relations are one. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case shared_cases[] = {
    {"SELECT x.n FROM (SELECT a, COUNT(*) AS n FROM t GROUP BY a, b) AS x UNION ALL SELECT n FROM "
     "(SELECT a, COUNT(*) AS n FROM t GROUP BY a, b)",
     "Sink(table=[the result], fields=[n]), changelogMode=[I,UB,UA]\n"
     "+- Union(fields=[n]), changelogMode=[I,UB,UA]\n"
     "   +- Calc(select=[$agg0 AS n]) #3, changelogMode=[I,UB,UA]\n"
     "      +- GroupAggregate(groupBy=[a, b], aggregates=[COUNT(*) AS $agg0]), "
     "changelogMode=[I,UB,UA], upsertKey=[a, b], state=[a row per key]\n"
     "         +- Exchange(distribution=[hash(a, b)]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"
     "   +- Reused(#3)\n"},
    {"SELECT a FROM t UNION ALL SELECT a FROM t", "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
                                                  "+- Union(fields=[a]), changelogMode=[I]\n"
                                                  "   +- TableSourceScan(table=[t], fields=[a]) #0, changelogMode=[I]\n"
                                                  "   +- Reused(#0)\n"},
    {"EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT a, s FROM t WHERE b = 1; INSERT INTO o SELECT "
     "a, s FROM t WHERE b = 1; END",
     "Sink(table=[o], fields=[a, s]), changelogMode=[I]\n"
     "+- Calc(select=[a, s], where=[(b = 1)]) #1, changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b, s], needed=[(b = 1)]), changelogMode=[I]\n"
     "Sink(table=[o], fields=[a, s]), changelogMode=[I]\n"
     "+- Reused(#1)\n"},
};

static void test_shared(void **state UNUSED)
{
    sql_rig_check(shared_cases, COUNT_OF(shared_cases));
}

static const struct sql_case apart_cases[] = {
    {"SELECT DATE_FORMAT(ts, 'yyyy') FROM t UNION ALL SELECT DATE_FORMAT(ts, 'MM') FROM t",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I]\n"
     "+- Union(fields=[EXPR$0]), changelogMode=[I]\n"
     "   +- Calc(select=[DATE_FORMAT(ts, 'yyyy') AS EXPR$0]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[ts]) #0, changelogMode=[I]\n"
     "   +- Calc(select=[DATE_FORMAT(ts, 'MM') AS EXPR$0]), changelogMode=[I]\n"
     "      +- Reused(#0)\n"},
    {"SELECT CURRENT_TIMESTAMP FROM t UNION ALL SELECT CURRENT_TIMESTAMP FROM t",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I]\n"
     "+- Union(fields=[EXPR$0]), changelogMode=[I]\n"
     "   +- Calc(select=[CURRENT_TIMESTAMP() AS EXPR$0]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a]) #0, changelogMode=[I]\n"
     "   +- Calc(select=[CURRENT_TIMESTAMP() AS EXPR$0]), changelogMode=[I]\n"
     "      +- Reused(#0)\n"},
};

static void test_apart(void **state UNUSED)
{
    sql_rig_check(apart_cases, COUNT_OF(apart_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
