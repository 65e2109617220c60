#include "tests/unit/record/rec_support.h"

static int setup_arena(void **state)
{
    static struct arena arena;

    arena_init(&arena, MEM_TEST, 256 * KIB, GIB);
    *state = &arena;
    return 0;
}

static int teardown_arena(void **state)
{
    arena_deinit(*state);
    return 0;
}

/* --- rules of the header ------------------------------------------------------------------------------------------ */

enum field { ATTRIBUTES, BASE_OFFSET, LAST_DELTA, COUNT, PRODUCER, SEQUENCE };

static struct rec_batch fields_with(enum field field, int64_t value)
{
    struct rec_batch fields = raw_fields(1);

    switch (field) {
    case ATTRIBUTES:
        fields.attributes = (uint16_t)value;
        break;
    case BASE_OFFSET:
        fields.base_offset = value;
        break;
    case LAST_DELTA:
        fields.last_offset_delta = (int32_t)value;
        break;
    case COUNT:
        fields.record_count = (int32_t)value;
        break;
    case PRODUCER:
        fields.producer_id = value;
        break;
    case SEQUENCE:
        fields.producer_id = 5;
        fields.producer_epoch = 0;
        fields.base_sequence = (int32_t)value;
        break;
    }
    return fields;
}

static void test_header_rules(void **state)
{
    static const struct {
        enum field       field;
        int64_t          value;
        enum rec_verdict verdict;
    } cases[] = {
        {ATTRIBUTES, 0, REC_OK},
        {ATTRIBUTES, 0x1200, REC_OK}, /* the high byte means nothing, as in Kafka */
        {ATTRIBUTES, 5, REC_UNSUPPORTED_COMPRESSION},
        {ATTRIBUTES, 6, REC_UNSUPPORTED_COMPRESSION},
        {ATTRIBUTES, 7, REC_UNSUPPORTED_COMPRESSION},
        {ATTRIBUTES, REC_ATTR_LOG_APPEND_TIME, REC_INVALID_TIMESTAMP},
        {ATTRIBUTES, REC_ATTR_TRANSACTIONAL, REC_INVALID_RECORD}, /* without a producer id */
        {ATTRIBUTES, REC_ATTR_CONTROL, REC_INVALID_RECORD},
        {ATTRIBUTES, REC_ATTR_DELETE_HORIZON, REC_INVALID_RECORD},
        {BASE_OFFSET, 1, REC_INVALID_RECORD},
        {BASE_OFFSET, -1, REC_INVALID_RECORD},
        {LAST_DELTA, 1, REC_INVALID_RECORD},
        {LAST_DELTA, -1, REC_INVALID_RECORD},
        {LAST_DELTA, INT32_MAX, REC_INVALID_RECORD},
        {LAST_DELTA, INT32_MIN, REC_INVALID_RECORD},
        {COUNT, 0, REC_INVALID_RECORD},
        {COUNT, 2, REC_INVALID_RECORD},
        {COUNT, -1, REC_INVALID_RECORD},
        {COUNT, INT32_MIN, REC_INVALID_RECORD},
        {COUNT, INT32_MAX, REC_INVALID_RECORD},
        {PRODUCER, 5, REC_INVALID_RECORD}, /* sequence is -1 */
        {PRODUCER, -2, REC_OK},
        {SEQUENCE, 0, REC_OK},
        {SEQUENCE, INT32_MAX, REC_OK},
        {SEQUENCE, -1, REC_INVALID_RECORD},
        {SEQUENCE, INT32_MIN, REC_INVALID_RECORD},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rec_batch fields = fields_with(cases[i].field, cases[i].value);
        struct raw       bytes = raw_batch(&fields, view_of("\x0c\0\0\0\1\1\0", 7));
        struct rec_rules rules = lax_rules();
        struct rec_found found;

        assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), cases[i].verdict);
        raw_free(&bytes);
    }
}

