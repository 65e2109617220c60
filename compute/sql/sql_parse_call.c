/* What an expression is made of: literals, names, calls, CASE, CAST, intervals. */
#include "compute/sql/sql_parse.h"
#include "core/base/check.h"

static struct sql_expr *literal(struct sql_parser *parser, enum sql_expr_kind kind)
{
    struct sql_expr *expr = sql__new_expr(parser, kind, parser->token.place);

    if (expr != NULL) {
        expr->text = parser->token.text;
        sql__take(parser);
    }
    return expr;
}

/* DATE '2026-01-02', TIME '..', TIMESTAMP '..' */
static struct sql_expr *temporal_literal(struct sql_parser *parser, enum sql_expr_kind kind)
{
    struct sql_place place = parser->token.place;
    struct sql_expr *expr;

    sql__take(parser);
    expr = literal(parser, kind);
    if (expr != NULL) {
        expr->place = sql__place_from(parser, place);
    }
    return expr;
}

static struct sql_expr *constant(struct sql_parser *parser, enum sql_expr_kind kind, bool value)
{
    struct sql_expr *expr = literal(parser, kind);

    if (expr != NULL) {
        expr->flag = value;
    }
    return expr;
}

/* A unit's precision, which only the leading one may have: DAY(3), SECOND(2, 3). Read and kept, as Flink does. */
static bool interval_precision(struct sql_parser *parser, struct sql_expr *expr)
{
    if (!sql__try_mark(parser, '(')) {
        return true;
    }
    for (;;) {
        int32_t value = 0;

        if (parser->token.kind != SQL_TOKEN_EXACT || parser->token.text.len > 2 ||
            memchr(parser->token.text.base, '.', parser->token.text.len) != NULL) {
            return sql__expected(parser, "a precision");
        }
        for (size_t i = 0; i < parser->token.text.len; i++) {
            value = value * 10 + (parser->token.text.base[i] - '0');
        }
        expr->precision = expr->precision < 0 ? value : expr->precision;
        sql__take(parser);
        if (!sql__try_mark(parser, ',')) {
            return sql__expect_mark(parser, ')');
        }
    }
}

struct sql_expr *sql__interval(struct sql_parser *parser)
{
    struct sql_place place = parser->token.place;
    struct sql_expr *expr = sql__new_expr(parser, SQL_INTERVAL, place);

    if (expr == NULL || !sql__expect(parser, "INTERVAL")) {
        return NULL;
    }
    expr->flag = sql__try_mark(parser, '-');
    if (!expr->flag) {
        (void)sql__try_mark(parser, '+');
    }
    if (!sql__string(parser, "the interval's text in quotes, as in INTERVAL '10' SECOND", &expr->text)) {
        return NULL;
    }
    expr->unit = sql__unit(&parser->token);
    if (expr->unit == SQL_UNIT_NONE || expr->unit > SQL_UNIT_SECOND) {
        sql__expected(parser, "YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND");
        return NULL;
    }
    sql__take(parser);
    if (!interval_precision(parser, expr)) {
        return NULL;
    }
    if (sql__try(parser, "TO")) {
        expr->unit_to = sql__unit(&parser->token);
        if (expr->unit_to <= expr->unit || expr->unit_to > SQL_UNIT_SECOND) {
            sql__expected(parser, "a finer unit");
            return NULL;
        }
        sql__take(parser);
        if (!interval_precision(parser, expr)) {
            return NULL;
        }
    }
    expr->place = sql__place_from(parser, place);
    return expr;
}

/* Adds to the end of an argument list. */
static bool push_argument(struct sql_expr *expr, struct sql_expr ***last, struct sql_expr *argument)
{
    if (argument == NULL) {
        return false;
    }
    **last = argument;
    *last = &argument->next;
    expr->argument_count++;
    return true;
}

static struct sql_expr *case_rule(struct sql_parser *parser)
{
    struct sql_place  place = parser->token.place;
    struct sql_expr  *expr = sql__new_expr(parser, SQL_CASE, place);
    struct sql_expr **last = expr == NULL ? NULL : &expr->arguments;

