/* JSON_VALUE, JSON_EXISTS, IS JSON. */
#include "compute/expr/expr_json_scan.h"

static bool want_path(struct expr_bind *bind)
{
    struct json_path *path = arena_alloc(bind->maker->arena, sizeof(*path));
    struct view       text;

    if (path == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    if (!expr__constant_text(bind->arguments[1], &text)) {
        return expr__refuse(bind->maker, "%s wants its path as a text in quotes", bind->name);
    }
    bind->count = 1;
    bind->out.state = path;
    return expr__want_text(bind, 0) &&
           expr__json_path(bind->maker, bind->name, arena_copy(bind->maker->arena, text), path);
}

static bool json_value(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct expr_builder builder = {.call = call, .row = row};
        struct json_value   value;

        if (!expr__json_find(call->state, expr__view_at(&texts, row), &value) || value.kind <= JSON_NULL ||
            value.kind >= JSON_OBJECT) {
            expr__set_null(call, row);
            continue;
        }
        expr__json_build(&builder, value);
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_json_value(struct expr_bind *bind)
{
    expr__result(bind, vec_type_of(VEC_VARCHAR), json_value);
    return want_path(bind);
}

/* A null at the end of the path does not exist. */
static bool json_exists(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    uint8_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t            row = expr__row(call, i);
        struct json_value value;

        result[row] = expr__json_find(call->state, expr__view_at(&texts, row), &value) && value.kind > JSON_NULL;
    }
    return true;
}

bool expr__bind_json_exists(struct expr_bind *bind)
{
    expr__result(bind, vec_type_of(VEC_BOOLEAN), json_exists);
    return want_path(bind);
}

/* IS JSON [VALUE | OBJECT | ARRAY | SCALAR]: false of NULL. */
static bool is_json(struct expr_call *call)
{
    static const struct json_path whole = {.step_count = 0};
    struct vec_access             texts = vec_access_of(&call->arguments[0]);
    uint8_t                      *result = call->result->data;
    const char                   *kind = call->expr->function->name + strlen("IS JSON");

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t            row = expr__row(call, i);
        struct json_value value;
        bool is = !vec_access_null(&texts, row) && expr__json_find(&whole, expr__view_at(&texts, row), &value);

        result[row] = is && (strcmp(kind, " OBJECT") == 0   ? value.kind == JSON_OBJECT
                             : strcmp(kind, " ARRAY") == 0  ? value.kind == JSON_ARRAY
                             : strcmp(kind, " SCALAR") == 0 ? value.kind < JSON_OBJECT
                                                            : true);
    }
    return true;
}

bool expr__bind_is_json(struct expr_bind *bind)
{
    expr__result(bind, vec_type_of(VEC_BOOLEAN), is_json);
    bind->out.result.nullable = false;
    return expr__want_text(bind, 0);
}
