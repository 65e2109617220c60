/* Expressions by precedence. The levels are Calcite's (SqlStdOperatorTable), lowest first:
 *
 *   OR 22, AND 24, NOT 26, IS 28, comparison 30, BETWEEN IN LIKE SIMILAR 32, + - 40, * / % || 60, unary 80, . [] 100
 *
 * So `a = b IN (c)` is `a = (b IN (c))`, `a = b IS NULL` is `(a = b) IS NULL`, and `||` binds like `*`. */
#include "compute/sql/sql_parse.h"

enum {
    LEVEL_LOWEST = 0,
    LEVEL_OR = 22,
    LEVEL_AND = 24,
    LEVEL_NOT = 26,
    LEVEL_IS = 28,
    LEVEL_COMPARISON = 30,
    LEVEL_BETWEEN = 32,
    LEVEL_SUM = 40,
    LEVEL_PRODUCT = 60,
    LEVEL_UNARY = 80,
};

static struct sql_expr *expr_level(struct sql_parser *parser, int level);

struct sql_expr *sql__new_expr(struct sql_parser *parser, enum sql_expr_kind kind, struct sql_place place)
{
    struct sql_expr *expr = sql__node(parser, sizeof(*expr));

    if (expr != NULL) {
        expr->kind = kind;
        expr->place = place;
        expr->precision = -1;
    }
    return expr;
}

/* An operator over up to three arguments; NULL arguments end it. */
static struct sql_expr *operation(struct sql_parser *parser, enum sql_expr_kind kind, enum sql_op op,
                                  struct sql_expr *const arguments[3])
{
    struct sql_expr *expr = sql__new_expr(parser, kind, arguments[0]->place);

    if (expr == NULL) {
        return NULL;
    }
    expr->op = op;
    expr->arguments = arguments[0];
    for (int i = 0; i < 3 && arguments[i] != NULL; i++) {
        arguments[i]->next = i + 1 < 3 ? arguments[i + 1] : NULL;
        expr->argument_count++;
    }
    expr->place = sql__place_from(parser, arguments[0]->place);
    return expr;
}

static struct sql_expr *binary(struct sql_parser *parser, enum sql_op op, struct sql_expr *left, int level)
{
    struct sql_expr *right = expr_level(parser, level + 1);

    return right == NULL ? NULL : operation(parser, SQL_BINARY, op, (struct sql_expr *[3]){left, right});
}

/* --- operators behind a value ------------------------------------------------------------------------------------- */

struct infix {
    enum sql_op op;
    int         level;
};

static struct infix find_infix(const struct sql_parser *parser)
{
    static const struct {
        uint16_t     mark;
        struct infix infix;
    } marks[] = {
        {'=', {SQL_OP_EQUAL, LEVEL_COMPARISON}},
        {SQL_PUNCTUATION_2('<', '>'), {SQL_OP_NOT_EQUAL, LEVEL_COMPARISON}},
        {SQL_PUNCTUATION_2('!', '='), {SQL_OP_NOT_EQUAL, LEVEL_COMPARISON}},
        {'<', {SQL_OP_LESS, LEVEL_COMPARISON}},
        {SQL_PUNCTUATION_2('<', '='), {SQL_OP_LESS_EQUAL, LEVEL_COMPARISON}},
        {'>', {SQL_OP_GREATER, LEVEL_COMPARISON}},
        {SQL_PUNCTUATION_2('>', '='), {SQL_OP_GREATER_EQUAL, LEVEL_COMPARISON}},
        {'+', {SQL_OP_ADD, LEVEL_SUM}},
        {'-', {SQL_OP_SUBTRACT, LEVEL_SUM}},
        {'*', {SQL_OP_MULTIPLY, LEVEL_PRODUCT}},
        {'/', {SQL_OP_DIVIDE, LEVEL_PRODUCT}},
        {'%', {SQL_OP_MODULO, LEVEL_PRODUCT}},
        {SQL_PUNCTUATION_2('|', '|'), {SQL_OP_CONCAT, LEVEL_PRODUCT}},
    };

    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (sql__is_mark(parser, marks[i].mark)) {
            return marks[i].infix;
        }
    }
    if (sql__is(parser, "OR")) {
        return (struct infix){SQL_OP_OR, LEVEL_OR};
    }
    if (sql__is(parser, "AND")) {
        return (struct infix){SQL_OP_AND, LEVEL_AND};
    }
    return (struct infix){SQL_OP_NONE, 0};
}

