/* Texts made of texts: CONCAT, REPLACE, LPAD, REVERSE and their like. */
#include "compute/expr/expr_text.h"

/* CONCAT is NULL when an argument is; CONCAT_WS leaves nulls out and is NULL only without a separator. */
static bool concat_all(struct expr_call *call)
{
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};

        for (uint32_t argument = 0; argument < call->expr->argument_count; argument++) {
            struct vec_access access = vec_access_of(&call->arguments[argument]);
            struct view       text = expr__view_at(&access, row);

            expr__build(&builder, text.base, text.len);
        }
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_concat_all(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), concat_all);
    for (uint32_t i = 0; i < bind->count; i++) {
        if (!expr__want_text(bind, i)) {
            return false;
        }
    }
    return true;
}

static bool concat_ws(struct expr_call *call)
{
    struct vec_access separators = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};
        bool                any = false;

        if (vec_access_null(&separators, row)) {
            expr__set_null(call, row);
            continue;
        }
        for (uint32_t argument = 1; argument < call->expr->argument_count; argument++) {
            struct vec_access access = vec_access_of(&call->arguments[argument]);
            struct view       separator = expr__view_at(&separators, row);

            if (vec_access_null(&access, row)) {
                continue;
            }
            expr__build(&builder, separator.base, any ? separator.len : 0);
            expr__build(&builder, expr__view_at(&access, row).base, expr__view_at(&access, row).len);
            any = true;
        }
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_concat_ws(struct expr_bind *bind)
{
    bool ok = expr__bind_concat_all(bind);

    bind->out.result.nullable = bind->arguments[0]->type.nullable;
    bind->out.kernel = concat_ws;
    return ok;
}

/* REPLACE(text, old, new): an empty old stands before every UTF-16 unit and at the end, as in Java. */
static void replace_text(struct expr_builder *builder, struct view text, struct view old, struct view new_text)
{
    size_t at = 0;

    while (at < text.len) {
        const uint8_t *found = old.len == 0 ? text.base + at : memmem(text.base + at, text.len - at, old.base, old.len);
        size_t         bytes;

        if (found == NULL) {
            break;
        }
        expr__build(builder, text.base + at, (size_t)(found - text.base) - at);
        expr__build(builder, new_text.base, new_text.len);
        at = (size_t)(found - text.base) + old.len;
        if (old.len == 0) {
            (void)expr__decode(text, at, &bytes);
            expr__build(builder, text.base + at, bytes);
            at += bytes;
        }
    }
    expr__build(builder, text.base + at, text.len - at);
    if (old.len == 0) {
        expr__build(builder, new_text.base, new_text.len);
    }
}

static bool replace(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access olds = vec_access_of(&call->arguments[1]);
    struct vec_access news = vec_access_of(&call->arguments[2]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};

        replace_text(&builder, expr__view_at(&texts, row), expr__view_at(&olds, row), expr__view_at(&news, row));
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_replace(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), replace);
    return expr__want_text(bind, 0) && expr__want_text(bind, 1) && expr__want_text(bind, 2);
}

/* TRANSLATE(text, from, to): each character of from becomes the one of to at its place, or nothing. */
static void translate_text(struct expr_builder *builder, struct view text, struct view from, struct view to)
{
    size_t bytes;

    for (size_t at = 0; at < text.len; at += bytes) {
        uint32_t code = expr__decode(text, at, &bytes);
        int64_t  place = 0;
        size_t   from_bytes;
        bool     found = false;

        for (size_t i = 0; i < from.len && !found; i += from_bytes) {
            found = expr__decode(from, i, &from_bytes) == code;
            place += !found;
        }
        if (!found) {
            expr__build(builder, text.base + at, bytes);
        } else {
            size_t start = expr__character_at(to, place);

            expr__build(builder, to.base + start, expr__character_at(to, place + 1) - start);
        }
    }
}

static bool translate(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access froms = vec_access_of(&call->arguments[1]);
    struct vec_access tos = vec_access_of(&call->arguments[2]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};

        translate_text(&builder, expr__view_at(&texts, row), expr__view_at(&froms, row), expr__view_at(&tos, row));
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_translate(struct expr_bind *bind)
{
    bool ok = expr__bind_replace(bind);

    bind->out.kernel = translate;
    return ok;
}

/* --- lengths in UTF-16 units -------------------------------------------------------------------------------------- */

static int64_t count_units(struct view text)
{
    int64_t units = 0;
    size_t  bytes;

    for (size_t at = 0; at < text.len; at += bytes) {
        (void)expr__decode(text, at, &bytes);
        units += bytes == 4 ? 2 : 1;
    }
    return units;
}

/* Units from .. to - 1; half a character is written as '?', as Java's encoder does. */
static void build_units(struct expr_builder *builder, struct view text, int64_t from, int64_t to)
{
    int64_t unit = 0;
    size_t  bytes;

    for (size_t at = 0; at < text.len && unit < to; at += bytes) {
        int64_t width;

        (void)expr__decode(text, at, &bytes);
        width = bytes == 4 ? 2 : 1;
        if (unit >= from && unit + width <= to) {
            expr__build(builder, text.base + at, bytes);
        } else if (unit + width > from) {
            expr__build(builder, "?", 1);
        }
        unit += width;
    }
}

static void pad_text(struct expr_builder *builder, struct view text, int64_t length, struct view padding, bool left)
{
    int64_t units = count_units(text);
    int64_t width = count_units(padding);
    int64_t missing = MAX(length - units, 0);

    if (!left) {
        build_units(builder, text, 0, length);
    }
    for (; missing > 0 && !builder->failed; missing -= width) {
        build_units(builder, padding, 0, MIN(missing, width));
    }
    if (left) {
        build_units(builder, text, 0, length);
    }
}

static bool pad(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access lengths = vec_access_of(&call->arguments[1]);
    struct vec_access paddings = vec_access_of(&call->arguments[2]);
    bool              left = call->expr->function->name[0] == 'L';

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};
        struct view         padding = expr__view_at(&paddings, row);

        if (expr__int_at(&lengths, row) < 0 || padding.len == 0) {
            expr__set_null(call, row);
            continue;
        }
        pad_text(&builder, expr__view_at(&texts, row), expr__int_at(&lengths, row), padding, left);
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_pad(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), pad);
    bind->out.result.nullable = true;
    return expr__want_text(bind, 0) && expr__want_int(bind, 1) && expr__want_text(bind, 2);
}

