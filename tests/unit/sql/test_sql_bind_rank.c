/* ROW_NUMBER(). Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case bound_cases[] = {
    {"SELECT * FROM (SELECT a, b, ROW_NUMBER() OVER (PARTITION BY a + 1 ORDER BY b DESC, s NULLS "
     "LAST) AS k FROM t) WHERE k < 4",
     "Sink(table=[the result], fields=[a, b, k]), changelogMode=[I,UB,UA]\n"
     "+- Calc(select=[a, b, $row_number AS k]), changelogMode=[I,UB,UA]\n"
     "   +- Rank(partitionBy=[$f11], orderBy=[b DESC, s ASC NULLS LAST], rows=[1..3], with the "
     "number), changelogMode=[I,UB,UA], upsertKey=[$f11, $row_number], state=[3 rows per key]\n"
     "      +- Exchange(distribution=[hash($f11)]), changelogMode=[I]\n"
     "         +- Calc(select=[a, b, s, (a + 1) AS $f11]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b, s]), changelogMode=[I]\n"},
    {"SELECT a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY f) AS k FROM t) WHERE 5 >= k AND a > 1",
     "Sink(table=[the result], fields=[a]), changelogMode=[I,UB,UA,D]\n"
     "+- Calc(select=[a], where=[(a > 1)]), changelogMode=[I,UB,UA,D]\n"
     "   +- Rank(partitionBy=[], orderBy=[f ASC], rows=[1..5]), changelogMode=[I,UB,UA,D], state=[5 "
     "rows per key]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a, f]), changelogMode=[I]\n"},
};

static void test_bound(void **state UNUSED)
{
    sql_rig_check(bound_cases, COUNT_OF(bound_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT a, ROW_NUMBER() OVER (PARTITION BY a) AS k FROM t",
     "PLAN: line 1, column 29: ROW_NUMBER() wants ORDER BY in its OVER (..)\n"
     "    SELECT a, ROW_NUMBER() OVER (PARTITION BY a) AS k FROM t\n"
     "                                ^^^^^^^^^^^^^^^^\n"},
    {"SELECT ROW_NUMBER() OVER (ORDER BY a), ROW_NUMBER() OVER (ORDER BY b) FROM t",
     "UNSUPPORTED: line 1, column 40: Flink has several OVER windows in one SELECT, Millrace not yet: "
     "use one\n"
     "    SELECT ROW_NUMBER() OVER (ORDER BY a), ROW_NUMBER() OVER (ORDER BY b) FROM t\n"
     "                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT ROW_NUMBER(a) OVER (ORDER BY a) FROM t", "SYNTAX: line 1, column 8: ROW_NUMBER() takes no argument\n"
                                                      "    SELECT ROW_NUMBER(a) OVER (ORDER BY a) FROM t\n"
                                                      "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT ROW_NUMBER() OVER (ORDER BY r) FROM t",
     "UNSUPPORTED: line 1, column 36: Flink has rows and arrays in PARTITION BY and ORDER BY, "
     "Millrace not yet\n"
     "    SELECT ROW_NUMBER() OVER (ORDER BY r) FROM t\n"
     "                                       ^\n"},
    {"SELECT a FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY a) "
     "AS k FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))) WHERE k = 1",
     "UNSUPPORTED: line 1, column 26: Flink has Top-N per window, Millrace not yet: leave "
     "window_start and window_end out of PARTITION BY\n"
     "    SELECT a FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY "
     "a) AS k FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))) WHERE k = 1\n"
     "                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"
     "^\n"},
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
