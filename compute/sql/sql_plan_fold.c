/* Simplifying expressions: constants are computed once, branches that no row takes go. An operation over constants that
 * fails stays as it is: its error belongs to the rows that reach it. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

bool sql__add_expr(struct sql_binder *binder, struct sql_exprs *list, struct expr *expr)
{
    if (list->count == list->capacity) {
        uint32_t      grown = MAX(8U, list->capacity * 2);
        struct expr **larger = sql__alloc_array(binder, grown, sizeof(*larger));

        if (larger == NULL) {
            return false;
        }
        if (list->count > 0) {
            memcpy(larger, list->exprs, list->count * sizeof(*larger));
        }
        list->exprs = larger;
        list->capacity = grown;
    }
    list->exprs[list->count++] = expr;
    return true;
}

bool sql__conjuncts(struct sql_binder *binder, const struct expr *condition, struct sql_exprs *list)
{
    if (condition == NULL) {
        return true;
    }
    if (condition->kind != EXPR_AND) {
        return sql__add_expr(binder, list, (struct expr *)(uintptr_t)condition);
    }
    for (uint32_t i = 0; i < condition->argument_count; i++) {
        if (!sql__conjuncts(binder, condition->arguments[i], list)) {
            return false;
        }
    }
    return true;
}

bool sql__all_of(struct sql_binder *binder, const struct sql_exprs *list, struct expr **out_condition)
{
    struct sql_exprs distinct = {0};

    *out_condition = NULL;
    for (uint32_t i = 0; i < list->count; i++) {
        bool found = false;

        for (uint32_t k = 0; k < distinct.count && !found; k++) {
            found = expr_equal(distinct.exprs[k], list->exprs[i]);
        }
        if (!found && !sql__add_expr(binder, &distinct, list->exprs[i])) {
            return false;
        }
    }
    if (distinct.count == 1) {
        *out_condition = distinct.exprs[0];
    } else if (distinct.count > 1) {
        *out_condition = expr_call(binder->maker, "AND", distinct.exprs, distinct.count);
        return *out_condition != NULL || sql__fail_maker(binder, (struct sql_place){0});
    }
    return true;
}

uint32_t sql__expr_size(const struct expr *expr, uint32_t most)
{
    uint32_t size = 1;

    for (uint32_t i = 0; i < expr->argument_count && size < most; i++) {
        size += sql__expr_size(expr->arguments[i], most - size);
    }
    return MIN(size, most);
}

/* --- one expression ----------------------------------------------------------------------------------------------- */

static bool is_bool(const struct expr *expr, bool value)
{
    return expr->kind == EXPR_CONSTANT && expr->type.kind == VEC_BOOLEAN && !vec_is_null(&expr->constant, 0) &&
           (*(const uint8_t *)expr->constant.data != 0) == value;
}

static bool is_null(const struct expr *expr)
{
    return expr->kind == EXPR_CONSTANT && vec_is_null(&expr->constant, 0);
}

/* AND without TRUE, OR without FALSE; one that decides is the result. */
static struct expr *simplify_logic(struct sql_binder *binder, struct expr *expr)
{
    bool             neutral = expr->kind == EXPR_AND;
    struct sql_exprs kept = {0};

    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (is_bool(expr->arguments[i], !neutral)) {
            return expr_bool(binder->maker, !neutral);
        }
        if (!is_bool(expr->arguments[i], neutral) && !sql__add_expr(binder, &kept, expr->arguments[i])) {
            return NULL;
        }
    }
    if (kept.count == expr->argument_count) {
        return expr;
    }
    if (kept.count == 0) {
        return expr_bool(binder->maker, neutral);
    }
    return kept.count == 1 ? kept.exprs[0]
                           : expr_call(binder->maker, expr->kind == EXPR_AND ? "AND" : "OR", kept.exprs, kept.count);
}

/* Branches whose condition is never true go; behind one that is always true nothing is reached. */
static struct expr *simplify_case(struct sql_binder *binder, struct expr *expr)
{
    struct sql_exprs kept = {0};
    struct expr     *otherwise = expr->arguments[expr->argument_count - 1];
    struct expr     *made;

    for (uint32_t i = 0; i + 1 < expr->argument_count; i += 2) {
        const struct expr *condition = expr->arguments[i];

        if (is_bool(condition, false) || is_null(condition)) {
            continue;
        }
        if (is_bool(condition, true)) {
            otherwise = expr->arguments[i + 1];
            break;
        }
        if (!sql__add_expr(binder, &kept, expr->arguments[i]) ||
            !sql__add_expr(binder, &kept, expr->arguments[i + 1])) {
            return NULL;
        }
    }
    if (kept.count == 0) {
        return otherwise;
    }
    if (kept.count + 1 == expr->argument_count) {
        return expr;
    }
    if (!sql__add_expr(binder, &kept, otherwise)) {
        return NULL;
    }
    made = expr_call(binder->maker, "CASE", kept.exprs, kept.count);
    if (made != NULL) {
        made->place = expr->place;
    }
    return made;
}

static struct expr *simplify_call(struct sql_binder *binder, struct expr *expr)
{
    const char *name = expr_call_name(expr);

    if (expr->argument_count == 1 && !expr->arguments[0]->type.nullable) {
        if (strcmp(name, "IS NULL") == 0 || strcmp(name, "IS NOT NULL") == 0) {
            return expr_bool(binder->maker, strcmp(name, "IS NOT NULL") == 0);
        }
    }
    return expr_fold(binder->maker, expr);
}

