/* The forms whose arguments are guarded: AND, OR, CASE, COALESCE and what is made of them. */
#include "compute/expr/expr_internal.h"
#include "core/base/check.h"

static bool all_boolean(struct expr_maker *maker, const char *name, struct expr **arguments, uint32_t count,
                        uint32_t step)
{
    for (uint32_t i = 0; i + (step - 1) < count; i += step) {
        char text[64];

        if (arguments[i]->type.kind == VEC_NULL) {
            arguments[i] = expr_null(maker, vec_type_of(VEC_BOOLEAN));
            if (arguments[i] == NULL) {
                return false;
            }
        }
        if (arguments[i]->type.kind != VEC_BOOLEAN) {
            return expr__refuse(maker, "%s wants BOOLEAN conditions, not %s", name,
                                expr__type_text(arguments[i]->type, text));
        }
    }
    return true;
}

bool expr__any_nullable(struct expr *const *arguments, uint32_t count)
{
    bool nullable = false;

    for (uint32_t i = 0; i < count; i++) {
        nullable = nullable || arguments[i]->type.nullable;
    }
    return nullable;
}

struct expr *expr__make_logic(struct expr_maker *maker, enum expr_kind kind, const char *name,
                              struct expr *const *arguments, uint32_t count)
{
    struct vec_type type = vec_type_of(VEC_BOOLEAN);
    struct expr    *expr = expr__new(maker, kind, type, sizeof(*expr));

    if (expr == NULL || !expr__set_arguments(maker, expr, arguments, count) ||
        !all_boolean(maker, name, expr->arguments, count, 1)) {
        return NULL;
    }
    expr->type.nullable = expr__any_nullable(expr->arguments, count);
    return expr;
}

/* Casts arguments first, first + step, ... and the last to what they have in common. */
static bool meet(struct expr_maker *maker, const char *name, struct expr *expr, uint32_t first, uint32_t step)
{
    struct vec_type type = expr->arguments[expr->argument_count - 1]->type;
    char            left[64];
    char            right[64];

    for (uint32_t i = first; i < expr->argument_count; i += step) {
        struct vec_type common = expr_common_type(type, expr->arguments[i]->type);

        if (common.kind == VEC_KIND_COUNT) {
            return expr__refuse(maker, "%s gives %s in one place and %s in another; cast one of them", name,
                                expr__type_text(expr->arguments[i]->type, left), expr__type_text(type, right));
        }
        type = common;
    }
    if (type.kind == VEC_NULL) {
        type = vec_type_of(VEC_VARCHAR);
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if ((i >= first && (i - first) % step == 0) || i == expr->argument_count - 1) {
            expr->arguments[i] = expr_cast(maker, expr->arguments[i], type, false);
            if (expr->arguments[i] == NULL) {
                return false;
            }
        }
    }
    expr->type = type;
    return true;
}

/* Without ELSE a NULL of the common type is added. */
struct expr *expr__make_case(struct expr_maker *maker, struct expr *const *arguments, uint32_t count)
{
    struct expr *all[EXPR_ARGUMENTS_MAX + 1];
    struct expr *expr;

    memcpy(all, arguments, count * sizeof(*arguments));
    if (count % 2 == 0) {
        all[count] = expr_null(maker, vec_type_of(VEC_NULL));
        if (all[count++] == NULL) {
            return NULL;
        }
    }
    expr = expr__new(maker, EXPR_CASE, vec_type_of(VEC_NULL), sizeof(*expr));
    if (expr == NULL || !expr__set_arguments(maker, expr, all, count) ||
        !all_boolean(maker, "CASE", expr->arguments, count - 1, 2) || !meet(maker, "CASE", expr, 1, 2)) {
        return NULL;
    }
    return expr;
}

struct expr *expr__make_coalesce(struct expr_maker *maker, struct expr *const *arguments, uint32_t count)
{
    struct expr *expr = expr__new(maker, EXPR_COALESCE, vec_type_of(VEC_NULL), sizeof(*expr));
    bool         nullable = true;

    if (expr == NULL || !expr__set_arguments(maker, expr, arguments, count) || !meet(maker, "COALESCE", expr, 0, 1)) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        nullable = nullable && expr->arguments[i]->type.nullable;
    }
    expr->type.nullable = nullable;
    return expr;
}

/* NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END. */
struct expr *expr__make_nullif(struct expr_maker *maker, struct expr *const *arguments)
{
    struct expr *equal = expr_call(maker, "=", arguments, 2);
    struct expr *null = expr_null(maker, arguments[0]->type);

    if (equal == NULL || null == NULL) {
        return NULL;
    }
    return expr__make_case(maker, (struct expr *[3]){equal, null, arguments[0]}, 3);
}
