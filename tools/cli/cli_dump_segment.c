/* cli_dump_segment.c: segments, their frames, batches and records. */
#include "core/store/store_frame.h"
#include "tools/cli/cli_dump.h"

#define BLOCK_BYTES_MIN     ((uint32_t)512)
#define BLOCK_BYTES_MAX     ((uint32_t)(1 * MIB))
#define INFLATED_BYTES_MAX  ((size_t)(256 * MIB))
#define FRAME_PAYLOAD_SHOWN ((size_t)(256 * MIB)) /* a larger frame is a length that lies, or none of ours */

/* --- header ------------------------------------------------------------------------------------------------------ */

/* The copies stand a block apart, and only a copy says how large a block is: try. */
bool dump_segment_header(struct dump_source *source, struct store_segment_header *out_header, int *out_copies)
{
    for (uint32_t block = BLOCK_BYTES_MIN; block <= BLOCK_BYTES_MAX; block *= 2) {
        struct view region = dump_read(source, 0, (size_t)STORE_SEGMENT_HEADER_COPIES * block, NULL);

        if (store__segment_header_choose(region, block, out_header, out_copies) == ERR_OK &&
            out_header->block_bytes == block) {
            return true;
        }
    }
    return false;
}

static const char *segment_state(enum store_segment_state state)
{
    static const char *const names[] = {"?", "prepared", "active", "sealed", "recovering", "compacting", "free"};

    return (size_t)state < COUNT_OF(names) ? names[state] : "?";
}

static void segment_item(struct dump *dump, const struct store_segment_header *header, int copies, uint64_t size)
{
    dump_begin(dump, 0, "segment");
    dump_text(dump, "file", dump->file);
    dump_text(dump, "state", segment_state(header->state));
    dump_uuid(dump, "topic_id", header->topic_id);
    dump_number(dump, "partition", header->partition);
    dump_number(dump, "number", header->number);
    dump_number(dump, "generation", header->generation);
    dump_number(dump, "base_offset", header->base_offset);
    dump_number(dump, "log_start_offset", header->log_start_offset);
    if (header->state == STORE_SEGMENT_SEALED) {
        dump_number(dump, "end_offset", header->end_offset);
        dump_number(dump, "end_position", (int64_t)header->end_position);
        dump_number(dump, "frames", (int64_t)header->frame_count);
        dump_time(dump, "max_timestamp", header->max_timestamp_ms);
    }
    if (store__segment_compacted(header)) {
        dump_number(dump, "replaces_first", header->replaces_first);
        dump_number(dump, "replaces_last", header->replaces_last);
        dump_number(dump, "clean_end", header->clean_end);
    }
    if (dump->replaced_by != 0) {
        dump_number(dump, "replaced_by", dump->replaced_by);
    }
    dump_time(dump, "created", header->created_ms);
    dump_number(dump, "block", header->block_bytes);
    dump_number(dump, "size", (int64_t)size);
    dump_number(dump, "header_copies", copies);
    dump_end(dump);
}

/* --- records ----------------------------------------------------------------------------------------------------- */

