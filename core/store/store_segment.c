/* store_segment.c: encode and decode segment headers. Pure. */
#include "core/store/store_segment.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"

#define SEGMENT_MAGIC 0x4745534d4c4c494dULL /* "MILLMSEG", read as bytes */

/* Places of fields, which are little-endian. */
enum header_at {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_CRC = 12, /* over everything but itself */
    AT_SEQUENCE = 16,
    AT_SEGMENT_ID = 24,
    AT_TOPIC_ID = 32,
    AT_PARTITION = 48,
    AT_NUMBER = 52,
    AT_GENERATION = 56,
    AT_BLOCK_BYTES = 60,
    AT_STATE = 64,
    AT_BASE_OFFSET = 72,
    AT_LOG_START_OFFSET = 80,
    AT_CREATED_MS = 88,
    AT_END_POSITION = 96,
    AT_END_OFFSET = 104,
    AT_MAX_TIMESTAMP = 112,
    AT_FRAME_COUNT = 120,
    AT_REPLACES_FIRST = 128,
    AT_REPLACES_LAST = 132,
    AT_CLEAN_END = 136,
    AT_RESERVED = 144,
};

static uint32_t header_crc(const uint8_t *bytes)
{
    uint32_t crc = crc32c_update(0, bytes, AT_CRC);

    return crc32c_update(crc, bytes + AT_SEQUENCE, STORE_SEGMENT_HEADER_BYTES - AT_SEQUENCE);
}

void store__segment_header_encode(const struct store_segment_header *header, uint8_t to[STORE_SEGMENT_HEADER_BYTES])
{
    memset(to, 0, STORE_SEGMENT_HEADER_BYTES);
    store_le64(to + AT_MAGIC, SEGMENT_MAGIC);
    store_le32(to + AT_VERSION,
               store__segment_compacted(header) ? STORE_SEGMENT_VERSION_COMPACT : STORE_SEGMENT_VERSION);
    store_le64(to + AT_SEQUENCE, header->sequence);
    store_le64(to + AT_SEGMENT_ID, header->segment_id);
    memcpy(to + AT_TOPIC_ID, header->topic_id.bytes, sizeof(header->topic_id.bytes));
    store_le32(to + AT_PARTITION, (uint32_t)header->partition);
    store_le32(to + AT_NUMBER, header->number);
    store_le32(to + AT_GENERATION, header->generation);
    store_le32(to + AT_BLOCK_BYTES, header->block_bytes);
    store_le32(to + AT_STATE, (uint32_t)header->state);
    store_le64(to + AT_BASE_OFFSET, (uint64_t)header->base_offset);
    store_le64(to + AT_LOG_START_OFFSET, (uint64_t)header->log_start_offset);
    store_le64(to + AT_CREATED_MS, (uint64_t)header->created_ms);
    store_le64(to + AT_END_POSITION, header->end_position);
    store_le64(to + AT_END_OFFSET, (uint64_t)header->end_offset);
    store_le64(to + AT_MAX_TIMESTAMP, (uint64_t)header->max_timestamp_ms);
    store_le64(to + AT_FRAME_COUNT, header->frame_count);
    store_le32(to + AT_REPLACES_FIRST, header->replaces_first);
    store_le32(to + AT_REPLACES_LAST, header->replaces_last);
    store_le64(to + AT_CLEAN_END, (uint64_t)header->clean_end);
    store_le32(to + AT_CRC, header_crc(to));
}

