/* The JSON writer. */
#include "tests/support/unit.h"

#include "tests/unit/cli/cli_rig.h"

#include "tools/cli/cli_out.h"

static void write_all(void *context)
{
    struct cli_json json = {.to = stdout, .pretty = *(bool *)context};

    cli_json_open(&json, '{');
    cli_json_key(&json, "text");
    cli_json_text(&json, "a\"b\\c\n\t\x01");
    cli_json_key(&json, "none");
    cli_json_text(&json, NULL);
    cli_json_key(&json, "list");
    cli_json_open(&json, '[');
    cli_json_number(&json, INT64_MIN);
    cli_json_bool(&json, true);
    cli_json_float(&json, 0.5);
    cli_json_float(&json, 1e308 * 10);
    cli_json_close(&json, ']');
    cli_json_key(&json, "empty");
    cli_json_open(&json, '{');
    cli_json_close(&json, '}');
    cli_json_close(&json, '}');
}

static void test_one_line(void **state)
{
    bool pretty = false;

    (void)state;
    assert_string_equal(cli_rig_catch(write_all, &pretty),
                        "{\"text\":\"a\\\"b\\\\c\\n\\t\\u0001\",\"none\":null,"
                        "\"list\":[-9223372036854775808,true,0.5,null],\"empty\":{}}");
}

static void test_many_lines(void **state)
{
    bool pretty = true;

    (void)state;
    assert_string_equal(cli_rig_catch(write_all, &pretty),
                        "{\n  \"text\": \"a\\\"b\\\\c\\n\\t\\u0001\",\n  \"none\": null,\n  \"list\": [\n"
                        "    -9223372036854775808,\n    true,\n    0.5,\n    null\n  ],\n  \"empty\": {}\n}");
}

static void test_utf8_is_told_from_bytes(void **state)
{
    static const char *const text[] = {"", "plain", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x92\xa7"};
    /* A lone continuation, an over-long slash, a surrogate, beyond Unicode, cut short. */
    static const char *const bytes[] = {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(text); i++) {
        assert_true(cli_is_utf8(view_text(text[i])));
    }
    for (size_t i = 0; i < COUNT_OF(bytes); i++) {
        assert_false(cli_is_utf8(view_text(bytes[i])));
    }
}

static void write_base64(void *context)
{
    cli_print_base64(stdout, view_text(context));
}

static void test_base64(void **state)
{
    static char text[4][8] = {"", "f", "fo", "foo"};

    (void)state;
    assert_string_equal(cli_rig_catch(write_base64, text[0]), "");
    assert_string_equal(cli_rig_catch(write_base64, text[1]), "Zg==");
    assert_string_equal(cli_rig_catch(write_base64, text[2]), "Zm8=");
    assert_string_equal(cli_rig_catch(write_base64, text[3]), "Zm9v");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_utf8_is_told_from_bytes),
        cmocka_unit_test(test_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
