/* rec_internal.h: what the files of core/record share: header positions, one record's fields, the record walker. */
#ifndef MILLRACE_REC_INTERNAL_H
#define MILLRACE_REC_INTERNAL_H

#include "core/base/bytes.h"
#include "core/record/rec.h"

/* Positions in the batch header, big-endian (docs/formats/record-batch.md). */
enum rec_position {
    REC_AT_BASE_OFFSET = 0,
    REC_AT_LENGTH = 8,
    REC_AT_LEADER_EPOCH = 12,
    REC_AT_MAGIC = 16,
    REC_AT_CRC = 17,
    REC_AT_ATTRIBUTES = 21,
    REC_AT_LAST_OFFSET_DELTA = 23,
    REC_AT_BASE_TIMESTAMP = 27,
    REC_AT_MAX_TIMESTAMP = 35,
    REC_AT_PRODUCER_ID = 43,
    REC_AT_PRODUCER_EPOCH = 51,
    REC_AT_BASE_SEQUENCE = 53,
    REC_AT_RECORD_COUNT = 57,
};

#define REC_MAGIC 2
/* Inflated at a time: a block of lz4 as Kafka's clients write it, and small beside the second-level cache. */
#define REC_WINDOW_BYTES ((size_t)65536)
/* Attributes, two varints of one byte, null key, null value, no headers. */
#define REC_RECORD_BODY_BYTES_MIN  ((size_t)6)
#define REC_HEADER_FIELD_BYTES_MIN ((size_t)2)

/* One record between its length prefix and the next record. */
struct rec_fields {
    int64_t     timestamp_delta;
    int32_t     offset_delta;
    int32_t     header_count;
    struct view key;
    struct view value;
    struct view headers;
};

/* Decodes the header of at least REC_HEADER_BYTES without judging it; `bytes` is left empty. */
void rec__header_decode(const uint8_t *from, struct rec_batch *out_batch);
/* Writes all header fields and the CRC over `batch`, total_len bytes whose records section is complete.
 * batch_fields->crc and ->bytes are not read. */
void rec__header_write(uint8_t *batch, size_t total_len, const struct rec_batch *fields);

/* `headers` holds exactly `count` of them. */
MUST_USE bool rec__headers_fill(struct view headers, int32_t count);

/* --- one record ------------------------------------------------------------------------------------------------------
 *
 * Inlined into the walker and the iterator: with small records this is most of what a produced byte costs. Readers
 * return what follows the field, or NULL when the bytes end within it or it is longer than its type. */

/* One and two bytes, nearly all there are, without a call. */
static inline const uint8_t *rec__varint32(const uint8_t *at, const uint8_t *end, int32_t *out_value)
{
    size_t used;

    if (LIKELY(end - at > 0 && at[0] < 0x80)) {
        *out_value = unzigzag32(at[0]);
        return at + 1;
    }
    if (LIKELY(end - at > 1 && at[1] < 0x80)) {
        *out_value = unzigzag32((uint32_t)(at[0] & 0x7f) | ((uint32_t)at[1] << 7));
        return at + 2;
    }
    used = varint32_read(at, (size_t)(end - at), out_value);
    return used == 0 ? NULL : at + used;
}

static inline const uint8_t *rec__varint64(const uint8_t *at, const uint8_t *end, int64_t *out_value)
{
    size_t used;

    if (LIKELY(end - at > 0 && at[0] < 0x80)) {
        *out_value = unzigzag32(at[0]);
        return at + 1;
    }
    if (LIKELY(end - at > 1 && at[1] < 0x80)) {
        *out_value = unzigzag32((uint32_t)(at[0] & 0x7f) | ((uint32_t)at[1] << 7));
        return at + 2;
    }
    used = varint64_read(at, (size_t)(end - at), out_value);
    return used == 0 ? NULL : at + used;
}

/* A length and what it counts; any negative length is null. */
static inline const uint8_t *rec__bytes_read(const uint8_t *at, const uint8_t *end, struct view *out_bytes)
{
    int32_t length = 0;

    at = rec__varint32(at, end, &length);
    if (at == NULL || length > end - at) {
        return NULL;
    }
    *out_bytes = length < 0 ? view_of(NULL, 0) : view_of(at, (size_t)length);
    return length < 0 ? at : at + length;
}

/* `body`: without the length prefix. False when the fields do not fill it exactly. */
static inline bool rec__fields_parse(const uint8_t *body, size_t body_bytes, struct rec_fields *out_fields)
{
    const uint8_t *end = body + body_bytes;
    const uint8_t *at = body + 1; /* attributes: none are in use */

    if (body_bytes < REC_RECORD_BODY_BYTES_MIN) {
        return false;
    }
    at = rec__varint64(at, end, &out_fields->timestamp_delta);
    at = at == NULL ? NULL : rec__varint32(at, end, &out_fields->offset_delta);
    at = at == NULL ? NULL : rec__bytes_read(at, end, &out_fields->key);
    at = at == NULL ? NULL : rec__bytes_read(at, end, &out_fields->value);
    at = at == NULL ? NULL : rec__varint32(at, end, &out_fields->header_count);
    if (at == NULL || out_fields->header_count < 0) {
        return false;
    }
    out_fields->headers = view_of(at, (size_t)(end - at));
    if (LIKELY(out_fields->header_count == 0)) {
        return at == end;
    }
    return rec__headers_fill(out_fields->headers, out_fields->header_count);
}

/* --- the walker -------------------------------------------------------------------------------------------------- */

enum rec_walk_field {
    REC_WALK_LENGTH,
    REC_WALK_ATTRIBUTES,
    REC_WALK_TIMESTAMP,
    REC_WALK_OFFSET,
    REC_WALK_KEY,
    REC_WALK_VALUE,
    REC_WALK_HEADER_COUNT,
    REC_WALK_HEADER_KEY,
    REC_WALK_HEADER_VALUE,
};

/* Checks records as their bytes come by, in pieces of any size: whole records within a piece in one go, a record
 * that crosses pieces field by field. Keeps no bytes: memory does not depend on the size of a record. */
struct rec_walker {
    const struct rec_batch *batch;
    const struct rec_rules *rules;
    struct rec_found       *found;
    enum rec_verdict        verdict;
    int32_t                 index;            /* of the record that is next or under way */
    int64_t                 timestamp_min_ms; /* what the rules allow */
    int64_t                 timestamp_max_ms;
    /* The record under way: */
    enum rec_walk_field field;
    bool                has_key;
    uint32_t            record_left; /* bytes of it still to come */
    uint32_t            skip;        /* of those, content of a key, value or header to pass over */
    int32_t             headers_left;
    int32_t             offset_delta;
    int64_t             timestamp_delta;
};

/* An incomplete varint at the end of a piece is left for the next. */
#define REC_WALK_LEFT_BYTES_MAX (VARINT64_BYTES_MAX - 1)

void rec__walk_init(struct rec_walker *walker, const struct rec_batch *batch, const struct rec_rules *rules,
                    struct rec_found *found);
/* Returns the bytes used: all but REC_WALK_LEFT_BYTES_MAX at most, which the caller puts before the next piece.
 * walker->verdict other than REC_OK: refused. */
size_t rec__walk(struct rec_walker *walker, struct view piece);
/* After the last piece, of which `left` bytes were not used. */
enum rec_verdict rec__walk_finish(struct rec_walker *walker, size_t left);

/* Why records are refused, in the words shown to clients. */
extern const char rec__reason_malformed[];

#endif
