/* Columns that nobody reads go. First everything that a relation's inputs have to give is found out top down; rows that
 * have a watermark taken from them keep, per table, what any of their users reads, so that equal scans stay equal. Then
 * relations are rebuilt bottom up with the columns that are left. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

/* What each table's WATERMARK has to give, all of its users together. */
struct watermark_need {
    struct watermark_need  *next;
    const struct sql_table *table;
    bool                   *needed;
};

struct pruning {
    struct sql_binder     *binder;
    struct watermark_need *watermarks;
};

static bool *new_set(struct pruning *pruning, uint32_t count)
{
    return sql__alloc_array(pruning->binder, MAX(count, 1U), sizeof(bool));
}

static bool **new_sets(struct pruning *pruning, const struct sql_rel *rel)
{
    bool **sets = sql__alloc_array(pruning->binder, MAX(rel->node.input_count, 1U), sizeof(*sets));

    for (uint32_t i = 0; sets != NULL && i < rel->node.input_count; i++) {
        sets[i] = new_set(pruning, sql__input(rel, i)->node.column_count);
        if (sets[i] == NULL) {
            return NULL;
        }
    }
    return sets;
}

/* --- watermarks --------------------------------------------------------------------------------------------------- */

static struct watermark_need *find_watermark(struct pruning *pruning, const struct sql_rel *rel)
{
    struct watermark_need *need = pruning->watermarks;

    while (need != NULL && need->table != rel->table) {
        need = need->next;
    }
    if (need != NULL) {
        return need;
    }
    need = sql__alloc(pruning->binder, sizeof(*need));
    if (need == NULL) {
        return NULL;
    }
    need->table = rel->table;
    need->needed = new_set(pruning, rel->node.column_count);
    need->next = pruning->watermarks;
    pruning->watermarks = need;
    return need->needed == NULL ? NULL : need;
}

static bool collect(struct pruning *pruning, struct sql_rel *rel, bool *needed)
{
    bool **sets = new_sets(pruning, rel);

    if (sets == NULL) {
        return false;
    }
    sql__input_needs(pruning->binder, rel, needed, sets);
    if (rel->node.kind == EXEC_WATERMARK) {
        struct watermark_need *need = find_watermark(pruning, rel);

        for (uint32_t i = 0; need != NULL && i < rel->node.column_count; i++) {
            need->needed[i] = need->needed[i] || needed[i];
        }
        return need != NULL;
    }
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        if (!collect(pruning, sql__input(rel, i), sets[i])) {
            return false;
        }
    }
    return true;
}

/* --- rebuilding --------------------------------------------------------------------------------------------------- */

