/* sim_model.h: the oracle of the store's crash tests: what was appended to each log, and what of it was promised.
 *
 * One model_log shadows one store_log. Every batch that was ever committed since the last recovery is here with its
 * bytes as stamped; after a recovery the model is cut to what the log then shows, and what it shows counts as promised
 * from there on (it was served). */
#ifndef MILLRACE_TESTS_SIM_MODEL_H
#define MILLRACE_TESTS_SIM_MODEL_H

#include "core/store/store.h"

enum model_state { MODEL_PENDING, MODEL_ACKED, MODEL_FAILED };

struct model_batch {
    int64_t          first_offset;
    int64_t          last_offset;
    enum model_state state;
    uint32_t         checksum; /* as the batch header has it */
    size_t           len;
    uint8_t         *bytes;
};

struct model_log {
    struct model_batch *batches; /* contiguous offsets from 0 */
    size_t              count;
    size_t              capacity;
    int64_t             acked_end;   /* everything below was promised durable */
    int64_t             seen_end;    /* largest durable end that was shown */
    int64_t             start_acked; /* a trim to here was answered */
    int64_t             start_asked; /* a trim to here was asked for */
};

void    model_init(struct model_log *model);
void    model_deinit(struct model_log *model);
int64_t model_end(const struct model_log *model);
/* A committed batch; `bytes` are copied. */
void model_append(struct model_log *model, struct view bytes);
/* Every batch up to last_offset was answered in order: acked or failed. */
void model_answer(struct model_log *model, int64_t first_offset, int64_t last_offset, bool acked);
/* The batch that holds `offset`, or NULL. */
const struct model_batch *model_find(const struct model_log *model, int64_t offset);
/* Compares batches back to back with the model. NULL when they are what was appended, else what is wrong.
 * *inout_offset: the offset the first one must hold, then the next one. */
const char *model_compare(const struct model_log *model, struct view bytes, int64_t *inout_offset);
/* After a recovery that shows everything below `end`. */
void model_recovered(struct model_log *model, int64_t start, int64_t end);

/* What a partition keeps in step with its log: a fold over batches that any skipped or repeated one changes. */
struct model_fold {
    int64_t  from_offset;
    int64_t  next_offset;
    uint64_t hash;
};

void model_fold_batch(struct model_fold *fold, int64_t first_offset, int64_t last_offset, uint32_t checksum);
/* The fold of the model's batches over [from, to). */
struct model_fold model_fold_of(const struct model_log *model, int64_t from, int64_t to);

#endif
