/* sql_error.h: an error in a text, with its place, for people.
 *
 *     line 3, column 12: no column 'pirce' in 'bid'; did you mean 'price'?
 *         SELECT pirce FROM bid
 *                ^^^^^
 */
#ifndef MILLRACE_SQL_ERROR_H
#define MILLRACE_SQL_ERROR_H

#include "core/base/base.h"

#define SQL_MESSAGE_BYTES 512

/* What kind it is: scripts and REST tell them apart. */
enum sql_error_kind {
    SQL_OK,
    SQL_ERROR_SYNTAX,      /* the text is not SQL of this dialect */
    SQL_ERROR_UNSUPPORTED, /* Flink has it, we do not */
    SQL_ERROR_NAME,        /* unknown or ambiguous table, column, function, option */
    SQL_ERROR_TYPE,        /* operands, arguments or columns do not fit */
    SQL_ERROR_PLAN,        /* well typed, but it cannot run as a stream: changelog mode, keys, time attributes */
    SQL_ERROR_LIMIT,       /* nesting, length, number of columns */
};

/* A run of bytes of the script. */
struct sql_place {
    uint32_t offset;
    uint32_t len;
};

struct sql_error {
    enum sql_error_kind kind;
    struct sql_place    place;
    char                message[SQL_MESSAGE_BYTES];
};

/* Keeps the first error only. Returns false, so that callers can `return sql_fail(...)`. */
bool sql_fail(struct sql_error *error, enum sql_error_kind kind, struct sql_place place, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* Line and column, both from 1; the column counts characters, not bytes. */
void sql_position(struct view script, uint32_t offset, uint32_t *out_line, uint32_t *out_column);
/* Position, message, the line and a mark under the place. NUL-terminated; returns the length that was needed. */
size_t      sql_error_format(const struct sql_error *error, struct view script, char *out_text, size_t capacity);
const char *sql_error_kind_name(enum sql_error_kind kind);

/* The candidate nearest to `name` by edit distance, ignoring case; base NULL when none is near. */
struct view sql_nearest(struct view name, const struct view *candidates, size_t count);

#endif
