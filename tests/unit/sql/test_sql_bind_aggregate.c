/* Aggregates. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case types_cases[] = {
    {"CREATE VIEW k AS SELECT SUM(b) AS sb, SUM(a) AS sa, SUM(d) AS sd, AVG(b) AS ab, AVG(d) AS ad, "
     "AVG(f) AS af, MIN(s) AS ms, MAX(b) AS mb, COUNT(a) AS ca, COUNT(b) AS cb, SUM(b) FILTER (WHERE "
     "a > 1) AS fb FROM t GROUP BY a; DESCRIBE k",
     "name\ttype\tnull\tkey\textras\twatermark\n"
     "sb\tINT\tFALSE\t\t\t\n"
     "sa\tBIGINT\tTRUE\t\t\t\n"
     "sd\tDECIMAL(38, 2)\tTRUE\t\t\t\n"
     "ab\tINT\tFALSE\t\t\t\n"
     "ad\tDECIMAL(38, 6)\tTRUE\t\t\t\n"
     "af\tDOUBLE\tTRUE\t\t\t\n"
     "ms\tSTRING\tTRUE\t\t\t\n"
     "mb\tINT\tFALSE\t\t\t\n"
     "ca\tBIGINT\tFALSE\t\t\t\n"
     "cb\tBIGINT\tFALSE\t\t\t\n"
     "fb\tINT\tTRUE\t\t\t\n"},
    {"CREATE VIEW k AS SELECT SUM(b) AS sb, COUNT(*) AS c FROM t; DESCRIBE k",
     "name\ttype\tnull\tkey\textras\twatermark\n"
     "sb\tINT\tTRUE\t\t\t\n"
     "c\tBIGINT\tFALSE\t\t\t\n"},
};

static void test_types(void **state UNUSED)
{
    sql_rig_check(types_cases, COUNT_OF(types_cases));
}

static const struct sql_case merged_cases[] = {
    {"SELECT COUNT(*), COUNT(b), COUNT(a), COUNT(a) + 1, COUNT(DISTINCT a), MAX(DISTINCT a), MAX(a) "
     "FROM t",
     "Sink(table=[the result], fields=[EXPR$0, EXPR$1, EXPR$2, EXPR$3, EXPR$4, EXPR$5, EXPR$6]), "
     "changelogMode=[I,UB,UA], upsertKey=[]\n"
     "+- Calc(select=[$agg0 AS EXPR$0, $agg0 AS EXPR$1, $agg1 AS EXPR$2, ($agg1 + 1) AS EXPR$3, $agg2 "
     "AS EXPR$4, $agg3 AS EXPR$5, $agg3 AS EXPR$6]), changelogMode=[I,UB,UA], upsertKey=[]\n"
     "   +- GroupAggregate(groupBy=[], aggregates=[COUNT(*) AS $agg0, COUNT(a) AS $agg1, "
     "COUNT(DISTINCT a) AS $agg2, MAX(a) AS $agg3]), changelogMode=[I,UB,UA], upsertKey=[], state=[a "
     "row per key]\n"
     "      +- Exchange(distribution=[single]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_merged(void **state UNUSED)
{
    sql_rig_check(merged_cases, COUNT_OF(merged_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT SUM(s) FROM t", "TYPE: line 1, column 8: SUM does not take STRING\n"
                             "    SELECT SUM(s) FROM t\n"
                             "           ^^^^^^\n"},
    {"SELECT MAX(r) FROM t", "TYPE: line 1, column 8: MAX does not take ROW<`x` INT, `y` STRING>\n"
                             "    SELECT MAX(r) FROM t\n"
                             "           ^^^^^^\n"},
    {"SELECT SUM(*) FROM t", "SYNTAX: line 1, column 8: only COUNT takes *\n"
                             "    SELECT SUM(*) FROM t\n"
                             "           ^^^^^^\n"},
    {"SELECT COUNT(DISTINCT a, b) FROM t",
     "UNSUPPORTED: line 1, column 8: Flink has COUNT of several columns, Millrace not yet: "
     "COUNT(DISTINCT a) and COUNT(*) over SELECT DISTINCT a, b are there\n"
     "    SELECT COUNT(DISTINCT a, b) FROM t\n"
     "           ^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT SUM(a, b) FROM t", "SYNTAX: line 1, column 8: SUM takes one argument\n"
                                "    SELECT SUM(a, b) FROM t\n"
                                "           ^^^^^^^^^\n"},
    {"SELECT FIRST_VALUE(DISTINCT a) FROM t",
     "UNSUPPORTED: line 1, column 8: Flink has DISTINCT in FIRST_VALUE and LAST_VALUE, Millrace not "
     "yet: leave it out\n"
     "    SELECT FIRST_VALUE(DISTINCT a) FROM t\n"
     "           ^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT SUM(a) FILTER (WHERE b) FROM t", "TYPE: line 1, column 29: FILTER wants a BOOLEAN, not INT NOT NULL\n"
                                              "    SELECT SUM(a) FILTER (WHERE b) FROM t\n"
                                              "                                ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
