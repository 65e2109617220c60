/* What waits at operators while they fire, and going on with them. */
#include "compute/exec/exec_hold.h"
#include "core/base/list.h"

#define HELD_BLOCK (16 * (size_t)KIB)

enum held_kind { HELD_CHUNK, HELD_WATERMARK, HELD_FINISH, HELD_BARRIER };

struct held {
    struct list_node link;
    enum held_kind   kind;
    uint32_t         input;
    int64_t          watermark_us;
    struct arena     arena; /* CHUNK */
    struct vec_chunk chunk;
    size_t           charged_bytes;
};

struct exec_hold {
    struct list_node items;
    bool             missed_time; /* the clock went on meanwhile */
};

/* --- holding -------------------------------------------------------------------------------------------------------
 */

static void begin(struct exec_operator *op)
{
    if (op->hold == NULL) {
        op->hold = exec__alloc(op, sizeof(*op->hold));
        list_init(&op->hold->items);
    }
    op->is_holding = true;
    op->worker->holding_count++;
}

bool exec__fire(struct exec_operator *op)
{
    if (!op->class->fire(op)) {
        return false;
    }
    if (UNLIKELY(op->is_firing) && !op->is_holding) {
        begin(op);
    }
    return true;
}

static struct held *held_new(struct exec_operator *op, enum held_kind kind, uint32_t input)
{
    struct held *held = mem_alloc(MEM_COMPUTE, sizeof(*held));

    held->kind = kind;
    held->input = input;
    list_init(&held->link);
    arena_init(&held->arena, MEM_COMPUTE, HELD_BLOCK, SIZE_MAX);
    list_push_back(&op->hold->items, &held->link);
    return held;
}

static void held_free(struct exec_operator *op, struct held *held)
{
    exec__release(op, held->charged_bytes);
    arena_deinit(&held->arena);
    mem_free(MEM_COMPUTE, held);
}

bool exec__hold_chunk(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk)
{
    struct held *held = held_new(op, HELD_CHUNK, input);
    size_t       bytes;

    held->chunk = vec_chunk_copy(&held->arena, chunk);
    bytes = sizeof(*held) + held->arena.bytes_total;
    if (!exec__charge(op, bytes)) {
        return false;
    }
    held->charged_bytes = bytes;
    return true;
}

bool exec__hold_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us)
{
    held_new(op, HELD_WATERMARK, input)->watermark_us = watermark_us;
    return true;
}

bool exec__hold_finish(struct exec_operator *op)
{
    (void)held_new(op, HELD_FINISH, 0);
    return true;
}

bool exec__hold_barrier(struct exec_operator *op)
{
    (void)held_new(op, HELD_BARRIER, 0);
    return true;
}

void exec__hold_time(struct exec_operator *op)
{
    op->hold->missed_time = true;
}

/* --- going on ------------------------------------------------------------------------------------------------------
 */

/* The operator is free while it takes what it held: it may fire again. */
static bool hand_over(struct exec_operator *op, const struct held *held)
{
    switch (held->kind) {
    case HELD_CHUNK:
        return op->class->push(op, held->input, &held->chunk);
    case HELD_WATERMARK:
        return exec__deliver_watermark(op, held->input, held->watermark_us);
    case HELD_BARRIER:
        return exec__deliver_barrier(op);
    case HELD_FINISH:
    default:
        return exec__deliver_finish(op);
    }
}

static bool go_on(struct exec_operator *op)
{
    struct exec_worker *worker = op->worker;
    struct held        *held;
    bool                good;

    if (op->is_firing) {
        return op->class->fire(op);
    }
    op->is_holding = false;
    worker->holding_count--;
    if (op->hold->missed_time) {
        op->hold->missed_time = false;
        good = op->class->time == NULL || op->class->time(op, worker->now_ms);
    } else {
        held = list_empty(&op->hold->items) ? NULL : CONTAINER_OF(list_pop_front(&op->hold->items), struct held, link);
        good = held == NULL || hand_over(op, held);
        if (held != NULL) {
            held_free(op, held);
        }
    }
    if (good && !op->is_holding && (op->hold->missed_time || !list_empty(&op->hold->items))) {
        begin(op);
    }
    return good;
}

/* The furthest operator first: what is nearly done leaves before more comes. */
bool exec__hold_step(struct exec_worker *worker)
{
    exec__fire_refill(worker);
    for (uint32_t i = worker->job->plan->node_count; i-- > 0;) {
        if (worker->ops[i] != NULL && worker->ops[i]->is_holding) {
            return go_on(worker->ops[i]);
        }
    }
    return true;
}

void exec__hold_free(struct exec_worker *worker)
{
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        struct exec_operator *op = worker->ops[i];
        struct list_node     *node;

        while (op != NULL && op->hold != NULL && (node = list_pop_front(&op->hold->items)) != NULL) {
            held_free(op, CONTAINER_OF(node, struct held, link));
        }
    }
}
