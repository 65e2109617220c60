#include "tests/unit/record/rec_support.h"

static void arena_of(struct arena *arena)
{
    arena_init(arena, MEM_TEST, 64 * KIB, 512 * MIB);
}

static void records_equal(const struct rec_record *record, const struct random_record *expected, int64_t offset)
{
    struct view             headers = record->headers;
    struct rec_header_field field;

    assert_int_equal(record->offset, offset);
    assert_int_equal(record->timestamp_ms, expected->timestamp_ms);
    assert_true((record->key.base == NULL) == (expected->key.base == NULL));
    assert_true((record->value.base == NULL) == (expected->value.base == NULL));
    assert_true(view_equal(record->key, expected->key));
    assert_true(view_equal(record->value, expected->value));
    assert_int_equal(record->header_count, expected->header_count);
    for (int32_t i = 0; i < expected->header_count; i++) {
        assert_int_equal(rec_headers_next(&headers, &field), 1);
        assert_true(view_equal(field.key, expected->headers[i].key));
        assert_true((field.value.base == NULL) == (expected->headers[i].value.base == NULL));
        assert_true(view_equal(field.value, expected->headers[i].value));
    }
    assert_int_equal(rec_headers_next(&headers, &field), 0);
}

/* Build, check, inflate and walk: what goes in comes out, under every codec. */
static void test_round_trip(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 3);
    for (int round = 0; round < 300; round++) {
        struct arena         arena;
        struct rec_builder   builder;
        struct rec_batch     batch;
        struct rec_found     found;
        struct rec_iter      iter;
        struct rec_record    record;
        struct rec_rules     rules = lax_rules();
        struct random_record expected[60];
        struct view          bytes;
        struct view          records;
        enum rec_codec       codec = (enum rec_codec)(round % REC_CODEC_COUNT);
        int32_t              count = 1 + (int32_t)prng_below(&prng, COUNT_OF(expected));
        int64_t              max_ms = INT64_MIN;

        arena_of(&arena);
        rec_builder_init(&builder, &arena);
        builder.producer_id = 42;
        builder.producer_epoch = 3;
        builder.base_sequence = 17;
        builder.attributes = REC_ATTR_TRANSACTIONAL;
        for (int32_t i = 0; i < count; i++) {
            random_record(&prng, &arena, round % 7 == 0 ? 20000 : 300, &expected[i]);
            rec_builder_add(&builder, expected[i].timestamp_ms, expected[i].key, expected[i].value, expected[i].headers,
                            expected[i].header_count);
            max_ms = MAX(max_ms, expected[i].timestamp_ms);
        }
        assert_int_equal(rec_builder_finish(&builder, codec, 0, &bytes), ERR_OK);
        assert_int_equal(verdict_of(bytes, &rules, &found), REC_OK);
        assert_int_equal(found.max_timestamp_ms, max_ms);
        assert_int_equal(expected[found.max_timestamp_delta].timestamp_ms, max_ms);
        assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
        assert_int_equal(batch.codec, codec);
        assert_int_equal(batch.attributes, (int)codec | REC_ATTR_TRANSACTIONAL);
        assert_int_equal(batch.base_offset, 0);
        assert_int_equal(batch.leader_epoch, -1);
        assert_int_equal(batch.max_timestamp_ms, max_ms);
        assert_int_equal(batch.producer_id, 42);
        assert_int_equal(batch.producer_epoch, 3);
        assert_int_equal(batch.base_sequence, 17);
        assert_int_equal(batch.record_count, count);
        assert_int_equal(batch.last_offset_delta, count - 1);
        batch.base_offset = 5000;
        assert_int_equal(rec_inflate(&batch, 16 * MIB, &arena, &records), ERR_OK);
        rec_iter_init(&iter, &batch, records);
        for (int32_t i = 0; i < count; i++) {
            assert_int_equal(rec_iter_next(&iter, &record), 1);
            records_equal(&record, &expected[i], 5000 + i);
        }
        assert_int_equal(rec_iter_next(&iter, &record), 0);
        arena_deinit(&arena);
    }
}

