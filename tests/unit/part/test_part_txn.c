/* Transactions in a partition: how they end, and what readers of committed data are told. */
#include "tests/unit/part/part_fixture.h"

#define PID 7

/* --- markers ----------------------------------------------------------------------------------------------------- */

static void markers_are_fenced(void **state)
{
    struct fixture    *fixture = *state;
    struct part_marker marker = {.producer_id = PID, .producer_epoch = 3, .coordinator_epoch = 5, .commit = true};

    assert_int_equal(fixture_send(fixture, PID, 3, 0), 0);
    marker.producer_epoch = 2;
    assert_int_equal(fixture_mark(fixture, &marker), KP_ERR_INVALID_PRODUCER_EPOCH);
    /* Version 2: above the transaction's own; and again, when it comes again. */
    marker.producer_epoch = 3;
    marker.version = 2;
    assert_int_equal(fixture_mark(fixture, &marker), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(part_last_stable_offset(fixture->part), 0);
    marker.producer_epoch = 4;
    assert_int_equal(fixture_mark(fixture, &marker), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    assert_int_equal(fixture_mark(fixture, &marker), 0);
    marker.coordinator_epoch = 4;
    assert_int_equal(fixture_mark(fixture, &marker), KP_ERR_TRANSACTION_COORDINATOR_FENCED);
    marker.coordinator_epoch = 6;
    assert_int_equal(fixture_mark(fixture, &marker), 0);
    /* The producer goes on in the marker's epoch, from 0. */
    assert_int_equal(fixture_send(fixture, PID, 4, 1), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(fixture_end(fixture, PID, 3, true), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(fixture_send(fixture, PID, 4, 0), 0);
    /* Version 1: the same epoch. */
    marker.version = 1;
    assert_int_equal(fixture_mark(fixture, &marker), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), part_high_watermark(fixture->part));
    /* The last epoch there is. */
    assert_int_equal(fixture_send(fixture, PID, INT16_MAX, 0), 0);
    marker = (struct part_marker){
        .producer_id = PID, .producer_epoch = INT16_MAX, .coordinator_epoch = 6, .version = 2, .commit = true};
    assert_int_equal(fixture_mark(fixture, &marker), 0);
}

/* The owner writes without asking a coordinator; others get neither a batch nor a marker in. */
static void reserved_producers_have_one_writer(void **state)
{
    struct fixture           *fixture = *state;
    struct part_marker        marker = {.producer_id = PID, .producer_epoch = 3, .commit = true};
    struct part_producer_info info;
    struct try                attempt;

    part_table_reserve(fixture->table, PID);
    part_table_reserve(fixture->table, PID);
    assert_true(part_table_reserved(fixture->table, PID) && !part_table_reserved(fixture->table, PID + 1));
    assert_false(part_producer_find(fixture->part, PID, &info));
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_txn_batch(fixture, PID, 3, 0)), 0);
    assert_true(part_producer_find(fixture->part, PID, &info));
    assert_int_equal(info.txn_first_offset, 0);
    assert_int_equal(info.producer_epoch, 3);
    assert_int_equal(fixture_append(fixture, &attempt, fixture_txn_batch(fixture, PID, 3, 1)),
                     KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(fixture_mark(fixture, &marker), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(part_last_stable_offset(fixture->part), 0);
    marker.by_owner = true;
    assert_int_equal(fixture_mark(fixture, &marker), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    assert_true(part_producer_find(fixture->part, PID, &info));
    assert_int_equal(info.txn_first_offset, -1);
    part_table_release(fixture->table, PID);
    part_table_release(fixture->table, PID);
    assert_false(part_table_reserved(fixture->table, PID));
    assert_int_equal(fixture_send(fixture, PID, 3, 1), 0);
}

static void markers_end_with_the_part(void **state)
{
    struct fixture *fixture = *state;
    struct marking  marking = {.marker = {.producer_id = PID}};

    fixture_begin_marker(fixture, &marking);
    fixture_close(fixture);
    assert_int_equal(marking.answers, 1);
    assert_int_equal(marking.marker.error, KP_ERR_NOT_LEADER_OR_FOLLOWER); /* to be asked for again */
    fixture_open(fixture);
    fake_store_offline(fixture->log);
    fixture_begin_marker(fixture, &marking);
    fake_io_settle(&fixture->io);
    assert_int_equal(marking.answers, 1);
    assert_int_equal(marking.marker.error, KP_ERR_KAFKA_STORAGE_ERROR);
}

/* --- what readers are told --------------------------------------------------------------------------------------- */

/* Offsets: 0-1 A, 2 B, 3 plain, 4 abort A, 5 B, 6 C, 7 commit C, 8 abort B, 9 plain, 10 A, 11 abort A */
static void fill(struct fixture *fixture)
{
    struct try attempt;

    assert_int_equal(fixture_send(fixture, 1, 0, 0), 0);
    assert_int_equal(fixture_send(fixture, 1, 0, 1), 0);
    assert_int_equal(fixture_send(fixture, 2, 0, 0), 0);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){0}), 0);
    assert_int_equal(fixture_end(fixture, 1, 0, false), 0);
    assert_int_equal(fixture_send(fixture, 2, 0, 1), 0);
    assert_int_equal(fixture_send(fixture, 3, 0, 0), 0);
    assert_int_equal(fixture_end(fixture, 3, 0, true), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    assert_int_equal(fixture_end(fixture, 2, 0, false), 0);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){0}), 0);
    assert_int_equal(fixture_send(fixture, 1, 0, 2), 0);
    assert_int_equal(fixture_end(fixture, 1, 0, false), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 12);
}

