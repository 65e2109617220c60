/* Records to a chunk: the value's and the key's columns, and those of the record's place.
 *
 * As Flink's DynamicKafkaDeserializationSchema: a record's row comes from its value; a table with a key format has no
 * row for a record whose key gives none; a column in both is the value's. */
#include "compute/job/job_source.h"

#include <stdio.h>

/* --- decoders -------------------------------------------------------------------------------------------------------
 */

bool job__scan_open(struct job_sources *sources, struct job_scan *scan)
{
    struct format_schema schema;

    scan->columns = arena_alloc_array(&sources->arena, scan->plan->column_count + 1, sizeof(*scan->columns));
    scan->has_key = scan->plan->table->has_key_format;
    if (scan->columns == NULL || !sql_source_schema(scan->plan, false, &sources->arena, &schema)) {
        return job__sources_fail(sources, "out of memory");
    }
    scan->has_metadata = schema.column_count != scan->plan->column_count || scan->has_key;
    scan->values = format_decoder_create(&schema);
    if (scan->values == NULL) {
        return job__sources_fail(sources, "out of memory");
    }
    if (!scan->has_key) {
        return true;
    }
    if (!sql_source_schema(scan->plan, true, &sources->arena, &schema)) {
        return job__sources_fail(sources, "out of memory");
    }
    scan->keys = format_decoder_create(&schema);
    return scan->keys != NULL || job__sources_fail(sources, "out of memory");
}

void job__scan_close(struct job_scan *scan)
{
    format_decoder_destroy(scan->values);
    format_decoder_destroy(scan->keys);
}

static bool decode_failed(struct job_input *input, size_t first, const struct format_decoder *decoder, bool of_key)
{
    const struct format_failure *failure = format_decoder_failure(decoder);
    char                         why[FORMAT_MESSAGE_BYTES + 16];

    (void)snprintf(why, sizeof(why), "%s%s", of_key ? "key: " : "", failure->message);
    job__input_failed(input, input->sources->records.offsets[first + failure->record], why);
    return false;
}

/* --- columns of a record's place ------------------------------------------------------------------------------------
 */

static struct vec constant_text(struct arena *arena, struct vec_type type, struct view text)
{
    struct vec vec = vec_make(arena, type);

    ((struct vec_string *)vec.data)[0] = vec_string_of((const char *)text.base, (uint32_t)text.len);
    vec.form = VEC_CONSTANT;
    return vec;
}

static struct vec constant_int(struct arena *arena, struct vec_type type, int32_t value)
{
    struct vec vec = vec_make(arena, type);

    CHECK(vec_type_layout(type) == VEC_LAYOUT_INT32);
    ((int32_t *)vec.data)[0] = value;
    vec.form = VEC_CONSTANT;
    return vec;
}

static struct vec time_column(struct arena *arena, struct vec_type type, const struct job_records *records,
                              const uint32_t *record, uint32_t row_count)
{
    struct vec vec = vec_make(arena, type);

    for (uint32_t row = 0; row < row_count; row++) {
        int64_t ms = records->timestamps_ms[record[row]];

        if (vec_type_layout(type) == VEC_LAYOUT_INT128) {
            ((vec_int128 *)vec.data)[row] = (vec_int128)ms * NS_PER_MS;
        } else {
            ((int64_t *)vec.data)[row] = (int64_t)((uint64_t)ms * 1000);
        }
    }
    return vec;
}

static struct vec offset_column(struct arena *arena, struct vec_type type, const struct job_records *records,
                                const uint32_t *record, uint32_t row_count)
{
    struct vec vec = vec_make(arena, type);

    for (uint32_t row = 0; row < row_count; row++) {
        ((int64_t *)vec.data)[row] = records->offsets[record[row]];
    }
    return vec;
}

static struct vec epoch_column(struct arena *arena, struct vec_type type, const struct job_records *records,
                               const uint32_t *record, uint32_t row_count)
{
    struct vec vec = vec_make(arena, type);

    for (uint32_t row = 0; row < row_count; row++) {
        ((int32_t *)vec.data)[row] = records->leader_epochs[record[row]];
        if (records->leader_epochs[record[row]] < 0) {
            ((int32_t *)vec.data)[row] = 0;
            vec_bit_clear(vec_need_validity(&vec, arena), row);
        }
    }
    return vec;
}

static struct vec kind_column(struct arena *arena, struct vec_type type, const struct job_records *records,
                              const uint32_t *record, uint32_t row_count)
{
    struct vec vec = vec_make(arena, type);

    for (uint32_t row = 0; row < row_count; row++) {
        ((struct vec_string *)vec.data)[row] = records->time_kinds[record[row]] == JOB_TIME_APPEND
                                                   ? vec_string_of("LogAppendTime", 13)
                                                   : vec_string_of("CreateTime", 10);
    }
    return vec;
}

/* record: by row, index in the gathered records. */
static struct vec place_column(struct job_input *input, const struct sql_source_column *column, const uint32_t *record,
                               uint32_t row_count)
{
    struct arena             *arena = &input->sources->rows;
    const struct job_records *records = &input->sources->records;
    struct vec_type           type = column->field.type;

    switch (column->metadata) {
    case SQL_METADATA_TOPIC:
        return constant_text(arena, type, input->topic);
    case SQL_METADATA_PARTITION:
        return constant_int(arena, type, input->partition);
    case SQL_METADATA_OFFSET:
        return offset_column(arena, type, records, record, row_count);
    case SQL_METADATA_TIMESTAMP:
        return time_column(arena, type, records, record, row_count);
    case SQL_METADATA_TIMESTAMP_TYPE:
        return kind_column(arena, type, records, record, row_count);
    case SQL_METADATA_LEADER_EPOCH:
        return epoch_column(arena, type, records, record, row_count);
    default: /* headers: refused when the query was planned */
        return vec_make_null(arena, type);
    }
}

