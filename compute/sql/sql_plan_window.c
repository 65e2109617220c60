/* Aggregations over assigned windows: where window_start and window_end are only grouped by, rows need not be put into
 * their windows one by one; the aggregation does that itself (and drops what is late). */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

struct fusion {
    struct sql_rel           *group, *calc, *assign;
    struct exec_window_group *node;
    uint32_t                  columns; /* of the assignment's input */
};

static bool uses_window(const struct expr *expr, uint32_t columns)
{
    if (expr->kind == EXPR_COLUMN) {
        return expr->index >= columns;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (uses_window(expr->arguments[i], columns)) {
            return true;
        }
    }
    return false;
}

static bool is_bound(const struct fusion *fusion, uint32_t column)
{
    return column == fusion->node->window.start_column || column == fusion->node->window.end_column;
}

/* The columns that the aggregation reads besides the bounds. */
static void mark_used(const struct exec_window_group *group, bool *used)
{
    for (uint32_t i = 0; i < group->key_count; i++) {
        used[group->keys[i]] = true;
    }
    for (uint32_t i = 0; i < group->aggregate_count; i++) {
        if (group->aggregates[i].argument != EXEC_NO_COLUMN) {
            used[group->aggregates[i].argument] = true;
        }
        if (group->aggregates[i].filter != EXEC_NO_COLUMN) {
            used[group->aggregates[i].filter] = true;
        }
    }
}

static bool can_fuse(const struct fusion *fusion, const bool *used)
{
    const struct expr *condition = fusion->calc->node.calc.condition;

    if (condition != NULL && uses_window(condition, fusion->columns)) {
        return false;
    }
    for (uint32_t i = 0; i < fusion->calc->node.column_count; i++) {
        if ((used[i] || !is_bound(fusion, i)) && uses_window(fusion->calc->node.calc.exprs[i], fusion->columns)) {
            return false;
        }
    }
    return true;
}

/* A session is one per PARTITION BY, so its aggregation has the same keys. */
static bool same_keys(const struct fusion *fusion)
{
    uint32_t matched = 0;

    for (uint32_t i = 0; i < fusion->node->key_count; i++) {
        const struct expr *key = fusion->calc->node.calc.exprs[fusion->node->keys[i]];

        for (uint32_t k = 0; k < fusion->assign->session_count; k++) {
            matched += key->kind == EXPR_COLUMN && key->index == fusion->assign->session_columns[k];
        }
    }
    return matched == fusion->assign->session_count && matched == fusion->node->key_count;
}

static void renumber(struct exec_window_group *group, const uint32_t *places)
{
    uint32_t              *keys = (uint32_t *)(uintptr_t)group->keys;
    struct exec_aggregate *aggregates = (struct exec_aggregate *)(uintptr_t)group->aggregates;

    for (uint32_t i = 0; i < group->key_count; i++) {
        keys[i] = places[keys[i]];
    }
    for (uint32_t i = 0; i < group->aggregate_count; i++) {
        if (aggregates[i].argument != EXEC_NO_COLUMN) {
            aggregates[i].argument = places[aggregates[i].argument];
        }
        if (aggregates[i].filter != EXEC_NO_COLUMN) {
            aggregates[i].filter = places[aggregates[i].filter];
        }
    }
}

static bool fuse(struct sql_binder *binder, struct fusion *fusion, const bool *used)
{
    struct sql_rel *input = sql__input(fusion->assign, 0);
    uint32_t        count = fusion->calc->node.column_count;
    struct expr   **exprs = sql__alloc_array(binder, count + 1, sizeof(*exprs));
    struct view    *names = sql__alloc_array(binder, count + 1, sizeof(*names));
    uint32_t       *places = sql__alloc_array(binder, count, sizeof(*places));
    struct sql_rel *calc;
    uint32_t        kept = 0;

    if (exprs == NULL || names == NULL || places == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (used[i] || !is_bound(fusion, i)) {
            exprs[kept] = fusion->calc->node.calc.exprs[i];
            names[kept] = fusion->calc->node.columns[i].name;
            places[i] = kept++;
        }
    }
    renumber(fusion->node, places);
    fusion->node->window = fusion->assign->node.window;
    if (!fusion->node->window.is_processing_time) {
        exprs[kept] = sql__column(binder, input, fusion->node->window.time_column);
        names[kept] = input->node.columns[fusion->node->window.time_column].name;
        fusion->node->window.time_column = kept++;
    } else {
        fusion->node->window.time_column = EXEC_NO_COLUMN;
    }
    calc = sql__new_calc(binder, sql__node_place(fusion->calc), input,
                         (struct expr *)(uintptr_t)fusion->calc->node.calc.condition, exprs, names, kept);
    if (calc == NULL) {
        return false;
    }
    fusion->group->node.inputs[0] = &calc->node;
    calc = sql__merge_calc(binder, calc);
    return calc != NULL && sql__simplify_calc(binder, calc);
}

static bool try_fuse(struct sql_binder *binder, struct sql_rel *rel)
{
    struct fusion fusion = {.group = rel, .node = &rel->node.window_group};
    bool         *used;

    fusion.calc = sql__input(rel, 0);
    if (fusion.node->window.kind != EXEC_WINDOWED || fusion.calc->node.kind != EXEC_CALC ||
        sql__input(fusion.calc, 0)->node.kind != EXEC_WINDOW_ASSIGN) {
        return true;
    }
    fusion.assign = sql__input(fusion.calc, 0);
    fusion.columns = sql__input(fusion.assign, 0)->node.column_count;
    used = sql__alloc_array(binder, fusion.calc->node.column_count, sizeof(*used));
    if (used == NULL) {
        return false;
    }
    mark_used(fusion.node, used);
    if (!can_fuse(&fusion, used)) {
        return true;
    }
    if (fusion.assign->node.window.kind == EXEC_SESSION && !same_keys(&fusion)) {
        return sql__fail_not_yet(binder, sql__node_place(rel),
                                 "session windows grouped by other keys than those of PARTITION BY",
                                 "GROUP BY the same keys, window_start and window_end");
    }
    return fuse(binder, &fusion, used);
}

static bool fuse_all(struct sql_binder *binder, struct sql_rel *rel)
{
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        if (!fuse_all(binder, sql__input(rel, i))) {
            return false;
        }
    }
    return rel->node.kind != EXEC_WINDOW_GROUP || try_fuse(binder, rel);
}

/* A session cannot be assigned to a row before its last row is there. */
static bool check_sessions(struct sql_binder *binder, const struct sql_rel *rel)
{
    if (rel->node.kind == EXEC_WINDOW_ASSIGN && rel->node.window.kind == EXEC_SESSION) {
        return sql__fail_not_yet(binder, sql__node_place(rel), "session windows without aggregation",
                                 "GROUP BY its keys, window_start and window_end");
    }
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        if (!check_sessions(binder, sql__input(rel, i))) {
            return false;
        }
    }
    return true;
}

bool sql__fuse_windows(struct sql_binder *binder, struct sql_rel *rel)
{
    return fuse_all(binder, rel) && check_sessions(binder, rel);
}