/* JSON [VALUE | OBJECT | ARRAY | SCALAR] behind IS [NOT]: a function of that name. */
static struct sql_expr *is_json_rule(struct sql_parser *parser, struct sql_expr *value, bool negated)
{
    static const char *const words[][2] = {{"VALUE", "IS JSON VALUE"},
                                           {"OBJECT", "IS JSON OBJECT"},
                                           {"ARRAY", "IS JSON ARRAY"},
                                           {"SCALAR", "IS JSON SCALAR"}};
    struct sql_expr         *call = sql__new_expr(parser, SQL_CALL, value->place);
    struct sql_name         *name = sql__node(parser, sizeof(*name));

    if (call == NULL || name == NULL) {
        return NULL;
    }
    name->text = view_text("IS JSON");
    name->place = parser->token.place;
    sql__take(parser);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (sql__try(parser, words[i][0])) {
            name->text = view_text(words[i][1]);
            break;
        }
    }
    call->name = name;
    call->arguments = value;
    call->argument_count = 1;
    call->place = sql__place_from(parser, value->place);
    return negated ? operation(parser, SQL_UNARY, SQL_OP_NOT, (struct sql_expr *[3]){call}) : call;
}

/* IS [NOT] NULL | TRUE | FALSE | UNKNOWN | DISTINCT FROM x | JSON .. */
static struct sql_expr *is_rule(struct sql_parser *parser, struct sql_expr *value)
{
    static const struct {
        const char *word;
        enum sql_op op;
    } words[] = {
        {"NULL", SQL_OP_IS_NULL},       {"TRUE", SQL_OP_IS_TRUE},         {"FALSE", SQL_OP_IS_FALSE},
        {"UNKNOWN", SQL_OP_IS_UNKNOWN}, {"DISTINCT", SQL_OP_IS_DISTINCT},
    };
    struct sql_expr *other = NULL;
    struct sql_expr *expr;
    enum sql_op      op = SQL_OP_NONE;
    bool             negated;

    sql__take(parser);
    negated = sql__try(parser, "NOT");
    if (sql__is(parser, "JSON")) {
        return is_json_rule(parser, value, negated);
    }
    for (size_t i = 0; i < COUNT_OF(words) && op == SQL_OP_NONE; i++) {
        op = sql__try(parser, words[i].word) ? words[i].op : SQL_OP_NONE;
    }
    if (op == SQL_OP_NONE) {
        sql__expected(parser, "NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM");
        return NULL;
    }
    if (op == SQL_OP_IS_DISTINCT) {
        other = sql__expect(parser, "FROM") ? expr_level(parser, LEVEL_IS + 1) : NULL;
        if (other == NULL) {
            return NULL;
        }
    }
    expr = operation(parser, SQL_IS, op, (struct sql_expr *[3]){value, other});
    if (expr != NULL) {
        expr->flag = negated;
    }
    return expr;
}

static struct sql_expr *between_rule(struct sql_parser *parser, struct sql_expr *value)
{
    struct sql_place place = parser->token.place;
    struct sql_expr *low;
    struct sql_expr *high;

    sql__take(parser);
    if (sql__is(parser, "SYMMETRIC")) {
        sql__unsupported(parser, place, "BETWEEN SYMMETRIC is not supported; write both orders with OR");
        return NULL;
    }
    (void)sql__try(parser, "ASYMMETRIC");
    low = expr_level(parser, LEVEL_BETWEEN + 1);
    if (low == NULL || !sql__expect(parser, "AND")) {
        return NULL;
    }
    high = expr_level(parser, LEVEL_BETWEEN + 1);
    return high == NULL ? NULL : operation(parser, SQL_BETWEEN, SQL_OP_NONE, (struct sql_expr *[3]){value, low, high});
}

static struct sql_expr *in_rule(struct sql_parser *parser, struct sql_expr *value)
{
    struct sql_place place = parser->token.place;
    struct sql_expr *list;
    struct sql_expr *expr;
    uint32_t         count = 0;

    sql__take(parser);
    if (!sql__expect_mark(parser, '(')) {
        return NULL;
    }
    if (sql__starts_query(parser)) {
        sql__unsupported(parser, place, "IN over a query is not supported; write a join over its distinct rows");
        return NULL;
    }
    list = sql__expr_list(parser, &count);
    if (list == NULL || !sql__expect_mark(parser, ')')) {
        return NULL;
    }
    expr = sql__new_expr(parser, SQL_IN, sql__place_from(parser, value->place));
    if (expr != NULL) {
        value->next = list;
        expr->arguments = value;
        expr->argument_count = count + 1;
    }
    return expr;
}

static struct sql_expr *like_rule(struct sql_parser *parser, struct sql_expr *value)
{
    enum sql_op      op = sql__is(parser, "LIKE") ? SQL_OP_LIKE : SQL_OP_SIMILAR;
    struct sql_expr *pattern;
    struct sql_expr *escape = NULL;

