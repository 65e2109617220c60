/* format_text.h: values as text: a growing run of bytes, and what a cell of a result looks like in it. */
#ifndef MILLRACE_FORMAT_TEXT_H
#define MILLRACE_FORMAT_TEXT_H

#include "compute/vec/vec.h"

/* Bytes that grow. Zeroed is empty. */
struct format_text {
    char  *base;
    size_t len, capacity;
};

void format_text_deinit(struct format_text *text);
/* Room for `bytes` more behind len. */
char *format_text_room(struct format_text *text, size_t bytes);
void  format_text_put(struct format_text *text, const void *base, size_t len);
void  format_text_put_string(struct format_text *text, const char *string);

enum format_style {
    FORMAT_STYLE_TABLE, /* as Flink's SQL client shows results: casts to STRING, NULL as <NULL> */
    FORMAT_STYLE_PRINT, /* as its print connector does: Java's toString() of each value */
};

void format_text_put_value(struct format_text *text, const struct vec *vec, size_t row, enum format_style style);
/* "+I", "-U", "+U", "-D". */
const char *format_change_name(enum vec_change change);

/* Appends the value so that keys compare bytewise as their values do (vec_compare: nulls first), and equal keys are
 * equal bytes. */
void format_text_put_key(struct format_text *text, const struct vec *vec, size_t row);

#endif
