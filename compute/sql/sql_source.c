/* What a driver needs to read a source: the columns of a record's key or value as a format's schema, and offsets that
 * options name. */
#include "compute/sql/sql.h"

static bool is_field(const struct sql_table_column *column, bool of_key)
{
    return column->kind == SQL_COLUMN_PHYSICAL && (of_key ? column->is_key : column->is_value);
}

/* A column in key and value both is read from the value, as in Flink. */
bool sql_source_is_key(const struct sql_source_plan *source, uint32_t column)
{
    const struct sql_table_column *of_table = &source->table->columns[source->columns[column].table_column];

    return source->columns[column].metadata == SQL_METADATA_NONE && !of_table->is_value;
}

/* The place of a column among the fields of the record. */
static uint32_t position_of(const struct sql_table *table, uint32_t column, bool of_key)
{
    uint32_t position = 0;

    for (uint32_t i = 0; i < column; i++) {
        position += is_field(&table->columns[i], of_key);
    }
    return position;
}

bool sql_source_schema(const struct sql_source_plan *source, bool of_key, struct arena *arena,
                       struct format_schema *out_schema)
{
    const struct sql_table *table = source->table;
    struct vec_field       *fields = arena_alloc_array(arena, table->column_count + 1, sizeof(*fields));
    struct vec_field       *columns = arena_alloc_array(arena, source->column_count + 1, sizeof(*columns));
    uint32_t               *positions = arena_alloc_array(arena, source->column_count + 1, sizeof(*positions));

    if (fields == NULL || columns == NULL || positions == NULL) {
        return false;
    }
    *out_schema = (struct format_schema){.options = of_key ? &table->key_format : &table->format};
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (is_field(&table->columns[i], of_key)) {
            fields[out_schema->field_count++] = (struct vec_field){table->columns[i].name, table->columns[i].type};
        }
    }
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (source->columns[i].metadata == SQL_METADATA_NONE && sql_source_is_key(source, i) == of_key) {
            positions[out_schema->column_count] = position_of(table, source->columns[i].table_column, of_key);
            columns[out_schema->column_count++] = source->columns[i].field;
        }
    }
    out_schema->fields = fields;
    out_schema->columns = columns;
    out_schema->positions = positions;
    if (!of_key && out_schema->column_count == source->column_count) { /* the condition speaks of the scan's columns */
        out_schema->needed = source->scan->scan.needed;
        out_schema->keeps_all_rows = source->scan->scan.keeps_all_rows;
        out_schema->always = source->scan->scan.always;
    }
    return true;
}

/* --- offsets by number ---------------------------------------------------------------------------------------------
 */

static struct view skip_blanks(struct view text)
{
    while (text.len > 0 && (*text.base == ' ' || *text.base == '\t')) {
        text = view_of(text.base + 1, text.len - 1);
    }
    return text;
}

/* "partition:7": the name, blanks around the colon, the number. False: something else stands there. */
static bool take_number(struct view *text, const char *name, int64_t *out_number)
{
    size_t  len = strlen(name);
    int64_t number = 0;
    bool    any = false;

    *text = skip_blanks(*text);
    if (text->len < len || memcmp(text->base, name, len) != 0) {
        return false;
    }
    *text = skip_blanks(view_of(text->base + len, text->len - len));
    if (text->len == 0 || *text->base != ':') {
        return false;
    }
    *text = skip_blanks(view_of(text->base + 1, text->len - 1));
    while (text->len > 0 && *text->base >= '0' && *text->base <= '9' && number < INT64_MAX / 10 - 1) {
        number = number * 10 + (*text->base - '0');
        *text = view_of(text->base + 1, text->len - 1);
        any = true;
    }
    *text = skip_blanks(*text);
    *out_number = number;
    return any;
}

static bool take_sign(struct view *text, char sign)
{
    if (text->len == 0 || *text->base != (uint8_t)sign) {
        return false;
    }
    *text = view_of(text->base + 1, text->len - 1);
    return true;
}

bool sql_specific_offset(struct view text, int32_t partition, int64_t *out_offset)
{
    bool good = true;

    *out_offset = -1;
    for (text = skip_blanks(text); good && text.len > 0; text = skip_blanks(text)) {
        int64_t number = 0, offset = 0;

        good = take_number(&text, "partition", &number) && take_sign(&text, ',') &&
               take_number(&text, "offset", &offset) && (text.len == 0 || take_sign(&text, ';'));
        if (good && number == partition) {
            *out_offset = offset;
        }
    }
    return good;
}
