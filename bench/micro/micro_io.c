/* micro_io.c: mail between two cores on io_uring, there and back, with `size` mails under way: 1 shows what waking a
 * sleeping core costs, many show the rings alone. */
#define _GNU_SOURCE 1
#include "bench/micro/micro.h"
#include "core/base/check.h"
#include "io/io_shard.h"
#include "io/uring/uring.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAIL_CORES   2
#define MAIL_WAIT_NS (100 * NS_PER_MS)

struct mail {
    struct io_mail     mail;
    struct mail_state *state;
};

struct mail_state {
    struct io      *ios[MAIL_CORES];
    struct io_host *host;
    pthread_t       peer;
    int             peer_cpu;
    struct mail    *mails;
    uint64_t        back, wanted, sent;
};

static void *peer_thread(void *argument)
{
    struct mail_state *state = argument;
    cpu_set_t          set;

    CPU_ZERO(&set); /* another CPU than the first core's, where there is one: the whole program may be tied to that */
    CPU_SET((size_t)state->peer_cpu, &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    CHECK(io_core_run(io_host_core(state->host, 1)) == ERR_OK);
    return NULL;
}

static void mail_here(struct io_mail *mail, struct io_shard *to);

static void mail_there(struct io_mail *mail, struct io_shard *to)
{
    io_shard_send(to, 0, mail, mail_here);
}

static void mail_here(struct io_mail *mail, struct io_shard *to)
{
    struct mail_state *state = CONTAINER_OF(mail, struct mail, mail)->state;

    state->back++;
    if (state->sent < state->wanted) {
        state->sent++;
        io_shard_send(to, 1, mail, mail_there);
    }
    if (state->back == state->wanted) {
        io_wake(state->ios[0]); /* or the turn that delivers the last one would go to sleep */
    }
}

static void mail_prepare(struct micro *micro, int64_t kind)
{
    struct mail_state     *state = mem_alloc(MEM_TEST, sizeof(*state));
    struct uring_failure   why = {0};
    struct io_host_options options = {.core_count = MAIL_CORES,
                                      .shard_count = MAIL_CORES,
                                      .region_bytes_per_core = BUF_BYTES_MAX,
                                      .budget_bytes_per_core = BUF_BYTES_MAX};

    MAYBE(kind == 0);
    for (int i = 0; i < MAIL_CORES; i++) {
        if (uring_create(&(struct uring_options){.entries = 64, .ring_count = MAIL_CORES}, &state->ios[i], &why) !=
            ERR_OK) {
            (void)fprintf(stderr, "micro: %s: %s\n", why.call, why.text);
            exit(1);
        }
    }
    state->host = io_host_create(&options, state->ios);
    state->mails = mem_alloc(MEM_TEST, (size_t)micro->size * sizeof(struct mail));
    for (int64_t i = 0; i < micro->size; i++) {
        state->mails[i].state = state;
    }
    state->peer_cpu = (int)((sched_getcpu() + 1) % sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(pthread_create(&state->peer, NULL, peer_thread, state) == 0);
    micro->items_per_turn = 2;
    micro->state = state;
}

static void mail_run(struct micro *micro, uint64_t turns)
{
    struct mail_state *state = micro->state;

    state->wanted += turns;
    for (int64_t i = 0; i < micro->size && state->sent < state->wanted; i++) {
        state->sent++;
        io_shard_send(io_host_shard(state->host, 0), 1, &state->mails[i].mail, mail_there);
    }
    while (state->back < state->wanted) {
        CHECK(io_core_turn(io_host_core(state->host, 0), MAIL_WAIT_NS) >= 0);
    }
}

static void mail_finish(struct micro *micro)
{
    struct mail_state *state = micro->state;

    io_core_stop(io_host_core(state->host, 1));
    CHECK(pthread_join(state->peer, NULL) == 0);
    io_host_destroy(state->host);
    for (int i = 0; i < MAIL_CORES; i++) {
        io_destroy(state->ios[i]);
    }
    mem_free(MEM_TEST, state->mails);
    mem_free(MEM_TEST, state);
}

const struct micro_row micro_io_rows[] = {
    {"mailbox/round_trip", MICRO_REAL_TIME, {1, 16, 256}, mail_prepare, mail_run, mail_finish},
    {NULL, 0, {0}, NULL, NULL, NULL},
};
