/* Aborted transactions of a partition: what readers of committed data skip.
 *
 * Facts: storage's TransactionIndex and AbortedTxn. Kafka keeps a file per segment; here the whole list is in memory,
 * 32 bytes each, and goes with the producers into the snapshots beside segments (part_snapshot.c), from which, or from
 * the batches themselves, it comes back.
 *
 * Invariants: 1. Ascending by last offset, because markers come in the log's order. 2. All transactions with a marker
 * behind an entry's begin at or above its stable offset: that is where a search may stop. 3. An entry goes when the
 * log's start has passed its marker, or when compaction says so.
 *
 * A crash may bring back what compaction had forgotten, from an older snapshot. A reader that is told of an aborted
 * transaction whose marker it never meets would skip the producer's next one; so in compacted logs the markers among
 * the batches of a read are looked at before the list is made. (Up to where its marker stood an entry does no harm:
 * there all batches of the producer were its own.) */
#include "core/part/part_internal.h"

#define ABORTED_CAPACITY_MIN ((size_t)16)

static size_t aborted_count(const struct part *part)
{
    return part->aborted_end - part->aborted_first;
}

void part__aborted_add(struct part *part, const struct part_aborted *aborted)
{
    CHECK(aborted_count(part) == 0 || part->aborted[part->aborted_end - 1].last_offset < aborted->last_offset);
    if (part->aborted_end == part->aborted_capacity && part->aborted_first >= part->aborted_capacity / 2 &&
        part->aborted_first > 0) {
        memmove(part->aborted, part->aborted + part->aborted_first, aborted_count(part) * sizeof(*part->aborted));
        part->aborted_end -= part->aborted_first;
        part->aborted_first = 0;
    }
    if (part->aborted_end == part->aborted_capacity) {
        part->aborted_capacity = MAX(ABORTED_CAPACITY_MIN, part->aborted_capacity * 2);
        part->aborted = mem_realloc(MEM_PART, part->aborted, part->aborted_capacity * sizeof(*part->aborted));
    }
    part->aborted[part->aborted_end++] = *aborted;
}

/* The first entry whose marker stands at or above `offset`. */
static size_t aborted_find(const struct part *part, int64_t offset)
{
    size_t low = part->aborted_first;
    size_t high = part->aborted_end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (part->aborted[middle].last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void part__aborted_trim_start(struct part *part, int64_t start_offset)
{
    part->aborted_first = aborted_find(part, start_offset);
    if (aborted_count(part) == 0) {
        part->aborted_first = 0;
        part->aborted_end = 0;
    }
}

void part__aborted_trim_end(struct part *part, int64_t end_offset)
{
    part->aborted_end = aborted_find(part, end_offset);
}

void part__aborted_clear(struct part *part)
{
    mem_free(MEM_PART, part->aborted);
    part->aborted = NULL;
    part->aborted_first = 0;
    part->aborted_end = 0;
    part->aborted_capacity = 0;
}

bool part_aborted_next(const struct part *part, int64_t from, int64_t to, size_t *position,
                       struct part_aborted *out_aborted)
{
    size_t at = *position == 0 ? aborted_find(part, from) : part->aborted_first + *position;

    while (at < part->aborted_end) {
        const struct part_aborted *aborted = &part->aborted[at++];

        *position = at - part->aborted_first;
        if (aborted->first_offset < to) {
            *out_aborted = *aborted;
            return true;
        }
        if (aborted->stable_offset >= to) {
            break;
        }
    }
    *position = aborted_count(part);
    return false;
}

void part_aborted_forget(struct part *part, int64_t from, int64_t to)
{
    size_t first = aborted_find(part, from);
    size_t behind = aborted_find(part, to);

    if (behind > first) {
        memmove(part->aborted + first, part->aborted + behind, (part->aborted_end - behind) * sizeof(*part->aborted));
        part->aborted_end -= behind - first;
    }
}

/* Sees the markers in one slice of a read. False: a batch goes on in the next one, so that nothing is known. */
static bool aborted_see(const struct part *part, struct view slice, size_t first, size_t behind, uint8_t *seen)
{
    struct rec_batch batch;
    size_t           bytes = 0;

    while (slice.len >= REC_HEADER_BYTES && rec_header_parse(slice, &batch, &bytes) == ERR_OK && bytes <= slice.len) {
        if ((batch.attributes & REC_ATTR_CONTROL) != 0 && batch.record_count > 0) {
            size_t at = aborted_find(part, batch.base_offset);

            if (at >= first && at < behind && part->aborted[at].last_offset == batch.base_offset) {
                seen[at - first] = 1;
            }
        }
        slice = view_of(slice.base + bytes, slice.len - bytes);
    }
    return slice.len == 0;
}

bool part__aborted_prune(struct part *part, const struct store_read *read, int64_t from, struct arena *arena)
{
    size_t   first = aborted_find(part, from);
    size_t   behind = aborted_find(part, read->next_offset);
    size_t   kept = first;
    uint8_t *seen;

    if (first == behind) {
        return true;
    }
    seen = arena_alloc(arena, behind - first);
    if (seen == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < read->slice_count; i++) {
        if (!aborted_see(part, read->slices[i], first, behind, seen)) {
            return true;
        }
    }
    for (size_t i = first; i < behind; i++) {
        if (seen[i - first] != 0) {
            part->aborted[kept++] = part->aborted[i];
        }
    }
    memmove(part->aborted + kept, part->aborted + behind, (part->aborted_end - behind) * sizeof(*part->aborted));
    part->aborted_end -= behind - kept;
    return true;
}

/* Into the order of first offsets. Those that overlap change places, and they are few at any time. */
static void aborted_sort(struct part_aborted *aborted, int32_t count)
{
    for (int32_t i = 1; i < count; i++) {
        struct part_aborted one = aborted[i];
        int32_t             to = i;

        while (to > 0 && aborted[to - 1].first_offset > one.first_offset) {
            aborted[to] = aborted[to - 1];
            to--;
        }
        aborted[to] = one;
    }
}

bool part__aborted_list(const struct part *part, int64_t from, int64_t to, struct arena *arena,
                        struct part_aborted **out_aborted, int32_t *out_count)
{
    struct part_aborted  one;
    struct part_aborted *list;
    size_t               position = 0;
    int32_t              count = 0;

    while (part_aborted_next(part, from, to, &position, &one)) {
        count++;
    }
    list = arena_alloc_array(arena, (size_t)count, sizeof(*list));
    if (list == NULL) {
        return false;
    }
    position = 0;
    for (int32_t i = 0; i < count; i++) {
        CHECK(part_aborted_next(part, from, to, &position, &list[i]));
    }
    aborted_sort(list, count);
    *out_aborted = list;
    *out_count = count;
    return true;
}
