/* A batch under another codec, in slices: what one window of records inflates to is compressed before the next one is
 * looked at.
 *
 * 1. Memory is one window, the new batch up to its limit, and the codecs' contexts: the inflated records are never
 *    there as a whole.
 * 2. A window is always full but for the last, so that the result does not depend on slices. Each codec's blocks end
 *    with it: 64 KiB for lz4 and zstd, 32 KiB for snappy; gzip keeps what it needs.
 * 3. A batch that becomes too long is given up in the window where that shows. */
#include "core/base/check.h"
#include "core/record/rec_codec.h"
#include "core/record/rec_internal.h"

struct rec_streams {
    struct rec_inflater inflater;
    struct rec_deflater deflater;
    uint8_t             window[REC_WINDOW_BYTES];
};

STATIC_CHECK(REC_WINDOW_BYTES % REC_DEFLATE_PIECE_BYTES == 0);

static int recompress_open(struct rec_recompress *job, int level);
static int recompress_window(struct rec_recompress *job, size_t *out_bytes);
static int records_count(const struct rec_batch *batch, size_t bytes_max, struct arena *arena, uint64_t *out_bytes);

static struct view records_of(const struct rec_batch *batch)
{
    return view_of(batch->bytes.base + REC_HEADER_BYTES, batch->bytes.len - REC_HEADER_BYTES);
}

int rec_recompress_begin(struct rec_recompress *job, const struct rec_batch *batch, uint64_t records_bytes,
                         enum rec_codec codec, int level, size_t batch_bytes_max, struct arena *arena)
{
    size_t capacity;
    int    rc;

    CHECK(batch->bytes.len >= REC_HEADER_BYTES && codec < REC_CODEC_COUNT);
    *job = (struct rec_recompress){
        .batch = *batch,
        .codec = codec,
        .records_bytes = (size_t)records_bytes,
        .batch_bytes_max = MIN(batch_bytes_max, (size_t)INT32_MAX),
        .len = REC_HEADER_BYTES,
    };
    if (records_bytes > INT32_MAX - REC_HEADER_BYTES ||
        (codec == REC_NONE && records_bytes + REC_HEADER_BYTES > job->batch_bytes_max)) {
        return ERR_LIMIT;
    }
    capacity = job->records_bytes;
    if (codec != REC_NONE) { /* a window above the limit, which then is seen to be passed */
        capacity = MIN(rec__deflate_bound(codec, job->records_bytes),
                       job->batch_bytes_max + rec__deflate_bound(codec, REC_WINDOW_BYTES));
    }
    job->whole = span_of(arena_alloc(arena, REC_HEADER_BYTES + capacity), REC_HEADER_BYTES + capacity);
    job->streams_ = arena_alloc(arena, sizeof(*job->streams_));
    if (job->whole.base == NULL || job->streams_ == NULL) {
        job->streams_ = NULL;
        return ERR_NO_MEMORY;
    }
    rc = recompress_open(job, level);
    if (rc != ERR_OK) {
        rec_recompress_end(job);
    }
    return rc;
}

static int recompress_open(struct rec_recompress *job, int level)
{
    struct rec_streams *streams = job->streams_;
    int                 rc = ERR_OK;

    if (job->batch.codec != REC_NONE) {
        rc = rec__inflate_open(&streams->inflater, job->batch.codec, records_of(&job->batch), job->records_bytes);
        if (rc != ERR_OK) {
            return rc == ERR_NO_MEMORY ? rc : ERR_CORRUPT;
        }
    }
    if (job->codec != REC_NONE) {
        size_t len = 0;

        rc = rec__deflate_open(&streams->deflater, job->codec, level, job->records_bytes,
                               span_of(job->whole.base + job->len, job->whole.len - job->len), &len);
        job->len += len;
    }
    return rc;
}

int rec_recompress_step(struct rec_recompress *job, size_t slice_bytes, struct view *out_batch)
{
    size_t           done = 0;
    struct rec_batch fields = job->batch;

    CHECK(job->streams_ != NULL && slice_bytes > 0);
    while (done < slice_bytes) {
        size_t bytes = 0;
        int    rc = recompress_window(job, &bytes);

        if (rc == ERR_OK) {
            fields.attributes = (uint16_t)((fields.attributes & ~REC_ATTR_CODEC_MASK) | (uint16_t)job->codec);
            rec__header_write(job->whole.base, job->len, &fields);
            *out_batch = view_of(job->whole.base, job->len);
        }
        if (rc != ERR_AGAIN) {
            return rc;
        }
        done += bytes;
    }
    return ERR_AGAIN;
}

