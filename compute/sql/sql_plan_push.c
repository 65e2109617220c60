/* Conditions go down as far as they may: through projections, into the sides of joins, into ranks; then neighbouring
 * CALCs become one. A filter never passes a WATERMARK: what it drops still moves time. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

#define CALC_SIZE_MAX 20000 /* nodes of a CALC's expressions: merging stops there */

/* --- merging ------------------------------------------------------------------------------------------------------ */

/* Nodes that expr will have when columns become expressions of the given sizes. */
static uint64_t replaced_size(const struct expr *expr, const uint32_t *sizes)
{
    uint64_t size = 1;

    if (expr->kind == EXPR_COLUMN) {
        return sizes[expr->index];
    }
    for (uint32_t i = 0; i < expr->argument_count && size < CALC_SIZE_MAX; i++) {
        size += replaced_size(expr->arguments[i], sizes);
    }
    return size;
}

static bool is_small(struct sql_binder *binder, const struct sql_rel *outer, const struct sql_rel *inner,
                     bool *out_small)
{
    uint32_t *sizes = sql__alloc_array(binder, MAX(inner->node.column_count, 1U), sizeof(*sizes));
    uint64_t  total = 0;

    if (sizes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < inner->node.column_count; i++) {
        sizes[i] = sql__expr_size(inner->node.calc.exprs[i], CALC_SIZE_MAX);
    }
    for (uint32_t i = 0; i < outer->node.column_count && total < CALC_SIZE_MAX; i++) {
        total += replaced_size(outer->node.calc.exprs[i], sizes);
    }
    if (outer->node.calc.condition != NULL) {
        total += replaced_size(outer->node.calc.condition, sizes);
    }
    *out_small = total < CALC_SIZE_MAX;
    return true;
}

struct sql_rel *sql__merge_calc(struct sql_binder *binder, struct sql_rel *outer)
{
    struct sql_rel  *inner = sql__input(outer, 0);
    struct sql_exprs conditions = {0};
    struct expr     *condition = NULL;
    bool             small = false;

    if (inner->node.kind != EXEC_CALC) {
        return outer;
    }
    if (!is_small(binder, outer, inner, &small)) {
        return NULL;
    }
    if (!small) {
        return outer;
    }
    if (outer->node.calc.condition != NULL) {
        condition =
            sql__replace_columns(binder, (struct expr *)(uintptr_t)outer->node.calc.condition, inner->node.calc.exprs);
        if (condition == NULL) {
            return NULL;
        }
    }
    if (!sql__conjuncts(binder, inner->node.calc.condition, &conditions) || /* the inner one first: it guards */
        !sql__conjuncts(binder, condition, &conditions) || !sql__all_of(binder, &conditions, &condition)) {
        return NULL;
    }
    for (uint32_t i = 0; i < outer->node.column_count; i++) {
        struct expr **expr = (struct expr **)(uintptr_t)&outer->node.calc.exprs[i];

        *expr = sql__replace_columns(binder, *expr, inner->node.calc.exprs);
        if (*expr == NULL) {
            return NULL;
        }
    }
    outer->node.calc.condition = condition;
    outer->node.inputs[0] = inner->node.inputs[0];
    return outer;
}

/* --- pushing ------------------------------------------------------------------------------------------------------ */

static struct sql_rel *push(struct sql_binder *binder, struct sql_rel *rel, struct sql_exprs *conditions);

static bool push_input(struct sql_binder *binder, struct sql_rel *rel, uint32_t input, struct sql_exprs *conditions)
{
    struct sql_rel *pushed = push(binder, sql__input(rel, input), conditions);

    if (pushed == NULL) {
        return false;
    }
    rel->node.inputs[input] = &pushed->node;
    return true;
}

/* rel with what could not go further as a filter above it. */
static struct sql_rel *keep_above(struct sql_binder *binder, struct sql_rel *rel, const struct sql_exprs *conditions)
{
    struct expr *condition;

    if (rel == NULL || !sql__all_of(binder, conditions, &condition)) {
        return NULL;
    }
    return condition == NULL ? rel : sql__new_filter(binder, sql__node_place(rel), rel, condition);
}

