/* Vectors: making, reading and copying them. */
#include "compute/vec/vec.h"

#include "core/base/check.h"

static const uint16_t zero_index[VEC_ROWS_MAX];

struct vec_access vec_access_of(const struct vec *vec)
{
    struct vec_access access = {.data = vec->data, .validity = vec->validity};

    if (vec->form == VEC_CONSTANT) {
        access.index = zero_index;
    } else if (vec->form == VEC_DICTIONARY) {
        access.index = vec->indices;
    }
    return access;
}

bool vec_string_equal(const struct vec_string *a, const struct vec_string *b)
{
    /* Length and the first four bytes in one comparison: both forms have them in the same place. */
    if (memcmp(a, b, 8) != 0) {
        return false;
    }
    if (a->len <= VEC_STRING_INLINE_MAX) {
        return memcmp(a->inline_, b->inline_, VEC_STRING_INLINE_MAX) == 0;
    }
    return memcmp(a->ref.base, b->ref.base, a->len) == 0;
}

int vec_string_compare(const struct vec_string *a, const struct vec_string *b)
{
    return view_compare(vec_string_view(a), vec_string_view(b));
}

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

struct vec vec_make_rows(struct arena *arena, struct vec_type type, size_t row_count)
{
    struct vec vec = {.type = type, .form = VEC_FLAT, .capacity = (uint32_t)row_count};
    size_t     bytes = vec_layout_bytes(vec_type_layout(type));

    if (bytes > 0) {
        vec.data = need(arena_alloc_array(arena, row_count, bytes));
    }
    if (type.kind == VEC_ROW) {
        vec.children = need(arena_alloc_array(arena, type.child_count, sizeof(*vec.children)));
        for (uint32_t i = 0; i < type.child_count; i++) {
            vec.children[i] = vec_make_rows(arena, type.children[i].type, row_count);
        }
    } else if (type.kind == VEC_ARRAY) {
        vec.children = need(arena_alloc_array(arena, 1, sizeof(*vec.children)));
        vec.children[0] = (struct vec){.type = type.children[0].type, .form = VEC_FLAT};
    }
    return vec;
}

struct vec vec_make(struct arena *arena, struct vec_type type)
{
    return vec_make_rows(arena, type, VEC_ROWS_MAX);
}

uint64_t *vec_need_validity(struct vec *vec, struct arena *arena)
{
    if (vec->validity == NULL) {
        size_t words = div_ceil_u64(vec->capacity, 64);

        CHECK(words > 0);
        vec->validity = need(arena_alloc_array(arena, words, sizeof(uint64_t)));
        memset(vec->validity, 0xff, words * sizeof(uint64_t));
    }
    return vec->validity;
}

struct vec vec_make_null(struct arena *arena, struct vec_type type)
{
    struct vec vec = vec_make_rows(arena, type, 1);

    vec.form = VEC_CONSTANT;
    vec.validity = need(arena_alloc_array(arena, 1, sizeof(uint64_t)));
    for (uint32_t i = 0; type.kind == VEC_ROW && i < type.child_count; i++) {
        vec.children[i] = vec_make_null(arena, type.children[i].type);
    }
    return vec;
}

bool vec_is_null(const struct vec *vec, size_t row)
{
    struct vec_access access = vec_access_of(vec);

    return vec_access_null(&access, row);
}

struct vec vec_make_constant(struct arena *arena, const struct vec *source, size_t row)
{
    struct vec vec;

    if (vec_is_null(source, row)) {
        return vec_make_null(arena, source->type);
    }
    vec = vec_make_rows(arena, source->type, 1);
    vec_copy_value(arena, &vec, 0, source, row);
    vec.form = VEC_CONSTANT;
    for (uint32_t i = 0; vec.type.kind == VEC_ROW && i < vec.type.child_count; i++) {
        vec.children[i].form = VEC_CONSTANT;
    }
    return vec;
}

/* --- flatten and pick ----------------------------------------------------------------------------------------------
 */

#define GATHER(type_)                               \
    do {                                            \
        const type_ *from = access->data;           \
        type_       *to = target;                   \
        for (size_t i = 0; i < count; i++) {        \
            to[i] = from[vec_access_at(access, i)]; \
        }                                           \
    } while (0)

static void gather_values(void *target, const struct vec_access *access, size_t value_bytes, size_t count)
{
    switch (value_bytes) {
    case 0:
        break;
    case 1:
        GATHER(uint8_t);
        break;
    case 2:
        GATHER(uint16_t);
        break;
    case 4:
        GATHER(uint32_t);
        break;
    case 8:
        GATHER(uint64_t);
        break;
    default:
        CHECK(value_bytes == 16);
        GATHER(vec_uint128);
        break;
    }
}

static void gather_validity(struct arena *arena, struct vec *target, const struct vec_access *access, size_t count)
{
    uint64_t *bits;

    if (access->validity == NULL) {
        return;
    }
    bits = vec_need_validity(target, arena);
    for (size_t i = 0; i < count; i++) {
        if (vec_access_null(access, i)) {
            vec_bit_clear(bits, i);
        }
    }
}

