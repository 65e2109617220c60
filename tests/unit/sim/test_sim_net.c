/* The network model: latency, push-back, resets, partitions; and that a closed machine breaks its connections. */
#include "tests/unit/sim/sim_rig.h"

#define SOCKET_BYTES 4096

struct pair {
    struct sim      *sim;
    struct io       *near_io; /* host 0 */
    struct io       *far_io;  /* host 1 */
    struct io_op     accept;
    struct io_handle listener;
    struct io_handle near_end;
    struct io_handle far_end;
};

static void done(struct io_op *op)
{
    MAYBE(op->result);
}

static void accept_done(struct io_op *op)
{
    struct pair *pair = CONTAINER_OF(op, struct pair, accept);

    if (op->result >= 0) {
        pair->far_end.id = op->result;
    }
}

/* Runs both machines for a while. */
static void pair_run(struct pair *pair, int64_t duration_ns)
{
    int64_t until_ns = sim_now_ns(pair->sim) + duration_ns;

    while (sim_now_ns(pair->sim) < until_ns) {
        int count = io_run(pair->near_io, 0) + io_run(pair->far_io, 0);

        MAYBE(count);
    }
}

static void pair_open(struct pair *pair, const struct sim_options *options)
{
    struct io_op      connect = {0};
    struct io_address address;

    *pair = (struct pair){.sim = sim_create(options), .far_end = IO_HANDLE_NONE};
    pair->near_io = sim_io(pair->sim, 0, 0);
    pair->far_io = sim_io(pair->sim, 1, 0);
    assert_true(io_address_parse(view_text("0.0.0.0"), 9092, &address));
    assert_int_equal(io_listen(pair->far_io, &address, 10, &pair->listener), 0);
    io_accept(pair->far_io, &pair->accept, pair->listener, accept_done);
    assert_true(io_address_parse(view_text("10.0.0.2"), 9092, &address));
    io_connect(pair->near_io, &connect, &address, done);
    pair_run(pair, 10 * NS_PER_MS);
    assert_true(connect.result >= 0 && pair->far_end.id >= 0);
    pair->near_end.id = connect.result;
}

static void pair_close(struct pair *pair)
{
    io_destroy(pair->near_io);
    io_destroy(pair->far_io);
    sim_destroy(pair->sim);
}

static void options_small(struct sim_options *options)
{
    sim_options_default(options, 1);
    options->socket_buffer_bytes = SOCKET_BYTES;
}

static void test_slow_reader_pushes_back(void **state)
{
    struct sim_options options;
    struct pair        pair;
    struct io_op       send = {0};
    struct io_op       recv = {0};
    static uint8_t     bytes[3 * SOCKET_BYTES];
    static uint8_t     into[sizeof(bytes)];
    struct view        part = view_of(bytes, sizeof(bytes));
    size_t             got = 0;

    MAYBE(state);
    options_small(&options);
    pair_open(&pair, &options);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    io_send(pair.near_io, &send, pair.near_end, &part, 1, 0, done);
    pair_run(&pair, 10 * NS_PER_MS);
    assert_int_equal(send.result, SOCKET_BYTES);
    part = view_of(bytes + SOCKET_BYTES, 2 * SOCKET_BYTES);
    io_send(pair.near_io, &send, pair.near_end, &part, 1, 0, done);
    pair_run(&pair, NS_PER_S);
    assert_false(io_op_idle(&send)); /* nobody reads */
    while (got < 2 * SOCKET_BYTES) {
        io_recv(pair.far_io, &recv, pair.far_end, span_of(into + got, sizeof(into) - got), 0, done);
        pair_run(&pair, 10 * NS_PER_MS);
        assert_true(io_op_idle(&recv) && recv.result > 0);
        got += (size_t)recv.result;
    }
    assert_true(io_op_idle(&send));
    assert_int_equal(send.result, SOCKET_BYTES);
    assert_memory_equal(bytes, into, got);
    pair_close(&pair);
}

