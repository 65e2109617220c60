/* The tree of commands, and what becomes of words. */
#include "tests/support/unit.h"

#include "tests/unit/cli/cli_rig.h"

#include <stdlib.h>

/* --- the tables themselves --------------------------------------------------------------------------------------- */

static void check_options(const struct cli_command *command)
{
    for (int i = 0; cli_command_option(command, i) != NULL; i++) {
        const struct cli_option *option = cli_command_option(command, i);

        assert_true(option->kind == CLI_FLAG || option->value != NULL);
        for (int k = 0; k < i; k++) {
            const struct cli_option *other = cli_command_option(command, k);

            assert_string_not_equal(option->name, other->name);
            assert_true(option->letter == 0 || option->letter != other->letter);
        }
    }
}

static void check_commands(const struct cli_command *among)
{
    for (const struct cli_command *at = among; at->name != NULL; at++) {
        bool many = true;

        assert_ptr_equal(cli_command_find(among, at->name, &many), at);
        assert_false(many);
        if (at->alias != NULL) {
            assert_ptr_equal(cli_command_find(among, at->alias, &many), at);
        }
        assert_true(at->run != NULL || at->run_raw != NULL || at->children != NULL);
        if (at->run != NULL) {
            assert_non_null(at->summary);
            assert_non_null(at->examples);
            check_options(at);
        }
        if (at->children != NULL) {
            check_commands(at->children);
        }
    }
}

static void test_every_command_is_found_and_has_examples(void **state)
{
    (void)state;
    check_commands(cli_root.children);
}

static void test_beginnings_are_enough_while_they_are_unique(void **state)
{
    bool many = false;

    (void)state;
    assert_string_equal(cli_command_find(cli_root.children, "prod", &many)->name, "produce");
    assert_string_equal(cli_command_find(cli_root.children, "t", &many)->name, "topic");
    assert_null(cli_command_find(cli_root.children, "co", &many));
    assert_true(many);
    assert_null(cli_command_find(cli_root.children, "x", &many));
    assert_false(many);
    assert_null(cli_command_find(cli_root.children, "", &many));
}

/* --- words ------------------------------------------------------------------------------------------------------- */

static const struct cli_option options[] = {
    {.letter = 'f', .name = "flag"},
    {.letter = 'n', .kind = CLI_NUMBER, .name = "number", .value = "N"},
    {.letter = 't', .kind = CLI_TEXT, .name = "text", .value = "TEXT"},
    {.kind = CLI_DURATION, .name = "wait", .value = "TIME"},
    {.kind = CLI_TEXT, .name = "choice", .value = "C", .choices = "one|two"},
    CLI_OPTIONS_END,
};
static const struct cli_command command = {
    .options = options, .operands = "A [B]", .operands_min = 1, .operands_max = 2};

static void test_options_and_operands_may_be_mixed(void **state)
{
    struct cli cli;

    (void)state;
    cli_rig_init(&cli, &command, "a -f --text=x -t y b -n5 --wait 2m --choice two");
    assert_int_equal(cli_operand_count(&cli), 2);
    assert_string_equal(cli_operand(&cli, 0), "a");
    assert_string_equal(cli_operand(&cli, 1), "b");
    assert_null(cli_operand(&cli, 2));
    assert_true(cli_flag(&cli, "flag"));
    assert_string_equal(cli_option(&cli, "text"), "y");
    assert_string_equal(cli_option_at(&cli, "text", 0), "x");
    assert_null(cli_option_at(&cli, "text", 2));
    assert_int_equal(cli_number(&cli, "number", 1), 5);
    assert_int_equal(cli_duration_ms(&cli, "wait", 1), 120000);
    cli_rig_deinit(&cli);
    cli_rig_init(&cli, &command, "-- -f");
    assert_string_equal(cli_operand(&cli, 0), "-f");
    assert_false(cli_flag(&cli, "flag"));
    assert_int_equal(cli_number(&cli, "number", 9), 9);
    assert_null(cli_option(&cli, "text"));
    cli_rig_deinit(&cli);
}

static void parse(void *context)
{
    struct cli cli;

    cli_rig_init(&cli, &command, context);
    cli_rig_deinit(&cli);
}

static void test_wrong_words_are_wrong_usage(void **state)
{
    static char wrong[][32] = {"",          "a b c",   "a -x",          "a --nothing",      "a -n",
                               "a -n x",    "a -n -1", "a --wait soon", "a --choice three", "a --choice o",
                               "a --flag=1"};
    static char right[] = "a --num 3";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(cli_rig_exit(parse, wrong[i]), CLI_USAGE);
    }
    assert_int_equal(cli_rig_exit(parse, right), CLI_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_is_found_and_has_examples),
        cmocka_unit_test(test_beginnings_are_enough_while_they_are_unique),
        cmocka_unit_test(test_options_and_operands_may_be_mixed),
        cmocka_unit_test(test_wrong_words_are_wrong_usage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