    sql__take(parser);
    if (op == SQL_OP_SIMILAR && !sql__expect(parser, "TO")) {
        return NULL;
    }
    pattern = expr_level(parser, LEVEL_BETWEEN + 1);
    if (pattern != NULL && sql__try(parser, "ESCAPE")) {
        escape = expr_level(parser, LEVEL_BETWEEN + 1);
    }
    if (sql__failed(parser)) {
        return NULL;
    }
    return operation(parser, SQL_LIKE, op, (struct sql_expr *[3]){value, pattern, escape});
}

static bool starts_between(const struct sql_token *token)
{
    return sql_token_is(token, "BETWEEN") || sql_token_is(token, "IN") || sql_token_is(token, "LIKE") ||
           sql_token_is(token, "SIMILAR");
}

static struct sql_expr *between_family(struct sql_parser *parser, struct sql_expr *value)
{
    bool             negated = sql__try(parser, "NOT");
    struct sql_expr *expr;

    if (sql__is(parser, "BETWEEN")) {
        expr = between_rule(parser, value);
    } else if (sql__is(parser, "IN")) {
        expr = in_rule(parser, value);
    } else {
        expr = like_rule(parser, value);
    }
    if (expr != NULL) {
        expr->flag = negated;
    }
    return expr;
}

/* --- levels ------------------------------------------------------------------------------------------------------- */

static struct sql_expr *unary_rule(struct sql_parser *parser, enum sql_op op, int level)
{
    struct sql_place place = parser->token.place;
    struct sql_expr *argument;
    struct sql_expr *expr;

    sql__take(parser);
    argument = expr_level(parser, level);
    if (argument == NULL) {
        return NULL;
    }
    expr = operation(parser, SQL_UNARY, op, (struct sql_expr *[3]){argument});
    if (expr != NULL) {
        expr->place = sql__place_from(parser, place);
    }
    return expr;
}

static struct sql_expr *prefix(struct sql_parser *parser)
{
    if (sql__is(parser, "NOT")) {
        return unary_rule(parser, SQL_OP_NOT, LEVEL_NOT);
    }
    if (sql__is_mark(parser, '-')) {
        return unary_rule(parser, SQL_OP_MINUS, LEVEL_UNARY);
    }
    if (sql__is_mark(parser, '+')) {
        return unary_rule(parser, SQL_OP_PLUS, LEVEL_UNARY);
    }
    return sql__primary(parser);
}

/* All operators of at least `level` that follow. */
static struct sql_expr *infix_rules(struct sql_parser *parser, struct sql_expr *left, int level)
{
    while (left != NULL) {
        struct infix infix = find_infix(parser);

        if (infix.op != SQL_OP_NONE) {
            if (infix.level < level) {
                break;
            }
            sql__take(parser);
            left = binary(parser, infix.op, left, infix.level);
        } else if (sql__is(parser, "IS") && level <= LEVEL_IS) {
            left = is_rule(parser, left);
        } else if (level <= LEVEL_BETWEEN &&
                   (starts_between(&parser->token) || (sql__is(parser, "NOT") && starts_between(&parser->ahead)))) {
            left = between_family(parser, left);
        } else {
            break;
        }
    }
    return left;
}

static struct sql_expr *expr_level(struct sql_parser *parser, int level)
{
    struct sql_expr *expr = NULL;

    if (sql__enter(parser)) {
        expr = infix_rules(parser, prefix(parser), level);
    }
    sql__leave(parser);
    return sql__failed(parser) ? NULL : expr;
}

struct sql_expr *sql__expr(struct sql_parser *parser)
{
    return expr_level(parser, LEVEL_LOWEST);
}

struct sql_expr *sql__expr_list(struct sql_parser *parser, uint32_t *out_count)
{
    struct sql_expr  *first = NULL;
    struct sql_expr **last = &first;

    do {
        *last = sql__expr(parser);
        if (*last == NULL) {
            return NULL;
        }
        last = &(*last)->next;
        (*out_count)++;
    } while (sql__try_mark(parser, ','));
    return first;
}

struct sql_order *sql__order_list(struct sql_parser *parser)
{
    struct sql_order  *first = NULL;
    struct sql_order **last = &first;

    do {
        struct sql_order *order = sql__node(parser, sizeof(*order));

        if (order == NULL) {
            return NULL;
        }
        order->expr = sql__expr(parser);
        if (order->expr == NULL) {
            return NULL;
        }
        order->descending = sql__try(parser, "DESC");
        if (!order->descending) {
            (void)sql__try(parser, "ASC");
        }
        if (sql__try(parser, "NULLS")) {
            order->nulls_given = true;
            order->nulls_first = sql__try(parser, "FIRST");
            if (!order->nulls_first && !sql__expect(parser, "LAST")) {
                return NULL;
            }
        }
        *last = order;
        last = &order->next;
    } while (sql__try_mark(parser, ','));
    return first;
}
