/* What jobs take of a shard's core and disk: the one that has used least comes first; while clients append, reads go
 * one at a time, and writes in groups with a rest between. */
#include "tests/support/unit.h"

#include "compute/job/job_pace.h"
#include "core/part/part_internal.h"
#include "tests/support/fake_io.h"

#define WORKERS 3
#define IOS     12

static struct {
    struct fake_io    fake;
    struct part_table parts; /* its counters only */
    struct job_pace   pace;
} rig;

struct worker {
    struct job_pace_worker pace;
    int64_t                costs_ns;
    uint32_t               turns;
    bool                   again;
};

struct pace_io {
    struct job_pace_io io;
    enum job_pace_lane lane;
    bool               gone;
    bool               ends_at_once;
};

static int rig_setup(void **state UNUSED)
{
    memset(&rig, 0, sizeof(rig));
    fake_io_init(&rig.fake);
    job__pace_init(&rig.pace, &rig.fake.shard, &rig.parts);
    return 0;
}

static int rig_teardown(void **state UNUSED)
{
    job__pace_deinit(&rig.pace);
    fake_io_deinit(&rig.fake);
    return 0;
}

/* --- turns ----------------------------------------------------------------------------------------------------------
 */

static void worker_turn(struct job_pace_worker *pace)
{
    struct worker *worker = CONTAINER_OF(pace, struct worker, pace);

    worker->turns++;
    job__pace_used(&rig.pace, pace, worker->costs_ns);
    if (worker->again) {
        job__pace_wake(&rig.pace, pace);
    }
}

static void workers_wake(struct worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        workers[i].pace.turn = worker_turn;
        workers[i].again = true;
        job__pace_wake(&rig.pace, &workers[i].pace);
    }
}

static void workers_stop(struct worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        workers[i].again = false;
    }
    fake_io_settle(&rig.fake);
}

static void one_turn_of_one_worker_a_turn_of_the_loop(void **state UNUSED)
{
    struct worker workers[WORKERS] = {{.costs_ns = NS_PER_MS}, {.costs_ns = NS_PER_MS}, {.costs_ns = NS_PER_MS}};

    workers_wake(workers, WORKERS);
    for (uint32_t i = 1; i <= 30; i++) {
        assert_int_equal(fake_io_turn(&rig.fake), 1);
        assert_int_equal(workers[0].turns + workers[1].turns + workers[2].turns, i);
    }
    workers_stop(workers, WORKERS);
}

/* Shares of time, not of turns. */
static void workers_share_the_core_fairly(void **state UNUSED)
{
    struct worker workers[2] = {{.costs_ns = 300 * NS_PER_US}, {.costs_ns = 100 * NS_PER_US}};

    workers_wake(workers, 2);
    for (int i = 0; i < 4000; i++) {
        (void)fake_io_turn(&rig.fake);
    }
    assert_in_range(workers[1].turns, workers[0].turns * 3 - 5, workers[0].turns * 3 + 5);
    workers_stop(workers, 2);
}

/* One that had nothing to do for long does not make up for it at the others' cost, but comes next. */
static void a_worker_that_slept_is_next_and_no_more(void **state UNUSED)
{
    struct worker  workers[2] = {{.costs_ns = NS_PER_MS}, {.costs_ns = NS_PER_MS}};
    const uint32_t ahead = PACE_CATCH_UP_NS / NS_PER_MS;
    uint32_t       before;

    workers_wake(workers, 1);
    for (int i = 0; i < 1000; i++) {
        (void)fake_io_turn(&rig.fake);
    }
    workers_wake(workers + 1, 1);
    (void)fake_io_turn(&rig.fake);
    assert_int_equal(workers[1].turns, 1);
    before = workers[0].turns;
    for (int i = 0; i < 100; i++) {
        (void)fake_io_turn(&rig.fake);
    }
    assert_in_range(workers[0].turns - before, (100 - ahead) / 2 - 2, 50);
    workers_stop(workers, 2);
}

/* --- disk -----------------------------------------------------------------------------------------------------------
 */

static void io_gone(struct job_pace_io *io)
{
    struct pace_io *own = CONTAINER_OF(io, struct pace_io, io);

    own->gone = true;
    if (own->ends_at_once) {
        job__pace_leave(&rig.pace, own->lane, io);
    }
}

static void ios_enter(struct pace_io *ios, size_t count, enum job_pace_lane lane, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        ios[i].io = (struct job_pace_io){.bytes = bytes, .go = io_gone};
        ios[i].lane = lane;
        job__pace_enter(&rig.pace, lane, &ios[i].io);
    }
}

static size_t ios_under_way(const struct pace_io *ios)
{
    size_t count = 0;

    for (size_t i = 0; i < IOS; i++) {
        count += ios[i].io.under_way;
    }
    return count;
}

