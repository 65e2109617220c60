/* State of interval joins, as exec_interval_join.c says at its head. */
#include "compute/exec/exec_interval.h"
#include "compute/exec/exec_window.h"

#define TABLE_KEYS 1
#define TABLE_ROWS 2

/* Times that come from disk stay far enough from the ends of what can be counted. */
#define TIME_MS_MAX (INT64_MAX / 4)

void exec__interval_save_scalars(struct exec_operator *op, struct exec_bytes *bytes)
{
    const struct interval_op *interval = (const struct interval_op *)op;

    exec_bytes_put_i64(bytes, interval->time_ms);
    exec_bytes_put_i64(bytes, interval->expired_ms[EXEC_LEFT]);
    exec_bytes_put_i64(bytes, interval->expired_ms[EXEC_RIGHT]);
}

/* The end of time does not last: whoever had it comes to it again. */
bool exec__interval_load_scalars(struct exec_operator *op, struct exec_reader *reader)
{
    struct interval_op *interval = (struct interval_op *)op;

    interval->time_ms = exec_reader_i64(reader);
    interval->expired_ms[EXEC_LEFT] = exec_reader_i64(reader);
    interval->expired_ms[EXEC_RIGHT] = exec_reader_i64(reader);
    if (interval->time_ms == INT64_MAX) {
        interval->time_ms = 0;
        interval->expired_ms[EXEC_LEFT] = 0;
        interval->expired_ms[EXEC_RIGHT] = 0;
    }
    return (interval->time_ms >= 0 && interval->time_ms <= TIME_MS_MAX) || exec_load_damaged(op);
}

static void put_sides(struct exec_operator *op, const struct exec_table *table UNUSED, void *entry,
                      struct exec_bytes *bytes)
{
    for (uint32_t i = 0; i < 2; i++) {
        const struct interval_side *side = exec__interval_side((const struct interval_op *)op, entry, i);

        exec_bytes_put_i64(bytes, side->begin < side->end ? side->items[side->begin]->time : TIME_MS_MAX);
        exec_bytes_put_i64(bytes, side->timer_ms);
    }
}

static bool save_row(struct interval_op *interval, struct exec_save *save, uint32_t side, struct exec_match *match)
{
    exec_save_begin(save);
    exec_bytes_put_u64(&save->key, interval->saved_count++);
    exec_bytes_put_u8(&save->value, (uint8_t)side);
    exec_row_put(&save->value, &interval->join.rows[side], exec_match_row(match));
    return exec_save_write(save, TABLE_ROWS);
}

/* The first of the journal is saved, or it is gone and can go now. */
static void settle(struct interval_op *interval, uint32_t side, struct exec_match *match)
{
    if (match->next == EXEC_ROW_GONE) {
        exec__interval_free_row(interval, side, match);
    } else {
        match->next = NULL;
    }
    exec_journal_drop_first(&interval->journal);
}

static void forget_journal(struct interval_op *interval)
{
    struct exec_match *match;
    uint32_t           side;

    while ((match = exec_journal_first(&interval->journal, &side)) != NULL) {
        settle(interval, side, match);
    }
    exec_journal_clear(&interval->journal, interval->heap);
}

/* The rest of a side. */
static bool save_side(struct interval_op *interval, struct exec_save *save)
{
    const struct interval_side *side = exec__interval_side(interval, interval->saving_entry, interval->saving_side);

    for (; interval->saving_count < side->end - side->begin; interval->saving_count++) {
        struct exec_match *match = side->items[side->begin + interval->saving_count];

        if (!exec_save_has_room(save) || !save_row(interval, save, interval->saving_side, match)) {
            return false;
        }
    }
    interval->saving_count = 0;
    return true;
}

static bool save_all_rows(struct interval_op *interval, struct exec_save *save)
{
    if (interval->saving_entry == NULL) {
        interval->saving_entry = exec_table_next(interval->table, NULL);
    }
    while (interval->saving_entry != NULL) {
        for (; interval->saving_side < 2; interval->saving_side++) {
            if (!save_side(interval, save)) {
                return false;
            }
        }
        interval->saving_side = 0;
        interval->saving_entry = exec_table_next(interval->table, interval->saving_entry);
    }
    return true;
}

