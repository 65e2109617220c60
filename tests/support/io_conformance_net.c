/* Connections over loopback: one back end, both ends. */
#include "tests/support/io_conformance_internal.h"

#include <stdio.h>

#define CLIENTS_MAX 64

/* --- rig -----------------------------------------------------------------------------------------------------------
 */

struct server {
    struct io_op      accept;
    struct rig       *rig;
    struct io_handle  listener;
    struct io_address address;
    struct io_handle  accepted[CLIENTS_MAX];
    uint64_t          accepted_count;
    uint64_t          ended;
    int32_t           end_result;
};

static void accept_done(struct io_op *op)
{
    struct server *server = CONTAINER_OF(op, struct server, accept);

    if (op->result >= 0) {
        assert_true(server->accepted_count < CLIENTS_MAX);
        server->accepted[server->accepted_count++] = (struct io_handle){op->result};
    } else {
        server->end_result = op->result;
    }
    if (!op->more) {
        server->ended++;
    }
}

static void server_start(struct rig *rig, struct server *server)
{
    struct io_address any = {0};

    *server = (struct server){.rig = rig};
    assert_true(io_address_parse(view_text("127.0.0.1"), 0, &any));
    assert_int_equal(io_listen(rig->io, &any, 128, &server->listener), 0);
    assert_int_equal(io_local_address(rig->io, server->listener, &server->address), 0);
    assert_true(server->address.port != 0);
    io_accept(rig->io, &server->accept, server->listener, accept_done);
}

static void server_stop(struct server *server)
{
    rig_close(server->rig, server->listener);
    assert_int_equal(server->ended, 1);
    assert_true(server->end_result < 0);
}

static struct io_handle server_connect(struct server *server, struct io_handle *out_far_end)
{
    struct probe connect = {0};
    uint64_t     wanted = server->accepted_count + 1;

    io_connect(server->rig->io, &connect.op, &server->address, probe_done);
    assert_true(probe_wait(server->rig, &connect) >= 0);
    rig_run_until(server->rig, &server->accepted_count, wanted);
    *out_far_end = server->accepted[wanted - 1];
    return (struct io_handle){connect.result};
}

/* Sends everything, in pieces as they are taken. */
struct sender {
    struct io_op     op;
    struct rig      *rig;
    struct io_handle socket;
    const uint8_t   *bytes;
    size_t           len;
    uint64_t         sent;
    uint32_t         flags;
    struct view      part;
    int32_t          error;
};

static void sender_next(struct sender *sender);

static void sender_done(struct io_op *op)
{
    struct sender *sender = CONTAINER_OF(op, struct sender, op);

    if (op->result <= 0) {
        sender->error = op->result;
        return;
    }
    sender->sent += (uint64_t)op->result;
    assert_true(sender->sent <= sender->len);
    sender_next(sender);
}

static void sender_next(struct sender *sender)
{
    if (sender->sent < sender->len) {
        sender->part = view_of(sender->bytes + sender->sent, sender->len - sender->sent);
        io_send(sender->rig->io, &sender->op, sender->socket, &sender->part, 1, sender->flags, sender_done);
    }
}

/* Receives with recv_multi into memory, submitting again whenever it ends without the peer having closed. */
struct receiver {
    struct io_op     op;
    struct rig      *rig;
    struct io_handle socket;
    uint8_t         *into;
    size_t           capacity;
    uint64_t         received;
    struct span      kept;  /* the last piece, where the back end can do without, until the next has come */
    uint64_t         ended; /* closed or failed */
    int32_t          end_result;
};

static void receiver_give(struct receiver *receiver)
{
    if (receiver->kept.base != NULL) {
        assert_memory_equal(receiver->into + receiver->received - receiver->kept.len, receiver->kept.base,
                            receiver->kept.len);
        io_recv_give(receiver->rig->io, receiver->kept);
        receiver->kept = (struct span){0};
    }
}

