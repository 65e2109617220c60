/* sql_parse.h: a script to statements; and what the parser's own files share.
 *
 * Recursive descent with one token of lookahead and a second where the grammar needs it; expressions by precedence.
 * Every rule is a function that returns NULL after the first error, which then stands in the parser's error. Nesting
 * is bounded by SQL_NESTING_MAX, so that no script can exhaust the stack. */
#ifndef MILLRACE_SQL_PARSE_H
#define MILLRACE_SQL_PARSE_H

#include "compute/sql/sql_ast.h"
#include "compute/sql/sql_lex.h"

#define SQL_NESTING_MAX      200
#define SQL_SCRIPT_BYTES_MAX (16 * MIB)

/* The statements of a script, NULL for an empty one or after an error (*out_error then has a kind). Everything lives in
 * the arena and in the script's bytes. */
struct sql_statement *sql_parse(struct view script, struct arena *arena, struct sql_error *out_error);
/* One expression and nothing else: for tests, and for options that hold one. */
struct sql_expr *sql_parse_expression(struct view script, struct arena *arena, struct sql_error *out_error);

/* --- the room's own -------------------------------------------------------------------------------------------------
 */

struct sql_parser {
    struct sql_lexer  lexer;
    struct sql_token  token;    /* the one to look at */
    struct sql_token  ahead;    /* and the one behind it */
    uint32_t          last_end; /* where the last taken token ended */
    struct arena     *arena;
    struct sql_error *error;
    uint32_t          nesting;
};

void  sql__parser_init(struct sql_parser *parser, struct view script, struct arena *arena, struct sql_error *error);
void *sql__node(struct sql_parser *parser, size_t bytes); /* NULL with an error when the arena is full */
bool  sql__failed(const struct sql_parser *parser);
/* One level deeper; false with an error past SQL_NESTING_MAX. Paired with sql__leave(). */
bool sql__enter(struct sql_parser *parser);
void sql__leave(struct sql_parser *parser);

void sql__take(struct sql_parser *parser);
bool sql__is(const struct sql_parser *parser, const char *word);
bool sql__ahead_is(const struct sql_parser *parser, const char *word);
bool sql__is_mark(const struct sql_parser *parser, uint16_t punctuation);
bool sql__ahead_is_mark(const struct sql_parser *parser, uint16_t punctuation);
/* Takes it if it is there. */
bool sql__try(struct sql_parser *parser, const char *word);
bool sql__try_mark(struct sql_parser *parser, uint16_t punctuation);
/* Takes it or fails with "expected ... but found ...". */
bool sql__expect(struct sql_parser *parser, const char *word);
bool sql__expect_mark(struct sql_parser *parser, uint16_t punctuation);
/* "expected `what`, but found ..." at the current token; false. */
bool sql__expected(struct sql_parser *parser, const char *what);
bool sql__unsupported(struct sql_parser *parser, struct sql_place place, const char *format, ...) PRINTF_LIKE(3, 4);
/* From the start of `from` to the last taken token. */
struct sql_place sql__place_from(const struct sql_parser *parser, struct sql_place from);

/* sql_parse_name.c */
struct sql_name *sql__name(struct sql_parser *parser, const char *what);      /* one identifier */
struct sql_name *sql__name_path(struct sql_parser *parser, const char *what); /* a.b.c */
struct sql_name *sql__name_list(struct sql_parser *parser, const char *what); /* (a, b) with its parentheses */
bool             sql__string(struct sql_parser *parser, const char *what, struct view *out_text);
bool             sql__token_is_name(const struct sql_token *token);
bool             sql__type(struct sql_parser *parser, struct sql_type *out_type);
/* A unit word, singular or plural; SQL_UNIT_NONE when the token is none. */
enum sql_unit sql__unit(const struct sql_token *token);

/* sql_parse_expr.c and sql_parse_call.c */
struct sql_expr  *sql__expr(struct sql_parser *parser);
struct sql_expr  *sql__expr_list(struct sql_parser *parser, uint32_t *out_count); /* a, b, c */
struct sql_expr  *sql__new_expr(struct sql_parser *parser, enum sql_expr_kind kind, struct sql_place place);
struct sql_expr  *sql__primary(struct sql_parser *parser);
struct sql_expr  *sql__interval(struct sql_parser *parser);
struct sql_order *sql__order_list(struct sql_parser *parser);

/* sql_parse_query.c and sql_parse_from.c */
bool               sql__starts_query(const struct sql_parser *parser);
struct sql_query  *sql__query(struct sql_parser *parser);
struct sql_source *sql__from(struct sql_parser *parser);

/* sql_parse_table.c */
struct sql_create_table *sql__create_table(struct sql_parser *parser, bool temporary);
struct sql_option       *sql__options(struct sql_parser *parser);

#endif