static void record_headers(struct dump *dump, const struct rec_record *record)
{
    struct view             rest = record->headers;
    struct rec_header_field field;
    struct cli_json        *json;

    if (record->header_count == 0) {
        return;
    }
    json = dump_inside(dump, "headers");
    cli_json_open(json, '[');
    for (int32_t i = 0; i < record->header_count && rec_headers_next(&rest, &field) == 1; i++) {
        cli_json_open(json, '{');
        cli_json_key(json, "name");
        cli_json_view(json, field.key);
        cli_json_bytes(json, "value", field.value);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}

static void record_item(struct dump *dump, int level, const struct rec_record *record)
{
    dump->counts.records++;
    if (record->offset < dump->from || record->offset >= dump->end) {
        return;
    }
    dump_begin(dump, level, "record");
    dump_number(dump, "offset", record->offset);
    dump_time(dump, "timestamp", record->timestamp_ms);
    record_headers(dump, record);
    if (dump->log == DUMP_PLAIN || !dump_entry(dump, record)) {
        dump_bytes(dump, "key", record->key);
        dump_bytes(dump, "value", record->value);
    }
    dump_end(dump);
}

static void batch_records(struct dump *dump, int level, const struct rec_batch *batch, uint64_t position)
{
    struct rec_record record;
    struct rec_iter   iter;
    struct view       records;
    int               result;

    arena_reset(&dump->scratch);
    result = rec_inflate(batch, INFLATED_BYTES_MAX, &dump->scratch, &records);
    if (result != ERR_OK) {
        dump_damage(dump, position, "the records of the batch from offset %" PRId64 " do not inflate: %s",
                    batch->base_offset, err_text(result));
        return;
    }
    rec_iter_init(&iter, batch, records);
    while ((result = rec_iter_next(&iter, &record)) == 1 && !dump_stopped(dump)) {
        record_item(dump, level, &record);
    }
    if (result < 0) {
        dump_damage(dump, position, "a record of the batch from offset %" PRId64 " is malformed", batch->base_offset);
    }
}

static void batch_marker(struct dump *dump, const struct rec_batch *batch)
{
    struct rec_marker marker;

    if (rec_marker_parse(batch, &marker) == ERR_OK) {
        dump_text(dump, "control",
                  marker.type == REC_CONTROL_ABORT    ? "abort"
                  : marker.type == REC_CONTROL_COMMIT ? "commit"
                                                      : "other");
        dump_number(dump, "coordinator_epoch", marker.coordinator_epoch);
    }
}

static void batch_item(struct dump *dump, int level, const struct rec_batch *batch, bool intact)
{
    dump_begin(dump, level, "batch");
    dump_number(dump, "base_offset", batch->base_offset);
    dump_number(dump, "last_offset", rec_batch_last_offset(batch));
    dump_number(dump, "records", batch->record_count);
    dump_number(dump, "bytes", (int64_t)batch->bytes.len);
    dump_text(dump, "codec", rec_codec_name(batch->codec));
    dump_time(dump, "max_timestamp", batch->max_timestamp_ms);
    dump_number(dump, "leader_epoch", batch->leader_epoch);
    if (batch->producer_id >= 0) {
        dump_number(dump, "producer_id", batch->producer_id);
        dump_number(dump, "producer_epoch", batch->producer_epoch);
        dump_number(dump, "base_sequence", batch->base_sequence);
    }
    dump_bool(dump, "transactional", (batch->attributes & REC_ATTR_TRANSACTIONAL) != 0);
    if (intact && (batch->attributes & REC_ATTR_CONTROL) != 0) {
        batch_marker(dump, batch);
    }
    dump_bool(dump, "intact", intact);
    dump_end(dump);
}

void dump_batches(struct dump *dump, int level, struct view batches, uint64_t position)
{
    while (batches.len > 0 && !dump_stopped(dump)) {
        struct rec_batch batch;
        bool             intact, shown;

        if (rec_batch_parse(batches, &batch) != ERR_OK) {
            dump_damage(dump, position, "%zu bytes are no batch", batches.len);
            return;
        }
        intact = rec_batch_crc_ok(&batch);
        shown = rec_batch_last_offset(&batch) >= dump->from && batch.base_offset < dump->end;
        dump->counts.batches++;
        if (!intact) {
            dump_damage(dump, position, "the batch from offset %" PRId64 " has a wrong checksum", batch.base_offset);
        }
        if (shown && dump->depth >= DUMP_BATCHES) {
            batch_item(dump, level, &batch, intact);
        }
        if (intact && shown && dump->depth >= DUMP_RECORDS && (batch.attributes & REC_ATTR_CONTROL) == 0) {
            batch_records(dump, level + 1, &batch, position);
        } else {
            dump->counts.records += (uint64_t)batch.record_count;
        }
        batches.base += batch.bytes.len;
        batches.len -= batch.bytes.len;
        position += batch.bytes.len;
    }
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static const char *frame_mode(enum store_frame_mode mode)
{
    static const char *const names[] = {"?", "durable", "accepted", "drained", "settled", "compacted"};

    return (size_t)mode < COUNT_OF(names) ? names[mode] : "?";
}

static void frame_item(struct dump *dump, const struct store_frame_header *frame, int64_t limit, bool intact)
{
    dump_begin(dump, 1, "frame");
    dump_number(dump, "position", (int64_t)frame->position);
    dump_number(dump, "first_offset", frame->first_offset);
    dump_number(dump, "last_offset", frame->last_offset);
    dump_number(dump, "batches", frame->batch_count);
    dump_number(dump, "payload_bytes", frame->payload_bytes);
    dump_number(dump, "frame_bytes", frame->frame_bytes);
    dump_text(dump, "mode", frame_mode(frame->mode));
    dump_number(dump, "generation", frame->generation);
    dump_number(dump, "sequence", (int64_t)frame->sequence);
    dump_number(dump, "durable_end", frame->durable_end);
    if (frame->first_offset >= limit) {
        dump_bool(dump, "replaced", true);
    }
    dump_bool(dump, "intact", intact);
    dump_end(dump);
}

/* A frame whose header is good. */
static void segment_frame(struct dump *dump, struct dump_source *source, const struct store_frame_header *frame,
                          int64_t limit)
{
    const char *why = NULL;
    size_t      wanted = MIN((size_t)frame->payload_bytes, FRAME_PAYLOAD_SHOWN);
    struct view payload = dump_read(source, frame->position + STORE_FRAME_HEADER_BYTES, wanted, &why);
    bool        intact = payload.len == frame->payload_bytes && store__frame_verify(frame, payload) == ERR_OK;
    bool        shown = frame->last_offset >= dump->from && frame->first_offset < dump->end;

    dump->counts.frames++;
    if (shown && dump->depth >= DUMP_FRAMES) {
        frame_item(dump, frame, limit, intact);
    }
    if (!intact) {
        dump_damage(dump, frame->position, "the frame of offsets %" PRId64 " to %" PRId64 " is not whole%s%s",
                    frame->first_offset, frame->last_offset, why == NULL ? "" : ": ", why == NULL ? "" : why);
    }
    dump_batches(dump, 2, payload, frame->position + STORE_FRAME_HEADER_BYTES);
}

/* Frames, and what lies between them where something should lie. */
static void segment_frames(struct dump *dump, struct dump_source *source, const struct store_segment_header *header,
                           int64_t limit)
{
    bool     sealed = header->state == STORE_SEGMENT_SEALED;
    uint64_t at = store__segment_data_start(header->block_bytes);
    uint64_t end = sealed ? header->end_position : source->size;
    uint64_t gap_at = 0; /* 0: none */
    int64_t  end_offset = header->base_offset;

    while (at < end && !dump_stopped(dump)) {
        struct store_frame_header frame;
        struct view               head = dump_read(source, at, STORE_FRAME_HEADER_BYTES, NULL);

        if (head.len < STORE_FRAME_HEADER_BYTES ||
            store__frame_decode(head, header->segment_id, at, header->block_bytes, &frame) != ERR_OK) {
            gap_at = gap_at == 0 ? at : gap_at;
            at += header->block_bytes;
            continue;
        }
        if (gap_at !=
            0) { /* at the end of an active segment there is nothing yet; in the middle something is missing */
            dump_damage(dump, gap_at, "%" PRIu64 " bytes without a frame", at - gap_at);
            gap_at = 0;
        }
        segment_frame(dump, source, &frame, limit);
        if (cli_progress_due(&dump->progress)) {
            cli_progress_show(&dump->progress, "%s: %" PRIu64 " of %" PRIu64 " MiB", dump->file, at / MIB,
                              source->size / MIB);
        }
        end_offset = MAX(end_offset, frame.last_offset + 1);
        at += MAX(frame.frame_bytes, header->block_bytes);
    }
    if (sealed && gap_at != 0 && !dump_stopped(dump)) {
        dump_damage(dump, gap_at, "%" PRIu64 " bytes without a frame, before the end that the header names",
                    MIN(at, end) - gap_at);
    }
    if (sealed && end_offset < header->end_offset && header->frame_count > 0 && !store__segment_compacted(header) &&
        !dump_stopped(dump)) {
        dump_damage(dump, end, "offsets %" PRId64 " to %" PRId64 " are missing", end_offset, header->end_offset - 1);
    }
}

void dump_segment(struct dump *dump, struct dump_source *source, int64_t limit)
{
    struct store_segment_header header;
    int                         copies = 0;
    struct dump_counts          before = dump->counts;

    dump->counts.files++;
    if (!dump_segment_header(source, &header, &copies)) {
        struct view head = dump_read(source, 0, (size_t)STORE_SEGMENT_HEADER_COPIES * BLOCK_BYTES_MIN, NULL);
        bool        zeros = true;

        for (size_t i = 0; i < head.len && zeros; i++) {
            zeros = head.base[i] == 0;
        }
        dump_damage(dump, 0,
                    zeros ? "no header: the remainder of a segment that was never begun"
                          : "no valid copy of the segment's header");
        return;
    }
    segment_item(dump, &header, copies, source->size);
    if (dump->replaced_by != 0) {
        return; /* waits to be deleted; its records are in the other, or obsolete */
    }
    if (header.state != STORE_SEGMENT_PREPARED && header.state != STORE_SEGMENT_FREE) {
        segment_frames(dump, source, &header, limit);
    }
    dump_begin(dump, 1, "segment_end");
    dump_text(dump, "file", dump->file);
    dump_number(dump, "frames", (int64_t)(dump->counts.frames - before.frames));
    dump_number(dump, "batches", (int64_t)(dump->counts.batches - before.batches));
    dump_number(dump, "records", (int64_t)(dump->counts.records - before.records));
    dump_number(dump, "damaged", (int64_t)(dump->counts.damaged - before.damaged));
    dump_end(dump);
}
