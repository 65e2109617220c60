/* brokerrun: whole brokers in the simulated world.
 *
 *   brokerrun --seconds 30            as many seeds as fit, from 1 on
 *   brokerrun --seed 7 --seeds 1 --verbose     one run: what a failure prints to be replayed
 *   brokerrun --twice                 each seed twice: the same trace
 *   brokerrun --self-test             records are taken off the disk: every run must find it */
#include "tests/sim/broker_storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FAILURES_MAX 5

struct settings {
    uint64_t seed;
    uint64_t seeds; /* 0: until time is up */
    int64_t  seconds;
    bool     verbose;
    bool     twice;
    bool     self_test;
};

struct tally {
    uint64_t runs, failures, acked, seen, changes, cuts, resets;
};

static const char *program;
static uint64_t    running_seed;

static void print_replay(void)
{
    (void)fprintf(stderr, "  replay: %s --seed %" PRIu64 " --seeds 1 --verbose\n", program, running_seed);
}

static int64_t clock_seconds(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec;
}

static uint64_t run_seed(const struct settings *settings, uint64_t seed, struct tally *tally)
{
    struct broker_storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));
    uint64_t             hash;

    running_seed = seed;
    hash = broker_storm_run(storm, seed, settings->verbose, settings->self_test);
    tally->runs++;
    tally->acked += storm->acked_batches;
    tally->seen += storm->seen_records;
    tally->changes += storm->admin_changes;
    tally->cuts += storm->cuts;
    tally->resets += storm->resets;
    if (settings->self_test) {
        tally->failures += voice_ok(&storm->voice);
        if (voice_ok(&storm->voice)) {
            (void)fprintf(stderr, "FAIL seed %" PRIu64 ": nothing was found missing\n", seed);
        }
    } else if (!voice_ok(&storm->voice)) {
        tally->failures++;
        (void)fprintf(stderr, "FAIL seed %" PRIu64 ": %s\n", seed, storm->voice.failure);
        print_replay();
    }
    mem_free(MEM_TEST, storm);
    return hash;
}

static bool number_option(int argc, char **argv, int *at, const char *name, uint64_t *out_value)
{
    if (strcmp(argv[*at], name) != 0 || *at + 1 >= argc) {
        return false;
    }
    *out_value = strtoull(argv[++*at], NULL, 0);
    return true;
}

int main(int argc, char **argv)
{
    struct settings settings = {.seed = 1};
    struct tally    tally = {0};
    uint64_t        seconds = 30;
    int64_t         deadline;

    if (getenv("SIM_SECONDS") != NULL) {
        seconds = strtoull(getenv("SIM_SECONDS"), NULL, 10);
    }
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            settings.verbose = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            settings.twice = true;
        } else if (strcmp(argv[i], "--self-test") == 0) {
            settings.self_test = true;
        } else if (!number_option(argc, argv, &i, "--seed", &settings.seed) &&
                   !number_option(argc, argv, &i, "--seeds", &settings.seeds) &&
                   !number_option(argc, argv, &i, "--seconds", &seconds)) {
            (void)printf("brokerrun [--seed N] [--seeds N] [--seconds N] [--twice] [--self-test] [--verbose]\n");
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        }
    }
    check_set_reporter(print_replay);
    deadline = clock_seconds() + (int64_t)seconds;
    for (uint64_t seed = settings.seed; tally.failures < FAILURES_MAX && clock_seconds() < deadline &&
                                        (settings.seeds == 0 || seed < settings.seed + settings.seeds);
         seed++) {
        uint64_t hash = run_seed(&settings, seed, &tally);

        if (settings.twice && run_seed(&settings, seed, &tally) != hash) {
            tally.failures++;
            (void)fprintf(stderr, "FAIL seed %" PRIu64 ": two runs differ\n", seed);
        }
    }
    (void)printf("brokers: %" PRIu64 " runs, %" PRIu64 " batches acknowledged, %" PRIu64 " records seen, %" PRIu64
                 " changes, %" PRIu64 " power cuts, %" PRIu64 " lost connections, %" PRIu64 " failed\n",
                 tally.runs, tally.acked, tally.seen, tally.changes, tally.cuts, tally.resets, tally.failures);
    return tally.failures == 0 ? 0 : 1;
}
