/* Disks that fail, fill up and rot under the metadata log: nothing that was answered is lost, nothing is answered that
 * is not there, and what cannot be understood stops the start on every shard. */
#include "tests/unit/meta/meta_rig.h"

#include "core/meta/meta_internal.h"

#include <stdio.h>

#define HISTORY_TOPICS 6

/* --- power cuts ----------------------------------------------------------------------------------------------------
 */

struct history {
    struct meta_create_topic topics[HISTORY_TOPICS];
    struct meta_change       changes[HISTORY_TOPICS];
    char                     names[HISTORY_TOPICS][16];
    int                      answered;
    uint32_t                 ok; /* by bit */
};

static struct history history;

static void history_done(struct meta_change *change)
{
    ptrdiff_t i = change - history.changes;

    if (change->error == 0 && history.topics[i].error == 0) {
        history.ok |= 1U << i;
    }
    history.answered++;
}

static bool history_over(void *context)
{
    return history.answered == *(int *)context || sim_is_down(rig.sim, 0);
}

/* Several changes at once, until they are answered or the power goes. */
static void history_run(void)
{
    int count = HISTORY_TOPICS;

    history = (struct history){0};
    for (int i = 0; i < HISTORY_TOPICS; i++) {
        (void)snprintf(history.names[i], sizeof(history.names[i]), "h%d", i);
        history.topics[i] = (struct meta_create_topic){
            .name = view_text(history.names[i]), .partition_count = 2, .replication_factor = 1};
        history.changes[i] = (struct meta_change){
            .kind = META_CREATE_TOPICS, .count = 1, .create_topics = &history.topics[i], .done = history_done};
        meta_submit(rig.shards[(uint32_t)i % rig.shard_count].meta, &history.changes[i]);
    }
    rig_until(history_over, &count);
}

/* Every topic that was answered is there with its id, whole; the others are there whole or not at all. */
static void history_check(uint32_t ok)
{
    rig_assert_agree();
    for (int i = 0; i < HISTORY_TOPICS; i++) {
        const struct meta_topic *topic = rig_topic(0, history.names[i]);

        if ((ok >> i & 1) != 0) {
            assert_non_null(topic);
            assert_true(uuid_equal(topic->id, history.topics[i].id));
        }
        if (topic != NULL) {
            assert_int_equal(topic->partition_count, 2);
        }
    }
}

static void test_power_cut_at_every_change_of_the_disk(void **state)
{
    uint64_t changes_max;

    (void)state;
    rig_create(2, 31);
    assert_int_equal(rig_start(), ERR_OK);
    changes_max = sim_change_count(rig.sim, 0);
    history_run();
    changes_max = sim_change_count(rig.sim, 0) - changes_max;
    rig_stop();
    rig_destroy();
    assert_in_range(changes_max, HISTORY_TOPICS, 1000);
    for (uint64_t n = 1; n <= changes_max; n++) {
        for (int when = 0; when < SIM_CUT_WHEN_COUNT; when++) {
            uint32_t ok;

            rig_create(2, 31 + n);
            assert_int_equal(rig_start(), ERR_OK);
            sim_cut_at(rig.sim, 0, n, (enum sim_cut_when)when, n, (enum sim_crash_style)(n % SIM_CRASH_STYLE_COUNT));
            history_run();
            ok = history.ok;
            rig_crash(n, SIM_CRASH_MIX);
            assert_int_equal(rig_start(), ERR_OK);
            history_check(ok);
            assert_int_equal(rig_create_topic(1, "after", 2), 0);
            rig_assert_agree();
            rig_stop();
            rig_destroy();
        }
    }
}

/* --- failing writes -------------------------------------------------------------------------------------------------
 */

static void test_failed_append_stops_changes_until_restart(void **state)
{
    (void)state;
    rig_create(2, 32);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_create_topic(1, "before", 2), 0);
    sim_fail_nth(rig.sim, 0, 1, SIM_FAIL_WRITE | SIM_FAIL_SYNC, ERR_IO, true);
    assert_int_equal(rig_create_topic(1, "lost", 2), KP_ERR_KAFKA_STORAGE_ERROR);
    sim_fail_nth(rig.sim, 0, 0, SIM_FAIL_ANY, ERR_IO, false);
    assert_int_equal(rig_create_topic(1, "refused", 2), KP_ERR_KAFKA_STORAGE_ERROR);
    assert_null(rig_topic(1, "lost"));
    assert_non_null(rig_topic(1, "before"));
    rig_assert_agree();
    rig_crash(32, SIM_CRASH_MIX);
    assert_int_equal(rig_start(), ERR_OK);
    rig_assert_agree();
    assert_non_null(rig_topic(1, "before"));
    assert_null(rig_topic(1, "refused"));
    assert_int_equal(rig_create_topic(1, "refused", 2), 0);
    rig_stop();
    rig_destroy();
}

