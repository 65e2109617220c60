/* Journal frames as recovery finds them: ring header, frame header, entries. Input: one byte of flags, then either a
 * ring header (to be decoded as it is) or a frame whose header check is made right first. */
#include "tests/support/fuzz.h"

#include "core/base/check.h"
#include "core/store/store_journal_format.h"

#define FRAME_BYTES_MAX ((size_t)65536)
#define BLOCK_BYTES     ((uint32_t)4096)

enum flags {
    FLAG_RING_HEADER = 1 << 0,
    FLAG_KEEP_CHECK = 1 << 1,
};

static const struct store_journal_header ring = {
    .identity = {{1, 2, 3}},
    .generation = 7,
    .update = 1,
    .ring_bytes = 1 << 20,
    .block_bytes = BLOCK_BYTES,
    .mark = STORE_JOURNAL_ACTIVE,
};

static void try_ring_header(struct view bytes)
{
    struct store_journal_header header;
    uint8_t                     again[STORE_JOURNAL_HEADER_BYTES];

    if (store_journal_header_decode(bytes, &header) == ERR_OK) {
        store_journal_header_encode(&header, again);
        CHECK(memcmp(again, bytes.base, sizeof(again)) == 0);
    }
}

static void walk_entries(const struct store_journal_frame *frame, struct view bytes)
{
    size_t                      place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    struct store_journal_record record;
    bool                        intact = false;
    bool                        whole = true;
    uint32_t                    count = 0;
    size_t                      before = place;
    int                         result;

    while ((result = store_journal_entry_decode(&ring, frame, bytes, &place, &record, &intact)) == 1) {
        CHECK(place > before && place <= bytes.len);
        CHECK(record.bytes.base >= bytes.base && record.bytes.base + record.bytes.len <= bytes.base + bytes.len);
        before = place;
        whole = whole && intact;
        count++;
    }
    CHECK(result == 0 || result == ERR_CORRUPT);
    CHECK(store_journal_frame_whole(&ring, frame, bytes) == (result == 0 && whole && count == frame->entry_count));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t             frame_bytes[FRAME_BYTES_MAX];
    struct store_journal_frame frame = {0};
    struct store_journal_frame decoded;
    size_t                     whole;

    if (len < 1 || len - 1 > FRAME_BYTES_MAX) {
        return 0;
    }
    if ((bytes[0] & FLAG_RING_HEADER) != 0) {
        try_ring_header(view_of(bytes + 1, len - 1));
        return 0;
    }
    if (len - 1 < sizeof(frame) || len - 1 < STORE_JOURNAL_FRAME_HEADER_BYTES) {
        return 0;
    }
    /* The header's fields stand where the struct has them; the frame is padded to whole blocks. */
    memset(frame_bytes, 0, sizeof(frame_bytes));
    memcpy(frame_bytes, bytes + 1, len - 1);
    memcpy(&frame, bytes + 1, offsetof(struct store_journal_frame, whole));
    whole = (size_t)align_up(len - 1, BLOCK_BYTES);
    if ((bytes[0] & FLAG_KEEP_CHECK) == 0) {
        store_journal_frame_encode(&ring, &frame, frame_bytes);
    }
    if (store_journal_frame_decode(&ring, view_of(frame_bytes, whole), frame.lsn % ring.ring_bytes, &decoded) &&
        decoded.frame_bytes <= whole) {
        walk_entries(&decoded, view_of(frame_bytes, decoded.frame_bytes));
    }
    return 0;
}

/* Inputs to start from that are refused at once would make this target blind without anyone noticing. `bytes` has one
 * block. */
static void made_is_valid(const struct store_journal_frame *frame, uint8_t *bytes)
{
    struct store_journal_frame decoded;
    struct view                block = view_of(bytes, BLOCK_BYTES);

    store_journal_frame_encode(&ring, frame, bytes);
    CHECK(store_journal_frame_decode(&ring, block, frame->lsn % ring.ring_bytes, &decoded));
    CHECK(store_journal_frame_whole(&ring, &decoded, block));
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    struct store_journal_frame frame = {.lsn = BLOCK_BYTES * prng_below(prng, 200)};
    uint8_t                   *start = out_bytes.base + 1;
    size_t                     place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    struct arena               arena;

    out_bytes.base[0] = 0;
    if (prng_chance(prng, 1, 8)) {
        out_bytes.base[0] = FLAG_RING_HEADER;
        store_journal_header_encode(&ring, start);
        return 1 + STORE_JOURNAL_HEADER_BYTES;
    }
    memset(start, 0, BLOCK_BYTES);
    arena_init(&arena, MEM_TEST, 64 * KIB, 1 * MIB);
    for (uint64_t count = 1 + prng_below(prng, 3); count > 0; count--) {
        struct rec_builder         builder;
        struct store_journal_entry entry = {.partition = (int32_t)prng_below(prng, 3)};

        rec_builder_init(&builder, &arena);
        rec_builder_add(&builder, 1000, view_text("k"), view_text("value"), NULL, 0);
        CHECK(rec_builder_finish(&builder, REC_NONE, 0, &entry.bytes) == ERR_OK);
        entry.first_offset = 0;
        entry.last_offset = 0;
        CHECK(store_journal_entry_encode(&ring, frame.lsn, start, place, &entry));
        place += store_journal_entry_bytes(entry.bytes.len);
        frame.entry_count++;
    }
    arena_deinit(&arena);
    frame.frame_bytes = BLOCK_BYTES;
    frame.payload_bytes = (uint32_t)place;
    frame.previous_end = frame.lsn;
    frame.durable_end = frame.lsn;
    made_is_valid(&frame, start);
    memcpy(start, &frame, MIN(offsetof(struct store_journal_frame, whole), STORE_JOURNAL_FRAME_HEADER_BYTES));
    return 1 + place;
}
