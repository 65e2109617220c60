/* micro_base.c: CRC-32C, hot buffers, timers, maps. */
#include "bench/micro/micro.h"
#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/map.h"
#include "core/base/prng.h"
#include "core/base/timer.h"

#include <stdio.h>

/* --- CRC-32C ----------------------------------------------------------------------------------------------------- */

struct crc_state {
    uint8_t *from, *to;
};

static void crc_prepare(struct micro *micro, int64_t kind)
{
    struct crc_state *state = mem_alloc(MEM_TEST, sizeof(*state));
    struct prng       prng;

    MAYBE(kind == 0);
    prng_init(&prng, 1);
    state->from = mem_alloc_aligned(MEM_TEST, (size_t)micro->size, 64);
    state->to = mem_alloc_aligned(MEM_TEST, (size_t)micro->size, 64);
    prng_fill(&prng, span_of(state->from, (size_t)micro->size));
    micro->bytes_per_turn = (uint64_t)micro->size;
    micro->state = state;
}

static void crc_run(struct micro *micro, uint64_t turns)
{
    struct crc_state *state = micro->state;
    uint32_t          crc = 0;

    for (uint64_t i = 0; i < turns; i++) {
        crc = crc32c_update(crc, state->from, (size_t)micro->size);
    }
    micro_use(crc);
}

static void crc_copy_run(struct micro *micro, uint64_t turns)
{
    struct crc_state *state = micro->state;
    uint32_t          crc = 0;

    for (uint64_t i = 0; i < turns; i++) {
        crc = crc32c_copy(crc, state->to, state->from, (size_t)micro->size);
    }
    micro_use(crc);
}

static void crc_patch_run(struct micro *micro, uint64_t turns)
{
    uint8_t  difference[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint32_t crc = 0;

    for (uint64_t i = 0; i < turns; i++) {
        crc = crc32c_patch(crc, difference, sizeof(difference), (uint64_t)micro->size);
    }
    micro_use(crc);
}

static void crc_patch_prepare(struct micro *micro, int64_t kind)
{
    crc_prepare(micro, kind);
    micro->bytes_per_turn = 0;
}

static void crc_finish(struct micro *micro)
{
    struct crc_state *state = micro->state;

    mem_free(MEM_TEST, state->from);
    mem_free(MEM_TEST, state->to);
    mem_free(MEM_TEST, state);
}

/* --- buffers: one of 64 is given back and taken anew ------------------------------------------------------------- */

#define BUFS_HELD 64

struct buf_state {
    struct buf_pool *pool;
    struct buf      *held[BUFS_HELD];
};

static void buf_prepare(struct micro *micro, int64_t kind)
{
    struct buf_state *state = mem_alloc(MEM_TEST, sizeof(*state));

    MAYBE(kind == 0);
    state->pool = buf_pool_create(128 * MIB, 256 * MIB);
    for (int i = 0; i < BUFS_HELD; i++) {
        state->held[i] = buf_acquire(state->pool, (size_t)micro->size);
        CHECK(state->held[i] != NULL);
    }
    micro->state = state;
}

static void buf_run(struct micro *micro, uint64_t turns)
{
    struct buf_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        size_t at = (size_t)(i * 29 % BUFS_HELD);

        buf_unref(state->held[at]);
        state->held[at] = buf_acquire(state->pool, (size_t)micro->size);
        CHECK(state->held[at] != NULL);
    }
}

static void buf_finish(struct micro *micro)
{
    struct buf_state *state = micro->state;

    for (int i = 0; i < BUFS_HELD; i++) {
        buf_unref(state->held[i]);
    }
    buf_pool_destroy(state->pool);
    mem_free(MEM_TEST, state);
}

/* --- timers: `size` are armed; one of them moves, or one fires and is armed anew --------------------------------- */

struct timer_state {
    struct timer_heap heap;
    struct timer     *timers;
    struct prng       prng;
    int64_t           now_ns;
};

static void timer_fires(struct timer *timer)
{
    MAYBE(timer == NULL);
}

