/* Idempotent producers: the window of five batches, epochs, sequences (KIP-98, KIP-360), and who is forgotten when.
 *
 * Facts: clients' DefaultRecordBatch (sequence arithmetic), storage's ProducerStateEntry and ProducerAppendInfo. An
 * exact match of a remembered batch's sequence range is a duplicate. A lower epoch is refused. A new epoch starts at
 * sequence 0; a producer that is not known may start anywhere. Otherwise sequences go on from the last one, 2^31-1
 * being followed by 0.
 *
 * The state in struct part_producer is speculative: it changes at commit. `durable` remembers how the producer stood
 * before its first batch in flight; with the remembered batches below the durable end it gives the durable state back
 * after a failed write.
 *
 * Idle time is measured on the monotonic clock, so that a jump of the wall clock expires nobody. */
#include "core/part/part_internal.h"

void part__producers_init(struct part *part)
{
    map_init(&part->producers, MEM_PART);
    list_init(&part->producers_idle);
    list_init(&part->txns);
    list_init(&part->closing);
    list_init(&part->free_txns);
    part__verifications_init(part);
}

struct part_producer *part__producer_find(const struct part *part, int64_t producer_id)
{
    uint8_t key[PART_PRODUCER_KEY_BYTES];

    return map_get(&part->producers, part__producer_key(key, producer_id));
}

/* --- the window -------------------------------------------------------------------------------------------------- */

const struct part_batch *part__producer_batch(const struct part_producer *producer, uint32_t index)
{
    DCHECK(index < producer->batch_count);
    return &producer->batches[(producer->batch_first + index) % PART_PRODUCER_BATCHES];
}

int32_t part__producer_last_sequence(const struct part_producer *producer)
{
    if (producer->batch_count == 0) {
        return -1;
    }
    return part__producer_batch(producer, producer->batch_count - 1U)->last_sequence;
}

void part__producer_remember(struct part_producer *producer, const struct part_batch *batch)
{
    uint32_t at = ((uint32_t)producer->batch_first + producer->batch_count) % PART_PRODUCER_BATCHES;

    producer->batches[at] = *batch;
    if (producer->batch_count == PART_PRODUCER_BATCHES) {
        producer->batch_first = (uint8_t)((producer->batch_first + 1) % PART_PRODUCER_BATCHES);
    } else {
        producer->batch_count++;
    }
}

static void producer_set_epoch(struct part_producer *producer, int16_t epoch)
{
    if (producer->epoch != epoch) {
        producer->epoch = epoch;
        producer->batch_first = 0;
        producer->batch_count = 0;
    }
}

/* --- checking ---------------------------------------------------------------------------------------------------- */

static int32_t sequence_add(int32_t sequence, int32_t delta)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)delta) & INT32_MAX);
}

static enum part_producer_verdict producer_refuse(struct part_producer_answer *answer, int16_t error,
                                                  const char *message)
{
    answer->error = error;
    answer->message = message;
    return PART_PRODUCER_REFUSED;
}

static const struct part_batch *producer_find_duplicate(const struct part_producer *producer,
                                                        const struct rec_batch     *batch)
{
    int32_t last_sequence = sequence_add(batch->base_sequence, batch->last_offset_delta);

    if (producer->epoch != batch->producer_epoch) {
        return NULL;
    }
    for (uint32_t i = 0; i < producer->batch_count; i++) {
        const struct part_batch *known = part__producer_batch(producer, i);

        if (known->first_sequence == batch->base_sequence && known->last_sequence == last_sequence) {
            return known;
        }
    }
    return NULL;
}

static enum part_producer_verdict producer_check_sequence(const struct part_producer  *producer,
                                                          const struct rec_batch      *batch,
                                                          struct part_producer_answer *answer)
{
    if (producer == NULL || producer->epoch == -1) {
        return PART_PRODUCER_NEXT;
    }
    if (producer->epoch != batch->producer_epoch) {
        return batch->base_sequence == 0 ? PART_PRODUCER_NEXT
                                         : producer_refuse(answer, KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                                           "a new producer epoch starts at sequence number 0");
    }
    /* From -1, nothing seen under this epoch, the next is 0. */
    if (batch->base_sequence != sequence_add(part__producer_last_sequence(producer), 1)) {
        return producer_refuse(answer, KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                               "the sequence number does not follow the producer's last one in this partition");
    }
    return PART_PRODUCER_NEXT;
}

