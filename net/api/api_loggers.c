/* Loggers of this process, as the resource BROKER_LOGGER of every node: "root" and one per room that logs. Levels are
 * changed at once and forgotten at the next start, as in Kafka; all nodes of a host share them. */
#include "core/base/slog.h"
#include "net/api/api_internal.h"

#include <stdio.h>

#define LOGGER_ROOT       "root"
#define LOGGER_NAME_BYTES 32

static const char *logger_level_name(enum slog_level level)
{
    static const char *const names[] = {
        [SLOG_DEBUG] = "DEBUG", [SLOG_INFO] = "INFO", [SLOG_WARN] = "WARN", [SLOG_ERROR] = "ERROR"};

    return names[level];
}

/* Kafka's two other levels are taken for their neighbours. -1: no level. */
static int logger_level(struct view text)
{
    static const struct {
        const char     *name;
        enum slog_level level;
    } levels[] = {{"TRACE", SLOG_DEBUG}, {"DEBUG", SLOG_DEBUG}, {"INFO", SLOG_INFO},
                  {"WARN", SLOG_WARN},   {"ERROR", SLOG_ERROR}, {"FATAL", SLOG_ERROR}};

    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        if (view_equal(view_text(levels[i].name), text)) {
            return (int)levels[i].level;
        }
    }
    return -1;
}

const char *api__logger_at(size_t index)
{
    return index == 0 ? LOGGER_ROOT : slog_room_at(index - 1);
}

const char *api__logger_level(const char *logger)
{
    return logger_level_name(slog_level_of(logger)); /* "root" is no room: it has the level of all */
}

static const char *logger_find(struct view name)
{
    for (size_t i = 0; api__logger_at(i) != NULL; i++) {
        if (view_equal(view_text(api__logger_at(i)), name)) {
            return api__logger_at(i);
        }
    }
    return NULL;
}

static int16_t logger_refuse(const struct meta_alter_entry *entry, int16_t error, const char *before, const char *after,
                             char *message, size_t message_bytes)
{
    (void)snprintf(message, message_bytes, "%s%.*s%s", before, (int)MIN(entry->name.len, (size_t)LOGGER_NAME_BYTES),
                   (const char *)entry->name.base, after);
    return error;
}

static int16_t logger_check(const struct meta_alter_entry *entry, char *message, size_t message_bytes)
{
    const char *logger = logger_find(entry->name);

    if (entry->op == META_CONFIG_APPEND || entry->op == META_CONFIG_SUBTRACT) {
        (void)snprintf(message, message_bytes, "%s operation is not allowed for the BROKER_LOGGER resource",
                       entry->op == META_CONFIG_APPEND ? "APPEND" : "SUBTRACT");
        return KP_ERR_INVALID_REQUEST;
    }
    if (logger == NULL) {
        return logger_refuse(entry, KP_ERR_INVALID_CONFIG, "Logger ", " does not exist!", message, message_bytes);
    }
    if (entry->op == META_CONFIG_DELETE) {
        if (strcmp(logger, LOGGER_ROOT) == 0) {
            (void)snprintf(message, message_bytes, "Removing the log level of the root logger is not allowed");
            return KP_ERR_INVALID_REQUEST;
        }
        return KP_ERR_NONE;
    }
    if (entry->value.base == NULL) {
        return logger_refuse(entry, KP_ERR_INVALID_REQUEST, "Null value not supported for : ", "", message,
                             message_bytes);
    }
    if (logger_level(entry->value) < 0) {
        return logger_refuse(entry, KP_ERR_INVALID_CONFIG, "Cannot set the log level of ",
                             " to a value that is not one of DEBUG, ERROR, FATAL, INFO, TRACE, WARN", message,
                             message_bytes);
    }
    return KP_ERR_NONE;
}

static void logger_set(const struct meta_alter_entry *entry)
{
    const char *logger = logger_find(entry->name);
    int         level = entry->op == META_CONFIG_DELETE ? SLOG_INHERIT : logger_level(entry->value);

    if (strcmp(logger, LOGGER_ROOT) == 0) {
        slog_set_level((enum slog_level)level);
    } else {
        CHECK(slog_set_room_level(logger, level));
    }
}

int16_t api__loggers_alter(const struct meta_alter_entry *entries, int32_t count, bool validate_only, char *message,
                           size_t message_bytes)
{
    for (int32_t i = 0; i < count; i++) {
        int16_t error = logger_check(&entries[i], message, message_bytes);

        if (error != KP_ERR_NONE) {
            return error;
        }
    }
    for (int32_t i = 0; !validate_only && i < count; i++) {
        logger_set(&entries[i]);
    }
    return KP_ERR_NONE;
}
