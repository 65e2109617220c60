/* cli_http.h: a small HTTP/1.1 client: one request per connection, answers of a known length or in chunks. */
#ifndef MILLRACE_CLI_HTTP_H
#define MILLRACE_CLI_HTTP_H

#include "tools/cli/cli.h"
#include "tools/cli/cli_net.h"

#define CLI_HTTP_BUFFER_BYTES ((size_t)(64 * KIB))

struct cli_url {
    char    host[256];
    int32_t port;
    char    path[256]; /* "" or a beginning of all paths, as "/broker-1" */
};

/* "http://host:port/path"; scheme, port (8083) and path may be missing. False: it is none, or not http. */
MUST_USE bool cli_url_parse(const char *text, struct cli_url *out_url);

struct cli_http {
    struct cli_socket socket;
    int               status;
    bool              chunked, ended;
    int64_t           left; /* of the body, or of the chunk; -1: until the connection ends */
    size_t            begin, end;
    char              buffer[CLI_HTTP_BUFFER_BYTES];
};

/* Sends a request and reads the head of its answer. ERR_CLOSED, ERR_NOT_FOUND, ERR_TIMEOUT, ERR_INVALID (no HTTP):
 * *out_why says it for people. The body (may be empty) is JSON. Closed by cli_http_close(), after errors too. */
MUST_USE int cli_http_ask(struct cli_http *http, const struct cli_url *url, const char *method, const char *path,
                          struct view body, int64_t timeout_ms, const char **out_why);
/* Something of the body is here already: reading it does not wait. */
bool cli_http_has_some(const struct cli_http *http);
/* The next bytes of the body: 1 or more, 0 at its end; ERR_CLOSED when it breaks off, ERR_TIMEOUT, ERR_CANCELED
 * (cli_stop_asked). */
MUST_USE int64_t cli_http_read(struct cli_http *http, char *to, size_t capacity, int64_t deadline_ms);
void             cli_http_close(struct cli_http *http);

#endif
