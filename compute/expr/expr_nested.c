/* Rows and arrays: making them, and getting at what is in them. */
#include "compute/expr/expr_text.h"
#include "core/base/check.h"

#include <stdio.h>

#define NAME_BYTES_MAX 24

/* Rows that a kernel may touch: one more than the greatest. */
static size_t row_end(const struct expr_call *call)
{
    return call->row_count == 0 ? 0 : expr__row(call, call->row_count - 1) + 1;
}

/* --- ROW ---------------------------------------------------------------------------------------------------------- */

static bool make_row(struct expr_call *call)
{
    for (uint32_t i = 0; i < call->expr->argument_count; i++) {
        call->result->children[i] = vec_flatten(call->arena, &call->arguments[i], row_end(call));
    }
    return true;
}

/* ROW(a, b): its fields are EXPR$0, EXPR$1, ... */
bool expr__bind_row(struct expr_bind *bind)
{
    struct vec_field *fields = arena_alloc_array(bind->maker->arena, bind->count, sizeof(*fields));

    if (fields == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    for (uint32_t i = 0; i < bind->count; i++) {
        char *name = arena_alloc(bind->maker->arena, NAME_BYTES_MAX);

        if (bind->arguments[i]->type.kind == VEC_NULL) {
            return expr__refuse(bind->maker, "a NULL in ROW(..) wants a type: CAST(NULL AS ..)");
        }
        if (name == NULL) {
            return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
        }
        fields[i].name = view_of(name, (size_t)snprintf(name, NAME_BYTES_MAX, "EXPR$%" PRIu32, i));
        fields[i].type = bind->arguments[i]->type;
    }
    expr__result(bind, (struct vec_type){.kind = VEC_ROW, .child_count = bind->count, .children = fields}, make_row);
    return true;
}

/* --- ARRAY -------------------------------------------------------------------------------------------------------- */

/* A vector of more positions than a chunk has rows: the elements. */
static struct vec make_elements(struct expr_call *call, struct vec_type type, size_t count)
{
    struct vec elements = vec_make(call->arena, type);

    if (count > elements.capacity && type.kind != VEC_ROW && type.kind != VEC_ARRAY) {
        elements.data = arena_alloc_array(call->arena, count, vec_layout_bytes(vec_type_layout(type)));
        CHECK(elements.data != NULL);
        elements.capacity = (uint32_t)count;
    }
    return elements;
}

static bool make_array(struct expr_call *call)
{
    uint32_t         width = call->expr->argument_count;
    struct vec_list *lists = call->result->data;
    struct vec      *elements = &call->result->children[0];
    uint32_t         at = 0;

    *elements = make_elements(call, call->expr->type.children[0].type, (size_t)width * call->row_count);
    if ((size_t)width * call->row_count > elements->capacity) {
        return expr__fail(call, expr__row(call, 0), "ARRAY[..] of rows and arrays holds at most %d elements at a time",
                          VEC_ROWS_MAX);
    }
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        lists[row] = (struct vec_list){.offset = at, .len = width};
        for (uint32_t argument = 0; argument < width; argument++) {
            vec_copy_value(call->arena, elements, at++, &call->arguments[argument], row);
        }
    }
    call->result->child_rows = at;
    return true;
}

