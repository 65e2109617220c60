/* Patterns: reading texts, strictly as java.time and leniently as SimpleDateFormat. */
#include "compute/expr/expr_pattern.h"

#define DIGITS_MAX        18
#define YEARS_BACK        80 /* SimpleDateFormat: two-digit years lie from 80 years ago on */
#define SECONDS_PER_DAY   INT64_C(86400)
#define HOUR_NOT_GIVEN    (-1)
#define LENIENT_VALUE_MAX INT64_C(1000000000)

/* What was read; has_: by letter. */
struct fields {
    int64_t year, month, day, day_of_year, hour, half_hour, minute, second, weekday;
    int64_t nanosecond; /* SimpleDateFormat: milliseconds */
    int64_t offset_seconds;
    int     half; /* 0 AM, 1 PM, -1 not given */
    bool    has_year, has_month, has_day, has_day_of_year, has_weekday;
};

struct reader {
    struct view    text;
    size_t         at;
    struct fields *fields;
    int64_t        now_ms;
};

static bool is_digit(const struct reader *reader, size_t at)
{
    return at < reader->text.len && reader->text.base[at] >= '0' && reader->text.base[at] <= '9';
}

static size_t digits_ahead(const struct reader *reader)
{
    size_t count = 0;

    while (is_digit(reader, reader->at + count)) {
        count++;
    }
    return count;
}

static bool take_number(struct reader *reader, size_t digits, int64_t *out_value)
{
    int64_t value = 0;

    if (digits == 0 || digits > DIGITS_MAX || digits_ahead(reader) < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (reader->text.base[reader->at++] - '0');
    }
    *out_value = value;
    return true;
}

static bool take_text(struct reader *reader, struct view text)
{
    if (reader->text.len - reader->at < text.len || memcmp(reader->text.base + reader->at, text.base, text.len) != 0) {
        return false;
    }
    reader->at += text.len;
    return true;
}

static bool equal_bytes(const uint8_t *text, const char *name, size_t len, bool any_case)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t fold = any_case && (uint8_t)((name[i] | 0x20) - 'a') < 26 ? 0x20 : 0;

        if ((text[i] | fold) != ((uint8_t)name[i] | fold)) {
            return false;
        }
    }
    return true;
}

/* A name, whole or its first three letters. */
static bool take_name(struct reader *reader, const char *const *names, size_t count, bool full, bool both,
                      int64_t *out_index)
{
    size_t left = reader->text.len - reader->at;

    for (int pass = 0; pass < 2; pass++) {
        bool whole = both ? pass == 0 : full;

        for (size_t i = 0; i < count && (both || pass == 0); i++) {
            size_t len = whole ? strlen(names[i]) : 3;

            if (left >= len && equal_bytes(reader->text.base + reader->at, names[i], len, both)) {
                reader->at += len;
                *out_index = (int64_t)i;
                return true;
            }
        }
    }
    return false;
}

static bool take_half(struct reader *reader, bool any_case)
{
    static const char *const names[] = {"AM", "PM"};

    for (int half = 0; half < 2; half++) {
        if (reader->text.len - reader->at >= 2 &&
            equal_bytes(reader->text.base + reader->at, names[half], 2, any_case)) {
            reader->at += 2;
            reader->fields->half = half;
            return true;
        }
    }
    return false;
}

