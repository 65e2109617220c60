/* The clients of broker_rig.h. */
#include "tests/support/broker_rig.h"

#include "core/base/bytes.h"

#define RIG_ANSWER_NS   (120 * NS_PER_S) /* virtual */
#define RIG_ARENA_BYTES (64 * KIB)
#define RIG_ARENA_MAX   (64 * MIB)

static void client_send(struct rig_client *client);

void rig_call_init(struct rig_call *call)
{
    *call = (struct rig_call){.done = true};
    list_init(&call->link);
    arena_init(&call->arena, MEM_TEST, 4096, RIG_ARENA_MAX);
}

void rig_call_deinit(struct rig_call *call)
{
    CHECK(call->done);
    arena_deinit(&call->arena);
}

static void call_over(struct rig_call *call, int result)
{
    list_remove(&call->link);
    call->result = result;
    call->done = true;
    if (call->on_done != NULL) {
        call->on_done(call);
    }
}

/* The connection is gone for us; the socket is given back once nothing is in flight on it. */
static void client_lost(struct rig_client *client)
{
    struct list_node *node;

    client->closed = true;
    while ((node = list_first(&client->sent)) != NULL || (node = list_first(&client->unsent)) != NULL) {
        call_over(LIST_ENTRY(node, struct rig_call, link), ERR_CLOSED);
    }
}

static void client_close_done(struct io_op *op)
{
    CONTAINER_OF(op, struct rig_client, close_op)->socket = IO_HANDLE_NONE;
}

static void client_cut_done(struct io_op *op)
{
    MAYBE(op->result < 0);
}

static bool client_over(void *context)
{
    struct rig_client *client = context;

    if (!io_op_idle(&client->connect_op) || !io_op_idle(&client->recv_op) || !io_op_idle(&client->send_op) ||
        !io_op_idle(&client->cut_op) || !io_op_idle(&client->close_op)) {
        return false;
    }
    if (io_handle_valid(client->socket)) {
        io_close(client->rig->client_io, &client->close_op, client->socket, client_close_done);
        return false;
    }
    return true;
}

void rig_client_break(struct rig_client *client)
{
    if (!client->closed) {
        client_lost(client);
    }
    if (io_handle_valid(client->socket) && !client->cutting && io_op_idle(&client->close_op)) {
        client->cutting = true;
        io_shutdown(client->rig->client_io, &client->cut_op, client->socket, client_cut_done);
    }
}

void rig_client_free(struct rig_client *client)
{
    rig_client_break(client);
    CHECK(rig_until(client->rig, client_over, client, RIG_ANSWER_NS));
    list_remove(&client->link);
    arena_deinit(&client->scratch);
    mem_free(MEM_TEST, client->in);
    mem_free(MEM_TEST, client);
}

