/* A storm's seeds, one after the other; see storm_program.h. */
#include "tests/sim/storm_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FAILURES_MAX    5
#define SECONDS_DEFAULT 30

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
    program->run(seed, settings->verbose, settings->self_test, result);
    if (settings->self_test) {
        if (!result->has_occasion || result->failure[0] != '\0') {
            return false;
        }
        (void)fprintf(stderr, "FAIL seed %" PRIu64 ": %s, and nobody noticed\n", seed, program->planted);
        return true;
    }
    if (result->failure[0] == '\0') {
        return false;
    }
    (void)fprintf(stderr, "FAIL seed %" PRIu64 ": %s\n", seed, result->failure);
    print_replay();
    return true;
}

int storm_program_main(const struct storm_program *program, int argc, char **argv)
{
    struct settings     settings;
    struct storm_result result, again;
    uint64_t            runs = 0, failures = 0, occasions = 0;
    int64_t             deadline;
    int                 code = read_settings(program, argc, argv, &settings);

    if (code >= 0) {
        return code;
    }
    running_name = argv[0];
    check_set_reporter(print_replay);
    deadline = clock_seconds() + (int64_t)settings.seconds;
    for (uint64_t seed = settings.seed; failures < FAILURES_MAX && clock_seconds() < deadline &&
                                        (settings.seeds == 0 || seed < settings.seed + settings.seeds);
         seed++) {
        runs++;
        failures += run_failed(program, &settings, seed, &result);
        occasions += result.has_occasion;
        if (settings.twice) {
            failures += run_failed(program, &settings, seed, &again);
            if (again.trace != result.trace) {
                failures++;
                (void)fprintf(stderr, "FAIL seed %" PRIu64 ": two runs differ\n", seed);
            }
        }
    }
    (void)printf("%s: %" PRIu64 " seeds", program->name, runs);
    program->print_counts();
    (void)printf(", %" PRIu64 " failed\n", failures);
    if (runs == 0 || (settings.self_test && occasions == 0)) {
        (void)fprintf(stderr, "FAIL: %s\n", runs == 0 ? "nothing was run" : "no run could notice what was planted");
        return 1;
    }
    return failures == 0 ? 0 : 1;
}
