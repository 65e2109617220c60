/* job_storm.h: streaming jobs on whole brokers in the simulated world, cut between any two writes.
 *
 * Bids go into a topic; one job copies them into another, exactly once, a second one keeps sums by key in a third. The
 * truth is what stands in the source in the end. Whenever the broker is up, a reader of committed records must find
 * each bid at most once in the copy and none that is not in the source, sums that only grow, and the group of the first
 * job never ahead of what it has put out; in the end all of it must be there, and nothing may hold readers back. */
#ifndef MILLRACE_TESTS_SIM_JOB_STORM_H
#define MILLRACE_TESTS_SIM_JOB_STORM_H

#include "compute/job/job.h"
#include "tests/sim/storm_life.h"

#define JOB_STORM_BIDS       4000
#define JOB_STORM_KEYS       5
#define JOB_STORM_PARTITIONS 3
#define JOB_STORM_GROUP      "bidders"

enum { STORM_BIDS, STORM_COPY, STORM_SUMS, STORM_TOPICS };

struct job_bid {
    int     auction; /* in the source; -1: not seen by this reader */
    int     copy;    /* in the copy; -1: not there */
    int32_t partition;
    int64_t offset;
};

struct job_storm {
    struct storm_life  life;
    bool               blind;    /* readers know nothing of aborted transactions: this must be found */
    bool               prepared; /* topics are there */
    uint32_t           leaders[STORM_TOPICS][JOB_STORM_PARTITIONS];
    struct rig_client *clients[RIG_SHARDS_MAX];
    struct job_request request; /* the one under way */
    bool               answered;
    bool               has_job[STORM_TOPICS]; /* as the last list says */
    int                next_price;
    /* of the reader that runs now */
    struct job_bid source[JOB_STORM_BIDS];
    int64_t        sum_counts[JOB_STORM_KEYS], sum_totals[JOB_STORM_KEYS];
    uint64_t       source_rows, copied_rows;
    /* of the whole run */
    uint64_t checks, aborted_rows, rows, sums;
};

uint64_t job_storm_run(struct job_storm *storm, uint64_t seed, bool verbose, bool blind);
/* A connection to the shard, or NULL; it is kept. */
struct rig_client *job_storm_client(struct job_storm *storm, uint32_t shard);
const char        *job_storm_topic(int topic);

/* job_storm_check.c: what must hold now; with `last` everything is waited for. */
void job_storm_check(struct job_storm *storm, bool last);

#endif
