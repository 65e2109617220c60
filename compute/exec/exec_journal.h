/* exec_journal.h: rows that were kept since state was saved last, in the order in which they came: what joins write out
 * at the next save. An operator that is not told to keep changes has none, and pays nothing.
 *
 * An item is the address of a kept row with the side it is of. Rows leave at the front only, when the oldest dies
 * before it was saved. */
#ifndef MILLRACE_EXEC_JOURNAL_H
#define MILLRACE_EXEC_JOURNAL_H

#include "compute/exec/exec_multimap.h"

/* Zeroed: empty. Its memory is the heap's that is given with each call, always the same. */
struct exec_journal {
    uintptr_t *items;
    size_t     begin, end, capacity;
};

/* False: the heap is spent. */
MUST_USE bool exec_journal_add(struct exec_journal *journal, struct exec_heap *heap, struct exec_match *match,
                               uint32_t side);
/* All are saved, or gone. */
void exec_journal_clear(struct exec_journal *journal, struct exec_heap *heap);
/* NULL: there is nothing to save. */
static inline struct exec_match *exec_journal_first(const struct exec_journal *journal, uint32_t *out_side)
{
    uintptr_t item = journal->begin < journal->end ? journal->items[journal->begin] : 0;

    *out_side = item & 1;
    return (struct exec_match *)(item & ~(uintptr_t)1);
}
/* The first is saved, or gone. */
static inline void exec_journal_drop_first(struct exec_journal *journal)
{
    journal->begin++;
}
/* The match is about to die: when it is the oldest of the journal, it leaves it. */
static inline void exec_journal_drop(struct exec_journal *journal, const struct exec_match *match)
{
    uint32_t side;

    if (exec_journal_first(journal, &side) == match) {
        exec_journal_drop_first(journal);
    }
}

#endif
