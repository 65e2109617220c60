/* test_store_compact_map.c: the map of a pass, against a plain array; and headers of segments that replace others. */
#include "tests/support/unit.h"

#include "core/base/bytes.h"
#include "core/base/prng.h"
#include "core/store/store_compact_map.h"
#include "core/store/store_segment.h"

#define KEYS 30000

static struct view key_of(uint32_t number, uint8_t key[12])
{
    store_le32(key, number);
    memset(key + 4, (int)(number % 7), 8);
    return view_of(key, 4 + number % 9);
}

static void test_newest_offset_of_each_key(void **state)
{
    struct store_compact_map map;
    struct prng              prng;
    int64_t                 *newest = mem_alloc(MEM_TEST, KEYS * sizeof(int64_t));
    uint8_t                  key[12];

    (void)state;
    prng_init(&prng, 3);
    store__compact_map_init(&map, 64 * MIB, 90, 11, 12);
    for (int64_t offset = 0; offset < 100000; offset++) {
        uint32_t number = (uint32_t)prng_below(&prng, KEYS);

        assert_int_equal(store__compact_map_put(&map, key_of(number, key), offset), ERR_OK);
        newest[number] = offset + 1;
    }
    for (uint32_t number = 0; number < KEYS; number++) {
        assert_int_equal(store__compact_map_get(&map, key_of(number, key)), newest[number] - 1);
    }
    assert_int_equal(store__compact_map_get(&map, view_of(NULL, 0)), -1);
    assert_true(map.bytes < (uint64_t)KEYS * 24 * 2); /* at least half of it is in use */
    store__compact_map_deinit(&map);
    mem_free(MEM_TEST, newest);
}

/* Full is full, with most of the memory in use, and what is in it stays right; known keys still move. */
static void test_bound(void **state)
{
    struct store_compact_map map;
    uint8_t                  key[12];

    (void)state;
    for (uint64_t bytes_max = 64 * KIB; bytes_max <= 1 * MIB; bytes_max *= 2) {
        uint32_t count = 0;

        store__compact_map_init(&map, bytes_max, 90, bytes_max, 2);
        while (store__compact_map_put(&map, key_of(count, key), count) == ERR_OK) {
            count++;
            assert_true(map.bytes <= bytes_max);
            assert_true(count < KEYS * 10);
        }
        assert_int_equal(map.count, count);
        assert_true(count > 0);
        if (bytes_max >= 256 * KIB) { /* below, the smallest tables take most of it */
            assert_true((uint64_t)count * 24 > bytes_max / 3);
        }
        assert_int_equal(store__compact_map_get(&map, key_of(count, key)), -1);
        for (uint32_t number = 0; number < count; number++) {
            assert_int_equal(store__compact_map_get(&map, key_of(number, key)), number);
            assert_int_equal(store__compact_map_put(&map, key_of(number, key), number + 5), ERR_OK);
            assert_int_equal(store__compact_map_get(&map, key_of(number, key)), number + 5);
        }
        store__compact_map_deinit(&map);
    }
}

static void test_no_memory_is_full(void **state)
{
    struct store_compact_map map;
    uint8_t                  key[12];

    (void)state;
    store__compact_map_init(&map, 64 * MIB, 90, 1, 2);
    mem_fail_after(3);
    assert_int_equal(store__compact_map_put(&map, key_of(1, key), 1), ERR_OK);
    mem_fail_after(1);
    assert_int_equal(store__compact_map_put(&map, key_of(2, key), 2), ERR_LIMIT);
    mem_fail_after(0);
    assert_int_equal(store__compact_map_get(&map, key_of(1, key)), 1);
    assert_int_equal(store__compact_map_get(&map, key_of(2, key)), -1);
    store__compact_map_deinit(&map);
}

/* --- headers ------------------------------------------------------------------------------------------------------ */

static struct store_segment_header replacing(void)
{
    return (struct store_segment_header){.sequence = 4,
                                         .segment_id = 77,
                                         .number = 9,
                                         .generation = 1,
                                         .block_bytes = 4096,
                                         .state = STORE_SEGMENT_SEALED,
                                         .base_offset = 100,
                                         .end_position = 16384,
                                         .end_offset = 500,
                                         .replaces_first = 3,
                                         .replaces_last = 6,
                                         .clean_end = 450};
}

static int decoded(const struct store_segment_header *header, struct store_segment_header *out_header)
{
    uint8_t bytes[STORE_SEGMENT_HEADER_BYTES];

    store__segment_header_encode(header, bytes);
    return store__segment_header_decode(view_of(bytes, sizeof(bytes)), out_header);
}

static void test_headers_that_replace(void **state)
{
    struct store_segment_header header = replacing();
    struct store_segment_header out = {0};

    (void)state;
    assert_int_equal(decoded(&header, &out), ERR_OK);
    assert_memory_equal(&out, &header, sizeof(out));
    assert_int_equal(store__segment_place(&out), 3);
    assert_int_equal(store__segment_place_last(&out), 6);
    header.state = STORE_SEGMENT_COMPACTING;
    assert_int_equal(decoded(&header, &out), ERR_OK);
    header = replacing();
    header.state = STORE_SEGMENT_ACTIVE; /* nothing is ever appended to one */
    assert_int_equal(decoded(&header, &out), ERR_CORRUPT);
    header = replacing();
    header.replaces_last = 9; /* itself */
    assert_int_equal(decoded(&header, &out), ERR_CORRUPT);
    header = replacing();
    header.replaces_first = 7;
    assert_int_equal(decoded(&header, &out), ERR_CORRUPT);
    header = replacing();
    header.replaces_first = 0;
    assert_int_equal(decoded(&header, &out), ERR_CORRUPT);
    header = (struct store_segment_header){.number = 9, .block_bytes = 4096, .state = STORE_SEGMENT_COMPACTING};
    assert_int_equal(decoded(&header, &out), ERR_CORRUPT); /* of what? */
    header.state = STORE_SEGMENT_ACTIVE;
    assert_int_equal(decoded(&header, &out), ERR_OK);
    assert_int_equal(store__segment_place(&out), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_offset_of_each_key),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_no_memory_is_full),
        cmocka_unit_test(test_headers_that_replace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
