/* Batches: built on the worker's shard, appended on the shard that leads the partition, and back.
 *
 * A batch belongs to whoever has its mail. Batches of one partition are appended in the order in which they were sent,
 * because mail between two shards and appends to one partition both keep their order; so sequence numbers are given
 * when a batch leaves. */
#include "compute/job/job_sink.h"

#include <stdio.h>

#define BATCH_BLOCK_BYTES ((size_t)(8 * KIB))
#define BATCH_KEEP_BYTES  ((size_t)MIB)         /* of memory, by a batch that waits for its next use */
#define RECORD_BYTES_MORE 64                    /* a record's own fields: no more than this */
#define RECORD_BYTES_MAX  ((size_t)(256 * MIB)) /* before compression */
#define BATCH_CODEC_SHARE 16 /* a codec may make incompressible bytes longer by less than one part in so many */

static void batch_arrive(struct io_mail *mail, struct io_shard *to);
static void batch_return(struct io_mail *mail, struct io_shard *to);

/* --- memory ------------------------------------------------------------------------------------------------------- */

void sink__batch_free(struct sink_batch *batch)
{
    arena_deinit(&batch->arena);
    mem_free(MEM_JOB, batch);
}

static struct sink_batch *batch_acquire(struct job_sink *sink, struct sink_partition *partition)
{
    struct list_node  *node = list_pop_front(&sink->sinks->idle);
    struct sink_batch *batch =
        node != NULL ? LIST_ENTRY(node, struct sink_batch, link) : mem_alloc(MEM_JOB, sizeof(*batch));

    if (node == NULL) {
        list_init(&batch->link);
        arena_init(&batch->arena, MEM_JOB, BATCH_BLOCK_BYTES, SIZE_MAX);
    }
    batch->sinks = sink->sinks;
    batch->sink = sink;
    batch->partition = partition;
    batch->parity = sink->sinks->parity;
    rec_builder_init(&batch->builder, &batch->arena);
    return batch;
}

static void batch_release(struct sink_batch *batch)
{
    struct job_sinks *sinks = batch->sinks;

    if (batch->arena.bytes_total > BATCH_KEEP_BYTES) {
        sink__batch_free(batch);
        return;
    }
    arena_reset(&batch->arena);
    list_push_front(&sinks->idle, &batch->link); /* the one that caches still hold goes first */
}

/* --- building ----------------------------------------------------------------------------------------------------- */

static enum rec_codec sink_codec(const struct job_sink *sink)
{
    return (enum rec_codec)(sink->topic->codec >= 0 ? sink->topic->codec : sink->codec);
}

/* How long a batch of several records may become, before compression. */
static size_t batch_bytes_max(const struct job_sink *sink)
{
    size_t bytes_max = sink->topic->batch_bytes_max;

    if (sink_codec(sink) != REC_NONE) {
        bytes_max -= bytes_max / BATCH_CODEC_SHARE;
    }
    return MIN(bytes_max, SINK_BATCH_BYTES);
}

static void epoch_touch(struct job_sinks *sinks, struct sink_partition *partition, uint32_t parity)
{
    struct sink_epoch *epoch = &sinks->epochs[parity];

    if (partition->spans[parity].touched) {
        return;
    }
    if (epoch->touched_count == epoch->touched_capacity) {
        epoch->touched_capacity = MAX(epoch->touched_capacity * 2, 16);
        epoch->touched =
            mem_realloc(MEM_JOB, epoch->touched, epoch->touched_capacity * sizeof(struct sink_partition *));
    }
    epoch->touched[epoch->touched_count++] = partition;
    partition->spans[parity] = (struct sink_span){.touched = true, .first_offset = -1, .last_offset = -1};
}

