/* All sinks of a worker: life, epochs, back-pressure. See job_sink.h.
 *
 * An epoch's slot is its parity's: it is used from the epoch's begin to the end of its marking, so the epoch after the
 * next cannot begin before (D10: no row of e + 2 under an id whose marker for e is not appended).
 *
 * Callbacks run in sinks_turn() only, which is posted whenever something has changed. The last one, of
 * job__sinks_end(), may free everything. */
#include "compute/job/job_sink.h"

#include <stdarg.h>
#include <stdio.h>

#define SINKS_BLOCK_BYTES ((size_t)(4 * KIB))

static void sinks_turn(struct io_op *op);

/* --- telling ------------------------------------------------------------------------------------------------------ */

void sink__turn(struct job_sinks *sinks)
{
    if (!sinks->turn_posted) {
        sinks->turn_posted = true;
        memset(&sinks->turn, 0, sizeof(sinks->turn));
        io_post(job__io(sinks->jobs), &sinks->turn, sinks_turn);
    }
}

void sink__fail(struct job_sinks *sinks, const char *format, ...)
{
    va_list arguments;

    if (sinks->failed) {
        return;
    }
    sinks->failed = true;
    va_start(arguments, format);
    (void)vsnprintf(sinks->failure, sizeof(sinks->failure), format, arguments);
    va_end(arguments);
    sinks->wants_ready = true;
    sink__turn(sinks);
}

const char *job__sinks_failure(const struct job_sinks *sinks)
{
    return sinks->failed ? sinks->failure : NULL;
}

void job__sinks_counts(const struct job_sinks *sinks, uint64_t *out_rows, uint64_t *out_bytes)
{
    *out_rows = sinks->rows;
    *out_bytes = sinks->bytes;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct job_sinks *job__sinks_create(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                    void (*ready)(void *context), void *context)
{
    struct job_sinks *sinks = mem_alloc(MEM_JOB, sizeof(*sinks));

    sinks->jobs = jobs;
    sinks->run = run;
    sinks->worker = worker;
    sinks->ready = ready;
    sinks->ready_context = context;
    list_init(&sinks->link);
    list_push_back(&jobs->sinks, &sinks->link);
    list_init(&sinks->topics);
    list_init(&sinks->idle);
    list_init(&sinks->again);
    arena_init(&sinks->arena, MEM_JOB, SINKS_BLOCK_BYTES, SIZE_MAX);
    sinks->topic_changes = meta_image(jobs->options.meta)->topic_changes;
    sinks->sink_count = run->plan->exec.sink_count;
    sinks->sinks = arena_alloc_array(&sinks->arena, MAX(sinks->sink_count, 1), sizeof(*sinks->sinks));
    for (uint32_t i = 0; i < sinks->sink_count; i++) {
        sinks->sinks[i].sinks = sinks;
        sinks->sinks[i].plan = &run->plan->sinks[i];
    }
    for (uint32_t i = 0; i < sinks->sink_count && sink__init(sinks, &sinks->sinks[i]); i++) {
    }
    return sinks;
}

static void topic_free(struct sink_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        mem_free(MEM_JOB, topic->partitions[i]);
    }
    mem_free(MEM_JOB, topic->partitions);
    mem_free(MEM_JOB, topic);
}

