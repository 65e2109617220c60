/* WATERMARK: time passes with the rows.
 *
 * The watermark of a partition is the highest value of the expression over its rows so far, in ms; the worker's is the
 * lowest over its open partitions that are not idle, and a partition that has not spoken yet holds it back. Flink, told
 * to emit on each event, would send a watermark after each row that raises it. To whom that makes no difference is a
 * row that is ahead of the watermark: it is late for nothing. So a chunk passes in one piece, with the last watermark
 * behind it, as long as all its rows are ahead; before a row that is behind, what came before it and the watermark then
 * in force go first. Input in order is never cut when the expression leaves a delay.
 *
 * A session that ends exactly where a row begins would take the row in, but Flink has closed it when the watermark is
 * at that end: with sessions in the plan a row one ms ahead counts as behind. */
#include "compute/exec/exec_state.h"
#include "compute/exec/exec_worker.h"

#define PARTITION_NONE UINT32_MAX

struct partition {
    uint32_t number;
    bool     open, idle;
    int64_t  highest_ms; /* EXEC_WATERMARK_NONE: has not spoken */
    int64_t  active_ms;  /* by the clock, when it last had rows */
};

struct watermark {
    struct exec_operator op;
    struct expr_program *program;
    struct partition    *partitions;
    uint32_t             count, capacity;
    int64_t              slack_ms;
    int64_t             *row_ms; /* the row's time, by place in the selection */
    int64_t             *mark_ms;
};

/* Below a session nothing else needs the slack, but it does no harm. */
static bool has_sessions(const struct exec_plan *plan)
{
    for (uint32_t i = 0; i < plan->node_count; i++) {
        if (plan->nodes[i]->kind == EXEC_WINDOW_GROUP && plan->nodes[i]->window_group.window.kind == EXEC_SESSION) {
            return true;
        }
    }
    return false;
}

static bool open(struct exec_operator *op)
{
    struct watermark *watermark = CONTAINER_OF(op, struct watermark, op);
    struct expr      *expr = (struct expr *)(uintptr_t)op->node->watermark.expr;

    watermark->program = expr_program_create(&expr, 1);
    watermark->row_ms = exec__alloc(op, VEC_ROWS_MAX * sizeof(int64_t));
    watermark->mark_ms = exec__alloc(op, VEC_ROWS_MAX * sizeof(int64_t));
    watermark->slack_ms = has_sessions(op->worker->job->plan) ? 1 : 0;
    return true;
}

static void close(struct exec_operator *op)
{
    struct watermark *watermark = CONTAINER_OF(op, struct watermark, op);

    expr_program_destroy(watermark->program);
    mem_free(MEM_COMPUTE, watermark->partitions);
}

/* --- partitions ------------------------------------------------------------------------------------------------------
 */

static struct partition *find_partition(struct watermark *watermark, uint32_t number)
{
    for (uint32_t i = 0; i < watermark->count; i++) {
        if (watermark->partitions[i].number == number) {
            return &watermark->partitions[i];
        }
    }
    return NULL;
}

void exec__watermark_open(struct exec_operator *op, uint32_t partition)
{
    struct watermark *watermark = CONTAINER_OF(op, struct watermark, op);
    struct partition *known = find_partition(watermark, partition);

    if (known != NULL) {
        known->open = true;
        known->active_ms = exec__now_ms(op);
        return;
    }
    if (watermark->count == watermark->capacity) {
        watermark->capacity = MAX(8, watermark->capacity * 2);
        watermark->partitions =
            mem_realloc(MEM_COMPUTE, watermark->partitions, watermark->capacity * sizeof(*watermark->partitions));
    }
    watermark->partitions[watermark->count++] = (struct partition){
        .number = partition,
        .open = true,
        .highest_ms = EXEC_WATERMARK_NONE,
        .active_ms = exec__now_ms(op),
    };
}

