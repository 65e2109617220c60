/* The life of a partition: opening, going offline, opening again, going away; and what is known about it.
 *
 *   opening --open done--> ready, online --log fails--> ready, offline --part_retry--> opening
 *      any of them --part_delete, part_table_close--> gone: no new calls, memory freed after the last callback
 *
 * Invariants: 1. Nothing reaches the store before its open has come back, and nothing new once gone_error is set. 2.
 * Callbacks to callers run from part_turn() or from a callback of the store, never inside a call of theirs. 3. `holds`
 * is not 0 while the store or the loop may still call back. */
#include "core/part/part_internal.h"

#include "core/base/slog.h"

static void part_log_open(struct part *part);
static void part_log_opened(void *context, int result);
static void part_leave(struct part *part);
static void part_left(void *context, int result);
static void part_free(struct part *part);
static void part_turn(struct io_op *op);
static void part_durable(void *context, int64_t durable_end);
static void part_start_moved(void *context, int64_t start_offset);
static void part_offline(void *context, int reason);

/* --- opening ----------------------------------------------------------------------------------------------------- */

struct part *part_open(struct part_table *table, const struct part_options *options, part_done_fn *done, void *context)
{
    struct part *part = mem_alloc(MEM_PART, sizeof(*part));

    CHECK(options->topic.len > 0 && options->topic.len <= PART_TOPIC_BYTES_MAX && options->partition >= 0);
    part->table = table;
    part->topic_id = options->topic_id;
    part->topic = mem_copy_text(MEM_PART, options->topic);
    part->topic_len = options->topic.len;
    part->partition = options->partition;
    part->leader_epoch = options->leader_epoch;
    part->internal = options->internal;
    part->settings = options->settings;
    part->holds = 1;
    part->open_done = done;
    part->open_context = context;
    list_init(&part->queue);
    list_init(&part->finished);
    list_init(&part->duplicates);
    list_init(&part->waiters);
    list_init(&part->keeps);
    list_init(&part->reads_waiting);
    part__producers_init(part);
    part__table_add(part);
    part_log_open(part);
    return part;
}

static void part_log_open(struct part *part)
{
    struct store_log_options options = {
        .topic_id = part->topic_id,
        .topic = part_topic(part),
        .partition = part->partition,
        .policy = part__policy(part),
        .hooks = {.context = part,
                  .replay_batch = part__replay_batch,
                  .snapshot_write = part__snapshot_write,
                  .snapshot_read = part__snapshot_read,
                  .durable = part_durable,
                  .start_moved = part_start_moved,
                  .offline = part_offline,
                  .compact_limit = part__compact_limit,
                  .compact_producer_needs = part__compact_producer_needs,
                  .aborted_next = part__compact_aborted_next,
                  .aborted_forget = part__compact_aborted_forget},
        .create = true,
    };

    part->state_offset = 0;
    part->log = store_log_open(part->table->store, &options, part_log_opened, part);
}

/* What snapshot and replay have rebuilt, held against the log that was found. */
static void part_settle(struct part *part)
{
    int64_t end_offset = store_log_end_offset(part->log);

    if (part->state_offset > end_offset) {
        /* A producer state from beyond the end would call new batches duplicates: no memory is better than a wrong one.
         */
        slog_warn("part",
                  "%s-%" PRId32 ": producer snapshot at offset %" PRId64 " lies beyond the log's end %" PRId64
                  ", producers start afresh",
                  part->topic, part->partition, part->state_offset, end_offset);
        part__producers_clear(part);
        part__aborted_trim_end(part, end_offset);
    }
    part->state_offset = end_offset;
    part__aborted_trim_start(part, store_log_start_offset(part->log));
    part__epoch_trim_end(part, end_offset);
    part__epoch_assign(part, part->leader_epoch, end_offset);
    part__epoch_trim_start(part, store_log_start_offset(part->log));
    part__txns_durable(part, store_log_durable_offset(part->log));
    part__marks_reset(part);
}

static void part_log_opened(void *context, int result)
{
    struct part  *part = context;
    part_done_fn *done = part->open_done;

    part->opened = true;
    part->open_done = NULL;
    part->readable = result == ERR_OK || result == ERR_CORRUPT;
    part->online = result == ERR_OK && store_log_online(part->log);
    if (part->readable) {
        part_settle(part);
    }
    part__hold(part); /* done may delete the part */
    if (part->gone_error != 0) {
        part_leave(part);
    }
    if (done != NULL) {
        int16_t error = part->online ? (int16_t)KP_ERR_NONE : (int16_t)KP_ERR_KAFKA_STORAGE_ERROR;

        done(part->open_context, part->gone_error != 0 ? part->gone_error : error);
    }
    part__release(part);
}

