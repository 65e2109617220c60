/* Aggregates: their types, and the aggregation as a relation. */
#include "compute/sql/sql_group.h"
#include "core/base/check.h"

/* --- calls -------------------------------------------------------------------------------------------------------- */

static bool comparable(enum vec_kind kind)
{
    return kind != VEC_ROW && kind != VEC_ARRAY && kind != VEC_NULL && kind != VEC_BINARY && kind != VEC_VARBINARY;
}

/* Flink's result types (FlinkTypeSystem, LogicalTypeMerging): SUM and AVG of integers stay what they are. */
static bool result_type(struct sql_binder *binder, const struct sql_expr *expr, struct sql_group_call *call, bool keyed)
{
    struct vec_type type = call->argument == NULL ? vec_type_of(VEC_BIGINT) : call->argument->type;
    char            text[64];

    if (call->kind == EXEC_COUNT || call->kind == EXEC_COUNT_ROWS) {
        call->type = vec_type_of(VEC_BIGINT);
        call->type.nullable = false;
        return true;
    }
    if ((call->kind == EXEC_SUM || call->kind == EXEC_AVG) ? !vec_kind_is_numeric(type.kind) : !comparable(type.kind)) {
        (void)vec_type_format(type, text, sizeof(text));
        return sql_fail(binder->error, SQL_ERROR_TYPE, expr->place, "%.*s does not take %s", (int)expr->name->text.len,
                        (const char *)expr->name->text.base, text);
    }
    if (type.kind == VEC_DECIMAL && (call->kind == EXEC_SUM || call->kind == EXEC_AVG)) {
        bool nullable = type.nullable;

        type = vec_type_decimal(VEC_DECIMAL_DIGITS_MAX, call->kind == EXEC_SUM ? type.scale : MAX(6, type.scale));
        type.nullable = nullable;
    }
    type.nullable = type.nullable || !keyed || call->filter != NULL;
    call->type = type;
    return true;
}

static int find_call(const struct sql_grouping *grouping, const struct sql_group_call *call)
{
    for (uint32_t i = 0; i < grouping->call_count; i++) {
        const struct sql_group_call *other = &grouping->calls[i];

        if (other->kind == call->kind && other->distinct == call->distinct &&
            (other->argument == NULL) == (call->argument == NULL) &&
            (other->filter == NULL) == (call->filter == NULL) &&
            (call->argument == NULL || expr_equal(other->argument, call->argument)) &&
            (call->filter == NULL || expr_equal(other->filter, call->filter))) {
            return (int)i;
        }
    }
    return -1;
}

static bool add_call(struct sql_binder *binder, struct sql_grouping *grouping, struct sql_group_call call)
{
    if (grouping->call_count == grouping->call_capacity) {
        uint32_t               grown = MAX(16U, grouping->call_capacity * 2);
        struct sql_group_call *larger = sql__alloc_array(binder, grown, sizeof(*larger));

        if (larger == NULL) {
            return false;
        }
        if (grouping->call_count > 0) {
            memcpy(larger, grouping->calls, grouping->call_count * sizeof(*larger));
        }
        grouping->calls = larger;
        grouping->call_capacity = grown;
    }
    grouping->calls[grouping->call_count++] = call;
    return true;
}

static bool check_arguments(struct sql_binder *binder, const struct sql_expr *expr, enum exec_aggregate_kind kind)
{
    if (expr->star && kind != EXEC_COUNT_ROWS) {
        return sql_fail(binder->error, SQL_ERROR_SYNTAX, expr->place, "only COUNT takes *");
    }
    if (kind == EXEC_COUNT && expr->argument_count > 1) {
        return sql__fail_not_yet(binder, expr->place, "COUNT of several columns",
                                 "COUNT(DISTINCT a) and COUNT(*) over SELECT DISTINCT a, b are there");
    }
    if (kind != EXEC_COUNT_ROWS && expr->argument_count != 1) {
        return sql_fail(binder->error, SQL_ERROR_SYNTAX, expr->place, "%.*s takes one argument",
                        (int)expr->name->text.len, (const char *)expr->name->text.base);
    }
    if (expr->distinct && (kind == EXEC_FIRST_VALUE || kind == EXEC_LAST_VALUE)) {
        return sql__fail_not_yet(binder, expr->place, "DISTINCT in FIRST_VALUE and LAST_VALUE", "leave it out");
    }
    return true;
}

