/* Statements. */
#include "compute/sql/sql_parse.h"

/* --- INSERT and statement sets ------------------------------------------------------------------------------------ */

static struct sql_insert *insert_rule(struct sql_parser *parser)
{
    struct sql_insert *insert = sql__node(parser, sizeof(*insert));

    if (insert == NULL) {
        return NULL;
    }
    insert->place = parser->token.place;
    if (!sql__expect(parser, "INSERT")) {
        return NULL;
    }
    if (sql__is(parser, "OVERWRITE")) {
        sql__unsupported(parser, parser->token.place,
                         "INSERT OVERWRITE is not supported: streams have no end to replace");
        return NULL;
    }
    if (!sql__expect(parser, "INTO")) {
        return NULL;
    }
    insert->table = sql__name_path(parser, "the table to insert into");
    if (insert->table == NULL) {
        return NULL;
    }
    if (sql__is(parser, "PARTITION")) {
        sql__unsupported(parser, parser->token.place, "INSERT .. PARTITION is not supported");
        return NULL;
    }
    if (sql__is_mark(parser, '(') && sql__token_is_name(&parser->ahead)) {
        insert->columns = sql__name_list(parser, "a column");
    }
    if (!sql__failed(parser)) {
        insert->query = sql__query(parser);
    }
    insert->place = sql__place_from(parser, insert->place);
    return sql__failed(parser) ? NULL : insert;
}

/* BEGIN insert; insert; END */
static bool statement_set(struct sql_parser *parser, struct sql_statement *statement)
{
    struct sql_insert **last = &statement->inserts;

    statement->kind = SQL_STATEMENT_SET_OF_INSERTS;
    if (!sql__expect(parser, "STATEMENT") || !sql__expect(parser, "SET") || !sql__expect(parser, "BEGIN")) {
        return false;
    }
    while (!sql__is(parser, "END")) {
        *last = insert_rule(parser);
        if (*last == NULL || !sql__expect_mark(parser, ';')) {
            return false;
        }
        last = &(*last)->next;
    }
    if (statement->inserts == NULL) {
        return sql__expected(parser, "INSERT INTO");
    }
    sql__take(parser);
    return true;
}

/* --- the others --------------------------------------------------------------------------------------------------- */

static bool create_view(struct sql_parser *parser, struct sql_statement *statement)
{
    struct sql_create_view *view = sql__node(parser, sizeof(*view));
    uint32_t                from;

    if (view == NULL) {
        return false;
    }
    statement->kind = SQL_STATEMENT_CREATE_VIEW;
    statement->create_view = view;
    view->temporary = statement->temporary;
    if (sql__try(parser, "IF")) {
        view->if_not_exists = true;
        if (!sql__expect(parser, "NOT") || !sql__expect(parser, "EXISTS")) {
            return false;
        }
    }
    view->name = sql__name_path(parser, "the view's name");
    if (view->name != NULL && sql__is_mark(parser, '(')) {
        view->columns = sql__name_list(parser, "a column");
    }
    if (sql__try(parser, "COMMENT")) {
        struct view comment;

        (void)sql__string(parser, "the comment in quotes", &comment);
    }
    if (sql__failed(parser) || !sql__expect(parser, "AS")) {
        return false;
    }
    from = parser->token.place.offset;
    view->query = sql__query(parser);
    view->query_text = view_of(parser->lexer.script.base + from, MAX(parser->last_end, from) - from);
    return view->query != NULL;
}

static bool create_rule(struct sql_parser *parser, struct sql_statement *statement)
{
    static const char *const others[] = {"CATALOG", "DATABASE", "FUNCTION", "MODEL", "MATERIALIZED", "OR", "SYSTEM"};

    sql__take(parser);
    statement->temporary = sql__try(parser, "TEMPORARY");
    if (sql__try(parser, "TABLE")) {
        statement->kind = SQL_STATEMENT_CREATE_TABLE;
        statement->create_table = sql__create_table(parser, statement->temporary);
        return statement->create_table != NULL;
    }
    if (sql__try(parser, "VIEW")) {
        return create_view(parser, statement);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (sql__is(parser, others[i])) {
            return sql__unsupported(parser, parser->token.place, "CREATE %s is not supported; TABLE and VIEW are",
                                    others[i]);
        }
    }
    return sql__expected(parser, "TABLE or VIEW");
}

