/* Which value is in force, and why. For a setting of a topic or a group: its own override; then, over all the broker
 * settings it defaults to (strongest first), what was set for this broker, for all brokers, and at start; then the
 * default. */
#include "core/meta/meta_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* One broker setting a value may come from; multiplier: hours or minutes to milliseconds. */
struct effective_synonym {
    struct view name;
    int64_t     multiplier;
};

static const char *const effective_names[META_SETTING_COUNT] = {
    [META_SETTING_CLEANUP_POLICY] = "cleanup.policy",
    [META_SETTING_COMPRESSION_TYPE] = "compression.type",
    [META_SETTING_COMPRESSION_GZIP_LEVEL] = "compression.gzip.level",
    [META_SETTING_COMPRESSION_LZ4_LEVEL] = "compression.lz4.level",
    [META_SETTING_COMPRESSION_ZSTD_LEVEL] = "compression.zstd.level",
    [META_SETTING_DELETE_RETENTION_MS] = "delete.retention.ms",
    [META_SETTING_FILE_DELETE_DELAY_MS] = "file.delete.delay.ms",
    [META_SETTING_FLUSH_MESSAGES] = "flush.messages",
    [META_SETTING_FLUSH_MS] = "flush.ms",
    [META_SETTING_INDEX_INTERVAL_BYTES] = "index.interval.bytes",
    [META_SETTING_MAX_COMPACTION_LAG_MS] = "max.compaction.lag.ms",
    [META_SETTING_MAX_MESSAGE_BYTES] = "max.message.bytes",
    [META_SETTING_TIMESTAMP_AFTER_MAX_MS] = "message.timestamp.after.max.ms",
    [META_SETTING_TIMESTAMP_BEFORE_MAX_MS] = "message.timestamp.before.max.ms",
    [META_SETTING_TIMESTAMP_TYPE] = "message.timestamp.type",
    [META_SETTING_MIN_CLEANABLE_RATIO] = "min.cleanable.dirty.ratio",
    [META_SETTING_MIN_COMPACTION_LAG_MS] = "min.compaction.lag.ms",
    [META_SETTING_PREALLOCATE] = "preallocate",
    [META_SETTING_RETENTION_BYTES] = "retention.bytes",
    [META_SETTING_RETENTION_MS] = "retention.ms",
    [META_SETTING_SEGMENT_BYTES] = "segment.bytes",
    [META_SETTING_SEGMENT_MS] = "segment.ms",
};

void meta__effective_init(struct meta_effective *effective)
{
    *effective = (struct meta_effective){0};
    meta_config_set_init(&effective->converted);
    for (size_t i = 0; i < META_SETTING_COUNT; i++) {
        effective->settings[i] = meta_config_find(META_KIND_TOPIC, view_text(effective_names[i]));
        CHECK(effective->settings[i] != NULL);
    }
}

void meta__effective_deinit(struct meta_effective *effective)
{
    meta_config_set_deinit(&effective->converted);
}

/* --- where a value comes from -------------------------------------------------------------------------------- */

/* The broker settings behind `key`: itself for a broker setting. */
static size_t effective_synonyms(const struct meta_config_key *key, struct effective_synonym out[META_SYNONYMS_MAX])
{
    const char *at = key->synonyms;
    size_t      count = 0;

    if (key->kind == META_KIND_BROKER) {
        out[0] = (struct effective_synonym){.name = view_text(key->name), .multiplier = 1};
        return 1;
    }
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");
        size_t name_len = strcspn(at, ":,");

        CHECK(count < META_SYNONYMS_MAX);
        out[count] = (struct effective_synonym){.name = view_of(at, name_len), .multiplier = 1};
        for (size_t i = name_len + 1; i < len; i++) {
            out[count].multiplier = (i == name_len + 1 ? 0 : out[count].multiplier * 10) + (at[i] - '0');
        }
        count++;
        at += len + (at[len] == ',');
    }
    return count;
}

static enum meta_config_source effective_own_source(const struct meta_config_key *key)
{
    return key->kind == META_KIND_GROUP ? META_SOURCE_GROUP : META_SOURCE_TOPIC;
}