/* Goes through the journal: writes what is there and forgets what is gone. */
static bool save_journal(struct interval_op *interval, struct exec_save *save)
{
    struct exec_match *match;
    uint32_t           side;

    while ((match = exec_journal_first(&interval->journal, &side)) != NULL) {
        if (!exec_save_has_room(save)) {
            return false;
        }
        if (match->next == EXEC_ROW_GONE) {
            save->records_left--; /* freeing takes time, too */
        } else if (!save_row(interval, save, side, match)) {
            return false;
        }
        settle(interval, side, match);
    }
    exec_journal_clear(&interval->journal, interval->heap);
    return true;
}

bool exec__interval_save(struct exec_operator *op, struct exec_save *save)
{
    struct interval_op *interval = (struct interval_op *)op;

    if (!exec_save_table(save, TABLE_KEYS, view_text(""), interval->table, put_sides)) {
        return false;
    }
    if (!save->all) {
        return save_journal(interval, save);
    }
    if (!save_all_rows(interval, save)) {
        return false;
    }
    forget_journal(interval);
    return true;
}

static bool load_key(struct interval_op *interval, struct exec_reader *key, struct exec_reader *value)
{
    struct exec_operator *op = &interval->join.op;
    void                 *entry;
    bool                  is_new;

    if (!exec_load_entry(op, interval->table, key, value != NULL, &entry, &is_new)) {
        return false;
    }
    if (entry == NULL) {
        return true; /* came and went in one epoch */
    }
    if (is_new) {
        exec__interval_name_sides(interval, entry);
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct interval_side *side = exec__interval_side(interval, entry, i);
        int64_t               first_ms = value == NULL ? TIME_MS_MAX : exec_reader_i64(value);

        side->timer_ms = value == NULL ? EXEC_TIMER_NONE : exec_reader_i64(value);
        if (first_ms > -TIME_MS_MAX) {
            exec__interval_remove(interval, side, first_ms - 1);
        }
    }
    exec__interval_free_dead(interval);
    if (value == NULL) {
        exec_table_remove(interval->table, entry);
        return true;
    }
    return exec_reader_is_done(value) || exec_load_damaged(op);
}

static bool load_row(struct interval_op *interval, struct exec_reader *key, struct exec_reader *value)
{
    struct exec_operator   *op = &interval->join.op;
    const struct exec_join *spec = &op->node->join;
    uint64_t                number = exec_reader_u64(key);
    uint8_t                 side = exec_reader_u8(value);
    struct exec_join_rows   rows;
    const struct vec       *times;

    if (side > 1 || !exec_reader_is_done(key) || !exec_join_take(&interval->join, side, value, &rows) ||
        !exec_reader_is_done(value)) {
        return exec_load_damaged(op);
    }
    interval->saved_count = number + 1;
    times = &rows.chunk.columns[side == EXEC_LEFT ? spec->left_time : spec->right_time];
    if (exec_window_times(times, &rows.chunk, interval->times_us, interval->nulls) ||
        !exec_table_find(interval->table, interval->join.vecs, &rows.chunk, interval->join.hashes, false,
                         interval->entries, NULL) ||
        interval->entries[0] == NULL) {
        return exec_load_damaged(op);
    }
    return exec__interval_insert(interval, exec__interval_side(interval, interval->entries[0], side),
                                 exec_join_loaded(&interval->join, &rows, side, 0),
                                 exec_floor_div(interval->times_us[0], 1000)) != NULL;
}

bool exec__interval_load(struct exec_operator *op, uint32_t table, struct exec_reader *key, struct exec_reader *value)
{
    struct interval_op *interval = (struct interval_op *)op;

    if (table == TABLE_KEYS) {
        return load_key(interval, key, value);
    }
    return table == TABLE_ROWS && value != NULL ? load_row(interval, key, value) : exec_load_damaged(op);
}

bool exec__interval_loaded(struct exec_operator *op)
{
    struct interval_op *interval = (struct interval_op *)op;

    for (void *entry = NULL; (entry = exec_table_next(interval->table, entry)) != NULL;) {
        for (uint32_t i = 0; i < 2; i++) {
            struct interval_side *side = exec__interval_side(interval, entry, i);

            if (side->timer_ms == EXEC_TIMER_NONE && side->begin < side->end) {
                return exec_load_damaged(op); /* rows that nothing would end */
            }
            if (side->timer_ms != EXEC_TIMER_NONE && !exec_timers_add(&interval->timers, side->timer_ms, side)) {
                return false;
            }
        }
    }
    exec_table_saved(interval->table);
    return true;
}
