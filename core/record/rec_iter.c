/* Walking the records of a batch whose bytes lie in memory uncompressed. Views into them are handed out; nothing is
 * copied.
 *
 * As in Kafka any negative length of a key or value means null, and the attributes byte of a record is ignored. */
#include "core/base/check.h"
#include "core/record/rec_internal.h"

/* A cursor over what must not be left: `at` never passes `end`. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static bool read_int(struct cursor *cursor, int32_t *out_value);
static bool read_bytes(struct cursor *cursor, struct view *out_bytes);
static bool skip_headers(struct cursor *cursor, int32_t count);

void rec_iter_init(struct rec_iter *iter, const struct rec_batch *batch, struct view records)
{
    *iter = (struct rec_iter){.batch = *batch, .rest = records};
}

int rec_iter_next(struct rec_iter *iter, struct rec_record *out_record)
{
    const struct rec_batch *batch = &iter->batch;
    struct rec_fields       fields;
    int32_t                 length = 0;
    size_t                  used;

    if (iter->index >= batch->record_count) {
        return iter->rest.len == 0 ? 0 : ERR_CORRUPT;
    }
    used = rec__varint32(iter->rest.base, iter->rest.len, &length);
    if (used == 0 || length < 0 || (size_t)length > iter->rest.len - used ||
        !rec__fields_parse(view_of(iter->rest.base + used, (size_t)length), &fields) || fields.offset_delta < 0 ||
        fields.offset_delta > batch->last_offset_delta) {
        return ERR_CORRUPT;
    }
    iter->rest = view_of(iter->rest.base + used + length, iter->rest.len - used - (size_t)length);
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
    struct cursor           cursor = {headers->base, headers->base + headers->len};
    struct rec_header_field field;

    if (headers->len == 0) {
        return 0;
    }
    if (!read_bytes(&cursor, &field.key) || field.key.base == NULL || !read_bytes(&cursor, &field.value)) {
        return ERR_CORRUPT;
    }
    *headers = view_of(cursor.at, (size_t)(cursor.end - cursor.at));
    *out_field = field;
    return 1;
}

bool rec__fields_parse(struct view body, struct rec_fields *out_fields)
{
    struct cursor     cursor = {body.base, body.base + body.len};
    struct rec_fields fields = {0};
    size_t            used;

    if (body.len < REC_RECORD_BODY_BYTES_MIN) {
        return false;
    }
    cursor.at++; /* attributes */
    used = rec__varint64(cursor.at, (size_t)(cursor.end - cursor.at), &fields.timestamp_delta);
    cursor.at += used;
    if (used == 0 || !read_int(&cursor, &fields.offset_delta) || !read_bytes(&cursor, &fields.key) ||
        !read_bytes(&cursor, &fields.value) || !read_int(&cursor, &fields.header_count) || fields.header_count < 0) {
        return false;
    }
    fields.headers = view_of(cursor.at, (size_t)(cursor.end - cursor.at));
    if ((size_t)fields.header_count > fields.headers.len / REC_HEADER_FIELD_BYTES_MIN ||
        !skip_headers(&cursor, fields.header_count) || cursor.at != cursor.end) {
        return false;
    }
    *out_fields = fields;
    return true;
}

static bool skip_headers(struct cursor *cursor, int32_t count)
{
    struct view key;
    struct view value;

    while (count-- > 0) {
        if (!read_bytes(cursor, &key) || key.base == NULL || !read_bytes(cursor, &value)) {
            return false;
        }
    }
    return true;
}

static bool read_int(struct cursor *cursor, int32_t *out_value)
{
    size_t used = rec__varint32(cursor->at, (size_t)(cursor->end - cursor->at), out_value);

    cursor->at += used;
    return used != 0;
}

static bool read_bytes(struct cursor *cursor, struct view *out_bytes)
{
    int32_t length = 0;

    if (!read_int(cursor, &length)) {
        return false;
    }
    if (length < 0) {
        *out_bytes = view_of(NULL, 0);
        return true;
    }
    if (length > cursor->end - cursor->at) {
        return false;
    }
    *out_bytes = view_of(cursor->at, (size_t)length);
    cursor->at += length;
    return true;
}