static const struct part_aborted filled[] = {{1, 0, 4, 2}, {2, 2, 8, 9}, {1, 10, 11, 12}};

static void expect_aborted(struct fixture *fixture, int64_t from, int64_t to, size_t first, size_t count)
{
    struct part_aborted aborted;
    size_t              position = 0;

    for (size_t i = first; i < first + count; i++) {
        assert_true(part_aborted_next(fixture->part, from, to, &position, &aborted));
        assert_memory_equal(&aborted, &filled[i], sizeof(aborted));
    }
    assert_false(part_aborted_next(fixture->part, from, to, &position, &aborted));
}

static void remembers_aborted_transactions(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture);
    for (int round = 0; round < 4; round++) {
        expect_aborted(fixture, 0, 12, 0, 3);
        expect_aborted(fixture, 0, 2, 0, 1);
        expect_aborted(fixture, 4, 5, 0, 2);
        expect_aborted(fixture, 5, 10, 1, 1);
        expect_aborted(fixture, 9, 10, 0, 0);
        expect_aborted(fixture, 9, 11, 2, 1);
        expect_aborted(fixture, 12, 100, 0, 0);
        /* Kept by the checkpoint of a clean stop; rebuilt from the batches; from an old snapshot and the batches. */
        if (round == 2) {
            fake_store_snapshot(fixture->log);
        }
        fixture_restart(fixture, round >= 1);
    }
}

static void aborted_ones_come_back_behind_a_snapshot(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture_send(fixture, 1, 0, 0), 0);
    assert_int_equal(fixture_send(fixture, 2, 0, 0), 0);
    fake_store_snapshot(fixture->log); /* both are open */
    assert_int_equal(fixture_end(fixture, 2, 0, false), 0);
    fixture_restart(fixture, true);
    assert_int_equal(part_last_stable_offset(fixture->part), 0);
    assert_int_equal(fixture_end(fixture, 1, 0, false), 0);
    fixture_restart(fixture, true);
    assert_int_equal(part_last_stable_offset(fixture->part), 4);
    for (size_t i = 0, position = 0; i < 2; i++) {
        struct part_aborted aborted;

        assert_true(part_aborted_next(fixture->part, 0, 4, &position, &aborted));
        assert_int_equal(aborted.producer_id, 2 - (int64_t)i);
        assert_int_equal(aborted.last_offset, 2 + (int64_t)i);
    }
}