/* From transactions of version 2 on (KIP-890) a transaction's marker carries the epoch behind its own: that it is above
 * the producer's fences what comes late. A marker that comes again, or is the last one an epoch can have, may be equal.
 */
static enum part_producer_verdict producer_check_marker(const struct part_producer  *producer,
                                                        const struct part_append    *append,
                                                        struct part_producer_answer *answer)
{
    const struct rec_batch *batch = &append->batch_;
    struct rec_marker       marker = {.coordinator_epoch = -1};

    if (append->marker_version >= 2 && batch->producer_epoch == producer->epoch && producer->txn != NULL &&
        batch->producer_epoch != INT16_MAX) {
        return producer_refuse(answer, KP_ERR_INVALID_PRODUCER_EPOCH,
                               "the marker's epoch is not above the one of the open transaction");
    }
    if (rec_marker_parse(batch, &marker) != ERR_OK || marker.coordinator_epoch < producer->coordinator_epoch) {
        return producer_refuse(answer, KP_ERR_TRANSACTION_COORDINATOR_FENCED,
                               "a newer transaction coordinator has written a marker");
    }
    return PART_PRODUCER_NEXT;
}

/* Whether a transactional batch continues a transaction, or may open one. */
static bool producer_in_transaction(const struct part *part, const struct part_producer *producer,
                                    const struct part_append *append)
{
    const struct part_verification *verification;

    if (producer != NULL && producer->txn != NULL && producer->epoch == append->batch_.producer_epoch) {
        return true;
    }
    verification = part__verification_find(part, append->batch_.producer_id);
    return append->guard != 0 && verification != NULL && verification->guard == append->guard;
}

/* Of a client's batch, or one that names its guard. */
static enum part_producer_verdict producer_check_transaction(const struct part           *part,
                                                             const struct part_producer  *producer,
                                                             const struct part_append    *append,
                                                             struct part_producer_answer *answer)
{
    const struct part_verification *verification;

    if ((append->batch_.attributes & REC_ATTR_TRANSACTIONAL) == 0) {
        return producer == NULL || producer->txn == NULL
                   ? PART_PRODUCER_NEXT
                   : producer_refuse(answer, KP_ERR_INVALID_TXN_STATE,
                                     "the producer has an open transaction in this partition");
    }
    if (append->internal && append->guard == 0) {
        return PART_PRODUCER_NEXT;
    }
    if (!producer_in_transaction(part, producer, append)) {
        return producer_refuse(answer, KP_ERR_INVALID_TXN_STATE,
                               "the record batch is not part of an ongoing transaction");
    }
    verification = append->internal ? NULL : part__verification_find(part, append->batch_.producer_id);
    if (verification != NULL && (append->batch_.base_sequence > verification->lowest_sequence ||
                                 (verification->adds && append->batch_.base_sequence != 0 &&
                                  (producer == NULL || producer->batch_count == 0)))) {
        return producer_refuse(answer, KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                               "an earlier batch of the producer has to come first");
    }
    return PART_PRODUCER_NEXT;
}

enum part_producer_verdict part__producer_check(const struct part *part, const struct part_append *append,
                                                struct part_producer_answer *out_answer)
{
    const struct rec_batch    *batch = &append->batch_;
    struct part_producer      *producer = part__producer_find(part, batch->producer_id);
    const struct part_batch   *original;
    enum part_producer_verdict verdict;

    *out_answer = (struct part_producer_answer){.producer = producer};
    if ((append->foreign || !append->internal) && part_table_reserved(part->table, batch->producer_id)) {
        return producer_refuse(out_answer, KP_ERR_INVALID_PRODUCER_EPOCH,
                               "the producer id belongs to a job, which alone writes under it");
    }
    if (producer != NULL && !append->internal && (original = producer_find_duplicate(producer, batch)) != NULL) {
        out_answer->original = *original;
        return PART_PRODUCER_DUPLICATE;
    }
    if (producer != NULL && batch->producer_epoch < producer->epoch) {
        return producer_refuse(out_answer, KP_ERR_INVALID_PRODUCER_EPOCH,
                               "a newer epoch of this producer has written to the partition");
    }
    if ((batch->attributes & REC_ATTR_CONTROL) != 0) {
        return producer == NULL ? PART_PRODUCER_NEXT : producer_check_marker(producer, append, out_answer);
    }
    verdict = producer_check_transaction(part, producer, append, out_answer);
    if (verdict == PART_PRODUCER_NEXT && !append->internal) {
        verdict = producer_check_sequence(producer, batch, out_answer);
    }
    return verdict;
}

