/* JOIN: inner, of everything with everything: rows of both inputs are kept, for ever or for a time.
 *
 * A row that comes is paired with the other side's rows of its key, in the order of their arrival, then kept. Rows with
 * a null in the key match nothing and are not kept.
 *
 * Time to live, in processing time (Flink: OnCreateAndWrite, NeverReturnExpired): a row is forgotten state_ttl_ms after
 * it came. All have the same life, so they die in the order of arrival, per side and per key, too: a queue of keys says
 * whose oldest row is next.
 *
 * A row with many partners is paired with some of them and then with the rest in later steps, when emissions come in
 * pieces (exec_hold.h): the rest of its chunk is copied and waits here.
 *
 * Saved are the rows as they come, in the order of their arrival, with the time when they came. A row that died is not
 * said to have gone: the clock, which is saved before, says so. */
#include "compute/exec/exec_join.h"
#include "compute/exec/exec_hold.h"
#include "compute/exec/exec_journal.h"
#include "compute/exec/exec_state.h"

#include "core/base/check.h"

#define MORTALS_MIN 1024

#define TABLE_ROWS 1
#define COPY_BLOCK ((size_t)64 * KIB)
#define PIECES_FREE \
    8 /* a chunk is copied when its pairs fill more pieces than these: rows with a partner each do not */

/* A kept row that will die: the oldest of its entry and side by then. match->time is when it came. */
struct mortal {
    void              *entry;
    struct exec_match *match;
    uint32_t           side;
};

struct regular_op {
    struct exec_join_op  join;
    struct exec_multimap map;
    void                *entries[VEC_ROWS_MAX];
    /* A ring. */
    struct mortal *mortals;
    size_t         mortal_begin, mortal_count, mortal_capacity;
    /* The rows at hand, their side, and how far they are: in pieces a copy. */
    struct exec_join_rows rows;
    uint32_t              side;
    uint32_t              at;
    struct exec_match    *at_match;   /* with row `at`, which is begun; NULL: not begun */
    uint32_t              pairs_free; /* pairs that the chunk may make before they count as long */
    struct arena          copies;
    size_t                charged_bytes;
    /* What was not saved so far. */
    bool                keeps_changes;
    struct exec_journal journal;
    uint64_t            saved_count; /* rows that were ever saved: each has a key of its own */
    /* Of a save of all: what was written last, how many mortals were. */
    struct exec_multimap_place saving;
    size_t                     saving_mortals;
};

static bool join_open(struct exec_operator *op)
{
    struct regular_op *regular = (struct regular_op *)op;

    regular->keeps_changes = exec__keeps_changes(op);
    if (!exec_join_open(&regular->join)) {
        return false;
    }
    return exec_multimap_init(&regular->map, op, &regular->join.key, &regular->join.rows[EXEC_LEFT],
                              &regular->join.rows[EXEC_RIGHT]);
}

static void forget_copies(struct regular_op *regular)
{
    exec__release(&regular->join.op, regular->charged_bytes);
    regular->charged_bytes = 0;
    arena_reset(&regular->copies);
}

