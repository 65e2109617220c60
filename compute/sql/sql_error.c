#include "compute/sql/sql_error.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/check.h"

#define NEAREST_BYTES_MAX 64

bool sql_fail(struct sql_error *error, enum sql_error_kind kind, struct sql_place place, const char *format, ...)
{
    va_list arguments;

    CHECK(kind != SQL_OK);
    if (error->kind != SQL_OK) {
        return false;
    }
    error->kind = kind;
    error->place = place;
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    return false;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

void sql_position(struct view script, uint32_t offset, uint32_t *out_line, uint32_t *out_column)
{
    uint32_t line = 1;
    uint32_t column = 1;

    for (size_t i = 0; i < script.len && i < offset; i++) {
        if (script.base[i] == '\n') {
            line++;
            column = 1;
        } else if (!is_continuation(script.base[i])) {
            column++;
        }
    }
    *out_line = line;
    *out_column = column;
}

/* The line the place begins in, shortened to what fits a screen. */
static struct view line_of(struct view script, uint32_t offset)
{
    size_t start = MIN((size_t)offset, script.len);
    size_t end = start;

    while (start > 0 && script.base[start - 1] != '\n') {
        start--;
    }
    while (end < script.len && script.base[end] != '\n' && script.base[end] != '\r') {
        end++;
    }
    return view_of(script.base + start, end - start);
}

/* Appends within the capacity and counts what was needed. */
static void put(char *text, size_t capacity, size_t *len, const char *bytes, size_t byte_count)
{
    for (size_t i = 0; i < byte_count; i++) {
        if (*len + 1 < capacity) {
            text[*len] = bytes[i];
        }
        (*len)++;
    }
}

size_t sql_error_format(const struct sql_error *error, struct view script, char *out_text, size_t capacity)
{
    uint32_t    line_number;
    uint32_t    column;
    struct view line = line_of(script, error->place.offset);
    size_t      before = MIN((size_t)error->place.offset, script.len) - (size_t)(line.base - script.base);
    size_t      marked = MAX(MIN((size_t)error->place.len, line.len - before), 1);
    size_t      len = 0;
    char        head[64];

    CHECK(error->kind != SQL_OK);
    sql_position(script, error->place.offset, &line_number, &column);
    put(out_text, capacity, &len, head,
        (size_t)snprintf(head, sizeof(head), "line %" PRIu32 ", column %" PRIu32 ": ", line_number, column));
    put(out_text, capacity, &len, error->message, strlen(error->message));
    put(out_text, capacity, &len, "\n    ", 5);
    put(out_text, capacity, &len, (const char *)line.base, line.len);
    put(out_text, capacity, &len, "\n    ", 5);
    for (size_t i = 0; i < before; i++) {
        if (!is_continuation(line.base[i])) {
            put(out_text, capacity, &len, line.base[i] == '\t' ? "\t" : " ", 1);
        }
    }
    for (size_t i = 0; i < marked; i++) {
        if (before + i >= line.len || !is_continuation(line.base[before + i])) {
            put(out_text, capacity, &len, "^", 1);
        }
    }
    put(out_text, capacity, &len, "\n", 1);
    if (capacity > 0) {
        out_text[MIN(len, capacity - 1)] = '\0';
    }
    return len;
}

const char *sql_error_kind_name(enum sql_error_kind kind)
{
    static const char *const names[] = {
        [SQL_OK] = "OK",
        [SQL_ERROR_SYNTAX] = "SYNTAX",
        [SQL_ERROR_UNSUPPORTED] = "UNSUPPORTED",
        [SQL_ERROR_NAME] = "NAME",
        [SQL_ERROR_TYPE] = "TYPE",
        [SQL_ERROR_PLAN] = "PLAN",
        [SQL_ERROR_LIMIT] = "LIMIT",
    };

    CHECK((size_t)kind < COUNT_OF(names));
    return names[kind];
}

/* --- nearest name --------------------------------------------------------------------------------------------------
 */

static uint8_t fold(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

/* Levenshtein over folded bytes. */
static size_t edit_distance(struct view a, struct view b)
{
    size_t row[NEAREST_BYTES_MAX + 1];

    for (size_t j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (fold(a.base[i - 1]) != fold(b.base[j - 1]));

            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

struct view sql_nearest(struct view name, const struct view *candidates, size_t count)
{
    struct view best = {NULL, 0};
    size_t      best_distance = MAX(name.len / 2, 1) + 1;

    if (name.len > NEAREST_BYTES_MAX) {
        return best;
    }
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].len <= NEAREST_BYTES_MAX) {
            size_t distance = edit_distance(name, candidates[i]);

            if (distance < best_distance) {
                best_distance = distance;
                best = candidates[i];
            }
        }
    }
    return best;
}
