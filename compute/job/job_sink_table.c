/* One sink from its table: options, encoders, which columns go where; and what is refused.
 *
 * Facts: Flink's KafkaDynamicTableFactory, UpsertKafkaDynamicTableFactory, KafkaConnectorOptionsUtil and
 * DynamicKafkaRecordSerializationSchema: key columns in the order of 'key.fields' or of the PRIMARY KEY; "default" and
 * "round-robin" both leave the choice to the producer's own partitioner; "fixed" is the worker's number modulo the
 * partitions. */
#include "compute/job/job_sink.h"

#include <stdarg.h>
#include <stdio.h>

static bool view_is(struct view text, const char *other)
{
    return view_equal(text, view_text(other));
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

/* Properties of Kafka's producer that would run code that is not here. */
static const char *const refused_properties[] = {"properties.partitioner.class", "properties.interceptor.classes"};

static bool refuse(char *message, size_t capacity, const char *format, ...) PRINTF_LIKE(3, 4);

static bool refuse(char *message, size_t capacity, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, capacity, format, arguments);
    va_end(arguments);
    return false;
}

static struct view guarantee_option(const struct sql_table *table)
{
    struct view old = sql_table_option(table, "sink.semantic");

    return old.base != NULL ? old : sql_table_option(table, "sink.delivery-guarantee");
}

static enum job_guarantee table_guarantee(const struct sql_table *table)
{
    struct view option = guarantee_option(table);

    if (option.base == NULL || view_is(option, "at-least-once")) {
        return JOB_AT_LEAST_ONCE;
    }
    return view_is(option, "exactly-once") ? JOB_EXACTLY_ONCE : JOB_NONE;
}

static bool option_is_positive(const struct sql_table *table, const char *key)
{
    struct view value = sql_table_option(table, key);

    for (size_t i = 0; i < value.len; i++) {
        if (value.base[i] >= '1' && value.base[i] <= '9') {
            return true;
        }
    }
    return false;
}

static bool check_table(const struct sql_table *table, char *message, size_t capacity)
{
    struct view name = table->name;
    struct view topic = sql_table_option(table, "topic");
    struct view codec = sql_table_option(table, "properties.compression.type");

    if (memchr(topic.base, ';', topic.len) != NULL) {
        return refuse(message, capacity, "table %.*s: a sink writes to one topic, not to a list", (int)name.len,
                      (const char *)name.base);
    }
    if (!meta_topic_name_valid(topic)) {
        return refuse(message, capacity, "table %.*s: '%.*s' is no name of a topic", (int)name.len,
                      (const char *)name.base, (int)MIN(topic.len, META_TOPIC_NAME_BYTES_MAX),
                      (const char *)topic.base);
    }
    if (codec.base != NULL && rec_codec_parse(codec) < 0) {
        return refuse(message, capacity,
                      "table %.*s: 'properties.compression.type' is one of none, gzip, snappy, lz4, zstd",
                      (int)name.len, (const char *)name.base);
    }
    for (size_t i = 0; i < COUNT_OF(refused_properties); i++) {
        if (sql_table_option(table, refused_properties[i]).base != NULL) {
            return refuse(message, capacity, "table %.*s: '%s' names a Java class, which Millrace cannot run",
                          (int)name.len, (const char *)name.base, refused_properties[i]);
        }
    }
    if (view_is(sql_table_option(table, "sink.partitioner"), "round-robin") &&
        sql_table_option(table, "key.fields").base != NULL) {
        return refuse(message, capacity,
                      "table %.*s: 'sink.partitioner' = 'round-robin' only works when 'key.fields' is not given",
                      (int)name.len, (const char *)name.base);
    }
    if (table_guarantee(table) == JOB_EXACTLY_ONCE &&
        sql_table_option(table, "sink.transactional-id-prefix").base == NULL) {
        return refuse(message, capacity,
                      "table %.*s: 'sink.transactional-id-prefix' must be given when the delivery guarantee is "
                      "exactly-once",
                      (int)name.len, (const char *)name.base);
    }
    if (option_is_positive(table, "sink.buffer-flush.max-rows") !=
        option_is_positive(table, "sink.buffer-flush.interval")) {
        return refuse(message, capacity,
                      "table %.*s: 'sink.buffer-flush.max-rows' and 'sink.buffer-flush.interval' must be greater than "
                      "zero together",
                      (int)name.len, (const char *)name.base);
    }
    return true;
}

bool job__sinks_check(const struct sql_plan *plan, char *message, size_t message_capacity)
{
    for (uint32_t i = 0; i < plan->exec.sink_count; i++) {
        const struct sql_table *table = plan->sinks[i].table;

        if (table != NULL && table->connector <= SQL_CONNECTOR_UPSERT_KAFKA &&
            !check_table(table, message, message_capacity)) {
            return false;
        }
    }
    return true;
}

/* --- columns ------------------------------------------------------------------------------------------------------ */

