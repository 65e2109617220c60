/* UNNEST: a row per element of an array, beside the row that the array is in. */
#include "compute/exec/exec_internal.h"

#include "core/base/check.h"

#define UNNEST_BLOCK (64 * (size_t)KIB)
#define NO_ELEMENT   UINT32_MAX

struct unnest {
    struct exec_operator op;
    struct arena         arena; /* of the chunk being emitted */
    uint16_t            *rows;
    uint32_t            *elements; /* positions, or NO_ELEMENT */
    int32_t             *ordinals;
    uint32_t             count;
};

static bool open(struct exec_operator *op)
{
    struct unnest *unnest = CONTAINER_OF(op, struct unnest, op);

    unnest->rows = exec__alloc(op, VEC_ROWS_MAX * sizeof(*unnest->rows));
    unnest->elements = exec__alloc(op, VEC_ROWS_MAX * sizeof(*unnest->elements));
    unnest->ordinals = exec__alloc(op, VEC_ROWS_MAX * sizeof(*unnest->ordinals));
    arena_init(&unnest->arena, MEM_COMPUTE, UNNEST_BLOCK, SIZE_MAX);
    return true;
}

static void close(struct exec_operator *op)
{
    struct unnest *unnest = CONTAINER_OF(op, struct unnest, op);

    if (unnest->rows != NULL) {
        arena_deinit(&unnest->arena);
    }
}

/* The collected elements as a vector; nulls where there is none. */
static struct vec take_elements(struct unnest *unnest, const struct vec *list)
{
    struct vec_type type = list->type.children[0].type;
    struct vec      null = vec_make_null(&unnest->arena, type);
    struct vec      taken = vec_make_rows(&unnest->arena, type, unnest->count);

    for (uint32_t i = 0; i < unnest->count; i++) {
        if (unnest->elements[i] == NO_ELEMENT) {
            vec_copy_value(&unnest->arena, &taken, i, &null, 0);
        } else {
            vec_copy_value(&unnest->arena, &taken, i, &list->children[0], unnest->elements[i]);
        }
    }
    return taken;
}

static struct vec take_ordinals(struct unnest *unnest)
{
    struct vec taken = vec_make_rows(&unnest->arena, vec_type_of(VEC_INT), unnest->count);

    for (uint32_t i = 0; i < unnest->count; i++) {
        ((int32_t *)taken.data)[i] = unnest->ordinals[i];
        if (unnest->elements[i] == NO_ELEMENT) {
            vec_bit_clear(vec_need_validity(&taken, &unnest->arena), i);
        }
    }
    return taken;
}

static bool emit_collected(struct unnest *unnest, const struct vec_chunk *chunk)
{
    struct exec_operator *op = &unnest->op;
    const struct vec     *list = &chunk->columns[op->node->unnest.column];
    struct vec_chunk      out = {
             .row_count = unnest->count,
             .selected_count = unnest->count,
             .columns = arena_alloc_array(&unnest->arena, op->node->column_count, sizeof(struct vec)),
    };
    uint8_t   *changes = arena_alloc(&unnest->arena, MAX(unnest->count, 1));
    struct vec elements;
    bool       good;

    CHECK(out.columns != NULL && changes != NULL);
    if (unnest->count == 0) {
        return true;
    }
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        out.columns[out.column_count++] = vec_pick(&unnest->arena, &chunk->columns[i], unnest->rows, unnest->count);
    }
    elements = take_elements(unnest, list);
    if (elements.type.kind == VEC_ROW) {
        for (uint32_t i = 0; i < elements.type.child_count; i++) {
            out.columns[out.column_count++] = elements.children[i];
        }
    } else {
        out.columns[out.column_count++] = elements;
    }
    if (op->node->unnest.with_ordinality) {
        out.columns[out.column_count++] = take_ordinals(unnest);
    }
    CHECK(out.column_count == op->node->column_count);
    for (uint32_t i = 0; i < unnest->count && chunk->changes != NULL; i++) {
        changes[i] = chunk->changes[unnest->rows[i]];
    }
    out.changes = chunk->changes == NULL ? NULL : changes;
    good = exec__emit(op, &out);
    unnest->count = 0;
    arena_reset(&unnest->arena);
    return good;
}

static bool add(struct unnest *unnest, const struct vec_chunk *chunk, size_t row, uint32_t element, int32_t ordinal)
{
    unnest->rows[unnest->count] = (uint16_t)row;
    unnest->elements[unnest->count] = element;
    unnest->ordinals[unnest->count] = ordinal;
    unnest->count++;
    return unnest->count < exec__rows_max(&unnest->op) || emit_collected(unnest, chunk);
}

/* The elements of one row's array. A ROW that is null gives no row, as in Flink: it has no fields to be columns. */
static bool add_elements(struct unnest *unnest, const struct vec_chunk *chunk, size_t row, struct vec_list list,
                         const struct vec *elements)
{
    bool matched = false;

    for (uint32_t i = 0; i < list.len; i++) {
        if (elements->type.kind == VEC_ROW && vec_is_null(elements, list.offset + i)) {
            continue;
        }
        matched = true;
        if (!add(unnest, chunk, row, list.offset + i, (int32_t)i + 1)) {
            return false;
        }
    }
    return matched || !unnest->op.node->unnest.keeps_unmatched || add(unnest, chunk, row, NO_ELEMENT, 0);
}

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    struct unnest    *unnest = CONTAINER_OF(op, struct unnest, op);
    const struct vec *arrays = &chunk->columns[op->node->unnest.column];
    struct vec_access access = vec_access_of(arrays);

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t          row = vec_chunk_row(chunk, i);
        struct vec_list list = {0};

        if (!vec_access_null(&access, row)) {
            list = ((const struct vec_list *)access.data)[vec_access_at(&access, row)];
        }
        if (!add_elements(unnest, chunk, row, list, &arrays->children[0])) {
            return false;
        }
    }
    return emit_collected(unnest, chunk);
}

const struct exec_operator_class exec__unnest_class = {
    .name = "unnest",
    .bytes = sizeof(struct unnest),
    .open = open,
    .push = push,
    .close = close,
};
