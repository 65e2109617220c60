/* Life on 1, 2 and 4 shards: what is changed on any of them is on all of them when the answer comes, and is there again
 * after a stop, and after a power cut. */
#include "tests/unit/meta/meta_rig.h"

#include <stdio.h>

static const uint32_t shard_counts[] = {1, 2, 4};

/* A bit of everything. */
static void make_history(void)
{
    uint32_t                   last = rig.shard_count - 1;
    struct meta_config_entry   configs[] = {{view_text("retention.ms"), view_text("1000")},
                                            {view_text("cleanup.policy"), view_text("compact,delete")}};
    struct meta_create_topic   topic = {.name = view_text("with.settings"),
                                        .partition_count = 5,
                                        .replication_factor = 1,
                                        .configs = configs,
                                        .config_count = 2};
    struct meta_change         ids = {.kind = META_ALLOCATE_PRODUCER_IDS};
    struct meta_add_partitions more = {.name = view_text("a"), .total_count = 7};

    assert_int_equal(rig_create_topic(0, "a", 3), 0);
    assert_int_equal(rig_create_topic(last, "b", -1), 0);
    assert_int_equal(rig_create_entry(last, &topic), 0);
    assert_int_equal(rig_create_topic(0, "__consumer_offsets", 2), 0);
    assert_int_equal(rig_create_topic(0, "gone", 9), 0);
    assert_int_equal(rig_add_partitions(last, &more), 0);
    assert_int_equal(rig_delete_topic(last, "gone"), 0);
    assert_int_equal(rig_create_topic(0, "gone", 1), 0);
    assert_int_equal(rig_set_config(2, "a", "segment.ms", "5000"), 0);
    assert_int_equal(rig_set_config(2, "with.settings", "retention.ms", NULL), 0);
    assert_int_equal(rig_set_config(4, "", "log.retention.ms", "77"), 0);
    assert_int_equal(rig_set_config(4, "10", "message.max.bytes", "5000"), 0);
    rig_submit(last, &ids);
    assert_int_equal(ids.error, 0);
    rig_submit(0, &ids);
    assert_int_equal(ids.producer_ids.first_id, 1000);
    assert_int_equal(ids.producer_ids.id_count, 1000);
}

static void test_history_is_everywhere_and_survives(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shard_counts); i++) {
        char *before;
        char *after;

        rig_create(shard_counts[i], 1);
        assert_int_equal(rig_start(), ERR_OK);
        rig_assert_agree();
        make_history();
        rig_assert_agree();
        before = rig_dump(0);
        rig_stop();

        assert_int_equal(rig_start(), ERR_OK);
        rig_assert_agree();
        after = rig_dump(0);
        assert_string_equal(before, after);
        assert_true(rig_topic(0, "__consumer_offsets")->internal);
        rig_text_free(after);
        rig_stop();
        rig_text_free(before);
        rig_destroy();
    }
}

static void test_power_cut_keeps_what_was_answered(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        char *before;
        char *after;

        rig_create(2, seed);
        assert_int_equal(rig_start(), ERR_OK);
        make_history();
        before = rig_dump(0);
        rig_crash(seed, (enum sim_crash_style)(seed % SIM_CRASH_STYLE_COUNT));
        assert_int_equal(rig_start(), ERR_OK);
        rig_assert_agree();
        after = rig_dump(0);
        assert_string_equal(before, after);
        rig_text_free(after);
        rig_text_free(before);
        assert_int_equal(rig_create_topic(1, "later", 3), 0);
        rig_assert_agree();
        rig_stop();
        rig_destroy();
    }
}

static void test_brokers_are_those_of_this_start(void **state)
{
    (void)state;
    rig_create(2, 3);
    assert_int_equal(rig_start(), ERR_OK);
    rig_stop();
    rig.brokers[1].incarnation_id = (struct uuid){{42}};
    rig.brokers[1].endpoints[0].host = view_text("elsewhere");
    rig.brokers[1].endpoint_count = 1;
    rig.brokers[1].rack = (struct view){0};
    assert_int_equal(rig_start(), ERR_OK);
    for (uint32_t i = 0; i < 2; i++) {
        const struct meta_image *image = meta_image(rig.shards[i].meta);

        assert_int_equal(image->broker_count, 2);
        assert_int_equal(image->brokers[1].node_id, 11);
        assert_int_equal(image->brokers[1].incarnation_id.bytes[0], 42);
        assert_int_equal(image->brokers[1].endpoint_count, 1);
        assert_true(view_equal(image->brokers[1].endpoints[0].host, view_text("elsewhere")));
        assert_null(image->brokers[1].rack.base);
        assert_int_equal(image->brokers[0].endpoint_count, 2);
        assert_true(view_equal(image->brokers[0].rack, view_text("r1")));
    }
    assert_int_equal(meta_node_id(rig.shards[1].meta), 11);
    rig_stop();
    rig_destroy();
}

