/* Workers: the operators of one thread, wired as the plan says; what drivers call. */
#include "compute/exec/exec_hold.h"

#define WORKER_BLOCK (64 * (size_t)KIB)

struct exec_worker *exec__worker_create(struct exec_job *job, uint32_t index);
void                exec__worker_destroy(struct exec_worker *worker);

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

/* --- wiring ----------------------------------------------------------------------------------------------------------
 */

/* The node whose operator stands where `node` does: one worker has no exchanges. */
static const struct exec_node *real_node(const struct exec_worker *worker, const struct exec_node *node)
{
    while (node->kind == EXEC_EXCHANGE && worker->job->options.worker_count == 1) {
        node = node->inputs[0];
    }
    return node;
}

static struct exec_operator *make_operator(struct exec_worker *worker, const struct exec_node *node)
{
    const struct exec_operator_class *class = exec__class(node->kind);
    struct exec_operator *op = need(arena_alloc(&worker->arena, class->bytes));
    uint32_t count = node->kind == EXEC_EXCHANGE ? worker->job->options.worker_count : MAX(node->input_count, 1);

    op->class = class;
    op->node = node;
    op->worker = worker;
    op->inputs_open = node->input_count;
    op->watermark_inputs = count;
    op->input_watermarks = need(arena_alloc_array(&worker->arena, count, sizeof(int64_t)));
    for (uint32_t i = 0; i < count; i++) {
        op->input_watermarks[i] = EXEC_WATERMARK_NONE;
    }
    op->combined_us = EXEC_WATERMARK_NONE;
    op->watermark_us = EXEC_WATERMARK_NONE;
    op->stats.watermark_us = EXEC_WATERMARK_NONE;
    return op;
}

/* Operators that put out rows at the places where they came in. */
static bool keeps_places(const struct exec_worker *worker, const struct exec_node *node)
{
    node = real_node(worker, node);
    return worker->job->options.verify_seed == 0 &&
           (node->kind == EXEC_SCAN ||
            ((node->kind == EXEC_CALC || node->kind == EXEC_WATERMARK || node->kind == EXEC_UNION) &&
             worker->ops[node->id]->is_positional));
}

static void add_user(struct exec_worker *worker, const struct exec_node *input, struct exec_operator *user,
                     uint32_t place)
{
    struct exec_operator *op = worker->ops[real_node(worker, input)->id];
    struct exec_use      *users = need(arena_alloc_array(&worker->arena, op->user_count + 1, sizeof(*users)));

    for (uint32_t i = 0; i < op->user_count; i++) {
        users[i] = op->users[i];
    }
    users[op->user_count++] = (struct exec_use){.op = user, .input = place};
    op->users = users;
}

static void make_operators(struct exec_worker *worker)
{
    const struct exec_plan *plan = worker->job->plan;

    worker->ops = need(arena_alloc_array(&worker->arena, plan->node_count, sizeof(*worker->ops)));
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct exec_node *node = plan->nodes[i];
        struct exec_operator   *op;

        CHECK(node->id == i);
        if (real_node(worker, node) != node) {
            continue;
        }
        op = make_operator(worker, node);
        worker->ops[i] = op;
        worker->op_count++;
        op->is_positional = true;
        for (uint32_t input = 0; input < node->input_count; input++) {
            CHECK(node->inputs[input]->id < i);
            add_user(worker, node->inputs[input], op, input);
            op->is_positional = op->is_positional && keeps_places(worker, node->inputs[input]);
        }
    }
}

struct exec_worker *exec__worker_create(struct exec_job *job, uint32_t index)
{
    struct exec_worker *worker = mem_alloc(MEM_COMPUTE, sizeof(*worker));

    worker->job = job;
    worker->index = index;
    arena_init(&worker->arena, MEM_COMPUTE, WORKER_BLOCK, SIZE_MAX);
    for (uint32_t i = 0; i < VEC_ROWS_MAX; i++) {
        worker->identity[i] = (uint16_t)i;
    }
    make_operators(worker);
    for (uint32_t i = 0; i < job->plan->node_count; i++) {
        struct exec_operator *op = worker->ops[i];

        /* A failure is the job's: the first call of the driver hears of it. */
        if (op != NULL && op->class->open != NULL && !op->class->open(op)) {
            break;
        }
    }
    return worker;
}

void exec__worker_destroy(struct exec_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        struct exec_operator *op = worker->ops[i];

        if (op != NULL && op->class->close != NULL) {
            op->class->close(op);
        }
    }
    exec__hold_free(worker);
    exec__state_free(worker);
    mem_free(MEM_COMPUTE, worker->openings);
    arena_deinit(&worker->arena);
    mem_free(MEM_COMPUTE, worker);
}

/* --- what operators ask for ------------------------------------------------------------------------------------------
 */

bool exec__keeps_changes(const struct exec_operator *op)
{
    return op->worker->job->options.keeps_changes;
}

int64_t exec__now_ms(const struct exec_operator *op)
{
    return op->worker->now_ms;
}

uint32_t exec__rows_max(const struct exec_operator *op)
{
    return op->worker->job->options.rows_max;
}

