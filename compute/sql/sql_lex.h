/* sql_lex.h: a script as tokens. */
#ifndef MILLRACE_SQL_LEX_H
#define MILLRACE_SQL_LEX_H

#include "compute/sql/sql_error.h"
#include "core/base/arena.h"

enum sql_token_kind {
    SQL_TOKEN_END,
    SQL_TOKEN_WORD,   /* text as written; keyword tells whether it is reserved */
    SQL_TOKEN_QUOTED, /* `text`, quotes removed */
    SQL_TOKEN_EXACT,  /* 12, 1.5, .5 */
    SQL_TOKEN_APPROX, /* 1e5 */
    SQL_TOKEN_STRING, /* 'text', quotes removed; also U&'..' */
    SQL_TOKEN_BYTES,  /* X'00ff': text is the bytes */
    SQL_TOKEN_HINT,   /* the opening of a hint comment */
    SQL_TOKEN_PUNCTUATION,
};

/* Punctuation by its first characters: one byte, or two packed. */
#define SQL_PUNCTUATION_2(a, b) ((uint16_t)((uint16_t)(uint8_t)(a) << 8 | (uint8_t)(b)))

struct sql_token {
    enum sql_token_kind kind;
    struct sql_place    place;
    struct view         text;
    uint16_t            punctuation; /* ';', '<', SQL_PUNCTUATION_2('<', '='), ... */
    bool                reserved;    /* WORD: has to be quoted to be a name (Flink's list) */
};

struct sql_lexer {
    struct view       script;
    size_t            at;
    struct arena     *arena;
    struct sql_error *error;
    bool              in_hint; /* a hint's closing mark is a token then */
};

/* The next token; SQL_TOKEN_END at the end and after an error, which is then in lexer->error. */
struct sql_token sql_lex(struct sql_lexer *lexer);
/* Case-insensitive comparison of an unquoted word. */
bool sql_token_is(const struct sql_token *token, const char *word);
/* Whether Flink wants `word` in backticks when it is a name. */
bool sql_word_reserved(struct view word);

#endif