static void join_close(struct exec_operator *op)
{
    struct regular_op *regular = (struct regular_op *)op;

    exec_multimap_deinit(&regular->map);
    if (regular->copies.block_bytes > 0) {
        forget_copies(regular);
        arena_deinit(&regular->copies);
    }
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

static bool note_mortal(struct regular_op *regular, void *entry, uint32_t side, struct exec_match *match)
{
    size_t at;

    if (regular->join.op.node->join.state_ttl_ms == 0) {
        return true;
    }
    if (regular->mortal_count == regular->mortal_capacity && !grow_mortals(regular)) {
        return false;
    }
    at = (regular->mortal_begin + regular->mortal_count) % regular->mortal_capacity;
    regular->mortals[at] = (struct mortal){.entry = entry, .match = match, .side = side};
    regular->mortal_count++;
    return true;
}

static void bury(struct regular_op *regular, int64_t now_ms)
{
    int64_t ttl_ms = regular->join.op.node->join.state_ttl_ms;

    while (regular->mortal_count > 0) {
        const struct mortal *mortal = &regular->mortals[regular->mortal_begin];

        if (now_ms - mortal->match->time < ttl_ms) {
            break;
        }
        exec_journal_drop(&regular->journal, mortal->match);
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

/* NULL: the heap is spent. */
static struct exec_match *keep_row(struct regular_op *regular, uint32_t side, void *entry, const void *loaded,
                                   int64_t came_ms)
{
    struct exec_match *match = exec_multimap_append(&regular->map, entry, side, loaded, came_ms);

    return match != NULL && note_mortal(regular, entry, side, match) ? match : NULL;
}

/* Pairs the row at hand; *out_done false: with some. */
static bool pair_row(struct regular_op *regular, bool *out_done)
{
    size_t row = vec_chunk_row(&regular->rows.chunk, regular->at);

    if (regular->at_match == NULL) {
        regular->at_match =
            exec_multimap_matches(&regular->map, regular->entries[regular->at], 1 - regular->side)->first;
    }
    *out_done = false;
    for (; regular->at_match != NULL; regular->at_match = regular->at_match->next) {
        if (regular->pairs_free > 0) {
            regular->pairs_free--;
        } else if (exec__fire_has_room(&regular->join.op)) {
            exec__fire_spend(&regular->join.op, 1);
        } else {
            return true;
        }
        if (!exec_join_add(&regular->join, row, exec_match_row(regular->at_match))) {
            return false;
        }
    }
    *out_done = true;
    return true;
}

static bool join_row(struct regular_op *regular, int64_t now_ms, bool *out_done)
{
    struct exec_match *match;

    if (!pair_row(regular, out_done)) {
        return false;
    }
    if (!*out_done) {
        return true;
    }
    match = keep_row(regular, regular->side, regular->entries[regular->at],
                     exec_join_loaded(&regular->join, &regular->rows, regular->side, regular->at), now_ms);
    return match != NULL &&
           (!regular->keeps_changes || exec_journal_add(&regular->journal, regular->map.heap, match, regular->side));
}

/* The rows at hand, from where they are; *out_done false: there is no room for all. */
static bool join_rows(struct regular_op *regular, bool *out_done)
{
    int64_t now_ms = exec__now_ms(&regular->join.op);

    *out_done = true;
    exec_join_begin(&regular->join, regular->side, &regular->rows.chunk);
    for (; regular->at < regular->rows.chunk.selected_count; regular->at++) {
        if (!join_row(regular, now_ms, out_done)) {
            return false;
        }
        if (!*out_done) {
            break;
        }
    }
    return exec_join_send(&regular->join);
}

/* The chunk is gone when the call returns: what is left of it is read from a copy. Entries stay what they are. */
static bool copy_rows(struct regular_op *regular)
{
    struct vec_chunk copy;

    if (regular->copies.block_bytes == 0) {
        arena_init(&regular->copies, MEM_COMPUTE, COPY_BLOCK, SIZE_MAX);
    }
    copy = vec_chunk_copy(&regular->copies, &regular->rows.chunk);
    if (!exec__charge(&regular->join.op, regular->copies.bytes_total)) {
        return false;
    }
    regular->charged_bytes = regular->copies.bytes_total;
    regular->rows = exec_join_read(&regular->join, regular->side, &copy);
    return true;
}

/* The rest of the copied rows. */
static bool join_fire(struct exec_operator *op)
{
    struct regular_op *regular = (struct regular_op *)op;
    bool               done;

    if (!join_rows(regular, &done)) {
        return false;
    }
    op->is_firing = !done;
    if (done) {
        forget_copies(regular);
    }
    return true;
}

static bool join_push(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct regular_op *regular = (struct regular_op *)op;
    bool               done;

    bury(regular, exec__now_ms(op));
    regular->rows = exec_join_read(&regular->join, input, chunk);
    regular->side = input;
    regular->at = 0;
    regular->at_match = NULL;
    regular->pairs_free = PIECES_FREE * op->worker->job->options.piece_rows;
    if (!exec_table_find(regular->map.table, regular->join.vecs, &regular->rows.chunk, regular->join.hashes, true,
                         regular->entries, NULL) ||
        !join_rows(regular, &done)) {
        return false;
    }
    return done || (copy_rows(regular) && exec__fire(op));
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

static bool save_row(struct regular_op *regular, struct exec_save *save, uint32_t side, struct exec_match *match)
{
    exec_save_begin(save);
    exec_bytes_put_u64(&save->key, regular->saved_count++);
    exec_bytes_put_u8(&save->value, (uint8_t)side);
    exec_bytes_put_i64(&save->value, match->time);
    exec_row_put(&save->value, &regular->join.rows[side], exec_match_row(match));
    return exec_save_write(save, TABLE_ROWS);
}

static bool save_entries(struct regular_op *regular, struct exec_save *save)
{
    for (;;) {
        struct exec_multimap_place place = regular->saving;

        while (place.entry == NULL || !exec_multimap_next(&regular->map, &place)) {
            place = (struct exec_multimap_place){.entry = exec_table_next(regular->map.table, place.entry)};
            if (place.entry == NULL) {
                return true;
            }
        }
        if (!exec_save_has_room(save) || !save_row(regular, save, place.side, place.match)) {
            return false;
        }
        regular->saving = place;
    }
}

/* Those that will die in the order in which they will. */
static bool save_mortals(struct regular_op *regular, struct exec_save *save)
{
    for (; regular->saving_mortals < regular->mortal_count; regular->saving_mortals++) {
        size_t               at = (regular->mortal_begin + regular->saving_mortals) % regular->mortal_capacity;
        const struct mortal *mortal = &regular->mortals[at];

        if (!exec_save_has_room(save) || !save_row(regular, save, mortal->side, mortal->match)) {
            return false;
        }
    }
    return true;
}

static bool save_journal(struct regular_op *regular, struct exec_save *save)
{
    struct exec_match *match;
    uint32_t           side;

    for (; (match = exec_journal_first(&regular->journal, &side)) != NULL; exec_journal_drop_first(&regular->journal)) {
        if (!exec_save_has_room(save) || !save_row(regular, save, side, match)) {
            return false;
        }
    }
    return true;
}

static bool join_save(struct exec_operator *op, struct exec_save *save)
{
    struct regular_op *regular = (struct regular_op *)op;
    bool               is_mortal = op->node->join.state_ttl_ms > 0;

    if (!save->all ? !save_journal(regular, save)
                   : !(is_mortal ? save_mortals(regular, save) : save_entries(regular, save))) {
        return false;
    }
    exec_journal_clear(&regular->journal, regular->map.heap);
    regular->saving = (struct exec_multimap_place){0};
    regular->saving_mortals = 0;
    return true;
}

static bool join_load(struct exec_operator *op, uint32_t table, struct exec_reader *key, struct exec_reader *value)
{
    struct regular_op    *regular = (struct regular_op *)op;
    uint64_t              number = exec_reader_u64(key);
    uint8_t               side = value == NULL ? UINT8_MAX : exec_reader_u8(value);
    int64_t               came_ms = value == NULL ? 0 : exec_reader_i64(value);
    struct exec_join_rows rows;

    if (table != TABLE_ROWS || side > 1 || came_ms < 0 || !exec_reader_is_done(key) ||
        !exec_join_take(&regular->join, side, value, &rows) || !exec_reader_is_done(value)) {
        return exec_load_damaged(op);
    }
    bury(regular, came_ms);
    regular->saved_count = number + 1;
    return exec_table_find(regular->map.table, regular->join.vecs, &rows.chunk, regular->join.hashes, true,
                           regular->entries, NULL) &&
           keep_row(regular, side, regular->entries[0], exec_join_loaded(&regular->join, &rows, side, 0), came_ms) !=
               NULL;
}

const struct exec_operator_class exec__join_class = {
    .name = "Join",
    .bytes = sizeof(struct regular_op),
    .open = join_open,
    .push = join_push,
    .time = join_time,
    .fire = join_fire,
    .close = join_close,
    .save = join_save,
    .load = join_load,
};
