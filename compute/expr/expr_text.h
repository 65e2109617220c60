/* expr_text.h: what the kernels over texts share. Positions and lengths count characters (code points) unless a name
 * says units: some of Flink's functions count Java's UTF-16 units, where a character above U+FFFF is two. */
#ifndef MILLRACE_EXPR_TEXT_H
#define MILLRACE_EXPR_TEXT_H

#include "compute/expr/expr_kernel.h"

static inline const struct vec_string *expr__text_at(const struct vec_access *access, size_t row)
{
    return (const struct vec_string *)access->data + vec_access_at(access, row);
}

/* The view points into the vector's memory, also for short texts. */
static inline struct view expr__view_at(const struct vec_access *access, size_t row)
{
    return vec_string_view(expr__text_at(access, row));
}

static inline int64_t expr__int_at(const struct vec_access *access, size_t row)
{
    return ((const int32_t *)access->data)[vec_access_at(access, row)];
}

static inline bool expr__is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* STRING NOT NULL: the engine adds the nulls of strict functions. */
struct vec_type expr__string_type(void);
/* VARCHAR of the argument's length, or of two lengths together. */
struct vec_type expr__varchar_of(const struct expr *a, const struct expr *b);
/* Argument i is a text, a bare NULL made one; numbers are not taken for texts. */
bool expr__want_text(struct expr_bind *bind, uint32_t i);
bool expr__want_int(struct expr_bind *bind, uint32_t i);
void expr__result(struct expr_bind *bind, struct vec_type type, expr_kernel_fn *kernel);

/* Stores a copy / bytes of an argument, which outlive the call, as the result at a row. */
MUST_USE bool expr__put_copy(struct expr_call *call, size_t row, const void *bytes, size_t len);
void          expr__put_room(struct expr_call *call, size_t row, const char *room, size_t len);

int32_t expr__count_characters(struct view text);
/* Where character number `characters` begins, at most the text's length. */
size_t expr__character_at(struct view text, int64_t characters);
/* The character at a byte position: its code point, and its bytes. Broken bytes are U+FFFD of one byte. */
uint32_t expr__decode(struct view text, size_t at, size_t *out_bytes);
/* Writes one to four bytes. */
size_t expr__encode(uint32_t code, char *out);

/* A text that grows in the call's memory: for results whose length is not known before. */
struct expr_builder {
    struct expr_call *call;
    size_t            row;
    char             *base;
    size_t            len, capacity;
    bool              failed;
};

void          expr__build(struct expr_builder *builder, const void *bytes, size_t len);
MUST_USE bool expr__built(struct expr_builder *builder); /* stores it as the result at the row */

/* What is no UTF-8 becomes U+FFFD, as in a Java String. */
void expr__build_utf8(struct expr_builder *builder, struct view bytes);

/* expr_case.c: full Unicode mappings as Java's String has them. */
void expr__build_upper(struct expr_builder *builder, struct view text);
void expr__build_lower(struct expr_builder *builder, struct view text);

#endif
