/* RANK: the frame of all ways, and BEST: the best rows of a key, sorted.
 *
 * A row that comes is put behind those that are equal to it (Flink's append-only Top-N: the first come ranks first),
 * unless the node keeps the last of equals. When the key is full, a row not better than the worst is refused at once:
 * the usual case.
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
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

#define ARENA_BLOCK_BYTES   (32 * KIB)
#define SCRATCH_BLOCK_BYTES (256 * KIB)
#define CAPACITY_FIRST      4

/* In a key's entry. */
struct best_key {
    struct exec_rank_row **rows; /* the best first */
    struct exec_rank_row **shown;
    void                  *next_dirty;
    int64_t                written_ms;
    uint32_t               count, capacity, shown_count;
    bool                   is_dirty;
};

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

/* --- shared with exec_rank_first.c ---------------------------------------------------------------------------------
 */

const uint8_t *exec_rank_read(struct exec_rank_op *rank, const struct vec_chunk *chunk)
{
    const struct exec_node *node = rank->op.node;
    uint8_t                *loaded;

    arena_reset(&rank->loading);
    loaded = need(arena_alloc_array(&rank->loading, chunk->selected_count, rank->row.row_bytes));
    for (uint32_t c = 0; c < rank->row.column_count; c++) {
        rank->vecs[c] = &chunk->columns[c];
    }
    exec_rows_load(&rank->row, rank->vecs, chunk, &rank->loading, loaded);
    for (uint32_t k = 0; k < node->rank.key_count; k++) {
        rank->vecs[k] = &chunk->columns[node->rank.keys[k]];
        vec_hash(rank->vecs[k], chunk, rank->hashes, k > 0);
    }
    if (!exec_table_find(rank->table, rank->vecs, chunk, rank->hashes, true, rank->entries, rank->is_new)) {
        return NULL;
    }
    return loaded;
}

struct exec_rank_row *exec_rank_keep(struct exec_rank_op *rank, const void *loaded)
{
    struct exec_rank_row *row = exec_heap_take(rank->heap, sizeof(*row) + rank->row.row_bytes);

    if (row == NULL) {
        return NULL;
    }
    *row = (struct exec_rank_row){0};
    memcpy(row + 1, loaded, rank->row.row_bytes);
    if (rank->row.text_count > 0 && !exec_row_keep(&rank->row, rank->heap, row + 1)) {
        exec_heap_give(rank->heap, row, sizeof(*row) + rank->row.row_bytes);
        return NULL;
    }
    return row;
}

void exec_rank_free(struct exec_rank_op *rank, struct exec_rank_row *row)
{
    exec_row_drop(&rank->row, rank->heap, row + 1);
    exec_heap_give(rank->heap, row, sizeof(*row) + rank->row.row_bytes);
}

bool exec_rank_send(struct exec_rank_op *rank)
{
    struct exec_rank_output *output = &rank->output;
    const struct exec_node  *node = rank->op.node;
    uint32_t                 input_count = rank->row.column_count;
    struct vec_chunk         chunk = {
                .row_count = output->count, .selected_count = output->count, .column_count = node->column_count};

    if (output->count > 0) {
        arena_reset(&output->arena);
        chunk.columns = need(arena_alloc_array(&output->arena, node->column_count, sizeof(*chunk.columns)));
        exec_rows_read(&rank->row, output->rows, output->count, 0, input_count, &output->arena, chunk.columns);
        if (node->rank.with_number) {
            chunk.columns[input_count] = vec_make(&output->arena, node->columns[input_count].type);
            memcpy(chunk.columns[input_count].data, output->numbers, output->count * sizeof(output->numbers[0]));
        }
        chunk.changes = node->changes == EXEC_APPEND_ONLY ? NULL : output->changes;
        output->count = 0;
        if (!exec__emit(&rank->op, &chunk)) {
            return false;
        }
    }
    while (output->leaving != NULL) {
        struct exec_rank_row *row = output->leaving;

        output->leaving = row->next;
        exec_rank_free(rank, row);
    }
    return true;
}

bool exec_rank_add(struct exec_rank_op *rank, const void *row, enum vec_change change, uint64_t number)
{
    struct exec_rank_output *output = &rank->output;
    /* An UPDATE_AFTER stands beside its UPDATE_BEFORE. */
    uint32_t reserve = change == VEC_UPDATE_BEFORE ? 1 : 0;

    if (output->count + reserve >= MAX(exec__rows_max(&rank->op), 2)) {
        if (!exec_rank_send(rank)) {
            return false;
        }
        exec__pause(&rank->op);
    }
    output->rows[output->count] = row;
    output->changes[output->count] = (uint8_t)change;
    output->numbers[output->count] = (int64_t)number;
    output->count++;
    return true;
}

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

/* --- BEST: rows in -------------------------------------------------------------------------------------------------
 */

