/* Tokens of Flink's dialect (Calcite's with backticks): comments are two dashes, two slashes and the C form; a hint is
 * a C comment that begins with a plus; text is UTF-8. */
#include "compute/sql/sql_lex.h"

#include "core/base/check.h"

#define ESCAPE_DEFAULT '\\'

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_start(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_word(uint8_t c)
{
    return is_word_start(c) || is_digit(c) || c == '$';
}

/* The byte at `at + ahead`, 0 past the end. */
static uint8_t peek(const struct sql_lexer *lexer, size_t ahead)
{
    return lexer->at + ahead < lexer->script.len ? lexer->script.base[lexer->at + ahead] : 0;
}

static struct sql_place place_from(const struct sql_lexer *lexer, size_t start)
{
    return (struct sql_place){.offset = (uint32_t)start, .len = (uint32_t)(lexer->at - start)};
}

static bool skip_comment(struct sql_lexer *lexer)
{
    size_t start = lexer->at;

    lexer->at += 2;
    while (lexer->at < lexer->script.len) {
        if (peek(lexer, 0) == '*' && peek(lexer, 1) == '/') {
            lexer->at += 2;
            return true;
        }
        lexer->at++;
    }
    lexer->at = start + 2;
    sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start), "this comment does not end");
    lexer->at = lexer->script.len;
    return false;
}

static bool skip_blank(struct sql_lexer *lexer)
{
    for (;;) {
        uint8_t c = peek(lexer, 0);

        if (lexer->at >= lexer->script.len) {
            return true;
        }
        if (is_space(c)) {
            lexer->at++;
        } else if ((c == '-' && peek(lexer, 1) == '-') || (c == '/' && peek(lexer, 1) == '/')) {
            while (lexer->at < lexer->script.len && lexer->script.base[lexer->at] != '\n') {
                lexer->at++;
            }
        } else if (c == '/' && peek(lexer, 1) == '*' && peek(lexer, 2) != '+') {
            if (!skip_comment(lexer)) {
                return false;
            }
        } else {
            return true;
        }
    }
}

/* --- quoted texts ----------------------------------------------------------------------------------------------------
 */

/* Reads up to the closing quote; a doubled quote stands for one. The token's text has quotes removed. */
static bool lex_quoted(struct sql_lexer *lexer, uint8_t quote, struct sql_token *token)
{
    size_t   start = lexer->at++;
    size_t   first = lexer->at;
    bool     doubled = false;
    uint8_t *text;
    size_t   len = 0;

    for (;; lexer->at++) {
        if (lexer->at >= lexer->script.len) {
            lexer->at = start + 1;
            sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start), "this quote (%c) is not closed", quote);
            lexer->at = lexer->script.len;
            return false;
        }
        if (peek(lexer, 0) == quote) {
            if (peek(lexer, 1) != quote) {
                break;
            }
            doubled = true;
            lexer->at++;
        }
    }
    token->text = view_of(lexer->script.base + first, lexer->at - first);
    lexer->at++;
    if (!doubled) {
        return true;
    }
    text = arena_alloc(lexer->arena, token->text.len);
    if (text == NULL) {
        return sql_fail(lexer->error, SQL_ERROR_LIMIT, place_from(lexer, start), "the script is too large");
    }
    for (size_t i = 0; i < token->text.len; i++) {
        text[len++] = token->text.base[i];
        i += token->text.base[i] == quote;
    }
    token->text = view_of(text, len);
    return true;
}

static int hex_value(uint8_t c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c = (uint8_t)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool lex_bytes(struct sql_lexer *lexer, struct sql_token *token)
{
    size_t   start = lexer->at++;
    uint8_t *bytes;

    if (!lex_quoted(lexer, '\'', token)) {
        return false;
    }
    bytes = arena_alloc(lexer->arena, token->text.len / 2);
    if (bytes == NULL || token->text.len % 2 != 0) {
        return sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start),
                        "a binary literal has an even number of hex digits");
    }
    for (size_t i = 0; i < token->text.len; i += 2) {
        int high = hex_value(token->text.base[i]);
        int low = hex_value(token->text.base[i + 1]);

        if (high < 0 || low < 0) {
            return sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start),
                            "a binary literal has hex digits only");
        }
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    token->kind = SQL_TOKEN_BYTES;
    token->text = view_of(bytes, token->text.len / 2);
    return true;
}

