/* CREATE TABLE. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case refused_cases[] = {
    {"CREATE TABLE k (a INT PRIMARY KEY NOT ENFORCED, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' "
     "= 'print')",
     "SYNTAX: line 1, column 49: a table has one PRIMARY KEY\n"
     "    CREATE TABLE k (a INT PRIMARY KEY NOT ENFORCED, PRIMARY KEY (a) NOT ENFORCED) WITH "
     "('connector' = 'print')\n"
     "                                                    ^^^^^^^\n"},
    {"CREATE TABLE k (a INT, UNIQUE (a)) WITH ('connector' = 'print')",
     "UNSUPPORTED: line 1, column 24: UNIQUE is not supported; PRIMARY KEY .. NOT ENFORCED is\n"
     "    CREATE TABLE k (a INT, UNIQUE (a)) WITH ('connector' = 'print')\n"
     "                           ^^^^^^\n"},
    {"CREATE TABLE k (a INT) DISTRIBUTED BY (a) WITH ('connector' = 'print')",
     "UNSUPPORTED: line 1, column 24: DISTRIBUTED is not supported\n"
     "    CREATE TABLE k (a INT) DISTRIBUTED BY (a) WITH ('connector' = 'print')\n"
     "                           ^^^^^^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'print') LIKE t",
     "UNSUPPORTED: line 1, column 53: CREATE TABLE .. LIKE is not supported; name the columns\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'print') LIKE t\n"
     "                                                        ^^^^\n"},
    {"CREATE TABLE k AS SELECT 1",
     "SYNTAX: line 1, column 16: expected '(', but found the reserved word AS (as a name it needs "
     "backticks)\n"
     "    CREATE TABLE k AS SELECT 1\n"
     "                   ^^\n"},
    {"CREATE TABLE k (a INT) WITH (connector = 'print')",
     "SYNTAX: line 1, column 30: expected an option's name in single quotes, but found connector\n"
     "    CREATE TABLE k (a INT) WITH (connector = 'print')\n"
     "                                 ^^^^^^^^^\n"},
    {"CREATE TABLE k (a INT, WATERMARK FOR a)", "SYNTAX: line 1, column 39: expected AS, but found )\n"
                                                "    CREATE TABLE k (a INT, WATERMARK FOR a)\n"
                                                "                                          ^\n"},
    {"CREATE FUNCTION f AS 'x'", "UNSUPPORTED: line 1, column 8: CREATE FUNCTION is not supported; TABLE and VIEW are\n"
                                 "    CREATE FUNCTION f AS 'x'\n"
                                 "           ^^^^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
