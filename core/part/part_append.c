/* The append path: parse, header rules, producer, record check, recompression, place in the log's open frame, stamps,
 * commit.
 *
 * Order: an append enters the queue and leaves it only from its head, so the log's order is the order of the calls even
 * when a check or a recompression goes over several turns of the loop or the store has no memory. An answer that is
 * known at once still waits for the next turn.
 *
 * CRC: for batches that are stored as they came and are not compressed, the CRC is computed by the copy into the log's
 * frame, after the records were walked. Whatever is refused before its CRC was seen is checked then: damage on the way
 * is CORRUPT_MESSAGE, which clients send again, and nothing else is said about damaged bytes.
 *
 * What may fail after the commit: only the log as a whole (ERR_OFFLINE); the bytes may or may not be on the disk. */
#include "core/part/part_internal.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"

#define APPEND_INFLATED_BYTES_MIN ((uint64_t)(64 * MIB))
#define APPEND_INFLATED_RATIO     64 /* times max.message.bytes */
#define APPEND_MAGIC_AT           16
#define APPEND_ATTRIBUTES_AT      21 /* and the CRC before it ends here */
#define APPEND_CRC_AT             17

enum append_state {
    APPEND_NEW,
    APPEND_CHECKING, /* rec_check is open */
    APPEND_CHECKED,
    APPEND_RECOMPRESSING, /* rec_recompress is open */
    APPEND_COMMITTED,
};

/* What a step does to the head of the queue. */
enum append_step {
    APPEND_ON,    /* the next step may follow */
    APPEND_LEFT,  /* finished, committed or given to another list: no longer the head */
    APPEND_WAITS, /* for a turn of the loop or for memory */
};

static enum append_step append_begin(struct part *part, struct part_append *append);
static enum append_step append_check(struct part *part, struct part_append *append);
static enum append_step append_recompress_begin(struct part *part, struct part_append *append);
static enum append_step append_recompress(struct part *part, struct part_append *append);
static enum append_step append_place(struct part *part, struct part_append *append);
static void             append_commit(struct part *part, struct part_append *append, struct span place);
static void             append_memory(struct store_memory_wait *wait);

static enum append_step append_refuse(struct part_append *append, int16_t error, const char *message)
{
    part__append_finish(append, error, message);
    return APPEND_LEFT;
}

void part_append(struct part *part, struct part_append *append)
{
    bool first = list_empty(&part->queue);

    append->error = KP_ERR_NONE;
    append->error_message = NULL;
    append->bad_record_index = -1;
    append->base_offset = -1;
    append->last_offset = -1;
    append->append_time_ms = -1;
    append->log_start_offset = part_log_start(part);
    append->part_ = part;
    append->arena_ = NULL;
    append->wait_offset_ = -1;
    append->state_ = APPEND_NEW;
    if (append->flush) {
        part__flushing_begin(part);
    }
    if (!append->background) {
        part->table->urgent.under_way++;
        part->table->urgent.count++;
    }
    list_init(&append->link_);
    list_push_back(&part->queue, &append->link_);
    if (first) {
        part__append_run(part);
    }
}

bool part_append_taken(const struct part_append *append)
{
    return append->state_ == APPEND_COMMITTED && append->error == KP_ERR_NONE;
}

