/* Reads, waiters, offsets, epochs: what is shown, and only what is durable. */
#include "tests/unit/part/part_fixture.h"

struct reading {
    struct part_read read;
    int              answers;
};

static void read_answered(struct part_read *read)
{
    CONTAINER_OF(read, struct reading, read)->answers++;
}

/* True when it was done at once. */
static bool start_read(struct fixture *fixture, struct reading *reading, int64_t offset, size_t bytes_max,
                       bool at_least_one)
{
    memset(&reading->read.store, 0xa5, sizeof(reading->read.store)); /* callers do not clear it */
    reading->answers = 0;
    reading->read.offset = offset;
    reading->read.bytes_max = bytes_max;
    reading->read.at_least_one = at_least_one;
    reading->read.committed = false;
    reading->read.arena = NULL;
    reading->read.done = read_answered;
    return part_read(fixture->part, &reading->read);
}

static int16_t read_now(struct fixture *fixture, struct reading *reading, int64_t offset)
{
    bool at_once = start_read(fixture, reading, offset, 1 << 20, true);

    assert_true(at_once);
    assert_int_equal(reading->answers, 0);
    return reading->read.error;
}

static void fill(struct fixture *fixture, int batches)
{
    for (int i = 0; i < batches; i++) {
        struct try attempt;

        assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.records = 2}), 0);
    }
}

static void reads_below_the_high_watermark(void **state)
{
    struct fixture  *fixture = *state;
    struct reading   reading;
    struct try       pending;
    struct rec_batch batch = {0};

    assert_int_equal(read_now(fixture, &reading, 0), 0);
    assert_int_equal(reading.read.store.bytes, 0);
    part_read_release(&reading.read);
    fill(fixture, 2);
    fixture_begin(fixture, &pending, fixture_batch(fixture, &(struct batch_recipe){0}));
    assert_int_equal(read_now(fixture, &reading, 3), 0);
    assert_int_equal(reading.read.high_watermark, 4);
    assert_int_equal(reading.read.last_stable_offset, 4);
    assert_int_equal(reading.read.log_start_offset, 0);
    assert_int_equal(reading.read.store.slice_count, 1);
    assert_int_equal(rec_batch_parse(reading.read.store.slices[0], &batch), ERR_OK);
    assert_int_equal(batch.base_offset, 2);
    assert_int_equal(reading.read.store.next_offset, 4);
    part_read_release(&reading.read);
    /* Between watermark and end: nothing yet, and no error that would make a consumer start over. */
    assert_int_equal(read_now(fixture, &reading, 4), 0);
    assert_int_equal(reading.read.store.bytes, 0);
    assert_int_equal(read_now(fixture, &reading, 5), 0);
    assert_int_equal(read_now(fixture, &reading, 6), KP_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(read_now(fixture, &reading, -1), KP_ERR_OFFSET_OUT_OF_RANGE);
    part_read_release(&reading.read);
    fixture_flush(fixture);
}

static void gathers_slices(void **state)
{
    struct fixture *fixture = *state;
    struct reading  reading;
    size_t          bytes = 0;

    fill(fixture, 3);
    fixture->store.slice_bytes = 50;
    fixture->store.reads_later = true;
    assert_false(start_read(fixture, &reading, 0, 1 << 20, true));
    assert_int_equal(reading.answers, 0);
    fake_io_settle(&fixture->io);
    assert_int_equal(reading.answers, 1);
    assert_true(reading.read.store.slice_count > 3);
    for (uint32_t i = 0; i < reading.read.store.slice_count; i++) {
        bytes += reading.read.store.slices[i].len;
    }
    assert_int_equal(bytes, reading.read.store.bytes);
    part_read_release(&reading.read);
    assert_false(start_read(fixture, &reading, 0, 1, false));
    fake_io_settle(&fixture->io);
    assert_int_equal(reading.read.store.bytes, 0);
    assert_int_equal(reading.read.error, 0);
    part_read_release(&reading.read);
}

static void reads_committed(void **state)
{
    struct fixture     *fixture = *state;
    struct reading      reading;
    struct try          attempt;
    struct batch_recipe data = {.idempotent = true, .producer_id = 1, .attributes = REC_ATTR_TRANSACTIONAL};

    fill(fixture, 1);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), 0);
    fill(fixture, 1);
    reading.read = (struct part_read){
        .offset = 0, .bytes_max = 1 << 20, .at_least_one = true, .committed = true, .done = read_answered};
    assert_true(part_read(fixture->part, &reading.read));
    assert_int_equal(reading.read.store.next_offset, 2);
    assert_int_equal(reading.read.last_stable_offset, 2);
    assert_int_equal(reading.read.high_watermark, 5);
    part_read_release(&reading.read);
    reading.read.offset = 2;
    assert_true(part_read(fixture->part, &reading.read));
    assert_int_equal(reading.read.error, 0);
    assert_int_equal(reading.read.store.bytes, 0);
    part_read_release(&reading.read);
    assert_int_equal(part_available_bytes(fixture->part, 2, true), 0);
    assert_true(part_available_bytes(fixture->part, 2, false) > 0);
}

