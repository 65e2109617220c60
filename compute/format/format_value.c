/* Texts to values, as Java's parsers take them. */
#include "compute/format/format_internal.h"

#include <math.h>
#include <stdlib.h>

#include "compute/vec/vec_number.h"

#define REAL_BYTES_MAX 1100

struct view format__trim(struct view text)
{
    while (text.len > 0 && text.base[0] <= ' ') {
        text.base++;
        text.len--;
    }
    while (text.len > 0 && text.base[text.len - 1] <= ' ') {
        text.len--;
    }
    return text;
}

bool format__parse_integer(struct view text, int64_t low, int64_t high, int64_t *out_value)
{
    bool    negative = text.len > 0 && text.base[0] == '-';
    size_t  at = negative || (text.len > 0 && text.base[0] == '+');
    int64_t value = 0;

    if (at == text.len) {
        return false;
    }
    for (; at < text.len; at++) {
        uint8_t digit = (uint8_t)(text.base[at] - '0');

        /* Counted below zero, where there is one number more. */
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value)) {
            return false;
        }
    }
    if (!negative && __builtin_sub_overflow(0, value, &value)) {
        return false;
    }
    *out_value = value;
    return value >= low && value <= high;
}

bool format__integer_range(enum vec_kind kind, int64_t *out_low, int64_t *out_high)
{
    int bits;

    switch (kind) {
    case VEC_TINYINT:
        bits = 8;
        break;
    case VEC_SMALLINT:
        bits = 16;
        break;
    case VEC_INT:
    case VEC_INTERVAL_MONTH:
        bits = 32;
        break;
    case VEC_BIGINT:
    case VEC_INTERVAL_DAY:
        bits = 64;
        break;
    default:
        return false;
    }
    *out_high = (int64_t)(UINT64_MAX >> (65 - bits));
    *out_low = -*out_high - 1;
    return true;
}

