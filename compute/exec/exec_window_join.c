/* WINDOW_JOIN: inner, of rows of the same window, when it closes.
 *
 * The window's start and end are among the key's columns, so one multimap holds all windows; each window has the list
 * of its keys. When a window fires, its keys are gone through in the order in which they came, left rows times right
 * rows, and everything of the window is forgotten. A row whose window has fired is late: dropped and counted (Flink:
 * WindowJoinHelper), also one whose key has a null.
 *
 * Saved are the rows as they come, if their window has not fired by then, and how far time got: windows that have fired
 * by it are gone. */
#include "compute/exec/exec_hold.h"
#include "compute/exec/exec_join.h"
#include "compute/exec/exec_journal.h"
#include "compute/exec/exec_state.h"
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

#define TABLE_ROWS 1

struct joined_window {
    struct exec_window_span span;
    void                   *first, *last; /* entries, linked */
    struct exec_journal     journal;      /* its rows that were not saved so far */
};

struct window_join_op {
    struct exec_join_op   join;
    struct exec_multimap  map;
    struct joined_window *windows; /* by (end, start) */
    uint32_t              window_count, window_capacity;
    int64_t               progress_ms;
    bool                  keeps_changes;
    uint64_t              saved_count; /* rows that were ever saved: each has a key of its own */
    /* While the first window fires: what is paired next, and then what is forgotten. */
    bool               is_joined;
    void              *at;
    struct exec_match *at_left, *at_right;
    int64_t            passing_on_us; /* the watermark that goes on behind it */
    /* While saving: the window, and of a save of all what was written last of it. */
    uint32_t                   saving_window;
    struct exec_multimap_place saving;
    uint16_t                   in_time[VEC_ROWS_MAX];
    void                      *entries[VEC_ROWS_MAX];
};

static bool window_join_open(struct exec_operator *op)
{
    struct window_join_op *joiner = (struct window_join_op *)op;

    joiner->progress_ms = EXEC_PROGRESS_NONE;
    joiner->keeps_changes = exec__keeps_changes(op);
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

static struct joined_window *window_of(struct window_join_op *joiner, const struct vec_chunk *chunk, uint32_t side,
                                       size_t row)
{
    const struct exec_join *spec = &joiner->join.op.node->join;
    uint32_t                start = side == EXEC_LEFT ? spec->left_start : spec->right_start;
    uint32_t                end = side == EXEC_LEFT ? spec->left_end : spec->right_end;

    return need_window(joiner, (struct exec_window_span){time_at(chunk, start, row), time_at(chunk, end, row)});
}

/* A new key joins its window's list. */
static void link_entry(struct window_join_op *joiner, struct joined_window *window, void *entry)
{
    *(window->last == NULL ? &window->first : exec_multimap_link(&joiner->map, window->last)) = entry;
    window->last = entry;
}

/* Row i of those that were read, with its entry. notes: it is to be saved. */
static bool keep_row(struct window_join_op *joiner, uint32_t side, const struct exec_join_rows *rows, uint32_t i,
                     bool is_new, bool notes)
{
    struct joined_window *window = NULL;
    struct exec_match    *match;

    if (is_new || notes) {
        window = window_of(joiner, &rows->chunk, side, vec_chunk_row(&rows->chunk, i));
    }
    if (is_new) {
        link_entry(joiner, window, joiner->entries[i]);
    }
    match =
        exec_multimap_append(&joiner->map, joiner->entries[i], side, exec_join_loaded(&joiner->join, rows, side, i), 0);
    return match != NULL && (!notes || exec_journal_add(&window->journal, joiner->map.heap, match, side));
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
        if (!keep_row(joiner, input, &rows, i, is_new[i], joiner->keeps_changes)) {
            return false;
        }
    }
    return true;
}

/* --- firing --------------------------------------------------------------------------------------------------------
 */

static void enter(struct window_join_op *joiner, void *entry)
{
    joiner->at = entry;
    joiner->at_left = entry == NULL ? NULL : exec_multimap_matches(&joiner->map, entry, EXEC_LEFT)->first;
    joiner->at_right = entry == NULL ? NULL : exec_multimap_matches(&joiner->map, entry, EXEC_RIGHT)->first;
}

