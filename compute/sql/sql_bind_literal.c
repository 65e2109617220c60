/* Literals and their types, as Calcite gives them. */
#include "compute/sql/sql_internal.h"
#include "compute/vec/vec_decimal.h"
#include "compute/vec/vec_number.h"
#include "compute/vec/vec_time.h"
#include "core/base/check.h"

#define MS_PER_MINUTE INT64_C(60000)
#define MS_PER_HOUR   INT64_C(3600000)

static struct expr *out_of_range(struct sql_binder *binder, const struct sql_expr *expr, const char *type)
{
    sql_fail(binder->error, SQL_ERROR_TYPE, expr->place, "'%.*s' is no %s", (int)MIN(expr->text.len, 64),
             (const char *)expr->text.base, type);
    return NULL;
}

/* Whole numbers are INT, else BIGINT; with a point DECIMAL of as many digits as were written, zeros included. What has
 * more digits than a BIGINT holds is refused, as Calcite does. */
static struct expr *bind_exact(struct sql_binder *binder, const struct sql_expr *expr, bool negative)
{
    const uint8_t *point = memchr(expr->text.base, '.', expr->text.len);
    size_t         digits = expr->text.len - (point != NULL);
    size_t         scale = point == NULL ? 0 : (size_t)(expr->text.base + expr->text.len - point - 1);
    struct view    text = expr->text;
    vec_int128     value;

    if (point != NULL && scale == 0) {
        text.len--; /* 12. */
    }
    if (digits > VEC_DECIMAL_DIGITS_MAX || scale > digits ||
        vec_decimal_parse(text, VEC_DECIMAL_DIGITS_MAX, (int)scale, &value) != VEC_PARSE_OK ||
        value > (vec_int128)INT64_MAX + negative) {
        sql_fail(binder->error, SQL_ERROR_TYPE, expr->place,
                 "the number is out of range: its digits make a BIGINT at most");
        return NULL;
    }
    value = negative ? -value : value;
    if (scale > 0) {
        return expr_decimal(binder->maker, value, (uint8_t)digits, (uint8_t)scale);
    }
    return expr_int(binder->maker, value >= INT32_MIN && value <= INT32_MAX ? VEC_INT : VEC_BIGINT, (int64_t)value);
}

struct expr *sql__bind_negative(struct sql_binder *binder, const struct sql_expr *expr)
{
    return bind_exact(binder, expr, true);
}

static struct expr *bind_approx(struct sql_binder *binder, const struct sql_expr *expr)
{
    double value;

    if (!vec_double_parse(expr->text, &value)) {
        return out_of_range(binder, expr, "number");
    }
    return expr_double(binder->maker, value);
}

static struct expr *bind_bytes(struct sql_binder *binder, const struct sql_expr *expr)
{
    struct vec_string string = vec_string_of((const char *)expr->text.base, (uint32_t)expr->text.len);
    struct vec        source = {.type = vec_type_of(VEC_BINARY), .form = VEC_FLAT, .capacity = 1, .data = &string};

    source.type.nullable = false;
    source.type.length = (int32_t)expr->text.len;
    return expr_constant(binder->maker, &source, 0);
}

/* TIMESTAMP's precision is the number of digits behind the point. */
static struct expr *bind_timestamp(struct sql_binder *binder, const struct sql_expr *expr)
{
    const struct vec_time_format format = {.separator = ' ', .lenient = true};
    const uint8_t               *point = memchr(expr->text.base, '.', expr->text.len);
    size_t                       precision = point == NULL ? 0 : (size_t)(expr->text.base + expr->text.len - point - 1);
    struct vec_civil             civil;

    if (precision > 9 || memchr(expr->text.base, ' ', expr->text.len) == NULL ||
        !vec_timestamp_parse(expr->text, format, &civil)) {
        return out_of_range(binder, expr, "TIMESTAMP, which is written 'yyyy-MM-dd HH:mm:ss[.fraction]'");
    }
    return expr_timestamp(binder->maker, VEC_TIMESTAMP, (uint8_t)precision,
                          vec_timestamp_of(civil, precision > 6 ? NS_PER_S : NS_PER_S / NS_PER_US));
}

