/* snappy: the only door to libsnappy. Two shapes are read: a raw block (librdkafka) and the framing of the Java
 * library (xerial): a header of 16 bytes, then blocks of compressed bytes behind a big-endian length. The second is
 * written.
 *
 * The library inflates a block in one go, so a raw block takes one buffer of its whole length (within the limit
 * given, and never more than the format can reach from what was sent) and one uninterrupted call. */
#include <snappy-c.h>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/record/rec_codec.h"

#define XERIAL_HEADER_BYTES       ((size_t)16)
#define XERIAL_VERSION            1
#define XERIAL_COMPATIBLE         1
#define XERIAL_BLOCK_BYTES        ((size_t)32768) /* as the Java library cuts */
#define XERIAL_BLOCK_PREFIX_BYTES ((size_t)4)
/* The best element of the format copies 64 bytes for 3. */
#define SNAPPY_RATIO_MAX ((size_t)22)
/* Larger buffers go back when the stream ends. */
#define SNAPPY_KEPT_BYTES_MAX ((size_t)(4 * MIB))

static const uint8_t xerial_magic[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

struct snappy_stream {
    uint8_t *block; /* an inflated block that did not fit into what the caller had */
    size_t   capacity_bytes;
    size_t   len;
    size_t   served;     /* bytes of it handed out */
    uint64_t bytes_left; /* of the limit on output */
    bool     framed;
    bool     raw_pending; /* the one raw block is still to be inflated */
};

static int take_block(struct snappy_stream *stream, struct view *input, struct view *out_block);
static int inflate_block(struct snappy_stream *stream, struct view block, struct span out, size_t *out_len);

static void *snappy_inflate_create(void)
{
    return mem_try_alloc(MEM_RECORD, sizeof(struct snappy_stream));
}

static void snappy_inflate_end(void *context)
{
    struct snappy_stream *stream = context;

    if (stream->capacity_bytes > SNAPPY_KEPT_BYTES_MAX) {
        mem_free(MEM_RECORD, stream->block);
        stream->block = NULL;
        stream->capacity_bytes = 0;
    }
}

static void snappy_inflate_destroy(void *context)
{
    struct snappy_stream *stream = context;

    mem_free(MEM_RECORD, stream->block);
    mem_free(MEM_RECORD, stream);
}

static int snappy_inflate_begin(void *context, struct view *input, uint64_t bytes_max)
{
    struct snappy_stream *stream = context;

    stream->len = 0;
    stream->served = 0;
    stream->bytes_left = bytes_max;
    stream->framed = input->len >= XERIAL_HEADER_BYTES && memcmp(input->base, xerial_magic, sizeof(xerial_magic)) == 0;
    stream->raw_pending = !stream->framed;
    if (stream->framed) {
        if (load_be32(input->base + sizeof(xerial_magic)) < XERIAL_COMPATIBLE) {
            return ERR_CORRUPT;
        }
        *input = view_of(input->base + XERIAL_HEADER_BYTES, input->len - XERIAL_HEADER_BYTES);
    }
    return ERR_OK;
}

static int snappy_inflate_pull(void *context, struct view *input, struct span out, size_t *out_len)
{
    struct snappy_stream *stream = context;

    *out_len = 0;
    while (*out_len < out.len) {
        struct view block;
        size_t      len = 0;
        int         rc;

        if (stream->served < stream->len) {
            len = MIN(stream->len - stream->served, out.len - *out_len);
            memcpy(out.base + *out_len, stream->block + stream->served, len);
            stream->served += len;
            *out_len += len;
            continue;
        }
        rc = take_block(stream, input, &block);
        if (rc <= 0) {
            return rc == 0 ? 1 : rc;
        }
        rc = inflate_block(stream, block, span_of(out.base + *out_len, out.len - *out_len), &len);
        if (rc != ERR_OK) {
            return rc;
        }
        *out_len += len;
    }
    return 0;
}

/* 1: the next compressed block; 0: there is none; ERR_CORRUPT. */
static int take_block(struct snappy_stream *stream, struct view *input, struct view *out_block)
{
    size_t prefix = 0;
    size_t len = input->len;

    if (stream->framed) {
        if (input->len == 0) {
            return 0;
        }
        if (input->len < XERIAL_BLOCK_PREFIX_BYTES) {
            return ERR_CORRUPT;
        }
        prefix = XERIAL_BLOCK_PREFIX_BYTES;
        len = load_be32(input->base);
        if (len > input->len - prefix) {
            return ERR_CORRUPT;
        }
    } else if (!stream->raw_pending) {
        return 0;
    }
    stream->raw_pending = false;
    *out_block = view_of(input->base + prefix, len);
    *input = view_of(input->base + prefix + len, input->len - prefix - len);
    return 1;
}

/* Into `out` when it fits there, else into the stream's own buffer. */
static int inflate_block(struct snappy_stream *stream, struct view block, struct span out, size_t *out_len)
{
    const char *compressed = (const char *)block.base;
    size_t      len = 0;

    if (snappy_uncompressed_length(compressed, block.len, &len) != SNAPPY_OK || len > block.len * SNAPPY_RATIO_MAX) {
        return ERR_CORRUPT;
    }
    if (len > stream->bytes_left) {
        return ERR_LIMIT;
    }
    stream->bytes_left -= len;
    if (len <= out.len) {
        *out_len = len;
        return snappy_uncompress(compressed, block.len, (char *)out.base, out_len) == SNAPPY_OK ? ERR_OK : ERR_CORRUPT;
    }
    if (len > stream->capacity_bytes) {
        mem_free(MEM_RECORD, stream->block);
        stream->capacity_bytes = 0;
        stream->block = mem_try_alloc(MEM_RECORD, len);
        if (stream->block == NULL) {
            return ERR_NO_MEMORY;
        }
        stream->capacity_bytes = len;
    }
    if (snappy_uncompress(compressed, block.len, (char *)stream->block, &len) != SNAPPY_OK) {
        return ERR_CORRUPT;
    }
    stream->len = len;
    stream->served = 0;
    return ERR_OK;
}

/* The library compresses without a context. */
static void *snappy_deflate_create(void)
{
    static uint8_t nothing;

    return &nothing;
}

static void snappy_deflate_destroy(void *context)
{
    MAYBE(context == NULL);
}

static size_t snappy_deflate_bound(size_t len)
{
    size_t blocks = len / XERIAL_BLOCK_BYTES + 1;

    return XERIAL_HEADER_BYTES +
           blocks * (XERIAL_BLOCK_PREFIX_BYTES + snappy_max_compressed_length(XERIAL_BLOCK_BYTES));
}

/* Levels mean nothing to snappy. */
static int64_t snappy_deflate(void *context, int level, struct view input, struct span out)
{
    size_t at = XERIAL_HEADER_BYTES;

    MAYBE(context == NULL || level == 0);
    memcpy(out.base, xerial_magic, sizeof(xerial_magic));
    store_be32(out.base + sizeof(xerial_magic), XERIAL_VERSION);
    store_be32(out.base + sizeof(xerial_magic) + sizeof(uint32_t), XERIAL_COMPATIBLE);
    while (input.len > 0) {
        size_t piece = MIN(input.len, XERIAL_BLOCK_BYTES);
        size_t len = out.len - at - XERIAL_BLOCK_PREFIX_BYTES;

        if (snappy_compress((const char *)input.base, piece, (char *)out.base + at + XERIAL_BLOCK_PREFIX_BYTES, &len) !=
            SNAPPY_OK) {
            return ERR_NO_MEMORY;
        }
        store_be32(out.base + at, (uint32_t)len);
        at += XERIAL_BLOCK_PREFIX_BYTES + len;
        input = view_of(input.base + piece, input.len - piece);
    }
    return (int64_t)at;
}

const struct rec_codec_table rec__snappy_table = {
    .inflate_create = snappy_inflate_create,
    .inflate_destroy = snappy_inflate_destroy,
    .inflate_begin = snappy_inflate_begin,
    .inflate_pull = snappy_inflate_pull,
    .inflate_end = snappy_inflate_end,
    .deflate_create = snappy_deflate_create,
    .deflate_destroy = snappy_deflate_destroy,
    .deflate_bound = snappy_deflate_bound,
    .deflate = snappy_deflate,
};
