#include "core/base/print.h"

#include <stdio.h>

#include "core/base/check.h"

void print_put_args(struct print *print, const char *format, va_list arguments)
{
    size_t room = print->capacity > print->len ? print->capacity - print->len : 0;
    int    wrote = vsnprintf(room > 0 ? print->text + print->len : NULL, room, format, arguments);

    CHECK(wrote >= 0);
    print->len += (size_t)wrote;
}

void print_put(struct print *print, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_put_args(print, format, arguments);
    va_end(arguments);
}

void print_view(struct print *print, struct view text)
{
    print_put(print, "%.*s", (int)text.len, text.base == NULL ? "" : (const char *)text.base);
}
