/* Answers of a server in every form. */
#include "tests/support/unit.h"

#include "tools/cli/cli_sql_show.h"

#include <stdlib.h>

static char *shown;

static struct sql_show *show_of(enum sql_output output, const char *const *lines, size_t count)
{
    static struct sql_show show;
    size_t                 len = 0;

    free(shown);
    shown = NULL;
    sql_show_init(&show, NULL, open_memstream(&shown, &len), output);
    sql_show_reset(&show);
    for (size_t i = 0; i < count; i++) {
        assert_true(sql_show_line(&show, view_text(lines[i])));
    }
    sql_show_idle(&show);
    sql_show_end(&show);
    (void)fclose(show.to);
    return &show;
}

static const char rows_head[] =
    "{\"columns\":[{\"name\":\"n\",\"type\":\"BIGINT NOT NULL\"},{\"name\":\"te,xt\",\"type\":\"STRING\"},"
    "{\"name\":\"d\",\"type\":\"DECIMAL(38, 2)\"}]}";
static const char *const rows[] = {
    rows_head,
    "{\"op\":\"+I\",\"row\":[1,\"a\",12345678901234567890123456789012345678.90]}",
    "",
    "{\"progress\":{\"records-in\":7,\"watermark\":1700000000123}}",
    "{\"op\":\"-U\",\"row\":[20,null,0.10]}",
    "{\"op\":\"+U\",\"row\":[20,\"x, \\\"y\\\"\\n\",0.10]}",
};

static void test_rows_table(void **state UNUSED)
{
    struct sql_show *show = show_of(SQL_OUTPUT_TABLE, rows, COUNT_OF(rows));

    assert_string_equal(shown, "op       n  te,xt                                            d\n"
                               "+I       1  a        12345678901234567890123456789012345678.90\n"
                               "-U      20  <NULL>                                        0.10\n"
                               "+U      20  x, \"y\"                                        0.10\n");
    assert_int_equal(show->row_count, 3);
    assert_int_equal(show->records_in, 7);
    assert_int_equal(show->watermark_ms, 1700000000123);
    assert_false(show->failed);
    sql_show_deinit(show);
}

static void test_rows_json(void **state UNUSED)
{
    sql_show_deinit(show_of(SQL_OUTPUT_JSON, rows, COUNT_OF(rows)));
    assert_string_equal(shown,
                        "{\"op\":\"+I\",\"n\":1,\"te,xt\":\"a\",\"d\":12345678901234567890123456789012345678.90}\n"
                        "{\"op\":\"-U\",\"n\":20,\"te,xt\":null,\"d\":0.10}\n"
                        "{\"op\":\"+U\",\"n\":20,\"te,xt\":\"x, \\\"y\\\"\\n\",\"d\":0.10}\n");
}

static void test_rows_csv(void **state UNUSED)
{
    sql_show_deinit(show_of(SQL_OUTPUT_CSV, rows, COUNT_OF(rows)));
    assert_string_equal(shown, "op,n,\"te,xt\",d\n"
                               "+I,1,a,12345678901234567890123456789012345678.90\n"
                               "-U,20,,0.10\n"
                               "+U,20,\"x, \"\"y\"\"\n\",0.10\n");
}

/* Nothing but the head: the query has no rows. */
static void test_no_rows(void **state UNUSED)
{
    sql_show_deinit(show_of(SQL_OUTPUT_TABLE, rows, 1));
    assert_string_equal(shown, "op       n  te,xt       d\n");
    sql_show_deinit(show_of(SQL_OUTPUT_JSON, rows, 1));
    assert_true(shown == NULL || shown[0] == '\0');
}

static const char *const answers[] = {
    "{\"statement\":0,\"result\":\"OK\"}",
    "{\"statement\":1,\"table\":[\"name\",\"type\"],\"rows\":[[\"b\",\"BIGINT\"],[\"long name\",\"\"]]}",
    "{\"statement\":2,\"job\":\"00ff\"}",
    "{\"statement\":3,\"result\":\"== Plan ==\\nSCAN\"}",
};

static void test_statements(void **state UNUSED)
{
    struct sql_show *show = show_of(SQL_OUTPUT_TABLE, answers, COUNT_OF(answers));

    assert_string_equal(shown, "name       type\n"
                               "b          BIGINT\n"
                               "long name  \n"
                               "Job ID: 00ff\n"
                               "== Plan ==\nSCAN\n");
    assert_string_equal(show->job_id, "00ff");
    sql_show_deinit(show);
    sql_show_deinit(show_of(SQL_OUTPUT_JSON, answers, COUNT_OF(answers)));
    assert_string_equal(shown, "{\"result\":\"OK\"}\n"
                               "{\"name\":\"b\",\"type\":\"BIGINT\"}\n"
                               "{\"name\":\"long name\",\"type\":\"\"}\n"
                               "{\"job\":\"00ff\"}\n"
                               "{\"result\":\"== Plan ==\\nSCAN\"}\n");
    sql_show_deinit(show_of(SQL_OUTPUT_CSV, answers, 2));
    assert_string_equal(shown, "name,type\nb,BIGINT\nlong name,\n");
}

static void test_failures(void **state UNUSED)
{
    static const char *const failed[] = {
        "{\"statement\":0,\"result\":\"OK\"}",
        "{\"errors\":[\"line 1: no\",\"really\"],\"statement\":1,\"status\":400}",
    };
    struct sql_show *show = show_of(SQL_OUTPUT_TABLE, failed, COUNT_OF(failed));

    assert_true(show->failed);
    assert_int_equal(show->status, 400);
    assert_string_equal(show->message.base, "line 1: no; really");
    sql_show_reset(show);
    assert_false(show->failed);
    assert_false(sql_show_line(show, view_text("<html>")));
    assert_false(sql_show_line(show, view_text("{}")));
    sql_show_deinit(show);
    free(shown);
    shown = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_table), cmocka_unit_test(test_rows_json),  cmocka_unit_test(test_rows_csv),
        cmocka_unit_test(test_no_rows),    cmocka_unit_test(test_statements), cmocka_unit_test(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
