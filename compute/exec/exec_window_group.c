/* WINDOW_GROUP: keyed aggregation by window. This file is the operator's frame: reading keys and times, progress of
 * time; exec_slices.c and exec_session.c hold the state and fire.
 *
 * Results go out before the watermark that fired them, so they are in time for whoever groups them by the same window
 * again. In processing time there is no final watermark: windows still open at the end are not emitted, as in Flink. */
#include "compute/exec/exec_hold.h"
#include "compute/exec/exec_state.h"
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

#define ARENA_BLOCK_BYTES (32 * KIB)

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

static void make_key(struct exec_window_group_op *group)
{
    const struct exec_node         *node = group->op.node;
    const struct exec_window_group *spec = &node->window_group;
    struct vec_type *types = need(arena_alloc_array(&group->arena, MAX(spec->key_count, 1), sizeof(*types)));

    for (uint32_t i = 0; i < spec->key_count; i++) {
        types[i] = node->columns[i].type;
    }
    group->key = exec_layout_make(&group->arena, types, spec->key_count);
}

static bool group_open(struct exec_operator *op)
{
    struct exec_window_group_op    *group = (struct exec_window_group_op *)op;
    const struct exec_window_group *spec = &op->node->window_group;
    struct arena                   *arena = &group->arena;

    CHECK(op->node->column_count == spec->key_count + spec->aggregate_count + 3);
    arena_init(arena, MEM_COMPUTE, ARENA_BLOCK_BYTES, SIZE_MAX);
    make_key(group);
    group->aggregates =
        need(exec_aggregates_make(arena, spec->aggregates, spec->aggregate_count, op->node->inputs[0]->columns));
    exec_window_output_init(&group->output, op, group->aggregates, &group->key);
    group->key_vecs = need(arena_alloc_array(arena, MAX(spec->key_count, 1), sizeof(*group->key_vecs)));
    group->hashes = need(arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(*group->hashes)));
    group->times_us = need(arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(*group->times_us)));
    group->nulls = need(arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(*group->nulls)));
    group->progress_ms = EXEC_PROGRESS_NONE;
    if (spec->window.kind == EXEC_SESSION) {
        group->sessions = exec_sessions_create(group);
        return group->sessions != NULL;
    }
    group->slices = exec_slices_create(group);
    return group->slices != NULL;
}

static void group_close(struct exec_operator *op)
{
    struct exec_window_group_op *group = (struct exec_window_group_op *)op;

    exec_slices_destroy(group->slices);
    exec_sessions_destroy(group->sessions);
    exec_window_output_deinit(&group->output);
    arena_deinit(&group->arena);
}

static bool read_times(struct exec_window_group_op *group, const struct vec_chunk *chunk)
{
    const struct exec_window *window = &group->op.node->window_group.window;
    uint32_t                  column = window->kind == EXEC_WINDOWED ? window->end_column : window->time_column;

    if (window->kind != EXEC_WINDOWED && window->is_processing_time) {
        int64_t now_us = exec_window_us(exec__now_ms(&group->op));

        for (uint32_t i = 0; i < chunk->selected_count; i++) {
            group->times_us[i] = now_us;
        }
        return true;
    }
    if (exec_window_times(&chunk->columns[column], chunk, group->times_us, group->nulls)) {
        uint32_t i = 0;

        while (!group->nulls[i]) {
            i++;
        }
        return exec__fail_row(&group->op, vec_chunk_row(chunk, i),
                              "RowTime field should not be null, please convert it to a non-null long value: column "
                              "'%.*s' is null",
                              (int)group->op.node->inputs[0]->columns[column].name.len,
                              (const char *)group->op.node->inputs[0]->columns[column].name.base);
    }
    return true;
}

bool exec_window_group_read(struct exec_window_group_op *group, const struct vec_chunk *chunk)
{
    const struct exec_window_group *spec = &group->op.node->window_group;

    for (uint32_t i = 0; i < spec->key_count; i++) {
        group->key_vecs[i] = &chunk->columns[spec->keys[i]];
        vec_hash(group->key_vecs[i], chunk, group->hashes, i > 0);
    }
    return read_times(group, chunk);
}