static bool header_plausible(const struct store_segment_header *header)
{
    if (!is_power_of_two(header->block_bytes) || header->block_bytes < STORE_SEGMENT_HEADER_BYTES ||
        header->partition < 0 || header->base_offset < 0 || header->log_start_offset < 0) {
        return false;
    }
    if (store__segment_compacted(header) &&
        (header->replaces_first == 0 || header->replaces_first > header->replaces_last ||
         header->replaces_last >= header->number || header->clean_end < 0 ||
         (header->state != STORE_SEGMENT_SEALED && header->state != STORE_SEGMENT_COMPACTING))) {
        return false;
    }
    if (header->state == STORE_SEGMENT_COMPACTING) {
        return store__segment_compacted(header);
    }
    if (header->state == STORE_SEGMENT_FREE) {
        return header->end_position % header->block_bytes == 0;
    }
    if (header->state == STORE_SEGMENT_SEALED) {
        return header->end_offset >= header->base_offset && header->end_position % header->block_bytes == 0 &&
               header->end_position >= store__segment_data_start(header->block_bytes);
    }
    return header->state >= STORE_SEGMENT_PREPARED && header->state <= STORE_SEGMENT_RECOVERING;
}

int store__segment_header_decode(struct view bytes, struct store_segment_header *out_header)
{
    struct store_segment_header header = {0};
    uint32_t                    version;

    if (bytes.len < STORE_SEGMENT_HEADER_BYTES || load_le64(bytes.base + AT_MAGIC) != SEGMENT_MAGIC ||
        load_le32(bytes.base + AT_CRC) != header_crc(bytes.base)) {
        return ERR_CORRUPT;
    }
    version = load_le32(bytes.base + AT_VERSION);
    if (version != STORE_SEGMENT_VERSION && version != STORE_SEGMENT_VERSION_COMPACT) {
        return ERR_CORRUPT;
    }
    header.sequence = load_le64(bytes.base + AT_SEQUENCE);
    header.segment_id = load_le64(bytes.base + AT_SEGMENT_ID);
    memcpy(header.topic_id.bytes, bytes.base + AT_TOPIC_ID, sizeof(header.topic_id.bytes));
    header.partition = (int32_t)load_le32(bytes.base + AT_PARTITION);
    header.number = load_le32(bytes.base + AT_NUMBER);
    header.generation = load_le32(bytes.base + AT_GENERATION);
    header.block_bytes = load_le32(bytes.base + AT_BLOCK_BYTES);
    header.state = (enum store_segment_state)load_le32(bytes.base + AT_STATE);
    header.base_offset = (int64_t)load_le64(bytes.base + AT_BASE_OFFSET);
    header.log_start_offset = (int64_t)load_le64(bytes.base + AT_LOG_START_OFFSET);
    header.created_ms = (int64_t)load_le64(bytes.base + AT_CREATED_MS);
    header.end_position = load_le64(bytes.base + AT_END_POSITION);
    header.end_offset = (int64_t)load_le64(bytes.base + AT_END_OFFSET);
    header.max_timestamp_ms = (int64_t)load_le64(bytes.base + AT_MAX_TIMESTAMP);
    header.frame_count = load_le64(bytes.base + AT_FRAME_COUNT);
    if (version == STORE_SEGMENT_VERSION_COMPACT) {
        header.replaces_first = load_le32(bytes.base + AT_REPLACES_FIRST);
        header.replaces_last = load_le32(bytes.base + AT_REPLACES_LAST);
        header.clean_end = (int64_t)load_le64(bytes.base + AT_CLEAN_END);
    }
    if (!header_plausible(&header)) {
        return ERR_CORRUPT;
    }
    *out_header = header;
    return ERR_OK;
}

int store__segment_header_choose(struct view region, uint32_t block_bytes, struct store_segment_header *out_header,
                                 int *out_copies)
{
    struct store_segment_header best = {0};
    int                         valid = 0;

    for (size_t copy = 0; copy < STORE_SEGMENT_HEADER_COPIES; copy++) {
        struct store_segment_header header;
        size_t                      at = copy * block_bytes;

        if (at + STORE_SEGMENT_HEADER_BYTES > region.len ||
            store__segment_header_decode(view_of(region.base + at, STORE_SEGMENT_HEADER_BYTES), &header) != ERR_OK) {
            continue;
        }
        if (valid == 0 || header.sequence > best.sequence) {
            best = header;
        }
        valid++;
    }
    if (out_copies != NULL) {
        *out_copies = valid;
    }
    if (valid == 0) {
        return ERR_CORRUPT;
    }
    *out_header = best;
    return ERR_OK;
}
