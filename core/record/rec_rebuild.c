/* Whole records sections, inflated into an arena. */
#include "core/base/check.h"
#include "core/record/rec_codec.h"
#include "core/record/rec_internal.h"

/* The first guess at the inflated size: most logs and JSON shrink to a quarter. */
#define REC_INFLATE_GUESS_RATIO ((size_t)4)
#define REC_INFLATE_BYTES_MIN   ((size_t)4096)

static int inflate_into(struct rec_inflater *inflater, size_t guess, size_t bytes_max, struct arena *arena,
                        struct view *out_records);

int rec_inflate(const struct rec_batch *batch, size_t bytes_max, struct arena *arena, struct view *out_records)
{
    struct view         input;
    struct rec_inflater inflater;
    int                 rc;

    CHECK(batch->bytes.len >= REC_HEADER_BYTES);
    input = view_of(batch->bytes.base + REC_HEADER_BYTES, batch->bytes.len - REC_HEADER_BYTES);
    if (batch->codec == REC_NONE) {
        *out_records = input;
        return input.len > bytes_max ? ERR_LIMIT : ERR_OK;
    }
    bytes_max = MIN(bytes_max, (size_t)INT32_MAX);
    rc = rec__inflate_open(&inflater, batch->codec, input, bytes_max);
    if (rc != ERR_OK) {
        return rc == ERR_NO_MEMORY ? rc : ERR_CORRUPT;
    }
    rc = inflate_into(&inflater, input.len * REC_INFLATE_GUESS_RATIO, bytes_max, arena, out_records);
    rec__inflate_close(&inflater);
    return rc;
}

static int inflate_into(struct rec_inflater *inflater, size_t guess, size_t bytes_max, struct arena *arena,
                        struct view *out_records)
{
    /* One byte above the limit shows that there is more. */
    size_t   capacity_max = bytes_max + 1;
    size_t   capacity = MIN(MAX(guess, REC_INFLATE_BYTES_MIN), capacity_max);
    size_t   len = 0;
    uint8_t *bytes = arena_alloc(arena, capacity);

    while (bytes != NULL) {
        size_t more = 0;
        int    rc = rec__inflate_pull(inflater, span_of(bytes + len, capacity - len), &more);

        len += more;
        if (rc < 0) {
            return rc;
        }
        if (len > bytes_max) {
            return ERR_LIMIT;
        }
        if (rc == 1) {
            *out_records = view_of(bytes, len);
            return ERR_OK;
        }
        if (len == capacity) {
            uint8_t *grown;

            capacity = MIN(capacity * 2, capacity_max);
            grown = arena_alloc(arena, capacity);
            if (grown != NULL) {
                memcpy(grown, bytes, len);
            }
            bytes = grown;
        }
    }
    return ERR_NO_MEMORY;
}