static void test_nth_failure_loses_nothing_answered(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 24; n++) {
        uint32_t ok;

        rig_create(2, 100 + n);
        assert_int_equal(rig_start(), ERR_OK);
        sim_fail_nth(rig.sim, 0, n, SIM_FAIL_ANY, ERR_IO, false);
        history_run();
        assert_int_equal(history.answered, HISTORY_TOPICS);
        ok = history.ok;
        sim_fail_nth(rig.sim, 0, 0, SIM_FAIL_ANY, ERR_IO, false);
        rig_crash(n, SIM_CRASH_MIX);
        assert_int_equal(rig_start(), ERR_OK);
        history_check(ok);
        rig_stop();
        rig_destroy();
    }
}

static void test_full_disk_still_deletes_topics(void **state)
{
    (void)state;
    rig_create(2, 33);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_create_topic(1, "big", 4), 0);
    rig_stop();
    rig.free_bytes_min = UINT64_MAX / 2; /* there is never that much */
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_delete_topic(1, "big"), 0);
    assert_null(rig_topic(0, "big"));
    rig_assert_agree();
    rig_stop();
    rig_destroy();
}

/* --- partitions ------------------------------------------------------------------------------------------------------
 */

static uint64_t journal_writes(void)
{
    struct store_stats stats;

    store_stats(rig.shards[0].store, &stats);
    return stats.journal_writes;
}

/* What the journal held for a topic whose deletion was the last thing to happen must not keep it from being used. */
static void test_journal_serves_again_after_a_power_cut(void **state)
{
    uint64_t writes;

    (void)state;
    rig_create(1, 37);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_create_topic(0, "kept", 1), 0);
    assert_int_equal(rig_create_topic(0, "gone", 1), 0);
    assert_int_equal(rig_append("kept", 0, "a"), 0);
    assert_int_equal(rig_append("gone", 0, "b"), 0);
    assert_int_equal(rig_delete_topic(0, "gone"), 0);
    rig_crash(37, SIM_CRASH_DROP);
    assert_int_equal(rig_start(), ERR_OK);
    rig_assert_agree();
    assert_null(rig_topic(0, "gone"));
    assert_int_equal(part_high_watermark(rig_part("kept", 0)), 1);
    sim_run_for(rig.sim, NS_PER_S);
    assert_int_equal(rig_append("kept", 0, "c"), 1);
    writes = journal_writes();
    assert_int_equal(rig_append("kept", 0, "d"), 2);
    assert_int_equal(journal_writes(), writes + 1);
    /* a new topic of that name begins at 0 */
    assert_int_equal(rig_create_topic(0, "gone", 1), 0);
    assert_int_equal(rig_append("gone", 0, "e"), 0);
    rig_stop();
    rig_destroy();
}

static void damage_user_file(void *context, const char *path, uint64_t size_bytes)
{
    int *damaged = context;

    if (strstr(path, "victim-0/") != NULL && size_bytes > 0) {
        *damaged += sim_disk_unreadable(rig.sim, 0, path, 0, size_bytes);
    }
}

static void test_partition_that_does_not_open_stops_nothing(void **state)
{
    int damaged = 0;

    (void)state;
    rig_create(2, 38);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_create_topic(1, "victim", 1), 0);
    assert_int_equal(rig_create_topic(1, "healthy", 2), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_append("victim", 0, "a"), i);
        assert_int_equal(rig_append("healthy", 1, "a"), i);
    }
    sim_run_for(rig.sim, 10 * NS_PER_S); /* into the segments */
    rig_crash(38, SIM_CRASH_KEEP);
    sim_disk_each(rig.sim, 0, damage_user_file, &damaged);
    assert_in_range(damaged, 1, 10);
    assert_int_equal(rig_start(), ERR_OK);
    assert_false(part_online(rig_part("victim", 0)));
    assert_true(part_online(rig_part("healthy", 1)));
    assert_int_equal(rig_append("healthy", 1, "b"), 3);
    assert_int_equal(rig_append("victim", 0, "b"), -1);
    assert_int_equal(rig_delete_topic(0, "victim"), 0);
    assert_int_equal(rig_create_topic(0, "victim", 1), 0);
    rig_assert_agree();
    rig_stop();
    rig_destroy();
}

/* --- a log that cannot be read --------------------------------------------------------------------------------------
 */

struct search {
    const char *word;
    char        path[256];
    uint64_t    offset;
    bool        found;
};

/* Where `word` stands in a file of the metadata log. */
static void search_file(void *context, const char *path, uint64_t size_bytes)
{
    struct search *search = context;
    size_t         len = (size_t)MIN(size_bytes, MIB);
    uint8_t       *bytes;
    size_t         word_len = strlen(search->word);

    if (search->found || strstr(path, META_LOG_TOPIC) == NULL || len < word_len) {
        return;
    }
    bytes = mem_alloc(MEM_TEST, len);
    len = sim_disk_peek(rig.sim, 0, path, 0, span_of(bytes, len));
    for (size_t i = 0; !search->found && i + word_len <= len; i++) {
        if (memcmp(bytes + i, search->word, word_len) == 0) {
            search->found = true;
            search->offset = i;
            (void)snprintf(search->path, sizeof(search->path), "%s", path);
        }
    }
    mem_free(MEM_TEST, bytes);
}

static struct search search(const char *word)
{
    struct search search = {.word = word};

