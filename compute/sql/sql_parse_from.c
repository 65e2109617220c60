/* FROM: tables, queries, windows, joins, UNNEST. */
#include "compute/sql/sql_parse.h"
#include "core/base/check.h"

static struct sql_source *new_source(struct sql_parser *parser, enum sql_source_kind kind)
{
    struct sql_source *source = sql__node(parser, sizeof(*source));

    if (source != NULL) {
        source->kind = kind;
        source->place = parser->token.place;
    }
    return source;
}

/* [AS] name [(columns)] */
static bool alias_rule(struct sql_parser *parser, struct sql_source *source)
{
    if (sql__try(parser, "AS") || sql__token_is_name(&parser->token)) {
        source->alias = sql__name(parser, "a name behind AS");
        if (source->alias != NULL && sql__is_mark(parser, '(')) {
            source->alias_columns = sql__name_list(parser, "a column's name");
        }
    }
    return !sql__failed(parser);
}

/* Hints are read by name; the binder says which mean something. Their arguments are skipped. */
static bool hints_rule(struct sql_parser *parser, struct sql_source *source)
{
    struct sql_hint **last = &source->hints;

    if (parser->token.kind != SQL_TOKEN_HINT) {
        return true;
    }
    /* The token ahead was read before the lexer knew of the hint; a hint's names are words, so it is the same. */
    parser->lexer.in_hint = true;
    sql__take(parser);
    while (!sql__failed(parser) && !sql__is_mark(parser, SQL_PUNCTUATION_2('*', '/'))) {
        struct sql_hint *hint = sql__node(parser, sizeof(*hint));
        int              depth = 0;

        if (hint == NULL || parser->token.kind != SQL_TOKEN_WORD) {
            return sql__expected(parser, "the name of a hint");
        }
        hint->name = parser->token.text;
        hint->place = parser->token.place;
        *last = hint;
        last = &hint->next;
        sql__take(parser);
        while (depth > 0 || sql__is_mark(parser, '(')) {
            depth += sql__is_mark(parser, '(') - sql__is_mark(parser, ')');
            if (parser->token.kind == SQL_TOKEN_END) {
                return sql__expected(parser, "the end of the hint");
            }
            sql__take(parser);
        }
        (void)sql__try_mark(parser, ',');
    }
    parser->lexer.in_hint = false;
    if (!sql__is_mark(parser, SQL_PUNCTUATION_2('*', '/'))) {
        return sql__expected(parser, "the end of the hint");
    }
    sql__take(parser);
    return true;
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char     *word;
    enum sql_window window;
    uint32_t        arguments_min, arguments_max;
    const char     *shape;
} windows[] = {
    {"TUMBLE", SQL_WINDOW_TUMBLE, 1, 2, "TUMBLE(TABLE t, DESCRIPTOR(time), size [, offset])"},
    {"HOP", SQL_WINDOW_HOP, 2, 3, "HOP(TABLE t, DESCRIPTOR(time), slide, size [, offset])"},
    {"CUMULATE", SQL_WINDOW_CUMULATE, 2, 3, "CUMULATE(TABLE t, DESCRIPTOR(time), step, size [, offset])"},
    {"SESSION", SQL_WINDOW_SESSION, 1, 1, "SESSION(TABLE t [PARTITION BY keys], DESCRIPTOR(time), gap)"},
};

static int find_window(const struct sql_token *token)
{
    for (size_t i = 0; i < COUNT_OF(windows); i++) {
        if (sql_token_is(token, windows[i].word)) {
            return (int)i;
        }
    }
    return -1;
}

/* `PARTITION BY a, b` or `PARTITION BY (a, b)`: a comma ends it where DESCRIPTOR follows. */
static bool window_keys(struct sql_parser *parser, struct sql_source *source)
{
    struct sql_name **last = &source->window_keys;

    if (!sql__try(parser, "PARTITION")) {
        return true;
    }
    if (!sql__expect(parser, "BY")) {
        return false;
    }
    if (sql__is_mark(parser, '(')) {
        source->window_keys = sql__name_list(parser, "a column");
        return source->window_keys != NULL;
    }
    for (;;) {
        *last = sql__name(parser, "a column");
        if (*last == NULL) {
            return false;
        }
        last = &(*last)->next;
        if (!sql__is_mark(parser, ',') || sql__ahead_is(parser, "DESCRIPTOR")) {
            return true;
        }
        sql__take(parser);
    }
}

