/* Casts. Numbers convert as Java's do (narrowing wraps, floats saturate), DECIMALs that do not fit are NULL, texts that
 * do not parse fail the job or, under TRY_CAST, are NULL. CHAR(n) pads and cuts, VARCHAR(n) cuts. TIMESTAMP_LTZ shows
 * the session's time zone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compute/expr/expr_calendar.h"
#include "compute/vec/vec_decimal.h"
#include "compute/vec/vec_number.h"
#include "compute/vec/vec_time.h"
#include "core/base/check.h"

/* --- between plain numbers ---------------------------------------------------------------------------------------- */

/* (int) of a double in Java: NaN is 0, the rest saturates. */
static int64_t saturate(double value, int64_t min, int64_t max)
{
    if (value != value) {
        return 0;
    }
    if (value <= (double)min) {
        return min;
    }
    return value >= (double)max ? max : (int64_t)value;
}

#define INTEGER_CASTS(bits, type_)                   \
    EXPR_UNARY(from_8_to_##bits, int8_t, type_, a)   \
    EXPR_UNARY(from_16_to_##bits, int16_t, type_, a) \
    EXPR_UNARY(from_32_to_##bits, int32_t, type_, a) \
    EXPR_UNARY(from_64_to_##bits, int64_t, type_, a)

INTEGER_CASTS(8, int8_t)
INTEGER_CASTS(16, int16_t)
INTEGER_CASTS(32, int32_t)
INTEGER_CASTS(64, int64_t)
INTEGER_CASTS(float, float)
INTEGER_CASTS(double, double)

/* Java narrows a double to byte and short through int. */
EXPR_UNARY(from_float_to_8, float, int8_t, (int32_t)saturate((double)a, INT32_MIN, INT32_MAX))
EXPR_UNARY(from_float_to_16, float, int16_t, (int32_t)saturate((double)a, INT32_MIN, INT32_MAX))
EXPR_UNARY(from_float_to_32, float, int32_t, saturate((double)a, INT32_MIN, INT32_MAX))
EXPR_UNARY(from_float_to_64, float, int64_t, saturate((double)a, INT64_MIN, INT64_MAX))
EXPR_UNARY(from_float_to_float, float, float, a)
EXPR_UNARY(from_float_to_double, float, double, a)
EXPR_UNARY(from_double_to_8, double, int8_t, (int32_t)saturate(a, INT32_MIN, INT32_MAX))
EXPR_UNARY(from_double_to_16, double, int16_t, (int32_t)saturate(a, INT32_MIN, INT32_MAX))
EXPR_UNARY(from_double_to_32, double, int32_t, saturate(a, INT32_MIN, INT32_MAX))
EXPR_UNARY(from_double_to_64, double, int64_t, saturate(a, INT64_MIN, INT64_MAX))
EXPR_UNARY(from_double_to_float, double, float, a)
EXPR_UNARY(from_double_to_double, double, double, a)

#define NUMBER_ROW(from)                                                                                           \
    {                                                                                                              \
        from_##from##_to_8, from_##from##_to_16, from_##from##_to_32, from_##from##_to_64, from_##from##_to_float, \
            from_##from##_to_double                                                                                \
    }

/* TINYINT .. DOUBLE to TINYINT .. DOUBLE */
static expr_kernel_fn *const number_casts[6][6] = {NUMBER_ROW(8),  NUMBER_ROW(16),    NUMBER_ROW(32),
                                                   NUMBER_ROW(64), NUMBER_ROW(float), NUMBER_ROW(double)};

EXPR_UNARY(from_bool_to_8, uint8_t, int8_t, a)
EXPR_UNARY(from_bool_to_16, uint8_t, int16_t, a)
EXPR_UNARY(from_bool_to_32, uint8_t, int32_t, a)
EXPR_UNARY(from_bool_to_64, uint8_t, int64_t, a)
EXPR_UNARY(from_bool_to_float, uint8_t, float, a)
EXPR_UNARY(from_bool_to_double, uint8_t, double, a)
EXPR_UNARY(from_8_to_bool, int8_t, uint8_t, a != 0)
EXPR_UNARY(from_16_to_bool, int16_t, uint8_t, a != 0)
EXPR_UNARY(from_32_to_bool, int32_t, uint8_t, a != 0)
EXPR_UNARY(from_64_to_bool, int64_t, uint8_t, a != 0)
EXPR_UNARY(from_128_to_bool, vec_int128, uint8_t, a != 0)
EXPR_UNARY(from_float_to_bool, float, uint8_t, a != 0)
EXPR_UNARY(from_double_to_bool, double, uint8_t, a != 0)

/* --- decimals ----------------------------------------------------------------------------------------------------- */

void expr__put_int128(struct expr_call *call, size_t row, vec_int128 value)
{
    if (vec_type_layout(call->expr->type) == VEC_LAYOUT_INT64) {
        ((int64_t *)call->result->data)[row] = (int64_t)value;
    } else {
        ((vec_int128 *)call->result->data)[row] = value;
    }
}

vec_int128 expr__integer_at(const struct vec_access *access, size_t row, enum vec_layout layout)
{
    size_t at = vec_access_at(access, row);

    switch (layout) {
    case VEC_LAYOUT_BOOL:
        return ((const uint8_t *)access->data)[at];
    case VEC_LAYOUT_INT8:
        return ((const int8_t *)access->data)[at];
    case VEC_LAYOUT_INT16:
        return ((const int16_t *)access->data)[at];
    case VEC_LAYOUT_INT32:
        return ((const int32_t *)access->data)[at];
    case VEC_LAYOUT_INT64:
        return ((const int64_t *)access->data)[at];
    default:
        CHECK(layout == VEC_LAYOUT_INT128);
        return ((const vec_int128 *)access->data)[at];
    }
}

void expr__put_integer(struct expr_call *call, size_t row, int64_t value)
{
    switch (vec_type_layout(call->expr->type)) {
    case VEC_LAYOUT_BOOL:
        ((uint8_t *)call->result->data)[row] = value != 0;
        break;
    case VEC_LAYOUT_INT8:
        ((int8_t *)call->result->data)[row] = (int8_t)value;
        break;
    case VEC_LAYOUT_INT16:
        ((int16_t *)call->result->data)[row] = (int16_t)value;
        break;
    case VEC_LAYOUT_INT32:
        ((int32_t *)call->result->data)[row] = (int32_t)value;
        break;
    default:
        ((int64_t *)call->result->data)[row] = value;
        break;
    }
}

/* To a decimal that has room for every value of the type: no rounding, nothing to check. */
static bool widen_to_decimal(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type, to = call->expr->type;
    enum vec_layout   layout = vec_type_layout(from);
    bool              is_small = vec_type_layout(to) == VEC_LAYOUT_INT64;
    vec_int128        factor = (vec_int128)vec_power_of_ten(to.scale - (from.kind == VEC_DECIMAL ? from.scale : 0));

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i), at = vec_access_at(&access, row);
        vec_int128 value =
            (layout == VEC_LAYOUT_INT64 ? ((const int64_t *)access.data)[at] : expr__integer_at(&access, row, layout)) *
            factor;

        if (is_small) {
            ((int64_t *)call->result->data)[row] = (int64_t)value;
        } else {
            ((vec_int128 *)call->result->data)[row] = value;
        }
    }
    return true;
}

/* Integers whose every value fits: nothing to scale, nothing to check. */
static bool integer_widened(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    enum vec_layout   layout = vec_type_layout(call->arguments[0].type);
    vec_int128       *result = call->result->data;

    if (layout == VEC_LAYOUT_INT64 && call->arguments[0].form == VEC_FLAT && call->rows == NULL) {
        for (uint32_t i = 0; i < call->row_count; i++) {
            result[i] = ((const int64_t *)access.data)[i];
        }
        return true;
    }
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        expr__put_int128(call, row, expr__integer_at(&access, row, layout));
    }
    return true;
}

static bool widens(struct vec_type from, struct vec_type to)
{
    static const uint8_t digits[] = {[VEC_TINYINT] = 3, [VEC_SMALLINT] = 5, [VEC_INT] = 10, [VEC_BIGINT] = 19};

    return vec_kind_is_integer(from.kind) && to.scale == 0 && to.precision >= digits[from.kind];
}

static bool integer_to_decimal(struct expr_call *call)
{
    static const int digits[VEC_KIND_COUNT] = {
        [VEC_TINYINT] = 3, [VEC_SMALLINT] = 5, [VEC_INT] = 10, [VEC_BIGINT] = 19, [VEC_BOOLEAN] = 1};
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type;
    struct vec_type   to = call->expr->type;
    int               scale = from.kind == VEC_DECIMAL ? from.scale : 0;
    int               whole = from.kind == VEC_DECIMAL ? from.precision - scale : digits[from.kind];
    enum vec_layout   layout = vec_type_layout(from);
    vec_int128        limit = (vec_int128)vec_power_of_ten(to.precision);

    if (to.precision - to.scale >= whole && to.scale >= scale) {
        return widen_to_decimal(call);
    }
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        vec_int128 value = expr__integer_at(&access, row, layout);
        bool       fits = to.scale == scale
                              ? value < limit && value > -limit
                              : vec_decimal_rescale((struct vec_decimal){value, scale}, to.precision, to.scale, &value);

        if (!fits) {
            expr__set_null(call, row);
            value = 0;
        }
        expr__put_int128(call, row, value);
    }
    return true;
}