struct expr *sql__bind_aggregate(struct sql_binder *binder, struct sql_grouping *grouping, const struct sql_expr *expr,
                                 enum exec_aggregate_kind kind)
{
    bool                  keyed = grouping->key_count > 0;
    struct sql_group_call call = {.kind = kind, .distinct = expr->distinct};
    int                   found;

    if (!check_arguments(binder, expr, kind)) {
        return NULL;
    }
    if (kind != EXEC_COUNT_ROWS) {
        call.argument =
            sql__refuse_null(binder, expr->arguments) ? sql__bind_expr(binder, grouping->input, expr->arguments) : NULL;
        if (call.argument == NULL) {
            return NULL;
        }
    }
    if (expr->filter != NULL) {
        call.filter = sql__bind_condition(binder, grouping->input, expr->filter, "FILTER");
        if (call.filter == NULL) {
            return NULL;
        }
    }
    if (!result_type(binder, expr, &call, keyed)) {
        return NULL;
    }
    if (kind == EXEC_COUNT && !call.distinct && !call.argument->type.nullable) { /* COUNT of what is never null */
        call.kind = EXEC_COUNT_ROWS;
        call.argument = NULL;
    }
    if (kind == EXEC_MIN || kind == EXEC_MAX) {
        call.distinct = false;
    }
    found = find_call(grouping, &call);
    if (found < 0) {
        found = (int)grouping->call_count;
        if (!add_call(binder, grouping, call)) {
            return NULL;
        }
    }
    return expr_column(binder->maker, grouping->key_count + SQL_GROUP_WINDOW_COLUMNS + (uint32_t)found, call.type);
}

/* --- the relation ------------------------------------------------------------------------------------------------- */

/* Columns of the CALC below the aggregation. */
struct inputs {
    uint32_t      count;
    struct expr **exprs;
    struct view  *names;
};

static uint32_t put(struct sql_binder *binder, const struct sql_grouping *grouping, struct inputs *inputs,
                    struct expr *expr)
{
    for (uint32_t i = 0; i < inputs->count; i++) {
        if (expr_equal(inputs->exprs[i], expr)) {
            return i;
        }
    }
    inputs->exprs[inputs->count] = expr;
    inputs->names[inputs->count] = expr->kind == EXPR_COLUMN ? grouping->input->columns[expr->index].name
                                                             : sql__text(binder, "$f%" PRIu32, inputs->count);
    return inputs->count++;
}

/* Which key is which bound of the input's windows; -1: none. */
static int window_key(const struct sql_grouping *grouping, uint32_t column)
{
    for (uint32_t i = 0; i < grouping->key_count; i++) {
        if (column != EXEC_NO_COLUMN && grouping->keys[i]->kind == EXPR_COLUMN && grouping->keys[i]->index == column) {
            return (int)i;
        }
    }
    return -1;
}

struct layout {
    bool                   windowed;
    int                    start_key, end_key, time_key; /* keys that are bounds of the input's window */
    uint32_t              *keys;
    uint32_t               key_count;
    uint32_t              *key_places; /* by key of the SELECT: the column of the result */
    struct exec_aggregate *aggregates;
    struct inputs          inputs;
};