static void receiver_done(struct io_op *op)
{
    struct receiver *receiver = CONTAINER_OF(op, struct receiver, op);

    assert_int_equal(op->more, !io_op_idle(op));
    receiver_give(receiver);
    if (op->result > 0) {
        assert_int_equal(op->received.len, op->result);
        assert_true(receiver->received + op->received.len <= receiver->capacity);
        memcpy(receiver->into + receiver->received, op->received.base, op->received.len);
        receiver->received += op->received.len;
        if (op->received_keepable) {
            receiver->kept = op->received;
            io_recv_keep(receiver->rig->io, op);
        }
    } else if (op->result != ERR_NO_BUFFERS) {
        assert_false(op->more);
        receiver->end_result = op->result;
        receiver->ended++;
        return;
    }
    if (!op->more) {
        io_recv_multi(receiver->rig->io, op, receiver->socket, receiver_done);
    }
}

static void receiver_start(struct rig *rig, struct receiver *receiver, struct io_handle socket, size_t capacity)
{
    *receiver = (struct receiver){.rig = rig, .socket = socket, .capacity = capacity};
    receiver->into = mem_alloc(MEM_TEST, capacity);
    io_recv_multi(rig->io, &receiver->op, socket, receiver_done);
}

/* --- tests -----------------------------------------------------------------------------------------------------------
 */

static void test_addresses(void **state UNUSED)
{
    static const char *const good[][2] = {{"127.0.0.1", "127.0.0.1:9092"},
                                          {"::1", "[::1]:9092"},
                                          {"::ffff:10.1.2.3", "10.1.2.3:9092"},
                                          {"fe80::1%3", "[fe80::1%3]:9092"},
                                          {"0.0.0.0", "0.0.0.0:9092"}};
    static const char *const bad[] = {"",      "localhost", "1.2.3", "1.2.3.4.5", "::1%", "::1%x", "::1%99999999999",
                                      "[::1]", "1.2.3.4 ",  "gg::1", "1.2.3.4%1", ":::"};
    struct io_address        address = {0};
    char                     text[IO_ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(io_address_parse(view_text(good[i][0]), 9092, &address));
        io_address_format(&address, text);
        assert_string_equal(text, good[i][1]);
    }
    address.port = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(io_address_parse(view_text(bad[i]), 9092, &address));
    }
    assert_false(io_address_parse(view_of("127.0.0.1\0x", 11), 1, &address));
    assert_int_equal(address.port, 7); /* untouched on failure */
}

static void test_connect_and_names(void **state)
{
    struct rig       *rig = *state;
    struct server     server;
    struct io_address near_local = {0};
    struct io_address far_peer = {0};
    struct io_address far_local = {0};
    struct io_handle  far_end;
    struct io_handle  near_end;
    struct probe      connect = {0};

    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    assert_int_equal(io_local_address(rig->io, near_end, &near_local), 0);
    assert_int_equal(io_peer_address(rig->io, far_end, &far_peer), 0);
    assert_int_equal(io_local_address(rig->io, far_end, &far_local), 0);
    assert_memory_equal(near_local.ip, far_peer.ip, 16);
    assert_int_equal(near_local.port, far_peer.port);
    assert_int_equal(far_local.port, server.address.port);
    rig_close(rig, near_end);
    rig_close(rig, far_end);
    server_stop(&server);
    io_connect(rig->io, &connect.op, &server.address, probe_done);
    assert_true(probe_wait(rig, &connect) < 0); /* nobody listens any more */
}

static void test_address_in_use(void **state)
{
    struct rig      *rig = *state;
    struct server    server;
    struct io_handle second = IO_HANDLE_NONE;

    server_start(rig, &server);
    assert_int_equal(io_listen(rig->io, &server.address, 1, &second), ERR_ADDRESS_IN_USE);
    assert_false(io_handle_valid(second));
    server_stop(&server);
}