/* Lists that lie under a right checksum: the batches are asked instead. */
static void refuses_lying_lists(void **state)
{
    static const struct {
        size_t  entry; /* from the end */
        size_t  at;
        int64_t value;
    } lies[] = {
        {1, 0, -1},  /* producer id */
        {1, 8, -1},  /* first offset */
        {1, 8, 11},  /* first offset at the marker */
        {1, 16, 12}, /* a marker from the future */
        {1, 16, 8},  /* two at the same place */
        {3, 16, 9},  /* markers out of order */
        {1, 24, -1}, /* stable offset */
        {1, 24, 13}, /* and beyond the marker */
    };
    struct fixture   *fixture = *state;
    struct fake_disk *disk;
    uint8_t          *whole;
    size_t            len;

    fill(fixture);
    disk = fake_store_disk(fixture->log);
    fake_store_snapshot(fixture->log);
    whole = disk->snapshot;
    len = disk->snapshot_len;
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        disk->snapshot = mem_alloc(MEM_STORE, len);
        disk->snapshot_len = len;
        disk->snapshot_offset = 12;
        memcpy(disk->snapshot, whole, len);
        store_le64(disk->snapshot + len - 4 - lies[i].entry * 32 + lies[i].at, (uint64_t)lies[i].value);
        store_le32(disk->snapshot + len - 4, crc32c_update(0, disk->snapshot, len - 4));
        fixture_restart(fixture, true);
        expect_aborted(fixture, 0, 12, 0, 3);
        assert_int_equal(part_last_stable_offset(fixture->part), 12);
        mem_free(MEM_STORE, disk->snapshot);
        disk->snapshot = NULL;
    }
    mem_free(MEM_STORE, whole);
}

static void forgets_aborted_transactions(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture);
    part_aborted_forget(fixture->part, 0, 0);
    expect_aborted(fixture, 0, 12, 0, 3);
    part_aborted_forget(fixture->part, 0, 4);
    expect_aborted(fixture, 0, 12, 0, 3);
    part_aborted_forget(fixture->part, 4, 8);
    expect_aborted(fixture, 0, 12, 1, 2);
    fake_store_snapshot(fixture->log);
    fixture_restart(fixture, true);
    expect_aborted(fixture, 0, 12, 1, 2);
    part_aborted_forget(fixture->part, 9, 12);
    expect_aborted(fixture, 0, 12, 1, 1);
}

static void trimmed(void *context, int16_t error)
{
    int16_t *out = context;

    *out = error;
}

static void the_start_takes_aborted_transactions(void **state)
{
    struct fixture *fixture = *state;
    int16_t         error = -2;

    fill(fixture);
    part_delete_records(fixture->part, 8, trimmed, &error);
    fake_io_settle(&fixture->io);
    assert_int_equal(error, 0);
    expect_aborted(fixture, 0, 12, 1, 2); /* the marker at 8 is still there */
    error = -2;
    part_delete_records(fixture->part, 9, trimmed, &error);
    fake_io_settle(&fixture->io);
    assert_int_equal(error, 0);
    expect_aborted(fixture, 0, 12, 2, 1);
    fixture_restart(fixture, false);
    expect_aborted(fixture, 0, 12, 2, 1);
}

struct reading {
    struct part_read read;
    int              answers;
};

static void read_answered(struct part_read *read)
{
    CONTAINER_OF(read, struct reading, read)->answers++;
}

static bool read_committed(struct fixture *fixture, struct reading *reading, int64_t offset, size_t bytes_max)
{
    *reading = (struct reading){.read = {.offset = offset,
                                         .bytes_max = bytes_max,
                                         .at_least_one = true,
                                         .committed = true,
                                         .arena = &fixture->arena,
                                         .done = read_answered}};
    return part_read(fixture->part, &reading->read);
}

