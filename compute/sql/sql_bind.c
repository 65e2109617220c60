/* What every file of the binder uses: memory, errors, words. */
#include "compute/sql/sql_bind.h"

#include <stdarg.h>
#include <stdio.h>

#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

void *sql__alloc(struct sql_binder *binder, size_t bytes)
{
    return sql__alloc_array(binder, 1, bytes);
}

void *sql__alloc_array(struct sql_binder *binder, size_t count, size_t bytes)
{
    void *memory = arena_alloc_array(binder->arena, count, bytes);

    if (memory == NULL) {
        sql_fail(binder->error, SQL_ERROR_LIMIT, (struct sql_place){0}, "the statement needs more memory than it may");
    }
    return memory;
}

bool sql__fail_maker(struct sql_binder *binder, struct sql_place place)
{
    return sql_fail(binder->error, SQL_ERROR_TYPE, place, "%s", binder->maker->message);
}

bool sql__fail_not_yet(struct sql_binder *binder, struct sql_place place, const char *what, const char *instead)
{
    return sql_fail(binder->error, SQL_ERROR_UNSUPPORTED, place, "Flink has %s, Millrace not yet%s%s", what,
                    instead[0] == '\0' ? "" : ": ", instead);
}

struct expr_place sql__expr_place(struct sql_place place)
{
    return (struct expr_place){.offset = place.offset, .len = place.len};
}

struct view sql__text(struct sql_binder *binder, const char *format, ...)
{
    char    text[SQL_MESSAGE_BYTES];
    va_list arguments;
    int     wrote;

    va_start(arguments, format);
    wrote = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CHECK(wrote >= 0);
    return arena_copy(binder->arena, view_of(text, MIN((size_t)wrote, sizeof(text) - 1)));
}

bool sql__view_is(struct view text, const char *word)
{
    size_t i = 0;

    for (; i < text.len && word[i] != '\0'; i++) {
        char letter = (char)text.base[i];

        letter = letter >= 'a' && letter <= 'z' ? (char)(letter - 32) : letter;
        if (letter != word[i]) {
            return false;
        }
    }
    return i == text.len && word[i] == '\0';
}

struct sql_place sql__name_place(const struct sql_name *path)
{
    struct sql_place place = path->place;

    for (; path->next != NULL; path = path->next) {
    }
    place.len = path->place.offset + path->place.len - place.offset;
    return place;
}

const char *sql__unit_name(enum sql_unit unit)
{
    static const char *const names[SQL_UNIT_COUNT] = {
        [SQL_UNIT_NONE] = "",
        [SQL_UNIT_YEAR] = "YEAR",
        [SQL_UNIT_QUARTER] = "QUARTER",
        [SQL_UNIT_MONTH] = "MONTH",
        [SQL_UNIT_WEEK] = "WEEK",
        [SQL_UNIT_DAY] = "DAY",
        [SQL_UNIT_HOUR] = "HOUR",
        [SQL_UNIT_MINUTE] = "MINUTE",
        [SQL_UNIT_SECOND] = "SECOND",
        [SQL_UNIT_MILLISECOND] = "MILLISECOND",
        [SQL_UNIT_MICROSECOND] = "MICROSECOND",
        [SQL_UNIT_NANOSECOND] = "NANOSECOND",
        [SQL_UNIT_DOW] = "DOW",
        [SQL_UNIT_DOY] = "DOY",
        [SQL_UNIT_ISODOW] = "ISODOW",
        [SQL_UNIT_ISOYEAR] = "ISOYEAR",
        [SQL_UNIT_EPOCH] = "EPOCH",
        [SQL_UNIT_DECADE] = "DECADE",
        [SQL_UNIT_CENTURY] = "CENTURY",
        [SQL_UNIT_MILLENNIUM] = "MILLENNIUM",
    };

    return names[unit];
}

struct expr *sql_bind_expression(const struct sql_expr *expr, const struct vec_field *columns, uint32_t column_count,
                                 struct expr_maker *maker, struct sql_error *out_error)
{
    struct sql_binder     binder = {.arena = maker->arena, .maker = maker, .error = out_error};
    struct sql_scope_item item = {.count = column_count};
    struct sql_scope      scope = {.column_count = column_count, .columns = columns, .item_count = 1, .items = &item};

    *out_error = (struct sql_error){.kind = SQL_OK};
    return sql__bind_expr(&binder, &scope, expr);
}
