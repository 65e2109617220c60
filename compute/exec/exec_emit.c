/* From an operator to its users: rows, watermarks, the end. */
#include "compute/exec/exec_hold.h"
#include "core/base/prng.h"

#define VERIFY_BLOCK (256 * (size_t)KIB)

/* --- rows ------------------------------------------------------------------------------------------------------------
 */

static bool deliver(struct exec_operator *op, const struct vec_chunk *chunk)
{
    for (uint32_t i = 0; i < op->user_count; i++) {
        struct exec_operator *user = op->users[i].op;

        exec__count(&user->stats.rows_in, chunk->selected_count);
        if (!(UNLIKELY(user->is_holding) ? exec__hold_chunk(user, op->users[i].input, chunk)
                                         : user->class->push(user, op->users[i].input, chunk))) {
            return false;
        }
    }
    return true;
}

/* An UPDATE_BEFORE at the end would be parted from the row that replaces it: users see pairs whole. */
static uint32_t cut_length(const struct vec_chunk *chunk, uint32_t begin, uint32_t rows_max)
{
    uint32_t len = MIN(rows_max, chunk->selected_count - begin);

    if (begin + len < chunk->selected_count &&
        vec_chunk_change(chunk, vec_chunk_row(chunk, begin + len - 1)) == VEC_UPDATE_BEFORE) {
        len += len == 1 ? 1 : (uint32_t)-1;
    }
    return len;
}

static bool deliver_cut(struct exec_operator *op, const struct vec_chunk *chunk)
{
    uint32_t        rows_max = exec__rows_max(op);
    const uint16_t *selection = chunk->selection == NULL ? op->worker->identity : chunk->selection;
    uint32_t        len;

    if (chunk->selected_count <= rows_max) {
        return deliver(op, chunk);
    }
    for (uint32_t begin = 0; begin < chunk->selected_count; begin += len) {
        struct vec_chunk part = *chunk;

        len = cut_length(chunk, begin, rows_max);
        part.selection = selection + begin;
        part.selected_count = len;
        if (!deliver(op, &part)) {
            return false;
        }
    }
    return true;
}

/* The same rows in other shapes, some of them behind a selection that leaves out copies of others. */
static bool deliver_reshaped(struct exec_operator *op, const struct vec_chunk *chunk)
{
    struct exec_worker *worker = op->worker;
    struct arena        arena;
    struct vec_chunk    shaped;
    struct prng         prng;
    bool                good;

    prng_init(&prng, worker->job->options.verify_seed + worker->verify_count++ * 64 + worker->index);
    arena_init(&arena, MEM_COMPUTE, VERIFY_BLOCK, SIZE_MAX);
    shaped = vec_chunk_copy(&arena, chunk);
    if (shaped.row_count <= VEC_ROWS_MAX / 2 && prng_chance(&prng, 1, 2)) {
        uint16_t *rows = arena_alloc_array(&arena, VEC_ROWS_MAX, sizeof(*rows));
        uint16_t *selection = arena_alloc_array(&arena, VEC_ROWS_MAX, sizeof(*selection));
        uint8_t  *changes = arena_alloc_array(&arena, VEC_ROWS_MAX, sizeof(*changes));

        CHECK(rows != NULL && selection != NULL && changes != NULL);
        for (uint32_t i = 0; i < shaped.row_count; i++) {
            rows[2 * i] = rows[2 * i + 1] = (uint16_t)i;
            selection[i] = (uint16_t)(2 * i + prng_below(&prng, 2));
            changes[2 * i] = changes[2 * i + 1] = (uint8_t)vec_chunk_change(&shaped, i);
        }
        for (uint32_t i = 0; i < shaped.column_count; i++) {
            shaped.columns[i] = vec_pick(&arena, &shaped.columns[i], rows, 2 * (size_t)shaped.row_count);
        }
        shaped.changes = shaped.changes == NULL ? NULL : changes;
        shaped.selection = selection;
        shaped.row_count *= 2;
    }
    for (uint32_t i = 0; i < shaped.column_count; i++) {
        shaped.columns[i] = vec_verify_reshape(&arena, &shaped.columns[i], shaped.row_count, prng_next(&prng));
    }
    good = deliver_cut(op, &shaped);
    arena_deinit(&arena);
    return good;
}

bool exec__emit(struct exec_operator *op, const struct vec_chunk *chunk)
{
    CHECK(chunk->row_count <= VEC_ROWS_MAX);
    if (exec__job_failed(op->worker->job)) {
        return false;
    }
    if (chunk->selected_count == 0) {
        return true;
    }
    exec__count(&op->stats.rows_out, chunk->selected_count);
    if (UNLIKELY(op->worker->job->options.verify_seed != 0)) {
        return deliver_reshaped(op, chunk);
    }
    return deliver_cut(op, chunk);
}

