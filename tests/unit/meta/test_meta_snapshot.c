/* Snapshots: the image comes back from them as it was, whatever it holds; the log behind them is given up and not a
 * change is lost, wherever the power goes off; and what is damaged is not believed. */
#include "tests/unit/meta/meta_rig.h"

#include "core/meta/meta_internal.h"

#include <stdio.h>

#define SNAPSHOT_PATH "data/shard-0/__cluster_metadata-0/image.snapshot"

/* Topics with partitions and settings, settings of brokers and groups, ids, features, quotas; some of it deleted. */
static void fill(int from, int to)
{
    char name[24];

    for (int i = from; i < to; i++) {
        struct meta_add_partitions more = {.name = view_text(name), .total_count = 4};

        (void)snprintf(name, sizeof(name), "topic.%d", i);
        assert_int_equal(rig_create_topic((uint32_t)i % rig.shard_count, name, 1 + i % 4), 0);
        assert_int_equal(rig_set_config(META_RESOURCE_TOPIC, name, "retention.ms", "86400000"), 0);
        if (i % 4 == 1) {
            assert_int_equal(rig_add_partitions(0, &more), 0);
        }
        if (i % 3 == 2) {
            assert_int_equal(rig_delete_topic(0, name), 0);
        }
    }
    assert_int_equal(rig_set_config(META_RESOURCE_BROKER, "", "log.retention.ms", "77777777"), 0);
    assert_int_equal(rig_set_config(META_RESOURCE_GROUP, "readers", "consumer.session.timeout.ms", "50000"), 0);
}

static void allocate_ids(void)
{
    struct meta_change change = {.kind = META_ALLOCATE_PRODUCER_IDS, .count = 1};

    rig_submit(0, &change);
    assert_int_equal(change.error, 0);
}

static void set_quota(const char *user, double value)
{
    struct meta_quota_op    op = {.key = view_text("producer_byte_rate"), .value = value};
    struct meta_alter_quota alter = {.ops = &op, .op_count = 1};
    struct meta_change      change = {.kind = META_ALTER_QUOTAS, .count = 1, .alter_quotas = &alter};

    alter.entity.has[META_QUOTA_USER] = true;
    alter.entity.names[META_QUOTA_USER] = user == NULL ? (struct view){0} : view_text(user);
    rig_submit(0, &change);
    assert_int_equal(alter.error, 0);
}

static bool idle(void *context)
{
    (void)context;
    return !rig.metas[0]->controller->snapshot.busy;
}

static size_t snapshot_bytes(void)
{
    static uint8_t content[256 * KIB];

    return sim_disk_peek(rig.sim, 0, SNAPSHOT_PATH, 0, span_of(content, sizeof(content)));
}

static int64_t log_start(void)
{
    return store_log_start_offset(rig.metas[0]->controller->log);
}

/* --- pure -------------------------------------------------------------------------------------------------------- */

static int apply(void *context, const struct meta_record *record)
{
    return meta__image_apply(context, record);
}

static void test_an_image_comes_back_as_it_was(void **state)
{
    struct meta_image image;
    struct arena      arena;
    struct view       batches;
    uint8_t          *bytes, *again;
    size_t            len, len_again;
    int64_t           end = 0;

    (void)state;
    rig_create(3, 61);
    assert_int_equal(rig_start(), ERR_OK);
    fill(0, 14);
    allocate_ids();
    set_quota("alice", 1024);
    set_quota(NULL, 2048);
    assert_true(meta__snapshot_encode(&rig.metas[0]->image, 5, &bytes, &len));
    assert_int_equal(meta__snapshot_decode(view_of(bytes, len), &end, &batches), ERR_OK);
    assert_int_equal(end, rig.metas[0]->image.last_offset + 1);
    arena_init(&arena, MEM_TEST, 4096, 16 * MIB);
    meta__image_init(&image, RIG_NODE, 3);
    assert_int_equal(meta__records_each(batches, &arena, apply, &image, &image.last_offset), ERR_OK);
    assert_int_equal(image.last_offset, rig.metas[0]->image.last_offset);
    /* The same records again: nothing was lost, added or put in another order. */
    assert_true(meta__snapshot_encode(&image, 5, &again, &len_again));
    assert_int_equal(len_again, len);
    assert_memory_equal(bytes, again, len);
    assert_int_equal(image.partition_total, rig.metas[0]->image.partition_total);
    assert_int_equal(image.next_producer_id, rig.metas[0]->image.next_producer_id);
    meta__image_deinit(&image);
    arena_deinit(&arena);
    for (size_t at = 0; at < len; at += 1 + at / 3) { /* a flipped bit anywhere */
        bytes[at] ^= 0x10;
        assert_true(meta__snapshot_decode(view_of(bytes, len), &end, &batches) < 0);
        bytes[at] ^= 0x10;
    }
    for (size_t shorter = 0; shorter < len; shorter += 1 + shorter / 2) {
        assert_true(meta__snapshot_decode(view_of(bytes, shorter), &end, &batches) < 0);
    }
    mem_free(MEM_META, bytes);
    mem_free(MEM_META, again);
    rig_stop();
    rig_destroy();
}

