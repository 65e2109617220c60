/* cli_net.h: blocking TCP with deadlines: connect, send whole frames, receive whole frames. One owner, one thread. */
#ifndef MILLRACE_CLI_NET_H
#define MILLRACE_CLI_NET_H

#include "core/base/arena.h"
#include "core/base/base.h"
#include "core/base/err.h"

#define CLI_FRAME_BYTES_MAX ((size_t)(256 * MIB)) /* a longer answer is no answer */

struct cli_socket {
    int fd; /* -1: none */
};

/* deadline_ms: of cli_clock_ms(). ERR_NOT_FOUND: no such host; ERR_TIMEOUT; other ERR_: refused, unreachable; why:
 * text for people, static or in thread-local memory. */
MUST_USE int cli_net_connect(struct cli_socket *out_socket, const char *host, int32_t port, int64_t deadline_ms,
                             const char **out_why);
MUST_USE int cli_net_send(struct cli_socket *socket, const struct view *parts, int32_t count, int64_t deadline_ms);
/* A frame behind its length, in the arena. ERR_CLOSED, ERR_TIMEOUT, ERR_INVALID: not Kafka's protocol. */
MUST_USE int cli_net_receive(struct cli_socket *socket, struct arena *arena, int64_t deadline_ms,
                             struct span *out_frame);
/* Some bytes, as soon as there are any: their number, 0 when the peer has closed. */
MUST_USE int64_t cli_net_read(struct cli_socket *socket, struct span to, int64_t deadline_ms);
void             cli_net_close(struct cli_socket *socket);

#endif
