/* The append path: what is stored, what is refused and how, in which order, and when it is answered. */
#include "tests/unit/part/part_fixture.h"

static void stores_stamped_batches(void **state)
{
    struct fixture  *fixture = *state;
    struct try       first, second;
    struct rec_batch stored;

    assert_int_equal(fixture_append_recipe(fixture, &first, &(struct batch_recipe){.records = 3}), 0);
    assert_int_equal(fixture_append_recipe(fixture, &second, &(struct batch_recipe){.records = 2}), 0);
    assert_int_equal(first.append.base_offset, 0);
    assert_int_equal(first.append.last_offset, 2);
    assert_int_equal(second.append.base_offset, 3);
    assert_int_equal(second.append.last_offset, 4);
    assert_int_equal(second.append.append_time_ms, -1);
    assert_int_equal(second.append.log_start_offset, 0);
    stored = fixture_stored(fixture, 1);
    assert_int_equal(stored.base_offset, 3);
    assert_int_equal(stored.leader_epoch, 3);
    assert_true(rec_batch_crc_ok(&stored));
    assert_int_equal(part_log_end(fixture->part), 5);
    assert_int_equal(part_high_watermark(fixture->part), 5);
}

static void answers_when_durable(void **state)
{
    struct fixture *fixture = *state;
    struct try      one, two;

    fixture_begin(fixture, &one, fixture_batch(fixture, &(struct batch_recipe){0}));
    fixture_begin(fixture, &two, fixture_batch(fixture, &(struct batch_recipe){0}));
    fake_io_settle(&fixture->io);
    assert_int_equal(one.answers + two.answers, 0);
    assert_int_equal(part_log_end(fixture->part), 2);
    assert_int_equal(part_high_watermark(fixture->part), 0);
    fake_store_durable(fixture->log, 1);
    expect_answer(&one, 0);
    assert_int_equal(two.answers, 0);
    fake_store_durable(fixture->log, 2);
    expect_answer(&two, 0);
}

static void answers_acks_0_at_commit(void **state)
{
    struct fixture *fixture = *state;

    for (int round = 0; round < 3; round++) {
        struct try *attempt = mem_alloc(MEM_TEST, sizeof(*attempt));

        fixture_begin(fixture, attempt, fixture_batch(fixture, &(struct batch_recipe){0}));
        fixture_flush(fixture);
        expect_answer(attempt, 0);
        attempt->answers = 0;
        attempt->append.wait_durable = false;
        part_append(fixture->part, &attempt->append);
        assert_int_equal(attempt->answers, 0);
        fake_io_settle(&fixture->io);
        expect_answer(attempt, 0);
        assert_int_equal(part_high_watermark(fixture->part), part_log_end(fixture->part) - 1);
        /* The answer gave it back: what is still under way must not touch it. */
        mem_free(MEM_TEST, attempt);
        fixture_flush(fixture);
    }
    assert_int_equal(part_high_watermark(fixture->part), 6);
}

/* Under a weaker policy of the topic: the log has the strong one as long as somebody waits for stable storage. */
static void flushes_what_has_to_be(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct try           weak, strong, refused;

    settings.policy.durable_on_append = false;
    fixture_set(fixture, &settings);
    fixture_begin(fixture, &weak, fixture_batch(fixture, &(struct batch_recipe){0}));
    assert_false(fake_store_policy(fixture->log)->durable_on_append);
    strong = (struct try){.append = weak.append};
    strong.append.flush = true;
    part_append(fixture->part, &strong.append);
    assert_true(fake_store_policy(fixture->log)->durable_on_append);
    refused = (struct try){.append = strong.append};
    refused.append.records = view_of(strong.append.records.base, 20);
    part_append(fixture->part, &refused.append);
    fixture_set(fixture, &settings); /* a change of settings does not take it away */
    fake_io_settle(&fixture->io);
    expect_answer(&refused, KP_ERR_INVALID_RECORD);
    assert_true(fake_store_policy(fixture->log)->durable_on_append);
    fixture_flush(fixture);
    expect_answer(&weak, 0);
    expect_answer(&strong, 0);
    assert_false(fake_store_policy(fixture->log)->durable_on_append);
}

