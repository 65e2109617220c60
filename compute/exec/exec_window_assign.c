/* WINDOW_ASSIGN: the window table functions TUMBLE, HOP and CUMULATE: rows with the windows they are in.
 *
 * Each row goes out at once, once per window; nothing is kept and nothing is late here. A row without a time is left
 * out, as in Flink (AlignedWindowTableFunctionOperator). */
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

#define SCRATCH_BLOCK_BYTES (256 * KIB)

struct assign_op {
    struct exec_operator op;
    struct arena         scratch; /* of one emission */
    int64_t              times_us[VEC_ROWS_MAX];
    bool                 nulls[VEC_ROWS_MAX];
    /* The rows to be sent. */
    uint32_t                count;
    uint16_t                rows[VEC_ROWS_MAX];
    struct exec_window_span spans[VEC_ROWS_MAX];
};

static bool assign_open(struct exec_operator *op)
{
    struct assign_op         *assign = (struct assign_op *)op;
    const struct exec_window *window = &op->node->window;

    arena_init(&assign->scratch, MEM_COMPUTE, SCRATCH_BLOCK_BYTES, SIZE_MAX);
    CHECK(window->kind == EXEC_TUMBLE || window->kind == EXEC_HOP || window->kind == EXEC_CUMULATE);
    CHECK(window->size_ms > 0 && (window->kind == EXEC_TUMBLE || window->slide_ms > 0));
    return true;
}

static void assign_close(struct exec_operator *op)
{
    arena_deinit(&((struct assign_op *)op)->scratch);
}

/* rows[i] of the chunk in the window spans[i]. */
static bool send(struct assign_op *assign, const struct vec_chunk *chunk)
{
    const struct exec_node *node = assign->op.node;
    uint32_t                input_count = node->column_count - 3;
    struct vec_chunk        out = {
               .row_count = assign->count, .selected_count = assign->count, .column_count = node->column_count};
    int64_t *times[3];

    if (assign->count == 0) {
        return true;
    }
    arena_reset(&assign->scratch);
    out.columns = arena_alloc_array(&assign->scratch, node->column_count, sizeof(*out.columns));
    CHECK(out.columns != NULL && chunk->column_count == input_count);
    for (uint32_t i = 0; i < input_count; i++) {
        out.columns[i] = vec_pick(&assign->scratch, &chunk->columns[i], assign->rows, assign->count);
    }
    for (uint32_t i = 0; i < COUNT_OF(times); i++) {
        out.columns[input_count + i] = vec_make(&assign->scratch, node->columns[input_count + i].type);
        times[i] = out.columns[input_count + i].data;
    }
    for (uint32_t i = 0; i < assign->count; i++) {
        times[0][i] = exec_window_us(assign->spans[i].start_ms);
        times[1][i] = exec_window_us(assign->spans[i].end_ms);
        times[2][i] = exec_window_us(assign->spans[i].end_ms - 1);
    }
    if (chunk->changes != NULL) {
        uint8_t *changes = arena_alloc(&assign->scratch, assign->count);

        CHECK(changes != NULL);
        for (uint32_t i = 0; i < assign->count; i++) {
            changes[i] = chunk->changes[assign->rows[i]];
        }
        out.changes = changes;
    }
    assign->count = 0;
    return exec__emit(&assign->op, &out);
}

/* One window per row, as TUMBLE has: the columns stay as they are, the window's stand beside them. */
static bool push_tumble(struct assign_op *assign, const struct vec_chunk *chunk, int64_t now_ms)
{
    const struct exec_node   *node = assign->op.node;
    const struct exec_window *window = &node->window;
    struct vec_chunk          out = *chunk;
    int64_t                  *times[3];
    uint32_t                  count = 0;

    arena_reset(&assign->scratch);
    out.column_count = node->column_count;
    out.columns = arena_alloc_array(&assign->scratch, node->column_count, sizeof(*out.columns));
    CHECK(out.columns != NULL && chunk->column_count + 3 == node->column_count);
    memcpy(out.columns, chunk->columns, chunk->column_count * sizeof(*out.columns));
    for (uint32_t i = 0; i < COUNT_OF(times); i++) {
        uint32_t column = chunk->column_count + i;

        out.columns[column] = vec_make(&assign->scratch, node->columns[column].type);
        times[i] = out.columns[column].data;
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t  row = vec_chunk_row(chunk, i);
        int64_t time_ms = window->is_processing_time ? now_ms : exec_floor_div(assign->times_us[i], 1000);
        struct exec_window_span span = exec_window_at(window, time_ms, 0);

        times[0][row] = exec_window_us(span.start_ms);
        times[1][row] = exec_window_us(span.end_ms);
        times[2][row] = exec_window_us(span.end_ms - 1);
        if (window->is_processing_time || !assign->nulls[i]) {
            assign->rows[count++] = (uint16_t)row;
        }
    }
    if (count < chunk->selected_count) {
        out.selection = assign->rows;
        out.selected_count = count;
    }
    return exec__emit(&assign->op, &out);
}

static bool add_windows(struct assign_op *assign, const struct vec_chunk *chunk, size_t row, int64_t time_ms)
{
    const struct exec_window *window = &assign->op.node->window;
    uint64_t                  count = exec_window_count(window, time_ms);

    for (uint64_t i = 0; i < count; i++) {
        if (assign->count == exec__rows_max(&assign->op)) {
            if (!send(assign, chunk)) {
                return false;
            }
            exec__pause(&assign->op);
        }
        assign->rows[assign->count] = (uint16_t)row;
        assign->spans[assign->count] = exec_window_at(window, time_ms, i);
        assign->count++;
    }
    return true;
}

static bool assign_push(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct assign_op         *assign = (struct assign_op *)op;
    const struct exec_window *window = &op->node->window;
    int64_t                   now_ms = exec__now_ms(op);

    (void)input;
    if (!window->is_processing_time) {
        (void)exec_window_times(&chunk->columns[window->time_column], chunk, assign->times_us, assign->nulls);
    }
    if (window->kind == EXEC_TUMBLE) {
        return push_tumble(assign, chunk, now_ms);
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        int64_t time_ms = window->is_processing_time ? now_ms : exec_floor_div(assign->times_us[i], 1000);

        if (!window->is_processing_time && assign->nulls[i]) {
            continue;
        }
        if (!add_windows(assign, chunk, vec_chunk_row(chunk, i), time_ms)) {
            return false;
        }
    }
    return send(assign, chunk);
}

const struct exec_operator_class exec__window_assign_class = {
    .name = "WindowTableFunction",
    .bytes = sizeof(struct assign_op),
    .open = assign_open,
    .push = assign_push,
    .close = assign_close,
};
