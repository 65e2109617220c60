/* A storm's seeds, one after the other; see storm_program.h. */
#include "tests/sim/storm_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FAILURES_MAX    5
#define SECONDS_DEFAULT 30
#define PLANT_SEEDS     10  /* of a self test, if nothing else is said */
#define PLANT_TRIES     100 /* so many times that, until there is an occasion */

struct settings {
    uint64_t seed, seeds /* 0: until time is up */, seconds;
    bool     verbose, twice, self_test;
};

static const char *running_name;
static uint64_t    running_seed;

static void print_replay(void)
{
    (void)fprintf(stderr, "  replay: %s --seed %" PRIu64 " --seeds 1 --verbose\n", running_name, running_seed);
}

static int64_t clock_seconds(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec;
}

static bool number_option(int argc, char **argv, int *at, const char *name, uint64_t *out_value)
{
    if (strcmp(argv[*at], name) != 0 || *at + 1 >= argc) {
        return false;
    }
    *out_value = strtoull(argv[++*at], NULL, 0);
    return true;
}

/* -1: go on; else the exit code. */
static int read_settings(const struct storm_program *program, int argc, char **argv, struct settings *settings)
{
    const char *seconds = getenv("STORM_SECONDS");

    *settings = (struct settings){.seed = 1, .seconds = SECONDS_DEFAULT};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            settings->verbose = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            settings->twice = true;
        } else if (strcmp(argv[i], "--self-test") == 0 && program->planted != NULL) {
            settings->self_test = true;
        } else if (!number_option(argc, argv, &i, "--seed", &settings->seed) &&
                   !number_option(argc, argv, &i, "--seeds", &settings->seeds) &&
                   !number_option(argc, argv, &i, "--seconds", &settings->seconds)) {
            (void)printf("%s [--seed N] [--seeds N] [--seconds N] [--twice]%s [--verbose]\n", program->name,
                         program->planted == NULL ? "" : " [--self-test]");
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        }
    }
    if (seconds != NULL && !settings->self_test && !settings->twice) {
        settings->seconds = strtoull(seconds, NULL, 10);
    }
    return -1;
}

static bool run_failed(const struct storm_program *program, const struct settings *settings, uint64_t seed,
                       struct storm_result *result)
{
    *result = (struct storm_result){0};
    running_seed = seed;
    program->run(seed, settings->verbose, 0, result);
    if (result->failure[0] == '\0') {
        return false;
    }
    (void)fprintf(stderr, "FAIL seed %" PRIu64 ": %s\n", seed, result->failure);
    print_replay();
    return true;
}

struct counts {
    uint64_t runs, failures;
};

static void run_seeds(const struct storm_program *program, const struct settings *settings, struct counts *counts)
{
    int64_t             deadline = clock_seconds() + (int64_t)settings->seconds;
    struct storm_result result, again;

    for (uint64_t seed = settings->seed; counts->failures < FAILURES_MAX && clock_seconds() < deadline &&
                                         (settings->seeds == 0 || seed < settings->seed + settings->seeds);
         seed++) {
        counts->runs++;
        counts->failures += run_failed(program, settings, seed, &result);
        if (settings->twice) {
            counts->failures += run_failed(program, settings, seed, &again);
            if (again.trace != result.trace) {
                counts->failures++;
                (void)fprintf(stderr, "FAIL seed %" PRIu64 ": two runs differ\n", seed);
            }
        }
    }
}

/* --- the self test -------------------------------------------------------------------------------------------------
 */

/* The seeds, and more of them until there was an occasion. */
static void run_plant(const struct storm_program *program, const struct settings *settings, uint32_t plant,
                      struct counts *counts)
{
    uint64_t seeds = settings->seeds == 0 ? PLANT_SEEDS : settings->seeds, occasions = 0;

    for (uint64_t i = 0; i < seeds || (occasions == 0 && i < seeds * PLANT_TRIES); i++) {
        struct storm_result result = {0};

        running_seed = settings->seed + i;
        counts->runs++;
        program->run(running_seed, settings->verbose, plant, &result);
        occasions += result.has_occasion;
        if (settings->verbose && result.failure[0] != '\0') {
            (void)printf("seed %" PRIu64 " finds that %s: %s\n", running_seed, program->planted[plant - 1],
                         result.failure);
        }
        if (result.has_occasion && result.failure[0] == '\0') {
            counts->failures++;
            (void)fprintf(stderr, "FAIL seed %" PRIu64 ": %s, and nobody noticed\n", running_seed,
                          program->planted[plant - 1]);
        }
    }
    if (occasions == 0) {
        counts->failures++;
        (void)fprintf(stderr, "FAIL: no run could notice that %s\n", program->planted[plant - 1]);
    }
}

int storm_program_main(const struct storm_program *program, int argc, char **argv)
{
    struct settings settings;
    struct counts   counts = {0};
    int             code = read_settings(program, argc, argv, &settings);

    if (code >= 0) {
        return code;
    }
    running_name = argv[0];
    check_set_reporter(print_replay);
    if (settings.self_test) {
        for (uint32_t plant = 1; program->planted[plant - 1] != NULL; plant++) {
            run_plant(program, &settings, plant, &counts);
        }
    } else {
        run_seeds(program, &settings, &counts);
    }
    (void)printf("%s: %" PRIu64 " seeds", program->name, counts.runs);
    program->print_counts();
    (void)printf(", %" PRIu64 " failed\n", counts.failures);
    if (counts.runs == 0) {
        (void)fprintf(stderr, "FAIL: nothing was run\n");
    }
    return counts.runs > 0 && counts.failures == 0 ? 0 : 1;
}
