/* part_machine.h: one partition over the real store on a simulated machine: started, stopped, cut and read. */
#ifndef MILLRACE_TESTS_PART_MACHINE_H
#define MILLRACE_TESTS_PART_MACHINE_H

#include "tests/support/unit.h"

#include "core/base/prng.h"
#include "core/part/part.h"
#include "io/sim/sim.h"

#define PATIENCE_NS (60 * NS_PER_S)

/* The test makes sim, store_options, options and prng; the rest is of the running process. */
struct part_machine {
    struct sim          *sim;
    struct io           *io;
    struct io_host      *host;
    struct store        *store;
    struct part_table   *table;
    struct part         *part;
    struct store_options store_options;
    struct part_options  options;
    struct prng          prng;
    bool                 done;
    int                  result;
};

/* The process begins, and the partition is open. */
void part_machine_start(struct part_machine *machine);
void part_machine_stop(struct part_machine *machine);
/* kill -9, or the power goes; the process ends without touching the machine. */
void part_machine_cut(struct part_machine *machine, bool kill);
/* Sets done and result; a callback of core/part, context is the machine. */
void part_machine_done(void *context, int16_t error);
/* Until part_machine_done() has come. */
void part_machine_wait(struct part_machine *machine);
/* Reads as *read says, which gets its answer, and joins the batches in memory of the caller (MEM_TEST). */
struct view part_machine_read(struct part_machine *machine, struct part_read *read);

#endif