/* The left row at hand with the rest of the right ones; *out_done false: there is no room for all. */
static bool pair_left(struct window_join_op *joiner, bool *out_done)
{
    *out_done = false;
    for (; joiner->at_right != NULL; joiner->at_right = joiner->at_right->next) {
        if (!exec__fire_has_room(&joiner->join.op)) {
            return true;
        }
        exec__fire_spend(&joiner->join.op, 1);
        if (!exec_join_add_kept(&joiner->join, exec_match_row(joiner->at_left), exec_match_row(joiner->at_right))) {
            return false;
        }
    }
    *out_done = true;
    return true;
}

static bool pair_window(struct window_join_op *joiner, bool *out_done)
{
    *out_done = true;
    while (joiner->at != NULL) {
        for (; joiner->at_left != NULL; joiner->at_left = joiner->at_left->next) {
            if (!pair_left(joiner, out_done)) {
                return false;
            }
            if (!*out_done) {
                return true;
            }
            joiner->at_right = exec_multimap_matches(&joiner->map, joiner->at, EXEC_RIGHT)->first;
        }
        exec__fire_spend(&joiner->join.op, 1);
        enter(joiner, *exec_multimap_link(&joiner->map, joiner->at));
    }
    return true;
}

/* Some of the window's keys go; false: others are left. */
static bool forget_some(struct window_join_op *joiner, struct joined_window *window)
{
    while (window->first != NULL && exec__fire_has_room(&joiner->join.op)) {
        void *next = *exec_multimap_link(&joiner->map, window->first);

        exec__fire_spend(&joiner->join.op, 1);
        exec_multimap_remove(&joiner->map, window->first);
        window->first = next;
    }
    return window->first == NULL;
}

static void forget(struct window_join_op *joiner, struct joined_window *window)
{
    for (void *entry = window->first, *next; entry != NULL; entry = next) {
        next = *exec_multimap_link(&joiner->map, entry);
        exec_multimap_remove(&joiner->map, entry);
    }
    exec_journal_clear(&window->journal, joiner->map.heap);
}

/* A piece of the first window. */
static bool fire(struct window_join_op *joiner, bool *out_done)
{
    struct joined_window *window = &joiner->windows[0];

    *out_done = false;
    if (joiner->at == NULL && !joiner->is_joined) {
        enter(joiner, window->first);
    }
    if (!joiner->is_joined) {
        exec_join_begin(&joiner->join, EXEC_LEFT, NULL);
        if (!pair_window(joiner, &joiner->is_joined) || !exec_join_send(&joiner->join)) {
            return false;
        }
    }
    if (joiner->is_joined && forget_some(joiner, window)) {
        exec_journal_clear(&window->journal, joiner->map.heap);
        joiner->is_joined = false;
        *out_done = true;
    }
    return true;
}

/* The first windows are through. */
static void drop_windows(struct window_join_op *joiner, uint32_t count)
{
    joiner->window_count -= count;
    if (count > 0) {
        memmove(joiner->windows, joiner->windows + count, joiner->window_count * sizeof(*joiner->windows));
    }
}

static bool window_join_fire(struct exec_operator *op)
{
    struct window_join_op *joiner = (struct window_join_op *)op;
    bool                   any = false;

    op->is_firing = true;
    while (joiner->window_count > 0 && exec_window_has_fired(joiner->windows[0].span.end_ms, joiner->progress_ms)) {
        bool done;

        if (!fire(joiner, &done)) {
            return false;
        }
        if (!done) {
            return true;
        }
        drop_windows(joiner, 1);
        any = true;
    }
    op->is_firing = false;
    if (any) {
        exec__pause(op);
    }
    return exec__emit_watermark(op, joiner->passing_on_us);
}