static void test_size_codec_and_crc_rules(void **state)
{
    struct arena    *arena = *state;
    struct rec_batch fields = raw_fields(1);
    struct raw       bytes = raw_batch(&fields, view_of("\x0c\0\0\0\1\1\0", 7));
    struct rec_rules rules = lax_rules();
    struct rec_found found;
    struct view      zstd = recompressed(arena, raw_view(&bytes), REC_ZSTD, 0);

    rules.batch_bytes_max = 68;
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_OK);
    rules.batch_bytes_max = 67;
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_TOO_LARGE);
    rules = lax_rules();
    assert_int_equal(verdict_of(zstd, &rules, &found), REC_OK);
    rules.zstd_allowed = false;
    assert_int_equal(verdict_of(zstd, &rules, &found), REC_UNSUPPORTED_COMPRESSION);
    bytes.bytes[18] ^= 1;
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_CORRUPT);
    assert_int_equal(found.bad_record_index, -1);
    rules.crc_checked = true;
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_OK);
    raw_free(&bytes);
}

/* --- rules of records --------------------------------------------------------------------------------------------- */

static void test_keys(void **state)
{
    struct arena *arena = *state;

    for (int codec = 0; codec < REC_CODEC_COUNT; codec++) {
        struct raw       records = {0};
        struct rec_batch fields = raw_fields(3);
        struct rec_rules rules = lax_rules();
        struct rec_found found;
        struct raw       plain;
        struct view      bytes;

        raw_record(&records, 0, 0, view_text("a"), view_text("v"), NULL, 0);
        raw_record(&records, 0, 1, view_text(""), view_of(NULL, 0), NULL, 0); /* an empty key is a key */
        raw_record(&records, 0, 2, view_of(NULL, 0), view_text("v"), NULL, 0);
        plain = raw_batch(&fields, raw_view(&records));
        bytes = recompressed(arena, raw_view(&plain), (enum rec_codec)codec, 0);
        assert_int_equal(verdict_of(bytes, &rules, &found), REC_OK);
        rules.keys_required = true;
        assert_int_equal(verdict_of(bytes, &rules, &found), REC_INVALID_RECORD);
        assert_int_equal(found.bad_record_index, 2);
        raw_free(&plain);
        raw_free(&records);
    }
}

static void test_timestamps(void **state)
{
    static const struct {
        int64_t          base_ms;
        int64_t          delta_ms;
        int64_t          before_max_ms;
        int64_t          after_max_ms;
        bool             log_append_time;
        enum rec_verdict verdict;
    } cases[] = {
        {1000000, 0, 0, 0, false, REC_OK},
        {1000000, -1, 0, 0, false, REC_INVALID_TIMESTAMP},
        {1000000, 1, 0, 0, false, REC_INVALID_TIMESTAMP},
        {1000000, -500, 500, 0, false, REC_OK},
        {1000000, -501, 500, 0, false, REC_INVALID_TIMESTAMP},
        {1000000, 500, 0, 500, false, REC_OK},
        {1000000, 501, 0, 500, false, REC_INVALID_TIMESTAMP},
        {1000000, 501, 0, 500, true, REC_OK}, /* the broker's clock replaces it */
        {-1, 0, 0, 0, false, REC_OK},         /* none given */
        {1000000, -1000001, 0, 0, false, REC_OK},
        {0, INT64_MAX, INT64_MAX, INT64_MAX, false, REC_OK},
        {0, INT64_MIN, INT64_MAX, INT64_MAX, false, REC_OK},
        {0, INT64_MIN, INT64_MAX - 1, INT64_MAX, false, REC_INVALID_TIMESTAMP},
        {1, INT64_MAX, INT64_MAX, INT64_MAX, false, REC_INVALID_TIMESTAMP}, /* does not fit */
        {-2, INT64_MIN, INT64_MAX, INT64_MAX, true, REC_INVALID_TIMESTAMP},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raw       records = {0};
        struct rec_batch fields = raw_fields(1);
        struct rec_rules rules = lax_rules();
        struct rec_found found;
        struct raw       bytes;

        raw_record(&records, cases[i].delta_ms, 0, view_text("k"), view_text("v"), NULL, 0);
        fields.base_timestamp_ms = cases[i].base_ms;
        bytes = raw_batch(&fields, raw_view(&records));
        rules.timestamp_before_max_ms = cases[i].before_max_ms;
        rules.timestamp_after_max_ms = cases[i].after_max_ms;
        rules.log_append_time = cases[i].log_append_time;
        assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), cases[i].verdict);
        assert_int_equal(found.bad_record_index, cases[i].verdict == REC_OK ? -1 : 0);
        raw_free(&bytes);
        raw_free(&records);
    }
}

