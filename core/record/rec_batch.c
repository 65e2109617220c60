/* Batch headers: decoding, the rules that make one safe to look at, the CRC, and stamping in place.
 *
 * Kafka's CRC covers attributes to end; base offset, length, leader epoch and magic lie before it and can be set for
 * free. The two stamps behind it (attributes, maximum timestamp) stand within 22 bytes of each other, so their
 * change is patched into the CRC without reading the records. */
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/record/rec_internal.h"

/* What a timestamp stamp may change: attributes to the end of maxTimestamp. */
#define REC_PATCH_BYTES (REC_AT_PRODUCER_ID - REC_AT_ATTRIBUTES)

STATIC_CHECK(REC_AT_RECORD_COUNT + 4 == REC_HEADER_BYTES);
STATIC_CHECK(REC_AT_ATTRIBUTES == REC_UNCHECKED_BYTES);
STATIC_CHECK(REC_AT_LEADER_EPOCH == REC_LENGTH_PREFIX_BYTES);

static int  header_rules(const struct rec_batch *batch);
static int  total_bytes(const uint8_t *from, size_t *out_total);
static void stamp_timestamps(uint8_t *batch, size_t len, uint16_t attributes, int64_t max_timestamp_ms);

int rec_header_parse(struct view bytes, struct rec_batch *out_batch, size_t *out_total_bytes)
{
    struct rec_batch batch;
    size_t           total = 0;
    int              rc;

    if (bytes.len < REC_HEADER_BYTES) {
        return ERR_AGAIN;
    }
    rc = total_bytes(bytes.base, &total);
    if (rc != ERR_OK) {
        return rc;
    }
    rec__header_decode(bytes.base, &batch);
    rc = header_rules(&batch);
    if (rc != ERR_OK) {
        return rc;
    }
    *out_batch = batch;
    *out_total_bytes = total;
    return ERR_OK;
}

int rec_batch_parse(struct view bytes, struct rec_batch *out_batch)
{
    struct rec_batch batch;
    size_t           total = 0;
    int              rc = rec_header_parse(bytes, &batch, &total);

    if (rc != ERR_OK) {
        return rc;
    }
    if (total > bytes.len) {
        return ERR_AGAIN;
    }
    batch.bytes = view_of(bytes.base, total);
    *out_batch = batch;
    return ERR_OK;
}

bool rec_batch_crc_ok(const struct rec_batch *batch)
{
    CHECK(batch->bytes.len >= REC_HEADER_BYTES);
    return batch->crc == crc32c_update(0, batch->bytes.base + REC_AT_ATTRIBUTES, batch->bytes.len - REC_AT_ATTRIBUTES);
}

void rec__header_decode(const uint8_t *from, struct rec_batch *out_batch)
{
    *out_batch = (struct rec_batch){
        .base_offset = (int64_t)load_be64(from + REC_AT_BASE_OFFSET),
        .leader_epoch = (int32_t)load_be32(from + REC_AT_LEADER_EPOCH),
        .crc = load_be32(from + REC_AT_CRC),
        .attributes = load_be16(from + REC_AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)load_be32(from + REC_AT_LAST_OFFSET_DELTA),
        .base_timestamp_ms = (int64_t)load_be64(from + REC_AT_BASE_TIMESTAMP),
        .max_timestamp_ms = (int64_t)load_be64(from + REC_AT_MAX_TIMESTAMP),
        .producer_id = (int64_t)load_be64(from + REC_AT_PRODUCER_ID),
        .producer_epoch = (int16_t)load_be16(from + REC_AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)load_be32(from + REC_AT_BASE_SEQUENCE),
        .record_count = (int32_t)load_be32(from + REC_AT_RECORD_COUNT),
    };
    out_batch->codec = (enum rec_codec)(out_batch->attributes & REC_ATTR_CODEC_MASK);
}

void rec__header_write(uint8_t *batch, size_t total_len, const struct rec_batch *fields)
{
    CHECK(total_len >= REC_HEADER_BYTES && total_len - REC_LENGTH_PREFIX_BYTES <= INT32_MAX);
    store_be64(batch + REC_AT_BASE_OFFSET, (uint64_t)fields->base_offset);
    store_be32(batch + REC_AT_LENGTH, (uint32_t)(total_len - REC_LENGTH_PREFIX_BYTES));
    store_be32(batch + REC_AT_LEADER_EPOCH, (uint32_t)fields->leader_epoch);
    batch[REC_AT_MAGIC] = REC_MAGIC;
    store_be16(batch + REC_AT_ATTRIBUTES, fields->attributes);
    store_be32(batch + REC_AT_LAST_OFFSET_DELTA, (uint32_t)fields->last_offset_delta);
    store_be64(batch + REC_AT_BASE_TIMESTAMP, (uint64_t)fields->base_timestamp_ms);
    store_be64(batch + REC_AT_MAX_TIMESTAMP, (uint64_t)fields->max_timestamp_ms);
    store_be64(batch + REC_AT_PRODUCER_ID, (uint64_t)fields->producer_id);
    store_be16(batch + REC_AT_PRODUCER_EPOCH, (uint16_t)fields->producer_epoch);
    store_be32(batch + REC_AT_BASE_SEQUENCE, (uint32_t)fields->base_sequence);
    store_be32(batch + REC_AT_RECORD_COUNT, (uint32_t)fields->record_count);
    store_be32(batch + REC_AT_CRC, crc32c_update(0, batch + REC_AT_ATTRIBUTES, total_len - REC_AT_ATTRIBUTES));
}

