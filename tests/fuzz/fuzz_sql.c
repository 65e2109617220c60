/* Scripts through parser, binder and planner: as they are, and with words of them changed, so that more of them are
 * statements that mean something. No input may crash or hang; what is planned must be explained, and what is refused
 * must say why, at a place inside of the script. */
#include "tests/support/fuzz.h"

#include <stdlib.h>

#include "compute/sql/sql.h"
#include "compute/sql/sql_parse.h"
#include "core/base/check.h"
#include "core/base/hash.h"

#define SCRIPT_BYTES_MAX  4096
#define PLAN_BYTES_MAX    ((size_t)(64 * MIB))
#define VARIANTS          4
#define WORDS_MAX         1024
#define EXPLAIN_BYTES_MAX 65536

static const char tables[] =
    "CREATE TABLE t (a BIGINT, b INT NOT NULL, s STRING, d DECIMAL(10, 2), f DOUBLE, r ROW<x INT, y STRING>, "
    "l ARRAY<ROW<p INT, q STRING>>, ts TIMESTAMP(3), c AS a + 1, pt AS PROCTIME(), "
    "WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');"
    "CREATE TABLE o (a BIGINT, s STRING) WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');"
    "CREATE TABLE u (a BIGINT, n BIGINT, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', "
    "'topic' = 'u', 'key.format' = 'json', 'value.format' = 'json');"
    "CREATE VIEW v AS SELECT a, s, ts, r.x AS x FROM t WHERE b = 1;";

static const char *const pieces[] = {
    "SELECT a, b + 1, s || 'x', CASE WHEN b = 1 THEN d ELSE 0.5 END FROM t WHERE a > 1 AND s LIKE 'a%' OR r.x IS NULL",
    "INSERT INTO u SELECT a, COUNT(*) FROM t GROUP BY a",
    "INSERT INTO o SELECT x.a, y.s FROM t AS x, v AS y WHERE x.a = y.a AND y.ts BETWEEN x.ts - INTERVAL '5' SECOND "
    "AND x.ts + INTERVAL '1' MINUTE",
    "SELECT a, window_start, MAX(d), COUNT(DISTINCT s) FILTER (WHERE b < 3) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY a, window_start, window_end HAVING COUNT(*) > 1",
    "SELECT SESSION_START(ts, INTERVAL '10' SECOND), SUM(f), AVG(d) FROM v GROUP BY x, SESSION(ts, INTERVAL '10' "
    "SECOND)",
    "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY ts DESC) AS n FROM t) WHERE n <= 3",
    "SELECT t.a, e.p FROM t CROSS JOIN UNNEST(l) AS e (p, q)",
    "SELECT DISTINCT s FROM t UNION SELECT CAST(b AS STRING) FROM t UNION ALL SELECT 'x' FROM v LIMIT 3",
    "WITH w AS (SELECT a, TUMBLE_END(ts, INTERVAL '1' HOUR) AS e FROM t GROUP BY a, TUMBLE(ts, INTERVAL '1' HOUR)) "
    "SELECT l.a FROM w AS l JOIN w AS k ON l.a = k.a AND l.e = k.e",
    "VALUES (1, 'a', TIMESTAMP '2020-01-01 00:00:00'), (2, 'b', NULL)",
    "EXPLAIN CHANGELOG_MODE SELECT COUNT(*), MIN(s) FROM t",
    "CREATE TABLE n (k INT, m BIGINT METADATA FROM 'offset' VIRTUAL, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' "
    "= 'print')",
    "EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT a, s FROM t; INSERT INTO u SELECT b, SUM(a) FROM t GROUP BY b; "
    "END",
    "SELECT EXTRACT(HOUR FROM ts), FLOOR(ts TO DAY), TRIM(BOTH 'a' FROM s), l[1].p, (r).x, ARRAY[1, 2], a IN (1, 2, 3) "
    "FROM t",
    "DESCRIBE v; SHOW TABLES; SET 'table.exec.state.ttl' = '1 h'; DROP VIEW v",
};

static const char *const words[] = {
    "a",
    "b",
    "s",
    "d",
    "f",
    "r",
    "r.x",
    "l",
    "ts",
    "pt",
    "c",
    "t",
    "v",
    "o",
    "u",
    "x",
    "*",
    "(",
    ")",
    ",",
    ".",
    "+",
    "-",
    "/",
    "%",
    "=",
    "<>",
    "<",
    ">=",
    "||",
    "1",
    "0",
    "'x'",
    "0.5",
    "1e3",
    "NULL",
    "TRUE",
    "AND",
    "OR",
    "NOT",
    "BETWEEN",
    "IN",
    "LIKE",
    "IS NULL",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "UNION ALL",
    "LIMIT",
    "DISTINCT",
    "COUNT(*)",
    "SUM(",
    "MAX(",
    "window_start",
    "window_end",
    "window_time",
    "INTERVAL '1' SECOND",
    "CAST(",
    "AS INT)",
    "AS STRING)",
    "ROW(",
    "ARRAY[",
    "]",
    "PROCTIME()",
    "TUMBLE(ts, INTERVAL '1' DAY)",
    "ROW_NUMBER() OVER (ORDER BY a)",
    "ORDER BY",
    "DESC",
    "WITH",
    "AS",
    "TABLE(TUMBLE(TABLE t, DESCRIPTOR(pt), INTERVAL '1' DAY))",
    "UNNEST(l)",
    "TIMESTAMP '2020-01-01 00:00:00'",
};

