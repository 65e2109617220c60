/* Casts from and to text. */
#include <stdio.h>

#include "compute/expr/expr_calendar.h"
#include "compute/expr/expr_pattern.h"
#include "compute/expr/expr_text.h"
#include "compute/vec/vec_decimal.h"
#include "compute/vec/vec_number.h"
#include "compute/vec/vec_time.h"
#include "core/base/check.h"

#define SHOWN_BYTES 60 /* of a text in a message */

static bool trying(const struct expr_call *call)
{
    return call->expr->try_cast;
}

/* The text at a row does not read as the target. */
static bool malformed(struct expr_call *call, size_t row, struct view text)
{
    char type[64];

    if (trying(call)) {
        expr__set_null(call, row);
        return true;
    }
    return expr__fail(call, row, "'%.*s%s' cannot be cast to %s", (int)MIN(text.len, SHOWN_BYTES),
                      (const char *)text.base, text.len > SHOWN_BYTES ? "..." : "",
                      expr__type_text(call->expr->type, type));
}

/* --- from text ---------------------------------------------------------------------------------------------------- */

/* Java's String.trim(): everything up to a space. */
static struct view trim(struct view text)
{
    while (text.len > 0 && text.base[0] <= ' ') {
        text = view_of(text.base + 1, text.len - 1);
    }
    while (text.len > 0 && text.base[text.len - 1] <= ' ') {
        text.len--;
    }
    return text;
}

/* BinaryStringData.trim(): blanks only. */
static struct view trim_blanks(struct view text)
{
    while (text.len > 0 && text.base[0] == ' ') {
        text = view_of(text.base + 1, text.len - 1);
    }
    while (text.len > 0 && text.base[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

/* Double.parseDouble reads a letter for the type behind the digits. */
static struct view without_suffix(struct view text)
{
    uint8_t last = text.len > 1 ? text.base[text.len - 1] | 0x20 : 0;
    uint8_t before = text.len > 1 ? text.base[text.len - 2] : 0;

    if ((last == 'f' || last == 'd') && ((before >= '0' && before <= '9') || before == '.')) {
        text.len--;
    }
    return text;
}

static bool equal_fold(struct view text, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i < text.len && i < len; i++) {
        if ((text.base[i] | 0x20) != (uint8_t)word[i]) {
            return false;
        }
    }
    return text.len == len;
}

/* Flink's BinaryStringDataUtil.toBoolean. */
static bool parse_bool(struct view text, uint8_t *out_value)
{
    static const char *const yes[] = {"t", "true", "y", "yes", "1"};
    static const char *const no[] = {"f", "false", "n", "no", "0"};

    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (equal_fold(text, yes[i]) || equal_fold(text, no[i])) {
            *out_value = equal_fold(text, yes[i]);
            return true;
        }
    }
    return false;
}

/* Digits behind a point are allowed and cut (BinaryStringDataUtil.toLong). */
static bool parse_integer(struct view text, int64_t min, int64_t max, int64_t *out_value)
{
    bool       negative = text.len > 0 && text.base[0] == '-';
    size_t     at = negative || (text.len > 0 && text.base[0] == '+');
    vec_int128 value = 0;
    size_t     digits = 0;

    for (; at < text.len && text.base[at] >= '0' && text.base[at] <= '9'; at++, digits++) {
        value = MIN(value * 10 + (text.base[at] - '0'), (vec_int128)1 << 100);
    }
    if (at < text.len && text.base[at] == '.') {
        digits++; /* "." alone is 0 */
        for (at++; at < text.len && text.base[at] >= '0' && text.base[at] <= '9'; at++) {
            digits++;
        }
    }
    value = negative ? -value : value;
    if (digits == 0 || at != text.len || value < min || value > max) {
        return false;
    }
    *out_value = (int64_t)value;
    return true;
}

bool expr__text_to_integer(struct expr_call *call)
{
    static const int64_t mins[] = {
        [VEC_TINYINT] = INT8_MIN, [VEC_SMALLINT] = INT16_MIN, [VEC_INT] = INT32_MIN, [VEC_BIGINT] = INT64_MIN};
    static const int64_t maxs[] = {
        [VEC_TINYINT] = INT8_MAX, [VEC_SMALLINT] = INT16_MAX, [VEC_INT] = INT32_MAX, [VEC_BIGINT] = INT64_MAX};
    struct vec_access access = vec_access_of(&call->arguments[0]);
    enum vec_kind     kind = call->expr->type.kind;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *string = (const struct vec_string *)access.data + vec_access_at(&access, row);
        int64_t                  value = 0;
        uint8_t                  flag = 0;
        bool                     ok;

        if (kind == VEC_BOOLEAN) {
            ok = parse_bool(vec_string_view(string), &flag);
            value = flag;
        } else {
            ok = parse_integer(trim_blanks(vec_string_view(string)), mins[kind], maxs[kind], &value);
        }
        if (!ok && !malformed(call, row, vec_string_view(string))) {
            return false;
        }
        expr__put_integer(call, row, value);
    }
    return true;
}

