/* store_cache.c: frames in memory: their pool, the ordered array of each log, the shard's cache of stored ones.
 *
 * The cache is first in, first out over all logs. Per log frames become STORED in offset order (store__frames_settle),
 * so what leaves is always the log's first frame, and what a log has in memory is one run up to its end. */
#include "core/store/store_internal.h"

struct store_frame *store__frame_new(struct store_log *log)
{
    struct store       *store = log->store;
    struct list_node   *node = list_pop_front(&store->frames_free);
    struct store_frame *frame;

    if (node != NULL) {
        frame = LIST_ENTRY(node, struct store_frame, cache_link);
        memset(frame, 0, sizeof(*frame));
    } else {
        frame = mem_alloc(MEM_STORE, sizeof(*frame));
    }
    list_init(&frame->claim_link);
    list_init(&frame->sync_link);
    list_init(&frame->cache_link);
    frame->log = log;
    frame->first_lsn = STORE_NO_LSN;
    return frame;
}

void store__frame_free(struct store_frame *frame)
{
    struct store *store = frame->log->store;

    store->drains -= frame->draining;
    list_remove(&frame->claim_link);
    list_remove(&frame->sync_link);
    list_remove(&frame->cache_link);
    buf_unref(frame->buf);
    frame->buf = NULL;
    list_push_front(&store->frames_free, &frame->cache_link);
}

void store__frames_push(struct store_log *log, struct store_frame *frame)
{
    if (log->frame_count == log->frame_capacity) {
        log->frame_capacity = MAX(log->frame_capacity * 2, 4U);
        log->frames = mem_realloc(MEM_STORE, log->frames, log->frame_capacity * sizeof(struct store_frame *));
    }
    log->frames[log->frame_count++] = frame;
}

uint32_t store__frames_find(const struct store_log *log, int64_t offset)
{
    uint32_t low = 0;
    uint32_t high = log->frame_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (log->frames[middle]->header.last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Frees the first `count` frames of a log's array. */
static void frames_shift(struct store_log *log, uint32_t count)
{
    CHECK(count <= log->frame_live);
    log->frame_count -= count;
    log->frame_live -= count;
    if (log->frame_count == 0) { /* an idle log keeps nothing */
        mem_free(MEM_STORE, log->frames);
        log->frames = NULL;
        log->frame_capacity = 0;
        return;
    }
    memmove(log->frames, log->frames + count, log->frame_count * sizeof(struct store_frame *));
}

void store__frames_settle(struct store_log *log)
{
    struct store *store = log->store;

    while (log->frame_live < log->frame_count && log->frames[log->frame_live]->state == FRAME_STORED) {
        struct store_frame *frame = log->frames[log->frame_live++];

        list_push_back(&store->cached, &frame->cache_link);
        store->cache_bytes += frame->buf->capacity_bytes;
    }
    store__cache_trim(store, store->options.cache_bytes);
}

void store__cache_trim(struct store *store, uint64_t bytes_max)
{
    while (store->cache_bytes > bytes_max) {
        struct store_frame *frame = LIST_ENTRY(list_first(&store->cached), struct store_frame, cache_link);
        struct store_log   *log = frame->log;

        CHECK(log->frames[0] == frame);
        store->cache_bytes -= frame->buf->capacity_bytes;
        frames_shift(log, 1);
        store__frame_free(frame);
    }
}

/* All frames of a log, whatever their state: it is being closed. */
void store__cache_forget(struct store_log *log)
{
    struct store *store = log->store;

    for (uint32_t i = 0; i < log->frame_count; i++) {
        if (i < log->frame_live) {
            store->cache_bytes -= log->frames[i]->buf->capacity_bytes;
        }
        store__frame_free(log->frames[i]);
    }
    mem_free(MEM_STORE, log->frames);
    log->frames = NULL;
    log->open = NULL;
    log->frame_count = log->frame_live = log->frame_capacity = 0;
}

void store__cache_forget_below(struct store_log *log, int64_t offset)
{
    uint32_t count = 0;

    while (count < log->frame_live && log->frames[count]->header.last_offset < offset) {
        log->store->cache_bytes -= log->frames[count]->buf->capacity_bytes;
        store__frame_free(log->frames[count++]);
    }
    frames_shift(log, count);
}

struct buf *store__buf(struct store *store, size_t bytes)
{
    struct buf *buf = buf_acquire(store->shard->bufs, bytes);

    while (buf == NULL && store__ahead_drop_oldest(store)) {
        buf = buf_acquire(store->shard->bufs, bytes);
    }
    while (buf == NULL && store->cache_bytes > 0) {
        uint64_t give = MAX((uint64_t)bytes, (uint64_t)(1 * MIB));

        store__cache_trim(store, store->cache_bytes > give ? store->cache_bytes - give : 0);
        buf = buf_acquire(store->shard->bufs, bytes);
    }
    return buf;
}

/* Readers that do not take their answers may hold what was read for them for a long time. A part of the memory they
 * never get, so that appends go on meanwhile: the cache gives way first, then a read waits. */
struct buf *store__buf_for_read(struct store *store, size_t bytes)
{
    const struct buf_pool *pool = store->shard->bufs;
    size_t                 limit = buf_pool_budget_bytes(pool) / 4 * STORE_READ_SHARE_QUARTERS;
    size_t                 used = buf_pool_used_bytes(pool);

    if (used + bytes > limit && store->cache_bytes > 0) {
        uint64_t give = MAX((uint64_t)(used + bytes - limit), (uint64_t)(1 * MIB));

        store__cache_trim(store, store->cache_bytes > give ? store->cache_bytes - give : 0);
        used = buf_pool_used_bytes(pool);
    }
    return used + bytes > limit ? NULL : store__buf(store, bytes);
}
