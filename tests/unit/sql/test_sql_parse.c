/* What is read as what, what is refused and with which words. */
#include <stdio.h>
#include <stdlib.h>

#include "compute/sql/sql_parse.h"
#include "core/base/prng.h"
#include "tests/support/unit.h"
#include "tests/unit/sql/sql_print.h"

static void expr_is(const char *script, const char *expected)
{
    struct arena     arena;
    struct sql_error error;
    struct sql_text  text = {.len = 0};
    struct sql_expr *expr;

    arena_init(&arena, MEM_TEST, 16 * KIB, MIB);
    expr = sql_parse_expression(view_text(script), &arena, &error);
    if (expr == NULL) {
        fail_msg("%s: %s", script, error.message);
    }
    sql_print_expr(&text, expr);
    assert_string_equal(text.bytes, expected);
    arena_deinit(&arena);
}

static void query_is(const char *script, const char *expected)
{
    struct arena          arena;
    struct sql_error      error;
    struct sql_text       text = {.len = 0};
    struct sql_statement *statement;

    arena_init(&arena, MEM_TEST, 16 * KIB, MIB);
    statement = sql_parse(view_text(script), &arena, &error);
    if (statement == NULL) {
        fail_msg("%s: %s", script, error.message);
    }
    assert_int_equal(statement->kind, SQL_STATEMENT_QUERY);
    sql_print_query(&text, statement->query);
    assert_string_equal(text.bytes, expected);
    arena_deinit(&arena);
}

/* The whole message with its place. */
static void refused(const char *script, enum sql_error_kind kind, const char *expected)
{
    struct arena     arena;
    struct sql_error error;
    char             text[1024];

    arena_init(&arena, MEM_TEST, 16 * KIB, MIB);
    assert_null(sql_parse(view_text(script), &arena, &error));
    if (error.kind != kind) {
        fail_msg("%s: %s %s", script, sql_error_kind_name(error.kind), error.message);
    }
    sql_error_format(&error, view_text(script), text, sizeof(text));
    assert_string_equal(text, expected);
    arena_deinit(&arena);
}

static void test_precedence(void **state)
{
    (void)state;
    expr_is("a + b * c - d", "(- (+ a (* b c)) d)");
    expr_is("a || b || c", "(|| (|| a b) c)");
    expr_is("a || b + c", "(+ (|| a b) c)");
    expr_is("- a * b", "(* (- a) b)");
    expr_is("NOT a = b AND c OR d", "(OR (AND (NOT (= a b)) c) d)");
    expr_is("a = b IS NULL", "(IS NULL (= a b))");
    expr_is("a = b IN (1, 2)", "(= a (IN b 1 2))");
    expr_is("NOT a IN (1)", "(NOT (IN a 1))");
    expr_is("a NOT IN (1) AND b NOT LIKE 'x' ESCAPE '!'", "(AND (NOT IN a 1) (NOT LIKE b 'x' '!'))");
    expr_is("a BETWEEN 1 AND 2 AND b", "(AND (BETWEEN a 1 2) b)");
    expr_is("a BETWEEN b + 1 AND c * 2 OR d", "(OR (BETWEEN a (+ b 1) (* c 2)) d)");
    expr_is("a < b = c", "(= (< a b) c)");
    expr_is("a IS NOT DISTINCT FROM b + 1 AND c", "(AND (IS NOT DISTINCT a (+ b 1)) c)");
    expr_is("(a + b) * c", "(* (+ a b) c)");
    expr_is("a - -1", "(- a (- 1))");
}

