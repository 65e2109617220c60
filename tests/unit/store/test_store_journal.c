/* test_store_journal.c: the shard's journal: codec, the recovery decision as a table, and the ring in the simulated world: laps, full
 * ring, failures, rot, and a power cut at every operation of a run that laps the ring. */
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/base/slog.h"
#include "core/store/store_journal_format.h"
#include "io/io_file.h"
#include "io/sim/sim.h"

#define BLOCK      4096
#define DIRECTORY  "shard-0"
#define RING_PATH  DIRECTORY "/" STORE_JOURNAL_FILE_NAME
#define HEADERS    (128 * 1024) /* where the ring begins in the file */
#define LOGS       5
#define ITEMS_MAX  4000
#define RING_BYTES STORE_JOURNAL_BYTES_MIN

/* --- batches and items ------------------------------------------------------------------------------------------------ */

/* A batch of `records` offsets whose content follows from `seed`. */
static size_t make_batch(uint8_t *to, int64_t base_offset, int32_t records, size_t payload_bytes, uint64_t seed)
{
    struct prng prng;
    size_t      bytes = REC_HEADER_BYTES + payload_bytes;

    prng_init(&prng, seed);
    memset(to, 0, REC_HEADER_BYTES);
    prng_fill(&prng, span_of(to + REC_HEADER_BYTES, payload_bytes));
    store_be64(to, (uint64_t)base_offset);
    store_be32(to + 8, (uint32_t)(bytes - REC_LENGTH_PREFIX_BYTES));
    to[16] = 2;
    store_be32(to + 23, (uint32_t)(records - 1));
    store_be32(to + 57, (uint32_t)records);
    store_be32(to + 17, crc32c_update(0, to + REC_UNCHECKED_BYTES, bytes - REC_UNCHECKED_BYTES));
    return bytes;
}

enum item_state { ITEM_APPENDED, ITEM_ACKED, ITEM_FAILED };

struct item {
    struct store_journal_entry entry;
    int                        log;
    uint64_t                   seed;
    uint32_t                   batches;
    size_t                     payload_bytes;
    size_t                     bytes;
    enum item_state            state;
    bool                       drained; /* released before the crash: may or may not come back */
    bool                       replayed;
    uint64_t                   order; /* of acknowledgement */
};

struct rig {
    struct sim           *sim;
    struct io            *io;
    struct buf_pool      *bufs;
    struct timer_heap     timers;
    struct io_shard       shard;
    struct io_volume      volume;
    struct store_journal *journal;
    struct prng           prng;
    struct item           items[ITEMS_MAX];
    size_t                item_count;
    size_t                generation_first; /* items before belong to earlier generations: they must not come back */
    int64_t               next_offset[LOGS];
    uint64_t              acks;
    int                   done_result;
    bool                  done;
    uint32_t              damages, entry_damages, spaces, replays;
    uint64_t              last_replay_lsn;
    uint64_t              chosen_bytes;
};

static struct rig rig;

static struct uuid topic_of(int log)
{
    struct uuid id = {{0xAA, 0x55}};

    id.bytes[15] = (uint8_t)log;
    return id;
}

static void item_done(struct store_journal_entry *entry, int result)
{
    struct item *item = CONTAINER_OF(entry, struct item, entry);

    assert_int_equal(item->state, ITEM_APPENDED);
    assert_true(result == ERR_OK || result == ERR_OFFLINE);
    item->state = result == ERR_OK ? ITEM_ACKED : ITEM_FAILED;
    if (result == ERR_OK) {
        /* In the order of appending. */
        for (struct item *before = item - 1; before >= rig.items + rig.generation_first; before--) {
            assert_int_not_equal(before->state, ITEM_APPENDED);
            if (before->state == ITEM_ACKED) {
                break;
            }
        }
    }
    item->order = rig.acks++;
}

static size_t item_bytes(const struct item *item, uint8_t *to)
{
    size_t len = 0;

    for (uint32_t i = 0; i < item->batches; i++) {
        len += make_batch(to + len, item->entry.first_offset + 3 * (int64_t)i, 3, item->payload_bytes, item->seed + i);
    }
    return len;
}

