/* Settings of groups, features and client quotas: what is refused and how, what every shard knows afterwards, and that
 * a restart forgets nothing. */
#include "tests/unit/meta/meta_rig.h"

#include "core/proto/kp_error.h"

static int setup(void **state)
{
    (void)state;
    rig_create(2, 7);
    assert_int_equal(rig_start(), ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_stop();
    rig_destroy();
    return 0;
}

static void restart(void)
{
    rig_stop();
    assert_int_equal(rig_start(), ERR_OK);
}

/* --- groups ------------------------------------------------------------------------------------------------------ */

static int64_t group_int(uint32_t shard, const char *group, const char *name)
{
    return meta_group_int(rig.shards[shard].meta, view_text(group), name);
}

static void test_group_settings(void **state)
{
    (void)state;
    assert_int_equal(group_int(0, "g", "consumer.session.timeout.ms"), 45000);
    assert_int_equal(rig_set_config(32, "g", "consumer.session.timeout.ms", "50000"), 0);
    assert_int_equal(group_int(0, "g", "consumer.session.timeout.ms"), 50000);
    assert_int_equal(group_int(1, "g", "consumer.session.timeout.ms"), 50000);
    assert_int_equal(group_int(1, "h", "consumer.session.timeout.ms"), 45000);
    restart();
    assert_int_equal(group_int(1, "g", "consumer.session.timeout.ms"), 50000);
    assert_int_equal(rig_set_config(32, "g", "consumer.session.timeout.ms", NULL), 0);
    assert_int_equal(group_int(1, "g", "consumer.session.timeout.ms"), 45000);
    assert_null(meta_group_configs(rig.shards[1].meta, view_text("g")));
}

/* As Kafka: limits of the broker, and a session outlives a heartbeat. */
static void test_group_limits(void **state)
{
    (void)state;
    assert_int_equal(rig_set_config(32, "", "consumer.session.timeout.ms", "50000"), KP_ERR_INVALID_REQUEST);
    assert_int_equal(rig_set_config(32, "g", "no.such", "1"), KP_ERR_INVALID_CONFIG);
    assert_int_equal(rig_set_config(32, "g", "consumer.session.timeout.ms", "44999"), KP_ERR_INVALID_CONFIG);
    assert_int_equal(rig_set_config(32, "g", "consumer.session.timeout.ms", "60001"), KP_ERR_INVALID_CONFIG);
    assert_int_equal(rig_set_config(32, "g", "consumer.heartbeat.interval.ms", "4999"), KP_ERR_INVALID_CONFIG);
    assert_int_equal(rig_set_config(32, "g", "consumer.heartbeat.interval.ms", "15001"), KP_ERR_INVALID_CONFIG);
    assert_int_equal(rig_set_config(32, "g", "consumer.heartbeat.interval.ms", "soon"), KP_ERR_INVALID_CONFIG);
    assert_null(meta_group_configs(rig.shards[0].meta, view_text("g")));
    assert_int_equal(rig_set_config(32, "g", "consumer.heartbeat.interval.ms", "15000"), 0);
    assert_int_equal(group_int(0, "g", "consumer.heartbeat.interval.ms"), 15000);
}

/* --- features ---------------------------------------------------------------------------------------------------- */

static int16_t update(const char *name, int16_t level, int8_t type, bool validate_only)
{
    struct meta_update_feature feature = {.name = view_text(name), .level = level, .upgrade_type = type};
    struct meta_change         change = {
                .kind = META_UPDATE_FEATURES, .validate_only = validate_only, .count = 1, .update_features = &feature};

    rig_submit(1, &change);
    assert_int_equal(change.error, 0);
    assert_int_equal(feature.error != 0, feature.message[0] != '\0');
    return feature.error;
}

static int16_t level(uint32_t shard, enum meta_feature feature)
{
    return meta_feature_level(rig.shards[shard].meta, feature);
}

static void test_features_of_a_new_cluster(void **state)
{
    (void)state;
    for (int i = 0; i < META_FEATURE_COUNT; i++) {
        const struct meta_feature_info *info = meta_feature_info((enum meta_feature)i);

        assert_int_equal(level(0, (enum meta_feature)i), info->initial);
        assert_int_equal(level(1, (enum meta_feature)i), info->initial);
    }
}

static void test_features_change_and_stay(void **state)
{
    (void)state;
    assert_int_equal(update("transaction.version", 2, META_FEATURE_UPGRADE, true), 0);
    assert_int_equal(level(0, META_FEATURE_TRANSACTION_VERSION),
                     meta_feature_info(META_FEATURE_TRANSACTION_VERSION)->initial);
    assert_int_equal(update("transaction.version", 2, META_FEATURE_UPGRADE, false), 0);
    assert_int_equal(level(1, META_FEATURE_TRANSACTION_VERSION), 2);
    assert_int_equal(update("transaction.version", 1, META_FEATURE_SAFE_DOWNGRADE, false), 0);
    assert_int_equal(update("group.version", 0, META_FEATURE_UNSAFE_DOWNGRADE, false), 0);
    restart();
    assert_int_equal(level(1, META_FEATURE_TRANSACTION_VERSION), 1);
    assert_int_equal(level(1, META_FEATURE_GROUP_VERSION), 0); /* not set to its first level again */
}

static void test_features_refused(void **state)
{
    static const struct {
        const char *name;
        int16_t     level;
        int8_t      type;
    } cases[] = {
        {"no.such", 1, META_FEATURE_UPGRADE},
        {"metadata.version", 99, META_FEATURE_UPGRADE},
        {"metadata.version", 5, META_FEATURE_UNSAFE_DOWNGRADE},
        {"metadata.version", 7, META_FEATURE_UPGRADE},
        {"metadata.version", 29, META_FEATURE_SAFE_DOWNGRADE},
        {"metadata.version", 29, META_FEATURE_UNSAFE_DOWNGRADE},
        {"group.version", 2, META_FEATURE_UPGRADE},
        {"group.version", 0, META_FEATURE_UPGRADE},
        {"group.version", -1, META_FEATURE_SAFE_DOWNGRADE},
        {"group.version", 1, 0},
        {"group.version", 1, 4},
        {"transaction.version", 2, META_FEATURE_SAFE_DOWNGRADE},
        {"kraft.version", 0, META_FEATURE_SAFE_DOWNGRADE},
    };
    int64_t end = meta_image(rig.shards[0].meta)->last_offset;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool is_transaction = strcmp(cases[i].name, "transaction.version") == 0;

        if (!is_transaction || level(0, META_FEATURE_TRANSACTION_VERSION) < 2) {
            assert_int_equal(update(cases[i].name, cases[i].level, cases[i].type, false),
                             KP_ERR_INVALID_UPDATE_VERSION);
        }
    }
    assert_int_equal(update("group.version", 1, META_FEATURE_UPGRADE, false), 0); /* as it is */
    assert_int_equal(meta_image(rig.shards[0].meta)->last_offset, end);
}

