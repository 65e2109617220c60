/* Comparison, NOT and the tests for null and truth. */
#include "compute/expr/expr_kernel.h"
#include "compute/vec/vec_decimal.h"
#include "core/base/check.h"

#define COMPARE_KERNELS(name, type_)                              \
    EXPR_BINARY(equal_##name, type_, type_, uint8_t, a == b)      \
    EXPR_BINARY(unequal_##name, type_, type_, uint8_t, a != b)    \
    EXPR_BINARY(less_##name, type_, type_, uint8_t, a < b)        \
    EXPR_BINARY(less_equal_##name, type_, type_, uint8_t, a <= b) \
    EXPR_BINARY(greater_##name, type_, type_, uint8_t, a > b)     \
    EXPR_BINARY(greater_equal_##name, type_, type_, uint8_t, a >= b)

COMPARE_KERNELS(bool, uint8_t)
COMPARE_KERNELS(8, int8_t)
COMPARE_KERNELS(16, int16_t)
COMPARE_KERNELS(32, int32_t)
COMPARE_KERNELS(64, int64_t)
COMPARE_KERNELS(128, vec_int128)
COMPARE_KERNELS(float, float)
COMPARE_KERNELS(double, double)

EXPR_BINARY(equal_text, struct vec_string, struct vec_string, uint8_t, vec_string_equal(&a, &b))
EXPR_BINARY(unequal_text, struct vec_string, struct vec_string, uint8_t, !vec_string_equal(&a, &b))
EXPR_BINARY(less_text, struct vec_string, struct vec_string, uint8_t, vec_string_compare(&a, &b) < 0)
EXPR_BINARY(less_equal_text, struct vec_string, struct vec_string, uint8_t, vec_string_compare(&a, &b) <= 0)
EXPR_BINARY(greater_text, struct vec_string, struct vec_string, uint8_t, vec_string_compare(&a, &b) > 0)
EXPR_BINARY(greater_equal_text, struct vec_string, struct vec_string, uint8_t, vec_string_compare(&a, &b) >= 0)

enum { EQUAL, UNEQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, COMPARISONS };

#define COMPARE_ROW(name)                                                                                  \
    {                                                                                                      \
        equal_##name, unequal_##name, less_##name, less_equal_##name, greater_##name, greater_equal_##name \
    }

static expr_kernel_fn *const kernels[VEC_LAYOUT_COUNT][COMPARISONS] = {
    [VEC_LAYOUT_BOOL] = COMPARE_ROW(bool),   [VEC_LAYOUT_INT8] = COMPARE_ROW(8),
    [VEC_LAYOUT_INT16] = COMPARE_ROW(16),    [VEC_LAYOUT_INT32] = COMPARE_ROW(32),
    [VEC_LAYOUT_INT64] = COMPARE_ROW(64),    [VEC_LAYOUT_INT128] = COMPARE_ROW(128),
    [VEC_LAYOUT_FLOAT] = COMPARE_ROW(float), [VEC_LAYOUT_DOUBLE] = COMPARE_ROW(double),
    [VEC_LAYOUT_STRING] = COMPARE_ROW(text),
};

static bool compare_decimals(struct expr_call *call)
{
    struct vec_access accesses[2];
    enum vec_layout   layouts[2];
    int               scales[2], scale = 0;
    bool              fits = true; /* both at the larger scale */
    vec_int128        factors[2] = {1, 1};
    int               comparison = *(const int *)call->state;
    uint8_t          *result = call->result->data;

    for (int side = 0; side < 2; side++) {
        accesses[side] = vec_access_of(&call->arguments[side]);
        layouts[side] = vec_type_layout(call->arguments[side].type);
        scales[side] = call->arguments[side].type.scale;
        scale = MAX(scale, scales[side]);
    }
    for (int side = 0; side < 2; side++) {
        fits = fits && call->arguments[side].type.precision + scale - scales[side] <= VEC_DECIMAL_DIGITS_MAX;
        factors[side] = (vec_int128)vec_power_of_ten(scale - scales[side]);
    }
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t             row = expr__row(call, i);
        struct vec_decimal values[2];
        int                order;

        for (int side = 0; side < 2; side++) {
            size_t at = vec_access_at(&accesses[side], row);

            values[side].scale = scales[side];
            values[side].value = layouts[side] == VEC_LAYOUT_INT64 ? ((const int64_t *)accesses[side].data)[at]
                                                                   : ((const vec_int128 *)accesses[side].data)[at];
        }
        if (fits) {
            vec_int128 left = values[0].value * factors[0], right = values[1].value * factors[1];

            order = (left > right) - (left < right);
        } else {
            order = vec_decimal_compare(values[0], values[1]);
        }
        result[row] = comparison == EQUAL        ? order == 0
                      : comparison == UNEQUAL    ? order != 0
                      : comparison == LESS       ? order < 0
                      : comparison == LESS_EQUAL ? order <= 0
                      : comparison == GREATER    ? order > 0
                                                 : order >= 0;
    }
    return true;
}

static int comparison_of(const char *name)
{
    static const char *const names[COMPARISONS] = {"=", "<>", "<", "<=", ">", ">="};

    for (int i = 0; i < COMPARISONS; i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    CHECK(false);
    return 0;
}

static bool refuse_comparison(struct expr_bind *bind)
{
    char left[64];
    char right[64];

    return expr__refuse(bind->maker, "a %s and a %s cannot be compared; cast one of them",
                        expr__type_text(bind->arguments[0]->type, left),
                        expr__type_text(bind->arguments[1]->type, right));
}

/* Integers beside a DECIMAL become DECIMAL; two DECIMALs are compared as they are, whatever their scales. */
static bool bind_decimals(struct expr_bind *bind, int comparison)
{
    static const int numbers[COMPARISONS] = {EQUAL, UNEQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL};

    for (uint32_t i = 0; i < 2; i++) {
        if (bind->arguments[i]->type.kind != VEC_DECIMAL && !expr__coerce(bind, i, vec_type_decimal(19, 0))) {
            return false;
        }
    }
    bind->out.kernel = compare_decimals;
    bind->out.state = arena_alloc(bind->maker->arena, sizeof(int));
    if (bind->out.state == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    memcpy(bind->out.state, &numbers[comparison], sizeof(int));
    return true;
}

/* A text beside a time is read as one; beside a number only where it is ordered: Flink has no = there. */
static bool reads_text(struct vec_type other, int comparison)
{
    switch (other.kind) {
    case VEC_DATE:
    case VEC_TIME:
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        return true;
    default:
        return other.kind >= VEC_TINYINT && other.kind <= VEC_DOUBLE && comparison >= LESS;
    }
}

static bool read_texts(struct expr_bind *bind, int comparison)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct vec_type other = bind->arguments[1 - i]->type;

        if (vec_kind_is_text(bind->arguments[i]->type.kind) && reads_text(other, comparison)) {
            bind->arguments[i] = expr_cast(bind->maker, bind->arguments[i], other, false);
            return bind->arguments[i] != NULL;
        }
    }
    return true;
}

bool expr__bind_compare(struct expr_bind *bind)
{
    int             comparison = comparison_of(bind->name);
    struct vec_type common;

    if (!read_texts(bind, comparison)) {
        return false;
    }
    common = expr_common_type(bind->arguments[0]->type, bind->arguments[1]->type);

    bind->out.result = vec_type_of(VEC_BOOLEAN);
    bind->out.result.nullable = false;
    if (common.kind == VEC_KIND_COUNT) {
        return refuse_comparison(bind);
    }
    if (common.kind == VEC_NULL) {
        common = vec_type_of(VEC_INT);
    }
    if (common.kind == VEC_DECIMAL && bind->arguments[0]->type.kind != VEC_NULL &&
        bind->arguments[1]->type.kind != VEC_NULL) {
        return bind_decimals(bind, comparison);
    }
    bind->out.kernel = kernels[vec_type_layout(common)][comparison];
    if (bind->out.kernel == NULL) {
        return expr__refuse(bind->maker, "values of type ROW and ARRAY cannot be compared");
    }
    if (vec_type_layout(common) == VEC_LAYOUT_STRING) { /* lengths do not matter: nothing is cut or padded */
        common.kind = vec_kind_is_text(common.kind) ? VEC_VARCHAR : VEC_VARBINARY;
        common.length = VEC_LENGTH_UNLIMITED;
    }
    return expr__coerce(bind, 0, common) && expr__coerce(bind, 1, common);
}

/* --- NOT and tests ------------------------------------------------------------------------------------------------ */

EXPR_UNARY(not_bool, uint8_t, uint8_t, !a)

static bool want_boolean(struct expr_bind *bind)
{
    char text[64];

    if (bind->arguments[0]->type.kind == VEC_NULL) {
        bind->arguments[0] = expr_null(bind->maker, vec_type_of(VEC_BOOLEAN));
        return bind->arguments[0] != NULL;
    }
    if (bind->arguments[0]->type.kind != VEC_BOOLEAN) {
        return expr__refuse(bind->maker, "%s wants a BOOLEAN, not %s", bind->name,
                            expr__type_text(bind->arguments[0]->type, text));
    }
    return true;
}

static void result_is_bool(struct expr_bind *bind, expr_kernel_fn *kernel)
{
    bind->out.result = vec_type_of(VEC_BOOLEAN);
    bind->out.result.nullable = false;
    bind->out.kernel = kernel;
}

bool expr__bind_not(struct expr_bind *bind)
{
    result_is_bool(bind, not_bool);
    return want_boolean(bind);
}

static bool test_null(struct expr_call *call, bool wanted)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    uint8_t          *result = call->result->data;
    bool              always = call->arguments[0].type.kind == VEC_NULL;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        result[row] = (always || vec_access_null(&access, row)) == wanted;
    }
    return true;
}

static bool is_null(struct expr_call *call)
{
    return test_null(call, true);
}

static bool is_not_null(struct expr_call *call)
{
    return test_null(call, false);
}

bool expr__bind_is_null(struct expr_bind *bind)
{
    result_is_bool(bind, is_null);
    return true;
}

bool expr__bind_is_not_null(struct expr_bind *bind)
{
    result_is_bool(bind, is_not_null);
    return true;
}

static bool test_truth(struct expr_call *call, uint8_t wanted)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    uint8_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        result[row] =
            !vec_access_null(&access, row) && ((const uint8_t *)access.data)[vec_access_at(&access, row)] == wanted;
    }
    return true;
}

static bool is_true(struct expr_call *call)
{
    return test_truth(call, 1);
}

static bool is_false(struct expr_call *call)
{
    return test_truth(call, 0);
}

bool expr__bind_is_true(struct expr_bind *bind)
{
    result_is_bool(bind, strcmp(bind->name, "IS TRUE") == 0 ? is_true : is_false);
    return want_boolean(bind);
}

static bool is_distinct(struct expr_call *call)
{
    uint8_t *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        result[row] = vec_is_null(&call->arguments[0], row) != vec_is_null(&call->arguments[1], row) ||
                      vec_compare(&call->arguments[0], row, &call->arguments[1], row) != 0;
    }
    return true;
}

bool expr__bind_distinct(struct expr_bind *bind)
{
    struct vec_type common = expr_common_type(bind->arguments[0]->type, bind->arguments[1]->type);

    result_is_bool(bind, is_distinct);
    if (common.kind == VEC_KIND_COUNT) {
        return refuse_comparison(bind);
    }
    if (common.kind == VEC_NULL) {
        common = vec_type_of(VEC_INT);
    }
    return expr__coerce(bind, 0, common) && expr__coerce(bind, 1, common);
}
