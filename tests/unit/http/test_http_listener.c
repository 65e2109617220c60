/* The listener over io/uring: two cores, the HTTP thread, and clients that behave and that do not. The program is also
 * built with the thread sanitizer. */
#define _GNU_SOURCE 1

#include "tests/support/unit.h"

#include "core/base/mem.h"
#include "io/uring/uring.h"
#include "net/http/http.h"
#include "tests/unit/http/http_fake_job.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SHARDS       2
#define ANSWER_BYTES ((size_t)(4 * MIB))
#define WAIT_MS      8000

/* --- rig: cores on threads, a listener on a port of its own ------------------------------------------------------- */

static struct rig {
    struct io            *ios[SHARDS];
    struct io_host       *host;
    pthread_t             threads[SHARDS];
    struct http_listener *listener;
} rig;

static char answer[ANSWER_BYTES + 1];

static const struct http_figure figures[] = {{"requests_total", "Requests.", true}, {"connections", "Now.", false}};

static void read_figures(void *context UNUSED, uint32_t shard, uint64_t *out_values)
{
    out_values[0] = 100 + shard;
    out_values[1] = shard;
}

static struct http_options rig_options(void)
{
    struct http_options options = {
        .address = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}},
        .host = "127.0.0.1",
        .hosted = rig.host,
        .version = "1.2.3",
        .figures = figures,
        .figure_count = COUNT_OF(figures),
        .read_figures = read_figures,
    };

    return options;
}

static void *core_thread(void *core)
{
    assert_true(io_core_run(core) >= 0);
    return NULL;
}

static int rig_start(void **state UNUSED)
{
    struct uring_failure   why = {0};
    struct io_host_options host = {.core_count = SHARDS,
                                   .shard_count = SHARDS,
                                   .region_bytes_per_core = BUF_BYTES_MAX,
                                   .budget_bytes_per_core = BUF_BYTES_MAX};
    struct http_options    options;
    char                   text[256] = "";

    for (int i = 0; i < SHARDS; i++) {
        assert_int_equal(uring_create(&(struct uring_options){.entries = 64, .ring_count = SHARDS}, &rig.ios[i], &why),
                         0);
    }
    rig.host = io_host_create(&host, rig.ios);
    fake_job_init(io_host_shard(rig.host, 0));
    for (uint32_t i = 0; i < SHARDS; i++) {
        assert_int_equal(pthread_create(&rig.threads[i], NULL, core_thread, io_host_core(rig.host, i)), 0);
    }
    options = rig_options();
    assert_int_equal(http_start(&options, &rig.listener, span_of(text, sizeof(text))), 0);
    return 0;
}

static int rig_stop(void **state UNUSED)
{
    http_stop(rig.listener);
    for (uint32_t i = 0; i < SHARDS; i++) {
        io_core_stop(io_host_core(rig.host, i));
        assert_int_equal(pthread_join(rig.threads[i], NULL), 0);
    }
    io_host_destroy(rig.host);
    for (int i = 0; i < SHARDS; i++) {
        io_destroy(rig.ios[i]);
    }
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

static void pause_ms(int64_t ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / MS_PER_S, .tv_nsec = ms % MS_PER_S * NS_PER_MS}, NULL);
}

static bool comes_to(const uint32_t *counter, uint32_t wanted)
{
    int64_t until = now_ms() + WAIT_MS;

    while (__atomic_load_n(counter, __ATOMIC_RELAXED) < wanted && now_ms() < until) {
        pause_ms(2);
    }
    return __atomic_load_n(counter, __ATOMIC_RELAXED) >= wanted;
}

/* --- a client ----------------------------------------------------------------------------------------------------- */

static int dial(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(http_port(rig.listener))};
    struct timeval     patience = {.tv_sec = WAIT_MS / MS_PER_S};
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void say(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent <= 0) {
            return; /* the answer tells */
        }
        bytes += sent;
        len -= (size_t)sent;
    }
}

static int open_request(const char *method, const char *path, const char *headers, const char *body)
{
    char head[1024];
    int  fd = dial();
    int  len = snprintf(head, sizeof(head),
                        "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n",
                        method, path, strlen(body), headers);

    assert_true(len > 0 && (size_t)len < sizeof(head));
    say(fd, head, (size_t)len);
    say(fd, body, strlen(body));
    return fd;
}

