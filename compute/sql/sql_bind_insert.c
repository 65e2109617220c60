/* INSERT: the query's columns into the table's, by position, with the casts that Flink makes. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"
#include <stdio.h>

/* Flink's implicit casts (LogicalTypeCasts): to any number that may hold it, to a text, between timestamps. */
bool sql__cast_stores(struct vec_type from, struct vec_type to)
{
    if (vec_type_equal(from, to) || from.kind == VEC_NULL) {
        return true;
    }
    switch (to.kind) {
    case VEC_CHAR:
        return from.kind == VEC_CHAR;
    case VEC_VARCHAR:
        return vec_kind_is_text(from.kind);
    case VEC_BINARY:
        return from.kind == VEC_BINARY;
    case VEC_VARBINARY:
        return from.kind == VEC_BINARY || from.kind == VEC_VARBINARY;
    case VEC_DECIMAL:
        return vec_kind_is_numeric(from.kind);
    case VEC_TINYINT:
    case VEC_SMALLINT:
    case VEC_INT:
    case VEC_BIGINT:
        return vec_kind_is_integer(from.kind) && from.kind <= to.kind;
    case VEC_FLOAT:
        return vec_kind_is_numeric(from.kind) && from.kind != VEC_DOUBLE;
    case VEC_DOUBLE:
        return vec_kind_is_numeric(from.kind);
    case VEC_DATE:
    case VEC_TIME:
        return from.kind == to.kind || from.kind == VEC_TIMESTAMP;
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        return from.kind == VEC_TIMESTAMP || from.kind == VEC_TIMESTAMP_LTZ;
    case VEC_ROW:
        if (from.kind != VEC_ROW || from.child_count != to.child_count) {
            return false;
        }
        for (uint32_t i = 0; i < to.child_count; i++) {
            if (!sql__cast_stores(from.children[i].type, to.children[i].type)) {
                return false;
            }
        }
        return true;
    case VEC_ARRAY:
        return from.kind == VEC_ARRAY && sql__cast_stores(from.children[0].type, to.children[0].type);
    default:
        return from.kind == to.kind;
    }
}

/* --- which column goes where -------------------------------------------------------------------------------------- */

static uint32_t *persisted(struct sql_binder *binder, const struct sql_table *table, uint32_t *out_count)
{
    uint32_t *columns = sql__alloc_array(binder, table->column_count, sizeof(*columns));

    *out_count = 0;
    for (uint32_t i = 0; columns != NULL && i < table->column_count; i++) {
        if (sql__is_persisted(&table->columns[i])) {
            columns[(*out_count)++] = i;
        }
    }
    return columns;
}

static bool check_metadata(struct sql_binder *binder, const struct sql_table *table, struct sql_place place)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct sql_table_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_METADATA && !column->is_virtual && column->metadata != SQL_METADATA_TIMESTAMP) {
            return sql_fail(binder->error, SQL_ERROR_PLAN, place,
                            "metadata column '%.*s' can be read only: declare it METADATA VIRTUAL to write to '%.*s'",
                            (int)column->name.len, (const char *)column->name.base, (int)table->name.len,
                            (const char *)table->name.base);
        }
    }
    return true;
}

/* sources[i]: the query's column for the i-th written one, EXEC_NO_COLUMN where INSERT INTO t (..) leaves it out. */
static bool match_columns(struct sql_binder *binder, const struct sql_insert *insert, const struct sql_table *table,
                          const uint32_t *written, uint32_t count, uint32_t *sources)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < count; i++) {
        sources[i] = insert->columns == NULL ? i : EXEC_NO_COLUMN;
    }
    for (const struct sql_name *name = insert->columns; name != NULL; name = name->next, next++) {
        uint32_t at = 0;

        while (at < count && !view_equal(table->columns[written[at]].name, name->text)) {
            at++;
        }
        if (at == count || sources[at] != EXEC_NO_COLUMN) {
            return sql_fail(binder->error, SQL_ERROR_NAME, name->place,
                            at == count ? "'%.*s' has no column '%.*s' to write to"
                                        : "'%.*s': column '%.*s' is given twice",
                            (int)table->name.len, (const char *)table->name.base, (int)name->text.len,
                            (const char *)name->text.base);
        }
        sources[at] = next;
    }
    return true;
}

