/* One partition of an internal topic under a coordinator: loading, group commit, failure. See coord_log.h.
 *
 * 1. Batches stand in log->batches, oldest first; only the first can be on its way to the disk, so what is durable is
 *    always a prefix of what was committed.
 * 2. A write without records hangs on the last batch, because it waits for everything before it; with no batch there
 *    is nothing to wait for, and it ends on the next turn.
 * 3. After a failure nothing of what was speculative is kept: the machine forgets, the partition is read again. */
#include "core/base/slog.h"
#include "core/coord/coord_log_internal.h"

#define LOG_BATCH_SLACK  ((size_t)4096) /* header, varints: between an event's own bytes and those of its batch */
#define LOG_RECORD_SLACK 16             /* varints around one record */
#define LOG_SPARE_MAX    2

static void log_pump(struct coord_log *log);
static void log_posted(struct io_op *op);
static void log_fail(struct coord_log *log, int16_t error);

/* --- life -------------------------------------------------------------------------------------------------------- */

static void log_part_ready(struct part_waiter *waiter)
{
    struct coord_log *log = CONTAINER_OF(waiter, struct coord_log, waiter);

    if (waiter->part == NULL) {
        coord_log__post(log); /* deleted: told from the loop */
    }
}

struct coord_log *coord_log_open(struct io_shard *shard, struct part *part, struct coord_machine *machine)
{
    struct coord_log *log = mem_alloc(MEM_COORD, sizeof(*log));

    log->shard = shard;
    log->part = part;
    log->machine = machine;
    log->retry_ns = LOG_RETRY_NS_MIN;
    list_init(&log->batches);
    list_init(&log->settled);
    list_init(&log->spare);
    log->waiter.ready = log_part_ready;
    part_wait(part, &log->waiter);
    coord_log__load(log);
    return log;
}

static void log_batch_destroy(struct log_batch *batch)
{
    arena_deinit(&batch->arena);
    mem_free(MEM_COORD, batch);
}

static void log_destroy(struct coord_log *log)
{
    struct list_node *node;

    CHECK(list_empty(&log->batches) && list_empty(&log->settled) && !log->reading);
    while ((node = list_pop_front(&log->spare)) != NULL) {
        log_batch_destroy(LIST_ENTRY(node, struct log_batch, link));
    }
    timer_disarm(log->shard->timers, &log->retry);
    part_unwait(&log->waiter);
    mem_free(MEM_COORD, log->event);
    mem_free(MEM_COORD, log);
}

void coord_log_close(struct coord_log *log, void (*done)(void *context), void *context)
{
    CHECK(!log->closing);
    log->closing = true;
    log->closed = done;
    log->closed_context = context;
    coord_log__post(log);
}

enum coord_log_state coord_log_state(const struct coord_log *log)
{
    return log->state;
}

int16_t coord_log_error(const struct coord_log *log)
{
    switch (log->state) {
    case COORD_LOG_ACTIVE:
        return log->waiter.part == NULL ? KP_ERR_NOT_COORDINATOR : KP_ERR_NONE;
    case COORD_LOG_LOADING:
        return KP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    case COORD_LOG_FAILED:
        return KP_ERR_COORDINATOR_NOT_AVAILABLE;
    case COORD_LOG_CLOSED:
    default:
        return KP_ERR_NOT_COORDINATOR;
    }
}

struct coord_log_figures coord_log_figures(const struct coord_log *log)
{
    return log->figures;
}

void coord_log__unload(struct coord_log *log, enum coord_log_state state, int16_t error)
{
    log->state = state;
    log->event_bytes = 0;
    log->event_records = 0;
    if (!log->freed_machine) {
        log->freed_machine = true;
        log->machine->unload(log->machine, error);
    }
}

/* True: the log is gone. */
static bool log_maybe_closed(struct coord_log *log)
{
    if (!log->closing || log->reading || !list_empty(&log->batches) || !list_empty(&log->settled)) {
        return false;
    }
    timer_disarm(log->shard->timers, &log->retry);
    coord_log__unload(log, COORD_LOG_CLOSED, KP_ERR_NOT_COORDINATOR);
    if (!list_empty(&log->settled) || !io_op_idle(&log->post)) { /* unloading ended some: once more around */
        coord_log__post(log);
        return false;
    }
    log->closed(log->closed_context);
    log_destroy(log);
    return true;
}