static struct best_key *key_of(const struct exec_rank_op *rank, void *entry)
{
    return exec_table_payload(rank->table, entry);
}

/* Sets aside what was shown, before the first change since. */
static bool make_dirty(struct exec_rank_op *rank, void *entry)
{
    struct best_key *key = key_of(rank, entry);

    if (key->is_dirty) {
        return true;
    }
    if (key->count > 0) {
        key->shown = exec_heap_take(rank->heap, key->count * sizeof(struct exec_rank_row *));
        if (key->shown == NULL) {
            return false;
        }
        memcpy(key->shown, key->rows, key->count * sizeof(struct exec_rank_row *));
    }
    key->shown_count = key->count;
    key->is_dirty = true;
    key->next_dirty = rank->dirty;
    rank->dirty = entry;
    return true;
}

static bool make_room(struct exec_rank_op *rank, struct best_key *key)
{
    uint32_t               capacity;
    struct exec_rank_row **rows;

    if (key->count < key->capacity) {
        return true;
    }
    capacity = key->capacity == 0 ? CAPACITY_FIRST : 2 * key->capacity;
    capacity = (uint32_t)MIN((uint64_t)capacity, rank->op.node->rank.last);
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
    if (row == NULL || !make_dirty(rank, entry) || !make_room(rank, key)) {
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

static bool best_push(struct exec_rank_op *rank, const struct vec_chunk *chunk)
{
    int64_t        now_ms = exec__now_ms(&rank->op);
    const uint8_t *loaded = exec_rank_read(rank, chunk);

    if (loaded == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        struct best_key *key = key_of(rank, rank->entries[i]);

        if (UNLIKELY(has_died(rank, key, now_ms))) {
            clear_key(rank, key);
        }
        if (!take_row(rank, rank->entries[i], loaded + (size_t)i * rank->row.row_bytes, now_ms)) {
            return false;
        }
    }
    return true;
}

/* --- BEST: changes out ---------------------------------------------------------------------------------------------
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
    if (key->shown != NULL) {
        exec_heap_give(rank->heap, key->shown, key->shown_count * sizeof(struct exec_rank_row *));
    }
    for (uint32_t i = 0; i < key->count; i++) {
        key->rows[i]->is_shown = true;
    }
    key->shown = NULL;
    key->shown_count = 0;
    key->is_dirty = false;
}

static bool best_flush(struct exec_rank_op *rank)
{
    const struct exec_rank *spec = &rank->op.node->rank;
    bool                    by_number = spec->with_number || spec->last == spec->first;
    void                   *entry = rank->dirty;
    void                   *ordered = NULL;

    /* The list has the last first. */
    for (void *next; entry != NULL; entry = next) {
        next = key_of(rank, entry)->next_dirty;
        key_of(rank, entry)->next_dirty = ordered;
        ordered = entry;
    }
    rank->dirty = NULL;
    for (; ordered != NULL; ordered = key_of(rank, ordered)->next_dirty) {
        struct best_key *key = key_of(rank, ordered);

        if (by_number ? !send_by_number(rank, key) : !send_as_set(rank, key)) {
            return false;
        }
        make_clean(rank, key);
    }
    return exec_rank_send(rank);
}

static void best_sweep(struct exec_rank_op *rank, int64_t now_ms)
{
    for (void *entry = exec_table_next(rank->table, NULL), *next; entry != NULL; entry = next) {
        struct best_key *key = key_of(rank, entry);

        next = exec_table_next(rank->table, entry);
        if (has_died(rank, key, now_ms)) {
            clear_key(rank, key);
            exec_heap_give(rank->heap, key->rows, key->capacity * sizeof(struct exec_rank_row *));
            exec_table_remove(rank->table, entry);
        }
    }
}

/* --- the operator --------------------------------------------------------------------------------------------------
 */

static void choose_way(struct exec_rank_op *rank)
{
    const struct exec_node *node = rank->op.node;
    const struct exec_rank *spec = &node->rank;
    bool                    descending = spec->order_count > 0 && spec->orders[0].descending;
    bool                    final = node->changes == EXEC_APPEND_ONLY;

    rank->way = EXEC_RANK_BEST;
    if (spec->is_processing_time && (final || (spec->order_count > 0 && !descending))) {
        rank->way = EXEC_RANK_FIRST_COME;
    } else if (spec->is_deduplication && final) {
        rank->way = EXEC_RANK_FIRST_IN_TIME;
    }
    rank->newest_first = spec->is_processing_time;
    rank->newer_wins = spec->is_deduplication && descending;
}

static bool orders_fit(struct exec_rank_op *rank)
{
    const struct exec_node *node = rank->op.node;

    for (uint32_t i = 0; i < node->rank.order_count; i++) {
        const struct vec_field *field = &node->inputs[0]->columns[node->rank.orders[i].column];

        if (field->type.kind == VEC_ROW || field->type.kind == VEC_ARRAY || field->type.kind == VEC_NULL) {
            return exec__fail(&rank->op, "cannot order by column '%.*s': its values have no order",
                              (int)field->name.len, (const char *)field->name.base);
        }
    }
    return true;
}

static void make_layouts(struct exec_rank_op *rank)
{
    const struct exec_node *node = rank->op.node;
    const struct exec_node *input = node->inputs[0];
    uint32_t                columns_max = MAX(input->column_count, node->rank.key_count);
    struct vec_type        *types = need(arena_alloc_array(&rank->arena, MAX(columns_max, 1), sizeof(*types)));

    for (uint32_t k = 0; k < node->rank.key_count; k++) {
        types[k] = input->columns[node->rank.keys[k]].type;
    }
    rank->key = exec_layout_make(&rank->arena, types, node->rank.key_count);
    for (uint32_t c = 0; c < input->column_count; c++) {
        types[c] = input->columns[c].type;
    }
    rank->row = exec_layout_make(&rank->arena, types, input->column_count);
    rank->vecs = need(arena_alloc_array(&rank->arena, MAX(columns_max, 1), sizeof(*rank->vecs)));
}

static bool rank_open(struct exec_operator *op)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    CHECK(op->node->rank.first >= 1 && op->node->rank.last >= op->node->rank.first);
    CHECK(op->node->rank.last <= UINT32_MAX / 2);
    arena_init(&rank->arena, MEM_COMPUTE, ARENA_BLOCK_BYTES, SIZE_MAX);
    arena_init(&rank->loading, MEM_COMPUTE, SCRATCH_BLOCK_BYTES, SIZE_MAX);
    arena_init(&rank->output.arena, MEM_COMPUTE, SCRATCH_BLOCK_BYTES, SIZE_MAX);
    make_layouts(rank);
    rank->hashes = need(arena_alloc_array(&rank->arena, VEC_ROWS_MAX, sizeof(*rank->hashes)));
    rank->entries = need(arena_alloc_array(&rank->arena, VEC_ROWS_MAX, sizeof(*rank->entries)));
    rank->is_new = need(arena_alloc_array(&rank->arena, VEC_ROWS_MAX, sizeof(*rank->is_new)));
    rank->watermark_ms = EXEC_PROGRESS_NONE;
    choose_way(rank);
    rank->heap = exec_heap_create(op);
    if (rank->heap == NULL) {
        return false;
    }
    rank->table = exec_table_create(rank->heap, &rank->key,
                                    rank->way == EXEC_RANK_BEST ? sizeof(struct best_key) : exec_rank_first_bytes());
    exec_timers_init(&rank->timers, rank->heap);
    return rank->table != NULL && orders_fit(rank);
}

