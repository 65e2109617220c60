/* RANK: the frame of all ways: the keys and rows of a chunk, rows on their way out, which way it is. */
#include "compute/exec/exec_rank.h"
#include "compute/exec/exec_hold.h"
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

#define ARENA_BLOCK_BYTES   (32 * KIB)
#define SCRATCH_BLOCK_BYTES (256 * KIB)

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

/* --- shared by the ways ---------------------------------------------------------------------------------
 */

bool exec_rank_find(struct exec_rank_op *rank, const struct vec_chunk *chunk)
{
    const struct exec_node *node = rank->op.node;

    for (uint32_t k = 0; k < node->rank.key_count; k++) {
        rank->vecs[k] = &chunk->columns[node->rank.keys[k]];
        vec_hash(rank->vecs[k], chunk, rank->hashes, k > 0);
    }
    return exec_table_find(rank->table, rank->vecs, chunk, rank->hashes, true, rank->entries, rank->is_new);
}

const uint8_t *exec_rank_load(struct exec_rank_op *rank, const struct vec_chunk *chunk)
{
    uint8_t *loaded;

    arena_reset(&rank->loading);
    loaded = need(arena_alloc_array(&rank->loading, chunk->selected_count, rank->row.row_bytes));
    for (uint32_t c = 0; c < rank->row.column_count; c++) {
        rank->vecs[c] = &chunk->columns[c];
    }
    exec_rows_load(&rank->row, rank->vecs, chunk, &rank->loading, loaded);
    return loaded;
}

struct exec_rank_row *exec_rank_keep(struct exec_rank_op *rank, const void *loaded)
{
    struct exec_rank_row *row = exec_heap_take(rank->heap, sizeof(*row) + rank->row.row_bytes);

    if (row == NULL) {
        return NULL;
    }
    *row = (struct exec_rank_row){0};
    memcpy(row + 1, loaded, rank->row.row_bytes);
    if (rank->row.text_count > 0 && !exec_row_keep(&rank->row, rank->heap, row + 1)) {
        exec_heap_give(rank->heap, row, sizeof(*row) + rank->row.row_bytes);
        return NULL;
    }
    return row;
}

void exec_rank_free(struct exec_rank_op *rank, struct exec_rank_row *row)
{
    exec_row_drop(&rank->row, rank->heap, row + 1);
    exec_heap_give(rank->heap, row, sizeof(*row) + rank->row.row_bytes);
}

struct exec_rank_row *exec_rank_take(struct exec_rank_op *rank, struct exec_reader *reader)
{
    const void *row;

    arena_reset(&rank->loading);
    row = exec_row_take(reader, &rank->row, &rank->loading);
    return row == NULL ? NULL : exec_rank_keep(rank, row);
}

bool exec_rank_send(struct exec_rank_op *rank)
{
    struct exec_rank_output *output = &rank->output;
    const struct exec_node  *node = rank->op.node;
    uint32_t                 input_count = rank->row.column_count;
    struct vec_chunk         chunk = {
                .row_count = output->count, .selected_count = output->count, .column_count = node->column_count};

    if (output->count > 0) {
        arena_reset(&output->arena);
        chunk.columns = need(arena_alloc_array(&output->arena, node->column_count, sizeof(*chunk.columns)));
        exec_rows_read(&rank->row, output->rows, output->count, 0, input_count, &output->arena, chunk.columns);
        if (node->rank.with_number) {
            chunk.columns[input_count] = vec_make(&output->arena, node->columns[input_count].type);
            memcpy(chunk.columns[input_count].data, output->numbers, output->count * sizeof(output->numbers[0]));
        }
        chunk.changes = node->changes == EXEC_APPEND_ONLY ? NULL : output->changes;
        output->count = 0;
        if (!exec__emit(&rank->op, &chunk)) {
            return false;
        }
    }
    while (output->leaving != NULL) {
        struct exec_rank_row *row = output->leaving;

        output->leaving = row->next;
        exec_rank_free(rank, row);
    }
    return true;
}

