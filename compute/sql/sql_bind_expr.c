/* Expressions: operators and forms to calls of compute/expr. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

static const char *const operator_names[] = {
    [SQL_OP_OR] = "OR",
    [SQL_OP_AND] = "AND",
    [SQL_OP_NOT] = "NOT",
    [SQL_OP_EQUAL] = "=",
    [SQL_OP_NOT_EQUAL] = "<>",
    [SQL_OP_LESS] = "<",
    [SQL_OP_LESS_EQUAL] = "<=",
    [SQL_OP_GREATER] = ">",
    [SQL_OP_GREATER_EQUAL] = ">=",
    [SQL_OP_ADD] = "+",
    [SQL_OP_SUBTRACT] = "-",
    [SQL_OP_MULTIPLY] = "*",
    [SQL_OP_DIVIDE] = "/",
    [SQL_OP_MODULO] = "%",
    [SQL_OP_CONCAT] = "||",
    [SQL_OP_PLUS] = "PLUS",
    [SQL_OP_MINUS] = "NEGATE",
    [SQL_OP_LIKE] = "LIKE",
    [SQL_OP_SIMILAR] = "SIMILAR TO",
};

struct expr *sql__call(struct sql_binder *binder, struct sql_place place, const char *name,
                       struct expr *const *arguments, uint32_t count)
{
    struct expr *call = expr_call(binder->maker, name, arguments, count);

    if (call == NULL) {
        sql__fail_maker(binder, place);
    } else if (call->place.len == 0) {
        call->place = sql__expr_place(place);
    }
    return call;
}

static struct expr *negate_if(struct sql_binder *binder, const struct sql_expr *expr, struct expr *value)
{
    return value == NULL || !expr->flag ? value : sql__call(binder, expr->place, "NOT", &value, 1);
}

bool sql__refuse_null(struct sql_binder *binder, const struct sql_expr *expr)
{
    return expr->kind != SQL_NULL || expr->flag ||
           sql_fail(binder->error, SQL_ERROR_TYPE, expr->place,
                    "NULL alone has no type here: write CAST(NULL AS type)");
}

static bool refuse_nulls(struct sql_binder *binder, const struct sql_expr *list)
{
    for (; list != NULL; list = list->next) {
        if (!sql__refuse_null(binder, list)) {
            return false;
        }
    }
    return true;
}

/* The arguments bound, one after the other; NULL after the first that fails. */
static struct expr **bind_list(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *list,
                               uint32_t count)
{
    struct expr **bound = sql__alloc_array(binder, count, sizeof(struct expr *));

    for (uint32_t i = 0; bound != NULL && i < count; i++, list = list->next) {
        bound[i] = sql__bind_expr(binder, scope, list);
        if (bound[i] == NULL) {
            return NULL;
        }
    }
    return bound;
}

/* a AND b AND c is one node however long it is. */
static struct expr *bind_chain(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    uint32_t               count = 1;
    const struct sql_expr *at = expr;
    struct expr          **operands;

    while (at->kind == SQL_BINARY && at->op == expr->op) {
        at = at->arguments;
        count++;
    }
    if (count > EXPR_ARGUMENTS_MAX) {
        sql_fail(binder->error, SQL_ERROR_LIMIT, expr->place, "%s joins at most %d conditions",
                 operator_names[expr->op], EXPR_ARGUMENTS_MAX);
        return NULL;
    }
    operands = sql__alloc_array(binder, count, sizeof(struct expr *));
    if (operands == NULL) {
        return NULL;
    }
    at = expr;
    for (uint32_t i = count - 1; i > 0; i--, at = at->arguments) {
        if (!refuse_nulls(binder, at->arguments)) {
            return NULL;
        }
        operands[i] = sql__bind_expr(binder, scope, at->arguments->next);
        if (operands[i] == NULL) {
            return NULL;
        }
    }
    operands[0] = sql__bind_expr(binder, scope, at);
    return operands[0] == NULL ? NULL : sql__call(binder, expr->place, operator_names[expr->op], operands, count);
}

static struct expr *bind_operator(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    struct expr **arguments;

    if (expr->op == SQL_OP_AND || expr->op == SQL_OP_OR) {
        return bind_chain(binder, scope, expr);
    }
    if (expr->op == SQL_OP_MINUS && expr->arguments->kind == SQL_EXACT && expr->kind == SQL_UNARY) {
        return sql__bind_negative(binder, expr->arguments);
    }
    if ((expr->op < SQL_OP_EQUAL || expr->op > SQL_OP_GREATER_EQUAL) && !refuse_nulls(binder, expr->arguments)) {
        return NULL;
    }
    arguments = bind_list(binder, scope, expr->arguments, expr->argument_count);
    if (arguments == NULL) {
        return NULL;
    }
    return sql__call(binder, expr->place, operator_names[expr->op], arguments, expr->argument_count);
}

