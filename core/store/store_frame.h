/* store_frame.h: the frame, a segment's unit of writing (docs/formats/segment.md). Pure codec, private to core/store.
 *
 * A frame starts on a block, holds a header of STORE_FRAME_HEADER_BYTES, record batches as they were sent, and zeros up
 * to the next block. The header has two checks, both salted with the segment's identity, so that zeros, recycled
 * blocks, misdirected writes and frames of another segment never parse: one over itself, one over the first 21 bytes of
 * every batch (what Kafka's CRC leaves out). */
#ifndef MILLRACE_STORE_FRAME_H
#define MILLRACE_STORE_FRAME_H

#include "core/record/rec.h"

#define STORE_FRAME_HEADER_BYTES ((uint32_t)96)
#define STORE_FRAME_MAGIC        0x4652464dU /* "MFRF" */
#define STORE_FRAME_VERSION      1
#define STORE_FRAME_BYTES_MAX    ((uint32_t)(1024 * MIB)) /* one frame: more is a length that lies */

STATIC_CHECK(STORE_FRAME_HEADER_BYTES % 16 == 0 && STORE_FRAME_HEADER_BYTES < 128);

/* How a frame was written, and so what a frame that can be read after a stop is worth. A read proves little: what comes
 * back may stand in a volatile cache whose flush has failed before. */
enum store_frame_mode {
    FRAME_DURABLE =
        1, /* durably, acknowledging its appends: on stable storage if a later frame says so, else in doubt */
    FRAME_ACCEPT = 2,    /* weak policy: plainly, which acknowledged it; flushed later */
    FRAME_DRAIN = 3,     /* plainly, all of it in the journal; the journal lets go of it when it was flushed */
    FRAME_SETTLED = 4,   /* copied by a recovery and flushed before the segment counted */
    FRAME_COMPACTED = 5, /* the same by compaction: between its batches, and before the first, offsets may be missing */
};

struct store_frame_header {
    uint64_t              segment_id; /* random, per segment */
    uint32_t              generation; /* of appending to that segment */
    uint32_t              batch_count;
    uint64_t              sequence; /* 0, 1, ... in the segment */
    uint64_t              position; /* of this frame in the file: a misdirected write does not parse */
    int64_t               first_offset;
    int64_t               last_offset;
    int64_t               durable_end; /* everything below was on stable storage when this frame was submitted */
    int64_t               max_timestamp_ms;
    uint32_t              payload_bytes; /* batches */
    uint32_t              frame_bytes;   /* header, batches and padding: a multiple of the block */
    enum store_frame_mode mode;
    uint32_t              prefix_crc; /* over the first 21 bytes of every batch */
};

/* Sets batch_count and prefix_crc for no batch; segment_id and generation stand. */
void store__frame_begin(struct store_frame_header *header);
/* Counts the next whole batches (our own) into batch_count and prefix_crc. ERR_CORRUPT when they do not parse. */
MUST_USE int store__frame_add(struct store_frame_header *header, struct view batches);
/* Writes STORE_FRAME_HEADER_BYTES. */
void store__frame_encode(const struct store_frame_header *header, uint8_t *to);
/* The header at the head of `bytes`, which belongs to segment `segment_id` at file position `position`. ERR_CORRUPT: no
 * frame of this segment begins here. The payload has not been looked at. */
MUST_USE int store__frame_decode(struct view bytes, uint64_t segment_id, uint64_t position, uint32_t block_bytes,
                                 struct store_frame_header *out_header);
/* All of it: lengths, the check over the prefixes, offsets contiguous from first to last, every batch's CRC. ERR_OK or
 * ERR_CORRUPT. */
MUST_USE int store__frame_verify(const struct store_frame_header *header, struct view payload);

/* Walks batches of a payload that was verified, or that this process made. False at the end. */
static inline bool store__batch_next(struct view *rest, struct rec_batch *out_batch)
{
    size_t batch_bytes;

    if (rest->len < REC_HEADER_BYTES || rec_header_parse(*rest, out_batch, &batch_bytes) != ERR_OK ||
        batch_bytes > rest->len) {
        return false;
    }
    out_batch->bytes = view_of(rest->base, batch_bytes);
    rest->base += batch_bytes;
    rest->len -= batch_bytes;
    return true;
}

#endif
