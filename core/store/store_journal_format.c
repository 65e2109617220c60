/* store_journal_format.c: encoding, checking and deciding for the shard's journal.
 *
 * Invariants
 *  1. Every check is salted with the ring's identity, its generation and the frame's lsn: what an earlier lap, an
 * earlier generation or a misdirected write left behind never passes for a frame or an entry of now, nor does anything
 * a client can send.
 *  2. The decision depends on the frames found and the header only, so that running it again gives the same answer. */
#include "core/store/store_journal_format.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/store/store_frame.h"

#define HEADER_MAGIC UINT64_C(0x31474e5245434c4d) /* "MLCERNG1" in the file */
#define FRAME_MAGIC  UINT32_C(0x464a524d)         /* "MRJF" in the file */
#define VERSION      1
#define BLOCK_MIN    512
#define BLOCK_MAX    (1 * MIB)
#define RING_MAX     (UINT64_C(1) << 40)
/* No shard writes this much: positions above it are damage, and sums of two positions cannot overflow. */
#define LSN_MAX (UINT64_C(1) << 62)

STATIC_CHECK(STORE_JOURNAL_FRAME_HEADER_BYTES % 16 == 0);
STATIC_CHECK(STORE_JOURNAL_ENTRY_HEADER_BYTES % STORE_JOURNAL_ENTRY_ALIGN == 0);
STATIC_CHECK(STORE_JOURNAL_HEADER_BYTES <= BLOCK_MIN);

void store_journal_header_encode(const struct store_journal_header *header,
                                 uint8_t                            out_bytes[STORE_JOURNAL_HEADER_BYTES])
{
    memset(out_bytes, 0, STORE_JOURNAL_HEADER_BYTES);
    store_le64(out_bytes, HEADER_MAGIC);
    store_le32(out_bytes + 8, VERSION);
    store_le32(out_bytes + 12, header->block_bytes);
    memcpy(out_bytes + 16, header->identity.bytes, 16);
    store_le64(out_bytes + 32, header->generation);
    store_le64(out_bytes + 40, header->update);
    store_le64(out_bytes + 48, header->ring_bytes);
    store_le64(out_bytes + 56, header->needed_from);
    store_le64(out_bytes + 64, header->durable_end);
    store_le32(out_bytes + 72, header->mark);
    store_le32(out_bytes + STORE_JOURNAL_HEADER_BYTES - 4, crc32c_update(0, out_bytes, STORE_JOURNAL_HEADER_BYTES - 4));
}

int store_journal_header_decode(struct view bytes, struct store_journal_header *out_header)
{
    struct store_journal_header header = {0};
    const uint8_t              *at = bytes.base;

    if (bytes.len < STORE_JOURNAL_HEADER_BYTES || load_le64(at) != HEADER_MAGIC || load_le32(at + 8) != VERSION ||
        load_le32(at + STORE_JOURNAL_HEADER_BYTES - 4) != crc32c_update(0, at, STORE_JOURNAL_HEADER_BYTES - 4)) {
        return ERR_CORRUPT;
    }
    header.block_bytes = load_le32(at + 12);
    memcpy(header.identity.bytes, at + 16, 16);
    header.generation = load_le64(at + 32);
    header.update = load_le64(at + 40);
    header.ring_bytes = load_le64(at + 48);
    header.needed_from = load_le64(at + 56);
    header.durable_end = load_le64(at + 64);
    header.mark = load_le32(at + 72);
    if (!is_power_of_two(header.block_bytes) || header.block_bytes < BLOCK_MIN || header.block_bytes > BLOCK_MAX ||
        header.ring_bytes == 0 || header.ring_bytes > RING_MAX || header.ring_bytes % header.block_bytes != 0 ||
        header.needed_from > LSN_MAX || header.durable_end > LSN_MAX || header.needed_from % header.block_bytes != 0 ||
        (header.mark != STORE_JOURNAL_ACTIVE && header.mark != STORE_JOURNAL_CLEAN)) {
        return ERR_CORRUPT;
    }
    *out_header = header;
    return ERR_OK;
}

