/* Reading back and comparing: what was promised is there, what is there was appended. */
#include "tests/sim/storm.h"

#define STORM_READ_BYTES     100000
#define STORM_FLUSH_SLACK_NS (2 * NS_PER_S)

struct storm_reading {
    struct store_read read;
    bool              done;
};

static void reading_done(struct store_read *read)
{
    CONTAINER_OF(read, struct storm_reading, read)->done = true;
}

/* Compares what the slices hold; a batch may begin in one slice and never end in another. */
static void compare_slices(struct storm *storm, struct storm_log *slog, const struct store_read *read)
{
    int64_t next = read->first_offset;

    for (uint32_t i = 0; i < read->slice_count && storm_ok(storm); i++) {
        const char *wrong = model_compare(&slog->model, read->slices[i], &next);

        if (wrong != NULL) {
            storm_fail(storm, "log %u: at offset %" PRId64 " %s", slog->index, next, wrong);
        }
    }
    if (storm_ok(storm) && next != read->next_offset) {
        storm_fail(storm, "log %u: the read of %" PRId64 " ends at %" PRId64 " and says %" PRId64, slog->index,
                   read->offset, next, read->next_offset);
    }
}

static void check_read(struct storm *storm, struct storm_log *slog, const struct store_read *read)
{
    const struct model_batch *wanted = model_find(&slog->model, read->offset);

    if (wanted == NULL || read->slice_count == 0 || read->next_offset <= read->offset) {
        storm_fail(storm, "log %u: nothing is read at offset %" PRId64 " below the durable end %" PRId64, slog->index,
                   read->offset, read->end_offset);
        return;
    }
    if (read->first_offset != wanted->first_offset) {
        storm_fail(storm, "log %u: the read of %" PRId64 " begins at %" PRId64 ", not %" PRId64, slog->index,
                   read->offset, read->first_offset, wanted->first_offset);
        return;
    }
    compare_slices(storm, slog, read);
}

int64_t storm_read(struct storm *storm, struct storm_log *slog, int64_t offset, size_t bytes_max)
{
    struct storm_reading *reading = mem_alloc(MEM_TEST, sizeof(*reading));
    struct store_read    *read = &reading->read;
    int64_t               result;

    read->offset = offset;
    read->end_offset = store_log_durable_offset(slog->log);
    read->bytes_max = bytes_max;
    read->at_least_one = true;
    read->done = reading_done;
    if (!store_log_read(slog->log, read)) {
        while (!reading->done && io_core_turn(storm->core, NS_PER_S) >= 0) {
        }
    }
    result = read->result == ERR_OK ? read->next_offset : read->result;
    if (read->result == ERR_OK) {
        check_read(storm, slog, read);
    }
    store_read_release(read);
    mem_free(MEM_TEST, reading);
    return result;
}

/* Everything from the start to the durable end, once. */
static void verify_content(struct storm *storm, struct storm_log *slog)
{
    int64_t end = store_log_durable_offset(slog->log);
    int64_t offset = store_log_start_offset(slog->log);

    while (offset < end && storm_ok(storm) && !storm_power_off(storm)) {
        int64_t next = storm_read(storm, slog, offset, STORM_READ_BYTES);

        if (next == ERR_OUT_OF_RANGE && offset < store_log_start_offset(slog->log)) {
            offset = store_log_start_offset(slog->log); /* a trim was answered meanwhile */
            continue;
        }
        if (next < 0 && next != ERR_AGAIN && !storm_power_off(storm)) {
            storm_fail(storm, "log %u: offset %" PRId64 " of %" PRId64 " cannot be read: %s", slog->index, offset, end,
                       err_name((int)next));
        }
        offset = MAX(offset, next);
    }
}

/* flush.ms is a promise, too: what was acknowledged longer ago than that, and than a slow disk takes, was flushed. */
static int64_t flushed_end(const struct storm *storm, const struct storm_log *slog)
{
    int64_t  limit_ns = storm->off_ns - STORM_FLUSH_MS * NS_PER_MS - STORM_FLUSH_SLACK_NS;
    uint64_t first = slog->sample_count > STORM_SAMPLES ? slog->sample_count - STORM_SAMPLES : 0;
    int64_t  end = 0;

    for (uint64_t i = first; i < slog->sample_count; i++) {
        if (slog->samples[i % STORM_SAMPLES].at_ns < limit_ns) {
            end = slog->samples[i % STORM_SAMPLES].acked_end;
        }
    }
    return end;
}