/* +HHmm, or for 'X' Z, +HH, +HHmm, +HH:mm by its count. */
static bool take_offset(struct reader *reader, const struct pattern_piece *piece)
{
    bool    negative;
    int64_t hours = 0;
    int64_t minutes = 0;

    if (piece->letter == 'X' && take_text(reader, view_text("Z"))) {
        return true;
    }
    negative = take_text(reader, view_text("-"));
    if (!negative && !take_text(reader, view_text("+"))) {
        return false;
    }
    if (!take_number(reader, 2, &hours)) {
        return false;
    }
    if (piece->letter == 'X' && piece->count == 3 && !take_text(reader, view_text(":"))) {
        return false;
    }
    if ((piece->letter == 'Z' || piece->count > 1) && !take_number(reader, 2, &minutes)) {
        return false;
    }
    reader->fields->offset_seconds = (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
    return hours <= 18 && minutes < 60;
}

static void put_field(struct fields *fields, char letter, int64_t value)
{
    switch (letter) {
    case 'y':
        fields->year = value;
        fields->has_year = true;
        break;
    case 'M':
        fields->month = value;
        fields->has_month = true;
        break;
    case 'd':
        fields->day = value;
        fields->has_day = true;
        break;
    case 'D':
        fields->day_of_year = value;
        fields->has_day_of_year = true;
        break;
    case 'H':
        fields->hour = value;
        break;
    case 'k':
        fields->hour = value == 24 ? 0 : value;
        break;
    case 'h':
        fields->half_hour = value == 12 ? 0 : value;
        break;
    case 'K':
        fields->half_hour = value;
        break;
    case 'm':
        fields->minute = value;
        break;
    case 's':
        fields->second = value;
        break;
    default:
        fields->nanosecond = value;
        break;
    }
}

static struct fields no_fields(void)
{
    return (struct fields){
        .year = 1970, .month = 1, .day = 1, .hour = HOUR_NOT_GIVEN, .half_hour = HOUR_NOT_GIVEN, .half = -1};
}

static bool is_number(const struct pattern_piece *piece)
{
    return strchr("ydDHhKkmsS", piece->letter) != NULL ? piece->letter != 0 : piece->letter == 'M' && piece->count <= 2;
}

/* --- java.time ---------------------------------------------------------------------------------------------------- */

/* Two letters are two digits, one takes what there is, a year of four or more its digits at least. */
static bool is_fixed(const struct pattern_piece *piece)
{
    return is_number(piece) && (piece->count == 2 || piece->letter == 'S' || piece->letter == 'D') && piece->count > 1;
}

/* Digits that the fixed numbers right behind will want. */
static size_t reserved(const struct pattern *pattern, size_t index)
{
    size_t digits = 0;

    for (size_t i = index + 1; i < pattern->piece_count && is_fixed(&pattern->pieces[i]); i++) {
        digits += pattern->pieces[i].count;
    }
    return digits;
}

static bool in_range(char letter, int64_t value)
{
    switch (letter) {
    case 'y':
        return value >= 1;
    case 'M':
        return value >= 1 && value <= 12;
    case 'd':
        return value >= 1 && value <= 31;
    case 'D':
        return value >= 1 && value <= 366;
    case 'H':
        return value <= 24;
    case 'k':
        return value >= 1 && value <= 24;
    case 'h':
        return value >= 1 && value <= 12;
    case 'K':
        return value <= 11;
    case 'm':
    case 's':
        return value <= 59;
    default:
        return true;
    }
}

static bool read_number(struct reader *reader, const struct pattern *pattern, size_t index)
{
    const struct pattern_piece *piece = &pattern->pieces[index];
    size_t                      ahead = digits_ahead(reader);
    size_t                      behind = reserved(pattern, index);
    size_t                      digits = piece->count;
    int64_t                     value = 0;

    if (!is_fixed(piece)) {
        bool   plus = piece->letter == 'y' && piece->count >= 4 && take_text(reader, view_text("+"));
        size_t least = piece->letter == 'y' ? piece->count : 1;

        ahead = digits_ahead(reader);
        digits = ahead > behind ? ahead - behind : 0;
        if (digits < least || (piece->letter == 'y' && least >= 4 && (digits > least) != plus)) {
            return false;
        }
    }
    if (!take_number(reader, digits, &value)) {
        return false;
    }
    for (size_t i = digits; piece->letter == 'S' && i < 9; i++) {
        value *= 10;
    }
    value += piece->letter == 'y' && piece->count == 2 ? 2000 : 0;
    put_field(reader->fields, piece->letter, value);
    return in_range(piece->letter, value);
}

static bool read_strict_piece(struct reader *reader, const struct pattern *pattern, size_t index)
{
    const struct pattern_piece *piece = &pattern->pieces[index];
    int64_t                     name = 0;

    switch (piece->letter) {
    case 0:
        return take_text(reader, piece->text);
    case 'a':
        return take_half(reader, false);
    case 'Z':
    case 'X':
        return take_offset(reader, piece);
    case 'E':
        reader->fields->has_weekday = true;
        return take_name(reader, expr__day_names, 7, piece->count >= 4, false, &reader->fields->weekday);
    case 'M':
        if (piece->count >= 3) {
            if (!take_name(reader, expr__month_names, 12, piece->count >= 4, false, &name)) {
                return false;
            }
            put_field(reader->fields, 'M', name + 1);
            return true;
        }
        break;
    default:
        break;
    }
    return read_number(reader, pattern, index);
}

/* The date of what was read: days beyond the month's end become its last. False: there is no such day. */
static bool resolve_date(const struct fields *fields, struct vec_civil *civil)
{
    int64_t days;

    *civil = (struct vec_civil){.year = fields->year, .month = (int32_t)fields->month, .day = (int32_t)fields->day};
    if (fields->has_day_of_year && fields->has_year && !fields->has_month) {
        *civil = vec_civil_from_days(vec_days_from_civil(fields->year, 1, 1) + fields->day_of_year - 1);
        if (civil->year != fields->year) {
            return false;
        }
    }
    if (civil->day > vec_days_in_month(civil->year, civil->month)) {
        if (!fields->has_year) {
            return false;
        }
        civil->day = vec_days_in_month(civil->year, civil->month);
    }
    days = vec_days_from_civil(civil->year, civil->month, civil->day);
    return !fields->has_weekday || !(fields->has_year && fields->has_month && fields->has_day) ||
           expr__weekday(days) == fields->weekday;
}

bool expr__pattern_read(const struct pattern *pattern, struct view text, struct vec_civil *out_civil)
{
    struct fields fields = no_fields();
    struct reader reader = {.text = text, .fields = &fields};
    int64_t       days;

    for (size_t i = 0; i < pattern->piece_count; i++) {
        if (!read_strict_piece(&reader, pattern, i)) {
            return false;
        }
    }
    if (reader.at != text.len || !resolve_date(&fields, out_civil)) {
        return false;
    }
    if (fields.half_hour != HOUR_NOT_GIVEN && fields.half >= 0) {
        fields.hour = fields.half_hour + 12 * fields.half;
    }
    fields.hour = MAX(fields.hour, 0);
    if (fields.hour == 24) { /* midnight at the end of the day */
        if (fields.minute != 0 || fields.second != 0 || fields.nanosecond != 0) {
            return false;
        }
        days = vec_days_from_civil(out_civil->year, out_civil->month, out_civil->day) + 1;
        *out_civil = vec_civil_from_days(days);
        fields.hour = 0;
    }
    out_civil->hour = (int32_t)fields.hour;
    out_civil->minute = (int32_t)fields.minute;
    out_civil->second = (int32_t)fields.second;
    out_civil->nanosecond = (int32_t)fields.nanosecond;
    return true;
}

/* --- SimpleDateFormat --------------------------------------------------------------------------------------------- */

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->text.len &&
           (reader->text.base[reader->at] == ' ' || reader->text.base[reader->at] == '\t')) {
        reader->at++;
    }
}