static struct sql_catalog *base_catalog(void)
{
    struct sql_catalog   *catalog = sql_catalog_create();
    struct view           script = view_text(tables);
    struct sql_statement *statement;
    struct sql_error      error;
    struct arena          arena;

    arena_init(&arena, MEM_TEST, 65536, PLAN_BYTES_MAX);
    for (statement = sql_parse(script, &arena, &error); statement != NULL; statement = statement->next) {
        struct sql_answer answer;

        CHECK(sql_execute(catalog, statement, script, &arena, &answer, &error));
    }
    arena_deinit(&arena);
    return catalog;
}

static void check_error(const struct sql_error *error, struct view script)
{
    char text[2048];

    CHECK(error->kind != SQL_OK && error->message[0] != '\0');
    CHECK(error->place.offset <= script.len);
    CHECK(sql_error_format(error, script, text, sizeof(text)) > 0);
}

static void run(struct view script)
{
    static char           explained[EXPLAIN_BYTES_MAX];
    struct sql_catalog   *catalog = base_catalog();
    struct sql_statement *statement;
    struct sql_error      error;
    struct arena          arena;
    struct arena          plans;

    arena_init(&arena, MEM_TEST, 65536, PLAN_BYTES_MAX);
    arena_init(&plans, MEM_TEST, 65536, PLAN_BYTES_MAX);
    statement = sql_parse(script, &arena, &error);
    if (error.kind != SQL_OK) {
        check_error(&error, script);
    }
    for (; statement != NULL; statement = statement->next) {
        struct sql_answer answer;

        arena_reset(&plans);
        if (!sql_execute(catalog, statement, script, &plans, &answer, &error)) {
            check_error(&error, script);
            break;
        }
        if (answer.outcome == SQL_RUN) {
            CHECK(sql_explain(answer.plan, explained, sizeof(explained)) > 0);
            CHECK(answer.plan->exec.sink_count > 0);
            sql_plan_release(answer.plan);
        }
    }
    arena_deinit(&plans);
    arena_deinit(&arena);
    sql_catalog_destroy(catalog);
}

/* --- words changed ------------------------------------------------------------------------------------------------ */

static bool is_word(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '\'' || byte >= 0x80;
}

static size_t split(struct view script, struct view *out_words)
{
    size_t count = 0;

    for (size_t at = 0; at < script.len && count < WORDS_MAX;) {
        size_t end = at + 1;

        while (end < script.len && is_word(script.base[at]) && is_word(script.base[end])) {
            end++;
        }
        out_words[count++] = view_of(script.base + at, end - at);
        at = end;
    }
    return count;
}

static void append(struct span *out, size_t *len, struct view text)
{
    size_t room = out->len - *len;

    memcpy(out->base + *len, text.base, MIN(text.len, room));
    *len += MIN(text.len, room);
}

/* Some words gone, doubled, or others in their place. */
static size_t vary(struct prng *prng, struct view script, struct span out)
{
    static struct view list[WORDS_MAX];
    size_t             count = split(script, list);
    size_t             len = 0;
    uint64_t           rate = 4 + prng_below(prng, 60);

    for (size_t i = 0; i < count; i++) {
        switch (prng_below(prng, rate)) {
        case 0:
            append(&out, &len, view_text(" "));
            append(&out, &len, view_text(words[prng_below(prng, COUNT_OF(words))]));
            append(&out, &len, view_text(" "));
            break;
        case 1:
            append(&out, &len, list[prng_below(prng, count)]);
            break;
        case 2:
            append(&out, &len, list[i]);
            append(&out, &len, view_text(" "));
            append(&out, &len, list[i]);
            break;
        default:
            append(&out, &len, list[i]);
            break;
        }
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t varied[SCRIPT_BYTES_MAX];
    struct view    script = view_of(bytes, MIN(len, SCRIPT_BYTES_MAX));
    struct prng    prng;

    run(script);
    prng_init(&prng, hash_bytes(script));
    for (int i = 0; i < VARIANTS; i++) {
        run(view_of(varied, vary(&prng, script, span_of(varied, sizeof(varied)))));
    }
    return 0;
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    const char *piece = pieces[prng_below(prng, COUNT_OF(pieces))];

    memcpy(out_bytes.base, piece, strlen(piece));
    return strlen(piece);
}
