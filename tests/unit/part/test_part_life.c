/* Opening, offline, retry, deletion, stop; snapshots and replay. */
#include "tests/unit/part/part_fixture.h"

#define PID INT64_C(99)

static int16_t produce(struct fixture *fixture, int16_t epoch, int32_t sequence, int64_t *out_offset)
{
    struct try attempt;
    int16_t    error = fixture_append_recipe(
           fixture, &attempt,
           &(struct batch_recipe){
               .idempotent = true, .producer_id = PID, .producer_epoch = epoch, .base_sequence = sequence});

    *out_offset = attempt.append.base_offset;
    return error;
}

static void done_is(void *context, int16_t error)
{
    int16_t *out = context;

    *out = error;
}

static void finds_parts(void **state)
{
    struct fixture     *fixture = *state;
    struct part_options options = fixture->options;
    struct part        *other;
    int16_t             error = -2;
    size_t              position = 0;

    options.partition = 1;
    other = part_open(fixture->table, &options, done_is, &error);
    assert_false(part_ready(other));
    assert_ptr_equal(part_find(fixture->table, view_text(FIXTURE_TOPIC), 1), other);
    assert_ptr_equal(part_find(fixture->table, view_text(FIXTURE_TOPIC), 0), fixture->part);
    assert_null(part_find(fixture->table, view_text(FIXTURE_TOPIC), 2));
    assert_null(part_find(fixture->table, view_text(""), 0));
    assert_ptr_equal(part_find_id(fixture->table, options.topic_id, 1), other);
    assert_int_equal(part_table_count(fixture->table), 2);
    assert_ptr_equal(part_table_next(fixture->table, &position), fixture->part);
    assert_ptr_equal(part_table_next(fixture->table, &position), other);
    assert_null(part_table_next(fixture->table, &position));
    fake_io_settle(&fixture->io);
    assert_int_equal(error, 0);
    assert_true(part_ready(other));
    assert_true(part_online(other));
}

