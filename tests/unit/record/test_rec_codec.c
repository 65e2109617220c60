#include "tests/unit/record/rec_support.h"

#include "core/record/rec_codec.h"

/* The record of test_rec_batch's golden batch: what other implementations were asked to compress. */
static const uint8_t plain[] = {0x1a, 0, 0, 0, 2, 'k', 6, 'v', 'a', 'l', 2, 2, 'h', 1};

/* Python's gzip module (zlib), without and with a file name in the header. */
static const uint8_t gzip_zlib[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x93, 0x62, 0x60, 0x60, 0x60, 0xca, 0x66,
    0x2b, 0x4b, 0xcc, 0x61, 0x62, 0xca, 0x60, 0x04, 0x00, 0x8d, 0x37, 0xee, 0x1a, 0x0e, 0x00, 0x00, 0x00,
};
static const uint8_t gzip_named[] = {
    0x1f, 0x8b, 0x08, 0x08, 0x00, 0xf1, 0x53, 0x65, 0x00, 0xff, 0x72, 0x65, 0x63, 0x6f, 0x72, 0x64,
    0x73, 0x2e, 0x62, 0x69, 0x6e, 0x00, 0x93, 0x62, 0x60, 0x60, 0x60, 0xca, 0x66, 0x2b, 0x4b, 0xcc,
    0x61, 0x62, 0xca, 0x60, 0x04, 0x00, 0x8d, 0x37, 0xee, 0x1a, 0x0e, 0x00, 0x00, 0x00,
};
/* By hand from the format descriptions: one stored block each. */
static const uint8_t lz4_stored[] = {
    0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82,    /* magic, independent blocks of 64 KiB, header checksum */
    14,   0,    0,    0x80, 0x1a, 0,    0,    0, /* 14 bytes, not compressed */
    2,    'k',  6,    'v',  'a',  'l',  2,    2, 'h', 1, 0, 0, 0, 0, /* end */
};
static const uint8_t zstd_stored[] = {
    0x28, 0xb5, 0x2f, 0xfd, 0x20, 14,  0x71, 0,   0, /* magic, single segment, 14 bytes, last raw block of 14 */
    0x1a, 0,    0,    0,    2,    'k', 6,    'v', 'a', 'l', 2, 2, 'h', 1,
};
static const uint8_t snappy_raw[] = {
    14, 13 << 2, 0x1a, 0, 0, 0, 2, 'k', 6, 'v', 'a', 'l', 2, 2, 'h', 1, /* length, one literal of 14 */
};
/* Two blocks, as the Java library frames them. */
static const uint8_t snappy_xerial[] = {
    0x82, 'S', 'N', 'A', 'P', 'P', 'Y',  0,   0, 0,   0,   1,   0, 0, 0,   1, /* magic, version, oldest compatible */
    0,    0,   0,   6,   4,   12,  0x1a, 0,   0, 0,                           /* 4 of 14 */
    0,    0,   0,   12,  10,  36,  2,    'k', 6, 'v', 'a', 'l', 2, 2, 'h', 1,
};

static const struct {
    enum rec_codec codec;
    struct view    bytes;
} known[] = {
    {REC_GZIP, {gzip_zlib, sizeof(gzip_zlib)}},     {REC_GZIP, {gzip_named, sizeof(gzip_named)}},
    {REC_LZ4, {lz4_stored, sizeof(lz4_stored)}},    {REC_ZSTD, {zstd_stored, sizeof(zstd_stored)}},
    {REC_SNAPPY, {snappy_raw, sizeof(snappy_raw)}}, {REC_SNAPPY, {snappy_xerial, sizeof(snappy_xerial)}},
};

/* Everything, in pulls of `piece` bytes; what the last pull returned. */
static int pull_all(enum rec_codec codec, struct view input, uint64_t bytes_max, size_t piece, struct raw *out)
{
    struct rec_inflater inflater;
    int                 rc = rec__inflate_open(&inflater, codec, input, bytes_max);
    uint8_t            *bytes = malloc(piece);

    assert_non_null(bytes);
    if (rc == ERR_OK) {
        do {
            size_t len = piece + 1;

            rc = rec__inflate_pull(&inflater, span_of(bytes, piece), &len);
            assert_true(len <= piece);
            raw_put(out, bytes, len);
        } while (rc == 0);
        rec__inflate_close(&inflater);
        rec__inflate_close(&inflater); /* harmless */
    }
    free(bytes);
    return rc;
}