static void readers_are_told_by_first_offset(void **state)
{
    struct fixture *fixture = *state;
    struct reading  reading;
    struct arena    none;

    fill(fixture);
    /* B began before A's second transaction, but ends in the middle: give it an earlier beginning than its neighbour */
    assert_true(read_committed(fixture, &reading, 0, 1 << 20));
    assert_int_equal(reading.read.error, 0);
    assert_int_equal(reading.read.aborted_count, 3);
    for (int32_t i = 1; i < reading.read.aborted_count; i++) {
        assert_true(reading.read.aborted[i - 1].first_offset < reading.read.aborted[i].first_offset);
    }
    part_read_release(&reading.read);
    assert_true(read_committed(fixture, &reading, 0, 1)); /* one batch */
    assert_int_equal(reading.read.aborted_count, 1);
    part_read_release(&reading.read);
    assert_true(read_committed(fixture, &reading, 9, 1));
    assert_int_equal(reading.read.aborted_count, 0);
    part_read_release(&reading.read);
    /* Uncommitted readers are told nothing. */
    reading =
        (struct reading){.read = {.offset = 0, .bytes_max = 1 << 20, .arena = &fixture->arena, .done = read_answered}};
    assert_true(part_read(fixture->part, &reading.read));
    assert_int_equal(reading.read.aborted_count, 0);
    part_read_release(&reading.read);
    /* Without memory for the list no records, either. */
    arena_init(&none, MEM_TEST, 16, 16);
    reading = (struct reading){
        .read = {.offset = 0, .bytes_max = 1 << 20, .committed = true, .arena = &none, .done = read_answered}};
    assert_true(part_read(fixture->part, &reading.read));
    assert_int_equal(reading.read.error, KP_ERR_KAFKA_STORAGE_ERROR);
    assert_int_equal(reading.read.store.bytes, 0);
    part_read_release(&reading.read);
    arena_deinit(&none);
}

static void nested_transactions_are_sorted(void **state)
{
    struct fixture *fixture = *state;
    struct reading  reading;

    for (int64_t pid = 1; pid <= 5; pid++) {
        assert_int_equal(fixture_send(fixture, pid, 0, 0), 0);
    }
    for (int64_t pid = 5; pid >= 1; pid--) {
        assert_int_equal(fixture_end(fixture, pid, 0, false), 0);
    }
    assert_true(read_committed(fixture, &reading, 0, 1 << 20));
    assert_int_equal(reading.read.aborted_count, 5);
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(reading.read.aborted[i].first_offset, i);
        assert_int_equal(reading.read.aborted[i].last_offset, 9 - i);
    }
    part_read_release(&reading.read);
}

/* In a compacted log an old snapshot may bring back what compaction had forgotten: without its marker it is nothing. */
static void entries_without_their_marker_are_forgotten(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct reading       reading;

    fill(fixture);
    store_be32(fake_store_disk(fixture->log)->batches[4].bytes + 57, 0); /* the first marker has no record any more */
    assert_true(read_committed(fixture, &reading, 0, 1 << 20));
    assert_int_equal(reading.read.aborted_count, 3); /* nobody looks where nothing is compacted */
    part_read_release(&reading.read);
    settings.policy.compact_enabled = true;
    fixture_set(fixture, &settings);
    fixture->store.slice_bytes = 10;
    assert_true(read_committed(fixture, &reading, 0, 1 << 20));
    assert_int_equal(reading.read.aborted_count, 3); /* nor where batches cannot be told apart */
    part_read_release(&reading.read);
    fixture->store.slice_bytes = 0;
    assert_true(read_committed(fixture, &reading, 0, 1)); /* up to before its marker it does no harm */
    assert_int_equal(reading.read.aborted_count, 1);
    part_read_release(&reading.read);
    assert_true(read_committed(fixture, &reading, 0, 1 << 20));
    assert_int_equal(reading.read.aborted_count, 2);
    assert_int_equal(reading.read.aborted[0].producer_id, 2);
    part_read_release(&reading.read);
    expect_aborted(fixture, 0, 12, 1, 2);
}