/* One way to spoil a batch. */
struct spoil {
    const char         *name;
    struct batch_recipe recipe;
    size_t              flip_at;   /* 0: none; from the end when beyond the batch */
    bool                crc_again; /* the spoiler makes the CRC right again */
    size_t              cut;       /* bytes cut off */
    size_t              more;      /* bytes added */
    int16_t             error;
    const char         *text; /* part of the message */
};

static struct view spoiled(struct fixture *fixture, const struct spoil *spoil)
{
    struct view batch = fixture_batch(fixture, &spoil->recipe);
    uint8_t    *copy = arena_alloc(&fixture->arena, batch.len + spoil->more);

    memcpy(copy, batch.base, batch.len);
    if (spoil->flip_at != 0) {
        copy[spoil->flip_at < batch.len ? spoil->flip_at : batch.len - 1] ^= 0x01;
    }
    if (spoil->crc_again) {
        uint32_t crc = crc32c_update(0, copy + 21, batch.len - 21);

        store_be32(copy + 17, crc);
    }
    return view_of(copy, batch.len - spoil->cut + spoil->more);
}

static void refuses_spoiled_batches(void **state)
{
    static const struct spoil table[] = {
        {"payload damaged", {.records = 3}, 1000, false, 0, 0, KP_ERR_CORRUPT_MESSAGE, "CRC"},
        {"header damaged", {.records = 3}, 30, false, 0, 0, KP_ERR_CORRUPT_MESSAGE, "CRC"},
        {"damaged and compressed", {.records = 3, .codec = REC_LZ4}, 1000, false, 0, 0, KP_ERR_CORRUPT_MESSAGE, NULL},
        {"count lies", {.records = 3}, 60, true, 0, 0, KP_ERR_INVALID_RECORD, NULL},
        {"base offset set", {.records = 1}, 7, false, 0, 0, KP_ERR_INVALID_RECORD, "base offset"},
        {"cut", {.records = 1}, 0, false, 1, 0, KP_ERR_INVALID_RECORD, "no whole record batch"},
        {"header only", {.records = 1, .value_bytes = 100}, 0, false, 120, 0, KP_ERR_INVALID_RECORD, "no whole"},
        {"two batches", {.records = 1}, 0, false, 0, 200, KP_ERR_INVALID_RECORD, "more than one"},
        {"message format v3", {.records = 1}, 16, false, 0, 0, KP_ERR_CORRUPT_MESSAGE, "unknown magic"},
        {"control bit", {.attributes = REC_ATTR_CONTROL}, 0, false, 0, 0, KP_ERR_INVALID_RECORD, NULL},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct try attempt;

        assert_int_equal(fixture_append(fixture, &attempt, spoiled(fixture, &table[i])), table[i].error);
        expect_answer(&attempt, table[i].error);
        assert_non_null(attempt.append.error_message);
        if (table[i].text != NULL) {
            assert_non_null(strstr(attempt.append.error_message, table[i].text));
        }
    }
    assert_int_equal(part_log_end(fixture->part), 0);
}