/* The DATA => TABLE t form names its arguments; positions are what we take. */
static bool no_named_arguments(struct sql_parser *parser)
{
    if (parser->token.kind == SQL_TOKEN_WORD && sql__ahead_is_mark(parser, SQL_PUNCTUATION_2('=', '>'))) {
        return sql__unsupported(parser, parser->token.place,
                                "named arguments are not supported here; write them by position");
    }
    return true;
}

static bool window_arguments(struct sql_parser *parser, struct sql_source *source, const char *shape)
{
    struct sql_expr **last = &source->window_arguments;

    if (!no_named_arguments(parser) || !sql__expect(parser, "TABLE")) {
        return false;
    }
    source->name = sql__name_path(parser, "the table the window goes over");
    if (source->name == NULL || !window_keys(parser, source) || !sql__expect_mark(parser, ',')) {
        return false;
    }
    if (!sql__expect(parser, "DESCRIPTOR")) {
        return false;
    }
    source->window_time = sql__name_list(parser, "the time column");
    if (source->window_time == NULL) {
        return false;
    }
    if (source->window_time->next != NULL) {
        return sql_fail(parser->error, SQL_ERROR_SYNTAX, source->window_time->next->place,
                        "a window has one time column: %s", shape);
    }
    while (sql__try_mark(parser, ',')) {
        *last = sql__expr(parser);
        if (*last == NULL) {
            return false;
        }
        last = &(*last)->next;
        source->window_argument_count++;
    }
    return sql__expect_mark(parser, ')');
}

static struct sql_source *window_rule(struct sql_parser *parser)
{
    int                found = find_window(&parser->token);
    struct sql_source *source = new_source(parser, SQL_SOURCE_WINDOW);

    if (source == NULL) {
        return NULL;
    }
    CHECK(found >= 0);
    source->window = windows[found].window;
    sql__take(parser);
    if (!sql__expect_mark(parser, '(') || !window_arguments(parser, source, windows[found].shape)) {
        return NULL;
    }
    source->place = sql__place_from(parser, source->place);
    if (source->window_argument_count < windows[found].arguments_min ||
        source->window_argument_count > windows[found].arguments_max) {
        sql_fail(parser->error, SQL_ERROR_SYNTAX, source->place, "the window's form is %s", windows[found].shape);
        return NULL;
    }
    return source;
}

/* --- sources ------------------------------------------------------------------------------------------------------ */

static struct sql_source *unnest_rule(struct sql_parser *parser)
{
    struct sql_source *source = new_source(parser, SQL_SOURCE_UNNEST);

    sql__take(parser);
    if (source == NULL || !sql__expect_mark(parser, '(')) {
        return NULL;
    }
    source->unnest = sql__expr(parser);
    if (source->unnest == NULL || !sql__expect_mark(parser, ')')) {
        return NULL;
    }
    if (sql__try(parser, "WITH")) {
        if (!sql__expect(parser, "ORDINALITY")) {
            return NULL;
        }
        source->with_ordinality = true;
    }
    source->place = sql__place_from(parser, source->place);
    return alias_rule(parser, source) ? source : NULL;
}

static struct sql_source *table_rule(struct sql_parser *parser)
{
    struct sql_source *source = new_source(parser, SQL_SOURCE_TABLE);

    if (source == NULL) {
        return NULL;
    }
    source->name = sql__name_path(parser, "a table, a query in parentheses or a window");
    if (source->name == NULL) {
        return NULL;
    }
    source->place = sql__place_from(parser, source->place);
    if (!hints_rule(parser, source)) {
        return NULL;
    }
    if (sql__is(parser, "FOR") && sql__ahead_is(parser, "SYSTEM_TIME")) {
        sql__take(parser);
        sql__take(parser);
        if (!sql__expect(parser, "AS") || !sql__expect(parser, "OF")) {
            return NULL;
        }
        source->as_of = sql__expr(parser);
    }
    if (sql__is(parser, "MATCH_RECOGNIZE")) {
        sql__unsupported(parser, parser->token.place, "MATCH_RECOGNIZE is not supported");
    }
    return !sql__failed(parser) && alias_rule(parser, source) ? source : NULL;
}

static struct sql_source *query_source(struct sql_parser *parser)
{
    struct sql_source *source = new_source(parser, SQL_SOURCE_QUERY);

