/* The reader alone: every encoding at its edges, counts and lengths that lie, tags out of order. */
#include "tests/support/unit.h"

#include "core/proto/kp_reader.h"
#include "tests/unit/proto/kp_hex.h"

static struct arena  arena;
static struct kp_hex hex;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, MEM_TEST, 4096, 65536);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static struct kp_reader reader_of(const char *text)
{
    struct kp_reader reader;

    hex = kp_unhex(text);
    kp_reader_init(&reader, kp_hex_view(&hex), &arena);
    return reader;
}

static void test_scalars(void **state)
{
    struct kp_reader reader = reader_of("01 ff fffe fffe 80000000 ffffffff 7fffffffffffffff 3ff8000000000000");

    (void)state;
    assert_true(kp_read_bool(&reader));
    assert_int_equal(kp_read_int8(&reader), -1);
    assert_int_equal(kp_read_int16(&reader), -2);
    assert_int_equal(kp_read_uint16(&reader), 65534);
    assert_int_equal(kp_read_int32(&reader), INT32_MIN);
    assert_int_equal(kp_read_uint32(&reader), UINT32_MAX);
    assert_true(kp_read_int64(&reader) == INT64_MAX);
    assert_true(kp_read_float64(&reader) > 1.49 && reader.error == ERR_OK);
    assert_int_equal(kp_reader_remaining(&reader), 0);
}

static void test_first_error_sticks(void **state)
{
    struct kp_reader reader = reader_of("00 01");

    (void)state;
    assert_int_equal(kp_read_int32(&reader), 0);
    assert_int_equal(reader.error, ERR_INVALID);
    assert_int_equal(kp_read_int8(&reader), 0); /* would fit, but the reader has failed */
    assert_int_equal(kp_reader_remaining(&reader), 2);
    kp_reader_fail(&reader, ERR_NO_MEMORY);
    assert_int_equal(reader.error, ERR_INVALID);
    assert_true(uuid_is_zero(kp_read_uuid(&reader)));
    assert_null(kp_read_string(&reader, true, true).base);
    assert_int_equal(kp_read_count(&reader, true, true, 1), 0);
    assert_null(kp_read_alloc(&reader, 4, 4));
    assert_false(kp_read_present(&reader));
}

static void test_null_frame(void **state)
{
    struct kp_reader reader;

    (void)state;
    kp_reader_init(&reader, (struct view){0}, NULL);
    assert_int_equal(kp_reader_remaining(&reader), 0);
    assert_int_equal(kp_read_int8(&reader), 0);
    assert_int_equal(reader.error, ERR_INVALID);
}

static void test_uvarint(void **state)
{
    struct kp_reader reader = reader_of("00 7f 8001 ffffffff0f");

    (void)state;
    assert_int_equal(kp_read_uvarint(&reader), 0);
    assert_int_equal(kp_read_uvarint(&reader), 127);
    assert_int_equal(kp_read_uvarint(&reader), 128);
    assert_int_equal(kp_read_uvarint(&reader), UINT32_MAX);
    assert_int_equal(reader.error, ERR_OK);
    reader = reader_of("ffffffffff01");
    assert_int_equal(kp_read_uvarint(&reader), 0);
    assert_int_equal(reader.error, ERR_INVALID);
    reader = reader_of("80");
    assert_int_equal(kp_read_uvarint(&reader), 0);
    assert_int_equal(reader.error, ERR_INVALID);
}

struct string_case {
    const char *text;
    bool        compact;
    bool        nullable;
    int         error;
    int64_t     length; /* -1: null */
};

static void test_strings(void **state)
{
    static const struct string_case cases[] = {
        {"0000", false, false, ERR_OK, 0},
        {"0002 'ab'", false, false, ERR_OK, 2},
        {"ffff", false, true, ERR_OK, -1},
        {"ffff", false, false, ERR_INVALID, -1},
        {"fffe", false, true, ERR_INVALID, -1},
        {"0003 'ab'", false, false, ERR_INVALID, -1},
        {"01", true, false, ERR_OK, 0},
        {"03 'ab'", true, false, ERR_OK, 2},
        {"00", true, true, ERR_OK, -1},
        {"00", true, false, ERR_INVALID, -1},
        {"04 'ab'", true, false, ERR_INVALID, -1},
        {"ffffffff0f 'ab'", true, true, ERR_INVALID, -1},
        {"818002", true, true, ERR_INVALID, -1}, /* 32768: longer than any string */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct kp_reader reader = reader_of(cases[i].text);
        struct view      text = kp_read_string(&reader, cases[i].compact, cases[i].nullable);

        assert_int_equal(reader.error, cases[i].error);
        assert_int_equal(text.base == NULL ? -1 : (int64_t)text.len, cases[i].length);
    }
}

static void test_bytes(void **state)
{
    struct kp_reader reader = reader_of("00000002 abcd ffffffff 03 abcd 00 01");

    (void)state;
    assert_int_equal(kp_read_bytes(&reader, false, false).len, 2);
    assert_null(kp_read_bytes(&reader, false, true).base);
    assert_int_equal(kp_read_bytes(&reader, true, false).len, 2);
    assert_null(kp_read_bytes(&reader, true, true).base);
    assert_non_null(kp_read_bytes(&reader, true, true).base);
    assert_int_equal(reader.error, ERR_OK);
    reader = reader_of("7fffffff ab");
    assert_null(kp_read_bytes(&reader, false, true).base);
    assert_int_equal(reader.error, ERR_INVALID);
    reader = reader_of("fffffffe");
    assert_null(kp_read_bytes(&reader, false, true).base);
    assert_int_equal(reader.error, ERR_INVALID);
}

