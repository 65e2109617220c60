/* arena.h: bump allocation for one request, freed in one go.
 *
 * Blocks are kept on reset (up to one standard block), so a warm arena does not reach the allocator. Pointers die with
 * arena_reset or arena_deinit. Memory is zeroed. One owner, one thread. */
#ifndef MILLRACE_ARENA_H
#define MILLRACE_ARENA_H

#include "core/base/mem.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;      /* newest first */
    size_t              block_bytes; /* size of a standard block */
    size_t              bytes_max;   /* over this, arena_alloc gives NULL */
    size_t              bytes_total; /* handed out by blocks since the last reset */
    enum mem_tag        tag;
};

void arena_init(struct arena *arena, enum mem_tag tag, size_t block_bytes, size_t bytes_max);
void arena_deinit(struct arena *arena);
/* Forgets everything, keeps one standard block. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned to 16; NULL over budget. size_bytes 0 gives a valid pointer. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size_bytes);
/* count * element_bytes with overflow check; NULL over budget. */
MUST_USE void *arena_alloc_array(struct arena *arena, size_t count, size_t element_bytes);
/* A copy in the arena with a NUL behind it (not counted in len); base NULL when over budget. */
MUST_USE struct view arena_copy(struct arena *arena, struct view bytes);

#endif
