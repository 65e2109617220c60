/* Jobs: what the workers of one run share: the plan, the budget, the failure, the rings. */
#include <stdarg.h>
#include <stdio.h>

#include "compute/exec/exec_worker.h"

/* exec_worker.c */
struct exec_worker *exec__worker_create(struct exec_job *job, uint32_t index);
void                exec__worker_destroy(struct exec_worker *worker);

static struct exec_ring **ring_at(struct exec_job *job, uint32_t node, uint32_t sender, uint32_t receiver)
{
    uint32_t count = job->options.worker_count;

    return &job->rings[((size_t)node * count + sender) * count + receiver];
}

/* A worker does not send to itself. */
static void rings_create(struct exec_job *job)
{
    uint32_t count = job->options.worker_count;

    job->rings = mem_alloc(MEM_COMPUTE, (size_t)job->plan->node_count * count * count * sizeof(struct exec_ring *));
    for (uint32_t node = 0; node < job->plan->node_count && count > 1; node++) {
        if (job->plan->nodes[node]->kind != EXEC_EXCHANGE) {
            continue;
        }
        for (uint32_t i = 0; i < count * count; i++) {
            if (i / count != i % count) {
                *ring_at(job, node, i / count, i % count) = exec_ring_create(job->options.ring_slots);
            }
        }
    }
}

struct exec_job *exec_job_create(const struct exec_plan *plan, const struct exec_options *options)
{
    struct exec_job *job = mem_alloc(MEM_COMPUTE, sizeof(*job));
    bool             opened;

    CHECK(options->worker_count >= 1 && options->worker_count <= EXEC_WORKERS_MAX);
    CHECK(options->rows_max <= VEC_ROWS_MAX);
    job->plan = plan;
    job->options = *options;
    job->options.rows_max = options->rows_max == 0 ? VEC_ROWS_MAX : options->rows_max;
    job->options.ring_slots = options->ring_slots == 0 ? EXEC_RING_SLOTS_DEFAULT : options->ring_slots;
    job->options.memory_bytes_max = options->memory_bytes_max == 0 ? EXEC_MEMORY_DEFAULT : options->memory_bytes_max;
    rings_create(job);
    job->workers = mem_alloc(MEM_COMPUTE, options->worker_count * sizeof(*job->workers));
    opened = true;
    for (uint32_t i = 0; i < options->worker_count && opened; i++) {
        job->workers[i] = exec__worker_create(job, i);
        opened = job->workers[i] != NULL;
    }
    if (!opened) {
        exec_job_destroy(job);
        return NULL;
    }
    return job;
}

void exec_job_destroy(struct exec_job *job)
{
    size_t ring_count;

    if (job == NULL) {
        return;
    }
    ring_count = (size_t)job->plan->node_count * job->options.worker_count * job->options.worker_count;
    for (uint32_t i = 0; i < job->options.worker_count; i++) {
        exec__worker_destroy(job->workers[i]);
    }
    for (size_t i = 0; i < ring_count; i++) {
        if (job->rings[i] != NULL) {
            exec_ring_destroy(job->rings[i]);
        }
    }
    mem_free(MEM_COMPUTE, job->rings);
    mem_free(MEM_COMPUTE, job->workers);
    mem_free(MEM_COMPUTE, job);
}

struct exec_worker *exec_job_worker(struct exec_job *job, uint32_t index)
{
    CHECK(index < job->options.worker_count);
    return job->workers[index];
}

/* --- failure ---------------------------------------------------------------------------------------------------------
 */

const struct exec_failure *exec_job_failure(const struct exec_job *job)
{
    return __atomic_load_n(&job->failed, __ATOMIC_ACQUIRE) == EXEC_HAS_FAILED ? &job->failure : NULL;
}

