/* Tokens, names and types: what all rules stand on. */
#include <stdarg.h>
#include <stdio.h>

#include "compute/sql/sql_parse.h"
#include "core/base/check.h"

void sql__parser_init(struct sql_parser *parser, struct view script, struct arena *arena, struct sql_error *error)
{
    *parser = (struct sql_parser){
        .lexer = {.script = script, .arena = arena, .error = error},
        .arena = arena,
        .error = error,
    };
    parser->token = sql_lex(&parser->lexer);
    parser->ahead = sql_lex(&parser->lexer);
}

void *sql__node(struct sql_parser *parser, size_t bytes)
{
    void *node = arena_alloc(parser->arena, bytes);

    if (node == NULL) {
        sql_fail(parser->error, SQL_ERROR_LIMIT, parser->token.place, "the script is too large");
    }
    return node;
}

bool sql__failed(const struct sql_parser *parser)
{
    return parser->error->kind != SQL_OK;
}

bool sql__enter(struct sql_parser *parser)
{
    if (parser->nesting >= SQL_NESTING_MAX) {
        return sql_fail(parser->error, SQL_ERROR_LIMIT, parser->token.place,
                        "expressions and queries nest deeper than %d levels here", SQL_NESTING_MAX);
    }
    parser->nesting++;
    return true;
}

void sql__leave(struct sql_parser *parser)
{
    parser->nesting--;
}

void sql__take(struct sql_parser *parser)
{
    parser->last_end = parser->token.place.offset + parser->token.place.len;
    parser->token = parser->ahead;
    parser->ahead = sql_lex(&parser->lexer);
}

bool sql__is(const struct sql_parser *parser, const char *word)
{
    return sql_token_is(&parser->token, word);
}

bool sql__ahead_is(const struct sql_parser *parser, const char *word)
{
    return sql_token_is(&parser->ahead, word);
}

static bool token_is_mark(const struct sql_token *token, uint16_t punctuation)
{
    return token->kind == SQL_TOKEN_PUNCTUATION && token->punctuation == punctuation;
}

bool sql__is_mark(const struct sql_parser *parser, uint16_t punctuation)
{
    return token_is_mark(&parser->token, punctuation);
}

bool sql__ahead_is_mark(const struct sql_parser *parser, uint16_t punctuation)
{
    return token_is_mark(&parser->ahead, punctuation);
}

bool sql__try(struct sql_parser *parser, const char *word)
{
    if (!sql__is(parser, word)) {
        return false;
    }
    sql__take(parser);
    return true;
}

bool sql__try_mark(struct sql_parser *parser, uint16_t punctuation)
{
    if (!sql__is_mark(parser, punctuation)) {
        return false;
    }
    sql__take(parser);
    return true;
}

bool sql__expected(struct sql_parser *parser, const char *what)
{
    struct sql_place place = parser->token.place;
    struct view      script = parser->lexer.script;
    struct view      found;

    if (sql__failed(parser)) {
        return false;
    }
    if (parser->token.kind == SQL_TOKEN_END) {
        place = (struct sql_place){.offset = parser->last_end, .len = 1};
        return sql_fail(parser->error, SQL_ERROR_SYNTAX, place, "expected %s, but the script ends", what);
    }
    found = view_of(script.base + place.offset, MIN(place.len, 40));
    if (parser->token.kind == SQL_TOKEN_WORD && parser->token.reserved) {
        return sql_fail(parser->error, SQL_ERROR_SYNTAX, place,
                        "expected %s, but found the reserved word %.*s (as a name it needs backticks)", what,
                        (int)found.len, (const char *)found.base);
    }
    return sql_fail(parser->error, SQL_ERROR_SYNTAX, place, "expected %s, but found %.*s", what, (int)found.len,
                    (const char *)found.base);
}

bool sql__expect(struct sql_parser *parser, const char *word)
{
    return sql__try(parser, word) || sql__expected(parser, word);
}

bool sql__expect_mark(struct sql_parser *parser, uint16_t punctuation)
{
    char text[4] = {'\'', (char)punctuation, '\'', '\0'};

    CHECK(punctuation < 0x80);
    return sql__try_mark(parser, punctuation) || sql__expected(parser, text);
}