static void test_max_timestamp_found(void **state)
{
    static const int64_t deltas[] = {5, 90, -3, 90, 89};
    struct raw           records = {0};
    struct rec_batch     fields = raw_fields(COUNT_OF(deltas));
    struct rec_rules     rules = lax_rules();
    struct rec_found     found;
    struct raw           bytes;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(deltas); i++) {
        raw_record(&records, deltas[i], (int32_t)i, view_of(NULL, 0), view_of(NULL, 0), NULL, 0);
    }
    fields.max_timestamp_ms = 5; /* the header may lie: the caller compares and stamps */
    bytes = raw_batch(&fields, raw_view(&records));
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_OK);
    assert_int_equal(found.max_timestamp_ms, 1000090);
    assert_int_equal(found.max_timestamp_delta, 1);
    raw_free(&bytes);
    raw_free(&records);
}

/* --- structure, under every codec ---------------------------------------------------------------------------------- */

struct outcome {
    enum rec_verdict verdict;
    struct rec_found found;
};

/* slice_max 0: whole. Otherwise random slices up to it. */
static struct outcome check_in_slices(struct view bytes, const struct rec_rules *rules, struct prng *prng, size_t slice_max)
{
    struct outcome   outcome;
    struct rec_batch batch;
    struct rec_check check;
    const char      *reason = NULL;
    int              rc = ERR_OK;

    assert_int_equal(rec_produced_parse(bytes, &batch, &reason), REC_OK);
    outcome.verdict = rec_check_begin(&check, &batch, rules);
    if (outcome.verdict == REC_OK) {
        do {
            rc = rec_check_step(&check, slice_max == 0 ? GIB : 1 + prng_below(prng, slice_max), &outcome.verdict);
        } while (rc == ERR_AGAIN);
        assert_int_equal(rc, ERR_OK);
    }
    outcome.found = check.found;
    rec_check_end(&check);
    rec_check_end(&check); /* harmless */
    return outcome;
}

static void outcomes_equal(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->found.bad_record_index, b->found.bad_record_index);
    assert_ptr_equal(a->found.reason, b->found.reason);
    assert_int_equal(a->found.max_timestamp_ms, b->found.max_timestamp_ms);
    assert_int_equal(a->found.max_timestamp_delta, b->found.max_timestamp_delta);
}

/* The records as they are and under every codec, in slices from one byte up: one verdict. */
static void same_everywhere(struct arena *arena, struct prng *prng, struct view plain, const struct rec_rules *rules,
                            enum rec_verdict *out_verdict)
{
    struct outcome expected = check_in_slices(plain, rules, prng, 0);

    for (int codec = REC_GZIP; codec < REC_CODEC_COUNT; codec++) {
        static const size_t slices[] = {0, 1, 3, 17, 1000, 100000};
        struct view         bytes = recompressed(arena, plain, (enum rec_codec)codec, 0);

        for (size_t i = 0; i < COUNT_OF(slices); i++) {
            struct outcome outcome = check_in_slices(bytes, rules, prng, slices[i]);

            outcomes_equal(&outcome, &expected);
        }
    }
    *out_verdict = expected.verdict;
}

static void test_sliced_is_whole(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;

    prng_init(&prng, 11);
    for (int round = 0; round < 60; round++) {
        int32_t          count = 1 + (int32_t)prng_below(&prng, 40);
        int64_t          max_ms = 0;
        struct raw       records = random_records(&prng, arena, count, round % 10 == 0 ? 60000 : 200, &max_ms);
        struct rec_batch fields = raw_fields(count);
        struct rec_rules rules = lax_rules();
        struct raw       plain = raw_batch(&fields, raw_view(&records));
        enum rec_verdict verdict;

        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        assert_int_equal(verdict, REC_OK);
        rules.keys_required = true;
        rules.timestamp_before_max_ms = 990;
        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        raw_free(&plain);
        raw_free(&records);
        arena_reset(arena);
    }
}

