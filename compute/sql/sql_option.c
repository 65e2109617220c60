/* What WITH (...) may hold: connectors and their options, Flink's names and defaults. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

#define CANDIDATES_MAX 128

enum {
    FOR_KAFKA = 1U << SQL_CONNECTOR_KAFKA,
    FOR_UPSERT = 1U << SQL_CONNECTOR_UPSERT_KAFKA,
    FOR_BLACKHOLE = 1U << SQL_CONNECTOR_BLACKHOLE,
    FOR_PRINT = 1U << SQL_CONNECTOR_PRINT,
    FOR_TOPICS = FOR_KAFKA | FOR_UPSERT,
    FOR_ALL = FOR_TOPICS | FOR_BLACKHOLE | FOR_PRINT,
};

static const char *const connector_names[] = {
    [SQL_CONNECTOR_KAFKA] = "kafka",
    [SQL_CONNECTOR_UPSERT_KAFKA] = "upsert-kafka",
    [SQL_CONNECTOR_BLACKHOLE] = "blackhole",
    [SQL_CONNECTOR_PRINT] = "print",
};

/* values: what an option may be, separated by '|'; "" = any text, "#" = a number, "~" = a duration. A value with '!' in
 * front is Flink's, but not ours. */
static const struct table_option {
    const char *name;
    uint32_t    connectors;
    const char *values;
} options[] = {
    {"connector", FOR_ALL, ""},
    {"property-version", FOR_ALL, "#"},
    {"topic", FOR_TOPICS, ""},
    {"topic-pattern", FOR_KAFKA, "!"},
    {"format", FOR_KAFKA, ""},
    {"key.format", FOR_TOPICS, ""},
    {"key.fields", FOR_KAFKA, ""},
    {"key.fields-prefix", FOR_TOPICS, ""},
    {"value.format", FOR_TOPICS, ""},
    {"value.fields-include", FOR_TOPICS, "ALL|EXCEPT_KEY"},
    {"scan.startup.mode", FOR_KAFKA, "earliest-offset|latest-offset|group-offsets|timestamp|specific-offsets"},
    {"scan.startup.specific-offsets", FOR_KAFKA, ""},
    {"scan.startup.timestamp-millis", FOR_KAFKA, "#"},
    {"scan.bounded.mode", FOR_TOPICS, "unbounded|latest-offset|group-offsets|timestamp|specific-offsets"},
    {"scan.bounded.specific-offsets", FOR_TOPICS, ""},
    {"scan.bounded.timestamp-millis", FOR_TOPICS, "#"},
    {"scan.topic-partition-discovery.interval", FOR_KAFKA, "~"},
    {"scan.parallelism", FOR_TOPICS, "#"},
    {"scan.watermark.emit.strategy", FOR_KAFKA, "on-periodic|on-event"},
    {"scan.watermark.emit.on-event.gap", FOR_KAFKA, "#"},
    {"scan.watermark.idle-timeout", FOR_KAFKA, "~"},
    {"scan.watermark.alignment.group", FOR_KAFKA, "!"},
    {"scan.watermark.alignment.max-drift", FOR_KAFKA, "!"},
    {"scan.watermark.alignment.update-interval", FOR_KAFKA, "!"},
    {"sink.partitioner", FOR_KAFKA, "default|fixed|round-robin"},
    {"sink.semantic", FOR_KAFKA, "exactly-once|at-least-once|none"},
    {"sink.delivery-guarantee", FOR_TOPICS, "exactly-once|at-least-once|none"},
    {"sink.transactional-id-prefix", FOR_TOPICS, ""},
    {"sink.transaction-naming-strategy", FOR_TOPICS, ""},
    {"sink.parallelism", FOR_TOPICS | FOR_PRINT, "#"},
    {"sink.buffer-flush.max-rows", FOR_UPSERT, "#"},
    {"sink.buffer-flush.interval", FOR_UPSERT, "~"},
    {"print-identifier", FOR_PRINT, ""},
    {"standard-error", FOR_PRINT, "true|false"},
};

static bool starts_with(struct view text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.base, prefix, len) == 0;
}

static const struct sql_option *given(const struct sql_option *list, const char *key)
{
    for (; list != NULL; list = list->next) {
        if (view_equal(list->key, view_text(key))) {
            return list;
        }
    }
    return NULL;
}

struct view sql_table_option(const struct sql_table *table, const char *key)
{
    for (uint32_t i = 0; i < table->option_count; i++) {
        if (view_equal(table->options[i].key, view_text(key))) {
            return table->options[i].value;
        }
    }
    return (struct view){0};
}

