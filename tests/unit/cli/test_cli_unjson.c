/* Records as JSON, read back. */
#include "tests/support/unit.h"

#include "tools/cli/cli_unjson.h"

#include <stdlib.h>

static struct arena arena;

static bool reads(const char *text, struct cli_record_view *out_record)
{
    const char *why = NULL;
    bool        good = cli_unjson_record(view_text(text), &arena, out_record, &why);

    assert_true(good || why != NULL);
    return good;
}

static void is_text(struct view found, const char *expected)
{
    assert_non_null(found.base);
    assert_int_equal(found.len, strlen(expected));
    assert_memory_equal(found.base, expected, found.len);
}

static void test_strings_null_and_other_json(void **state)
{
    struct cli_record_view record;

    (void)state;
    assert_true(reads("{\"topic\":\"t\",\"offset\":5,\"key\":\"k\",\"value\":\"a\\\"b\\\\\\n\\u00e9\\ud83d\\ude00\"}",
                      &record));
    is_text(record.key, "k");
    is_text(record.value, "a\"b\\\n\xc3\xa9\xf0\x9f\x98\x80");
    assert_int_equal(record.timestamp_ms, -1);
    assert_true(
        reads(" { \"key\" : null , \"value\" : { \"a\" : [1, \"x}\", true] } , \"timestamp\" : 17 } ", &record));
    assert_null(record.key.base);
    is_text(record.value, "{ \"a\" : [1, \"x}\", true] }");
    assert_int_equal(record.timestamp_ms, 17);
    assert_true(reads("{\"value\":-1.5e3}", &record));
    is_text(record.value, "-1.5e3");
    assert_true(reads("{\"value\":\"\"}", &record));
    is_text(record.value, "");
    assert_true(reads("{}", &record));
    assert_null(record.value.base);
}

static void test_bytes_and_headers(void **state)
{
    struct cli_record_view record;

    (void)state;
    assert_true(
        reads("{\"key_base64\":\"/w==\",\"value_base64\":\"AAEC\",\"headers\":[{\"name\":\"a\",\"value\":\"1\"},"
              "{\"name\":\"b\",\"value\":null},{\"name\":\"c\",\"value_base64\":\"gA\",\"more\":[]}]}",
              &record));
    assert_int_equal(record.key.len, 1);
    assert_int_equal(record.key.base[0], 0xff);
    assert_int_equal(record.value.len, 3);
    assert_memory_equal(record.value.base, "\0\1\2", 3);
    assert_int_equal(record.header_count, 3);
    is_text(record.headers[0].name, "a");
    is_text(record.headers[0].value, "1");
    assert_null(record.headers[1].value.base);
    assert_int_equal(record.headers[2].value.base[0], 0x80);
    assert_true(reads("{\"headers\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"headers\":[{\"name\":\"c\"}]}", &record));
    assert_int_equal(record.header_count, 1);
    is_text(record.headers[0].name, "c");
    assert_true(reads("{\"headers\":null}", &record));
    assert_int_equal(record.header_count, 0);
}

static void test_what_is_printed_is_read_back(void **state)
{
    static const struct cli_record_header headers[] = {
        {.name = {(const uint8_t *)"n\"", 2}, .value = {(const uint8_t *)"\x80", 1}},
        {.name = {(const uint8_t *)"", 0}, .value = {NULL, 0}}};
    struct cli_record_view from = {.topic = view_text("t"), .timestamp_ms = 5, .headers = headers, .header_count = 2};
    struct cli_record_view to;
    uint8_t                all[256];
    char                  *made = NULL;
    size_t                 len = 0;
    FILE                  *file = open_memstream(&made, &len);
    const char            *why = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (uint8_t)i;
    }
    from.key = view_of(all, 128); /* text with every control byte */
    from.value = view_of(all, sizeof(all));
    cli_record_json(&from, file);
    assert_int_equal(fclose(file), 0);
    assert_true(cli_unjson_record(view_of(made, len), &arena, &to, &why));
    assert_true(view_equal(from.key, to.key) && view_equal(from.value, to.value));
    assert_int_equal(to.timestamp_ms, 5);
    assert_int_equal(to.header_count, 2);
    assert_true(view_equal(headers[0].name, to.headers[0].name) && view_equal(headers[0].value, to.headers[0].value));
    assert_null(to.headers[1].value.base);
    free(made);
}

static void test_everything_else_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "[]",
                                        "{",
                                        "{\"value\"}",
                                        "{\"value\":}",
                                        "{\"value\":\"x}",
                                        "{\"value\":\"\\q\"}",
                                        "{\"value\":\"\\u12\"}",
                                        "{\"value\":\"\\ud800\"}",
                                        "{\"value\":\"\\udc00\"}",
                                        "{\"value\":\"x\"} y",
                                        "{\"value\":\"x\" \"key\":\"y\"}",
                                        "{\"value\":[[[",
                                        "{\"value_base64\":\"!\"}",
                                        "{\"value_base64\":\"A\"}",
                                        "{\"value_base64\":7}",
                                        "{\"timestamp\":\"soon\"}",
                                        "{\"timestamp\":-5}",
                                        "{\"headers\":{}}",
                                        "{\"headers\":[{}]}",
                                        "{\"headers\":[7]}",
                                        "{value:1}"};
    struct cli_record_view   record;
    char                     deep[512];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(reads(wrong[i], &record));
    }
    memset(deep, '[', sizeof(deep) - 1);
    memcpy(deep, "{\"value\":", 9);
    deep[sizeof(deep) - 1] = '\0';
    assert_false(reads(deep, &record));
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, MEM_TEST, 4096, 1 * MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings_null_and_other_json),
        cmocka_unit_test(test_bytes_and_headers),
        cmocka_unit_test(test_what_is_printed_is_read_back),
        cmocka_unit_test(test_everything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
