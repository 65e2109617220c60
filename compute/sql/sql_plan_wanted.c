/* Conditions that a decoder can check on a row before it decodes the rest of it. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

/* `column = a OR column = b`: what a short IN is made of. */
static struct expr *checkable_list(struct sql_binder *binder, struct expr *expr)
{
    const struct expr *column = NULL;

    for (uint32_t i = 0; i < expr->argument_count; i++) {
        const struct expr *part = sql__checkable(binder, expr->arguments[i]);

        if (part == NULL || part != expr->arguments[i] || strcmp(expr_call_name(part), "=") != 0 ||
            (column != NULL && column->index != part->arguments[0]->index)) {
            return NULL;
        }
        column = part->arguments[0];
    }
    return expr;
}

/* `column = constant` and its like, which a decoder can check before it decodes the rest; else NULL. */
struct expr *sql__checkable(struct sql_binder *binder, struct expr *expr)
{
    static const char *const names[] = {"=", "<>", "IN", "IS NULL", "IS NOT NULL"};
    bool                     known = false;
    struct expr             *column;

    if (expr->kind == EXPR_OR) {
        return checkable_list(binder, expr);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        known = known || strcmp(expr_call_name(expr), names[i]) == 0;
    }
    if (!known) {
        return NULL;
    }
    if (expr->argument_count == 2 && expr->arguments[1]->kind == EXPR_COLUMN &&
        expr->arguments[0]->kind == EXPR_CONSTANT && strcmp(expr_call_name(expr), "IN") != 0) {
        expr = expr_rebuild(binder->maker, expr, (struct expr *[2]){expr->arguments[1], expr->arguments[0]});
        if (expr == NULL) {
            return NULL;
        }
    }
    column = expr->arguments[0];
    if (column->kind != EXPR_COLUMN || column->type.kind == VEC_ROW || column->type.kind == VEC_ARRAY) {
        return NULL;
    }
    for (uint32_t i = 1; i < expr->argument_count; i++) {
        if (expr->arguments[i]->kind != EXPR_CONSTANT || vec_is_null(&expr->arguments[i]->constant, 0)) {
            return NULL;
        }
    }
    return expr;
}