/* A projection of one row of VALUES is one row of VALUES. */
static struct sql_rel *over_one_row(struct sql_binder *binder, struct sql_rel *rel)
{
    const struct sql_rel *input = sql__input(rel, 0);
    struct expr         **exprs = (struct expr **)(uintptr_t)rel->node.calc.exprs;

    if (input->node.kind != EXEC_VALUES || input->node.values.row_count != 1 || rel->node.calc.condition != NULL) {
        return rel;
    }
    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        exprs[i] = sql__replace_columns(binder, exprs[i], input->node.values.exprs);
        exprs[i] = exprs[i] == NULL ? NULL : sql__simplify(binder, exprs[i]);
        if (exprs[i] == NULL) {
            return NULL;
        }
    }
    rel->node.kind = EXEC_VALUES;
    rel->node.input_count = 0;
    rel->node.values = (struct exec_values){.row_count = 1, .exprs = exprs};
    return rel;
}

static struct sql_rel *simplify_values(struct sql_binder *binder, struct sql_rel *rel,
                                       const struct sql_exprs *conditions)
{
    size_t count = (size_t)rel->node.values.row_count * rel->node.column_count;

    for (size_t i = 0; i < count; i++) {
        struct expr **expr = (struct expr **)(uintptr_t)&rel->node.values.exprs[i];

        *expr = sql__simplify(binder, *expr);
        if (*expr == NULL) {
            return NULL;
        }
    }
    return keep_above(binder, rel, conditions);
}

static struct sql_rel *push_calc(struct sql_binder *binder, struct sql_rel *rel, const struct sql_exprs *conditions)
{
    struct sql_exprs down = {0};
    struct sql_exprs kept = {0};
    uint32_t         column_count = rel->node.column_count;
    uint32_t        *sizes = sql__alloc_array(binder, MAX(column_count, 1U), sizeof(*sizes));

    if (sizes == NULL || !sql__conjuncts(binder, rel->node.calc.condition, &down)) {
        return NULL;
    }
    for (uint32_t i = 0; i < column_count; i++) {
        sizes[i] = sql__expr_size(rel->node.calc.exprs[i], CALC_SIZE_MAX);
    }
    rel->node.calc.condition = NULL;
    for (uint32_t i = 0; i < conditions->count; i++) {
        struct expr *below = NULL;

        if (replaced_size(conditions->exprs[i], sizes) < CALC_SIZE_MAX / 4) {
            below = sql__replace_columns(binder, conditions->exprs[i], rel->node.calc.exprs);
            if (below == NULL) {
                return NULL;
            }
        }
        if (!(below != NULL ? sql__add_expr(binder, &down, below)
                            : sql__add_expr(binder, &kept, conditions->exprs[i]))) {
            return NULL;
        }
    }
    if (!push_input(binder, rel, 0, &down)) {
        return NULL;
    }
    rel = sql__merge_calc(binder, rel);
    if (rel == NULL || !sql__simplify_calc(binder, rel)) {
        return NULL;
    }
    return keep_above(binder, over_one_row(binder, rel), &kept);
}

/* Which sides of a join expr looks at: 1 the left, 2 the right. */
static uint32_t sides_of(const struct expr *expr, uint32_t first_right)
{
    uint32_t sides = 0;

    if (expr->kind == EXPR_COLUMN) {
        return expr->index < first_right ? 1 : 2;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        sides |= sides_of(expr->arguments[i], first_right);
    }
    return sides;
}

static struct sql_rel *push_join(struct sql_binder *binder, struct sql_rel *rel, const struct sql_exprs *conditions)
{
    struct sql_exprs sides[3] = {{0}, {0}, {0}}; /* left, right, the join's own */
    struct sql_exprs all = {0};
    uint32_t         first = sql__input(rel, 0)->node.column_count;
    uint32_t         count = rel->node.column_count;
    struct expr    **shift = sql__alloc_array(binder, MAX(count, 1U), sizeof(*shift));
    struct expr     *condition;

