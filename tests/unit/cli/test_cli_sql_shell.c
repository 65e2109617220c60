/* When what was typed may be sent. */
#include "tests/support/unit.h"

#include "tools/cli/cli_sql_server.h"

static void check(const char *text, bool whole, bool empty)
{
    bool found_empty = false;

    assert_int_equal(sql_shell_is_whole(view_text(text), &found_empty), whole);
    if (whole) {
        assert_int_equal(found_empty, empty);
    }
}

static void test_statements(void **state UNUSED)
{
    check("", true, true);
    check(" \n\t", true, true);
    check("-- only a comment\n", true, true);
    check("/* a; b */ \n", true, true);
    check("SELECT 1", false, false);
    check("SELECT 1;", true, false);
    check("SELECT 1; \n", true, false);
    check("SELECT 1; SELECT", false, false);
    check("SELECT ';", false, false);
    check("SELECT ';';", true, false);
    check("SELECT 'it''s;", false, false);
    check("SELECT `a;", false, false);
    check("SELECT 1 -- ;\n", false, false);
    check("SELECT 1 /* ; ", false, false);
    check("SELECT 1 /* ; */;", true, false);
    check("SELECT 5 - 3;", true, false);
    check("SELECT 6 / 3;", true, false);
    check("1", false, false);
    check(";", true, true);
}

static void test_sets(void **state UNUSED)
{
    check("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;", false, false);
    check("execute statement set begin insert into a select 1; insert into b select 2; end", false, false);
    check("execute statement set begin insert into a select 1; insert into b select 2; end;", true, false);
    check("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END;", false, false);
    check("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END; END;", true, false);
    check("SELECT CASE WHEN x THEN 1 END;", true, false);
    check("SELECT endless FROM beginning;", true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_statements), cmocka_unit_test(test_sets)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
