/* Which value is in force: the order of the sources, the units, what partitions get, and when. */
#include "tests/unit/meta/meta_rig.h"

static int teardown(void **state)
{
    (void)state;
    rig_assert_agree();
    rig_stop();
    rig_destroy();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    rig_create(2, 21);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_create_topic(1, "t", 4), 0);
    assert_int_equal(rig_create_topic(1, "u", 2), 0);
    return 0;
}

static int setup_with_file(void **state)
{
    (void)state;
    rig_create(2, 22);
    rig_set("log.retention.hours", "2");
    rig_set("log.retention.bytes", "-1");
    rig_set("message.max.bytes", "7000");
    rig_set("log.roll.hours", "1");
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_create_topic(1, "t", 4), 0);
    return 0;
}

static const struct meta_config_key *key_of(enum meta_config_kind kind, const char *name)
{
    const struct meta_config_key *key = meta_config_find(kind, view_text(name));

    assert_non_null(key);
    return key;
}

static void expect(uint32_t shard, const char *name, const char *text, enum meta_config_source source)
{
    struct meta_config_value value =
        meta_topic_config(rig.shards[shard].meta, rig_topic(shard, "t"), key_of(META_KIND_TOPIC, name));

    assert_string_equal(value.text, text);
    assert_int_equal(value.source, source);
    assert_string_equal(value.key->name, name);
}

static void test_sources_from_weak_to_strong(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        expect(i, "retention.ms", "7200000", META_SOURCE_STATIC);
        expect(i, "segment.ms", "3600000", META_SOURCE_STATIC);
        expect(i, "segment.bytes", "1073741824", META_SOURCE_DEFAULT);
        expect(i, "max.message.bytes", "7000", META_SOURCE_STATIC);
    }
    meta_config_set_put(&rig.statics.command, view_text("message.max.bytes"), view_text("7001"));
    expect(0, "max.message.bytes", "7001", META_SOURCE_STATIC);
    assert_int_equal(rig_set_config(4, "", "log.retention.ms", "100"), 0);
    assert_int_equal(rig_set_config(4, "", "message.max.bytes", "101"), 0);
    for (uint32_t i = 0; i < 2; i++) {
        expect(i, "retention.ms", "100", META_SOURCE_DYNAMIC_DEFAULT);
        expect(i, "max.message.bytes", "101", META_SOURCE_DYNAMIC_DEFAULT);
    }
    assert_int_equal(rig_set_config(4, "11", "log.retention.ms", "200"), 0);
    expect(0, "retention.ms", "100", META_SOURCE_DYNAMIC_DEFAULT);
    expect(1, "retention.ms", "200", META_SOURCE_DYNAMIC_BROKER);
    assert_int_equal(rig_set_config(2, "t", "retention.ms", "300"), 0);
    expect(1, "retention.ms", "300", META_SOURCE_TOPIC);
    assert_int_equal(rig_set_config(2, "t", "retention.ms", NULL), 0);
    assert_int_equal(rig_set_config(4, "11", "log.retention.ms", NULL), 0);
    assert_int_equal(rig_set_config(4, "", "log.retention.ms", NULL), 0);
    expect(1, "retention.ms", "7200000", META_SOURCE_STATIC);
}

static void test_units(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *retention;
    } rows[] = {
        {"log.retention.hours", "1", "3600000"},
        {"log.retention.hours", "-1", "-1"},
        {"log.retention.hours", "2147483647", "7730941129200000"},
        {"log.retention.minutes", "3", "180000"}, /* stronger than the hours */
        {"log.retention.minutes", "-1", "-1"},
        {"log.retention.ms", "12", "12"}, /* stronger than both */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        meta_config_set_put(&rig.statics.file, view_text(rows[i].name), view_text(rows[i].value));
        expect(0, "retention.ms", rows[i].retention, META_SOURCE_STATIC);
    }
}

static void expect_synonym(const struct meta_config_value *value, const char *name, const char *text,
                           enum meta_config_source source)
{
    assert_string_equal(value->key->name, name);
    assert_string_equal(value->text, text);
    assert_int_equal(value->source, source);
}

