/* Changelogs. Each statement with what comes of it: the plan, the answer or the error. */
#include "tests/unit/sql/sql_rig.h"

static const struct sql_case sinks_cases[] = {
    {"INSERT INTO u SELECT a, COUNT(*) FROM t GROUP BY a",
     "Sink(table=[u], fields=[a, n], primaryKey=[a]), changelogMode=[I,UA], upsertKey=[a]\n"
     "+- GroupAggregate(groupBy=[a], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UA], "
     "upsertKey=[a], state=[a row per key]\n"
     "   +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"INSERT INTO p SELECT a, COUNT(*) FROM t GROUP BY a",
     "Sink(table=[p], fields=[a, n]), changelogMode=[I,UB,UA], upsertKey=[a]\n"
     "+- GroupAggregate(groupBy=[a], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[a], state=[a row per key]\n"
     "   +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "      +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"INSERT INTO u SELECT a, n FROM (SELECT a, COUNT(*) AS n FROM t GROUP BY a) WHERE n > 3",
     "Sink(table=[u], fields=[a, n], primaryKey=[a]), changelogMode=[I,UA,D], upsertKey=[a]\n"
     "+- Calc(select=[a, $agg0 AS n], where=[($agg0 > 3)]), changelogMode=[I,UA,D], upsertKey=[a]\n"
     "   +- GroupAggregate(groupBy=[a], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UB,UA], "
     "upsertKey=[a], state=[a row per key]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- TableSourceScan(table=[t], fields=[a]), changelogMode=[I]\n"},
    {"INSERT INTO u SELECT CAST(b AS BIGINT), COUNT(*) FROM t GROUP BY b",
     "Sink(table=[u], fields=[a, n], primaryKey=[a]), changelogMode=[I,UA], upsertKey=[a]\n"
     "+- Exchange(distribution=[hash(a)]), changelogMode=[I,UA], upsertKey=[a]\n"
     "   +- Calc(select=[CAST(b AS BIGINT) AS a, $agg0 AS n]), changelogMode=[I,UA], upsertKey=[a]\n"
     "      +- GroupAggregate(groupBy=[b], aggregates=[COUNT(*) AS $agg0]), changelogMode=[I,UA], "
     "upsertKey=[b], state=[a row per key]\n"
     "         +- Exchange(distribution=[hash(b)]), changelogMode=[I]\n"
     "            +- TableSourceScan(table=[t], fields=[b]), changelogMode=[I]\n"},
    {"INSERT INTO u SELECT a, b FROM t", "Sink(table=[u], fields=[a, n], primaryKey=[a]), changelogMode=[I]\n"
                                         "+- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
                                         "   +- Calc(select=[a, CAST(b AS BIGINT) AS n]), changelogMode=[I]\n"
                                         "      +- TableSourceScan(table=[t], fields=[a, b]), changelogMode=[I]\n"},
};

static void test_sinks(void **state UNUSED)
{
    sql_rig_check(sinks_cases, COUNT_OF(sinks_cases));
}

static const struct sql_case refused_cases[] = {
    {"INSERT INTO o SELECT MAX(a), s FROM t GROUP BY s",
     "PLAN: line 1, column 13: 'o' (connector 'kafka') takes inserts only, and GroupAggregate updates "
     "rows; use 'upsert-kafka' with a PRIMARY KEY\n"
     "    INSERT INTO o SELECT MAX(a), s FROM t GROUP BY s\n"
     "                ^\n"},
    {"INSERT INTO u SELECT COUNT(*), a FROM t GROUP BY a",
     "UNSUPPORTED: line 1, column 13: Flink has sinks whose PRIMARY KEY is not the query's upsert "
     "key, Millrace not yet: the key is (a), and the query's rows are told apart by (n)\n"
     "    INSERT INTO u SELECT COUNT(*), a FROM t GROUP BY a\n"
     "                ^\n"},
    {"INSERT INTO u SELECT a, COUNT(*) FROM t GROUP BY a, b",
     "UNSUPPORTED: line 1, column 13: Flink has sinks whose PRIMARY KEY is not the query's upsert "
     "key, Millrace not yet: the key is (a), and nothing that the query gives names its rows\n"
     "    INSERT INTO u SELECT a, COUNT(*) FROM t GROUP BY a, b\n"
     "                ^\n"},
    {"INSERT INTO u SELECT a, b FROM (SELECT a, b, ROW_NUMBER() OVER (ORDER BY s) AS k FROM t) WHERE "
     "k <= 3",
     "UNSUPPORTED: line 1, column 13: Flink has sinks whose PRIMARY KEY is not the query's upsert "
     "key, Millrace not yet: the key is (a), and nothing that the query gives names its rows\n"
     "    INSERT INTO u SELECT a, b FROM (SELECT a, b, ROW_NUMBER() OVER (ORDER BY s) AS k FROM t) "
     "WHERE k <= 3\n"
     "                ^\n"},
    {"SELECT SUM(n) FROM (SELECT COUNT(*) AS n FROM t GROUP BY a)",
     "PLAN: line 1, column 1: Flink has GroupAggregate over rows that are updated or deleted, "
     "Millrace not yet: its input comes from GroupAggregate, which is no append-only stream\n"
     "    SELECT SUM(n) FROM (SELECT COUNT(*) AS n FROM t GROUP BY a)\n"
     "    ^^^^^^\n"},
    {"SELECT x.a FROM (SELECT a, COUNT(*) AS n FROM t GROUP BY a) AS x JOIN v AS y ON x.a = y.a",
     "Sink(table=[the result], fields=[a]), changelogMode=[I]\n"
     "+- Calc(select=[a]), changelogMode=[I]\n"
     "   +- Join(joinType=[InnerJoin], on=[a = a], select=[a, a]), changelogMode=[I], state=[the rows "
     "of both sides]\n"
     "      +- GroupAggregate(groupBy=[a], aggregates=[]), changelogMode=[I], state=[a row per key]\n"
     "         +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "            +- Calc(select=[a]), changelogMode=[I]\n"
     "               +- TableSourceScan(table=[t], fields=[a, b]) #0, changelogMode=[I]\n"
     "      +- Exchange(distribution=[hash(a)]), changelogMode=[I]\n"
     "         +- Calc(select=[a], where=[(b = 1)]), changelogMode=[I]\n"
     "            +- Reused(#0)\n"},
    {"SELECT n FROM (SELECT COUNT(*) AS n FROM t GROUP BY a) LIMIT 1",
     "PLAN: line 1, column 62: Flink has Limit over rows that are updated or deleted, Millrace not "
     "yet: its input comes from GroupAggregate, which is no append-only stream\n"
     "    SELECT n FROM (SELECT COUNT(*) AS n FROM t GROUP BY a) LIMIT 1\n"
     "                                                                 ^\n"},
};

static void test_refused(void **state UNUSED)
{
    sql_rig_check(refused_cases, COUNT_OF(refused_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
