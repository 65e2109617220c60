/* Records to bytes and back, and what each type does to an image, on no disk at all. */
#include "tests/support/unit.h"

#include "core/meta/meta_internal.h"

#define NODE 5

struct world {
    struct arena      arena;
    struct meta_image image;
};

static const struct uuid id_a = {{1, 2, 3}};
static const struct uuid id_b = {{4, 5, 6}};

static void quiet(enum slog_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    (void)text;
}

static int setup(void **state)
{
    struct world *world = mem_alloc(MEM_TEST, sizeof(*world));

    slog_set_sink(quiet);
    arena_init(&world->arena, MEM_TEST, 4096, 4 * MIB);
    meta__image_init(&world->image, NODE, 3);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    slog_set_sink(NULL);
    meta__image_deinit(&world->image);
    arena_deinit(&world->arena);
    mem_free(MEM_TEST, world);
    return 0;
}

/* --- making records -------------------------------------------------------------------------------------------- */

static struct meta_record topic_record(const char *name, struct uuid id)
{
    struct meta_record record = {.key = KP_TOPIC_RECORD_KEY};

    kp_topic_record_init(&record.topic);
    record.topic.name = view_text(name);
    record.topic.topic_id = id;
    return record;
}

static struct meta_record partition_record(struct uuid id, int32_t partition, const int32_t *leader)
{
    struct meta_record record = {.key = KP_PARTITION_RECORD_KEY, .version = 1};

    kp_partition_record_init(&record.partition);
    record.partition.topic_id = id;
    record.partition.partition_id = partition;
    record.partition.replicas = leader;
    record.partition.replicas_count = 1;
    record.partition.isr = leader;
    record.partition.isr_count = 1;
    record.partition.leader = *leader;
    record.partition.leader_epoch = 3;
    record.partition.partition_epoch = 4;
    return record;
}

static struct meta_record config_record(int8_t type, const char *resource, const char *name, const char *value)
{
    struct meta_record record = {.key = KP_CONFIG_RECORD_KEY};

    kp_config_record_init(&record.config);
    record.config.resource_type = type;
    record.config.resource_name = view_text(resource);
    record.config.name = view_text(name);
    record.config.value = value == NULL ? (struct view){0} : view_text(value);
    return record;
}

static struct meta_record producer_record(int64_t next)
{
    struct meta_record record = {.key = KP_PRODUCER_IDS_RECORD_KEY};

    kp_producer_ids_record_init(&record.producer_ids);
    record.producer_ids.next_producer_id = next;
    return record;
}

static struct meta_record remove_record(struct uuid id)
{
    struct meta_record record = {.key = KP_REMOVE_TOPIC_RECORD_KEY};

    record.remove_topic.topic_id = id;
    return record;
}

/* --- through bytes ----------------------------------------------------------------------------------------------- */

static int apply_each(void *context, const struct meta_record *record)
{
    return meta__image_apply(context, record);
}

static struct view batch_of(struct world *world, const struct meta_record *records, size_t count)
{
    struct rec_builder builder;
    struct view        batch = {0};

    rec_builder_init(&builder, &world->arena);
    for (size_t i = 0; i < count; i++) {
        meta__record_add(&builder, 1000, &records[i]);
    }
    assert_int_equal(rec_builder_finish(&builder, REC_NONE, 0, &batch), ERR_OK);
    return batch;
}

/* Encodes, decodes and applies: what the log does. */
static int apply(struct world *world, struct meta_record record)
{
    struct view  batch = batch_of(world, &record, 1);
    struct arena arena;
    int64_t      last_offset = -1;
    int          result;

    arena_init(&arena, MEM_TEST, 4096, 4 * MIB);
    result = meta__records_each(batch, &arena, apply_each, &world->image, &last_offset);
    assert_true(result < 0 || last_offset == 0);
    arena_deinit(&arena);
    return result;
}