/* The builder writes the same bytes as the tests' own encoder. */
static void test_encoding(void **state)
{
    struct prng        prng;
    struct arena       arena;
    struct rec_builder builder;
    struct raw         records = {0};
    struct rec_batch   fields = raw_fields(20);
    struct raw         expected;
    struct view        bytes;

    (void)state;
    prng_init(&prng, 4);
    arena_of(&arena);
    rec_builder_init(&builder, &arena);
    fields.max_timestamp_ms = INT64_MIN;
    for (int32_t i = 0; i < 20; i++) {
        struct random_record record;

        random_record(&prng, &arena, 200, &record);
        if (i == 0) {
            fields.base_timestamp_ms = record.timestamp_ms;
        }
        fields.max_timestamp_ms = MAX(fields.max_timestamp_ms, record.timestamp_ms);
        raw_record(&records, record.timestamp_ms - fields.base_timestamp_ms, i, record.key, record.value,
                   record.headers, record.header_count);
        rec_builder_add(&builder, record.timestamp_ms, record.key, record.value, record.headers, record.header_count);
    }
    expected = raw_batch(&fields, raw_view(&records));
    assert_int_equal(rec_builder_finish(&builder, REC_NONE, 0, &bytes), ERR_OK);
    assert_true(view_equal(bytes, raw_view(&expected)));
    raw_free(&expected);
    raw_free(&records);
    arena_deinit(&arena);
}

static void test_recompress_keeps_everything_else(void **state)
{
    struct prng  prng;
    struct arena arena;
    int64_t      max_ms = 0;

    (void)state;
    prng_init(&prng, 5);
    arena_of(&arena);
    for (int from = 0; from < REC_CODEC_COUNT; from++) {
        for (int to = 0; to < REC_CODEC_COUNT; to++) {
            struct raw       records = random_records(&prng, &arena, 50, 500, &max_ms);
            struct rec_batch fields = raw_fields(50);
            struct rec_batch batch;
            struct raw       plain;
            struct view      first;
            struct view      second;
            struct view      inflated;

            fields.base_offset = 123456;
            fields.leader_epoch = 9;
            fields.producer_id = 77;
            fields.producer_epoch = 1;
            fields.base_sequence = 5;
            fields.attributes = REC_ATTR_TRANSACTIONAL | REC_ATTR_LOG_APPEND_TIME;
            plain = raw_batch(&fields, raw_view(&records));
            first = recompressed(&arena, raw_view(&plain), (enum rec_codec)from, 0);
            second = recompressed(&arena, first, (enum rec_codec)to, 0);
            assert_int_equal(rec_batch_parse(second, &batch), ERR_OK);
            assert_true(rec_batch_crc_ok(&batch));
            assert_int_equal(batch.codec, to);
            assert_int_equal(batch.attributes & ~7, fields.attributes);
            assert_memory_equal(second.base, plain.bytes, 8);
            assert_memory_equal(second.base + 12, plain.bytes + 12, 5);
            assert_memory_equal(second.base + 23, plain.bytes + 23, 61 - 23);
            assert_int_equal(rec_inflate(&batch, 16 * MIB, &arena, &inflated), ERR_OK);
            assert_true(view_equal(inflated, raw_view(&records)));
            assert_int_equal(rec_inflate(&batch, inflated.len, &arena, &inflated), ERR_OK);
            assert_int_equal(rec_inflate(&batch, inflated.len - 1, &arena, &inflated), ERR_LIMIT);
            raw_free(&plain);
            raw_free(&records);
            arena_reset(&arena);
        }
    }
    arena_deinit(&arena);
}

