/* The writer alone: splices stay the caller's memory, small ones are copied, limits are errors and not overruns. */
#include "tests/support/unit.h"

#include "core/proto/kp_reader.h"
#include "core/proto/kp_writer.h"
#include "tests/unit/proto/kp_hex.h"

#define LARGE_BYTES 5000

static struct arena arena;
static uint8_t      large[LARGE_BYTES];

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, MEM_TEST, 4096, MIB);
    for (size_t i = 0; i < sizeof(large); i++) {
        large[i] = (uint8_t)(i * 7);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void test_splice_is_not_copied(void **state)
{
    struct kp_writer   writer;
    const struct view *segments;
    int32_t            count = 0;

    (void)state;
    kp_writer_init_arena(&writer, &arena, 0);
    kp_write_int16(&writer, 0x0102);
    kp_write_records(&writer, false, false, view_of(large, sizeof(large)), NULL, 0);
    kp_write_int8(&writer, 3);
    segments = kp_writer_segments(&writer, &count);
    assert_int_equal(count, 3);
    assert_int_equal(segments[0].len, 6);
    assert_ptr_equal(segments[1].base, large);
    assert_int_equal(segments[1].len, sizeof(large));
    assert_int_equal(segments[2].len, 1);
    assert_int_equal(writer.bytes_total, 6 + sizeof(large) + 1);
}

static void test_small_splice_is_copied(void **state)
{
    struct kp_writer   writer;
    const struct view *segments;
    int32_t            count = 0;

    (void)state;
    kp_writer_init_arena(&writer, &arena, 0);
    kp_write_records(&writer, true, false, view_of(large, KP_WRITER_SPLICE_BYTES_MIN - 1), NULL, 0);
    segments = kp_writer_segments(&writer, &count);
    assert_int_equal(count, 1);
    assert_int_equal(segments[0].len, 2 + KP_WRITER_SPLICE_BYTES_MIN - 1);
    assert_memory_equal(segments[0].base + 2, large, KP_WRITER_SPLICE_BYTES_MIN - 1);
}

/* More segments than the first list holds, asked for in between. */
static void test_many_parts(void **state)
{
    struct view        parts[40];
    struct kp_writer   writer;
    const struct view *segments;
    int32_t            count = 0;
    size_t             total = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i] = view_of(large + i, 300 + i);
        total += parts[i].len;
    }
    kp_writer_init_arena(&writer, &arena, 0);
    kp_write_int8(&writer, 1);
    kp_writer_segments(&writer, &count);
    assert_int_equal(count, 1);
    kp_write_records(&writer, false, true, (struct view){0}, parts, (int32_t)COUNT_OF(parts));
    segments = kp_writer_segments(&writer, &count);
    assert_int_equal(count, 2 + COUNT_OF(parts));
    assert_int_equal(load_be32(segments[1].base), total);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert_ptr_equal(segments[2 + i].base, parts[i].base);
        assert_int_equal(segments[2 + i].len, parts[i].len);
    }
    assert_int_equal(writer.bytes_total, 1 + 4 + total);
}

static void test_reserve(void **state)
{
    struct kp_writer   writer;
    uint8_t           *length;
    const struct view *segments;
    int32_t            count = 0;
    const uint8_t      wanted[] = {0, 0, 0, 2, 0, 9};

    (void)state;
    kp_writer_init_arena(&writer, &arena, 0);
    length = kp_writer_reserve(&writer, 4);
    kp_write_int16(&writer, 9);
    store_be32(length, (uint32_t)(writer.bytes_total - 4));
    segments = kp_writer_segments(&writer, &count);
    assert_int_equal(count, 1);
    assert_int_equal(segments[0].len, sizeof(wanted));
    assert_memory_equal(segments[0].base, wanted, sizeof(wanted));
    kp_writer_init_measure(&writer);
    assert_null(kp_writer_reserve(&writer, 4));
    assert_int_equal(writer.bytes_total, 4);
}

static void test_nulls(void **state)
{
    struct kp_hex    wanted = kp_unhex("ffff 0000 00 01 ffffffff 00000000 ffffffff 00000000 00 01 ff 01");
    uint8_t          bytes[64];
    struct kp_writer writer;

    (void)state;
    kp_writer_init_span(&writer, span_of(bytes, sizeof(bytes)));
    kp_write_string(&writer, false, true, (struct view){0});
    kp_write_string(&writer, false, false, (struct view){0});
    kp_write_string(&writer, true, true, (struct view){0});
    kp_write_string(&writer, true, false, (struct view){0});
    kp_write_bytes(&writer, false, true, (struct view){0});
    kp_write_records(&writer, false, false, (struct view){0}, NULL, 0);
    kp_write_records(&writer, false, true, (struct view){0}, NULL, 0);
    kp_write_int32_array(&writer, false, false, NULL, -1);
    kp_write_int32_array(&writer, true, true, NULL, -1);
    kp_write_string_array(&writer, true, true, NULL, 0);
    kp_write_present(&writer, false);
    kp_write_present(&writer, true);
    assert_int_equal(writer.error, ERR_OK);
    assert_int_equal(writer.bytes_total, wanted.len);
    assert_memory_equal(bytes, wanted.bytes, wanted.len);
}

