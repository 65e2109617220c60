/* Names and types. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case types_cases[] = {
    {"CREATE TABLE k (a DECIMAL, b DECIMAL(5), c DECIMAL(38, 10), d VARCHAR(10), e CHAR, f BYTES, g "
     "TIMESTAMP, h TIMESTAMP_LTZ(3), i TIMESTAMP(9) WITH LOCAL TIME ZONE, j ROW<a INT NOT NULL, `b c` "
     "STRING>, k ARRAY<ARRAY<INT>>, l DOUBLE PRECISION, m TIME(0), n BINARY(3), o INT ARRAY, p "
     "TINYINT, q BOOLEAN) WITH ('connector' = 'blackhole'); DESCRIBE k",
     "name\ttype\tnull\tkey\textras\twatermark\n"
     "a\tDECIMAL(10, 0)\tTRUE\t\t\t\n"
     "b\tDECIMAL(5, 0)\tTRUE\t\t\t\n"
     "c\tDECIMAL(38, 10)\tTRUE\t\t\t\n"
     "d\tVARCHAR(10)\tTRUE\t\t\t\n"
     "e\tCHAR(1)\tTRUE\t\t\t\n"
     "f\tBYTES\tTRUE\t\t\t\n"
     "g\tTIMESTAMP(6)\tTRUE\t\t\t\n"
     "h\tTIMESTAMP_LTZ(3)\tTRUE\t\t\t\n"
     "i\tTIMESTAMP_LTZ(9)\tTRUE\t\t\t\n"
     "j\tROW<`a` INT NOT NULL, `b c` STRING>\tTRUE\t\t\t\n"
     "k\tARRAY<ARRAY<INT>>\tTRUE\t\t\t\n"
     "l\tDOUBLE\tTRUE\t\t\t\n"
     "m\tTIME(0)\tTRUE\t\t\t\n"
     "n\tBINARY(3)\tTRUE\t\t\t\n"
     "o\tARRAY<INT>\tTRUE\t\t\t\n"
     "p\tTINYINT\tTRUE\t\t\t\n"
     "q\tBOOLEAN\tTRUE\t\t\t\n"},
};

static void test_types(void **state UNUSED)
{
    sql_rig_check(types_cases, COUNT_OF(types_cases));
}

static const struct sql_case refused_cases[] = {
    {"CREATE TABLE k (a DECIMAL(39)) WITH ('connector' = 'print')",
     "TYPE: line 1, column 27: a DECIMAL's precision is between 1 and 38\n"
     "    CREATE TABLE k (a DECIMAL(39)) WITH ('connector' = 'print')\n"
     "                              ^^\n"},
    {"CREATE TABLE k (a DECIMAL(5, 6)) WITH ('connector' = 'print')",
     "TYPE: line 1, column 30: a DECIMAL's scale is between 0 and 5\n"
     "    CREATE TABLE k (a DECIMAL(5, 6)) WITH ('connector' = 'print')\n"
     "                                 ^\n"},
    {"CREATE TABLE k (a MAP<STRING, INT>) WITH ('connector' = 'print')",
     "UNSUPPORTED: line 1, column 19: columns of type MAP are not supported\n"
     "    CREATE TABLE k (a MAP<STRING, INT>) WITH ('connector' = 'print')\n"
     "                      ^^^\n"},
    {"CREATE TABLE k (a FOO) WITH ('connector' = 'print')",
     "SYNTAX: line 1, column 19: expected a type, but found FOO\n"
     "    CREATE TABLE k (a FOO) WITH ('connector' = 'print')\n"
     "                      ^^^\n"},
    {"CREATE TABLE k (a VARCHAR(0)) WITH ('connector' = 'print')",
     "TYPE: line 1, column 27: a length is between 1 and 2147483647\n"
     "    CREATE TABLE k (a VARCHAR(0)) WITH ('connector' = 'print')\n"
     "                              ^\n"},
    {"CREATE TABLE k (a TIMESTAMP(10)) WITH ('connector' = 'print')",
     "TYPE: line 1, column 29: a TIMESTAMP's precision is between 0 and 9\n"
     "    CREATE TABLE k (a TIMESTAMP(10)) WITH ('connector' = 'print')\n"
     "                                ^^\n"},
    {"SELECT x.y.z.a FROM t", "NAME: line 1, column 8: there is no column 'x'; did you mean 'a'?\n"
                              "    SELECT x.y.z.a FROM t\n"
                              "           ^\n"},
    {"SELECT a FROM other.t", "NAME: line 1, column 15: there is one catalog, default_catalog, and one database in it, "
                              "default_database\n"
                              "    SELECT a FROM other.t\n"
                              "                  ^^^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

static const struct sql_case paths_cases[] = {
    {"SELECT a FROM default_catalog.default_database.t",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"SELECT a FROM default_database.t", "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
                                         "+- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
};

static void test_paths(void **state UNUSED)
{
    sql_rig_check(paths_cases, COUNT_OF(paths_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
