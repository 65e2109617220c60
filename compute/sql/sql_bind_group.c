/* GROUP BY and HAVING: which expressions are keys, which bound a window, which are aggregates. */
#include "compute/sql/sql_group.h"
#include "core/base/check.h"

#define KEYS_MAX 1024

/* --- what may stand behind an aggregation ------------------------------------------------------------------------- */

bool sql__has_aggregate(const struct sql_expr *expr)
{
    bool found = expr->over == NULL && sql__aggregate_kind(expr) != EXEC_AGGREGATE_KIND_COUNT;

    /* The left ends of long chains are followed here, the rest below. */
    for (; expr != NULL && !found; expr = expr->arguments) {
        found = expr->over == NULL && sql__aggregate_kind(expr) != EXEC_AGGREGATE_KIND_COUNT;
        if (expr->arguments == NULL) {
            break;
        }
        for (const struct sql_expr *argument = expr->arguments->next; argument != NULL && !found;
             argument = argument->next) {
            found = sql__has_aggregate(argument);
        }
    }
    return found;
}

static const struct {
    const char           *name;
    enum exec_window_kind kind;
} group_windows[] = {{"TUMBLE", EXEC_TUMBLE}, {"HOP", EXEC_HOP}, {"SESSION", EXEC_SESSION}};

/* TUMBLE, or with a suffix ("_START") TUMBLE_START; the number in group_windows or -1. */
static int find_window(const struct sql_expr *expr, const char *suffix)
{
    char name[32];

    if (expr->kind != SQL_CALL || expr->name->next != NULL) {
        return -1;
    }
    for (size_t i = 0; i < COUNT_OF(group_windows); i++) {
        size_t len = strlen(group_windows[i].name);

        memcpy(name, group_windows[i].name, len);
        memcpy(name + len, suffix, strlen(suffix) + 1);
        if (sql__view_is(expr->name->text, name)) {
            return (int)i;
        }
    }
    return -1;
}

/* The arguments of TUMBLE(ts, size), HOP(ts, slide, size), SESSION(ts, gap). */
static bool read_window(struct sql_binder *binder, const struct sql_scope *input, const struct sql_expr *expr,
                        enum exec_window_kind kind, struct sql_group_window *out_window)
{
    const struct sql_expr *argument = expr->arguments;
    uint32_t               count = kind == EXEC_HOP ? 3 : 2;

    *out_window = (struct sql_group_window){.given = true, .window = {.kind = kind}};
    if (expr->argument_count == count + 1) {
        return sql__fail_not_yet(binder, expr->place, "offsets of windows in GROUP BY",
                                 "FROM TUMBLE(TABLE t, DESCRIPTOR(ts), size, offset) has them");
    }
    if (expr->argument_count != count) {
        return sql_fail(binder->error, SQL_ERROR_SYNTAX, expr->place, "write %s",
                        kind == EXEC_TUMBLE ? "TUMBLE(time, size)"
                        : kind == EXEC_HOP  ? "HOP(time, slide, size)"
                                            : "SESSION(time, gap)");
    }
    out_window->time = sql__bind_expr(binder, input, argument);
    if (out_window->time == NULL) {
        return false;
    }
    out_window->attribute = sql__time_of(input, out_window->time);
    if (out_window->attribute == SQL_TIME_NONE) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, argument->place,
                        "a window wants a time attribute: a column with WATERMARK, or PROCTIME()");
    }
    out_window->time_type = vec_type_timestamp(out_window->time->type.kind, 3);
    out_window->time_type.nullable = false;
    out_window->window.is_processing_time = out_window->attribute == SQL_TIME_PROCESSING;
    if (kind == EXEC_HOP) {
        argument = argument->next;
        if (!sql__bind_interval_ms(binder, argument, false, &out_window->window.slide_ms)) {
            return false;
        }
    }
    return sql__bind_interval_ms(binder, argument->next, false, &out_window->window.size_ms);
}

static bool same_window(const struct sql_group_window *a, const struct sql_group_window *b)
{
    return a->window.kind == b->window.kind && a->window.size_ms == b->window.size_ms &&
           a->window.slide_ms == b->window.slide_ms && expr_equal(a->time, b->time);
}