/* One byte of the records changed: whatever the verdict is, it is the same for every codec and slicing. */
static void test_damage_under_a_right_crc(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;
    int           refused = 0;

    prng_init(&prng, 12);
    for (int round = 0; round < 400; round++) {
        int32_t          count = 1 + (int32_t)prng_below(&prng, 12);
        int64_t          max_ms = 0;
        struct raw       records = random_records(&prng, arena, count, 60, &max_ms);
        struct rec_batch fields = raw_fields(count);
        struct rec_rules rules = lax_rules();
        struct raw       plain;
        enum rec_verdict verdict;

        records.bytes[prng_below(&prng, records.len)] = (uint8_t)prng_next(&prng);
        plain = raw_batch(&fields, raw_view(&records));
        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        refused += verdict != REC_OK;
        raw_free(&plain);
        raw_free(&records);
        arena_reset(arena);
    }
    assert_true(refused > 40); /* most bytes are content and may be anything */
}

/* Cut anywhere, or with bytes behind: refused. */
static void test_records_cut_or_trailed(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;
    int64_t       max_ms = 0;
    struct raw    records;
    size_t        whole;

    prng_init(&prng, 13);
    records = random_records(&prng, arena, 4, 40, &max_ms);
    whole = records.len;
    raw_byte(&records, 0x0c);
    for (size_t len = 0; len <= records.len; len++) {
        struct rec_batch fields = raw_fields(4);
        struct rec_rules rules = lax_rules();
        struct raw       plain;
        enum rec_verdict verdict;

        plain = raw_batch(&fields, view_of(records.bytes, len));
        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        assert_int_equal(verdict, len == whole ? REC_OK : REC_INVALID_RECORD);
        raw_free(&plain);
        arena_reset(arena);
    }
    raw_free(&records);
}

static void test_offsets_and_counts(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;

    prng_init(&prng, 14);
    for (int what = 0; what < 5; what++) {
        struct raw       records = {0};
        struct rec_batch fields = raw_fields(what == 1 ? 4 : what == 2 ? 6 : 5);
        struct rec_rules rules = lax_rules();
        struct raw       plain;
        enum rec_verdict verdict;

        for (int32_t i = 0; i < 5; i++) {
            int32_t delta = what == 3 && i == 3 ? 2 : what == 4 ? i + 1 : i;

            raw_record(&records, 0, delta, view_text("k"), view_text("some value"), NULL, 0);
        }
        plain = raw_batch(&fields, raw_view(&records));
        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        assert_int_equal(verdict, what == 0 ? REC_OK : REC_INVALID_RECORD);
        raw_free(&plain);
        raw_free(&records);
    }
}

/* --- damage to the compressed bytes ---------------------------------------------------------------------------------- */

/* Every bit of a batch turned over, under every codec: refused by the CRC where that covers it; with the CRC made right (or not looked
 * at) any verdict is fine, but never a crash and never an error. */
static void test_bit_flips(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;
    int64_t       max_ms = 0;
    struct raw    records;

    prng_init(&prng, 15);
    records = random_records(&prng, arena, 6, 120, &max_ms);
    for (int codec = 0; codec < REC_CODEC_COUNT; codec++) {
        struct rec_batch fields = raw_fields(6);
        struct raw       plain = raw_batch(&fields, raw_view(&records));
        struct view      good = recompressed(arena, raw_view(&plain), (enum rec_codec)codec, 0);
        uint8_t         *bytes = malloc(good.len);

        assert_non_null(bytes);
        memcpy(bytes, good.base, good.len);
        for (size_t bit = 0; bit < good.len * 8; bit++) {
            struct rec_rules rules = lax_rules();
            struct rec_found found;

            bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            if (bit / 8 >= 12 && bit / 8 < 16) {
                assert_int_equal(verdict_of(view_of(bytes, good.len), &rules, &found), REC_OK); /* leader epoch: not the client's */
            } else {
                assert_int_not_equal(verdict_of(view_of(bytes, good.len), &rules, &found), REC_OK);
            }
            rules.crc_checked = true;
            MAYBE(verdict_of(view_of(bytes, good.len), &rules, &found) == REC_OK);
            bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        }
        free(bytes);
        raw_free(&plain);
    }
    raw_free(&records);
}

