/* store_index.c: sparse offset and time index of a segment.
 *
 * Invariants: entries rise strictly in offset and position; running maxima never fall; the last entry's is the index's
 * largest timestamp. */
#include "core/store/store_index.h"

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"

#define MAGIC            UINT32_C(0x58444e49) /* "INDX" in the file */
#define VERSION          1
#define HEADER_BYTES     ((size_t)72)
#define ENTRY_BYTES      ((size_t)16)
#define ENTRIES_AT_FIRST 8

struct entry {
    uint32_t offset_delta;     /* from base_offset */
    uint32_t block;            /* position / block_bytes */
    int64_t  max_timestamp_ms; /* over all frames from the segment's start to the next entry */
};

STATIC_CHECK(sizeof(struct entry) == ENTRY_BYTES);

struct store_index {
    int64_t       base_offset;
    uint32_t      block_bytes;
    uint64_t      interval_bytes;
    uint64_t      since_bytes; /* frames added behind the last entry's beginning */
    int64_t       last_offset; /* of what was added */
    uint64_t      end_position;
    int64_t       max_timestamp_ms;
    uint32_t      count;
    uint32_t      capacity;
    struct entry *entries;
};

struct store_index *store_index_create(int64_t base_offset, uint32_t block_bytes, uint32_t interval_bytes)
{
    struct store_index *index = mem_try_alloc(MEM_STORE, sizeof(*index));

    CHECK(base_offset >= 0 && is_power_of_two(block_bytes));
    if (index == NULL) {
        return NULL;
    }
    /* The first entry must not fail for want of memory: a lookup would pass over the frames before the second. */
    index->entries = mem_try_alloc(MEM_STORE, ENTRIES_AT_FIRST * sizeof(struct entry));
    if (index->entries == NULL) {
        mem_free(MEM_STORE, index);
        return NULL;
    }
    index->capacity = ENTRIES_AT_FIRST;
    index->base_offset = base_offset;
    index->block_bytes = block_bytes;
    index->interval_bytes = interval_bytes;
    index->last_offset = base_offset - 1;
    index->max_timestamp_ms = STORE_INDEX_NO_TIME;
    return index;
}

void store_index_destroy(struct store_index *index)
{
    if (index != NULL) {
        mem_free(MEM_STORE, index->entries);
        mem_free(MEM_STORE, index);
    }
}

/* Every second entry goes; what is left stands for the runs of both. */
static void thin_out(struct store_index *index)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < index->count; i += 2) {
        struct entry entry = index->entries[i];

        if (i + 1 < index->count) {
            entry.max_timestamp_ms = index->entries[i + 1].max_timestamp_ms;
        }
        index->entries[kept++] = entry;
    }
    index->count = kept;
    index->interval_bytes = MAX(index->interval_bytes * 2, index->block_bytes);
}

/* False: no memory; the run of the last entry then goes on. */
static bool make_room(struct store_index *index)
{
    uint32_t      capacity = MIN(MAX(index->capacity * 2, ENTRIES_AT_FIRST), STORE_INDEX_ENTRIES_MAX);
    struct entry *larger;

    if (index->count < index->capacity) {
        return true;
    }
    if (index->capacity >= STORE_INDEX_ENTRIES_MAX) {
        thin_out(index);
        return true;
    }
    larger = mem_try_alloc(MEM_STORE, capacity * sizeof(*larger));
    if (larger == NULL) {
        return false;
    }
    if (index->count != 0) {
        memcpy(larger, index->entries, index->count * sizeof(*larger));
    }
    mem_free(MEM_STORE, index->entries);
    index->entries = larger;
    index->capacity = capacity;
    return true;
}

/* A new entry, or the run of the last one goes on over this frame. */
static void begin_entry(struct store_index *index, int64_t first_offset, uint64_t position)
{
    uint64_t delta = (uint64_t)(first_offset - index->base_offset);
    uint64_t block = position / index->block_bytes;

    if (index->count == 0) {
        /* There is an entry as soon as there is a frame. Too low an offset only makes it found more often. */
        delta = MIN(delta, UINT32_MAX);
    } else if (index->since_bytes < index->interval_bytes) {
        return;
    }
    /* Offsets may leap further than an entry can say: such frames are found from the entry before. */
    if (delta > UINT32_MAX || block > UINT32_MAX || !make_room(index)) {
        return;
    }
    index->entries[index->count++] = (struct entry){.offset_delta = (uint32_t)delta, .block = (uint32_t)block};
    index->since_bytes = 0;
}

