#include "tests/support/unit.h"

#include "core/base/hash.h"
#include "core/base/prng.h"

/* The values Apache Kafka's own test of its partitioner hash expects (clients, UtilsTest). */
static void test_murmur2_of_kafka(void **state)
{
    static const struct {
        const char *key;
        int32_t     hash;
    } rows[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal((int32_t)hash_murmur2(view_text(rows[i].key)), rows[i].hash);
    }
}

/* String.hashCode as the Java language defines it. */
static void test_java_string(void **state)
{
    (void)state;
    assert_int_equal(hash_java_string(view_text("")), 0);
    assert_int_equal(hash_java_string(view_text("a")), 97);
    assert_int_equal(hash_java_string(view_text("hello")), 99162322);
    assert_int_equal(hash_java_string(view_text("Aa")), hash_java_string(view_text("BB")));
    assert_int_equal(hash_java_string(view_text("polygenelubricants")), INT32_MIN);
    assert_int_equal(hash_java_string(view_text("\xc3\xa9")), 0xe9);                          /* e with an acute */
    assert_int_equal(hash_java_string(view_text("\xe2\x82\xac")), 0x20ac);                    /* euro sign */
    assert_int_equal(hash_java_string(view_text("\xf0\x9f\x98\x80")), 0xd83d * 31 + 0xde00);  /* two UTF-16 units */
    assert_int_equal(hash_java_string(view_text("a\xf0\x9f")), (97 * 31 + 0xf0) * 31 + 0x9f); /* cut off */
}

static void test_every_byte_counts(void **state)
{
    uint8_t     bytes[40];
    struct prng prng;

    (void)state;
    prng_init(&prng, 11);
    prng_fill(&prng, span_of(bytes, sizeof(bytes)));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint64_t hash = hash_bytes(view_of(bytes, len));

        assert_true(hash == hash_bytes(view_of(bytes, len)));
        for (size_t at = 0; at < len; at++) {
            bytes[at] ^= 1;
            assert_true(hash_bytes(view_of(bytes, len)) != hash);
            bytes[at] ^= 1;
        }
    }
    /* A zero at the end is not lost in the padding of the last word. */
    assert_true(hash_bytes(view_of("\0", 1)) != hash_bytes(view_of("\0\0", 2)));
}

static void test_small_numbers_spread(void **state)
{
    unsigned seen[64] = {0};

    (void)state;
    for (uint64_t value = 1; value <= 64 * 64; value++) {
        seen[hash_u64(value) % 64]++;
    }
    for (size_t i = 0; i < 64; i++) {
        assert_in_range(seen[i], 32, 96);
    }
}

/* The first values of the authors' own table: key 00 01 .. 0f, inputs of so many bytes 00 01 02 .. */
static void test_sip128_of_its_authors(void **state)
{
    static const struct hash_128 rows[] = {
        {UINT64_C(0xe6a825ba047f81a3), UINT64_C(0x930255c71472f66d)},
        {UINT64_C(0x44af996bd8c187da), UINT64_C(0x45fc229b11597634)},
    };
    uint8_t input[32];

    (void)state;
    for (size_t i = 0; i < sizeof(input); i++) {
        input[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hash_128 hash =
            hash_sip128(UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908), view_of(input, i));

        assert_true(hash.low == rows[i].low && hash.high == rows[i].high);
    }
    for (size_t len = 1; len < sizeof(input); len++) { /* every length and the last byte count */
        struct hash_128 hash = hash_sip128(1, 2, view_of(input, len));
        struct hash_128 shorter = hash_sip128(1, 2, view_of(input, len - 1));

        assert_true(hash.low != shorter.low && hash.high != shorter.high);
        input[len - 1] ^= 1;
        assert_true(hash_sip128(1, 2, view_of(input, len)).low != hash.low);
        input[len - 1] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sip128_of_its_authors), cmocka_unit_test(test_murmur2_of_kafka),
        cmocka_unit_test(test_java_string),           cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_small_numbers_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