/* x BETWEEN a AND b is x >= a AND x <= b, with x evaluated once: equal expressions are. */
static struct expr *bind_between(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    struct expr **arguments = bind_list(binder, scope, expr->arguments, 3);
    struct expr  *halves[2];

    if (arguments == NULL) {
        return NULL;
    }
    halves[0] =
        sql__call(binder, expr->place, expr->flag ? "<" : ">=", (struct expr *[2]){arguments[0], arguments[1]}, 2);
    if (halves[0] == NULL) {
        return NULL;
    }
    halves[1] =
        sql__call(binder, expr->place, expr->flag ? ">" : "<=", (struct expr *[2]){arguments[0], arguments[2]}, 2);
    return halves[1] == NULL ? NULL : sql__call(binder, expr->place, expr->flag ? "OR" : "AND", halves, 2);
}

static struct expr *bind_in(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    struct expr **arguments;
    uint32_t      count = expr->argument_count;

    if (count > EXPR_ARGUMENTS_MAX) {
        sql_fail(binder->error, SQL_ERROR_LIMIT, expr->place, "IN takes at most %d values", EXPR_ARGUMENTS_MAX - 1);
        return NULL;
    }
    arguments = bind_list(binder, scope, expr->arguments, count);
    if (arguments == NULL) {
        return NULL;
    }
    if (sql__function_exists(view_text("IN"))) {
        return negate_if(binder, expr, sql__call(binder, expr->place, "IN", arguments, count));
    }
    for (uint32_t i = 1; i < count; i++) {
        arguments[i] = sql__call(binder, expr->place, "=", (struct expr *[2]){arguments[0], arguments[i]}, 2);
        if (arguments[i] == NULL) {
            return NULL;
        }
    }
    return negate_if(binder, expr,
                     count == 2 ? arguments[1] : sql__call(binder, expr->place, "OR", arguments + 1, count - 1));
}

static struct expr *bind_is(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    struct expr **arguments = bind_list(binder, scope, expr->arguments, expr->argument_count);
    const char   *name = "IS NULL";

    if (arguments == NULL) {
        return NULL;
    }
    switch (expr->op) {
    case SQL_OP_IS_TRUE:
        name = "IS TRUE";
        break;
    case SQL_OP_IS_FALSE:
        name = "IS FALSE";
        break;
    case SQL_OP_IS_DISTINCT:
        name = "IS DISTINCT FROM";
        break;
    case SQL_OP_IS_UNKNOWN:
        if (arguments[0]->type.kind != VEC_BOOLEAN && arguments[0]->type.kind != VEC_NULL) {
            sql_fail(binder->error, SQL_ERROR_TYPE, expr->place, "IS UNKNOWN wants a BOOLEAN");
            return NULL;
        }
        break;
    default:
        if (expr->flag) {
            return sql__call(binder, expr->place, "IS NOT NULL", arguments, 1);
        }
        break;
    }
    return negate_if(binder, expr, sql__call(binder, expr->place, name, arguments, expr->argument_count));
}

/* One value of a CASE has a type at least. */
static bool has_value(struct sql_binder *binder, const struct sql_expr *expr)
{
    const struct sql_expr *argument = expr->has_operand ? expr->arguments->next : expr->arguments;

    for (; argument != NULL; argument = argument->next) {
        argument = argument->next == NULL ? argument : argument->next; /* WHEN is followed by THEN, ELSE stands alone */
        if (argument->kind != SQL_NULL || argument->flag) {
            return true;
        }
    }
    return sql_fail(binder->error, SQL_ERROR_TYPE, expr->place, "one THEN or ELSE of a CASE is not NULL");
}

/* CASE x WHEN a THEN .. is CASE WHEN x = a THEN .. */
static struct expr *bind_case(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    uint32_t      count = expr->argument_count;
    uint32_t      first = expr->has_operand ? 1 : 0;
    struct expr **arguments;

    if (count > EXPR_ARGUMENTS_MAX) {
        sql_fail(binder->error, SQL_ERROR_LIMIT, expr->place, "CASE has at most %d branches", EXPR_ARGUMENTS_MAX / 2);
        return NULL;
    }
    if (!has_value(binder, expr)) {
        return NULL;
    }
    arguments = bind_list(binder, scope, expr->arguments, count);
    for (uint32_t i = first; arguments != NULL && first == 1 && i + 1 < count; i += 2) {
        arguments[i] = sql__call(binder, expr->place, "=", (struct expr *[2]){arguments[0], arguments[i]}, 2);
        if (arguments[i] == NULL) {
            return NULL;
        }
    }
    return arguments == NULL ? NULL : sql__call(binder, expr->place, "CASE", arguments + first, count - first);
}

