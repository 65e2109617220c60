/* Building batches: records are encoded one after the other into the arena, behind room for the header, which finish
 * writes.
 *
 * Running out of arena is remembered and told once, by finish, so that callers add records without checking each. */
#include "core/base/check.h"
#include "core/record/rec_codec.h"
#include "core/record/rec_internal.h"

#define REC_BUILDER_BYTES_MIN ((size_t)512)

static size_t body_bytes(int64_t timestamp_delta, int32_t offset_delta, struct view key, struct view value,
                         const struct rec_header_field *headers, int32_t header_count);
static bool   reserve(struct rec_builder *builder, size_t more);
static void   put_int(struct rec_builder *builder, int32_t value);
static void   put_bytes(struct rec_builder *builder, struct view bytes);

void rec_builder_init(struct rec_builder *builder, struct arena *arena)
{
    *builder = (struct rec_builder){
        .arena = arena,
        .len = REC_HEADER_BYTES,
        .max_timestamp_ms = REC_NO_TIMESTAMP,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
    };
}

void rec_builder_add(struct rec_builder *builder, int64_t timestamp_ms, struct view key, struct view value,
                     const struct rec_header_field *headers, int32_t header_count)
{
    int64_t delta_ms = 0;
    size_t  body;

    CHECK(header_count >= 0);
    if (builder->record_count == 0) {
        builder->base_timestamp_ms = timestamp_ms;
    }
    CHECK(!__builtin_sub_overflow(timestamp_ms, builder->base_timestamp_ms, &delta_ms));
    body = body_bytes(delta_ms, builder->record_count, key, value, headers, header_count);
    if (builder->record_count == INT32_MAX || !reserve(builder, VARINT32_BYTES_MAX + body)) {
        builder->failed = true;
        return;
    }
    put_int(builder, (int32_t)body);
    builder->bytes[builder->len++] = 0; /* attributes */
    builder->len += uvarint64_write(builder->bytes + builder->len, zigzag64(delta_ms));
    put_int(builder, builder->record_count);
    put_bytes(builder, key);
    put_bytes(builder, value);
    put_int(builder, header_count);
    for (int32_t i = 0; i < header_count; i++) {
        CHECK(headers[i].key.base != NULL);
        put_bytes(builder, headers[i].key);
        put_bytes(builder, headers[i].value);
    }
    builder->record_count++;
    builder->max_timestamp_ms = MAX(builder->max_timestamp_ms, timestamp_ms);
}

int rec_builder_finish(struct rec_builder *builder, enum rec_codec codec, int level, struct view *out_batch)
{
    struct rec_batch fields = {
        .leader_epoch = -1,
        .attributes = (uint16_t)((builder->attributes & ~REC_ATTR_CODEC_MASK) | (uint16_t)codec),
        .last_offset_delta = builder->record_count - 1,
        .base_timestamp_ms = builder->base_timestamp_ms,
        .max_timestamp_ms = builder->max_timestamp_ms,
        .producer_id = builder->producer_id,
        .producer_epoch = builder->producer_epoch,
        .base_sequence = builder->base_sequence,
        .record_count = builder->record_count,
    };
    struct span whole = span_of(builder->bytes, builder->len);

    if (builder->failed) {
        return ERR_NO_MEMORY;
    }
    CHECK(builder->record_count > 0 && codec < REC_CODEC_COUNT);
    if (codec != REC_NONE) {
        struct view records = view_of(builder->bytes + REC_HEADER_BYTES, builder->len - REC_HEADER_BYTES);
        int         rc = rec__deflate(codec, level, records, REC_HEADER_BYTES, builder->arena, &whole);

        if (rc != ERR_OK) {
            return rc;
        }
    }
    rec__header_write(whole.base, whole.len, &fields);
    *out_batch = view_span(whole);
    return ERR_OK;
}

static size_t bytes_bytes(struct view bytes)
{
    return bytes.base == NULL ? 1 : uvarint32_bytes(zigzag32((int32_t)bytes.len)) + bytes.len;
}

static size_t body_bytes(int64_t timestamp_delta, int32_t offset_delta, struct view key, struct view value,
                         const struct rec_header_field *headers, int32_t header_count)
{
    size_t bytes = 1 + uvarint64_bytes(zigzag64(timestamp_delta)) + uvarint32_bytes(zigzag32(offset_delta)) +
                   bytes_bytes(key) + bytes_bytes(value) + uvarint32_bytes(zigzag32(header_count));

    for (int32_t i = 0; i < header_count; i++) {
        bytes += bytes_bytes(headers[i].key) + bytes_bytes(headers[i].value);
    }
    return bytes;
}

/* Doubles, so that the arena loses at most what the batch has. */
static bool reserve(struct rec_builder *builder, size_t more)
{
    size_t   capacity = MAX(builder->capacity, REC_BUILDER_BYTES_MIN);
    uint8_t *grown;

    if (builder->failed || more > (size_t)INT32_MAX - builder->len) {
        return false;
    }
    if (builder->len + more <= builder->capacity) {
        return true;
    }
    while (capacity < builder->len + more) {
        capacity *= 2;
    }
    grown = arena_alloc(builder->arena, capacity);
    if (grown == NULL) {
        return false;
    }
    if (builder->bytes != NULL) {
        memcpy(grown, builder->bytes, builder->len);
    }
    builder->bytes = grown;
    builder->capacity = capacity;
    return true;
}

static void put_int(struct rec_builder *builder, int32_t value)
{
    builder->len += uvarint32_write(builder->bytes + builder->len, zigzag32(value));
}

static void put_bytes(struct rec_builder *builder, struct view bytes)
{
    if (bytes.base == NULL) {
        put_int(builder, -1);
        return;
    }
    put_int(builder, (int32_t)bytes.len);
    memcpy(builder->bytes + builder->len, bytes.base, bytes.len);
    builder->len += bytes.len;
}
