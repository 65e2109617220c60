/* ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..) as a column: a rank whose last row the query around it sets. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

static int find_number(struct sql_binder *binder, const struct sql_outputs *outputs)
{
    int found = -1;

    for (uint32_t i = 0; i < outputs->count; i++) {
        const struct sql_expr *ast = outputs->outputs[i].ast;

        if (ast == NULL || ast->kind != SQL_CALL || ast->over == NULL) {
            continue;
        }
        if (found >= 0) {
            sql__fail_not_yet(binder, ast->place, "several OVER windows in one SELECT", "use one");
            return -1;
        }
        if (ast->argument_count > 0 || ast->star || ast->distinct || ast->filter != NULL) {
            sql_fail(binder->error, SQL_ERROR_SYNTAX, ast->place, "ROW_NUMBER() takes no argument");
            return -1;
        }
        found = (int)i;
    }
    return found;
}

/* The rank's input: the row of FROM, with computed keys behind it. */
struct ranked {
    uint32_t      count;
    struct expr **exprs;
    struct view  *names;
};

static bool put(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *ast,
                struct ranked *ranked, uint32_t *out_column)
{
    struct expr *expr = sql__bind_expr(binder, scope, ast);

    if (expr == NULL) {
        return false;
    }
    if (expr->type.kind == VEC_ROW || expr->type.kind == VEC_ARRAY) {
        return sql__fail_not_yet(binder, ast->place, "rows and arrays in PARTITION BY and ORDER BY", "");
    }
    if (expr->kind == EXPR_COLUMN) {
        *out_column = expr->index;
        return true;
    }
    ranked->exprs[ranked->count] = expr;
    ranked->names[ranked->count] = sql__text(binder, "$f%" PRIu32, ranked->count);
    *out_column = ranked->count++;
    return true;
}

static bool read_over(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_over *over,
                      struct ranked *ranked, struct exec_rank *rank)
{
    uint32_t          *keys;
    struct exec_order *orders;
    uint32_t           key_count = 0;
    uint32_t           order_count = 0;

    for (const struct sql_expr *key = over->partition; key != NULL; key = key->next) {
        key_count++;
    }
    for (const struct sql_order *order = over->order; order != NULL; order = order->next) {
        order_count++;
    }
    if (order_count == 0) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, over->place, "ROW_NUMBER() wants ORDER BY in its OVER (..)");
    }
    ranked->exprs = sql__alloc_array(binder, scope->column_count + key_count + order_count, sizeof(*ranked->exprs));
    ranked->names = sql__alloc_array(binder, scope->column_count + key_count + order_count, sizeof(*ranked->names));
    keys = sql__alloc_array(binder, key_count, sizeof(*keys));
    orders = sql__alloc_array(binder, order_count, sizeof(*orders));
    if (ranked->exprs == NULL || ranked->names == NULL || keys == NULL || orders == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < scope->column_count; i++) {
        ranked->exprs[i] = expr_column(binder->maker, i, scope->columns[i].type);
        ranked->names[i] = scope->columns[i].name;
        if (ranked->exprs[i] == NULL) {
            return sql__fail_maker(binder, over->place);
        }
    }
    ranked->count = scope->column_count;
    for (const struct sql_expr *key = over->partition; key != NULL; key = key->next) {
        if (!put(binder, scope, key, ranked, &keys[rank->key_count++])) {
            return false;
        }
    }
    for (const struct sql_order *order = over->order; order != NULL; order = order->next) {
        struct exec_order *made = &orders[rank->order_count++];

        made->descending = order->descending;
        made->nulls_last = order->nulls_given ? !order->nulls_first : order->descending; /* nulls are low */
        if (!put(binder, scope, order->expr, ranked, &made->column)) {
            return false;
        }
    }
    rank->keys = keys;
    rank->orders = orders;
    return true;
}

static bool over_windows(const struct exec_rank *rank, const struct sql_rel *input)
{
    bool start = false;
    bool end = false;

    for (uint32_t i = 0; i < rank->key_count; i++) {
        start = start || rank->keys[i] == input->windows.start;
        end = end || rank->keys[i] == input->windows.end;
    }
    return start && end;
}

static struct sql_rel *new_rank(struct sql_binder *binder, const struct sql_expr *call, struct sql_rel *input,
                                const struct exec_rank *rank)
{
    struct sql_rel *rel = sql__new_rel(binder, EXEC_RANK, call->place, 1);
    struct vec_type number = vec_type_of(VEC_BIGINT);
    uint32_t        count = input->node.column_count;

    if (rel == NULL || !sql__make_columns(binder, rel, count + 1)) {
        return NULL;
    }
    number.nullable = false;
    rel->node.inputs[0] = &input->node;
    for (uint32_t i = 0; i < count; i++) {
        sql__set_column(rel, i, input->node.columns[i].name, input->node.columns[i].type, input->times[i]);
    }
    sql__set_column(rel, count, view_text("$row_number"), number, SQL_TIME_NONE);
    rel->node.rank = *rank;
    rel->node.rank.first = 1;
    rel->node.rank.last = SQL_RANK_UNBOUNDED;
    rel->node.rank.with_number = true;
    return rel;
}

struct sql_rel *sql__bind_ranked_select(struct sql_binder *binder, const struct sql_select *select,
                                        const struct sql_from *from, struct sql_outputs *outputs)
{
    struct sql_scope       scope = sql__from_scope(from);
    int                    number = find_number(binder, outputs);
    struct exec_rank       rank = {0};
    struct ranked          ranked = {0};
    const struct sql_expr *call;
    struct sql_rel        *rel;

    if (number < 0) {
        return NULL;
    }
    call = outputs->outputs[number].ast;
    if (!read_over(binder, &scope, call->over, &ranked, &rank)) {
        return NULL;
    }
    rel = sql__new_calc(binder, select->place, from->rel, NULL, ranked.exprs, ranked.names, ranked.count);
    if (rel == NULL) {
        return NULL;
    }
    if (over_windows(&rank, rel)) {
        sql__fail_not_yet(binder, call->place, "Top-N per window",
                          "leave window_start and window_end out of "
                          "PARTITION BY");
        return NULL;
    }
    rel = new_rank(binder, call, rel, &rank);
    for (uint32_t i = 0; rel != NULL && i < outputs->count; i++) {
        struct sql_output *output = &outputs->outputs[i];

        if ((int)i == number) {
            output->expr = sql__column(binder, rel, rel->node.column_count - 1);
        } else {
            output->expr = output->ast == NULL ? sql__column(binder, rel, output->column)
                                               : sql__bind_expr(binder, &scope, output->ast);
        }
        if (output->expr == NULL) {
            return NULL;
        }
    }
    return rel == NULL ? NULL : sql__project(binder, select->place, rel, NULL, outputs);
}