/* Where a table's column stands in the sink's rows, which have neither computed nor virtual columns. EXEC_NO_COLUMN:
 * nowhere. */
static uint32_t persisted_index(const struct sql_table *table, uint32_t column)
{
    uint32_t index = 0;

    for (uint32_t i = 0; i <= column; i++) {
        const struct sql_table_column *other = &table->columns[i];
        bool gone = other->kind == SQL_COLUMN_COMPUTED || (other->kind == SQL_COLUMN_METADATA && other->is_virtual);

        if (i == column) {
            return gone ? EXEC_NO_COLUMN : index;
        }
        index += !gone;
    }
    return EXEC_NO_COLUMN;
}

static void columns_init(struct job_sink *sink, struct sink_columns *columns, const struct format_options *format)
{
    struct arena *arena = &sink->sinks->arena;
    uint32_t      room = sink->plan->node->column_count + 1;

    columns->indices = arena_alloc_array(arena, room, sizeof(*columns->indices));
    columns->fields = arena_alloc_array(arena, room, sizeof(*columns->fields));
    columns->vecs = arena_alloc_array(arena, room, sizeof(*columns->vecs));
    columns->null_is_null = format->kind == FORMAT_RAW;
}

static void columns_add(struct job_sink *sink, struct sink_columns *columns, uint32_t column)
{
    uint32_t          index = persisted_index(sink->plan->table, column);
    struct vec_field *field = &columns->fields[columns->count];

    CHECK(index != EXEC_NO_COLUMN && columns->count < sink->plan->node->column_count);
    columns->indices[columns->count++] = index;
    *field = sink->plan->node->columns[index];
    field->name = sink->plan->table->columns[column].name;
}

static bool columns_open(struct job_sink *sink, struct sink_columns *columns, const struct format_options *format)
{
    char why[FORMAT_MESSAGE_BYTES];

    if (!format_check_schema(format, columns->fields, columns->count, why)) {
        sink__fail(sink->sinks, "table %.*s: %s", (int)sink->plan->table->name.len,
                   (const char *)sink->plan->table->name.base, why);
        return false;
    }
    columns->encoder = format_encoder_create(format, columns->fields, columns->count);
    return true;
}

/* 'key.fields' = 'a;b', in its order. */
static void key_of_fields(struct job_sink *sink)
{
    const struct sql_table *table = sink->plan->table;
    struct view             list = sql_table_option(table, "key.fields");

    for (size_t from = 0; from <= list.len;) {
        const uint8_t *end = memchr(list.base + from, ';', list.len - from);
        size_t         to = end == NULL ? list.len : (size_t)(end - list.base);

        for (uint32_t i = 0; i < table->column_count; i++) {
            if (table->columns[i].is_key && view_equal(table->columns[i].name, view_of(list.base + from, to - from))) {
                columns_add(sink, &sink->key, i);
            }
        }
        from = to + 1;
    }
}

static bool init_key(struct job_sink *sink)
{
    const struct sql_table *table = sink->plan->table;

    sink->has_key = table->has_key_format;
    if (!sink->has_key) {
        return true;
    }
    columns_init(sink, &sink->key, &table->key_format);
    if (sink->upsert) {
        for (uint32_t i = 0; i < table->primary_key_count; i++) {
            columns_add(sink, &sink->key, table->primary_key[i]);
        }
    } else {
        key_of_fields(sink);
    }
    return columns_open(sink, &sink->key, &table->key_format);
}

static bool init_value(struct job_sink *sink)
{
    const struct sql_table *table = sink->plan->table;

    columns_init(sink, &sink->value, &table->format);
    sink->timestamp_column = EXEC_NO_COLUMN;
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct sql_table_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_PHYSICAL && column->is_value) {
            columns_add(sink, &sink->value, i);
        } else if (column->kind == SQL_COLUMN_METADATA && column->metadata == SQL_METADATA_TIMESTAMP) {
            sink->timestamp_column = persisted_index(table, i);
        }
    }
    return columns_open(sink, &sink->value, &table->format);
}

/* --- topics ------------------------------------------------------------------------------------------------------- */

static void topic_grow(struct job_sinks *sinks, struct sink_topic *topic, const struct meta_topic *known)
{
    const struct meta *meta = sinks->jobs->options.meta;

    if (known->partition_count > topic->partition_count) {
        topic->partitions =
            mem_realloc(MEM_JOB, topic->partitions, (size_t)known->partition_count * sizeof(struct sink_partition *));
    }
    for (int32_t i = 0; i < known->partition_count; i++) {
        struct sink_partition *partition;
        uint32_t               shard = (uint32_t)(known->partitions[i].leader - meta_host(meta)->first_node_id);

        CHECK(shard < meta_host(meta)->shard_count);
        if (i >= topic->partition_count) {
            partition = mem_alloc(MEM_JOB, sizeof(*partition));
            partition->topic = topic;
            partition->index = i;
            topic->partitions[i] = partition;
        }
        topic->partitions[i]->shard = shard;
    }
    topic->partition_count = MAX(topic->partition_count, known->partition_count);
}

