/* exec_interval.h: what the files of the interval join share: exec_interval_join.c joins, exec_interval_state.c saves.
 */
#ifndef MILLRACE_EXEC_INTERVAL_H
#define MILLRACE_EXEC_INTERVAL_H

#include "compute/exec/exec_join.h"
#include "compute/exec/exec_journal.h"
#include "compute/exec/exec_state.h"
#include "compute/exec/exec_timers.h"

#define EXEC_TIMER_NONE INT64_MIN

/* In place of a kept row's next: it was not saved so far; it expired before it was, and the journal still names it. */
#define EXEC_ROW_FRESH ((struct exec_match *)(uintptr_t)1)
#define EXEC_ROW_GONE  ((struct exec_match *)(uintptr_t)2)

/* The rows of a side of a key, by (time, arrival). */
struct interval_side {
    void               *entry;
    struct exec_match **items; /* begin .. end - 1 */
    uint32_t            begin, end, capacity;
    uint32_t            side;
    int64_t             timer_ms; /* EXEC_TIMER_NONE: there is none */
};

struct interval_key {
    struct interval_side sides[2];
};

struct interval_op {
    struct exec_join_op join;
    struct exec_heap   *heap;
    struct exec_table  *table;
    struct exec_timers  timers;
    int64_t             reach_ms[2];
    int64_t             expired_ms[2];
    int64_t             time_ms; /* the operator's */
    struct exec_match  *dead[2]; /* gone, but pairs of this call may still show them */
    bool                keeps_changes;
    struct exec_journal journal;
    uint64_t            saved_count; /* rows that were ever saved: each has a key of its own */
    /* The rows at hand, their side, and how far they are: in pieces a copy. */
    struct exec_join_rows rows;
    uint32_t              side;
    uint32_t              at;
    uint32_t              at_item; /* of the other side, if is_pairing: row `at` is begun */
    bool                  is_pairing;
    uint32_t              pairs_free; /* pairs that the chunk may make before they count as long */
    struct arena          copies;
    size_t                charged_bytes;
    bool                  is_new[VEC_ROWS_MAX];
    /* Of a save of all: how far it is. */
    void    *saving_entry;
    uint32_t saving_side, saving_count;
    int64_t  times_us[VEC_ROWS_MAX];
    bool     nulls[VEC_ROWS_MAX];
    void    *entries[VEC_ROWS_MAX];
};

static inline struct interval_side *exec__interval_side(const struct interval_op *interval, void *entry, uint32_t side)
{
    return &((struct interval_key *)exec_table_payload(interval->table, entry))->sides[side];
}

/* A row that is kept, in its place by (time, arrival). NULL: the heap is spent. */
struct exec_match *exec__interval_insert(struct interval_op *interval, struct interval_side *side, const void *loaded,
                                         int64_t time_ms);
/* Rows up to a time go, those that the journal names when it is gone through. */
void exec__interval_remove(struct interval_op *interval, struct interval_side *side, int64_t time_ms);
void exec__interval_free_row(struct interval_op *interval, uint32_t side, struct exec_match *match);
void exec__interval_free_dead(struct interval_op *interval);
/* A new entry's sides. */
void exec__interval_name_sides(struct interval_op *interval, void *entry);

/* exec_interval_state.c */
void exec__interval_save_scalars(struct exec_operator *op, struct exec_bytes *bytes);
bool exec__interval_load_scalars(struct exec_operator *op, struct exec_reader *reader);
bool exec__interval_save(struct exec_operator *op, struct exec_save *save);
bool exec__interval_load(struct exec_operator *op, uint32_t table, struct exec_reader *key, struct exec_reader *value);
bool exec__interval_loaded(struct exec_operator *op);

#endif