static void rank_close(struct exec_operator *op)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    exec_heap_destroy(rank->heap);
    arena_deinit(&rank->output.arena);
    arena_deinit(&rank->loading);
    arena_deinit(&rank->arena);
}

static bool rank_push(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    (void)input;
    switch (rank->way) {
    case EXEC_RANK_FIRST_COME:
        return exec_rank_come_push(rank, chunk);
    case EXEC_RANK_FIRST_IN_TIME:
        return exec_rank_time_push(rank, chunk);
    case EXEC_RANK_BEST:
    default:
        return best_push(rank, chunk);
    }
}

static bool rank_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;
    int64_t              lowest_us;

    if (!exec__combine_watermark(op, input, watermark_us, &lowest_us)) {
        return true;
    }
    if (rank->way == EXEC_RANK_FIRST_IN_TIME && !exec_rank_time_advance(rank, exec_window_progress(lowest_us))) {
        return false;
    }
    return exec__emit_watermark(op, lowest_us);
}

static bool rank_flush(struct exec_operator *op)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;

    return rank->way != EXEC_RANK_BEST || best_flush(rank);
}

/* Going through all keys is only worth it now and then. */
static bool rank_time(struct exec_operator *op, int64_t now_ms)
{
    struct exec_rank_op *rank = (struct exec_rank_op *)op;
    int64_t              ttl_ms = op->node->rank.state_ttl_ms;

    if (ttl_ms == 0 || now_ms - rank->swept_ms < ttl_ms) {
        return true;
    }
    rank->swept_ms = now_ms;
    if (rank->way == EXEC_RANK_BEST) {
        best_sweep(rank, now_ms);
    } else {
        exec_rank_first_sweep(rank, now_ms);
    }
    return true;
}

const struct exec_operator_class exec__rank_class = {
    .name = "Rank",
    .bytes = sizeof(struct exec_rank_op),
    .open = rank_open,
    .push = rank_push,
    .watermark = rank_watermark,
    .flush = rank_flush,
    .time = rank_time,
    .close = rank_close,
};
