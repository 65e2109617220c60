/* Making expressions: constructors, types that meet, calls by name. */
#include <stdarg.h>
#include <stdio.h>

#include "compute/expr/expr_internal.h"
#include "core/base/check.h"

bool expr__refuse(struct expr_maker *maker, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(maker->message, sizeof(maker->message), format, arguments);
    va_end(arguments);
    return false;
}

bool expr__on_release(struct expr_maker *maker, void (*release)(void *object), void *object)
{
    struct expr_cleanup *cleanup = arena_alloc(maker->arena, sizeof(*cleanup));

    if (cleanup == NULL) {
        release(object);
        return expr__refuse(maker, "the statement needs more memory than a plan may have");
    }
    *cleanup = (struct expr_cleanup){.next = maker->cleanups_, .release = release, .object = object};
    maker->cleanups_ = cleanup;
    return true;
}

void expr_maker_release(struct expr_maker *maker)
{
    for (; maker->cleanups_ != NULL; maker->cleanups_ = maker->cleanups_->next) {
        maker->cleanups_->release(maker->cleanups_->object);
    }
}

struct expr *expr__new(struct expr_maker *maker, enum expr_kind kind, struct vec_type type, size_t bytes)
{
    struct expr *expr = arena_alloc(maker->arena, bytes);

    if (expr == NULL) {
        (void)expr__refuse(maker, "the statement needs more memory than a plan may have");
        return NULL;
    }
    expr->kind = kind;
    expr->type = type;
    return expr;
}

const char *expr__type_text(struct vec_type type, char text[64])
{
    type.nullable = true;
    (void)vec_type_format(type, text, 64);
    return text;
}

/* --- leaves ------------------------------------------------------------------------------------------------------- */

struct expr *expr_column(struct expr_maker *maker, uint32_t index, struct vec_type type)
{
    struct expr *expr = expr__new(maker, EXPR_COLUMN, type, sizeof(*expr));

    if (expr != NULL) {
        expr->index = index;
    }
    return expr;
}

bool expr__set_arguments(struct expr_maker *maker, struct expr *expr, struct expr *const *arguments, uint32_t count)
{
    expr->arguments = arena_alloc_array(maker->arena, count, sizeof(*arguments));
    if (expr->arguments == NULL) {
        return expr__refuse(maker, "the statement needs more memory than a plan may have");
    }
    if (count > 0) {
        memcpy(expr->arguments, arguments, count * sizeof(*arguments));
    }
    expr->argument_count = count;
    return true;
}

struct expr *expr_field(struct expr_maker *maker, struct expr *row, uint32_t index)
{
    struct vec_type type;
    struct expr    *expr;

    CHECK(row->type.kind == VEC_ROW && index < row->type.child_count);
    type = row->type.children[index].type;
    type.nullable = type.nullable || row->type.nullable;
    expr = expr__new(maker, EXPR_FIELD, type, sizeof(*expr));
    if (expr == NULL || !expr__set_arguments(maker, expr, &row, 1)) {
        return NULL;
    }
    expr->index = index;
    return expr;
}

struct expr *expr_constant(struct expr_maker *maker, const struct vec *source, size_t row)
{
    struct expr *expr = expr__new(maker, EXPR_CONSTANT, source->type, sizeof(*expr));

    if (expr != NULL) {
        expr->constant = vec_make_constant(maker->arena, source, row);
        expr->type.nullable = expr->constant.validity != NULL;
    }
    return expr;
}

struct expr *expr_null(struct expr_maker *maker, struct vec_type type)
{
    struct expr *expr;

    type.nullable = true;
    expr = expr__new(maker, EXPR_CONSTANT, type, sizeof(*expr));
    if (expr != NULL) {
        expr->constant = vec_make_null(maker->arena, type);
    }
    return expr;
}

/* A constant whose single value stands at `value`. */
static struct expr *scalar(struct expr_maker *maker, struct vec_type type, const void *value)
{
    struct vec source = {.type = type, .form = VEC_FLAT, .capacity = 1};
    struct vec copy;

    source.type.nullable = false;
    copy = source;
    memcpy(&copy.data, &value, sizeof(value)); /* only read from */
    return expr_constant(maker, &copy, 0);
}

