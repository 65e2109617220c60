/* Tokens. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case texts_cases[] = {
    {"SELECT 'it''s', U&'\\00e9 \\+01F600', X'00fF', `a` FROM (SELECT 1 AS a)",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, a]), changelogMode=[I]\n"
     "+- Values(tuples=[('it's', 'é 😀', '', 1)]), changelogMode=[I]\n"},
    {"SELECT 'a' -- comment\n"
     ", /* more\n"
     " */ 1",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I]\n"
     "+- Values(tuples=[('a', 1)]), changelogMode=[I]\n"},
};

static void test_texts(void **state UNUSED)
{
    sql_rig_check(texts_cases, COUNT_OF(texts_cases));
}

static const struct sql_case numbers_cases[] = {
    {"SELECT 1, 1.50, .5, 12., 1e3, 1.5E-2, -2147483648, 2147483648, 9223372036854775807",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4, EXPR$5, EXPR$6, "
     "EXPR$7, EXPR$8]), changelogMode=[I]\n"
     "+- Values(tuples=[(1, 1.50, 0.5, 12, 1000.0, 0.015, -2147483648, 2147483648, "
     "9223372036854775807)]), changelogMode=[I]\n"},
};

static void test_numbers(void **state UNUSED)
{
    sql_rig_check(numbers_cases, COUNT_OF(numbers_cases));
}

static const struct sql_case broken_cases[] = {
    {"SELECT 'abc", "SYNTAX: line 1, column 8: this quote (') is not closed\n"
                    "    SELECT 'abc\n"
                    "           ^\n"},
    {"SELECT `abc", "SYNTAX: line 1, column 8: this quote (`) is not closed\n"
                    "    SELECT `abc\n"
                    "           ^\n"},
    {"SELECT /* abc", "SYNTAX: line 1, column 8: this comment does not end\n"
                      "    SELECT /* abc\n"
                      "           ^^\n"},
    {"SELECT X'0'", "SYNTAX: line 1, column 8: a binary literal has an even number of hex digits\n"
                    "    SELECT X'0'\n"
                    "           ^^^^\n"},
    {"SELECT 1 ? 2", "SYNTAX: line 1, column 10: expected ';' or the end of the script, but found ?\n"
                     "    SELECT 1 ? 2\n"
                     "             ^\n"},
    {"SELECT \"a\" FROM t",
     "SYNTAX: line 1, column 8: double quotes mean nothing here: names stand in `backticks`, texts in "
     "'single quotes'\n"
     "    SELECT \"a\" FROM t\n"
     "           ^\n"},
    {"SELECT 1e FROM t",
     "SYNTAX: line 1, column 8: a number runs into a name here; a name that begins with a digit needs "
     "backticks\n"
     "    SELECT 1e FROM t\n"
     "           ^^\n"},
};

static void test_broken(void **state UNUSED)
{
    sql_rig_check(broken_cases, COUNT_OF(broken_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
