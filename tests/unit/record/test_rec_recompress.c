/* Batches put under another codec in slices: the same records whatever the pair of codecs and the cuts, one result for
 * all cuts, and an end where the limits are. */
#include "tests/unit/record/rec_support.h"

#include "core/record/rec_codec.h"

/* As a topic would: the length comes from the check. */
static int begin(struct rec_recompress *job, struct view bytes, enum rec_codec to, size_t batch_bytes_max,
                 struct arena *arena)
{
    struct rec_rules rules = lax_rules();
    struct rec_batch batch;
    struct rec_found found;
    enum rec_verdict verdict;

    assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
    assert_int_equal(rec_check_whole(&batch, &rules, &found, &verdict), ERR_OK);
    assert_int_equal(verdict, REC_OK);
    return rec_recompress_begin(job, &batch, found.records_bytes, to, 0, batch_bytes_max, arena);
}

/* The number of steps it took. */
static int in_slices(struct prng *prng, struct rec_recompress *job, size_t slice_bytes_max, struct view *out_batch)
{
    int steps = 0;
    int rc;

    do {
        rc = rec_recompress_step(job, 1 + (size_t)prng_below(prng, slice_bytes_max), out_batch);
        steps++;
    } while (rc == ERR_AGAIN);
    rec_recompress_end(job);
    assert_int_equal(rc, ERR_OK);
    return steps;
}

static void expect_same(struct view bytes, struct view plain, enum rec_codec codec, struct arena *arena)
{
    struct rec_rules rules = lax_rules();
    struct rec_found found;
    struct rec_batch batch;
    struct view      records;

    assert_int_equal(verdict_of(bytes, &rules, &found), REC_OK);
    assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
    assert_true(rec_batch_crc_ok(&batch));
    assert_int_equal(batch.codec, codec);
    assert_memory_equal(bytes.base + 23, plain.base + 23, 61 - 23);
    assert_int_equal(rec_inflate(&batch, 16 * MIB, arena, &records), ERR_OK);
    assert_true(view_equal(records, view_of(plain.base + 61, plain.len - 61)));
}

/* A record of exactly `bytes`, made of the head of `value`. */
static void put_record_of(struct raw *records, int32_t index, const uint8_t *value, size_t bytes)
{
    size_t before = records->len;

    for (size_t around = 7; around < 20; around++) {
        raw_record(records, 0, index, view_of(NULL, 0), view_of(value, bytes - around), NULL, 0);
        if (records->len - before == bytes) {
            return;
        }
        records->len = before;
    }
    fail();
}

/* `bytes` of records in all, at least 50. Text, or noise that does not shrink. */
static struct raw batch_of(struct prng *prng, size_t bytes, bool noise)
{
    struct raw       records = {0};
    struct rec_batch fields;
    uint8_t         *value = calloc(1, bytes);
    int32_t          count = 0;

    assert_non_null(value);
    while (records.len < bytes) {
        size_t left = bytes - records.len;
        size_t piece = left > 30000 ? 500 + (size_t)prng_below(prng, 29000) : left;

        if (noise) {
            prng_fill(prng, span_of(value, piece));
        } else {
            random_text(prng, value, piece);
        }
        put_record_of(&records, count++, value, piece);
    }
    fields = raw_fields(count);
    free(value);
    {
        struct raw batch = raw_batch(&fields, raw_view(&records));

        raw_free(&records);
        return batch;
    }
}

