/* exec_hold.h: long emissions in pieces: what a watermark or the clock fires goes on in later steps, for drivers that
 * may not be away for long (exec_options.piece_rows).
 *
 * An operator that fires asks exec__fire_has_room() before each piece and says with exec__fire_spend() what it did.
 * When there is no room it leaves is_firing set and returns; exec_worker_step() calls its class's fire() until that is
 * clear. In the meantime the operator *holds*: chunks, watermarks, barriers and the end of its inputs wait, in order,
 * and are handed to it behind the last piece, one with each step. So an operator sees what it would see otherwise,
 * later. The copies count against the budget; a driver that steps until the worker is not busy before it pushes again
 * has no more of them than one chunk makes. */
#ifndef MILLRACE_EXEC_HOLD_H
#define MILLRACE_EXEC_HOLD_H

#include "compute/exec/exec_worker.h"

/* Always, when nothing is to come in pieces. */
static inline bool exec__fire_has_room(const struct exec_operator *op)
{
    return op->worker->fire_left > 0 || op->worker->job->options.piece_rows == 0;
}

static inline void exec__fire_spend(struct exec_operator *op, uint32_t rows)
{
    op->worker->fire_left -= MIN(op->worker->fire_left, rows);
}

/* A call of the driver begins. */
static inline void exec__fire_refill(struct exec_worker *worker)
{
    worker->fire_left = worker->job->options.piece_rows;
}

/* How many rows a firing operator puts into a chunk. */
static inline uint32_t exec__fire_rows_max(const struct exec_operator *op)
{
    uint32_t rows_max = exec__rows_max(op);
    uint32_t piece_rows = op->worker->job->options.piece_rows;

    return piece_rows == 0 ? rows_max : MIN(rows_max, piece_rows);
}

/* Begins to fire, or goes on: calls the class's fire(), and holds what comes when it leaves is_firing set. */
MUST_USE bool exec__fire(struct exec_operator *op);

/* --- for exec_emit.c, exec_barrier.c and exec_worker.c -------------------------------------------------------------
 */

MUST_USE bool exec__hold_chunk(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk);
MUST_USE bool exec__hold_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us);
MUST_USE bool exec__hold_finish(struct exec_operator *op);
MUST_USE bool exec__hold_barrier(struct exec_operator *op);
/* The clock goes on: the operator hears of it behind the last piece. */
void exec__hold_time(struct exec_operator *op);
/* A piece of what fires, or one thing that an operator holds. */
MUST_USE bool exec__hold_step(struct exec_worker *worker);
void          exec__hold_free(struct exec_worker *worker);

#endif