/* TUMBLE_START(..) and its like; false: it is none of them. */
static bool bind_bound(struct sql_binder *binder, const struct sql_grouping *grouping, const struct sql_expr *expr,
                       struct expr **out_expr)
{
    static const char *const suffixes[] = {"_START", "_END", "_ROWTIME", "_PROCTIME"};
    struct sql_group_window  window;
    struct vec_type          bound = vec_type_timestamp(VEC_TIMESTAMP, 3);

    bound.nullable = false;
    for (uint32_t i = 0; i < COUNT_OF(suffixes); i++) {
        int found = find_window(expr, suffixes[i]);

        if (found < 0) {
            continue;
        }
        *out_expr = NULL;
        if (!read_window(binder, grouping->input, expr, group_windows[found].kind, &window)) {
            return true;
        }
        if (!grouping->window.given || !same_window(&grouping->window, &window)) {
            sql_fail(binder->error, SQL_ERROR_PLAN, expr->place, "%.*s wants the same %s(..) in GROUP BY",
                     (int)expr->name->text.len, (const char *)expr->name->text.base, group_windows[found].name);
        } else if ((i == 2) != (window.attribute == SQL_TIME_ROW) && i >= 2) {
            sql_fail(binder->error, SQL_ERROR_PLAN, expr->place, "the window goes over %s time",
                     window.attribute == SQL_TIME_ROW ? "event" : "processing");
        } else if (i == 3) {
            *out_expr = sql__call(binder, expr->place, "PROCTIME", NULL, 0);
        } else {
            *out_expr = expr_column(binder->maker, grouping->key_count + i, i < 2 ? bound : window.time_type);
        }
        return true;
    }
    return false;
}

static bool never_key(const struct sql_expr *expr)
{
    return expr->kind <= SQL_SYMBOL || expr->kind == SQL_STAR || sql__has_aggregate(expr) ||
           (expr->kind == SQL_CALL && expr->over != NULL);
}

/* Whether any key could be equal to this kind of expression: keys are mostly plain columns. */
static bool could_be_key(const struct sql_grouping *grouping, const struct sql_expr *expr)
{
    bool plain = true;

    for (uint32_t i = 0; i < grouping->key_count; i++) {
        plain = plain && (grouping->keys[i]->kind == EXPR_COLUMN || grouping->keys[i]->kind == EXPR_FIELD);
    }
    return !plain || expr->kind == SQL_REFERENCE || expr->kind == SQL_FIELD;
}

static int find_key(const struct sql_grouping *grouping, const struct expr *expr)
{
    for (uint32_t i = 0; i < grouping->key_count; i++) {
        if (expr_equal(grouping->keys[i], expr)) {
            return (int)i;
        }
    }
    return -1;
}

static bool not_grouped(struct sql_binder *binder, struct sql_place place, struct view name)
{
    return sql_fail(binder->error, SQL_ERROR_PLAN, place, "'%.*s' is neither in GROUP BY nor inside of an aggregate",
                    (int)MIN(name.len, 64), (const char *)name.base);
}

bool sql__bind_grouped(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr,
                       struct expr **out_expr)
{
    struct sql_grouping     *grouping = scope->grouping;
    enum exec_aggregate_kind kind = sql__aggregate_kind(expr);
    struct expr             *bound;
    int                      key;