/* Through the shortest text of a double, as BigDecimal.valueOf(double): a FLOAT shows the digits that it has as one. */
static bool double_to_decimal(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    bool              single = call->arguments[0].type.kind == VEC_FLOAT;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        size_t     at = vec_access_at(&access, row);
        vec_int128 value = 0;
        char       text[VEC_NUMBER_TEXT_BYTES];
        double     value_double = single ? (double)((const float *)access.data)[at] : ((const double *)access.data)[at];
        size_t     len = vec_double_format(value_double, text);

        enum vec_parse parse =
            vec_decimal_parse(view_of(text, len), call->expr->type.precision, call->expr->type.scale, &value);

        if (parse == VEC_PARSE_MALFORMED && !call->expr->try_cast) {
            return expr__fail(call, row, "%s cannot be cast to DECIMAL", text);
        }
        if (parse != VEC_PARSE_OK) {
            expr__set_null(call, row);
            value = 0;
        }
        expr__put_int128(call, row, value);
    }
    return true;
}

static bool decimal_to_integer(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type;
    vec_int128        divisor = (vec_int128)vec_power_of_ten(from.scale);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        expr__put_integer(call, row, (int64_t)(expr__integer_at(&access, row, vec_type_layout(from)) / divisor));
    }
    return true;
}

