/* URLs, and answers from a peer on a socket: lengths, chunks in any pieces, ends that come too early, no HTTP at all.
 */
#include "tests/support/unit.h"

#include "tools/cli/cli_http.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void check_url(const char *text, const char *host, int32_t port, const char *path)
{
    struct cli_url url;

    assert_true(cli_url_parse(text, &url));
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_string_equal(url.path, path);
}

static void test_urls(void **state UNUSED)
{
    static const char *const bad[] = {"",        "https://x", "http://", "x:",      "x:0",
                                      "x:99999", "x:8y",      "[::1",    "ftp://x", "x/ y"};
    struct cli_url           url;

    check_url("http://127.0.0.1:8083", "127.0.0.1", 8083, "");
    check_url("db1", "db1", 8083, "");
    check_url("HTTP://db1:80/", "db1", 80, "");
    check_url("[::1]:8084/broker/1/", "::1", 8084, "/broker/1");
    check_url("[::1]", "::1", 8083, "");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(cli_url_parse(bad[i], &url));
    }
}

/* --- a peer that says what it is told, in pieces of so many bytes --------------------------------------------------
 */

static struct peer {
    int         listener;
    const char *text;
    size_t      piece;
    char        heard[4096];
} peer;

static void *peer_thread(void *argument UNUSED)
{
    int     fd = accept(peer.listener, NULL, NULL);
    size_t  len = strlen(peer.text);
    ssize_t got = recv(fd, peer.heard, sizeof(peer.heard) - 1, 0);

    peer.heard[got > 0 ? got : 0] = '\0';
    for (size_t at = 0; at < len; at += peer.piece) {
        (void)send(fd, peer.text + at, MIN(peer.piece, len - at), MSG_NOSIGNAL);
        if (len < 4096) {
            (void)usleep(200);
        }
    }
    (void)close(fd);
    return NULL;
}

/* The body, or "!" and why. */
static char *ask(const char *text, size_t piece, int *out_status)
{
    static char        body[1 << 16];
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t          at_len = sizeof(at);
    struct cli_http   *http = malloc(sizeof(*http));
    struct cli_url     url = {.host = "127.0.0.1"};
    const char        *why = "";
    size_t             len = 0;
    int64_t            got;
    pthread_t          thread;

    peer = (struct peer){.listener = socket(AF_INET, SOCK_STREAM, 0), .text = text, .piece = piece};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(peer.listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(peer.listener, 1), 0);
    assert_int_equal(getsockname(peer.listener, (struct sockaddr *)&at, &at_len), 0);
    url.port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&thread, NULL, peer_thread, NULL), 0);
    got = cli_http_ask(http, &url, "POST", "/v1/sql", view_text("{}"), 5000, &why);
    *out_status = http->status;
    if (got < 0) {
        body[0] = '!';
        (void)snprintf(body + 1, sizeof(body) - 1, "%s", why);
    } else {
        do {
            got = cli_http_read(http, body + len, MIN(sizeof(body) - len - 1, (size_t)100), cli_clock_ms() + 5000);
            len += got > 0 ? (size_t)got : 0;
        } while (got > 0);
        body[len] = '\0';
        if (got < 0) {
            body[0] = '!';
        }
    }
    cli_http_close(http);
    free(http);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(peer.listener);
    return body;
}

static void test_answers(void **state UNUSED)
{
    static const size_t pieces[] = {1, 7, 1000};
    int                 status = 0;

    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        assert_string_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", pieces[i], &status),
                            "hello");
        assert_int_equal(status, 200);
        assert_non_null(strstr(peer.heard, "POST /v1/sql HTTP/1.1\r\nHost: 127.0.0.1:"));
        assert_string_equal(ask("HTTP/1.1 400 Bad Request\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n"
                                "5\r\nhello\r\n1;x=y\r\n \r\na\r\n0123456789\r\n0\r\n\r\n",
                                pieces[i], &status),
                            "hello 0123456789");
        assert_int_equal(status, 400);
        assert_string_equal(ask("HTTP/1.0 200 OK\n\nuntil the end", pieces[i], &status), "until the end");
        assert_string_equal(ask("HTTP/1.1 204 None\r\nContent-Length: 0\r\n\r\n", pieces[i], &status), "");
    }
}

static void test_broken_answers(void **state UNUSED)
{
    int status = 0;

    assert_string_equal(ask("SSH-2.0-x\r\n", 100, &status), "!what answers there does not speak HTTP");
    assert_string_equal(ask("", 100, &status), "!the connection was closed without an answer");
    assert_string_equal(ask("HTTP/1.1 200 OK\r\nContent-Le", 100, &status),
                        "!the connection was closed without an answer");
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", 100, &status)[0], '!');
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 100, &status)[0], '!');
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", 100, &status)[0], '!');
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhelXX", 100, &status)[0], '!');
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nhel", 100, &status)[0], '!');
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_urls), cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_broken_answers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
