/* CREATE TABLE: columns, watermark, primary key; checked when the table is made, not when it is used. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

#define WATERMARK_PRECISION_MAX 3

/* --- metadata ----------------------------------------------------------------------------------------------------- */

static const char *const metadata_names[] = {
    [SQL_METADATA_NONE] = "",
    [SQL_METADATA_TOPIC] = "topic",
    [SQL_METADATA_PARTITION] = "partition",
    [SQL_METADATA_OFFSET] = "offset",
    [SQL_METADATA_TIMESTAMP] = "timestamp",
    [SQL_METADATA_TIMESTAMP_TYPE] = "timestamp-type",
    [SQL_METADATA_LEADER_EPOCH] = "leader-epoch",
    [SQL_METADATA_HEADERS] = "headers",
};

const char *sql__metadata_name(enum sql_metadata metadata)
{
    return metadata_names[metadata];
}

struct vec_type sql__metadata_type(enum sql_metadata metadata)
{
    struct vec_type type = vec_type_of(VEC_VARCHAR);

    switch (metadata) {
    case SQL_METADATA_PARTITION:
    case SQL_METADATA_LEADER_EPOCH:
        type = vec_type_of(VEC_INT);
        break;
    case SQL_METADATA_OFFSET:
        type = vec_type_of(VEC_BIGINT);
        break;
    case SQL_METADATA_TIMESTAMP:
        type = vec_type_timestamp(VEC_TIMESTAMP_LTZ, 3);
        break;
    default:
        break;
    }
    type.nullable = metadata == SQL_METADATA_LEADER_EPOCH;
    return type;
}

bool sql__is_persisted(const struct sql_table_column *column)
{
    return column->kind == SQL_COLUMN_PHYSICAL || (column->kind == SQL_COLUMN_METADATA && !column->is_virtual);
}

static bool bind_metadata(struct sql_binder *binder, const struct sql_table *table, const struct sql_column *column,
                          struct sql_table_column *out_column)
{
    struct view  key = column->metadata_key.base == NULL ? column->name->text : column->metadata_key;
    struct view  candidates[COUNT_OF(metadata_names)];
    struct view  near;
    struct expr *value;

    if (table->connector > SQL_CONNECTOR_UPSERT_KAFKA) {
        return sql_fail(binder->error, SQL_ERROR_NAME, column->name->place, "this connector has no metadata columns");
    }
    if (view_equal(key, view_text("headers"))) {
        return sql__fail_not_yet(binder, column->name->place, "the metadata 'headers'", "");
    }
    for (size_t i = 1; i < COUNT_OF(metadata_names); i++) {
        candidates[i - 1] = view_text(metadata_names[i]);
        if (!view_equal(key, candidates[i - 1])) {
            continue;
        }
        out_column->metadata = (enum sql_metadata)i;
        out_column->is_virtual = column->is_virtual;
        value = expr_column(binder->maker, 0, sql__metadata_type(out_column->metadata));
        if (value == NULL || expr_cast(binder->maker, value, column->type.type, false) == NULL) {
            return sql__fail_maker(binder, column->type.place);
        }
        return true;
    }
    near = sql_nearest(key, candidates, COUNT_OF(metadata_names) - 1);
    return sql_fail(binder->error, SQL_ERROR_NAME, column->name->place, "there is no metadata '%.*s'%s%.*s%s",
                    (int)MIN(key.len, 64), (const char *)key.base, near.base == NULL ? "" : "; did you mean '",
                    near.base == NULL ? 0 : (int)near.len, near.base == NULL ? "" : (const char *)near.base,
                    near.base == NULL ? "" : "'?");
}

/* --- columns ------------------------------------------------------------------------------------------------------ */

