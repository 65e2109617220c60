/* FROM: tables, views, queries, windows, joins, UNNEST. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"
#include <stdio.h>

/* --- tables, views, WITH ------------------------------------------------------------------------------------------ */

/* New names for the columns of rel: AS t (a, b), CREATE VIEW v (a, b). */
static struct sql_rel *rename_columns(struct sql_binder *binder, struct sql_rel *rel, const struct sql_name *names)
{
    struct sql_rel *named = sql__new_filter(binder, names->place, rel, NULL);
    uint32_t        i = 0;

    for (const struct sql_name *name = names; named != NULL && name != NULL; name = name->next, i++) {
        if (i < named->node.column_count) {
            sql__set_column(named, i, name->text, named->node.columns[i].type, named->times[i]);
        }
    }
    if (named != NULL && i != named->node.column_count) {
        sql_fail(binder->error, SQL_ERROR_NAME, names->place, "there are %" PRIu32 " names for %" PRIu32 " columns", i,
                 named->node.column_count);
        return NULL;
    }
    return named;
}

/* An error inside of a view is shown where the view is used. */
static void fail_in_view(struct sql_binder *binder, struct view name, struct sql_place place)
{
    struct sql_error *error = binder->error;
    char              message[SQL_MESSAGE_BYTES];
    int               wrote;

    memcpy(message, error->message, sizeof(message));
    wrote = snprintf(error->message, sizeof(error->message), "in view '%.*s': ", (int)MIN(name.len, 64),
                     (const char *)name.base);
    CHECK(wrote > 0 && (size_t)wrote < sizeof(error->message));
    message[sizeof(message) - 1 - (size_t)wrote] = '\0';
    memcpy(error->message + wrote, message, strlen(message) + 1);
    error->place = place;
}

static struct sql_rel *bind_view(struct sql_binder *binder, const struct sql_object *object, struct sql_place place)
{
    const struct sql_binder outer = *binder;
    struct sql_rel         *rel;

    if (!binder->in_view) {
        binder->in_view = true;
        binder->view_place = place;
    }
    binder->with = NULL;
    rel = sql__bind_query(binder, object->view->query);
    if (rel != NULL && object->view->columns != NULL) {
        rel = rename_columns(binder, rel, object->view->columns);
    }
    binder->in_view = outer.in_view;
    binder->view_place = outer.view_place;
    binder->with = outer.with;
    if (rel == NULL) {
        fail_in_view(binder, object->name, place);
    }
    return rel;
}

static struct sql_rel *bind_with(struct sql_binder *binder, const struct sql_with_names *found)
{
    const struct sql_with_names *outer = binder->with;
    struct sql_rel              *rel;

    binder->with = found->outer; /* a query sees those before it */
    rel = sql__bind_query(binder, found->with->query);
    binder->with = outer;
    return rel;
}

static struct sql_rel *bind_named(struct sql_binder *binder, const struct sql_name *path)
{
    struct sql_object *object;
    struct view        name;

    for (const struct sql_with_names *names = binder->with; names != NULL && path->next == NULL; names = names->outer) {
        if (view_equal(names->with->name->text, path->text)) {
            return bind_with(binder, names);
        }
    }
    if (!sql__object_name(binder->error, path, &name)) {
        return NULL;
    }
    object = binder->catalog == NULL ? NULL : sql__find_object(binder->catalog, name);
    if (object == NULL) {
        (void)(binder->catalog == NULL ? sql_fail(binder->error, SQL_ERROR_NAME, path->place, "there are no tables")
                                       : sql__no_object(binder->catalog, path, "table or view", binder->error));
        return NULL;
    }
    return object->table != NULL ? sql__table_rel(binder, object->table, sql__name_place(path))
                                 : bind_view(binder, object, sql__name_place(path));
}

static struct view last_name(const struct sql_name *path)
{
    while (path->next != NULL) {
        path = path->next;
    }
    return path->text;
}

/* One item over all columns of rel. */
static bool single(struct sql_binder *binder, const struct sql_source *source, struct sql_rel *rel, struct view alias,
                   struct sql_from *out_from)
{
    struct sql_scope_item *item = sql__alloc(binder, sizeof(*item));

    if (rel == NULL || item == NULL) {
        return false;
    }
    if (source->alias_columns != NULL) {
        rel = rename_columns(binder, rel, source->alias_columns);
        if (rel == NULL) {
            return false;
        }
    }
    *item = (struct sql_scope_item){.alias = source->alias == NULL ? alias : source->alias->text,
                                    .count = rel->node.column_count};
    *out_from = (struct sql_from){.rel = rel, .item_count = 1, .items = item};
    return true;
}

