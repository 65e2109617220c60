/* Connections: birth, deadlines, death. Invariants: 1. a connection is freed only in the callback of its io_close(), so
 * nothing that still runs on the stack can hold a dead pointer; 2. io_close() is submitted once, when no operation and
 * no unfinished call is left. */
#include "core/base/slog.h"
#include "net/server/net_internal.h"

struct net_ip_count {
    uint32_t count;
};

static void net_watch_fire(struct timer *timer);

void net__conn_watch(struct net_conn *conn, int64_t deadline_ns)
{
    if (!timer_armed(&conn->timer) || conn->timer.deadline_ns > deadline_ns) {
        timer_arm(conn->server->timers, &conn->timer, deadline_ns, net_watch_fire);
    }
}

static void net_ip_release(struct net_server *server, const struct io_address *peer)
{
    struct view          key = view_of(peer->ip, sizeof(peer->ip));
    struct net_ip_count *entry = map_get(&server->per_ip, key);

    if (entry != NULL && --entry->count == 0) {
        mem_free(MEM_NET, map_remove(&server->per_ip, key));
    }
}

static bool net_ip_take(struct net_server *server, const struct io_address *peer)
{
    struct view          key = view_of(peer->ip, sizeof(peer->ip));
    struct net_ip_count *entry = map_get(&server->per_ip, key);

    if (entry == NULL) {
        entry = mem_alloc(MEM_NET, sizeof(*entry));
        (void)map_put(&server->per_ip, key, entry);
    }
    if (entry->count >= server->limits.connections_per_ip_max) {
        return false;
    }
    entry->count++;
    return true;
}

static void net_conn_closed(struct io_op *op)
{
    struct net_conn   *conn = CONTAINER_OF(op, struct net_conn, close_op);
    struct net_server *server = conn->server;

    list_remove(&conn->link);
    net_ip_release(server, &conn->peer);
    server->conn_count--;
    mem_free(MEM_NET, conn);
    net__server_settle(server);
}

static void net_refused(struct io_op *op)
{
    struct net_server *server = CONTAINER_OF(op, struct net_conn, close_op)->server;

    mem_free(MEM_NET, CONTAINER_OF(op, struct net_conn, close_op));
    server->closing_handles--;
    net__server_settle(server);
}

/* Over a limit: closed without a word, as Kafka does. */
static void net_refuse(struct net_server *server, struct io_handle socket)
{
    struct net_conn *conn = mem_alloc(MEM_NET, sizeof(*conn));

    conn->server = server;
    server->stats.refused++;
    server->closing_handles++;
    io_close(server->io, &conn->close_op, socket, net_refused);
}

void net__conn_open(struct net_server *server, struct io_handle socket, struct view listener)
{
    struct io_address peer = {{0}, 0, 0};
    struct net_conn  *conn;

    server->stats.accepted++;
    if (server->stopping || server->conn_count >= server->limits.connections_max ||
        io_peer_address(server->io, socket, &peer) != ERR_OK || !net_ip_take(server, &peer)) {
        net_refuse(server, socket);
        return;
    }
    conn = mem_alloc(MEM_NET, sizeof(*conn));
    conn->server = server;
    conn->socket = socket;
    conn->peer = peer;
    conn->listener = listener;
    conn->active_ns = io_now_ns(server->io);
    list_init(&conn->calls);
    list_init(&conn->starved_link);
    list_init(&conn->answer_link);
    list_init(&conn->link);
    list_push_back(&server->conns, &conn->link);
    server->conn_count++;
    net__conn_watch(conn, conn->active_ns + server->limits.idle_ns);
    net__read_next(conn);
}

static void net_shut_done(struct io_op *op)
{
    net__conn_settle(CONTAINER_OF(op, struct net_conn, cancel_op));
}

/* Nothing more is read or sent; operations under way come back soon. */
static void net_conn_shut(struct net_conn *conn)
{
    if (!conn->shut && io_op_idle(&conn->cancel_op)) {
        conn->shut = true;
        io_shutdown(conn->server->io, &conn->cancel_op, conn->socket, net_shut_done);
    }
}

