/* cli_net.c: sockets that never block without a limit. */
#include "tools/cli/cli_net.h"

#include "core/base/bytes.h"
#include "tools/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ERR_OK when the socket is ready for `events`. */
static int cli_net_wait(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd waited = {.fd = fd, .events = events};
        int64_t       left_ms = deadline_ms - cli_clock_ms();
        int           count;

        if (left_ms <= 0 || cli_stop_asked != 0) {
            return cli_stop_asked != 0 ? ERR_CANCELED : ERR_TIMEOUT;
        }
        count = poll(&waited, 1, (int)MIN(left_ms, 1000));
        if (count > 0) {
            return ERR_OK;
        }
        if (count < 0 && errno != EINTR) {
            return err_from_errno(errno);
        }
    }
}

static int cli_net_try(struct cli_socket *out_socket, const struct addrinfo *address, int64_t deadline_ms)
{
    int       fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int       on = 1, error = 0, result;
    socklen_t len = sizeof(error);

    if (fd < 0) {
        return errno;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
        error = errno;
        if (error == EINPROGRESS) {
            result = cli_net_wait(fd, POLLOUT, deadline_ms);
            if (result != ERR_OK || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
                error = ETIMEDOUT;
            }
        }
    }
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    out_socket->fd = fd;
    return 0;
}

int cli_net_connect(struct cli_socket *out_socket, const char *host, int32_t port, int64_t deadline_ms,
                    const char **out_why)
{
    struct addrinfo  hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char             service[16];
    int              error = ECONNREFUSED;

    out_socket->fd = -1;
    (void)snprintf(service, sizeof(service), "%d", port);
    if (getaddrinfo(host, service, &hints, &list) != 0) {
        *out_why = "no such host";
        return ERR_NOT_FOUND;
    }
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        error = cli_net_try(out_socket, at, deadline_ms);
        if (error == 0) {
            freeaddrinfo(list);
            return ERR_OK;
        }
    }
    freeaddrinfo(list);
    *out_why = error == ECONNREFUSED ? "connection refused: nothing listens there" : strerror(error);
    return error == ETIMEDOUT ? ERR_TIMEOUT : ERR_CLOSED;
}

int cli_net_send(struct cli_socket *socket, const struct view *parts, int32_t count, int64_t deadline_ms)
{
    for (int32_t i = 0; i < count; i++) {
        size_t sent = 0;

        while (sent < parts[i].len) {
            ssize_t now = send(socket->fd, parts[i].base + sent, parts[i].len - sent,
                               MSG_NOSIGNAL | (i + 1 < count ? MSG_MORE : 0));
            int     result;

            if (now >= 0) {
                sent += (size_t)now;
                continue;
            }
            if (errno != EAGAIN && errno != EINTR) {
                return ERR_CLOSED;
            }
            result = cli_net_wait(socket->fd, POLLOUT, deadline_ms);
            if (result != ERR_OK) {
                return result;
            }
        }
    }
    return ERR_OK;
}

static int cli_net_fill(struct cli_socket *socket, uint8_t *to, size_t bytes, int64_t deadline_ms)
{
    size_t got = 0;

    while (got < bytes) {
        ssize_t now = recv(socket->fd, to + got, bytes - got, 0);
        int     result;

        if (now > 0) {
            got += (size_t)now;
            continue;
        }
        if (now == 0 || (errno != EAGAIN && errno != EINTR)) {
            return ERR_CLOSED;
        }
        result = cli_net_wait(socket->fd, POLLIN, deadline_ms);
        if (result != ERR_OK) {
            return result;
        }
    }
    return ERR_OK;
}

int cli_net_receive(struct cli_socket *socket, struct arena *arena, int64_t deadline_ms, struct span *out_frame)
{
    uint8_t  head[4];
    uint8_t *frame;
    size_t   bytes;
    int      result = cli_net_fill(socket, head, sizeof(head), deadline_ms);

    if (result != ERR_OK) {
        return result;
    }
    bytes = load_be32(head);
    if (bytes < 4 || bytes > CLI_FRAME_BYTES_MAX) {
        return ERR_INVALID;
    }
    frame = arena_alloc(arena, bytes);
    if (frame == NULL) {
        return ERR_NO_MEMORY;
    }
    result = cli_net_fill(socket, frame, bytes, deadline_ms);
    if (result == ERR_OK) {
        *out_frame = span_of(frame, bytes);
    }
    return result;
}

int64_t cli_net_read(struct cli_socket *socket, struct span to, int64_t deadline_ms)
{
    for (;;) {
        ssize_t now = recv(socket->fd, to.base, to.len, 0);
        int     result;

        if (now >= 0) {
            return now;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return ERR_CLOSED;
        }
        result = cli_net_wait(socket->fd, POLLIN, deadline_ms);
        if (result != ERR_OK) {
            return result;
        }
    }
}

void cli_net_close(struct cli_socket *socket)
{
    if (socket->fd >= 0) {
        (void)close(socket->fd);
        socket->fd = -1;
    }
}