static void part_retry_closed(void *context, int result)
{
    struct part *part = context;

    MAYBE(result == ERR_OK); /* an offline log has nothing left to lose by a failed close */
    part__producers_clear(part);
    part__aborted_clear(part);
    part__epochs_clear(part);
    part_log_open(part);
    part__release(part);
}

void part_retry(struct part *part, part_done_fn *done, void *context)
{
    CHECK(part->opened && !part->online && part->gone_error == 0);
    part->opened = false;
    part->readable = false;
    part->open_done = done;
    part->open_context = context;
    part__hold(part);
    store_log_close(part->log, part_retry_closed, part);
}

/* --- going away -------------------------------------------------------------------------------------------------- */

static void part_go(struct part *part, int16_t error, part_done_fn *done, void *context)
{
    CHECK(part->gone_error == 0);
    part->gone_error = error;
    part->online = false;
    part->gone_done = done;
    part->gone_context = context;
    part__table_remove(part);
    if (part->memory_waiting) {
        store_cancel_wait(part->table->store, &part->memory_wait);
        part->memory_waiting = false;
    }
    part__append_fail_all(part, error, NULL);
    part__post(part);
    if (part->opened) {
        part_leave(part);
    }
}

void part_delete(struct part *part, part_done_fn *done, void *context)
{
    part->deleted = true;
    part_go(part, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION, done, context);
}

static void part_leave(struct part *part)
{
    if (part->deleted) {
        store_log_delete(part->log, part_left, part);
    } else {
        store_log_close(part->log, part_left, part);
    }
}

static void part_left(void *context, int result)
{
    struct part  *part = context;
    part_done_fn *done = part->gone_done;
    int16_t       error = result == ERR_OK ? (int16_t)KP_ERR_NONE : (int16_t)KP_ERR_KAFKA_STORAGE_ERROR;

    part->log = NULL;
    part->readable = false;
    if (done != NULL) {
        done(part->gone_context, error);
    }
    part__release(part); /* the one part_open began with */
}

void part__close(struct part *part)
{
    part_go(part, KP_ERR_NOT_LEADER_OR_FOLLOWER, NULL, NULL);
}

void part__hold(struct part *part)
{
    CHECK(part->holds > 0);
    part->holds++;
}

void part__release(struct part *part)
{
    CHECK(part->holds > 0);
    if (--part->holds == 0) {
        part_free(part);
    }
}

static void part_free(struct part *part)
{
    struct part_table *table = part->table;

    CHECK(list_empty(&part->queue) && list_empty(&part->finished) && list_empty(&part->duplicates));
    CHECK(list_empty(&part->waiters) && list_empty(&part->reads_waiting) && part->gone_error != 0);
    part__producers_clear(part);
    map_deinit(&part->producers);
    map_deinit(&part->verifications);
    part__aborted_clear(part);
    part__epochs_clear(part);
    mem_free(MEM_PART, part->topic);
    mem_free(MEM_PART, part);
    part__table_part_freed(table);
}

/* --- the loop ---------------------------------------------------------------------------------------------------- */

void part__post(struct part *part)
{
    if (!part->turn_posted) {
        part->turn_posted = true;
        part__hold(part);
        io_post(part->table->shard->io, &part->turn, part_turn);
    }
}

static void part_turn(struct io_op *op)
{
    struct part *part = CONTAINER_OF(op, struct part, turn);

    part->turn_posted = false;
    part__append_answer(part);
    if (part->gone_error != 0) {
        part__read_fail_waiting(part, part->gone_error);
        part__waiters_drop(part);
    } else {
        part__append_run(part);
        if (part->wake_readers) {
            part__wake(part);
        }
    }
    part__release(part);
}

/* --- hooks of the store ------------------------------------------------------------------------------------------ */

static void part_durable(void *context, int64_t durable_end)
{
    struct part *part = context;

    if (part->gone_error != 0 || !part->opened) {
        return;
    }
    part__txns_durable(part, durable_end);
    part__append_durable(part, durable_end);
    part__wake(part);
}

