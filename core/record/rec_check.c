/* Checking a produced batch: the header's rules at once, then the records, in slices when they are compressed.
 *
 * 1. What a client can cause ends in a verdict. Only a lack of memory for a codec ends in an error.
 * 2. Memory is one window and one codec context per check under way, whatever the batch claims about itself.
 * 3. Under a right CRC everything wrong inside is the producer's doing: INVALID_RECORD, which a client reports, and not
 *    CORRUPT_MESSAGE, which it would send again for ever. */
#include "core/base/check.h"
#include "core/record/rec_codec.h"
#include "core/record/rec_internal.h"

/* state_ of a check of a compressed batch. */
struct check_state {
    struct rec_inflater inflater;
    struct rec_walker   walker;
    uint64_t            inflated_bytes;
    size_t              left_bytes; /* unused end of the last piece, at the head of the window */
    uint8_t             window[REC_WALK_LEFT_BYTES_MAX + REC_WINDOW_BYTES];
};

static enum rec_verdict header_verdict(const struct rec_batch *batch, const struct rec_rules *rules,
                                       const char **out_reason);
static enum rec_verdict check_plain(struct rec_check *check);
static int              check_open(struct rec_check *check, enum rec_verdict *out_verdict);
static int check_window(struct rec_check *check, size_t bytes_max, size_t *out_bytes, enum rec_verdict *out_verdict);
static struct view records_of(const struct rec_batch *batch);

enum rec_verdict rec_check_begin(struct rec_check *check, const struct rec_batch *batch, const struct rec_rules *rules)
{
    enum rec_verdict verdict;

    CHECK(batch->bytes.len >= REC_HEADER_BYTES);
    *check = (struct rec_check){
        .batch = *batch,
        .rules = *rules,
        .found = {.max_timestamp_ms = REC_NO_TIMESTAMP, .bad_record_index = -1},
    };
    verdict = header_verdict(batch, rules, &check->found.reason);
    if (verdict == REC_OK && !rules->crc_checked && !rec_batch_crc_ok(batch)) {
        check->found.reason = "CRC does not match";
        verdict = REC_CORRUPT;
    }
    return verdict;
}

int rec_check_step(struct rec_check *check, size_t slice_bytes, enum rec_verdict *out_verdict)
{
    size_t done = 0;

    CHECK(slice_bytes > 0);
    if (check->batch.codec == REC_NONE) {
        *out_verdict = check_plain(check);
        return ERR_OK;
    }
    if (check->state_ == NULL) {
        int rc = check_open(check, out_verdict);

        if (rc != ERR_AGAIN) {
            return rc;
        }
    }
    while (done < slice_bytes) {
        size_t bytes = 0;
        int    rc = check_window(check, slice_bytes - done, &bytes, out_verdict);

        if (rc != ERR_AGAIN) {
            return rc;
        }
        done += bytes;
    }
    return ERR_AGAIN;
}

void rec_check_end(struct rec_check *check)
{
    struct check_state *state = check->state_;

    if (state == NULL) {
        return;
    }
    check->state_ = NULL;
    rec__inflate_close(&state->inflater);
    if (!rec__idle_keep(REC_IDLE_CHECK, state)) {
        mem_free(MEM_RECORD, state);
    }
}

int rec_check_whole(const struct rec_batch *batch, const struct rec_rules *rules, struct rec_found *out_found,
                    enum rec_verdict *out_verdict)
{
    struct rec_check check;
    enum rec_verdict verdict = rec_check_begin(&check, batch, rules);
    int              rc = ERR_OK;

    if (verdict == REC_OK) {
        do {
            rc = rec_check_step(&check, REC_WINDOW_BYTES, &verdict);
        } while (rc == ERR_AGAIN);
    }
    rec_check_end(&check);
    if (rc == ERR_OK) {
        *out_found = check.found;
        *out_verdict = verdict;
    }
    return rc;
}

