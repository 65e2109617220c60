/* WINDOW_JOIN: inner, of rows of the same window, when it closes.
 *
 * The window's start and end are among the key's columns, so one multimap holds all windows; each window has the list
 * of its keys. When a window fires, its keys are gone through in the order in which they came, left rows times right
 * rows, and everything of the window is forgotten. A row whose window has fired is late: dropped and counted (Flink:
 * WindowJoinHelper), also one whose key has a null. */
#include "compute/exec/exec_join.h"
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

struct joined_window {
    struct exec_window_span span;
    void                   *first, *last; /* entries, linked */
};

struct window_join_op {
    struct exec_join_op   join;
    struct exec_multimap  map;
    struct joined_window *windows; /* by (end, start) */
    uint32_t              window_count, window_capacity;
    int64_t               progress_ms;
    uint16_t              in_time[VEC_ROWS_MAX];
    void                 *entries[VEC_ROWS_MAX];
};

static bool window_join_open(struct exec_operator *op)
{
    struct window_join_op *joiner = (struct window_join_op *)op;

    joiner->progress_ms = EXEC_PROGRESS_NONE;
    if (!exec_join_open(&joiner->join)) {
        return false;
    }
    return exec_multimap_init(&joiner->map, op, &joiner->join.key, &joiner->join.rows[EXEC_LEFT],
                              &joiner->join.rows[EXEC_RIGHT]);
}

static void window_join_close(struct exec_operator *op)
{
    struct window_join_op *joiner = (struct window_join_op *)op;

    exec_multimap_deinit(&joiner->map);
    mem_free(MEM_COMPUTE, joiner->windows);
    exec_join_close(&joiner->join);
}

/* --- rows in -------------------------------------------------------------------------------------------------------
 */

static bool is_before(const struct joined_window *window, struct exec_window_span span)
{
    return window->span.end_ms < span.end_ms ||
           (window->span.end_ms == span.end_ms && window->span.start_ms < span.start_ms);
}

static struct joined_window *need_window(struct window_join_op *joiner, struct exec_window_span span)
{
    uint32_t low = 0;
    uint32_t high = joiner->window_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (is_before(&joiner->windows[middle], span)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < joiner->window_count && joiner->windows[low].span.end_ms == span.end_ms &&
        joiner->windows[low].span.start_ms == span.start_ms) {
        return &joiner->windows[low];
    }
    if (joiner->window_count == joiner->window_capacity) {
        joiner->window_capacity = MAX(16, joiner->window_capacity * 2);
        joiner->windows = mem_realloc(MEM_COMPUTE, joiner->windows, joiner->window_capacity * sizeof(*joiner->windows));
    }
    memmove(joiner->windows + low + 1, joiner->windows + low, (joiner->window_count - low) * sizeof(*joiner->windows));
    joiner->windows[low] = (struct joined_window){.span = span};
    joiner->window_count++;
    return &joiner->windows[low];
}

static int64_t time_at(const struct vec_chunk *chunk, uint32_t column, size_t row)
{
    struct vec_access access = vec_access_of(&chunk->columns[column]);

    return exec_floor_div(((const int64_t *)access.data)[vec_access_at(&access, row)], 1000);
}

/* The rows whose windows are open. A row without a window matches nothing. */
static struct vec_chunk select_in_time(struct window_join_op *joiner, const struct vec_chunk *chunk, uint32_t column)
{
    struct vec_chunk  part = *chunk;
    struct vec_access access = vec_access_of(&chunk->columns[column]);
    const int64_t    *ends = access.data;
    uint32_t          count = 0;

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);

        if (vec_access_null(&access, row)) {
            continue;
        }
        if (exec_window_has_fired(exec_floor_div(ends[vec_access_at(&access, row)], 1000), joiner->progress_ms)) {
            exec__count_late(&joiner->join.op, 1);
        } else {
            joiner->in_time[count++] = (uint16_t)row;
        }
    }
    part.selection = joiner->in_time;
    part.selected_count = count;
    return part;
}

