/* Rounding and signs of numbers: ROUND, TRUNCATE, FLOOR, CEIL, SIGN. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compute/expr/expr_text.h"
#include "compute/vec/vec_decimal.h"
#include "compute/vec/vec_number.h"
#include "core/base/check.h"

#define ROUND_TEXT_BYTES 400

/* --- integers and DECIMALs ---------------------------------------------------------------------------------------- */

/* To a multiple of 10^digits: half away from zero, or towards zero. */
static vec_int128 round_value(vec_int128 value, int digits, bool cut)
{
    vec_int128 unit;
    vec_int128 rest;

    if (digits > VEC_DECIMAL_DIGITS_MAX) {
        return 0;
    }
    unit = (vec_int128)vec_power_of_ten(digits);
    rest = value % unit;
    value -= rest;
    if (!cut && (rest < 0 ? -rest : rest) >= unit - (rest < 0 ? -rest : rest)) {
        value += rest < 0 ? -unit : unit;
    }
    return value;
}

static bool is_truncate(const struct expr_call *call)
{
    return call->expr->function->name[0] == 'T';
}

/* Digits behind the point that stay: argument 1, or none. */
static int64_t digits_at(const struct expr_call *call, size_t row)
{
    struct vec_access access;

    if (call->expr->argument_count == 1) {
        return 0;
    }
    access = vec_access_of(&call->arguments[1]);
    return expr__int_at(&access, row);
}

static bool round_integer(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    enum vec_layout   layout = vec_type_layout(call->expr->type);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        int64_t    digits = digits_at(call, row);
        vec_int128 value = expr__integer_at(&access, row, layout);

        if (digits < 0) {
            value = round_value(value, (int)MIN(-digits, (int64_t)VEC_DECIMAL_DIGITS_MAX), is_truncate(call));
        }
        expr__put_integer(call, row, (int64_t)(uint64_t)value);
    }
    return true;
}

/* The digits are known when the statement is bound: they make the type. */
static bool round_decimal(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type;
    struct vec_type   to = call->expr->type;
    int               digits = (int)*(const int64_t *)call->state;
    bool              cut = is_truncate(call);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        vec_int128 value = expr__integer_at(&access, row, vec_type_layout(from));

        if (digits < from.scale) {
            value = round_value(value, from.scale - digits, cut);
            value /= (vec_int128)vec_power_of_ten(from.scale - to.scale);
        }
        if (!vec_decimal_fits(value, to.precision)) {
            expr__set_null(call, row);
            value = 0;
        }
        expr__put_int128(call, row, value);
    }
    return true;
}

/* --- floating point numbers --------------------------------------------------------------------------------------- */

/* Rounds the decimal text of a number, as Java's BigDecimal does: "d.dddE-5" or "ddd.ddd" to digits behind the point.
 * Writes sign, digits and an exponent. */
static void round_digits(const char *text, int64_t digits, bool cut, char *out)
{
    char    all[ROUND_TEXT_BYTES];
    size_t  count = 0;
    int64_t exponent = 0; /* of the digit behind the last */
    bool    point = false;
    int64_t keep;

    if (*text == '-') {
        *out++ = *text++;
    }
    for (; *text != '\0' && *text != 'E'; text++) {
        if (*text == '.') {
            point = true;
        } else {
            all[count++] = *text;
            exponent -= point;
        }
    }
    exponent += *text == 'E' ? strtol(text + 1, NULL, 10) : 0;
    keep = (int64_t)count + exponent + digits; /* how many of them stay */
    if (keep < (int64_t)count) {
        bool up = !cut && keep >= 0 && all[keep] >= '5';

        exponent = -digits;
        count = (size_t)MAX(keep, (int64_t)0);
        for (size_t i = count; up && i > 0; i--) {
            up = all[i - 1] == '9';
            all[i - 1] = up ? '0' : (char)(all[i - 1] + 1);
        }
        if (up) { /* a carry out of the first digit */
            *out++ = '1';
        }
    }
    memcpy(out, all, count);
    out += count;
    *out++ = '0'; /* at least one digit; the exponent makes up for it */
    (void)snprintf(out, 32, "E%" PRId64, exponent - 1);
}

static bool round_double(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    bool              single = call->expr->type.kind == VEC_FLOAT;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);
        size_t at = vec_access_at(&access, row);
        double value = single ? (double)((const float *)access.data)[at] : ((const double *)access.data)[at];
        char   text[VEC_NUMBER_TEXT_BYTES];
        char   rounded[ROUND_TEXT_BYTES + 64];

        if (!isfinite(value)) {
            return expr__fail(call, row, "%s: NaN and infinity cannot be rounded", call->expr->function->name);
        }
        if (single && is_truncate(call)) {
            (void)vec_float_format((float)value, text);
        } else {
            (void)vec_double_format(value, text);
        }
        round_digits(text, MAX(MIN(digits_at(call, row), (int64_t)400), (int64_t)-400), is_truncate(call), rounded);
        value = strtod(rounded, NULL) + 0.0; /* no -0.0: a BigDecimal has none */
        if (single) {
            ((float *)call->result->data)[row] = (float)value;
        } else {
            ((double *)call->result->data)[row] = value;
        }
    }
    return true;
}

/* --- binding ------------------------------------------------------------------------------------------------------ */

