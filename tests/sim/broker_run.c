/* brokerrun: whole brokers in the simulated world.
 * The command line: storm_program.h. */
#include "tests/sim/broker_storm.h"
#include "tests/sim/storm_program.h"

#include <stdio.h>

static uint64_t acked, seen, changes, cuts, resets;

static void run(uint64_t seed, bool verbose, uint32_t plant, struct storm_result *out_result)
{
    struct broker_storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));

    out_result->trace = broker_storm_run(storm, seed, verbose, plant != 0);
    out_result->has_occasion = true;
    (void)snprintf(out_result->failure, sizeof(out_result->failure), "%s", storm->life.voice.failure);
    acked += storm->acked_batches;
    seen += storm->seen_records;
    changes += storm->admin_changes;
    cuts += storm->life.cuts;
    resets += storm->resets;
    mem_free(MEM_TEST, storm);
}

static void print_counts(void)
{
    (void)printf(", %" PRIu64 " batches acknowledged, %" PRIu64 " records seen, %" PRIu64 " changes, %" PRIu64
                 " power cuts, %" PRIu64 " lost connections",
                 acked, seen, changes, cuts, resets);
}

int main(int argc, char **argv)
{
    static const char *const          planted[] = {"records were taken off the disk", NULL};
    static const struct storm_program program = {
        .name = "brokerrun", .planted = planted, .run = run, .print_counts = print_counts};

    return storm_program_main(&program, argc, argv);
}
