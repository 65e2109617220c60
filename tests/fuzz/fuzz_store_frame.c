/* Segment frames as recovery finds them. Input: one byte of flags, a frame header, then payload. Unless a flag says so,
 * the header's checks are made right first: a header that lies is more than one that is damaged. */
#include "tests/support/fuzz.h"

#include "core/base/check.h"
#include "core/store/store_frame.h"

#define BLOCK_BYTES ((uint32_t)4096)

enum flags {
    FLAG_KEEP_CHECK = 1 << 0,
    FLAG_KEEP_PREFIX = 1 << 1,
};

/* The header that `bytes` would be if its check were right. */
static struct store_frame_header header_of(const uint8_t *bytes, struct view payload, uint8_t flags)
{
    struct store_frame_header header;

    memcpy(&header, bytes, sizeof(header));
    if ((flags & FLAG_KEEP_PREFIX) == 0) {
        store__frame_begin(&header);
        MAYBE(store__frame_add(&header, payload) == ERR_OK);
        header.payload_bytes = (uint32_t)payload.len;
    }
    return header;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct store_frame_header header;
    struct store_frame_header decoded;
    struct view               payload;
    uint8_t                   frame[STORE_FRAME_HEADER_BYTES];

    if (len < 1 + STORE_FRAME_HEADER_BYTES) {
        return 0;
    }
    payload = view_of(bytes + 1 + STORE_FRAME_HEADER_BYTES, len - 1 - STORE_FRAME_HEADER_BYTES);
    header = header_of(bytes + 1, payload, bytes[0]);
    if ((bytes[0] & FLAG_KEEP_CHECK) != 0) {
        memcpy(frame, bytes + 1, sizeof(frame));
    } else {
        store__frame_encode(&header, frame);
    }
    if (store__frame_decode(view_of(frame, sizeof(frame)), header.segment_id, header.position, BLOCK_BYTES, &decoded) ==
        ERR_OK) {
        CHECK(decoded.payload_bytes <= decoded.frame_bytes - STORE_FRAME_HEADER_BYTES);
        CHECK(decoded.first_offset >= 0 && decoded.first_offset <= decoded.last_offset);
        if (store__frame_verify(&decoded, payload) == ERR_OK) {
            struct view      rest = payload;
            struct rec_batch batch;
            uint32_t         count = 0;

            while (store__batch_next(&rest, &batch)) {
                CHECK(rec_batch_last_offset(&batch) <= decoded.last_offset);
                count++;
            }
            CHECK(rest.len == 0 && count == decoded.batch_count);
        }
    }
    return 0;
}

/* Inputs to start from that are refused at once would make this target blind without anyone noticing. */
static void made_is_valid(struct store_frame_header header, struct view payload)
{
    struct store_frame_header decoded;
    uint8_t                   frame[STORE_FRAME_HEADER_BYTES];

    store__frame_encode(&header, frame);
    CHECK(store__frame_decode(view_of(frame, sizeof(frame)), header.segment_id, header.position, BLOCK_BYTES,
                              &decoded) == ERR_OK);
    CHECK(store__frame_verify(&decoded, payload) == ERR_OK);
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    struct store_frame_header header = {
        .segment_id = prng_next(prng),
        .generation = (uint32_t)prng_below(prng, 5),
        .position = BLOCK_BYTES * prng_below(prng, 100),
        .first_offset = (int64_t)prng_below(prng, 1000),
        .frame_bytes = BLOCK_BYTES * 4,
        .mode = (enum store_frame_mode)(FRAME_DURABLE + (int)prng_below(prng, 4)),
    };
    struct arena arena;
    uint8_t     *payload = out_bytes.base + 1 + STORE_FRAME_HEADER_BYTES;
    uint8_t     *at = payload;
    int64_t      offset = header.first_offset;

    STATIC_CHECK(sizeof(header) <= STORE_FRAME_HEADER_BYTES);
    arena_init(&arena, MEM_TEST, 64 * KIB, 1 * MIB);
    for (uint64_t count = 1 + prng_below(prng, 3); count > 0; count--) {
        struct rec_builder builder;
        struct view        batch;
        uint64_t           records = 1 + prng_below(prng, 4);

        rec_builder_init(&builder, &arena);
        for (uint64_t i = 0; i < records; i++) {
            rec_builder_add(&builder, 1000, view_text("k"), view_text("value"), NULL, 0);
        }
        CHECK(rec_builder_finish(&builder, REC_NONE, 0, &batch) == ERR_OK);
        memcpy(at, batch.base, batch.len);
        rec_stamp_offset(at, offset, 0);
        at += batch.len;
        offset += (int64_t)records;
    }
    arena_deinit(&arena);
    header.last_offset = offset - 1;
    out_bytes.base[0] = (uint8_t)(prng_chance(prng, 1, 4) ? prng_below(prng, 4) : 0);
    memset(out_bytes.base + 1, 0, STORE_FRAME_HEADER_BYTES);
    memcpy(out_bytes.base + 1, &header, sizeof(header));
    made_is_valid(header_of(out_bytes.base + 1, view_of(payload, (size_t)(at - payload)), 0),
                  view_of(payload, (size_t)(at - payload)));
    return (size_t)(at - out_bytes.base);
}
