#include "tests/support/crash.h"
#include "tests/support/unit.h"

#include "core/base/slog.h"

#include <stdlib.h>

static int  lines;
static char last[SLOG_LINE_BYTES + 16];

static void sink(enum slog_level level, const char *room, const char *text)
{
    (void)level;
    assert_string_equal(room, "test");
    assert_true(strlen(text) < sizeof(last));
    memcpy(last, text, strlen(text) + 1);
    lines++;
}

static void test_levels(void **state)
{
    (void)state;
    lines = 0;
    slog_set_sink(sink);
    slog_set_level(SLOG_WARN);
    slog_debug("test", "no");
    slog_info("test", "no");
    assert_int_equal(lines, 0);
    slog_warn("test", "disk %s is %d %% full", "/data", 99);
    assert_int_equal(lines, 1);
    assert_string_equal(last, "disk /data is 99 % full");
    slog_error("test", "yes");
    assert_int_equal(lines, 2);
    slog_set_level(SLOG_DEBUG);
    slog_debug("test", "now");
    assert_int_equal(lines, 3);
    slog_set_level(SLOG_INFO);
    slog_set_sink(NULL);
}

static void test_long_lines_are_cut(void **state)
{
    char text[2 * SLOG_LINE_BYTES];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    slog_set_sink(sink);
    slog_info("test", "%s", text);
    slog_set_sink(NULL);
    assert_int_equal(strlen(last), SLOG_LINE_BYTES - 1);
}

static void log_and_abort(void *argument)
{
    (void)argument;
    slog_info("test", "one line");
    abort();
}

static void test_default_is_standard_error(void **state)
{
    char text[256];

    (void)state;
    assert_true(crash_aborts(log_and_abort, NULL, text, sizeof(text)));
    assert_non_null(strstr(text, "INFO"));
    assert_non_null(strstr(text, "test"));
    assert_non_null(strstr(text, "one line\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_long_lines_are_cut),
        cmocka_unit_test(test_default_is_standard_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