/* Compressed bytes cut anywhere or followed by more, under a right length and CRC. */
static void test_streams_cut_or_trailed(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;
    int64_t       max_ms = 0;
    struct raw    records;

    prng_init(&prng, 16);
    records = random_records(&prng, arena, 6, 120, &max_ms);
    for (int codec = REC_GZIP; codec < REC_CODEC_COUNT; codec++) {
        struct rec_batch fields = raw_fields(6);
        struct raw       plain = raw_batch(&fields, raw_view(&records));
        struct view      good = recompressed(arena, raw_view(&plain), (enum rec_codec)codec, 0);

        fields.attributes = (uint16_t)codec;
        for (size_t len = 61; len <= good.len + 9; len++) {
            struct raw       stream = {0};
            struct raw       bytes;
            struct rec_rules rules = lax_rules();
            struct rec_found found;

            raw_put(&stream, good.base + 61, MIN(len, good.len) - 61);
            for (size_t i = good.len; i < len; i++) {
                raw_byte(&stream, (uint8_t)(len % 2 == 0 ? 0 : prng_next(&prng)));
            }
            bytes = raw_batch(&fields, raw_view(&stream));
            assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), len == good.len ? REC_OK : REC_INVALID_RECORD);
            raw_free(&bytes);
            raw_free(&stream);
        }
        raw_free(&plain);
    }
    raw_free(&records);
}

/* --- decompression bombs ---------------------------------------------------------------------------------------------- */

static void zstd_block(struct raw *raw, unsigned type, bool last, size_t size, struct view content)
{
    uint32_t header = (uint32_t)last | (type << 1) | (uint32_t)(size << 3);

    raw_put(raw, &header, 3);
    raw_put(raw, content.base, content.len);
}

/* Records with values of value_bytes zeros each: blocks of repeated bytes, 4 bytes for 128 KiB. */
static struct raw zstd_bomb(int32_t count, size_t value_bytes)
{
    struct raw raw = {0};

    raw_put(&raw, "\x28\xb5\x2f\xfd\x00\x38", 6); /* magic, no sizes, window 128 KiB */
    for (int32_t i = 0; i < count; i++) {
        struct raw head = {0};
        struct raw body = {0};

        raw_byte(&body, 0);
        raw_var(&body, 0);
        raw_var(&body, i);
        raw_var(&body, -1);
        raw_var(&body, (int64_t)value_bytes);
        raw_var(&head, (int64_t)(body.len + value_bytes + 1));
        raw_put(&head, body.bytes, body.len);
        zstd_block(&raw, 0, false, head.len, raw_view(&head));
        for (size_t left = value_bytes; left > 0; left -= MIN(left, (size_t)131072)) {
            zstd_block(&raw, 1, false, MIN(left, (size_t)131072), view_of("", 1));
        }
        zstd_block(&raw, 0, i + 1 == count, 1, view_of("", 1));
        raw_free(&head);
        raw_free(&body);
    }
    return raw;
}

/* Steps through a check and holds memory and progress against their bounds. */
static enum rec_verdict check_bounded(struct view bytes, uint64_t inflated_bytes_max, size_t memory_max)
{
    struct rec_rules rules = lax_rules();
    struct rec_batch batch;
    struct rec_check check;
    enum rec_verdict verdict;
    const char      *reason = NULL;
    uint64_t         steps = 0;
    int              rc;

    rules.inflated_bytes_max = inflated_bytes_max;
    assert_int_equal(rec_produced_parse(bytes, &batch, &reason), REC_OK);
    verdict = rec_check_begin(&check, &batch, &rules);
    assert_int_equal(verdict, REC_OK);
    do {
        rc = rec_check_step(&check, MIB, &verdict);
        assert_true(mem_used_bytes(MEM_RECORD) <= memory_max);
        assert_true(++steps <= inflated_bytes_max / MIB + 2);
    } while (rc == ERR_AGAIN);
    assert_int_equal(rc, ERR_OK);
    rec_check_end(&check);
    return verdict;
}