void rig_client_reset(struct rig_client *client)
{
    arena_reset(&client->scratch);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static int call_decode(struct rig_call *call, struct view body)
{
    struct kp_reader reader;
    struct view      copy = arena_copy(&call->arena, body);
    int32_t          correlation_id = 0;
    int              result;

    kp_reader_init(&reader, copy, &call->arena);
    result = kp_response_header_decode(&reader, call->api->key, call->version, &correlation_id);
    if (result != ERR_OK || correlation_id != call->correlation_id) {
        return ERR_INVALID;
    }
    call->response = arena_alloc(&call->arena, call->api->response.bytes);
    call->api->response.init(call->response);
    result = call->api->response.decode(&reader, call->version, call->response);
    return result == ERR_OK && kp_reader_remaining(&reader) == 0 ? ERR_OK : ERR_INVALID;
}

static void client_frames(struct rig_client *client)
{
    size_t at = 0;

    while (!client->raw && !client->closed && client->in_len - at >= 4) {
        size_t           size = load_be32(client->in + at);
        struct rig_call *call;

        if (client->in_len - at - 4 < size) {
            break;
        }
        if (list_empty(&client->sent)) { /* faster than the completion of the send; else nobody asked for it */
            CHECK(!list_empty(&client->unsent) && !io_op_idle(&client->send_op));
            break;
        }
        call = LIST_ENTRY(list_first(&client->sent), struct rig_call, link);
        call_over(call, call_decode(call, view_of(client->in + at + 4, size)));
        at += 4 + size;
    }
    if (at > 0) {
        memmove(client->in, client->in + at, client->in_len - at);
        client->in_len -= at;
    }
}

static void client_recv_done(struct io_op *op)
{
    struct rig_client *client = CONTAINER_OF(op, struct rig_client, recv_op);

    if (op->result > 0) {
        if (client->in_len + op->received.len > client->in_capacity) {
            client->in_capacity = (client->in_len + op->received.len) * 2;
            client->in = mem_realloc(MEM_TEST, client->in, client->in_capacity);
        }
        memcpy(client->in + client->in_len, op->received.base, op->received.len);
        client->in_len += op->received.len;
        client_frames(client);
    }
    if (op->more) {
        return;
    }
    if (op->result > 0 || op->result == ERR_NO_BUFFERS || op->result == ERR_AGAIN) {
        if (!client->closed && !client->paused) {
            io_recv_multi(client->rig->client_io, &client->recv_op, client->socket, client_recv_done);
        }
    } else if (!client->closed) {
        rig_client_break(client);
    }
}

/* --- connecting and sending --------------------------------------------------------------------------------------- */

static void client_connected(struct io_op *op)
{
    struct rig_client *client = CONTAINER_OF(op, struct rig_client, connect_op);

    if (op->result < 0) {
        client_lost(client);
        return;
    }
    client->socket.id = op->result;
    if (client->closed) {
        return;
    }
    client->connected = true;
    if (!client->paused) {
        io_recv_multi(client->rig->client_io, &client->recv_op, client->socket, client_recv_done);
    }
    client_send(client);
}

struct rig_client *rig_client_open(struct broker_rig *rig, uint32_t shard)
{
    struct rig_client *client = mem_alloc(MEM_TEST, sizeof(*client));
    struct io_address  address;

    client->rig = rig;
    client->socket = IO_HANDLE_NONE;
    list_init(&client->link);
    list_init(&client->unsent);
    list_init(&client->sent);
    list_push_back(&rig->clients, &client->link);
    arena_init(&client->scratch, MEM_TEST, RIG_ARENA_BYTES, RIG_ARENA_MAX);
    CHECK(io_address_parse(view_text("10.0.0.1"), (uint16_t)(RIG_PORT + shard), &address));
    io_connect(rig->client_io, &client->connect_op, &address, client_connected);
    return client;
}

static bool client_settled(void *context)
{
    return ((struct rig_client *)context)->connected || ((struct rig_client *)context)->closed;
}

struct rig_client *rig_connect(struct broker_rig *rig, uint32_t shard)
{
    struct rig_client *client = rig_client_open(rig, shard);

    if (!rig_until(rig, client_settled, client, RIG_ANSWER_NS) || client->closed) {
        rig_client_free(client);
        return NULL;
    }
    return client;
}

static void client_send_done(struct io_op *op)
{
    struct rig_client *client = CONTAINER_OF(op, struct rig_client, send_op);
    struct list_node  *node = list_first(&client->unsent);
    struct rig_call   *call;

    if (client->closed) {
        return;
    }
    if (op->result < 0 && op->result != ERR_AGAIN) {
        rig_client_break(client);
        return;
    }
    if (op->result > 0 && client->raw) {
        client->raw_sent += (size_t)op->result;
    } else if (op->result > 0) {
        call = LIST_ENTRY(node, struct rig_call, link);
        call->sent_bytes += (size_t)op->result;
        if (call->sent_bytes == call->bytes.len && call->no_answer) {
            call_over(call, ERR_OK);
        }
    }
    client_send(client);
}

/* A call is in `unsent` until its last byte is handed to the kernel; its answer cannot come before. */
static void client_send(struct rig_client *client)
{
    struct list_node *node;

    if (!client->connected || client->closed || !io_op_idle(&client->send_op)) {
        return;
    }
    while (!client->raw && (node = list_first(&client->unsent)) != NULL) {
        struct rig_call *call = LIST_ENTRY(node, struct rig_call, link);

        if (call->sent_bytes < call->bytes.len) {
            client->part = view_of(call->bytes.base + call->sent_bytes, call->bytes.len - call->sent_bytes);
            io_send(client->rig->client_io, &client->send_op, client->socket, &client->part, 1, 0, client_send_done);
            return;
        }
        list_remove(&call->link);
        list_push_back(&client->sent, &call->link);
        client_frames(client); /* the answer may have been faster than the send's completion */
    }
    if (client->raw && client->raw_sent < client->raw_out.len) {
        client->part = view_of(client->raw_out.base + client->raw_sent, client->raw_out.len - client->raw_sent);
        io_send(client->rig->client_io, &client->send_op, client->socket, &client->part, 1, 0, client_send_done);
    }
}

void rig_call_start(struct rig_client *client, struct rig_call *call, int16_t key, int16_t version, const void *request)
{
    const struct kp_api     *api = kp_api_find(key);
    struct kp_request_header header = {.api_key = key, .api_version = version, .client_id = view_text("rig")};
    struct kp_writer         measure;
    struct kp_writer         writer;
    uint8_t                 *bytes;

    CHECK(call->done && api != NULL);
    *call = (struct rig_call){.client = client,
                              .api = api,
                              .version = version,
                              .no_answer = call->no_answer,
                              .correlation_id = ++client->rig->correlation,
                              .arena = call->arena,
                              .on_done = call->on_done,
                              .user = call->user};
    list_init(&call->link);
    header.correlation_id = call->correlation_id;
    kp_writer_init_measure(&measure);
    kp_request_header_encode(&measure, &header);
    api->request.encode(&measure, version, request);
    CHECK(measure.error == ERR_OK);
    bytes = arena_alloc(&call->arena, 4 + measure.bytes_total);
    store_be32(bytes, (uint32_t)measure.bytes_total);
    kp_writer_init_span(&writer, span_of(bytes + 4, measure.bytes_total));
    kp_request_header_encode(&writer, &header);
    api->request.encode(&writer, version, request);
    CHECK(writer.error == ERR_OK && writer.bytes_total == measure.bytes_total);
    call->bytes = view_of(bytes, 4 + measure.bytes_total);
    if (client->closed) {
        call_over(call, ERR_CLOSED);
        return;
    }
    list_push_back(&client->unsent, &call->link);
    client_send(client);
}

static bool call_is_done(void *context)
{
    return ((struct rig_call *)context)->done;
}

bool rig_call_wait(struct rig_call *call)
{
    CHECK(rig_until(call->client->rig, call_is_done, call, RIG_ANSWER_NS)); /* answered or closed, in the end */
    return call->result == ERR_OK;
}

void *rig_ask(struct rig_client *client, int16_t key, int16_t version, const void *request)
{
    struct rig_call call;
    struct view     answer;
    void           *response = NULL;

    rig_call_init(&call);
    rig_call_start(client, &call, key, version, request);
    if (rig_call_wait(&call)) {
        /* Decoded again from bytes that stay: the call's arena goes away here. */
        struct kp_writer writer;
        struct kp_reader reader;

        kp_writer_init_arena(&writer, &client->scratch, 0);
        call.api->response.encode(&writer, version, call.response);
        CHECK(writer.error == ERR_OK);
        {
            int32_t            count = 0;
            const struct view *parts = kp_writer_segments(&writer, &count);
            size_t             at = 0;
            uint8_t           *bytes = arena_alloc(&client->scratch, writer.bytes_total);

            for (int32_t i = 0; i < count; i++) {
                memcpy(bytes + at, parts[i].base, parts[i].len);
                at += parts[i].len;
            }
            answer = view_of(bytes, at);
        }
        kp_reader_init(&reader, answer, &client->scratch);
        response = arena_alloc(&client->scratch, call.api->response.bytes);
        call.api->response.init(response);
        CHECK(call.api->response.decode(&reader, version, response) == ERR_OK);
    }
    CHECK(call.result != ERR_INVALID);
    rig_call_deinit(&call);
    return response;
}

/* --- bytes as they are -------------------------------------------------------------------------------------------- */

static bool raw_is_sent(void *context)
{
    struct rig_client *client = context;

    return client->closed || client->raw_sent == client->raw_out.len;
}

void rig_raw(struct rig_client *client, const void *bytes, size_t len)
{
    client->raw = true;
    client->raw_out = view_of(bytes, len);
    client->raw_sent = 0;
    client_send(client);
    (void)rig_until(client->rig, raw_is_sent, client, RIG_ANSWER_NS);
    client->raw_out = (struct view){0};
    client->raw_sent = 0;
}

struct raw_wait {
    struct rig_client *client;
    size_t             in_len;
};

static bool raw_is_there(void *context)
{
    const struct raw_wait *wait = context;

    return wait->client->closed || wait->client->in_len >= wait->in_len;
}

bool rig_raw_wait(struct rig_client *client, size_t in_len)
{
    struct raw_wait wait = {client, in_len};

    return rig_until(client->rig, raw_is_there, &wait, RIG_ANSWER_NS) && client->in_len >= in_len;
}
