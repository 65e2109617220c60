/* gzip: ISA-L's igzip, which inflates 2.6 times as fast as zlib (0.76 against 2.0 ns/B on log text). One member per
 * batch; its checksum and length are verified.
 *
 * Kafka's levels 1 to 9 map to the library's 1 to 3, by threes. */
#include <isa-l/igzip_lib.h>

#include "core/base/check.h"
#include "core/record/rec_codec.h"

#define GZIP_LEVEL_DEFAULT 2
#define GZIP_LEVEL_MAX     3
/* Header and trailer, and for each block its header or, at worst, codes somewhat longer than the bytes they stand for:
 * a stream fed in pieces cannot always fall back to a stored block. Noise grows by 0.07%. */
#define GZIP_BOUND_FIXED_BYTES ((size_t)1024)
#define GZIP_BOUND_RATIO       ((size_t)32)

struct gzip_deflater {
    struct isal_zstream stream;
    uint8_t             level_memory[ISAL_DEF_LVL3_DEFAULT];
};

STATIC_CHECK(ISAL_DEF_LVL3_DEFAULT >= ISAL_DEF_LVL2_DEFAULT && ISAL_DEF_LVL2_DEFAULT >= ISAL_DEF_LVL1_MIN);

static void *gzip_inflate_create(void)
{
    return mem_try_alloc(MEM_RECORD, sizeof(struct inflate_state));
}

static void gzip_inflate_destroy(void *context)
{
    mem_free(MEM_RECORD, context);
}

/* What comes out is counted by the caller: this codec streams. */
static int gzip_inflate_begin(void *context, struct view *input, UNUSED uint64_t bytes_max)
{
    struct inflate_state *state = context;

    if (input->len > UINT32_MAX) {
        return ERR_CORRUPT;
    }
    isal_inflate_init(state);
    state->crc_flag = ISAL_GZIP;
    return ERR_OK;
}

static int gzip_inflate_pull(void *context, struct view *input, struct span out, size_t *out_len)
{
    struct inflate_state *state = context;
    int                   rc;

    out.len = MIN(out.len, (size_t)UINT32_MAX);
    /* The library reads through a non-const pointer and does not write there. */
    state->next_in = (uint8_t *)(uintptr_t)input->base;
    state->avail_in = (uint32_t)input->len;
    state->next_out = out.base;
    state->avail_out = (uint32_t)out.len;
    rc = isal_inflate(state);
    /* At the end the library may give back more than this call took: bytes that earlier calls left in its bit reader.
     * They stand before input->base, in the same memory. */
    *input = view_of(state->next_in, state->avail_in);
    *out_len = out.len - state->avail_out;
    if (rc != ISAL_DECOMP_OK) {
        return ERR_CORRUPT;
    }
    if (state->block_state == ISAL_BLOCK_FINISH) {
        /* Whole bytes that the bit reader holds beyond the trailer are input left over as well. */
        return state->read_in_length >= 8 ? ERR_CORRUPT : 1;
    }
    return state->avail_out == 0 ? 0 : ERR_CORRUPT;
}

static void *gzip_deflate_create(void)
{
    return mem_try_alloc(MEM_RECORD, sizeof(struct gzip_deflater));
}

static void gzip_deflate_destroy(void *context)
{
    mem_free(MEM_RECORD, context);
}

static size_t gzip_deflate_bound(size_t len)
{
    return len + len / GZIP_BOUND_RATIO + GZIP_BOUND_FIXED_BYTES;
}

static int gzip_deflate_begin(void *context, int level, size_t len, UNUSED struct span out, size_t *out_len)
{
    struct gzip_deflater *deflater = context;
    struct isal_zstream  *stream = &deflater->stream;

    CHECK(len <= UINT32_MAX);
    isal_deflate_init(stream);
    stream->gzip_flag = IGZIP_GZIP;
    stream->level = level <= 0 ? GZIP_LEVEL_DEFAULT : (uint32_t)MIN((level + 2) / 3, GZIP_LEVEL_MAX);
    stream->level_buf = deflater->level_memory;
    stream->level_buf_size = sizeof(deflater->level_memory);
    stream->flush = NO_FLUSH;
    *out_len = 0;
    return ERR_OK;
}

/* The library copies what it keeps of a piece. */
static int gzip_deflate_push(void *context, struct view piece, bool last, struct span out, size_t *out_len)
{
    struct isal_zstream *stream = &((struct gzip_deflater *)context)->stream;

    out.len = MIN(out.len, (size_t)UINT32_MAX);
    stream->end_of_stream = last ? 1 : 0;
    stream->next_in = (uint8_t *)(uintptr_t)piece.base;
    stream->avail_in = (uint32_t)piece.len;
    stream->next_out = out.base;
    stream->avail_out = (uint32_t)out.len;
    if (isal_deflate(stream) != COMP_OK) {
        return ERR_LIMIT;
    }
    *out_len = out.len - stream->avail_out;
    if (stream->avail_in > 0 || (last && stream->internal_state.state != ZSTATE_END)) {
        return ERR_LIMIT;
    }
    return ERR_OK;
}

const struct rec_codec_table rec__gzip_table = {
    .inflate_create = gzip_inflate_create,
    .inflate_destroy = gzip_inflate_destroy,
    .inflate_begin = gzip_inflate_begin,
    .inflate_pull = gzip_inflate_pull,
    .deflate_create = gzip_deflate_create,
    .deflate_destroy = gzip_deflate_destroy,
    .deflate_bound = gzip_deflate_bound,
    .deflate_begin = gzip_deflate_begin,
    .deflate_push = gzip_deflate_push,
};
