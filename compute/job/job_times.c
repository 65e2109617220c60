/* How busy workers are. */
#include "compute/job/job_times.h"

static void set(uint64_t *value, uint64_t to)
{
    __atomic_store_n(value, to, __ATOMIC_RELAXED);
}

static uint64_t since(int64_t from_ns, int64_t now_ns)
{
    return (uint64_t)MAX(now_ns - from_ns, (int64_t)0);
}

void job__times_wait(struct job_worker_times *times, enum job_wait wait, int64_t now_ns)
{
    if (times->began_ns == 0) {
        __atomic_store_n(&times->began_ns, now_ns, __ATOMIC_RELAXED);
    }
    if (times->wait == (uint32_t)wait) {
        return;
    }
    if (times->wait == JOB_WAIT_IDLE) {
        set(&times->idle_ns, times->idle_ns + since(times->since_ns, now_ns));
    } else if (times->wait == JOB_WAIT_HELD) {
        set(&times->held_ns, times->held_ns + since(times->since_ns, now_ns));
    }
    __atomic_store_n(&times->since_ns, now_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&times->wait, (uint32_t)wait, __ATOMIC_RELAXED);
}

void job__times_add(const struct job_worker_times *times, int64_t now_ns, struct job_times_sum *sum)
{
    int64_t  began_ns = __atomic_load_n(&times->began_ns, __ATOMIC_RELAXED);
    uint32_t wait = __atomic_load_n(&times->wait, __ATOMIC_RELAXED);
    uint64_t waited_ns = since(__atomic_load_n(&times->since_ns, __ATOMIC_RELAXED), now_ns);

    if (began_ns == 0) {
        return;
    }
    sum->span_ns += since(began_ns, now_ns);
    sum->idle_ns += __atomic_load_n(&times->idle_ns, __ATOMIC_RELAXED) + (wait == JOB_WAIT_IDLE ? waited_ns : 0);
    sum->held_ns += __atomic_load_n(&times->held_ns, __ATOMIC_RELAXED) + (wait == JOB_WAIT_HELD ? waited_ns : 0);
}

/* Of 1,000; a reader that meets a worker between two stores may see a little too much, or too little. */
static uint32_t share(uint64_t from_ns, uint64_t to_ns, uint64_t span_ns)
{
    uint64_t part_ns = to_ns > from_ns ? to_ns - from_ns : 0;

    return (uint32_t)(MIN(part_ns, span_ns) * 1000 / span_ns);
}

void job__times_sample(struct job_times *times, const struct job_times_sum *sum, int64_t now_ns)
{
    uint64_t span_ns = sum->span_ns > times->sampled.span_ns ? sum->span_ns - times->sampled.span_ns : 0;

    times->sum = *sum;
    if (span_ns == 0 || (times->sampled_ns != 0 && now_ns - times->sampled_ns < NS_PER_S)) {
        return;
    }
    times->idle_ms = share(times->sampled.idle_ns, sum->idle_ns, span_ns);
    times->held_ms = MIN(share(times->sampled.held_ns, sum->held_ns, span_ns), 1000 - times->idle_ms);
    times->busy_ms = 1000 - times->idle_ms - times->held_ms;
    times->sampled = *sum;
    times->sampled_ns = now_ns;
}