    if (shift == NULL || !sql__conjuncts(binder, rel->node.join.condition, &all)) {
        return NULL;
    }
    for (uint32_t i = first; i < count; i++) {
        shift[i] = sql__column(binder, sql__input(rel, 1), i - first);
        if (shift[i] == NULL) {
            return NULL;
        }
    }
    for (uint32_t i = 0; i < conditions->count; i++) {
        if (!sql__conjuncts(binder, conditions->exprs[i], &all)) {
            return NULL;
        }
    }
    for (uint32_t i = 0; i < all.count; i++) {
        uint32_t     used = sides_of(all.exprs[i], first);
        struct expr *part = all.exprs[i];

        if (used == 2) {
            part = sql__replace_columns(binder, part, shift);
        }
        if (part == NULL || !sql__add_expr(binder, &sides[used == 1 || used == 2 ? used - 1 : 2], part)) {
            return NULL;
        }
    }
    if (!sql__all_of(binder, &sides[2], &condition) || !push_input(binder, rel, 0, &sides[0]) ||
        !push_input(binder, rel, 1, &sides[1])) {
        return NULL;
    }
    rel->node.join.condition = condition == NULL ? NULL : sql__simplify(binder, condition);
    return condition != NULL && rel->node.join.condition == NULL ? NULL : rel;
}

static struct sql_rel *push_union(struct sql_binder *binder, struct sql_rel *rel, struct sql_exprs *conditions)
{
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        struct sql_exprs copy = {0};

        for (uint32_t k = 0; k < conditions->count; k++) {
            if (!sql__add_expr(binder, &copy, conditions->exprs[k])) {
                return NULL;
            }
        }
        if (!push_input(binder, rel, i, &copy)) {
            return NULL;
        }
    }
    return rel;
}

/* Where one number is wanted, it is a constant, and the rank need not put it out. */
static struct sql_rel *constant_number(struct sql_binder *binder, struct sql_rel *rel)
{
    uint32_t        number = rel->node.column_count - 1;
    struct sql_rel *calc;
    struct expr    *constant;

    if (rel->node.rank.first != rel->node.rank.last) {
        return rel;
    }
    calc = sql__new_filter(binder, sql__node_place(rel), rel, NULL);
    constant = expr_int(binder->maker, VEC_BIGINT, (int64_t)rel->node.rank.first);
    if (calc != NULL && constant != NULL) {
        ((struct expr **)(uintptr_t)calc->node.calc.exprs)[number] = constant;
    }
    return constant == NULL ? NULL : calc;
}

static struct sql_rel *push_rank(struct sql_binder *binder, struct sql_rel *rel, struct sql_exprs *conditions)
{
    struct sql_exprs none = {0};
    struct sql_exprs rest = {0};

    if (!sql__bound_rank(binder, rel, conditions, &rest) || !push_input(binder, rel, 0, &none)) {
        return NULL;
    }
    return keep_above(binder, constant_number(binder, rel), &rest);
}

static struct sql_rel *push(struct sql_binder *binder, struct sql_rel *rel, struct sql_exprs *conditions)
{
    struct sql_exprs none = {0};

    switch (rel->node.kind) {
    case EXEC_CALC:
        return push_calc(binder, rel, conditions);
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
        return push_join(binder, rel, conditions);
    case EXEC_UNION:
        return push_union(binder, rel, conditions);
    case EXEC_RANK:
        return push_rank(binder, rel, conditions);
    case EXEC_VALUES:
        return simplify_values(binder, rel, conditions);
    default:
        for (uint32_t i = 0; i < rel->node.input_count; i++) {
            none = (struct sql_exprs){0};
            if (!push_input(binder, rel, i, &none)) {
                return NULL;
            }
        }
        return keep_above(binder, rel, conditions);
    }
}

bool sql__push_roots(struct sql_binder *binder, struct sql_roots *roots)
{
    for (uint32_t i = 0; i < roots->count; i++) {
        struct sql_exprs none = {0};

        roots->rels[i] = push(binder, roots->rels[i], &none);
        if (roots->rels[i] == NULL) {
            return false;
        }
    }
    return true;
}