void net__conn_close(struct net_conn *conn, const char *why)
{
    char peer[IO_ADDRESS_TEXT_BYTES];

    if (conn->state == NET_CLOSING) {
        return;
    }
    if (why != NULL) {
        io_address_format(&conn->peer, peer);
        slog_info("net", "closing the connection of %s: %s", peer, why);
    }
    conn->state = NET_CLOSING;
    list_remove(&conn->starved_link);
    list_remove(&conn->answer_link);
    timer_disarm(conn->server->timers, &conn->timer);
    if (conn->reading == NET_READ_NONE) {
        net__frame_drop(conn);
    }
    mem_free(MEM_NET, conn->spill);
    conn->spill = NULL;
    conn->spill_len = 0;
    conn->spill_at = 0;
    net_conn_shut(conn);
    net__calls_cancel(conn);
    net__conn_settle(conn);
}

void net__conn_drain(struct net_conn *conn)
{
    if (conn->state == NET_OPEN) {
        conn->state = NET_DRAINING;
        list_remove(&conn->starved_link);
        if (conn->reading == NET_READ_NONE) {
            net__frame_drop(conn);
        } else if (!conn->canceling && io_op_idle(&conn->cancel_op)) {
            conn->canceling = true;
            io_cancel(conn->server->io, &conn->cancel_op, &conn->recv_op, net_shut_done);
        }
        if (conn->peer_closed) { /* gone or half-closed: a long poll must not keep the connection */
            net__calls_hurry(conn);
        }
    }
    net__conn_settle(conn);
}

void net__conn_settle(struct net_conn *conn)
{
    if (conn->state == NET_OPEN || conn->close_submitted) {
        return;
    }
    if (conn->state == NET_DRAINING && list_empty(&conn->calls) && !conn->sending) {
        net__conn_close(conn, NULL);
        return;
    }
    if (conn->state != NET_CLOSING) {
        return;
    }
    net_conn_shut(conn);
    if (conn->reading != NET_READ_NONE || !io_op_idle(&conn->cancel_op) || conn->sending || !list_empty(&conn->calls)) {
        return;
    }
    net__frame_drop(conn);
    mem_free(MEM_NET, conn->spill);
    conn->spill = NULL;
    timer_disarm(conn->server->timers, &conn->timer);
    conn->close_submitted = true;
    io_close(conn->server->io, &conn->close_op, conn->socket, net_conn_closed);
}

/* When the connection breaks its next deadline; INT64_MIN when it has broken one: *out_why says which. */
static int64_t net_deadline(struct net_conn *conn, int64_t now_ns, const char **out_why)
{
    const struct net_limits *limits = &conn->server->limits;
    int64_t                  next_ns = INT64_MAX;

    if (conn->sending) {
        next_ns = conn->send_progress_ns + limits->send_stalled_ns;
        *out_why = "it does not take its answers";
    } else if (conn->state == NET_OPEN && !conn->paused &&
               (conn->frame_bytes != 0 || conn->prefix_len != 0 || conn->frame_got != 0)) {
        next_ns = conn->frame_started_ns + limits->frame_header_ns;
        if (conn->frame_bytes != 0) {
            next_ns = MIN(next_ns + ((int64_t)(conn->frame_got / MIB) + 1) * limits->frame_mib_ns,
                          MAX(conn->active_ns, conn->frame_started_ns) + limits->frame_header_ns);
        }
        *out_why = "a started request does not arrive";
    } else if (list_empty(&conn->calls)) {
        next_ns = conn->active_ns + limits->idle_ns;
        *out_why = NULL;
    } else {
        next_ns = now_ns + limits->idle_ns;
    }
    return next_ns <= now_ns ? INT64_MIN : next_ns;
}

static void net_watch_fire(struct timer *timer)
{
    struct net_conn *conn = CONTAINER_OF(timer, struct net_conn, timer);
    int64_t          now_ns = io_now_ns(conn->server->io);
    const char      *why = NULL;
    int64_t          next_ns = net_deadline(conn, now_ns, &why);

    if (next_ns == INT64_MIN) {
        if (why == NULL) {
            conn->server->stats.closed_idle++;
        } else {
            conn->server->stats.closed_slow++;
        }
        net__conn_close(conn, why);
        return;
    }
    if (conn->state == NET_OPEN && conn->reading == NET_READ_BULK && conn->frame_bytes == 0 && conn->frame_got == 0) {
        if (now_ns - conn->active_ns >= NET_BULK_IDLE_NS && io_op_idle(&conn->cancel_op)) {
            conn->bulk = false;
            net__read_idle(conn);
        } else {
            next_ns = MIN(next_ns, MAX(conn->active_ns, now_ns - NET_BULK_IDLE_NS + NS_PER_MS) + NET_BULK_IDLE_NS);
        }
    }
    timer_arm(conn->server->timers, &conn->timer, next_ns, net_watch_fire);
}
