/* What drivers read of a source: key and value columns as schemas, offsets by number. */
#include "tests/support/unit.h"

#include "compute/sql/sql.h"
#include "compute/sql/sql_parse.h"

static struct {
    struct sql_catalog *catalog;
    struct arena        arena;
    struct sql_plan    *plan;
} it;

static void plan(const char *script)
{
    struct sql_error      error = {0};
    struct sql_statement *statement = sql_parse(view_text(script), &it.arena, &error);
    struct sql_answer     answer = {0};

    for (; statement != NULL; statement = statement->next) {
        if (!sql_execute(it.catalog, statement, view_text(script), &it.arena, &answer, &error)) {
            fail_msg("%s", error.message);
        }
    }
    assert_int_equal(answer.outcome, SQL_RUN);
    it.plan = answer.plan;
}

static int setup(void **state UNUSED)
{
    it.catalog = sql_catalog_create();
    arena_init(&it.arena, MEM_TEST, 16 * KIB, SIZE_MAX);
    return 0;
}

static int teardown(void **state UNUSED)
{
    if (it.plan != NULL) {
        sql_plan_release(it.plan);
        it.plan = NULL;
    }
    sql_catalog_destroy(it.catalog);
    arena_deinit(&it.arena);
    return 0;
}

static void assert_name(struct view name, const char *wanted)
{
    assert_true(view_equal(name, view_text(wanted)));
}

static void key_and_value_columns_part(void **state UNUSED)
{
    struct format_schema schema;

    plan("CREATE TABLE s (k1 STRING, a INT, k2 INT, b STRING, o BIGINT METADATA FROM 'offset' VIRTUAL) WITH ("
         "'connector' = 'kafka', 'topic' = 's', 'value.format' = 'csv', 'key.format' = 'json', 'key.fields' = 'k1;k2', "
         "'value.fields-include' = 'EXCEPT_KEY');"
         "SELECT b, o, k2 FROM s;");
    assert_true(sql_source_schema(&it.plan->sources[0], false, &it.arena, &schema));
    assert_int_equal(schema.options->kind, FORMAT_CSV);
    assert_int_equal(schema.field_count, 2);
    assert_name(schema.fields[0].name, "a");
    assert_name(schema.fields[1].name, "b");
    assert_int_equal(schema.column_count, 1);
    assert_name(schema.columns[0].name, "b");
    assert_int_equal(schema.positions[0], 1);
    assert_true(sql_source_schema(&it.plan->sources[0], true, &it.arena, &schema));
    assert_int_equal(schema.options->kind, FORMAT_JSON);
    assert_int_equal(schema.field_count, 2);
    assert_int_equal(schema.column_count, 1);
    assert_name(schema.columns[0].name, "k2");
    assert_int_equal(schema.positions[0], 1);
}

/* A column in both is the value's, as in Flink, whose value projection is written last. */
static void a_column_in_both_is_the_values(void **state UNUSED)
{
    struct format_schema schema;

    plan("CREATE TABLE s (k STRING, a INT) WITH ('connector' = 'kafka', 'topic' = 's', 'value.format' = 'json', "
         "'key.format' = 'json', 'key.fields' = 'k');"
         "SELECT a, k FROM s WHERE a > 1;");
    assert_true(sql_source_schema(&it.plan->sources[0], false, &it.arena, &schema));
    assert_int_equal(schema.column_count, 2);
    assert_true(sql_source_schema(&it.plan->sources[0], true, &it.arena, &schema));
    assert_int_equal(schema.column_count, 0);
    assert_int_equal(schema.field_count, 1);
    assert_null(schema.needed);
}

static void assert_offset(const char *text, int32_t partition, int64_t wanted)
{
    int64_t offset = -2;

    assert_true(sql_specific_offset(view_text(text), partition, &offset));
    assert_int_equal(offset, wanted);
}

static void offsets_by_number(void **state UNUSED)
{
    static const char *const wrong[] = {"partition:0",          "partition:0,offset",
                                        "partition:0;offset:1", "0:1",
                                        "partition:0,offset:x", "partition:0,offset:1 partition:1,offset:1",
                                        "partition:0,offset:-1"};
    int64_t                  offset;

    assert_offset("partition:0,offset:42;partition:1,offset:300", 0, 42);
    assert_offset("partition:0,offset:42;partition:1,offset:300", 1, 300);
    assert_offset("partition:0,offset:42;partition:1,offset:300", 2, -1);
    assert_offset(" partition : 3 , offset : 0 ; ", 3, 0);
    assert_offset("", 0, -1);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(sql_specific_offset(view_text(wrong[i]), 0, &offset));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(key_and_value_columns_part, setup, teardown),
        cmocka_unit_test_setup_teardown(a_column_in_both_is_the_values, setup, teardown),
        cmocka_unit_test(offsets_by_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
