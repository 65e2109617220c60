/* cli_http.c: requests and answers of HTTP/1.1, as far as our listener, and a proxy before it, speak it. */
#include "tools/cli/cli_http.h"

#include <stdlib.h>
#include <strings.h>

#define PORT_DEFAULT   8083
#define LINE_BYTES_MAX 4096

bool cli_url_parse(const char *text, struct cli_url *out_url)
{
    const char *at = strncasecmp(text, "http://", 7) == 0 ? text + 7 : text;
    size_t      len = at[0] == '[' ? strcspn(at, "]") : strcspn(at, ":/");
    char       *end = NULL;
    long        port = PORT_DEFAULT;

    if (strstr(at, "://") != NULL) {
        return false;
    }
    if (at[0] == '[') {
        if (at[len] != ']') {
            return false;
        }
        at++;
        len--;
    }
    if (len == 0 || len >= sizeof(out_url->host)) {
        return false;
    }
    memcpy(out_url->host, at, len);
    out_url->host[len] = '\0';
    at += len + (at[len] == ']');
    if (*at == ':') {
        port = strtol(at + 1, &end, 10);
        if (end == at + 1 || port < 1 || port > UINT16_MAX) {
            return false;
        }
        at = end;
    }
    len = strlen(at);
    while (len > 0 && at[len - 1] == '/') {
        len--;
    }
    if ((at[0] != '/' && at[0] != '\0') || len >= sizeof(out_url->path) || strcspn(at, " \r\n") < len) {
        return false;
    }
    memcpy(out_url->path, at, len);
    out_url->path[len] = '\0';
    out_url->port = (int32_t)port;
    return true;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* More bytes behind `end`; 0: the connection has ended. */
static int64_t http_fill(struct cli_http *http, int64_t deadline_ms)
{
    int64_t got;

    if (http->begin > 0) {
        memmove(http->buffer, http->buffer + http->begin, http->end - http->begin);
        http->end -= http->begin;
        http->begin = 0;
    }
    if (http->end == sizeof(http->buffer)) {
        return ERR_INVALID;
    }
    got = cli_net_read(&http->socket, span_of(http->buffer + http->end, sizeof(http->buffer) - http->end), deadline_ms);
    if (got > 0) {
        http->end += (size_t)got;
    }
    return got;
}

/* A line without its end, in place; it lives until the next read. */
static int http_line(struct cli_http *http, int64_t deadline_ms, char **out_line)
{
    for (;;) {
        char   *from = http->buffer + http->begin;
        char   *lf = memchr(from, '\n', http->end - http->begin);
        int64_t got;

        if (lf != NULL) {
            http->begin = (size_t)(lf - http->buffer) + 1;
            *lf = '\0';
            if (lf > from && lf[-1] == '\r') {
                lf[-1] = '\0';
            }
            *out_line = from;
            return ERR_OK;
        }
        if (http->end - http->begin > LINE_BYTES_MAX) {
            return ERR_INVALID;
        }
        got = http_fill(http, deadline_ms);
        if (got <= 0) {
            return got == 0 ? ERR_CLOSED : (int)got;
        }
    }
}

static int http_head(struct cli_http *http, int64_t deadline_ms)
{
    char *line = NULL;
    int   result = http_line(http, deadline_ms, &line);

    if (result != ERR_OK) {
        return result;
    }
    if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12) {
        return ERR_INVALID;
    }
    http->status = (int)strtol(line + 9, NULL, 10);
    http->left = -1;
    for (;;) {
        result = http_line(http, deadline_ms, &line);
        if (result != ERR_OK || line[0] == '\0') {
            break;
        }
        if (strncasecmp(line, "content-length:", 15) == 0) {
            http->left = MAX(strtoll(line + 15, NULL, 10), 0LL);
        } else if (strncasecmp(line, "transfer-encoding:", 18) == 0 && strcasestr(line, "chunked") != NULL) {
            http->chunked = true;
        }
    }
    if (http->chunked) {
        http->left = 0;
    }
    return result;
}

