/* Markers of an epoch: one for each partition in which its transaction may be open, written on the shard that leads it.
 *
 * A partition that does not exist any more needs none. One where a newer incarnation has written has closed the
 * transaction itself. One that takes none now (offline) is asked again for some seconds, or once more when the sinks
 * end; then the marking is given up, and job__resolve() has to end the transaction before the job's next run. */
#include "compute/job/job_sink.h"
#include "core/base/slog.h"

#include <inttypes.h>

#define MARK_RETRY_NS  (100 * NS_PER_MS)
#define MARK_TRIES_MAX 50

static void marker_arrive(struct io_mail *mail, struct io_shard *to);
static void marker_return(struct io_mail *mail, struct io_shard *to);

static void marker_send(struct sink_marker *marker)
{
    marker->tries++;
    io_shard_send(marker->sinks->jobs->options.shard, marker->partition->shard, &marker->mail, marker_arrive);
}

/* Once more at once, those that wait for their next try. */
void sink__mark_again(struct job_sinks *sinks)
{
    struct list_node  round;
    struct list_node *node;

    list_init(&round);
    list_splice_back(&round, &sinks->again);
    while ((node = list_pop_front(&round)) != NULL) {
        marker_send(LIST_ENTRY(node, struct sink_marker, link));
    }
}

static void again_fire(struct timer *timer)
{
    sink__mark_again(CONTAINER_OF(timer, struct job_sinks, again_timer));
}

void sink__mark_begin(struct job_sinks *sinks, struct sink_epoch *epoch)
{
    epoch->marking = true;
    epoch->mark_good = true;
    epoch->markers_left = (uint32_t)epoch->touched_count;
    epoch->markers = mem_alloc(MEM_JOB, epoch->touched_count * sizeof(*epoch->markers));
    for (size_t i = 0; i < epoch->touched_count; i++) {
        struct sink_marker *marker = &epoch->markers[i];

        marker->sinks = sinks;
        marker->partition = epoch->touched[i];
        marker->parity = (uint32_t)(epoch->epoch % JOB_PRODUCERS);
        list_init(&marker->link);
        marker_send(marker);
    }
    sink__turn(sinks);
}

void sink__mark_end(struct job_sinks *sinks, struct sink_epoch *epoch)
{
    const size_t parity = (size_t)(epoch->epoch % JOB_PRODUCERS);

    MAYBE(sinks);
    for (size_t i = 0; i < epoch->touched_count; i++) {
        epoch->touched[i]->spans[parity].touched = false;
    }
    mem_free(MEM_JOB, epoch->markers);
    epoch->markers = NULL;
    epoch->touched_count = 0;
    epoch->marking = false;
    epoch->used = false;
}

/* --- where the partition lives ------------------------------------------------------------------------------------ */

static void marker_answer(struct sink_marker *marker)
{
    const struct job_shard *home = marker->sinks->jobs;
    const struct job_shard *here = home->options.by_shard[marker->at_shard];

    io_shard_send(here->options.shard, home->options.shard->index, &marker->mail, marker_return);
}

static void marker_done(struct part_marker *part_marker)
{
    struct sink_marker *marker = part_marker->user;

    marker->error = part_marker->error;
    marker_answer(marker);
}

static void marker_arrive(struct io_mail *mail, struct io_shard *to)
{
    struct sink_marker        *marker = CONTAINER_OF(mail, struct sink_marker, mail);
    const struct job_sinks    *sinks = marker->sinks;
    const struct job_shard    *here = sinks->jobs->options.by_shard[to->index];
    const struct sink_topic   *topic = marker->partition->topic;
    const struct job_producer *producer = &sinks->run->producers[sinks->worker][marker->parity];
    struct part               *part = part_find_id(here->options.parts, topic->id, marker->partition->index);

    marker->at_shard = to->index;
    if (part == NULL || !part_ready(part)) {
        marker->error = part == NULL && meta_topic_by_id(here->options.meta, topic->id) == NULL
                            ? KP_ERR_UNKNOWN_TOPIC_OR_PARTITION
                            : KP_ERR_NOT_LEADER_OR_FOLLOWER;
        marker_answer(marker);
        return;
    }
    marker->marker = (struct part_marker){.producer_id = producer->producer_id,
                                          .producer_epoch = producer->producer_epoch,
                                          .commit = sinks->epochs[marker->parity].commit,
                                          .flush = true,
                                          .by_owner = true,
                                          .background = true,
                                          .done = marker_done,
                                          .user = marker};
    part_append_marker(part, &marker->marker);
}

/* --- back home ---------------------------------------------------------------------------------------------------- */

/* True: it comes again. */
static bool marker_retry(struct sink_marker *marker)
{
    struct job_sinks *sinks = marker->sinks;

    switch (marker->error) {
    case KP_ERR_NONE:
    case KP_ERR_UNKNOWN_TOPIC_OR_PARTITION:
        return false;
    case KP_ERR_INVALID_PRODUCER_EPOCH:
    case KP_ERR_TRANSACTION_COORDINATOR_FENCED:
        slog_warn("job", "%s-%" PRId32 " takes no marker of job %s (%s): a newer incarnation has written there",
                  marker->partition->topic->name, marker->partition->index, sinks->run->id,
                  kp_error_name(marker->error));
        return false;
    default:
        break;
    }
    if (!sinks->ending && marker->tries < MARK_TRIES_MAX) {
        list_push_back(&sinks->again, &marker->link);
        if (!timer_armed(&sinks->again_timer)) {
            timer_arm(sinks->jobs->options.shard->timers, &sinks->again_timer,
                      io_now_ns(job__io(sinks->jobs)) + MARK_RETRY_NS, again_fire);
        }
        return true;
    }
    slog_warn("job", "%s-%" PRId32 " takes no marker of job %s (%s): it is written before the job runs again",
              marker->partition->topic->name, marker->partition->index, sinks->run->id, kp_error_name(marker->error));
    sinks->epochs[marker->parity].mark_good = false;
    return false;
}

static void marker_return(struct io_mail *mail, struct io_shard *to)
{
    struct sink_marker *marker = CONTAINER_OF(mail, struct sink_marker, mail);
    struct job_sinks   *sinks = marker->sinks;

    CHECK(to == sinks->jobs->options.shard);
    if (!marker_retry(marker)) {
        CHECK(sinks->epochs[marker->parity].markers_left > 0);
        sinks->epochs[marker->parity].markers_left--;
        sink__turn(sinks);
    }
}