void *exec__alloc(struct exec_operator *op, size_t bytes)
{
    return need(arena_alloc(&op->worker->arena, bytes));
}

struct arena *exec__arena(struct exec_operator *op)
{
    return &op->worker->arena;
}

const uint16_t *exec__identity(const struct exec_operator *op)
{
    return op->worker->identity;
}

void exec__pause(struct exec_operator *op)
{
    const struct exec_options *options = &op->worker->job->options;

    if (options->pause != NULL) {
        options->pause(options->pause_context);
    }
}

/* --- partitions ------------------------------------------------------------------------------------------------------
 */

static struct exec_opening *find_opening(struct exec_worker *worker, uint32_t scan, uint32_t partition)
{
    uint32_t i = 0;

    while (i < worker->opening_count &&
           (worker->openings[i].scan != scan || worker->openings[i].partition != partition)) {
        i++;
    }
    CHECK(i < worker->opening_count); /* it was opened */
    return &worker->openings[i];
}

/* The scan below a WATERMARK, whose partitions it tells apart; NULL when it stands on something else. */
static const struct exec_node *scan_below(const struct exec_node *node)
{
    while (node->kind != EXEC_SCAN && node->input_count == 1 && node->kind != EXEC_EXCHANGE) {
        node = node->inputs[0];
    }
    return node->kind == EXEC_SCAN ? node : NULL;
}

static bool is_watermark_of(const struct exec_operator *op, uint32_t scan)
{
    const struct exec_node *below = op == NULL || op->node->kind != EXEC_WATERMARK ? NULL : scan_below(op->node);

    return below != NULL && below->id == scan;
}

void exec_worker_open(struct exec_worker *worker, uint32_t scan, uint32_t partition)
{
    CHECK(!worker->is_opened && scan < worker->job->plan->node_count && worker->pushing == NULL);
    CHECK(worker->job->plan->nodes[scan]->kind == EXEC_SCAN);
    if (worker->opening_count == worker->opening_capacity) {
        worker->opening_capacity = MAX(8, worker->opening_capacity * 2);
        worker->openings =
            mem_realloc(MEM_COMPUTE, worker->openings, worker->opening_capacity * sizeof(*worker->openings));
    }
    worker->openings[worker->opening_count++] = (struct exec_opening){.scan = scan, .partition = partition};
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        if (is_watermark_of(worker->ops[i], scan)) {
            exec__watermark_open(worker->ops[i], partition);
        }
    }
}

/* Scans that have nothing here end at once, not at the next step: others must not wait for this worker's watermark
 * while rows come to them. A failure is the job's. */
void exec_worker_opened(struct exec_worker *worker)
{
    worker->is_opened = true;
    exec__fire_refill(worker);
    if (!exec__worker_loaded(worker)) {
        return;
    }
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        struct exec_operator *op = worker->ops[i];

        if (op != NULL && op->node->kind == EXEC_SCAN && !exec__scan_check_end(op)) {
            return;
        }
    }
}

/* Before the first row: what workers without partitions said when they were opened. Rows that stay on this worker would
 * overtake it, and be in time where they are late. */
static bool hear_others(struct exec_worker *worker)
{
    bool did = false;

    worker->has_pushed = true;
    for (uint32_t i = worker->job->plan->node_count; i-- > 0;) {
        struct exec_operator *op = worker->ops[i];

        if (op != NULL && op->node->kind == EXEC_EXCHANGE && !exec__exchange_receive(op, &did)) {
            return false;
        }
    }
    return true;
}

bool exec_worker_push(struct exec_worker *worker, uint32_t scan, uint32_t partition, const struct vec_chunk *chunk)
{
    const struct exec_opening *opening = find_opening(worker, scan, partition);
    bool                       good;

    CHECK(!opening->ended && !worker->in_barrier && !worker->is_saving);
    if (UNLIKELY(!worker->has_pushed) && !hear_others(worker)) {
        return false;
    }
    worker->pushing = opening;
    exec__fire_refill(worker);
    exec__count(&worker->ops[scan]->stats.rows_in, chunk->selected_count);
    good = exec__emit(worker->ops[scan], chunk);
    worker->pushing = NULL;
    return good;
}

bool exec_worker_end(struct exec_worker *worker, uint32_t scan, uint32_t partition)
{
    struct exec_opening *opening = find_opening(worker, scan, partition);

    CHECK(!opening->ended && !worker->in_barrier && !worker->is_saving);
    opening->ended = true;
    exec__fire_refill(worker);
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        if (is_watermark_of(worker->ops[i], scan) && !exec__watermark_end(worker->ops[i], partition)) {
            return false;
        }
    }
    return exec__scan_check_end(worker->ops[scan]);
}

/* --- time and changelogs ---------------------------------------------------------------------------------------------
 */

bool exec__flush_has_room(struct exec_operator *op)
{
    struct exec_worker *worker = op->worker;

    op->owes = worker->flush_left == 0;
    worker->flush_left -= !op->owes;
    return !op->owes;
}

