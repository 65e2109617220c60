/* Loading: the committed ranges of the job log into the engine, a read for each turn of the loop. */
#include "compute/job/job_state_internal.h"

#define LOAD_INFLATE_BYTES ((size_t)GIB)

static void load_step(struct job_state *state);

static void load_over(struct job_state *state)
{
    job_state_done_fn *done = state->done;

    state->done = NULL;
    done(state->context, state->failure[0] == '\0');
}

static void load_posted(struct io_op *op)
{
    struct job_state *state = CONTAINER_OF(op, struct job_state, posted);

    if (!state->stopping && state->failure[0] == '\0') {
        load_step(state);
    } else {
        (void)job__state_fail(state, "stopped");
        load_over(state);
    }
    job__state_home(state);
}

static void load_post(struct job_state *state)
{
    state->under_way++;
    io_post(job__io(state->jobs), &state->posted, load_posted);
}

/* --- records --------------------------------------------------------------------------------------------------------
 */

static bool load_record(struct job_state *state, const struct rec_record *record)
{
    if (record->key.base == NULL || record->key.len < JOB_STATE_KEY_BYTES || record->key.base[0] != JOB_STATE_VERSION) {
        return job__state_fail(state, "job log, partition %u, offset %" PRId64 ": no record of this release's form",
                               state->worker, record->offset);
    }
    state->increment_bytes += record->key.len + record->value.len;
    if (!exec_worker_load(state->exec, load_le32(record->key.base + 1), load_le32(record->key.base + 5),
                          view_of(record->key.base + JOB_STATE_KEY_BYTES, record->key.len - JOB_STATE_KEY_BYTES),
                          record->value)) {
        const struct exec_failure *failure = exec_job_failure(state->run->exec);

        return job__state_fail(state, "job log, partition %u, offset %" PRId64 ": %s", state->worker, record->offset,
                               failure == NULL ? "the record cannot be loaded" : failure->message);
    }
    return true;
}

static bool load_batch(struct job_state *state, const struct rec_batch *batch, int64_t end)
{
    struct arena      arena;
    struct view       records;
    struct rec_iter   iter;
    struct rec_record record;
    int               result;
    bool              good = true;

    arena_init(&arena, MEM_JOB, 64 * KIB, LOAD_INFLATE_BYTES * 3);
    result = rec_inflate(batch, LOAD_INFLATE_BYTES, &arena, &records);
    if (result == ERR_OK) {
        rec_iter_init(&iter, batch, records);
        while (good && (result = rec_iter_next(&iter, &record)) == 1) {
            good = record.offset < state->next_offset || record.offset >= end || load_record(state, &record);
        }
    }
    if (result < 0) {
        good = job__state_fail(state, "job log, partition %u, offset %" PRId64 ": the batch is damaged", state->worker,
                               batch->base_offset);
    }
    arena_deinit(&arena);
    return good;
}

/* What was read, up to the end of the range. */
static void load_slices(struct job_state *state, int64_t end)
{
    for (uint32_t i = 0; i < state->read.store.slice_count; i++) {
        struct view      rest = state->read.store.slices[i];
        struct rec_batch batch;

        while (rest.len > 0 && state->next_offset < end) {
            if (rec_batch_parse(rest, &batch) != ERR_OK) {
                (void)job__state_fail(state, "job log, partition %u: damaged at offset %" PRId64, state->worker,
                                      state->next_offset);
                return;
            }
            if (batch.base_offset < end && (batch.attributes & REC_ATTR_CONTROL) == 0 &&
                !load_batch(state, &batch, end)) {
                return;
            }
            state->next_offset = MAX(state->next_offset, rec_batch_last_offset(&batch) + 1);
            rest = view_of(rest.base + batch.bytes.len, rest.len - batch.bytes.len);
        }
    }
}

/* --- ranges ---------------------------------------------------------------------------------------------------------
 */

static const struct job_state_range *range_at(struct job_state *state)
{
    const struct job_share *from = state->run->from;

    while (from != NULL && state->range_at < from->state_count) {
        const struct job_state_range *range = &from->states[state->range_at];

        if (range->worker == state->worker && state->next_offset < range->end) {
            return range;
        }
        state->range_at++;
        state->next_offset = -1;
    }
    return NULL;
}

static void load_take(struct job_state *state)
{
    const struct job_state_range *range = range_at(state);
    int64_t                       before = state->next_offset;

    if (state->read.error != 0) {
        (void)job__state_fail(state, "job log, partition %u, offset %" PRId64 ": %s", state->worker, state->next_offset,
                              kp_error_name(state->read.error));
    } else {
        load_slices(state, range->end);
        if (state->failure[0] == '\0' && state->next_offset <= before) {
            (void)job__state_fail(state, "job log, partition %u, offset %" PRId64 ": records are missing",
                                  state->worker, state->next_offset);
        }
    }
    part_read_release(&state->read);
    load_post(state);
}

static void load_read_done(struct part_read *read)
{
    struct job_state *state = read->user;

    load_take(state);
    job__state_home(state);
}

static void load_step(struct job_state *state)
{
    const struct job_state_range *range = range_at(state);
    struct part                  *part;

    if (range == NULL) {
        load_over(state);
        return;
    }
    state->next_offset = MAX(state->next_offset, range->first);
    part = job__state_part(state);
    if (part != NULL && (range->first < part_log_start(part) || range->end > part_log_end(part))) {
        (void)job__state_fail(state,
                              "job log, partition %u: the commit names records %" PRId64 " to %" PRId64
                              ", the log has %" PRId64 " to %" PRId64,
                              state->worker, range->first, range->end, part_log_start(part), part_log_end(part));
    }
    if (state->failure[0] != '\0') {
        load_over(state);
        return;
    }
    state->read = (struct part_read){.offset = state->next_offset,
                                     .bytes_max = JOB_STATE_READ_BYTES,
                                     .at_least_one = true,
                                     .done = load_read_done,
                                     .user = state};
    if (part_read(part, &state->read)) {
        load_take(state);
    } else {
        state->under_way++;
    }
}

void job__state_load(struct job_state *state, job_state_done_fn *done)
{
    CHECK(state->done == NULL);
    state->done = done;
    state->range_at = 0;
    state->next_offset = -1;
    load_post(state);
}
