/* ISA-L's CRC-32C, and the algebra above it, against the definition: one bit at a time. */
#include "tests/support/unit.h"

#include "core/base/crc32c.h"
#include "core/base/prng.h"

static uint32_t crc_of_bits(uint32_t crc, const uint8_t *bytes, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
        }
    }
    return ~crc;
}

static void test_known_values(void **state)
{
    uint8_t bytes[32];

    (void)state;
    assert_int_equal(crc32c_update(0, "", 0), 0);
    assert_int_equal(crc32c_update(0, "123456789", 9), 0xe3069283U);
    /* RFC 3720, B.4 */
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c_update(0, bytes, sizeof(bytes)), 0x8a9136aaU);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c_update(0, bytes, sizeof(bytes)), 0x62a8ab43U);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_int_equal(crc32c_update(0, bytes, sizeof(bytes)), 0x46dd794eU);
}

static void test_all_lengths_and_alignments(void **state)
{
    static uint8_t bytes[4096 + 16];
    struct prng    prng;

    (void)state;
    prng_init(&prng, 3);
    prng_fill(&prng, span_of(bytes, sizeof(bytes)));
    for (size_t len = 0; len < 600; len++) {
        size_t offset = len % 16;

        assert_int_equal(crc32c_update(0, bytes + offset, len), crc_of_bits(0, bytes + offset, len));
    }
    for (size_t len = 600; len < 4096; len += 97) {
        assert_int_equal(crc32c_update(7, bytes + len % 16, len), crc_of_bits(7, bytes + len % 16, len));
    }
}

static void test_parts_make_the_whole(void **state)
{
    static uint8_t bytes[2000];
    struct prng    prng;

    (void)state;
    prng_init(&prng, 4);
    prng_fill(&prng, span_of(bytes, sizeof(bytes)));
    for (int i = 0; i < 200; i++) {
        size_t   cut = (size_t)prng_below(&prng, sizeof(bytes) + 1);
        uint32_t whole = crc32c_update(0, bytes, sizeof(bytes));
        uint32_t head = crc32c_update(0, bytes, cut);
        uint32_t tail = crc32c_update(0, bytes + cut, sizeof(bytes) - cut);

        assert_int_equal(crc32c_update(head, bytes + cut, sizeof(bytes) - cut), whole);
        assert_int_equal(crc32c_combine(head, tail, sizeof(bytes) - cut), whole);
    }
}

static void test_copy_is_update_and_memcpy(void **state)
{
    static uint8_t from[200000 + 64];
    static uint8_t to[200000 + 64 + 1];
    struct prng    prng;

    (void)state;
    prng_init(&prng, 5);
    prng_fill(&prng, span_of(from, sizeof(from)));
    for (size_t len = 0; len <= 200000; len += 1 + len / 2) {
        memset(to, 0, sizeof(to));
        assert_int_equal(crc32c_copy(9, to, from, len), crc32c_update(9, from, len));
        assert_memory_equal(to, from, len);
        assert_int_equal(to[len], 0);
    }
    for (size_t i = 0; i < 2000; i++) { /* lengths about the steps of a fold, any alignment of either side */
        size_t len = i < 1000 ? 400 + i : 65000 + i;
        size_t at = (size_t)prng_below(&prng, 64);
        size_t source = (size_t)prng_below(&prng, 64);

        memset(to, 0, at + len + 1);
        assert_int_equal(crc32c_copy(11, to + at, from + source, len), crc32c_update(11, from + source, len));
        assert_memory_equal(to + at, from + source, len);
        assert_int_equal(to[at + len], 0);
        assert_true(at == 0 || to[at - 1] == 0);
    }
}

static void test_patch_follows_a_change(void **state)
{
    static uint8_t bytes[5000];
    struct prng    prng;

    (void)state;
    prng_init(&prng, 6);
    prng_fill(&prng, span_of(bytes, sizeof(bytes)));
    for (int i = 0; i < 300; i++) {
        uint8_t  difference[16];
        size_t   len = 1 + (size_t)prng_below(&prng, sizeof(difference));
        size_t   at = (size_t)prng_below(&prng, sizeof(bytes) - len + 1);
        uint32_t crc = crc32c_update(0, bytes, sizeof(bytes));
        uint32_t wrong = crc ^ 0x100;

        prng_fill(&prng, span_of(difference, sizeof(difference)));
        for (size_t k = 0; k < len; k++) {
            bytes[at + k] ^= difference[k];
        }
        crc = crc32c_patch(crc, difference, len, sizeof(bytes) - at - len);
        wrong = crc32c_patch(wrong, difference, len, sizeof(bytes) - at - len);
        assert_int_equal(crc, crc32c_update(0, bytes, sizeof(bytes)));
        assert_int_not_equal(wrong, crc);
    }
}

static void test_shift_by_zero_bytes(void **state)
{
    static const uint8_t zeros[300] = {0};
    struct prng          prng;

    (void)state;
    prng_init(&prng, 8);
    for (size_t count = 0; count < sizeof(zeros); count++) {
        uint32_t a = (uint32_t)prng_next(&prng);
        uint32_t b = (uint32_t)prng_next(&prng);

        /* Undo the inversions at begin and end of crc_of_bits. */
        assert_int_equal(crc32c_shift(a, count), ~crc_of_bits(~a, zeros, count));
        assert_int_equal(crc32c_shift(a ^ b, count), crc32c_shift(a, count) ^ crc32c_shift(b, count));
        assert_int_equal(crc32c_shift(crc32c_shift(a, count), UINT64_C(1) << 40),
                         crc32c_shift(a, count + (UINT64_C(1) << 40)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),           cmocka_unit_test(test_all_lengths_and_alignments),
        cmocka_unit_test(test_parts_make_the_whole),   cmocka_unit_test(test_copy_is_update_and_memcpy),
        cmocka_unit_test(test_patch_follows_a_change), cmocka_unit_test(test_shift_by_zero_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
