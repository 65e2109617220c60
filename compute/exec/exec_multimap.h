/* exec_multimap.h: rows of two inputs by a common key, for joins.
 *
 * One table for both sides: a row that comes looks its key up once, finds the other side's rows in the entry, and is
 * kept in the same entry. Rows of a side and key stand in the order of their arrival. */
#ifndef MILLRACE_EXEC_MULTIMAP_H
#define MILLRACE_EXEC_MULTIMAP_H

#include "compute/exec/exec_row.h"

/* A kept row; the row itself follows. */
struct exec_match {
    struct exec_match *next;
    int64_t            time; /* the owner's */
};

struct exec_matches {
    struct exec_match *first, *last;
};

/* The payload of a key's entry. */
struct exec_multimap_key {
    struct exec_matches sides[2];
    void               *link; /* the owner's */
};

struct exec_multimap {
    struct exec_heap         *heap;
    struct exec_table        *table;
    const struct exec_layout *rows[2];
};

/* The layouts must outlive it. False: the heap is spent; deinit is fine then. */
MUST_USE bool exec_multimap_init(struct exec_multimap *map, struct exec_operator *op, const struct exec_layout *key,
                                 const struct exec_layout *left, const struct exec_layout *right);
void          exec_multimap_deinit(struct exec_multimap *map);

static inline struct exec_matches *exec_multimap_matches(const struct exec_multimap *map, void *entry, uint32_t side)
{
    return &((struct exec_multimap_key *)exec_table_payload(map->table, entry))->sides[side];
}

static inline void **exec_multimap_link(const struct exec_multimap *map, void *entry)
{
    return &((struct exec_multimap_key *)exec_table_payload(map->table, entry))->link;
}

static inline void *exec_match_row(struct exec_match *match)
{
    return match + 1;
}

/* Keeps a copy of a loaded row. NULL: the heap is spent. */
struct exec_match *exec_multimap_append(struct exec_multimap *map, void *entry, uint32_t side, const void *loaded,
                                        int64_t time);
/* A row of an entry; zeroed but for the entry: before its first. */
struct exec_multimap_place {
    void              *entry;
    uint32_t           side;
    struct exec_match *match;
};

/* On to the entry's next row, left ones first. False: there is none, and the place means nothing any more. */
bool exec_multimap_next(const struct exec_multimap *map, struct exec_multimap_place *place);
/* Forgets an entry and its rows. */
void exec_multimap_remove(struct exec_multimap *map, void *entry);
/* Forgets the oldest row; the entry, too, when that was its last row of both sides. */
void exec_multimap_drop_first(struct exec_multimap *map, void *entry, uint32_t side);

#endif
