/* Rows at rest: laying them out, loading columns into them, reading them back. */
#include "compute/exec/exec_row.h"

#include "compute/exec/exec_list.h"
#include "core/base/check.h"

#define ROW_ALIGNMENT 16

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

/* --- layout --------------------------------------------------------------------------------------------------------
 */

static uint32_t count_leaves(struct vec_type type)
{
    uint32_t count = 1;

    for (uint32_t i = 0; type.kind == VEC_ROW && i < type.child_count; i++) {
        count += count_leaves(type.children[i].type);
    }
    return count;
}

static uint32_t add_leaves(struct exec_layout *layout, struct vec_type type, uint32_t at)
{
    struct exec_leaf *leaf = &layout->leaves[at++];

    leaf->type = type;
    leaf->layout = vec_type_layout(type);
    for (uint32_t i = 0; type.kind == VEC_ROW && i < type.child_count; i++) {
        at = add_leaves(layout, type.children[i].type, at);
    }
    leaf->end = at;
    return at;
}

static bool leaf_is_text(const struct exec_leaf *leaf)
{
    return leaf->layout == VEC_LAYOUT_STRING || leaf->layout == VEC_LAYOUT_LIST;
}

static uint32_t leaf_bytes(const struct exec_leaf *leaf)
{
    return leaf_is_text(leaf) ? (uint32_t)sizeof(struct vec_string) : (uint32_t)vec_layout_bytes(leaf->layout);
}

/* Texts first, then wide to narrow: then nothing is padded but the end. */
static uint32_t place_slots(struct exec_layout *layout)
{
    static const uint32_t widths[] = {16, 8, 4, 2, 1};
    uint32_t              offset = 0;

    for (uint32_t i = 0; i < layout->leaf_count; i++) {
        if (leaf_is_text(&layout->leaves[i])) {
            layout->leaves[i].offset = offset;
            offset += (uint32_t)sizeof(struct vec_string);
            layout->text_count++;
        }
    }
    for (size_t width = 0; width < COUNT_OF(widths); width++) {
        for (uint32_t i = 0; i < layout->leaf_count; i++) {
            if (!leaf_is_text(&layout->leaves[i]) && leaf_bytes(&layout->leaves[i]) == widths[width]) {
                layout->leaves[i].offset = offset;
                offset += widths[width];
            }
        }
    }
    return offset;
}

struct exec_layout exec_layout_make(struct arena *arena, const struct vec_type *types, uint32_t column_count)
{
    struct exec_layout layout = {.column_count = column_count};
    uint32_t          *column_leaf = need(arena_alloc_array(arena, column_count, sizeof(*column_leaf)));
    uint32_t           at = 0;

    for (uint32_t column = 0; column < column_count; column++) {
        column_leaf[column] = layout.leaf_count;
        layout.leaf_count += count_leaves(types[column]);
    }
    layout.column_leaf = column_leaf;
    layout.leaves = need(arena_alloc_array(arena, layout.leaf_count, sizeof(*layout.leaves)));
    for (uint32_t column = 0; column < column_count; column++) {
        at = add_leaves(&layout, types[column], at);
    }
    layout.null_offset = place_slots(&layout);
    layout.row_bytes = (uint32_t)align_up(layout.null_offset + div_ceil_u64(layout.leaf_count, 8), ROW_ALIGNMENT);
    layout.row_bytes = MAX(layout.row_bytes, ROW_ALIGNMENT);
    return layout;
}

/* --- loading -------------------------------------------------------------------------------------------------------
 */

struct load {
    const struct exec_layout *layout;
    struct arena             *arena;
    uint8_t                  *base;
    size_t                    count;
};

/* The slot of a null is zero as it was. */
static void set_null(const struct load *load, size_t i, uint32_t leaf)
{
    load->base[i * load->layout->row_bytes + load->layout->null_offset + leaf / 8] |= (uint8_t)(1U << (leaf % 8));
}

/* Row i's slot of type_, from the vector's position. */
#define LOAD_EACH(type_, expression)                                 \
    for (size_t i = 0; i < load->count; i++, slot += stride) {       \
        size_t at = positions == NULL ? i : positions[i];            \
        if (validity == NULL || LIKELY(vec_bit_get(validity, at))) { \
            type_ value = ((const type_ *)data)[at];                 \
            *(type_ *)(void *)slot = (expression);                   \
        } else {                                                     \
            set_null(load, i, leaf);                                 \
        }                                                            \
    }

#define LOAD_CASE(layout, type_) \
    case layout:                 \
        LOAD_EACH(type_, value)  \
        break

static void load_lists(const struct load *load, const struct vec *vec, const uint16_t *positions, uint32_t leaf,
                       uint8_t *slot)
{
    for (size_t i = 0; i < load->count; i++, slot += load->layout->row_bytes) {
        size_t at = positions == NULL ? i : positions[i];

        if (vec->validity != NULL && !vec_bit_get(vec->validity, at)) {
            set_null(load, i, leaf);
        } else {
            *(struct vec_string *)(void *)slot = exec_list_encode(load->arena, vec, at);
        }
    }
}