static void test_values(void **state)
{
    (void)state;
    expr_is("'it''s'", "'it's'");
    expr_is("U&'\\00e9!\\+01F600\\\\'", "'é!😀\\'");
    expr_is("U&'!0041' UESCAPE '!'", "'A'");
    expr_is("X'00ff'", "x2");
    expr_is("1.5e3", "1.5e3");
    expr_is(".5 + 1.", "(+ .5 1.)");
    expr_is("DATE '2026-01-02'", "d'2026-01-02'");
    expr_is("TIMESTAMP '2026-01-02 03:04:05'", "ts'2026-01-02 03:04:05'");
    expr_is("INTERVAL '10' SECOND", "(interval 10 8 0)");
    expr_is("INTERVAL - '1 2' DAY(3) TO HOUR", "(interval -1 2 5 6)");
    expr_is("`select`.`a``b`", "select.a`b");
    expr_is("ROW(1, 'a')", "(ROW 1 'a')");
    expr_is("ARRAY[1, 2][1]", "([] (ARRAY 1 2) 1)");
    expr_is("(r).x.y", "(.y (.x r))");
    expr_is("CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END", "(CASE ELSE a 1 b 2 3)");
    expr_is("CASE a WHEN 1 THEN 'x' END", "(CASE OF a 1 'x')");
    expr_is("TRY_CAST(a AS DECIMAL(23, 3))", "(TRY_CAST DECIMAL(23, 3) a)");
    expr_is("CAST(NULL AS ROW<x INT NOT NULL, y ARRAY<STRING>>)",
            "(CAST ROW<`x` INT NOT NULL, `y` ARRAY<STRING>> NULL)");
    expr_is("CAST(a AS TIMESTAMP(3) WITH LOCAL TIME ZONE)", "(CAST TIMESTAMP_LTZ(3) a)");
    expr_is("CAST(a AS TIMESTAMP)", "(CAST TIMESTAMP(6) a)");
    expr_is("CAST(a AS VARCHAR)", "(CAST STRING a)");
    expr_is("CAST(a AS CHAR)", "(CAST CHAR(1) a)");
    expr_is("CAST(a AS INT ARRAY)", "(CAST ARRAY<INT> a)");
}

static void test_calls(void **state)
{
    (void)state;
    expr_is("COUNT(*)", "(COUNT *)");
    expr_is("count(DISTINCT a) FILTER (WHERE b > 1)", "(count DISTINCT a FILTER (> b 1))");
    expr_is("ROW_NUMBER() OVER (PARTITION BY a, b ORDER BY c DESC, d)", "(ROW_NUMBER OVER [ a b | c DESC d ])");
    expr_is("EXTRACT(HOUR FROM ts)", "(EXTRACT HOUR ts)");
    expr_is("FLOOR(ts TO DAY)", "(FLOOR ts DAY)");
    expr_is("TIMESTAMPDIFF(SECOND, a, b)", "(TIMESTAMPDIFF SECOND a b)");
    expr_is("HOUR(ts)", "(HOUR ts)");
    expr_is("SUBSTRING(a FROM 2 FOR 3)", "(SUBSTRING a 2 3)");
    expr_is("POSITION('a' IN b)", "(POSITION 'a' b)");
    expr_is("TRIM(LEADING 'x' FROM a)", "(TRIM LEADING 'x' a)");
    expr_is("TRIM(a)", "(TRIM BOTH ' ' a)");
    expr_is("CURRENT_TIMESTAMP", "(CURRENT_TIMESTAMP)");
    expr_is("MOD(a, 10)", "(MOD a 10)");
    expr_is("DATE_FORMAT(`dateTime`, 'yyyy')", "(DATE_FORMAT dateTime 'yyyy')");
}

static void test_queries(void **state)
{
    (void)state;
    query_is("SELECT a, b AS c, t.* FROM t WHERE a > 1 GROUP BY a HAVING COUNT(*) > 2 LIMIT 3",
             "(SELECT a b:c t.* FROM t WHERE (> a 1) GROUP a HAVING (> (COUNT *) 2)) LIMIT 3");
    query_is("SELECT * FROM TABLE(HOP(TABLE bid, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) AS w",
             "(SELECT * FROM (HOP bid ts (interval 2 8 0) (interval 10 8 0)):w)");
    query_is("SELECT * FROM SESSION(TABLE t PARTITION BY a, b, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
             "(SELECT * FROM (SESSION t ts BY a.b (interval 1 7 0)))");
    query_is("SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c ON TRUE, d CROSS JOIN UNNEST(d.xs) AS u (x)",
             "(SELECT * FROM (CROSS (CROSS (LEFT (INNER a b ON (= a.x b.x)) c ON TRUE) d) (UNNEST d.xs):u))");
    query_is("WITH x AS (SELECT 1) SELECT * FROM x UNION ALL (SELECT 2) UNION SELECT 3",
             "with x=(SELECT 1) (UNION (UNION ALL (SELECT * FROM x) (SELECT 2)) (SELECT 3))");
    query_is("SELECT * FROM (SELECT *, 1 AS r FROM t) WHERE r <= 1;",
             "(SELECT * FROM (SELECT * 1:r FROM t) WHERE (<= r 1))");
    query_is("VALUES (1, 'a'), (2, 'b'), 3", "(VALUES (ROW 1 'a') (ROW 2 'b') (ROW 3))");
    query_is("SELECT * FROM t /*+ STATE_TTL('a' = '1d'), X(b) */ AS q -- a hint", "(SELECT * FROM t:q)");
}

