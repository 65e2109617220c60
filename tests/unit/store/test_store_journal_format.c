/* test_store_journal_format.c: the journal's bytes, and the recovery decision as a table. */
#include "tests/unit/store/store_journal_rig.h"

static struct store_journal_header ring_header(void)
{
    return (struct store_journal_header){.identity = {{1, 2, 3, 4, 5, 6, 7, 8, 9}},
                                         .generation = 4,
                                         .update = 9,
                                         .ring_bytes = 64 * BLOCK,
                                         .block_bytes = BLOCK,
                                         .mark = STORE_JOURNAL_ACTIVE};
}

static void test_header_codec(void **state)
{
    struct store_journal_header header = ring_header();
    struct store_journal_header out;
    uint8_t                     bytes[STORE_JOURNAL_HEADER_BYTES];

    (void)state;
    header.needed_from = 5 * BLOCK;
    header.durable_end = 6 * BLOCK;
    store_journal_header_encode(&header, bytes);
    assert_int_equal(store_journal_header_decode(view_of(bytes, sizeof(bytes)), &out), ERR_OK);
    assert_true(uuid_equal(out.identity, header.identity));
    assert_int_equal(out.generation, 4);
    assert_int_equal(out.update, 9);
    assert_int_equal(out.ring_bytes, header.ring_bytes);
    assert_int_equal(out.needed_from, 5 * BLOCK);
    assert_int_equal(out.durable_end, 6 * BLOCK);
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_int_equal(store_journal_header_decode(view_of(bytes, sizeof(bytes)), &out), ERR_CORRUPT);
        bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    assert_int_equal(store_journal_header_decode(view_of(bytes, sizeof(bytes) - 1), &out), ERR_CORRUPT);
    header.ring_bytes += 1;
    store_journal_header_encode(&header, bytes);
    assert_int_equal(store_journal_header_decode(view_of(bytes, sizeof(bytes)), &out), ERR_CORRUPT);
}

struct sample {
    uint8_t                     bytes[2 * BLOCK];
    uint8_t                     batches[600];
    size_t                      batches_bytes;
    struct store_journal_header ring;
    struct store_journal_frame  frame;
    struct store_journal_entry  entry;
    struct view                 view;
};

/* One frame with the same entry twice; an entry of two batches. */
static void sample_make(struct sample *sample)
{
    size_t place = STORE_JOURNAL_FRAME_HEADER_BYTES;

    *sample = (struct sample){.ring = ring_header()};
    sample->frame = (struct store_journal_frame){.lsn = 70 * BLOCK,
                                                 .previous_end = 70 * BLOCK,
                                                 .durable_end = 69 * BLOCK,
                                                 .needed_from = 10 * BLOCK,
                                                 .frame_bytes = BLOCK,
                                                 .entry_count = 2};
    sample->batches_bytes = rig_make_batch(sample->batches, 100, 3, 77, 1);
    sample->batches_bytes += rig_make_batch(sample->batches + sample->batches_bytes, 103, 3, 50, 2);
    sample->entry = (struct store_journal_entry){.topic_id = rig_topic(3),
                                                 .partition = 9,
                                                 .first_offset = 100,
                                                 .last_offset = 105,
                                                 .bytes = view_of(sample->batches, sample->batches_bytes)};
    for (int i = 0; i < 2; i++) {
        assert_true(store_journal_entry_encode(&sample->ring, sample->frame.lsn, sample->bytes, place, &sample->entry));
        place += store_journal_entry_bytes(sample->batches_bytes);
    }
    sample->frame.payload_bytes = (uint32_t)place;
    store_journal_frame_encode(&sample->ring, &sample->frame, sample->bytes);
    sample->view = view_of(sample->bytes, sizeof(sample->bytes));
}

static void test_frame_codec(void **state)
{
    static struct sample        sample;
    struct store_journal_frame  out;
    struct store_journal_record record;
    struct store_journal_header other;
    size_t                      place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    bool                        intact = false;

    (void)state;
    sample_make(&sample);
    assert_true(store_journal_frame_decode(&sample.ring, sample.view, 6 * BLOCK, &out));
    assert_int_equal(out.lsn, sample.frame.lsn);
    assert_int_equal(out.needed_from, sample.frame.needed_from);
    assert_true(store_journal_frame_whole(&sample.ring, &out, sample.view));
    assert_int_equal(store_journal_entry_decode(&sample.ring, &out, sample.view, &place, &record, &intact), 1);
    assert_true(intact && uuid_equal(record.topic_id, rig_topic(3)));
    assert_int_equal(record.partition, 9);
    assert_int_equal(record.batch_count, 2);
    assert_int_equal(record.last_offset, 105);
    assert_memory_equal(record.bytes.base, sample.batches, sample.batches_bytes);

    /* Elsewhere in the ring, in another ring, in another generation: not a frame. */
    assert_false(store_journal_frame_decode(&sample.ring, sample.view, 7 * BLOCK, &out));
    other = sample.ring;
    other.generation++;
    assert_false(store_journal_frame_decode(&other, sample.view, 6 * BLOCK, &out));
    other = sample.ring;
    other.identity.bytes[12] ^= 1;
    assert_false(store_journal_frame_decode(&other, sample.view, 6 * BLOCK, &out));

    /* A batch cut short is refused before it is written. */
    sample.entry.bytes.len -= 1;
    assert_false(store_journal_entry_encode(&sample.ring, sample.frame.lsn, sample.bytes,
                                            STORE_JOURNAL_FRAME_HEADER_BYTES, &sample.entry));
}

