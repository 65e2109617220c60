/* State of slices, as exec_slices.c says at its head. */
#include "compute/exec/exec_slices.h"
#include "compute/exec/exec_state.h"
#include "core/base/bytes.h"

#define TABLE_STATES 1 /* start, end, key: state */
#define TABLE_SLICES 2 /* start, end: nothing; gone */
#define TABLE_SETS   3 /* and on: start, end, value of DISTINCT */

/* Times that come from disk stay far enough from the ends of what can be counted. */
#define TIME_MS_MAX (INT64_MAX / 4)

static void put_state(struct exec_operator *op, const struct exec_table *table, void *entry, struct exec_bytes *bytes)
{
    const struct exec_slices *slices = ((const struct exec_window_group_op *)op)->slices;

    exec_aggregates_put(slices->saving->store, exec_table_payload(table, entry), bytes);
}

#define SPAN_BYTES 16

static void store_span(uint8_t *to, int64_t start_ms, int64_t end_ms)
{
    store_le64(to, (uint64_t)start_ms);
    store_le64(to + sizeof(start_ms), (uint64_t)end_ms);
}

static bool save_slice(struct exec_slices *slices, struct exec_save *save, struct slice *slice)
{
    uint8_t span[SPAN_BYTES];

    slices->saving = slice;
    slice->is_saved = true;
    store_span(span, slice->start_ms, slice->end_ms);
    return exec_save_table(save, TABLE_STATES, view_of(span, sizeof(span)), slice->table, put_state) &&
           exec_aggregate_store_save(slice->store, save, TABLE_SETS, view_of(span, sizeof(span)));
}

static bool save_gone(struct exec_slices *slices, struct exec_save *save)
{
    for (; slices->gone_saved < slices->gone_count && !save->all; slices->gone_saved++) {
        const struct exec_window_span *gone = &slices->gone[slices->gone_saved];
        uint8_t                        span[SPAN_BYTES];

        if (!exec_save_has_room(save)) {
            return false;
        }
        store_span(span, gone->start_ms, gone->end_ms);
        exec_save_begin(save);
        exec_bytes_put(&save->key, span, sizeof(span));
        if (!exec_save_remove(save, TABLE_SLICES)) {
            return false;
        }
    }
    return true;
}

bool exec_slices_save(struct exec_slices *slices, struct exec_save *save)
{
    if (!save_gone(slices, save)) {
        return false;
    }
    for (uint32_t i = 0; i < slices->count; i++) {
        if (!save_slice(slices, save, &slices->items[i])) {
            return false;
        }
    }
    slices->gone_count = 0;
    slices->gone_saved = 0;
    return true;
}

/* What rows of such windows can lead to. */
static bool span_is_sound(const struct exec_slices *slices, struct exec_window_span span)
{
    if (span.start_ms < -TIME_MS_MAX || span.end_ms > TIME_MS_MAX || span.start_ms >= span.end_ms) {
        return false;
    }
    return slices->window->kind == EXEC_WINDOWED ||
           (span.end_ms - span.start_ms == slices->slice_ms &&
            exec_window_floor(span.start_ms, slices->window->offset_ms, slices->slice_ms) == span.start_ms);
}

static bool load_value(struct exec_slices *slices, struct exec_window_span span, uint32_t set, struct exec_reader *key,
                       struct exec_reader *value)
{
    uint32_t at = exec__slices_need(slices, span.start_ms, span.end_ms);

    if (at == slices->count) {
        return false;
    }
    slices->items[at].is_saved = true;
    if (set >= exec_aggregate_store_tables(slices->items[at].store)) {
        return exec_load_damaged(&slices->group->op);
    }
    return exec_aggregate_store_load(slices->items[at].store, set, key, value);
}

static bool load_state(struct exec_slices *slices, struct exec_window_span span, struct exec_reader *key,
                       struct exec_reader *value)
{
    struct exec_operator *op = &slices->group->op;
    uint32_t              at = exec__slices_need(slices, span.start_ms, span.end_ms);
    struct slice         *slice = &slices->items[at];
    void                 *entry;
    void                 *state;
    bool                  is_new;

    if (at == slices->count || !exec_load_entry(op, slice->table, key, true, &entry, &is_new)) {
        return false;
    }
    slice->is_saved = true;
    state = exec_table_payload(slice->table, entry);
    exec_aggregates_drop(slice->store, state);
    return (exec_aggregates_take(slice->store, value, state) && exec_reader_is_done(value)) || exec_load_damaged(op);
}

bool exec_slices_load(struct exec_slices *slices, uint32_t table, struct exec_reader *key, struct exec_reader *value)
{
    struct exec_window_span span = {0};
    uint32_t                at;

    span.start_ms = exec_reader_i64(key);
    span.end_ms = exec_reader_i64(key);
    if (key->is_bad || !span_is_sound(slices, span)) {
        return exec_load_damaged(&slices->group->op);
    }
    if (table == TABLE_STATES && value != NULL) {
        return load_state(slices, span, key, value);
    }
    if (table >= TABLE_SETS) {
        return load_value(slices, span, table - TABLE_SETS, key, value);
    }
    at = exec__slices_place(slices, span.start_ms, span.end_ms);
    if (table != TABLE_SLICES || value != NULL || !exec_reader_is_done(key) || at == slices->count ||
        slices->items[at].start_ms != span.start_ms || slices->items[at].end_ms != span.end_ms) {
        return exec_load_damaged(&slices->group->op);
    }
    slices->items[at].is_saved = false;
    exec__slices_remove(slices, at);
    return true;
}

bool exec_slices_loaded(struct exec_slices *slices)
{
    for (uint32_t i = 0; i < slices->count; i++) {
        struct exec_table_walk walk = {.table = slices->items[i].table};

        if (!exec_aggregate_store_link(slices->items[i].store, exec_next_state_of_table, &walk)) {
            return false;
        }
    }
    return true;
}
