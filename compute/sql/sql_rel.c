/* Relations: making them, and what passes do with their expressions. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

struct sql_rel *sql__new_rel(struct sql_binder *binder, enum exec_node_kind kind, struct sql_place place,
                             uint32_t input_count)
{
    struct sql_rel *rel;

    if (++binder->node_count > SQL_NODES_MAX) {
        sql_fail(binder->error, SQL_ERROR_LIMIT, place, "a query has at most %d operators, views included",
                 SQL_NODES_MAX);
        return NULL;
    }
    rel = sql__alloc(binder, sizeof(*rel));
    if (rel == NULL) {
        return NULL;
    }
    rel->node.kind = kind;
    rel->node.place = sql__expr_place(binder->in_view ? binder->view_place : place);
    rel->node.changes = EXEC_APPEND_ONLY;
    rel->node.input_count = input_count;
    rel->node.inputs = sql__alloc_array(binder, input_count, sizeof(*rel->node.inputs));
    rel->windows = (struct sql_window_columns){
        EXEC_NO_COLUMN, EXEC_NO_COLUMN, EXEC_NO_COLUMN, {.kind = EXEC_WINDOWED, .time_column = EXEC_NO_COLUMN}};
    return rel->node.inputs == NULL ? NULL : rel;
}

struct sql_rel *sql__new_over(struct sql_binder *binder, enum exec_node_kind kind, struct sql_place place,
                              struct sql_rel *input)
{
    struct sql_rel *rel = sql__new_rel(binder, kind, place, 1);

    if (rel != NULL) {
        rel->node.inputs[0] = &input->node;
        rel->node.column_count = input->node.column_count;
        rel->node.columns = input->node.columns;
        rel->times = input->times;
        rel->windows = input->windows;
    }
    return rel;
}

struct sql_rel *sql__new_join(struct sql_binder *binder, struct sql_place place, struct sql_rel *left,
                              struct sql_rel *right)
{
    struct sql_rel *rel = sql__new_rel(binder, EXEC_JOIN, place, 2);
    uint32_t        first = left->node.column_count;

    if (rel == NULL || !sql__make_columns(binder, rel, first + right->node.column_count)) {
        return NULL;
    }
    rel->node.inputs[0] = &left->node;
    rel->node.inputs[1] = &right->node;
    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        const struct sql_rel *side = i < first ? left : right;
        uint32_t              at = i < first ? i : i - first;

        sql__set_column(rel, i, side->node.columns[at].name, side->node.columns[at].type, side->times[at]);
    }
    return rel;
}

bool sql__make_columns(struct sql_binder *binder, struct sql_rel *rel, uint32_t count)
{
    if (count > SQL_COLUMNS_MAX) {
        return sql_fail(binder->error, SQL_ERROR_LIMIT, (struct sql_place){rel->node.place.offset, rel->node.place.len},
                        "a row has at most %d columns", SQL_COLUMNS_MAX);
    }
    rel->node.columns = sql__alloc_array(binder, count, sizeof(struct vec_field));
    rel->times = sql__alloc_array(binder, count, sizeof(enum sql_time));
    rel->node.column_count = count;
    return rel->node.columns != NULL && rel->times != NULL;
}

void sql__set_column(struct sql_rel *rel, uint32_t i, struct view name, struct vec_type type, enum sql_time time)
{
    struct vec_field *columns = (struct vec_field *)(uintptr_t)rel->node.columns;

    CHECK(i < rel->node.column_count);
    columns[i] = (struct vec_field){.name = name, .type = type};
    rel->times[i] = time;
}

struct expr *sql__column(struct sql_binder *binder, const struct sql_rel *rel, uint32_t column)
{
    struct expr *expr = expr_column(binder->maker, column, rel->node.columns[column].type);

    if (expr == NULL) {
        sql__fail_maker(binder, (struct sql_place){0});
    }
    return expr;
}

/* The output column that is input column `column`. */
static uint32_t carried(struct expr *const *exprs, uint32_t count, uint32_t column)
{
    for (uint32_t i = 0; i < count && column != EXEC_NO_COLUMN; i++) {
        if (exprs[i]->kind == EXPR_COLUMN && exprs[i]->index == column) {
            return i;
        }
    }
    return EXEC_NO_COLUMN;
}

