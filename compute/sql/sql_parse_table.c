/* CREATE TABLE: columns, watermark, primary key, options. */
#include "compute/sql/sql_parse.h"

struct sql_option *sql__options(struct sql_parser *parser)
{
    struct sql_option  *first = NULL;
    struct sql_option **last = &first;

    if (!sql__expect_mark(parser, '(')) {
        return NULL;
    }
    do {
        struct sql_option *option = sql__node(parser, sizeof(*option));

        if (option == NULL) {
            return NULL;
        }
        option->key_place = parser->token.place;
        if (!sql__string(parser, "an option's name in single quotes", &option->key) || !sql__expect_mark(parser, '=')) {
            return NULL;
        }
        option->value_place = parser->token.place;
        if (!sql__string(parser, "an option's value in single quotes", &option->value)) {
            return NULL;
        }
        *last = option;
        last = &option->next;
    } while (sql__try_mark(parser, ','));
    return sql__expect_mark(parser, ')') ? first : NULL;
}

/* PRIMARY KEY (a, b) NOT ENFORCED; the word PRIMARY is taken. */
static bool not_enforced(struct sql_parser *parser, struct sql_create_table *table)
{
    table->primary_key_place = sql__place_from(parser, table->primary_key_place);
    if (sql__is(parser, "NOT") && sql__ahead_is(parser, "ENFORCED")) {
        sql__take(parser);
        sql__take(parser);
        return true;
    }
    (void)sql__try(parser, "ENFORCED");
    table->primary_key_enforced = true;
    return true;
}

static bool primary_key_rule(struct sql_parser *parser, struct sql_create_table *table)
{
    struct sql_place place = parser->token.place;

    if (!sql__expect(parser, "PRIMARY") || !sql__expect(parser, "KEY")) {
        return false;
    }
    if (table->primary_key != NULL) {
        return sql_fail(parser->error, SQL_ERROR_SYNTAX, place, "a table has one PRIMARY KEY");
    }
    table->primary_key_place = place;
    table->primary_key = sql__name_list(parser, "a column of the key");
    return table->primary_key != NULL && not_enforced(parser, table);
}

static bool watermark_rule(struct sql_parser *parser, struct sql_create_table *table)
{
    struct sql_place place = parser->token.place;

    sql__take(parser);
    if (table->watermark != NULL) {
        return sql_fail(parser->error, SQL_ERROR_SYNTAX, place, "a table has one WATERMARK");
    }
    if (!sql__expect(parser, "FOR")) {
        return false;
    }
    table->watermark_column = sql__name_path(parser, "the time column");
    if (table->watermark_column == NULL || !sql__expect(parser, "AS")) {
        return false;
    }
    table->watermark = sql__expr(parser);
    return table->watermark != NULL;
}

static bool metadata_rule(struct sql_parser *parser, struct sql_column *column)
{
    if (!sql__try(parser, "METADATA")) {
        return true;
    }
    column->kind = SQL_COLUMN_METADATA;
    if (sql__try(parser, "FROM") && !sql__string(parser, "the metadata's name in quotes", &column->metadata_key)) {
        return false;
    }
    column->is_virtual = sql__try(parser, "VIRTUAL");
    return true;
}

/* PRIMARY KEY beside a column. */
static bool column_key(struct sql_parser *parser, struct sql_create_table *table, struct sql_column *column)
{
    struct sql_place place = parser->token.place;
    struct sql_name *key;

    if (!sql__try(parser, "PRIMARY")) {
        return true;
    }
    if (!sql__expect(parser, "KEY")) {
        return false;
    }
    if (table->primary_key != NULL) {
        return sql_fail(parser->error, SQL_ERROR_SYNTAX, place, "a table has one PRIMARY KEY");
    }
    key = sql__node(parser, sizeof(*key));
    if (key == NULL) {
        return false;
    }
    *key = (struct sql_name){.text = column->name->text, .place = column->name->place};
    column->primary_key = true;
    table->primary_key = key;
    table->primary_key_place = place;
    return not_enforced(parser, table);
}

