/* Frames: from received bytes to whole requests.
 *
 * Invariants: 1. at most one receive is in flight per connection; 2. frame != NULL implies frame_bytes known or bulk
 * (predicted buffer, prefix inside the buffer); 3. bytes are never lost: what cannot be taken now (no memory, too much
 * pending) is kept in `spill`; while it is not empty, the receive in flight is canceled and none is started, so it is
 * bounded by what the back end had under way. */
#include "core/base/bytes.h"
#include "core/base/slog.h"
#include "net/server/net_internal.h"

#define NET_STARVED_RETRY_NS (5 * NS_PER_MS)
#define NET_STARVED_GIVE_NS \
    (50 * NS_PER_MS) /* between two connections given up, so that the first one's memory counts */

static void net_recv_done(struct io_op *op);
static void net_starved_watch(struct net_server *server);

void net__frame_drop(struct net_conn *conn)
{
    buf_unref(conn->frame);
    conn->frame = NULL;
    conn->frame_bytes = 0;
    conn->frame_got = 0;
    conn->prefix_len = 0;
}

static bool net_over_pending(const struct net_conn *conn)
{
    return conn->call_count >= NET_CALLS_MAX || (conn->pending_bytes >= NET_PENDING_BYTES_MAX && conn->call_count > 0);
}

/* Waits in line for memory; net__read_starved() comes back. */
static void net_starve(struct net_conn *conn)
{
    struct net_server *server = conn->server;

    if (!list_linked(&conn->starved_link)) {
        server->stats.paused_memory++;
        if (list_empty(&server->starved)) {
            server->starved_since_ns = io_now_ns(server->io);
        }
        list_push_back(&server->starved, &conn->starved_link);
        net_starved_watch(server); /* what comes free need not be a call of this server */
    }
}

/* The first byte of a frame is here: its time runs. */
static void net_frame_started(struct net_conn *conn)
{
    conn->frame_started_ns = io_now_ns(conn->server->io);
    net__conn_watch(conn, conn->frame_started_ns + conn->server->limits.frame_header_ns);
}

/* The prefix is complete: checks the length. False: the connection is closing. */
static bool net_frame_begin(struct net_conn *conn, const uint8_t *prefix)
{
    uint32_t size = load_be32(prefix);

    if (size > conn->server->limits.request_bytes_max) {
        conn->server->stats.closed_garbage++;
        net__conn_close(conn, "a frame's length is negative or above socket.request.max.bytes");
        return false;
    }
    conn->frame_bytes = (size_t)size + NET_PREFIX_BYTES;
    return true;
}

/* Makes room for at least one more byte of the frame. False: no memory now. */
static bool net_frame_room(struct net_conn *conn)
{
    size_t      wanted;
    struct buf *larger;

    if (conn->frame != NULL && conn->frame_got < MIN(conn->frame->capacity_bytes, conn->frame_bytes)) {
        return true;
    }
    wanted = conn->frame == NULL ? MIN(conn->frame_bytes, NET_FRAME_FIRST_BYTES)
                                 : MIN(conn->frame_bytes, conn->frame->capacity_bytes * 4);
    larger = buf_acquire(conn->server->api->shard->bufs, wanted);
    if (larger == NULL) {
        return false;
    }
    if (conn->frame != NULL) {
        memcpy(larger->data, conn->frame->data, conn->frame_got);
        buf_unref(conn->frame);
    } else {
        memcpy(larger->data, conn->prefix, NET_PREFIX_BYTES);
        conn->frame_got = NET_PREFIX_BYTES;
    }
    conn->frame = larger;
    return true;
}

/* A frame that is whole goes to dispatch. */
static void net_frame_finish(struct net_conn *conn)
{
    struct buf *frame = conn->frame;
    size_t      frame_bytes = conn->frame_bytes;

    conn->frame = NULL;
    conn->frame_bytes_last = frame_bytes;
    net__frame_drop(conn);
    net__dispatch(conn, frame, frame_bytes);
}

/* The call that was dispatched on the bytes of the receive that runs needs them longer. */
static void net_lend(struct net_conn *conn, struct net_loan **loan)
{
    struct net_call *call = conn->borrower;

    conn->borrower = NULL;
    conn->server->stats.lent++;
    if (*loan == NULL) {
        *loan = mem_alloc(MEM_NET, sizeof(**loan));
        (*loan)->io = conn->server->io;
        (*loan)->received = conn->recv_op.received;
        io_recv_keep(conn->server->io, &conn->recv_op);
    }
    (*loan)->calls++;
    call->loan = *loan;
}

/* The length of the whole Produce request that begins here; 0: it is none, or not whole. Others are few and small, and
 * may wait for long. */
