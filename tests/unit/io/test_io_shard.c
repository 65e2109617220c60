/* Cores and mailboxes on io_uring: two to four threads that send mail in circles, fill each other's rings, sleep and
 * wake. The program is also built with the thread sanitizer (row test_io_shard_tsan). */
#define _GNU_SOURCE 1

#include "tests/support/unit.h"

#include "io/io_shard.h"
#include "io/uring/uring.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#define CORES_MAX  4
#define MAIL_COUNT (IO_MAILBOX_SLOTS * 3) /* more than a ring holds */

/* --- rig -----------------------------------------------------------------------------------------------------------
 */

struct rig;
typedef void start_fn(struct rig *rig, struct io_shard *shard);

struct rig {
    struct io      *ios[CORES_MAX];
    struct io_host *host;
    pthread_t       threads[CORES_MAX];
    int             results[CORES_MAX];
    uint32_t        core_count;
    struct core_start {
        struct rig    *rig;
        uint32_t       core;
        struct io_mail mail;
    } starts[CORES_MAX];
    start_fn *start;   /* run on each core's first shard */
    uint32_t  running; /* atomic: cores that have not finished */
};

static void *core_thread(void *argument)
{
    struct core_start *start = argument;

    start->rig->results[start->core] = io_core_run(io_host_core(start->rig->host, start->core));
    return NULL;
}

static void start_delivered(struct io_mail *mail, struct io_shard *to)
{
    struct core_start *start = CONTAINER_OF(mail, struct core_start, mail);

    start->rig->start(start->rig, to);
}

static void rig_start(struct rig *rig, uint32_t core_count, uint32_t shard_count, start_fn *start)
{
    struct uring_failure   why = {0};
    struct io_host_options options = {.core_count = core_count,
                                      .shard_count = shard_count,
                                      .region_bytes_per_core = BUF_BYTES_MAX,
                                      .budget_bytes_per_core = BUF_BYTES_MAX};

    *rig = (struct rig){.core_count = core_count, .start = start, .running = core_count};
    for (uint32_t i = 0; i < core_count; i++) {
        assert_int_equal(
            uring_create(&(struct uring_options){.entries = 64, .ring_count = core_count}, &rig->ios[i], &why), 0);
    }
    rig->host = io_host_create(&options, rig->ios);
    assert_int_equal(io_host_core_count(rig->host), core_count);
    assert_int_equal(io_host_shard_count(rig->host), shard_count);
    for (uint32_t i = 0; i < core_count; i++) {
        rig->starts[i].core = i;
        rig->starts[i].rig = rig;
        io_shard_send(io_host_shard(rig->host, i), i, &rig->starts[i].mail, start_delivered);
    }
    for (uint32_t i = 0; i < core_count; i++) {
        assert_int_equal(pthread_create(&rig->threads[i], NULL, core_thread, &rig->starts[i]), 0);
    }
}

/* A core has seen all it wanted; the last one stops everybody. */
static void rig_core_done(struct rig *rig)
{
    if (__atomic_sub_fetch(&rig->running, 1, __ATOMIC_SEQ_CST) == 0) {
        for (uint32_t i = 0; i < rig->core_count; i++) {
            io_core_stop(io_host_core(rig->host, i));
        }
    }
}

static void rig_join(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->core_count; i++) {
        assert_int_equal(pthread_join(rig->threads[i], NULL), 0);
        assert_int_equal(rig->results[i], 0);
    }
    io_host_destroy(rig->host);
    for (uint32_t i = 0; i < rig->core_count; i++) {
        io_destroy(rig->ios[i]);
    }
}

/* --- flood: every shard sends MAIL_COUNT mails at once to every other and counts what comes, in order ------------ */

struct flood_mail {
    struct io_mail mail;
    uint64_t       number;
};

struct flood_core {
    struct flood_mail *mails; /* [to][number] */
    uint64_t           next_from[CORES_MAX];
    uint64_t           received;
    uint64_t           returned;
};

static struct rig        flood_rig;
static struct flood_core flood_cores[CORES_MAX];

static void flood_check_done(struct flood_core *core)
{
    uint64_t wanted = (uint64_t)flood_rig.core_count * MAIL_COUNT;

    if (core->received == wanted && core->returned == wanted) {
        rig_core_done(&flood_rig);
    }
}

static void flood_returned(struct io_mail *mail, struct io_shard *to)
{
    struct flood_core *core = &flood_cores[to->index];

    CHECK(mail->to_shard == to->index);
    core->returned++;
    flood_check_done(core);
}

