#include "tests/support/unit.h"

#include "core/base/bytes.h"
#include "core/base/prng.h"

static void test_byte_orders(void **state)
{
    static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
    uint8_t              out[8];

    (void)state;
    assert_int_equal(load_be16(bytes), 0x0102);
    assert_int_equal(load_be32(bytes), 0x01020304);
    assert_true(load_be64(bytes) == UINT64_C(0x0102030405060708));
    assert_int_equal(load_le16(bytes), 0x0201);
    assert_int_equal(load_le32(bytes), 0x04030201);
    assert_true(load_le64(bytes) == UINT64_C(0x0807060504030201));
    store_be16(out, 0x0102);
    assert_memory_equal(out, bytes, 2);
    store_be32(out, 0x01020304);
    assert_memory_equal(out, bytes, 4);
    store_be64(out, UINT64_C(0x0102030405060708));
    assert_memory_equal(out, bytes, 8);
    store_le16(out, 0x0201);
    assert_memory_equal(out, bytes, 2);
    store_le32(out, 0x04030201);
    assert_memory_equal(out, bytes, 4);
    store_le64(out, UINT64_C(0x0807060504030201));
    assert_memory_equal(out, bytes, 8);
    /* Unaligned addresses are fine. */
    assert_int_equal(load_be16(bytes + 1), 0x0203);
    assert_int_equal(load_le32(bytes + 3), 0x07060504);
}

static void test_zigzag(void **state)
{
    static const struct {
        int64_t  value;
        uint64_t code;
    } rows[] = {{0, 0},
                {-1, 1},
                {1, 2},
                {-2, 3},
                {INT32_MAX, 4294967294U},
                {INT32_MIN, 4294967295U},
                {INT64_MAX, UINT64_MAX - 1},
                {INT64_MIN, UINT64_MAX}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(zigzag64(rows[i].value) == rows[i].code);
        assert_true(unzigzag64(rows[i].code) == rows[i].value);
        if (rows[i].code <= UINT32_MAX) {
            assert_true(zigzag32((int32_t)rows[i].value) == rows[i].code);
            assert_true(unzigzag32((uint32_t)rows[i].code) == rows[i].value);
        }
    }
}

static void test_known_varints(void **state)
{
    static const struct {
        uint64_t value;
        uint8_t  bytes[10];
        size_t   len;
    } rows[] = {
        {0, {0x00}, 1},
        {1, {0x01}, 1},
        {127, {0x7f}, 1},
        {128, {0x80, 0x01}, 2},
        {300, {0xac, 0x02}, 2},
        {16383, {0xff, 0x7f}, 2},
        {16384, {0x80, 0x80, 0x01}, 3},
        {UINT32_MAX, {0xff, 0xff, 0xff, 0xff, 0x0f}, 5},
        {UINT64_MAX, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t  out[VARINT64_BYTES_MAX];
        uint64_t wide = 0;
        uint32_t narrow = 0;

        assert_int_equal(uvarint64_write(out, rows[i].value), rows[i].len);
        assert_memory_equal(out, rows[i].bytes, rows[i].len);
        assert_int_equal(uvarint64_bytes(rows[i].value), rows[i].len);
        assert_int_equal(uvarint64_read(out, rows[i].len, &wide), rows[i].len);
        assert_true(wide == rows[i].value);
        if (rows[i].value <= UINT32_MAX) {
            assert_int_equal(uvarint32_write(out, (uint32_t)rows[i].value), rows[i].len);
            assert_int_equal(uvarint32_bytes((uint32_t)rows[i].value), rows[i].len);
            assert_int_equal(uvarint32_read(out, rows[i].len, &narrow), rows[i].len);
            assert_true(narrow == rows[i].value);
        }
    }
}

static void test_round_trips_of_all_widths(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 1);
    for (int i = 0; i < 20000; i++) {
        uint8_t  out[VARINT64_BYTES_MAX];
        uint64_t value = prng_next(&prng) >> prng_below(&prng, 64);
        uint64_t wide = 0;
        int64_t  signed_wide = 0;
        int32_t  signed_narrow = 0;
        size_t   len = uvarint64_write(out, value);

        assert_int_equal(uvarint64_bytes(value), len);
        assert_int_equal(uvarint64_read(out, sizeof(out), &wide), len);
        assert_true(wide == value);
        for (size_t short_len = 0; short_len < len; short_len++) {
            assert_int_equal(uvarint64_read(out, short_len, &wide), 0);
        }
        len = uvarint64_write(out, zigzag64((int64_t)value));
        assert_int_equal(varint64_read(out, len, &signed_wide), len);
        assert_true(signed_wide == (int64_t)value);
        len = uvarint32_write(out, zigzag32((int32_t)value));
        assert_int_equal(varint32_read(out, len, &signed_narrow), len);
        assert_true(signed_narrow == (int32_t)value);
    }
}

static void test_too_long_is_refused(void **state)
{
    static const uint8_t endless[16] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
    static const uint8_t over32[] = {0xff, 0xff, 0xff, 0xff, 0x1f};
    static const uint8_t over64[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    uint32_t             narrow = 7;
    uint64_t             wide = 7;
    int32_t              signed_narrow = 7;
    int64_t              signed_wide = 7;

    (void)state;
    assert_int_equal(uvarint32_read(endless, sizeof(endless), &narrow), 0);
    assert_int_equal(uvarint64_read(endless, sizeof(endless), &wide), 0);
    assert_int_equal(uvarint32_read(over32, sizeof(over32), &narrow), 0);
    assert_int_equal(uvarint64_read(over64, sizeof(over64), &wide), 0);
    assert_int_equal(varint32_read(over32, sizeof(over32), &signed_narrow), 0);
    assert_int_equal(varint64_read(over64, sizeof(over64), &signed_wide), 0);
    assert_int_equal(uvarint32_read(endless, 0, &narrow), 0);
    /* Results are not written on failure. */
    assert_int_equal(narrow, 7);
    assert_true(wide == 7);
    assert_int_equal(signed_narrow, 7);
    assert_true(signed_wide == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_orders),         cmocka_unit_test(test_zigzag),
        cmocka_unit_test(test_known_varints),       cmocka_unit_test(test_round_trips_of_all_widths),
        cmocka_unit_test(test_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