static void test_too_long(void **state)
{
    static uint8_t   text[INT16_MAX + 1];
    struct kp_writer writer;

    (void)state;
    kp_writer_init_measure(&writer);
    kp_write_string(&writer, true, false, view_of(text, INT16_MAX));
    assert_int_equal(writer.error, ERR_OK);
    kp_write_string(&writer, true, false, view_of(text, INT16_MAX + 1));
    assert_int_equal(writer.error, ERR_INVALID);
    kp_writer_init_measure(&writer);
    kp_write_bytes(&writer, false, false, view_of(text, (size_t)INT32_MAX + 1)); /* measured, never read */
    assert_int_equal(writer.error, ERR_INVALID);
}

static void test_span_full(void **state)
{
    uint8_t          bytes[4] = {0};
    struct kp_writer writer;

    (void)state;
    kp_writer_init_span(&writer, span_of(bytes, 3));
    kp_write_int16(&writer, 0x0102);
    kp_write_int16(&writer, 0x0304);
    assert_int_equal(writer.error, ERR_NO_SPACE);
    kp_write_int8(&writer, 5); /* would fit, but the writer has failed */
    assert_int_equal(writer.bytes_total, 2);
    assert_int_equal(bytes[2], 0);
    kp_writer_init_span(&writer, (struct span){0});
    kp_write_raw(&writer, (struct view){0});
    assert_int_equal(writer.error, ERR_OK);
    kp_write_int8(&writer, 5);
    assert_int_equal(writer.error, ERR_NO_SPACE);
}

static void test_arena_over_budget(void **state)
{
    struct arena     small;
    struct kp_writer writer;
    int32_t          count = 77;

    (void)state;
    arena_init(&small, MEM_TEST, 64, 600);
    kp_writer_init_arena(&writer, &small, 0);
    for (int i = 0; i < 1000; i++) {
        kp_write_int64(&writer, i);
    }
    assert_int_equal(writer.error, ERR_NO_MEMORY);
    assert_null(kp_writer_segments(&writer, &count));
    assert_int_equal(count, 0);
    arena_deinit(&small);
}

static void test_arrays_read_back(void **state)
{
    static const bool     bools[] = {true, false};
    static const int8_t   bytes8[] = {-1, 2};
    static const int64_t  longs[] = {INT64_MIN, 5};
    static const uint32_t words[] = {UINT32_MAX};
    static const double   doubles[] = {0.25};
    struct view           views[] = {view_text("a"), view_text("")};
    uint8_t               room[256];
    struct kp_writer      writer;
    struct kp_reader      reader;
    int32_t               count = 0;

    (void)state;
    kp_writer_init_span(&writer, span_of(room, sizeof(room)));
    kp_write_bool_array(&writer, true, false, bools, 2);
    kp_write_int8_array(&writer, false, false, bytes8, 2);
    kp_write_int64_array(&writer, true, false, longs, 2);
    kp_write_uint32_array(&writer, true, false, words, 1);
    kp_write_float64_array(&writer, true, false, doubles, 1);
    kp_write_bytes_array(&writer, false, false, views, 2);
    kp_reader_init(&reader, view_of(room, writer.bytes_total), &arena);
    assert_memory_equal(kp_read_bool_array(&reader, true, false, &count), bools, sizeof(bools));
    assert_memory_equal(kp_read_int8_array(&reader, false, false, &count), bytes8, sizeof(bytes8));
    assert_memory_equal(kp_read_int64_array(&reader, true, false, &count), longs, sizeof(longs));
    assert_memory_equal(kp_read_uint32_array(&reader, true, false, &count), words, sizeof(words));
    assert_memory_equal(kp_read_float64_array(&reader, true, false, &count), doubles, sizeof(doubles));
    assert_true(view_equal(kp_read_bytes_array(&reader, false, false, &count)[0], views[0]));
    assert_int_equal(count, 2);
    assert_int_equal(reader.error, ERR_OK);
    assert_int_equal(kp_reader_remaining(&reader), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_splice_is_not_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_small_splice_is_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reserve, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nulls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_span_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arena_over_budget, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arrays_read_back, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