static void test_known_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        for (size_t piece = 1; piece < 20; piece++) {
            struct raw out = {0};

            assert_int_equal(pull_all(known[i].codec, known[i].bytes, MIB, piece, &out), 1);
            assert_true(view_equal(raw_view(&out), view_of(plain, sizeof(plain))));
            raw_free(&out);
        }
    }
}

static void test_known_bytes_cut_or_trailed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        for (size_t len = 0; len < known[i].bytes.len; len++) {
            struct raw out = {0};
            uint8_t   *exact = malloc(len + 1); /* so that a read too far is seen */
            int        rc;

            assert_non_null(exact);
            memcpy(exact + 1, known[i].bytes.base, len);
            rc = pull_all(known[i].codec, view_of(exact + 1, len), MIB, 7, &out);
            /* Frames of xerial have no end mark: between blocks is an end, and the walker misses the records. */
            assert_int_equal(rc, known[i].bytes.base == snappy_xerial && (len == 16 || len == 26) ? 1 : ERR_CORRUPT);
            free(exact);
            raw_free(&out);
        }
        for (size_t more = 1; more <= sizeof(plain); more++) {
            struct raw out = {0};
            struct raw trailed = {0};

            raw_put(&trailed, known[i].bytes.base, known[i].bytes.len);
            raw_put(&trailed, known[i].bytes.base,
                    more); /* the beginning of a second stream is no better than anything */
            assert_int_equal(pull_all(known[i].codec, raw_view(&trailed), MIB, 7, &out), ERR_CORRUPT);
            raw_free(&trailed);
            raw_free(&out);
        }
    }
}

/* Known checksums and lengths in the streams are looked at. */
static void test_gzip_trailer(void **state)
{
    (void)state;
    for (size_t at = sizeof(gzip_zlib) - 8; at < sizeof(gzip_zlib); at++) {
        uint8_t    bytes[sizeof(gzip_zlib)];
        struct raw out = {0};

        memcpy(bytes, gzip_zlib, sizeof(bytes));
        bytes[at] ^= 0x10;
        assert_int_equal(pull_all(REC_GZIP, view_of(bytes, sizeof(bytes)), MIB, 100, &out), ERR_CORRUPT);
        raw_free(&out);
    }
}

/* What Java consumers cannot read is refused, and said so. */
static void test_lz4_linked_blocks(void **state)
{
    uint8_t    bytes[sizeof(lz4_stored)];
    struct raw out = {0};

    (void)state;
    memcpy(bytes, lz4_stored, sizeof(bytes));
    bytes[4] = 0x40; /* blocks depend on those before */
    assert_int_equal(pull_all(REC_LZ4, view_of(bytes, sizeof(bytes)), MIB, 100, &out), ERR_UNSUPPORTED);
    bytes[4] = 0x61; /* a dictionary */
    assert_int_equal(pull_all(REC_LZ4, view_of(bytes, sizeof(bytes)), MIB, 100, &out), ERR_UNSUPPORTED);
    bytes[4] = 0xa0; /* version 2 */
    assert_int_equal(pull_all(REC_LZ4, view_of(bytes, sizeof(bytes)), MIB, 100, &out), ERR_CORRUPT);
}

/* Windows up to 8 MiB are read, larger ones refused: they are the reader's memory. */
static void test_zstd_window(void **state)
{
    (void)state;
    for (unsigned log = 10; log < 40; log++) {
        uint8_t    bytes[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, (uint8_t)((log - 10) << 3),
                              0x0b, 0,    0,    'z'}; /* one z repeated */
        struct raw out = {0};
        int        rc = pull_all(REC_ZSTD, view_of(bytes, sizeof(bytes)), MIB, 100, &out);

        assert_int_equal(rc, log <= 23 ? 1 : ERR_CORRUPT);
        if (rc == 1) {
            assert_true(view_equal(raw_view(&out), view_text("z")));
        }
        raw_free(&out);
    }
}

static void test_zstd_other_frames(void **state)
{
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
    struct raw           out = {0};

    (void)state;
    assert_int_equal(pull_all(REC_ZSTD, view_of(skippable, sizeof(skippable)), MIB, 100, &out), ERR_CORRUPT);
    assert_int_equal(pull_all(REC_LZ4, view_of(skippable, sizeof(skippable)), MIB, 100, &out), ERR_CORRUPT);
}

