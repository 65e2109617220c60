/* Changelogs folded into tables. */
#include "tests/support/unit.h"

#include "tools/cli/cli_sql_fold.h"

#include <stdio.h>

struct seen {
    char   text[256];
    size_t len;
};

static void see(void *context, struct view row)
{
    struct seen *seen = context;

    seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len, "%.*s;", (int)row.len,
                                  (const char *)row.base);
}

static void check_table(const struct sql_fold *fold, const char *wanted)
{
    struct seen seen = {0};

    sql_fold_each(fold, see, &seen);
    assert_string_equal(seen.text, wanted);
}

static void change(struct sql_fold *fold, enum vec_change kind, const char *key, const char *row)
{
    sql_fold_change(fold, view_text(key), view_text(row), kind);
}

static void test_with_a_key_the_last_row_stays(void **state)
{
    struct sql_fold fold;

    (void)state;
    sql_fold_init(&fold, true);
    check_table(&fold, "");
    change(&fold, VEC_INSERT, "b", "b1");
    change(&fold, VEC_INSERT, "a", "a1");
    change(&fold, VEC_UPDATE_BEFORE, "b", "b1");
    change(&fold, VEC_UPDATE_AFTER, "b", "b2, longer than before");
    change(&fold, VEC_INSERT, "", "none");
    check_table(&fold, "none;a1;b2, longer than before;");
    change(&fold, VEC_UPDATE_AFTER, "b", "b3");
    change(&fold, VEC_DELETE, "a", "whatever");
    change(&fold, VEC_DELETE, "x", "never seen");
    check_table(&fold, "none;b3;");
    change(&fold, VEC_INSERT, "a", "a2");
    check_table(&fold, "none;a2;b3;");
    sql_fold_deinit(&fold);
}

static void test_without_a_key_equal_rows_are_counted(void **state)
{
    struct sql_fold fold;

    (void)state;
    sql_fold_init(&fold, false);
    change(&fold, VEC_INSERT, "b", "b");
    change(&fold, VEC_INSERT, "a", "a");
    change(&fold, VEC_UPDATE_AFTER, "b", "b");
    check_table(&fold, "a;b;b;");
    change(&fold, VEC_DELETE, "b", "b");
    change(&fold, VEC_UPDATE_BEFORE, "a", "a");
    check_table(&fold, "b;");
    change(&fold, VEC_DELETE, "a", "a");
    change(&fold, VEC_DELETE, "b", "b");
    check_table(&fold, "");
    sql_fold_deinit(&fold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_a_key_the_last_row_stays),
        cmocka_unit_test(test_without_a_key_equal_rows_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
