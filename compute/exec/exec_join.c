/* JOIN: inner, of everything with everything: rows of both inputs are kept, for ever or for a time.
 *
 * A row that comes is paired with the other side's rows of its key, in the order of their arrival, then kept. Rows with
 * a null in the key match nothing and are not kept.
 *
 * Time to live, in processing time (Flink: OnCreateAndWrite, NeverReturnExpired): a row is forgotten state_ttl_ms after
 * it came. All have the same life, so they die in the order of arrival, per side and per key, too: a queue of keys says
 * whose oldest row is next. */
#include "compute/exec/exec_join.h"

#include "core/base/check.h"

#define MORTALS_MIN 1024

/* A kept row that will die: the oldest of its entry and side by then. */
struct mortal {
    void    *entry;
    int64_t  came_ms;
    uint32_t side;
};

struct regular_op {
    struct exec_join_op  join;
    struct exec_multimap map;
    void                *entries[VEC_ROWS_MAX];
    /* A ring. */
    struct mortal *mortals;
    size_t         mortal_begin, mortal_count, mortal_capacity;
};

static bool join_open(struct exec_operator *op)
{
    struct regular_op *regular = (struct regular_op *)op;

    if (!exec_join_open(&regular->join)) {
        return false;
    }
    return exec_multimap_init(&regular->map, op, &regular->join.key, &regular->join.rows[EXEC_LEFT],
                              &regular->join.rows[EXEC_RIGHT]);
}

static void join_close(struct exec_operator *op)
{
    struct regular_op *regular = (struct regular_op *)op;

    exec_multimap_deinit(&regular->map);
    exec_join_close(&regular->join);
}

/* --- time to live --------------------------------------------------------------------------------------------------
 */

static bool grow_mortals(struct regular_op *regular)
{
    size_t         capacity = MAX(MORTALS_MIN, 2 * regular->mortal_capacity);
    struct mortal *mortals = exec_heap_take(regular->map.heap, capacity * sizeof(*mortals));

    if (mortals == NULL) {
        return false;
    }
    for (size_t i = 0; i < regular->mortal_count; i++) {
        mortals[i] = regular->mortals[(regular->mortal_begin + i) % regular->mortal_capacity];
    }
    if (regular->mortals != NULL) {
        exec_heap_give(regular->map.heap, regular->mortals, regular->mortal_capacity * sizeof(*mortals));
    }
    regular->mortals = mortals;
    regular->mortal_begin = 0;
    regular->mortal_capacity = capacity;
    return true;
}

static bool note_mortal(struct regular_op *regular, void *entry, uint32_t side, int64_t now_ms)
{
    size_t at;

    if (regular->join.op.node->join.state_ttl_ms == 0) {
        return true;
    }
    if (regular->mortal_count == regular->mortal_capacity && !grow_mortals(regular)) {
        return false;
    }
    at = (regular->mortal_begin + regular->mortal_count) % regular->mortal_capacity;
    regular->mortals[at] = (struct mortal){.entry = entry, .came_ms = now_ms, .side = side};
    regular->mortal_count++;
    return true;
}

static void bury(struct regular_op *regular, int64_t now_ms)
{
    int64_t ttl_ms = regular->join.op.node->join.state_ttl_ms;

    while (regular->mortal_count > 0) {
        const struct mortal *mortal = &regular->mortals[regular->mortal_begin];

        if (now_ms - mortal->came_ms < ttl_ms) {
            break;
        }
        exec_multimap_drop_first(&regular->map, mortal->entry, mortal->side);
        regular->mortal_begin = (regular->mortal_begin + 1) % regular->mortal_capacity;
        regular->mortal_count--;
    }
}

static bool join_time(struct exec_operator *op, int64_t now_ms)
{
    bury((struct regular_op *)op, now_ms);
    return true;
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

static bool join_row(struct regular_op *regular, uint32_t side, const struct exec_join_rows *rows, uint32_t i,
                     int64_t now_ms)
{
    void              *entry = regular->entries[i];
    struct exec_match *match = exec_multimap_matches(&regular->map, entry, 1 - side)->first;

    for (; match != NULL; match = match->next) {
        if (!exec_join_add(&regular->join, vec_chunk_row(&rows->chunk, i), exec_match_row(match))) {
            return false;
        }
    }
    return exec_multimap_append(&regular->map, entry, side, exec_join_loaded(&regular->join, rows, side, i), 0) !=
               NULL &&
           note_mortal(regular, entry, side, now_ms);
}

static bool join_push(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct regular_op    *regular = (struct regular_op *)op;
    int64_t               now_ms = exec__now_ms(op);
    struct exec_join_rows rows;

    bury(regular, now_ms);
    rows = exec_join_read(&regular->join, input, chunk);
    if (!exec_table_find(regular->map.table, regular->join.vecs, &rows.chunk, regular->join.hashes, true,
                         regular->entries, NULL)) {
        return false;
    }
    exec_join_begin(&regular->join, input, &rows.chunk);
    for (uint32_t i = 0; i < rows.chunk.selected_count; i++) {
        if (!join_row(regular, input, &rows, i, now_ms)) {
            return false;
        }
    }
    return exec_join_send(&regular->join);
}

const struct exec_operator_class exec__join_class = {
    .name = "Join",
    .bytes = sizeof(struct regular_op),
    .open = join_open,
    .push = join_push,
    .time = join_time,
    .close = join_close,
};