void store_index_add(struct store_index *index, int64_t first_offset, uint64_t position, uint32_t frame_bytes,
                     int64_t max_timestamp_ms)
{
    if (index == NULL) {
        return;
    }
    /* What does not rise was read back from a disk that lies; whoever reads the frame reports it. */
    if (first_offset > index->last_offset && position >= index->end_position && position % index->block_bytes == 0) {
        begin_entry(index, first_offset, position);
        index->last_offset = first_offset;
        index->end_position = position + frame_bytes;
        index->since_bytes += frame_bytes;
    }
    if (index->count != 0) {
        index->max_timestamp_ms = MAX(index->max_timestamp_ms, max_timestamp_ms);
        index->entries[index->count - 1].max_timestamp_ms = index->max_timestamp_ms;
    }
}

bool store_index_find_offset(const struct store_index *index, int64_t offset, uint64_t *out_position)
{
    uint32_t low = 0;
    uint32_t high = index->count; /* entries below low begin at or below offset, those from high on above */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (index->base_offset + (int64_t)index->entries[middle].offset_delta <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return false;
    }
    *out_position = (uint64_t)index->entries[low - 1].block * index->block_bytes;
    return true;
}

bool store_index_find_position(const struct store_index *index, uint64_t from, uint64_t to, uint64_t *out_position)
{
    uint32_t low = 0;
    uint32_t high = index->count; /* entries below low begin at or below `to`, those from high on above */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if ((uint64_t)index->entries[middle].block * index->block_bytes <= to) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low > 0 && (uint64_t)index->entries[low - 1].block * index->block_bytes > from) {
        low--;
    }
    if (low == index->count) {
        return false;
    }
    *out_position = (uint64_t)index->entries[low].block * index->block_bytes;
    return true;
}

bool store_index_find_time(const struct store_index *index, int64_t timestamp_ms, int64_t *out_first_offset,
                           uint64_t *out_position)
{
    uint32_t low = 0;
    uint32_t high = index->count; /* entries below low do not reach the timestamp, those from high on do */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (index->entries[middle].max_timestamp_ms < timestamp_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == index->count) {
        return false;
    }
    *out_first_offset = index->base_offset + (int64_t)index->entries[low].offset_delta;
    *out_position = (uint64_t)index->entries[low].block * index->block_bytes;
    return true;
}

int64_t store_index_max_timestamp(const struct store_index *index)
{
    return index->max_timestamp_ms;
}

uint32_t store_index_entry_count(const struct store_index *index)
{
    return index->count;
}

size_t store_index_memory_bytes(const struct store_index *index)
{
    return sizeof(*index) + index->capacity * sizeof(struct entry);
}

/* --- file image ------------------------------------------------------------------------------------------ */

size_t store_index_encoded_bytes(const struct store_index *index)
{
    return HEADER_BYTES + index->count * ENTRY_BYTES;
}

void store_index_encode(const struct store_index *index, const struct store_index_identity *identity, uint8_t *to)
{
    CHECK(identity->base_offset == index->base_offset && identity->block_bytes == index->block_bytes);
    CHECK(identity->end_position >= index->end_position && identity->end_offset > index->last_offset);
    memset(to, 0, HEADER_BYTES);
    store_le32(to, MAGIC);
    store_le32(to + 4, VERSION);
    store_le64(to + 8, identity->segment_id);
    store_le32(to + 16, identity->generation);
    store_le32(to + 20, identity->block_bytes);
    store_le64(to + 24, (uint64_t)identity->base_offset);
    store_le64(to + 32, identity->end_position);
    store_le64(to + 40, (uint64_t)identity->end_offset);
    store_le64(to + 48, (uint64_t)index->max_timestamp_ms);
    store_le32(to + 56, (uint32_t)MIN(index->interval_bytes, UINT32_MAX));
    store_le32(to + 60, index->count);
    for (uint32_t i = 0; i < index->count; i++) {
        uint8_t *at = to + HEADER_BYTES + i * ENTRY_BYTES;

        store_le32(at, index->entries[i].offset_delta);
        store_le32(at + 4, index->entries[i].block);
        store_le64(at + 8, (uint64_t)index->entries[i].max_timestamp_ms);
    }
    /* The check stands inside of what it covers, as zeros. */
    store_le32(to + 64, crc32c_update(0, to, HEADER_BYTES + index->count * ENTRY_BYTES));
}