static void test_every_pair_in_random_slices(void **state)
{
    static const size_t lens[] = {50, 40000, 65536, 300000};
    struct prng         prng;
    struct arena        arena;

    (void)state;
    prng_init(&prng, 77);
    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    for (size_t i = 0; i < 2 * COUNT_OF(lens); i++) {
        struct raw plain = batch_of(&prng, lens[i / 2], i % 2 == 1);

        for (int from = 0; from < REC_CODEC_COUNT; from++) {
            struct view source = recompressed(&arena, raw_view(&plain), (enum rec_codec)from, 0);

            for (int to = 0; to < REC_CODEC_COUNT; to++) {
                struct rec_recompress job = {0};
                struct view           sliced;

                assert_int_equal(begin(&job, source, (enum rec_codec)to, 4 * MIB, &arena), ERR_OK);
                (void)in_slices(&prng, &job, 200000, &sliced);
                expect_same(sliced, raw_view(&plain), (enum rec_codec)to, &arena);
                /* However it is cut. */
                assert_true(view_equal(sliced, recompressed(&arena, source, (enum rec_codec)to, 0)));
            }
        }
        raw_free(&plain);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

/* A step does not go beyond the window in which its slice ends. */
static void test_steps_are_bounded(void **state)
{
    struct prng  prng;
    struct arena arena;
    struct raw   plain;

    (void)state;
    prng_init(&prng, 78);
    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    plain = batch_of(&prng, MIB, false);
    for (int from = 0; from < REC_CODEC_COUNT; from++) {
        struct view source = recompressed(&arena, raw_view(&plain), (enum rec_codec)from, 0);

        for (int to = 0; to < REC_CODEC_COUNT; to++) {
            struct rec_recompress job = {0};
            struct view           out;
            int                   steps;

            assert_int_equal(begin(&job, source, (enum rec_codec)to, 4 * MIB, &arena), ERR_OK);
            steps = in_slices(&prng, &job, 1, &out);
            assert_in_range(steps, MIB / 65536, MIB / 65536 + 2);
            assert_int_equal(begin(&job, source, (enum rec_codec)to, 4 * MIB, &arena), ERR_OK);
            assert_int_equal(rec_recompress_step(&job, 128 * KIB, &out), ERR_AGAIN);
            assert_int_equal(job.done_bytes, 128 * KIB);
            rec_recompress_end(&job); /* given up half way */
            rec_recompress_end(&job);
        }
    }
    raw_free(&plain);
    arena_deinit(&arena);
}

/* The limit is met exactly, one byte less is too little, and what is far above it is seen early and costs no more
 * memory than the limit. */
static void test_limit(void **state)
{
    struct prng  prng;
    struct arena arena;
    struct raw   plain;

    (void)state;
    prng_init(&prng, 79);
    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    plain = batch_of(&prng, 2 * MIB, true);
    for (int to = 0; to < REC_CODEC_COUNT; to++) {
        struct rec_recompress job = {0};
        enum rec_codec        from = to == REC_ZSTD ? REC_LZ4 : REC_ZSTD;
        struct view           source = recompressed(&arena, raw_view(&plain), from, 0);
        struct view           whole = recompressed(&arena, source, (enum rec_codec)to, 0);
        struct view           out;
        struct arena          small;
        int                   rc;

        assert_int_equal(begin(&job, source, (enum rec_codec)to, whole.len, &arena), ERR_OK);
        (void)in_slices(&prng, &job, 300000, &out);
        assert_true(view_equal(out, whole));
        rc = begin(&job, source, (enum rec_codec)to, whole.len - 1, &arena);
        while (rc == ERR_OK || rc == ERR_AGAIN) {
            rc = rec_recompress_step(&job, 65536, &out);
            assert_int_not_equal(rc, ERR_OK);
        }
        assert_int_equal(rc, ERR_LIMIT);
        rec_recompress_end(&job);

        arena_init(&small, MEM_TEST, 4096, 500000);
        rc = begin(&job, source, (enum rec_codec)to, 200000, &small);
        while (rc == ERR_OK || rc == ERR_AGAIN) {
            assert_true(job.done_bytes < 800000);
            rc = rec_recompress_step(&job, 65536, &out);
            assert_int_not_equal(rc, ERR_OK);
        }
        assert_int_equal(rc, ERR_LIMIT);
        rec_recompress_end(&job);
        arena_deinit(&small);
    }
    raw_free(&plain);
    arena_deinit(&arena);
}

static void test_no_memory(void **state)
{
    struct prng  prng;
    struct arena arena;
    struct arena small;
    struct raw   plain;

    (void)state;
    prng_init(&prng, 80);
    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    plain = batch_of(&prng, 200000, false);
    for (int to = 0; to < REC_CODEC_COUNT; to++) {
        struct rec_recompress job = {0};
        struct view           source = recompressed(&arena, raw_view(&plain), REC_SNAPPY, 0);

        for (size_t budget = 8192; budget <= 250000; budget += 60000) {
            arena_init(&small, MEM_TEST, 4096, budget);
            assert_int_equal(begin(&job, source, (enum rec_codec)to, MIB, &small), ERR_NO_MEMORY);
            rec_recompress_end(&job); /* harmless */
            arena_deinit(&small);
        }
    }
    raw_free(&plain);
    arena_deinit(&arena);
}

/* A length that is not that of the records, and damage, cannot pass the buffer. */
static void test_records_that_are_not_as_said(void **state)
{
    struct prng  prng;
    struct arena arena;
    struct raw   plain;

    (void)state;
    prng_init(&prng, 81);
    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    plain = batch_of(&prng, 150000, true);
    for (int from = 0; from < REC_CODEC_COUNT; from++) {
        struct view      source = recompressed(&arena, raw_view(&plain), (enum rec_codec)from, 0);
        struct rec_batch batch;

        assert_int_equal(rec_batch_parse(source, &batch), ERR_OK);
        for (int i = 0; i < 20; i++) {
            struct rec_recompress job = {0};
            struct view           out;
            uint64_t       said = i < 5 ? plain.len - 61 - 1 - (uint64_t)i * 20000 : plain.len - 61 + (uint64_t)i;
            enum rec_codec to = (enum rec_codec)(i % REC_CODEC_COUNT);
            int            rc = rec_recompress_begin(&job, &batch, said, to, 0, MIB, &arena);

            while (rc == ERR_OK || rc == ERR_AGAIN) {
                rc = rec_recompress_step(&job, 65536, &out);
                assert_int_not_equal(rc, ERR_OK);
            }
            assert_int_equal(rc, ERR_CORRUPT);
            rec_recompress_end(&job);
        }
    }
    raw_free(&plain);
    arena_deinit(&arena);
}

static int release(void **state)
{
    (void)state;
    rec_thread_deinit();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_in_random_slices),
        cmocka_unit_test(test_steps_are_bounded),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_records_that_are_not_as_said),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
