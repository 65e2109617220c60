/* Idempotent producers: the semantics table, duplicates in flight, expiry, limits, what readers of the state are shown.
 */
#include "tests/unit/part/part_fixture.h"

#define PID INT64_C(4711)

static struct view batch_of(struct fixture *fixture, int64_t producer_id, int16_t epoch, int32_t sequence,
                            int32_t records)
{
    return fixture_batch(fixture, &(struct batch_recipe){.records = records,
                                                         .idempotent = true,
                                                         .producer_id = producer_id,
                                                         .producer_epoch = epoch,
                                                         .base_sequence = sequence});
}

/* One append of the story: what is sent, what comes back. */
struct line {
    int16_t epoch;
    int32_t sequence;
    int32_t records;
    int16_t error;
    int64_t base_offset; /* -1 with an error */
};

#define OUT_OF_ORDER KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER
#define OLD_EPOCH    KP_ERR_INVALID_PRODUCER_EPOCH

static void tell(struct fixture *fixture, int64_t producer_id, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        struct try         attempt;
        int64_t            end_offset = part_log_end(fixture->part);
        bool               appended;

        assert_int_equal(fixture_append(fixture, &attempt,
                                        batch_of(fixture, producer_id, line->epoch, line->sequence, line->records)),
                         line->error);
        assert_int_equal(attempt.append.base_offset, line->base_offset);
        appended = line->error == 0 && line->base_offset == end_offset;
        assert_int_equal(part_log_end(fixture->part), end_offset + (appended ? line->records : 0));
        assert_true((line->error == 0) == (attempt.append.error_message == NULL));
        if (line->error == 0) {
            assert_int_equal(attempt.append.last_offset, line->base_offset + line->records - 1);
        }
    }
}

static void follows_sequences(void **state)
{
    static const struct line story[] = {
        {0, 0, 2, 0, 0},
        {0, 2, 1, 0, 2},
        {0, 2, 1, 0, 2},             /* the last one again */
        {0, 0, 2, 0, 0},             /* the first one again */
        {0, 0, 1, OUT_OF_ORDER, -1}, /* not the same range: no duplicate */
        {0, 4, 1, OUT_OF_ORDER, -1}, /* a gap */
        {0, 1, 1, OUT_OF_ORDER, -1}, /* old */
        {0, 3, 3, 0, 3},
        {0, 6, 1, 0, 6},
        {0, 7, 1, 0, 7},
        {0, 8, 1, 0, 8}, /* six batches: the first is forgotten */
        {0, 0, 2, OUT_OF_ORDER, -1},
        {0, 2, 1, 0, 2},
        {1, 5, 1, OUT_OF_ORDER, -1}, /* a new epoch starts at 0 */
        {1, 0, 1, 0, 9},
        {0, 9, 1, OLD_EPOCH, -1}, /* fenced */
        {0, 8, 1, OLD_EPOCH, -1}, /* also what was a duplicate once */
        {1, 0, 1, 0, 9},
        {1, 1, 1, 0, 10},
        {7, 0, 1, 0, 11}, /* epochs may skip */
    };

    tell(*state, PID, story, COUNT_OF(story));
}

static void lets_unknown_producers_start_anywhere(void **state)
{
    static const struct line story[] = {
        {3, 1000, 2, 0, 0},
        {3, 1002, 1, 0, 2},
        {3, 0, 1, OUT_OF_ORDER, -1},
        {2, 0, 1, OLD_EPOCH, -1},
    };

    tell(*state, PID, story, COUNT_OF(story));
}

static void wraps_sequences(void **state)
{
    static const struct line story[] = {
        {0, INT32_MAX - 2, 2, 0, 0}, /* up to max - 1 */
        {0, INT32_MAX, 3, 0, 2},     /* max, 0, 1 */
        {0, INT32_MAX, 3, 0, 2},     {0, 1, 1, OUT_OF_ORDER, -1}, {0, 2, 1, 0, 5}, {0, INT32_MAX, 3, 0, 2},
    };
    static const struct line exact[] = {
        {0, INT32_MAX, 1, 0, 6},
        {0, 0, 1, 0, 7},
    };

    tell(*state, PID, story, COUNT_OF(story));
    tell(*state, PID + 1, exact, COUNT_OF(exact));
}

static void keeps_producers_apart(void **state)
{
    static const struct line one[] = {{0, 0, 1, 0, 0}};
    static const struct line two[] = {{5, 9, 1, 0, 1}, {5, 10, 1, 0, 2}};
    static const struct line again[] = {{0, 0, 1, 0, 0}, {0, 1, 1, 0, 3}};

    tell(*state, 1, one, COUNT_OF(one));
    tell(*state, INT64_MAX, two, COUNT_OF(two));
    tell(*state, 1, again, COUNT_OF(again));
}