static size_t net_whole_produce(const struct net_conn *conn, const uint8_t *bytes, size_t len)
{
    size_t frame_bytes;

    if (len < NET_PREFIX_BYTES + 2 || load_be32(bytes) > conn->server->limits.request_bytes_max) {
        return 0;
    }
    frame_bytes = (size_t)load_be32(bytes) + NET_PREFIX_BYTES;
    return frame_bytes <= len && frame_bytes >= NET_PREFIX_BYTES + 2 &&
                   load_be16(bytes + NET_PREFIX_BYTES) == KP_PRODUCE_KEY
               ? frame_bytes
               : 0;
}

/* Produce requests that stand whole in the receive that runs are served there; returns the bytes consumed. As a rule
 * their records are in the log when the handler comes back; those that are not keep the buffer. */
static size_t net_take_in_place(struct net_conn *conn, const uint8_t *bytes, size_t len)
{
    struct net_loan *loan = NULL;
    size_t           at = 0;

    CHECK(!conn->taking && conn->borrower == NULL);
    if (conn->prefix_len > 0 || conn->frame != NULL || !conn->recv_op.received_keepable) {
        return 0;
    }
    conn->taking = true;
    while (conn->state == NET_OPEN && !net_over_pending(conn)) {
        size_t frame_bytes = net_whole_produce(conn, bytes + at, len - at);

        if (frame_bytes == 0) {
            break;
        }
        conn->server->stats.in_place++;
        net__dispatch_borrowed(conn, bytes + at, frame_bytes);
        at += frame_bytes;
        if (conn->borrower != NULL) {
            net_lend(conn, &loan);
        }
    }
    conn->taking = false;
    return at;
}

/* Consumes what can be consumed; returns how much was. Less than `len`: the connection must pause (or is closing). */
static size_t net_take(struct net_conn *conn, const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    CHECK(!conn->taking);
    conn->taking = true;
    while (conn->state == NET_OPEN) {
        if (conn->frame_bytes == 0) {
            size_t piece = MIN(len - at, (size_t)(NET_PREFIX_BYTES - conn->prefix_len));

            if (net_over_pending(conn) || piece == 0) {
                break;
            }
            if (conn->prefix_len == 0) {
                net_frame_started(conn);
            }
            memcpy(conn->prefix + conn->prefix_len, bytes + at, piece);
            conn->prefix_len += (uint32_t)piece;
            at += piece;
            if (conn->prefix_len < NET_PREFIX_BYTES || !net_frame_begin(conn, conn->prefix)) {
                break;
            }
        }
        if (!net_frame_room(conn)) {
            net_starve(conn);
            break;
        }
        size_t piece = MIN(len - at, MIN(conn->frame->capacity_bytes, conn->frame_bytes) - conn->frame_got);

        if (piece > 0) {
            memcpy(conn->frame->data + conn->frame_got, bytes + at, piece);
            conn->frame_got += piece;
            at += piece;
        }
        if (conn->frame_got == conn->frame_bytes) {
            net_frame_finish(conn);
        } else if (at == len) {
            break;
        }
    }
    conn->taking = false;
    return at;
}

/* The rest of the frame in the making, and no more. */
static size_t net_take_tail(struct net_conn *conn, const uint8_t *bytes, size_t len)
{
    if (conn->frame_bytes == 0) {
        return 0;
    }
    return net_take(conn, bytes, MIN(len, conn->frame_bytes - MAX(conn->frame_got, (size_t)conn->prefix_len)));
}

static void net_spill_keep(struct net_conn *conn, const uint8_t *bytes, size_t len)
{
    size_t   rest = conn->spill_len - conn->spill_at;
    uint8_t *joined;

    if (len == 0) {
        return;
    }
    joined = mem_alloc(MEM_NET, rest + len);
    if (rest > 0) {
        memcpy(joined, conn->spill + conn->spill_at, rest);
    }
    memcpy(joined + rest, bytes, len);
    mem_free(MEM_NET, conn->spill);
    conn->spill = joined;
    conn->spill_len = rest + len;
    conn->spill_at = 0;
}

/* Bytes from a receive: first come, first served behind what was kept. */
static void net_received(struct net_conn *conn, const uint8_t *bytes, size_t len)
{
    size_t used = 0;

    conn->active_ns = io_now_ns(conn->server->io);
    conn->server->stats.receives++;
    conn->server->stats.received_bytes += len;
    if (conn->spill == NULL) {
        used = net_take_tail(conn, bytes, len);
        used += net_take_in_place(conn, bytes + used, len - used);
        used += net_take(conn, bytes + used, len - used);
    }
    if (used < len && conn->state == NET_OPEN) {
        net_spill_keep(conn, bytes + used, len - used);
    }
}

