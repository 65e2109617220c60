#include "compute/vec/vec_time.h"

#include <stdio.h>

#include "core/base/check.h"

#define DAYS_PER_ERA    146097 /* 400 years */
#define DAYS_TO_EPOCH   719468 /* from 0000-03-01 to 1970-01-01 */
#define YEAR_DIGITS_MAX 9      /* java.time.Year.MAX_VALUE is 999,999,999 */

/* --- calendar ----------------------------------------------------------------------------------------------------- */

/* Years begin in March here, so that the leap day is the last of its year. */
int64_t vec_days_from_civil(int64_t year, int64_t month, int64_t day)
{
    int64_t months = month - 3;
    int64_t shifted = year + vec_floor_divide(months, 12);
    int64_t month_of_year = vec_floor_remainder(months, 12);
    int64_t era = vec_floor_divide(shifted, 400);
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * month_of_year + 2) / 5 + day - 1;

    return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_EPOCH;
}

struct vec_civil vec_civil_from_days(int64_t days)
{
    int64_t          shifted = days + DAYS_TO_EPOCH;
    int64_t          era = vec_floor_divide(shifted, DAYS_PER_ERA);
    int64_t          day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t          year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t          day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t          month_of_year = (5 * day_of_year + 2) / 153;
    struct vec_civil civil = {
        .year = year_of_era + era * 400 + (month_of_year >= 10),
        .month = (int32_t)(month_of_year < 10 ? month_of_year + 3 : month_of_year - 9),
        .day = (int32_t)(day_of_year - (153 * month_of_year + 2) / 5 + 1),
    };

    return civil;
}

int32_t vec_days_in_month(int64_t year, int32_t month)
{
    return (int32_t)(vec_days_from_civil(year, month + 1, 1) - vec_days_from_civil(year, month, 1));
}

vec_int128 vec_timestamp_of(struct vec_civil civil, int64_t units_per_second)
{
    vec_int128 seconds = (vec_int128)vec_days_from_civil(civil.year, civil.month, civil.day) * 86400 +
                         civil.hour * 3600 + civil.minute * 60 + civil.second;

    return seconds * units_per_second + civil.nanosecond / (NS_PER_S / units_per_second);
}

struct vec_civil vec_civil_of_timestamp(vec_int128 value, int64_t units_per_second)
{
    vec_int128       units_per_day = (vec_int128)86400 * units_per_second;
    vec_int128       days = value / units_per_day - (value % units_per_day < 0);
    int64_t          rest = (int64_t)(value - days * units_per_day);
    int64_t          seconds = rest / units_per_second;
    struct vec_civil civil = vec_civil_from_days((int64_t)days);