/* Sequence numbers go on through the incarnation, 2^31 - 1 being followed by 0. */
static void batch_stamp(struct sink_batch *batch)
{
    struct job_sinks          *sinks = batch->sinks;
    struct sink_partition     *partition = batch->partition;
    struct rec_builder        *builder = &batch->builder;
    const struct job_producer *producer = &sinks->run->producers[sinks->worker][batch->parity];

    builder->producer_id = producer->producer_id;
    builder->producer_epoch = producer->producer_epoch;
    builder->base_sequence = partition->next_sequence[batch->parity];
    builder->attributes |= REC_ATTR_TRANSACTIONAL;
    partition->next_sequence[batch->parity] =
        (int32_t)(((uint32_t)builder->base_sequence + (uint32_t)builder->record_count) & INT32_MAX);
    epoch_touch(sinks, partition, batch->parity);
}

static void batch_send(struct sink_batch *batch)
{
    struct job_sink  *sink = batch->sink;
    struct job_sinks *sinks = batch->sinks;
    struct view       records = {0};
    int               level = sink->topic->codec >= 0 ? sink->topic->codec_level : 0;
    int               rc;

    sinks->open_bytes -= batch->bytes;
    if (sinks->failed) { /* behind a gap nothing may follow */
        batch_release(batch);
        return;
    }
    if (sink->guarantee == JOB_EXACTLY_ONCE) {
        batch_stamp(batch);
    }
    rc = rec_builder_finish(&batch->builder, sink_codec(sink), level, &records);
    if (rc != ERR_OK) {
        sink__fail(sinks, "topic '%s': a record batch cannot be made: %s", sink->topic->name, err_text(rc));
        batch_release(batch);
        return;
    }
    batch->append = (struct part_append){.records = records,
                                         .zstd_allowed = true,
                                         .internal = true,
                                         .background = true,
                                         .flush = true,
                                         .wait_durable = true};
    batch->bytes = records.len;
    sinks->away_bytes += records.len;
    sinks->bytes += records.len;
    sinks->epochs[batch->parity].batches_away++;
    io_shard_send(sinks->jobs->options.shard, batch->partition->shard, &batch->mail, batch_arrive);
}

static struct sink_batch **batch_slot(struct job_sink *sink, int32_t partition)
{
    if (partition >= sink->open_count) {
        sink->open = mem_realloc(MEM_JOB, sink->open, (size_t)sink->topic->partition_count * sizeof(*sink->open));
        memset(sink->open + sink->open_count, 0,
               (size_t)(sink->topic->partition_count - sink->open_count) * sizeof(*sink->open));
        sink->open_count = sink->topic->partition_count;
    }
    return &sink->open[partition];
}

/* Records without key go to the next partition when a batch is full. */
static void slot_send(struct job_sink *sink, struct sink_batch **slot)
{
    struct sink_batch *batch = *slot;

    *slot = NULL;
    if (batch->partition->index == sink->sticky) {
        sink->sticky = (sink->sticky + 1) % sink->topic->partition_count;
    }
    batch_send(batch);
}

void sink__batch_add(struct job_sink *sink, int32_t partition, int64_t timestamp_ms, struct view key, struct view value)
{
    struct sink_batch **slot = batch_slot(sink, partition);
    size_t              more = key.len + value.len + RECORD_BYTES_MORE;
    struct sink_batch  *batch;

    if (more > RECORD_BYTES_MAX) {
        sink__fail(sink->sinks, "topic '%s': a record of %zu bytes is too large", sink->topic->name, more);
        return;
    }
    if (*slot != NULL && (*slot)->builder.len + more > batch_bytes_max(sink)) {
        slot_send(sink, slot);
        if (!sink->has_key && sink->partitioner == SINK_BY_KEY) {
            sink__batch_add(sink, sink->sticky, timestamp_ms, key, value);
            return;
        }
    }
    if (*slot == NULL) {
        *slot = batch_acquire(sink, sink->topic->partitions[partition]);
        (*slot)->bytes = 0;
    }
    batch = *slot;
    sink->sinks->open_bytes -= batch->bytes;
    rec_builder_add(&batch->builder, timestamp_ms, key, value, NULL, 0);
    batch->bytes = batch->builder.len;
    sink->sinks->open_bytes += batch->bytes;
    if (sink_codec(sink) == REC_NONE && batch->bytes > sink->topic->batch_bytes_max) {
        sink__fail(sink->sinks,
                   "topic '%s': a record makes a batch of %zu bytes, which is more than the topic's max.message.bytes "
                   "(%" PRIu32 ")",
                   sink->topic->name, batch->bytes, sink->topic->batch_bytes_max);
    }
}