    if (expr == NULL) {
        return NULL;
    }
    sql__take(parser);
    if (!sql__is(parser, "WHEN")) {
        expr->has_operand = true;
        if (!push_argument(expr, &last, sql__expr(parser))) {
            return NULL;
        }
    }
    do {
        if (!sql__expect(parser, "WHEN") || !push_argument(expr, &last, sql__expr(parser)) ||
            !sql__expect(parser, "THEN") || !push_argument(expr, &last, sql__expr(parser))) {
            return NULL;
        }
    } while (sql__is(parser, "WHEN"));
    if (sql__try(parser, "ELSE")) {
        expr->has_else = true;
        if (!push_argument(expr, &last, sql__expr(parser))) {
            return NULL;
        }
    }
    if (!sql__expect(parser, "END")) {
        return NULL;
    }
    expr->place = sql__place_from(parser, place);
    return expr;
}

static struct sql_expr *cast_rule(struct sql_parser *parser, bool try_cast)
{
    struct sql_place  place = parser->token.place;
    struct sql_expr  *expr = sql__new_expr(parser, SQL_CAST, place);
    struct sql_expr **last = expr == NULL ? NULL : &expr->arguments;

    if (expr == NULL) {
        return NULL;
    }
    expr->flag = try_cast;
    sql__take(parser);
    if (!sql__expect_mark(parser, '(') || !push_argument(expr, &last, sql__expr(parser)) ||
        !sql__expect(parser, "AS") || !sql__type(parser, &expr->type) || !sql__expect_mark(parser, ')')) {
        return NULL;
    }
    expr->place = sql__place_from(parser, place);
    return expr;
}

