/* job_storm.h: streaming jobs on whole brokers in the simulated world, cut between any two writes.
 *
 * Bids go into a topic, asks for some of them into another. One job copies the bids, exactly once; by the seed others
 * keep sums by key, count in windows of event time, join bids and asks, keep the two highest of each key, each into a
 * topic of its own. The truth is what stands in the sources in the end. Whenever the broker is up, a reader of
 * committed records must find each bid at most once in the copy and none that is not in the source, sums that only
 * grow, windows once and whole, pairs once, ranks that only rise, and the group of the copying job never ahead of what
 * it has put out; in the end all of it must be there, and nothing may hold readers back. In some rounds the disk runs
 * full, and has room again later, or when the broker has been started on the full disk. */
#ifndef MILLRACE_TESTS_SIM_JOB_STORM_H
#define MILLRACE_TESTS_SIM_JOB_STORM_H

#include "compute/job/job.h"
#include "tests/sim/job_plant.h"
#include "tests/sim/storm_life.h"

#define JOB_STORM_BIDS       4000
#define JOB_STORM_LAST_BIDS  3800 /* from here on they only end windows */
#define JOB_STORM_KEYS       5
#define JOB_STORM_PARTITIONS 3
#define JOB_STORM_WINDOW     10 /* prices: the price is the time */
#define JOB_STORM_WINDOWS    (JOB_STORM_BIDS / JOB_STORM_WINDOW)
#define JOB_STORM_RANKS      2
#define JOB_STORM_GROUP      "bidders"

/* Sources, then one sink for each job. */
enum { STORM_BIDS, STORM_ASKS, STORM_COPY, STORM_SUMS, STORM_WINDOWS, STORM_PAIRS, STORM_TOPS, STORM_TOPICS };

/* By its price, which is its name; -1: not seen by this reader. */
struct job_bid {
    int     auction; /* in the source */
    int     copy;    /* in the copy */
    int     seller;  /* in the asks */
    int     pair;    /* seller in the pairs */
    int32_t partition;
    int64_t offset;
};

struct job_sum {
    int64_t count, total;
};

/* What one look at all topics has found. */
struct job_found {
    struct job_bid bids[JOB_STORM_BIDS];
    struct job_sum sums[JOB_STORM_KEYS];
    struct job_sum windows[JOB_STORM_WINDOWS][JOB_STORM_KEYS];
    int            tops[JOB_STORM_KEYS][JOB_STORM_RANKS];
    uint64_t       source_rows, copied_rows, other_rows;
};

struct job_storm {
    struct storm_life  life;
    enum job_plant     plant;
    bool               prepared;              /* topics are there */
    bool               is_used[STORM_TOPICS]; /* topics of this run */
    uint32_t           leaders[STORM_TOPICS][JOB_STORM_PARTITIONS];
    struct rig_client *clients[RIG_SHARDS_MAX];
    struct job_request request; /* the one under way */
    bool               answered;
    bool               has_job[STORM_TOPICS]; /* as the last list says */
    int                next_price;
    bool               is_full; /* the disk */
    struct job_found   found;
    /* of the whole run */
    uint64_t checks, aborted_copies, rows, fulls;
};

uint64_t job_storm_run(struct job_storm *storm, uint64_t seed, bool verbose, enum job_plant plant);
/* A connection to the shard, or NULL; it is kept. */
struct rig_client *job_storm_client(struct job_storm *storm, uint32_t shard);
const char        *job_storm_topic(int topic);

/* job_storm_check.c: what must hold now; with `last` everything is waited for. */
void job_storm_check(struct job_storm *storm, bool last);

/* job_storm_rows.c: what rows may be; what is wrong is a failure of the storm. */
void job_storm_rows_begin(struct job_storm *storm);
void job_storm_row(struct job_storm *storm, int topic, int32_t partition, int64_t offset, struct view value);
/* When all topics were read, the sources last. Positions of the group by partition; -1: unknown. */
void job_storm_rows_end(struct job_storm *storm, const int64_t *positions);
/* NULL: all that follows from the sources is there; else the first that is not. */
const char *job_storm_rows_missing(const struct job_storm *storm);

#endif
