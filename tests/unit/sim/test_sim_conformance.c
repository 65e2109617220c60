/* The tests every back end must pass, on the simulated one: with the default world and with swarms of odd settings. */
#include "tests/support/unit.h"

#include "io/sim/sim.h"
#include "tests/support/io_conformance.h"

#include <stdio.h>

#define SWARM_SEEDS 3

static uint64_t    make_seed;
static bool        make_swarm;
static struct sim *made;

static struct io *make(void)
{
    struct sim_options options;

    if (make_swarm) {
        sim_options_swarm(&options, make_seed, false);
        options.short_read.numerator = 0; /* the suite counts on whole counts where the kernel gives them */
        options.short_write.numerator = 0;
        options.recv_no_buffers.numerator = 0;
    } else {
        sim_options_default(&options, make_seed);
    }
    made = sim_create(&options);
    return sim_io(made, 0, 0);
}

static void finish(struct io *io)
{
    io_destroy(io);
    sim_destroy(made);
}

int main(void)
{
    struct io_conformance target = {.name = "sim", .make = make, .finish = finish, .directory = "work"};
    int                   failed;

    make_seed = 1;
    failed = io_conformance_run(&target);
    make_swarm = true;
    for (make_seed = 1; make_seed <= SWARM_SEEDS; make_seed++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "sim, swarm seed %u", (unsigned)make_seed);
        target.name = name;
        failed += io_conformance_run(&target);
    }
    return failed;
}