static void net_bulk_received(struct net_conn *conn, size_t len)
{
    struct buf *over = NULL;
    size_t      over_at = 0;
    size_t      over_len = 0;

    conn->active_ns = io_now_ns(conn->server->io);
    conn->server->stats.receives++;
    conn->server->stats.received_bytes += len;
    if (conn->frame_got == 0) {
        net_frame_started(conn);
    }
    conn->frame_got += len;
    if (conn->frame_bytes == 0) {
        if (conn->frame_got < NET_PREFIX_BYTES) {
            return;
        }
        memcpy(conn->prefix, conn->frame->data, NET_PREFIX_BYTES);
        conn->prefix_len = NET_PREFIX_BYTES;
        if (!net_frame_begin(conn, conn->prefix)) {
            return;
        }
    }
    if (conn->frame_got > conn->frame_bytes) { /* a smaller frame than predicted, and the start of the next */
        over = buf_ref(conn->frame);
        over_at = conn->frame_bytes;
        over_len = conn->frame_got - conn->frame_bytes;
        conn->frame_got = conn->frame_bytes;
    }
    if (conn->frame_got == conn->frame_bytes) {
        conn->bulk = conn->frame_bytes >= NET_BULK_BYTES;
        net_frame_finish(conn);
    }
    if (over != NULL) {
        size_t used = net_take(conn, over->data + over_at, over_len);

        if (used < over_len && conn->state == NET_OPEN) {
            net_spill_keep(conn, over->data + over_at + used, over_len - used);
        }
        buf_unref(over);
    }
}

/* What was kept, as far as it goes now. True: nothing is kept any more. */
static bool net_spill_take(struct net_conn *conn)
{
    if (conn->spill == NULL) {
        return true;
    }
    conn->spill_at += net_take(conn, conn->spill + conn->spill_at, conn->spill_len - conn->spill_at);
    if (conn->spill_at < conn->spill_len) {
        return false;
    }
    mem_free(MEM_NET, conn->spill);
    conn->spill = NULL;
    conn->spill_len = 0;
    conn->spill_at = 0;
    return true;
}

static void net_cancel_done(struct io_op *op)
{
    struct net_conn *conn = CONTAINER_OF(op, struct net_conn, cancel_op);

    conn->canceling = false;
    if (conn->state == NET_OPEN) {
        net__read_next(conn);
    } else {
        net__conn_settle(conn);
    }
}

static void net_recv_cancel(struct net_conn *conn)
{
    if (!conn->canceling && conn->reading != NET_READ_NONE) {
        conn->canceling = true;
        io_cancel(conn->server->io, &conn->cancel_op, &conn->recv_op, net_cancel_done);
    }
}

void net__read_idle(struct net_conn *conn)
{
    net_recv_cancel(conn);
}

/* Nothing can be taken at present. */
static void net_read_pause(struct net_conn *conn)
{
    conn->paused = true;
    if (conn->reading == NET_READ_MULTI) {
        net_recv_cancel(conn);
    }
}

static void net_recv_bulk(struct net_conn *conn)
{
    struct span into;

    if (conn->frame == NULL) { /* predicted: as long as the last one */
        conn->frame = buf_acquire(conn->server->api->shard->bufs,
                                  MIN(MAX(conn->frame_bytes_last, NET_BULK_BYTES), NET_FRAME_FIRST_BYTES * 4));
        if (conn->frame == NULL) {
            net_starve(conn);
            return;
        }
        conn->frame_got = conn->prefix_len;
        memcpy(conn->frame->data, conn->prefix, conn->prefix_len);
        into = span_of(conn->frame->data + conn->frame_got,
                       MIN(conn->frame->capacity_bytes, MAX(conn->frame_bytes_last, NET_BULK_BYTES)) - conn->frame_got);
    } else if (conn->frame_bytes == 0) {
        into = span_of(conn->frame->data + conn->frame_got, conn->frame->capacity_bytes - conn->frame_got);
    } else {
        if (!net_frame_room(conn)) {
            net_starve(conn);
            return;
        }
        into = span_of(conn->frame->data + conn->frame_got,
                       MIN(conn->frame->capacity_bytes, conn->frame_bytes) - conn->frame_got);
    }
    conn->reading = NET_READ_BULK;
    net__conn_watch(conn, io_now_ns(conn->server->io) + NET_BULK_IDLE_NS);
    io_recv(conn->server->io, &conn->recv_op, conn->socket, into, conn->frame_bytes == 0 ? 0 : IO_RECV_ALL,
            net_recv_done);
}

