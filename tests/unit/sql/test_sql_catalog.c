/* Tables and views come and go. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case objects_cases[] = {
    {"CREATE TABLE IF NOT EXISTS t (z INT) WITH ('connector' = 'print'); DROP TABLE p; DROP VIEW IF "
     "EXISTS nothing; CREATE TEMPORARY VIEW w AS SELECT a FROM t; SHOW TABLES; SHOW VIEWS; SHOW "
     "CREATE VIEW w",
     "table name\n"
     "t\n"
     "o\n"
     "u\n"
     "v\n"
     "w\n"
     "view name\n"
     "v\n"
     "w\n"
     "CREATE TEMPORARY VIEW w AS SELECT a FROM t\n"},
};

static void test_objects(void **state UNUSED)
{
    sql_rig_check(objects_cases, COUNT_OF(objects_cases));
}

static const struct sql_case refused_cases[] = {
    {"CREATE TABLE t (z INT) WITH ('connector' = 'print')",
     "NAME: line 1, column 14: there is a table or view 't' already\n"
     "    CREATE TABLE t (z INT) WITH ('connector' = 'print')\n"
     "                 ^\n"},
    {"DROP TABLE tt", "NAME: line 1, column 12: there is no table 'tt'; did you mean 't'?\n"
                      "    DROP TABLE tt\n"
                      "               ^^\n"},
    {"DROP VIEW t", "NAME: line 1, column 11: 't' is a table: write DROP TABLE\n"
                    "    DROP VIEW t\n"
                    "              ^\n"},
    {"DROP TABLE v", "NAME: line 1, column 12: 'v' is a view: write DROP VIEW\n"
                     "    DROP TABLE v\n"
                     "               ^\n"},
    {"SHOW CREATE TABLE v", "NAME: line 1, column 1: 'v' is a view\n"
                            "    SHOW CREATE TABLE v\n"
                            "    ^^^^^^^^^^^^^^^^^^^\n"},
    {"CREATE VIEW w (k) AS SELECT a, s FROM t", "NAME: line 1, column 16: there are 1 names for 2 columns\n"
                                                "    CREATE VIEW w (k) AS SELECT a, s FROM t\n"
                                                "                   ^\n"},
    {"CREATE VIEW w AS SELECT 1 AS a, 2 AS a",
     "NAME: line 1, column 18: the view has two columns 'a': give one of them another name with AS\n"
     "    CREATE VIEW w AS SELECT 1 AS a, 2 AS a\n"
     "                     ^^^^^^^^^^^^^^^^^^^^^\n"},
    {"SELECT 1 FROM a.b.c", "NAME: line 1, column 15: there is one catalog, default_catalog, and one database in it, "
                            "default_database\n"
                            "    SELECT 1 FROM a.b.c\n"
                            "                  ^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
