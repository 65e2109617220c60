/* Changes folded into the table that they make. */
#include "tests/support/unit.h"

#include "core/base/prng.h"
#include "tools/cli/cli_sql_live.h"

#include <stdio.h>

static char   shown[4096];
static size_t shown_len;

static void put(void *context UNUSED, struct view row)
{
    shown_len +=
        (size_t)snprintf(shown + shown_len, sizeof(shown) - shown_len, "%.*s ", (int)row.len, (const char *)row.base);
}

static const char *last(const struct sql_live *live, size_t count)
{
    shown_len = 0;
    shown[0] = '\0';
    sql_live_last(live, count, put, NULL);
    return shown;
}

static void change(struct sql_live *live, const char *op, const char *row)
{
    enum vec_change kind =
        op[0] == '+' ? (op[1] == 'I' ? VEC_INSERT : VEC_UPDATE_AFTER) : (op[1] == 'U' ? VEC_UPDATE_BEFORE : VEC_DELETE);

    sql_live_change(live, kind, view_text(row));
}

/* What was updated stays where it was; what comes is last. */
static void test_places(void **state UNUSED)
{
    struct sql_live live;

    sql_live_init(&live, 10);
    assert_string_equal(last(&live, 5), "");
    change(&live, "+I", "a1");
    change(&live, "+I", "b1");
    change(&live, "+I", "c1");
    change(&live, "-U", "b1");
    assert_string_equal(last(&live, 9), "a1 c1 ");
    assert_string_equal(last(&live, 1), "c1 ");
    change(&live, "+U", "b2");
    assert_string_equal(last(&live, 9), "a1 b2 c1 ");
    assert_string_equal(last(&live, 2), "b2 c1 ");
    assert_string_equal(last(&live, 0), "");
    change(&live, "-U", "c1");
    change(&live, "+I", "d1"); /* no pair */
    change(&live, "+U", "c2");
    assert_string_equal(last(&live, 9), "a1 b2 d1 c2 ");
    change(&live, "-D", "a1");
    change(&live, "-D", "never");
    assert_string_equal(last(&live, 9), "b2 d1 c2 ");
    change(&live, "-U", "b2");
    sql_live_deinit(&live);
}

/* Of equal rows the newest goes first. */
static void test_equal_rows(void **state UNUSED)
{
    struct sql_live live;

    sql_live_init(&live, 10);
    change(&live, "+I", "x");
    change(&live, "+I", "y");
    change(&live, "+I", "x");
    change(&live, "-D", "x");
    assert_string_equal(last(&live, 9), "x y ");
    change(&live, "-U", "x");
    change(&live, "+U", "y");
    assert_string_equal(last(&live, 9), "y y ");
    change(&live, "-D", "y");
    change(&live, "-D", "y");
    change(&live, "-D", "y");
    assert_int_equal(live.count, 0);
    sql_live_deinit(&live);
}

static void test_the_oldest_goes(void **state UNUSED)
{
    struct sql_live live;
    char            text[16];

    sql_live_init(&live, 3);
    for (int i = 0; i < 7; i++) {
        (void)snprintf(text, sizeof(text), "r%d", i % 5);
        change(&live, "+I", text);
    }
    assert_string_equal(last(&live, 9), "r4 r0 r1 ");
    change(&live, "-D", "r2"); /* it is not there any more */
    assert_int_equal(live.count, 3);
    sql_live_deinit(&live);
}

/* As many of each as a count says, whatever came in which order. */
static void test_counts(void **state UNUSED)
{
    struct sql_live live;
    struct prng     prng;
    int             counts[8] = {0};
    size_t          total = 0;
    char            text[2] = "";

    prng_init(&prng, 7);
    sql_live_init(&live, 100000);
    for (int i = 0; i < 20000; i++) {
        int which = (int)prng_below(&prng, 8), kind = (int)prng_below(&prng, 4);

        text[0] = (char)('a' + which);
        if (kind == VEC_INSERT || kind == VEC_UPDATE_AFTER) {
            counts[which]++;
            total++;
        } else if (counts[which] > 0) {
            counts[which]--;
            total--;
        }
        sql_live_change(&live, (enum vec_change)kind, view_text(text));
        assert_int_equal(live.count, total);
    }
    while (total > 0) {
        int which = (int)prng_below(&prng, 8);

        text[0] = (char)('a' + which);
        total -= counts[which] > 0;
        counts[which] -= counts[which] > 0;
        sql_live_change(&live, VEC_DELETE, view_text(text));
        assert_int_equal(live.count, total);
    }
    sql_live_deinit(&live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_equal_rows),
        cmocka_unit_test(test_the_oldest_goes),
        cmocka_unit_test(test_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
