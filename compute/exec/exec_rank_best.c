/* BEST: the best rows of a key, sorted.
 *
 * A row that comes is put behind those that are equal to it (Flink's append-only Top-N: the first come ranks first),
 * unless the node keeps the last of equals. When the key is full, a row not better than the worst is refused.
 *
 * Changes are held until flush(). A key that changes first sets aside the list of what was shown; then
 *     with numbers     each number whose row is another: UPDATE_BEFORE and _AFTER, INSERT where there was none
 *     one row per key  the same
 *     else             DELETE for each row that left [first, last], then INSERT for each that came
 * The table that follows from it is Flink's, the number of messages smaller.
 *
 * Time to live is a key's, in processing time, from the last row it took (Flink keeps it per order value: a difference
 * only for keys that go on receiving rows no better than the kept ones). */
#include "compute/exec/exec_rank.h"

#include "core/base/check.h"

#define CAPACITY_FIRST 4
#define DIRTY_FIRST    1024
#define KEYS_AT_ONCE   512 /* in a piece of a flush */
#define PREFETCH_AHEAD 8

/* In a key's entry. */
struct best_key {
    struct exec_rank_row **rows; /* the best first */
    struct exec_rank_row **shown;
    int64_t                written_ms;
    uint32_t               count, capacity, shown_count;
    bool                   is_dirty;
    struct exec_rank_row  *one_row, *one_shown; /* the lists where one row is all there can be */
};

/* --- order ---------------------------------------------------------------------------------------------------------
 */

#define ORDER(type_)                            \
    do {                                        \
        type_ left, right;                      \
        memcpy(&left, a_slot, sizeof(left));    \
        memcpy(&right, b_slot, sizeof(right));  \
        return (left > right) - (left < right); \
    } while (0)

/* Two values that are not null. Flink compares floats with < and >: zeros are equal, and so is NaN to everything. */
static int compare_slots(enum vec_layout layout, const void *a_slot, const void *b_slot)
{
    switch (layout) {
    case VEC_LAYOUT_BOOL:
        ORDER(uint8_t);
    case VEC_LAYOUT_INT8:
        ORDER(int8_t);
    case VEC_LAYOUT_INT16:
        ORDER(int16_t);
    case VEC_LAYOUT_INT32:
        ORDER(int32_t);
    case VEC_LAYOUT_INT64:
        ORDER(int64_t);
    case VEC_LAYOUT_INT128:
        ORDER(vec_int128);
    case VEC_LAYOUT_FLOAT:
        ORDER(float);
    case VEC_LAYOUT_DOUBLE:
        ORDER(double);
    case VEC_LAYOUT_STRING:
        return vec_string_compare(a_slot, b_slot);
    case VEC_LAYOUT_NONE:
    case VEC_LAYOUT_LIST:
    case VEC_LAYOUT_COUNT:
        break;
    }
    CHECK(false);
    return 0;
}

/* <0: a ranks before b. */
static int compare_rows(const struct exec_rank_op *rank, const void *a, const void *b)
{
    const struct exec_rank *spec = &rank->op.node->rank;

    for (uint32_t i = 0; i < spec->order_count; i++) {
        const struct exec_order *order = &spec->orders[i];
        const struct exec_leaf  *leaf = &rank->row.leaves[rank->row.column_leaf[order->column]];
        bool                     a_null = exec_row_is_null(&rank->row, a, order->column);
        bool                     b_null = exec_row_is_null(&rank->row, b, order->column);
        int                      difference;

        if (a_null || b_null) {
            difference = order->nulls_last ? (int)a_null - (int)b_null : (int)b_null - (int)a_null;
        } else {
            difference =
                compare_slots(leaf->layout, (const uint8_t *)a + leaf->offset, (const uint8_t *)b + leaf->offset);
            difference = order->descending ? -difference : difference;
        }
        if (difference != 0) {
            return difference;
        }
    }
    return 0;
}

/* Does a row that comes rank before one that is there? */
static bool goes_before(const struct exec_rank_op *rank, const void *loaded, const struct exec_rank_row *there)
{
    int order;

    if (rank->newest_first) {
        return true;
    }
    order = compare_rows(rank, loaded, exec_rank_row_of(there));
    return order < 0 || (order == 0 && rank->newer_wins);
}

size_t exec_rank_best_bytes(void)
{
    return sizeof(struct best_key);
}

/* --- rows in -------------------------------------------------------------------------------------------------
 */

static struct best_key *key_of(const struct exec_rank_op *rank, void *entry)
{
    return exec_table_payload(rank->table, entry);
}

