/* Routes, guards and bodies. */
#include "tests/support/unit.h"

#include "net/http/http_internal.h"

static void check_route(const char *method, const char *path, int status, enum http_route_kind kind, const char *id)
{
    struct http_route route = {0};
    const char       *allow = NULL;

    assert_int_equal(http__route(method, path, &route, &allow), status);
    if (status == 200) {
        assert_int_equal(route.kind, kind);
        assert_string_equal(route.id, id);
    }
    assert_true((status == 405) == (allow != NULL));
}

static void test_routes(void **state UNUSED)
{
    struct http_route route = {0};
    const char       *allow = NULL;
    char              path[200];

    check_route("POST", "/v1/sql", 200, HTTP_ROUTE_SQL, "");
    check_route("POST", "/sql", 200, HTTP_ROUTE_SQL, "");
    check_route("GET", "/sql", 405, HTTP_ROUTE_NONE, "");
    check_route("DELETE", "/v1/sessions/cli-1", 200, HTTP_ROUTE_SESSION, "cli-1");
    check_route("GET", "/jobs", 200, HTTP_ROUTE_JOBS, "");
    check_route("GET", "/v1/jobs/", 200, HTTP_ROUTE_JOBS, "");
    check_route("HEAD", "/jobs", 200, HTTP_ROUTE_JOBS, "");
    check_route("GET", "/jobs/overview", 200, HTTP_ROUTE_JOBS_OVERVIEW, "");
    check_route("GET", "/jobs/ab12", 200, HTTP_ROUTE_JOB, "ab12");
    check_route("PATCH", "/jobs/ab12", 200, HTTP_ROUTE_JOB_CANCEL, "ab12");
    check_route("DELETE", "/jobs/ab12", 200, HTTP_ROUTE_JOB_DELETE, "ab12");
    check_route("PUT", "/jobs/ab12", 405, HTTP_ROUTE_NONE, "");
    check_route("GET", "/jobs/ab12/metrics", 200, HTTP_ROUTE_JOB_METRICS, "ab12");
    check_route("POST", "/jobs/ab12/stop", 200, HTTP_ROUTE_JOB_STOP, "ab12");
    check_route("GET", "/jobs/ab12/stop", 405, HTTP_ROUTE_NONE, "");
    check_route("GET", "/jobs/ab12/nothing", 404, HTTP_ROUTE_NONE, "");
    check_route("GET", "/", 404, HTTP_ROUTE_NONE, "");
    check_route("GET", "", 404, HTTP_ROUTE_NONE, "");
    check_route("GET", "/v1", 404, HTTP_ROUTE_NONE, "");
    assert_int_equal(http__route("GET", "/jobs/ab/savepoints/cd", &route, &allow), 200);
    assert_string_equal(route.id, "ab");
    assert_string_equal(route.trigger, "cd");
    memset(path, 'a', sizeof(path)); /* longer than any id */
    memcpy(path, "/jobs/", 6);
    path[sizeof(path) - 1] = '\0';
    check_route("GET", path, 404, HTTP_ROUTE_NONE, "");
}

static int guard_of(struct http_guard guard)
{
    const char *why = NULL;
    int         status = http__guard(&guard, &why);

    assert_true((status == 200) == (why == NULL));
    return status;
}

static void test_guard_host(void **state UNUSED)
{
    struct http_guard        guard = {.is_loopback = true, .listener_host = "localhost"};
    static const char *const good[] = {"localhost",   "localhost:8083", "127.0.0.1:8083", "[::1]:8083",
                                       "LOCALHOST:1", "a.localhost",    "10.0.0.1"};
    static const char *const bad[] = {"evil.example:8083", "localhost.evil.example", "", "127.0.0.1.evil.example"};

    assert_int_equal(guard_of(guard), 200); /* HTTP/1.0 has no Host */
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        guard.host = good[i];
        assert_int_equal(guard_of(guard), 200);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        guard.host = bad[i];
        assert_int_equal(guard_of(guard), 403);
    }
    guard.is_loopback = false; /* it has names that we cannot know */
    assert_int_equal(guard_of(guard), 200);
}

static void test_guard_origin(void **state UNUSED)
{
    struct http_guard guard = {.is_loopback = true, .host = "localhost:8083", .changes = true};

    guard.content_type = "application/json";
    assert_int_equal(guard_of(guard), 200);
    guard.origin = "http://localhost:8083";
    assert_int_equal(guard_of(guard), 200);
    guard.origin = "http://localhost:9999";
    assert_int_equal(guard_of(guard), 403);
    guard.origin = "null";
    assert_int_equal(guard_of(guard), 403);
    guard.origin = NULL;
    guard.site = "cross-site";
    assert_int_equal(guard_of(guard), 403);
    guard.site = "same-origin";
    guard.content_type = "multipart/form-data; boundary=x";
    assert_int_equal(guard_of(guard), 415);
    guard.content_type = "text/plain;charset=UTF-8";
    assert_int_equal(guard_of(guard), 200);
    guard.content_type = "text/plainness";
    assert_int_equal(guard_of(guard), 415);
}