static void test_partitions_are_spread_evenly(void **state)
{
    const struct meta_image *image;
    char                     name[32];

    (void)state;
    rig_create(4, 4);
    assert_int_equal(rig_start(), ERR_OK);
    image = meta_image(rig.shards[0].meta);
    for (int i = 0; i < 12; i++) {
        (void)snprintf(name, sizeof(name), "single-%d", i);
        assert_int_equal(rig_create_topic(0, name, 1), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(image->shard_partitions[i], 3);
    }
    assert_int_equal(rig_create_topic(0, "wide", 6), 0);
    assert_int_equal(rig_create_topic(0, "two", 2), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(image->shard_partitions[i], 5);
    }
    /* neighbours never share a shard when there is another */
    for (int32_t i = 1; i < 6; i++) {
        assert_int_not_equal(rig_topic(0, "wide")->partitions[i].leader,
                             rig_topic(0, "wide")->partitions[i - 1].leader);
    }
    rig_stop();
    rig_destroy();
}

static void test_many_partitions_at_once(void **state)
{
    int64_t                   from_ns;
    struct meta_create_topic *topics = mem_alloc(MEM_TEST, 100 * sizeof(*topics));
    struct meta_change        change = {.kind = META_CREATE_TOPICS, .count = 100, .create_topics = topics};
    char                      names[100][32];

    (void)state;
    rig_create(2, 5);
    assert_int_equal(rig_start(), ERR_OK);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "t%d", i);
        topics[i] =
            (struct meta_create_topic){.name = view_text(names[i]), .partition_count = 20, .replication_factor = -1};
    }
    from_ns = sim_now_ns(rig.sim);
    rig_submit(1, &change);
    assert_int_equal(change.error, 0);
    assert_in_range(sim_now_ns(rig.sim) - from_ns, 0, 10 * NS_PER_S);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(topics[i].error, 0);
        assert_int_equal(topics[i].out_partition_count, 20);
        assert_int_equal(topics[i].out_replication_factor, 1);
        assert_false(uuid_is_zero(topics[i].id));
    }
    rig_assert_agree();
    assert_int_equal(meta_image(rig.shards[1].meta)->partition_total, 2000);
    rig_stop();
    assert_int_equal(rig_start(), ERR_OK);
    rig_assert_agree();
    rig_stop();
    rig_destroy();
    mem_free(MEM_TEST, topics);
}

/* --- at random ------------------------------------------------------------------------------------------------- */

static void random_change(struct prng *prng)
{
    static const char *const names[] = {"a", "b", "a.b", "a_b", "c", "__consumer_offsets", "bad name"};
    static const char *const settings[][2] = {
        {"retention.ms", "1"}, {"retention.ms", "2"}, {"cleanup.policy", "compact"}, {"segment.ms", "bad"}};
    static const char *const   brokers[] = {"", "10", "11", "12", "13", "14"};
    const char                *name = names[prng_below(prng, COUNT_OF(names))];
    const char *const         *setting = settings[prng_below(prng, COUNT_OF(settings))];
    const char                *value = prng_below(prng, 3) == 0 ? NULL : setting[1];
    uint32_t                   shard = (uint32_t)prng_below(prng, rig.shard_count);
    struct meta_add_partitions more = {.name = view_text(name), .total_count = (int32_t)prng_below(prng, 12)};
    struct meta_change         ids = {.kind = META_ALLOCATE_PRODUCER_IDS};

    switch (prng_below(prng, 7)) {
    case 0:
    case 1:
        MAYBE(rig_create_topic(shard, name, (int32_t)prng_below(prng, 9)) == 0);
        break;
    case 2:
        MAYBE(rig_delete_topic(shard, name) == 0);
        break;
    case 3:
        MAYBE(rig_add_partitions(shard, &more) == 0);
        break;
    case 4:
        MAYBE(rig_set_config(2, name, setting[0], value) == 0);
        break;
    case 5:
        MAYBE(rig_set_config(4, brokers[prng_below(prng, COUNT_OF(brokers))], "log.retention.ms", value) == 0);
        break;
    default:
        rig_submit(shard, &ids);
        assert_int_equal(ids.error, 0);
    }
}