void sink__batches_send(struct job_sink *sink)
{
    for (int32_t i = 0; i < sink->open_count; i++) {
        if (sink->open[i] != NULL) {
            slot_send(sink, &sink->open[i]);
        }
    }
}

void sink__batches_drop(struct job_sink *sink)
{
    for (int32_t i = 0; i < sink->open_count; i++) {
        if (sink->open[i] != NULL) {
            sink->sinks->open_bytes -= sink->open[i]->bytes;
            batch_release(sink->open[i]);
            sink->open[i] = NULL;
        }
    }
}

/* --- where the partition lives ------------------------------------------------------------------------------------ */

static struct job_shard *batch_place(const struct sink_batch *batch)
{
    return batch->sinks->jobs->options.by_shard[batch->at_shard];
}

static void batch_answer(struct sink_batch *batch)
{
    struct job_sinks *sinks = batch->sinks;

    io_shard_send(batch_place(batch)->options.shard, sinks->jobs->options.shard->index, &batch->mail, batch_return);
}

static void batch_over(struct sink_batch *batch)
{
    job__pace_leave(&batch_place(batch)->pace, PACE_WRITES, &batch->pace);
    batch_answer(batch);
}

static void batch_appended(struct part_append *append)
{
    batch_over(CONTAINER_OF(append, struct sink_batch, append));
}

static void batch_go(struct job_pace_io *io)
{
    struct sink_batch     *batch = CONTAINER_OF(io, struct sink_batch, pace);
    struct sink_partition *partition = batch->partition; /* what is read of it does not change */
    struct part *part = part_find_id(batch_place(batch)->options.parts, partition->topic->id, partition->index);

    if (part == NULL) {
        batch->append.error = KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        batch_over(batch);
        return;
    }
    batch->append.done = batch_appended;
    part_append(part, &batch->append);
}

static void batch_arrive(struct io_mail *mail, struct io_shard *to)
{
    struct sink_batch *batch = CONTAINER_OF(mail, struct sink_batch, mail);

    batch->at_shard = to->index;
    batch->pace = (struct job_pace_io){.bytes = batch->append.records.len, .go = batch_go};
    job__pace_enter(&batch_place(batch)->pace, PACE_WRITES, &batch->pace);
}

/* --- back home ---------------------------------------------------------------------------------------------------- */

static void batch_settle(struct sink_batch *batch)
{
    const struct part_append *append = &batch->append;
    struct sink_partition    *partition = batch->partition;
    struct sink_span         *span = &partition->spans[batch->parity];

    if (append->error != 0) {
        sink__fail(batch->sinks, "%s-%" PRId32 " did not take a batch: %s%s%s", partition->topic->name,
                   partition->index, kp_error_name(append->error), append->error_message == NULL ? "" : ": ",
                   append->error_message == NULL ? "" : append->error_message);
    } else if (span->touched && batch->builder.producer_id >= 0) {
        span->first_offset =
            span->first_offset < 0 ? append->base_offset : MIN(span->first_offset, append->base_offset);
        span->last_offset = MAX(span->last_offset, append->last_offset);
    }
}

static void batch_return(struct io_mail *mail, struct io_shard *to)
{
    struct sink_batch *batch = CONTAINER_OF(mail, struct sink_batch, mail);
    struct job_sinks  *sinks = batch->sinks;

    CHECK(to == sinks->jobs->options.shard);
    batch_settle(batch);
    CHECK(sinks->away_bytes >= batch->bytes && sinks->epochs[batch->parity].batches_away > 0);
    sinks->away_bytes -= batch->bytes;
    sinks->epochs[batch->parity].batches_away--;
    batch_release(batch);
    sink__turn(sinks);
}