bool expr__text_to_double(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *string = (const struct vec_string *)access.data + vec_access_at(&access, row);
        double                   value = 0;

        if (!vec_double_parse(without_suffix(trim(vec_string_view(string))), &value) &&
            !malformed(call, row, vec_string_view(string))) {
            return false;
        }
        if (call->expr->type.kind == VEC_FLOAT) {
            ((float *)call->result->data)[row] = (float)value;
        } else {
            ((double *)call->result->data)[row] = value;
        }
    }
    return true;
}

/* Flink's reader of short texts stops at the first character that is no part of a number, and forgives it where it is
 * the last one: '1x' is 1, 'x' and '.' are 0. */
static struct view forgiven(struct view text, struct vec_type to)
{
    uint8_t last = text.len == 0 ? '0' : text.base[text.len - 1];

    if (to.precision <= 18 && view_equal(text, view_text("."))) {
        return view_text("0");
    }
    if (to.precision <= 18 && text.len <= 18 && last != '.' && last != '+' && last != '-' &&
        (last < '0' || last > '9')) {
        return text.len == 1 ? view_text("0") : view_of(text.base, text.len - 1);
    }
    return text;
}

bool expr__text_to_decimal(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   to = call->expr->type;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *string = (const struct vec_string *)access.data + vec_access_at(&access, row);
        struct view              text = forgiven(trim(vec_string_view(string)), to);
        vec_int128               value = 0;

        if (vec_decimal_parse(text, to.precision, to.scale, &value) != VEC_PARSE_OK) {
            value = 0;
            if (!malformed(call, row, vec_string_view(string))) {
                return false;
            }
        }
        expr__put_int128(call, row, value);
    }
    return true;
}

/* The fraction to the precision of the type; of a TIMESTAMP_LTZ the text shows the session's time. */
static void put_civil(struct expr_call *call, size_t row, struct vec_civil civil)
{
    struct vec_type to = call->expr->type;
    int64_t         units = vec_timestamp_units(to);
    int32_t         cut = 1;

    for (int digit = to.precision; digit < 9; digit++) {
        cut *= 10;
    }
    civil.nanosecond -= civil.nanosecond % cut;
    expr__put_int128(call, row,
                     vec_timestamp_of(civil, units) -
                         (to.kind == VEC_TIMESTAMP_LTZ ? expr__zone_ms(call) / 1000 * units : 0));
}

bool expr__text_to_time(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    enum vec_kind     kind = call->expr->type.kind;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t           row = expr__row(call, i);
        struct view      text = vec_string_view((const struct vec_string *)access.data + vec_access_at(&access, row));
        struct vec_civil civil = {.year = 1970, .month = 1, .day = 1};
        int32_t          value = 0;
        bool             ok;

        if (kind == VEC_DATE) {
            ok = expr__read_date(text, &value);
            expr__put_integer(call, row, value);
        } else if (kind == VEC_TIME) {
            ok = expr__read_time(text, &value) && value >= 0 && value < VEC_MS_PER_DAY;
            expr__put_integer(call, row, call->expr->type.precision == 0 ? value - value % 1000 : value);
        } else {
            ok = expr__read_timestamp(text, &civil);
            put_civil(call, row, civil);
        }
        if (!ok && !malformed(call, row, text)) {
            return false;
        }
    }
    return true;
}

/* --- to text ------------------------------------------------------------------------------------------------------ */

/* Bytes of the first `characters` characters. */
static size_t cut_characters(struct view text, int32_t characters, int32_t *out_found)
{
    size_t  at = 0;
    int32_t found = 0;

    for (; at < text.len; at++) {
        if ((text.base[at] & 0xc0) != 0x80) {
            if (found == characters) {
                break;
            }
            found++;
        }
    }
    *out_found = found;
    return at;
}

/* The text as CHAR(n) or VARCHAR(n), in memory of the call. */
static bool put_text(struct expr_call *call, size_t row, struct view text)
{
    struct vec_type    to = call->expr->type;
    struct vec_string *result = (struct vec_string *)call->result->data + row;
    int32_t            found = 0;
    size_t             len = to.length == VEC_LENGTH_UNLIMITED ? text.len : cut_characters(text, to.length, &found);
    size_t             padding = to.kind == VEC_CHAR ? (size_t)(to.length - found) : 0;
    char              *room;

    if (len + padding <= VEC_STRING_INLINE_MAX) {
        char inline_text[VEC_STRING_INLINE_MAX];

        memset(inline_text, ' ', sizeof(inline_text));
        memcpy(inline_text, text.base, len);
        *result = vec_string_of(inline_text, (uint32_t)(len + padding));
        return true;
    }
    room = expr__text_room(call, row, len + padding);
    if (room == NULL) {
        return false;
    }
    memcpy(room, text.base, len);
    memset(room + len, ' ', padding);
    *result = vec_string_of(room, (uint32_t)(len + padding));
    return true;
}

