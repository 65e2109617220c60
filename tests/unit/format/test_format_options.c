/* Options by Flink's names, and what a format cannot hold. */
#include "tests/unit/format/format_rig.h"

static struct format_options options_of(const char *format)
{
    struct format_options options;
    char                  message[FORMAT_MESSAGE_BYTES];

    assert_true(format_options_init(&options, view_text(format), message));
    return options;
}

static void refuses(const char *format, const char *key, const char *value, const char *part)
{
    struct format_options options = options_of(format);
    char                  message[FORMAT_MESSAGE_BYTES] = "";

    assert_false(format_options_set(&options, view_text(key), view_text(value), message));
    if (strstr(message, part) == NULL) {
        fail_msg("'%s' is not in '%s'", part, message);
    }
}

static void takes(struct format_options *options, const char *key, const char *value)
{
    char message[FORMAT_MESSAGE_BYTES] = "";

    if (!format_options_set(options, view_text(key), view_text(value), message)) {
        fail_msg("%s", message);
    }
}

static void test_defaults_and_values(void **state)
{
    struct format_options csv = options_of("csv");
    struct format_options json = options_of("json");
    struct format_options raw = options_of("raw");

    (void)state;
    assert_int_equal(csv.field_delimiter, ',');
    assert_int_equal(csv.quote, '"');
    assert_int_equal(csv.array_delimiter, ';');
    assert_int_equal(csv.escape, '\0');
    assert_false(csv.has_null_literal || csv.ignore_parse_errors || json.iso_8601);
    assert_true(raw.big_endian);
    takes(&csv, "field-delimiter", "\\t");
    assert_int_equal(csv.field_delimiter, '\t');
    takes(&csv, "field-delimiter", "\\u0001");
    assert_int_equal(csv.field_delimiter, 1);
    takes(&csv, "disable-quote-character", "true");
    assert_int_equal(csv.quote, '\0');
    takes(&csv, "null-literal", "");
    assert_true(csv.has_null_literal && csv.null_literal.len == 0);
    takes(&json, "timestamp-format.standard", "ISO-8601");
    assert_true(json.iso_8601);
    takes(&json, "decode.json-parser.enabled", "TRUE");
    takes(&raw, "endianness", "little-endian");
    assert_false(raw.big_endian);
    takes(&raw, "charset", "UTF-8");
}

static void test_what_is_refused(void **state)
{
    struct format_options options;
    char                  message[FORMAT_MESSAGE_BYTES] = "";

    (void)state;
    assert_false(format_options_init(&options, view_text("avro"), message));
    assert_non_null(strstr(message, "json, csv and raw"));
    refuses("json", "fail-on-missing-fields", "true", "fail-on-missing-field");
    refuses("json", "ignore-parse-errors", "yes", "true or false");
    refuses("json", "timestamp-format.standard", "RFC", "iso-8601 or sql");
    refuses("json", "decode.json-parser.enabled", "false", "must be true here");
    refuses("csv", "field-delimiter", ";;", "a single ASCII character");
    refuses("csv", "quote-character", "", "a single ASCII character");
    refuses("raw", "charset", "UTF-16", "UTF-8");
    options = options_of("json");
    takes(&options, "ignore-parse-errors", "true");
    assert_false(format_options_set(&options, view_text("fail-on-missing-field"), view_text("true"), message));
    assert_non_null(strstr(message, "shouldn't both be true"));
}

static void refuses_columns(const char *format, const char *columns, const char *part)
{
    struct format_options options = options_of(format);
    struct arena          arena;
    struct vec_type       row;
    char                  message[FORMAT_MESSAGE_BYTES] = "";

    arena_init(&arena, MEM_TEST, 4096, SIZE_MAX);
    row = rig_row_type(&arena, columns);
    assert_false(format_check_schema(&options, row.children, row.child_count, message));
    if (strstr(message, part) == NULL) {
        fail_msg("'%s' is not in '%s'", part, message);
    }
    arena_deinit(&arena);
}

static void test_columns(void **state)
{
    (void)state;
    refuses_columns("raw", "a INT, b INT", "single physical column");
    refuses_columns("raw", "a DECIMAL(10,2)", "column a: DECIMAL(10, 2)");
    refuses_columns("csv", "a ARRAY<ARRAY<INT>>", "nested deeper");
    refuses_columns("csv", "a ROW<x ROW<y INT>>", "nested deeper");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_values),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