static int find_column(const struct sql_table *table, struct view name)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (view_equal(table->columns[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

static bool declare_columns(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table)
{
    struct sql_table_column *columns;
    uint32_t                 count = 0;

    for (const struct sql_column *column = create->columns; column != NULL; column = column->next) {
        if (++count > SQL_COLUMNS_MAX) {
            return sql_fail(binder->error, SQL_ERROR_LIMIT, column->name->place, "a table has at most %d columns",
                            SQL_COLUMNS_MAX);
        }
    }
    columns = sql__alloc_array(binder, count, sizeof(*columns));
    if (columns == NULL) {
        return false;
    }
    table->columns = columns;
    for (const struct sql_column *column = create->columns; column != NULL; column = column->next) {
        struct sql_table_column *made = &columns[table->column_count];

        if (find_column(table, column->name->text) >= 0) {
            return sql_fail(binder->error, SQL_ERROR_NAME, column->name->place, "there are two columns '%.*s'",
                            (int)column->name->text.len, (const char *)column->name->text.base);
        }
        *made = (struct sql_table_column){
            .name = column->name->text, .type = column->type.type, .kind = column->kind, .expr = column->expr};
        if (column->kind == SQL_COLUMN_METADATA && !bind_metadata(binder, table, column, made)) {
            return false;
        }
        table->column_count++;
    }
    return true;
}

/* Computed columns see the others, but not each other (Flink: MergeTableLikeUtil). */
static bool type_computed(struct sql_binder *binder, struct sql_table *table)
{
    struct vec_field        *fields = sql__alloc_array(binder, table->column_count, sizeof(*fields));
    struct sql_table_column *columns = sql__alloc_array(binder, table->column_count, sizeof(*columns));
    struct sql_scope_item    item = {.count = table->column_count};
    struct sql_scope scope = {.column_count = table->column_count, .columns = fields, .item_count = 1, .items = &item};

    if (fields == NULL || columns == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        columns[i] = table->columns[i];
        if (columns[i].kind != SQL_COLUMN_COMPUTED) {
            fields[i] = (struct vec_field){.name = columns[i].name, .type = columns[i].type};
        }
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (columns[i].kind == SQL_COLUMN_COMPUTED) {
            const struct expr *expr = sql__bind_expr(binder, &scope, columns[i].expr);

            if (expr == NULL) {
                return false;
            }
            columns[i].type = expr->type;
        }
    }
    table->columns = columns;
    return true;
}

/* --- watermark and key -------------------------------------------------------------------------------------------- */

static bool is_time(struct vec_type type)
{
    return (type.kind == VEC_TIMESTAMP || type.kind == VEC_TIMESTAMP_LTZ) && type.precision <= WATERMARK_PRECISION_MAX;
}

static bool bind_watermark(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table)
{
    struct vec_field     *fields = sql__alloc_array(binder, table->column_count, sizeof(*fields));
    struct sql_scope_item item = {.count = table->column_count};
    struct sql_scope scope = {.column_count = table->column_count, .columns = fields, .item_count = 1, .items = &item};
    const struct expr *expr;
    char               type[64];

    table->watermark_column = EXEC_NO_COLUMN;
    if (fields == NULL || create->watermark == NULL) {
        return fields != NULL;
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        fields[i] = (struct vec_field){.name = table->columns[i].name, .type = table->columns[i].type};
    }
    if (create->watermark_column->next != NULL) {
        return sql__fail_not_yet(binder, sql__name_place(create->watermark_column), "watermarks of fields of a row",
                                 "declare a computed column (t AS row.field) and WATERMARK FOR it");
    }
    if (!sql__find_column(binder, &scope, create->watermark_column, &table->watermark_column)) {
        return false;
    }
    if (!is_time(fields[table->watermark_column].type)) {
        (void)vec_type_format(fields[table->watermark_column].type, type, sizeof(type));
        return sql_fail(binder->error, SQL_ERROR_TYPE, create->watermark_column->place,
                        "a watermark wants a column of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), p from 0 to 3, not %s",
                        type);
    }
    expr = sql__bind_expr(binder, &scope, create->watermark);
    if (expr == NULL) {
        return false;
    }
    if (!is_time(expr->type)) {
        (void)vec_type_format(expr->type, type, sizeof(type));
        return sql_fail(binder->error, SQL_ERROR_TYPE, create->watermark->place,
                        "the watermark is a TIMESTAMP(p) or TIMESTAMP_LTZ(p), p from 0 to 3, not %s", type);
    }
    table->watermark = create->watermark;
    return true;
}

static bool bind_primary_key(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table)
{
    struct sql_table_column *columns = (struct sql_table_column *)(uintptr_t)table->columns;
    uint32_t                *key;
    uint32_t                 count = 0;

    if (create->primary_key != NULL && create->primary_key_enforced) {
        return sql_fail(binder->error, SQL_ERROR_UNSUPPORTED, create->primary_key_place,
                        "a PRIMARY KEY is NOT ENFORCED: write PRIMARY KEY (..) NOT ENFORCED");
    }
    if (create->primary_key != NULL && table->connector == SQL_CONNECTOR_KAFKA) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, create->primary_key_place,
                        "'kafka' tables have no PRIMARY KEY: a topic of inserts cannot keep it; 'upsert-kafka' can");
    }
    for (const struct sql_name *name = create->primary_key; name != NULL; name = name->next) {
        count++;
    }
    key = sql__alloc_array(binder, count, sizeof(*key));
    if (key == NULL) {
        return false;
    }
    table->primary_key = key;
    for (const struct sql_name *name = create->primary_key; name != NULL; name = name->next) {
        int column = find_column(table, name->text);

        if (column < 0 || columns[column].kind != SQL_COLUMN_PHYSICAL) {
            return sql_fail(binder->error, SQL_ERROR_NAME, name->place,
                            column < 0 ? "there is no column '%.*s' in the table"
                                       : "the PRIMARY KEY is made of physical columns, and '%.*s' is none",
                            (int)name->text.len, (const char *)name->text.base);
        }
        for (uint32_t i = 0; i < table->primary_key_count; i++) {
            if (key[i] == (uint32_t)column) {
                return sql_fail(binder->error, SQL_ERROR_NAME, name->place, "'%.*s' stands in the key twice",
                                (int)name->text.len, (const char *)name->text.base);
            }
        }
        columns[column].type.nullable = false;
        key[table->primary_key_count++] = (uint32_t)column;
    }
    if (count == 0 && table->connector == SQL_CONNECTOR_UPSERT_KAFKA) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, sql__name_place(create->name),
                        "'upsert-kafka' tables want a PRIMARY KEY: it is the record's key");
    }
    return true;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

