/* storm_program.h: what the programs that run storms over seeds have in common: command line, deadline, replay line,
 * self test, count.
 *
 *   --seconds 30                     as many seeds as fit, from 1 on; STORM_SECONDS in the environment is stronger
 *   --seed 7 --seeds 1 --verbose     one run: what a failure prints to be replayed
 *   --twice                          each seed twice: the same trace
 *   --self-test                      with a fault planted, one after the other: every run that gives it an occasion
 * must find it, and there must be such a run, or else more seeds are tried */
#ifndef MILLRACE_TESTS_SIM_STORM_PROGRAM_H
#define MILLRACE_TESTS_SIM_STORM_PROGRAM_H

#include "tests/sim/storm_life.h"

struct storm_result {
    uint64_t trace;
    bool     has_occasion;                                           /* self test: what was planted could be noticed */
    char     failure[sizeof(((struct storm_voice *)NULL)->failure)]; /* "": fine */
};

struct storm_program {
    const char *name;
    const char *const
        *planted; /* what a self test that passes would have missed, NULL at the end; NULL: there is none */
    /* One seed, whole; adds to the program's own counts. plant: 0, or in a self test which of them, from 1 on. */
    void (*run)(uint64_t seed, bool verbose, uint32_t plant, struct storm_result *out_result);
    /* Prints those counts, each with ", " in front. */
    void (*print_counts)(void);
};

/* The program's exit code: 0, 1 when something failed or nothing was tried, 2 for a wrong command line. */
int storm_program_main(const struct storm_program *program, int argc, char **argv);

#endif
