/* Calls: from a whole frame to a handler and back to an encoded answer. A call lives from net__dispatch() until its
 * answer's bytes are sent, or until its connection has closed and its handler has answered, whichever is last. */
#include "core/base/slog.h"
#include "net/server/net_internal.h"

static struct net_call *net_call_acquire(struct net_server *server)
{
    struct list_node *node = list_pop_front(&server->spare_calls);
    struct net_call  *call;

    if (node != NULL) {
        server->spare_call_count--;
        return LIST_ENTRY(node, struct net_call, link);
    }
    call = mem_alloc(MEM_NET, sizeof(*call));
    list_init(&call->link);
    arena_init(&call->arena, MEM_NET, NET_ARENA_BLOCK_BYTES, NET_ARENA_BYTES_MAX);
    return call;
}

/* The call looks at its request's bytes no more. */
static void net_call_forget(struct net_call *call)
{
    struct net_loan *loan = call->loan;

    if (call->conn->borrower == call) {
        call->conn->borrower = NULL;
    }
    buf_unref(call->frame);
    call->frame = NULL;
    call->loan = NULL;
    if (loan != NULL && --loan->calls == 0) {
        io_recv_give(loan->io, loan->received);
        mem_free(MEM_NET, loan);
    }
}

static void net_call_let_go(struct api_call *api)
{
    struct net_call *call = CONTAINER_OF(api, struct net_call, api);

    api->client_id = (struct view){0};
    net_call_forget(call);
}

void net__call_free(struct net_call *call)
{
    struct net_conn   *conn = call->conn;
    struct net_server *server = conn->server;
    struct arena       arena;

    CHECK(call->finished);
    if (call->api.release != NULL) {
        call->api.release(&call->api);
    }
    list_remove(&call->link);
    conn->call_count--;
    conn->pending_bytes -= call->frame_bytes;
    net_call_forget(call);
    arena_reset(&call->arena);
    if (server->spare_call_count >= NET_CALLS_SPARE_MAX) {
        arena_deinit(&call->arena);
        mem_free(MEM_NET, call);
    } else {
        arena = call->arena;
        memset(call, 0, sizeof(*call));
        call->arena = arena;
        list_init(&call->link);
        list_push_front(&server->spare_calls, &call->link);
        server->spare_call_count++;
    }
    if (!list_empty(&server->starved)) {
        net__read_starved(server);
    }
    net__read_next(conn);
}

/* Length prefix, header and body as a list of views in the call's arena. */
static bool net_encode(struct net_call *call, const void *response)
{
    struct kp_writer *writer = &call->writer;
    uint8_t          *prefix;

    kp_writer_init_arena(writer, &call->arena, 0);
    prefix = kp_writer_reserve(writer, NET_PREFIX_BYTES);
    kp_response_header_encode(writer, call->api.api->key, call->api.version, call->api.correlation_id);
    call->api.api->response.encode(writer, call->api.version, response);
    if (writer->error != ERR_OK || prefix == NULL || writer->bytes_total - NET_PREFIX_BYTES > INT32_MAX) {
        return false;
    }
    store_be32(prefix, (uint32_t)(writer->bytes_total - NET_PREFIX_BYTES));
    call->segments = kp_writer_segments(writer, &call->segment_count);
    return writer->error == ERR_OK;
}

static void net_call_finish(struct api_call *api, int outcome, const void *response)
{
    struct net_call *call = CONTAINER_OF(api, struct net_call, api);
    struct net_conn *conn = call->conn;

    CHECK(!call->finished); /* exactly one answer */
    call->finished = true;
    if (conn->state == NET_CLOSING) {
        net__call_free(call);
        net__conn_settle(conn);
        return;
    }
    if (outcome == API_CLOSE) {
        call->close_after = true;
    } else if (outcome == API_REPLY && !net_encode(call, response)) {
        slog_warn("net", "an answer to %s could not be encoded within its memory: closing the connection",
                  api->api->name);
        call->segment_count = 0;
        call->close_after = true;
    }
    net__send_ready(conn);
}

static void net_call_start(struct net_conn *conn, struct net_call *call, const struct kp_request_header *header)
{
    call->api.shard = conn->server->api;
    call->api.version = header->api_version;
    call->api.correlation_id = header->correlation_id;
    call->api.client_id = header->client_id;
    call->api.peer = &conn->peer;
    call->api.listener = conn->listener;
    call->api.arena = &call->arena;
    call->api.received_ns = io_now_ns(conn->server->io);
    call->api.finish = net_call_finish;
    call->api.let_go = net_call_let_go;
    list_init(&call->api.link);
    conn->server->stats.requests++;
}

