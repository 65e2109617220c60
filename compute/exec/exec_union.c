/* UNION ALL: rows pass as they are; watermarks are combined by default. */
#include "compute/exec/exec_internal.h"

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    return exec__emit(op, chunk);
}

const struct exec_operator_class exec__union_class = {
    .name = "union",
    .bytes = sizeof(struct exec_operator),
    .push = push,
};
