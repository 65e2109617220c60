/* What an expression is made of. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case worded_cases[] = {
    {"SELECT TRIM(s), TRIM(LEADING 'x' FROM s), POSITION('a' IN s), SUBSTRING(s FROM 2 FOR 3), "
     "EXTRACT(YEAR FROM ts), FLOOR(ts TO DAY), TIMESTAMPADD(DAY, 1, ts) FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4, EXPR$5, EXPR$6]), "
     "changelogMode=[I]\n"
     "+- Calc(select=[TRIM('BOTH', ' ', s) AS EXPR$0, TRIM('LEADING', 'x', s) AS EXPR$1, "
     "POSITION('a', s) AS EXPR$2, SUBSTRING(s, 2, 3) AS EXPR$3, EXTRACT('YEAR', ts) AS EXPR$4, "
     "FLOOR(ts, 'DAY') AS EXPR$5, TIMESTAMPADD('DAY', 1, ts) AS EXPR$6]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[s, ts]), changelogMode=[I]\n"},
};

static void test_worded(void **state UNUSED)
{
    sql_rig_check(worded_cases, COUNT_OF(worded_cases));
}

static const struct sql_case forms_cases[] = {
    {"SELECT CASE b WHEN 1 THEN 'one' WHEN 2 THEN 'two' END, CASE WHEN b > 1 THEN a END, CAST(a AS "
     "STRING), TRY_CAST(s AS INT) FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3]), changelogMode=[I]\n"
     "+- Calc(select=[CASE WHEN (b = 1) THEN 'one' WHEN (b = 2) THEN 'two' ELSE NULL END AS EXPR$0, "
     "CASE WHEN (b > 1) THEN a ELSE NULL END AS EXPR$1, CAST(a AS STRING) AS EXPR$2, TRY_CAST(s AS "
     "INT) AS EXPR$3]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b, s]), changelogMode=[I]\n"},
    {"SELECT ts + INTERVAL '1 10:30' DAY TO MINUTE, ts - INTERVAL -'5' SECOND FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1]), changelogMode=[I]\n"
     "+- Calc(select=[(ts + 124200000:INTERVAL SECOND(3)) AS EXPR$0, (ts - -5000:INTERVAL SECOND(3)) "
     "AS EXPR$1]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[ts]), changelogMode=[I]\n"},
};

static void test_forms(void **state UNUSED)
{
    sql_rig_check(forms_cases, COUNT_OF(forms_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT EXTRACT(FOO FROM ts) FROM t", "SYNTAX: line 1, column 16: expected a unit such as HOUR, but found FOO\n"
                                           "    SELECT EXTRACT(FOO FROM ts) FROM t\n"
                                           "                   ^^^\n"},
    {"SELECT LISTAGG(s) WITHIN GROUP (ORDER BY s) FROM t",
     "UNSUPPORTED: line 1, column 19: WITHIN GROUP is not supported\n"
     "    SELECT LISTAGG(s) WITHIN GROUP (ORDER BY s) FROM t\n"
     "                      ^^^^^^\n"},
    {"SELECT SUM(a) OVER (ORDER BY ts ROWS 5 PRECEDING) FROM t",
     "UNSUPPORTED: line 1, column 33: frames of OVER windows are not supported\n"
     "    SELECT SUM(a) OVER (ORDER BY ts ROWS 5 PRECEDING) FROM t\n"
     "                                    ^^^^\n"},
    {"SELECT SUM(a) OVER w FROM t",
     "UNSUPPORTED: line 1, column 20: named windows are not supported; write OVER (...) in place\n"
     "    SELECT SUM(a) OVER w FROM t\n"
     "                       ^\n"},
    {"SELECT CASE END FROM t",
     "SYNTAX: line 1, column 13: expected an expression, but found the reserved word END (as a name "
     "it needs backticks)\n"
     "    SELECT CASE END FROM t\n"
     "                ^^^\n"},
    {"SELECT INTERVAL '1' FORTNIGHT",
     "SYNTAX: line 1, column 21: expected YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND, "
     "but found FORTNIGHT\n"
     "    SELECT INTERVAL '1' FORTNIGHT\n"
     "                        ^^^^^^^^^\n"},
    {"SELECT EXISTS (SELECT 1)",
     "UNSUPPORTED: line 1, column 8: EXISTS is not supported; write a join over distinct rows\n"
     "    SELECT EXISTS (SELECT 1)\n"
     "           ^^^^^^\n"},
    {"SELECT TRIM(BOTH 'x') FROM t", "SYNTAX: line 1, column 21: expected FROM, but found )\n"
                                     "    SELECT TRIM(BOTH 'x') FROM t\n"
                                     "                        ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worded),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
