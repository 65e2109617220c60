/* Queries: SELECT without aggregates, DISTINCT, VALUES, UNION, LIMIT. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

#define PLAN_BLOCK_BYTES ((size_t)(64 * KIB))
#define PLAN_BYTES_MAX   ((size_t)(256 * MIB))

/* --- SELECT lists ------------------------------------------------------------------------------------------------- */

static struct view output_name(struct sql_binder *binder, const struct sql_item *item, uint32_t position)
{
    const struct sql_name *name = NULL;

    if (item->alias != NULL) {
        return item->alias->text;
    }
    if (item->expr->kind == SQL_REFERENCE || item->expr->kind == SQL_FIELD) {
        for (name = item->expr->name; name->next != NULL; name = name->next) {
        }
        return name->text;
    }
    return sql__text(binder, "EXPR$%" PRIu32, position);
}

static bool add_output(struct sql_binder *binder, struct sql_outputs *outputs, uint32_t *capacity,
                       struct sql_output output)
{
    if (outputs->count == *capacity) {
        uint32_t           grown = MAX(16U, *capacity * 2);
        struct sql_output *larger = sql__alloc_array(binder, grown, sizeof(*larger));

        if (larger == NULL) {
            return false;
        }
        if (outputs->count > 0) {
            memcpy(larger, outputs->outputs, outputs->count * sizeof(*larger));
        }
        outputs->outputs = larger;
        *capacity = grown;
    }
    outputs->outputs[outputs->count++] = output;
    return true;
}

/* * and t.* */
static bool add_star(struct sql_binder *binder, const struct sql_from *from, const struct sql_expr *star,
                     struct sql_outputs *outputs, uint32_t *capacity)
{
    struct sql_scope scope = sql__from_scope(from);
    int              only = star->name == NULL ? -1 : sql__find_item(&scope, star->name->text);

    if (from->rel == NULL) {
        return sql_fail(binder->error, SQL_ERROR_SYNTAX, star->place, "* wants a FROM");
    }
    if (star->name != NULL && only < 0) {
        return sql_fail(binder->error, SQL_ERROR_NAME, star->place, "there is no table '%.*s' in FROM",
                        (int)MIN(star->name->text.len, 64), (const char *)star->name->text.base);
    }
    for (uint32_t i = 0; i < from->item_count; i++) {
        const struct sql_scope_item *item = &from->items[i];

        for (uint32_t k = item->first; k < item->first + item->count && (only < 0 || (uint32_t)only == i); k++) {
            if (!add_output(binder, outputs, capacity,
                            (struct sql_output){.column = k, .name = from->rel->node.columns[k].name})) {
                return false;
            }
        }
    }
    return true;
}

static bool list_outputs(struct sql_binder *binder, const struct sql_select *select, const struct sql_from *from,
                         struct sql_outputs *outputs)
{
    uint32_t capacity = 0;
    uint32_t position = 0;

    for (const struct sql_item *item = select->items; item != NULL; item = item->next, position++) {
        if (item->expr->kind == SQL_STAR) {
            if (!add_star(binder, from, item->expr, outputs, &capacity)) {
                return false;
            }
        } else if (!sql__refuse_null(binder, item->expr) ||
                   !add_output(binder, outputs, &capacity,
                               (struct sql_output){.ast = item->expr, .name = output_name(binder, item, position)})) {
            return false;
        }
        if (outputs->count > SQL_COLUMNS_MAX) {
            return sql_fail(binder->error, SQL_ERROR_LIMIT, item->expr->place, "a row has at most %d columns",
                            SQL_COLUMNS_MAX);
        }
    }
    return true;
}

struct sql_rel *sql__project(struct sql_binder *binder, struct sql_place place, struct sql_rel *input,
                             struct expr *condition, const struct sql_outputs *outputs)
{
    struct expr **exprs = sql__alloc_array(binder, outputs->count, sizeof(*exprs));
    struct view  *names = sql__alloc_array(binder, outputs->count, sizeof(*names));

    if (exprs == NULL || names == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < outputs->count; i++) {
        exprs[i] = outputs->outputs[i].expr;
        names[i] = outputs->outputs[i].name;
    }
    return sql__new_calc(binder, place, input, condition, exprs, names, outputs->count);
}

static struct sql_rel *plain_select(struct sql_binder *binder, const struct sql_select *select,
                                    const struct sql_from *from, struct sql_outputs *outputs)
{
    struct sql_scope scope = sql__from_scope(from);

    for (uint32_t i = 0; i < outputs->count; i++) {
        struct sql_output *output = &outputs->outputs[i];

        output->expr = output->ast == NULL ? sql__column(binder, from->rel, output->column)
                                           : sql__bind_expr(binder, &scope, output->ast);
        if (output->expr == NULL) {
            return NULL;
        }
    }
    return sql__project(binder, select->place, from->rel, NULL, outputs);
}