static void refuses_old_formats_and_unknown_codecs(void **state)
{
    struct fixture *fixture = *state;
    struct view     batch = fixture_batch(fixture, &(struct batch_recipe){0});
    uint8_t         copy[256];
    struct try      attempt;

    assert_true(batch.len < sizeof(copy));
    memcpy(copy, batch.base, batch.len);
    copy[16] = 1;
    assert_int_equal(fixture_append(fixture, &attempt, view_of(copy, batch.len)), KP_ERR_INVALID_RECORD);
    assert_non_null(strstr(attempt.append.error_message, "magic 2"));
    copy[16] = 2;
    copy[22] |= 7;
    assert_int_equal(fixture_append(fixture, &attempt, view_of(copy, batch.len)), KP_ERR_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(fixture_append(fixture, &attempt, view_of(copy, 0)), KP_ERR_INVALID_RECORD);
}

static void refuses_zstd_from_old_requests(void **state)
{
    struct fixture *fixture = *state;
    struct try      attempt;

    fixture_begin(fixture, &attempt, fixture_batch(fixture, &(struct batch_recipe){.records = 20, .codec = REC_ZSTD}));
    fixture_flush(fixture);
    expect_answer(&attempt, 0);
    attempt.answers = 0;
    attempt.append.zstd_allowed = false;
    part_append(fixture->part, &attempt.append);
    fixture_flush(fixture);
    expect_answer(&attempt, KP_ERR_UNSUPPORTED_COMPRESSION_TYPE);
}

static void refuses_what_is_too_large(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct view          batch = fixture_batch(fixture, &(struct batch_recipe){.value_bytes = 1000});
    struct try           attempt;

    settings.batch_bytes_max = (uint32_t)batch.len;
    fixture_set(fixture, &settings);
    assert_int_equal(fixture_append(fixture, &attempt, batch), 0);
    settings.batch_bytes_max--;
    fixture_set(fixture, &settings);
    assert_int_equal(fixture_append(fixture, &attempt, batch), KP_ERR_MESSAGE_TOO_LARGE);
    settings.batch_bytes_max = 1 << 20;
    fixture_set(fixture, &settings);
    fixture->store.reserve_max = batch.len - 1;
    assert_int_equal(fixture_append(fixture, &attempt, batch), KP_ERR_RECORD_LIST_TOO_LARGE);
}

static void wants_keys_in_compacted_topics(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct try           attempt;

    settings.keys_required = true;
    fixture_set(fixture, &settings);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.records = 2, .keyless = true}),
                     KP_ERR_INVALID_RECORD);
    assert_int_equal(attempt.append.bad_record_index, 0);
    assert_non_null(attempt.append.error_message);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.records = 2}), 0);
    assert_int_equal(attempt.append.bad_record_index, -1);
    assert_int_equal(fixture_append_recipe(fixture, &attempt,
                                           &(struct batch_recipe){.records = 9, .keyless = true, .codec = REC_GZIP}),
                     KP_ERR_INVALID_RECORD);
}

static void keeps_timestamps_within_limits(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    int64_t              now_ms = fixture->io.wall_ms;
    struct try           attempt;

    settings.timestamp_before_max_ms = 1000;
    settings.timestamp_after_max_ms = 2000;
    fixture_set(fixture, &settings);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.timestamp_ms = now_ms - 1000}),
                     0);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.timestamp_ms = now_ms + 2000}),
                     0);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.timestamp_ms = now_ms - 1001}),
                     KP_ERR_INVALID_TIMESTAMP);
    assert_int_equal(
        fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.records = 3, .timestamp_ms = now_ms + 1999}),
        KP_ERR_INVALID_TIMESTAMP);
    assert_int_equal(attempt.append.bad_record_index, 2);
    settings.log_append_time = true;
    fixture_set(fixture, &settings);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.timestamp_ms = 5}), 0);
}

static void stamps_append_time(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct try           attempt;
    struct rec_batch     stored;

    settings.log_append_time = true;
    fixture_set(fixture, &settings);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){.timestamp_ms = 77, .records = 2}),
                     0);
    assert_int_equal(attempt.append.append_time_ms, fixture->io.wall_ms);
    stored = fixture_stored(fixture, 0);
    assert_true(rec_batch_crc_ok(&stored));
    assert_int_equal(stored.attributes & REC_ATTR_LOG_APPEND_TIME, REC_ATTR_LOG_APPEND_TIME);
    assert_int_equal(stored.max_timestamp_ms, fixture->io.wall_ms);
    assert_int_equal(stored.base_timestamp_ms, 77);
}

static void corrects_a_lying_max_timestamp(void **state)
{
    struct fixture  *fixture = *state;
    struct view      batch = fixture_batch(fixture, &(struct batch_recipe){.timestamp_ms = 1000, .records = 5});
    uint8_t         *copy = arena_alloc(&fixture->arena, batch.len);
    struct try       attempt;
    struct rec_batch stored;

    memcpy(copy, batch.base, batch.len);
    store_be64(copy + 35, 999999);
    store_be32(copy + 17, crc32c_update(0, copy + 21, batch.len - 21));
    assert_int_equal(fixture_append(fixture, &attempt, view_of(copy, batch.len)), 0);
    assert_int_equal(load_be64(copy + 35), 999999); /* the client's frame is not ours to change */
    stored = fixture_stored(fixture, 0);
    assert_int_equal(stored.max_timestamp_ms, 1004);
    assert_true(rec_batch_crc_ok(&stored));
}

