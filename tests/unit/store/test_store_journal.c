/* test_store_journal.c: the shard's journal: codec, the recovery decision as a table, and the running ring: laps, full
 * ring, failures. */
#include "tests/unit/store/store_journal_rig.h"

#include "core/base/slog.h"

/* --- codec and decision ---------------------------------------------------------------------------------- */

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

/* One frame with two entries; every bit of it is covered by one of the checks. */
static void test_frame_codec(void **state)
{
    static uint8_t              frame_bytes[2 * BLOCK];
    static uint8_t              batches[600];
    struct store_journal_header ring = ring_header();
    struct store_journal_header other = ring;
    struct store_journal_frame  frame = {.lsn = 70 * BLOCK,
                                         .previous_end = 70 * BLOCK,
                                         .durable_end = 69 * BLOCK,
                                         .needed_from = 10 * BLOCK,
                                         .frame_bytes = BLOCK,
                                         .entry_count = 2};
    struct store_journal_frame  out;
    struct store_journal_record record;
    struct store_journal_entry  entry = {
         .topic_id = rig_topic(3), .partition = 9, .first_offset = 100, .last_offset = 105};
    size_t place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    bool   intact = false;

    (void)state;
    size_t one = rig_make_batch(batches, 100, 3, 77, 1);
    size_t two = rig_make_batch(batches + one, 103, 3, 50, 2);
    entry.bytes = view_of(batches, one + two);
    assert_true(store_journal_entry_encode(&ring, frame.lsn, frame_bytes, place, &entry));
    place += store_journal_entry_bytes(entry.bytes.len);
    assert_true(store_journal_entry_encode(&ring, frame.lsn, frame_bytes, place, &entry));
    place += store_journal_entry_bytes(entry.bytes.len);
    frame.payload_bytes = (uint32_t)place;
    store_journal_frame_encode(&ring, &frame, frame_bytes);

    struct view view = view_of(frame_bytes, sizeof(frame_bytes));
    assert_true(store_journal_frame_decode(&ring, view, 6 * BLOCK, &out));
    assert_int_equal(out.lsn, frame.lsn);
    assert_int_equal(out.needed_from, frame.needed_from);
    assert_true(store_journal_frame_whole(&ring, &out, view));
    place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    assert_int_equal(store_journal_entry_decode(&ring, &out, view, &place, &record, &intact), 1);
    assert_true(intact && uuid_equal(record.topic_id, rig_topic(3)));
    assert_int_equal(record.batch_count, 2);
    assert_int_equal(record.last_offset, 105);
    assert_memory_equal(record.bytes.base, batches, one + two);

    /* Elsewhere in the ring, in another ring, in another generation: not a frame. */
    assert_false(store_journal_frame_decode(&ring, view, 7 * BLOCK, &out));
    other.generation++;
    assert_false(store_journal_frame_decode(&other, view, 6 * BLOCK, &out));
    other = ring;
    other.identity.bytes[12] ^= 1;
    assert_false(store_journal_frame_decode(&other, view, 6 * BLOCK, &out));

    for (size_t bit = 0; bit < frame.payload_bytes * 8; bit++) {
        frame_bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        bool whole =
            store_journal_frame_decode(&ring, view, 6 * BLOCK, &out) && store_journal_frame_whole(&ring, &out, view);
        size_t in_entry = bit / 8 < STORE_JOURNAL_FRAME_HEADER_BYTES
                              ? 0
                              : (bit / 8 - STORE_JOURNAL_FRAME_HEADER_BYTES) % store_journal_entry_bytes(one + two);
        /* Only the zeros that align the next entry are nobody's. */
        assert_int_equal(whole, in_entry >= STORE_JOURNAL_ENTRY_HEADER_BYTES + one + two);
        frame_bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }

    /* Rot in a batch's records costs that entry, rot in an entry's header the rest of the frame. */
    assert_true(store_journal_frame_decode(&ring, view, 6 * BLOCK, &out));
    frame_bytes[STORE_JOURNAL_FRAME_HEADER_BYTES + STORE_JOURNAL_ENTRY_HEADER_BYTES + 70] ^= 4;
    place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    assert_int_equal(store_journal_entry_decode(&ring, &out, view, &place, &record, &intact), 1);
    assert_false(intact);
    assert_int_equal(store_journal_entry_decode(&ring, &out, view, &place, &record, &intact), 1);
    assert_true(intact);
    assert_int_equal(store_journal_entry_decode(&ring, &out, view, &place, &record, &intact), 0);
    frame_bytes[STORE_JOURNAL_FRAME_HEADER_BYTES + 20] ^= 4;
    place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    assert_int_equal(store_journal_entry_decode(&ring, &out, view, &place, &record, &intact), ERR_CORRUPT);

    entry.bytes.len -= 1;
    assert_false(store_journal_entry_encode(&ring, frame.lsn, frame_bytes, STORE_JOURNAL_FRAME_HEADER_BYTES, &entry));
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

/* --- running --------------------------------------------------------------------------------------------- */

static void test_append_and_reopen(void **state)
{
    struct sim_options         options;
    struct store_journal_stats stats;

    (void)state;
    rig_options(&options, 1);
    rig_start(&options);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    assert_int_equal(rig_append(0, 1, 10), ERR_AGAIN); /* before reset */
    assert_int_equal(rig_journal_reset(), ERR_OK);
    assert_int_equal(store_journal_capacity(rig.journal), RING_BYTES);

    for (int i = 0; i < 40; i++) {
        assert_int_equal(rig_append(i % LOGS, 2, 20), ERR_OK);
        assert_int_equal(rig.items[i].state, ITEM_APPENDED); /* never inside the call */
    }
    rig_run_until(rig_all_answered);
    store_journal_stats(rig.journal, &stats);
    assert_int_equal(stats.entries, 40);
    assert_int_equal(stats.writes, 1); /* what arrives together leaves together */
    assert_int_equal(rig_append(0, 1, store_journal_entry_bytes_max(rig.journal)), ERR_LIMIT);

    rig_crash(1, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 40);
    rig_expect_recovered();
    /* Not reset: it is all there again the next time. */
    rig_crash(2, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 40);
    assert_int_equal(rig_journal_reset(), ERR_OK);
    rig.generation_first = rig.item_count;
    rig_crash(3, SIM_CRASH_DROP);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    rig_end();
}

static void test_clean_close(void **state)
{
    struct sim_options options;
    uint64_t           reads;

    (void)state;
    rig_options(&options, 2);
    rig_start(&options);
    rig_journal_start(RING_BYTES);
    rig_work(50, 3000);
    rig_run_until(rig_all_answered);
    rig_release_items(rig.item_count);
    assert_int_equal(rig_journal_close(), ERR_OK);
    store_journal_destroy(rig.journal);
    reads = sim_operation_count(rig.sim, 0);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    assert_true(sim_operation_count(rig.sim, 0) - reads <= 4); /* stat, open, two headers: not the ring */
    assert_int_equal(rig_journal_reset(), ERR_OK);

    /* Closed with appends that are not drained: they are written first, and come back. */
    rig.generation_first = rig.item_count;
    assert_int_equal(rig_append(1, 1, 500), ERR_OK);
    assert_int_equal(rig_journal_close(), ERR_OK);
    assert_int_equal(rig.items[rig.item_count - 1].state, ITEM_ACKED);
    store_journal_destroy(rig.journal);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 1);
    assert_int_equal(rig_journal_close(), ERR_OK);
    rig_end();
}

