/* Files as `millrace log dump` finds them: whatever stands in one is shown or reported, never believed. Input: one byte
 * that says which kind of file and log, then the file. Journals are cut short here: header copies and ring stand one
 * behind the other, and are spread to their places. */
#include "tests/support/fuzz.h"

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/store/store_frame.h"
#include "core/store/store_index.h"
#include "core/store/store_journal_format.h"
#include "tools/cli/cli_dump.h"

#define BLOCK_BYTES   ((uint32_t)512)
#define JOURNAL_COPY  ((size_t)(64 * KIB))
#define JOURNAL_RING  ((size_t)(128 * KIB))
#define JOURNAL_BYTES (JOURNAL_RING + FUZZ_INPUT_BYTES_MAX)
#define SEGMENT_ID    77

enum kind { KIND_SEGMENT, KIND_INDEX, KIND_SNAPSHOT, KIND_CHECKPOINT, KIND_IMAGE, KIND_JOURNAL, KIND_COUNT };

static FILE *nowhere(void)
{
    static FILE *file;

    if (file == NULL) {
        file = fopen("/dev/null", "w");
    }
    CHECK(file != NULL);
    return file;
}

static void dump_one(uint8_t choice, struct view file, struct dump_counts *out_counts)
{
    static const char *const    names[] = {"x.seg", "x.idx", "x.snp", "checkpoint", "image.snapshot", "journal.ring"};
    struct cli                  cli = {0};
    struct dump                 dump = {.cli = &cli, .to = nowhere(), .end = INT64_MAX};
    struct dump_source          source = {.fd = -1, .memory = file, .size = file.len};
    enum kind                   kind = (enum kind)(choice % KIND_COUNT);
    struct store_segment_header beside = {.segment_id = SEGMENT_ID};

    dump.json = (choice & 0x80) != 0;
    dump.log = (enum dump_log)((choice >> 4) & 3);
    dump.depth = DUMP_RECORDS;
    dump.file = names[kind];
    arena_init(&cli.arena, MEM_TEST, 64 * KIB, 64 * MIB);
    arena_init(&dump.scratch, MEM_TEST, 64 * KIB, 64 * MIB);
    map_init(&dump.topics, MEM_TEST);
    if (kind == KIND_SEGMENT) {
        dump_segment(&dump, &source, INT64_MAX);
    } else if (kind == KIND_INDEX) {
        dump_index(&dump, &source, &beside);
    } else if (kind == KIND_SNAPSHOT) {
        dump_snapshot(&dump, &source, &beside);
    } else if (kind == KIND_CHECKPOINT) {
        dump_checkpoint(&dump, &source);
    } else if (kind == KIND_IMAGE) {
        dump_image(&dump, &source);
    } else {
        dump_journal(&dump, &source);
    }
    CHECK(dump.counts.files == 1);
    *out_counts = dump.counts;
    map_deinit(&dump.topics);
    arena_deinit(&dump.scratch);
    arena_deinit(&cli.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct dump_counts counts;
    uint8_t           *spread;
    size_t             ring;

    if (len < 1) {
        return 0;
    }
    if (bytes[0] % KIND_COUNT != KIND_JOURNAL || len < 1 + 2 * STORE_JOURNAL_HEADER_BYTES) {
        dump_one(bytes[0], view_of(bytes + 1, len - 1), &counts);
        return 0;
    }
    ring = len - 1 - 2 * STORE_JOURNAL_HEADER_BYTES;
    spread = mem_alloc(MEM_TEST, JOURNAL_RING + ring);
    memcpy(spread, bytes + 1, STORE_JOURNAL_HEADER_BYTES);
    memcpy(spread + JOURNAL_COPY, bytes + 1 + STORE_JOURNAL_HEADER_BYTES, STORE_JOURNAL_HEADER_BYTES);
    memcpy(spread + JOURNAL_RING, bytes + 1 + 2 * STORE_JOURNAL_HEADER_BYTES, ring);
    dump_one(bytes[0], view_of(spread, JOURNAL_RING + ring), &counts);
    mem_free(MEM_TEST, spread);
    return 0;
}

/* --- inputs that are right --------------------------------------------------------------------------------------- */

static struct view make_batch(struct arena *arena, struct prng *prng, uint32_t *out_records)
{
    struct rec_builder builder;
    struct view        batch;
    uint32_t           records = 1 + (uint32_t)prng_below(prng, 4);

    rec_builder_init(&builder, arena);
    for (uint32_t i = 0; i < records; i++) {
        static const uint8_t key[] = {0, 2, 0, 1, 'g'}, value[] = {0, 0, 1, 2, 3};

        rec_builder_add(&builder, 1000, view_of(key, sizeof(key)), view_of(value, sizeof(value)), NULL, 0);
    }
    CHECK(rec_builder_finish(&builder, prng_chance(prng, 1, 2) ? REC_LZ4 : REC_NONE, 0, &batch) == ERR_OK);
    *out_records = records;
    return batch;
}

static size_t make_segment(struct prng *prng, uint8_t *to)
{
    struct store_segment_header header = {.sequence = 3,
                                          .segment_id = SEGMENT_ID,
                                          .number = 1,
                                          .generation = 1,
                                          .block_bytes = BLOCK_BYTES,
                                          .state = STORE_SEGMENT_ACTIVE};
    size_t                      at = STORE_SEGMENT_HEADER_COPIES * BLOCK_BYTES;
    int64_t                     offset = 0;
    struct arena                arena;

    for (size_t copy = 0; copy < STORE_SEGMENT_HEADER_COPIES; copy++) {
        store__segment_header_encode(&header, to + copy * BLOCK_BYTES);
    }
    arena_init(&arena, MEM_TEST, 64 * KIB, 1 * MIB);
    for (uint64_t sequence = 0; sequence < 3; sequence++) {
        struct store_frame_header frame = {.segment_id = SEGMENT_ID,
                                           .generation = 1,
                                           .sequence = sequence,
                                           .position = at,
                                           .first_offset = offset,
                                           .durable_end = offset,
                                           .max_timestamp_ms = 1000,
                                           .mode = FRAME_DURABLE};
        uint32_t                  records = 0;
        struct view               batch = make_batch(&arena, prng, &records);

        memcpy(to + at + STORE_FRAME_HEADER_BYTES, batch.base, batch.len);
        rec_stamp_offset(to + at + STORE_FRAME_HEADER_BYTES, offset, 0);
        offset += records;
        frame.last_offset = offset - 1;
        frame.payload_bytes = (uint32_t)batch.len;
        frame.frame_bytes = (uint32_t)align_up(STORE_FRAME_HEADER_BYTES + batch.len, BLOCK_BYTES);
        store__frame_begin(&frame);
        CHECK(store__frame_add(&frame, view_of(to + at + STORE_FRAME_HEADER_BYTES, batch.len)) == ERR_OK);
        store__frame_encode(&frame, to + at);
        at += frame.frame_bytes;
    }
    arena_deinit(&arena);
    return at;
}

static size_t make_index(struct prng *prng, uint8_t *to)
{
    struct store_index_identity identity = {
        .segment_id = SEGMENT_ID, .block_bytes = BLOCK_BYTES, .end_position = 10000 * BLOCK_BYTES, .end_offset = 10000};
    struct store_index *index = store_index_create(0, BLOCK_BYTES, 0);
    uint64_t            count = 1 + prng_below(prng, 50);
    size_t              len;

    CHECK(index != NULL);
    for (uint64_t i = 0; i < count; i++) {
        store_index_add(index, (int64_t)(i * 10), (3 + i) * BLOCK_BYTES, BLOCK_BYTES, (int64_t)i);
    }
    len = store_index_encoded_bytes(index);
    store_index_encode(index, &identity, to);
    store_index_destroy(index);
    return len;
}

/* A partition's state with an epoch, a producer of one batch and an aborted transaction. */
static size_t make_state(uint8_t *to)
{
    size_t len = 28 + 12 + 40 + 32 + 32;

    memset(to, 0, len + 4);
    store_le32(to, 0x5350524dU);
    store_le16(to + 4, 2);
    store_le64(to + 8, 100);
    store_le32(to + 16, 1);
    store_le32(to + 20, 1);
    store_le32(to + 24, 1);
    store_le16(to + 28 + 12 + 38, 1);
    store_le32(to + len, crc32c_update(0, to, len));
    return len + 4;
}

static size_t make_snapshot(uint8_t *to)
{
    size_t len = make_state(to + 40);

    memset(to, 0, 40);
    store_le64(to, 0x50414e534c4c494dULL);
    store_le32(to + 12, 1);
    store_le64(to + 16, SEGMENT_ID);
    store_le64(to + 24, 50);
    store_le64(to + 32, len);
    store_le32(to + 8, crc32c_update(0, to + 12, 28 + len));
    return 40 + len;
}

static size_t make_checkpoint(uint8_t *to)
{
    struct store_segment_header header = {
        .segment_id = SEGMENT_ID, .number = 1, .block_bytes = BLOCK_BYTES, .state = STORE_SEGMENT_ACTIVE};
    size_t   state_at = 32 + 8 + 3;
    uint8_t *state = to + state_at;
    size_t   snapshot_len = make_state(state + 56 + STORE_SEGMENT_HEADER_BYTES + 48);
    size_t   state_len = 56 + STORE_SEGMENT_HEADER_BYTES + 48 + snapshot_len;
    size_t   len = state_at + state_len;

    memset(to, 0, state_at + 56);
    store_le32(state + 20, 1);
    store_le64(state + 48, snapshot_len);
    store__segment_header_encode(&header, state + 56);
    memset(state + 56 + STORE_SEGMENT_HEADER_BYTES, 0, 48);
    store_le64(to, 0x504b43454c4c494dULL);
    store_le32(to + 8, 1);
    store_le64(to + 16, 1);
    store_le64(to + 24, len);
    store_le32(to + 32, 3);
    store_le32(to + 36, (uint32_t)state_len);
    memcpy(to + 40, "a-0", 3);
    store_le32(to + 12, crc32c_update(0, to + 16, len - 16));
    return len;
}

static size_t make_image(struct prng *prng, uint8_t *to)
{
    uint32_t     records = 0;
    struct arena arena;
    struct view  batch;
    size_t       len;

    arena_init(&arena, MEM_TEST, 64 * KIB, 1 * MIB);
    batch = make_batch(&arena, prng, &records);
    len = 40 + batch.len;
    memcpy(to + 40, batch.base, batch.len);
    arena_deinit(&arena);
    store_le64(to, 0x50414e534154454dULL);
    store_le32(to + 8, 1);
    store_le64(to + 16, records);
    store_le64(to + 24, len - 40);
    store_le64(to + 32, records);
    store_le32(to + 12, crc32c_update(0, to + 16, len - 16));
    return len;
}

static size_t make_journal(struct prng *prng, uint8_t *to)
{
    struct store_journal_header ring = {.identity = {{9}},
                                        .generation = 1,
                                        .update = 1,
                                        .ring_bytes = 16 * KIB,
                                        .block_bytes = BLOCK_BYTES,
                                        .mark = STORE_JOURNAL_ACTIVE};
    uint8_t                    *frames = to + 2 * STORE_JOURNAL_HEADER_BYTES;
    uint64_t                    lsn = 0;
    struct arena                arena;

    store_journal_header_encode(&ring, to);
    store_journal_header_encode(&ring, to + STORE_JOURNAL_HEADER_BYTES);
    memset(frames, 0, ring.ring_bytes);
    arena_init(&arena, MEM_TEST, 64 * KIB, 1 * MIB);
    for (int i = 0; i < 4; i++) {
        uint32_t                   records = 0;
        struct view                batch = make_batch(&arena, prng, &records);
        struct store_journal_entry entry = {.topic_id = {{1}}, .last_offset = records - 1, .bytes = batch};
        struct store_journal_frame frame = {.lsn = lsn, .previous_end = lsn, .durable_end = lsn, .entry_count = 1};
        size_t                     payload = STORE_JOURNAL_FRAME_HEADER_BYTES + store_journal_entry_bytes(batch.len);

        frame.payload_bytes = (uint32_t)payload;
        frame.frame_bytes = (uint32_t)align_up(payload, BLOCK_BYTES);
        CHECK(store_journal_entry_encode(&ring, lsn, frames + lsn, STORE_JOURNAL_FRAME_HEADER_BYTES, &entry));
        store_journal_frame_encode(&ring, &frame, frames + lsn);
        lsn += frame.frame_bytes;
    }
    arena_deinit(&arena);
    return 2 * STORE_JOURNAL_HEADER_BYTES + ring.ring_bytes;
}

/* An input that is refused at once would make this target blind without anyone noticing. */
static void made_is_good(const uint8_t *bytes, size_t len)
{
    struct dump_counts counts = {0};

    if (bytes[0] % KIND_COUNT == KIND_JOURNAL) {
        CHECK(LLVMFuzzerTestOneInput(bytes, len) == 0);
        return;
    }
    dump_one(bytes[0], view_of(bytes + 1, len - 1), &counts);
    CHECK(counts.damaged == 0);
    CHECK(bytes[0] % KIND_COUNT != KIND_SEGMENT || (counts.frames == 3 && counts.batches == 3 && counts.records >= 3));
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    uint8_t *to = out_bytes.base + 1;
    size_t   len = 0;

    memset(out_bytes.base, 0, out_bytes.len);
    out_bytes.base[0] = (uint8_t)prng_below(prng, 256);
    switch ((enum kind)(out_bytes.base[0] % KIND_COUNT)) {
    case KIND_SEGMENT:
        len = make_segment(prng, to);
        break;
    case KIND_INDEX:
        len = make_index(prng, to);
        break;
    case KIND_SNAPSHOT:
        len = make_snapshot(to);
        break;
    case KIND_CHECKPOINT:
        len = make_checkpoint(to);
        break;
    case KIND_IMAGE:
        len = make_image(prng, to);
        break;
    case KIND_JOURNAL:
    case KIND_COUNT:
        len = make_journal(prng, to);
        break;
    }
    if (out_bytes.base[0] % KIND_COUNT != KIND_INDEX) {
        made_is_good(out_bytes.base, 1 + len);
    }
    return 1 + len;
}
