/* The window of five, epochs and sequences, kept as lists; no speculation, no window arithmetic shared with the room.
 */
#include "tests/unit/part/part_model.h"

static void model_apply(struct model *model, const struct model_batch *batch)
{
    struct model_producer *producer = &model->producers[batch->producer_id];

    if (!producer->known || producer->epoch != batch->epoch) {
        producer->window_count = 0;
    }
    producer->known = true;
    producer->epoch = batch->epoch;
    producer->next_sequence = batch->sequence + batch->records;
    if (producer->window_count == PART_PRODUCER_BATCHES) {
        memmove(producer->window, producer->window + 1, sizeof(producer->window) - sizeof(producer->window[0]));
        producer->window_count--;
    }
    producer->window[producer->window_count++] = *batch;
}

struct model_batch model_choose(const struct model *model, struct prng *prng)
{
    struct model_batch           batch = {.producer_id = (int64_t)prng_below(prng, MODEL_PRODUCERS)};
    const struct model_producer *producer = &model->producers[batch.producer_id];

    batch.records = 1 + (int32_t)prng_below(prng, 3);
    batch.epoch = producer->epoch;
    batch.sequence = producer->next_sequence;
    switch (prng_below(prng, 10)) {
    case 0:
    case 1:
    case 2:
        if (producer->window_count > 0) {
            batch = producer->window[prng_below(prng, producer->window_count)];
        }
        break;
    case 3:
        batch.sequence += 1 + (int32_t)prng_below(prng, 3);
        break;
    case 4:
        batch.epoch = (int16_t)(batch.epoch + (int16_t)prng_below(prng, 3) - 1);
        batch.epoch = MAX(batch.epoch, 0);
        batch.sequence = prng_below(prng, 2) == 0 ? 0 : batch.sequence;
        break;
    default:
        break;
    }
    return batch;
}

int16_t model_send(struct model *model, struct model_batch *batch)
{
    struct model_producer *producer = &model->producers[batch->producer_id];

    for (size_t i = 0; i < producer->window_count; i++) {
        const struct model_batch *known = &producer->window[i];

        if (known->epoch == batch->epoch && known->sequence == batch->sequence && known->records == batch->records) {
            batch->base_offset = known->base_offset;
            return 0;
        }
    }
    batch->base_offset = -1;
    if (producer->known && batch->epoch < producer->epoch) {
        return KP_ERR_INVALID_PRODUCER_EPOCH;
    }
    if (producer->known && batch->sequence != (batch->epoch == producer->epoch ? producer->next_sequence : 0)) {
        return KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    batch->base_offset = model->end_offset;
    model->end_offset += batch->records;
    model->log[model->log_count++] = *batch;
    model_apply(model, batch);
    return 0;
}

void model_cut(struct model *model, int64_t end_offset)
{
    size_t count = model->log_count;

    memset(model->producers, 0, sizeof(model->producers));
    model->log_count = 0;
    model->end_offset = 0;
    for (size_t i = 0; i < count && model->log[i].base_offset + model->log[i].records <= end_offset; i++) {
        model->log_count++;
        model->end_offset = model->log[i].base_offset + model->log[i].records;
        model_apply(model, &model->log[i]);
    }
}