/* rel with the columns kept[0 .. count - 1] of its own. */
static bool keep_columns(struct pruning *pruning, struct sql_rel *rel, const uint32_t *kept, uint32_t count)
{
    const struct vec_field *columns = rel->node.columns;
    const enum sql_time    *times = rel->times;

    if (!sql__make_columns(pruning->binder, rel, count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        sql__set_column(rel, i, columns[kept[i]].name, columns[kept[i]].type, times[kept[i]]);
    }
    return true;
}

/* New column numbers; EXEC_NO_COLUMN stays. */
static uint32_t moved(const uint32_t *map, uint32_t column)
{
    return column == EXEC_NO_COLUMN ? column : map[column];
}

static void move_list(const uint32_t *columns, uint32_t count, const uint32_t *map)
{
    for (uint32_t i = 0; i < count; i++) {
        ((uint32_t *)(uintptr_t)columns)[i] = map[columns[i]];
    }
}

static struct expr *move_expr(struct pruning *pruning, const struct expr *expr, const uint32_t *map)
{
    return sql__move_columns(pruning->binder, (struct expr *)(uintptr_t)expr, map);
}

static void move_windows(struct sql_rel *rel, const uint32_t *map)
{
    rel->windows.start = moved(map, rel->windows.start);
    rel->windows.end = moved(map, rel->windows.end);
    rel->windows.time = moved(map, rel->windows.time);
}

static bool prune(struct pruning *pruning, struct sql_rel *rel, bool *needed, uint32_t **out_map);

/* The kept ones of `needed` and where they stand afterwards. */
static uint32_t *choose(struct pruning *pruning, uint32_t column_count, const bool *needed, uint32_t *map,
                        uint32_t *out_count)
{
    uint32_t *kept = sql__alloc_array(pruning->binder, MAX(column_count, 1U), sizeof(*kept));

    *out_count = 0;
    for (uint32_t i = 0; kept != NULL && i < column_count; i++) {
        map[i] = EXEC_NO_COLUMN;
        if (needed[i]) {
            map[i] = *out_count;
            kept[(*out_count)++] = i;
        }
    }
    return kept;
}

static bool prune_calc(struct pruning *pruning, struct sql_rel *rel, const bool *needed, const uint32_t *input_map,
                       uint32_t *map)
{
    uint32_t      count;
    uint32_t     *kept = choose(pruning, rel->node.column_count, needed, map, &count);
    struct expr **exprs = sql__alloc_array(pruning->binder, MAX(count, 1U), sizeof(*exprs));

    if (kept == NULL || exprs == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        exprs[i] = move_expr(pruning, rel->node.calc.exprs[kept[i]], input_map);
        if (exprs[i] == NULL) {
            return false;
        }
    }
    if (rel->node.calc.condition != NULL) {
        rel->node.calc.condition = move_expr(pruning, rel->node.calc.condition, input_map);
        if (rel->node.calc.condition == NULL) {
            return false;
        }
    }
    rel->node.calc.exprs = exprs;
    move_windows(rel, map);
    return keep_columns(pruning, rel, kept, count);
}

static void move_aggregates(const struct exec_aggregate *aggregates, uint32_t count, const uint32_t *map)
{
    struct exec_aggregate *changed = (struct exec_aggregate *)(uintptr_t)aggregates;

    for (uint32_t i = 0; i < count; i++) {
        changed[i].argument = moved(map, changed[i].argument);
        changed[i].filter = moved(map, changed[i].filter);
    }
}

/* Aggregates that nobody needs go; keys and bounds stay. */
static bool prune_group(struct pruning *pruning, struct sql_rel *rel, bool *needed, const uint32_t *input_map,
                        uint32_t *map)
{
    bool            windowed = rel->node.kind == EXEC_WINDOW_GROUP;
    uint32_t        keys = windowed ? rel->node.window_group.key_count : rel->node.group.key_count;
    uint32_t       *count = windowed ? &rel->node.window_group.aggregate_count : &rel->node.group.aggregate_count;
    const uint32_t *key_list = windowed ? rel->node.window_group.keys : rel->node.group.keys;
    struct exec_aggregate *aggregates =
        (struct exec_aggregate *)(uintptr_t)(windowed ? rel->node.window_group.aggregates : rel->node.group.aggregates);
    uint32_t  left = 0;
    uint32_t  kept_count;
    uint32_t *kept;

    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        needed[i] = needed[i] || i < keys || i >= keys + *count;
    }
    kept = choose(pruning, rel->node.column_count, needed, map, &kept_count);
    if (kept == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < *count; i++) {
        if (needed[keys + i]) {
            aggregates[left++] = aggregates[i];
        }
    }
    *count = left;
    move_aggregates(aggregates, left, input_map);
    move_list(key_list, keys, input_map);
    if (windowed) {
        struct exec_window *window = &rel->node.window_group.window;

        if (window->kind == EXEC_WINDOWED) {
            window->start_column = input_map[window->start_column];
            window->end_column = input_map[window->end_column];
        } else if (!window->is_processing_time) {
            window->time_column = input_map[window->time_column];
        }
        move_windows(rel, map);
    }
    return keep_columns(pruning, rel, kept, kept_count);
}

/* Relations whose row is the input's with `extra` columns behind it: those that the input kept. */
static bool follow_input(struct pruning *pruning, struct sql_rel *rel, const uint32_t *input_map, uint32_t old_count,
                         uint32_t extra, uint32_t *map)
{
    uint32_t  new_count = sql__input(rel, 0)->node.column_count;
    uint32_t *kept = sql__alloc_array(pruning->binder, new_count + extra + 1, sizeof(*kept));

    if (kept == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < old_count + extra; i++) {
        map[i] = i < old_count ? input_map[i] : new_count + i - old_count;
        if (map[i] != EXEC_NO_COLUMN) {
            kept[map[i]] = i;
        }
    }
    return keep_columns(pruning, rel, kept, new_count + extra);
}

