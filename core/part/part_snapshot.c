/* Producer states, aborted transactions and leader epochs as bytes, for the store to keep beside a segment; and their
 * rebuilding from batches. docs/formats/snapshot.md has the same for readers of files.
 *
 * Layout, little-endian:
 *   0  magic "MRPS", version (u16), zero (u16), state offset (i64), producers (u32), epochs (u32), aborted (u32)
 *   28 per epoch:    epoch (i32), start offset (i64)
 *      per producer: id, last timestamp, last append on the wall clock, first offset of the open transaction or -1 (i64
 * each), coordinator epoch (i32), producer epoch (i16), batches (u16), then per batch, oldest first: first and last
 * sequence (i32 each), first and last offset, timestamp (i64 each)
 *      per aborted transaction, by last offset: producer id, first offset, last offset, stable offset (i64 each)
 *   end CRC-32C over everything before it (u32)
 *
 * Version 1 had no aborted transactions: the log is then replayed from its start.
 *
 * The state offset says which batches are in: all below it. Replay passes over those; a snapshot that lacks batches the
 * store would not replay is refused. A damaged or unknown snapshot changes nothing: the store then replays from the
 * start of the log. */
#include "core/part/part_internal.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"

#define SNAPSHOT_MAGIC          0x5350524dU /* "MRPS" */
#define SNAPSHOT_VERSION        2
#define SNAPSHOT_HEADER_BYTES   28
#define SNAPSHOT_EPOCH_BYTES    12
#define SNAPSHOT_PRODUCER_BYTES 40
#define SNAPSHOT_BATCH_BYTES    32
#define SNAPSHOT_ABORTED_BYTES  32
#define SNAPSHOT_CRC_BYTES      4

struct snapshot_reader {
    const uint8_t *at;
    size_t         left;
    uint32_t       producer_count;
    uint32_t       epoch_count;
    uint32_t       aborted_count;
    int64_t        state_offset;
};

/* --- writing ----------------------------------------------------------------------------------------------------- */

static uint8_t *snapshot_put_epochs(const struct part *part, uint8_t *to)
{
    for (size_t i = 0; i < part->epoch_count; i++) {
        store_le32(to, (uint32_t)part->epochs[i].epoch);
        store_le64(to + 4, (uint64_t)part->epochs[i].start_offset);
        to += SNAPSHOT_EPOCH_BYTES;
    }
    return to;
}

static uint8_t *snapshot_put_batch(const struct part_batch *batch, uint8_t *to)
{
    store_le32(to, (uint32_t)batch->first_sequence);
    store_le32(to + 4, (uint32_t)batch->last_sequence);
    store_le64(to + 8, (uint64_t)batch->first_offset);
    store_le64(to + 16, (uint64_t)batch->last_offset);
    store_le64(to + 24, (uint64_t)batch->timestamp_ms);
    return to + SNAPSHOT_BATCH_BYTES;
}

static uint8_t *snapshot_put_producer(const struct part *part, const struct part_producer *producer, uint8_t *to)
{
    int64_t idle_ms = (part__now_ns(part) - producer->seen_ns) / NS_PER_MS;

    store_le64(to, (uint64_t)producer->producer_id);
    store_le64(to + 8, (uint64_t)producer->last_timestamp_ms);
    store_le64(to + 16, (uint64_t)(io_wall_ms(part->table->shard->io) - idle_ms));
    store_le64(to + 24, (uint64_t)(producer->txn == NULL ? -1 : producer->txn->first_offset));
    store_le32(to + 32, (uint32_t)producer->coordinator_epoch);
    store_le16(to + 36, (uint16_t)producer->epoch);
    store_le16(to + 38, producer->batch_count);
    to += SNAPSHOT_PRODUCER_BYTES;
    for (uint32_t i = 0; i < producer->batch_count; i++) {
        to = snapshot_put_batch(part__producer_batch(producer, i), to);
    }
    return to;
}

static uint8_t *snapshot_put_aborted(const struct part *part, uint8_t *to)
{
    for (size_t i = part->aborted_first; i < part->aborted_end; i++) {
        store_le64(to, (uint64_t)part->aborted[i].producer_id);
        store_le64(to + 8, (uint64_t)part->aborted[i].first_offset);
        store_le64(to + 16, (uint64_t)part->aborted[i].last_offset);
        store_le64(to + 24, (uint64_t)part->aborted[i].stable_offset);
        to += SNAPSHOT_ABORTED_BYTES;
    }
    return to;
}

static size_t snapshot_bytes(const struct part *part)
{
    size_t bytes = SNAPSHOT_HEADER_BYTES + part->epoch_count * SNAPSHOT_EPOCH_BYTES + SNAPSHOT_CRC_BYTES;

    bytes += (part->aborted_end - part->aborted_first) * SNAPSHOT_ABORTED_BYTES;
    LIST_EACH(&part->producers_idle, node) {
        bytes += SNAPSHOT_PRODUCER_BYTES;
        bytes += LIST_ENTRY(node, struct part_producer, link)->batch_count * (size_t)SNAPSHOT_BATCH_BYTES;
    }
    return bytes;
}

