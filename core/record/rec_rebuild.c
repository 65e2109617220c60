/* Whole records sections: inflated into an arena, and put under another codec. */
#include "core/base/check.h"
#include "core/record/rec_codec.h"
#include "core/record/rec_internal.h"

/* The first guess at the inflated size: most logs and JSON shrink to a quarter. */
#define REC_INFLATE_GUESS_RATIO ((size_t)4)
#define REC_INFLATE_BYTES_MIN   ((size_t)4096)

static int inflate_into(struct rec_inflater *inflater, size_t room, size_t guess, size_t bytes_max, struct arena *arena,
                        struct span *out_bytes);
static int inflate_behind_room(const struct rec_batch *batch, size_t room, size_t bytes_max, struct arena *arena,
                               struct span *out_bytes);

int rec_inflate(const struct rec_batch *batch, size_t bytes_max, struct arena *arena, struct view *out_records)
{
    struct span bytes;
    int         rc;

    CHECK(batch->bytes.len >= REC_HEADER_BYTES);
    if (batch->codec == REC_NONE) {
        if (batch->bytes.len - REC_HEADER_BYTES > bytes_max) {
            return ERR_LIMIT;
        }
        *out_records = view_of(batch->bytes.base + REC_HEADER_BYTES, batch->bytes.len - REC_HEADER_BYTES);
        return ERR_OK;
    }
    rc = inflate_behind_room(batch, 0, bytes_max, arena, &bytes);
    if (rc == ERR_OK) {
        *out_records = view_span(bytes);
    }
    return rc;
}

int rec_recompress(const struct rec_batch *batch, enum rec_codec codec, int level, size_t inflated_bytes_max,
                   struct arena *arena, struct view *out_batch)
{
    struct rec_batch fields = *batch;
    struct span      whole;
    int              rc;

    CHECK(codec < REC_CODEC_COUNT);
    if (codec == REC_NONE) {
        rc = inflate_behind_room(batch, REC_HEADER_BYTES, inflated_bytes_max, arena, &whole);
    } else {
        struct view records;

        rc = rec_inflate(batch, inflated_bytes_max, arena, &records);
        if (rc == ERR_OK) {
            rc = rec__deflate(codec, level, records, REC_HEADER_BYTES, arena, &whole);
        }
    }
    if (rc != ERR_OK) {
        return rc;
    }
    fields.attributes = (uint16_t)((batch->attributes & ~REC_ATTR_CODEC_MASK) | (uint16_t)codec);
    rec__header_write(whole.base, whole.len, &fields);
    *out_batch = view_span(whole);
    return ERR_OK;
}

/* The records of `batch`, uncompressed, with `room` bytes before them; the result includes the room. */
static int inflate_behind_room(const struct rec_batch *batch, size_t room, size_t bytes_max, struct arena *arena,
                               struct span *out_bytes)
{
    struct view         input = view_of(batch->bytes.base + REC_HEADER_BYTES, batch->bytes.len - REC_HEADER_BYTES);
    struct rec_inflater inflater;
    int                 rc;

    bytes_max = MIN(bytes_max, (size_t)INT32_MAX - room);
    if (batch->codec == REC_NONE) {
        uint8_t *copy = input.len > bytes_max ? NULL : arena_alloc(arena, room + input.len);

        if (copy == NULL) {
            return input.len > bytes_max ? ERR_LIMIT : ERR_NO_MEMORY;
        }
        memcpy(copy + room, input.base, input.len);
        *out_bytes = span_of(copy, room + input.len);
        return ERR_OK;
    }
    rc = rec__inflate_open(&inflater, batch->codec, input, bytes_max);
    if (rc != ERR_OK) {
        return rc == ERR_NO_MEMORY ? rc : ERR_CORRUPT;
    }
    rc = inflate_into(&inflater, room, input.len * REC_INFLATE_GUESS_RATIO, bytes_max, arena, out_bytes);
    rec__inflate_close(&inflater);
    return rc;
}

static int inflate_into(struct rec_inflater *inflater, size_t room, size_t guess, size_t bytes_max, struct arena *arena,
                        struct span *out_bytes)
{
    /* One byte above the limit shows that there is more. */
    size_t   capacity_max = bytes_max + 1;
    size_t   capacity = MIN(MAX(guess, REC_INFLATE_BYTES_MIN), capacity_max);
    size_t   len = 0;
    uint8_t *bytes = arena_alloc(arena, room + capacity);

    while (bytes != NULL) {
        size_t more = 0;
        int    rc = rec__inflate_pull(inflater, span_of(bytes + room + len, capacity - len), &more);

        len += more;
        if (rc < 0) {
            return rc;
        }
        if (len > bytes_max) {
            return ERR_LIMIT;
        }
        if (rc == 1) {
            *out_bytes = span_of(bytes, room + len);
            return ERR_OK;
        }
        if (len == capacity) {
            uint8_t *grown;

            capacity = MIN(capacity * 2, capacity_max);
            grown = arena_alloc(arena, room + capacity);
            if (grown != NULL) {
                memcpy(grown + room, bytes + room, len);
            }
            bytes = grown;
        }
    }
    return ERR_NO_MEMORY;
}