static int item_append(int log, uint32_t batches, size_t payload_bytes)
{
    static uint8_t bytes[256 * 1024];
    struct item   *item = &rig.items[rig.item_count];
    int            result;

    assert_true(rig.item_count < ITEMS_MAX);
    *item = (struct item){.log = log, .seed = prng_next(&rig.prng), .batches = batches, .payload_bytes = payload_bytes};
    item->entry.topic_id = topic_of(log);
    item->entry.partition = log * 7;
    item->entry.first_offset = rig.next_offset[log];
    item->entry.last_offset = rig.next_offset[log] + 3 * (int64_t)batches - 1;
    item->entry.done = item_done;
    item->bytes = item_bytes(item, bytes);
    item->entry.bytes = view_of(bytes, item->bytes);
    result = store_journal_append(rig.journal, &item->entry);
    memset(bytes, 0xEE, item->bytes); /* they were copied */
    if (result == ERR_OK) {
        rig.next_offset[log] = item->entry.last_offset + 1;
        rig.item_count++;
    }
    return result;
}

/* --- the rig ----------------------------------------------------------------------------------------------------------- */

static void quiet(enum slog_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    (void)text;
}

static void on_done(void *context, int result)
{
    (void)context;
    rig.done = true;
    rig.done_result = result;
}

static void on_damage(void *context, const struct store_journal_damage *damage)
{
    (void)context;
    rig.damages++;
    rig.entry_damages += damage->entry_known ? 1 : 0;
    assert_true(damage->bytes > 0);
}

static void on_space(void *context)
{
    (void)context;
    rig.spaces++;
}

/* What comes back must have been appended in this generation, byte for byte, in order. */
static void on_replay(void *context, const struct store_journal_record *record)
{
    static uint8_t bytes[256 * 1024];

    (void)context;
    rig.replays++;
    assert_true(record->lsn >= rig.last_replay_lsn);
    rig.last_replay_lsn = record->lsn;
    for (size_t i = rig.generation_first; i < rig.item_count; i++) {
        struct item *item = &rig.items[i];

        if (uuid_equal(item->entry.topic_id, record->topic_id) && item->entry.first_offset == record->first_offset) {
            assert_false(item->replayed);
            assert_int_equal(record->partition, item->log * 7);
            assert_int_equal(record->last_offset, item->entry.last_offset);
            assert_int_equal(record->batch_count, item->batches);
            assert_int_equal(record->lsn, item->entry.lsn);
            assert_int_equal(record->bytes.len, item->bytes);
            assert_int_equal(item_bytes(item, bytes), item->bytes);
            assert_memory_equal(record->bytes.base, bytes, item->bytes);
            item->replayed = true;
            return;
        }
    }
    fail_msg("replayed an entry that this generation never appended: offset %" PRId64, record->first_offset);
}

static const struct store_journal_hooks hooks = {.replay = on_replay, .damage = on_damage, .space = on_space};

static bool is_done(void *context)
{
    (void)context;
    return rig.done || sim_is_down(rig.sim, 0);
}

static void run_until(bool (*condition)(void *context))
{
    while (!condition(NULL)) {
        assert_true(io_run(rig.io, INT64_MAX) >= 0);
    }
}

static bool is_idle(void *context)
{
    (void)context;
    return rig.io->in_flight == 0;
}

static void io_start(void)
{
    rig.io = sim_io(rig.sim, 0, 0);
    rig.shard = (struct io_shard){.io = rig.io, .timers = &rig.timers, .bufs = rig.bufs};
}

static void file_done(struct io_file_op *op)
{
    MAYBE(op->result == 0); /* io_file_wait() gives it */
}

static void rig_start(const struct sim_options *options)
{
    struct io_file_op op;

    rig.item_count = 0;
    rig.generation_first = 0;
    rig.acks = 0;
    rig.spaces = 0;
    memset(rig.next_offset, 0, sizeof(rig.next_offset));
    prng_init(&rig.prng, options->seed);
    rig.sim = sim_create(options);
    if (rig.bufs == NULL) {
        rig.bufs = buf_pool_create(8 * MIB, 64 * MIB);
    }
    timer_heap_init(&rig.timers);
    io_start();
    memset(&op, 0, sizeof(op));
    io_file_make_directories(rig.io, &op, DIRECTORY, file_done);
    assert_int_equal(io_file_wait(rig.io, &op), 0);
    assert_int_equal(io_volume_probe(rig.io, DIRECTORY, &rig.volume), 0);
}

