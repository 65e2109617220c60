/* test_store_frame.c: frames and segment headers: round trips, and every bit of damage, every foreign place refused. */
#include "tests/support/unit.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/store/store_frame.h"
#include "core/store/store_segment.h"

#define BLOCK    4096
#define POSITION ((uint64_t)5 * BLOCK)
#define SEGMENT  UINT64_C(0xfeedbeefcafe0123)

struct sample {
    uint8_t                   bytes[2 * BLOCK];
    struct store_frame_header header;
    struct view               payload;
};

static size_t make_batch(uint8_t *to, int64_t base_offset, int32_t records, size_t body_bytes)
{
    size_t bytes = REC_HEADER_BYTES + body_bytes;

    memset(to, 0, bytes);
    store_be64(to, (uint64_t)base_offset);
    store_be32(to + 8, (uint32_t)(bytes - REC_LENGTH_PREFIX_BYTES));
    to[16] = 2;
    store_be32(to + 23, (uint32_t)(records - 1));
    store_be32(to + 57, (uint32_t)records);
    memset(to + REC_HEADER_BYTES, 0x5A, body_bytes);
    store_be32(to + 17, crc32c_update(0, to + REC_UNCHECKED_BYTES, bytes - REC_UNCHECKED_BYTES));
    return bytes;
}

static void sample_make(struct sample *sample)
{
    uint8_t *at = sample->bytes + STORE_FRAME_HEADER_BYTES;
    size_t   len = 0;

    memset(sample, 0, sizeof(*sample));
    len += make_batch(at, 1000, 3, 100);
    len += make_batch(at + len, 1003, 1, 40);
    sample->payload = view_of(at, len);
    sample->header = (struct store_frame_header){.segment_id = SEGMENT,
                                                 .generation = 7,
                                                 .sequence = 12,
                                                 .position = POSITION,
                                                 .first_offset = 1000,
                                                 .last_offset = 1003,
                                                 .durable_end = 990,
                                                 .max_timestamp_ms = 123456789,
                                                 .payload_bytes = (uint32_t)len,
                                                 .frame_bytes = BLOCK,
                                                 .mode = FRAME_DURABLE};
    store__frame_begin(&sample->header);
    assert_int_equal(store__frame_add(&sample->header, sample->payload), ERR_OK);
    store__frame_encode(&sample->header, sample->bytes);
}

static int decode(const struct sample *sample, struct store_frame_header *out_header)
{
    return store__frame_decode(view_of(sample->bytes, sizeof(sample->bytes)), SEGMENT, POSITION, BLOCK, out_header);
}

static void test_frame_round_trip(void **state)
{
    static struct sample      sample;
    struct store_frame_header out;
    uint8_t                   again[STORE_FRAME_HEADER_BYTES];

    (void)state;
    sample_make(&sample);
    assert_int_equal(sample.header.batch_count, 2);
    assert_int_equal(decode(&sample, &out), ERR_OK);
    store__frame_encode(&out, again);
    assert_memory_equal(again, sample.bytes, sizeof(again));
    assert_int_equal(out.position, POSITION);
    assert_int_equal(out.last_offset, 1003);
    assert_int_equal(out.durable_end, 990);
    assert_int_equal(store__frame_verify(&out, sample.payload), ERR_OK);
}

/* Batches added one by one give the same check as all at once. */
static void test_frame_adds_up(void **state)
{
    static struct sample      sample;
    struct store_frame_header header;
    struct view               rest;
    struct rec_batch          batch;

    (void)state;
    sample_make(&sample);
    header = sample.header;
    store__frame_begin(&header);
    rest = sample.payload;
    while (store__batch_next(&rest, &batch)) {
        assert_int_equal(store__frame_add(&header, batch.bytes), ERR_OK);
    }
    assert_int_equal(header.prefix_crc, sample.header.prefix_crc);
    assert_int_equal(header.batch_count, 2);
    rest = view_of(sample.payload.base, sample.payload.len - 1);
    assert_int_equal(store__frame_add(&header, rest), ERR_CORRUPT);
}

