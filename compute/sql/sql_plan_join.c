/* Joins: equalities become keys; window bounds among them make a window join, bounded times an interval join. What is
 * neither is a regular join, whose rows have no time attributes any more. Inputs first, since a join decides which of
 * its columns still follow time. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

/* --- keys --------------------------------------------------------------------------------------------------------- */

struct sides {
    struct sql_rel  *rel, *left, *right;
    uint32_t         first; /* column of the right */
    struct sql_exprs conjuncts;
    struct sql_exprs left_keys, right_keys; /* over their inputs */
    struct sql_exprs rest;
};

static uint32_t side_of(const struct expr *expr, uint32_t first)
{
    uint32_t sides = 0;

    if (expr->kind == EXPR_COLUMN) {
        return expr->index < first ? 1 : 2;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        sides |= side_of(expr->arguments[i], first);
    }
    return sides;
}

static struct expr *to_right(struct sql_binder *binder, const struct sides *sides, struct expr *expr)
{
    uint32_t      count = sides->rel->node.column_count;
    struct expr **map = sql__alloc_array(binder, MAX(count, 1U), sizeof(*map));

    for (uint32_t i = sides->first; map != NULL && i < count; i++) {
        map[i] = sql__column(binder, sides->right, i - sides->first);
        if (map[i] == NULL) {
            return NULL;
        }
    }
    return map == NULL ? NULL : sql__replace_columns(binder, expr, map);
}

static bool split(struct sql_binder *binder, struct sides *sides)
{
    for (uint32_t i = 0; i < sides->conjuncts.count; i++) {
        struct expr *part = sides->conjuncts.exprs[i];
        struct expr *left;
        struct expr *right;

        if (strcmp(expr_call_name(part), "=") != 0 || part->argument_count != 2 || expr_is_volatile(part) ||
            (side_of(part->arguments[0], sides->first) | side_of(part->arguments[1], sides->first)) != 3 ||
            side_of(part->arguments[0], sides->first) == 3 || side_of(part->arguments[1], sides->first) == 3 ||
            !vec_type_equal(part->arguments[0]->type, part->arguments[1]->type)) {
            if (!sql__add_expr(binder, &sides->rest, part)) {
                return false;
            }
            continue;
        }
        left = part->arguments[side_of(part->arguments[0], sides->first) == 1 ? 0 : 1];
        right = to_right(binder, sides, part->arguments[left == part->arguments[0] ? 1 : 0]);
        if (right == NULL || !sql__add_expr(binder, &sides->left_keys, left) ||
            !sql__add_expr(binder, &sides->right_keys, right)) {
            return false;
        }
    }
    return true;
}

static bool all_columns(const struct sql_exprs *keys)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        if (keys->exprs[i]->kind != EXPR_COLUMN) {
            return false;
        }
    }
    return true;
}

/* input with computed keys as further columns; keys become plain columns. */
static struct sql_rel *with_keys(struct sql_binder *binder, struct sql_rel *input, struct sql_exprs *keys)
{
    uint32_t        count = input->node.column_count;
    struct expr   **exprs = sql__alloc_array(binder, count + keys->count, sizeof(*exprs));
    struct view    *names = sql__alloc_array(binder, count + keys->count, sizeof(*names));
    struct sql_rel *calc;

    if (exprs == NULL || names == NULL) {
        return NULL;
    }
    if (all_columns(keys)) {
        return input;
    }
    for (uint32_t i = 0; i < count; i++) {
        exprs[i] = sql__column(binder, input, i);
        names[i] = input->node.columns[i].name;
    }
    for (uint32_t i = 0; i < keys->count; i++) {
        if (keys->exprs[i]->kind != EXPR_COLUMN) {
            exprs[count] = keys->exprs[i];
            names[count] = sql__text(binder, "$key%" PRIu32, i);
            keys->exprs[i] = expr_column(binder->maker, count, keys->exprs[i]->type);
            count++;
        }
    }
    calc = sql__new_calc(binder, sql__node_place(input), input, NULL, exprs, names, count);
    return calc == NULL ? NULL : sql__merge_calc(binder, calc);
}

