/* Words that Flink reserves. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case reserved_cases[] = {
    {"SELECT day FROM t",
     "SYNTAX: line 1, column 8: expected an expression, but found the reserved word day (as a name it "
     "needs backticks)\n"
     "    SELECT day FROM t\n"
     "           ^^^\n"},
    {"SELECT a AS value FROM t",
     "SYNTAX: line 1, column 13: expected a name behind AS, but found the reserved word value (as a "
     "name it needs backticks)\n"
     "    SELECT a AS value FROM t\n"
     "                ^^^^^\n"},
    {"SELECT a AS `value`, `s` AS `day` FROM t", "Sink(table=[the result], fields=[value, day]), changelogMode=[I]\n"
                                                 "+- TableSourceScan(table=[t], fields=[a, s]), changelogMode=[I]\n"},
    {"SELECT a AS extra FROM t AS bid", "Sink(table=[the result], fields=[extra]), changelogMode=[I]\n"
                                        "+- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_reserved(void **state UNUSED)
{
    sql_rig_check(reserved_cases, COUNT_OF(reserved_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
