/* Queries: WITH, UNION, SELECT, VALUES. */
#include "compute/sql/sql_parse.h"

bool sql__starts_query(const struct sql_parser *parser)
{
    return sql__is(parser, "SELECT") || sql__is(parser, "WITH") || sql__is(parser, "VALUES");
}

static struct sql_item *item_rule(struct sql_parser *parser)
{
    struct sql_item *item = sql__node(parser, sizeof(*item));

    if (item == NULL) {
        return NULL;
    }
    if (sql__is_mark(parser, '*')) {
        item->expr = sql__new_expr(parser, SQL_STAR, parser->token.place);
        sql__take(parser);
        return item->expr == NULL ? NULL : item;
    }
    item->expr = sql__expr(parser);
    if (item->expr == NULL) {
        return NULL;
    }
    if (sql__try(parser, "AS") || sql__token_is_name(&parser->token)) {
        item->alias = sql__name(parser, "a name behind AS");
    }
    return sql__failed(parser) ? NULL : item;
}

static bool item_list(struct sql_parser *parser, struct sql_select *select)
{
    struct sql_item **last = &select->items;

    do {
        *last = item_rule(parser);
        if (*last == NULL) {
            return false;
        }
        last = &(*last)->next;
    } while (sql__try_mark(parser, ','));
    return true;
}

/* GROUP BY (), GROUPING SETS, CUBE and ROLLUP are Flink's but not ours. */
static bool group_by_rule(struct sql_parser *parser, struct sql_select *select)
{
    uint32_t count = 0;

    if (!sql__expect(parser, "BY")) {
        return false;
    }
    if (sql__is(parser, "GROUPING") || sql__is(parser, "CUBE") || sql__is(parser, "ROLLUP")) {
        return sql__unsupported(parser, parser->token.place,
                                "GROUPING SETS, CUBE and ROLLUP are not supported; write one INSERT per grouping");
    }
    select->has_group_by = true;
    if (sql__is_mark(parser, '(') && sql__ahead_is_mark(parser, ')')) {
        sql__take(parser);
        sql__take(parser);
        return true;
    }
    select->group_by = sql__expr_list(parser, &count);
    return select->group_by != NULL;
}

static bool select_tail(struct sql_parser *parser, struct sql_select *select)
{
    if (sql__try(parser, "FROM")) {
        select->from = sql__from(parser);
        if (select->from == NULL) {
            return false;
        }
    }
    if (sql__try(parser, "WHERE")) {
        select->where = sql__expr(parser);
    }
    if (!sql__failed(parser) && sql__try(parser, "GROUP") && !group_by_rule(parser, select)) {
        return false;
    }
    if (!sql__failed(parser) && sql__try(parser, "HAVING")) {
        select->having = sql__expr(parser);
    }
    if (sql__is(parser, "WINDOW")) {
        return sql__unsupported(parser, parser->token.place, "WINDOW clauses are not supported");
    }
    return !sql__failed(parser);
}

static struct sql_select *select_rule(struct sql_parser *parser)
{
    struct sql_select *select = sql__node(parser, sizeof(*select));

    if (select == NULL) {
        return NULL;
    }
    select->place = parser->token.place;
    sql__take(parser);
    if (parser->token.kind == SQL_TOKEN_HINT) {
        sql__unsupported(parser, parser->token.place, "hints behind SELECT are not supported");
        return NULL;
    }
    select->distinct = sql__try(parser, "DISTINCT");
    if (!select->distinct) {
        (void)sql__try(parser, "ALL");
    }
    return item_list(parser, select) && select_tail(parser, select) ? select : NULL;
}

/* VALUES (1, 'a'), (2, 'b'): a bare expression is a row of one. */
static bool values_rule(struct sql_parser *parser, struct sql_query *query)
{
    struct sql_expr **last = &query->values;

    sql__take(parser);
    do {
        struct sql_expr *row = sql__expr(parser);

        if (row == NULL) {
            return false;
        }
        if (row->kind != SQL_ROW) {
            struct sql_expr *wrapped = sql__new_expr(parser, SQL_ROW, row->place);

            if (wrapped == NULL) {
                return false;
            }
            wrapped->arguments = row;
            wrapped->argument_count = 1;
            row = wrapped;
        }
        *last = row;
        last = &row->next;
    } while (sql__try_mark(parser, ','));
    return true;
}