static void rig_end(void)
{
    store_journal_destroy(rig.journal);
    rig.journal = NULL;
    io_destroy(rig.io);
    sim_destroy(rig.sim);
    assert_int_equal(buf_pool_used_bytes(rig.bufs), 0);
}

/* Opens; the result, or ERR_CLOSED when the power went. */
static int journal_open(uint64_t bytes)
{
    rig.done = false;
    rig.damages = rig.entry_damages = rig.replays = 0;
    rig.last_replay_lsn = 0;
    rig.journal = store_journal_create(&rig.shard, DIRECTORY, &rig.volume, bytes);
    for (size_t i = 0; i < rig.item_count; i++) {
        rig.items[i].replayed = false;
    }
    store_journal_open(rig.journal, &hooks, on_done, NULL);
    assert_false(rig.done);
    run_until(is_done);
    return sim_is_down(rig.sim, 0) ? ERR_CLOSED : rig.done_result;
}

static int journal_reset(void)
{
    rig.done = false;
    store_journal_reset(rig.journal, on_done, NULL);
    assert_false(rig.done);
    run_until(is_done);
    return sim_is_down(rig.sim, 0) ? ERR_CLOSED : rig.done_result;
}

static int journal_close(void)
{
    int result;

    rig.done = false;
    store_journal_close(rig.journal, on_done, NULL);
    assert_false(rig.done);
    run_until(is_done);
    result = sim_is_down(rig.sim, 0) ? ERR_CLOSED : rig.done_result;
    return result;
}

static void journal_start(uint64_t bytes)
{
    assert_int_equal(journal_open(bytes), ERR_OK);
    assert_int_equal(journal_reset(), ERR_OK);
    rig.generation_first = rig.item_count;
}

/* The old process ends, the machine starts again. */
static void reboot(void)
{
    sim_reap(rig.sim, 0);
    run_until(is_idle);
    store_journal_destroy(rig.journal);
    rig.journal = NULL;
    io_destroy(rig.io);
    io_start();
}

static void crash(uint64_t seed, enum sim_crash_style style)
{
    sim_crash(rig.sim, 0, seed, style);
    reboot();
}

static bool all_answered(void *context)
{
    (void)context;
    if (sim_is_down(rig.sim, 0)) {
        return true;
    }
    for (size_t i = rig.item_count; i > rig.generation_first; i--) {
        if (rig.items[i - 1].state == ITEM_APPENDED) {
            return false;
        }
    }
    return true;
}

/* Drains: everything acknowledged up to item `end` is durable in segments now. */
static void release_items(size_t end)
{
    for (size_t i = rig.generation_first; i < end; i++) {
        rig.items[i].drained = true;
    }
    store_journal_release(rig.journal,
                          end < rig.item_count ? rig.items[end].entry.lsn : store_journal_head(rig.journal));
}

/* Everything acknowledged and not drained came back. */
static void expect_recovered(void)
{
    for (size_t i = rig.generation_first; i < rig.item_count; i++) {
        const struct item *item = &rig.items[i];

        if (item->state == ITEM_ACKED && !item->drained && !item->replayed) {
            fail_msg("item %zu, acknowledged at lsn %" PRIu64 ", is lost", i, item->entry.lsn);
        }
    }
}

static void ring_options(struct sim_options *options, uint64_t seed)
{
    sim_options_default(options, seed);
    options->capacity_bytes = 64 * MIB;
}