/* --- the connector ------------------------------------------------------------------------------------------------ */

static bool find_connector(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table)
{
    const struct sql_option *option = given(create->options, "connector");

    if (option == NULL) {
        return sql_fail(binder->error, SQL_ERROR_NAME, sql__name_place(create->name),
                        "the table has no 'connector': WITH ('connector' = 'kafka', ..), or upsert-kafka, print, "
                        "blackhole");
    }
    for (size_t i = 0; i < COUNT_OF(connector_names); i++) {
        if (view_equal(option->value, view_text(connector_names[i]))) {
            table->connector = (enum sql_connector)i;
            return true;
        }
    }
    return sql_fail(binder->error, SQL_ERROR_UNSUPPORTED, option->value_place,
                    "there is no connector '%.*s'; kafka, upsert-kafka, print and blackhole are there",
                    (int)MIN(option->value.len, 64), (const char *)option->value.base);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static bool in_list(struct view value, const char *list)
{
    size_t len = strlen(list);

    for (size_t from = 0; from <= len;) {
        const char *end = strchr(list + from, '|');
        size_t      to = end == NULL ? len : (size_t)(end - list);

        if (view_equal(value, view_of(list + from, to - from))) {
            return true;
        }
        from = to + 1;
    }
    return false;
}

static bool is_number(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9') {
            return false;
        }
    }
    return text.len > 0 && text.len < 19;
}

static bool check_value(struct sql_binder *binder, const struct table_option *known, const struct sql_option *option)
{
    int64_t ms;

    if (known->values[0] == '!') {
        return sql_fail(binder->error, SQL_ERROR_UNSUPPORTED, option->key_place,
                        "Flink has the option '%s', Millrace not yet", known->name);
    }
    if (known->values[0] == '#' ? !is_number(option->value)
                                : known->values[0] == '~' && !sql__duration_ms(option->value, &ms)) {
        return sql_fail(binder->error, SQL_ERROR_TYPE, option->value_place, "'%s' is %s, not '%.*s'", known->name,
                        known->values[0] == '#' ? "a whole number" : "a duration such as '10 s'",
                        (int)MIN(option->value.len, 64), (const char *)option->value.base);
    }
    if (known->values[0] != '\0' && known->values[0] != '#' && known->values[0] != '~' &&
        !in_list(option->value, known->values)) {
        return sql_fail(binder->error, SQL_ERROR_TYPE, option->value_place, "'%s' is one of %s, not '%.*s'",
                        known->name, known->values, (int)MIN(option->value.len, 64), (const char *)option->value.base);
    }
    return true;
}

static bool unknown_option(struct sql_binder *binder, const struct sql_table *table, const struct sql_option *option)
{
    struct view candidates[CANDIDATES_MAX];
    size_t      count = 0;
    struct view near;

    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if ((options[i].connectors & (1U << table->connector)) != 0) {
            candidates[count++] = view_text(options[i].name);
        }
    }
    near = sql_nearest(option->key, candidates, count);
    return sql_fail(binder->error, SQL_ERROR_NAME, option->key_place, "connector '%s' has no option '%.*s'%s%.*s%s",
                    connector_names[table->connector], (int)MIN(option->key.len, 100), (const char *)option->key.base,
                    near.base == NULL ? "" : "; did you mean '", near.base == NULL ? 0 : (int)near.len,
                    near.base == NULL ? "" : (const char *)near.base, near.base == NULL ? "" : "'?");
}

/* --- formats ------------------------------------------------------------------------------------------------------ */

/* Sets every option that begins with `prefix` + format name + '.'. */
static bool read_format(struct sql_binder *binder, const struct sql_create_table *create,
                        const struct sql_option *format, const char *prefix, struct format_options *out_options)
{
    char   message[FORMAT_MESSAGE_BYTES];
    char   start[96];
    size_t len = strlen(prefix);

    if (format->value.len > 32 || !format_options_init(out_options, format->value, message)) {
        return sql_fail(binder->error, SQL_ERROR_UNSUPPORTED, format->value_place, "%s",
                        format->value.len > 32 ? "there is no such format; json, csv and raw are there" : message);
    }
    memcpy(start, prefix, len);
    memcpy(start + len, format->value.base, format->value.len);
    len += format->value.len;
    start[len++] = '.';
    start[len] = '\0';
    for (const struct sql_option *option = create->options; option != NULL; option = option->next) {
        if (starts_with(option->key, start) &&
            !format_options_set(out_options, view_of(option->key.base + len, option->key.len - len), option->value,
                                message)) {
            return sql_fail(binder->error, SQL_ERROR_NAME, option->key_place, "'%.*s': %s",
                            (int)MIN(option->key.len, 100), (const char *)option->key.base, message);
        }
    }
    return true;
}