static bool window_join_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us)
{
    struct window_join_op *joiner = (struct window_join_op *)op;
    int64_t                lowest_us;

    if (!exec__combine_watermark(op, input, watermark_us, &lowest_us)) {
        return true;
    }
    joiner->progress_ms = exec_window_progress(lowest_us);
    joiner->passing_on_us = lowest_us;
    return exec__fire(op);
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

static void window_join_save_scalars(struct exec_operator *op, struct exec_bytes *bytes)
{
    exec_bytes_put_i64(bytes, ((const struct window_join_op *)op)->progress_ms);
}

/* Windows that had fired when this was saved go, as they went then. */
static bool window_join_load_scalars(struct exec_operator *op, struct exec_reader *reader)
{
    struct window_join_op *joiner = (struct window_join_op *)op;
    int64_t                progress_ms = exec_reader_i64(reader);
    uint32_t               fired = 0;

    while (fired < joiner->window_count && exec_window_has_fired(joiner->windows[fired].span.end_ms, progress_ms)) {
        forget(joiner, &joiner->windows[fired]);
        fired++;
    }
    drop_windows(joiner, fired);
    joiner->progress_ms = exec_window_lasting(progress_ms);
    return true;
}

static bool save_row(struct window_join_op *joiner, struct exec_save *save, uint32_t side, struct exec_match *match)
{
    exec_save_begin(save);
    exec_bytes_put_u64(&save->key, joiner->saved_count++);
    exec_bytes_put_u8(&save->value, (uint8_t)side);
    exec_row_put(&save->value, &joiner->join.rows[side], exec_match_row(match));
    return exec_save_write(save, TABLE_ROWS);
}

static bool save_all(struct window_join_op *joiner, struct exec_save *save, const struct joined_window *window)
{
    for (;;) {
        struct exec_multimap_place place = joiner->saving;

        while (place.entry == NULL || !exec_multimap_next(&joiner->map, &place)) {
            void *last = place.entry;

            place = (struct exec_multimap_place){0};
            place.entry = last == NULL ? window->first : *exec_multimap_link(&joiner->map, last);
            if (place.entry == NULL) {
                return true;
            }
        }
        if (!exec_save_has_room(save) || !save_row(joiner, save, place.side, place.match)) {
            return false;
        }
        joiner->saving = place;
    }
}

static bool save_new(struct window_join_op *joiner, struct exec_save *save, struct joined_window *window)
{
    struct exec_match *match;
    uint32_t           side;

    for (; (match = exec_journal_first(&window->journal, &side)) != NULL; exec_journal_drop_first(&window->journal)) {
        if (!exec_save_has_room(save) || !save_row(joiner, save, side, match)) {
            return false;
        }
    }
    return true;
}

static bool window_join_save(struct exec_operator *op, struct exec_save *save)
{
    struct window_join_op *joiner = (struct window_join_op *)op;

    for (; joiner->saving_window < joiner->window_count; joiner->saving_window++) {
        struct joined_window *window = &joiner->windows[joiner->saving_window];

        if (!(save->all ? save_all(joiner, save, window) : save_new(joiner, save, window))) {
            return false;
        }
        exec_journal_clear(&window->journal, joiner->map.heap);
        joiner->saving = (struct exec_multimap_place){0};
    }
    joiner->saving_window = 0;
    return true;
}

static bool window_join_load(struct exec_operator *op, uint32_t table, struct exec_reader *key,
                             struct exec_reader *value)
{
    struct window_join_op *joiner = (struct window_join_op *)op;
    uint64_t               number = exec_reader_u64(key);
    uint8_t                side = value == NULL ? UINT8_MAX : exec_reader_u8(value);
    struct exec_join_rows  rows;
    bool                   is_new;

    if (table != TABLE_ROWS || side > 1 || !exec_reader_is_done(key) ||
        !exec_join_take(&joiner->join, side, value, &rows) || !exec_reader_is_done(value)) {
        return exec_load_damaged(op);
    }
    joiner->saved_count = number + 1;
    return exec_table_find(joiner->map.table, joiner->join.vecs, &rows.chunk, joiner->join.hashes, true,
                           joiner->entries, &is_new) &&
           keep_row(joiner, side, &rows, 0, is_new, false);
}

const struct exec_operator_class exec__window_join_class = {
    .name = "WindowJoin",
    .bytes = sizeof(struct window_join_op),
    .open = window_join_open,
    .push = window_join_push,
    .watermark = window_join_watermark,
    .fire = window_join_fire,
    .close = window_join_close,
    .save_scalars = window_join_save_scalars,
    .load_scalars = window_join_load_scalars,
    .save = window_join_save,
    .load = window_join_load,
};