static size_t utf8_put(uint8_t *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

/* One escape behind its escape character: \XXXX or \+XXXXXX; \\ is itself. Returns bytes read, 0 when malformed. */
static size_t read_escape(struct view text, uint8_t escape, uint32_t *out_code)
{
    size_t digits = 4;
    size_t at = 0;

    if (text.len > 0 && text.base[0] == escape) {
        *out_code = escape;
        return 1;
    }
    if (text.len > 0 && text.base[0] == '+') {
        digits = 6;
        at = 1;
    }
    if (text.len < at + digits) {
        return 0;
    }
    *out_code = 0;
    for (size_t i = 0; i < digits; i++) {
        int value = hex_value(text.base[at + i]);

        if (value < 0) {
            return 0;
        }
        *out_code = *out_code << 4 | (uint32_t)value;
    }
    if (*out_code > 0x10ffff || (*out_code >= 0xd800 && *out_code < 0xe000)) {
        return 0;
    }
    return at + digits;
}

static bool unescape(struct sql_lexer *lexer, struct sql_token *token, uint8_t escape, size_t start)
{
    uint8_t *text = arena_alloc(lexer->arena, token->text.len);
    size_t   len = 0;

    if (text == NULL) {
        return sql_fail(lexer->error, SQL_ERROR_LIMIT, place_from(lexer, start), "the script is too large");
    }
    for (size_t i = 0; i < token->text.len; i++) {
        uint32_t code;
        size_t   used;

        if (token->text.base[i] != escape) {
            text[len++] = token->text.base[i];
            continue;
        }
        used = read_escape(view_of(token->text.base + i + 1, token->text.len - i - 1), escape, &code);
        if (used == 0) {
            return sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start),
                            "a Unicode escape is %cXXXX or %c+XXXXXX with hex digits of a character", escape, escape);
        }
        len += utf8_put(text + len, code); /* never longer than the escape */
        i += used;
    }
    token->text = view_of(text, len);
    return true;
}

/* Behind a text: UESCAPE 'c'. Compared byte by byte, not by sql_lex(), which would recurse over a run of such texts. */
static bool lex_uescape(struct sql_lexer *lexer, uint8_t *out_escape)
{
    static const char word[] = "UESCAPE";
    struct sql_lexer  ahead = *lexer;
    struct sql_token  text = {.kind = SQL_TOKEN_STRING};

    if (!skip_blank(&ahead)) {
        return false;
    }
    for (size_t i = 0; word[i] != '\0'; i++) {
        if ((peek(&ahead, i) & ~0x20) != word[i]) {
            return true;
        }
    }
    if (is_word(peek(&ahead, sizeof(word) - 1))) {
        return true;
    }
    ahead.at += sizeof(word) - 1;
    if (!skip_blank(&ahead)) {
        return false;
    }
    if (peek(&ahead, 0) != '\'' || !lex_quoted(&ahead, '\'', &text) || text.text.len != 1 ||
        hex_value(text.text.base[0]) >= 0 || text.text.base[0] >= 0x80 || strchr(" +'\"", text.text.base[0]) != NULL) {
        return sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(&ahead, lexer->at),
                        "UESCAPE is followed by one character in quotes: no digit a-f, plus, quote or blank");
    }
    *out_escape = text.text.base[0];
    lexer->at = ahead.at;
    return true;
}

/* U&'d\0061ta' [UESCAPE '!'] */
static bool lex_unicode(struct sql_lexer *lexer, struct sql_token *token)
{
    size_t  start = lexer->at;
    uint8_t escape = ESCAPE_DEFAULT;

    lexer->at += 2;
    if (!lex_quoted(lexer, '\'', token)) {
        return false;
    }
    token->kind = SQL_TOKEN_STRING;
    return lex_uescape(lexer, &escape) && unescape(lexer, token, escape, start);
}

/* --- the rest --------------------------------------------------------------------------------------------------------
 */