static void test_bomb_zstd(void **state)
{
    struct raw       stream = zstd_bomb(1024, MIB);
    struct rec_batch fields = raw_fields(1024);
    struct raw       bytes;

    (void)state;
    rec_thread_deinit();
    fields.attributes = REC_ZSTD;
    bytes = raw_batch(&fields, raw_view(&stream));
    assert_true(bytes.len < 64 * KIB); /* 1 GiB in 50 KiB */
    assert_int_equal(check_bounded(raw_view(&bytes), 64 * MIB, 128 * KIB), REC_TOO_LARGE);
    raw_free(&bytes);
    raw_free(&stream);
    /* It is a fine batch when the limit allows it, and takes no more memory. */
    stream = zstd_bomb(100, MIB);
    fields = raw_fields(100);
    fields.attributes = REC_ZSTD;
    bytes = raw_batch(&fields, raw_view(&stream));
    assert_int_equal(check_bounded(raw_view(&bytes), 128 * MIB, 128 * KIB), REC_OK);
    raw_free(&bytes);
    raw_free(&stream);
    /* One record of 1 GiB: known from its length, before it is inflated. */
    stream = zstd_bomb(1, GIB);
    fields = raw_fields(1);
    fields.attributes = REC_ZSTD;
    bytes = raw_batch(&fields, raw_view(&stream));
    assert_int_equal(check_bounded(raw_view(&bytes), 64 * MIB, 128 * KIB), REC_TOO_LARGE);
    raw_free(&bytes);
    raw_free(&stream);
}

/* 24 MiB of zeros in a few records, under a limit of 8 MiB, with every codec that can shrink them. */
static void test_bombs(void **state)
{
    struct arena *arena = *state;
    uint8_t      *zeros = calloc(1, 3 * MIB);
    struct raw    records = {0};

    assert_non_null(zeros);
    for (int32_t i = 0; i < 8; i++) {
        raw_record(&records, 0, i, view_of(NULL, 0), view_of(zeros, 3 * MIB), NULL, 0);
    }
    for (int codec = REC_GZIP; codec < REC_CODEC_COUNT; codec++) {
        struct rec_batch fields = raw_fields(8);
        struct raw       plain = raw_batch(&fields, raw_view(&records));
        struct view      bytes = recompressed(arena, raw_view(&plain), (enum rec_codec)codec, 0);

        rec_thread_deinit();
        assert_true(bytes.len < records.len / 20);
        assert_int_equal(check_bounded(bytes, 8 * MIB, 256 * KIB), REC_TOO_LARGE);
        assert_int_equal(check_bounded(bytes, 32 * MIB, 256 * KIB), REC_OK);
        raw_free(&plain);
    }
    raw_free(&records);
    free(zeros);
}

static void test_bomb_snappy_raw(void **state)
{
    struct rec_batch fields = raw_fields(1);
    struct raw       stream = {0};
    struct raw       bytes;

    (void)state;
    rec_thread_deinit();
    fields.attributes = REC_SNAPPY;
    /* Declares 4 GiB and brings a few bytes: refused without an allocation. */
    raw_put(&stream, "\xff\xff\xff\xff\x0f\x00zzzz", 10);
    bytes = raw_batch(&fields, raw_view(&stream));
    assert_int_equal(check_bounded(raw_view(&bytes), UINT64_MAX / 2, 256 * KIB), REC_INVALID_RECORD);
    raw_free(&bytes);
    raw_free(&stream);
    /* What the format can reach, 64 bytes for 3, but above the limit. */
    raw_put(&stream, "\x80\x80\x80\x02\x00\x00", 6); /* 4 MiB, a literal of one zero */
    while (stream.len < 250000) {
        raw_put(&stream, "\xfe\x01\x00", 3); /* copy 64 from 1 back */
    }
    bytes = raw_batch(&fields, raw_view(&stream));
    assert_int_equal(check_bounded(raw_view(&bytes), MIB, 256 * KIB), REC_TOO_LARGE);
    raw_free(&bytes);
    raw_free(&stream);
}

/* --- memory ------------------------------------------------------------------------------------------------------------ */

/* No memory at any allocation: an error, nothing leaks, and the next attempt succeeds. */
static void test_out_of_memory(void **state)
{
    struct arena    *arena = *state;
    struct rec_batch fields = raw_fields(1);
    struct raw       records = {0};
    struct raw       plain;
    static uint8_t   value[200000];

    raw_record(&records, 0, 0, view_text("k"), view_of(value, sizeof(value)), NULL, 0);
    plain = raw_batch(&fields, raw_view(&records));
    for (int codec = REC_GZIP; codec < REC_CODEC_COUNT; codec++) {
        struct view bytes = recompressed(arena, raw_view(&plain), (enum rec_codec)codec, 0);

        for (uint64_t n = 1; n < 5; n++) {
            struct rec_batch batch;
            struct rec_found found;
            struct rec_rules rules = lax_rules();
            enum rec_verdict verdict;
            int              rc;

            rec_thread_deinit();
            assert_int_equal(mem_used_bytes(MEM_RECORD), 0);
            assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
            mem_fail_after(n);
            rc = rec_check_whole(&batch, &rules, &found, &verdict);
            mem_fail_after(0);
            assert_true(rc == ERR_NO_MEMORY || (rc == ERR_OK && verdict == REC_OK && n > 1));
            assert_int_equal(rec_check_whole(&batch, &rules, &found, &verdict), ERR_OK);
            assert_int_equal(verdict, REC_OK);
        }
    }
    raw_free(&plain);
    raw_free(&records);
}