static void waits_for_memory_only_when_it_holds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct reading  first, other;

    fill(fixture, 2);
    fixture->store.memory_low = true;
    assert_false(start_read(fixture, &first, 0, 1000, true));
    assert_true(start_read(fixture, &other, 0, 1000, false));
    assert_int_equal(other.read.error, 0);
    assert_int_equal(other.read.store.bytes, 0);
    part_read_release(&other.read);
    fake_io_settle(&fixture->io);
    assert_int_equal(first.answers, 0);
    fake_store_memory_back(&fixture->store);
    fake_io_settle(&fixture->io);
    assert_int_equal(first.answers, 1);
    assert_true(first.read.store.bytes > 0);
    part_read_release(&first.read);
    /* A part that goes away lets go of those who wait. */
    fixture->store.memory_low = true;
    assert_false(start_read(fixture, &first, 0, 1000, true));
    fixture_close(fixture);
    assert_int_equal(first.answers, 1);
    assert_int_equal(first.read.error, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    part_read_release(&first.read);
}

/* --- waiters ---------------------------------------------------------------------------------------------------- */

struct poll {
    struct part_waiter waiter;
    int                calls;
    struct poll       *also_removes;
};

static void poll_ready(struct part_waiter *waiter)
{
    struct poll *poll = CONTAINER_OF(waiter, struct poll, waiter);

    poll->calls++;
    if (poll->also_removes != NULL) {
        part_unwait(&poll->waiter);
        part_unwait(&poll->also_removes->waiter);
    }
}

static void wakes_waiters(void **state)
{
    struct fixture *fixture = *state;
    struct poll     polls[3] = {
            {.waiter = {.ready = poll_ready}}, {.waiter = {.ready = poll_ready}}, {.waiter = {.ready = poll_ready}}};
    struct try attempt;

    for (size_t i = 0; i < COUNT_OF(polls); i++) {
        part_wait(fixture->part, &polls[i].waiter);
    }
    fixture_begin(fixture, &attempt, fixture_batch(fixture, &(struct batch_recipe){0}));
    fake_io_settle(&fixture->io);
    assert_int_equal(polls[0].calls, 0); /* committed is not durable */
    fixture_flush(fixture);
    for (size_t i = 0; i < COUNT_OF(polls); i++) {
        assert_int_equal(polls[i].calls, 1);
    }
    /* The first removes itself and the last, which stands behind it in the same round. */
    polls[0].also_removes = &polls[2];
    fill(fixture, 1);
    assert_int_equal(polls[0].calls, 2);
    assert_int_equal(polls[1].calls, 2);
    assert_int_equal(polls[2].calls, 1);
    assert_null(polls[2].waiter.part);
    part_unwait(&polls[2].waiter); /* twice is harmless */
    /* Offline is news, too; going away is the last. */
    fake_store_offline(fixture->log);
    fake_io_settle(&fixture->io);
    assert_int_equal(polls[1].calls, 3);
    assert_ptr_equal(polls[1].waiter.part, fixture->part);
    fixture_close(fixture);
    assert_int_equal(polls[1].calls, 4);
    assert_null(polls[1].waiter.part);
}

/* --- how much is there ---------------------------------------------------------------------------------------------
 */