static void test_snappy_limits(void **state)
{
    static const uint8_t lies[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 'z'};
    struct raw           out = {0};

    (void)state;
    assert_int_equal(pull_all(REC_SNAPPY, view_of(lies, sizeof(lies)), UINT64_MAX, 100, &out), ERR_CORRUPT);
    assert_int_equal(pull_all(REC_SNAPPY, view_of(snappy_raw, sizeof(snappy_raw)), 13, 100, &out), ERR_LIMIT);
    assert_int_equal(pull_all(REC_SNAPPY, view_of(snappy_xerial, sizeof(snappy_xerial)), 13, 100, &out), ERR_LIMIT);
    raw_free(&out);
}

/* A raw block of random elements of every kind, and what it stands for. */
static void random_snappy(struct prng *prng, size_t len_min, struct raw *out_packed, struct raw *out_plain)
{
    struct raw elements = {0};

    while (out_plain->len < len_min) {
        unsigned kind = out_plain->len == 0 ? 0 : (unsigned)prng_below(prng, 4);
        size_t   distance = 0;
        size_t   len = 1 + prng_below(prng, 64);

        if (kind == 0) {
            uint8_t  bytes[70000];
            unsigned width = (unsigned)prng_below(prng, 5); /* bytes of the length; 0: in the tag */

            len = width == 0 ? 1 + prng_below(prng, 60) : 1 + prng_below(prng, width == 1 ? 256 : 3000);
            if (width > 2 && prng_chance(prng, 1, 20)) {
                len = sizeof(bytes);
            }
            prng_fill(prng, span_of(bytes, len));
            raw_byte(&elements, (uint8_t)((width == 0 ? len - 1 : 59 + width) << 2));
            for (unsigned i = 0; i < width; i++) {
                raw_byte(&elements, (uint8_t)((len - 1) >> (8 * i)));
            }
            raw_put(&elements, bytes, len);
            raw_put(out_plain, bytes, len);
            continue;
        }
        distance = MIN(out_plain->len, kind == 1 ? (size_t)2047 : kind == 2 ? (size_t)65535 : SIZE_MAX);
        if (prng_chance(prng, 1, 2)) {
            distance = MIN(distance, (size_t)20); /* over itself */
        }
        distance = 1 + prng_below(prng, distance);
        if (kind == 1) {
            len = 4 + prng_below(prng, 8);
            raw_byte(&elements, (uint8_t)(1 | ((len - 4) << 2) | ((distance >> 8) << 5)));
        } else {
            raw_byte(&elements, (uint8_t)(kind | ((len - 1) << 2)));
        }
        for (unsigned i = 0; i < (kind == 1 ? 1U : kind == 2 ? 2U : 4U); i++) {
            raw_byte(&elements, (uint8_t)(distance >> (8 * i)));
        }
        for (size_t i = 0; i < len; i++) {
            raw_byte(out_plain, out_plain->bytes[out_plain->len - distance]);
        }
    }
    for (size_t left = out_plain->len; left > 0; left >>= 7) {
        raw_byte(out_packed, (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0)));
    }
    raw_put(out_packed, elements.bytes, elements.len);
    raw_free(&elements);
}

/* The library (one large pull) and the stream of elements (small ones) agree, damaged or not. */
static void test_snappy_elements(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 22);
    for (int round = 0; round < 300; round++) {
        struct raw packed = {0};
        struct raw expected = {0};
        bool       damaged = round % 2 == 1;

        random_snappy(&prng, 1 + prng_below(&prng, round % 10 == 0 ? 300000 : 2000), &packed, &expected);
        if (damaged) {
            packed.bytes[prng_below(&prng, packed.len)] ^= (uint8_t)(1U << prng_below(&prng, 8));
        }
        for (size_t piece = 7; piece < 4 * MIB; piece *= 90) {
            struct raw whole = {0};
            struct raw out = {0};
            int        rc = pull_all(REC_SNAPPY, raw_view(&packed), 2 * MIB, 4 * MIB, &whole);

            assert_true(damaged || rc == 1);
            assert_int_equal(pull_all(REC_SNAPPY, raw_view(&packed), 2 * MIB, piece, &out), rc);
            if (rc == 1) {
                assert_true(damaged || view_equal(raw_view(&out), raw_view(&expected)));
                assert_true(view_equal(raw_view(&out), raw_view(&whole)));
            }
            raw_free(&out);
            raw_free(&whole);
        }
        raw_free(&expected);
        raw_free(&packed);
    }
}

