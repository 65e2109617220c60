/* Reading a partition of an internal topic from its start to its end, in slices, and again after a failure.
 *
 * A partition that cannot be read stays unavailable and is tried again with growing pauses: what its groups and
 * transactions were is not guessed. A batch whose records do not decode is left out, loudly: its CRC was right, so it
 * was written so. */
#include "core/base/slog.h"
#include "core/coord/coord_log_internal.h"

#define LOG_READ_BYTES    ((size_t)(256 * KIB)) /* replayed in one turn: a few milliseconds */
#define LOG_INFLATE_BYTES ((size_t)(64 * MIB))

static void log_retry(struct timer *timer);

void coord_log__retry_later(struct coord_log *log)
{
    log->state = COORD_LOG_FAILED;
    if (!log->closing) {
        timer_arm(log->shard->timers, &log->retry, io_now_ns(log->shard->io) + log->retry_ns, log_retry);
        log->retry_ns = MIN(log->retry_ns * 2, LOG_RETRY_NS_MAX);
    }
    coord_log__post(log);
}

static void log_reopened(void *context, int16_t error)
{
    struct coord_log *log = context;

    log->reading = false;
    if (log->closing || log->waiter.part == NULL) {
        coord_log__post(log);
    } else if (error != 0) {
        coord_log__retry_later(log);
    } else {
        coord_log__load(log);
    }
}

static void log_retry(struct timer *timer)
{
    struct coord_log *log = CONTAINER_OF(timer, struct coord_log, retry);

    if (log->closing || log->waiter.part == NULL) {
        coord_log__post(log);
    } else if (part_ready(log->part) && !part_online(log->part)) {
        log->reading = true;
        part_retry(log->part, log_reopened, log);
    } else {
        coord_log__load(log);
    }
}

static void log_loaded(struct coord_log *log)
{
    log->state = COORD_LOG_ACTIVE;
    log->retry_ns = LOG_RETRY_NS_MIN;
    log->failed_error = 0;
    log->figures.load_ns = (uint64_t)(io_now_ns(log->shard->io) - log->load_started_ns);
    if (log->figures.load_ns > (uint64_t)NS_PER_S) {
        slog_info("coord", "%.*s-%d: %" PRIu64 " records read in %.1f s", (int)part_topic(log->part).len,
                  (const char *)part_topic(log->part).base, part_index(log->part), log->figures.records,
                  (double)log->figures.load_ns / (double)NS_PER_S);
    }
    log->machine->loaded(log->machine);
}

void coord_log__load(struct coord_log *log)
{
    log->figures = (struct coord_log_figures){0};
    log->freed_machine = false;
    log->load_started_ns = io_now_ns(log->shard->io);
    log->state = COORD_LOG_LOADING;
    if (!part_ready(log->part) || !part_online(log->part)) {
        coord_log__retry_later(log);
        return;
    }
    log->next_offset = part_log_start(log->part);
    if (log->next_offset >= part_log_end(log->part)) { /* nothing to read: active at once */
        log_loaded(log);
        return;
    }
    coord_log__post(log);
}

static void log_replay_records(struct coord_log *log, const struct rec_batch *batch, struct view records)
{
    struct rec_iter   iter;
    struct rec_record found;
    bool              transactional = (batch->attributes & REC_ATTR_TRANSACTIONAL) != 0;

    rec_iter_init(&iter, batch, records);
    while (rec_iter_next(&iter, &found) == 1) {
        struct coord_record record = {
            .key = found.key,
            .value = found.value,
            .offset = found.offset,
            .timestamp_ms = found.timestamp_ms,
            .producer_id = transactional ? batch->producer_id : -1,
            .producer_epoch = transactional ? batch->producer_epoch : (int16_t)-1,
        };

        if (found.offset >= log->next_offset && found.key.base != NULL) {
            log->figures.records++;
            log->machine->replay(log->machine, &record);
        }
    }
}

static void log_replay_batch(struct coord_log *log, const struct rec_batch *batch)
{
    struct rec_marker marker;
    struct view       records = {0};
    struct arena      arena;

    log->figures.bytes += batch->bytes.len;
    if ((batch->attributes & REC_ATTR_CONTROL) != 0) {
        if (rec_marker_parse(batch, &marker) == ERR_OK &&
            (marker.type == REC_CONTROL_ABORT || marker.type == REC_CONTROL_COMMIT)) {
            log->machine->marker(log->machine, batch->producer_id, batch->producer_epoch,
                                 marker.type == REC_CONTROL_COMMIT);
        }
        return;
    }
    arena_init(&arena, MEM_COORD, LOG_BLOCK_BYTES, LOG_INFLATE_BYTES * 3);
    if (rec_inflate(batch, LOG_INFLATE_BYTES, &arena, &records) == ERR_OK) {
        log_replay_records(log, batch, records);
    } else {
        slog_error("coord", "%.*s-%d: the batch at offset %" PRId64 " cannot be read and is left out",
                   (int)part_topic(log->part).len, (const char *)part_topic(log->part).base, part_index(log->part),
                   batch->base_offset);
    }
    arena_deinit(&arena);
}

static void log_replay(struct coord_log *log)
{
    for (uint32_t i = 0; i < log->read.store.slice_count; i++) {
        struct view      rest = log->read.store.slices[i];
        struct rec_batch batch;

        while (rest.len > 0 && rec_batch_parse(rest, &batch) == ERR_OK) {
            log_replay_batch(log, &batch);
            log->next_offset = MAX(log->next_offset, rec_batch_last_offset(&batch) + 1);
            rest = view_of(rest.base + batch.bytes.len, rest.len - batch.bytes.len);
        }
    }
}

static void log_read_finish(struct coord_log *log)
{
    int16_t error = log->read.error;
    int64_t before = log->next_offset;

    if (error == 0 && !log->closing && log->waiter.part != NULL) {
        log_replay(log);
        log->next_offset = MAX(log->next_offset, log->read.store.next_offset);
    }
    part_read_release(&log->read);
    if (log->closing || log->waiter.part == NULL) {
        coord_log__post(log);
    } else if (error != 0 || log->next_offset == before) {
        slog_error("coord",
                   "%.*s-%d cannot be read at offset %" PRId64 " (%s): its groups and transactions are not "
                   "available; trying again",
                   (int)part_topic(log->part).len, (const char *)part_topic(log->part).base, part_index(log->part),
                   log->next_offset, kp_error_name(error));
        coord_log__unload(log, COORD_LOG_FAILED, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        coord_log__retry_later(log);
    } else {
        coord_log__post(log);
    }
}

static void log_read_done(struct part_read *read)
{
    struct coord_log *log = read->user;

    log->reading = false;
    log_read_finish(log);
}

void coord_log__load_step(struct coord_log *log)
{
    if (log->next_offset >= part_high_watermark(log->part)) {
        /* What is in the log but not yet durable was appended before a failure: it is waited for. */
        if (log->next_offset >= part_log_end(log->part)) {
            log_loaded(log);
        } else {
            coord_log__unload(log, COORD_LOG_FAILED, KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
            coord_log__retry_later(log);
        }
        return;
    }
    log->read = (struct part_read){.offset = log->next_offset,
                                   .bytes_max = LOG_READ_BYTES,
                                   .at_least_one = true,
                                   .done = log_read_done,
                                   .user = log};
    log->reading = true;
    if (part_read(log->part, &log->read)) {
        log_read_done(&log->read);
    }
}
