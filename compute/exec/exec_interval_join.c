/* INTERVAL_JOIN: inner, of rows whose times are near: left.time + lower <= right.time <= left.time + upper.
 *
 * Per key and side the kept rows stand in the order of time, so partners are a run of them. What is kept how long is
 * visible in what a late row still finds, so it follows Flink (RowTimeIntervalJoin, TimeIntervalJoin) step by step,
 * with `reach` of a side being how far its rows look ahead into the other: upper for the left, -lower for the right.
 *
 *   A row of time t pairs with all kept rows of the other side in its interval, unless the other side's `expired` mark
 *   shows that everything up to t + reach is gone. It is kept itself if the operator's time (the watermark, never
 * before 1970) is before t + reach: late rows pair with what is there, but are not kept. Rows expire at time + reach
 * + 1. They go when a row of the other side passes by, or when the key's timer comes: one per side, set for the row
 * that was kept first, then for the earliest that remains.
 *
 * Watermarks leave late by the longer reach: a pair may be that much older than the row that completed it.
 *
 * A row with many partners is paired with some of them and then with the rest in later steps, when emissions come in
 * pieces (exec_hold.h): the rest of its chunk is copied and waits here. Nothing else moves meanwhile.
 *
 * Saved are rows as they are kept, and for each key whose timers moved or whose rows expired where its rows begin and
 * when its timers come: rows expire from the front, all of a time at once. */
#include "compute/exec/exec_hold.h"
#include "compute/exec/exec_interval.h"
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

#define COPY_BLOCK  ((size_t)64 * KIB)
#define PIECES_FREE 8 /* as for a regular join: rows with a partner each do not count as long */

static bool interval_open(struct exec_operator *op)
{
    struct interval_op     *interval = (struct interval_op *)op;
    const struct exec_join *spec = &op->node->join;

    interval->reach_ms[EXEC_LEFT] = spec->upper_ms;
    interval->reach_ms[EXEC_RIGHT] = -spec->lower_ms;
    if (!exec_join_open(&interval->join)) {
        return false;
    }
    interval->heap = exec_heap_create(op);
    if (interval->heap != NULL) {
        interval->table = exec_table_create(interval->heap, &interval->join.key, sizeof(struct interval_key));
    }
    exec_timers_init(&interval->timers, interval->heap);
    interval->keeps_changes = exec__keeps_changes(op);
    if (interval->table != NULL && interval->keeps_changes) {
        exec_table_track(interval->table);
    }
    return interval->table != NULL;
}

static void interval_close(struct exec_operator *op)
{
    struct interval_op *interval = (struct interval_op *)op;

    if (interval->copies.block_bytes > 0) {
        exec__release(op, interval->charged_bytes);
        arena_deinit(&interval->copies);
    }
    exec_heap_destroy(interval->heap);
    exec_join_close(&interval->join);
}

/* --- kept rows -----------------------------------------------------------------------------------------------------
 */

static void free_items(struct interval_op *interval, struct interval_side *side)
{
    if (side->items != NULL) {
        exec_heap_give(interval->heap, side->items, side->capacity * sizeof(struct exec_match *));
        side->items = NULL;
        side->capacity = 0;
    }
    side->begin = 0;
    side->end = 0;
}

/* Room for one more item at the end. */
static bool make_room(struct interval_op *interval, struct interval_side *side)
{
    uint32_t            count = side->end - side->begin;
    struct exec_match **items;
    uint32_t            capacity;

    if (side->end < side->capacity) {
        return true;
    }
    if (side->begin >= side->capacity / 2 && side->begin > 0) {
        memmove(side->items, side->items + side->begin, count * sizeof(struct exec_match *));
        side->begin = 0;
        side->end = count;
        return true;
    }
    capacity = MAX(2, 2 * side->capacity);
    items = exec_heap_take(interval->heap, capacity * sizeof(struct exec_match *));
    if (items == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(items, side->items + side->begin, count * sizeof(struct exec_match *));
    }
    free_items(interval, side);
    side->items = items;
    side->capacity = capacity;
    side->end = count;
    return true;
}