/* --- codec and decision ------------------------------------------------------------------------------------------------ */

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
    struct store_journal_frame  frame = {.lsn = 70 * BLOCK, .previous_end = 70 * BLOCK, .durable_end = 69 * BLOCK,
                                         .needed_from = 10 * BLOCK, .frame_bytes = BLOCK, .entry_count = 2};
    struct store_journal_frame  out;
    struct store_journal_record record;
    struct store_journal_entry  entry = {.topic_id = topic_of(3), .partition = 9, .first_offset = 100, .last_offset = 105};
    size_t                      place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    bool                        intact = false;

    (void)state;
    size_t one = make_batch(batches, 100, 3, 77, 1);
    size_t two = make_batch(batches + one, 103, 3, 50, 2);
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
    assert_true(intact && uuid_equal(record.topic_id, topic_of(3)));
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
        bool whole = store_journal_frame_decode(&ring, view, 6 * BLOCK, &out) && store_journal_frame_whole(&ring, &out, view);
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
    {"a run", 0, 0, 3, {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 0, 0, true, 'R', 0}, {3, 4, 3, 2, 0, true, 'R', 0}}, 7, 0},
    {"what is not needed is passed, damaged or not", 0, 0, 3,
     {{0, 2, 0, 0, 0, true, 'P', 0}, {2, 1, 2, 2, 0, false, 'P', 0}, {3, 1, 3, 3, 3, true, 'R', 0}}, 4, 0},
    {"the header's needed-from counts, too", 3, 3, 2, {{0, 3, 0, 0, 0, true, 'P', 0}, {3, 1, 3, 0, 0, true, 'R', 0}}, 4, 0},
    {"everything released", 4, 4, 2, {{0, 3, 0, 0, 0, true, 'P', 0}, {3, 1, 3, 0, 0, true, 'P', 0}}, 4, 0},
    {"torn last frame", 0, 0, 2, {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 2, 0, false, 'C', 0}}, 2, 0},
    {"first of two in flight torn, the second arrived", 0, 0, 3,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 2, 0, false, 'C', 0}, {3, 1, 3, 2, 0, true, 'C', 0}}, 2, 0},
    {"first of two in flight missing, the second arrived", 0, 0, 2,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {3, 1, 3, 2, 0, true, 'C', 0}}, 2, 0},
    {"a torn head still says what was durable", 0, 0, 3,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 0, 0, false, 'D', 0}, {3, 1, 3, 3, 0, false, 'C', 0}}, 3, 0},
    {"damage below the durable end", 0, 0, 3,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {2, 1, 2, 2, 0, false, 'D', 0}, {3, 1, 3, 3, 0, true, 'R', 0}}, 4, 0},
    {"a hole below the durable end", 0, 0, 2, {{0, 2, 0, 0, 0, true, 'R', 0}, {4, 1, 4, 4, 0, true, 'R', 2}}, 5, 0},
    {"the first needed frame is missing", 0, 0, 1, {{4, 1, 4, 4, 0, true, 'R', 4}}, 5, 0},
    {"hole from below to above the durable end", 0, 0, 2,
     {{0, 2, 0, 0, 0, true, 'R', 0}, {6, 1, 6, 4, 0, true, 'C', 0}}, 2, 2},
    {"hole, then a torn tail", 0, 0, 2, {{0, 2, 0, 0, 0, true, 'R', 0}, {4, 1, 4, 4, 0, false, 'C', 2}}, 4, 0},
    {"everything behind the header's word is gone", 2, 5, 1, {{0, 2, 0, 0, 0, true, 'P', 0}}, 2, 3},
    {"the end of a lap is skipped", 60, 60, 3,
     {{60, 3, 60, 60, 60, true, 'R', 0}, {64, 2, 63, 60, 60, true, 'R', 0}, {66, 1, 66, 63, 60, true, 'R', 0}}, 67, 0},
    {"needed from the skipped end of a lap", 63, 63, 1, {{64, 2, 63, 63, 60, true, 'R', 0}}, 66, 0},
    {"a new lap that does not follow: torn", 60, 60, 2,
     {{60, 2, 60, 60, 60, true, 'R', 0}, {64, 2, 63, 60, 60, true, 'C', 0}}, 62, 0},
    {"a new lap that does not follow: damage", 60, 60, 2,
     {{60, 2, 60, 60, 60, true, 'R', 0}, {64, 2, 63, 63, 60, true, 'R', 2}}, 66, 0},
    {"an old lap's frame among new ones", 64, 66, 3,
     {{3, 1, 3, 3, 0, true, 'P', 0}, {64, 2, 64, 63, 64, true, 'R', 0}, {66, 1, 66, 66, 64, true, 'R', 0}}, 67, 0},
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
                fail_msg("%s: frame %u: %c, gap %" PRIu64, row->name, i, letters[frames[i].verdict], frames[i].gap_bytes);
            }
            gaps += row->frames[i].gap != 0 ? 1 : 0;
        }
        if (plan.end != (uint64_t)row->end * BLOCK || plan.tail_gap_bytes != (uint64_t)row->tail_gap * BLOCK) {
            fail_msg("%s: end %" PRIu64 ", tail gap %" PRIu64, row->name, plan.end / BLOCK, plan.tail_gap_bytes / BLOCK);
        }
        assert_int_equal(plan.gap_count, gaps + (row->tail_gap != 0 ? 1 : 0));
    }
}