static struct sql_column *column_rule(struct sql_parser *parser, struct sql_create_table *table)
{
    struct sql_column *column = sql__node(parser, sizeof(*column));

    if (column == NULL) {
        return NULL;
    }
    column->name = sql__name(parser, "a column's name");
    if (column->name == NULL) {
        return NULL;
    }
    if (sql__try(parser, "AS")) {
        column->kind = SQL_COLUMN_COMPUTED;
        column->expr = sql__expr(parser);
    } else if (sql__type(parser, &column->type)) {
        (void)(metadata_rule(parser, column) && column_key(parser, table, column));
    }
    if (!sql__failed(parser) && sql__try(parser, "COMMENT")) {
        (void)sql__string(parser, "the comment in quotes", &column->comment);
    }
    return sql__failed(parser) ? NULL : column;
}

static bool table_element(struct sql_parser *parser, struct sql_create_table *table, struct sql_column ***last)
{
    struct sql_column *column;

    if (sql__is(parser, "WATERMARK")) {
        return watermark_rule(parser, table);
    }
    if (sql__is(parser, "CONSTRAINT")) {
        sql__take(parser);
        if (sql__name(parser, "the constraint's name") == NULL) {
            return false;
        }
    }
    if (sql__is(parser, "PRIMARY")) {
        return primary_key_rule(parser, table);
    }
    if (sql__is(parser, "UNIQUE")) {
        return sql__unsupported(parser, parser->token.place, "UNIQUE is not supported; PRIMARY KEY .. NOT ENFORCED is");
    }
    column = column_rule(parser, table);
    if (column == NULL) {
        return false;
    }
    **last = column;
    *last = &column->next;
    return true;
}

static bool table_tail(struct sql_parser *parser, struct sql_create_table *table)
{
    if (sql__try(parser, "COMMENT") && !sql__string(parser, "the comment in quotes", &table->comment)) {
        return false;
    }
    if (sql__is(parser, "DISTRIBUTED")) {
        return sql__unsupported(parser, parser->token.place, "DISTRIBUTED is not supported");
    }
    if (sql__try(parser, "PARTITIONED")) {
        if (!sql__expect(parser, "BY")) {
            return false;
        }
        table->partitioned_by = sql__name_list(parser, "a column");
    }
    if (!sql__failed(parser) && sql__try(parser, "WITH")) {
        table->options = sql__options(parser);
    }
    if (sql__is(parser, "LIKE")) {
        return sql__unsupported(parser, parser->token.place, "CREATE TABLE .. LIKE is not supported; name the columns");
    }
    if (!sql__failed(parser) && sql__is(parser, "AS")) {
        return sql__unsupported(parser, parser->token.place,
                                "CREATE TABLE .. AS is not supported; write CREATE TABLE and INSERT INTO");
    }
    return !sql__failed(parser);
}

/* Behind CREATE [TEMPORARY] TABLE. */
struct sql_create_table *sql__create_table(struct sql_parser *parser, bool temporary)
{
    struct sql_create_table *table = sql__node(parser, sizeof(*table));
    struct sql_column      **last = table == NULL ? NULL : &table->columns;

    if (table == NULL) {
        return NULL;
    }
    table->temporary = temporary;
    if (sql__try(parser, "IF")) {
        table->if_not_exists = true;
        if (!sql__expect(parser, "NOT") || !sql__expect(parser, "EXISTS")) {
            return NULL;
        }
    }
    table->name = sql__name_path(parser, "the table's name");
    if (table->name == NULL || !sql__expect_mark(parser, '(')) {
        return NULL;
    }
    do {
        if (!table_element(parser, table, &last)) {
            return NULL;
        }
    } while (sql__try_mark(parser, ','));
    return sql__expect_mark(parser, ')') && table_tail(parser, table) ? table : NULL;
}
