/* print.h: a text that counts what it could not hold, as snprintf does: `len` is what the whole text needs, without the
 * NUL; when it is `capacity` or more, the text was cut. The caller owns the bytes; a text with room for one byte or
 * more always ends in a NUL. */
#ifndef MILLRACE_PRINT_H
#define MILLRACE_PRINT_H

#include <stdarg.h>

#include "core/base/base.h"

struct print {
    char  *text; /* may be NULL when capacity is 0: only to count */
    size_t capacity;
    size_t len;
};

void PRINTF_LIKE(2, 3) print_put(struct print *print, const char *format, ...);
void PRINTF_LIKE(2, 0) print_put_args(struct print *print, const char *format, va_list arguments);
/* Stops at a NUL byte, as "%.*s" does. */
void print_view(struct print *print, struct view text);

#endif
