/* net_server.h: the connections of one shard: accept, frames, calls, ordered answers, back-pressure.
 *
 * A connection reads length-prefixed frames, turns each into an api_call and dispatches it in order; calls of one
 * connection may be under way together, their answers leave in the order of the requests, gathered into as few sends as
 * possible.
 *
 * What a connection may hold is bounded: NET_CALLS_MAX calls and NET_PENDING_BYTES_MAX request bytes not yet answered
 * (then it is not read from), a frame of at most socket.request.max.bytes whose memory grows with the bytes received,
 * and a time for each frame to arrive and each answer to be taken. When the core's buffers are exhausted, connections
 * stop being read until calls finish. A connection that breaks a rule costs itself only.
 *
 * Threading: one shard. The struct belongs to net/broker, which stops it before the shard's partitions are closed. */
#ifndef MILLRACE_NET_SERVER_H
#define MILLRACE_NET_SERVER_H

#include "net/api/api.h"

#define NET_CALLS_MAX         64
#define NET_PENDING_BYTES_MAX ((size_t)(8 * MIB))

struct net_server;

struct net_limits {
    uint32_t connections_max;        /* of this shard; more are closed at once */
    uint32_t connections_per_ip_max; /* max.connections.per.ip */
    uint32_t request_bytes_max;      /* socket.request.max.bytes */
    int64_t  idle_ns;                /* connections.max.idle.ms */
    int64_t  frame_header_ns;        /* a started frame must show its length by then, and never pause longer: 10 s */
    int64_t  frame_mib_ns;           /* and move one MiB in this time: 30 s */
    int64_t  starved_ns;      /* half-received frames block each other for so long: the youngest is closed: 1 s */
    int64_t  send_stalled_ns; /* an answer of which nothing is taken for so long: 60 s */
};

struct net_stats {
    uint64_t connections, accepted, refused, closed_idle, closed_slow, closed_garbage, closed_memory, paused_memory;
    uint64_t requests, sends, sent_bytes, received_bytes, receives;
    uint64_t in_place, lent; /* requests served where they were received; those that kept the buffer for it */
};

/* Kafka's defaults where it has them. */
struct net_limits net_limits_default(void);

struct net_server *net_server_create(struct api_shard *api, const struct net_limits *limits);
/* Listens; `listener` is the listener's name, kept by the caller. The bound address comes back (port 0 picks one).
 * ERR_ADDRESS_IN_USE, ... */
MUST_USE int net_server_listen(struct net_server *server, const struct io_address *address, struct view listener,
                               struct io_address *out_bound);
/* Any time. The limits hold for connections that come from now on; those that are there stay. */
void net_server_set_limits(struct net_server *server, const struct net_limits *limits);
/* Starts accepting on all listeners. */
void net_server_start(struct net_server *server);
/* Clean stop: no more accepting or reading; what is under way is answered (grace_ns at most), then everything is
 * closed. */
void net_server_stop(struct net_server *server, int64_t grace_ns, void (*done)(void *context), void *context);
void net_server_destroy(struct net_server *server);
void net_server_stats(const struct net_server *server, struct net_stats *out_stats);

#endif
