/* Calls by name. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case bound_cases[] = {
    {"SELECT LOWER(s), Upper(s), COALESCE(s, 'x'), IF(b > 1, 'a', 'b') FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3]), changelogMode=[I]\n"
     "+- Calc(select=[LOWER(s) AS EXPR$0, UPPER(s) AS EXPR$1, COALESCE(s, 'x') AS EXPR$2, CASE WHEN "
     "(b > 1) THEN 'a' ELSE 'b' END AS EXPR$3]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[b, s]), changelogMode=[I]\n"},
};

static void test_bound(void **state UNUSED)
{
    sql_rig_check(bound_cases, COUNT_OF(bound_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT LOWERR(s) FROM t", "NAME: line 1, column 8: there is no function LOWERR; did you mean LOWER?\n"
                                "    SELECT LOWERR(s) FROM t\n"
                                "           ^^^^^^\n"},
    {"SELECT COUNTT(a) FROM t", "NAME: line 1, column 8: there is no function COUNTT; did you mean COUNT?\n"
                                "    SELECT COUNTT(a) FROM t\n"
                                "           ^^^^^^\n"},
    {"SELECT LOWER(s, s) FROM t", "TYPE: line 1, column 8: LOWER has 1 argument: LOWER(text)\n"
                                  "    SELECT LOWER(s, s) FROM t\n"
                                  "           ^^^^^^^^^^^\n"},
    {"SELECT LOWER(b) FROM t", "TYPE: line 1, column 8: argument 1 of LOWER is a INT; STRING is needed (use CAST)\n"
                               "    SELECT LOWER(b) FROM t\n"
                               "           ^^^^^^^^\n"},
    {"SELECT LOWER(DISTINCT s) FROM t",
     "SYNTAX: line 1, column 8: LOWER is no aggregate: it takes no *, DISTINCT or FILTER\n"
     "    SELECT LOWER(DISTINCT s) FROM t\n"
     "           ^^^^^^^^^^^^^^^^^\n"},
    {"SELECT SUM(a) OVER (ORDER BY ts) FROM t",
     "UNSUPPORTED: line 1, column 20: Flink has aggregates with OVER, Millrace not yet: ROW_NUMBER() "
     "OVER (..) with a condition on the number is there\n"
     "    SELECT SUM(a) OVER (ORDER BY ts) FROM t\n"
     "                       ^^^^^^^^^^^^^\n"},
    {"SELECT LISTAGG(s) FROM t",
     "UNSUPPORTED: line 1, column 8: Flink has this aggregate, Millrace not yet: COUNT, SUM, MIN, "
     "MAX, AVG, FIRST_VALUE and LAST_VALUE are there\n"
     "    SELECT LISTAGG(s) FROM t\n"
     "           ^^^^^^^^^^\n"},
    {"SELECT a FROM t WHERE COUNT(*) > 1",
     "PLAN: line 1, column 23: COUNT is an aggregate: it belongs into SELECT or HAVING, and not into "
     "another aggregate\n"
     "    SELECT a FROM t WHERE COUNT(*) > 1\n"
     "                          ^^^^^^^^\n"},
    {"SELECT SUM(MAX(a)) FROM t",
     "PLAN: line 1, column 12: MAX is an aggregate: it belongs into SELECT or HAVING, and not into "
     "another aggregate\n"
     "    SELECT SUM(MAX(a)) FROM t\n"
     "               ^^^^^^\n"},
    {"SELECT ROW_NUMBER() FROM t", "PLAN: line 1, column 8: ROW_NUMBER() wants OVER (PARTITION BY .. ORDER BY ..)\n"
                                   "    SELECT ROW_NUMBER() FROM t\n"
                                   "           ^^^^^^^^^^^^\n"},
    {"SELECT 1 + ROW_NUMBER() OVER (ORDER BY a) FROM t",
     "PLAN: line 1, column 12: ROW_NUMBER() OVER (..) is a column of a SELECT list, by itself, and a "
     "query around it says which numbers it wants (WHERE number <= 10)\n"
     "    SELECT 1 + ROW_NUMBER() OVER (ORDER BY a) FROM t\n"
     "               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT TUMBLE(ts, INTERVAL '1' DAY) FROM t",
     "PLAN: line 1, column 8: TUMBLE belongs into GROUP BY or, as TUMBLE_START and the like, into "
     "SELECT beside it\n"
     "    SELECT TUMBLE(ts, INTERVAL '1' DAY) FROM t\n"
     "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT my.f(a) FROM t", "SYNTAX: line 1, column 12: expected ';' or the end of the script, but found (\n"
                              "    SELECT my.f(a) FROM t\n"
                              "               ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