/* The length of the next chunk; behind the last one the trailer is passed over. */
static int http_chunk(struct cli_http *http, int64_t deadline_ms, bool first)
{
    char *line = NULL, *end = NULL;
    int   result = ERR_OK;

    if (!first) {
        result = http_line(http, deadline_ms, &line); /* what ends the chunk before */
        if (result == ERR_OK && line[0] != '\0') {
            return ERR_INVALID;
        }
    }
    if (result == ERR_OK) {
        result = http_line(http, deadline_ms, &line);
    }
    if (result != ERR_OK) {
        return result;
    }
    http->left = strtoll(line, &end, 16);
    if (end == line || http->left < 0) {
        return ERR_INVALID;
    }
    if (http->left == 0) {
        http->ended = true;
    }
    return ERR_OK;
}

/* --- one exchange ------------------------------------------------------------------------------------------------ */

int cli_http_ask(struct cli_http *http, const struct cli_url *url, const char *method, const char *path,
                 struct view body, int64_t timeout_ms, const char **out_why)
{
    char        head[1024];
    bool        is_v6 = strchr(url->host, ':') != NULL;
    int64_t     deadline_ms = cli_clock_ms() + timeout_ms;
    struct view parts[2] = {{0}, body};
    int         result, len;

    *http = (struct cli_http){.socket = {-1}};
    result = cli_net_connect(&http->socket, url->host, url->port, deadline_ms, out_why);
    if (result != ERR_OK) {
        return result;
    }
    len = snprintf(head, sizeof(head),
                   "%s %s%s HTTP/1.1\r\nHost: %s%s%s:%d\r\nConnection: close\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   method, url->path, path, is_v6 ? "[" : "", url->host, is_v6 ? "]" : "", url->port, body.len);
    if (len < 0 || (size_t)len >= sizeof(head)) {
        *out_why = "the URL is too long";
        return ERR_INVALID;
    }
    parts[0] = view_of(head, (size_t)len);
    result = cli_net_send(&http->socket, parts, body.len > 0 ? 2 : 1, deadline_ms);
    if (result == ERR_OK || result == ERR_CLOSED) { /* who refuses a request may not read all of it */
        result = http_head(http, deadline_ms);
    }
    if (result == ERR_OK && http->chunked) {
        result = http_chunk(http, INT64_MAX, true);
    }
    *out_why = result == ERR_INVALID    ? "what answers there does not speak HTTP"
               : result == ERR_TIMEOUT  ? "no answer in time"
               : result == ERR_CANCELED ? "stopped"
                                        : "the connection was closed without an answer";
    return result;
}

bool cli_http_has_some(const struct cli_http *http)
{
    size_t end_of_chunk = http->chunked && http->left == 0 ? 2 : 0; /* a line end is nothing yet */

    return http->end - http->begin > end_of_chunk;
}

int64_t cli_http_read(struct cli_http *http, char *to, size_t capacity, int64_t deadline_ms)
{
    int64_t len;

    if (!http->ended && http->chunked && http->left == 0) {
        int result = http_chunk(http, deadline_ms, false);

        if (result != ERR_OK) {
            return result;
        }
    }
    if (http->ended || http->left == 0) {
        return 0;
    }
    if (http->end == http->begin) {
        len = http_fill(http, deadline_ms);
        if (len <= 0) {
            return len == 0 && http->left > 0 ? ERR_CLOSED : len;
        }
    }
    len = (int64_t)MIN(http->end - http->begin, capacity);
    if (http->left > 0) {
        len = MIN(len, http->left);
        http->left -= len;
    }
    memcpy(to, http->buffer + http->begin, (size_t)len);
    http->begin += (size_t)len;
    return len;
}

void cli_http_close(struct cli_http *http)
{
    cli_net_close(&http->socket);
}
