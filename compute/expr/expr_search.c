/* Looking into texts: POSITION and its siblings, ASCII, STARTSWITH, ENDSWITH. */
#include "compute/expr/expr_text.h"

/* Flink's BinaryStringData.indexOf, from 1: an empty text is found at once, wherever the search starts. */
static int32_t position_of(struct view needle, struct view text, int64_t from)
{
    const uint8_t *found;
    size_t         start;

    if (needle.len == 0) {
        return 1;
    }
    start = from <= 1 ? 0 : expr__character_at(text, from - 1);
    found = start >= text.len ? NULL : memmem(text.base + start, text.len - start, needle.base, needle.len);
    return found == NULL ? 0 : expr__count_characters(view_of(text.base, (size_t)(found - text.base))) + 1;
}

/* Arguments: needle, text [, from] */
static bool position(struct expr_call *call)
{
    struct vec_access needles = vec_access_of(&call->arguments[0]);
    struct vec_access texts = vec_access_of(&call->arguments[1]);
    bool              has_from = call->expr->argument_count == 3;
    struct vec_access froms = vec_access_of(&call->arguments[has_from ? 2 : 1]);
    int32_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        result[row] = position_of(expr__view_at(&needles, row), expr__view_at(&texts, row),
                                  has_from ? expr__int_at(&froms, row) : 1);
    }
    return true;
}

static struct vec_type not_null(enum vec_kind kind)
{
    struct vec_type type = vec_type_of(kind);

    type.nullable = false;
    return type;
}

bool expr__bind_position(struct expr_bind *bind)
{
    expr__result(bind, not_null(VEC_INT), position);
    return expr__want_text(bind, 0) && expr__want_text(bind, 1) && (bind->count == 2 || expr__want_int(bind, 2));
}

bool expr__bind_instr(struct expr_bind *bind)
{
    struct expr *text = bind->arguments[0];

    bind->arguments[0] = bind->arguments[1];
    bind->arguments[1] = text;
    return expr__bind_position(bind);
}

static bool starts_with(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access parts = vec_access_of(&call->arguments[1]);
    uint8_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&texts, row);
        struct view part = expr__view_at(&parts, row);

        result[row] = part.len <= text.len && memcmp(text.base, part.base, part.len) == 0;
    }
    return true;
}

static bool ends_with(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access parts = vec_access_of(&call->arguments[1]);
    uint8_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&texts, row);
        struct view part = expr__view_at(&parts, row);

        result[row] = part.len <= text.len && memcmp(text.base + (text.len - part.len), part.base, part.len) == 0;
    }
    return true;
}

bool expr__bind_starts_with(struct expr_bind *bind)
{
    expr__result(bind, not_null(VEC_BOOLEAN), bind->name[0] == 'S' ? starts_with : ends_with);
    return expr__want_text(bind, 0) && expr__want_text(bind, 1);
}

/* The first byte, signed as Java's. */
static bool ascii(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    int32_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&texts, row);

        result[row] = text.len == 0 ? 0 : (int8_t)text.base[0];
    }
    return true;
}

bool expr__bind_ascii(struct expr_bind *bind)
{
    expr__result(bind, not_null(VEC_INT), ascii);
    return expr__want_text(bind, 0);
}