/* Filled to the brim it refuses, says when there is space, and goes on; many laps. */
static void test_full_ring(void **state)
{
    struct sim_options options;
    uint32_t           refusals = 0;

    (void)state;
    rig_options(&options, 3);
    rig_start(&options);
    rig_journal_start(RING_BYTES);
    for (int lap = 0; lap < 30; lap++) {
        int result;

        while ((result = rig_append(lap % LOGS, 1, 100 + prng_below(&rig.prng, 9000))) == ERR_OK) {
            rig_run_until(rig_all_answered);
        }
        assert_int_equal(result, ERR_NO_SPACE);
        refusals++;
        assert_true(store_journal_pressure_percent(rig.journal) > 70);
        assert_int_equal(rig_append(0, 1, 9000), ERR_NO_SPACE); /* nothing is free before it is released */
        assert_int_equal(rig.spaces, refusals - 1);
        rig_release_items(lap % 2 == 0 ? rig.item_count : rig.item_count - 3);
        rig_run_until(rig_is_idle);
        assert_int_equal(rig.spaces, refusals);
        if (lap % 5 == 4) {
            rig_crash((uint64_t)lap, SIM_CRASH_DROP);
            assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
            rig_expect_recovered();
            assert_int_equal(rig_journal_reset(), ERR_OK);
            rig.generation_first = rig.item_count;
        }
    }
    rig_end();
}

