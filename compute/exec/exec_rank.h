/* exec_rank.h: Top-N and deduplication over append-only input, in three ways:
 *
 *   BEST          the best `last` rows of a key by the order, kept sorted; changes go out by flush() as the difference
 *                 to what was shown before (exec_rank_best.c)
 *   FIRST_COME    ORDER BY processing time: the first rows of a key are final, and go out at once (exec_rank_first.c)
 *   FIRST_IN_TIME the row of the least event time of a key, out when the watermark reaches that time and it is final
 *                 (exec_rank_first.c; Flink from 2.1 on: RowTimeDeduplicateKeepFirstRowFunction)
 *
 * The plan's changes say which of BEST and FIRST_IN_TIME it is: an append-only node cannot take back what it showed. */
#ifndef MILLRACE_EXEC_RANK_H
#define MILLRACE_EXEC_RANK_H

#include "compute/exec/exec_state.h"
#include "compute/exec/exec_timers.h"

enum exec_rank_way { EXEC_RANK_BEST, EXEC_RANK_FIRST_COME, EXEC_RANK_FIRST_IN_TIME };

/* A kept row; the row itself follows. */
struct exec_rank_row {
    struct exec_rank_row *next;     /* leaving */
    bool                  is_best;  /* among the best of its key */
    bool                  is_shown; /* was, when changes went out last */
    bool                  is_marked;
} __attribute__((aligned(16)));

static inline const void *exec_rank_row_of(const struct exec_rank_row *row)
{
    return row + 1;
}

/* Rows on their way out. */
struct exec_rank_output {
    struct arena          arena;
    uint32_t              count;
    const void           *rows[VEC_ROWS_MAX];
    uint8_t               changes[VEC_ROWS_MAX];
    int64_t               numbers[VEC_ROWS_MAX];
    struct exec_rank_row *leaving; /* free when what is here is sent */
};

struct exec_rank_op {
    struct exec_operator    op;
    enum exec_rank_way      way;
    bool                    newer_wins;   /* between equals: deduplication that keeps the last row */
    bool                    newest_first; /* by arrival alone */
    struct arena            arena;        /* as long as the operator */
    struct arena            loading;      /* rows of the chunk at hand */
    struct exec_layout      key, row;
    struct exec_heap       *heap;
    struct exec_table      *table;
    struct exec_timers      timers; /* FIRST_IN_TIME: entries */
    int64_t                 watermark_ms;
    int64_t                 passing_on_us;                         /* behind the last row that it fires */
    void                  **dirty;                                 /* BEST: entries that changed since the last flush */
    size_t                  dirty_at, dirty_count, dirty_capacity; /* at: the flush is so far */
    int64_t                 swept_ms;
    const struct vec      **vecs;
    uint64_t               *hashes;
    void                  **entries;
    bool                   *is_new;
    struct exec_rank_output output;
};

/* The keys of the chunk's selected rows: entries, is_new. False: the heap is spent. */
MUST_USE bool exec_rank_find(struct exec_rank_op *rank, const struct vec_chunk *chunk);
/* The selected rows, loaded: the i-th at the result + i * row.row_bytes. */
const uint8_t *exec_rank_load(struct exec_rank_op *rank, const struct vec_chunk *chunk);
/* NULL: the heap is spent. */
struct exec_rank_row *exec_rank_keep(struct exec_rank_op *rank, const void *loaded);
void                  exec_rank_free(struct exec_rank_op *rank, struct exec_rank_row *row);
/* A row out of a record. NULL: damaged, or the heap is spent. */
struct exec_rank_row *exec_rank_take(struct exec_rank_op *rank, struct exec_reader *reader);
/* Frees a row after the next sending: rows that were added must stay until then. */
static inline void exec_rank_leave(struct exec_rank_op *rank, struct exec_rank_row *row)
{
    row->next = rank->output.leaving;
    rank->output.leaving = row;
}
/* May send. */
MUST_USE bool exec_rank_add(struct exec_rank_op *rank, const void *row, enum vec_change change, uint64_t number);
MUST_USE bool exec_rank_send(struct exec_rank_op *rank);

/* BEST. */
size_t        exec_rank_best_bytes(void); /* of a key's entry */
MUST_USE bool exec_rank_best_push(struct exec_rank_op *rank, const struct vec_chunk *chunk);
MUST_USE bool exec_rank_best_flush(struct exec_rank_op *rank);
void          exec_rank_best_sweep(struct exec_rank_op *rank, int64_t now_ms);
/* A key's entry as bytes, and back into one that may hold something already. */
void          exec_rank_best_put(const struct exec_rank_op *rank, void *entry, struct exec_bytes *bytes);
MUST_USE bool exec_rank_best_take(struct exec_rank_op *rank, void *entry, struct exec_reader *reader);
/* What the entry owns goes. */
void exec_rank_best_clear(struct exec_rank_op *rank, void *entry);

/* FIRST_COME and FIRST_IN_TIME. */
size_t        exec_rank_first_bytes(void);
MUST_USE bool exec_rank_come_push(struct exec_rank_op *rank, const struct vec_chunk *chunk);
MUST_USE bool exec_rank_time_push(struct exec_rank_op *rank, const struct vec_chunk *chunk);
/* The rows up to watermark_ms, a piece of them (exec_hold.h); *out_done false: there are more. */
MUST_USE bool exec_rank_time_fire(struct exec_rank_op *rank, bool *out_done);
/* Forgets the keys whose time to live is over. */
void          exec_rank_first_sweep(struct exec_rank_op *rank, int64_t now_ms);
void          exec_rank_first_put(const struct exec_rank_op *rank, void *entry, struct exec_bytes *bytes);
MUST_USE bool exec_rank_first_take(struct exec_rank_op *rank, void *entry, struct exec_reader *reader);
void          exec_rank_first_clear(struct exec_rank_op *rank, void *entry);
/* Behind the last record: timers of the rows that wait. */
MUST_USE bool exec_rank_first_loaded(struct exec_rank_op *rank);

#endif