static bool prune_rank(struct pruning *pruning, struct sql_rel *rel, const bool *needed, const uint32_t *input_map,
                       uint32_t *map)
{
    struct exec_rank *rank = &rel->node.rank;
    uint32_t          old_count = rel->node.column_count - rank->with_number;
    bool              number = rank->with_number && needed[old_count];

    move_list(rank->keys, rank->key_count, input_map);
    for (uint32_t i = 0; i < rank->order_count; i++) {
        ((struct exec_order *)(uintptr_t)rank->orders)[i].column = moved(input_map, rank->orders[i].column);
    }
    if (rank->with_number && !number) {
        map[old_count] = EXEC_NO_COLUMN;
    }
    rank->with_number = number;
    return follow_input(pruning, rel, input_map, old_count, number, map);
}

static bool prune_join(struct pruning *pruning, struct sql_rel *rel, const uint32_t *left, const uint32_t *right,
                       uint32_t left_count, uint32_t *map)
{
    struct exec_join *join = &rel->node.join;
    uint32_t          count = rel->node.column_count;
    uint32_t          first = sql__input(rel, 0)->node.column_count;
    uint32_t          total = first + sql__input(rel, 1)->node.column_count;
    uint32_t         *kept = sql__alloc_array(pruning->binder, MAX(total, 1U), sizeof(*kept));

    if (kept == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i < left_count ? left[i] : right[i - left_count];

        map[i] = at == EXEC_NO_COLUMN ? at : i < left_count ? at : at + first;
        if (map[i] != EXEC_NO_COLUMN) {
            kept[map[i]] = i;
        }
    }
    move_list(join->left_keys, join->key_count, left);
    move_list(join->right_keys, join->key_count, right);
    if (rel->node.kind == EXEC_INTERVAL_JOIN) {
        join->left_time = left[join->left_time];
        join->right_time = right[join->right_time];
    }
    if (rel->node.kind == EXEC_WINDOW_JOIN) {
        join->left_start = left[join->left_start];
        join->left_end = left[join->left_end];
        join->right_start = right[join->right_start];
        join->right_end = right[join->right_end];
        move_windows(rel, map);
    }
    if (join->condition != NULL) {
        join->condition = move_expr(pruning, join->condition, map);
        if (join->condition == NULL) {
            return false;
        }
    }
    return keep_columns(pruning, rel, kept, total);
}

/* An input with exactly the needed columns, in order: what UNION and SINK take. */
static bool exact_input(struct pruning *pruning, struct sql_rel *rel, uint32_t input, const bool *needed,
                        const uint32_t *input_map, uint32_t old_count)
{
    struct sql_rel *below = sql__input(rel, input);
    struct expr   **exprs = sql__alloc_array(pruning->binder, old_count + 1, sizeof(*exprs));
    struct view    *names = sql__alloc_array(pruning->binder, old_count + 1, sizeof(*names));
    uint32_t        count = 0;
    bool            same = true;
    struct sql_rel *calc;

    if (exprs == NULL || names == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < old_count; i++) {
        if (needed[i]) {
            same = same && input_map[i] == count;
            names[count] = below->node.columns[input_map[i]].name;
            exprs[count] = sql__column(pruning->binder, below, input_map[i]);
            if (exprs[count++] == NULL) {
                return false;
            }
        }
    }
    if (same && count == below->node.column_count) {
        return true;
    }
    calc = sql__new_calc(pruning->binder, sql__node_place(below), below, NULL, exprs, names, count);
    if (calc == NULL) {
        return false;
    }
    rel->node.inputs[input] = &calc->node;
    return true;
}

static bool prune_values(struct pruning *pruning, struct sql_rel *rel, const bool *needed, uint32_t *map)
{
    uint32_t      old_count = rel->node.column_count;
    uint32_t      count;
    uint32_t     *kept = choose(pruning, old_count, needed, map, &count);
    size_t        rows = rel->node.values.row_count;
    struct expr **exprs = sql__alloc_array(pruning->binder, rows * MAX(count, 1U), sizeof(*exprs));

    if (kept == NULL || exprs == NULL) {
        return false;
    }
    for (size_t i = 0; i < rows * count; i++) {
        exprs[i] = rel->node.values.exprs[i / count * old_count + kept[i % count]];
    }
    rel->node.values.exprs = exprs;
    return keep_columns(pruning, rel, kept, count);
}

static bool prune_scan(struct pruning *pruning, struct sql_rel *rel, bool *needed, uint32_t *map)
{
    uint32_t  count;
    uint32_t *kept = choose(pruning, rel->node.column_count, needed, map, &count);
    uint32_t *rows = sql__alloc_array(pruning->binder, MAX(count, 1U), sizeof(*rows));

    for (uint32_t i = 0; kept != NULL && rows != NULL && i < count; i++) {
        rows[i] = rel->table_rows[kept[i]];
    }
    if (kept == NULL || rows == NULL) {
        return false;
    }
    rel->table_rows = rows;
    return keep_columns(pruning, rel, kept, count);
}

