/* Results as Flink's client shows them: the table as it stands, the frame. */
#include "tests/support/unit.h"

#include "tools/cli/cli_sql_show.h"

#include <stdlib.h>

static struct sql_show show;
static char           *shown;
static size_t          shown_len;

static void begin(const char *mode, bool is_terminal, enum sql_output output)
{
    char line[512];

    sql_show_init(&show, NULL, open_memstream(&shown, &shown_len), output);
    show.is_terminal = is_terminal;
    show.width = 40;
    show.height = 6;
    sql_show_reset(&show);
    (void)snprintf(
        line, sizeof(line),
        "{\"columns\":[{\"name\":\"n\",\"type\":\"BIGINT NOT NULL\"},{\"name\":\"text\",\"type\":\"STRING\"}],"
        "\"result-mode\":\"%s\"}",
        mode);
    assert_true(sql_show_line(&show, view_text(line)));
}

static void row(const char *op, int n, const char *text)
{
    char line[512];

    (void)snprintf(line, sizeof(line), "{\"op\":\"%s\",\"row\":[%d,\"%s\"]}", op, n, text);
    assert_true(sql_show_line(&show, view_text(line)));
}

static const char *flushed(void)
{
    (void)fflush(show.to);
    return shown;
}

static void end(void)
{
    sql_show_deinit(&show);
    (void)fclose(show.to);
    free(shown);
    shown = NULL;
}

static void test_a_table_in_place(void **state UNUSED)
{
    const char *again;

    begin("TABLE", true, SQL_OUTPUT_TABLE);
    row("+I", 1, "one");
    row("+I", 2, "two");
    sql_show_idle(&show);
    assert_string_equal(flushed(), "     n  text\033[K\n     1  one\033[K\n     2  two\033[K\n"
                                   "-- 2 rows; 0 records, 0/s; Ctrl-C ends \033[K\n\033[J");
    again = flushed() + shown_len;
    row("-U", 1, "one");
    row("+U", 1, "uno");
    show.drawn_ms = 0;
    assert_true(sql_show_line(&show, view_text("{\"progress\":{\"records-in\":3,\"watermark\":null}}")));
    again = flushed() + (again - shown);
    assert_non_null(strstr(again, "\r\033[4A     n  text\033[K\n     1  uno\033[K\n     2  two\033[K\n"));
    row("-D", 2, "two");
    sql_show_idle(&show); /* too soon after the last */
    assert_true(sql_show_line(&show, view_text("{\"statement\":0,\"result\":\"OK\"}")));
    again = strrchr(flushed(), '\r');
    assert_string_equal(again, "\r\033[4A\033[J     n  text\n     1  uno\n");
    assert_int_equal(show.row_count, 1);
    sql_show_end(&show);
    assert_string_equal(strrchr(flushed(), '\r'), "\r\033[4A\033[J     n  text\n     1  uno\n");
    end();
}

/* More rows than the screen has: the newest, and it says so; at the end all. */
static void test_more_than_the_screen(void **state UNUSED)
{
    begin("table", true, SQL_OUTPUT_TABLE);
    for (int i = 0; i < 9; i++) {
        row("+I", i, "x");
    }
    sql_show_idle(&show);
    assert_null(strstr(flushed(), "     5  x"));
    assert_non_null(
        strstr(flushed(), "     6  x\033[K\n     7  x\033[K\n     8  x\033[K\n-- 9 rows, the last 3 shown; "));
    sql_show_end(&show);
    assert_non_null(strstr(flushed(), "\033[J     n  text\n     0  x\n     1  x\n"));
    end();
}

static void test_without_a_terminal(void **state UNUSED)
{
    begin("table", false, SQL_OUTPUT_TABLE);
    row("+I", 1, "one");
    sql_show_end(&show);
    assert_string_equal(flushed(), "op       n  text\n+I       1  one\n");
    end();
    begin("tableau", true, SQL_OUTPUT_CSV); /* the command line says more than the session */
    row("+I", 1, "one");
    sql_show_end(&show);
    assert_string_equal(flushed(), "op,n,text\n+I,1,one\n");
    end();
    begin("changelog", true, SQL_OUTPUT_TABLE);
    row("-D", 1, "one");
    sql_show_end(&show);
    assert_string_equal(flushed(), "op       n  text\n-D       1  one\n");
    end();
}

#define BORDER "+----+----------------------+--------------------------------+\n"

static void test_a_frame(void **state UNUSED)
{
    begin("tableau", false, SQL_OUTPUT_TABLE);
    row("+I", 1, "one");
    row("-U", -20, "a text of more than thirty letters");
    sql_show_idle(&show);
    sql_show_end(&show);
    assert_string_equal(flushed(), BORDER "| op |                    n |                           text |\n" BORDER
                                          "| +I |                    1 |                            one |\n"
                                          "| -U |                  -20 | a text of more than thirty ... |\n" BORDER
                                          "Received a total of 2 rows\n");
    end();
    begin("tableau", false, SQL_OUTPUT_TABLE);
    sql_show_end(&show);
    assert_string_equal(flushed(), BORDER "| op |                    n |                           text |\n" BORDER
                                          "Received a total of 0 row\n");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_table_in_place),
        cmocka_unit_test(test_more_than_the_screen),
        cmocka_unit_test(test_without_a_terminal),
        cmocka_unit_test(test_a_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
