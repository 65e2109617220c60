/* The table of settings holds what it promises; values are checked as Kafka checks them; sets keep their order. */
#include "tests/support/unit.h"

#include "core/meta/meta_internal.h"

#include <stdio.h>

static int check(const char *name, enum meta_config_kind kind, const char *value)
{
    char                          reason[200] = "";
    const struct meta_config_key *key = meta_config_find(kind, view_text(name));
    int                           result;

    assert_non_null(key);
    result = meta_config_check(key, view_text(value), span_of(reason, sizeof(reason)));
    assert_int_equal(result == ERR_OK, reason[0] == '\0');
    return result;
}

static void test_rows_are_sound(void **state)
{
    static const enum meta_config_kind order[] = {META_KIND_TOPIC, META_KIND_BROKER, META_KIND_GROUP};
    size_t                             part = 0;

    (void)state;
    for (size_t i = 0; i < meta_config_count(); i++) {
        const struct meta_config_key *key = meta_config_at(i);
        char                          reason[200];

        assert_ptr_equal(meta_config_find(key->kind, view_text(key->name)), key); /* no second one */
        assert_true(key->min <= key->max);
        assert_true(strlen(key->documentation) > 10);
        assert_int_equal(key->documentation[strlen(key->documentation) - 1], '.');
        while (part < COUNT_OF(order) && order[part] != key->kind) {
            part++;
        }
        assert_in_range(part, 0, COUNT_OF(order) - 1);
        if (key->default_text != NULL &&
            meta_config_check(key, view_text(key->default_text), span_of(reason, sizeof(reason))) != ERR_OK) {
            fail_msg("default of %s: %s", key->name, reason);
        }
        if (key->effect == META_EFFECT_IGNORED) {
            assert_null(key->default_text);
            assert_int_equal(key->update, key->kind == META_KIND_BROKER ? META_READ_ONLY : META_CLUSTER_WIDE);
        }
    }
}

/* What a topic setting falls back to exists, is of the same kind and has the same default. */
static void test_synonyms_lead_somewhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < meta_config_count(); i++) {
        const struct meta_config_key *key = meta_config_at(i);
        const char                   *at = key->synonyms == NULL ? "" : key->synonyms;
        size_t                        count = 0;

        assert_true(key->synonyms == NULL || key->kind != META_KIND_BROKER);
        while (*at != '\0') {
            size_t                        len = strcspn(at, ",");
            size_t                        name_len = strcspn(at, ":,");
            const struct meta_config_key *behind = meta_config_find(META_KIND_BROKER, view_of(at, name_len));

            assert_non_null(behind);
            if (name_len == len) {
                assert_int_equal(behind->type, key->type);
                if (behind->default_text != NULL) {
                    assert_string_equal(behind->default_text, key->default_text);
                }
            }
            count++;
            at += len + (at[len] == ',');
        }
        assert_in_range(count, 0, META_SYNONYMS_MAX);
    }
}