bool sql__unsupported(struct sql_parser *parser, struct sql_place place, const char *format, ...)
{
    char    message[SQL_MESSAGE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    return sql_fail(parser->error, SQL_ERROR_UNSUPPORTED, place, "%s", message);
}

struct sql_place sql__place_from(const struct sql_parser *parser, struct sql_place from)
{
    return (struct sql_place){.offset = from.offset, .len = MAX(parser->last_end, from.offset) - from.offset};
}

/* --- names -----------------------------------------------------------------------------------------------------------
 */

bool sql__token_is_name(const struct sql_token *token)
{
    return token->kind == SQL_TOKEN_QUOTED || (token->kind == SQL_TOKEN_WORD && !token->reserved);
}

struct sql_name *sql__name(struct sql_parser *parser, const char *what)
{
    struct sql_name *name;

    if (!sql__token_is_name(&parser->token)) {
        sql__expected(parser, what);
        return NULL;
    }
    name = sql__node(parser, sizeof(*name));
    if (name != NULL) {
        name->text = parser->token.text;
        name->place = parser->token.place;
        sql__take(parser);
    }
    return name;
}

struct sql_name *sql__name_path(struct sql_parser *parser, const char *what)
{
    struct sql_name  *first = sql__name(parser, what);
    struct sql_name **last = first == NULL ? NULL : &first->next;

    while (last != NULL && sql__is_mark(parser, '.') && !sql__ahead_is_mark(parser, '*')) {
        sql__take(parser);
        *last = sql__name(parser, "a name behind the dot");
        last = *last == NULL ? NULL : &(*last)->next;
    }
    return sql__failed(parser) ? NULL : first;
}

struct sql_name *sql__name_list(struct sql_parser *parser, const char *what)
{
    struct sql_name  *first = NULL;
    struct sql_name **last = &first;

    if (!sql__expect_mark(parser, '(')) {
        return NULL;
    }
    do {
        *last = sql__name(parser, what);
        if (*last == NULL) {
            return NULL;
        }
        last = &(*last)->next;
    } while (sql__try_mark(parser, ','));
    return sql__expect_mark(parser, ')') ? first : NULL;
}

bool sql__string(struct sql_parser *parser, const char *what, struct view *out_text)
{
    if (parser->token.kind != SQL_TOKEN_STRING) {
        return sql__expected(parser, what);
    }
    *out_text = parser->token.text;
    sql__take(parser);
    return true;
}

enum sql_unit sql__unit(const struct sql_token *token)
{
    static const struct {
        const char   *word;
        enum sql_unit unit;
    } units[] = {
        {"YEAR", SQL_UNIT_YEAR},
        {"YEARS", SQL_UNIT_YEAR},
        {"QUARTER", SQL_UNIT_QUARTER},
        {"QUARTERS", SQL_UNIT_QUARTER},
        {"MONTH", SQL_UNIT_MONTH},
        {"MONTHS", SQL_UNIT_MONTH},
        {"WEEK", SQL_UNIT_WEEK},
        {"WEEKS", SQL_UNIT_WEEK},
        {"DAY", SQL_UNIT_DAY},
        {"DAYS", SQL_UNIT_DAY},
        {"HOUR", SQL_UNIT_HOUR},
        {"HOURS", SQL_UNIT_HOUR},
        {"MINUTE", SQL_UNIT_MINUTE},
        {"MINUTES", SQL_UNIT_MINUTE},
        {"SECOND", SQL_UNIT_SECOND},
        {"SECONDS", SQL_UNIT_SECOND},
        {"MILLISECOND", SQL_UNIT_MILLISECOND},
        {"MICROSECOND", SQL_UNIT_MICROSECOND},
        {"NANOSECOND", SQL_UNIT_NANOSECOND},
        {"DOW", SQL_UNIT_DOW},
        {"DOY", SQL_UNIT_DOY},
        {"ISODOW", SQL_UNIT_ISODOW},
        {"ISOYEAR", SQL_UNIT_ISOYEAR},
        {"EPOCH", SQL_UNIT_EPOCH},
        {"DECADE", SQL_UNIT_DECADE},
        {"CENTURY", SQL_UNIT_CENTURY},
        {"MILLENNIUM", SQL_UNIT_MILLENNIUM},
    };

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (sql_token_is(token, units[i].word)) {
            return units[i].unit;
        }
    }
    return SQL_UNIT_NONE;
}

/* --- types -----------------------------------------------------------------------------------------------------------
 */

/* What the type words mean. With `bounded`, one number in parentheses is a length or a precision. */
struct type_word {
    const char   *word;
    enum vec_kind kind;
    bool          bounded;
};