/* --- change ------------------------------------------------------------------------------------------------------ */

static void producer_free(struct part *part, struct part_producer *producer)
{
    uint8_t key[PART_PRODUCER_KEY_BYTES];

    CHECK(map_remove(&part->producers, part__producer_key(key, producer->producer_id)) == producer);
    list_remove(&producer->link);
    mem_free(MEM_PART, producer);
}

/* The limit holds unless every producer has an open transaction, and those are bounded by their coordinator. */
static void producer_evict(struct part *part)
{
    LIST_EACH(&part->producers_idle, node) {
        struct part_producer *producer = LIST_ENTRY(node, struct part_producer, link);

        if (producer->txn == NULL) {
            producer_free(part, producer);
            return;
        }
    }
}

struct part_producer *part__producer_add(struct part *part, int64_t producer_id)
{
    struct part_producer *producer = mem_alloc(MEM_PART, sizeof(*producer));
    uint8_t               key[PART_PRODUCER_KEY_BYTES];

    if (map_count(&part->producers) >= PART_PRODUCERS_MAX) {
        producer_evict(part);
    }
    producer->producer_id = producer_id;
    producer->epoch = -1;
    producer->coordinator_epoch = -1;
    producer->last_timestamp_ms = -1;
    producer->last_offset = -1;
    producer->seen_ns = part__now_ns(part);
    producer->durable =
        (struct part_producer_mark){.epoch = -1, .last_sequence = -1, .last_timestamp_ms = -1, .coordinator_epoch = -1};
    list_push_back(&part->producers_idle, &producer->link);
    CHECK(map_put(&part->producers, part__producer_key(key, producer_id), producer) == NULL);
    return producer;
}

/* How the producer stands with nothing beyond durable_end counted. */
static struct part_producer_mark producer_durable(const struct part_producer *producer, int64_t durable_end)
{
    struct part_producer_mark mark = producer->durable;

    if (producer->last_offset < durable_end) {
        return (struct part_producer_mark){.last_timestamp_ms = producer->last_timestamp_ms,
                                           .last_sequence = part__producer_last_sequence(producer),
                                           .coordinator_epoch = producer->coordinator_epoch,
                                           .epoch = producer->epoch};
    }
    for (uint32_t i = 0; i < producer->batch_count; i++) {
        const struct part_batch *batch = part__producer_batch(producer, i);

        if (batch->last_offset < durable_end) {
            mark.epoch = producer->epoch;
            mark.last_sequence = batch->last_sequence;
            mark.last_timestamp_ms = batch->timestamp_ms;
        }
    }
    return mark;
}

/* Control batches that are no markers, as compaction may leave them, change nothing. */
static void producer_commit_marker(struct part *part, struct part_producer *producer, const struct rec_batch *batch,
                                   int64_t offset)
{
    struct rec_marker marker;

    if (rec_marker_parse(batch, &marker) != ERR_OK ||
        (marker.type != REC_CONTROL_ABORT && marker.type != REC_CONTROL_COMMIT)) {
        return;
    }
    producer->coordinator_epoch = MAX(producer->coordinator_epoch, marker.coordinator_epoch);
    if (producer->txn != NULL) {
        part__txn_close(part, producer, offset, marker.type == REC_CONTROL_COMMIT);
    }
}

static void producer_commit_data(struct part *part, struct part_producer *producer, const struct rec_batch *batch,
                                 int64_t base_offset)
{
    struct part_batch known = {
        .first_sequence = batch->base_sequence,
        .last_sequence = sequence_add(batch->base_sequence, batch->last_offset_delta),
        .first_offset = base_offset,
        .last_offset = base_offset + batch->last_offset_delta,
        .timestamp_ms = batch->max_timestamp_ms,
    };

    /* A coordinator's own writes have no sequence and nothing that could be a duplicate. */
    if (batch->base_sequence >= 0) {
        part__producer_remember(producer, &known);
    }
    if ((batch->attributes & REC_ATTR_TRANSACTIONAL) != 0 && producer->txn == NULL) {
        part__txn_begin(part, producer, base_offset);
    }
}