struct vec vec_flatten(struct arena *arena, const struct vec *source, size_t row_count)
{
    struct vec_access access = vec_access_of(source);
    size_t            value_bytes = vec_layout_bytes(vec_type_layout(source->type));
    struct vec        target = {.type = source->type, .form = VEC_FLAT, .capacity = VEC_ROWS_MAX};

    CHECK(row_count <= VEC_ROWS_MAX);
    if (source->form == VEC_FLAT) {
        return *source;
    }
    if (value_bytes > 0) {
        target.data = need(arena_alloc_array(arena, VEC_ROWS_MAX, value_bytes));
        gather_values(target.data, &access, value_bytes, row_count);
    }
    gather_validity(arena, &target, &access, row_count);
    if (source->type.kind == VEC_ROW) {
        target.children = need(arena_alloc_array(arena, source->type.child_count, sizeof(*target.children)));
        for (uint32_t i = 0; i < source->type.child_count; i++) {
            struct vec field = vec_pick(arena, &source->children[i], access.index, row_count);

            target.children[i] = vec_flatten(arena, &field, row_count);
        }
    } else if (source->type.kind == VEC_ARRAY) {
        target.children = source->children;
        target.child_rows = source->child_rows;
    }
    return target;
}

struct vec vec_pick(struct arena *arena, const struct vec *source, const uint16_t *rows, size_t count)
{
    struct vec target = *source;
    uint16_t  *indices;

    CHECK(count <= VEC_ROWS_MAX);
    if (source->form == VEC_CONSTANT) {
        return target;
    }
    indices = need(arena_alloc_array(arena, MAX(count, 1), sizeof(*indices)));
    for (size_t i = 0; i < count; i++) {
        indices[i] = source->form == VEC_DICTIONARY ? source->indices[rows[i]] : rows[i];
    }
    target.form = VEC_DICTIONARY;
    target.indices = indices;
    return target;
}

/* --- single values -------------------------------------------------------------------------------------------------
 */

static void copy_string(struct arena *arena, struct vec_string *target, const struct vec_string *source)
{
    if (source->len > VEC_STRING_INLINE_MAX) {
        struct view copy = arena_copy(arena, vec_string_view(source));

        CHECK(copy.base != NULL);
        *target = vec_string_of((const char *)copy.base, source->len);
    } else {
        *target = *source;
    }
}

/* Elements are appended to the target's own element vector, which grows by doubling. */
static void copy_list(struct arena *arena, struct vec *target, size_t target_row, const struct vec *source, size_t at)
{
    const struct vec_list *from = (const struct vec_list *)source->data + at;
    struct vec_list       *to = (struct vec_list *)target->data + target_row;
    struct vec            *elements = &target->children[0];
    uint32_t               need_rows = target->child_rows + from->len;

    CHECK(need_rows >= from->len);
    if (elements->capacity < need_rows) {
        struct vec grown = vec_make_rows(arena, elements->type, MAX(need_rows, 2 * elements->capacity));

        for (uint32_t i = 0; i < target->child_rows; i++) {
            vec_copy_value(arena, &grown, i, elements, i);
        }
        *elements = grown;
    }
    to->offset = target->child_rows;
    to->len = from->len;
    for (uint32_t i = 0; i < from->len; i++) {
        vec_copy_value(arena, elements, to->offset + i, &source->children[0], from->offset + i);
    }
    target->child_rows = need_rows;
}

static void null_value(struct arena *arena, struct vec *target, size_t row)
{
    vec_bit_clear(vec_need_validity(target, arena), row);
    for (uint32_t i = 0; target->type.kind == VEC_ROW && i < target->type.child_count; i++) {
        null_value(arena, &target->children[i], row);
    }
}

void vec_copy_value(struct arena *arena, struct vec *target, size_t target_row, const struct vec *source, size_t row)
{
    struct vec_access access = vec_access_of(source);
    size_t            at = vec_access_at(&access, row);
    enum vec_layout   layout = vec_type_layout(target->type);
    size_t            bytes = vec_layout_bytes(layout);

    CHECK(target->form == VEC_FLAT && layout == vec_type_layout(source->type));
    if (vec_access_null(&access, row)) {
        vec_bit_clear(vec_need_validity(target, arena), target_row);
        if (bytes > 0) {
            memset((uint8_t *)target->data + target_row * bytes, 0, bytes);
        }
        for (uint32_t i = 0; target->type.kind == VEC_ROW && i < target->type.child_count; i++) {
            null_value(arena, &target->children[i], target_row);
        }
        return;
    }
    if (target->validity != NULL) {
        vec_bit_set(target->validity, target_row);
    }
    if (layout == VEC_LAYOUT_STRING) {
        copy_string(arena, (struct vec_string *)target->data + target_row, (const struct vec_string *)access.data + at);
    } else if (layout == VEC_LAYOUT_LIST) {
        copy_list(arena, target, target_row, source, at);
    } else if (bytes > 0) {
        memcpy((uint8_t *)target->data + target_row * bytes, (const uint8_t *)access.data + at * bytes, bytes);
    }
    for (uint32_t i = 0; target->type.kind == VEC_ROW && i < target->type.child_count; i++) {
        vec_copy_value(arena, &target->children[i], target_row, &source->children[i], at);
    }
}
