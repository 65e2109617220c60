#include "compute/vec/vec_time.h"

#include "core/base/prng.h"
#include "tests/support/unit.h"

static const struct vec_time_format sql = {.separator = ' '};
static const struct vec_time_format iso = {.separator = 'T'};
static const struct vec_time_format ltz = {.separator = ' ', .zulu = true};
static const struct vec_time_format cast = {.separator = ' ', .lenient = true};

static void test_calendar(void **state)
{
    int64_t days = vec_days_from_civil(-400, 3, 1);

    (void)state;
    assert_int_equal(vec_days_from_civil(1970, 1, 1), 0);
    assert_int_equal(vec_days_from_civil(2000, 2, 29), 11016);
    assert_int_equal(vec_days_from_civil(1969, 12, 31), -1);
    assert_int_equal(vec_days_from_civil(2026, 13, 1), vec_days_from_civil(2027, 1, 1));
    assert_int_equal(vec_days_in_month(1900, 2), 28);
    assert_int_equal(vec_days_in_month(2000, 2), 29);
    /* Every day of eight centuries and more follows the one before. */
    for (int64_t year = -400; year < 2400; year++) {
        for (int32_t month = year == -400 ? 3 : 1; month <= 12; month++) {
            for (int32_t day = 1; day <= vec_days_in_month(year, month); day++, days++) {
                struct vec_civil civil = vec_civil_from_days(days);

                assert_true(civil.year == year && civil.month == month && civil.day == day);
            }
        }
    }
    assert_int_equal(days, vec_days_from_civil(2400, 1, 1));
}

static void reads(const char *text, struct vec_time_format format, const char *expected)
{
    struct vec_civil civil;
    char             out[VEC_TIME_TEXT_BYTES];

    if (!vec_timestamp_parse(view_text(text), format, &civil)) {
        if (expected != NULL) {
            fail_msg("'%s' was refused", text);
        }
        return;
    }
    if (expected == NULL) {
        fail_msg("'%s' was read", text);
    }
    assert_int_equal(vec_timestamp_format(civil, ' ', -1, out), strlen(expected));
    assert_string_equal(out, expected);
}

static void test_texts(void **state)
{
    (void)state;
    reads("2026-01-02 03:04:05", sql, "2026-01-02 03:04:05");
    reads("2026-01-02 03:04:05.120", sql, "2026-01-02 03:04:05.12");
    reads("2026-01-02 03:04:05.", sql, "2026-01-02 03:04:05");
    reads("2026-01-02 03:04:05.000000001", sql, "2026-01-02 03:04:05.000000001");
    reads("0001-01-01 00:00:00", sql, "0001-01-01 00:00:00");
    reads("+12026-01-02 03:04:05", sql, "+12026-01-02 03:04:05");
    reads("-0001-01-02 03:04:05", sql, "-0001-01-02 03:04:05");
    reads("2024-02-29 00:00:00", sql, "2024-02-29 00:00:00");
    reads("2026-01-02T03:04:05", iso, "2026-01-02 03:04:05");
    reads("2026-01-02 03:04:05.5Z", ltz, "2026-01-02 03:04:05.5");
    reads("2026-1-2 3:4:5", cast, "2026-01-02 03:04:05");
    reads("2026-01-02", cast, "2026-01-02 00:00:00");
    reads("2026-01-02T03:04", cast, "2026-01-02 03:04:00");
    reads("2026-01-02T03:04:05", sql, NULL);
    reads("2026-01-02 03:04:05", iso, NULL);
    reads("2026-01-02 03:04:05", ltz, NULL);
    reads("2026-01-02 03:04:05Z", sql, NULL);
    reads("2026-01-02 03:04", sql, NULL);
    reads("2026-1-2 03:04:05", sql, NULL);
    reads("2026-02-29 03:04:05", sql, NULL);
    reads("2026-13-01 03:04:05", sql, NULL);
    reads("2026-01-02 24:00:00", sql, NULL);
    reads("2026-01-02 03:04:60", sql, NULL);
    reads("2026-01-02 03:04:05.0000000001", sql, NULL);
    reads("+2026-01-02 03:04:05", sql, NULL);
    reads("12026-01-02 03:04:05", sql, NULL);
    reads("", sql, NULL);
    reads(" 2026-01-02 03:04:05", sql, NULL);
}

static void test_values(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 5);
    for (int i = 0; i < 20000; i++) {
        vec_int128 us = (vec_int128)(int64_t)(prng_next(&prng) >> 6) - ((vec_int128)1 << 57);
        vec_int128 ns = us * 1000 + (int64_t)prng_below(&prng, 1000);

        assert_true(vec_timestamp_of(vec_civil_of_timestamp(us, 1000000), 1000000) == us);
        assert_true(vec_timestamp_of(vec_civil_of_timestamp(ns, NS_PER_S), NS_PER_S) == ns);
    }
    assert_int_equal(vec_civil_of_timestamp(-1, 1000000).second, 59);
    assert_int_equal(vec_floor_divide(-1, 10), -1);
    assert_int_equal(vec_floor_remainder(-1, 10), 9);
}

static void test_dates_and_times(void **state)
{
    int32_t days = 7;
    int32_t ms = 7;
    char    text[VEC_TIME_TEXT_BYTES];

    (void)state;
    assert_true(vec_date_parse(view_text("2026-01-02"), false, &days));
    vec_date_format(days, text);
    assert_string_equal(text, "2026-01-02");
    assert_true(vec_date_parse(view_text("2026-3"), true, &days));
    vec_date_format(days, text);
    assert_string_equal(text, "2026-03-01");
    assert_false(vec_date_parse(view_text("2026-3"), false, &days));
    assert_false(vec_date_parse(view_text("2026-01-02 "), false, &days));
    assert_true(vec_time_parse(view_text("23:59:59.1239"), &ms));
    assert_int_equal(ms, 86399123);
    vec_time_format_ms(ms, -1, text);
    assert_string_equal(text, "23:59:59.123");
    vec_time_format_ms(0, 0, text);
    assert_string_equal(text, "00:00:00");
    assert_false(vec_time_parse(view_text("24:00:00"), &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_dates_and_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