/* No memory is taken for a count that the bytes behind it cannot hold. */
static void test_counts_that_lie(void **state)
{
    static const char *const lies[] = {"7fffffff 00000000", "00000003 0000000000000000", "80000000 00000000"};
    int32_t                  count = 77;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct kp_reader reader = reader_of(lies[i]);

        assert_null(kp_read_int32_array(&reader, false, true, &count));
        assert_int_equal(count, 0);
        assert_int_equal(reader.error, ERR_INVALID);
        assert_null(arena.blocks);
    }
    {
        struct kp_reader reader = reader_of("ffffffff0f 00000000");

        assert_null(kp_read_int8_array(&reader, true, true, &count));
        assert_int_equal(reader.error, ERR_INVALID);
        assert_null(arena.blocks);
    }
}

static void test_arrays(void **state)
{
    struct kp_reader         reader = reader_of("00000002 00000007 ffffffff 03 02 'a' 01 ffffffff 00 00000000 01");
    int32_t                  count = 77;
    const int32_t           *numbers = kp_read_int32_array(&reader, false, false, &count);
    const struct view *const texts = kp_read_string_array(&reader, true, false, &count);

    (void)state;
    assert_int_equal(numbers[0], 7);
    assert_int_equal(numbers[1], -1);
    assert_int_equal(count, 2);
    assert_int_equal(texts[0].len, 1);
    assert_int_equal(texts[1].len, 0);
    assert_null(kp_read_uuid_array(&reader, false, true, &count));
    assert_int_equal(count, -1);
    assert_null(kp_read_uuid_array(&reader, true, true, &count));
    assert_int_equal(count, -1);
    assert_null(kp_read_bool_array(&reader, false, false, &count));
    assert_int_equal(count, 0);
    assert_null(kp_read_int64_array(&reader, true, false, &count));
    assert_int_equal(count, 0);
    assert_int_equal(reader.error, ERR_OK);
    reader = reader_of("00");
    assert_null(kp_read_int64_array(&reader, true, false, &count));
    assert_int_equal(reader.error, ERR_INVALID);
}

static void test_arena_over_budget(void **state)
{
    struct kp_reader reader = reader_of("00000001 00");
    struct arena     small;
    int32_t          count = 77;

    (void)state;
    arena_init(&small, MEM_TEST, 16, 8);
    reader.arena = &small;
    assert_null(kp_read_bool_array(&reader, false, false, &count));
    assert_int_equal(reader.error, ERR_NO_MEMORY);
    assert_int_equal(count, 0);
    arena_deinit(&small);
}

static int skip_tags(const char *text, size_t *out_remaining)
{
    struct kp_reader reader = reader_of(text);

    kp_tags_skip(&reader);
    *out_remaining = kp_reader_remaining(&reader);
    return reader.error;
}

static void test_unknown_tags(void **state)
{
    size_t remaining = 0;

    (void)state;
    assert_int_equal(skip_tags("00 aa", &remaining), ERR_OK);
    assert_int_equal(remaining, 1);
    assert_int_equal(skip_tags("02 00 02 abcd 05 00 aa", &remaining), ERR_OK);
    assert_int_equal(remaining, 1);
    assert_int_equal(skip_tags("02 05 00 05 00", &remaining), ERR_INVALID); /* twice */
    assert_int_equal(skip_tags("02 05 00 04 00", &remaining), ERR_INVALID); /* descending */
    assert_int_equal(skip_tags("01 00 03 abcd", &remaining), ERR_INVALID);  /* longer than the input */
    assert_int_equal(skip_tags("ffffffff0f 0000 0000", &remaining), ERR_INVALID);
    assert_int_equal(skip_tags("03 0000 0100", &remaining), ERR_INVALID); /* a count the bytes cannot hold */
    assert_int_equal(skip_tags("01 ffffffff0f 00", &remaining), ERR_INVALID);
    assert_int_equal(skip_tags("", &remaining), ERR_INVALID);
}

/* Reads one int32 under tag 1. */
static int read_tagged(const char *text, int32_t *out_value)
{
    struct kp_reader reader = reader_of(text);
    struct kp_tags   tags;

    kp_tags_open(&reader, &tags);
    while (kp_tags_next(&reader, &tags)) {
        if (tags.tag == 1) {
            *out_value = kp_read_int32(&reader);
            tags.known = true;
        }
        kp_tags_close(&reader, &tags);
    }
    assert_true(reader.error != ERR_OK || kp_reader_remaining(&reader) == 0);
    return reader.error;
}

static void test_known_tags(void **state)
{
    int32_t value = 0;

    (void)state;
    assert_int_equal(read_tagged("03 00 01 ff 01 04 00000009 02 00", &value), ERR_OK);
    assert_int_equal(value, 9);
    assert_int_equal(read_tagged("01 01 05 00000009 ff", &value), ERR_INVALID); /* bytes over */
    assert_int_equal(read_tagged("01 01 03 000000 09", &value), ERR_INVALID);   /* reads past its field */
    assert_int_equal(read_tagged("01 01", &value), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_error_sticks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_null_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_uvarint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counts_that_lie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arrays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arena_over_budget, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_tags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_known_tags, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
