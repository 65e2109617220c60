#include "compute/vec/vec_decimal.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"

/* --- 256-bit magnitudes ------------------------------------------------------------------------------------------- */

struct wide {
    vec_uint128 high, low;
};

#define LOW_64(value)  ((vec_uint128)(uint64_t)(value))
#define HIGH_64(value) ((vec_uint128)(uint64_t)((value) >> 64))

static vec_uint128 magnitude(vec_int128 value)
{
    return value < 0 ? -(vec_uint128)value : (vec_uint128)value;
}

static struct wide wide_multiply(vec_uint128 a, vec_uint128 b)
{
    vec_uint128 low = LOW_64(a) * LOW_64(b);
    vec_uint128 cross = HIGH_64(a) * LOW_64(b);
    vec_uint128 other = LOW_64(a) * HIGH_64(b);
    vec_uint128 middle = HIGH_64(low) + LOW_64(cross) + LOW_64(other);

    return (struct wide){
        .high = HIGH_64(a) * HIGH_64(b) + HIGH_64(cross) + HIGH_64(other) + HIGH_64(middle),
        .low = (middle << 64) | LOW_64(low),
    };
}

static int wide_compare(struct wide a, struct wide b)
{
    if (a.high != b.high) {
        return a.high < b.high ? -1 : 1;
    }
    return (a.low > b.low) - (a.low < b.low);
}

static struct wide wide_add(struct wide a, struct wide b)
{
    struct wide sum = {.high = a.high + b.high, .low = a.low + b.low};

    sum.high += sum.low < a.low;
    return sum;
}

/* a >= b */
static struct wide wide_subtract(struct wide a, struct wide b)
{
    return (struct wide){.high = a.high - b.high - (a.low < b.low), .low = a.low - b.low};
}

/* Shift and subtract, a bit at a time: long values are rare, and this needs no proof. */
static struct wide wide_divide(struct wide a, struct wide divisor, struct wide *out_remainder)
{
    struct wide quotient = {0, 0};
    struct wide remainder = {0, 0};

    for (int bit = 255; bit >= 0; bit--) {
        bool carry = remainder.high >> 127;

        remainder.high = (remainder.high << 1) | (remainder.low >> 127);
        remainder.low = (remainder.low << 1) | ((bit >= 128 ? a.high >> (bit - 128) : a.low >> bit) & 1);
        if (carry || wide_compare(remainder, divisor) >= 0) {
            remainder = wide_subtract(remainder, divisor);
            if (bit >= 128) {
                quotient.high |= (vec_uint128)1 << (bit - 128);
            } else {
                quotient.low |= (vec_uint128)1 << bit;
            }
        }
    }
    *out_remainder = remainder;
    return quotient;
}

/* a / divisor, half up. False when the quotient has more than 128 bits. */
static bool wide_divide_half_up(struct wide a, vec_uint128 divisor, vec_uint128 *out_quotient)
{
    struct wide quotient;
    struct wide remainder;

    if (a.high == 0) {
        quotient = (struct wide){0, a.low / divisor};
        remainder = (struct wide){0, a.low % divisor};
    } else {
        quotient = wide_divide(a, (struct wide){0, divisor}, &remainder);
    }
    if (quotient.high != 0) {
        return false;
    }
    /* remainder * 2 >= divisor, without the overflow of the left side. */
    *out_quotient = quotient.low + (remainder.low >= divisor - remainder.low);
    return true;
}

/* --- powers, digits ----------------------------------------------------------------------------------------------- */

vec_uint128 vec_power_of_ten(int digits)
{
    static const uint64_t powers[] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };

    CHECK(digits >= 0 && digits <= VEC_DECIMAL_DIGITS_MAX);
    return digits <= 19 ? powers[digits] : (vec_uint128)powers[19] * powers[digits - 19];
}