static void test_topic_and_partitions(void **state)
{
    struct world            *world = *state;
    const struct meta_topic *topic;
    int32_t                  leaders[] = {5, 6, 7};

    assert_int_equal(apply(world, topic_record("a.x", id_a)), ERR_OK);
    for (int32_t i = 0; i < 9; i++) {
        assert_int_equal(apply(world, partition_record(id_a, i, &leaders[i % 3])), ERR_OK);
    }
    topic = meta__image_topic(&world->image, view_text("a.x"));
    assert_non_null(topic);
    assert_ptr_equal(topic, meta__image_topic_by_id(&world->image, id_a));
    assert_ptr_equal(topic, map_get(&world->image.topics_by_fold, view_text("a_x")));
    assert_false(topic->internal);
    assert_int_equal(topic->partition_count, 9);
    assert_int_equal(topic->partitions[8].leader, 7);
    assert_int_equal(topic->partitions[8].leader_epoch, 3);
    assert_int_equal(topic->partitions[8].partition_epoch, 4);
    assert_int_equal(world->image.partition_total, 9);
    assert_int_equal(world->image.shard_partitions[1], 3);

    assert_int_equal(apply(world, remove_record(id_a)), ERR_OK);
    assert_null(meta__image_topic(&world->image, view_text("a.x")));
    assert_null(map_get(&world->image.topics_by_fold, view_text("a_x")));
    assert_int_equal(world->image.partition_total, 0);
    assert_int_equal(world->image.shard_partitions[1], 0);
    assert_int_equal(apply(world, topic_record("a.x", id_b)), ERR_OK);
}

static void test_contradictions_are_refused(void **state)
{
    struct world      *world = *state;
    int32_t            leader = NODE;
    int32_t            stranger = NODE + 3;
    struct meta_record record;

    assert_int_equal(apply(world, topic_record("a", id_a)), ERR_OK);
    assert_int_equal(apply(world, topic_record("a", id_b)), ERR_CORRUPT);
    assert_int_equal(apply(world, topic_record("b", id_a)), ERR_CORRUPT);
    assert_int_equal(apply(world, topic_record("b", (struct uuid){{0}})), ERR_CORRUPT);
    assert_int_equal(apply(world, topic_record("not a name", id_b)), ERR_CORRUPT);
    assert_int_equal(apply(world, partition_record(id_b, 0, &leader)), ERR_CORRUPT);
    assert_int_equal(apply(world, partition_record(id_a, 1, &leader)), ERR_CORRUPT);
    assert_int_equal(apply(world, partition_record(id_a, -1, &leader)), ERR_CORRUPT);
    assert_int_equal(apply(world, partition_record(id_a, 0, &stranger)), ERR_UNSUPPORTED);
    record = partition_record(id_a, 0, &leader);
    record.partition.replicas = &stranger;
    assert_int_equal(apply(world, record), ERR_UNSUPPORTED);
    record = partition_record(id_a, 0, &leader);
    record.partition.replicas_count = 0;
    assert_int_equal(apply(world, record), ERR_UNSUPPORTED);
    assert_int_equal(apply(world, remove_record(id_b)), ERR_CORRUPT);
    assert_int_equal(world->image.partition_total, 0);
    assert_int_equal(meta__image_topic_by_id(&world->image, id_a)->partition_count, 0);
}

static void test_partition_change_counts_epochs(void **state)
{
    struct world          *world = *state;
    int32_t                leader = NODE + 1;
    struct meta_record     record = {.key = KP_PARTITION_CHANGE_RECORD_KEY};
    struct meta_partition *partition;

    assert_int_equal(apply(world, topic_record("a", id_a)), ERR_OK);
    assert_int_equal(apply(world, partition_record(id_a, 0, &leader)), ERR_OK);
    partition = &meta__image_topic_by_id(&world->image, id_a)->partitions[0];
    kp_partition_change_record_init(&record.partition_change);
    record.partition_change.topic_id = id_a;
    record.partition_change.partition_id = 0;
    assert_int_equal(apply(world, record), ERR_OK);
    assert_int_equal(partition->leader_epoch, 3);
    assert_int_equal(partition->partition_epoch, 5);
    record.partition_change.leader = leader;
    assert_int_equal(apply(world, record), ERR_OK);
    assert_int_equal(partition->leader_epoch, 4);
    assert_int_equal(partition->partition_epoch, 6);
    record.partition_change.leader = NODE;
    assert_int_equal(apply(world, record), ERR_UNSUPPORTED);
    record.partition_change.leader = META_SAME_LEADER;
    record.partition_change.partition_id = 1;
    assert_int_equal(apply(world, record), ERR_CORRUPT);
    assert_int_equal(partition->partition_epoch, 6);
}

