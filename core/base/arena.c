#include "core/base/arena.h"

#include "core/base/check.h"

#define ARENA_ALIGNMENT 16

struct arena_block {
    struct arena_block *next;
    size_t              capacity;
    size_t              used;
    size_t              padding_;
    uint8_t             bytes[];
};

STATIC_CHECK(sizeof(struct arena_block) % ARENA_ALIGNMENT == 0);

void arena_init(struct arena *arena, enum mem_tag tag, size_t block_bytes, size_t bytes_max)
{
    CHECK(block_bytes > 0);
    *arena = (struct arena){.block_bytes = block_bytes, .bytes_max = bytes_max, .tag = tag};
}

void arena_deinit(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        mem_free(arena->tag, block);
    }
    arena->bytes_total = 0;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = NULL;

    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        if (kept == NULL && block->capacity == arena->block_bytes) {
            kept = block;
        } else {
            mem_free(arena->tag, block);
        }
    }
    arena->bytes_total = 0;
    if (kept != NULL) {
        memset(kept->bytes, 0, kept->used);
        kept->used = 0;
        kept->next = NULL;
        arena->blocks = kept;
        arena->bytes_total = kept->capacity;
    }
}

static struct arena_block *arena_grow(struct arena *arena, size_t size_bytes)
{
    size_t              capacity = MAX(arena->block_bytes, size_bytes);
    struct arena_block *block;

    if (size_bytes > arena->bytes_max || arena->bytes_total > arena->bytes_max - size_bytes) {
        return NULL;
    }
    block = mem_try_alloc(arena->tag, sizeof(*block) + capacity);
    if (block == NULL) {
        return NULL;
    }
    block->capacity = capacity;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->bytes_total += capacity;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    struct arena_block *block = arena->blocks;
    size_t              rounded;
    void               *pointer;

    if (size_bytes > SIZE_MAX - ARENA_ALIGNMENT) {
        return NULL;
    }
    rounded = (size_t)align_up(MAX(size_bytes, (size_t)1), ARENA_ALIGNMENT);
    if (block == NULL || block->capacity - block->used < rounded) {
        block = arena_grow(arena, rounded);
        if (block == NULL) {
            return NULL;
        }
    }
    pointer = block->bytes + block->used;
    block->used += rounded;
    return pointer;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t element_bytes)
{
    if (element_bytes != 0 && count > SIZE_MAX / element_bytes) {
        return NULL;
    }
    return arena_alloc(arena, count * element_bytes);
}

struct view arena_copy(struct arena *arena, struct view bytes)
{
    uint8_t *copy = bytes.len == SIZE_MAX ? NULL : arena_alloc(arena, bytes.len + 1);

    if (copy == NULL) {
        return (struct view){0};
    }
    if (bytes.len > 0) {
        memcpy(copy, bytes.base, bytes.len);
    }
    return view_of(copy, bytes.len);
}