static struct expr *bind_date(struct sql_binder *binder, const struct sql_expr *expr)
{
    int32_t days;

    if (!vec_date_parse(expr->text, true, &days)) {
        return out_of_range(binder, expr, "DATE, which is written 'yyyy-MM-dd'");
    }
    return expr_int(binder->maker, VEC_DATE, days);
}

static struct expr *bind_time(struct sql_binder *binder, const struct sql_expr *expr)
{
    int32_t ms;

    if (!vec_time_parse(expr->text, &ms)) {
        return out_of_range(binder, expr, "TIME, which is written 'HH:mm:ss[.fraction]'");
    }
    return expr_int(binder->maker, VEC_TIME, ms);
}

/* --- intervals ---------------------------------------------------------------------------------------------------- */

/* Reads digits; false where there is none or they are too many. */
static bool take_number(struct view *text, int64_t *out_value, uint32_t *out_digits)
{
    int64_t value = 0;
    size_t  i = 0;

    while (i < text->len && text->base[i] >= '0' && text->base[i] <= '9') {
        if (i >= 18) {
            return false;
        }
        value = value * 10 + (text->base[i++] - '0');
    }
    *text = view_of(text->base + i, text->len - i);
    *out_value = value;
    *out_digits = (uint32_t)i;
    return i > 0;
}

static bool take_mark(struct view *text, char mark)
{
    if (text->len == 0 || text->base[0] != (uint8_t)mark) {
        return false;
    }
    *text = view_of(text->base + 1, text->len - 1);
    return true;
}

/* One field's worth in months or milliseconds, and how large it may be where it does not lead. */
static int64_t unit_size(enum sql_unit unit, int64_t *out_limit)
{
    static const struct {
        int64_t size, limit;
    } sizes[SQL_UNIT_COUNT] = {
        [SQL_UNIT_YEAR] = {12, INT64_MAX},
        [SQL_UNIT_QUARTER] = {3, INT64_MAX},
        [SQL_UNIT_MONTH] = {1, 11},
        [SQL_UNIT_WEEK] = {7 * VEC_MS_PER_DAY, INT64_MAX},
        [SQL_UNIT_DAY] = {VEC_MS_PER_DAY, INT64_MAX},
        [SQL_UNIT_HOUR] = {MS_PER_HOUR, 23},
        [SQL_UNIT_MINUTE] = {MS_PER_MINUTE, 59},
        [SQL_UNIT_SECOND] = {MS_PER_S, 59},
    };

    *out_limit = sizes[unit].limit;
    return sizes[unit].size;
}

/* Fields finer than `unit` as they are written: no QUARTER and no WEEK between the others. */
static enum sql_unit next_unit(enum sql_unit unit)
{
    switch (unit) {
    case SQL_UNIT_YEAR:
        return SQL_UNIT_MONTH;
    case SQL_UNIT_DAY:
        return SQL_UNIT_HOUR;
    case SQL_UNIT_HOUR:
        return SQL_UNIT_MINUTE;
    default:
        return SQL_UNIT_SECOND;
    }
}

/* .5 behind seconds: to milliseconds, finer digits are cut. */
static bool take_fraction(struct view *text, int64_t *total)
{
    int64_t scale = 100;

    if (!take_mark(text, '.')) {
        return true;
    }
    if (text->len == 0 || text->len > 9) {
        return false;
    }
    for (size_t i = 0; i < text->len; i++) {
        if (text->base[i] < '0' || text->base[i] > '9') {
            return false;
        }
        *total += (text->base[i] - '0') * scale;
        scale /= 10;
    }
    *text = view_of(text->base + text->len, 0);
    return true;
}

static char separator_before(enum sql_unit unit)
{
    return unit == SQL_UNIT_MONTH ? '-' : unit == SQL_UNIT_HOUR ? ' ' : ':';
}

