/* snappy: the only door to libsnappy. Two shapes are read: a raw block (librdkafka) and the framing of the Java library
 * (xerial): a header of 16 bytes, then blocks of compressed bytes behind a big-endian length. The second is written.
 *
 * The library inflates a block in one go. It is used where a block fits into what the caller has room for, as Java's
 * blocks do. A longer one, and a raw block holds a whole batch, is inflated here element by element into a buffer of
 * its declared length, only as far as is asked for, so that a large batch does not hold the event loop. The buffer
 * stays within the limit given and within what the format can reach from what was sent. */
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

/* Elements are copied in steps of up to 16 bytes, which may write behind their end. */
#define SNAPPY_STEP_BYTES ((size_t)16)

/* The kind of an element, in the low bits of its tag. */
enum snappy_element { SNAPPY_LITERAL, SNAPPY_COPY_11_BITS, SNAPPY_COPY_16_BITS, SNAPPY_COPY_32_BITS };

struct snappy_stream {
    /* The block under way, when it did not fit into what the caller had: */
    struct view elements; /* what is left of it, compressed */
    uint8_t    *block;    /* and inflated */
    size_t      capacity_bytes;
    size_t      len;        /* declared */
    size_t      made;       /* inflated so far */
    size_t      served;     /* handed out so far */
    uint64_t    bytes_left; /* of the limit on output */
    bool        framed;
    bool        raw_pending; /* the one raw block is still to be inflated */
};

static int take_block(struct snappy_stream *stream, struct view *input, struct view *out_block);
static int begin_block(struct snappy_stream *stream, struct view block, struct span out, size_t *out_len);
static int make_block(struct snappy_stream *stream, size_t until);

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
    stream->made = 0;
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
            rc = make_block(stream, stream->served + len);
            if (rc != ERR_OK) {
                return rc;
            }
            memcpy(out.base + *out_len, stream->block + stream->served, len);
            stream->served += len;
            *out_len += len;
            continue;
        }
        rc = take_block(stream, input, &block);
        if (rc <= 0) {
            return rc == 0 ? 1 : rc;
        }
        rc = begin_block(stream, block, span_of(out.base + *out_len, out.len - *out_len), &len);
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

