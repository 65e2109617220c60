/* Barriers: the end of an epoch travels through a worker's operators in the order of rows.
 *
 * An operator has seen it when all of its inputs have: then nothing of the epoch can come to it any more, what it holds
 * back is flushed, and its users are told. Nothing of the next epoch can come either: the driver pushes nothing, and
 * exchanges read nothing before all operators of the worker have seen it. So no operator needs to line up its inputs.
 */
#include "compute/exec/exec_hold.h"

bool exec__pass_barrier(struct exec_operator *op)
{
    op->worker->barrier_count++;
    for (uint32_t i = 0; i < op->user_count; i++) {
        if (!exec__deliver_barrier(op->users[i].op)) {
            return false;
        }
    }
    return true;
}

/* What is held back goes first. Much of it goes in pieces, by later steps. */
static bool flush_and_pass(struct exec_operator *op)
{
    if (!exec__flush(op, 1)) {
        return false;
    }
    if (op->owes) {
        op->owes_barrier = true;
        op->worker->owing_barrier++;
        return true;
    }
    return op->node->kind == EXEC_EXCHANGE ? exec__exchange_barrier(op) : exec__pass_barrier(op);
}

bool exec__deliver_barrier(struct exec_operator *op)
{
    if (UNLIKELY(op->is_holding)) {
        return exec__hold_barrier(op);
    }
    CHECK(op->worker->in_barrier && op->barriers_seen < MAX(op->node->input_count, 1));
    op->barriers_seen++;
    if (op->barriers_seen < op->node->input_count) {
        return true;
    }
    return flush_and_pass(op);
}

bool exec__barrier_flush(struct exec_worker *worker, bool *out_did)
{
    if (LIKELY(worker->owing_barrier == 0)) {
        return true;
    }
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        struct exec_operator *op = worker->ops[i];

        if (op != NULL && op->owes_barrier) {
            op->owes_barrier = false;
            worker->owing_barrier--;
            *out_did = true;
            return flush_and_pass(op);
        }
    }
    return true;
}

/* The state of the barrier is that of the next before the driver hears of it: it may go on from inside the callback. */
void exec__barrier_check(struct exec_worker *worker)
{
    const struct exec_options *options = &worker->job->options;

    if (!worker->in_barrier || worker->barrier_count < worker->op_count || exec__job_failed(worker->job)) {
        return;
    }
    CHECK(worker->holding_count == 0); /* whoever held has seen the barrier behind what it held */
    worker->in_barrier = false;
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        struct exec_operator *op = worker->ops[i];

        if (op == NULL) {
            continue;
        }
        op->barriers_seen = 0;
        if (op->node->kind == EXEC_EXCHANGE) {
            exec__exchange_barrier_done(op);
        }
    }
    options->barrier(options->barrier_context, worker->index, worker->barrier_epoch);
}

bool exec_worker_barrier(struct exec_worker *worker, int64_t epoch)
{
    CHECK(worker->is_opened && !worker->in_barrier && !worker->is_saving && worker->job->options.barrier != NULL);
    if (exec__job_failed(worker->job)) {
        return false;
    }
    worker->in_barrier = true;
    worker->flush_node = 0;
    worker->barrier_epoch = epoch;
    worker->barrier_count = 0;
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        struct exec_operator *op = worker->ops[i];

        if (op != NULL && op->node->input_count == 0 && !exec__deliver_barrier(op)) {
            return false;
        }
    }
    exec__barrier_check(worker);
    return true;
}
