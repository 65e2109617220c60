/* The oracle. Nothing here knows the store's format: only offsets and bytes. */
#include "tests/sim/sim_model.h"

#include "core/base/hash.h"

void model_init(struct model_log *model)
{
    *model = (struct model_log){0};
}

static void batches_cut(struct model_log *model, size_t count)
{
    while (model->count > count) {
        mem_free(MEM_TEST, model->batches[--model->count].bytes);
    }
}

void model_deinit(struct model_log *model)
{
    batches_cut(model, 0);
    mem_free(MEM_TEST, model->batches);
    model_init(model);
}

int64_t model_end(const struct model_log *model)
{
    return model->count == 0 ? 0 : model->batches[model->count - 1].last_offset + 1;
}

static void append_one(struct model_log *model, const struct rec_batch *batch)
{
    struct model_batch *slot;

    CHECK(batch->base_offset == model_end(model));
    if (model->count == model->capacity) {
        model->capacity = MAX((size_t)64, model->capacity * 2);
        model->batches = mem_realloc(MEM_TEST, model->batches, model->capacity * sizeof(*model->batches));
    }
    slot = &model->batches[model->count++];
    *slot = (struct model_batch){
        .first_offset = batch->base_offset,
        .last_offset = rec_batch_last_offset(batch),
        .checksum = batch->crc,
        .len = batch->bytes.len,
        .bytes = mem_alloc(MEM_TEST, batch->bytes.len),
    };
    memcpy(slot->bytes, batch->bytes.base, batch->bytes.len);
}

void model_append(struct model_log *model, struct view bytes)
{
    while (bytes.len > 0) {
        struct rec_batch batch;

        CHECK(rec_batch_parse(bytes, &batch) == ERR_OK);
        append_one(model, &batch);
        bytes = view_of(bytes.base + batch.bytes.len, bytes.len - batch.bytes.len);
    }
}

/* The place of the batch that holds `offset`, or model->count. */
static size_t batch_index(const struct model_log *model, int64_t offset)
{
    size_t low = 0;
    size_t high = model->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (model->batches[middle].last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct model_batch *model_find(const struct model_log *model, int64_t offset)
{
    size_t index = offset < 0 ? model->count : batch_index(model, offset);

    return index == model->count ? NULL : &model->batches[index];
}

void model_answer(struct model_log *model, int64_t first_offset, int64_t last_offset, bool acked)
{
    for (size_t i = batch_index(model, first_offset); i < model->count; i++) {
        if (model->batches[i].first_offset > last_offset) {
            break;
        }
        CHECK(model->batches[i].state == MODEL_PENDING); /* answered once */
        model->batches[i].state = acked ? MODEL_ACKED : MODEL_FAILED;
    }
    if (acked) {
        model->acked_end = MAX(model->acked_end, last_offset + 1);
    }
}

const char *model_compare(const struct model_log *model, struct view bytes, int64_t *inout_offset)
{
    while (bytes.len > 0) {
        const struct model_batch *wanted = model_find(model, *inout_offset);
        struct rec_batch          batch;

        if (wanted == NULL) {
            return "a batch that was never appended";
        }
        if (rec_batch_parse(bytes, &batch) != ERR_OK) {
            return "bytes that are no batch";
        }
        if (batch.base_offset != wanted->first_offset) {
            return "a batch at another offset";
        }
        if (batch.bytes.len != wanted->len || memcmp(batch.bytes.base, wanted->bytes, wanted->len) != 0) {
            return "a batch with other bytes";
        }
        *inout_offset = wanted->last_offset + 1;
        bytes = view_of(bytes.base + batch.bytes.len, bytes.len - batch.bytes.len);
    }
    return NULL;
}

/* A log that was trimmed inside a batch and then lost that batch goes on where the trim was. */
static void append_gap(struct model_log *model, int64_t end)
{
    struct model_batch *slot = &model->batches[model->count];

    *slot = (struct model_batch){.first_offset = model_end(model), .last_offset = end - 1};
    slot->bytes = mem_alloc(MEM_TEST, 1);
    model->count++;
}

void model_recovered(struct model_log *model, int64_t start, int64_t end)
{
    batches_cut(model, batch_index(model, end));
    if (model_end(model) < end) {
        append_gap(model, end); /* a batch was cut: there is room for it */
    }
    for (size_t i = 0; i < model->count; i++) {
        model->batches[i].state = MODEL_ACKED;
    }
    model->acked_end = end;
    model->seen_end = end;
    model->start_acked = start;
    model->start_asked = start;
}

void model_fold_batch(struct model_fold *fold, int64_t first_offset, int64_t last_offset, uint32_t checksum)
{
    if (fold->next_offset == fold->from_offset) {
        fold->from_offset = first_offset;
    }
    fold->hash = hash_u64(fold->hash ^ hash_u64((uint64_t)first_offset) ^ checksum);
    fold->next_offset = last_offset + 1;
}

struct model_fold model_fold_of(const struct model_log *model, int64_t from, int64_t to)
{
    struct model_fold fold = {.from_offset = from, .next_offset = from};

    for (size_t i = 0; i < model->count; i++) {
        const struct model_batch *batch = &model->batches[i];

        if (batch->first_offset >= from && batch->last_offset < to) {
            model_fold_batch(&fold, batch->first_offset, batch->last_offset, batch->checksum);
        }
    }
    return fold;
}
