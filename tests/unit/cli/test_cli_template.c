/* What consume -f prints. */
#include "tests/support/unit.h"

#include "tests/unit/cli/cli_rig.h"

#include "tools/cli/cli_template.h"

#include <stdlib.h>
#include <time.h>

static const struct cli_record_header headers[] = {
    {.name = {(const uint8_t *)"a", 1}, .value = {(const uint8_t *)"1", 1}},
    {.name = {(const uint8_t *)"n", 1}, .value = {NULL, 0}},
};

static const struct cli_record_view record = {
    .topic = {(const uint8_t *)"wheel", 5},
    .partition = 3,
    .offset = 1234567890123,
    .timestamp_ms = 1709210096789,
    .key = {(const uint8_t *)"key", 3},
    .value = {(const uint8_t *)"v\xff\n", 3},
    .headers = headers,
    .header_count = 2,
};

static void prints(const char *text, const struct cli_record_view *from, const char *null_text, const char *expected,
                   size_t expected_len)
{
    struct cli           cli;
    char                *made = NULL;
    size_t               made_len = 0;
    FILE                *to = open_memstream(&made, &made_len);
    const char          *why = NULL;
    struct cli_template *parsed;

    assert_non_null(to);
    cli_rig_init(&cli, &(struct cli_command){.operands_max = -1}, "");
    parsed = cli_template_parse(&cli, text, null_text, &why);
    assert_non_null(parsed);
    cli_template_print(parsed, from, to);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(made_len, expected_len);
    assert_memory_equal(made, expected, expected_len);
    free(made);
    cli_rig_deinit(&cli);
}

#define PRINTS(text, expected) prints(text, &record, NULL, expected, sizeof(expected) - 1)

static void test_every_verb(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    PRINTS("", "");
    PRINTS("%t %p %o", "wheel 3 1234567890123");
    PRINTS("%k=%s", "key=v\xff\n");
    PRINTS("%v", "v\xff\n");
    PRINTS("%K %S %V", "3 3 3");
    PRINTS("%T", "1709210096789");
    PRINTS("%d", "2024-02-29 12:34:56.789");
    PRINTS("%h", "a=1,n=");
    PRINTS("%R", "\0\0\0\3");
    PRINTS("100%%\\n", "100%\n");
    PRINTS("\\x41\\0\\\\%p", "A\0\\3");
    PRINTS("%s{hex} %k{hex}", "76ff0a 6b6579");
    PRINTS("%s{base64}", "dv8K");
    PRINTS("%s{json} %k{json}", "\"v\\ufffd\\n\" \"key\"");
}

static void test_null_is_not_empty(void **state)
{
    struct cli_record_view nothing = {.topic = record.topic, .timestamp_ms = -1};
    struct cli_record_view empty = {.topic = record.topic, .key = view_text(""), .value = view_text("")};

    (void)state;
    prints("%k|%s|%K|%S|%T", &nothing, NULL, "||-1|-1|-1", 10);
    prints("%k|%s", &nothing, "NULL", "NULL|NULL", 9);
    prints("%s{json} %s{hex}", &nothing, "NULL", "null NULL", 9);
    prints("%k|%s|%K|%S", &empty, "NULL", "||0|0", 5);
    prints("%R", &nothing, NULL, "\xff\xff\xff\xff", 4);
}

static void test_wrong_templates_say_why(void **state)
{
    static const char *const wrong[] = {"%", "%y", "%s{bin}", "%k{", "\\q", "x\\", "%s \\x4"};
    struct cli               cli;

    (void)state;
    cli_rig_init(&cli, &(struct cli_command){.operands_max = -1}, "");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const char *why = NULL;

        assert_null(cli_template_parse(&cli, wrong[i], NULL, &why));
        assert_non_null(why);
    }
    cli_rig_deinit(&cli);
}

static void print_json(void *context)
{
    cli_record_json(context, stdout);
}

static void test_json_keeps_bytes_that_are_no_text(void **state)
{
    struct cli_record_view copy = record;
    struct cli_record_view nothing = {.topic = record.topic, .timestamp_ms = -1};

    (void)state;
    assert_string_equal(cli_rig_catch(print_json, &copy),
                        "{\"topic\":\"wheel\",\"partition\":3,\"offset\":1234567890123,\"timestamp\":1709210096789,"
                        "\"headers\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"n\",\"value\":null}],"
                        "\"key\":\"key\",\"value_base64\":\"dv8K\"}\n");
    assert_string_equal(cli_rig_catch(print_json, &nothing),
                        "{\"topic\":\"wheel\",\"partition\":0,\"offset\":0,\"timestamp\":null,\"headers\":[],"
                        "\"key\":null,\"value\":null}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_verb),
        cmocka_unit_test(test_null_is_not_empty),
        cmocka_unit_test(test_wrong_templates_say_why),
        cmocka_unit_test(test_json_keeps_bytes_that_are_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
