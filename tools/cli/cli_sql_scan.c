/* cli_sql_scan.c: a file as a partition of a scan: records, decoded, with the columns that a record's place gives.
 *
 * Offsets are the numbers of records in the file, from 0. A file has no record keys, headers or timestamps: the
 * timestamp is when the run began. */
#include "core/base/check.h"
#include "tools/cli/cli_sql.h"

#include <stdarg.h>

struct sql_partition {
    struct sql_session           *session;
    const struct sql_source_plan *plan;
    const char                   *path;
    struct view                   topic;
    uint32_t                      number, topic_partition;
    struct sql_reader            *reader;
    struct format_decoder        *decoder;
    uint32_t                      field_count; /* decoded columns */
    uint64_t                      from, to;    /* offsets to be read */
    int64_t                       began_ms;
    struct view                   records[VEC_ROWS_MAX];
    size_t                        record_count, record_at; /* of the reader's last call */
    size_t                        chunk_at;                /* the first record of the last chunk */
    struct format_rows            rows;
    struct vec                   *columns;
    struct arena                  schema_arena;
    struct arena                  arena; /* columns that are not decoded */
};

static bool scan_say(char out_message[SQL_SAY_BYTES], const char *format, ...) PRINTF_LIKE(2, 3);

static bool scan_say(char out_message[SQL_SAY_BYTES], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(out_message, SQL_SAY_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static const char *scan_name(const struct sql_partition *partition)
{
    return strcmp(partition->path, "-") == 0 ? "standard input" : partition->path;
}

/* --- which records ----------------------------------------------------------------------------------------------- */

static bool scan_mode_is(const struct sql_table *table, const char *key, const char *mode)
{
    struct view value = sql_table_option(table, key);

    return value.base != NULL && view_equal(value, view_text(mode));
}

/* By number; *out_offset stays as it is where the option does not name the partition. */
static bool scan_find_offset(const struct sql_table *table, const char *mode_key, const char *offsets_key,
                             uint32_t number, uint64_t *out_offset, char out_message[SQL_SAY_BYTES])
{
    int64_t offset = -1;

    if (!scan_mode_is(table, mode_key, "specific-offsets")) {
        return true;
    }
    if (!sql_specific_offset(sql_table_option(table, offsets_key), (int32_t)number, &offset)) {
        return scan_say(out_message,
                        "table '%.*s': '%s' has to be of the form 'partition:0,offset:42;partition:1,offset:300'",
                        (int)table->name.len, (const char *)table->name.base, offsets_key);
    }
    if (offset >= 0) {
        *out_offset = (uint64_t)offset;
    }
    return true;
}

/* A file is what there is from the earliest record on, and its end is the end: only offsets by number cut it. */
static bool scan_find_range(struct sql_partition *partition, char out_message[SQL_SAY_BYTES])
{
    const struct sql_table *table = partition->plan->table;
    uint32_t                number = partition->topic_partition;

    partition->to = UINT64_MAX;
    if (scan_mode_is(table, "scan.startup.mode", "timestamp") ||
        scan_mode_is(table, "scan.bounded.mode", "timestamp")) {
        return scan_say(out_message,
                        "table '%.*s' begins or ends at a timestamp, and lines of a file have none; with --local, take "
                        "'earliest-offset' and a WHERE",
                        (int)table->name.len, (const char *)table->name.base);
    }
    return scan_find_offset(table, "scan.startup.mode", "scan.startup.specific-offsets", number, &partition->from,
                            out_message) &&
           scan_find_offset(table, "scan.bounded.mode", "scan.bounded.specific-offsets", number, &partition->to,
                            out_message);
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static bool scan_check_keys(const struct sql_source_plan *plan, char out_message[SQL_SAY_BYTES])
{
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (sql_source_is_key(plan, i)) {
            const struct vec_field *field = &plan->columns[i].field;

            return scan_say(out_message,
                            "column '%.*s' of table '%.*s' is in the record's key, and lines of a file have none",
                            (int)field->name.len, (const char *)field->name.base, (int)plan->table->name.len,
                            (const char *)plan->table->name.base);
        }
    }
    return true;
}

static bool scan_make_decoder(struct sql_partition *partition, char out_message[SQL_SAY_BYTES])
{
    const struct sql_source_plan *plan = partition->plan;
    char                          why[FORMAT_MESSAGE_BYTES];
    struct format_schema          schema;

    if (!scan_check_keys(plan, out_message)) {
        return false;
    }
    if (!sql_source_schema(plan, false, &partition->schema_arena, &schema)) {
        return scan_say(out_message, "out of memory");
    }
    if (!format_check_schema(schema.options, schema.fields, schema.field_count, why)) {
        return scan_say(out_message, "table '%.*s': %s", (int)plan->table->name.len,
                        (const char *)plan->table->name.base, why);
    }
    partition->field_count = schema.column_count;
    partition->decoder = format_decoder_create(&schema);
    return partition->decoder != NULL || scan_say(out_message, "out of memory");
}

static struct sql_framing scan_framing(const struct sql_session *session, const struct format_options *options)
{
    return (struct sql_framing){.end = session->record_end,
                                .is_csv = options->kind == FORMAT_CSV,
                                .delimiter = options->field_delimiter,
                                .quote = options->quote,
                                .escape = options->escape};
}

static struct sql_partition *scan_open(struct sql_session *session, const struct sql_source_plan *plan,
                                       const struct sql_file *file, char out_message[SQL_SAY_BYTES],
                                       enum cli_exit *out_code)
{
    struct sql_partition *partition = mem_alloc(MEM_CLI, sizeof(*partition));
    bool                  missing = false;

    partition->session = session;
    partition->plan = plan;
    partition->path = file->path;
    partition->topic = view_text(file->topic);
    partition->began_ms = session->clock.injected ? session->clock.now_ms : cli_now_ms();
    partition->columns = mem_alloc(MEM_CLI, (plan->column_count + 1) * sizeof(*partition->columns));
    arena_init(&partition->schema_arena, MEM_CLI, 4 * KIB, GIB);
    arena_init(&partition->arena, MEM_CLI, 64 * KIB, GIB);
    *out_code = CLI_USAGE;
    if (scan_make_decoder(partition, out_message)) {
        partition->reader =
            sql_reader_open(file->path, scan_framing(session, &plan->table->format), out_message, &missing);
        *out_code = missing ? CLI_NOT_FOUND : CLI_FAILED;
    }
    return partition;
}

static void scan_close(struct sql_partition *partition)
{
    if (partition != NULL) {
        sql_reader_close(partition->reader);
        format_decoder_destroy(partition->decoder);
        arena_deinit(&partition->arena);
        arena_deinit(&partition->schema_arena);
        mem_free(MEM_CLI, partition->columns);
        mem_free(MEM_CLI, partition);
    }
}

/* 'topic' may be a list: a;b. */
static bool scan_reads_topic(const struct sql_table *table, const char *name)
{
    struct view topics = sql_table_option(table, "topic");

    while (topics.base != NULL && topics.len > 0) {
        const uint8_t *end = memchr(topics.base, ';', topics.len);
        size_t         len = end == NULL ? topics.len : (size_t)(end - topics.base);

        if (view_equal(view_of(topics.base, len), view_text(name))) {
            return true;
        }
        len += end != NULL;
        topics = view_of(topics.base + len, topics.len - len);
    }
    return false;
}

/* The number of an input among those of the same topic. */
static uint32_t scan_topic_partition(const struct sql_session *session, size_t input)
{
    uint32_t number = 0;

    for (size_t i = 0; i < input; i++) {
        number += strcmp(session->inputs[i].topic, session->inputs[input].topic) == 0;
    }
    return number;
}

struct opened {
    struct sql_partition **partitions;
    size_t                 count, capacity;
    const char            *standard_input; /* the table that has taken it */
};

static bool scan_check_standard_input(struct opened *opened, const struct sql_source_plan *plan,
                                      const struct sql_file *file, char out_message[SQL_SAY_BYTES])
{
    if (strcmp(file->path, "-") != 0) {
        return true;
    }
    if (opened->standard_input != NULL) {
        return scan_say(out_message,
                        "standard input is read twice, as '%s' and for '%.*s': it flows by only once; put it into a "
                        "file and name that",
                        opened->standard_input, (int)plan->table->name.len, (const char *)plan->table->name.base);
    }
    opened->standard_input = file->topic;
    return true;
}

static bool scan_open_source(struct sql_session *session, const struct sql_source_plan *plan, struct opened *opened,
                             char out_message[SQL_SAY_BYTES], enum cli_exit *out_code)
{
    struct view topic = sql_table_option(plan->table, "topic");
    uint32_t    number = 0;

    for (size_t i = 0; i < session->input_count; i++) {
        struct sql_file      *file = &session->inputs[i];
        struct sql_partition *partition;

        if (!scan_reads_topic(plan->table, file->topic)) {
            continue;
        }
        if (!scan_check_standard_input(opened, plan, file, out_message)) {
            *out_code = CLI_USAGE;
            return false;
        }
        partition = scan_open(session, plan, file, out_message, out_code);
        opened->partitions[opened->count++] = partition;
        if (partition->reader == NULL) {
            return false;
        }
        file->used = true;
        partition->number = number++;
        partition->topic_partition = scan_topic_partition(session, i);
        if (!scan_find_range(partition, out_message)) {
            *out_code = CLI_USAGE;
            return false;
        }
    }
    if (number == 0) {
        *out_code = CLI_USAGE;
        return scan_say(out_message, "table '%.*s' reads topic '%.*s', which no file stands for: add --input %.*s=FILE",
                        (int)plan->table->name.len, (const char *)plan->table->name.base, (int)topic.len,
                        (const char *)topic.base, (int)topic.len, (const char *)topic.base);
    }
    return true;
}

struct sql_partition **sql_partitions_open(struct sql_session *session, const struct sql_plan *plan, size_t *out_count,
                                           char out_message[SQL_SAY_BYTES], enum cli_exit *out_code)
{
    size_t        capacity = plan->exec.source_count * session->input_count + 1;
    struct opened opened = {.partitions = cli_alloc_array(session->cli, capacity, sizeof(*opened.partitions))};

    for (uint32_t i = 0; i < plan->exec.source_count; i++) {
        if (!scan_open_source(session, &plan->sources[i], &opened, out_message, out_code)) {
            sql_partitions_close(opened.partitions, opened.count);
            return NULL;
        }
    }
    *out_count = opened.count;
    return opened.partitions;
}

void sql_partitions_close(struct sql_partition **partitions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        scan_close(partitions[i]);
    }
}

/* --- columns of a record's place --------------------------------------------------------------------------------- */

static struct vec scan_text_column(struct sql_partition *partition, struct vec_type type, struct view text)
{
    struct vec vec = vec_make(&partition->arena, type);

    ((struct vec_string *)vec.data)[0] = vec_string_of((const char *)text.base, (uint32_t)text.len);
    vec.form = VEC_CONSTANT;
    return vec;
}

static struct vec scan_number_column(struct sql_partition *partition, struct vec_type type, int64_t value)
{
    struct vec vec = vec_make(&partition->arena, type);

    switch (vec_type_layout(type)) {
    case VEC_LAYOUT_INT32:
        ((int32_t *)vec.data)[0] = (int32_t)value;
        break;
    case VEC_LAYOUT_INT128:
        ((vec_int128 *)vec.data)[0] = (vec_int128)value * 1000;
        break;
    default:
        ((int64_t *)vec.data)[0] = value;
        break;
    }
    vec.form = VEC_CONSTANT;
    return vec;
}

static struct vec scan_offset_column(struct sql_partition *partition, struct vec_type type)
{
    struct vec vec = vec_make(&partition->arena, type);
    uint64_t   first = sql_reader_offset(partition->reader) + partition->chunk_at;

    for (uint32_t row = 0; row < partition->rows.chunk.row_count; row++) {
        ((int64_t *)vec.data)[row] = (int64_t)(first + partition->rows.record[row]);
    }
    return vec;
}

static struct vec scan_metadata(struct sql_partition *partition, const struct sql_source_column *column)
{
    switch (column->metadata) {
    case SQL_METADATA_TOPIC:
        return scan_text_column(partition, column->field.type, partition->topic);
    case SQL_METADATA_TIMESTAMP_TYPE:
        return scan_text_column(partition, column->field.type, view_text("CreateTime"));
    case SQL_METADATA_PARTITION:
        return scan_number_column(partition, column->field.type, partition->topic_partition);
    case SQL_METADATA_TIMESTAMP:
        return scan_number_column(partition, column->field.type, partition->began_ms * 1000);
    case SQL_METADATA_OFFSET:
        return scan_offset_column(partition, column->field.type);
    default:
        return vec_make_null(&partition->arena, column->field.type);
    }
}

static void scan_show_chunk(struct sql_partition *partition, struct vec_chunk *out_chunk)
{
    uint32_t decoded = 0;

    *out_chunk = partition->rows.chunk;
    if (partition->field_count == partition->plan->column_count) {
        return;
    }
    arena_reset(&partition->arena);
    for (uint32_t i = 0; i < partition->plan->column_count; i++) {
        const struct sql_source_column *column = &partition->plan->columns[i];

        partition->columns[i] = column->metadata == SQL_METADATA_NONE ? partition->rows.chunk.columns[decoded++]
                                                                      : scan_metadata(partition, column);
    }
    out_chunk->columns = partition->columns;
    out_chunk->column_count = partition->plan->column_count;
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

/* The next records of the file, those outside of the range left out. */
static bool scan_read(struct sql_partition *partition, size_t record_max, char out_message[SQL_SAY_BYTES])
{
    char     why[SQL_READ_MESSAGE];
    uint64_t offset;

    partition->record_at = 0;
    if (!sql_reader_next(partition->reader, partition->records, record_max, &partition->record_count, why)) {
        return scan_say(out_message, "%s", why);
    }
    offset = sql_reader_offset(partition->reader);
    if (offset < partition->from) {
        partition->record_at = MIN(partition->from - offset, partition->record_count);
    }
    if (offset + partition->record_count > partition->to) {
        partition->record_count = offset < partition->to ? partition->to - offset : 0;
        partition->record_at = MIN(partition->record_at, partition->record_count);
    }
    return true;
}

static bool scan_is_through(const struct sql_partition *partition)
{
    return partition->record_at == partition->record_count &&
           (sql_reader_ended(partition->reader) ||
            sql_reader_offset(partition->reader) + partition->record_count >= partition->to);
}

static bool scan_decode(struct sql_partition *partition, struct vec_chunk *out_chunk, size_t *out_record_count,
                        char out_message[SQL_SAY_BYTES])
{
    size_t first = partition->record_at;

    partition->chunk_at = first;
    if (!format_decode(partition->decoder, partition->records + first, partition->record_count - first,
                       &partition->rows)) {
        const struct format_failure *failure = format_decoder_failure(partition->decoder);

        return scan_say(out_message, "%s, line %llu: %s", scan_name(partition),
                        (unsigned long long)sql_reader_line(partition->reader, first + failure->record),
                        failure->message);
    }
    partition->record_at += partition->rows.record_count;
    *out_record_count = partition->rows.record_count;
    scan_show_chunk(partition, out_chunk);
    return true;
}

enum sql_pulled sql_partition_pull(struct sql_partition *partition, size_t record_max, struct vec_chunk *out_chunk,
                                   size_t *out_record_count, char out_message[SQL_SAY_BYTES])
{
    if (partition->record_at == partition->record_count) {
        if (scan_is_through(partition)) {
            return SQL_PULLED_END;
        }
        if (!scan_read(partition, record_max, out_message)) {
            return SQL_PULLED_FAILED;
        }
        if (partition->record_at == partition->record_count) {
            return SQL_PULLED_NONE;
        }
    }
    return scan_decode(partition, out_chunk, out_record_count, out_message) ? SQL_PULLED_ROWS : SQL_PULLED_FAILED;
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

uint32_t sql_partition_scan(const struct sql_partition *partition)
{
    return partition->plan->scan->id;
}

uint32_t sql_partition_number(const struct sql_partition *partition)
{
    return partition->number;
}

void sql_partition_where(const struct sql_partition *partition, size_t row, char *out_text, size_t capacity)
{
    size_t first = partition->chunk_at, last = first + partition->rows.record_count;

    if (row < partition->rows.chunk.row_count) {
        first += partition->rows.record[row];
        last = first + 1;
    }
    if (last - first <= 1) {
        (void)snprintf(out_text, capacity, "%s, line %llu", scan_name(partition),
                       (unsigned long long)sql_reader_line(partition->reader, first));
    } else {
        (void)snprintf(out_text, capacity, "%s, lines %llu to %llu", scan_name(partition),
                       (unsigned long long)sql_reader_line(partition->reader, first),
                       (unsigned long long)sql_reader_line(partition->reader, last - 1));
    }
}

uint64_t sql_partition_bytes(const struct sql_partition *partition)
{
    return sql_reader_bytes(partition->reader);
}

uint64_t sql_partition_size(const struct sql_partition *partition)
{
    return sql_reader_size(partition->reader);
}