enum rec_verdict rec_produced_parse(struct view records, struct rec_batch *out_batch, const char **out_reason)
{
    struct rec_batch batch;
    size_t           total = 0;

    *out_reason = NULL;
    if (records.base == NULL || records.len < REC_AT_CRC) {
        *out_reason = "no whole record batch";
        return REC_INVALID_RECORD;
    }
    if (records.base[REC_AT_MAGIC] < REC_MAGIC) {
        *out_reason = "message format 0 or 1: only record batches of magic 2 are accepted";
        return REC_UNSUPPORTED_FORMAT;
    }
    if (records.base[REC_AT_MAGIC] > REC_MAGIC) {
        *out_reason = "unknown magic";
        return REC_CORRUPT;
    }
    if (total_bytes(records.base, &total) != ERR_OK) {
        *out_reason = "a batch of this length cannot be";
        return REC_CORRUPT;
    }
    if (records.len < REC_HEADER_BYTES || total > records.len) {
        *out_reason = "no whole record batch";
        return REC_INVALID_RECORD;
    }
    if (total < records.len) {
        *out_reason = "more than one record batch for a partition";
        return REC_INVALID_RECORD;
    }
    rec__header_decode(records.base, &batch);
    if ((int)batch.codec >= REC_CODEC_COUNT) {
        *out_reason = "unknown compression type";
        return REC_UNSUPPORTED_COMPRESSION;
    }
    batch.bytes = view_of(records.base, total);
    *out_batch = batch;
    return REC_OK;
}

void rec_stamp_offset(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    store_be64(batch + REC_AT_BASE_OFFSET, (uint64_t)base_offset);
    store_be32(batch + REC_AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void rec_stamp_append_time(uint8_t *batch, size_t len, int64_t now_ms)
{
    CHECK(len >= REC_HEADER_BYTES);
    stamp_timestamps(batch, len, (uint16_t)(load_be16(batch + REC_AT_ATTRIBUTES) | REC_ATTR_LOG_APPEND_TIME), now_ms);
}

void rec_stamp_max_timestamp(uint8_t *batch, size_t len, int64_t max_timestamp_ms)
{
    CHECK(len >= REC_HEADER_BYTES);
    stamp_timestamps(batch, len, (uint16_t)(load_be16(batch + REC_AT_ATTRIBUTES) & ~REC_ATTR_LOG_APPEND_TIME),
                     max_timestamp_ms);
}

static void stamp_timestamps(uint8_t *batch, size_t len, uint16_t attributes, int64_t max_timestamp_ms)
{
    uint8_t  difference[REC_PATCH_BYTES];
    uint32_t crc = load_be32(batch + REC_AT_CRC);

    memcpy(difference, batch + REC_AT_ATTRIBUTES, sizeof(difference));
    store_be16(batch + REC_AT_ATTRIBUTES, attributes);
    store_be64(batch + REC_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp_ms);
    for (size_t i = 0; i < sizeof(difference); i++) {
        difference[i] ^= batch[REC_AT_ATTRIBUTES + i];
    }
    crc = crc32c_patch(crc, difference, sizeof(difference), len - REC_AT_ATTRIBUTES - sizeof(difference));
    store_be32(batch + REC_AT_CRC, crc);
}

static int total_bytes(const uint8_t *from, size_t *out_total)
{
    int32_t length = (int32_t)load_be32(from + REC_AT_LENGTH);

    if (from[REC_AT_MAGIC] < REC_MAGIC) {
        return ERR_UNSUPPORTED;
    }
    if (from[REC_AT_MAGIC] != REC_MAGIC || length < REC_HEADER_BYTES - REC_LENGTH_PREFIX_BYTES) {
        return ERR_CORRUPT;
    }
    *out_total = (size_t)length + REC_LENGTH_PREFIX_BYTES;
    return ERR_OK;
}

/* What later arithmetic relies on. Fewer records than offsets is fine: compaction leaves holes, even empty batches. */
static int header_rules(const struct rec_batch *batch)
{
    if ((int)batch->codec >= REC_CODEC_COUNT || batch->record_count < 0 || batch->last_offset_delta < 0 ||
        batch->record_count - 1 > batch->last_offset_delta || batch->base_offset < 0 ||
        batch->base_offset > INT64_MAX - batch->last_offset_delta) {
        return ERR_CORRUPT;
    }
    return ERR_OK;
}
