/* jobrun: streaming jobs, exactly once, on whole brokers in the simulated world. Its self test has readers that know
 * nothing of aborted transactions.
 * The command line: storm_program.h. */
#include "tests/sim/job_storm.h"
#include "tests/sim/storm_program.h"

#include <stdio.h>

static uint64_t rows, sums, checks, aborted, cuts;

static void run(uint64_t seed, bool verbose, bool self_test, struct storm_result *out_result)
{
    struct job_storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));

    out_result->trace = job_storm_run(storm, seed, verbose, self_test);
    out_result->has_occasion = storm->aborted_rows > 0;
    (void)snprintf(out_result->failure, sizeof(out_result->failure), "%s", storm->life.voice.failure);
    rows += storm->rows;
    sums += storm->sums;
    checks += storm->checks;
    aborted += storm->aborted_rows;
    cuts += storm->life.cuts;
    mem_free(MEM_TEST, storm);
}

static void print_counts(void)
{
    (void)printf(", %" PRIu64 " bids copied, %" PRIu64 " sums read, %" PRIu64 " checks, %" PRIu64
                 " aborted batches, %" PRIu64 " power cuts",
                 rows, sums, checks, aborted, cuts);
}

int main(int argc, char **argv)
{
    static const struct storm_program program = {
        .name = "jobrun", .planted = "aborted records were read", .run = run, .print_counts = print_counts};

    return storm_program_main(&program, argc, argv);
}