/* --- VALUES ------------------------------------------------------------------------------------------------------- */

/* A SELECT without FROM goes over one row. */
static struct sql_rel *one_row(struct sql_binder *binder, struct sql_place place)
{
    struct sql_rel *rel = sql__new_rel(binder, EXEC_VALUES, place, 0);
    struct expr   **exprs = sql__alloc(binder, sizeof(*exprs));

    if (rel == NULL || exprs == NULL || !sql__make_columns(binder, rel, 1)) {
        return NULL;
    }
    exprs[0] = expr_int(binder->maker, VEC_INT, 0);
    if (exprs[0] == NULL) {
        sql__fail_maker(binder, place);
        return NULL;
    }
    sql__set_column(rel, 0, view_text("ZERO"), exprs[0]->type, SQL_TIME_NONE);
    rel->node.values.row_count = 1;
    rel->node.values.exprs = exprs;
    return rel;
}

/* The common type of a column over all rows, and every value cast to it. */
static bool meet_values(struct sql_binder *binder, const struct sql_query *query, struct sql_rel *rel,
                        struct expr **exprs, uint32_t column)
{
    uint32_t        rows = rel->node.values.row_count;
    uint32_t        count = rel->node.column_count;
    struct vec_type type = exprs[column]->type;

    for (uint32_t i = 1; i < rows; i++) {
        type = expr_common_type(type, exprs[i * count + column]->type);
        if (type.kind == VEC_KIND_COUNT) {
            return sql_fail(binder->error, SQL_ERROR_TYPE, query->place,
                            "the values of column %" PRIu32 " have no type in common; cast them", column + 1);
        }
    }
    for (uint32_t i = 0; i < rows; i++) {
        struct expr *cast = expr_cast(binder->maker, exprs[i * count + column], type, false);

        if (cast == NULL) {
            return sql__fail_maker(binder, query->place);
        }
        exprs[i * count + column] = cast;
    }
    sql__set_column(rel, column, sql__text(binder, "EXPR$%" PRIu32, column), type, SQL_TIME_NONE);
    return true;
}

static struct sql_rel *bind_values(struct sql_binder *binder, const struct sql_query *query)
{
    const struct sql_scope scope = {0};
    struct sql_rel        *rel = sql__new_rel(binder, EXEC_VALUES, query->place, 0);
    uint32_t               rows = 0;
    uint32_t               count = query->values->argument_count;
    struct expr          **exprs;
    uint32_t               next = 0;

    for (const struct sql_expr *row = query->values; row != NULL; row = row->next) {
        rows++;
        if (row->argument_count != count) {
            sql_fail(binder->error, SQL_ERROR_TYPE, row->place, "this row has %" PRIu32 " values, the first %" PRIu32,
                     row->argument_count, count);
            return NULL;
        }
    }
    exprs = sql__alloc_array(binder, (size_t)rows * count, sizeof(*exprs));
    if (rel == NULL || exprs == NULL || !sql__make_columns(binder, rel, count)) {
        return NULL;
    }
    for (const struct sql_expr *row = query->values; row != NULL; row = row->next) {
        for (const struct sql_expr *value = row->arguments; value != NULL; value = value->next) {
            exprs[next] = sql__refuse_null(binder, value) ? sql__bind_expr(binder, &scope, value) : NULL;
            if (exprs[next++] == NULL) {
                return NULL;
            }
        }
    }
    rel->node.values.row_count = rows;
    rel->node.values.exprs = exprs;
    for (uint32_t i = 0; i < count; i++) {
        if (!meet_values(binder, query, rel, exprs, i)) {
            return NULL;
        }
    }
    return rel;
}

/* --- SELECT ------------------------------------------------------------------------------------------------------- */

struct sql_rel *sql__bind_distinct(struct sql_binder *binder, struct sql_place place, struct sql_rel *input)
{
    struct sql_rel *rel = sql__new_rel(binder, EXEC_GROUP, place, 1);
    uint32_t        count = input->node.column_count;
    uint32_t       *keys = sql__alloc_array(binder, count, sizeof(*keys));

    if (rel == NULL || keys == NULL || !sql__make_columns(binder, rel, count)) {
        return NULL;
    }
    rel->node.inputs[0] = &input->node;
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = i;
        sql__set_column(rel, i, input->node.columns[i].name, input->node.columns[i].type, SQL_TIME_NONE);
    }
    rel->node.group.keys = keys;
    rel->node.group.key_count = count;
    return rel;
}

static bool is_grouped(const struct sql_select *select)
{
    bool grouped = select->has_group_by || select->having != NULL;

    for (const struct sql_item *item = select->items; item != NULL && !grouped; item = item->next) {
        grouped = sql__has_aggregate(item->expr);
    }
    return grouped;
}

