/* Subscriptions' patterns: what is taken, what is refused, what matches, and that none of them takes long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/coord/group_regex.h"

static bool valid(const char *pattern)
{
    struct group_regex *regex = NULL;
    char                reason[120] = "";
    int                 result = group_regex_compile(view_text(pattern), &regex, span_of(reason, sizeof(reason)));

    assert_int_equal(result == ERR_OK, regex != NULL);
    assert_int_equal(result == ERR_OK, reason[0] == '\0');
    group_regex_destroy(regex);
    return result == ERR_OK;
}

static bool matches(const char *pattern, const char *name)
{
    struct group_regex *regex = NULL;
    char                reason[120];

    assert_int_equal(group_regex_compile(view_text(pattern), &regex, span_of(reason, sizeof(reason))), ERR_OK);
    bool matched = group_regex_match(regex, view_text(name));
    group_regex_destroy(regex);
    return matched;
}

static void test_whole_names(void **state)
{
    (void)state;
    assert_true(matches("foo.*", "foo"));
    assert_true(matches("foo.*", "foobar"));
    assert_false(matches("foo", "foobar"));
    assert_false(matches("oo.*", "foobar"));
    assert_true(matches("^foo$", "foo"));
    assert_true(matches("a|ab|abc", "abc"));
    assert_true(matches("(a|ab)(c|bcd)", "abcd"));
    assert_true(matches("a*?", "aaaa"));
    assert_true(matches("(?i)FOO-\\d{2,3}", "foo-123"));
    assert_false(matches("(?i)FOO-\\d{2,3}", "foo-1234"));
    assert_true(matches("(?P<name>x)+", "xxx"));
    assert_true(matches("\\Qa.b\\E", "a.b"));
    assert_false(matches("\\Qa.b\\E", "axb"));
    assert_true(matches("[[:alpha:]_]+[^0-9]", "topic_x"));
    assert_true(matches("[]a]+", "]a"));
    assert_true(matches("x{,3}", "x{,3}"));
    assert_true(matches("\\pL+", "abc"));
    assert_true(matches("\\x{62}{2,3}\\x{63}*", "bbbcc"));
    assert_true(matches("topic\\.[a-c]\\b.*", "topic.b-1"));
    assert_true(matches("", ""));
    assert_false(matches("", "a"));
}

static void test_refused(void **state)
{
    static const char *const patterns[] = {
        "[",         "[a",        "(",      ")",
        "a)",        "*",         "+a",     "?",
        "a**",       "a*+",       "a++",    "a?+",
        "a{2}{3}",   "a{2}+",     "|*",     "(*",
        "(?=a)",     "(?!a)",     "(?<=a)", "(?<!a)",
        "(?>a)",     "(?|a)",     "(?#c)",  "(?R)",
        "(?1)",      "(?&x)",     "(?x)a",  "(?P=n)",
        "(?P>n)",    "(*UTF)a",   "(*F)",   "(a)\\1",
        "\\2",       "\\k<a>",    "\\Z",    "\\G",
        "\\K",       "\\R",       "\\X",    "\\h",
        "\\C",       "\\",        "\\y",    "[\\b]",
        "a{1001}",   "a{1,2000}", "a{3,2}", "(?P<n>a)(?P<n>b)",
        "\\p{Nope}", "[z-a]",     "\xff",   "((a{1000}){1000}){1000}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        if (valid(patterns[i])) {
            fail_msg("taken: %s", patterns[i]);
        }
    }
    assert_true(valid("a{1000}"));
    assert_true(valid("a{2,}?"));
    assert_true(valid("(?s-m:a.)"));
    assert_true(valid("\\A\\z\\b\\B\\x41\\x{41}\\101\\-\\."));
}

static void test_bounded(void **state)
{
    char  *pattern = malloc(GROUP_REGEX_BYTES_MAX + 2);
    size_t nested = 5000;

    (void)state;
    memset(pattern, 'a', GROUP_REGEX_BYTES_MAX + 1);
    pattern[GROUP_REGEX_BYTES_MAX + 1] = '\0';
    assert_false(valid(pattern));
    pattern[GROUP_REGEX_BYTES_MAX] = '\0';
    assert_true(valid(pattern));
    memset(pattern, '(', nested);
    pattern[nested] = '\0';
    assert_false(valid(pattern));
    free(pattern);
}

/* Shapes that take exponential time with backtracking. */
static void test_fast(void **state)
{
    char name[249];

    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(matches("(a+)+b", name));
    assert_false(matches("(a|aa)+b", name));
    assert_false(matches("(a*)*b", name));
    assert_false(matches("(.*.*.*.*.*.*.*.*)x", name));
    assert_true(matches("(a|a?)+", name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_names),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_fast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
