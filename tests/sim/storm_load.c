/* The load: appends of all sizes into logs of different policies, many at a time, with reads, trims and pauses between
 * them. */
#include "tests/sim/storm.h"

#define STORM_LOAD_PATIENCE_NS (20 * NS_PER_S)

struct storm_append {
    struct list_node    link; /* storm.appends */
    struct store_append append;
    struct storm_log   *slog;
    bool                answered_at_once;
};

static void append_done(struct store_append *append)
{
    struct storm_append *mine = CONTAINER_OF(append, struct storm_append, append);
    struct storm_log    *slog = mine->slog;
    struct storm        *storm = slog->storm;
    bool                 acked = append->result == ERR_OK;

    if (mine->answered_at_once) {
        storm_fail(storm, "log %u: an append was answered inside the submitting call", slog->index);
    }
    if (!storm_power_off(storm)) {
        if (acked && slog->log != NULL && store_log_durable_offset(slog->log) <= append->last_offset) {
            storm_fail(storm, "log %u: offset %" PRId64 " is acknowledged above the durable end %" PRId64, slog->index,
                       append->last_offset, store_log_durable_offset(slog->log));
        }
        if (acked && slog->model.acked_end > append->first_offset && !storm->options.early_acks) {
            storm_fail(storm, "log %u: offset %" PRId64 " is acknowledged out of order", slog->index,
                       append->first_offset);
        }
        if (!storm->options.early_acks) {
            model_answer(&slog->model, append->first_offset, append->last_offset, acked);
        }
        if (acked && slog->weak) {
            slog->samples[slog->sample_count++ % STORM_SAMPLES] =
                (struct storm_sample){sim_now_ns(storm->sim), append->last_offset + 1};
        }
        storm->acked_count += acked;
        storm->failed_count += !acked;
    }
    storm->in_flight--;
    list_remove(&mine->link);
    mem_free(MEM_TEST, mine);
}

void storm_forget_appends(struct storm *storm)
{
    while (!list_empty(&storm->appends)) {
        mem_free(MEM_TEST, LIST_ENTRY(list_pop_front(&storm->appends), struct storm_append, link));
    }
    storm->in_flight = 0;
}

/* One batch of random records. Some are larger than a block, some smaller than a sector. */
static struct view build_batch(struct storm *storm, size_t payload_bytes)
{
    struct rec_builder builder;
    struct view        batch = {0};
    uint32_t           records = 1 + (uint32_t)prng_below(&storm->prng, 4);
    uint8_t           *value = arena_alloc(&storm->arena, payload_bytes + 1);

    CHECK(value != NULL);
    prng_fill(&storm->prng, span_of(value, payload_bytes + 1));
    rec_builder_init(&builder, &storm->arena);
    for (uint32_t i = 0; i < records; i++) {
        rec_builder_add(&builder, 1000 + (int64_t)i, view_of(NULL, 0), view_of(value, payload_bytes / records), NULL,
                        0);
    }
    CHECK(rec_builder_finish(&builder, REC_NONE, 0, &batch) == ERR_OK);
    return batch;
}

/* Copies the batches behind each other and stamps them. */
static size_t fill_place(struct storm_log *slog, struct span place, const struct view *batches, uint32_t count,
                         int64_t first_offset, int64_t *out_last)
{
    int64_t next = first_offset;
    size_t  at = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct rec_batch header;

        CHECK(at + batches[i].len <= place.len);
        memcpy(place.base + at, batches[i].base, batches[i].len);
        rec_stamp_offset(place.base + at, next, 0);
        CHECK(rec_batch_parse(view_of(place.base + at, batches[i].len), &header) == ERR_OK);
        model_fold_batch(&slog->fold, header.base_offset, rec_batch_last_offset(&header), header.crc);
        next = rec_batch_last_offset(&header) + 1;
        at += batches[i].len;
    }
    *out_last = next - 1;
    return at;
}

bool storm_append(struct storm *storm, struct storm_log *slog, size_t payload_bytes, uint32_t batches)
{
    struct storm_append *mine;
    struct view          built[4];
    struct span          place;
    size_t               total = 0;
    int64_t              last = 0;
    int                  result;

    CHECK(batches >= 1 && batches <= COUNT_OF(built));
    arena_reset(&storm->arena);
    for (uint32_t i = 0; i < batches; i++) {
        built[i] = build_batch(storm, payload_bytes / batches);
        total += built[i].len;
    }
    result = store_log_reserve(slog->log, total, &place);
    if (result < 0) {
        storm->refused_count++;
        storm->refusal = result;
        return false;
    }
    mine = mem_alloc(MEM_TEST, sizeof(*mine));
    mine->slog = slog;
    mine->append.first_offset = store_log_end_offset(slog->log);
    if (mine->append.first_offset != model_end(&slog->model)) {
        storm_fail(storm, "log %u: the end is %" PRId64 ", %" PRId64 " was expected", slog->index,
                   mine->append.first_offset, model_end(&slog->model));
        store_log_cancel(slog->log);
        mem_free(MEM_TEST, mine);
        return false;
    }
    total = fill_place(slog, place, built, batches, mine->append.first_offset, &last);
    mine->append.last_offset = last;
    mine->append.max_timestamp_ms = 1003;
    mine->append.done = append_done;
    model_append(&slog->model, view_of(place.base, total));
    if (storm->options.early_acks) {
        model_answer(&slog->model, mine->append.first_offset, last, true);
    }
    storm->in_flight++;
    list_push_back(&storm->appends, &mine->link);
    mine->answered_at_once = true;
    store_log_commit(slog->log, &mine->append, total);
    mine->answered_at_once = false;
    return true;
}