static void timer_prepare(struct micro *micro, int64_t kind)
{
    struct timer_state *state = mem_alloc(MEM_TEST, sizeof(*state));

    MAYBE(kind == 0);
    prng_init(&state->prng, 1);
    timer_heap_init(&state->heap);
    state->timers = mem_alloc(MEM_TEST, (size_t)micro->size * sizeof(struct timer));
    for (int64_t i = 0; i < micro->size; i++) {
        timer_arm(&state->heap, &state->timers[i], (int64_t)prng_below(&state->prng, 1000000000), timer_fires);
    }
    micro->state = state;
}

static void timer_move_run(struct micro *micro, uint64_t turns)
{
    struct timer_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        uint64_t random = prng_next(&state->prng);

        timer_arm(&state->heap, &state->timers[random % (uint64_t)micro->size], (int64_t)(random >> 34), timer_fires);
    }
}

static void timer_fire_run(struct micro *micro, uint64_t turns)
{
    struct timer_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        struct timer *first = state->heap.items[0];

        state->now_ns = timer_heap_next_ns(&state->heap);
        CHECK(timer_heap_run(&state->heap, state->now_ns) >= 1);
        timer_arm(&state->heap, first, state->now_ns + 1000000000, timer_fires);
    }
}

static void timer_finish(struct micro *micro)
{
    struct timer_state *state = micro->state;

    for (int64_t i = 0; i < micro->size; i++) {
        timer_disarm(&state->heap, &state->timers[i]);
    }
    timer_heap_deinit(&state->heap);
    mem_free(MEM_TEST, state->timers);
    mem_free(MEM_TEST, state);
}

/* --- maps: `size` names, one is looked up ------------------------------------------------------------------------ */

#define MAP_NAME_BYTES 32

struct map_state {
    struct map  map;
    struct prng prng;
    char (*names)[MAP_NAME_BYTES];
};

static void map_prepare(struct micro *micro, int64_t kind)
{
    struct map_state *state = mem_alloc(MEM_TEST, sizeof(*state));

    MAYBE(kind == 0);
    prng_init(&state->prng, 1);
    map_init(&state->map, MEM_TEST);
    state->names = mem_alloc(MEM_TEST, (size_t)micro->size * MAP_NAME_BYTES);
    for (int64_t i = 0; i < micro->size; i++) {
        (void)snprintf(state->names[i], MAP_NAME_BYTES, "topic-%lld", (long long)i);
        (void)map_put(&state->map, view_text(state->names[i]), state->names[i]);
    }
    micro->state = state;
}

static void map_run(struct micro *micro, uint64_t turns)
{
    struct map_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        const char *name = state->names[prng_below(&state->prng, (uint64_t)micro->size)];

        CHECK(map_get(&state->map, view_text(name)) == name);
    }
}

static void map_finish(struct micro *micro)
{
    struct map_state *state = micro->state;

    map_deinit(&state->map);
    mem_free(MEM_TEST, state->names);
    mem_free(MEM_TEST, state);
}

const struct micro_row micro_base_rows[] = {
    {"crc32c/update", 0, {64, 1024, 16384, 131072, 1048576, 16777216}, crc_prepare, crc_run, crc_finish},
    {"crc32c/copy", 0, {1024, 16384, 131072, 1048576}, crc_prepare, crc_copy_run, crc_finish},
    {"crc32c/patch", 0, {1024, 131072}, crc_patch_prepare, crc_patch_run, crc_finish},
    {"buf/acquire_release", 0, {4096, 65536, 1048576}, buf_prepare, buf_run, buf_finish},
    {"timer/move", 0, {100, 10000, 1000000}, timer_prepare, timer_move_run, timer_finish},
    {"timer/fire", 0, {100, 10000, 1000000}, timer_prepare, timer_fire_run, timer_finish},
    {"map/get", 0, {100, 10000, 1000000}, map_prepare, map_run, map_finish},
    {NULL, 0, {0}, NULL, NULL, NULL},
};