/* --- running -------------------------------------------------------------------------------------------------------------- */

/* Random appends, submitted in groups, released at random, for `turns` turns of the loop. */
static void work(uint32_t turns, size_t payload_max)
{
    for (uint32_t turn = 0; turn < turns && !sim_is_down(rig.sim, 0); turn++) {
        uint64_t appends = prng_below(&rig.prng, 6);

        for (uint64_t i = 0; i < appends; i++) {
            int result = item_append((int)prng_below(&rig.prng, LOGS), 1 + (uint32_t)prng_below(&rig.prng, 3),
                                     prng_below(&rig.prng, payload_max));

            assert_true(result == ERR_OK || result == ERR_NO_SPACE || result == ERR_OFFLINE);
        }
        if (prng_chance(&rig.prng, 1, 3) || store_journal_pressure_percent(rig.journal) > 50) {
            size_t acked = rig.generation_first;

            while (acked < rig.item_count && rig.items[acked].state == ITEM_ACKED) {
                acked++;
            }
            if (acked > rig.generation_first && store_journal_online(rig.journal)) {
                size_t first = rig.generation_first;

                while (first < acked && rig.items[first].drained) {
                    first++;
                }
                release_items(first + prng_below(&rig.prng, acked - first + 1));
            }
        }
        if (rig.io->in_flight > 0) {
            assert_true(io_run(rig.io, io_now_ns(rig.io) + 20 * NS_PER_US) >= 0);
        }
    }
}

static void test_append_and_reopen(void **state)
{
    struct sim_options         options;
    struct store_journal_stats stats;

    (void)state;
    ring_options(&options, 1);
    rig_start(&options);
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    assert_int_equal(item_append(0, 1, 10), ERR_AGAIN); /* before reset */
    assert_int_equal(journal_reset(), ERR_OK);
    assert_int_equal(store_journal_capacity(rig.journal), RING_BYTES);

    for (int i = 0; i < 40; i++) {
        assert_int_equal(item_append(i % LOGS, 2, 20), ERR_OK);
        assert_int_equal(rig.items[i].state, ITEM_APPENDED); /* never inside the call */
    }
    run_until(all_answered);
    store_journal_stats(rig.journal, &stats);
    assert_int_equal(stats.entries, 40);
    assert_int_equal(stats.writes, 1); /* what arrives together leaves together */
    assert_int_equal(item_append(0, 1, store_journal_entry_bytes_max(rig.journal)), ERR_LIMIT);

    crash(1, SIM_CRASH_DROP);
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 40);
    expect_recovered();
    /* Not reset: it is all there again the next time. */
    crash(2, SIM_CRASH_DROP);
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 40);
    assert_int_equal(journal_reset(), ERR_OK);
    rig.generation_first = rig.item_count;
    crash(3, SIM_CRASH_DROP);
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    rig_end();
}

static void test_clean_close(void **state)
{
    struct sim_options options;
    uint64_t           reads;

    (void)state;
    ring_options(&options, 2);
    rig_start(&options);
    journal_start(RING_BYTES);
    work(50, 3000);
    run_until(all_answered);
    release_items(rig.item_count);
    assert_int_equal(journal_close(), ERR_OK);
    store_journal_destroy(rig.journal);
    reads = sim_operation_count(rig.sim, 0);
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 0);
    assert_true(sim_operation_count(rig.sim, 0) - reads <= 4); /* stat, open, two headers: not the ring */
    assert_int_equal(journal_reset(), ERR_OK);

    /* Closed with appends that are not drained: they are written first, and come back. */
    rig.generation_first = rig.item_count;
    assert_int_equal(item_append(1, 1, 500), ERR_OK);
    assert_int_equal(journal_close(), ERR_OK);
    assert_int_equal(rig.items[rig.item_count - 1].state, ITEM_ACKED);
    store_journal_destroy(rig.journal);
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 1);
    assert_int_equal(journal_close(), ERR_OK);
    rig_end();
}

