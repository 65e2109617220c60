/* Texts people type, as values. */
#include "tests/support/unit.h"

#include "tests/unit/cli/cli_rig.h"

#include <stdlib.h>
#include <time.h>

static void test_numbers_are_whole_and_inside_their_range(void **state)
{
    int64_t value = -7;

    (void)state;
    assert_true(cli_parse_number("0", 0, 10, &value));
    assert_int_equal(value, 0);
    assert_true(cli_parse_number("-5", -10, 10, &value));
    assert_int_equal(value, -5);
    assert_true(cli_parse_number("9223372036854775807", 0, INT64_MAX, &value));
    assert_false(cli_parse_number("9223372036854775808", 0, INT64_MAX, &value));
    assert_false(cli_parse_number("11", 0, 10, &value));
    assert_false(cli_parse_number("", 0, 10, &value));
    assert_false(cli_parse_number(" 1", 0, 10, &value));
    assert_false(cli_parse_number("1x", 0, 10, &value));
    assert_false(cli_parse_number("0x1", 0, 10, &value));
}

static void test_durations_have_units(void **state)
{
    static const struct {
        const char *text;
        int64_t     ms;
    } rows[] = {{"500ms", 500},    {"2s", 2000},      {"1.5s", 1500}, {"3m", 180000}, {"2h", 7200000},
                {"7d", 604800000}, {"1w", 604800000}, {"10", 10000},  {"0", 0},       {"0.25d", 21600000}};
    static const char *const wrong[] = {"", "x", "7x", "-1s", "1 s", "inf", "nan", "0x10s", "1e400s", "s"};
    int64_t                  value = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(cli_parse_duration(rows[i].text, 1000, &value));
        assert_int_equal(value, rows[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(cli_parse_duration(wrong[i], 1000, &value));
    }
}

static void test_sizes_are_powers_of_1024(void **state)
{
    static const struct {
        const char *text;
        int64_t     bytes;
    } rows[] = {{"0", 0},
                {"17", 17},
                {"17B", 17},
                {"1K", 1024},
                {"1k", 1024},
                {"1KiB", 1024},
                {"1KB", 1024},
                {"64M", 67108864},
                {"1.5G", 1610612736},
                {"2T", INT64_C(2199023255552)},
                {"1P", INT64_C(1125899906842624)}};
    static const char *const wrong[] = {"", "K", "1X", "1KK", "-1K", "1 K", "99999999P"};
    int64_t                  value = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(cli_parse_size(rows[i].text, &value));
        assert_int_equal(value, rows[i].bytes);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(cli_parse_size(wrong[i], &value));
    }
}

static void test_points_in_time(void **state)
{
    static const struct {
        const char *text;
        int64_t     ms;
    } rows[] = {{"1970-01-01T00:00:00Z", 0},
                {"2024-02-29T12:34:56.789Z", 1709210096789},
                {"2024-02-29 12:34:56Z", 1709210096000},
                {"2024-02-29T12:34Z", 1709210040000},
                {"2024-02-29T14:34:56+02:00", 1709210096000},
                {"2024-02-29T14:34:56+0200", 1709210096000},
                {"2024-02-29T07:04:56-05:30", 1709210096000},
                {"2024-02-29", 1709164800000},
                {"2024-02-29T12:34:56", 1709210096000}, /* TZ is UTC here */
                {"1709210096", 1709210096000},
                {"1709210096789", 1709210096789},
                {"now", 5000000},
                {"-1s", 4999000},
                {"-1d", 0}};
    static const char *const wrong[] = {
        "",        "yesterday", "2024-13-01",       "2024-02-29T25:00", "2024-02-29T12", "2024-02-29T12:34:56X",
        "2024-2-", "-x",        "2024-02-29T12:61", "2024-00-10"};
    int64_t value = 0;

    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(cli_parse_time(rows[i].text, 5000000, &value));
        assert_int_equal(value, rows[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(cli_parse_time(wrong[i], 5000000, &value));
    }
}

struct seen {
    int64_t values[16];
    size_t  count;
};

static void seen_add(void *context, int64_t value)
{
    struct seen *seen = context;

    assert_true(seen->count < COUNT_OF(seen->values));
    seen->values[seen->count++] = value;
}

static void test_ranges_of_partitions(void **state)
{
    static const char *const wrong[] = {"", ",", "1,", "a", "5-", "-5", "7-5", "1;2", "1-2-3", "101"};
    struct seen              seen = {0};

    (void)state;
    assert_true(cli_parse_ranges("0,2,5-7", 100, seen_add, &seen));
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.values[1], 2);
    assert_int_equal(seen.values[4], 7);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        seen.count = 0;
        assert_false(cli_parse_ranges(wrong[i], 100, seen_add, &seen));
    }
}

static void test_settings_take_units_by_their_name(void **state)
{
    struct cli cli;

    (void)state;
    cli_rig_init(&cli, &(struct cli_command){.operands_max = -1}, "");
    assert_string_equal(cli_setting_value(&cli, "retention.ms", "7d"), "604800000");
    assert_string_equal(cli_setting_value(&cli, "retention.ms", "-1"), "-1");
    assert_string_equal(cli_setting_value(&cli, "segment.bytes", "64M"), "67108864");
    assert_string_equal(cli_setting_value(&cli, "cleanup.policy", "7d"), "7d");
    assert_string_equal(cli_setting_value(&cli, "retention.ms", "soon"), "soon");
    cli_rig_deinit(&cli);
}

static void test_escapes(void **state)
{
    char   text[] = "a\\tb\\x1f\\0\\\\";
    char   wrong[] = "\\q";
    char   open[] = "x\\";
    char   short_hex[] = "\\x1";
    size_t len = 0;

    (void)state;
    assert_true(cli_unescape(text, &len));
    assert_int_equal(len, 6);
    assert_memory_equal(text, "a\tb\x1f\0\\", 6);
    assert_false(cli_unescape(wrong, &len));
    assert_false(cli_unescape(open, &len));
    assert_false(cli_unescape(short_hex, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_whole_and_inside_their_range),
        cmocka_unit_test(test_durations_have_units),
        cmocka_unit_test(test_sizes_are_powers_of_1024),
        cmocka_unit_test(test_points_in_time),
        cmocka_unit_test(test_ranges_of_partitions),
        cmocka_unit_test(test_settings_take_units_by_their_name),
        cmocka_unit_test(test_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
