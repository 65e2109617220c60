/* FROM bound. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case names_cases[] = {
    {"SELECT y.k FROM t AS x JOIN v AS y (k, l, m, n) ON x.a = y.k",
     "Sink(table=[the result], fields=[k]), changelogMode=[I]\n"
     "+- Calc(select=[k]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[a = k], select=[a, k]), changelogMode=[I], state=[the rows "
     "of both sides]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[a, b]) #0, changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(k)]), changelogMode=[I]\n"
     "         +- Calc(select=[a AS k], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
    {"WITH v AS (SELECT b AS w FROM t) SELECT w FROM v",
     "Sink(table=[the result], fields=[w]), changelogMode=[I]\n"
     "+- TableSourceScan(table=[t], fields=[b]), changelogMode=[I]\n"},
    {"SELECT x.* FROM v AS x", "Sink(table=[the result], fields=[a, s, ts, x]), changelogMode=[I]\n"
                               "+- Calc(select=[a, s, ts, r.x AS x], where=[(b = 1)]), changelogMode=[I]\n"
                               "   +- TableSourceScan(table=[t], fields=[a, b, s, r(x), ts], needed=[(b = 1)]), "
                               "changelogMode=[I]\n"},
};

static void test_names(void **state UNUSED)
{
    sql_rig_check(names_cases, COUNT_OF(names_cases));
}

static const struct sql_case unnest_cases[] = {
    {"SELECT t.a, e.p, q FROM t CROSS JOIN UNNEST(l) AS e",
     "Sink(table=[the result], fields=[a, p, q]), changelogMode=[I]\n"
     "+- Calc(select=[a, p, q]), changelogMode=[I]\n"
     "   +- Unnest(array=[l]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a, l]), changelogMode=[I]\n"},
    {"SELECT k, i FROM t CROSS JOIN UNNEST(n) WITH ORDINALITY AS e (k, i)",
     "Sink(table=[the result], fields=[k, i]), changelogMode=[I]\n"
     "+- Calc(select=[k, i]), changelogMode=[I]\n"
     "   +- Unnest(array=[n], with ordinality), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[n]), changelogMode=[I]\n"},
    {"SELECT k FROM t LEFT JOIN UNNEST(ARRAY[b, 2]) AS e (k) ON TRUE",
     "Sink(table=[the result], fields=[k]), changelogMode=[I]\n"
     "+- Calc(select=[k]), changelogMode=[I]\n"
     "   +- Unnest(array=[$array], rows without elements stay), changelogMode=[I]\n"
     "      +- Calc(select=[ARRAY(b, 2) AS $array]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[b]), changelogMode=[I]\n"},
};

static void test_unnest(void **state UNUSED)
{
    sql_rig_check(unnest_cases, COUNT_OF(unnest_cases));
}

static const struct sql_case refused_cases[] = {
    {"SELECT 1 FROM nowhere", "NAME: line 1, column 15: there is no table or view 'nowhere'\n"
                              "    SELECT 1 FROM nowhere\n"
                              "                  ^^^^^^^\n"},
    {"SELECT 1 FROM o AS t, v AS t",
     "NAME: line 1, column 23: two tables are called 't': give one of them another name with AS\n"
     "    SELECT 1 FROM o AS t, v AS t\n"
     "                          ^\n"},
    {"SELECT 1 FROM t LEFT JOIN v ON t.a = v.a",
     "UNSUPPORTED: line 1, column 15: Flink has outer joins, Millrace not yet: INNER JOIN is there\n"
     "    SELECT 1 FROM t LEFT JOIN v ON t.a = v.a\n"
     "                  ^^^^^^^^^^^^^\n"},
    {"SELECT 1 FROM v AS x (k)", "NAME: line 1, column 23: there are 1 names for 4 columns\n"
                                 "    SELECT 1 FROM v AS x (k)\n"
                                 "                          ^\n"},
    {"SELECT 1 FROM t CROSS JOIN UNNEST(a) AS e", "TYPE: line 1, column 35: UNNEST wants an ARRAY, not BIGINT\n"
                                                  "    SELECT 1 FROM t CROSS JOIN UNNEST(a) AS e\n"
                                                  "                                      ^\n"},
    {"SELECT 1 FROM UNNEST(ARRAY[1]) AS e",
     "UNSUPPORTED: line 1, column 15: Flink has UNNEST without a table, Millrace not yet: t CROSS "
     "JOIN UNNEST(t.array) is there\n"
     "    SELECT 1 FROM UNNEST(ARRAY[1]) AS e\n"
     "                  ^^^^^^^^^^^^^^^^\n"},
    {"SELECT 1 FROM t CROSS JOIN UNNEST(l) AS e (k)",
     "NAME: line 1, column 44: the elements have 2 columns: name all of them or none\n"
     "    SELECT 1 FROM t CROSS JOIN UNNEST(l) AS e (k)\n"
     "                                               ^\n"},
    {"SELECT 1 FROM u", "UNSUPPORTED: line 1, column 15: Flink has 'upsert-kafka' tables as sources, Millrace not yet: "
                        "read the topic with connector 'kafka'\n"
                        "    SELECT 1 FROM u\n"
                        "                  ^\n"},
    {"SELECT 1 FROM p", "PLAN: line 1, column 15: 'p' can be written to, not read: its connector is a sink\n"
                        "    SELECT 1 FROM p\n"
                        "                  ^\n"},
    {"SELECT 1 FROM t /*+ OPTIONS('x'='y') */",
     "UNSUPPORTED: line 1, column 21: Flink has hints, Millrace not yet: 'OPTIONS' is not supported\n"
     "    SELECT 1 FROM t /*+ OPTIONS('x'='y') */\n"
     "                        ^^^^^^^\n"},
    {"SELECT 1 FROM t FOR SYSTEM_TIME AS OF pt",
     "UNSUPPORTED: line 1, column 15: Flink has FOR SYSTEM_TIME AS OF (temporal and lookup joins), "
     "Millrace not yet\n"
     "    SELECT 1 FROM t FOR SYSTEM_TIME AS OF pt\n"
     "                  ^\n"},
    {"SELECT 1 FROM t JOIN v ON t.a", "TYPE: line 1, column 27: ON wants a BOOLEAN, not BIGINT\n"
                                      "    SELECT 1 FROM t JOIN v ON t.a\n"
                                      "                              ^^^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

static const struct sql_case views_cases[] = {
    {"CREATE VIEW w AS SELECT x FROM v; DROP VIEW v; SELECT * FROM w",
     "NAME: line 1, column 62: in view 'w': there is no table or view 'v'; did you mean 't'?\n"
     "    CREATE VIEW w AS SELECT x FROM v; DROP VIEW v; SELECT * FROM w\n"
     "                                                                 ^\n"},
    {"CREATE VIEW w AS SELECT nothing FROM v", "NAME: line 1, column 25: there is no column 'nothing'\n"
                                               "    CREATE VIEW w AS SELECT nothing FROM v\n"
                                               "                            ^^^^^^^\n"},
};

static void test_views(void **state UNUSED)
{
    sql_rig_check(views_cases, COUNT_OF(views_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_unnest),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_views),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