    if (source == NULL) {
        return NULL;
    }
    sql__take(parser);
    if (!sql__starts_query(parser) && !sql__is_mark(parser, '(')) { /* (a JOIN b ON ..) */
        struct sql_source *inner = sql__from(parser);

        return inner != NULL && sql__expect_mark(parser, ')') ? inner : NULL;
    }
    source->query = sql__query(parser);
    if (source->query == NULL || !sql__expect_mark(parser, ')')) {
        return NULL;
    }
    source->place = sql__place_from(parser, source->place);
    return alias_rule(parser, source) ? source : NULL;
}

static struct sql_source *source_rule(struct sql_parser *parser)
{
    struct sql_source *source;

    if (sql__is_mark(parser, '(')) {
        return query_source(parser);
    }
    if (sql__is(parser, "UNNEST")) {
        return unnest_rule(parser);
    }
    if (sql__is(parser, "LATERAL")) {
        sql__unsupported(parser, parser->token.place, "LATERAL is not supported; CROSS JOIN UNNEST(array) is");
        return NULL;
    }
    if (sql__is(parser, "TABLE") && sql__ahead_is_mark(parser, '(')) {
        sql__take(parser);
        sql__take(parser);
        if (find_window(&parser->token) < 0) {
            sql__expected(parser, "TUMBLE, HOP, CUMULATE or SESSION");
            return NULL;
        }
        source = window_rule(parser);
        return source != NULL && sql__expect_mark(parser, ')') && alias_rule(parser, source) ? source : NULL;
    }
    if (find_window(&parser->token) >= 0 && sql__ahead_is_mark(parser, '(')) {
        source = window_rule(parser);
        return source != NULL && alias_rule(parser, source) ? source : NULL;
    }
    return table_rule(parser);
}

/* --- joins -------------------------------------------------------------------------------------------------------- */

/* The kind of join that begins here, its words taken; false when none does. */
static bool join_words(struct sql_parser *parser, enum sql_join *out_join)
{
    static const struct {
        const char   *word;
        enum sql_join join;
        bool          outer;
    } words[] = {
        {"INNER", SQL_JOIN_INNER, false}, {"LEFT", SQL_JOIN_LEFT, true},    {"RIGHT", SQL_JOIN_RIGHT, true},
        {"FULL", SQL_JOIN_FULL, true},    {"CROSS", SQL_JOIN_CROSS, false},
    };

    *out_join = SQL_JOIN_INNER;
    if (sql__try(parser, "JOIN")) {
        return true;
    }
    if (sql__is(parser, "NATURAL")) {
        return sql__unsupported(parser, parser->token.place, "NATURAL JOIN is not supported; name the columns with ON");
    }
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (sql__try(parser, words[i].word)) {
            *out_join = words[i].join;
            if (words[i].outer) {
                (void)sql__try(parser, "OUTER");
            }
            return sql__expect(parser, "JOIN");
        }
    }
    return false;
}

static bool join_condition(struct sql_parser *parser, struct sql_source *join)
{
    if (sql__is(parser, "USING")) {
        return sql__unsupported(parser, parser->token.place, "USING is not supported; write ON a.x = b.x");
    }
    if (join->join == SQL_JOIN_CROSS) {
        return true;
    }
    if (!sql__expect(parser, "ON")) {
        return false;
    }
    join->on = sql__expr(parser);
    return join->on != NULL;
}

static struct sql_source *join_of(struct sql_parser *parser, struct sql_source *left, enum sql_join kind)
{
    struct sql_source *join = new_source(parser, SQL_SOURCE_JOIN);

    if (join == NULL) {
        return NULL;
    }
    join->join = kind;
    join->left = left;
    join->right = source_rule(parser);
    if (join->right != NULL) {
        join->place = sql__place_from(parser, left->place);
    }
    return join->right == NULL ? NULL : join;
}

struct sql_source *sql__from(struct sql_parser *parser)
{
    struct sql_source *source = NULL;

    if (sql__enter(parser)) {
        source = source_rule(parser);
        while (source != NULL && !sql__failed(parser)) {
            enum sql_join kind;

            if (sql__try_mark(parser, ',')) {
                source = join_of(parser, source, SQL_JOIN_CROSS);
            } else if (join_words(parser, &kind)) {
                source = join_of(parser, source, kind);
                if (source != NULL && !join_condition(parser, source)) {
                    source = NULL;
                }
            } else {
                break;
            }
        }
    }
    sql__leave(parser);
    return sql__failed(parser) ? NULL : source;
}