struct expr *expr_bool(struct expr_maker *maker, bool value)
{
    uint8_t byte = value;

    return scalar(maker, vec_type_of(VEC_BOOLEAN), &byte);
}

struct expr *expr_int(struct expr_maker *maker, enum vec_kind kind, int64_t value)
{
    struct vec_type type = vec_type_of(kind);
    int8_t          tiny = (int8_t)value;
    int16_t         small = (int16_t)value;
    int32_t         integer = (int32_t)value;

    switch (vec_type_layout(type)) {
    case VEC_LAYOUT_INT8:
        return scalar(maker, type, &tiny);
    case VEC_LAYOUT_INT16:
        return scalar(maker, type, &small);
    case VEC_LAYOUT_INT32:
        return scalar(maker, type, &integer);
    default:
        CHECK(vec_type_layout(type) == VEC_LAYOUT_INT64);
        return scalar(maker, type, &value);
    }
}

/* As Java counts: a character above U+FFFF is two. */
static int32_t characters_of(struct view text)
{
    int32_t count = 0;

    for (size_t i = 0; i < text.len; i++) {
        count += ((text.base[i] & 0xc0) != 0x80) + (text.base[i] >= 0xf0);
    }
    return count;
}

struct expr *expr_text(struct expr_maker *maker, struct view text)
{
    struct vec_type   type = vec_type_of(VEC_CHAR);
    struct vec_string string = vec_string_of((const char *)text.base, (uint32_t)text.len);

    type.length = characters_of(text);
    return scalar(maker, type, &string);
}

struct expr *expr_decimal(struct expr_maker *maker, vec_int128 value, uint8_t precision, uint8_t scale)
{
    struct vec_type type = vec_type_decimal(precision, scale);
    int64_t         narrow = (int64_t)value;

    return scalar(maker, type,
                  vec_type_layout(type) == VEC_LAYOUT_INT64 ? (const void *)&narrow : (const void *)&value);
}

struct expr *expr_double(struct expr_maker *maker, double value)
{
    return scalar(maker, vec_type_of(VEC_DOUBLE), &value);
}

struct expr *expr_timestamp(struct expr_maker *maker, enum vec_kind kind, uint8_t precision, vec_int128 value)
{
    struct vec_type type = vec_type_timestamp(kind, precision);
    int64_t         narrow = (int64_t)value;

    return scalar(maker, type,
                  vec_type_layout(type) == VEC_LAYOUT_INT64 ? (const void *)&narrow : (const void *)&value);
}

bool expr_is_constant(const struct expr *expr)
{
    return expr->kind == EXPR_CONSTANT;
}

bool expr__constant_int(const struct expr *expr, int64_t *out_value)
{
    if (expr->kind != EXPR_CONSTANT || vec_is_null(&expr->constant, 0)) {
        return false;
    }
    switch (vec_type_layout(expr->type)) {
    case VEC_LAYOUT_INT8:
        *out_value = *(const int8_t *)expr->constant.data;
        return true;
    case VEC_LAYOUT_INT16:
        *out_value = *(const int16_t *)expr->constant.data;
        return true;
    case VEC_LAYOUT_INT32:
        *out_value = *(const int32_t *)expr->constant.data;
        return true;
    case VEC_LAYOUT_INT64:
        *out_value = *(const int64_t *)expr->constant.data;
        return true;
    default:
        return false;
    }
}

bool expr__constant_text(const struct expr *expr, struct view *out_text)
{
    if (expr->kind != EXPR_CONSTANT || !vec_kind_is_text(expr->type.kind) || vec_is_null(&expr->constant, 0)) {
        return false;
    }
    *out_text = vec_string_view(expr->constant.data);
    return true;
}

/* Constants that the binder took out of the arguments, one by one. */
static bool equal_written(const struct expr *a, const struct expr *b)
{
    const struct expr_bound *left = (const struct expr_bound *)(const void *)a;
    const struct expr_bound *right = (const struct expr_bound *)(const void *)b;

    if (left->written_count != right->written_count) {
        return false;
    }
    for (uint32_t i = 0; i < left->written_count; i++) {
        bool constant = left->written[i]->kind == EXPR_CONSTANT;

        if (constant != (right->written[i]->kind == EXPR_CONSTANT) ||
            (constant && !expr_equal(left->written[i], right->written[i]))) {
            return false;
        }
    }
    return true;
}

