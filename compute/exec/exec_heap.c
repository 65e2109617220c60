/* Heaps: memory of rows and texts by size class, bumped from blocks that double.
 *
 * What is given back waits on its class's free list and is never joined: rows of an operator have few sizes, and texts
 * come in classes a quarter of a doubling apart. Blocks go back when the heap is destroyed. The budget is charged by
 * the block, so that the count shared by all workers is rarely touched. */
#include "compute/exec/exec_row.h"

#include "core/base/check.h"
#include "core/base/list.h"

#define ALIGNMENT      16
#define FINE_MAX       1024               /* classes of 16 bytes to here */
#define CLASS_MAX      (64 * (size_t)KIB) /* classes a quarter of a doubling apart; above, its own allocation */
#define FINE_COUNT     (FINE_MAX / ALIGNMENT)
#define CLASS_COUNT    (FINE_COUNT + 4 * 6 + 1)
#define BLOCK_MIN      (4 * (size_t)KIB)
#define BLOCK_MAX      ((size_t)MIB)
#define LINE           64
#define SCRATCH_BLOCK  (32 * (size_t)KIB)
#define SCRATCH_MAX    ((size_t)GIB)
#define BLOCK_OVERHEAD LINE

struct free_item {
    struct free_item *next;
};

struct block {
    struct list_node link;
    size_t           bytes; /* charged */
};

STATIC_CHECK(sizeof(struct block) <= BLOCK_OVERHEAD);

struct exec_heap {
    struct exec_operator *op;
    struct list_node      blocks;
    struct list_node      large;
    uint8_t              *bump, *bump_end;
    size_t                block_bytes; /* of the next block */
    size_t                bytes;
    int64_t               rows; /* entries of its tables */
    struct free_item     *free[CLASS_COUNT];
    struct arena          scratch;
};

/* The class of a size, and the size of all in it. */
static uint32_t class_of(size_t bytes, size_t *out_bytes)
{
    uint32_t shift;
    size_t   rounded;

    if (bytes <= FINE_MAX) {
        rounded = (size_t)align_up(MAX(bytes, (size_t)1), ALIGNMENT);
        *out_bytes = rounded;
        return (uint32_t)(rounded / ALIGNMENT) - 1;
    }
    shift = 63U - (uint32_t)__builtin_clzll(bytes - 1); /* 2^shift < bytes <= 2^(shift + 1) */
    rounded = (size_t)align_up(bytes, UINT64_C(1) << (shift - 2));
    *out_bytes = rounded;
    /* (rounded - 2^shift) is 1 .. 4 quarters */
    return FINE_COUNT + (shift - 10) * 4 + (uint32_t)((rounded - (UINT64_C(1) << shift)) >> (shift - 2)) - 1;
}

struct exec_heap *exec_heap_create(struct exec_operator *op)
{
    struct exec_heap *heap;

    if (!exec__charge(op, sizeof(*heap))) {
        return NULL;
    }
    heap = mem_alloc(MEM_COMPUTE, sizeof(*heap));
    heap->op = op;
    heap->block_bytes = BLOCK_MIN;
    heap->bytes = sizeof(*heap);
    list_init(&heap->blocks);
    list_init(&heap->large);
    arena_init(&heap->scratch, MEM_COMPUTE, SCRATCH_BLOCK, SCRATCH_MAX);
    return heap;
}

static void free_blocks(struct list_node *blocks)
{
    struct list_node *node;

    while ((node = list_pop_front(blocks)) != NULL) {
        mem_free(MEM_COMPUTE, CONTAINER_OF(node, struct block, link));
    }
}

void exec_heap_destroy(struct exec_heap *heap)
{
    if (heap != NULL) {
        free_blocks(&heap->blocks);
        free_blocks(&heap->large);
        arena_deinit(&heap->scratch);
        exec__release(heap->op, heap->bytes);
        exec__count_state_rows(heap->op, -heap->rows);
        mem_free(MEM_COMPUTE, heap);
    }
}

static struct block *block_make(struct exec_heap *heap, struct list_node *list, size_t bytes)
{
    struct block *block;

    if (!exec__charge(heap->op, bytes)) {
        return NULL;
    }
    block = mem_try_alloc_unset(MEM_COMPUTE, bytes);
    if (block == NULL) {
        exec__release(heap->op, bytes);
        (void)exec__fail(heap->op, "the machine has no memory left for %zu bytes more of state", bytes);
        return NULL;
    }
    block->bytes = bytes;
    heap->bytes += bytes;
    list_init(&block->link);
    list_push_back(list, &block->link);
    return block;
}

/* A new block to bump from. What is left of the one before is lost: less than the item that did not fit. */
static bool heap_grow(struct exec_heap *heap, size_t bytes)
{
    size_t        need = bytes + BLOCK_OVERHEAD + LINE;
    struct block *block = block_make(heap, &heap->blocks, MAX(need, heap->block_bytes));

    if (block == NULL) {
        return false;
    }
    heap->block_bytes = MIN(heap->block_bytes * 2, BLOCK_MAX);
    heap->bump = (uint8_t *)block + sizeof(*block);
    heap->bump_end = (uint8_t *)block + block->bytes;
    /* Items of whole cache lines then start on one. */
    heap->bump += (LINE - (uintptr_t)heap->bump % LINE) % LINE;
    return true;
}

static void *take_large(struct exec_heap *heap, size_t bytes)
{
    struct block *block = bytes > SIZE_MAX / 2 ? NULL : block_make(heap, &heap->large, bytes + BLOCK_OVERHEAD);

    return block == NULL ? NULL : (uint8_t *)block + BLOCK_OVERHEAD;
}

void *exec_heap_take(struct exec_heap *heap, size_t bytes)
{
    size_t rounded;
    uint32_t class;
    void *item;

    if (bytes > CLASS_MAX) {
        return take_large(heap, bytes);
    }
    class = class_of(bytes, &rounded);
    if (heap->free[class] != NULL) {
        item = heap->free[class];
        heap->free[class] = heap->free[class]->next;
        return item;
    }
    if ((size_t)(heap->bump_end - heap->bump) < rounded && !heap_grow(heap, rounded)) {
        return NULL;
    }
    item = heap->bump;
    heap->bump += rounded;
    return item;
}

void exec_heap_give(struct exec_heap *heap, void *base, size_t bytes)
{
    struct free_item *item = base;
    size_t            rounded;
    uint32_t class;

    CHECK(base != NULL);
    if (bytes > CLASS_MAX) {
        struct block *block = (struct block *)(void *)((uint8_t *)base - BLOCK_OVERHEAD);

        CHECK(block->bytes == bytes + BLOCK_OVERHEAD);
        list_remove(&block->link);
        heap->bytes -= block->bytes;
        exec__release(heap->op, block->bytes);
        mem_free(MEM_COMPUTE, block);
        return;
    }
    class = class_of(bytes, &rounded);
    item->next = heap->free[class];
    heap->free[class] = item;
}

size_t exec_heap_bytes(const struct exec_heap *heap)
{
    return heap->bytes;
}

struct arena *exec_heap_scratch(struct exec_heap *heap)
{
    return &heap->scratch;
}

struct exec_operator *exec__heap_operator(const struct exec_heap *heap)
{
    return heap->op;
}

void exec__heap_count_rows(struct exec_heap *heap, int64_t rows)
{
    heap->rows += rows;
    exec__count_state_rows(heap->op, rows);
}