void net__read_next(struct net_conn *conn)
{
    bool wants_bulk;

    if (conn->state != NET_OPEN || conn->taking) {
        return;
    }
    if (list_linked(&conn->starved_link) || !net_spill_take(conn)) { /* resumed by a finished call or by memory */
        net_read_pause(conn);
        return;
    }
    if (conn->state != NET_OPEN) {
        return;
    }
    if (conn->peer_closed) { /* what it had sent before is under way or answered */
        net__conn_drain(conn);
        return;
    }
    wants_bulk = conn->frame != NULL ? conn->frame_bytes == 0 || conn->frame_bytes - conn->frame_got >= NET_BULK_BYTES
                                     : conn->bulk && conn->frame_bytes == 0;
    if (conn->reading == NET_READ_MULTI) {
        if (wants_bulk || net_over_pending(conn)) {
            net_recv_cancel(conn);
        }
        return;
    }
    if (conn->reading != NET_READ_NONE || conn->canceling) {
        return;
    }
    if (conn->frame_bytes == 0 && conn->frame_got == 0 && net_over_pending(conn)) {
        conn->paused = true;
        return;
    }
    if (conn->paused) { /* the time of a frame does not run while nobody reads */
        conn->paused = false;
        conn->frame_started_ns = io_now_ns(conn->server->io);
    }
    if (wants_bulk) {
        net_recv_bulk(conn);
        return;
    }
    if (conn->frame_bytes != 0 && !net_frame_room(conn)) {
        net_starve(conn);
        return;
    }
    conn->reading = NET_READ_MULTI;
    io_recv_multi(conn->server->io, &conn->recv_op, conn->socket, net_recv_done);
}

/* The receive ended without data. True: the connection goes on. */
static bool net_recv_ended(struct net_conn *conn, int32_t result)
{
    if (result == ERR_CANCELED) {
        if (conn->frame != NULL && conn->frame_bytes == 0 && conn->frame_got == 0) {
            net__frame_drop(conn); /* the predicted buffer of a connection that fell silent */
            conn->bulk = false;
        }
        return true;
    }
    if (result == ERR_NO_BUFFERS || result == ERR_AGAIN) {
        return true;
    }
    conn->peer_closed = true;
    if (result < 0) {
        net__conn_close(conn, NULL);
        return false;
    }
    return true; /* half-closed: what was asked is still answered; net__read_next() drains */
}

static void net_recv_done(struct io_op *op)
{
    struct net_conn   *conn = CONTAINER_OF(op, struct net_conn, recv_op);
    enum net_read_mode mode = conn->reading;

    if (!op->more) {
        conn->reading = NET_READ_NONE;
    }
    if (conn->state != NET_OPEN) {
        net__conn_settle(conn);
        return;
    }
    if (op->result > 0 && mode == NET_READ_MULTI) {
        net_received(conn, op->received.base, op->received.len);
    } else if (op->result > 0) {
        net_bulk_received(conn, (size_t)op->result);
    } else if (!net_recv_ended(conn, op->result)) {
        return;
    }
    if (conn->state == NET_OPEN) {
        net__read_next(conn);
    } else {
        net__conn_settle(conn);
    }
}

/* Half-received frames hold all the memory and each wants more: the youngest gives way, so that the oldest gets
 * through.
 */
static void net_starved_give(struct net_server *server)
{
    struct list_node *node;

    for (node = list_last(&server->starved); node != list_first(&server->starved); node = node->prev) {
        struct net_conn *conn = LIST_ENTRY(node, struct net_conn, starved_link);

        if (conn->frame != NULL) {
            server->stats.closed_memory++;
            server->starved_since_ns = io_now_ns(server->io) - server->limits.starved_ns + NET_STARVED_GIVE_NS;
            net__conn_close(conn, "there is no memory for its request");
            return;
        }
    }
}

static void net_starved_fire(struct timer *timer)
{
    struct net_server *server = CONTAINER_OF(timer, struct net_server, starved_timer);

    net__read_starved(server);
    if (!list_empty(&server->starved) &&
        io_now_ns(server->io) - server->starved_since_ns >= server->limits.starved_ns) {
        net_starved_give(server);
    }
}

static void net_starved_watch(struct net_server *server)
{
    if (!timer_armed(&server->starved_timer)) {
        timer_arm(server->timers, &server->starved_timer, io_now_ns(server->io) + NET_STARVED_RETRY_NS,
                  net_starved_fire);
    }
}

/* Memory may be there again: connections that wait for it try in order; the first that fails ends the round. A call
 * that ends meanwhile must not start a round inside this one. */
void net__read_starved(struct net_server *server)
{
    struct list_node *node;

    if (server->feeding) {
        return;
    }
    server->feeding = true;
    while ((node = list_pop_front(&server->starved)) != NULL) {
        struct net_conn *conn = LIST_ENTRY(node, struct net_conn, starved_link);

        net__read_next(conn);
        if (list_linked(&conn->starved_link)) {
            list_remove(&conn->starved_link);
            list_push_front(&server->starved, &conn->starved_link);
            break;
        }
        server->starved_since_ns = io_now_ns(server->io);
    }
    server->feeding = false;
    if (!list_empty(&server->starved)) {
        net_starved_watch(server);
    }
}
