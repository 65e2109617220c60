/* job_times.h: how busy the workers of a run are, as Flink counts it; private to compute/job.
 *
 * A worker is idle while it waits for more to do, backpressured while its sinks or another worker have no room, and
 * busy for the rest of its time: that is the whole of it, so the three make 1,000 ms a second. A turn that waits for
 * its place in the loop, and the rest that millrace.job.cpu.percent prescribes, are busy: there is something to do.
 *
 * Written by the worker's shard, read by any: values may be a moment old. */
#ifndef MILLRACE_JOB_TIMES_H
#define MILLRACE_JOB_TIMES_H

#include "core/base/base.h"

enum job_wait { JOB_WAIT_NONE, JOB_WAIT_IDLE, JOB_WAIT_HELD };

/* Of one worker; atomics. */
struct job_worker_times {
    int64_t  began_ns; /* 0: it has not */
    int64_t  since_ns; /* it waits as `wait` says */
    uint32_t wait;
    uint64_t idle_ns, held_ns; /* until since_ns */
};

/* Sums over workers: span is idle, held and busy together. */
struct job_times_sum {
    uint64_t span_ns, idle_ns, held_ns;
};

/* Of a run: the newest sample, and what a second had between the two before. */
struct job_times {
    struct job_times_sum sum;
    int64_t              sampled_ns;
    struct job_times_sum sampled;
    uint32_t             busy_ms, idle_ms, held_ms;
};

void job__times_wait(struct job_worker_times *times, enum job_wait wait, int64_t now_ns);
void job__times_add(const struct job_worker_times *times, int64_t now_ns, struct job_times_sum *sum);
/* A second or more after the sample before, what a second has is reckoned anew; the first says it of all the time. */
void job__times_sample(struct job_times *times, const struct job_times_sum *sum, int64_t now_ns);

#endif