static void test_echo(void **state)
{
    struct rig      *rig = *state;
    struct server    server;
    struct probe     send = {0};
    struct probe     recv = {0};
    struct io_handle far_end;
    struct io_handle near_end;
    struct view      part = view_text("ping");
    uint8_t          into[16] = {0};

    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    io_recv(rig->io, &recv.op, far_end, span_of(into, 4), IO_RECV_ALL, probe_done);
    io_send(rig->io, &send.op, near_end, &part, 1, 0, probe_done);
    assert_int_equal(send.calls + recv.calls, 0);
    assert_true(probe_wait(rig, &send) > 0);
    while (send.received < 4) {
        part = view_of(&"ping"[send.received], 4 - (size_t)send.received);
        io_send(rig->io, &send.op, near_end, &part, 1, 0, probe_done);
        assert_true(probe_wait(rig, &send) > 0);
    }
    assert_true(probe_wait(rig, &recv) > 0);
    assert_memory_equal(into, "ping", (size_t)recv.result);
    rig_close(rig, near_end);
    rig_close(rig, far_end);
    server_stop(&server);
}

static void test_recv_all_and_end(void **state)
{
    struct rig      *rig = *state;
    struct server    server;
    struct io_handle far_end;
    struct io_handle near_end;
    struct probe     recv = {0};
    uint8_t          bytes[5000];
    uint8_t          into[8000];
    struct sender    sender;
    uint64_t         got = 0;

    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    pattern_fill(bytes, sizeof(bytes), 1);
    sender =
        (struct sender){.rig = rig, .socket = near_end, .bytes = bytes, .len = sizeof(bytes), .flags = IO_SEND_MORE};
    sender_next(&sender);
    rig_run_until(rig, &sender.sent, sender.len);
    rig_close(rig, near_end);
    /* More is asked than comes: short, then 0 for ever. */
    for (;;) {
        io_recv(rig->io, &recv.op, far_end, span_of(into + got, sizeof(into) - (size_t)got), IO_RECV_ALL, probe_done);
        assert_true(probe_wait(rig, &recv) >= 0);
        if (recv.result == 0) {
            break;
        }
        got += (uint64_t)recv.result;
    }
    assert_int_equal(got, sizeof(bytes));
    assert_true(pattern_check(into, sizeof(bytes), 1));
    io_recv(rig->io, &recv.op, far_end, span_of(into, 1), 0, probe_done);
    assert_int_equal(probe_wait(rig, &recv), 0);
    rig_close(rig, far_end);
    server_stop(&server);
}

static void test_recv_multi_backlog(void **state)
{
    struct rig      *rig = *state;
    const size_t     total = 3 * MIB + 77;
    struct server    server;
    struct io_handle far_end;
    struct io_handle near_end;
    struct receiver  receiver;
    struct sender    sender;
    uint8_t         *bytes = mem_alloc(MEM_TEST, total);

    pattern_fill(bytes, total, 2);
    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    sender = (struct sender){.rig = rig, .socket = near_end, .bytes = bytes, .len = total};
    sender_next(&sender);
    for (int turn = 0; turn < 20; turn++) {
        assert_true(io_run(rig->io, io_now_ns(rig->io)) >= 0); /* a backlog builds up */
    }
    receiver_start(rig, &receiver, far_end, total);
    rig_run_until(rig, &receiver.received, total);
    assert_int_equal(sender.error, 0);
    assert_true(pattern_check(receiver.into, total, 2));
    assert_int_equal(receiver.ended, 0);
    rig_close(rig, near_end);
    rig_run_until(rig, &receiver.ended, 1);
    assert_int_equal(receiver.end_result, 0); /* the peer has closed */
    rig_close(rig, far_end);
    server_stop(&server);
    mem_free(MEM_TEST, receiver.into);
    mem_free(MEM_TEST, bytes);
}