    *out_expr = NULL;
    if (kind != EXEC_AGGREGATE_KIND_COUNT && expr->over == NULL) {
        *out_expr = sql__bind_aggregate(binder, grouping, expr, kind);
        return true;
    }
    if (bind_bound(binder, grouping, expr, out_expr)) {
        return true;
    }
    if (never_key(expr) || !could_be_key(grouping, expr)) {
        return false;
    }
    bound = sql__bind_expr(binder, grouping->input, expr);
    if (bound == NULL) {
        /* What fails alone may be right around a window's bound: f(TUMBLE_START(..)). */
        if (expr->kind == SQL_REFERENCE) {
            return true;
        }
        binder->error->kind = SQL_OK;
        return false;
    }
    key = find_key(grouping, bound);
    if (key >= 0) {
        *out_expr = expr_column(binder->maker, (uint32_t)key, grouping->keys[key]->type);
        return true;
    }
    if (expr->kind == SQL_REFERENCE) {
        return !not_grouped(binder, expr->place, expr->name->text);
    }
    return false;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static bool add_key(struct sql_binder *binder, struct sql_grouping *grouping, const struct sql_expr *expr)
{
    int          window = find_window(expr, "");
    struct expr *key;

    if (window >= 0) {
        if (grouping->window.given) {
            return sql_fail(binder->error, SQL_ERROR_PLAN, expr->place, "GROUP BY has one window");
        }
        return read_window(binder, grouping->input, expr, group_windows[window].kind, &grouping->window);
    }
    key = sql__refuse_null(binder, expr) ? sql__bind_expr(binder, grouping->input, expr) : NULL;
    if (key == NULL) {
        return false;
    }
    if (key->type.kind == VEC_ARRAY) {
        return sql__fail_not_yet(binder, expr->place, "arrays as keys", "");
    }
    if (find_key(grouping, key) < 0) {
        if (grouping->key_count >= KEYS_MAX) {
            return sql_fail(binder->error, SQL_ERROR_LIMIT, expr->place, "GROUP BY has at most %d keys", KEYS_MAX);
        }
        grouping->keys[grouping->key_count++] = key;
    }
    return true;
}

static bool bind_keys(struct sql_binder *binder, struct sql_grouping *grouping, const struct sql_expr *list)
{
    grouping->keys = sql__alloc_array(binder, KEYS_MAX, sizeof(*grouping->keys));
    if (grouping->keys == NULL) {
        return false;
    }
    for (; list != NULL; list = list->next) {
        if (list->kind != SQL_ROW) {
            if (!add_key(binder, grouping, list)) {
                return false;
            }
            continue;
        }
        for (const struct sql_expr *part = list->arguments; part != NULL; part = part->next) { /* (a, b) */
            if (!add_key(binder, grouping, part)) {
                return false;
            }
        }
    }
    return true;
}

/* A column of * in a grouped SELECT is one of the keys. */
static struct expr *star_key(struct sql_binder *binder, const struct sql_grouping *grouping,
                             const struct sql_output *output, struct sql_place place)
{
    struct expr *column = sql__column(binder, grouping->rel, output->column);
    int          key = column == NULL ? -1 : find_key(grouping, column);

    if (key < 0) {
        (void)not_grouped(binder, place, output->name);
        return NULL;
    }
    return expr_column(binder->maker, (uint32_t)key, column->type);
}

static bool replace_outputs(struct sql_binder *binder, struct sql_outputs *outputs, struct expr *const *map)
{
    for (uint32_t i = 0; i < outputs->count; i++) {
        outputs->outputs[i].expr = sql__replace_columns(binder, outputs->outputs[i].expr, map);
        if (outputs->outputs[i].expr == NULL) {
            return false;
        }
    }
    return true;
}

struct sql_rel *sql__bind_grouped_select(struct sql_binder *binder, const struct sql_select *select,
                                         const struct sql_from *from, struct sql_outputs *outputs)
{
    struct sql_scope    input = sql__from_scope(from);
    struct sql_grouping grouping = {.input = &input, .rel = from->rel};
    struct sql_scope    scope = {.grouping = &grouping};
    struct expr        *having = NULL;
    struct expr       **map = NULL;
    struct sql_rel     *rel;

    if (!bind_keys(binder, &grouping, select->group_by)) {
        return NULL;
    }
    for (uint32_t i = 0; i < outputs->count; i++) {
        struct sql_output *output = &outputs->outputs[i];

        output->expr = output->ast == NULL ? star_key(binder, &grouping, output, select->place)
                                           : sql__bind_expr(binder, &scope, output->ast);
        if (output->expr == NULL) {
            return NULL;
        }
    }
    if (select->having != NULL) {
        having = sql__bind_condition(binder, &scope, select->having, "HAVING");
        if (having == NULL) {
            return NULL;
        }
    }
    rel = sql__build_group(binder, &grouping, select->place, &map);
    if (rel == NULL || !replace_outputs(binder, outputs, map)) {
        return NULL;
    }
    if (having != NULL) {
        having = sql__replace_columns(binder, having, map);
    }
    return sql__project(binder, select->place, rel, having, outputs);
}