struct exec_match *exec__interval_insert(struct interval_op *interval, struct interval_side *side, const void *loaded,
                                         int64_t time_ms)
{
    const struct exec_layout *layout = &interval->join.rows[side->side];
    struct exec_match        *match;
    uint32_t                  at;

    if (!make_room(interval, side)) {
        return NULL;
    }
    match = exec_heap_take(interval->heap, sizeof(*match) + layout->row_bytes);
    if (match == NULL) {
        return NULL;
    }
    memcpy(exec_match_row(match), loaded, layout->row_bytes);
    if (layout->text_count > 0 && !exec_row_keep(layout, interval->heap, exec_match_row(match))) {
        return NULL;
    }
    match->next = NULL;
    match->time = time_ms;
    for (at = side->end; at > side->begin && side->items[at - 1]->time > time_ms; at--) {
        side->items[at] = side->items[at - 1];
    }
    side->items[at] = match;
    side->end++;
    return match;
}

static bool keep_row(struct interval_op *interval, struct interval_side *side, const void *loaded, int64_t time_ms)
{
    struct exec_match *match = exec__interval_insert(interval, side, loaded, time_ms);

    if (match == NULL) {
        return false;
    }
    if (interval->keeps_changes) {
        match->next = EXEC_ROW_FRESH;
        if (!exec_journal_add(&interval->journal, interval->heap, match, side->side)) {
            return false;
        }
    }
    if (side->timer_ms != EXEC_TIMER_NONE) {
        return true;
    }
    side->timer_ms = time_ms + interval->reach_ms[side->side] + 1;
    exec_table_touch(interval->table, side->entry);
    return exec_timers_add(&interval->timers, side->timer_ms, side);
}

