/* millrace.http.listener: what is understood and what is not. The listener itself: tests/unit/http and tests/e2e. */
#include "tests/support/unit.h"

#include "net/broker/broker_http.h"

static void check_good(const char *setting, const char *host, uint16_t port)
{
    struct view found;
    uint16_t    found_port;

    assert_true(broker_http_parse(setting, &found, &found_port));
    assert_int_equal(found.len, strlen(host));
    assert_memory_equal(found.base, host, found.len);
    assert_int_equal(found_port, port);
}

static void test_understood(void **state UNUSED)
{
    check_good("none", "", 0);
    check_good("", "", 0);
    check_good("127.0.0.1:8083", "127.0.0.1", 8083);
    check_good("http://localhost:80", "localhost", 80);
    check_good("[::1]:8083", "::1", 8083);
    check_good("0.0.0.0:0", "0.0.0.0", 0);
}

static void test_refused(void **state UNUSED)
{
    static const char *const bad[] = {"8083",      ":8083",        "localhost",       "localhost:",   "localhost:x",
                                      "::1:8083",  "[]:8083",      "localhost:65536", "localhost:-1", "localhost:8083/",
                                      "[::1:8083", "localhost:+1", "localhost: 8083"};
    struct view              host;
    uint16_t                 port;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(broker_http_parse(bad[i], &host, &port));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_understood), cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
