/* Dates and times without a pattern: what TO_TIMESTAMP, TO_DATE and casts of texts read. */
#include "compute/expr/expr_pattern.h"

#define MS_PER_HOUR   3600000
#define MS_PER_MINUTE 60000

struct scan {
    struct view text;
    size_t      at;
};

static bool mark(struct scan *scan, uint8_t wanted)
{
    if (scan->at >= scan->text.len || scan->text.base[scan->at] != wanted) {
        return false;
    }
    scan->at++;
    return true;
}

/* min to max digits, and no digit behind them. */
static bool number(struct scan *scan, size_t min, size_t max, int64_t *out_value)
{
    size_t  count = 0;
    int64_t value = 0;

    while (scan->at < scan->text.len && scan->text.base[scan->at] >= '0' && scan->text.base[scan->at] <= '9') {
        if (++count > max) {
            return false;
        }
        value = value * 10 + (scan->text.base[scan->at++] - '0');
    }
    *out_value = value;
    return count >= min;
}

static bool field(struct scan *scan, int64_t low, int64_t high, int32_t *out_value)
{
    int64_t value = 0;

    if (!number(scan, 1, 2, &value) || value < low || value > high) {
        return false;
    }
    *out_value = (int32_t)value;
    return true;
}

/* Digits of a fraction as nanoseconds. */
static bool fraction(struct scan *scan, int32_t *out_nanosecond)
{
    size_t  start = scan->at;
    int64_t value = 0;

    if (!number(scan, 0, 9, &value)) {
        return false;
    }
    for (size_t digits = scan->at - start; digits < 9; digits++) {
        value *= 10;
    }
    *out_nanosecond = (int32_t)value;
    return true;
}

/* Midnight at the end of the day is the next day's beginning. */
static bool end_of_day(struct vec_civil *civil)
{
    if (civil->minute != 0 || civil->second != 0 || civil->nanosecond != 0) {
        return false;
    }
    *civil = vec_civil_from_days(vec_days_from_civil(civil->year, civil->month, civil->day) + 1);
    return true;
}

bool expr__read_timestamp(struct view text, struct vec_civil *out_civil)
{
    struct scan      scan = {.text = text};
    struct vec_civil civil = {.year = 0};

    if (!number(&scan, 4, 4, &civil.year) || civil.year == 0 || !mark(&scan, '-') ||
        !field(&scan, 1, 12, &civil.month) || !mark(&scan, '-') || !field(&scan, 1, 31, &civil.day)) {
        return false;
    }
    civil.day = MIN(civil.day, vec_days_in_month(civil.year, civil.month));
    if (scan.at < text.len) {
        if (!mark(&scan, ' ') || !field(&scan, 0, 24, &civil.hour) || !mark(&scan, ':') ||
            !field(&scan, 0, 59, &civil.minute) || !mark(&scan, ':') || !field(&scan, 0, 59, &civil.second) ||
            (mark(&scan, '.') && !fraction(&scan, &civil.nanosecond))) {
            return false;
        }
    }
    if (scan.at != text.len || (civil.hour == 24 && !end_of_day(&civil))) {
        return false;
    }
    *out_civil = civil;
    return true;
}

static struct view trimmed(struct view text)
{
    while (text.len > 0 && text.base[0] <= ' ') {
        text = view_of(text.base + 1, text.len - 1);
    }
    while (text.len > 0 && text.base[text.len - 1] <= ' ') {
        text.len--;
    }
    return text;
}

/* A day that its month does not have is one of the next month. */
static struct vec_civil rolled(struct vec_civil civil)
{
    struct vec_civil date = vec_civil_from_days(vec_days_from_civil(civil.year, civil.month, 1) + civil.day - 1);

    date.hour = civil.hour;
    date.minute = civil.minute;
    date.second = civil.second;
    date.nanosecond = civil.nanosecond;
    return date;
}

bool expr__read_sql_timestamp(struct view text, struct vec_civil *out_civil)
{
    struct scan      scan = {.text = trimmed(text)};
    struct vec_civil civil = {.year = 0};

    if (!number(&scan, 4, 4, &civil.year) || !mark(&scan, '-') || !field(&scan, 1, 12, &civil.month) ||
        !mark(&scan, '-') || !field(&scan, 1, 31, &civil.day)) {
        return false;
    }
    if (mark(&scan, ' ')) {
        scan.text = trimmed(scan.text);
        if (!field(&scan, 0, 23, &civil.hour) || !mark(&scan, ':') || !field(&scan, 0, 59, &civil.minute) ||
            !mark(&scan, ':') || !field(&scan, 0, 59, &civil.second) ||
            (mark(&scan, '.') && !fraction(&scan, &civil.nanosecond))) {
            return false;
        }
    }
    if (scan.at != scan.text.len) {
        return false;
    }
    *out_civil = rolled(civil);
    return true;
}

