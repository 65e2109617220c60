/* txnrun: transactions over the shards of whole brokers in the simulated world. Its self test has readers that know
 * nothing of aborted transactions.
 * The command line: storm_program.h. */
#include "tests/sim/storm_program.h"
#include "tests/sim/txn_storm.h"

#include <stdio.h>

static uint64_t committed, aborted, unknown, refused, cuts;

static void run(uint64_t seed, bool verbose, uint32_t plant, struct storm_result *out_result)
{
    struct txn_storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));

    out_result->trace = txn_storm_run(storm, seed, verbose, plant != 0);
    out_result->has_occasion = storm->aborted > 0;
    (void)snprintf(out_result->failure, sizeof(out_result->failure), "%s", storm->life.voice.failure);
    committed += storm->committed;
    aborted += storm->aborted;
    unknown += storm->unknown;
    refused += storm->refused;
    cuts += storm->life.cuts;
    mem_free(MEM_TEST, storm);
}

static void print_counts(void)
{
    (void)printf(", %" PRIu64 " committed, %" PRIu64 " aborted, %" PRIu64 " unknown, %" PRIu64 " refused, %" PRIu64
                 " power cuts",
                 committed, aborted, unknown, refused, cuts);
}

int main(int argc, char **argv)
{
    static const char *const          planted[] = {"aborted records were read", NULL};
    static const struct storm_program program = {
        .name = "txnrun", .planted = planted, .run = run, .print_counts = print_counts};

    return storm_program_main(&program, argc, argv);
}
