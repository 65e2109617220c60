/* Functions of DOUBLE, and the greatest and least of values. The last digit is that of the C library, which may differ
 * from Java's. */
#include <math.h>

#include "compute/expr/expr_text.h"
#include "core/base/check.h"

#define DEGREES_PER_RADIAN 57.29577951308232
#define RADIANS_PER_DEGREE 0.017453292519943295
#define PI                 3.141592653589793
#define E                  2.718281828459045

/* SQRT is POWER(x, 0.5) in Flink. */
EXPR_UNARY(square_root, double, double, pow(a, 0.5))
EXPR_UNARY(exponential, double, double, exp(a))
EXPR_UNARY(natural_log, double, double, log(a))
EXPR_UNARY(log_10, double, double, log10(a))
EXPR_UNARY(log_2, double, double, log(a) / log(2.0))
EXPR_UNARY(sine, double, double, sin(a))
EXPR_UNARY(cosine, double, double, cos(a))
EXPR_UNARY(tangent, double, double, tan(a))
EXPR_UNARY(cotangent, double, double, 1.0 / tan(a))
EXPR_UNARY(arc_sine, double, double, asin(a))
EXPR_UNARY(arc_cosine, double, double, acos(a))
EXPR_UNARY(arc_tangent, double, double, atan(a))
EXPR_UNARY(hyperbolic_sine, double, double, sinh(a))
EXPR_UNARY(hyperbolic_cosine, double, double, cosh(a))
EXPR_UNARY(hyperbolic_tangent, double, double, tanh(a))
EXPR_UNARY(degrees, double, double, a *DEGREES_PER_RADIAN)
EXPR_UNARY(radians, double, double, a *RADIANS_PER_DEGREE)
EXPR_BINARY(power, double, double, double, pow(a, b))
EXPR_BINARY(log_to_base, double, double, double, log(b) / log(a))
EXPR_BINARY(arc_tangent_2, double, double, double, atan2(a, b))

struct maths {
    const char     *name;
    uint32_t        count;
    expr_kernel_fn *kernel;
};

static const struct maths functions[] = {
    {"SQRT", 1, square_root},
    {"EXP", 1, exponential},
    {"LN", 1, natural_log},
    {"LOG", 1, natural_log},
    {"LOG", 2, log_to_base},
    {"LOG10", 1, log_10},
    {"LOG2", 1, log_2},
    {"SIN", 1, sine},
    {"COS", 1, cosine},
    {"TAN", 1, tangent},
    {"COT", 1, cotangent},
    {"ASIN", 1, arc_sine},
    {"ACOS", 1, arc_cosine},
    {"ATAN", 1, arc_tangent},
    {"SINH", 1, hyperbolic_sine},
    {"COSH", 1, hyperbolic_cosine},
    {"TANH", 1, hyperbolic_tangent},
    {"DEGREES", 1, degrees},
    {"RADIANS", 1, radians},
    {"POWER", 2, power},
    {"ATAN2", 2, arc_tangent_2},
};

bool expr__bind_maths(struct expr_bind *bind)
{
    struct vec_type type = vec_type_of(VEC_DOUBLE);
    char            text[64];

    type.nullable = false;
    for (uint32_t i = 0; i < bind->count; i++) {
        enum vec_kind kind = bind->arguments[i]->type.kind;

        if (!vec_kind_is_numeric(kind) && kind != VEC_NULL) {
            return expr__refuse(bind->maker, "%s does not go with %s", bind->name,
                                expr__type_text(bind->arguments[i]->type, text));
        }
        bind->arguments[i] = expr_cast(bind->maker, bind->arguments[i], vec_type_of(VEC_DOUBLE), false);
        if (bind->arguments[i] == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        if (functions[i].count == bind->count && strcmp(functions[i].name, bind->name) == 0) {
            expr__result(bind, type, functions[i].kernel);
            return true;
        }
    }
    CHECK(false);
    return false;
}

static bool constant(struct expr_call *call)
{
    double *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        result[expr__row(call, i)] = call->expr->function->name[0] == 'P' ? PI : E;
    }
    return true;
}

bool expr__bind_constant(struct expr_bind *bind)
{
    struct vec_type type = vec_type_of(VEC_DOUBLE);

    type.nullable = false;
    expr__result(bind, type, constant);
    return true;
}

/* --- GREATEST, LEAST ---------------------------------------------------------------------------------------------- */

static bool best(struct expr_call *call)
{
    bool   greatest = call->expr->function->name[0] == 'G';
    size_t bytes = vec_layout_bytes(vec_type_layout(call->expr->type));

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t            row = expr__row(call, i);
        uint32_t          chosen = 0;
        struct vec_access access;

        for (uint32_t argument = 1; argument < call->expr->argument_count; argument++) {
            int order = vec_compare(&call->arguments[argument], row, &call->arguments[chosen], row);

            if (greatest ? order > 0 : order < 0) {
                chosen = argument;
            }
        }
        access = vec_access_of(&call->arguments[chosen]);
        memcpy((uint8_t *)call->result->data + row * bytes,
               (const uint8_t *)access.data + vec_access_at(&access, row) * bytes, bytes);
    }
    return true;
}

bool expr__bind_best(struct expr_bind *bind)
{
    struct vec_type type = bind->arguments[0]->type;

    for (uint32_t i = 1; i < bind->count; i++) {
        type = expr_common_type(type, bind->arguments[i]->type);
        if (type.kind == VEC_KIND_COUNT) {
            break;
        }
    }
    if (type.kind == VEC_KIND_COUNT || type.kind == VEC_ROW || type.kind == VEC_ARRAY || type.kind == VEC_NULL) {
        return expr__refuse(bind->maker, "%s wants values of types that can be compared", bind->name);
    }
    for (uint32_t i = 0; i < bind->count; i++) {
        bind->arguments[i] = expr_cast(bind->maker, bind->arguments[i], type, false);
        if (bind->arguments[i] == NULL) {
            return false;
        }
    }
    type.nullable = false;
    expr__result(bind, type, best);
    return true;
}
