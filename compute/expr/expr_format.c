/* Expressions as text, for EXPLAIN and for messages. */
#include <stdarg.h>

#include "compute/expr/expr_internal.h"
#include "compute/vec/vec_decimal.h"
#include "compute/vec/vec_number.h"
#include "compute/vec/vec_time.h"
#include "core/base/check.h"
#include "core/base/print.h"

struct format_text {
    struct print            print;
    const struct vec_field *columns;
    uint32_t                column_count;
};

static void PRINTF_LIKE(2, 3) put(struct format_text *out, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_put_args(&out->print, format, arguments);
    va_end(arguments);
}

static void put_integer(struct format_text *out, struct vec_type type, vec_int128 value)
{
    char text[VEC_DECIMAL_TEXT_BYTES];

    switch (type.kind) {
    case VEC_BOOLEAN:
        put(out, "%s", value != 0 ? "TRUE" : "FALSE");
        return;
    case VEC_DATE:
        vec_date_format((int64_t)value, text);
        put(out, "DATE '%s'", text);
        return;
    case VEC_TIME:
        vec_time_format_ms((int32_t)value, -1, text);
        put(out, "TIME '%s'", text);
        return;
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        vec_timestamp_format(vec_civil_of_timestamp(value, vec_timestamp_units(type)), ' ', -1, text);
        put(out, "TIMESTAMP '%s'", text);
        return;
    default:
        vec_decimal_format((struct vec_decimal){value, type.kind == VEC_DECIMAL ? type.scale : 0}, text);
        put(out, "%s%s", text,
            type.kind == VEC_INTERVAL_DAY     ? ":INTERVAL SECOND(3)"
            : type.kind == VEC_INTERVAL_MONTH ? ":INTERVAL MONTH"
                                              : "");
        return;
    }
}

static void put_constant(struct format_text *out, const struct expr *expr)
{
    const void *data = expr->constant.data;
    char        text[VEC_NUMBER_TEXT_BYTES];
    int64_t     value = 0;

    if (vec_is_null(&expr->constant, 0)) {
        put(out, "NULL");
        return;
    }
    switch (vec_type_layout(expr->type)) {
    case VEC_LAYOUT_STRING:
        put(out, "'%.*s'", (int)((const struct vec_string *)data)->len, vec_string_base(data));
        break;
    case VEC_LAYOUT_INT128:
        put_integer(out, expr->type, *(const vec_int128 *)data);
        break;
    case VEC_LAYOUT_BOOL:
        put_integer(out, expr->type, *(const uint8_t *)data);
        break;
    case VEC_LAYOUT_FLOAT:
        vec_float_format(*(const float *)data, text);
        put(out, "%s", text);
        break;
    case VEC_LAYOUT_DOUBLE:
        vec_double_format(*(const double *)data, text);
        put(out, "%s", text);
        break;
    default:
        if (expr__constant_int(expr, &value)) {
            put_integer(out, expr->type, value);
        } else {
            put(out, "ROW(..)");
        }
        break;
    }
}

static void format_expr(struct format_text *out, const struct expr *expr);

static void put_list(struct format_text *out, const struct expr *expr)
{
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        put(out, "%s", i == 0 ? "" : ", ");
        format_expr(out, expr->arguments[i]);
    }
}

static void put_joined(struct format_text *out, const struct expr *expr, const char *word)
{
    put(out, "(");
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (i > 0) {
            put(out, " %s ", word);
        }
        format_expr(out, expr->arguments[i]);
    }
    put(out, ")");
}

static void put_case(struct format_text *out, const struct expr *expr)
{
    put(out, "CASE");
    for (uint32_t i = 0; i + 1 < expr->argument_count; i += 2) {
        put(out, " WHEN ");
        format_expr(out, expr->arguments[i]);
        put(out, " THEN ");
        format_expr(out, expr->arguments[i + 1]);
    }
    put(out, " ELSE ");
    format_expr(out, expr->arguments[expr->argument_count - 1]);
    put(out, " END");
}

/* The arguments as they were written: those that the binder took out stand at their places. */
static void put_written(struct format_text *out, const struct expr *expr)
{
    const struct expr_bound *bound = (const struct expr_bound *)(const void *)expr;
    uint32_t                 next = 0;

    for (uint32_t i = 0; i < bound->written_count; i++) {
        bool constant = bound->written[i]->kind == EXPR_CONSTANT;

        put(out, "%s", i == 0 ? "" : ", ");
        format_expr(out, constant || next >= expr->argument_count ? bound->written[i] : expr->arguments[next]);
        if (next < expr->argument_count && (!constant || expr->arguments[next]->kind == EXPR_CONSTANT)) {
            next++;
        }
    }
}

static void put_call(struct format_text *out, const struct expr *expr)
{
    char first = expr->function->name[0];

    if (expr->argument_count == 1 && strncmp(expr->function->name, "IS ", 3) == 0) {
        put(out, "(");
        format_expr(out, expr->arguments[0]);
        put(out, " %s)", expr->function->name);
        return;
    }
    if (expr->argument_count == 2 && (first < 'A' || first > 'Z')) {
        put_joined(out, expr, expr->function->name);
        return;
    }
    put(out, "%s(", expr->function->name);
    if (((const struct expr_bound *)(const void *)expr)->written_count > 0) {
        put_written(out, expr);
    } else {
        put_list(out, expr);
    }
    put(out, ")");
}

static void format_expr(struct format_text *out, const struct expr *expr)
{
    char type[64];

    switch (expr->kind) {
    case EXPR_COLUMN:
        if (expr->index < out->column_count) {
            put(out, "%.*s", (int)out->columns[expr->index].name.len,
                (const char *)out->columns[expr->index].name.base);
        } else {
            put(out, "$%" PRIu32, expr->index);
        }
        break;
    case EXPR_FIELD:
        format_expr(out, expr->arguments[0]);
        put(out, ".%.*s", (int)expr->arguments[0]->type.children[expr->index].name.len,
            (const char *)expr->arguments[0]->type.children[expr->index].name.base);
        break;
    case EXPR_CONSTANT:
        put_constant(out, expr);
        break;
    case EXPR_CALL:
        put_call(out, expr);
        break;
    case EXPR_CAST:
        put(out, "%s(", expr->try_cast ? "TRY_CAST" : "CAST");
        format_expr(out, expr->arguments[0]);
        put(out, " AS %s)", expr__type_text(expr->type, type));
        break;
    case EXPR_AND:
    case EXPR_OR:
        put_joined(out, expr, expr->kind == EXPR_AND ? "AND" : "OR");
        break;
    case EXPR_CASE:
        put_case(out, expr);
        break;
    case EXPR_COALESCE:
        put(out, "COALESCE(");
        put_list(out, expr);
        put(out, ")");
        break;
    }
}

size_t expr_format(const struct expr *expr, const struct vec_field *columns, uint32_t column_count, char *out_text,
                   size_t capacity)
{
    struct format_text out = {
        .print = {.text = out_text, .capacity = capacity}, .columns = columns, .column_count = column_count};

    format_expr(&out, expr);
    return out.print.len;
}
