/* EXCHANGE: deals rows to workers. The sending half is an operator's input, the receiving half its output.
 *
 * Rows of a key go to one worker, from each sender in order. What stays on the worker is passed on at once, what goes
 * to another is copied into a slot of the ring between the two. When the ring is full, messages wait here in order, and
 * move on when the worker steps: so a sender never waits inside a call, whatever the others do.
 *
 * Watermarks go to all; the receiving half combines those of all senders and ends when all have ended.
 *
 * So do barriers: a ring is read no further than a barrier until those of all senders have come, and after that no ring
 * until the worker's other operators have seen theirs, so that no row of the next epoch meets one of this. */
#include "compute/exec/exec_worker.h"
#include "core/base/list.h"

#define HELD_BLOCK      (16 * (size_t)KIB)
#define RECEIVE_AT_ONCE 8

/* A message that found the ring full. */
struct held {
    struct list_node    link;
    struct exec_message message;
    size_t              charged_bytes;
};

struct target {
    struct list_node held;
    uint16_t        *rows; /* selected for it in the chunk at hand */
    uint32_t         count;
};

struct exchange {
    struct exec_operator op;
    uint32_t             worker_count;
    struct target       *targets;
    uint64_t            *hashes;
    uint32_t             next_target; /* round robin */
    uint32_t             next_sender;
    uint32_t             senders_open;
    /* Barriers, a bit per sender. */
    uint64_t ended, barriers;
    bool     sent_barrier, passed_barrier;
};

static bool open(struct exec_operator *op)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);

    exchange->worker_count = op->worker->job->options.worker_count;
    exchange->senders_open = exchange->worker_count;
    exchange->next_target = op->worker->index;
    exchange->targets = exec__alloc(op, exchange->worker_count * sizeof(*exchange->targets));
    exchange->hashes = exec__alloc(op, VEC_ROWS_MAX * sizeof(*exchange->hashes));
    for (uint32_t i = 0; i < exchange->worker_count; i++) {
        list_init(&exchange->targets[i].held);
        exchange->targets[i].rows = exec__alloc(op, VEC_ROWS_MAX * sizeof(uint16_t));
    }
    return true;
}

static void held_free(struct exec_operator *op, struct held *held)
{
    exec__release(op, held->charged_bytes);
    arena_deinit(&held->message.arena);
    mem_free(MEM_COMPUTE, held);
}

static void close(struct exec_operator *op)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);

    for (uint32_t i = 0; exchange->targets != NULL && i < exchange->worker_count; i++) {
        struct list_node *node;

        while ((node = list_pop_front(&exchange->targets[i].held)) != NULL) {
            held_free(op, CONTAINER_OF(node, struct held, link));
        }
    }
}

/* --- sending ---------------------------------------------------------------------------------------------------------
 */

static struct exec_ring *ring_to(const struct exec_operator *op, uint32_t target)
{
    return exec__ring(op->worker->job, op->node->id, op->worker->index, target);
}

/* Moves what waits into the ring, arenas and all. */
static void send_held(struct exec_operator *op, uint32_t target)
{
    struct exchange     *exchange = CONTAINER_OF(op, struct exchange, op);
    struct list_node    *waiting = &exchange->targets[target].held;
    struct exec_message *slot;

    while (!list_empty(waiting) && (slot = exec_ring_reserve(ring_to(op, target))) != NULL) {
        struct held        *held = CONTAINER_OF(list_pop_front(waiting), struct held, link);
        struct exec_message message = held->message;

        held->message = *slot;
        *slot = message;
        exec_ring_publish(ring_to(op, target));
        op->worker->sent |= UINT64_C(1) << target;
        held_free(op, held);
    }
}

/* The message to fill: in the ring, or held when the ring is full. *out_held tells. */
static struct exec_message *begin_message(struct exec_operator *op, uint32_t target, struct held **out_held)
{
    struct exchange     *exchange = CONTAINER_OF(op, struct exchange, op);
    struct exec_message *message = NULL;
    struct held         *held;

    send_held(op, target);
    *out_held = NULL;
    if (list_empty(&exchange->targets[target].held)) {
        message = exec_ring_reserve(ring_to(op, target));
    }
    if (message != NULL) {
        return message;
    }
    held = mem_alloc(MEM_COMPUTE, sizeof(*held));
    list_init(&held->link);
    arena_init(&held->message.arena, MEM_COMPUTE, HELD_BLOCK, SIZE_MAX);
    *out_held = held;
    return &held->message;
}