static const char *effective_get(const struct meta *meta, uint32_t shard, enum meta_config_source source,
                                 struct view name)
{
    switch (source) {
    case META_SOURCE_DYNAMIC_BROKER:
        return meta_config_set_get(&meta->image.broker_configs[shard], name);
    case META_SOURCE_DYNAMIC_DEFAULT:
        return meta_config_set_get(&meta->image.broker_default_configs, name);
    case META_SOURCE_STATIC:
        return meta_static_find(meta->host->statics, name);
    case META_SOURCE_UNKNOWN:
    case META_SOURCE_TOPIC:
    case META_SOURCE_DEFAULT:
    case META_SOURCE_LOGGER:
    case META_SOURCE_GROUP:
        break;
    }
    return NULL;
}

bool meta__config_parse_int(const char *text, int64_t *out_value)
{
    char   *end = NULL;
    int64_t value = strtoll(text, &end, 10);

    if (end == text || *end != '\0') {
        return false;
    }
    *out_value = value;
    return true;
}

/* A topic's setting in the topic's own unit; negative values mean "none" in every unit. */
static const char *effective_convert(const struct meta *meta, const struct meta_config_key *key, const char *text,
                                     int64_t multiplier)
{
    struct view name = view_text(key->name);
    int64_t     value;
    const char *known;
    char        number[24];

    if (multiplier == 1 || !meta__config_parse_int(text, &value)) {
        return text;
    }
    if (value < 0) {
        value = -1;
    } else {
        value = value > INT64_MAX / multiplier ? INT64_MAX : value * multiplier;
    }
    (void)snprintf(number, sizeof(number), "%" PRId64, value);
    known = meta_config_set_get(&meta->effective->converted, name);
    if (known == NULL || strcmp(known, number) != 0) {
        meta_config_set_put(&meta->effective->converted, name, view_text(number));
    }
    return meta_config_set_get(&meta->effective->converted, name);
}

static struct meta_config_value effective_broker_value(const struct meta *meta, uint32_t shard,
                                                       const struct meta_config_key *key)
{
    struct effective_synonym synonyms[META_SYNONYMS_MAX];
    size_t                   count = effective_synonyms(key, synonyms);

    for (int source = META_SOURCE_DYNAMIC_BROKER; source <= META_SOURCE_STATIC; source++) {
        for (size_t i = 0; i < count; i++) {
            const char *text = effective_get(meta, shard, (enum meta_config_source)source, synonyms[i].name);

            if (text != NULL) {
                return (struct meta_config_value){.key = key,
                                                  .text = effective_convert(meta, key, text, synonyms[i].multiplier),
                                                  .source = (enum meta_config_source)source};
            }
        }
    }
    return (struct meta_config_value){.key = key, .text = key->default_text, .source = META_SOURCE_DEFAULT};
}

struct meta_config_value meta_broker_config(const struct meta *meta, uint32_t shard, const struct meta_config_key *key)
{
    CHECK(key->kind == META_KIND_BROKER && shard < meta->host->shard_count);
    return effective_broker_value(meta, shard, key);
}

/* own: the overrides of a topic or a group, or NULL. */
static struct meta_config_value effective_own_value(const struct meta *meta, const struct meta_config_set *own,
                                                    const struct meta_config_key *key)
{
    const char *text = own == NULL ? NULL : meta_config_set_get(own, view_text(key->name));

    if (text != NULL) {
        return (struct meta_config_value){.key = key, .text = text, .source = effective_own_source(key)};
    }
    return effective_broker_value(meta, meta->shard->index, key);
}

struct meta_config_value meta_topic_config(const struct meta *meta, const struct meta_topic *topic,
                                           const struct meta_config_key *key)
{
    CHECK(key->kind == META_KIND_TOPIC);
    return effective_own_value(meta, topic == NULL ? NULL : &topic->configs, key);
}

struct meta_config_value meta_group_config(const struct meta *meta, struct view group,
                                           const struct meta_config_key *key)
{
    CHECK(key->kind == META_KIND_GROUP);
    return effective_own_value(meta, meta_group_configs(meta, group), key);
}

static size_t effective_note(struct meta_config_value *out_values, size_t count, size_t capacity,
                             const struct meta_config_key *key, const char *text, enum meta_config_source source)
{
    if (key == NULL || text == NULL || count == capacity) {
        return count;
    }
    out_values[count] = (struct meta_config_value){.key = key, .text = text, .source = source};
    return count + 1;
}

