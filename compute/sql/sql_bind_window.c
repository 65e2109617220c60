/* Windows over tables: TUMBLE, HOP, CUMULATE and SESSION in FROM. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

static const char *const window_names[] = {"TUMBLE", "HOP", "CUMULATE", "SESSION"};

bool sql__bind_interval_ms(struct sql_binder *binder, const struct sql_expr *expr, bool is_offset, int64_t *out_ms)
{
    const struct sql_scope scope = {0};
    struct expr           *value = sql__bind_expr(binder, &scope, expr);

    if (value == NULL) {
        return false;
    }
    value = expr_fold(binder->maker, value);
    if (value->kind != EXPR_CONSTANT || value->type.kind != VEC_INTERVAL_DAY || vec_is_null(&value->constant, 0)) {
        return sql_fail(binder->error, SQL_ERROR_TYPE, expr->place,
                        "a window is sized by an interval of days to seconds, as INTERVAL '10' SECOND");
    }
    *out_ms = *(const int64_t *)value->constant.data;
    if (*out_ms <= 0 && !is_offset) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, expr->place, "a window's size is above 0");
    }
    return true;
}

bool sql__check_hop(struct sql_binder *binder, struct sql_place place, int64_t size_ms, int64_t slide_ms,
                    const char *what)
{
    if (size_ms % slide_ms == 0) {
        return true;
    }
    return sql_fail(binder->error, SQL_ERROR_PLAN, place,
                    "the size of %s is a multiple of its %s, but %" PRId64 " ms is none of %" PRId64 " ms", what,
                    strcmp(what, "HOP") == 0 ? "slide" : "step", size_ms, slide_ms);
}

static bool read_sizes(struct sql_binder *binder, const struct sql_source *source, struct exec_window *window)
{
    const struct sql_expr *argument = source->window_arguments;
    uint32_t               given = source->window_argument_count;
    bool                   two = source->window == SQL_WINDOW_HOP || source->window == SQL_WINDOW_CUMULATE;

    if (two) { /* slide or step, then size */
        if (!sql__bind_interval_ms(binder, argument, false, &window->slide_ms)) {
            return false;
        }
        argument = argument->next;
        given--;
    }
    if (!sql__bind_interval_ms(binder, argument, false, &window->size_ms)) {
        return false;
    }
    if (given > 1 && !sql__bind_interval_ms(binder, argument->next, true, &window->offset_ms)) {
        return false;
    }
    if (source->window == SQL_WINDOW_TUMBLE &&
        (window->offset_ms >= window->size_ms || window->offset_ms <= -window->size_ms)) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, argument->next->place,
                        "the offset of TUMBLE is smaller than its size, before or behind");
    }
    return !two ||
           sql__check_hop(binder, source->place, window->size_ms, window->slide_ms, window_names[source->window]);
}

static bool read_keys(struct sql_binder *binder, const struct sql_source *source, const struct sql_scope *scope,
                      struct sql_rel *rel)
{
    uint32_t count = 0;

    for (const struct sql_name *name = source->window_keys; name != NULL; name = name->next) {
        count++;
    }
    rel->session_columns = sql__alloc_array(binder, count, sizeof(uint32_t));
    for (const struct sql_name *name = source->window_keys; rel->session_columns != NULL && name != NULL;
         name = name->next) {
        if (!sql__find_column(binder, scope, name, &rel->session_columns[rel->session_count])) {
            return false;
        }
        rel->session_count++;
    }
    return rel->session_columns != NULL;
}

static bool read_time(struct sql_binder *binder, const struct sql_source *source, const struct sql_scope *scope,
                      struct exec_window *window)
{
    const struct sql_name *name = source->window_time;
    char                   type[64];

    if (!sql__find_column(binder, scope, name, &window->time_column)) {
        return false;
    }
    if (scope->times[window->time_column] == SQL_TIME_NONE) {
        (void)vec_type_format(scope->columns[window->time_column].type, type, sizeof(type));
        return sql_fail(binder->error, SQL_ERROR_PLAN, name->place,
                        "%s wants a time attribute: '%.*s' is an ordinary %s here; declare WATERMARK FOR it, or use "
                        "PROCTIME()",
                        window_names[source->window], (int)name->text.len, (const char *)name->text.base, type);
    }
    window->is_processing_time = scope->times[window->time_column] == SQL_TIME_PROCESSING;
    return true;
}

struct sql_rel *sql__bind_window(struct sql_binder *binder, const struct sql_source *source, struct sql_rel *input)
{
    static const enum exec_window_kind kinds[] = {EXEC_TUMBLE, EXEC_HOP, EXEC_CUMULATE, EXEC_SESSION};

    uint32_t              count = input->node.column_count;
    struct sql_scope_item item = {.count = count};
    struct sql_scope      scope = {.column_count = count, .item_count = 1, .items = &item};
    struct sql_rel       *rel = sql__new_rel(binder, EXEC_WINDOW_ASSIGN, source->place, 1);
    struct vec_type       bound = vec_type_timestamp(VEC_TIMESTAMP, 3);
    struct vec_type       time;

    scope.columns = input->node.columns;
    scope.times = input->times;
    if (rel == NULL || !sql__make_columns(binder, rel, count + 3)) {
        return NULL;
    }
    rel->node.inputs[0] = &input->node;
    rel->node.window.kind = kinds[source->window];
    if (!read_time(binder, source, &scope, &rel->node.window) || !read_sizes(binder, source, &rel->node.window) ||
        !read_keys(binder, source, &scope, rel)) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) { /* window_time is the time attribute from here on */
        sql__set_column(rel, i, input->node.columns[i].name, input->node.columns[i].type,
                        i == rel->node.window.time_column ? SQL_TIME_NONE : input->times[i]);
    }
    bound.nullable = false;
    time = input->node.columns[rel->node.window.time_column].type;
    time = vec_type_timestamp(time.kind, 3);
    time.nullable = false;
    sql__set_column(rel, count, view_text("window_start"), bound, SQL_TIME_NONE);
    sql__set_column(rel, count + 1, view_text("window_end"), bound, SQL_TIME_NONE);
    sql__set_column(rel, count + 2, view_text("window_time"), time, input->times[rel->node.window.time_column]);
    rel->windows =
        (struct sql_window_columns){.start = count, .end = count + 1, .time = count + 2, .window = rel->node.window};
    return rel;
}