static bool drop_rule(struct sql_parser *parser, struct sql_statement *statement)
{
    sql__take(parser);
    statement->temporary = sql__try(parser, "TEMPORARY");
    if (sql__try(parser, "TABLE")) {
        statement->kind = SQL_STATEMENT_DROP_TABLE;
    } else if (sql__expect(parser, "VIEW")) {
        statement->kind = SQL_STATEMENT_DROP_VIEW;
    }
    if (!sql__failed(parser) && sql__try(parser, "IF")) {
        statement->if_exists = sql__expect(parser, "EXISTS");
    }
    statement->name = sql__failed(parser) ? NULL : sql__name_path(parser, "a name");
    return statement->name != NULL;
}

static bool explain_rule(struct sql_parser *parser, struct sql_statement *statement)
{
    uint32_t from;

    sql__take(parser);
    from = parser->token.place.offset;
    if (sql__try(parser, "PLAN")) {
        if (!sql__expect(parser, "FOR")) {
            return false;
        }
    } else {
        while (sql__is(parser, "ESTIMATED_COST") || sql__is(parser, "CHANGELOG_MODE") ||
               sql__is(parser, "JSON_EXECUTION_PLAN") || sql__is(parser, "PLAN_ADVICE")) {
            sql__take(parser);
            (void)sql__try_mark(parser, ',');
        }
    }
    statement->explain_details = view_of(parser->lexer.script.base + from, MAX(parser->last_end, from) - from);
    if (sql__is(parser, "JOB")) {
        statement->kind = SQL_STATEMENT_EXPLAIN_JOB;
        sql__take(parser);
        return sql__string(parser, "the job's id in quotes", &statement->key);
    }
    if (sql__try(parser, "STATEMENT")) {
        return sql__unsupported(parser, parser->token.place,
                                "EXPLAIN STATEMENT SET is not supported; explain each INSERT");
    }
    statement->kind = SQL_STATEMENT_EXPLAIN;
    if (sql__is(parser, "INSERT")) {
        statement->inserts = insert_rule(parser);
    } else {
        statement->query = sql__query(parser);
    }
    return !sql__failed(parser);
}

static bool show_rule(struct sql_parser *parser, struct sql_statement *statement)
{
    sql__take(parser);
    if (sql__try(parser, "TABLES")) {
        statement->kind = SQL_STATEMENT_SHOW_TABLES;
    } else if (sql__try(parser, "VIEWS")) {
        statement->kind = SQL_STATEMENT_SHOW_VIEWS;
    } else if (sql__try(parser, "JOBS")) {
        statement->kind = SQL_STATEMENT_SHOW_JOBS;
    } else if (sql__try(parser, "CREATE")) {
        statement->kind = SQL_STATEMENT_SHOW_CREATE;
        statement->is_view = sql__try(parser, "VIEW");
        if (!statement->is_view && !sql__expect(parser, "TABLE")) {
            return false;
        }
        statement->name = sql__name_path(parser, "a name");
    } else {
        return sql__expected(parser, "TABLES, VIEWS, JOBS or CREATE TABLE");
    }
    return !sql__failed(parser);
}

/* SET; SET 'key' = 'value' */
static bool set_rule(struct sql_parser *parser, struct sql_statement *statement)
{
    statement->kind = sql__is(parser, "SET") ? SQL_STATEMENT_SET : SQL_STATEMENT_RESET;
    sql__take(parser);
    if (parser->token.kind != SQL_TOKEN_STRING) {
        return sql__is_mark(parser, ';') || parser->token.kind == SQL_TOKEN_END ||
               sql__expected(parser, "a key in single quotes");
    }
    statement->key_place = parser->token.place;
    (void)sql__string(parser, "a key in single quotes", &statement->key);
    if (statement->kind == SQL_STATEMENT_SET) {
        return sql__expect_mark(parser, '=') && sql__string(parser, "a value in single quotes", &statement->value);
    }
    return true;
}

static bool stop_rule(struct sql_parser *parser, struct sql_statement *statement)
{
    statement->kind = SQL_STATEMENT_STOP_JOB;
    sql__take(parser);
    if (!sql__expect(parser, "JOB") || !sql__string(parser, "the job's id in quotes", &statement->key)) {
        return false;
    }
    while (sql__try(parser, "WITH")) {
        if (sql__try(parser, "SAVEPOINT")) {
            statement->with_savepoint = true;
        } else if (sql__expect(parser, "DRAIN")) {
            statement->with_drain = true;
        } else {
            return false;
        }
    }
    return true;
}

static bool describe_rule(struct sql_parser *parser, struct sql_statement *statement)
{
    statement->kind = SQL_STATEMENT_DESCRIBE;
    sql__take(parser);
    statement->name = sql__name_path(parser, "a table or view");
    return statement->name != NULL;
}