/* The first item at or after a time. */
static uint32_t first_from(const struct interval_side *side, int64_t time_ms)
{
    uint32_t low = side->begin;
    uint32_t high = side->end;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (side->items[middle]->time < time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What the side's mark is when it is set anew. */
static int64_t expired_by_now(const struct interval_op *interval, uint32_t side)
{
    return interval->time_ms == INT64_MAX ? INT64_MAX : interval->time_ms - interval->reach_ms[side] - 1;
}

/* Rows up to a time go, those that the journal names when it is gone through. */
void exec__interval_remove(struct interval_op *interval, struct interval_side *side, int64_t time_ms)
{
    uint32_t begin = side->begin;

    while (side->begin < side->end && side->items[side->begin]->time <= time_ms) {
        struct exec_match *match = side->items[side->begin++];

        if (match->next == EXEC_ROW_FRESH) {
            match->next = EXEC_ROW_GONE;
        } else {
            match->next = interval->dead[side->side];
            interval->dead[side->side] = match;
        }
    }
    if (side->begin > begin) {
        exec_table_touch(interval->table, side->entry);
    }
    if (side->begin == side->end) {
        free_items(interval, side);
    }
}

static void remove_expired(struct interval_op *interval, struct interval_side *side)
{
    exec__interval_remove(interval, side, interval->expired_ms[side->side]);
}

void exec__interval_free_row(struct interval_op *interval, uint32_t side, struct exec_match *match)
{
    const struct exec_layout *layout = &interval->join.rows[side];

    exec_row_drop(layout, interval->heap, exec_match_row(match));
    exec_heap_give(interval->heap, match, sizeof(*match) + layout->row_bytes);
}

void exec__interval_free_dead(struct interval_op *interval)
{
    for (uint32_t side = 0; side < 2; side++) {
        for (struct exec_match *match = interval->dead[side], *next; match != NULL; match = next) {
            next = match->next;
            exec__interval_free_row(interval, side, match);
        }
        interval->dead[side] = NULL;
    }
}

static bool is_empty(const struct interval_op *interval, void *entry)
{
    const struct interval_side *left = exec__interval_side(interval, entry, EXEC_LEFT);
    const struct interval_side *right = exec__interval_side(interval, entry, EXEC_RIGHT);

    return left->begin == left->end && right->begin == right->end && left->timer_ms == EXEC_TIMER_NONE &&
           right->timer_ms == EXEC_TIMER_NONE;
}

/* --- rows in -------------------------------------------------------------------------------------------------------
 */

static bool begin_pairs(struct interval_op *interval, struct interval_side *other, int64_t time_ms)
{
    uint32_t mine = interval->side;

    interval->is_pairing = interval->expired_ms[1 - mine] < time_ms + interval->reach_ms[mine];
    if (interval->is_pairing) {
        interval->expired_ms[1 - mine] = expired_by_now(interval, 1 - mine);
        interval->at_item = first_from(other, time_ms - interval->reach_ms[1 - mine]);
    }
    return interval->is_pairing;
}

/* Pairs the row at hand; *out_done false: with some. */
static bool pair_row(struct interval_op *interval, struct interval_side *other, int64_t most_ms, bool *out_done)
{
    size_t row = vec_chunk_row(&interval->rows.chunk, interval->at);

    *out_done = false;
    for (; interval->at_item < other->end && other->items[interval->at_item]->time <= most_ms; interval->at_item++) {
        if (interval->pairs_free > 0) {
            interval->pairs_free--;
        } else if (exec__fire_has_room(&interval->join.op)) {
            exec__fire_spend(&interval->join.op, 1);
        } else {
            return true;
        }
        if (!exec_join_add(&interval->join, row, exec_match_row(other->items[interval->at_item]))) {
            return false;
        }
    }
    *out_done = true;
    interval->is_pairing = false;
    remove_expired(interval, other);
    return true;
}

static bool join_row(struct interval_op *interval, int64_t time_ms, bool *out_done)
{
    uint32_t              i = interval->at, mine = interval->side;
    struct interval_side *own = exec__interval_side(interval, interval->entries[i], mine);
    struct interval_side *other = exec__interval_side(interval, interval->entries[i], 1 - mine);
    int64_t               most_ms = time_ms + interval->reach_ms[mine];

    *out_done = true;
    if ((interval->is_pairing || begin_pairs(interval, other, time_ms)) &&
        !pair_row(interval, other, most_ms, out_done)) {
        return false;
    }
    if (!*out_done || interval->time_ms >= most_ms) {
        return true;
    }
    return keep_row(interval, own, exec_join_loaded(&interval->join, &interval->rows, mine, i), time_ms);
}

void exec__interval_name_sides(struct interval_op *interval, void *entry)
{
    for (uint32_t side = 0; side < 2; side++) {
        exec__interval_side(interval, entry, side)->entry = entry;
        exec__interval_side(interval, entry, side)->side = side;
        exec__interval_side(interval, entry, side)->timer_ms = EXEC_TIMER_NONE;
    }
}

/* The rows at hand, from where they are; *out_done false: there is no room for all their pairs. */
static bool join_rows(struct interval_op *interval, bool *out_done)
{
    uint32_t count = interval->rows.chunk.selected_count;

    *out_done = true;
    exec_join_begin(&interval->join, interval->side, &interval->rows.chunk);
    for (; interval->at < count; interval->at++) {
        uint32_t i = interval->at;

        if (!interval->nulls[i] && !join_row(interval, exec_floor_div(interval->times_us[i], 1000), out_done)) {
            return false;
        }
        if (!*out_done) {
            break;
        }
    }
    if (!exec_join_send(&interval->join)) {
        return false;
    }
    exec__interval_free_dead(interval);
    for (uint32_t i = 0; *out_done && i < count; i++) {
        if (interval->is_new[i] && is_empty(interval, interval->entries[i])) {
            exec_table_remove(interval->table, interval->entries[i]);
        }
    }
    return true;
}

/* The chunk is gone when the call returns: what is left of it is read from a copy. Entries stay what they are. */
static bool copy_rows(struct interval_op *interval)
{
    struct vec_chunk copy;

    if (interval->copies.block_bytes == 0) {
        arena_init(&interval->copies, MEM_COMPUTE, COPY_BLOCK, SIZE_MAX);
    }
    copy = vec_chunk_copy(&interval->copies, &interval->rows.chunk);
    if (!exec__charge(&interval->join.op, interval->copies.bytes_total)) {
        return false;
    }
    interval->charged_bytes = interval->copies.bytes_total;
    interval->rows = exec_join_read(&interval->join, interval->side, &copy);
    return true;
}

static void forget_copies(struct interval_op *interval)
{
    exec__release(&interval->join.op, interval->charged_bytes);
    interval->charged_bytes = 0;
    arena_reset(&interval->copies);
}

/* The rest of the copied rows. */
static bool interval_fire(struct exec_operator *op)
{
    struct interval_op *interval = (struct interval_op *)op;
    bool                done;

    if (!join_rows(interval, &done)) {
        return false;
    }
    op->is_firing = !done;
    if (done) {
        forget_copies(interval);
    }
    return true;
}

static bool interval_push(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct interval_op     *interval = (struct interval_op *)op;
    const struct exec_join *spec = &op->node->join;
    uint32_t                time_column = input == EXEC_LEFT ? spec->left_time : spec->right_time;
    bool                    done;

    if (spec->lower_ms > spec->upper_ms) {
        return true;
    }
    interval->rows = exec_join_read(&interval->join, input, chunk);
    interval->side = input;
    interval->at = 0;
    interval->is_pairing = false;
    interval->pairs_free = PIECES_FREE * op->worker->job->options.piece_rows;
    if (!exec_table_find(interval->table, interval->join.vecs, &interval->rows.chunk, interval->join.hashes, true,
                         interval->entries, interval->is_new)) {
        return false;
    }
    (void)exec_window_times(&chunk->columns[time_column], &interval->rows.chunk, interval->times_us, interval->nulls);
    for (uint32_t i = 0; i < interval->rows.chunk.selected_count; i++) {
        if (interval->is_new[i]) {
            exec__interval_name_sides(interval, interval->entries[i]);
        }
    }
    if (!join_rows(interval, &done)) {
        return false;
    }
    return done || (copy_rows(interval) && exec__fire(op));
}

/* --- time ----------------------------------------------------------------------------------------------------------
 */

static void on_timer(struct interval_op *interval, struct interval_side *side)
{
    interval->expired_ms[side->side] = expired_by_now(interval, side->side);
    remove_expired(interval, side);
    if (side->begin < side->end) {
        int64_t due_ms = side->items[side->begin]->time + interval->reach_ms[side->side] + 1;

        /* What has not expired is due later than what has. */
        CHECK(due_ms > interval->time_ms);
        exec_timers_postpone_first(&interval->timers, due_ms);
        side->timer_ms = due_ms;
        exec_table_touch(interval->table, side->entry);
        return;
    }
    exec_timers_drop_first(&interval->timers);
    side->timer_ms = EXEC_TIMER_NONE;
    exec_table_touch(interval->table, side->entry);
    if (is_empty(interval, side->entry)) {
        exec_table_remove(interval->table, side->entry);
    }
}

static bool interval_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us)
{
    struct interval_op      *interval = (struct interval_op *)op;
    int64_t                  delay_us;
    int64_t                  lowest_us;
    const struct exec_timer *timer;

    if (!exec__combine_watermark(op, input, watermark_us, &lowest_us)) {
        return true;
    }
    interval->time_ms = MAX(exec_window_progress(lowest_us), 0);
    while ((timer = exec_timers_first(&interval->timers)) != NULL && timer->time <= interval->time_ms) {
        on_timer(interval, timer->owner);
    }
    exec__interval_free_dead(interval);
    if (lowest_us == EXEC_WATERMARK_END) {
        return exec__emit_watermark(op, lowest_us);
    }
    delay_us = exec_window_us(MAX(0, MAX(interval->reach_ms[EXEC_LEFT], interval->reach_ms[EXEC_RIGHT])));
    if (__builtin_sub_overflow(lowest_us, delay_us, &lowest_us)) {
        return true;
    }
    return exec__emit_watermark(op, lowest_us);
}

const struct exec_operator_class exec__interval_join_class = {
    .name = "IntervalJoin",
    .bytes = sizeof(struct interval_op),
    .open = interval_open,
    .push = interval_push,
    .watermark = interval_watermark,
    .fire = interval_fire,
    .close = interval_close,
    .save_scalars = exec__interval_save_scalars,
    .load_scalars = exec__interval_load_scalars,
    .save = exec__interval_save,
    .load = exec__interval_load,
    .loaded = exec__interval_loaded,
};