/* "[a: INT, b: STRING]", shortened. */
static void format_schema(char *text, size_t capacity, const struct vec_field *columns, uint32_t count)
{
    size_t len = 0;
    char   type[64];

    for (uint32_t i = 0; i < count && len + 1 < capacity; i++) {
        int wrote;

        (void)vec_type_format(columns[i].type, type, sizeof(type));
        wrote = snprintf(text + len, capacity - len, "%s%.*s: %s", i == 0 ? "[" : ", ", (int)columns[i].name.len,
                         (const char *)columns[i].name.base, type);
        CHECK(wrote >= 0);
        len += (size_t)wrote;
    }
    if (len + 1 < capacity) {
        (void)snprintf(text + len, capacity - len, "]");
    } else {
        memcpy(text + capacity - 5, "...]", 5);
    }
}

static bool mismatch(struct sql_binder *binder, const struct sql_insert *insert, const struct sql_rel *query,
                     const struct sql_table *table, const char *cause)
{
    char              query_schema[160];
    char              sink_schema[160];
    uint32_t          count;
    uint32_t         *written = persisted(binder, table, &count);
    struct vec_field *fields = sql__alloc_array(binder, count, sizeof(*fields));

    if (written == NULL || fields == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        fields[i] =
            (struct vec_field){.name = table->columns[written[i]].name, .type = table->columns[written[i]].type};
    }
    format_schema(query_schema, sizeof(query_schema), query->node.columns, query->node.column_count);
    format_schema(sink_schema, sizeof(sink_schema), fields, count);
    return sql_fail(binder->error, SQL_ERROR_TYPE, insert->place,
                    "the query does not fit '%.*s': %s; query schema: %s; sink schema: %s", (int)table->name.len,
                    (const char *)table->name.base, cause, query_schema, sink_schema);
}

/* Names of fields are the target's, whatever they were. */
static bool same_but_names(struct vec_type a, struct vec_type b)
{
    if (a.kind != b.kind || a.child_count != b.child_count) {
        return false;
    }
    if (a.child_count == 0) {
        return vec_type_equal(a, b);
    }
    for (uint32_t i = 0; i < a.child_count; i++) {
        if (!same_but_names(a.children[i].type, b.children[i].type)) {
            return false;
        }
    }
    return true;
}

/* A row whose fields have other names is stored as it is. NULL with a message in the maker. */
static struct expr *cast_stored(struct sql_binder *binder, struct expr *value, struct vec_type type)
{
    struct expr *made;

    if (type.child_count == 0 || vec_type_equal(value->type, type) || !same_but_names(value->type, type)) {
        return expr_cast(binder->maker, value, type, false);
    }
    made = expr_rebuild(binder->maker, value, value->arguments);
    if (made != NULL) {
        type.nullable = value->type.nullable;
        made->type = type;
    }
    return made;
}

/* One written column's expression over the query's row. */
static struct expr *stored(struct sql_binder *binder, const struct sql_insert *insert, const struct sql_rel *query,
                           const struct sql_table *table, const struct sql_table_column *column, uint32_t source)
{
    struct expr *value;
    char         cause[160];

    if (source == EXEC_NO_COLUMN) {
        if (!column->type.nullable) {
            sql_fail(binder->error, SQL_ERROR_TYPE, insert->place,
                     "column '%.*s' is NOT NULL and INSERT gives it no value", (int)column->name.len,
                     (const char *)column->name.base);
            return NULL;
        }
        return expr_null(binder->maker, column->type);
    }
    value = sql__column(binder, query, source);
    if (value == NULL) {
        return NULL;
    }
    if (!sql__cast_stores(value->type, column->type)) {
        (void)snprintf(cause, sizeof(cause), "column '%.*s' at position %" PRIu32 " is of another type",
                       (int)MIN(column->name.len, 64), (const char *)column->name.base, source);
        (void)mismatch(binder, insert, query, table, cause);
        return NULL;
    }
    return cast_stored(binder, value, column->type);
}

/* 'table.exec.sink.not-null-enforcer' = 'DROP': rows with a null in a column that is NOT NULL are left out. */
static bool drop_nulls(struct sql_binder *binder, const struct sql_table *table, const uint32_t *written,
                       struct expr *const *exprs, uint32_t count, struct expr **out_condition)
{
    struct sql_exprs wanted = {0};