static bool lay_out(struct sql_binder *binder, const struct sql_grouping *grouping, struct layout *out)
{
    uint32_t room = grouping->key_count + 2 * grouping->call_count + SQL_GROUP_WINDOW_COLUMNS;

    out->inputs.exprs = sql__alloc_array(binder, room, sizeof(struct expr *));
    out->inputs.names = sql__alloc_array(binder, room, sizeof(struct view));
    out->keys = sql__alloc_array(binder, grouping->key_count, sizeof(uint32_t));
    out->key_places = sql__alloc_array(binder, grouping->key_count, sizeof(uint32_t));
    out->aggregates = sql__alloc_array(binder, grouping->call_count, sizeof(struct exec_aggregate));
    if (out->aggregates == NULL || out->inputs.exprs == NULL || out->inputs.names == NULL || out->keys == NULL ||
        out->key_places == NULL) {
        return false;
    }
    out->start_key = window_key(grouping, grouping->rel->windows.start);
    out->end_key = window_key(grouping, grouping->rel->windows.end);
    out->time_key = window_key(grouping, grouping->rel->windows.time);
    out->windowed = !grouping->window.given && out->start_key >= 0 && out->end_key >= 0;
    for (uint32_t i = 0; i < grouping->key_count; i++) {
        int at = (int)i;

        if (out->windowed && (at == out->start_key || at == out->end_key || at == out->time_key)) {
            continue;
        }
        out->key_places[i] = out->key_count;
        out->keys[out->key_count++] = put(binder, grouping, &out->inputs, grouping->keys[i]);
    }
    for (uint32_t i = 0; i < grouping->call_count; i++) {
        const struct sql_group_call *call = &grouping->calls[i];

        out->aggregates[i] = (struct exec_aggregate){
            .kind = call->kind,
            .distinct = call->distinct,
            .argument = call->argument == NULL ? EXEC_NO_COLUMN : put(binder, grouping, &out->inputs, call->argument),
            .filter = call->filter == NULL ? EXEC_NO_COLUMN : put(binder, grouping, &out->inputs, call->filter),
            .type = call->type,
        };
    }
    return true;
}

/* Names and types of keys and aggregates, then the window's bounds. */
static bool describe(struct sql_binder *binder, const struct sql_grouping *grouping, const struct layout *layout,
                     struct sql_rel *rel, bool windowed)
{
    uint32_t        keys = layout->key_count;
    uint32_t        count = keys + grouping->call_count;
    struct vec_type bound = vec_type_timestamp(VEC_TIMESTAMP, 3);

    if (!sql__make_columns(binder, rel, count + (windowed ? SQL_GROUP_WINDOW_COLUMNS : 0))) {
        return false;
    }
    bound.nullable = false;
    for (uint32_t i = 0; i < keys; i++) {
        sql__set_column(rel, i, layout->inputs.names[layout->keys[i]], layout->inputs.exprs[layout->keys[i]]->type,
                        SQL_TIME_NONE);
    }
    for (uint32_t i = 0; i < grouping->call_count; i++) {
        sql__set_column(rel, keys + i, sql__text(binder, "$agg%" PRIu32, i), grouping->calls[i].type, SQL_TIME_NONE);
    }
    if (windowed) {
        bool            group_window = grouping->window.given;
        uint32_t        column = grouping->rel->windows.time;
        struct vec_type time = group_window               ? grouping->window.time_type
                               : column == EXEC_NO_COLUMN ? vec_type_timestamp(VEC_TIMESTAMP, 3)
                                                          : grouping->rel->node.columns[column].type;
        bool            processing = group_window ? grouping->window.window.is_processing_time
                                                  : grouping->rel->windows.window.is_processing_time;

        time.nullable = false;
        sql__set_column(rel, count, view_text("window_start"), bound, SQL_TIME_NONE);
        sql__set_column(rel, count + 1, view_text("window_end"), bound, SQL_TIME_NONE);
        sql__set_column(rel, count + 2, view_text("window_time"), time,
                        processing ? SQL_TIME_PROCESSING : SQL_TIME_ROW);
        rel->windows = (struct sql_window_columns){
            .start = count,
            .end = count + 1,
            .time = count + 2,
            .window = group_window ? grouping->window.window : grouping->rel->windows.window,
        };
    }
    return true;
}