static void flood_arrived(struct io_mail *mail, struct io_shard *to)
{
    struct flood_core *core = &flood_cores[to->index];
    struct flood_mail *flood = CONTAINER_OF(mail, struct flood_mail, mail);
    uint32_t           from = mail->from_shard;

    CHECK(flood->number == core->next_from[from]); /* in sending order */
    core->next_from[from]++;
    core->received++;
    io_shard_send(to, from, mail, flood_returned); /* the same struct goes back as the answer */
    flood_check_done(core);
}

static void flood_start(struct rig *rig, struct io_shard *shard)
{
    struct flood_core *core = &flood_cores[shard->index];

    for (uint32_t to = 0; to < rig->core_count; to++) {
        for (uint64_t i = 0; i < MAIL_COUNT; i++) {
            struct flood_mail *flood = &core->mails[to * MAIL_COUNT + i];

            flood->number = i;
            io_shard_send(shard, to, &flood->mail, flood_arrived);
        }
    }
}

static void run_flood(uint32_t core_count)
{
    memset(flood_cores, 0, sizeof(flood_cores));
    for (uint32_t i = 0; i < core_count; i++) {
        flood_cores[i].mails = mem_alloc(MEM_TEST, core_count * MAIL_COUNT * sizeof(struct flood_mail));
    }
    rig_start(&flood_rig, core_count, core_count, flood_start);
    rig_join(&flood_rig);
    for (uint32_t i = 0; i < core_count; i++) {
        assert_int_equal(flood_cores[i].received, (uint64_t)core_count * MAIL_COUNT);
        mem_free(MEM_TEST, flood_cores[i].mails);
    }
}

static void test_flood(void **state UNUSED)
{
    for (uint32_t core_count = 1; core_count <= CORES_MAX; core_count++) {
        run_flood(core_count);
    }
}

/* --- ring: one mail travels round all shards; every core sleeps in between --------------------------------------- */

#define RING_HOPS 4000

static struct rig     ring_rig;
static struct io_mail ring_mail;
static uint64_t       ring_hops;

static void ring_arrived(struct io_mail *mail, struct io_shard *to)
{
    ring_hops++; /* only who holds the mail touches it */
    if (ring_hops == RING_HOPS) {
        for (uint32_t i = 0; i < ring_rig.core_count; i++) {
            io_core_stop(io_host_core(ring_rig.host, i));
        }
        return;
    }
    io_shard_send(to, (to->index + 1) % io_host_shard_count(ring_rig.host), mail, ring_arrived);
}

static void ring_start(struct rig *rig UNUSED, struct io_shard *shard)
{
    if (shard->index == 0) {
        io_shard_send(shard, 1, &ring_mail, ring_arrived);
    }
}

static void test_ring(void **state UNUSED)
{
    for (uint32_t core_count = 2; core_count <= CORES_MAX; core_count++) {
        ring_hops = 0;
        ring_mail = (struct io_mail){0};
        rig_start(&ring_rig, core_count, core_count + 3, ring_start); /* several shards on some cores */
        rig_join(&ring_rig);
        assert_int_equal(ring_hops, RING_HOPS);
    }
}

/* --- timers, and an idle core uses no CPU ------------------------------------------------------------------------ */

#define TICKS 20

static struct rig   tick_rig;
static struct timer tick_timer;
static uint32_t     tick_count;

static struct timer_heap *tick_heap(void)
{
    return io_host_shard(tick_rig.host, 0)->timers;
}

static void tick(struct timer *timer)
{
    if (++tick_count == TICKS) {
        rig_core_done(&tick_rig);
        return;
    }
    timer_arm(tick_heap(), timer, timer->deadline_ns + 10 * NS_PER_MS, tick);
}

static void tick_start(struct rig *rig UNUSED, struct io_shard *shard)
{
    timer_arm(shard->timers, &tick_timer, io_now_ns(shard->io) + 10 * NS_PER_MS, tick);
}

static int64_t cpu_used_ns(void)
{
    struct timespec used = {0};

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return (int64_t)used.tv_sec * NS_PER_S + used.tv_nsec;
}

static void test_timers_and_idle(void **state UNUSED)
{
    int64_t before_ns;

    tick_count = 0;
    rig_start(&tick_rig, 1, 1, tick_start);
    before_ns = cpu_used_ns();
    rig_join(&tick_rig);
    assert_int_equal(tick_count, TICKS);
    assert_true(cpu_used_ns() - before_ns < 50 * NS_PER_MS); /* of the 200 ms: it slept */
}

/* --- mail from threads that are no core ------------------------------------------------------------------------- */

#define INJECTORS    3
#define INJECT_COUNT 2000

static struct rig inject_rig;
static struct injector {
    pthread_t         thread;
    struct flood_mail mails[INJECT_COUNT];
    uint64_t          next; /* its shard's: the number that comes */
} injectors[INJECTORS];
static uint64_t inject_received[CORES_MAX]; /* each its core's */

static void inject_start(struct rig *rig UNUSED, struct io_shard *shard UNUSED)
{
}

