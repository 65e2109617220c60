/* The end of open transactions of jobs, from their commit records alone (D10): at start before fetch is served, and
 * before each run, so that what an earlier incarnation left open is never mixed with what a later one writes.
 *
 * A transaction is committed when the newest commit record names its partition, producer and epoch with a range that
 * holds its first offset; all others are aborted. (The same producer id may be open for the epoch after the next, whose
 * first offset lies behind the range.) A log that is shorter than the record says has lost what was committed: that is
 * an error of the job, and what is left is committed all the same, because readers have been promised it. */
#include "compute/job/job_internal.h"
#include "core/base/slog.h"

#include <inttypes.h>

struct resolve_shard {
    struct io_mail  mail;
    struct resolve *resolve;
    uint32_t        left; /* markers that are not durable, and one while the search goes on */
    uint32_t        at_shard;
    int16_t         error; /* the first */
};

struct resolve_marker {
    struct resolve_shard *shard;
    struct part_marker    marker;
};

struct resolve {
    struct job_shard     *jobs;
    struct job_verdict   *verdicts;
    size_t                count;
    uint32_t              left;
    int16_t               error;
    struct resolve_shard *shards;
    void (*done)(void *context, int16_t error);
    void *context;
};

/* --- on each shard ------------------------------------------------------------------------------------------------ */

static void shard_return(struct io_mail *mail, struct io_shard *to);

static void shard_over(struct resolve_shard *shard, int16_t error)
{
    const struct job_shard *home = shard->resolve->jobs;
    const struct job_shard *here = home->options.by_shard[shard->at_shard];

    if (shard->error == 0) {
        shard->error = error;
    }
    if (--shard->left == 0) {
        io_shard_send(here->options.shard, home->options.shard->index, &shard->mail, shard_return);
    }
}

static void marker_done(struct part_marker *part_marker)
{
    struct resolve_marker *marker = part_marker->user;
    struct resolve_shard  *shard = marker->shard;
    int16_t                error = part_marker->error;

    if (error == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION) { /* deleted meanwhile */
        error = 0;
    }
    mem_free(MEM_JOB, marker);
    shard_over(shard, error);
}

static bool verdict_commits(const struct job_verdict *verdict, const struct part *part,
                            const struct part_producer_info *info)
{
    struct uuid topic_id = part_topic_id(part);

    for (size_t i = 0; i < verdict->committed_count; i++) {
        const struct job_sink_range *range = &verdict->committed[i];

        if (range->producer_id == info->producer_id && range->producer_epoch == info->producer_epoch &&
            range->partition == part_index(part) && memcmp(&range->topic_id, &topic_id, sizeof(topic_id)) == 0 &&
            info->txn_first_offset >= range->first_offset && info->txn_first_offset <= range->last_offset) {
            return true;
        }
    }
    return false;
}

static void producer_end(struct resolve_shard *shard, const struct job_verdict *verdict, struct part *part,
                         int64_t producer_id)
{
    struct part_producer_info info;
    struct resolve_marker    *marker;

    if (!part_producer_find(part, producer_id, &info) || info.txn_first_offset < 0) {
        return;
    }
    marker = mem_alloc(MEM_JOB, sizeof(*marker));
    marker->shard = shard;
    marker->marker = (struct part_marker){.producer_id = producer_id,
                                          .producer_epoch = info.producer_epoch,
                                          .coordinator_epoch = MAX(info.coordinator_epoch, 0),
                                          .commit = verdict_commits(verdict, part, &info),
                                          .flush = true,
                                          .by_owner = true,
                                          .done = marker_done,
                                          .user = marker};
    slog_info("job", "%.*s-%" PRId32 ": the open transaction of job %.*s from offset %" PRId64 " is %s",
              (int)part_topic(part).len, (const char *)part_topic(part).base, part_index(part),
              (int)verdict->job_id.len, (const char *)verdict->job_id.base, info.txn_first_offset,
              marker->marker.commit ? "committed" : "aborted");
    shard->left++;
    part_append_marker(part, &marker->marker);
}

/* Several shards may find something. */
static void ranges_check(const struct job_shard *here, struct job_verdict *verdict)
{
    for (size_t i = 0; i < verdict->committed_count; i++) {
        const struct job_sink_range *range = &verdict->committed[i];
        const struct part           *part = part_find_id(here->options.parts, range->topic_id, range->partition);

        if (part != NULL && part_online(part) && part_log_end(part) <= range->last_offset) {
            slog_error("job",
                       "%.*s-%" PRId32 " ends at offset %" PRId64 ", but job %.*s has committed up to %" PRId64
                       ": committed output is lost",
                       (int)part_topic(part).len, (const char *)part_topic(part).base, range->partition,
                       part_log_end(part), (int)verdict->job_id.len, (const char *)verdict->job_id.base,
                       range->last_offset);
            __atomic_store_n(&verdict->lost, true, __ATOMIC_RELAXED);
        }
    }
}

static void shard_arrive(struct io_mail *mail, struct io_shard *to)
{
    struct resolve_shard   *shard = CONTAINER_OF(mail, struct resolve_shard, mail);
    const struct resolve   *resolve = shard->resolve;
    const struct job_shard *here = resolve->jobs->options.by_shard[to->index];
    size_t                  position = 0;
    struct part            *part;

    shard->at_shard = to->index;
    shard->left = 1;
    for (size_t i = 0; i < resolve->count; i++) {
        ranges_check(here, &resolve->verdicts[i]);
    }
    while ((part = part_table_next(here->options.parts, &position)) != NULL) {
        for (size_t i = 0; i < resolve->count; i++) {
            const struct job_verdict *verdict = &resolve->verdicts[i];

            for (uint32_t w = 0; w < verdict->worker_count * JOB_PRODUCERS; w++) {
                producer_end(shard, verdict, part,
                             verdict->producers[w / JOB_PRODUCERS][w % JOB_PRODUCERS].producer_id);
            }
        }
    }
    shard_over(shard, 0);
}

/* --- on the controller's ------------------------------------------------------------------------------------------ */

static void shard_return(struct io_mail *mail, struct io_shard *to)
{
    struct resolve_shard *shard = CONTAINER_OF(mail, struct resolve_shard, mail);
    struct resolve       *resolve = shard->resolve;

    CHECK(to == resolve->jobs->options.shard);
    if (resolve->error == 0) {
        resolve->error = shard->error;
    }
    if (--resolve->left == 0) {
        resolve->done(resolve->context, resolve->error);
        mem_free(MEM_JOB, resolve->shards);
        mem_free(MEM_JOB, resolve);
    }
}

void job__resolve(struct job_shard *jobs, struct job_verdict *verdicts, size_t count,
                  void (*done)(void *context, int16_t error), void *context)
{
    uint32_t        shard_count = meta_host(jobs->options.meta)->shard_count;
    struct resolve *resolve = mem_alloc(MEM_JOB, sizeof(*resolve));

    *resolve = (struct resolve){.jobs = jobs,
                                .verdicts = verdicts,
                                .count = count,
                                .left = shard_count,
                                .shards = mem_alloc(MEM_JOB, shard_count * sizeof(*resolve->shards)),
                                .done = done,
                                .context = context};
    for (size_t i = 0; i < count; i++) {
        verdicts[i].lost = false;
    }
    for (uint32_t i = 0; i < shard_count; i++) {
        resolve->shards[i].resolve = resolve;
        io_shard_send(jobs->options.shard, i, &resolve->shards[i].mail, shard_arrive);
    }
}