/* Exactly two digits for a short year are one of the century around now. */
static int64_t short_year(const struct reader *reader, int64_t value)
{
    int64_t first = vec_civil_from_days(vec_floor_divide(reader->now_ms, VEC_MS_PER_DAY)).year - YEARS_BACK;
    int64_t year = first - vec_floor_remainder(first, 100) + value;

    return year < first ? year + 100 : year;
}

/* A number right before another one has as many digits as letters; else all there are. */
static bool read_lenient_number(struct reader *reader, const struct pattern *pattern, size_t index)
{
    const struct pattern_piece *piece = &pattern->pieces[index];
    bool                        adjacent = index + 1 < pattern->piece_count && is_number(&pattern->pieces[index + 1]);
    size_t                      ahead = digits_ahead(reader);
    size_t                      digits = adjacent ? piece->count : ahead;
    int64_t                     value = 0;

    if (!take_number(reader, digits, &value) || value > LENIENT_VALUE_MAX) {
        return false;
    }
    if (piece->letter == 'y' && piece->count <= 2 && digits == 2) {
        value = short_year(reader, value);
    }
    put_field(reader->fields, piece->letter, value);
    return true;
}

static bool read_lenient_piece(struct reader *reader, const struct pattern *pattern, size_t index)
{
    const struct pattern_piece *piece = &pattern->pieces[index];
    int64_t                     name = 0;

    if (piece->letter == 0) {
        return take_text(reader, piece->text);
    }
    skip_blanks(reader);
    switch (piece->letter) {
    case 'a':
        return take_half(reader, true);
    case 'Z':
    case 'X':
        return take_offset(reader, piece);
    case 'E':
        return take_name(reader, expr__day_names, 7, false, true, &name);
    case 'M':
        if (piece->count >= 3) {
            if (!take_name(reader, expr__month_names, 12, false, true, &name)) {
                return false;
            }
            put_field(reader->fields, 'M', name + 1);
            return true;
        }
        break;
    default:
        break;
    }
    return read_lenient_number(reader, pattern, index);
}

bool expr__pattern_read_lenient(const struct pattern *pattern, struct view text, int64_t now_ms, int64_t *out_ms)
{
    struct fields fields = no_fields();
    struct reader reader = {.text = text, .fields = &fields, .now_ms = now_ms};
    int64_t       days;
    int64_t       seconds;

    for (size_t i = 0; i < pattern->piece_count; i++) {
        if (!read_lenient_piece(&reader, pattern, i)) {
            return false;
        }
    }
    if (fields.half_hour != HOUR_NOT_GIVEN) {
        fields.hour = fields.half_hour + (fields.half == 1 ? 12 : 0);
    }
    days = fields.has_day_of_year && !fields.has_month ? expr__historic_days(fields.year, 1, fields.day_of_year)
                                                       : expr__historic_days(fields.year, fields.month, fields.day);
    seconds = MAX(fields.hour, 0) * 3600 + fields.minute * 60 + fields.second - fields.offset_seconds;
    *out_ms = (days * SECONDS_PER_DAY + seconds) * 1000 + fields.nanosecond;
    return true;
}