/* Where the columns that the SELECT refers to stand in rel. */
static bool make_map(struct sql_binder *binder, const struct sql_grouping *grouping, const struct layout *layout,
                     const struct sql_rel *rel, struct expr ***out_map)
{
    uint32_t      keys = grouping->key_count;
    uint32_t      bounds = layout->key_count + grouping->call_count;
    uint32_t      count = keys + SQL_GROUP_WINDOW_COLUMNS + grouping->call_count;
    struct expr **map = sql__alloc_array(binder, count, sizeof(*map));

    for (uint32_t i = 0; map != NULL && i < count; i++) {
        uint32_t column = i - keys - SQL_GROUP_WINDOW_COLUMNS + layout->key_count; /* an aggregate */
        int      at = (int)i;

        if (i < keys && layout->windowed &&
            (at == layout->start_key || at == layout->end_key || at == layout->time_key)) {
            column = bounds + (at == layout->start_key ? 0 : at == layout->end_key ? 1U : 2U);
        } else if (i < keys) {
            column = layout->key_places[i];
        } else if (i < keys + SQL_GROUP_WINDOW_COLUMNS) {
            column = bounds + i - keys;
            if (!grouping->window.given) {
                continue;
            }
        }
        map[i] = sql__column(binder, rel, column);
        if (map[i] == NULL) {
            return false;
        }
    }
    *out_map = map;
    return map != NULL;
}

static bool set_window(struct sql_binder *binder, const struct sql_grouping *grouping, struct layout *layout,
                       struct exec_window_group *group)
{
    if (grouping->window.given) {
        group->window = grouping->window.window;
        group->window.time_column = EXEC_NO_COLUMN;
        if (!group->window.is_processing_time) {
            group->window.time_column = put(binder, grouping, &layout->inputs, grouping->window.time);
        }
    } else {
        group->window = (struct exec_window){
            .kind = EXEC_WINDOWED,
            .is_processing_time = grouping->rel->windows.window.is_processing_time,
            .time_column = EXEC_NO_COLUMN,
            .start_column = put(binder, grouping, &layout->inputs, grouping->keys[layout->start_key]),
            .end_column = put(binder, grouping, &layout->inputs, grouping->keys[layout->end_key]),
        };
    }
    group->keys = layout->keys;
    group->key_count = layout->key_count;
    group->aggregates = layout->aggregates;
    group->aggregate_count = grouping->call_count;
    return true;
}

struct sql_rel *sql__build_group(struct sql_binder *binder, const struct sql_grouping *grouping, struct sql_place place,
                                 struct expr ***out_map)
{
    struct layout   layout = {0};
    struct sql_rel *rel;
    struct sql_rel *calc;
    bool            windowed;

    if (!lay_out(binder, grouping, &layout)) {
        return NULL;
    }
    windowed = layout.windowed || grouping->window.given;
    rel = sql__new_rel(binder, windowed ? EXEC_WINDOW_GROUP : EXEC_GROUP, place, 1);
    if (rel == NULL) {
        return NULL;
    }
    if (windowed) {
        (void)set_window(binder, grouping, &layout, &rel->node.window_group);
    } else {
        rel->node.group = (struct exec_group){.key_count = layout.key_count,
                                              .keys = layout.keys,
                                              .aggregate_count = grouping->call_count,
                                              .aggregates = layout.aggregates};
    }
    if (!describe(binder, grouping, &layout, rel, windowed)) {
        return NULL;
    }
    calc = sql__new_calc(binder, place, sql__rel(&grouping->rel->node), NULL, layout.inputs.exprs, layout.inputs.names,
                         layout.inputs.count);
    if (calc == NULL || !make_map(binder, grouping, &layout, rel, out_map)) {
        return NULL;
    }
    rel->node.inputs[0] = &calc->node;
    return rel;
}