/* Every bit of a frame is covered by one of the checks; only the zeros that align the next entry are nobody's. */
static void test_frame_bit_flips(void **state)
{
    static struct sample       sample;
    struct store_journal_frame out;
    size_t                     entry_bytes;

    (void)state;
    sample_make(&sample);
    entry_bytes = store_journal_entry_bytes(sample.batches_bytes);
    for (size_t bit = 0; bit < sample.frame.payload_bytes * 8; bit++) {
        size_t at = bit / 8;
        size_t in_entry =
            at < STORE_JOURNAL_FRAME_HEADER_BYTES ? 0 : (at - STORE_JOURNAL_FRAME_HEADER_BYTES) % entry_bytes;
        bool whole;

        sample.bytes[at] ^= (uint8_t)(1 << (bit % 8));
        whole = store_journal_frame_decode(&sample.ring, sample.view, 6 * BLOCK, &out) &&
                store_journal_frame_whole(&sample.ring, &out, sample.view);
        assert_int_equal(whole, in_entry >= STORE_JOURNAL_ENTRY_HEADER_BYTES + sample.batches_bytes);
        sample.bytes[at] ^= (uint8_t)(1 << (bit % 8));
    }
}

/* Rot in a batch's records costs that entry, rot in an entry's header the rest of the frame. */
static void test_frame_partial_damage(void **state)
{
    static struct sample        sample;
    struct store_journal_frame  out;
    struct store_journal_record record;
    size_t                      place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    bool                        intact = true;

    (void)state;
    sample_make(&sample);
    assert_true(store_journal_frame_decode(&sample.ring, sample.view, 6 * BLOCK, &out));
    sample.bytes[STORE_JOURNAL_FRAME_HEADER_BYTES + STORE_JOURNAL_ENTRY_HEADER_BYTES + 70] ^= 4;
    assert_int_equal(store_journal_entry_decode(&sample.ring, &out, sample.view, &place, &record, &intact), 1);
    assert_false(intact);
    assert_int_equal(store_journal_entry_decode(&sample.ring, &out, sample.view, &place, &record, &intact), 1);
    assert_true(intact);
    assert_int_equal(store_journal_entry_decode(&sample.ring, &out, sample.view, &place, &record, &intact), 0);
    sample.bytes[STORE_JOURNAL_FRAME_HEADER_BYTES + 20] ^= 4;
    place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    assert_int_equal(store_journal_entry_decode(&sample.ring, &out, sample.view, &place, &record, &intact),
                     ERR_CORRUPT);
}

/* A frame of the table: blocks instead of bytes; P passed, R replay, D damaged, C cut. */
struct row_frame {
    uint32_t lsn, blocks, previous_end, durable_end, needed_from;
    bool     whole;
    char     verdict;
    uint32_t gap;
};

struct row {
    const char      *name;
    uint32_t         header_needed, header_durable;
    uint32_t         count;
    struct row_frame frames[6];
    uint32_t         end, tail_gap;
};

