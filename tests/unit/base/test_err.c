#include "tests/support/unit.h"

#include "core/base/err.h"

#include <errno.h>

struct row {
    const char *name;
    int         value;
    const char *text;
};

static const struct row rows[] = {
#define ERR_ROW(name, value, text) {#name, value, text},
#include "core/base/err.def"
#undef ERR_ROW
};

static void test_codes_are_negative_and_unique(void **state)
{
    (void)state;
    assert_true(COUNT_OF(rows) >= 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(rows[i].value < 0);
        assert_string_equal(err_name(rows[i].value), rows[i].name);
        assert_string_equal(err_text(rows[i].value), rows[i].text);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(rows[i].value, rows[j].value);
        }
    }
    assert_string_equal(err_name(ERR_OK), "OK");
    assert_string_equal(err_name(12345), "UNKNOWN");
    assert_string_equal(err_text(-12345), err_text(ERR_UNKNOWN));
}

static void test_errno(void **state)
{
    (void)state;
    assert_int_equal(err_from_errno(EIO), ERR_IO);
    assert_int_equal(err_from_errno(ENOSPC), ERR_NO_SPACE);
    assert_int_equal(err_from_errno(EDQUOT), ERR_NO_SPACE);
    assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
    assert_int_equal(err_from_errno(ECANCELED), ERR_CANCELED);
    assert_int_equal(err_from_errno(ECONNRESET), ERR_CLOSED);
    assert_int_equal(err_from_errno(EMFILE), ERR_DESCRIPTORS);
    assert_int_equal(err_from_errno(EADDRINUSE), ERR_ADDRESS_IN_USE);
    assert_int_equal(err_from_errno(EAGAIN), ERR_AGAIN);
    /* What we do not know is an error all the same. */
    assert_int_equal(err_from_errno(0), ERR_UNKNOWN);
    for (int number = 1; number < 200; number++) {
        assert_true(err_from_errno(number) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_negative_and_unique),
        cmocka_unit_test(test_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
