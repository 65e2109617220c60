/* Chunks to records, and records to partitions.
 *
 * Facts: Flink's DynamicKafkaRecordSerializationSchema (a delete is the key and a null value, what was before an update
 * is not written, no headers, the record's time is that of the metadata column or of writing) and Kafka's
 * BuiltInPartitioner (murmur2 of the key's bytes; without a key the records of a batch stay together). */
#include "compute/job/job_sink.h"
#include "core/base/hash.h"
#include "core/base/slog.h"

/* What of the chunk is written, as its selection: for upserts all but UPDATE_BEFORE. */
static struct vec_chunk rows_picked(struct job_sink *sink, const struct vec_chunk *chunk)
{
    struct vec_chunk picked = *chunk;

    if (!sink->upsert || chunk->changes == NULL) {
        return picked;
    }
    picked.selection = sink->picked;
    picked.selected_count = 0;
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);

        if (vec_chunk_change(chunk, row) != VEC_UPDATE_BEFORE) {
            sink->picked[picked.selected_count++] = (uint16_t)row;
        }
    }
    return picked;
}

static bool columns_encode(struct job_sink *sink, struct sink_columns *columns, const struct vec_chunk *chunk,
                           struct format_output *out)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        columns->vecs[i] = chunk->columns[columns->indices[i]];
    }
    if (!format_encode(columns->encoder, columns->vecs, chunk, out)) {
        sink__fail(sink->sinks, "topic '%s': %s", sink->topic->name, format_encoder_failure(columns->encoder)->message);
        return false;
    }
    return true;
}

static struct view record_at(const struct sink_columns *columns, const struct format_output *output, uint32_t i,
                             size_t row)
{
    uint32_t from = i == 0 ? 0 : output->ends[i - 1];

    if (columns->null_is_null && vec_is_null(&columns->vecs[0], row)) {
        return (struct view){0};
    }
    return view_of(output->bytes + from, output->ends[i] - from);
}

/* Milliseconds; false: one that a record cannot have. */
static bool record_time(struct job_sink *sink, const struct vec_chunk *chunk, size_t row, int64_t now_ms,
                        int64_t *out_ms)
{
    const struct vec *vec = sink->timestamp_column == EXEC_NO_COLUMN ? NULL : &chunk->columns[sink->timestamp_column];
    struct vec_access access;
    size_t            at;
    vec_int128        units;

    *out_ms = now_ms;
    if (vec == NULL || vec_is_null(vec, row)) {
        return true;
    }
    access = vec_access_of(vec);
    at = vec_access_at(&access, row);
    units = vec_type_layout(vec->type) == VEC_LAYOUT_INT128 ? ((const vec_int128 *)access.data)[at]
                                                            : ((const int64_t *)access.data)[at];
    if (units < 0) {
        sink__fail(sink->sinks, "topic '%s': a record's timestamp may not be before 1970", sink->topic->name);
        return false;
    }
    *out_ms = (int64_t)(units / (vec_timestamp_units(vec->type) / MS_PER_S));
    return true;
}

static int32_t choose_partition(const struct job_sink *sink, struct view key)
{
    int32_t count = sink->topic->partition_count;

    if (sink->partitioner == SINK_FIXED) {
        return (int32_t)(sink->sinks->worker % (uint32_t)count);
    }
    if (key.base == NULL) {
        return sink->sticky;
    }
    return (int32_t)((hash_murmur2(key) & INT32_MAX) % (uint32_t)count);
}

bool sink__write_records(struct job_sink *sink, const struct vec_chunk *chunk)
{
    struct vec_chunk     picked = rows_picked(sink, chunk);
    struct format_output keys = {0}, values = {0};
    int64_t              now_ms = io_wall_ms(job__io(sink->sinks->jobs));

    if ((sink->has_key && !columns_encode(sink, &sink->key, &picked, &keys)) ||
        !columns_encode(sink, &sink->value, &picked, &values)) {
        return false;
    }
    for (uint32_t i = 0; i < picked.selected_count && !sink->sinks->failed; i++) {
        size_t      row = vec_chunk_row(&picked, i);
        struct view key = sink->has_key ? record_at(&sink->key, &keys, i, row) : (struct view){0};
        struct view value = record_at(&sink->value, &values, i, row);
        int64_t     timestamp_ms;

        if (sink->upsert && vec_chunk_change(&picked, row) == VEC_DELETE) {
            value = (struct view){0};
        }
        if (!record_time(sink, &picked, row, now_ms, &timestamp_ms)) {
            return false;
        }
        sink__batch_add(sink, choose_partition(sink, key), timestamp_ms, key, value);
    }
    return !sink->sinks->failed;
}

/* A line of the log per row, as Flink's print connector has them on standard output. */
void sink__print(struct job_sink *sink, const struct vec_chunk *chunk)
{
    struct format_text *text = &sink->line;

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);

        text->len = 0;
        format_text_put(text, sink->print_prefix.base, sink->print_prefix.len);
        format_text_put_string(text, format_change_name(vec_chunk_change(chunk, row)));
        format_text_put(text, "[", 1);
        for (uint32_t k = 0; k < chunk->column_count; k++) {
            format_text_put(text, ", ", k > 0 ? 2 : 0);
            format_text_put_value(text, &chunk->columns[k], row, FORMAT_STYLE_PRINT);
        }
        format_text_put(text, "]", 1);
        slog_info("print", "%.*s", (int)text->len, text->base);
    }
}