static void part_start_moved(void *context, int64_t start_offset)
{
    struct part *part = context;

    if (part->gone_error != 0 || !part->opened) {
        return;
    }
    part__epoch_trim_start(part, start_offset);
    part__aborted_trim_start(part, start_offset);
    /* A reader that waits below the new start has to learn that its offset is out of range. */
    part__wake(part);
}

static void part_offline(void *context, int reason)
{
    struct part *part = context;

    MAYBE(reason == ERR_IO); /* the store has written the operator's line */
    if (part->gone_error != 0 || !part->opened) {
        return;
    }
    part->online = false;
    part__producers_rollback(part, store_log_durable_offset(part->log));
    part__aborted_trim_end(part, store_log_durable_offset(part->log));
    if (part->memory_waiting) {
        store_cancel_wait(part->table->store, &part->memory_wait);
        part->memory_waiting = false;
    }
    part__append_fail_all(part, KP_ERR_KAFKA_STORAGE_ERROR, "partition is offline after a storage failure");
    part->wake_readers = true;
    part__post(part);
}

/* --- what is known ----------------------------------------------------------------------------------------------- */

struct store_policy part__policy(const struct part *part)
{
    struct store_policy policy = part->settings.policy;

    policy.durable_on_append |= part->flushing > 0;
    return policy;
}

static void part_apply_policy(struct part *part)
{
    struct store_policy policy = part__policy(part);

    if (part->opened && part->gone_error == 0) {
        store_log_set_policy(part->log, &policy);
    }
}

void part_set_settings(struct part *part, const struct part_settings *settings)
{
    part->settings = *settings;
    part_apply_policy(part);
}

void part__flushing_begin(struct part *part)
{
    if (part->flushing++ == 0 && !part->settings.policy.durable_on_append) {
        part_apply_policy(part);
    }
}

void part__flushing_end(struct part *part)
{
    CHECK(part->flushing > 0);
    if (--part->flushing == 0 && !part->settings.policy.durable_on_append) {
        part_apply_policy(part);
    }
}

void part_set_leader_epoch(struct part *part, int32_t leader_epoch)
{
    if (leader_epoch > part->leader_epoch) {
        part->leader_epoch = leader_epoch;
        if (part->readable) {
            part__epoch_assign(part, leader_epoch, store_log_end_offset(part->log));
        }
    }
}

bool part_ready(const struct part *part)
{
    return part->opened && part->gone_error == 0;
}

bool part_online(const struct part *part)
{
    return part->online;
}

struct uuid part_topic_id(const struct part *part)
{
    return part->topic_id;
}

struct view part_topic(const struct part *part)
{
    return view_of(part->topic, part->topic_len);
}

int32_t part_index(const struct part *part)
{
    return part->partition;
}

int32_t part_leader_epoch(const struct part *part)
{
    return part->leader_epoch;
}

int64_t part_log_start(const struct part *part)
{
    return part->readable ? store_log_start_offset(part->log) : 0;
}

int64_t part_high_watermark(const struct part *part)
{
    return part->readable ? store_log_durable_offset(part->log) : 0;
}

int64_t part_flushed_offset(const struct part *part)
{
    return part->readable ? store_log_flushed_offset(part->log) : 0;
}

void part_flush(struct part *part)
{
    if (part->readable) {
        store_log_flush(part->log);
    }
}

int64_t part_last_stable_offset(const struct part *part)
{
    int64_t stable = MIN(part_high_watermark(part), part__txn_first_unstable(part));

    return MAX(stable, part_log_start(part));
}

int64_t part_log_end(const struct part *part)
{
    return part->readable ? store_log_end_offset(part->log) : 0;
}

uint64_t part_size_bytes(const struct part *part)
{
    return part->readable ? store_log_size_bytes(part->log) : 0;
}

const struct part_settings *part_settings_of(const struct part *part)
{
    return &part->settings;
}

int16_t part_check_epoch(const struct part *part, int32_t current_leader_epoch)
{
    if (current_leader_epoch == -1 || current_leader_epoch == part->leader_epoch) {
        return KP_ERR_NONE;
    }
    return current_leader_epoch < part->leader_epoch ? KP_ERR_FENCED_LEADER_EPOCH : KP_ERR_UNKNOWN_LEADER_EPOCH;
}

int64_t part__now_ns(const struct part *part)
{
    return io_now_ns(part->table->shard->io);
}
