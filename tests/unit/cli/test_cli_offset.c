/* Positions in a log as people write them. */
#include "tests/support/unit.h"

#include "tools/cli/cli_offset.h"

#define NOW_MS INT64_C(1700000000000)

static void test_positions(void **state)
{
    static const struct {
        const char         *text;
        struct cli_position position;
    } rows[] = {{"beginning", {CLI_AT_BEGINNING, 0}},
                {"earliest", {CLI_AT_BEGINNING, 0}},
                {"start", {CLI_AT_BEGINNING, 0}},
                {"end", {CLI_AT_END, 0}},
                {"latest", {CLI_AT_END, 0}},
                {"0", {CLI_AT_OFFSET, 0}},
                {"123", {CLI_AT_OFFSET, 123}},
                {"-10", {CLI_AT_BEFORE_END, 10}},
                {"+10", {CLI_AT_AFTER_BEGINNING, 10}},
                {"@1600000000", {CLI_AT_TIME, 1600000000000}},
                {"@-1h", {CLI_AT_TIME, NOW_MS - 3600000}},
                {"@2024-02-29T12:34:56Z", {CLI_AT_TIME, 1709210096000}}};
    static const char *const wrong[] = {"", "middle", "1.5", "--1", "+-1", "@", "@soon", "1x", "-"};
    struct cli_position      position;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(cli_parse_position(rows[i].text, NOW_MS, &position));
        assert_int_equal(position.kind, rows[i].position.kind);
        assert_int_equal(position.value, rows[i].position.value);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(cli_parse_position(wrong[i], NOW_MS, &position));
    }
}

static void interval_is(const char *text, struct cli_position from, struct cli_position to)
{
    struct cli_interval interval = {0};

    assert_true(cli_parse_interval(text, NOW_MS, &interval));
    assert_int_equal(interval.from.kind, from.kind);
    assert_int_equal(interval.from.value, from.value);
    assert_int_equal(interval.to.kind, to.kind);
    assert_int_equal(interval.to.value, to.value);
}

static void test_intervals(void **state)
{
    const struct cli_position none = {CLI_AT_NONE, 0};

    (void)state;
    interval_is("5", (struct cli_position){CLI_AT_OFFSET, 5}, none);
    interval_is("5:8", (struct cli_position){CLI_AT_OFFSET, 5}, (struct cli_position){CLI_AT_OFFSET, 8});
    interval_is(":8", none, (struct cli_position){CLI_AT_OFFSET, 8});
    interval_is("5:", (struct cli_position){CLI_AT_OFFSET, 5}, none);
    interval_is(":end", none, (struct cli_position){CLI_AT_END, 0});
    interval_is("-5:end", (struct cli_position){CLI_AT_BEFORE_END, 5}, (struct cli_position){CLI_AT_END, 0});
    interval_is("@-2h:@-1h", (struct cli_position){CLI_AT_TIME, NOW_MS - 7200000},
                (struct cli_position){CLI_AT_TIME, NOW_MS - 3600000});
    /* Colons of times are not the colon between them. */
    interval_is("@2024-02-29T12:34:56Z:@2024-02-29T12:35:56Z", (struct cli_position){CLI_AT_TIME, 1709210096000},
                (struct cli_position){CLI_AT_TIME, 1709210156000});
    interval_is("@2024-02-29T12:34:56Z", (struct cli_position){CLI_AT_TIME, 1709210096000}, none);
    interval_is("s@1600000000", (struct cli_position){CLI_AT_TIME, 1600000000000}, none);
    interval_is("e@1600000000", none, (struct cli_position){CLI_AT_TIME, 1600000000000});
}

static void test_a_second_option_adds_to_the_first(void **state)
{
    struct cli_interval interval = {0};

    (void)state;
    assert_true(cli_parse_interval("s@1600000000", NOW_MS, &interval));
    assert_true(cli_parse_interval("e@1600000001", NOW_MS, &interval));
    assert_int_equal(interval.from.value, 1600000000000);
    assert_int_equal(interval.to.value, 1600000001000);
    assert_false(cli_parse_interval("a:b", NOW_MS, &interval));
    assert_false(cli_parse_interval("5:b", NOW_MS, &interval));
    assert_int_equal(interval.from.value, 1600000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_a_second_option_adds_to_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
