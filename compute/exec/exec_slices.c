/* Tumbling, hopping and cumulating windows, and windows that an operator below assigned, over slices.
 *
 * A row is added to the one slice its time lies in, each slice has a heap and a table of its own, and a window that
 * fires merges its slices (Flink: SliceAssigners, Arroyo, and others). A slice is dropped, heap and all, when its last
 * window has fired.
 *
 * Late rows. A row whose slice's windows have all fired is dropped and counted. One whose first windows have fired is
 * still added: only those that have not will show it. A CUMULATE merges what it fired into the first of the window's
 * slices, as later windows of the same start contain all of it.
 *
 * Windows fire in the order of their ends, keys in the order in which their first row came.
 *
 * Saved are the states of the keys that changed, by slice, and the values of DISTINCT that came. That a slice went is
 * one record, not one for each of its keys. */
#include "compute/exec/exec_slices.h"

#include "compute/exec/exec_hold.h"
#include "core/base/check.h"

#define MERGE_ROWS 256

struct exec_slices *exec_slices_create(struct exec_window_group_op *group)
{
    struct exec_slices *slices = mem_alloc(MEM_COMPUTE, sizeof(*slices));

    slices->group = group;
    slices->window = &group->op.node->window_group.window;
    slices->keeps_changes = exec__keeps_changes(&group->op);
    slices->slice_ms = slices->window->kind == EXEC_WINDOWED ? 0 : exec_window_slice_ms(slices->window);
    return slices;
}

static void slice_close(struct slice *slice)
{
    exec_heap_destroy(slice->heap);
    *slice = (struct slice){0};
}

void exec_slices_destroy(struct exec_slices *slices)
{
    if (slices == NULL) {
        return;
    }
    for (uint32_t i = 0; i < slices->count; i++) {
        slice_close(&slices->items[i]);
    }
    slice_close(&slices->merged);
    mem_free(MEM_COMPUTE, slices->gone);
    mem_free(MEM_COMPUTE, slices->items);
    mem_free(MEM_COMPUTE, slices);
}

static bool slice_open(struct exec_slices *slices, struct slice *slice)
{
    struct exec_window_group_op *group = slices->group;

    slice->heap = exec_heap_create(&group->op);
    if (slice->heap == NULL) {
        return false;
    }
    slice->table = exec_table_create(slice->heap, &group->key, exec_aggregates_bytes(group->aggregates));
    slice->store = exec_aggregate_store_create(group->aggregates, slice->heap);
    return slice->table != NULL && slice->store != NULL;
}

/* --- finding slices ------------------------------------------------------------------------------------------------
 */

static void note_gone(struct exec_slices *slices, const struct slice *slice)
{
    if (slices->gone_count == slices->gone_capacity) {
        slices->gone_capacity = MAX((size_t)16, slices->gone_capacity * 2);
        slices->gone = mem_realloc(MEM_COMPUTE, slices->gone, slices->gone_capacity * sizeof(*slices->gone));
    }
    slices->gone[slices->gone_count++] = (struct exec_window_span){slice->start_ms, slice->end_ms};
}

void exec__slices_remove(struct exec_slices *slices, uint32_t at)
{
    if (slices->keeps_changes && slices->items[at].is_saved) {
        note_gone(slices, &slices->items[at]);
    }
    slice_close(&slices->items[at]);
    memmove(slices->items + at, slices->items + at + 1, (slices->count - at - 1) * sizeof(*slices->items));
    slices->count--;
}