static bool unknown_rule(struct sql_parser *parser)
{
    static const char *const others[] = {"ALTER",  "ANALYZE",  "CALL",   "DELETE", "LOAD", "ADD",
                                         "REMOVE", "TRUNCATE", "UNLOAD", "UPDATE", "USE"};

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (sql__is(parser, others[i])) {
            return sql__unsupported(parser, parser->token.place, "%s is not supported", others[i]);
        }
    }
    return sql__expected(parser, "a statement (CREATE, INSERT, SELECT, EXPLAIN, SET, SHOW, ...)");
}

static bool statement_body(struct sql_parser *parser, struct sql_statement *statement)
{
    if (sql__is(parser, "CREATE")) {
        return create_rule(parser, statement);
    }
    if (sql__is(parser, "DROP")) {
        return drop_rule(parser, statement);
    }
    if (sql__is(parser, "INSERT")) {
        statement->kind = SQL_STATEMENT_INSERT;
        statement->inserts = insert_rule(parser);
        return statement->inserts != NULL;
    }
    if (sql__is(parser, "EXECUTE")) {
        sql__take(parser);
        if (sql__is(parser, "STATEMENT")) {
            return statement_set(parser, statement);
        }
        if (sql__is(parser, "INSERT") || sql__starts_query(parser)) { /* EXECUTE INSERT .., EXECUTE SELECT .. */
            return statement_body(parser, statement);
        }
        return sql__expected(parser, "STATEMENT SET, INSERT or SELECT");
    }
    if (sql__starts_query(parser) || sql__is_mark(parser, '(')) {
        statement->kind = SQL_STATEMENT_QUERY;
        statement->query = sql__query(parser);
        return statement->query != NULL;
    }
    if (sql__is(parser, "EXPLAIN")) {
        return explain_rule(parser, statement);
    }
    if (sql__is(parser, "DESCRIBE") || sql__is(parser, "DESC")) {
        return describe_rule(parser, statement);
    }
    if (sql__is(parser, "SHOW")) {
        return show_rule(parser, statement);
    }
    if (sql__is(parser, "SET") || sql__is(parser, "RESET")) {
        return set_rule(parser, statement);
    }
    if (sql__is(parser, "STOP")) {
        return stop_rule(parser, statement);
    }
    return unknown_rule(parser);
}

/* BEGIN STATEMENT SET; insert; END; is the older form of a set. */
static bool statement_rule(struct sql_parser *parser, struct sql_statement *statement)
{
    if (sql__is(parser, "BEGIN") && sql__ahead_is(parser, "STATEMENT")) {
        return sql__unsupported(parser, parser->token.place,
                                "BEGIN STATEMENT SET is not supported; write EXECUTE STATEMENT SET BEGIN .. END");
    }
    return statement_body(parser, statement);
}

struct sql_statement *sql_parse(struct view script, struct arena *arena, struct sql_error *out_error)
{
    struct sql_statement  *first = NULL;
    struct sql_statement **last = &first;
    struct sql_parser      parser;

    *out_error = (struct sql_error){.kind = SQL_OK};
    if (script.len > SQL_SCRIPT_BYTES_MAX) {
        sql_fail(out_error, SQL_ERROR_LIMIT, (struct sql_place){0}, "a script has at most %d MiB",
                 (int)(SQL_SCRIPT_BYTES_MAX / MIB));
        return NULL;
    }
    sql__parser_init(&parser, script, arena, out_error);
    while (!sql__failed(&parser) && parser.token.kind != SQL_TOKEN_END) {
        struct sql_statement *statement;

        if (sql__try_mark(&parser, ';')) {
            continue;
        }
        statement = sql__node(&parser, sizeof(*statement));
        if (statement == NULL) {
            break;
        }
        statement->place = parser.token.place;
        if (!statement_rule(&parser, statement)) {
            break;
        }
        statement->place = sql__place_from(&parser, statement->place);
        if (parser.token.kind != SQL_TOKEN_END && !sql__is_mark(&parser, ';')) {
            sql__expected(&parser, "';' or the end of the script");
        }
        *last = statement;
        last = &statement->next;
    }
    return sql__failed(&parser) ? NULL : first;
}

struct sql_expr *sql_parse_expression(struct view script, struct arena *arena, struct sql_error *out_error)
{
    struct sql_parser parser;
    struct sql_expr  *expr;

    *out_error = (struct sql_error){.kind = SQL_OK};
    sql__parser_init(&parser, script, arena, out_error);
    expr = sql__expr(&parser);
    if (expr != NULL && parser.token.kind != SQL_TOKEN_END) {
        sql__expected(&parser, "the end of the expression");
    }
    return sql__failed(&parser) ? NULL : expr;
}