/* Until `until` was seen in the answer (NULL: to its end). */
static size_t listen_to(int fd, const char *until)
{
    size_t  len = 0;
    ssize_t got;

    answer[0] = '\0';
    while (len < ANSWER_BYTES && (until == NULL || strstr(answer, until) == NULL)) {
        got = recv(fd, answer + len, ANSWER_BYTES - len, 0);
        assert_true(got >= 0);
        if (got == 0) {
            break;
        }
        len += (size_t)got;
        answer[len] = '\0';
    }
    return len;
}

/* The status; the whole answer stands in `answer`. */
static int ask(const char *method, const char *path, const char *headers, const char *body)
{
    int fd = open_request(method, path, headers, body);

    assert_true(listen_to(fd, NULL) > strlen("HTTP/1.1 200"));
    (void)close(fd);
    assert_int_equal(strncmp(answer, "HTTP/1.1 ", 9), 0);
    return (int)strtol(answer + 9, NULL, 10);
}

static bool says(const char *text)
{
    return strstr(answer, text) != NULL;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void test_small_answers(void **state UNUSED)
{
    assert_int_equal(ask("GET", "/health", "", ""), 200);
    assert_true(says("{\"status\":\"ok\"}"));
    assert_int_equal(ask("GET", "/v1/config", "", ""), 200);
    assert_true(says("\"flink-version\":\"1.2.3\""));
    assert_int_equal(ask("GET", "/nowhere", "", ""), 404);
    assert_true(says("{\"errors\":["));
    assert_int_equal(ask("POST", "/jobs", "", "body"), 405);
    assert_true(says("\r\nAllow: GET\r\n"));
    assert_int_equal(ask("POST", "/v1/sql", "Origin: http://evil.example\r\n", "OK no"), 403);
    assert_int_equal(ask("POST", "/v1/sql", "Content-Type: multipart/form-data\r\n", "OK no"), 415);
    assert_int_equal(ask("POST", "/v1/sql", "Content-Type: application/json\r\n", "{"), 400);
    assert_int_equal(__atomic_load_n(&fake_done_count, __ATOMIC_RELAXED), 0); /* none of it got through */
}

static void test_scripts(void **state UNUSED)
{
    assert_int_equal(ask("POST", "/v1/sql", "", "OK fine"), 200);
    assert_true(says("{\"statement\":0,\"result\":\"fine\"}\n"));
    assert_int_equal(ask("POST", "/v1/sql", "Content-Type: application/x-www-form-urlencoded\r\n", "TABLE"), 200);
    assert_true(says("\"table\":[\"table name\",\"kind\"],\"rows\":[[\"bids\",\"TABLE\"],[\"new\",\"VIEW\"]]}"));
    assert_int_equal(
        ask("POST", "/sql", "Content-Type: application/json\r\n", "{\"statements\":\"JOB\",\"session\":\"mine\"}"),
        200);
    assert_true(says("{\"statement\":0,\"job\":\"" FAKE_JOB_ID "\"}"));
    assert_string_equal(fake_session, "mine");
    assert_int_equal(ask("POST", "/sql", "", "NOTHING"), 200);
    assert_int_equal(ask("POST", "/sql", "", "FAIL"), 400);
    assert_true(says("{\"statement\":0,\"result\":\"OK\"}\n{\"errors\":[\"line 2, column 1: no such thing\"],"
                     "\"statement\":1,\"status\":400}\n"));
}

static void test_rows(void **state UNUSED)
{
    size_t rows = 0;

    assert_int_equal(ask("POST", "/sql", "", "SELECT 20000"), 200);
    assert_true(says("{\"columns\":[{\"name\":\"number\",\"type\":\"BIGINT\"},{\"name\":\"te\\\"xt\""));
    for (const char *at = answer; (at = strstr(at, "{\"op\":\"+I\"")) != NULL; at++) {
        rows++;
    }
    assert_true(rows > 19990); /* the lengths of chunks stand between some */
    assert_string_equal(answer + strlen(answer) - 7, "\r\n0\r\n\r\n");
}

/* The client hears rows at once, and goes: the query ends. */
static void test_client_goes(void **state UNUSED)
{
    uint32_t before = __atomic_load_n(&fake_done_count, __ATOMIC_RELAXED);
    int      fd = open_request("POST", "/sql", "", "STREAM");

    (void)listen_to(fd, "\"row\"");
    assert_true(says("\"columns\""));
    (void)close(fd);
    assert_true(comes_to(&fake_done_count, before + 1));
    fd = open_request("POST", "/sql", "Content-Type: application/json\r\n",
                      "{\"statements\":\"HANG\",\"progress\":true}");
    (void)listen_to(fd, "{\"progress\":{\"records-in\":0,\"watermark\":null}}\n");
    (void)close(fd);
    assert_true(comes_to(&fake_done_count, before + 2));
}

/* Whoever has no connection to close says it: the session is free as soon as the answer has ended. */
static void test_session_canceled(void **state UNUSED)
{
    uint32_t before = __atomic_load_n(&fake_cancel_count, __ATOMIC_RELAXED);
    int      fd = open_request("POST", "/sql", "Content-Type: application/json\r\n",
                               "{\"statements\":\"STREAM\",\"session\":\"mine\"}");

    (void)listen_to(fd, "\"row\"");
    assert_int_equal(ask("DELETE", "/v1/sessions/other", "", ""), 200);
    assert_true(says("{\"canceled\":0}"));
    assert_int_equal(ask("DELETE", "/v1/sessions/mine", "", ""), 200);
    assert_true(says("{\"canceled\":1}"));
    (void)listen_to(fd, "{\"errors\":[\"canceled\"]");
    (void)listen_to(fd, NULL); /* to its end */
    (void)close(fd);
    assert_int_equal(__atomic_load_n(&fake_cancel_count, __ATOMIC_RELAXED), before + 1);
}

/* A client that does not read holds its query back and nothing else. */
static void test_slow_client(void **state UNUSED)
{
    uint32_t before = __atomic_load_n(&fake_done_count, __ATOMIC_RELAXED);
    int      fd = open_request("POST", "/sql", "", "FLOOD"), waits = 150;
    uint64_t seen, later;

    later = 0;
    do { /* until it stands: the sockets are full, which takes a slow machine some seconds */
        seen = later;
        pause_ms(200);
        later = __atomic_load_n(&fake_row_count, __ATOMIC_RELAXED);
        assert_true(waits-- > 0);
    } while (later == 0 || later != seen);
    assert_int_equal(ask("GET", "/health", "", ""), 200);
    assert_int_equal(ask("POST", "/sql", "", "OK too"), 200);
    while (__atomic_load_n(&fake_row_count, __ATOMIC_RELAXED) <= later) { /* it goes on once the sockets are empty */
        assert_true(recv(fd, answer, ANSWER_BYTES, 0) > 0);
    }
    (void)close(fd);
    assert_true(comes_to(&fake_done_count, before + 2));
}

static void test_large_body(void **state UNUSED)
{
    char *body = mem_alloc(MEM_TEST, HTTP_BODY_BYTES_MAX + 2);

    memset(body, 'x', HTTP_BODY_BYTES_MAX + 1);
    assert_int_equal(ask("POST", "/sql", "", body), 413);
    body[HTTP_BODY_BYTES_MAX] = '\0';
    memcpy(body, "OK ", 3);
    assert_int_equal(ask("POST", "/sql", "", body), 200);
    assert_true(says("xxxx"));
    mem_free(MEM_TEST, body);
}

static void test_jobs(void **state UNUSED)
{
    assert_int_equal(ask("GET", "/jobs", "", ""), 200);
    assert_true(says("{\"jobs\":[{\"id\":\"" FAKE_JOB_ID "\",\"status\":\"RUNNING\"},{\"id\":\"" FAKE_FAILED_ID
                     "\",\"status\":\"FAILED\"}]}"));
    assert_int_equal(ask("GET", "/jobs/overview", "", ""), 200);
    assert_true(says("\"jid\":\"" FAKE_FAILED_ID "\""));
    assert_int_equal(ask("GET", "/jobs/" FAKE_JOB_ID, "", ""), 200);
    assert_true(says("\"read-records\":123456"));
    assert_int_equal(ask("GET", "/jobs/" FAKE_JOB_ID "/metrics?get=numRestarts", "", ""), 200);
    assert_true(says("[{\"id\":\"numRestarts\",\"value\":\"2\"}]"));
    assert_int_equal(ask("GET", "/jobs/0000", "", ""), 404);
    assert_true(says("{\"errors\":[\"Job 0000 not found\"]}"));
    assert_int_equal(ask("GET", "/overview", "", ""), 200);
    assert_true(says("\"jobs-running\":1"));
    assert_int_equal(ask("GET", "/metrics", "", ""), 200);
    assert_true(says("millrace_requests_total{shard=\"1\"} 101\n"));
    assert_true(says("flink_jobmanager_job_numRestarts{job_id=\"" FAKE_JOB_ID "\""));
}

static void check_kind(const char *method, const char *path, const char *body, int status, enum job_request_kind kind)
{
    assert_int_equal(ask(method, path, "Content-Type: application/json\r\n", body), status);
    assert_int_equal(__atomic_load_n(&fake_kind, __ATOMIC_RELAXED), kind);
    assert_string_equal(fake_id, FAKE_JOB_ID);
}

static void test_job_changes(void **state UNUSED)
{
    char        path[256];
    const char *id;

    check_kind("PATCH", "/jobs/" FAKE_JOB_ID "?mode=cancel", "", 202, JOB_REQUEST_CANCEL);
    assert_int_equal(ask("PATCH", "/jobs/" FAKE_JOB_ID "?mode=rescale", "", ""), 400);
    check_kind("POST", "/jobs/" FAKE_JOB_ID "/pause", "", 200, JOB_REQUEST_PAUSE);
    check_kind("POST", "/jobs/" FAKE_JOB_ID "/resume", "", 200, JOB_REQUEST_RESUME);
    check_kind("DELETE", "/jobs/" FAKE_JOB_ID, "", 200, JOB_REQUEST_DELETE);
    check_kind("POST", "/jobs/" FAKE_JOB_ID "/savepoints", "{}", 202, JOB_REQUEST_SAVEPOINT);
    assert_int_equal(strncmp(fake_savepoint, "savepoint-001122-", 17), 0);
    check_kind("POST", "/jobs/" FAKE_JOB_ID "/stop", "{\"targetDirectory\":\"here\",\"drain\":false}", 202,
               JOB_REQUEST_STOP);
    assert_string_equal(fake_savepoint, "here");
    id = strstr(answer, "{\"request-id\":\"");
    assert_non_null(id);
    (void)snprintf(path, sizeof(path), "/jobs/" FAKE_JOB_ID "/savepoints/%.32s", id + 15);
    assert_int_equal(ask("GET", path, "", ""), 200);
    assert_true(says("{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"location\":\"here\"}}"));
    assert_int_equal(ask("GET", "/jobs/" FAKE_JOB_ID "/savepoints/none", "", ""), 404);
    assert_int_equal(ask("POST", "/jobs/0000/stop", "", ""), 404);
}

static void test_port_taken(void **state UNUSED)
{
    struct http_options   options = rig_options();
    struct http_listener *second = NULL;
    char                  why[256] = "";

    options.address.port = http_port(rig.listener);
    assert_int_equal(http_start(&options, &second, span_of(why, sizeof(why))), ERR_ADDRESS_IN_USE);
    assert_null(second);
    assert_non_null(strstr(why, "127.0.0.1:"));
}

/* The last test: who is under way hears that it is over. */
static void test_stop(void **state UNUSED)
{
    int     streaming = open_request("POST", "/sql", "", "STREAM");
    int     hanging = open_request("POST", "/sql", "", "HANG");
    int64_t begin_ms;

    (void)listen_to(streaming, "\"row\"");
    begin_ms = now_ms();
    http_stop(rig.listener);
    rig.listener = NULL;
    assert_true(now_ms() - begin_ms < 2000);
    (void)listen_to(streaming, NULL);
    assert_true(says("{\"errors\":[\"canceled\"]"));
    (void)listen_to(hanging, NULL);
    assert_true(says("HTTP/1.1 503"));
    assert_true(says("{\"errors\":[\"canceled\"]"));
    (void)close(streaming);
    (void)close(hanging);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_answers),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_client_goes),
        cmocka_unit_test(test_session_canceled),
        cmocka_unit_test(test_slow_client),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_job_changes),
        cmocka_unit_test(test_port_taken),
        cmocka_unit_test(test_stop),
    };

    return cmocka_run_group_tests(tests, rig_start, rig_stop);
}
