/* Windows: arithmetic, and rows of results. */
#include "compute/exec/exec_window.h"

#include "compute/exec/exec_hold.h"
#include "core/base/check.h"

#define OUTPUT_BLOCK_BYTES (256 * KIB)

int64_t exec_window_us(int64_t time_ms)
{
    int64_t time_us;

    if (__builtin_mul_overflow(time_ms, 1000, &time_us)) {
        return time_ms < 0 ? INT64_MIN : INT64_MAX;
    }
    return time_us;
}

/* --- assigning -----------------------------------------------------------------------------------------------------
 */

uint64_t exec_window_count(const struct exec_window *window, int64_t time_ms)
{
    int64_t start;

    switch (window->kind) {
    case EXEC_TUMBLE:
        return 1;
    case EXEC_HOP:
        start = exec_window_floor(time_ms, window->offset_ms, window->slide_ms);
        if (start <= time_ms - window->size_ms) {
            return 0;
        }
        return (uint64_t)((start - (time_ms - window->size_ms) - 1) / window->slide_ms) + 1;
    case EXEC_CUMULATE:
        start = exec_window_floor(time_ms, window->offset_ms, window->size_ms);
        return (uint64_t)(window->size_ms / window->slide_ms - (time_ms - start) / window->slide_ms);
    case EXEC_SESSION:
    case EXEC_WINDOWED:
        break;
    }
    CHECK(false);
    return 0;
}

struct exec_window_span exec_window_at(const struct exec_window *window, int64_t time_ms, uint64_t index)
{
    int64_t start;
    int64_t end;

    if (window->kind == EXEC_CUMULATE) {
        start = exec_window_floor(time_ms, window->offset_ms, window->size_ms);
        end = exec_window_floor(time_ms, start, window->slide_ms) + window->slide_ms * ((int64_t)index + 1);
        return (struct exec_window_span){.start_ms = start, .end_ms = end};
    }
    start =
        exec_window_floor(time_ms, window->offset_ms, window->kind == EXEC_HOP ? window->slide_ms : window->size_ms);
    start -= (int64_t)index * window->slide_ms;
    return (struct exec_window_span){.start_ms = start, .end_ms = start + window->size_ms};
}

/* --- slices --------------------------------------------------------------------------------------------------------
 */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

int64_t exec_window_slice_ms(const struct exec_window *window)
{
    switch (window->kind) {
    case EXEC_HOP:
        return gcd(window->size_ms, window->slide_ms);
    case EXEC_CUMULATE:
        return window->slide_ms;
    case EXEC_TUMBLE:
    case EXEC_SESSION:
    case EXEC_WINDOWED:
        break;
    }
    return window->size_ms;
}

/* The first end that is congruent to `end_ms` and not before least_ms. */
static int64_t end_from(int64_t least_ms, int64_t end_ms, int64_t slide_ms)
{
    return exec_window_floor(least_ms - 1, end_ms, slide_ms) + slide_ms;
}

bool exec_window_next_of_slice(const struct exec_window *window, int64_t slice_start_ms, int64_t least_ms,
                               struct exec_window_span *out_span)
{
    int64_t least = MAX(least_ms, slice_start_ms + exec_window_slice_ms(window));
    int64_t start;

    switch (window->kind) {
    case EXEC_TUMBLE:
        *out_span = (struct exec_window_span){slice_start_ms, slice_start_ms + window->size_ms};
        return out_span->end_ms >= least;
    case EXEC_HOP:
        out_span->end_ms = end_from(least, window->offset_ms + window->size_ms, window->slide_ms);
        out_span->start_ms = out_span->end_ms - window->size_ms;
        return out_span->start_ms <= slice_start_ms;
    case EXEC_CUMULATE:
        start = exec_window_floor(slice_start_ms, window->offset_ms, window->size_ms);
        *out_span = (struct exec_window_span){start, end_from(least, start, window->slide_ms)};
        return out_span->end_ms <= start + window->size_ms;
    case EXEC_SESSION:
    case EXEC_WINDOWED:
        break;
    }
    CHECK(false);
    return false;
}

int64_t exec_window_last_end(const struct exec_window *window, int64_t slice_start_ms)
{
    int64_t aligned_ms = window->kind == EXEC_HOP ? window->slide_ms : window->size_ms;

    return exec_window_floor(slice_start_ms, window->offset_ms, aligned_ms) + window->size_ms;
}

/* --- times of rows -------------------------------------------------------------------------------------------------
 */

bool exec_window_times(const struct vec *column, const struct vec_chunk *chunk, int64_t *times_us, bool *nulls)
{
    struct vec_access access = vec_access_of(column);
    const int64_t    *values = access.data;
    bool              has_nulls = false;

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);

        nulls[i] = vec_access_null(&access, row);
        times_us[i] = nulls[i] ? 0 : values[vec_access_at(&access, row)];
        has_nulls |= nulls[i];
    }
    return has_nulls;
}

/* --- results -------------------------------------------------------------------------------------------------------
 */

void exec_window_output_init(struct exec_window_output *output, struct exec_operator *op,
                             const struct exec_aggregates *aggregates, const struct exec_layout *key)
{
    output->op = op;
    output->aggregates = aggregates;
    output->key = key;
    output->rows_max = exec__fire_rows_max(op);
    output->count = 0;
    arena_init(&output->arena, MEM_COMPUTE, OUTPUT_BLOCK_BYTES, SIZE_MAX);
}

void exec_window_output_deinit(struct exec_window_output *output)
{
    arena_deinit(&output->arena);
}

/* The three columns of the window: start, end, end - 1 ms. */
static void make_spans(struct exec_window_output *output, struct vec *columns)
{
    const struct exec_node *node = output->op->node;
    int64_t                *values[3];

    for (uint32_t i = 0; i < COUNT_OF(values); i++) {
        columns[i] = vec_make(&output->arena, node->columns[node->column_count - 3 + i].type);
        values[i] = columns[i].data;
    }
    for (uint32_t i = 0; i < output->count; i++) {
        values[0][i] = exec_window_us(output->spans[i].start_ms);
        values[1][i] = exec_window_us(output->spans[i].end_ms);
        values[2][i] = exec_window_us(output->spans[i].end_ms - 1);
    }
}

bool exec_window_output_send(struct exec_window_output *output)
{
    const struct exec_node *node = output->op->node;
    uint32_t                key_count = output->key->column_count;
    struct vec_chunk        chunk = {
               .row_count = output->count, .selected_count = output->count, .column_count = node->column_count};

    if (output->count == 0) {
        return true;
    }
    arena_reset(&output->arena);
    chunk.columns = arena_alloc_array(&output->arena, node->column_count, sizeof(*chunk.columns));
    CHECK(chunk.columns != NULL);
    exec_rows_read(output->key, output->keys, output->count, 0, key_count, &output->arena, chunk.columns);
    exec_aggregates_results(output->aggregates, output->states, output->count, &output->arena,
                            chunk.columns + key_count);
    make_spans(output, chunk.columns + node->column_count - 3);
    output->count = 0;
    return exec__emit(output->op, &chunk);
}