void part__snapshot_write(void *context, uint8_t **out_bytes, size_t *out_len)
{
    const struct part *part = context;
    size_t             len = snapshot_bytes(part);
    uint8_t           *bytes = mem_alloc(MEM_STORE, len);
    uint8_t           *to = bytes;
    int64_t            state_offset = part->state_offset;

    if (!part->opened) { /* all there is has been replayed; the newest batches may have been deleted */
        state_offset = MAX(state_offset, store_log_end_offset(part->log));
    }
    store_le32(to, SNAPSHOT_MAGIC);
    store_le16(to + 4, SNAPSHOT_VERSION);
    store_le64(to + 8, (uint64_t)state_offset);
    store_le32(to + 16, (uint32_t)map_count(&part->producers));
    store_le32(to + 20, (uint32_t)part->epoch_count);
    store_le32(to + 24, (uint32_t)(part->aborted_end - part->aborted_first));
    to = snapshot_put_epochs(part, to + SNAPSHOT_HEADER_BYTES);
    LIST_EACH(&part->producers_idle, node) {
        to = snapshot_put_producer(part, LIST_ENTRY(node, struct part_producer, link), to);
    }
    to = snapshot_put_aborted(part, to);
    store_le32(to, crc32c_update(0, bytes, (size_t)(to - bytes)));
    CHECK(to + SNAPSHOT_CRC_BYTES == bytes + len);
    *out_bytes = bytes;
    *out_len = len;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* The next `bytes` bytes, or NULL when they are not there. */
static const uint8_t *snapshot_take(struct snapshot_reader *reader, size_t bytes)
{
    const uint8_t *from = reader->at;

    if (bytes > reader->left) {
        return NULL;
    }
    reader->at += bytes;
    reader->left -= bytes;
    return from;
}

static int snapshot_get_header(struct view bytes, int64_t offset, struct snapshot_reader *reader)
{
    size_t body;

    if (bytes.len < SNAPSHOT_HEADER_BYTES + SNAPSHOT_CRC_BYTES) {
        return ERR_CORRUPT;
    }
    body = bytes.len - SNAPSHOT_CRC_BYTES;
    if (load_le32(bytes.base) != SNAPSHOT_MAGIC || crc32c_update(0, bytes.base, body) != load_le32(bytes.base + body)) {
        return ERR_CORRUPT;
    }
    if (load_le16(bytes.base + 4) != SNAPSHOT_VERSION) {
        return ERR_UNSUPPORTED;
    }
    reader->state_offset = (int64_t)load_le64(bytes.base + 8);
    reader->producer_count = load_le32(bytes.base + 16);
    reader->epoch_count = load_le32(bytes.base + 20);
    reader->aborted_count = load_le32(bytes.base + 24);
    reader->at = bytes.base + SNAPSHOT_HEADER_BYTES;
    reader->left = body - SNAPSHOT_HEADER_BYTES;
    /* Batches between the two would be in neither the snapshot nor the replay. */
    return reader->state_offset < offset || reader->state_offset < 0 ? ERR_CORRUPT : ERR_OK;
}

static int snapshot_get_epochs(struct part *part, struct snapshot_reader *reader)
{
    int32_t last_epoch = -1;
    int64_t last_start = -1;

    for (uint32_t i = 0; i < reader->epoch_count; i++) {
        const uint8_t *from = snapshot_take(reader, SNAPSHOT_EPOCH_BYTES);
        int32_t        epoch;
        int64_t        start_offset;

        if (from == NULL) {
            return ERR_CORRUPT;
        }
        epoch = (int32_t)load_le32(from);
        start_offset = (int64_t)load_le64(from + 4);
        if (epoch <= last_epoch || start_offset <= last_start) {
            return ERR_CORRUPT;
        }
        part__epoch_assign(part, epoch, start_offset);
        last_epoch = epoch;
        last_start = start_offset;
    }
    return ERR_OK;
}

static int snapshot_get_batch(struct part_producer *producer, struct snapshot_reader *reader)
{
    const uint8_t    *from = snapshot_take(reader, SNAPSHOT_BATCH_BYTES);
    struct part_batch batch;

    if (from == NULL) {
        return ERR_CORRUPT;
    }
    batch = (struct part_batch){.first_sequence = (int32_t)load_le32(from),
                                .last_sequence = (int32_t)load_le32(from + 4),
                                .first_offset = (int64_t)load_le64(from + 8),
                                .last_offset = (int64_t)load_le64(from + 16),
                                .timestamp_ms = (int64_t)load_le64(from + 24)};
    if (batch.first_sequence < 0 || batch.last_sequence < 0 || batch.first_offset < 0 ||
        batch.last_offset < batch.first_offset || batch.first_offset <= producer->last_offset ||
        batch.last_offset >= reader->state_offset) {
        return ERR_CORRUPT;
    }
    part__producer_remember(producer, &batch);
    producer->last_offset = batch.last_offset;
    return ERR_OK;
}

/* When its last append was, on today's monotonic clock. The wall clock may have jumped: nobody expires right after a
 * start. */
static int64_t snapshot_seen_ns(const struct part *part, int64_t seen_wall_ms)
{
    int64_t wall_ms = io_wall_ms(part->table->shard->io);
    int64_t idle_ms_max = MAX(part->settings.producer_expiry_ms - PART_EXPIRY_GRACE_MS, 0);
    int64_t idle_ms = 0;

    if (__builtin_sub_overflow(wall_ms, seen_wall_ms, &idle_ms)) {
        idle_ms = 0;
    }
    idle_ms = MIN(MAX(idle_ms, 0), MIN(idle_ms_max, INT64_MAX / NS_PER_MS / 2));
    return part__now_ns(part) - idle_ms * NS_PER_MS;
}

static int snapshot_get_producer(struct part *part, struct snapshot_reader *reader)
{
    const uint8_t        *from = snapshot_take(reader, SNAPSHOT_PRODUCER_BYTES);
    struct part_producer *producer;
    int64_t               txn_offset;
    uint16_t              batch_count;

    if (from == NULL) {
        return ERR_CORRUPT;
    }
    txn_offset = (int64_t)load_le64(from + 24);
    batch_count = load_le16(from + 38);
    if ((int64_t)load_le64(from) < 0 || (int16_t)load_le16(from + 36) < 0 || batch_count > PART_PRODUCER_BATCHES ||
        txn_offset < -1 || txn_offset >= reader->state_offset ||
        part__producer_find(part, (int64_t)load_le64(from)) != NULL) {
        return ERR_CORRUPT;
    }
    producer = part__producer_add(part, (int64_t)load_le64(from));
    producer->last_timestamp_ms = (int64_t)load_le64(from + 8);
    producer->seen_ns = snapshot_seen_ns(part, (int64_t)load_le64(from + 16));
    producer->coordinator_epoch = (int32_t)load_le32(from + 32);
    producer->epoch = (int16_t)load_le16(from + 36);
    for (uint16_t i = 0; i < batch_count; i++) {
        if (snapshot_get_batch(producer, reader) != ERR_OK) {
            return ERR_CORRUPT;
        }
    }
    if (txn_offset >= 0) {
        part__txn_begin(part, producer, txn_offset);
    }
    return ERR_OK;
}

static int snapshot_get_aborted(struct part *part, struct snapshot_reader *reader)
{
    int64_t last_offset = -1;

    for (uint32_t i = 0; i < reader->aborted_count; i++) {
        const uint8_t      *from = snapshot_take(reader, SNAPSHOT_ABORTED_BYTES);
        struct part_aborted aborted;

        if (from == NULL) {
            return ERR_CORRUPT;
        }
        aborted = (struct part_aborted){.producer_id = (int64_t)load_le64(from),
                                        .first_offset = (int64_t)load_le64(from + 8),
                                        .last_offset = (int64_t)load_le64(from + 16),
                                        .stable_offset = (int64_t)load_le64(from + 24)};
        if (aborted.producer_id < 0 || aborted.first_offset < 0 || aborted.last_offset <= aborted.first_offset ||
            aborted.last_offset <= last_offset || aborted.last_offset >= reader->state_offset ||
            aborted.stable_offset < 0 || aborted.stable_offset > aborted.last_offset + 1) {
            return ERR_CORRUPT;
        }
        part__aborted_add(part, &aborted);
        last_offset = aborted.last_offset;
    }
    return ERR_OK;
}

static int snapshot_get(struct part *part, struct view bytes, int64_t offset)
{
    struct snapshot_reader reader = {0};
    int                    rc = snapshot_get_header(bytes, offset, &reader);

    if (rc == ERR_OK) {
        rc = snapshot_get_epochs(part, &reader);
    }
    if (rc == ERR_OK && reader.producer_count > reader.left / SNAPSHOT_PRODUCER_BYTES) {
        rc = ERR_CORRUPT;
    }
    for (uint32_t i = 0; rc == ERR_OK && i < reader.producer_count; i++) {
        rc = snapshot_get_producer(part, &reader);
    }
    if (rc == ERR_OK) {
        rc = snapshot_get_aborted(part, &reader);
    }
    if (rc == ERR_OK && reader.left != 0) {
        rc = ERR_CORRUPT;
    }
    if (rc == ERR_OK) {
        part->state_offset = reader.state_offset;
    }
    return rc;
}

static void snapshot_forget(struct part *part)
{
    part__producers_clear(part);
    part__aborted_clear(part);
    part__epochs_clear(part);
}

int part__snapshot_read(void *context, struct view bytes, int64_t offset)
{
    struct part *part = context;
    int          rc;

    snapshot_forget(part);
    rc = snapshot_get(part, bytes, offset);
    if (rc != ERR_OK) {
        snapshot_forget(part);
    }
    return rc;
}

void part__replay_batch(void *context, const struct rec_batch *header)
{
    struct part *part = context;

    if (header->base_offset < part->state_offset) {
        return;
    }
    if (header->leader_epoch >= 0) {
        part__epoch_assign(part, header->leader_epoch, header->base_offset);
    }
    if (header->producer_id >= 0) {
        part__producer_commit(part, NULL, header, header->base_offset);
    }
    part->state_offset = rec_batch_last_offset(header) + 1;
}
