/* Rows and arrays as texts: "(1, a, NULL)", "[1, 2]"; what is in them as CAST .. AS STRING writes it. */
#include "compute/expr/expr_calendar.h"
#include "compute/expr/expr_text.h"
#include "compute/vec/vec_decimal.h"

static void build_value(struct expr_builder *builder, const struct vec *vec, size_t row);

static void build_items(struct expr_builder *builder, const struct vec *vec, size_t at)
{
    bool            is_row = vec->type.kind == VEC_ROW;
    struct vec_list list =
        is_row ? (struct vec_list){.len = vec->type.child_count} : ((const struct vec_list *)vec->data)[at];

    expr__build(builder, is_row ? "(" : "[", 1);
    for (uint32_t i = 0; i < list.len; i++) {
        expr__build(builder, ", ", i == 0 ? 0 : 2);
        if (is_row) {
            build_value(builder, &vec->children[i], at);
        } else {
            build_value(builder, &vec->children[0], list.offset + i);
        }
    }
    expr__build(builder, is_row ? ")" : "]", 1);
}

static void build_value(struct expr_builder *builder, const struct vec *vec, size_t row)
{
    struct vec_access access = vec_access_of(vec);
    char              text[VEC_DECIMAL_TEXT_BYTES];

    if (vec_is_null(vec, row)) {
        expr__build(builder, "NULL", 4);
    } else if (vec->type.kind == VEC_ROW || vec->type.kind == VEC_ARRAY) {
        build_items(builder, vec, vec_access_at(&access, row));
    } else if (vec_kind_is_text(vec->type.kind)) {
        struct view value = expr__view_at(&access, row);

        expr__build(builder, value.base, value.len);
    } else {
        expr__build(builder, text, expr__format_value(&access, row, vec->type, expr__zone_ms(builder->call), text));
    }
}

bool expr__nested_to_text(struct expr_call *call)
{
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};

        build_value(&builder, &call->arguments[0], row);
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

/* STRING only, of what can be written itself. */
bool expr__nested_is_text(struct vec_type from, struct vec_type to)
{
    bool ok = to.kind == VEC_VARCHAR && to.length == VEC_LENGTH_UNLIMITED;

    for (uint32_t i = 0; ok && i < from.child_count; i++) {
        struct vec_type inner = from.children[i].type;
        bool            may_fail;

        if (inner.kind == VEC_ROW || inner.kind == VEC_ARRAY) {
            ok = expr__nested_is_text(inner, to);
        } else {
            ok = inner.kind != VEC_BINARY && inner.kind != VEC_VARBINARY &&
                 expr__cast_kernel(inner, to, &may_fail) != NULL;
        }
    }
    return ok;
}
