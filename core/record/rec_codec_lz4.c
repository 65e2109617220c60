/* lz4 frames: the only door to liblz4.
 *
 * Kafka reads one frame, version 1, with independent blocks (KafkaLZ4BlockInputStream.java): a frame that Java
 * consumers would refuse is refused here, before it is stored. We write what its producer writes: blocks of 64 KiB,
 * no checksums of content or blocks. */
#include <lz4frame.h>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/record/rec_codec.h"

#define LZ4_FRAME_MAGIC       0x184d2204U
#define LZ4_FLAGS_AT          4
#define LZ4_FLAG_INDEPENDENT  (1U << 5)
#define LZ4_FLAG_DICTIONARY   (1U << 0)
#define LZ4_FLAG_VERSION_MASK 0xc0U
#define LZ4_FLAG_VERSION      0x40U
/* Magic, flags, block descriptor, header checksum. */
#define LZ4_HEADER_BYTES_MIN ((size_t)7)

static void *lz4_inflate_create(void)
{
    LZ4F_dctx *context = NULL;

    return LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0 ? NULL : context;
}

static void lz4_inflate_destroy(void *context)
{
    (void)LZ4F_freeDecompressionContext(context);
}

/* What comes out is counted by the caller: this codec streams. */
static int lz4_inflate_begin(void *context, struct view *input, UNUSED uint64_t bytes_max)
{
    uint8_t flags;

    if (input->len < LZ4_HEADER_BYTES_MIN || load_le32(input->base) != LZ4_FRAME_MAGIC) {
        return ERR_CORRUPT;
    }
    flags = input->base[LZ4_FLAGS_AT];
    if ((flags & LZ4_FLAG_VERSION_MASK) != LZ4_FLAG_VERSION) {
        return ERR_CORRUPT;
    }
    if ((flags & LZ4_FLAG_INDEPENDENT) == 0 || (flags & LZ4_FLAG_DICTIONARY) != 0) {
        return ERR_UNSUPPORTED;
    }
    LZ4F_resetDecompressionContext(context);
    return ERR_OK;
}

static int lz4_inflate_pull(void *context, struct view *input, struct span out, size_t *out_len)
{
    size_t produced = 0;

    while (produced < out.len) {
        size_t in_bytes = input->len;
        size_t out_bytes = out.len - produced;
        size_t rc = LZ4F_decompress(context, out.base + produced, &out_bytes, input->base, &in_bytes, NULL);

        *input = view_of(input->base + in_bytes, input->len - in_bytes);
        if (LZ4F_isError(rc) != 0) {
            /* What an error leaves in `out` is not counted: the library does not say whether it is whole. */
            break;
        }
        produced += out_bytes;
        *out_len = produced;
        if (rc == 0) {
            return 1;
        }
        if (in_bytes == 0 && out_bytes == 0) {
            break; /* the input ends within the frame */
        }
    }
    return produced == out.len ? 0 : ERR_CORRUPT;
}

static void *lz4_deflate_create(void)
{
    LZ4F_cctx *context = NULL;

    return LZ4F_isError(LZ4F_createCompressionContext(&context, LZ4F_VERSION)) != 0 ? NULL : context;
}

static void lz4_deflate_destroy(void *context)
{
    (void)LZ4F_freeCompressionContext(context);
}

/* Nothing is kept of a piece: pieces are whole blocks. */
static LZ4F_preferences_t lz4_preferences(int level)
{
    return (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = level,
        .autoFlush = 1,
    };
}

static size_t lz4_deflate_bound(size_t len)
{
    LZ4F_preferences_t preferences = lz4_preferences(0);

    return LZ4F_compressFrameBound(len, &preferences);
}

static int lz4_deflate_begin(void *context, int level, UNUSED size_t len, struct span out, size_t *out_len)
{
    LZ4F_preferences_t preferences = lz4_preferences(level);
    size_t             rc;

    if (out.len < LZ4F_HEADER_SIZE_MAX) {
        return ERR_LIMIT;
    }
    rc = LZ4F_compressBegin(context, out.base, out.len, &preferences);
    if (LZ4F_isError(rc) != 0) {
        return ERR_NO_MEMORY;
    }
    *out_len = rc;
    return ERR_OK;
}

static int lz4_deflate_push(void *context, struct view piece, bool last, struct span out, size_t *out_len)
{
    LZ4F_preferences_t preferences = lz4_preferences(0);
    size_t             rc;

    /* With the end of the frame; the library asks for as much, whatever comes out. */
    if (out.len < LZ4F_compressBound(piece.len, &preferences)) {
        return ERR_LIMIT;
    }
    rc = LZ4F_compressUpdate(context, out.base, out.len, piece.base, piece.len, NULL);
    if (LZ4F_isError(rc) != 0) {
        return ERR_NO_MEMORY;
    }
    *out_len = rc;
    if (last) {
        rc = LZ4F_compressEnd(context, out.base + *out_len, out.len - *out_len, NULL);
        if (LZ4F_isError(rc) != 0) {
            return ERR_NO_MEMORY;
        }
        *out_len += rc;
    }
    return ERR_OK;
}

const struct rec_codec_table rec__lz4_table = {
    .inflate_create = lz4_inflate_create,
    .inflate_destroy = lz4_inflate_destroy,
    .inflate_begin = lz4_inflate_begin,
    .inflate_pull = lz4_inflate_pull,
    .deflate_create = lz4_deflate_create,
    .deflate_destroy = lz4_deflate_destroy,
    .deflate_bound = lz4_deflate_bound,
    .deflate_begin = lz4_deflate_begin,
    .deflate_push = lz4_deflate_push,
};
