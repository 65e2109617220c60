/* Answers: those that are ready at the head of the line leave together in one gathering send. */
#include "net/server/net_internal.h"

static void net_send_done(struct io_op *op);
static void net_send_now(struct net_conn *conn);

/* Calls at the head that need no (more) bytes are over. True: one of them closes the connection. */
static bool net_retire(struct net_conn *conn)
{
    struct list_node *node;

    while ((node = list_first(&conn->calls)) != NULL) {
        struct net_call *call = LIST_ENTRY(node, struct net_call, link);

        if (!call->finished || call->segment_at < call->segment_count) {
            return false;
        }
        if (call->close_after) {
            return true;
        }
        net__call_free(call);
    }
    return false;
}

/* Several small answers leave from one piece of memory: the kernel's price of a list of them is higher than that of
 * copying some hundred bytes. It belongs to the first answer's call, which lives until its bytes are sent. */
static uint32_t net_join(struct net_conn *conn, uint32_t count)
{
    struct net_call *first;
    size_t           bytes = 0;
    uint8_t         *joined;
    size_t           at = 0;

    if (count < 2) {
        return count;
    }
    first = LIST_ENTRY(list_first(&conn->calls), struct net_call, link);
    for (uint32_t i = 0; i < count; i++) {
        bytes += conn->parts[i].len;
    }
    if (bytes > NET_JOIN_BYTES_MAX || (joined = arena_alloc(&first->arena, bytes)) == NULL) {
        return count;
    }
    for (uint32_t i = 0; i < count; i++) {
        memcpy(joined + at, conn->parts[i].base, conn->parts[i].len);
        at += conn->parts[i].len;
    }
    conn->parts[0] = view_of(joined, bytes);
    return 1;
}

static uint32_t net_gather(struct net_conn *conn)
{
    uint32_t count = 0;

    LIST_EACH(&conn->calls, node) {
        struct net_call *call = LIST_ENTRY(node, struct net_call, link);

        if (!call->finished || call->close_after) {
            break;
        }
        for (int32_t i = call->segment_at; i < call->segment_count && count < NET_SEND_PARTS; i++) {
            size_t skip = i == call->segment_at ? call->segment_sent : 0;

            conn->parts[count++] = view_of(call->segments[i].base + skip, call->segments[i].len - skip);
        }
        if (count == NET_SEND_PARTS) {
            break;
        }
    }
    return count;
}

static void net_flush_done(struct io_op *op)
{
    struct net_server *server = CONTAINER_OF(op, struct net_server, flush_op);
    struct list_node   ready;

    list_init(&ready);
    list_splice_back(&ready, &server->answering);
    while (!list_empty(&ready)) {
        net_send_now(LIST_ENTRY(list_pop_front(&ready), struct net_conn, answer_link));
    }
    net__server_settle(server);
}

/* At the end of the turn, so that all answers that one completed write has made ready leave in one send per connection.
 */
void net__send_ready(struct net_conn *conn)
{
    struct net_server *server = conn->server;

    if (!conn->sending && conn->state != NET_CLOSING && !list_linked(&conn->answer_link)) {
        list_push_back(&server->answering, &conn->answer_link);
        if (io_op_idle(&server->flush_op)) {
            io_post(server->io, &server->flush_op, net_flush_done);
        }
    }
}

static void net_send_now(struct net_conn *conn)
{
    uint32_t count;

    if (conn->sending || conn->state == NET_CLOSING) {
        return;
    }
    if (net_retire(conn)) {
        net__conn_close(conn, NULL);
        return;
    }
    if (conn->sending || conn->state == NET_CLOSING) { /* retiring may have dispatched more, and that may have sent */
        return;
    }
    count = net_join(conn, net_gather(conn));
    if (count == 0) {
        net__conn_settle(conn);
        return;
    }
    conn->sending = true;
    conn->server->stats.sends++;
    conn->send_progress_ns = io_now_ns(conn->server->io);
    net__conn_watch(conn, conn->send_progress_ns + conn->server->limits.send_stalled_ns);
    io_send(conn->server->io, &conn->send_op, conn->socket, conn->parts, count, 0, net_send_done);
}

/* Marks `sent` bytes of the line as sent. */
static void net_advance(struct net_conn *conn, size_t sent)
{
    LIST_EACH(&conn->calls, node) {
        struct net_call *call = LIST_ENTRY(node, struct net_call, link);

        while (sent > 0 && call->segment_at < call->segment_count) {
            size_t rest = call->segments[call->segment_at].len - call->segment_sent;
            size_t piece = MIN(rest, sent);

            sent -= piece;
            call->segment_sent += piece;
            if (piece == rest) {
                call->segment_at++;
                call->segment_sent = 0;
            }
        }
        if (sent == 0) {
            break;
        }
    }
    CHECK(sent == 0);
}

static void net_send_done(struct io_op *op)
{
    struct net_conn *conn = CONTAINER_OF(op, struct net_conn, send_op);

    conn->sending = false;
    if (conn->state == NET_CLOSING) {
        net__calls_cancel(conn);
        net__conn_settle(conn);
        return;
    }
    if (op->result <= 0 && op->result != ERR_AGAIN) {
        net__conn_close(conn, NULL);
        return;
    }
    if (op->result > 0) {
        conn->active_ns = io_now_ns(conn->server->io);
        conn->server->stats.sent_bytes += (uint64_t)op->result;
        net_advance(conn, (size_t)op->result);
    }
    net_send_now(conn);
}