static void test_many_connections(void **state)
{
    struct rig      *rig = *state;
    const size_t     each = 40000;
    struct server    server;
    struct io_handle near_end[CLIENTS_MAX];
    struct io_handle far_end[CLIENTS_MAX];
    struct receiver *receivers = mem_alloc(MEM_TEST, CLIENTS_MAX * sizeof(*receivers));
    struct sender   *senders = mem_alloc(MEM_TEST, CLIENTS_MAX * sizeof(*senders));
    uint8_t         *bytes = mem_alloc(MEM_TEST, CLIENTS_MAX * each);

    server_start(rig, &server);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        near_end[i] = server_connect(&server, &far_end[i]);
        pattern_fill(bytes + i * each, each, i);
        receiver_start(rig, &receivers[i], far_end[i], each);
        senders[i] = (struct sender){.rig = rig, .socket = near_end[i], .bytes = bytes + i * each, .len = each};
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        sender_next(&senders[i]); /* all at once: more than the receive buffers hold */
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        rig_run_until(rig, &receivers[i].received, each);
        assert_true(pattern_check(receivers[i].into, each, i));
        assert_int_equal(receivers[i].ended, 0);
        assert_int_equal(senders[i].error, 0);
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        rig_close(rig, far_end[i]); /* with a receive in flight */
        assert_int_equal(receivers[i].ended, 1);
        assert_true(receivers[i].end_result < 0);
        rig_close(rig, near_end[i]);
        mem_free(MEM_TEST, receivers[i].into);
    }
    server_stop(&server);
    mem_free(MEM_TEST, bytes);
    mem_free(MEM_TEST, senders);
    mem_free(MEM_TEST, receivers);
}

/* Gathers of many parts, larger in sum than any socket takes at once; the parts not taken are sent again. */
static void test_gather(void **state)
{
    struct rig      *rig = *state;
    const size_t     part_bytes = 20011;
    const size_t     total = part_bytes * IO_SPANS_MAX;
    struct server    server;
    struct io_handle far_end;
    struct io_handle near_end;
    struct receiver  receiver;
    struct probe     send = {0};
    struct view      parts[IO_SPANS_MAX];
    uint8_t         *bytes = mem_alloc(MEM_TEST, total);
    uint32_t         first = 0;

    pattern_fill(bytes, total, 3);
    for (size_t i = 0; i < IO_SPANS_MAX; i++) {
        parts[i] = view_of(bytes + i * part_bytes, part_bytes);
    }
    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    receiver_start(rig, &receiver, far_end, total);
    while (first < IO_SPANS_MAX) {
        size_t taken;

        io_send(rig->io, &send.op, near_end, &parts[first], IO_SPANS_MAX - first, 0, probe_done);
        assert_true(probe_wait(rig, &send) > 0);
        taken = (size_t)send.result;
        while (first < IO_SPANS_MAX && taken >= parts[first].len) {
            taken -= parts[first++].len;
        }
        if (first < IO_SPANS_MAX) {
            parts[first] = view_of(parts[first].base + taken, parts[first].len - taken);
        }
    }
    rig_run_until(rig, &receiver.received, total);
    assert_true(pattern_check(receiver.into, total, 3));
    rig_close(rig, near_end);
    rig_run_until(rig, &receiver.ended, 1);
    rig_close(rig, far_end);
    server_stop(&server);
    mem_free(MEM_TEST, receiver.into);
    mem_free(MEM_TEST, bytes);
}

