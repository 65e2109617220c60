/* Every way a change is refused, and what is left untouched then. On two shards; the asking shard is not the
 * controller's. */
#include "tests/unit/meta/meta_rig.h"

static int setup(void **state)
{
    (void)state;
    rig_create(2, 11);
    rig_set("millrace.max.partitions", "500");
    rig_set("num.partitions", "3");
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_create_topic(1, "base", 2), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_assert_agree();
    rig_stop();
    rig_destroy();
    return 0;
}

static struct meta_create_topic entry_of(const char *name, int32_t partition_count, int16_t replication_factor)
{
    return (struct meta_create_topic){
        .name = view_text(name), .partition_count = partition_count, .replication_factor = replication_factor};
}

static int16_t create(const char *name, int32_t partition_count, int16_t replication_factor, const char *word)
{
    struct meta_create_topic topic = entry_of(name, partition_count, replication_factor);
    int16_t                  error = rig_create_entry(1, &topic);

    assert_int_equal(error != 0, topic.message[0] != '\0');
    if (word != NULL && strstr(topic.message, word) == NULL) {
        fail_msg("'%s' lacks '%s'", topic.message, word);
    }
    assert_int_equal(error == 0, !uuid_is_zero(topic.id));
    return error;
}

/* --- create ---------------------------------------------------------------------------------------------------- */

