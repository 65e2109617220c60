/* JSON read as it stands: values, members, elements, texts, and what is damaged. */
#include "tests/support/unit.h"

#include "tools/cli/cli_scan.h"

#include <stdlib.h>

static void check_view(struct view found, const char *wanted)
{
    assert_int_equal(found.len, strlen(wanted));
    assert_memory_equal(found.base, wanted, found.len);
}

static void test_values(void **state UNUSED)
{
    static const char *const wanted[] = {"{\"a\":[1,\"]}\"]}", "\"x\\\"y\"", "-1.50", "null", "[]", "true"};
    struct view              at = view_text(" {\"a\":[1,\"]}\"]} \"x\\\"y\"-1.50 null[] true \n"), raw;

    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        if (i == 2) { /* a number needs something before it that is none */
            assert_int_equal(at.base[0], '-');
        }
        assert_true(cli_scan_value(&at, &raw));
        check_view(raw, wanted[i]);
    }
    assert_false(cli_scan_value(&at, &raw));
}

static void test_members(void **state UNUSED)
{
    struct view object = view_text("{ \"a\" : 1, \"b\":{\"a\":2}, \"c\":\"x,y\" }"), raw;

    assert_true(cli_scan_member(object, "a", &raw));
    check_view(raw, "1");
    assert_true(cli_scan_member(object, "b", &raw));
    check_view(raw, "{\"a\":2}");
    assert_true(cli_scan_member(object, "c", &raw));
    check_view(raw, "\"x,y\"");
    assert_false(cli_scan_member(object, "d", &raw));
    assert_false(cli_scan_member(view_text("[1]"), "a", &raw));
    assert_false(cli_scan_member(view_text("{\"a\"}"), "a", &raw));
    assert_false(cli_scan_member(view_text("{a:1}"), "a", &raw));
    assert_false(cli_scan_member(view_text("{\"a\":\"1}"), "a", &raw));
    assert_false(cli_scan_member(view_text(""), "a", &raw));
}

static void test_items(void **state UNUSED)
{
    struct view array = view_text("[1, [2,3],\"a]\" ]"), raw;
    size_t      position = 0;

    assert_true(cli_scan_item(array, &position, &raw));
    check_view(raw, "1");
    assert_true(cli_scan_item(array, &position, &raw));
    check_view(raw, "[2,3]");
    assert_true(cli_scan_item(array, &position, &raw));
    check_view(raw, "\"a]\"");
    assert_false(cli_scan_item(array, &position, &raw));
    position = 0;
    assert_false(cli_scan_item(view_text("[]"), &position, &raw));
    position = 0;
    assert_false(cli_scan_item(view_text("[[1"), &position, &raw));
}

static void check_text(const char *raw, const char *wanted)
{
    char   text[128];
    size_t len = cli_scan_text(view_text(raw), text);

    assert_true(len <= strlen(raw));
    check_view(view_of(text, len), wanted);
}

static void test_texts(void **state UNUSED)
{
    check_text("\"plain\"", "plain");
    check_text("\"a\\n\\t\\\"\\\\\\/z\"", "a\n\t\"\\/z");
    check_text("\"\\u0041\\u00e4\\u20ac\"", "A\xc3\xa4\xe2\x82\xac");
    check_text("\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!");
    check_text("12.50", "12.50");
    check_text("\"\"", "");
    check_text("\"\\\"", "\\"); /* a lone backslash at the end stays */
    check_text("\"\\u12\"", "u12");
}

static void test_numbers(void **state UNUSED)
{
    assert_int_equal(cli_scan_number(view_text("-42"), 7), -42);
    assert_int_equal(cli_scan_number(view_text("1.5"), 7), 7);
    assert_int_equal(cli_scan_number(view_text("null"), 7), 7);
    assert_int_equal(cli_scan_number(view_text(""), 7), 7);
    assert_int_equal(cli_scan_number(view_text("123456789012345678901234567890"), 7), 7);
    assert_true(cli_scan_is_null(view_text("null")));
    assert_false(cli_scan_is_null(view_text("\"null\"")));
}

/* Whatever comes, nothing is read or written past its end (the sanitizers look). */
static void test_garbage(void **state UNUSED)
{
    static const char alphabet[] = "{}[]\",:\\u0dD8 a1";
    uint32_t          seed = 1;

    for (int round = 0; round < 20000; round++) {
        size_t      len = (size_t)(round % 40), position = 0;
        char       *bytes = malloc(len + 1), *text = malloc(len + 1);
        struct view raw, whole = view_of(bytes, len), at = whole;

        assert_true(bytes != NULL && text != NULL);
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1103515245 + 12345;
            bytes[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
        }
        while (cli_scan_value(&at, &raw)) {
            assert_true(cli_scan_text(raw, text) <= raw.len);
        }
        while (cli_scan_item(whole, &position, &raw)) {
            assert_true(raw.len > 0);
        }
        assert_true(!cli_scan_member(whole, "a", &raw) || raw.len > 0);
        free(bytes);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_members), cmocka_unit_test(test_items),
        cmocka_unit_test(test_texts),  cmocka_unit_test(test_numbers), cmocka_unit_test(test_garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