static void test_write_failure(void **state)
{
    struct sim_options options;

    (void)state;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        rig_options(&options, nth);
        rig_start(&options);
        rig_journal_start(RING_BYTES);
        sim_fail_nth(rig.sim, 0, nth, SIM_FAIL_WRITE, ERR_IO, nth % 2 == 0);
        for (int i = 0; i < 20 && store_journal_online(rig.journal); i++) {
            rig_work(20, 5000);
        }
        rig_run_until(rig_all_answered);
        assert_false(store_journal_online(rig.journal));
        assert_int_equal(rig_append(0, 1, 10), ERR_OFFLINE);
        /* After the first failure nothing is acknowledged any more. */
        bool failed = false;
        for (size_t i = 0; i < rig.item_count; i++) {
            failed = failed || rig.items[i].state == ITEM_FAILED;
            assert_int_equal(rig.items[i].state, failed ? ITEM_FAILED : ITEM_ACKED);
        }
        sim_fail_nth(rig.sim, 0, 0, 0, ERR_IO, false);
        assert_int_equal(rig_journal_close(), ERR_OFFLINE);
        store_journal_destroy(rig.journal);
        assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
        rig_expect_recovered();
        rig_end();
    }
}

static void test_no_space_to_create(void **state)
{
    struct sim_options options;

    (void)state;
    rig_options(&options, 4);
    rig_start(&options);
    sim_set_capacity(rig.sim, 0, sim_used_bytes(rig.sim, 0) + 100 * 1024);
    assert_int_equal(rig_journal_open(RING_BYTES), ERR_NO_SPACE);
    assert_int_equal(rig_journal_close(), ERR_OFFLINE);
    store_journal_destroy(rig.journal);
    assert_true(sim_used_bytes(rig.sim, 0) < 100 * 1024); /* nothing half-made stays */
    sim_set_capacity(rig.sim, 0, 64 * MIB);
    rig_journal_start(RING_BYTES);
    assert_int_equal(rig_append(0, 1, 10), ERR_OK);
    rig_run_until(rig_all_answered);
    assert_int_equal(rig.items[0].state, ITEM_ACKED);
    rig_end();
}

/* Every operation of opening and resetting fails once: an error, never a crash, and the next try works. */
static void test_open_failures(void **state)
{
    struct sim_options options;
    bool               again = true;

    (void)state;
    for (uint64_t nth = 1; again; nth++) {
        rig_options(&options, nth);
        rig_start(&options);
        sim_fail_nth(rig.sim, 0, nth, SIM_FAIL_ANY, ERR_IO, false);
        int result = rig_journal_open(RING_BYTES);
        if (result == ERR_OK) {
            result = rig_journal_reset();
        }
        again = sim_fail_seen(rig.sim, 0) >= nth;
        sim_fail_nth(rig.sim, 0, 0, 0, ERR_IO, false);
        if (result == ERR_OK) {
            assert_int_equal(rig_append(0, 1, 10), ERR_OK);
            rig_run_until(rig_all_answered);
        }
        int closed = rig_journal_close();
        MAYBE(closed == ERR_OK);
        store_journal_destroy(rig.journal);
        assert_int_equal(rig_journal_open(RING_BYTES), ERR_OK);
        assert_int_equal(rig.replays, rig.item_count);
        assert_int_equal(rig_journal_close(), ERR_OK);
        rig_end();
    }
}

static void quiet(enum slog_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    (void)text;
}

static int teardown(void **state)
{
    (void)state;
    buf_pool_destroy(rig.bufs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_codec),   cmocka_unit_test(test_frame_codec),
        cmocka_unit_test(test_decision_table), cmocka_unit_test(test_append_and_reopen),
        cmocka_unit_test(test_clean_close),    cmocka_unit_test(test_full_ring),
        cmocka_unit_test(test_write_failure),  cmocka_unit_test(test_no_space_to_create),
        cmocka_unit_test(test_open_failures),
    };

    slog_set_sink(quiet);
    return cmocka_run_group_tests(tests, NULL, teardown);
}
