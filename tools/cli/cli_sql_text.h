/* cli_sql_text.h: values as text: a growing run of bytes, and what a cell of a result looks like in it. */
#ifndef MILLRACE_CLI_SQL_TEXT_H
#define MILLRACE_CLI_SQL_TEXT_H

#include "compute/vec/vec.h"

/* Bytes that grow. Zeroed is empty. */
struct sql_text {
    char  *base;
    size_t len, capacity;
};

void sql_text_deinit(struct sql_text *text);
/* Room for `bytes` more behind len. */
char *sql_text_room(struct sql_text *text, size_t bytes);
void  sql_text_put(struct sql_text *text, const void *base, size_t len);
void  sql_text_put_string(struct sql_text *text, const char *string);

enum sql_style {
    SQL_STYLE_TABLE, /* as Flink's SQL client shows results: casts to STRING, NULL as <NULL> */
    SQL_STYLE_PRINT, /* as its print connector does: Java's toString() of each value */
};

void sql_text_put_value(struct sql_text *text, const struct vec *vec, size_t row, enum sql_style style);
/* "+I", "-U", "+U", "-D". */
const char *sql_change_name(enum vec_change change);

/* Appends the value so that keys compare bytewise as their values do (vec_compare: nulls first), and equal keys are
 * equal bytes. */
void sql_text_put_key(struct sql_text *text, const struct vec *vec, size_t row);

#endif