static bool bind_table(struct sql_binder *binder, const struct sql_source *source, struct sql_from *out_from)
{
    if (source->hints != NULL) {
        return sql_fail(binder->error, SQL_ERROR_UNSUPPORTED, source->hints->place,
                        "Flink has hints, Millrace not yet: '%.*s' is not supported", (int)source->hints->name.len,
                        (const char *)source->hints->name.base);
    }
    if (source->as_of != NULL) {
        return sql__fail_not_yet(binder, source->place, "FOR SYSTEM_TIME AS OF (temporal and lookup joins)", "");
    }
    return single(binder, source, bind_named(binder, source->name), last_name(source->name), out_from);
}

/* --- joins -------------------------------------------------------------------------------------------------------- */

static bool concat_items(struct sql_binder *binder, const struct sql_from *left, const struct sql_from *right,
                         struct sql_from *out_from)
{
    uint32_t               count = left->item_count + right->item_count;
    struct sql_scope_item *items = sql__alloc_array(binder, count, sizeof(*items));

    if (items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i] = i < left->item_count ? left->items[i] : right->items[i - left->item_count];
        if (i >= left->item_count) {
            items[i].first += left->rel->node.column_count;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (items[i].alias.base != NULL && items[k].alias.base != NULL &&
                view_equal(items[i].alias, items[k].alias)) {
                return sql_fail(binder->error, SQL_ERROR_NAME,
                                (struct sql_place){right->rel->node.place.offset, right->rel->node.place.len},
                                "two tables are called '%.*s': give one of them another name with AS",
                                (int)items[i].alias.len, (const char *)items[i].alias.base);
            }
        }
    }
    out_from->item_count = count;
    out_from->items = items;
    return true;
}

/* CROSS JOIN UNNEST(array of the left) [WITH ORDINALITY] AS t (a, b) */
static bool bind_unnest(struct sql_binder *binder, const struct sql_source *join, const struct sql_from *left,
                        struct sql_from *out_from);

static bool bind_join(struct sql_binder *binder, const struct sql_source *source, struct sql_from *out_from)
{
    struct sql_from  left;
    struct sql_from  right;
    struct sql_scope scope;

    if (!sql__bind_from(binder, source->left, &left)) {
        return false;
    }
    if (source->right->kind == SQL_SOURCE_UNNEST) {
        return bind_unnest(binder, source, &left, out_from);
    }
    if (source->join != SQL_JOIN_INNER && source->join != SQL_JOIN_CROSS) {
        return sql__fail_not_yet(binder, source->place, "outer joins", "INNER JOIN is there");
    }
    if (!sql__bind_from(binder, source->right, &right) || !concat_items(binder, &left, &right, out_from)) {
        return false;
    }
    out_from->rel = sql__new_join(binder, source->place, left.rel, right.rel);
    if (out_from->rel == NULL) {
        return false;
    }
    if (source->on != NULL) {
        scope = sql__from_scope(out_from);
        out_from->rel->node.join.condition = sql__bind_condition(binder, &scope, source->on, "ON");
        return out_from->rel->node.join.condition != NULL;
    }
    return true;
}

/* The array as a column: input itself where it is one. */
static struct sql_rel *with_array(struct sql_binder *binder, const struct sql_from *left, const struct sql_expr *ast,
                                  uint32_t *out_column)
{
    struct sql_scope scope = sql__from_scope(left);
    struct expr     *array = sql__bind_expr(binder, &scope, ast);
    uint32_t         count = left->rel->node.column_count;
    struct expr    **exprs;
    struct view     *names;

    if (array == NULL) {
        return NULL;
    }
    if (array->type.kind != VEC_ARRAY) {
        char type[64];

        (void)vec_type_format(array->type, type, sizeof(type));
        sql_fail(binder->error, SQL_ERROR_TYPE, ast->place, "UNNEST wants an ARRAY, not %s", type);
        return NULL;
    }
    *out_column = array->index;
    if (array->kind == EXPR_COLUMN) {
        return left->rel;
    }
    exprs = sql__alloc_array(binder, count + 1, sizeof(*exprs));
    names = sql__alloc_array(binder, count + 1, sizeof(*names));
    if (exprs == NULL || names == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        exprs[i] = sql__column(binder, left->rel, i);
        names[i] = left->rel->node.columns[i].name;
    }
    exprs[count] = array;
    names[count] = view_text("$array");
    *out_column = count;
    return sql__new_calc(binder, ast->place, left->rel, NULL, exprs, names, count + 1);
}