static void holds_duplicates_until_durable(void **state)
{
    struct fixture *fixture = *state;
    struct try      first, second, again, later, hurried;

    fixture_begin(fixture, &first, batch_of(fixture, PID, 0, 0, 2));
    fixture_begin(fixture, &second, batch_of(fixture, PID, 0, 2, 1));
    fixture_begin(fixture, &again, batch_of(fixture, PID, 0, 0, 2));
    fixture_begin(fixture, &later, batch_of(fixture, PID, 0, 2, 1));
    fake_io_settle(&fixture->io);
    assert_int_equal(first.answers + second.answers + again.answers + later.answers, 0);
    assert_int_equal(part_log_end(fixture->part), 3);
    hurried.answers = 0;
    hurried.append = again.append;
    hurried.append.wait_durable = false;
    part_append(fixture->part, &hurried.append);
    fake_io_settle(&fixture->io);
    expect_answer(&hurried, 0);

    fake_store_durable(fixture->log, 2);
    fake_io_settle(&fixture->io);
    expect_answer(&first, 0);
    expect_answer(&again, 0);
    assert_int_equal(again.append.base_offset, 0);
    assert_int_equal(again.append.last_offset, 1);
    assert_int_equal(second.answers + later.answers, 0);
    fixture_flush(fixture);
    expect_answer(&second, 0);
    expect_answer(&later, 0);
    assert_int_equal(later.append.base_offset, 2);
}

static void fails_duplicates_with_their_original(void **state)
{
    struct fixture           *fixture = *state;
    struct part_producer_info info;
    struct try                durable, first, again;
    size_t                    position = 0;

    assert_int_equal(fixture_append(fixture, &durable, batch_of(fixture, PID, 0, 0, 1)), 0);
    fixture_begin(fixture, &first, batch_of(fixture, PID, 1, 0, 2));
    fixture_begin(fixture, &again, batch_of(fixture, PID, 1, 0, 2));
    fake_store_offline(fixture->log);
    fake_io_settle(&fixture->io);
    expect_answer(&first, KP_ERR_KAFKA_STORAGE_ERROR);
    expect_answer(&again, KP_ERR_KAFKA_STORAGE_ERROR);
    assert_false(part_online(fixture->part));
    /* What was durable is what is shown. */
    assert_true(part_producer_next(fixture->part, &position, &info));
    assert_int_equal(info.producer_epoch, 0);
    assert_int_equal(info.last_sequence, 0);
    assert_false(part_producer_next(fixture->part, &position, &info));
}

static void shows_only_durable_producers(void **state)
{
    struct fixture           *fixture = *state;
    struct part_producer_info info;
    struct try                tries[8];
    size_t                    position = 0;

    fixture_begin(fixture, &tries[0], batch_of(fixture, PID, 2, 0, 2));
    assert_false(part_producer_next(fixture->part, &position, &info));
    fixture_flush(fixture);
    for (int i = 0; i < 7; i++) {
        fixture_begin(fixture, &tries[i + 1], batch_of(fixture, PID, 2, 2 + i, 1));
    }
    position = 0;
    assert_true(part_producer_next(fixture->part, &position, &info));
    assert_int_equal(info.producer_id, PID);
    assert_int_equal(info.producer_epoch, 2);
    assert_int_equal(info.last_sequence, 1);
    fake_store_durable(fixture->log, 7);
    position = 0;
    assert_true(part_producer_next(fixture->part, &position, &info));
    assert_int_equal(info.last_sequence, 6);
    fixture_flush(fixture);
    position = 0;
    assert_true(part_producer_next(fixture->part, &position, &info));
    assert_int_equal(info.last_sequence, 8);
    assert_int_equal(info.last_timestamp_ms, fixture->io.wall_ms);
}

static void refuses_without_changing(void **state)
{
    struct fixture *fixture = *state;
    struct try      attempt;
    struct view     batch = batch_of(fixture, PID, 0, 0, 1);

    fixture->store.space_low = true;
    assert_int_equal(fixture_append(fixture, &attempt, batch), KP_ERR_KAFKA_STORAGE_ERROR);
    fixture->store.space_low = false;
    assert_int_equal(fixture_append(fixture, &attempt, batch), 0);
    assert_int_equal(attempt.append.base_offset, 0);
    assert_int_equal(part_log_end(fixture->part), 1);
}