static bool lex_number(struct sql_lexer *lexer, struct sql_token *token)
{
    size_t start = lexer->at;

    token->kind = SQL_TOKEN_EXACT;
    while (is_digit(peek(lexer, 0))) {
        lexer->at++;
    }
    if (peek(lexer, 0) == '.') {
        lexer->at++;
        while (is_digit(peek(lexer, 0))) {
            lexer->at++;
        }
    }
    if ((peek(lexer, 0) | 0x20) == 'e') {
        size_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-';

        if (is_digit(peek(lexer, 1 + sign))) {
            token->kind = SQL_TOKEN_APPROX;
            lexer->at += 1 + sign;
            while (is_digit(peek(lexer, 0))) {
                lexer->at++;
            }
        }
    }
    token->text = view_of(lexer->script.base + start, lexer->at - start);
    if (is_word(peek(lexer, 0))) {
        lexer->at++;
        return sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start),
                        "a number runs into a name here; a name that begins with a digit needs backticks");
    }
    return true;
}

static bool lex_punctuation(struct sql_lexer *lexer, struct sql_token *token)
{
    static const char *const pairs[] = {"<=", ">=", "<>", "!=", "||", "=>", "*/"};
    static const char        singles[] = "()[],.;=<>+-*/%?:{}";
    uint8_t                  first = peek(lexer, 0);
    size_t                   start = lexer->at;

    token->kind = SQL_TOKEN_PUNCTUATION;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (pairs[i][0] == first && (uint8_t)pairs[i][1] == peek(lexer, 1) && (lexer->in_hint || first != '*')) {
            token->punctuation = SQL_PUNCTUATION_2(pairs[i][0], pairs[i][1]);
            lexer->at += 2;
            return true;
        }
    }
    lexer->at++;
    if (first != 0 && strchr(singles, first) != NULL) {
        token->punctuation = first;
        return true;
    }
    if (first == '"') {
        return sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start),
                        "double quotes mean nothing here: names stand in `backticks`, texts in 'single quotes'");
    }
    if (first < 0x20 || first == 0x7f) {
        return sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start), "unexpected control character 0x%02x",
                        first);
    }
    return sql_fail(lexer->error, SQL_ERROR_SYNTAX, place_from(lexer, start), "unexpected character '%c'", first);
}

static void lex_word(struct sql_lexer *lexer, struct sql_token *token)
{
    size_t start = lexer->at;

    while (is_word(peek(lexer, 0))) {
        lexer->at++;
    }
    token->kind = SQL_TOKEN_WORD;
    token->text = view_of(lexer->script.base + start, lexer->at - start);
    token->reserved = sql_word_reserved(token->text);
}

static bool lex_token(struct sql_lexer *lexer, struct sql_token *token)
{
    uint8_t c = peek(lexer, 0);

    if (lexer->at >= lexer->script.len) {
        return true;
    }
    if ((c | 0x20) == 'x' && peek(lexer, 1) == '\'') {
        return lex_bytes(lexer, token);
    }
    if ((c | 0x20) == 'u' && peek(lexer, 1) == '&' && peek(lexer, 2) == '\'') {
        return lex_unicode(lexer, token);
    }
    if (is_word_start(c)) {
        lex_word(lexer, token);
        return true;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1)))) {
        return lex_number(lexer, token);
    }
    if (c == '\'') {
        token->kind = SQL_TOKEN_STRING;
        return lex_quoted(lexer, '\'', token);
    }
    if (c == '`') {
        token->kind = SQL_TOKEN_QUOTED;
        return lex_quoted(lexer, '`', token);
    }
    if (c == '/' && peek(lexer, 1) == '*' && peek(lexer, 2) == '+') {
        token->kind = SQL_TOKEN_HINT;
        lexer->at += 3;
        return true;
    }
    return lex_punctuation(lexer, token);
}

struct sql_token sql_lex(struct sql_lexer *lexer)
{
    struct sql_token token = {.kind = SQL_TOKEN_END};
    size_t           start;

    if (lexer->error->kind != SQL_OK || !skip_blank(lexer)) {
        return token;
    }
    start = lexer->at;
    if (!lex_token(lexer, &token)) {
        return (struct sql_token){.kind = SQL_TOKEN_END};
    }
    token.place = place_from(lexer, start);
    return token;
}

bool sql_token_is(const struct sql_token *token, const char *word)
{
    size_t i = 0;

    if (token->kind != SQL_TOKEN_WORD) {
        return false;
    }
    for (; i < token->text.len && word[i] != '\0'; i++) {
        uint8_t c = token->text.base[i];

        if ((c >= 'a' && c <= 'z' ? c - 32 : c) != (uint8_t)word[i]) {
            return false;
        }
    }
    return i == token->text.len && word[i] == '\0';
}