bool expr__text_to_text(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *string = (const struct vec_string *)access.data + vec_access_at(&access, row);

        if (call->expr->type.length == VEC_LENGTH_UNLIMITED) {
            ((struct vec_string *)call->result->data)[row] = *string; /* shows the same bytes */
        } else if (!put_text(call, row, vec_string_view(string))) {
            return false;
        }
    }
    return true;
}

/* Bytes as a text: what is no UTF-8 becomes U+FFFD. */
bool expr__bytes_to_text(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};

        expr__build_utf8(&builder, expr__view_at(&access, row));
        if (builder.failed || !put_text(call, row, view_of(builder.base == NULL ? "" : builder.base, builder.len))) {
            return false;
        }
    }
    return true;
}

/* To BINARY(n), filled up with zeros, or VARBINARY(n): both cut. */
bool expr__to_bytes(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   to = call->expr->type;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view bytes = expr__view_at(&access, row);
        size_t      len = MIN(bytes.len, (size_t)to.length);
        size_t      all = to.kind == VEC_BINARY ? (size_t)to.length : len;
        char       *room;

        if (all == len) {
            if (!expr__put_copy(call, row, bytes.base, len)) {
                return false;
            }
            continue;
        }
        room = expr__text_room(call, row, all);
        if (room == NULL) {
            return false;
        }
        memset(room, 0, all);
        memcpy(room, bytes.base, len);
        expr__put_room(call, row, room, all);
    }
    return true;
}

static size_t format_timestamp(vec_int128 value, struct vec_type from, int64_t zone_ms, char *text)
{
    int64_t units = vec_timestamp_units(from);

    value += from.kind == VEC_TIMESTAMP_LTZ ? zone_ms / 1000 * units : 0;
    return vec_timestamp_format(vec_civil_of_timestamp(value, units), ' ', from.precision, text);
}

/* "+1 02:03:04.567" */
static size_t format_days(int64_t ms, char *text)
{
    uint64_t all = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    uint64_t seconds = all / 1000;

    return (size_t)snprintf(text, VEC_DECIMAL_TEXT_BYTES, "%c%d %02d:%02d:%02d.%03d", ms < 0 ? '-' : '+',
                            (int)(seconds / 86400), (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60),
                            (int)(seconds % 60), (int)(all % 1000));
}

/* "+1-02" */
static size_t format_months(int32_t months, char *text)
{
    int64_t all = months < 0 ? -(int64_t)months : months;

    return (size_t)snprintf(text, VEC_DECIMAL_TEXT_BYTES, "%c%d-%02d", months < 0 ? '-' : '+', (int)(all / 12),
                            (int)(all % 12));
}

/* Integers: the digits from the last one on. */
static size_t format_integer(int64_t value, char *text)
{
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char     digits[24];
    size_t   at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    memcpy(text, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

size_t expr__format_value(const struct vec_access *access, size_t row, struct vec_type from, int64_t zone_ms,
                          char text[VEC_DECIMAL_TEXT_BYTES])
{
    size_t at = vec_access_at(access, row);

    switch (from.kind) {
    case VEC_TINYINT:
    case VEC_SMALLINT:
    case VEC_INT:
    case VEC_BIGINT:
        return format_integer((int64_t)expr__integer_at(access, row, vec_type_layout(from)), text);
    case VEC_BOOLEAN:
        return (size_t)snprintf(text, VEC_DECIMAL_TEXT_BYTES, "%s",
                                ((const uint8_t *)access->data)[at] != 0 ? "TRUE" : "FALSE");
    case VEC_FLOAT:
        return vec_float_format(((const float *)access->data)[at], text);
    case VEC_DOUBLE:
        return vec_double_format(((const double *)access->data)[at], text);
    case VEC_DATE:
        return vec_date_format((int64_t)expr__integer_at(access, row, VEC_LAYOUT_INT32), text);
    case VEC_TIME:
        return vec_time_format_ms((int32_t)expr__integer_at(access, row, VEC_LAYOUT_INT32), from.precision, text);
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        return format_timestamp(expr__integer_at(access, row, vec_type_layout(from)), from, zone_ms, text);
    case VEC_INTERVAL_DAY:
        return format_days(((const int64_t *)access->data)[at], text);
    case VEC_INTERVAL_MONTH:
        return format_months(((const int32_t *)access->data)[at], text);
    default:
        return vec_decimal_format((struct vec_decimal){expr__integer_at(access, row, vec_type_layout(from)),
                                                       from.kind == VEC_DECIMAL ? from.scale : 0},
                                  text);
    }
}

bool expr__to_text(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);
        char   text[VEC_DECIMAL_TEXT_BYTES];
        size_t len = expr__format_value(&access, row, from, expr__zone_ms(call), text);

        if (!put_text(call, row, view_of(text, len))) {
            return false;
        }
    }
    return true;
}
