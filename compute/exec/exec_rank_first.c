/* Ranks whose rows are final when they go out: append-only. */
#include "compute/exec/exec_hold.h"
#include "compute/exec/exec_rank.h"
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

/* In a key's entry. */
struct first_key {
    uint64_t              sent;    /* rows that went out */
    int64_t               sent_ms; /* the last of them, in processing time */
    struct exec_rank_row *waiting; /* FIRST_IN_TIME: the least by now */
    int64_t               waiting_ms;
    uint64_t              timers; /* that name the entry */
};

size_t exec_rank_first_bytes(void)
{
    return sizeof(struct first_key);
}

static struct first_key *key_of(const struct exec_rank_op *rank, void *entry)
{
    return exec_table_payload(rank->table, entry);
}

/* Has the key's time to live passed since it sent something? */
static bool has_died(const struct exec_rank_op *rank, const struct first_key *key, int64_t now_ms)
{
    int64_t ttl_ms = rank->op.node->rank.state_ttl_ms;

    return ttl_ms > 0 && key->sent > 0 && now_ms - key->sent_ms >= ttl_ms;
}

void exec_rank_first_sweep(struct exec_rank_op *rank, int64_t now_ms)
{
    for (void *entry = exec_table_next(rank->table, NULL), *next; entry != NULL; entry = next) {
        const struct first_key *key = key_of(rank, entry);

        next = exec_table_next(rank->table, entry);
        if (has_died(rank, key, now_ms) && key->timers == 0) {
            exec_table_remove(rank->table, entry);
        }
    }
}

/* --- FIRST_COME ----------------------------------------------------------------------------------------------------
 */

/* Shows the rows of the chunk that are first, with their numbers, as they stand there. */
static bool send_rows(struct exec_rank_op *rank, const struct vec_chunk *chunk, const uint16_t *rows, uint32_t count,
                      const int64_t *numbers)
{
    const struct exec_node *node = rank->op.node;
    struct vec_chunk        out = *chunk;

    arena_reset(&rank->output.arena);
    out.selection = rows;
    out.selected_count = count;
    if (node->rank.with_number) {
        struct vec *columns = arena_alloc_array(&rank->output.arena, node->column_count, sizeof(*columns));
        uint32_t    last = node->column_count - 1;

        CHECK(columns != NULL);
        memcpy(columns, chunk->columns, last * sizeof(*columns));
        columns[last] = vec_make(&rank->output.arena, node->columns[last].type);
        memcpy(columns[last].data, numbers, chunk->row_count * sizeof(*numbers));
        out.columns = columns;
        out.column_count = node->column_count;
    }
    return exec__emit(&rank->op, &out);
}

bool exec_rank_come_push(struct exec_rank_op *rank, const struct vec_chunk *chunk)
{
    const struct exec_rank *spec = &rank->op.node->rank;
    int64_t                 now_ms = exec__now_ms(&rank->op);
    uint16_t                rows[VEC_ROWS_MAX];
    int64_t                 numbers[VEC_ROWS_MAX] = {0}; /* by row */
    uint32_t                count = 0;

    if (!exec_rank_find(rank, chunk)) {
        return false;
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        struct first_key *key = key_of(rank, rank->entries[i]);
        size_t            row = vec_chunk_row(chunk, i);

        if (has_died(rank, key, now_ms)) {
            key->sent = 0;
        }
        if (key->sent == spec->last) {
            continue;
        }
        key->sent++;
        key->sent_ms = now_ms;
        exec_table_touch(rank->table, rank->entries[i]);
        if (key->sent >= spec->first) {
            rows[count++] = (uint16_t)row;
            numbers[row] = (int64_t)key->sent;
        }
    }
    return send_rows(rank, chunk, rows, count, numbers);
}

/* --- FIRST_IN_TIME -------------------------------------------------------------------------------------------------
 */

static bool consider(struct exec_rank_op *rank, void *entry, const void *loaded, int64_t time_ms, int64_t now_ms)
{
    struct first_key     *key = key_of(rank, entry);
    struct exec_rank_row *row;

    if (has_died(rank, key, now_ms)) {
        key->sent = 0;
    }
    if (key->sent > 0 || (key->waiting != NULL && time_ms >= key->waiting_ms)) {
        return true;
    }
    row = exec_rank_keep(rank, loaded);
    if (row == NULL || !exec_timers_add(&rank->timers, time_ms, entry)) {
        return false;
    }
    if (key->waiting != NULL) {
        exec_rank_free(rank, key->waiting);
    }
    key->timers++;
    key->waiting = row;
    key->waiting_ms = time_ms;
    exec_table_touch(rank->table, entry);
    return true;
}

