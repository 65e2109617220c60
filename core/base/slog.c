#include "core/base/slog.h"

#include <stdarg.h>
#include <stdio.h>

static enum slog_level slog_threshold = SLOG_INFO;
static slog_sink_fn   *slog_sink;

void slog_set_level(enum slog_level level)
{
    __atomic_store_n(&slog_threshold, level, __ATOMIC_RELAXED);
}

void slog_set_sink(slog_sink_fn *sink)
{
    slog_sink = sink;
}

static void slog_to_stderr(enum slog_level level, const char *room, const char *text)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

    /* One stdio call per line: stderr is unbuffered and each call is atomic with respect to other threads. */
    (void)fprintf(stderr, "%-5s %-7s %s\n", names[level], room, text);
}

void slog_write(enum slog_level level, const char *room, const char *format, ...)
{
    char    text[SLOG_LINE_BYTES];
    va_list arguments;

    if (level < __atomic_load_n(&slog_threshold, __ATOMIC_RELAXED)) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (slog_sink != NULL) {
        slog_sink(level, room, text);
    } else {
        slog_to_stderr(level, room, text);
    }
}
