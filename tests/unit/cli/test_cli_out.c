/* Documents as tables and as JSON. */
#include "tests/support/unit.h"

#include "tests/unit/cli/cli_rig.h"

#include "tools/cli/cli_out.h"

static const struct cli_command command = {.needs = CLI_NEEDS_OUTPUT, .operands_max = -1};

static void fill(struct cli *cli, const char *name)
{
    static const int32_t numbers[] = {1, 2, 3};
    struct cli_section  *table = cli_table(cli, name, "nothing");

    cli_row(table);
    cli_put_text(table, "topic", "zebra");
    cli_put_number(table, "leader_id", 7);
    cli_put_bytes(table, "bytes", 1536);
    cli_put_numbers(table, "isr", numbers, 3);
    cli_put_error(table, "error", NULL, "done");
    cli_row(table);
    cli_put_text(table, "topic", "\xc3\xa4\n");
    cli_put_none(table, "leader_id");
    cli_put_bytes(table, "bytes", 0);
    cli_put_numbers(table, "isr", NULL, 0);
    cli_put_error(table, "error", "SOME_ERROR", "done");
}

static void print(void *context)
{
    cli_out_print(context);
}

static void test_a_table_is_aligned(void **state)
{
    struct cli cli;

    (void)state;
    cli_rig_init(&cli, &command, "");
    fill(&cli, NULL);
    assert_string_equal(cli_rig_catch(print, &cli), "TOPIC  LEADER ID    BYTES  ISR    RESULT\n"
                                                    "zebra          7  1.5 KiB  1,2,3  done\n"
                                                    "\xc3\xa4\\n            -      0 B  -      SOME_ERROR\n");
    cli_rig_deinit(&cli);
}

static void test_the_same_as_json(void **state)
{
    struct cli cli;

    (void)state;
    cli_rig_init(&cli, &command, "-o json");
    fill(&cli, NULL);
    assert_string_equal(
        cli_rig_catch(print, &cli),
        "[\n  {\n    \"topic\": \"zebra\",\n    \"leader_id\": 7,\n    \"bytes\": 1536,\n    \"isr\": [1,2,3],\n"
        "    \"error\": null\n  },\n  {\n    \"topic\": \"\xc3\xa4\\n\",\n    \"leader_id\": null,\n    \"bytes\": 0,\n"
        "    \"isr\": [],\n    \"error\": \"SOME_ERROR\"\n  }\n]\n");
    cli_rig_deinit(&cli);
}

static void test_sections_become_members(void **state)
{
    struct cli          cli;
    struct cli_section *record;

    (void)state;
    cli_rig_init(&cli, &command, "-o json");
    record = cli_record(&cli, "facts");
    cli_put_bool(record, "well", true);
    cli_put_time(record, "since", 1709210096789);
    (void)cli_table(&cli, "rows", "nothing");
    assert_string_equal(
        cli_rig_catch(print, &cli),
        "{\n  \"facts\": {\n    \"well\": true,\n    \"since\": 1709210096789\n  },\n  \"rows\": []\n}\n");
    cli_rig_deinit(&cli);
}

static void test_rows_are_sorted_by_their_first_columns(void **state)
{
    struct cli          cli;
    struct cli_section *table;

    (void)state;
    cli_rig_init(&cli, &command, "");
    table = cli_table(&cli, NULL, NULL);
    for (int i = 3; i > 0; i--) {
        for (int k = 2; k > 0; k--) {
            cli_row(table);
            cli_put_text(table, "a", i == 3 ? "x" : i == 2 ? "b" : "c");
            cli_put_number(table, "n", k == 2 ? 10 : 9);
        }
    }
    cli_sort(table);
    assert_string_equal(cli_rig_catch(print, &cli), "A   N\nb   9\nb  10\nc   9\nc  10\nx   9\nx  10\n");
    cli_rig_deinit(&cli);
}

static void test_values_for_people(void **state)
{
    static const struct {
        int64_t     bytes;
        const char *text;
    } sizes[] = {{0, "0 B"}, {1023, "1023 B"},       {1024, "1.0 KiB"}, {1048575, "1.0 MiB"}, {157286400, "150 MiB"},
                 {-1, "-"},  {INT64_MAX, "8192 PiB"}};
    static const struct {
        int64_t     ms;
        const char *text;
    } durations[] = {{0, "0ms"}, {999, "999ms"}, {1000, "1s"}, {1500, "1.5s"}, {604800000, "7d"}, {-1, "-"}};
    char text[CLI_VALUE_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        cli_format_bytes(sizes[i].bytes, text);
        assert_string_equal(text, sizes[i].text);
    }
    for (size_t i = 0; i < COUNT_OF(durations); i++) {
        cli_format_duration(durations[i].ms, text);
        assert_string_equal(text, durations[i].text);
    }
}

static void test_part_of_many_is_its_own_exit_code(void **state)
{
    struct cli cli = {0};

    (void)state;
    assert_int_equal(cli_result(&cli), CLI_DONE);
    cli.failed = 2;
    cli.failure = CLI_EXISTS;
    assert_int_equal(cli_result(&cli), CLI_EXISTS);
    cli.good = 1;
    assert_int_equal(cli_result(&cli), CLI_PARTIAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_table_is_aligned),      cmocka_unit_test(test_the_same_as_json),
        cmocka_unit_test(test_sections_become_members), cmocka_unit_test(test_rows_are_sorted_by_their_first_columns),
        cmocka_unit_test(test_values_for_people),       cmocka_unit_test(test_part_of_many_is_its_own_exit_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