/* Filled to the brim it refuses, says when there is space, and goes on; many laps. */
static void test_full_ring(void **state)
{
    struct sim_options options;
    uint32_t           refusals = 0;

    (void)state;
    ring_options(&options, 3);
    rig_start(&options);
    journal_start(RING_BYTES);
    for (int lap = 0; lap < 30; lap++) {
        int result;

        while ((result = item_append(lap % LOGS, 1, 100 + prng_below(&rig.prng, 9000))) == ERR_OK) {
            run_until(all_answered);
        }
        assert_int_equal(result, ERR_NO_SPACE);
        refusals++;
        assert_true(store_journal_pressure_percent(rig.journal) > 70);
        assert_int_equal(item_append(0, 1, 9000), ERR_NO_SPACE); /* nothing is free before it is released */
        assert_int_equal(rig.spaces, refusals - 1);
        release_items(lap % 2 == 0 ? rig.item_count : rig.item_count - 3);
        run_until(is_idle);
        assert_int_equal(rig.spaces, refusals);
        if (lap % 5 == 4) {
            crash((uint64_t)lap, SIM_CRASH_DROP);
            assert_int_equal(journal_open(RING_BYTES), ERR_OK);
            expect_recovered();
            assert_int_equal(journal_reset(), ERR_OK);
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
        ring_options(&options, nth);
        rig_start(&options);
        journal_start(RING_BYTES);
        sim_fail_nth(rig.sim, 0, nth, SIM_FAIL_WRITE, ERR_IO, nth % 2 == 0);
        for (int i = 0; i < 20 && store_journal_online(rig.journal); i++) {
            work(20, 5000);
        }
        run_until(all_answered);
        assert_false(store_journal_online(rig.journal));
        assert_int_equal(item_append(0, 1, 10), ERR_OFFLINE);
        /* After the first failure nothing is acknowledged any more. */
        bool failed = false;
        for (size_t i = 0; i < rig.item_count; i++) {
            failed = failed || rig.items[i].state == ITEM_FAILED;
            assert_int_equal(rig.items[i].state, failed ? ITEM_FAILED : ITEM_ACKED);
        }
        sim_fail_nth(rig.sim, 0, 0, 0, ERR_IO, false);
        assert_int_equal(journal_close(), ERR_OFFLINE);
        store_journal_destroy(rig.journal);
        assert_int_equal(journal_open(RING_BYTES), ERR_OK);
        expect_recovered();
        rig_end();
    }
}

static void test_no_space_to_create(void **state)
{
    struct sim_options options;

    (void)state;
    ring_options(&options, 4);
    rig_start(&options);
    sim_set_capacity(rig.sim, 0, sim_used_bytes(rig.sim, 0) + 100 * 1024);
    assert_int_equal(journal_open(RING_BYTES), ERR_NO_SPACE);
    assert_int_equal(journal_close(), ERR_OFFLINE);
    store_journal_destroy(rig.journal);
    assert_true(sim_used_bytes(rig.sim, 0) < 100 * 1024); /* nothing half-made stays */
    sim_set_capacity(rig.sim, 0, 64 * MIB);
    journal_start(RING_BYTES);
    assert_int_equal(item_append(0, 1, 10), ERR_OK);
    run_until(all_answered);
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
        ring_options(&options, nth);
        rig_start(&options);
        sim_fail_nth(rig.sim, 0, nth, SIM_FAIL_ANY, ERR_IO, false);
        int result = journal_open(RING_BYTES);
        if (result == ERR_OK) {
            result = journal_reset();
        }
        again = sim_fail_seen(rig.sim, 0) >= nth;
        sim_fail_nth(rig.sim, 0, 0, 0, ERR_IO, false);
        if (result == ERR_OK) {
            assert_int_equal(item_append(0, 1, 10), ERR_OK);
            run_until(all_answered);
        }
        int closed = journal_close();
        MAYBE(closed == ERR_OK);
        store_journal_destroy(rig.journal);
        assert_int_equal(journal_open(RING_BYTES), ERR_OK);
        assert_int_equal(rig.replays, rig.item_count);
        assert_int_equal(journal_close(), ERR_OK);
        rig_end();
    }
}

/* --- damage --------------------------------------------------------------------------------------------------------------- */