static bool decimal_to_double(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);
        double value = vec_decimal_to_double(
            (struct vec_decimal){expr__integer_at(&access, row, vec_type_layout(from)), from.scale});

        if (call->expr->type.kind == VEC_FLOAT) {
            ((float *)call->result->data)[row] = (float)value;
        } else {
            ((double *)call->result->data)[row] = value;
        }
    }
    return true;
}

/* --- times -------------------------------------------------------------------------------------------------------- */

/* Seconds added between a time of the session and an instant. */
static int64_t zone_shift(enum vec_kind from, enum vec_kind to, int64_t zone_s)
{
    return to == VEC_TIMESTAMP_LTZ && from != VEC_TIMESTAMP_LTZ   ? -zone_s
           : from == VEC_TIMESTAMP_LTZ && to != VEC_TIMESTAMP_LTZ ? zone_s
                                                                  : 0;
}

/* Flink cuts the milliseconds of a fraction towards 1970 (DateTimeUtils.truncate), the nanoseconds towards the past. */
static struct stamp cut_fraction(struct stamp stamp, uint8_t precision)
{
    int64_t unit = 1;

    for (int digit = precision; digit < 3; digit++) {
        unit *= 10;
    }
    stamp.ms -= stamp.ms % unit;
    if (precision <= 3) {
        stamp.nanosecond = 0;
        return stamp;
    }
    for (int digit = precision; digit < 9; digit++) {
        unit *= 10;
    }
    stamp.nanosecond -= stamp.nanosecond % (int32_t)unit;
    return stamp;
}