/* ROW(a, b), ARRAY[a, b]: `closing` says which. */
static struct sql_expr *constructor(struct sql_parser *parser, enum sql_expr_kind kind, uint16_t opening,
                                    uint16_t closing)
{
    struct sql_place place = parser->token.place;
    struct sql_expr *expr = sql__new_expr(parser, kind, place);

    if (expr == NULL) {
        return NULL;
    }
    sql__take(parser);
    if (!sql__expect_mark(parser, opening)) {
        return NULL;
    }
    if (kind != SQL_ARRAY || !sql__is_mark(parser, closing)) {
        expr->arguments = sql__expr_list(parser, &expr->argument_count);
    }
    if (sql__failed(parser) || !sql__expect_mark(parser, closing)) {
        return NULL;
    }
    expr->place = sql__place_from(parser, place);
    return expr;
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static struct sql_expr *symbol(struct sql_parser *parser)
{
    struct sql_expr *expr = sql__new_expr(parser, SQL_SYMBOL, parser->token.place);

    if (expr != NULL) {
        expr->unit = sql__unit(&parser->token);
        expr->text = parser->token.text;
        sql__take(parser);
    }
    return expr;
}

/* EXTRACT(unit FROM x). Like its siblings below it leaves the closing parenthesis. */
static bool extract_arguments(struct sql_parser *parser, struct sql_expr *call, struct sql_expr ***last)
{
    if (sql__unit(&parser->token) == SQL_UNIT_NONE) {
        return sql__expected(parser, "a unit such as HOUR");
    }
    return push_argument(call, last, symbol(parser)) && sql__expect(parser, "FROM") &&
           push_argument(call, last, sql__expr(parser));
}

/* TRIM([[BOTH | LEADING | TRAILING] [characters] FROM] x): becomes (which, characters, x). */
static bool trim_arguments(struct sql_parser *parser, struct sql_expr *call, struct sql_expr ***last)
{
    static const char *const words[] = {"BOTH", "LEADING", "TRAILING"};
    struct sql_expr         *which = sql__new_expr(parser, SQL_SYMBOL, parser->token.place);
    struct sql_expr         *characters = sql__new_expr(parser, SQL_STRING, parser->token.place);
    struct sql_expr         *first = NULL;
    bool                     named = false;

    if (which == NULL || characters == NULL) {
        return false;
    }
    which->text = view_text("BOTH");
    characters->text = view_text(" ");
    for (size_t i = 0; i < COUNT_OF(words) && !named; i++) {
        named = sql__try(parser, words[i]);
        which->text = named ? view_text(words[i]) : which->text;
    }
    if (!sql__is(parser, "FROM")) {
        first = sql__expr(parser);
        if (first == NULL) {
            return false;
        }
    }
    if (sql__try(parser, "FROM")) {
        characters = first == NULL ? characters : first;
        first = sql__expr(parser);
    } else if (named) {
        return sql__expected(parser, "FROM");
    }
    return push_argument(call, last, which) && push_argument(call, last, characters) &&
           push_argument(call, last, first);
}

/* POSITION(a IN b) */
static bool position_arguments(struct sql_parser *parser, struct sql_expr *call, struct sql_expr ***last)
{
    /* `a IN (b)` would be read as a list: the first argument stops before IN because it is a primary here. */
    struct sql_expr *first = sql__primary(parser);

    if (!push_argument(call, last, first)) {
        return false;
    }
    if (!sql__try(parser, "IN") && !sql__try_mark(parser, ',')) {
        return sql__expected(parser, "IN");
    }
    return push_argument(call, last, sql__expr(parser));
}

/* SUBSTRING(x FROM a [FOR b]), OVERLAY(x PLACING y FROM a [FOR b]) and their forms with commas; FLOOR(x TO unit). */
static bool worded_arguments(struct sql_parser *parser, struct sql_expr *call, struct sql_expr ***last)
{
    static const char *const words[] = {"FROM", "FOR", "PLACING"};
    bool                     more = true;

    while (more) {
        bool unit = sql__unit(&parser->token) != SQL_UNIT_NONE && parser->token.kind == SQL_TOKEN_WORD &&
                    (sql__ahead_is_mark(parser, ',') || sql__ahead_is_mark(parser, ')'));

        if (!push_argument(call, last, unit ? symbol(parser) : sql__expr(parser))) {
            return false;
        }
        if (sql__try(parser, "TO")) {
            if (sql__unit(&parser->token) == SQL_UNIT_NONE) {
                return sql__expected(parser, "a unit such as DAY");
            }
            return push_argument(call, last, symbol(parser));
        }
        more = sql__try_mark(parser, ',');
        for (size_t i = 0; i < COUNT_OF(words) && !more; i++) {
            more = sql__try(parser, words[i]);
        }
    }
    return true;
}

static bool call_arguments(struct sql_parser *parser, struct sql_expr *call)
{
    struct sql_expr      **last = &call->arguments;
    const struct sql_token name = {.kind = SQL_TOKEN_WORD, .text = call->name->text};

    if (sql__is_mark(parser, '*') && sql__ahead_is_mark(parser, ')')) {
        sql__take(parser);
        call->star = true;
        return true;
    }
    call->distinct = sql__try(parser, "DISTINCT");
    if (!call->distinct) {
        (void)sql__try(parser, "ALL");
    }
    if (sql__is_mark(parser, ')')) {
        return true;
    }
    if (sql_token_is(&name, "EXTRACT")) {
        return extract_arguments(parser, call, &last);
    }
    if (sql_token_is(&name, "TRIM")) {
        return trim_arguments(parser, call, &last);
    }
    if (sql_token_is(&name, "POSITION")) {
        return position_arguments(parser, call, &last);
    }
    return worded_arguments(parser, call, &last);
}

static struct sql_over *over_rule(struct sql_parser *parser)
{
    struct sql_over *over = sql__node(parser, sizeof(*over));
    uint32_t         count = 0;

    if (over == NULL) {
        return NULL;
    }
    over->place = parser->token.place;
    if (!sql__is_mark(parser, '(')) {
        sql__unsupported(parser, parser->token.place, "named windows are not supported; write OVER (...) in place");
        return NULL;
    }
    sql__take(parser);
    if (sql__try(parser, "PARTITION")) {
        if (!sql__expect(parser, "BY")) {
            return NULL;
        }
        over->partition = sql__expr_list(parser, &count);
    }
    if (!sql__failed(parser) && sql__try(parser, "ORDER")) {
        if (!sql__expect(parser, "BY")) {
            return NULL;
        }
        over->order = sql__order_list(parser);
    }
    if (sql__is(parser, "ROWS") || sql__is(parser, "RANGE")) {
        sql__unsupported(parser, parser->token.place, "frames of OVER windows are not supported");
        return NULL;
    }
    if (sql__failed(parser) || !sql__expect_mark(parser, ')')) {
        return NULL;
    }
    over->place = sql__place_from(parser, over->place);
    return over;
}

/* What may stand behind the parentheses of a call. */
static bool call_tail(struct sql_parser *parser, struct sql_expr *call)
{
    if (sql__is(parser, "WITHIN") && sql__ahead_is(parser, "GROUP")) {
        return sql__unsupported(parser, parser->token.place, "WITHIN GROUP is not supported");
    }
    if (sql__is(parser, "FILTER") && sql__ahead_is_mark(parser, '(')) {
        sql__take(parser);
        sql__take(parser);
        if (!sql__expect(parser, "WHERE")) {
            return false;
        }
        call->filter = sql__expr(parser);
        if (call->filter == NULL || !sql__expect_mark(parser, ')')) {
            return false;
        }
    }
    if (sql__try(parser, "OVER")) {
        call->over = over_rule(parser);
    }
    return !sql__failed(parser);
}

static struct sql_expr *call_rule(struct sql_parser *parser, struct sql_name *name)
{
    struct sql_expr *call = sql__new_expr(parser, SQL_CALL, name->place);

    if (call == NULL) {
        return NULL;
    }
    call->name = name;
    sql__take(parser); /* the parenthesis */
    if (!call_arguments(parser, call) || !sql__expect_mark(parser, ')') || !call_tail(parser, call)) {
        return NULL;
    }
    call->place = sql__place_from(parser, name->place);
    return call;
}

/* CURRENT_TIMESTAMP and its like: calls without parentheses. */
static struct sql_expr *niladic(struct sql_parser *parser, struct sql_name *name)
{
    static const char *const words[] = {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME",
                                        "LOCALTIMESTAMP"};
    const struct sql_token   token = {.kind = SQL_TOKEN_WORD, .text = name->text};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (sql_token_is(&token, words[i])) {
            struct sql_expr *call = sql__new_expr(parser, SQL_CALL, name->place);

            if (call != NULL) {
                call->name = name;
            }
            return call;
        }
    }
    return NULL;
}

