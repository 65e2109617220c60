/* jobrun: streaming jobs, exactly once, on whole brokers in the simulated world. Its self test plants bugs, one after
 * the other: job_plant.h. The command line: storm_program.h. */
#include "tests/sim/job_storm.h"
#include "tests/sim/storm_program.h"

#include <stdio.h>

static uint64_t rows, checks, aborted, cuts, fulls;

/* Where a copy of an aborted transaction was read it comes again, or its bid is not in the source: that has to be
 * found. The other bugs need a crash at the right moment: what is found is what had its occasion. */
static void run(uint64_t seed, bool verbose, uint32_t plant, struct storm_result *out_result)
{
    struct job_storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));

    out_result->trace = job_storm_run(storm, seed, verbose, (enum job_plant)plant);
    (void)snprintf(out_result->failure, sizeof(out_result->failure), "%s", storm->life.voice.failure);
    out_result->has_occasion = plant == JOB_PLANT_BLIND ? storm->aborted_copies > 0 : out_result->failure[0] != '\0';
    rows += storm->rows;
    checks += storm->checks;
    aborted += storm->aborted_copies;
    cuts += storm->life.cuts;
    fulls += storm->fulls;
    mem_free(MEM_TEST, storm);
}

static void print_counts(void)
{
    (void)printf(", %" PRIu64 " rows committed, %" PRIu64 " checks, %" PRIu64 " aborted batches of copies, %" PRIu64
                 " power cuts, %" PRIu64 " full disks",
                 rows, checks, aborted, cuts, fulls);
}

int main(int argc, char **argv)
{
    static const char *const planted[JOB_PLANT_COUNT] = {
        [JOB_PLANT_BLIND - 1] = "aborted records were read",
        [JOB_PLANT_EARLY - 1] = "markers were sent before the commit record was written",
        [JOB_PLANT_AHEAD - 1] = "the committed positions were a row ahead of the output",
        [JOB_PLANT_OLD_ID - 1] = "the first rows of an epoch had the producer id of the one before",
        [JOB_PLANT_FORGETFUL - 1] = "what had changed was taken for a snapshot",
        [JOB_PLANT_SHORT_LOG - 1] = "the job log was cut below a snapshot that was not committed",
        [JOB_PLANT_ABORTS - 1] = "what the commit record names was aborted at a start",
        [JOB_PLANT_WEAK - 1] = "a source of relaxed policy was not flushed at a barrier",
    };
    static const struct storm_program program = {
        .name = "jobrun", .planted = planted, .run = run, .print_counts = print_counts};

    return storm_program_main(&program, argc, argv);
}