void part__producer_commit(struct part *part, struct part_producer *producer, const struct rec_batch *batch,
                           int64_t base_offset)
{
    int64_t durable_end = part_high_watermark(part);

    if (producer == NULL) {
        producer = part__producer_find(part, batch->producer_id);
    }
    if (producer == NULL) {
        producer = part__producer_add(part, batch->producer_id);
    } else {
        producer->durable = producer_durable(producer, durable_end);
    }
    producer_set_epoch(producer, batch->producer_epoch);
    if ((batch->attributes & REC_ATTR_CONTROL) != 0) {
        producer_commit_marker(part, producer, batch, base_offset);
    } else {
        producer_commit_data(part, producer, batch, base_offset);
    }
    producer->last_timestamp_ms = batch->max_timestamp_ms;
    producer->last_offset = base_offset + batch->last_offset_delta;
    producer->seen_ns = part__now_ns(part);
    list_remove(&producer->link);
    list_push_back(&part->producers_idle, &producer->link);
}

/* --- forgetting -------------------------------------------------------------------------------------------------- */

void part__producers_rollback(struct part *part, int64_t durable_end)
{
    LIST_EACH(&part->producers_idle, node) {
        struct part_producer     *producer = LIST_ENTRY(node, struct part_producer, link);
        struct part_producer_mark mark = producer_durable(producer, durable_end);

        if (producer->last_offset < durable_end) {
            continue;
        }
        producer->epoch = mark.epoch;
        producer->coordinator_epoch = mark.coordinator_epoch;
        producer->last_timestamp_ms = mark.last_timestamp_ms;
        while (producer->batch_count > 0 &&
               part__producer_batch(producer, producer->batch_count - 1U)->last_offset >= durable_end) {
            producer->batch_count--;
        }
        producer->durable = mark;
    }
}

void part__producers_expire(struct part *part, int64_t now_ns)
{
    int64_t expiry_ms = MIN(part->settings.producer_expiry_ms, INT64_MAX / NS_PER_MS);

    /* The queue's head keeps a pointer to its producer. */
    if (!part->opened || !list_empty(&part->queue)) {
        return;
    }
    part__verifications_expire(part, now_ns - expiry_ms * NS_PER_MS);
    LIST_EACH(&part->producers_idle, node) {
        struct part_producer *producer = LIST_ENTRY(node, struct part_producer, link);

        if (now_ns - producer->seen_ns < expiry_ms * NS_PER_MS) {
            return;
        }
        if (producer->txn == NULL) {
            producer_free(part, producer);
        }
    }
}

void part__producers_clear(struct part *part)
{
    struct list_node *node;

    part__txns_clear(part);
    part__verifications_clear(part);
    while ((node = list_first(&part->producers_idle)) != NULL) {
        producer_free(part, LIST_ENTRY(node, struct part_producer, link));
    }
    part->head_producer = NULL;
}

static bool producer_inform(const struct part *part, const struct part_producer *producer, int64_t durable_end,
                            struct part_producer_info *out_info)
{
    struct part_producer_mark mark = producer_durable(producer, durable_end);

    *out_info = (struct part_producer_info){.producer_id = producer->producer_id,
                                            .producer_epoch = mark.epoch,
                                            .last_sequence = mark.last_sequence,
                                            .last_timestamp_ms = mark.last_timestamp_ms,
                                            .coordinator_epoch = mark.coordinator_epoch,
                                            .txn_first_offset = part__txn_durable_first(part, producer, durable_end)};
    return mark.epoch >= 0;
}

bool part_producer_next(const struct part *part, size_t *position, struct part_producer_info *out_info)
{
    int64_t           durable_end = part_high_watermark(part);
    struct map_entry *entry;

    while ((entry = map_next(&part->producers, position)) != NULL) {
        if (producer_inform(part, entry->value, durable_end, out_info)) {
            return true;
        }
    }
    return false;
}

bool part_producer_find(const struct part *part, int64_t producer_id, struct part_producer_info *out_info)
{
    const struct part_producer *producer = part__producer_find(part, producer_id);

    return producer != NULL && producer_inform(part, producer, part_high_watermark(part), out_info);
}