static void test_frame_every_bit(void **state)
{
    static struct sample sample;
    size_t               used;

    (void)state;
    sample_make(&sample);
    used = STORE_FRAME_HEADER_BYTES + sample.payload.len;
    for (size_t bit = 0; bit < used * 8; bit++) {
        struct store_frame_header out;

        sample.bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        if (bit / 8 < STORE_FRAME_HEADER_BYTES) {
            assert_int_equal(decode(&sample, &out), ERR_CORRUPT);
        } else {
            assert_int_equal(decode(&sample, &out), ERR_OK);
            assert_int_equal(store__frame_verify(&out, sample.payload), ERR_CORRUPT);
        }
        sample.bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
}

static void test_frame_elsewhere(void **state)
{
    static struct sample      sample;
    static uint8_t            zeros[BLOCK];
    struct store_frame_header out;
    struct view               bytes;

    (void)state;
    sample_make(&sample);
    bytes = view_of(sample.bytes, sizeof(sample.bytes));
    assert_int_equal(store__frame_decode(bytes, SEGMENT + 1, POSITION, BLOCK, &out), ERR_CORRUPT);
    assert_int_equal(store__frame_decode(bytes, SEGMENT, POSITION + BLOCK, BLOCK, &out), ERR_CORRUPT);
    assert_int_equal(store__frame_decode(bytes, SEGMENT, POSITION, 2 * BLOCK, &out), ERR_CORRUPT);
    assert_int_equal(store__frame_decode(view_of(zeros, BLOCK), SEGMENT, POSITION, BLOCK, &out), ERR_CORRUPT);
    for (size_t len = 0; len < STORE_FRAME_HEADER_BYTES; len++) {
        assert_int_equal(store__frame_decode(view_of(sample.bytes, len), SEGMENT, POSITION, BLOCK, &out), ERR_CORRUPT);
    }
    /* A payload of another length, and offsets that do not fit the batches. */
    assert_int_equal(decode(&sample, &out), ERR_OK);
    assert_int_equal(store__frame_verify(&out, view_of(sample.payload.base, sample.payload.len - 1)), ERR_CORRUPT);
    out.last_offset++;
    assert_int_equal(store__frame_verify(&out, sample.payload), ERR_CORRUPT);
    out.last_offset--;
    out.first_offset--;
    assert_int_equal(store__frame_verify(&out, sample.payload), ERR_CORRUPT);
}

/* A right check over numbers that cannot be. */
static void test_frame_implausible(void **state)
{
    static struct sample      sample;
    struct store_frame_header header;
    struct store_frame_header out;

    (void)state;
    for (int which = 0; which < 6; which++) {
        sample_make(&sample);
        header = sample.header;
        header.frame_bytes = which == 0 ? BLOCK + 512 : header.frame_bytes;
        header.payload_bytes = which == 1 ? BLOCK : header.payload_bytes;
        header.payload_bytes = which == 2 ? 10 : header.payload_bytes;
        header.last_offset = which == 3 ? header.first_offset - 1 : header.last_offset;
        header.first_offset = which == 4 ? -1 : header.first_offset;
        header.frame_bytes = which == 5 ? 0 : header.frame_bytes;
        store__frame_encode(&header, sample.bytes);
        assert_int_equal(decode(&sample, &out), ERR_CORRUPT);
    }
}

static struct store_segment_header segment_sample(void)
{
    return (struct store_segment_header){.sequence = 3,
                                         .segment_id = SEGMENT,
                                         .topic_id = {{9, 8, 7}},
                                         .partition = 4,
                                         .number = 17,
                                         .generation = 2,
                                         .block_bytes = BLOCK,
                                         .state = STORE_SEGMENT_SEALED,
                                         .base_offset = 100,
                                         .log_start_offset = 50,
                                         .created_ms = 1700000000000,
                                         .end_position = (uint64_t)9 * BLOCK,
                                         .end_offset = 400,
                                         .max_timestamp_ms = 1700000001000,
                                         .frame_count = 6};
}

static void test_segment_header(void **state)
{
    struct store_segment_header header = segment_sample();
    struct store_segment_header out;
    uint8_t                     bytes[STORE_SEGMENT_HEADER_BYTES];
    uint8_t                     again[STORE_SEGMENT_HEADER_BYTES];
    struct view                 view = view_of(bytes, sizeof(bytes));

    (void)state;
    store__segment_header_encode(&header, bytes);
    assert_int_equal(store__segment_header_decode(view, &out), ERR_OK);
    store__segment_header_encode(&out, again);
    assert_memory_equal(again, bytes, sizeof(again));
    assert_int_equal(out.number, 17);
    assert_int_equal(out.end_offset, 400);
    assert_int_equal(out.log_start_offset, 50);
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_int_equal(store__segment_header_decode(view, &out), ERR_CORRUPT);
        bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    assert_int_equal(store__segment_header_decode(view_of(bytes, sizeof(bytes) - 1), &out), ERR_CORRUPT);
    header.end_offset = header.base_offset - 1;
    store__segment_header_encode(&header, bytes);
    assert_int_equal(store__segment_header_decode(view, &out), ERR_CORRUPT);
    header = segment_sample();
    header.state = (enum store_segment_state)99;
    store__segment_header_encode(&header, bytes);
    assert_int_equal(store__segment_header_decode(view, &out), ERR_CORRUPT);
}

/* The newer valid copy; a torn one leaves the other. */
static void test_segment_header_choice(void **state)
{
    static uint8_t              region[STORE_SEGMENT_HEADER_COPIES * BLOCK];
    struct store_segment_header header = segment_sample();
    struct store_segment_header out;
    struct view                 view = view_of(region, sizeof(region));
    int                         copies = -1;

    (void)state;
    assert_int_equal(store__segment_header_choose(view, BLOCK, &out, &copies), ERR_CORRUPT);
    assert_int_equal(copies, 0);
    store__segment_header_encode(&header, region);
    header.sequence++;
    header.end_offset = 500;
    store__segment_header_encode(&header, region + BLOCK);
    assert_int_equal(store__segment_header_choose(view, BLOCK, &out, &copies), ERR_OK);
    assert_int_equal(copies, 2);
    assert_int_equal(out.end_offset, 500);
    region[BLOCK + 30] ^= 1;
    assert_int_equal(store__segment_header_choose(view, BLOCK, &out, &copies), ERR_OK);
    assert_int_equal(copies, 1);
    assert_int_equal(out.end_offset, 400);
    assert_int_equal(store__segment_header_choose(view_of(region, 100), BLOCK, &out, NULL), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_round_trip),      cmocka_unit_test(test_frame_adds_up),
        cmocka_unit_test(test_frame_every_bit),       cmocka_unit_test(test_frame_elsewhere),
        cmocka_unit_test(test_frame_implausible),     cmocka_unit_test(test_segment_header),
        cmocka_unit_test(test_segment_header_choice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
