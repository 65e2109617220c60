/* Batches that lose records: what compaction makes of them (MemoryRecords.java, filterTo).
 *
 * A first walk asks the caller about every record and remembers the answers as bits; that is where the time goes, so it
 * can be cut into slices. Then either nothing has to change and the batch is passed on as it is, or its records section
 * is built again: by copying runs of records, as the deltas stay good; or record by record when the batch gets a delete
 * horizon, which takes the place of the base timestamp.
 *
 * Offsets, producer fields and the last offset delta never change: a producer's last sequence is computed from them. */
#include "core/base/check.h"
#include "core/record/rec_codec.h"
#include "core/record/rec_internal.h"

static int  filter_rebuild(struct rec_filter *filter, const struct rec_batch *fields, struct view *out_batch);
static void filter_count(struct rec_filter *filter, const struct rec_record *record, bool keep);

int rec_filter_begin(struct rec_filter *filter, const struct rec_batch *batch, size_t inflated_bytes_max,
                     struct arena *arena)
{
    int rc = rec_inflate(batch, inflated_bytes_max, arena, &filter->records);

    if (rc != ERR_OK) {
        return rc;
    }
    filter->kept_bits = arena_alloc(arena, (size_t)batch->record_count / 8 + 1);
    if (filter->kept_bits == NULL) {
        return ERR_NO_MEMORY;
    }
    filter->batch = *batch;
    filter->arena = arena;
    filter->kept = 0;
    filter->tombstones = 0;
    filter->max_timestamp_ms = REC_NO_TIMESTAMP;
    rec_iter_init(&filter->iter, batch, filter->records);
    return ERR_OK;
}

int rec_filter_step(struct rec_filter *filter, size_t slice_bytes, rec_keep_fn *keep, void *context)
{
    const uint8_t    *begin = filter->iter.rest.base;
    struct rec_record record;
    int               rc;

    while ((rc = rec_iter_next(&filter->iter, &record)) == 1) {
        filter_count(filter, &record, keep(context, &record));
        if ((size_t)(filter->iter.rest.base - begin) >= slice_bytes) {
            return ERR_AGAIN;
        }
    }
    return rc;
}

int rec_filter_end(struct rec_filter *filter, int64_t horizon_ms, bool horizon_wanted, struct view *out_batch)
{
    struct rec_batch fields = filter->batch;
    bool             new_horizon =
        (horizon_wanted || filter->tombstones > 0) && (filter->batch.attributes & REC_ATTR_DELETE_HORIZON) == 0;

    if (filter->kept == 0) {
        *out_batch = view_of(NULL, 0);
        return ERR_OK;
    }
    if (filter->kept == filter->batch.record_count && !new_horizon) {
        *out_batch = filter->batch.bytes;
        return ERR_OK;
    }
    fields.record_count = filter->kept;
    if ((fields.attributes & REC_ATTR_LOG_APPEND_TIME) == 0) {
        fields.max_timestamp_ms = filter->max_timestamp_ms;
    }
    if (new_horizon) {
        fields.attributes = (uint16_t)(fields.attributes | REC_ATTR_DELETE_HORIZON);
        fields.base_timestamp_ms = horizon_ms;
    }
    return filter_rebuild(filter, &fields, out_batch);
}

void rec_empty_batch(const struct rec_batch *batch, uint8_t to[REC_HEADER_BYTES])
{
    struct rec_batch fields = *batch;

    fields.attributes =
        (uint16_t)(batch->attributes & (REC_ATTR_LOG_APPEND_TIME | REC_ATTR_TRANSACTIONAL | REC_ATTR_CONTROL));
    fields.base_timestamp_ms = REC_NO_TIMESTAMP;
    fields.record_count = 0;
    rec__header_write(to, REC_HEADER_BYTES, &fields);
}

static void filter_count(struct rec_filter *filter, const struct rec_record *record, bool keep)
{
    uint32_t index = (uint32_t)filter->iter.index - 1;

    if (keep) {
        filter->kept_bits[index / 8] = (uint8_t)(filter->kept_bits[index / 8] | (1U << (index % 8)));
        filter->kept++;
        filter->tombstones += record->value.base == NULL;
        filter->max_timestamp_ms = MAX(filter->max_timestamp_ms, record->timestamp_ms);
    }
}

/* The record at the head of *rest, length prefix included. The walk before has found it whole. */
static struct view record_take(struct view *rest)
{
    const uint8_t *end = rest->base + rest->len;
    int32_t        length = 0;
    const uint8_t *at = rec__varint32(rest->base, end, &length);
    struct view    record;

    CHECK(at != NULL && length >= 0 && length <= end - at);
    record = view_of(rest->base, (size_t)(at + length - rest->base));
    *rest = view_of(at + length, (size_t)(end - at - length));
    return record;
}

/* The record with its timestamp counted from another base; up to two varints longer than it was. */
static size_t record_rebase(uint8_t *to, struct view record, int64_t base_change_ms)
{
    const uint8_t *end = record.base + record.len;
    int32_t        length = 0;
    const uint8_t *body = rec__varint32(record.base, end, &length);
    const uint8_t *rest;
    int64_t        delta = 0;
    size_t         at;

    rest = rec__varint64(body + 1, end, &delta);
    CHECK(rest != NULL);
    delta = (int64_t)((uint64_t)delta - (uint64_t)base_change_ms); /* wraps as the reader does */
    at = uvarint32_write(to, zigzag32((int32_t)(1 + uvarint64_bytes(zigzag64(delta)) + (size_t)(end - rest))));
    to[at++] = *body;
    at += uvarint64_write(to + at, zigzag64(delta));
    memcpy(to + at, rest, (size_t)(end - rest));
    return at + (size_t)(end - rest);
}

static bool record_kept(const struct rec_filter *filter, int32_t index)
{
    return (filter->kept_bits[index / 8] >> (index % 8) & 1) != 0;
}

static int filter_rebuild(struct rec_filter *filter, const struct rec_batch *fields, struct view *out_batch)
{
    int64_t     change_ms = (int64_t)((uint64_t)fields->base_timestamp_ms - (uint64_t)filter->batch.base_timestamp_ms);
    size_t      growth = change_ms == 0 ? 0 : (size_t)filter->kept * (VARINT32_BYTES_MAX + VARINT64_BYTES_MAX);
    struct view rest = filter->records;
    uint8_t    *bytes = arena_alloc(filter->arena, REC_HEADER_BYTES + filter->records.len + growth);
    struct span whole = span_of(bytes, REC_HEADER_BYTES);

    if (bytes == NULL) {
        return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < filter->batch.record_count; i++) {
        struct view record = record_take(&rest);

        if (!record_kept(filter, i)) {
            continue;
        }
        if (change_ms == 0) {
            memcpy(bytes + whole.len, record.base, record.len);
            whole.len += record.len;
        } else {
            whole.len += record_rebase(bytes + whole.len, record, change_ms);
        }
    }
    if (whole.len > INT32_MAX) {
        return ERR_LIMIT;
    }
    if (fields->codec != REC_NONE) {
        struct view plain = view_of(bytes + REC_HEADER_BYTES, whole.len - REC_HEADER_BYTES);
        int         rc = rec__deflate(fields->codec, 0, plain, REC_HEADER_BYTES, filter->arena, &whole);

        if (rc != ERR_OK) {
            return rc;
        }
    }
    rec__header_write(whole.base, whole.len, fields);
    *out_batch = view_span(whole);
    return ERR_OK;
}