/* The lowest of the partitions that count, without one of them; INT64_MAX when none is left. */
static int64_t lowest_ms(const struct watermark *watermark, const struct partition *without)
{
    int64_t lowest = INT64_MAX;

    for (uint32_t i = 0; i < watermark->count; i++) {
        const struct partition *partition = &watermark->partitions[i];

        if (partition != without && partition->open && !partition->idle) {
            lowest = MIN(lowest, partition->highest_ms);
        }
    }
    return lowest;
}

static bool emit_ms(struct exec_operator *op, int64_t watermark_ms)
{
    if (watermark_ms == INT64_MAX || watermark_ms == EXEC_WATERMARK_NONE) {
        return true; /* nobody left to ask: the end comes from below */
    }
    return exec__emit_watermark(op, watermark_ms * 1000);
}

bool exec__watermark_end(struct exec_operator *op, uint32_t number)
{
    struct watermark *watermark = CONTAINER_OF(op, struct watermark, op);
    struct partition *partition = find_partition(watermark, number);

    CHECK(partition != NULL);
    partition->open = false;
    return emit_ms(op, lowest_ms(watermark, NULL));
}

/* --- rows ------------------------------------------------------------------------------------------------------------
 */

static int64_t floor_div(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* Times of the selected rows in ms, by place in the selection; `null_ms` for null. */
static void read_ms(const struct vec *vec, const struct vec_chunk *chunk, int64_t null_ms, int64_t *out_ms)
{
    struct vec_access access = vec_access_of(vec);
    bool              is_wide = vec_type_layout(vec->type) == VEC_LAYOUT_INT128;

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);
        size_t at = vec_access_at(&access, row);

        if (access.validity != NULL && !vec_bit_get(access.validity, at)) {
            out_ms[i] = null_ms;
        } else if (is_wide) {
            vec_int128 ns = ((const vec_int128 *)access.data)[at];

            out_ms[i] = (int64_t)(ns / NS_PER_MS) - (ns % NS_PER_MS < 0);
        } else {
            out_ms[i] = floor_div(((const int64_t *)access.data)[at], 1000);
        }
    }
}

static bool emit_run(struct exec_operator *op, const struct vec_chunk *chunk, uint32_t begin, uint32_t end)
{
    struct vec_chunk part = *chunk;

    if (begin == 0 && end == chunk->selected_count) {
        return exec__emit(op, chunk);
    }
    part.selection = (chunk->selection == NULL ? exec__identity(op) : chunk->selection) + begin;
    part.selected_count = end - begin;
    return exec__emit(op, &part);
}

/* Emits the rows with watermarks between them. other_ms: the lowest of the other partitions. */
static bool emit_rows(struct watermark *watermark, struct partition *partition, const struct vec_chunk *chunk,
                      int64_t other_ms)
{
    struct exec_operator *op = &watermark->op;
    uint32_t              begin = 0;
    int64_t               highest_ms = partition->highest_ms;
    int64_t               sent_ms = MIN(highest_ms, other_ms); /* in force and known above */

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        int64_t now_ms = MIN(highest_ms, other_ms);

        if (UNLIKELY(now_ms > sent_ms && watermark->row_ms[i] <= now_ms + watermark->slack_ms)) {
            if (!emit_run(op, chunk, begin, i) || !emit_ms(op, now_ms)) {
                return false;
            }
            sent_ms = now_ms;
            begin = i;
        }
        highest_ms = MAX(highest_ms, watermark->mark_ms[i]);
    }
    partition->highest_ms = highest_ms;
    return emit_run(op, chunk, begin, chunk->selected_count) && emit_ms(op, MIN(highest_ms, other_ms));
}

/* The partition whose chunk this is; input that does not come from a scan is one partition. */
static struct partition *current_partition(struct watermark *watermark)
{
    const struct exec_opening *pushing = watermark->op.worker->pushing;
    struct partition          *partition = NULL;

