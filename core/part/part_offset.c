/* ListOffsets and DeleteRecords. */
#include "core/part/part_internal.h"

enum lookup_sentinel {
    LOOKUP_LATEST = -1,
    LOOKUP_EARLIEST = -2,
    LOOKUP_MAX_TIMESTAMP = -3,
    LOOKUP_EARLIEST_LOCAL = -4,
    LOOKUP_LATEST_TIERED = -5,
};

struct part_trim {
    struct part  *part;
    part_done_fn *done;
    void         *context;
    int16_t       error;
    struct io_op  post;
};

static int64_t readable_end(const struct part *part, bool committed)
{
    return committed ? part_last_stable_offset(part) : part_high_watermark(part);
}

/* Offsets of other readers' future are not shown: an answer at or beyond the readable end is none. */
static void lookup_stored(struct store_time_lookup *store)
{
    struct part_offset_lookup *lookup = CONTAINER_OF(store, struct part_offset_lookup, store_);
    struct part               *part = lookup->part_;

    if (part->gone_error != 0) {
        lookup->error = part->gone_error;
    } else if (store->result == ERR_CORRUPT) {
        lookup->error = KP_ERR_CORRUPT_MESSAGE;
    } else if (store->result != ERR_OK) {
        lookup->error = KP_ERR_KAFKA_STORAGE_ERROR;
    } else if (store->out_offset >= 0 && store->out_offset < store->end_offset) {
        lookup->offset = store->out_offset;
        lookup->out_timestamp_ms = store->out_timestamp_ms;
        lookup->leader_epoch = store->out_leader_epoch;
    }
    lookup->done(lookup);
    part__release(part);
}

static bool lookup_in_store(struct part *part, struct part_offset_lookup *lookup)
{
    int64_t end_offset = readable_end(part, lookup->committed);

    if (end_offset <= part_log_start(part)) {
        return true;
    }
    lookup->store_.timestamp_ms = lookup->timestamp_ms;
    lookup->store_.end_offset = end_offset;
    lookup->store_.out_offset = -1;
    lookup->store_.out_timestamp_ms = -1;
    lookup->store_.out_leader_epoch = -1;
    lookup->store_.result = ERR_OK;
    lookup->store_.done = lookup_stored;
    part__hold(part);
    if (lookup->timestamp_ms == LOOKUP_MAX_TIMESTAMP) {
        store_log_find_max_time(part->log, &lookup->store_);
    } else {
        store_log_find_time(part->log, &lookup->store_);
    }
    return false;
}

static bool lookup_end_with(struct part_offset_lookup *lookup, int16_t error)
{
    lookup->error = error;
    return true;
}

bool part_find_offset(struct part *part, struct part_offset_lookup *lookup)
{
    lookup->part_ = part;
    lookup->error = KP_ERR_NONE;
    lookup->offset = -1;
    lookup->out_timestamp_ms = -1;
    lookup->leader_epoch = -1;
    if (part->gone_error != 0) {
        return lookup_end_with(lookup, part->gone_error);
    }
    if (!part->opened) {
        return lookup_end_with(lookup, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    }
    if (!part->readable) {
        return lookup_end_with(lookup, KP_ERR_KAFKA_STORAGE_ERROR);
    }
    switch (lookup->timestamp_ms) {
    case LOOKUP_LATEST:
        lookup->offset = readable_end(part, lookup->committed);
        lookup->leader_epoch = part->leader_epoch;
        return true;
    case LOOKUP_EARLIEST:
    case LOOKUP_EARLIEST_LOCAL:
        lookup->offset = part_log_start(part);
        lookup->leader_epoch = part__epoch_of(part, lookup->offset);
        return true;
    case LOOKUP_LATEST_TIERED: /* no tiers: there is none */
        return true;
    default:
        if (lookup->timestamp_ms < LOOKUP_LATEST_TIERED) {
            return lookup_end_with(lookup, KP_ERR_UNSUPPORTED_VERSION);
        }
        return lookup_in_store(part, lookup);
    }
}

/* --- DeleteRecords ----------------------------------------------------------------------------------------------- */

static void trim_end(struct part_trim *trim)
{
    struct part *part = trim->part;

    trim->done(trim->context, part->gone_error != 0 ? part->gone_error : trim->error);
    mem_free(MEM_PART, trim);
    part__release(part);
}

static void trim_post(struct io_op *op)
{
    trim_end(CONTAINER_OF(op, struct part_trim, post));
}

static void trim_stored(void *context, int result)
{
    struct part_trim *trim = context;

    if (result != ERR_OK) {
        trim->error = result == ERR_OUT_OF_RANGE ? KP_ERR_OFFSET_OUT_OF_RANGE : KP_ERR_KAFKA_STORAGE_ERROR;
    }
    trim_end(trim);
}

static int16_t trim_refusal(const struct part *part, int64_t offset)
{
    if (part->gone_error != 0) {
        return part->gone_error;
    }
    if (!part->opened) {
        return KP_ERR_NOT_LEADER_OR_FOLLOWER;
    }
    if (!part->online) {
        return KP_ERR_KAFKA_STORAGE_ERROR;
    }
    if (!part->settings.policy.delete_enabled) {
        return KP_ERR_POLICY_VIOLATION;
    }
    return offset < 0 || offset > part_high_watermark(part) ? KP_ERR_OFFSET_OUT_OF_RANGE : KP_ERR_NONE;
}

void part_delete_records(struct part *part, int64_t offset, part_done_fn *done, void *context)
{
    struct part_trim *trim = mem_alloc(MEM_PART, sizeof(*trim));

    if (offset == -1) {
        offset = part_high_watermark(part);
    }
    part__hold(part);
    trim->part = part;
    trim->done = done;
    trim->context = context;
    trim->error = trim_refusal(part, offset);
    if (trim->error != KP_ERR_NONE || offset <= part_log_start(part)) {
        io_post(part->table->shard->io, &trim->post, trim_post);
        return;
    }
    store_log_trim(part->log, offset, trim_stored, trim);
}