/* --- watermarks ------------------------------------------------------------------------------------------------------
 */

bool exec__combine_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us, int64_t *out_us)
{
    int64_t *slot = &op->input_watermarks[input];
    int64_t  lowest = INT64_MAX;
    bool     any = false;

    CHECK(input < op->watermark_inputs);
    /* One that wakes up behind the others is not waited for: it counts again when it has caught up. */
    if (watermark_us == EXEC_WATERMARK_IDLE || (*slot == EXEC_WATERMARK_IDLE && watermark_us >= op->combined_us) ||
        (*slot != EXEC_WATERMARK_IDLE && watermark_us > *slot)) {
        *slot = watermark_us;
    }
    for (uint32_t i = 0; i < op->watermark_inputs; i++) {
        if (op->input_watermarks[i] != EXEC_WATERMARK_IDLE) {
            lowest = MIN(lowest, op->input_watermarks[i]);
            any = true;
        }
    }
    if (!any || lowest <= op->combined_us) {
        return false;
    }
    op->combined_us = lowest;
    *out_us = lowest;
    return true;
}

static bool all_idle(const struct exec_operator *op)
{
    for (uint32_t i = 0; i < op->watermark_inputs; i++) {
        if (op->input_watermarks[i] != EXEC_WATERMARK_IDLE) {
            return false;
        }
    }
    return true;
}

/* One input: the class need not know what idle means. */
static bool deliver_idle(struct exec_operator *op, uint32_t input)
{
    int64_t combined_us;

    if (op->watermark_inputs == 1) {
        return exec__emit_idle(op);
    }
    if (op->class->watermark != NULL) {
        if (!op->class->watermark(op, input, EXEC_WATERMARK_IDLE)) {
            return false;
        }
    } else if (exec__combine_watermark(op, input, EXEC_WATERMARK_IDLE, &combined_us) &&
               !exec__emit_watermark(op, combined_us)) {
        return false;
    }
    return !all_idle(op) || exec__emit_idle(op);
}

bool exec__deliver_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us)
{
    int64_t combined_us;

    if (UNLIKELY(op->is_holding)) {
        return exec__hold_watermark(op, input, watermark_us);
    }
    if (watermark_us == EXEC_WATERMARK_IDLE) {
        return deliver_idle(op, input);
    }
    if (op->class->watermark != NULL) {
        return op->class->watermark(op, input, watermark_us);
    }
    return !exec__combine_watermark(op, input, watermark_us, &combined_us) || exec__emit_watermark(op, combined_us);
}

static bool tell_users(struct exec_operator *op, int64_t watermark_us)
{
    for (uint32_t i = 0; i < op->user_count; i++) {
        if (!exec__deliver_watermark(op->users[i].op, op->users[i].input, watermark_us)) {
            return false;
        }
    }
    return true;
}

bool exec__emit_watermark(struct exec_operator *op, int64_t watermark_us)
{
    if (exec__job_failed(op->worker->job)) {
        return false;
    }
    /* One that is no news ends idleness all the same. */
    if (watermark_us <= op->watermark_us && !op->is_idle) {
        return true;
    }
    op->is_idle = false;
    watermark_us = MAX(watermark_us, op->watermark_us);
    op->watermark_us = watermark_us;
    __atomic_store_n(&op->stats.watermark_us, watermark_us, __ATOMIC_RELAXED);
    return tell_users(op, watermark_us);
}

bool exec__emit_idle(struct exec_operator *op)
{
    if (op->is_idle || op->watermark_us == EXEC_WATERMARK_END) {
        return true;
    }
    op->is_idle = true;
    return tell_users(op, EXEC_WATERMARK_IDLE);
}

/* --- the end ---------------------------------------------------------------------------------------------------------
 */

bool exec__deliver_finish(struct exec_operator *op)
{
    if (UNLIKELY(op->is_holding)) {
        return exec__hold_finish(op);
    }
    if (!exec__flush(op, UINT32_MAX)) {
        return false;
    }
    if (op->class->finish != NULL && !op->class->finish(op)) {
        return false;
    }
    return op->class->finishes_later || exec__finish_users(op);
}

bool exec__finish_users(struct exec_operator *op)
{
    if (exec__job_failed(op->worker->job)) {
        return false;
    }
    op->worker->finished_count++;
    for (uint32_t i = 0; i < op->user_count; i++) {
        struct exec_operator *user = op->users[i].op;

        CHECK(user->inputs_open > 0);
        user->inputs_open--;
        if (user->inputs_open == 0 && !exec__deliver_finish(user)) {
            return false;
        }
    }
    return true;
}