/* '12', '1-6', '1 10:30:00.5': all fields from unit to unit_to. */
static bool read_interval(struct view text, const struct sql_expr *expr, int64_t *out_total, bool *out_too_long)
{
    enum sql_unit unit = expr->unit;
    enum sql_unit last = expr->unit_to == SQL_UNIT_NONE ? expr->unit : expr->unit_to;
    uint32_t      precision = expr->precision < 0 ? 2 : (uint32_t)expr->precision;
    int64_t       value;
    int64_t       limit;
    uint32_t      digits;

    *out_total = 0;
    if (!take_number(&text, &value, &digits)) {
        return false;
    }
    *out_too_long = digits > precision;
    if (__builtin_mul_overflow(value, unit_size(unit, &limit), out_total)) {
        return false;
    }
    while (unit != last) {
        unit = next_unit(unit);
        if (!take_mark(&text, separator_before(unit)) || !take_number(&text, &value, &digits)) {
            return false;
        }
        *out_total += value * unit_size(unit, &limit);
        if (value > limit) {
            return false;
        }
    }
    return (unit != SQL_UNIT_SECOND || take_fraction(&text, out_total)) && text.len == 0;
}

static struct expr *bind_interval(struct sql_binder *binder, const struct sql_expr *expr)
{
    struct view text = expr->text;
    bool        months = expr->unit <= SQL_UNIT_MONTH;
    bool        negative = expr->flag;
    bool        too_long = false;
    int64_t     total;

    if (months && expr->unit_to > SQL_UNIT_MONTH) {
        sql_fail(binder->error, SQL_ERROR_SYNTAX, expr->place,
                 "an interval is of years and months, or of days to "
                 "seconds");
        return NULL;
    }
    if (expr->unit == SQL_UNIT_WEEK || expr->unit == SQL_UNIT_QUARTER) { /* it makes an hour and a month of one */
        sql_fail(binder->error, SQL_ERROR_UNSUPPORTED, expr->place,
                 "Flink 2.2 takes INTERVAL '1' %s for something shorter; write it in %s", sql__unit_name(expr->unit),
                 months ? "months" : "days");
        return NULL;
    }
    if (take_mark(&text, '-')) {
        negative = !negative;
    } else {
        (void)take_mark(&text, '+');
    }
    if (!read_interval(text, expr, &total, &too_long) || (months && total > INT32_MAX)) {
        sql_fail(binder->error, SQL_ERROR_TYPE, expr->place, "'%.*s' is no interval of %s%s%s",
                 (int)MIN(expr->text.len, 64), (const char *)expr->text.base, sql__unit_name(expr->unit),
                 expr->unit_to == SQL_UNIT_NONE ? "" : " TO ", sql__unit_name(expr->unit_to));
        return NULL;
    }
    if (too_long) {
        sql_fail(binder->error, SQL_ERROR_TYPE, expr->place,
                 "the interval's %s has more than %d digits; write %s(n) for n digits", sql__unit_name(expr->unit),
                 expr->precision < 0 ? 2 : expr->precision, sql__unit_name(expr->unit));
        return NULL;
    }
    return expr_int(binder->maker, months ? VEC_INTERVAL_MONTH : VEC_INTERVAL_DAY, negative ? -total : total);
}

struct expr *sql__bind_literal(struct sql_binder *binder, const struct sql_expr *expr)
{
    switch (expr->kind) {
    case SQL_NULL:
        return expr_null(binder->maker, vec_type_of(expr->flag ? VEC_BOOLEAN : VEC_NULL));
    case SQL_BOOLEAN:
        return expr_bool(binder->maker, expr->flag);
    case SQL_EXACT:
        return bind_exact(binder, expr, false);
    case SQL_APPROX:
        return bind_approx(binder, expr);
    case SQL_STRING:
    case SQL_SYMBOL:
        return expr_text(binder->maker,
                         expr->unit != SQL_UNIT_NONE ? view_text(sql__unit_name(expr->unit)) : expr->text);
    case SQL_BYTES:
        return bind_bytes(binder, expr);
    case SQL_DATE:
        return bind_date(binder, expr);
    case SQL_TIME:
        return bind_time(binder, expr);
    case SQL_TIMESTAMP:
        return bind_timestamp(binder, expr);
    default:
        CHECK(expr->kind == SQL_INTERVAL);
        return bind_interval(binder, expr);
    }
}
