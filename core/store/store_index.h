/* store_index.h: a sparse index of one segment's frames, by offset and by time; in memory, and as a file image of a
 * sealed segment.
 *
 * Private to core/store. One entry stands for a run of frames: where the run begins, its first offset, and the largest
 * timestamp of the segment from its start to the end of the run. So one array serves both lookups: by offset the last
 * entry that begins at or below it, by time the first entry whose running maximum reaches it (timestamps within a log
 * need not rise).
 *
 * An index only shortens the way: a lookup may name an earlier frame than necessary, never a later one. That is why
 * entries may be left out: by the interval, when memory is short, and when STORE_INDEX_ENTRIES_MAX is reached (every
 * second one goes, the interval doubles).
 *
 * Ownership: the segment's. Pure: no I/O. docs/formats/index.md has the bytes. */
#ifndef MILLRACE_STORE_INDEX_H
#define MILLRACE_STORE_INDEX_H

#include "core/base/base.h"
#include "core/base/err.h"
#include "core/base/mem.h"

#define STORE_INDEX_ENTRIES_MAX ((uint32_t)65536) /* 1 MiB per segment */
#define STORE_INDEX_NO_TIME     INT64_MIN         /* largest timestamp of no frames */

struct store_index;

/* What an index belongs to: taken from the sealed segment's header, compared when an image is decoded. */
struct store_index_identity {
    uint64_t segment_id;
    uint32_t generation;
    uint32_t block_bytes;
    int64_t  base_offset;
    uint64_t end_position;
    int64_t  end_offset;
};

/* block_bytes: frames start on multiples of it. interval_bytes 0: an entry per frame. NULL: no memory. */
MUST_USE struct store_index *store_index_create(int64_t base_offset, uint32_t block_bytes, uint32_t interval_bytes);
/* NULL is allowed. */
void store_index_destroy(struct store_index *index);

/* The next frame: first_offset and position rise from call to call (a frame that does not is passed over). Also feeds a
 * rebuild, frame by frame. `index` may be NULL: a segment without one is walked from its start. */
void store_index_add(struct store_index *index, int64_t first_offset, uint64_t position, uint32_t frame_bytes,
                     int64_t max_timestamp_ms);

/* A frame at or before the one that holds `offset`. False: no entry is that low, start at the segment's first frame. */
MUST_USE bool store_index_find_offset(const struct store_index *index, int64_t offset, uint64_t *out_position);
/* The last place above `from` and up to `to` where a frame begins; else the first one behind. False: none is known. */
MUST_USE bool store_index_find_position(const struct store_index *index, uint64_t from, uint64_t to,
                                        uint64_t *out_position);
/* A frame at or before the first one with a batch of timestamp_ms or later, and an offset at or below its first. False:
 * there is none. */
MUST_USE bool store_index_find_time(const struct store_index *index, int64_t timestamp_ms, int64_t *out_first_offset,
                                    uint64_t *out_position);
int64_t       store_index_max_timestamp(const struct store_index *index);
uint32_t      store_index_entry_count(const struct store_index *index);
size_t        store_index_memory_bytes(const struct store_index *index);

size_t store_index_encoded_bytes(const struct store_index *index);
/* `to` has room for store_index_encoded_bytes(). */
void store_index_encode(const struct store_index *index, const struct store_index_identity *identity, uint8_t *to);
/* ERR_CORRUPT: not whole, not of this segment, or not consistent: rebuild it. ERR_NO_MEMORY. */
MUST_USE int store_index_decode(struct view image, const struct store_index_identity *identity,
                                struct store_index **out_index);

#endif
