/* slog.h: the broker's log lines, for people and for collectors.
 *
 * One line per event, `level room message`, to standard error. Lines name cause and cure.
 * Rooms below net may log events an operator must see (damage, full disk, offline partition) and nothing else. Thread
 * safe: a line is formatted in the caller's stack (SLOG_LINE_BYTES at most, then cut) and written by one call. Sinks
 * can be replaced in tests. */
#ifndef MILLRACE_SLOG_H
#define MILLRACE_SLOG_H

#include "core/base/base.h"

#define SLOG_LINE_BYTES 2048

enum slog_level { SLOG_DEBUG, SLOG_INFO, SLOG_WARN, SLOG_ERROR };

/* text: one whole line without the newline, valid during the call. */
typedef void slog_sink_fn(enum slog_level level, const char *room, const char *text);

/* Of all rooms that have none of their own. */
void            slog_set_level(enum slog_level level);
enum slog_level slog_level_of(const char *room);
/* A room's own level; SLOG_INHERIT gives it up. False: no such room. Any thread. */
#define SLOG_INHERIT (-1)
MUST_USE bool slog_set_room_level(const char *room, int level);
/* The rooms that log, by index; NULL at the end. */
const char *slog_room_at(size_t index);
/* NULL restores the default (standard error). */
void slog_set_sink(slog_sink_fn *sink);
void slog_write(enum slog_level level, const char *room, const char *format, ...) PRINTF_LIKE(3, 4);

#define slog_debug(room, ...) slog_write(SLOG_DEBUG, room, __VA_ARGS__)
#define slog_info(room, ...)  slog_write(SLOG_INFO, room, __VA_ARGS__)
#define slog_warn(room, ...)  slog_write(SLOG_WARN, room, __VA_ARGS__)
#define slog_error(room, ...) slog_write(SLOG_ERROR, room, __VA_ARGS__)

#endif
