#include "tests/unit/record/rec_support.h"

/* A batch whose bytes were worked out by hand from the format's table; the checksum with an independent bitwise CRC. */
static const uint8_t golden[] = {
    0,    0,    0,    0,    0,    0,    0,    0,    /* base offset */
    0,    0,    0,    63,                           /* length */
    0xff, 0xff, 0xff, 0xff,                         /* leader epoch */
    2,                                              /* magic */
    0xd8, 0x55, 0xd5, 0xfd,                         /* CRC */
    0,    0,                                        /* attributes */
    0,    0,    0,    0,                            /* last offset delta */
    0,    0,    0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, /* base timestamp 1700000000000 */
    0,    0,    0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, /* max timestamp */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* producer id */
    0xff, 0xff,                                     /* producer epoch */
    0xff, 0xff, 0xff, 0xff,                         /* base sequence */
    0,    0,    0,    1,                            /* record count */
    26,   0,    0,    0,    2,    'k',  6,    'v',
    'a',  'l',  2,    2,    'h', /* length 13, attributes, deltas, key, value, one header */
    1,                           /* its value: null */
};

static uint32_t crc_bitwise(const uint8_t *bytes, size_t len)
{
    uint32_t crc = ~0U;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82f63b78U & (0U - (crc & 1)));
        }
    }
    return ~crc;
}

static void test_golden(void **state)
{
    struct rec_batch        batch;
    struct rec_iter         iter;
    struct rec_record       record;
    struct rec_header_field field;

    (void)state;
    assert_int_equal(crc_bitwise(golden + 21, sizeof(golden) - 21), load_be32(golden + 17));
    assert_int_equal(rec_batch_parse(view_of(golden, sizeof(golden)), &batch), ERR_OK);
    assert_true(rec_batch_crc_ok(&batch));
    assert_int_equal(batch.bytes.len, sizeof(golden));
    assert_int_equal(batch.base_timestamp_ms, 1700000000000);
    assert_int_equal(batch.producer_id, -1);
    assert_int_equal(batch.record_count, 1);
    assert_int_equal(batch.codec, REC_NONE);
    rec_iter_init(&iter, &batch, view_of(golden + 61, sizeof(golden) - 61));
    assert_int_equal(rec_iter_next(&iter, &record), 1);
    assert_true(view_equal(record.key, view_text("k")));
    assert_true(view_equal(record.value, view_text("val")));
    assert_int_equal(record.timestamp_ms, 1700000000000);
    assert_int_equal(record.header_count, 1);
    assert_int_equal(rec_headers_next(&record.headers, &field), 1);
    assert_true(view_equal(field.key, view_text("h")));
    assert_null(field.value.base);
    assert_int_equal(rec_headers_next(&record.headers, &field), 0);
    assert_int_equal(rec_iter_next(&iter, &record), 0);
}

static void test_parse_lengths(void **state)
{
    struct rec_batch batch = {.record_count = 77};
    uint8_t          bytes[sizeof(golden) + 8];
    size_t           total = 0;

    (void)state;
    for (size_t len = 0; len < sizeof(golden); len++) {
        assert_int_equal(rec_batch_parse(view_of(golden, len), &batch), ERR_AGAIN);
    }
    assert_int_equal(batch.record_count, 77); /* nothing is written on failure */
    memset(bytes, 0xee, sizeof(bytes));
    memcpy(bytes, golden, sizeof(golden));
    assert_int_equal(rec_batch_parse(view_of(bytes, sizeof(bytes)), &batch), ERR_OK);
    assert_int_equal(batch.bytes.len, sizeof(golden)); /* what follows is none of its */
    assert_int_equal(rec_header_parse(view_of(golden, 61), &batch, &total), ERR_OK);
    assert_int_equal(total, sizeof(golden));
    assert_null(batch.bytes.base);

    store_be32(bytes + 8, 48); /* shorter than a header */
    assert_int_equal(rec_batch_parse(view_of(bytes, sizeof(bytes)), &batch), ERR_CORRUPT);
    store_be32(bytes + 8, 0xffffffff);
    assert_int_equal(rec_batch_parse(view_of(bytes, sizeof(bytes)), &batch), ERR_CORRUPT);
    store_be32(bytes + 8, 0x7fffffff);
    assert_int_equal(rec_batch_parse(view_of(bytes, sizeof(bytes)), &batch), ERR_AGAIN);
}

