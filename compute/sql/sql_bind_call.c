/* Calls by name: which functions there are, and what else a name with parentheses may be. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

#define NAME_BYTES_MAX 64
#define CANDIDATES_MAX 512

/* Functions of Flink that are aggregates or need OVER, and that we do not have. */
static const char *const other_aggregates[] = {
    "STDDEV",         "STDDEV_POP",    "STDDEV_SAMP", "VARIANCE",  "VAR_POP",
    "VAR_SAMP",       "LISTAGG",       "COLLECT",     "ARRAY_AGG", "APPROX_COUNT_DISTINCT",
    "JSON_OBJECTAGG", "JSON_ARRAYAGG", "PERCENTILE",  "RANK",      "DENSE_RANK",
    "PERCENT_RANK",   "CUME_DIST",     "NTILE",       "LAG",       "LEAD",
    "NTH_VALUE",      "GROUPING",      "GROUPING_ID", "GROUP_ID",  "BIT_AND",
    "BIT_OR",
};

static const char *const window_functions[] = {
    "TUMBLE",           "HOP",     "SESSION",     "TUMBLE_START", "TUMBLE_END",    "TUMBLE_ROWTIME", "TUMBLE_PROCTIME",
    "HOP_START",        "HOP_END", "HOP_ROWTIME", "HOP_PROCTIME", "SESSION_START", "SESSION_END",    "SESSION_ROWTIME",
    "SESSION_PROCTIME",
};

bool sql__function_exists(struct view name)
{
    for (size_t i = 0; expr_function_name(i) != NULL; i++) {
        if (sql__view_is(name, expr_function_name(i))) {
            return true;
        }
    }
    return false;
}

const char *sql__aggregate_name(enum exec_aggregate_kind kind)
{
    static const char *const names[EXEC_AGGREGATE_KIND_COUNT] = {
        [EXEC_COUNT_ROWS] = "COUNT",
        [EXEC_COUNT] = "COUNT",
        [EXEC_SUM] = "SUM",
        [EXEC_MIN] = "MIN",
        [EXEC_MAX] = "MAX",
        [EXEC_AVG] = "AVG",
        [EXEC_FIRST_VALUE] = "FIRST_VALUE",
        [EXEC_LAST_VALUE] = "LAST_VALUE",
    };

    CHECK(kind < EXEC_AGGREGATE_KIND_COUNT);
    return names[kind];
}

enum exec_aggregate_kind sql__aggregate_kind(const struct sql_expr *expr)
{
    if (expr->kind == SQL_CALL && expr->name->next == NULL) {
        for (enum exec_aggregate_kind kind = 0; kind < EXEC_AGGREGATE_KIND_COUNT; kind++) {
            if (kind != EXEC_COUNT_ROWS && sql__view_is(expr->name->text, sql__aggregate_name(kind))) {
                return kind == EXEC_COUNT && expr->star ? EXEC_COUNT_ROWS : kind;
            }
        }
    }
    return EXEC_AGGREGATE_KIND_COUNT;
}

static bool listed(struct view name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sql__view_is(name, list[i])) {
            return true;
        }
    }
    return false;
}

static bool unknown_function(struct sql_binder *binder, const struct sql_expr *expr)
{
    struct view candidates[CANDIDATES_MAX];
    size_t      count = 0;
    struct view near;

    for (size_t i = 0; count < CANDIDATES_MAX && expr_function_name(i) != NULL; i++) {
        candidates[count++] = view_text(expr_function_name(i));
    }
    for (enum exec_aggregate_kind kind = 0; count < CANDIDATES_MAX && kind < EXEC_AGGREGATE_KIND_COUNT; kind++) {
        candidates[count++] = view_text(sql__aggregate_name(kind));
    }
    near = sql_nearest(expr->name->text, candidates, count);
    return sql_fail(binder->error, SQL_ERROR_NAME, sql__name_place(expr->name), "there is no function %.*s%s%.*s%s",
                    (int)MIN(expr->name->text.len, NAME_BYTES_MAX), (const char *)expr->name->text.base,
                    near.base == NULL ? "" : "; did you mean ", near.base == NULL ? 0 : (int)near.len,
                    near.base == NULL ? "" : (const char *)near.base, near.base == NULL ? "" : "?");
}