static void test_statements(void **state)
{
    static const char script[] =
        "CREATE TEMPORARY TABLE IF NOT EXISTS `t` (\n"
        "  a INT NOT NULL COMMENT 'first', b ROW<x BIGINT, y STRING>,\n"
        "  ts TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL, c AS b.x + 1,\n"
        "  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND, PRIMARY KEY (a) NOT ENFORCED\n"
        ") COMMENT 'x' PARTITIONED BY (a) WITH ('connector' = 'kafka', 'topic' = 'it''s');\n"
        "CREATE VIEW v AS SELECT * FROM t /* c */; -- view\n"
        "EXECUTE STATEMENT SET BEGIN INSERT INTO o (a, b) SELECT 1, 2; INSERT INTO o SELECT 1; END;\n"
        ";; SET 'k' = 'v'; SET; RESET 'k'; SHOW TABLES; SHOW CREATE TABLE t; DESCRIBE t; DROP VIEW IF EXISTS v;\n"
        "EXPLAIN CHANGELOG_MODE INSERT INTO o SELECT 1; EXPLAIN PLAN FOR SELECT 1; STOP JOB 'x' WITH SAVEPOINT";
    static const enum sql_statement_kind kinds[] = {
        SQL_STATEMENT_CREATE_TABLE, SQL_STATEMENT_CREATE_VIEW, SQL_STATEMENT_SET_OF_INSERTS, SQL_STATEMENT_SET,
        SQL_STATEMENT_SET,          SQL_STATEMENT_RESET,       SQL_STATEMENT_SHOW_TABLES,    SQL_STATEMENT_SHOW_CREATE,
        SQL_STATEMENT_DESCRIBE,     SQL_STATEMENT_DROP_VIEW,   SQL_STATEMENT_EXPLAIN,        SQL_STATEMENT_EXPLAIN,
        SQL_STATEMENT_STOP_JOB};
    struct arena                   arena;
    struct sql_error               error;
    struct sql_statement          *statement;
    const struct sql_create_table *table;
    size_t                         i = 0;

    (void)state;
    arena_init(&arena, MEM_TEST, 16 * KIB, MIB);
    statement = sql_parse(view_text(script), &arena, &error);
    if (statement == NULL) {
        char text[1024];

        sql_error_format(&error, view_text(script), text, sizeof(text));
        fail_msg("%s", text);
    }
    table = statement->create_table;
    assert_true(table->temporary && table->if_not_exists && !table->primary_key_enforced);
    assert_true(view_equal(table->columns->name->text, view_text("a")));
    assert_false(table->columns->type.type.nullable);
    assert_int_equal(table->columns->next->next->kind, SQL_COLUMN_METADATA);
    assert_true(table->columns->next->next->is_virtual);
    assert_int_equal(table->columns->next->next->next->kind, SQL_COLUMN_COMPUTED);
    assert_non_null(table->watermark);
    assert_true(view_equal(table->options->next->value, view_text("it's")));
    assert_true(view_equal(statement->next->create_view->query_text, view_text("SELECT * FROM t")));
    assert_non_null(statement->next->next->inserts->next);
    for (; statement != NULL; statement = statement->next) {
        assert_true(i < COUNT_OF(kinds));
        assert_int_equal(statement->kind, kinds[i++]);
    }
    assert_int_equal(i, COUNT_OF(kinds));
    arena_deinit(&arena);
}