static struct sql_rel *new_unnest(struct sql_binder *binder, const struct sql_source *source, struct sql_rel *input,
                                  uint32_t column)
{
    struct sql_rel *rel = sql__new_rel(binder, EXEC_UNNEST, source->place, 1);
    struct vec_type element = input->node.columns[column].type.children[0].type;
    bool            is_row = element.kind == VEC_ROW;
    uint32_t        first = input->node.column_count;
    uint32_t        count = (is_row ? element.child_count : 1) + source->with_ordinality;
    struct vec_type ordinality = vec_type_of(VEC_INT);

    if (rel == NULL || !sql__make_columns(binder, rel, first + count)) {
        return NULL;
    }
    rel->node.inputs[0] = &input->node;
    rel->node.unnest.column = column;
    rel->node.unnest.with_ordinality = source->with_ordinality;
    for (uint32_t i = 0; i < first; i++) {
        sql__set_column(rel, i, input->node.columns[i].name, input->node.columns[i].type, input->times[i]);
    }
    for (uint32_t i = 0; is_row && i < element.child_count; i++) {
        struct vec_type type = element.children[i].type;

        type.nullable = type.nullable || element.nullable;
        sql__set_column(rel, first + i, element.children[i].name, type, SQL_TIME_NONE);
    }
    if (!is_row) {
        sql__set_column(rel, first, view_text("EXPR$0"), element, SQL_TIME_NONE);
    }
    if (source->with_ordinality) {
        ordinality.nullable = false;
        sql__set_column(rel, first + count - 1, view_text("ORDINALITY"), ordinality, SQL_TIME_NONE);
    }
    rel->windows = input->windows;
    return rel;
}

static bool is_true(const struct sql_expr *expr)
{
    return expr == NULL || (expr->kind == SQL_BOOLEAN && expr->flag);
}

static bool bind_unnest(struct sql_binder *binder, const struct sql_source *join, const struct sql_from *left,
                        struct sql_from *out_from)
{
    const struct sql_source *source = join->right;
    const struct sql_name   *name = source->alias_columns;
    struct sql_scope_item   *items = sql__alloc_array(binder, left->item_count + 1, sizeof(*items));
    struct sql_rel          *rel;
    uint32_t                 column = 0;
    uint32_t                 first;

    if (items == NULL) {
        return false;
    }
    if (join->join == SQL_JOIN_RIGHT || join->join == SQL_JOIN_FULL || !is_true(join->on)) {
        return sql__fail_not_yet(binder, join->place, "joins of this kind with UNNEST",
                                 "CROSS JOIN UNNEST(..), and LEFT JOIN UNNEST(..) ON TRUE, are there");
    }
    rel = with_array(binder, left, source->unnest, &column);
    if (rel == NULL) {
        return false;
    }
    first = rel->node.column_count;
    rel = new_unnest(binder, source, rel, column);
    if (rel == NULL) {
        return false;
    }
    rel->node.unnest.keeps_unmatched = join->join == SQL_JOIN_LEFT;
    for (uint32_t i = first; i < rel->node.column_count; i++) {
        struct vec_type type = rel->node.columns[i].type;

        type.nullable = type.nullable || rel->node.unnest.keeps_unmatched;
        sql__set_column(rel, i, name == NULL ? rel->node.columns[i].name : name->text, type, SQL_TIME_NONE);
        name = name == NULL ? NULL : name->next;
        if (source->alias_columns != NULL && (name == NULL) != (i + 1 == rel->node.column_count)) {
            return sql_fail(binder->error, SQL_ERROR_NAME, source->alias_columns->place,
                            "the elements have %" PRIu32 " columns: name all of them or none",
                            rel->node.column_count - first);
        }
    }
    memcpy(items, left->items, left->item_count * sizeof(*items));
    items[left->item_count] =
        (struct sql_scope_item){.alias = source->alias == NULL ? (struct view){0} : source->alias->text,
                                .first = first,
                                .count = rel->node.column_count - first};
    *out_from = (struct sql_from){.rel = rel, .item_count = left->item_count + 1, .items = items};
    return true;
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static bool bind_source(struct sql_binder *binder, const struct sql_source *source, struct sql_from *out_from)
{
    struct sql_rel *rel;

    switch (source->kind) {
    case SQL_SOURCE_TABLE:
        return bind_table(binder, source, out_from);
    case SQL_SOURCE_QUERY:
        return single(binder, source, sql__bind_query(binder, source->query), (struct view){0}, out_from);
    case SQL_SOURCE_WINDOW:
        rel = bind_named(binder, source->name);
        return rel != NULL && single(binder, source, sql__bind_window(binder, source, rel), (struct view){0}, out_from);
    case SQL_SOURCE_JOIN:
        return bind_join(binder, source, out_from);
    case SQL_SOURCE_UNNEST:
        return sql__fail_not_yet(binder, source->place, "UNNEST without a table",
                                 "t CROSS JOIN UNNEST(t.array) is "
                                 "there");
    }
    return false;
}

bool sql__bind_from(struct sql_binder *binder, const struct sql_source *source, struct sql_from *out_from)
{
    bool bound;

    if (binder->query_depth >= SQL_QUERY_DEPTH_MAX) {
        return sql_fail(binder->error, SQL_ERROR_LIMIT, source->place, "queries are nested at most %d deep",
                        SQL_QUERY_DEPTH_MAX);
    }
    binder->query_depth++;
    bound = bind_source(binder, source, out_from);
    binder->query_depth--;
    return bound;
}