static bool is_ranked(const struct sql_select *select)
{
    for (const struct sql_item *item = select->items; item != NULL; item = item->next) {
        if (item->expr->kind == SQL_CALL && item->expr->over != NULL &&
            sql__view_is(item->expr->name->text, "ROW_NUMBER")) {
            return true;
        }
    }
    return false;
}

struct sql_rel *sql__bind_select(struct sql_binder *binder, const struct sql_select *select)
{
    struct sql_from    from = {0};
    struct sql_outputs outputs = {0};
    struct sql_rel    *rel;

    if (select->from != NULL && !sql__bind_from(binder, select->from, &from)) {
        return NULL;
    }
    if (!list_outputs(binder, select, &from, &outputs)) {
        return NULL;
    }
    if (from.rel == NULL) {
        from.rel = one_row(binder, select->place);
        if (from.rel == NULL) {
            return NULL;
        }
    }
    if (select->where != NULL) {
        struct sql_scope scope = sql__from_scope(&from);
        struct expr     *condition = sql__bind_condition(binder, &scope, select->where, "WHERE");

        from.rel = condition == NULL ? NULL : sql__new_filter(binder, select->where->place, from.rel, condition);
        if (from.rel == NULL) {
            return NULL;
        }
    }
    if (is_grouped(select)) {
        rel = sql__bind_grouped_select(binder, select, &from, &outputs);
    } else if (is_ranked(select)) {
        rel = sql__bind_ranked_select(binder, select, &from, &outputs);
    } else {
        rel = plain_select(binder, select, &from, &outputs);
    }
    return rel == NULL || !select->distinct ? rel : sql__bind_distinct(binder, select->place, rel);
}

/* --- UNION -------------------------------------------------------------------------------------------------------- */

/* rel with its columns cast to types; itself where they are that already. */
static struct sql_rel *cast_rel(struct sql_binder *binder, struct sql_rel *rel, const struct vec_type *types,
                                struct sql_place place)
{
    uint32_t      count = rel->node.column_count;
    struct expr **exprs = sql__alloc_array(binder, count, sizeof(*exprs));
    struct view  *names = sql__alloc_array(binder, count, sizeof(*names));
    bool          changed = false;

    if (exprs == NULL || names == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct expr *column = sql__column(binder, rel, i);

        names[i] = rel->node.columns[i].name;
        exprs[i] = column == NULL ? NULL : expr_cast(binder->maker, column, types[i], false);
        if (exprs[i] == NULL) {
            sql__fail_maker(binder, place);
            return NULL;
        }
        changed = changed || exprs[i] != column;
    }
    return changed ? sql__new_calc(binder, place, rel, NULL, exprs, names, count) : rel;
}

static bool union_types(struct sql_binder *binder, const struct sql_query *query, const struct sql_rel *left,
                        const struct sql_rel *right, struct vec_type *types)
{
    if (left->node.column_count != right->node.column_count) {
        return sql_fail(binder->error, SQL_ERROR_TYPE, query->right->place,
                        "UNION joins %" PRIu32 " columns with %" PRIu32, left->node.column_count,
                        right->node.column_count);
    }
    for (uint32_t i = 0; i < left->node.column_count; i++) {
        char a[64];
        char b[64];

        types[i] = expr_common_type(left->node.columns[i].type, right->node.columns[i].type);
        if (types[i].kind == VEC_KIND_COUNT) {
            (void)vec_type_format(left->node.columns[i].type, a, sizeof(a));
            (void)vec_type_format(right->node.columns[i].type, b, sizeof(b));
            return sql_fail(binder->error, SQL_ERROR_TYPE, query->right->place,
                            "column %" PRIu32 " of UNION is %s on the left and %s on the right; cast one of them",
                            i + 1, a, b);
        }
    }
    return true;
}

static struct sql_rel *bind_union(struct sql_binder *binder, const struct sql_query *query)
{
    struct sql_rel  *left = sql__bind_query(binder, query->left);
    struct sql_rel  *right = left == NULL ? NULL : sql__bind_query(binder, query->right);
    struct sql_rel  *rel = sql__new_rel(binder, EXEC_UNION, query->place, 2);
    struct vec_type *types;

    if (right == NULL || rel == NULL || !sql__make_columns(binder, rel, left->node.column_count)) {
        return NULL;
    }
    types = sql__alloc_array(binder, left->node.column_count, sizeof(*types));
    if (types == NULL || !union_types(binder, query, left, right, types)) {
        return NULL;
    }
    left = cast_rel(binder, left, types, query->left->place);
    right = left == NULL ? NULL : cast_rel(binder, right, types, query->right->place);
    if (right == NULL) {
        return NULL;
    }
    rel->node.inputs[0] = &left->node;
    rel->node.inputs[1] = &right->node;
    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        sql__set_column(rel, i, left->node.columns[i].name, types[i],
                        left->times[i] == right->times[i] ? left->times[i] : SQL_TIME_NONE);
    }
    return query->set == SQL_SET_UNION ? sql__bind_distinct(binder, query->place, rel) : rel;
}

