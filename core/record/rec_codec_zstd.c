/* zstd frames: the only door to libzstd. One frame per batch; a window above 8 MiB is refused, as it is the reader's
 * memory. */
#include <zstd.h>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/record/rec_codec.h"

#define ZSTD_WINDOW_LOG_MAX 23 /* 8 MiB: what every decoder is asked to support (RFC 8878) */

static void *zstd_inflate_create(void)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();

    if (context != NULL &&
        ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)) != 0) {
        (void)ZSTD_freeDCtx(context);
        context = NULL;
    }
    return context;
}

static void zstd_inflate_destroy(void *context)
{
    (void)ZSTD_freeDCtx(context);
}

/* What comes out is counted by the caller: this codec streams. */
static int zstd_inflate_begin(void *context, struct view *input, UNUSED uint64_t bytes_max)
{
    /* Skippable frames and formats of old releases, which the library would read too, are nothing for a log. */
    if (input->len < sizeof(uint32_t) || load_le32(input->base) != ZSTD_MAGICNUMBER) {
        return ERR_CORRUPT;
    }
    return ZSTD_isError(ZSTD_DCtx_reset(context, ZSTD_reset_session_only)) != 0 ? ERR_NO_MEMORY : ERR_OK;
}

static int zstd_inflate_pull(void *context, struct view *input, struct span out, size_t *out_len)
{
    ZSTD_outBuffer to = {.dst = out.base, .size = out.len};

    while (to.pos < out.len) {
        ZSTD_inBuffer from = {.src = input->base, .size = input->len};
        size_t        before = to.pos;
        size_t        rc = ZSTD_decompressStream(context, &to, &from);

        *input = view_of(input->base + from.pos, input->len - from.pos);
        if (ZSTD_isError(rc) != 0) {
            return ERR_CORRUPT;
        }
        *out_len = to.pos;
        if (rc == 0) {
            return 1;
        }
        if (from.pos == 0 && to.pos == before) {
            return ERR_CORRUPT; /* the input ends within the frame */
        }
    }
    return 0;
}

static void *zstd_deflate_create(void)
{
    return ZSTD_createCCtx();
}

static void zstd_deflate_destroy(void *context)
{
    (void)ZSTD_freeCCtx(context);
}

static size_t zstd_deflate_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

static int zstd_deflate_begin(void *context, int level, size_t len, UNUSED struct span out, size_t *out_len)
{
    (void)ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
    /* The library clamps levels to those it has; high ones would ask for windows that we refuse ourselves. */
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    if (level > 19) {
        (void)ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, ZSTD_WINDOW_LOG_MAX);
    }
    /* With it the library's tables and window fit the batch, and the frame says how long it is. */
    *out_len = 0;
    return ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, len)) != 0 ? ERR_NO_MEMORY : ERR_OK;
}

/* Each piece ends a block, so that the work on it is done now and not on top of that for a later one. */
static int zstd_deflate_push(void *context, struct view piece, bool last, struct span out, size_t *out_len)
{
    ZSTD_inBuffer  from = {.src = piece.base, .size = piece.len};
    ZSTD_outBuffer to = {.dst = out.base, .size = out.len};
    size_t         left;

    do {
        left = ZSTD_compressStream2(context, &to, &from, last ? ZSTD_e_end : ZSTD_e_flush);
    } while (ZSTD_isError(left) == 0 && left > 0 && to.pos < to.size);
    *out_len = to.pos;
    if (ZSTD_isError(left) != 0) {
        return ERR_NO_MEMORY;
    }
    return left > 0 ? ERR_LIMIT : ERR_OK;
}

const struct rec_codec_table rec__zstd_table = {
    .inflate_create = zstd_inflate_create,
    .inflate_destroy = zstd_inflate_destroy,
    .inflate_begin = zstd_inflate_begin,
    .inflate_pull = zstd_inflate_pull,
    .deflate_create = zstd_deflate_create,
    .deflate_destroy = zstd_deflate_destroy,
    .deflate_bound = zstd_deflate_bound,
    .deflate_begin = zstd_deflate_begin,
    .deflate_push = zstd_deflate_push,
};