/* 0x1.8p3: the exponent is required. */
static bool is_hexadecimal(struct view text)
{
    size_t at = text.len > 0 && (text.base[0] == '-' || text.base[0] == '+');
    size_t digits = 0, points = 0, exponent = 0;

    if (text.len < at + 2 || text.base[at] != '0' || (text.base[at + 1] | 0x20) != 'x') {
        return false;
    }
    for (at += 2; at < text.len && (text.base[at] | 0x20) != 'p'; at++) {
        uint8_t byte = text.base[at];

        if (byte == '.') {
            points++;
            continue;
        }
        digits++;
        if (!(byte >= '0' && byte <= '9') && !((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')) {
            return false;
        }
    }
    at++;
    at += at < text.len && (text.base[at] == '-' || text.base[at] == '+');
    for (; at < text.len && text.base[at] >= '0' && text.base[at] <= '9'; at++) {
        exponent++;
    }
    return at == text.len && digits > 0 && exponent > 0 && points <= 1;
}

/* Without the d or f that Java's literals may end with. */
static struct view without_suffix(struct view text)
{
    uint8_t last = text.len < 2 ? 0 : text.base[text.len - 1] | 0x20;
    uint8_t before = text.len < 2 ? 0 : text.base[text.len - 2];

    if ((last == 'd' || last == 'f') && (before == '.' || (before >= '0' && before <= '9'))) {
        text.len--;
    }
    return text;
}

bool format__parse_real(struct view text, double *out_value)
{
    char copy[REAL_BYTES_MAX + 1];

    text = without_suffix(text);
    if (text.len <= REAL_BYTES_MAX && is_hexadecimal(text)) {
        memcpy(copy, text.base, text.len);
        copy[text.len] = '\0';
        *out_value = strtod(copy, NULL);
        return true;
    }
    return vec_double_parse(text, out_value);
}

bool format__parse_single(struct view text, float *out_value)
{
    char   copy[REAL_BYTES_MAX + 1];
    double real;

    if (!format__parse_real(text, &real)) {
        return false;
    }
    if (isnan(real) || isinf(real)) {
        *out_value = (float)real;
        return true;
    }
    /* From the digits, not from the double: rounding twice may end elsewhere. */
    text = without_suffix(text);
    CHECK(text.len <= REAL_BYTES_MAX);
    memcpy(copy, text.base, text.len);
    copy[text.len] = '\0';
    *out_value = strtof(copy, NULL);
    return true;
}

/* --- times -------------------------------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *at, *end;
};

static bool take_mark(struct reader *reader, char mark)
{
    if (reader->at == reader->end || *reader->at != (uint8_t)mark) {
        return false;
    }
    reader->at++;
    return true;
}

static bool take_digits(struct reader *reader, int digits, int32_t low, int32_t high, int32_t *out_value)
{
    int32_t value = 0;

    if (reader->end - reader->at < digits) {
        return false;
    }
    for (int i = 0; i < digits; i++) {
        uint8_t digit = (uint8_t)(*reader->at++ - '0');

        if (digit > 9) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out_value = value;
    return value >= low && value <= high;
}

/* Four digits, or a sign and up to nine; more than four need the sign. */
static bool take_year(struct reader *reader, int64_t *out_year)
{
    bool           negative = take_mark(reader, '-');
    bool           plus = !negative && take_mark(reader, '+');
    const uint8_t *start = reader->at;
    int64_t        year = 0;

    while (reader->at < reader->end && reader->at - start < 10 && *reader->at >= '0' && *reader->at <= '9') {
        year = year * 10 + (*reader->at++ - '0');
    }
    if (reader->at - start < 4 || (plus && reader->at - start == 4) || (negative && year == 0) ||
        (!negative && !plus && reader->at - start > 4) || year > 999999999) {
        return false;
    }
    *out_year = negative ? -year : year;
    return true;
}

static bool take_date(struct reader *reader, bool strict, struct vec_civil *civil)
{
    int32_t days;

    if (!take_year(reader, &civil->year) || !take_mark(reader, '-') || !take_digits(reader, 2, 1, 12, &civil->month) ||
        !take_mark(reader, '-') || !take_digits(reader, 2, 1, 31, &civil->day)) {
        return false;
    }
    days = vec_days_in_month(civil->year, civil->month);
    if (civil->day > days) {
        civil->day = days;
        return !strict;
    }
    return true;
}

static bool take_fraction(struct reader *reader, int32_t *out_nanosecond)
{
    int32_t value = 0;
    int     digits = 0;

    while (digits < 9 && reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        value = value * 10 + (*reader->at++ - '0');
        digits++;
    }
    for (; digits < 9; digits++) {
        value *= 10;
    }
    *out_nanosecond = value;
    return true;
}

/* 24:00:00 is midnight of the next day unless strict. */
static bool take_time(struct reader *reader, enum format__time_style style, bool strict, struct vec_civil *civil)
{
    if (!take_digits(reader, 2, 0, strict ? 23 : 24, &civil->hour) || !take_mark(reader, ':') ||
        !take_digits(reader, 2, 0, 59, &civil->minute)) {
        return false;
    }
    if (take_mark(reader, ':')) {
        if (!take_digits(reader, 2, 0, 59, &civil->second) ||
            (take_mark(reader, '.') && !take_fraction(reader, &civil->nanosecond))) {
            return false;
        }
    } else if (style == FORMAT_TIME_SQL) {
        return false;
    }
    return civil->hour < 24 || (civil->minute == 0 && civil->second == 0 && civil->nanosecond == 0);
}

bool format__parse_timestamp(struct view text, enum format__time_style style, bool zulu, struct vec_civil *out_civil)
{
    struct reader    reader = {.at = text.base, .end = text.base + text.len};
    struct vec_civil civil = {.year = 0};
    /* Flink takes java.time's own ISO formatter, which is strict, but for local time zones one it has built. */
    bool strict = style == FORMAT_TIME_ISO && !zulu;

    if (!take_date(&reader, strict, &civil) ||
        !(take_mark(&reader, style == FORMAT_TIME_SQL ? ' ' : 'T') || (strict && take_mark(&reader, 't'))) ||
        !take_time(&reader, style, strict, &civil) || (zulu && !take_mark(&reader, 'Z')) || reader.at != reader.end) {
        return false;
    }
    if (civil.hour == 24) {
        struct vec_civil next = vec_civil_from_days(vec_days_from_civil(civil.year, civil.month, civil.day) + 1);

        civil = next;
    }
    *out_civil = civil;
    return true;
}

bool format__parse_date(struct view text, int32_t *out_days)
{
    struct reader    reader = {.at = text.base, .end = text.base + text.len};
    struct vec_civil civil = {.year = 0};

    if (!take_date(&reader, true, &civil) || reader.at != reader.end) {
        return false;
    }
    /* Flink keeps the lower 32 bits of a day that is further away. */
    *out_days = (int32_t)(uint32_t)vec_days_from_civil(civil.year, civil.month, civil.day);
    return true;
}

bool format__parse_time(struct view text, enum format__time_style style, int64_t *out_nanoseconds)
{
    struct reader    reader = {.at = text.base, .end = text.base + text.len};
    struct vec_civil civil = {.year = 0};

    if (!take_time(&reader, style, style == FORMAT_TIME_ISO, &civil) || reader.at != reader.end) {
        return false;
    }
    *out_nanoseconds =
        ((civil.hour % 24 * INT64_C(60) + civil.minute) * 60 + civil.second) * NS_PER_S + civil.nanosecond;
    return true;
}

enum format__result format__timestamp_value(struct format_decoder *decoder, struct view field, struct vec_type type,
                                            struct vec_civil civil, union format__value *out_value)
{
    int64_t    units = vec_timestamp_units(type);
    vec_int128 value = vec_timestamp_of(civil, units);

    if (civil.nanosecond % (NS_PER_S / units) != 0) {
        return format__refused(decoder, field,
                               "a fraction finer than microseconds does not fit TIMESTAMP(%u): "
                               "declare the column as TIMESTAMP(9)",
                               type.precision);
    }
    if (vec_type_layout(type) == VEC_LAYOUT_INT128) {
        out_value->wide = value;
        return FORMAT_OK;
    }
    if (value < INT64_MIN || value > INT64_MAX) {
        return format__refused(decoder, field, "the year %" PRId64 " does not fit TIMESTAMP(%u)", civil.year,
                               type.precision);
    }
    out_value->integer = (int64_t)value;
    return FORMAT_OK;
}

enum format__result format__decimal_value(struct format_decoder *decoder, struct view field, struct vec_type type,
                                          struct view text, union format__value *out_value)
{
    vec_int128 value = 0;
    char       piece[FORMAT_PIECE_BYTES];

    switch (vec_decimal_parse(text, type.precision, type.scale, &value)) {
    case VEC_PARSE_OK:
        if (vec_type_layout(type) == VEC_LAYOUT_INT128) {
            out_value->wide = value;
        } else {
            out_value->integer = (int64_t)value;
        }
        return FORMAT_OK;
    case VEC_PARSE_OVERFLOW:
        return FORMAT_NULL;
    default:
        return format__bad(decoder, field, "'%s' is no DECIMAL", format__piece(text, piece));
    }
}

/* --- base64 ------------------------------------------------------------------------------------------------------- */

int format__base64_bits(uint8_t mark)
{
    if (mark >= 'A' && mark <= 'Z') {
        return mark - 'A';
    }
    if (mark >= 'a' && mark <= 'z') {
        return mark - 'a' + 26;
    }
    if (mark >= '0' && mark <= '9') {
        return mark - '0' + 52;
    }
    return mark == '+' ? 62 : mark == '/' ? 63 : -2;
}

/* Groups of four; white space may stand before a group, nowhere else. */
bool format__base64_decode(struct view text, uint8_t *out_bytes, size_t *out_len)
{
    size_t at = 0, len = 0;

    for (;;) {
        uint32_t group = 0;
        int      marks = 0;

        while (at < text.len && text.base[at] <= ' ') {
            at++;
        }
        if (at == text.len) {
            break;
        }
        for (; marks < 4 && at < text.len && format__base64_bits(text.base[at]) >= 0; marks++) {
            group = group << 6 | (uint32_t)format__base64_bits(text.base[at++]);
        }
        if (marks < 2) {
            return false;
        }
        for (int padding = marks; padding < 4; padding++) {
            if (at == text.len || text.base[at++] != '=') {
                return false;
            }
            group <<= 6;
        }
        for (int byte = 0; byte < marks - 1; byte++) {
            out_bytes[len++] = (uint8_t)(group >> (16 - 8 * byte));
        }
    }
    *out_len = len;
    return true;
}

size_t format__base64_encode(struct view bytes, char *out_text)
{
    static const char marks[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t            len = 0;

    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t   count = MIN(bytes.len - at, 3);
        uint32_t group = (uint32_t)bytes.base[at] << 16;

        group |= count > 1 ? (uint32_t)bytes.base[at + 1] << 8 : 0;
        group |= count > 2 ? bytes.base[at + 2] : 0;
        out_text[len++] = marks[group >> 18];
        out_text[len++] = marks[group >> 12 & 63];
        out_text[len++] = count > 1 ? marks[group >> 6 & 63] : '=';
        out_text[len++] = count > 2 ? marks[group & 63] : '=';
    }
    return len;
}