/* All levels that Kafka's settings allow, on what compresses and what does not, from nothing up. */
static void test_levels(void **state)
{
    static const struct {
        enum rec_codec codec;
        int            level_min;
        int            level_max;
        int            step;
    } levels[] = {{REC_GZIP, 0, 9, 1}, {REC_SNAPPY, 0, 0, 1}, {REC_LZ4, 0, 17, 4}, {REC_ZSTD, -131072, 22, 13110}};
    static const size_t lens[] = {0, 1, 100, 32768, 32769, 65536, 300000};
    static uint8_t      bytes[300000];
    struct arena        arena;
    struct prng         prng;

    (void)state;
    prng_init(&prng, 21);
    arena_init(&arena, MEM_TEST, 256 * KIB, 64 * MIB);
    for (int noise = 0; noise < 2; noise++) {
        if (noise == 1) {
            prng_fill(&prng, span_of(bytes, sizeof(bytes)));
        } else {
            random_text(&prng, bytes, sizeof(bytes));
        }
        for (size_t i = 0; i < COUNT_OF(levels); i++) {
            for (int level = levels[i].level_min; level <= levels[i].level_max; level += levels[i].step) {
                for (size_t l = 0; l < COUNT_OF(lens); l++) {
                    struct span packed;
                    struct raw  out = {0};

                    assert_int_equal(rec__deflate(levels[i].codec, level, view_of(bytes, lens[l]), 10, &arena, &packed),
                                     ERR_OK);
                    assert_true(packed.len >= 10);
                    assert_true(noise == 1 || lens[l] < 1000 || level < -1000 || packed.len < lens[l] / 2);
                    assert_int_equal(
                        pull_all(levels[i].codec, view_of(packed.base + 10, packed.len - 10), MIB, 65536, &out), 1);
                    assert_true(view_equal(raw_view(&out), view_of(bytes, lens[l])));
                    raw_free(&out);
                    arena_reset(&arena);
                }
            }
        }
    }
    arena_deinit(&arena);
}

/* The strongest zstd levels do not write windows that we refuse. */
static void test_zstd_writes_what_it_reads(void **state)
{
    size_t       len = 9 * MIB;
    uint8_t     *bytes = calloc(1, len);
    struct arena arena;
    struct span  packed;
    struct raw   out = {0};

    (void)state;
    assert_non_null(bytes);
    memset(bytes + MIB, 'a', MIB);
    arena_init(&arena, MEM_TEST, 256 * KIB, 64 * MIB);
    assert_int_equal(rec__deflate(REC_ZSTD, 22, view_of(bytes, len), 0, &arena, &packed), ERR_OK);
    assert_int_equal(pull_all(REC_ZSTD, view_span(packed), 16 * MIB, MIB, &out), 1);
    assert_true(view_equal(raw_view(&out), view_of(bytes, len)));
    raw_free(&out);
    arena_deinit(&arena);
    free(bytes);
}

static void test_xerial_is_written(void **state)
{
    struct arena arena;
    struct span  packed;

    (void)state;
    arena_init(&arena, MEM_TEST, 4096, MIB);
    assert_int_equal(rec__deflate(REC_SNAPPY, 0, view_of(plain, sizeof(plain)), 0, &arena, &packed), ERR_OK);
    assert_memory_equal(packed.base, snappy_xerial, 16);
    assert_int_equal(load_be32(packed.base + 16), packed.len - 20);
    arena_deinit(&arena);
}

static void test_lz4_is_written_for_java(void **state)
{
    struct arena arena;
    struct span  packed;

    (void)state;
    arena_init(&arena, MEM_TEST, 4096, MIB);
    assert_int_equal(rec__deflate(REC_LZ4, 0, view_of(plain, sizeof(plain)), 0, &arena, &packed), ERR_OK);
    assert_memory_equal(packed.base, lz4_stored, 7); /* independent blocks of 64 KiB, no checksums, no size */
    arena_deinit(&arena);
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
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_known_bytes_cut_or_trailed),
        cmocka_unit_test(test_gzip_trailer),
        cmocka_unit_test(test_lz4_linked_blocks),
        cmocka_unit_test(test_zstd_window),
        cmocka_unit_test(test_zstd_other_frames),
        cmocka_unit_test(test_snappy_limits),
        cmocka_unit_test(test_snappy_elements),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_zstd_writes_what_it_reads),
        cmocka_unit_test(test_xerial_is_written),
        cmocka_unit_test(test_lz4_is_written_for_java),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
