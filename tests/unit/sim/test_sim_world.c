/* The world: virtual time, determinism, cuts at the n-th change, failing the n-th operation, turns of several cores. */
#include "tests/unit/sim/sim_rig.h"

#define BLOCK 4096

static uint8_t bytes[BLOCK] RIG_ALIGNED;

static void test_time_moves_only_when_idle(void **state)
{
    struct sim_options options;
    struct rig         rig;
    int64_t            start_ns;
    int64_t            wall_ms;

    MAYBE(state);
    sim_options_default(&options, 1);
    rig_open(&rig, &options);
    start_ns = io_now_ns(rig.io);
    wall_ms = io_wall_ms(rig.io);
    assert_int_equal(io_run(rig.io, start_ns + 5 * NS_PER_S), 0);
    assert_int_equal(io_now_ns(rig.io), start_ns + 5 * NS_PER_S);
    assert_int_equal(io_wall_ms(rig.io), wall_ms + 5000);
    io_wake(rig.io);
    assert_int_equal(io_run(rig.io, INT64_MAX), 0);
    assert_int_equal(io_now_ns(rig.io), start_ns + 5 * NS_PER_S);
    sim_wall_jump(rig.sim, -1000);
    assert_int_equal(io_wall_ms(rig.io), wall_ms + 4000);
    rig_close(&rig);
}

/* A workload whose trace says whether two worlds are the same. */
static uint64_t trace_of(uint64_t seed)
{
    struct sim_options options;
    struct rig         rig;
    uint64_t           hash;
    int                handle;

    sim_options_swarm(&options, seed, false);
    options.direct_align_bytes = MAX(options.direct_align_bytes, 512u);
    rig_open(&rig, &options);
    handle = rig_file(&rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT);
    for (uint64_t i = 0; i < 20; i++) {
        (void)rig_write(&rig, handle, bytes, BLOCK, (io_random_u64(rig.io) % 16) * BLOCK, 0);
        (void)rig_read(&rig, handle, bytes, BLOCK, 0);
    }
    (void)rig_sync(&rig, handle);
    hash = sim_trace_hash(rig.sim);
    rig_close(&rig);
    return hash;
}

static void test_same_seed_same_trace(void **state)
{
    MAYBE(state);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_true(trace_of(seed) == trace_of(seed));
    }
    assert_true(trace_of(1) != trace_of(2));
}

struct order {
    struct io_op op;
    int         *next;
    int          place;
};

static void order_done(struct io_op *op)
{
    struct order *order = CONTAINER_OF(op, struct order, op);

    order->place = (*order->next)++;
}

static void test_completions_reorder(void **state)
{
    struct sim_options options;
    struct rig         rig;
    struct order       orders[8];
    int                next = 0;
    int                moved = 0;
    int                handle;

    MAYBE(state);
    sim_options_default(&options, 3);
    rig_open(&rig, &options);
    handle = rig_file(&rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT);
    for (int i = 0; i < 8; i++) {
        orders[i] = (struct order){.next = &next};
        io_write(rig.io, &orders[i].op, (struct io_handle){handle}, view_of(bytes, BLOCK), (uint64_t)i * BLOCK, 0,
                 order_done);
    }
    assert_int_equal(next, 0); /* never inside the submitting call */
    while (next < 8) {
        assert_true(io_run(rig.io, INT64_MAX) >= 0);
    }
    for (int i = 0; i < 8; i++) {
        moved += orders[i].place != i;
    }
    assert_true(moved > 0);
    rig_close(&rig);
}

struct again {
    struct io_op op;
    struct io   *io;
    int          left;
};

static void again_done(struct io_op *op)
{
    struct again *again = CONTAINER_OF(op, struct again, op);

    if (--again->left > 0) {
        io_post(again->io, op, again_done);
    }
}

static void test_post_waits_for_the_next_turn(void **state)
{
    struct sim_options options;
    struct rig         rig;
    struct again       again;

    MAYBE(state);
    sim_options_default(&options, 4);
    rig_open(&rig, &options);
    again = (struct again){.io = rig.io, .left = 3};
    io_post(rig.io, &again.op, again_done);
    for (int left = 2; left >= 0; left--) {
        assert_int_equal(io_run(rig.io, INT64_MAX), 1);
        assert_int_equal(again.left, left);
    }
    rig_close(&rig);
}

