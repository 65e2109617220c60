/* INSERT. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case casts_cases[] = {
    {"INSERT INTO o SELECT b, 'x' FROM t", "Sink(table=[o], fields=[a, s]), changelogMode=[I]\n"
                                           "+- Calc(select=[CAST(b AS BIGINT) AS a, 'x' AS s]), changelogMode=[I]\n"
                                           "   +- TableSourceScan(table=[t], fields=[b]), changelogMode=[I]\n"},
    {"INSERT INTO o (s) SELECT s FROM t", "Sink(table=[o], fields=[a, s]), changelogMode=[I]\n"
                                          "+- Calc(select=[NULL AS a, s]), changelogMode=[I]\n"
                                          "   +- TableSourceScan(table=[t], fields=[s]), changelogMode=[I]\n"},
    {"INSERT INTO o (s, a) SELECT s, a FROM t", "Sink(table=[o], fields=[a, s]), changelogMode=[I]\n"
                                                "+- TableSourceScan(table=[t], fields=[a, s]), changelogMode=[I]\n"},
    {"INSERT INTO p SELECT b, a FROM t", "Sink(table=[p], fields=[a, n]), changelogMode=[I]\n"
                                         "+- Calc(select=[CAST(b AS BIGINT) AS a, a AS n]), changelogMode=[I]\n"
                                         "   +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"},
    {"SET 'table.exec.sink.not-null-enforcer' = 'DROP'; INSERT INTO p SELECT a, a FROM t",
     "Sink(table=[p], fields=[a, n]), changelogMode=[I]\n"
     "+- Calc(select=[a, a AS n], where=[(a IS NOT NULL)]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[a], needed=[(a IS NOT NULL)]), changelogMode=[I]\n"},
    {"CREATE TABLE m (a INT, `at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', off BIGINT METADATA "
     "FROM 'offset' VIRTUAL, c AS a + 1) WITH ('connector' = 'kafka', 'topic' = 'm', 'format' = "
     "'json'); INSERT INTO m SELECT b, CURRENT_TIMESTAMP FROM t; SELECT * FROM m",
     "Sink(table=[m], fields=[a, at]), changelogMode=[I]\n"
     "+- Calc(select=[b AS a, CURRENT_TIMESTAMP() AS at]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[t], fields=[b]), changelogMode=[I]\n"
     "Sink(table=[the result], fields=[a, at, off, c]), changelogMode=[I]\n"
     "+- Calc(select=[a, at, off, (a + 1) AS c]), changelogMode=[I]\n"
     "   +- TableSourceScan(table=[m], fields=[a, at, off]), changelogMode=[I]\n"},
};

static void test_casts(void **state UNUSED)
{
    sql_rig_check(casts_cases, COUNT_OF(casts_cases));
}

static const struct sql_case refused_cases[] = {
    {"INSERT INTO o SELECT s, a FROM t",
     "TYPE: line 1, column 1: the query does not fit 'o': column 'a' at position 0 is of another "
     "type; query schema: [s: STRING, a: BIGINT]; sink schema: [a: BIGINT, s: STRING]\n"
     "    INSERT INTO o SELECT s, a FROM t\n"
     "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"INSERT INTO o SELECT a FROM t",
     "TYPE: line 1, column 1: the query does not fit 'o': the number of columns differs; query "
     "schema: [a: BIGINT]; sink schema: [a: BIGINT, s: STRING]\n"
     "    INSERT INTO o SELECT a FROM t\n"
     "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"INSERT INTO o (z) SELECT a FROM t", "NAME: line 1, column 16: 'o' has no column 'z' to write to\n"
                                          "    INSERT INTO o (z) SELECT a FROM t\n"
                                          "                   ^\n"},
    {"INSERT INTO o (a, a) SELECT a, a FROM t", "NAME: line 1, column 19: 'o': column 'a' is given twice\n"
                                                "    INSERT INTO o (a, a) SELECT a, a FROM t\n"
                                                "                      ^\n"},
    {"INSERT INTO p (a) SELECT a FROM t",
     "TYPE: line 1, column 1: column 'n' is NOT NULL and INSERT gives it no value\n"
     "    INSERT INTO p (a) SELECT a FROM t\n"
     "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"INSERT INTO v SELECT 1", "PLAN: line 1, column 13: 'v' is a view: INSERT wants a table\n"
                               "    INSERT INTO v SELECT 1\n"
                               "                ^\n"},
    {"INSERT INTO oo SELECT 1", "NAME: line 1, column 13: there is no table 'oo'; did you mean 'o'?\n"
                                "    INSERT INTO oo SELECT 1\n"
                                "                ^^\n"},
    {"CREATE TABLE m (a INT, off BIGINT METADATA FROM 'offset') WITH ('connector' = 'kafka', 'topic' "
     "= 'm', 'format' = 'json'); INSERT INTO m SELECT b, a FROM t",
     "PLAN: line 1, column 135: metadata column 'off' can be read only: declare it METADATA VIRTUAL "
     "to write to 'm'\n"
     "    CREATE TABLE m (a INT, off BIGINT METADATA FROM 'offset') WITH ('connector' = 'kafka', "
     "'topic' = 'm', 'format' = 'json'); INSERT INTO m SELECT b, a FROM t\n"
     "                                                                                                "
     "                                          ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_casts),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