    civil.hour = (int32_t)(seconds / 3600);
    civil.minute = (int32_t)(seconds / 60 % 60);
    civil.second = (int32_t)(seconds % 60);
    civil.nanosecond = (int32_t)(rest % units_per_second * (NS_PER_S / units_per_second));
    return civil;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct scan {
    struct view text;
    size_t      at;
};

static bool scan_mark(struct scan *scan, char mark)
{
    if (scan->at >= scan->text.len || scan->text.base[scan->at] != (uint8_t)mark) {
        return false;
    }
    scan->at++;
    return true;
}

/* min to max digits, as many as there are. */
static bool scan_number(struct scan *scan, size_t min, size_t max, int64_t *out_value)
{
    int64_t value = 0;
    size_t  count = 0;

    while (count < max && scan->at < scan->text.len && scan->text.base[scan->at] >= '0' &&
           scan->text.base[scan->at] <= '9') {
        value = value * 10 + (scan->text.base[scan->at] - '0');
        scan->at++;
        count++;
    }
    *out_value = value;
    return count >= min;
}

static bool scan_field(struct scan *scan, size_t min, int32_t low, int32_t high, int32_t *out_value)
{
    int64_t value;

    if (!scan_number(scan, min, 2, &value) || value < low || value > high) {
        return false;
    }
    *out_value = (int32_t)value;
    return true;
}

/* yyyy-MM-dd; a year of more than four digits has a sign in front (ISO_LOCAL_DATE). */
static bool scan_date(struct scan *scan, bool lenient, struct vec_civil *civil)
{
    bool   negative = scan_mark(scan, '-');
    bool   is_signed = negative || scan_mark(scan, '+');
    size_t start = scan->at;
    size_t digits_min = lenient ? 1 : 2;

    if (!scan_number(scan, lenient ? 1 : 4, is_signed ? YEAR_DIGITS_MAX : 4, &civil->year) ||
        (is_signed && !negative && scan->at - start <= 4)) {
        return false;
    }
    civil->year = negative ? -civil->year : civil->year;
    if (lenient && scan->at == scan->text.len) { /* a year alone, or a year and month */
        civil->month = 1;
        civil->day = 1;
        return true;
    }
    if (!scan_mark(scan, '-') || !scan_field(scan, digits_min, 1, 12, &civil->month)) {
        return false;
    }
    if (lenient && scan->at == scan->text.len) {
        civil->day = 1;
        return true;
    }
    return scan_mark(scan, '-') &&
           scan_field(scan, digits_min, 1, vec_days_in_month(civil->year, civil->month), &civil->day);
}

static bool scan_fraction(struct scan *scan, struct vec_civil *civil)
{
    size_t  start = scan->at;
    int64_t value;

    if (!scan_number(scan, 0, 9, &value)) {
        return false;
    }
    for (size_t digits = scan->at - start; digits < 9; digits++) {
        value *= 10;
    }
    civil->nanosecond = (int32_t)value;
    return true;
}

/* HH:mm:ss[.fraction]; lenient: HH, HH:mm */
static bool scan_time(struct scan *scan, bool lenient, struct vec_civil *civil)
{
    size_t digits_min = lenient ? 1 : 2;

    if (!scan_field(scan, digits_min, 0, 23, &civil->hour)) {
        return false;
    }
    if (lenient && scan->at == scan->text.len) {
        return true;
    }
    if (!scan_mark(scan, ':') || !scan_field(scan, digits_min, 0, 59, &civil->minute)) {
        return false;
    }
    if (lenient && scan->at == scan->text.len) {
        return true;
    }
    if (!scan_mark(scan, ':') || !scan_field(scan, digits_min, 0, 59, &civil->second)) {
        return false;
    }
    return !scan_mark(scan, '.') || scan_fraction(scan, civil);
}

bool vec_timestamp_parse(struct view text, struct vec_time_format format, struct vec_civil *out_civil)
{
    struct scan      scan = {.text = text};
    struct vec_civil civil = {.year = 0};

    if (!scan_date(&scan, format.lenient, &civil)) {
        return false;
    }
    if (!format.lenient || scan.at < text.len) {
        bool separated = scan_mark(&scan, format.separator) || (format.lenient && scan_mark(&scan, 'T'));

        if (!separated || !scan_time(&scan, format.lenient, &civil)) {
            return false;
        }
    }
    if ((format.zulu && !scan_mark(&scan, 'Z')) || scan.at != text.len) {
        return false;
    }
    *out_civil = civil;
    return true;
}

bool vec_date_parse(struct view text, bool lenient, int32_t *out_days)
{
    struct scan      scan = {.text = text};
    struct vec_civil civil = {.year = 0};
    int64_t          days;

    if (!scan_date(&scan, lenient, &civil) || scan.at != text.len) {
        return false;
    }
    days = vec_days_from_civil(civil.year, civil.month, civil.day);
    if (days < INT32_MIN || days > INT32_MAX) {
        return false;
    }
    *out_days = (int32_t)days;
    return true;
}

bool vec_time_parse(struct view text, int32_t *out_ms)
{
    struct scan      scan = {.text = text};
    struct vec_civil civil = {.year = 0};

    if (!scan_time(&scan, false, &civil) || scan.at != text.len) {
        return false;
    }
    *out_ms = ((civil.hour * 60 + civil.minute) * 60 + civil.second) * 1000 + civil.nanosecond / 1000000;
    return true;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static char *put_two(char *out, int32_t value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

static char *put_year(char *out, int64_t year)
{
    if (year >= 0 && year <= 9999) {
        out = put_two(out, (int32_t)(year / 100));
        return put_two(out, (int32_t)(year % 100));
    }
    return out + snprintf(out, 24, year < 0 ? "%05" PRId64 : "%+" PRId64, year);
}

static char *put_date(char *out, struct vec_civil civil)
{
    out = put_year(out, civil.year);
    *out++ = '-';
    out = put_two(out, civil.month);
    *out++ = '-';
    return put_two(out, civil.day);
}

/* digits -1: as many as needed. */
static char *put_fraction(char *out, int32_t nanosecond, int digits)
{
    if (digits < 0) {
        digits = nanosecond == 0 ? 0 : 9;
        for (int32_t rest = nanosecond; digits > 0 && rest % 10 == 0; rest /= 10) {
            digits--;
        }
    }
    if (digits == 0) {
        return out;
    }
    *out++ = '.';
    for (int32_t place = 100000000; digits > 0; digits--, place /= 10) {
        *out++ = (char)('0' + nanosecond / place % 10);
    }
    return out;
}

static char *put_time(char *out, struct vec_civil civil, int digits)
{
    out = put_two(out, civil.hour);
    *out++ = ':';
    out = put_two(out, civil.minute);
    *out++ = ':';
    out = put_two(out, civil.second);
    return put_fraction(out, civil.nanosecond, digits);
}

size_t vec_timestamp_format(struct vec_civil civil, char separator, int digits, char out_text[VEC_TIME_TEXT_BYTES])
{
    char *out = put_date(out_text, civil);

    CHECK(digits <= 9);
    *out++ = separator;
    out = put_time(out, civil, digits);
    *out = '\0';
    return (size_t)(out - out_text);
}

size_t vec_date_format(int64_t days, char out_text[VEC_TIME_TEXT_BYTES])
{
    char *out = put_date(out_text, vec_civil_from_days(days));

    *out = '\0';
    return (size_t)(out - out_text);
}

size_t vec_time_format_ms(int32_t ms, int digits, char out_text[VEC_TIME_TEXT_BYTES])
{
    struct vec_civil civil = {
        .hour = ms / 3600000, .minute = ms / 60000 % 60, .second = ms / 1000 % 60, .nanosecond = ms % 1000 * 1000000};
    char *out = put_time(out_text, civil, digits);

    *out = '\0';
    return (size_t)(out - out_text);
}