static bool group_push(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct exec_window_group_op *group = (struct exec_window_group_op *)op;

    (void)input;
    if (chunk->selected_count == 0) {
        return true;
    }
    if (!exec_window_group_read(group, chunk)) {
        return false;
    }
    return group->sessions != NULL ? exec_sessions_push(group->sessions, chunk)
                                   : exec_slices_push(group->slices, chunk);
}

static bool group_fire(struct exec_operator *op)
{
    struct exec_window_group_op *group = (struct exec_window_group_op *)op;
    bool                         done = false;
    bool fine = group->sessions != NULL ? exec_sessions_advance(group->sessions, group->target_ms, &done)
                                        : exec_slices_advance(group->slices, group->target_ms, &done);

    op->is_firing = !done;
    if (!fine || !done) {
        return fine;
    }
    group->progress_ms = group->target_ms;
    return group->passing_on_us == EXEC_WATERMARK_NONE || exec__emit_watermark(op, group->passing_on_us);
}

/* Fires what has ended, then the watermark goes on. */
static bool advance(struct exec_window_group_op *group, int64_t progress_ms, int64_t watermark_us)
{
    if (progress_ms <= group->progress_ms) {
        return watermark_us == EXEC_WATERMARK_NONE || exec__emit_watermark(&group->op, watermark_us);
    }
    group->target_ms = progress_ms;
    group->passing_on_us = watermark_us;
    return exec__fire(&group->op);
}

static bool is_processing_time(const struct exec_window_group_op *group)
{
    const struct exec_window *window = &group->op.node->window_group.window;

    return window->is_processing_time && window->kind != EXEC_WINDOWED;
}

static bool group_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us)
{
    struct exec_window_group_op *group = (struct exec_window_group_op *)op;
    int64_t                      lowest_us;

    if (!exec__combine_watermark(op, input, watermark_us, &lowest_us)) {
        return true;
    }
    return is_processing_time(group) ? exec__emit_watermark(op, lowest_us)
                                     : advance(group, exec_window_progress(lowest_us), lowest_us);
}

static bool group_time(struct exec_operator *op, int64_t now_ms)
{
    struct exec_window_group_op *group = (struct exec_window_group_op *)op;

    return !is_processing_time(group) || advance(group, now_ms - 1, EXEC_WATERMARK_NONE);
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

static void group_save_scalars(struct exec_operator *op, struct exec_bytes *bytes)
{
    const struct exec_window_group_op *group = (const struct exec_window_group_op *)op;

    exec_bytes_put_i64(bytes, exec_window_lasting(group->progress_ms));
}

static bool group_load_scalars(struct exec_operator *op, struct exec_reader *reader)
{
    ((struct exec_window_group_op *)op)->progress_ms = exec_reader_i64(reader);
    return true;
}

static bool group_save(struct exec_operator *op, struct exec_save *save)
{
    struct exec_window_group_op *group = (struct exec_window_group_op *)op;

    return group->sessions != NULL ? exec_sessions_save(group->sessions, save) : exec_slices_save(group->slices, save);
}

static bool group_load(struct exec_operator *op, uint32_t table, struct exec_reader *key, struct exec_reader *value)
{
    struct exec_window_group_op *group = (struct exec_window_group_op *)op;

    return group->sessions != NULL ? exec_sessions_load(group->sessions, table, key, value)
                                   : exec_slices_load(group->slices, table, key, value);
}

static bool group_loaded(struct exec_operator *op)
{
    struct exec_window_group_op *group = (struct exec_window_group_op *)op;

    return group->sessions != NULL ? exec_sessions_loaded(group->sessions) : exec_slices_loaded(group->slices);
}

const struct exec_operator_class exec__window_group_class = {
    .name = "WindowAggregate",
    .bytes = sizeof(struct exec_window_group_op),
    .open = group_open,
    .push = group_push,
    .watermark = group_watermark,
    .time = group_time,
    .fire = group_fire,
    .close = group_close,
    .save_scalars = group_save_scalars,
    .load_scalars = group_load_scalars,
    .save = group_save,
    .load = group_load,
    .loaded = group_loaded,
};
