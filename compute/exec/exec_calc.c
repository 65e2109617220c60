/* CALC: a condition, then columns.
 *
 * The condition runs first and alone, and the columns are computed on the rows it leaves: so it guards. Rows stay at
 * their places; only the selection shrinks.
 *
 * Over a changelog the condition is asked of the old and the new row of an update, which stand side by side
 * (UPDATE_BEFORE, UPDATE_AFTER): when only the old one passes, the row is gone: DELETE; when only the new one passes,
 * it is there from now on: INSERT. The planner has the inputs of such a condition emit UPDATE_BEFORE. */
#include "compute/exec/exec_internal.h"

struct calc {
    struct exec_operator op;
    struct expr_program *condition; /* or NULL */
    struct expr_program *exprs;
    struct vec          *columns;
    uint16_t            *rows;
    uint8_t             *changes; /* by row, when the condition changes them */
};

static bool open(struct exec_operator *op)
{
    struct calc            *calc = CONTAINER_OF(op, struct calc, op);
    const struct exec_calc *plan = &op->node->calc;

    if (plan->condition != NULL) {
        struct expr *condition = (struct expr *)(uintptr_t)plan->condition;

        calc->condition = expr_program_create(&condition, 1);
        calc->rows = exec__alloc(op, VEC_ROWS_MAX * sizeof(*calc->rows));
        calc->changes = exec__alloc(op, VEC_ROWS_MAX);
    }
    calc->exprs = expr_program_create(plan->exprs, op->node->column_count);
    calc->columns = exec__alloc(op, op->node->column_count * sizeof(*calc->columns));
    return true;
}

static void close(struct exec_operator *op)
{
    struct calc *calc = CONTAINER_OF(op, struct calc, op);

    expr_program_destroy(calc->condition);
    expr_program_destroy(calc->exprs);
}

/* An update whose old and new row are both there. */
static bool is_pair(const struct vec_chunk *chunk, uint32_t i)
{
    return i + 1 < chunk->selected_count && vec_chunk_change(chunk, vec_chunk_row(chunk, i)) == VEC_UPDATE_BEFORE &&
           vec_chunk_change(chunk, vec_chunk_row(chunk, i + 1)) == VEC_UPDATE_AFTER;
}

/* passed: the first `count` of calc->rows, ascending. Rewrites changes where one half of an update passed. */
static void settle_updates(struct calc *calc, const struct vec_chunk *chunk, uint32_t count)
{
    uint32_t at = 0; /* in calc->rows */

    memcpy(calc->changes, chunk->changes, chunk->row_count);
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);
        bool   passed = at < count && calc->rows[at] == row;

        at += passed;
        if (is_pair(chunk, i)) {
            size_t next = vec_chunk_row(chunk, i + 1);
            bool   next_passed = at < count && calc->rows[at] == next;

            at += next_passed;
            i++;
            if (passed && !next_passed) {
                calc->changes[row] = VEC_DELETE;
            } else if (!passed && next_passed) {
                calc->changes[next] = VEC_INSERT;
            }
        }
    }
}

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    struct calc     *calc = CONTAINER_OF(op, struct calc, op);
    struct vec_chunk left = *chunk;

    if (calc->condition != NULL) {
        expr_program_set_now_ms(calc->condition, exec__now_ms(op));
        if (!expr_program_filter(calc->condition, chunk, calc->rows, &left.selected_count)) {
            return exec__fail_expr(op, calc->condition);
        }
        left.selection = calc->rows;
        if (chunk->changes != NULL) {
            settle_updates(calc, chunk, left.selected_count);
            left.changes = calc->changes;
        }
        if (left.selected_count == 0) {
            return true;
        }
    }
    expr_program_set_now_ms(calc->exprs, exec__now_ms(op));
    if (!expr_program_run(calc->exprs, &left, calc->columns)) {
        return exec__fail_expr(op, calc->exprs);
    }
    left.column_count = op->node->column_count;
    left.columns = calc->columns;
    return exec__emit(op, &left);
}

const struct exec_operator_class exec__calc_class = {
    .name = "calc",
    .bytes = sizeof(struct calc),
    .open = open,
    .push = push,
    .close = close,
};
