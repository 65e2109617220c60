/* Reading batches below the high watermark or the last stable offset, and the estimate behind min_bytes.
 *
 * Marks: how many bytes had been appended when the log's end stood at some offset. When the table is full every second
 * mark goes, so the whole time since the part was opened stays covered, the newest part most finely. */
#include "core/part/part_internal.h"

static bool read_start(struct part *part, struct part_read *read);
static void read_memory(struct store_memory_wait *wait);

static bool read_end_with(struct part_read *read, int16_t error)
{
    read->error = error;
    return true;
}

static void read_show(struct part_read *read)
{
    read->high_watermark = part_high_watermark(read->part_);
    read->last_stable_offset = part_last_stable_offset(read->part_);
    read->log_start_offset = part_log_start(read->part_);
}

static int16_t read_error(int result)
{
    switch (result) {
    case ERR_OK:
    case ERR_AGAIN: /* no memory: nothing now */
        return KP_ERR_NONE;
    case ERR_OUT_OF_RANGE:
        return KP_ERR_OFFSET_OUT_OF_RANGE;
    case ERR_CORRUPT:
        return KP_ERR_CORRUPT_MESSAGE;
    default:
        return KP_ERR_KAFKA_STORAGE_ERROR;
    }
}

/* A start that has moved on meanwhile has taken aborted transactions with it that these batches may belong to. */
static int16_t read_aborted(struct part *part, struct part_read *read)
{
    if (!read->committed || read->arena == NULL || read->store.bytes == 0) {
        return KP_ERR_NONE;
    }
    if (read->offset < part_log_start(part)) {
        return KP_ERR_OFFSET_OUT_OF_RANGE;
    }
    if (part->settings.policy.compact_enabled && !part__aborted_prune(part, &read->store, read->offset, read->arena)) {
        return KP_ERR_KAFKA_STORAGE_ERROR;
    }
    return part__aborted_list(part, read->offset, read->store.next_offset, read->arena, &read->aborted,
                              &read->aborted_count)
               ? KP_ERR_NONE
               : KP_ERR_KAFKA_STORAGE_ERROR;
}

/* What the store gave. True: the read is over. False: it waits for memory. */
static bool read_finish(struct part *part, struct part_read *read)
{
    int result = read->store.result;

    if (result == ERR_AGAIN && read->at_least_one && part->gone_error == 0) {
        store_read_release(&read->store);
        list_push_back(&part->reads_waiting, &read->link_);
        if (!part->read_memory_waiting) {
            part->read_memory_waiting = true;
            part->read_memory_wait.ready = read_memory;
            store_wait_for_memory(part->table->store, &part->read_memory_wait);
        }
        return false;
    }
    if (part->gone_error != 0) {
        read->error = part->gone_error;
    } else {
        read->error = result == ERR_OK ? read_aborted(part, read) : read_error(result);
    }
    if (result != ERR_OK || read->error != KP_ERR_NONE) {
        read->store.bytes = 0;
        read->store.slice_count = 0;
    }
    return true;
}

static void read_stored(struct store_read *store)
{
    struct part_read *read = CONTAINER_OF(store, struct part_read, store);
    struct part      *part = read->part_;

    if (read_finish(part, read)) {
        read_show(read);
        read->done(read);
    }
    part__release(part);
}

/* In the store from here on; again after a wait for memory. */
static bool read_start(struct part *part, struct part_read *read)
{
    read->store.offset = read->offset;
    read->store.end_offset = read->committed ? part_last_stable_offset(part) : part_high_watermark(part);
    read->store.bytes_max = read->bytes_max;
    read->store.at_least_one = read->at_least_one;
    read->store.pass_empty = read->pass_empty;
    read->store.done = read_stored;
    if (!store_log_read(part->log, &read->store)) {
        part__hold(part);
        return false;
    }
    return read_finish(part, read);
}