struct sql_rel *sql__new_calc(struct sql_binder *binder, struct sql_place place, struct sql_rel *input,
                              struct expr *condition, struct expr **exprs, const struct view *names, uint32_t count)
{
    struct sql_rel        *rel = sql__new_rel(binder, EXEC_CALC, place, 1);
    const struct sql_scope scope = {.times = input->times};

    if (rel == NULL || !sql__make_columns(binder, rel, count)) {
        return NULL;
    }
    rel->node.inputs[0] = &input->node;
    rel->node.calc.condition = condition;
    rel->node.calc.exprs = exprs;
    for (uint32_t i = 0; i < count; i++) {
        sql__set_column(rel, i, names[i], exprs[i]->type, sql__time_of(&scope, exprs[i]));
    }
    rel->windows = (struct sql_window_columns){
        .start = carried(exprs, count, input->windows.start),
        .end = carried(exprs, count, input->windows.end),
        .time = carried(exprs, count, input->windows.time),
        .window = input->windows.window,
    };
    return rel;
}

struct sql_rel *sql__new_filter(struct sql_binder *binder, struct sql_place place, struct sql_rel *input,
                                struct expr *condition)
{
    uint32_t      count = input->node.column_count;
    struct expr **exprs = sql__alloc_array(binder, count, sizeof(*exprs));
    struct view  *names = sql__alloc_array(binder, count, sizeof(*names));

    if (exprs == NULL || names == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = input->node.columns[i].name;
        exprs[i] = sql__column(binder, input, i);
        if (exprs[i] == NULL) {
            return NULL;
        }
    }
    return sql__new_calc(binder, place, input, condition, exprs, names, count);
}

struct expr *sql__replace_columns(struct sql_binder *binder, struct expr *expr, struct expr *const *map)
{
    struct expr **arguments;
    bool          changed = false;

    if (expr->kind == EXPR_COLUMN) {
        CHECK(map[expr->index] != NULL);
        return map[expr->index];
    }
    if (expr->argument_count == 0) {
        return expr;
    }
    arguments = sql__alloc_array(binder, expr->argument_count, sizeof(*arguments));
    for (uint32_t i = 0; arguments != NULL && i < expr->argument_count; i++) {
        arguments[i] = sql__replace_columns(binder, expr->arguments[i], map);
        if (arguments[i] == NULL) {
            return NULL;
        }
        changed = changed || arguments[i] != expr->arguments[i];
    }
    if (arguments == NULL || !changed) {
        return arguments == NULL ? NULL : expr;
    }
    expr = expr_rebuild(binder->maker, expr, arguments);
    if (expr == NULL) {
        sql__fail_maker(binder, (struct sql_place){0});
    }
    return expr;
}

struct expr *sql__move_columns(struct sql_binder *binder, struct expr *expr, const uint32_t *map)
{
    struct expr **arguments;

    if (expr->kind == EXPR_COLUMN) {
        CHECK(map[expr->index] != EXEC_NO_COLUMN);
        if (map[expr->index] == expr->index) {
            return expr;
        }
        expr = expr_rebuild(binder->maker, expr, NULL);
        if (expr == NULL) {
            sql__fail_maker(binder, (struct sql_place){0});
        } else {
            expr->index = map[expr->index];
        }
        return expr;
    }
    if (expr->argument_count == 0) {
        return expr;
    }
    arguments = sql__alloc_array(binder, expr->argument_count, sizeof(*arguments));
    for (uint32_t i = 0; arguments != NULL && i < expr->argument_count; i++) {
        arguments[i] = sql__move_columns(binder, expr->arguments[i], map);
        if (arguments[i] == NULL) {
            return NULL;
        }
    }
    expr = arguments == NULL ? NULL : expr_rebuild(binder->maker, expr, arguments);
    if (expr == NULL) {
        sql__fail_maker(binder, (struct sql_place){0});
    }
    return expr;
}

void sql__used_columns(const struct expr *expr, bool *used)
{
    if (expr->kind == EXPR_COLUMN) {
        used[expr->index] = true;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        sql__used_columns(expr->arguments[i], used);
    }
}