static void test_configs(void **state)
{
    struct world *world = *state;

    assert_int_equal(apply(world, topic_record("a", id_a)), ERR_OK);
    assert_int_equal(apply(world, config_record(2, "a", "retention.ms", "5")), ERR_OK);
    assert_int_equal(apply(world, config_record(2, "a", "retention.ms", "6")), ERR_OK);
    assert_int_equal(apply(world, config_record(4, "", "log.retention.ms", "7")), ERR_OK);
    assert_int_equal(apply(world, config_record(4, "6", "log.retention.ms", "8")), ERR_OK);
    assert_string_equal(
        meta_config_set_get(meta__image_configs(&world->image, 2, view_text("a")), view_text("retention.ms")), "6");
    assert_string_equal(meta_config_set_get(&world->image.broker_default_configs, view_text("log.retention.ms")), "7");
    assert_string_equal(meta_config_set_get(&world->image.broker_configs[1], view_text("log.retention.ms")), "8");
    assert_int_equal(apply(world, config_record(2, "a", "retention.ms", NULL)), ERR_OK);
    assert_null(meta_config_set_get(meta__image_configs(&world->image, 2, view_text("a")), view_text("retention.ms")));
    assert_int_equal(apply(world, config_record(2, "b", "retention.ms", "5")), ERR_CORRUPT);
    assert_int_equal(apply(world, config_record(4, "8", "x", "5")), ERR_CORRUPT);
    assert_int_equal(apply(world, config_record(4, "05", "x", "5")), ERR_CORRUPT);
    assert_int_equal(apply(world, config_record(4, "99999999999", "x", "5")), ERR_CORRUPT);
    assert_int_equal(apply(world, config_record(4, "5x", "x", "5")), ERR_CORRUPT);
    assert_int_equal(apply(world, config_record(16, "", "x", "5")), ERR_UNSUPPORTED);
}

static void test_brokers(void **state)
{
    struct world                               *world = *state;
    struct kp_register_broker_record_end_points endpoints[META_LISTENERS_MAX + 1];
    struct meta_record                          record = {.key = KP_REGISTER_BROKER_RECORD_KEY, .version = 3};

    for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
        kp_register_broker_record_end_points_init(&endpoints[i]);
        endpoints[i].name = view_text("L");
        endpoints[i].host = view_text("h");
        endpoints[i].port = (uint16_t)(100 + i);
    }
    kp_register_broker_record_init(&record.register_broker);
    record.register_broker.broker_id = NODE + 2;
    record.register_broker.incarnation_id = id_a;
    record.register_broker.log_dirs = &id_b;
    record.register_broker.log_dirs_count = 1;
    record.register_broker.end_points = endpoints;
    record.register_broker.end_points_count = 2;
    record.register_broker.rack = view_text("r");
    assert_int_equal(apply(world, record), ERR_OK);
    assert_int_equal(apply(world, record), ERR_OK);
    assert_int_equal(world->image.brokers[2].endpoint_count, 2);
    assert_int_equal(world->image.brokers[2].endpoints[1].port, 101);
    assert_true(uuid_equal(world->image.brokers[2].directory_id, id_b));
    assert_true(view_equal(world->image.brokers[2].rack, view_text("r")));
    record.register_broker.end_points_count = META_LISTENERS_MAX + 1;
    assert_int_equal(apply(world, record), ERR_UNSUPPORTED);
    record.register_broker.broker_id = NODE - 1;
    record.register_broker.end_points_count = 0;
    assert_int_equal(apply(world, record), ERR_UNSUPPORTED);

    record = (struct meta_record){.key = KP_BROKER_REGISTRATION_CHANGE_RECORD_KEY, .version = 2};
    kp_broker_registration_change_record_init(&record.broker_registration_change);
    record.broker_registration_change.broker_id = NODE + 2;
    record.broker_registration_change.log_dirs = &id_a;
    record.broker_registration_change.log_dirs_count = 1;
    assert_int_equal(apply(world, record), ERR_OK);
    assert_true(uuid_equal(world->image.brokers[2].directory_id, id_a));
    record.broker_registration_change.broker_id = NODE + 3;
    assert_int_equal(apply(world, record), ERR_UNSUPPORTED);

    record = (struct meta_record){.key = KP_UNREGISTER_BROKER_RECORD_KEY};
    record.unregister_broker.broker_id = NODE + 2;
    assert_int_equal(apply(world, record), ERR_OK);
    assert_int_equal(world->image.brokers[2].endpoint_count, 0);
    assert_int_equal(world->image.brokers[2].node_id, NODE + 2);
    record.unregister_broker.broker_id = NODE + 3;
    assert_int_equal(apply(world, record), ERR_UNSUPPORTED);
}