    if (!sql__view_is(sql_catalog_setting(binder->catalog, "table.exec.sink.not-null-enforcer"), "DROP")) {
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct expr *value = exprs[i];

        if (table->columns[written[i]].type.nullable || !value->type.nullable) {
            continue;
        }
        value = sql__call(binder, (struct sql_place){0}, "IS NOT NULL", &value, 1);
        if (value == NULL || !sql__add_expr(binder, &wanted, value)) {
            return false;
        }
    }
    return sql__all_of(binder, &wanted, out_condition);
}

static struct sql_rel *cast_to_table(struct sql_binder *binder, const struct sql_insert *insert, struct sql_rel *query,
                                     const struct sql_table *table)
{
    uint32_t      count;
    uint32_t     *written = persisted(binder, table, &count);
    uint32_t     *sources = sql__alloc_array(binder, count, sizeof(*sources));
    struct expr **exprs = sql__alloc_array(binder, count, sizeof(*exprs));
    struct view  *names = sql__alloc_array(binder, count, sizeof(*names));
    struct expr  *condition = NULL;
    uint32_t      given = 0;

    if (written == NULL || sources == NULL || exprs == NULL || names == NULL ||
        !match_columns(binder, insert, table, written, count, sources)) {
        return NULL;
    }
    for (const struct sql_name *name = insert->columns; name != NULL; name = name->next) {
        given++;
    }
    if ((insert->columns == NULL ? count : given) != query->node.column_count) {
        (void)mismatch(binder, insert, query, table, "the number of columns differs");
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = table->columns[written[i]].name;
        exprs[i] = stored(binder, insert, query, table, &table->columns[written[i]], sources[i]);
        if (exprs[i] == NULL) {
            sql__fail_maker(binder, insert->place);
            return NULL;
        }
    }
    if (!drop_nulls(binder, table, written, exprs, count, &condition)) {
        return NULL;
    }
    return sql__new_calc(binder, insert->place, query, condition, exprs, names, count);
}

/* --- the sink ----------------------------------------------------------------------------------------------------- */

static bool set_key(struct sql_binder *binder, const struct sql_table *table, struct exec_sink *sink)
{
    uint32_t *keys = sql__alloc_array(binder, table->primary_key_count, sizeof(*keys));

    if (keys == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < table->primary_key_count; i++) {
        keys[i] = 0;
        for (uint32_t k = 0; k < table->primary_key[i]; k++) {
            keys[i] += sql__is_persisted(&table->columns[k]);
        }
    }
    sink->keys = keys;
    sink->key_count = table->primary_key_count;
    sink->is_upsert = table->connector == SQL_CONNECTOR_UPSERT_KAFKA;
    return true;
}

/* As the table declares them: NOT NULL is checked when rows arrive. */
static bool set_columns(const struct sql_table *table, struct sql_rel *rel)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < table->column_count; i++) {
        if (sql__is_persisted(&table->columns[i])) {
            sql__set_column(rel, next++, table->columns[i].name, table->columns[i].type, SQL_TIME_NONE);
        }
    }
    return next == rel->node.column_count;
}

struct sql_rel *sql__bind_insert(struct sql_binder *binder, const struct sql_insert *insert)
{
    struct sql_object *object;
    struct view        name;
    struct sql_rel    *query;
    struct sql_rel    *rel;

    if (!sql__object_name(binder->error, insert->table, &name)) {
        return NULL;
    }
    object = sql__find_object(binder->catalog, name);
    if (object == NULL || object->table == NULL) {
        (void)(object == NULL
                   ? sql__no_object(binder->catalog, insert->table, "table", binder->error)
                   : sql_fail(binder->error, SQL_ERROR_PLAN, sql__name_place(insert->table),
                              "'%.*s' is a view: INSERT wants a table", (int)name.len, (const char *)name.base));
        return NULL;
    }
    if (!check_metadata(binder, object->table, sql__name_place(insert->table))) {
        return NULL;
    }
    query = sql__bind_query(binder, insert->query);
    query = query == NULL ? NULL : cast_to_table(binder, insert, query, object->table);
    rel = query == NULL ? NULL : sql__new_rel(binder, EXEC_SINK, sql__name_place(insert->table), 1);
    if (rel == NULL || !set_key(binder, object->table, &rel->node.sink)) {
        return NULL;
    }
    rel->table = object->table;
    rel->node.inputs[0] = &query->node;
    return sql__make_columns(binder, rel, query->node.column_count) && set_columns(object->table, rel) ? rel : NULL;
}
