/* What a relation's inputs have to give, when these of its own columns are needed. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

static void need_list(const uint32_t *columns, uint32_t count, bool *out)
{
    for (uint32_t i = 0; i < count; i++) {
        out[columns[i]] = true;
    }
}

static void need_aggregates(const struct exec_aggregate *aggregates, uint32_t count, const bool *needed, bool *out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (needed[i] && aggregates[i].argument != EXEC_NO_COLUMN) {
            out[aggregates[i].argument] = true;
        }
        if (needed[i] && aggregates[i].filter != EXEC_NO_COLUMN) {
            out[aggregates[i].filter] = true;
        }
    }
}

static void need_window(const struct exec_window *window, bool *out)
{
    if (window->kind == EXEC_WINDOWED) {
        out[window->start_column] = true;
        out[window->end_column] = true;
    } else if (!window->is_processing_time) {
        out[window->time_column] = true;
    }
}

static void need_calc(const struct sql_rel *rel, const bool *needed, bool *out)
{
    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        if (needed[i]) {
            sql__used_columns(rel->node.calc.exprs[i], out);
        }
    }
    if (rel->node.calc.condition != NULL) {
        sql__used_columns(rel->node.calc.condition, out);
    }
}

/* One aggregate stays where a row would have no column at all. */
static void keep_one_aggregate(const struct sql_rel *rel, bool *needed)
{
    bool any = rel->node.group.key_count > 0 || rel->node.group.aggregate_count == 0;

    for (uint32_t i = 0; i < rel->node.group.aggregate_count; i++) {
        any = any || needed[rel->node.group.key_count + i];
    }
    if (!any) {
        needed[0] = true;
    }
}

static void need_join(struct sql_binder *binder, const struct sql_rel *rel, const bool *needed, bool *left, bool *right)
{
    const struct exec_join *join = &rel->node.join;
    uint32_t                first = sql__input(rel, 0)->node.column_count;
    bool                   *all = sql__alloc_array(binder, MAX(rel->node.column_count, 1U), sizeof(bool));

    if (all == NULL) {
        return;
    }
    memcpy(all, needed, rel->node.column_count * sizeof(*all));
    if (join->condition != NULL) {
        sql__used_columns(join->condition, all);
    }
    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        if (all[i]) {
            (i < first ? left : right)[i < first ? i : i - first] = true;
        }
    }
    need_list(join->left_keys, join->key_count, left);
    need_list(join->right_keys, join->key_count, right);
    if (rel->node.kind == EXEC_INTERVAL_JOIN) {
        left[join->left_time] = true;
        right[join->right_time] = true;
    }
}

static void need_rank(const struct sql_rel *rel, const bool *needed, bool *out)
{
    const struct exec_rank *rank = &rel->node.rank;
    bool                    ordered = !rank->is_processing_time;

    memcpy(out, needed, sql__input(rel, 0)->node.column_count * sizeof(*out));
    need_list(rank->keys, rank->key_count, out);
    for (uint32_t i = 0; i < rank->order_count && ordered; i++) {
        out[rank->orders[i].column] = true;
    }
}

/* sets[i]: the columns of input i; needed may be widened. */
void sql__input_needs(struct sql_binder *binder, struct sql_rel *rel, bool *needed, bool **sets)
{
    uint32_t count = rel->node.input_count == 0 ? 0 : sql__input(rel, 0)->node.column_count;

    switch (rel->node.kind) {
    case EXEC_CALC:
        need_calc(rel, needed, sets[0]);
        break;
    case EXEC_WATERMARK:
        needed[rel->node.watermark.time_column] = true;
        sql__used_columns(rel->node.watermark.expr, needed);
        memcpy(sets[0], needed, count * sizeof(bool));
        break;
    case EXEC_GROUP:
        keep_one_aggregate(rel, needed);
        need_list(rel->node.group.keys, rel->node.group.key_count, sets[0]);
        need_aggregates(rel->node.group.aggregates, rel->node.group.aggregate_count, needed + rel->node.group.key_count,
                        sets[0]);
        break;
    case EXEC_WINDOW_GROUP:
        need_list(rel->node.window_group.keys, rel->node.window_group.key_count, sets[0]);
        need_aggregates(rel->node.window_group.aggregates, rel->node.window_group.aggregate_count,
                        needed + rel->node.window_group.key_count, sets[0]);
        need_window(&rel->node.window_group.window, sets[0]);
        break;
    case EXEC_WINDOW_ASSIGN:
        memcpy(sets[0], needed, count * sizeof(bool));
        need_window(&rel->node.window, sets[0]);
        break;
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
        need_join(binder, rel, needed, sets[0], sets[1]);
        break;
    case EXEC_RANK:
        need_rank(rel, needed, sets[0]);
        break;
    case EXEC_UNNEST:
        memcpy(sets[0], needed, count * sizeof(bool));
        sets[0][rel->node.unnest.column] = true;
        break;
    default: /* SINK, UNION, LIMIT: column by column */
        for (uint32_t i = 0; i < rel->node.input_count; i++) {
            memcpy(sets[i], needed, count * sizeof(bool));
        }
        break;
    }
}