static int parse_with(size_t at, uint64_t value, int width)
{
    uint8_t          bytes[sizeof(golden)];
    struct rec_batch batch;

    memcpy(bytes, golden, sizeof(golden));
    for (int i = 0; i < width; i++) {
        bytes[at + (size_t)i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
    return rec_batch_parse(view_of(bytes, sizeof(bytes)), &batch);
}

static void test_parse_rules(void **state)
{
    (void)state;
    assert_int_equal(parse_with(16, 0, 1), ERR_UNSUPPORTED);
    assert_int_equal(parse_with(16, 1, 1), ERR_UNSUPPORTED);
    assert_int_equal(parse_with(16, 3, 1), ERR_CORRUPT);
    for (uint64_t codec = 0; codec < 8; codec++) {
        assert_int_equal(parse_with(21, codec, 2), codec <= 4 ? ERR_OK : ERR_CORRUPT);
    }
    assert_int_equal(parse_with(0, (uint64_t)-1, 8), ERR_CORRUPT);
    assert_int_equal(parse_with(0, INT64_MAX, 8), ERR_OK);
    assert_int_equal(parse_with(23, (uint64_t)-1, 4), ERR_CORRUPT);
    assert_int_equal(parse_with(57, (uint64_t)-1, 4), ERR_CORRUPT);
    assert_int_equal(parse_with(57, 0, 4), ERR_OK);      /* emptied by compaction */
    assert_int_equal(parse_with(57, 2, 4), ERR_CORRUPT); /* two records in one offset */
    assert_int_equal(parse_with(23, 9, 4), ERR_OK);
}

static void test_last_offset_does_not_overflow(void **state)
{
    uint8_t          bytes[sizeof(golden)];
    struct rec_batch batch;

    (void)state;
    memcpy(bytes, golden, sizeof(golden));
    store_be64(bytes, INT64_MAX - 4);
    store_be32(bytes + 23, 5);
    assert_int_equal(rec_batch_parse(view_of(bytes, sizeof(bytes)), &batch), ERR_CORRUPT);
    store_be32(bytes + 23, 4);
    assert_int_equal(rec_batch_parse(view_of(bytes, sizeof(bytes)), &batch), ERR_OK);
    assert_int_equal(rec_batch_last_offset(&batch), INT64_MAX);
}

/* Every bit behind the CRC field is covered; those before change no verdict of the CRC. */
static void test_crc_covers_every_bit(void **state)
{
    uint8_t bytes[sizeof(golden)];

    (void)state;
    memcpy(bytes, golden, sizeof(golden));
    for (size_t bit = 0; bit < sizeof(golden) * 8; bit++) {
        struct rec_batch batch = {.crc = load_be32(golden + 17), .bytes = view_of(bytes, sizeof(bytes))};

        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_equal(rec_batch_crc_ok(&batch), bit / 8 < 21);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
}

static void test_stamp_offset_is_free(void **state)
{
    uint8_t          bytes[sizeof(golden)];
    struct rec_batch batch;

    (void)state;
    memcpy(bytes, golden, sizeof(golden));
    rec_stamp_offset(bytes, INT64_C(0x1122334455667788), 7);
    assert_int_equal(rec_batch_parse(view_of(bytes, sizeof(bytes)), &batch), ERR_OK);
    assert_true(rec_batch_crc_ok(&batch));
    assert_int_equal(batch.base_offset, INT64_C(0x1122334455667788));
    assert_int_equal(batch.leader_epoch, 7);
    assert_memory_equal(bytes + 12 + 4, golden + 12 + 4, sizeof(golden) - 16);
}

/* The patched CRC against a full pass, for all lengths up to 4 KiB and some long ones. */
static void test_stamps_against_full_crc(void **state)
{
    struct prng prng;
    size_t      len_max = MIB;
    uint8_t    *bytes = malloc(len_max);

    (void)state;
    assert_non_null(bytes);
    prng_init(&prng, 1);
    prng_fill(&prng, span_of(bytes, len_max));
    for (size_t len = 61; len < len_max; len += len < 4096 ? 1 : 1 + prng_below(&prng, 60000)) {
        uint16_t attributes = load_be16(bytes + 21);
        int64_t  now_ms = (int64_t)prng_next(&prng);

        store_be32(bytes + 17, crc32c_update(0, bytes + 21, len - 21));
        rec_stamp_append_time(bytes, len, now_ms);
        assert_int_equal(load_be32(bytes + 17), crc32c_update(0, bytes + 21, len - 21));
        assert_int_equal((int64_t)load_be64(bytes + 35), now_ms);
        assert_int_equal(load_be16(bytes + 21), attributes | 8);
        rec_stamp_max_timestamp(bytes, len, now_ms / 3);
        assert_int_equal(load_be32(bytes + 17), crc32c_update(0, bytes + 21, len - 21));
        assert_int_equal((int64_t)load_be64(bytes + 35), now_ms / 3);
        assert_int_equal(load_be16(bytes + 21), attributes & ~8);
    }
    /* A wrong CRC stays wrong. */
    bytes[1000] ^= 1;
    rec_stamp_append_time(bytes, 5000, 5);
    assert_int_not_equal(load_be32(bytes + 17), crc32c_update(0, bytes + 21, 5000 - 21));
    free(bytes);
}

static void test_crc_algebra(void **state)
{
    struct prng prng;
    uint8_t     bytes[4096];

    (void)state;
    prng_init(&prng, 2);
    prng_fill(&prng, span_of(bytes, sizeof(bytes)));
    assert_int_equal(crc32c_update(0, "123456789", 9), 0xe3069283);
    for (int i = 0; i < 2000; i++) {
        size_t   len = prng_below(&prng, sizeof(bytes) + 1);
        size_t   cut = prng_below(&prng, len + 1);
        uint32_t head = crc32c_update(0, bytes, cut);
        uint32_t tail = crc32c_update(0, bytes + cut, len - cut);

        assert_int_equal(crc32c_combine(head, tail, len - cut), crc32c_update(0, bytes, len));
    }
    /* Shifts add up, also over lengths that no buffer has. */
    for (int i = 0; i < 200; i++) {
        uint64_t a = prng_next(&prng) >> (1 + prng_below(&prng, 60));
        uint64_t b = prng_next(&prng) >> (1 + prng_below(&prng, 60));
        uint32_t crc = (uint32_t)prng_next(&prng);

        assert_int_equal(crc32c_shift(crc32c_shift(crc, a), b), crc32c_shift(crc, a + b));
    }
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c_shift(0x12345678, 0), 0x12345678);
    assert_int_equal(~crc32c_shift(0x12345678, 4096), crc32c_update((uint32_t)~0x12345678, bytes, 4096));
}

static enum rec_verdict produced(const void *bytes, size_t len)
{
    struct rec_batch batch;
    const char      *reason = NULL;
    enum rec_verdict verdict = rec_produced_parse(view_of(bytes, len), &batch, &reason);

    assert_true((verdict == REC_OK) == (reason == NULL));
    return verdict;
}

static void test_produced_parse(void **state)
{
    uint8_t bytes[2 * sizeof(golden)];

    (void)state;
    memcpy(bytes, golden, sizeof(golden));
    memcpy(bytes + sizeof(golden), golden, sizeof(golden));
    assert_int_equal(produced(bytes, sizeof(golden)), REC_OK);
    assert_int_equal(produced(NULL, 0), REC_INVALID_RECORD);
    assert_int_equal(produced(bytes, 0), REC_INVALID_RECORD);
    for (size_t len = 0; len < sizeof(golden); len++) {
        assert_int_equal(produced(bytes, len), REC_INVALID_RECORD); /* Kafka sees no batch at all */
    }
    for (size_t len = sizeof(golden) + 1; len <= sizeof(bytes); len++) {
        assert_int_equal(produced(bytes, len), REC_INVALID_RECORD); /* exactly one batch */
    }
    bytes[22] = 5;
    assert_int_equal(produced(bytes, sizeof(golden)), REC_UNSUPPORTED_COMPRESSION);
    bytes[16] = 1;
    assert_int_equal(produced(bytes, sizeof(golden)), REC_UNSUPPORTED_FORMAT);
    assert_int_equal(produced(bytes, 20),
                     REC_UNSUPPORTED_FORMAT); /* an empty old message set is shorter than our header */
    bytes[16] = 3;
    assert_int_equal(produced(bytes, sizeof(golden)), REC_CORRUPT);
    memcpy(bytes, golden, sizeof(golden));
    memset(bytes + 8, 0, 4); /* the length */
    assert_int_equal(produced(bytes, sizeof(golden)), REC_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_parse_lengths),
        cmocka_unit_test(test_parse_rules),
        cmocka_unit_test(test_last_offset_does_not_overflow),
        cmocka_unit_test(test_crc_covers_every_bit),
        cmocka_unit_test(test_stamp_offset_is_free),
        cmocka_unit_test(test_stamps_against_full_crc),
        cmocka_unit_test(test_crc_algebra),
        cmocka_unit_test(test_produced_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