static void test_ids_features_and_nothing(void **state)
{
    struct world      *world = *state;
    struct meta_record feature = {.key = KP_FEATURE_LEVEL_RECORD_KEY};

    assert_int_equal(apply(world, producer_record(1000)), ERR_OK);
    assert_int_equal(apply(world, producer_record(1000)), ERR_OK);
    assert_int_equal(apply(world, producer_record(999)), ERR_CORRUPT);
    assert_int_equal(world->image.next_producer_id, 1000);
    kp_feature_level_record_init(&feature.feature_level);
    feature.feature_level.name = view_text("metadata.version");
    feature.feature_level.feature_level = 27;
    assert_int_equal(apply(world, feature), ERR_OK);
    assert_int_equal(apply(world, (struct meta_record){.key = KP_NO_OP_RECORD_KEY}), ERR_OK);
}

/* --- damaged and foreign bytes --------------------------------------------------------------------------------------
 */

static int decode(struct world *world, const void *bytes, size_t len)
{
    struct meta_record record;

    return meta__record_decode(view_of(bytes, len), &world->arena, &record);
}

static void test_unknown_records_are_unsupported(void **state)
{
    struct world *world = *state;

    assert_int_equal(decode(world, (uint8_t[]){1, 20, 0, 0}, 4), ERR_OK);
    assert_int_equal(decode(world, (uint8_t[]){0, 20, 0, 0}, 4), ERR_UNSUPPORTED); /* frame version */
    assert_int_equal(decode(world, (uint8_t[]){2, 20, 0, 0}, 4), ERR_UNSUPPORTED);
    assert_int_equal(decode(world, (uint8_t[]){1, 20, 1, 0}, 4), ERR_UNSUPPORTED); /* message version */
    assert_int_equal(decode(world, (uint8_t[]){1, 18, 0, 0}, 4), ERR_UNSUPPORTED); /* ACLs */
    assert_int_equal(decode(world, (uint8_t[]){1, 21, 0, 0}, 4), ERR_UNSUPPORTED);
    assert_int_equal(decode(world, (uint8_t[]){1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0}, 8), ERR_UNSUPPORTED);
    assert_int_equal(decode(world, (uint8_t[]){1, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 8), ERR_UNSUPPORTED);
}

static void test_damaged_records_are_corrupt(void **state)
{
    struct world      *world = *state;
    struct meta_record record = topic_record("a", id_a);
    struct view        batch = batch_of(world, &record, 1);
    struct rec_batch   parsed;
    struct rec_iter    iter;
    struct rec_record  stored;

    assert_int_equal(meta__record_decode((struct view){0}, &world->arena, &record), ERR_CORRUPT);
    assert_int_equal(decode(world, (uint8_t[]){1}, 0), ERR_CORRUPT);
    assert_int_equal(decode(world, (uint8_t[]){1, 20, 0}, 3), ERR_CORRUPT);
    assert_int_equal(decode(world, (uint8_t[]){1, 20, 0, 0, 0}, 5), ERR_CORRUPT); /* something left over */
    assert_int_equal(rec_batch_parse(batch, &parsed), ERR_OK);
    rec_iter_init(&iter, &parsed, view_of(batch.base + REC_HEADER_BYTES, batch.len - REC_HEADER_BYTES));
    assert_int_equal(rec_iter_next(&iter, &stored), 1);
    for (size_t len = 0; len < stored.value.len; len++) {
        assert_int_equal(decode(world, stored.value.base, len), ERR_CORRUPT);
    }
    assert_int_equal(decode(world, stored.value.base, stored.value.len), ERR_OK);
}

static void test_batches_that_lie(void **state)
{
    struct world      *world = *state;
    struct meta_record record = topic_record("a", id_a);
    struct view        batch = batch_of(world, &record, 1);
    uint8_t           *bytes = arena_alloc(&world->arena, batch.len);
    struct arena       arena;
    int64_t            last_offset = -7;

    arena_init(&arena, MEM_TEST, 4096, 4 * MIB);
    for (size_t len = 1; len < batch.len; len++) {
        assert_int_equal(meta__records_each(view_of(batch.base, len), &arena, apply_each, &world->image, &last_offset),
                         ERR_CORRUPT);
    }
    for (size_t i = REC_UNCHECKED_BYTES; i < batch.len; i++) {
        memcpy(bytes, batch.base, batch.len);
        bytes[i] ^= 0x10;
        assert_true(meta__records_each(view_of(bytes, batch.len), &arena, apply_each, &world->image, &last_offset) < 0);
    }
    assert_int_equal(last_offset, -7);
    assert_int_equal(map_count(&world->image.topics_by_id), 0);
    arena_deinit(&arena);
}

static void test_compressed_and_control_batches(void **state)
{
    struct world      *world = *state;
    struct meta_record record = topic_record("a", id_a);
    struct view        batch = batch_of(world, &record, 1);
    struct view        marker;
    struct view        compressed;
    struct rec_batch   parsed;
    struct arena       arena;
    int64_t            last_offset = -1;

    arena_init(&arena, MEM_TEST, 4096, 4 * MIB);
    assert_int_equal(rec_build_marker(&world->arena, 1, 0, true, 0, 1000, &marker), ERR_OK);
    assert_int_equal(meta__records_each(marker, &arena, apply_each, &world->image, &last_offset), ERR_OK);
    assert_int_equal(last_offset, 0);
    assert_int_equal(rec_batch_parse(batch, &parsed), ERR_OK);
    assert_int_equal(rec_recompress_whole(&parsed, REC_ZSTD, 0, MIB, &world->arena, &compressed), ERR_OK);
    assert_int_equal(meta__records_each(compressed, &arena, apply_each, &world->image, &last_offset), ERR_OK);
    assert_non_null(meta__image_topic(&world->image, view_text("a")));
    arena_deinit(&arena);
}

static void test_large_values_are_written_whole(void **state)
{
    struct world *world = *state;
    char         *value = mem_alloc(MEM_TEST, META_VALUE_BYTES_MAX + 1);

    memset(value, 'v', META_VALUE_BYTES_MAX);
    assert_int_equal(apply(world, config_record(4, "", "listeners", value)), ERR_OK);
    assert_string_equal(meta_config_set_get(&world->image.broker_default_configs, view_text("listeners")), value);
    mem_free(MEM_TEST, value);
}

static void test_topic_names(void **state)
{
    char longest[META_TOPIC_NAME_BYTES_MAX + 2];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    assert_true(meta_topic_name_valid(view_of(longest, META_TOPIC_NAME_BYTES_MAX)));
    assert_false(meta_topic_name_valid(view_of(longest, META_TOPIC_NAME_BYTES_MAX + 1)));
    assert_true(meta_topic_name_valid(view_text("aZ09._-")));
    assert_true(meta_topic_name_valid(view_text("...")));
    assert_false(meta_topic_name_valid(view_text("")));
    assert_false(meta_topic_name_valid(view_text(".")));
    assert_false(meta_topic_name_valid(view_text("..")));
    assert_false(meta_topic_name_valid(view_text("a/b")));
    assert_false(meta_topic_name_valid(view_text("a b")));
    assert_false(meta_topic_name_valid(view_of("a\0b", 3)));
    assert_false(meta_topic_name_valid(view_text("\xc3\xa4")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_topic_and_partitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contradictions_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partition_change_counts_epochs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_configs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_brokers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_features_and_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_records_are_unsupported, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_records_are_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batches_that_lie, setup, teardown),
        cmocka_unit_test_setup_teardown(test_compressed_and_control_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_values_are_written_whole, setup, teardown),
        cmocka_unit_test(test_topic_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