static struct expr *simplify_node(struct sql_binder *binder, struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_AND:
    case EXPR_OR:
        return simplify_logic(binder, expr);
    case EXPR_CASE:
        return simplify_case(binder, expr);
    case EXPR_CALL:
        return simplify_call(binder, expr);
    case EXPR_CAST:
        return expr_fold(binder->maker, expr);
    default:
        return expr;
    }
}

struct expr *sql__simplify(struct sql_binder *binder, struct expr *expr)
{
    struct expr **arguments = NULL;
    bool          changed = false;

    if (expr->argument_count > 0) {
        arguments = sql__alloc_array(binder, expr->argument_count, sizeof(*arguments));
        if (arguments == NULL) {
            return NULL;
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        arguments[i] = sql__simplify(binder, expr->arguments[i]);
        if (arguments[i] == NULL) {
            return NULL;
        }
        changed = changed || arguments[i] != expr->arguments[i];
    }
    if (changed) {
        expr = expr_rebuild(binder->maker, expr, arguments);
    }
    expr = expr == NULL ? NULL : simplify_node(binder, expr);
    if (expr == NULL) {
        sql__fail_maker(binder, (struct sql_place){0});
    }
    return expr;
}

/* --- a CALC ------------------------------------------------------------------------------------------------------- */

/* Where `column = constant` holds, the constant may stand for the column: of types whose equal values are the same
 * bytes, and of the column's own type. */
static bool is_fact(const struct expr *expr, uint32_t *out_column, struct expr **out_constant)
{
    const struct expr *column;
    struct expr       *constant;

    if (strcmp(expr_call_name(expr), "=") != 0 || expr->argument_count != 2) {
        return false;
    }
    column = expr->arguments[expr->arguments[0]->kind == EXPR_COLUMN ? 0 : 1];
    constant = expr->arguments[expr->arguments[0]->kind == EXPR_COLUMN ? 1 : 0];
    if (column->kind != EXPR_COLUMN || constant->kind != EXPR_CONSTANT || is_null(constant) ||
        !vec_type_equal(column->type, constant->type) ||
        !(vec_kind_is_integer(column->type.kind) || column->type.kind == VEC_DATE ||
          column->type.kind == VEC_VARCHAR)) {
        return false;
    }
    *out_column = column->index;
    *out_constant = constant;
    return true;
}

/* The columns of the input, with constants where the conjuncts say so. */
static struct expr **facts(struct sql_binder *binder, const struct sql_rel *calc, const struct sql_exprs *conjuncts,
                           bool *out_any)
{
    const struct sql_rel *input = sql__input(calc, 0);
    struct expr         **map = sql__alloc_array(binder, MAX(input->node.column_count, 1U), sizeof(*map));

    *out_any = false;
    for (uint32_t i = 0; map != NULL && i < conjuncts->count; i++) {
        struct expr *constant;
        uint32_t     column;

        if (is_fact(conjuncts->exprs[i], &column, &constant) && map[column] == NULL) {
            map[column] = constant;
            *out_any = true;
        }
    }
    for (uint32_t i = 0; map != NULL && i < input->node.column_count; i++) {
        map[i] = map[i] != NULL ? map[i] : sql__column(binder, input, i);
        if (map[i] == NULL) {
            return NULL;
        }
    }
    return map;
}

static bool use_facts(struct sql_binder *binder, struct sql_rel *calc, struct sql_exprs *conjuncts)
{
    bool          any;
    struct expr **map = facts(binder, calc, conjuncts, &any);
    uint32_t      column;
    struct expr  *constant;

    if (map == NULL || !any) {
        return map != NULL;
    }
    for (uint32_t i = 0; i < conjuncts->count; i++) {
        if (!is_fact(conjuncts->exprs[i], &column, &constant)) {
            conjuncts->exprs[i] = sql__replace_columns(binder, conjuncts->exprs[i], map);
            conjuncts->exprs[i] = conjuncts->exprs[i] == NULL ? NULL : sql__simplify(binder, conjuncts->exprs[i]);
            if (conjuncts->exprs[i] == NULL) {
                return false;
            }
        }
    }
    for (uint32_t i = 0; i < calc->node.column_count; i++) {
        struct expr **expr = (struct expr **)(uintptr_t)&calc->node.calc.exprs[i];

        if ((*expr)->kind == EXPR_COLUMN) { /* time attributes and keys are followed by plain columns */
            continue;
        }
        *expr = sql__replace_columns(binder, *expr, map);
        *expr = *expr == NULL ? NULL : sql__simplify(binder, *expr);
        if (*expr == NULL) {
            return false;
        }
    }
    return true;
}

bool sql__simplify_calc(struct sql_binder *binder, struct sql_rel *calc)
{
    struct sql_exprs conjuncts = {0};
    struct expr     *condition = (struct expr *)(uintptr_t)calc->node.calc.condition;

    for (uint32_t i = 0; i < calc->node.column_count; i++) {
        struct expr **expr = (struct expr **)(uintptr_t)&calc->node.calc.exprs[i];

        *expr = sql__simplify(binder, *expr);
        if (*expr == NULL) {
            return false;
        }
    }
    if (condition == NULL) {
        return true;
    }
    condition = sql__simplify(binder, condition);
    if (condition == NULL || !sql__conjuncts(binder, condition, &conjuncts) || !use_facts(binder, calc, &conjuncts) ||
        !sql__all_of(binder, &conjuncts, &condition)) {
        return false;
    }
    condition = condition == NULL ? NULL : sql__simplify(binder, condition);
    calc->node.calc.condition = condition != NULL && is_bool(condition, true) ? NULL : condition;
    return binder->error->kind == SQL_OK;
}