/* A new key joins its window's list. */
static void link_entry(struct window_join_op *joiner, const struct vec_chunk *chunk, uint32_t side, size_t row,
                       void *entry)
{
    const struct exec_join *spec = &joiner->join.op.node->join;
    uint32_t                start = side == EXEC_LEFT ? spec->left_start : spec->right_start;
    uint32_t                end = side == EXEC_LEFT ? spec->left_end : spec->right_end;
    struct joined_window   *window =
        need_window(joiner, (struct exec_window_span){time_at(chunk, start, row), time_at(chunk, end, row)});

    *(window->last == NULL ? &window->first : exec_multimap_link(&joiner->map, window->last)) = entry;
    window->last = entry;
}

static bool window_join_push(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct window_join_op  *joiner = (struct window_join_op *)op;
    const struct exec_join *spec = &op->node->join;
    struct vec_chunk in_time = select_in_time(joiner, chunk, input == EXEC_LEFT ? spec->left_end : spec->right_end);
    struct exec_join_rows rows = exec_join_read(&joiner->join, input, &in_time);
    bool                  is_new[VEC_ROWS_MAX];

    if (!exec_table_find(joiner->map.table, joiner->join.vecs, &rows.chunk, joiner->join.hashes, true, joiner->entries,
                         is_new)) {
        return false;
    }
    for (uint32_t i = 0; i < rows.chunk.selected_count; i++) {
        if (is_new[i]) {
            link_entry(joiner, chunk, input, vec_chunk_row(&rows.chunk, i), joiner->entries[i]);
        }
        if (exec_multimap_append(&joiner->map, joiner->entries[i], input,
                                 exec_join_loaded(&joiner->join, &rows, input, i), 0) == NULL) {
            return false;
        }
    }
    return true;
}

/* --- firing --------------------------------------------------------------------------------------------------------
 */

static bool join_entry(struct window_join_op *joiner, void *entry)
{
    struct exec_match *left = exec_multimap_matches(&joiner->map, entry, EXEC_LEFT)->first;

    for (; left != NULL; left = left->next) {
        struct exec_match *right = exec_multimap_matches(&joiner->map, entry, EXEC_RIGHT)->first;

        for (; right != NULL; right = right->next) {
            if (!exec_join_add_kept(&joiner->join, exec_match_row(left), exec_match_row(right))) {
                return false;
            }
        }
    }
    return true;
}

static bool fire(struct window_join_op *joiner, struct joined_window window)
{
    exec_join_begin(&joiner->join, EXEC_LEFT, NULL);
    for (void *entry = window.first; entry != NULL; entry = *exec_multimap_link(&joiner->map, entry)) {
        if (!join_entry(joiner, entry)) {
            return false;
        }
    }
    if (!exec_join_send(&joiner->join)) {
        return false;
    }
    for (void *entry = window.first, *next; entry != NULL; entry = next) {
        next = *exec_multimap_link(&joiner->map, entry);
        exec_multimap_remove(&joiner->map, entry);
    }
    return true;
}

static bool window_join_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us)
{
    struct window_join_op *joiner = (struct window_join_op *)op;
    int64_t                lowest_us;
    uint32_t               fired = 0;

    if (!exec__combine_watermark(op, input, watermark_us, &lowest_us)) {
        return true;
    }
    joiner->progress_ms = exec_window_progress(lowest_us);
    while (fired < joiner->window_count &&
           exec_window_has_fired(joiner->windows[fired].span.end_ms, joiner->progress_ms)) {
        if (!fire(joiner, joiner->windows[fired])) {
            return false;
        }
        fired++;
    }
    if (fired > 0) {
        joiner->window_count -= fired;
        memmove(joiner->windows, joiner->windows + fired, joiner->window_count * sizeof(*joiner->windows));
        exec__pause(op);
    }
    return exec__emit_watermark(op, lowest_us);
}

const struct exec_operator_class exec__window_join_class = {
    .name = "WindowJoin",
    .bytes = sizeof(struct window_join_op),
    .open = window_join_open,
    .push = window_join_push,
    .watermark = window_join_watermark,
    .close = window_join_close,
};
