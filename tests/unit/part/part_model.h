/* part_model.h: what a partition with a few idempotent producers should do, in the simplest words. */
#ifndef MILLRACE_TESTS_PART_MODEL_H
#define MILLRACE_TESTS_PART_MODEL_H

#include "core/base/prng.h"
#include "core/part/part.h"

#define MODEL_PRODUCERS   3
#define MODEL_BATCHES_MAX 400 /* in one history, below what the fake disk takes */

struct model_batch {
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence;
    int32_t records;
    int64_t base_offset;
};

struct model_producer {
    bool               known;
    int16_t            epoch;
    int32_t            next_sequence;
    struct model_batch window[PART_PRODUCER_BATCHES];
    size_t             window_count;
};

struct model {
    struct model_batch    log[MODEL_BATCHES_MAX];
    size_t                log_count;
    int64_t               end_offset;
    struct model_producer producers[MODEL_PRODUCERS];
};

/* Something a producer may send: mostly the next batch, sometimes one again, a gap, another epoch. base_offset is not
 * set. */
struct model_batch model_choose(const struct model *model, struct prng *prng);
/* What comes of it, and the model after it: Kafka's error, and batch->base_offset (-1 with an error). */
int16_t model_send(struct model *model, struct model_batch *batch);
/* The log ends at end_offset again, or at the batch boundary below it. */
void model_cut(struct model *model, int64_t end_offset);

#endif