/* Between precisions and kinds; a DATE is its midnight. */
static bool to_timestamp(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type;
    struct vec_type   to = call->expr->type;
    int64_t           shift_ms = zone_shift(from.kind, to.kind, expr__zone_ms(call));

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t       row = expr__row(call, i);
        struct stamp stamp = expr__stamp_at(&access, row, from);

        stamp.ms += shift_ms;
        expr__put_stamp(call, row,
                        from.kind != VEC_DATE && to.precision < from.precision ? cut_fraction(stamp, to.precision)
                                                                               : stamp);
    }
    return true;
}

/* A TIMESTAMP or TIMESTAMP_LTZ as the session shows it. */
static int64_t shown_ms(const struct expr_call *call, const struct vec_access *access, size_t row)
{
    struct vec_type from = call->arguments[0].type;

    return expr__stamp_at(access, row, from).ms + zone_shift(from.kind, call->expr->type.kind, expr__zone_ms(call));
}

/* Days and clocks before 1970 by division towards 1970, as Flink does: 1969-12-31 23:59 is of 1970-01-01. Not so of
 * TIMESTAMP_LTZ. */
static bool timestamp_to_date(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    bool              instant = call->arguments[0].type.kind == VEC_TIMESTAMP_LTZ;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t ms = shown_ms(call, &access, row);

        expr__put_integer(call, row, instant ? vec_floor_divide(ms, VEC_MS_PER_DAY) : ms / VEC_MS_PER_DAY);
    }
    return true;
}

static bool timestamp_to_time(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    bool              instant = call->arguments[0].type.kind == VEC_TIMESTAMP_LTZ;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t ms = shown_ms(call, &access, row);

        ms = instant ? vec_floor_remainder(ms, VEC_MS_PER_DAY) : ms % VEC_MS_PER_DAY;
        ms -= call->expr->type.precision == 0 ? ms % 1000 : 0;
        expr__put_integer(call, row, ms < 0 ? ms + VEC_MS_PER_DAY : ms);
    }
    return true;
}

/* --- the matrix --------------------------------------------------------------------------------------------------- */

static bool is_time(enum vec_kind kind)
{
    return kind == VEC_DATE || kind == VEC_TIME || kind == VEC_TIMESTAMP || kind == VEC_TIMESTAMP_LTZ;
}

static bool is_stamp(enum vec_kind kind)
{
    return kind == VEC_TIMESTAMP || kind == VEC_TIMESTAMP_LTZ;
}

static bool is_plain_number(enum vec_kind kind)
{
    return kind >= VEC_TINYINT && kind <= VEC_DOUBLE;
}

static expr_kernel_fn *number_kernel(struct vec_type from, struct vec_type to)
{
    static expr_kernel_fn *const from_bool[6] = {from_bool_to_8,  from_bool_to_16,    from_bool_to_32,
                                                 from_bool_to_64, from_bool_to_float, from_bool_to_double};
    static expr_kernel_fn *const to_bool[6] = {from_8_to_bool,  from_16_to_bool,    from_32_to_bool,
                                               from_64_to_bool, from_float_to_bool, from_double_to_bool};

    if (is_plain_number(from.kind) && is_plain_number(to.kind)) {
        return number_casts[from.kind - VEC_TINYINT][to.kind - VEC_TINYINT];
    }
    if (from.kind == VEC_BOOLEAN && is_plain_number(to.kind)) {
        return from_bool[to.kind - VEC_TINYINT];
    }
    if (is_plain_number(from.kind) && to.kind == VEC_BOOLEAN) {
        return to_bool[from.kind - VEC_TINYINT];
    }
    if (from.kind == VEC_DECIMAL && to.kind == VEC_BOOLEAN) {
        return vec_type_layout(from) == VEC_LAYOUT_INT64 ? from_64_to_bool : from_128_to_bool;
    }
    if (to.kind == VEC_DECIMAL &&
        (vec_kind_is_integer(from.kind) || from.kind == VEC_DECIMAL || from.kind == VEC_BOOLEAN)) {
        return widens(from, to) ? integer_widened : integer_to_decimal;
    }
    if (to.kind == VEC_DECIMAL && is_plain_number(from.kind)) {
        return double_to_decimal;
    }
    if (from.kind == VEC_DECIMAL && vec_kind_is_integer(to.kind)) {
        return decimal_to_integer;
    }
    return from.kind == VEC_DECIMAL && is_plain_number(to.kind) ? decimal_to_double : NULL;
}

