/* Simplifying. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case constants_cases[] = {
    {"SELECT 1 + 2 * 3, 'a' || 'b', CASE WHEN 1 = 2 THEN a ELSE 5 END, b IS NOT NULL, a > 1 AND TRUE, "
     "a > 1 OR TRUE FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4, EXPR$5]), "
     "changelogMode=[I]\n"
     "+- Calc(select=[7 AS EXPR$0, 'ab' AS EXPR$1, 5 AS EXPR$2, TRUE AS EXPR$3, (a > 1) AS EXPR$4, "
     "TRUE AS EXPR$5]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT 1 / 0, CASE WHEN TRUE THEN 1 ELSE 1 / 0 END",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I]\n"
     "+- Values(tuples=[((1 / 0), 1)]), changelogMode=[I]\n"},
    {"SELECT a FROM t WHERE 1 = 1", "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
                                    "+- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT a FROM t WHERE 1 = 2 AND a > 1", "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
                                              "+- Calc(select=[a], where=[FALSE]), changelogMode=[I]\n"
                                              "   +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_constants(void **state UNUSED)
{
    sql_rig_check(constants_cases, COUNT_OF(constants_cases));
}

static const struct sql_case facts_cases[] = {
    {"SELECT CASE WHEN b = 0 THEN r.x WHEN b = 2 THEN 7 ELSE 8 END, b FROM t WHERE b = 2 AND (b = 3 "
     "OR a > 1)",
     "Sink(table=[the result], fields=[EXPR$0, b]), changelogMode=[I]\n"
     "+- Calc(select=[7 AS EXPR$0, b], where=[((b = 2) AND (a > 1))]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b], needed=[(b = 2)]), changelogMode=[I]\n"},
    {"SELECT s || 'x' FROM t WHERE s = 'k'",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I]\n"
     "+- Calc(select=['kx' AS EXPR$0], where=[(s = 'k')]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[s], needed=[(s = 'k')]), changelogMode=[I]\n"},
    {"SELECT d + 1 FROM t WHERE d = 1",
     "Sink(table=[the result], fields=[EXPR$0]), changelogMode=[I]\n"
     "+- Calc(select=[(d + 1) AS EXPR$0], where=[(d = 1)]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[d], needed=[(d = 1)]), changelogMode=[I]\n"},
};

static void test_facts(void **state UNUSED)
{
    sql_rig_check(facts_cases, COUNT_OF(facts_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