/* The join with the columns that it had, above one that has computed keys, too. */
static struct sql_rel *restore(struct sql_binder *binder, struct sides *sides, struct sql_rel *left,
                               struct sql_rel *right)
{
    struct sql_rel *rel = sql__new_join(binder, sql__node_place(sides->rel), left, right);
    uint32_t        count = sides->rel->node.column_count;
    uint32_t        left_count = left->node.column_count;
    struct expr   **exprs = sql__alloc_array(binder, MAX(count, 1U), sizeof(*exprs));
    struct view    *names = sql__alloc_array(binder, MAX(count, 1U), sizeof(*names));

    if (rel == NULL || exprs == NULL || names == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        exprs[i] = sql__column(binder, rel, i < sides->first ? i : i - sides->first + left_count);
        names[i] = sides->rel->node.columns[i].name;
        if (exprs[i] == NULL) {
            return NULL;
        }
    }
    for (uint32_t i = 0; i < sides->rest.count; i++) {
        sides->rest.exprs[i] = sql__replace_columns(binder, sides->rest.exprs[i], exprs);
        if (sides->rest.exprs[i] == NULL) {
            return NULL;
        }
    }
    sides->rel = rel;
    sides->left = left;
    sides->right = right;
    sides->first = left_count;
    return sql__new_calc(binder, sql__node_place(rel), rel, NULL, exprs, names, count);
}