static void test_send_file(void **state)
{
    struct rig      *rig = *state;
    const size_t     total = 2 * MIB + 12345;
    struct server    server;
    struct io_handle far_end;
    struct io_handle near_end;
    struct io_handle file;
    struct receiver  receiver;
    struct probe     send = {0};
    uint8_t         *bytes = mem_alloc(MEM_TEST, total);

    pattern_fill(bytes, total, 4);
    rig_create(rig, "a", bytes, total);
    file = rig_open(rig, "a", IO_OPEN_READ);
    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    receiver_start(rig, &receiver, far_end, total);
    while (send.received < total) {
        io_send_file(rig->io, &send.op, near_end, file, send.received, total - send.received, probe_done);
        assert_int_equal(send.calls == 0 ? 0 : send.result > 0, send.calls == 0 ? 0 : 1);
        assert_true(probe_wait(rig, &send) > 0);
    }
    rig_run_until(rig, &receiver.received, total);
    assert_true(pattern_check(receiver.into, total, 4));
    io_send_file(rig->io, &send.op, near_end, file, total, 100, probe_done);
    assert_int_equal(probe_wait(rig, &send), 0); /* the end of the file */
    rig_close(rig, near_end);
    rig_run_until(rig, &receiver.ended, 1);
    rig_close(rig, far_end);
    rig_close(rig, file);
    server_stop(&server);
    mem_free(MEM_TEST, receiver.into);
    mem_free(MEM_TEST, bytes);
}

static void test_cancel_recv(void **state)
{
    struct rig      *rig = *state;
    struct server    server;
    struct io_handle far_end;
    struct io_handle near_end;
    struct receiver  receiver;
    struct probe     recv = {0};
    struct probe     cancel = {0};
    uint8_t          into[16];

    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    receiver_start(rig, &receiver, far_end, 64);
    assert_true(io_run(rig->io, io_now_ns(rig->io)) >= 0);
    io_cancel(rig->io, &cancel.op, &receiver.op, probe_done);
    assert_int_equal(probe_wait(rig, &cancel), 0);
    rig_run_until(rig, &receiver.ended, 1);
    assert_int_equal(receiver.end_result, ERR_CANCELED);
    /* At once after submitting, before the back end has even looked at it. */
    io_recv(rig->io, &recv.op, far_end, span_of(into, sizeof(into)), 0, probe_done);
    io_cancel(rig->io, &cancel.op, &recv.op, probe_done);
    (void)probe_wait(rig, &cancel);
    assert_int_equal(probe_wait(rig, &recv), ERR_CANCELED);
    io_cancel(rig->io, &cancel.op, &recv.op, probe_done);
    assert_int_equal(probe_wait(rig, &cancel), ERR_NOT_FOUND);
    /* The connection still works. */
    io_recv_multi(rig->io, &receiver.op, far_end, receiver_done);
    io_send(rig->io, &recv.op, near_end, &(struct view){(const uint8_t *)"x", 1}, 1, 0, probe_done);
    assert_int_equal(probe_wait(rig, &recv), 1);
    rig_run_until(rig, &receiver.received, 1);
    rig_close(rig, near_end);
    rig_run_until(rig, &receiver.ended, 2);
    rig_close(rig, far_end);
    server_stop(&server);
    mem_free(MEM_TEST, receiver.into);
}

static void test_cancel_accept(void **state)
{
    struct rig      *rig = *state;
    struct server    server;
    struct probe     cancel = {0};
    struct io_handle far_end;
    struct io_handle near_end;

    server_start(rig, &server);
    io_cancel(rig->io, &cancel.op, &server.accept, probe_done);
    assert_int_equal(probe_wait(rig, &cancel), 0);
    rig_run_until(rig, &server.ended, 1);
    assert_int_equal(server.end_result, ERR_CANCELED);
    server.ended = 0;
    io_accept(rig->io, &server.accept, server.listener, accept_done);
    near_end = server_connect(&server, &far_end);
    rig_close(rig, near_end);
    rig_close(rig, far_end);
    server_stop(&server);
}