static void topic_settings(struct job_sinks *sinks, struct sink_topic *topic, const struct meta_topic *known)
{
    struct part_settings settings;

    meta_part_settings(sinks->jobs->options.meta, known, &settings);
    topic->batch_bytes_max = settings.batch_bytes_max;
    topic->codec = settings.codec;
    topic->codec_level = settings.codec_level;
}

static struct sink_topic *topic_open(struct job_sinks *sinks, struct view name)
{
    const struct meta_topic *known = meta_topic(sinks->jobs->options.meta, name);
    struct sink_topic       *topic;

    if (known == NULL) {
        sink__fail(sinks, "topic '%.*s' does not exist", (int)name.len, (const char *)name.base);
        return NULL;
    }
    LIST_EACH(&sinks->topics, node) {
        topic = LIST_ENTRY(node, struct sink_topic, link);
        if (memcmp(&topic->id, &known->id, sizeof(known->id)) == 0) {
            return topic;
        }
    }
    topic = mem_alloc(MEM_JOB, sizeof(*topic));
    topic->id = known->id;
    memcpy(topic->name, known->name.base, known->name.len);
    topic_settings(sinks, topic, known);
    topic_grow(sinks, topic, known);
    list_init(&topic->link);
    list_push_back(&sinks->topics, &topic->link);
    return topic;
}

bool sink__topics_follow(struct job_sinks *sinks)
{
    const struct meta *meta = sinks->jobs->options.meta;

    if (meta_image(meta)->topic_changes == sinks->topic_changes) {
        return true;
    }
    sinks->topic_changes = meta_image(meta)->topic_changes;
    LIST_EACH(&sinks->topics, node) {
        struct sink_topic       *topic = LIST_ENTRY(node, struct sink_topic, link);
        const struct meta_topic *known = meta_topic_by_id(meta, topic->id);

        if (known == NULL) {
            sink__fail(sinks, "topic '%s' was deleted while the job wrote to it", topic->name);
            return false;
        }
        topic_settings(sinks, topic, known);
        topic_grow(sinks, topic, known);
    }
    return true;
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static bool init_records(struct job_sink *sink)
{
    const struct sql_table *table = sink->plan->table;
    struct view             codec = sql_table_option(table, "properties.compression.type");

    sink->kind = SINK_RECORDS;
    sink->upsert = table->connector == SQL_CONNECTOR_UPSERT_KAFKA;
    sink->guarantee = table_guarantee(table);
    sink->codec = codec.base == NULL ? REC_NONE : rec_codec_parse(codec);
    sink->partitioner = view_is(sql_table_option(table, "sink.partitioner"), "fixed") ? SINK_FIXED : SINK_BY_KEY;
    sink->topic = topic_open(sink->sinks, sql_table_option(table, "topic"));
    if (sink->topic == NULL || !init_key(sink) || !init_value(sink)) {
        return false;
    }
    sink->sticky = (int32_t)sink->sinks->worker % sink->topic->partition_count;
    return true;
}

/* Flink's PrintTableSinkFactory: "identifier:task> ", "identifier> ", "task> " or nothing. */
static void init_print(struct job_sink *sink)
{
    struct view identifier = sql_table_option(sink->plan->table, "print-identifier");
    char        text[256];
    int         len;

    sink->kind = SINK_PRINT;
    len = snprintf(text, sizeof(text), "%.*s", (int)MIN(identifier.len, 200), (const char *)identifier.base);
    if (sink->sinks->run->worker_count > 1) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%u", len > 0 ? ":" : "", sink->sinks->worker + 1);
    }
    if (len > 0) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, "> ");
    }
    sink->print_prefix = arena_copy(&sink->sinks->arena, view_of(text, (size_t)len));
}

bool sink__init(struct job_sinks *sinks, struct job_sink *sink)
{
    const struct sql_table *table = sink->plan->table;

    if (table == NULL) {
        sink->kind = SINK_QUERY;
        sink->query = sink__query_create(sink);
        return true;
    }
    switch (table->connector) {
    case SQL_CONNECTOR_BLACKHOLE:
        sink->kind = SINK_COUNT;
        return true;
    case SQL_CONNECTOR_PRINT:
        init_print(sink);
        return true;
    default:
        break;
    }
    if (!job__sinks_check(sinks->run->plan, sinks->failure, sizeof(sinks->failure))) {
        sinks->failed = true;
        return false;
    }
    return init_records(sink);
}

void sink__deinit(struct job_sink *sink)
{
    format_encoder_destroy(sink->key.encoder);
    format_encoder_destroy(sink->value.encoder);
    sink__query_destroy(sink->query);
    format_text_deinit(&sink->line);
    mem_free(MEM_JOB, sink->open);
}