static bool refuse_type(struct expr_bind *bind)
{
    char text[64];

    return expr__refuse(bind->maker, "%s does not go with %s", bind->name,
                        expr__type_text(bind->arguments[0]->type, text));
}

static bool bind_decimal_digits(struct expr_bind *bind)
{
    struct vec_type from = bind->arguments[0]->type;
    struct vec_type to = from;
    int64_t        *digits = arena_alloc(bind->maker->arena, sizeof(*digits));

    if (digits == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    *digits = 0;
    if (bind->count == 2 && !expr__constant_int(bind->arguments[1], digits)) {
        return expr__refuse(bind->maker, "%s of a DECIMAL wants its digits as a number in the statement", bind->name);
    }
    *digits = MAX(*digits, -(int64_t)VEC_DECIMAL_DIGITS_MAX);
    if (*digits < from.scale) {
        to.scale = (uint8_t)MAX(*digits, (int64_t)0);
        to.precision = (uint8_t)MIN(1 + from.precision - from.scale + to.scale, VEC_DECIMAL_DIGITS_MAX);
    }
    bind->count = 1;
    bind->out.state = digits;
    expr__result(bind, to, round_decimal);
    bind->out.result.nullable = true;
    return true;
}

/* ROUND(x [, digits]), TRUNCATE(x [, digits]) */
bool expr__bind_round(struct expr_bind *bind)
{
    struct vec_type type = bind->arguments[0]->type;
    bool            truncates = bind->name[0] == 'T';

    if (bind->count == 2 && !expr__want_int(bind, 1)) {
        return false;
    }
    if (type.kind == VEC_DECIMAL) {
        return bind_decimal_digits(bind);
    }
    if (!vec_kind_is_numeric(type.kind) || (truncates && (type.kind == VEC_TINYINT || type.kind == VEC_SMALLINT))) {
        return refuse_type(bind);
    }
    type.nullable = false;
    expr__result(bind, type, vec_kind_is_integer(type.kind) ? round_integer : round_double);
    return true;
}

EXPR_UNARY(floor_float, float, float, floorf(a))
EXPR_UNARY(floor_double, double, double, floor(a))
EXPR_UNARY(ceil_float, float, float, ceilf(a))
EXPR_UNARY(ceil_double, double, double, ceil(a))

static bool whole_decimal(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type;
    vec_int128        unit = (vec_int128)vec_power_of_ten(from.scale);
    bool              up = call->expr->function->name[0] == 'C';

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        vec_int128 value = expr__integer_at(&access, row, vec_type_layout(from));
        vec_int128 whole = value / unit - (value % unit < 0);

        whole += up && whole * unit != value;
        if (!vec_decimal_fits(whole, call->expr->type.precision)) {
            expr__set_null(call, row);
            whole = 0;
        }
        expr__put_int128(call, row, whole);
    }
    return true;
}

/* FLOOR(x), CEIL(x) and, with a unit, of times. */
bool expr__bind_floor(struct expr_bind *bind)
{
    struct vec_type type = bind->arguments[0]->type;
    bool            up = bind->name[0] == 'C';

    if (bind->count == 2) {
        return expr__bind_round_time(bind);
    }
    type.nullable = type.kind == VEC_DECIMAL;
    if (vec_kind_is_integer(type.kind)) {
        expr__result(bind, type, round_integer);
    } else if (type.kind == VEC_FLOAT) {
        expr__result(bind, type, up ? ceil_float : floor_float);
    } else if (type.kind == VEC_DOUBLE) {
        expr__result(bind, type, up ? ceil_double : floor_double);
    } else if (type.kind == VEC_DECIMAL) {
        type.scale = 0;
        expr__result(bind, type, whole_decimal);
    } else {
        return refuse_type(bind);
    }
    return true;
}

EXPR_UNARY(sign_32, int32_t, int32_t, (a > 0) - (a < 0))
EXPR_UNARY(sign_64, int64_t, int64_t, (a > 0) - (a < 0))
EXPR_UNARY(sign_float, float, float, a > 0 ? 1.0F : a < 0 ? -1.0F : a)
EXPR_UNARY(sign_double, double, double, a > 0 ? 1.0 : a < 0 ? -1.0 : a)

static bool sign_decimal(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   from = call->arguments[0].type;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        vec_int128 value = expr__integer_at(&access, row, vec_type_layout(from));
        vec_int128 one = (vec_int128)vec_power_of_ten(from.scale);

        if (value != 0 && from.precision == from.scale) {
            expr__set_null(call, row); /* there is no one in DECIMAL(p, p) */
            value = 0;
        }
        expr__put_int128(call, row, value > 0 ? one : value < 0 ? -one : 0);
    }
    return true;
}

bool expr__bind_sign(struct expr_bind *bind)
{
    struct vec_type type = bind->arguments[0]->type;

    if (!vec_kind_is_numeric(type.kind) || type.kind == VEC_TINYINT || type.kind == VEC_SMALLINT) {
        return refuse_type(bind);
    }
    type.nullable = type.kind == VEC_DECIMAL;
    expr__result(bind, type,
                 type.kind == VEC_INT      ? sign_32
                 : type.kind == VEC_BIGINT ? sign_64
                 : type.kind == VEC_FLOAT  ? sign_float
                 : type.kind == VEC_DOUBLE ? sign_double
                                           : sign_decimal);
    return true;
}
