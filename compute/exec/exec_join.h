/* exec_join.h: what the three joins share: reading rows of either input, and pairs on their way out.
 *
 * A pair is a row at hand (of the chunk being pushed) with a kept row of the other side, or two kept rows. Pairs are
 * collected, shown as one chunk (rows at hand by dictionary, kept rows gathered, no text copied), reduced by the
 * condition in one go, and emitted. */
#ifndef MILLRACE_EXEC_JOIN_H
#define MILLRACE_EXEC_JOIN_H

#include "compute/exec/exec_multimap.h"

enum { EXEC_LEFT, EXEC_RIGHT };

struct exec_join_op {
    struct exec_operator op;
    struct arena         arena;   /* as long as the operator */
    struct arena         loading; /* rows of the chunk at hand */
    struct arena         sending; /* the chunk of pairs */
    struct exec_layout   key, rows[2];
    const uint32_t      *keys[2];
    uint32_t             column_counts[2];
    struct expr_program *condition; /* or NULL */
    uint32_t             rows_max;
    const struct vec   **vecs; /* keys or columns of the chunk at hand */
    uint64_t            *hashes;
    uint16_t            *selection;
    /* Pairs to be sent. */
    const struct vec_chunk *at_hand; /* or NULL: both sides are kept */
    uint32_t                at_hand_side;
    uint32_t                pair_count;
    uint16_t               *pair_rows; /* of at_hand */
    const void            **pair_kept[2];
};

/* The rows of a chunk that can match at all: those without a null in their key. */
struct exec_join_rows {
    struct vec_chunk chunk;
    const uint8_t   *loaded; /* row i at loaded + i * rows[side].row_bytes */
};

MUST_USE bool exec_join_open(struct exec_join_op *join);
void          exec_join_close(struct exec_join_op *join);

/* Valid until the next call: the chunk with another selection, its key columns in join->vecs, their hashes. */
struct exec_join_rows exec_join_read(struct exec_join_op *join, uint32_t side, const struct vec_chunk *chunk);

static inline const void *exec_join_loaded(const struct exec_join_op *join, const struct exec_join_rows *rows,
                                           uint32_t side, uint32_t i)
{
    return rows->loaded + (size_t)i * join->rows[side].row_bytes;
}

/* The same for a row of saved state, a chunk of one. False: it is damaged. */
MUST_USE bool exec_join_take(struct exec_join_op *join, uint32_t side, struct exec_reader *reader,
                             struct exec_join_rows *out_rows);

/* Pairs of rows of this chunk follow; NULL: of kept rows. */
void exec_join_begin(struct exec_join_op *join, uint32_t side, const struct vec_chunk *chunk);
/* row: of the chunk. May send. */
MUST_USE bool exec_join_add(struct exec_join_op *join, size_t row, const void *kept);
MUST_USE bool exec_join_add_kept(struct exec_join_op *join, const void *left, const void *right);
MUST_USE bool exec_join_send(struct exec_join_op *join);

#endif
