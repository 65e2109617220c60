/* Joins: reading rows, sending pairs. */
#include "compute/exec/exec_join.h"
#include "compute/exec/exec_state.h"

#include "core/base/check.h"

#define ARENA_BLOCK_BYTES   (32 * KIB)
#define SCRATCH_BLOCK_BYTES (256 * KIB)

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

static struct exec_layout layout_of(struct exec_join_op *join, const struct exec_node *node, const uint32_t *columns,
                                    uint32_t count)
{
    struct vec_type *types = need(arena_alloc_array(&join->arena, MAX(count, 1), sizeof(*types)));

    for (uint32_t i = 0; i < count; i++) {
        types[i] = node->columns[columns == NULL ? i : columns[i]].type;
    }
    return exec_layout_make(&join->arena, types, count);
}

/* Keys are compared as bytes: the planner has cast them to one type. */
static bool keys_fit(struct exec_join_op *join)
{
    const struct exec_node *node = join->op.node;

    for (uint32_t i = 0; i < node->join.key_count; i++) {
        const struct vec_field *left = &node->inputs[EXEC_LEFT]->columns[join->keys[EXEC_LEFT][i]];
        const struct vec_field *right = &node->inputs[EXEC_RIGHT]->columns[join->keys[EXEC_RIGHT][i]];

        if (vec_type_layout(left->type) != vec_type_layout(right->type)) {
            return exec__fail(&join->op, "the columns '%.*s' and '%.*s' of the join's key have different types",
                              (int)left->name.len, (const char *)left->name.base, (int)right->name.len,
                              (const char *)right->name.base);
        }
    }
    return true;
}

bool exec_join_open(struct exec_join_op *join)
{
    const struct exec_node *node = join->op.node;
    uint32_t                columns_max;

    CHECK(node->input_count == 2);
    arena_init(&join->arena, MEM_COMPUTE, ARENA_BLOCK_BYTES, SIZE_MAX);
    arena_init(&join->loading, MEM_COMPUTE, SCRATCH_BLOCK_BYTES, SIZE_MAX);
    arena_init(&join->sending, MEM_COMPUTE, SCRATCH_BLOCK_BYTES, SIZE_MAX);
    join->keys[EXEC_LEFT] = node->join.left_keys;
    join->keys[EXEC_RIGHT] = node->join.right_keys;
    for (uint32_t side = 0; side < 2; side++) {
        join->column_counts[side] = node->inputs[side]->column_count;
        join->rows[side] = layout_of(join, node->inputs[side], NULL, join->column_counts[side]);
    }
    CHECK(node->column_count == join->column_counts[EXEC_LEFT] + join->column_counts[EXEC_RIGHT]);
    join->key = layout_of(join, node->inputs[EXEC_LEFT], join->keys[EXEC_LEFT], node->join.key_count);
    columns_max = MAX(node->column_count, node->join.key_count);
    join->vecs = need(arena_alloc_array(&join->arena, MAX(columns_max, 1), sizeof(*join->vecs)));
    join->hashes = need(arena_alloc_array(&join->arena, VEC_ROWS_MAX, sizeof(*join->hashes)));
    join->selection = need(arena_alloc_array(&join->arena, VEC_ROWS_MAX, sizeof(*join->selection)));
    join->pair_rows = need(arena_alloc_array(&join->arena, VEC_ROWS_MAX, sizeof(*join->pair_rows)));
    for (uint32_t side = 0; side < 2; side++) {
        join->pair_kept[side] = need(arena_alloc_array(&join->arena, VEC_ROWS_MAX, sizeof(void *)));
    }
    join->rows_max = exec__rows_max(&join->op);
    if (node->join.condition != NULL) {
        struct expr **exprs = need(arena_alloc(&join->arena, sizeof(*exprs)));

        /* A program only reads its expressions. */
        exprs[0] = (struct expr *)(uintptr_t)node->join.condition;
        join->condition = expr_program_create(exprs, 1);
    }
    return keys_fit(join);
}

void exec_join_close(struct exec_join_op *join)
{
    if (join->condition != NULL) {
        expr_program_destroy(join->condition);
    }
    arena_deinit(&join->sending);
    arena_deinit(&join->loading);
    arena_deinit(&join->arena);
}

/* --- rows in -------------------------------------------------------------------------------------------------------
 */

/* Selects the rows whose keys have no null. */
static void select_keyed(struct exec_join_op *join, uint32_t side, struct vec_chunk *chunk)
{
    for (uint32_t k = 0; k < join->op.node->join.key_count; k++) {
        struct vec_access access = vec_access_of(&chunk->columns[join->keys[side][k]]);
        uint32_t          count = 0;

        if (access.validity == NULL && chunk->columns[join->keys[side][k]].type.kind != VEC_NULL) {
            continue;
        }
        for (uint32_t i = 0; i < chunk->selected_count; i++) {
            size_t row = vec_chunk_row(chunk, i);

            if (!vec_is_null(&chunk->columns[join->keys[side][k]], row)) {
                join->selection[count++] = (uint16_t)row;
            }
        }
        chunk->selection = join->selection;
        chunk->selected_count = count;
    }
}