/* Writes three blocks, each with its own durable write; how many the disk holds after a cut at change n. */
static int survivors(uint64_t cut_at, enum sim_cut_when when, uint64_t *out_changes)
{
    struct sim_options options;
    struct rig         rig;
    int                handle;
    int                acknowledged = 0;
    int                count = 0;

    sim_options_default(&options, 5);
    rig_open(&rig, &options);
    memset(bytes, 9, sizeof(bytes));
    rig_durable_file(&rig, "a", 1, 3 * BLOCK);
    *out_changes = sim_change_count(rig.sim, 0);
    sim_cut_at(rig.sim, 0, cut_at, when, 77, SIM_CRASH_DROP);
    handle = rig_file(&rig, "a", IO_OPEN_WRITE | IO_OPEN_DIRECT);
    for (uint64_t i = 0; i < 3; i++) {
        acknowledged += rig_write(&rig, handle, bytes, BLOCK, i * BLOCK, IO_WRITE_DURABLE) == BLOCK;
    }
    *out_changes = sim_change_count(rig.sim, 0) - *out_changes;
    if (sim_is_down(rig.sim, 0)) {
        rig_reboot(&rig);
    }
    for (uint64_t i = 0; i < 3; i++) {
        count += rig_peek(&rig, "a", i * BLOCK) == 9;
    }
    assert_true(count >= acknowledged);
    rig_close(&rig);
    return count;
}

static void test_cut_at_each_change(void **state)
{
    uint64_t changes;

    MAYBE(state);
    assert_int_equal(survivors(0, SIM_CUT_BEFORE, &changes), 3);
    assert_int_equal(changes, 3);
    for (uint64_t n = 1; n <= 3; n++) {
        assert_int_equal(survivors(n, SIM_CUT_BEFORE, &changes), (int)n - 1);
        assert_int_equal(survivors(n, SIM_CUT_DURING, &changes), (int)n - 1);
        assert_int_equal(survivors(n, SIM_CUT_AFTER, &changes), (int)n);
    }
}

static void nothing_done(struct io_op *op)
{
    MAYBE(op != NULL);
}

/* A cut that would come when an operation has completed does not come when it is disarmed before that. */
static void test_cut_disarmed_on_its_way(void **state)
{
    struct sim_options options;
    struct rig         rig;
    struct io_op       op = {0};
    int                handle;

    MAYBE(state);
    sim_options_default(&options, 5);
    rig_open(&rig, &options);
    rig_durable_file(&rig, "a", 1, BLOCK);
    handle = rig_file(&rig, "a", IO_OPEN_WRITE | IO_OPEN_DIRECT);
    memset(bytes, 9, sizeof(bytes));
    sim_cut_at(rig.sim, 0, 1, SIM_CUT_AFTER, 77, SIM_CRASH_DROP);
    io_write(rig.io, &op, (struct io_handle){handle}, view_of(bytes, BLOCK), 0, IO_WRITE_DURABLE, nothing_done);
    sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
    io_wait(rig.io, &op);
    assert_int_equal(op.result, BLOCK);
    assert_false(sim_is_down(rig.sim, 0));
    rig_close(&rig);
}

static void test_fail_nth(void **state)
{
    struct sim_options options;
    struct rig         rig;
    int                handle;

    MAYBE(state);
    sim_options_default(&options, 6);
    rig_open(&rig, &options);
    handle = rig_file(&rig, "a", IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT);
    sim_fail_nth(rig.sim, 0, 2, SIM_FAIL_WRITE, ERR_NO_SPACE, false);
    assert_int_equal(rig_write(&rig, handle, bytes, BLOCK, 0, 0), BLOCK);
    assert_int_equal(rig_read(&rig, handle, bytes, BLOCK, 0), BLOCK);
    assert_int_equal(rig_write(&rig, handle, bytes, BLOCK, 0, 0), ERR_NO_SPACE);
    assert_int_equal(rig_write(&rig, handle, bytes, BLOCK, 0, 0), BLOCK);
    assert_int_equal(sim_fail_seen(rig.sim, 0), 3);
    sim_fail_nth(rig.sim, 0, 1, SIM_FAIL_ANY, ERR_IO, true);
    assert_int_equal(rig_read(&rig, handle, bytes, BLOCK, 0), ERR_IO);
    assert_int_equal(rig_sync(&rig, handle), ERR_IO);
    sim_fail_nth(rig.sim, 0, 0, SIM_FAIL_ANY, ERR_IO, false);
    assert_int_equal(rig_sync(&rig, handle), 0);
    rig_close(&rig);
}

static void never_done(struct io_op *op)
{
    MAYBE(op->result);
    fail_msg("the callback of an operation in flight at the power cut ran");
}

