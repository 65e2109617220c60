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

static int release(void **state)
{
    (void)state;
    rec_thread_deinit();
    return mem_used_bytes(MEM_RECORD) == 0 ? 0 : -1;
}

/* --- damage to the compressed bytes ------------------------------------------------------------------------------ */

/* Every bit of a batch turned over, under every codec: refused by the CRC where that covers it; with the CRC made
 * right (or not looked at) any verdict is fine, but never a crash and never an error. */
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
                assert_int_equal(verdict_of(view_of(bytes, good.len), &rules, &found),
                                 REC_OK); /* leader epoch: not the client's */
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
            assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found),
                             len == good.len ? REC_OK : REC_INVALID_RECORD);
            raw_free(&bytes);
            raw_free(&stream);
        }
        raw_free(&plain);
    }
    raw_free(&records);
}

/* --- decompression bombs ----------------------------------------------------------------------------------------- */

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

/* --- memory ------------------------------------------------------------------------------------------------------ */

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

        assert_int_equal(rec_batch_parse(recompressed(arena, raw_view(&plain), (enum rec_codec)codec, 0), &batch),
                         ERR_OK);
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