static void inject_arrived(struct io_mail *mail, struct io_shard *to)
{
    struct flood_mail *flood = CONTAINER_OF(mail, struct flood_mail, mail);
    struct injector   *from = &injectors[flood->number / INJECT_COUNT];

    CHECK(mail->to_shard == to->index);
    CHECK(flood->number % INJECT_COUNT == from->next); /* in the thread's order */
    from->next++;
    if (++inject_received[to->index] == INJECT_COUNT) {
        rig_core_done(&inject_rig);
    }
}

/* Pauses now and then, so that its core falls asleep. */
static void *inject_thread(void *argument)
{
    struct injector *injector = argument;
    uint64_t         self = (uint64_t)(injector - injectors);
    struct timespec  pause = {.tv_nsec = 200000};

    for (uint64_t i = 0; i < INJECT_COUNT; i++) {
        injector->mails[i].number = self * INJECT_COUNT + i;
        io_shard_inject(io_host_shard(inject_rig.host, (uint32_t)self), &injector->mails[i].mail, inject_arrived);
        if (i % 100 == 0) {
            (void)nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

/* Three threads to three cores; then, with fewer cores than shards, to one core together. */
static void run_inject(uint32_t core_count)
{
    memset(injectors, 0, sizeof(injectors));
    memset(inject_received, 0, sizeof(inject_received));
    rig_start(&inject_rig, core_count, INJECTORS, inject_start);
    __atomic_store_n(&inject_rig.running, INJECTORS, __ATOMIC_SEQ_CST);
    for (int i = 0; i < INJECTORS; i++) {
        assert_int_equal(pthread_create(&injectors[i].thread, NULL, inject_thread, &injectors[i]), 0);
    }
    for (int i = 0; i < INJECTORS; i++) {
        assert_int_equal(pthread_join(injectors[i].thread, NULL), 0);
    }
    rig_join(&inject_rig);
    for (int i = 0; i < INJECTORS; i++) {
        assert_int_equal(injectors[i].next, INJECT_COUNT);
    }
}

static void test_inject(void **state UNUSED)
{
    run_inject(INJECTORS);
    run_inject(1);
}

/* --- one thread, by turns, as the simulator does it -------------------------------------------------------------- */

static uint32_t turn_seen;

static void turn_arrived(struct io_mail *mail UNUSED, struct io_shard *to UNUSED)
{
    turn_seen++;
}

static void test_turns(void **state UNUSED)
{
    struct uring_failure   why = {0};
    struct io             *ios[2];
    struct io_host_options options = {
        .core_count = 2, .shard_count = 4, .region_bytes_per_core = 1, .budget_bytes_per_core = 1};
    struct io_host *host;
    struct io_mail  mails[5] = {0};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(uring_create(&(struct uring_options){.entries = 32}, &ios[i], &why), 0);
    }
    host = io_host_create(&options, ios);
    assert_ptr_equal(io_host_shard(host, 3)->core, io_host_core(host, 1));
    assert_ptr_equal(io_host_shard(host, 2)->core, io_host_core(host, 0));
    turn_seen = 0;
    io_shard_send(io_host_shard(host, 0), 1, &mails[0], turn_arrived); /* other core */
    io_shard_send(io_host_shard(host, 0), 2, &mails[1], turn_arrived); /* same core, other shard */
    io_shard_send(io_host_shard(host, 0), 0, &mails[2], turn_arrived); /* itself */
    assert_int_equal(turn_seen, 0);
    assert_int_equal(io_core_turn(io_host_core(host, 0), 0), 2);
    assert_int_equal(turn_seen, 2);
    assert_int_equal(io_core_turn(io_host_core(host, 1), 0), 1);
    assert_int_equal(turn_seen, 3);
    assert_int_equal(io_core_turn(io_host_core(host, 1), 0), 0);
    io_shard_inject(io_host_shard(host, 3), &mails[3], turn_arrived); /* by hand, as a foreign thread would */
    io_shard_inject(io_host_shard(host, 1), &mails[4], turn_arrived);
    assert_int_equal(turn_seen, 3);
    assert_int_equal(io_core_turn(io_host_core(host, 0), 0), 0);
    assert_int_equal(io_core_turn(io_host_core(host, 1), NS_PER_S), 2); /* does not fall asleep over them */
    assert_int_equal(turn_seen, 5);
    assert_int_equal(io_core_turn(io_host_core(host, 0), NS_PER_MS), 0); /* sleeps for a millisecond */
    io_host_destroy(host);
    io_destroy(ios[0]);
    io_destroy(ios[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),  cmocka_unit_test(test_flood),           cmocka_unit_test(test_ring),
        cmocka_unit_test(test_inject), cmocka_unit_test(test_timers_and_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