static void estimates_what_is_there(void **state)
{
    struct fixture *fixture = *state;
    uint64_t        batch_bytes;

    assert_int_equal(part_available_bytes(fixture->part, 0, false), 0);
    fill(fixture, 1);
    batch_bytes = part_size_bytes(fixture->part);
    assert_int_equal(part_available_bytes(fixture->part, 0, false), batch_bytes);
    fill(fixture, 299); /* marks are thinned several times */
    assert_int_equal(part_available_bytes(fixture->part, 0, false), 300 * batch_bytes);
    for (int64_t offset = 0; offset < 600; offset += 2) {
        uint64_t exact = (uint64_t)(600 - offset) / 2 * batch_bytes;
        uint64_t found = part_available_bytes(fixture->part, offset, false);

        assert_true(found + batch_bytes >= exact && found <= exact + batch_bytes);
    }
    assert_int_equal(part_available_bytes(fixture->part, 600, false), 0);
    assert_int_equal(part_available_bytes(fixture->part, 601, false), 0);
    /* After a restart everything is older than the marks. */
    fixture_restart(fixture, false);
    assert_int_equal(part_available_bytes(fixture->part, 0, false), 300 * batch_bytes);
    assert_int_equal(part_available_bytes(fixture->part, 300, false), 150 * batch_bytes);
    fill(fixture, 10);
    assert_true(part_available_bytes(fixture->part, 0, false) >= 300 * batch_bytes);
    assert_int_equal(part_available_bytes(fixture->part, 600, false), 10 * batch_bytes);
}

/* --- offsets ----------------------------------------------------------------------------------------------------- */

struct lookup {
    struct part_offset_lookup lookup;
    int                       answers;
};

static void lookup_answered(struct part_offset_lookup *lookup)
{
    CONTAINER_OF(lookup, struct lookup, lookup)->answers++;
}

static void find(struct fixture *fixture, struct lookup *found, int64_t timestamp_ms, bool committed)
{
    *found = (struct lookup){.lookup = {.timestamp_ms = timestamp_ms, .committed = committed, .done = lookup_answered}};
    if (!part_find_offset(fixture->part, &found->lookup)) {
        assert_int_equal(found->answers, 0);
        fake_io_settle(&fixture->io);
        assert_int_equal(found->answers, 1);
    }
}

static void expect_found(const struct lookup *found, int64_t offset, int64_t timestamp_ms, int32_t leader_epoch)
{
    assert_int_equal(found->lookup.error, 0);
    assert_int_equal(found->lookup.offset, offset);
    assert_int_equal(found->lookup.out_timestamp_ms, timestamp_ms);
    assert_int_equal(found->lookup.leader_epoch, leader_epoch);
}

static void finds_offsets(void **state)
{
    struct fixture     *fixture = *state;
    struct lookup       found;
    struct try          attempt;
    struct batch_recipe recipe = {.records = 3};

    find(fixture, &found, -1, false);
    expect_found(&found, 0, -1, 3);
    find(fixture, &found, 0, false);
    expect_found(&found, -1, -1, -1);
    find(fixture, &found, -3, false);
    expect_found(&found, -1, -1, -1);
    recipe.timestamp_ms = 1000;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &recipe), 0);
    recipe.timestamp_ms = 5000;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &recipe), 0);
    recipe.timestamp_ms = 3000;
    recipe.idempotent = true;
    recipe.attributes = REC_ATTR_TRANSACTIONAL;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &recipe), 0);
    recipe.timestamp_ms = 9000;
    recipe.base_sequence = 3;
    fixture_begin(fixture, &attempt, fixture_batch(fixture, &recipe)); /* not durable: not found */
    find(fixture, &found, -1, false);
    expect_found(&found, 9, -1, 3);
    find(fixture, &found, -1, true);
    expect_found(&found, 6, -1, 3);
    find(fixture, &found, -2, false);
    expect_found(&found, 0, -1, 3);
    find(fixture, &found, -4, true);
    expect_found(&found, 0, -1, 3);
    find(fixture, &found, -5, false);
    expect_found(&found, -1, -1, -1);
    find(fixture, &found, -3, false);
    expect_found(&found, 5, 5002, 3);
    find(fixture, &found, 1001, false);
    expect_found(&found, 1, 1001, 3);
    find(fixture, &found, 5003, false);
    expect_found(&found, -1, -1, -1);
    find(fixture, &found, -6, false);
    assert_int_equal(found.lookup.error, KP_ERR_UNSUPPORTED_VERSION);
    fixture_flush(fixture);
    find(fixture, &found, 5003, false);
    expect_found(&found, 9, 9000, 3);
    find(fixture, &found, 5003, true);
    expect_found(&found, -1, -1, -1);
}

static void trimmed(void *context, int16_t error)
{
    int16_t *out = context;

    *out = error;
}

static int16_t delete_records(struct fixture *fixture, int64_t offset)
{
    int16_t error = -2;

    part_delete_records(fixture->part, offset, trimmed, &error);
    assert_int_equal(error, -2);
    fake_io_settle(&fixture->io);
    assert_int_not_equal(error, -2);
    return error;
}