void rec_recompress_end(struct rec_recompress *job)
{
    if (job->streams_ == NULL) {
        return;
    }
    rec__inflate_close(&job->streams_->inflater);
    rec__deflate_close(&job->streams_->deflater);
    job->streams_ = NULL; /* the arena's */
}

int rec_recompress_whole(const struct rec_batch *batch, enum rec_codec codec, int level, size_t inflated_bytes_max,
                         struct arena *arena, struct view *out_batch)
{
    struct rec_recompress job = {0};
    uint64_t              records_bytes = 0;
    int                   rc = records_count(batch, inflated_bytes_max, arena, &records_bytes);

    if (rc == ERR_OK) {
        rc = rec_recompress_begin(&job, batch, records_bytes, codec, level, INT32_MAX, arena);
    }
    if (rc == ERR_OK) {
        do {
            rc = rec_recompress_step(&job, SIZE_MAX, out_batch);
        } while (rc == ERR_AGAIN);
    }
    rec_recompress_end(&job);
    return rc;
}

/* The next window of records, inflated. 1: the last; 0; ERR_CORRUPT, ERR_NO_MEMORY. */
static int take_window(struct rec_recompress *job, struct view *out_piece)
{
    struct rec_streams *streams = job->streams_;
    size_t              left = job->records_bytes - job->done_bytes;
    size_t              len = 0;
    int                 rc;

    if (job->batch.codec == REC_NONE) {
        struct view records = records_of(&job->batch);

        *out_piece = view_of(records.base + job->done_bytes, MIN(left, REC_WINDOW_BYTES));
        if (records.len != job->records_bytes) {
            return ERR_CORRUPT;
        }
        return out_piece->len == left ? 1 : 0;
    }
    rc = rec__inflate_pull(&streams->inflater, span_of(streams->window, REC_WINDOW_BYTES), &len);
    *out_piece = view_of(streams->window, len);
    if (rc == ERR_NO_MEMORY) {
        return rc;
    }
    return rc < 0 || len > left || (rc == 1 && len < left) ? ERR_CORRUPT : rc;
}

/* ERR_AGAIN: go on; ERR_OK: it was the last. */
static int recompress_window(struct rec_recompress *job, size_t *out_bytes)
{
    struct view piece = {0};
    size_t      len = 0;
    int         rc = ERR_OK;
    int         last = take_window(job, &piece);

    if (last < 0) {
        return last;
    }
    *out_bytes = piece.len;
    job->done_bytes += piece.len;
    if (job->codec == REC_NONE) {
        len = piece.len; /* there is room: begin() has seen to it */
        memcpy(job->whole.base + job->len, piece.base, len);
    } else {
        rc = rec__deflate_push(&job->streams_->deflater, piece, last == 1, &len);
    }
    job->len += len;
    if (rc == ERR_OK && job->len > job->batch_bytes_max) {
        rc = ERR_LIMIT;
    }
    if (rc != ERR_OK) {
        return rc;
    }
    return last == 1 ? ERR_OK : ERR_AGAIN;
}

static int records_count(const struct rec_batch *batch, size_t bytes_max, struct arena *arena, uint64_t *out_bytes)
{
    struct rec_inflater inflater;
    uint8_t            *window;
    int                 rc;

    CHECK(batch->bytes.len >= REC_HEADER_BYTES);
    *out_bytes = batch->bytes.len - REC_HEADER_BYTES;
    if (batch->codec == REC_NONE) {
        return *out_bytes > bytes_max ? ERR_LIMIT : ERR_OK;
    }
    window = arena_alloc(arena, REC_WINDOW_BYTES);
    if (window == NULL) {
        return ERR_NO_MEMORY;
    }
    rc = rec__inflate_open(&inflater, batch->codec, records_of(batch), bytes_max);
    if (rc != ERR_OK) {
        return rc == ERR_NO_MEMORY ? rc : ERR_CORRUPT;
    }
    *out_bytes = 0;
    do {
        size_t len = 0;

        rc = rec__inflate_pull(&inflater, span_of(window, REC_WINDOW_BYTES), &len);
        *out_bytes += len;
    } while (rc == 0 && *out_bytes <= bytes_max);
    rec__inflate_close(&inflater);
    if (rc < 0) {
        return rc;
    }
    return *out_bytes > bytes_max ? ERR_LIMIT : ERR_OK;
}