void coord_log__post(struct coord_log *log)
{
    if (io_op_idle(&log->post)) {
        io_post(log->shard->io, &log->post, log_posted);
    }
}

static void log_settle(struct coord_log *log)
{
    struct list_node  round;
    struct list_node *node;
    int16_t           error = coord_log_error(log);

    if (error != 0 && log->failed_error != 0) {
        error = log->failed_error;
    }

    list_init(&round);
    list_splice_back(&round, &log->settled);
    while ((node = list_pop_front(&round)) != NULL) {
        struct coord_write *write = LIST_ENTRY(node, struct coord_write, link_);

        write->done(write, error);
    }
}

static void log_posted(struct io_op *op)
{
    struct coord_log *log = CONTAINER_OF(op, struct coord_log, post);

    if (log->waiter.part == NULL && log->state != COORD_LOG_CLOSED && !log->reading &&
        (list_empty(&log->batches) || !LIST_ENTRY(list_first(&log->batches), struct log_batch, link)->sent)) {
        log_fail(log, KP_ERR_NOT_COORDINATOR);
    }
    log_settle(log);
    if (log_maybe_closed(log)) {
        return;
    }
    if (log->state == COORD_LOG_LOADING && !log->reading) {
        coord_log__load_step(log);
    } else if (log->state == COORD_LOG_ACTIVE) {
        log_pump(log);
    }
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

void coord_log_add(struct coord_log *log, struct view key, struct view value)
{
    struct log_event_record head = {.key_bytes = (uint32_t)key.len,
                                    .value_bytes = value.base == NULL ? UINT32_MAX : (uint32_t)value.len};
    size_t                  need = log->event_bytes + sizeof(head) + key.len + (value.base == NULL ? 0 : value.len);

    CHECK(key.len < UINT32_MAX / 2 && value.len < UINT32_MAX / 2);
    if (need > log->event_capacity) {
        log->event_capacity = MAX(need, log->event_capacity * 2);
        log->event = mem_realloc(MEM_COORD, log->event, log->event_capacity);
    }
    memcpy(log->event + log->event_bytes, &head, sizeof(head));
    memcpy(log->event + log->event_bytes + sizeof(head), key.base, key.len);
    if (value.base != NULL) {
        memcpy(log->event + log->event_bytes + sizeof(head) + key.len, value.base, value.len);
    }
    log->event_bytes = need;
    log->event_records++;
}

bool coord_log_fits(const struct coord_log *log)
{
    size_t bytes_max = log->waiter.part == NULL ? COORD_BATCH_BYTES_MAX : part_settings_of(log->part)->batch_bytes_max;

    return log->event_bytes + (size_t)log->event_records * LOG_RECORD_SLACK + LOG_BATCH_SLACK <= bytes_max;
}

void coord_log_drop(struct coord_log *log)
{
    log->event_bytes = 0;
    log->event_records = 0;
}

static struct log_batch *log_batch_acquire(struct coord_log *log, enum log_batch_kind kind)
{
    struct list_node *node = list_pop_front(&log->spare);
    struct log_batch *batch;

    if (node != NULL) {
        log->spare_count--;
        batch = LIST_ENTRY(node, struct log_batch, link);
    } else {
        batch = mem_alloc(MEM_COORD, sizeof(*batch));
        arena_init(&batch->arena, MEM_COORD, LOG_BLOCK_BYTES, 256 * MIB);
        list_init(&batch->link);
    }
    batch->log = log;
    batch->kind = kind;
    batch->sent = false;
    batch->bytes = 0;
    batch->transaction_version = 0;
    batch->producer_id = -1;
    batch->producer_epoch = -1;
    list_init(&batch->writes);
    rec_builder_init(&batch->builder, &batch->arena);
    list_push_back(&log->batches, &batch->link);
    return batch;
}

static void log_batch_release(struct coord_log *log, struct log_batch *batch)
{
    arena_reset(&batch->arena);
    list_remove(&batch->link);
    if (log->spare_count < LOG_SPARE_MAX) {
        log->spare_count++;
        list_push_front(&log->spare, &batch->link);
    } else {
        log_batch_destroy(batch);
    }
}

static struct log_batch *log_last(struct coord_log *log)
{
    struct list_node *node = list_last(&log->batches);

    return node == NULL ? NULL : LIST_ENTRY(node, struct log_batch, link);
}

/* The gathering batch that takes `bytes` more of this kind. */
static struct log_batch *log_gathering(struct coord_log *log, enum log_batch_kind kind, int64_t producer_id,
                                       int16_t producer_epoch, size_t bytes)
{
    struct log_batch *last = log_last(log);

    if (last == NULL || last->sent || last->kind != kind || last->producer_id != producer_id ||
        last->producer_epoch != producer_epoch || last->bytes + bytes > COORD_BATCH_BYTES_MAX) {
        last = log_batch_acquire(log, kind);
        last->producer_id = producer_id;
        last->producer_epoch = producer_epoch;
    }
    return last;
}

static void log_event_into(struct coord_log *log, struct log_batch *batch)
{
    int64_t now_ms = io_wall_ms(log->shard->io);

    for (size_t at = 0; at < log->event_bytes;) {
        struct log_event_record head;
        struct view             key;
        struct view             value = {0};

        memcpy(&head, log->event + at, sizeof(head));
        key = view_of(log->event + at + sizeof(head), head.key_bytes);
        at += sizeof(head) + head.key_bytes;
        if (head.value_bytes != UINT32_MAX) {
            value = view_of(log->event + at, head.value_bytes);
            at += head.value_bytes;
        }
        rec_builder_add(&batch->builder, now_ms, key, value, NULL, 0);
    }
    batch->bytes += log->event_bytes + (size_t)log->event_records * LOG_RECORD_SLACK;
    coord_log_drop(log);
}

static void log_commit(struct coord_log *log, enum log_batch_kind kind, int64_t producer_id, int16_t producer_epoch,
                       struct coord_write *write)
{
    struct log_batch *batch = log_last(log);

    if (write != NULL) {
        list_init(&write->link_);
    }
    if (log->state != COORD_LOG_ACTIVE) {
        coord_log_drop(log);
        batch = NULL;
    } else if (log->event_records > 0) {
        batch = log_gathering(log, kind, producer_id, producer_epoch,
                              log->event_bytes + (size_t)log->event_records * LOG_RECORD_SLACK);
        log_event_into(log, batch);
    }
    if (write != NULL) {
        list_push_back(batch == NULL ? &log->settled : &batch->writes, &write->link_);
    }
    coord_log__post(log);
}

void coord_log_commit(struct coord_log *log, struct coord_write *write)
{
    log_commit(log, LOG_PLAIN, -1, -1, write);
}

void coord_log_commit_txn(struct coord_log *log, int64_t producer_id, int16_t producer_epoch, struct coord_write *write)
{
    log_commit(log, LOG_TXN, producer_id, producer_epoch, write);
}

void coord_log_marker(struct coord_log *log, int64_t producer_id, int16_t producer_epoch, bool commit,
                      int32_t coordinator_epoch, int16_t transaction_version, struct coord_write *write)
{
    struct log_batch *batch;

    if (log->state != COORD_LOG_ACTIVE) {
        log_commit(log, LOG_PLAIN, -1, -1, write);
        return;
    }
    CHECK(log->event_records == 0);
    batch = log_batch_acquire(log, LOG_MARKER);
    batch->producer_id = producer_id;
    batch->producer_epoch = producer_epoch;
    batch->commit = commit;
    batch->coordinator_epoch = coordinator_epoch;
    batch->transaction_version = transaction_version;
    if (write != NULL) {
        list_init(&write->link_);
        list_push_back(&batch->writes, &write->link_);
    }
    coord_log__post(log);
}

static int16_t log_client_error(int16_t error)
{
    switch (error) {
    case KP_ERR_UNKNOWN_TOPIC_OR_PARTITION:
    case KP_ERR_NOT_LEADER_OR_FOLLOWER:
        return KP_ERR_NOT_COORDINATOR;
    case KP_ERR_MESSAGE_TOO_LARGE:
    case KP_ERR_RECORD_LIST_TOO_LARGE:
    case KP_ERR_INVALID_PRODUCER_EPOCH:
    case KP_ERR_TRANSACTION_COORDINATOR_FENCED:
    case KP_ERR_NOT_COORDINATOR:
        return error;
    default:
        return KP_ERR_COORDINATOR_NOT_AVAILABLE;
    }
}

/* Everything that waits ends with the error, in order; then the machine forgets and the partition is read again. */
static void log_fail(struct coord_log *log, int16_t error)
{
    struct list_node  writes;
    struct list_node *node;
    bool              gone = log->waiter.part == NULL;

    if (log->state == COORD_LOG_ACTIVE && error != KP_ERR_UNKNOWN_TOPIC_OR_PARTITION &&
        error != KP_ERR_NOT_COORDINATOR) {
        slog_warn("coord", "%.*s-%d: a write failed (%s): the partition is read again", (int)part_topic(log->part).len,
                  (const char *)part_topic(log->part).base, part_index(log->part), kp_error_name(error));
    }
    log->state = gone ? COORD_LOG_CLOSED : COORD_LOG_FAILED;
    log->failed_error = log_client_error(error);
    list_init(&writes);
    while ((node = list_first(&log->batches)) != NULL) {
        struct log_batch *batch = LIST_ENTRY(node, struct log_batch, link);

        list_splice_back(&writes, &batch->writes);
        log_batch_release(log, batch);
    }
    list_splice_back(&writes, &log->settled);
    while ((node = list_pop_front(&writes)) != NULL) {
        struct coord_write *write = LIST_ENTRY(node, struct coord_write, link_);

        write->done(write, log->failed_error);
    }
    coord_log__unload(log, log->state, log->failed_error);
    if (gone) {
        timer_disarm(log->shard->timers, &log->retry);
        coord_log__post(log);
    } else {
        coord_log__retry_later(log);
    }
}

/* A refusal of one batch that changes nothing for the others: a producer that has been fenced. */
static bool log_refusal(const struct log_batch *batch, int16_t error)
{
    return batch->kind == LOG_MARKER &&
           (error == KP_ERR_INVALID_PRODUCER_EPOCH || error == KP_ERR_TRANSACTION_COORDINATOR_FENCED);
}

static void log_appended(struct part_append *append)
{
    struct log_batch *batch = CONTAINER_OF(append, struct log_batch, append);
    struct coord_log *log = batch->log;
    struct list_node  writes;
    struct list_node *node;
    int16_t           error = append->error;

    if (log->waiter.part == NULL && error == 0) {
        error = KP_ERR_NOT_COORDINATOR;
    }
    if (error != 0 && !log_refusal(batch, error)) {
        log_fail(log, error);
        return;
    }
    list_init(&writes);
    list_splice_back(&writes, &batch->writes);
    if (batch->kind == LOG_MARKER && error == 0) {
        log->machine->marker(log->machine, batch->producer_id, batch->producer_epoch, batch->commit);
    }
    log_batch_release(log, batch);
    while ((node = list_pop_front(&writes)) != NULL) {
        struct coord_write *write = LIST_ENTRY(node, struct coord_write, link_);

        write->done(write, error == 0 ? (int16_t)0 : log_client_error(error));
    }
    coord_log__post(log);
}

static int log_batch_finish(struct coord_log *log, struct log_batch *batch, struct view *out_bytes)
{
    if (batch->kind == LOG_MARKER) {
        return rec_build_marker(&batch->arena, batch->producer_id, batch->producer_epoch, batch->commit,
                                batch->coordinator_epoch, io_wall_ms(log->shard->io), out_bytes);
    }
    if (batch->kind == LOG_TXN) {
        batch->builder.attributes |= REC_ATTR_TRANSACTIONAL;
        batch->builder.producer_id = batch->producer_id;
        batch->builder.producer_epoch = batch->producer_epoch;
    }
    return rec_builder_finish(&batch->builder, REC_NONE, 0, out_bytes);
}

/* Sends the oldest batch, if none is on its way. */
static void log_pump(struct coord_log *log)
{
    struct list_node *node = list_first(&log->batches);
    struct log_batch *batch;
    struct view       bytes = {0};

    if (node == NULL || log->waiter.part == NULL) {
        return;
    }
    batch = LIST_ENTRY(node, struct log_batch, link);
    if (batch->sent) {
        return;
    }
    batch->sent = true;
    if (log_batch_finish(log, batch, &bytes) != ERR_OK) {
        log_fail(log, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    batch->append = (struct part_append){.records = bytes,
                                         .zstd_allowed = true,
                                         .internal = true,
                                         .wait_durable = true,
                                         .marker_version = batch->transaction_version,
                                         .done = log_appended};
    part_append(log->part, &batch->append);
}