/* --- names and the rest ------------------------------------------------------------------------------------------- */

/* a, a.b.c, t.*, f(..): the first token is a name or a reserved word that is a function. */
static struct sql_expr *name_rule(struct sql_parser *parser)
{
    struct sql_place place = parser->token.place;
    struct sql_name *name;
    struct sql_expr *expr;

    if (parser->token.kind == SQL_TOKEN_WORD && parser->token.reserved) {
        name = sql__node(parser, sizeof(*name));
        if (name == NULL) {
            return NULL;
        }
        name->text = parser->token.text;
        name->place = place;
        if (sql__ahead_is_mark(parser, '(')) {
            sql__take(parser);
            return call_rule(parser, name);
        }
        expr = niladic(parser, name);
        if (expr == NULL) {
            sql__expected(parser, "an expression");
            return NULL;
        }
        sql__take(parser);
        return expr;
    }
    name = sql__name_path(parser, "an expression");
    if (name == NULL) {
        return NULL;
    }
    if (name->next == NULL && sql__is_mark(parser, '(')) {
        return call_rule(parser, name);
    }
    expr = sql__new_expr(parser, SQL_REFERENCE, sql__place_from(parser, place));
    if (expr != NULL && sql__is_mark(parser, '.') && sql__ahead_is_mark(parser, '*')) {
        sql__take(parser);
        sql__take(parser);
        expr->kind = SQL_STAR;
        expr->place = sql__place_from(parser, place);
    }
    if (expr != NULL) {
        expr->name = name;
    }
    return expr;
}

/* (a), (a, b) as a row, or a query, which we do not take as a value. */
static struct sql_expr *parenthesis(struct sql_parser *parser)
{
    struct sql_place place = parser->token.place;
    struct sql_expr *expr;
    struct sql_expr *first;
    uint32_t         count = 0;

    sql__take(parser);
    if (sql__starts_query(parser)) {
        sql__unsupported(parser, place, "a query as a value is not supported; join with it instead");
        return NULL;
    }
    first = sql__expr_list(parser, &count);
    if (first == NULL || !sql__expect_mark(parser, ')')) {
        return NULL;
    }
    if (count == 1) {
        first->place = sql__place_from(parser, place);
        return first;
    }
    expr = sql__new_expr(parser, SQL_ROW, sql__place_from(parser, place));
    if (expr != NULL) {
        expr->arguments = first;
        expr->argument_count = count;
    }
    return expr;
}

