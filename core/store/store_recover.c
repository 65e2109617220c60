/* store_recover.c: the decision of store_recover.h. Pure: no I/O, no allocation, the same input gives the same result.
 */
#include "core/store/store_recover.h"

#include "core/base/check.h"

/* A segment ends where a later one begins: that is how a cut is made durable. */
static int64_t segment_bound(const struct store_recover_input *input, uint32_t segment)
{
    int64_t bound = INT64_MAX;

    for (uint32_t i = segment + 1; i < input->segment_count; i++) {
        bound = MIN(bound, input->segments[i].base_offset);
    }
    return bound;
}

static int64_t declared_end(const struct store_recover_input *input)
{
    int64_t end = MAX(input->durable_end, input->start_offset);

    for (size_t i = 0; i < input->piece_count; i++) {
        const struct store_piece *piece = &input->pieces[i];

        /* What was cut away at an earlier recovery says nothing any more; what it declared was kept then. */
        if (piece->kind == PIECE_JOURNAL || piece->first_offset < segment_bound(input, piece->segment)) {
            end = MAX(end, piece->durable_end);
        }
    }
    return end;
}

static bool piece_live(const struct store_recover_input *input, const struct store_piece *piece)
{
    return piece->intact &&
           (piece->kind == PIECE_JOURNAL || piece->first_offset < segment_bound(input, piece->segment));
}

static int64_t piece_last(const struct store_recover_input *input, const struct store_piece *piece)
{
    if (piece->kind == PIECE_JOURNAL) {
        return piece->last_offset;
    }
    return MIN(piece->last_offset, segment_bound(input, piece->segment) - 1);
}

struct journal_range {
    int64_t first, last;
};

static struct journal_range journal_range(const struct store_recover_input *input)
{
    struct journal_range range = {INT64_MAX, -1};

    for (size_t i = 0; i < input->piece_count; i++) {
        if (input->pieces[i].kind == PIECE_JOURNAL) {
            range.first = MIN(range.first, input->pieces[i].first_offset);
            range.last = MAX(range.last, input->pieces[i].last_offset);
        }
    }
    return range;
}

/* Largest offset below which everything had been written, durably, when something that was found was submitted: frames
 * say it, and an entry of the journal is submitted only when all before it is durable. */
static int64_t known_durable_end(const struct store_recover_input *input)
{
    int64_t end = 0;

    for (size_t i = 0; i < input->piece_count; i++) {
        const struct store_piece *piece = &input->pieces[i];

        if (piece->kind == PIECE_JOURNAL) {
            end = MAX(end, piece->first_offset);
        } else if (piece->first_offset < segment_bound(input, piece->segment)) {
            end = MAX(end, piece->durable_end);
        }
    }
    return end;
}

/* Segments are sealed in order, each when all its frames are flushed: below the last sealed one they are, whatever the
 * header before it says. (A seal that failed may have been read from a cache, trusted, and be gone after the next power
 * cut.) */
static int64_t sealed_begin(const struct store_recover_input *input)
{
    int64_t begin = 0;

    for (size_t i = 0; i < input->piece_count; i++) {
        const struct store_piece *piece = &input->pieces[i];

        if (piece->kind == PIECE_SEALED && piece_live(input, piece)) {
            begin = MAX(begin, piece->first_offset);
        }
    }
    return begin;
}

static bool piece_settled(const struct store_piece *piece, struct journal_range journal, int64_t known_end,
                          int64_t sealed_from)
{
    if (piece->kind == PIECE_SEALED || piece->last_offset < sealed_from || piece->mode == FRAME_SETTLED ||
        piece->mode == FRAME_ACCEPT) {
        return true;
    }
    if (piece->mode == FRAME_DURABLE) {
        return piece->last_offset < known_end;
    }
    return piece->last_offset < journal.first || piece->first_offset > journal.last;
}

/* The run in place from `begin` on: pieces one behind the other, in file order. Returns the first piece that is not
 * part of it. */
static size_t run_in_place(const struct store_recover_input *input, int64_t begin, struct store_recover_result *result)
{
    struct journal_range journal = journal_range(input);
    int64_t              known_end = known_durable_end(input);
    int64_t              sealed_from = sealed_begin(input);
    int64_t              next = begin;
    uint64_t place = input->data_start; /* where the next frame of the segment must stand, to be found by walking */
    uint32_t segment = UINT32_MAX;
    size_t   at = 0;

    for (size_t i = 0; i < input->piece_count; i++) {
        input->pieces[i].in_place = false;
    }
    for (; at < input->piece_count && input->pieces[at].kind != PIECE_JOURNAL; at++) {
        struct store_piece *piece = &input->pieces[at];

        if (piece->first_offset >= segment_bound(input, piece->segment) || piece->last_offset < begin) {
            continue; /* cut away before; or a hole lies between it and where the log begins now */
        }
        if (piece->segment != segment) {
            segment = piece->segment;
            place = input->data_start;
        }
        if (!piece->intact || piece->first_offset != next || (piece->kind == PIECE_FRAME && piece->position != place) ||
            !piece_settled(piece, journal, known_end, sealed_from)) {
            break;
        }
        if (result->keep_segments == 0) {
            result->keep_from = piece->segment;
        }
        next = piece_last(input, piece) + 1;
        place = piece->position + piece->frame_bytes;
        piece->in_place = true;
        result->keep_segments = piece->segment + 1;
    }
    result->first_offset = begin;
    result->in_place_end = next;
    return at;
}

