/* job_pace.h: what all jobs of a shard may take of its core and its disk, beside clients; private to compute/job.
 *
 * Core: of the workers that have something to do one has its turn, when nothing else waits for the loop: the one that
 * has used least. So clients wait for one piece of one worker's work, however many jobs there are, and workers that
 * always have something to do get equal shares. Where the loop is never idle a turn still comes every IO_IDLE_WAIT_NS.
 *
 * Disk: while appends of clients are under way, or were a moment ago (PACE_URGENT_NS), reads of sources go one at a
 * time and in smaller pieces; writes of sinks and state go in groups of PACE_GROUP_BYTES, which begin in one turn of
 * the loop, so that the store gathers them; one group at a time, and after each the disk is left alone for as long as
 * it took. Else everything goes at once.
 *
 * Owned by the shard's struct job_shard; its core only. */
#ifndef MILLRACE_JOB_PACE_H
#define MILLRACE_JOB_PACE_H

#include "core/part/part.h"

#define PACE_URGENT_NS   (20 * NS_PER_MS)
#define PACE_GROUP_BYTES ((size_t)(512 * KIB)) /* one durable write takes hardly longer than a small one */
#define PACE_REST_MAX_NS (5 * NS_PER_MS)
#define PACE_READ_BYTES  ((size_t)(256 * KIB)) /* while clients append */
#define PACE_CATCH_UP_NS (10 * NS_PER_MS)      /* a worker that slept long is ahead of the others by no more */

struct job_pace_worker {
    struct list_node link;    /* has something to do */
    int64_t          used_ns; /* its turns, and what it was given when it woke */
    void (*turn)(struct job_pace_worker *worker);
};

/* One read or write. */
struct job_pace_io {
    struct list_node link; /* waits */
    size_t           bytes;
    bool             under_way;
    void (*go)(struct job_pace_io *io); /* inside job__pace_enter(), or later from the loop */
};

enum job_pace_lane { PACE_READS, PACE_WRITES, PACE_LANES };

struct job_pace_queue {
    struct list_node waiting;
    size_t           count;       /* under way */
    size_t           group_bytes; /* of those that began together, at group_ns */
    int64_t          group_ns;
    bool             pumping;
};

struct job_pace {
    struct io_shard         *shard;
    const struct part_table *parts;
    /* turns */
    struct list_node workers;
    struct io_op     turn;
    int64_t          least_ns; /* used_ns of the worker that had the last turn */
    /* disk */
    struct job_pace_queue queues[PACE_LANES];
    struct timer          rest;
    int64_t               rest_until_ns; /* writes */
    uint64_t              urgent_count;
    int64_t               urgent_ns; /* when a client's append was seen last; INT64_MIN: never */
};

void job__pace_init(struct job_pace *pace, struct io_shard *shard, const struct part_table *parts);
void job__pace_deinit(struct job_pace *pace); /* nothing waits */

/* The worker has something to do: turn() follows, once. */
void job__pace_wake(struct job_pace *pace, struct job_pace_worker *worker);
/* The turn that runs has worked for so long. */
void job__pace_used(struct job_pace *pace, struct job_pace_worker *worker, int64_t used_ns);
/* Clients append. */
bool job__pace_urgent(struct job_pace *pace);

/* go() is called when it may begin, in order for each lane; leave() when it is over, however it went. */
void job__pace_enter(struct job_pace *pace, enum job_pace_lane lane, struct job_pace_io *io);
void job__pace_leave(struct job_pace *pace, enum job_pace_lane lane, struct job_pace_io *io);
/* True: it waited, and go() will not be called any more. */
MUST_USE bool job__pace_forget(struct job_pace_io *io);

#endif