/* One refusal refuses all of the request. */
static void test_features_all_or_none(void **state)
{
    struct meta_update_feature features[] = {
        {.name = view_text("group.version"), .level = 0, .upgrade_type = META_FEATURE_SAFE_DOWNGRADE},
        {.name = view_text("no.such"), .level = 1, .upgrade_type = META_FEATURE_UPGRADE},
    };
    struct meta_change change = {.kind = META_UPDATE_FEATURES, .count = 2, .update_features = features};

    (void)state;
    rig_submit(0, &change);
    assert_int_equal(features[1].error, KP_ERR_INVALID_UPDATE_VERSION);
    assert_int_equal(level(0, META_FEATURE_GROUP_VERSION), 1);
    features[1] = features[0];
    features[1].error = 0;
    rig_submit(0, &change);
    assert_int_equal(features[1].error, KP_ERR_INVALID_REQUEST); /* named twice */
    assert_int_equal(level(0, META_FEATURE_GROUP_VERSION), 1);
}

/* --- quotas ------------------------------------------------------------------------------------------------------ */

static struct meta_quota_entity entity_of(enum meta_quota_type type, const char *name)
{
    struct meta_quota_entity entity = {0};

    entity.has[type] = true;
    entity.names[type] = name == NULL ? (struct view){0} : view_text(name);
    return entity;
}

static int16_t quota_set(struct meta_quota_entity entity, const char *key, double value)
{
    struct meta_quota_op    op = {.key = view_text(key), .value = value, .remove = value < -1e300};
    struct meta_alter_quota alter = {.entity = entity, .ops = &op, .op_count = 1};
    struct meta_change      change = {.kind = META_ALTER_QUOTAS, .count = 1, .alter_quotas = &alter};

    rig_submit(1, &change);
    assert_int_equal(change.error, 0);
    assert_int_equal(alter.error != 0, alter.message[0] != '\0');
    return alter.error;
}

