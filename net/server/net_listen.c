/* Listeners, and the life of the server as a whole. */
#include "core/base/slog.h"
#include "net/server/net_internal.h"

#define NET_ACCEPT_RETRY_NS \
    (100 * NS_PER_MS) /* out of descriptors or memory: connections wait in the backlog meanwhile */
#define NET_BACKLOG 1024

static void net_accept_done(struct io_op *op);

struct net_limits net_limits_default(void)
{
    return (struct net_limits){
        .connections_max = INT32_MAX,
        .connections_per_ip_max = INT32_MAX,
        .request_bytes_max = 100 * MIB,
        .idle_ns = 600 * NS_PER_S,
        .frame_header_ns = 10 * NS_PER_S,
        .frame_mib_ns = 30 * NS_PER_S,
        .starved_ns = NS_PER_S,
        .send_stalled_ns = 60 * NS_PER_S,
    };
}

struct net_server *net_server_create(struct api_shard *api, const struct net_limits *limits)
{
    struct net_server *server = mem_alloc(MEM_NET, sizeof(*server));

    server->api = api;
    server->io = api->shard->io;
    server->timers = api->shard->timers;
    server->limits = *limits;
    list_init(&server->conns);
    list_init(&server->starved);
    list_init(&server->answering);
    list_init(&server->spare_calls);
    map_init(&server->per_ip, MEM_NET);
    return server;
}

void net_server_set_limits(struct net_server *server, const struct net_limits *limits)
{
    server->limits = *limits;
}

int net_server_listen(struct net_server *server, const struct io_address *address, struct view listener,
                      struct io_address *out_bound)
{
    struct net_listener *slot = &server->listeners[server->listener_count];
    int                  result;

    CHECK(server->listener_count < NET_LISTENERS_MAX);
    result = io_listen(server->io, address, NET_BACKLOG, &slot->socket);
    if (result != ERR_OK) {
        return result;
    }
    slot->server = server;
    slot->name = listener;
    server->listener_count++;
    return io_local_address(server->io, slot->socket, out_bound);
}

void net__listener_start(struct net_listener *listener)
{
    listener->accepting = true;
    io_accept(listener->server->io, &listener->accept_op, listener->socket, net_accept_done);
}

static void net_accept_retry(struct timer *timer)
{
    net__listener_start(CONTAINER_OF(timer, struct net_listener, retry));
}

static void net_accept_done(struct io_op *op)
{
    struct net_listener *listener = CONTAINER_OF(op, struct net_listener, accept_op);
    struct net_server   *server = listener->server;

    if (op->result >= 0) {
        listener->warned = false;
        net__conn_open(server, (struct io_handle){op->result}, listener->name);
    }
    if (op->more) {
        return;
    }
    listener->accepting = false;
    if (server->stopping) {
        net__server_settle(server);
        return;
    }
    if (op->result < 0) { /* at once would be a busy loop for as long as the cause lasts */
        if (!listener->warned) {
            listener->warned = true;
            slog_warn("net", "cannot accept connections: %s; they wait in the backlog%s", err_text(op->result),
                      op->result == ERR_DESCRIPTORS ? ". Raise the limit (LimitNOFILE, ulimit -n)" : "");
        }
        timer_arm(server->timers, &listener->retry, io_now_ns(server->io) + NET_ACCEPT_RETRY_NS, net_accept_retry);
        return;
    }
    net__listener_start(listener);
}

void net_server_start(struct net_server *server)
{
    for (uint32_t i = 0; i < server->listener_count; i++) {
        net__listener_start(&server->listeners[i]);
    }
}

static void net_handle_closed(struct io_op *op)
{
    struct net_listener *listener = CONTAINER_OF(op, struct net_listener, close_op);

    listener->server->closing_handles--;
    net__server_settle(listener->server);
}

static void net_stop_fire(struct timer *timer)
{
    struct net_server *server = CONTAINER_OF(timer, struct net_server, stop_timer);

    LIST_EACH(&server->conns, node) {
        net__conn_close(LIST_ENTRY(node, struct net_conn, link), NULL);
    }
}

void net_server_stop(struct net_server *server, int64_t grace_ns, void (*done)(void *context), void *context)
{
    CHECK(!server->stopping);
    server->stopping = true;
    server->stopped = done;
    server->stop_context = context;
    for (uint32_t i = 0; i < server->listener_count; i++) {
        timer_disarm(server->timers, &server->listeners[i].retry);
        server->closing_handles++;
        io_close(server->io, &server->listeners[i].close_op, server->listeners[i].socket, net_handle_closed);
    }
    timer_arm(server->timers, &server->stop_timer, io_now_ns(server->io) + grace_ns, net_stop_fire);
    LIST_EACH(&server->conns, node) {
        net__conn_drain(LIST_ENTRY(node, struct net_conn, link));
    }
    net__server_settle(server);
}

void net__server_settle(struct net_server *server)
{
    void (*stopped)(void *context) = server->stopped;

    if (!server->stopping || stopped == NULL || server->conn_count > 0 || server->closing_handles > 0 ||
        !io_op_idle(&server->flush_op)) {
        return;
    }
    for (uint32_t i = 0; i < server->listener_count; i++) {
        if (server->listeners[i].accepting) {
            return;
        }
    }
    timer_disarm(server->timers, &server->stop_timer);
    timer_disarm(server->timers, &server->starved_timer);
    server->stopped = NULL;
    stopped(server->stop_context);
}

void net_server_destroy(struct net_server *server)
{
    struct list_node *node;

    if (server == NULL) {
        return;
    }
    CHECK(server->conn_count == 0);
    while ((node = list_pop_front(&server->spare_calls)) != NULL) {
        struct net_call *call = LIST_ENTRY(node, struct net_call, link);

        arena_deinit(&call->arena);
        mem_free(MEM_NET, call);
    }
    map_deinit(&server->per_ip);
    mem_free(MEM_NET, server);
}

void net_server_stats(const struct net_server *server, struct net_stats *out_stats)
{
    *out_stats = server->stats;
    out_stats->connections = server->conn_count;
}