/* Retention writes the start before it tells of it. */
static void learn_start(const struct storm *storm, struct storm_log *slog)
{
    if (storm->options.reuse) {
        slog->model.start_asked = MAX(slog->model.start_asked, store_log_start_offset(slog->log));
    }
}

static void verify_ends(struct storm *storm, struct storm_log *slog)
{
    bool                    promised = !slog->weak || storm->options.weak_is_strong;
    const struct model_log *model = &slog->model;
    int64_t                 end = store_log_durable_offset(slog->log);
    int64_t                 start = store_log_start_offset(slog->log);

    if (end != store_log_end_offset(slog->log)) {
        storm_fail(storm, "log %u: after opening the durable end is %" PRId64 " and the end %" PRId64, slog->index, end,
                   store_log_end_offset(slog->log));
    } else if (promised && end < model->acked_end) {
        storm_fail(storm, "log %u: LOST: it ends at %" PRId64 ", acknowledged was up to %" PRId64, slog->index, end,
                   model->acked_end);
    } else if (promised && end < model->seen_end) {
        storm_fail(storm, "log %u: it ends at %" PRId64 ", the durable end had been %" PRId64, slog->index, end,
                   model->seen_end);
    } else if (slog->weak && end < flushed_end(storm, slog)) {
        storm_fail(storm, "log %u: it ends at %" PRId64 ", flush.ms had promised %" PRId64, slog->index, end,
                   flushed_end(storm, slog));
    } else if (end > model_end(model)) {
        storm_fail(storm, "log %u: it ends at %" PRId64 ", only %" PRId64 " were appended", slog->index, end,
                   model_end(model));
    } else if (start > MAX(model->start_asked, model->start_acked) ||
               (promised && start < model->start_acked && !storm->options.start_doubtful) || start > end) {
        storm_fail(storm, "log %u: it starts at %" PRId64 ", a trim to %" PRId64 " was answered, to %" PRId64 " asked",
                   slog->index, start, model->start_acked, model->start_asked);
    } else if (start < end && end < model_end(model) && model_find(model, end)->first_offset != end) {
        storm_fail(storm, "log %u: it ends at %" PRId64 ", inside a batch", slog->index, end);
    }
}

/* The partition's state, from snapshot and replay, must be that of exactly the batches that are there. */
static void verify_fold(struct storm *storm, struct storm_log *slog)
{
    int64_t           end = store_log_durable_offset(slog->log);
    struct model_fold wanted = model_fold_of(&slog->model, slog->fold.from_offset, end);

    if (slog->fold.next_offset == slog->fold.from_offset && store_log_start_offset(slog->log) == end) {
        return; /* nothing is there, and no snapshot of what was */
    }
    if (slog->fold.next_offset != end || slog->fold.hash != wanted.hash) {
        storm_fail(storm,
                   "log %u: snapshot and replay lead to offset %" PRId64 " from %" PRId64
                   "%s, the log ends at %" PRId64,
                   slog->index, slog->fold.next_offset, slog->fold.from_offset,
                   slog->fold.next_offset == end ? " by other batches" : "", end);
    }
}

void storm_verify(struct storm *storm)
{
    for (uint32_t i = 0; i < STORM_LOGS && storm_ok(storm) && !storm_power_off(storm); i++) {
        struct storm_log *slog = &storm->logs[i];

        if (slog->open_result != ERR_OK) {
            storm_fail(storm, "log %u: it does not open: %s", i, err_name(slog->open_result));
            return;
        }
        learn_start(storm, slog);
        verify_ends(storm, slog);
        if (!storm_ok(storm)) {
            return;
        }
        verify_content(storm, slog);
        verify_fold(storm, slog);
        if (storm_ok(storm) && !storm_power_off(storm)) {
            slog->sample_count = 0;
            model_recovered(&slog->model, store_log_start_offset(slog->log), store_log_durable_offset(slog->log));
            if (slog->trimming) { /* verified while it runs: the trim is still asked for */
                slog->model.start_asked = MAX(slog->model.start_asked, slog->trim_offset);
            }
        }
    }
}
