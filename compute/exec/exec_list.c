/* ARRAY values to bytes and back. Twice over the elements: once for the size, once for the bytes. */
#include "compute/exec/exec_list.h"

#include "core/base/bytes.h"
#include "core/base/check.h"

struct writer {
    uint8_t *at; /* NULL: only measure */
    size_t   bytes;
};

static void put(struct writer *writer, const void *base, size_t len)
{
    if (writer->at != NULL && len > 0) {
        memcpy(writer->at, base, len);
        writer->at += len;
    }
    writer->bytes += len;
}

static void put_u32(struct writer *writer, uint32_t value)
{
    put(writer, &value, sizeof(value));
}

static void put_value(struct writer *writer, const struct vec *vec, size_t row);

static void put_list(struct writer *writer, const struct vec *list, size_t position)
{
    struct vec_list value = ((const struct vec_list *)list->data)[position];

    put_u32(writer, value.len);
    for (uint32_t i = 0; i < value.len; i++) {
        put_value(writer, &list->children[0], (size_t)value.offset + i);
    }
}

static void put_fixed(struct writer *writer, enum vec_layout layout, const void *data, size_t at)
{
    size_t bytes = vec_layout_bytes(layout);

    if (layout == VEC_LAYOUT_DOUBLE) {
        double value = ((const double *)data)[at];

        value = value != value ? __builtin_nan("") : value;
        put(writer, &value, sizeof(value));
    } else if (layout == VEC_LAYOUT_FLOAT) {
        float value = ((const float *)data)[at];

        value = value != value ? __builtin_nanf("") : value;
        put(writer, &value, sizeof(value));
    } else {
        put(writer, (const uint8_t *)data + at * bytes, bytes);
    }
}

static void put_value(struct writer *writer, const struct vec *vec, size_t row)
{
    struct vec_access access = vec_access_of(vec);
    size_t            at = vec_access_at(&access, row);
    enum vec_layout   layout = vec_type_layout(vec->type);
    uint8_t           null = vec_access_null(&access, row) || vec->type.kind == VEC_NULL;

    put(writer, &null, 1);
    if (null) {
        return;
    }
    if (layout == VEC_LAYOUT_LIST) {
        put_list(writer, vec, at);
    } else if (layout == VEC_LAYOUT_STRING) {
        struct view text = vec_string_view((const struct vec_string *)access.data + at);

        put_u32(writer, (uint32_t)text.len);
        put(writer, text.base, text.len);
    } else if (layout == VEC_LAYOUT_NONE) {
        for (uint32_t i = 0; i < vec->type.child_count; i++) {
            put_value(writer, &vec->children[i], at);
        }
    } else {
        put_fixed(writer, layout, access.data, at);
    }
}

struct vec_string exec_list_encode(struct arena *arena, const struct vec *list, size_t position)
{
    struct writer measure = {0};
    struct writer writer;
    uint8_t      *base;

    put_list(&measure, list, position);
    CHECK(measure.bytes <= UINT32_MAX);
    base = arena_alloc(arena, measure.bytes);
    CHECK(base != NULL);
    writer = (struct writer){.at = base};
    put_list(&writer, list, position);
    return vec_string_of((const char *)base, (uint32_t)measure.bytes);
}

/* --- back ----------------------------------------------------------------------------------------------------------
 */

/* What put() wrote is ours, so running out of it is a bug. */
static const uint8_t *take(struct view *bytes, size_t len)
{
    const uint8_t *base = bytes->base;

    CHECK(len <= bytes->len);
    bytes->base += len;
    bytes->len -= len;
    return base;
}

static uint32_t take_u32(struct view *bytes)
{
    uint32_t value;

    memcpy(&value, take(bytes, sizeof(value)), sizeof(value));
    return value;
}

static void take_list(struct arena *arena, struct vec *target, size_t row, struct view *bytes);

static void take_value(struct arena *arena, struct vec *target, size_t row, struct view *bytes)
{
    enum vec_layout layout = vec_type_layout(target->type);
    size_t          width = vec_layout_bytes(layout);

    if (*take(bytes, 1) != 0) {
        struct vec null = vec_make_null(arena, target->type);

        vec_copy_value(arena, target, row, &null, 0);
        return;
    }
    if (layout == VEC_LAYOUT_LIST) {
        take_list(arena, target, row, bytes);
    } else if (layout == VEC_LAYOUT_STRING) {
        uint32_t len = take_u32(bytes);

        ((struct vec_string *)target->data)[row] = vec_string_of((const char *)take(bytes, len), len);
    } else if (layout == VEC_LAYOUT_NONE) {
        for (uint32_t i = 0; i < target->type.child_count; i++) {
            take_value(arena, &target->children[i], row, bytes);
        }
    } else {
        memcpy((uint8_t *)target->data + row * width, take(bytes, width), width);
    }
}