/* --- DATE and TIME ------------------------------------------------------------------------------------------------ */

/* Digits with white space around them. */
static bool part_number(struct view part, int64_t *out_value)
{
    struct scan scan = {.text = trimmed(part)};

    return number(&scan, 1, 9, out_value) && scan.at == scan.text.len;
}

static size_t find(struct view text, size_t from, uint8_t wanted)
{
    const uint8_t *found = from >= text.len ? NULL : memchr(text.base + from, wanted, text.len - from);

    return found == NULL ? SIZE_MAX : (size_t)(found - text.base);
}

static struct view between(struct view text, size_t from, size_t to)
{
    return view_of(text.base + from, MIN(to, text.len) - from);
}

bool expr__read_date(struct view text, int32_t *out_days)
{
    size_t  space = find(text, 0, ' ');
    int64_t parts[3] = {0, 1, 1};
    size_t  start = 0;

    if (space != SIZE_MAX && space > 0) {
        text.len = space;
    }
    for (size_t i = 0; i < 3; i++) {
        size_t end = i == 2 ? SIZE_MAX : find(text, start, '-');

        if (!part_number(between(text, start, end), &parts[i])) {
            return false;
        }
        if (end == SIZE_MAX) {
            break;
        }
        start = end + 1;
    }
    if (parts[0] > 9999 || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > 31 ||
        (parts[1] == 2 && parts[2] > vec_days_in_month(parts[0], 2)) ||
        (parts[2] == 31 && vec_days_in_month(parts[0], (int32_t)parts[1]) < 31)) {
        return false;
    }
    *out_days = (int32_t)vec_days_from_civil(parts[0], parts[1], parts[2]);
    return true;
}

/* Three digits, rounded by the fourth; what is no digit counts as zero. */
static int64_t fraction_ms(struct view digits)
{
    int64_t result = 0;
    int64_t place = 100;

    for (size_t i = 0; i < digits.len; i++, place /= 10) {
        uint8_t byte = digits.base[i];

        result += place * (byte >= '0' && byte <= '9' ? byte - '0' : 0);
        if (place < 10) {
            return result + (i + 1 < digits.len && digits.base[i + 1] >= '5');
        }
    }
    return result;
}

/* The offset behind a time, "+HH[:mm]": Flink adds it (and, for '-', takes it away). */
static bool read_offset(struct view offset, int64_t *out_hours, int64_t *out_minutes)
{
    size_t colon = find(offset, 0, ':');

    *out_minutes = 0;
    return part_number(between(offset, 0, colon), out_hours) &&
           (colon == SIZE_MAX || part_number(between(offset, colon + 1, SIZE_MAX), out_minutes));
}

/* H, H:m, H:m:s or H:m:s.f: the numbers are not held against a clock. */
static bool read_clock(struct view clock, int64_t *out_ms)
{
    static const int64_t units[] = {MS_PER_HOUR, MS_PER_MINUTE, 1000};
    size_t               start = 0;

    *out_ms = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t  end = i == 2 ? find(clock, start, '.') : find(clock, start, ':');
        int64_t value = 0;

        if (!part_number(between(clock, start, end), &value)) {
            return false;
        }
        *out_ms += value * units[i];
        if (end == SIZE_MAX) {
            return true;
        }
        start = end + 1;
    }
    *out_ms += fraction_ms(trimmed(between(clock, start, SIZE_MAX)));
    return true;
}

bool expr__read_time(struct view text, int32_t *out_ms)
{
    size_t  zone = find(text, 0, '-');
    int64_t sign = -1;
    int64_t hours = 0;
    int64_t minutes = 0;
    int64_t ms = 0;

    if (zone == SIZE_MAX) {
        zone = find(text, 0, '+');
        sign = 1;
    }
    if (zone != SIZE_MAX) {
        if (!read_offset(between(text, zone + 1, SIZE_MAX), &hours, &minutes)) {
            return false;
        }
        text.len = zone;
    }
    if (!read_clock(text, &ms)) {
        return false;
    }
    *out_ms = (int32_t)(ms + sign * (hours * MS_PER_HOUR + minutes * MS_PER_MINUTE));
    return true;
}