/* False: the connection has to be closed, *out_why says why. */
static bool net_decode(struct net_conn *conn, struct net_call *call, struct view body, const char **out_why)
{
    struct kp_request_header header = {0};
    struct kp_reader         reader;
    const struct kp_api     *api;
    void                    *request;
    int                      result;

    kp_reader_init(&reader, body, &call->arena);
    result = kp_request_header_decode(&reader, &header);
    api = kp_api_find(header.api_key);
    if (result == ERR_UNSUPPORTED && header.api_key == KP_API_VERSIONS_KEY && api != NULL) {
        header.api_version = 0; /* the answer's form; the body is not looked at (KIP-511) */
        call->api.version_unsupported = true;
    } else if (result != ERR_OK) {
        *out_why = result == ERR_UNSUPPORTED ? "it asks for an API or version that is not spoken here"
                                             : "its request header is malformed";
        return false;
    }
    request = arena_alloc(&call->arena, api->request.bytes);
    if (request == NULL) {
        *out_why = "its request needs too much memory";
        return false;
    }
    api->request.init(request);
    /* Bytes behind the body are left alone, as in Kafka: librdkafka's Metadata for all topics (v9 and later) ends with
     * three of them. */
    if (!call->api.version_unsupported && api->request.decode(&reader, header.api_version, request) != ERR_OK) {
        *out_why = "its request is malformed";
        return false;
    }
    call->api.api = api;
    call->api.request = request;
    net_call_start(conn, call, &header);
    return true;
}

static struct net_call *net_call_new(struct net_conn *conn, struct buf *frame, size_t frame_bytes)
{
    struct net_call *call = net_call_acquire(conn->server);

    call->conn = conn;
    call->frame = frame;
    call->frame_bytes = frame_bytes;
    list_push_back(&conn->calls, &call->link);
    conn->call_count++;
    conn->pending_bytes += frame_bytes;
    return call;
}

static void net_call_run(struct net_conn *conn, struct net_call *call, const uint8_t *bytes, size_t frame_bytes)
{
    const char *why = NULL;

    if (net_decode(conn, call, view_of(bytes + NET_PREFIX_BYTES, frame_bytes - NET_PREFIX_BYTES), &why)) {
        api_handler(call->api.api->key)(&call->api);
        return;
    }
    /* Kafka answers nothing here; what was asked before is still answered. */
    conn->server->stats.closed_garbage++;
    slog_debug("net", "closing a connection: %s", why);
    call->finished = true;
    call->close_after = true;
    net__send_ready(conn);
}

void net__dispatch(struct net_conn *conn, struct buf *frame, size_t frame_bytes)
{
    struct net_call *call = net_call_new(conn, frame, frame_bytes);
    const uint8_t   *bytes = frame->data;

    net_call_run(conn, call, bytes, frame_bytes);
}

void net__dispatch_borrowed(struct net_conn *conn, const uint8_t *bytes, size_t frame_bytes)
{
    struct net_call *call = net_call_new(conn, NULL, frame_bytes);

    CHECK(conn->borrower == NULL);
    conn->borrower = call;
    net_call_run(conn, call, bytes, frame_bytes);
}

/* The first that is to be told; looked up anew each time, because telling one may end others. */
static struct net_call *net_call_waiting(struct net_conn *conn)
{
    LIST_EACH(&conn->calls, node) {
        struct net_call *call = LIST_ENTRY(node, struct net_call, link);

        if (!call->finished && call->api.canceled != NULL) {
            return call;
        }
    }
    return NULL;
}

void net__calls_hurry(struct net_conn *conn)
{
    struct net_call *waiting;

    while ((waiting = net_call_waiting(conn)) != NULL) {
        api_call_fn *canceled = waiting->api.canceled;

        waiting->api.canceled = NULL;
        canceled(&waiting->api);
    }
}

void net__calls_cancel(struct net_conn *conn)
{
    net__calls_hurry(conn);
    LIST_EACH(&conn->calls, node) {
        struct net_call *call = LIST_ENTRY(node, struct net_call, link);

        if (call->finished && !conn->sending) {
            net__call_free(call);
        }
    }
}