/* Many checks under way at once on one thread do not disturb each other. */
static void test_interleaved(void **state)
{
    struct arena    *arena = *state;
    struct prng      prng;
    struct rec_check checks[12];
    bool             done[COUNT_OF(checks)] = {0};
    size_t           left = COUNT_OF(checks);
    int64_t          max_ms[COUNT_OF(checks)];

    prng_init(&prng, 17);
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        struct raw       records = random_records(&prng, arena, 30, 2000, &max_ms[i]);
        struct rec_batch fields = raw_fields(30);
        struct raw       plain = raw_batch(&fields, raw_view(&records));
        struct rec_rules rules = lax_rules();
        struct rec_batch batch;
        struct view      bytes = recompressed(arena, raw_view(&plain), (enum rec_codec)(1 + i % 4), 0);

        assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
        if (plain.bytes == bytes.base) {
            fail();
        }
        assert_int_equal(rec_check_begin(&checks[i], &batch, &rules), REC_OK);
        raw_free(&plain);
        raw_free(&records);
    }
    while (left > 0) {
        size_t           i = prng_below(&prng, COUNT_OF(checks));
        enum rec_verdict verdict = REC_CORRUPT;

        if (!done[i] && rec_check_step(&checks[i], 1 + prng_below(&prng, 3000), &verdict) == ERR_OK) {
            assert_int_equal(verdict, REC_OK);
            assert_int_equal(checks[i].found.max_timestamp_ms, max_ms[i]);
            rec_check_end(&checks[i]);
            done[i] = true;
            left--;
        }
    }
}

/* Ended half way, as when a connection goes: nothing is left behind. */
static int release(void **state)
{
    (void)state;
    rec_thread_deinit();
    return mem_used_bytes(MEM_RECORD) == 0 ? 0 : -1;
}

static void test_abandoned(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;

    prng_init(&prng, 18);
    for (int codec = REC_GZIP; codec < REC_CODEC_COUNT; codec++) {
        int64_t          max_ms = 0;
        struct raw       records = random_records(&prng, arena, 30, 3000, &max_ms);
        struct rec_batch fields = raw_fields(30);
        struct raw       plain = raw_batch(&fields, raw_view(&records));
        struct rec_rules rules = lax_rules();
        struct rec_batch batch;
        struct rec_check check;
        enum rec_verdict verdict;

        assert_int_equal(rec_batch_parse(recompressed(arena, raw_view(&plain), (enum rec_codec)codec, 0), &batch), ERR_OK);
        assert_int_equal(rec_check_begin(&check, &batch, &rules), REC_OK);
        assert_int_equal(rec_check_step(&check, 100, &verdict), ERR_AGAIN);
        rec_check_end(&check);
        raw_free(&plain);
        raw_free(&records);
    }
    assert_int_equal(release(NULL), 0);
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup_arena, teardown_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_rules),
        WITH_ARENA(test_size_codec_and_crc_rules),
        WITH_ARENA(test_keys),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_max_timestamp_found),
        WITH_ARENA(test_sliced_is_whole),
        WITH_ARENA(test_damage_under_a_right_crc),
        WITH_ARENA(test_records_cut_or_trailed),
        WITH_ARENA(test_offsets_and_counts),
        WITH_ARENA(test_bit_flips),
        WITH_ARENA(test_streams_cut_or_trailed),
        cmocka_unit_test(test_bomb_zstd),
        WITH_ARENA(test_bombs),
        cmocka_unit_test(test_bomb_snappy_raw),
        WITH_ARENA(test_out_of_memory),
        WITH_ARENA(test_interleaved),
        WITH_ARENA(test_abandoned),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