/* The piece from `at` on that holds `offset` and reaches furthest. */
static size_t piece_with(const struct store_recover_input *input, size_t at, int64_t offset)
{
    size_t best = SIZE_MAX;

    for (; at < input->piece_count; at++) {
        const struct store_piece *piece = &input->pieces[at];

        if (piece->kind == PIECE_JOURNAL && piece->first_offset > offset) {
            break; /* they come in order, and there may be a hundred thousand of them */
        }
        if (piece_live(input, piece) && piece->first_offset <= offset && piece_last(input, piece) >= offset &&
            (best == SIZE_MAX || piece_last(input, piece) > piece_last(input, &input->pieces[best]))) {
            best = at;
        }
    }
    return best;
}

/* Pieces that lie behind everything looked for so far need not be looked at again: entries of the journal come in
 * order. */
static size_t skip_covered(const struct store_recover_input *input, size_t at, int64_t next)
{
    while (at < input->piece_count &&
           (!piece_live(input, &input->pieces[at]) || piece_last(input, &input->pieces[at]) < next)) {
        at++;
    }
    return at;
}

/* Is there something, whole or not, that the kept run does not reach? */
static bool stands_behind(const struct store_recover_input *input, int64_t end)
{
    for (size_t i = 0; i < input->piece_count; i++) {
        const struct store_piece *piece = &input->pieces[i];

        if ((piece->kind == PIECE_JOURNAL || piece->first_offset < segment_bound(input, piece->segment)) &&
            piece_last(input, piece) >= end) {
            return true;
        }
    }
    return false;
}

/* The whole run from `begin` on. */
static void run_from(const struct store_recover_input *input, int64_t begin, struct store_recover_result *result,
                     struct store_copy *out_copies)
{
    size_t  rest;
    int64_t next;

    *result = (struct store_recover_result){.verdict = VERDICT_CLEAN};
    rest = run_in_place(input, begin, result);
    next = result->in_place_end;
    for (;;) {
        size_t found;

        rest = skip_covered(input, rest, next);
        found = piece_with(input, rest, next);
        if (found == SIZE_MAX || input->pieces[found].kind == PIECE_SEALED) {
            break; /* a whole segment has no other place than its own: something before it is damaged */
        }
        out_copies[result->copy_count++] = (struct store_copy){.piece = (uint32_t)found, .from_offset = next};
        next = piece_last(input, &input->pieces[found]) + 1;
    }
    result->end_offset = next;
}

/* Does a segment end below `offset`, or none begin below it, and another one begin between it and the start? Then the
 * segment of that offset has left the log. */
static bool segment_gone(const struct store_recover_input *input, int64_t offset)
{
    uint32_t owner = input->segment_count;
    bool     followed = false;

    for (uint32_t i = 0; i < input->segment_count; i++) {
        int64_t base = input->segments[i].base_offset;

        if (base <= offset && (owner == input->segment_count || base >= input->segments[owner].base_offset)) {
            owner = i;
        }
        followed |= base > offset && base <= input->start_offset;
    }
    for (size_t i = 0; followed && owner < input->segment_count && i < input->piece_count; i++) {
        const struct store_piece *piece = &input->pieces[i];

        if (piece->kind == PIECE_JOURNAL || (piece->kind == PIECE_SEALED && piece->segment == owner)) {
            return piece->kind == PIECE_SEALED && piece->last_offset < offset;
        }
    }
    return followed && owner == input->segment_count;
}

/* The lowest offset, at or above `from` and not above the start, at which something is there; else the start. What lies
 * below the start is kept as long as it is whole, since the partition's state may stand in it only. */
static int64_t next_begin(const struct store_recover_input *input, int64_t from)
{
    int64_t begin = INT64_MAX;

    for (size_t i = 0; i < input->piece_count; i++) {
        const struct store_piece *piece = &input->pieces[i];

        /* The journal may hold the last batches of a segment that left the log still. A snapshot of a later one tells
         * of them, and a run from there on would have no place before that one. */
        if (piece->first_offset >= from && piece->first_offset < begin && piece_live(input, piece) &&
            (piece->kind != PIECE_JOURNAL || !segment_gone(input, piece->first_offset))) {
            begin = piece->first_offset;
        }
    }
    return begin > input->start_offset ? input->start_offset : begin;
}

void store__recover_decide(const struct store_recover_input *input, struct store_recover_result *out_result,
                           struct store_copy *out_copies)
{
    struct store_recover_result result;
    int64_t                     begin = next_begin(input, 0);

    run_from(input, begin, &result, out_copies);
    while (result.end_offset < input->start_offset && begin < input->start_offset) { /* a hole below the start */
        begin = next_begin(input, MAX(result.end_offset, begin + 1));
        run_from(input, begin, &result, out_copies);
    }
    result.durable_end = declared_end(input);
    if (result.durable_end > result.end_offset) {
        result.verdict = VERDICT_DAMAGED;
    } else if (stands_behind(input, result.end_offset)) {
        result.verdict = VERDICT_CUT;
    }
    *out_result = result;
}
