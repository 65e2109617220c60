/* store_segment.h: the durable header of a segment file (docs/formats/segment.md). Pure codec, private to core/store.
 *
 * The first three blocks of a segment hold three copies of the header, written in turn, the oldest next: what counts is
 * the valid copy with the largest `sequence`. Three, because the newest may be one whose write failed and which only a
 * cache still shows: a torn write over the oldest then leaves the one before it. */
#ifndef MILLRACE_STORE_SEGMENT_H
#define MILLRACE_STORE_SEGMENT_H

#include "core/base/base.h"
#include "core/base/check.h"
#include "core/base/err.h"

#define STORE_SEGMENT_HEADER_BYTES    ((uint32_t)160)
#define STORE_SEGMENT_HEADER_COPIES   3
#define STORE_SEGMENT_VERSION         1
#define STORE_SEGMENT_VERSION_COMPACT 2 /* of segments that replace others: who does not know them must not read on */

enum store_segment_state {
    STORE_SEGMENT_PREPARED = 1,   /* made ahead; holds nothing and has no base offset */
    STORE_SEGMENT_ACTIVE = 2,     /* frames may follow; only they say how far */
    STORE_SEGMENT_SEALED = 3,     /* end_position and end_offset are final and durable */
    STORE_SEGMENT_RECOVERING = 4, /* a tail is being copied into it; worthless until ACTIVE */
    STORE_SEGMENT_COMPACTING = 5, /* what is left of others is being copied into it; worthless until SEALED */
    STORE_SEGMENT_FREE = 6,       /* of no log: written space for another one, whose segment id it has already */
};

struct store_segment_header {
    uint64_t                 sequence; /* of header writes: which copy is newer */
    uint64_t                 segment_id;
    struct uuid              topic_id;
    int32_t                  partition;
    uint32_t                 number;     /* as in the file's name */
    uint32_t                 generation; /* of appending */
    uint32_t                 block_bytes;
    enum store_segment_state state;
    int64_t                  base_offset;
    int64_t                  log_start_offset; /* DeleteRecords and retention: what is below is gone */
    int64_t                  created_ms;       /* wall clock of the first append */
    uint64_t                 end_position;     /* SEALED; FREE: the space below has been written */
    int64_t                  end_offset;       /* SEALED: exclusive */
    int64_t                  max_timestamp_ms; /* SEALED */
    uint64_t                 frame_count;      /* SEALED */
    /* Made by compaction: stands in the place of the segments with these numbers, which are dead once this is SEALED,
     * and of those that they had replaced. 0 and 0: of others. */
    uint32_t replaces_first, replaces_last;
    int64_t  clean_end; /* what keys below this offset made obsolete is gone; else 0 */
};

static inline bool store__segment_compacted(const struct store_segment_header *header)
{
    return header->replaces_last != 0;
}

/* A log's segments are ordered by these. */
static inline uint32_t store__segment_place(const struct store_segment_header *header)
{
    return store__segment_compacted(header) ? header->replaces_first : header->number;
}

static inline uint32_t store__segment_place_last(const struct store_segment_header *header)
{
    return store__segment_compacted(header) ? header->replaces_last : header->number;
}

void store__segment_header_encode(const struct store_segment_header *header, uint8_t to[STORE_SEGMENT_HEADER_BYTES]);
/* ERR_CORRUPT: not a header. */
MUST_USE int store__segment_header_decode(struct view bytes, struct store_segment_header *out_header);
/* The newest valid copy; ERR_CORRUPT when none is valid. *out_copies (may be NULL) says
 * how many are. */
MUST_USE int store__segment_header_choose(struct view region, uint32_t block_bytes,
                                          struct store_segment_header *out_header, int *out_copies);

/* Frames start behind the copies. */
static inline uint64_t store__segment_data_start(uint32_t block_bytes)
{
    return (uint64_t)STORE_SEGMENT_HEADER_COPIES * block_bytes;
}

#endif