static void test_messages(void **state)
{
    (void)state;
    refused("SELECT a FROM\n  t WHERE", SQL_ERROR_SYNTAX,
            "line 2, column 10: expected an expression, but the script ends\n      t WHERE\n             ^\n");
    refused(
        "CREATE TABLE t (day INT)", SQL_ERROR_SYNTAX,
        "line 1, column 17: expected a column's name, but found the reserved word day (as a name it needs backticks)\n"
        "    CREATE TABLE t (day INT)\n                    ^^^\n");
    refused("SELECT \"a\"", SQL_ERROR_SYNTAX,
            "line 1, column 8: double quotes mean nothing here: names stand in `backticks`, texts in 'single quotes'\n"
            "    SELECT \"a\"\n           ^\n");
    refused("SELECT 'ä', b FROM t INTERSECT SELECT 1", SQL_ERROR_UNSUPPORTED,
            "line 1, column 22: INTERSECT and EXCEPT are not supported; write a join\n"
            "    SELECT 'ä', b FROM t INTERSECT SELECT 1\n                         ^^^^^^^^^\n");
    refused("SELECT 1 SELECT 2", SQL_ERROR_SYNTAX,
            "line 1, column 10: expected ';' or the end of the script, but found the reserved word SELECT (as a name "
            "it needs "
            "backticks)\n    SELECT 1 SELECT 2\n             ^^^^^^\n");
    refused("SELECT 'abc", SQL_ERROR_SYNTAX,
            "line 1, column 8: this quote (') is not closed\n    SELECT 'abc\n           ^\n");
    refused("SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND))", SQL_ERROR_SYNTAX,
            "line 1, column 21: the window's form is HOP(TABLE t, DESCRIPTOR(time), slide, size [, offset])\n"
            "    SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND))\n"
            "                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n");
    refused("CREATE TABLE t (a MAP<STRING, INT>)", SQL_ERROR_UNSUPPORTED,
            "line 1, column 19: columns of type MAP are not supported\n    CREATE TABLE t (a MAP<STRING, INT>)\n"
            "                      ^^^\n");
    refused("CREATE TABLE t (a DECIMAL(39))", SQL_ERROR_TYPE,
            "line 1, column 27: a DECIMAL's precision is between 1 and 38\n    CREATE TABLE t (a DECIMAL(39))\n"
            "                              ^^\n");
    refused(
        "EXECUTE EXECUTE SELECT 1", SQL_ERROR_SYNTAX,
        "line 1, column 9: expected STATEMENT SET, INSERT or SELECT, but found the reserved word EXECUTE (as a name it "
        "needs backticks)\n    EXECUTE EXECUTE SELECT 1\n            ^^^^^^^\n");
}

/* A run of one byte or word cannot exhaust the stack. */
static void test_nesting_is_bounded(void **state)
{
    static const char *const pieces[] = {
        "(",    "- ",    "NOT ",  "CASE WHEN ", "a[",       "f(",     "SELECT * FROM (",
        "ROW(", "CAST(", "U&'' ", "EXPLAIN ",   "EXECUTE ", "ARRAY<", "CAST(a AS ARRAY<ROW<x "};
    size_t bytes = 2 * MIB;
    char  *script = malloc(bytes);

    (void)state;
    assert_non_null(script);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct arena     arena;
        struct sql_error error;
        size_t           len = (size_t)snprintf(script, bytes, "SELECT ");

        while (len + strlen(pieces[i]) < bytes) {
            memcpy(script + len, pieces[i], strlen(pieces[i]));
            len += strlen(pieces[i]);
        }
        arena_init(&arena, MEM_TEST, 64 * KIB, 256 * MIB);
        assert_null(sql_parse(view_of(script, len), &arena, &error));
        assert_int_not_equal(error.kind, SQL_OK);
        arena_deinit(&arena);
    }
    free(script);
}

static void test_nearest_name(void **state)
{
    const struct view names[] = {view_text("price"), view_text("bidder"), view_text("auction")};

    (void)state;
    assert_true(view_equal(sql_nearest(view_text("pirce"), names, 3), names[0]));
    assert_true(view_equal(sql_nearest(view_text("BIDDERS"), names, 3), names[1]));
    assert_null(sql_nearest(view_text("quantity"), names, 3).base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_nearest_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