size_t meta_config_synonyms(const struct meta *meta, const struct meta_config_set *own, uint32_t shard,
                            const struct meta_config_key *key, struct meta_config_value *out_values, size_t capacity)
{
    struct effective_synonym synonyms[META_SYNONYMS_MAX];
    size_t                   synonym_count = effective_synonyms(key, synonyms);
    size_t                   count = 0;

    CHECK(shard < meta->host->shard_count);
    if (own != NULL) {
        count = effective_note(out_values, count, capacity, key, meta_config_set_get(own, view_text(key->name)),
                               effective_own_source(key));
    }
    for (int source = META_SOURCE_DYNAMIC_BROKER; source <= META_SOURCE_STATIC; source++) {
        for (size_t i = 0; i < synonym_count; i++) {
            count = effective_note(out_values, count, capacity, meta_config_find(META_KIND_BROKER, synonyms[i].name),
                                   effective_get(meta, shard, (enum meta_config_source)source, synonyms[i].name),
                                   (enum meta_config_source)source);
        }
    }
    for (size_t i = 0; i < synonym_count; i++) {
        const struct meta_config_key *behind = meta_config_find(META_KIND_BROKER, synonyms[i].name);

        count = effective_note(out_values, count, capacity, behind, behind == NULL ? NULL : behind->default_text,
                               META_SOURCE_DEFAULT);
    }
    if (synonym_count == 0) {
        count = effective_note(out_values, count, capacity, key, key->default_text, META_SOURCE_DEFAULT);
    }
    return count;
}

/* --- what a partition needs ---------------------------------------------------------------------------------- */

static const char *effective_text(const struct meta *meta, const struct meta_topic *topic,
                                  enum meta_topic_setting setting)
{
    return meta_topic_config(meta, topic, meta->effective->settings[setting]).text;
}

static int64_t effective_int(const struct meta *meta, const struct meta_topic *topic, enum meta_topic_setting setting)
{
    const struct meta_config_key *key = meta->effective->settings[setting];
    int64_t                       value = 0;
    const char                   *text = effective_text(meta, topic, setting);

    /* a broker setting may have wider limits than the topic's: brought within */
    CHECK(text != NULL && meta__config_parse_int(text, &value));
    return MIN(MAX(value, key->min), key->max);
}

/* Level 0 asks rec for the codec's default; so does Kafka's default value, which for lz4 names the fast compressor. */
static int effective_level(const struct meta *meta, const struct meta_topic *topic, int codec)
{
    enum meta_topic_setting setting;
    const char             *text;

    switch (codec) {
    case REC_GZIP:
        setting = META_SETTING_COMPRESSION_GZIP_LEVEL;
        break;
    case REC_LZ4:
        setting = META_SETTING_COMPRESSION_LZ4_LEVEL;
        break;
    case REC_ZSTD:
        setting = META_SETTING_COMPRESSION_ZSTD_LEVEL;
        break;
    default:
        return 0;
    }
    text = effective_text(meta, topic, setting);
    if (strcmp(text, meta->effective->settings[setting]->default_text) == 0) {
        return 0;
    }
    return (int)effective_int(meta, topic, setting);
}

/* Compaction, and what it wants of the rest: a segment is rolled before what it holds has to be compacted. */
static void effective_compaction(const struct meta *meta, const struct meta_topic *topic, struct store_policy *policy)
{
    policy->compact_enabled = true;
    policy->min_cleanable_ratio = strtod(effective_text(meta, topic, META_SETTING_MIN_CLEANABLE_RATIO), NULL);
    policy->min_compaction_lag_ms = effective_int(meta, topic, META_SETTING_MIN_COMPACTION_LAG_MS);
    policy->max_compaction_lag_ms = effective_int(meta, topic, META_SETTING_MAX_COMPACTION_LAG_MS);
    policy->delete_retention_ms = effective_int(meta, topic, META_SETTING_DELETE_RETENTION_MS);
    policy->segment_ms = MIN(policy->segment_ms, policy->max_compaction_lag_ms);
}