static void test_synonyms_in_order(void **state)
{
    struct meta_config_value values[8];
    const struct meta       *meta = rig.shards[1].meta;
    size_t                   count;

    (void)state;
    assert_int_equal(rig_set_config(4, "", "log.retention.ms", "100"), 0);
    assert_int_equal(rig_set_config(4, "11", "log.retention.ms", "200"), 0);
    assert_int_equal(rig_set_config(2, "t", "retention.ms", "300"), 0);
    count = meta_config_synonyms(meta, &rig_topic(1, "t")->configs, 1, key_of(META_KIND_TOPIC, "retention.ms"), values,
                                 COUNT_OF(values));
    assert_int_equal(count, 5);
    expect_synonym(&values[0], "retention.ms", "300", META_SOURCE_TOPIC);
    expect_synonym(&values[1], "log.retention.ms", "200", META_SOURCE_DYNAMIC_BROKER);
    expect_synonym(&values[2], "log.retention.ms", "100", META_SOURCE_DYNAMIC_DEFAULT);
    expect_synonym(&values[3], "log.retention.hours", "2", META_SOURCE_STATIC);
    expect_synonym(&values[4], "log.retention.hours", "168", META_SOURCE_DEFAULT);
    assert_int_equal(
        meta_config_synonyms(meta, &rig_topic(1, "t")->configs, 1, key_of(META_KIND_TOPIC, "retention.ms"), values, 2),
        2);
    count = meta_config_synonyms(meta, NULL, 0, key_of(META_KIND_BROKER, "log.retention.ms"), values, COUNT_OF(values));
    assert_int_equal(count, 1);
    expect_synonym(&values[0], "log.retention.ms", "100", META_SOURCE_DYNAMIC_DEFAULT);
    count = meta_config_synonyms(meta, &rig_topic(1, "t")->configs, 1, key_of(META_KIND_TOPIC, "remote.storage.enable"),
                                 values, 8);
    assert_int_equal(count, 1);
    expect_synonym(&values[0], "remote.storage.enable", "false", META_SOURCE_DEFAULT);
}

static void test_broker_values(void **state)
{
    const struct meta       *meta = rig.shards[0].meta;
    struct meta_config_value value = meta_broker_config(meta, 1, key_of(META_KIND_BROKER, "log.retention.hours"));

    (void)state;
    assert_string_equal(value.text, "2");
    assert_int_equal(value.source, META_SOURCE_STATIC);
    value = meta_broker_config(meta, 1, key_of(META_KIND_BROKER, "broker.rack"));
    assert_null(value.text);
    assert_int_equal(value.source, META_SOURCE_DEFAULT);
    assert_int_equal(meta_broker_int(meta, "message.max.bytes"), 7000);
    assert_int_equal(meta_broker_int(meta, "log.roll.ms"), -1); /* not set */
    assert_true(meta_broker_bool(meta, "auto.create.topics.enable"));
    assert_string_equal(meta_broker_text(meta, "log.cleanup.policy"), "delete");
    /* another shard's own value is its own */
    assert_int_equal(rig_set_config(4, "11", "message.max.bytes", "9000"), 0);
    assert_string_equal(meta_broker_config(meta, 1, key_of(META_KIND_BROKER, "message.max.bytes")).text, "9000");
    assert_int_equal(meta_broker_int(meta, "message.max.bytes"), 7000);
    assert_int_equal(meta_broker_int(rig.shards[1].meta, "message.max.bytes"), 9000);
}

static void test_defaults_of_a_partition(void **state)
{
    struct part_settings settings;

    (void)state;
    meta_part_settings(rig.shards[0].meta, rig_topic(0, "t"), &settings);
    assert_true(settings.policy.durable_on_append);
    assert_int_equal(settings.policy.flush_messages, 1);
    assert_int_equal(settings.policy.flush_ms, INT64_MAX);
    assert_int_equal(settings.policy.segment_bytes, GIB);
    assert_int_equal(settings.policy.segment_ms, 7 * 24 * 3600 * MS_PER_S);
    assert_int_equal(settings.policy.index_interval_bytes, 4096);
    assert_int_equal(settings.policy.retention_ms, 7 * 24 * 3600 * MS_PER_S);
    assert_int_equal(settings.policy.retention_bytes, -1);
    assert_int_equal(settings.policy.file_delete_delay_ms, 60000);
    assert_true(settings.policy.delete_enabled);
    assert_false(settings.policy.preallocate);
    assert_false(settings.policy.use_reserve);
    assert_int_equal(settings.batch_bytes_max, 1048588);
    assert_false(settings.log_append_time);
    assert_false(settings.keys_required);
    assert_int_equal(settings.timestamp_before_max_ms, INT64_MAX);
    assert_int_equal(settings.timestamp_after_max_ms, 3600000);
    assert_int_equal(settings.codec, -1);
    assert_int_equal(settings.codec_level, 0);
    assert_int_equal(settings.producer_expiry_ms, 86400000);
}

/* The settings in force on the shard that leads t-<partition>. */
static struct part_settings of_part(const char *topic, int32_t partition)
{
    struct part *part = rig_part(topic, partition);

    assert_non_null(part);
    return *part_settings_of(part);
}