static void test_create_names(void **state)
{
    char longest[META_TOPIC_NAME_BYTES_MAX + 2] = {0};

    (void)state;
    memset(longest, 'l', META_TOPIC_NAME_BYTES_MAX + 1);
    assert_int_equal(create("", 1, 1, "empty"), KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create("a b", 1, 1, "letters"), KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create("..", 1, 1, NULL), KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create(longest, 1, 1, "249"), KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create("base", 1, 1, "already exists"), KP_ERR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(create("__cluster_metadata", 1, 1, "prohibited"), KP_ERR_INVALID_REQUEST);
    assert_int_equal(create("x.y_z", 1, 1, NULL), 0);
    assert_int_equal(create("x_y.z", 1, 1, "x.y_z"), KP_ERR_INVALID_TOPIC_EXCEPTION);
    longest[META_TOPIC_NAME_BYTES_MAX] = '\0';
    assert_int_equal(create(longest, 1, 1, NULL), 0);
    assert_int_equal(rig_delete_topic(1, "x.y_z"), 0);
    assert_int_equal(create("x_y.z", 1, 1, NULL), 0);
}

static void test_create_names_within_one_request(void **state)
{
    struct meta_create_topic topics[] = {entry_of("one", 1, 1), entry_of("one", 1, 1), entry_of("p.q", 1, 1),
                                         entry_of("p_q", 1, 1), entry_of("two", 1, 9), entry_of("three", 4, 1)};
    struct meta_change       change = {
              .kind = META_CREATE_TOPICS, .count = (int32_t)COUNT_OF(topics), .create_topics = topics};

    (void)state;
    rig_submit(1, &change);
    assert_int_equal(change.error, 0);
    assert_int_equal(topics[0].error, 0);
    assert_int_equal(topics[1].error, KP_ERR_INVALID_REQUEST);
    assert_int_equal(topics[2].error, 0);
    assert_int_equal(topics[3].error, KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(topics[4].error, KP_ERR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(topics[5].error, 0);
    assert_int_equal(map_count(&meta_image(rig.shards[1].meta)->topics_by_name), 4);
    assert_null(rig_topic(1, "two"));
}

static void test_create_counts(void **state)
{
    struct meta_create_topic topic = entry_of("default", -1, -1);

    (void)state;
    assert_int_equal(create("c", 0, 1, "non-positive"), KP_ERR_INVALID_PARTITIONS);
    assert_int_equal(create("c", -2, 1, NULL), KP_ERR_INVALID_PARTITIONS);
    assert_int_equal(create("c", 1, 0, "larger than 0"), KP_ERR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create("c", 1, 2, "one host"), KP_ERR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create("c", 1, 3, "one host"), KP_ERR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create("c", 499, 1, "millrace.max.partitions"), KP_ERR_POLICY_VIOLATION);
    assert_int_equal(create("c", 10001, 1, "10000"), KP_ERR_POLICY_VIOLATION);
    assert_int_equal(create("c", INT32_MAX, 1, NULL), KP_ERR_POLICY_VIOLATION);
    assert_int_equal(create("c", 498, 1, NULL), 0);
    assert_int_equal(create("d", 1, 1, "500"), KP_ERR_POLICY_VIOLATION);
    assert_int_equal(rig_delete_topic(1, "c"), 0);
    assert_int_equal(rig_create_entry(1, &topic), 0);
    assert_int_equal(topic.out_partition_count, 3);
    assert_int_equal(topic.out_replication_factor, 1);
}

static void test_create_by_assignment(void **state)
{
    int32_t                  leaders[] = {11, 11, 10, 11};
    struct meta_create_topic topic = entry_of("by.hand", 4, -1);

    (void)state;
    topic.assignment = leaders;
    assert_int_equal(rig_create_entry(1, &topic), 0);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(rig_topic(0, "by.hand")->partitions[i].leader, leaders[i]);
    }
    leaders[2] = 12;
    topic.name = view_text("by.hand2");
    assert_int_equal(rig_create_entry(1, &topic), KP_ERR_INVALID_REPLICA_ASSIGNMENT);
    assert_non_null(strstr(topic.message, "broker 12"));
    leaders[2] = -1;
    assert_int_equal(rig_create_entry(1, &topic), KP_ERR_INVALID_REPLICA_ASSIGNMENT);
}

static void test_create_settings(void **state)
{
    struct meta_config_entry configs[] = {{view_text("retention.ms"), view_text("5")},
                                          {view_text("cleanup.policy"), view_text("compact")}};
    struct meta_create_topic topic = entry_of("s", 1, 1);

    (void)state;
    topic.configs = configs;
    topic.config_count = 2;
    configs[1] = (struct meta_config_entry){view_text("cleanup.polizy"), view_text("compact")};
    assert_int_equal(rig_create_entry(1, &topic), KP_ERR_INVALID_CONFIG);
    assert_non_null(strstr(topic.message, "Did you mean cleanup.policy?"));
    configs[1] = (struct meta_config_entry){view_text("cleanup.policy"), view_text("shred")};
    assert_int_equal(rig_create_entry(1, &topic), KP_ERR_INVALID_CONFIG);
    assert_non_null(strstr(topic.message, "shred"));
    configs[1] = (struct meta_config_entry){view_text("cleanup.policy"), {0}};
    assert_int_equal(rig_create_entry(1, &topic), KP_ERR_INVALID_CONFIG);
    configs[1] = (struct meta_config_entry){view_text("num.partitions"), view_text("1")};
    assert_int_equal(rig_create_entry(1, &topic), KP_ERR_INVALID_CONFIG);
    assert_null(rig_topic(0, "s"));
    configs[1] = (struct meta_config_entry){view_text("cleanup.policy"), view_text("compact")};
    assert_int_equal(rig_create_entry(1, &topic), 0);
    assert_string_equal(meta_config_set_get(&rig_topic(1, "s")->configs, view_text("cleanup.policy")), "compact");
}

static void test_validate_only_changes_nothing(void **state)
{
    struct meta_create_topic topic = entry_of("v", 2, 1);
    struct meta_change       change = {
              .kind = META_CREATE_TOPICS, .count = 1, .create_topics = &topic, .validate_only = true};
    int64_t last_offset = meta_image(rig.shards[0].meta)->last_offset;

    (void)state;
    rig_submit(1, &change);
    assert_int_equal(change.error + topic.error, 0);
    assert_int_equal(topic.out_partition_count, 2);
    assert_null(rig_topic(1, "v"));
    assert_int_equal(meta_image(rig.shards[0].meta)->last_offset, last_offset);
    topic.name = view_text("base");
    rig_submit(1, &change);
    assert_int_equal(topic.error, KP_ERR_TOPIC_ALREADY_EXISTS);
}

/* --- delete ---------------------------------------------------------------------------------------------------- */

static void test_delete(void **state)
{
    struct uuid              id = rig_topic(0, "base")->id;
    struct meta_delete_topic entries[] = {
        {.name = view_text("base")}, {.id = id}, {.id = {{1}}}, {.name = view_text("")}, {.name = view_text("nope")}};
    struct meta_change change = {
        .kind = META_DELETE_TOPICS, .count = (int32_t)COUNT_OF(entries), .delete_topics = entries};

    (void)state;
    rig_submit(1, &change);
    assert_int_equal(change.error, 0);
    assert_int_equal(entries[0].error, 0);
    assert_true(uuid_equal(entries[0].out_id, id));
    assert_string_equal(entries[0].out_name, "base");
    assert_int_equal(entries[1].error, KP_ERR_INVALID_REQUEST); /* the same topic again */
    assert_string_equal(entries[1].out_name, "base");
    assert_int_equal(entries[2].error, KP_ERR_UNKNOWN_TOPIC_ID);
    assert_int_equal(entries[3].error, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(entries[4].error, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_null(rig_topic(0, "base"));
    assert_int_equal(part_table_count(rig.shards[0].parts), 0);
    assert_int_equal(create("base", 1, 1, NULL), 0);
    assert_false(uuid_equal(rig_topic(0, "base")->id, id));
}

static void test_delete_can_be_switched_off(void **state)
{
    (void)state;
    rig_stop();
    rig_set("delete.topic.enable", "false");
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_delete_topic(1, "base"), KP_ERR_TOPIC_DELETION_DISABLED);
    assert_int_equal(rig_delete_topic(1, "nope"), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_non_null(rig_topic(1, "base"));
}

/* --- more partitions -----------------------------------------------------------------------------------------------
 */

static int16_t add(const char *name, int32_t total, const int32_t *assignment, int32_t assignment_count)
{
    struct meta_add_partitions entry = {
        .name = view_text(name), .total_count = total, .assignment = assignment, .assignment_count = assignment_count};
    int16_t error = rig_add_partitions(1, &entry);

    assert_int_equal(error != 0, entry.message[0] != '\0');
    return error;
}

static void test_add_partitions(void **state)
{
    int32_t leaders[] = {11, 11, 99};

    (void)state;
    assert_int_equal(add("nope", 5, NULL, 0), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(add("base", 2, NULL, 0), KP_ERR_INVALID_PARTITIONS);
    assert_int_equal(add("base", 1, NULL, 0), KP_ERR_INVALID_PARTITIONS);
    assert_int_equal(add("base", -1, NULL, 0), KP_ERR_INVALID_PARTITIONS);
    assert_int_equal(add("base", 501, NULL, 0), KP_ERR_POLICY_VIOLATION);
    assert_int_equal(add("base", 5, leaders, 2), KP_ERR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(add("base", 5, leaders, 3), KP_ERR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(rig_topic(0, "base")->partition_count, 2);
    assert_int_equal(add("base", 4, leaders, 2), 0);
    assert_int_equal(rig_topic(0, "base")->partition_count, 4);
    assert_int_equal(rig_topic(0, "base")->partitions[2].leader, 11);
    assert_int_equal(rig_topic(0, "base")->partitions[3].leader, 11);
    assert_int_equal(add("base", 6, NULL, 0), 0); /* goes where there are fewer */
    assert_int_equal(rig_topic(0, "base")->partitions[4].leader, 10);
}

static void test_add_partitions_twice_in_one_request(void **state)
{
    struct meta_add_partitions entries[] = {{.name = view_text("base"), .total_count = 4},
                                            {.name = view_text("base"), .total_count = 6}};
    struct meta_change         change = {.kind = META_ADD_PARTITIONS, .count = 2, .add_partitions = entries};

    (void)state;
    rig_submit(1, &change);
    assert_int_equal(entries[0].error, 0);
    assert_int_equal(entries[1].error, KP_ERR_INVALID_REQUEST);
    assert_int_equal(rig_topic(0, "base")->partition_count, 4);
}

/* --- settings -------------------------------------------------------------------------------------------------------
 */

static int16_t alter(int8_t type, const char *resource, const char *name, const char *value, enum meta_config_op op)
{
    struct meta_alter_entry entry = {
        .name = view_text(name), .value = value == NULL ? (struct view){0} : view_text(value), .op = op};
    struct meta_alter_config config = {
        .resource_type = type, .resource_name = view_text(resource), .entries = &entry, .entry_count = 1};
    int16_t error = rig_alter(1, &config);

    assert_int_equal(error != 0, config.message[0] != '\0');
    return error;
}

static void test_alter_refusals(void **state)
{
    (void)state;
    assert_int_equal(alter(2, "nope", "retention.ms", "5", META_CONFIG_SET), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter(4, "12", "log.retention.ms", "5", META_CONFIG_SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(alter(4, "x", "log.retention.ms", "5", META_CONFIG_SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(alter(8, "10", "root", "DEBUG", META_CONFIG_SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(alter(2, "base", "retention.m", "5", META_CONFIG_SET), KP_ERR_INVALID_CONFIG);
    assert_int_equal(alter(2, "base", "retention.ms", "-5", META_CONFIG_SET), KP_ERR_INVALID_CONFIG);
    assert_int_equal(alter(2, "base", "retention.ms", NULL, META_CONFIG_SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(alter(2, "base", "nonsense", NULL, META_CONFIG_DELETE), 0); /* gone already */
    assert_int_equal(alter(2, "base", "retention.ms", "5", META_CONFIG_APPEND), KP_ERR_INVALID_CONFIG);
    assert_int_equal(alter(2, "base", "retention.ms", "5", META_CONFIG_SUBTRACT), KP_ERR_INVALID_CONFIG);
    assert_int_equal(alter(2, "base", "cleanup.policy", "shred", META_CONFIG_APPEND), KP_ERR_INVALID_CONFIG);
    assert_int_equal(alter(4, "10", "log.retention.ms", "soon", META_CONFIG_SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(alter(4, "", "log.dirs", "/x", META_CONFIG_SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(alter(4, "10", "num.partitions", "5", META_CONFIG_SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(alter(4, "", "sasl.enabled.mechanisms", "PLAIN", META_CONFIG_SET), KP_ERR_INVALID_REQUEST);
    assert_int_equal(alter(4, "10", "sasl.enabled.mechanisms", "PLAIN", META_CONFIG_SET), 0);
    assert_int_equal(map_count(&rig_topic(0, "base")->configs.values), 0);
}

static const char *base_value(const char *name)
{
    return meta_config_set_get(&rig_topic(1, "base")->configs, view_text(name));
}

static void test_alter_lists(void **state)
{
    (void)state;
    assert_int_equal(alter(2, "base", "cleanup.policy", "compact", META_CONFIG_APPEND), 0);
    assert_string_equal(base_value("cleanup.policy"), "delete,compact"); /* begins with the default */
    assert_int_equal(alter(2, "base", "cleanup.policy", "compact,delete", META_CONFIG_APPEND), 0);
    assert_string_equal(base_value("cleanup.policy"), "delete,compact");
    assert_int_equal(alter(2, "base", "cleanup.policy", "delete", META_CONFIG_SUBTRACT), 0);
    assert_string_equal(base_value("cleanup.policy"), "compact");
    assert_int_equal(alter(2, "base", "cleanup.policy", "compact,delete", META_CONFIG_SUBTRACT), 0);
    assert_string_equal(base_value("cleanup.policy"), "");
    assert_int_equal(alter(2, "base", "cleanup.policy", NULL, META_CONFIG_DELETE), 0);
    assert_null(base_value("cleanup.policy"));
}

static void test_alter_a_resource_as_a_whole(void **state)
{
    struct meta_alter_entry  entries[] = {{view_text("retention.ms"), view_text("5"), META_CONFIG_SET},
                                          {view_text("segment.ms"), view_text("x"), META_CONFIG_SET}};
    struct meta_alter_config configs[] = {
        {.resource_type = 2, .resource_name = view_text("base"), .entries = entries, .entry_count = 2},
        {.resource_type = 2, .resource_name = view_text("base"), .entries = entries, .entry_count = 1},
        {.resource_type = 4, .resource_name = view_text(""), .entries = NULL, .entry_count = 0}};
    struct meta_change change = {.kind = META_ALTER_CONFIGS, .count = 3, .alter_configs = configs};

    (void)state;
    rig_submit(1, &change);
    assert_int_equal(configs[0].error, KP_ERR_INVALID_REQUEST); /* one resource twice: both are refused */
    assert_int_equal(configs[1].error, KP_ERR_INVALID_REQUEST);
    assert_int_equal(configs[2].error, 0);
    assert_int_equal(rig_alter(1, &configs[0]), KP_ERR_INVALID_CONFIG); /* good and bad values */
    assert_null(base_value("retention.ms"));
    entries[1] = (struct meta_alter_entry){view_text("retention.ms"), view_text("6"), META_CONFIG_SET};
    assert_int_equal(rig_alter(1, &configs[0]), KP_ERR_INVALID_REQUEST); /* one key twice */
    entries[1] = (struct meta_alter_entry){view_text("segment.ms"), view_text("7"), META_CONFIG_SET};
    assert_int_equal(rig_alter(1, &configs[0]), 0);
    assert_string_equal(base_value("retention.ms"), "5");
    assert_string_equal(base_value("segment.ms"), "7");
}

static void test_alter_replace_all(void **state)
{
    struct meta_alter_entry  entries[] = {{view_text("segment.ms"), view_text("9"), META_CONFIG_SET}};
    struct meta_alter_config config = {.resource_type = 2,
                                       .resource_name = view_text("base"),
                                       .replace_all = true,
                                       .entries = entries,
                                       .entry_count = 1};
    int64_t                  last_offset;

    (void)state;
    assert_int_equal(alter(2, "base", "retention.ms", "5", META_CONFIG_SET), 0);
    assert_int_equal(alter(2, "base", "segment.ms", "5", META_CONFIG_SET), 0);
    assert_int_equal(rig_alter(1, &config), 0);
    assert_null(base_value("retention.ms"));
    assert_string_equal(base_value("segment.ms"), "9");
    last_offset = meta_image(rig.shards[0].meta)->last_offset;
    assert_int_equal(rig_alter(1, &config), 0); /* nothing to change: nothing is written */
    assert_int_equal(meta_image(rig.shards[0].meta)->last_offset, last_offset);
    config.entry_count = 0;
    assert_int_equal(rig_alter(1, &config), 0);
    assert_int_equal(map_count(&rig_topic(1, "base")->configs.values), 0);
}

static void test_deleted_topic_takes_its_settings(void **state)
{
    (void)state;
    assert_int_equal(alter(2, "base", "retention.ms", "5", META_CONFIG_SET), 0);
    assert_int_equal(rig_delete_topic(1, "base"), 0);
    assert_int_equal(create("base", 1, 1, NULL), 0);
    assert_null(base_value("retention.ms"));
}

static void test_nothing_asked(void **state)
{
    struct meta_change change = {.kind = META_CREATE_TOPICS};

    (void)state;
    for (int kind = META_CREATE_TOPICS; kind <= META_ALTER_CONFIGS; kind++) {
        change.kind = (enum meta_change_kind)kind;
        rig_submit(1, &change);
        assert_int_equal(change.error, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_names_within_one_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_by_assignment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_validate_only_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_can_be_switched_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_partitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_partitions_twice_in_one_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alter_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alter_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alter_a_resource_as_a_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alter_replace_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_topic_takes_its_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_asked, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