bool exec__flush(struct exec_operator *op, uint32_t pieces_max)
{
    op->owes = false;
    if (op->class->flush == NULL) {
        return true;
    }
    op->worker->flush_left = pieces_max;
    return op->class->flush(op);
}

enum exec_progress exec_worker_flush_some(struct exec_worker *worker)
{
    CHECK(!worker->in_barrier && !worker->is_saving);
    if (exec__job_failed(worker->job)) {
        return EXEC_FAILED;
    }
    for (; worker->flush_node < worker->job->plan->node_count; worker->flush_node++) {
        struct exec_operator *op = worker->ops[worker->flush_node];

        if (op != NULL && !exec__flush(op, 1)) {
            return EXEC_FAILED;
        }
        if (op != NULL && op->owes) {
            return EXEC_BUSY;
        }
    }
    worker->flush_node = 0;
    return EXEC_IDLE;
}

bool exec_worker_flush(struct exec_worker *worker)
{
    enum exec_progress progress = EXEC_BUSY;

    worker->flush_node = 0;
    while (progress == EXEC_BUSY) {
        progress = exec_worker_flush_some(worker);
    }
    return progress != EXEC_FAILED;
}

bool exec_worker_time(struct exec_worker *worker, int64_t now_ms)
{
    if (exec__job_failed(worker->job)) {
        return false;
    }
    CHECK(!worker->in_barrier && !worker->is_saving);
    if (now_ms <= worker->now_ms) {
        return true;
    }
    worker->now_ms = now_ms;
    exec__fire_refill(worker);
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        struct exec_operator *op = worker->ops[i];

        if (op == NULL || op->class->time == NULL) {
            continue;
        }
        if (op->is_holding) {
            exec__hold_time(op);
        } else if (!op->class->time(op, now_ms)) {
            return false;
        }
    }
    return true;
}

/* --- steps -----------------------------------------------------------------------------------------------------------
 */

/* Sources that need no pushing: scans without partitions here, and VALUES. What has not come yet comes behind a barrier
 * that is on its way. */
static bool step_sources(struct exec_worker *worker, bool *out_did)
{
    for (uint32_t i = 0; i < worker->job->plan->node_count && worker->is_opened && !worker->in_barrier; i++) {
        struct exec_operator *op = worker->ops[i];
        uint32_t              finished = worker->finished_count;

        if (op != NULL && op->node->kind == EXEC_SCAN && !exec__scan_check_end(op)) {
            return false;
        }
        if (op != NULL && op->node->kind == EXEC_VALUES && !exec__values_run(op, out_did)) {
            return false;
        }
        *out_did = *out_did || worker->finished_count != finished;
    }
    return true;
}

/* The furthest exchange with something to take first: what is nearly through leaves before more comes in. */
static bool step_exchanges(struct exec_worker *worker, bool *out_did, bool *out_is_blocked)
{
    for (uint32_t i = worker->job->plan->node_count; i-- > 0;) {
        struct exec_operator *op = worker->ops[i];
        bool                  is_empty = true;

        if (op == NULL || op->node->kind != EXEC_EXCHANGE) {
            continue;
        }
        if (!exec__exchange_send_held(op, &is_empty)) {
            return false;
        }
        *out_is_blocked = *out_is_blocked || !is_empty;
        if (!*out_did && !exec__exchange_receive(op, out_did)) {
            return false;
        }
    }
    return true;
}

/* What operators hold, before anything else comes in; unless what they send finds no room at others, who may wait for
 * this worker to read. */
static bool step_holding(struct exec_worker *worker, bool *out_did)
{
    bool is_empty = true;

    for (uint32_t i = 0; i < worker->job->plan->node_count && worker->holding_count > 0; i++) {
        struct exec_operator *op = worker->ops[i];

        if (op != NULL && op->node->kind == EXEC_EXCHANGE && !exec__exchange_send_held(op, &is_empty)) {
            return false;
        }
    }
    if (worker->holding_count == 0 || !is_empty) {
        return true;
    }
    *out_did = true;
    return exec__hold_step(worker);
}

enum exec_progress exec_worker_step(struct exec_worker *worker)
{
    bool did = false;
    bool is_blocked = false;

    if (exec__job_failed(worker->job)) {
        return EXEC_FAILED;
    }
    if (worker->is_saving) {
        return EXEC_IDLE;
    }
    exec__fire_refill(worker);
    if (!exec__barrier_flush(worker, &did) || !step_holding(worker, &did)) {
        return EXEC_FAILED;
    }
    if (!step_sources(worker, &did) || !step_exchanges(worker, &did, &is_blocked)) {
        return EXEC_FAILED;
    }
    exec__barrier_check(worker);
    if (did) {
        return EXEC_BUSY;
    }
    if (is_blocked) {
        return EXEC_BLOCKED;
    }
    return worker->finished_count == worker->op_count ? EXEC_FINISHED : EXEC_IDLE;
}

uint64_t exec_worker_take_sent(struct exec_worker *worker)
{
    uint64_t sent = worker->sent;

    worker->sent = 0;
    return sent;
}