bool exec_rank_time_push(struct exec_rank_op *rank, const struct vec_chunk *chunk)
{
    uint32_t       time_column = rank->op.node->rank.orders[0].column;
    int64_t        now_ms = exec__now_ms(&rank->op);
    const uint8_t *loaded;
    int64_t        times_us[VEC_ROWS_MAX];
    bool           nulls[VEC_ROWS_MAX];

    if (!exec_rank_find(rank, chunk)) {
        return false;
    }
    loaded = exec_rank_load(rank, chunk);
    (void)exec_window_times(&chunk->columns[time_column], chunk, times_us, nulls);
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        int64_t time_ms = exec_floor_div(times_us[i], 1000);

        if (time_ms < rank->watermark_ms) {
            exec__count_late(&rank->op, 1);
        } else if (!consider(rank, rank->entries[i], loaded + (size_t)i * rank->row.row_bytes, time_ms, now_ms)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        if (rank->is_new[i] && key_of(rank, rank->entries[i])->waiting == NULL) {
            exec_table_remove(rank->table, rank->entries[i]);
        }
    }
    return true;
}

bool exec_rank_time_fire(struct exec_rank_op *rank, bool *out_done)
{
    const struct exec_timer *timer;
    int64_t                  now_ms = exec__now_ms(&rank->op);

    *out_done = false;
    while ((timer = exec_timers_first(&rank->timers)) != NULL && timer->time <= rank->watermark_ms) {
        struct first_key *key = key_of(rank, timer->owner);

        if (!exec__fire_has_room(&rank->op)) {
            return exec_rank_send(rank);
        }
        exec__fire_spend(&rank->op, 1);
        key->timers--;
        if (key->waiting != NULL && key->waiting_ms == timer->time) {
            if (!exec_rank_add(rank, exec_rank_row_of(key->waiting), VEC_INSERT, 1)) {
                return false;
            }
            exec_rank_leave(rank, key->waiting);
            key->waiting = NULL;
            key->sent = 1;
            key->sent_ms = now_ms;
            exec_table_touch(rank->table, timer->owner);
        }
        exec_timers_drop_first(&rank->timers);
    }
    *out_done = true;
    return exec_rank_send(rank);
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

void exec_rank_first_put(const struct exec_rank_op *rank, void *entry, struct exec_bytes *bytes)
{
    const struct first_key *key = key_of(rank, entry);

    exec_bytes_put_u64(bytes, key->sent);
    exec_bytes_put_i64(bytes, key->sent_ms);
    exec_bytes_put_u8(bytes, key->waiting != NULL);
    if (key->waiting != NULL) {
        exec_bytes_put_i64(bytes, key->waiting_ms);
        exec_row_put(bytes, &rank->row, exec_rank_row_of(key->waiting));
    }
}

bool exec_rank_first_take(struct exec_rank_op *rank, void *entry, struct exec_reader *reader)
{
    struct first_key *key = key_of(rank, entry);

    key->sent = exec_reader_u64(reader);
    key->sent_ms = exec_reader_i64(reader);
    if (key->sent > rank->op.node->rank.last) {
        return false;
    }
    if (exec_reader_u8(reader) == 0) {
        return true;
    }
    if (rank->way != EXEC_RANK_FIRST_IN_TIME || key->sent > 0) {
        return false;
    }
    key->waiting_ms = exec_reader_i64(reader);
    key->waiting = exec_rank_take(rank, reader);
    return key->waiting != NULL;
}

void exec_rank_first_clear(struct exec_rank_op *rank, void *entry)
{
    struct first_key *key = key_of(rank, entry);

    if (key->waiting != NULL) {
        exec_rank_free(rank, key->waiting);
    }
    *key = (struct first_key){0};
}

/* Only the timer that a waiting row goes out by is of use. */
bool exec_rank_first_loaded(struct exec_rank_op *rank)
{
    for (void *entry = NULL; (entry = exec_table_next(rank->table, entry)) != NULL;) {
        struct first_key *key = key_of(rank, entry);

        if (key->waiting != NULL) {
            if (!exec_timers_add(&rank->timers, key->waiting_ms, entry)) {
                return false;
            }
            key->timers = 1;
        }
    }
    return true;
}