static void test_reset(void **state)
{
    struct sim_options options;
    struct pair        pair;
    struct io_op       recv = {0};
    struct io_op       send = {0};
    struct view        part = view_text("x");
    uint8_t            into[8];

    MAYBE(state);
    options_small(&options);
    pair_open(&pair, &options);
    io_recv(pair.far_io, &recv, pair.far_end, span_of(into, sizeof(into)), 0, done);
    sim_settings(pair.sim)->reset = (struct sim_ratio){1, 1};
    io_send(pair.near_io, &send, pair.near_end, &part, 1, 0, done);
    pair_run(&pair, 10 * NS_PER_MS);
    assert_int_equal(send.result, ERR_CLOSED);
    assert_true(io_op_idle(&recv));
    assert_int_equal(recv.result, ERR_CLOSED);
    io_send(pair.near_io, &send, pair.near_end, &part, 1, 0, done);
    pair_run(&pair, 10 * NS_PER_MS);
    assert_int_equal(send.result, ERR_CLOSED);
    pair_close(&pair);
}

static void test_partition_holds_bytes(void **state)
{
    struct sim_options options;
    struct pair        pair;
    struct io_op       recv = {0};
    struct io_op       send = {0};
    struct view        part = view_text("late");
    uint8_t            into[8];

    MAYBE(state);
    options_small(&options);
    pair_open(&pair, &options);
    sim_net_partition(pair.sim, 0, 1, true);
    io_recv(pair.far_io, &recv, pair.far_end, span_of(into, sizeof(into)), 0, done);
    io_send(pair.near_io, &send, pair.near_end, &part, 1, 0, done);
    pair_run(&pair, 2 * NS_PER_S);
    assert_int_equal(send.result, 4);
    assert_false(io_op_idle(&recv));
    sim_net_partition(pair.sim, 0, 1, false);
    pair_run(&pair, NS_PER_S);
    assert_true(io_op_idle(&recv));
    assert_int_equal(recv.result, 4);
    assert_memory_equal(into, "late", 4);
    pair_close(&pair);
}

static void test_peer_machine_stops(void **state)
{
    struct sim_options options;
    struct pair        pair;
    struct io_op       recv = {0};
    struct io_op       connect = {0};
    struct io_address  address;
    uint8_t            into[8];

    MAYBE(state);
    options_small(&options);
    pair_open(&pair, &options);
    io_recv(pair.near_io, &recv, pair.near_end, span_of(into, sizeof(into)), 0, done);
    sim_kill(pair.sim, 1, 1);
    assert_int_equal(io_run(pair.near_io, io_now_ns(pair.near_io) + NS_PER_S), 1);
    assert_int_equal(recv.result, ERR_CLOSED);
    assert_true(io_address_parse(view_text("10.0.0.2"), 9092, &address));
    io_connect(pair.near_io, &connect, &address, done);
    io_wait(pair.near_io, &connect);
    assert_int_equal(connect.result, ERR_CLOSED);
    pair_close(&pair);
}

static void test_descriptor_limit(void **state)
{
    struct sim_options options;
    struct pair        pair;
    struct io_op       connects[4] = {0};
    struct io_address  address;
    int                refused = 0;

    MAYBE(state);
    options_small(&options);
    options.descriptors_max = 4;
    pair_open(&pair, &options);
    assert_true(io_address_parse(view_text("10.0.0.2"), 9092, &address));
    for (size_t i = 0; i < COUNT_OF(connects); i++) {
        io_connect(pair.near_io, &connects[i], &address, done);
    }
    pair_run(&pair, 20 * NS_PER_MS);
    for (size_t i = 0; i < COUNT_OF(connects); i++) {
        refused += connects[i].result == ERR_DESCRIPTORS;
    }
    assert_int_equal(refused, 1);          /* the near side has 4 */
    assert_true(io_op_idle(&pair.accept)); /* the far side ran out, too: listener and 3 connections */
    assert_int_equal(pair.accept.result, ERR_DESCRIPTORS);
    pair_close(&pair);
}

static void test_reset_from_outside(void **state)
{
    struct sim_options options;
    struct pair        pair;
    struct io_op       near = {0};
    struct io_op       far = {0};
    uint8_t            into[8];

    MAYBE(state);
    options_small(&options);
    pair_open(&pair, &options);
    io_recv_multi(pair.near_io, &near, pair.near_end, done);
    io_recv(pair.far_io, &far, pair.far_end, span_of(into, sizeof(into)), 0, done);
    sim_net_reset(pair.sim, 0);
    pair_run(&pair, NS_PER_MS);
    assert_int_equal(near.result, ERR_CLOSED);
    assert_int_equal(far.result, ERR_CLOSED);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_reader_pushes_back), cmocka_unit_test(test_reset),
        cmocka_unit_test(test_partition_holds_bytes),   cmocka_unit_test(test_peer_machine_stops),
        cmocka_unit_test(test_descriptor_limit),        cmocka_unit_test(test_reset_from_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
