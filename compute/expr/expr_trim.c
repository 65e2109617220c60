/* TRIM and its siblings: characters of a set are taken from the ends. */
#include "compute/expr/expr_text.h"

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2 };

static bool in_set(struct view set, uint32_t code)
{
    size_t bytes;

    for (size_t at = 0; at < set.len; at += bytes) {
        if (expr__decode(set, at, &bytes) == code) {
            return true;
        }
    }
    return false;
}

static struct view trim_text(struct view text, struct view set, int sides)
{
    size_t bytes;

    while ((sides & TRIM_LEFT) != 0 && text.len > 0 && in_set(set, expr__decode(text, 0, &bytes))) {
        text = view_of(text.base + bytes, text.len - bytes);
    }
    while ((sides & TRIM_RIGHT) != 0 && text.len > 0) {
        size_t at = text.len - 1;

        while (at > 0 && expr__is_continuation(text.base[at])) {
            at--;
        }
        if (!in_set(set, expr__decode(text, at, &bytes)) || at + bytes != text.len) {
            break;
        }
        text.len = at;
    }
    return text;
}

/* Arguments: text [, set]; state: the sides. */
static bool trim_rows(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    bool              has_set = call->expr->argument_count == 2;
    struct vec_access sets = vec_access_of(&call->arguments[has_set ? 1 : 0]);
    int               sides = *(const int *)call->state;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view set = has_set ? expr__view_at(&sets, row) : view_text(" ");
        struct view text = trim_text(expr__view_at(&access, row), set, sides);

        if (!expr__put_copy(call, row, text.base, text.len)) {
            return false;
        }
    }
    return true;
}

static bool bind_sides(struct expr_bind *bind, int sides)
{
    int *state = arena_alloc(bind->maker->arena, sizeof(*state));

    if (state == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    *state = sides;
    bind->out.state = state;
    if (!expr__want_text(bind, 0) || (bind->count == 2 && !expr__want_text(bind, 1))) {
        return false;
    }
    expr__result(bind, expr__varchar_of(bind->arguments[0], NULL), trim_rows);
    return true;
}

/* TRIM(which, set, text): as the parser hands it over. */
bool expr__bind_trim(struct expr_bind *bind)
{
    struct view  which;
    struct expr *set = bind->arguments[1];

    if (!expr__constant_text(bind->arguments[0], &which)) {
        return expr__refuse(bind->maker, "TRIM wants BOTH, LEADING or TRAILING");
    }
    bind->arguments[0] = bind->arguments[2];
    bind->arguments[1] = set;
    bind->count = 2;
    return bind_sides(bind, view_equal(which, view_text("LEADING"))    ? TRIM_LEFT
                            : view_equal(which, view_text("TRAILING")) ? TRIM_RIGHT
                                                                       : TRIM_LEFT | TRIM_RIGHT);
}

bool expr__bind_ltrim(struct expr_bind *bind)
{
    return bind_sides(bind, TRIM_LEFT);
}

bool expr__bind_rtrim(struct expr_bind *bind)
{
    return bind_sides(bind, TRIM_RIGHT);
}

bool expr__bind_btrim(struct expr_bind *bind)
{
    bool ok = bind_sides(bind, TRIM_LEFT | TRIM_RIGHT);

    bind->out.result = expr__string_type();
    return ok;
}
