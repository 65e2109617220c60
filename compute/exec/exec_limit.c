/* LIMIT: the first rows that come; the plan brings them to one worker. */
#include "compute/exec/exec_state.h"

struct limit {
    struct exec_operator op;
    uint64_t             passed;
};

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    struct limit    *limit = CONTAINER_OF(op, struct limit, op);
    uint64_t         left = op->node->limit.row_count - limit->passed;
    struct vec_chunk part = *chunk;

    if (part.selected_count > left) {
        part.selection = chunk->selection == NULL ? exec__identity(op) : chunk->selection;
        part.selected_count = (uint32_t)left;
    }
    limit->passed += part.selected_count;
    return exec__emit(op, &part);
}

static void save_scalars(struct exec_operator *op, struct exec_bytes *bytes)
{
    exec_bytes_put_u64(bytes, CONTAINER_OF(op, struct limit, op)->passed);
}

static bool load_scalars(struct exec_operator *op, struct exec_reader *reader)
{
    struct limit *limit = CONTAINER_OF(op, struct limit, op);

    limit->passed = exec_reader_u64(reader);
    return limit->passed <= op->node->limit.row_count || exec_load_damaged(op);
}

const struct exec_operator_class exec__limit_class = {
    .name = "limit",
    .bytes = sizeof(struct limit),
    .push = push,
    .save_scalars = save_scalars,
    .load_scalars = load_scalars,
};