void part__append_run(struct part *part)
{
    struct list_node *node;

    while (!part->memory_waiting && (node = list_first(&part->queue)) != NULL) {
        struct part_append *append = LIST_ENTRY(node, struct part_append, link_);
        enum append_step    step = APPEND_ON;

        if (append->state_ == APPEND_NEW) {
            step = append_begin(part, append);
        }
        if (step == APPEND_ON && append->state_ == APPEND_CHECKING) {
            step = append_check(part, append);
        }
        if (step == APPEND_ON && append->state_ == APPEND_RECOMPRESSING) {
            step = append_recompress(part, append);
        }
        if (step == APPEND_ON) {
            step = append_place(part, append);
        }
        if (step == APPEND_WAITS) {
            return;
        }
    }
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static void append_drop_state(struct part_append *append)
{
    if (append->state_ == APPEND_CHECKING) {
        rec_check_end(&append->check_);
    }
    if (append->state_ == APPEND_RECOMPRESSING) {
        rec_recompress_end(&append->recompress_);
    }
    if (append->arena_ != NULL) {
        arena_deinit(append->arena_);
        mem_free(MEM_PART, append->arena_);
        append->arena_ = NULL;
    }
    append->state_ = APPEND_COMMITTED;
}

/* Takes the append out of its list; done is called on the next turn. */
void part__append_finish(struct part_append *append, int16_t error, const char *message)
{
    struct part *part = append->part_;

    append_drop_state(append);
    append->error = error;
    append->error_message = message;
    list_remove(&append->link_);
    list_push_back(&part->finished, &append->link_);
    part__post(part);
}

static void append_done(struct part_append *append)
{
    struct part *part = append->part_;

    if (append->error != KP_ERR_NONE) {
        append->base_offset = -1;
        append->last_offset = -1;
        append->append_time_ms = -1;
    }
    append->log_start_offset = part_log_start(part);
    if (append->flush) {
        part__flushing_end(part);
    }
    if (!append->background) {
        CHECK(part->table->urgent.under_way > 0);
        part->table->urgent.under_way--;
    }
    append->done(append);
}

void part__append_answer(struct part *part)
{
    struct list_node  ready;
    struct list_node *node;

    list_init(&ready);
    list_splice_back(&ready, &part->finished);
    while ((node = list_pop_front(&ready)) != NULL) {
        append_done(LIST_ENTRY(node, struct part_append, link_));
    }
}

void part__append_fail_all(struct part *part, int16_t error, const char *message)
{
    struct list_node *node;

    while ((node = list_first(&part->queue)) != NULL) {
        part__append_finish(LIST_ENTRY(node, struct part_append, link_), error, message);
    }
    while ((node = list_first(&part->duplicates)) != NULL) {
        part__append_finish(LIST_ENTRY(node, struct part_append, link_), error, message);
    }
}

void part__append_durable(struct part *part, int64_t durable_end)
{
    LIST_EACH(&part->duplicates, node) {
        struct part_append *append = LIST_ENTRY(node, struct part_append, link_);

        if (append->wait_offset_ < durable_end) {
            part__append_finish(append, KP_ERR_NONE, NULL);
        }
    }
}

/* --- what the batch is ------------------------------------------------------------------------------------------- */

static int16_t append_verdict_error(enum rec_verdict verdict)
{
    switch (verdict) {
    case REC_OK:
        return KP_ERR_NONE;
    case REC_CORRUPT:
        return KP_ERR_CORRUPT_MESSAGE;
    case REC_INVALID_RECORD:
        return KP_ERR_INVALID_RECORD;
    case REC_INVALID_TIMESTAMP:
        return KP_ERR_INVALID_TIMESTAMP;
    case REC_TOO_LARGE:
        return KP_ERR_MESSAGE_TOO_LARGE;
    case REC_UNSUPPORTED_COMPRESSION:
        return KP_ERR_UNSUPPORTED_COMPRESSION_TYPE;
    case REC_UNSUPPORTED_FORMAT:
        return KP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT;
    default:
        return KP_ERR_UNKNOWN_SERVER_ERROR;
    }
}

/* A refusal that is said only about bytes that arrived as they were sent. */
static enum append_step append_refuse_intact(struct part_append *append, int16_t error, const char *message)
{
    if (error != KP_ERR_CORRUPT_MESSAGE && !rec_batch_crc_ok(&append->batch_)) {
        append->bad_record_index = -1;
        return append_refuse(append, KP_ERR_CORRUPT_MESSAGE, "record batch does not match its CRC");
    }
    return append_refuse(append, error, message);
}

static enum append_step append_refuse_verdict(struct part_append *append, enum rec_verdict verdict)
{
    const char *reason = append->check_.found.reason;

    append->bad_record_index = append->check_.found.bad_record_index;
    return append_refuse_intact(append, append_verdict_error(verdict), reason);
}

/* Exactly one batch of format v2. */
static enum append_step append_parse(struct part_append *append)
{
    const char      *reason = NULL;
    enum rec_verdict verdict = rec_produced_parse(append->records, &append->batch_, &reason);

    if (verdict != REC_OK) { /* Kafka has an error of its own for old formats, but not here */
        return append_refuse(
            append, verdict == REC_UNSUPPORTED_FORMAT ? KP_ERR_INVALID_RECORD : append_verdict_error(verdict), reason);
    }
    if (append->batch_.base_offset != 0 && !append->internal) {
        return append_refuse_intact(append, KP_ERR_INVALID_RECORD, "the base offset of a produced batch must be 0");
    }
    return APPEND_ON;
}

static bool append_is_control(const struct part_append *append)
{
    return (append->batch_.attributes & REC_ATTR_CONTROL) != 0;
}

static bool append_wants_recompression(const struct part *part, const struct part_append *append)
{
    return part->settings.codec >= 0 && part->settings.codec != (int)append->batch_.codec && !append_is_control(append);
}

/* The CRC comes with the copy. */
static bool append_crc_fused(const struct part *part, const struct part_append *append)
{
    return append->batch_.codec == REC_NONE && !append_wants_recompression(part, append);
}

static uint64_t append_inflated_bytes_max(const struct part *part)
{
    return MAX(APPEND_INFLATED_BYTES_MIN, (uint64_t)part->settings.batch_bytes_max * APPEND_INFLATED_RATIO);
}

static enum append_step append_duplicate(struct part *part, struct part_append *append,
                                         const struct part_batch *original)
{
    if (!rec_batch_crc_ok(&append->batch_)) {
        return append_refuse(append, KP_ERR_CORRUPT_MESSAGE, "record batch does not match its CRC");
    }
    append->base_offset = original->first_offset;
    append->last_offset = original->last_offset;
    append->append_time_ms = part->settings.log_append_time ? original->timestamp_ms : -1;
    if (!append->wait_durable || original->last_offset < part_high_watermark(part)) {
        return append_refuse(append, KP_ERR_NONE, NULL);
    }
    append_drop_state(append);
    append->wait_offset_ = original->last_offset;
    list_remove(&append->link_);
    list_push_back(&part->duplicates, &append->link_);
    return APPEND_LEFT;
}

/* The head's producer is not looked up again: until the head leaves, nothing else changes or forgets producers. */
static enum append_step append_producer(struct part *part, struct part_append *append)
{
    struct part_producer_answer answer = {0};

    part->head_producer = NULL;
    if (append->batch_.producer_id < 0) {
        return APPEND_ON;
    }
    switch (part__producer_check(part, append, &answer)) {
    case PART_PRODUCER_DUPLICATE:
        return append_duplicate(part, append, &answer.original);
    case PART_PRODUCER_REFUSED:
        return append_refuse_intact(append, answer.error, answer.message);
    case PART_PRODUCER_NEXT:
    default:
        part->head_producer = answer.producer;
        return APPEND_ON;
    }
}

static enum append_step append_admit(struct part *part, struct part_append *append)
{
    if (part->gone_error != 0) {
        return append_refuse(append, part->gone_error, NULL);
    }
    if (!part->opened) {
        return append_refuse(append, KP_ERR_NOT_LEADER_OR_FOLLOWER, "partition is still being opened");
    }
    if (!part->online) {
        return append_refuse(append, KP_ERR_KAFKA_STORAGE_ERROR, "partition is offline after a storage failure");
    }
    if (part->internal && !append->internal) {
        return append_refuse(append, KP_ERR_INVALID_TOPIC_EXCEPTION, "clients cannot append to an internal topic");
    }
    return append_parse(append);
}

static enum append_step append_begin(struct part *part, struct part_append *append)
{
    enum rec_verdict verdict;
    struct rec_rules rules = {
        .batch_bytes_max = part->settings.batch_bytes_max,
        .keys_required = part->settings.keys_required,
        .log_append_time = part->settings.log_append_time,
        .now_ms = io_wall_ms(part->table->shard->io),
        .timestamp_before_max_ms = part->settings.timestamp_before_max_ms,
        .timestamp_after_max_ms = part->settings.timestamp_after_max_ms,
        .inflated_bytes_max = append_inflated_bytes_max(part),
        .zstd_allowed = append->zstd_allowed,
        .control_allowed = append->internal,
    };
    enum append_step step = append_admit(part, append);

    if (step != APPEND_ON) {
        return step;
    }
    if (append_is_control(append)) {
        rules.keys_required = false; /* markers of a transaction carry keys of their own kind */
    }
    rules.crc_checked = append_crc_fused(part, append);
    append->check_ = (struct rec_check){0};
    append->check_.found.bad_record_index = -1;
    verdict = rec_check_begin(&append->check_, &append->batch_, &rules);
    append->state_ = APPEND_CHECKING;
    if (verdict != REC_OK) {
        return append_refuse_verdict(append, verdict);
    }
    return append_producer(part, append);
}

/* One slice; the next one follows on the next turn, so that decompression does not hold the loop. */
static enum append_step append_check(struct part *part, struct part_append *append)
{
    enum rec_verdict verdict = REC_OK;
    int              rc = rec_check_step(&append->check_, PART_CHECK_SLICE_BYTES, &verdict);

    if (rc == ERR_AGAIN) {
        part__post(part);
        return APPEND_WAITS;
    }
    if (rc != ERR_OK) {
        return append_refuse(append, KP_ERR_KAFKA_STORAGE_ERROR, "not enough memory to check the record batch");
    }
    if (verdict != REC_OK) {
        return append_refuse_verdict(append, verdict);
    }
    rec_check_end(&append->check_);
    append->state_ = APPEND_CHECKED;
    return append_recompress_begin(part, append);
}

static enum append_step append_recompress_refuse(struct part_append *append, int rc)
{
    if (rc == ERR_LIMIT) {
        return append_refuse(append, KP_ERR_MESSAGE_TOO_LARGE,
                             "the record batch is larger than max.message.bytes once it is recompressed");
    }
    return append_refuse(append, KP_ERR_KAFKA_STORAGE_ERROR,
                         "the record batch could not be recompressed: not enough memory");
}

/* compression.type names another codec than the producer's. */
static enum append_step append_recompress_begin(struct part *part, struct part_append *append)
{
    uint64_t records_bytes = append->check_.found.records_bytes;
    size_t   batch_bytes_max = part->settings.batch_bytes_max;
    int      rc;

    if (!append_wants_recompression(part, append)) {
        return APPEND_ON;
    }
    append->arena_ = mem_alloc(MEM_PART, sizeof(*append->arena_));
    /* The new batch, half as much again for a small one's worst case, and a window. */
    arena_init(append->arena_, MEM_PART, 64 * KIB, batch_bytes_max + batch_bytes_max / 2 + MIB);
    rc =
        rec_recompress_begin(&append->recompress_, &append->batch_, records_bytes, (enum rec_codec)part->settings.codec,
                             part->settings.codec_level, batch_bytes_max, append->arena_);
    if (rc != ERR_OK) {
        return append_recompress_refuse(append, rc);
    }
    append->state_ = APPEND_RECOMPRESSING;
    if (records_bytes > PART_RECOMPRESS_SLICE_BYTES) { /* the check has had this turn */
        part__post(part);
        return APPEND_WAITS;
    }
    return APPEND_ON;
}

/* One slice, as of a check. */
static enum append_step append_recompress(struct part *part, struct part_append *append)
{
    struct view bytes = {0};
    int         rc = rec_recompress_step(&append->recompress_, PART_RECOMPRESS_SLICE_BYTES, &bytes);

    if (rc == ERR_AGAIN) {
        part__post(part);
        return APPEND_WAITS;
    }
    if (rc == ERR_OK) {
        rc = rec_batch_parse(bytes, &append->batch_);
    }
    if (rc != ERR_OK) {
        return append_recompress_refuse(append, rc);
    }
    rec_recompress_end(&append->recompress_);
    append->state_ = APPEND_CHECKED;
    return APPEND_ON;
}

/* --- into the log ------------------------------------------------------------------------------------------------ */

static enum append_step append_reserve_failed(struct part *part, struct part_append *append, int rc)
{
    switch (rc) {
    case ERR_AGAIN:
        part->memory_waiting = true;
        part->memory_wait.ready = append_memory;
        store_wait_for_memory(part->table->store, &part->memory_wait);
        return APPEND_WAITS;
    case ERR_NO_SPACE:
        return append_refuse(append, KP_ERR_KAFKA_STORAGE_ERROR,
                             "disk full: the broker accepts no records until space is free");
    case ERR_LIMIT:
        return append_refuse(append, KP_ERR_RECORD_LIST_TOO_LARGE, "the record batch is larger than segment.bytes");
    default:
        return append_refuse(append, KP_ERR_KAFKA_STORAGE_ERROR, "partition is offline after a storage failure");
    }
}

static void append_memory(struct store_memory_wait *wait)
{
    struct part *part = CONTAINER_OF(wait, struct part, memory_wait);

    part->memory_waiting = false;
    part__append_run(part);
}

/* True when the copy is what the producer sent. */
static bool append_copy(uint8_t *to, struct view bytes, uint32_t crc)
{
    memcpy(to, bytes.base, APPEND_ATTRIBUTES_AT);
    return crc32c_copy(0, to + APPEND_ATTRIBUTES_AT, bytes.base + APPEND_ATTRIBUTES_AT,
                       bytes.len - APPEND_ATTRIBUTES_AT) == crc;
}

static enum append_step append_place(struct part *part, struct part_append *append)
{
    struct view bytes = append->batch_.bytes;
    struct span place = {0};
    int         rc = store_log_reserve(part->log, bytes.len, &place);

    if (rc != ERR_OK) {
        return append_reserve_failed(part, append, rc);
    }
    CHECK(place.len >= bytes.len);
    if (!append_copy(place.base, bytes, append->batch_.crc)) {
        store_log_cancel(part->log);
        return append_refuse(append, KP_ERR_CORRUPT_MESSAGE, "record batch does not match its CRC");
    }
    append_commit(part, append, span_of(place.base, bytes.len));
    return APPEND_LEFT;
}

/* In our copy only: offset and leader epoch, and the time the topic wants. */
static void append_stamp(struct part *part, struct part_append *append, struct span place)
{
    int64_t max_timestamp_ms = append->check_.found.max_timestamp_ms;

    if (part->settings.log_append_time && !append_is_control(append)) {
        max_timestamp_ms = append->check_.rules.now_ms;
        append->append_time_ms = max_timestamp_ms;
        rec_stamp_append_time(place.base, place.len, max_timestamp_ms);
    } else if (max_timestamp_ms != append->batch_.max_timestamp_ms) {
        rec_stamp_max_timestamp(place.base, place.len, max_timestamp_ms);
    }
    append->batch_.max_timestamp_ms = max_timestamp_ms;
    rec_stamp_offset(place.base, append->base_offset, part->leader_epoch);
}

static void append_durable(struct store_append *store)
{
    struct part_append *append = CONTAINER_OF(store, struct part_append, store_);
    struct part        *part = append->part_;

    if (store->result != ERR_OK) {
        append->error = part->gone_error != 0 ? part->gone_error : (int16_t)KP_ERR_KAFKA_STORAGE_ERROR;
        append->error_message = part->deleted ? NULL : "the write failed: whether the records are stored is unknown";
    }
    append_done(append);
    part__release(part);
}

static void append_detached_durable(struct store_append *store)
{
    struct part_detached *detached = CONTAINER_OF(store, struct part_detached, store);
    struct part          *part = detached->part;

    list_push_front(&part->table->free_appends, &detached->link);
    part__release(part);
}

/* The store's half of the append: the caller's own when it waits for durability, else one that outlives the answer. */
static struct store_append *append_store(struct part *part, struct part_append *append)
{
    struct list_node     *node;
    struct part_detached *detached;

    if (append->wait_durable) {
        append->store_.done = append_durable;
        return &append->store_;
    }
    node = list_pop_front(&part->table->free_appends);
    detached = node != NULL ? LIST_ENTRY(node, struct part_detached, link) : mem_alloc(MEM_PART, sizeof(*detached));
    detached->part = part;
    detached->store.done = append_detached_durable;
    return &detached->store;
}

static void append_commit(struct part *part, struct part_append *append, struct span place)
{
    const struct rec_batch *batch = &append->batch_;
    struct store_append    *store = append_store(part, append);

    append->base_offset = store_log_end_offset(part->log);
    append->last_offset = append->base_offset + batch->last_offset_delta;
    append_stamp(part, append, place);
    list_init(&store->link_);
    store->first_offset = append->base_offset;
    store->last_offset = append->last_offset;
    store->max_timestamp_ms = batch->max_timestamp_ms;
    store->leader_epoch = part->leader_epoch;
    store->result = ERR_OK;
    part__hold(part);
    store_log_commit(part->log, store, place.len);
    part__epoch_assign(part, part->leader_epoch, append->base_offset);
    if (batch->producer_id >= 0) {
        part__producer_commit(part, part->head_producer, batch, append->base_offset);
        part__verification_over(part, batch, append->marker_version);
    }
    part->state_offset = append->last_offset + 1;
    part__mark(part, place.len);
    if (append->wait_durable) {
        append_drop_state(append);
        list_remove(&append->link_);
    } else {
        part__append_finish(append, KP_ERR_NONE, NULL);
    }
}
