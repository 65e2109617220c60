/* Floating point numbers as Java writes and reads them. */
#include "compute/vec/vec_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/prng.h"
#include "tests/support/unit.h"

static void expect_double(double value, const char *expected)
{
    char   text[VEC_NUMBER_TEXT_BYTES];
    size_t len = vec_double_format(value, text);

    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
}

static void expect_float(float value, const char *expected)
{
    char text[VEC_NUMBER_TEXT_BYTES];

    assert_int_equal(vec_float_format(value, text), strlen(expected));
    assert_string_equal(text, expected);
}

/* Plain from 1E-3 to below 1E7, with an exponent elsewhere; always a digit behind the point. */
static void test_double_texts(void **state)
{
    (void)state;
    expect_double(0.0, "0.0");
    expect_double(-0.0, "-0.0");
    expect_double(1.0, "1.0");
    expect_double(100.0, "100.0");
    expect_double(0.001, "0.001");
    expect_double(0.000999, "9.99E-4");
    expect_double(9999999.0, "9999999.0");
    expect_double(1e7, "1.0E7");
    expect_double(123456789.125, "1.23456789125E8");
    expect_double(1e23, "1.0E23");
    expect_double(2e-323, "2.0E-323");
    expect_double(4.9e-324, "4.9E-324");
    expect_double(1.7976931348623157e308, "1.7976931348623157E308");
    expect_double(0.1 + 0.2, "0.30000000000000004");
    expect_double(-12.5, "-12.5");
    expect_double((double)NAN, "NaN");
    expect_double((double)INFINITY, "Infinity");
    expect_double((double)-INFINITY, "-Infinity");
}

static void test_float_texts(void **state)
{
    (void)state;
    expect_float(0.1F, "0.1");
    expect_float(16777216.0F, "1.6777216E7");
    expect_float(3.4028235e38F, "3.4028235E38");
    expect_float(1.4e-45F, "1.4E-45");
    expect_float(0.001F, "0.001");
    expect_float(-2.75F, "-2.75");
    expect_float((float)NAN, "NaN");
}

/* Without zeros at either end. */
static size_t significant_digits(const char *text)
{
    size_t count = 0;
    size_t zeros = 0;

    for (; *text != '\0' && *text != 'E'; text++) {
        if (*text == '0') {
            zeros += count > 0;
        } else if (*text >= '1' && *text <= '9') {
            count += zeros + 1;
            zeros = 0;
        }
    }
    return count;
}

/* Whatever is written reads back to the same bits, and no shorter text would. */
static void test_round_trips(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 42);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = prng_next(&prng);
        double   value;
        double   back = 0;
        char     text[VEC_NUMBER_TEXT_BYTES];
        char     shorter[64];
        size_t   digits;

        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) {
            continue;
        }
        (void)vec_double_format(value, text);
        assert_true(vec_double_parse(view_text(text), &back));
        assert_memory_equal(&value, &back, sizeof(value));
        digits = significant_digits(text);
        if (digits > 1) {
            (void)snprintf(shorter, sizeof(shorter), "%.*e", (int)digits - 2, value);
            assert_true(strtod(shorter, NULL) != value);
        }
    }
}

static void test_reading(void **state)
{
    static const char *const good[] = {"1", "-1.5", "+2", ".5", "5.", "1e3", "1E-3", "NaN", "Infinity", "-Infinity"};
    static const double      values[] = {1, -1.5, 2, 0.5, 5, 1000, 0.001, 0, 0, 0};
    static const char *const bad[] = {"", ".", "e3", "1e", "1 2", "0x10", "inf", "nan", "1..2", "--1", "1e+", " 1"};
    double                   value = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(vec_double_parse(view_text(good[i]), &value));
        if (i < 7) {
            assert_true(value == values[i]);
        }
    }
    assert_true(isinf(value) && value < 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (vec_double_parse(view_text(bad[i]), &value)) {
            fail_msg("'%s' reads", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double_texts),
        cmocka_unit_test(test_float_texts),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