#define QUOTA_REMOVE (-1e301)

static const struct meta_quota *quota_at(uint32_t shard, size_t index)
{
    size_t at = 0;

    MAP_EACH(&meta_image(rig.shards[shard].meta)->quotas, entry) {
        if (at++ == index) {
            return entry->value;
        }
    }
    return NULL;
}

static void test_quotas(void **state)
{
    struct meta_quota_entity both = entity_of(META_QUOTA_USER, "u");
    const struct meta_quota *quota;

    (void)state;
    both.has[META_QUOTA_CLIENT_ID] = true;
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "producer_byte_rate", 1000), 0);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "request_percentage", 12.5), 0);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, NULL), "consumer_byte_rate", 5), 0);
    assert_int_equal(quota_set(both, "consumer_byte_rate", 7), 0);
    assert_int_equal(quota_set(entity_of(META_QUOTA_IP, "10.0.0.1"), "connection_creation_rate", 10), 0);
    restart();
    assert_int_equal(map_count(&meta_image(rig.shards[1].meta)->quotas), 4);
    quota = quota_at(1, 0);
    assert_true(view_equal(quota->entity.names[META_QUOTA_USER], view_text("u")));
    assert_false(quota->entity.has[META_QUOTA_CLIENT_ID]);
    assert_true(quota->set[0] && !quota->set[1] && quota->set[2]);
    assert_true(quota->values[2] > 12.4 && quota->values[2] < 12.6);
    quota = quota_at(1, 1);
    assert_true(quota->entity.has[META_QUOTA_USER] && quota->entity.names[META_QUOTA_USER].base == NULL);

    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "producer_byte_rate", QUOTA_REMOVE), 0);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "request_percentage", QUOTA_REMOVE), 0);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "request_percentage", QUOTA_REMOVE), 0); /* again */
    assert_int_equal(map_count(&meta_image(rig.shards[0].meta)->quotas), 3);
}

static void test_quotas_refused(void **state)
{
    struct meta_quota_entity mixed = entity_of(META_QUOTA_IP, "10.0.0.1");

    (void)state;
    mixed.has[META_QUOTA_USER] = true;
    assert_int_equal(quota_set(mixed, "producer_byte_rate", 1), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set((struct meta_quota_entity){0}, "producer_byte_rate", 1), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, ""), "producer_byte_rate", 1), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set(entity_of(META_QUOTA_IP, "no host"), "connection_creation_rate", 1),
                     KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set(entity_of(META_QUOTA_IP, NULL), "producer_byte_rate", 1), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "connection_creation_rate", 1), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "no.such", 1), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "producer_byte_rate", 0), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "producer_byte_rate", 2.5), KP_ERR_INVALID_REQUEST);
    assert_int_equal(quota_set(entity_of(META_QUOTA_USER, "u"), "producer_byte_rate", 1e300), KP_ERR_INVALID_REQUEST);
    assert_int_equal(map_count(&meta_image(rig.shards[0].meta)->quotas), 0);
}

/* --- watches ----------------------------------------------------------------------------------------------------- */

static int settings_told;

static void settings_changed(struct meta_watch *watch)
{
    (void)watch;
    settings_told++;
}

static void test_broker_settings_are_told(void **state)
{
    struct meta_watch watch = {.settings_changed = settings_changed};

    (void)state;
    settings_told = 0;
    meta_watch_add(rig.shards[1].meta, &watch);
    assert_int_equal(rig_set_config(4, "", "max.connections", "17"), 0);
    assert_int_equal(settings_told, 1);
    assert_int_equal(meta_broker_int(rig.shards[1].meta, "max.connections"), 17);
    assert_int_equal(rig_create_topic(0, "t", 1), 0);
    assert_int_equal(rig_set_config(2, "t", "retention.ms", "17"), 0);
    assert_int_equal(rig_delete_topic(0, "t"), 0);
    assert_int_equal(settings_told, 1);
    list_remove(&watch.link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_group_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_features_of_a_new_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(test_features_change_and_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_features_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_features_all_or_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quotas, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quotas_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broker_settings_are_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