static bool decode(enum http_route_kind kind, const char *text, bool is_json, struct http_body *body, char why[256])
{
    *body = (struct http_body){0};
    why[0] = '\0';
    return http__body_decode(kind, view_text(text), is_json, body, span_of(why, 256));
}

static void check_view(struct http_text *text, const char *wanted)
{
    struct view view = http__text_view(text);

    assert_int_equal(view.len, strlen(wanted));
    assert_memory_equal(view.base, wanted, view.len);
}

static void test_body_sql(void **state UNUSED)
{
    struct http_body body;
    char             why[256];

    assert_true(decode(HTTP_ROUTE_SQL, "SELECT '{';", false, &body, why));
    check_view(&body.script, "SELECT '{';");
    http__body_deinit(&body);
    assert_true(
        decode(HTTP_ROUTE_SQL, "{\"statements\":\"SELECT 1\",\"session\":\"me\",\"progress\":true}", true, &body, why));
    check_view(&body.script, "SELECT 1");
    check_view(&body.session, "me");
    assert_true(body.progress);
    http__body_deinit(&body);
    assert_true(decode(HTTP_ROUTE_SQL, "{\"statements\":[\"SET 'a'='b'\",\"SELECT 2\"]}", true, &body, why));
    check_view(&body.script, "SET 'a'='b';\nSELECT 2;\n");
    assert_false(body.progress);
    http__body_deinit(&body);
}

static void test_body_refused(void **state UNUSED)
{
    static const struct {
        enum http_route_kind kind;
        const char          *text, *why;
    } rows[] = {
        {HTTP_ROUTE_SQL, "", "no JSON"},
        {HTTP_ROUTE_SQL, "{\"statements\":", "no JSON"},
        {HTTP_ROUTE_SQL, "[]", "object"},
        {HTTP_ROUTE_SQL, "{}", "'statements' is missing"},
        {HTTP_ROUTE_SQL, "{\"statements\":7}", "'statements' is to be a string"},
        {HTTP_ROUTE_SQL, "{\"statements\":[7]}", "'statements' is to be a string"},
        {HTTP_ROUTE_SQL, "{\"statements\":\"\",\"progress\":1}", "true or false"},
        {HTTP_ROUTE_SQL, "{\"statements\":\"\",\"sesion\":\"x\"}", "'sesion' is not known"},
        {HTTP_ROUTE_SQL, "{\"statements\":\"\",\"statements\":\"\"}", "no JSON"},
        {HTTP_ROUTE_SQL, "{\"statements\":\"a\\u0000b\"}", "no JSON"},
        {HTTP_ROUTE_JOB_STOP, "{\"drain\":true}", "'drain'"},
        {HTTP_ROUTE_JOB_STOP, "{\"savepoint\":7}", "string"},
        {HTTP_ROUTE_JOB_SAVEPOINT, "{\"other\":7}", "'other'"},
        {HTTP_ROUTE_DISPOSAL, "", "no JSON"},
        {HTTP_ROUTE_DISPOSAL, "{}", "'savepoint-path' is missing"},
        {HTTP_ROUTE_DISPOSAL, "{\"savepoint\":\"x\"}", "'savepoint' is not known"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_body body;
        char             why[256];

        assert_false(decode(rows[i].kind, rows[i].text, true, &body, why));
        assert_non_null(strstr(why, rows[i].why));
        http__body_deinit(&body);
    }
}

static void test_body_savepoint(void **state UNUSED)
{
    struct http_body body;
    char             why[256];

    assert_true(decode(HTTP_ROUTE_JOB_STOP, "", true, &body, why));
    check_view(&body.savepoint, "");
    assert_true(
        decode(HTTP_ROUTE_JOB_STOP, "{\"targetDirectory\":\"before-upgrade\",\"drain\":false}", true, &body, why));
    check_view(&body.savepoint, "before-upgrade");
    http__body_deinit(&body);
    assert_true(decode(HTTP_ROUTE_DISPOSAL, "{\"savepoint-path\":\"old\"}", true, &body, why));
    check_view(&body.savepoint, "old");
    http__body_deinit(&body);
    assert_true(decode(HTTP_ROUTE_JOB_SAVEPOINT, "{\"target-directory\":null,\"cancel-job\":false}", true, &body, why));
    check_view(&body.savepoint, "");
    http__body_deinit(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),   cmocka_unit_test(test_guard_host),   cmocka_unit_test(test_guard_origin),
        cmocka_unit_test(test_body_sql), cmocka_unit_test(test_body_refused), cmocka_unit_test(test_body_savepoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