/* A vector without children, read at positions of its data. */
static void load_leaf(const struct load *load, const struct vec *vec, const uint16_t *positions, uint32_t leaf)
{
    const void     *data = vec->data;
    const uint64_t *validity = vec->validity;
    uint8_t        *slot = load->base + load->layout->leaves[leaf].offset;
    size_t          stride = load->layout->row_bytes;

    switch (load->layout->leaves[leaf].layout) {
        LOAD_CASE(VEC_LAYOUT_BOOL, uint8_t);
        LOAD_CASE(VEC_LAYOUT_INT8, int8_t);
        LOAD_CASE(VEC_LAYOUT_INT16, int16_t);
        LOAD_CASE(VEC_LAYOUT_INT32, int32_t);
        LOAD_CASE(VEC_LAYOUT_INT64, int64_t);
        LOAD_CASE(VEC_LAYOUT_INT128, vec_int128);
        LOAD_CASE(VEC_LAYOUT_STRING, struct vec_string);
    case VEC_LAYOUT_FLOAT:
        LOAD_EACH(float, value != value ? __builtin_nanf("") : value)
        break;
    case VEC_LAYOUT_DOUBLE:
        LOAD_EACH(double, value != value ? __builtin_nan("") : value)
        break;
    case VEC_LAYOUT_LIST:
        load_lists(load, vec, positions, leaf, slot);
        break;
    case VEC_LAYOUT_NONE:
        for (size_t i = 0; i < load->count; i++) {
            size_t at = positions == NULL ? i : positions[i];

            if (vec->type.kind == VEC_NULL || (validity != NULL && !vec_bit_get(validity, at))) {
                set_null(load, i, leaf);
            }
        }
        break;
    case VEC_LAYOUT_COUNT:
    default:
        CHECK(false);
    }
}

/* rows: of the vector; NULL = 0 .. count - 1. The fields of a null ROW are null by themselves (vec.h). */
static void load_column(const struct load *load, const struct vec *vec, const uint16_t *rows, uint32_t leaf)
{
    struct vec_access access = vec_access_of(vec);
    const uint16_t   *positions = rows;
    uint16_t          mapped[VEC_ROWS_MAX];
    uint32_t          below = leaf + 1;

    if (access.index != NULL && rows != NULL) {
        for (size_t i = 0; i < load->count; i++) {
            mapped[i] = access.index[rows[i]];
        }
        positions = mapped;
    } else if (access.index != NULL) {
        positions = access.index;
    }
    load_leaf(load, vec, positions, leaf);
    for (uint32_t i = 0; vec->type.kind == VEC_ROW && i < vec->type.child_count; i++) {
        load_column(load, &vec->children[i], positions, below);
        below = load->layout->leaves[below].end;
    }
}

void exec_rows_load(const struct exec_layout *layout, const struct vec *const *columns, const struct vec_chunk *chunk,
                    struct arena *arena, void *base)
{
    struct load load = {.layout = layout, .arena = arena, .base = base, .count = chunk->selected_count};

    memset(base, 0, load.count * layout->row_bytes);
    for (uint32_t column = 0; column < layout->column_count; column++) {
        load_column(&load, columns[column], chunk->selection, layout->column_leaf[column]);
    }
}

/* --- keeping -------------------------------------------------------------------------------------------------------
 */

bool exec_row_keep(const struct exec_layout *layout, struct exec_heap *heap, void *row)
{
    struct vec_string *texts = row;
    char              *copies[64];
    char             **kept = copies;
    uint32_t           i;

    if (layout->text_count > COUNT_OF(copies)) {
        kept = need(arena_alloc_array(exec_heap_scratch(heap), layout->text_count, sizeof(*kept)));
    }
    for (i = 0; i < layout->text_count; i++) {
        kept[i] = NULL;
        if (texts[i].len > VEC_STRING_INLINE_MAX) {
            kept[i] = exec_heap_take(heap, texts[i].len);
            if (kept[i] == NULL) {
                break;
            }
        }
    }
    if (i < layout->text_count) {
        while (i-- > 0) {
            if (kept[i] != NULL) {
                exec_heap_give(heap, kept[i], texts[i].len);
            }
        }
        return false;
    }
    for (i = 0; i < layout->text_count; i++) {
        if (kept[i] != NULL) {
            memcpy(kept[i], texts[i].ref.base, texts[i].len);
            texts[i].ref.base = kept[i];
        }
    }
    return true;
}

void *exec_row_new(const struct exec_layout *layout, struct exec_heap *heap, const void *row)
{
    void *copy = exec_heap_take(heap, layout->row_bytes);

    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, row, layout->row_bytes);
    if (layout->text_count > 0 && !exec_row_keep(layout, heap, copy)) {
        exec_heap_give(heap, copy, layout->row_bytes);
        return NULL;
    }
    return copy;
}

