/* Rows that wait for the next save. */
#include "compute/exec/exec_journal.h"

#include "core/base/check.h"

#define CAPACITY_FIRST 16

/* Room for one more at the end: by moving to the front when half of it is free, else by twice the room. */
static bool make_room(struct exec_journal *journal, struct exec_heap *heap)
{
    size_t     count = journal->end - journal->begin;
    size_t     capacity = MAX((size_t)CAPACITY_FIRST, journal->capacity * 2);
    uintptr_t *items;

    if (journal->begin > journal->capacity / 2) {
        memmove(journal->items, journal->items + journal->begin, count * sizeof(*items));
        journal->begin = 0;
        journal->end = count;
        return true;
    }
    items = exec_heap_take(heap, capacity * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(items, journal->items + journal->begin, count * sizeof(*items));
    }
    exec_journal_clear(journal, heap);
    *journal = (struct exec_journal){.items = items, .end = count, .capacity = capacity};
    return true;
}

bool exec_journal_add(struct exec_journal *journal, struct exec_heap *heap, struct exec_match *match, uint32_t side)
{
    CHECK(((uintptr_t)match & 1) == 0 && side <= 1);
    if (journal->end == journal->capacity && !make_room(journal, heap)) {
        return false;
    }
    journal->items[journal->end++] = (uintptr_t)match | side;
    return true;
}

void exec_journal_clear(struct exec_journal *journal, struct exec_heap *heap)
{
    if (journal->items != NULL) {
        exec_heap_give(heap, journal->items, journal->capacity * sizeof(*journal->items));
    }
    *journal = (struct exec_journal){0};
}