static void forgets_idle_producers(void **state)
{
    struct fixture          *fixture = *state;
    struct part_settings     settings = fixture->options.settings;
    static const struct line before[] = {{0, 0, 1, 0, 0}};
    static const struct line still[] = {{0, 5, 1, OUT_OF_ORDER, -1}, {0, 1, 1, 0, 1}};
    static const struct line after[] = {{0, 77, 1, 0, 2}};

    settings.producer_expiry_ms = 600 * MS_PER_S;
    fixture_set(fixture, &settings);
    tell(fixture, PID, before, COUNT_OF(before));
    fake_io_advance(&fixture->io, 599 * MS_PER_S);
    tell(fixture, PID, still, COUNT_OF(still));
    fake_io_advance(&fixture->io, 599 * MS_PER_S);
    fixture->io.wall_ms += INT64_C(365) * 86400 * MS_PER_S; /* the wall clock expires nobody */
    fake_io_advance(&fixture->io, 0);
    {
        struct part_producer_info info;
        size_t                    position = 0;

        assert_true(part_producer_next(fixture->part, &position, &info));
    }
    fake_io_advance(&fixture->io, 61 * MS_PER_S);
    tell(fixture, PID, after, COUNT_OF(after));
}

static void says_corrupt_before_anything_about_sequences(void **state)
{
    struct fixture *fixture = *state;
    struct try      attempt;
    struct view     batch = batch_of(fixture, PID, 0, 0, 1);
    uint8_t        *damaged = arena_alloc(&fixture->arena, batch.len);

    assert_int_equal(fixture_append(fixture, &attempt, batch), 0);
    memcpy(damaged, batch.base, batch.len);
    damaged[batch.len - 3] ^= 1;
    assert_int_equal(fixture_append(fixture, &attempt, view_of(damaged, batch.len)), KP_ERR_CORRUPT_MESSAGE);
    damaged[56] ^= 8; /* the sequence */
    assert_int_equal(fixture_append(fixture, &attempt, view_of(damaged, batch.len)), KP_ERR_CORRUPT_MESSAGE);
    assert_int_equal(part_log_end(fixture->part), 1);
}

static void returns_the_first_append_time(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct try           attempt;
    struct view          batch = batch_of(fixture, PID, 0, 0, 1);
    int64_t              first_ms = fixture->io.wall_ms;

    settings.log_append_time = true;
    fixture_set(fixture, &settings);
    assert_int_equal(fixture_append(fixture, &attempt, batch), 0);
    fake_io_advance(&fixture->io, 5000);
    assert_int_equal(fixture_append(fixture, &attempt, batch), 0);
    assert_int_equal(attempt.append.append_time_ms, first_ms);
}

static void tracks_transactions(void **state)
{
    struct fixture     *fixture = *state;
    struct try          attempt;
    struct batch_recipe data = {.idempotent = true, .producer_id = 1, .attributes = REC_ATTR_TRANSACTIONAL};

    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.records = 2}), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), 0); /* 2: producer 1 */
    data.producer_id = 2;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), 0); /* 3: producer 2 */
    data.base_sequence = 1;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), 0); /* 4 */
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    assert_int_equal(part_high_watermark(fixture->part), 5);
    data.attributes = 0;
    data.base_sequence = 2;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), KP_ERR_INVALID_TXN_STATE);

    /* A marker counts when it is durable. */
    fixture_begin_internal(fixture, &attempt, fixture_marker(fixture, 1, 0, 9));
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
    fixture_flush(fixture);
    expect_answer(&attempt, 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 3);
    /* A marker of an older coordinator or epoch, and of a transaction that is none. */
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_marker(fixture, 1, 0, 8)),
                     KP_ERR_TRANSACTION_COORDINATOR_FENCED);
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_marker(fixture, 1, 0, 9)), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 3);
    /* The marker may raise the epoch, and closes the transaction of producer 2. */
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_marker(fixture, 2, 1, 9)), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 8);
    data.base_sequence = 0;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), KP_ERR_INVALID_PRODUCER_EPOCH);
    data.producer_epoch = 1;
    data.base_sequence = 2;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    data.base_sequence = 0;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &data), 0);
}

static void clients_may_not_write_markers(void **state)
{
    struct fixture *fixture = *state;
    struct try      attempt;

    assert_int_equal(fixture_append(fixture, &attempt, fixture_marker(fixture, 1, 0, 0)), KP_ERR_INVALID_RECORD);
}

int main(void)
{
#define PART_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        PART_TEST(follows_sequences),
        PART_TEST(lets_unknown_producers_start_anywhere),
        PART_TEST(wraps_sequences),
        PART_TEST(keeps_producers_apart),
        PART_TEST(holds_duplicates_until_durable),
        PART_TEST(fails_duplicates_with_their_original),
        PART_TEST(shows_only_durable_producers),
        PART_TEST(refuses_without_changing),
        PART_TEST(forgets_idle_producers),
        PART_TEST(says_corrupt_before_anything_about_sequences),
        PART_TEST(returns_the_first_append_time),
        PART_TEST(tracks_transactions),
        PART_TEST(clients_may_not_write_markers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