void exec__job_fail(struct exec_job *job, const struct exec_failure *failure)
{
    uint32_t expected = EXEC_NOT_FAILED;

    if (__atomic_compare_exchange_n(&job->failed, &expected, EXEC_FAILING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        job->failure = *failure;
        __atomic_store_n(&job->failed, EXEC_HAS_FAILED, __ATOMIC_RELEASE);
    }
}

void exec_job_fail(struct exec_job *job, const char *message)
{
    struct exec_failure failure = {.node = EXEC_NO_COLUMN};

    (void)snprintf(failure.message, sizeof(failure.message), "%s", message);
    exec__job_fail(job, &failure);
}

/* The pushed row that an operator's input row is, where its numbers are still the pushed chunk's. */
static void note_row(const struct exec_operator *op, size_t row, struct exec_failure *failure)
{
    const struct exec_opening *opening = op->worker->pushing;

    if (op->is_positional && opening != NULL) {
        failure->has_row = true;
        failure->scan = opening->scan;
        failure->partition = opening->partition;
        failure->row = (uint32_t)row;
    }
}

static void format_message(const struct exec_operator *op, struct exec_failure *failure, const char *format,
                           va_list arguments)
{
    int used = snprintf(failure->message, sizeof(failure->message), "%s: ", exec_node_kind_name(op->node->kind));

    (void)vsnprintf(failure->message + used, sizeof(failure->message) - (size_t)used, format, arguments);
}

bool exec__fail(struct exec_operator *op, const char *format, ...)
{
    struct exec_failure failure = {.node = op->node->id};
    va_list             arguments;

    va_start(arguments, format);
    format_message(op, &failure, format, arguments);
    va_end(arguments);
    exec__job_fail(op->worker->job, &failure);
    return false;
}

bool exec__fail_row(struct exec_operator *op, size_t row, const char *format, ...)
{
    struct exec_failure failure = {.node = op->node->id};
    va_list             arguments;

    note_row(op, row, &failure);
    va_start(arguments, format);
    format_message(op, &failure, format, arguments);
    va_end(arguments);
    exec__job_fail(op->worker->job, &failure);
    return false;
}

bool exec__fail_expr(struct exec_operator *op, const struct expr_program *program)
{
    const struct expr_failure *reason = expr_program_failure(program);
    const struct exec_node    *input = op->node->input_count > 0 ? op->node->inputs[0] : NULL;
    char                       text[EXEC_MESSAGE_BYTES / 2] = "";

    if (reason->expr != NULL) {
        (void)expr_format(reason->expr, input == NULL ? NULL : input->columns, input == NULL ? 0 : input->column_count,
                          text, sizeof(text));
    }
    return exec__fail_row(op, reason->row, "%.*s, in %s", EXEC_MESSAGE_BYTES / 3, reason->message, text);
}

/* --- the budget ------------------------------------------------------------------------------------------------------
 */

bool exec__charge(struct exec_operator *op, size_t bytes)
{
    struct exec_job *job = op->worker->job;
    uint64_t         before = __atomic_fetch_add(&job->memory_bytes, bytes, __ATOMIC_RELAXED);

    if (before + bytes > job->options.memory_bytes_max) {
        (void)__atomic_fetch_sub(&job->memory_bytes, bytes, __ATOMIC_RELAXED);
        return exec__fail(op,
                          "the state of the job outgrew its budget of %" PRIu64 " MiB; here %" PRIu64
                          " rows of state take %" PRIu64 " MiB on worker %u",
                          job->options.memory_bytes_max / MIB, op->stats.state_rows, op->stats.state_bytes / MIB,
                          op->worker->index);
    }
    exec__count(&op->stats.state_bytes, bytes);
    return true;
}

void exec__release(struct exec_operator *op, size_t bytes)
{
    (void)__atomic_fetch_sub(&op->worker->job->memory_bytes, bytes, __ATOMIC_RELAXED);
    exec__count(&op->stats.state_bytes, (uint64_t)0 - bytes);
}

uint64_t exec_job_memory_bytes(const struct exec_job *job)
{
    return __atomic_load_n(&job->memory_bytes, __ATOMIC_RELAXED);
}

void exec__count_state_rows(struct exec_operator *op, int64_t rows)
{
    exec__count(&op->stats.state_rows, (uint64_t)rows);
}

void exec__count_late(struct exec_operator *op, uint64_t rows)
{
    exec__count(&op->stats.late_rows, rows);
}

static uint64_t read_count(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void exec_job_stats(const struct exec_job *job, uint32_t node, struct exec_stats *out_stats)
{
    CHECK(node < job->plan->node_count);
    *out_stats = (struct exec_stats){.watermark_us = EXEC_WATERMARK_END};
    for (uint32_t i = 0; i < job->options.worker_count; i++) {
        const struct exec_operator *op = job->workers[i]->ops[node];

        if (op == NULL) { /* an exchange that is not there */
            exec_job_stats(job, job->plan->nodes[node]->inputs[0]->id, out_stats);
            out_stats->rows_in = out_stats->rows_out;
            out_stats->late_rows = out_stats->state_rows = out_stats->state_bytes = 0;
            return;
        }
        out_stats->rows_in += read_count(&op->stats.rows_in);
        out_stats->rows_out += read_count(&op->stats.rows_out);
        out_stats->late_rows += read_count(&op->stats.late_rows);
        out_stats->state_rows += read_count(&op->stats.state_rows);
        out_stats->state_bytes += read_count(&op->stats.state_bytes);
        out_stats->watermark_us =
            MIN(out_stats->watermark_us, __atomic_load_n(&op->stats.watermark_us, __ATOMIC_RELAXED));
    }
}
