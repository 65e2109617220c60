/* store_compact_open.c: what compaction means for a log that is read back after an unclean stop. Part of store_scan.c's
 * work, pure.
 *
 * A segment made by compaction names the numbers of those it stands for. It counts from the moment its header says
 * SEALED, in one write: from then on they are dead, whether their files are still there or not; before that it is dead
 * itself. Of two that claim the same number the one made later counts: the other was replaced by it, or its header was
 * taken for unwritten when it was written. */
#include "core/store/store_opening.h"

void store__opening_dead(struct store_opening *opening, uint32_t number)
{
    if (opening->dead_count == opening->dead_capacity) {
        opening->dead_capacity = MAX(opening->dead_capacity * 2, 8U);
        opening->dead = mem_realloc(MEM_STORE, opening->dead, opening->dead_capacity * sizeof(opening->dead[0]));
    }
    opening->dead[opening->dead_count++] = number;
}

static bool places_meet(const struct store_segment_header *a, const struct store_segment_header *b)
{
    return store__segment_place(a) <= store__segment_place_last(b) &&
           store__segment_place(b) <= store__segment_place_last(a);
}

/* By the latest first: segments stand in the order of their numbers here. */
static bool segment_dead(const struct store_opening *opening, const bool *dead, uint32_t ordinal)
{
    const struct store_segment_header *header = &opening->segments[ordinal]->header;

    for (uint32_t i = opening->segment_count - 1; i > ordinal; i--) {
        const struct store_segment_header *later = &opening->segments[i]->header;

        if (!dead[i] && store__segment_compacted(later) && places_meet(header, later)) {
            return true;
        }
    }
    return false;
}

/* The living one with the lowest place that has not been taken yet, or segment_count. */
static uint32_t segment_lowest(const struct store_opening *opening, const bool *taken)
{
    uint32_t lowest = opening->segment_count;

    for (uint32_t i = 0; i < opening->segment_count; i++) {
        if (!taken[i] &&
            (lowest == opening->segment_count || store__segment_place(&opening->segments[i]->header) <
                                                     store__segment_place(&opening->segments[lowest]->header))) {
            lowest = i;
        }
    }
    return lowest;
}

/* The pieces of each segment, which stand together. */
static size_t pieces_move(const struct store_opening *opening, uint32_t ordinal, uint32_t to, size_t *from,
                          struct store_piece *out_pieces)
{
    size_t at = from[ordinal];

    for (; at < opening->piece_count && opening->pieces[at].segment == ordinal; at++) {
        out_pieces[at - from[ordinal]] = opening->pieces[at];
        out_pieces[at - from[ordinal]].segment = to;
    }
    return at - from[ordinal];
}

/* Segments and pieces in their new order. `taken`: the dead ones. */
static void places_arrange(struct store_opening *opening, bool *taken)
{
    struct store_segment **segments =
        mem_alloc(MEM_STORE, (opening->segment_count + 1) * sizeof(struct store_segment *));
    struct store_piece *pieces = mem_alloc(MEM_STORE, (opening->piece_count + 1) * sizeof(struct store_piece));
    size_t             *from = mem_alloc(MEM_STORE, (opening->segment_count + 1) * sizeof(size_t));
    uint32_t            count = 0;
    size_t              piece_count = 0;
    uint32_t            next;

    for (size_t k = opening->piece_count; k-- > 0;) {
        from[opening->pieces[k].segment] = k;
    }
    while ((next = segment_lowest(opening, taken)) < opening->segment_count) {
        piece_count += pieces_move(opening, next, count, from, pieces + piece_count);
        taken[next] = true;
        segments[count++] = opening->segments[next];
        opening->segments[next] = NULL;
    }
    for (uint32_t i = 0; i < opening->segment_count; i++) {
        store__segment_free(opening->segments[i]);
    }
    mem_free(MEM_STORE, from);
    mem_free(MEM_STORE, opening->segments);
    mem_free(MEM_STORE, opening->pieces);
    opening->segments = segments;
    opening->segment_count = count;
    opening->pieces = pieces;
    opening->piece_capacity = opening->piece_count + 1;
    opening->piece_count = piece_count;
}

void store__opening_places(struct store_opening *opening)
{
    bool *dead = mem_alloc(MEM_STORE, opening->segment_count + 1);
    bool  any = false;

    for (uint32_t i = opening->segment_count; i-- > 0;) {
        dead[i] = segment_dead(opening, dead, i);
        if (dead[i]) {
            store__opening_dead(opening, opening->segments[i]->header.number);
        }
        any |= store__segment_compacted(&opening->segments[i]->header);
    }
    if (any) {
        places_arrange(opening, dead);
    }
    mem_free(MEM_STORE, dead);
}
