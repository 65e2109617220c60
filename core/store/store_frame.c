/* store_frame.c: encode, decode and verify frames. Pure; nothing here fails but by saying that bytes are not a frame.
 */
#include "core/store/store_frame.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"

/* Places of fields, which are little-endian. */
enum frame_at {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_HEADER_BYTES = 6,
    AT_HEADER_CRC = 8,
    AT_PREFIX_CRC = 12,
    AT_SEGMENT_ID = 16,
    AT_GENERATION = 24,
    AT_BATCH_COUNT = 28,
    AT_SEQUENCE = 32,
    AT_POSITION = 40,
    AT_FIRST_OFFSET = 48,
    AT_LAST_OFFSET = 56,
    AT_DURABLE_END = 64,
    AT_MAX_TIMESTAMP = 72,
    AT_PAYLOAD_BYTES = 80,
    AT_FRAME_BYTES = 84,
    AT_MODE = 88,
    AT_RESERVED = 92,
};

STATIC_CHECK(AT_RESERVED + 4 == STORE_FRAME_HEADER_BYTES);

static uint32_t frame_salt(uint64_t segment_id, uint32_t generation)
{
    uint8_t salt[12];

    store_le64(salt, segment_id);
    store_le32(salt + 8, generation);
    return crc32c_update(0, salt, sizeof(salt));
}

/* The check over the header, with its own four bytes left out. */
static uint32_t frame_header_crc(const uint8_t *bytes, uint64_t segment_id, uint32_t generation)
{
    uint32_t crc = crc32c_update(frame_salt(segment_id, generation), bytes, AT_HEADER_CRC);

    return crc32c_update(crc, bytes + AT_PREFIX_CRC, STORE_FRAME_HEADER_BYTES - AT_PREFIX_CRC);
}

void store__frame_begin(struct store_frame_header *header)
{
    header->batch_count = 0;
    header->prefix_crc = frame_salt(header->segment_id, header->generation);
}

int store__frame_add(struct store_frame_header *header, struct view batches)
{
    struct view      rest = batches;
    struct rec_batch batch;
    uint32_t         crc = header->prefix_crc;
    uint32_t         count = header->batch_count;

    while (store__batch_next(&rest, &batch)) {
        crc = crc32c_update(crc, batch.bytes.base, REC_UNCHECKED_BYTES);
        count++;
    }
    if (rest.len != 0) {
        return ERR_CORRUPT;
    }
    header->prefix_crc = crc;
    header->batch_count = count;
    return ERR_OK;
}

void store__frame_encode(const struct store_frame_header *header, uint8_t *to)
{
    memset(to, 0, STORE_FRAME_HEADER_BYTES);
    store_le32(to + AT_MAGIC, STORE_FRAME_MAGIC);
    store_le16(to + AT_VERSION, STORE_FRAME_VERSION);
    store_le16(to + AT_HEADER_BYTES, (uint16_t)STORE_FRAME_HEADER_BYTES);
    store_le32(to + AT_PREFIX_CRC, header->prefix_crc);
    store_le64(to + AT_SEGMENT_ID, header->segment_id);
    store_le32(to + AT_GENERATION, header->generation);
    store_le32(to + AT_BATCH_COUNT, header->batch_count);
    store_le64(to + AT_SEQUENCE, header->sequence);
    store_le64(to + AT_POSITION, header->position);
    store_le64(to + AT_FIRST_OFFSET, (uint64_t)header->first_offset);
    store_le64(to + AT_LAST_OFFSET, (uint64_t)header->last_offset);
    store_le64(to + AT_DURABLE_END, (uint64_t)header->durable_end);
    store_le64(to + AT_MAX_TIMESTAMP, (uint64_t)header->max_timestamp_ms);
    store_le32(to + AT_PAYLOAD_BYTES, header->payload_bytes);
    store_le32(to + AT_FRAME_BYTES, header->frame_bytes);
    store_le32(to + AT_MODE, (uint32_t)header->mode);
    store_le32(to + AT_HEADER_CRC, frame_header_crc(to, header->segment_id, header->generation));
}