void exec_row_drop(const struct exec_layout *layout, struct exec_heap *heap, void *row)
{
    struct vec_string *texts = row;

    for (uint32_t i = 0; i < layout->text_count; i++) {
        if (texts[i].len > VEC_STRING_INLINE_MAX) {
            exec_heap_give(heap, (void *)(uintptr_t)texts[i].ref.base, texts[i].len);
        }
        texts[i] = (struct vec_string){0};
    }
}

void exec_row_free(const struct exec_layout *layout, struct exec_heap *heap, void *row)
{
    exec_row_drop(layout, heap, row);
    exec_heap_give(heap, row, layout->row_bytes);
}

bool exec_row_same(const struct exec_layout *layout, const void *a, const void *b)
{
    const uint64_t          *a_words = a;
    const uint64_t          *b_words = b;
    const struct vec_string *a_texts = a;
    const struct vec_string *b_texts = b;
    uint64_t                 differ = 0;

    for (uint32_t i = layout->text_count * 2; i < layout->row_bytes / 8; i++) {
        differ |= a_words[i] ^ b_words[i];
    }
    for (uint32_t i = 0; i < layout->text_count && differ == 0; i++) {
        differ = !vec_string_equal(&a_texts[i], &b_texts[i]);
    }
    return differ == 0;
}

static bool leaf_is_null(const struct exec_layout *layout, const void *row, uint32_t leaf)
{
    return (((const uint8_t *)row)[layout->null_offset + leaf / 8] >> (leaf % 8)) & 1;
}

bool exec_row_is_null(const struct exec_layout *layout, const void *row, uint32_t column)
{
    return leaf_is_null(layout, row, layout->column_leaf[column]);
}

size_t exec_row_bytes(const struct exec_layout *layout, const void *row)
{
    const struct vec_string *texts = row;
    size_t                   bytes = layout->row_bytes;

    for (uint32_t i = 0; i < layout->text_count; i++) {
        bytes += texts[i].len > VEC_STRING_INLINE_MAX ? texts[i].len : 0;
    }
    return bytes;
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

#define READ_CASE(layout, type_)                                                        \
    case layout:                                                                        \
        for (size_t i = 0; i < count; i++) {                                            \
            ((type_ *)out->data)[i] = *(const type_ *)(const void *)(rows[i] + offset); \
        }                                                                               \
        break

static void read_values(const struct exec_leaf *leaf, const uint8_t *const *rows, size_t count, struct arena *arena,
                        struct vec *out)
{
    uint32_t offset = leaf->offset;

    switch (leaf->layout) {
        READ_CASE(VEC_LAYOUT_BOOL, uint8_t);
        READ_CASE(VEC_LAYOUT_INT8, int8_t);
        READ_CASE(VEC_LAYOUT_INT16, int16_t);
        READ_CASE(VEC_LAYOUT_INT32, int32_t);
        READ_CASE(VEC_LAYOUT_INT64, int64_t);
        READ_CASE(VEC_LAYOUT_INT128, vec_int128);
        READ_CASE(VEC_LAYOUT_FLOAT, float);
        READ_CASE(VEC_LAYOUT_DOUBLE, double);
        READ_CASE(VEC_LAYOUT_STRING, struct vec_string);
    case VEC_LAYOUT_LIST:
        for (size_t i = 0; i < count; i++) {
            const struct vec_string *text = (const struct vec_string *)(const void *)(rows[i] + offset);

            if (text->len > 0) {
                exec_list_decode(arena, out, i, text);
            }
        }
        break;
    case VEC_LAYOUT_NONE:
    case VEC_LAYOUT_COUNT:
    default:
        break;
    }
}

/* out has its type and data; children below. */
static uint32_t read_leaf(const struct exec_layout *layout, const uint8_t *const *rows, size_t count, uint32_t leaf,
                          struct arena *arena, struct vec *out)
{
    uint32_t byte = layout->null_offset + leaf / 8;
    uint8_t  bit = (uint8_t)(1U << (leaf % 8));
    uint32_t below = leaf + 1;

    read_values(&layout->leaves[leaf], rows, count, arena, out);
    for (size_t i = 0; i < count; i++) {
        if (UNLIKELY((rows[i][byte] & bit) != 0)) {
            vec_bit_clear(vec_need_validity(out, arena), i);
        }
    }
    for (uint32_t i = 0; out->type.kind == VEC_ROW && i < out->type.child_count; i++) {
        below = read_leaf(layout, rows, count, below, arena, &out->children[i]);
    }
    return below;
}

void exec_rows_read(const struct exec_layout *layout, const void *const *rows, size_t row_count, uint32_t first,
                    uint32_t count, struct arena *arena, struct vec *out)
{
    CHECK(row_count <= VEC_ROWS_MAX && first + count <= layout->column_count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t leaf = layout->column_leaf[first + i];

        out[i] = vec_make_rows(arena, layout->leaves[leaf].type, MAX(row_count, (size_t)1));
        (void)read_leaf(layout, (const uint8_t *const *)rows, row_count, leaf, arena, &out[i]);
    }
}