static bool set_keys(struct sql_binder *binder, const struct sides *sides, struct exec_join *join)
{
    uint32_t    *left = sql__alloc_array(binder, sides->left_keys.count, sizeof(*left));
    uint32_t    *right = sql__alloc_array(binder, sides->left_keys.count, sizeof(*right));
    struct expr *condition;

    if (left == NULL || right == NULL || !sql__all_of(binder, &sides->rest, &condition)) {
        return false;
    }
    for (uint32_t i = 0; i < sides->left_keys.count; i++) {
        left[i] = sides->left_keys.exprs[i]->index;
        right[i] = sides->right_keys.exprs[i]->index;
    }
    join->key_count = sides->left_keys.count;
    join->left_keys = left;
    join->right_keys = right;
    join->condition = condition;
    return true;
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

static bool same_windows(const struct exec_window *a, const struct exec_window *b)
{
    return a->kind == b->kind && a->is_processing_time == b->is_processing_time && a->size_ms == b->size_ms &&
           a->slide_ms == b->slide_ms && a->offset_ms == b->offset_ms && a->kind != EXEC_WINDOWED;
}

static bool is_window_join(const struct sides *sides, const struct exec_join *join)
{
    const struct sql_window_columns *left = &sides->left->windows;
    const struct sql_window_columns *right = &sides->right->windows;
    bool                             start = false;
    bool                             end = false;

    for (uint32_t i = 0; i < join->key_count; i++) {
        start = start || (join->left_keys[i] == left->start && join->right_keys[i] == right->start);
        end = end || (join->left_keys[i] == left->end && join->right_keys[i] == right->end);
    }
    return start && end && same_windows(&left->window, &right->window);
}

/* --- intervals of time -------------------------------------------------------------------------------------------- */

/* A time attribute plus a constant: `ts`, `ts - INTERVAL '5' SECOND`. */
struct moment {
    uint32_t column;
    int64_t  plus_ms;
};

static bool constant_ms(const struct expr *expr, int64_t *out_ms)
{
    if (expr->kind != EXPR_CONSTANT || expr->type.kind != VEC_INTERVAL_DAY || vec_is_null(&expr->constant, 0)) {
        return false;
    }
    *out_ms = *(const int64_t *)expr->constant.data;
    return *out_ms > -(INT64_MAX >> 8) && *out_ms < INT64_MAX >> 8;
}

static bool read_moment(const struct sides *sides, const struct expr *expr, struct moment *out)
{
    const char *name = expr_call_name(expr);
    int64_t     ms;

    if (expr->kind == EXPR_COLUMN) {
        const struct sql_rel *side = expr->index < sides->first ? sides->left : sides->right;
        uint32_t              at = expr->index < sides->first ? expr->index : expr->index - sides->first;

        *out = (struct moment){.column = expr->index};
        return side->times[at] != SQL_TIME_NONE;
    }
    if (expr->argument_count != 2 || (strcmp(name, "+") != 0 && strcmp(name, "-") != 0)) {
        return false;
    }
    if (constant_ms(expr->arguments[1], &ms) && read_moment(sides, expr->arguments[0], out)) {
        out->plus_ms += name[0] == '+' ? ms : -ms;
        return true;
    }
    if (name[0] == '+' && constant_ms(expr->arguments[0], &ms) && read_moment(sides, expr->arguments[1], out)) {
        out->plus_ms += ms;
        return true;
    }
    return false;
}

struct interval {
    bool     found;
    uint32_t left_time, right_time;
    int64_t  lower_ms, upper_ms;
    bool     has_lower, has_upper;
};

/* a <= b, or a < b where strict, with one of them from each side: a bound of right - left. */
static void add_bound(const struct sides *sides, struct moment a, struct moment b, bool strict,
                      struct interval *interval)
{
    bool     left_first = a.column < sides->first;
    uint32_t left = left_first ? a.column : b.column;
    uint32_t right = (left_first ? b.column : a.column) - sides->first;
    int64_t  distance = left_first ? a.plus_ms - b.plus_ms : b.plus_ms - a.plus_ms;

    if (interval->found && (interval->left_time != left || interval->right_time != right)) {
        return;
    }
    interval->found = true;
    interval->left_time = left;
    interval->right_time = right;
    if (left_first) { /* left + a <= right + b */
        distance += strict;
        interval->lower_ms = interval->has_lower ? MAX(interval->lower_ms, distance) : distance;
        interval->has_lower = true;
    } else { /* right + a <= left + b */
        distance -= strict;
        interval->upper_ms = interval->has_upper ? MIN(interval->upper_ms, distance) : distance;
        interval->has_upper = true;
    }
}

static void read_interval(const struct sides *sides, const struct expr *expr, struct interval *interval)
{
    const char   *name = expr_call_name(expr);
    struct moment a;
    struct moment b;

    if (expr->argument_count != 2 || (name[0] != '<' && name[0] != '>' && name[0] != '=') || strcmp(name, "<>") == 0 ||
        !read_moment(sides, expr->arguments[0], &a) || !read_moment(sides, expr->arguments[1], &b) ||
        (a.column < sides->first) == (b.column < sides->first)) {
        return;
    }
    if (name[0] == '<' || name[0] == '=') {
        add_bound(sides, a, b, strcmp(name, "<") == 0, interval);
    }
    if (name[0] == '>' || name[0] == '=') {
        add_bound(sides, b, a, strcmp(name, ">") == 0, interval);
    }
}

static bool is_interval_join(struct sql_binder *binder, struct sides *sides, struct exec_join *join)
{
    struct interval interval = {0};

    for (uint32_t i = 0; i < sides->conjuncts.count; i++) {
        const struct expr *part = sql__simplify(binder, sides->conjuncts.exprs[i]);

        if (part == NULL) {
            return false;
        }
        read_interval(sides, part, &interval);
    }
    if (!interval.has_lower || !interval.has_upper ||
        sides->left->times[interval.left_time] != sides->right->times[interval.right_time]) {
        return false;
    }
    join->left_time = interval.left_time;
    join->right_time = interval.right_time;
    join->lower_ms = interval.lower_ms;
    join->upper_ms = interval.upper_ms;
    return true;
}

/* --- one join ----------------------------------------------------------------------------------------------------- */

static void set_times(struct sql_rel *rel, bool keep)
{
    const struct sql_rel *left = sql__input(rel, 0);
    uint32_t              first = left->node.column_count;

    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        enum sql_time time = i < first ? left->times[i] : sql__input(rel, 1)->times[i - first];

        rel->times[i] = keep ? time : SQL_TIME_NONE;
    }
}