/* Most rows are of the last ones. */
uint32_t exec__slices_place(const struct exec_slices *slices, int64_t start_ms, int64_t end_ms)
{
    uint32_t low = 0;
    uint32_t high = slices->count;

    while (low < high) {
        uint32_t            middle = high - low > 8 ? low + (high - low) / 2 : high - 1;
        const struct slice *slice = &slices->items[middle];

        if (slice->end_ms < end_ms || (slice->end_ms == end_ms && slice->start_ms < start_ms)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t exec__slices_need(struct exec_slices *slices, int64_t start_ms, int64_t end_ms)
{
    uint32_t at = exec__slices_place(slices, start_ms, end_ms);

    if (at < slices->count && slices->items[at].end_ms == end_ms && slices->items[at].start_ms == start_ms) {
        return at;
    }
    if (slices->count == slices->capacity) {
        slices->capacity = MAX(16, slices->capacity * 2);
        slices->items = mem_realloc(MEM_COMPUTE, slices->items, slices->capacity * sizeof(*slices->items));
    }
    memmove(slices->items + at + 1, slices->items + at, (slices->count - at) * sizeof(*slices->items));
    slices->items[at] = (struct slice){.start_ms = start_ms, .end_ms = end_ms};
    slices->count++;
    if (!slice_open(slices, &slices->items[at])) {
        exec__slices_remove(slices, at);
        return slices->count;
    }
    if (slices->keeps_changes) {
        exec_table_track(slices->items[at].table);
        exec_aggregate_store_track(slices->items[at].store);
    }
    return at;
}

/* Where a row of this time goes. False: it is late, or between the windows of a HOP whose slide is longer than its
 * size, which Flink counts as late, too. */
static bool place_of(const struct exec_slices *slices, int64_t time_ms, int64_t *out_start_ms, int64_t *out_end_ms)
{
    const struct exec_window *window = slices->window;
    int64_t                   progress_ms = slices->group->progress_ms;
    int64_t                   last_end_ms;

    *out_start_ms = exec_window_floor(time_ms, window->offset_ms, slices->slice_ms);
    *out_end_ms = *out_start_ms + slices->slice_ms;
    last_end_ms = exec_window_last_end(window, *out_start_ms);
    return last_end_ms >= *out_end_ms && !exec_window_has_fired(last_end_ms, progress_ms);
}

/* --- rows in -------------------------------------------------------------------------------------------------------
 */

/* Where the slice of the i-th row starts and ends: from the columns, or computed. False: late, and counted. */
static bool row_place(struct exec_slices *slices, const struct vec_access *starts, const struct vec_chunk *chunk,
                      uint32_t i, int64_t *out_start_ms, int64_t *out_end_ms)
{
    struct exec_window_group_op *group = slices->group;
    int64_t                      time_ms = exec_floor_div(group->times_us[i], 1000);

    if (slices->window->kind != EXEC_WINDOWED) {
        if (place_of(slices, time_ms, out_start_ms, out_end_ms)) {
            return true;
        }
    } else if (!exec_window_has_fired(time_ms, group->progress_ms)) {
        size_t at = vec_access_at(starts, vec_chunk_row(chunk, i));

        *out_start_ms = exec_floor_div(((const int64_t *)starts->data)[at], 1000);
        *out_end_ms = time_ms;
        return true;
    }
    exec__count_late(&group->op, 1);
    return false;
}

#define NO_SLICE UINT32_MAX

/* Makes the slices of the chunk's rows: all of them first, as making one moves others. Mostly a row is of the slice of
 * the row before it. */
static bool make_slices(struct exec_slices *slices, const struct vec_chunk *chunk, int64_t *starts_ms, int64_t *ends_ms)
{
    const int64_t    *times_us = slices->group->times_us;
    struct vec_access starts = {0};
    int64_t           begin_us = INT64_MAX; /* the span of the row before, where that is all there is to know */
    int64_t           end_us = INT64_MIN;

    if (slices->window->kind == EXEC_WINDOWED) {
        starts = vec_access_of(&chunk->columns[slices->window->start_column]);
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        slices->row_slice[i] = 0;
        if (times_us[i] >= begin_us && times_us[i] < end_us) {
            starts_ms[i] = starts_ms[i - 1];
            ends_ms[i] = ends_ms[i - 1];
            continue;
        }
        end_us = INT64_MIN;
        if (!row_place(slices, &starts, chunk, i, &starts_ms[i], &ends_ms[i])) {
            slices->row_slice[i] = NO_SLICE;
            continue;
        }
        if (exec__slices_need(slices, starts_ms[i], ends_ms[i]) == slices->count) {
            return false;
        }
        if (slices->window->kind != EXEC_WINDOWED) {
            begin_us = exec_window_us(starts_ms[i]);
            end_us = exec_window_us(ends_ms[i]);
        }
    }
    return true;
}

/* Rows of a chunk by slice: slices->rows in the order of slices, and of the chunk within one. */
static void sort_rows(struct exec_slices *slices, const struct vec_chunk *chunk, const int64_t *starts_ms,
                      const int64_t *ends_ms)
{
    uint32_t begin = 0;
    uint32_t last = NO_SLICE;

    for (uint32_t s = 0; s < slices->count; s++) {
        slices->items[s].pending = 0;
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        if (slices->row_slice[i] == NO_SLICE) {
            continue;
        }
        if (last == NO_SLICE || slices->items[last].start_ms != starts_ms[i] ||
            slices->items[last].end_ms != ends_ms[i]) {
            last = exec__slices_need(slices, starts_ms[i], ends_ms[i]);
        }
        slices->row_slice[i] = last;
        slices->items[last].pending++;
    }
    for (uint32_t s = 0; s < slices->count; s++) {
        uint32_t count = slices->items[s].pending;

        slices->items[s].pending = begin;
        begin += count;
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        if (slices->row_slice[i] != NO_SLICE) {
            slices->rows[slices->items[slices->row_slice[i]].pending++] = (uint16_t)vec_chunk_row(chunk, i);
        }
    }
}

/* Adds rows to a slice: `chunk` has them selected. */
static bool add_rows(struct exec_slices *slices, struct slice *slice, const struct vec_chunk *chunk)
{
    struct exec_window_group_op *group = slices->group;

    if (!exec_table_find(slice->table, group->key_vecs, chunk, group->hashes, true, slices->entries, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < chunk->selected_count && slices->keeps_changes; i++) {
        exec_table_touch(slice->table, slices->entries[i]);
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        slices->entries[i] = exec_table_payload(slice->table, slices->entries[i]);
    }
    return exec_aggregates_update(slice->store, chunk, slices->entries);
}

bool exec_slices_push(struct exec_slices *slices, const struct vec_chunk *chunk)
{
    int64_t  starts_ms[VEC_ROWS_MAX];
    int64_t  ends_ms[VEC_ROWS_MAX];
    uint32_t begin = 0;

    if (!make_slices(slices, chunk, starts_ms, ends_ms)) {
        return false;
    }
    sort_rows(slices, chunk, starts_ms, ends_ms);
    for (uint32_t s = 0; s < slices->count; s++) {
        uint32_t         end = slices->items[s].pending;
        struct vec_chunk part = *chunk;

        if (end == begin) {
            continue;
        }
        part.selection = slices->rows + begin;
        part.selected_count = end - begin;
        if (end - begin == chunk->row_count) {
            part.selection = NULL;
        }
        if (!add_rows(slices, &slices->items[s], &part)) {
            return false;
        }
        begin = end;
    }
    return true;
}

/* --- firing --------------------------------------------------------------------------------------------------------
 */

/* Adds some keys of `from`, those behind slices->at, to `into`. */
static bool merge_some(struct exec_slices *slices, struct slice *into, const struct slice *from)
{
    const void *keys[MERGE_ROWS];
    uint64_t    hashes[MERGE_ROWS];
    void       *targets[MERGE_ROWS];
    uint32_t    count = 0;

    for (void *entry; count < MERGE_ROWS && (entry = exec_table_next(from->table, slices->at)) != NULL; count++) {
        keys[count] = entry;
        hashes[count] = exec_table_hash(entry);
        slices->at = entry;
    }
    if (!exec_table_find_rows(into->table, keys, hashes, count, true, targets, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const void *state = exec_table_payload(from->table, (void *)(uintptr_t)keys[i]);

        exec_table_touch(into->table, targets[i]);
        if (!exec_aggregates_merge(into->store, exec_table_payload(into->table, targets[i]), from->store, state)) {
            return false;
        }
    }
    exec__fire_spend(&slices->group->op, count);
    return true;
}

/* Adds all of `from` to `into`; *out_done false: the rest later. */
static bool merge_slice(struct exec_slices *slices, struct slice *into, const struct slice *from, bool *out_done)
{
    *out_done = false;
    while (exec_table_next(from->table, slices->at) != NULL) {
        if (!exec__fire_has_room(&slices->group->op)) {
            return true;
        }
        if (!merge_some(slices, into, from)) {
            return false;
        }
    }
    *out_done = true;
    slices->at = NULL;
    return true;
}

/* *out_done false: the rest later. */
static bool send_slice(struct exec_slices *slices, const struct slice *slice, struct exec_window_span span,
                       bool *out_done)
{
    struct exec_operator      *op = &slices->group->op;
    struct exec_window_output *output = &slices->group->output;

    *out_done = false;
    for (void *entry; (entry = exec_table_next(slice->table, slices->at)) != NULL; slices->at = entry) {
        if (output->count == 0 && !exec__fire_has_room(op)) {
            return true;
        }
        exec_window_output_add(output, entry, exec_table_payload(slice->table, entry), span);
        if (exec_window_output_is_full(output)) {
            exec__fire_spend(op, output->count);
            if (!exec_window_output_send(output)) {
                return false;
            }
            exec__pause(op);
        }
    }
    /* Its entries may be gone afterwards. */
    *out_done = true;
    slices->at = NULL;
    exec__fire_spend(op, output->count);
    return exec_window_output_send(output);
}

/* The slices of a window: from..to - 1, those that start and end in it. */
static void slices_of(const struct exec_slices *slices, struct exec_window_span span, uint32_t *out_from,
                      uint32_t *out_to)
{
    uint32_t from = 0;
    uint32_t to;

    while (from < slices->count && slices->items[from].start_ms < span.start_ms) {
        from++;
    }
    to = from;
    while (to < slices->count && slices->items[to].end_ms <= span.end_ms) {
        to++;
    }
    *out_from = from;
    *out_to = to;
}

static bool fire_hop(struct exec_slices *slices, struct exec_window_span span, bool *out_done)
{
    uint32_t from;
    uint32_t to;

    slices_of(slices, span, &from, &to);
    if (to - from == 1) {
        return send_slice(slices, &slices->items[from], span, out_done);
    }
    if (slices->merged.heap == NULL) {
        slices->merging = from;
        if (!slice_open(slices, &slices->merged)) {
            return false;
        }
    }
    for (; slices->merging < to; slices->merging++) {
        if (!merge_slice(slices, &slices->merged, &slices->items[slices->merging], out_done)) {
            return false;
        }
        if (!*out_done) {
            return true;
        }
    }
    if (!send_slice(slices, &slices->merged, span, out_done)) {
        return false;
    }
    if (*out_done) {
        slice_close(&slices->merged);
    }
    return true;
}

static bool fire_cumulate(struct exec_slices *slices, struct exec_window_span span, bool *out_done)
{
    uint32_t from;
    uint32_t to;

    slices_of(slices, span, &from, &to);
    for (; to - from > 1; to--) {
        if (!merge_slice(slices, &slices->items[from], &slices->items[from + 1], out_done)) {
            return false;
        }
        if (!*out_done) {
            return true;
        }
        exec__slices_remove(slices, from + 1);
    }
    return send_slice(slices, &slices->items[from], span, out_done);
}

static bool fire_first(struct exec_slices *slices, struct exec_window_span span, bool *out_done)
{
    if (!send_slice(slices, &slices->items[0], span, out_done)) {
        return false;
    }
    if (*out_done) {
        exec__slices_remove(slices, 0);
    }
    return true;
}

static bool fire_window(struct exec_slices *slices, struct exec_window_span span, bool *out_done)
{
    switch (slices->window->kind) {
    case EXEC_HOP:
        return fire_hop(slices, span, out_done);
    case EXEC_CUMULATE:
        return fire_cumulate(slices, span, out_done);
    case EXEC_TUMBLE:
    case EXEC_WINDOWED:
    case EXEC_SESSION:
    default:
        return fire_first(slices, span, out_done);
    }
}

/* The next window to fire, by the first slice: its earlier windows are through. False: it has none. */
static bool next_window(const struct exec_slices *slices, const struct slice *slice, struct exec_window_span *out_span)
{
    if (slices->window->kind == EXEC_WINDOWED) {
        *out_span = (struct exec_window_span){slice->start_ms, slice->end_ms};
        return true;
    }
    return exec_window_next_of_slice(slices->window, slice->start_ms, slices->fired_end_ms + 1, out_span);
}

bool exec_slices_advance(struct exec_slices *slices, int64_t progress_ms, bool *out_done)
{
    struct exec_window_span span;

    if (!slices->is_firing) {
        /* What fired with the progress before must not fire again for a row that came late. */
        slices->fired_end_ms =
            slices->group->progress_ms == EXEC_PROGRESS_NONE ? INT64_MIN : slices->group->progress_ms + 1;
        slices->is_firing = true;
    }
    while (slices->count > 0) {
        if (!next_window(slices, &slices->items[0], &span)) {
            exec__slices_remove(slices, 0);
            continue;
        }
        if (!exec_window_has_fired(span.end_ms, progress_ms)) {
            break;
        }
        if (!fire_window(slices, span, out_done)) {
            return false;
        }
        if (!*out_done) {
            return true;
        }
        slices->fired_end_ms = span.end_ms;
    }
    slices->is_firing = false;
    *out_done = true;
    return true;
}
