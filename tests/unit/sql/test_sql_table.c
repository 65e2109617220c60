/* CREATE TABLE bound. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case described_cases[] = {
    {"CREATE TABLE k (a INT, PRIMARY KEY (a) NOT ENFORCED, b AS a + 1, t AS PROCTIME(), ts "
     "TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, `partition` INT METADATA VIRTUAL, WATERMARK "
     "FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'upsert-kafka', 'topic' = 'k', "
     "'key.format' = 'json', 'value.format' = 'json'); DESCRIBE k",
     "name\ttype\tnull\tkey\textras\twatermark\n"
     "a\tINT\tFALSE\tPRI\t\t\n"
     "b\tINT\tTRUE\t\tAS a + 1\t\n"
     "t\tTIMESTAMP_LTZ(3) *PROCTIME*\tFALSE\t\tAS PROCTIME()\t\n"
     "ts\tTIMESTAMP_LTZ(3) *ROWTIME*\tTRUE\t\tMETADATA FROM 'timestamp' VIRTUAL\tts - INTERVAL '1' "
     "SECOND\n"
     "partition\tINT\tTRUE\t\tMETADATA FROM 'partition' VIRTUAL\t\n"},
};

static void test_described(void **state UNUSED)
{
    sql_rig_check(described_cases, COUNT_OF(described_cases));
}

static const struct sql_case refused_cases[] = {
    {"CREATE TABLE k (a INT, a INT) WITH ('connector' = 'print')",
     "NAME: line 1, column 24: there are two columns 'a'\n"
     "    CREATE TABLE k (a INT, a INT) WITH ('connector' = 'print')\n"
     "                           ^\n"},
    {"CREATE TABLE k (a INT, b AS c, c AS a) WITH ('connector' = 'print')",
     "NAME: line 1, column 29: there is no column 'c'; did you mean 'a'?\n"
     "    CREATE TABLE k (a INT, b AS c, c AS a) WITH ('connector' = 'print')\n"
     "                                ^\n"},
    {"CREATE TABLE k (a INT, WATERMARK FOR a AS a) WITH ('connector' = 'print')",
     "TYPE: line 1, column 38: a watermark wants a column of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), p "
     "from 0 to 3, not INT\n"
     "    CREATE TABLE k (a INT, WATERMARK FOR a AS a) WITH ('connector' = 'print')\n"
     "                                         ^\n"},
    {"CREATE TABLE k (a TIMESTAMP(6), WATERMARK FOR a AS a) WITH ('connector' = 'print')",
     "TYPE: line 1, column 47: a watermark wants a column of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), p "
     "from 0 to 3, not TIMESTAMP(6)\n"
     "    CREATE TABLE k (a TIMESTAMP(6), WATERMARK FOR a AS a) WITH ('connector' = 'print')\n"
     "                                                  ^\n"},
    {"CREATE TABLE k (a TIMESTAMP(3), WATERMARK FOR a AS 1) WITH ('connector' = 'print')",
     "TYPE: line 1, column 52: the watermark is a TIMESTAMP(p) or TIMESTAMP_LTZ(p), p from 0 to 3, "
     "not INT NOT NULL\n"
     "    CREATE TABLE k (a TIMESTAMP(3), WATERMARK FOR a AS 1) WITH ('connector' = 'print')\n"
     "                                                       ^\n"},
    {"CREATE TABLE k (a TIMESTAMP(3), WATERMARK FOR b AS b) WITH ('connector' = 'print')",
     "NAME: line 1, column 47: there is no column 'b'; did you mean 'a'?\n"
     "    CREATE TABLE k (a TIMESTAMP(3), WATERMARK FOR b AS b) WITH ('connector' = 'print')\n"
     "                                                  ^\n"},
    {"CREATE TABLE k (r ROW<t TIMESTAMP(3)>, WATERMARK FOR r.t AS r.t) WITH ('connector' = 'print')",
     "UNSUPPORTED: line 1, column 54: Flink has watermarks of fields of a row, Millrace not yet: "
     "declare a computed column (t AS row.field) and WATERMARK FOR it\n"
     "    CREATE TABLE k (r ROW<t TIMESTAMP(3)>, WATERMARK FOR r.t AS r.t) WITH ('connector' = "
     "'print')\n"
     "                                                         ^^^\n"},
    {"CREATE TABLE k (a INT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'print')",
     "NAME: line 1, column 37: there is no column 'b' in the table\n"
     "    CREATE TABLE k (a INT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'print')\n"
     "                                        ^\n"},
    {"CREATE TABLE k (a INT, PRIMARY KEY (a)) WITH ('connector' = 'print')",
     "UNSUPPORTED: line 1, column 24: a PRIMARY KEY is NOT ENFORCED: write PRIMARY KEY (..) NOT "
     "ENFORCED\n"
     "    CREATE TABLE k (a INT, PRIMARY KEY (a)) WITH ('connector' = 'print')\n"
     "                           ^^^^^^^^^^^^^^^\n"},
    {"CREATE TABLE k (a INT, PRIMARY KEY (a, a) NOT ENFORCED) WITH ('connector' = 'print')",
     "NAME: line 1, column 40: 'a' stands in the key twice\n"
     "    CREATE TABLE k (a INT, PRIMARY KEY (a, a) NOT ENFORCED) WITH ('connector' = 'print')\n"
     "                                           ^\n"},
    {"CREATE TABLE k (a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'print')",
     "NAME: line 1, column 49: the PRIMARY KEY is made of physical columns, and 'b' is none\n"
     "    CREATE TABLE k (a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = "
     "'print')\n"
     "                                                    ^\n"},
    {"CREATE TABLE k (a INT METADATA FROM 'ofset') WITH ('connector' = 'kafka', 'topic' = 'k', "
     "'format' = 'json')",
     "NAME: line 1, column 17: there is no metadata 'ofset'; did you mean 'offset'?\n"
     "    CREATE TABLE k (a INT METADATA FROM 'ofset') WITH ('connector' = 'kafka', 'topic' = 'k', "
     "'format' = 'json')\n"
     "                    ^\n"},
    {"CREATE TABLE k (a INT METADATA FROM 'headers') WITH ('connector' = 'kafka', 'topic' = 'k', "
     "'format' = 'json')",
     "UNSUPPORTED: line 1, column 17: Flink has the metadata 'headers', Millrace not yet\n"
     "    CREATE TABLE k (a INT METADATA FROM 'headers') WITH ('connector' = 'kafka', 'topic' = 'k', "
     "'format' = 'json')\n"
     "                    ^\n"},
    {"CREATE TABLE k (a INT METADATA FROM 'offset') WITH ('connector' = 'print')",
     "NAME: line 1, column 17: this connector has no metadata columns\n"
     "    CREATE TABLE k (a INT METADATA FROM 'offset') WITH ('connector' = 'print')\n"
     "                    ^\n"},
    {"CREATE TABLE k (a INT) PARTITIONED BY (a) WITH ('connector' = 'print')",
     "UNSUPPORTED: line 1, column 40: PARTITIONED BY is for file systems: these connectors have no "
     "partitions of that kind\n"
     "    CREATE TABLE k (a INT) PARTITIONED BY (a) WITH ('connector' = 'print')\n"
     "                                           ^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'k', 'format' = 'json', "
     "'key.format' = 'json', 'key.fields' = 'b')",
     "NAME: line 1, column 14: 'key.fields' names 'b', which is no physical column of the table\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 'k', 'format' = 'json', "
     "'key.format' = 'json', 'key.fields' = 'b')\n"
     "                 ^\n"},
    {"CREATE TABLE k (a INT, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'kafka', 'topic' = "
     "'k', 'format' = 'json')",
     "PLAN: line 1, column 24: 'kafka' tables have no PRIMARY KEY: a topic of inserts cannot keep it; "
     "'upsert-kafka' can\n"
     "    CREATE TABLE k (a INT, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'kafka', 'topic' = "
     "'k', 'format' = 'json')\n"
     "                           ^^^^^^^^^^^^^^^\n"},
    {"CREATE TABLE k (a INT) WITH ('connector' = 'upsert-kafka', 'topic' = 'k', 'key.format' = "
     "'json', 'value.format' = 'json')",
     "PLAN: line 1, column 14: 'upsert-kafka' tables want a PRIMARY KEY: it is the record's key\n"
     "    CREATE TABLE k (a INT) WITH ('connector' = 'upsert-kafka', 'topic' = 'k', 'key.format' = "
     "'json', 'value.format' = 'json')\n"
     "                 ^\n"},
    {"CREATE TABLE k (a INT, b INT) WITH ('connector' = 'kafka', 'topic' = 'k', 'format' = 'raw')",
     "TYPE: line 1, column 14: the 'raw' format only supports a single physical column; the table has "
     "2\n"
     "    CREATE TABLE k (a INT, b INT) WITH ('connector' = 'kafka', 'topic' = 'k', 'format' = "
     "'raw')\n"
     "                 ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_described),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