void job__sinks_destroy(struct job_sinks *sinks)
{
    struct list_node *node;

    if (sinks == NULL) {
        return;
    }
    CHECK(sinks->away_bytes == 0 && list_empty(&sinks->again));
    list_remove(&sinks->link);
    for (uint32_t i = 0; i < sinks->sink_count; i++) {
        sink__batches_drop(&sinks->sinks[i]);
        sink__deinit(&sinks->sinks[i]);
    }
    while ((node = list_pop_front(&sinks->idle)) != NULL) {
        sink__batch_free(LIST_ENTRY(node, struct sink_batch, link));
    }
    while ((node = list_pop_front(&sinks->topics)) != NULL) {
        topic_free(LIST_ENTRY(node, struct sink_topic, link));
    }
    for (size_t i = 0; i < JOB_PRODUCERS; i++) {
        mem_free(MEM_JOB, sinks->epochs[i].touched);
        mem_free(MEM_JOB, sinks->epochs[i].markers);
    }
    arena_deinit(&sinks->arena);
    sinks->dead = true;
    if (!sinks->turn_posted && !sinks->turning) {
        mem_free(MEM_JOB, sinks);
    }
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

bool job__sinks_write(struct job_sinks *sinks, uint32_t sink_index, const struct vec_chunk *chunk, char *message,
                      size_t message_capacity)
{
    struct job_sink *sink = &sinks->sinks[sink_index];
    bool             good = !sinks->failed && sink__topics_follow(sinks);

    CHECK(!sinks->ending && sinks->epochs[sinks->parity].used);
    if (good) {
        switch (sink->kind) {
        case SINK_RECORDS:
            good = sink__write_records(sink, chunk);
            break;
        case SINK_QUERY:
            good = sink__query_write(sink, chunk);
            break;
        case SINK_PRINT:
            sink__print(sink, chunk);
            break;
        case SINK_COUNT:
        default:
            break;
        }
    }
    if (good) {
        sinks->rows += chunk->selected_count;
    } else {
        (void)snprintf(message, message_capacity, "%s", sinks->failure);
    }
    if (sinks->open_bytes > SINK_OPEN_BYTES_MAX) {
        job__sinks_flush(sinks);
    }
    return good;
}

/* A SELECT's rows that its client does not take count, too. */
static bool sinks_over(const struct job_sinks *sinks, size_t away_bytes_max)
{
    for (uint32_t i = 0; i < sinks->sink_count; i++) {
        if (sinks->sinks[i].query != NULL && sink__query_full(sinks->sinks[i].query)) {
            return true;
        }
    }
    return sinks->away_bytes > away_bytes_max;
}

bool job__sinks_full(struct job_sinks *sinks)
{
    sinks->told_full = sinks_over(sinks, sinks->told_full ? SINK_AWAY_BYTES_MAX / 2 : SINK_AWAY_BYTES_MAX);
    return sinks->told_full;
}

void job__sinks_flush(struct job_sinks *sinks)
{
    for (uint32_t i = 0; i < sinks->sink_count; i++) {
        sink__batches_send(&sinks->sinks[i]);
        if (sinks->sinks[i].query != NULL) {
            sink__query_flush(sinks->sinks[i].query);
        }
    }
}

/* --- epochs ------------------------------------------------------------------------------------------------------- */

static struct sink_epoch *sinks_epoch(struct job_sinks *sinks, int64_t epoch)
{
    struct sink_epoch *slot = &sinks->epochs[epoch % JOB_PRODUCERS];

    CHECK(slot->used && slot->epoch == epoch);
    return slot;
}

void job__sinks_begin(struct job_sinks *sinks, int64_t epoch)
{
    struct sink_epoch *slot = &sinks->epochs[epoch % JOB_PRODUCERS];

    CHECK(epoch >= 0 && !slot->used && !sinks->ending);
    job__sinks_flush(sinks);
    sinks->parity = (uint32_t)(epoch % JOB_PRODUCERS);
    slot->used = true;
    slot->epoch = epoch;
    slot->start_ms = io_wall_ms(job__io(sinks->jobs));
    slot->touched_count = 0;
    slot->mark_good = true;
}

void job__sinks_await(struct job_sinks *sinks, int64_t epoch, struct job_share *share,
                      void (*done)(void *context, bool good), void *context)
{
    struct sink_epoch *slot = sinks_epoch(sinks, epoch);

    CHECK(slot->awaited == NULL);
    if (slot == &sinks->epochs[sinks->parity]) {
        job__sinks_flush(sinks);
    }
    slot->share = share;
    slot->awaited = done;
    slot->await_context = context;
    sink__turn(sinks);
}

void job__sinks_mark(struct job_sinks *sinks, int64_t epoch, bool commit, void (*done)(void *context, bool good),
                     void *context)
{
    struct sink_epoch *slot = sinks_epoch(sinks, epoch);

    CHECK(!slot->marking);
    slot->marked = done;
    slot->mark_context = context;
    slot->commit = commit;
    sink__mark_begin(sinks, slot);
}

void job__sinks_end(struct job_sinks *sinks, bool abort, void (*done)(void *context), void *context)
{
    CHECK(!sinks->ending);
    sinks->ending = true;
    sinks->ended = done;
    sinks->end_context = context;
    for (uint32_t i = 0; i < sinks->sink_count; i++) {
        sink__batches_drop(&sinks->sinks[i]);
        if (sinks->sinks[i].query != NULL) {
            sink__query_drop(sinks->sinks[i].query);
        }
    }
    for (size_t i = 0; i < JOB_PRODUCERS; i++) {
        struct sink_epoch *slot = &sinks->epochs[i];

        if (slot->used && !slot->marking && abort) {
            slot->commit = false;
            sink__mark_begin(sinks, slot);
        }
    }
    timer_disarm(sinks->jobs->options.shard->timers, &sinks->again_timer);
    sink__mark_again(sinks);
    sink__turn(sinks);
}

/* --- the turn ----------------------------------------------------------------------------------------------------- */

/* Ranges of what transactions hold; plain records need no decision. */
static void epoch_share(struct job_sinks *sinks, struct sink_epoch *epoch)
{
    const uint32_t    parity = (uint32_t)(epoch->epoch % JOB_PRODUCERS);
    struct job_share *share = epoch->share;

    if (epoch->touched_count == 0) {
        return;
    }
    share->sinks =
        mem_realloc(MEM_JOB, share->sinks, (share->sink_count + epoch->touched_count) * sizeof(*share->sinks));
    for (size_t i = 0; i < epoch->touched_count; i++) {
        const struct sink_partition *partition = epoch->touched[i];
        const struct job_producer   *producer = &sinks->run->producers[sinks->worker][parity];

        share->sinks[share->sink_count++] =
            (struct job_sink_range){.topic_id = partition->topic->id,
                                    .partition = partition->index,
                                    .producer_id = producer->producer_id,
                                    .producer_epoch = producer->producer_epoch,
                                    .first_offset = partition->spans[parity].first_offset,
                                    .last_offset = partition->spans[parity].last_offset};
    }
}

static bool queries_idle(const struct job_sinks *sinks)
{
    for (uint32_t i = 0; i < sinks->sink_count; i++) {
        if (sinks->sinks[i].query != NULL && !sink__query_idle(sinks->sinks[i].query)) {
            return false;
        }
    }
    return true;
}

static void epoch_turn(struct job_sinks *sinks, struct sink_epoch *epoch)
{
    bool good = !sinks->failed && !sinks->ending;

    if (epoch->awaited != NULL && (!good || (epoch->batches_away == 0 && queries_idle(sinks)))) {
        void (*done)(void *context, bool good) = epoch->awaited;

        if (good) {
            epoch_share(sinks, epoch);
        }
        epoch->awaited = NULL;
        done(epoch->await_context, good);
    }
    if (epoch->marking && epoch->markers_left == 0 && epoch->batches_away == 0) {
        void (*done)(void *context, bool good) = epoch->marked;

        sink__mark_end(sinks, epoch);
        epoch->marked = NULL;
        if (done != NULL) {
            done(epoch->mark_context, epoch->mark_good);
        }
    }
}

static bool sinks_over_with(const struct job_sinks *sinks)
{
    for (size_t i = 0; i < JOB_PRODUCERS; i++) {
        if (sinks->epochs[i].awaited != NULL || sinks->epochs[i].marking || sinks->epochs[i].batches_away > 0) {
            return false;
        }
    }
    return sinks->away_bytes == 0 && queries_idle(sinks);
}

static void sinks_turn(struct io_op *op)
{
    struct job_sinks *sinks = CONTAINER_OF(op, struct job_sinks, turn);

    sinks->turn_posted = false;
    sinks->turning = true;
    for (size_t i = 0; i < JOB_PRODUCERS && !sinks->dead; i++) {
        epoch_turn(sinks, &sinks->epochs[i]);
    }
    if (!sinks->dead && !sinks->ending &&
        (sinks->wants_ready || (sinks->told_full && !sinks_over(sinks, SINK_AWAY_BYTES_MAX / 2)))) {
        sinks->wants_ready = false;
        sinks->told_full = false;
        sinks->ready(sinks->ready_context);
    }
    if (!sinks->dead && sinks->ended != NULL && sinks_over_with(sinks)) {
        void (*done)(void *context) = sinks->ended;

        sinks->ended = NULL;
        done(sinks->end_context);
    }
    sinks->turning = false;
    if (sinks->dead && !sinks->turn_posted) {
        mem_free(MEM_JOB, sinks);
    }
}