/* A TIME is one of 1970-01-01. */
static bool time_to_timestamp(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    int64_t           shift_ms = zone_shift(VEC_TIMESTAMP, call->expr->type.kind, expr__zone_ms(call));

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t ms = ((const int32_t *)access.data)[vec_access_at(&access, row)];

        expr__put_stamp(call, row, (struct stamp){.ms = ms + shift_ms});
    }
    return true;
}

static expr_kernel_fn *time_kernel(struct vec_type from, struct vec_type to)
{
    if (from.kind == VEC_TIME && is_stamp(to.kind)) {
        return time_to_timestamp;
    }
    if (is_stamp(to.kind) && (is_stamp(from.kind) || from.kind == VEC_DATE)) {
        return to_timestamp;
    }
    if (is_stamp(from.kind) && to.kind == VEC_DATE) {
        return timestamp_to_date;
    }
    return is_stamp(from.kind) && to.kind == VEC_TIME ? timestamp_to_time : NULL;
}

static expr_kernel_fn *text_kernel(struct vec_type to)
{
    if (to.kind == VEC_BOOLEAN || vec_kind_is_integer(to.kind)) {
        return expr__text_to_integer;
    }
    if (to.kind == VEC_FLOAT || to.kind == VEC_DOUBLE) {
        return expr__text_to_double;
    }
    if (to.kind == VEC_DECIMAL) {
        return expr__text_to_decimal;
    }
    return is_time(to.kind) ? expr__text_to_time : NULL;
}

expr_kernel_fn *expr__cast_kernel(struct vec_type from, struct vec_type to, bool *out_may_fail)
{
    bool from_text = vec_kind_is_text(from.kind);
    bool binary = from.kind == VEC_BINARY || from.kind == VEC_VARBINARY;

    if (from.kind == VEC_ROW || from.kind == VEC_ARRAY) {
        *out_may_fail = false;
        return expr__nested_is_text(from, to) ? expr__nested_to_text : NULL;
    }
    *out_may_fail = from_text || (to.kind == VEC_DECIMAL && (from.kind == VEC_FLOAT || from.kind == VEC_DOUBLE));
    if (vec_kind_is_text(to.kind)) {
        if (from_text || binary) {
            *out_may_fail = false;
            return binary ? expr__bytes_to_text : expr__text_to_text;
        }
        return from.kind == VEC_BOOLEAN || vec_kind_is_numeric(from.kind) || is_time(from.kind) ||
                       from.kind == VEC_INTERVAL_DAY || from.kind == VEC_INTERVAL_MONTH
                   ? expr__to_text
                   : NULL;
    }
    if ((to.kind == VEC_BINARY || to.kind == VEC_VARBINARY) && (from_text || binary)) {
        *out_may_fail = false;
        return to.length == VEC_LENGTH_UNLIMITED ? expr__text_to_text : expr__to_bytes;
    }
    if (from_text) {
        return text_kernel(to);
    }
    return is_time(from.kind) ? time_kernel(from, to) : number_kernel(from, to);
}

bool expr__cast_implicit(struct vec_type from, struct vec_type to)
{
    struct vec_type common = expr_common_type(from, to);

    if (from.kind == VEC_NULL) {
        return true;
    }
    if (vec_kind_is_text(from.kind) && vec_kind_is_text(to.kind)) {
        return true;
    }
    return common.kind == to.kind && (vec_type_equal(common, to) || common.kind == VEC_DECIMAL);
}
