/* jobrun: streaming jobs, exactly once, on whole brokers in the simulated world.
 *
 *   jobrun --seconds 30                     as many seeds as fit, from 1 on
 *   jobrun --seed 7 --seeds 1 --verbose     one run: what a failure prints to be replayed
 *   jobrun --twice                          each seed twice: the same trace
 *   jobrun --self-test                      readers that know nothing of aborted transactions: every run with some must
 *                                           find it */
#include "tests/sim/job_storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FAILURES_MAX 5

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

struct tally {
    uint64_t runs, failures, rows, sums, checks, aborted, cuts;
};

static uint64_t run_seed(uint64_t seed, bool verbose, bool blind, struct tally *tally)
{
    struct job_storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));
    uint64_t          hash;

    running_seed = seed;
    hash = job_storm_run(storm, seed, verbose, blind);
    tally->runs++;
    tally->rows += storm->rows;
    tally->sums += storm->sums;
    tally->checks += storm->checks;
    tally->aborted += storm->aborted_rows;
    tally->cuts += storm->cuts;
    if (blind) {
        if (voice_ok(&storm->voice) && storm->aborted_rows > 0) {
            tally->failures++;
            (void)fprintf(stderr, "FAIL seed %" PRIu64 ": aborted records were read, and nobody noticed\n", seed);
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
    struct tally tally = {0};
    uint64_t     first = 1, seeds = 0, seconds = 30;
    bool         verbose = false, twice = false, blind = false;
    int64_t      deadline;

    if (getenv("SIM_SECONDS") != NULL) {
        seconds = strtoull(getenv("SIM_SECONDS"), NULL, 10);
    }
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            twice = true;
        } else if (strcmp(argv[i], "--self-test") == 0) {
            blind = true;
        } else if (!number_option(argc, argv, &i, "--seed", &first) &&
                   !number_option(argc, argv, &i, "--seeds", &seeds) &&
                   !number_option(argc, argv, &i, "--seconds", &seconds)) {
            (void)printf("jobrun [--seed N] [--seeds N] [--seconds N] [--twice] [--self-test] [--verbose]\n");
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        }
    }
    check_set_reporter(print_replay);
    deadline = clock_seconds() + (int64_t)seconds;
    for (uint64_t seed = first;
         tally.failures < FAILURES_MAX && clock_seconds() < deadline && (seeds == 0 || seed < first + seeds); seed++) {
        uint64_t hash = run_seed(seed, verbose, blind, &tally);

        if (twice && run_seed(seed, verbose, blind, &tally) != hash) {
            tally.failures++;
            (void)fprintf(stderr, "FAIL seed %" PRIu64 ": two runs differ\n", seed);
        }
    }
    (void)printf("jobs: %" PRIu64 " runs, %" PRIu64 " bids copied, %" PRIu64 " sums read, %" PRIu64 " checks, %" PRIu64
                 " aborted batches, %" PRIu64 " power cuts, %" PRIu64 " failed\n",
                 tally.runs, tally.rows, tally.sums, tally.checks, tally.aborted, tally.cuts, tally.failures);
    return tally.failures == 0 ? 0 : 1;
}
