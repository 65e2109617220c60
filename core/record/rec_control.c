/* Control batches: the markers that end a transaction (KIP-98, EndTransactionMarker.java).
 *
 * Key: int16 version 0, int16 type. Value: int16 version 0, int32 coordinator epoch. A reader accepts later
 * versions, which may only add fields. */
#include "core/base/bytes.h"
#include "core/record/rec_internal.h"

#define MARKER_KEY_BYTES   ((size_t)4)
#define MARKER_VALUE_BYTES ((size_t)6)

int rec_build_marker(struct arena *arena, int64_t producer_id, int16_t producer_epoch, bool commit,
                     int32_t coordinator_epoch, int64_t timestamp_ms, struct view *out_batch)
{
    struct rec_builder builder;
    uint8_t            key[MARKER_KEY_BYTES] = {0};
    uint8_t            value[MARKER_VALUE_BYTES] = {0};

    store_be16(key + 2, commit ? REC_CONTROL_COMMIT : REC_CONTROL_ABORT);
    store_be32(value + 2, (uint32_t)coordinator_epoch);
    rec_builder_init(&builder, arena);
    builder.attributes = REC_ATTR_TRANSACTIONAL | REC_ATTR_CONTROL;
    builder.producer_id = producer_id;
    builder.producer_epoch = producer_epoch;
    rec_builder_add(&builder, timestamp_ms, view_of(key, sizeof(key)), view_of(value, sizeof(value)), NULL, 0);
    return rec_builder_finish(&builder, REC_NONE, 0, out_batch);
}

int rec_marker_parse(const struct rec_batch *batch, struct rec_marker *out_marker)
{
    struct rec_iter   iter;
    struct rec_record record;
    struct rec_marker marker = {.coordinator_epoch = -1};

    if ((batch->attributes & REC_ATTR_CONTROL) == 0) {
        return ERR_INVALID;
    }
    /* Kafka never compresses control records. */
    if (batch->codec != REC_NONE || batch->bytes.len < REC_HEADER_BYTES) {
        return ERR_CORRUPT;
    }
    rec_iter_init(&iter, batch, view_of(batch->bytes.base + REC_HEADER_BYTES, batch->bytes.len - REC_HEADER_BYTES));
    if (rec_iter_next(&iter, &record) != 1 || record.key.base == NULL || record.key.len < MARKER_KEY_BYTES ||
        (int16_t)load_be16(record.key.base) < 0) {
        return ERR_CORRUPT;
    }
    marker.type = (int16_t)load_be16(record.key.base + 2);
    if (marker.type == REC_CONTROL_ABORT || marker.type == REC_CONTROL_COMMIT) {
        if (record.value.base == NULL || record.value.len < MARKER_VALUE_BYTES ||
            (int16_t)load_be16(record.value.base) < 0) {
            return ERR_CORRUPT;
        }
        marker.coordinator_epoch = (int32_t)load_be32(record.value.base + 2);
    }
    *out_marker = marker;
    return ERR_OK;
}