/* Own references and columns, once the inputs are done. */
static bool rebuild(struct pruning *pruning, struct sql_rel *rel, bool *needed, uint32_t **maps,
                    const uint32_t *old_counts, uint32_t *map)
{
    switch (rel->node.kind) {
    case EXEC_SCAN:
        return prune_scan(pruning, rel, needed, map);
    case EXEC_VALUES:
        return prune_values(pruning, rel, needed, map);
    case EXEC_CALC:
        return prune_calc(pruning, rel, needed, maps[0], map);
    case EXEC_GROUP:
    case EXEC_WINDOW_GROUP:
        return prune_group(pruning, rel, needed, maps[0], map);
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
        return prune_join(pruning, rel, maps[0], maps[1], old_counts[0], map);
    case EXEC_RANK:
        return prune_rank(pruning, rel, needed, maps[0], map);
    case EXEC_WATERMARK:
        rel->node.watermark.time_column = maps[0][rel->node.watermark.time_column];
        rel->node.watermark.expr = move_expr(pruning, rel->node.watermark.expr, maps[0]);
        return rel->node.watermark.expr != NULL && follow_input(pruning, rel, maps[0], old_counts[0], 0, map);
    case EXEC_WINDOW_ASSIGN:
        if (!rel->node.window.is_processing_time) {
            rel->node.window.time_column = maps[0][rel->node.window.time_column];
        }
        if (!follow_input(pruning, rel, maps[0], old_counts[0], 3, map)) {
            return false;
        }
        move_windows(rel, map);
        return true;
    case EXEC_UNNEST:
        rel->node.unnest.column = maps[0][rel->node.unnest.column];
        return follow_input(pruning, rel, maps[0], old_counts[0], rel->node.column_count - old_counts[0], map);
    case EXEC_LIMIT:
        return follow_input(pruning, rel, maps[0], old_counts[0], 0, map);
    default:
        break;
    }
    for (uint32_t i = 0; i < rel->node.input_count; i++) { /* UNION, SINK */
        if (!exact_input(pruning, rel, i, needed, maps[i], old_counts[i])) {
            return false;
        }
    }
    {
        uint32_t  count;
        uint32_t *kept = choose(pruning, rel->node.column_count, needed, map, &count);

        return kept != NULL && keep_columns(pruning, rel, kept, count);
    }
}

static bool prune(struct pruning *pruning, struct sql_rel *rel, bool *needed, uint32_t **out_map)
{
    uint32_t   inputs = rel->node.input_count;
    bool     **sets;
    uint32_t **maps = sql__alloc_array(pruning->binder, MAX(inputs, 1U), sizeof(*maps));
    uint32_t  *old_counts = sql__alloc_array(pruning->binder, MAX(inputs, 1U), sizeof(*old_counts));

    *out_map = sql__alloc_array(pruning->binder, MAX(rel->node.column_count, 1U), sizeof(**out_map));
    if (maps == NULL || old_counts == NULL || *out_map == NULL) {
        return false;
    }
    if (rel->node.kind == EXEC_WATERMARK) {
        needed = find_watermark(pruning, rel)->needed;
    }
    sets = new_sets(pruning, rel);
    if (sets == NULL) {
        return false;
    }
    sql__input_needs(pruning->binder, rel, needed, sets);
    for (uint32_t i = 0; i < inputs; i++) {
        old_counts[i] = sql__input(rel, i)->node.column_count;
        if (!prune(pruning, sql__input(rel, i), sets[i], &maps[i])) {
            return false;
        }
    }
    return pruning->binder->error->kind == SQL_OK && rebuild(pruning, rel, needed, maps, old_counts, *out_map);
}

bool sql__prune(struct sql_binder *binder, struct sql_roots *roots)
{
    struct pruning pruning = {.binder = binder};

    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < roots->count; i++) {
            bool     *all = new_set(&pruning, roots->rels[i]->node.column_count);
            uint32_t *map;

            if (all == NULL) {
                return false;
            }
            memset(all, true, roots->rels[i]->node.column_count * sizeof(*all));
            if (pass == 0 ? !collect(&pruning, roots->rels[i], all) : !prune(&pruning, roots->rels[i], all, &map)) {
                return false;
            }
        }
    }
    return true;
}
