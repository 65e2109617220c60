/* grouprun: members of groups on brokers that lose their power.
 * The command line: storm_program.h. */
#include "tests/sim/group_storm.h"
#include "tests/sim/storm_program.h"

#include <stdio.h>

static uint64_t generations, commits, fetches, cuts;

static void run(uint64_t seed, bool verbose, uint32_t plant UNUSED, struct storm_result *out_result)
{
    struct group_storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));

    out_result->trace = group_storm_run(storm, seed, verbose);
    (void)snprintf(out_result->failure, sizeof(out_result->failure), "%s", storm->life.voice.failure);
    generations += storm->generations;
    commits += storm->commits;
    fetches += storm->fetches;
    cuts += storm->life.cuts;
    mem_free(MEM_TEST, storm);
}

static void print_counts(void)
{
    (void)printf(", %" PRIu64 " generations, %" PRIu64 " commits, %" PRIu64 " reads, %" PRIu64 " power cuts",
                 generations, commits, fetches, cuts);
}

int main(int argc, char **argv)
{
    static const struct storm_program program = {.name = "grouprun", .run = run, .print_counts = print_counts};

    return storm_program_main(&program, argc, argv);
}
