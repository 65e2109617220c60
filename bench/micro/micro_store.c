/* micro_store.c: looking up offsets in a segment's index; putting a batch into a frame. */
#include "bench/micro/micro.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/prng.h"
#include "core/store/store_frame.h"
#include "core/store/store_index.h"

/* --- the index: `size` frames of 100 offsets ---------------------------------------------------------------------- */

#define INDEX_FRAME_OFFSETS 100
#define INDEX_FRAME_BYTES   65536

struct index_state {
    struct store_index *index;
    struct prng         prng;
};

static void index_prepare(struct micro *micro, int64_t kind)
{
    struct index_state *state = mem_alloc(MEM_TEST, sizeof(*state));

    MAYBE(kind == 0);
    prng_init(&state->prng, 1);
    state->index = store_index_create(0, 4096, 0);
    CHECK(state->index != NULL);
    for (int64_t i = 0; i < micro->size; i++) {
        store_index_add(state->index, i * INDEX_FRAME_OFFSETS, (uint64_t)(i + 1) * INDEX_FRAME_BYTES, INDEX_FRAME_BYTES,
                        1700000000000 + i);
    }
    CHECK(store_index_entry_count(state->index) == (uint32_t)micro->size);
    micro->state = state;
}

static void index_offset_run(struct micro *micro, uint64_t turns)
{
    struct index_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        int64_t  offset = (int64_t)prng_below(&state->prng, (uint64_t)(micro->size * INDEX_FRAME_OFFSETS));
        uint64_t position = 0;

        CHECK(store_index_find_offset(state->index, offset, &position));
        CHECK(position == (uint64_t)(offset / INDEX_FRAME_OFFSETS + 1) * INDEX_FRAME_BYTES);
    }
}

static void index_time_run(struct micro *micro, uint64_t turns)
{
    struct index_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        int64_t  time_ms = 1700000000000 + (int64_t)prng_below(&state->prng, (uint64_t)micro->size);
        int64_t  offset = 0;
        uint64_t position = 0;

        CHECK(store_index_find_time(state->index, time_ms, &offset, &position));
        micro_use(position);
    }
}

static void index_finish(struct micro *micro)
{
    struct index_state *state = micro->state;

    store_index_destroy(state->index);
    mem_free(MEM_TEST, state);
}

/* --- the frame: a batch of `size` bytes is copied with its CRC, stamped and counted; the header is written when 512
 * KiB are full -------------------------------------------------------------------------------------------------------
 */

#define FRAME_BYTES ((size_t)(512 * KIB))

struct frame_state {
    struct arena              arena;
    struct view               batch;
    uint8_t                  *frame;
    struct store_frame_header header;
    size_t                    used;
};

static void frame_prepare(struct micro *micro, int64_t kind)
{
    struct frame_state *state = mem_alloc(MEM_TEST, sizeof(*state));
    struct rec_builder  builder;
    struct prng         prng;
    uint8_t            *value;
    size_t              value_bytes = (size_t)micro->size - REC_HEADER_BYTES - 16;

    MAYBE(kind == 0);
    arena_init(&state->arena, MEM_TEST, MIB, 64 * MIB);
    value = arena_alloc(&state->arena, value_bytes);
    CHECK(value != NULL);
    prng_init(&prng, 1);
    prng_fill(&prng, span_of(value, value_bytes));
    rec_builder_init(&builder, &state->arena);
    rec_builder_add(&builder, 1700000000000, (struct view){0}, view_of(value, value_bytes), NULL, 0);
    CHECK(rec_builder_finish(&builder, REC_NONE, 0, &state->batch) == ERR_OK);
    state->frame = mem_alloc_aligned(MEM_TEST, FRAME_BYTES, 4096);
    state->header = (struct store_frame_header){.segment_id = 7, .generation = 1, .position = 4096};
    store__frame_begin(&state->header);
    state->used = STORE_FRAME_HEADER_BYTES;
    micro->bytes_per_turn = state->batch.len;
    micro->state = state;
}

static void frame_run(struct micro *micro, uint64_t turns)
{
    struct frame_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        uint8_t *to = state->frame + state->used;

        if (state->used + state->batch.len > FRAME_BYTES) {
            state->header.payload_bytes = (uint32_t)(state->used - STORE_FRAME_HEADER_BYTES);
            state->header.frame_bytes = (uint32_t)align_up(state->used, 4096);
            store__frame_encode(&state->header, state->frame);
            store__frame_begin(&state->header);
            state->used = STORE_FRAME_HEADER_BYTES;
            to = state->frame + state->used;
        }
        micro_use(crc32c_copy(0, to, state->batch.base, state->batch.len));
        rec_stamp_offset(to, (int64_t)i, 3);
        CHECK(store__frame_add(&state->header, view_of(to, state->batch.len)) == ERR_OK);
        state->used += state->batch.len;
    }
}

static void frame_finish(struct micro *micro)
{
    struct frame_state *state = micro->state;

    arena_deinit(&state->arena);
    mem_free(MEM_TEST, state->frame);
    mem_free(MEM_TEST, state);
}

const struct micro_row micro_store_rows[] = {
    {"index/find_offset", 0, {64, 4096, 65536}, index_prepare, index_offset_run, index_finish},
    {"index/find_time", 0, {64, 4096, 65536}, index_prepare, index_time_run, index_finish},
    {"frame/append", 0, {1024, 16384, 131072}, frame_prepare, frame_run, frame_finish},
    {NULL, 0, {0}, NULL, NULL, NULL},
};
