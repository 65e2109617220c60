/* LIMIT: the first rows that come; the plan brings them to one worker. */
#include "compute/exec/exec_internal.h"

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

const struct exec_operator_class exec__limit_class = {
    .name = "limit",
    .bytes = sizeof(struct limit),
    .push = push,
};