    sim_disk_each(rig.sim, 0, search_file, &search);
    assert_true(search.found);
    return search;
}

static void make_log_of_two_topics(uint64_t seed)
{
    rig_create(2, seed);
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(rig_create_topic(1, "needle.in.the.log", 2), 0);
    assert_int_equal(rig_create_topic(1, "second", 2), 0);
    rig_stop();
}

static void test_rot_in_the_log_stops_the_start(void **state)
{
    struct search place;

    (void)state;
    make_log_of_two_topics(34);
    place = search("needle.in.the.log");
    assert_true(sim_disk_flip(rig.sim, 0, place.path, place.offset + 3, 0x20));
    assert_true(rig_start() < 0);
    for (uint32_t i = 0; i < 2; i++) { /* everybody is told */
        assert_true(rig.shards[i].result < 0);
        assert_int_equal(part_table_count(rig.shards[i].parts), 0);
    }
    rig_stop();
    /* rot undone: nothing was thrown away by the failed start */
    assert_true(sim_disk_flip(rig.sim, 0, place.path, place.offset + 3, 0x20));
    assert_int_equal(rig_start(), ERR_OK);
    assert_non_null(rig_topic(1, "needle.in.the.log"));
    assert_non_null(rig_topic(1, "second"));
    rig_stop();
    rig_destroy();
}

static void test_unreadable_log_stops_the_start(void **state)
{
    struct search place;

    (void)state;
    make_log_of_two_topics(35);
    place = search("needle.in.the.log");
    assert_true(sim_disk_unreadable(rig.sim, 0, place.path, place.offset, 8));
    assert_true(rig_start() < 0);
    rig_stop();
    rig_destroy();
}

static void test_changes_after_a_failed_start_are_refused(void **state)
{
    struct search place;

    (void)state;
    make_log_of_two_topics(36);
    place = search("needle.in.the.log");
    assert_true(sim_disk_flip(rig.sim, 0, place.path, place.offset, 0x20));
    assert_true(rig_start() < 0);
    assert_int_equal(rig_create_topic(1, "x", 1), KP_ERR_NOT_CONTROLLER);
    rig_stop();
    rig_destroy();
}

/* --- a log that is not understood -------------------------------------------------------------------------------- */

static bool append_done_flag;

static void append_done(struct store_append *append)
{
    assert_int_equal(append->result, ERR_OK);
    append_done_flag = true;
}

static bool append_is_done(void *context)
{
    return *(bool *)context;
}

/* Behind the controller's back. */
static void append_value(struct view value)
{
    struct store_log   *log = rig.shards[0].meta->controller->log;
    struct store_append append = {.done = append_done, .first_offset = store_log_end_offset(log)};
    struct rec_builder  builder;
    struct arena        arena;
    struct view         batch;
    struct span         place;

    arena_init(&arena, MEM_TEST, 4096, MIB);
    rec_builder_init(&builder, &arena);
    rec_builder_add(&builder, 1000, (struct view){0}, value, NULL, 0);
    assert_int_equal(rec_builder_finish(&builder, REC_NONE, 0, &batch), ERR_OK);
    assert_int_equal(store_log_reserve(log, batch.len, &place), ERR_OK);
    memcpy(place.base, batch.base, batch.len);
    rec_stamp_offset(place.base, append.first_offset, 0);
    append.last_offset = append.first_offset;
    append_done_flag = false;
    store_log_commit(log, &append, batch.len);
    rig_until(append_is_done, &append_done_flag);
    arena_deinit(&arena);
}

static void test_unknown_record_stops_the_start(void **state)
{
    static const struct {
        struct view value;
        int         result;
    } rows[] = {
        {{(const uint8_t *)"\x01\x12\x00\x00", 4}, ERR_UNSUPPORTED}, /* a type of a later release */
        {{(const uint8_t *)"\x01\x14\x05\x00", 4}, ERR_UNSUPPORTED}, /* a version */
        {{(const uint8_t *)"\x01\x02\x00\x02", 4}, ERR_CORRUPT},     /* cut short */
        {{NULL, 0}, ERR_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_create(2, 40 + i);
        assert_int_equal(rig_start(), ERR_OK);
        append_value(rows[i].value);
        rig_stop();
        assert_int_equal(rig_start(), rows[i].result);
        assert_int_equal(rig.shards[1].result, rows[i].result);
        rig_stop();
        rig_destroy();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut_at_every_change_of_the_disk),
        cmocka_unit_test(test_failed_append_stops_changes_until_restart),
        cmocka_unit_test(test_nth_failure_loses_nothing_answered),
        cmocka_unit_test(test_full_disk_still_deletes_topics),
        cmocka_unit_test(test_journal_serves_again_after_a_power_cut),
        cmocka_unit_test(test_partition_that_does_not_open_stops_nothing),
        cmocka_unit_test(test_rot_in_the_log_stops_the_start),
        cmocka_unit_test(test_unreadable_log_stops_the_start),
        cmocka_unit_test(test_changes_after_a_failed_start_are_refused),
        cmocka_unit_test(test_unknown_record_stops_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
