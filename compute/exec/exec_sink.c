/* SINK: hands rows to the driver. */
#include "compute/exec/exec_worker.h"

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    const struct exec_sink_ops *ops = &op->worker->job->options.sink;
    char                        message[EXEC_MESSAGE_BYTES / 2] = "the sink does not say why";

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
