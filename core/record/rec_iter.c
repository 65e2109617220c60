/* Walking the records of a batch whose bytes lie in memory uncompressed. Views into them are handed out; nothing is
 * copied.
 *
 * As in Kafka any negative length of a key or value means null, and the attributes byte of a record is ignored. */
#include "core/base/check.h"
#include "core/record/rec_internal.h"

void rec_iter_init(struct rec_iter *iter, const struct rec_batch *batch, struct view records)
{
    *iter = (struct rec_iter){.batch = *batch, .rest = records};
}

int rec_iter_next(struct rec_iter *iter, struct rec_record *out_record)
{
    const struct rec_batch *batch = &iter->batch;
    const uint8_t          *end = iter->rest.base + iter->rest.len;
    const uint8_t          *at;
    struct rec_fields       fields;
    int32_t                 length = 0;

    if (iter->index >= batch->record_count) {
        return iter->rest.len == 0 ? 0 : ERR_CORRUPT;
    }
    at = rec__varint32(iter->rest.base, end, &length);
    if (at == NULL || length < 0 || length > end - at || !rec__fields_parse(at, (size_t)length, &fields) ||
        fields.offset_delta < 0 || fields.offset_delta > batch->last_offset_delta) {
        return ERR_CORRUPT;
    }
    iter->rest = view_of(at + length, (size_t)(end - at - length));
    iter->index++;
    *out_record = (struct rec_record){
        .offset = batch->base_offset + fields.offset_delta,
        /* Wraps as Java's long does: stored records are shown as they are. */
        .timestamp_ms = (batch->attributes & REC_ATTR_LOG_APPEND_TIME) != 0
                            ? batch->max_timestamp_ms
                            : (int64_t)((uint64_t)batch->base_timestamp_ms + (uint64_t)fields.timestamp_delta),
        .key = fields.key,
        .value = fields.value,
        .header_count = fields.header_count,
        .headers = fields.headers,
    };
    return 1;
}

int rec_headers_next(struct view *headers, struct rec_header_field *out_field)
{
    const uint8_t          *end = headers->base + headers->len;
    const uint8_t          *at = headers->base;
    struct rec_header_field field;

    if (headers->len == 0) {
        return 0;
    }
    at = rec__bytes_read(at, end, &field.key);
    if (at == NULL || field.key.base == NULL) {
        return ERR_CORRUPT;
    }
    at = rec__bytes_read(at, end, &field.value);
    if (at == NULL) {
        return ERR_CORRUPT;
    }
    *headers = view_of(at, (size_t)(end - at));
    *out_field = field;
    return 1;
}

bool rec__headers_fill(struct view headers, int32_t count)
{
    struct rec_header_field field;

    while (count > 0 && rec_headers_next(&headers, &field) == 1) {
        count--;
    }
    return count == 0 && headers.len == 0;
}
