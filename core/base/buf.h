/* buf.h: ref-counted memory for bytes on their way between sockets and disk.
 *
 * One buf_pool per core owns one region, allocated and touched at start, that io/uring registers with the kernel as one
 * fixed buffer. A buddy allocator hands out power-of-two buffers of 4 KiB to BUF_BYTES_MAX, aligned to their own
 * size up to 4 KiB at least; freed memory is reused last-in first-out, so that what the CPU caches hold is used again.
 * Larger requests (up to the request limit) are single allocations outside the region, counted against the same budget.
 *
 * References: buf_acquire gives one; buf_ref adds; buf_unref drops and frees at zero. Not thread safe: a buf is touched
 * by the shard whose core owns the pool, and crosses to another core only in a mailbox message that brings it back. */
#ifndef MILLRACE_BUF_H
#define MILLRACE_BUF_H

#include "core/base/list.h"
#include "core/base/mem.h"

#define BUF_BYTES_MIN ((size_t)4096)
#define BUF_BYTES_MAX ((size_t)(4 * MIB)) /* largest piece of the region */

struct buf_pool;

struct buf {
    uint8_t         *data;
    size_t           capacity_bytes;
    uint32_t         refs;
    uint32_t         order_; /* buddy order; UINT32_MAX for outside the region */
    struct buf_pool *pool;
    struct list_node link; /* the holder's; free to use while held */
};

/* region_bytes: rounded up to a multiple of BUF_BYTES_MAX, at least one. budget_bytes: region and outside allocations.
 */
MUST_USE struct buf_pool *buf_pool_create(size_t region_bytes, size_t budget_bytes);
/* Every buffer must have been returned (checked). NULL is allowed. */
void buf_pool_destroy(struct buf_pool *pool);
/* The whole region, for registration with the kernel. */
struct span buf_pool_region(const struct buf_pool *pool);
/* At least size_bytes, not zeroed; NULL when neither region nor budget has room: the caller applies back-pressure. */
MUST_USE struct buf *buf_acquire(struct buf_pool *pool, size_t size_bytes);
struct buf          *buf_ref(struct buf *buf);
/* NULL is allowed. */
void buf_unref(struct buf *buf);
/* Bytes handed out now, rounding included, and the budget. */
size_t buf_pool_used_bytes(const struct buf_pool *pool);
size_t buf_pool_budget_bytes(const struct buf_pool *pool);

#endif