/* --- queries ------------------------------------------------------------------------------------------------------ */

static struct sql_rel *limit_rel(struct sql_binder *binder, const struct sql_query *query, struct sql_rel *input)
{
    const struct sql_scope scope = {0};
    struct expr           *count = sql__bind_expr(binder, &scope, query->limit);
    struct sql_rel        *rel;
    int64_t                rows;

    if (count == NULL) {
        return NULL;
    }
    count = expr_cast(binder->maker, count, vec_type_of(VEC_BIGINT), false);
    count = count == NULL ? NULL : expr_fold(binder->maker, count);
    rows = count == NULL || count->kind != EXPR_CONSTANT || vec_is_null(&count->constant, 0)
               ? -1
               : *(const int64_t *)count->constant.data;
    if (rows < 0) {
        sql_fail(binder->error, SQL_ERROR_TYPE, query->limit->place, "LIMIT wants a number of rows");
        return NULL;
    }
    rel = sql__new_over(binder, EXEC_LIMIT, query->limit->place, input);
    if (rel != NULL) {
        rel->node.limit.row_count = (uint64_t)rows;
    }
    return rel;
}

static struct sql_rel *bind_body(struct sql_binder *binder, const struct sql_query *query)
{
    struct sql_rel *rel;

    if (query->order != NULL) {
        sql__fail_not_yet(binder, query->order->expr->place, "ORDER BY",
                          "a stream has no end to sort; ROW_NUMBER() OVER (ORDER BY ..) with WHERE number <= n gives "
                          "the first n");
        return NULL;
    }
    if (query->set != SQL_SET_NONE) {
        rel = bind_union(binder, query);
    } else if (query->values != NULL) {
        rel = bind_values(binder, query);
    } else {
        CHECK(query->select != NULL);
        rel = sql__bind_select(binder, query->select);
    }
    return rel == NULL || query->limit == NULL ? rel : limit_rel(binder, query, rel);
}

struct sql_rel *sql__bind_query(struct sql_binder *binder, const struct sql_query *query)
{
    const struct sql_with_names *outer = binder->with;
    struct sql_rel              *rel;

    if (binder->query_depth >= SQL_QUERY_DEPTH_MAX) {
        sql_fail(binder->error, SQL_ERROR_LIMIT, query->place, "queries are nested at most %d deep",
                 SQL_QUERY_DEPTH_MAX);
        return NULL;
    }
    binder->query_depth++;
    for (const struct sql_with *with = query->with; with != NULL; with = with->next) {
        struct sql_with_names *names = sql__alloc(binder, sizeof(*names));

        if (names == NULL) {
            return NULL;
        }
        *names = (struct sql_with_names){.outer = binder->with, .with = with};
        binder->with = names;
    }
    rel = bind_body(binder, query);
    binder->with = outer;
    binder->query_depth--;
    return rel;
}

/* A view is bound when it is made, so that its errors show then, and again wherever it is used. */
bool sql__check_view(struct sql_binder *binder, const struct sql_create_view *view)
{
    struct arena      arena;
    struct expr_maker maker = {.arena = &arena};
    struct sql_binder trial = {.catalog = binder->catalog, .arena = &arena, .maker = &maker, .error = binder->error};
    struct sql_rel   *rel;
    uint32_t          names = 0;

    arena_init(&arena, MEM_COMPUTE, PLAN_BLOCK_BYTES, PLAN_BYTES_MAX);
    rel = sql__bind_query(&trial, view->query);
    for (const struct sql_name *name = view->columns; name != NULL; name = name->next) {
        names++;
    }
    if (rel != NULL && names > 0 && names != rel->node.column_count) {
        (void)sql_fail(binder->error, SQL_ERROR_NAME, view->columns->place,
                       "there are %" PRIu32 " names for %" PRIu32 " columns", names, rel->node.column_count);
    }
    for (uint32_t i = 0; rel != NULL && names == 0 && i < rel->node.column_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (view_equal(rel->node.columns[i].name, rel->node.columns[k].name)) {
                (void)sql_fail(binder->error, SQL_ERROR_NAME, view->query->place,
                               "the view has two columns '%.*s': give one of them another name with AS",
                               (int)rel->node.columns[i].name.len, (const char *)rel->node.columns[i].name.base);
            }
        }
    }
    expr_maker_release(&maker);
    arena_deinit(&arena);
    return binder->error->kind == SQL_OK;
}
