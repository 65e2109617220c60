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

struct exec_journal_item {
    struct exec_match *match;
    uint32_t           side;
};

/* False: the heap is spent. */
MUST_USE bool exec_journal_add(struct exec_journal *journal, struct exec_heap *heap, struct exec_match *match,
                               uint32_t side);
/* All are saved, or gone. */
void exec_journal_clear(struct exec_journal *journal, struct exec_heap *heap);
/* The match is about to die: when it is the oldest of the journal, it leaves it. */
static inline void exec_journal_drop(struct exec_journal *journal, const struct exec_match *match)
{
    if (journal->begin < journal->end && (journal->items[journal->begin] & ~(uintptr_t)1) == (uintptr_t)match) {
        journal->begin++;
    }
}
static inline size_t exec_journal_count(const struct exec_journal *journal)
{
    return journal->end - journal->begin;
}
/* i of exec_journal_count(). */
static inline struct exec_journal_item exec_journal_at(const struct exec_journal *journal, size_t i)
{
    uintptr_t item = journal->items[journal->begin + i];

    return (struct exec_journal_item){.match = (struct exec_match *)(item & ~(uintptr_t)1), .side = item & 1};
}

#endif
