/* simrun: crash tests of the store in the simulated world.
 *
 *   simrun                            every case, a bounded selection of seeds and points
 *   simrun --seconds 600 --seed 7     as many as fit, from seed 7 on
 *   simrun --part 2/3                 the second of every three cases
 *   (SIM_SECONDS, SIM_SEED and SIM_SEEDS in the environment do the same)
 *   simrun --self-test                each planted fault must be found
 *   simrun --case cuts --seed 3 --point 120 --verbose     one run: what a failure prints to be replayed */
#include "tests/sim/storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SEEDS_PER_SEED_OF_POINTS 100U
#define SEEDS_PER_SEED_OF_REUSE  4U  /* the same cases once more, with longer lives */
#define RUNS_THAT_REUSE          20  /* by then some file must have been used again */
#define POINTS_MAX               400 /* of one seed, unless there is much time */

struct settings {
    const char *program;
    const char *only_case;
    unsigned    part, parts; /* this one, from 1 on, of so many */
    uint64_t    seed;
    uint64_t    point;
    bool        point_given;
    uint64_t    seeds;        /* per case, a hundredth of it where each has hundreds of points; 0: until time is up */
    int64_t     seconds;      /* for all cases together */
    uint64_t    failures_max; /* then the case ends */
    bool        verbose;
    bool        trace;     /* every disk operation, too */
    bool        twice;     /* each run twice: the same trace */
    bool        self_test; /* failures are what is wanted */
};

struct tally {
    uint64_t runs;
    uint64_t acked;
    uint64_t recycled;
    uint64_t failures;
    uint64_t trace; /* of the last run */
};

static struct {
    const struct settings   *settings;
    const struct storm_case *test;
    uint64_t                 seed;
    uint64_t                 point;
} running;

static void print_replay(void)
{
    (void)fprintf(stderr, "  replay: %s --case %s --seed %" PRIu64 " --point %" PRIu64 " --verbose\n",
                  running.settings->program, running.test->name, running.seed, running.point);
}

static int64_t clock_seconds(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec;
}

static void report_failure(const struct settings *settings, const struct storm_case *test, const char *what,
                           struct tally *tally)
{
    tally->failures++;
    if (settings->self_test) {
        (void)printf("%-8s found after %" PRIu64 " runs: %s\n", test->name, tally->runs, what);
        return;
    }
    (void)fprintf(stderr, "FAIL %s seed %" PRIu64 " point %" PRIu64 ": %s\n", test->name, running.seed, running.point,
                  what);
    print_replay();
}

/* One run: the trace hash; *out_points when point is 0. */
static uint64_t run_once(const struct settings *settings, const struct storm_case *test, uint64_t seed, uint64_t point,
                         struct tally *tally, uint64_t *out_points)
{
    struct storm_options options = test->options;
    struct storm        *storm = mem_alloc(MEM_TEST, sizeof(*storm));
    uint64_t             hash;

    running.test = test;
    running.seed = seed;
    running.point = point;
    options.seed = seed;
    options.verbose = settings->verbose;
    options.trace = settings->trace;
    storm_create(storm, &options);
    *out_points = test->run(storm, point);
    tally->runs++;
    tally->acked += storm->acked_count;
    tally->recycled += storm->recycled_count;
    if (!storm_ok(storm)) {
        report_failure(settings, test, storm->failure, tally);
    }
    hash = sim_trace_hash(storm->sim);
    tally->trace = hash;
    storm_destroy(storm);
    mem_free(MEM_TEST, storm);
    return hash;
}

static uint64_t run_point(const struct settings *settings, const struct storm_case *test, uint64_t seed, uint64_t point,
                          struct tally *tally)
{
    uint64_t points = 0;
    uint64_t again = 0;
    uint64_t hash = run_once(settings, test, seed, point, tally, &points);

    if (settings->twice && run_once(settings, test, seed, point, tally, &again) != hash) {
        report_failure(settings, test, "two runs differ", tally);
    }
    return points;
}

/* All points of one seed when there is time for them; else a stride that touches the whole run. */
static void run_seed(const struct settings *settings, const struct storm_case *test, uint64_t seed, uint64_t points_max,
                     int64_t deadline, struct tally *tally)
{
    uint64_t points = run_point(settings, test, seed, 0, tally);
    uint64_t stride = MAX(UINT64_C(1), points / points_max);

    if (stride > 1 && stride % SIM_CUT_WHEN_COUNT == 0) {
        stride++; /* so that all of before, during and after come up */
    }
    for (uint64_t point = 1 + seed % stride; point <= points && clock_seconds() < deadline; point += stride) {
        (void)run_point(settings, test, seed, point, tally);
        if (tally->failures >= settings->failures_max) {
            return;
        }
    }
}

static void run_case(const struct settings *settings, const struct storm_case *test, int64_t deadline,
                     struct tally *tally)
{
    uint64_t seed = settings->seed;
    uint64_t part =
        (test->options.by_point ? SEEDS_PER_SEED_OF_POINTS : 1U) * (test->options.reuse ? SEEDS_PER_SEED_OF_REUSE : 1U);
    uint64_t seeds = div_ceil_u64(settings->seeds, part);
    uint64_t end = seeds == 0 ? UINT64_MAX : seed + seeds;
    uint64_t points_max = seeds == 0 && settings->seconds > 120 ? UINT64_MAX : POINTS_MAX;

