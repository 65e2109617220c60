/* Ranks: conditions on the number say which rows are kept; without an upper bound nothing would ever be final. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

static bool constant_int(const struct expr *expr, int64_t *out_value)
{
    if (expr->kind != EXPR_CONSTANT || vec_is_null(&expr->constant, 0)) {
        return false;
    }
    switch (vec_type_layout(expr->type)) {
    case VEC_LAYOUT_INT32:
        *out_value = *(const int32_t *)expr->constant.data;
        return expr->type.kind == VEC_INT;
    case VEC_LAYOUT_INT64:
        *out_value = *(const int64_t *)expr->constant.data;
        return expr->type.kind == VEC_BIGINT;
    default:
        return false;
    }
}

/* `number <= c` and the like: the bounds that are left. False: it is none of these. */
static bool read_bound(const struct expr *expr, uint32_t number, int64_t *first, int64_t *last)
{
    static const char *const names[] = {"=", "<", "<=", ">", ">="};
    static const char *const turned[] = {"=", ">", ">=", "<", "<="};
    const char              *name = NULL;
    int64_t                  value = 0;

    if (expr->argument_count != 2) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(expr_call_name(expr), names[i]) != 0) {
            continue;
        }
        if (expr->arguments[0]->kind == EXPR_COLUMN && expr->arguments[0]->index == number &&
            constant_int(expr->arguments[1], &value)) {
            name = names[i];
        } else if (expr->arguments[1]->kind == EXPR_COLUMN && expr->arguments[1]->index == number &&
                   constant_int(expr->arguments[0], &value)) {
            name = turned[i];
        }
    }
    if (name == NULL || value == INT64_MAX || value == INT64_MIN) {
        return false;
    }
    if (name[0] == '=' || name[0] == '>') {
        *first = MAX(*first, strcmp(name, ">") == 0 ? value + 1 : value);
    }
    if (name[0] == '=' || name[0] == '<') {
        *last = MIN(*last, strcmp(name, "<") == 0 ? value - 1 : value);
    }
    return true;
}

bool sql__bound_rank(struct sql_binder *binder, struct sql_rel *rank, struct sql_exprs *conditions,
                     struct sql_exprs *out_rest)
{
    uint32_t number = rank->node.column_count - 1;
    int64_t  first = (int64_t)rank->node.rank.first;
    int64_t  last = rank->node.rank.last == SQL_RANK_UNBOUNDED ? INT64_MAX : (int64_t)rank->node.rank.last;

    for (uint32_t i = 0; i < conditions->count; i++) {
        struct expr *condition = sql__simplify(binder, conditions->exprs[i]);

        if (condition == NULL ||
            (!read_bound(condition, number, &first, &last) && !sql__add_expr(binder, out_rest, condition))) {
            return false;
        }
    }
    if (last < first) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, sql__node_place(rank),
                        "no row has such a number: numbers begin with 1");
    }
    rank->node.rank.first = (uint64_t)first;
    rank->node.rank.last = last == INT64_MAX ? SQL_RANK_UNBOUNDED : (uint64_t)last;
    return true;
}

static bool finish_rank(struct sql_binder *binder, struct sql_rel *rel)
{
    struct exec_rank     *rank = &rel->node.rank;
    const struct sql_rel *input = sql__input(rel, 0);
    enum sql_time         time = rank->order_count == 1 ? input->times[rank->orders[0].column] : SQL_TIME_NONE;

    if (rank->last == SQL_RANK_UNBOUNDED) {
        return sql__fail_not_yet(binder, sql__node_place(rel), "ROW_NUMBER() without an upper bound",
                                 "say in a query around it which numbers are wanted: WHERE number <= 10");
    }
    rank->is_deduplication = rank->first == 1 && rank->last == 1 && time != SQL_TIME_NONE;
    rank->is_processing_time = rank->is_deduplication && time == SQL_TIME_PROCESSING;
    return true;
}

bool sql__check_ranks(struct sql_binder *binder, struct sql_rel *rel)
{
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        if (!sql__check_ranks(binder, sql__input(rel, i))) {
            return false;
        }
    }
    return rel->node.kind != EXEC_RANK || finish_rank(binder, rel);
}