struct exec_join_rows exec_join_read(struct exec_join_op *join, uint32_t side, const struct vec_chunk *chunk)
{
    struct exec_join_rows rows = {.chunk = *chunk};
    uint8_t              *loaded;

    select_keyed(join, side, &rows.chunk);
    arena_reset(&join->loading);
    loaded = need(arena_alloc_array(&join->loading, rows.chunk.selected_count, join->rows[side].row_bytes));
    for (uint32_t c = 0; c < join->column_counts[side]; c++) {
        join->vecs[c] = &chunk->columns[c];
    }
    exec_rows_load(&join->rows[side], join->vecs, &rows.chunk, &join->loading, loaded);
    rows.loaded = loaded;
    for (uint32_t k = 0; k < join->op.node->join.key_count; k++) {
        join->vecs[k] = &chunk->columns[join->keys[side][k]];
        vec_hash(join->vecs[k], &rows.chunk, join->hashes, k > 0);
    }
    return rows;
}

bool exec_join_take(struct exec_join_op *join, uint32_t side, struct exec_reader *reader,
                    struct exec_join_rows *out_rows)
{
    struct vec_chunk chunk = {.row_count = 1, .selected_count = 1, .column_count = join->column_counts[side]};
    const void      *row;

    arena_reset(&join->sending);
    row = exec_row_take(reader, &join->rows[side], &join->sending);
    if (row == NULL) {
        return false;
    }
    chunk.columns = need(arena_alloc_array(&join->sending, MAX(chunk.column_count, 1), sizeof(*chunk.columns)));
    exec_rows_read(&join->rows[side], &row, 1, 0, chunk.column_count, &join->sending, chunk.columns);
    *out_rows = exec_join_read(join, side, &chunk);
    return out_rows->chunk.selected_count == 1;
}

/* --- pairs out -----------------------------------------------------------------------------------------------------
 */

void exec_join_begin(struct exec_join_op *join, uint32_t side, const struct vec_chunk *chunk)
{
    CHECK(join->pair_count == 0);
    join->at_hand = chunk;
    join->at_hand_side = side;
    if (join->condition != NULL) {
        expr_program_set_now_ms(join->condition, exec__now_ms(&join->op));
    }
}

static void make_columns(struct exec_join_op *join, struct vec *columns)
{
    for (uint32_t side = 0; side < 2; side++) {
        uint32_t count = join->column_counts[side];

        if (join->at_hand != NULL && join->at_hand_side == side) {
            for (uint32_t c = 0; c < count; c++) {
                columns[c] = vec_pick(&join->sending, &join->at_hand->columns[c], join->pair_rows, join->pair_count);
            }
        } else {
            exec_rows_read(&join->rows[side], join->pair_kept[side], join->pair_count, 0, count, &join->sending,
                           columns);
        }
        columns += count;
    }
}

/* The pair stands nowhere in the input: no row is named. */
static bool fail_condition(struct exec_join_op *join)
{
    const struct expr_failure *reason = expr_program_failure(join->condition);
    const struct exec_node    *node = join->op.node;
    char                       text[EXEC_MESSAGE_BYTES / 2] = "";

    if (reason->expr != NULL) {
        (void)expr_format(reason->expr, node->columns, node->column_count, text, sizeof(text));
    }
    return exec__fail(&join->op, "%.*s, in %s", EXEC_MESSAGE_BYTES / 3, reason->message, text);
}

bool exec_join_send(struct exec_join_op *join)
{
    uint32_t         column_count = join->op.node->column_count;
    struct vec_chunk chunk = {
        .row_count = join->pair_count, .selected_count = join->pair_count, .column_count = column_count};

    if (join->pair_count == 0) {
        return true;
    }
    arena_reset(&join->sending);
    chunk.columns = need(arena_alloc_array(&join->sending, column_count, sizeof(*chunk.columns)));
    make_columns(join, chunk.columns);
    join->pair_count = 0;
    if (join->condition != NULL) {
        uint16_t *rows = need(arena_alloc_array(&join->sending, VEC_ROWS_MAX, sizeof(*rows)));
        uint32_t  count;

        if (!expr_program_filter(join->condition, &chunk, rows, &count)) {
            return fail_condition(join);
        }
        if (count < chunk.row_count) {
            chunk.selection = rows;
            chunk.selected_count = count;
        }
    }
    return exec__emit(&join->op, &chunk);
}

static bool make_room(struct exec_join_op *join)
{
    if (join->pair_count < join->rows_max) {
        return true;
    }
    if (!exec_join_send(join)) {
        return false;
    }
    exec__pause(&join->op);
    return true;
}

bool exec_join_add(struct exec_join_op *join, size_t row, const void *kept)
{
    if (!make_room(join)) {
        return false;
    }
    join->pair_rows[join->pair_count] = (uint16_t)row;
    join->pair_kept[1 - join->at_hand_side][join->pair_count] = kept;
    join->pair_count++;
    return true;
}

bool exec_join_add_kept(struct exec_join_op *join, const void *left, const void *right)
{
    if (!make_room(join)) {
        return false;
    }
    join->pair_kept[EXEC_LEFT][join->pair_count] = left;
    join->pair_kept[EXEC_RIGHT][join->pair_count] = right;
    join->pair_count++;
    return true;
}
