/* Buddy allocator over one region. Each BUF_BYTES_MAX piece of the region is a tree of blocks of order 0 (4 KiB) to
 * BUF_ORDER_MAX. Every 4 KiB block has one struct buf; the one at a block's start describes the block. Invariants:
 * 1. a free block is in free[order] and has refs 0, state FREE; 2. two free buddies of one order never coexist: they
 * are merged; 3. used_bytes is the sum of capacities handed out. */
#include "core/base/buf.h"

#include "core/base/check.h"

#define BUF_ORDER_MAX     10
#define BUF_ORDER_OUTSIDE UINT32_MAX
STATIC_CHECK((BUF_BYTES_MIN << BUF_ORDER_MAX) == BUF_BYTES_MAX);

struct buf_pool {
    uint8_t         *region;
    size_t           region_bytes;
    size_t           budget_bytes;
    size_t           used_bytes;
    size_t           outside_bytes;
    struct buf      *heads; /* one per 4 KiB block */
    bool            *is_free;
    struct list_node free[BUF_ORDER_MAX + 1];
};

struct buf_pool *buf_pool_create(size_t region_bytes, size_t budget_bytes)
{
    struct buf_pool *pool = mem_alloc(MEM_BUFFERS, sizeof(*pool));
    size_t           count;

    region_bytes = (size_t)align_up(MAX(region_bytes, (size_t)1), BUF_BYTES_MAX);
    count = region_bytes / BUF_BYTES_MIN;
    pool->region = mem_alloc_aligned(MEM_BUFFERS, region_bytes, BUF_BYTES_MAX); /* zeroing touches every page */
    pool->region_bytes = region_bytes;
    pool->budget_bytes = MAX(budget_bytes, region_bytes);
    pool->heads = mem_alloc(MEM_BUFFERS, count * sizeof(*pool->heads));
    pool->is_free = mem_alloc(MEM_BUFFERS, count * sizeof(*pool->is_free));
    for (size_t i = 0; i <= BUF_ORDER_MAX; i++) {
        list_init(&pool->free[i]);
    }
    for (size_t i = 0; i < count; i++) {
        pool->heads[i].data = pool->region + i * BUF_BYTES_MIN;
        pool->heads[i].pool = pool;
        list_init(&pool->heads[i].link);
    }
    for (size_t i = 0; i < count; i += (size_t)1 << BUF_ORDER_MAX) {
        pool->heads[i].order_ = BUF_ORDER_MAX;
        pool->is_free[i] = true;
        list_push_back(&pool->free[BUF_ORDER_MAX], &pool->heads[i].link);
    }
    return pool;
}

void buf_pool_destroy(struct buf_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    CHECK(pool->used_bytes == 0);
    mem_free(MEM_BUFFERS, pool->is_free);
    mem_free(MEM_BUFFERS, pool->heads);
    mem_free(MEM_BUFFERS, pool->region);
    mem_free(MEM_BUFFERS, pool);
}

struct span buf_pool_region(const struct buf_pool *pool)
{
    return span_of(pool->region, pool->region_bytes);
}

size_t buf_pool_used_bytes(const struct buf_pool *pool)
{
    return pool->used_bytes;
}

size_t buf_pool_budget_bytes(const struct buf_pool *pool)
{
    return pool->budget_bytes;
}

static uint32_t buf_order_for(size_t size_bytes)
{
    uint32_t order = 0;

    while ((BUF_BYTES_MIN << order) < size_bytes) {
        order++;
    }
    return order;
}

static struct buf *buf_acquire_outside(struct buf_pool *pool, size_t size_bytes)
{
    size_t      room = pool->budget_bytes - pool->region_bytes - pool->outside_bytes;
    size_t      capacity;
    struct buf *buf;

    if (size_bytes > room) {
        return NULL;
    }
    capacity = (size_t)align_up(size_bytes, BUF_BYTES_MIN);
    if (capacity > room) {
        return NULL;
    }
    buf = mem_try_alloc(MEM_BUFFERS, sizeof(*buf));
    if (buf == NULL) {
        return NULL;
    }
    buf->data = mem_alloc_aligned(MEM_BUFFERS, capacity, BUF_BYTES_MIN);
    buf->capacity_bytes = capacity;
    buf->order_ = BUF_ORDER_OUTSIDE;
    buf->pool = pool;
    buf->refs = 1;
    list_init(&buf->link);
    pool->outside_bytes += capacity;
    pool->used_bytes += capacity;
    return buf;
}

/* Splits the free block `index` of order `from` down to `to`; the lower half stays, upper halves become free. */
static void buf_split(struct buf_pool *pool, size_t index, uint32_t from, uint32_t to)
{
    while (from > to) {
        size_t upper;

        from--;
        upper = index + ((size_t)1 << from);
        pool->heads[upper].order_ = from;
        pool->is_free[upper] = true;
        list_push_front(&pool->free[from], &pool->heads[upper].link);
    }
}

struct buf *buf_acquire(struct buf_pool *pool, size_t size_bytes)
{
    uint32_t order;
    uint32_t found;

    if (size_bytes > BUF_BYTES_MAX) {
        return buf_acquire_outside(pool, size_bytes);
    }
    order = buf_order_for(size_bytes);
    found = order;
    while (found <= BUF_ORDER_MAX && list_empty(&pool->free[found])) {
        found++;
    }
    if (found > BUF_ORDER_MAX) {
        return buf_acquire_outside(pool, MAX(size_bytes, BUF_BYTES_MIN));
    }
    struct buf *buf = LIST_ENTRY(list_pop_front(&pool->free[found]), struct buf, link);
    size_t      index = (size_t)(buf - pool->heads);

    CHECK(pool->is_free[index] && buf->refs == 0);
    pool->is_free[index] = false;
    buf_split(pool, index, found, order);
    buf->order_ = order;
    buf->capacity_bytes = BUF_BYTES_MIN << order;
    buf->refs = 1;
    pool->used_bytes += buf->capacity_bytes;
    return buf;
}

struct buf *buf_ref(struct buf *buf)
{
    CHECK(buf->refs > 0 && buf->refs < UINT32_MAX);
    buf->refs++;
    return buf;
}

static void buf_release(struct buf *buf)
{
    struct buf_pool *pool = buf->pool;
    size_t           index = (size_t)(buf - pool->heads);
    uint32_t         order = buf->order_;

    while (order < BUF_ORDER_MAX) {
        size_t buddy = index ^ ((size_t)1 << order);

        if (!pool->is_free[buddy] || pool->heads[buddy].order_ != order) {
            break;
        }
        pool->is_free[buddy] = false;
        list_remove(&pool->heads[buddy].link);
        index = MIN(index, buddy);
        order++;
    }
    pool->heads[index].order_ = order;
    pool->is_free[index] = true;
    list_push_front(&pool->free[order], &pool->heads[index].link);
}

void buf_unref(struct buf *buf)
{
    if (buf == NULL) {
        return;
    }
    CHECK(buf->refs > 0);
    if (--buf->refs > 0) {
        return;
    }
    CHECK(!list_linked(&buf->link));
    buf->pool->used_bytes -= buf->capacity_bytes;
    if (buf->order_ == BUF_ORDER_OUTSIDE) {
        buf->pool->outside_bytes -= buf->capacity_bytes;
        mem_free(MEM_BUFFERS, buf->data);
        mem_free(MEM_BUFFERS, buf);
        return;
    }
    buf_release(buf);
}
