/* Options of tables. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case taken_cases[] = {
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'value.format' = 'json', "
     "'value.json.ignore-parse-errors' = 'true', 'properties.anything' = '1', 'scan.startup.mode' = "
     "'earliest-offset')",
     ""},
};

static void test_taken(void **state UNUSED)
{
    sql_rig_check(taken_cases, COUNT_OF(taken_cases));
}

static const struct sql_case refused_cases[] = {
    {"CREATE TABLE k (a INT)",
     "NAME: line 1, column 14: the table has no 'connector': WITH ('connector' = 'kafka', ..), or "
     "upsert-kafka, print, blackhole\n"
     "    CREATE TABLE k (a INT)\n"
     "                 ^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'jdbc')",
     "UNSUPPORTED: line 1, column 44: there is no connector 'jdbc'; kafka, upsert-kafka, print and "
     "blackhole are there\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'jdbc')\n"
     "                                               ^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'format' = 'json')",
     "NAME: line 1, column 14: the table has no 'topic'\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'format' = 'json')\n"
     "                 ^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x')",
     "NAME: line 1, column 14: the table has no 'format'\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x')\n"
     "                 ^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'avro')",
     "UNSUPPORTED: line 1, column 79: there is no format 'avro'; there are json, csv and raw\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'avro')\n"
     "                                                                                  ^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'json', "
     "'json.ignore-parse-error' = 'true')",
     "NAME: line 1, column 87: 'json.ignore-parse-error': the format has no option "
     "'ignore-parse-error'; it has fail-on-missing-field ignore-parse-errors "
     "timestamp-format.standard map-null-key.mode map-null-key.literal encode.decimal-as-plain-number "
     "encode.ignore-null-fields decode.json-parser.enabled\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'json', "
     "'json.ignore-parse-error' = 'true')\n"
     "                                                                                          "
     "^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'json', "
     "'scan.startup.mod' = 'x')",
     "NAME: line 1, column 87: connector 'kafka' has no option 'scan.startup.mod'; did you mean "
     "'scan.startup.mode'?\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'json', "
     "'scan.startup.mod' = 'x')\n"
     "                                                                                          "
     "^^^^^^^^^^^^^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'json', "
     "'scan.startup.mode' = 'x')",
     "TYPE: line 1, column 109: 'scan.startup.mode' is one of "
     "earliest-offset|latest-offset|group-offsets|timestamp|specific-offsets, not 'x'\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'json', "
     "'scan.startup.mode' = 'x')\n"
     "                                                                                                "
     "                ^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'topic' = 'y', 'format' = "
     "'json')",
     "NAME: line 1, column 68: 'topic' is given twice\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'topic' = 'y', 'format' "
     "= 'json')\n"
     "                                                                       ^^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic-pattern' = 'x', 'topic' = 'y', "
     "'format' = 'json')",
     "UNSUPPORTED: line 1, column 53: Flink has the option 'topic-pattern', Millrace not yet\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic-pattern' = 'x', 'topic' = 'y', "
     "'format' = 'json')\n"
     "                                                        ^^^^^^^^^^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'y', 'format' = 'json', "
     "'key.format' = 'json')",
     "NAME: line 1, column 87: 'key.format' and 'key.fields' belong together\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'y', 'format' = 'json', "
     "'key.format' = 'json')\n"
     "                                                                                          "
     "^^^^^^^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'print', 'topic' = 'y')",
     "NAME: line 1, column 53: connector 'print' has no option 'topic'\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'print', 'topic' = 'y')\n"
     "                                                        ^^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'y', 'format' = 'json', "
     "'sink.parallelism' = 'two')",
     "TYPE: line 1, column 108: 'sink.parallelism' is a whole number, not 'two'\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'y', 'format' = 'json', "
     "'sink.parallelism' = 'two')\n"
     "                                                                                                "
     "               ^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'upsert-kafka', 'topic' = 'y', 'value.format' = "
     "'json')",
     "NAME: line 1, column 14: the table has no 'key.format'\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'upsert-kafka', 'topic' = 'y', 'value.format' = "
     "'json')\n"
     "                 ^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'y', 'format' = 'json', "
     "'value.format' = 'json')",
     "NAME: line 1, column 87: 'format' and 'value.format' mean the same: give one of them\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'y', 'format' = 'json', "
     "'value.format' = 'json')\n"
     "                                                                                          "
     "^^^^^^^^^^^^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