static void effective_part(const struct meta *meta, const struct meta_topic *topic, struct part_settings *out)
{
    const char *cleanup = effective_text(meta, topic, META_SETTING_CLEANUP_POLICY);
    const char *codec = effective_text(meta, topic, META_SETTING_COMPRESSION_TYPE);
    int64_t     flush_messages = effective_int(meta, topic, META_SETTING_FLUSH_MESSAGES);

    *out = (struct part_settings){
        .policy = {.durable_on_append = flush_messages <= 1,
                   .flush_messages = (uint64_t)flush_messages,
                   .flush_ms = effective_int(meta, topic, META_SETTING_FLUSH_MS),
                   .segment_bytes = (uint64_t)effective_int(meta, topic, META_SETTING_SEGMENT_BYTES),
                   .segment_ms = effective_int(meta, topic, META_SETTING_SEGMENT_MS),
                   .index_interval_bytes = (uint32_t)effective_int(meta, topic, META_SETTING_INDEX_INTERVAL_BYTES),
                   .retention_ms = effective_int(meta, topic, META_SETTING_RETENTION_MS),
                   .retention_bytes = effective_int(meta, topic, META_SETTING_RETENTION_BYTES),
                   .file_delete_delay_ms = effective_int(meta, topic, META_SETTING_FILE_DELETE_DELAY_MS),
                   .delete_enabled = meta_config_list_has(cleanup, view_text("delete")),
                   .preallocate = meta_config_to_bool(effective_text(meta, topic, META_SETTING_PREALLOCATE))},
        .batch_bytes_max = (uint32_t)effective_int(meta, topic, META_SETTING_MAX_MESSAGE_BYTES),
        .log_append_time = strcmp(effective_text(meta, topic, META_SETTING_TIMESTAMP_TYPE), "LogAppendTime") == 0,
        .keys_required = meta_config_list_has(cleanup, view_text("compact")),
        .timestamp_before_max_ms = effective_int(meta, topic, META_SETTING_TIMESTAMP_BEFORE_MAX_MS),
        .timestamp_after_max_ms = effective_int(meta, topic, META_SETTING_TIMESTAMP_AFTER_MAX_MS),
        .codec = rec_codec_parse(view_text(codec)), /* "producer" is none of them: -1 */
        .producer_expiry_ms = meta_broker_int(meta, "producer.id.expiration.ms"),
    };
    out->codec_level = effective_level(meta, topic, out->codec);
    if (out->keys_required) {
        effective_compaction(meta, topic, &out->policy);
    }
}

/* Topics without overrides, nearly all, share one answer until a broker setting changes. */
void meta_part_settings(const struct meta *meta, const struct meta_topic *topic, struct part_settings *out_settings)
{
    struct meta_effective *effective = meta->effective;

    if (topic != NULL && map_count(&topic->configs.values) > 0) {
        effective_part(meta, topic, out_settings);
        return;
    }
    if (!effective->plain_valid) {
        effective_part(meta, NULL, &effective->plain);
        effective->plain_valid = true;
    }
    *out_settings = effective->plain;
}

/* --- broker settings ----------------------------------------------------------------------------------------- */

static struct meta_config_value effective_named(const struct meta *meta, const char *name)
{
    const struct meta_config_key *key = meta_config_find(META_KIND_BROKER, view_text(name));

    CHECK(key != NULL);
    return meta_broker_config(meta, meta->shard->index, key);
}

int64_t meta_broker_int(const struct meta *meta, const char *name)
{
    struct meta_config_value value = effective_named(meta, name);

    CHECK(value.key->type == META_TYPE_INT || value.key->type == META_TYPE_LONG || value.key->type == META_TYPE_SHORT);
    return meta_config_to_int(value.key, value.text);
}

double meta_broker_double(const struct meta *meta, const char *name)
{
    struct meta_config_value value = effective_named(meta, name);

    CHECK(value.key->type == META_TYPE_DOUBLE);
    return strtod(value.text, NULL);
}

bool meta_broker_bool(const struct meta *meta, const char *name)
{
    struct meta_config_value value = effective_named(meta, name);

    CHECK(value.key->type == META_TYPE_BOOLEAN);
    return meta_config_to_bool(value.text);
}

int64_t meta_group_int(const struct meta *meta, struct view group, const char *name)
{
    const struct meta_config_key *key = meta_config_find(META_KIND_GROUP, view_text(name));
    struct meta_config_value      value;
    int64_t                       number = 0;

    CHECK(key != NULL && (key->type == META_TYPE_INT || key->type == META_TYPE_LONG));
    value = meta_group_config(meta, group, key);
    CHECK(value.text != NULL && meta__config_parse_int(value.text, &number)); /* a broker's may have wider limits */
    return number;
}

const char *meta_broker_text(const struct meta *meta, const char *name)
{
    return effective_named(meta, name).text;
}