bool expr__bind_array(struct expr_bind *bind)
{
    struct vec_field *element = arena_alloc(bind->maker->arena, sizeof(*element));
    struct vec_type   type = bind->arguments[0]->type;
    char              left[64];
    char              right[64];

    if (element == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    for (uint32_t i = 1; i < bind->count; i++) {
        struct vec_type common = expr_common_type(type, bind->arguments[i]->type);

        if (common.kind == VEC_KIND_COUNT) {
            return expr__refuse(bind->maker, "ARRAY[..] holds %s and %s; cast one of them", expr__type_text(type, left),
                                expr__type_text(bind->arguments[i]->type, right));
        }
        type = common;
    }
    if (type.kind == VEC_NULL) {
        return expr__refuse(bind->maker, "a NULL alone in ARRAY[..] wants a type: CAST(NULL AS ..)");
    }
    for (uint32_t i = 0; i < bind->count; i++) {
        bind->arguments[i] = expr_cast(bind->maker, bind->arguments[i], type, false);
        if (bind->arguments[i] == NULL) {
            return false;
        }
    }
    *element = (struct vec_field){.name = view_text("element"), .type = type};
    expr__result(bind, (struct vec_type){.kind = VEC_ARRAY, .child_count = 1, .children = element}, make_array);
    return true;
}

/* --- getting at it ------------------------------------------------------------------------------------------------ */

static struct vec_list list_at(const struct vec_access *access, size_t row)
{
    return ((const struct vec_list *)access->data)[vec_access_at(access, row)];
}

static void take_element(struct expr_call *call, size_t row, uint32_t position)
{
    const struct vec *elements = &call->arguments[0].children[0];

    if (vec_is_null(elements, position)) {
        expr__set_null(call, row);
    } else {
        vec_copy_value(call->arena, call->result, row, elements, position);
    }
}

static bool item(struct expr_call *call)
{
    struct vec_access lists = vec_access_of(&call->arguments[0]);
    struct vec_access indices = vec_access_of(&call->arguments[1]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t          row = expr__row(call, i);
        struct vec_list list = list_at(&lists, row);
        int64_t         index = expr__int_at(&indices, row);

        if (index < 1 || index > list.len) {
            expr__set_null(call, row);
        } else {
            take_element(call, row, list.offset + (uint32_t)index - 1);
        }
    }
    return true;
}

static bool want_array(struct expr_bind *bind, bool scalars)
{
    struct vec_type type = bind->arguments[0]->type;
    char            text[64];

    if (type.kind != VEC_ARRAY) {
        return expr__refuse(bind->maker, "%s wants an ARRAY, not %s", bind->name, expr__type_text(type, text));
    }
    if (scalars && (type.children[0].type.kind == VEC_ROW || type.children[0].type.kind == VEC_ARRAY)) {
        return expr__refuse(bind->maker, "%s of an %s is not supported; CROSS JOIN UNNEST is", bind->name,
                            expr__type_text(type, text));
    }
    return true;
}

/* ITEM(array, index): array[index], from 1 */
bool expr__bind_item(struct expr_bind *bind)
{
    int64_t index = 0;

    if (!want_array(bind, true) || !expr__want_int(bind, 1)) {
        return false;
    }
    if (expr__constant_int(bind->arguments[1], &index) && index < 1) {
        return expr__refuse(bind->maker, "the elements of an ARRAY are numbered from 1");
    }
    expr__result(bind, bind->arguments[0]->type.children[0].type, item);
    bind->out.result.nullable = true;
    return true;
}

static bool cardinality(struct expr_call *call)
{
    struct vec_access lists = vec_access_of(&call->arguments[0]);
    int32_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        result[row] = (int32_t)list_at(&lists, row).len;
    }
    return true;
}

bool expr__bind_cardinality(struct expr_bind *bind)
{
    expr__result(bind, vec_type_of(VEC_INT), cardinality);
    bind->out.result.nullable = false;
    return want_array(bind, false);
}

static bool element(struct expr_call *call)
{
    struct vec_access lists = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t          row = expr__row(call, i);
        struct vec_list list = list_at(&lists, row);

        if (list.len > 1) {
            return expr__fail(call, row, "Array has more than one element.");
        }
        if (list.len == 0) {
            expr__set_null(call, row);
        } else {
            take_element(call, row, list.offset);
        }
    }
    return true;
}

bool expr__bind_element(struct expr_bind *bind)
{
    if (!want_array(bind, true)) {
        return false;
    }
    expr__result(bind, bind->arguments[0]->type.children[0].type, element);
    bind->out.result.nullable = true;
    return true;
}

/* ARRAY_CONTAINS(array, value): a null is found where there is one. */
static bool contains(struct expr_call *call)
{
    struct vec_access lists = vec_access_of(&call->arguments[0]);
    const struct vec *elements = &call->arguments[0].children[0];
    uint8_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t          row = expr__row(call, i);
        struct vec_list list = list_at(&lists, row);
        bool            null = vec_is_null(&call->arguments[1], row);

        result[row] = 0;
        if (vec_access_null(&lists, row)) {
            expr__set_null(call, row);
            continue;
        }
        for (uint32_t place = list.offset; place < list.offset + list.len && result[row] == 0; place++) {
            result[row] = vec_is_null(elements, place) == null &&
                          (null || vec_compare(elements, place, &call->arguments[1], row) == 0);
        }
    }
    return true;
}

bool expr__bind_array_contains(struct expr_bind *bind)
{
    if (!want_array(bind, true)) {
        return false;
    }
    expr__result(bind, vec_type_of(VEC_BOOLEAN), contains);
    bind->out.result.nullable = bind->arguments[0]->type.nullable;
    return expr__coerce(bind, 1, bind->arguments[0]->type.children[0].type);
}