static struct expr *bind_cast(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    struct expr    *value = sql__bind_expr(binder, scope, expr->arguments);
    struct vec_type type = expr->type.type;

    if (type.kind == VEC_TIME) { /* Flink casts to whole seconds, whatever the precision */
        type.precision = 0;
    }
    return value == NULL ? NULL : expr_cast(binder->maker, value, type, expr->flag);
}

static struct expr *bind_constructor(struct sql_binder *binder, const struct sql_scope *scope,
                                     const struct sql_expr *expr, const char *name)
{
    struct expr **arguments;

    if (!sql__function_exists(view_text(name))) {
        sql__fail_not_yet(binder, expr->place, expr->kind == SQL_ROW ? "ROW(..)" : "ARRAY[..] and [..] of one", "");
        return NULL;
    }
    arguments = bind_list(binder, scope, expr->arguments, expr->argument_count);
    return arguments == NULL ? NULL : sql__call(binder, expr->place, name, arguments, expr->argument_count);
}

static struct expr *bind_kind(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    struct expr *row;

    switch (expr->kind) {
    case SQL_REFERENCE:
        return sql__bind_reference(binder, scope, expr);
    case SQL_STAR:
        sql_fail(binder->error, SQL_ERROR_SYNTAX, expr->place, "* stands for all columns in a SELECT list only");
        return NULL;
    case SQL_UNARY:
    case SQL_BINARY:
        return bind_operator(binder, scope, expr);
    case SQL_LIKE:
        return negate_if(binder, expr, bind_operator(binder, scope, expr));
    case SQL_BETWEEN:
        return bind_between(binder, scope, expr);
    case SQL_IN:
        return bind_in(binder, scope, expr);
    case SQL_IS:
        return bind_is(binder, scope, expr);
    case SQL_CASE:
        return bind_case(binder, scope, expr);
    case SQL_CAST:
        return bind_cast(binder, scope, expr);
    case SQL_CALL:
        return sql__bind_call(binder, scope, expr);
    case SQL_ROW:
        return bind_constructor(binder, scope, expr, "ROW");
    case SQL_ARRAY:
        return bind_constructor(binder, scope, expr, "ARRAY");
    case SQL_ELEMENT:
        return bind_constructor(binder, scope, expr, "ITEM");
    case SQL_FIELD:
        row = sql__bind_expr(binder, scope, expr->arguments);
        return row == NULL ? NULL : sql__bind_field(binder, row, expr->name);
    default:
        return sql__bind_literal(binder, expr);
    }
}

struct expr *sql__bind_expr(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    struct expr *bound = NULL;

    if (binder->error->kind != SQL_OK) {
        return NULL;
    }
    if (binder->expression_depth >= SQL_EXPRESSION_DEPTH_MAX) {
        sql_fail(binder->error, SQL_ERROR_LIMIT, expr->place, "expressions are nested at most %d deep",
                 SQL_EXPRESSION_DEPTH_MAX);
        return NULL;
    }
    binder->expression_depth++;
    if (scope->grouping == NULL || !sql__bind_grouped(binder, scope, expr, &bound)) {
        bound = bind_kind(binder, scope, expr);
    }
    binder->expression_depth--;
    if (bound == NULL) {
        sql__fail_maker(binder, expr->place);
        return NULL;
    }
    if (bound->place.len == 0) {
        bound->place = sql__expr_place(expr->place);
    }
    return bound;
}

struct expr *sql__bind_condition(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr,
                                 const char *what)
{
    struct expr *condition = sql__bind_expr(binder, scope, expr);
    char         type[64];

    if (condition == NULL) {
        return NULL;
    }
    if (condition->type.kind == VEC_NULL) {
        return expr_null(binder->maker, vec_type_of(VEC_BOOLEAN));
    }
    if (condition->type.kind != VEC_BOOLEAN) {
        (void)vec_type_format(condition->type, type, sizeof(type));
        sql_fail(binder->error, SQL_ERROR_TYPE, expr->place, "%s wants a BOOLEAN, not %s", what, type);
        return NULL;
    }
    return condition;
}

enum sql_time sql__time_of(const struct sql_scope *scope, const struct expr *expr)
{
    if (expr->kind == EXPR_COLUMN && scope->times != NULL) {
        return scope->times[expr->index];
    }
    return expr->kind == EXPR_CALL && sql__view_is(view_text(expr_call_name(expr)), "PROCTIME") ? SQL_TIME_PROCESSING
                                                                                                : SQL_TIME_NONE;
}
