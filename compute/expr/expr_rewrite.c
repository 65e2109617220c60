/* Taking expressions apart and putting them together again: what a planner needs. */
#include "compute/expr/expr_internal.h"
#include "core/base/check.h"

const char *expr_call_name(const struct expr *expr)
{
    return expr->kind == EXPR_CALL ? expr->function->name : "";
}

bool expr_is_volatile(const struct expr *expr)
{
    if (expr->kind == EXPR_CALL && (expr->function->flags & EXPR_VOLATILE) != 0) {
        return true;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (expr_is_volatile(expr->arguments[i])) {
            return true;
        }
    }
    return false;
}

struct expr *expr_rebuild(struct expr_maker *maker, const struct expr *expr, struct expr *const *arguments)
{
    size_t       bytes = expr->kind == EXPR_CALL ? sizeof(struct expr_bound) : sizeof(struct expr);
    struct expr *copy = expr__new(maker, expr->kind, expr->type, bytes);

    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, expr, bytes);
    return expr__set_arguments(maker, copy, arguments, expr->argument_count) ? copy : NULL;
}

static bool arguments_constant(const struct expr *expr)
{
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (!expr_is_constant(expr->arguments[i])) {
            return false;
        }
    }
    return true;
}

struct expr *expr_fold(struct expr_maker *maker, struct expr *expr)
{
    struct vec_chunk     chunk = {.row_count = 1, .selected_count = 1};
    struct expr_program *program;
    struct expr         *constant = NULL;
    struct vec           result;

    if (expr->kind == EXPR_COLUMN || expr->kind == EXPR_CONSTANT || expr->type.kind == VEC_ROW ||
        expr->type.kind == VEC_ARRAY || expr_is_volatile(expr) || !arguments_constant(expr)) {
        return expr;
    }
    program = expr_program_create(&expr, 1);
    if (program == NULL) {
        return expr;
    }
    if (expr_program_run(program, &chunk, &result)) {
        constant = expr_constant(maker, &result, 0);
    }
    expr_program_destroy(program);
    if (constant == NULL) {
        return expr;
    }
    constant->place = expr->place;
    constant->type = expr->type;
    constant->type.nullable = constant->constant.validity != NULL;
    return constant;
}
