/* Arithmetic. Integers wrap around as Java's; DECIMAL results that do not fit are NULL; types follow Calcite and
 * LogicalTypeMerging. */
#include "compute/expr/expr_kernel.h"
#include "compute/vec/vec_decimal.h"
#include "core/base/check.h"

/* --- integers and floats ------------------------------------------------------------------------------------------ */

#define WRAP(type_, operator_) ((type_)((u##type_)a operator_(u##type_) b))
#define INTEGER_KERNELS(bits)                                                                         \
    EXPR_BINARY(add_##bits, int##bits##_t, int##bits##_t, int##bits##_t, WRAP(int##bits##_t, +))      \
    EXPR_BINARY(subtract_##bits, int##bits##_t, int##bits##_t, int##bits##_t, WRAP(int##bits##_t, -)) \
    EXPR_UNARY(negate_##bits, int##bits##_t, int##bits##_t, (int##bits##_t)(0 - (uint##bits##_t)a))   \
    EXPR_UNARY(abs_##bits, int##bits##_t, int##bits##_t, a < 0 ? (int##bits##_t)(0 - (uint##bits##_t)a) : a)

INTEGER_KERNELS(8)
INTEGER_KERNELS(16)
INTEGER_KERNELS(32)
INTEGER_KERNELS(64)

/* Products of narrow types are made wide: their promotion to int could overflow. */
EXPR_BINARY(multiply_8, int8_t, int8_t, int8_t, (uint32_t)a *(uint32_t)b)
EXPR_BINARY(multiply_16, int16_t, int16_t, int16_t, (uint32_t)a *(uint32_t)b)
EXPR_BINARY(multiply_32, int32_t, int32_t, int32_t, (uint32_t)a *(uint32_t)b)
EXPR_BINARY(multiply_64, int64_t, int64_t, int64_t, (uint64_t)a *(uint64_t)b)

#define FLOAT_KERNELS(type_)                                  \
    EXPR_BINARY(add_##type_, type_, type_, type_, a + b)      \
    EXPR_BINARY(subtract_##type_, type_, type_, type_, a - b) \
    EXPR_BINARY(multiply_##type_, type_, type_, type_, a *b)  \
    EXPR_BINARY(divide_##type_, type_, type_, type_, a / b)   \
    EXPR_UNARY(negate_##type_, type_, type_, -a)              \
    EXPR_UNARY(abs_##type_, type_, type_, a < 0 ? -a : a + (type_)0)

FLOAT_KERNELS(float)
FLOAT_KERNELS(double)

/* INT64_MIN / -1 overflows in C and wraps in Java. */
#define DIVIDE_KERNELS(bits)                                                                            \
    static bool divide_##bits(struct expr_call *call)                                                   \
    {                                                                                                   \
        struct vec_access a = vec_access_of(&call->arguments[0]);                                       \
        struct vec_access b = vec_access_of(&call->arguments[1]);                                       \
        int##bits##_t    *result = call->result->data;                                                  \
                                                                                                        \
        for (uint32_t i = 0; i < call->row_count; i++) {                                                \
            size_t        row = expr__row(call, i);                                                     \
            int##bits##_t left = ((const int##bits##_t *)a.data)[vec_access_at(&a, row)];               \
            int##bits##_t right = ((const int##bits##_t *)b.data)[vec_access_at(&b, row)];              \
                                                                                                        \
            if (right == 0) {                                                                           \
                return expr__fail(call, row, "/ by zero");                                              \
            }                                                                                           \
            result[row] = (int##bits##_t)(right == -1 ? 0 - (uint64_t)left : (uint64_t)(left / right)); \
        }                                                                                               \
        return true;                                                                                    \
    }

DIVIDE_KERNELS(8)
DIVIDE_KERNELS(16)
DIVIDE_KERNELS(32)
DIVIDE_KERNELS(64)

/* MOD works on 64 bits and gives b's type. */
#define MODULO_KERNEL(bits)                                                    \
    static bool modulo_##bits(struct expr_call *call)                          \
    {                                                                          \
        struct vec_access a = vec_access_of(&call->arguments[0]);              \
        struct vec_access b = vec_access_of(&call->arguments[1]);              \
        int##bits##_t    *result = call->result->data;                         \
                                                                               \
        for (uint32_t i = 0; i < call->row_count; i++) {                       \
            size_t  row = expr__row(call, i);                                  \
            int64_t left = ((const int64_t *)a.data)[vec_access_at(&a, row)];  \
            int64_t right = ((const int64_t *)b.data)[vec_access_at(&b, row)]; \
                                                                               \
            if (right == 0) {                                                  \
                return expr__fail(call, row, "/ by zero");                     \
            }                                                                  \
            result[row] = (int##bits##_t)(right == -1 ? 0 : left % right);     \
        }                                                                      \
        return true;                                                           \
    }

MODULO_KERNEL(8)
MODULO_KERNEL(16)
MODULO_KERNEL(32)
MODULO_KERNEL(64)

/* --- decimals ----------------------------------------------------------------------------------------------------- */

static vec_int128 decimal_at(const struct vec_access *access, size_t row, enum vec_layout layout)
{
    size_t at = vec_access_at(access, row);

    return layout == VEC_LAYOUT_INT64 ? ((const int64_t *)access->data)[at] : ((const vec_int128 *)access->data)[at];
}

static void decimal_put(struct expr_call *call, size_t row, enum vec_layout layout, vec_int128 value)
{
    if (layout == VEC_LAYOUT_INT64) {
        ((int64_t *)call->result->data)[row] = (int64_t)value;
    } else {
        ((vec_int128 *)call->result->data)[row] = value;
    }
}

typedef bool decimal_fn(struct vec_decimal a, struct vec_decimal b, int precision, int scale, vec_int128 *out_value);

static inline __attribute__((always_inline)) bool decimal_rows(struct expr_call *call, decimal_fn *function,
                                                               bool divides)
{
    struct vec_type   a_type = call->arguments[0].type;
    struct vec_type   b_type = call->arguments[1].type;
    struct vec_type   type = call->expr->type;
    enum vec_layout   a_layout = vec_type_layout(a_type);
    enum vec_layout   b_layout = vec_type_layout(b_type);
    enum vec_layout   layout = vec_type_layout(type);
    struct vec_access a = vec_access_of(&call->arguments[0]);
    struct vec_access b = vec_access_of(&call->arguments[1]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t             row = expr__row(call, i);
        struct vec_decimal left = {decimal_at(&a, row, a_layout), a_type.scale};
        struct vec_decimal right = {decimal_at(&b, row, b_layout), b_type.scale};
        vec_int128         value = 0;

        if (divides && right.value == 0) {
            return expr__fail(call, row, "Division by zero");
        }
        if (!function(left, right, type.precision, type.scale, &value)) {
            expr__set_null(call, row);
        }
        decimal_put(call, row, layout, value);
    }
    return true;
}

static bool add_decimal(struct expr_call *call)
{
    return decimal_rows(call, vec_decimal_add, false);
}

static bool subtract_decimal(struct expr_call *call)
{
    return decimal_rows(call, vec_decimal_subtract, false);
}

/* Inlined for each pair of layouts, so that nothing is decided per row. */
static inline __attribute__((always_inline)) void multiply_exact(struct expr_call *call, const struct vec_access *a,
                                                                 enum vec_layout a_layout, const struct vec_access *b,
                                                                 enum vec_layout b_layout, enum vec_layout layout)
{
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        decimal_put(call, row, layout, decimal_at(a, row, a_layout) * decimal_at(b, row, b_layout));
    }
}

/* Where both arguments and the exact product fit 64 and 127 bits and the scale is not cut, one multiplication does. */
static bool multiply_decimal(struct expr_call *call)
{
    struct vec_type   a_type = call->arguments[0].type;
    struct vec_type   b_type = call->arguments[1].type;
    struct vec_type   type = call->expr->type;
    struct vec_access a = vec_access_of(&call->arguments[0]);
    struct vec_access b = vec_access_of(&call->arguments[1]);
    enum vec_layout   layout = vec_type_layout(type);

    if (a_type.precision + b_type.precision > VEC_DECIMAL_DIGITS_MAX || type.scale != a_type.scale + b_type.scale) {
        return decimal_rows(call, vec_decimal_multiply, false);
    }
    switch ((vec_type_layout(a_type) == VEC_LAYOUT_INT128) * 2 + (vec_type_layout(b_type) == VEC_LAYOUT_INT128)) {
    case 0:
        multiply_exact(call, &a, VEC_LAYOUT_INT64, &b, VEC_LAYOUT_INT64, layout);
        break;
    case 1:
        multiply_exact(call, &a, VEC_LAYOUT_INT64, &b, VEC_LAYOUT_INT128, layout);
        break;
    case 2:
        multiply_exact(call, &a, VEC_LAYOUT_INT128, &b, VEC_LAYOUT_INT64, layout);
        break;
    default:
        multiply_exact(call, &a, VEC_LAYOUT_INT128, &b, VEC_LAYOUT_INT128, layout);
        break;
    }
    return true;
}

static bool divide_decimal(struct expr_call *call)
{
    return decimal_rows(call, vec_decimal_divide, true);
}

static bool modulo_decimal(struct expr_call *call)
{
    return decimal_rows(call, vec_decimal_remainder, true);
}

/* DECIMAL(p, 0) and integers; the result is b's type, which holds it. */
static bool modulo_whole(struct expr_call *call)
{
    struct vec_access a = vec_access_of(&call->arguments[0]);
    struct vec_access b = vec_access_of(&call->arguments[1]);
    enum vec_layout   a_layout = vec_type_layout(call->arguments[0].type);
    enum vec_layout   b_layout = vec_type_layout(call->arguments[1].type);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        vec_int128 divisor = decimal_at(&b, row, b_layout);
        vec_int128 rest;

        if (divisor == 0) {
            return expr__fail(call, row, "Division by zero");
        }
        rest = decimal_at(&a, row, a_layout) % divisor;
        if (call->expr->type.kind == VEC_DECIMAL) {
            expr__put_int128(call, row, rest);
        } else {
            expr__put_integer(call, row, (int64_t)rest);
        }
    }
    return true;
}

static bool negate_decimal(struct expr_call *call)
{
    struct vec_access a = vec_access_of(&call->arguments[0]);
    enum vec_layout   layout = vec_type_layout(call->expr->type);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        decimal_put(call, row, layout, -decimal_at(&a, row, layout));
    }
    return true;
}

static bool abs_decimal(struct expr_call *call)
{
    struct vec_access a = vec_access_of(&call->arguments[0]);
    enum vec_layout   layout = vec_type_layout(call->expr->type);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        vec_int128 value = decimal_at(&a, row, layout);

        decimal_put(call, row, layout, value < 0 ? -value : value);
    }
    return true;
}

/* --- binding ------------------------------------------------------------------------------------------------------ */

enum { ADD, SUBTRACT, MULTIPLY, DIVIDE };

static expr_kernel_fn *const kernels[][7] = {
    /* INT8, INT16, INT32, INT64, FLOAT, DOUBLE, DECIMAL */
    [ADD] = {add_8, add_16, add_32, add_64, add_float, add_double, add_decimal},
    [SUBTRACT] = {subtract_8, subtract_16, subtract_32, subtract_64, subtract_float, subtract_double, subtract_decimal},
    [MULTIPLY] = {multiply_8, multiply_16, multiply_32, multiply_64, multiply_float, multiply_double, multiply_decimal},
    [DIVIDE] = {divide_8, divide_16, divide_32, divide_64, divide_float, divide_double, divide_decimal},
};

static size_t kernel_column(enum vec_kind kind)
{
    CHECK(vec_kind_is_numeric(kind));
    return (size_t)(kind - VEC_TINYINT);
}

static enum vec_kind interval_as_integer(enum vec_kind kind)
{
    return kind == VEC_INTERVAL_DAY ? VEC_BIGINT : VEC_INT;
}

static struct vec_type integer_as_decimal(struct vec_type type)
{
    static const uint8_t digits[] = {[VEC_TINYINT] = 3, [VEC_SMALLINT] = 5, [VEC_INT] = 10, [VEC_BIGINT] = 19};

    return type.kind == VEC_DECIMAL ? type : vec_type_decimal(digits[type.kind], 0);
}

/* Past 38 digits the scale gives way, but six places of it stay. */
static struct vec_type decimal_within(int precision, int scale)
{
    int whole = precision - scale;

    if (precision <= VEC_DECIMAL_DIGITS_MAX) {
        return vec_type_decimal((uint8_t)precision, (uint8_t)scale);
    }
    scale = MAX(VEC_DECIMAL_DIGITS_MAX - whole, MIN(scale, 6));
    return vec_type_decimal(VEC_DECIMAL_DIGITS_MAX, (uint8_t)scale);
}

static struct vec_type decimal_result(int operation, struct vec_type a, struct vec_type b)
{
    int scale = MAX(a.scale, b.scale);

    switch (operation) {
    case MULTIPLY:
        return decimal_within(a.precision + b.precision + 1, a.scale + b.scale);
    case DIVIDE:
        scale = MAX(6, a.scale + b.precision + 1);
        return decimal_within(a.precision - a.scale + b.scale + scale, scale);
    default:
        return decimal_within(MAX(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale);
    }
}

static bool refuse_types(struct expr_bind *bind)
{
    char left[64];
    char right[64];

    return expr__refuse(bind->maker, "%s does not go with %s and %s", bind->name,
                        expr__type_text(bind->arguments[0]->type, left),
                        expr__type_text(bind->arguments[1]->type, right));
}

/* A bare NULL takes the other's type. */
static bool give_nulls_a_type(struct expr_bind *bind)
{
    for (uint32_t i = 0; i < bind->count; i++) {
        if (bind->arguments[i]->type.kind == VEC_NULL) {
            struct vec_type type = bind->count == 2 ? bind->arguments[1 - i]->type : vec_type_of(VEC_INT);

            bind->arguments[i] = expr_null(bind->maker, type.kind == VEC_NULL ? vec_type_of(VEC_INT) : type);
            if (bind->arguments[i] == NULL) {
                return false;
            }
        }
    }
    return true;
}

static bool bind_number(struct expr_bind *bind, int operation)
{
    struct vec_type a = bind->arguments[0]->type;
    struct vec_type b = bind->arguments[1]->type;
    struct vec_type common;

    if (!vec_kind_is_numeric(a.kind) || !vec_kind_is_numeric(b.kind)) {
        return refuse_types(bind);
    }
    common = expr_common_type(a, b);
    if (common.kind == VEC_DECIMAL) {
        a = integer_as_decimal(a);
        b = integer_as_decimal(b);
        bind->out.result = decimal_result(operation, a, b);
        bind->out.result.nullable = true; /* it may not fit */
        bind->out.kernel = kernels[operation][kernel_column(VEC_DECIMAL)];
        return expr__coerce(bind, 0, a) && expr__coerce(bind, 1, b);
    }
    if (a.kind == VEC_FLOAT && b.kind == VEC_DOUBLE) { /* the left one's type; DOUBLE and FLOAT make DOUBLE */
        common = a;
        bind->arguments[1] = expr_cast(bind->maker, bind->arguments[1], a, false);
        if (bind->arguments[1] == NULL) {
            return false;
        }
    }
    common.nullable = false;
    bind->out.result = common;
    bind->out.kernel = kernels[operation][kernel_column(common.kind)];
    return expr__coerce(bind, 0, common) && expr__coerce(bind, 1, common);
}

/* Intervals of one kind: days are BIGINT milliseconds, months INT. */
bool expr__bind_interval_alone(struct expr_bind *bind, bool subtract)
{
    bind->out.result = bind->arguments[0]->type;
    bind->out.result.nullable = false;
    bind->out.kernel = kernels[subtract ? SUBTRACT : ADD][kernel_column(interval_as_integer(bind->out.result.kind))];
    return true;
}

bool expr__bind_add(struct expr_bind *bind)
{
    return give_nulls_a_type(bind) &&
           (expr__has_interval(bind) ? expr__bind_interval_sum(bind, false) : bind_number(bind, ADD));
}

bool expr__bind_subtract(struct expr_bind *bind)
{
    return give_nulls_a_type(bind) &&
           (expr__has_interval(bind) ? expr__bind_interval_sum(bind, true) : bind_number(bind, SUBTRACT));
}

/* An interval times an integer. */
static bool bind_interval_product(struct expr_bind *bind)
{
    struct expr  *first = bind->arguments[0];
    enum vec_kind kind;

    if (vec_kind_is_integer(first->type.kind)) {
        bind->arguments[0] = bind->arguments[1];
        bind->arguments[1] = first;
    }
    kind = interval_as_integer(bind->arguments[0]->type.kind);
    if (!vec_kind_is_integer(bind->arguments[1]->type.kind) || bind->arguments[1]->type.kind > kind) {
        return refuse_types(bind);
    }
    bind->out.result = bind->arguments[0]->type;
    bind->out.result.nullable = false;
    bind->out.kernel = kernels[MULTIPLY][kernel_column(kind)];
    return expr__coerce(bind, 1, vec_type_of(kind));
}

bool expr__bind_multiply(struct expr_bind *bind)
{
    return give_nulls_a_type(bind) &&
           (expr__has_interval(bind) ? bind_interval_product(bind) : bind_number(bind, MULTIPLY));
}

bool expr__bind_divide(struct expr_bind *bind)
{
    return give_nulls_a_type(bind) && bind_number(bind, DIVIDE);
}

bool expr__bind_modulo(struct expr_bind *bind)
{
    static expr_kernel_fn *const by_kind[] = {
        [VEC_TINYINT] = modulo_8, [VEC_SMALLINT] = modulo_16, [VEC_INT] = modulo_32, [VEC_BIGINT] = modulo_64};
    struct vec_type a;
    struct vec_type b;

    if (!give_nulls_a_type(bind)) {
        return false;
    }
    a = bind->arguments[0]->type;
    b = bind->arguments[1]->type;
    if (vec_kind_is_integer(a.kind) && vec_kind_is_integer(b.kind)) {
        bind->out.result = vec_type_of(b.kind);
        bind->out.result.nullable = false;
        bind->out.kernel = by_kind[b.kind];
        return expr__coerce(bind, 0, vec_type_of(VEC_BIGINT)) && expr__coerce(bind, 1, vec_type_of(VEC_BIGINT));
    }
    if (!vec_kind_is_numeric(a.kind) || !vec_kind_is_numeric(b.kind)) {
        return refuse_types(bind);
    }
    if (expr_common_type(a, b).kind == VEC_DECIMAL) {
        int scale;

        bind->out.result = b;
        a = integer_as_decimal(a);
        b = integer_as_decimal(b);
        scale = MAX(a.scale, b.scale);
        if (scale == 0) { /* of whole numbers the type is b's */
            bind->out.result.nullable = false;
            bind->out.kernel = modulo_whole;
            return expr__coerce(bind, 0, a) && expr__coerce(bind, 1, b);
        }
        bind->out.result = decimal_within(MIN(a.precision - a.scale, b.precision - b.scale) + scale, scale);
        bind->out.result.nullable = true;
        bind->out.kernel = modulo_decimal;
        return expr__coerce(bind, 0, a) && expr__coerce(bind, 1, b);
    }
    return refuse_types(bind); /* Flink has no % of FLOAT and DOUBLE */
}

static bool bind_unary(struct expr_bind *bind, expr_kernel_fn *const by_column[7])
{
    char text[64];

    if (!give_nulls_a_type(bind)) {
        return false;
    }
    if (strcmp(bind->name, "ABS") != 0 &&
        (bind->arguments[0]->type.kind == VEC_INTERVAL_DAY || bind->arguments[0]->type.kind == VEC_INTERVAL_MONTH)) {
        bind->out.kernel = by_column[kernel_column(interval_as_integer(bind->arguments[0]->type.kind))];
    } else if (vec_kind_is_numeric(bind->arguments[0]->type.kind)) {
        bind->out.kernel = by_column[kernel_column(bind->arguments[0]->type.kind)];
    } else {
        return expr__refuse(bind->maker, "%s does not go with %s", bind->name,
                            expr__type_text(bind->arguments[0]->type, text));
    }
    bind->out.result = bind->arguments[0]->type;
    bind->out.result.nullable = false;
    return true;
}

bool expr__bind_negate(struct expr_bind *bind)
{
    static expr_kernel_fn *const by_column[7] = {negate_8,     negate_16,     negate_32,     negate_64,
                                                 negate_float, negate_double, negate_decimal};

    return bind_unary(bind, by_column);
}

bool expr__bind_abs(struct expr_bind *bind)
{
    static expr_kernel_fn *const by_column[7] = {abs_8, abs_16, abs_32, abs_64, abs_float, abs_double, abs_decimal};

    return bind_unary(bind, by_column);
}

EXPR_UNARY(same_8, int8_t, int8_t, a)
EXPR_UNARY(same_16, int16_t, int16_t, a)
EXPR_UNARY(same_32, int32_t, int32_t, a)
EXPR_UNARY(same_64, int64_t, int64_t, a)
EXPR_UNARY(same_float, float, float, a)
EXPR_UNARY(same_double, double, double, a)

EXPR_UNARY(same_128, vec_int128, vec_int128, a)

static bool same_decimal(struct expr_call *call)
{
    return vec_type_layout(call->expr->type) == VEC_LAYOUT_INT64 ? same_64(call) : same_128(call);
}

bool expr__bind_plus(struct expr_bind *bind)
{
    static expr_kernel_fn *const by_column[7] = {same_8,     same_16,     same_32,     same_64,
                                                 same_float, same_double, same_decimal};

    return bind_unary(bind, by_column);
}