bool part_read(struct part *part, struct part_read *read)
{
    int64_t end_offset;

    read->part_ = part;
    read->error = KP_ERR_NONE;
    read->aborted = NULL;
    read->aborted_count = 0;
    read->store.bytes = 0;
    read->store.slice_count = 0;
    read->store.hold_count_ = 0;
    read->store.state_ = NULL;
    read->store.first_offset = -1;
    read->store.next_offset = read->offset;
    read->store.result = ERR_OK;
    list_init(&read->link_);
    read_show(read);
    if (part->gone_error != 0) {
        return read_end_with(read, part->gone_error);
    }
    if (!part->opened) {
        return read_end_with(read, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    }
    if (!part->readable) {
        return read_end_with(read, KP_ERR_KAFKA_STORAGE_ERROR);
    }
    if (read->offset < read->log_start_offset || read->offset > part_log_end(part)) {
        return read_end_with(read, KP_ERR_OFFSET_OUT_OF_RANGE);
    }
    end_offset = read->committed ? read->last_stable_offset : read->high_watermark;
    if (read->offset >= end_offset) {
        return read_end_with(read, KP_ERR_NONE);
    }
    return read_start(part, read);
}

bool part_at_hand(const struct part *part, int64_t offset)
{
    return part->log != NULL && store_log_at_hand(part->log, offset);
}

void part_read_release(struct part_read *read)
{
    store_read_release(&read->store);
    read->store.bytes = 0;
    read->store.slice_count = 0;
}

static void read_memory(struct store_memory_wait *wait)
{
    struct part      *part = CONTAINER_OF(wait, struct part, read_memory_wait);
    struct list_node  round;
    struct list_node *node;

    part->read_memory_waiting = false;
    part__hold(part);
    list_init(&round);
    list_splice_back(&round, &part->reads_waiting);
    while ((node = list_pop_front(&round)) != NULL) {
        struct part_read *read = LIST_ENTRY(node, struct part_read, link_);
        bool              over = true;

        if (part->gone_error != 0 || !part->readable) {
            read->error = part->gone_error != 0 ? part->gone_error : (int16_t)KP_ERR_KAFKA_STORAGE_ERROR;
        } else {
            over = read_start(part, read);
        }
        if (over) {
            read_show(read);
            read->done(read);
        }
    }
    part__release(part);
}

void part__read_fail_waiting(struct part *part, int16_t error)
{
    struct list_node *node;

    if (part->read_memory_waiting) {
        store_cancel_wait(part->table->store, &part->read_memory_wait);
        part->read_memory_waiting = false;
    }
    while ((node = list_pop_front(&part->reads_waiting)) != NULL) {
        struct part_read *read = LIST_ENTRY(node, struct part_read, link_);

        read->error = error;
        read_show(read);
        read->done(read);
    }
}

/* --- how much there is ------------------------------------------------------------------------------------------- */

void part__marks_reset(struct part *part)
{
    part->appended_bytes = 0;
    part->marks[0] = (struct part_mark){.offset = store_log_end_offset(part->log), .bytes = 0};
    part->mark_count = 1;
}

void part__mark(struct part *part, size_t bytes)
{
    if (part->mark_count == PART_MARKS_MAX) {
        for (uint32_t i = 0; i < PART_MARKS_MAX / 2; i++) {
            part->marks[i] = part->marks[2 * i];
        }
        part->mark_count = PART_MARKS_MAX / 2;
    }
    part->appended_bytes += bytes;
    part->marks[part->mark_count++] =
        (struct part_mark){.offset = store_log_end_offset(part->log), .bytes = part->appended_bytes};
}

/* Bytes appended when the end stood at `offset`, by a straight line between the marks around it. */
static uint64_t marks_bytes_at(const struct part *part, int64_t offset)
{
    uint32_t                above = part->mark_count;
    const struct part_mark *from;
    const struct part_mark *to;

    while (above > 0 && part->marks[above - 1].offset > offset) {
        above--;
    }
    if (above == 0) {
        return 0;
    }
    if (above == part->mark_count) {
        return part->marks[above - 1].bytes;
    }
    from = &part->marks[above - 1];
    to = &part->marks[above];
    return from->bytes + (uint64_t)((double)(to->bytes - from->bytes) * (double)(offset - from->offset) /
                                    (double)(to->offset - from->offset));
}

/* What lies below the first mark, from `offset`, by the average of the whole log. */
static uint64_t density_bytes(const struct part *part, int64_t offset, int64_t to_offset)
{
    int64_t start_offset = part_log_start(part);
    int64_t offsets = part_log_end(part) - start_offset;

    if (offset >= to_offset || offsets <= 0) {
        return 0;
    }
    return (uint64_t)((double)part_size_bytes(part) * (double)(to_offset - offset) / (double)offsets);
}

uint64_t part_available_bytes(struct part *part, int64_t offset, bool committed)
{
    int64_t  end_offset = committed ? part_last_stable_offset(part) : part_high_watermark(part);
    uint64_t bytes;

    if (!part->readable || part->gone_error != 0 || offset < part_log_start(part) || offset >= end_offset) {
        return 0;
    }
    bytes = marks_bytes_at(part, end_offset) - marks_bytes_at(part, offset);
    bytes += density_bytes(part, offset, MIN(part->marks[0].offset, end_offset));
    return MAX(bytes, (uint64_t)REC_HEADER_BYTES);
}
