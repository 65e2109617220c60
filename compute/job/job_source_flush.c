/* What an epoch has read goes to stable storage before its commit record does.
 *
 * Topics of a weaker flush policy show records that a power cut may still take. A job reads them at once, but must not
 * commit positions, and output, of records that will not be there. So at a barrier their partitions are flushed up to
 * the positions; the store has no call for when that is done, and is asked again and again: a flush takes a few ms. */
#include "compute/job/job_source.h"

#define LOOK_NS     (2 * NS_PER_MS)
#define PATIENCE_NS (30 * NS_PER_S)

/* True: nothing is missing; *out_good: nor will it be. A topic that was deleted fails the job elsewhere. */
static bool all_flushed(struct job_sources *sources, bool *out_good)
{
    bool all = true;

    *out_good = true;
    for (size_t i = 0; i < sources->input_count; i++) {
        const struct job_input *input = sources->inputs[i];
        struct part            *part = job__input_part(input);

        if (part == NULL || part_flushed_offset(part) >= input->barrier_offset) {
            continue;
        }
        *out_good = *out_good && part_online(part);
        part_flush(part);
        all = false;
    }
    return all;
}

static void flush_look(struct timer *timer)
{
    struct job_sources *sources = CONTAINER_OF(timer, struct job_sources, flush_timer);
    struct io_shard    *shard = sources->jobs->options.shard;
    int64_t             now_ns = io_now_ns(shard->io);
    bool                good;

    if (!all_flushed(sources, &good)) {
        if (good && !sources->stopping && now_ns < sources->flush_end_ns) {
            timer_arm(shard->timers, timer, now_ns + LOOK_NS, flush_look);
            return;
        }
        good = false;
    }
    sources->flushed(sources->flushed_context, good);
    job__sources_home(sources);
}

bool job__sources_flush(struct job_sources *sources, void (*done)(void *context, bool good), void *context)
{
    struct io_shard *shard = sources->jobs->options.shard;
    int64_t          now_ns = io_now_ns(shard->io);
    bool             good;

    if (all_flushed(sources, &good)) {
        return false;
    }
    sources->flushed = done;
    sources->flushed_context = context;
    sources->flush_end_ns = now_ns + PATIENCE_NS;
    sources->under_way++;
    timer_arm(shard->timers, &sources->flush_timer, now_ns + LOOK_NS, flush_look);
    return true;
}