bool exec_rank_add(struct exec_rank_op *rank, const void *row, enum vec_change change, uint64_t number)
{
    struct exec_rank_output *output = &rank->output;
    /* An UPDATE_AFTER stands beside its UPDATE_BEFORE. */
    uint32_t reserve = change == VEC_UPDATE_BEFORE ? 1 : 0;

    if (output->count + reserve >= MAX(exec__rows_max(&rank->op), 2)) {
        if (!exec_rank_send(rank)) {
            return false;
        }
        exec__pause(&rank->op);
    }
    output->rows[output->count] = row;
    output->changes[output->count] = (uint8_t)change;
    output->numbers[output->count] = (int64_t)number;
    output->count++;
    return true;
}

/* --- the operator --------------------------------------------------------------------------------------------------
 */

static void choose_way(struct exec_rank_op *rank)
{
    const struct exec_node *node = rank->op.node;
    const struct exec_rank *spec = &node->rank;
    bool                    descending = spec->order_count > 0 && spec->orders[0].descending;
    bool                    final = node->changes == EXEC_APPEND_ONLY;

    rank->way = EXEC_RANK_BEST;
    if (spec->is_processing_time && (final || (spec->order_count > 0 && !descending))) {
        rank->way = EXEC_RANK_FIRST_COME;
    } else if (spec->is_deduplication && final) {
        rank->way = EXEC_RANK_FIRST_IN_TIME;
    }
    rank->newest_first = spec->is_processing_time;
    rank->newer_wins = spec->is_deduplication && descending;
}

static bool orders_fit(struct exec_rank_op *rank)
{
    const struct exec_node *node = rank->op.node;

    for (uint32_t i = 0; i < node->rank.order_count; i++) {
        const struct vec_field *field = &node->inputs[0]->columns[node->rank.orders[i].column];

        if (field->type.kind == VEC_ROW || field->type.kind == VEC_ARRAY || field->type.kind == VEC_NULL) {
            return exec__fail(&rank->op, "cannot order by column '%.*s': its values have no order",
                              (int)field->name.len, (const char *)field->name.base);
        }
    }
    return true;
}

static void make_layouts(struct exec_rank_op *rank)
{
    const struct exec_node *node = rank->op.node;
    const struct exec_node *input = node->inputs[0];
    uint32_t                columns_max = MAX(input->column_count, node->rank.key_count);
    struct vec_type        *types = need(arena_alloc_array(&rank->arena, MAX(columns_max, 1), sizeof(*types)));

    for (uint32_t k = 0; k < node->rank.key_count; k++) {
        types[k] = input->columns[node->rank.keys[k]].type;
    }
    rank->key = exec_layout_make(&rank->arena, types, node->rank.key_count);
    for (uint32_t c = 0; c < input->column_count; c++) {
        types[c] = input->columns[c].type;
    }
    rank->row = exec_layout_make(&rank->arena, types, input->column_count);
    rank->vecs = need(arena_alloc_array(&rank->arena, MAX(columns_max, 1), sizeof(*rank->vecs)));
}

static bool rank_open(struct exec_operator *op)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    CHECK(op->node->rank.first >= 1 && op->node->rank.last >= op->node->rank.first);
    CHECK(op->node->rank.last <= UINT32_MAX / 2);
    arena_init(&rank->arena, MEM_COMPUTE, ARENA_BLOCK_BYTES, SIZE_MAX);
    arena_init(&rank->loading, MEM_COMPUTE, SCRATCH_BLOCK_BYTES, SIZE_MAX);
    arena_init(&rank->output.arena, MEM_COMPUTE, SCRATCH_BLOCK_BYTES, SIZE_MAX);
    make_layouts(rank);
    rank->hashes = need(arena_alloc_array(&rank->arena, VEC_ROWS_MAX, sizeof(*rank->hashes)));
    rank->entries = need(arena_alloc_array(&rank->arena, VEC_ROWS_MAX, sizeof(*rank->entries)));
    rank->is_new = need(arena_alloc_array(&rank->arena, VEC_ROWS_MAX, sizeof(*rank->is_new)));
    rank->watermark_ms = EXEC_PROGRESS_NONE;
    choose_way(rank);
    rank->heap = exec_heap_create(op);
    if (rank->heap == NULL) {
        return false;
    }
    rank->table = exec_table_create(rank->heap, &rank->key,
                                    rank->way == EXEC_RANK_BEST ? exec_rank_best_bytes() : exec_rank_first_bytes());
    exec_timers_init(&rank->timers, rank->heap);
    if (rank->table != NULL && exec__keeps_changes(op)) {
        exec_table_track(rank->table);
    }
    return rank->table != NULL && orders_fit(rank);
}