static void recompresses_for_the_topic(void **state)
{
    static const enum rec_codec codecs[] = {REC_NONE, REC_GZIP, REC_SNAPPY, REC_LZ4, REC_ZSTD};
    struct fixture             *fixture = *state;
    struct part_settings        settings = fixture->options.settings;
    size_t                      stored_count = 0;

    for (size_t from = 0; from < COUNT_OF(codecs); from++) {
        for (size_t to = 0; to < COUNT_OF(codecs); to++) {
            struct batch_recipe recipe = {.records = 50,
                                          .value_bytes = 100,
                                          .codec = codecs[from],
                                          .idempotent = true,
                                          .producer_id = (int64_t)(from * 10 + to)};
            struct try          attempt;
            struct rec_batch    stored;

            settings.codec = (int)codecs[to];
            fixture_set(fixture, &settings);
            assert_int_equal(fixture_append_recipe(fixture, &attempt, &recipe), 0);
            stored = fixture_stored(fixture, stored_count++);
            assert_int_equal(stored.codec, codecs[to]);
            assert_int_equal(stored.record_count, 50);
            assert_int_equal(stored.producer_id, from * 10 + to);
            assert_int_equal(stored.base_offset, attempt.append.base_offset);
            assert_true(rec_batch_crc_ok(&stored));
            arena_reset(&fixture->arena);
        }
    }
    /* What grows beyond the limit by it is too large. */
    settings.codec = REC_NONE;
    settings.batch_bytes_max = 2000;
    fixture_set(fixture, &settings);
    {
        struct try attempt;

        assert_int_equal(
            fixture_append_recipe(fixture, &attempt,
                                  &(struct batch_recipe){.records = 50, .value_bytes = 100, .codec = REC_ZSTD}),
            KP_ERR_MESSAGE_TOO_LARGE);
    }
}

static void keeps_order_under_slicing(void **state)
{
    struct fixture *fixture = *state;
    struct try      large, small[3], refused;
    int             turns = 0;

    fixture_begin(
        fixture, &large,
        fixture_batch(fixture, &(struct batch_recipe){.records = 40, .value_bytes = 60000, .codec = REC_ZSTD}));
    for (size_t i = 0; i < COUNT_OF(small); i++) {
        fixture_begin(fixture, &small[i], fixture_batch(fixture, &(struct batch_recipe){0}));
    }
    fixture_begin(fixture, &refused, fixture_batch(fixture, &(struct batch_recipe){.attributes = REC_ATTR_CONTROL}));
    assert_int_equal(part_log_end(fixture->part), 0);
    while (fake_io_turn(&fixture->io) > 0) {
        turns++;
    }
    assert_true(turns > 3); /* it was cut into slices */
    expect_answer(&refused, KP_ERR_INVALID_RECORD);
    fixture_flush(fixture);
    expect_answer(&large, 0);
    assert_int_equal(large.append.base_offset, 0);
    for (size_t i = 0; i < COUNT_OF(small); i++) {
        expect_answer(&small[i], 0);
        assert_int_equal(small[i].append.base_offset, 40 + (int64_t)i);
    }
}