static void answers_while_opening(void **state)
{
    struct fixture     *fixture = *state;
    struct part_options options = fixture->options;
    struct part        *whole = fixture->part;
    int16_t             error = -2;
    struct try          attempt;

    options.partition = 1;
    fixture->part = part_open(fixture->table, &options, done_is, &error);
    fixture_begin(fixture, &attempt, fixture_batch(fixture, &(struct batch_recipe){0}));
    fake_io_turn(&fixture->io);
    fake_io_turn(&fixture->io);
    expect_answer(&attempt, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(part_log_end(fixture->part), 0);
    /* Deletion may come before the open has come back. */
    part_delete(fixture->part, done_is, &error);
    fake_io_settle(&fixture->io);
    assert_int_equal(error, 0);
    fixture->part = whole;
    assert_int_equal(part_table_count(fixture->table), 1);
}

static void goes_offline_and_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct try      attempt, pending, waiting;
    int64_t         offset;
    int16_t         error = -2;

    assert_int_equal(produce(fixture, 0, 0, &offset), 0);
    fixture_begin(
        fixture, &pending,
        fixture_batch(fixture, &(struct batch_recipe){.idempotent = true, .producer_id = PID, .base_sequence = 1}));
    fixture->store.memory_low = true;
    fixture_begin(fixture, &waiting, fixture_batch(fixture, &(struct batch_recipe){0}));
    fake_store_offline(fixture->log);
    fake_io_settle(&fixture->io);
    fixture->store.memory_low = false;
    expect_answer(&pending, KP_ERR_KAFKA_STORAGE_ERROR);
    expect_answer(&waiting, KP_ERR_KAFKA_STORAGE_ERROR);
    assert_non_null(strstr(pending.append.error_message, "unknown"));
    assert_true(part_ready(fixture->part));
    assert_false(part_online(fixture->part));
    assert_int_equal(part_high_watermark(fixture->part), 1);
    fixture_begin(fixture, &attempt, fixture_batch(fixture, &(struct batch_recipe){0}));
    fake_io_settle(&fixture->io);
    expect_answer(&attempt, KP_ERR_KAFKA_STORAGE_ERROR);
    assert_non_null(strstr(attempt.append.error_message, "offline"));

    part_retry(fixture->part, done_is, &error);
    assert_false(part_ready(fixture->part));
    fake_io_settle(&fixture->io);
    assert_int_equal(error, 0);
    assert_true(part_online(fixture->part));
    fixture->log = fake_store_log(&fixture->store, FIXTURE_TOPIC, 0);
    /* The batch in flight is gone, its sequence is free; the durable one is known. */
    assert_int_equal(produce(fixture, 0, 0, &offset), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(produce(fixture, 0, 1, &offset), 0);
    assert_int_equal(offset, 1);
}

static void opens_damaged_and_broken_logs(void **state)
{
    struct fixture   *fixture = *state;
    struct try        attempt;
    int64_t           offset;
    struct part_read *read = mem_alloc(MEM_TEST, sizeof(*read));

    assert_int_equal(produce(fixture, 0, 0, &offset), 0);
    fixture_close(fixture);
    fixture->store.open_result = ERR_CORRUPT;
    fixture_open(fixture);
    assert_int_equal(fixture->open_error, KP_ERR_KAFKA_STORAGE_ERROR);
    assert_false(part_online(fixture->part));
    *read = (struct part_read){.offset = 0, .bytes_max = 1000, .at_least_one = true};
    assert_true(part_read(fixture->part, read));
    assert_int_equal(read->error, 0);
    assert_true(read->store.bytes > 0);
    part_read_release(read);
    fixture_close(fixture);
    fixture->store.open_result = ERR_IO;
    fixture_open(fixture);
    assert_int_equal(fixture->open_error, KP_ERR_KAFKA_STORAGE_ERROR);
    assert_true(part_read(fixture->part, read));
    assert_int_equal(read->error, KP_ERR_KAFKA_STORAGE_ERROR);
    part_read_release(read);
    fixture_begin(fixture, &attempt, fixture_batch(fixture, &(struct batch_recipe){0}));
    fake_io_settle(&fixture->io);
    expect_answer(&attempt, KP_ERR_KAFKA_STORAGE_ERROR);
    mem_free(MEM_TEST, read);
}

static void deletes_topics(void **state)
{
    struct fixture *fixture = *state;
    struct try      durable, pending, waiting, again;
    int64_t         offset;
    int16_t         error = -2;

    assert_int_equal(produce(fixture, 0, 0, &offset), 0);
    fixture_begin(fixture, &pending,
                  fixture_batch(fixture, &(struct batch_recipe){.idempotent = true, .producer_id = 1}));
    fixture_begin(fixture, &again,
                  fixture_batch(fixture, &(struct batch_recipe){.idempotent = true, .producer_id = 1}));
    fixture->store.memory_low = true;
    fixture_begin(fixture, &waiting, fixture_batch(fixture, &(struct batch_recipe){0}));
    part_delete(fixture->part, done_is, &error);
    assert_int_equal(error, -2);
    assert_null(part_find(fixture->table, view_text(FIXTURE_TOPIC), 0));
    fixture->store.memory_low = false;
    fake_io_settle(&fixture->io);
    assert_int_equal(error, 0);
    expect_answer(&pending, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    expect_answer(&again, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    expect_answer(&waiting, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    /* The same name again starts empty. */
    fixture->part = part_open(fixture->table, &fixture->options, done_is, &error);
    fake_io_settle(&fixture->io);
    fixture->log = fake_store_log(&fixture->store, FIXTURE_TOPIC, 0);
    assert_int_equal(fixture_append_recipe(fixture, &durable, &(struct batch_recipe){0}), 0);
    assert_int_equal(durable.append.base_offset, 0);
}

static void stops_with_work_in_flight(void **state)
{
    struct fixture *fixture = *state;
    struct try      checking, queued, pending;

    fixture_begin(fixture, &pending, fixture_batch(fixture, &(struct batch_recipe){0}));
    fixture_begin(
        fixture, &checking,
        fixture_batch(fixture, &(struct batch_recipe){.records = 40, .value_bytes = 60000, .codec = REC_LZ4}));
    fixture_begin(fixture, &queued, fixture_batch(fixture, &(struct batch_recipe){0}));
    fixture_close(fixture);
    expect_answer(&checking, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    expect_answer(&queued, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    expect_answer(&pending, KP_ERR_NOT_LEADER_OR_FOLLOWER);
}

static void stops_while_it_recompresses(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct try           large, queued;

    settings.codec = REC_ZSTD;
    settings.batch_bytes_max = 4 << 20;
    fixture_set(fixture, &settings);
    fixture_begin(fixture, &large, fixture_batch(fixture, &(struct batch_recipe){.records = 40, .value_bytes = 60000}));
    fixture_begin(fixture, &queued, fixture_batch(fixture, &(struct batch_recipe){0}));
    assert_true(fake_io_turn(&fixture->io) > 0);
    assert_true(fake_io_turn(&fixture->io) > 0);
    assert_int_equal(part_log_end(fixture->part), 0);
    assert_int_equal(large.answers, 0);
    fixture_close(fixture);
    expect_answer(&large, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    expect_answer(&queued, KP_ERR_NOT_LEADER_OR_FOLLOWER);
}

/* --- what survives -------------------------------------------------------------------------------------------------
 */

static void remembers_producers(void **state)
{
    static const struct {
        bool snapshot; /* taken in the middle */
        bool crash;
    } ways[] = {{false, false}, {false, true}, {true, false}, {true, true}};
    struct fixture *fixture = *state;
    int64_t         offset;
    int32_t         sequence = 0;

    for (size_t way = 0; way < COUNT_OF(ways); way++) {
        for (int i = 0; i < 8; i++) {
            assert_int_equal(produce(fixture, 0, sequence++, &offset), 0);
            if (i == 4 && ways[way].snapshot) {
                fake_store_snapshot(fixture->log);
            }
        }
        fixture_restart(fixture, ways[way].crash);
        for (int32_t back = 1; back <= 5; back++) {
            assert_int_equal(produce(fixture, 0, sequence - back, &offset), 0);
            assert_int_equal(offset, sequence - back);
        }
        assert_int_equal(produce(fixture, 0, sequence - 6, &offset), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_int_equal(produce(fixture, 0, sequence + 1, &offset), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
}

static void forgets_what_a_crash_took(void **state)
{
    struct fixture *fixture = *state;
    int64_t         offset;
    struct try      lost;

    assert_int_equal(produce(fixture, 0, 0, &offset), 0);
    fixture_begin(
        fixture, &lost,
        fixture_batch(fixture, &(struct batch_recipe){.idempotent = true, .producer_id = PID, .base_sequence = 1}));
    /* The segment rolls: this snapshot is of the speculative end, which the crash will not leave. */
    fixture->store.trusts_snapshots = true;
    fake_store_snapshot(fixture->log);
    fixture_restart(fixture, true);
    expect_answer(&lost, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(part_log_end(fixture->part), 1);
    assert_int_equal(produce(fixture, 0, 1, &offset), 0);
    assert_int_equal(offset, 1);
}

static void keeps_transactions_open_over_restarts(void **state)
{
    struct fixture     *fixture = *state;
    struct try          attempt;
    struct batch_recipe data = {.idempotent = true, .attributes = REC_ATTR_TRANSACTIONAL, .records = 2};

    for (int64_t producer_id = 3; producer_id > 0; producer_id--) {
        data.producer_id = producer_id;
        assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), 0);
    }
    /* Producer 1 writes last but one, so that the snapshot's order is not the transactions' order. */
    data.producer_id = 3;
    data.base_sequence = 2;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), 0);
    for (int crash = 0; crash < 2; crash++) {
        fixture_restart(fixture, crash != 0);
        assert_int_equal(part_last_stable_offset(fixture->part), 0);
    }
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_marker(fixture, 3, 0, 0)), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    fixture_restart(fixture, true);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_marker(fixture, 1, 0, 0)), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_marker(fixture, 2, 0, 0)), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), part_high_watermark(fixture->part));
}

static void expires_by_the_wall_clock_after_a_start(void **state)
{
    struct fixture           *fixture = *state;
    struct part_producer_info info;
    int64_t                   offset;
    size_t                    position = 0;

    assert_int_equal(produce(fixture, 0, 0, &offset), 0);
    fixture_close(fixture);
    fixture->io.wall_ms += INT64_C(30) * 86400 * MS_PER_S;
    fixture_open(fixture);
    fake_io_advance(&fixture->io, 9 * 60 * MS_PER_S);
    assert_true(part_producer_next(fixture->part, &position, &info)); /* the clock may have jumped: grace */
    fake_io_advance(&fixture->io, 2 * 60 * MS_PER_S);
    position = 0;
    assert_false(part_producer_next(fixture->part, &position, &info));
}

/* Every cut and every flipped bit: refused as a whole, and the log replayed instead. */
static void refuses_damaged_snapshots(void **state)
{
    struct fixture   *fixture = *state;
    struct fake_disk *disk;
    uint8_t          *whole;
    size_t            len;
    int64_t           offset;

    assert_int_equal(produce(fixture, 0, 0, &offset), 0);
    assert_int_equal(produce(fixture, 0, 1, &offset), 0);
    disk = fake_store_disk(fixture->log);
    fake_store_snapshot(fixture->log);
    whole = disk->snapshot;
    len = disk->snapshot_len;
    disk->snapshot = NULL;
    for (size_t at = 0; at < 2 * len; at++) {
        bool cut = at >= len;

        disk->snapshot_len = cut ? at - len : len;
        disk->snapshot = mem_alloc(MEM_STORE, len);
        memcpy(disk->snapshot, whole, len);
        if (!cut) {
            disk->snapshot[at] ^= (uint8_t)(1U << (at % 8));
        }
        fixture_restart(fixture, true);
        mem_free(MEM_STORE, disk->snapshot);
        disk->snapshot = NULL;
        assert_int_equal(produce(fixture, 0, 3, &offset), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_int_equal(produce(fixture, 0, 1, &offset), 0);
        assert_int_equal(offset, 1);
    }
    mem_free(MEM_STORE, whole);
}

/* Lies with a right checksum: counts, orders and ranges are checked for themselves. */
static void refuses_lying_snapshots(void **state)
{
    static const struct {
        size_t   at;
        size_t   width;
        uint64_t value;
    } lies[] = {
        {8, 8, 1},                       /* state offset below the snapshot's: a hole */
        {8, 8, UINT64_MAX},              /* negative */
        {16, 4, 2},                      /* more producers than there are bytes */
        {16, 4, UINT32_MAX}, {16, 4, 0}, /* bytes left over */
        {20, 4, UINT32_MAX},             /* epochs */
        {24, 4, UINT32_MAX},             /* aborted transactions */
        {28, 4, UINT32_MAX},             /* epoch -1 */
        {32, 8, UINT64_MAX},             /* its start */
        {40, 8, UINT64_MAX},             /* producer id -1 */
        {64, 8, 2},                      /* a transaction from the future */
        {76, 2, 0xffff},                 /* producer epoch -1 */
        {78, 2, 6},                      /* six batches */
        {80, 4, UINT32_MAX},             /* sequence -1 */
        {96, 8, UINT64_MAX},             /* last offset before the first */
        {96, 8, 2},                      /* a batch from the future */
        {88 + 32, 8, 0},                 /* batches out of order */
    };
    struct fixture   *fixture = *state;
    struct fake_disk *disk;
    uint8_t          *whole;
    size_t            len;
    int64_t           offset;

    assert_int_equal(produce(fixture, 0, 0, &offset), 0);
    assert_int_equal(produce(fixture, 0, 1, &offset), 0);
    disk = fake_store_disk(fixture->log);
    fake_store_snapshot(fixture->log);
    whole = disk->snapshot;
    len = disk->snapshot_len;
    assert_int_equal(len, 28 + 12 + 40 + 2 * 32 + 4);
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        uint8_t value[8];

        disk->snapshot = mem_alloc(MEM_STORE, len);
        disk->snapshot_len = len;
        disk->snapshot_offset = 2;
        memcpy(disk->snapshot, whole, len);
        store_le64(value, lies[i].value);
        memcpy(disk->snapshot + lies[i].at, value, lies[i].width);
        store_le32(disk->snapshot + len - 4, crc32c_update(0, disk->snapshot, len - 4));
        fixture_restart(fixture, true);
        assert_int_equal(part_last_stable_offset(fixture->part), 2);
        mem_free(MEM_STORE, disk->snapshot);
        disk->snapshot = NULL;
        assert_int_equal(produce(fixture, 0, 3, &offset), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_int_equal(produce(fixture, 0, 0, &offset), 0);
        assert_int_equal(offset, 0);
    }
    mem_free(MEM_STORE, whole);
}

int main(void)
{
#define PART_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        PART_TEST(finds_parts),
        PART_TEST(answers_while_opening),
        PART_TEST(goes_offline_and_comes_back),
        PART_TEST(opens_damaged_and_broken_logs),
        PART_TEST(deletes_topics),
        PART_TEST(stops_with_work_in_flight),
        PART_TEST(stops_while_it_recompresses),
        PART_TEST(remembers_producers),
        PART_TEST(forgets_what_a_crash_took),
        PART_TEST(keeps_transactions_open_over_restarts),
        PART_TEST(expires_by_the_wall_clock_after_a_start),
        PART_TEST(refuses_damaged_snapshots),
        PART_TEST(refuses_lying_snapshots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