static void test_shutdown(void **state)
{
    struct rig      *rig = *state;
    struct server    server;
    struct io_handle far_end;
    struct io_handle near_end;
    struct receiver  near_receiver;
    struct receiver  far_receiver;
    struct probe     shutdown = {0};
    struct probe     send = {0};
    struct view      part = view_text("late");

    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    receiver_start(rig, &near_receiver, near_end, 64);
    receiver_start(rig, &far_receiver, far_end, 64);
    io_shutdown(rig->io, &shutdown.op, near_end, probe_done);
    assert_int_equal(shutdown.calls, 0);
    assert_int_equal(probe_wait(rig, &shutdown), 0);
    rig_run_until(rig, &near_receiver.ended, 1); /* what was in flight completes */
    rig_run_until(rig, &far_receiver.ended, 1);
    assert_int_equal(far_receiver.end_result, 0);
    io_send(rig->io, &send.op, near_end, &part, 1, 0, probe_done);
    assert_int_equal(probe_wait(rig, &send), ERR_CLOSED); /* and no signal */
    rig_close(rig, near_end);
    rig_close(rig, far_end);
    server_stop(&server);
    mem_free(MEM_TEST, near_receiver.into);
    mem_free(MEM_TEST, far_receiver.into);
}

/* Closing with a full send, a receive and a file transfer in flight: each ends with an error, then the close is done.
 */
static void test_close_in_flight(void **state)
{
    struct rig      *rig = *state;
    const size_t     total = 16 * MIB;
    struct server    server;
    struct io_handle far_end;
    struct io_handle near_end;
    struct io_handle file;
    struct receiver  receiver;
    struct sender    sender;
    struct probe     close = {0};
    struct probe     send = {0};
    uint8_t         *bytes = mem_alloc(MEM_TEST, total);
    uint64_t         before;

    rig_create(rig, "a", bytes, 100000);
    file = rig_open(rig, "a", IO_OPEN_READ);
    server_start(rig, &server);
    near_end = server_connect(&server, &far_end);
    sender = (struct sender){.rig = rig, .socket = near_end, .bytes = bytes, .len = total};
    sender_next(&sender);
    do { /* until the connection takes no more */
        before = sender.sent;
        for (int turn = 0; turn < 20; turn++) {
            assert_true(io_run(rig->io, io_now_ns(rig->io) + NS_PER_MS) >= 0);
        }
    } while (sender.sent > before);
    assert_true(sender.sent < total && sender.error == 0);
    receiver_start(rig, &receiver, near_end, 64);
    do { /* a little may still fit */
        send.calls = 0;
        io_send_file(rig->io, &send.op, near_end, file, 0, 100000, probe_done);
        for (int turn = 0; turn < 5; turn++) {
            assert_true(io_run(rig->io, io_now_ns(rig->io) + NS_PER_MS) >= 0);
        }
    } while (send.calls > 0);
    io_close(rig->io, &close.op, near_end, probe_done);
    assert_int_equal(probe_wait(rig, &close), 0);
    assert_int_equal(receiver.ended, 1);
    assert_true(receiver.end_result < 0);
    assert_true(sender.error < 0);
    assert_int_equal(send.calls, 1);
    assert_true(send.result < 0);
    rig_close(rig, far_end);
    rig_close(rig, file);
    server_stop(&server);
    mem_free(MEM_TEST, receiver.into);
    mem_free(MEM_TEST, bytes);
}

#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

const struct CMUnitTest io_conformance_net_tests[] = {
    cmocka_unit_test(test_addresses), RIG_TEST(test_connect_and_names),
    RIG_TEST(test_address_in_use),    RIG_TEST(test_echo),
    RIG_TEST(test_recv_all_and_end),  RIG_TEST(test_recv_multi_backlog),
    RIG_TEST(test_many_connections),  RIG_TEST(test_gather),
    RIG_TEST(test_send_file),         RIG_TEST(test_cancel_recv),
    RIG_TEST(test_cancel_accept),     RIG_TEST(test_shutdown),
    RIG_TEST(test_close_in_flight),
};
const size_t io_conformance_net_count = COUNT_OF(io_conformance_net_tests);