int vec_decimal_digits(vec_int128 value)
{
    vec_uint128 rest = magnitude(value);
    int         low = 0;
    int         high = VEC_DECIMAL_DIGITS_MAX + 1;

    while (low < high) { /* the smallest d with rest < 10^d */
        int middle = (low + high) / 2;

        if (middle > VEC_DECIMAL_DIGITS_MAX || rest < vec_power_of_ten(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

bool vec_decimal_fits(vec_int128 value, int precision)
{
    return magnitude(value) < vec_power_of_ten(precision);
}

/* --- results ------------------------------------------------------------------------------------------------------ */

/* A magnitude of some scale, which may be negative or beyond 38, as a value of DECIMAL(precision, scale). */
static bool settle(struct wide value, bool negative, int value_scale, int precision, int scale, vec_int128 *out_value)
{
    vec_uint128 result;

    if (scale >= value_scale) {
        int up = scale - value_scale;

        if (value.high == 0 && value.low == 0) {
            *out_value = 0;
            return true;
        }
        if (value.high != 0 || up > VEC_DECIMAL_DIGITS_MAX) {
            return false;
        }
        value = wide_multiply(value.low, vec_power_of_ten(up));
        if (value.high != 0) {
            return false;
        }
        result = value.low;
    } else {
        int down = value_scale - scale;

        /* Digits are dropped before the last step: none of them can decide a half-up rounding at a later place, because
         * that looks at one digit only, and truncation keeps it. */
        while (down > VEC_DECIMAL_DIGITS_MAX) {
            struct wide dropped;
            int         step = MIN(down - 1, VEC_DECIMAL_DIGITS_MAX);

            value = wide_divide(value, (struct wide){0, vec_power_of_ten(step)}, &dropped);
            down -= step;
        }
        if (!wide_divide_half_up(value, vec_power_of_ten(down), &result)) {
            return false;
        }
    }
    if (result >= vec_power_of_ten(precision)) {
        return false;
    }
    *out_value = negative ? -(vec_int128)result : (vec_int128)result;
    return true;
}

bool vec_decimal_rescale(struct vec_decimal a, int precision, int scale, vec_int128 *out_value)
{
    return settle((struct wide){0, magnitude(a.value)}, a.value < 0, a.scale, precision, scale, out_value);
}

static struct wide aligned(struct vec_decimal a, int scale)
{
    return wide_multiply(magnitude(a.value), vec_power_of_ten(scale - a.scale));
}

bool vec_decimal_add(struct vec_decimal a, struct vec_decimal b, int precision, int scale, vec_int128 *out_value)
{
    int         common = MAX(a.scale, b.scale);
    struct wide left = aligned(a, common);
    struct wide right = aligned(b, common);
    bool        negative = a.value < 0;

    if ((a.value < 0) == (b.value < 0)) {
        left = wide_add(left, right);
    } else if (wide_compare(left, right) >= 0) {
        left = wide_subtract(left, right);
    } else {
        left = wide_subtract(right, left);
        negative = !negative;
    }
    return settle(left, negative, common, precision, scale, out_value);
}

bool vec_decimal_subtract(struct vec_decimal a, struct vec_decimal b, int precision, int scale, vec_int128 *out_value)
{
    b.value = -b.value;
    return vec_decimal_add(a, b, precision, scale, out_value);
}

bool vec_decimal_multiply(struct vec_decimal a, struct vec_decimal b, int precision, int scale, vec_int128 *out_value)
{
    return settle(wide_multiply(magnitude(a.value), magnitude(b.value)), (a.value < 0) != (b.value < 0),
                  a.scale + b.scale, precision, scale, out_value);
}

bool vec_decimal_divide(struct vec_decimal a, struct vec_decimal b, int precision, int scale, vec_int128 *out_value)
{
    vec_uint128 numerator = magnitude(a.value);
    vec_uint128 denominator = magnitude(b.value);
    vec_uint128 quotient;
    int         shift = VEC_DECIMAL_DIGITS_MAX - 1 - (vec_decimal_digits(a.value) - vec_decimal_digits(b.value));

    CHECK(denominator != 0);
    if (numerator == 0) {
        *out_value = 0;
        return true;
    }
    /* With this shift the quotient has 37 or 38 digits; with one more, exactly 38. */
    for (;;) {
        int         first = MAX(shift - VEC_DECIMAL_DIGITS_MAX, 0); /* then the product has one word */
        struct wide shifted = wide_multiply(numerator, vec_power_of_ten(first));
        struct wide remainder;
        struct wide whole;

        CHECK(shifted.high == 0);
        shifted = wide_multiply(shifted.low, vec_power_of_ten(shift - first));
        whole = wide_divide(shifted, (struct wide){0, denominator}, &remainder);
        CHECK(whole.high == 0);
        if (whole.low >= vec_power_of_ten(VEC_DECIMAL_DIGITS_MAX - 1)) {
            quotient = whole.low + (remainder.low >= denominator - remainder.low);
            break;
        }
        shift++;
    }
    return settle((struct wide){0, quotient}, (a.value < 0) != (b.value < 0), shift + a.scale - b.scale, precision,
                  scale, out_value);
}

bool vec_decimal_remainder(struct vec_decimal a, struct vec_decimal b, int precision, int scale, vec_int128 *out_value)
{
    int         common = MAX(a.scale, b.scale);
    struct wide remainder;

    CHECK(b.value != 0);
    (void)wide_divide(aligned(a, common), aligned(b, common), &remainder);
    return settle(remainder, a.value < 0, common, precision, scale, out_value);
}

int vec_decimal_compare(struct vec_decimal a, struct vec_decimal b)
{
    int common = MAX(a.scale, b.scale);
    int order;

    if ((a.value < 0) != (b.value < 0)) {
        return a.value < 0 ? -1 : 1;
    }
    order = wide_compare(aligned(a, common), aligned(b, common));
    return a.value < 0 ? -order : order;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Where a number's parts stand in its text. */
struct number_text {
    bool        negative;
    struct view whole, fraction;
    int64_t     exponent;
};

static struct view take_digits(struct view text, size_t *at)
{
    size_t start = *at;

    while (*at < text.len && is_digit(text.base[*at])) {
        (*at)++;
    }
    return view_of(text.base + start, *at - start);
}

static bool scan_exponent(struct view text, size_t *at, int64_t *out_exponent)
{
    bool        negative = false;
    struct view digits;
    int64_t     value = 0;

    (*at)++;
    if (*at < text.len && (text.base[*at] == '+' || text.base[*at] == '-')) {
        negative = text.base[*at] == '-';
        (*at)++;
    }
    digits = take_digits(text, at);
    for (size_t i = 0; i < digits.len; i++) {
        value = MIN(value * 10 + (digits.base[i] - '0'), INT32_MAX); /* far beyond any digit that could matter */
    }
    *out_exponent = negative ? -value : value;
    return digits.len > 0;
}

static bool scan_number(struct view text, struct number_text *out)
{
    size_t at = 0;

    *out = (struct number_text){.negative = false};
    if (text.len > 0 && (text.base[0] == '+' || text.base[0] == '-')) {
        out->negative = text.base[0] == '-';
        at = 1;
    }
    out->whole = take_digits(text, &at);
    if (at < text.len && text.base[at] == '.') {
        at++;
        out->fraction = take_digits(text, &at);
    }
    if (out->whole.len + out->fraction.len == 0) {
        return false;
    }
    if (at < text.len && (text.base[at] == 'e' || text.base[at] == 'E') && !scan_exponent(text, &at, &out->exponent)) {
        return false;
    }
    return at == text.len;
}

static uint8_t digit_at(const struct number_text *number, size_t i)
{
    uint8_t c = i < number->whole.len ? number->whole.base[i] : number->fraction.base[i - number->whole.len];

    return (uint8_t)(c - '0');
}

enum vec_parse vec_decimal_parse(struct view text, int precision, int scale, vec_int128 *out_value)
{
    struct number_text number;
    size_t             digit_count;
    size_t             first = 0;
    int64_t            kept;
    vec_uint128        value = 0;

    if (!scan_number(text, &number)) {
        return VEC_PARSE_MALFORMED;
    }
    digit_count = number.whole.len + number.fraction.len;
    while (first < digit_count && digit_at(&number, first) == 0) {
        first++;
    }
    /* How many digits from the first on stand at or above the last place that is kept. */
    kept = (int64_t)number.whole.len - (int64_t)first + number.exponent + scale;
    if (first == digit_count || kept < 0) {
        *out_value = 0;
        return VEC_PARSE_OK;
    }
    if (kept > precision) {
        return VEC_PARSE_OVERFLOW;
    }
    for (int64_t i = 0; i < kept; i++) {
        size_t at = first + (size_t)i;

        value = value * 10 + (at < digit_count ? digit_at(&number, at) : 0);
    }
    if (first + (size_t)kept < digit_count && digit_at(&number, first + (size_t)kept) >= 5) {
        value++;
    }
    if (value >= vec_power_of_ten(precision)) {
        return VEC_PARSE_OVERFLOW;
    }
    *out_value = number.negative ? -(vec_int128)value : (vec_int128)value;
    return VEC_PARSE_OK;
}

/* The digits without sign; returns how many ("0" for zero). */
static size_t digits_of(vec_int128 value, char out_digits[VEC_DECIMAL_DIGITS_MAX + 2])
{
    vec_uint128 rest = magnitude(value);
    size_t      count = (size_t)MAX(vec_decimal_digits(value), 1);

    for (size_t i = count; i > 0; i--) {
        out_digits[i - 1] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    return count;
}

/* digits with the point `scale` places from the right; zeros are filled in. */
static size_t put_point(char *out, const char *digits, size_t count, size_t scale)
{
    size_t len = 0;

    if (scale == 0) {
        memcpy(out, digits, count);
        return count;
    }
    if (count <= scale) {
        out[len++] = '0';
        out[len++] = '.';
        for (size_t i = count; i < scale; i++) {
            out[len++] = '0';
        }
        memcpy(out + len, digits, count);
        return len + count;
    }
    memcpy(out, digits, count - scale);
    out[count - scale] = '.';
    memcpy(out + count - scale + 1, digits + count - scale, scale);
    return count + 1;
}

size_t vec_decimal_format(struct vec_decimal a, char out_text[VEC_DECIMAL_TEXT_BYTES])
{
    char   digits[VEC_DECIMAL_DIGITS_MAX + 2];
    size_t count = digits_of(a.value, digits);
    size_t len = 0;

    if (a.value < 0) {
        out_text[len++] = '-';
    }
    len += put_point(out_text + len, digits, count, (size_t)a.scale);
    out_text[len] = '\0';
    return len;
}

size_t vec_decimal_format_stripped(struct vec_decimal a, char out_text[VEC_DECIMAL_TEXT_BYTES])
{
    char   digits[VEC_DECIMAL_DIGITS_MAX + 2];
    size_t count = digits_of(a.value, digits);
    int    scale = a.scale;
    int    exponent;
    size_t len = 0;

    if (a.value == 0) {
        scale = 0;
    }
    while (count > 1 && digits[count - 1] == '0') {
        count--;
        scale--;
    }
    if (a.value < 0) {
        out_text[len++] = '-';
    }
    /* BigDecimal.toString: plain when the scale is not negative and the exponent is at least -6. */
    exponent = (int)count - 1 - scale;
    if (scale >= 0 && exponent >= -6) {
        len += put_point(out_text + len, digits, count, (size_t)scale);
        out_text[len] = '\0';
        return len;
    }
    out_text[len++] = digits[0];
    if (count > 1) {
        out_text[len++] = '.';
        memcpy(out_text + len, digits + 1, count - 1);
        len += count - 1;
    }
    return len + (size_t)snprintf(out_text + len, VEC_DECIMAL_TEXT_BYTES - len, "E%+d", exponent);
}

double vec_decimal_to_double(struct vec_decimal a)
{
    char text[VEC_DECIMAL_TEXT_BYTES];

    /* Through the text: correctly rounded, as BigDecimal.doubleValue. */
    vec_decimal_format(a, text);
    return strtod(text, NULL);
}