static struct sql_query *new_query(struct sql_parser *parser)
{
    struct sql_query *query = sql__node(parser, sizeof(*query));

    if (query != NULL) {
        query->place = parser->token.place;
    }
    return query;
}

/* What a UNION joins: a SELECT, VALUES, or a query in parentheses. */
static struct sql_query *term_rule(struct sql_parser *parser)
{
    struct sql_query *query;

    if (sql__is_mark(parser, '(')) {
        sql__take(parser);
        query = sql__query(parser);
        return query != NULL && sql__expect_mark(parser, ')') ? query : NULL;
    }
    query = new_query(parser);
    if (query == NULL) {
        return NULL;
    }
    if (sql__is(parser, "SELECT")) {
        query->select = select_rule(parser);
    } else if (sql__is(parser, "VALUES")) {
        (void)values_rule(parser, query);
    } else {
        sql__expected(parser, "SELECT or VALUES");
    }
    query->place = sql__place_from(parser, query->place);
    return sql__failed(parser) ? NULL : query;
}

static struct sql_query *union_rule(struct sql_parser *parser)
{
    struct sql_query *left = term_rule(parser);

    while (left != NULL) {
        struct sql_query *query;

        if (sql__is(parser, "INTERSECT") || sql__is(parser, "EXCEPT") || sql__is(parser, "MINUS")) {
            sql__unsupported(parser, parser->token.place, "INTERSECT and EXCEPT are not supported; write a join");
            return NULL;
        }
        if (!sql__is(parser, "UNION")) {
            return left;
        }
        query = new_query(parser);
        if (query == NULL) {
            return NULL;
        }
        sql__take(parser);
        query->set = sql__try(parser, "ALL") ? SQL_SET_UNION_ALL : SQL_SET_UNION;
        if (query->set == SQL_SET_UNION) {
            (void)sql__try(parser, "DISTINCT");
        }
        query->left = left;
        query->right = term_rule(parser);
        query->place = sql__place_from(parser, left->place);
        left = query->right == NULL ? NULL : query;
    }
    return NULL;
}

static struct sql_with *with_list(struct sql_parser *parser)
{
    struct sql_with  *first = NULL;
    struct sql_with **last = &first;

    if (sql__is(parser, "RECURSIVE")) {
        sql__unsupported(parser, parser->token.place, "WITH RECURSIVE is not supported");
        return NULL;
    }
    do {
        struct sql_with *with = sql__node(parser, sizeof(*with));

        if (with == NULL) {
            return NULL;
        }
        with->name = sql__name(parser, "the name of a query");
        if (with->name == NULL || !sql__expect(parser, "AS") || !sql__expect_mark(parser, '(')) {
            return NULL;
        }
        with->query = sql__query(parser);
        if (with->query == NULL || !sql__expect_mark(parser, ')')) {
            return NULL;
        }
        *last = with;
        last = &with->next;
    } while (sql__try_mark(parser, ','));
    return first;
}

/* ORDER BY and LIMIT belong to the whole query, behind all of its unions. */
static bool query_tail(struct sql_parser *parser, struct sql_query *query)
{
    if (sql__try(parser, "ORDER")) {
        if (!sql__expect(parser, "BY")) {
            return false;
        }
        query->order = sql__order_list(parser);
    }
    if (!sql__failed(parser) && sql__try(parser, "LIMIT")) {
        query->limit = sql__expr(parser);
    }
    if (sql__is(parser, "OFFSET") || sql__is(parser, "FETCH")) {
        return sql__unsupported(parser, parser->token.place, "OFFSET and FETCH are not supported; LIMIT is");
    }
    return !sql__failed(parser);
}

struct sql_query *sql__query(struct sql_parser *parser)
{
    struct sql_with  *with = NULL;
    struct sql_query *query = NULL;

    if (sql__enter(parser)) {
        if (sql__try(parser, "WITH")) {
            with = with_list(parser);
        }
        query = sql__failed(parser) ? NULL : union_rule(parser);
        if (query != NULL && query_tail(parser, query) && with != NULL) {
            struct sql_with **last = &with;

            while (*last != NULL) {
                last = &(*last)->next;
            }
            *last = query->with; /* a parenthesised query may bring its own; outer names come first */
            query->with = with;
        }
    }
    sql__leave(parser);
    return sql__failed(parser) ? NULL : query;
}