bool expr_equal(const struct expr *a, const struct expr *b)
{
    if (a == b) {
        return true;
    }
    if (a->kind != b->kind || !vec_type_equal(a->type, b->type) || a->index != b->index || a->try_cast != b->try_cast ||
        a->function != b->function || a->argument_count != b->argument_count) {
        return false;
    }
    if (a->kind == EXPR_CALL && ((a->function->flags & EXPR_VOLATILE) != 0 || !equal_written(a, b))) {
        return false;
    }
    if (a->kind == EXPR_CONSTANT) {
        return vec_is_null(&a->constant, 0) == vec_is_null(&b->constant, 0) &&
               vec_compare(&a->constant, 0, &b->constant, 0) == 0;
    }
    for (uint32_t i = 0; i < a->argument_count; i++) {
        if (!expr_equal(a->arguments[i], b->arguments[i])) {
            return false;
        }
    }
    return true;
}

/* --- types that meet ---------------------------------------------------------------------------------------------- */

static struct vec_type no_type(void)
{
    return (struct vec_type){.kind = VEC_KIND_COUNT};
}

/* An integer type as the DECIMAL that holds it (LogicalTypeMerging). */
static struct vec_type as_decimal(struct vec_type type)
{
    static const uint8_t digits[] = {[VEC_TINYINT] = 3, [VEC_SMALLINT] = 5, [VEC_INT] = 10, [VEC_BIGINT] = 19};

    return type.kind == VEC_DECIMAL ? type : vec_type_decimal(digits[type.kind], 0);
}

static struct vec_type common_decimal(struct vec_type a, struct vec_type b)
{
    int scale;
    int whole;

    a = as_decimal(a);
    b = as_decimal(b);
    scale = MAX(a.scale, b.scale);
    whole = MAX(a.precision - a.scale, b.precision - b.scale);
    if (whole + scale > VEC_DECIMAL_DIGITS_MAX) { /* digits before the point come first, but six behind it stay */
        scale = MAX(VEC_DECIMAL_DIGITS_MAX - whole, MIN(scale, 6));
        return vec_type_decimal(VEC_DECIMAL_DIGITS_MAX, (uint8_t)scale);
    }
    return vec_type_decimal((uint8_t)(whole + scale), (uint8_t)scale);
}

/* Calcite's least restrictive type of numbers: FLOAT beside an integer stays FLOAT, beside a DECIMAL it is DOUBLE. */
static struct vec_type common_number(struct vec_type a, struct vec_type b)
{
    bool approximate = a.kind == VEC_FLOAT || a.kind == VEC_DOUBLE || b.kind == VEC_FLOAT || b.kind == VEC_DOUBLE;

    if (approximate) {
        bool wide = a.kind == VEC_DOUBLE || b.kind == VEC_DOUBLE || a.kind == VEC_DECIMAL || b.kind == VEC_DECIMAL;

        return vec_type_of(wide ? VEC_DOUBLE : VEC_FLOAT);
    }
    if (a.kind == VEC_DECIMAL || b.kind == VEC_DECIMAL) {
        return common_decimal(a, b);
    }
    return vec_type_of(MAX(a.kind, b.kind));
}

static struct vec_type common_text(struct vec_type a, struct vec_type b)
{
    struct vec_type type = a;

    type.length = MAX(a.length, b.length);
    if (a.kind != b.kind || a.length != b.length) {
        type.kind = vec_kind_is_text(a.kind) ? VEC_VARCHAR : VEC_VARBINARY;
    }
    return type;
}

static bool is_binary(enum vec_kind kind)
{
    return kind == VEC_BINARY || kind == VEC_VARBINARY;
}

static bool is_timestamp(enum vec_kind kind)
{
    return kind == VEC_TIMESTAMP || kind == VEC_TIMESTAMP_LTZ;
}