/* The start has taken entries with it that the batches may belong to. */
static void reads_that_the_start_overtakes_fail(void **state)
{
    struct fixture *fixture = *state;
    struct reading  reading;
    int16_t         error = -2;

    fill(fixture);
    fixture->store.reads_later = true;
    assert_false(read_committed(fixture, &reading, 0, 1 << 20));
    part_delete_records(fixture->part, 9, trimmed, &error);
    fake_io_settle(&fixture->io);
    assert_int_equal(reading.answers, 1);
    assert_int_equal(error, 0);
    if (reading.read.error == 0) { /* the read came first: then it was told all */
        assert_int_equal(reading.read.aborted_count, 3);
    } else {
        assert_int_equal(reading.read.error, KP_ERR_OFFSET_OUT_OF_RANGE);
        assert_int_equal(reading.read.store.bytes, 0);
    }
    part_read_release(&reading.read);
}

/* --- DescribeProducers ------------------------------------------------------------------------------------------- */

static struct part_producer_info describe(struct fixture *fixture, int64_t producer_id)
{
    struct part_producer_info info;
    size_t                    position = 0;

    while (part_producer_next(fixture->part, &position, &info)) {
        if (info.producer_id == producer_id) {
            return info;
        }
    }
    return (struct part_producer_info){.producer_id = -1};
}

static void describes_durable_transactions(void **state)
{
    struct fixture *fixture = *state;
    struct try      pending;
    struct marking  marking = {
         .marker = {.producer_id = PID, .producer_epoch = 0, .coordinator_epoch = 4, .commit = true}};

    fixture_begin(fixture, &pending, fixture_txn_batch(fixture, PID, 0, 0));
    fake_io_settle(&fixture->io);
    assert_int_equal(describe(fixture, PID).producer_id, -1); /* not durable */
    fixture_flush(fixture);
    assert_int_equal(describe(fixture, PID).txn_first_offset, 0);
    assert_int_equal(describe(fixture, PID).coordinator_epoch, -1);
    fixture_begin_marker(fixture, &marking);
    fake_io_settle(&fixture->io);
    assert_int_equal(describe(fixture, PID).txn_first_offset, 0); /* its end is not */
    fixture_flush(fixture);
    assert_int_equal(describe(fixture, PID).txn_first_offset, -1);
    assert_int_equal(describe(fixture, PID).coordinator_epoch, 4);
    assert_int_equal(fixture_send(fixture, PID, 0, 1), 0);
    assert_int_equal(describe(fixture, PID).txn_first_offset, 2);
    /* A failed log: the marker may not be there. */
    fixture_begin_marker(fixture, &marking);
    fake_store_offline(fixture->log);
    fake_io_settle(&fixture->io);
    assert_int_equal(marking.answers, 1);
    assert_int_equal(marking.marker.error, KP_ERR_KAFKA_STORAGE_ERROR);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
}

int main(void)
{
#define PART_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        PART_TEST(markers_are_fenced),
        PART_TEST(reserved_producers_have_one_writer),
        PART_TEST(markers_end_with_the_part),
        PART_TEST(remembers_aborted_transactions),
        PART_TEST(aborted_ones_come_back_behind_a_snapshot),
        PART_TEST(refuses_lying_lists),
        PART_TEST(forgets_aborted_transactions),
        PART_TEST(the_start_takes_aborted_transactions),
        PART_TEST(readers_are_told_by_first_offset),
        PART_TEST(nested_transactions_are_sorted),
        PART_TEST(entries_without_their_marker_are_forgotten),
        PART_TEST(reads_that_the_start_overtakes_fail),
        PART_TEST(describes_durable_transactions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
