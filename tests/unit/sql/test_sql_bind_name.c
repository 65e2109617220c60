/* What names refer to. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case fields_cases[] = {
    {"SELECT r.x, t.r.y, t.a, (r).x FROM t",
     "Sink(table=[the result], fields=[x, y, a, x]), changelogMode=[I]\n"
     "+- Calc(select=[r.x AS x, r.y AS y, a, r.x AS x]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, r(x, y)]), changelogMode=[I]\n"},
    {"SELECT r.a FROM v AS r",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a], where=[(b = 1)]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a, b], needed=[(b = 1)]), changelogMode=[I]\n"},
    {"SELECT t.r.x AS k FROM t AS t", "Sink(table=[the result], fields=[k]), changelogMode=[I]\n"
                                      "+- Calc(select=[r.x AS k]), changelogMode=[I]\n"
                                      "   +- TableSourceScan(table=[t], fields=[r(x)]), changelogMode=[I]\n"},
};

static void test_fields(void **state UNUSED)
{
    sql_rig_check(fields_cases, COUNT_OF(fields_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT prise FROM (SELECT a AS price FROM t)",
     "NAME: line 1, column 8: there is no column 'prise'; did you mean 'price'?\n"
     "    SELECT prise FROM (SELECT a AS price FROM t)\n"
     "           ^^^^^\n"},
    {"SELECT t.bb FROM t", "NAME: line 1, column 10: there is no column 'bb' in 't'; did you mean 'b'?\n"
                           "    SELECT t.bb FROM t\n"
                           "             ^^\n"},
    {"SELECT r.z FROM t", "NAME: line 1, column 10: the row has no field 'z'; did you mean 'x'?\n"
                          "    SELECT r.z FROM t\n"
                          "             ^\n"},
    {"SELECT a.x FROM t", "TYPE: line 1, column 10: 'x' is asked of a BIGINT, which has no fields\n"
                          "    SELECT a.x FROM t\n"
                          "             ^\n"},
    {"SELECT a FROM t AS x, t AS y WHERE x.a = y.a",
     "NAME: line 1, column 8: column 'a' is ambiguous: there are 2 of that name\n"
     "    SELECT a FROM t AS x, t AS y WHERE x.a = y.a\n"
     "           ^\n"},
    {"SELECT z.a FROM t", "NAME: line 1, column 8: there is no column 'z'; did you mean 'a'?\n"
                          "    SELECT z.a FROM t\n"
                          "           ^\n"},
    {"SELECT A FROM t", "NAME: line 1, column 8: there is no column 'A'; did you mean 'a'?\n"
                        "    SELECT A FROM t\n"
                        "           ^\n"},
    {"SELECT y FROM t", "NAME: line 1, column 8: there is no column 'y'; did you mean 'a'?\n"
                        "    SELECT y FROM t\n"
                        "           ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