static void test_marker(void **state)
{
    struct arena      arena;
    struct rec_batch  batch;
    struct rec_marker marker;
    struct rec_found  found;
    struct rec_rules  rules = lax_rules();
    struct view       bytes;

    (void)state;
    arena_of(&arena);
    for (int commit = 0; commit < 2; commit++) {
        assert_int_equal(rec_build_marker(&arena, 4000, 7, commit == 1, 12, 1700000000000, &bytes), ERR_OK);
        assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
        assert_int_equal(batch.attributes, REC_ATTR_TRANSACTIONAL | REC_ATTR_CONTROL);
        assert_int_equal(batch.producer_id, 4000);
        assert_int_equal(batch.producer_epoch, 7);
        assert_int_equal(batch.base_sequence, -1);
        assert_int_equal(batch.record_count, 1);
        assert_int_equal(batch.max_timestamp_ms, 1700000000000);
        assert_int_equal(rec_marker_parse(&batch, &marker), ERR_OK);
        assert_int_equal(marker.type, commit);
        assert_int_equal(marker.coordinator_epoch, 12);
        /* Clients must not write what only a coordinator may. */
        assert_int_equal(verdict_of(bytes, &rules, &found), REC_INVALID_RECORD);
        rules.control_allowed = true;
        assert_int_equal(verdict_of(bytes, &rules, &found), REC_OK);
        rules.control_allowed = false;
        /* Length 16, attributes, deltas, key of 4 (version 0, type), value of 6 (version 0, epoch), no headers. */
        assert_memory_equal(bytes.base + 61,
                            ((uint8_t[]){32, 0, 0, 0, 8, 0, 0, 0, (uint8_t)commit, 12, 0, 0, 0, 0, 0, 12, 0}), 17);
        assert_int_equal(bytes.len, 61 + 17);
    }
    batch.attributes = 0;
    assert_int_equal(rec_marker_parse(&batch, &marker), ERR_INVALID);
    arena_deinit(&arena);
}

static void test_damaged_markers(void **state)
{
    static const uint8_t good[] = {32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 12, 0};
    struct rec_batch     fields = raw_fields(1);

    (void)state;
    fields.attributes = REC_ATTR_CONTROL | REC_ATTR_TRANSACTIONAL;
    for (size_t bit = 0; bit < sizeof(good) * 8; bit++) {
        uint8_t           records[sizeof(good)];
        struct raw        bytes;
        struct rec_batch  batch;
        struct rec_marker marker;
        int               rc;

        memcpy(records, good, sizeof(good));
        records[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        bytes = raw_batch(&fields, view_of(records, sizeof(records)));
        assert_int_equal(rec_batch_parse(raw_view(&bytes), &batch), ERR_OK);
        rc = rec_marker_parse(&batch, &marker);
        assert_true(rc == ERR_OK || rc == ERR_CORRUPT);
        if (bit / 8 == 0 || bit / 8 == 4 || bit == 5 * 8 + 7) { /* lengths, sign of the key's version */
            assert_int_equal(rc, ERR_CORRUPT);
        }
        raw_free(&bytes);
    }
}

/* Out of arena at any point: told by finish, never a crash. */
static void test_builder_out_of_memory(void **state)
{
    (void)state;
    for (size_t budget = 256; budget < 40000; budget += 997) {
        for (int codec = 0; codec < REC_CODEC_COUNT; codec++) {
            struct arena       arena;
            struct rec_builder builder;
            struct view        bytes;
            static uint8_t     value[1000];
            int                rc;

            arena_init(&arena, MEM_TEST, 256, budget);
            rec_builder_init(&builder, &arena);
            for (int i = 0; i < 15; i++) {
                rec_builder_add(&builder, 5, view_of(NULL, 0), view_of(value, sizeof(value)), NULL, 0);
            }
            rc = rec_builder_finish(&builder, (enum rec_codec)codec, 0, &bytes);
            assert_true(rc == ERR_NO_MEMORY || (rc == ERR_OK && budget > 15000));
            arena_deinit(&arena);
        }
    }
}

static void test_iter_refuses(void **state)
{
    static const struct {
        const char *bytes;
        size_t      len;
        const char *why;
    } cases[] = {
        {"", 0, "nothing where a record should be"},
        {"\x0c\0\0\0\1\1", 6, "cut before the header count"},
        {"\x0c\0\0\0\1\1\0\0", 8, "a byte behind the record"},
        {"\x0a\0\0\0\1\1", 6, "too short for its fields"},
        {"\x0c\0\0\0\2\1\0", 7, "key reaches over the end"},
        {"\x0c\0\0\0\1\x7f\0", 7, "null value of another negative length is fine, but..."},
        {"\x0c\0\0\0\1\1\1", 7, "negative header count"},
        {"\x0c\0\0\0\1\1\2", 7, "a header that is not there"},
        {"\x10\0\0\0\1\1\2\1\1", 9, "null header key"},
        {"\x0c\0\0\2\1\1\0", 7, "offset beyond the batch"},
        {"\x0c\0\0\1\1\1\0", 7, "negative offset delta"},
        {"\x0b\0\0\0\1\1\0", 7, "negative length"},
        {"\x80\x80\x80\x80\x80\x01", 6, "length of six bytes"},
    };
    struct rec_batch batch = raw_fields(1);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rec_iter   iter;
        struct rec_record record;
        uint8_t          *exact = malloc(cases[i].len + 1);
        int               rc;

        assert_non_null(exact);
        memcpy(exact + 1, cases[i].bytes, cases[i].len);
        rec_iter_init(&iter, &batch, view_of(exact + 1, cases[i].len));
        rc = rec_iter_next(&iter, &record);
        if (rc == 1) {
            rc = rec_iter_next(&iter, &record);
        }
        assert_int_equal(rc, i == 5 ? 0 : ERR_CORRUPT);
        free(exact);
    }
}