static uint32_t salt(const struct store_journal_header *ring, uint64_t lsn, uint64_t place)
{
    uint8_t bytes[40];

    memcpy(bytes, ring->identity.bytes, 16);
    store_le64(bytes + 16, ring->generation);
    store_le64(bytes + 24, lsn);
    store_le64(bytes + 32, place);
    return crc32c_update(0, bytes, sizeof(bytes));
}

void store_journal_frame_encode(const struct store_journal_header *ring, const struct store_journal_frame *frame,
                                uint8_t *out_bytes)
{
    memset(out_bytes, 0, STORE_JOURNAL_FRAME_HEADER_BYTES);
    store_le32(out_bytes, FRAME_MAGIC);
    store_le32(out_bytes + 4, VERSION);
    memcpy(out_bytes + 8, ring->identity.bytes, 8);
    store_le64(out_bytes + 16, ring->generation);
    store_le64(out_bytes + 24, frame->lsn);
    store_le64(out_bytes + 32, frame->previous_end);
    store_le64(out_bytes + 40, frame->durable_end);
    store_le64(out_bytes + 48, frame->needed_from);
    store_le32(out_bytes + 56, frame->frame_bytes);
    store_le32(out_bytes + 60, frame->payload_bytes);
    store_le32(out_bytes + 64, frame->entry_count);
    store_le32(out_bytes + 76, crc32c_update(salt(ring, frame->lsn, 0), out_bytes, 76));
}

/* Could a frame with these numbers have been written? */
static bool frame_plausible(const struct store_journal_header *ring, const struct store_journal_frame *frame,
                            uint64_t position)
{
    return frame->lsn <= LSN_MAX && frame->lsn % ring->ring_bytes == position && frame->previous_end <= frame->lsn &&
           frame->durable_end <= frame->previous_end && frame->needed_from <= frame->lsn + ring->ring_bytes &&
           frame->needed_from % ring->block_bytes == 0 && frame->frame_bytes >= ring->block_bytes &&
           frame->frame_bytes % ring->block_bytes == 0 && position + frame->frame_bytes <= ring->ring_bytes &&
           frame->frame_bytes <= STORE_JOURNAL_FRAME_BYTES_MAX && frame->payload_bytes <= frame->frame_bytes &&
           frame->payload_bytes >= STORE_JOURNAL_FRAME_HEADER_BYTES &&
           frame->entry_count <= frame->payload_bytes / STORE_JOURNAL_ENTRY_HEADER_BYTES;
}

bool store_journal_frame_decode(const struct store_journal_header *ring, struct view bytes, uint64_t position,
                                struct store_journal_frame *out_frame)
{
    struct store_journal_frame frame = {0};
    const uint8_t             *at = bytes.base;

    if (bytes.len < STORE_JOURNAL_FRAME_HEADER_BYTES || load_le32(at) != FRAME_MAGIC || load_le32(at + 4) != VERSION ||
        memcmp(at + 8, ring->identity.bytes, 8) != 0 || load_le64(at + 16) != ring->generation) {
        return false;
    }
    frame.lsn = load_le64(at + 24);
    frame.previous_end = load_le64(at + 32);
    frame.durable_end = load_le64(at + 40);
    frame.needed_from = load_le64(at + 48);
    frame.frame_bytes = load_le32(at + 56);
    frame.payload_bytes = load_le32(at + 60);
    frame.entry_count = load_le32(at + 64);
    if (load_le32(at + 76) != crc32c_update(salt(ring, frame.lsn, 0), at, 76) ||
        !frame_plausible(ring, &frame, position)) {
        return false;
    }
    *out_frame = frame;
    return true;
}

size_t store_journal_entry_bytes(size_t batches_bytes)
{
    return align_up(STORE_JOURNAL_ENTRY_HEADER_BYTES + batches_bytes, STORE_JOURNAL_ENTRY_ALIGN);
}