static void test_header_rot(void **state)
{
    struct sim_options options;

    (void)state;
    for (int which = 0; which < 3; which++) {
        ring_options(&options, 5);
        rig_start(&options);
        journal_start(RING_BYTES);
        work(80, 4000); /* more than a lap: releases went through the header */
        run_until(all_answered);
        crash(5, SIM_CRASH_DROP);
        if (which != 1) {
            assert_true(sim_disk_flip(rig.sim, 0, RING_PATH, 40, 1));
        }
        if (which != 0) {
            assert_true(sim_disk_flip(rig.sim, 0, RING_PATH, HEADERS / 2 + 60, 0x80));
        }
        if (which < 2) {
            assert_int_equal(journal_open(RING_BYTES), ERR_OK);
            expect_recovered();
        } else {
            assert_int_equal(journal_open(RING_BYTES), ERR_CORRUPT);
            assert_int_equal(rig.damages, 1);
            assert_int_equal(rig.replays, 0);
        }
        assert_int_equal(journal_reset(), ERR_OK);
        rig.generation_first = rig.item_count;
        work(80, 4000);
        run_until(all_answered);
        crash(6, SIM_CRASH_DROP);
        assert_int_equal(journal_open(RING_BYTES), ERR_OK);
        expect_recovered();
        rig_end();
    }
}

/* How much of what was acknowledged and needed is missing. */
static size_t missing_items(uint64_t below_lsn)
{
    size_t missing = 0;

    for (size_t i = rig.generation_first; i < rig.item_count; i++) {
        const struct item *item = &rig.items[i];

        missing += item->state == ITEM_ACKED && !item->drained && !item->replayed && item->entry.lsn < below_lsn ? 1 : 0;
    }
    return missing;
}

/* Where the last `frames` frames begin. */
static uint64_t newest_lsn(int frames)
{
    uint64_t lsn = UINT64_MAX;

    for (size_t i = rig.item_count; i > rig.generation_first && frames > 0; i--) {
        frames -= rig.items[i - 1].entry.lsn < lsn ? 1 : 0;
        lsn = rig.items[i - 1].entry.lsn;
    }
    return lsn;
}

/* Rot or an unreadable sector anywhere: either nothing needed is missing, or it is reported, or it is in the newest writes, whose
 * acknowledgement nothing on the disk knows: they cannot be told from torn ones. */
static void test_ring_rot(void **state)
{
    struct sim_options options;
    size_t             reported = 0;
    size_t             known = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        struct prng prng;
        uint64_t    newest;

        prng_init(&prng, seed);
        ring_options(&options, seed);
        rig_start(&options);
        journal_start(RING_BYTES);
        work(60, seed % 3 == 0 ? 200 : 5000);
        run_until(all_answered);
        newest = newest_lsn(STORE_JOURNAL_IN_FLIGHT_MAX);
        crash(seed, SIM_CRASH_DROP);
        uint64_t at = HEADERS + prng_below(&prng, RING_BYTES);
        if (seed % 2 == 0) {
            assert_true(sim_disk_flip(rig.sim, 0, RING_PATH, at, (uint8_t)(1 << (seed % 8))));
        } else {
            assert_true(sim_disk_unreadable(rig.sim, 0, RING_PATH, align_down(at, 512), 512));
        }
        int result = journal_open(RING_BYTES);
        assert_true(result == ERR_OK || result == ERR_CORRUPT);
        assert_int_equal(result == ERR_CORRUPT, rig.damages > 0);
        if (result == ERR_OK) {
            assert_int_equal(missing_items(newest), 0);
        } else {
            reported++;
            known += rig.entry_damages > 0 ? 1 : 0;
            assert_true(missing_items(UINT64_MAX) > 0);
        }
        assert_int_equal(journal_reset(), ERR_OK);
        assert_int_equal(journal_close(), ERR_OK);
        rig_end();
    }
    assert_true(reported > 10);
    assert_true(known > 3);
}

static void test_truncated_file(void **state)
{
    struct sim_options options;

    (void)state;
    ring_options(&options, 8);
    rig_start(&options);
    journal_start(RING_BYTES);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(item_append(i % LOGS, 1, 3500), ERR_OK);
        run_until(all_answered);
    }
    crash(1, SIM_CRASH_DROP);
    assert_true(sim_disk_resize(rig.sim, 0, RING_PATH, HEADERS + 10 * BLOCK));
    /* Nothing behind the cut says that there was more: it looks like a torn tail, and what is there is served. */
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 10);
    assert_int_equal(journal_reset(), ERR_OK);
    rig.generation_first = rig.item_count;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(item_append(i % LOGS, 1, 3500), ERR_OK);
        run_until(all_answered);
    }
    crash(2, SIM_CRASH_DROP);
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    assert_int_equal(rig.replays, 20);
    rig_end();
}