static enum rec_verdict header_verdict(const struct rec_batch *batch, const struct rec_rules *rules,
                                       const char **out_reason)
{
    const char      *reason = NULL;
    enum rec_verdict verdict = REC_INVALID_RECORD;
    uint16_t         attributes = batch->attributes;

    if (batch->bytes.len > rules->batch_bytes_max) {
        reason = "batch is larger than max.message.bytes";
        verdict = REC_TOO_LARGE;
    } else if ((int)batch->codec >= REC_CODEC_COUNT) {
        reason = "unknown compression type";
        verdict = REC_UNSUPPORTED_COMPRESSION;
    } else if (batch->codec == REC_ZSTD && !rules->zstd_allowed) {
        reason = "zstd needs Produce version 7 or later";
        verdict = REC_UNSUPPORTED_COMPRESSION;
    } else if (batch->base_offset != 0) {
        reason = "base offset of a produced batch must be 0";
    } else if (batch->record_count <= 0) {
        reason = "a produced batch must hold records";
    } else if (batch->record_count - 1 != batch->last_offset_delta) {
        reason = "record count and last offset delta disagree";
    } else if ((attributes & REC_ATTR_CONTROL) != 0 && !rules->control_allowed) {
        reason = "clients are not allowed to write control records";
    } else if (batch->producer_id >= 0 && batch->base_sequence < 0 && !rules->control_allowed) {
        reason = "negative sequence number with a producer id";
    } else if ((attributes & REC_ATTR_TRANSACTIONAL) != 0 && batch->producer_id < 0) {
        reason = "transactional batch without a producer id";
    } else if ((attributes & REC_ATTR_DELETE_HORIZON) != 0) {
        reason = "clients are not allowed to set a delete horizon";
    } else if ((attributes & REC_ATTR_LOG_APPEND_TIME) != 0) {
        reason = "producers should not set timestamp type to LogAppendTime";
        verdict = REC_INVALID_TIMESTAMP;
    } else {
        verdict = REC_OK;
    }
    *out_reason = reason;
    return verdict;
}

static enum rec_verdict check_plain(struct rec_check *check)
{
    struct rec_walker walker;
    struct view       records = records_of(&check->batch);
    size_t            used;

    check->found.records_bytes = records.len;
    rec__walk_init(&walker, &check->batch, &check->rules, &check->found);
    used = rec__walk(&walker, records);
    return rec__walk_finish(&walker, records.len - used);
}

/* ERR_AGAIN: open, go on. ERR_OK: the verdict is there already. */
static int check_open(struct rec_check *check, enum rec_verdict *out_verdict)
{
    struct check_state *state = rec__idle_take(REC_IDLE_CHECK);
    int                 rc;

    if (state == NULL) {
        state = mem_try_alloc(MEM_RECORD, sizeof(*state));
    }
    if (state == NULL) {
        return ERR_NO_MEMORY;
    }
    /* The window is not touched: what was there is never read. */
    state->inflated_bytes = 0;
    state->left_bytes = 0;
    state->inflater = (struct rec_inflater){.codec = REC_NONE};
    rec__walk_init(&state->walker, &check->batch, &check->rules, &check->found);
    check->state_ = state;
    rc = rec__inflate_open(&state->inflater, check->batch.codec, records_of(&check->batch),
                           check->rules.inflated_bytes_max);
    if (rc == ERR_OK) {
        return ERR_AGAIN;
    }
    if (rc == ERR_NO_MEMORY) {
        rec_check_end(check);
        return rc;
    }
    check->found.reason = rc == ERR_UNSUPPORTED ? "compressed with an option that consumers cannot read"
                                                : "compressed records cannot be read";
    *out_verdict = REC_INVALID_RECORD;
    return ERR_OK;
}

/* Inflates and walks one window. ERR_AGAIN: go on; ERR_OK: *out_verdict is final; ERR_NO_MEMORY. */
static int check_window(struct rec_check *check, size_t bytes_max, size_t *out_bytes, enum rec_verdict *out_verdict)
{
    struct check_state *state = check->state_;
    struct span         out = span_of(state->window + state->left_bytes, MIN(bytes_max, REC_WINDOW_BYTES));
    int                 rc = rec__inflate_pull(&state->inflater, out, out_bytes);
    size_t              piece_bytes = state->left_bytes + *out_bytes;
    size_t              used;

    if (rc == ERR_NO_MEMORY) {
        return rc;
    }
    state->inflated_bytes += *out_bytes;
    /* What came out before damage or a limit was met is judged first. */
    used = rec__walk(&state->walker, view_of(state->window, piece_bytes));
    state->left_bytes = piece_bytes - used;
    *out_verdict = state->walker.verdict;
    if (state->walker.verdict != REC_OK) {
        return ERR_OK;
    }
    if (rc == ERR_LIMIT || state->inflated_bytes > check->rules.inflated_bytes_max) {
        check->found.reason = "decompressed records exceed the limit";
        *out_verdict = REC_TOO_LARGE;
        return ERR_OK;
    }
    if (rc < 0) {
        check->found.reason = "compressed records cannot be read";
        *out_verdict = REC_INVALID_RECORD;
        return ERR_OK;
    }
    if (rc == 1) {
        check->found.records_bytes = state->inflated_bytes;
        *out_verdict = rec__walk_finish(&state->walker, state->left_bytes);
        return ERR_OK;
    }
    CHECK(state->left_bytes <= REC_WALK_LEFT_BYTES_MAX);
    memmove(state->window, state->window + used, state->left_bytes);
    return ERR_AGAIN;
}

static struct view records_of(const struct rec_batch *batch)
{
    return view_of(batch->bytes.base + REC_HEADER_BYTES, batch->bytes.len - REC_HEADER_BYTES);
}