static bool note_dirty(struct exec_rank_op *rank, void *entry)
{
    if (rank->dirty_count == rank->dirty_capacity) {
        size_t capacity = MAX(DIRTY_FIRST, 2 * rank->dirty_capacity);
        void **dirty = exec_heap_take(rank->heap, capacity * sizeof(*dirty));

        if (dirty == NULL) {
            return false;
        }
        if (rank->dirty_count > 0) {
            memcpy(dirty, rank->dirty, rank->dirty_count * sizeof(*dirty));
            exec_heap_give(rank->heap, rank->dirty, rank->dirty_capacity * sizeof(*dirty));
        }
        rank->dirty = dirty;
        rank->dirty_capacity = capacity;
    }
    rank->dirty[rank->dirty_count++] = entry;
    return true;
}

/* Sets aside what was shown, before the first change since. */
static bool make_dirty(struct exec_rank_op *rank, void *entry)
{
    struct best_key *key = key_of(rank, entry);

    if (key->is_dirty) {
        return true;
    }
    if (!note_dirty(rank, entry)) {
        return false;
    }
    if (key->rows == &key->one_row) {
        key->shown = &key->one_shown;
    } else if (key->count > 0) {
        key->shown = exec_heap_take(rank->heap, key->count * sizeof(struct exec_rank_row *));
        if (key->shown == NULL) {
            return false;
        }
    }
    if (key->count > 0) {
        memcpy(key->shown, key->rows, key->count * sizeof(struct exec_rank_row *));
    }
    key->shown_count = key->count;
    key->is_dirty = true;
    return true;
}

static bool make_room(struct exec_rank_op *rank, struct best_key *key)
{
    uint64_t               last = rank->op.node->rank.last;
    uint32_t               capacity;
    struct exec_rank_row **rows;

    if (key->count < key->capacity || key->count == last) {
        return true;
    }
    if (last == 1) {
        key->rows = &key->one_row;
        key->capacity = 1;
        return true;
    }
    capacity = key->capacity == 0 ? CAPACITY_FIRST : 2 * key->capacity;
    capacity = (uint32_t)MIN((uint64_t)capacity, last);
    rows = exec_heap_take(rank->heap, capacity * sizeof(struct exec_rank_row *));
    if (rows == NULL) {
        return false;
    }
    if (key->capacity > 0) {
        memcpy(rows, key->rows, key->count * sizeof(struct exec_rank_row *));
        exec_heap_give(rank->heap, key->rows, key->capacity * sizeof(struct exec_rank_row *));
    }
    key->rows = rows;
    key->capacity = capacity;
    return true;
}

static void free_rows(struct exec_rank_op *rank, struct best_key *key)
{
    if (key->capacity > 0 && key->rows != &key->one_row) {
        exec_heap_give(rank->heap, key->rows, key->capacity * sizeof(struct exec_rank_row *));
    }
}

static void drop_row(struct exec_rank_op *rank, struct exec_rank_row *row)
{
    row->is_best = false;
    if (!row->is_shown) {
        exec_rank_free(rank, row);
    }
}

/* The whole key, nothing of it waiting to go out. */
static void clear_key(struct exec_rank_op *rank, struct best_key *key)
{
    for (uint32_t i = 0; i < key->count; i++) {
        exec_rank_free(rank, key->rows[i]);
    }
    key->count = 0;
}

static bool has_died(const struct exec_rank_op *rank, const struct best_key *key, int64_t now_ms)
{
    int64_t ttl_ms = rank->op.node->rank.state_ttl_ms;

    return ttl_ms > 0 && !key->is_dirty && key->count > 0 && now_ms - key->written_ms >= ttl_ms;
}

