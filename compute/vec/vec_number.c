#include "compute/vec/vec_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"

#define PARSE_BYTES_MAX 1100 /* more digits than any double needs to be decided */

/* d.ddd with exponent, split: the digits without point, and the exponent of the first. */
struct digits {
    char   text[24];
    size_t count;
    int    exponent;
};

static void split_digits(const char *scientific, struct digits *out)
{
    const char *at = scientific;

    out->count = 0;
    for (; *at != 'e'; at++) {
        if (*at != '.') {
            out->text[out->count++] = *at;
        }
    }
    out->exponent = atoi(at + 1);
    while (out->count > 1 && out->text[out->count - 1] == '0') {
        out->count--;
    }
}

/* Java's layout: plain for 1E-3 <= |value| < 1E7, always at least one digit on both sides of the point. */
static size_t put_digits(char *out, const struct digits *digits)
{
    size_t len = 0;
    int    exponent = digits->exponent;

    if (exponent >= -3 && exponent < 7) {
        size_t whole = exponent < 0 ? 0 : (size_t)exponent + 1;

        for (size_t i = 0; i < whole; i++) {
            out[len++] = i < digits->count ? digits->text[i] : '0';
        }
        if (whole == 0) {
            out[len++] = '0';
        }
        out[len++] = '.';
        for (int zeros = -1; zeros > exponent; zeros--) {
            out[len++] = '0';
        }
        for (size_t i = whole; i < digits->count; i++) {
            out[len++] = digits->text[i];
        }
        if (digits->count <= whole) {
            out[len++] = '0';
        }
        out[len] = '\0';
        return len;
    }
    out[len++] = digits->text[0];
    out[len++] = '.';
    for (size_t i = 1; i < digits->count; i++) {
        out[len++] = digits->text[i];
    }
    if (digits->count == 1) {
        out[len++] = '0';
    }
    return len + (size_t)snprintf(out + len, VEC_NUMBER_TEXT_BYTES - len, "E%d", exponent);
}

/* NaN, infinities, zero; false for all others. */
static bool format_special(double value, char *out, size_t *out_len)
{
    const char *text = NULL;

    if (isnan(value)) {
        text = "NaN";
    } else if (isinf(value)) {
        text = value < 0 ? "-Infinity" : "Infinity";
    } else if (value == 0) {
        text = signbit(value) ? "-0.0" : "0.0";
    }
    if (text == NULL) {
        return false;
    }
    *out_len = strlen(text);
    memcpy(out, text, *out_len + 1);
    return true;
}

size_t vec_double_format(double value, char out_text[VEC_NUMBER_TEXT_BYTES])
{
    size_t        len = 0;
    char          scientific[40];
    struct digits digits;

    if (format_special(value, out_text, &len)) {
        return len;
    }
    if (value < 0) {
        out_text[len++] = '-';
        value = -value;
    }
    /* 15 digits always read back to the digits, 17 always to the value: most values need one try. */
    for (int precision = value < DBL_MIN ? 1 : 14; precision <= 16; precision++) {
        (void)snprintf(scientific, sizeof(scientific), "%.*e", precision, value);
        if (precision == 16 || strtod(scientific, NULL) == value) {
            break;
        }
    }
    split_digits(scientific, &digits);
    return len + put_digits(out_text + len, &digits);
}

size_t vec_float_format(float value, char out_text[VEC_NUMBER_TEXT_BYTES])
{
    size_t        len = 0;
    char          scientific[40];
    struct digits digits;

    if (format_special((double)value, out_text, &len)) {
        return len;
    }
    if (value < 0) {
        out_text[len++] = '-';
        value = -value;
    }
    for (int precision = value < FLT_MIN ? 1 : 5; precision <= 8; precision++) {
        (void)snprintf(scientific, sizeof(scientific), "%.*e", precision, (double)value);
        if (precision == 8 || strtof(scientific, NULL) == value) {
            break;
        }
    }
    split_digits(scientific, &digits);
    return len + put_digits(out_text + len, &digits);
}

static bool is_decimal_text(struct view text)
{
    size_t digits = 0;
    size_t at = text.len > 0 && (text.base[0] == '+' || text.base[0] == '-');

    for (; at < text.len && text.base[at] >= '0' && text.base[at] <= '9'; at++) {
        digits++;
    }
    if (at < text.len && text.base[at] == '.') {
        for (at++; at < text.len && text.base[at] >= '0' && text.base[at] <= '9'; at++) {
            digits++;
        }
    }
    if (digits > 0 && at < text.len && (text.base[at] | 0x20) == 'e') {
        size_t start;

        at++;
        at += at < text.len && (text.base[at] == '+' || text.base[at] == '-');
        start = at;
        while (at < text.len && text.base[at] >= '0' && text.base[at] <= '9') {
            at++;
        }
        digits = at > start ? digits : 0;
    }
    return digits > 0 && at == text.len;
}

bool vec_double_parse(struct view text, double *out_value)
{
    static const struct {
        const char *text;
        double      value;
    } words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"+Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    char copy[PARSE_BYTES_MAX + 1];

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (view_equal(text, view_text(words[i].text))) {
            *out_value = words[i].value;
            return true;
        }
    }
    if (text.len > PARSE_BYTES_MAX || !is_decimal_text(text)) {
        return false;
    }
    memcpy(copy, text.base, text.len);
    copy[text.len] = '\0';
    *out_value = strtod(copy, NULL);
    return true;
}