static size_t ios_gone(const struct pace_io *ios)
{
    size_t count = 0;

    for (size_t i = 0; i < IOS; i++) {
        assert_true(i == 0 || !ios[i].gone || ios[i - 1].gone); /* in order */
        count += ios[i].gone;
    }
    return count;
}

/* Those under way come back. */
static void ios_end(struct pace_io *ios)
{
    bool under_way[IOS];

    for (size_t i = 0; i < IOS; i++) {
        under_way[i] = ios[i].io.under_way;
    }
    for (size_t i = 0; i < IOS; i++) {
        if (under_way[i]) {
            job__pace_leave(&rig.pace, ios[i].lane, &ios[i].io);
        }
    }
}

static void alone_everything_goes_at_once(void **state UNUSED)
{
    struct pace_io reads[IOS] = {0}, writes[IOS] = {0};

    ios_enter(reads, IOS, PACE_READS, MIB);
    ios_enter(writes, IOS, PACE_WRITES, MIB);
    assert_int_equal(ios_under_way(reads), IOS);
    assert_int_equal(ios_under_way(writes), IOS);
    ios_end(reads);
    ios_end(writes);
}

static void beside_clients_one_read_at_a_time(void **state UNUSED)
{
    struct pace_io reads[IOS] = {0};

    rig.parts.urgent.under_way = 1;
    reads[3].ends_at_once = true; /* from memory */
    ios_enter(reads, IOS, PACE_READS, PACE_READ_BYTES);
    for (size_t i = 1; i < IOS; i++) {
        assert_int_equal(ios_under_way(reads), 1);
        assert_int_equal(ios_gone(reads), i + (i > 3));
        ios_end(reads);
        if (i == IOS - 1) {
            break;
        }
    }
    ios_end(reads);
    assert_int_equal(ios_gone(reads), IOS);
}

/* Groups of 512 KiB; the disk is left alone for as long as the group took. */
static void beside_clients_writes_go_in_groups_with_rests(void **state UNUSED)
{
    const size_t   group = PACE_GROUP_BYTES / (128 * KIB);
    struct pace_io writes[IOS] = {0};

    rig.parts.urgent.under_way = 1;
    ios_enter(writes, IOS, PACE_WRITES, 128 * KIB);
    assert_int_equal(ios_gone(writes), group);
    fake_io_advance(&rig.fake, 2);
    ios_end(writes);
    assert_int_equal(ios_gone(writes), group);
    fake_io_advance(&rig.fake, 1);
    assert_int_equal(ios_gone(writes), group);
    fake_io_advance(&rig.fake, 1);
    assert_int_equal(ios_gone(writes), 2 * group);
    fake_io_advance(&rig.fake, 1000); /* a slow disk: the rest has an end */
    ios_end(writes);
    fake_io_advance(&rig.fake, PACE_REST_MAX_NS / NS_PER_MS);
    assert_int_equal(ios_gone(writes), 3 * group);
    ios_end(writes);
    assert_int_equal(ios_gone(writes), IOS);
}

/* The clients have gone: what waits does not wait for them. */
static void what_waits_goes_when_clients_are_through(void **state UNUSED)
{
    struct pace_io writes[IOS] = {0};

    rig.parts.urgent = (struct part_urgent){.under_way = 1, .count = 1};
    ios_enter(writes, IOS, PACE_WRITES, PACE_GROUP_BYTES);
    assert_int_equal(ios_gone(writes), 1);
    rig.parts.urgent.under_way = 0;
    assert_true(job__pace_urgent(&rig.pace)); /* the next may come soon */
    fake_io_advance(&rig.fake, PACE_URGENT_NS / NS_PER_MS);
    assert_false(job__pace_urgent(&rig.pace));
    ios_end(writes);
    assert_int_equal(ios_gone(writes), IOS);
    ios_end(writes);
    rig.parts.urgent.count++; /* one that came and went between two looks */
    assert_true(job__pace_urgent(&rig.pace));
}

static void what_is_forgotten_does_not_go(void **state UNUSED)
{
    struct pace_io reads[IOS] = {0};

    rig.parts.urgent.under_way = 1;
    ios_enter(reads, 3, PACE_READS, PACE_READ_BYTES);
    assert_false(job__pace_forget(&reads[0].io));
    assert_true(job__pace_forget(&reads[1].io));
    assert_false(job__pace_forget(&reads[1].io));
    job__pace_leave(&rig.pace, PACE_READS, &reads[0].io);
    assert_true(reads[2].gone && !reads[1].gone);
    job__pace_leave(&rig.pace, PACE_READS, &reads[2].io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_turn_of_one_worker_a_turn_of_the_loop, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(workers_share_the_core_fairly, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_slept_is_next_and_no_more, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(alone_everything_goes_at_once, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(beside_clients_one_read_at_a_time, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(beside_clients_writes_go_in_groups_with_rests, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_waits_goes_when_clients_are_through, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_is_forgotten_does_not_go, rig_setup, rig_teardown),
    };

    return cmocka_run_group_tests_name("job_pace", tests, NULL, NULL);
}
