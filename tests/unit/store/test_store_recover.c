/* test_store_recover.c: what is kept of a log after an unclean stop: a table with every kind of row, and random logs
 * that were cut at random, where everything acknowledged must be kept and nothing reported as damage. */
#include "tests/support/unit.h"

#include "core/base/prng.h"
#include "core/store/store_recover.h"

#define PIECES_MAX   8
#define SEGMENTS_MAX 4
#define S            PIECE_SEALED
#define F            PIECE_FRAME
#define J            PIECE_JOURNAL
#define NONE         INT64_MAX /* base offset of a segment that does not count */

struct row_piece {
    enum store_piece_kind kind;
    uint32_t              segment;
    int64_t               first, last, durable_end;
    bool                  broken;
    enum store_frame_mode mode; /* 0: settled */
};

struct row {
    const char        *name;
    int64_t            start, durable_end;
    uint32_t           segment_count;
    int64_t            bases[SEGMENTS_MAX];
    uint32_t           piece_count;
    struct row_piece   pieces[PIECES_MAX];
    enum store_verdict verdict;
    int64_t            first, in_place_end, end;
    uint32_t           keep;
    uint32_t           copy_count;
    struct store_copy  copies[PIECES_MAX];
};

static const struct row rows[] = {
    {.name = "nothing at all", .verdict = VERDICT_CLEAN},
    {.name = "an empty active segment", .segment_count = 1, .bases = {0}, .verdict = VERDICT_CLEAN},
    {.name = "frames one behind the other",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 3,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 5, 5, 5, 0}, {F, 0, 6, 9, 6, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 10,
     .end = 10,
     .keep = 1},
    {.name = "sealed, then active",
     .segment_count = 2,
     .bases = {0, 100},
     .piece_count = 2,
     .pieces = {{S, 0, 0, 99, 100, 0}, {F, 1, 100, 120, 100, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 121,
     .end = 121,
     .keep = 2},
    {.name = "the last frame is torn",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 2,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 5, 9, 5, 1}},
     .verdict = VERDICT_CUT,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "the first of two in flight is missing",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 2,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 10, 14, 5, 0}},
     .verdict = VERDICT_CUT,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "a broken frame below what a later one calls durable",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 3,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 5, 9, 5, 1}, {F, 0, 10, 14, 10, 0}},
     .verdict = VERDICT_DAMAGED,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "a hole below what a later one calls durable",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 2,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 10, 14, 10, 0}},
     .verdict = VERDICT_DAMAGED,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "a hole below what a torn one calls durable",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 2,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 10, 14, 10, 1}},
     .verdict = VERDICT_DAMAGED,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "the journal holds the end of a segment that left the log",
     .start = 63,
     .durable_end = 122,
     .segment_count = 2,
     .bases = {63, 94},
     .piece_count = 5,
     .pieces = {{S, 0, 63, 93, 94, 0},
                {F, 1, 94, 112, 94, 0},
                {J, 0, 58, 62, 63, 0},
                {J, 0, 80, 93, 94, 0},
                {J, 0, 113, 121, 122, 0}},
     .verdict = VERDICT_CLEAN,
     .first = 63,
     .in_place_end = 113,
     .end = 122,
     .keep = 2,
     .copy_count = 1,
     .copies = {{4, 113}}},
    {.name = "the same, and one before it is there still",
     .start = 63,
     .durable_end = 94,
     .segment_count = 2,
     .bases = {0, 63},
     .piece_count = 3,
     .pieces = {{S, 0, 0, 16, 17, 0}, {S, 1, 63, 93, 94, 0}, {J, 0, 58, 62, 63, 0}},
     .verdict = VERDICT_CLEAN,
     .first = 63,
     .in_place_end = 94,
     .end = 94,
     .keep = 2},
    {.name = "a segment below the start whose batches stand in the journal only",
     .start = 63,
     .segment_count = 2,
     .bases = {51, 63},
     .piece_count = 2,
     .pieces = {{F, 1, 63, 70, 63, 0}, {J, 0, 51, 62, 63, 0}},
     .verdict = VERDICT_CLEAN,
     .first = 51,
     .in_place_end = 51,
     .end = 71,
     .copy_count = 2,
     .copies = {{1, 51}, {0, 63}}},
    {.name = "a sealed segment behind one whose seal was lost",
     .start = 15,
     .segment_count = 3,
     .bases = {0, 15, 20},
     .piece_count = 6,
     .pieces = {{F, 0, 0, 4, 5, 0, FRAME_DRAIN},
                {F, 0, 5, 14, 14, 0, FRAME_DURABLE},
                {S, 1, 15, 19, 20, 0},
                {F, 2, 20, 29, 20, 0},
                {J, 0, 0, 4, 5, 0},
                {J, 0, 20, 22, 23, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 30,
     .end = 30,
     .keep = 3},
    {.name = "a broken frame before a sealed segment, and the journal has it",
     .segment_count = 2,
     .bases = {0, 15},
     .piece_count = 4,
     .pieces = {{F, 0, 0, 4, 5, 0}, {F, 0, 5, 14, 14, 1}, {S, 1, 15, 19, 20, 0}, {J, 0, 5, 14, 15, 0}},
     .verdict = VERDICT_DAMAGED,
     .in_place_end = 5,
     .end = 15,
     .keep = 1,
     .copy_count = 1,
     .copies = {{3, 5}}},
    {.name = "less than the journal knows as durable",
     .durable_end = 8,
     .segment_count = 1,
     .bases = {0},
     .piece_count = 1,
     .pieces = {{F, 0, 0, 4, 0, 0}},
     .verdict = VERDICT_DAMAGED,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "the first frame is gone",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 1,
     .pieces = {{F, 0, 5, 9, 5, 0}},
     .verdict = VERDICT_DAMAGED},
    {.name = "a journal without segments",
     .piece_count = 2,
     .pieces = {{J, 0, 0, 2, 3, 0}, {J, 0, 3, 3, 4, 0}},
     .verdict = VERDICT_CLEAN,
     .end = 4,
     .copy_count = 2,
     .copies = {{0, 0}, {1, 3}}},
    {.name = "the journal goes on where the segment ends",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 3,
     .pieces = {{F, 0, 0, 4, 0, 0}, {J, 0, 5, 5, 6, 0}, {J, 0, 6, 8, 9, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 9,
     .keep = 1,
     .copy_count = 2,
     .copies = {{1, 5}, {2, 6}}},
    {.name = "the journal holds what is in the segment, too",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 3,
     .pieces = {{F, 0, 0, 9, 0, 0}, {J, 0, 2, 5, 6, 0}, {J, 0, 6, 9, 10, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 10,
     .end = 10,
     .keep = 1},
    {.name = "the last frame written durably is in doubt until a later one says that it arrived",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 3,
     .pieces = {{F, 0, 0, 4, 0, 0, FRAME_DURABLE},
                {F, 0, 5, 7, 5, 0, FRAME_DURABLE},
                {F, 0, 8, 9, 5, 0, FRAME_DURABLE}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 10,
     .keep = 1,
     .copy_count = 2,
     .copies = {{1, 5}, {2, 8}}},
    {.name = "what the journal still holds was not known to be flushed",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 4,
     .pieces =
         {{F, 0, 0, 4, 0, 0, FRAME_DRAIN}, {F, 0, 5, 9, 5, 0, FRAME_DRAIN}, {J, 0, 5, 6, 7, 0}, {J, 0, 7, 9, 10, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 10,
     .keep = 1,
     .copy_count = 1,
     .copies = {{1, 5}}},
    {.name = "a drained frame that the journal let go stands",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 1,
     .pieces = {{F, 0, 0, 4, 0, 0, FRAME_DRAIN}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "a weak policy's frame that can be read stands",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 1,
     .pieces = {{F, 0, 0, 4, 0, 0, FRAME_ACCEPT}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "the journal overlaps the end",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 2,
     .pieces = {{F, 0, 0, 4, 0, 0}, {J, 0, 3, 8, 9, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 9,
     .keep = 1,
     .copy_count = 1,
     .copies = {{1, 5}}},
    {.name = "a torn drain comes back from the journal",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 4,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 5, 9, 5, 1}, {J, 0, 5, 6, 7, 0}, {J, 0, 7, 9, 10, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 10,
     .keep = 1,
     .copy_count = 2,
     .copies = {{2, 5}, {3, 7}}},
    {.name = "the journal fills a hole before a frame that arrived",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 4,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 5, 9, 5, 1}, {F, 0, 10, 14, 10, 0}, {J, 0, 5, 9, 10, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 15,
     .keep = 1,
     .copy_count = 2,
     .copies = {{3, 5}, {2, 10}}},
    {.name = "a hole in the journal",
     .segment_count = 1,
     .bases = {0},
     .piece_count = 3,
     .pieces = {{F, 0, 0, 4, 0, 0}, {J, 0, 5, 5, 6, 0}, {J, 0, 8, 8, 9, 0}},
     .verdict = VERDICT_DAMAGED,
     .in_place_end = 5,
     .end = 6,
     .keep = 1,
     .copy_count = 1,
     .copies = {{1, 5}}},
    {.name = "cut before: a later segment begins inside",
     .segment_count = 2,
     .bases = {0, 5},
     .piece_count = 3,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 10, 14, 10, 0}, {F, 1, 5, 7, 5, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 8,
     .end = 8,
     .keep = 2},
    {.name = "cut before in the middle of a frame",
     .segment_count = 2,
     .bases = {0, 3},
     .piece_count = 2,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 1, 3, 7, 3, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 8,
     .end = 8,
     .keep = 2},
    {.name = "a segment that does not count",
     .segment_count = 2,
     .bases = {0, NONE},
     .piece_count = 1,
     .pieces = {{F, 0, 0, 4, 0, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 5,
     .end = 5,
     .keep = 1},
    {.name = "what lies below the start stays while it is whole: the partition's state may stand in it",
     .start = 100,
     .segment_count = 2,
     .bases = {0, 100},
     .piece_count = 2,
     .pieces = {{S, 0, 0, 99, 100, 0}, {F, 1, 100, 104, 100, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 105,
     .end = 105,
     .keep = 2},
    {.name = "a hole below the start is passed over",
     .start = 100,
     .segment_count = 2,
     .bases = {0, 100},
     .piece_count = 2,
     .pieces = {{S, 0, 0, 79, 80, 0}, {F, 1, 100, 104, 100, 0}},
     .verdict = VERDICT_CLEAN,
     .first = 100,
     .in_place_end = 105,
     .end = 105,
     .keep = 2},
    {.name = "the start lies inside a piece",
     .start = 3,
     .segment_count = 1,
     .bases = {0},
     .piece_count = 2,
     .pieces = {{F, 0, 0, 4, 0, 0}, {F, 0, 5, 9, 5, 0}},
     .verdict = VERDICT_CLEAN,
     .first = 0,
     .in_place_end = 10,
     .end = 10,
     .keep = 1},
    {.name = "everything lies below the start",
     .start = 50,
     .segment_count = 1,
     .bases = {0},
     .piece_count = 1,
     .pieces = {{S, 0, 0, 49, 50, 0}},
     .verdict = VERDICT_CLEAN,
     .in_place_end = 50,
     .end = 50,
     .keep = 1},
    {.name = "a sealed segment is missing",
     .segment_count = 2,
     .bases = {0, 20},
     .piece_count = 2,
     .pieces = {{S, 0, 0, 9, 10, 0}, {F, 1, 20, 24, 20, 0}},
     .verdict = VERDICT_DAMAGED,
     .in_place_end = 10,
     .end = 10,
     .keep = 1},
};

static struct store_piece piece_of(const struct row_piece *from)
{
    return (struct store_piece){.kind = from->kind,
                                .intact = !from->broken,
                                .segment = from->segment,
                                .mode = from->mode == 0 ? FRAME_SETTLED : from->mode,
                                .first_offset = from->first,
                                .last_offset = from->last,
                                .durable_end = from->durable_end};
}

static void expect_row(const struct row *row)
{
    struct store_recover_segment segments[SEGMENTS_MAX];
    struct store_piece           pieces[PIECES_MAX];
    struct store_copy            copies[PIECES_MAX] = {{0}};
    struct store_recover_result  result;
    struct store_recover_input   input = {.start_offset = row->start,
                                          .durable_end = row->durable_end,
                                          .segments = segments,
                                          .segment_count = row->segment_count,
                                          .pieces = pieces,
                                          .piece_count = row->piece_count};

    for (uint32_t i = 0; i < row->segment_count; i++) {
        segments[i].base_offset = row->bases[i];
    }
    for (uint32_t i = 0; i < row->piece_count; i++) {
        pieces[i] = piece_of(&row->pieces[i]);
    }
    store__recover_decide(&input, &result, copies);
    if (result.verdict != row->verdict || result.first_offset != row->first ||
        result.in_place_end != row->in_place_end || result.end_offset != row->end ||
        result.keep_segments != row->keep || result.copy_count != row->copy_count) {
        fail_msg("%s: verdict %d, first %" PRId64 ", in place %" PRId64 ", end %" PRId64 ", keep %u, copies %zu",
                 row->name, (int)result.verdict, result.first_offset, result.in_place_end, result.end_offset,
                 result.keep_segments, result.copy_count);
    }
    for (uint32_t i = 0; i < row->copy_count; i++) {
        if (copies[i].piece != row->copies[i].piece || copies[i].from_offset != row->copies[i].from_offset) {
            fail_msg("%s: copy %u is piece %u from %" PRId64, row->name, i, copies[i].piece, copies[i].from_offset);
        }
    }
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect_row(&rows[i]);
    }
}

/* --- random logs ------------------------------------------------------------------------------------------------- */

#define LOG_PIECES 64

struct log {
    struct store_recover_segment segments[LOG_PIECES];
    struct store_piece           pieces[LOG_PIECES * 2];
    struct store_piece           journal[LOG_PIECES];
    uint32_t                     segment_count;
    size_t                       piece_count, journal_count;
    int64_t                      durable_end;
};

/* Frames that became durable in order, some of them by way of the journal; then up to four in flight, which arrived or
 * not. */
static void log_make(struct log *log, struct prng *prng)
{
    int64_t  offset = 0;
    size_t   frames = prng_below(prng, 12);
    uint64_t in_flight = prng_below(prng, 5);

    memset(log, 0, sizeof(*log));
    log->segment_count = 1;
    for (size_t i = 0; i < frames + in_flight; i++) {
        bool               durable = i < frames;
        int64_t            last = offset + (int64_t)prng_below(prng, 9);
        struct store_piece piece = {.kind = PIECE_FRAME,
                                    .intact = true,
                                    .segment = log->segment_count - 1,
                                    .first_offset = offset,
                                    .last_offset = last,
                                    .durable_end = log->durable_end};

        if (durable && prng_chance(prng, 1, 3)) {
            /* In the journal, and perhaps drained: such a frame may be missing or torn. */
            log->journal[log->journal_count] = piece;
            log->journal[log->journal_count].kind = PIECE_JOURNAL;
            log->journal[log->journal_count].durable_end = last + 1;
            log->journal_count++;
            durable = false;
            log->durable_end = last + 1;
        }
        if (durable) {
            log->durable_end = last + 1;
        } else {
            piece.intact = prng_chance(prng, 1, 2);
        }
        if (durable || prng_chance(prng, 2, 3)) {
            log->pieces[log->piece_count++] = piece;
        }
        offset = last + 1;
        if (prng_chance(prng, 1, 6)) {
            log->segments[log->segment_count++].base_offset = offset;
        }
    }
    memcpy(log->pieces + log->piece_count, log->journal, log->journal_count * sizeof(struct store_piece));
    log->piece_count += log->journal_count;
}

static void test_random_logs(void **state)
{
    static struct log log;

    (void)state;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct prng                 prng;
        struct store_copy           copies[LOG_PIECES * 2];
        struct store_recover_result result;
        struct store_recover_input  input = {.segments = log.segments, .pieces = log.pieces};
        int64_t                     next;

        prng_init(&prng, seed);
        log_make(&log, &prng);
        input.segment_count = log.segment_count;
        input.piece_count = log.piece_count;
        store__recover_decide(&input, &result, copies);
        if (result.verdict == VERDICT_DAMAGED || result.end_offset < log.durable_end) {
            fail_msg("seed %" PRIu64 ": durable up to %" PRId64 ", kept up to %" PRId64 ", verdict %d", seed,
                     log.durable_end, result.end_offset, (int)result.verdict);
        }
        /* The copies are intact and continue the run without a hole. */
        next = result.in_place_end;
        for (size_t i = 0; i < result.copy_count; i++) {
            const struct store_piece *piece = &log.pieces[copies[i].piece];

            assert_true(piece->intact);
            assert_int_equal(copies[i].from_offset, next);
            assert_true(piece->first_offset <= next && piece->last_offset >= next);
            next = piece->last_offset + 1;
        }
        assert_int_equal(next, result.end_offset);
    }
}

/* The same logs, with one durable frame broken that is in no journal: never a silent cut. */
static void test_random_damage(void **state)
{
    static struct log log;
    size_t            damaged = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct prng                 prng;
        struct store_copy           copies[LOG_PIECES * 2];
        struct store_recover_result result;
        struct store_recover_input  input = {.segments = log.segments, .pieces = log.pieces};
        struct store_piece         *victim;
        int64_t                     declared = 0;

        prng_init(&prng, seed);
        log_make(&log, &prng);
        if (log.piece_count == 0) {
            continue;
        }
        victim = &log.pieces[prng_below(&prng, log.piece_count)];
        victim->intact = victim->intact && victim->last_offset >= log.durable_end;
        for (size_t i = 0; i < log.piece_count; i++) {
            declared = MAX(declared, log.pieces[i].durable_end);
        }
        input.segment_count = log.segment_count;
        input.piece_count = log.piece_count;
        store__recover_decide(&input, &result, copies);
        assert_true(result.end_offset >= declared || result.verdict == VERDICT_DAMAGED);
        damaged += result.verdict == VERDICT_DAMAGED ? 1 : 0;
    }
    assert_true(damaged > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_random_logs),
        cmocka_unit_test(test_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
