/* The ring: two counters that only grow, each written by one side, each on a cache line of its own beside what its
 * writer last saw of the other. */
#include "compute/exec/exec_ring.h"

#include "core/base/check.h"

#define LINE          64
#define MESSAGE_BLOCK (16 * (size_t)KIB)

struct exec_ring {
    uint32_t             slot_count;
    struct exec_message *slots;
    uint64_t             sent __attribute__((aligned(LINE))); /* by the sender */
    uint64_t             released_seen;
    uint64_t             released __attribute__((aligned(LINE))); /* by the receiver */
    uint64_t             sent_seen;
};

struct exec_ring *exec_ring_create(uint32_t slot_count)
{
    struct exec_ring *ring = mem_alloc_aligned(MEM_COMPUTE, sizeof(*ring), LINE);

    CHECK(slot_count > 0);
    ring->slot_count = slot_count;
    ring->slots = mem_alloc(MEM_COMPUTE, slot_count * sizeof(*ring->slots));
    for (uint32_t i = 0; i < slot_count; i++) {
        arena_init(&ring->slots[i].arena, MEM_COMPUTE, MESSAGE_BLOCK, SIZE_MAX);
    }
    return ring;
}

void exec_ring_destroy(struct exec_ring *ring)
{
    for (uint32_t i = 0; i < ring->slot_count; i++) {
        arena_deinit(&ring->slots[i].arena);
    }
    mem_free(MEM_COMPUTE, ring->slots);
    mem_free(MEM_COMPUTE, ring);
}

struct exec_message *exec_ring_reserve(struct exec_ring *ring)
{
    struct exec_message *slot;

    if (ring->sent - ring->released_seen == ring->slot_count) {
        ring->released_seen = __atomic_load_n(&ring->released, __ATOMIC_ACQUIRE);
        if (ring->sent - ring->released_seen == ring->slot_count) {
            return NULL;
        }
    }
    slot = &ring->slots[ring->sent % ring->slot_count];
    arena_reset(&slot->arena);
    return slot;
}

void exec_ring_publish(struct exec_ring *ring)
{
    __atomic_store_n(&ring->sent, ring->sent + 1, __ATOMIC_RELEASE);
}

const struct exec_message *exec_ring_peek(struct exec_ring *ring)
{
    if (ring->released == ring->sent_seen) {
        ring->sent_seen = __atomic_load_n(&ring->sent, __ATOMIC_ACQUIRE);
        if (ring->released == ring->sent_seen) {
            return NULL;
        }
    }
    return &ring->slots[ring->released % ring->slot_count];
}

void exec_ring_release(struct exec_ring *ring)
{
    CHECK(ring->released != ring->sent_seen);
    __atomic_store_n(&ring->released, ring->released + 1, __ATOMIC_RELEASE);
}