static bool read_formats(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table)
{
    const struct sql_option *plain = given(create->options, "format");
    const struct sql_option *value = given(create->options, "value.format");
    const struct sql_option *key = given(create->options, "key.format");
    bool                     upsert = table->connector == SQL_CONNECTOR_UPSERT_KAFKA;

    if (plain != NULL && value != NULL) {
        return sql_fail(binder->error, SQL_ERROR_NAME, value->key_place,
                        "'format' and 'value.format' mean the same: give one of them");
    }
    if (plain == NULL && value == NULL) {
        return sql_fail(binder->error, SQL_ERROR_NAME, sql__name_place(create->name), "the table has no '%s'",
                        upsert ? "value.format" : "format");
    }
    if (upsert && key == NULL) {
        return sql_fail(binder->error, SQL_ERROR_NAME, sql__name_place(create->name), "the table has no 'key.format'");
    }
    if (!upsert && (key != NULL) != (given(create->options, "key.fields") != NULL)) {
        return sql_fail(binder->error, SQL_ERROR_NAME,
                        key != NULL ? key->key_place : given(create->options, "key.fields")->key_place,
                        "'key.format' and 'key.fields' belong together");
    }
    table->has_format = true;
    table->has_key_format = key != NULL;
    return read_format(binder, create, plain != NULL ? plain : value, plain != NULL ? "" : "value.", &table->format) &&
           (key == NULL || read_format(binder, create, key, "key.", &table->key_format));
}

/* Whether the key belongs to a format that was given. */
static bool is_format_option(const struct sql_create_table *create, struct view key)
{
    static const struct {
        const char *option, *prefix;
    } formats[] = {{"format", ""}, {"value.format", "value."}, {"key.format", "key."}};

    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        const struct sql_option *format = given(create->options, formats[i].option);
        size_t                   len = strlen(formats[i].prefix);

        if (format != NULL && starts_with(key, formats[i].prefix) && key.len > len + format->value.len &&
            memcmp(key.base + len, format->value.base, format->value.len) == 0 &&
            key.base[len + format->value.len] == '.') {
            return true;
        }
    }
    return false;
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static bool check_option(struct sql_binder *binder, const struct sql_create_table *create,
                         const struct sql_table *table, const struct sql_option *option)
{
    for (const struct sql_option *other = create->options; other != option; other = other->next) {
        if (view_equal(other->key, option->key)) {
            return sql_fail(binder->error, SQL_ERROR_NAME, option->key_place, "'%.*s' is given twice",
                            (int)MIN(option->key.len, 100), (const char *)option->key.base);
        }
    }
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (view_equal(option->key, view_text(options[i].name)) &&
            (options[i].connectors & (1U << table->connector)) != 0) {
            return check_value(binder, &options[i], option);
        }
    }
    if (table->connector <= SQL_CONNECTOR_UPSERT_KAFKA &&
        (starts_with(option->key, "properties.") || is_format_option(create, option->key))) {
        return true;
    }
    return unknown_option(binder, table, option);
}

/* Sorted by key, for DESCRIBE and look-ups. */
static bool keep_options(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table)
{
    struct sql_table_option *kept;
    uint32_t                 count = 0;

    for (const struct sql_option *option = create->options; option != NULL; option = option->next) {
        count++;
    }
    kept = sql__alloc_array(binder, count, sizeof(*kept));
    if (kept == NULL) {
        return false;
    }
    for (const struct sql_option *option = create->options; option != NULL; option = option->next) {
        uint32_t at = table->option_count++;

        for (; at > 0 && view_compare(kept[at - 1].key, option->key) > 0; at--) {
            kept[at] = kept[at - 1];
        }
        kept[at] = (struct sql_table_option){.key = option->key, .value = option->value};
    }
    table->options = kept;
    return true;
}

bool sql__bind_options(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table)
{
    if (!find_connector(binder, create, table)) {
        return false;
    }
    for (const struct sql_option *option = create->options; option != NULL; option = option->next) {
        if (!check_option(binder, create, table, option)) {
            return false;
        }
    }
    if (!keep_options(binder, create, table)) {
        return false;
    }
    if (table->connector > SQL_CONNECTOR_UPSERT_KAFKA) {
        return true;
    }
    if (given(create->options, "topic") == NULL) {
        return sql_fail(binder->error, SQL_ERROR_NAME, sql__name_place(create->name), "the table has no 'topic'");
    }
    return read_formats(binder, create, table);
}