static const struct type_word type_words[] = {
    {"BOOLEAN", VEC_BOOLEAN, false},
    {"TINYINT", VEC_TINYINT, false},
    {"SMALLINT", VEC_SMALLINT, false},
    {"INT", VEC_INT, false},
    {"INTEGER", VEC_INT, false},
    {"BIGINT", VEC_BIGINT, false},
    {"FLOAT", VEC_FLOAT, false},
    {"REAL", VEC_FLOAT, false},
    {"DOUBLE", VEC_DOUBLE, false},
    {"DECIMAL", VEC_DECIMAL, true},
    {"DEC", VEC_DECIMAL, true},
    {"NUMERIC", VEC_DECIMAL, true},
    {"CHAR", VEC_CHAR, true},
    {"CHARACTER", VEC_CHAR, true},
    {"VARCHAR", VEC_VARCHAR, true},
    {"STRING", VEC_VARCHAR, false},
    {"BINARY", VEC_BINARY, true},
    {"VARBINARY", VEC_VARBINARY, true},
    {"BYTES", VEC_VARBINARY, false},
    {"DATE", VEC_DATE, false},
    {"TIME", VEC_TIME, true},
    {"TIMESTAMP", VEC_TIMESTAMP, true},
    {"TIMESTAMP_LTZ", VEC_TIMESTAMP_LTZ, true},
    {"ROW", VEC_ROW, false},
    {"ARRAY", VEC_ARRAY, false},
};

static bool type_number(struct sql_parser *parser, int64_t min, int64_t max, const char *what, int64_t *out_value)
{
    int64_t value = 0;

    if (parser->token.kind != SQL_TOKEN_EXACT || memchr(parser->token.text.base, '.', parser->token.text.len) != NULL) {
        return sql__expected(parser, what);
    }
    for (size_t i = 0; i < parser->token.text.len && value <= max; i++) {
        value = value * 10 + (parser->token.text.base[i] - '0');
    }
    if (value < min || value > max) {
        return sql_fail(parser->error, SQL_ERROR_TYPE, parser->token.place, "%s is between %" PRId64 " and %" PRId64,
                        what, min, max);
    }
    *out_value = value;
    sql__take(parser);
    return true;
}

/* What stands in parentheses behind a type, with Flink's defaults where nothing does. */
static bool type_bounds(struct sql_parser *parser, struct vec_type *type)
{
    int64_t first = 0;
    int64_t scale = 0;
    bool    given = sql__try_mark(parser, '(');
    bool    ok = true;

    switch (type->kind) {
    case VEC_DECIMAL:
        first = 10;
        ok = !given || (type_number(parser, 1, VEC_DECIMAL_DIGITS_MAX, "a DECIMAL's precision", &first) &&
                        (!sql__try_mark(parser, ',') || type_number(parser, 0, first, "a DECIMAL's scale", &scale)));
        type->precision = (uint8_t)first;
        type->scale = (uint8_t)scale;
        break;
    case VEC_TIME:
        ok = !given || type_number(parser, 0, 3, "a TIME's precision", &first);
        type->precision = (uint8_t)first;
        break;
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        first = 6;
        ok = !given || type_number(parser, 0, 9, "a TIMESTAMP's precision", &first);
        type->precision = (uint8_t)first;
        break;
    default:
        first = 1;
        ok = !given || type_number(parser, 1, VEC_LENGTH_UNLIMITED, "a length", &first);
        type->length = (int32_t)first;
        break;
    }
    return ok && (!given || sql__expect_mark(parser, ')'));
}

/* TIMESTAMP(3) WITH LOCAL TIME ZONE, and the one we do not have. */
static bool type_time_zone(struct sql_parser *parser, struct vec_type *type)
{
    struct sql_place place = parser->token.place;

    if (sql__try(parser, "WITHOUT")) {
        return sql__expect(parser, "TIME") && sql__expect(parser, "ZONE");
    }
    if (type->kind != VEC_TIMESTAMP || !sql__is(parser, "WITH")) {
        return true;
    }
    sql__take(parser);
    if (!sql__try(parser, "LOCAL")) {
        return sql__unsupported(parser, place, "TIMESTAMP WITH TIME ZONE is not supported; TIMESTAMP_LTZ is");
    }
    type->kind = VEC_TIMESTAMP_LTZ;
    return sql__expect(parser, "TIME") && sql__expect(parser, "ZONE");
}

struct type_field {
    struct type_field *next;
    struct vec_field   field;
};

