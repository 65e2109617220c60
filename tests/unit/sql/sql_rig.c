#include "tests/unit/sql/sql_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "compute/sql/sql_parse.h"

#define TEXT_BYTES ((size_t)65536)

static const char tables[] =
    "CREATE TABLE t (a BIGINT, b INT NOT NULL, s STRING, d DECIMAL(10, 2), f DOUBLE, r ROW<x INT, y "
    "STRING>, l ARRAY<ROW<p INT, q STRING>>, n ARRAY<INT>, ts TIMESTAMP(3), c AS a + 1, pt AS "
    "PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'kafka', 'topic' = "
    "'t', 'format' = 'json');"
    "CREATE TABLE o (a BIGINT, s STRING) WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');"
    "CREATE TABLE u (a BIGINT, n BIGINT, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = "
    "'upsert-kafka', 'topic' = 'u', 'key.format' = 'json', 'value.format' = 'json');"
    "CREATE TABLE p (a BIGINT, n BIGINT NOT NULL) WITH ('connector' = 'print');"
    "CREATE VIEW v AS SELECT a, s, ts, r.x AS x FROM t WHERE b = 1;";

struct text {
    char  *bytes;
    size_t len, capacity;
};

static void PRINTF_LIKE(2, 3) put(struct text *text, const char *format, ...)
{
    va_list arguments;
    int     wrote;

    va_start(arguments, format);
    wrote = vsnprintf(text->bytes + text->len, text->capacity - text->len, format, arguments);
    va_end(arguments);
    assert_true(wrote >= 0 && (size_t)wrote < text->capacity - text->len);
    text->len += (size_t)wrote;
}

static void put_error(struct text *text, const struct sql_error *error, struct view script)
{
    char message[2048];

    assert_true(sql_error_format(error, script, message, sizeof(message)) < sizeof(message));
    put(text, "%s: %s", sql_error_kind_name(error->kind), message);
}

/* The plan must be one that a job can take: inputs before their users, numbered, with columns. */
static void check_plan(const struct sql_plan *plan)
{
    uint32_t sources = 0;

    for (uint32_t i = 0; i < plan->exec.node_count; i++) {
        const struct exec_node *node = plan->exec.nodes[i];

        assert_int_equal(node->id, i);
        sources += node->kind == EXEC_SCAN;
        for (uint32_t k = 0; k < node->input_count; k++) {
            assert_true(node->inputs[k]->id < i);
        }
        for (uint32_t k = 0; node->has_key && k < node->key_count; k++) {
            assert_true(node->key[k] < node->column_count);
        }
    }
    assert_int_equal(sources, plan->exec.source_count);
    for (uint32_t i = 0; i < plan->exec.source_count; i++) {
        assert_ptr_equal(plan->sources[i].scan, plan->exec.nodes[plan->sources[i].scan->id]);
        assert_int_equal(plan->sources[i].column_count, plan->sources[i].scan->column_count);
    }
}

void sql_rig_run(struct sql_catalog *catalog, struct view script, char *out_text, size_t capacity)
{
    struct text           text = {.bytes = out_text, .capacity = capacity};
    struct sql_error      error;
    struct sql_statement *statement;
    struct arena          arena;
    struct arena          plans;

    out_text[0] = '\0';
    arena_init(&arena, MEM_TEST, 16 * KIB, MIB);
    arena_init(&plans, MEM_TEST, 64 * KIB, 64 * MIB);
    statement = sql_parse(script, &arena, &error);
    if (error.kind != SQL_OK) {
        put_error(&text, &error, script);
    }
    for (; statement != NULL; statement = statement->next) {
        struct sql_answer answer;

        if (!sql_execute(catalog, statement, script, &plans, &answer, &error)) {
            put_error(&text, &error, script);
        } else if (answer.outcome == SQL_RUN) {
            check_plan(answer.plan);
            assert_true(sql_explain(answer.plan, NULL, 0) < capacity - text.len);
            text.len += sql_explain(answer.plan, text.bytes + text.len, capacity - text.len);
            sql_plan_release(answer.plan);
        } else if (answer.text.len > 0) {
            put(&text, "%.*s", (int)answer.text.len, (const char *)answer.text.base);
        }
    }
    arena_deinit(&plans);
    arena_deinit(&arena);
}

void sql_rig_check(const struct sql_case *cases, size_t count)
{
    char *text = malloc(TEXT_BYTES);

    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        struct sql_catalog *catalog = sql_catalog_create();

        sql_rig_run(catalog, view_text(tables), text, TEXT_BYTES);
        assert_string_equal(text, "");
        sql_rig_run(catalog, view_text(cases[i].script), text, TEXT_BYTES);
        if (strcmp(text, cases[i].expected) != 0) {
            fail_msg("%s\n--- expected\n%s--- found\n%s", cases[i].script, cases[i].expected, text);
        }
        sql_catalog_destroy(catalog);
    }
    free(text);
}