/* --- on a disk --------------------------------------------------------------------------------------------------- */

static void test_the_log_is_given_up_behind_a_snapshot(void **state)
{
    char *before, *after;

    (void)state;
    rig_create(2, 62);
    rig_set("metadata.log.max.record.bytes.between.snapshots", "3000");
    assert_int_equal(rig_start(), ERR_OK);
    fill(0, 12);
    allocate_ids();
    rig_until(idle, NULL);
    assert_true(snapshot_bytes() > 500);
    assert_true(log_start() > 10);
    before = rig_dump(0);
    rig_stop();
    assert_int_equal(rig_start(), ERR_OK);
    after = rig_dump(0);
    assert_string_equal(before, after);
    rig_text_free(after);
    rig_assert_agree();
    rig_crash(3, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    after = rig_dump(1);
    assert_string_equal(before, after);
    rig_text_free(after);
    rig_text_free(before);
    fill(20, 24); /* and life goes on: names, ids and offsets */
    allocate_ids();
    rig_assert_agree();
    rig_stop();
    rig_destroy();
}

/* Snapshots all the time, the power goes off at any change of the disk: what was answered is there. */
static void test_power_cuts_around_snapshots(void **state)
{
    char name[16];

    (void)state;
    for (uint64_t cut = 1; cut < 90; cut += 2) {
        int answered = 0;

        rig_create(2, 100 + cut);
        rig_set("metadata.log.max.record.bytes.between.snapshots", "200");
        assert_int_equal(rig_start(), ERR_OK);
        sim_cut_at(rig.sim, 0, cut, (enum sim_cut_when)(cut % SIM_CUT_WHEN_COUNT), cut,
                   (enum sim_crash_style)(cut % 4));
        for (int i = 0; i < 12 && !sim_is_down(rig.sim, 0); i++) {
            (void)snprintf(name, sizeof(name), "c%d", i);
            if (rig_create_topic((uint32_t)i % 2, name, 2) == 0 && !sim_is_down(rig.sim, 0)) {
                answered = i + 1;
            }
        }
        if (!sim_is_down(rig.sim, 0)) {
            sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_DROP);
        }
        rig_crash(cut, (enum sim_crash_style)(cut % 4));
        assert_int_equal(rig_start(), ERR_OK);
        rig_assert_agree();
        for (int i = 0; i < answered; i++) {
            (void)snprintf(name, sizeof(name), "c%d", i);
            assert_non_null(rig_topic(1, name));
        }
        assert_int_equal(rig_create_topic(0, "later", 1), 0);
        rig_stop();
        rig_destroy();
    }
}

static void test_damage(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        rig_create(2, 64);
        rig_set("metadata.log.max.record.bytes.between.snapshots", "3000");
        assert_int_equal(rig_start(), ERR_OK);
        fill(0, 12);
        rig_until(idle, NULL);
        assert_true(log_start() > 0);
        rig_stop();
        if (round == 0) {
            assert_true(sim_disk_flip(rig.sim, 0, SNAPSHOT_PATH, 300, 4));
        } else if (round == 1) {
            assert_true(sim_disk_remove(rig.sim, 0, SNAPSHOT_PATH));
        } else {
            assert_true(sim_disk_resize(rig.sim, 0, SNAPSHOT_PATH, 200));
        }
        assert_true(rig_start() < 0); /* topics must not look deleted */
        rig_stop();
        rig_destroy();
    }
}

/* The disk refuses the file: the log is kept, changes go on. */
static void test_a_snapshot_that_cannot_be_written(void **state)
{
    (void)state;
    rig_create(2, 65);
    rig_set("metadata.log.max.record.bytes.between.snapshots", "1000000");
    assert_int_equal(rig_start(), ERR_OK);
    fill(0, 6);
    sim_fail_nth(rig.sim, 0, 1, SIM_FAIL_NAME, ERR_IO, true);
    meta__snapshot_take(rig.metas[0]->controller);
    rig_until(idle, NULL);
    sim_fail_nth(rig.sim, 0, 0, SIM_FAIL_NAME, ERR_IO, false);
    assert_int_equal(log_start(), 0);
    assert_int_equal(snapshot_bytes(), 0);
    fill(6, 9);
    meta__snapshot_take(rig.metas[0]->controller);
    rig_stop(); /* waits for it */
    assert_true(snapshot_bytes() > 0);
    assert_int_equal(rig_start(), ERR_OK);
    assert_non_null(rig_topic(0, "topic.7"));
    rig_stop();
    rig_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_image_comes_back_as_it_was),
        cmocka_unit_test(test_the_log_is_given_up_behind_a_snapshot),
        cmocka_unit_test(test_power_cuts_around_snapshots),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_a_snapshot_that_cannot_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