static struct vec_type common_base(struct vec_type a, struct vec_type b)
{
    if (a.kind == VEC_NULL || vec_type_equal(a, b)) {
        return b;
    }
    if (b.kind == VEC_NULL) {
        return a;
    }
    if (vec_kind_is_numeric(a.kind) && vec_kind_is_numeric(b.kind)) {
        return common_number(a, b);
    }
    if ((vec_kind_is_text(a.kind) && vec_kind_is_text(b.kind)) || (is_binary(a.kind) && is_binary(b.kind))) {
        return common_text(a, b);
    }
    if (a.kind == b.kind && (is_timestamp(a.kind) || a.kind == VEC_TIME)) {
        return a.precision >= b.precision ? a : b;
    }
    if (is_timestamp(a.kind) && is_timestamp(b.kind)) {
        return vec_type_timestamp(VEC_TIMESTAMP_LTZ, MAX(a.precision, b.precision));
    }
    return no_type();
}

struct vec_type expr_common_type(struct vec_type a, struct vec_type b)
{
    struct vec_type type = common_base(a, b);

    type.nullable = a.nullable || b.nullable || a.kind == VEC_NULL || b.kind == VEC_NULL;
    return type;
}

/* --- casts -------------------------------------------------------------------------------------------------------- */

struct expr *expr_cast(struct expr_maker *maker, struct expr *value, struct vec_type type, bool try_cast)
{
    char         from[64];
    char         to[64];
    bool         may_fail;
    struct expr *expr;

    if (value->type.kind == VEC_NULL || (value->kind == EXPR_CONSTANT && vec_is_null(&value->constant, 0))) {
        return expr_null(maker, type);
    }
    type.nullable = value->type.nullable || try_cast;
    if (vec_type_equal(value->type, type)) {
        return value;
    }
    if (value->kind == EXPR_CONSTANT && vec_kind_is_text(value->type.kind) && type.kind == VEC_VARCHAR &&
        type.length == VEC_LENGTH_UNLIMITED) { /* a literal is a CHAR(n): as a STRING it is the same bytes */
        expr = expr__new(maker, EXPR_CONSTANT, type, sizeof(*expr));
        if (expr != NULL) {
            expr->constant = value->constant;
            expr->constant.type = type;
            expr->place = value->place;
        }
        return expr;
    }
    if (expr__cast_kernel(value->type, type, &may_fail) == NULL) {
        (void)expr__refuse(maker, "a %s cannot be cast to %s", expr__type_text(value->type, from),
                           expr__type_text(type, to));
        return NULL;
    }
    expr = expr__new(maker, EXPR_CAST, type, sizeof(*expr));
    if (expr == NULL || !expr__set_arguments(maker, expr, &value, 1)) {
        return NULL;
    }
    expr->try_cast = try_cast;
    expr->index = (uint32_t)maker->zone_seconds;
    expr->place = value->place;
    return expr;
}

bool expr__coerce(struct expr_bind *bind, uint32_t i, struct vec_type type)
{
    char         from[64];
    char         to[64];
    struct expr *cast;

    type.nullable = bind->arguments[i]->type.nullable;
    if (!expr__cast_implicit(bind->arguments[i]->type, type)) {
        return expr__refuse(bind->maker, "argument %" PRIu32 " of %s is a %s; %s is needed (use CAST)", i + 1,
                            bind->name, expr__type_text(bind->arguments[i]->type, from), expr__type_text(type, to));
    }
    cast = expr_cast(bind->maker, bind->arguments[i], type, false);
    if (cast == NULL) {
        return false;
    }
    bind->arguments[i] = cast;
    return true;
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static bool name_equal(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        char left = *a >= 'a' && *a <= 'z' ? (char)(*a - 32) : *a;
        char right = *b >= 'a' && *b <= 'z' ? (char)(*b - 32) : *b;

        if (left != right) {
            return false;
        }
    }
    return *a == *b;
}

#define FUNCTION_ROW(name_, min, max, flags_, bind_, shape_, note_) \
    {.name = name_, .count_min = min, .count_max = max, .flags = flags_, .bind = bind_, .shape = shape_, .note = note_},
static const struct expr_function functions[] = {
#include "compute/expr/expr_func.def"
};
#undef FUNCTION_ROW

const struct expr_function *expr__find_function(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        if (name_equal(functions[i].name, name)) {
            return &functions[i];
        }
    }
    return NULL;
}

const char *expr_function_name(size_t index)
{
    return index < COUNT_OF(functions) ? functions[index].name : NULL;
}

