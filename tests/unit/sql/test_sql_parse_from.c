/* FROM. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case refused_cases[] = {
    {"SELECT * FROM t NATURAL JOIN v",
     "UNSUPPORTED: line 1, column 17: NATURAL JOIN is not supported; name the columns with ON\n"
     "    SELECT * FROM t NATURAL JOIN v\n"
     "                    ^^^^^^^\n"},
    {"SELECT * FROM t JOIN v USING (a)", "UNSUPPORTED: line 1, column 24: USING is not supported; write ON a.x = b.x\n"
                                         "    SELECT * FROM t JOIN v USING (a)\n"
                                         "                           ^^^^^\n"},
    {"SELECT * FROM t, LATERAL (SELECT 1)",
     "UNSUPPORTED: line 1, column 18: LATERAL is not supported; CROSS JOIN UNNEST(array) is\n"
     "    SELECT * FROM t, LATERAL (SELECT 1)\n"
     "                     ^^^^^^^\n"},
    {"SELECT * FROM t JOIN v", "SYNTAX: line 1, column 23: expected ON, but the script ends\n"
                               "    SELECT * FROM t JOIN v\n"
                               "                          ^\n"},
    {"SELECT * FROM TABLE(FOO(1))",
     "SYNTAX: line 1, column 21: expected TUMBLE, HOP, CUMULATE or SESSION, but found FOO\n"
     "    SELECT * FROM TABLE(FOO(1))\n"
     "                        ^^^\n"},
    {"SELECT * FROM TABLE(TUMBLE(DATA => TABLE t))",
     "UNSUPPORTED: line 1, column 28: named arguments are not supported here; write them by position\n"
     "    SELECT * FROM TABLE(TUMBLE(DATA => TABLE t))\n"
     "                               ^^^^\n"},
    {"SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts)))",
     "SYNTAX: line 1, column 21: the window's form is TUMBLE(TABLE t, DESCRIPTOR(time), size [, "
     "offset])\n"
     "    SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts)))\n"
     "                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts, a), INTERVAL '1' DAY))",
     "SYNTAX: line 1, column 49: a window has one time column: HOP(TABLE t, DESCRIPTOR(time), slide, "
     "size [, offset])\n"
     "    SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts, a), INTERVAL '1' DAY))\n"
     "                                                    ^\n"},
    {"SELECT * FROM t MATCH_RECOGNIZE (x)", "UNSUPPORTED: line 1, column 17: MATCH_RECOGNIZE is not supported\n"
                                            "    SELECT * FROM t MATCH_RECOGNIZE (x)\n"
                                            "                    ^^^^^^^^^^^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

static const struct sql_case taken_cases[] = {
    {"SELECT x.a FROM (t AS x INNER JOIN v AS y ON x.a = y.a) CROSS JOIN v AS z",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[], select=[a, a]), changelogMode=[I], state=[the rows of "
     "both sides]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Join(joinType=[InnerJoin], on=[a = a], select=[a, a]), changelogMode=[I], "
     "state=[the rows of both sides]\n"
     "            +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "               +- Calc(select=[a]), changelogMode=[I]\n"
     "                  +- TableSourceScan(table=[t], fields=[a, b]) #0, changelogMode=[I]\n"
     "            +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "               +- Calc(select=[a], where=[(b = 1)]), changelogMode=[I]\n"
     "                  +- Reused(#0)\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- Calc(select=[], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
};

static void test_taken(void **state UNUSED)
{
    sql_rig_check(taken_cases, COUNT_OF(taken_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