static bool end_message(struct exec_operator *op, uint32_t target, struct held *held)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);
    size_t           bytes;

    if (held == NULL) {
        exec_ring_publish(ring_to(op, target));
        op->worker->sent |= UINT64_C(1) << target;
        return true;
    }
    bytes = sizeof(*held) + held->message.arena.bytes_total;
    if (!exec__charge(op, bytes)) {
        arena_deinit(&held->message.arena);
        mem_free(MEM_COMPUTE, held);
        return false;
    }
    held->charged_bytes = bytes;
    list_push_back(&exchange->targets[target].held, &held->link);
    return true;
}

static bool send_chunk(struct exec_operator *op, uint32_t target, const struct vec_chunk *chunk)
{
    struct held         *held;
    struct exec_message *message;

    if (chunk->selected_count == 0) {
        return true;
    }
    if (target == op->worker->index) {
        return exec__emit(op, chunk);
    }
    message = begin_message(op, target, &held);
    message->kind = EXEC_MESSAGE_CHUNK;
    message->chunk = vec_chunk_copy(&message->arena, chunk);
    return end_message(op, target, held);
}

/* Bits of the hash that the receiver's tables do not use to choose a segment or a slot. */
static uint32_t worker_of(uint64_t hash, uint32_t worker_count)
{
    return (uint32_t)((((hash >> 28) & 0xfffff) * worker_count) >> 20);
}

static bool push_hash(struct exchange *exchange, const struct vec_chunk *chunk)
{
    struct exec_operator *op = &exchange->op;

    for (uint32_t i = 0; i < op->node->exchange.key_count; i++) {
        vec_hash(&chunk->columns[op->node->exchange.keys[i]], chunk, exchange->hashes, i > 0);
    }
    for (uint32_t i = 0; i < exchange->worker_count; i++) {
        exchange->targets[i].count = 0;
    }
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t         row = vec_chunk_row(chunk, i);
        struct target *target = &exchange->targets[worker_of(exchange->hashes[row], exchange->worker_count)];

        target->rows[target->count++] = (uint16_t)row;
    }
    for (uint32_t i = 0; i < exchange->worker_count; i++) {
        struct vec_chunk part = *chunk;

        part.selection = exchange->targets[i].rows;
        part.selected_count = exchange->targets[i].count;
        if (!send_chunk(op, i, &part)) {
            return false;
        }
    }
    return true;
}

static bool push_all(struct exchange *exchange, const struct vec_chunk *chunk)
{
    for (uint32_t i = 0; i < exchange->worker_count; i++) {
        if (!send_chunk(&exchange->op, i, chunk)) {
            return false;
        }
    }
    return true;
}

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    struct exchange            *exchange = CONTAINER_OF(op, struct exchange, op);
    const struct exec_exchange *plan = &op->node->exchange;
    uint32_t                    target = 0;

    switch (plan->distribution) {
    case EXEC_HASH:
        return plan->key_count == 0 ? send_chunk(op, 0, chunk) : push_hash(exchange, chunk);
    case EXEC_BROADCAST:
        return push_all(exchange, chunk);
    case EXEC_FORWARD:
        target = op->worker->index;
        break;
    case EXEC_ROUND_ROBIN:
        target = exchange->next_target;
        exchange->next_target = (target + 1) % exchange->worker_count;
        break;
    case EXEC_SINGLE:
        break;
    }
    return send_chunk(op, target, chunk);
}

/* --- receiving: rows, watermarks, the end ----------------------------------------------------------------------------
 */

static bool receive_watermark(struct exec_operator *op, uint32_t sender, int64_t watermark_us)
{
    int64_t combined_us;

    if (exec__combine_watermark(op, sender, watermark_us, &combined_us)) {
        return exec__emit_watermark(op, combined_us);
    }
    if (watermark_us != EXEC_WATERMARK_IDLE) {
        return true;
    }
    for (uint32_t i = 0; i < op->watermark_inputs; i++) {
        if (op->input_watermarks[i] != EXEC_WATERMARK_IDLE) {
            return true;
        }
    }
    return exec__emit_idle(op);
}

static bool receive_end(struct exec_operator *op, uint32_t sender)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);

    CHECK(exchange->senders_open > 0 && sender < exchange->worker_count);
    exchange->senders_open--;
    exchange->ended |= UINT64_C(1) << sender;
    return exchange->senders_open > 0 || exec__finish_users(op);
}

