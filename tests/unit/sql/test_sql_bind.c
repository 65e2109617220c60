/* An expression bound on its own: what tests of compute/expr go through. */
#include "compute/sql/sql_bind.h"

#include <stdio.h>

#include "compute/sql/sql_parse.h"
#include "tests/support/unit.h"

static const struct {
    const char *script, *expected, *type;
} bound[] = {
    {"1 + 2", "(1 + 2)", "INT NOT NULL"},
    {"0.908 * a", "(0.908 * CAST(a AS DECIMAL(19, 0)))", "DECIMAL(24, 3)"},
    {"r.x IS NULL OR r.x > 1", "((r.x IS NULL) OR (r.x > 1))", "BOOLEAN"},
    {"DATE_FORMAT(ts, 'HH')", "DATE_FORMAT(ts, 'HH')", "STRING"},
    {"CASE WHEN r.x = 1 THEN 'x' END", "CASE WHEN (r.x = 1) THEN 'x' ELSE NULL END", "CHAR(1)"},
};

static const struct {
    const char         *script;
    enum sql_error_kind kind;
    const char         *message;
} refused[] = {
    {"b + 1", SQL_ERROR_NAME, "there is no column 'b'; did you mean 'a'?"},
    {"COUNT(*)", SQL_ERROR_PLAN,
     "COUNT is an aggregate: it belongs into SELECT or HAVING, and not into another aggregate"},
    {"a AND TRUE", SQL_ERROR_TYPE, "AND wants BOOLEAN conditions, not BIGINT"},
};

static struct expr *bind(const char *script, struct expr_maker *maker, struct sql_error *error)
{
    static struct vec_field inner[1];
    static struct vec_field columns[3];
    struct sql_expr        *parsed = sql_parse_expression(view_text(script), maker->arena, error);

    assert_non_null(parsed);
    inner[0] = (struct vec_field){view_text("x"), vec_type_of(VEC_INT)};
    columns[0] = (struct vec_field){view_text("a"), vec_type_of(VEC_BIGINT)};
    columns[1] = (struct vec_field){view_text("r"), vec_type_of(VEC_ROW)};
    columns[1].type.children = inner;
    columns[1].type.child_count = 1;
    columns[2] = (struct vec_field){view_text("ts"), vec_type_timestamp(VEC_TIMESTAMP, 3)};
    return sql_bind_expression(parsed, columns, COUNT_OF(columns), maker, error);
}

static void test_bound(void **state UNUSED)
{
    static const struct vec_field names[] = {
        {{(const uint8_t *)"a", 1}, {0}}, {{(const uint8_t *)"r", 1}, {0}}, {{(const uint8_t *)"ts", 2}, {0}}};

    for (size_t i = 0; i < COUNT_OF(bound); i++) {
        struct arena      arena;
        struct expr_maker maker = {.arena = &arena};
        struct sql_error  error;
        struct expr      *expr;
        char              text[256];

        arena_init(&arena, MEM_TEST, 16 * KIB, MIB);
        expr = bind(bound[i].script, &maker, &error);
        assert_non_null(expr);
        (void)expr_format(expr, names, COUNT_OF(names), text, sizeof(text));
        assert_string_equal(text, bound[i].expected);
        (void)vec_type_format(expr->type, text, sizeof(text));
        assert_string_equal(text, bound[i].type);
        assert_int_equal(expr->place.len, strlen(bound[i].script));
        expr_maker_release(&maker);
        arena_deinit(&arena);
    }
}

static void test_refused(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct arena      arena;
        struct expr_maker maker = {.arena = &arena};
        struct sql_error  error;

        arena_init(&arena, MEM_TEST, 16 * KIB, MIB);
        assert_null(bind(refused[i].script, &maker, &error));
        assert_int_equal(error.kind, refused[i].kind);
        assert_string_equal(error.message, refused[i].message);
        expr_maker_release(&maker);
        arena_deinit(&arena);
    }
}

/* Depth is bounded where the parser's is not: long chains of one operator lean to the left. */
static void test_depth(void **state UNUSED)
{
    static char       script[20001];
    struct arena      arena;
    struct expr_maker maker = {.arena = &arena};
    struct sql_error  error;

    arena_init(&arena, MEM_TEST, 16 * KIB, 64 * MIB);
    for (size_t i = 0; i < 10000; i++) {
        memcpy(script + 2 * i, i == 9999 ? "1 " : "1+", 2);
    }
    script[20000] = '\0';
    assert_null(bind(script, &maker, &error));
    assert_int_equal(error.kind, SQL_ERROR_LIMIT);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