static struct sql_expr *word_rule(struct sql_parser *parser)
{
    bool text_follows = parser->ahead.kind == SQL_TOKEN_STRING;

    if (sql__is(parser, "NULL")) {
        return constant(parser, SQL_NULL, false);
    }
    if (sql__is(parser, "TRUE") || sql__is(parser, "FALSE")) {
        return constant(parser, SQL_BOOLEAN, sql__is(parser, "TRUE"));
    }
    if (sql__is(parser, "UNKNOWN")) {
        return constant(parser, SQL_NULL, true);
    }
    if (sql__is(parser, "CASE")) {
        return case_rule(parser);
    }
    if (sql__is(parser, "CAST") || (sql__is(parser, "TRY_CAST") && sql__ahead_is_mark(parser, '('))) {
        return cast_rule(parser, !sql__is(parser, "CAST"));
    }
    if (sql__is(parser, "INTERVAL")) {
        return sql__interval(parser);
    }
    if (text_follows && sql__is(parser, "DATE")) {
        return temporal_literal(parser, SQL_DATE);
    }
    if (text_follows && sql__is(parser, "TIME")) {
        return temporal_literal(parser, SQL_TIME);
    }
    if (text_follows && sql__is(parser, "TIMESTAMP")) {
        return temporal_literal(parser, SQL_TIMESTAMP);
    }
    if (sql__is(parser, "ROW") && sql__ahead_is_mark(parser, '(')) {
        return constructor(parser, SQL_ROW, '(', ')');
    }
    if (sql__is(parser, "ARRAY") && sql__ahead_is_mark(parser, '[')) {
        return constructor(parser, SQL_ARRAY, '[', ']');
    }
    if (sql__is(parser, "EXISTS")) {
        sql__unsupported(parser, parser->token.place, "EXISTS is not supported; write a join over distinct rows");
        return NULL;
    }
    return name_rule(parser);
}

/* Fields and elements behind a value: (r).a, f(x)[1]. */
static struct sql_expr *accesses(struct sql_parser *parser, struct sql_expr *expr)
{
    while (expr != NULL && (sql__is_mark(parser, '[') || sql__is_mark(parser, '.'))) {
        bool             element = sql__is_mark(parser, '[');
        struct sql_expr *access = sql__new_expr(parser, element ? SQL_ELEMENT : SQL_FIELD, expr->place);

        if (access == NULL) {
            return NULL;
        }
        sql__take(parser);
        access->arguments = expr;
        access->argument_count = 1;
        if (element) {
            expr->next = sql__expr(parser);
            access->argument_count = 2;
            if (expr->next == NULL || !sql__expect_mark(parser, ']')) {
                return NULL;
            }
        } else {
            access->name = sql__name(parser, "the name of a field");
        }
        access->place = sql__place_from(parser, expr->place);
        expr = sql__failed(parser) ? NULL : access;
    }
    return expr;
}

struct sql_expr *sql__primary(struct sql_parser *parser)
{
    struct sql_expr *expr = NULL;

    switch (parser->token.kind) {
    case SQL_TOKEN_EXACT:
        return literal(parser, SQL_EXACT);
    case SQL_TOKEN_APPROX:
        return literal(parser, SQL_APPROX);
    case SQL_TOKEN_STRING:
        return literal(parser, SQL_STRING);
    case SQL_TOKEN_BYTES:
        return literal(parser, SQL_BYTES);
    case SQL_TOKEN_WORD:
        expr = word_rule(parser);
        break;
    case SQL_TOKEN_QUOTED:
        expr = name_rule(parser);
        break;
    case SQL_TOKEN_PUNCTUATION:
        if (sql__is_mark(parser, '(')) {
            expr = parenthesis(parser);
            break;
        }
        sql__expected(parser, "an expression");
        return NULL;
    default:
        sql__expected(parser, "an expression");
        return NULL;
    }
    return accesses(parser, expr);
}