/* Names that are functions, but cannot be called where this stands. */
static bool refuse_place(struct sql_binder *binder, const struct sql_expr *expr)
{
    struct view name = expr->name->text;

    if (expr->name->next != NULL) {
        return sql__fail_not_yet(binder, expr->place, "functions of catalogs and databases", "built-in ones are there");
    }
    if (expr->over != NULL && !sql__view_is(name, "ROW_NUMBER")) {
        return sql__fail_not_yet(binder, expr->over->place, "aggregates with OVER",
                                 "ROW_NUMBER() OVER (..) with a condition on the number is there");
    }
    if (sql__view_is(name, "ROW_NUMBER")) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, expr->place,
                        expr->over == NULL ? "ROW_NUMBER() wants OVER (PARTITION BY .. ORDER BY ..)"
                                           : "ROW_NUMBER() OVER (..) is a column of a SELECT list, by itself, and a "
                                             "query around it says which numbers it wants (WHERE number <= 10)");
    }
    if (sql__aggregate_kind(expr) != EXEC_AGGREGATE_KIND_COUNT) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, expr->place,
                        "%.*s is an aggregate: it belongs into SELECT or HAVING, and not into another aggregate",
                        (int)name.len, (const char *)name.base);
    }
    if (listed(name, other_aggregates, COUNT_OF(other_aggregates))) {
        return sql__fail_not_yet(binder, expr->place, "this aggregate",
                                 "COUNT, SUM, MIN, MAX, AVG, FIRST_VALUE and LAST_VALUE are there");
    }
    if (listed(name, window_functions, COUNT_OF(window_functions))) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, expr->place,
                        "%.*s belongs into GROUP BY or, as %s_START and the like, into SELECT beside it", (int)name.len,
                        (const char *)name.base, "TUMBLE");
    }
    return true;
}

struct expr *sql__bind_call(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    char                   name[NAME_BYTES_MAX];
    struct expr          **arguments;
    const struct sql_expr *argument = expr->arguments;

    if (!refuse_place(binder, expr)) {
        return NULL;
    }
    if (!sql__function_exists(expr->name->text) || expr->name->text.len >= sizeof(name)) {
        (void)unknown_function(binder, expr);
        return NULL;
    }
    if (expr->star || expr->distinct || expr->filter != NULL) {
        sql_fail(binder->error, SQL_ERROR_SYNTAX, expr->place,
                 "%.*s is no aggregate: it takes no *, DISTINCT or FILTER", (int)expr->name->text.len,
                 (const char *)expr->name->text.base);
        return NULL;
    }
    if (expr->argument_count > EXPR_ARGUMENTS_MAX) {
        sql_fail(binder->error, SQL_ERROR_LIMIT, expr->place, "a function has at most %d arguments",
                 EXPR_ARGUMENTS_MAX);
        return NULL;
    }
    arguments = sql__alloc_array(binder, expr->argument_count, sizeof(struct expr *));
    for (uint32_t i = 0; arguments != NULL && i < expr->argument_count; i++, argument = argument->next) {
        if (!sql__view_is(expr->name->text, "COALESCE") && !sql__refuse_null(binder, argument)) {
            return NULL;
        }
        arguments[i] = sql__bind_expr(binder, scope, argument);
        if (arguments[i] == NULL) {
            return NULL;
        }
    }
    if (arguments == NULL) {
        return NULL;
    }
    memcpy(name, expr->name->text.base, expr->name->text.len);
    name[expr->name->text.len] = '\0';
    return sql__call(binder, expr->place, name, arguments, expr->argument_count);
}