/* Length of the batch at the head of `rest` by its own length field, or 0 when it cannot be one. Not by parsing it:
 * what the entry's check covers must be enough to walk over batches whose rest is damaged, to tell whose they were and
 * to go on behind them. */
static size_t batch_bytes(const uint8_t *rest, size_t rest_bytes)
{
    uint32_t length;

    if (rest_bytes < REC_HEADER_BYTES) {
        return 0;
    }
    length = load_be32(rest + 8);
    if (length < REC_HEADER_BYTES - REC_LENGTH_PREFIX_BYTES || length > rest_bytes - REC_LENGTH_PREFIX_BYTES) {
        return 0;
    }
    return (size_t)length + REC_LENGTH_PREFIX_BYTES;
}

/* The entry's check: its header up to the check, then what Kafka's CRC leaves out of each batch. False: not whole
 * batches. */
static bool entry_check(const struct store_journal_header *ring, uint64_t lsn, size_t place,
                        const uint8_t *entry_header, struct view batches, uint32_t *out_check,
                        uint32_t *out_batch_count)
{
    uint32_t check = crc32c_update(salt(ring, lsn, place), entry_header, 40);
    uint32_t count = 0;

    for (size_t at = 0; at < batches.len; count++) {
        size_t bytes = batch_bytes(batches.base + at, batches.len - at);

        if (bytes == 0) {
            return false;
        }
        check = crc32c_update(check, batches.base + at, REC_UNCHECKED_BYTES);
        at += bytes;
    }
    *out_check = check;
    *out_batch_count = count;
    return count > 0;
}

bool store_journal_entry_encode(const struct store_journal_header *ring, uint64_t lsn, uint8_t *frame, size_t place,
                                const struct store_journal_entry *entry)
{
    uint8_t *to = frame + place;
    size_t   padded = store_journal_entry_bytes(entry->bytes.len);
    uint32_t check = 0;
    uint32_t batch_count = 0;

    memset(to, 0, STORE_JOURNAL_ENTRY_HEADER_BYTES);
    memcpy(to, entry->topic_id.bytes, 16);
    store_le32(to + 16, (uint32_t)entry->partition);
    store_le32(to + 20, (uint32_t)entry->bytes.len);
    store_le64(to + 24, (uint64_t)entry->first_offset);
    store_le64(to + 32, (uint64_t)entry->last_offset);
    if (!entry_check(ring, lsn, place, to, entry->bytes, &check, &batch_count)) {
        return false;
    }
    store_le32(to + 40, batch_count);
    store_le32(to + 44, crc32c_update(check, to + 40, 4));
    memcpy(to + STORE_JOURNAL_ENTRY_HEADER_BYTES, entry->bytes.base, entry->bytes.len);
    memset(to + STORE_JOURNAL_ENTRY_HEADER_BYTES + entry->bytes.len, 0,
           padded - STORE_JOURNAL_ENTRY_HEADER_BYTES - entry->bytes.len);
    return true;
}

static bool batches_intact(struct view batches)
{
    struct rec_batch batch;

    while (store__batch_next(&batches, &batch)) {
        if (!rec_batch_crc_ok(&batch)) {
            return false;
        }
    }
    return batches.len == 0;
}

int store_journal_entry_decode(const struct store_journal_header *ring, const struct store_journal_frame *frame,
                               struct view bytes, size_t *place, struct store_journal_record *out_record,
                               bool *out_intact)
{
    struct store_journal_record record = {.lsn = frame->lsn};
    const uint8_t              *at = bytes.base + *place;
    size_t                      rest = frame->payload_bytes - *place;
    uint32_t                    length;
    uint32_t                    check = 0;

    DCHECK(bytes.len >= frame->frame_bytes && *place <= frame->payload_bytes);
    if (rest == 0) {
        return 0;
    }
    if (rest < STORE_JOURNAL_ENTRY_HEADER_BYTES) {
        return ERR_CORRUPT;
    }
    length = load_le32(at + 20);
    if (length > rest - STORE_JOURNAL_ENTRY_HEADER_BYTES || store_journal_entry_bytes(length) > rest) {
        return ERR_CORRUPT;
    }
    memcpy(record.topic_id.bytes, at, 16);
    record.partition = (int32_t)load_le32(at + 16);
    record.first_offset = (int64_t)load_le64(at + 24);
    record.last_offset = (int64_t)load_le64(at + 32);
    record.bytes = view_of(at + STORE_JOURNAL_ENTRY_HEADER_BYTES, length);
    if (!entry_check(ring, frame->lsn, *place, at, record.bytes, &check, &record.batch_count) ||
        load_le32(at + 40) != record.batch_count || load_le32(at + 44) != crc32c_update(check, at + 40, 4) ||
        record.first_offset < 0 || record.last_offset < record.first_offset) {
        return ERR_CORRUPT;
    }
    *place += store_journal_entry_bytes(length);
    *out_intact = batches_intact(record.bytes);
    *out_record = record;
    return 1;
}