/* 'key.fields' = 'a;b' */
static bool mark_key_fields(struct sql_binder *binder, const struct sql_create_table *create,
                            const struct sql_table *table, struct sql_table_column *columns)
{
    struct view fields = sql_table_option(table, "key.fields");

    while (fields.base != NULL && fields.len > 0) {
        const uint8_t *mark = memchr(fields.base, ';', fields.len);
        size_t         len = mark == NULL ? fields.len : (size_t)(mark - fields.base);
        int            column = find_column(table, view_of(fields.base, len));

        if (column < 0 || columns[column].kind != SQL_COLUMN_PHYSICAL) {
            return sql_fail(binder->error, SQL_ERROR_NAME, sql__name_place(create->name),
                            "'key.fields' names '%.*s', which is no physical column of the table", (int)MIN(len, 64),
                            (const char *)fields.base);
        }
        columns[column].is_key = true;
        fields = view_of(fields.base + len + (mark != NULL), fields.len - len - (mark != NULL));
    }
    return true;
}

static bool check_format(struct sql_binder *binder, const struct sql_create_table *create,
                         const struct sql_table *table, bool key)
{
    struct vec_field *fields = sql__alloc_array(binder, table->column_count, sizeof(*fields));
    char              message[FORMAT_MESSAGE_BYTES];
    uint32_t          count = 0;

    for (uint32_t i = 0; fields != NULL && i < table->column_count; i++) {
        if (table->columns[i].kind == SQL_COLUMN_PHYSICAL &&
            (key ? table->columns[i].is_key : table->columns[i].is_value)) {
            fields[count++] = (struct vec_field){.name = table->columns[i].name, .type = table->columns[i].type};
        }
    }
    if (fields != NULL && !format_check_schema(key ? &table->key_format : &table->format, fields, count, message)) {
        return sql_fail(binder->error, SQL_ERROR_TYPE, sql__name_place(create->name), "%s", message);
    }
    return fields != NULL;
}

static bool bind_records(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table)
{
    struct sql_table_column *columns = (struct sql_table_column *)(uintptr_t)table->columns;
    bool all = !view_equal(sql_table_option(table, "value.fields-include"), view_text("EXCEPT_KEY"));

    if (sql_table_option(table, "key.fields-prefix").base != NULL) {
        return sql__fail_not_yet(binder, sql__name_place(create->name), "'key.fields-prefix'", "");
    }
    if (table->connector == SQL_CONNECTOR_UPSERT_KAFKA) {
        for (uint32_t i = 0; i < table->primary_key_count; i++) {
            columns[table->primary_key[i]].is_key = true;
        }
    } else if (!mark_key_fields(binder, create, table, columns)) {
        return false;
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        columns[i].is_value = columns[i].kind == SQL_COLUMN_PHYSICAL && (all || !columns[i].is_key);
    }
    return (!table->has_format || check_format(binder, create, table, false)) &&
           (!table->has_key_format || check_format(binder, create, table, true));
}

struct sql_table *sql__bind_table(struct sql_binder *binder, const struct sql_create_table *create)
{
    struct sql_table *table = sql__alloc(binder, sizeof(*table));

    if (table == NULL || !sql__object_name(binder->error, create->name, &table->name)) {
        return NULL;
    }
    if (create->partitioned_by != NULL) {
        sql_fail(binder->error, SQL_ERROR_UNSUPPORTED, create->partitioned_by->place,
                 "PARTITIONED BY is for file systems: these connectors have no partitions of that kind");
        return NULL;
    }
    return sql__bind_options(binder, create, table) && declare_columns(binder, create, table) &&
                   type_computed(binder, table) && bind_watermark(binder, create, table) &&
                   bind_primary_key(binder, create, table) && bind_records(binder, create, table)
               ? table
               : NULL;
}