static void test_changes_reach_open_partitions(void **state)
{
    static const char *const values[][2] = {{"cleanup.policy", "compact"}, {"message.timestamp.type", "LogAppendTime"},
                                            {"compression.type", "gzip"},  {"compression.gzip.level", "5"},
                                            {"flush.messages", "1000"},    {"flush.ms", "50"},
                                            {"segment.bytes", "1048576"},  {"max.message.bytes", "777"},
                                            {"preallocate", "true"},       {"retention.bytes", "9"}};
    struct part_settings     settings;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        assert_int_equal(rig_set_config(2, "t", values[i][0], values[i][1]), 0);
    }
    for (int32_t i = 0; i < 4; i++) {
        settings = of_part("t", i);
        assert_false(settings.policy.delete_enabled);
        assert_true(settings.keys_required);
        assert_true(settings.log_append_time);
        assert_int_equal(settings.codec, REC_GZIP);
        assert_int_equal(settings.codec_level, 5);
        assert_false(settings.policy.durable_on_append);
        assert_int_equal(settings.policy.flush_messages, 1000);
        assert_int_equal(settings.policy.flush_ms, 50);
        assert_int_equal(settings.policy.segment_bytes, MIB);
        assert_int_equal(settings.batch_bytes_max, 777);
        assert_true(settings.policy.preallocate);
        assert_int_equal(settings.policy.retention_bytes, 9);
    }
    assert_int_equal(of_part("u", 0).batch_bytes_max, 1048588);
    assert_true(of_part("u", 0).policy.durable_on_append);
    /* and they are there again after a restart */
    rig_stop();
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(of_part("t", 3).batch_bytes_max, 777);
    assert_int_equal(rig_set_config(2, "t", "compression.type", "uncompressed"), 0);
    assert_int_equal(of_part("t", 3).codec, REC_NONE);
    assert_int_equal(of_part("t", 3).codec_level, 0);
}

static void test_broker_settings_reach_open_partitions(void **state)
{
    (void)state;
    assert_int_equal(rig_set_config(2, "u", "max.message.bytes", "55"), 0);
    assert_int_equal(rig_set_config(4, "", "message.max.bytes", "66"), 0);
    assert_int_equal(rig_set_config(4, "", "producer.id.expiration.ms", "4000"), 0);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(of_part("t", i).batch_bytes_max, 66);
        assert_int_equal(of_part("t", i).producer_expiry_ms, 4000);
    }
    assert_int_equal(of_part("u", 0).batch_bytes_max, 55);
    assert_int_equal(of_part("u", 0).producer_expiry_ms, 4000);
    assert_int_equal(rig_set_config(4, "10", "message.max.bytes", "77"), 0);
    for (int32_t i = 0; i < 4; i++) {
        int32_t leader = rig_topic(0, "t")->partitions[i].leader;

        assert_int_equal(of_part("t", i).batch_bytes_max, leader == 10 ? 77 : 66);
    }
    assert_int_equal(rig_create_topic(0, "new", 2), 0);
    assert_int_equal(rig_set_config(4, "10", "message.max.bytes", NULL), 0);
    assert_int_equal(rig_set_config(4, "", "message.max.bytes", NULL), 0);
    assert_int_equal(of_part("new", 0).batch_bytes_max, 1048588);
    assert_int_equal(of_part("t", 0).batch_bytes_max, 1048588);
}

/* The levels Kafka has by default name the codecs' defaults here. */
static void test_compression_levels(void **state)
{
    static const struct {
        const char *codec;
        const char *key;
        const char *level;
        int         expected_codec;
        int         expected_level;
    } rows[] = {
        {"lz4", NULL, NULL, REC_LZ4, 0},   {"lz4", "compression.lz4.level", "12", REC_LZ4, 12},
        {"zstd", NULL, NULL, REC_ZSTD, 0}, {"zstd", "compression.zstd.level", "-7", REC_ZSTD, -7},
        {"gzip", NULL, NULL, REC_GZIP, 0}, {"snappy", NULL, NULL, REC_SNAPPY, 0},
        {"producer", NULL, NULL, -1, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(rig_set_config(2, "t", "compression.type", rows[i].codec), 0);
        if (rows[i].key != NULL) {
            assert_int_equal(rig_set_config(2, "t", rows[i].key, rows[i].level), 0);
        }
        assert_int_equal(of_part("t", 1).codec, rows[i].expected_codec);
        assert_int_equal(of_part("t", 1).codec_level, rows[i].expected_level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sources_from_weak_to_strong, setup_with_file, teardown),
        cmocka_unit_test_setup_teardown(test_units, setup, teardown),
        cmocka_unit_test_setup_teardown(test_synonyms_in_order, setup_with_file, teardown),
        cmocka_unit_test_setup_teardown(test_broker_values, setup_with_file, teardown),
        cmocka_unit_test_setup_teardown(test_defaults_of_a_partition, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_reach_open_partitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broker_settings_reach_open_partitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_compression_levels, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