/* A vector with room for more rows; texts stay where they are. */
static struct vec grow(struct arena *arena, const struct vec *source, uint32_t row_count, uint32_t capacity)
{
    struct vec target = *source;
    size_t     width = vec_layout_bytes(vec_type_layout(source->type));

    target.capacity = capacity;
    if (width > 0) {
        target.data = arena_alloc_array(arena, capacity, width);
        CHECK(target.data != NULL);
        if (row_count > 0) {
            memcpy(target.data, source->data, row_count * width);
        }
    }
    if (source->validity != NULL) {
        target.validity = NULL;
        (void)vec_need_validity(&target, arena);
        memcpy(target.validity, source->validity, div_ceil_u64(source->capacity, 64) * sizeof(uint64_t));
    }
    if (source->type.kind == VEC_ROW) {
        target.children = arena_alloc_array(arena, source->type.child_count, sizeof(*target.children));
        CHECK(target.children != NULL);
        for (uint32_t i = 0; i < source->type.child_count; i++) {
            struct vec empty = {.type = source->type.children[i].type, .form = VEC_FLAT};

            target.children[i] =
                grow(arena, source->children == NULL ? &empty : &source->children[i], row_count, capacity);
        }
    } else if (source->type.kind == VEC_ARRAY && source->children == NULL) {
        target.children = arena_alloc_array(arena, 1, sizeof(*target.children));
        CHECK(target.children != NULL);
        target.children[0] = (struct vec){.type = source->type.children[0].type, .form = VEC_FLAT};
    }
    return target;
}

static void take_list(struct arena *arena, struct vec *target, size_t row, struct view *bytes)
{
    struct vec      *elements = &target->children[0];
    struct vec_list *list = (struct vec_list *)target->data + row;
    uint32_t         count = take_u32(bytes);
    uint32_t         need = target->child_rows + count;

    CHECK(need >= count);
    if (elements->capacity < need) {
        *elements = grow(arena, elements, target->child_rows, MAX(need, 2 * elements->capacity));
    }
    *list = (struct vec_list){.offset = target->child_rows, .len = count};
    target->child_rows = need;
    for (uint32_t i = 0; i < count; i++) {
        take_value(arena, elements, list->offset + i, bytes);
    }
}

void exec_list_decode(struct arena *arena, struct vec *target, size_t row, const struct vec_string *encoded)
{
    struct view bytes = vec_string_view(encoded);

    take_list(arena, target, row, &bytes);
    CHECK(bytes.len == 0);
}

/* --- from disk -----------------------------------------------------------------------------------------------------
 */

static bool skip(struct view *bytes, size_t len)
{
    if (bytes->len < len) {
        return false;
    }
    bytes->base += len;
    bytes->len -= len;
    return true;
}

static bool skip_u32(struct view *bytes, uint32_t *out_value)
{
    const uint8_t *base = bytes->base;

    if (!skip(bytes, sizeof(*out_value))) {
        return false;
    }
    *out_value = load_le32(base);
    return true;
}

static bool check_value(struct vec_type type, struct view *bytes);

/* An element is a byte at least, so a count is no excuse for a long loop. */
static bool check_list(struct vec_type list, struct view *bytes)
{
    uint32_t count;

    if (!skip_u32(bytes, &count) || count > bytes->len) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!check_value(list.children[0].type, bytes)) {
            return false;
        }
    }
    return true;
}

static bool check_value(struct vec_type type, struct view *bytes)
{
    enum vec_layout layout = vec_type_layout(type);
    const uint8_t  *base = bytes->base;
    uint32_t        len;

    if (!skip(bytes, 1) || base[0] > 1) {
        return false;
    }
    if (base[0] == 1) {
        return true;
    }
    switch (layout) {
    case VEC_LAYOUT_LIST:
        return check_list(type, bytes);
    case VEC_LAYOUT_STRING:
        return skip_u32(bytes, &len) && skip(bytes, len);
    case VEC_LAYOUT_NONE:
        for (uint32_t i = 0; i < type.child_count; i++) {
            if (!check_value(type.children[i].type, bytes)) {
                return false;
            }
        }
        return type.kind == VEC_ROW;
    case VEC_LAYOUT_BOOL:
        return skip(bytes, 1) && base[1] <= 1;
    default:
        return skip(bytes, vec_layout_bytes(layout));
    }
}

bool exec_list_check(struct vec_type list, struct view encoded)
{
    return list.kind == VEC_ARRAY && check_list(list, &encoded) && encoded.len == 0;
}