/* --- keys -----------------------------------------------------------------------------------------------------------
 */

/* Which key row belongs to which value row; rows without one leave the selection. */
struct key_match {
    uint16_t *key_rows;  /* by value row */
    uint16_t *selection; /* value rows that have one */
    uint32_t  selected_count;
};

static bool match_keys(struct job_input *input, const struct format_rows *values, const struct format_rows *keys,
                       struct key_match *match)
{
    struct arena *arena = &input->sources->rows;
    uint32_t      key = 0;

    match->key_rows = arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(uint16_t));
    match->selection = arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(uint16_t));
    if (match->key_rows == NULL || match->selection == NULL) {
        return job__sources_fail(input->sources, "out of memory");
    }
    for (uint32_t i = 0; i < values->chunk.selected_count; i++) {
        uint32_t row = (uint32_t)vec_chunk_row(&values->chunk, i);

        while (key < keys->chunk.row_count && keys->record[key] < values->record[row]) {
            key++;
        }
        if (key < keys->chunk.row_count && keys->record[key] == values->record[row]) {
            match->key_rows[row] = (uint16_t)key;
            match->selection[match->selected_count++] = (uint16_t)row;
        }
    }
    return true;
}

/* A key that is a JSON array gives several rows; Flink makes a row of each with the value's. */
static bool check_single_keys(struct job_input *input, size_t first, const struct format_rows *keys)
{
    for (uint32_t i = 1; i < keys->chunk.row_count; i++) {
        if (keys->record[i] == keys->record[i - 1]) {
            job__input_failed(input, input->sources->records.offsets[first + keys->record[i]],
                              "the key gives several rows: jobs read keys of one row only");
            return false;
        }
    }
    return true;
}

/* The keys of the records that the values' rows come from. */
static bool decode_keys(struct job_input *input, size_t first, const struct format_rows *values,
                        struct format_rows *out_keys)
{
    struct job_records *records = &input->sources->records;
    size_t              wanted = values->record_count;

    if (values->chunk.row_count > 0) { /* of a long array the record is not counted yet */
        wanted = MAX(wanted, (size_t)values->record[values->chunk.row_count - 1] + 1);
    }
    if (!format_decode(input->scan->keys, records->keys + first, wanted, out_keys)) {
        return decode_failed(input, first, input->scan->keys, true);
    }
    return check_single_keys(input, first, out_keys);
}

/* Keys of one call are taken whole: as many records as that needs. */
static size_t key_limit(const struct job_records *records, size_t first)
{
    size_t bytes = 0, at = first;

    do {
        bytes += records->keys[at].len;
        at++;
    } while (at < records->count && bytes + records->keys[at].len < FORMAT_CHUNK_BYTES);
    return at - first;
}

/* --- a chunk --------------------------------------------------------------------------------------------------------
 */

static bool put_together(struct job_input *input, size_t first, const struct format_rows *values,
                         struct vec_chunk *out_chunk)
{
    struct job_scan   *scan = input->scan;
    struct arena      *arena = &input->sources->rows;
    uint32_t           row_count = values->chunk.row_count;
    uint32_t          *record = arena_alloc_array(arena, (size_t)row_count + 1, sizeof(*record));
    struct format_rows keys = {0};
    struct key_match   match = {0};
    uint32_t           value_at = 0, key_at = 0;

    if (record == NULL) {
        return job__sources_fail(input->sources, "out of memory");
    }
    for (uint32_t row = 0; row < row_count; row++) {
        record[row] = (uint32_t)first + values->record[row];
    }
    if (scan->has_key && (!decode_keys(input, first, values, &keys) || !match_keys(input, values, &keys, &match))) {
        return false;
    }
    for (uint32_t i = 0; i < scan->plan->column_count; i++) {
        const struct sql_source_column *column = &scan->plan->columns[i];

        if (column->metadata != SQL_METADATA_NONE) {
            scan->columns[i] = place_column(input, column, record, row_count);
        } else if (sql_source_is_key(scan->plan, i)) {
            scan->columns[i] = keys.chunk.row_count == 0
                                   ? vec_make_null(arena, column->field.type)
                                   : vec_pick(arena, &keys.chunk.columns[key_at], match.key_rows, row_count);
            key_at++;
        } else {
            scan->columns[i] = values->chunk.columns[value_at++];
        }
    }
    *out_chunk = values->chunk;
    out_chunk->columns = scan->columns;
    out_chunk->column_count = scan->plan->column_count;
    if (scan->has_key && match.selected_count < values->chunk.selected_count) {
        out_chunk->selection = match.selection;
        out_chunk->selected_count = match.selected_count;
    }
    return true;
}

bool job__input_decode(struct job_input *input, size_t first, struct vec_chunk *out_chunk, size_t *out_count,
                       const uint32_t **out_record)
{
    struct job_scan    *scan = input->scan;
    struct job_records *records = &input->sources->records;
    size_t              limit = scan->has_key ? key_limit(records, first) : records->count - first;
    struct format_rows  rows;

    if (!format_decode(scan->values, records->values + first, limit, &rows)) {
        return decode_failed(input, first, scan->values, false);
    }
    *out_record = rows.record;
    *out_count = rows.record_count;
    *out_chunk = rows.chunk;
    if (!scan->has_metadata || (rows.chunk.selected_count == 0 && !scan->has_key)) {
        return true;
    }
    arena_reset(&input->sources->rows);
    return put_together(input, first, &rows, out_chunk);
}