/* The place of a row among those that are there. */
static uint32_t place_of(const struct exec_rank_op *rank, const struct best_key *key, const void *loaded)
{
    uint32_t low = 0;
    uint32_t high = key->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (goes_before(rank, loaded, key->rows[middle])) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static bool take_row(struct exec_rank_op *rank, void *entry, const void *loaded, int64_t now_ms)
{
    struct best_key      *key = key_of(rank, entry);
    bool                  is_full = key->count == rank->op.node->rank.last;
    struct exec_rank_row *row;
    uint32_t              at;

    if (is_full && !goes_before(rank, loaded, key->rows[key->count - 1])) {
        return true;
    }
    row = exec_rank_keep(rank, loaded);
    if (row == NULL || !make_room(rank, key) || !make_dirty(rank, entry)) {
        return false;
    }
    row->is_best = true;
    at = place_of(rank, key, loaded);
    if (is_full) {
        drop_row(rank, key->rows[--key->count]);
    }
    memmove(key->rows + at + 1, key->rows + at, (key->count - at) * sizeof(struct exec_rank_row *));
    key->rows[at] = row;
    key->count++;
    key->written_ms = now_ms;
    return true;
}

/* Is the row worse than the worst of a full key by the first order column already? It is refused without being loaded:
 * the usual case. */
static bool is_refused(const struct exec_rank_op *rank, const struct best_key *key, const struct vec_access *access,
                       size_t row)
{
    const struct exec_rank  *spec = &rank->op.node->rank;
    const struct exec_order *order = &spec->orders[0];
    const struct exec_leaf  *leaf = &rank->row.leaves[rank->row.column_leaf[order->column]];
    const void              *worst;
    int                      difference;

    if (rank->newest_first || key->count < spec->last) {
        return false;
    }
    worst = exec_rank_row_of(key->rows[key->count - 1]);
    if (vec_access_null(access, row) || exec_row_is_null(&rank->row, worst, order->column)) {
        return false;
    }
    difference = compare_slots(
        leaf->layout, (const uint8_t *)access->data + vec_access_at(access, row) * vec_layout_bytes(leaf->layout),
        (const uint8_t *)worst + leaf->offset);
    difference = order->descending ? -difference : difference;
    return difference > 0 || (difference == 0 && spec->order_count == 1 && !rank->newer_wins);
}

/* Leaves the rows of the chunk that may be taken: rows and their entries. */
static uint32_t refuse_rows(struct exec_rank_op *rank, const struct vec_chunk *chunk, uint16_t *rows, int64_t now_ms)
{
    struct vec_access access = {0};
    uint32_t          count = 0;

    if (!rank->newest_first) {
        access = vec_access_of(&chunk->columns[rank->op.node->rank.orders[0].column]);
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        struct best_key *key = key_of(rank, rank->entries[i]);
        size_t           row = vec_chunk_row(chunk, i);

        if (i + PREFETCH_AHEAD < chunk->selected_count) {
            const struct best_key *soon = key_of(rank, rank->entries[i + PREFETCH_AHEAD]);

            __builtin_prefetch(soon->rows == &soon->one_row ? (const void *)soon->one_row : (const void *)soon->rows);
        }
        if (UNLIKELY(has_died(rank, key, now_ms))) {
            clear_key(rank, key);
        }
        if (!is_refused(rank, key, &access, row)) {
            rows[count] = (uint16_t)row;
            rank->entries[count] = rank->entries[i];
            count++;
        }
    }
    return count;
}

bool exec_rank_best_push(struct exec_rank_op *rank, const struct vec_chunk *chunk)
{
    int64_t          now_ms = exec__now_ms(&rank->op);
    struct vec_chunk part = *chunk;
    uint16_t         rows[VEC_ROWS_MAX];
    const uint8_t   *loaded;

    if (!exec_rank_find(rank, chunk)) {
        return false;
    }
    part.selected_count = refuse_rows(rank, chunk, rows, now_ms);
    part.selection = rows;
    loaded = exec_rank_load(rank, &part);
    for (uint32_t i = 0; i < part.selected_count; i++) {
        if (!take_row(rank, rank->entries[i], loaded + (size_t)i * rank->row.row_bytes, now_ms)) {
            return false;
        }
    }
    return true;
}

/* --- changes out ---------------------------------------------------------------------------------------------
 */

/* The row of each number that is another now. */
static bool send_by_number(struct exec_rank_op *rank, const struct best_key *key)
{
    const struct exec_node *node = rank->op.node;

    for (uint64_t number = node->rank.first; number <= key->count; number++) {
        const struct exec_rank_row *row = key->rows[number - 1];
        const struct exec_rank_row *before = number <= key->shown_count ? key->shown[number - 1] : NULL;

        if (row == before) {
            continue;
        }
        if (before != NULL && node->wants_before &&
            !exec_rank_add(rank, exec_rank_row_of(before), VEC_UPDATE_BEFORE, number)) {
            return false;
        }
        if (!exec_rank_add(rank, exec_rank_row_of(row), before == NULL ? VEC_INSERT : VEC_UPDATE_AFTER, number)) {
            return false;
        }
    }
    return true;
}

static void mark(struct exec_rank_row **rows, uint64_t first, uint32_t count, bool is_marked)
{
    for (uint64_t i = first - 1; i < count; i++) {
        rows[i]->is_marked = is_marked;
    }
}

/* Rows that are not marked. */
static bool send_others(struct exec_rank_op *rank, struct exec_rank_row **rows, uint32_t count, enum vec_change change)
{
    for (uint64_t i = rank->op.node->rank.first - 1; i < count; i++) {
        if (!rows[i]->is_marked && !exec_rank_add(rank, exec_rank_row_of(rows[i]), change, i + 1)) {
            return false;
        }
    }
    return true;
}

static bool send_as_set(struct exec_rank_op *rank, struct best_key *key)
{
    uint64_t first = rank->op.node->rank.first;
    bool     fine;

    mark(key->rows, first, key->count, true);
    fine = send_others(rank, key->shown, key->shown_count, VEC_DELETE);
    mark(key->rows, first, key->count, false);
    mark(key->shown, first, key->shown_count, true);
    fine = fine && send_others(rank, key->rows, key->count, VEC_INSERT);
    mark(key->shown, first, key->shown_count, false);
    return fine;
}

/* What is there now is what was shown. */
static void make_clean(struct exec_rank_op *rank, struct best_key *key)
{
    for (uint32_t i = 0; i < key->shown_count; i++) {
        if (!key->shown[i]->is_best) {
            exec_rank_leave(rank, key->shown[i]);
        }
    }
    if (key->shown != NULL && key->shown != &key->one_shown) {
        exec_heap_give(rank->heap, key->shown, key->shown_count * sizeof(struct exec_rank_row *));
    }
    for (uint32_t i = 0; i < key->count; i++) {
        key->rows[i]->is_shown = true;
    }
    key->shown = NULL;
    key->shown_count = 0;
    key->is_dirty = false;
}

/* The rows of a dirty key that is due soon. */
static void prefetch_dirty(const struct exec_rank_op *rank, size_t at)
{
    if (at + 2 * PREFETCH_AHEAD < rank->dirty_count) {
        __builtin_prefetch(key_of(rank, rank->dirty[at + 2 * PREFETCH_AHEAD]));
    }
    if (at + PREFETCH_AHEAD < rank->dirty_count) {
        const struct best_key *key = key_of(rank, rank->dirty[at + PREFETCH_AHEAD]);

        if (key->rows == &key->one_row) {
            __builtin_prefetch(key->one_row);
            __builtin_prefetch(key->one_shown);
        } else {
            __builtin_prefetch(key->rows);
        }
    }
}

bool exec_rank_best_flush(struct exec_rank_op *rank)
{
    const struct exec_rank *spec = &rank->op.node->rank;
    bool                    by_number = spec->with_number || spec->last == spec->first;
    size_t                  end = rank->dirty_at;

    while (rank->dirty_at < rank->dirty_count) {
        void            *entry = rank->dirty[rank->dirty_at];
        struct best_key *key = key_of(rank, entry);

        if (rank->dirty_at == end) {
            if (!exec_rank_send(rank)) {
                return false;
            }
            if (!exec__flush_has_room(&rank->op)) {
                return true;
            }
            end += KEYS_AT_ONCE;
        }
        prefetch_dirty(rank, rank->dirty_at);
        if (by_number ? !send_by_number(rank, key) : !send_as_set(rank, key)) {
            return false;
        }
        make_clean(rank, key);
        exec_table_touch(rank->table, entry); /* every change comes by here before its epoch ends */
        rank->dirty_at++;
    }
    rank->dirty_count = rank->dirty_at = 0;
    return exec_rank_send(rank);
}

void exec_rank_best_sweep(struct exec_rank_op *rank, int64_t now_ms)
{
    for (void *entry = exec_table_next(rank->table, NULL), *next; entry != NULL; entry = next) {
        struct best_key *key = key_of(rank, entry);

        next = exec_table_next(rank->table, entry);
        if (has_died(rank, key, now_ms)) {
            clear_key(rank, key);
            free_rows(rank, key);
            exec_table_remove(rank->table, entry);
        }
    }
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

/* All rows of the key: as many as the query asks for. After a flush, all of them were shown. */
void exec_rank_best_put(const struct exec_rank_op *rank, void *entry, struct exec_bytes *bytes)
{
    const struct best_key *key = key_of(rank, entry);

    CHECK(!key->is_dirty);
    exec_bytes_put_i64(bytes, key->written_ms);
    exec_bytes_put_u32(bytes, key->count);
    for (uint32_t i = 0; i < key->count; i++) {
        exec_row_put(bytes, &rank->row, exec_rank_row_of(key->rows[i]));
    }
}

bool exec_rank_best_take(struct exec_rank_op *rank, void *entry, struct exec_reader *reader)
{
    struct best_key *key = key_of(rank, entry);
    uint32_t         count;

    key->written_ms = exec_reader_i64(reader);
    count = exec_reader_u32(reader);
    if (count > rank->op.node->rank.last) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct exec_rank_row *row = exec_rank_take(rank, reader);

        if (row == NULL) {
            return false;
        }
        if (!make_room(rank, key)) {
            exec_rank_free(rank, row);
            return false;
        }
        row->is_best = true;
        row->is_shown = true;
        key->rows[key->count++] = row;
    }
    return true;
}

void exec_rank_best_clear(struct exec_rank_op *rank, void *entry)
{
    struct best_key *key = key_of(rank, entry);

    clear_key(rank, key);
    free_rows(rank, key);
    *key = (struct best_key){0};
}