/* Several shards may share a core, too. */
static void test_random_changes_replay_to_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct prng prng;
        char       *before;
        char       *after;

        prng_init(&prng, seed);
        rig_create(1 + (uint32_t)(seed % 4), seed);
        rig.core_count = 1 + (uint32_t)prng_below(&prng, rig.shard_count);
        assert_int_equal(rig_start(), ERR_OK);
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 40; i++) {
                random_change(&prng);
            }
            rig_assert_agree();
            before = rig_dump(0);
            if (prng_below(&prng, 2) == 0) {
                rig_stop();
            } else {
                rig_crash(prng_next(&prng), (enum sim_crash_style)prng_below(&prng, SIM_CRASH_STYLE_COUNT));
            }
            assert_int_equal(rig_start(), ERR_OK);
            rig_assert_agree();
            after = rig_dump(0);
            assert_string_equal(before, after);
            rig_text_free(before);
            rig_text_free(after);
        }
        rig_stop();
        rig_destroy();
    }
}

/* --- several at a time ---------------------------------------------------------------------------------------- */

static int answered_order[64];
static int answered_count;

struct numbered {
    struct meta_change       change;
    struct meta_create_topic topic;
    char                     name[32];
    int                      number;
};

static void numbered_done(struct meta_change *change)
{
    answered_order[answered_count++] = CONTAINER_OF(change, struct numbered, change)->number;
}

static bool numbered_all(void *context)
{
    return answered_count == *(int *)context;
}

static void numbered_submit(struct numbered *numbered, int number, uint32_t shard, char letter)
{
    *numbered = (struct numbered){.number = number};
    (void)snprintf(numbered->name, sizeof(numbered->name), "%c%d", letter, number);
    numbered->topic =
        (struct meta_create_topic){.name = view_text(numbered->name), .partition_count = 2, .replication_factor = 1};
    numbered->change = (struct meta_change){
        .kind = META_CREATE_TOPICS, .count = 1, .create_topics = &numbered->topic, .done = numbered_done};
    meta_submit(rig.shards[shard].meta, &numbered->change);
}

static void test_waiting_changes_see_the_earlier_ones(void **state)
{
    struct numbered numbered[40];
    int             count = COUNT_OF(numbered);
    int             created = 0;

    (void)state;
    rig_create(4, 6);
    assert_int_equal(rig_start(), ERR_OK);
    answered_count = 0;
    for (int i = 0; i < count; i++) { /* every name twice, from different shards */
        numbered_submit(&numbered[i], i / 2, (uint32_t)i % 4, 'n');
        numbered[i].number = i;
    }
    rig_until(numbered_all, &count);
    for (int i = 0; i < count; i += 2) {
        assert_int_equal(numbered[i].change.error, 0);
        created += (numbered[i].topic.error == 0) + (numbered[i + 1].topic.error == 0);
        assert_int_equal(numbered[i].topic.error + numbered[i + 1].topic.error, KP_ERR_TOPIC_ALREADY_EXISTS);
    }
    assert_int_equal(created, count / 2);
    rig_assert_agree();
    rig_stop();
    rig_destroy();
}

static void test_stop_ends_what_waits(void **state)
{
    struct numbered numbered[10];
    int             count = COUNT_OF(numbered);
    int             refused = 0;

    (void)state;
    rig_create(2, 7);
    assert_int_equal(rig_start(), ERR_OK);
    answered_count = 0;
    for (int i = 0; i < count; i++) {
        numbered_submit(&numbered[i], i, 1, 's');
    }
    rig_stop();
    assert_int_equal(answered_count, count);
    for (int i = 0; i < count; i++) {
        refused += numbered[i].change.error == KP_ERR_NOT_CONTROLLER;
    }
    assert_in_range(refused, 1, count);
    assert_int_equal(rig_start(), ERR_OK);
    rig_assert_agree();
    assert_int_equal(map_count(&meta_image(rig.shards[0].meta)->topics_by_name), count - refused);
    rig_stop();
    rig_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_is_everywhere_and_survives),
        cmocka_unit_test(test_power_cut_keeps_what_was_answered),
        cmocka_unit_test(test_brokers_are_those_of_this_start),
        cmocka_unit_test(test_partitions_are_spread_evenly),
        cmocka_unit_test(test_many_partitions_at_once),
        cmocka_unit_test(test_random_changes_replay_to_the_same),
        cmocka_unit_test(test_waiting_changes_see_the_earlier_ones),
        cmocka_unit_test(test_stop_ends_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