/* OVERLAY(text, by, from [, length]): without a length that of `by`. */
static void overlay_text(struct expr_builder *builder, struct view text, struct view by, int64_t from, int64_t length)
{
    int64_t units = count_units(text);

    if (from <= 0 || from > units) {
        expr__build(builder, text.base, text.len);
        return;
    }
    build_units(builder, text, 0, from - 1);
    expr__build(builder, by.base, by.len);
    if (from + length <= units && length > 0) {
        build_units(builder, text, from - 1 + length, units);
    }
}

static bool overlay(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access bys = vec_access_of(&call->arguments[1]);
    struct vec_access froms = vec_access_of(&call->arguments[2]);
    bool              has_length = call->expr->argument_count == 4;
    struct vec_access lengths = vec_access_of(&call->arguments[has_length ? 3 : 2]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};
        struct view         by = expr__view_at(&bys, row);

        overlay_text(&builder, expr__view_at(&texts, row), by, expr__int_at(&froms, row),
                     has_length ? expr__int_at(&lengths, row) : count_units(by));
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_overlay(struct expr_bind *bind)
{
    if (!expr__want_text(bind, 0) || !expr__want_text(bind, 1) || !expr__want_int(bind, 2) ||
        (bind->count == 4 && !expr__want_int(bind, 3))) {
        return false;
    }
    expr__result(bind, expr__varchar_of(bind->arguments[0], bind->arguments[1]), overlay);
    return true;
}

/* --- one text ----------------------------------------------------------------------------------------------------- */

static bool repeat(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access counts = vec_access_of(&call->arguments[1]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};
        struct view         text = expr__view_at(&texts, row);

        for (int64_t n = expr__int_at(&counts, row); n > 0 && text.len > 0 && !builder.failed; n--) {
            expr__build(&builder, text.base, text.len);
        }
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_repeat(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), repeat);
    return expr__want_text(bind, 0) && expr__want_int(bind, 1);
}

static bool reverse(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&texts, row);
        char        small[VEC_STRING_INLINE_MAX];
        char       *room = text.len <= sizeof(small) ? small : expr__text_room(call, row, text.len);
        size_t      bytes;

        if (room == NULL) {
            return false;
        }
        for (size_t at = 0; at < text.len; at += bytes) {
            (void)expr__decode(text, at, &bytes);
            memcpy(room + text.len - at - bytes, text.base + at, bytes);
        }
        expr__put_room(call, row, room, text.len);
    }
    return true;
}

bool expr__bind_reverse(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), reverse);
    return expr__want_text(bind, 0);
}

/* LEFT and RIGHT: a length below one gives the empty text. */
static bool side(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access lengths = vec_access_of(&call->arguments[1]);
    bool              left = call->expr->function->name[0] == 'L';

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&texts, row);
        int64_t     length = MAX(expr__int_at(&lengths, row), 0);
        size_t      cut = expr__character_at(text, left ? length : expr__count_characters(text) - length);

        text = left ? view_of(text.base, cut) : view_of(text.base + cut, text.len - cut);
        if (!expr__put_copy(call, row, text.base, text.len)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_side(struct expr_bind *bind)
{
    if (!expr__want_text(bind, 0) || !expr__want_int(bind, 1)) {
        return false;
    }
    expr__result(bind, expr__varchar_of(bind->arguments[0], NULL), side);
    bind->out.result.nullable = true;
    return true;
}

/* CHR(n): the low eight bits as a character of Latin-1; "" when negative. */
static bool chr(struct expr_call *call)
{
    struct vec_access numbers = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t number = ((const int64_t *)numbers.data)[vec_access_at(&numbers, row)];
        char    bytes[4];

        expr__put_room(call, row, bytes, number < 0 ? 0 : expr__encode((uint32_t)(number & 0xff), bytes));
    }
    return true;
}

bool expr__bind_chr(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), chr);
    return expr__coerce(bind, 0, vec_type_of(VEC_BIGINT));
}