static void rank_close(struct exec_operator *op)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    exec_heap_destroy(rank->heap);
    arena_deinit(&rank->output.arena);
    arena_deinit(&rank->loading);
    arena_deinit(&rank->arena);
}

static bool rank_push(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    (void)input;
    switch (rank->way) {
    case EXEC_RANK_FIRST_COME:
        return exec_rank_come_push(rank, chunk);
    case EXEC_RANK_FIRST_IN_TIME:
        return exec_rank_time_push(rank, chunk);
    case EXEC_RANK_BEST:
    default:
        return exec_rank_best_push(rank, chunk);
    }
}

static bool rank_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;
    int64_t              lowest_us;

    if (!exec__combine_watermark(op, input, watermark_us, &lowest_us)) {
        return true;
    }
    if (rank->way != EXEC_RANK_FIRST_IN_TIME) {
        return exec__emit_watermark(op, lowest_us);
    }
    rank->watermark_ms = exec_window_progress(lowest_us);
    rank->passing_on_us = lowest_us;
    return exec__fire(op);
}

static bool rank_fire(struct exec_operator *op)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;
    bool                 done;

    if (!exec_rank_time_fire(rank, &done)) {
        return false;
    }
    op->is_firing = !done;
    return !done || exec__emit_watermark(op, rank->passing_on_us);
}

static bool rank_flush(struct exec_operator *op)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    return rank->way != EXEC_RANK_BEST || exec_rank_best_flush(rank);
}

/* Going through all keys is only worth it now and then. */
static bool rank_time(struct exec_operator *op, int64_t now_ms)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;
    int64_t              ttl_ms = op->node->rank.state_ttl_ms;

    if (ttl_ms == 0 || now_ms - rank->swept_ms < ttl_ms) {
        return true;
    }
    rank->swept_ms = now_ms;
    if (rank->way == EXEC_RANK_BEST) {
        exec_rank_best_sweep(rank, now_ms);
    } else {
        exec_rank_first_sweep(rank, now_ms);
    }
    return true;
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

#define TABLE_KEYS 1

static void put_entry(struct exec_operator *op, const struct exec_table *table UNUSED, void *entry,
                      struct exec_bytes *bytes)
{
    const struct exec_rank_op *rank = (const struct exec_rank_op *)op;

    if (rank->way == EXEC_RANK_BEST) {
        exec_rank_best_put(rank, entry, bytes);
    } else {
        exec_rank_first_put(rank, entry, bytes);
    }
}

static bool rank_save(struct exec_operator *op, struct exec_save *save)
{
    return exec_save_table(save, TABLE_KEYS, view_text(""), ((struct exec_rank_op *)op)->table, put_entry);
}

static bool rank_load(struct exec_operator *op, uint32_t table, struct exec_reader *key, struct exec_reader *value)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;
    void                *entry;
    bool                 good;

    if (table != TABLE_KEYS) {
        return exec_load_damaged(op);
    }
    if (!exec_load_entry(op, rank->table, key, value != NULL, &entry, NULL)) {
        return false;
    }
    if (entry == NULL) {
        return true;
    }
    if (rank->way == EXEC_RANK_BEST) {
        exec_rank_best_clear(rank, entry);
    } else {
        exec_rank_first_clear(rank, entry);
    }
    if (value == NULL) {
        exec_table_remove(rank->table, entry);
        return true;
    }
    good = rank->way == EXEC_RANK_BEST ? exec_rank_best_take(rank, entry, value)
                                       : exec_rank_first_take(rank, entry, value);
    return (good && exec_reader_is_done(value)) || exec_load_damaged(op);
}

static bool rank_loaded(struct exec_operator *op)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    rank->watermark_ms = exec_window_progress(op->combined_us);
    return rank->way != EXEC_RANK_FIRST_IN_TIME || exec_rank_first_loaded(rank);
}

const struct exec_operator_class exec__rank_class = {
    .name = "Rank",
    .bytes = sizeof(struct exec_rank_op),
    .open = rank_open,
    .push = rank_push,
    .watermark = rank_watermark,
    .fire = rank_fire,
    .flush = rank_flush,
    .time = rank_time,
    .close = rank_close,
    .save = rank_save,
    .load = rank_load,
    .loaded = rank_loaded,
};