/* The join's input columns, conditions and kind. above: what stands in its place. */
static bool classify(struct sql_binder *binder, struct sql_rel *rel, struct sql_rel **out_above)
{
    struct sides      sides = {.rel = rel, .left = sql__input(rel, 0), .right = sql__input(rel, 1)};
    struct exec_join *join;

    *out_above = rel;
    sides.first = sides.left->node.column_count;
    if (!sql__conjuncts(binder, rel->node.join.condition, &sides.conjuncts)) {
        return false;
    }
    join = &rel->node.join;
    if (is_interval_join(binder, &sides, join)) {
        rel->node.kind = EXEC_INTERVAL_JOIN;
    }
    if (binder->error->kind != SQL_OK || !split(binder, &sides)) {
        return false;
    }
    if (!all_columns(&sides.left_keys) || !all_columns(&sides.right_keys)) {
        struct sql_rel *left = with_keys(binder, sides.left, &sides.left_keys);
        struct sql_rel *right = left == NULL ? NULL : with_keys(binder, sides.right, &sides.right_keys);

        *out_above = right == NULL ? NULL : restore(binder, &sides, left, right);
        if (*out_above == NULL) {
            return false;
        }
        sides.rel->node.kind = rel->node.kind;
        sides.rel->node.join = rel->node.join;
        join = &sides.rel->node.join;
    }
    if (!set_keys(binder, &sides, join)) {
        return false;
    }
    if (sides.rel->node.kind == EXEC_JOIN && is_window_join(&sides, join)) {
        sides.rel->node.kind = EXEC_WINDOW_JOIN;
        join->left_start = sides.left->windows.start;
        join->left_end = sides.left->windows.end;
        join->right_start = sides.right->windows.start;
        join->right_end = sides.right->windows.end;
        sides.rel->windows = sides.left->windows;
    }
    set_times(sides.rel, sides.rel->node.kind != EXEC_JOIN);
    return true;
}

/* Time attributes as they are once the inputs are known. */
static bool follow_times(struct sql_binder *binder, struct sql_rel *rel)
{
    const struct sql_rel *input = rel->node.input_count == 0 ? NULL : sql__input(rel, 0);
    uint32_t              column = EXEC_NO_COLUMN;

    switch (rel->node.kind) {
    case EXEC_CALC:
        for (uint32_t i = 0; i < rel->node.column_count; i++) {
            const struct sql_scope scope = {.times = input->times};

            rel->times[i] = sql__time_of(&scope, rel->node.calc.exprs[i]);
        }
        return true;
    case EXEC_UNION:
        for (uint32_t i = 0; i < rel->node.column_count; i++) {
            for (uint32_t k = 0; k < rel->node.input_count; k++) {
                rel->times[i] = sql__input(rel, k)->times[i] == rel->times[i] ? rel->times[i] : SQL_TIME_NONE;
            }
        }
        return true;
    case EXEC_RANK:
    case EXEC_UNNEST:
    case EXEC_LIMIT:
        for (uint32_t i = 0; i < input->node.column_count; i++) {
            rel->times[i] = input->times[i];
        }
        return true;
    case EXEC_WINDOW_ASSIGN:
        column = rel->node.window.is_processing_time ? EXEC_NO_COLUMN : rel->node.window.time_column;
        break;
    case EXEC_WINDOW_GROUP:
        column = rel->node.window_group.window.time_column;
        break;
    default:
        return true;
    }
    if (column != EXEC_NO_COLUMN && input->times[column] == SQL_TIME_NONE) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, sql__node_place(rel),
                        "the window's time is no time attribute any more: a regular join does not keep it; bound the "
                        "join's times (an interval join does), or window before the join");
    }
    return true;
}

bool sql__classify_joins(struct sql_binder *binder, struct sql_rel *rel)
{
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        struct sql_rel *input = sql__input(rel, i);

        if (!sql__classify_joins(binder, input)) {
            return false;
        }
        if (input->node.kind == EXEC_JOIN) {
            struct sql_rel *above;

            if (!classify(binder, input, &above)) {
                return false;
            }
            rel->node.inputs[i] = &above->node;
        }
    }
    return follow_times(binder, rel);
}