static const struct row rows[] = {
    {"empty ring", 0, 0, 0, {{0}}, 0, 0},
    {"a run",
     0,
     0,
     3,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 0, 0, true, 'R', 0}, {3, 4, 3, 2, 0, true, 'R', 0}},
     7,
     0},
    {"what is not needed is passed, damaged or not",
     0,
     0,
     3,
     {{0, 2, 0, 0, 0, true, 'P', 0}, {2, 1, 2, 2, 0, false, 'P', 0}, {3, 1, 3, 3, 3, true, 'R', 0}},
     4,
     0},
    {"the header's needed-from counts, too",
     3,
     3,
     2,
     {{0, 3, 0, 0, 0, true, 'P', 0}, {3, 1, 3, 0, 0, true, 'R', 0}},
     4,
     0},
    {"everything released", 4, 4, 2, {{0, 3, 0, 0, 0, true, 'P', 0}, {3, 1, 3, 0, 0, true, 'P', 0}}, 4, 0},
    {"torn last frame", 0, 0, 2, {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 2, 0, false, 'C', 0}}, 2, 0},
    {"first of two in flight torn, the second arrived",
     0,
     0,
     3,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 2, 0, false, 'C', 0}, {3, 1, 3, 2, 0, true, 'C', 0}},
     2,
     0},
    {"first of two in flight missing, the second arrived",
     0,
     0,
     2,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {3, 1, 3, 2, 0, true, 'C', 0}},
     2,
     0},
    {"a torn head still says what was durable",
     0,
     0,
     3,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 0, 0, false, 'D', 0}, {3, 1, 3, 3, 0, false, 'C', 0}},
     3,
     0},
    {"damage below the durable end",
     0,
     0,
     3,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 2, 0, false, 'D', 0}, {3, 1, 3, 3, 0, true, 'R', 0}},
     4,
     0},
    {"a hole below the durable end", 0, 0, 2, {{0, 2, 0, 0, 0, true, 'R', 0}, {4, 1, 4, 4, 0, true, 'R', 2}}, 5, 0},
    {"the first needed frame is missing", 0, 0, 1, {{4, 1, 4, 4, 0, true, 'R', 4}}, 5, 0},
    {"hole from below to above the durable end",
     0,
     0,
     2,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {6, 1, 6, 4, 0, true, 'C', 0}},
     2,
     2},
    {"hole, then a torn tail", 0, 0, 2, {{0, 2, 0, 0, 0, true, 'R', 0}, {4, 1, 4, 4, 0, false, 'C', 2}}, 4, 0},
    {"everything behind the header's word is gone", 2, 5, 1, {{0, 2, 0, 0, 0, true, 'P', 0}}, 2, 3},
    {"the end of a lap is skipped",
     60,
     60,
     3,
     {{60, 3, 60, 60, 60, true, 'R', 0}, {64, 2, 63, 60, 60, true, 'R', 0}, {66, 1, 66, 63, 60, true, 'R', 0}},
     67,
     0},
    {"needed from the skipped end of a lap", 63, 63, 1, {{64, 2, 63, 63, 60, true, 'R', 0}}, 66, 0},
    {"a new lap that does not follow: torn",
     60,
     60,
     2,
     {{60, 2, 60, 60, 60, true, 'R', 0}, {64, 2, 63, 60, 60, true, 'C', 0}},
     62,
     0},
    {"a new lap that does not follow: damage",
     60,
     60,
     2,
     {{60, 2, 60, 60, 60, true, 'R', 0}, {64, 2, 63, 63, 60, true, 'R', 2}},
     66,
     0},
    {"an old lap's frame among new ones",
     64,
     66,
     3,
     {{3, 1, 3, 3, 0, true, 'P', 0}, {64, 2, 64, 63, 64, true, 'R', 0}, {66, 1, 66, 66, 64, true, 'R', 0}},
     67,
     0},
};

static void test_decision_table(void **state)
{
    struct store_journal_header ring = ring_header();
    const char                  letters[] = {'P', 'R', 'D', 'C'};

    (void)state;
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        const struct row          *row = &rows[r];
        struct store_journal_frame frames[6] = {{0}};
        struct store_journal_plan  plan;
        uint32_t                   gaps = 0;

        ring.needed_from = (uint64_t)row->header_needed * BLOCK;
        ring.durable_end = (uint64_t)row->header_durable * BLOCK;
        for (uint32_t i = 0; i < row->count; i++) {
            const struct row_frame *from = &row->frames[i];

            frames[i] = (struct store_journal_frame){.lsn = (uint64_t)from->lsn * BLOCK,
                                                     .frame_bytes = from->blocks * BLOCK,
                                                     .previous_end = (uint64_t)from->previous_end * BLOCK,
                                                     .durable_end = (uint64_t)from->durable_end * BLOCK,
                                                     .needed_from = (uint64_t)from->needed_from * BLOCK,
                                                     .whole = from->whole};
        }
        /* Twice: the decision reads nothing that it has written. */
        store_journal_decide(&ring, frames, row->count, &plan);
        store_journal_decide(&ring, frames, row->count, &plan);
        for (uint32_t i = 0; i < row->count; i++) {
            if (letters[frames[i].verdict] != row->frames[i].verdict ||
                frames[i].gap_bytes != (uint64_t)row->frames[i].gap * BLOCK) {
                fail_msg("%s: frame %u: %c, gap %" PRIu64, row->name, i, letters[frames[i].verdict],
                         frames[i].gap_bytes);
            }
            gaps += row->frames[i].gap != 0 ? 1 : 0;
        }
        if (plan.end != (uint64_t)row->end * BLOCK || plan.tail_gap_bytes != (uint64_t)row->tail_gap * BLOCK) {
            fail_msg("%s: end %" PRIu64 ", tail gap %" PRIu64, row->name, plan.end / BLOCK,
                     plan.tail_gap_bytes / BLOCK);
        }
        assert_int_equal(plan.gap_count, gaps + (row->tail_gap != 0 ? 1 : 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_codec),    cmocka_unit_test(test_frame_codec),
        cmocka_unit_test(test_frame_bit_flips), cmocka_unit_test(test_frame_partial_damage),
        cmocka_unit_test(test_decision_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