/* --- power cuts ------------------------------------------------------------------------------------------------------------ */

/* One run: create, work over several laps, close cleanly. It may be cut anywhere. */
static void run_life(void)
{
    if (journal_open(RING_BYTES) != ERR_OK || journal_reset() != ERR_OK) {
        return;
    }
    rig.generation_first = rig.item_count;
    work(90, 4000);
    if (sim_is_down(rig.sim, 0)) {
        return;
    }
    run_until(all_answered);
    int closed = sim_is_down(rig.sim, 0) ? ERR_CLOSED : journal_close();
    MAYBE(closed == ERR_OK);
}

static void recover_after_cut(uint64_t seed)
{
    reboot();
    assert_int_equal(journal_open(RING_BYTES), ERR_OK); /* a power cut is never damage */
    expect_recovered();
    /* Crash during recovery changes nothing. */
    if (seed % 3 == 0) {
        crash(seed + 7, SIM_CRASH_MIX);
        assert_int_equal(journal_open(RING_BYTES), ERR_OK);
        expect_recovered();
    }
    /* Cut within reset: all of the old generation or nothing; nothing of it once new appends are acknowledged. */
    if (seed % 2 == 0) {
        sim_cut_at(rig.sim, 0, 1 + seed % 4, (enum sim_cut_when)(seed % SIM_CUT_WHEN_COUNT), seed, SIM_CRASH_MIX);
        int result = journal_reset();
        sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
        if (result != ERR_OK) {
            reboot();
            assert_int_equal(journal_open(RING_BYTES), ERR_OK);
            assert_true(rig.replays == 0 || missing_items(UINT64_MAX) == 0);
            assert_int_equal(journal_reset(), ERR_OK);
        }
    } else {
        assert_int_equal(journal_reset(), ERR_OK);
    }
    rig.generation_first = rig.item_count;
    work(12, 4000);
    crash(seed + 1, SIM_CRASH_MIX);
    assert_int_equal(journal_open(RING_BYTES), ERR_OK);
    expect_recovered();
}

static void cut_everywhere(bool fua, uint64_t seed_first, uint64_t stride)
{
    bool again = true;

    for (uint64_t n = seed_first; again; n += stride) {
        struct sim_options options;

        ring_options(&options, n % 5);
        options.fua = fua;
        rig_start(&options);
        sim_cut_at(rig.sim, 0, n, (enum sim_cut_when)(n % SIM_CUT_WHEN_COUNT), n,
                   (enum sim_crash_style)((n / 3) % SIM_CRASH_STYLE_COUNT));
        run_life();
        again = sim_is_down(rig.sim, 0);
        if (again) {
            recover_after_cut(n);
        }
        rig_end();
    }
}

static void test_cut_at_every_change(void **state)
{
    (void)state;
    cut_everywhere(true, 1, 1);
    cut_everywhere(false, 1, 1);
}

static void test_swarm(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 220; seed++) {
        struct sim_options options;
        struct prng        prng;

        prng_init(&prng, seed);
        sim_options_swarm(&options, seed, false);
        rig_start(&options);
        sim_cut_at(rig.sim, 0, 1 + prng_below(&prng, 160), (enum sim_cut_when)prng_below(&prng, SIM_CUT_WHEN_COUNT), seed,
                   (enum sim_crash_style)prng_below(&prng, SIM_CRASH_STYLE_COUNT));
        run_life();
        if (sim_is_down(rig.sim, 0)) {
            recover_after_cut(seed);
        }
        rig_end();
    }
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
        cmocka_unit_test(test_header_codec),
        cmocka_unit_test(test_frame_codec),
        cmocka_unit_test(test_decision_table),
        cmocka_unit_test(test_append_and_reopen),
        cmocka_unit_test(test_clean_close),
        cmocka_unit_test(test_full_ring),
        cmocka_unit_test(test_write_failure),
        cmocka_unit_test(test_no_space_to_create),
        cmocka_unit_test(test_open_failures),
        cmocka_unit_test(test_header_rot),
        cmocka_unit_test(test_ring_rot),
        cmocka_unit_test(test_truncated_file),
        cmocka_unit_test(test_cut_at_every_change),
        cmocka_unit_test(test_swarm),
    };

    slog_set_sink(quiet);
    return cmocka_run_group_tests(tests, NULL, teardown);
}
