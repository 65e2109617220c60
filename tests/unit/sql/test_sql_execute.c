/* Statements. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case answers_cases[] = {
    {"SHOW TABLES; SHOW VIEWS; DESCRIBE v; DESC o; SHOW CREATE TABLE o",
     "table name\n"
     "t\n"
     "o\n"
     "u\n"
     "p\n"
     "v\n"
     "view name\n"
     "v\n"
     "name\ttype\tnull\tkey\textras\twatermark\n"
     "a\tBIGINT\tTRUE\t\t\t\n"
     "s\tSTRING\tTRUE\t\t\t\n"
     "ts\tTIMESTAMP(3) *ROWTIME*\tTRUE\t\t\t\n"
     "x\tINT\tTRUE\t\t\t\n"
     "name\ttype\tnull\tkey\textras\twatermark\n"
     "a\tBIGINT\tTRUE\t\t\t\n"
     "s\tSTRING\tTRUE\t\t\t\n"
     "CREATE TABLE o (a BIGINT, s STRING) WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = "
     "'json')\n"},
    {"SHOW JOBS; STOP JOB 'x'", "x"},
    {"EXECUTE INSERT INTO o SELECT a, s FROM t", "Sink(table=[o], fields=[a, s]), changelogMode=[I]\n"
                                                 "+- TableSourceScan(table=[t], fields=[a, s]), changelogMode=[I]\n"},
    {"SELECT 1 + 1 AS two", "Sink(table=[the result], fields=[two]), changelogMode=[I]\n"
                            "+- Values(tuples=[(2)]), changelogMode=[I]\n"},
};

static void test_answers(void **state UNUSED)
{
    sql_rig_check(answers_cases, COUNT_OF(answers_cases));
}

static const struct sql_case refused_cases[] = {
    {"DESCRIBE nothing", "NAME: line 1, column 10: there is no table or view 'nothing'\n"
                         "    DESCRIBE nothing\n"
                         "             ^^^^^^^\n"},
    {"SHOW CREATE TABLE nothing", "NAME: line 1, column 19: there is no table 'nothing'\n"
                                  "    SHOW CREATE TABLE nothing\n"
                                  "                      ^^^^^^^\n"},
    {"ALTER TABLE t RENAME TO x", "UNSUPPORTED: line 1, column 1: ALTER is not supported\n"
                                  "    ALTER TABLE t RENAME TO x\n"
                                  "    ^^^^^\n"},
    {"INSERT INTO o SELECT a, s FROM t;; SELECT",
     "SYNTAX: line 1, column 42: expected an expression, but the script ends\n"
     "    INSERT INTO o SELECT a, s FROM t;; SELECT\n"
     "                                             ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