/* What was in flight never calls back; after sim_reap() it does, with ERR_IO, and nothing reaches the disk. */
static void test_crash_stops_callbacks(void **state)
{
    struct sim_options options;
    struct rig         rig;
    struct io_op       op = {0};
    struct order       late = {0};
    int                next = 0;
    int                handle;

    MAYBE(state);
    sim_options_default(&options, 7);
    rig_open(&rig, &options);
    rig_durable_file(&rig, "a", 1, BLOCK);
    handle = rig_file(&rig, "a", IO_OPEN_WRITE | IO_OPEN_DIRECT);
    memset(bytes, 2, sizeof(bytes));
    io_write(rig.io, &op, (struct io_handle){handle}, view_of(bytes, BLOCK), 0, 0, never_done);
    sim_crash(rig.sim, 0, 1, SIM_CRASH_DROP);
    assert_int_equal(io_run(rig.io, io_now_ns(rig.io) + NS_PER_S), 0);
    rig_reboot(&rig);
    handle = rig_file(&rig, "a", IO_OPEN_WRITE | IO_OPEN_DIRECT);
    late.next = &next;
    io_write(rig.io, &late.op, (struct io_handle){handle}, view_of(bytes, BLOCK), 0, 0, order_done);
    sim_crash(rig.sim, 0, 1, SIM_CRASH_DROP);
    sim_reap(rig.sim, 0);
    io_wait(rig.io, &late.op);
    assert_int_equal(late.op.result, ERR_IO);
    assert_int_equal(rig_write(&rig, handle, bytes, BLOCK, 0, IO_WRITE_DURABLE), ERR_IO);
    rig_end(&rig, handle);
    rig_reboot(&rig);
    assert_true(rig_all(&rig, "a", 0, BLOCK, 1));
    rig_close(&rig);
}

struct ball {
    struct io_mail  mail;
    struct timer    timer;
    struct io_host *host;
    int             hops;
    int             fired;
};

static void ball_hop(struct io_mail *mail, struct io_shard *to)
{
    struct ball *ball = CONTAINER_OF(mail, struct ball, mail);

    if (++ball->hops < 100) {
        io_shard_send(to, (to->index + 1) % io_host_shard_count(ball->host), mail, ball_hop);
    }
}

static void ball_fire(struct timer *timer)
{
    CONTAINER_OF(timer, struct ball, timer)->fired++;
}

static bool ball_finished(void *context)
{
    const struct ball *ball = context;

    return ball->hops == 100 && ball->fired == 1;
}

/* Three cores on one thread: mail goes round, a timer of one second fires at its time. */
static void test_cores_take_turns(void **state)
{
    struct sim_options options;
    struct sim        *sim;
    struct io         *ios[3];
    struct ball        ball = {0};
    int64_t            start_ns;

    MAYBE(state);
    sim_options_default(&options, 8);
    sim = sim_create(&options);
    for (uint32_t i = 0; i < 3; i++) {
        ios[i] = sim_io(sim, 0, i);
    }
    ball.host = io_host_create(&(struct io_host_options){.core_count = 3,
                                                         .shard_count = 5,
                                                         .region_bytes_per_core = BUF_BYTES_MAX,
                                                         .budget_bytes_per_core = 8 * MIB},
                               ios);
    sim_add_host(sim, ball.host);
    start_ns = sim_now_ns(sim);
    timer_arm(io_host_shard(ball.host, 1)->timers, &ball.timer, start_ns + NS_PER_S, ball_fire);
    io_shard_send(io_host_shard(ball.host, 0), 1, &ball.mail, ball_hop);
    assert_true(sim_run_until(sim, ball_finished, &ball, 10 * NS_PER_S));
    assert_int_equal(sim_now_ns(sim), start_ns + NS_PER_S);
    assert_false(sim_step(sim)); /* nothing can happen any more */
    sim_remove_turn(sim, ball.host);
    io_host_destroy(ball.host);
    for (uint32_t i = 0; i < 3; i++) {
        io_destroy(ios[i]);
    }
    sim_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_moves_only_when_idle),
        cmocka_unit_test(test_same_seed_same_trace),
        cmocka_unit_test(test_completions_reorder),
        cmocka_unit_test(test_post_waits_for_the_next_turn),
        cmocka_unit_test(test_cut_at_each_change),
        cmocka_unit_test(test_cut_disarmed_on_its_way),
        cmocka_unit_test(test_fail_nth),
        cmocka_unit_test(test_crash_stops_callbacks),
        cmocka_unit_test(test_cores_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
