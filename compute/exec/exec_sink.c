/* SINK: hands rows to the driver. */
#include "compute/exec/exec_worker.h"

/* A column of the sink is NOT NULL where the rows' may be null: every row is looked at (Flink: the constraint
 * enforcer). */
static bool check_nulls(struct exec_operator *op, const struct vec_chunk *chunk)
{
    const struct exec_node *rows = op->node->inputs[0];

    for (uint32_t i = 0; i < chunk->column_count; i++) {
        if (op->node->columns[i].type.nullable || !rows->columns[i].type.nullable ||
            (chunk->columns[i].validity == NULL && chunk->columns[i].form != VEC_DICTIONARY)) {
            continue;
        }
        for (uint32_t k = 0; k < chunk->selected_count; k++) {
            if (vec_is_null(&chunk->columns[i], vec_chunk_row(chunk, k))) {
                return exec__fail(op,
                                  "column '%.*s' is NOT NULL, and a null is being written into it; SET "
                                  "'table.exec.sink.not-null-enforcer' = 'DROP' leaves such rows out",
                                  (int)op->node->columns[i].name.len, (const char *)op->node->columns[i].name.base);
            }
        }
    }
    return true;
}

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    const struct exec_sink_ops *ops = &op->worker->job->options.sink;
    char                        message[EXEC_MESSAGE_BYTES / 2] = "the sink does not say why";

    if (!check_nulls(op, chunk)) {
        return false;
    }
    exec__count(&op->stats.rows_out, chunk->selected_count);
    if (!ops->write(ops->context, op->worker->index, op->node->sink.sink, chunk, message, sizeof(message))) {
        return exec__fail(op, "%s", message);
    }
    return true;
}

const struct exec_operator_class exec__sink_class = {
    .name = "sink",
    .bytes = sizeof(struct exec_operator),
    .push = push,
};
