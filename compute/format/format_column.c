/* Memory for decoded values, and how it is shown as vectors. */
#include "compute/format/format_internal.h"

static size_t validity_bytes(uint32_t positions)
{
    return div_ceil_u64(positions, 64) * sizeof(uint64_t);
}

/* Room for at least `capacity` positions; new ones are null and zero. */
static void reserve(struct format__column *column, uint32_t capacity)
{
    size_t   width = vec_layout_bytes(column->layout);
    uint32_t old = column->capacity;

    if (capacity <= old) {
        return;
    }
    capacity = (uint32_t)align_up(MAX(capacity, (uint64_t)old * 2), 64);
    if (width > 0) {
        column->data = mem_realloc(MEM_COMPUTE, column->data, capacity * width);
        memset((char *)column->data + old * width, 0, (capacity - old) * width);
    }
    column->validity = mem_realloc(MEM_COMPUTE, column->validity, validity_bytes(capacity));
    memset((char *)column->validity + validity_bytes(old), 0, validity_bytes(capacity) - validity_bytes(old));
    column->capacity = capacity;
    for (uint32_t i = 0; column->type.kind == VEC_ROW && i < column->child_count; i++) {
        reserve(&column->children[i], capacity);
    }
}

void format__column_init(struct format__column *column, struct vec_type type, uint32_t capacity)
{
    *column = (struct format__column){.type = type, .layout = vec_type_layout(type)};
    if (type.kind == VEC_ROW || type.kind == VEC_ARRAY) {
        column->child_count = type.child_count;
        column->children = mem_alloc(MEM_COMPUTE, type.child_count * sizeof(*column->children));
        for (uint32_t i = 0; i < type.child_count; i++) {
            format__column_init(&column->children[i], type.children[i].type, 0);
        }
    }
    reserve(column, capacity);
}

void format__column_deinit(struct format__column *column)
{
    for (uint32_t i = 0; i < column->child_count; i++) {
        format__column_deinit(&column->children[i]);
    }
    mem_free(MEM_COMPUTE, column->children);
    mem_free(MEM_COMPUTE, column->data);
    mem_free(MEM_COMPUTE, column->validity);
}

void format__column_clear(struct format__column *column, uint32_t count)
{
    CHECK(count <= column->capacity);
    if (column->data != NULL && count > 0) {
        memset(column->data, 0, count * vec_layout_bytes(column->layout));
    }
    if (count > 0) {
        memset(column->validity, 0, validity_bytes(count));
    }
    for (uint32_t i = 0; i < column->child_count; i++) {
        struct format__column *child = &column->children[i];

        format__column_clear(child, column->type.kind == VEC_ROW ? count : child->used);
        child->used = 0;
    }
}

void format__column_clear_at(struct format__column *column, uint32_t position)
{
    size_t width = vec_layout_bytes(column->layout);

    CHECK(position < column->capacity);
    if (width > 0) {
        memset((char *)column->data + position * width, 0, width);
    }
    vec_bit_clear(column->validity, position);
    for (uint32_t i = 0; column->type.kind == VEC_ROW && i < column->child_count; i++) {
        format__column_clear_at(&column->children[i], position);
    }
}

uint32_t format__column_extend(struct format__column *elements, uint32_t count)
{
    uint32_t first = elements->used;

    CHECK(count <= UINT32_MAX / 4 - first);
    reserve(elements, first + count);
    elements->used = first + count;
    return first;
}

void format__column_store(struct format__column *column, uint32_t position, const union format__value *value)
{
    switch (column->layout) {
    case VEC_LAYOUT_BOOL:
    case VEC_LAYOUT_INT8:
        ((int8_t *)column->data)[position] = (int8_t)value->integer;
        break;
    case VEC_LAYOUT_INT16:
        ((int16_t *)column->data)[position] = (int16_t)value->integer;
        break;
    case VEC_LAYOUT_INT32:
        ((int32_t *)column->data)[position] = (int32_t)value->integer;
        break;
    case VEC_LAYOUT_INT64:
        ((int64_t *)column->data)[position] = value->integer;
        break;
    case VEC_LAYOUT_INT128:
        ((vec_int128 *)column->data)[position] = value->wide;
        break;
    case VEC_LAYOUT_FLOAT:
        ((float *)column->data)[position] = value->single;
        break;
    case VEC_LAYOUT_DOUBLE:
        ((double *)column->data)[position] = value->real;
        break;
    case VEC_LAYOUT_STRING:
        ((struct vec_string *)column->data)[position] = value->string;
        break;
    case VEC_LAYOUT_LIST:
        ((struct vec_list *)column->data)[position] = value->list;
        break;
    default:
        return; /* NULL has no value; a ROW is marked by who filled it */
    }
    format__column_mark(column, position);
}

uint32_t format__column_descendants(const struct format__column *column)
{
    uint32_t count = column->child_count;

    for (uint32_t i = 0; i < column->child_count; i++) {
        count += format__column_descendants(&column->children[i]);
    }
    return count;
}

static bool is_all_set(const uint64_t *bits, uint32_t count)
{
    uint32_t whole = count / 64;

    for (uint32_t i = 0; i < whole; i++) {
        if (bits[i] != UINT64_MAX) {
            return false;
        }
    }
    return count % 64 == 0 || (~bits[whole] & ((UINT64_C(1) << (count % 64)) - 1)) == 0;
}

struct vec format__column_show(struct format__column *column, uint32_t row_count, struct vec **children)
{
    struct vec vec = {.type = column->type, .form = VEC_FLAT, .data = column->data, .capacity = column->capacity};

    if (row_count > 0 && !is_all_set(column->validity, row_count)) {
        vec.validity = column->validity;
    }
    if (column->child_count > 0) {
        uint32_t child_rows = column->type.kind == VEC_ROW ? row_count : column->children[0].used;

        vec.children = *children;
        *children += column->child_count;
        vec.child_rows = column->type.kind == VEC_ROW ? 0 : child_rows;
        for (uint32_t i = 0; i < column->child_count; i++) {
            vec.children[i] = format__column_show(&column->children[i], child_rows, children);
        }
    }
    return vec;
}