/* Every name of the reference users type from memory. */
/* clang-format off */
static const char *const known_topics[] = {
    "cleanup.policy", "retention.ms", "retention.bytes", "segment.bytes", "segment.ms", "segment.jitter.ms",
    "segment.index.bytes", "max.message.bytes", "min.insync.replicas", "compression.type", "compression.gzip.level",
    "compression.lz4.level", "compression.zstd.level", "delete.retention.ms", "min.compaction.lag.ms",
    "max.compaction.lag.ms", "min.cleanable.dirty.ratio", "flush.messages", "flush.ms", "index.interval.bytes",
    "file.delete.delay.ms", "preallocate", "unclean.leader.election.enable", "message.timestamp.type",
    "message.timestamp.before.max.ms", "message.timestamp.after.max.ms", "message.timestamp.difference.max.ms",
    "message.format.version", "message.downconversion.enable", "remote.storage.enable", "local.retention.ms",
    "local.retention.bytes",
};
static const char *const known_brokers[] = {
    "node.id", "broker.id", "broker.rack", "process.roles", "controller.quorum.voters", "listeners",
    "advertised.listeners", "listener.security.protocol.map", "inter.broker.listener.name", "log.dirs",
    "num.partitions", "default.replication.factor", "min.insync.replicas", "auto.create.topics.enable",
    "delete.topic.enable", "message.max.bytes", "socket.request.max.bytes", "socket.send.buffer.bytes",
    "socket.receive.buffer.bytes", "socket.listen.backlog.size", "num.network.threads", "num.io.threads",
    "max.connections", "max.connections.per.ip", "connections.max.idle.ms", "fetch.max.bytes", "queued.max.requests",
    "log.retention.hours", "log.retention.minutes", "log.retention.ms", "log.retention.bytes", "log.segment.bytes",
    "log.roll.hours", "log.roll.ms", "log.cleanup.policy", "log.cleaner.enable", "log.flush.interval.messages",
    "log.flush.interval.ms", "log.index.interval.bytes", "log.message.timestamp.type", "compression.type",
    "offsets.topic.num.partitions", "offsets.topic.replication.factor", "offsets.retention.minutes",
    "offset.metadata.max.bytes", "group.initial.rebalance.delay.ms", "group.min.session.timeout.ms",
    "group.max.session.timeout.ms", "group.max.size", "transaction.max.timeout.ms", "transactional.id.expiration.ms",
    "transaction.state.log.replication.factor", "producer.id.expiration.ms", "unclean.leader.election.enable",
    "replica.lag.time.max.ms", "sasl.enabled.mechanisms", "ssl.keystore.location", "ssl.truststore.password",
    "authorizer.class.name", "super.users", "millrace.shards", "millrace.cores", "millrace.memory.bytes",
};
/* clang-format on */

static void test_names_users_know(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(known_topics); i++) {
        if (meta_config_find(META_KIND_TOPIC, view_text(known_topics[i])) == NULL) {
            fail_msg("topic setting %s is missing", known_topics[i]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(known_brokers); i++) {
        if (meta_config_find(META_KIND_BROKER, view_text(known_brokers[i])) == NULL) {
            fail_msg("broker setting %s is missing", known_brokers[i]);
        }
    }
    assert_null(meta_config_find(META_KIND_TOPIC, view_text("num.partitions")));
    assert_null(meta_config_find(META_KIND_BROKER, view_text("retention.ms")));
    assert_null(meta_config_find(META_KIND_TOPIC, view_text("")));
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, "-1"), ERR_OK);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, "9223372036854775807"), ERR_OK);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, "9223372036854775808"), ERR_INVALID);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, "-2"), ERR_INVALID);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, ""), ERR_INVALID);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, "1h"), ERR_INVALID);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, " 1"), ERR_INVALID);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, "+1"), ERR_INVALID);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, "1.0"), ERR_INVALID);
    assert_int_equal(check("retention.ms", META_KIND_TOPIC, "0x10"), ERR_INVALID);
    assert_int_equal(check("max.message.bytes", META_KIND_TOPIC, "2147483647"), ERR_OK);
    assert_int_equal(check("max.message.bytes", META_KIND_TOPIC, "2147483648"), ERR_INVALID);
    assert_int_equal(check("segment.bytes", META_KIND_TOPIC, "1048576"), ERR_OK);
    assert_int_equal(check("segment.bytes", META_KIND_TOPIC, "1048575"), ERR_INVALID);
    assert_int_equal(check("min.cleanable.dirty.ratio", META_KIND_TOPIC, "0.3"), ERR_OK);
    assert_int_equal(check("min.cleanable.dirty.ratio", META_KIND_TOPIC, "1.1"), ERR_INVALID);
    assert_int_equal(check("min.cleanable.dirty.ratio", META_KIND_TOPIC, "-0.1"), ERR_INVALID);
    assert_int_equal(check("min.cleanable.dirty.ratio", META_KIND_TOPIC, "nan"), ERR_INVALID);
    assert_int_equal(check("min.cleanable.dirty.ratio", META_KIND_TOPIC, "x"), ERR_INVALID);
}

