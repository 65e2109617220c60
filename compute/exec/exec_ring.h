/* exec_ring.h: a bounded ring of messages from one worker to one other, in one exchange.
 *
 * One thread sends, one receives; neither waits. A message lives in its slot: the sender fills the slot's arena and
 * publishes, the receiver works on what stands there and releases, and the memory is the sender's again. So nothing is
 * allocated per message once the arenas are warm, and nothing crosses back. */
#ifndef MILLRACE_EXEC_RING_H
#define MILLRACE_EXEC_RING_H

#include "compute/vec/vec.h"

enum exec_message_kind {
    EXEC_MESSAGE_CHUNK,
    EXEC_MESSAGE_WATERMARK, /* or EXEC_WATERMARK_IDLE */
    EXEC_MESSAGE_END,
    EXEC_MESSAGE_BARRIER,
};

struct exec_message {
    enum exec_message_kind kind;
    struct arena           arena; /* of the chunk */
    struct vec_chunk       chunk;
    int64_t                watermark_us;
    int64_t                epoch; /* of a barrier */
};

struct exec_ring;

struct exec_ring *exec_ring_create(uint32_t slot_count);
void              exec_ring_destroy(struct exec_ring *ring);
/* The sender: the next free slot, its arena reset; NULL when the ring is full. */
struct exec_message *exec_ring_reserve(struct exec_ring *ring);
void                 exec_ring_publish(struct exec_ring *ring);
/* The receiver: the oldest message, NULL when there is none. */
const struct exec_message *exec_ring_peek(struct exec_ring *ring);
void                       exec_ring_release(struct exec_ring *ring);

#endif