static void frame_load(const uint8_t *from, struct store_frame_header *out_header)
{
    *out_header = (struct store_frame_header){
        .segment_id = load_le64(from + AT_SEGMENT_ID),
        .generation = load_le32(from + AT_GENERATION),
        .batch_count = load_le32(from + AT_BATCH_COUNT),
        .sequence = load_le64(from + AT_SEQUENCE),
        .position = load_le64(from + AT_POSITION),
        .first_offset = (int64_t)load_le64(from + AT_FIRST_OFFSET),
        .last_offset = (int64_t)load_le64(from + AT_LAST_OFFSET),
        .durable_end = (int64_t)load_le64(from + AT_DURABLE_END),
        .max_timestamp_ms = (int64_t)load_le64(from + AT_MAX_TIMESTAMP),
        .payload_bytes = load_le32(from + AT_PAYLOAD_BYTES),
        .frame_bytes = load_le32(from + AT_FRAME_BYTES),
        .mode = (enum store_frame_mode)load_le32(from + AT_MODE),
        .prefix_crc = load_le32(from + AT_PREFIX_CRC),
    };
}

int store__frame_decode(struct view bytes, uint64_t segment_id, uint64_t position, uint32_t block_bytes,
                        struct store_frame_header *out_header)
{
    struct store_frame_header header;

    if (bytes.len < STORE_FRAME_HEADER_BYTES || load_le32(bytes.base + AT_MAGIC) != STORE_FRAME_MAGIC ||
        load_le16(bytes.base + AT_VERSION) != STORE_FRAME_VERSION ||
        load_le16(bytes.base + AT_HEADER_BYTES) != STORE_FRAME_HEADER_BYTES) {
        return ERR_CORRUPT;
    }
    frame_load(bytes.base, &header);
    if (header.segment_id != segment_id || header.position != position ||
        load_le32(bytes.base + AT_HEADER_CRC) != frame_header_crc(bytes.base, segment_id, header.generation)) {
        return ERR_CORRUPT;
    }
    /* From here on the header is what was written; the rest guards against a writer that erred. */
    if (header.frame_bytes % block_bytes != 0 || header.frame_bytes > STORE_FRAME_BYTES_MAX ||
        header.payload_bytes < REC_HEADER_BYTES || header.frame_bytes < STORE_FRAME_HEADER_BYTES ||
        header.payload_bytes > header.frame_bytes - STORE_FRAME_HEADER_BYTES || header.first_offset < 0 ||
        header.last_offset < header.first_offset || header.durable_end < 0 || header.mode < FRAME_DURABLE ||
        header.mode > FRAME_COMPACTED) {
        return ERR_CORRUPT;
    }
    *out_header = header;
    return ERR_OK;
}

int store__frame_verify(const struct store_frame_header *header, struct view payload)
{
    struct view      rest = payload;
    struct rec_batch batch;
    uint32_t         crc = frame_salt(header->segment_id, header->generation);
    uint32_t         count = 0;
    int64_t          expected = header->first_offset;

    if (payload.len != header->payload_bytes) {
        return ERR_CORRUPT;
    }
    while (rest.len > 0) {
        if (rec_batch_parse(rest, &batch) != ERR_OK || batch.base_offset < expected || batch.last_offset_delta < 0 ||
            (batch.base_offset > expected && header->mode != FRAME_COMPACTED) || !rec_batch_crc_ok(&batch)) {
            return ERR_CORRUPT;
        }
        crc = crc32c_update(crc, batch.bytes.base, REC_UNCHECKED_BYTES);
        count++;
        expected = rec_batch_last_offset(&batch) + 1;
        rest.base += batch.bytes.len;
        rest.len -= batch.bytes.len;
    }
    if (crc != header->prefix_crc || count != header->batch_count || expected != header->last_offset + 1) {
        return ERR_CORRUPT;
    }
    return ERR_OK;
}