bool expr_function_describe(size_t index, struct expr_function_info *out_info)
{
    const struct expr_function *function = &functions[MIN(index, COUNT_OF(functions) - 1)];

    *out_info = (struct expr_function_info){.name = function->name,
                                            .shape = function->shape,
                                            .note = function->note,
                                            .null_of_null = (function->flags & EXPR_STRICT) != 0,
                                            .may_fail = (function->flags & EXPR_MAY_FAIL) != 0};
    return index < COUNT_OF(functions);
}

enum expr_castable expr_castable(struct vec_type from, struct vec_type to)
{
    bool may_fail = false;

    if (from.kind == VEC_NULL || (vec_type_equal(from, to) && from.kind != VEC_DECIMAL)) {
        return EXPR_CAST_ALWAYS;
    }
    if (expr__cast_kernel(from, to, &may_fail) == NULL) {
        return EXPR_CAST_NONE;
    }
    return may_fail ? EXPR_CAST_READS : to.kind == VEC_DECIMAL ? EXPR_CAST_FITS : EXPR_CAST_ALWAYS;
}

static struct expr *bind_call(struct expr_maker *maker, const struct expr_function *function,
                              struct expr *const *arguments, uint32_t count)
{
    struct expr_bound *bound =
        (struct expr_bound *)(void *)expr__new(maker, EXPR_CALL, vec_type_of(VEC_NULL), sizeof(*bound));
    struct expr_bind bind = {.maker = maker, .name = function->name, .count = count};

    if (bound == NULL || !expr__set_arguments(maker, &bound->expr, arguments, count)) {
        return NULL;
    }
    bind.arguments = bound->expr.arguments;
    if (!function->bind(&bind)) {
        return NULL;
    }
    if (bind.count != count) {
        bound->written = arena_alloc_array(maker->arena, count, sizeof(*arguments));
        if (bound->written == NULL) {
            (void)expr__refuse(maker, "the statement needs more memory than a plan may have");
            return NULL;
        }
        memcpy(bound->written, arguments, count * sizeof(*arguments));
        bound->written_count = count;
    }
    bound->expr.argument_count = bind.count;
    bound->expr.function = function;
    bound->expr.index = (uint32_t)maker->zone_seconds;
    bound->expr.type = bind.out.result;
    bound->binding = bind.out;
    if ((function->flags & EXPR_STRICT) != 0) {
        bound->expr.type.nullable = bind.out.result.nullable || expr__any_nullable(bound->expr.arguments, bind.count);
    }
    /* -1 is a constant: literals of functions may be negative */
    if (count == 1 && (function->bind == expr__bind_negate || function->bind == expr__bind_plus)) {
        return expr_fold(maker, &bound->expr);
    }
    return &bound->expr;
}

struct expr *expr_call(struct expr_maker *maker, const char *name, struct expr *const *arguments, uint32_t count)
{
    const struct expr_function *function = expr__find_function(name);

    if (function == NULL) {
        (void)expr__refuse(maker, "there is no function %s", name);
        return NULL;
    }
    if (count < function->count_min || count > MIN(function->count_max, EXPR_ARGUMENTS_MAX)) {
        (void)expr__refuse(maker, "%s has %s%" PRIu32 " argument%s: %s", function->name,
                           function->count_min == function->count_max ? "" : "from ", function->count_min,
                           function->count_min == 1 ? "" : "s", function->shape);
        return NULL;
    }
    if (function->bind != NULL) {
        return bind_call(maker, function, arguments, count);
    }
    if (name_equal(name, "IN")) {
        return expr__make_in(maker, function, arguments, count);
    }
    if (name_equal(name, "AND")) {
        return expr__make_logic(maker, EXPR_AND, "AND", arguments, count);
    }
    if (name_equal(name, "OR")) {
        return expr__make_logic(maker, EXPR_OR, "OR", arguments, count);
    }
    if (name_equal(name, "COALESCE")) {
        return expr__make_coalesce(maker, arguments, count);
    }
    if (name_equal(name, "IFNULL")) {
        return expr__make_coalesce(maker, arguments, count);
    }
    return name_equal(name, "NULLIF") ? expr__make_nullif(maker, arguments) : expr__make_case(maker, arguments, count);
}