/* ROW<a INT, b STRING 'comment'>, ROW(a INT), ARRAY<INT>. */
static bool type_children(struct sql_parser *parser, struct vec_type *type)
{
    uint16_t           closing = '>';
    struct type_field *first = NULL;
    struct type_field *last = NULL;
    struct vec_field  *fields;
    struct sql_type    child;

    if (type->kind == VEC_ROW && sql__try_mark(parser, '(')) {
        closing = ')';
    } else if (!sql__expect_mark(parser, '<')) {
        return false;
    }
    do {
        struct type_field *field = sql__node(parser, sizeof(*field));

        if (field == NULL) {
            return false;
        }
        if (type->kind == VEC_ROW) {
            struct sql_name *name = sql__name(parser, "the name of a field");

            if (name == NULL) {
                return false;
            }
            field->field.name = name->text;
        }
        if (!sql__type(parser, &child)) {
            return false;
        }
        if (type->kind == VEC_ROW && parser->token.kind == SQL_TOKEN_STRING) {
            sql__take(parser); /* a field's comment */
        }
        field->field.type = child.type;
        *(first == NULL ? &first : &last->next) = field;
        last = field;
        type->child_count++;
    } while (type->kind == VEC_ROW && sql__try_mark(parser, ','));
    if (!sql__expect_mark(parser, closing)) {
        return false;
    }
    fields = sql__node(parser, type->child_count * sizeof(*fields));
    for (uint32_t i = 0; fields != NULL && first != NULL; first = first->next) {
        fields[i++] = first->field;
    }
    type->children = fields;
    return fields != NULL;
}

static const struct type_word *find_type_word(const struct sql_token *token)
{
    for (size_t i = 0; i < COUNT_OF(type_words); i++) {
        if (sql_token_is(token, type_words[i].word)) {
            return &type_words[i];
        }
    }
    return NULL;
}

static bool type_base(struct sql_parser *parser, struct vec_type *type)
{
    const struct type_word *word = find_type_word(&parser->token);
    struct sql_place        place = parser->token.place;

    if (word == NULL) {
        static const char *const others[] = {"MAP", "MULTISET", "RAW", "VARIANT", "INTERVAL"};

        for (size_t i = 0; i < COUNT_OF(others); i++) {
            if (sql__is(parser, others[i])) {
                return sql__unsupported(parser, place, "columns of type %s are not supported", others[i]);
            }
        }
        return sql__expected(parser, "a type");
    }
    *type = vec_type_of(word->kind);
    sql__take(parser);
    if (word->kind == VEC_DOUBLE) {
        (void)sql__try(parser, "PRECISION");
    }
    if (word->kind == VEC_CHAR && sql__try(parser, "VARYING")) {
        type->kind = VEC_VARCHAR;
    }
    if (word->kind == VEC_ROW || word->kind == VEC_ARRAY) {
        return type_children(parser, type);
    }
    /* A bare VARCHAR is a STRING in Flink; a bare CHAR is CHAR(1). */
    if (word->bounded && (word->kind != VEC_VARCHAR || sql__is_mark(parser, '(')) &&
        (word->kind != VEC_VARBINARY || sql__is_mark(parser, '(')) && !type_bounds(parser, type)) {
        return false;
    }
    return word->kind < VEC_TIME || type_time_zone(parser, type);
}

bool sql__type(struct sql_parser *parser, struct sql_type *out_type)
{
    struct sql_place from = parser->token.place;
    bool             ok;

    *out_type = (struct sql_type){.place = from};
    if (!sql__enter(parser)) {
        return false;
    }
    ok = type_base(parser, &out_type->type);
    while (ok && sql__is(parser, "ARRAY")) { /* INT ARRAY is ARRAY<INT> */
        struct vec_field *element = sql__node(parser, sizeof(*element));

        sql__take(parser);
        if (element == NULL) {
            break;
        }
        element->type = out_type->type;
        out_type->type = (struct vec_type){.kind = VEC_ARRAY, .nullable = true, .child_count = 1, .children = element};
    }
    if (ok && sql__try(parser, "NULL")) {
        out_type->type.nullable = true;
    } else if (ok && sql__is(parser, "NOT") && sql__ahead_is(parser, "NULL")) {
        sql__take(parser);
        sql__take(parser);
        out_type->type.nullable = false;
    }
    sql__leave(parser);
    out_type->place = sql__place_from(parser, from);
    return ok && !sql__failed(parser);
}