/* Into `out` when it fits there, else made ready for make_block(). */
static int begin_block(struct snappy_stream *stream, struct view block, struct span out, size_t *out_len)
{
    const char *compressed = (const char *)block.base;
    uint32_t    declared = 0;
    size_t      prefix = uvarint32_read(block.base, block.len, &declared);
    size_t      len = declared;

    if (prefix == 0 || len > block.len * SNAPPY_RATIO_MAX) {
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
    if (len + SNAPPY_STEP_BYTES > stream->capacity_bytes) {
        mem_free(MEM_RECORD, stream->block);
        stream->capacity_bytes = 0;
        stream->block = mem_try_alloc(MEM_RECORD, len + SNAPPY_STEP_BYTES);
        if (stream->block == NULL) {
            return ERR_NO_MEMORY;
        }
        stream->capacity_bytes = len + SNAPPY_STEP_BYTES;
    }
    stream->elements = view_of(block.base + prefix, block.len - prefix);
    stream->len = len;
    stream->made = 0;
    stream->served = 0;
    *out_len = 0;
    return ERR_OK;
}

/* `len` bytes from `from`, in steps that may read and write behind them: both sides have SNAPPY_STEP_BYTES more. */
static void copy_steps(uint8_t *to, const uint8_t *from, size_t len, size_t step_bytes)
{
    uint8_t *end = to + len;

    do {
        uint64_t step[SNAPPY_STEP_BYTES / sizeof(uint64_t)];

        memcpy(step, from, step_bytes);
        memcpy(to, step, step_bytes);
        to += step_bytes;
        from += step_bytes;
    } while (to < end);
}

/* Repeats what lies `distance` bytes back. */
static bool make_copy(struct snappy_stream *stream, size_t distance, size_t len)
{
    uint8_t       *to = stream->block + stream->made;
    const uint8_t *from;

    if (distance == 0 || distance > stream->made || len > stream->len - stream->made) {
        return false;
    }
    from = to - distance;
    stream->made += len;
    if (LIKELY(distance >= SNAPPY_STEP_BYTES)) {
        copy_steps(to, from, len, SNAPPY_STEP_BYTES);
    } else if (distance >= sizeof(uint64_t)) {
        copy_steps(to, from, len, sizeof(uint64_t));
    } else {
        for (size_t i = 0; i < len; i++) {
            to[i] = from[i];
        }
    }
    return true;
}

/* `at` stands behind the tag. NULL: damaged. */
static const uint8_t *make_literal(struct snappy_stream *stream, const uint8_t *at, const uint8_t *end, uint8_t tag)
{
    uint8_t *to = stream->block + stream->made;
    size_t   len = (size_t)(tag >> 2) + 1;

    if (len > 60) {
        size_t   count = len - 60; /* bytes of the length, little-endian */
        uint32_t value = 0;

        if (count > (size_t)(end - at)) {
            return NULL;
        }
        memcpy(&value, at, count);
        at += count;
        len = (size_t)value + 1;
    }
    if (len > (size_t)(end - at) || len > stream->len - stream->made) {
        return NULL;
    }
    if (len <= SNAPPY_STEP_BYTES && (size_t)(end - at) >= SNAPPY_STEP_BYTES) {
        copy_steps(to, at, SNAPPY_STEP_BYTES, SNAPPY_STEP_BYTES);
    } else {
        memcpy(to, at, len);
    }
    stream->made += len;
    return at + len;
}

/* Inflates the block under way until at least `until` bytes of it are there. */
static int make_block(struct snappy_stream *stream, size_t until)
{
    const uint8_t *end = stream->elements.base + stream->elements.len;
    const uint8_t *at = stream->elements.base;

    while (stream->made < until) {
        static const uint8_t operand_bytes[] = {0, 1, 2, 4};
        uint8_t              tag;
        uint32_t             distance = 0;
        size_t               len;

        if (at == end) {
            return ERR_CORRUPT;
        }
        tag = *at++;
        if ((tag & 3) == SNAPPY_LITERAL) {
            at = make_literal(stream, at, end, tag);
            if (at == NULL) {
                return ERR_CORRUPT;
            }
            continue;
        }
        if (operand_bytes[tag & 3] > end - at) {
            return ERR_CORRUPT;
        }
        if ((tag & 3) == SNAPPY_COPY_11_BITS) {
            len = (size_t)((tag >> 2) & 7) + 4;
            distance = ((uint32_t)(tag & 0xe0) << 3) | at[0];
        } else {
            len = (size_t)(tag >> 2) + 1;
            distance = (tag & 3) == SNAPPY_COPY_16_BITS ? load_le16(at) : load_le32(at);
        }
        at += operand_bytes[tag & 3];
        if (!make_copy(stream, distance, len)) {
            return ERR_CORRUPT;
        }
    }
    stream->elements = view_of(at, (size_t)(end - at));
    return stream->made == stream->len && at != end ? ERR_CORRUPT : ERR_OK;
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
static int snappy_deflate_begin(UNUSED void *context, UNUSED int level, UNUSED size_t len, struct span out,
                                size_t *out_len)
{
    if (out.len < XERIAL_HEADER_BYTES) {
        return ERR_LIMIT;
    }
    memcpy(out.base, xerial_magic, sizeof(xerial_magic));
    store_be32(out.base + sizeof(xerial_magic), XERIAL_VERSION);
    store_be32(out.base + sizeof(xerial_magic) + sizeof(uint32_t), XERIAL_COMPATIBLE);
    *out_len = XERIAL_HEADER_BYTES;
    return ERR_OK;
}

/* Nothing is kept of a piece: pieces are whole blocks. */
static int snappy_deflate_push(UNUSED void *context, struct view piece, UNUSED bool last, struct span out,
                               size_t *out_len)
{
    size_t at = 0;

    while (piece.len > 0) {
        size_t block = MIN(piece.len, XERIAL_BLOCK_BYTES);
        size_t len;

        if (out.len - at < XERIAL_BLOCK_PREFIX_BYTES + snappy_max_compressed_length(block)) {
            return ERR_LIMIT;
        }
        len = out.len - at - XERIAL_BLOCK_PREFIX_BYTES;
        if (snappy_compress((const char *)piece.base, block, (char *)out.base + at + XERIAL_BLOCK_PREFIX_BYTES, &len) !=
            SNAPPY_OK) {
            return ERR_NO_MEMORY;
        }
        store_be32(out.base + at, (uint32_t)len);
        at += XERIAL_BLOCK_PREFIX_BYTES + len;
        *out_len = at;
        piece = view_of(piece.base + block, piece.len - block);
    }
    return ERR_OK;
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
    .deflate_begin = snappy_deflate_begin,
    .deflate_push = snappy_deflate_push,
};