/* To every other worker. value: of a watermark, or the epoch. */
static bool send_control(struct exec_operator *op, enum exec_message_kind kind, int64_t value)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);

    for (uint32_t i = 0; i < exchange->worker_count; i++) {
        struct exec_message *message;
        struct held         *held;

        if (i == op->worker->index) {
            continue;
        }
        message = begin_message(op, i, &held);
        message->kind = kind;
        message->watermark_us = message->epoch = value;
        if (!end_message(op, i, held)) {
            return false;
        }
    }
    return true;
}

static bool watermark(struct exec_operator *op, uint32_t input UNUSED, int64_t watermark_us)
{
    return send_control(op, EXEC_MESSAGE_WATERMARK, watermark_us) &&
           receive_watermark(op, op->worker->index, watermark_us);
}

static bool finish(struct exec_operator *op)
{
    return send_control(op, EXEC_MESSAGE_END, 0) && receive_end(op, op->worker->index);
}

/* --- barriers --------------------------------------------------------------------------------------------------------
 */

static bool barrier_is_complete(const struct exchange *exchange)
{
    uint64_t all = UINT64_MAX >> (64 - exchange->worker_count);

    return exchange->sent_barrier && (exchange->ended | exchange->barriers) == all;
}

static bool check_barrier(struct exchange *exchange)
{
    if (exchange->passed_barrier || !barrier_is_complete(exchange)) {
        return true;
    }
    exchange->passed_barrier = true;
    return exec__pass_barrier(&exchange->op);
}

/* A sender that has ended here says nothing behind its end. */
bool exec__exchange_barrier(struct exec_operator *op)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);

    if (op->inputs_open > 0 && !send_control(op, EXEC_MESSAGE_BARRIER, op->worker->barrier_epoch)) {
        return false;
    }
    exchange->sent_barrier = true;
    exchange->barriers |= UINT64_C(1) << op->worker->index;
    return check_barrier(exchange);
}

/* It may come before this worker's own. */
static bool receive_barrier(struct exchange *exchange, uint32_t sender, int64_t epoch)
{
    const struct exec_worker *worker = exchange->op.worker;

    CHECK(IMPLIES(worker->in_barrier, worker->barrier_epoch == epoch));
    exchange->barriers |= UINT64_C(1) << sender;
    return check_barrier(exchange);
}

void exec__exchange_barrier_done(struct exec_operator *op)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);

    exchange->barriers = 0;
    exchange->sent_barrier = false;
    exchange->passed_barrier = false;
}

static bool may_read(const struct exchange *exchange, uint32_t sender)
{
    return !exchange->passed_barrier && (exchange->barriers & (UINT64_C(1) << sender)) == 0;
}

static bool receive(struct exec_operator *op, uint32_t sender, const struct exec_message *message)
{
    switch (message->kind) {
    case EXEC_MESSAGE_CHUNK:
        return exec__emit(op, &message->chunk);
    case EXEC_MESSAGE_WATERMARK:
        return receive_watermark(op, sender, message->watermark_us);
    case EXEC_MESSAGE_BARRIER:
        return receive_barrier(CONTAINER_OF(op, struct exchange, op), sender, message->epoch);
    case EXEC_MESSAGE_END:
    default:
        return receive_end(op, sender) && check_barrier(CONTAINER_OF(op, struct exchange, op));
    }
}

bool exec__exchange_receive(struct exec_operator *op, bool *out_did)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);

    for (uint32_t i = 0; i < exchange->worker_count; i++) {
        uint32_t          sender = (exchange->next_sender + i) % exchange->worker_count;
        struct exec_ring *ring = exec__ring(op->worker->job, op->node->id, sender, op->worker->index);

        for (uint32_t count = 0; ring != NULL && count < RECEIVE_AT_ONCE && may_read(exchange, sender); count++) {
            const struct exec_message *message = exec_ring_peek(ring);

            if (message == NULL) {
                break;
            }
            *out_did = true;
            if (!receive(op, sender, message)) {
                return false;
            }
            exec_ring_release(ring);
        }
    }
    exchange->next_sender = (exchange->next_sender + 1) % exchange->worker_count;
    return true;
}

bool exec__exchange_send_held(struct exec_operator *op, bool *out_is_empty)
{
    struct exchange *exchange = CONTAINER_OF(op, struct exchange, op);

    for (uint32_t i = 0; i < exchange->worker_count; i++) {
        send_held(op, i);
        *out_is_empty = *out_is_empty && list_empty(&exchange->targets[i].held);
    }
    return true;
}

const struct exec_operator_class exec__exchange_class = {
    .name = "exchange",
    .bytes = sizeof(struct exchange),
    .open = open,
    .push = push,
    .watermark = watermark,
    .finish = finish,
    .close = close,
    .finishes_later = true,
};