bool store_journal_frame_whole(const struct store_journal_header *ring, const struct store_journal_frame *frame,
                               struct view bytes)
{
    struct store_journal_record record;
    size_t                      place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    uint32_t                    count = 0;
    bool                        intact = true;
    int                         result;

    if (bytes.len < frame->frame_bytes) {
        return false;
    }
    while ((result = store_journal_entry_decode(ring, frame, bytes, &place, &record, &intact)) == 1 && intact) {
        count++;
    }
    return result == 0 && count == frame->entry_count;
}

/* Marks everything from frames[first] on as never acknowledged. */
static void cut_from(struct store_journal_frame *frames, size_t first, size_t count, struct store_journal_plan *plan)
{
    for (size_t i = first; i < count; i++) {
        frames[i].verdict = STORE_JOURNAL_CUT;
        plan->cut_count++;
    }
}

static bool follows(const struct store_journal_header *ring, const struct store_journal_frame *frame, uint64_t end)
{
    uint64_t lap = div_ceil_u64(end, ring->ring_bytes) * ring->ring_bytes;

    return frame->lsn == end || (frame->lsn == lap && frame->previous_end == end);
}

void store_journal_decide(const struct store_journal_header *ring, struct store_journal_frame *frames, size_t count,
                          struct store_journal_plan *out_plan)
{
    struct store_journal_plan plan = {.needed_from = ring->needed_from, .durable_end = ring->durable_end};

    for (size_t i = 0; i < count; i++) {
        plan.needed_from = MAX(plan.needed_from, frames[i].needed_from);
        plan.durable_end = MAX(plan.durable_end, frames[i].durable_end);
    }
    plan.end = plan.needed_from;
    for (size_t i = 0; i < count; i++) {
        struct store_journal_frame *frame = &frames[i];

        frame->verdict = STORE_JOURNAL_PASSED;
        frame->gap_bytes = 0;
        if (frame->lsn < plan.end) {
            continue;
        }
        if (!follows(ring, frame, plan.end)) {
            /* Acknowledgements go out in LSN order: behind a hole that no frame knows as durable nothing was
             * acknowledged either. A hole that begins below the durable end and reaches over it is damage up to there
             * and torn behind. */
            if (plan.end >= plan.durable_end ||
                (frame->lsn > plan.durable_end && !follows(ring, frame, plan.durable_end))) {
                cut_from(frames, i, count, &plan);
                break;
            }
            frame->gap_bytes = frame->lsn - plan.end;
            plan.gap_count++;
        }
        if (!frame->whole && frame->lsn >= plan.durable_end) {
            plan.end = frame->lsn;
            cut_from(frames, i, count, &plan);
            break;
        }
        frame->verdict = frame->whole ? STORE_JOURNAL_REPLAY : STORE_JOURNAL_DAMAGED;
        plan.replay_count += frame->whole ? 1 : 0;
        plan.damaged_count += frame->whole ? 0 : 1;
        plan.end = frame->lsn + frame->frame_bytes;
    }
    if (plan.end < plan.durable_end) {
        plan.tail_gap_bytes = plan.durable_end - plan.end;
        plan.gap_count++;
    }
    *out_plan = plan;
}