static void deletes_records(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct reading       reading;
    struct try           pending;
    struct poll          poll = {.waiter = {.ready = poll_ready}};

    fill(fixture, 3);
    fixture_begin(fixture, &pending, fixture_batch(fixture, &(struct batch_recipe){0}));
    assert_int_equal(delete_records(fixture, 7), KP_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(delete_records(fixture, -2), KP_ERR_OFFSET_OUT_OF_RANGE);
    part_wait(fixture->part, &poll.waiter);
    assert_int_equal(delete_records(fixture, 3), 0);
    assert_int_equal(poll.calls, 1); /* whoever waits below it has to learn */
    part_unwait(&poll.waiter);
    assert_int_equal(part_log_start(fixture->part), 3);
    assert_int_equal(read_now(fixture, &reading, 2), KP_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(delete_records(fixture, 1), 0);
    assert_int_equal(part_log_start(fixture->part), 3);
    assert_int_equal(delete_records(fixture, -1), 0);
    assert_int_equal(part_log_start(fixture->part), 6);
    assert_int_equal(part_last_stable_offset(fixture->part), 6);
    fixture_flush(fixture);
    settings.policy.delete_enabled = false;
    fixture_set(fixture, &settings);
    assert_int_equal(delete_records(fixture, -1), KP_ERR_POLICY_VIOLATION);
}

/* --- epochs ------------------------------------------------------------------------------------------------------ */

static void expect_epoch_end(struct fixture *fixture, int32_t asked, int32_t epoch, int64_t end_offset)
{
    int32_t out_epoch = -2;
    int64_t out_end = -2;

    part_epoch_end(fixture->part, asked, &out_epoch, &out_end);
    assert_int_equal(out_epoch, epoch);
    assert_int_equal(out_end, end_offset);
}

static void knows_leader_epochs(void **state)
{
    struct fixture *fixture = *state;
    struct try      pending;

    assert_int_equal(part_check_epoch(fixture->part, -1), 0);
    assert_int_equal(part_check_epoch(fixture->part, 3), 0);
    assert_int_equal(part_check_epoch(fixture->part, 2), KP_ERR_FENCED_LEADER_EPOCH);
    assert_int_equal(part_check_epoch(fixture->part, 4), KP_ERR_UNKNOWN_LEADER_EPOCH);
    expect_epoch_end(fixture, 3, 3, 0);
    fill(fixture, 2);
    part_set_leader_epoch(fixture->part, 5); /* never writes */
    part_set_leader_epoch(fixture->part, 7);
    assert_int_equal(fixture_stored(fixture, 0).leader_epoch, 3);
    fixture_begin(fixture, &pending, fixture_batch(fixture, &(struct batch_recipe){0}));
    expect_epoch_end(fixture, 7, 7, 4); /* the pending record is not shown */
    expect_epoch_end(fixture, 6, 3, 4);
    expect_epoch_end(fixture, 3, 3, 4);
    expect_epoch_end(fixture, 2, 2, 0);
    expect_epoch_end(fixture, 8, -1, -1);
    expect_epoch_end(fixture, -1, -1, -1);
    fixture_flush(fixture);
    assert_int_equal(fixture_stored(fixture, 2).leader_epoch, 7);
    expect_epoch_end(fixture, 7, 7, 5);
    part_set_leader_epoch(fixture->part, 6); /* never backwards */
    assert_int_equal(part_leader_epoch(fixture->part), 7);
    assert_int_equal(delete_records(fixture, 4), 0);
    expect_epoch_end(fixture, 3, 3, 4); /* its data is gone */
    for (int crash = 0; crash < 2; crash++) {
        fixture->options.leader_epoch = 8;
        fixture_restart(fixture, crash != 0);
        expect_epoch_end(fixture, 7, 7, 5);
        expect_epoch_end(fixture, 8, 8, 5);
    }
}

int main(void)
{
#define PART_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        PART_TEST(reads_below_the_high_watermark),
        PART_TEST(gathers_slices),
        PART_TEST(reads_committed),
        PART_TEST(waits_for_memory_only_when_it_holds_nothing),
        PART_TEST(wakes_waiters),
        PART_TEST(estimates_what_is_there),
        PART_TEST(finds_offsets),
        PART_TEST(deletes_records),
        PART_TEST(knows_leader_epochs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