    while (seed < end && clock_seconds() < deadline && tally->failures < settings->failures_max) {
        run_seed(settings, test, seed++, points_max, deadline, tally);
    }
    if (test->options.reuse && tally->runs >= RUNS_THAT_REUSE && tally->recycled == 0) {
        tally->failures++;
        (void)fprintf(stderr, "FAIL %s: no file was ever used again\n", test->name);
    }
    (void)printf("%-8s %6" PRIu64 " runs, %8" PRIu64 " appends acknowledged, %" PRIu64 " failed: %s\n", test->name,
                 tally->runs, tally->acked, tally->failures, test->what);
    (void)fflush(stdout);
}

/* Seeds that once found something come first, whatever the range of seeds. */
static uint64_t run_found_before(const struct settings *settings, const struct storm_case *test)
{
    struct tally tally = {0};

    for (size_t i = 0; i < storm_found_count; i++) {
        if (strcmp(storm_found[i].name, test->name) == 0) {
            (void)run_point(settings, test, storm_found[i].seed, storm_found[i].point, &tally);
        }
    }
    return tally.failures;
}

static bool is_chosen(const struct settings *settings, size_t index)
{
    return (settings->only_case == NULL || strcmp(settings->only_case, storm_cases[index].name) == 0) &&
           index % settings->parts == settings->part - 1;
}

static int run_all(const struct settings *settings)
{
    int64_t  left = settings->seconds;
    size_t   cases = 0;
    uint64_t failures = 0;

    for (size_t i = 0; i < storm_case_count; i++) {
        cases += is_chosen(settings, i);
    }
    if (cases == 0) {
        (void)fprintf(stderr, "simrun: no case named %s in this part\n",
                      settings->only_case == NULL ? "anything" : settings->only_case);
        return 2;
    }
    for (size_t i = 0; i < storm_case_count; i++) {
        struct tally tally = {0};
        int64_t      start = clock_seconds();

        if (!is_chosen(settings, i)) {
            continue;
        }
        if (settings->point_given) {
            uint64_t points = run_point(settings, &storm_cases[i], settings->seed, settings->point, &tally);

            (void)printf("%-8s seed %" PRIu64 " point %" PRIu64 ": %" PRIu64 " points, trace %016" PRIx64 "\n",
                         storm_cases[i].name, settings->seed, settings->point, points, tally.trace);
        } else {
            failures += run_found_before(settings, &storm_cases[i]);
            run_case(settings, &storm_cases[i], start + left / (int64_t)cases, &tally);
        }
        left -= clock_seconds() - start;
        cases--;
        failures += tally.failures;
    }
    return failures == 0 ? 0 : 1;
}

static int run_self_tests(struct settings *settings)
{
    int missed = 0;

    settings->self_test = true;
    settings->failures_max = 1;
    for (size_t i = 0; i < storm_self_test_count; i++) {
        struct tally tally = {0};
        int64_t      deadline = clock_seconds() + settings->seconds;

        for (uint64_t seed = settings->seed; tally.failures == 0 && clock_seconds() < deadline; seed++) {
            run_seed(settings, &storm_self_tests[i], seed, 100, deadline, &tally);
        }
        if (tally.failures == 0) {
            missed++;
            (void)fprintf(stderr, "FAIL %s is not found: %s\n", storm_self_tests[i].name, storm_self_tests[i].what);
        }
    }
    return missed == 0 ? 0 : 1;
}

static void usage(void)
{
    (void)printf("simrun [--case NAME] [--part N/M] [--seed N] [--point N] [--seeds N] [--seconds N]\n"
                 "       [--twice] [--self-test] [--verbose] [--trace]\n\n");
    for (size_t i = 0; i < storm_case_count; i++) {
        (void)printf("  %-8s %s\n", storm_cases[i].name, storm_cases[i].what);
    }
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
    struct settings settings = {
        .program = argv[0], .part = 1, .parts = 1, .seed = 1, .seeds = 0, .seconds = 80, .failures_max = 10};
    const char *given_seconds = getenv("SIM_SECONDS");
    const char *given_seed = getenv("SIM_SEED");
    const char *given_seeds = getenv("SIM_SEEDS");
    uint64_t    seconds = 0;

    if (given_seconds != NULL) {
        settings.seconds = strtoll(given_seconds, NULL, 0);
    }
    if (given_seed != NULL) {
        settings.seed = strtoull(given_seed, NULL, 0);
    }
    if (given_seeds != NULL) {
        settings.seeds = strtoull(given_seeds, NULL, 0);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--case") == 0 && i + 1 < argc) {
            settings.only_case = argv[++i];
        } else if (strcmp(argv[i], "--part") == 0 && i + 1 < argc &&
                   sscanf(argv[i + 1], "%u/%u", &settings.part, &settings.parts) == 2 && settings.part > 0 &&
                   settings.part <= settings.parts) {
            i++;
        } else if (number_option(argc, argv, &i, "--point", &settings.point)) {
            settings.point_given = true;
        } else if (number_option(argc, argv, &i, "--seconds", &seconds)) {
            settings.seconds = (int64_t)seconds;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            settings.verbose = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            settings.verbose = settings.trace = true;
        } else if (strcmp(argv[i], "--self-test") == 0) {
            settings.self_test = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            settings.twice = true;
        } else if (!number_option(argc, argv, &i, "--seed", &settings.seed) &&
                   !number_option(argc, argv, &i, "--seeds", &settings.seeds)) {
            usage();
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        }
    }
    running.settings = &settings;
    check_set_reporter(print_replay);
    return settings.self_test ? run_self_tests(&settings) : run_all(&settings);
}