    if (pushing != NULL) {
        partition = find_partition(watermark, pushing->partition);
    }
    if (partition == NULL) {
        partition = find_partition(watermark, PARTITION_NONE);
        if (partition == NULL || !partition->open) {
            exec__watermark_open(&watermark->op, PARTITION_NONE);
            partition = find_partition(watermark, PARTITION_NONE);
        }
    }
    return partition;
}

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    struct watermark *watermark = CONTAINER_OF(op, struct watermark, op);
    struct partition *partition = current_partition(watermark);
    struct vec        marks;

    partition->active_ms = exec__now_ms(op);
    partition->idle = false;
    expr_program_set_now_ms(watermark->program, exec__now_ms(op));
    if (!expr_program_run(watermark->program, chunk, &marks)) {
        return exec__fail_expr(op, watermark->program);
    }
    read_ms(&marks, chunk, EXEC_WATERMARK_NONE, watermark->mark_ms);
    read_ms(&chunk->columns[op->node->watermark.time_column], chunk, INT64_MAX - 1, watermark->row_ms);
    return emit_rows(watermark, partition, chunk, lowest_ms(watermark, partition));
}

/* --- from outside ----------------------------------------------------------------------------------------------------
 */

/* Those from below are not asked for, but for the last. */
static bool from_below(struct exec_operator *op, uint32_t input UNUSED, int64_t watermark_us)
{
    return watermark_us != EXEC_WATERMARK_END || exec__emit_watermark(op, watermark_us);
}

static bool time_passed(struct exec_operator *op, int64_t now_ms)
{
    struct watermark *watermark = CONTAINER_OF(op, struct watermark, op);
    int64_t           timeout_ms = op->node->watermark.idle_timeout_ms;
    bool              any_active = false;
    bool              any_newly_idle = false;

    for (uint32_t i = 0; i < watermark->count && timeout_ms > 0; i++) {
        struct partition *partition = &watermark->partitions[i];

        if (partition->open && !partition->idle && now_ms - partition->active_ms >= timeout_ms) {
            partition->idle = true;
            any_newly_idle = true;
        }
        any_active = any_active || (partition->open && !partition->idle);
    }
    if (!any_newly_idle) {
        return true;
    }
    return any_active ? emit_ms(op, lowest_ms(watermark, NULL)) : exec__emit_idle(op);
}

/* --- state -----------------------------------------------------------------------------------------------------------
 */

/* Idleness is kept, the time that it took is not: it begins again. */
static void save_scalars(struct exec_operator *op, struct exec_bytes *bytes)
{
    const struct watermark *watermark = CONTAINER_OF(op, struct watermark, op);

    exec_bytes_put_u32(bytes, watermark->count);
    for (uint32_t i = 0; i < watermark->count; i++) {
        exec_bytes_put_u32(bytes, watermark->partitions[i].number);
        exec_bytes_put_u8(bytes, watermark->partitions[i].idle);
        exec_bytes_put_i64(bytes, watermark->partitions[i].highest_ms);
    }
}

/* A partition counts when it is opened. */
static bool load_scalars(struct exec_operator *op, struct exec_reader *reader)
{
    struct watermark *watermark = CONTAINER_OF(op, struct watermark, op);
    uint32_t          count = exec_reader_u32(reader);

    for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
        uint32_t          number = exec_reader_u32(reader);
        struct partition *partition = find_partition(watermark, number);

        if (partition == NULL) {
            exec__watermark_open(op, number);
            partition = find_partition(watermark, number);
            partition->open = false;
        }
        partition->idle = exec_reader_u8(reader) != 0;
        partition->highest_ms = exec_reader_i64(reader);
    }
    return true;
}

const struct exec_operator_class exec__watermark_class = {
    .name = "watermark",
    .bytes = sizeof(struct watermark),
    .open = open,
    .push = push,
    .watermark = from_below,
    .time = time_passed,
    .close = close,
    .save_scalars = save_scalars,
    .load_scalars = load_scalars,
};
