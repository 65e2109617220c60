#include "core/base/slog.h"

#include <stdarg.h>
#include <stdio.h>

static enum slog_level slog_threshold = SLOG_INFO;
static slog_sink_fn   *slog_sink;

static const char *const slog_rooms[] = {"api",  "broker", "coord", "io",    "job",
                                         "meta", "net",    "part",  "print", "store"};
static int slog_levels[COUNT_OF(slog_rooms)] = {SLOG_INHERIT, SLOG_INHERIT, SLOG_INHERIT, SLOG_INHERIT, SLOG_INHERIT,
                                                SLOG_INHERIT, SLOG_INHERIT, SLOG_INHERIT, SLOG_INHERIT, SLOG_INHERIT};

void slog_set_level(enum slog_level level)
{
    __atomic_store_n(&slog_threshold, level, __ATOMIC_RELAXED);
}

const char *slog_room_at(size_t index)
{
    return index < COUNT_OF(slog_rooms) ? slog_rooms[index] : NULL;
}

static size_t slog_room_find(const char *room)
{
    size_t index = 0;

    while (index < COUNT_OF(slog_rooms) && strcmp(slog_rooms[index], room) != 0) {
        index++;
    }
    return index;
}

bool slog_set_room_level(const char *room, int level)
{
    size_t index = slog_room_find(room);

    if (index == COUNT_OF(slog_rooms)) {
        return false;
    }
    __atomic_store_n(&slog_levels[index], level, __ATOMIC_RELAXED);
    return true;
}

enum slog_level slog_level_of(const char *room)
{
    size_t index = slog_room_find(room);
    int    own = index == COUNT_OF(slog_rooms) ? SLOG_INHERIT : __atomic_load_n(&slog_levels[index], __ATOMIC_RELAXED);

    return own == SLOG_INHERIT ? __atomic_load_n(&slog_threshold, __ATOMIC_RELAXED) : (enum slog_level)own;
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

    if (level < slog_level_of(room)) {
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
