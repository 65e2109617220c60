/* Literals. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case times_cases[] = {
    {"SELECT DATE '2020-02-29', TIME '10:11:12.5', TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP "
     "'2020-1-2 3:4:5.123456789', INTERVAL '2' DAY, INTERVAL '1-6' YEAR TO MONTH, INTERVAL '3 "
     "04:05:06.789' DAY TO SECOND, INTERVAL '100' SECOND(3)",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4, EXPR$5, EXPR$6, "
     "EXPR$7]), changelogMode=[I]\n"
     "+- Values(tuples=[(DATE '2020-02-29', TIME '10:11:12.5', TIMESTAMP '2020-01-01 00:00:00', "
     "TIMESTAMP '2020-01-02 03:04:05.123456789', 172800000:INTERVAL SECOND(3), 18:INTERVAL MONTH, "
     "273906789:INTERVAL SECOND(3), 100000:INTERVAL SECOND(3))]), changelogMode=[I]\n"},
};

static void test_times(void **state UNUSED)
{
    sql_rig_check(times_cases, COUNT_OF(times_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT DATE '2020-02-30'", "TYPE: line 1, column 8: '2020-02-30' is no DATE, which is written 'yyyy-MM-dd'\n"
                                 "    SELECT DATE '2020-02-30'\n"
                                 "           ^^^^^^^^^^^^^^^^^\n"},
    {"SELECT TIME '25:00:00'", "TYPE: line 1, column 8: '25:00:00' is no TIME, which is written 'HH:mm:ss[.fraction]'\n"
                               "    SELECT TIME '25:00:00'\n"
                               "           ^^^^^^^^^^^^^^^\n"},
    {"SELECT TIMESTAMP '2020-01-01'",
     "TYPE: line 1, column 8: '2020-01-01' is no TIMESTAMP, which is written 'yyyy-MM-dd "
     "HH:mm:ss[.fraction]'\n"
     "    SELECT TIMESTAMP '2020-01-01'\n"
     "           ^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT INTERVAL '100' SECOND",
     "TYPE: line 1, column 8: the interval's SECOND has more than 2 digits; write SECOND(n) for n "
     "digits\n"
     "    SELECT INTERVAL '100' SECOND\n"
     "           ^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT INTERVAL '1:70' HOUR TO MINUTE", "TYPE: line 1, column 8: '1:70' is no interval of HOUR TO MINUTE\n"
                                              "    SELECT INTERVAL '1:70' HOUR TO MINUTE\n"
                                              "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT INTERVAL '1-2' YEAR TO DAY",
     "SYNTAX: line 1, column 8: an interval is of years and months, or of days to seconds\n"
     "    SELECT INTERVAL '1-2' YEAR TO DAY\n"
     "           ^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT 9223372036854775808",
     "TYPE: line 1, column 8: the number is out of range: its digits make a BIGINT at most\n"
     "    SELECT 9223372036854775808\n"
     "           ^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT 12345678901234567890.5",
     "TYPE: line 1, column 8: the number is out of range: its digits make a BIGINT at most\n"
     "    SELECT 12345678901234567890.5\n"
     "           ^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT INTERVAL 'x' DAY", "TYPE: line 1, column 8: 'x' is no interval of DAY\n"
                                "    SELECT INTERVAL 'x' DAY\n"
                                "           ^^^^^^^^^^^^^^^^\n"},
    {"SELECT INTERVAL '2' WEEK",
     "UNSUPPORTED: line 1, column 8: Flink 2.2 takes INTERVAL '1' WEEK for something shorter; write "
     "it in days\n"
     "    SELECT INTERVAL '2' WEEK\n"
     "           ^^^^^^^^^^^^^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

static const struct sql_case kinds_cases[] = {
    {"SELECT TRUE, UNKNOWN, CAST(NULL AS INT), X'00ff', 'é', 0.10, -1.5, -9223372036854775808",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4, EXPR$5, EXPR$6, "
     "EXPR$7]), changelogMode=[I]\n"
     "+- Values(tuples=[(TRUE, NULL, NULL, '', 'é', 0.10, -1.5, -9223372036854775808)]), "
     "changelogMode=[I]\n"},
};

static void test_kinds(void **state UNUSED)
{
    sql_rig_check(kinds_cases, COUNT_OF(kinds_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