static void test_words(void **state)
{
    const struct meta_config_key *key = meta_config_find(META_KIND_TOPIC, view_text("preallocate"));
    char                          reason[200];

    (void)state;
    assert_int_equal(check("preallocate", META_KIND_TOPIC, "TRUE"), ERR_OK);
    assert_int_equal(check("preallocate", META_KIND_TOPIC, "yes"), ERR_INVALID);
    assert_int_equal(check("compression.type", META_KIND_TOPIC, "zstd"), ERR_OK);
    assert_int_equal(check("compression.type", META_KIND_TOPIC, "none"), ERR_INVALID);
    assert_int_equal(check("compression.type", META_KIND_TOPIC, "zstd,lz4"), ERR_INVALID);
    assert_int_equal(check("cleanup.policy", META_KIND_TOPIC, "compact,delete"), ERR_OK);
    assert_int_equal(check("cleanup.policy", META_KIND_TOPIC, "compact, delete"), ERR_OK);
    assert_int_equal(check("cleanup.policy", META_KIND_TOPIC, "compact,erase"), ERR_INVALID);
    assert_int_equal(meta_config_check(key, (struct view){0}, span_of(reason, sizeof(reason))), ERR_INVALID);
    assert_int_equal(meta_config_check(key, view_of("true\0x", 6), span_of(reason, sizeof(reason))), ERR_INVALID);
    assert_true(meta_config_to_bool("True"));
    assert_false(meta_config_to_bool("false"));
    assert_false(meta_config_to_bool(NULL));
}

static void test_nearest_name(void **state)
{
    char long_name[300];

    (void)state;
    assert_string_equal(meta_config_nearest(META_KIND_TOPIC, view_text("retention.mz")), "retention.ms");
    assert_string_equal(meta_config_nearest(META_KIND_TOPIC, view_text("retension.ms")), "retention.ms");
    assert_string_equal(meta_config_nearest(META_KIND_BROKER, view_text("advertized.listeners")),
                        "advertised.listeners");
    assert_string_equal(meta_config_nearest(META_KIND_BROKER, view_text("log.dir.s")), "log.dirs");
    assert_null(meta_config_nearest(META_KIND_TOPIC, view_text("zzzzzzzzzzzzzzzzzzzzzzzz")));
    memset(long_name, 'a', sizeof(long_name));
    assert_null(meta_config_nearest(META_KIND_BROKER, view_of(long_name, sizeof(long_name))));
}

static void test_sets(void **state)
{
    struct meta_static statics;
    const char        *order = "";

    (void)state;
    meta_config_set_init(&statics.file);
    meta_config_set_init(&statics.command);
    meta_config_set_put(&statics.file, view_text("b"), view_text("1"));
    meta_config_set_put(&statics.file, view_text("a"), view_text("2"));
    meta_config_set_put(&statics.file, view_text("b"), view_text("3"));
    MAP_EACH(&statics.file.values, entry) {
        order = (const char *)entry->key;
    }
    assert_string_equal(order, "a");
    assert_string_equal(meta_config_set_get(&statics.file, view_text("b")), "3");
    assert_string_equal(meta_static_get(&statics, "b"), "3");
    meta_config_set_put(&statics.command, view_text("b"), view_text("4"));
    assert_string_equal(meta_static_get(&statics, "b"), "4");
    meta_config_set_remove(&statics.file, view_text("a"));
    meta_config_set_remove(&statics.file, view_text("nobody"));
    assert_null(meta_static_get(&statics, "a"));
    meta_config_set_deinit(&statics.file);
    meta_config_set_deinit(&statics.command);
}

struct reference {
    size_t rows;
    size_t bytes;
    bool   cut; /* a line without its end */
};

static void reference_write(void *context, struct view text)
{
    struct reference *reference = context;

    reference->bytes += text.len;
    reference->rows += text.len > 3 && memcmp(text.base, "| `", 3) == 0;
    reference->cut |= text.base[text.len - 1] != '\n';
}

static void test_reference_has_every_row(void **state)
{
    struct reference reference = {0};

    (void)state;
    meta_config_reference(reference_write, &reference);
    assert_int_equal(reference.rows, meta_config_count());
    assert_false(reference.cut);
    assert_in_range(reference.bytes, 10000, 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_sound),
        cmocka_unit_test(test_synonyms_lead_somewhere),
        cmocka_unit_test(test_names_users_know),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_nearest_name),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_reference_has_every_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