static size_t random_payload(struct prng *prng)
{
    switch (prng_below(prng, 8)) {
    case 0:
        return (size_t)prng_below(prng, 100000); /* its own frame, straight to the segment */
    case 1:
    case 2:
        return (size_t)prng_below(prng, 16000);
    default:
        return (size_t)prng_below(prng, 1500);
    }
}

static void trim_done(void *context, int result)
{
    struct storm_log *slog = context;

    slog->trimming = false;
    if (result == ERR_OK && !storm_power_off(slog->storm)) {
        slog->model.start_acked = MAX(slog->model.start_acked, slog->trim_offset);
    }
}

static void step_trim(struct storm *storm, struct storm_log *slog)
{
    int64_t start = store_log_start_offset(slog->log);
    int64_t end = store_log_durable_offset(slog->log);

    if (slog->trimming || end <= start) {
        return;
    }
    slog->trim_offset = start + (int64_t)prng_below(&storm->prng, (uint64_t)(end - start) + 1);
    slog->model.start_asked = MAX(slog->model.start_asked, slog->trim_offset);
    slog->trimming = true;
    store_log_trim(slog->log, slog->trim_offset, trim_done, slog);
}

static void step_read(struct storm *storm, struct storm_log *slog)
{
    int64_t start = store_log_start_offset(slog->log);
    int64_t end = store_log_durable_offset(slog->log);

    if (end > start) {
        int64_t offset = start + (int64_t)prng_below(&storm->prng, (uint64_t)(end - start));

        (void)storm_read(storm, slog, offset, 1 + (size_t)prng_below(&storm->prng, 200000));
    }
}

void storm_pass(struct storm *storm, int64_t duration_ns)
{
    int64_t until_ns = sim_now_ns(storm->sim) + duration_ns;

    while (sim_now_ns(storm->sim) < until_ns && !storm_power_off(storm)) {
        CHECK(io_core_turn(storm->core, until_ns - sim_now_ns(storm->sim)) >= 0);
    }
}

static void step_turns(struct storm *storm)
{
    for (uint64_t turns = prng_below(&storm->prng, 6); turns > 0 && !storm_power_off(storm); turns--) {
        CHECK(io_core_turn(storm->core, NS_PER_MS) >= 0);
    }
}

/* False: the power is off, or nothing is answered any more (which a full disk may do; storm_settle() judges). */
static bool wait_for_room(struct storm *storm)
{
    int64_t limit_ns = sim_now_ns(storm->sim) + STORM_LOAD_PATIENCE_NS;

    while (storm->in_flight >= storm->options.in_flight_max && !storm_power_off(storm)) {
        if (sim_now_ns(storm->sim) > limit_ns) {
            return false;
        }
        CHECK(io_core_turn(storm->core, NS_PER_S) >= 0);
    }
    return !storm_power_off(storm);
}

void storm_load(struct storm *storm, uint32_t steps)
{
    for (uint32_t i = 0; i < steps && storm_ok(storm) && !storm_power_off(storm); i++) {
        struct storm_log *slog = &storm->logs[prng_below(&storm->prng, STORM_LOGS)];
        uint64_t          choice = prng_below(&storm->prng, 100);

        if (!wait_for_room(storm)) {
            return;
        }
        if (choice < 60 || storm->in_flight < storm->options.in_flight_min) {
            (void)storm_append(storm, slog, random_payload(&storm->prng), 1 + (uint32_t)prng_below(&storm->prng, 3));
        } else if (choice < 70) {
            step_read(storm, slog);
        } else if (choice < 73) {
            step_trim(storm, slog);
        } else if (choice < 75) {
            storm_pass(storm, (int64_t)prng_below(&storm->prng, 6) * NS_PER_S);
        } else {
            step_turns(storm);
        }
    }
}

static bool nothing_in_flight(struct storm *storm)
{
    return storm->in_flight == 0;
}

bool storm_settle(struct storm *storm)
{
    return storm_wait(storm, nothing_in_flight);
}