static bool header_valid(struct view image, const struct store_index_identity *identity)
{
    const uint8_t *at = image.base;
    const uint8_t  zeros[8] = {0};
    uint32_t       check;

    if (image.len < HEADER_BYTES || load_le32(at) != MAGIC || load_le32(at + 4) != VERSION ||
        load_le64(at + 8) != identity->segment_id || load_le32(at + 16) != identity->generation ||
        load_le32(at + 20) != identity->block_bytes || (int64_t)load_le64(at + 24) != identity->base_offset ||
        load_le64(at + 32) != identity->end_position || (int64_t)load_le64(at + 40) != identity->end_offset ||
        load_le32(at + 60) > STORE_INDEX_ENTRIES_MAX || image.len != HEADER_BYTES + load_le32(at + 60) * ENTRY_BYTES) {
        return false;
    }
    check = crc32c_update(0, at, 64);
    check = crc32c_update(check, zeros, sizeof(zeros));
    return crc32c_update(check, at + HEADER_BYTES, image.len - HEADER_BYTES) == load_le32(at + 64) &&
           load_le32(at + 68) == 0;
}

/* The invariants, and nothing behind the segment's end. */
static bool entries_valid(const struct store_index *index, const struct store_index_identity *identity)
{
    uint64_t offsets = (uint64_t)(identity->end_offset - identity->base_offset);

    for (uint32_t i = 0; i < index->count; i++) {
        const struct entry *entry = &index->entries[i];

        if (entry->offset_delta >= offsets ||
            (uint64_t)entry->block * identity->block_bytes >= identity->end_position) {
            return false;
        }
        if (i > 0 && (entry->offset_delta <= entry[-1].offset_delta || entry->block <= entry[-1].block ||
                      entry->max_timestamp_ms < entry[-1].max_timestamp_ms)) {
            return false;
        }
    }
    return index->count == 0 ? index->max_timestamp_ms == STORE_INDEX_NO_TIME
                             : index->entries[index->count - 1].max_timestamp_ms == index->max_timestamp_ms;
}

int store_index_decode(struct view image, const struct store_index_identity *identity, struct store_index **out_index)
{
    struct store_index *index;
    uint32_t            count;

    if (!is_power_of_two(identity->block_bytes) || identity->base_offset < 0 ||
        identity->end_offset < identity->base_offset || !header_valid(image, identity)) {
        return ERR_CORRUPT;
    }
    count = load_le32(image.base + 60);
    index = store_index_create(identity->base_offset, identity->block_bytes, load_le32(image.base + 56));
    if (index == NULL) {
        return ERR_NO_MEMORY;
    }
    mem_free(MEM_STORE, index->entries);
    index->entries = mem_try_alloc(MEM_STORE, count * sizeof(struct entry));
    if (index->entries == NULL) {
        store_index_destroy(index);
        return ERR_NO_MEMORY;
    }
    index->count = count;
    index->capacity = count;
    index->end_position = identity->end_position;
    index->last_offset = identity->end_offset - 1;
    index->max_timestamp_ms = (int64_t)load_le64(image.base + 48);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = image.base + HEADER_BYTES + i * ENTRY_BYTES;

        index->entries[i] = (struct entry){
            .offset_delta = load_le32(at), .block = load_le32(at + 4), .max_timestamp_ms = (int64_t)load_le64(at + 8)};
    }
    if (!entries_valid(index, identity)) {
        store_index_destroy(index);
        return ERR_CORRUPT;
    }
    *out_index = index;
    return ERR_OK;
}