/* A turn checks or recompresses one slice; what was appended after it keeps its place. */
static void keeps_order_under_recompression(void **state)
{
    static const enum rec_codec codecs[] = {REC_NONE, REC_GZIP, REC_SNAPPY, REC_LZ4, REC_ZSTD};
    struct fixture             *fixture = *state;
    struct part_settings        settings = fixture->options.settings;
    int64_t                     end = 0;

    settings.batch_bytes_max = 4 << 20;
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        enum rec_codec from = codecs[(i + 1) % COUNT_OF(codecs)];
        struct try     large, small[3], refused;
        int            turns = 0;

        settings.codec = (int)codecs[i];
        fixture_set(fixture, &settings);
        fixture_begin(
            fixture, &large,
            fixture_batch(fixture, &(struct batch_recipe){.records = 40, .value_bytes = 60000, .codec = from}));
        for (size_t j = 0; j < COUNT_OF(small); j++) {
            fixture_begin(fixture, &small[j], fixture_batch(fixture, &(struct batch_recipe){.codec = from}));
        }
        fixture_begin(fixture, &refused,
                      fixture_batch(fixture, &(struct batch_recipe){.attributes = REC_ATTR_CONTROL}));
        while (part_log_end(fixture->part) == end && fake_io_turn(&fixture->io) > 0) {
            turns++;
        }
        /* 2.4 MB: 10 slices of a check at least where there is something to inflate, 37 windows. */
        assert_true(turns >= (from == REC_NONE ? 37 : 10 + 36));
        assert_int_equal(large.answers, 0);
        fixture_flush(fixture);
        expect_answer(&refused, KP_ERR_INVALID_RECORD);
        expect_answer(&large, 0);
        assert_int_equal(large.append.base_offset, end);
        for (size_t j = 0; j < COUNT_OF(small); j++) {
            expect_answer(&small[j], 0);
            assert_int_equal(small[j].append.base_offset, end + 40 + (int64_t)j);
            assert_int_equal(fixture_stored(fixture, 4 * i + 1 + j).codec, codecs[i]);
        }
        assert_int_equal(fixture_stored(fixture, 4 * i).codec, codecs[i]);
        assert_int_equal(fixture_stored(fixture, 4 * i).record_count, 40);
        end += 43;
        arena_reset(&fixture->arena);
    }
}

static void waits_for_memory_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct try      tries[3];

    fixture->store.memory_low = true;
    for (size_t i = 0; i < COUNT_OF(tries); i++) {
        fixture_begin(fixture, &tries[i], fixture_batch(fixture, &(struct batch_recipe){.records = (int32_t)i + 1}));
    }
    fake_io_settle(&fixture->io);
    assert_int_equal(part_log_end(fixture->part), 0);
    fake_store_memory_back(&fixture->store);
    assert_int_equal(part_log_end(fixture->part), 6);
    fixture_flush(fixture);
    assert_int_equal(tries[0].append.base_offset, 0);
    assert_int_equal(tries[1].append.base_offset, 1);
    assert_int_equal(tries[2].append.base_offset, 3);
}

static void says_that_the_disk_is_full(void **state)
{
    struct fixture *fixture = *state;
    struct try      attempt;

    fixture->store.space_low = true;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){0}), KP_ERR_KAFKA_STORAGE_ERROR);
    assert_true(kp_error_is_retriable(attempt.append.error));
    assert_non_null(strstr(attempt.append.error_message, "disk full"));
    fixture->store.space_low = false;
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){0}), 0);
    assert_int_equal(attempt.append.base_offset, 0);
}

static void protects_internal_topics(void **state)
{
    struct fixture *fixture = *state;
    struct try      attempt;

    fixture_close(fixture);
    fixture->options.internal = true;
    fixture_open(fixture);
    assert_int_equal(fixture_append_recipe(fixture, &attempt, &(struct batch_recipe){0}),
                     KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_batch(fixture, &(struct batch_recipe){0})), 0);
}

int main(void)
{
#define PART_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        PART_TEST(stores_stamped_batches),
        PART_TEST(answers_when_durable),
        PART_TEST(answers_acks_0_at_commit),
        PART_TEST(flushes_what_has_to_be),
        PART_TEST(refuses_spoiled_batches),
        PART_TEST(refuses_old_formats_and_unknown_codecs),
        PART_TEST(refuses_zstd_from_old_requests),
        PART_TEST(refuses_what_is_too_large),
        PART_TEST(wants_keys_in_compacted_topics),
        PART_TEST(keeps_timestamps_within_limits),
        PART_TEST(stamps_append_time),
        PART_TEST(corrects_a_lying_max_timestamp),
        PART_TEST(recompresses_for_the_topic),
        PART_TEST(keeps_order_under_slicing),
        PART_TEST(keeps_order_under_recompression),
        PART_TEST(waits_for_memory_in_order),
        PART_TEST(says_that_the_disk_is_full),
        PART_TEST(protects_internal_topics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