static void test_iter_append_time(void **state)
{
    struct rec_batch  batch = raw_fields(1);
    struct rec_iter   iter;
    struct rec_record record;

    (void)state;
    batch.attributes = REC_ATTR_LOG_APPEND_TIME;
    batch.max_timestamp_ms = 777;
    rec_iter_init(&iter, &batch, view_of("\x0c\0\4\0\1\1\0", 7));
    assert_int_equal(rec_iter_next(&iter, &record), 1);
    assert_int_equal(record.timestamp_ms, 777);
    batch.attributes = 0;
    rec_iter_init(&iter, &batch, view_of("\x0c\0\4\0\1\1\0", 7));
    assert_int_equal(rec_iter_next(&iter, &record), 1);
    assert_int_equal(record.timestamp_ms, 1000002);
    assert_null(record.key.base);
    assert_null(record.value.base);
}

static void test_codec_names(void **state)
{
    (void)state;
    for (int codec = 0; codec < REC_CODEC_COUNT; codec++) {
        assert_int_equal(rec_codec_parse(view_text(rec_codec_name((enum rec_codec)codec))), codec);
    }
    assert_int_equal(rec_codec_parse(view_text("uncompressed")), REC_NONE);
    assert_int_equal(rec_codec_parse(view_text("producer")), -1);
    assert_int_equal(rec_codec_parse(view_text("")), -1);
    assert_int_equal(rec_codec_parse(view_text("gzipp")), -1);
}

static int release(void **state)
{
    (void)state;
    rec_thread_deinit();
    return mem_used_bytes(MEM_RECORD) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_recompress_keeps_everything_else),
        cmocka_unit_test(test_marker),
        cmocka_unit_test(test_damaged_markers),
        cmocka_unit_test(test_builder_out_of_memory),
        cmocka_unit_test(test_iter_refuses),
        cmocka_unit_test(test_iter_append_time),
        cmocka_unit_test(test_codec_names),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
