/* What compaction asks of a partition (store_hooks): how far it may go, what live producers and readers of committed
 * data still need.
 *
 * Facts: UnifiedLog.lastRecordsOfActiveProducers. A producer's next sequence is checked against the last batch of data
 * it wrote; one that wrote none under its epoch is known by its newest marker. */
#include "core/part/part_internal.h"

/* Never beyond the last stable offset: what lies there may still be committed or aborted. */
int64_t part__compact_limit(void *context)
{
    return part_last_stable_offset(context);
}

bool part__compact_producer_needs(void *context, const struct rec_batch *batch)
{
    const struct part          *part = context;
    const struct part_producer *producer = part__producer_find(part, batch->producer_id);

    if (producer == NULL) {
        return false;
    }
    if (producer->batch_count > 0) {
        return part__producer_batch(producer, producer->batch_count - 1U)->last_offset == rec_batch_last_offset(batch);
    }
    return (batch->attributes & REC_ATTR_CONTROL) != 0 && batch->producer_epoch == producer->epoch;
}

bool part__compact_aborted_next(void *context, int64_t from, int64_t to, size_t *position,
                                struct store_aborted *out_aborted)
{
    struct part_aborted aborted;

    if (!part_aborted_next(context, from, to, position, &aborted)) {
        return false;
    }
    *out_aborted = (struct store_aborted){
        .producer_id = aborted.producer_id, .first_offset = aborted.first_offset, .last_offset = aborted.last_offset};
    return true;
}

void part__compact_aborted_forget(void *context, int64_t from, int64_t to)
{
    part_aborted_forget(context, from, to);
}
